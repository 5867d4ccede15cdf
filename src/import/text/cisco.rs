//! Cisco IOS, IOS-XE and IOS-XR: `Tracing the route to`, times in `msec`, marks in place of times.
//!
//! A looking glass often hides what it shows: a hop may be an AS number and three times, or a name and no address.

use super::Line;
use super::body::Body;
use super::header;
use super::marks::Column;
use crate::trace::Protocol;
use crate::trace::foreign::ForeignTrace;

const BANNER: &str = "tracing the route to ";
const LSP: &str = "tracing mpls ";

/// Why an LSP trace is no traceroute.
pub(super) const WHY_NO_LSP: &str = "it is the output of `traceroute mpls`, which follows a label switched path and not the packets to a host";

fn behind<'a>(line: &'a str, banner: &str) -> Option<&'a str> {
    let line = line.trim_start();
    let head = line.get(..banner.len())?;
    head.eq_ignore_ascii_case(banner).then(|| line[banner.len()..].trim_start())
}

/// Whether a line is the banner.
pub(super) fn starts(line: &str) -> bool {
    behind(line, BANNER).is_some_and(|rest| {
        let (target, address, tail) = header::target(rest);
        !target.is_empty() && (address.is_some() || tail.trim().is_empty())
    })
}

/// Whether a line is the banner of an LSP trace.
pub(super) fn starts_lsp(line: &str) -> bool {
    behind(line, LSP).is_some()
}

/// Reads a trace with its banner.
pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let Some((first, rest)) = lines.split_first() else { return Default::default() };
    let (target, address, _) = header::target(behind(first.text, BANNER).unwrap_or(""));
    let mut trace =
        ForeignTrace { target, address, protocol: Some(Protocol::Udp), ..ForeignTrace::default() };
    trace.origin.format = "cisco";
    let mut body = Body::new(trace, true);
    body.read(rest, is_known);
    let wide = body.seen.wide;
    let (mut trace, missed) = body.finish(&[Column::Cisco]);
    trace.origin.dialect = if wide { "iosxr" } else { "ios" }.to_owned();
    (trace, missed)
}

/// Lines of the banner that say nothing of the path.
fn is_known(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.starts_with("type escape sequence") || lower.starts_with("vrf info:")
}
