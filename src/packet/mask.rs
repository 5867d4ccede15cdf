//! A reply with other addresses in it, checksums kept right: what is left of a packet when it must not tell who asked.

use std::net::IpAddr;

use super::ip::{self, Header};
use super::{at_most, checksum, fold, icmp, protocol};

/// What is put in the place of what.
pub struct Mask<'a> {
    /// The stand-in of an address; itself, if it need not be hidden.
    pub stand_in: &'a dyn Fn(IpAddr) -> IpAddr,
    /// The packet that drew the reply, as it left, and as it would have left from the stand-in.
    pub probe: (&'a [u8], &'a [u8]),
}

/// A reply as it would have come had the stand-ins been the addresses. `None` if it cannot be read.
///
/// What the reply quotes becomes what it would quote: bytes that are those of the probe as it left become those of the
/// other one, and what the path changed in them stays as the path changed it. Extensions (RFC 4884) of a router that is
/// hidden are left out, since they may name its interfaces.
#[must_use]
pub fn mask(packet: &[u8], mask: &Mask<'_>) -> Option<Vec<u8>> {
    let (header, _) = ip::read(packet).ok()?;
    let mut bytes = at_most(packet, header.claimed_length).to_vec();
    let source = (mask.stand_in)(header.source);
    put(&mut bytes, &header, source, (mask.stand_in)(header.destination))?;
    let start = header.header_length;
    if icmp::is_icmp(header.source, header.protocol) {
        let kind = *bytes.get(start)?;
        let error = if header.source.is_ipv4() { !matches!(kind, 0 | 8) } else { kind < 128 };
        if error {
            if source != header.source {
                drop_extensions(&mut bytes, &header)?;
            }
            requote(bytes.get_mut(start + 8..)?, mask);
        }
        mend_icmp(&mut bytes, start)?;
    } else {
        mend_transport(packet, &mut bytes, &header)?;
    }
    if header.source.is_ipv4() {
        mend_header(&mut bytes, start)?;
    }
    Some(bytes)
}

/// Puts addresses of the header's own family in; others cannot stand there.
fn put(bytes: &mut [u8], header: &Header, source: IpAddr, destination: IpAddr) -> Option<()> {
    match (header.source, source, destination) {
        (IpAddr::V4(_), IpAddr::V4(source), IpAddr::V4(destination)) => {
            bytes.get_mut(12..16)?.copy_from_slice(&source.octets());
            bytes.get_mut(16..20)?.copy_from_slice(&destination.octets());
        }
        (IpAddr::V6(_), IpAddr::V6(source), IpAddr::V6(destination)) => {
            bytes.get_mut(8..24)?.copy_from_slice(&source.octets());
            bytes.get_mut(24..40)?.copy_from_slice(&destination.octets());
        }
        _ => return None,
    }
    Some(())
}

/// Takes away all that lies behind the quoted packet, where the message says how long that is.
fn drop_extensions(bytes: &mut Vec<u8>, header: &Header) -> Option<()> {
    let start = header.header_length;
    // RFC 4884 §4.1, §4.2: where the length of the quote stands, and its unit.
    let (field, unit) = if header.source.is_ipv4() { (start + 5, 4) } else { (start + 4, 8) };
    let length = usize::from(*bytes.get(field)?) * unit;
    if length == 0 || bytes.len() < start + 8 + length {
        return Some(());
    }
    *bytes.get_mut(field)? = 0;
    bytes.truncate(start + 8 + length);
    let total = u16::try_from(bytes.len()).ok()?;
    if header.source.is_ipv4() {
        bytes.get_mut(2..4)?.copy_from_slice(&total.to_be_bytes());
    } else {
        bytes.get_mut(4..6)?.copy_from_slice(&(total - 40).to_be_bytes());
    }
    Some(())
}

/// Makes a quote of the probe as it left into one of the probe as it would have left.
fn requote(quote: &mut [u8], mask: &Mask<'_>) {
    let (old, new) = mask.probe;
    let Ok((header, _)) = ip::read_quoted(quote) else { return };
    let right = header.source.is_ipv4()
        && quote.get(..header.header_length).is_some_and(|head| checksum(head, 0) == 0);
    for ((byte, old), new) in quote.iter_mut().zip(old).zip(new).skip(header.header_length) {
        if byte == old {
            *byte = *new;
        }
    }
    // What is no address of the other family by construction is put in whole, or left.
    let _ = put(quote, &header, (mask.stand_in)(header.source), (mask.stand_in)(header.destination));
    if right {
        let _ = mend_header(quote, header.header_length);
    }
}

fn mend_header(bytes: &mut [u8], length: usize) -> Option<()> {
    bytes.get_mut(10..12)?.fill(0);
    let sum = checksum(bytes.get(..length)?, 0);
    bytes.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

fn mend_icmp(bytes: &mut [u8], start: usize) -> Option<()> {
    let (header, _) = ip::read(bytes).ok()?;
    bytes.get_mut(start + 2..start + 4)?.fill(0);
    let message = bytes.get(start..)?;
    let pseudo = if header.source.is_ipv6() { ip::pseudo_sum(&header, message.len()) } else { 0 };
    let sum = checksum(message, pseudo);
    bytes.get_mut(start + 2..start + 4)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

/// TCP and UDP: the checksum is changed by the difference of the addresses (RFC 1624), so that one that was not filled in
/// stays so.
fn mend_transport(old: &[u8], bytes: &mut [u8], header: &Header) -> Option<()> {
    let field = match header.protocol {
        protocol::TCP => 16,
        protocol::UDP => 6,
        _ => return Some(()),
    } + header.header_length;
    let (now, _) = ip::read(bytes).ok()?;
    let (before, _) = ip::read(old).ok()?;
    let place = bytes.get_mut(field..)?.first_chunk_mut::<2>()?;
    let sum = u16::from_be_bytes(*place);
    if sum == 0 && header.protocol == protocol::UDP {
        return Some(());
    }
    let (less, more) = (ip::pseudo_sum(&before, 0), ip::pseudo_sum(&now, 0));
    let changed =
        !fold(u64::from(!sum) + u64::from(!fold(u64::from(less))) + u64::from(fold(u64::from(more))));
    *place = changed.to_be_bytes();
    Some(())
}
