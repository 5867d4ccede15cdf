//! WinMTR's exported text: a table between bars, a row a hop, hosts by name or by address, never both.

use super::super::pieces::{self, Draft, Host};
use super::super::text::Line;
use super::Totals;
use crate::trace::Protocol;
use crate::trace::foreign::ForeignTrace;

/// Whether a line begins WinMTR's table: its title, or the titles of its columns.
pub(crate) fn starts(line: &str) -> bool {
    is_title(line) || is_columns(line)
}

/// Whether a line that would begin a trace is the next of this one's titles.
pub(crate) fn joins(block: &[Line<'_>], line: &str) -> bool {
    is_columns(line)
        && block.iter().all(|one| !is_columns(one.text))
        && block.first().is_some_and(|one| is_title(one.text))
}

fn is_title(line: &str) -> bool {
    line.trim().trim_matches('|').trim().eq_ignore_ascii_case("WinMTR statistics")
}

fn is_columns(line: &str) -> bool {
    let cells: Vec<&str> = line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
    cells.len() >= 6 && cells[0].starts_with("Host") && cells[0].ends_with('%') && cells[1] == "Sent"
}

pub(crate) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut draft = Draft::new("winmtr", "", lines);
    draft.trace.protocol = Some(Protocol::Icmp);
    let mut titles: Vec<String> = Vec::new();
    let mut ttl = 0_u8;
    for line in lines {
        let text = line.text.trim();
        let bar = |one: char| matches!(one, '|' | '-' | '_' | ' ');
        if text.chars().all(bar) || is_title(text) {
            continue;
        }
        if is_columns(text) {
            titles =
                text.split('|').map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect();
            continue;
        }
        if let Some(version) = text.strip_prefix("WinMTR v") {
            draft.trace.origin.version = version.split_whitespace().next().map(pieces::clean);
            continue;
        }
        if ttl == u8::MAX || row(&mut draft, &titles, ttl + 1, text, line.number).is_none() {
            draft.miss(line.number);
        } else {
            ttl += 1;
        }
    }
    draft.done()
}

fn row(draft: &mut Draft, titles: &[String], ttl: u8, text: &str, line: u64) -> Option<()> {
    let cells: Vec<&str> = text.strip_prefix('|')?.trim_end_matches('|').split('|').map(str::trim).collect();
    if cells.len() != titles.len() {
        return None;
    }
    let mut totals = Totals::default();
    let (host, loss) = cells[0].rsplit_once('-')?;
    totals.loss = Some(pieces::number(loss.trim().trim_end_matches('%'))?);
    for (title, cell) in titles.iter().zip(&cells).skip(1) {
        let value = pieces::count(cell)?;
        match title.as_str() {
            "Sent" => totals.sent = Some(value),
            "Recv" => totals.received = Some(value),
            "Best" => totals.best = Some(f64::from(value)),
            "Avrg" => totals.avg = Some(f64::from(value)),
            "Wrst" => totals.worst = Some(f64::from(value)),
            _ => {}
        }
    }
    let hop = draft.trace.hop_mut(ttl);
    hop.sent = totals.sent;
    hop.answered = totals.answered();
    let host = host.trim();
    // `No response from host`, `Request timed out.`: no host's name has a space.
    if host.contains(' ') {
        return Some(());
    }
    if let Some(one) = draft.responder(ttl, &Host::new(host), line) {
        one.stats = Some(totals.stats());
    }
    Some(())
}
