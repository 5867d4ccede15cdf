//! What was measured and concluded, written down: pure functions from a document to bytes.
//!
//! Nothing is computed here. A fresh run becomes a [`Document`] by [`document()`]; a saved one, or a set of them, is read
//! back as the same thing by [`Runs::read`]; every writer takes that, and [`write()`] knows them all. Foreign text (host
//! names, AS names, whatever a file holds) is escaped for each medium; see `escape`.
//!
//! * `words`, `rows`: what all writers say and show alike
//! * `terminal`, `ticket`, `markdown`, `html`, `pdf`: for people; `picture` draws for the last two
//! * [`chart`]: states over time
//! * `letter`: a complaint to an operator, in the reader's language
//! * `json`, `jsonl`, `csv`, `mtr`, `ooni`: for programs

pub mod chart;
mod csv;
mod document;
mod escape;
mod format;
mod html;
mod imported;
mod json;
mod jsonl;
mod letter;
mod markdown;
mod mtr;
mod ooni;
pub mod palette;
pub mod pdf;
pub mod picture;
pub(crate) mod rows;
mod runs;
mod terminal;
mod ticket;
pub(crate) mod words;

use std::io::{self, Write};

pub use crate::trace::schema::Document;
pub use document::{Measured, Session, document, failure, tool};
pub use escape::safe;
pub use format::Format;
pub use imported::imported;
pub use json::{json, line};
pub use letter::{Language, Letter, NoLetter, cause, letter};
pub use runs::{LARGEST, ReadError, Runs};
pub use terminal::{Look, conclusion, run, story, trace, truth};

/// What the one who asks for a report chooses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Layout of [`Format::Text`].
    pub look: Look,
    /// What [`Format::Ooni`] tells of the one who measured.
    pub share: Share,
}

/// What a report for the public tells of the one who measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The address that the probes came from.
    pub address: bool,
    /// The AS it belongs to.
    pub asn: bool,
}

impl Default for Share {
    /// As OONI does it: the AS, not the address.
    fn default() -> Self {
        Self { address: false, asn: true }
    }
}

/// Writes a report.
///
/// ```
/// use lasthop::report::{self, Format, Options, Runs};
/// let saved = br#"{"schema": "lasthop.set/1", "runs": [], "conclusion": null}"#;
/// let runs = Runs::read(saved.to_vec())?;
/// let mut page = Vec::new();
/// report::write(&mut page, &runs, Format::Html, Options::default())?;
/// assert!(page.starts_with(b"<!DOCTYPE html>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Whatever writing fails with.
pub fn write(out: &mut dyn Write, runs: &Runs, format: Format, options: Options) -> io::Result<()> {
    match format {
        Format::Text => terminal::runs(out, runs, options.look),
        Format::Ticket => ticket::runs(out, runs),
        Format::Markdown => markdown::runs(out, runs),
        Format::Html => html::runs(out, runs),
        Format::Pdf => pdf::runs(out, runs),
        Format::Json => json::runs(out, runs),
        Format::Jsonl => jsonl::runs(out, runs),
        Format::Csv => csv::runs(out, runs),
        Format::Mtr => mtr::runs(out, runs),
        Format::Ooni => ooni::runs(out, runs, options.share),
    }
}
