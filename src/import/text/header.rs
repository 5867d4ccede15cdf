//! The header of the Unix family and its imitators: `traceroute to NAME (ADDRESS) from SOURCE, 30 hops max, 60 byte packets`.

use std::net::IpAddr;

use super::cells;
use crate::trace::foreign::{ForeignTrace, most};

/// What a header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) target: String,
    pub(super) address: Option<IpAddr>,
    pub(super) source: Option<IpAddr>,
    /// Hops at most.
    pub(super) hops: Option<u32>,
    /// Probes a hop, where it says so.
    pub(super) probes: Option<u32>,
    /// Bytes of a packet, as the program counts them.
    pub(super) bytes: Option<u16>,
    /// The program is called traceroute6.
    pub(super) six: bool,
}

/// What follows `traceroute to `, and whether it was `traceroute6`.
pub(super) fn behind(line: &str) -> Option<(&str, bool)> {
    let line = line.trim_start();
    let six = line.get(..10).is_some_and(|word| word.eq_ignore_ascii_case("traceroute"))
        && line[10..].starts_with('6');
    let at = if six { 11 } else { 10 };
    let word = line.get(..at)?;
    let to = line.get(at..at + 4)?;
    let known = word[..10].eq_ignore_ascii_case("traceroute") && to.eq_ignore_ascii_case(" to ");
    known.then(|| (line[at + 4..].trim_start(), six))
}

/// Whether a line is such a header: it names a target, and either its address in parentheses or a number of hops.
pub(super) fn is_header(line: &str) -> bool {
    let Some((rest, _)) = behind(line) else { return false };
    let lower = rest.to_ascii_lowercase();
    let counts = ["hops max", "max hops", "hops at most"].iter().any(|words| lower.contains(words));
    let inner = rest.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    counts || inner.is_some_and(|(inner, _)| cells::address(inner.trim()).is_some())
}

impl Header {
    /// Reads a header, all of it in one line.
    pub(super) fn of(line: &str) -> Self {
        let (rest, six) = behind(line).unwrap_or((line, false));
        let (target, address, tail) = target(rest);
        let source = tail.split_once("from ").and_then(|(_, rest)| {
            rest.split([',', ' ']).find(|word| !word.is_empty()).and_then(cells::address)
        });
        let lower = tail.to_ascii_lowercase();
        let before = |words: &[&str]| words.iter().find_map(|word| number_before(&lower, word));
        let after = |word: &str| lower.split_once(word).and_then(|(_, rest)| first_number(rest));
        Self {
            target,
            address,
            source,
            hops: before(&["hops max", "hops at most"]).or_else(|| after("max hops:")),
            probes: before(&["probe packets", "probes per hop"]),
            bytes: before(&["byte packet", "bytes packet", "bytes each packet"])
                .or_else(|| after("packet length:"))
                .and_then(|bytes| u16::try_from(bytes).ok()),
            six,
        }
    }

    /// A trace with what the header says of it.
    pub(super) fn trace(&self, format: &'static str) -> ForeignTrace {
        let mut trace =
            ForeignTrace { target: self.target.clone(), address: self.address, ..ForeignTrace::default() };
        trace.origin.format = format;
        trace.vantage.source = self.source;
        trace
    }
}

/// A target as routers and traceroutes name it, `NAME (ADDRESS)` or an address, and what follows.
pub(super) fn target(text: &str) -> (String, Option<IpAddr>, &str) {
    let named = text.split_once('(').and_then(|(name, rest)| {
        let (inner, tail) = rest.split_once(')')?;
        // Only a target's own parentheses: nothing but its name stands before them.
        (!name.trim().contains([' ', ','])).then_some((name, inner, tail))
    });
    let (name, address, tail) = match named {
        Some((name, inner, tail)) => (name.trim(), cells::address(inner.trim()), tail),
        None => {
            let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
            (&text[..end], None, &text[end..])
        }
    };
    let name = cells::name(name);
    let end = name.floor_char_boundary(most::NAME);
    (name[..end].to_owned(), address.or_else(|| cells::address(name)), tail)
}

fn number_before(text: &str, words: &str) -> Option<u32> {
    let head = text[..text.find(words)?].trim_end();
    let digits = head.bytes().rev().take_while(u8::is_ascii_digit).count();
    head[head.len() - digits..].parse().ok()
}

fn first_number(text: &str) -> Option<u32> {
    let text = text.trim_start();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: (&str, Option<&str>, Option<&str>, Option<u32>, Option<u16>)) {
        assert!(is_header(line), "{line}");
        let header = Header::of(line);
        let address = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        assert_eq!(header.target, expected.0, "{line}");
        assert_eq!((header.address, header.source), (address(expected.1), address(expected.2)), "{line}");
        assert_eq!((header.hops, header.bytes), (expected.3, expected.4), "{line}");
    }

    #[test]
    fn headers_of_all_kinds() {
        let v4 = Some("192.0.2.1");
        check(
            "traceroute to a.example (192.0.2.1), 30 hops max, 60 byte packets",
            ("a.example", v4, None, Some(30), Some(60)),
        );
        check(
            " Traceroute to 192.0.2.1 (192.0.2.1) from 198.51.100.1, 64 hops max, 40 byte packets",
            ("192.0.2.1", v4, Some("198.51.100.1"), Some(64), Some(40)),
        );
        check(
            "traceroute to http://a.example  (192.0.2.1), 30 hops max, 60 byte packets",
            ("a.example", v4, None, Some(30), Some(60)),
        );
        check("traceroute to 192.0.2.1 (192.0.2.1), 64 hops max", ("192.0.2.1", v4, None, Some(64), None));
        check(
            "traceroute6 to a.example (2001:db8::1) from 2001:db8::2, 64 hops max, 20 byte packets",
            ("a.example", Some("2001:db8::1"), Some("2001:db8::2"), Some(64), Some(20)),
        );
        check(
            "traceroute to  a.example(192.0.2.1), max hops: 30 ,packet length: 40,press CTRL_C to break",
            ("a.example", v4, None, Some(30), Some(40)),
        );
        check(
            "traceroute to 192.0.2.1 (192.0.2.1), 30 hops at most, 40 bytes each packet, press CTRL_C to break",
            ("192.0.2.1", v4, None, Some(30), Some(40)),
        );
        assert_eq!(
            Header::of(
                "traceroute to 192.0.2.1 (192.0.2.1), 32 hops max, 3 probe packets per hop, 84 byte packets"
            )
            .probes,
            Some(3)
        );
    }

    #[test]
    fn a_sentence_is_no_header() {
        for line in [
            "traceroute to the host fails",
            "a traceroute to 192.0.2.1 (192.0.2.1) fails",
            "traceroute to",
            "traceroute66 to x (192.0.2.1)",
            "tracéroute to x",
        ] {
            assert!(!is_header(line), "{line}");
        }
    }
}
