use proptest::prelude::*;

use super::*;

fn hosts(v6: bool, protocol: Protocol, lasts: &[u16]) -> Hosts {
    let port = |last: u16| if protocol == Protocol::Icmp { 0 } else { 25 + last % 3 };
    Hosts::new(
        v6,
        lasts.iter().map(|last| {
            let address: IpAddr = match v6 {
                true => format!("2001:db8::{last:x}").parse().unwrap(),
                false => Ipv4Addr::new(198, 51, (last >> 8) as u8, *last as u8).into(),
            };
            (address, port(*last))
        }),
    )
}

fn source(v6: bool) -> IpAddr {
    if v6 { "2001:db8:1::1".parse().unwrap() } else { "192.0.2.7".parse().unwrap() }
}

fn mould(v6: bool, protocol: Protocol, key: [u8; 16]) -> Mould {
    Mould::new(key, source(v6), protocol, &[40_001, 40_007, 50_000, 33_333, 60_001])
}

/// What the host answers to one of our packets.
fn answer(packet: &[u8], wrong: u32) -> Vec<u8> {
    let (header, payload) = ip::read(packet).unwrap();
    let back = Ip {
        source: header.destination,
        destination: header.source,
        ttl: 57,
        tos: 0,
        id: 9,
        label: 0,
        dont_fragment: true,
    };
    if header.protocol == protocol::TCP {
        let segment = Segment::read(payload).unwrap();
        let reply = Tcp {
            source: segment.destination,
            destination: segment.source,
            sequence: 77,
            acknowledgment: segment.sequence.wrapping_add(1).wrapping_add(wrong),
            flags: flags::SYN | flags::ACK,
            window: 1000,
            options: &[],
        };
        return build::tcp(&back, &reply);
    }
    if header.protocol == protocol::UDP {
        let datagram = Datagram::read(payload).unwrap();
        return build::udp(&back, datagram.destination, datagram.source, b"an answer");
    }
    match icmp::read(&header, payload).unwrap() {
        icmp::Message::Echo { id, sequence, payload, .. } => {
            let mut data = payload.to_vec();
            data[5] ^= wrong as u8;
            build::echo(&back, true, id, sequence, &data)
        }
        other => panic!("{other:?}"),
    }
}

