use std::ops::ControlFlow;

use super::{Stop, read_json, read_warts, sent};
use crate::import::{Each, Error, Outcome, Problem};
use crate::trace::foreign::ForeignTrace;
use crate::trace::{MplsLabel, Protocol, ReplyKind};

fn traces(
    read: impl FnOnce(&mut Each<'_>) -> Result<Outcome, Error>,
) -> Result<(Vec<ForeignTrace>, Outcome), Error> {
    let mut traces = Vec::new();
    let outcome = read(&mut |trace| {
        traces.push(trace);
        ControlFlow::Continue(())
    })?;
    Ok((traces, outcome))
}

fn json(text: &str) -> Result<(Vec<ForeignTrace>, Outcome), Error> {
    traces(|each| read_json(&mut text.as_bytes(), each))
}

fn warts(bytes: &[u8]) -> Result<(Vec<ForeignTrace>, Outcome), Error> {
    traces(|each| read_warts(&mut &bytes[..], each))
}

fn told(trace: &ForeignTrace, words: &str) -> bool {
    trace.findings.iter().any(|finding| finding.text.contains(words))
}

pub(in crate::import::data) const JSON: &str = r#"{"type":"cycle-start", "list_name":"default", "id":0, "hostname":"monitor1", "start_time":1}
{"type":"trace","version":"0.1","method":"udp-paris","src":"192.0.2.77","dst":"203.0.113.9","sport":40000,"dport":33435,"stop_reason":"UNREACH","stop_data":13,"start":{"sec":1735689600,"usec":250000,"ftime":"x"},"hop_count":5,"attempts":2,"firsthop":1,"probe_size":44,"probe_count":7,"hops":[{"addr":"192.0.2.1","name":"gw.example.net","probe_ttl":1,"probe_id":1,"rtt":0.049,"reply_ttl":64,"icmp_type":11,"icmp_code":0,"icmp_q_ttl":1},{"addr":"198.51.100.1","probe_ttl":3,"probe_id":2,"rtt":4294967.267,"reply_ttl":62,"icmp_type":11,"icmp_code":0,"icmp_q_ttl":2,"icmpext":[{"ie_cn":1,"ie_ct":1,"ie_dl":4,"mpls_labels":[{"mpls_ttl":1,"mpls_s":1,"mpls_exp":2,"mpls_label":16022}]}]},{"addr":"198.51.100.2","probe_ttl":4,"probe_id":1,"rtt":2.0,"icmp_type":3,"icmp_code":4,"icmp_nhmtu:":1400},{"addr":"198.51.100.3","probe_ttl":5,"probe_id":1,"rtt":3.0,"icmp_type":3,"icmp_code":13}]}
{"type":"ping","src":"192.0.2.77","dst":"203.0.113.9","responses":[]}
{"type":"cycle-stop", "list_name":"default", "id":0}
"#;

#[test]
fn json_lines_are_read() {
    let (traces, outcome) = json(JSON).unwrap();
    assert_eq!((traces.len(), outcome.traces), (1, 1));
    assert_eq!(outcome.findings[0].text, "left out, they are no traces: ping (1)");
    let trace = &traces[0];
    assert_eq!((trace.origin.dialect.as_str(), trace.origin.lines), ("json", Some((2, 2))));
    assert_eq!(trace.vantage.label.as_deref(), Some("monitor1"));
    assert_eq!(trace.vantage.source, "192.0.2.77".parse().ok());
    assert_eq!((trace.protocol, trace.port, trace.size), (Some(Protocol::Udp), Some(33435), Some(44)));
    assert_eq!((trace.started_at, trace.reached), (Some(1_735_689_600_250_000_000), Some(false)));
    let counts: Vec<_> = trace.hops.iter().map(|hop| (hop.ttl, hop.sent, hop.answered)).collect();
    assert_eq!(
        counts,
        [
            (1, Some(1), Some(1)),
            (2, Some(2), Some(0)),
            (3, Some(2), Some(1)),
            (4, Some(1), Some(1)),
            (5, Some(1), Some(1))
        ]
    );
    let one = |at: usize| &trace.hops[at].responders[0];
    assert_eq!((one(0).name.as_deref(), one(0).replies[0].rtt_ms), (Some("gw.example.net"), Some(0.049)));
    assert_eq!(one(2).mpls, [MplsLabel { label: 16022, tc: 2, bottom: true, ttl: 1 }]);
    assert_eq!((one(2).replies[0].rtt_ms, one(2).replies[0].quoted_ttl), (None, Some(2)));
    assert!(told(trace, "hop 3: a time that cannot be"));
    assert_eq!(one(3).replies[0].kind, Some(ReplyKind::TooBig { mtu: 1400 }));
    assert_eq!(one(4).replies[0].kind, Some(ReplyKind::Unreachable { icmp_type: 3, code: 13 }));
}

#[test]
fn all_attempts_are_seen_by_an_answer_of_the_second() {
    let mut answered = [[0u64; 4]; 256];
    answered[1][0] = 0b10;
    answered[2][0] = 0b100;
    let once = sent(&answered, &[1, 2, 3], Some(3), Some(6));
    assert_eq!((once[1], once[2], once[3], once[4]), (Some(1), Some(2), Some(3), None));
    assert_eq!(sent(&answered, &[1, 2, 3], Some(3), Some(9))[1], Some(3));
    answered[1][0] = 0b110;
    assert_eq!(sent(&answered, &[1, 2, 3], Some(3), None)[2], Some(3));
    assert_eq!(sent(&answered, &[3], None, None)[3], None);
}

#[test]
fn second_answers_are_not_counted() {
    let hop = |from: &str, id: u8| {
        format!(r#"{{"addr":"{from}","probe_ttl":1,"probe_id":{id},"rtt":1.0,"icmp_type":11,"icmp_code":0}}"#)
    };
    let hops = [hop("192.0.2.1", 1), hop("192.0.2.1", 1), hop("192.0.2.2", 2)].join(",");
    let (traces, _) = json(&format!(
        r#"{{"type":"trace","method":"icmp-echo","dst":"203.0.113.9","attempts":2,"hop_count":1,"stop_reason":"GSS","hops":[{hops}]}}"#
    ))
    .unwrap();
    assert_eq!((traces[0].hops[0].sent, traces[0].hops[0].answered), (Some(2), Some(2)));
    assert_eq!(traces[0].hops[0].responders.len(), 2);
    assert!(told(&traces[0], "1 second answers") && told(&traces[0], "GSS"));
    assert_eq!(traces[0].reached, None);
}

#[test]
fn reasons_to_stop_have_one_order() {
    for (number, (name, stop)) in (0..).zip(Stop::NAMES) {
        assert_eq!((Stop::of_name(name), Stop::of_number(number)), (stop, stop));
    }
    assert_eq!((Stop::of_name("?"), Stop::of_number(99)), (Stop::Other, Stop::Other));
}

/// A record with its head.
fn record(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x05];
    bytes.extend(kind.to_be_bytes());
    bytes.extend((body.len() as u32).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Flags by their numbers, their length, and values.
fn parameters(flags: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0u8; flags.iter().map(|flag| (flag - 1) / 7 + 1).max().unwrap_or(1) as usize];
    for flag in flags {
        bytes[((flag - 1) / 7) as usize] |= 1 << ((flag - 1) % 7);
    }
    let last = bytes.len() - 1;
    bytes[..last].iter_mut().for_each(|byte| *byte |= 0x80);
    if !flags.is_empty() {
        bytes.extend((values.len() as u16).to_be_bytes());
        bytes.extend(values);
    }
    bytes
}

/// A cycle, and a trace of one reply with a label, whose address is meant by number.
pub(in crate::import::data) fn sample() -> Vec<u8> {
    let mut cycle = 7u32.to_be_bytes().to_vec();
    cycle.extend([0; 12]);
    cycle.extend(parameters(&[1, 2], b"\0\0\0\x09monitor1\0"));
    let mut head = 7u32.to_be_bytes().to_vec();
    head.extend(1_735_689_600u32.to_be_bytes());
    head.extend(250_000u32.to_be_bytes());
    head.extend([1, 0, 2, 3]); // completed, no data, two attempts, TCP
    head.extend(443u16.to_be_bytes());
    head.extend(2u16.to_be_bytes()); // hops probed
    head.extend([4, 1, 192, 0, 2, 77, 4, 1, 203, 0, 113, 9]);
    let mut trace = parameters(&[2, 5, 6, 7, 9, 11, 14, 19, 26, 27], &head);
    trace.extend(2u16.to_be_bytes());
    let mut first = vec![1, 64, 0x10, 1]; // TTL, reply's TTL, which is known, second attempt
    first.extend(1500u32.to_be_bytes());
    first.extend([11, 0, 0, 8, 0, 4, 1, 1, 0x03, 0xe9, 0x65, 0x01]); // label 16022, class 2, bottom, TTL 1
    first.extend([4, 1, 192, 0, 2, 1]);
    trace.extend(parameters(&[2, 3, 4, 5, 6, 7, 17, 18], &first));
    let mut second = vec![2, 60, 0x20, 0];
    second.extend(2500u32.to_be_bytes());
    second.extend([0x12, 0, 0, 0, 0, 1]); // SYN and ACK, from the trace's target
    trace.extend(parameters(&[2, 3, 4, 5, 6, 15, 18], &second));
    trace.extend([0x10, 0x02, 9, 9, 0, 0]); // two bytes of the path's MTU, and the end
    [record(2, &cycle), record(6, &trace), record(7, b"ping")].concat()
}

#[test]
fn warts_are_read() {
    let (traces, outcome) = warts(&sample()).unwrap();
    assert_eq!((traces.len(), outcome.traces), (1, 1));
    assert_eq!(outcome.findings[0].text, "left out, they are no traces: records of type 7, ping (1)");
    let trace = &traces[0];
    assert_eq!((trace.origin.dialect.as_str(), trace.origin.lines), ("warts", Some((2, 2))));
    assert_eq!(trace.vantage.label.as_deref(), Some("monitor1"));
    assert_eq!(
        (trace.vantage.source, trace.address),
        ("192.0.2.77".parse().ok(), "203.0.113.9".parse().ok())
    );
    assert_eq!((trace.protocol, trace.port, trace.reached), (Some(Protocol::Tcp), Some(443), Some(true)));
    assert_eq!(trace.started_at, Some(1_735_689_600_250_000_000));
    let counts: Vec<_> = trace.hops.iter().map(|hop| (hop.ttl, hop.sent, hop.answered)).collect();
    assert_eq!(counts, [(1, Some(2), Some(1)), (2, Some(1), Some(1))]);
    let one = |at: usize| &trace.hops[at].responders[0];
    assert_eq!(one(0).mpls, [MplsLabel { label: 16022, tc: 2, bottom: true, ttl: 1 }]);
    assert_eq!((one(0).replies[0].rtt_ms, one(0).replies[0].reply_ttl), (Some(1.5), Some(64)));
    assert_eq!(
        (one(0).replies[0].kind, one(0).replies[0].quoted_ttl),
        (Some(ReplyKind::TimeExceeded), Some(1))
    );
    assert_eq!((one(1).address, one(1).replies[0].kind), (trace.address, Some(ReplyKind::SynAck)));
    assert_eq!((one(1).replies[0].reply_ttl, one(1).replies[0].quoted_ttl), (None, None));
    assert!(told(trace, "path's MTU"));
}

#[test]
fn lengths_that_lie_are_told() {
    let sample = sample();
    let cycle = 8 + usize::from(sample[7]);
    let mut long = sample.clone();
    long[cycle + 4..cycle + 8].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(warts(&long), Err(Error { problem: Problem::Broken { .. }, line: Some(2) })));
    long[cycle + 4..cycle + 8].copy_from_slice(&0x00ff_ffffu32.to_be_bytes());
    assert!(matches!(warts(&long), Err(Error { problem: Problem::Broken { .. }, line: Some(2) })));
    // A broken record costs itself.
    let mut broken = sample[..cycle].to_vec();
    broken.extend(record(6, &[0xff; 40]));
    broken.extend(&sample[cycle..]);
    broken.extend(b"\x12\x05\0");
    let (traces, outcome) = warts(&broken).unwrap();
    assert_eq!((traces.len(), traces[0].origin.lines), (1, Some((3, 3))));
    let lines: Vec<_> = outcome.findings.iter().map(|one| one.line).collect();
    assert_eq!(lines, [Some(2), Some(5), Some(4)], "{:?}", outcome.findings);
    assert!(matches!(warts(&sample[..cycle]), Err(Error { problem: Problem::Empty(_), .. })));
}

#[test]
fn addresses_of_the_oldest_files_are_found() {
    let head: Vec<u8> = [1u32.to_be_bytes(), 2u32.to_be_bytes()].concat();
    let mut trace = parameters(&[3, 4], &head);
    trace.extend([0, 0, 0, 0]);
    let file =
        [record(5, &[1, 1, 192, 0, 2, 77]), record(5, &[2, 1, 203, 0, 113, 9]), record(6, &trace)].concat();
    let (traces, _) = warts(&file).unwrap();
    assert_eq!(
        (traces[0].vantage.source, traces[0].address),
        ("192.0.2.77".parse().ok(), "203.0.113.9".parse().ok())
    );
}

#[test]
fn balanced_paths_are_one_trace() {
    let link = |to: &str, ttl: u8| {
        format!(
            r#"[{{"addr":"{to}","probes":[{{"ttl":{ttl},"replies":[{{"ttl":60,"rtt":1.5,"icmp_type":11,"icmp_code":0,"icmp_q_ttl":1}}]}}]}}]"#
        )
    };
    let text = format!(
        r#"{{"type":"tracelb","version":"0.1","method":"udp-dport","src":"192.0.2.77","dst":"203.0.113.9","nodes":[
        {{"addr":"192.0.2.1","links":[{},{}]}},{{"addr":"198.51.100.1","links":[[{{"addr":"*"}}],{}]}}]}}"#,
        link("198.51.100.1", 2),
        link("198.51.100.2", 2),
        link("203.0.113.9", 4)
    );
    let (traces, _) = json(&text).unwrap();
    let hops: Vec<_> = traces[0].hops.iter().map(|hop| (hop.ttl, hop.sent, hop.responders.len())).collect();
    assert_eq!(hops, [(1, None, 1), (2, None, 2), (4, None, 1)]);
    assert_eq!(traces[0].hops[1].responders[1].replies[0].rtt_ms, Some(1.5));
    assert!(traces[0].hops[0].responders[0].replies.is_empty());
}
