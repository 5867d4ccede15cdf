//! What is built is read back as it was; nothing that is read panics. Packets that others built are in
//! `tests/it/packet.rs`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::extensions::{Interface, LabelEntry, Object};
use super::tcp::TcpOption;
use super::udp::Datagram;
use super::{Unreadable, build, icmp, ip, protocol, tcp};

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
fn a_syn_may_carry_data() {
    for v6 in [false, true] {
        for length in [1, 4, 1439, 1440] {
            let data: Vec<u8> = (0..length).map(|place| place as u8).collect();
            let segment = build::Tcp {
                source: 40000,
                destination: 25,
                sequence: 1,
                acknowledgment: 0,
                flags: tcp::flags::SYN,
                window: 64240,
                options: OPTIONS,
            };
            let bytes = build::tcp_with_data(&header(v6), &segment, &data);
            let (header, payload) = ip::read(&bytes).unwrap();
            assert_eq!(bytes.len(), header.header_length + 40 + data.len());
            assert_eq!(super::checksum(payload, ip::pseudo_sum(&header, payload.len())), 0);
            assert_eq!(tcp::Segment::read(payload).unwrap().payload, data);
        }
    }
}

/// RFC 1191 §3 and §7.1, RFC 8201 §4.
#[test]
fn a_host_heeds_an_mtu_that_can_be_one() {
    let cases = [
        (false, 1500, 1400, Some(1400)),
        (false, 1500, 68, Some(68)),
        (false, 1500, 67, None),
        (false, 1500, 1500, None),
        (false, 1500, 65_536, None),
        (false, 1500, 0, Some(1492)),
        (false, 1492, 0, Some(1006)),
        (false, 9216, 0, Some(8166)),
        (false, 68, 0, None),
        (true, 1500, 1280, Some(1280)),
        (true, 1500, 1279, None),
        (true, 1500, 0, None),
        (true, 1280, 1280, None),
        (true, 9000, u32::MAX, None),
    ];
    for (v6, size, mtu, next) in cases {
        assert_eq!(icmp::smaller(v6, size, mtu), next, "v6={v6} {size} {mtu}");
    }
}

#[test]
fn an_error_quotes_the_probe_with_labels_and_interfaces_behind_it() {
    let labels = [
        LabelEntry { label: 16022, tc: 3, bottom: false, ttl: 1 },
        LabelEntry { label: 3, tc: 0, bottom: true, ttl: 254 },
    ];
    let interface = Interface {
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
        assert_eq!(objects[0], Object::Mpls(labels.to_vec()));
        assert_eq!(objects[1], Object::Interface(interface.clone()));
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
    assert_eq!(icmp::read(&outer, payload), Err(Unreadable::Checksum { layer: "icmp" }));
}

/// The message in `bytes`, a whole packet.
fn message(bytes: &[u8]) -> icmp::Message<'_> {
    let (header, payload) = ip::read(bytes).unwrap();
    icmp::read(&header, payload).unwrap()
}

/// An IPv6 packet with `count` headers of destination options put before its transport header.
fn with_extension_headers(packet: &[u8], count: usize) -> Vec<u8> {
    let mut bytes = packet[..40].to_vec();
    let mut next = 60;
    std::mem::swap(&mut next, &mut bytes[6]);
    for left in (0..count).rev() {
        bytes.extend_from_slice(&[if left == 0 { next } else { 60 }, 0, 1, 4, 0, 0, 0, 0]);
    }
    bytes.extend_from_slice(&packet[40..]);
    let length = u16::try_from(bytes.len() - 40).unwrap();
    bytes[4..6].copy_from_slice(&length.to_be_bytes());
    bytes
}

#[test]
fn eight_extension_headers_are_followed_and_no_more() {
    let bytes = with_extension_headers(&syn(true), 8);
    let (header, payload) = ip::read(&bytes).unwrap();
    assert_eq!((header.protocol, header.header_length), (protocol::TCP, 104));
    assert_eq!(payload, &syn(true)[40..]);

    let bytes = with_extension_headers(&syn(true), 9);
    let error = Unreadable::Field { layer: "ipv6", field: "number of extension headers", value: 9 };
    assert_eq!(ip::read(&bytes), Err(error));
    let (header, _) = ip::read_quoted(&bytes).unwrap();
    assert_eq!(header.protocol, 60, "no transport is claimed where the walk ended");
}

