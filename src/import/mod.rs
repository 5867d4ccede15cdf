//! Other people's traceroutes: any tool's output to [`ForeignTrace`]s, found by content.
//!
//! One vantage shows where packets stop, several show whose fault it is, and what the others have is a mail with the output
//! of whatever their router or their desktop runs. An importer decides nothing: it says what the file says. A format that
//! gives totals yields totals, an AS number in the text stays a claim, and a line that is not understood becomes a finding
//! with its number, never silence.
//!
//! * [`data`]: formats that say what they are: JSON, XML, CSV, binary
//! * [`text`]: what people paste: one or many traces in a mail, a page, a terminal's copy
//! * [`mtr`]: all forms of mtr's output
//!
//! No reader panics on any bytes, none asks for more than a few times the size of what it is given, and what streams
//! (measurement archives) is never in memory whole.

pub mod data;
mod error;
pub mod mtr;
mod pieces;
pub mod text;

use std::io::{BufReader, Read};
use std::ops::ControlFlow;

pub use error::{Error, Problem};

use crate::trace::foreign::{Finding, ForeignTrace};

/// Takes the traces of a file one by one; [`ControlFlow::Break`] ends the reading early.
pub type Each<'a> = dyn FnMut(ForeignTrace) -> ControlFlow<()> + 'a;

/// Bytes at the beginning by which a format is known.
pub const HEAD: usize = 64 << 10;

/// The most bytes that are read of a text: 64 MiB.
pub const LARGEST_TEXT: u64 = 64 << 20;

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Traces handed over.
    pub traces: u64,
    /// What is doubtful about the file as a whole, or belongs to no trace in it.
    pub findings: Vec<Finding>,
}

/// Reads all traces of a file, unpacked already.
///
/// ```
/// use std::ops::ControlFlow;
/// use lasthop::import;
///
/// let text = "traceroute to 192.0.2.1 (192.0.2.1), 30 hops max, 60 byte packets\n 1  198.51.100.1  0.5 ms  0.4 ms  *\n";
/// let mut traces = Vec::new();
/// import::read(&mut text.as_bytes(), &mut |trace| {
///     traces.push(trace);
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(traces[0].hops[0].sent, Some(3));
/// # Ok::<(), import::Error>(())
/// ```
///
/// # Errors
/// [`Error`] if the file cannot be read, is of no format that is known, or holds no trace.
pub fn read(input: &mut dyn Read, each: &mut Each<'_>) -> Result<Outcome, Error> {
    let mut head = Vec::with_capacity(HEAD);
    (&mut *input).take(HEAD as u64).read_to_end(&mut head).map_err(Error::reading)?;
    if let Some(format) = data::recognise(&head) {
        let mut whole = BufReader::with_capacity(1 << 18, head.as_slice().chain(input));
        return format.read(&mut whole, each);
    }
    let mut bytes = head;
    input.take(LARGEST_TEXT + 1 - bytes.len() as u64).read_to_end(&mut bytes).map_err(Error::reading)?;
    if bytes.len() as u64 > LARGEST_TEXT {
        return Err(Error::new(Problem::TooLarge));
    }
    text::read(&bytes, each)
}
