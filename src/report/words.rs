//! What every writer says alike: who was asked, from where, what was found, how sure it is, what to ask the network, and
//! whom the data is owed to.
//!
//! Host names, AS names and whatever a saved document holds come out as they are, only shortened where nobody would read
//! on; each writer escapes all text for its own medium.

use std::net::IpAddr;

use serde_json::Value;

use super::escape::{clip, clip_to};
use super::rows::{Lane, asn_text};
use super::runs::Runs;
use crate::number::special;
use crate::trace::schema::{App, AsTable, Balancer, Document, Listing, Path, TooBig, Variant, Verdict};

/// The most characters of a sentence that is shown; verdicts stay far below.
const SENTENCE: usize = 1200;
/// The most characters of a host name: a DNS name has 253.
const HOST: usize = 255;
/// The most ASes that a line names.
const MOST_NAMED: usize = 8;
/// Questions to resolvers that are listed.
const MOST_LOOKUPS: usize = 4;
/// Places of a joint conclusion that are listed.
const MOST_ROWS: usize = 50;

/// What is said at the end of every report that finds a loss.
pub(super) const CAVEAT: &str = "This shows where packets stop, or where they leave the reference's way without a trace. \
    It does not show who ordered it: the operator, equipment imposed on it, or the destination network itself.";

/// `2019-03-03 08:00 UTC` of an RFC 3339 time in UTC.
pub(super) fn day_and_time(time: &str) -> String {
    match (time.get(..10), time.get(11..16)) {
        (Some(day), Some(clock)) => format!("{day} {clock} UTC"),
        _ => clip(time).into_owned(),
    }
}

/// `2019-03-03 08:00:00 UTC` of an RFC 3339 time in UTC.
pub(super) fn to_the_second(time: &str) -> String {
    match (time.get(..10), time.get(11..19)) {
        (Some(day), Some(clock)) => format!("{day} {clock} UTC"),
        _ => clip(time).into_owned(),
    }
}

/// When it was measured: `2019-03-03 08:00:00 UTC to 08:00:04 UTC (11:00:00 local time, UTC+03:00)`.
pub(super) fn when(document: &Document) -> Option<String> {
    let start = document.started_at.as_deref()?;
    let mut text = to_the_second(start);
    if let Some(end) = document.finished_at.as_deref() {
        let end = to_the_second(end);
        match (text.get(..10) == end.get(..10), end.get(11..)) {
            (true, Some(clock)) => text.push_str(&format!(" to {clock}")),
            _ => text.push_str(&format!(" to {end}")),
        }
    }
    if let Some(offset) = document.vantage.utc_offset.as_deref() {
        let offset = clip_to(offset, 9);
        match local(start, &offset) {
            Some(clock) => text.push_str(&format!(" (began {clock} local time, UTC{offset})")),
            None => text.push_str(&format!(" (local time is UTC{offset})")),
        }
    }
    Some(text)
}

