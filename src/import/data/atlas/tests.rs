use std::net::IpAddr;
use std::ops::ControlFlow;

use super::build::unfolded;
use super::read;
use crate::import::{Error, Outcome, Problem};
use crate::trace::foreign::{ForeignHop, ForeignTrace};
use crate::trace::{MplsLabel, Protocol, ReplyKind};

fn all(text: &str) -> Result<(Vec<ForeignTrace>, Outcome), Error> {
    let mut traces = Vec::new();
    let outcome = read(&mut text.as_bytes(), &mut |trace| {
        traces.push(trace);
        ControlFlow::Continue(())
    })?;
    Ok((traces, outcome))
}

/// The trace of a result with these hops.
fn result(protocol: &str, hops: &str) -> ForeignTrace {
    let (target, source) =
        if hops.contains("2001:") { ("2001:db8::9", "2001:db8:1::1") } else { ("203.0.113.9", "10.0.0.7") };
    let text = format!(
        r#"{{"fw":5080,"mver":"2.2.1","lts":12,"dst_name":"www.example.net","dst_addr":"{target}","src_addr":"{source}",
        "from":"198.51.100.77","proto":"{protocol}","af":4,"size":48,"paris_id":3,"endtime":1735689605,"timestamp":1735689600,
        "msm_id":90000001,"prb_id":1001,"type":"traceroute","result":[{hops}]}}"#
    );
    let (mut traces, outcome) = all(&text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((traces.len(), outcome.traces, outcome.findings), (1, 1, vec![]));
    traces.remove(0)
}

fn ip(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

fn told(trace: &ForeignTrace, words: &str) -> bool {
    trace.findings.iter().any(|finding| finding.text.contains(words))
}

fn counts(trace: &ForeignTrace) -> Vec<(u8, Option<u32>, Option<u32>)> {
    trace.hops.iter().map(|hop| (hop.ttl, hop.sent, hop.answered)).collect()
}

fn kinds(hop: &ForeignHop) -> Vec<Option<ReplyKind>> {
    hop.responders.iter().flat_map(|one| &one.replies).map(|reply| reply.kind).collect()
}

fn unreachable(icmp_type: u8, code: u8) -> Option<ReplyKind> {
    Some(ReplyKind::Unreachable { icmp_type, code })
}

const ROUTER: &str = r#"{"hop":1,"result":[{"from":"192.0.2.1","ttl":64,"size":68,"rtt":0.512},{"x":"*"},{"from":"192.0.2.1","ttl":64,"size":68,"rtt":2.7829999999999999}]}"#;

#[test]
fn a_result_is_read() {
    let trace = result(
        "ICMP",
        &format!(r#"{ROUTER},{{"hop":2,"result":[{{"from":"203.0.113.9","ttl":60,"size":48,"rtt":9.5}}]}}"#),
    );
    assert_eq!((trace.origin.format, trace.origin.version.as_deref()), ("atlas", Some("5080")));
    assert_eq!(trace.origin.lines, Some((1, 3)));
    assert_eq!((trace.target.as_str(), trace.address), ("www.example.net", ip("203.0.113.9")));
    assert_eq!((trace.protocol, trace.port, trace.size), (Some(Protocol::Icmp), None, Some(76)));
    assert_eq!(trace.started_at, Some(1_735_689_600_000_000_000));
    assert_eq!(trace.ended_at, Some(1_735_689_605_000_000_000));
    let vantage = &trace.vantage;
    assert_eq!((vantage.source, vantage.public), (ip("10.0.0.7"), ip("198.51.100.77")));
    assert_eq!(
        (vantage.probe, vantage.measurement.as_deref(), vantage.asn),
        (Some(1001), Some("90000001"), None)
    );
    assert_eq!(counts(&trace), [(1, Some(3), Some(2)), (2, Some(1), Some(1))]);
    let router = &trace.hops[0].responders[0];
    assert_eq!((router.address, router.replies.len()), (ip("192.0.2.1"), 2));
    assert_eq!((router.replies[0].rtt_ms, router.replies[1].rtt_ms), (Some(0.512), Some(2.783)));
    assert_eq!((router.replies[0].reply_ttl, router.replies[0].quoted_ttl), (Some(64), None));
    assert_eq!(kinds(&trace.hops[0]), [Some(ReplyKind::TimeExceeded); 2]);
    assert_eq!(kinds(&trace.hops[1]), [Some(ReplyKind::EchoReply)]);
    assert_eq!((trace.reached, trace.arrived()), (Some(true), (true, Some(2))));
    assert_eq!(trace.findings, []);
}

#[test]
fn late_answers_go_to_their_probes() {
    // The second hop's first probe is answered while its second is out; the first hop's last one while the second hop's is.
    let hops = r#"{"hop":1,"result":[{"x":"*"},{"x":"*"},{"x":"*"}]},
        {"hop":2,"result":[{"late":1,"from":"192.0.2.1","ttl":64,"size":28},{"x":"*"},{"late":1,"from":"192.0.2.2","ttl":63,"size":28},
        {"x":"*"},{"from":"192.0.2.2","ttl":63,"rtt":4.1}]}"#;
    let trace = result("UDP", hops);
    assert_eq!(counts(&trace), [(1, Some(3), Some(1)), (2, Some(3), Some(2))]);
    assert_eq!(trace.hops[0].responders[0].address, ip("192.0.2.1"));
    assert_eq!(trace.hops[0].responders[0].replies[0].rtt_ms, None);
    assert_eq!(trace.hops[1].responders.len(), 1);
    assert_eq!(trace.hops[1].responders[0].replies.len(), 2);
    assert_eq!(trace.findings, []);
}

#[test]
fn a_result_of_late_answers_is_none_less() {
    let hops = r#"{"hop":1,"result":[{"x":"*"},{"late":1,"from":"192.0.2.1","ttl":64},{"x":"*"},{"late":1,"from":"192.0.2.1","ttl":64},{"x":"*"},
        {"late":1,"from":"192.0.2.1","ttl":64}]}"#;
    let trace = result("ICMP", hops);
    assert_eq!(counts(&trace), [(1, Some(3), Some(3))]);
    assert_eq!(kinds(&trace.hops[0]), [Some(ReplyKind::TimeExceeded); 3]);
}

