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
    /// Protocol, or the next header behind all IPv6 extension headers. In a quotation that ends inside one of those, the
    /// number of that one.
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
/// [`Unreadable`] if it is no IP packet, shorter than it claims, or its extension headers do not fit.
pub fn read(bytes: &[u8]) -> Result<(Header, &[u8]), Unreadable> {
    let mut header = read_fixed(bytes)?;
    let claimed = header.claimed_length;
    if claimed < header.header_length {
        return Err(Unreadable::Field { layer: "ipv4", field: "total length", value: claimed as u32 });
    }
    if claimed > bytes.len() {
        return Err(Unreadable::Short { layer: "ip", need: claimed, have: bytes.len() });
    }
    let bytes = at_most(bytes, claimed);
    walk_extension_headers(&mut header, bytes)?;
    Ok((header, after(bytes, header.header_length)))
}

/// Reads a packet as an ICMP error quotes it: cut short behind its header, and with fields that the sender of the error
/// changed.
///
/// Stacks derived from old BSD write the total length and the fragment field in their own byte order, or take the
/// header's length off the total; translators forget the length altogether. So a length that contradicts the bytes
/// decides nothing here. IPv6 extension headers that are cut short end the walk: `protocol` is then the number of the
/// one that is not whole, and no transport protocol.
///
/// # Errors
/// [`Unreadable`] if the fixed header, with IPv4's options, is not whole.
pub fn read_quoted(bytes: &[u8]) -> Result<(Header, &[u8]), Unreadable> {
    let mut header = read_fixed(bytes)?;
    // 0x4000, don't fragment, as a little-endian host has it in memory. Taken as written it were the last fragment of a
    // packet that was cut at byte 512, which no path does.
    if header.source.is_ipv4() && bytes.get(6..8) == Some(&[0x00, 0x40]) {
        header.dont_fragment = true;
        header.later_fragment = false;
    }
    let bytes = without_padding(bytes, &header);
    // How far the walk came is in the header; that it did not come to its end is no fault of a quotation.
    let _ = walk_extension_headers(&mut header, bytes);
    Ok((header, after(bytes, header.header_length)))
}

/// A quoted packet without the zeros that RFC 4884 §4 pads it with. What lies behind the claimed length and is not
/// zero is no padding: then the claim is wrong, and the bytes are the packet's.
fn without_padding<'a>(bytes: &'a [u8], header: &Header) -> &'a [u8] {
    match bytes.split_at_checked(header.claimed_length) {
        Some((packet, padding)) if padding.iter().all(|byte| *byte == 0) => packet,
        _ => bytes,
    }
}

/// The IPv4 header with its options, or the 40 bytes of the IPv6 header.
fn read_fixed(bytes: &[u8]) -> Result<Header, Unreadable> {
    match bytes.first().map(|byte| byte >> 4) {
        Some(4) => read_v4(bytes),
        Some(6) => read_v6(bytes),
        Some(version) => Err(Unreadable::Field { layer: "ip", field: "version", value: u32::from(version) }),
        None => Err(Unreadable::Short { layer: "ip", need: 20, have: 0 }),
    }
}

fn read_v4(bytes: &[u8]) -> Result<Header, Unreadable> {
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
    let fragment = u16::from_be_bytes([f0, f1]);
    Ok(Header {
        source: Ipv4Addr::new(s0, s1, s2, s3).into(),
        destination: Ipv4Addr::new(d0, d1, d2, d3).into(),
        ttl,
        protocol,
        tos,
        id: Some(u16::from_be_bytes([i0, i1])),
        label: None,
        dont_fragment: fragment & 0x4000 != 0,
        later_fragment: fragment & 0x1fff != 0,
        claimed_length: usize::from(u16::from_be_bytes([l0, l1])),
        header_length,
    })
}

fn read_v6(bytes: &[u8]) -> Result<Header, Unreadable> {
    let ([b0, b1, b2, b3, l0, l1, next, ttl, addresses @ ..], _) = split::<40>(bytes, "ipv6")?;
    let (source, destination): ([u8; 16], &[u8]) = split(&addresses, "ipv6")?;
    let (destination, _): ([u8; 16], _) = split(destination, "ipv6")?;
    Ok(Header {
        source: Ipv6Addr::from(source).into(),
        destination: Ipv6Addr::from(destination).into(),
        ttl,
        protocol: next,
        tos: b0 << 4 | b1 >> 4,
        id: None,
        label: Some(u32::from_be_bytes([0, b1 & 0x0f, b2, b3])),
        dont_fragment: true,
        later_fragment: false,
        claimed_length: 40 + usize::from(u16::from_be_bytes([l0, l1])),
        header_length: 40,
    })
}

/// The longest chain of IPv6 extension headers that is followed. RFC 8200 §4.1: at most one of each, destination
/// options twice. A longer one is made to waste time.
const MOST_EXTENSION_HEADERS: u32 = 8;

/// Follows IPv6 extension headers, each of which moves `header`'s protocol and length on once it is known to be whole.
fn walk_extension_headers(header: &mut Header, bytes: &[u8]) -> Result<(), Unreadable> {
    let mut walked = 0;
    while header.source.is_ipv6() && !header.later_fragment {
        let rest = after(bytes, header.header_length);
        let (next, length) = match header.protocol {
            // Hop-by-hop options, routing, destination options: length in 8-byte units behind the first.
            0 | 43 | 60 => {
                let ([next, units], _) = split::<2>(rest, "ipv6 extension header")?;
                (next, (usize::from(units) + 1) * 8)
            }
            // Fragment (RFC 8200 §4.5).
            44 => {
                let ([next, _, o0, o1, _, _, i0, i1], _) = split::<8>(rest, "ipv6 fragment header")?;
                header.id = Some(u16::from_be_bytes([i0, i1]));
                header.later_fragment = u16::from_be_bytes([o0, o1]) & 0xfff8 != 0;
                (next, 8)
            }
            // Authentication (RFC 4302): length in 4-byte units, two taken off.
            51 => {
                let ([next, units], _) = split::<2>(rest, "ipv6 authentication header")?;
                (next, (usize::from(units) + 2) * 4)
            }
            _ => return Ok(()),
        };
        if rest.len() < length {
            return Err(Unreadable::Short { layer: "ipv6 extension header", need: length, have: rest.len() });
        }
        walked += 1;
        if walked > MOST_EXTENSION_HEADERS {
            let field = "number of extension headers";
            return Err(Unreadable::Field { layer: "ipv6", field, value: walked });
        }
        header.protocol = next;
        header.header_length += length;
    }
    Ok(())
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
