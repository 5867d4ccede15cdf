//! Whole packets, checksums included.
//!
//! The engine builds its probes here and the simulator its answers, so that whatever is read was written to the same
//! rules. Sizes are bounded by the callers: a packet longer than 65,535 bytes cannot be asked for.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a buffer made here has the size its header needs"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet_packet::icmp::{IcmpCode, IcmpPacket, IcmpType, MutableIcmpPacket};
use pnet_packet::icmpv6::{Icmpv6Code, Icmpv6Packet, Icmpv6Type, MutableIcmpv6Packet};
use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv4::{Ipv4Flags, MutableIpv4Packet};
use pnet_packet::ipv6::MutableIpv6Packet;
use pnet_packet::tcp::MutableTcpPacket;
use pnet_packet::udp::MutableUdpPacket;
use pnet_packet::{icmp, icmpv6, ipv4, tcp, udp};

use super::extensions::{Interface, LEAST_QUOTE, LabelEntry};
use super::icmp::length_field;
use super::tcp::TcpOption;
use super::{at_most, checksum, fold, protocol};

/// What goes into an IP header. Both addresses are of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// IPv4 identification; IPv6 has none.
    pub id: u16,
    /// IPv6 flow label, 20 bits; IPv4 has none.
    pub label: u32,
    /// IPv4 don't fragment.
    pub dont_fragment: bool,
}

/// What goes into a TCP header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp<'a> {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// Flag bits.
    pub flags: u8,
    /// Window, unscaled.
    pub window: u16,
    /// Options in order; padded behind the last to a whole number of words. There is room for 40 bytes: from the first
    /// that does not fit on they are left out.
    pub options: &'a [TcpOption<'a>],
}

/// An IP packet with this payload.
#[must_use]
pub fn datagram(ip: &Ip, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (ip.source, ip.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => ipv4(ip, source, destination, protocol, payload),
        (IpAddr::V6(source), IpAddr::V6(destination)) => ipv6(ip, source, destination, protocol, payload),
        // One packet has one family; a mix is a fault of the caller that a test of its own would show at once.
        _ => Vec::new(),
    }
}

fn ipv4(ip: &Ip, source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 20 + payload.len()];
    bytes[20..].copy_from_slice(payload);
    let total = length(bytes.len());
    let mut packet = MutableIpv4Packet::new(&mut bytes).expect("20 bytes and more");
    packet.set_version(4);
    packet.set_header_length(5);
    packet.set_dscp(ip.tos >> 2);
    packet.set_ecn(ip.tos & 3);
    packet.set_total_length(total);
    packet.set_identification(ip.id);
    packet.set_flags(if ip.dont_fragment { Ipv4Flags::DontFragment } else { 0 });
    packet.set_ttl(ip.ttl);
    packet.set_next_level_protocol(IpNextHeaderProtocol(protocol));
    packet.set_source(source);
    packet.set_destination(destination);
    let sum = ipv4::checksum(&packet.to_immutable());
    packet.set_checksum(sum);
    bytes
}

fn ipv6(ip: &Ip, source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 40 + payload.len()];
    bytes[40..].copy_from_slice(payload);
    let mut packet = MutableIpv6Packet::new(&mut bytes).expect("40 bytes and more");
    packet.set_version(6);
    packet.set_traffic_class(ip.tos);
    packet.set_flow_label(ip.label & 0xf_ffff);
    packet.set_payload_length(length(payload.len()));
    packet.set_next_header(IpNextHeaderProtocol(protocol));
    packet.set_hop_limit(ip.ttl);
    packet.set_source(source);
    packet.set_destination(destination);
    bytes
}

/// A TCP segment without data.
#[must_use]
pub fn tcp(ip: &Ip, segment: &Tcp<'_>) -> Vec<u8> {
    tcp_with_data(ip, segment, &[])
}

