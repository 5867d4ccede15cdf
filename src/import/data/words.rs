//! Strangers' strings: names, addresses and times as they stand in a file, made fit to keep.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::trace::foreign::most;

/// A string without what a terminal or a page would obey (control characters, colour sequences, marks that turn the
/// direction of text), of at most [`most::NAME`] bytes.
pub(super) fn clean(text: &str) -> String {
    cut(text, most::NAME)
}

/// The same for a sentence, which may be longer than a name.
pub(super) fn sentence(text: &str) -> String {
    cut(text, 1024)
}

fn cut(text: &str, longest: usize) -> String {
    let plain = |byte: &u8| byte.is_ascii() && !byte.is_ascii_control();
    if text.len() <= longest && text.as_bytes().iter().all(plain) {
        return text.trim().to_owned();
    }
    let mut kept = String::new();
    let mut rest = text.chars();
    while let Some(one) = rest.next() {
        if one == '\u{1b}' {
            // `ESC [ … letter` sets colours and moves cursors (ECMA-48 §5.4).
            let mut ahead = rest.clone();
            if ahead.next() == Some('[') {
                ahead.by_ref().find(|one| ('@'..='~').contains(one));
                rest = ahead;
            }
            continue;
        }
        let turns = matches!(one, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let one = if matches!(one, '\n' | '\r' | '\t') { ' ' } else { one };
        if turns || one.is_control() {
            continue;
        }
        if kept.len() + one.len_utf8() > longest {
            break;
        }
        kept.push(one);
    }
    kept.trim().to_owned()
}

/// An address as tools write it; a zone (`fe80::1%eth0`) is of the machine that measured and is left out.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    if let Some(four) = dotted(text.as_bytes()) {
        return Some(IpAddr::V4(four));
    }
    let text = text.trim();
    let text = text.split_once('%').map_or(text, |(before, _)| before);
    text.parse::<Ipv6Addr>().map(IpAddr::V6).or_else(|_| text.parse()).ok()
}

/// Four numbers with dots and nothing else. An archive has forty in every result, so that this is worth its lines.
fn dotted(text: &[u8]) -> Option<Ipv4Addr> {
    if text.len() < 7 || text.len() > 15 {
        return None;
    }
    let mut octets = [0u8; 4];
    let (mut at, mut value, mut digits) = (0, 0u32, 0);
    for &byte in text {
        match byte {
            b'0'..=b'9' => {
                // `010` is eight to some and ten to others: nobody prints it.
                if digits == 3 || (digits > 0 && value == 0) {
                    return None;
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && at < 3 && value < 256 => {
                octets[at] = value as u8;
                (at, value, digits) = (at + 1, 0, 0);
            }
            _ => return None,
        }
    }
    if at != 3 || digits == 0 || value > 255 {
        return None;
    }
    octets[3] = value as u8;
    Some(Ipv4Addr::from(octets))
}

/// A name, unless it is the address over again.
pub(super) fn name_of(name: &str, address: Option<IpAddr>) -> Option<String> {
    let name = clean(name);
    let empty = name.is_empty() || name == "???" || name == "*";
    (!empty && (address.is_none() || self::address(&name) != address)).then_some(name)
}

/// Nanoseconds since 1970 of an RFC 3339 time.
pub(super) fn instant(text: &str) -> Option<i64> {
    let at: jiff::Timestamp = text.trim().parse().ok()?;
    i64::try_from(at.as_nanosecond()).ok()
}

/// Nanoseconds since 1970 of seconds since then.
pub(super) fn seconds(since: i64) -> Option<i64> {
    since.checked_mul(1_000_000_000)
}

/// A round trip in milliseconds, if it can be one: up to half an hour.
pub(super) fn milliseconds(value: f64) -> Option<f64> {
    (0.0..=1_800_000.0).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_left_out() {
        assert_eq!(clean("a\u{1b}[31mred\u{1b}[0m\u{7}b\u{202e}c\n"), "aredbc");
        assert_eq!(clean("\u{1b}[12"), "");
        assert_eq!(clean(&"я".repeat(200)).len(), 254);
        assert_eq!(clean(" plain name "), "plain name");
    }

    #[test]
    fn addresses_are_read_as_the_library_reads_them() {
        let texts = [
            "192.0.2.1",
            "0.0.0.0",
            "255.255.255.255",
            "256.0.2.1",
            "192.0.2",
            "192.0.2.",
            ".192.0.2",
            "192.0.2.01",
            "1.2.3.4.5",
            "1..2.3",
            "",
            "2001:db8::1",
            "::ffff:192.0.2.1",
            "x",
            "192.0.2.1 x",
            "1111.2.3.4",
        ];
        for text in texts {
            assert_eq!(address(text), text.parse().ok(), "{text}");
        }
        assert_eq!(address("fe80::1%eth0"), "fe80::1".parse().ok());
    }

    #[test]
    fn a_name_that_is_the_address_is_none() {
        assert_eq!(name_of("192.0.2.1", address("192.0.2.1")), None);
        assert_eq!(name_of("r1.example.net", address("192.0.2.1")).as_deref(), Some("r1.example.net"));
        assert_eq!(name_of("???", None), None);
    }
}
