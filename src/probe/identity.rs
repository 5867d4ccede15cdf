//! Which header fields carry a probe's name, and how a reply is matched to it.
//!
//! A flow's 5-tuple is the same at every TTL, so that a load balancer takes all its probes the same way (Augustin et
//! al. 2006). What tells the probes of a flow apart must therefore stand elsewhere, where a router still quotes it
//! (8 bytes behind the IP header at least) and where a stranger cannot guess it:
//!
//! | protocol | names the flow | names the probe | in the host's own answer |
//! |---|---|---|---|
//! | TCP | ports, sequence number (keyed) | IPv4 identification (keyed); timestamps value | acknowledgment; echoed timestamp |
//! | ICMP echo | identifier, checksum | sequence number (keyed), IPv4 identification | sequence number, 8 keyed bytes of data |
//! | UDP | ports | checksum (keyed), IPv4 identification | nothing: the flow alone |
//!
//! All TCP probes of a flow carry **one sequence number**. While a SYN is half open a Linux host answers a second SYN
//! with another number by RST, and an open port would look closed; with the same number it sends its SYN-ACK again. The
//! timestamps grow with each probe, as a stack's clock does: a SYN with an older one would be dropped (RFC 7323 §5).
//!
//! **Where size is in question** the target is compared with itself by small packets. Answers to an echo name their probe,
//! so that large and small go in the very same flows. A SYN-ACK, a reset and a UDP answer do not, and one to a small probe
//! must never count for a large one: there the small ones have source ports of their own. A large SYN carries data, which
//! is legal (RFC 9293 §3.5) and what a host does not take leaves the SYN as it is; but a firewall may drop it for that
//! alone, so that the small one carries some as well. Whoever does not take it says so for both.
//!
//! The keyed 16-bit numbers are a permutation, so that no two probes of a run share one. Zero is left out (a kernel
//! fills in its own identification then; a zero UDP checksum means none), and so is 0xffff.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use super::wire::Notice;
use crate::packet::build::{self, Ip, Tcp};
use crate::packet::extensions::{Extensions, Object};
use crate::packet::tcp::{Segment, TcpOption, flags};
use crate::packet::udp::Datagram;
use crate::packet::{icmp, ip, protocol, quotation::Quotation};
use crate::trace::{
    Destination, DestinationId, Flow, FlowId, InterfaceObject, InterfaceRole, MplsLabel, ProbeId, Protocol,
    Quoted, ReferenceKind, ReplyKind, Role, Run, SourcePorts, TcpReply,
};

/// How many probes a run can tell apart.
pub const MOST_PROBES: u32 = 65_534;

/// The window a Linux stack offers in its SYN.
const WINDOW: u16 = 64_240;
/// Bytes of echo and UDP data: two that balance the checksum, eight keyed ones, the rest zero. More where the packet is to
/// have a size.
const PAYLOAD: usize = 24;
/// Bytes of a SYN's header with the options of [`Identity::packet`].
const SYN_HEADER: usize = 40;
/// The target itself by small packets.
const SMALL: Role = Role::Reference(ReferenceKind::Small);

/// What names and recognises the probes of one run.
#[derive(Clone, Debug)]
pub struct Identity {
    key: [u8; 16],
    source: IpAddr,
    destinations: Vec<Destination>,
    flows: Vec<Flow>,
}

/// A packet that belongs to a probe of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// The destination whose probe drew it.
    pub destination: DestinationId,
    /// The flow.
    pub flow: FlowId,
    /// The probe, as far as the packet names it.
    pub names: Names,
    /// Source address of the packet.
    pub from: IpAddr,
    /// TTL it arrived with, where that is known.
    pub reply_ttl: Option<u8>,
    /// Its IPv4 identification.
    pub ip_id: Option<u16>,
    /// What it is.
    pub kind: ReplyKind,
    /// What it quotes.
    pub quoted: Option<Quoted>,
    /// What it shows of a TCP stack.
    pub tcp: Option<TcpReply>,
    /// RFC 4950 label stack.
    pub mpls: Vec<MplsLabel>,
    /// RFC 5837 objects.
    pub interfaces: Vec<InterfaceObject>,
}

/// A probe that a packet of ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// Which one.
    pub probe: ProbeId,
    /// Where to.
    pub destination: DestinationId,
    /// In which flow.
    pub flow: FlowId,
    /// With which TTL.
    pub ttl: u8,
}

/// How exactly a packet names the probe it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// This one.
    Probe(ProbeId),
    /// This one, or a later one that the host took for its repetition: a SYN-ACK echoes the timestamp of the first SYN
    /// for as long as the connection is half open.
    AtOrAfter(ProbeId),
    /// Whichever of these was sent in this flow. Boxes on the way renumber identifications, or swap their bytes, or fill
    /// a quote up with zeros where a timestamp would stand; at most one of the readings can be right.
    OneOf([Option<ProbeId>; 3]),
    /// Any of the flow.
    Flow,
}

/// Why a packet belongs to no probe of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    /// It cannot be read.
    Malformed,
    /// It is about other people's packets.
    Foreign,
    /// It is aimed at a flow of ours, with a wrong key.
    WrongKey,
    /// It quotes a flow of ours with an IP identification that we never sent.
    Rewritten,
}