#[test]
fn a_fragment_is_a_later_one_at_any_offset_but_zero() {
    let mut bytes = syn(false);
    for (field, later, dont_fragment) in [
        (0x0000_u16, false, false),
        (0x2000, false, false), // more fragments: the first
        (0x4000, false, true),
        (0x8000, false, false), // reserved
        (0x0001, true, false),
        (0x1000, true, false),
        (0x3fff, true, false),
        (0x0040, true, false), // don't fragment in the wrong byte order, but nothing is swapped in a whole packet
    ] {
        bytes[6..8].copy_from_slice(&field.to_be_bytes());
        let (header, _) = ip::read(&bytes).unwrap();
        assert_eq!((header.later_fragment, header.dont_fragment), (later, dont_fragment), "{field:#06x}");
    }

    let mut bytes = with_extension_headers(&syn(true), 1);
    bytes[6] = 44;
    // In place of the options: offset and flags, then the identification.
    bytes[44..48].copy_from_slice(&[0xca, 0xfe, 0x12, 0x34]);
    for (field, later) in [(0_u16, false), (1, false), (6, false), (8, true), (0x8000, true), (0xfff9, true)]
    {
        bytes[42..44].copy_from_slice(&field.to_be_bytes());
        let (header, _) = ip::read(&bytes).unwrap();
        assert_eq!((header.later_fragment, header.id), (later, Some(0x1234)), "{field:#06x}");
    }
}

#[test]
fn a_whole_packet_must_be_as_long_as_it_says() {
    let mut bytes = syn(false);
    let short = Unreadable::Short { layer: "ip", need: 60, have: 59 };
    assert_eq!(ip::read(&bytes[..59]), Err(short));
    bytes[2..4].copy_from_slice(&[0, 19]);
    let field = Unreadable::Field { layer: "ipv4", field: "total length", value: 19 };
    assert_eq!(ip::read(&bytes), Err(field));
    bytes[0] = 0x44;
    let field = Unreadable::Field { layer: "ipv4", field: "header length", value: 16 };
    assert_eq!(ip::read(&bytes), Err(field));
    bytes[0] = 0x4f;
    let short = Unreadable::Short { layer: "ipv4", need: 60, have: 59 };
    assert_eq!(ip::read(&bytes[..59]), Err(short));
    bytes[0] = 0x55;
    assert_eq!(ip::read(&bytes), Err(Unreadable::Field { layer: "ip", field: "version", value: 5 }));
    assert_eq!(ip::read(&[]), Err(Unreadable::Short { layer: "ip", need: 20, have: 0 }));
    assert_eq!(ip::read(&syn(true)[..39]), Err(Unreadable::Short { layer: "ipv6", need: 40, have: 39 }));
}

#[test]
fn a_short_segment_says_how_short() {
    let short = Unreadable::Short { layer: "tcp", need: 20, have: 10 };
    assert_eq!(tcp::Segment::read(&[0; 10]), Err(short));
    let bytes = syn(false);
    let short = Unreadable::Short { layer: "tcp", need: 40, have: 39 };
    assert_eq!(tcp::Segment::read(&bytes[20..59]), Err(short));
}

#[test]
fn only_icmp_is_read_as_icmp() {
    // Port 768 is 0x0300, time exceeded. Over IPv6 the checksums of TCP and ICMPv6 are sums over the same bytes.
    let segment = build::Tcp {
        source: 0x0300,
        destination: 25,
        sequence: 0,
        acknowledgment: 0,
        flags: tcp::flags::RST,
        window: 0,
        options: &[],
    };
    let bytes = build::tcp(&header(true), &segment);
    let (outer, payload) = ip::read(&bytes).unwrap();
    let field = Unreadable::Field { layer: "icmpv6", field: "protocol", value: 6 };
    assert_eq!(icmp::read(&outer, payload), Err(field));

    // A later fragment that happens to look like a message.
    let mut bytes = build::echo(&header(false), true, 1, 2, b"payload!");
    bytes[7] = 1;
    let (outer, payload) = ip::read(&bytes).unwrap();
    let field = Unreadable::Field { layer: "icmp", field: "later fragment", value: 1 };
    assert_eq!(icmp::read(&outer, payload), Err(field));
}

#[test]
fn a_next_hop_mtu_is_read_beside_the_length_field() {
    let extension = build::extension(&[LabelEntry { label: 7, tc: 0, bottom: true, ttl: 1 }], &[]);
    let bytes = build::icmp_error(&header(false), 3, 4, 1400, &syn(false), Some(&extension));
    let icmp::Message::Error { rest, extensions, .. } = message(&bytes) else { panic!("no error") };
    assert_eq!((rest, icmp::next_hop_mtu(false, rest)), (32 << 16 | 1400, 1400));
    assert_eq!(extensions.objects().count(), 1);
    assert_eq!(icmp::next_hop_mtu(true, 0x1_0000), 0x1_0000);
}

