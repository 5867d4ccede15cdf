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
//! The keyed 16-bit numbers are a permutation, so that no two probes of a run share one. Zero is left out (a kernel
//! fills in its own identification then; a zero UDP checksum means none), and so is 0xffff.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::packet::build::{self, Ip, Tcp};
use crate::packet::extensions::Object;
use crate::packet::tcp::{Segment, TcpOption, flags};
use crate::packet::udp::Datagram;
use crate::packet::{icmp, ip, protocol, quotation::Quotation};
use crate::trace::{
    Destination, DestinationId, Flow, FlowId, InterfaceObject, InterfaceRole, MplsLabel, ProbeId, Protocol,
    Quoted, ReplyKind, TcpReply,
};

/// How many probes a run can tell apart.
pub const MOST_PROBES: u32 = 65_534;

/// The window a Linux stack offers in its SYN.
const WINDOW: u16 = 64_240;
/// Bytes of echo and UDP data: two that balance the checksum, eight keyed ones, the rest zero.
const PAYLOAD: usize = 24;

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
    /// TTL it arrived with.
    pub reply_ttl: u8,
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

/// How exactly a packet names the probe it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// This one.
    Probe(ProbeId),
    /// This one, or a later one that the host took for its repetition: a SYN-ACK echoes the timestamp of the first SYN
    /// for as long as the connection is half open.
    AtOrAfter(ProbeId),
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
    /// For a run with these parties.
    #[must_use]
    pub fn new(key: [u8; 16], source: IpAddr, destinations: &[Destination], source_ports: &[u16]) -> Self {
        let mut identity = Self { key, source, destinations: destinations.to_vec(), flows: Vec::new() };
        identity.flows = source_ports
            .iter()
            .map(|&source_port| Flow {
                source_port,
                // 20 bits, never zero: zero would say that the packet belongs to no flow (RFC 6437 §3).
                label: identity.hash(b"label", u64::from(source_port), 0) as u32 & 0xf_ffff | 1,
            })
            .collect();
        identity
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

    fn pair(destination: DestinationId, flow: FlowId) -> u64 {
        u64::from(destination.0) << 16 | u64::from(flow.0)
    }

    fn sequence(&self, destination: DestinationId, flow: FlowId) -> u32 {
        self.hash(b"sequence", Self::pair(destination, flow), 0) as u32
    }

    fn clock(&self, destination: DestinationId, flow: FlowId) -> u32 {
        self.hash(b"clock", Self::pair(destination, flow), 0) as u32
    }

    fn echo_checksum(&self, flow: FlowId) -> u16 {
        // One's complement has two zeros; both are left out, as UDP must.
        self.hash(b"echo", u64::from(flow.0), 0) as u16 % 65_534 + 1
    }

    fn secret(&self, probe: ProbeId) -> [u8; 8] {
        self.hash(b"data", u64::from(probe.0), 0).to_be_bytes()
    }

    /// The packet of a probe.
    ///
    /// # Panics
    /// If destination or flow are of another run.
    #[must_use]
    pub fn packet(&self, probe: ProbeId, destination: DestinationId, flow: FlowId, ttl: u8) -> Vec<u8> {
        let to = &self.destinations[usize::from(destination.0)];
        let Flow { source_port, label } = self.flows[usize::from(flow.0)];
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
                build::tcp(&header, &segment)
            }
            Protocol::Icmp => {
                let mut data = self.data(probe);
                balance(
                    &mut data,
                    self.echo_checksum(flow),
                    |data| build::echo(&header, false, source_port, token, data),
                    2,
                )
            }
            Protocol::Udp => {
                let mut data = self.data(probe);
                balance(
                    &mut data,
                    token,
                    |data| build::udp(&header, source_port, to.port.unwrap_or(0), data),
                    6,
                )
            }
        }
    }

    fn data(&self, probe: ProbeId) -> [u8; PAYLOAD] {
        let mut data = [0; PAYLOAD];
        data[2..10].copy_from_slice(&self.secret(probe));
        data
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
                    for object in extensions.objects() {
                        note_object(&mut found, object);
                    }
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
        found.reply_ttl = header.ttl;
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
        let flow = self.flows.iter().position(|flow| flow.source_port == ours)?;
        let destination = self
            .destinations
            .iter()
            .position(|one| one.address == address && one.protocol == protocol && one.port == port)?;
        Some((DestinationId(destination as u16), FlowId(flow as u16)))
    }

    fn segment(&self, header: &ip::Header, segment: Segment<'_>) -> Result<Recognised, Stray> {
        let (destination, flow) = self
            .find(header.source, Protocol::Tcp, Some(segment.source), segment.destination)
            .ok_or(Stray::Foreign)?;
        let kind = if segment.has(flags::SYN | flags::ACK, flags::RST) {
            ReplyKind::SynAck
        } else if segment.has(flags::RST, 0) {
            ReplyKind::Rst
        } else {
            // An ACK alone is what a host says to a SYN inside a connection it still knows: no answer to us.
            return Err(Stray::Foreign);
        };
        // RFC 9293 §3.5.2: in SYN-SENT a reset counts only if it acknowledges our SYN.
        let acknowledges = segment.acknowledgment == self.sequence(destination, flow).wrapping_add(1);
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
        let flow = self.flows.iter().position(|flow| flow.source_port == id).ok_or(Stray::Foreign)?;
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
        let mut found = blank(DestinationId(destination as u16), FlowId(flow as u16), ReplyKind::EchoReply);
        found.names = Names::Probe(probe);
        Ok(found)
    }

    /// Which probe an ICMP error quotes.
    fn quoted(&self, quote: &Quotation<'_>) -> Result<Recognised, Stray> {
        let named_by_id = quote.header.id.filter(|id| !matches!(id, 0 | 0xffff)).map(|id| self.probe_of(id));
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
                // The timestamp is out of reach of a box that renumbers identifications, so it goes first.
                let mut found = blank(destination, flow, ReplyKind::TimeExceeded);
                found.names = by_clock.or(named_by_id).map_or(Names::Flow, Names::Probe);
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
        let flow =
            FlowId(self.flows.iter().position(|flow| flow.source_port == ours).ok_or(Stray::Foreign)? as u16);
        if let Some((destination, flow)) = self.find(quote.header.destination, transport, port, ours) {
            return if secret(destination, flow) { Ok((destination, flow)) } else { Err(Stray::WrongKey) };
        }
        // Only TCP's keyed sequence number can vouch for a flow whose address was changed.
        let translated = (0..)
            .map(DestinationId)
            .zip(&self.destinations)
            .find(|(id, one)| transport == Protocol::Tcp && one.protocol == transport && secret(*id, flow));
        translated.map(|(id, _)| (id, flow)).ok_or(Stray::Foreign)
    }
}

