//! Replies counted by TTL: the form that tables show and that imported traces may have as their only one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::{DestinationId, InterfaceObject, MplsLabel, ReplyKind, Run, Stage};

/// Round-trip times of one responder at one TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtt {
    /// Shortest.
    pub min: Duration,
    /// Arithmetic mean.
    pub avg: Duration,
    /// Longest.
    pub max: Duration,
}

/// How often one kind of unreachable message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// ICMP type: 3 (IPv4) or 1 (IPv6).
    pub icmp_type: u8,
    /// ICMP code.
    pub code: u8,
    /// Messages.
    pub count: u32,
}

/// Replies of one responder by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyCounts {
    /// ICMP time exceeded.
    pub time_exceeded: u32,
    /// TCP SYN-ACK.
    pub syn_ack: u32,
    /// TCP RST.
    pub rst: u32,
    /// ICMP echo reply.
    pub echo_reply: u32,
    /// UDP datagram.
    pub udp_answer: u32,
    /// Fragmentation needed, packet too big.
    pub too_big: u32,
    /// Redirects and the like.
    pub other: u32,
    /// ICMP destination unreachable by type and code, in that order.
    pub unreachable: Vec<Unreachable>,
}

/// One address that answered at a TTL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responder {
    /// Source address of its replies.
    pub address: IpAddr,
    /// Its round-trip times, duplicates left out.
    pub rtt: Option<Rtt>,
    /// Its replies by kind.
    pub replies: ReplyCounts,
    /// The label stack of its first reply that had one.
    pub mpls: Vec<MplsLabel>,
    /// The interface objects of its first reply that had any.
    pub interfaces: Vec<InterfaceObject>,
    /// The different TTLs its replies arrived with, ascending.
    pub reply_ttl: Vec<u8>,
}

/// Everything one destination's probes drew at one TTL, all flows together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The probes' TTL.
    pub ttl: u8,
    /// Probes that left.
    pub sent: u32,
    /// Probes that were answered.
    pub answered: u32,
    /// Who answered, most replies first, then by address.
    pub responders: Vec<Responder>,
}

#[derive(Default)]
struct Tally {
    counts: ReplyCounts,
    rtts: Vec<Duration>,
    mpls: Vec<MplsLabel>,
    interfaces: Vec<InterfaceObject>,
    ttls: Vec<u8>,
    total: u32,
}

/// The hops of one destination, by ascending TTL. Probes with a full TTL ([`Stage::Reach`]) belong to no hop.
#[must_use]
pub fn hops(run: &Run, destination: DestinationId) -> Vec<Hop> {
    let mut by_ttl: BTreeMap<u8, (u32, u32, BTreeMap<IpAddr, Tally>)> = BTreeMap::new();
    for probe in run.probes_to(destination).filter(|probe| probe.stage != Stage::Reach) {
        let (sent, answered, responders) = by_ttl.entry(probe.ttl).or_default();
        *sent += 1;
        *answered += u32::from(probe.was_answered());
        for reply in &probe.replies {
            let tally = responders.entry(reply.from).or_default();
            if reply.duplicate {
                continue;
            }
            tally.total += 1;
            tally.rtts.push(reply.rtt);
            count(&mut tally.counts, reply.kind);
            if tally.mpls.is_empty() {
                tally.mpls.clone_from(&reply.mpls);
            }
            if tally.interfaces.is_empty() {
                tally.interfaces.clone_from(&reply.interfaces);
            }
            tally.ttls.extend(reply.reply_ttl);
        }
    }
    by_ttl
        .into_iter()
        .map(|(ttl, (sent, answered, tallies))| {
            let mut responders: Vec<(u32, Responder)> = tallies
                .into_iter()
                .map(|(address, tally)| (tally.total, responder(address, tally)))
                .collect();
            responders.sort_by_key(|(total, responder)| (std::cmp::Reverse(*total), responder.address));
            Hop { ttl, sent, answered, responders: responders.into_iter().map(|(_, one)| one).collect() }
        })
        .collect()
}

fn count(counts: &mut ReplyCounts, kind: ReplyKind) {
    match kind {
        ReplyKind::TimeExceeded => counts.time_exceeded += 1,
        ReplyKind::SynAck => counts.syn_ack += 1,
        ReplyKind::Rst => counts.rst += 1,
        ReplyKind::EchoReply => counts.echo_reply += 1,
        ReplyKind::UdpAnswer => counts.udp_answer += 1,
        ReplyKind::TooBig { .. } => counts.too_big += 1,
        ReplyKind::OtherIcmp { .. } => counts.other += 1,
        ReplyKind::Unreachable { icmp_type, code } => {
            let key = (icmp_type, code);
            match counts.unreachable.binary_search_by_key(&key, |row| (row.icmp_type, row.code)) {
                Ok(place) => counts.unreachable[place].count += 1,
                Err(place) => counts.unreachable.insert(place, Unreachable { icmp_type, code, count: 1 }),
            }
        }
    }
}

fn responder(address: IpAddr, mut tally: Tally) -> Responder {
    tally.ttls.sort_unstable();
    tally.ttls.dedup();
    let rtt = tally.rtts.iter().min().zip(tally.rtts.iter().max()).map(|(&min, &max)| Rtt {
        min,
        max,
        avg: tally.rtts.iter().sum::<Duration>() / u32::try_from(tally.rtts.len()).unwrap_or(u32::MAX),
    });
    Responder {
        address,
        rtt,
        replies: tally.counts,
        mpls: tally.mpls,
        interfaces: tally.interfaces,
        reply_ttl: tally.ttls,
    }
}
