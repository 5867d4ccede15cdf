//! Pasted traceroutes as a whole: real output of real programs beside what others read in it, and whole mails.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use lasthop::import;
use lasthop::trace::foreign::{ForeignHop, ForeignReply, ForeignResponder, ForeignTrace};
use lasthop::trace::{Protocol, ReplyKind};
use serde_json::Value;

/// Real files, kept beside the project and not in it.
fn fixtures(test: &str, folder: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures").join(folder);
    let named = std::env::var_os("LASTHOP_FIXTURES").map(|shared| Path::new(&shared).join(folder));
    let found = named.into_iter().chain([beside]).find(|path| path.exists());
    if found.is_none() {
        // Not a tool that could be installed: a checkout alone has none.
        eprintln!("{test}: skipped, no fixtures {folder}");
    }
    found
}

fn with_ending(folder: &Path, start: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with(start) && name.ends_with(ending)
        })
        .collect();
    found.sort();
    found
}

fn all(bytes: &[u8]) -> (Vec<ForeignTrace>, Result<import::Outcome, import::Error>) {
    let mut traces = Vec::new();
    let outcome = import::read(&mut &bytes[..], &mut |trace| {
        traces.push(trace);
        ControlFlow::Continue(())
    });
    (traces, outcome)
}

/// The one trace of a text, without any doubt about it.
fn clean(text: &str) -> ForeignTrace {
    let (mut traces, outcome) = all(text.as_bytes());
    let outcome = outcome.unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!((traces.len(), outcome.findings.as_slice()), (1, [].as_slice()), "{text}");
    let trace = traces.remove(0);
    assert_eq!(trace.findings, [], "{text}");
    trace
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn hop(trace: &ForeignTrace, ttl: u8) -> &ForeignHop {
    trace.hops.iter().find(|hop| hop.ttl == ttl).unwrap_or_else(|| panic!("no hop {ttl}"))
}

fn kinds(one: &ForeignResponder) -> Vec<Option<ReplyKind>> {
    one.replies.iter().map(|reply| reply.kind).collect()
}

/// A reply in a form that both sides of a comparison have: address, name, AS numbers, microseconds, mark.
type Row = (Option<IpAddr>, Option<String>, Vec<u32>, Option<i64>, Option<String>);

fn micros(rtt: Option<f64>) -> Option<i64> {
    rtt.map(|rtt| (rtt * 1000.0).round() as i64)
}

fn rows(hop: &ForeignHop) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for one in &hop.responders {
        for reply in &one.replies {
            let row =
                (one.address, one.name.clone(), one.claims.clone(), micros(reply.rtt_ms), reply.mark.clone());
            rows.push(row);
        }
    }
    rows.sort();
    rows
}

#[test]
fn jc_reads_the_same_in_its_traceroutes() {
    let Some(folder) = fixtures("jc_reads_the_same_in_its_traceroutes", "jc") else { return };
    let files: Vec<PathBuf> = with_ending(&folder, "", ".out")
        .into_iter()
        .filter(|path| path.to_string_lossy().contains("traceroute"))
        .collect();
    assert!(files.len() >= 6, "{files:?}");
    for path in files {
        let trace = clean(&fs::read_to_string(&path).unwrap());
        let parsed: Value = serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
        let at = path.display();
        assert_eq!(trace.address, parsed["destination_ip"].as_str().map(address), "{at}");
        let bare = |name: &str| name.trim_start_matches("http://").to_owned();
        assert_eq!(Some(trace.target.clone()), parsed["destination_name"].as_str().map(bare), "{at}");
        let hops = parsed["hops"].as_array().unwrap();
        assert_eq!(trace.hops.len(), hops.len(), "{at}");
        for (ours, theirs) in trace.hops.iter().zip(hops) {
            assert_eq!(u64::from(ours.ttl), theirs["hop"].as_u64().unwrap(), "{at}");
            let mut expected: Vec<Row> = Vec::new();
            for probe in theirs["probes"].as_array().unwrap() {
                let ip = probe["ip"].as_str().unwrap();
                let name = probe["name"].as_str().filter(|name| *name != ip).map(bare);
                let claims =
                    probe["asn"].as_u64().filter(|asn| *asn != 0).map(|asn| asn as u32).into_iter().collect();
                let mark = probe["annotation"].as_str().map(str::to_owned);
                expected.push((Some(address(ip)), name, claims, micros(probe["rtt"].as_f64()), mark));
            }
            expected.sort();
            assert_eq!(rows(ours), expected, "{at}, hop {}", ours.ttl);
            assert_eq!(ours.answered, Some(expected.len() as u32), "{at}, hop {}", ours.ttl);
            assert_eq!(ours.sent, Some(3), "{at}, hop {}", ours.ttl);
        }
    }
}

