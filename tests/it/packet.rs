//! Packets that this program did not build: captured from kernels and tools, and made by hand with other tools.
//!
//! Reader and builder of one room can agree on the same mistake. So `tests/data/packet/*.txt` holds bytes and, below
//! `---`, what is in them, both written without this crate: the bytes are Linux's, or scapy's with structures packed by
//! hand; what is in them comes from what they were made from. Captures of others, which may not be copied into the
//! project, are read where they lie beside it, and compared with tcpdump's decode.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use lasthop::packet::extensions::{Extensions, Interface, LabelEntry, Object};
use lasthop::packet::icmp::{self, Message};
use lasthop::packet::quotation::Quotation;
use lasthop::packet::tcp::{Segment, TcpOption};
use lasthop::packet::udp::Datagram;
use lasthop::packet::{build, ip, protocol};

struct Golden {
    name: String,
    bytes: Vec<u8>,
    expected: String,
}

fn goldens() -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/packet");
    let mut found: Vec<Golden> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let (head, expected) = text.split_once("\n---\n").unwrap();
            let digits: String = head.lines().filter(|line| !line.starts_with('#')).collect();
            Golden {
                name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
                bytes: unhex(&digits),
                expected: expected.to_owned(),
            }
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn golden(name: &str) -> Vec<u8> {
    goldens().into_iter().find(|golden| golden.name == name).unwrap().bytes
}

