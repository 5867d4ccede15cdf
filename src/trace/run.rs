//! One measurement, whole.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Moment, Probe, ProbeId, ReplyKind, Stage, WallTime};

/// The protocol a probe is sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// A TCP SYN (RFC 9293).
    Tcp,
    /// An ICMP or ICMPv6 echo request (RFC 792, RFC 4443).
    Icmp,
    /// A UDP datagram (RFC 768).
    Udp,
}

impl Protocol {
    /// As documents have it: `tcp`, `icmp`, `udp`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Icmp => "icmp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "TCP",
            Self::Icmp => "ICMP",
            Self::Udp => "UDP",
        })
    }
}

/// A destination's place in [`Run::destinations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DestinationId(pub u16);

/// A flow's place in [`Run::flows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlowId(pub u16);

/// How a reference came to be one, which says how well it controls for the target's route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReferenceKind {
    /// The user named it.
    Given,
    /// The target itself on another port or protocol: the same route but for the hash of the ports.
    SameHost,
    /// A neighbour found inside the same announced prefix.
    Found,
    /// The user named it as one that may serve, or it is another address of the target's name; it answered when asked.
    Hint,
    /// The target itself, asked the same way by small packets, where the size of packets is in question.
    Small,
}

/// What a destination is to the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The host in question.
    Target,
    /// The host it is compared with.
    Reference(ReferenceKind),
    /// The target on another port or protocol, probed with a full TTL only, to tell the scope of a loss.
    Variant,
    /// A far host of another network that is known to work. Nothing is compared with it: it tells whether a box near us
    /// answers for everybody, and whether anybody answers us at all.
    Check,
    /// The target, by packets that a router on the way called too big. The run goes on with smaller ones, as a host would
    /// (path MTU discovery, RFC 1191, RFC 8201), and nothing is compared with these any more.
    Outsized,
}

/// An address probed with one protocol and port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// What it is to the run.
    pub role: Role,
    /// As the user wrote it.
    pub host: String,
    /// The address probed.
    pub address: IpAddr,
    /// The protocol probed with.
    pub protocol: Protocol,
    /// TCP or UDP destination port; `None` for ICMP.
    pub port: Option<u16>,
    /// Bytes of each packet with its IP header; `None` where size is not in question and packets are as short as they
    /// can be.
    #[serde(default)]
    pub size: Option<u16>,
}

/// A router's word that packets of the target's were too big to be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooBig {
    /// Who sent it.
    pub from: IpAddr,
    /// Bytes that it says the next link takes, as received.
    pub mtu: u32,
    /// Bytes of the packets that it was about.
    pub size: Option<u16>,
    /// The lowest TTL that drew it, full ones left aside: its sender stands one hop before.
    pub ttl: Option<u8>,
    /// How often it came.
    pub count: u32,
}

/// Where a flow comes from, protocol by protocol: each host keeps its own ports for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePorts {
    /// TCP source port.
    pub tcp: u16,
    /// UDP source port.
    pub udp: u16,
    /// ICMP echo identifier.
    pub icmp: u16,
}

impl SourcePorts {
    /// The same number everywhere.
    #[must_use]
    pub const fn all(number: u16) -> Self {
        Self { tcp: number, udp: number, icmp: number }
    }

    /// The port or identifier for a protocol.
    #[must_use]
    pub const fn of(self, protocol: Protocol) -> u16 {
        match protocol {
            Protocol::Tcp => self.tcp,
            Protocol::Udp => self.udp,
            Protocol::Icmp => self.icmp,
        }
    }
}

/// One 5-tuple, the same for every TTL (RFC 6438 for the flow label; Augustin et al. 2006 for the rest).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Source ports and identifier.
    pub source: SourcePorts,
    /// IPv6 flow label, 20 bits.
    pub label: u32,
    /// Where the flow's small packets come from, in a run in which the target is compared with itself by those
    /// ([`ReferenceKind::Small`]) and the host's answers do not say which packet they answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub small: Option<SourcePorts>,
}

/// Packets that came in and belong to no probe of ours. Counted, never shown as hops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strays {
    /// Not readable as IP with ICMP, TCP or UDP inside.
    pub malformed: u64,
    /// Readable, but about other people's packets.
    pub foreign: u64,
    /// Aimed at a flow of ours but with a wrong key: a late packet of an earlier run, or a forgery.
    pub wrong_key: u64,
    /// Quotes a flow of ours with an IP identification that we never sent: a box on the way rewrites it.
    pub rewritten: u64,
    /// Quotes a flow of ours, and too little of the packet to tell which probe of the flow it was.
    pub unnamed: u64,
}

impl Strays {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.malformed + self.foreign + self.wrong_key + self.rewritten + self.unnamed
    }
}

/// What the receiving side lost, as far as the kernel tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// Packets the kernel dropped because a receive buffer was full.
    pub overflow: u64,
    /// Packets cut short by our own buffer.
    pub truncated: u64,
}