#[test]
fn types_without_a_length_field_carry_no_extensions() {
    let extension = build::extension(&[LabelEntry { label: 7, tc: 0, bottom: true, ttl: 1 }], &[]);
    for (v6, icmp_type) in [(false, 4), (false, 5), (true, 2), (true, 4)] {
        let bytes = build::icmp_error(&header(v6), icmp_type, 0, 1280, &syn(v6), Some(&extension));
        let icmp::Message::Error { rest, quotation, extensions, .. } = message(&bytes) else {
            panic!("no error")
        };
        assert_eq!(rest, 1280, "the field says what the caller said");
        assert_eq!(quotation.length(), syn(v6).len());
        assert!(extensions.is_empty());
    }
}

#[test]
fn of_a_long_quote_the_length_field_can_say_only_so_much() {
    let extension = build::extension(&[LabelEntry { label: 7, tc: 0, bottom: true, ttl: 1 }], &[]);
    for (v6, most) in [(false, 1020), (true, 2040)] {
        let probe = build::udp(&header(v6), 1, 2, &[0x55; 3000]);
        let icmp_type = if v6 { 3 } else { 11 };
        let bytes = build::icmp_error(&header(v6), icmp_type, 0, 0, &probe, Some(&extension));
        let icmp::Message::Error { rest, quotation, extensions, .. } = message(&bytes) else {
            panic!("no error")
        };
        assert_eq!(rest, if v6 { 0xff00_0000 } else { 0x00ff_0000 });
        assert_eq!(quotation.length(), most);
        assert_eq!(extensions.objects().count(), 1);
    }
}

#[test]
fn options_that_do_not_fit_are_left_out() {
    let data = [0x55; 20];
    let options = [
        TcpOption::Mss(1460),
        TcpOption::Other(200, &data),
        TcpOption::Other(201, &data),
        TcpOption::SackPermitted,
    ];
    let segment = build::Tcp {
        source: 1,
        destination: 2,
        sequence: 3,
        acknowledgment: 4,
        flags: tcp::flags::SYN,
        window: 5,
        options: &options,
    };
    let bytes = build::tcp(&header(false), &segment);
    assert_eq!(bytes.len(), 20 + 20 + 28);
    let (_, payload) = ip::read(&bytes).unwrap();
    let read: Vec<_> = tcp::Segment::read(payload).unwrap().options().collect();
    assert_eq!(read, options[..2]);
}

#[test]
fn a_name_is_cut_between_characters() {
    let interface = Interface { name: Some("é".repeat(40)), ..Interface::default() };
    let bytes = build::extension(&[], &[interface]);
    let body = [&[0x45; 128], &bytes[..]].concat();
    let (_, extensions) = super::extensions::split(&body, Some(128));
    let expected = Interface { name: Some("é".repeat(31)), ..Interface::default() };
    assert_eq!(extensions.objects().collect::<Vec<_>>(), [Object::Interface(expected)]);
}

#[test]
fn a_checksum_that_comes_out_as_zero_is_sent_as_ones() {
    // 0x2000 + 0x0008 + 0x0101 + 0xdef6 = 0xffff, whose complement says that no checksum was sent.
    let entry = LabelEntry { label: 0xdef60, tc: 0, bottom: false, ttl: 0 };
    let bytes = build::extension(&[entry], &[]);
    assert_eq!(bytes[2..4], [0xff, 0xff]);
    let body = [&[0x45; 128], &bytes[..]].concat();
    let (_, extensions) = super::extensions::split(&body, Some(0));
    assert_eq!(extensions.objects().collect::<Vec<_>>(), [Object::Mpls(vec![entry])]);
}

//---- Any specification ----

fn any_ip() -> impl Strategy<Value = build::Ip> {
    let addresses = prop_oneof![
        any::<(Ipv4Addr, Ipv4Addr)>().prop_map(|(a, b)| (IpAddr::V4(a), IpAddr::V4(b))),
        any::<(Ipv6Addr, Ipv6Addr)>().prop_map(|(a, b)| (IpAddr::V6(a), IpAddr::V6(b))),
    ];
    (addresses, any::<u8>(), any::<u8>(), any::<u16>(), 0u32..=0xf_ffff, any::<bool>()).prop_map(
        |((source, destination), ttl, tos, id, label, dont_fragment)| build::Ip {
            source,
            destination,
            ttl,
            tos,
            id,
            label,
            dont_fragment,
        },
    )
}