/// A time on the clock on the wall at `offset` (`+03:00`) from UTC.
fn local(time: &str, offset: &str) -> Option<String> {
    let time: jiff::Timestamp = time.parse().ok()?;
    let zone = self::offset(offset)?.to_time_zone();
    Some(time.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// How far a clock is from UTC, written `+03:00`.
pub(super) fn offset(text: &str) -> Option<jiff::tz::Offset> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.strip_prefix(['+', '-'])?.split_once(':')?;
    let minutes = hours.parse::<i32>().ok()?.checked_mul(60)?.checked_add(minutes.parse().ok()?)?;
    jiff::tz::Offset::from_seconds(minutes.checked_mul(sign * 60)?).ok()
}

/// The protocol, and the port where it has one: `TCP port 25`.
pub(super) fn service(protocol: &str, port: Option<u16>) -> String {
    let protocol = clip_to(protocol, 16).to_uppercase();
    match port {
        Some(port) => format!("{protocol} port {port}"),
        None if protocol.is_empty() => "protocol not stated".to_owned(),
        None if protocol != "ICMP" => protocol,
        None => format!("{protocol} echo"),
    }
}

/// A reference as it is named beside the target: where size is in question it is the same host by small packets.
pub(crate) fn beside(path: &Path) -> String {
    path.size.map_or_else(|| endpoint(path), |size| format!("the same by packets of {size} bytes"))
}

/// A host with its address, and its protocol and port where they are not the run's.
pub(super) fn endpoint(path: &Path) -> String {
    let mut text = host(path);
    match (&path.protocol, path.port) {
        (Some(protocol), Some(port)) => {
            text.push_str(&format!(" {} port {port}", clip_to(protocol, 16).to_uppercase()));
        }
        (Some(protocol), None) => text.push_str(&format!(" {}", clip_to(protocol, 16).to_uppercase())),
        (None, Some(port)) => text.push_str(&format!(" port {port}")),
        (None, None) => {}
    }
    text
}

/// A host with its address.
pub(super) fn host(path: &Path) -> String {
    let name = clip_to(&path.host, HOST);
    match path.address {
        Some(address) if address.to_string() != path.host => format!("{name} ({address})"),
        _ => name.into_owned(),
    }
}

/// The target with its service: `mx1.example (192.0.2.1) TCP port 25`.
pub(crate) fn target(document: &Document) -> String {
    let service = service(document.protocol.as_deref().unwrap_or_default(), document.port);
    let mut text = document
        .target
        .as_ref()
        .map_or_else(|| service.clone(), |path| format!("{} {service}", endpoint(path)));
    if let Some(size) = document.size {
        text.push_str(&format!(", packets of {size} bytes"));
    }
    text
}

/// The AS of a path's host, with its name: `AS64500 (Example)`.
pub(super) fn owner(path: &Path) -> Option<String> {
    path.asn.map(|asn| as_with_name(asn, path.as_name.as_deref()))
}

pub(super) fn as_with_name(asn: u32, name: Option<&str>) -> String {
    match name.filter(|name| !name.is_empty()) {
        Some(name) => format!("AS{asn} ({})", clip(name)),
        None => format!("AS{asn}"),
    }
}

/// Where it was measured from: `192.0.2.7 (AS64501) by eth0`.
pub(super) fn vantage(document: &Document) -> String {
    let vantage = &document.vantage;
    let mut text = match (vantage.source.or(vantage.public), &vantage.label) {
        (Some(source), _) => source.to_string(),
        (None, Some(label)) => clip(label).into_owned(),
        (None, None) => String::new(),
    };
    if let Some(asn) = vantage.asn {
        text.push_str(&format!(" (AS{asn})"));
    }
    if let Some(interface) = &vantage.interface {
        text.push_str(&format!(" by {}", clip(interface)));
    }
    if let Some(gateway) = vantage.gateway {
        text.push_str(&format!(" through {gateway}"));
    }
    if let Some(via) = vantage.via.as_deref().filter(|via| vantage.interface.as_deref() != Some(via)) {
        text.push_str(&format!(" (--via {})", clip(via)));
    }
    text.trim_start().to_owned()
}

/// [`vantage`], and where its address has no AS the first network on the way: `192.168.1.10, by AS64501 (Example)`.
pub(super) fn from(document: &Document) -> String {
    let mut text = vantage(document);
    let first = document.target.as_ref().and_then(|path| path.as_path.first().map(|asn| (*asn, path)));
    if let Some((asn, path)) = first.filter(|_| document.vantage.asn.is_none()) {
        let mut all = path.hops.iter().flat_map(|hop| &hop.responders);
        let name = all.find(|one| one.asn == Some(asn)).and_then(|one| one.as_name.as_deref());
        text.push_str(&format!(", first network {}", as_with_name(asn, name)));
    }
    text.trim_start_matches(", ").to_owned()
}

/// A short name of the place, for tables of several runs.
pub(super) fn place(document: &Document) -> String {
    let vantage = &document.vantage;
    match (&vantage.label, vantage.source, vantage.asn) {
        (Some(label), _, _) if !label.is_empty() => clip(label).into_owned(),
        _ if vantage.via.is_some() => clip(vantage.via.as_deref().unwrap_or_default()).into_owned(),
        (_, Some(source), Some(asn)) => format!("{source} (AS{asn})"),
        (_, Some(source), None) => source.to_string(),
        (_, None, Some(asn)) => format!("AS{asn}"),
        (_, None, None) => {
            let hops = document.target.iter().flat_map(|path| &path.hops).flat_map(|hop| &hop.responders);
            let first = hops.flat_map(|one| one.asn.iter().chain(&one.claims)).next();
            first.map_or_else(|| "unnamed place".to_owned(), |asn| format!("behind AS{asn}"))
        }
    }
}

/// A short name of what was asked for, for tables of several runs.
pub(super) fn asked(document: &Document) -> String {
    let port = document.port.map_or_else(String::new, |port| format!("/{port}"));
    let protocol = clip_to(document.protocol.as_deref().unwrap_or_default(), 16);
    let mail =
        document.mail.as_deref().map_or_else(String::new, |side| format!(" ({} mail)", clip_to(side, 16)));
    match &document.target {
        Some(path) => format!("{}{} {protocol}{port}", clip(&path.host), mail).trim_end().to_owned(),
        None => format!("{protocol}{port}{mail}"),
    }
}

/// Where a run's path stops, in a few words for a matrix.
pub(super) fn fate(document: &Document) -> String {
    if let Some(verdict) = &document.verdict {
        let names: Vec<String> = verdict.asns.iter().take(3).map(|asn| format!("AS{asn}")).collect();
        let list = names.join(", ");
        let what = match verdict.kind.as_str() {
            "reachable" => return "reachable".to_owned(),
            "lost_inside_as" => format!("lost inside {list}"),
            "lost_at_as_border" => format!("lost at the border of {}", names.join(" and ")),
            "lost_in_as_range" => format!("lost among {list}"),
            "destination_network" => format!("lost in or before {list}"),
            "host_or_return_path" => "host silent, or the way back".to_owned(),
            "rejected" => format!("rejected by {list}"),
            "injected" => format!("forged answer, {list}"),
            "intercepted" => "intercepted".to_owned(),
            "routing_fault" => format!("routing fault in {list}"),
            "partial" => format!("lost on some flows {list}"),
            "local" => "lost near the sender".to_owned(),
            "inconclusive" => {
                let reason = verdict.reason.as_deref().unwrap_or("weak").replace('_', " ");
                return clip_to(&format!("inconclusive: {reason}"), 60).into_owned();
            }
            other => clip_to(other, 40).replace('_', " "),
        };
        return match verdict.after_ttl {
            Some(ttl) => format!("{}, after hop {ttl}", what.trim_end()),
            None => what.trim_end().to_owned(),
        };
    }
    let Some(path) = &document.target else {
        let error = document.error.as_ref().map(|error| clip(&error.kind).replace('_', " "));
        return error.map_or_else(|| "not measured".to_owned(), |kind| format!("not measured: {kind}"));
    };
    let lane = Lane::of(path);
    match (path.reached, path.distance, lane.last_answer()) {
        (true, Some(ttl), _) => format!("reached at hop {ttl}"),
        (true, None, _) => "reached".to_owned(),
        (false, _, Some((ttl, one))) => {
            format!("last answer at hop {ttl}, {}", asn_text(Some(one)))
        }
        (false, _, None) => "no answer".to_owned(),
    }
}

/// The ASes of a verdict, with their names.
pub(super) fn accused(verdict: &Verdict) -> Vec<String> {
    let mut names: Vec<String> = (verdict.asns.iter().take(MOST_NAMED).enumerate())
        .map(|(at, asn)| as_with_name(*asn, verdict.as_names.get(at).map(String::as_str)))
        .collect();
    if verdict.asns.len() > MOST_NAMED {
        names.push(format!("{} more", verdict.asns.len() - MOST_NAMED));
    }
    names
}

/// One line that names the kind and the ASes: `LOST INSIDE AS8359 (MTS PJSC)`.
pub(crate) fn title(verdict: &Verdict) -> String {
    titled(&verdict.kind, &accused(verdict), verdict.reason.as_deref())
}

fn titled(kind: &str, names: &[String], reason: Option<&str>) -> String {
    let list = names.join(", ");
    match kind {
        "reachable" => "REACHABLE".to_owned(),
        "lost_inside_as" => format!("LOST INSIDE {list}"),
        "lost_at_as_border" => format!("LOST AT THE BORDER OF {}", names.join(" AND ")),
        "lost_in_as_range" => format!("LOST SOMEWHERE AMONG {list}"),
        "destination_network" => format!("LOST IN OR AT THE EDGE OF THE DESTINATION NETWORK {list}"),
        "host_or_return_path" => "THE HOST ITSELF IS SILENT, OR ITS ANSWERS ARE LOST".to_owned(),
        "rejected" => format!("REJECTED BY {list}"),
        "injected" => format!("ANSWERED BY SOMETHING ELSE, IN {list}"),
        "intercepted" => "INTERCEPTED ON THE WAY".to_owned(),
        "routing_fault" => format!("ROUTING FAULT IN {list}"),
        "partial" if names.is_empty() => "LOST ON SOME FLOWS".to_owned(),
        "partial" => format!("LOST ON SOME FLOWS, IN {list}"),
        "local" => "LOST IN YOUR OWN NETWORK OR ACCESS LINE".to_owned(),
        "inconclusive" => {
            format!("INCONCLUSIVE ({})", clip_to(reason.unwrap_or("weak"), 40).replace('_', " "))
        }
        // A newer document's word: said, not interpreted.
        other => clip_to(other, 40).replace('_', " ").to_uppercase(),
    }
}

/// The title of a whole run, with a verdict or without.
pub(super) fn headline(document: &Document) -> String {
    match (&document.verdict, &document.target) {
        (Some(verdict), _) => title(verdict),
        (None, Some(path)) => format!("PATH TO {}: {}", host(path), fate(document)),
        (None, None) => "NOT MEASURED".to_owned(),
    }
}

/// The title of a whole report.
pub(super) fn title_of(runs: &Runs) -> String {
    match (runs.is_set, runs.documents.as_slice()) {
        (false, [one]) => headline(one),
        (_, all) => {
            let conclusion = runs.conclusion.as_ref().and_then(together);
            conclusion.map_or_else(|| format!("{} runs", all.len()), |(title, _)| title)
        }
    }
}

/// How a verdict is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Well,
    /// Packets are lost or turned away, and it is known where.
    Loss,
    Other,
}

