//! Files of real programs, field by field: against their own other forms, and against a plain reading of their JSON.
//!
//! `tests/data/import` has what scamper and nmap wrote of one small network: a balanced core, a router that keeps silent
//! (hop 5), hosts that answer, are unreachable, and vanish. Files of others are read where they are at hand.

use std::fs;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use lasthop::import::{self, Error, Outcome, Problem};
use lasthop::trace::foreign::{ForeignHop, ForeignTrace};
use lasthop::trace::{Protocol, ReplyKind};
use serde_json::Value;

fn ours(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of others, if it is at hand: a test without it passes and says so.
fn others(name: &str) -> Option<Vec<u8>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures").join(name);
    let shared = std::env::var_os("LASTHOP_FIXTURES").map(|folder| PathBuf::from(folder).join(name));
    let found = shared.into_iter().chain([beside]).find_map(|path| fs::read(path).ok());
    if found.is_none() {
        eprintln!("skipped: {name} is not at hand");
    }
    found
}

fn read(bytes: &[u8]) -> Result<(Vec<ForeignTrace>, Outcome), Error> {
    let mut traces = Vec::new();
    let outcome = import::read(&mut &bytes[..], &mut |trace| {
        traces.push(trace);
        ControlFlow::Continue(())
    })?;
    Ok((traces, outcome))
}

fn traces(bytes: &[u8]) -> Vec<ForeignTrace> {
    let (traces, outcome) = read(bytes).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((outcome.traces, outcome.findings), (traces.len() as u64, vec![]));
    traces
}

const METHODS: [(&str, Protocol); 6] = [
    ("icmp", Protocol::Icmp),
    ("icmp-paris", Protocol::Icmp),
    ("udp", Protocol::Udp),
    ("udp-paris", Protocol::Udp),
    ("tcp", Protocol::Tcp),
    ("tcp-ack", Protocol::Tcp),
];

/// Without what differs between two forms of one file.
fn bare(mut trace: ForeignTrace) -> ForeignTrace {
    trace.origin = lasthop::trace::foreign::Provenance::default();
    trace.findings.iter_mut().for_each(|finding| finding.line = None);
    trace
}

#[test]
fn warts_and_json_of_one_measurement_are_the_same() {
    for (name, protocol) in METHODS {
        let binary = traces(&ours(&format!("scamper_{name}.warts")));
        let json = traces(&ours(&format!("scamper_{name}.json")));
        assert_eq!(binary.len(), 4, "{name}");
        assert!(
            binary.iter().all(|trace| trace.origin.dialect == "warts" && trace.protocol == Some(protocol))
        );
        assert!(json.iter().all(|trace| trace.origin.dialect == "json" && trace.hops.len() >= 6));
        for (one, other) in binary.into_iter().zip(json) {
            assert_eq!(bare(one), bare(other), "{name}");
        }
    }
    let (binary, json) = (traces(&ours("scamper_pmtud.warts")), traces(&ours("scamper_pmtud.json")));
    let (mut one, mut other) = (bare(binary[0].clone()), bare(json[0].clone()));
    // The clock was set back under its first probe, and the file has the difference as a time of 71 minutes.
    assert_eq!(one.hops[0].responders[0].replies[0].rtt_ms, None);
    let told = |trace: &mut ForeignTrace, words: &str| {
        let before = trace.findings.len();
        trace.findings.retain(|finding| !finding.text.contains(words));
        assert_eq!(before, trace.findings.len() + 1, "{words}: {:?}", trace.findings);
    };
    told(&mut one, "hop 1: a time that cannot be");
    told(&mut other, "hop 1: a time that cannot be");
    told(&mut one, "path's MTU");
    assert_eq!(one, other);
}

