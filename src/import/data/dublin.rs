//! dublin-traceroute's JSON: one list of probes for each UDP flow, all flows in one trace.
//!
//! The program for C++ writes type and code of an ICMP message the wrong way round, its successor in Go does not. Time
//! exceeded tells them apart: it is type 11 with code 0, and no message has type 0 with code 11.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Deserialize;

use super::json::{Flag, Float, Int, List, Object, Text};
use super::stream::{finish, lines, note, whole};
use super::words::{address, milliseconds, name_of};
use crate::import::pieces::error;
use crate::import::{Each, Error, Outcome, Problem};
use crate::trace::foreign::{ForeignReply, ForeignTrace, Provenance, most};
use crate::trace::{MplsLabel, Protocol, ReplyKind};

const FORMAT: &str = "dublin-traceroute result";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document<'a> {
    #[serde(borrow)]
    flows: BTreeMap<u16, List<Object<Probe<'a>>, 300>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Probe<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    sent: Object<Packet<'a>>,
    #[serde(borrow)]
    received: Object<Packet<'a>>,
    rtt_usec: Float,
    nat_id: Int,
    zerottl_forwarding_bug: Flag,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Packet<'a> {
    #[serde(borrow)]
    ip: Object<Ip<'a>>,
    icmp: Object<Icmp>,
    /// Seconds since 1970, in quotes.
    timestamp: Float,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ip<'a> {
    #[serde(borrow)]
    src: Text<'a>,
    #[serde(borrow)]
    dst: Text<'a>,
    ttl: Int,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Icmp {
    #[serde(rename = "type")]
    kind: Int,
    code: Int,
    mpls_labels: List<Object<Label>, { most::LABELS }>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Label {
    label: Int,
    experimental: Int,
    bottom_of_stack: Int,
    ttl: Int,
}

/// Reads the one measurement of a file.
pub(super) fn read(input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
    let bytes = whole(input)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut objects = serde_json::Deserializer::from_slice(bytes).into_iter::<Document<'_>>();
    let document = objects.next().transpose().map_err(|error| {
        Error::at(error.line() as u64, Problem::Broken { format: FORMAT, what: error.to_string() })
    })?;
    let length = objects.byte_offset();
    let document = document.unwrap_or_default();
    let mut outcome = Outcome::default();
    if !bytes[length..].trim_ascii().is_empty() {
        let line = 1 + lines(&bytes[..length]);
        note(&mut outcome, Some(line), "what stands behind the result is left out".to_owned());
    }
    let mut trace = ForeignTrace {
        origin: Provenance {
            format: "dublin-traceroute",
            dialect: "json".to_owned(),
            version: None,
            lines: Some((1, 1 + lines(&bytes[..length]))),
        },
        protocol: Some(Protocol::Udp),
        port: document.flows.keys().next().copied(),
        ..ForeignTrace::default()
    };
    let probes = || document.flows.values().flat_map(|flow| &flow.kept).filter_map(|one| one.0.as_ref());
    let icmp = |probe: &Probe<'_>| {
        let icmp = probe.received.0.as_ref()?.icmp.0.as_ref()?;
        Some((icmp.kind.to::<u8>()?, icmp.code.to::<u8>()?))
    };
    let swapped = probes().any(|probe| icmp(probe) == Some((0, 11)));
    for probe in probes() {
        let kind = icmp(probe).map(|(one, other)| if swapped { (other, one) } else { (one, other) });
        add(&mut trace, probe, kind);
    }
    if trace.hops.is_empty() {
        return finish(outcome, FORMAT);
    }
    if document.flows.len() > 1 {
        trace.note(
            None,
            format!("{} flows in one: a hop has the routers of several paths", document.flows.len()),
        );
    }
    outcome.traces = 1;
    let _ = each(trace);
    Ok(outcome)
}

