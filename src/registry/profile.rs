//! Any other CSV, described by its user in a few lines of TOML.
//!
//! ```toml
//! name = "a list of somewhere"
//! encoding = "windows-1251"       # a label of the WHATWG Encoding Standard; utf-8 without
//! delimiter = ";"
//! quote = "\""                    # "" for none; a quoted field may not hold an end of line
//! skip_lines = 1
//! address_separator = "|"
//! date_format = "%d.%m.%Y"        # of the column; the report then has 2025-12-31
//! updated = "Updated: %Y-%m-%d %H:%M:%S %z"   # a whole line among those skipped that dates the file
//! [columns]                       # counted from 1; at least one of address, domain, url
//! address = 1
//! domain = 2
//! ```

use std::io::BufRead;

use encoding_rs::Encoding;
use jiff::civil::Date;
use serde::Deserialize;

use super::item::{Item, NoItem};
use super::lines::{Line, Lines};
use super::name::utf_8;
use super::zapret::Lazy;
use super::{Beside, Error, LONGEST_ROW, Search, some};

/// The most columns of a row.
const MOST_COLUMNS: usize = 256;

/// How a CSV is to be read.
#[derive(Clone, Debug)]
pub struct Profile {
    written: Written,
    encoding: &'static Encoding,
    delimiter: u8,
    quote: Option<u8>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default = "utf8")]
    encoding: String,
    #[serde(default = "comma")]
    delimiter: String,
    #[serde(default = "double")]
    quote: String,
    #[serde(default)]
    skip_lines: u64,
    address_separator: Option<String>,
    date_format: Option<String>,
    updated: Option<String>,
    columns: Columns,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Columns {
    address: Option<usize>,
    domain: Option<usize>,
    url: Option<usize>,
    authority: Option<usize>,
    number: Option<usize>,
    date: Option<usize>,
}

fn utf8() -> String {
    "utf-8".to_owned()
}

fn comma() -> String {
    ",".to_owned()
}

fn double() -> String {
    "\"".to_owned()
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// It is no TOML, or has other keys.
    #[error("{0}")]
    Form(String),
    /// A label that names no encoding, or one in which ASCII is not ASCII.
    #[error("'{0}' is no encoding that can be read")]
    Encoding(String),
    /// More than one character, or one outside ASCII.
    #[error("{0} must be one ASCII character")]
    Character(&'static str),
    /// Nothing could be found.
    #[error("[columns] names none of address, domain and url, or a column outside 1 to 256")]
    Columns,
}

impl std::str::FromStr for Profile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        let written: Written =
            toml::from_str(text).map_err(|error| ProfileError::Form(error.message().to_owned()))?;
        let encoding = Encoding::for_label(written.encoding.as_bytes())
            .filter(|encoding| encoding.is_ascii_compatible())
            .ok_or_else(|| ProfileError::Encoding(written.encoding.clone()))?;
        let one = |text: &str, what| match text.as_bytes() {
            [byte] if byte.is_ascii() && *byte != b'\n' && *byte != b'\r' => Ok(*byte),
            _ => Err(ProfileError::Character(what)),
        };
        let delimiter = one(&written.delimiter, "delimiter")?;
        let quote = if written.quote.is_empty() { None } else { Some(one(&written.quote, "quote")?) };
        let Columns { address, domain, url, authority, number, date } = written.columns;
        let all = [address, domain, url, authority, number, date];
        let outside = all.iter().flatten().any(|column| !(1..=MOST_COLUMNS).contains(column));
        if outside || (address.is_none() && domain.is_none() && url.is_none()) {
            return Err(ProfileError::Columns);
        }
        Ok(Self { written, encoding, delimiter, quote })
    }
}