/// The colour of a verdict's title.
pub(crate) fn tone(verdict: &Verdict) -> Tone {
    match verdict.kind.as_str() {
        "reachable" => Tone::Well,
        "inconclusive"
        | "intercepted"
        | "local"
        | "host_or_return_path"
        | "destination_network"
        | "lost_in_as_range" => Tone::Other,
        _ => Tone::Loss,
    }
}

/// The conclusion in a sentence or two.
pub(super) fn summary(document: &Document) -> String {
    if let Some(verdict) = &document.verdict {
        return clip_to(&verdict.summary, SENTENCE).into_owned();
    }
    match (&document.target, &document.error) {
        (Some(path), _) => {
            format!("The path to {} was followed: {}.", host(path), Lane::of(path).end_alone())
        }
        (None, Some(error)) => clip_to(&error.message, SENTENCE).into_owned(),
        (None, None) => "Nothing was measured.".to_owned(),
    }
}

/// The figures that the verdict rests on; nothing where there are none.
pub(super) fn figures(verdict: &Verdict) -> Option<String> {
    let evidence = &verdict.evidence;
    (evidence.pairs > 0).then(|| {
        format!(
            "{} pairs: reference answered {}, target {}; e-value {}; posterior {:.3}; {} flows; {} reference{}",
            evidence.pairs,
            evidence.reference_answered,
            evidence.target_answered,
            big(evidence.e_value),
            evidence.posterior,
            evidence.flows,
            evidence.references,
            if evidence.references == 1 { "" } else { "s" },
        )
    })
}

/// How sure the place and its owners are.
pub(super) fn certainty(verdict: &Verdict) -> Option<String> {
    (verdict.location_confidence > 0.0).then(|| {
        let owner = match verdict.attribution_confidence {
            none if none <= 0.0 => String::new(),
            share => format!("; whose it is {}", percent(share)),
        };
        format!("where it is {}{owner}", percent(verdict.location_confidence))
    })
}

/// What a conclusion rests on and what follows from it, row by row, named as everywhere.
pub(super) fn facts(document: &Document) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let Some(verdict) = &document.verdict {
        rows.extend(figures(verdict).map(|text| ("evidence", text)));
        if let Some(text) = certainty(verdict) {
            rows.push(("certainty", text));
            let limits = [&verdict.location_limit, &verdict.attribution_limit];
            let limits: Vec<&str> = limits.into_iter().flatten().map(String::as_str).collect();
            if !limits.is_empty() {
                rows.push(("limits", limits.join("; ")));
            }
        }
        if verdict.kind != "reachable" && verdict.mechanism != "unknown" {
            rows.push(("how", how(verdict)));
        } else if verdict.scope != "unknown" {
            rows.push(("what", scope(&verdict.scope).to_owned()));
        }
    }
    if !document.balancing.is_empty() {
        let list: Vec<String> = document.balancing.iter().take(8).map(balancer).collect();
        rows.push(("balance", list.join("; ")));
    }
    if let Some(table) = &document.asdb {
        rows.push(("table", self::table(table)));
    }
    if let Some(measurement) = &document.measurement {
        let stopped = if measurement.incomplete { "; stopped before it was complete" } else { "" };
        let seconds = measurement.seconds.0 as f64 / 1e9;
        rows.push(("cost", format!("{} probes in {seconds:.1} s{stopped}", measurement.probes)));
    }
    if let Some(step) = document.verdict.as_ref().and_then(|verdict| verdict.next_step.as_ref()) {
        rows.push(("next", step.clone()));
    }
    rows.into_iter().map(|(name, text)| (name, clip_to(&text, SENTENCE).into_owned())).collect()
}

