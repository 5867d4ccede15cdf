//! What people paste: one or many traces in a text.
//!
//! A terminal's copy, a mail with two traces and a greeting, a looking glass's page, a router's console. First the bytes
//! become lines (`decode`, `page`); then the lines are cut into blocks, each from one header to the next (`split`);
//! then the dialect that knows the header reads its block. The table of dialects is `DIALECTS`: one row each, the first
//! that knows a line has it.
//!
//! Every block has one of three outcomes: clean, doubtful (lines that were not understood are findings), failed with its
//! reason. Text before, between and after the traces is no part of them and counts for nothing.

mod body;
mod cells;
mod cisco;
mod command;
mod decode;
mod dublin;
mod header;
mod hping;
mod huawei;
mod marks;
mod mikrotik;
mod nexttrace;
mod nmap;
mod page;
mod paris;
mod scamper;
mod split;
mod tcptraceroute;
mod tracepath;
mod trippy;
mod unix;
mod windows;

#[cfg(test)]
mod props;
#[cfg(test)]
pub(super) mod tests_misc;

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use super::mtr::{csv, raw, report, winmtr};
use super::{Each, Error, Outcome, Problem};
use crate::trace::foreign::{Finding, ForeignTrace};
use split::Dialect;

/// A line of a text with its number, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number.
    pub number: u64,
    /// The line without its end, decoded; no control characters but tabs.
    pub text: &'a str,
}

/// The most lines that are read of a text.
const MOST_LINES: usize = 100_000;

/// Every dialect that is known by its header, then those known by their body alone. The first that knows a line has it.
const DIALECTS: &[Dialect] = &[
    Dialect::refused("an LSP trace", cisco::starts_lsp, cisco::WHY_NO_LSP),
    Dialect::new("a Cisco traceroute", cisco::starts, cisco::read),
    Dialect::new("a Huawei tracert", huawei::starts_vrp, huawei::read_vrp),
    Dialect::new("an H3C tracert", huawei::starts_comware, huawei::read_comware),
    Dialect::new("a Windows tracert", windows::starts, windows::read).joined(windows::joins),
    Dialect::new("a tracepath", tracepath::starts, tracepath::read),
    Dialect::new("a tcptraceroute", tcptraceroute::starts, tcptraceroute::read).joined(tcptraceroute::joins),
    Dialect::new("hping3's traceroute", hping::starts, hping::read).joined(hping::joins),
    Dialect::new("NextTrace's text", nexttrace::starts, nexttrace::read).joined(nexttrace::joins),
    Dialect::new("a paris-traceroute", paris::starts, paris::read),
    Dialect::new("a MikroTik traceroute", mikrotik::starts, mikrotik::read).joined(mikrotik::joins),
    Dialect::new("an mtr report", report::starts, report::read).joined(report::joins),
    Dialect::new("a WinMTR report", winmtr::starts, winmtr::read).joined(winmtr::joins),
    Dialect::new("mtr's CSV", csv::starts, csv::read_lines).joined(csv::joins),
    Dialect::new("mtr's raw output", raw::starts, raw::read_lines).joined(raw::joins),
    Dialect::new("dublin-traceroute's text", dublin::starts, dublin::read),
    Dialect::new("a trippy table", trippy::starts, trippy::read),
    Dialect::new("scamper's text", scamper::starts, scamper::read),
    Dialect::new("nmap's traceroute", nmap::starts, nmap::read),
    Dialect::new("a traceroute", unix::starts, unix::read),
];

/// The dialect of a text that has lost its header, or never had one: BSD writes it to standard error.
const HEADLESS: Dialect = Dialect::new("a traceroute without its header", body::starts, unix::read_headless);

/// Reads all traces of a text of any encoding.
pub(super) fn read(bytes: &[u8], each: &mut Each<'_>) -> Result<Outcome, Error> {
    let text = decode::text(bytes);
    let page = page::Page::new(&text);
    let mut outcome = Outcome::default();
    if page.left_out {
        let what = format!("only the first {MOST_LINES} lines were read");
        outcome.findings.push(Finding { line: Some(page.last_line()), text: what });
    }
    let mut failed: Option<Error> = None;
    let lines = page.lines();
    for block in split::blocks(&lines) {
        match block.read() {
            Ok(mut trace) => {
                page.number(&mut trace);
                outcome.traces += 1;
                if each(trace) == ControlFlow::Break(()) {
                    return Ok(outcome);
                }
            }
            Err(mut error) => {
                page.number_error(&mut error);
                if outcome.findings.len() < crate::trace::foreign::most::FINDINGS {
                    outcome.findings.push(Finding { line: error.line, text: error.problem.to_string() });
                }
                failed.get_or_insert(error);
            }
        }
    }
    match failed {
        Some(error) if outcome.traces == 0 => Err(error),
        None if outcome.traces == 0 => Err(Error::new(Problem::Unknown)),
        _ => Ok(outcome),
    }
}

/// The traces of a text that a measurement network hands on as its probe printed it. What is no trace is left out.
pub(crate) fn traces(text: &str) -> Vec<ForeignTrace> {
    let page = page::Page::new(text);
    let lines = page.lines();
    let read = split::blocks(&lines).into_iter().filter_map(|block| block.read().ok());
    read.map(|mut trace| {
        page.number(&mut trace);
        trace
    })
    .collect()
}