fn unhex(digits: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        digits.chars().filter(|char| !char.is_whitespace()).map(|char| char.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//---- What the readers say, as text ----

/// Every field that the readers give, one thing a line.
fn describe(bytes: &[u8]) -> String {
    let mut out = String::new();
    let (header, payload) = match ip::read(bytes) {
        Ok(read) => read,
        Err(error) => return format!("unreadable: {error}\n"),
    };
    writeln!(out, "{}", header_line(&header)).unwrap();
    if icmp::is_icmp(header.source, header.protocol) {
        match icmp::read(&header, payload) {
            Ok(message) => describe_icmp(&mut out, &message),
            Err(error) => writeln!(out, "unreadable: {error}").unwrap(),
        }
    } else if header.protocol == protocol::TCP {
        match Segment::read(payload) {
            Ok(segment) => describe_tcp(&mut out, segment),
            Err(error) => writeln!(out, "unreadable: {error}").unwrap(),
        }
    } else if header.protocol == protocol::UDP {
        match Datagram::read(payload) {
            Ok(datagram) => writeln!(
                out,
                "udp {} > {} length {} checksum 0x{:04x} payload {}",
                datagram.source,
                datagram.destination,
                datagram.length,
                datagram.checksum,
                hex(datagram.payload)
            )
            .unwrap(),
            Err(error) => writeln!(out, "unreadable: {error}").unwrap(),
        }
    }
    out
}

fn header_line(header: &ip::Header) -> String {
    let version = if header.source.is_ipv4() { 4 } else { 6 };
    let mut line = format!(
        "ip{version} {} > {} ttl {} tos 0x{:02x} protocol {}",
        header.source, header.destination, header.ttl, header.tos, header.protocol
    );
    if let Some(label) = header.label {
        write!(line, " label 0x{label:05x}").unwrap();
    }
    if let Some(id) = header.id {
        write!(line, " id {id}").unwrap();
    }
    // IPv6 is never fragmented on the way, so there it is no news.
    if header.dont_fragment && version == 4 {
        line.push_str(" df");
    }
    if header.later_fragment {
        line.push_str(" later");
    }
    line
}

fn describe_tcp(out: &mut String, segment: Segment<'_>) {
    writeln!(
        out,
        "tcp {} > {} seq {} ack {} flags 0x{:02x} window {}",
        segment.source,
        segment.destination,
        segment.sequence,
        segment.acknowledgment,
        segment.flags,
        segment.window
    )
    .unwrap();
    for option in segment.options() {
        match option {
            TcpOption::Mss(mss) => writeln!(out, "mss {mss}").unwrap(),
            TcpOption::WindowScale(shift) => writeln!(out, "window scale {shift}").unwrap(),
            TcpOption::SackPermitted => writeln!(out, "sack permitted").unwrap(),
            TcpOption::Timestamps { value, echo } => writeln!(out, "timestamps {value} {echo}").unwrap(),
            TcpOption::Other(kind, data) => writeln!(out, "option {kind} {}", hex(data)).unwrap(),
            other => panic!("the reader leaves out padding: {other:?}"),
        }
    }
}

fn describe_icmp(out: &mut String, message: &Message<'_>) {
    match message {
        Message::Echo { reply, id, sequence, payload } => {
            let kind = if *reply { "reply" } else { "request" };
            writeln!(out, "echo {kind} id {id} seq {sequence} payload {}", hex(payload)).unwrap();
        }
        Message::Error { icmp_type, code, rest, quotation, extensions } => {
            writeln!(out, "error {icmp_type}/{code} rest 0x{rest:08x}").unwrap();
            describe_quotation(out, quotation);
            describe_objects(out, *extensions);
        }
        other => writeln!(out, "{other:?}").unwrap(),
    }
}

fn describe_quotation(out: &mut String, quotation: &Quotation<'_>) {
    writeln!(out, "quoted {} bytes {}", header_line(&quotation.header), quotation.length()).unwrap();
    if let Some((source, destination)) = quotation.ports() {
        writeln!(out, "quoted ports {source} > {destination}").unwrap();
    }
    if let Some(sequence) = quotation.tcp_sequence() {
        writeln!(out, "quoted seq {sequence}").unwrap();
    }
    if let Some(value) = quotation.tcp_timestamp() {
        writeln!(out, "quoted timestamp {value}").unwrap();
    }
    if let Some(datagram) = quotation.udp() {
        let Datagram { length, checksum, payload, .. } = datagram;
        writeln!(out, "quoted udp length {length} checksum 0x{checksum:04x} payload {}", hex(payload))
            .unwrap();
    }
    if let Some((kind, checksum, id, sequence)) = quotation.echo() {
        writeln!(out, "quoted echo {kind} 0x{checksum:04x} {id} {sequence}").unwrap();
    }
}

fn describe_objects(out: &mut String, extensions: Extensions<'_>) {
    for object in extensions.objects() {
        match object {
            Object::Mpls(entries) => {
                for LabelEntry { label, tc, bottom, ttl } in entries {
                    writeln!(out, "mpls {label} tc {tc} s {} ttl {ttl}", u8::from(bottom)).unwrap();
                }
            }
            Object::Interface(Interface { role, index, address, name, mtu }) => {
                let index = index.map_or("-".into(), |index| index.to_string());
                let address = address.map_or("-".into(), |address| address.to_string());
                let name = name.unwrap_or("-".into());
                let mtu = mtu.map_or("-".into(), |mtu| mtu.to_string());
                writeln!(out, "interface role {role} index {index} address {address} name {name} mtu {mtu}")
                    .unwrap();
            }
            Object::Other { class, kind, payload } => {
                writeln!(out, "object {class}/{kind} {}", hex(payload)).unwrap();
            }
            other => panic!("an object that this test has no words for: {other:?}"),
        }
    }
}

//---- Golden packets ----

#[test]
fn golden_packets_are_read_field_by_field() {
    let goldens = goldens();
    assert!(goldens.len() >= 64, "some of the golden packets are gone");
    let wrong: Vec<String> = goldens
        .iter()
        .filter_map(|golden| {
            let found = describe(&golden.bytes);
            (found != golden.expected)
                .then(|| format!("{}\nexpected:\n{}found:\n{found}", golden.name, golden.expected))
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What others built, built again from what was read in it: since the fields were compared above with what others say
/// they are, equal bytes mean that the builder puts each where it belongs.
#[test]
fn builders_make_the_same_bytes_as_linux_and_scapy() {
    const BOTH: &[&str] = &[
        "linux_syn",
        "linux_syn_ack",
        "linux_rst",
        "linux_echo_reply",
        "ping_request",
        "traceroute_udp",
        "linux_time_exceeded_tcp",
        "linux_time_exceeded_udp",
        "linux_time_exceeded_icmp",
        "linux_port_unreachable",
        "linux_prohibited",
        "linux_too_big",
        "labels",
        "interfaces",
    ];
    const ONE: &[&str] = &[
        "fragmentation_needed_with_labels",
        "parameter_problem_with_interface",
        "eight_bytes",
        "quoted_options",
        "quoted_extension_headers",
    ];
    let both = BOTH.iter().flat_map(|name| [format!("{name}_ipv4"), format!("{name}_ipv6")]);
    for name in both.chain(ONE.iter().map(|name| (*name).to_owned())) {
        let bytes = golden(&name);
        assert_eq!(hex(&rebuild(&bytes)), hex(&bytes), "{name}");
    }
}

fn rebuild(bytes: &[u8]) -> Vec<u8> {
    let (header, payload) = ip::read(bytes).unwrap();
    let ip = build::Ip {
        source: header.source,
        destination: header.destination,
        ttl: header.ttl,
        tos: header.tos,
        id: header.id.unwrap_or_default(),
        label: header.label.unwrap_or_default(),
        dont_fragment: header.dont_fragment,
    };
    match header.protocol {
        protocol::TCP => {
            let segment = Segment::read(payload).unwrap();
            let mut options = Vec::new();
            for option in segment.options() {
                // Linux aligns the window scale with one byte of padding before it.
                if let TcpOption::WindowScale(_) = option {
                    options.push(TcpOption::Nop);
                }
                options.push(option);
            }
            build::tcp(
                &ip,
                &build::Tcp {
                    source: segment.source,
                    destination: segment.destination,
                    sequence: segment.sequence,
                    acknowledgment: segment.acknowledgment,
                    flags: segment.flags,
                    window: segment.window,
                    options: &options,
                },
            )
        }
        protocol::UDP => {
            let datagram = Datagram::read(payload).unwrap();
            build::udp(&ip, datagram.source, datagram.destination, datagram.payload)
        }
        _ => match icmp::read(&header, payload).unwrap() {
            Message::Echo { reply, id, sequence, payload } => build::echo(&ip, reply, id, sequence, payload),
            Message::Error { icmp_type, code, rest, quotation, extensions } => {
                let quote = &payload[8..8 + quotation.length()];
                let extension = (!extensions.is_empty()).then(|| extension(extensions));
                let length_field = if header.source.is_ipv4() { 0x00ff_0000 } else { 0xff00_0000 };
                // The builder fills in the length itself.
                let rest = if extension.is_some() { rest & !length_field } else { rest };
                build::icmp_error(&ip, icmp_type, code, rest, quote, extension.as_deref())
            }
            other => panic!("{other:?}"),
        },
    }
}

fn extension(extensions: Extensions<'_>) -> Vec<u8> {
    let (mut labels, mut interfaces) = (Vec::new(), Vec::new());
    for object in extensions.objects() {
        match object {
            Object::Mpls(entries) => labels = entries,
            Object::Interface(interface) => interfaces.push(interface),
            other => panic!("{other:?}"),
        }
    }
    build::extension(&labels, &interfaces)
}

//---- Damage ----

/// Every packet here, cut at each length and with each byte changed in nine ways. An ICMP checksum would stop the
/// reader before it comes to the quote and the objects, so each is read a second time with the checksum made right.
#[test]
fn no_cut_and_no_changed_byte_makes_a_reader_panic() {
    let mut packets: Vec<Vec<u8>> = goldens().into_iter().map(|golden| golden.bytes).collect();
    packets.extend(captures().into_iter().flat_map(|capture| capture.frames).map(|frame| frame.packet));
    for packet in packets {
        for length in 0..packet.len() {
            read_all(&mut packet[..length].to_vec());
        }
        for place in 0..packet.len() {
            for change in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                let mut damaged = packet.clone();
                damaged[place] ^= change;
                read_all(&mut damaged);
            }
        }
    }
}

fn read_all(bytes: &mut [u8]) {
    read_everything(bytes);
    repair(bytes);
    read_everything(bytes);
}

fn read_everything(bytes: &[u8]) {
    let _ = describe(bytes);
    for offset in [0, 20, 28, 40, 48] {
        let bytes = bytes.get(offset..).unwrap_or_default();
        if let Ok(quotation) = Quotation::read(bytes) {
            assert!(quotation.length() <= bytes.len(), "more quoted than there is");
            describe_quotation(&mut String::new(), &quotation);
        }
        if let Ok(segment) = Segment::read(bytes) {
            describe_tcp(&mut String::new(), segment);
        }
        if let Ok(datagram) = Datagram::read(bytes) {
            assert!(datagram.payload.len() + 8 <= bytes.len(), "more data than there is");
        }
    }
}

/// Makes the lengths agree with what is there, and an ICMP message's checksum right.
fn repair(bytes: &mut [u8]) {
    let length = bytes.len();
    let (start, pseudo) = match bytes.first().map(|byte| byte >> 4) {
        Some(4) if length >= 28 && bytes[9] == protocol::ICMP => {
            bytes[2..4].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            (usize::from(bytes[0] & 15) * 4, 0)
        }
        Some(6) if length >= 48 && bytes[6] == protocol::ICMPV6 => {
            bytes[4..6].copy_from_slice(&u16::try_from(length - 40).unwrap().to_be_bytes());
            (40, sum(&bytes[8..40]) + u32::from(protocol::ICMPV6) + u32::try_from(length - 40).unwrap())
        }
        _ => return,
    };
    let Some(message) = bytes.get_mut(start..).filter(|message| message.len() >= 8) else { return };
    message[2..4].fill(0);
    let mut total = sum(message) + pseudo;
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    message[2..4].copy_from_slice(&(!u16::try_from(total).unwrap()).to_be_bytes());
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low))).sum()
}

#[test]
fn a_repaired_packet_is_read_again() {
    // Without this, `repair` could do nothing and the test above would still pass.
    for name in ["labels_ipv4", "labels_ipv6"] {
        let mut bytes = golden(name);
        let expected = describe(&bytes);
        let checksum_at = if bytes[0] >> 4 == 4 { 22 } else { 42 };
        bytes[checksum_at] ^= 0x55;
        assert!(describe(&bytes).contains("the checksum does not match"), "{name}");
        repair(&mut bytes);
        assert_eq!(describe(&bytes), expected, "{name}");
    }
}

//---- Captures of others ----

struct Capture {
    name: String,
    frames: Vec<Frame>,
    /// tcpdump's decode, if it lies beside the capture.
    decode: Option<String>,
}

struct Frame {
    /// The label stack of the frame itself, top first: label, traffic class, bottom, TTL.
    shim: Vec<(u32, u32, bool, u32)>,
    packet: Vec<u8>,
}

/// The captures beside the project; says so on stderr where there are none.
fn captures() -> Vec<Capture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/pcap");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: no captures of others at ../shared/fixtures/pcap");
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    paths.sort();
    assert!(!paths.is_empty(), "the folder of captures is empty");
    paths
        .iter()
        .map(|path| Capture {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            frames: frames(&std::fs::read(path).unwrap()),
            decode: std::fs::read_to_string(path.with_extension("out")).ok(),
        })
        .collect()
}