/// From where, to where, when, beside what, and [`facts`] without the table, which stands at the end: for media with room.
pub(super) fn key_facts(document: &Document) -> Vec<(&'static str, String)> {
    let mut rows = vec![("from", from(document)), ("to", target(document))];
    rows.extend(document.target.as_ref().and_then(owner).map(|owner| ("in", owner)));
    if let Some(label) = document.vantage.label.as_deref().filter(|label| !label.is_empty()) {
        rows.push(("place", clip(label).into_owned()));
    }
    for reference in document.references.iter().take(8) {
        let how = reference
            .chosen
            .as_ref()
            .map_or_else(String::new, |chosen| format!(", {}", clip_to(&chosen.words, 200)));
        let answers = if reference.reached { "answers" } else { "does not answer" };
        rows.push(("beside", format!("{} ({answers}{how})", beside(reference))));
    }
    rows.extend(when(document).map(|when| ("when", when)));
    rows.extend(facts(document).into_iter().filter(|(name, _)| *name != "table"));
    rows
}

/// What is said in a table between the hops that the target's packets reach and those that they do not.
pub(super) fn parted(after: u8, before: Option<u8>) -> String {
    let before = before.map_or_else(String::new, |ttl| format!(", and are proven lost before hop {ttl}"));
    format!("The target’s packets are proven to reach hop {after}{before}.")
}

/// Findings of an imported file that are told; the JSON has them all.
const MOST_FINDINGS: usize = 5;

/// Where an imported run comes from, and what is doubtful in it.
fn imported(document: &Document) -> Vec<String> {
    let Some(origin) = &document.origin else { return Vec::new() };
    let dialect = origin.dialect.as_ref().map_or_else(String::new, |dialect| format!(" ({})", clip(dialect)));
    let lines = origin.lines.map_or_else(String::new, |[first, last]| format!(", lines {first} to {last}"));
    let file = origin.file.as_ref().map_or_else(String::new, |file| format!(" from {}", clip_to(file, HOST)));
    let mut notes = vec![format!("Imported{file}{lines}: output of {}{dialect}.", clip(&origin.format))];
    let claimed = document.target.iter().flat_map(|path| &path.hops).flat_map(|hop| &hop.responders);
    if claimed.clone().any(|one| one.address.is_none() && !one.claims.is_empty()) {
        notes.push(
            "AS numbers in brackets are the file's own claims: it shows no addresses there.".to_owned(),
        );
    }
    for one in claimed.filter(|one| one.rewritten_to.is_some()).take(1) {
        let to = one.rewritten_to.map_or_else(String::new, |to| to.to_string());
        let who = one.address.map_or_else(|| "A router".to_owned(), |address| address.to_string());
        notes.push(format!("{who} quotes packets to {to}: the destination was translated on the way."));
    }
    for finding in document.findings.iter().take(MOST_FINDINGS) {
        let line = finding.line.map_or_else(String::new, |line| format!("line {line}: "));
        notes.push(format!("Doubtful: {line}{}", clip_to(&finding.text, 200)));
    }
    if document.findings.len() > MOST_FINDINGS {
        notes.push(format!("{} more doubts, see the JSON.", document.findings.len() - MOST_FINDINGS));
    }
    notes
}

/// What tables cannot show: answers without a hop, and places where no AS can be told.
pub(super) fn notes(document: &Document, shown_references: usize) -> Vec<String> {
    let mut notes = notes_of_run(document, shown_references);
    if document.vantage.sockets.is_some() && !document.vantage.limits.is_empty() {
        let limits: Vec<String> =
            document.vantage.limits.iter().take(8).map(|one| clip_to(one, SENTENCE).into_owned()).collect();
        notes.push(format!("Measured without the right to raw sockets. {}.", limits.join("; ")));
    }
    let strays = document.measurement.as_ref().map_or(0, |measurement| measurement.strays);
    if strays >= FLOOD {
        notes.push(format!(
            "{strays} packets came in that belong to no probe of this run: a flood, perhaps of forged answers. None was taken \
             for one."
        ));
    }
    notes
}

/// Packets that belong to no probe, from which on they are told of: more than a host meets by the way.
const FLOOD: u64 = 1_000;

fn notes_of_run(document: &Document, shown_references: usize) -> Vec<String> {
    let Some(target) = &document.target else { return Vec::new() };
    let mut notes = Vec::new();
    if target.asn.is_none() && target.address.is_some() {
        notes.push(
            "The target's address has no origin AS (private, reserved or unannounced): no AS can be told there."
                .to_owned(),
        );
    }
    notes.extend(imported(document));
    notes.extend(document.too_big.iter().take(8).map(too_big));
    if let (Some(now), true) = (target.size, target.size < document.size) {
        notes.push(format!("Path MTU discovery works so far: the hops shown are of packets of {now} bytes."));
    }
    notes.extend(search(document));
    notes.extend(document.registry.iter().take(8).map(listing));
    notes.extend(resolved(document));
    notes.extend(document.app.as_ref().map(exchange));
    if let Some(far) = &document.check {
        let what = match (far.answered, far.distance) {
            (false, _) => "does not answer".to_owned(),
            (true, Some(ttl)) => format!("answers from hop {ttl}"),
            (true, None) => "answers".to_owned(),
        };
        notes.push(format!("The far host {} ({}) {what}.", clip_to(&far.host, HOST), far.address));
    }
    if let Some(measurement) = &document.measurement {
        if measurement.overflow > 0 {
            notes.push(format!(
                "{} packets were lost in this host's own receive buffer and are missing from the counts.",
                measurement.overflow
            ));
        }
        match document.references.len().saturating_sub(shown_references) {
            0 => {}
            1 => notes.push("1 more reference is in the JSON.".to_owned()),
            more => notes.push(format!("{more} more references are in the JSON.")),
        }
    }
    notes
}

