//! scamper's traces, from its JSON and from its own files (warts): both say the same and become the same here.
//!
//! scamper writes replies and leaves silence out: how many probes a silent hop had follows from the attempts allowed and
//! the hops probed, and is checked with the number of probes where the file has it.

mod json;
#[cfg(test)]
pub(super) mod tests;
mod warts;

pub(super) use json::read as read_json;
pub(super) use warts::read as read_warts;

use std::net::IpAddr;

use super::words::milliseconds;
use crate::trace::foreign::{ForeignReply, ForeignTrace, ForeignVantage, Provenance, most};
use crate::trace::{MplsLabel, Protocol, ReplyKind};

/// Replies of one trace that are kept.
const REPLIES: usize = 1 << 14;

/// Why a trace ended, by scamper's numbers and names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stop {
    #[default]
    None,
    Completed,
    Unreach,
    Icmp,
    Loop,
    GapLimit,
    Error,
    HopLimit,
    Gss,
    Halted,
    InProgress,
    Other,
}

impl Stop {
    const NAMES: [(&'static str, Self); 11] = [
        ("NONE", Self::None),
        ("COMPLETED", Self::Completed),
        ("UNREACH", Self::Unreach),
        ("ICMP", Self::Icmp),
        ("LOOP", Self::Loop),
        ("GAPLIMIT", Self::GapLimit),
        ("ERROR", Self::Error),
        ("HOPLIMIT", Self::HopLimit),
        ("GSS", Self::Gss),
        ("HALTED", Self::Halted),
        ("INPROGRESS", Self::InProgress),
    ];

    fn of_name(name: &str) -> Self {
        Self::NAMES.iter().find(|(known, _)| *known == name).map_or(Self::Other, |(_, stop)| *stop)
    }

    fn of_number(number: u8) -> Self {
        Self::NAMES.get(usize::from(number)).map_or(Self::Other, |(_, stop)| *stop)
    }
}

/// A trace as scamper records it.
#[derive(Debug, Default)]
struct Record {
    source: Option<IpAddr>,
    target: Option<IpAddr>,
    protocol: Option<Protocol>,
    port: Option<u16>,
    stop: Stop,
    stop_data: u8,
    /// Nanoseconds since 1970.
    began: Option<i64>,
    attempts: Option<u8>,
    first: Option<u8>,
    /// TTLs probed, counted from 1.
    hops: Option<u16>,
    size: Option<u16>,
    sent: Option<u32>,
    replies: Vec<Reply>,
    /// Replies beyond the most that is kept.
    left: u64,
    /// The monitor's name.
    monitor: Option<String>,
    findings: Vec<String>,
}

/// A reply as scamper records it.
#[derive(Debug, Default)]
struct Reply {
    address: Option<IpAddr>,
    name: Option<String>,
    ttl: u8,
    /// Which of the probes with this TTL, counted from 1.
    attempt: u8,
    rtt_ms: Option<f64>,
    reply_ttl: Option<u8>,
    icmp: Option<(u8, u8)>,
    tcp_flags: Option<u8>,
    mtu: Option<u32>,
    quoted_ttl: Option<u8>,
    mpls: Vec<MplsLabel>,
}

impl Reply {
    fn kind(&self, protocol: Option<Protocol>) -> Option<ReplyKind> {
        let six = self.address?.is_ipv6();
        if let Some((icmp_type, code)) = self.icmp {
            let mtu = self.mtu.unwrap_or(0);
            return Some(match (six, icmp_type, code) {
                (false, 11, 0) | (true, 3, 0) => ReplyKind::TimeExceeded,
                (false, 0, _) | (true, 129, _) => ReplyKind::EchoReply,
                (false, 3, 4) | (true, 2, _) => ReplyKind::TooBig { mtu },
                (false, 3, _) | (true, 1, _) => ReplyKind::Unreachable { icmp_type, code },
                _ => ReplyKind::OtherIcmp { icmp_type, code },
            });
        }
        match (self.tcp_flags, protocol) {
            (Some(flags), _) if flags & 4 != 0 => Some(ReplyKind::Rst),
            (Some(flags), _) if flags & 18 == 18 => Some(ReplyKind::SynAck),
            (None, Some(Protocol::Udp)) => Some(ReplyKind::UdpAnswer),
            _ => None,
        }
    }
}

impl Record {
    fn into_trace(mut self, dialect: &str, version: Option<String>, lines: (u64, u64)) -> ForeignTrace {
        let mut trace = ForeignTrace {
            origin: Provenance {
                format: "scamper",
                dialect: dialect.to_owned(),
                version,
                lines: Some(lines),
            },
            vantage: ForeignVantage {
                label: self.monitor.take(),
                source: self.source,
                ..ForeignVantage::default()
            },
            target: self.target.map(|target| target.to_string()).unwrap_or_default(),
            address: self.target,
            protocol: self.protocol,
            port: self.port,
            size: self.size,
            started_at: self.began,
            reached: match self.stop {
                Stop::Completed => Some(true),
                Stop::InProgress | Stop::Other | Stop::Gss | Stop::Halted => None,
                _ => Some(false),
            },
            ..ForeignTrace::default()
        };
        let line = Some(lines.0);
        match self.stop {
            Stop::Error => {
                trace.failure = Some(format!("scamper stopped with error {} of the system", self.stop_data));
            }
            Stop::Loop => trace.note(line, "scamper stopped at a loop"),
            Stop::Gss => {
                trace.note(line, "scamper stopped where another trace had been (GSS), not for silence")
            }
            Stop::Halted => trace.note(line, "scamper was halted within this trace"),
            Stop::InProgress => trace.note(line, "scamper wrote this trace before it was done"),
            _ => {}
        }
        for finding in std::mem::take(&mut self.findings) {
            trace.note(line, finding);
        }
        if self.left > 0 {
            trace.note(line, format!("{} replies beyond the most that is kept are left out", self.left));
        }
        self.add_hops(&mut trace, line);
        trace
    }

