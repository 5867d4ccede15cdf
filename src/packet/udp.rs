//! UDP datagrams (RFC 768).
//!
//! ```text
//! |          Source port          |       Destination port        |
//! |            Length             |           Checksum            |
//! ```

use super::{Unreadable, at_most, split};

/// A datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Length as the header claims, header included.
    pub length: u16,
    /// Checksum; 0 means none.
    pub checksum: u16,
    /// What is there of the data.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads a datagram, whole or quoted: the length stays a claim.
    ///
    /// # Errors
    /// [`Unreadable`] if the eight header bytes are not there.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let ([s0, s1, d0, d1, l0, l1, c0, c1], rest) = split::<8>(bytes, "udp")?;
        let length = u16::from_be_bytes([l0, l1]);
        Ok(Self {
            source: u16::from_be_bytes([s0, s1]),
            destination: u16::from_be_bytes([d0, d1]),
            length,
            checksum: u16::from_be_bytes([c0, c1]),
            payload: at_most(rest, usize::from(length).saturating_sub(8)),
        })
    }
}
