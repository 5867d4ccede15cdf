//! `mtr -l` and `mtr --raw`: a line an event, the only form of mtr's with single probes.
//!
//! Hosts count from 0 and times are microseconds. An address is printed when it is first seen at a hop and never again, so
//! after a second one nobody can say whose the later replies are; those are given to nobody. The destination is not named,
//! and once it is known the program may have asked beyond it.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::net::IpAddr;

use super::super::pieces::{self, Draft, Host};
use super::super::text::Line;
use super::super::{Each, Error, Outcome};
use super::{beginning, runs, whole};
use crate::trace::MplsLabel;
use crate::trace::foreign::{ForeignReply, ForeignTrace, most};

/// Whether a file begins like mtr's raw form.
pub(crate) fn recognises(head: &[u8]) -> bool {
    let mut lines =
        beginning(head).split(|one| *one == b'\n').map(|line| std::str::from_utf8(line.trim_ascii()));
    let mut event = || lines.next().and_then(Result::ok).and_then(event);
    event().is_some() && event().is_some()
}

/// Whether a line is an event of a measurement that begins.
pub(crate) fn starts(line: &str) -> bool {
    event(line.trim()).is_some()
}

/// Whether an event goes on with the measurement before it: numbers of probes only grow.
pub(crate) fn joins(block: &[Line<'_>], line: &str) -> bool {
    let Some(next) = event(line.trim()) else { return false };
    let sequence = |event: &Event<'_>| match event {
        Event::Sent { sequence, .. } => Some(*sequence),
        _ => None,
    };
    // Between two probes stand the replies of one hop.
    let last =
        || block.iter().rev().take(256).find_map(|line| event(line.text.trim()).as_ref().and_then(sequence));
    match sequence(&next) {
        Some(next) => last().is_none_or(|last| next >= last),
        None => true,
    }
}

/// Reads all measurements of a file.
pub(crate) fn read(input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
    runs(&whole(input)?, "mtr's raw form", starts, joins, read_lines, each)
}

enum Event<'a> {
    Sent {
        ttl: u8,
        sequence: u64,
    },
    Host {
        ttl: u8,
        address: IpAddr,
    },
    Name {
        ttl: u8,
        name: &'a str,
    },
    Reply {
        ttl: u8,
        micros: u32,
        sequence: Option<u64>,
    },
    Label {
        ttl: u8,
        label: MplsLabel,
    },
    /// Something of the program's that is no event of a path.
    Known,
}

fn event(line: &str) -> Option<Event<'_>> {
    let mut words = line.split_whitespace();
    let kind = words.next().filter(|kind| kind.len() == 1)?;
    let host: u8 = words.next()?.parse().ok()?;
    let ttl = host.checked_add(1)?;
    let first = words.next()?;
    let event = match kind {
        "x" => Event::Sent { ttl, sequence: first.parse().ok()? },
        "h" => Event::Host { ttl, address: pieces::address(first)? },
        "d" => Event::Name { ttl, name: first },
        "p" => {
            let sequence = match words.next() {
                Some(sequence) => Some(sequence.parse().ok()?),
                None => None,
            };
            Event::Reply { ttl, micros: first.parse().ok()?, sequence }
        }
        // A time that a file from before 0.8 has.
        "t" => Event::Known,
        "m" => {
            let mut number =
                || words.next().and_then(pieces::count).and_then(|value| u8::try_from(value).ok());
            let (tc, bottom, entry_ttl) = (number()?, number()?, number()?);
            let label = pieces::count(first).filter(|label| *label < 1 << 20)?;
            Event::Label { ttl, label: MplsLabel { label, tc: tc & 7, bottom: bottom == 1, ttl: entry_ttl } }
        }
        _ => return None,
    };
    words.next().is_none().then_some(event)
}

/// What is known of a hop while its events come.
#[derive(Default)]
struct Seen {
    addresses: Vec<IpAddr>,
    /// The event before this one named the address; the reply that comes is its.
    named: Option<IpAddr>,
    /// Probes that are not answered yet.
    open: HashSet<u64>,
    labelled: Option<IpAddr>,
}

const NOBODY: &str =
    "several addresses answered at a hop: mtr's raw form says of the first reply of each only whose it is";

/// Reads one measurement.
pub(crate) fn read_lines(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut draft = Draft::new("mtr", "raw", lines);
    let mut seen: HashMap<u8, Seen> = HashMap::new();
    for line in lines {
        let text = line.text.trim();
        if text.is_empty() {
            continue;
        }
        match event(text) {
            Some(event) => take(&mut draft, &mut seen, &event, line.number),
            None => draft.miss(line.number),
        }
    }
    draft.done()
}

fn take(draft: &mut Draft, seen: &mut HashMap<u8, Seen>, event: &Event<'_>, line: u64) {
    match *event {
        Event::Sent { ttl, sequence } => {
            draft.sent(ttl, 1);
            draft.silent(ttl);
            seen.entry(ttl).or_default().open.insert(sequence);
        }
        Event::Host { ttl, address } => {
            let hop = seen.entry(ttl).or_default();
            if !hop.addresses.contains(&address) && hop.addresses.len() < most::RESPONDERS {
                hop.addresses.push(address);
            }
            hop.named = Some(address);
            hop.labelled = Some(address);
            draft.responder(ttl, &Host { address: Some(address), name: None }, line);
        }
        Event::Name { ttl, name } => {
            let hop = seen.entry(ttl).or_default();
            // A name is of the address just named, else of the hop's first.
            let Some(address) = hop.named.or(hop.addresses.first().copied()) else { return };
            if let Some(name) = pieces::name_beside(name, address) {
                draft.responder(ttl, &Host { address: Some(address), name: Some(name) }, line);
            }
        }
        Event::Label { ttl, label } => {
            let address = seen.entry(ttl).or_default().labelled;
            if let Some(one) = draft.responder(ttl, &Host { address, name: None }, line)
                && one.mpls.len() < most::LABELS
                && !one.mpls.contains(&label)
            {
                one.mpls.push(label);
            }
        }
        Event::Reply { ttl, micros, sequence } => {
            let hop = seen.entry(ttl).or_default();
            let only = || hop.addresses.first().copied().filter(|_| hop.addresses.len() == 1);
            let address = hop.named.or_else(only);
            hop.named = None;
            let known = sequence.is_none_or(|sequence| hop.open.remove(&sequence));
            if address.is_none() {
                draft.once(line, NOBODY);
            }
            let reply = ForeignReply { rtt_ms: Some(f64::from(micros) / 1000.0), ..ForeignReply::default() };
            let host = Host { address, name: None };
            if known {
                draft.reply(ttl, &host, reply, line);
            } else {
                draft.once(
                    line,
                    "a reply to no probe that was open: a second one, or one of before the copy begins",
                );
                draft.spare_reply(ttl, &host, reply, line);
            }
        }
        Event::Known => {}
    }
}
