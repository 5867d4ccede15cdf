use std::ops::ControlFlow;

use super::{merge, read};
use crate::import::{Error, Outcome, Problem};
use crate::trace::foreign::{ForeignHop, ForeignReply, ForeignResponder, ForeignTrace};
use crate::trace::{Protocol, ReplyKind};

fn all(text: &str) -> Result<(Vec<ForeignTrace>, Outcome), Error> {
    let mut traces = Vec::new();
    let outcome = read(&mut text.as_bytes(), &mut |trace| {
        traces.push(trace);
        ControlFlow::Continue(())
    })?;
    Ok((traces, outcome))
}

fn told(trace: &ForeignTrace, words: &str) -> bool {
    trace.findings.iter().any(|finding| finding.text.contains(words))
}

const PROBE: &str = r#""probe":{"continent":"EU","country":"RU","city":"Moscow","asn":64500,"network":"Example ISP","tags":[]}"#;

fn measurement(kind: &str, options: &str, results: &str) -> String {
    format!(
        r#"{{"id":"MH97","type":"{kind}","status":"finished","createdAt":"2025-01-01T00:00:00.250Z","target":"www.example.net",
        "probesCount":1,"measurementOptions":{{{options}}},"results":[{results}]}}"#
    )
}

pub(in crate::import::data) fn sample() -> String {
    let hops = r#"{"resolvedAddress":"192.0.2.1","resolvedHostname":"_gateway","timings":[{"rtt":0.315},{"rtt":0.301}]},
        {"resolvedAddress":null,"resolvedHostname":null,"timings":[]},
        {"resolvedAddress":"203.0.113.9","resolvedHostname":"203.0.113.9","timings":[{"rtt":3.5}]}"#;
    let result = format!(
        r#"{{{PROBE},"result":{{"status":"finished","resolvedAddress":"203.0.113.9","resolvedHostname":"x","hops":[{hops}]}}}}"#
    );
    let failed = format!(
        r#"{{{PROBE},"result":{{"status":"failed","failureSource":"resolver","rawOutput":"no\u001b[1m such name\n"}}}}"#
    );
    let offline = format!(r#"{{{PROBE},"result":{{"status":"offline","rawOutput":""}}}}"#);
    measurement("traceroute", "", &[result, failed, offline].join(","))
}

#[test]
fn every_probe_is_a_trace() {
    let (traces, outcome) = all(&sample()).unwrap();
    assert_eq!((traces.len(), outcome.traces, outcome.findings), (3, 3, vec![]));
    let trace = &traces[0];
    assert_eq!(trace.vantage.label.as_deref(), Some("Moscow, Example ISP, AS64500"));
    assert_eq!((trace.vantage.asn, trace.vantage.country.as_deref()), (Some(64500), Some("RU")));
    assert_eq!(
        (trace.vantage.network.as_deref(), trace.vantage.measurement.as_deref()),
        (Some("Example ISP"), Some("MH97"))
    );
    assert_eq!((trace.target.as_str(), trace.address), ("www.example.net", "203.0.113.9".parse().ok()));
    assert_eq!((trace.protocol, trace.port), (Some(Protocol::Icmp), None));
    assert_eq!((trace.started_at, trace.ended_at), (Some(1_735_689_600_250_000_000), None));
    let counts: Vec<_> = trace.hops.iter().map(|hop| (hop.ttl, hop.sent, hop.answered)).collect();
    assert_eq!(counts, [(1, Some(2), Some(2)), (2, Some(2), Some(0)), (3, Some(2), Some(1))]);
    assert_eq!(trace.hops[0].responders[0].name.as_deref(), Some("_gateway"));
    assert_eq!(trace.hops[0].responders[0].replies[1].rtt_ms, Some(0.301));
    assert_eq!(trace.hops[0].responders[0].replies[1].kind, Some(ReplyKind::TimeExceeded));
    assert_eq!(trace.hops[2].responders[0].name, None);
    assert_eq!(trace.hops[2].responders[0].replies[0].kind, Some(ReplyKind::EchoReply));
    assert_eq!(trace.arrived(), (true, Some(3)));
    assert_eq!(traces[1].failure.as_deref(), Some("failed (resolver): no such name"));
    assert_eq!(traces[2].failure.as_deref(), Some("the probe went offline"));
    assert!(traces[1].hops.is_empty() && traces[2].hops.is_empty());
}

#[test]
fn a_port_is_of_tcp_and_udp() {
    let port = |kind: &str, options: &str| {
        let (traces, _) =
            all(&measurement(kind, options, &format!(r#"{{{PROBE},"result":{{"hops":[]}}}}"#))).unwrap();
        (traces[0].protocol, traces[0].port)
    };
    assert_eq!(port("traceroute", r#""protocol":"TCP","port":443"#), (Some(Protocol::Tcp), Some(443)));
    assert_eq!(port("traceroute", r#""protocol":"TCP""#), (Some(Protocol::Tcp), Some(80)));
    assert_eq!(port("mtr", r#""protocol":"UDP""#), (Some(Protocol::Udp), None));
    assert_eq!(port("traceroute", r#""port":80"#), (Some(Protocol::Icmp), None));
}

#[test]
fn rows_of_an_mtr_have_losses_and_claims_and_no_numbers() {
    let hops = r#"{"resolvedAddress":"192.0.2.1","resolvedHostname":null,"asn":[64500],"timings":[{"rtt":1.0},{"rtt":2.0}],
          "stats":{"min":1.0,"avg":1.5,"max":2.0,"total":3,"rcv":2,"drop":1,"loss":33.3}},
        {"resolvedAddress":"192.0.2.2","timings":[{"rtt":1.0}],"stats":{"min":1.0,"avg":1.5,"max":2.0,"total":3,"rcv":3}},
        {"resolvedAddress":null,"timings":[],"stats":{"min":null,"total":3,"rcv":0}}"#;
    let (traces, _) = all(&measurement(
        "mtr",
        "",
        &format!(r#"{{{PROBE},"result":{{"status":"finished","hops":[{hops}]}}}}"#),
    ))
    .unwrap();
    let hops = &traces[0].hops;
    assert_eq!((hops[0].sent, hops[0].answered), (Some(3), Some(2)));
    assert_eq!(
        (hops[0].responders[0].claims.as_slice(), hops[0].responders[0].replies.len()),
        (&[64500][..], 2)
    );
    assert!(hops[0].responders[0].stats.is_none());
    let stats = hops[1].responders[0].stats.unwrap();
    assert_eq!((stats.received, stats.avg, hops[1].responders[0].replies.len()), (Some(3), Some(1.5), 0));
    assert_eq!((hops[2].sent, hops[2].answered, hops[2].responders.len()), (Some(3), Some(0), 0));
    assert!(told(&traces[0], "no hop numbers"));
    assert_eq!(traces[0].origin.dialect, "mtr");
}

/// A trace with one reply of each of these addresses at each TTL.
fn plain(hops: &[(u8, &[&str])]) -> ForeignTrace {
    let responder = |address: &&str| ForeignResponder {
        address: address.parse().ok(),
        replies: vec![ForeignReply::default()],
        ..ForeignResponder::default()
    };
    let hop = |(ttl, addresses): &(u8, &[&str])| ForeignHop {
        ttl: *ttl,
        sent: Some(2),
        answered: Some(addresses.len() as u32),
        responders: addresses.iter().map(responder).collect(),
    };
    ForeignTrace { hops: hops.iter().map(hop).collect(), ..ForeignTrace::default() }
}

#[test]
fn the_text_goes_first_and_what_differs_is_kept_and_told() {
    let mut trace = plain(&[(1, &["192.0.2.1"]), (2, &["192.0.2.2"]), (4, &["192.0.2.4"])]);
    trace.hops[0].responders[0].claims = vec![64500];
    trace.hops[0].responders[0].replies[0].kind = Some(ReplyKind::TimeExceeded);
    let mut written = plain(&[(1, &["192.0.2.9", "192.0.2.1"]), (2, &["192.0.2.3"]), (3, &["192.0.2.8"])]);
    written.hops[0].responders[1].replies[0].rtt_ms = Some(7.0);
    written.size = Some(60);
    merge(&mut trace, written, false, 5);
    assert_eq!(trace.hops.iter().map(|hop| hop.ttl).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let first = &trace.hops[0].responders;
    assert_eq!(
        (first.len(), first[1].claims.as_slice(), first[1].replies[0].rtt_ms),
        (2, &[64500][..], Some(7.0))
    );
    assert_eq!(first[1].replies[0].kind, Some(ReplyKind::TimeExceeded));
    assert_eq!(trace.hops[1].responders.len(), 2);
    assert_eq!(trace.size, Some(60));
    assert_eq!(trace.findings.len(), 3);
    for words in
        ["hop 2: 192.0.2.2 stands in the JSON", "hop 3 stands in rawOutput", "hop 4 stands in the JSON"]
    {
        assert!(told(&trace, words), "{words}: {:?}", trace.findings);
    }
    let mut other = plain(&[(1, &["192.0.2.1"])]);
    other.address = "203.0.113.9".parse().ok();
    let mut written = plain(&[(1, &["192.0.2.5"])]);
    written.address = "203.0.113.10".parse().ok();
    merge(&mut other, written, false, 5);
    assert!(told(&other, "the JSON traces 203.0.113.9") && other.hops[0].responders.len() == 1);
}

#[test]
fn measurements_without_a_path_are_told() {
    let (traces, outcome) = all(&format!("{}\n{}", sample(), measurement("ping", "", ""))).unwrap();
    assert_eq!((traces.len(), outcome.findings.len()), (3, 1));
    assert!(matches!(all(&measurement("dns", "", "")), Err(Error { problem: Problem::Refused(_), .. })));
    assert!(matches!(all(&measurement("mtr", "", "")), Err(Error { problem: Problem::Empty(_), .. })));
    let waiting = sample().replacen("finished", "in-progress", 1);
    assert!(all(&waiting).unwrap().1.findings[0].text.contains("not finished"));
}