fn add(trace: &mut ForeignTrace, probe: &Probe<'_>, icmp: Option<(u8, u8)>) {
    let packet = |packet: &Object<Packet<'_>>| {
        let at = packet.0.as_ref()?.timestamp.0.filter(|at| (0.0..4e9).contains(at))?;
        Some((at * 1e6).round() as i64 * 1000)
    };
    let Some(sent) = probe.sent.0.as_ref().and_then(|sent| sent.ip.0.as_ref()) else { return };
    let Some(ttl) = sent.ttl.to::<u8>().filter(|ttl| *ttl > 0) else { return };
    if trace.address.is_none() {
        trace.address = sent.dst.get().and_then(address);
        trace.target = trace.address.map(|target| target.to_string()).unwrap_or_default();
        let source = sent.src.get().and_then(address);
        trace.vantage.source = source.filter(|source| !source.is_unspecified());
    }
    if let Some(at) = packet(&probe.sent) {
        trace.started_at = Some(trace.started_at.map_or(at, |first| first.min(at)));
        trace.ended_at = trace.ended_at.max(Some(at));
    }
    trace.ended_at = trace.ended_at.max(packet(&probe.received));
    let (target, nat) = (trace.address, probe.nat_id.0.unwrap_or(0));
    let hop = trace.hop_mut(ttl);
    hop.sent = Some(hop.sent.unwrap_or(0) + 1);
    hop.answered.get_or_insert(0);
    let Some(received) = probe.received.0.as_ref().and_then(|received| received.ip.0.as_ref()) else {
        return;
    };
    let Some(from) = received.src.get().and_then(address) else { return };
    hop.answered = Some(hop.answered.unwrap_or(0) + 1);
    let Some(one) = hop.responder_mut(Some(from), None) else { return };
    if one.name.is_none() {
        one.name = probe.name.get().and_then(|name| name_of(name, Some(from)));
    }
    if one.mpls.is_empty() {
        let icmp = probe.received.0.as_ref().and_then(|received| received.icmp.0.as_ref());
        let labels = icmp.into_iter().flat_map(|icmp| &icmp.mpls_labels.kept);
        one.mpls = labels.filter_map(|one| one.0.as_ref()).filter_map(label).collect();
    }
    let kind = icmp.map_or_else(
        || (target == Some(from)).then_some(ReplyKind::UdpAnswer),
        |(icmp_type, code)| Some(error(from.is_ipv6(), icmp_type, code)),
    );
    if one.replies.len() < most::REPLIES {
        one.replies.push(ForeignReply {
            rtt_ms: probe.rtt_usec.0.map(|rtt| rtt / 1000.0).and_then(milliseconds),
            kind,
            reply_ttl: received.ttl.to(),
            ..ForeignReply::default()
        });
    }
    if nat != 0 {
        trace.note(
            None,
            format!("hop {ttl}: the program found an address translator before {from} (NAT ID {nat})"),
        );
    }
    if probe.zerottl_forwarding_bug.0 == Some(true) {
        trace.note(
            None,
            format!("hop {ttl}: {from} answers a packet that the router before it should not have sent on"),
        );
    }
}

fn label(label: &Label) -> Option<MplsLabel> {
    Some(MplsLabel {
        label: label.label.to().filter(|label: &u32| *label < 1 << 20)?,
        tc: label.experimental.to::<u8>()? & 7,
        bottom: label.bottom_of_stack.0? == 1,
        ttl: label.ttl.to()?,
    })
}

#[cfg(test)]
pub(in crate::import::data) mod tests {
    use std::ops::ControlFlow;

    use super::*;