/// What the service itself said.
fn exchange(app: &App) -> String {
    let protocol = clip(&app.protocol).to_uppercase();
    let said = app.said.as_ref().map_or_else(String::new, |said| format!(": {}", clip_to(said, 200)));
    match &app.error {
        None => format!("The service works: it answers {protocol} after {:.2} s{said}.", app.seconds),
        Some(error) => format!(
            "The host answers, but {protocol} does not work there: {} ({:.2} s){said}.",
            clip_to(error, 200),
            app.seconds
        ),
    }
}

/// What servers of the user's choice said of the names, and what is doubtful of it. The system's resolver goes unmentioned:
/// every program trusts it.
fn resolved(document: &Document) -> Vec<String> {
    let name = |text: &str| clip_to(text, HOST).into_owned();
    let mut notes = Vec::new();
    let asked: Vec<_> = document.dns.iter().filter(|lookup| lookup.server.is_some()).collect();
    let told = asked.iter().take(MOST_LOOKUPS).map(|lookup| {
        let answers: Vec<String> = lookup.answers.iter().take(4).map(|answer| name(&answer.data)).collect();
        let more = if lookup.answers.len() > 4 { ", …" } else { "" };
        let said = match (&lookup.error, answers.is_empty()) {
            (Some(error), _) => name(error),
            (None, true) => "none".to_owned(),
            (None, false) => answers.join(", "),
        };
        let server = lookup.server.as_deref().unwrap_or_default();
        let server = server.strip_suffix(":53").unwrap_or(server);
        format!(
            "{} {} {said}{more} ({})",
            name(&lookup.name),
            clip(lookup.kind.as_deref().unwrap_or("")),
            name(server)
        )
    });
    let told: Vec<String> = told.collect();
    if let Some(first) = asked.first() {
        let rest = match asked.len().saturating_sub(MOST_LOOKUPS) {
            0 => String::new(),
            more => format!("; {more} more in the JSON"),
        };
        notes.push(format!("DNS, {}: {}{rest}.", day_and_time(&first.asked_at), told.join("; ")));
    }
    if document.origin.is_none() {
        let doubts = document.findings.iter().take(MOST_FINDINGS);
        notes.extend(doubts.map(|finding| format!("Names: {}.", clip_to(&finding.text, 400))));
    }
    notes
}

/// What a published list says, and of which day it is; never more than that.
fn listing(one: &Listing) -> String {
    let name = |text: &str| clip_to(text, HOST).into_owned();
    let file = one.file.rsplit('/').next().unwrap_or(&one.file);
    let dated = match one.dated.as_deref() {
        Some(date) => format!("of {}", clip_to(date.get(..10).unwrap_or(date), 10)),
        None => "undated".to_owned(),
    };
    let asked: Vec<String> = one.asked.iter().take(4).map(|asked| name(asked)).collect();
    if !one.listed {
        return format!("{}: not listed in this file: {} ({dated}).", asked.join(", "), name(file));
    }
    let mut said: Vec<String> = Vec::new();
    for asked in one.asked.iter().take(4) {
        let matches = || one.matches.iter().filter(|found| found.asked == *asked);
        let mut levels: Vec<&str> = Vec::new();
        for found in matches() {
            let level = match found.level.as_str() {
                "address" => "address",
                "subnet" => "covering subnet",
                "under_entry" => "under a domain or URL entry",
                "name" => "name",
                "name_mask" => "name, by a mask",
                "url" => "URL of that name",
                _ => "otherwise",
            };
            if !levels.contains(&level) {
                levels.push(level);
            }
        }
        if levels.is_empty() {
            said.push(format!("{}: not listed in this file", name(asked)));
            continue;
        }
        let by = matches().find_map(|found| Some((found.decision.as_deref()?, found.date.as_deref())));
        let by = by.map_or_else(String::new, |(decision, date)| {
            let date = date.map_or_else(String::new, |date| format!(" of {}", clip_to(date, 20)));
            format!(", decision {}{date}", clip_to(decision, 60))
        });
        said.push(format!("{}: listed in {} {dated} ({}{by})", name(asked), name(file), levels.join("; ")));
    }
    format!("{}.", said.join("; "))
}

/// A router's word that packets were too big.
fn too_big(one: &TooBig) -> String {
    let place = one.ttl.map(|ttl| format!("hop {ttl}"));
    let known: Vec<String> = place.into_iter().chain(one.asn.map(|asn| format!("AS{asn}"))).collect();
    let place = if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) };
    let size = one.size.map_or_else(String::new, |size| format!(" of {size} bytes"));
    format!(
        "{}{place} says that packets{size} are too big; its next link takes {} bytes.",
        one.address, one.mtu
    )
}

/// Who was asked to serve as a reference, in a line.
fn search(document: &Document) -> Option<String> {
    let search = document.search.as_ref()?;
    let found = search.found.iter().take(16).map(|found| {
        let why = match (found.why.as_str(), found.outcome.as_str()) {
            ("hint", "closed") => " (a hint; its port is closed)",
            ("hint", _) => " (a hint)",
            ("alias", _) => " (another address of the target's name)",
            (_, "closed") => " (its port is closed)",
            _ => "",
        };
        format!("{}{why}", found.address)
    });
    let found: Vec<String> = found.collect();
    let result = if found.is_empty() { "nobody answered".to_owned() } else { found.join(", ") };
    let asked = match search.touched.len() {
        1 => "1 address asked".to_owned(),
        count => format!("{count} addresses asked"),
    };
    let when = day_and_time(&search.searched_at);
    Some(match (search.prefix.as_deref().map(clip), search.from_cache) {
        (Some(prefix), false) => format!("Search for references in {prefix}, {asked}: {result}."),
        (Some(prefix), true) => {
            let now = if search.touched.is_empty() { String::new() } else { format!("; now {asked}") };
            format!("Search for references in {prefix} of {when}, from the cache{now}: {result}.")
        }
        (None, _) if search.touched.is_empty() => {
            "No search for references: no announced prefix covers the target.".to_owned()
        }
        (None, _) => format!("Search for references among the hints, {asked}: {result}."),
    })
}

