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
/// [`Unreadable`] if it is short, damaged, or an error whose quoted header is not whole.
pub fn read<'a>(header: &Header, bytes: &'a [u8]) -> Result<Message<'a>, Unreadable> {
    let v6 = matches!(header.source, IpAddr::V6(_));
    let layer = if v6 { "icmpv6" } else { "icmp" };
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
        // IPv4: unreachable, source quench, redirect, time exceeded, parameter problem. IPv6: types below 128.
        (false, 3 | 4 | 5 | 11 | 12) | (true, 1..=4) => {
            // RFC 4884 §4: where an original datagram's length may stand, and in which unit.
            let claimed = match (v6, icmp_type) {
                (false, 3 | 11 | 12) => Some(usize::from(r1) * 4),
                (true, 1 | 3) => Some(usize::from(r0) * 8),
                _ => None,
            };
            let (quote, extensions) = extensions::split(body, claimed);
            Ok(Message::Error {
                icmp_type,
                code,
                rest: u32::from_be_bytes(rest),
                quotation: Quotation::read(quote)?,
                extensions,
            })
        }
        _ => Ok(Message::Other { icmp_type, code }),
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
