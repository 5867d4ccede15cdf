//! Formats that say what they are: archives of measurement networks and programs' own forms.

mod atlas;
mod json;
mod stream;
mod words;

use std::io::BufRead;

use super::{Each, Error, Outcome};

/// A format known from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Results of RIPE Atlas, as JSON.
    Atlas,
}

impl Format {
    pub(super) fn read(self, input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
        match self {
            Self::Atlas => atlas::read(input, each),
        }
    }
}

/// Says what a file is by its beginning ([`HEAD`](super::HEAD) bytes of it, or all).
pub(super) fn recognise(head: &[u8]) -> Option<Format> {
    let has = |word: &str| head.windows(word.len()).any(|some| some == word.as_bytes());
    has("\"prb_id\"").then_some(Format::Atlas)
}
