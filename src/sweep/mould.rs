//! Packets without a book of them: each is made of the key and of whom it goes to, and so is the name its answer must
//! carry.
//!
//! | protocol | names the packet | in the host's own answer | in what a router quotes |
//! |---|---|---|---|
//! | TCP | source port, sequence number (32 keyed bits) | acknowledgment | sequence number |
//! | UDP | source port, checksum by 8 keyed bytes of data, IPv4 identification | nothing: the ports alone | checksum, IPv4 identification |
//! | ICMP echo | identifier, sequence number (16 keyed bits), 8 keyed bytes of data | all of them | sequence number, and checksum or IPv4 identification |
//!
//! Each try at a host comes from a source port of its own, so that no flow ever carries two packets: a port that is open
//! cannot look closed by a second sequence number (see [`identity`](crate::probe::identity)), a balancer takes the next
//! try another way, and the answer's destination port says which try it answers.
//!
//! A whole packet is built once, by the builders that every probe is built with; from then on the fields that change are
//! written over and the checksums follow from sums that were taken beforehand (RFC 1624).
#![expect(
    clippy::indexing_slicing,
    reason = "the packet was built here and has the fields that are written over"
)]

use std::hash::Hasher as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use siphasher::sip::SipHasher24;

use super::hosts::{HostId, Hosts};
use crate::packet::build::{self, Ip, Tcp};
use crate::packet::quotation::Quotation;
use crate::packet::tcp::{Segment, TcpOption, flags};
use crate::packet::udp::Datagram;
use crate::packet::{icmp, ip, protocol};
use crate::probe::identity::{error_kind, segment_kind};
use crate::trace::{FULL_TTL, Protocol, ReplyKind};

/// Tries at a host.
pub const TRIES: u8 = 3;
/// The window a Linux stack offers in its SYN, as `diagnose` does.
const WINDOW: u16 = 64_240;
/// Bytes of echo and UDP data: two that are zero, eight keyed ones, the rest zero, as many as `diagnose` sends.
const DATA: usize = 24;

/// A packet that belongs to a try of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose.
    pub host: HostId,
    /// Which try, from 0.
    pub attempt: u8,
    /// What it is.
    pub kind: ReplyKind,
    /// Who sent it.
    pub from: IpAddr,
    /// TTL it arrived with.
    pub reply_ttl: u8,
}

/// Why a packet belongs to no try of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    /// It cannot be read.
    Malformed,
    /// It is about other people's packets.
    Foreign,
    /// It is aimed at one of ours, with a wrong key.
    WrongKey,
}

/// Makes packets and recognises what comes back for them.
#[derive(Clone, Debug)]
pub struct Mould {
    key: [u8; 16],
    source: IpAddr,
    protocol: Protocol,
    /// Source ports or identifiers, at least [`TRIES`] different ones.
    numbers: Vec<u16>,
    /// A packet whose changing fields and checksums are zero.
    blank: Vec<u8>,
    /// One's complement sums of what does not change: IP header, and transport with its pseudo-header.
    header_sum: u32,
    transport_sum: u32,
}

/// What is keyed in one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Names {
    sequence: u32,
    clock: u32,
    id: u16,
    data: u64,
}

