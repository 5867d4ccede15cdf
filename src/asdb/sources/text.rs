//! Text tables line by line: what is a line, a row, an address, and what an error about them says.

use std::io::{self, BufRead, Read as _};
use std::net::IpAddr;
use std::path::Path;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use jiff::civil::Date;

use super::Read;
use crate::asdb::error::{Error, Operation, excerpt};
use crate::number::Asn;

/// The longest line that is read, in bytes. The longest known, of AS names, is a hundredth of it.
pub(crate) const LONGEST_LINE: u64 = 1 << 16;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a file, one at a time and none longer than [`LONGEST_LINE`].
pub(crate) struct Lines<'p, R> {
    input: R,
    path: &'p Path,
    bytes: Vec<u8>,
    number: u64,
    next: u64,
}

/// One line without its end.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) text: &'a str,
    number: u64,
    offset: u64,
    path: &'a Path,
}

impl<'p, R: BufRead> Lines<'p, R> {
    pub(crate) fn new(input: R, path: &'p Path) -> Self {
        Self { input, path, bytes: Vec::new(), number: 0, next: 0 }
    }

    /// The next line, comments and empty ones included.
    ///
    /// # Errors
    /// The file cannot be read on, or the line is too long or no UTF-8.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>, Error> {
        self.bytes.clear();
        let limited = self.input.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut self.bytes);
        let got = limited.map_err(|source| Error::Io {
            operation: Operation::Read,
            path: self.path.to_path_buf(),
            source,
        })? as u64;
        if got == 0 {
            return Ok(None);
        }
        let offset = self.next;
        self.next += got;
        self.number += 1;
        let mut bytes = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if offset == 0 {
            bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        }
        let refuse = |expected| Error::Line {
            path: self.path.to_path_buf(),
            line: self.number,
            offset,
            expected,
            got: excerpt(bytes),
        };
        if got > LONGEST_LINE {
            return Err(refuse("a line of at most 65536 bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| refuse("UTF-8"))?;
        Ok(Some(Line { text, number: self.number, offset, path: self.path }))
    }

    /// The next line that is data, the day of the data being looked for in comments.
    pub(crate) fn next_data(&mut self, read: &mut Read) -> Result<Option<Line<'_>>, Error> {
        // Two steps, because a line that is given back borrows from here.
        loop {
            match self.next()? {
                None => return Ok(None),
                Some(line) if is_skipped(line.text.as_bytes()) => {
                    read.date = read.date.or_else(|| date_of_comment(line.text));
                }
                Some(_) => break,
            }
        }
        read.records += 1;
        let mut bytes = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let offset = self.next - self.bytes.len() as u64;
        if offset == 0 {
            bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        }
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        Ok(Some(Line { text, number: self.number, offset, path: self.path }))
    }
}

impl Line<'_> {
    pub(crate) fn error(&self, expected: &'static str) -> Error {
        Error::Line {
            path: self.path.to_path_buf(),
            line: self.number,
            offset: self.offset,
            expected,
            got: excerpt(self.text.as_bytes()),
        }
    }
}

/// Empty lines and comments.
pub(crate) fn is_skipped(line: &[u8]) -> bool {
    matches!(line.trim_ascii().first(), None | Some(b'#' | b'%' | b';'))
}

/// The day a comment says the data is of: the first date in a comment that speaks of when it was made.
fn date_of_comment(comment: &str) -> Option<Date> {
    let lower = comment.to_ascii_lowercase();
    let words = ["date", "generated", "created", "timestamp", "time:"];
    words.iter().any(|word| lower.contains(word)).then(|| date_in(comment)).flatten()
}