/// The header that `spec` asks for, with `length` bytes behind it.
fn expected_header(spec: &build::Ip, protocol: u8, length: usize) -> ip::Header {
    let v6 = spec.source.is_ipv6();
    let header_length = if v6 { 40 } else { 20 };
    ip::Header {
        source: spec.source,
        destination: spec.destination,
        ttl: spec.ttl,
        protocol,
        tos: spec.tos,
        id: (!v6).then_some(spec.id),
        label: v6.then_some(spec.label),
        dont_fragment: v6 || spec.dont_fragment,
        later_fragment: false,
        claimed_length: header_length + length,
        header_length,
    }
}

/// Kind, a number for its fields, and data for kinds without a meaning here.
type AnyOption = (u8, u64, Vec<u8>);

fn option((kind, number, data): &AnyOption) -> TcpOption<'_> {
    let high = (number >> 32) as u32;
    match kind {
        0 => TcpOption::Nop,
        1 => TcpOption::Mss(high as u16),
        2 => TcpOption::WindowScale(high as u8),
        3 => TcpOption::SackPermitted,
        4 => TcpOption::Timestamps { value: high, echo: *number as u32 },
        _ => TcpOption::Other(200, data),
    }
}

/// Bytes an option takes (RFC 9293 §3.1, RFC 7323, RFC 2018).
fn size(option: &TcpOption<'_>) -> usize {
    match option {
        TcpOption::Nop => 1,
        TcpOption::Mss(_) => 4,
        TcpOption::WindowScale(_) => 3,
        TcpOption::SackPermitted => 2,
        TcpOption::Timestamps { .. } => 10,
        TcpOption::Other(_, data) => 2 + data.len(),
    }
}

fn any_label() -> impl Strategy<Value = LabelEntry> {
    (0u32..=0xf_ffff, 0u8..8, any::<bool>(), any::<u8>()).prop_map(|(label, tc, bottom, ttl)| LabelEntry {
        label,
        tc,
        bottom,
        ttl,
    })
}

fn any_interface() -> impl Strategy<Value = Interface> {
    // At most 15 characters of four bytes: what fits is not cut. A name ends at its first zero byte.
    let name = prop::collection::vec(any::<char>().prop_filter("ends a name", |c| *c != '\0'), 0..16);
    (
        0u8..4,
        any::<Option<u32>>(),
        any::<Option<IpAddr>>(),
        prop::option::of(name.prop_map(String::from_iter)),
        any::<Option<u32>>(),
    )
        .prop_map(|(role, index, address, name, mtu)| Interface { role, index, address, name, mtu })
}

