//! One JSON object after the other out of a file of any size: one a line, in one list, or in lists under keys.
//!
//! The file passes through one buffer. An object is parsed where it lies, and if the buffer ends within it, the buffer is
//! filled up and the object tried again; one in some hundreds is. Between objects only brackets, commas and (if asked for)
//! keys are minded, so that all three forms are one.

use std::io::{self, BufRead, ErrorKind};

use crate::import::{Error, Outcome, Problem};
use crate::trace::foreign::{Finding, most};

/// Bytes of the buffer to begin with.
const BUFFER: usize = 256 << 10;

/// The longest object that is read: 32 MiB. The longest that are known have some 100 KiB.
const LONGEST: usize = 32 << 20;

/// Where an object stands: its bytes begin at this line, and the bytes themselves, perhaps with more behind.
pub(super) struct Element<'a> {
    pub(super) line: u64,
    pub(super) bytes: &'a [u8],
}

/// What an object's reader found.
pub(super) enum Step {
    /// It has this many bytes.
    Read(usize),
    /// The same, and enough was read.
    Stop,
}

/// A file of JSON objects.
pub(super) struct Elements<'r> {
    input: &'r mut dyn BufRead,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The file has no more than is in the buffer.
    whole: bool,
    line: u64,
    /// Brackets open around the next object.
    depth: u64,
    keyed: bool,
    /// Lines that are no objects and between none, the first of them, and how many.
    strange: Option<(u64, u64)>,
    /// For tests: lengths that the buffer must grow from.
    least: usize,
}

impl<'r> Elements<'r> {
    /// Objects of a file; `keyed` if they may be under keys that are numbers: `{"1001":[{…}]}`.
    pub(super) fn new(input: &'r mut dyn BufRead, keyed: bool) -> Self {
        Self::with_buffer(input, keyed, BUFFER)
    }