impl Identity {
    /// For a run with these parties. With a small control among them, it has the second half of the source ports.
    #[must_use]
    pub fn new(
        key: [u8; 16],
        source: IpAddr,
        destinations: &[Destination],
        source_ports: &[SourcePorts],
    ) -> Self {
        let halves = destinations.iter().any(|one| one.role == SMALL);
        let count = if halves { source_ports.len() / 2 } else { source_ports.len() };
        let (source_ports, small) = source_ports.split_at(count);
        let mut identity = Self { key, source, destinations: destinations.to_vec(), flows: Vec::new() };
        identity.flows = source_ports
            .iter()
            .enumerate()
            .map(|(number, &source)| Flow {
                source,
                // 20 bits, never zero: zero would say that the packet belongs to no flow (RFC 6437 §3).
                label: identity.hash(b"label", number as u64, 0) as u32 & 0xf_ffff | 1,
                small: small.get(number).copied(),
            })
            .collect();
        identity
    }

    /// Takes in more destinations; the names of all earlier probes stay.
    pub fn admit(&mut self, destinations: &[Destination]) {
        self.destinations.extend_from_slice(destinations);
    }

    /// The target's packets have this many bytes from now on. What was sent before is known as the probes of a destination
    /// that [`admit`](Self::admit) was given for it.
    pub fn resize(&mut self, size: u16) {
        if let Some(target) = self.destinations.first_mut() {
            target.size = Some(size);
        }
    }

    /// The destination under whose name a destination's packets go: the target's once were larger.
    #[must_use]
    pub fn named_as(&self, destination: DestinationId) -> DestinationId {
        match self.destinations[usize::from(destination.0)].role {
            Role::Outsized => Run::TARGET,
            _ => destination,
        }
    }

    /// The flows, in order.
    #[must_use]
    pub fn flows(&self) -> &[Flow] {
        &self.flows
    }

