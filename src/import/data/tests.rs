//! Laws that hold for every format: it is known by its beginning, and no bytes panic or ask for much.

use std::mem::size_of;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::{Format, dublin, globalping, nexttrace, nmap, recognise, scamper, trippy};
use crate::import;
use crate::trace::MplsLabel;
use crate::trace::foreign::{Finding, ForeignHop, ForeignReply, ForeignResponder, ForeignTrace, most};

const ATLAS: &str = r#"{"fw":5080,"mver":"2.2.1","lts":12,"dst_name":"192.0.2.10","dst_addr":"192.0.2.10","src_addr":"10.0.0.7","from":"203.0.113.7","proto":"TCP","af":4,"size":48,"endtime":1735689605,"timestamp":1735689600,"msm_id":90000001,"prb_id":1001,"type":"traceroute","result":[{"hop":1,"result":[{"from":"10.0.0.1","ttl":64,"size":68,"rtt":0.512},{"x":"*"}]},{"hop":2,"result":[{"x":"*"},{"late":1,"from":"198.51.100.1","ttl":254,"size":28},{"x":"*"},{"from":"198.51.100.1","ttl":254,"size":140,"rtt":4.1,"icmpext":{"version":2,"rfc4884":1,"obj":[{"class":1,"type":1,"mpls":[{"label":16022,"exp":0,"s":1,"ttl":1}]}]}}]},{"hop":3,"result":[{"from":"198.51.100.9","ttl":253,"size":28,"rtt":9.9,"err":"A"},{"from":"192.0.2.10","flags":"SA","edst":"192.0.2.11"}]},{"hop":255,"result":[{"error":"bind failed"}]}]}
"#;

const CSV: &str = "Target,TargetIp,Hop,IPs,Addrs,Loss%,Snt,Recv,Last,Avg,Best,Wrst,StdDev\n\
    www.example.net,203.0.113.9,1,192.0.2.1:2001:db8::1,gw:x,20.00,5,4,1.20,1.10,1.00,1.20,0.1\n";

/// A small file of each format.
fn samples() -> Vec<(Format, Vec<u8>)> {
    vec![
        (Format::Atlas, ATLAS.into()),
        (Format::Globalping, globalping::tests::sample().into()),
        (Format::ScamperJson, scamper::tests::JSON.into()),
        (Format::Warts, scamper::tests::sample()),
        (Format::Trippy, trippy::tests::JSON.into()),
        (Format::TrippyCsv, CSV.into()),
        (Format::NextTrace, nexttrace::tests::SAMPLE.into()),
        (Format::NmapXml, nmap::tests::SAMPLE.into()),
        (Format::Dublin, dublin::tests::SAMPLE.into()),
    ]
}

/// Bytes that what is kept of a trace takes.
fn weight(trace: &ForeignTrace) -> usize {
    let reply = |one: &ForeignReply| size_of::<ForeignReply>() + one.mark.as_ref().map_or(0, String::len);
    let responder = |one: &ForeignResponder| {
        let spare = one.replies.capacity() - one.replies.len();
        size_of::<ForeignResponder>()
            + one.name.as_ref().map_or(0, String::len)
            + one.replies.iter().map(reply).sum::<usize>()
            + spare * size_of::<ForeignReply>()
            + one.mpls.capacity() * size_of::<MplsLabel>()
    };
    let hop =
        |one: &ForeignHop| size_of::<ForeignHop>() + one.responders.iter().map(responder).sum::<usize>();
    let finding = |one: &Finding| size_of::<Finding>() + one.text.len();
    size_of::<ForeignTrace>()
        + trace.hops.iter().map(hop).sum::<usize>()
        + trace.findings.iter().map(finding).sum::<usize>()
        + trace.target.len()
}

