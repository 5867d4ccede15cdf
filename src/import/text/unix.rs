//! The Unix family: Linux, the BSDs and macOS, BusyBox, inetutils, KAME's traceroute6; and who took their form: Junos,
//! Fortinet, NX-OS.
//!
//! Their headers are nearly the same. Which program it was is told by the packet's size and the most hops, which are the
//! programs' defaults, and by the hop lines: a further address stands on a line of its own or does not, an AS number before
//! its host or behind it.

use super::Line;
use super::body::{self, Body, Seen};
use super::header::{self, Header};
use super::marks::{self, Column};
use crate::trace::foreign::ForeignTrace;

/// Whether a line is a header of this family.
pub(super) fn starts(line: &str) -> bool {
    header::is_header(line)
}

/// Reads a trace with its header.
pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let Some((first, mut rest)) = lines.split_first() else { return Default::default() };
    let mut text = first.text.trim().to_owned();
    // A mail program broke the header.
    if let Some((next, after)) = rest.split_first()
        && is_end_of_header(next.text)
        && body::hop_number(next.text).is_none_or(|_| next.text.contains("hops max"))
    {
        text.push(' ');
        text.push_str(next.text.trim());
        rest = after;
    }
    let header = Header::of(&text);
    let mut body = Body::new(header.trace("traceroute"), false);
    body.read(rest, is_known);
    let family = Family::of(&header, body.seen);
    let (mut trace, missed) = body.finish(family.programs);
    trace.origin.format = family.format;
    trace.origin.dialect = family.dialect.to_owned();
    trace.size = header.bytes.filter(|_| family.counts_header);
    (trace, missed)
}

/// Reads hop lines without a header.
pub(super) fn read_headless(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let cisco = lines.iter().any(|line| line.text.contains("msec"));
    let mut body = Body::new(ForeignTrace::default(), cisco);
    body.read(lines, is_known);
    let (format, dialect, programs): (_, _, &[Column]) = match body.seen {
        seen if seen.msec => ("cisco", if seen.wide { "iosxr" } else { "ios" }, &[Column::Cisco]),
        seen if seen.address_first => ("traceroute", "inetutils", &[Column::Inetutils]),
        seen if seen.claims_first => ("traceroute", "bsd", &[Column::FreeBsd]),
        seen if seen.continued => ("traceroute", "bsd", &[Column::FreeBsd, Column::OpenBsd]),
        _ => ("traceroute", "", marks::ANY),
    };
    let (mut trace, missed) = body.finish(programs);
    trace.origin.format = format;
    trace.origin.dialect = dialect.to_owned();
    (trace, missed)
}

/// What a program prints beside hops.
fn is_known(text: &str) -> bool {
    let lower = text.get(..12).unwrap_or(text).to_ascii_lowercase();
    lower.starts_with("press ctrl_c") || lower.starts_with("press escape")
}

/// The rest of a header: `hops max, 60 byte packets`, or a part of it.
fn is_end_of_header(line: &str) -> bool {
    let lower = line.trim().to_ascii_lowercase();
    lower.contains("hops max") || lower.ends_with("byte packets") || lower == "packets"
}

/// A program as far as its output gives it away.
struct Family {
    format: &'static str,
    dialect: &'static str,
    programs: &'static [Column],
    /// The size in its header includes the IP header.
    counts_header: bool,
}

impl Family {
    const fn new(format: &'static str, dialect: &'static str, programs: &'static [Column]) -> Self {
        Self { format, dialect, programs, counts_header: true }
    }

    const fn with_payload_size(self) -> Self {
        Self { counts_header: false, ..self }
    }

    fn of(header: &Header, seen: Seen) -> Self {
        const BSD: &[Column] = &[Column::FreeBsd, Column::OpenBsd];
        let bsd = Self::new("traceroute", "bsd", BSD);
        match (header.hops, header.bytes) {
            _ if header.probes.is_some() => Self::new("fortinet", "", marks::ANY).with_payload_size(),
            _ if header.six => Self::new("traceroute", "kame", &[Column::OpenBsd]).with_payload_size(),
            _ if seen.label_lines => Self::new("junos", "", &[Column::FreeBsd]),
            _ if seen.address_first => {
                Self::new("traceroute", "inetutils", &[Column::Inetutils]).with_payload_size()
            }
            (Some(_), None) => Self::new("traceroute", "inetutils", &[Column::Inetutils]).with_payload_size(),
            (Some(30), Some(52)) => Self::new("junos", "", &[Column::FreeBsd]),
            (_, Some(52)) => Self::new("traceroute", "macos", &[Column::FreeBsd]),
            // Its sizes of both families, whatever the most hops are.
            (_, Some(46 | 72)) | (Some(30), Some(16)) => {
                Self::new("traceroute", "busybox", &[Column::BusyBox])
            }
            // The header of NX-OS and of old traceroutes alike.
            (Some(30), Some(40)) if seen.continued => Self::new("cisco", "nxos", marks::ANY),
            (Some(30), Some(40 | 38)) => Self::new("traceroute", "", marks::ANY),
            _ if seen.claims_first => Self::new("traceroute", "bsd", &[Column::FreeBsd]),
            (Some(64), _) if seen.claims_last => Self::new("traceroute", "openbsd", &[Column::OpenBsd]),
            (Some(64), _) => bsd,
            _ if seen.continued => bsd,
            (_, Some(60 | 80 | 65000) | None) => Self::new("traceroute", "linux", &[Column::Linux]),
            // Linux with a size of the user's own is as likely as any other; BusyBox prints the same but for its marks.
            _ => Self::new("traceroute", "linux", &[Column::Linux, Column::BusyBox]),
        }
    }
}