/// The first day written in a text as `2026-06-17` or `20260617`, from 1990 on. Publishers put it into names of files.
pub(crate) fn date_in(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let written = match digits {
            8 => text.get(at..at + 8).map(|text| (text.get(..4), text.get(4..6), text.get(6..))),
            4 => text
                .get(at..at + 10)
                .filter(|text| matches!(text.as_bytes(), [.., _, b'-', _, _, b'-', _, _]))
                .map(|text| (text.get(..4), text.get(5..7), text.get(8..))),
            _ => None,
        };
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<i16>().ok());
        if let Some((year, month, day)) = written
            && let (Some(year @ 1990..), Some(month), Some(day)) = (number(year), number(month), number(day))
            && let (Ok(month), Ok(day)) = (i8::try_from(month), i8::try_from(day))
            && let Ok(date) = Date::new(year, month, day)
        {
            return Some(date);
        }
        at += digits;
    }
    None
}

/// How fields are set apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fields {
    /// Commas, quotes by RFC 4180.
    Commas,
    /// Tabs, no quotes.
    Tabs,
    /// Tabs if the first data line has one, then semicolons, else commas; quotes by RFC 4180.
    Told,
    /// Vertical bars, no quotes.
    Bars,
}

/// What stands between the fields of a line that was written by [`Fields::Told`].
pub(crate) fn separator(line: &str) -> char {
    ['\t', ';'].into_iter().find(|one| line.contains(*one)).unwrap_or(',')
}

/// A row while it is read: its fields, and what an error about it says.
pub(crate) struct Row<'a> {
    line: Line<'a>,
    fields: &'a str,
    ends: &'a [usize],
}

impl<'a> Row<'a> {
    /// A field without the blanks around it; missing ones are empty.
    pub(crate) fn field(&self, place: usize) -> &'a str {
        let start = if place == 0 { Some(0) } else { self.ends.get(place - 1).copied() };
        let field = start.zip(self.ends.get(place)).and_then(|(start, end)| self.fields.get(start..*end));
        field.unwrap_or_default().trim_ascii()
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn error(&self, expected: &'static str) -> Error {
        self.line.error(expected)
    }

    pub(crate) fn asn(&self, place: usize) -> Result<Asn, Error> {
        self.field(place).parse().map_err(|_| self.error("an AS number"))
    }

    pub(crate) fn prefix(&self, place: usize) -> Result<(IpAddr, IpAddr), Error> {
        prefix(self.field(place)).ok_or_else(|| self.error("a prefix"))
    }
}

fn splitter(delimiter: char, quoting: bool) -> Reader {
    ReaderBuilder::new()
        .delimiter(delimiter as u8)
        .quoting(quoting)
        .terminator(Terminator::Any(b'\n'))
        .build()
}

/// Calls `each` for every data row. A row is one line: quotes do not carry a field over a line's end.
pub(crate) fn rows(
    input: impl BufRead,
    path: &Path,
    fields: Fields,
    read: &mut Read,
    mut each: impl FnMut(&Row<'_>, &mut Read) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut lines = Lines::new(input, path);
    let mut reader = match fields {
        Fields::Commas => Some(splitter(',', true)),
        Fields::Tabs => Some(splitter('\t', false)),
        Fields::Bars => Some(splitter('|', false)),
        Fields::Told => None,
    };
    let (mut text, mut ends) = (Vec::new(), Vec::new());
    while let Some(line) = lines.next_data(read)? {
        let reader = reader.get_or_insert_with(|| splitter(separator(line.text), true));
        // No more fields and no more text than the line has bytes.
        if text.len() <= line.text.len() {
            text.resize(line.text.len() + 1, 0);
            ends.resize(line.text.len() + 2, 0);
        }
        let (state, taken, written, count) = reader.read_record(line.text.as_bytes(), &mut text, &mut ends);
        let (state, fields) = if state == ReadRecordResult::InputEmpty && taken == line.text.len() {
            let (state, _, more, more_ends) =
                reader.read_record(b"\n", &mut text[written..], &mut ends[count..]);
            (state, (written + more, count + more_ends))
        } else {
            (state, (written, count))
        };
        if state != ReadRecordResult::Record {
            return Err(line.error("a row that ends on its line (a quote is open)"));
        }
        // Taking quotes away cuts between ASCII characters only.
        let fields_text = std::str::from_utf8(&text[..fields.0]).map_err(|_| line.error("UTF-8"))?;
        each(&Row { line, fields: fields_text, ends: &ends[..fields.1] }, read)?;
    }
    Ok(())
}

/// An address as text, or as the integer that some publishers write instead: up to 32 bits is IPv4.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let value: u128 = text.parse().ok()?;
        return Some(match u32::try_from(value) {
            Ok(four) => IpAddr::V4(four.into()),
            Err(_) => IpAddr::V6(value.into()),
        });
    }
    text.parse().ok()
}

