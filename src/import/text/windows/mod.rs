//! Windows: tracert in any language, pathping, PowerShell's Test-NetConnection.
//!
//! tracert speaks the user's language, so a hop is known by its form, a number and three cells of time, and words are
//! looked up only for the header and for messages. It always sends three ICMP echo requests a hop and prints one address,
//! that of the last answer: a balancer behind it is invisible. It prints one more line where a router refuses.

mod pathping;
mod powershell;
mod words;

use super::Line;
use crate::import::pieces::{self, Draft, Host, word};
use crate::trace::Protocol;
use crate::trace::foreign::{ForeignReply, ForeignTrace};

/// Whether a line begins a tracert, a pathping or a Test-NetConnection. A hop line does, too: a header in an unknown
/// language is no header.
pub(super) fn starts(line: &str) -> bool {
    words::header(line).is_some()
        || words::unresolved(line).is_some()
        || powershell::starts(line)
        || hop(line).is_some_and(|hop| hop.cells.len() == 3 && hop.answered())
}

/// Whether a line that would begin a trace is the next hop of this one.
pub(super) fn joins(block: &[Line<'_>], line: &str) -> bool {
    let Some(next) = hop(line) else { return false };
    let last = block.iter().rev().find_map(|line| pieces::leading(line.text));
    match last {
        Some((ttl, _)) => u16::from(next.ttl) > ttl,
        None => block.first().is_some_and(|first| words::header(first.text).is_some()),
    }
}

pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let Some(first) = lines.first() else { return Draft::default().done() };
    if powershell::starts(first.text) {
        return powershell::read(lines);
    }
    if pathping::is(lines) {
        return pathping::read(lines);
    }
    let mut draft = Draft::new("tracert", words::language(lines), lines);
    draft.trace.protocol = Some(Protocol::Icmp);
    let body = header(&mut draft, lines);
    for line in &lines[body..] {
        let text = line.text.trim();
        if text.is_empty() || words::ends(text) {
            continue;
        }
        let Some(hop) = hop(line.text) else {
            draft.miss(line.number);
            continue;
        };
        if !read_hop(&mut draft, &hop, line.number) {
            draft.miss(line.number);
        }
    }
    draft.done()
}

/// Reads the lines before the first hop; says where that is.
fn header(draft: &mut Draft, lines: &[Line<'_>]) -> usize {
    let body = lines.iter().position(|line| pieces::leading(line.text).is_some()).unwrap_or(lines.len());
    let mut filled = 0;
    for line in &lines[..body] {
        let text = line.text.trim();
        if text.is_empty() {
            continue;
        }
        filled += 1;
        if let Some(name) = words::unresolved(text) {
            draft.trace.target = pieces::clean(name);
            draft.trace.failure = Some(pieces::clean(text));
        } else if let Some(target) = words::header(text) {
            let host = Host::new(&target);
            draft.trace.target =
                host.name.or_else(|| host.address.map(|one| one.to_string())).unwrap_or_default();
            draft.trace.address = host.address;
        } else if words::ends(text) || !(filled == 2 && text.bytes().any(|one| one.is_ascii_digit())) {
            // The second line of a header says over how many hops.
            draft.miss(line.number);
        }
    }
    body
}

/// A cell of time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cell {
    Star,
    /// `<1 ms`.
    Below(f64),
    Time(f64),
}

/// A hop line in its parts.
struct Hop<'a> {
    ttl: u8,
    /// Three; fewer where a message cut the hop short.
    cells: Vec<Cell>,
    /// The host or a message.
    rest: &'a str,
}

impl Hop<'_> {
    fn answered(&self) -> bool {
        self.cells.iter().any(|cell| *cell != Cell::Star)
    }
}

fn hop(line: &str) -> Option<Hop<'_>> {
    let (ttl, mut rest) = pieces::numbered(line)?;
    if !rest.starts_with([' ', '\t']) {
        return None;
    }
    let mut cells = Vec::with_capacity(3);
    while cells.len() < 3 {
        let Some((cell, after)) = cell(rest) else { break };
        cells.push(cell);
        rest = after;
    }
    Some(Hop { ttl, cells, rest: rest.trim() })
}

