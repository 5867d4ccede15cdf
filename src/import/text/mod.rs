//! What people paste: one or many traces in a text.

mod hping;
mod mikrotik;
mod nexttrace;
mod paris;
#[cfg(test)]
mod props;
mod tcptraceroute;
#[cfg(test)]
pub(super) mod tests_misc;
mod tracepath;
mod windows;

use super::mtr::{csv, raw, report, winmtr};
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

/// How a dialect knows a line that begins one, one that goes on with the block before it, and how it reads.
type Dialect = (fn(&str) -> bool, fn(&[Line<'_>], &str) -> bool, fn(&[Line<'_>]) -> (ForeignTrace, Vec<u64>));

const DIALECTS: &[Dialect] = &[
    (windows::starts, windows::joins, windows::read),
    (tracepath::starts, |_, _| false, tracepath::read),
    (tcptraceroute::starts, tcptraceroute::joins, tcptraceroute::read),
    (hping::starts, hping::joins, hping::read),
    (nexttrace::starts, nexttrace::joins, nexttrace::read),
    (paris::starts, |_, _| false, paris::read),
    (mikrotik::starts, mikrotik::joins, mikrotik::read),
    (report::starts, report::joins, report::read),
    (winmtr::starts, winmtr::joins, winmtr::read),
    (csv::starts, csv::joins, csv::read_lines),
    (raw::starts, raw::joins, raw::read_lines),
];

/// Reads all traces of a text of any encoding.
pub(super) fn read(bytes: &[u8], each: &mut Each<'_>) -> Result<Outcome, Error> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<Line<'_>> = text.lines().zip(1..).map(|(text, number)| Line { number, text }).collect();
    let dialect = |line: &Line<'_>| DIALECTS.iter().find(|(starts, ..)| starts(line.text));
    let mut outcome = Outcome::default();
    let mut from = 0;
    while from < lines.len() {
        let Some((_, joins, read)) = dialect(&lines[from]) else {
            from += 1;
            continue;
        };
        let mut end = from + 1;
        while end < lines.len()
            && (dialect(&lines[end]).is_none() || joins(&lines[from..end], lines[end].text))
        {
            end += 1;
        }
        let (mut trace, missed) = read(&lines[from..end]);
        from = end;
        for line in missed {
            trace.note(Some(line), "not understood");
        }
        if trace.hops.is_empty() && trace.failure.is_none() {
            continue;
        }
        outcome.traces += 1;
        if each(trace).is_break() {
            break;
        }
    }
    if outcome.traces > 0 { Ok(outcome) } else { Err(Error::new(Problem::Unknown)) }
}