#[test]
fn scampers_json_is_kept_value_by_value() {
    for (name, _) in METHODS {
        let bytes = ours(&format!("scamper_{name}.json"));
        let lines = String::from_utf8(bytes.clone()).unwrap();
        let values = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let values: Vec<Value> = values.filter(|value| value["type"] == "trace").collect();
        let read = traces(&bytes);
        assert_eq!(values.len(), read.len());
        for (value, trace) in values.iter().zip(&read) {
            assert_eq!(trace.target, value["dst"].as_str().unwrap());
            assert_eq!(trace.vantage.source.unwrap().to_string(), value["src"].as_str().unwrap());
            assert_eq!(trace.vantage.label.as_deref(), Some("vm"));
            assert_eq!(trace.size.map(u64::from), value["probe_size"].as_u64());
            let began = value["start"]["sec"].as_i64().unwrap() * 1_000_000
                + value["start"]["usec"].as_i64().unwrap();
            assert_eq!(trace.started_at, Some(began * 1000));
            let sent: u32 = trace.hops.iter().map(|hop| hop.sent.unwrap()).sum();
            assert_eq!(u64::from(sent), value["probe_count"].as_u64().unwrap(), "{name} {}", trace.target);
            assert_eq!(trace.hops.len() as u64, value["hop_count"].as_u64().unwrap());
            assert_eq!(trace.reached, Some(value["stop_reason"] == "COMPLETED"));
            assert_eq!(trace.arrived().0, value["stop_reason"] == "COMPLETED", "{name} {}", trace.target);
            // Where nobody answered there is no list.
            let hops = value["hops"].as_array().map_or(&[][..], Vec::as_slice);
            let replies =
                trace.hops.iter().flat_map(|hop| hop.responders.iter().map(move |one| (hop.ttl, one)));
            let replies: Vec<_> = replies
                .flat_map(|(ttl, one)| one.replies.iter().map(move |reply| (ttl, one, reply)))
                .collect();
            assert_eq!(replies.len(), hops.len());
            for (value, (ttl, one, reply)) in hops.iter().zip(replies) {
                assert_eq!(u64::from(ttl), value["probe_ttl"].as_u64().unwrap());
                assert_eq!(one.address.unwrap().to_string(), value["addr"].as_str().unwrap());
                assert_eq!(reply.rtt_ms, value["rtt"].as_f64());
                assert_eq!(reply.reply_ttl.map(u64::from), value["reply_ttl"].as_u64());
                assert_eq!(reply.quoted_ttl.map(u64::from), value["icmp_q_ttl"].as_u64());
                let six = one.address.unwrap().is_ipv6();
                let kind = match (value["icmp_type"].as_u64(), value["icmp_code"].as_u64()) {
                    (Some(11), _) if !six => ReplyKind::TimeExceeded,
                    (Some(3), _) if six => ReplyKind::TimeExceeded,
                    (Some(0 | 129), _) => ReplyKind::EchoReply,
                    (Some(kind), Some(code)) => {
                        ReplyKind::Unreachable { icmp_type: kind as u8, code: code as u8 }
                    }
                    _ => ReplyKind::Rst,
                };
                assert_eq!(reply.kind, Some(kind), "{name} {}", trace.target);
            }
        }
    }
}