fn how(verdict: &Verdict) -> String {
    let words = crate::verdict::Mechanism::ALL.iter().find(|known| known.word() == verdict.mechanism);
    let scopes = crate::verdict::Scope::ALL.iter().find(|known| known.word() == verdict.scope);
    match (words, scopes) {
        (Some(mechanism), Some(scope)) => crate::verdict::how(*mechanism, *scope),
        // A document of a newer version may know more words.
        _ => format!("{}, {}", verdict.mechanism, verdict.scope),
    }
}

fn scope(word: &str) -> &str {
    match word {
        "host" => "everything tried to this address",
        "port" => "this port only: another port of the host passes",
        "protocol" => "this protocol only: another one to the host passes",
        "prefix" => "the references' addresses as well",
        other => other,
    }
}

/// Hops that are several routers: `hops 4 to 5 are 2 routers each, chosen by flow`.
fn balancer(found: &Balancer) -> String {
    let Balancer { from_ttl, to_ttl, by, routers } = found;
    let hops = if from_ttl == to_ttl {
        format!("hop {from_ttl} is {routers} routers")
    } else {
        format!("hops {from_ttl} to {to_ttl} are up to {routers} routers each")
    };
    match by.as_str() {
        "flow" => format!("{hops}, chosen by flow"),
        "destination" => format!("{hops}, chosen by destination"),
        "packet" => format!("{hops}, packet by packet"),
        _ => hops,
    }
}

/// A row of the target's matrix of ports: what was tried, what came back, how far it was seen.
pub(super) fn variant(row: &Variant) -> [String; 3] {
    let protocol = clip_to(&row.protocol, 16);
    let name = match row.port {
        Some(port) => format!("{protocol}/{port}"),
        None => protocol.into_owned(),
    };
    let reply = match row.reply.as_deref() {
        Some("syn_ack") => "open",
        Some("rst") => "closed (RST)",
        Some("echo_reply") => "echo",
        Some("udp_answer") => "an answer",
        Some("unreachable") if row.answered => "closed (port unreachable)",
        Some("unreachable") => "refused (ICMP)",
        _ => "nothing",
    };
    let far = row.furthest_ttl.map_or_else(|| "–".to_owned(), |ttl| format!("hop {ttl}"));
    [name, reply.to_owned(), far]
}

/// The end of an incomplete run, where it has one.
pub(super) fn trouble(document: &Document) -> Option<String> {
    let stopped = document.measurement.as_ref().is_some_and(|measurement| measurement.incomplete);
    match &document.error {
        Some(error) => Some(clip_to(&error.message, SENTENCE).into_owned()),
        None if stopped && document.verdict.is_none() => {
            Some("stopped before every hop had been asked and waited for".to_owned())
        }
        None => None,
    }
}

/// The question that the networks on the way are asked. It claims nothing beyond the evidence, and "we see no fault" is no
/// answer to it.
pub(super) fn question(document: &Document) -> Option<String> {
    let verdict = document.verdict.as_ref()?;
    let path = document.target.as_ref()?;
    let address = path.address.map_or_else(|| clip_to(&path.host, HOST).into_owned(), route);
    let service = service(document.protocol.as_deref().unwrap_or_default(), document.port);
    let place = match (&verdict.after, &verdict.before) {
        (Some(after), Some(before)) => format!(" between {} and {}", clip(after), clip(before)),
        (Some(after), None) => format!(" behind {}", clip(after)),
        (None, Some(before)) => format!(" before {}", clip(before)),
        (None, None) => String::new(),
    };
    if let (Some(size), false) =
        (verdict.packet_size.and_then(|sizes| sizes.lost), verdict.kind == "reachable")
    {
        return Some(format!(
            "Please check the links on the way to {address} ({service}){place}: do they carry packets of {size} bytes? Where one \
             does not, does the router before it say so by ICMP (RFC 1191, RFC 8201), and is that message let through? If they \
             do, what drops large packets there, since when, and on what ground?"
        ));
    }
    Some(match verdict.kind.as_str() {
        "reachable" => return None,
        "lost_inside_as" | "lost_at_as_border" | "lost_in_as_range" | "destination_network" => format!(
            "Please check forwarding and filters for {address} ({service}){place}: are packets to it dropped there, \
             since when, and on what ground? If not, which router sends them on, and to whom?"
        ),
        "rejected" => format!(
            "Please check the filters for {address} ({service}): which device refuses these packets{}, since when, \
             and on what ground?",
            verdict.after.as_ref().map_or_else(String::new, |after| format!(" at or behind {}", clip(after)))
        ),
        "injected" | "intercepted" => format!(
            "Please check the path to {address} ({service}): which device answers in the host's name{place}, since when, \
             and on what ground?"
        ),
        "routing_fault" => format!(
            "Please check the route to {address}{place}: what does your table hold for it, since when, and when will it be \
             repaired?"
        ),
        "partial" => format!(
            "Please check every one of the parallel links{place} for {address} ({service}): which of them loses packets, \
             and since when?"
        ),
        "host_or_return_path" => format!(
            "Please check the host {address} ({service}) and the way back{}: do the probes arrive, and are they answered?",
            document
                .vantage
                .source
                .filter(is_public)
                .map_or_else(String::new, |source| format!(" to {source}"))
        ),
        "local" => format!(
            "Please check the access line and the first routers for {address} ({service}){place}: are packets dropped \
             there, and since when?"
        ),
        _ => format!(
            "Please try {address} ({service}) from a router of your own and send the output: is it reached, and along \
             which hops?"
        ),
    })
}

