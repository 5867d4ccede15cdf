//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.
//!
//! ```text
//!  0                   1                   2                   3     IPv4
//! |Version|  IHL  |Type of service|          Total length         |
//! |         Identification        |Flags|     Fragment offset     |
//! |      TTL      |    Protocol   |        Header checksum        |
//! |                        Source address                         |
//! |                     Destination address                       |
//!
//! |Version| Traffic class |             Flow label                |  IPv6
//! |         Payload length        |  Next header  |   Hop limit   |
//! |                   Source address, 16 bytes                    |
//! |                Destination address, 16 bytes                  |
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Unreadable, after, at_most, split};

/// The fields of either header that say something of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Protocol, or the next header behind all IPv6 extension headers.
    pub protocol: u8,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// IPv4 identification; the fragment header's lower half in IPv6, if there is one.
    pub id: Option<u16>,
    /// IPv6 flow label.
    pub label: Option<u32>,
    /// IPv4 don't fragment.
    pub dont_fragment: bool,
    /// Not the first fragment: what follows is no transport header.
    pub later_fragment: bool,
    /// Bytes of the whole packet as the header claims. In a quotation more than is there.
    pub claimed_length: usize,
    /// Bytes of the IP header with its options or extension headers.
    pub header_length: usize,
}

/// Reads a whole packet: its header and what the header says is its payload.
///
/// # Errors
/// [`Unreadable`] if it is no IP packet, or shorter than it claims.
pub fn read(bytes: &[u8]) -> Result<(Header, &[u8]), Unreadable> {
    let (header, rest) = read_quoted(bytes)?;
    if header.claimed_length > bytes.len() {
        return Err(Unreadable::Short { layer: "ip", need: header.claimed_length, have: bytes.len() });
    }
    Ok((header, rest))
}

/// Reads a packet that may have been cut short behind its header, as an ICMP error quotes it.
///
/// # Errors
/// [`Unreadable`] if the header itself is not whole.
pub fn read_quoted(bytes: &[u8]) -> Result<(Header, &[u8]), Unreadable> {
    match bytes.first().map(|byte| byte >> 4) {
        Some(4) => read_v4(bytes),
        Some(6) => read_v6(bytes),
        Some(version) => Err(Unreadable::Field { layer: "ip", field: "version", value: u32::from(version) }),
        None => Err(Unreadable::Short { layer: "ip", need: 20, have: 0 }),
    }
}

fn read_v4(bytes: &[u8]) -> Result<(Header, &[u8]), Unreadable> {
    let ([b0, tos, l0, l1, i0, i1, f0, f1, ttl, protocol, _, _, addresses @ ..], _) =
        split::<20>(bytes, "ipv4")?;
    let header_length = usize::from(b0 & 0x0f) * 4;
    if header_length < 20 {
        return Err(Unreadable::Field { layer: "ipv4", field: "header length", value: header_length as u32 });
    }
    if bytes.len() < header_length {
        return Err(Unreadable::Short { layer: "ipv4", need: header_length, have: bytes.len() });
    }
    let [s0, s1, s2, s3, d0, d1, d2, d3] = addresses;
    let claimed_length = usize::from(u16::from_be_bytes([l0, l1]));
    if claimed_length < header_length {
        return Err(Unreadable::Field { layer: "ipv4", field: "total length", value: claimed_length as u32 });
    }
    let fragment = u16::from_be_bytes([f0, f1]);
    let header = Header {
        source: Ipv4Addr::new(s0, s1, s2, s3).into(),
        destination: Ipv4Addr::new(d0, d1, d2, d3).into(),
        ttl,
        protocol,
        tos,
        id: Some(u16::from_be_bytes([i0, i1])),
        label: None,
        dont_fragment: fragment & 0x4000 != 0,
        later_fragment: fragment & 0x1fff != 0,
        claimed_length,
        header_length,
    };
    Ok((header, after(at_most(bytes, claimed_length), header_length)))
}

fn read_v6(bytes: &[u8]) -> Result<(Header, &[u8]), Unreadable> {
    let ([b0, b1, b2, b3, l0, l1, next, ttl, addresses @ ..], _) = split::<40>(bytes, "ipv6")?;
    let (source, destination): ([u8; 16], &[u8]) = split(&addresses, "ipv6")?;
    let (destination, _): ([u8; 16], _) = split(destination, "ipv6")?;
    let claimed_length = 40 + usize::from(u16::from_be_bytes([l0, l1]));
    let mut header = Header {
        source: Ipv6Addr::from(source).into(),
        destination: Ipv6Addr::from(destination).into(),
        ttl,
        protocol: next,
        tos: b0 << 4 | b1 >> 4,
        id: None,
        label: Some(u32::from_be_bytes([0, b1 & 0x0f, b2, b3])),
        dont_fragment: true,
        later_fragment: false,
        claimed_length,
        header_length: 40,
    };
    let bytes = at_most(bytes, claimed_length);
    // RFC 8200 §4.1: at most one of each, destination options twice. A longer chain is made to waste time.
    for _ in 0..8 {
        let rest = after(bytes, header.header_length);
        let length = match header.protocol {
            // Hop-by-hop options, routing, destination options: length in 8-byte units behind the first.
            0 | 43 | 60 => {
                let ([next, units], _) = split::<2>(rest, "ipv6 extension header")?;
                header.protocol = next;
                (usize::from(units) + 1) * 8
            }
            // Fragment (RFC 8200 §4.5).
            44 => {
                let ([next, _, o0, o1, _, _, i0, i1], _) = split::<8>(rest, "ipv6 fragment header")?;
                header.protocol = next;
                header.id = Some(u16::from_be_bytes([i0, i1]));
                header.later_fragment = u16::from_be_bytes([o0, o1]) & 0xfff8 != 0;
                8
            }
            // Authentication (RFC 4302): length in 4-byte units, two taken off.
            51 => {
                let ([next, units], _) = split::<2>(rest, "ipv6 authentication header")?;
                header.protocol = next;
                (usize::from(units) + 2) * 4
            }
            _ => return Ok((header, rest)),
        };
        if rest.len() < length {
            return Err(Unreadable::Short { layer: "ipv6 extension header", need: length, have: rest.len() });
        }
        header.header_length += length;
        if header.later_fragment {
            return Ok((header, after(bytes, header.header_length)));
        }
    }
    Err(Unreadable::Field { layer: "ipv6", field: "number of extension headers", value: 9 })
}

/// The sum of the pseudo-header that TCP, UDP and ICMPv6 checksums include (RFC 9293 §3.1, RFC 8200 §8.1).
pub(super) fn pseudo_sum(header: &Header, length: usize) -> u32 {
    let words = |bytes: &[u8]| -> u32 {
        bytes.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum()
    };
    let addresses = match (header.source, header.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            words(&source.octets()) + words(&destination.octets())
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            words(&source.octets()) + words(&destination.octets())
        }
        // A header is of one family by construction.
        _ => 0,
    };
    let length = length as u32;
    addresses + u32::from(header.protocol) + (length >> 16) + (length & 0xffff)
}