/// Walks a classic capture file: 24 bytes of header, and before each frame 16 with its length at byte 8.
fn frames(file: &[u8]) -> Vec<Frame> {
    let little = file[0] == 0xd4;
    let word = |at: usize| {
        let bytes: [u8; 4] = file[at..at + 4].try_into().unwrap();
        if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    };
    assert_eq!(word(0), 0xa1b2_c3d4, "a capture with microseconds");
    let link = word(20);
    let mut at = 24;
    let mut frames = Vec::new();
    while at < file.len() {
        let length = word(at + 8) as usize;
        let frame = &file[at + 16..at + 16 + length];
        at += 16 + length;
        // Ethernet, and PPP in HDLC-like framing.
        let (ethertype, mut packet) = match link {
            1 => (u16::from_be_bytes([frame[12], frame[13]]), &frame[14..]),
            9 => (u16::from_be_bytes([frame[2], frame[3]]), &frame[4..]),
            other => panic!("link type {other}"),
        };
        let mut shim = Vec::new();
        if ethertype == 0x8847 || ethertype == 0x0281 {
            while shim.last().is_none_or(|(_, _, bottom, _)| !bottom) {
                let entry = u32::from_be_bytes(packet[..4].try_into().unwrap());
                shim.push((entry >> 12, entry >> 9 & 7, entry >> 8 & 1 == 1, entry & 0xff));
                packet = &packet[4..];
            }
        }
        frames.push(Frame { shim, packet: packet.to_vec() });
    }
    frames
}

