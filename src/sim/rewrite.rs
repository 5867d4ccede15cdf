//! Changes to packets on the way, checksums kept right.

use std::net::IpAddr;

use pnet_packet::icmp::IcmpPacket;
use pnet_packet::icmpv6::Icmpv6Packet;
use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::{icmp, icmpv6, ipv4};

use crate::packet::ip::{self, Header};
use crate::packet::protocol;

/// Which end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Source,
    Destination,
}

/// Sets the TTL or hop limit.
pub fn set_ttl(packet: &mut [u8], ttl: u8) {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) if packet.len() >= 20 => {
            packet[8] = ttl;
            mend_header(packet);
        }
        Some(6) if packet.len() >= 40 => packet[7] = ttl,
        _ => {}
    }
}

/// Sets one address, of the packet's own family, and mends the checksums that cover it.
pub fn set_address(packet: &mut [u8], end: End, new: IpAddr) {
    let Ok((header, _)) = ip::read(packet) else { return };
    swap_address(packet, &header, end, new);
    if header.source.is_ipv4() {
        mend_header(packet);
    } else if header.protocol == protocol::ICMPV6 {
        mend_icmp(packet, header.header_length);
    }
}

/// Sets the source address of the packet that an ICMP error quotes.
pub fn set_quoted_source(packet: &mut [u8], new: IpAddr) {
    let Ok((header, _)) = ip::read(packet) else { return };
    let start = header.header_length + 8;
    let Some(quote) = packet.get_mut(start..) else { return };
    let Ok((quoted, _)) = ip::read_quoted(quote) else { return };
    swap_address(quote, &quoted, End::Source, new);
    if quoted.source.is_ipv4() {
        mend_header(quote);
    }
    mend_icmp(packet, header.header_length);
}

fn swap_address(packet: &mut [u8], header: &Header, end: End, new: IpAddr) {
    let (at, bytes) = match (new, end) {
        (IpAddr::V4(new), End::Source) => (12, new.octets().to_vec()),
        (IpAddr::V4(new), End::Destination) => (16, new.octets().to_vec()),
        (IpAddr::V6(new), End::Source) => (8, new.octets().to_vec()),
        (IpAddr::V6(new), End::Destination) => (24, new.octets().to_vec()),
    };
    let Some(place) = packet.get_mut(at..at + bytes.len()) else { return };
    let old = place.to_vec();
    place.copy_from_slice(&bytes);
    // The pseudo-header's part in the checksum (RFC 1624); a quote may end before the field.
    let field = match header.protocol {
        protocol::TCP => 16,
        protocol::UDP => 6,
        _ => return,
    } + header.header_length;
    if let Some([high, low]) = packet.get_mut(field..field + 2) {
        let sum = [old, bytes].concat().chunks(2).enumerate().fold(
            u64::from(!u16::from_be_bytes([*high, *low])),
            |sum, (place, word)| {
                let word = u16::from_be_bytes([word[0], word[1]]);
                let half = if header.source.is_ipv4() { 2 } else { 8 };
                sum + u64::from(if place < half { !word } else { word })
            },
        );
        let mut folded = sum;
        while folded > 0xffff {
            folded = (folded & 0xffff) + (folded >> 16);
        }
        [*high, *low] = (!(folded as u16)).to_be_bytes();
    }
}

fn mend_header(packet: &mut [u8]) {
    if let Some(view) = Ipv4Packet::new(packet) {
        let sum = ipv4::checksum(&view);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

fn mend_icmp(packet: &mut [u8], at: usize) {
    let Ok((header, _)) = ip::read(packet) else { return };
    let Some(message) = packet.get(at..) else { return };
    let sum = match (header.source, header.destination) {
        (IpAddr::V4(_), _) => IcmpPacket::new(message).map(|view| icmp::checksum(&view)),
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            Icmpv6Packet::new(message).map(|view| icmpv6::checksum(&view, &from, &to))
        }
        _ => None,
    };
    if let Some(sum) = sum
        && let Some(field) = packet.get_mut(at + 2..at + 4)
    {
        field.copy_from_slice(&sum.to_be_bytes());
    }
}