/// One row of ntc-templates' `.yml`, by key; lists under their key.
fn templates(text: &str) -> Vec<BTreeMap<String, Vec<String>>> {
    let mut rows: Vec<BTreeMap<String, Vec<String>>> = Vec::new();
    let mut key = String::new();
    let mut lines = text.lines().skip(2).peekable();
    while let Some(line) = lines.next() {
        let mut line = line.to_owned();
        // A quoted text that goes on after a backslash.
        while line.ends_with('\\') {
            line.pop();
            line.push_str(lines.next().unwrap().trim_start().trim_start_matches('\\'));
        }
        let value = |text: &str| text.trim().trim_matches('"').to_owned();
        if let Some(item) = line.strip_prefix("      - ") {
            rows.last_mut().unwrap().get_mut(&key).unwrap().push(value(item));
            continue;
        }
        if line.starts_with("  - ") {
            rows.push(BTreeMap::new());
        }
        let (name, rest) = line[4..].split_once(':').unwrap();
        name.clone_into(&mut key);
        let list = if rest.trim().is_empty() { Vec::new() } else { vec![value(rest)] };
        rows.last_mut().unwrap().insert(key.clone(), list);
    }
    rows
}

#[test]
fn ntc_templates_read_the_same_of_cisco() {
    let Some(folder) = fixtures("ntc_templates_read_the_same_of_cisco", "ntc-templates") else { return };
    let files = with_ending(&folder, "cisco", ".raw");
    assert_eq!(files.len(), 3);
    for path in files {
        let trace = clean(&fs::read_to_string(&path).unwrap());
        let at = path.display();
        assert_eq!((trace.origin.format, trace.origin.dialect.as_str()), ("cisco", "ios"), "{at}");
        let mut expected: BTreeMap<u8, (Vec<Row>, u32)> = BTreeMap::new();
        for row in templates(&fs::read_to_string(path.with_extension("yml")).unwrap()) {
            let (rows, sent) = expected.entry(row["hop_num"][0].parse().unwrap()).or_default();
            for cell in &row["rtt_response"] {
                *sent += 1;
                let ip = &row["ip_address"][0];
                let name = Some(row["fqdn"][0].clone()).filter(|name| !name.is_empty());
                let rtt = cell.parse::<i64>().ok().map(|ms| ms * 1000);
                let mark = cell.starts_with('!').then(|| cell.clone());
                if cell != "*" {
                    rows.push((Some(address(ip)), name, vec![], rtt, mark));
                }
            }
        }
        assert_eq!(trace.hops.len(), expected.len(), "{at}");
        for ours in &trace.hops {
            let (theirs, sent) = expected.get_mut(&ours.ttl).unwrap();
            theirs.sort();
            assert_eq!(rows(ours), *theirs, "{at}, hop {}", ours.ttl);
            assert_eq!(
                (ours.sent, ours.answered),
                (Some(*sent), Some(theirs.len() as u32)),
                "{at}, hop {}",
                ours.ttl
            );
        }
    }
}