/// What tcpdump prints, from what our readers found; compared with what tcpdump printed.
#[test]
fn captures_of_others_are_read_as_tcpdump_reads_them() {
    for capture in captures() {
        let Some(decode) = &capture.decode else { continue };
        let verbose = decode.contains("(tos ");
        let found: Vec<String> = capture.frames.iter().flat_map(|frame| as_tcpdump(frame, verbose)).collect();
        assert_eq!(found, without_times(decode), "{}", capture.name);
    }
}

/// The lines of tcpdump's output, indentation, record numbers and times taken off.
fn without_times(decode: &str) -> Vec<String> {
    decode
        .lines()
        .map(|line| {
            // A number and a date begin a record; what belongs to it is indented and begins with neither.
            let words: Vec<&str> = line.split_whitespace().collect();
            let numbered = words[0].parse::<u32>().is_ok();
            words[if numbered { 3 } else { 0 }..].join(" ")
        })
        .collect()
}

fn as_tcpdump(frame: &Frame, verbose: bool) -> Vec<String> {
    let (header, payload) = ip::read(&frame.packet).unwrap();
    let mut out = Vec::new();
    let mut start = String::new();
    for (label, tc, bottom, ttl) in &frame.shim {
        let bottom = if *bottom { "[S], " } else { "" };
        write!(start, "MPLS (label {label}, tc {tc}, {bottom}ttl {ttl}) ").unwrap();
    }
    if verbose {
        out.push(format!("{start}{}", tcpdump_header(&header)));
        start.clear();
    } else {
        start.push_str("IP ");
    }
    if header.protocol == protocol::UDP {
        out.push(start + &tcpdump_udp(&header, &Datagram::read(payload).unwrap()));
        return out;
    }
    let Message::Error { icmp_type, code, quotation, extensions, .. } = icmp::read(&header, payload).unwrap()
    else {
        panic!("neither UDP nor an ICMP error")
    };
    let (_, port) = quotation.ports().unwrap();
    let what = match (icmp_type, code) {
        (11, 0) => "time exceeded in-transit".to_owned(),
        (3, 3) => format!("{} udp port {port} unreachable", quotation.header.destination),
        other => panic!("type and code {other:?}"),
    };
    out.push(format!(
        "{start}{} > {}: ICMP {what}, length {}",
        header.source,
        header.destination,
        payload.len()
    ));
    if !verbose {
        return out;
    }
    out.push(tcpdump_header(&quotation.header));
    out.push(tcpdump_udp(&quotation.header, &quotation.udp().unwrap()));
    let Some(Object::Interface(interface)) = extensions.objects().next() else { panic!("no interface") };
    // These captures are older than RFC 4884: the structure stands behind 128 bytes.
    let structure = &payload[8 + 128..];
    let checksum = u16::from_be_bytes([structure[2], structure[3]]);
    out.push(format!(
        "ICMP Multi-Part extension v2, checksum 0x{checksum:04x} (correct), length {}",
        structure.len()
    ));
    out.extend(tcpdump_interface(&interface));
    out
}

