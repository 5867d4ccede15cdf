//! mtr's output in all its forms, and WinMTR's.
//!
//! All but the raw form give totals and no single probe, so a hop has counts and a mean and no replies. mtr counts by hop and
//! not by address: where a hop has several addresses its totals are theirs together. Only JSON, XML and CSV name the
//! destination; none says what the probes were, unless a hop in an error tells.

pub(crate) mod csv;
pub(crate) mod json;
pub(crate) mod raw;
pub(crate) mod report;
pub(crate) mod winmtr;
pub(crate) mod xml;

use std::io::{BufRead, Read};
use std::net::IpAddr;
use std::ops::ControlFlow;

use super::pieces::{self, Draft, Host};
use super::text::Line;
use super::{Each, Error, LARGEST_TEXT, Outcome, Problem};
use crate::trace::foreign::{ForeignStats, ForeignTrace};

/// A column of a report, by its title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Loss,
    Drop,
    Received,
    Sent,
    Best,
    Avg,
    Worst,
    /// Known and of no use here: last, deviation, jitters.
    Other,
}

impl Column {
    fn new(title: &str) -> Option<Self> {
        Some(match title {
            "Loss%" | "Loss" => Self::Loss,
            "Drop" => Self::Drop,
            "Rcv" => Self::Received,
            "Snt" => Self::Sent,
            "Best" => Self::Best,
            "Avg" => Self::Avg,
            "Wrst" => Self::Worst,
            "Last" | "StDev" | "Gmean" | "Jttr" | "Javg" | "Jmax" | "Jint" => Self::Other,
            _ => return None,
        })
    }
}

/// The totals of a hop as they stand in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Totals {
    loss: Option<f64>,
    dropped: Option<u32>,
    received: Option<u32>,
    sent: Option<u32>,
    best: Option<f64>,
    avg: Option<f64>,
    worst: Option<f64>,
}

impl Totals {
    /// Takes the value of a column; `None` if it is no value.
    fn take(&mut self, column: Column, text: &str) -> Option<()> {
        let text = text.trim().trim_end_matches('%');
        let value = pieces::number(text)?;
        // Counts are whole; a build that prints `5.0` means 5. Saturates.
        let count = || Some(value.round() as u32);
        match column {
            Column::Loss => self.loss = Some(value).filter(|loss| *loss <= 100.0),
            Column::Drop => self.dropped = count(),
            Column::Received => self.received = count(),
            Column::Sent => self.sent = count(),
            Column::Best => self.best = Some(value),
            Column::Avg => self.avg = Some(value),
            Column::Worst => self.worst = Some(value),
            Column::Other => {}
        }
        Some(())
    }

    /// Replies, as told or worked out.
    fn answered(&self) -> Option<u32> {
        let undropped = || self.sent.zip(self.dropped).map(|(sent, dropped)| sent.saturating_sub(dropped));
        let share = || {
            let (sent, loss) = self.sent.zip(self.loss)?;
            Some((f64::from(sent) * (100.0 - loss) / 100.0).round() as u32)
        };
        self.received.or_else(undropped).or_else(share)
    }

    fn stats(&self) -> ForeignStats {
        let received = self.answered();
        // Without a reply the zeros are no times.
        let time = |time: Option<f64>| time.filter(|_| received != Some(0));
        ForeignStats { received, best: time(self.best), avg: time(self.avg), worst: time(self.worst) }
    }
}

/// A hop of a report: its number, its host as it stands there, its AS, its totals.
struct Row<'a> {
    ttl: u8,
    host: &'a str,
    claims: &'a [u32],
    totals: Totals,
}

const TOGETHER: &str =
    "mtr counts by hop: the totals of a hop with several addresses are of all of them together";

/// Puts a row into the trace. A second row of a hop is a further address of it, with the totals once more.
fn take_row(draft: &mut Draft, row: &Row<'_>, line: u64) {
    let again = draft.trace.hops.iter().any(|hop| hop.ttl == row.ttl && !hop.responders.is_empty());
    let hop = draft.trace.hop_mut(row.ttl);
    if !again {
        hop.sent = row.totals.sent;
        hop.answered = row.totals.answered();
    }
    let host = row.host.trim();
    if host.starts_with('(') && host.ends_with(')') {
        // `(waiting for reply)` is silence; the others are what this machine could not do.
        if !host.starts_with("(waiting") {
            draft.trace.note(Some(line), format!("hop {}: {}", row.ttl, pieces::clean(host)));
            draft.trace.failure.get_or_insert_with(|| pieces::clean(host.trim_matches(['(', ')'])));
        }
        return;
    }
    if again {
        draft.once(line, TOGETHER);
    }
    if let Some(one) = draft.responder(row.ttl, &Host::new(host), line) {
        if !again {
            one.stats = Some(row.totals.stats());
        }
        one.claims = row.claims.to_vec();
    }
}

/// The destination by name or address.
fn target(draft: &mut Draft, text: &str) {
    let host = Host::new(text);
    draft.trace.address = host.address;
    draft.trace.target =
        host.name.or_else(|| host.address.map(|one: IpAddr| one.to_string())).unwrap_or_default();
}

/// A whole file as text, if it is not too long.
fn whole(input: &mut dyn BufRead) -> Result<String, Error> {
    let mut bytes = Vec::new();
    input.take(LARGEST_TEXT + 1).read_to_end(&mut bytes).map_err(Error::reading)?;
    if bytes.len() as u64 > LARGEST_TEXT {
        return Err(Error::new(Problem::TooLarge));
    }
    let text =
        String::from_utf8(bytes).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned());
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Reads a file of runs, each from a line that begins one to the next that does not go on with it.
fn runs(
    text: &str,
    format: &'static str,
    starts: fn(&str) -> bool,
    joins: fn(&[Line<'_>], &str) -> bool,
    read: fn(&[Line<'_>]) -> (ForeignTrace, Vec<u64>),
    each: &mut Each<'_>,
) -> Result<Outcome, Error> {
    let lines: Vec<Line<'_>> = text.lines().zip(1..).map(|(text, number)| Line { number, text }).collect();
    let mut outcome = Outcome::default();
    let mut from = 0;
    while from < lines.len() {
        let mut end = from + 1;
        while end < lines.len() && (!starts(lines[end].text) || joins(&lines[from..end], lines[end].text)) {
            end += 1;
        }
        let (mut trace, missed) = read(&lines[from..end]);
        from = end;
        for line in missed {
            trace.note(Some(line), "not understood");
        }
        if trace.hops.is_empty() {
            continue;
        }
        outcome.traces += 1;
        if each(trace) == ControlFlow::Break(()) {
            return Ok(outcome);
        }
    }
    if outcome.traces == 0 { Err(Error::new(Problem::Empty(format))) } else { Ok(outcome) }
}

/// The beginning of a file as far as it is text, without a mark of byte order and space.
fn beginning(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start()
}

#[cfg(test)]
pub(super) mod tests;