/// A TCP segment with data. A SYN may carry some (RFC 9293 §3.5): whoever takes none acknowledges the SYN alone.
#[must_use]
pub fn tcp_with_data(ip: &Ip, segment: &Tcp<'_>, data: &[u8]) -> Vec<u8> {
    let mut options = Vec::with_capacity(40);
    for option in segment.options {
        let whole = options.len();
        push_option(&mut options, *option);
        if options.len() > 40 {
            options.truncate(whole);
            break;
        }
    }
    options.resize(options.len().next_multiple_of(4), 0);
    let header = 20 + options.len();
    let mut bytes = vec![0; header + data.len()];
    bytes[20..header].copy_from_slice(&options);
    bytes[header..].copy_from_slice(data);
    let mut packet = MutableTcpPacket::new(&mut bytes).expect("20 bytes and more");
    packet.set_source(segment.source);
    packet.set_destination(segment.destination);
    packet.set_sequence(segment.sequence);
    packet.set_acknowledgement(segment.acknowledgment);
    packet.set_data_offset(5 + (options.len() / 4) as u8);
    packet.set_flags(segment.flags);
    packet.set_window(segment.window);
    let sum = match (ip.source, ip.destination) {
        (IpAddr::V4(a), IpAddr::V4(b)) => tcp::ipv4_checksum(&packet.to_immutable(), &a, &b),
        (IpAddr::V6(a), IpAddr::V6(b)) => tcp::ipv6_checksum(&packet.to_immutable(), &a, &b),
        _ => 0,
    };
    packet.set_checksum(sum);
    datagram(ip, protocol::TCP, &bytes)
}

fn push_option(bytes: &mut Vec<u8>, option: TcpOption<'_>) {
    match option {
        TcpOption::Nop => bytes.push(1),
        TcpOption::Mss(mss) => {
            bytes.extend_from_slice(&[2, 4]);
            bytes.extend_from_slice(&mss.to_be_bytes());
        }
        TcpOption::WindowScale(shift) => bytes.extend_from_slice(&[3, 3, shift]),
        TcpOption::SackPermitted => bytes.extend_from_slice(&[4, 2]),
        TcpOption::Timestamps { value, echo } => {
            bytes.extend_from_slice(&[8, 10]);
            bytes.extend_from_slice(&value.to_be_bytes());
            bytes.extend_from_slice(&echo.to_be_bytes());
        }
        TcpOption::Other(kind, data) => {
            bytes.extend_from_slice(&[kind, (data.len() + 2) as u8]);
            bytes.extend_from_slice(data);
        }
    }
}

/// A UDP datagram.
#[must_use]
pub fn udp(ip: &Ip, source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 8 + payload.len()];
    bytes[8..].copy_from_slice(payload);
    let total = length(bytes.len());
    let mut packet = MutableUdpPacket::new(&mut bytes).expect("8 bytes and more");
    packet.set_source(source);
    packet.set_destination(destination);
    packet.set_length(total);
    let sum = match (ip.source, ip.destination) {
        (IpAddr::V4(a), IpAddr::V4(b)) => udp::ipv4_checksum(&packet.to_immutable(), &a, &b),
        (IpAddr::V6(a), IpAddr::V6(b)) => udp::ipv6_checksum(&packet.to_immutable(), &a, &b),
        _ => 0,
    };
    // RFC 768: a sum that comes out as zero is sent as all ones, since zero says that there is none.
    packet.set_checksum(if sum == 0 { 0xffff } else { sum });
    datagram(ip, protocol::UDP, &bytes)
}

/// An ICMP or ICMPv6 echo request or reply, by the family of `ip`.
#[must_use]
pub fn echo(ip: &Ip, reply: bool, id: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let kind = match (ip.source, reply) {
        (IpAddr::V4(_), false) => 8,
        (IpAddr::V4(_), true) => 0,
        (IpAddr::V6(_), false) => 128,
        (IpAddr::V6(_), true) => 129,
    };
    let rest = u32::from(id) << 16 | u32::from(sequence);
    icmp_message(ip, kind, 0, rest, payload)
}

/// Any ICMP or ICMPv6 message, by the family of `ip`.
#[must_use]
pub fn icmp_message(ip: &Ip, icmp_type: u8, code: u8, rest: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 8 + body.len()];
    bytes[4..8].copy_from_slice(&rest.to_be_bytes());
    bytes[8..].copy_from_slice(body);
    match (ip.source, ip.destination) {
        (IpAddr::V4(_), _) => {
            let mut packet = MutableIcmpPacket::new(&mut bytes).expect("8 bytes and more");
            packet.set_icmp_type(IcmpType(icmp_type));
            packet.set_icmp_code(IcmpCode(code));
            let sum = icmp::checksum(&IcmpPacket::new(&bytes).expect("8 bytes and more"));
            MutableIcmpPacket::new(&mut bytes).expect("8 bytes and more").set_checksum(sum);
            datagram(ip, protocol::ICMP, &bytes)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut packet = MutableIcmpv6Packet::new(&mut bytes).expect("8 bytes and more");
            packet.set_icmpv6_type(Icmpv6Type(icmp_type));
            packet.set_icmpv6_code(Icmpv6Code(code));
            let sum = icmpv6::checksum(
                &Icmpv6Packet::new(&bytes).expect("8 bytes and more"),
                &source,
                &destination,
            );
            MutableIcmpv6Packet::new(&mut bytes).expect("8 bytes and more").set_checksum(sum);
            datagram(ip, protocol::ICMPV6, &bytes)
        }
        _ => Vec::new(),
    }
}

