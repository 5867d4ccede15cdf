//! pathping: a list of hops, and minutes later a table of losses.
//!
//! The list gives the path, the table the totals. Of the two pairs in a row of the table the first is what came back of the
//! probes from here to there; the second, the node's own share, is the program's subtraction and is left out.

use std::net::IpAddr;

use super::super::Line;
use super::words;
use crate::import::pieces::{self, Draft, Host};
use crate::trace::Protocol;
use crate::trace::foreign::{ForeignStats, ForeignTrace};

/// Whether a block with tracert's header is pathping's: its hops begin with this machine as hop 0, and have no times.
pub(super) fn is(lines: &[Line<'_>]) -> bool {
    let zero = |line: &Line<'_>| {
        pieces::leading(line.text).is_some_and(|(ttl, rest)| ttl == 0 && rest.starts_with([' ', '\t']))
    };
    lines.iter().any(zero) || lines.iter().any(|line| row(line.text).is_some())
}

pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut draft = Draft::new("pathping", words::language(lines), lines);
    draft.trace.protocol = Some(Protocol::Icmp);
    let body = super::header(&mut draft, lines);
    let mut listed: Option<IpAddr> = None;
    // Seconds of computing, two lines of titles: they stand once, between the list and the table.
    let mut titles = 3_u8;
    for line in &lines[body..] {
        let text = line.text.trim();
        if text.is_empty() || words::ends(text) || is_link(text) {
            continue;
        }
        if let Some(row) = row(text) {
            table(&mut draft, &row, line.number);
            continue;
        }
        match pieces::leading(text) {
            Some((0, rest)) => {
                let host = Host::new(rest);
                draft.trace.vantage.source = host.address;
                draft.trace.vantage.label = host.name;
            }
            Some((ttl, rest)) if rest.starts_with([' ', '\t']) => {
                let Ok(ttl) = u8::try_from(ttl) else {
                    draft.miss(line.number);
                    continue;
                };
                let stars = rest.split_whitespace().take_while(|word| *word == "*").count();
                let host = Host::new(rest);
                if stars > 0 {
                    draft.sent(ttl, u32::try_from(stars).unwrap_or(3));
                    draft.silent(ttl);
                } else if host.address.is_some() {
                    draft.responder(ttl, &host, line.number);
                    listed = host.address;
                } else {
                    draft.miss(line.number);
                }
            }
            _ if titles > 0 && (text.contains('=') || text.contains('/') || text.contains("...")) => {
                titles -= 1
            }
            _ => draft.miss(line.number),
        }
    }
    // The list goes on until the destination answers.
    if listed.is_some() && listed == draft.trace.address {
        draft.trace.reached = Some(true);
    }
    draft.done()
}

/// The share lost on a link: `0/ 100 =  0%   |`.
fn is_link(text: &str) -> bool {
    text.ends_with('|') && text.contains('%') && text.contains('/')
}

struct Row<'a> {
    ttl: u8,
    ms: Option<f64>,
    lost: u32,
    sent: u32,
    host: &'a str,
}

/// `2   6ms    16/ 100 = 16%     3/ 100 =  3%  host [addr]`, `---` for a time that is not known.
fn row(line: &str) -> Option<Row<'_>> {
    let (ttl, rest) = pieces::numbered(line)?;
    let (time, rest) = pieces::word(rest)?;
    let digits = time.trim_end_matches(char::is_alphabetic);
    let ms = if time.starts_with("--") { None } else { Some(pieces::number(digits)?) };
    let (first, rest) = rest.split_once('%')?;
    let (lost, first) = first.split_once('/')?;
    let (sent, _) = first.split_once('=')?;
    let (second, host) = rest.split_once('%')?;
    if !second.contains('/') {
        return None;
    }
    Some(Row { ttl, ms, lost: pieces::count(lost)?, sent: pieces::count(sent)?, host })
}

fn table(draft: &mut Draft, row: &Row<'_>, line: u64) {
    let received = row.sent.saturating_sub(row.lost);
    let hop = draft.trace.hop_mut(row.ttl);
    hop.sent = Some(row.sent);
    hop.answered = Some(received);
    if let Some(one) = draft.responder(row.ttl, &Host::new(row.host), line) {
        one.stats = Some(ForeignStats { received: Some(received), avg: row.ms, ..ForeignStats::default() });
    }
}