/// Reads bytes as a format and as whatever they are, and holds what comes to the bounds of every trace.
fn mind(format: Format, bytes: &[u8]) -> usize {
    let mut traces = 0;
    let mut check = |trace: ForeignTrace| {
        traces += 1;
        assert!(trace.hops.windows(2).all(|pair| pair[0].ttl < pair[1].ttl), "{:?}", trace.hops);
        for hop in &trace.hops {
            assert!(hop.ttl > 0 && hop.responders.len() <= most::RESPONDERS);
            for one in &hop.responders {
                assert!(one.replies.len() <= most::REPLIES && one.mpls.len() <= most::LABELS);
                assert!(
                    one.name
                        .as_ref()
                        .is_none_or(|name| name.len() <= most::NAME && !name.contains(char::is_control))
                );
                assert!(
                    one.replies
                        .iter()
                        .filter_map(|reply| reply.rtt_ms)
                        .all(|rtt| rtt.is_finite() && rtt >= 0.0)
                );
            }
        }
        assert!(trace.findings.len() <= most::FINDINGS);
        // A hop that is said to be silent takes more than its few bytes in the file, of which a trace has at most 255.
        assert!(weight(&trace) < 64 * bytes.len() + (64 << 10), "{} of {}", weight(&trace), bytes.len());
        ControlFlow::Continue(())
    };
    let outcome = format.read(&mut &bytes[..], &mut check);
    if let Ok(outcome) = &outcome {
        assert!(outcome.findings.len() <= most::FINDINGS);
    }
    let _ = import::read(&mut &bytes[..], &mut check);
    traces
}

#[test]
fn every_format_is_known_by_its_beginning() {
    for (format, bytes) in samples() {
        assert_eq!(recognise(&bytes), Some(format));
        assert!(mind(format, &bytes) > 1, "{format:?}");
        if format != Format::Warts {
            let marked = [b"\xef\xbb\xbf", &bytes[..]].concat();
            assert_eq!(recognise(&marked), Some(format));
            assert!(mind(format, &marked) > 1, "{format:?} with a mark in front");
        }
    }
    let others = ["", "{", "[]", "<html>", "[2024-05-01 10:00:00] traceroute to x"];
    for other in others {
        assert_eq!(recognise(other.as_bytes()), None, "{other}");
    }
}

#[test]
fn a_file_cut_anywhere_is_no_panic_and_no_silence() {
    for (format, bytes) in samples() {
        for length in 0..bytes.len() {
            mind(format, &bytes[..length]);
        }
    }
}

#[test]
fn lengths_of_binary_records_may_say_anything() {
    let sample = scamper::tests::sample();
    for at in 0..sample.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = sample.clone();
            bytes[at] = value;
            mind(Format::Warts, &bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        for (format, _) in samples() {
            mind(format, &bytes);
        }
    }

    #[test]
    fn no_change_panics(
        which in 0..9usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        twice: (prop::sample::Index, prop::sample::Index),
    ) {
        let (format, mut bytes) = samples().swap_remove(which);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let (from, to) = (twice.0.index(bytes.len()), twice.1.index(bytes.len()));
        let again = bytes[from.min(to)..from.max(to)].to_vec();
        bytes.extend(again);
        mind(format, &bytes);
    }

    #[test]
    fn values_of_any_kind_are_minded(
        which in 0..9usize,
        at in any::<prop::sample::Index>(),
        value in prop::sample::select(vec!["null", "-1", "1e99", "[]", "{}", "\"\"", "true", "[[[{}]]]", "99999999999999999999", "\"\\u0000\"", "{\"a\":1}"]),
    ) {
        let (format, bytes) = samples().swap_remove(which);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let colons: Vec<usize> = text.match_indices(':').map(|(at, _)| at + 1).collect();
        if !colons.is_empty() {
            let from = colons[at.index(colons.len())];
            let to = text[from..].find([',', '}', ']']).map_or(text.len(), |length| from + length);
            mind(format, format!("{}{value}{}", &text[..from], &text[to..]).as_bytes());
        }
    }
}