/// Why the run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// Nothing more was needed.
    Decided,
    /// The probe budget was spent.
    OutOfProbes,
    /// The time budget was spent.
    OutOfTime,
    /// The user stopped it.
    Interrupted,
    /// Sending no longer worked.
    CannotSend,
}

/// One measurement, whole: target, references and variants probed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Wall-clock time of [`Moment::START`].
    pub started_at: WallTime,
    /// How long it took.
    pub ended_at: Moment,
    /// Why it ended; `None` while it goes on.
    pub end: Option<End>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Our address.
    pub source: IpAddr,
    /// First TTL probed.
    pub first_ttl: u8,
    /// Highest TTL probed but for [`Stage::Reach`](super::Stage::Reach).
    pub max_ttl: u8,
    /// Who was probed; the first one is the target.
    pub destinations: Vec<Destination>,
    /// The flows, shared by all destinations: flow *i* of each uses the same source port.
    pub flows: Vec<Flow>,
    /// Every probe in order of sending.
    pub probes: Vec<Probe>,
    /// Packets that were not ours.
    pub strays: Strays,
    /// Packets the kernel lost.
    pub losses: Losses,
}

impl Run {
    /// The target's id.
    pub const TARGET: DestinationId = DestinationId(0);

    /// The destination with this id.
    ///
    /// # Panics
    /// If the id is of another run.
    #[must_use]
    pub fn destination(&self, id: DestinationId) -> &Destination {
        &self.destinations[usize::from(id.0)]
    }

    /// The probe with this id.
    ///
    /// # Panics
    /// If the id is of another run.
    #[must_use]
    pub fn probe(&self, id: ProbeId) -> &Probe {
        &self.probes[id.0 as usize]
    }

    /// All destinations with their ids.
    pub fn destinations(&self) -> impl Iterator<Item = (DestinationId, &Destination)> {
        (0..).map(DestinationId).zip(&self.destinations)
    }

    /// The ids of the references, in the order given.
    pub fn references(&self) -> impl Iterator<Item = DestinationId> {
        self.destinations().filter(|(_, one)| matches!(one.role, Role::Reference(_))).map(|(id, _)| id)
    }

    /// Whether a destination's host answered for itself, and the lowest TTL that drew it, where one did.
    #[must_use]
    pub fn reached(&self, id: DestinationId) -> (bool, Option<u8>) {
        let address = self.destination(id).address;
        let answered = |probe: &&Probe| probe.replies.iter().any(|reply| reply.answers_for(address));
        let mut found = (false, None);
        for probe in self.probes_to(id).filter(answered) {
            found.0 = true;
            if probe.stage != Stage::Reach {
                found.1 = Some(found.1.map_or(probe.ttl, |known: u8| known.min(probe.ttl)));
            }
        }
        found
    }

    /// Bytes of the target's packets as they were asked for, before any router called them too big; `None` where size is
    /// not in question.
    #[must_use]
    pub fn size_asked(&self) -> Option<u16> {
        let outsized = self.destinations.iter().filter(|one| one.role == Role::Outsized);
        outsized.filter_map(|one| one.size).chain(self.destinations.first().and_then(|one| one.size)).max()
    }

    /// Who said that packets of the target's are too big, the largest packets first.
    #[must_use]
    pub fn too_big(&self) -> Vec<TooBig> {
        let mut found: Vec<TooBig> = Vec::new();
        for probe in &self.probes {
            let to = self.destination(probe.destination);
            if !matches!(to.role, Role::Target | Role::Outsized) {
                continue;
            }
            let ttl = (probe.stage != Stage::Reach).then_some(probe.ttl);
            for reply in &probe.replies {
                let ReplyKind::TooBig { mtu } = reply.kind else { continue };
                let known = |one: &&mut TooBig| (one.from, one.mtu, one.size) == (reply.from, mtu, to.size);
                match found.iter_mut().find(known) {
                    Some(one) => {
                        one.count += 1;
                        one.ttl = [one.ttl, ttl].into_iter().flatten().min();
                    }
                    None => found.push(TooBig { from: reply.from, mtu, size: to.size, ttl, count: 1 }),
                }
            }
        }
        found.sort_by_key(|one| std::cmp::Reverse(one.size));
        found
    }

    /// The probes sent to one destination, in order of sending.
    pub fn probes_to(&self, id: DestinationId) -> impl Iterator<Item = &Probe> {
        self.probes.iter().filter(move |probe| probe.destination == id && probe.was_sent())
    }
    /// The lowest TTL at which a probe to this destination was refused: a device on the way, not the host itself, sent
    /// destination unreachable. traceroute ends a path there.
    #[must_use]
    pub fn refused_at(&self, id: DestinationId) -> Option<u8> {
        let host = self.destination(id).address;
        self.probes_to(id)
            .filter(|probe| probe.stage != Stage::Reach)
            .filter(|probe| {
                probe.replies.iter().any(|reply| {
                    matches!(reply.kind, ReplyKind::Unreachable { .. }) && !reply.answers_for(host)
                })
            })
            .map(|probe| probe.ttl)
            .min()
    }
}
