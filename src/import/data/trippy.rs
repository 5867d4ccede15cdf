//! trippy's reports, JSON and CSV: totals of each hop over all rounds.
//!
//! The times of a hop with several addresses are of all of them together and belong to none.

use std::io::BufRead;
use std::net::IpAddr;

use serde::Deserialize;

use super::json::{Flag, Float, Int, List, Object, Text};
use super::stream::{Elements, Step, finish, lines, note, whole};
use super::words::{address, clean, instant, milliseconds, name_of};
use crate::import::{Each, Error, Outcome, Problem};
use crate::trace::MplsLabel;
use crate::trace::foreign::{ForeignResponder, ForeignStats, ForeignTrace, Provenance, most};

const FORMAT: &str = "trippy report";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Report<'a> {
    #[serde(borrow)]
    info: Object<Info<'a>>,
    #[serde(borrow)]
    hops: List<Object<Hop<'a>>, 300>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info<'a> {
    #[serde(borrow)]
    target: Object<Host<'a>>,
    #[serde(borrow)]
    start_timestamp: Text<'a>,
    #[serde(borrow)]
    end_timestamp: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Host<'a> {
    #[serde(borrow)]
    ip: Text<'a>,
    #[serde(borrow)]
    hostname: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Hop<'a> {
    ttl: Int,
    #[serde(borrow)]
    hosts: List<Object<Host<'a>>, { most::RESPONDERS }>,
    extensions: List<Object<Extension>, 16>,
    sent: Int,
    recv: Int,
    avg: Float,
    best: Float,
    worst: Float,
    nat: Flag,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Extension {
    mpls: Object<Stack>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stack {
    members: List<Object<Label>, { most::LABELS }>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Label {
    label: Int,
    exp: Int,
    bos: Int,
    ttl: Int,
}

/// A hop of either form.
#[derive(Default)]
struct Row {
    ttl: u8,
    hosts: Vec<(Option<IpAddr>, Option<String>)>,
    sent: Option<u32>,
    received: Option<u32>,
    best: Option<f64>,
    avg: Option<f64>,
    worst: Option<f64>,
    mpls: Vec<MplsLabel>,
}

fn add(trace: &mut ForeignTrace, row: Row, line: u64) {
    if trace.hops.iter().any(|hop| hop.ttl == row.ttl) {
        trace.note(Some(line), format!("hop {} stands twice", row.ttl));
    }
    let alone = row.hosts.len() == 1;
    let stats = ForeignStats {
        received: row.received,
        best: row.best.and_then(milliseconds),
        avg: row.avg.and_then(milliseconds),
        worst: row.worst.and_then(milliseconds),
    };
    let hop = trace.hop_mut(row.ttl);
    hop.sent = row.sent;
    hop.answered = row.received;
    let (mut crowded, mut mpls) = (false, Some(row.mpls));
    for (address, name) in row.hosts {
        match hop.responder_mut(address, name.as_deref()) {
            Some(one) => {
                *one = ForeignResponder {
                    address,
                    name,
                    stats: alone.then_some(stats),
                    mpls: mpls.take_if(|_| alone).unwrap_or_default(),
                    ..ForeignResponder::default()
                };
            }
            None => crowded = true,
        }
    }
    if crowded {
        trace.note(
            Some(line),
            format!("hop {}: addresses beyond the most that is kept are left out", row.ttl),
        );
    }
    if !alone && row.received.is_some_and(|received| received > 0) {
        trace.note(
            Some(line),
            format!("hop {}: its times are of several addresses together and are left out", row.ttl),
        );
    }
}

/// Reads a JSON report.
pub(super) fn read_json(input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    Elements::new(input, false).each(&mut outcome, &mut |element, outcome| {
        let mut objects = serde_json::Deserializer::from_slice(element.bytes).into_iter::<Report<'_>>();
        let Some(report) = objects.next() else { return Ok(Step::Read(element.bytes.len())) };
        let report = report?;
        let length = objects.byte_offset();
        let span = (element.line, element.line + lines(&element.bytes[..length]));
        let Some(info) = report.info.0.as_ref() else {
            note(outcome, Some(span.0), "left out, it says nothing of the target".to_owned());
            return Ok(Step::Read(length));
        };
        let mut trace = head(info, span);
        for hop in report.hops.kept.iter().filter_map(|hop| hop.0.as_ref()) {
            match hop.ttl.to() {
                Some(ttl @ 1..) => add(&mut trace, row(hop, ttl), span.0),
                _ => trace.note(Some(span.0), "a hop without a number is left out"),
            }
            if hop.nat.0 == Some(true) {
                let ttl = hop.ttl.0.unwrap_or(0);
                trace.note(Some(span.0), format!("hop {ttl}: trippy saw addresses translated (NAT) here"));
            }
        }
        outcome.traces += 1;
        Ok(if each(trace).is_break() { Step::Stop } else { Step::Read(length) })
    })?;
    finish(outcome, FORMAT)
}

fn head(info: &Info<'_>, span: (u64, u64)) -> ForeignTrace {
    let target = info.target.0.as_ref();
    let ip = target.and_then(|target| target.ip.get());
    let name = target.and_then(|target| target.hostname.get());
    ForeignTrace {
        origin: Provenance { format: "trippy", dialect: "json".to_owned(), version: None, lines: Some(span) },
        target: name.or(ip).map(clean).unwrap_or_default(),
        address: ip.and_then(address),
        started_at: info.start_timestamp.get().and_then(instant),
        ended_at: info.end_timestamp.get().and_then(instant),
        ..ForeignTrace::default()
    }
}

fn row(hop: &Hop<'_>, ttl: u8) -> Row {
    let host = |host: &Host<'_>| {
        let from = host.ip.get().and_then(address);
        let name = host.hostname.get().and_then(|name| name_of(name, from));
        (from.is_some() || name.is_some()).then_some((from, name))
    };
    let entries = hop.extensions.kept.iter().filter_map(|one| one.0.as_ref()?.mpls.0.as_ref());
    let label = |label: &Label| {
        Some(MplsLabel {
            label: label.label.to().filter(|label| *label < 1 << 20)?,
            tc: label.exp.to().unwrap_or(0) & 7,
            bottom: label.bos.0 == Some(1),
            ttl: label.ttl.to()?,
        })
    };
    Row {
        ttl,
        hosts: hop.hosts.kept.iter().filter_map(|one| host(one.0.as_ref()?)).collect(),
        sent: hop.sent.to(),
        received: hop.recv.to(),
        best: hop.best.0,
        avg: hop.avg.0,
        worst: hop.worst.0,
        mpls: entries
            .flat_map(|stack| &stack.members.kept)
            .filter_map(|one| label(one.0.as_ref()?))
            .take(most::LABELS)
            .collect(),
    }
}

/// Reads a CSV report. Its columns are found by their titles.
pub(super) fn read_csv(input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
    let bytes = whole(input)?;
    let broken = |error: &csv::Error| {
        let line = error.position().map(csv::Position::line);
        Error { problem: Problem::Broken { format: FORMAT, what: clean(&error.to_string()) }, line }
    };
    let mut outcome = Outcome::default();
    let mut table = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(&bytes[..]);
    let titles = table.headers().map_err(|error| broken(&error))?.clone();
    let column = |title: &str| titles.iter().position(|one| one.trim_start_matches('\u{feff}') == title);
    let (target, ip, hop) = (column("Target"), column("TargetIp"), column("Hop"));
    let (ips, names) = (column("IPs"), column("Addrs"));
    let totals = ["Snt", "Recv", "Best", "Avg", "Wrst"].map(column);
    let mut trace: Option<ForeignTrace> = None;
    for record in table.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                note(&mut outcome, error.position().map(csv::Position::line), "not understood".to_owned());
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let field = |at: Option<usize>| at.and_then(|at| record.get(at)).filter(|field| !field.is_empty());
        let Some(ttl @ 1..) = field(hop).and_then(|text| text.parse::<u8>().ok()) else {
            note(&mut outcome, Some(line), "not understood: it has no hop number".to_owned());
            continue;
        };
        let (name, to) = (field(target).map(clean).unwrap_or_default(), field(ip).and_then(address));
        if trace.as_ref().is_some_and(|open| {
            open.target != name || open.address != to || open.hops.last().is_some_and(|hop| hop.ttl >= ttl)
        }) {
            outcome.traces += 1;
            if each(trace.take().unwrap_or_default()).is_break() {
                return Ok(outcome);
            }
        }
        let open = trace.get_or_insert_with(|| ForeignTrace {
            origin: Provenance {
                format: "trippy",
                dialect: "csv".to_owned(),
                version: None,
                lines: Some((line, line)),
            },
            target: name,
            address: to,
            ..ForeignTrace::default()
        });
        open.origin.lines = open.origin.lines.map(|(first, _)| (first, line));
        let number = |at: usize| field(totals[at]).and_then(|text| text.parse::<f64>().ok());
        let count = |at: usize| field(totals[at]).and_then(|text| text.parse::<u32>().ok());
        let row = Row {
            ttl,
            hosts: hosts(field(ips).unwrap_or(""), field(names).unwrap_or("")),
            sent: count(0),
            received: count(1),
            best: number(2),
            avg: number(3),
            worst: number(4),
            mpls: Vec::new(),
        };
        if row.hosts.is_empty() && row.received.is_some_and(|received| received > 0) {
            open.note(Some(line), format!("hop {ttl}: its addresses are not understood"));
        }
        add(open, row, line);
    }
    if let Some(trace) = trace {
        outcome.traces += 1;
        let _ = each(trace);
    }
    finish(outcome, FORMAT)
}

/// Addresses joined with colons, and their names joined likewise if there are as many.
fn hosts(ips: &str, names: &str) -> Vec<(Option<IpAddr>, Option<String>)> {
    let Some(found) = split(ips) else {
        return name_of(ips, None).map(|name| vec![(None, Some(name))]).unwrap_or_default();
    };
    let names: Vec<&str> = names.split(':').collect();
    let paired = names.len() == found.len();
    let name = |at: usize, address| names.get(at).filter(|_| paired).and_then(|name| name_of(name, address));
    found.iter().enumerate().map(|(at, address)| (Some(*address), name(at, Some(*address)))).collect()
}

/// All addresses of a list joined with colons, which IPv6 has within: the first split of which every part is an address,
/// the longest parts going first.
fn split(text: &str) -> Option<Vec<IpAddr>> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 9 * most::RESPONDERS {
        return None;
    }
    // From the end: how many parts the first address of what begins here has, or none.
    let mut lengths: Vec<Option<usize>> = vec![None; parts.len() + 1];
    lengths[parts.len()] = Some(0);
    for from in (0..parts.len()).rev() {
        let longest = (parts.len() - from).min(9);
        lengths[from] = (1..=longest).rev().find(|length| {
            lengths[from + length].is_some() && address(&parts[from..from + length].join(":")).is_some()
        });
    }
    let mut found = Vec::new();
    let mut from = 0;
    while from < parts.len() {
        let length = lengths[from]?;
        found.push(address(&parts[from..from + length].join(":"))?);
        from += length;
    }
    Some(found)
}

