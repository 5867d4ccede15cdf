//! What people paste: one or many traces in a text.

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

/// Reads all traces of a text of any encoding.
pub(super) fn read(bytes: &[u8], each: &mut Each<'_>) -> Result<Outcome, Error> {
    let _ = (bytes, each);
    Err(Error::new(Problem::Unknown))
}

/// The traces of a text that another format carries within it.
pub(super) fn traces(text: &str) -> Vec<ForeignTrace> {
    let _ = text;
    Vec::new()
}
