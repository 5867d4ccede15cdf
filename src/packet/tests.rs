//! What is built is read back as it was; nothing that is read panics.

use std::net::IpAddr;

use proptest::prelude::*;

use super::tcp::TcpOption;
use super::{build, icmp, ip, tcp};

fn header(v6: bool) -> build::Ip {
    let (source, destination): (IpAddr, IpAddr) = if v6 {
        ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap())
    } else {
        ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap())
    };
    build::Ip { source, destination, ttl: 7, tos: 0, id: 0x1234, label: 0xabcde, dont_fragment: true }
}

const OPTIONS: &[TcpOption<'_>] = &[
    TcpOption::Mss(1460),
    TcpOption::SackPermitted,
    TcpOption::Timestamps { value: 0x0102_0304, echo: 0 },
    TcpOption::Nop,
    TcpOption::WindowScale(7),
];

fn syn(v6: bool) -> Vec<u8> {
    let segment = build::Tcp {
        source: 40000,
        destination: 25,
        sequence: 0xdead_beef,
        acknowledgment: 0,
        flags: tcp::flags::SYN,
        window: 64240,
        options: OPTIONS,
    };
    build::tcp(&header(v6), &segment)
}

#[test]
fn a_syn_is_read_back_in_both_families() {
    for v6 in [false, true] {
        let bytes = syn(v6);
        assert_eq!(bytes.len(), if v6 { 80 } else { 60 });
        let (header, payload) = ip::read(&bytes).unwrap();
        assert_eq!((header.ttl, header.protocol), (7, 6));
        assert_eq!(header.label, v6.then_some(0xabcde));
        assert_eq!(super::checksum(payload, ip::pseudo_sum(&header, payload.len())), 0);
        let segment = tcp::Segment::read(payload).unwrap();
        assert!(segment.has(tcp::flags::SYN, tcp::flags::ACK));
        assert_eq!(segment.options().map(TcpOption::kind).collect::<Vec<_>>(), [2, 4, 8, 3]);
        assert_eq!(segment.timestamps(), Some((0x0102_0304, 0)));
    }
}

#[test]
fn an_error_quotes_the_probe_with_labels_and_interfaces_behind_it() {
    let labels = [
        super::extensions::LabelEntry { label: 16022, tc: 3, bottom: false, ttl: 1 },
        super::extensions::LabelEntry { label: 3, tc: 0, bottom: true, ttl: 254 },
    ];
    let interface = super::extensions::Interface {
        role: 2,
        index: Some(9),
        address: Some("2001:db8::9".parse().unwrap()),
        name: Some("xe-0/0/1.100".into()),
        mtu: Some(9000),
    };
    for v6 in [false, true] {
        let probe = syn(v6);
        let extension = build::extension(&labels, std::slice::from_ref(&interface));
        let (kind, code) = if v6 { (3, 0) } else { (11, 0) };
        let bytes = build::icmp_error(&header(v6), kind, code, 0, &probe, Some(&extension));
        let (outer, payload) = ip::read(&bytes).unwrap();
        let icmp::Message::Error { icmp_type, quotation, extensions, .. } =
            icmp::read(&outer, payload).unwrap()
        else {
            panic!("no error")
        };
        assert_eq!(icmp_type, kind);
        assert_eq!(quotation.length(), probe.len(), "the padding is no part of the quote");
        assert_eq!(quotation.ports(), Some((40000, 25)));
        assert_eq!(quotation.tcp_sequence(), Some(0xdead_beef));
        assert_eq!(quotation.tcp_timestamp(), Some(0x0102_0304));
        let objects: Vec<_> = extensions.objects().collect();
        assert_eq!(objects[0], super::extensions::Object::Mpls(labels.to_vec()));
        assert_eq!(objects[1], super::extensions::Object::Interface(interface.clone()));
    }
}

#[test]
fn eight_bytes_of_transport_are_enough_to_know_a_probe() {
    let probe = syn(false);
    let (probe_header, _) = ip::read(&probe).unwrap();
    let quote = icmp::minimal_quote(&probe, &probe_header);
    assert_eq!(quote.len(), 28);
    let bytes = build::icmp_error(&header(false), 11, 0, 0, &quote, None);
    let (outer, payload) = ip::read(&bytes).unwrap();
    let icmp::Message::Error { quotation, .. } = icmp::read(&outer, payload).unwrap() else {
        panic!("no error")
    };
    assert_eq!(quotation.tcp_sequence(), Some(0xdead_beef));
    assert_eq!(quotation.header.id, Some(0x1234));
    assert_eq!(quotation.tcp_timestamp(), None);
}

#[test]
fn a_damaged_message_is_refused() {
    let mut bytes = build::echo(&header(false), true, 1, 2, b"payload!");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let (outer, payload) = ip::read(&bytes).unwrap();
    assert_eq!(icmp::read(&outer, payload), Err(super::Unreadable::Checksum { layer: "icmp" }));
}

proptest! {
    #[test]
    fn compensation_reaches_any_checksum(id: u16, sequence: u16, tail in any::<[u8; 6]>(), wanted in 1u16..0xffff) {
        for v6 in [false, true] {
            let mut payload = [0u8; 8];
            payload[2..].copy_from_slice(&tail);
            let field = |bytes: &[u8]| {
                let at = bytes.len() - 16 + 2;
                u16::from_be_bytes([bytes[at], bytes[at + 1]])
            };
            let now = field(&build::echo(&header(v6), false, id, sequence, &payload));
            payload[..2].copy_from_slice(&build::compensation(now, wanted));
            prop_assert_eq!(field(&build::echo(&header(v6), false, id, sequence, &payload)), wanted);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
    }

    #[test]
    fn no_damage_to_a_real_error_makes_a_reader_panic(
        v6: bool, cut in 0usize..300, place in 0usize..300, value: u8, length in 0usize..80,
    ) {
        let probe = syn(v6);
        let extension = build::extension(
            &[super::extensions::LabelEntry { label: 1, tc: 0, bottom: true, ttl: 1 }],
            &[super::extensions::Interface { role: 0, name: Some("eth0".into()), ..Default::default() }],
        );
        let (kind, code) = if v6 { (3, 0) } else { (11, 0) };
        let quote = &probe[..length.min(probe.len())];
        let mut bytes = build::icmp_error(&header(v6), kind, code, 0, quote, Some(&extension));
        if let Some(byte) = bytes.get_mut(place) {
            *byte = value;
        }
        bytes.truncate(cut);
        read_all(&bytes);
    }
}

/// Every reader there is, on the same bytes, checksums or not.
fn read_all(bytes: &[u8]) {
    for read in [ip::read, ip::read_quoted] {
        if let Ok((header, payload)) = read(bytes) {
            let _ = icmp::read(&header, payload);
        }
    }
    if let Ok(segment) = tcp::Segment::read(bytes) {
        let _ = (segment.options().count(), segment.timestamps());
    }
    let _ = super::udp::Datagram::read(bytes);
    if let Ok(quotation) = super::quotation::Quotation::read(bytes) {
        let _ = (quotation.ports(), quotation.tcp_sequence(), quotation.tcp_timestamp());
        let _ = (quotation.udp(), quotation.echo(), quotation.length());
    }
    for claimed in [None, Some(0), Some(128), Some(bytes.len() / 2)] {
        let (_, extensions) = super::extensions::split(bytes, claimed);
        let _ = extensions.objects().count();
    }
}
