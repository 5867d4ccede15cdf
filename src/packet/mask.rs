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

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::super::build::{self, Ip, Tcp};
    use super::super::extensions::LabelEntry;
    use super::*;

    const US: [&str; 2] = ["192.168.1.10", "2001:db8::10"];
    const STAND_IN: [&str; 2] = ["198.18.0.1", "2001:2::1"];
    const HOST: [&str; 2] = ["185.70.40.101", "2001:c20:18::101"];
    const ROUTER: [&str; 2] = ["10.1.1.1", "fd00::1"];
    const ROUTERS_STAND_IN: [&str; 2] = ["198.18.0.2", "2001:2::2"];
    const PUBLIC: [&str; 2] = ["212.188.0.1", "2a02:28::1"];

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn header(source: &str, destination: &str, ttl: u8) -> Ip {
        let (source, destination) = (address(source), address(destination));
        Ip { source, destination, ttl, tos: 0, id: 77, label: 5, dont_fragment: true }
    }

    fn segment(ip: &Ip, source: u16, destination: u16, flags: u8) -> Vec<u8> {
        let (sequence, acknowledgment, window, options) = (9, 0, 1, &[][..]);
        build::tcp(ip, &Tcp { source, destination, sequence, acknowledgment, flags, window, options })
    }

    fn syn(source: &str, host: &str) -> Vec<u8> {
        segment(&header(source, host, 5), 40_000, 25, 2)
    }

    fn stand_in(address: IpAddr) -> IpAddr {
        let pairs = (0..2)
            .flat_map(|family| [(US[family], STAND_IN[family]), (ROUTER[family], ROUTERS_STAND_IN[family])]);
        let found = pairs.into_iter().find(|(hidden, _)| address == self::address(hidden));
        found.map_or(address, |(_, shown)| self::address(shown))
    }

    fn masked(packet: &[u8], family: usize) -> Vec<u8> {
        let (old, new) = (syn(US[family], HOST[family]), syn(STAND_IN[family], HOST[family]));
        let done = mask(packet, &Mask { stand_in: &stand_in, probe: (&old, &new) }).unwrap();
        let (header, _) = ip::read(&done).unwrap();
        if header.source.is_ipv4() {
            assert_eq!(checksum(&done[..header.header_length], 0), 0, "the header's checksum");
        }
        done
    }

    #[test]
    fn an_answer_is_the_one_that_the_host_would_have_sent() {
        for family in 0..2 {
            let answer = |to: &str| segment(&header(HOST[family], to, 58), 25, 40_000, 18);
            assert_eq!(masked(&answer(US[family]), family), answer(STAND_IN[family]));
            let datagram = |to: &str| build::udp(&header(HOST[family], to, 58), 53, 40_000, b"an answer");
            assert_eq!(masked(&datagram(US[family]), family), datagram(STAND_IN[family]));
            let echo = |to: &str| build::echo(&header(HOST[family], to, 58), true, 4, 5, b"odd");
            assert_eq!(masked(&echo(US[family]), family), echo(STAND_IN[family]));
            // A checksum that was never filled in, as on virtual links, is changed by as much and no more.
            let mut unfilled = answer(US[family]);
            let at = ip::read(&unfilled).unwrap().0.header_length + 16;
            unfilled[at] ^= 0x5a;
            let done = masked(&unfilled, family);
            assert_ne!(done, answer(STAND_IN[family]));
            let back = |other| if other == address(STAND_IN[family]) { address(US[family]) } else { other };
            assert_eq!(mask(&done, &Mask { stand_in: &back, probe: (&[], &[]) }).unwrap(), unfilled);
        }
    }

    #[test]
    fn an_error_quotes_what_it_would_have_quoted_and_a_hidden_router_names_no_interface() {
        for family in 0..2 {
            let kind = [11, 3][family];
            let labels = [LabelEntry { label: 16, tc: 0, bottom: true, ttl: 1 }];
            let extension = build::extension(&labels, &[]);
            let error = |from: &str, to: &str, extension: Option<&[u8]>| {
                let mut quote = syn(to, HOST[family]);
                // The path has taken the TTL down to one.
                quote[[8, 7][family]] = 1;
                if family == 0 {
                    mend_header(&mut quote, 20).unwrap();
                }
                build::icmp_error(&header(from, to, 60), kind, 0, 0, &quote, extension)
            };
            for extension in [None, Some(extension.as_slice())] {
                let done = masked(&error(PUBLIC[family], US[family], extension), family);
                assert_eq!(done, error(PUBLIC[family], STAND_IN[family], extension));
            }
            let done = masked(&error(ROUTER[family], US[family], Some(&extension)), family);
            let (read, payload) = ip::read(&done).unwrap();
            assert_eq!(read.source, address(ROUTERS_STAND_IN[family]));
            let icmp::Message::Error { quotation, extensions, .. } = icmp::read(&read, payload).unwrap()
            else {
                panic!("no error")
            };
            assert_eq!(quotation.header.source, address(STAND_IN[family]));
            assert_eq!(quotation.ports(), Some((40_000, 25)));
            assert_eq!(extensions.objects().count(), 0);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_masked_or_refused(
            mut bytes in prop::collection::vec(any::<u8>(), 0..200),
            version in prop_oneof![Just(0x45u8), Just(0x60), Just(0x4f)],
            protocol in prop_oneof![Just(1u8), Just(6), Just(17), Just(58)],
            old in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let six = version == 0x60;
            if bytes.len() > 40 {
                bytes[0] = version;
                bytes[if six { 6 } else { 9 }] = protocol;
                let length = (bytes.len() - if six { 40 } else { 0 }) as u16;
                let at = if six { 4 } else { 2 };
                bytes[at..at + 2].copy_from_slice(&length.to_be_bytes());
            }
            let new: Vec<u8> = old.iter().map(|byte| byte ^ 0xff).collect();
            if let Some(done) = mask(&bytes, &Mask { stand_in: &stand_in, probe: (&old, &new) }) {
                prop_assert!(ip::read(&done).is_ok());
            }
        }
    }
}
