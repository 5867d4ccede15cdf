//! Lines of a file, one at a time in one buffer that never grows beyond a bound.

use std::io::{self, BufRead};

/// Lines read one after the other.
pub(super) struct Lines<'r> {
    input: &'r mut dyn BufRead,
    line: Vec<u8>,
    most: usize,
    /// The number of the last one, from 1.
    pub(super) number: u64,
}

/// A line.
pub(super) enum Line<'a> {
    /// Without its end.
    Whole(&'a [u8]),
    /// Longer than allowed: passed over.
    TooLong,
}

impl<'r> Lines<'r> {
    pub(super) fn new(input: &'r mut dyn BufRead, most: usize) -> Self {
        Self { input, line: Vec::new(), most, number: 0 }
    }

    /// The next one, or `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut long = false;
        let mut any = false;
        loop {
            let filled = match self.input.fill_buf() {
                Ok(filled) => filled,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if filled.is_empty() {
                if !any {
                    return Ok(None);
                }
                break;
            }
            any = true;
            let end = memchr::memchr(b'\n', filled);
            let piece = &filled[..end.unwrap_or(filled.len())];
            if !long && self.line.len() + piece.len() <= self.most {
                self.line.extend_from_slice(piece);
            } else {
                long = true;
                self.line = Vec::new();
            }
            let used = end.map_or(filled.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        self.number += 1;
        if long {
            return Ok(Some(Line::TooLong));
        }
        Ok(Some(Line::Whole(self.line.strip_suffix(b"\r").unwrap_or(&self.line))))
    }

    /// What the buffer has asked for, in bytes.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.line.capacity()
    }
}
