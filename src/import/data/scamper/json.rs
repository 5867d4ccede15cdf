//! scamper's JSON lines, as `sc_warts2json` and `scamper -O json` write them.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::net::IpAddr;
use std::ops::ControlFlow;

use serde::Deserialize;

use super::{REPLIES, Record, Reply, Stop, protocol};
use crate::import::data::json::{Float, Int, List, Object, Text};
use crate::import::data::stream::{Elements, Step, finish, lines, note};
use crate::import::data::words::{address, clean, name_of};
use crate::import::{Each, Error, Outcome};
use crate::trace::foreign::{ForeignReply, ForeignTrace, ForeignVantage, Provenance, most};
use crate::trace::{MplsLabel, Protocol};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    version: Text<'a>,
    #[serde(borrow)]
    hostname: Text<'a>,
    #[serde(borrow)]
    method: Text<'a>,
    #[serde(borrow)]
    src: Text<'a>,
    #[serde(borrow)]
    dst: Text<'a>,
    dport: Int,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    stop_data: Int,
    start: Object<Time>,
    hop_count: Int,
    attempts: Int,
    firsthop: Int,
    probe_size: Int,
    probe_count: Int,
    #[serde(borrow)]
    hops: List<Object<Hop<'a>>, REPLIES>,
    #[serde(borrow)]
    nodes: List<Object<Node<'a>>, 4096>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Time {
    sec: Int,
    usec: Int,
}