/// The two ends of a range, in one family: an integer start below 2^32 of a range that ends above it is IPv6.
pub(crate) fn ends(first: &str, last: &str) -> Option<(IpAddr, IpAddr)> {
    let is_integer = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match (address(first)?, address(last)?) {
        (IpAddr::V4(low), last @ IpAddr::V6(_)) if is_integer(first) => {
            Some((IpAddr::V6(u128::from(u32::from(low)).into()), last))
        }
        (first, last) if first.is_ipv4() == last.is_ipv4() && first <= last => Some((first, last)),
        _ => None,
    }
}

/// The ends of a prefix; an address alone is a prefix of full length. Bits behind the length are cleared.
pub(crate) fn prefix(text: &str) -> Option<(IpAddr, IpAddr)> {
    let network: ipnetwork::IpNetwork = text.parse().ok()?;
    Some((network.network(), network.broadcast()))
}

/// Several AS numbers in one field, and whether they are of an AS_SET: `64500_64501` are the origins of a prefix with
/// several, most frequent first; `64500,64501` and `{64500,64501}` are members of a set; blanks stand for `_`.
pub(crate) fn origins(text: &str, into: &mut Vec<Asn>) -> Option<bool> {
    into.clear();
    let mut as_set = text.contains(',');
    for part in text.split(['_', ',', ' ', '{', '}']) {
        if part.is_empty() {
            continue;
        }
        let asn = part.parse().ok()?;
        if !into.contains(&asn) {
            into.push(asn);
        }
    }
    as_set |= text.contains('{');
    (!into.is_empty()).then_some(as_set)
}

/// Two capital letters: a country, or what a registry writes in its place.
pub(crate) fn country(text: &str) -> Option<[u8; 2]> {
    <[u8; 2]>::try_from(text.as_bytes()).ok().filter(|code| code.iter().all(u8::is_ascii_uppercase))
}

/// Reading a file failed; the caller knows how it was packed.
pub(crate) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { operation: Operation::Read, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_found_where_publishers_write_them() {
        let day = |text| date_in(text).map(|date| date.to_string());
        assert_eq!(day("routeviews-rv2-20231125-1200.pfx2as.gz").as_deref(), Some("2023-11-25"));
        assert_eq!(day("rib.20140523.0600_firstMB.bz2").as_deref(), Some("2014-05-23"));
        assert_eq!(day("asn-2026-06-17.csv").as_deref(), Some("2026-06-17"));
        assert_eq!(day("20240230 20240229").as_deref(), Some("2024-02-29"));
        for none in ["", "rib", "123456789", "19000101", "2026-6-17", "2024-13-01", "12345678", "é2024-01-0"]
        {
            assert_eq!(day(none), None, "{none}");
        }
        assert_eq!(date_of_comment("# licence of 2020-01-01"), None);
        assert!(date_of_comment("% Generated at 2024-01-02T00:00:00Z").is_some());
    }

    #[test]
    fn origins_are_read_in_every_writing() {
        let read = |text| {
            let mut asns = Vec::new();
            origins(text, &mut asns).map(|set| (asns.iter().map(|asn| asn.0).collect::<Vec<_>>(), set))
        };
        assert_eq!(read("64500"), Some((vec![64500], false)));
        assert_eq!(read("AS64500_64501_64500"), Some((vec![64500, 64501], false)));
        assert_eq!(read("{64500,64501}"), Some((vec![64500, 64501], true)));
        assert_eq!(read("64502_64500,64501"), Some((vec![64502, 64500, 64501], true)));
        for bad in ["", "{}", "x", "64500_x", "4294967296", "-1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
