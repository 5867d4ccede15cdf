//! `dump.csv` of the zapret-info mirror: six fields, windows-1251, and semicolons that nobody quotes.
//!
//! `addresses;domain;URL;authority;decision;date`. A URL may hold a semicolon, so the last three fields are counted from
//! the end. A row with neither domain nor URL is about its addresses; any other carries the addresses at which the mirror
//! or the register saw the domain, and orders nothing about them.

use std::io::BufRead;

use super::item::{Item, NoItem};
use super::lines::{Line, Lines};
use super::name::{utf_8, windows_1251};
use super::{Beside, Error, LONGEST_ROW, Search, some};

/// Whether a line is a row of this form: six fields of which the last is a day.
pub(super) fn looks_like_a_row(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let day = line.rsplit(|byte| *byte == b';').next().unwrap_or_default();
    let is_day = day.len() == 10
        && day.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    is_day && line.iter().filter(|byte| **byte == b';').count() >= 5
}

pub(super) fn read(input: &mut dyn BufRead, search: &mut Search<'_>) -> Result<(), Error> {
    let mut lines = Lines::new(input, LONGEST_ROW);
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
        if line.trim_ascii().is_empty() {
            continue;
        }
        let plain = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        if let Some(time) = plain.strip_prefix(b"Updated:") {
            search.found.dated = some(&dated(&utf_8(time)));
            continue;
        }
        row(plain, number, search);
    }
}

/// `2025-01-01 05:51:00 +0000` as RFC 3339; anything else as it is.
fn dated(text: &str) -> String {
    let text = text.trim();
    let parsed = jiff::Zoned::strptime("%Y-%m-%d %H:%M:%S %z", text);
    parsed.map_or_else(|_| text.to_owned(), |time| time.timestamp().to_string())
}

fn row(line: &[u8], number: u64, search: &mut Search<'_>) {
    let mut ends = memchr::memrchr_iter(b';', line);
    let (Some(date), Some(decision), Some(authority)) = (ends.next(), ends.next(), ends.next()) else {
        return search.bad_row("a row with fewer than six fields", number);
    };
    let mut begins = memchr::memchr_iter(b';', &line[..authority]);
    let (Some(addresses), Some(domain)) = (begins.next(), begins.next()) else {
        return search.bad_row("a row with fewer than six fields", number);
    };
    search.found.entries += 1;
    let (domains, urls) = (&line[addresses + 1..domain], &line[domain + 1..authority]);
    let (domains, urls) = (domains.trim_ascii(), urls.trim_ascii());
    let beside = || Beside {
        authority: some(&windows_1251(&line[authority + 1..decision])),
        decision: some(&windows_1251(&line[decision + 1..date])),
        date: some(&windows_1251(&line[date + 1..])),
    };
    let about_more = !domains.is_empty() || !urls.is_empty();
    for text in line[..addresses].split(|byte| *byte == b'|').map(<[u8]>::trim_ascii) {
        match Item::parse(text) {
            Ok(item) if about_more => {
                let what = [domains, urls].into_iter().find(|text| !text.is_empty()).unwrap_or_default();
                let entry = || format!("{}: {}", windows_1251(text), windows_1251(what));
                search.item(&item, true, number, &Lazy(entry), &beside);
            }
            Ok(item) => search.item(&item, false, number, &Lazy(|| windows_1251(text)), &beside),
            Err(_) if text.is_empty() => {}
            Err(NoItem::Junk) => search.warn("an address at which nobody can be", number),
            Err(NoItem::Other) => search.warn("an address that is none", number),
        }
    }
    if search.question.names.is_empty() && !domains.first().is_some_and(u8::is_ascii_digit) {
        return;
    }
    for text in domains.split(|byte| *byte == b'|').map(<[u8]>::trim_ascii) {
        // Some rows have an address where the domain should be.
        match Item::parse(text) {
            Ok(item) => search.item(&item, false, number, &Lazy(|| windows_1251(text)), &beside),
            Err(_) => search.name(text, windows_1251, number, &beside),
        }
    }
    if domains.is_empty() && !search.question.names.is_empty() {
        let mut rest = urls;
        while !rest.is_empty() {
            // A URL may hold a bar: only one with blanks on both sides parts two.
            let end = memchr::memmem::find(rest, b" | ").unwrap_or(rest.len());
            search.url(&rest[..end], windows_1251, number, &beside);
            rest = rest.get(end + 3..).unwrap_or_default();
        }
    }
}

/// Text that is made only if somebody wants it.
pub(super) struct Lazy<F>(pub(super) F);

impl<F: Fn() -> String> std::fmt::Display for Lazy<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&(self.0)())
    }
}