    fn add_hops(self, trace: &mut ForeignTrace, line: Option<u64>) {
        // Bit n of a TTL's set: its probe n was answered.
        let mut answered = [[0u64; 4]; 256];
        let mut second = 0;
        for reply in self.replies {
            if reply.ttl == 0 {
                trace.note(line, "a reply to no TTL is left out");
                continue;
            }
            let bits = &mut answered[usize::from(reply.ttl)][usize::from(reply.attempt / 64)];
            let bit = 1 << (reply.attempt % 64);
            if *bits & bit != 0 {
                second += 1;
                continue;
            }
            *bits |= bit;
            let kind = reply.kind(self.protocol);
            let rtt_ms = reply.rtt_ms.and_then(milliseconds);
            if reply.rtt_ms.is_some() && rtt_ms.is_none() {
                trace.note(
                    line,
                    format!(
                        "hop {}: a time that cannot be is left out: the clock was set meanwhile",
                        reply.ttl
                    ),
                );
            }
            let hop = trace.hop_mut(reply.ttl);
            let Some(one) = hop.responder_mut(reply.address, reply.name.as_deref()) else {
                trace.note(
                    line,
                    format!("hop {}: an address beyond the most that is kept is left out", reply.ttl),
                );
                continue;
            };
            one.name = one.name.take().or(reply.name);
            if one.mpls.is_empty() {
                one.mpls = reply.mpls;
            }
            if one.replies.len() < most::REPLIES {
                one.replies.push(ForeignReply {
                    rtt_ms,
                    kind,
                    reply_ttl: reply.reply_ttl,
                    quoted_ttl: reply.quoted_ttl,
                    ..ForeignReply::default()
                });
            }
        }
        if second > 0 {
            trace.note(line, format!("{second} second answers to probes already answered are not counted"));
        }
        let last = self.hops.unwrap_or(0).min(255) as u8;
        for ttl in self.first.unwrap_or(1).max(1)..=last {
            trace.hop_mut(ttl);
        }
        let count = |ttl: u8| answered[usize::from(ttl)].iter().map(|bits| bits.count_ones()).sum::<u32>();
        let ttls: Vec<u8> = trace.hops.iter().map(|hop| hop.ttl).collect();
        let sent = sent(&answered, &ttls, self.attempts, self.sent);
        for hop in &mut trace.hops {
            hop.answered = Some(count(hop.ttl));
            hop.sent = sent[usize::from(hop.ttl)];
        }
    }
}

/// Probes sent with each TTL. A hop is asked until it answers, or as often as is allowed; or always as often as is allowed
/// (`-Q`), which shows where a hop answered twice, or in the number of all probes.
fn sent(
    answered: &[[u64; 4]; 256],
    ttls: &[u8],
    attempts: Option<u8>,
    all: Option<u32>,
) -> [Option<u32>; 256] {
    let last = |ttl: u8| {
        let bits = answered[usize::from(ttl)];
        (0..4).rev().find(|at| bits[*at] != 0).map(|at| at as u32 * 64 + 63 - bits[at].leading_zeros())
    };
    let twice = |ttl: &u8| answered[usize::from(*ttl)].iter().map(|bits| bits.count_ones()).sum::<u32>() > 1;
    let most = attempts.map(u32::from);
    let always =
        ttls.iter().any(twice) || (all.is_some() && all == most.map(|most| most * ttls.len() as u32));
    let mut table = [None; 256];
    for ttl in ttls {
        let last = last(*ttl);
        table[usize::from(*ttl)] = if always { most.max(last) } else { last.or(most) };
    }
    table
}

/// The protocol of a method of scamper's.
fn protocol(method: &str) -> Option<Protocol> {
    ["icmp", "udp", "tcp"]
        .into_iter()
        .position(|start| method.starts_with(start))
        .map(|at| [Protocol::Icmp, Protocol::Udp, Protocol::Tcp][at])
}
