//! Packet formats: readers that take any bytes, builders that make whole packets.
//!
//! Everything that comes off a wire is hostile until read. No reader here panics, whatever the bytes, and each says
//! what it could not read. Headers are built with `pnet_packet`; they are read here, because an ICMP error quotes its
//! cause cut short (RFC 792 demands no more than 8 bytes behind the IP header), and because pnet knows neither the
//! extension structure of RFC 4884 nor its objects.
//!
//! * [`ip`]: IPv4 and IPv6 headers, extension headers walked
//! * [`tcp`], [`udp`], [`icmp`]: what is inside
//! * [`quotation`]: a packet as an ICMP error carries it back, of any length
//! * [`extensions`]: RFC 4884 with MPLS label stacks (RFC 4950) and interface information (RFC 5837)
//! * [`mask`]: a reply with other addresses in it, for evidence that hides who asked
//! * [`build`]: whole packets, checksums included
//!
//! All integers are in host order once read; the network's order stays inside this room.
#![warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod build;
pub mod extensions;
pub mod icmp;
pub mod ip;
pub mod mask;
pub mod quotation;
pub mod tcp;
pub mod udp;

/// IP protocol numbers (RFC 5237 registry) that this program speaks.
pub mod protocol {
    /// ICMP (RFC 792).
    pub const ICMP: u8 = 1;
    /// TCP (RFC 9293).
    pub const TCP: u8 = 6;
    /// UDP (RFC 768).
    pub const UDP: u8 = 17;
    /// ICMPv6 (RFC 4443).
    pub const ICMPV6: u8 = 58;
}

/// Why bytes could not be read as what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// There are fewer bytes than the header needs.
    #[error("{layer}: {have} bytes where {need} are needed")]
    Short {
        /// The header in question.
        layer: &'static str,
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// A field has a value that rules the format out.
    #[error("{layer}: {field} is {value}")]
    Field {
        /// The header in question.
        layer: &'static str,
        /// The field.
        field: &'static str,
        /// Its value.
        value: u32,
    },
    /// The checksum does not match: the packet was damaged on the way.
    #[error("{layer}: the checksum does not match")]
    Checksum {
        /// The header in question.
        layer: &'static str,
    },
}

/// The first `N` bytes and the rest, or which header was cut short.
fn split<'a, const N: usize>(
    bytes: &'a [u8],
    layer: &'static str,
) -> Result<([u8; N], &'a [u8]), Unreadable> {
    bytes.split_first_chunk().map(|(head, rest)| (*head, rest)).ok_or(Unreadable::Short {
        layer,
        need: N,
        have: bytes.len(),
    })
}

/// `bytes` without the first `count`, or nothing at all.
fn after(bytes: &[u8], count: usize) -> &[u8] {
    bytes.get(count..).unwrap_or_default()
}

/// At most the first `count` of `bytes`.
fn at_most(bytes: &[u8], count: usize) -> &[u8] {
    bytes.get(..count).unwrap_or(bytes)
}

/// The Internet checksum (RFC 1071) over `bytes`, a pseudo-header's sum added; 0 over data that includes a right one.
fn checksum(bytes: &[u8], pseudo_sum: u32) -> u16 {
    let (words, odd) = bytes.as_chunks::<2>();
    let sum =
        words.iter().fold(u64::from(pseudo_sum), |sum, word| sum + u64::from(u16::from_be_bytes(*word)));
    let sum = odd.iter().fold(sum, |sum, byte| sum + (u64::from(*byte) << 8));
    !fold(sum)
}

/// A one's complement sum folded into 16 bits.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // The loop leaves nothing above 16 bits.
    sum as u16
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic"
)]
mod tests;
