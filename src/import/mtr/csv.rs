//! `mtr -C`: a row a hop, under titles since 0.87, with semicolons and without titles before.
//!
//! The titles have one comma more than the rows in some versions, and the title that is a space stands over the probes
//! dropped. The program asks for the time when it writes, so `Start_Time` is when the measurement ended. mtr quotes nothing,
//! and neither does this reader: rows are split, no more.

use std::io::BufRead;

use super::super::pieces::{self, Draft};
use super::super::text::Line;
use super::super::{Each, Error, Outcome};
use super::{Column, Row, Totals, beginning, runs, take_row, target, whole};
use crate::trace::foreign::ForeignTrace;

/// Whether a file begins like mtr's CSV.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let line = beginning(head).split(|one| *one == b'\n').next().unwrap_or_default();
    std::str::from_utf8(line.trim_ascii()).is_ok_and(starts)
}

/// Whether a line begins a run: titles, or a row.
pub(crate) fn starts(line: &str) -> bool {
    is_titles(line) || run(line).is_some()
}

fn is_titles(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("Mtr_Version,") && line.contains(",Hop,")
}

/// What is the same in all rows of a run, and the hop number.
fn run(line: &str) -> Option<(&str, u8)> {
    let line = line.trim_start();
    let separator = if line.starts_with("MTR.") { line.find([',', ';'])? } else { return None };
    let separator = &line[separator..=separator];
    // Version, time, status, host.
    let (end, _) = line.match_indices(separator).nth(3)?;
    let ttl = line[end + 1..].split([',', ';']).next()?;
    Some((&line[..end], ttl.trim().parse().ok()?))
}

/// Whether a row goes on with the run before it: several are appended to one file.
pub(crate) fn joins(block: &[Line<'_>], line: &str) -> bool {
    let Some((same, ttl)) = run(line) else { return false };
    match block.iter().rev().find(|line| !line.text.trim().is_empty()) {
        Some(last) => match run(last.text) {
            Some((before, last)) => before == same && ttl >= last,
            None => is_titles(last.text),
        },
        None => true,
    }
}

/// Reads all runs of a file.
pub(crate) fn read(input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
    runs(&whole(input)?, "an mtr report in CSV", starts, joins, read_lines, each)
}

/// What a cell is, by its title.
#[derive(Clone, Copy, PartialEq)]
enum Cell {
    Version,
    Time,
    Host,
    Hop,
    Ip,
    Asn,
    Value(Column),
    Unknown,
}

fn title(text: &str) -> Cell {
    match text {
        "Mtr_Version" => Cell::Version,
        "Start_Time" => Cell::Time,
        "Host" => Cell::Host,
        "Hop" => Cell::Hop,
        "Ip" => Cell::Ip,
        "Asn" => Cell::Asn,
        " " => Cell::Value(Column::Drop),
        _ => Column::new(text.trim()).map_or(Cell::Unknown, Cell::Value),
    }
}

/// The order without titles.
const BARE: &[Cell] = &[Cell::Version, Cell::Time, Cell::Unknown, Cell::Host, Cell::Hop, Cell::Ip];

/// The columns that are printed if none were chosen.
const USUAL: &[Column] = &[
    Column::Loss,
    Column::Sent,
    Column::Drop,
    Column::Other,
    Column::Avg,
    Column::Best,
    Column::Worst,
    Column::Other,
];

/// Reads one run.
pub(crate) fn read_lines(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut draft = Draft::new("mtr", "csv", lines);
    let mut titles: Option<Vec<Cell>> = None;
    for line in lines {
        let text = line.text.trim();
        if text.is_empty() {
            continue;
        }
        if is_titles(text) {
            titles = Some(text.split(',').map(title).collect());
            continue;
        }
        if !text.starts_with("MTR.") || row(&mut draft, titles.as_deref(), text, line.number).is_none() {
            draft.miss(line.number);
        }
    }
    draft.done()
}

fn row(draft: &mut Draft, titles: Option<&[Cell]>, text: &str, line: u64) -> Option<()> {
    let cells: Vec<&str> = text.split([',', ';']).collect();
    let usual;
    let columns = match titles {
        Some(titles) => titles,
        None => {
            let mut columns = BARE.to_vec();
            if cells.get(BARE.len()).is_some_and(|cell| cell.trim_start().starts_with("AS")) {
                columns.push(Cell::Asn);
            }
            // With seven there is none of probes dropped; with another number other columns were chosen, and which is not
            // told.
            let values = cells.len().checked_sub(columns.len())?;
            if values != USUAL.len() && values != USUAL.len() - 1 {
                return None;
            }
            let these = USUAL.iter().filter(|column| values == USUAL.len() || **column != Column::Drop);
            columns.extend(these.map(|column| Cell::Value(*column)));
            usual = columns;
            &usual[..]
        }
    };
    let mut totals = Totals::default();
    let (mut ttl, mut host, mut claims) = (None, "", Vec::new());
    for (cell, text) in columns.iter().zip(&cells) {
        match cell {
            Cell::Version => draft.trace.origin.version = text.strip_prefix("MTR.").map(pieces::clean),
            Cell::Time => {
                let seconds: Option<i64> = text.trim().parse().ok();
                draft.trace.ended_at = seconds.and_then(|seconds| seconds.checked_mul(1_000_000_000));
            }
            Cell::Host if draft.trace.target.is_empty() => target(draft, text),
            Cell::Hop => ttl = text.trim().parse().ok().filter(|ttl| *ttl > 0),
            Cell::Ip => host = text,
            Cell::Asn => claims = pieces::claims(text).unwrap_or_default(),
            // Later versions leave the nameless column empty.
            Cell::Value(_) if text.trim().is_empty() => {}
            Cell::Value(column) => totals.take(*column, text)?,
            Cell::Host | Cell::Unknown => {}
        }
    }
    take_row(draft, &Row { ttl: ttl?, host, claims: &claims, totals }, line);
    Some(())
}