/// An ICMP error that quotes `quote`, with an extension structure behind it if there is one (RFC 4884 §4: the quote is
/// then padded to 128 bytes and its length written down). Types that have no length field carry no extensions, and of
/// a quote longer than the field can say only that much is quoted before one.
#[must_use]
pub fn icmp_error(
    ip: &Ip,
    icmp_type: u8,
    code: u8,
    rest: u32,
    quote: &[u8],
    extension: Option<&[u8]>,
) -> Vec<u8> {
    let (Some(extension), Some((shift, unit))) = (extension, length_field(ip.source.is_ipv6(), icmp_type))
    else {
        return icmp_message(ip, icmp_type, code, rest, quote);
    };
    let quote = at_most(quote, 255 * unit);
    let padded = quote.len().max(LEAST_QUOTE).next_multiple_of(unit);
    let mut body = quote.to_vec();
    body.resize(padded, 0);
    body.extend_from_slice(extension);
    icmp_message(ip, icmp_type, code, rest | ((padded / unit) as u32) << shift, &body)
}

/// An RFC 4884 extension structure holding a label stack (RFC 4950) and interface objects (RFC 5837).
#[must_use]
pub fn extension(labels: &[LabelEntry], interfaces: &[Interface]) -> Vec<u8> {
    let mut bytes = vec![0x20, 0, 0, 0];
    if !labels.is_empty() {
        let stack: Vec<u8> = labels.iter().flat_map(label).collect();
        object(&mut bytes, 1, 1, &stack);
    }
    for interface in interfaces {
        let (kind, payload) = interface_payload(interface);
        object(&mut bytes, 2, kind, &payload);
    }
    let sum = checksum(&bytes, 0);
    // §7: zero would say that there is none; all ones is the same number in one's complement.
    let sum = if sum == 0 { 0xffff } else { sum };
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn object(bytes: &mut Vec<u8>, class: u8, kind: u8, payload: &[u8]) {
    bytes.extend_from_slice(&length(payload.len() + 4).to_be_bytes());
    bytes.extend_from_slice(&[class, kind]);
    bytes.extend_from_slice(payload);
}

fn label(entry: &LabelEntry) -> [u8; 4] {
    let word = entry.label << 12
        | u32::from(entry.tc & 7) << 9
        | u32::from(entry.bottom) << 8
        | u32::from(entry.ttl);
    word.to_be_bytes()
}

fn interface_payload(interface: &Interface) -> (u8, Vec<u8>) {
    let mut kind = interface.role << 6;
    let mut payload = Vec::new();
    if let Some(index) = interface.index {
        kind |= 0x08;
        payload.extend_from_slice(&index.to_be_bytes());
    }
    if let Some(address) = interface.address {
        kind |= 0x04;
        match address {
            IpAddr::V4(address) => {
                payload.extend_from_slice(&[0, 1, 0, 0]);
                payload.extend_from_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                payload.extend_from_slice(&[0, 2, 0, 0]);
                payload.extend_from_slice(&address.octets());
            }
        }
    }
    if let Some(name) = &interface.name {
        kind |= 0x02;
        // §4.3: at most 63 bytes; half a character at their end would not be UTF-8.
        let name = &name.as_bytes()[..name.floor_char_boundary(63)];
        let padded = (name.len() + 1).next_multiple_of(4);
        payload.push(padded as u8);
        payload.extend_from_slice(name);
        payload.resize(payload.len() + padded - name.len() - 1, 0);
    }
    if let Some(mtu) = interface.mtu {
        kind |= 0x01;
        payload.extend_from_slice(&mtu.to_be_bytes());
    }
    (kind, payload)
}

/// The two bytes that, put where `packet` has two zero bytes at an even offset of its transport part, change its
/// transport checksum from `now` to `wanted`.
///
/// RFC 1624 §2: one's complement sums are changed by the difference. `wanted` is neither 0 nor 0xffff for UDP.
#[must_use]
pub fn compensation(now: u16, wanted: u16) -> [u8; 2] {
    // Checksum = !sum, so sum must grow by !wanted - !now = now - wanted, in one's complement.
    fold(u64::from(now) + u64::from(!wanted)).to_be_bytes()
}

fn length(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}
