//! Formats that say what they are: archives of measurement networks and programs' own forms.

use std::io::BufRead;

use super::{Each, Error, Outcome};

/// A format known from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {}

impl Format {
    pub(super) fn read(self, input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
        let _ = (input, each);
        match self {}
    }
}

/// Says what a file is by its beginning ([`HEAD`](super::HEAD) bytes of it, or all).
pub(super) const fn recognise(head: &[u8]) -> Option<Format> {
    let _ = head;
    None
}