fn tcpdump_header(header: &ip::Header) -> String {
    let flags = if header.dont_fragment { "DF" } else { "none" };
    assert!(!header.later_fragment, "offset 0 is written below");
    let name = match header.protocol {
        protocol::ICMP => "ICMP",
        protocol::UDP => "UDP",
        other => panic!("protocol {other}"),
    };
    format!(
        "IP (tos 0x{:x}, ttl {}, id {}, offset 0, flags [{flags}], proto {name} ({}), length {})",
        header.tos,
        header.ttl,
        header.id.unwrap(),
        header.protocol,
        header.claimed_length
    )
}

fn tcpdump_udp(header: &ip::Header, datagram: &Datagram<'_>) -> String {
    format!(
        "{}.{} > {}.{}: UDP, length {}",
        header.source,
        datagram.source,
        header.destination,
        datagram.destination,
        datagram.length - 8
    )
}

fn tcpdump_interface(interface: &Interface) -> Vec<String> {
    let roles = ["Incoming IP Interface"];
    let (index, address) = (interface.index.unwrap(), interface.address.unwrap());
    let name = interface.name.as_ref().unwrap();
    assert_eq!(interface.mtu, None);
    // The class type says again which parts there are; header, index, address and the name with its length byte.
    let class_type = interface.role << 6 | 0x08 | 0x04 | 0x02;
    let name_length = (name.len() + 1).next_multiple_of(4);
    vec![
        format!(
            "Interface Information Object (2), Class-Type: {class_type}, length {}",
            4 + 4 + 8 + name_length
        ),
        format!("Interface Role: {}", roles[usize::from(interface.role)]),
        format!("Interface Index: {index}"),
        format!("IP Address sub-object: {address}"),
        format!("Interface Name, length {name_length}: {name}"),
    ]
}