/// A router's word about one of our packets, as short as RFC 792 allows.
fn refusal(packet: &[u8], v6: bool, wrong: bool) -> Vec<u8> {
    let router: IpAddr =
        if v6 { "2001:db8:ffff::1".parse().unwrap() } else { "203.0.113.1".parse().unwrap() };
    let header = Ip {
        source: router,
        destination: source(v6),
        ttl: 250,
        tos: 0,
        id: 3,
        label: 0,
        dont_fragment: false,
    };
    let mut quote = packet[..if v6 { 48 } else { 28 }].to_vec();
    if wrong {
        // The identification, and what stands behind the ports or names an echo.
        quote[4] ^= u8::from(!v6);
        *quote.last_mut().unwrap() ^= 1;
    }
    let (kind, code) = if v6 { (1, 1) } else { (3, 13) };
    build::icmp_message(&header, kind, code, 0, &quote)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_packet_is_whole_and_its_answer_is_known(
        key: [u8; 16], v6: bool, which in 0..3_usize, lasts in prop::collection::vec(1_u16..5000, 1..20), attempt in 0..TRIES,
    ) {
        let protocol = [Protocol::Tcp, Protocol::Udp, Protocol::Icmp][which];
        let (hosts, mould) = (hosts(v6, protocol, &lasts), mould(v6, protocol, key));
        let mut packet = Vec::new();
        for host in 0..hosts.len() as HostId {
            mould.packet(&hosts, host, attempt, &mut packet);
            let (header, payload) = ip::read(&packet).unwrap();
            prop_assert_eq!(header.destination, hosts.address(host));
            prop_assert_eq!((header.source, header.ttl), (source(v6), FULL_TTL));
            // Both checksums, by the sums of the builders' room and not of this one: built anew they are the same.
            let anew = match protocol {
                Protocol::Tcp => {
                    let segment = Segment::read(payload).unwrap();
                    prop_assert!(segment.has(flags::SYN, flags::ACK | flags::RST));
                    let options: Vec<TcpOption<'_>> = vec![
                        TcpOption::Mss(if v6 { 1440 } else { 1460 }), TcpOption::SackPermitted,
                        TcpOption::Timestamps { value: segment.timestamps().unwrap().0, echo: 0 },
                        TcpOption::Nop, TcpOption::WindowScale(7),
                    ];
                    let tcp = Tcp {
                        source: segment.source, destination: segment.destination, sequence: segment.sequence,
                        acknowledgment: 0, flags: flags::SYN, window: WINDOW, options: &options,
                    };
                    build::tcp(&ip_of(&header), &tcp)
                }
                Protocol::Udp => {
                    let datagram = Datagram::read(payload).unwrap();
                    build::udp(&ip_of(&header), datagram.source, datagram.destination, &payload[8..])
                }
                _ => match icmp::read(&header, payload).unwrap() {
                    icmp::Message::Echo { reply: false, id, sequence, payload } => {
                        build::echo(&ip_of(&header), false, id, sequence, payload)
                    }
                    other => panic!("{other:?}"),
                },
            };
            prop_assert_eq!(&packet, &anew);
            let kind = [ReplyKind::SynAck, ReplyKind::UdpAnswer, ReplyKind::EchoReply][which];
            let number = Some((protocol, mould.number(host, attempt)));
            let found = mould.recognise(&hosts, &answer(&packet, 0));
            prop_assert_eq!(found, Ok(Found { host, attempt, kind, from: hosts.address(host), reply_ttl: 57 }));
            prop_assert_eq!(local_number(&answer(&packet, 0)), number);
            // A datagram of the host's own names nothing but its flow.
            if protocol != Protocol::Udp {
                prop_assert_eq!(mould.recognise(&hosts, &answer(&packet, 1)), Err(Stray::WrongKey));
            }
            let refused = refusal(&packet, v6, false);
            prop_assert_eq!(local_number(&refused), number);
            let found = mould.recognise(&hosts, &refused).unwrap();
            prop_assert_eq!((found.host, found.attempt), (host, attempt));
            prop_assert!(found.kind.is_prohibited());
            prop_assert_eq!(mould.recognise(&hosts, &refusal(&packet, v6, true)), Err(Stray::WrongKey));
        }
    }

    /// Nobody who does not know the key passes, whatever else he guesses right.
    #[test]
    fn another_key_is_a_stray(one: [u8; 16], other: [u8; 16], v6: bool, echo: bool) {
        prop_assume!(one != other);
        let protocol = if echo { Protocol::Icmp } else { Protocol::Tcp };
        let hosts = hosts(v6, protocol, &[1, 2, 3]);
        let mut packet = Vec::new();
        mould(v6, protocol, one).packet(&hosts, 1, 0, &mut packet);
        let found = mould(v6, protocol, other).recognise(&hosts, &answer(&packet, 0));
        prop_assert_eq!(found, Err(Stray::WrongKey));
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..120), v6: bool, echo: bool) {
        let protocol = if echo { Protocol::Icmp } else { Protocol::Tcp };
        prop_assert!(mould(v6, protocol, [1; 16]).recognise(&hosts(v6, protocol, &[1]), &bytes).is_err());
        let _ = local_number(&bytes);
    }
}

fn ip_of(header: &ip::Header) -> Ip {
    Ip {
        source: header.source,
        destination: header.destination,
        ttl: header.ttl,
        tos: header.tos,
        id: header.id.unwrap_or(0),
        label: header.label.unwrap_or(0),
        dont_fragment: true,
    }
}