#[cfg(test)]
pub(in crate::import::data) mod tests {
    use std::ops::ControlFlow;

    use super::*;

    type Reader = fn(&mut dyn BufRead, &mut Each<'_>) -> Result<Outcome, Error>;

    fn read(reader: Reader, text: &str) -> (Vec<ForeignTrace>, Outcome) {
        let mut traces = Vec::new();
        let outcome = reader(&mut text.as_bytes(), &mut |trace| {
            traces.push(trace);
            ControlFlow::Continue(())
        });
        (traces, outcome.unwrap())
    }

    pub(in crate::import::data) const JSON: &str = r#"{"info":{"target":{"ip":"203.0.113.9","hostname":"www.example.net"},
        "start_timestamp":"2026-01-02T03:04:05.5Z","end_timestamp":"2026-01-02T03:04:15Z"},
        "hops":[{"ttl":1,"hosts":[{"ip":"192.0.2.1","hostname":"gw.example.net"}],"extensions":[],"loss_pct":"20.00",
          "sent":5,"last":"1.20","recv":4,"avg":"1.10","best":"1.00","worst":"1.20","nat":null},
         {"ttl":2,"hosts":[],"extensions":[],"loss_pct":"100.00","sent":5,"last":null,"recv":0,"avg":"0.00","nat":null},
         {"ttl":3,"hosts":[{"ip":"198.51.100.1","hostname":"198.51.100.1"},{"ip":"198.51.100.2","hostname":""}],
          "sent":5,"recv":5,"avg":"3.00","nat":true},
         {"ttl":4,"hosts":[{"ip":"203.0.113.9","hostname":"203.0.113.9"}],"sent":5,"recv":5,"avg":"4.00",
          "extensions":[{"mpls":{"members":[{"label":16022,"exp":0,"bos":1,"ttl":1}]}},{"unknown":{"class_num":1}}]}]}"#;

    #[test]
    fn a_report_is_totals() {
        let (traces, outcome) = read(read_json, JSON);
        let trace = &traces[0];
        assert_eq!((outcome.traces, outcome.findings.len(), traces.len()), (1, 0, 1));
        assert_eq!((trace.target.as_str(), trace.address), ("www.example.net", "203.0.113.9".parse().ok()));
        assert_eq!(trace.started_at, Some(1_767_323_045_500_000_000));
        let first = &trace.hops[0];
        assert_eq!((first.sent, first.answered), (Some(5), Some(4)));
        let stats = ForeignStats { received: Some(4), best: Some(1.0), avg: Some(1.1), worst: Some(1.2) };
        assert_eq!(first.responders[0].stats, Some(stats));
        assert_eq!(first.responders[0].name.as_deref(), Some("gw.example.net"));
        assert_eq!((trace.hops[1].answered, trace.hops[1].responders.len()), (Some(0), 0));
        assert!(trace.hops[2].responders.iter().all(|one| one.stats.is_none() && one.name.is_none()));
        assert_eq!(trace.hops[3].responders[0].mpls[0].label, 16022);
        assert_eq!(trace.arrived(), (true, Some(4)));
        let told = |word: &str| trace.findings.iter().any(|one| one.text.contains(word));
        assert!(told("hop 3: trippy saw") && told("several addresses"), "{:?}", trace.findings);
    }

    #[test]
    fn a_table_is_the_same() {
        let text = "Target,TargetIp,Hop,IPs,Addrs,Loss%,Snt,Recv,Last,Avg,Best,Wrst,StdDev\n\
            www.example.net,203.0.113.9,1,192.0.2.1,gw.example.net,20.00,5,4,1.20,1.10,1.00,1.20,0.1\n\
            www.example.net,203.0.113.9,2,???,???,100.00,5,0,,,,,\n\
            www.example.net,203.0.113.9,3,198.51.100.1:198.51.100.2,a:b,0.00,5,5,1,1,1,1,0\n\
            www.example.net,203.0.113.9,x,,,,,,,,,,\n\
            www.example.net,2001:db8::9,1,2001:db8::1:2001:db8::2,a:b,0.00,5,5,1,1,1,1,0\n";
        let (traces, outcome) = read(read_csv, text);
        assert_eq!((outcome.traces, outcome.findings.len(), traces.len()), (2, 1, 2));
        assert_eq!(outcome.findings[0].line, Some(5));
        assert_eq!(traces[0].hops.len(), 3);
        assert_eq!(traces[0].origin.lines, Some((2, 4)));
        assert_eq!(traces[0].hops[2].responders[1].name.as_deref(), Some("b"));
        assert_eq!((traces[0].hops[1].sent, traces[0].hops[1].answered), (Some(5), Some(0)));
        assert_eq!(traces[1].address, "2001:db8::9".parse().ok());
    }

    #[test]
    fn joined_addresses_are_split() {
        let split =
            |text: &str| split(text).map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(split("192.0.2.1:192.0.2.2").unwrap(), ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(split("2001:db8::1").unwrap(), ["2001:db8::1"]);
        let full = "2001:db8:0:1:2:3:4:5:2001:db8:0:1:2:3:4:6";
        assert_eq!(split(full).unwrap(), ["2001:db8:0:1:2:3:4:5", "2001:db8:0:1:2:3:4:6"]);
        assert_eq!(split("192.0.2.1:x"), None);
    }
}
