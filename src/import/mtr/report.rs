//! mtr's report, `mtr -r` and `mtr -w`, and a copy of its screen.
//!
//! Columns are the user's choice, so their titles are read. Without `-w` a host that is too long is cut where the first
//! column begins: what is left is no name and may be a false address.

use std::ops::Range;

use super::super::pieces::{self, Draft, word};
use super::super::text::Line;
use super::{Column, Row, TOGETHER, Totals, take_row, target};
use crate::trace::foreign::ForeignTrace;

/// Whether a line begins a report: the time of its start, its titles, or the first line of the screen.
pub(crate) fn starts(line: &str) -> bool {
    is_start(line) || titles(line).is_some() || is_screen(line)
}

/// Whether a line that would begin a trace is the titles of this one.
pub(crate) fn joins(block: &[Line<'_>], line: &str) -> bool {
    titles(line).is_some()
        && block.first().is_some_and(|first| is_start(first.text) || is_screen(first.text))
        && block.iter().all(|one| titles(one.text).is_none())
}

/// `Start: 2025-01-01T10:00:00+0300`, `Start: Mon Jan  1 10:00:00 2025`.
fn is_start(line: &str) -> bool {
    line.trim_start()
        .strip_prefix("Start: ")
        .is_some_and(|rest| rest.len() < 40 && rest.matches(':').count() >= 2 && rest.contains("20"))
}

fn is_screen(line: &str) -> bool {
    line.trim_start().starts_with("My traceroute") && line.contains('[')
}

/// The titles of a table.
struct Titles<'a> {
    host: &'a str,
    columns: Vec<Column>,
    /// The column of the text where the host's room ends, in characters, if the first title is of the loss.
    room: Option<usize>,
    /// Where the last title ends, in characters.
    end: usize,
}

fn titles(line: &str) -> Option<Titles<'_>> {
    let text = line.trim_start();
    let (host, rest) = match text.strip_prefix("HOST:") {
        Some(rest) => word(rest).filter(|(host, _)| Column::new(host).is_none()).unwrap_or(("", rest)),
        None => ("", text.strip_prefix("Host")?),
    };
    if !rest.starts_with([' ', '\t']) {
        return None;
    }
    let mut columns = Vec::new();
    for title in rest.split_whitespace() {
        columns.push(Column::new(title)?);
    }
    let known = columns.contains(&Column::Loss) || columns.len() >= 3;
    let place = |title: &str| line.find(title).map(|at| line[..at].chars().count() + title.len());
    // `Loss%` has six columns.
    let room = (columns.first() == Some(&Column::Loss))
        .then(|| place("Loss%"))
        .flatten()
        .and_then(|end| end.checked_sub(6));
    let end = line.trim_end().chars().count();
    (known && !columns.is_empty()).then_some(Titles { host, columns, room, end })
}

pub(crate) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut draft = Draft::new("mtr", "report", lines);
    let mut table: Option<Titles<'_>> = None;
    let mut last: Option<u8> = None;
    for line in lines {
        let text = line.text.trim();
        if text.is_empty() {
            continue;
        }
        if is_start(line.text) {
            draft.trace.started_at = text.strip_prefix("Start: ").and_then(zoned);
            continue;
        }
        if let Some(titles) = titles(line.text) {
            draft.trace.vantage.label = pieces::name(titles.host).or(draft.trace.vantage.label.take());
            table = Some(titles);
            continue;
        }
        let Some(titles) = &table else {
            if !screen_head(&mut draft, text) {
                draft.miss(line.number);
            }
            continue;
        };
        let understood = match numbered(line.text) {
            Some((ttl, rest)) => {
                last = Some(ttl);
                hop(&mut draft, titles, ttl, rest, line).is_some()
            }
            None => last.is_some_and(|ttl| below(&mut draft, ttl, text, line.number)),
        };
        if !understood {
            draft.miss(line.number);
        }
    }
    draft.done()
}