impl Mould {
    /// For packets of `protocol` from `source`, with these source ports or identifiers.
    ///
    /// # Panics
    /// With fewer than [`TRIES`] numbers.
    #[must_use]
    pub fn new(key: [u8; 16], source: IpAddr, protocol: Protocol, numbers: &[u16]) -> Self {
        assert!(numbers.len() >= usize::from(TRIES), "each try has a port of its own");
        let nobody = match source {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let v6 = source.is_ipv6();
        let header =
            Ip { source, destination: nobody, ttl: FULL_TTL, tos: 0, id: 0, label: 0, dont_fragment: true };
        let mut blank = match protocol {
            Protocol::Tcp => {
                let options = [
                    TcpOption::Mss(if v6 { 1440 } else { 1460 }),
                    TcpOption::SackPermitted,
                    TcpOption::Timestamps { value: 0, echo: 0 },
                    TcpOption::Nop,
                    TcpOption::WindowScale(7),
                ];
                let segment = Tcp {
                    source: 0,
                    destination: 0,
                    sequence: 0,
                    acknowledgment: 0,
                    flags: flags::SYN,
                    window: WINDOW,
                    options: &options,
                };
                build::tcp(&header, &segment)
            }
            Protocol::Icmp => build::echo(&header, false, 0, 0, &[0; DATA]),
            Protocol::Udp => build::udp(&header, 0, 0, &[0; DATA]),
        };
        let start = if v6 { 40 } else { 20 };
        let checksum = start + checksum_at(protocol);
        blank[checksum..checksum + 2].fill(0);
        let header_sum = if v6 {
            0
        } else {
            blank[10..12].fill(0);
            sum(&blank[..20])
        };
        // ICMP has no pseudo-header, ICMPv6 has.
        let pseudo = match (protocol, v6) {
            (Protocol::Icmp, false) => 0,
            _ => {
                let number = match (protocol, v6) {
                    (Protocol::Tcp, _) => protocol::TCP,
                    (Protocol::Udp, _) => protocol::UDP,
                    _ => protocol::ICMPV6,
                };
                sum(octets(&source).as_slice()) + u32::from(number) + (blank.len() - start) as u32
            }
        };
        let transport_sum = sum(&blank[start..]) + pseudo;
        Self { key, source, protocol, numbers: numbers.to_vec(), blank, header_sum, transport_sum }
    }

    /// The protocol.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The source address.
    #[must_use]
    pub const fn source(&self) -> IpAddr {
        self.source
    }

    /// The source port or identifier of a try at a host.
    #[must_use]
    pub fn number(&self, host: HostId, attempt: u8) -> u16 {
        self.numbers[(host as usize + usize::from(attempt)) % self.numbers.len()]
    }

    /// The try at a host that comes from this number.
    fn attempt(&self, host: HostId, number: u16) -> Option<u8> {
        (0..TRIES).find(|attempt| self.number(host, *attempt) == number)
    }

    fn names(&self, address: IpAddr, port: u16, number: u16) -> Names {
        let hash = |purpose: u8| {
            let mut hasher = SipHasher24::new_with_key(&self.key);
            match address {
                IpAddr::V4(address) => hasher.write_u32(u32::from(address)),
                IpAddr::V6(address) => hasher.write_u128(u128::from(address)),
            }
            hasher.write_u64(u64::from(port) << 32 | u64::from(number) << 8 | u64::from(purpose));
            hasher.finish()
        };
        let first = hash(0);
        match self.protocol {
            // The identification is no secret of its own: it only must not be zero, which a kernel would fill in.
            Protocol::Tcp => Names {
                sequence: first as u32,
                clock: (first >> 32) as u32,
                id: ((first >> 16) as u16).clamp(1, 0xfffe),
                data: 0,
            },
            _ => Names {
                sequence: (first as u16).into(),
                clock: (first >> 32) as u32,
                id: ((first >> 16) as u16).clamp(1, 0xfffe),
                data: hash(1),
            },
        }
    }

    /// Writes the packet of a try into `packet`, which keeps its memory from one to the next.
    pub fn packet(&self, hosts: &Hosts, host: HostId, attempt: u8, packet: &mut Vec<u8>) {
        let (address, port) = (hosts.address(host), hosts.port(host));
        let number = self.number(host, attempt);
        let names = self.names(address, port, number);
        packet.clear();
        packet.extend_from_slice(&self.blank);
        let to = octets(&address);
        let to_sum = sum(to.as_slice());
        let start = match address {
            IpAddr::V4(_) => {
                packet[4..6].copy_from_slice(&names.id.to_be_bytes());
                packet[16..20].copy_from_slice(to.as_slice());
                let whole = self.header_sum + to_sum + u32::from(names.id);
                packet[10..12].copy_from_slice(&(!fold(whole)).to_be_bytes());
                20
            }
            IpAddr::V6(_) => {
                packet[24..40].copy_from_slice(to.as_slice());
                // 20 bits, never zero: zero would say that the packet belongs to no flow (RFC 6437 §3).
                let label = names.clock & 0xf_ffff | 1;
                packet[..4].copy_from_slice(&(6_u32 << 28 | label).to_be_bytes());
                40
            }
        };
        let pseudo = if self.protocol == Protocol::Icmp && start == 20 { 0 } else { to_sum };
        let transport = &mut packet[start..];
        let mut whole = self.transport_sum + pseudo;
        let mut put = |at: usize, bytes: &[u8]| {
            transport[at..at + bytes.len()].copy_from_slice(bytes);
            whole += sum(bytes);
        };
        match self.protocol {
            Protocol::Tcp => {
                put(0, &number.to_be_bytes());
                put(2, &port.to_be_bytes());
                put(4, &names.sequence.to_be_bytes());
                // Behind the maximum segment size (4 bytes), "SACK permitted" (2) and the option's own head (2).
                put(28, &names.clock.to_be_bytes());
            }
            Protocol::Udp => {
                put(0, &number.to_be_bytes());
                put(2, &port.to_be_bytes());
                put(10, &names.data.to_be_bytes());
            }
            Protocol::Icmp => {
                put(4, &number.to_be_bytes());
                put(6, &(names.sequence as u16).to_be_bytes());
                put(10, &names.data.to_be_bytes());
            }
        }
        let checksum = match !fold(whole) {
            // RFC 768: zero would say that there is none.
            0 if self.protocol == Protocol::Udp => 0xffff,
            sum => sum,
        };
        let checksum = checksum.to_be_bytes();
        let at = checksum_at(self.protocol);
        transport[at..at + 2].copy_from_slice(&checksum);
    }

    /// Whose packet this is, and what.
    ///
    /// # Errors
    /// [`Stray`] if it belongs to no try that this sweep can have made.
    pub fn recognise(&self, hosts: &Hosts, packet: &[u8]) -> Result<Found, Stray> {
        let (header, payload) = ip::read(packet).map_err(|_| Stray::Malformed)?;
        if header.later_fragment || header.destination != self.source {
            return Err(Stray::Foreign);
        }
        let found =
            |host, attempt, kind| Found { host, attempt, kind, from: header.source, reply_ttl: header.ttl };
        if header.protocol == protocol::TCP && self.protocol == Protocol::Tcp {
            let segment = Segment::read(payload).map_err(|_| Stray::Malformed)?;
            let kind = segment_kind(&segment).ok_or(Stray::Foreign)?;
            let host = hosts.find(header.source, segment.source).ok_or(Stray::Foreign)?;
            let attempt = self.attempt(host, segment.destination).ok_or(Stray::Foreign)?;
            let names = self.names(header.source, segment.source, segment.destination);
            let right =
                segment.has(flags::ACK, 0) && segment.acknowledgment == names.sequence.wrapping_add(1);
            return if right { Ok(found(host, attempt, kind)) } else { Err(Stray::WrongKey) };
        }
        if header.protocol == protocol::UDP && self.protocol == Protocol::Udp {
            let datagram = Datagram::read(payload).map_err(|_| Stray::Malformed)?;
            let host = hosts.find(header.source, datagram.source).ok_or(Stray::Foreign)?;
            let attempt = self.attempt(host, datagram.destination).ok_or(Stray::Foreign)?;
            return Ok(found(host, attempt, ReplyKind::UdpAnswer));
        }
        if !icmp::is_icmp(header.source, header.protocol) {
            return Err(Stray::Foreign);
        }
        match icmp::read(&header, payload).map_err(|_| Stray::Malformed)? {
            icmp::Message::Echo { reply: true, id, sequence, payload } if self.protocol == Protocol::Icmp => {
                let host = hosts.find(header.source, 0).ok_or(Stray::Foreign)?;
                let attempt = self.attempt(host, id).ok_or(Stray::Foreign)?;
                let names = self.names(header.source, 0, id);
                let right = u32::from(sequence) == names.sequence
                    && payload.get(2..10) == Some(names.data.to_be_bytes().as_slice());
                if right { Ok(found(host, attempt, ReplyKind::EchoReply)) } else { Err(Stray::WrongKey) }
            }
            icmp::Message::Error { icmp_type, code, rest, quotation, .. } => {
                let (host, attempt) = self.quoted(hosts, &quotation)?;
                Ok(found(host, attempt, error_kind(header.source.is_ipv6(), icmp_type, code, rest)))
            }
            _ => Err(Stray::Foreign),
        }
    }

    /// Which try an ICMP error quotes. A quoted destination that was translated on the way is nobody's here: what it is
    /// about counts as silent and is measured in full.
    fn quoted(&self, hosts: &Hosts, quote: &Quotation<'_>) -> Result<(HostId, u8), Stray> {
        let to = quote.header.destination;
        match self.protocol {
            Protocol::Tcp => {
                let (ours, port) = quote.ports().ok_or(Stray::Foreign)?;
                let sequence = quote.tcp_sequence().ok_or(Stray::Foreign)?;
                let host = hosts.find(to, port).ok_or(Stray::Foreign)?;
                let attempt = self.attempt(host, ours).ok_or(Stray::Foreign)?;
                match self.names(to, port, ours).sequence == sequence {
                    true => Ok((host, attempt)),
                    false => Err(Stray::WrongKey),
                }
            }
            Protocol::Udp => {
                let (ours, port) = quote.ports().ok_or(Stray::Foreign)?;
                let datagram = quote.udp().ok_or(Stray::Foreign)?;
                let host = hosts.find(to, port).ok_or(Stray::Foreign)?;
                let attempt = self.attempt(host, ours).ok_or(Stray::Foreign)?;
                let mut sent = Vec::with_capacity(self.blank.len());
                self.packet(hosts, host, attempt, &mut sent);
                let at = if to.is_ipv6() { 46 } else { 26 };
                let same = sent[at..at + 2] == datagram.checksum.to_be_bytes();
                // A translator on the way changes the checksum, and some routers the identification; one of both is kept.
                let id = quote.header.id == Some(self.names(to, port, ours).id);
                match same || id {
                    true => Ok((host, attempt)),
                    false => Err(Stray::WrongKey),
                }
            }
            Protocol::Icmp => {
                let (kind, checksum, id, sequence) = quote.echo().ok_or(Stray::Foreign)?;
                let host = hosts.find(to, 0).ok_or(Stray::Foreign)?;
                let attempt = self.attempt(host, id).ok_or(Stray::Foreign)?;
                let names = self.names(to, 0, id);
                let mut sent = Vec::with_capacity(self.blank.len());
                self.packet(hosts, host, attempt, &mut sent);
                let at = if to.is_ipv6() { 42 } else { 22 };
                // Not every translator restores the checksum it changed; then the identification has to agree.
                let same = sent[at..at + 2] == checksum.to_be_bytes() || quote.header.id == Some(names.id);
                match matches!(kind, 8 | 128) && u32::from(sequence) == names.sequence && same {
                    true => Ok((host, attempt)),
                    false => Err(Stray::WrongKey),
                }
            }
        }
    }
}

/// Where the checksum stands behind the IP header.
const fn checksum_at(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Tcp => 16,
        Protocol::Udp => 6,
        Protocol::Icmp => 2,
    }
}