/// An address as a host route, as operators look it up.
pub(super) fn route(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}

/// The command that makes the one trace this tool cannot make: from the far end back. The address is ours where the world
/// can see it.
pub(super) fn reverse_command(document: &Document) -> String {
    let source = document.vantage.source;
    let family = if source.is_some_and(|source| source.is_ipv6()) { " -6" } else { "" };
    let public = source.filter(is_public);
    let address = public.map_or_else(|| "OUR-PUBLIC-ADDRESS".to_owned(), |source| source.to_string());
    format!("mtr{family} -n -z -w -r -c 100 {address}")
}

/// Whether [`reverse_command`] has our address.
pub(super) fn knows_public_address(document: &Document) -> bool {
    document.vantage.source.is_some_and(|source| is_public(&source))
}

/// Whether the world can see an address.
fn is_public(address: &IpAddr) -> bool {
    special::lookup(*address).is_none()
}

/// A day of an RFC 3339 time.
pub(super) fn day(time: Option<&str>) -> &str {
    time.and_then(|time| time.get(..10)).unwrap_or("of unknown date")
}

/// Whom the IP-to-AS table is owed to, as its licence asks: one line a source, or one of the table where it names none.
pub(super) fn credits(table: &AsTable) -> Vec<String> {
    let licensed = table.sources.iter().filter_map(|source| {
        let licence = source.licence.as_deref()?;
        let day = source.date.as_deref().map_or_else(String::new, |day| format!(", {}", clip_to(day, 10)));
        Some(format!("{}{day}: {}", clip(&source.name), clip_to(licence, 300)))
    });
    let mut lines: Vec<String> = licensed.take(16).collect();
    if lines.is_empty() {
        lines.push(format!("{}, {}", clip(&table.origin), day(table.built_at.as_deref())));
    }
    lines
}

/// The data on networks in one line: whom the table is owed to, under which licence, and its hash; then what the user laid
/// over it.
pub(super) fn table(table: &AsTable) -> String {
    let hash = |sha256: &str| format!("SHA-256 {}", clip_to(sha256, 64));
    let mut text = format!("{}; {}", credits(table).join("; "), hash(&table.sha256));
    if let Some(warning) = &table.warning {
        text.push_str(&format!("; {}", clip_to(warning, SENTENCE)));
    }
    let file = |origin: &str, built_at: &Option<String>, sha256: &str| {
        format!("{}, {}, {}", clip(origin), day(built_at.as_deref()), hash(sha256))
    };
    if let Some(links) = &table.adjacency {
        text.push_str(&format!("; neighbours: {}", file(&links.origin, &links.built_at, &links.sha256)));
    }
    for one in table.exchanges.iter().flat_map(|exchanges| &exchanges.files).take(8) {
        text.push_str(&format!("; exchanges: {}", file(&one.origin, &one.built_at, &one.sha256)));
    }
    text
}

/// The address that DB-IP's licence wants a page to link to.
pub(super) const DB_IP: &str = "https://db-ip.com";

/// Whether a table has data of DB-IP.
pub(super) fn has_db_ip(table: &AsTable) -> bool {
    let names = |text: &str| text.to_ascii_lowercase().replace('-', "").contains("dbip");
    names(&table.origin)
        || table.sources.iter().any(|one| names(&one.name) || one.licence.as_deref().is_some_and(names))
}

/// What made the report: `lasthop 0.1.0`.
pub(super) fn tool(document: &Document) -> String {
    format!("{} {}", clip_to(&document.tool.name, 40), clip_to(&document.tool.version, 40))
}

/// The tables that runs used, each once; eight at most.
pub(super) fn tables(runs: &Runs) -> Vec<&AsTable> {
    let mut tables: Vec<&AsTable> = Vec::new();
    for table in runs.documents.iter().filter_map(|document| document.asdb.as_ref()) {
        if !tables.contains(&table) && tables.len() < 8 {
            tables.push(table);
        }
    }
    tables
}

/// What made the runs of a report, each once; eight at most.
pub(super) fn tools(runs: &Runs) -> String {
    let mut tools: Vec<String> = Vec::new();
    for tool in runs.documents.iter().map(tool) {
        if !tools.contains(&tool) && tools.len() < 8 {
            tools.push(tool);
        }
    }
    if tools.is_empty() { "lasthop".to_owned() } else { tools.join(", ") }
}

/// What several runs say together: its title and its sentence, where there is a conclusion.
pub(super) fn together(conclusion: &Value) -> Option<(String, String)> {
    let text = |name: &str| conclusion.get(name).and_then(Value::as_str);
    let asns = conclusion.get("asns").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let names: Vec<String> =
        asns.iter().take(MOST_NAMED).filter_map(Value::as_u64).map(|asn| format!("AS{asn}")).collect();
    let title = titled(text("kind")?, &names, text("reason"));
    Some((title, clip_to(text("summary").unwrap_or_default(), SENTENCE).into_owned()))
}

