//! ICMP (RFC 792) and ICMPv6 (RFC 4443) messages.
//!
//! ```text
//! |     Type      |     Code      |          Checksum             |
//! |  the rest: identifier and sequence, or length and MTU, …      |
//! |  data, or the quoted packet and an extension structure        |
//! ```

use std::net::IpAddr;

use super::extensions::{self, Extensions};
use super::ip::{Header, pseudo_sum};
use super::quotation::Quotation;
use super::{Unreadable, at_most, checksum, protocol, split};

/// What a message is to a program that sends probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// An echo request or reply.
    Echo {
        /// It is the reply.
        reply: bool,
        /// Identifier.
        id: u16,
        /// Sequence number.
        sequence: u16,
        /// Data.
        payload: &'a [u8],
    },
    /// An error: it quotes the packet that caused it.
    Error {
        /// ICMP type as received.
        icmp_type: u8,
        /// ICMP code as received.
        code: u8,
        /// The second word: a next-hop MTU, a pointer, or RFC 4884's length.
        rest: u32,
        /// The packet that caused it.
        quotation: Quotation<'a>,
        /// RFC 4884 objects, empty if there are none.
        extensions: Extensions<'a>,
    },
    /// Anything else.
    Other {
        /// ICMP type as received.
        icmp_type: u8,
        /// ICMP code as received.
        code: u8,
    },
}

/// Reads the message inside a packet with this `header`, whose family decides between ICMP and ICMPv6.
///
/// # Errors
/// [`Unreadable`] if the packet carries another protocol or a later fragment, or if the message is short, damaged, or an
/// error whose quoted header is not whole.
pub fn read<'a>(header: &Header, bytes: &'a [u8]) -> Result<Message<'a>, Unreadable> {
    let v6 = matches!(header.source, IpAddr::V6(_));
    let layer = if v6 { "icmpv6" } else { "icmp" };
    // The pseudo-header's protocol is the packet's own, so a TCP segment over IPv6 would pass the checksum below.
    if !is_icmp(header.source, header.protocol) {
        return Err(Unreadable::Field { layer, field: "protocol", value: u32::from(header.protocol) });
    }
    if header.later_fragment {
        return Err(Unreadable::Field { layer, field: "later fragment", value: 1 });
    }
    let ([icmp_type, code, _, _, rest @ ..], body) = split::<8>(bytes, layer)?;
    let pseudo = if v6 { pseudo_sum(header, bytes.len()) } else { 0 };
    if checksum(bytes, pseudo) != 0 {
        return Err(Unreadable::Checksum { layer });
    }
    let [r0, r1, r2, r3] = rest;
    match (v6, icmp_type) {
        (false, 0 | 8) | (true, 128 | 129) => Ok(Message::Echo {
            reply: matches!(icmp_type, 0 | 129),
            id: u16::from_be_bytes([r0, r1]),
            sequence: u16::from_be_bytes([r2, r3]),
            payload: body,
        }),
        // IPv4: unreachable, source quench, redirect, time exceeded, parameter problem. IPv6: the four of RFC 4443.
        (false, 3 | 4 | 5 | 11 | 12) | (true, 1..=4) => {
            let rest = u32::from_be_bytes(rest);
            let claimed =
                length_field(v6, icmp_type).map(|(shift, unit)| (rest >> shift & 0xff) as usize * unit);
            let (quote, extensions) = extensions::split(body, claimed);
            Ok(Message::Error { icmp_type, code, rest, quotation: Quotation::read(quote)?, extensions })
        }
        _ => Ok(Message::Other { icmp_type, code }),
    }
}

/// Where an error's second word says how long the quote is (RFC 4884 §4): how far to shift it down to have that octet at
/// the bottom, and the bytes it counts by. `None` for types that have no such field, and so no extensions.
///
/// ICMP has it in the sixth octet, clear of the next-hop MTU of RFC 1191 (type 3) and of the pointer (type 12).
pub(super) const fn length_field(v6: bool, icmp_type: u8) -> Option<(u32, usize)> {
    match (v6, icmp_type) {
        (false, 3 | 11 | 12) => Some((16, 4)),
        (true, 1 | 3) => Some((24, 8)),
        _ => None,
    }
}

/// Whether `number` is the ICMP of the family that `address` is of.
#[must_use]
pub const fn is_icmp(address: IpAddr, number: u8) -> bool {
    match address {
        IpAddr::V4(_) => number == protocol::ICMP,
        IpAddr::V6(_) => number == protocol::ICMPV6,
    }
}

/// Plateaus of MTUs in use (RFC 1191 §7.1), below the largest that IP has, from that on down.
const PLATEAUS: [u16; 10] = [32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68];

/// The least MTU that a link may have (RFC 791 §3.2, RFC 8200 §5): no message lowers the size of packets below it.
const fn least_mtu(v6: bool) -> u16 {
    if v6 { 1280 } else { 68 }
}

/// The size that a host sends packets with after a message that those of `size` bytes are too big for a link with this
/// `mtu`; `None` if the message says nothing to go by.
///
/// RFC 1191 §3: a message without an MTU, as old routers send it, lowers to the next plateau; one below 68 is not heeded,
/// nor (RFC 8201 §4) one below 1280 in IPv6; one that is not below the size contradicts itself.
#[must_use]
pub fn smaller(v6: bool, size: u16, mtu: u32) -> Option<u16> {
    let next = match u16::try_from(mtu) {
        Ok(0) if !v6 => PLATEAUS.into_iter().find(|plateau| *plateau < size)?,
        Ok(mtu) => mtu,
        Err(_) => return None,
    };
    (least_mtu(v6)..size).contains(&next).then_some(next)
}

/// The next-hop MTU in an error's second word (RFC 1191 for IPv4 type 3 code 4, RFC 4443 §3.2 for IPv6 type 2).
#[must_use]
pub fn next_hop_mtu(v6: bool, rest: u32) -> u32 {
    if v6 { rest } else { rest & 0xffff }
}

/// What is quoted when an ICMP error's sender keeps to the 8 bytes of RFC 792. For builders.
#[must_use]
pub fn minimal_quote(packet: &[u8], header: &Header) -> Vec<u8> {
    at_most(packet, header.header_length + 8).to_vec()
}
