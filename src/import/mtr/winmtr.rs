//! WinMTR's exports: the text with its bars, the HTML page, a CSV. A row a hop, hosts by name or by address, never both.
//!
//! By the time a line comes here a page's tags and a frame's outer bars are gone, so that a row is what stands between the
//! separators of any of the forms: a host of one or several words, then as many numbers as there are titles.

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
    let titled = block.first().is_some_and(|one| is_title(one.text));
    // A page has the title twice, over its window and over its table.
    titled && block.iter().all(|one| !is_columns(one.text)) && (is_columns(line) || is_title(line))
}

fn is_title(line: &str) -> bool {
    line.trim().trim_matches('|').trim().eq_ignore_ascii_case("WinMTR statistics")
}

/// What stands between separators; the dash between a host and its losses is one.
fn words(line: &str) -> Vec<&str> {
    let parts = line.split(['|', ',', ';', '"', ' ', '\t']);
    parts.filter(|word| !word.is_empty() && *word != "-").collect()
}

fn is_columns(line: &str) -> bool {
    // Most lines of a text do not begin so.
    let start = line.trim_start_matches(['|', ' ', '"', '\t']);
    start.starts_with("Host") && matches!(words(start).as_slice(), ["Host", "%", "Sent", "Recv", ..])
}

pub(crate) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut draft = Draft::new("winmtr", "", lines);
    draft.trace.protocol = Some(Protocol::Icmp);
    let mut titles: Vec<&str> = Vec::new();
    let mut ttl = 0_u8;
    for line in lines {
        let text = line.text.trim();
        let bar = |one: char| matches!(one, '|' | '-' | '_' | ' ');
        if text.chars().all(bar) || is_title(text) {
            continue;
        }
        if is_columns(text) {
            titles = words(text);
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

fn row(draft: &mut Draft, titles: &[&str], ttl: u8, text: &str, line: u64) -> Option<()> {
    let cells = words(text);
    let values = titles.len().checked_sub(1).filter(|values| *values > 0)?;
    let (host, cells) = cells.split_at_checked(cells.len().checked_sub(values)?)?;
    let mut totals = Totals::default();
    for (title, cell) in titles.iter().skip(1).zip(cells) {
        if *title == "%" {
            totals.loss = Some(pieces::number(cell.trim_end_matches('%'))?);
            continue;
        }
        let value = pieces::number(cell)?;
        match *title {
            "Sent" => totals.sent = Some(pieces::count(cell)?),
            "Recv" => totals.received = Some(pieces::count(cell)?),
            "Best" => totals.best = Some(value),
            "Avrg" | "Avg" => totals.avg = Some(value),
            "Wrst" | "Worst" => totals.worst = Some(value),
            _ => {}
        }
    }
    let hop = draft.trace.hop_mut(ttl);
    hop.sent = totals.sent;
    hop.answered = totals.answered();
    // `No response from host`, `Request timed out.`: no host's name has a space.
    let [host] = host else { return (!host.is_empty()).then_some(()) };
    if let Some(one) = draft.responder(ttl, &Host::new(host), line) {
        one.stats = Some(totals.stats());
    }
    Some(())
}
