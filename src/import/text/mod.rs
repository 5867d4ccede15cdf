//! What people paste: one or many traces in a text.

mod nmap;
mod scamper;

use super::{Each, Error, Outcome, Problem};
use crate::trace::foreign::ForeignTrace;

/// A line of a text with its number in the file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number.
    pub number: u64,
    /// The line without its end, decoded; no control characters but tabs.
    pub text: &'a str,
}

/// How a dialect knows its first line, and how it reads its lines.
type Dialect = (fn(&str) -> bool, fn(&[Line<'_>]) -> (ForeignTrace, Vec<u64>));

const DIALECTS: &[Dialect] = &[(scamper::starts, scamper::read), (nmap::starts, nmap::read)];

/// Reads all traces of a text of any encoding.
pub(super) fn read(bytes: &[u8], each: &mut Each<'_>) -> Result<Outcome, Error> {
    let text = String::from_utf8_lossy(bytes);
    let mut outcome = Outcome::default();
    for mut trace in traces(&text) {
        trace.findings.truncate(crate::trace::foreign::most::FINDINGS);
        outcome.traces += 1;
        if each(trace).is_break() {
            break;
        }
    }
    if outcome.traces > 0 { Ok(outcome) } else { Err(Error::new(Problem::Unknown)) }
}

/// The traces of a text that another format carries within it.
pub(super) fn traces(text: &str) -> Vec<ForeignTrace> {
    let lines: Vec<Line<'_>> = text.lines().zip(1..).map(|(text, number)| Line { number, text }).collect();
    let dialect = |line: &Line<'_>| DIALECTS.iter().find(|(starts, _)| starts(line.text));
    let mut found = Vec::new();
    let mut rest = &lines[..];
    while let Some(from) = rest.iter().position(|line| dialect(line).is_some()) {
        let length = rest[from + 1..].iter().position(|line| dialect(line).is_some());
        let (block, after) = rest[from..].split_at(length.map_or(rest.len() - from, |length| length + 1));
        rest = after;
        let Some((_, read)) = dialect(&block[0]) else { break };
        let (mut trace, strange) = read(block);
        for line in strange {
            trace.note(Some(line), "not understood");
        }
        found.push(trace);
    }
    found
}