    /// Two flows as the program for C++ writes them: type and code exchanged, a probe without an answer.
    pub(in crate::import::data) const SAMPLE: &str = r#"{
	"flows" : {
		"33434" : [
			{ "flowhash" : 1, "is_last" : false, "name" : "", "received" : null, "rtt_usec" : null,
			  "sent" : { "ip" : { "dst" : "203.0.113.9", "src" : "192.0.2.77", "ttl" : 1 }, "timestamp" : "1735689600.207373", "udp" : { "dport" : 33434, "sport" : 12345 } } },
			{ "flowhash" : 1, "is_last" : false, "name" : "r2.example.net", "nat_id" : 0,
			  "received" : { "icmp" : { "code" : 11, "description" : "TTL expired in transit", "extensions" : [], "mpls_labels" : [ { "bottom_of_stack" : 1, "experimental" : 5, "label" : 16022, "ttl" : 1 } ], "type" : 0 },
			    "ip" : { "dst" : "192.0.2.77", "id" : 7, "src" : "198.51.100.2", "ttl" : 63 }, "timestamp" : "1735689600.227024" },
			  "rtt_usec" : 7745, "sent" : { "ip" : { "dst" : "203.0.113.9", "src" : "192.0.2.77", "ttl" : 2 }, "timestamp" : "1735689600.219279" }, "zerottl_forwarding_bug" : false },
			{ "is_last" : true, "name" : "203.0.113.9", "nat_id" : 3,
			  "received" : { "icmp" : { "code" : 3, "type" : 13 }, "ip" : { "src" : "198.51.100.9", "ttl" : 60 }, "timestamp" : "1735689601" },
			  "rtt_usec" : 1000, "sent" : { "ip" : { "dst" : "203.0.113.9", "ttl" : 3 }, "timestamp" : "1735689600.5" } }
		],
		"33435" : [
			{ "name" : "", "received" : { "icmp" : { "code" : 11, "type" : 0 }, "ip" : { "src" : "198.51.100.1", "ttl" : 64 } }, "rtt_usec" : 500,
			  "sent" : { "ip" : { "dst" : "203.0.113.9", "ttl" : 1 } } }
		]
	}
}
"#;

    fn only(text: &str) -> ForeignTrace {
        let mut traces = Vec::new();
        let outcome = read(&mut text.as_bytes(), &mut |trace| {
            traces.push(trace);
            ControlFlow::Continue(())
        });
        assert_eq!(outcome.unwrap().traces, 1);
        traces.remove(0)
    }

    #[test]
    fn flows_are_one_trace() {
        let trace = only(SAMPLE);
        assert_eq!((trace.target.as_str(), trace.port), ("203.0.113.9", Some(33434)));
        assert_eq!(trace.vantage.source, "192.0.2.77".parse().ok());
        assert_eq!(trace.started_at, Some(1_735_689_600_207_373_000));
        assert_eq!(trace.ended_at, Some(1_735_689_601_000_000_000));
        assert_eq!(
            trace.hops.iter().map(|hop| (hop.ttl, hop.sent, hop.answered)).collect::<Vec<_>>(),
            [(1, Some(2), Some(1)), (2, Some(1), Some(1)), (3, Some(1), Some(1))]
        );
        let second = &trace.hops[1].responders[0];
        assert_eq!(second.name.as_deref(), Some("r2.example.net"));
        assert_eq!(second.mpls, [MplsLabel { label: 16022, tc: 5, bottom: true, ttl: 1 }]);
        assert_eq!(second.replies[0].rtt_ms, Some(7.745));
        assert_eq!(second.replies[0].reply_ttl, Some(63));
        assert_eq!(second.replies[0].kind, Some(ReplyKind::TimeExceeded));
        let third = trace.hops[2].responders[0].replies[0].kind;
        assert_eq!(third, Some(ReplyKind::Unreachable { icmp_type: 3, code: 13 }));
        assert!(trace.findings.iter().any(|finding| finding.text.contains("NAT ID 3")));
        assert_eq!(trace.arrived(), (false, None));
    }

    #[test]
    fn type_and_code_in_their_order_are_read_too() {
        let right = SAMPLE
            .replace(r#""code" : 11"#, r#""code" : 0"#)
            .replace(r#""type" : 0"#, r#""type" : 11"#)
            .replace(r#""code" : 3, "type" : 13"#, r#""code" : 13, "type" : 3"#);
        assert_eq!(only(&right), only(SAMPLE));
    }
}