impl Time {
    fn nanoseconds(&self) -> Option<i64> {
        self.sec.0?.checked_mul(1_000_000_000)?.checked_add(self.usec.0.unwrap_or(0).checked_mul(1000)?)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Hop<'a> {
    #[serde(borrow)]
    addr: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    probe_ttl: Int,
    probe_id: Int,
    rtt: Float,
    reply_ttl: Int,
    icmp_type: Int,
    icmp_code: Int,
    icmp_q_ttl: Int,
    // The colon is in scamper's key; should it go, the key without it is read as well.
    #[serde(rename = "icmp_nhmtu:", alias = "icmp_nhmtu")]
    icmp_nhmtu: Int,
    tcp_flags: Int,
    icmpext: List<Object<Extension>, 16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Extension {
    mpls_labels: List<Object<Label>, { most::LABELS }>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Label {
    mpls_ttl: Int,
    mpls_s: Int,
    mpls_exp: Int,
    mpls_label: Int,
}

/// A router of a `tracelb`, with the links that leave it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Node<'a> {
    #[serde(borrow)]
    addr: Text<'a>,
    #[serde(borrow)]
    links: List<List<Object<Link<'a>>, 64>, 256>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Link<'a> {
    #[serde(borrow)]
    addr: Text<'a>,
    probes: List<Object<Probe>, 1024>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Probe {
    ttl: Int,
    replies: List<Object<Answer>, 16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    ttl: Int,
    rtt: Float,
    icmp_type: Int,
    icmp_code: Int,
    icmp_q_ttl: Int,
    tcp_flags: Int,
}

/// Reads all traces of a file of JSON lines.
pub(in crate::import::data) fn read(input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    let mut monitor = None;
    let mut others: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    Elements::new(input, false).each(&mut outcome, &mut |element, outcome| {
        let mut objects = serde_json::Deserializer::from_slice(element.bytes).into_iter::<Line<'_>>();
        let Some(line) = objects.next() else { return Ok(Step::Read(element.bytes.len())) };
        let line = line?;
        let length = objects.byte_offset();
        let span = (element.line, element.line + lines(&element.bytes[..length]));
        let trace = match line.kind.get().unwrap_or("") {
            "trace" => record(&line, monitor.clone()).into_trace("json", line.version.get().map(clean), span),
            "tracelb" => balanced(&line, monitor.clone(), span),
            "cycle-start" | "cycle-def" => {
                monitor = line.hostname.get().map(clean);
                return Ok(Step::Read(length));
            }
            "cycle-stop" => return Ok(Step::Read(length)),
            other => {
                if others.len() < 16 || others.contains_key(other) {
                    others.entry(clean(other)).or_insert((element.line, 0)).1 += 1;
                }
                return Ok(Step::Read(length));
            }
        };
        outcome.traces += 1;
        Ok(match each(trace) {
            ControlFlow::Continue(()) => Step::Read(length),
            ControlFlow::Break(()) => Step::Stop,
        })
    })?;
    for (kind, (line, times)) in others {
        note(&mut outcome, Some(line), format!("left out, they are no traces: {kind} ({times})"));
    }
    finish(outcome, "scamper file")
}

fn record(line: &Line<'_>, monitor: Option<String>) -> Record {
    let protocol = line.method.get().and_then(protocol);
    Record {
        source: line.src.get().and_then(address),
        target: line.dst.get().and_then(address),
        protocol,
        port: line.dport.to().filter(|_| protocol != Some(Protocol::Icmp)),
        stop: line.stop_reason.get().map_or(Stop::Other, Stop::of_name),
        stop_data: line.stop_data.to().unwrap_or(0),
        began: line.start.0.as_ref().and_then(Time::nanoseconds),
        attempts: line.attempts.to(),
        first: line.firsthop.to(),
        hops: line.hop_count.to(),
        size: line.probe_size.to(),
        sent: line.probe_count.to(),
        replies: line.hops.kept.iter().filter_map(|hop| hop.0.as_ref()).map(reply).collect(),
        left: line.hops.left,
        monitor,
        findings: Vec::new(),
    }
}

fn reply(hop: &Hop<'_>) -> Reply {
    let from = hop.addr.get().and_then(address);
    let entries =
        hop.icmpext.kept.iter().filter_map(|one| one.0.as_ref()).flat_map(|one| &one.mpls_labels.kept);
    let label = |one: &Label| {
        Some(MplsLabel {
            label: one.mpls_label.to().filter(|label| *label < 1 << 20)?,
            tc: one.mpls_exp.to().unwrap_or(0) & 7,
            bottom: one.mpls_s.0 == Some(1),
            ttl: one.mpls_ttl.to()?,
        })
    };
    Reply {
        address: from,
        name: hop.name.get().and_then(|name| name_of(name, from)),
        ttl: hop.probe_ttl.to().unwrap_or(0),
        attempt: hop.probe_id.to().unwrap_or(1),
        rtt_ms: hop.rtt.0,
        reply_ttl: hop.reply_ttl.to(),
        icmp: hop.icmp_type.to().zip(hop.icmp_code.to()),
        tcp_flags: hop.tcp_flags.to(),
        mtu: hop.icmp_nhmtu.to(),
        quoted_ttl: hop.icmp_q_ttl.to(),
        mpls: entries.filter_map(|one| one.0.as_ref()).filter_map(label).take(most::LABELS).collect(),
    }
}

/// All paths of a load-balanced one in a single trace: every router at every TTL that it answered at.
fn balanced(line: &Line<'_>, monitor: Option<String>, span: (u64, u64)) -> ForeignTrace {
    let target = line.dst.get().and_then(address);
    let protocol = line.method.get().and_then(protocol);
    let mut trace = ForeignTrace {
        origin: Provenance {
            format: "scamper",
            dialect: "tracelb-json".to_owned(),
            version: line.version.get().map(clean),
            lines: Some(span),
        },
        vantage: ForeignVantage {
            label: monitor,
            source: line.src.get().and_then(address),
            ..ForeignVantage::default()
        },
        target: line.dst.get().map(clean).unwrap_or_default(),
        address: target,
        protocol,
        port: line.dport.to().filter(|_| protocol != Some(Protocol::Icmp)),
        size: line.probe_size.to(),
        started_at: line.start.0.as_ref().and_then(Time::nanoseconds),
        ..ForeignTrace::default()
    };
    trace.note(Some(span.0), "all paths of a balanced route in one: a hop has the routers of several paths");
    for node in line.nodes.kept.iter().filter_map(|node| node.0.as_ref()) {
        // A link of several parts passes hops that were silent.
        for link in node.links.kept.iter().flat_map(|link| &link.kept).filter_map(|link| link.0.as_ref()) {
            add_link(&mut trace, node, link, protocol, span.0);
        }
    }
    trace
}

fn add_link(
    trace: &mut ForeignTrace,
    node: &Node<'_>,
    link: &Link<'_>,
    protocol: Option<Protocol>,
    line: u64,
) {
    let Some(to) = link.addr.get().and_then(address) else { return };
    let near: Option<IpAddr> = node.addr.get().and_then(address);
    for probe in link.probes.kept.iter().filter_map(|probe| probe.0.as_ref()) {
        let Some(ttl @ 1..) = probe.ttl.to::<u8>() else { continue };
        if trace.hops.iter().all(|hop| hop.responders.iter().all(|one| one.address != near)) && ttl > 1 {
            // The first router is seen only as the beginning of a link; its own replies are not in the file.
            trace.hop_mut(ttl - 1).responder_mut(near, None);
        }
        for answer in probe.replies.kept.iter().filter_map(|answer| answer.0.as_ref()) {
            let reply = Reply {
                address: Some(to),
                icmp: answer.icmp_type.to().zip(answer.icmp_code.to()),
                tcp_flags: answer.tcp_flags.to(),
                ..Reply::default()
            };
            match trace.hop_mut(ttl).responder_mut(Some(to), None) {
                Some(one) if one.replies.len() < most::REPLIES => one.replies.push(ForeignReply {
                    rtt_ms: answer.rtt.0.and_then(crate::import::data::words::milliseconds),
                    kind: reply.kind(protocol),
                    reply_ttl: answer.ttl.to(),
                    quoted_ttl: answer.icmp_q_ttl.to(),
                    ..ForeignReply::default()
                }),
                _ => trace.note(
                    Some(line),
                    format!("hop {ttl}: answers beyond the most that is kept are left out"),
                ),
            }
        }
    }
}
