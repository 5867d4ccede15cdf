//! A packet as an ICMP error carries it back: the IP header and at least 8 bytes (RFC 792), as much as fits (RFC 4443),
//! or something between (RFC 1812 §4.3.2.3).

use super::ip::Header;
use super::udp::Datagram;
use super::{Unreadable, after, at_most, ip, split, tcp};

/// A quoted packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotation<'a> {
    /// Its IP header. The length in it is that of the packet as it was, not of what is quoted.
    pub header: Header,
    /// What is quoted behind the IP header.
    pub transport: &'a [u8],
}

impl<'a> Quotation<'a> {
    /// Reads what an ICMP error quotes.
    ///
    /// # Errors
    /// [`Unreadable`] if the quoted IP header is not whole.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let (header, transport) = ip::read_quoted(bytes)?;
        Ok(Self { header, transport })
    }

    /// Bytes quoted, IP header included.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.header.header_length + self.transport.len()
    }

    /// Source and destination port, for TCP and UDP.
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        let ([s0, s1, d0, d1], _) = split::<4>(self.transport, "ports").ok()?;
        Some((u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])))
    }

    /// TCP sequence number.
    #[must_use]
    pub fn tcp_sequence(&self) -> Option<u32> {
        let ([_, _, _, _, sequence @ ..], _) = split::<8>(self.transport, "tcp").ok()?;
        Some(u32::from_be_bytes(sequence))
    }

    /// The value in the TCP timestamps option, if the quote reaches that far.
    #[must_use]
    pub fn tcp_timestamp(&self) -> Option<u32> {
        let length = usize::from(self.transport.get(12)? >> 4) * 4;
        tcp::timestamps(after(at_most(self.transport, length), 20)).map(|(value, _)| value)
    }

    /// The UDP header and what is quoted of the payload.
    #[must_use]
    pub fn udp(&self) -> Option<Datagram<'a>> {
        Datagram::read(self.transport).ok()
    }

    /// Type, checksum, identifier and sequence number of an ICMP echo message.
    #[must_use]
    pub fn echo(&self) -> Option<(u8, u16, u16, u16)> {
        let ([kind, _, c0, c1, i0, i1, s0, s1], _) = split::<8>(self.transport, "echo").ok()?;
        Some((kind, u16::from_be_bytes([c0, c1]), u16::from_be_bytes([i0, i1]), u16::from_be_bytes([s0, s1])))
    }
}