/// The local port or identifier that a packet is about, and of which protocol, if it is one that can be an answer.
#[must_use]
pub fn local_number(packet: &[u8]) -> Option<(Protocol, u16)> {
    let (header, payload) = ip::read(packet).ok()?;
    let second = |bytes: &[u8]| Some(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    match header.protocol {
        protocol::TCP => Some((Protocol::Tcp, second(payload)?)),
        protocol::UDP => Some((Protocol::Udp, second(payload)?)),
        number if icmp::is_icmp(header.source, number) => match icmp::read(&header, payload).ok()? {
            icmp::Message::Echo { reply: true, id, .. } => Some((Protocol::Icmp, id)),
            icmp::Message::Error { quotation, .. } => match quotation.header.protocol {
                protocol::TCP => Some((Protocol::Tcp, quotation.ports()?.0)),
                protocol::UDP => Some((Protocol::Udp, quotation.ports()?.0)),
                _ => Some((Protocol::Icmp, quotation.echo()?.2)),
            },
            _ => None,
        },
        _ => None,
    }
}

/// An address's bytes, without a heap.
struct Octets {
    bytes: [u8; 16],
    length: usize,
}

impl Octets {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

fn octets(address: &IpAddr) -> Octets {
    match address {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            Octets { bytes, length: 4 }
        }
        IpAddr::V6(address) => Octets { bytes: address.octets(), length: 16 },
    }
}

/// The plain sum of 16-bit words, for at most a few kilobytes; an odd byte is the upper half of its word.
fn sum(bytes: &[u8]) -> u32 {
    let (words, odd) = bytes.as_chunks::<2>();
    let sum: u32 = words.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    sum + odd.first().map_or(0, |byte| u32::from(*byte) << 8)
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests;
