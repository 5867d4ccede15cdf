//! JSON: the document itself, one per call, ended by a newline.
//!
//! Characters that a terminal would act upon are written as `\u` and four digits: the same JSON, and harmless where it is
//! shown.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use super::escape::acts;
use super::runs::Runs;
use crate::trace::schema::{SET, Set};

/// Writes `value` as indented JSON.
///
/// # Errors
/// Whatever writing fails with.
pub fn json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    harmless(out, &serde_json::to_string_pretty(value)?)
}

/// Writes `value` as one line of JSON.
///
/// # Errors
/// Whatever writing fails with.
pub fn line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    harmless(out, &serde_json::to_string(value)?)
}

/// Writes runs: what was read from a file as it stands there, with all that this version does not know.
pub(super) fn runs(out: &mut dyn Write, runs: &Runs) -> io::Result<()> {
    match (&runs.text, runs.is_set, runs.documents.as_slice()) {
        (Some(text), _, _) => harmless(out, text.trim_end()),
        (None, false, [one]) => json(out, one),
        (None, _, all) => json(
            out,
            &Set { schema: SET.to_owned(), runs: all.to_vec(), conclusion: runs.conclusion.clone() },
        ),
    }
}

/// Writes JSON text. Outside of its strings there is nothing but ASCII, and inside of them no raw control character of
/// ASCII but DEL: every other character that acts stands in a string.
fn harmless(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let mut rest = text;
    if is_plain(text.as_bytes()) {
        out.write_all(text.as_bytes())?;
        return out.write_all(b"\n");
    }
    while let Some(at) = rest.find(|one| acts(one) && !matches!(one, '\n' | '\r' | '\t')) {
        out.write_all(&rest.as_bytes()[..at])?;
        let Some(character) = rest[at..].chars().next() else { break };
        let mut escaped = String::new();
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
        out.write_all(escaped.as_bytes())?;
        rest = &rest[at + character.len_utf8()..];
    }
    out.write_all(rest.as_bytes())?;
    out.write_all(b"\n")
}

/// Whether it is printed ASCII and ends of lines alone, as nearly all documents are: an archive has gigabytes of them.
fn is_plain(text: &[u8]) -> bool {
    // Without a way out of the inner loop compilers make vector instructions of it.
    let plain = |chunk: &[u8]| {
        chunk.iter().fold(true, |all, byte| {
            all & ((0x20..0x7f).contains(byte) | (*byte == b'\n') | (*byte == b'\r') | (*byte == b'\t'))
        })
    };
    text.chunks(1024).all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_what_no_terminal_acts_upon() {
        for byte in 0..=u8::MAX {
            let text = [b"a".repeat(1500), vec![byte], b"b".repeat(10)].concat();
            let one = char::from(byte);
            let expected = byte.is_ascii() && (!acts(one) || matches!(one, '\n' | '\r' | '\t'));
            assert_eq!(is_plain(&text), expected, "{byte:#x}");
        }
    }

    #[test]
    fn what_acts_is_escaped_and_reads_back_the_same() {
        let name = "a\u{1b}[2J\u{9b}\u{202e}\u{e0041}\u{7f}Москва";
        let mut out = Vec::new();
        json(&mut out, &[name]).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.chars().any(|one| acts(one) && one != '\n'), "{text}");
        assert!(text.contains("\\u202e\\udb40\\udc41") && text.contains("Москва"), "{text}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), [name]);
    }
}