    fn hash(&self, purpose: &[u8], a: u64, b: u64) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(purpose);
        hasher.write_u64(a);
        hasher.write_u64(b);
        hasher.finish()
    }

    /// The keyed 16-bit number of a probe, from 1 to 65,534, no two alike.
    fn token(&self, probe: ProbeId) -> u16 {
        // The input lies in 1..=65534 and so must the output: a permutation of 0..=65535 is walked until it does.
        let mut value = (probe.0 % MOST_PROBES) as u16 + 1;
        loop {
            value = self.permute(value, false);
            if (1..=65_534).contains(&value) {
                return value;
            }
        }
    }

    /// The probe a keyed number belongs to.
    fn probe_of(&self, token: u16) -> ProbeId {
        let mut value = token;
        // The cycle through any value returns to it, so this ends; values outside the range are passed over as above.
        for _ in 0..=u32::from(u16::MAX) {
            value = self.permute(value, true);
            if (1..=65_534).contains(&value) {
                break;
            }
        }
        ProbeId(u32::from(value.max(1)) - 1)
    }

    /// A four-round Feistel network over two bytes (Luby and Rackoff 1988), either way round.
    fn permute(&self, value: u16, back: bool) -> u16 {
        let [mut left, mut right] = value.to_be_bytes();
        for step in 0..4u64 {
            let round = if back { 3 - step } else { step };
            if back {
                let mixed = self.hash(b"token", round, u64::from(left)) as u8;
                (left, right) = (right ^ mixed, left);
            } else {
                let mixed = self.hash(b"token", round, u64::from(right)) as u8;
                (left, right) = (right, left ^ mixed);
            }
        }
        u16::from_be_bytes([left, right])
    }

    fn pair(&self, destination: DestinationId, flow: FlowId) -> u64 {
        u64::from(self.named_as(destination).0) << 16 | u64::from(flow.0)
    }

    /// Where a flow's packets to a destination come from.
    fn source_of(&self, destination: DestinationId, flow: FlowId) -> u16 {
        let to = &self.destinations[usize::from(destination.0)];
        let flow = &self.flows[usize::from(flow.0)];
        match &flow.small {
            Some(own) if to.role == SMALL && to.protocol != Protocol::Icmp => own.of(to.protocol),
            _ => flow.source.of(to.protocol),
        }
    }

    /// The flow to a destination that comes from this port or identifier.
    fn flow_to(&self, destination: DestinationId, ours: u16) -> Option<FlowId> {
        let mut flows = (0..self.flows.len()).map(|place| FlowId(place as u16));
        flows.find(|flow| self.source_of(destination, *flow) == ours)
    }

    fn sequence(&self, destination: DestinationId, flow: FlowId) -> u32 {
        self.hash(b"sequence", self.pair(destination, flow), 0) as u32
    }

    fn clock(&self, destination: DestinationId, flow: FlowId) -> u32 {
        self.hash(b"clock", self.pair(destination, flow), 0) as u32
    }

    fn echo_checksum(&self, flow: FlowId) -> u16 {
        // One's complement has two zeros; both are left out, as UDP must.
        self.hash(b"echo", u64::from(flow.0), 0) as u16 % 65_534 + 1
    }

    fn secret(&self, probe: ProbeId) -> [u8; 8] {
        self.hash(b"data", u64::from(probe.0), 0).to_be_bytes()
    }

    /// What a notice of the operating system is about, as far as the packet that it is about is one of this run's.
    pub(super) fn noticed(&self, notice: &Notice) -> Option<(Own, Recognised)> {
        let own = self.own(&notice.about)?;
        let mut found = blank(own.destination, own.flow, notice.kind);
        found.names = if notice.exact { Names::Probe(own.probe) } else { Names::Flow };
        found.from = notice.from;
        found.reply_ttl = notice.reply_ttl;
        found.mpls.clone_from(&notice.mpls);
        found.interfaces.clone_from(&notice.interfaces);
        Some((own, found))
    }

    /// The packet of a probe.
    ///
    /// # Panics
    /// If destination or flow are of another run.
    #[must_use]
    pub fn packet(&self, probe: ProbeId, destination: DestinationId, flow: FlowId, ttl: u8) -> Vec<u8> {
        let to = &self.destinations[usize::from(destination.0)];
        let label = self.flows[usize::from(flow.0)].label;
        let source_port = self.source_of(destination, flow);
        let token = self.token(probe);
        let header = Ip {
            source: self.source,
            destination: to.address,
            ttl,
            tos: 0,
            id: token,
            label,
            dont_fragment: true,
        };
        match to.protocol {
            Protocol::Tcp => {
                let options = [
                    TcpOption::Mss(if to.address.is_ipv4() { 1460 } else { 1440 }),
                    TcpOption::SackPermitted,
                    TcpOption::Timestamps {
                        value: self.clock(destination, flow).wrapping_add(probe.0),
                        echo: 0,
                    },
                    TcpOption::Nop,
                    TcpOption::WindowScale(7),
                ];
                let segment = Tcp {
                    source: source_port,
                    destination: to.port.unwrap_or(0),
                    sequence: self.sequence(destination, flow),
                    acknowledgment: 0,
                    flags: flags::SYN,
                    window: WINDOW,
                    options: &options,
                };
                let data = vec![0; self.syn_data(destination)];
                build::tcp_with_data(&header, &segment, &data)
            }
            Protocol::Icmp => {
                let mut data = self.data(probe, to);
                balance(
                    &mut data,
                    self.echo_checksum(flow),
                    |data| build::echo(&header, false, source_port, token, data),
                    2,
                )
            }
            Protocol::Udp => {
                let mut data = self.data(probe, to);
                balance(
                    &mut data,
                    token,
                    |data| build::udp(&header, source_port, to.port.unwrap_or(0), data),
                    6,
                )
            }
        }
    }

    /// The probe that this packet is, if it is one that this run can have sent; whether it is so byte for byte is
    /// for the caller to see, who has [`packet`](Self::packet).
    #[must_use]
    pub fn own(&self, packet: &[u8]) -> Option<Own> {
        let (header, payload) = ip::read(packet).ok()?;
        if header.source != self.source || header.later_fragment {
            return None;
        }
        let own = |found: Option<(DestinationId, FlowId)>, probe: ProbeId| {
            let (destination, flow) = found?;
            Some(Own { probe, destination, flow, ttl: header.ttl })
        };
        match header.protocol {
            protocol::TCP => {
                let segment = Segment::read(payload).ok()?;
                // Our kernel's own resets come from the same ports.
                if !segment.has(flags::SYN, flags::ACK | flags::RST) {
                    return None;
                }
                let port = Some(segment.destination);
                let (destination, flow) =
                    self.find(header.destination, Protocol::Tcp, port, segment.source)?;
                let (value, _) = segment.timestamps()?;
                let index = value.wrapping_sub(self.clock(destination, flow));
                own(Some((destination, flow)).filter(|_| index < MOST_PROBES), ProbeId(index))
            }
            protocol::UDP => {
                let datagram = Datagram::read(payload).ok()?;
                let port = Some(datagram.destination);
                let found = self.find(header.destination, Protocol::Udp, port, datagram.source);
                own(found, self.probe_of(datagram.checksum))
            }
            number if icmp::is_icmp(header.source, number) => match icmp::read(&header, payload).ok()? {
                icmp::Message::Echo { reply: false, id, sequence, .. } => {
                    let found = self.find(header.destination, Protocol::Icmp, None, id);
                    own(found, self.probe_of(sequence))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The destinations that a packet like this one may be for, the one found first: where the target is asked by packets
    /// of several sizes, nothing but the size tells them apart.
    pub fn alike(&self, own: &Own) -> impl Iterator<Item = DestinationId> {
        let found = self.destinations[usize::from(own.destination.0)].clone();
        let (source, flow) = (self.source_of(own.destination, own.flow), own.flow);
        let ids = (0..).map(DestinationId).zip(&self.destinations);
        ids.filter(move |(id, one)| {
            let same = (one.address, one.protocol, one.port) == (found.address, found.protocol, found.port);
            same && self.source_of(*id, flow) == source
        })
        .map(|(id, _)| id)
    }

    /// Echo and UDP data; behind the header of IP and 8 bytes of theirs they make the packet's size.
    fn data(&self, probe: ProbeId, to: &Destination) -> Vec<u8> {
        let length = to.size.map_or(PAYLOAD, |size| usize::from(size).saturating_sub(ip_header(to) + 8));
        let mut data = vec![0; length.max(PAYLOAD)];
        data[2..10].copy_from_slice(&self.secret(probe));
        data
    }

    /// Bytes of data that a SYN to this destination carries.
    fn syn_data(&self, destination: DestinationId) -> usize {
        let to = &self.destinations[usize::from(destination.0)];
        to.size.map_or(0, |size| usize::from(size).saturating_sub(ip_header(to) + SYN_HEADER))
    }

    /// Whether an acknowledgment is one of our SYN (RFC 9293 §3.5.2: in SYN-SENT a reset counts only with that). Data behind
    /// it may be taken, and a reset counts it whether it was or not (§3.10.7.1).
    fn acknowledges(&self, destination: DestinationId, flow: FlowId, acknowledgment: u32) -> bool {
        let beyond = acknowledgment.wrapping_sub(self.sequence(destination, flow)).wrapping_sub(1);
        let mut same_name = (0..self.destinations.len() as u16)
            .map(DestinationId)
            .filter(|other| self.named_as(*other) == self.named_as(destination));
        beyond == 0 || same_name.any(|other| self.syn_data(other) as u32 == beyond)
    }

    /// Whose packet this is.
    ///
    /// # Errors
    /// [`Stray`] if it belongs to no probe that this run can have sent.
    pub fn recognise(&self, packet: &[u8]) -> Result<Recognised, Stray> {
        let (header, payload) = ip::read(packet).map_err(|_| Stray::Malformed)?;
        if header.later_fragment || header.destination != self.source {
            return Err(Stray::Foreign);
        }
        let mut found = if icmp::is_icmp(header.source, header.protocol) {
            match icmp::read(&header, payload).map_err(|_| Stray::Malformed)? {
                icmp::Message::Echo { reply: true, id, sequence, payload } => {
                    self.echo_reply(&header, id, sequence, payload)
                }
                icmp::Message::Error { icmp_type, code, rest, quotation, extensions } => {
                    let mut found = self.quoted(&quotation)?;
                    found.kind = error_kind(header.source.is_ipv6(), icmp_type, code, rest);
                    (found.mpls, found.interfaces) = noted(extensions);
                    Ok(found)
                }
                icmp::Message::Echo { reply: false, .. } | icmp::Message::Other { .. } => Err(Stray::Foreign),
            }
        } else if header.protocol == protocol::TCP {
            self.segment(&header, Segment::read(payload).map_err(|_| Stray::Malformed)?)
        } else if header.protocol == protocol::UDP {
            self.datagram(&header, Datagram::read(payload).map_err(|_| Stray::Malformed)?)
        } else {
            Err(Stray::Foreign)
        }?;
        found.from = header.source;
        found.reply_ttl = Some(header.ttl);
        found.ip_id = header.id;
        Ok(found)
    }

    /// The destination and flow of these addresses and ports, ours second.
    fn find(
        &self,
        address: IpAddr,
        protocol: Protocol,
        port: Option<u16>,
        ours: u16,
    ) -> Option<(DestinationId, FlowId)> {
        let ids = (0..).map(DestinationId).zip(&self.destinations);
        let mut aimed =
            ids.filter(|(_, one)| (one.address, one.protocol, one.port) == (address, protocol, port));
        aimed.find_map(|(id, _)| Some((id, self.flow_to(id, ours)?)))
    }

    /// The flow with this source port or identifier.
    fn flow_from(&self, protocol: Protocol, ours: u16) -> Option<FlowId> {
        let place = self.flows.iter().position(|flow| flow.source.of(protocol) == ours)?;
        Some(FlowId(place as u16))
    }

    fn segment(&self, header: &ip::Header, segment: Segment<'_>) -> Result<Recognised, Stray> {
        let (destination, flow) = self
            .find(header.source, Protocol::Tcp, Some(segment.source), segment.destination)
            .ok_or(Stray::Foreign)?;
        let kind = segment_kind(&segment).ok_or(Stray::Foreign)?;
        let acknowledges = self.acknowledges(destination, flow, segment.acknowledgment);
        if !segment.has(flags::ACK, 0) || !acknowledges {
            return Err(Stray::WrongKey);
        }
        let echoed = segment
            .timestamps()
            .map(|(_, echo)| echo.wrapping_sub(self.clock(destination, flow)))
            .filter(|index| *index < MOST_PROBES);
        let mut found = blank(destination, flow, kind);
        found.names = echoed.map_or(Names::Flow, |index| Names::AtOrAfter(ProbeId(index)));
        found.tcp = Some(TcpReply {
            flags: segment.flags,
            window: segment.window,
            options: segment.options().map(TcpOption::kind).collect(),
            mss: segment.options().find_map(|option| match option {
                TcpOption::Mss(mss) => Some(mss),
                _ => None,
            }),
        });
        Ok(found)
    }

    fn datagram(&self, header: &ip::Header, datagram: Datagram<'_>) -> Result<Recognised, Stray> {
        let (destination, flow) = self
            .find(header.source, Protocol::Udp, Some(datagram.source), datagram.destination)
            .ok_or(Stray::Foreign)?;
        Ok(blank(destination, flow, ReplyKind::UdpAnswer))
    }

    fn echo_reply(&self, header: &ip::Header, id: u16, token: u16, data: &[u8]) -> Result<Recognised, Stray> {
        let flow = self.flow_from(Protocol::Icmp, id).ok_or(Stray::Foreign)?;
        let probe = self.probe_of(token);
        if token == 0 || data.get(2..10) != Some(self.secret(probe).as_slice()) {
            return Err(Stray::WrongKey);
        }
        // The keyed data name the probe; the address does not have to be the one we sent to, since a host may answer
        // from another. The engine knows where the probe went.
        let destination = self
            .destinations
            .iter()
            .position(|one| one.protocol == Protocol::Icmp && one.address == header.source)
            .or_else(|| self.destinations.iter().position(|one| one.protocol == Protocol::Icmp))
            .ok_or(Stray::Foreign)?;
        let mut found = blank(DestinationId(destination as u16), flow, ReplyKind::EchoReply);
        found.names = Names::Probe(probe);
        Ok(found)
    }

    /// Which probe an ICMP error quotes.
    fn quoted(&self, quote: &Quotation<'_>) -> Result<Recognised, Stray> {
        // An IPv6 identification is that of a fragment header that somebody else put in.
        let id = quote.header.id.filter(|id| quote.header.source.is_ipv4() && !matches!(id, 0 | 0xffff));
        let named_by_id = id.map(|id| self.probe_of(id));
        let transport = match quote.header.protocol {
            protocol::TCP => Protocol::Tcp,
            protocol::UDP => Protocol::Udp,
            number if icmp::is_icmp(quote.header.destination, number) => Protocol::Icmp,
            _ => return Err(Stray::Foreign),
        };
        let mut found = match transport {
            Protocol::Tcp => {
                let (ours, port) = quote.ports().ok_or(Stray::Malformed)?;
                let sequence = quote.tcp_sequence().ok_or(Stray::Malformed)?;
                let (destination, flow) =
                    self.flow_of(quote, transport, Some(port), ours, |destination, flow| {
                        self.sequence(destination, flow) == sequence
                    })?;
                let by_clock = quote
                    .tcp_timestamp()
                    .map(|value| value.wrapping_sub(self.clock(destination, flow)))
                    .filter(|index| *index < MOST_PROBES)
                    .map(ProbeId);
                let swapped = id.map(|id| self.probe_of(id.swap_bytes()));
                let mut found = blank(destination, flow, ReplyKind::TimeExceeded);
                found.names = match (by_clock, named_by_id) {
                    (None, None) => Names::Flow,
                    (Some(one), Some(other)) if one == other => Names::Probe(one),
                    _ => Names::OneOf([by_clock, named_by_id, swapped]),
                };
                found
            }
            Protocol::Udp => {
                let datagram = quote.udp().ok_or(Stray::Malformed)?;
                let (destination, flow) =
                    self.flow_of(quote, transport, Some(datagram.destination), datagram.source, |_, _| true)?;
                let mut found = blank(destination, flow, ReplyKind::TimeExceeded);
                // A NAT changes the checksum with the ports it translates; then the identification names the probe.
                found.names = Names::Probe(match datagram.checksum {
                    0 | 0xffff => named_by_id.ok_or(Stray::WrongKey)?,
                    checksum => match named_by_id {
                        Some(probe) if self.token(probe) != checksum => probe,
                        _ => self.probe_of(checksum),
                    },
                });
                found
            }
            Protocol::Icmp => {
                let (kind, checksum, id, token) = quote.echo().ok_or(Stray::Malformed)?;
                if !matches!(kind, 8 | 128) || token == 0 {
                    return Err(Stray::Foreign);
                }
                let probe = self.probe_of(token);
                // Not every NAT restores the checksum it changed; then the identification has to agree.
                let (destination, flow) = self.flow_of(quote, transport, None, id, |_, flow| {
                    checksum == self.echo_checksum(flow) || named_by_id == Some(probe)
                })?;
                let mut found = blank(destination, flow, ReplyKind::TimeExceeded);
                found.names = Names::Probe(probe);
                found
            }
        };
        let sent_to = self.destinations[usize::from(found.destination.0)].address;
        found.quoted = Some(Quoted {
            ttl: quote.header.ttl,
            tos: quote.header.tos,
            length: quote.length() as u16,
            destination: (quote.header.destination != sent_to).then_some(quote.header.destination),
            source: (quote.header.source != self.source).then_some(quote.header.source),
        });
        Ok(found)
    }

    /// The flow a quote belongs to. A quoted destination that is none of ours was translated on the way: the flow's
    /// secret then decides whose it was.
    fn flow_of(
        &self,
        quote: &Quotation<'_>,
        transport: Protocol,
        port: Option<u16>,
        ours: u16,
        secret: impl Fn(DestinationId, FlowId) -> bool,
    ) -> Result<(DestinationId, FlowId), Stray> {
        if let Some((destination, flow)) = self.find(quote.header.destination, transport, port, ours) {
            return if secret(destination, flow) { Ok((destination, flow)) } else { Err(Stray::WrongKey) };
        }
        // Only TCP's keyed sequence number can vouch for a flow whose address was changed.
        let translated = (0..)
            .map(DestinationId)
            .zip(&self.destinations)
            .filter(|(_, one)| transport == Protocol::Tcp && one.protocol == transport)
            .filter_map(|(id, _)| Some((id, self.flow_to(id, ours)?)))
            .find(|(id, flow)| secret(*id, *flow));
        translated.ok_or(Stray::Foreign)
    }
}

fn blank(destination: DestinationId, flow: FlowId, kind: ReplyKind) -> Recognised {
    Recognised {
        destination,
        flow,
        names: Names::Flow,
        from: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        reply_ttl: None,
        ip_id: None,
        kind,
        quoted: None,
        tcp: None,
        mpls: Vec::new(),
        interfaces: Vec::new(),
    }
}

/// Bytes of the IP header of packets to a destination.
const fn ip_header(to: &Destination) -> usize {
    if to.address.is_ipv4() { 20 } else { 40 }
}

/// Builds with data whose first two bytes make the transport checksum, `at` bytes into the transport header, `wanted`.
fn balance(data: &mut [u8], wanted: u16, build: impl Fn(&[u8]) -> Vec<u8>, at: usize) -> Vec<u8> {
    let plain = build(data);
    // Both headers are 8 bytes and stand right before the data.
    let place = plain.len() - data.len() - 8 + at;
    let now = u16::from_be_bytes([plain[place], plain[place + 1]]);
    data[..2].copy_from_slice(&build::compensation(now, wanted));
    build(data)
}

/// What a segment says to a SYN. An ACK alone is what a host says to one inside a connection it still knows: no answer to us.
#[must_use]
pub fn segment_kind(segment: &Segment<'_>) -> Option<ReplyKind> {
    if segment.has(flags::SYN | flags::ACK, flags::RST) {
        Some(ReplyKind::SynAck)
    } else {
        segment.has(flags::RST, 0).then_some(ReplyKind::Rst)
    }
}

/// What an ICMP error's type and code say (RFC 792, RFC 4443); `rest` is the second word of its header.
#[must_use]
pub fn error_kind(v6: bool, icmp_type: u8, code: u8, rest: u32) -> ReplyKind {
    match (v6, icmp_type, code) {
        (false, 11, 0) | (true, 3, 0) => ReplyKind::TimeExceeded,
        (false, 3, 4) | (true, 2, _) => ReplyKind::TooBig { mtu: icmp::next_hop_mtu(v6, rest) },
        (false, 3, _) | (true, 1, _) => ReplyKind::Unreachable { icmp_type, code },
        _ => ReplyKind::OtherIcmp { icmp_type, code },
    }
}

/// What the extensions of an ICMP error say: labels and interfaces.
#[must_use]
pub fn noted(extensions: Extensions<'_>) -> (Vec<MplsLabel>, Vec<InterfaceObject>) {
    let (mut mpls, mut interfaces) = (Vec::new(), Vec::new());
    for object in extensions.objects() {
        match object {
            Object::Mpls(stack) => mpls.extend(stack.iter().map(|entry| MplsLabel {
                label: entry.label,
                tc: entry.tc,
                bottom: entry.bottom,
                ttl: entry.ttl,
            })),
            Object::Interface(interface) => interfaces.push(InterfaceObject {
                role: match interface.role {
                    0 => InterfaceRole::Incoming,
                    1 => InterfaceRole::SubIp,
                    2 => InterfaceRole::Outgoing,
                    _ => InterfaceRole::NextHop,
                },
                index: interface.index,
                address: interface.address,
                name: interface.name,
                mtu: interface.mtu,
            }),
            Object::Other { .. } => {}
        }
    }
    (mpls, interfaces)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    fn identity(v6: bool, key: [u8; 16]) -> Identity {
        let (source, target): (IpAddr, IpAddr) = if v6 {
            ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap())
        } else {
            ("192.0.2.1".parse().unwrap(), "198.51.100.2".parse().unwrap())
        };
        let destinations: Vec<Destination> =
            [(Protocol::Tcp, Some(25)), (Protocol::Icmp, None), (Protocol::Udp, Some(53))]
                .into_iter()
                .map(|(protocol, port)| Destination {
                    role: Role::Target,
                    host: "target".into(),
                    address: target,
                    protocol,
                    port,
                    size: None,
                })
                .collect();
        Identity::new(key, source, &destinations, &[SourcePorts::all(40_000), SourcePorts::all(40_001)])
    }

    fn reply_header(identity: &Identity, from: IpAddr) -> Ip {
        Ip {
            source: from,
            destination: identity.source,
            ttl: 60,
            tos: 0,
            id: 7,
            label: 0,
            dont_fragment: false,
        }
    }

    fn exceeded(identity: &Identity, quote: &[u8]) -> Vec<u8> {
        let router: IpAddr = if identity.source.is_ipv4() {
            "203.0.113.9".parse().unwrap()
        } else {
            "2001:db8:9::9".parse().unwrap()
        };
        let kind = if router.is_ipv4() { 11 } else { 3 };
        build::icmp_error(&reply_header(identity, router), kind, 0, 0, quote, None)
    }

    #[test]
    fn every_probe_has_a_number_of_its_own_that_leads_back_to_it() {
        let identity = identity(false, [7; 16]);
        let mut seen = HashSet::new();
        for index in 0..MOST_PROBES {
            let token = identity.token(ProbeId(index));
            assert!(!matches!(token, 0 | 0xffff));
            assert!(seen.insert(token));
            assert_eq!(identity.probe_of(token), ProbeId(index));
        }
    }

    #[test]
    fn the_fields_that_balancers_hash_are_the_same_at_every_ttl() {
        for v6 in [false, true] {
            let identity = identity(v6, [7; 16]);
            for destination in (0..3).map(DestinationId) {
                let fields = |probe: u32, ttl: u8| {
                    let bytes = identity.packet(ProbeId(probe), destination, FlowId(1), ttl);
                    let (header, payload) = ip::read(&bytes).unwrap();
                    // Ports for TCP and UDP; type, code and checksum for ICMP (RFC 792), and its identifier.
                    let mut hashed = payload[..4].to_vec();
                    if destination == DestinationId(1) {
                        hashed.extend_from_slice(&payload[4..6]);
                    }
                    (
                        header.source,
                        header.destination,
                        header.protocol,
                        header.tos,
                        header.label,
                        bytes.len(),
                        hashed,
                    )
                };
                assert_eq!(fields(3, 1), fields(900, 17));
            }
        }
    }

    #[test]
    fn a_quote_of_eight_bytes_names_the_probe_in_ipv4() {
        let identity = identity(false, [7; 16]);
        for destination in (0..3).map(DestinationId) {
            let packet = identity.packet(ProbeId(77), destination, FlowId(1), 4);
            let found = identity.recognise(&exceeded(&identity, &packet[..28])).unwrap();
            assert_eq!((found.destination, found.flow), (destination, FlowId(1)));
            // A quote without timestamps leaves the identification as the only name, and its bytes may be swapped.
            match found.names {
                Names::Probe(id) => assert_eq!(id, ProbeId(77)),
                Names::OneOf(readings) => assert!(readings.contains(&Some(ProbeId(77)))),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_whole_quote_names_the_probe_even_if_its_identification_was_changed() {
        for v6 in [false, true] {
            let identity = identity(v6, [7; 16]);
            let mut packet = identity.packet(ProbeId(77), DestinationId(0), FlowId(0), 4);
            if !v6 {
                packet[4..6].copy_from_slice(&[0x12, 0x34]);
            }
            let found = identity.recognise(&exceeded(&identity, &packet)).unwrap();
            match found.names {
                Names::Probe(id) => assert_eq!(id, ProbeId(77)),
                Names::OneOf(readings) => assert_eq!(readings[0], Some(ProbeId(77))),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn all_syns_of_a_flow_carry_one_sequence_number_and_rising_timestamps() {
        let identity = identity(false, [7; 16]);
        let segment = |probe: u32, ttl: u8| {
            let bytes = identity.packet(ProbeId(probe), DestinationId(0), FlowId(0), ttl);
            let (_, payload) = ip::read(&bytes).unwrap();
            let segment = Segment::read(payload).unwrap();
            (segment.sequence, segment.timestamps().unwrap().0)
        };
        let (sequence, clock) = segment(5, 1);
        assert_eq!(segment(6, 9).0, sequence);
        assert_eq!(segment(6, 9).1.wrapping_sub(clock), 1);
    }

    #[test]
    fn an_answer_counts_only_with_the_right_acknowledgment() {
        let identity = identity(false, [7; 16]);
        let target = identity.destinations[0].address;
        let probe = identity.packet(ProbeId(3), DestinationId(0), FlowId(0), 64);
        let (_, payload) = ip::read(&probe).unwrap();
        let syn = Segment::read(payload).unwrap();
        let answer = |acknowledgment: u32, bits: u8, echo: Option<u32>| {
            let options: Vec<TcpOption<'_>> =
                echo.map(|echo| TcpOption::Timestamps { value: 1, echo }).into_iter().collect();
            let bytes = build::tcp(
                &reply_header(&identity, target),
                &Tcp {
                    source: 25,
                    destination: 40_000,
                    sequence: 9,
                    acknowledgment,
                    flags: bits,
                    window: 1000,
                    options: &options,
                },
            );
            identity.recognise(&bytes)
        };
        let right = syn.sequence.wrapping_add(1);
        let open = answer(right, flags::SYN | flags::ACK, syn.timestamps().map(|(value, _)| value)).unwrap();
        assert_eq!((open.kind, open.names), (ReplyKind::SynAck, Names::AtOrAfter(ProbeId(3))));
        let closed = answer(right, flags::RST | flags::ACK, None).unwrap();
        assert_eq!((closed.kind, closed.names), (ReplyKind::Rst, Names::Flow));
        assert_eq!(answer(right.wrapping_add(1), flags::RST | flags::ACK, None), Err(Stray::WrongKey));
        assert_eq!(
            answer(right, flags::RST, None),
            Err(Stray::WrongKey),
            "a reset that acknowledges nothing"
        );
        assert_eq!(answer(right, flags::ACK, None), Err(Stray::Foreign));
    }

    #[test]
    fn an_echo_reply_counts_only_with_our_data_but_from_any_address() {
        let identity = identity(false, [7; 16]);
        let probe = identity.packet(ProbeId(3), DestinationId(1), FlowId(1), 64);
        let (_, payload) = ip::read(&probe).unwrap();
        let token = u16::from_be_bytes([payload[6], payload[7]]);
        let other: IpAddr = "203.0.113.77".parse().unwrap();
        let reply = |data: &[u8]| {
            identity.recognise(&build::echo(&reply_header(&identity, other), true, 40_001, token, data))
        };
        let found = reply(&payload[8..]).unwrap();
        assert_eq!((found.names, found.from, found.flow), (Names::Probe(ProbeId(3)), other, FlowId(1)));
        let mut forged = payload[8..].to_vec();
        forged[4] ^= 1;
        assert_eq!(reply(&forged), Err(Stray::WrongKey));
    }

    #[test]
    fn a_quote_of_somebody_elses_packet_is_foreign_and_one_with_a_wrong_sequence_number_is_no_hop() {
        let identity = identity(false, [7; 16]);
        let mut packet = identity.packet(ProbeId(3), DestinationId(0), FlowId(0), 4);
        packet[24] ^= 0xff;
        assert_eq!(identity.recognise(&exceeded(&identity, &packet)), Err(Stray::WrongKey));
        let mut packet = identity.packet(ProbeId(3), DestinationId(0), FlowId(0), 4);
        packet[20] ^= 0xff;
        assert_eq!(identity.recognise(&exceeded(&identity, &packet)), Err(Stray::Foreign));
    }

    /// The target by packets of `size` bytes, itself by small ones, and itself by larger ones of before.
    fn sized(v6: bool, protocol: Protocol, size: u16) -> Identity {
        let mut target = identity(v6, [7; 16]).destinations[0].clone();
        (target.protocol, target.size) = (protocol, Some(size));
        target.port = (protocol != Protocol::Icmp).then_some(25);
        let small = crate::probe::small_control(&target);
        let before = Destination { role: Role::Outsized, size: Some(size + 100), ..target.clone() };
        let source = identity(v6, [7; 16]).source;
        let ports: Vec<SourcePorts> = (40_000..40_004).map(SourcePorts::all).collect();
        Identity::new([7; 16], source, &[target, small, before], &ports)
    }

    #[test]
    fn packets_have_their_size_in_every_protocol_and_are_recognised() {
        for v6 in [false, true] {
            for protocol in [Protocol::Tcp, Protocol::Icmp, Protocol::Udp] {
                for size in [1280, 1281, 1500, 9216 - 100] {
                    let identity = sized(v6, protocol, size);
                    assert_eq!(identity.flows().len(), 2, "half of the ports are the small control's");
                    for (place, one) in identity.destinations.iter().enumerate() {
                        let id = DestinationId(place as u16);
                        let bytes = identity.packet(ProbeId(9), id, FlowId(1), 3);
                        assert_eq!(bytes.len(), usize::from(one.size.unwrap()), "{protocol} {one:?}");
                        let (header, payload) = ip::read(&bytes).unwrap();
                        assert!(header.dont_fragment);
                        match protocol {
                            Protocol::Tcp => drop(Segment::read(payload).unwrap()),
                            Protocol::Udp => {
                                assert_eq!(Datagram::read(payload).unwrap().payload.len(), payload.len() - 8)
                            }
                            Protocol::Icmp => assert!(icmp::read(&header, payload).is_ok(), "its checksum"),
                        }
                        // A router's error names the very probe, whichever of the three it was.
                        let quote = &bytes[..bytes.len().min(548)];
                        let found = identity.recognise(&exceeded(&identity, quote)).unwrap();
                        assert_eq!(found.flow, FlowId(1), "{protocol}");
                        match found.names {
                            Names::Probe(id) => assert_eq!(id, ProbeId(9)),
                            Names::OneOf(readings) => assert_eq!(readings[0], Some(ProbeId(9))),
                            other => panic!("{protocol} {other:?}"),
                        }
                        if protocol != Protocol::Icmp {
                            assert_eq!(found.destination, identity.named_as(id), "{protocol}");
                        }
                    }
                }
            }
        }
    }

    /// A host's answer to a small SYN never counts for a large one; a reset counts the data of whichever was sent.
    #[test]
    fn answers_to_large_and_small_syns_are_told_apart() {
        let identity = sized(false, Protocol::Tcp, 1500);
        let answer = |to: DestinationId, beyond: u32| {
            let (bytes, address) =
                (identity.packet(ProbeId(3), to, FlowId(0), 64), identity.destinations[0].address);
            let (_, payload) = ip::read(&bytes).unwrap();
            let syn = Segment::read(payload).unwrap();
            let reset = Tcp {
                source: 25,
                destination: syn.source,
                sequence: 0,
                acknowledgment: syn.sequence.wrapping_add(1 + beyond),
                flags: flags::RST | flags::ACK,
                window: 0,
                options: &[],
            };
            let found = identity.recognise(&build::tcp(&reply_header(&identity, address), &reset));
            (found.map(|found| found.destination), syn.payload.len() as u32)
        };
        let (target, small, before) = (DestinationId(0), DestinationId(1), DestinationId(2));
        let data = |id| answer(id, 0).1;
        assert_eq!((data(target), data(small), data(before)), (1440, 4, 1540));
        for beyond in [0, 1440, 1540] {
            assert_eq!(answer(target, beyond).0, Ok(target), "{beyond}");
        }
        for beyond in [0, 4] {
            assert_eq!(answer(small, beyond).0, Ok(small), "{beyond}");
        }
        for (id, beyond) in [(target, 4), (target, 1441), (small, 1440), (small, 1)] {
            assert_eq!(answer(id, beyond).0, Err(Stray::WrongKey), "{beyond}");
        }
    }

    proptest! {
        #[test]
        fn no_packet_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), v6: bool) {
            let identity = identity(v6, [7; 16]);
            let _ = identity.recognise(&bytes);
            let _ = identity.recognise(&exceeded(&identity, &bytes));
        }
    }

    #[test]
    fn another_key_recognises_nothing() {
        let (mut ours, theirs) = (identity(false, [7; 16]), identity(false, [8; 16]));
        // The flow label is no key.
        ours.flows.clone_from(&theirs.flows);
        for probe in (0..600).map(ProbeId) {
            for destination in (0..3).map(DestinationId) {
                let packet = theirs.packet(probe, destination, FlowId(0), 4);
                let found = ours.recognise(&exceeded(&ours, &packet[..28]));
                assert!(
                    !found.is_ok_and(|found| found.names == Names::Probe(probe)),
                    "{probe:?} {destination:?}"
                );
            }
        }
    }
}
