//! Formats that say what they are: archives of measurement networks and programs' own forms.
//!
//! A format is known by keys or bytes at its beginning, never by a file's name. Archives are read as a stream, an object
//! at a time (`stream`); what is one program's single report is read whole. Strings pass through `words`, values of
//! JSON through `json`, so that a surprising one costs itself and not the trace.

mod atlas;
mod dublin;
mod globalping;
mod json;
mod nexttrace;
mod nmap;
mod scamper;
mod stream;
#[cfg(test)]
mod tests;
mod trippy;
mod words;

use std::io::BufRead;

use super::{Each, Error, Outcome, mtr};

/// A format known from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Results of RIPE Atlas, JSON: one a line, a list, or lists under the numbers of probes.
    Atlas,
    /// A Globalping measurement, JSON.
    Globalping,
    /// scamper's JSON lines.
    ScamperJson,
    /// scamper's own binary files.
    Warts,
    /// A trippy report, JSON.
    Trippy,
    /// A trippy report, CSV.
    TrippyCsv,
    /// dublin-traceroute's flows, JSON.
    Dublin,
    /// NextTrace's JSON, perhaps after lines of text.
    NextTrace,
    /// An nmap report with a traceroute, XML.
    NmapXml,
    /// An mtr report, JSON.
    MtrJson,
    /// An mtr report, XML.
    MtrXml,
    /// mtr reports, CSV.
    MtrCsv,
    /// mtr's events, a line each.
    MtrRaw,
}

impl Format {
    pub(super) fn read(self, input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
        match self {
            Self::Atlas => atlas::read(input, each),
            Self::Globalping => globalping::read(input, each),
            Self::ScamperJson => scamper::read_json(input, each),
            Self::Warts => scamper::read_warts(input, each),
            Self::Trippy => trippy::read_json(input, each),
            Self::TrippyCsv => trippy::read_csv(input, each),
            Self::Dublin => dublin::read(input, each),
            Self::NextTrace => nexttrace::read(input, each),
            Self::NmapXml => nmap::read(input, each),
            Self::MtrJson => mtr::json::read(input, each),
            Self::MtrXml => mtr::xml::read(input, each),
            Self::MtrCsv => mtr::csv::read(input, each),
            Self::MtrRaw => mtr::raw::read(input, each),
        }
    }
}

type Recognises = fn(&[u8]) -> bool;

/// Says what a file is by its beginning ([`HEAD`](super::HEAD) bytes of it, or all).
pub(super) fn recognise(head: &[u8]) -> Option<Format> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let of_mtr: [(Recognises, Format); 4] = [
        (mtr::json::recognises, Format::MtrJson),
        (mtr::xml::recognises, Format::MtrXml),
        (mtr::csv::recognises, Format::MtrCsv),
        (mtr::raw::recognises, Format::MtrRaw),
    ];
    if let Some((_, format)) = of_mtr.into_iter().find(|(recognises, _)| recognises(head)) {
        return Some(format);
    }
    if head.starts_with(&[0x12, 0x05, 0x00]) {
        return Some(Format::Warts);
    }
    let text = head.trim_ascii_start();
    let has = |word: &str| text.windows(word.len()).any(|some| some == word.as_bytes());
    match text.first()? {
        b'{' | b'[' => object(&has).or_else(|| nexttrace::begin(head).map(|_| Format::NextTrace)),
        b'<' => has("<nmaprun").then_some(Format::NmapXml),
        b'T' if text.starts_with(b"Target,TargetIp,Hop,") => Some(Format::TrippyCsv),
        _ => nexttrace::begin(head).map(|_| Format::NextTrace),
    }
}

/// What JSON is, by keys that no other format has.
fn object(has: &dyn Fn(&str) -> bool) -> Option<Format> {
    let kind = |word: &str| has(&format!("\"type\":\"{word}\"")) || has(&format!("\"type\": \"{word}\""));
    if has("\"prb_id\"")
        || has("\"msm_id\"")
        || (has("\"fw\"") && (has("\"dst_name\"") || has("\"dst_addr\"")))
    {
        return Some(Format::Atlas);
    }
    if has("\"probesCount\"") || (has("\"resolvedAddress\"") && has("\"timings\"")) {
        return Some(Format::Globalping);
    }
    if ["trace", "tracelb", "cycle-start", "cycle-def"].into_iter().any(kind) {
        return Some(Format::ScamperJson);
    }
    if has("\"info\"") && has("\"target\"") && has("\"hops\"") {
        return Some(Format::Trippy);
    }
    if has("\"flows\"") && has("\"sent\"") {
        return Some(Format::Dublin);
    }
    None
}
