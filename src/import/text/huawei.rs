//! Huawei VRP and H3C Comware: the Unix header in other words, whole milliseconds, labels in brackets or below.

use super::Line;
use super::body::Body;
use super::header::{self, Header};
use super::marks;
use crate::trace::foreign::ForeignTrace;

/// Whether a line is the header of VRP.
pub(super) fn starts_vrp(line: &str) -> bool {
    says(line, "max hops")
}

/// Whether a line is the header of Comware.
pub(super) fn starts_comware(line: &str) -> bool {
    says(line, "hops at most")
}

fn says(line: &str, words: &str) -> bool {
    header::behind(line).is_some_and(|(rest, _)| rest.to_ascii_lowercase().contains(words))
}

/// Reads a trace of VRP.
pub(super) fn read_vrp(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    read(lines, "huawei", "vrp")
}

/// Reads a trace of Comware.
pub(super) fn read_comware(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    read(lines, "comware", "")
}

fn read(lines: &[Line<'_>], format: &'static str, dialect: &str) -> (ForeignTrace, Vec<u64>) {
    let Some((first, rest)) = lines.split_first() else { return Default::default() };
    let mut trace = Header::of(first.text).trace(format);
    trace.origin.dialect = dialect.to_owned();
    let mut body = Body::new(trace, false);
    body.read(rest, is_known);
    body.finish(marks::ANY)
}

/// The end of a header that did not fit on its line.
fn is_known(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("ctrl_c to break") || lower.starts_with("to break")
}
