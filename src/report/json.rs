//! JSON: the document itself, one per call, ended by a newline.

use std::io::{self, Write};

use serde::Serialize;

/// Writes `value` as indented JSON.
///
/// # Errors
/// Whatever writing fails with.
pub fn json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")
}
