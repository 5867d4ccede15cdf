//! Formats that say what they are: archives of measurement networks and programs' own forms.

use std::io::BufRead;

use super::mtr::{csv, json, raw, xml};
use super::{Each, Error, Outcome};

/// A format known from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
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
            Self::MtrJson => json::read(input, each),
            Self::MtrXml => xml::read(input, each),
            Self::MtrCsv => csv::read(input, each),
            Self::MtrRaw => raw::read(input, each),
        }
    }
}

type Recognises = fn(&[u8]) -> bool;

/// Says what a file is by its beginning ([`HEAD`](super::HEAD) bytes of it, or all).
pub(super) fn recognise(head: &[u8]) -> Option<Format> {
    let known: [(Recognises, Format); 4] = [
        (json::recognises, Format::MtrJson),
        (xml::recognises, Format::MtrXml),
        (csv::recognises, Format::MtrCsv),
        (raw::recognises, Format::MtrRaw),
    ];
    known.into_iter().find(|(recognises, _)| recognises(head)).map(|(_, format)| format)
}