/// A time with its distance from UTC, in nanoseconds. One without is of a clock that is not known.
fn zoned(text: &str) -> Option<i64> {
    let time = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%z", text.trim()).ok()?.to_timestamp().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

/// The lines above the titles of a screen.
fn screen_head(draft: &mut Draft, text: &str) -> bool {
    if is_screen(text) {
        let version = text.split_once('[').and_then(|(_, rest)| rest.split(']').next());
        draft.trace.origin.dialect = "screen".to_owned();
        draft.trace.origin.version = version.map(|version| pieces::clean(version.trim_start_matches('v')));
        return true;
    }
    if let Some((from, to)) = text.split_once(" -> ") {
        let end = |text: &str| pieces::Host::new(text);
        let from = end(from);
        draft.trace.vantage.label = from.name;
        draft.trace.vantage.source = from.address;
        // `name (addr)` or an address; behind it the time of this machine's clock.
        let to = match to.split_once(')') {
            Some((to, _)) => format!("{to})"),
            None => to.split_whitespace().next().unwrap_or("").to_owned(),
        };
        target(draft, &to);
        return true;
    }
    text.starts_with("Keys:") || text.split_whitespace().all(|word| matches!(word, "Packets" | "Pings"))
}

/// `  1.|-- `, ` 1. `.
fn numbered(line: &str) -> Option<(u8, &str)> {
    let (ttl, rest) = pieces::numbered(line)?;
    let rest = rest.strip_prefix('.')?;
    Some((ttl, rest.strip_prefix("|--").unwrap_or(rest)))
}

/// The last words of a text, as many as asked for, and what stands before them.
fn tail(text: &str, most: usize) -> Option<(Range<usize>, Vec<&str>)> {
    let mut end = text.trim_end().len();
    let mut words = Vec::with_capacity(most);
    for _ in 0..most {
        let before = text[..end].trim_end();
        let from = before
            .rfind(char::is_whitespace)
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let word = &before[from..];
        if word.is_empty() {
            return None;
        }
        words.push(word);
        end = from;
    }
    words.reverse();
    Some((0..end, words))
}

fn hop(draft: &mut Draft, titles: &Titles<'_>, ttl: u8, rest: &str, line: &Line<'_>) -> Option<()> {
    let mut totals = Totals::default();
    let parts = tail(rest, titles.columns.len());
    let values = parts
        .as_ref()
        .filter(|(_, words)| words.iter().all(|word| pieces::number(word.trim_end_matches('%')).is_some()));
    let Some((before, words)) = values else {
        // A screen leaves the cells of a silent hop empty.
        let host = rest.trim();
        let silent = host == "???" || host.starts_with('(') && host.ends_with(')');
        if silent {
            take_row(draft, &Row { ttl, host, claims: &[], totals }, line.number);
            draft.silent(ttl);
        }
        return silent.then_some(());
    };
    for (column, word) in titles.columns.iter().zip(words) {
        totals.take(*column, word)?;
    }
    let host = &rest[before.clone()];
    // In the narrow form the values end where their titles do; in the wide one two columns later.
    let aligned = line.text.trim_end().chars().count() == titles.end;
    let width = line.text.chars().count() - rest.chars().count() + host.trim_end().chars().count();
    if !aligned && draft.trace.origin.dialect == "report" {
        draft.trace.origin.dialect = "wide".to_owned();
    }
    let (claims, host) = claims(host);
    let whole = host.ends_with(')') || host.parse::<std::net::Ipv4Addr>().is_ok();
    if aligned && titles.room == Some(width) && !whole && draft.trace.origin.dialect == "report" {
        draft.trace.note(
            Some(line.number),
            format!(
                "`{}` is cut by the report's width: it is taken for no name and no address",
                pieces::clean(host)
            ),
        );
        // With `-b` the name stands whole before an address that is cut.
        let host = host.split_once(" (").map_or("", |(name, _)| name);
        take_row(draft, &Row { ttl, host, claims: &claims, totals }, line.number);
        return Some(());
    }
    take_row(draft, &Row { ttl, host, claims: &claims, totals }, line.number);
    Some(())
}

/// An AS number before the host, and the host.
fn claims(text: &str) -> (Vec<u32>, &str) {
    let text = text.trim();
    match word(text) {
        Some((first, host)) if !host.trim().is_empty() => match pieces::claims(first) {
            Some(claims) => (claims, host.trim()),
            None => (Vec::new(), text),
        },
        _ => (Vec::new(), text),
    }
}

/// A line without a number: labels, or a further address of the hop above.
fn below(draft: &mut Draft, ttl: u8, text: &str, line: u64) -> bool {
    if let Some(labels) = pieces::label_words(text) {
        let last = draft.trace.hop_mut(ttl).responders.last_mut();
        return last.is_some_and(|one| {
            let room = crate::trace::foreign::most::LABELS.saturating_sub(one.mpls.len());
            one.mpls.extend(labels.into_iter().take(room));
            true
        });
    }
    let text = text.trim_start_matches(['|', '`', '+', '-', ' ']);
    let (claims, text) = claims(text);
    let host = pieces::Host::new(text);
    // Any other word may be the next line of a mail.
    let shape = host.address.is_some() || text.contains('.') && !text.contains(char::is_whitespace);
    if !shape || host.is_nobody() {
        return false;
    }
    draft.once(line, TOGETHER);
    if let Some(one) = draft.responder(ttl, &host, line) {
        one.claims = claims;
    }
    true
}