impl Profile {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.written.name
    }

    pub(super) fn read(&self, input: &mut dyn BufRead, search: &mut Search<'_>) -> Result<(), Error> {
        let mut lines = Lines::new(input, LONGEST_ROW);
        let mut row = Row::new(self);
        loop {
            let number = lines.number + 1;
            let line = match lines.next()? {
                None => return Ok(()),
                Some(Line::TooLong) => {
                    search.bad_row("a row longer than 4 MiB", number);
                    continue;
                }
                Some(Line::Whole(line)) => line,
            };
            let line = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(line);
            if line.trim_ascii().is_empty() {
                continue;
            }
            let (text, _) = self.encoding.decode_without_bom_handling(line);
            if number <= self.written.skip_lines {
                if let Some(format) = &self.written.updated
                    && let Ok(time) = jiff::fmt::strtime::parse(format, text.trim())
                {
                    let zoned = time.to_timestamp().map(|time| time.to_string());
                    search.found.dated = some(&zoned.unwrap_or_else(|_| text.trim().to_owned()));
                }
                continue;
            }
            if row.split(text.as_bytes()) {
                self.row(&row, number, search);
            } else {
                search.bad_row("a row with more than 256 columns", number);
            }
        }
    }

    fn row(&self, row: &Row, number: u64, search: &mut Search<'_>) {
        let Columns { address, domain, url, authority, number: decision, date } = self.written.columns;
        let field = |column: Option<usize>| column.and_then(|column| row.field(column)).unwrap_or_default();
        let (addresses, domain, url) = (field(address), field(domain), field(url));
        if [addresses, domain, url].iter().all(|text| text.is_empty()) {
            return search.bad_row("a row without address, domain and URL", number);
        }
        search.found.entries += 1;
        let beside = || Beside {
            decision: some(&utf_8(field(decision))),
            date: some(&self.day(&utf_8(field(date)))),
            authority: some(&utf_8(field(authority))),
        };
        let about_more = !domain.is_empty() || !url.is_empty();
        let addresses = utf_8(addresses);
        let separator = self.written.address_separator.as_deref().filter(|text| !text.is_empty());
        for text in separator.map_or_else(|| vec![addresses.as_str()], |by| addresses.split(by).collect()) {
            match Item::parse(text.as_bytes()) {
                Ok(item) => {
                    search.item(&item, about_more, number, &Lazy(|| text.trim().to_owned()), &beside);
                }
                Err(_) if text.trim().is_empty() => {}
                Err(NoItem::Junk) => search.warn("an address at which nobody can be", number),
                Err(NoItem::Other) => search.warn("an address that is none", number),
            }
        }
        match Item::parse(domain) {
            Ok(item) => search.item(&item, false, number, &Lazy(|| utf_8(domain)), &beside),
            Err(_) => search.name(domain, utf_8, number, &beside),
        }
        if domain.is_empty() {
            search.url(url, utf_8, number, &beside);
        }
    }

    /// A day as `2025-12-31` where the profile says how it is written, else as it stands.
    fn day(&self, text: &str) -> String {
        let read = |format: &String| Date::strptime(format, text.trim()).ok();
        self.written
            .date_format
            .as_ref()
            .and_then(read)
            .map_or_else(|| text.to_owned(), |day| day.to_string())
    }
}

/// One row, taken apart.
struct Row {
    reader: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    columns: usize,
}

impl Row {
    fn new(profile: &Profile) -> Self {
        let mut builder = csv_core::ReaderBuilder::new();
        builder.delimiter(profile.delimiter).quoting(profile.quote.is_some());
        builder.quote(profile.quote.unwrap_or(b'"'));
        Self { reader: builder.build(), text: Vec::new(), ends: vec![0; MOST_COLUMNS], columns: 0 }
    }

    /// Whether there was room for all columns.
    fn split(&mut self, line: &[u8]) -> bool {
        self.reader.reset();
        self.columns = 0;
        self.text.clear();
        self.text.resize(line.len() + 1, 0);
        let (mut input, mut written) = (line, 0);
        loop {
            let (result, read, wrote, ended) =
                self.reader.read_record(input, &mut self.text[written..], &mut self.ends[self.columns..]);
            input = &input[read..];
            written += wrote;
            self.columns += ended;
            match result {
                // An empty input ends the record.
                csv_core::ReadRecordResult::InputEmpty if read > 0 || !input.is_empty() => {}
                csv_core::ReadRecordResult::Record | csv_core::ReadRecordResult::End => return true,
                csv_core::ReadRecordResult::InputEmpty => {}
                _ => return false,
            }
        }
    }

    /// Counted from 1.
    fn field(&self, column: usize) -> Option<&[u8]> {
        let ends = &self.ends[..self.columns];
        let begin = if column < 2 { 0 } else { *ends.get(column - 2)? };
        Some(self.text.get(begin..*ends.get(column - 1)?)?.trim_ascii())
    }
}
