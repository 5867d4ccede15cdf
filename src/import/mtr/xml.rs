//! `mtr -x`. Old versions do not escape names, so an attribute that does not unescape is taken as it is.

use std::io::BufRead;
use std::ops::ControlFlow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::super::pieces::{self, Draft};
use super::super::{Each, Error, Outcome, Problem};
use super::{Column, Row, Totals, beginning, json, take_row, target, whole};

/// Whether a file begins like mtr's XML.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let head = beginning(head);
    let head = &head[..head.len().min(512)];
    head.starts_with(b"<") && head.windows(5).any(|some| some == b"<MTR ")
}

#[derive(Default)]
struct Hub {
    count: String,
    host: String,
    claims: Vec<u32>,
    totals: Totals,
}

/// Reads all reports of a file.
pub(crate) fn read(input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
    let text = whole(input)?;
    let mut reader = Reader::from_str(&text);
    let mut outcome = Outcome::default();
    let mut draft: Option<Draft> = None;
    let mut hub: Option<Hub> = None;
    let mut element: Option<Column> = None;
    let mut value = String::new();
    let mut hubs = 0_u64;
    loop {
        let event = reader
            .read_event()
            .map_err(|error| broken(&text, reader.error_position(), &error.to_string()))?;
        match event {
            Event::Eof => break,
            Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == "MTR" => {
                let mut next = Draft::new("mtr", "xml", &[]);
                next.trace.vantage.label = attribute(&tag, "SRC").as_deref().and_then(pieces::name);
                target(&mut next, &attribute(&tag, "DST").unwrap_or_default());
                next.trace.size = attribute(&tag, "PSIZE").as_deref().and_then(json::size);
                (draft, hub, hubs) = (Some(next), None, 0);
            }
            Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == "HUB" => {
                let host = attribute(&tag, "HOST").unwrap_or_default();
                // Newer builds tell address and name apart.
                let address = attribute(&tag, "ADDR").filter(|text| pieces::address(text).is_some());
                let host = match (address, attribute(&tag, "HOSTNAME")) {
                    (Some(address), Some(name)) if !name.trim().is_empty() => format!("{name} ({address})"),
                    (Some(address), _) => address,
                    (None, _) => host,
                };
                let claims = attribute(&tag, "ASN").as_deref().and_then(pieces::claims).unwrap_or_default();
                let count = attribute(&tag, "COUNT").unwrap_or_default();
                hub = Some(Hub { count, host, claims, totals: Totals::default() });
            }
            Event::Start(tag) => {
                element = Column::new(tag.name().as_ref());
                value.clear();
            }
            Event::Text(part) if element.is_some() && value.len() < 64 => {
                value.push_str(&part);
            }
            Event::End(tag) => match tag.name().as_ref() {
                "MTR" => {
                    let Some(draft) = draft.take() else { continue };
                    outcome.traces += 1;
                    let (mut trace, _) = draft.done();
                    // There are no lines to speak of.
                    for finding in &mut trace.findings {
                        finding.line = None;
                    }
                    if each(trace) == ControlFlow::Break(()) {
                        return Ok(outcome);
                    }
                }
                "HUB" => {
                    hubs += 1;
                    if let (Some(draft), Some(hub)) = (&mut draft, hub.take()) {
                        take_hub(draft, &hub, hubs);
                    }
                }
                _ => {
                    if let (Some(column), Some(hub)) = (element.take(), &mut hub) {
                        let _ = hub.totals.take(column, &value);
                    }
                }
            },
            _ => {}
        }
    }
    if draft.is_some() {
        return Err(broken(&text, text.len() as u64, "it ends in the midst of a report"));
    }
    if outcome.traces == 0 { Err(Error::new(Problem::Empty("an mtr report in XML"))) } else { Ok(outcome) }
}

fn broken(text: &str, at: u64, what: &str) -> Error {
    let at = usize::try_from(at).unwrap_or(text.len()).min(text.len());
    let line = text.as_bytes()[..at].iter().filter(|one| **one == b'\n').count() as u64 + 1;
    Error::at(line, Problem::Broken { format: "mtr report in XML", what: pieces::clean(what) })
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().with_checks(false).flatten().find(|one| one.key.as_ref() == name)?;
    let raw = &found.value;
    Some(match quick_xml::escape::unescape(raw) {
        Ok(plain) => pieces::clean(&plain),
        Err(_) => pieces::clean(raw),
    })
}

fn take_hub(draft: &mut Draft, hub: &Hub, at: u64) {
    match pieces::count(&hub.count).and_then(|ttl| u8::try_from(ttl).ok()).filter(|ttl| *ttl > 0) {
        Some(ttl) => {
            take_row(draft, &Row { ttl, host: &hub.host, claims: &hub.claims, totals: hub.totals }, at)
        }
        None => draft.trace.note(None, format!("hop {at} of the list has no number that is one")),
    }
}