/// What a joint conclusion rests on, what each place adds to it, what it cannot tell and what to do next: named rows, as those
/// of a single run.
pub(super) fn joint_facts(conclusion: &Value) -> Vec<(String, String)> {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let list = |name: &str| conclusion.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, fact: String| {
        facts.push((clip_to(name, HOST).into_owned(), clip_to(&fact, SENTENCE).into_owned()));
    };
    if let Some(mail) = conclusion.get("mail").and_then(|mail| text(mail, "summary")) {
        add("mail", mail);
    }
    let grade = |word: &str| match word {
        "text" => "pasted text",
        "mtr" => "totals of mtr",
        "globalping" => "Globalping",
        "atlas" => "RIPE Atlas or scamper",
        "own" => "a run of lasthop",
        "own_packets" => "a run of lasthop with its packets",
        _ => "evidence of another kind",
    };
    let sure = conclusion.get("attribution_confidence").and_then(Value::as_f64).filter(|sure| *sure > 0.0);
    match (text(conclusion, "grade"), sure) {
        (Some(word), Some(sure)) => {
            add("rests on", format!("{}; whose network it is: {}", grade(&word), percent(sure.min(1.0))));
        }
        (Some(word), None) => add("rests on", grade(&word).to_owned()),
        (None, _) => {}
    }
    let named = |list: &[Value], at: Option<u64>, name: &str| {
        let one = at.and_then(|at| usize::try_from(at).ok()).and_then(|at| list.get(at));
        one.and_then(|one| text(one, name)).unwrap_or_else(|| "?".to_owned())
    };
    let (vantages, targets, cells) = (list("vantages"), list("targets"), list("matrix"));
    for cell in cells.iter().take(MOST_ROWS) {
        let place = |name: &str| cell.get(name).and_then(Value::as_u64);
        let from = named(vantages, place("vantage"), "label");
        let adds = text(cell, "adds").unwrap_or_default();
        let word = text(cell, "grade").unwrap_or_default();
        let to = match targets.len() {
            0 | 1 => String::new(),
            _ => format!("{}: ", named(targets, place("target"), "host")),
        };
        add(&format!("from {from}"), format!("{to}{adds} ({})", grade(&word)));
    }
    if cells.len() > MOST_ROWS {
        add("from", format!("{} more places, see the JSON", cells.len() - MOST_ROWS));
    }
    for line in list("cannot_tell").iter().filter_map(Value::as_str).take(MOST_NAMED) {
        add("not told", line.to_owned());
    }
    if let Some(next) = text(conclusion, "next_step") {
        add("next", next);
    }
    facts
}

pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    // Rounding up to 100 % would claim what no measurement gives.
    if percent > 99.9 { ">99.9 %".to_owned() } else { format!("{:.1} %", (percent * 10.0).floor() / 10.0) }
}

fn big(value: f64) -> String {
    if value >= 1e6 { format!("{value:.1e}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(changes: &[(&str, Value)]) -> Document {
        let mut run = json!({
            "schema": "lasthop.run/1", "tool": {"name": "lasthop", "version": "1"},
            "started_at": "2019-03-03T22:30:00.5Z", "finished_at": "2019-03-03T22:30:09Z",
            "vantage": {"source": "192.0.2.1", "interface": null, "asn": null, "label": null},
            "asdb": null, "protocol": "tcp", "port": 25, "target": null, "references": [], "verdict": null,
            "error": null,
        });
        for (pointer, value) in changes {
            if let Some(place) = run.pointer_mut(pointer) {
                place.clone_from(value);
            }
        }
        serde_json::from_value(run).unwrap()
    }

    #[test]
    fn times_are_utc_and_the_wall_clocks_where_that_is_known() {
        assert_eq!(when(&run(&[])).unwrap(), "2019-03-03 22:30:00 UTC to 22:30:09 UTC");
        let mut east = run(&[("/finished_at", json!("2019-03-04T00:00:01Z"))]);
        east.vantage.utc_offset = Some("+05:30".to_owned());
        assert_eq!(
            when(&east).unwrap(),
            "2019-03-03 22:30:00 UTC to 2019-03-04 00:00:01 UTC (began 2019-03-04 04:00:00 local time, UTC+05:30)"
        );
        for (offset, word) in
            [("-03:00", "19:30:00 local"), ("+99:99", "UTC+99:99"), ("+9999999999:0", "UTC+9999999…")]
        {
            east.vantage.utc_offset = Some(offset.to_owned());
            assert!(when(&east).unwrap().contains(word), "{offset}: {}", when(&east).unwrap());
        }
        assert_eq!(when(&run(&[("/started_at", Value::Null)])), None);
        assert!(when(&run(&[("/started_at", json!("yesterday"))])).unwrap().starts_with("yesterday to "));
    }

    #[test]
    fn the_way_back_leads_to_an_address_that_the_world_sees() {
        let to = |source: &str| reverse_command(&run(&[("/vantage/source", json!(source))]));
        assert_eq!(to("8.8.8.8"), "mtr -n -z -w -r -c 100 8.8.8.8");
        assert_eq!(to("2606:4700::1"), "mtr -6 -n -z -w -r -c 100 2606:4700::1");
        assert_eq!(to("192.168.1.10"), "mtr -n -z -w -r -c 100 OUR-PUBLIC-ADDRESS");
        assert_eq!(to("100.64.0.9"), "mtr -n -z -w -r -c 100 OUR-PUBLIC-ADDRESS");
    }

    #[test]
    fn all_data_that_was_used_is_named() {
        let used: AsTable = serde_json::from_value(json!({
            "origin": "mine", "built_at": "2026-01-02T00:00:00Z", "sha256": "aa", "prefixes": 1,
            "adjacency": {"origin": "CAIDA", "built_at": null, "sha256": "bb", "links": 1},
            "exchanges": {
                "files": [{"origin": "PeeringDB", "built_at": "2026-01-03T00:00:00Z", "sha256": "cc"}],
                "lans": 1, "addresses": 1,
            },
        }))
        .unwrap();
        assert_eq!(
            table(&used),
            "mine, 2026-01-02; SHA-256 aa; neighbours: CAIDA, of unknown date, SHA-256 bb; exchanges: PeeringDB, \
             2026-01-03, SHA-256 cc"
        );
    }

    #[test]
    fn certainty_is_never_rounded_up() {
        assert_eq!(percent(0.999_99), ">99.9 %");
        assert_eq!(percent(0.989_9), "98.9 %");
        assert_eq!(big(1e300), "1.0e300");
    }
}
