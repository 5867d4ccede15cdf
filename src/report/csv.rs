//! CSV (RFC 4180): a header, then one row for each run, destination, hop and responder.
//!
//! Columns are named and stay in their order; new ones come behind them. A silent hop is a row without a responder. What a
//! spreadsheet would take for a formula gets an apostrophe before it.

use std::io::{self, Write};

use super::escape::{cell, clip, clip_to};
use super::rows::replies;
use super::runs::Runs;
use super::words;
use crate::trace::schema::{Document, Hop, Path, Responder};

/// The columns.
const COLUMNS: [&str; 41] = [
    "run",
    "started_at",
    "vantage",
    "source",
    "source_asn",
    "role",
    "host",
    "address",
    "address_asn",
    "protocol",
    "port",
    "reached",
    "distance",
    "ttl",
    "sent",
    "answered",
    "responder",
    "kind",
    "asn",
    "asns",
    "as_name",
    "replies",
    "time_exceeded",
    "syn_ack",
    "rst",
    "echo_reply",
    "udp_answer",
    "unreachable",
    "rtt_min_ms",
    "rtt_avg_ms",
    "rtt_max_ms",
    "mpls_labels",
    "reply_ttls",
    "verdict",
    "verdict_asns",
    "after_ttl",
    "before_ttl",
    "table",
    "table_date",
    "table_sha256",
    "table_credit",
];

/// Writes all runs.
pub(super) fn runs(out: &mut dyn Write, runs: &Runs) -> io::Result<()> {
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(out);
    writer.write_record(COLUMNS)?;
    for (number, document) in (1..).zip(&runs.documents) {
        let of_run = OfRun::new(number, document);
        let paths = document.target.iter().map(|path| ("target", path));
        for (role, path) in paths.chain(document.references.iter().map(|path| ("reference", path))) {
            for hop in &path.hops {
                if hop.responders.is_empty() {
                    writer.write_record(
                        of_run.row(role, path, hop, None).map(|text| cell(&text).into_owned()),
                    )?;
                }
                for responder in &hop.responders {
                    let row = of_run.row(role, path, hop, Some(responder));
                    writer.write_record(row.map(|text| cell(&text).into_owned()))?;
                }
            }
        }
    }
    writer.flush()
}

/// The columns that are the same in all rows of a run.
struct OfRun<'a> {
    document: &'a Document,
    first: [String; 5],
    last: [String; 8],
}

impl<'a> OfRun<'a> {
    fn new(number: usize, document: &'a Document) -> Self {
        let vantage = &document.vantage;
        let verdict = document.verdict.as_ref();
        let table = document.asdb.as_ref();
        Self {
            document,
            first: [
                number.to_string(),
                text(document.started_at.as_deref()),
                text(vantage.label.as_deref()),
                some(vantage.source),
                some(vantage.asn),
            ],
            last: [
                text(verdict.map(|verdict| verdict.kind.as_str())),
                verdict.map_or_else(String::new, |verdict| list(&verdict.asns)),
                some(verdict.and_then(|verdict| verdict.after_ttl)),
                some(verdict.and_then(|verdict| verdict.before_ttl)),
                text(table.map(|table| table.origin.as_str())),
                table.map_or_else(String::new, |table| words::day(table.built_at.as_deref()).to_owned()),
                table.map_or_else(String::new, |table| clip_to(&table.sha256, 64).into_owned()),
                table.map_or_else(String::new, |table| words::credits(table).join("; ")),
            ],
        }
    }

    fn row(&self, role: &str, path: &Path, hop: &Hop, responder: Option<&Responder>) -> [String; 41] {
        let document = self.document;
        let counts = responder.map(|one| &one.replies);
        let count = |of: fn(&crate::trace::schema::Replies) -> u32| some(counts.map(of));
        let rtt = responder.and_then(|one| one.rtt_ms);
        let time = |of: fn(crate::trace::schema::RttMs) -> f64| {
            rtt.map_or_else(String::new, |rtt| format!("{:.3}", of(rtt)))
        };
        let [run, started, label, source, source_asn] = self.first.clone();
        let [kind, asns, after, before, table, date, hash, credit] = self.last.clone();
        [
            run,
            started,
            label,
            source,
            source_asn,
            role.to_owned(),
            clip_to(&path.host, 255).into_owned(),
            some(path.address),
            some(path.asn),
            clip_to(document.protocol_of(path), 16).into_owned(),
            some(path.port.or(document.port)),
            path.reached.to_string(),
            some(path.distance),
            hop.ttl.to_string(),
            some(hop.sent),
            some(hop.answered),
            some(responder.and_then(|one| one.address)),
            text(responder.map(|one| one.kind.as_str())),
            some(responder.and_then(|one| one.asn)),
            responder.map_or_else(String::new, |one| list(&one.asns)),
            text(responder.and_then(|one| one.as_name.as_deref())),
            some(responder.map(replies)),
            count(|counts| counts.time_exceeded),
            count(|counts| counts.syn_ack),
            count(|counts| counts.rst),
            count(|counts| counts.echo_reply),
            count(|counts| counts.udp_answer),
            counts.map_or_else(String::new, |counts| {
                let rows = counts.unreachable.iter();
                rows.map(|row| format!("{}/{}:{}", row.icmp_type, row.code, row.count))
                    .collect::<Vec<_>>()
                    .join(" ")
            }),
            time(|rtt| rtt.min),
            time(|rtt| rtt.avg),
            time(|rtt| rtt.max),
            responder.map_or_else(String::new, |one| {
                list(&one.mpls.iter().map(|label| label.label).collect::<Vec<_>>())
            }),
            responder.map_or_else(String::new, |one| list(&one.reply_ttl)),
            kind,
            asns,
            after,
            before,
            table,
            date,
            hash,
            credit,
        ]
    }
}

fn some(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn text(value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| clip(value).into_owned())
}

fn list(values: &[impl ToString]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