    fn with_buffer(input: &'r mut dyn BufRead, keyed: bool, least: usize) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            whole: false,
            line: 1,
            depth: 0,
            keyed,
            strange: None,
            least,
        }
    }

    /// Hands over each object. What is broken becomes a finding with its line, and the next object is looked for.
    ///
    /// # Errors
    /// [`Error`] if the file cannot be read.
    pub(super) fn each(
        mut self,
        outcome: &mut Outcome,
        read: &mut dyn FnMut(Element<'_>, &mut Outcome) -> Result<Step, serde_json::Error>,
    ) -> Result<(), Error> {
        while self.next_object(outcome)? {
            let element = Element { line: self.line, bytes: &self.buffer[self.start..self.end] };
            match read(element, outcome) {
                Ok(Step::Read(length)) => self.pass(length),
                Ok(Step::Stop) => return Ok(()),
                Err(error) if error.is_eof() && !self.whole && self.end - self.start < LONGEST => {
                    self.more()?
                }
                Err(error) if error.is_eof() && self.whole => {
                    note(
                        outcome,
                        Some(self.line),
                        "the file ends within this result; what there is of it is left out".to_owned(),
                    );
                    self.start = self.end;
                    self.depth = 0;
                }
                Err(error) => {
                    let what = if error.is_eof() { "longer than 32 MiB".to_owned() } else { broken(&error) };
                    note(outcome, Some(self.line), format!("a result left out, it is broken: {what}"));
                    self.skip()?;
                }
            }
        }
        self.tell_strange(outcome);
        if self.depth > 0 {
            note(outcome, Some(self.line), "the file ends before its list does".to_owned());
        }
        Ok(())
    }

    /// Goes to the next `{` that begins an object.
    fn next_object(&mut self, outcome: &mut Outcome) -> Result<bool, Error> {
        loop {
            while self.start < self.end {
                match self.buffer[self.start] {
                    b'\n' => self.line += 1,
                    b' ' | b'\t' | b'\r' | b',' | 0x1e => {}
                    b'[' => self.depth += 1,
                    b']' | b'}' if self.depth > 0 => self.depth -= 1,
                    b'{' | b'"' if self.keyed && self.end - self.start < 64 && !self.whole => break,
                    b'{' if self.keyed && key(&self.buffer[self.start + 1..self.end]).is_some() => {
                        self.depth += 1;
                    }
                    b'"' if self.keyed && self.depth > 0 => match key(&self.buffer[self.start..self.end]) {
                        Some(length) => self.start += length - 1,
                        None => self.pass_strange(),
                    },
                    b'{' => return Ok(true),
                    // The mark of UTF-8, which editors put in front.
                    0xef | 0xbb | 0xbf if self.line == 1 && self.depth == 0 => {}
                    _ => self.pass_strange(),
                }
                self.start += 1;
            }
            if self.whole {
                self.tell_strange(outcome);
                return Ok(false);
            }
            self.more()?;
        }
    }

    /// A byte that belongs to no object: the line is counted once.
    fn pass_strange(&mut self) {
        let rest = &self.buffer[self.start..self.end];
        let to = rest
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'{' | b'[' | b']' | b'}'))
            .unwrap_or(rest.len());
        self.start += to.max(1) - 1;
        self.strange = match self.strange {
            Some((first, lines)) if first + lines > self.line => Some((first, lines)),
            Some((first, lines)) => Some((first, lines + 1)),
            None => Some((self.line, 1)),
        };
    }

    fn tell_strange(&mut self, outcome: &mut Outcome) {
        match self.strange.take() {
            Some((first, 1)) => note(outcome, Some(first), "not understood".to_owned()),
            Some((first, lines)) => {
                note(outcome, Some(first), format!("not understood, and {} more lines", lines - 1));
            }
            None => {}
        }
    }

    /// Passes an object, and counts its lines.
    fn pass(&mut self, length: usize) {
        let to = (self.start + length).min(self.end);
        self.line += lines(&self.buffer[self.start..to]);
        self.start = to;
    }

    /// Passes a broken object: to the end of the line where objects stand alone, to its bracket in a list.
    fn skip(&mut self) -> Result<(), Error> {
        let (mut open, mut quoted, mut escaped) = (0u64, false, false);
        loop {
            while self.start < self.end {
                let byte = self.buffer[self.start];
                self.start += 1;
                self.line += u64::from(byte == b'\n');
                if self.depth == 0 {
                    if byte == b'\n' {
                        return Ok(());
                    }
                } else if escaped {
                    escaped = false;
                } else {
                    match byte {
                        b'\\' if quoted => escaped = true,
                        b'"' => quoted = !quoted,
                        b'{' | b'[' if !quoted => open += 1,
                        b'}' | b']' if !quoted => {
                            open = open.saturating_sub(1);
                            if open == 0 {
                                return Ok(());
                            }
                        }
                        _ => {}
                    }
                }
            }
            if self.whole {
                return Ok(());
            }
            self.more()?;
        }
    }

    /// Fills the buffer, after it has been cleared of what is read; makes it larger if nothing was.
    fn more(&mut self) -> Result<(), Error> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            let size = (self.buffer.len() * 2).max(self.least);
            self.buffer.resize(size, 0);
        }
        while self.end < self.buffer.len() {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.whole = true;
                    break;
                }
                Ok(read) => self.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::reading(error)),
            }
        }
        Ok(())
    }
}

/// An outcome with a trace in it, or why there is none.
pub(super) fn finish(mut outcome: Outcome, format: &'static str) -> Result<Outcome, Error> {
    if outcome.traces > 0 {
        return Ok(outcome);
    }
    Err(match outcome.findings.drain(..).next() {
        Some(Finding { line, text }) => Error { problem: Problem::Broken { format, what: text }, line },
        None => Error::new(Problem::Empty(format)),
    })
}

/// Adds a finding about the file, unless there are too many.
pub(super) fn note(outcome: &mut Outcome, line: Option<u64>, text: String) {
    if outcome.findings.len() < most::FINDINGS {
        outcome.findings.push(Finding { line, text });
    }
}

/// Line ends in these bytes.
pub(super) fn lines(bytes: &[u8]) -> u64 {
    // Sums of single bytes are what compilers turn into vector instructions.
    bytes
        .chunks(255)
        .map(|some| u64::from(some.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>()))
        .sum()
}

/// What serde says, without the place, which is within this object.
fn broken(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
}