#[test]
fn second_answers_are_not_counted() {
    let hops = r#"{"hop":1,"result":[{"from":"192.0.2.1","rtt":1.0},{"from":"192.0.2.1","rtt":1.1,"dup":true},
        {"late":1,"from":"192.0.2.1"},{"late":9,"from":"192.0.2.8"},{"x":"*"}]}"#;
    let trace = result("ICMP", hops);
    assert_eq!(counts(&trace), [(1, Some(2), Some(1))]);
    assert_eq!(trace.hops[0].responders.iter().map(|one| one.replies.len()).collect::<Vec<_>>(), [1]);
    assert!(told(&trace, "2 second answers") && told(&trace, "1 late answers"), "{:?}", trace.findings);
}

#[test]
fn the_last_try_is_no_hop() {
    let silent: Vec<String> =
        (2..=7).map(|hop| format!(r#"{{"hop":{hop},"result":[{{"x":"*"}}]}}"#)).collect();
    let hops = format!("{ROUTER},{}", silent.join(","));
    let mut traces = Vec::new();
    for last in [
        r#"{"x":"*"}"#,
        r#"{"from":"203.0.113.9","ttl":55,"rtt":5.0}"#,
        r#"{"from":"198.51.100.3","err":"H","rtt":1.0}"#,
    ] {
        traces.push(result("ICMP", &format!(r#"{hops},{{"hop":255,"result":[{last}]}}"#)));
    }
    for trace in &traces {
        assert_eq!(trace.hops.last().map(|hop| hop.ttl), Some(7));
        assert!(told(trace, "TTL 255"), "{:?}", trace.findings);
    }
    assert_eq!((traces[0].reached, traces[0].arrived()), (Some(false), (false, None)));
    assert_eq!((traces[1].reached, traces[1].arrived()), (Some(true), (true, None)));
    assert!(told(&traces[1], "the target answered") && told(&traces[0], "no answer"));
    assert!(told(&traces[2], "198.51.100.3") && traces[2].reached == Some(false));
}

#[test]
fn err_is_a_letter_or_a_number() {
    let kind = |err: &str, from: &str| {
        let trace =
            result("TCP", &format!(r#"{{"hop":1,"result":[{{"from":"{from}","rtt":1.0,"err":{err}}}]}}"#));
        kinds(&trace.hops[0])[0]
    };
    let four = [
        ("\"N\"", 0),
        ("\"H\"", 1),
        ("\"P\"", 2),
        ("\"p\"", 3),
        ("\"A\"", 13),
        ("9", 9),
        ("10", 10),
        ("\"5\"", 5),
    ];
    for (err, code) in four {
        assert_eq!(kind(err, "192.0.2.1"), unreachable(3, code), "{err}");
    }
    for (err, code) in [("\"N\"", 0), ("\"A\"", 1), ("\"h\"", 2), ("\"H\"", 3), ("\"p\"", 4), ("6", 6)] {
        assert_eq!(kind(err, "2001:db8::1"), unreachable(1, code), "{err}");
    }
    assert_eq!(kind("\"?\"", "192.0.2.1"), None);
    let trace = result("TCP", r#"{"hop":1,"result":[{"from":"203.0.113.9","rtt":1.0,"err":"A"}]}"#);
    assert_eq!(trace.hops[0].responders[0].replies[0].mark.as_deref(), Some("A"));
    assert_eq!(trace.reached, Some(false));
}

#[test]
fn answers_of_the_target_are_told_apart() {
    let kind = |protocol: &str, rest: &str| {
        let trace =
            result(protocol, &format!(r#"{{"hop":1,"result":[{{"from":"203.0.113.9","rtt":1.0{rest}}}]}}"#));
        (kinds(&trace.hops[0])[0], trace.reached)
    };
    assert_eq!(kind("ICMP", ""), (Some(ReplyKind::EchoReply), Some(true)));
    assert_eq!(kind("UDP", ""), (unreachable(3, 3), Some(true)));
    assert_eq!(kind("U", ""), (unreachable(3, 3), Some(true)));
    assert_eq!(kind("TCP", r#","flags":"SA""#), (Some(ReplyKind::SynAck), Some(true)));
    assert_eq!(kind("TCP", r#","flags":"RA""#), (Some(ReplyKind::Rst), Some(true)));
    assert_eq!(kind("T", r#","flags":"R""#), (Some(ReplyKind::Rst), Some(true)));
    assert_eq!(kind("ICMP", r#","mtu":1400"#), (Some(ReplyKind::TooBig { mtu: 1400 }), Some(false)));
    // It quotes a probe, so that it is no echo reply.
    assert_eq!(kind("ICMP", r#","ittl":0"#), (Some(ReplyKind::TimeExceeded), Some(false)));
    let six = result("UDP", r#"{"hop":1,"result":[{"from":"2001:db8::9","rtt":1.0}]}"#);
    assert_eq!((kinds(&six.hops[0])[0], six.size), (unreachable(1, 4), Some(96)));
}

#[test]
fn a_target_that_the_trace_passes_did_not_answer_for_itself() {
    let own = |hop: u8| format!(r#"{{"hop":{hop},"result":[{{"from":"203.0.113.9","rtt":1.0}}]}}"#);
    let trace = result("ICMP", &format!("{},{}", own(1), own(2)));
    assert_eq!(kinds(&trace.hops[0]), [Some(ReplyKind::TimeExceeded)]);
    assert_eq!(kinds(&trace.hops[1]), [Some(ReplyKind::EchoReply)]);
    assert_eq!(trace.arrived(), (true, Some(2)));
    assert!(told(&trace, "hop 1: the target's address answered"), "{:?}", trace.findings);
    // Who ends a UDP trace in another's name may have said "port unreachable": the file does not tell.
    let other = result("UDP", r#"{"hop":1,"result":[{"from":"192.0.2.1","rtt":1.0}]}"#);
    assert_eq!((kinds(&other.hops[0])[0], other.reached), (None, Some(false)));
}

#[test]
fn labels_and_translations_are_kept() {
    let hops = r#"{"hop":1,"result":[{"from":"192.0.2.1","ttl":254,"size":140,"rtt":4.1,"ittl":2,"edst":"198.51.100.200",
        "icmpext":{"version":2,"rfc4884":1,"obj":[{"class":1,"type":1,"mpls":[{"label":16022,"exp":3,"s":0,"ttl":1},{"label":99,"exp":0,"s":1,"ttl":1}]},
        {"class":2,"type":15}]}},{"x":"*"}]},{"hop":2,"result":[{"x":"*"}]}"#;
    let trace = result("ICMP", hops);
    let one = &trace.hops[0].responders[0];
    assert_eq!(
        one.mpls,
        [
            MplsLabel { label: 16022, tc: 3, bottom: false, ttl: 1 },
            MplsLabel { label: 99, tc: 0, bottom: true, ttl: 1 }
        ]
    );
    assert_eq!(one.replies[0].rewritten_to, ip("198.51.100.200"));
    assert_eq!(one.replies[0].quoted_ttl, Some(2));
    assert!(told(&trace, "quotes 198.51.100.200"));
}

#[test]
fn what_fails_at_the_probe_is_no_fact_of_the_path() {
    let text = r#"{"fw":5080,"lts":20,"dst_name":"gone.example.net","proto":"ICMP","af":4,"prb_id":7,"msm_id":9,"type":"traceroute",
        "result":[{"error":"name resolution failed: non-recoverable failure (1)"}]}"#;
    let (traces, _) = all(text).unwrap();
    assert_eq!(
        (traces[0].target.as_str(), traces[0].address, traces[0].reached),
        ("gone.example.net", None, None)
    );
    assert_eq!(traces[0].failure.as_deref(), Some("name resolution failed: non-recoverable failure (1)"));
    assert_eq!((traces[0].hops.len(), traces[0].findings.len()), (0, 0));
    let item = result(
        "UDP",
        &format!(r#"{ROUTER},{{"hop":2,"result":[{{"error":"sendto failed: Network is unreachable"}}]}}"#),
    );
    let hop =
        result("UDP", &format!(r#"{ROUTER},{{"hop":2,"error":"sendto failed: Network is unreachable"}}"#));
    for trace in [item, hop] {
        assert_eq!(trace.failure.as_deref(), Some("sendto failed: Network is unreachable"));
        assert!(told(&trace, "hop 2: at the probe"), "{:?}", trace.findings);
        assert!(trace.hops.iter().all(|hop| hop.ttl == 1 || hop.sent == Some(0)), "{:?}", trace.hops);
    }
}

#[test]
fn what_is_strange_in_a_result_is_told() {
    let hops = r#"{"hop":2,"result":[{"from":"192.0.2.2","rtt":1.0}]},{"hop":1,"result":[{"size":3}]},{"hop":2,"result":[{"from":"192.0.2.3","rtt":-5.0}]},
        {"hop":0,"result":[]},{"hop":300},{"result":[{"x":"*"}]},7"#;
    let trace = result("ICMP", hops);
    assert_eq!(counts(&trace), [(1, Some(1), Some(0)), (2, Some(2), Some(2))]);
    assert_eq!(trace.hops[1].responders[1].replies[0].rtt_ms, None);
    for words in [
        "hop 1: 1 entries",
        "hop 2 stands after",
        "hop 0 is left out",
        "hop 300 is left out",
        "without a number",
    ] {
        assert!(told(&trace, words), "{words}: {:?}", trace.findings);
    }
    let (traces, _) = all(r#"{"prb_id":1,"lts":900,"result":[]}{"prb_id":2,"lts":-1,"result":[]}"#).unwrap();
    assert!(told(&traces[0], "900 s before") && told(&traces[1], "did not know how well"));
}

#[test]
fn more_than_is_kept_is_told() {
    let item = r#"{"from":"192.0.2.1","rtt":1.0}"#;
    let many = result("ICMP", &format!(r#"{{"hop":1,"result":[{}]}}"#, vec![item; 1500].join(",")));
    assert_eq!(many.hops[0].responders[0].replies.len(), 1024);
    assert!(told(&many, "476 values beyond"), "{:?}", many.findings);
    let crowd: Vec<String> =
        (0..200).map(|last| format!(r#"{{"from":"192.0.2.{last}","rtt":1.0}}"#)).collect();
    let crowd = result("ICMP", &format!(r#"{{"hop":1,"result":[{}]}},{ROUTER}"#, crowd.join(",")));
    assert_eq!(crowd.hops[0].responders.len(), 64);
    assert!(told(&crowd, "136 answers beyond"), "{:?}", crowd.findings);
}

#[test]
fn the_classic_text_is_unfolded() {
    let text = "traceroute to 203.0.113.9 (203.0.113.9), 32 hops max, 16 byte packets NEWLINE 1  192.0.2.1  0.5 ms NEWLINE  2  * * * NEWLINE";
    let lines = unfolded(text);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[1..], ["1  192.0.2.1  0.5 ms", " 2  * * *"]);
    // A text that is known to this build in any case.
    let scamper = "traceroute from 198.51.100.77 to 203.0.113.9 NEWLINE  1  192.0.2.1  0.5 ms NEWLINE  2  203.0.113.9  1.5 ms";
    let (traces, _) =
        all(&format!(r#"{{"fw":1,"prb_id":4,"msm_id":5,"from":"198.51.100.77","timestamp":1300000000,"result":"{scamper}"}}"#))
            .unwrap();
    assert_eq!((traces[0].origin.format, traces[0].origin.dialect.as_str()), ("atlas", "classic"));
    assert_eq!((traces[0].address, traces[0].vantage.probe), (ip("203.0.113.9"), Some(4)));
    assert_eq!(traces[0].hops.iter().map(|hop| hop.ttl).collect::<Vec<_>>(), [1, 2]);
    let (traces, _) = all(r#"{"fw":1,"prb_id":4,"result":"no such thing"}"#).unwrap();
    assert!(told(&traces[0], "not understood"));
}

#[test]
fn all_forms_of_a_file_say_the_same() {
    let one = |probe: u32| {
        format!(r#"{{"prb_id":{probe},"dst_addr":"203.0.113.9","proto":"ICMP","result":[{ROUTER}]}}"#)
    };
    let forms = [
        format!("{}\n{}\n", one(1), one(2)),
        format!("[{},{}]", one(1), one(2)),
        format!(r#"{{"1":[{}],"2":[{}]}}"#, one(1), one(2)),
    ];
    let read: Vec<Vec<ForeignTrace>> = forms
        .iter()
        .map(|form| {
            let (mut traces, outcome) = all(form).unwrap();
            assert_eq!(outcome.findings, [], "{form}");
            traces.iter_mut().for_each(|trace| trace.origin.lines = None);
            traces
        })
        .collect();
    assert_eq!(read[0].len(), 2);
    assert_eq!(read[0][1].vantage.probe, Some(2));
    assert!(read[0] == read[1] && read[1] == read[2]);
}

#[test]
fn other_measurements_are_left_out_and_told() {
    let ping = r#"{"prb_id":1,"type":"ping","result":[{"rtt":1.0}]}"#;
    let trace = format!(r#"{{"prb_id":1,"type":"traceroute","result":[{ROUTER}]}}"#);
    let (traces, outcome) = all(&format!("{trace}\n{ping}\n{ping}\nx\n")).unwrap();
    assert_eq!(traces.len(), 1);
    let told: Vec<_> = outcome.findings.iter().map(|one| (one.line, one.text.as_str())).collect();
    assert_eq!(told, [(Some(4), "not understood"), (Some(2), "left out, they are no traceroutes: ping (2)")]);
    assert!(matches!(all(ping), Err(Error { problem: Problem::Refused(_), .. })));
    assert!(matches!(all("[]"), Err(Error { problem: Problem::Empty(_), .. })));
    assert!(matches!(
        all(&trace[..trace.len() - 9]),
        Err(Error { problem: Problem::Broken { .. }, line: Some(1) })
    ));
}

#[test]
fn reading_ends_when_asked() {
    let trace = format!(r#"{{"prb_id":1,"result":[{ROUTER}]}}"#);
    let mut seen = 0;
    let outcome = read(&mut format!("{trace}{trace}{trace}").as_bytes(), &mut |_| {
        seen += 1;
        if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((seen, outcome.unwrap().traces), (2, 2));
}