/// A time in any language's milliseconds, or a star.
fn cell(text: &str) -> Option<(Cell, &str)> {
    let (first, mut rest) = word(text)?;
    if first == "*" {
        return Some((Cell::Star, rest));
    }
    let below = first.strip_prefix('<');
    let digits = below.unwrap_or(first);
    let split = digits.find(|one: char| !one.is_ascii_digit()).unwrap_or(digits.len());
    let (number, mut unit) = digits.split_at(split);
    if unit.is_empty() {
        (unit, rest) = word(rest)?;
    }
    // `ms`, `мс`, `мсек`, `毫秒`: letters only, and few of them, or it is a host's name.
    if unit.chars().count() > 5 || !unit.chars().all(char::is_alphabetic) {
        return None;
    }
    let ms = pieces::number(number)?;
    Some((if below.is_some() { Cell::Below(ms / 2.0) } else { Cell::Time(ms) }, rest))
}

fn read_hop(draft: &mut Draft, hop: &Hop<'_>, line: u64) -> bool {
    let silent = hop.cells.len() == 3 && !hop.answered();
    if silent {
        // Whatever follows says in some language that nobody answered.
        draft.sent(hop.ttl, 3);
        draft.silent(hop.ttl);
        if words::is_local(hop.rest) {
            draft.trace.failure = Some(pieces::clean(hop.rest));
        }
        return true;
    }
    let Some((host, message)) = host_and_message(hop.rest) else {
        if hop.cells.len() < 3 && words::is_local(hop.rest) {
            draft.trace.hop_mut(hop.ttl);
            draft.trace.failure = Some(pieces::clean(hop.rest));
            return true;
        }
        return false;
    };
    if hop.cells.len() == 3 && !message.is_empty() || hop.cells.len() < 3 && message.is_empty() {
        return false;
    }
    draft.sent(hop.ttl, u32::try_from(hop.cells.len()).unwrap_or(3) + u32::from(!message.is_empty()));
    for cell in &hop.cells {
        let ms = match *cell {
            Cell::Star => continue,
            Cell::Time(ms) => ms,
            Cell::Below(ms) => {
                draft.once(line, "`<1 ms` is taken for 0.5 ms");
                ms
            }
        };
        let kind = draft.plain(&host).or(Some(crate::trace::ReplyKind::EchoReply));
        let reply = ForeignReply { rtt_ms: Some(ms), kind, ..ForeignReply::default() };
        draft.reply(hop.ttl, &host, reply, line);
    }
    if !message.is_empty() {
        let six = host.address.or(draft.trace.address).is_some_and(|address| address.is_ipv6());
        let kind = words::code(message).map(|code| pieces::unreachable(six, code));
        if kind.is_none() {
            draft
                .trace
                .note(Some(line), format!("a message in a language not known: `{}`", pieces::clean(message)));
        }
        let reply = ForeignReply { kind, mark: Some(pieces::clean(message)), ..ForeignReply::default() };
        draft.reply(hop.ttl, &host, reply, line);
    }
    draft.silent(hop.ttl);
    true
}

/// `addr`, `name [addr]`, either with `reports: message` behind it.
fn host_and_message(rest: &str) -> Option<(Host, &str)> {
    let (first, after) = word(rest)?;
    if let Some(address) = pieces::address(first) {
        let host = Host { address: Some(address), name: None };
        return Some((host, message(after)));
    }
    let (inner, beyond) = after.trim_start().strip_prefix('[')?.split_once(']')?;
    let address = pieces::address(inner)?;
    Some((Host { address: Some(address), name: pieces::name_beside(first, address) }, message(beyond)))
}

/// What is reported: the words behind the colon, if there is one.
fn message(text: &str) -> &str {
    let text = text.trim();
    text.split_once([':', '：']).map_or(text, |(_, message)| message.trim())
}

#[cfg(test)]
pub(super) mod tests;