/// The length of a key of digits with its colon, if a list or an object follows: `"1001": [`.
fn key(bytes: &[u8]) -> Option<usize> {
    let blank =
        |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let quote = blank(0);
    if bytes.get(quote) != Some(&b'"') {
        return None;
    }
    let digits = bytes[quote + 1..].iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
    let after = quote + 1 + digits;
    if digits == 0 || bytes.get(after) != Some(&b'"') {
        return None;
    }
    let colon = blank(after + 1);
    if bytes.get(colon) != Some(&b':') {
        return None;
    }
    matches!(bytes.get(blank(colon + 1)), Some(b'[' | b'{')).then_some(colon + 1)
}

/// All of a file that is no archive.
///
/// # Errors
/// [`Problem::TooLarge`] beyond [`LARGEST_TEXT`](crate::import::LARGEST_TEXT).
pub(super) fn whole(input: &mut dyn BufRead) -> Result<Vec<u8>, Error> {
    let most = crate::import::LARGEST_TEXT;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(input, most + 1), &mut bytes).map_err(Error::reading)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(Problem::TooLarge));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Numbers of the objects `{"n":…}` with their lines, read through a buffer of this size.
    fn numbers(text: &str, keyed: bool, least: usize) -> (Vec<(u64, u64)>, Outcome) {
        let mut outcome = Outcome::default();
        let mut found = Vec::new();
        let mut input = text.as_bytes();
        Elements::with_buffer(&mut input, keyed, least)
            .each(&mut outcome, &mut |element, _| {
                let mut values = serde_json::Deserializer::from_slice(element.bytes).into_iter::<Value>();
                let value = values.next().expect("an object begins here")?;
                found.push((element.line, value["n"].as_u64().unwrap_or(0)));
                Ok(Step::Read(values.byte_offset()))
            })
            .unwrap();
        (found, outcome)
    }

    #[test]
    fn all_forms_are_read_through_a_buffer_of_any_size() {
        let texts = [
            ("{\"n\":1}\n{\"n\":2}\r\n\n{\"n\":3}", [1, 2, 4]),
            ("[{\"n\":1},{\"n\":2}\n,{\"n\":3}]\n", [1, 1, 2]),
            ("[\n {\n \"n\": 1\n},\n{\"n\":2}, {\"n\":3}]", [2, 5, 5]),
            ("{\"1001\":[{\"n\":1}],\"1002\":[\n{\"n\":2},{\"n\":3}]}", [1, 2, 2]),
            ("{ \"1001\" : {\"n\":1},\n\"1002\":{\"n\":2}, \"7\":\n[{\"n\":3}] }", [1, 2, 3]),
        ];
        for (text, lines) in texts {
            for least in 1..80 {
                let (found, outcome) = numbers(text, true, least);
                let expected: Vec<(u64, u64)> = lines.into_iter().zip(1..).collect();
                assert_eq!(found, expected, "{text} through {least}");
                assert_eq!(outcome.findings, [], "{text} through {least}");
            }
        }
    }

    #[test]
    fn what_is_broken_is_told_and_passed() {
        for least in [1, 7, 4096] {
            let (found, outcome) = numbers("{\"n\":1}\n{\"n\":x}\nwhat\n{\"n\":3}\n{\"n\":", false, least);
            assert_eq!(found, [(1, 1), (4, 3)]);
            let lines: Vec<_> = outcome.findings.iter().filter_map(|one| one.line).collect();
            assert_eq!(lines, [2, 5, 3], "{:?}", outcome.findings);
            let (found, outcome) =
                numbers("[{\"n\":1},{\"n\":x,\"a\":[\"]}\\\"\"]},\n{\"n\":3}", false, least);
            assert_eq!(found.last(), Some(&(2, 3)), "{:?}", outcome.findings);
            assert!(outcome.findings.iter().any(|one| one.text.contains("broken")), "{:?}", outcome.findings);
            assert!(outcome.findings.iter().any(|one| one.text.contains("before its list")));
        }
    }

    #[test]
    fn lines_are_counted() {
        assert_eq!(lines(&[b'\n'; 1000]), 1000);
        assert_eq!(lines(b"a\nb"), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_all_end(bytes in "[\\[\\]{}\",:0-9n\n\\\\ x]{0,200}", least in 1..40usize, keyed: bool) {
            let _ = numbers(&bytes, keyed, least);
        }
    }
}