fn blank(destination: DestinationId, flow: FlowId, kind: ReplyKind) -> Recognised {
    Recognised {
        destination,
        flow,
        names: Names::Flow,
        from: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        reply_ttl: 0,
        ip_id: None,
        kind,
        quoted: None,
        tcp: None,
        mpls: Vec::new(),
        interfaces: Vec::new(),
    }
}

/// Builds with data whose first two bytes make the transport checksum, `at` bytes into the transport header, `wanted`.
fn balance(data: &mut [u8; PAYLOAD], wanted: u16, build: impl Fn(&[u8]) -> Vec<u8>, at: usize) -> Vec<u8> {
    let plain = build(data.as_slice());
    // Both headers are 8 bytes and stand right before the data.
    let place = plain.len() - PAYLOAD - 8 + at;
    let now = u16::from_be_bytes([plain[place], plain[place + 1]]);
    data[..2].copy_from_slice(&build::compensation(now, wanted));
    build(data.as_slice())
}

/// RFC 792 and RFC 4443: what an error's type and code say.
fn error_kind(v6: bool, icmp_type: u8, code: u8, rest: u32) -> ReplyKind {
    match (v6, icmp_type, code) {
        (false, 11, 0) | (true, 3, 0) => ReplyKind::TimeExceeded,
        (false, 3, 4) | (true, 2, _) => ReplyKind::TooBig { mtu: icmp::next_hop_mtu(v6, rest) },
        (false, 3, _) | (true, 1, _) => ReplyKind::Unreachable { icmp_type, code },
        _ => ReplyKind::OtherIcmp { icmp_type, code },
    }
}

fn note_object(found: &mut Recognised, object: Object<'_>) {
    match object {
        Object::Mpls(stack) => found.mpls.extend(stack.iter().map(|entry| MplsLabel {
            label: entry.label,
            tc: entry.tc,
            bottom: entry.bottom,
            ttl: entry.ttl,
        })),
        Object::Interface(interface) => found.interfaces.push(InterfaceObject {
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
