//! TCP segments (RFC 9293 §3.1).
//!
//! ```text
//! |          Source port          |       Destination port        |
//! |                        Sequence number                        |
//! |                    Acknowledgment number                      |
//! | Offset|  Reserved     |  Flags|            Window             |
//! |           Checksum            |        Urgent pointer         |
//! |                           Options …                           |
//! ```

use super::{Unreadable, after, at_most, split};

/// Flag bits.
pub mod flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgment field counts.
    pub const ACK: u8 = 0x10;
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number; means nothing without [`flags::ACK`].
    pub acknowledgment: u32,
    /// The eight flag bits.
    pub flags: u8,
    /// Window, unscaled.
    pub window: u16,
    /// What follows the header.
    pub payload: &'a [u8],
    options: &'a [u8],
}

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpOption<'a> {
    /// Kind 1: padding. Builders put it where they want it; the reader leaves it out.
    Nop,
    /// Kind 2: maximum segment size in bytes.
    Mss(u16),
    /// Kind 3 (RFC 7323): shift count of the window.
    WindowScale(u8),
    /// Kind 4 (RFC 2018).
    SackPermitted,
    /// Kind 8 (RFC 7323).
    Timestamps {
        /// The sender's clock.
        value: u32,
        /// The other side's clock as the sender last saw it.
        echo: u32,
    },
    /// Another kind, with its data.
    Other(u8, &'a [u8]),
}

impl TcpOption<'_> {
    /// The option's kind number.
    #[must_use]
    pub const fn kind(self) -> u8 {
        match self {
            Self::Nop => 1,
            Self::Mss(_) => 2,
            Self::WindowScale(_) => 3,
            Self::SackPermitted => 4,
            Self::Timestamps { .. } => 8,
            Self::Other(kind, _) => kind,
        }
    }
}

impl<'a> Segment<'a> {
    /// Reads a whole segment. The checksum is not verified: a capture of a local stack's segments shows them before
    /// the hardware fills it in.
    ///
    /// # Errors
    /// [`Unreadable`] if the header with its options is not whole.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let ([s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, w0, w1, ..], _) =
            split::<20>(bytes, "tcp")?;
        let length = usize::from(offset >> 4) * 4;
        if length < 20 {
            return Err(Unreadable::Field { layer: "tcp", field: "data offset", value: length as u32 });
        }
        if bytes.len() < length {
            return Err(Unreadable::Short { layer: "tcp", need: length, have: bytes.len() });
        }
        Ok(Self {
            source: u16::from_be_bytes([s0, s1]),
            destination: u16::from_be_bytes([d0, d1]),
            sequence: u32::from_be_bytes([q0, q1, q2, q3]),
            acknowledgment: u32::from_be_bytes([a0, a1, a2, a3]),
            flags,
            window: u16::from_be_bytes([w0, w1]),
            payload: after(bytes, length),
            options: after(at_most(bytes, length), 20),
        })
    }

    /// The options in order. Ends at the end-of-list option or at the first that is malformed; padding is left out.
    pub fn options(self) -> impl Iterator<Item = TcpOption<'a>> {
        Options(self.options)
    }

    /// The timestamps option's value and echo, if there is one.
    #[must_use]
    pub fn timestamps(self) -> Option<(u32, u32)> {
        timestamps(self.options)
    }

    /// Whether every bit of `set` is set and none of `clear`.
    #[must_use]
    pub const fn has(self, set: u8, clear: u8) -> bool {
        self.flags & set == set && self.flags & clear == 0
    }
}

/// The timestamps in option bytes, which may be cut short.
pub(super) fn timestamps(options: &[u8]) -> Option<(u32, u32)> {
    Options(options).find_map(|option| match option {
        TcpOption::Timestamps { value, echo } => Some((value, echo)),
        _ => None,
    })
}

struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = TcpOption<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.0 {
                [1, rest @ ..] => self.0 = rest,
                [kind, length, ..] if *kind >= 2 && *length >= 2 => {
                    let data = self.0.get(2..usize::from(*length))?;
                    self.0 = after(self.0, usize::from(*length));
                    return Some(match (*kind, data) {
                        (2, [a, b]) => TcpOption::Mss(u16::from_be_bytes([*a, *b])),
                        (3, [shift]) => TcpOption::WindowScale(*shift),
                        (4, []) => TcpOption::SackPermitted,
                        (8, [a, b, c, d, e, f, g, h]) => TcpOption::Timestamps {
                            value: u32::from_be_bytes([*a, *b, *c, *d]),
                            echo: u32::from_be_bytes([*e, *f, *g, *h]),
                        },
                        (kind, data) => TcpOption::Other(kind, data),
                    });
                }
                // Kind 0 ends the list; anything else is malformed.
                _ => return None,
            }
        }
    }
}