/// What the captures' decodes leave out (labels, which tcpdump prints with `-v` only, and captures without a decode
/// beside them), as `tcpdump -vvv` and a hex dump show it.
#[test]
fn captures_of_others_hold_the_hops_and_labels_that_are_in_them() {
    type Hop = (&'static str, (u8, u8), (&'static str, u16), (&'static str, u16), u8, Option<u32>);
    const A: &str = "12.4.4.4";
    const B: &str = "12.1.1.1";
    let mpls: &[Hop] = &[
        ("10.5.0.1", (11, 0), (A, 42315), (B, 33435), 1, Some(100_704)),
        ("10.5.0.1", (11, 0), (A, 42315), (B, 33436), 1, Some(100_704)),
        ("10.5.0.1", (11, 0), (A, 42315), (B, 33437), 1, Some(100_704)),
        ("10.4.0.2", (11, 0), (A, 42315), (B, 33438), 1, Some(102_672)),
        ("10.4.0.2", (11, 0), (A, 42315), (B, 33439), 1, Some(102_672)),
        ("10.4.0.2", (11, 0), (A, 42315), (B, 33440), 1, Some(102_672)),
        ("12.1.1.1", (3, 3), (A, 42315), (B, 33441), 1, None),
        ("12.1.1.1", (3, 3), (A, 42315), (B, 33442), 1, None),
        ("12.1.1.1", (3, 3), (A, 42315), (B, 33443), 1, None),
    ];
    let known: &[(&str, &[Hop])] = &[
        ("mpls-traceroute", mpls),
        ("icmp-rfc5837", &[("10.4.0.2", (11, 0), (A, 42315), (B, 33440), 1, None)]),
        ("icmp-timeexceeded", &[("10.0.0.1", (11, 0), ("10.0.0.2", 30000), ("10.0.0.1", 13000), 64, None)]),
        (
            "icmp6-timeexceeded",
            &[("fe80::dead", (3, 0), ("fe80::beef", 30000), ("fe80::dead", 13000), 64, None)],
        ),
    ];
    let captures = captures();
    for (name, expected) in known {
        let Some(capture) = captures.iter().find(|capture| capture.name == *name) else {
            eprintln!("skipped: no capture {name}");
            continue;
        };
        let mut expected = expected.iter();
        for frame in &capture.frames {
            let (header, payload) = ip::read(&frame.packet).unwrap();
            if !icmp::is_icmp(header.source, header.protocol) {
                continue;
            }
            let Ok(Message::Error { icmp_type, code, quotation, extensions, .. }) =
                icmp::read(&header, payload)
            else {
                panic!("{name}: no error")
            };
            let (from, kind, source, destination, ttl, label) = *expected.next().unwrap();
            let address = |text: &str| text.parse::<IpAddr>().unwrap();
            assert_eq!(header.source, address(from), "{name}");
            assert_eq!((icmp_type, code), kind, "{name}");
            let quoted = quotation.header;
            assert_eq!((quoted.source, quoted.destination), (address(source.0), address(destination.0)));
            assert_eq!(quotation.ports(), Some((source.1, destination.1)), "{name}");
            assert_eq!((quoted.ttl, quoted.protocol), (ttl, protocol::UDP), "{name}");
            let stacks: Vec<_> = extensions
                .objects()
                .filter_map(|object| if let Object::Mpls(stack) = object { Some(stack) } else { None })
                .collect();
            let one = |label| vec![LabelEntry { label, tc: 0, bottom: true, ttl: 1 }];
            assert_eq!(stacks, label.map(one).into_iter().collect::<Vec<_>>(), "{name}");
        }
        assert_eq!(expected.next(), None, "{name}: an error is missing");
    }
}