#[test]
fn scampers_text_has_the_same_hops_and_times() {
    for (name, _) in METHODS {
        let text = traces(&ours(&format!("scamper_{name}.txt")));
        let json = traces(&ours(&format!("scamper_{name}.json")));
        assert_eq!(text.len(), 4, "{name}");
        for (text, json) in text.iter().zip(&json) {
            assert_eq!(
                (text.address, text.vantage.source, text.reached),
                (json.address, json.vantage.source, json.reached)
            );
            assert_eq!(text.hops.len(), json.hops.len());
            for (one, other) in text.hops.iter().zip(&json.hops) {
                assert_eq!((one.ttl, one.answered, one.sent), (other.ttl, other.answered, None));
                for (one, other) in one.responders.iter().zip(&other.responders) {
                    assert_eq!((one.address, one.replies.len()), (other.address, other.replies.len()));
                    assert_eq!(one.replies[0].rtt_ms, other.replies[0].rtt_ms);
                    let (kind, known) = (one.replies[0].kind, other.replies[0].kind);
                    // Of the target the text tells no kind but what is marked.
                    assert!(
                        kind == known || (kind.is_none() && one.address == text.address),
                        "{kind:?} {known:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn pings_and_balanced_paths_are_told_apart() {
    for name in ["scamper_ping.warts", "scamper_ping.json"] {
        let error = read(&ours(name)).unwrap_err();
        assert!(error.to_string().contains("ping"), "{error}");
    }
    let error = read(&ours("scamper_mda.warts")).unwrap_err();
    assert!(error.to_string().contains("tracelb"), "{error}");
    let mda = traces(&ours("scamper_mda.json"));
    let routers: Vec<(u8, usize)> = mda[0].hops.iter().map(|hop| (hop.ttl, hop.responders.len())).collect();
    assert_eq!(routers, [(1, 1), (2, 1), (3, 2), (4, 2), (6, 1)]);
    let replies =
        mda[0].hops.iter().flat_map(|hop| &hop.responders).map(|one| one.replies.len()).sum::<usize>();
    assert_eq!(replies, String::from_utf8(ours("scamper_mda.json")).unwrap().matches("\"rtt\":").count());
    assert_eq!(mda[0].arrived(), (true, Some(6)));
}

#[test]
fn nmap_says_the_same_in_both_forms() {
    let [xml, text] = ["nmap_xml.out", "nmap_txt.out"].map(|name| traces(&ours(name)).remove(0));
    for trace in [&xml, &text] {
        assert_eq!(
            (trace.address, trace.protocol, trace.port),
            ("203.0.113.2".parse().ok(), Some(Protocol::Tcp), Some(443))
        );
        assert_eq!(trace.arrived(), (true, Some(6)));
        let answers: Vec<_> = trace.hops.iter().map(|hop| (hop.ttl, hop.answered)).collect();
        assert_eq!(
            answers,
            [(1, Some(1)), (2, Some(1)), (3, Some(1)), (4, Some(1)), (5, Some(0)), (6, Some(1))]
        );
    }
    assert_eq!(
        (xml.started_at, xml.origin.version.as_deref()),
        (Some(1_795_280_812_000_000_000), Some("7.93"))
    );
}

#[test]
fn an_archive_of_atlas_is_kept_value_by_value() {
    let Some(bytes) = others("atlas/pantrace_atlas.jsonl") else { return };
    let text = String::from_utf8(bytes.clone()).unwrap();
    let read = traces(&bytes);
    let values: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(values.len(), read.len());
    for ((value, trace), line) in values.iter().zip(&read).zip(1..) {
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        let number = |key: &str| value[key].as_u64().unwrap();
        assert_eq!(trace.origin.lines, Some((line, line)));
        assert_eq!(trace.target, text("dst_name"));
        assert_eq!(trace.address, text("dst_addr").parse().ok());
        assert_eq!(trace.vantage.source, text("src_addr").parse().ok());
        assert_eq!(trace.vantage.public, text("from").parse().ok());
        assert_eq!(trace.vantage.probe, Some(number("prb_id")));
        assert_eq!(trace.vantage.measurement, Some(number("msm_id").to_string()));
        assert_eq!(trace.started_at, Some(number("timestamp") as i64 * 1_000_000_000));
        assert_eq!(trace.ended_at, Some(number("endtime") as i64 * 1_000_000_000));
        assert_eq!(trace.size.map(u64::from), Some(number("size") + 28));
        let hops: Vec<&Value> =
            value["result"].as_array().unwrap().iter().filter(|hop| hop["hop"] != 255).collect();
        assert_eq!(hops.len(), trace.hops.len());
        let ditched = value["result"].as_array().unwrap().len() > hops.len();
        assert_eq!(trace.findings.iter().any(|one| one.text.contains("TTL 255")), ditched);
        let arrives = hops
            .iter()
            .any(|hop| hop["result"].as_array().unwrap().iter().any(|one| one["from"] == value["dst_addr"]));
        assert_eq!(trace.arrived().0, arrives);
        for (value, hop) in hops.iter().zip(&trace.hops) {
            same_hop(value, hop);
        }
    }
}

fn same_hop(value: &Value, hop: &ForeignHop) {
    let items = value["result"].as_array().unwrap();
    let answers: Vec<&Value> = items.iter().filter(|item| item["from"].is_string()).collect();
    assert_eq!(u64::from(hop.ttl), value["hop"].as_u64().unwrap());
    assert_eq!((hop.sent, hop.answered), (Some(items.len() as u32), Some(answers.len() as u32)));
    for one in &hop.responders {
        let address: IpAddr = one.address.unwrap();
        let own: Vec<_> = answers.iter().filter(|item| item["from"] == address.to_string()).collect();
        assert_eq!(own.len(), one.replies.len());
        for (value, reply) in own.iter().zip(&one.replies) {
            assert_eq!(reply.rtt_ms, value["rtt"].as_f64());
            assert_eq!(reply.reply_ttl.map(u64::from), value["ttl"].as_u64());
        }
    }
    assert_eq!(hop.responders.iter().map(|one| one.replies.len()).sum::<usize>(), answers.len());
}

#[test]
fn what_a_globalping_probe_sends_is_read() {
    let Some(bytes) = others("globalping/ipv6-mtr-success-raw.json") else { return };
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let trace = traces(&bytes).remove(0);
    assert_eq!(
        (trace.origin.dialect.as_str(), trace.vantage.measurement.as_deref()),
        ("mtr", Some("measurement"))
    );
    let rows = value["result"]["hops"].as_array().unwrap();
    assert_eq!(rows.len(), trace.hops.len());
    for ((row, hop), ttl) in rows.iter().zip(&trace.hops).zip(1..) {
        let one = &hop.responders[0];
        assert_eq!((hop.ttl, hop.sent.map(u64::from)), (ttl, row["stats"]["total"].as_u64()));
        assert_eq!(hop.answered.map(u64::from), row["stats"]["rcv"].as_u64());
        assert_eq!(one.address.map(|one| one.to_string()).as_deref(), row["resolvedAddress"].as_str());
        let claims: Vec<u64> = row["asn"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
        assert_eq!(one.claims.iter().map(|asn| u64::from(*asn)).collect::<Vec<_>>(), claims);
        let times: Vec<f64> =
            row["timings"].as_array().unwrap().iter().filter_map(|one| one["rtt"].as_f64()).collect();
        assert_eq!(one.replies.iter().filter_map(|reply| reply.rtt_ms).collect::<Vec<_>>(), times);
    }
    assert!(trace.findings.iter().any(|one| one.text.contains("no hop numbers")));

    let Some(bytes) = others("globalping/trace-success-linux.json") else { return };
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let trace = traces(&bytes).remove(0);
    let rows = value["result"]["hops"].as_array().unwrap();
    assert_eq!(rows.len(), trace.hops.len());
    for (row, hop) in rows.iter().zip(&trace.hops) {
        let times: Vec<f64> =
            row["timings"].as_array().unwrap().iter().filter_map(|one| one["rtt"].as_f64()).collect();
        let read = hop.responders.iter().flat_map(|one| &one.replies).filter_map(|reply| reply.rtt_ms);
        assert_eq!((hop.sent, read.collect::<Vec<_>>()), (Some(2), times));
        let who = hop.responders.first().and_then(|one| one.address).map(|one| one.to_string());
        assert_eq!(who.as_deref(), row["resolvedAddress"].as_str());
    }
}

#[test]
fn real_files_cut_anywhere_or_repeated_are_minded() {
    for name in [
        "scamper_udp.warts",
        "scamper_mda.warts",
        "scamper_tcp.json",
        "scamper_icmp.txt",
        "nmap_xml.out",
        "nmap_txt.out",
    ] {
        let bytes = ours(name);
        let whole = read(&bytes).map_or(0, |(traces, _)| traces.len());
        for length in (0..bytes.len()).step_by(1 + bytes.len() / 700) {
            match read(&bytes[..length]) {
                Ok((traces, _)) => assert!(traces.len() <= whole.max(1), "{name} cut at {length}"),
                Err(error) => {
                    assert!(!matches!(error.problem, Problem::Reading(_)), "{name} cut at {length}: {error}")
                }
            }
        }
        let twice = [&bytes[..], &bytes[..]].concat();
        if !name.starts_with("nmap_xml") {
            assert_eq!(read(&twice).map_or(0, |(traces, _)| traces.len()), whole * 2, "{name}");
        }
    }
}