#[test]
fn ntc_templates_read_the_same_of_fortinet() {
    let Some(folder) = fixtures("ntc_templates_read_the_same_of_fortinet", "ntc-templates") else { return };
    for path in with_ending(&folder, "fortinet", ".raw") {
        let trace = clean(&fs::read_to_string(&path).unwrap());
        assert_eq!(trace.origin.format, "fortinet");
        let expected = templates(&fs::read_to_string(path.with_extension("yml")).unwrap());
        assert_eq!(trace.address, Some(address(&expected[0]["destination_address"][0])));
        assert_eq!(trace.hops.len(), expected.len());
        for (ours, theirs) in trace.hops.iter().zip(&expected) {
            assert_eq!(ours.ttl.to_string(), theirs["hop_num"][0]);
            assert_eq!(ours.responders[0].address, Some(address(&theirs["address"][0])));
            let cells: Vec<&str> =
                theirs["details"][0].split_whitespace().filter(|cell| *cell != "ms").collect();
            let times: Vec<f64> = cells.iter().filter_map(|cell| cell.parse().ok()).collect();
            let ours_times: Vec<f64> =
                ours.responders[0].replies.iter().filter_map(|reply| reply.rtt_ms).collect();
            assert_eq!(ours_times, times);
            assert_eq!(ours.sent, Some(cells.len() as u32));
        }
    }
}

#[test]
fn globalping_reads_the_same_of_its_probes_output() {
    let Some(folder) = fixtures("globalping_reads_the_same_of_its_probes_output", "globalping") else {
        return;
    };
    let file = folder.join("trace-success-linux.json");
    let parsed: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let raw = parsed["result"]["rawOutput"].as_str().unwrap();
    for text in [raw.to_owned(), fs::read_to_string(file.with_extension("txt")).unwrap()] {
        let trace = clean(&text);
        assert_eq!((trace.origin.format, trace.origin.dialect.as_str()), ("traceroute", "linux"));
        assert_eq!(trace.address, parsed["result"]["resolvedAddress"].as_str().map(address));
        let hops = parsed["result"]["hops"].as_array().unwrap();
        assert_eq!(trace.hops.len(), hops.len());
        for ((ours, theirs), ttl) in trace.hops.iter().zip(hops).zip(1..) {
            assert_eq!(ours.ttl, ttl);
            let ip = theirs["resolvedAddress"].as_str();
            assert_eq!(ours.responders.first().and_then(|one| one.address), ip.map(address));
            // The first hop's name is the probe's own business.
            if ttl > 1 {
                let name = theirs["resolvedHostname"].as_str().filter(|name| Some(*name) != ip);
                assert_eq!(ours.responders.first().and_then(|one| one.name.as_deref()), name);
            }
            let times: Vec<Option<f64>> =
                theirs["timings"].as_array().unwrap().iter().map(|timing| timing["rtt"].as_f64()).collect();
            let replies: Vec<&ForeignReply> = ours.responders.iter().flat_map(|one| &one.replies).collect();
            assert_eq!(replies.iter().map(|reply| reply.rtt_ms).collect::<Vec<_>>(), times);
            assert_eq!((ours.sent, ours.answered), (Some(2), Some(times.len() as u32)));
        }
    }
}