proptest! {
    #[test]
    fn any_segment_is_read_back(
        ip in any_ip(), ports: (u16, u16), numbers: (u32, u32), flags: u8, window: u16,
        options in prop::collection::vec((0u8..6, any::<u64>(), prop::collection::vec(any::<u8>(), 0..12)), 0..9),
    ) {
        let options: Vec<_> = options.iter().map(option).collect();
        let spec = build::Tcp {
            source: ports.0,
            destination: ports.1,
            sequence: numbers.0,
            acknowledgment: numbers.1,
            flags,
            window,
            options: &options,
        };
        let bytes = build::tcp(&ip, &spec);
        let (header, payload) = ip::read(&bytes).unwrap();
        prop_assert_eq!(header, expected_header(&ip, protocol::TCP, payload.len()));
        prop_assert_eq!(super::checksum(payload, ip::pseudo_sum(&header, payload.len())), 0);
        let segment = tcp::Segment::read(payload).unwrap();
        prop_assert_eq!((segment.source, segment.destination), ports);
        prop_assert_eq!((segment.sequence, segment.acknowledgment), numbers);
        prop_assert_eq!((segment.flags, segment.window), (flags, window));
        let mut room = 40;
        let fitting = options.iter().take_while(|option| {
            let fits = size(option) <= room;
            room = room.saturating_sub(size(option));
            fits
        });
        let expected: Vec<_> = fitting.copied().filter(|option| *option != TcpOption::Nop).collect();
        prop_assert_eq!(segment.options().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn any_datagram_is_read_back(
        ip in any_ip(), source: u16, destination: u16, data in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let bytes = build::udp(&ip, source, destination, &data);
        let (header, payload) = ip::read(&bytes).unwrap();
        prop_assert_eq!(header, expected_header(&ip, protocol::UDP, payload.len()));
        let datagram = Datagram::read(payload).unwrap();
        prop_assert_eq!((datagram.source, datagram.destination), (source, destination));
        prop_assert_eq!((usize::from(datagram.length), datagram.payload), (8 + data.len(), &data[..]));
        prop_assert_ne!(datagram.checksum, 0, "zero says that there is none");
        prop_assert_eq!(super::checksum(payload, ip::pseudo_sum(&header, payload.len())), 0);
    }

    #[test]
    fn any_echo_is_read_back(
        ip in any_ip(), reply: bool, id: u16, sequence: u16, data in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let bytes = build::echo(&ip, reply, id, sequence, &data);
        let number = if ip.source.is_ipv6() { protocol::ICMPV6 } else { protocol::ICMP };
        prop_assert_eq!(ip::read(&bytes).unwrap().0, expected_header(&ip, number, 8 + data.len()));
        prop_assert_eq!(message(&bytes), icmp::Message::Echo { reply, id, sequence, payload: &data });
    }

    #[test]
    fn any_error_is_read_back(
        ip in any_ip(), which in 0usize..3, code: u8, low: u16,
        tcp_quoted: bool, ports: (u16, u16), sequence: u32, timestamp: u32, extra in 0usize..400,
        labels in prop::collection::vec(any_label(), 0..6),
        interfaces in prop::collection::vec(any_interface(), 0..4),
    ) {
        // The probe went the other way; the error comes back with a quote of any length from 8 bytes of transport up.
        let out = build::Ip { source: ip.destination, destination: ip.source, ..ip };
        let options = [TcpOption::Timestamps { value: timestamp, echo: 0 }];
        let data = [0x55; 300];
        let probe = if tcp_quoted {
            let (source, destination) = ports;
            let flags = tcp::flags::SYN;
            build::tcp(&out, &build::Tcp {
                source, destination, sequence, acknowledgment: 0, flags, window: 0, options: &options,
            })
        } else {
            build::udp(&out, ports.0, ports.1, &data)
        };
        let v6 = ip.source.is_ipv6();
        let header_length = if v6 { 40 } else { 20 };
        let quote = &probe[..probe.len().min(header_length + 8 + extra)];
        let icmp_type = if v6 { [1, 3, 3][which] } else { [3, 11, 12][which] };
        let extension = build::extension(&labels, &interfaces);
        let with_extension = !labels.is_empty() || !interfaces.is_empty();
        // What shares the second word with the length: the MTU in IPv4, nothing in IPv6.
        let rest = if v6 { 0 } else { u32::from(low) };
        let bytes =
            build::icmp_error(&ip, icmp_type, code, rest, quote, with_extension.then_some(&extension));

        let icmp::Message::Error { icmp_type: t, code: c, rest: r, quotation, extensions } = message(&bytes)
        else {
            panic!("no error")
        };
        prop_assert_eq!((t, c, r & 0xffff), (icmp_type, code, rest));
        let number = if tcp_quoted { protocol::TCP } else { protocol::UDP };
        let length = probe.len() - header_length;
        prop_assert_eq!(quotation.header, expected_header(&out, number, length));
        prop_assert_eq!(quotation.ports(), Some(ports));
        prop_assert_eq!(quotation.tcp_sequence(), tcp_quoted.then_some(sequence));
        prop_assert_eq!(quotation.echo(), None);
        prop_assert_eq!(&quotation.transport[..quote.len() - header_length], &quote[header_length..]);
        // A quote cut short and then padded looks like one that goes on with zeros, also in the middle of an option.
        if !with_extension || quote.len() == probe.len() {
            prop_assert_eq!(quotation.length(), quote.len());
            let reaches = quote.len() >= header_length + 30;
            prop_assert_eq!(quotation.tcp_timestamp(), (tcp_quoted && reaches).then_some(timestamp));
        } else {
            prop_assert!((quote.len()..=probe.len()).contains(&quotation.length()));
        }

        let mut expected: Vec<_> = interfaces.into_iter().map(Object::Interface).collect();
        if !labels.is_empty() {
            expected.insert(0, Object::Mpls(labels));
        }
        prop_assert_eq!(extensions.objects().collect::<Vec<_>>(), expected);
    }

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
            &[LabelEntry { label: 1, tc: 0, bottom: true, ttl: 1 }],
            &[Interface { role: 0, name: Some("eth0".into()), ..Default::default() }],
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
    let _ = Datagram::read(bytes);
    if let Ok(quotation) = super::quotation::Quotation::read(bytes) {
        let _ = (quotation.ports(), quotation.tcp_sequence(), quotation.tcp_timestamp());
        let _ = (quotation.udp(), quotation.echo(), quotation.length());
    }
    for claimed in [None, Some(0), Some(128), Some(bytes.len() / 2)] {
        let (_, extensions) = super::extensions::split(bytes, claimed);
        let _ = extensions.objects().count();
    }
}
