//! Lists with one item a line, and what firewalls and routers make of them.
//!
//! `198.51.100.7`, `198.51.100.0/24`, `example.net`; `ipset save` (`add NAME ITEM`), nftables (`elements = { ITEM, ITEM }`,
//! over any number of lines), RouterOS (`add address=ITEM list=NAME`), OpenVPN (`route ADDRESS MASK`), hosts files
//! (`0.0.0.0 example.net`). `#` and `;` begin comments. An item is looked for in the words of a line; a line of
//! several words none of which is an item was not understood.

use std::io::BufRead;

use super::item::{Item, NoItem, quad};
use super::lines::{Line, Lines};
use super::name::{Decode, utf_8, windows_1251};
use super::zapret::Lazy;
use super::{Beside, Error, LONGEST_ROW, Search};

pub(super) fn read(input: &mut dyn BufRead, search: &mut Search<'_>) -> Result<(), Error> {
    let mut lines = Lines::new(input, LONGEST_ROW);
    loop {
        let number = lines.number + 1;
        match lines.next()? {
            None => return Ok(()),
            Some(Line::TooLong) => search.bad_row("a line longer than 4 MiB", number),
            Some(Line::Whole(line)) => one(line, number, search),
        }
    }
}

/// Words that stand in such files and list nothing.
const FRAME: &[&[u8]] =
    &[b"create", b"table", b"set", b"type", b"flags", b"COMMIT", b"/ip", b"/ipv6", b"auto-merge", b"flush"];

fn one(line: &[u8], number: u64, search: &mut Search<'_>) {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    let line = &line[..memchr::memchr(b'#', line).unwrap_or(line.len())];
    let line = line.trim_ascii();
    // What is left may be `}` of a table.
    if line.is_empty() || line.starts_with(b";") || line.iter().all(|byte| b"{}(); ,".contains(byte)) {
        return;
    }
    // The usual case first.
    let simple = line.strip_suffix(b",").unwrap_or(line);
    match Item::parse(unquoted(simple)) {
        Ok(item) => return listed(&item, simple, number, search),
        Err(NoItem::Junk) => return junk(number, search),
        Err(NoItem::Other) => {}
    }
    let blank = |byte: &u8| byte.is_ascii_whitespace() || b"{},;=\"'".contains(byte);
    let mut words = line.split(blank).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    if first == b"route" || (first == b"push" && words.clone().next() == Some(b"route")) {
        return route(line, blank, number, search);
    }
    let rest: Vec<&[u8]> = words.clone().take(3).collect();
    if rest.is_empty() {
        // The last line of a set's elements ends in a brace.
        if let Ok(item) = Item::parse(first) {
            return listed(&item, first, number, search);
        }
        let name = unquoted(simple);
        return match is_name(name) {
            true => named(name, number, search),
            false => search.bad_row("a line without an address or name", number),
        };
    }
    // A file of hosts sends what it names nowhere.
    if matches!(first, b"0.0.0.0" | b"127.0.0.1" | b"::" | b"::1") {
        for name in words.filter(|name| is_name(name)) {
            named(name, number, search);
        }
        return;
    }
    if FRAME.contains(&first) && !line.contains(&b'{') {
        return;
    }
    let mut any = false;
    let mut junk_seen = false;
    for word in std::iter::once(first).chain(words) {
        match Item::parse(word) {
            Ok(item) => {
                listed(&item, word, number, search);
                any = true;
            }
            Err(NoItem::Junk) => junk_seen = true,
            Err(NoItem::Other) => {}
        }
    }
    let opens = FRAME.contains(&first) || rest.contains(&b"set".as_slice()) || first == b"elements";
    match (any, junk_seen, opens) {
        (true, ..) => {}
        (false, true, _) => junk(number, search),
        (false, false, true) => {}
        (false, false, false) => search.bad_row("a line without an address or name", number),
    }
}

fn unquoted(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}

/// `route ADDRESS MASK`; without a mask, one address.
fn route(line: &[u8], blank: impl Fn(&u8) -> bool, number: u64, search: &mut Search<'_>) {
    let mut words = line.split(blank).filter(|word| !word.is_empty()).skip_while(|word| *word != b"route");
    let whole =
        |text: Option<&[u8]>| text.and_then(quad).filter(|(_, rest)| rest.is_empty()).map(|(bits, _)| bits);
    words.next();
    let address = words.next();
    let mask = whole(words.next()).unwrap_or(u32::MAX);
    match whole(address).map(|bits| Item::masked(bits, mask)) {
        Some(Ok(item)) => listed(&item, line, number, search),
        Some(Err(NoItem::Junk)) => junk(number, search),
        _ => search.bad_row("a route that is none", number),
    }
}

fn listed(item: &Item, text: &[u8], number: u64, search: &mut Search<'_>) {
    search.found.entries += 1;
    search.item(item, false, number, &Lazy(|| utf_8(text)), &Beside::default);
}

fn junk(number: u64, search: &mut Search<'_>) {
    search.found.entries += 1;
    search.warn("an address at which nobody can be", number);
}

fn named(name: &[u8], number: u64, search: &mut Search<'_>) {
    search.found.entries += 1;
    if !search.question.names.is_empty() {
        // Old lists are in windows-1251 like what they are made from.
        let decode: Decode = if std::str::from_utf8(name).is_ok() { utf_8 } else { windows_1251 };
        search.name(name, decode, number, &Beside::default);
    }
}

/// Whether a word may be a domain: a dot inside, and no character that no name has.
fn is_name(word: &[u8]) -> bool {
    let bare = word.strip_prefix(b"*.").unwrap_or(word);
    let bare = bare.strip_prefix(b".").unwrap_or(bare);
    let dots = memchr::memchr(b'.', bare);
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte) || *byte >= 0x80;
    // Four numbers that are no address are no name either.
    let letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte >= 0x80;
    bare.len() <= 253 && dots.is_some_and(|at| at > 0) && bare.iter().all(fits) && bare.iter().any(letter)
}