#[test]
fn genies_routers() {
    let Some(folder) = fixtures("genies_routers", "genie") else { return };
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();

    let trace = clean(&text("iosxe_Traceroute_golden_output1_output.txt"));
    assert_eq!((trace.target.as_str(), trace.protocol), ("172.16.166.253", Some(Protocol::Udp)));
    assert_eq!(trace.hops.len(), 9);
    let first = &hop(&trace, 1).responders[0];
    assert_eq!(first.mpls.iter().map(|label| label.label).collect::<Vec<_>>(), [624]);
    assert_eq!(
        first.replies.iter().map(|reply| reply.rtt_ms).collect::<Vec<_>>(),
        [Some(70.0), Some(200.0), Some(19.0)]
    );
    let last = hop(&trace, 9);
    assert_eq!((last.responders[0].address, last.sent), (Some(address("10.2.1.2")), None));
    assert_eq!(trace.origin.lines, Some((3, 13)));

    let (traces, outcome) = all(text("iosxe_Traceroute_golden_output2_output.txt").as_bytes());
    assert!(traces.is_empty());
    let error = outcome.unwrap_err();
    assert!(matches!(error.problem, import::Problem::Refused(_)), "{error}");
    assert_eq!(error.line, Some(2));

    let trace = clean(&text("iosxe_Traceroute_golden_output3_output.txt"));
    assert_eq!((trace.target.as_str(), trace.address), ("www.xyz.com", Some(address("10.4.1.1"))));
    assert_eq!((hop(&trace, 1).sent, hop(&trace, 1).answered), (Some(3), Some(2)));

    let trace = clean(&text("iosxr_Traceroute_golden_output_output.txt"));
    assert_eq!(trace.origin.dialect, "iosxr");
    assert_eq!(hop(&trace, 1).responders[0].mpls[0].label, 11111);
    assert_eq!((hop(&trace, 2).sent, hop(&trace, 2).answered), (Some(3), Some(2)));
    assert_eq!(trace.origin.lines, Some((6, 9)));

    let trace = clean(&text("junos_TracerouteNoResolve_golden_output_output.txt"));
    assert_eq!((trace.origin.format, trace.target.as_str()), ("junos", "example.local"));
    assert_eq!(trace.protocol, Some(Protocol::Udp));
    let first = &hop(&trace, 1).responders[0];
    assert_eq!((first.name.as_deref(), first.address), (Some("r1"), Some(address("10.145.0.2"))));
    assert!(trace.arrived().0);
}

/// A line of the laboratory's numeric output, read word by word: the hop, and what each probe drew.
fn words(line: &str) -> Option<(u8, Vec<Row>, u32)> {
    let mut words = line.split_whitespace().peekable();
    let ttl = words.next()?.parse().ok()?;
    let (mut rows, mut sent, mut who): (Vec<Row>, u32, Option<IpAddr>) = (Vec::new(), 0, None);
    while let Some(word) = words.next() {
        if let Ok(address) = word.parse() {
            who = Some(address);
        } else if word == "*" {
            sent += 1;
        } else if word.starts_with('!') {
            rows.last_mut().unwrap().4 = Some(word.to_owned());
        } else if let Ok(rtt) = word.trim_end_matches("ms").parse() {
            sent += 1;
            words.next_if_eq(&"ms");
            rows.push((who, None, vec![], micros(Some(rtt)), None));
        } else {
            assert!(word.starts_with(['F', '<', '\'']), "{word}");
        }
    }
    rows.sort();
    Some((ttl, rows, sent))
}

