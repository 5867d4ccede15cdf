//! One hop line, cell by cell: addresses, names, times, stars, marks, and what stands in brackets.
//!
//! All traceroutes of the Unix family and all routers write the same things in some order; the order is the business of
//! [`body`](super::body).

use std::net::IpAddr;

use crate::trace::MplsLabel;
use crate::trace::foreign::most;

/// One thing in a hop line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// A probe without an answer.
    Star,
    /// A round-trip time in milliseconds.
    Rtt(f64),
    /// `!X` as it stands.
    Mark(&'a str),
    /// AS numbers; none for `[*]` and `[AS0]`, which say that nothing is known.
    As(Vec<u32>),
    /// A label stack, top first.
    Labels(Vec<MplsLabel>),
    /// `<syn,ack>`, without the brackets.
    Flags(&'a str),
    /// `[open]`, without the brackets.
    State(&'a str),
    /// An address, and how it is written.
    Address(IpAddr, &'a str),
    /// An address in parentheses.
    Inner(IpAddr),
    /// Something else in parentheses.
    Aside(&'a str),
    /// A name, or a word that is not understood.
    Word(&'a str),
    /// Something known that the record has no place for: a guessed way back, an MTU, a share of losses.
    Known,
    /// Something in brackets that is not understood.
    Unknown(&'a str),
}

/// The first cell of a text and what follows it; `None` at its end.
pub(super) fn next(text: &str) -> Option<(Cell<'_>, &str)> {
    let text = text.trim_start();
    let first = text.chars().next()?;
    let found = match first {
        '*' => Some((Cell::Star, &text[1..])),
        '!' => {
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            Some((Cell::Mark(&text[..end]), &text[end..]))
        }
        '[' => until(text, b']').map(|end| (bracket(&text[1..end]), &text[end + 1..])),
        '<' => until(text, b'>').map(|end| (angle(&text[1..end]), &text[end + 1..])),
        '(' => until(text, b')').map(|end| (parenthesis(text[1..end].trim()), &text[end + 1..])),
        '\'' => until(text, b'\'').map(|end| (quoted(&text[1..end]), &text[end + 1..])),
        _ => None,
    };
    Some(found.or_else(|| rtt(text)).or_else(|| received(text)).unwrap_or_else(|| word(text)))
}

/// `54 bytes to 192.0.2.1`, the prober's own address, which BSD and BusyBox print with `-v`: nobody who answered.
fn received(text: &str) -> Option<(Cell<'_>, &str)> {
    let digits = text.bytes().take(6).take_while(u8::is_ascii_digit).count();
    let rest = text[digits..].strip_prefix(" bytes to ").filter(|_| digits > 0)?;
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    address(rest[..end].trim_end_matches(','))?;
    Some((Cell::Known, &rest[end..]))
}

/// The most bytes in brackets; nobody writes more, and a line of brackets that never close is read in no time.
const LONGEST_BRACKET: usize = 512;

fn until(text: &str, closing: u8) -> Option<usize> {
    let inner = text.bytes().take(LONGEST_BRACKET).skip(1);
    inner.into_iter().position(|byte| byte == closing).map(|at| at + 1)
}

fn quoted(inner: &str) -> Cell<'_> {
    // `--back`: the length of the way back as the program guesses it.
    match inner.parse::<i32>() {
        Ok(_) => Cell::Known,
        Err(_) => Cell::Unknown(inner),
    }
}

fn bracket(inner: &str) -> Cell<'_> {
    let inner = inner.trim();
    let lower = inner.get(..4).unwrap_or(inner).to_ascii_lowercase();
    if inner == "*" {
        return Cell::As(Vec::new());
    }
    if lower == "mpls" {
        return labels(&inner[4..]).map_or(Cell::Unknown(inner), Cell::Labels);
    }
    if lower.starts_with("as") {
        return claims(inner).map_or(Cell::Unknown(inner), Cell::As);
    }
    match inner {
        "open" | "closed" | "open, ecn" | "unknown" => Cell::State(inner),
        _ if inner.starts_with("unknown,") => Cell::State(inner),
        _ => Cell::Unknown(inner),
    }
}

/// `AS64500`, `AS 64500`, `AS64500/AS64501`, `AS64500, 64501`, `AS???`. AS 0 says that nothing is known (RFC 7607).
pub(super) fn claims(inner: &str) -> Option<Vec<u32>> {
    let mut claims = Vec::new();
    let parts = inner.split(['/', ',', ' ']).map(str::trim).filter(|part| !part.is_empty());
    for part in parts {
        let digits = match part.get(..2) {
            Some(prefix) if prefix.eq_ignore_ascii_case("as") => &part[2..],
            _ => part,
        };
        if digits.is_empty() || digits.chars().all(|one| one == '?' || one == '*') {
            continue;
        }
        let asn = digits.parse().ok()?;
        if asn != 0 && !claims.contains(&asn) && claims.len() < most::LABELS {
            claims.push(asn);
        }
    }
    Some(claims)
}

fn angle(inner: &str) -> Cell<'_> {
    let objects: Vec<&str> = inner.split(';').collect();
    if let Some(stack) = objects.iter().find_map(|object| object.strip_prefix("MPLS:")) {
        return stack_entries(stack).map_or(Cell::Unknown(inner), Cell::Labels);
    }
    // Objects that the program does not know: `class/type:hex,hex`.
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unread = |object: &&str| {
        object
            .split_once(':')
            .and_then(|(head, _)| head.split_once('/'))
            .is_some_and(|(a, b)| number(a) && number(b))
    };
    if objects.iter().all(unread) {
        return Cell::Known;
    }
    let flags = inner.split(',').next().unwrap_or("");
    match flags {
        "syn" | "ack" | "rst" | "fin" | "psh" | "urg" | "ece" | "cwr" => Cell::Flags(inner),
        _ => Cell::Unknown(inner),
    }
}

/// `L=16022,E=0,S=1,T=1/L=24,E=0,S=1,T=1`.
fn stack_entries(stack: &str) -> Option<Vec<MplsLabel>> {
    let entry = |text: &str| {
        let mut label = MplsLabel { label: 0, tc: 0, bottom: false, ttl: 0 };
        for field in text.split(',') {
            let (name, value) = field.split_once('=')?;
            match name.trim() {
                "L" => label.label = value.parse().ok()?,
                "E" => label.tc = value.parse().ok()?,
                "S" => label.bottom = value == "1",
                "T" => label.ttl = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(label)
    };
    stack.split('/').take(most::LABELS).map(entry).collect()
}

/// What follows `MPLS`: `: Labels 16052/24001 Exp 0`, ` Label=1024/1027 Exp=0/0 S=0/1 TTL=1/1`, `: Lbl 16 TC 0 S 1 TTL 1`.
/// Where the text has no bottom bit the last label has it, since stacks are printed whole; where it has no TTL it is 0.
pub(super) fn labels(text: &str) -> Option<Vec<MplsLabel>> {
    let words: Vec<&str> = text.split([' ', '=', ':', ',', '\t']).filter(|word| !word.is_empty()).collect();
    let field = |names: &[&str]| {
        let at = words.iter().position(|word| names.iter().any(|name| word.eq_ignore_ascii_case(name)))?;
        words.get(at + 1).copied()
    };
    let values: Vec<&str> = field(&["Label", "Labels", "Lbl"])?.split('/').take(most::LABELS).collect();
    // Lists beside the labels are as long as theirs; a single value is said of all.
    let beside = |names: &[&str], at: usize| {
        let list = field(names)?;
        list.split('/').nth(at).or_else(|| list.split('/').next().filter(|_| !list.contains('/')))
    };
    let last = values.len() - 1;
    let label = |(at, value): (usize, &&str)| {
        Some(MplsLabel {
            label: number_of_label(value)?,
            tc: beside(&["Exp", "CoS", "TC", "E"], at).and_then(|value| value.parse().ok()).unwrap_or(0),
            bottom: beside(&["S"], at).map_or(at == last, |value| value == "1"),
            ttl: beside(&["TTL"], at).and_then(|value| value.parse().ok()).unwrap_or(0),
        })
    };
    values.iter().enumerate().map(label).collect()
}

/// Labels by their reserved names too (RFC 3032 §2.1).
fn number_of_label(text: &str) -> Option<u32> {
    match text.to_ascii_lowercase().as_str() {
        "explicit-null" | "exp-null" | "exp-null-v4" => Some(0),
        "exp-null-v6" => Some(2),
        "implicit-null" | "implicit" => Some(3),
        number => number.parse().ok().filter(|label| *label < 1 << 20),
    }
}

fn parenthesis(inner: &str) -> Cell<'_> {
    if let Some(address) = address(inner) {
        return Cell::Inner(address);
    }
    if inner.ends_with("% loss") || inner.starts_with("ecn=") {
        return Cell::Known;
    }
    Cell::Aside(inner)
}

/// An address without the zone it may have; one that only carries IPv4 inside (RFC 4291 §2.5.5.2) as IPv4.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    // No address is longer, and few words of a text get so far as to be parsed.
    if text.len() < 2 || !text.contains(['.', ':']) {
        return None;
    }
    let bare = text.split('%').next().unwrap_or(text);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// A number with a unit of time.
fn rtt(text: &str) -> Option<(Cell<'_>, &str)> {
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    if digits == 0 || digits > 12 {
        return None;
    }
    let value: f64 = text[..digits].parse().ok()?;
    let rest = text[digits..].trim_start();
    let (rest, scale) = [("msec", 1.0), ("ms", 1.0), ("мс", 1.0), ("usec", 0.001), ("us", 0.001)]
        .into_iter()
        .find_map(|(unit, scale)| Some((rest.strip_prefix(unit)?, scale)))?;
    let ends =
        rest.chars().next().is_none_or(|one| !one.is_alphanumeric() && !matches!(one, '.' | '-' | '_' | ':'));
    ends.then_some((Cell::Rtt(value * scale), rest.trim_start_matches(',')))
}

fn word(text: &str) -> (Cell<'_>, &str) {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let end = text[first..]
        .find(|one: char| one.is_whitespace() || matches!(one, '[' | '(' | '<'))
        .map_or(text.len(), |end| first + end);
    let (word, rest) = text.split_at(end);
    let trimmed = word.trim_end_matches([',', ';']);
    if let Some(address) = address(trimmed) {
        return (Cell::Address(address, trimmed), rest);
    }
    let mtu = word.strip_prefix("F=").is_some_and(|mtu| mtu.bytes().all(|byte| byte.is_ascii_digit()));
    (if mtu { Cell::Known } else { Cell::Word(word) }, rest)
}

/// A host's name as a text has it: without a page's `http://`, and no longer than one may be.
pub(super) fn name(word: &str) -> &str {
    let word = word.strip_prefix("http://").or_else(|| word.strip_prefix("https://")).unwrap_or(word);
    let word = word.trim_end_matches(['/', ',']);
    &word[..word.floor_char_boundary(most::NAME)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(mut text: &str) -> Vec<Cell<'_>> {
        let mut cells = Vec::new();
        while let Some((cell, rest)) = next(text) {
            cells.push(cell);
            text = rest;
        }
        cells
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn times_have_units_and_names_may_begin_with_digits() {
        assert_eq!(
            cells("1.5 ms 2ms 3 msec 0 msec 4 мс"),
            [Cell::Rtt(1.5), Cell::Rtt(2.0), Cell::Rtt(3.0), Cell::Rtt(0.0), Cell::Rtt(4.0)]
        );
        assert_eq!(cells("1ms.example.net"), [Cell::Word("1ms.example.net")]);
        assert_eq!(cells("1.2.3 ms"), [Cell::Word("1.2.3"), Cell::Word("ms")]);
        assert_eq!(cells("192.0.2.1"), [Cell::Address(address("192.0.2.1"), "192.0.2.1")]);
        assert_eq!(cells("***"), [Cell::Star, Cell::Star, Cell::Star]);
    }

    #[test]
    fn the_probers_own_address_is_nobody_who_answered() {
        assert_eq!(
            cells("192.0.2.9 54 bytes to 192.0.2.1  0.5 ms"),
            [Cell::Address(address("192.0.2.9"), "192.0.2.9"), Cell::Known, Cell::Rtt(0.5)]
        );
        assert_eq!(cells("80 bytes to 2001:db8::1"), [Cell::Known]);
        assert_eq!(cells("54 bytes to nowhere").len(), 4);
    }

    #[test]
    fn as_numbers_in_every_form() {
        for (text, expected) in [
            ("[AS64500]", vec![64500]),
            ("[AS 64500]", vec![64500]),
            ("[as  64500]", vec![64500]),
            ("[AS64500/AS64501]", vec![64500, 64501]),
            ("[AS64500, 64501]", vec![64500, 64501]),
            ("[*]", vec![]),
            ("[AS0]", vec![]),
            ("[AS???]", vec![]),
        ] {
            assert_eq!(cells(text), [Cell::As(expected)], "{text}");
        }
        assert_eq!(cells("[ASx]"), [Cell::Unknown("ASx")]);
        assert_eq!(cells("[AS99999999999]"), [Cell::Unknown("AS99999999999")]);
    }

    #[test]
    fn label_stacks_in_every_form() {
        let label = |label, bottom, ttl| MplsLabel { label, tc: 0, bottom, ttl };
        for (text, expected) in [
            ("<MPLS:L=16022,E=0,S=0,T=1/L=24,E=0,S=1,T=2>", vec![label(16022, false, 1), label(24, true, 2)]),
            ("<1/2:00000abc;MPLS:L=24,E=0,S=1,T=2>", vec![label(24, true, 2)]),
            ("[MPLS: Labels 16052/24001 Exp 0]", vec![label(16052, false, 0), label(24001, true, 0)]),
            ("[MPLS: Label 24001 Exp 0]", vec![label(24001, true, 0)]),
            (
                "[MPLS Label=1024/1027 Exp=0/0 S=0/1 TTL=1/9]",
                vec![label(1024, false, 1), label(1027, true, 9)],
            ),
            ("[MPLS: Lbl 16022 TC 0 S 1 TTL 1]", vec![label(16022, true, 1)]),
        ] {
            assert_eq!(cells(text), [Cell::Labels(expected)], "{text}");
        }
        assert_eq!(cells("<1/2:00000abc>"), [Cell::Known]);
        assert_eq!(cells("[MPLS: Label 9999999 Exp 0]"), [Cell::Unknown("MPLS: Label 9999999 Exp 0")]);
    }

    #[test]
    fn parentheses_hold_addresses_or_something_else() {
        assert_eq!(cells("(192.0.2.1)"), [Cell::Inner(address("192.0.2.1"))]);
        assert_eq!(cells("(::ffff:192.0.2.1)"), [Cell::Inner(address("192.0.2.1"))]);
        assert_eq!(cells("(fe80::1%eth0)"), [Cell::Inner(address("fe80::1"))]);
        assert_eq!(cells("(red/1001, blue/2001)"), [Cell::Aside("red/1001, blue/2001")]);
        assert_eq!(
            cells("(33% loss) (ecn=passed) '-9' F=1500"),
            [Cell::Known, Cell::Known, Cell::Known, Cell::Known]
        );
        assert_eq!(cells("a(192.0.2.1)"), [Cell::Word("a"), Cell::Inner(address("192.0.2.1"))]);
        assert_eq!(cells("(open"), [Cell::Word("(open")]);
    }
}
