//! Globalping measurements: traceroute and mtr of many probes in one object.
//!
//! Its JSON has less than the text that it was made from: one address a hop, no marks, no losses. A traceroute's text
//! (`rawOutput`) is therefore read as well, and goes first where it says more; where the two differ, both are kept. The
//! rows of an mtr carry no numbers and are fewer than the hops: what has been seen already is removed.

#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Deserialize;

use super::json::{Float, Int, List, Object, Text};
use super::stream::{Elements, Step, finish, lines, note};
use super::words::{address, clean, instant, milliseconds, name_of, sentence};
use crate::import::{Each, Error, Outcome, Problem, text};
use crate::trace::foreign::{
    ForeignHop, ForeignReply, ForeignResponder, ForeignStats, ForeignTrace, ForeignVantage, Provenance, most,
};
use crate::trace::{Protocol, ReplyKind};

/// Probes that a traceroute sends to each hop; it cannot be set.
const TRIES: u32 = 2;

/// The port of a TCP traceroute where none was asked for.
const TCP_PORT: u16 = 80;

/// A measurement; or what a single probe sends, which has `result` alone.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Measurement<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    measurement_id: Text<'a>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    created_at: Text<'a>,
    #[serde(borrow)]
    target: Text<'a>,
    #[serde(borrow)]
    measurement_options: Object<Options<'a>>,
    #[serde(borrow)]
    results: List<Object<Part<'a>>, 1000>,
    #[serde(borrow)]
    result: Object<Outcomes<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Options<'a> {
    #[serde(borrow)]
    protocol: Text<'a>,
    port: Int,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    probe: Object<Probe<'a>>,
    #[serde(borrow)]
    result: Object<Outcomes<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Probe<'a> {
    #[serde(borrow)]
    country: Text<'a>,
    #[serde(borrow)]
    city: Text<'a>,
    asn: Int,
    #[serde(borrow)]
    network: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Outcomes<'a> {
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    failure_source: Text<'a>,
    #[serde(borrow)]
    raw_output: Text<'a>,
    #[serde(borrow)]
    resolved_address: Text<'a>,
    #[serde(borrow)]
    resolved_hostname: Text<'a>,
    #[serde(borrow)]
    hops: List<Object<Hop<'a>>, 300>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Hop<'a> {
    #[serde(borrow)]
    resolved_address: Text<'a>,
    #[serde(borrow)]
    resolved_hostname: Text<'a>,
    timings: List<Object<Timing>, { most::REPLIES }>,
    asn: List<Int, 16>,
    stats: Object<Stats>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Timing {
    rtt: Float,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stats {
    min: Float,
    avg: Float,
    max: Float,
    total: Int,
    rcv: Int,
}

/// Reads the traces of all probes of all measurements.
pub(super) fn read(input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    let mut others: BTreeMap<String, u64> = BTreeMap::new();
    Elements::new(input, false).each(&mut outcome, &mut |element, outcome| {
        let mut objects = serde_json::Deserializer::from_slice(element.bytes).into_iter::<Measurement<'_>>();
        let Some(measurement) = objects.next() else { return Ok(Step::Read(element.bytes.len())) };
        let measurement = measurement?;
        let length = objects.byte_offset();
        let span = (element.line, element.line + lines(&element.bytes[..length]));
        let kind = measurement.kind.get().unwrap_or("");
        if !matches!(kind, "" | "traceroute" | "mtr") {
            if others.len() < 16 {
                others.entry(clean(kind)).or_insert(span.0);
            }
            return Ok(Step::Read(length));
        }
        if measurement.status.get() == Some("in-progress") {
            note(outcome, Some(span.0), "this measurement is not finished: read it again later".to_owned());
        }
        if measurement.results.left > 0 {
            note(
                outcome,
                Some(span.0),
                format!("{} probes beyond 1000 are left out", measurement.results.left),
            );
        }
        let single = measurement.result.0.iter().map(|result| (None, result));
        let parts = measurement.results.kept.iter().filter_map(|part| part.0.as_ref());
        let parts = parts.filter_map(|part| Some((part.probe.0.as_ref(), part.result.0.as_ref()?)));
        for (probe, result) in single.chain(parts) {
            outcome.traces += 1;
            if each(trace(&measurement, probe, result, span)).is_break() {
                return Ok(Step::Stop);
            }
        }
        Ok(Step::Read(length))
    })?;
    if outcome.traces == 0 && !others.is_empty() {
        let kinds: Vec<&str> = others.keys().map(String::as_str).collect();
        let text = format!("it is a Globalping measurement of type {}, which has no path", kinds.join(", "));
        return Err(Error::new(Problem::Refused(text)));
    }
    for (kind, line) in others {
        note(&mut outcome, Some(line), format!("left out, a measurement of type {kind} has no path"));
    }
    finish(outcome, "Globalping measurement")
}

/// What one probe found.
fn trace(
    measurement: &Measurement<'_>,
    probe: Option<&Probe<'_>>,
    result: &Outcomes<'_>,
    span: (u64, u64),
) -> ForeignTrace {
    let hops = || result.hops.kept.iter().filter_map(|hop| hop.0.as_ref());
    let mtr = match measurement.kind.get() {
        Some(kind) => kind == "mtr",
        None => hops().any(|hop| hop.stats.0.is_some()),
    };
    let options = measurement.measurement_options.0.as_ref();
    let asked = options.and_then(|options| options.protocol.get()).map(str::to_ascii_uppercase);
    let protocol = match asked.as_deref() {
        Some("TCP") => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        Some("ICMP") => Some(Protocol::Icmp),
        // Where nothing was asked for it is ICMP; what a probe sends does not say what was asked.
        _ => measurement.kind.get().map(|_| Protocol::Icmp),
    };
    let port = options.and_then(|options| options.port.to()).or_else(|| (!mtr).then_some(TCP_PORT));
    let target = measurement.target.get().or_else(|| result.resolved_hostname.get()).map(clean);
    let mut trace = ForeignTrace {
        origin: Provenance {
            format: "globalping",
            dialect: if mtr { "mtr" } else { "traceroute" }.to_owned(),
            version: None,
            lines: Some(span),
        },
        vantage: vantage(measurement, probe),
        target: target.unwrap_or_default(),
        address: result.resolved_address.get().and_then(address),
        protocol,
        port: port.filter(|_| protocol.is_some_and(|protocol| protocol != Protocol::Icmp)),
        started_at: measurement.created_at.get().and_then(instant),
        ..ForeignTrace::default()
    };
    let status = result.status.get().unwrap_or("finished");
    match status {
        "finished" => {}
        "in-progress" => trace.note(Some(span.0), "this probe had not finished"),
        _ => trace.failure = Some(failure(status, result)),
    }
    for (hop, ttl) in hops().zip(1..=u8::MAX) {
        trace.hops.push(one(hop, ttl, &trace, mtr));
    }
    if hops().count() > trace.hops.len() || result.hops.left > 0 {
        trace.note(Some(span.0), "hops beyond 255 are left out");
    }
    if mtr && !trace.hops.is_empty() {
        let text = "the rows carry no hop numbers, and repeated ones were removed: a hop may be farther than it stands";
        trace.note(Some(span.0), text);
    }
    if let (false, Some(raw)) = (mtr, result.raw_output.get())
        && let Some(written) = text::traces(raw).into_iter().next()
    {
        merge(&mut trace, written, measurement.target.get().is_none(), span.0);
    }
    trace
}

fn vantage(measurement: &Measurement<'_>, probe: Option<&Probe<'_>>) -> ForeignVantage {
    let measurement = measurement.id.get().or_else(|| measurement.measurement_id.get()).map(clean);
    let Some(probe) = probe else { return ForeignVantage { measurement, ..ForeignVantage::default() } };
    let asn: Option<u32> = probe.asn.to();
    let parts =
        [probe.city.get().map(clean), probe.network.get().map(clean), asn.map(|asn| format!("AS{asn}"))];
    let label: Vec<String> = parts.into_iter().flatten().collect();
    ForeignVantage {
        label: (!label.is_empty()).then(|| label.join(", ")),
        asn,
        network: probe.network.get().map(clean),
        country: probe.country.get().map(clean),
        measurement,
        ..ForeignVantage::default()
    }
}

/// Why a probe found nothing: its own words, if it has any.
fn failure(status: &str, result: &Outcomes<'_>) -> String {
    let whose = result.failure_source.get().map(|source| format!(" ({})", clean(source))).unwrap_or_default();
    let said = result.raw_output.get().map(sentence).filter(|said| !said.is_empty());
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    match status {
        "offline" => format!("the probe went offline{said}"),
        _ => format!("{}{whose}{said}", clean(status)),
    }
}

fn one(hop: &Hop<'_>, ttl: u8, trace: &ForeignTrace, mtr: bool) -> ForeignHop {
    let from = hop.resolved_address.get().and_then(address);
    let name = hop.resolved_hostname.get().and_then(|name| name_of(name, from));
    let times: Vec<f64> =
        hop.timings.kept.iter().filter_map(|one| one.0.as_ref()?.rtt.0.and_then(milliseconds)).collect();
    let stats = hop.stats.0.as_ref();
    let received = stats.and_then(|stats| stats.rcv.to());
    let answered = received.unwrap_or(hop.timings.kept.len() as u32);
    let sent = match stats {
        Some(stats) => stats.total.to(),
        None if mtr => None,
        None => Some(TRIES.max(answered)),
    };
    let mut made = ForeignHop { ttl, sent, answered: Some(answered), responders: Vec::new() };
    if from.is_none() && name.is_none() {
        return made;
    }
    // Single times say more than totals, if there is one for each answer.
    let single = times.len() as u32 == answered;
    let kind = kind(from.is_some() && from == trace.address, trace.protocol);
    let reply = |rtt| ForeignReply { rtt_ms: Some(rtt), kind, ..ForeignReply::default() };
    made.responders.push(ForeignResponder {
        address: from,
        name,
        replies: if single { times.into_iter().map(reply).collect() } else { Vec::new() },
        stats: stats.filter(|_| !single).map(|stats| ForeignStats {
            received,
            best: stats.min.0.and_then(milliseconds),
            avg: stats.avg.0.and_then(milliseconds),
            worst: stats.max.0.and_then(milliseconds),
        }),
        claims: hop.asn.kept.iter().filter_map(|asn| asn.to()).collect(),
        mpls: Vec::new(),
    });
    made
}

/// The JSON does not say what an answer was: on the way a time exceeded, at the target what ends a trace of this protocol.
fn kind(own: bool, protocol: Option<Protocol>) -> Option<ReplyKind> {
    match protocol {
        _ if !own => Some(ReplyKind::TimeExceeded),
        Some(Protocol::Icmp) => Some(ReplyKind::EchoReply),
        _ => None,
    }
}

/// Lays what the text says over what the JSON says.
fn merge(trace: &mut ForeignTrace, written: ForeignTrace, name_it: bool, line: u64) {
    for finding in written.findings {
        trace.note(Some(line), format!("rawOutput: {}", finding.text));
    }
    if let (Some(one), Some(other)) = (trace.address, written.address)
        && one != other
    {
        trace.note(Some(line), format!("the JSON traces {one}, its rawOutput {other}"));
        return;
    }
    trace.address = trace.address.or(written.address);
    trace.size = trace.size.or(written.size);
    trace.protocol = trace.protocol.or(written.protocol);
    if name_it && !written.target.is_empty() {
        trace.target = written.target;
    }
    if trace.failure.is_none() {
        trace.failure = written.failure;
    }
    let mut structured = std::mem::take(&mut trace.hops);
    for mut hop in written.hops {
        let known = structured.iter().position(|one| one.ttl == hop.ttl).map(|at| structured.remove(at));
        if let Some(known) = known {
            lay(trace, &mut hop, known, line);
        } else if hop.answered != Some(0) {
            trace.note(Some(line), format!("hop {} stands in rawOutput and not in the JSON", hop.ttl));
        }
        trace.hops.push(hop);
    }
    for hop in structured {
        if hop.answered != Some(0) {
            trace.note(Some(line), format!("hop {} stands in the JSON and not in rawOutput", hop.ttl));
        }
        trace.hops.push(hop);
    }
    trace.hops.sort_by_key(|hop| hop.ttl);
}

/// One hop of the text, with what only the JSON has of it.
fn lay(trace: &mut ForeignTrace, hop: &mut ForeignHop, known: ForeignHop, line: u64) {
    hop.sent = hop.sent.or(known.sent);
    hop.answered = hop.answered.or(known.answered);
    for one in known.responders {
        let same = |other: &ForeignResponder| match (one.address, other.address) {
            (Some(one), Some(other)) => one == other,
            _ => one.name.is_some() && one.name == other.name,
        };
        match hop.responders.iter_mut().find(|other| same(other)) {
            Some(other) => {
                other.name = other.name.take().or(one.name);
                other.address = other.address.or(one.address);
                let kind = one.replies.first().and_then(|reply| reply.kind);
                for reply in
                    other.replies.iter_mut().filter(|reply| reply.kind.is_none() && reply.mark.is_none())
                {
                    reply.kind = kind;
                }
                if other.claims.is_empty() {
                    other.claims = one.claims;
                }
            }
            None => {
                let who =
                    one.address.map(|address| address.to_string()).or(one.name.clone()).unwrap_or_default();
                trace.note(
                    Some(line),
                    format!("hop {}: {who} stands in the JSON and not in rawOutput", hop.ttl),
                );
                hop.responders.push(one);
            }
        }
    }
}