#[test]
fn the_laboratorys_traceroutes_field_by_field() {
    const UNREACHABLE: fn(u8) -> Option<ReplyKind> =
        |code| Some(ReplyKind::Unreachable { icmp_type: 3, code });
    let Some(folder) = fixtures("the_laboratorys_traceroutes_field_by_field", "lab-tools") else { return };
    let (udp, icmp, tcp) = (Protocol::Udp, Protocol::Icmp, Protocol::Tcp);
    // What the command asked for, and how it ended: where the destination answered, what its last hop said.
    type Meaning = (&'static str, Protocol, Option<u16>, Option<u8>, Option<ReplyKind>);
    let meant: [Meaning; 17] = [
        ("inetutils_icmp", icmp, None, Some(6), None),
        ("inetutils_udp", udp, None, Some(6), None),
        ("traceroute_arpfail4", udp, None, None, Some(ReplyKind::TimeExceeded)),
        ("traceroute_back", udp, None, Some(6), None),
        ("traceroute_blackhole4", udp, None, None, Some(ReplyKind::TimeExceeded)),
        ("traceroute_icmp4", icmp, None, Some(6), None),
        ("traceroute_icmp6", icmp, None, Some(6), None),
        ("traceroute_mtu4", udp, None, Some(6), None),
        ("traceroute_prohibit4", udp, None, None, UNREACHABLE(13)),
        ("traceroute_tcp443", tcp, Some(443), Some(6), Some(ReplyKind::SynAck)),
        ("traceroute_tcp6", tcp, Some(443), Some(6), None),
        ("traceroute_tcp81_prohibited", tcp, Some(81), None, UNREACHABLE(13)),
        ("traceroute_tcp82_drop", tcp, Some(82), None, Some(ReplyKind::TimeExceeded)),
        ("traceroute_tcp83_rst", tcp, Some(83), Some(5), Some(ReplyKind::Rst)),
        ("traceroute_udp4", udp, None, Some(6), None),
        ("traceroute_udp6", udp, None, Some(6), None),
        ("traceroute_unreach4", udp, None, None, UNREACHABLE(1)),
    ];
    let there =
        with_ending(&folder, "inetutils", ".out").len() + with_ending(&folder, "traceroute_", ".out").len();
    assert_eq!(there, meant.len());
    for (name, protocol, port, reached, last) in meant {
        let text = fs::read_to_string(folder.join(format!("{name}.out"))).unwrap();
        let command = fs::read_to_string(folder.join(format!("{name}.cmd"))).unwrap();
        let command = command.lines().next().unwrap();
        let alone = clean(&text);
        let trace = clean(&format!("user@host:~$ {command}\n{text}"));
        assert_eq!((trace.protocol, trace.port), (Some(protocol), port), "{name}");
        assert_eq!(trace.hops, alone.hops, "{name}");
        let target = command.split(' ').next_back().unwrap();
        assert_eq!((trace.target.as_str(), trace.address), (target, Some(address(target))), "{name}");
        let dialect = if name.starts_with("inetutils") { "inetutils" } else { "linux" };
        assert_eq!((trace.origin.format, trace.origin.dialect.as_str()), ("traceroute", dialect), "{name}");
        assert_eq!(trace.arrived(), (reached.is_some(), reached), "{name}");
        let answered = trace.hops.iter().rev().find(|hop| hop.answered > Some(0)).unwrap();
        assert_eq!(kinds(&answered.responders[0])[0], last, "{name}");
        let read: Vec<(u8, Vec<Row>, u32)> = text.lines().skip(1).filter_map(words).collect();
        assert_eq!(trace.hops.len(), read.len(), "{name}");
        for (ours, (ttl, expected, sent)) in trace.hops.iter().zip(read) {
            assert_eq!((ours.ttl, ours.sent), (ttl, Some(sent)), "{name}");
            assert_eq!(
                (rows(ours), ours.answered),
                (expected.clone(), Some(expected.len() as u32)),
                "{name}, hop {ttl}"
            );
        }
    }
}

#[test]
fn the_laboratorys_scamper_writes_several_traces_a_file() {
    let Some(folder) = fixtures("the_laboratorys_scamper_writes_several_traces_a_file", "lab-tools") else {
        return;
    };
    let files = with_ending(&folder, "scamper_", ".txt");
    for path in files.iter().filter(|path| !path.to_string_lossy().contains("mda")) {
        let text = fs::read_to_string(path).unwrap();
        let (traces, outcome) = all(text.as_bytes());
        assert_eq!(outcome.unwrap().findings, []);
        assert_eq!(traces.len(), text.matches("traceroute from").count());
        for trace in &traces {
            assert_eq!(trace.findings, []);
            let (first, last) = trace.origin.lines.unwrap();
            let lines: Vec<&str> =
                text.lines().skip(first as usize - 1).take((last - first) as usize + 1).collect();
            assert_eq!(lines.len() - 1, trace.hops.len(), "{lines:?}");
            assert!(lines[0].contains(&format!("to {}", trace.target)), "{}", lines[0]);
            if text.contains("[closed]") && lines.iter().any(|line| line.contains("[closed]")) {
                assert_eq!(trace.protocol, Some(Protocol::Tcp));
                assert_eq!(kinds(&trace.hops.last().unwrap().responders[0]), [Some(ReplyKind::Rst)]);
            }
        }
    }
}

#[test]
fn the_storys_mail_with_names_hidden_and_as_numbers_shown() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import/story-cisco.txt");
    let text = fs::read_to_string(file).unwrap();
    let (traces, outcome) = all(text.as_bytes());
    assert_eq!(outcome.unwrap().findings, []);
    // The same in every encoding that a Russian mail comes in.
    for encoding in [encoding_rs::IBM866, encoding_rs::WINDOWS_1251] {
        assert_eq!(all(&encoding.encode(&text).0).0, traces, "{}", encoding.name());
    }
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(all(&[&[0xff, 0xfe], wide.as_slice()].concat()).0, traces);
    assert_eq!(traces.len(), 2);
    let [lost, reached] = traces.as_slice() else { unreachable!() };
    for trace in &traces {
        assert_eq!(trace.findings, []);
        assert_eq!((trace.origin.format, trace.origin.dialect.as_str()), ("cisco", "ios"));
    }
    assert_eq!((lost.target.as_str(), lost.address), ("mx1.example.net", Some(address("192.0.2.100"))));
    assert_eq!((lost.origin.lines, reached.origin.lines), (Some((7, 15)), Some((21, 27))));
    let claims = |trace: &ForeignTrace| -> Vec<Vec<u32>> {
        trace
            .hops
            .iter()
            .map(|hop| hop.responders.iter().flat_map(|one| one.claims.clone()).collect())
            .collect()
    };
    let none = Vec::<u32>::new();
    assert_eq!(
        claims(lost),
        [none.clone(), vec![57681], vec![8359], vec![8359, 22822], none.clone(), none.clone()]
    );
    assert_eq!(claims(reached), [none, vec![57681], vec![8359], vec![22822], vec![19905]]);
    let third = &hop(lost, 3).responders[0];
    assert_eq!(
        (third.address, third.name.as_deref(), third.replies.len()),
        (None, Some("core1.example.org"), 2)
    );
    let fourth = hop(lost, 4);
    assert_eq!((fourth.responders.len(), fourth.sent, fourth.answered), (2, Some(3), Some(3)));
    assert_eq!(fourth.responders[0].mpls.iter().map(|label| label.label).collect::<Vec<_>>(), [16052, 24001]);
    assert_eq!(lost.arrived(), (false, None));
    assert_eq!(reached.arrived(), (true, Some(5)));
}

