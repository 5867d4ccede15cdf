//! A packet as an ICMP error carries it back: the IP header and at least 8 bytes (RFC 792), as much as fits (RFC 4443),
//! or something between (RFC 1812 §4.3.2.3).

use super::ip::Header;
use super::udp::Datagram;
use super::{Unreadable, after, at_most, ip, protocol, split, tcp};

/// A quoted packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotation<'a> {
    /// Its IP header. The length in it is a claim about the packet as it was, and often a wrong one.
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

    /// Bytes quoted, IP header included, RFC 4884's padding excluded as far as it can be told: a packet cut short and then
    /// padded looks whole, and padding that is not zero looks like the packet.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.header.header_length + self.transport.len()
    }

    /// Source and destination port, for TCP and UDP.
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        let ([s0, s1, d0, d1], _) =
            split::<4>(self.transport_of(&[protocol::TCP, protocol::UDP])?, "ports").ok()?;
        Some((u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])))
    }

    /// TCP sequence number.
    #[must_use]
    pub fn tcp_sequence(&self) -> Option<u32> {
        let ([_, _, _, _, sequence @ ..], _) =
            split::<8>(self.transport_of(&[protocol::TCP])?, "tcp").ok()?;
        Some(u32::from_be_bytes(sequence))
    }

    /// The value in the TCP timestamps option, if the quote reaches that far.
    #[must_use]
    pub fn tcp_timestamp(&self) -> Option<u32> {
        let segment = self.transport_of(&[protocol::TCP])?;
        let length = usize::from(segment.get(12)? >> 4) * 4;
        tcp::timestamps(after(at_most(segment, length), 20)).map(|(value, _)| value)
    }

    /// The UDP header and what is quoted of the payload.
    #[must_use]
    pub fn udp(&self) -> Option<Datagram<'a>> {
        Datagram::read(self.transport_of(&[protocol::UDP])?).ok()
    }

    /// Type, checksum, identifier and sequence number of an ICMP echo message.
    #[must_use]
    pub fn echo(&self) -> Option<(u8, u16, u16, u16)> {
        let icmp = if self.header.source.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 };
        let ([kind, _, c0, c1, i0, i1, s0, s1], _) = split::<8>(self.transport_of(&[icmp])?, "echo").ok()?;
        Some((kind, u16::from_be_bytes([c0, c1]), u16::from_be_bytes([i0, i1]), u16::from_be_bytes([s0, s1])))
    }

    /// The transport header's bytes if they are of one of these protocols. A later fragment has none: what it carries
    /// would be read as ports that nobody chose.
    fn transport_of(&self, protocols: &[u8]) -> Option<&'a [u8]> {
        (protocols.contains(&self.header.protocol) && !self.header.later_fragment).then_some(self.transport)
    }
}
