//! `mtr -j`: numbers since version 0.93, strings before.

use std::fmt;
use std::io::BufRead;
use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::pieces::{self, Draft};
use super::super::{Each, Error, Outcome, Problem};
use super::{Column, Row, Totals, beginning, take_row, target, whole};
use crate::trace::foreign::ForeignTrace;

/// Whether a file begins like mtr's JSON.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let head = beginning(head);
    let plain: Vec<u8> =
        head.iter().copied().take(4096).filter(|one| !one.is_ascii_whitespace()).take(64).collect();
    plain.starts_with(br#"{"report":{"mtr":"#)
}

/// Reads all reports of a file.
pub(crate) fn read(input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
    let text = whole(input)?;
    let mut outcome = Outcome::default();
    for report in serde_json::Deserializer::from_str(&text).into_iter::<File>() {
        let report = report.map_err(|error| {
            let broken = Problem::Broken { format: "mtr report in JSON", what: error.to_string() };
            Error::at(error.line() as u64, broken)
        })?;
        outcome.traces += 1;
        if each(trace(&report.report)) == ControlFlow::Break(()) {
            return Ok(outcome);
        }
    }
    if outcome.traces == 0 { Err(Error::new(Problem::Empty("an mtr report in JSON"))) } else { Ok(outcome) }
}

#[derive(Deserialize)]
struct File {
    report: Report,
}

#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    mtr: Head,
    #[serde(default)]
    hubs: Hubs,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    src: Text,
    dst: Text,
    psize: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Hub {
    count: Text,
    host: Text,
    #[serde(rename = "ASN")]
    asn: Text,
    #[serde(rename = "Loss%")]
    loss: Text,
    #[serde(rename = "Drop")]
    dropped: Text,
    #[serde(rename = "Rcv")]
    received: Text,
    #[serde(rename = "Snt")]
    sent: Text,
    #[serde(rename = "Best")]
    best: Text,
    #[serde(rename = "Avg")]
    avg: Text,
    #[serde(rename = "Wrst")]
    worst: Text,
}

/// A string, a number or nothing, as text: a surprising type costs itself and not the report.
#[derive(Default)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(pieces::clean(text)))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
                Ok(Text::default())
            }
            fn visit_unit<E>(self) -> Result<Text, E> {
                Ok(Text::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Text, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }
        }
        from.deserialize_any(Any)
    }
}

/// The hops; no more than could be of a path, several addresses each.
#[derive(Default)]
struct Hubs {
    hubs: Vec<Hub>,
    left_out: bool,
}

const MOST_HUBS: usize = 255 * crate::trace::foreign::most::RESPONDERS;

impl<'de> Deserialize<'de> for Hubs {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Hubs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of hops")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Hubs, A::Error> {
                let mut hubs = Hubs::default();
                while hubs.hubs.len() < MOST_HUBS {
                    let Some(hub) = list.next_element()? else { return Ok(hubs) };
                    hubs.hubs.push(hub);
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    hubs.left_out = true;
                }
                Ok(hubs)
            }
        }
        from.deserialize_seq(List)
    }
}

fn trace(report: &Report) -> ForeignTrace {
    let mut draft = Draft::new("mtr", "json", &[]);
    draft.trace.vantage.label = pieces::name(&report.mtr.src.0);
    target(&mut draft, &report.mtr.dst.0);
    draft.trace.size = size(&report.mtr.psize.0);
    for (hub, at) in report.hubs.hubs.iter().zip(1_u64..) {
        let Some(ttl) =
            pieces::count(&hub.count.0).and_then(|ttl| u8::try_from(ttl).ok()).filter(|ttl| *ttl > 0)
        else {
            draft.trace.note(None, format!("hop {at} of the list has no number that is one"));
            continue;
        };
        let mut totals = Totals::default();
        let columns = [
            (Column::Loss, &hub.loss),
            (Column::Drop, &hub.dropped),
            (Column::Received, &hub.received),
            (Column::Sent, &hub.sent),
            (Column::Best, &hub.best),
            (Column::Avg, &hub.avg),
            (Column::Worst, &hub.worst),
        ];
        for (column, text) in columns {
            if !text.0.is_empty() && totals.take(column, &text.0).is_none() {
                draft.trace.note(None, format!("hop {ttl}: a value that is no number: `{}`", text.0));
            }
        }
        let claims = pieces::claims(&hub.asn.0).unwrap_or_default();
        take_row(&mut draft, &Row { ttl, host: &hub.host.0, claims: &claims, totals }, at);
    }
    if report.hubs.left_out {
        draft.trace.note(None, "more hops than a path can have: the rest is left out");
    }
    let (mut trace, _) = draft.done();
    // There are no lines to speak of.
    for finding in &mut trace.findings {
        finding.line = None;
    }
    trace
}

/// Bytes of a probe; a negative number stands for sizes drawn by lot.
pub(super) fn size(text: &str) -> Option<u16> {
    text.trim().parse().ok().filter(|size| *size > 0)
}