#[test]
fn a_text_twice_as_long_takes_no_more_than_its_share() {
    // Shapes that a careless reader takes quadratic time for.
    let hops: String =
        (0..40_000).map(|at| format!(" {}  192.0.2.{}  1.5 ms  * 2 ms\n", at % 30 + 1, at % 250)).collect();
    let shapes = [
        hops,
        "<!--".repeat(400_000),
        "<pre ".repeat(300_000),
        " 1 [[[[((((<<<<".repeat(100_000),
        "traceroute to 192.0.2.1 (192.0.2.1), 30 hops max\n".repeat(40_000),
        " 1  *\n".repeat(200_000),
        "\u{1b}]".repeat(500_000),
    ];
    let time = |text: &str| {
        let began = std::time::Instant::now();
        let _ = all(text.as_bytes());
        began.elapsed()
    };
    for shape in shapes {
        let half = shape.floor_char_boundary(shape.len() / 2);
        let (short, long) = (time(&shape[..half]), time(&shape));
        let start: String = shape.chars().take(20).collect();
        eprintln!("{start:?}: {} bytes in {long:?}, half of them in {short:?}", shape.len());
        // Room for a busy machine: quadratic time would be a hundred times that.
        assert!(long.as_secs_f64() < 20.0, "{start:?}: {long:?}");
        assert!(long < short * 3 + std::time::Duration::from_secs(1), "{start:?}: {short:?}, then {long:?}");
    }
}
