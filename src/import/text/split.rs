//! Where traces begin and end in a text, and what became of each.
//!
//! A block goes from a header to the next one, or to the next command that was typed. What follows the last line that its
//! dialect understood is the mail around the trace and not a fault of it; a line in between that is not understood is.

use super::command::Command;
use super::{HEADLESS, Line, body, command};
use crate::import::{Error, Problem};
use crate::trace::foreign::ForeignTrace;

/// What knows one kind of output. Adding one is a row in [`DIALECTS`](super::DIALECTS).
pub(super) struct Dialect {
    /// What it is called when a text is refused: `a Cisco traceroute`.
    name: &'static str,
    /// Whether a line is the header, or the first significant line, of such a trace.
    starts: fn(&str) -> bool,
    /// Whether a line that would begin a trace goes on with the block before it: a screen that is painted anew, a second
    /// line of a header.
    joins: fn(&[Line<'_>], &str) -> bool,
    reads: Reads,
}

/// Reads a block from its header on: the trace, and the numbers of the lines not understood.
type Read = fn(&[Line<'_>]) -> (ForeignTrace, Vec<u64>);

enum Reads {
    Trace(Read),
    Refused(&'static str),
}

impl Dialect {
    pub(super) const fn new(name: &'static str, starts: fn(&str) -> bool, read: Read) -> Self {
        Self { name, starts, joins: |_, _| false, reads: Reads::Trace(read) }
    }

    /// A kind of output that is known and holds no path of packets, with the reason.
    pub(super) const fn refused(name: &'static str, starts: fn(&str) -> bool, why: &'static str) -> Self {
        Self { name, starts, joins: |_, _| false, reads: Reads::Refused(why) }
    }

    /// The same, with lines that would begin a trace and go on with the one before: `joins(block so far, line)`.
    pub(super) const fn joined(self, joins: fn(&[Line<'_>], &str) -> bool) -> Self {
        Self { name: self.name, starts: self.starts, joins, reads: self.reads }
    }
}

/// The lines of one trace, from its header to the next one.
pub(super) struct Block<'a, 't> {
    dialect: &'static Dialect,
    lines: &'t [Line<'a>],
    command: Option<Command>,
}

/// The command that was typed stands at most so many lines before the header: a router asks for options in between.
const COMMAND_IS_NEAR: usize = 40;

/// Cuts a text into blocks.
pub(super) fn blocks<'a, 't>(lines: &'t [Line<'a>]) -> Vec<Block<'a, 't>> {
    let mut cutter = Cutter { lines, open: None, command: None, blocks: Vec::new() };
    // The hop number of the last line that had one, and whether something else stood between it and here.
    let mut last: Option<u8> = None;
    let mut parted = true;
    // Hops began again, so far without an answer.
    let mut again = false;
    for (at, line) in lines.iter().enumerate() {
        if line.text.trim().is_empty() {
            parted = true;
            continue;
        }
        let row = super::DIALECTS.iter().find(|row| (row.starts)(line.text));
        if let Some(row) = row {
            let joined =
                cutter.open.as_ref().is_some_and(|(start, open)| (open.joins)(&lines[*start..at], line.text));
            if !joined {
                cutter.begin(at, at, row);
            }
            (last, parted, again) = (None, false, false);
            continue;
        }
        if let Some(command) = command::echo(line.text) {
            cutter.end(at);
            cutter.command = Some((at, command));
            (last, parted, again) = (None, true, false);
            continue;
        }
        let ttl = body::hop_number(line.text);
        let first = ttl.is_some_and(|ttl| ttl <= 1) && last.is_some_and(|last| last > 1) && parted;
        again = first || again && ttl.is_some();
        if (cutter.open.is_none() || again) && body::starts(line.text) {
            cutter.begin(at, silent_before(lines, at, cutter.bound()), &HEADLESS);
            again = false;
        }
        parted = ttl.is_none();
        last = ttl.or(last);
    }
    cutter.end(lines.len());
    cutter.blocks
}

struct Cutter<'a, 't> {
    lines: &'t [Line<'a>],
    open: Option<(usize, &'static Dialect)>,
    command: Option<(usize, Command)>,
    blocks: Vec<Block<'a, 't>>,
}

impl Cutter<'_, '_> {
    /// A block begins, seen at one line and reaching back to another.
    fn begin(&mut self, at: usize, start: usize, dialect: &'static Dialect) {
        self.end(start);
        self.command.take_if(|(typed, _)| at - *typed > COMMAND_IS_NEAR);
        self.open = Some((start, dialect));
    }

    fn end(&mut self, at: usize) {
        if let Some((start, dialect)) = self.open.take() {
            let command = self.command.take().map(|(_, command)| command);
            self.blocks.push(Block { dialect, lines: &self.lines[start..at], command });
        }
    }

    /// The first line that belongs to nothing yet.
    fn bound(&self) -> usize {
        let typed = self.command.as_ref().map(|(at, _)| at + 1);
        let open = self.open.as_ref().map(|(at, _)| at + 1);
        typed.max(open).unwrap_or(0)
    }
}

/// Hops without an answer say nothing by themselves; directly before the first hop of a trace they belong to it.
fn silent_before(lines: &[Line<'_>], at: usize, bound: usize) -> usize {
    let mut start = at;
    let mut ttl = body::hop_number(lines[at].text);
    // A path has no more hops than that.
    for back in (bound..at).rev().take(255) {
        let before = lines[back].text;
        let number = body::hop_number(before);
        if number >= ttl || number.is_none() || !body::is_silent(before) {
            break;
        }
        (start, ttl) = (back, number);
    }
    start
}

impl Block<'_, '_> {
    /// Reads it, and judges what was understood.
    pub(super) fn read(&self) -> Result<ForeignTrace, Error> {
        let first = self.lines[0].number;
        let read = match self.dialect.reads {
            Reads::Trace(read) => read,
            Reads::Refused(why) => return Err(Error::at(first, Problem::Refused(why.to_owned()))),
        };
        let (mut trace, missed) = read(self.lines);
        let missed = |line: &Line<'_>| missed.binary_search(&line.number).is_ok();
        let (mut end, mut open) = (0, true);
        for (at, line) in self.lines.iter().enumerate() {
            if line.text.trim().is_empty() {
                open = false;
            } else if !missed(line) {
                (end, open) = (at + 1, true);
            } else if open && body::hop_number(line.text).is_some() {
                // A hop that could not be read is still one.
                end = at + 1;
            } else {
                open = false;
            }
        }
        let within = self.lines[..end].iter().filter(|line| !line.text.trim().is_empty());
        let (mut of, mut lines, mut first_missed) = (0_u64, 0_u64, None);
        for line in within {
            of += 1;
            if missed(line) {
                lines += 1;
                first_missed.get_or_insert(line.number);
                let text: String = line.text.trim().chars().take(80).collect();
                trace.note(Some(line.number), format!("not understood: `{text}`"));
            }
        }
        if let Some(first_missed) = first_missed.filter(|_| lines * 3 > of) {
            let dialect = self.dialect.name.to_owned();
            return Err(Error::at(first, Problem::TooDoubtful { dialect, lines, of, first: first_missed }));
        }
        if trace.hops.is_empty() && trace.failure.is_none() {
            return Err(Error::at(first, Problem::Empty(self.dialect.name)));
        }
        trace.origin.lines = Some((first, self.lines[end.saturating_sub(1)].number));
        if let Some(command) = &self.command {
            command.tell(&mut trace);
        }
        Ok(trace)
    }
}
