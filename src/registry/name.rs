//! Names of hosts as they are asked for and as lists write them.

use super::Level;

/// How the bytes of a file become text.
pub(super) type Decode = fn(&[u8]) -> String;

/// windows-1251, in which the Russian register is written; every byte is a character.
pub(super) fn windows_1251(bytes: &[u8]) -> String {
    encoding_rs::WINDOWS_1251.decode_without_bom_handling(bytes).0.into_owned()
}

/// UTF-8; what is none becomes U+FFFD.
pub(super) fn utf_8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A name that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// As it was asked.
    pub(super) asked: String,
    /// In lower case, in its own letters: `xn--` labels decoded.
    letters: String,
    /// The same as asked, in lower case.
    plain: String,
}

impl Wanted {
    /// `None` for what is no name.
    pub(super) fn new(text: &str) -> Option<Self> {
        let plain = text.trim().trim_end_matches('.').to_lowercase();
        let usable = !plain.is_empty() && plain.len() <= 255 && !plain.contains(['/', ' ', ':']);
        usable.then(|| Self { asked: text.trim().to_owned(), letters: in_letters(&plain), plain })
    }

    /// How an entry matches: `example.net` itself, or a mask `*.example.net` (`.example.net`), which covers `example.net` and all below.
    pub(super) fn matches(&self, entry: &[u8], decode: Decode) -> Option<Level> {
        let entry = entry.trim_ascii();
        if let Some(below) = entry.strip_prefix(b"*.").or_else(|| entry.strip_prefix(b".")) {
            let covered = self.is(below, decode) || self.ends_in(below, decode);
            return covered.then_some(Level::NameMask);
        }
        self.is(entry, decode).then_some(Level::Name)
    }

    /// Whether an entry is this name.
    pub(super) fn is(&self, entry: &[u8], decode: Decode) -> bool {
        let entry = entry.strip_suffix(b".").unwrap_or(entry);
        if entry.is_ascii() {
            // Nearly all entries: nothing is allocated for them.
            return entry.eq_ignore_ascii_case(self.plain.as_bytes())
                || (has_code(entry) && in_letters(&lower(entry)) == self.letters);
        }
        decode(entry).to_lowercase() == self.letters
    }

    /// Whether this name is below a domain.
    fn ends_in(&self, domain: &[u8], decode: Decode) -> bool {
        let domain = domain.strip_suffix(b".").unwrap_or(domain);
        if domain.is_empty() {
            return false;
        }
        let below = |name: &str, domain: &str| {
            name.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        };
        if domain.is_ascii() {
            let domain = lower(domain);
            return below(&self.plain, &domain) || below(&self.letters, &in_letters(&domain));
        }
        below(&self.letters, &decode(domain).to_lowercase())
    }
}

fn lower(ascii: &[u8]) -> String {
    String::from_utf8_lossy(ascii).to_ascii_lowercase()
}

fn has_code(name: &[u8]) -> bool {
    name.windows(4).any(|four| four.eq_ignore_ascii_case(b"xn--"))
}

/// The name in a URL, without user, port and path.
pub(super) fn host_of(url: &[u8]) -> Option<&[u8]> {
    let begin = memchr::memmem::find(url, b"://")? + 3;
    let rest = &url[begin..];
    let authority = &rest[..rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len())];
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or(authority);
    let end = memchr::memchr(b':', host).unwrap_or(host.len());
    Some(&host[..end])
}

/// A name with its `xn--` labels in their own letters; a label that is none stays what it is.
fn in_letters(name: &str) -> String {
    let labels: Vec<String> = name
        .split('.')
        .map(|label| {
            let decoded = label.strip_prefix("xn--").and_then(punycode);
            decoded.unwrap_or_else(|| label.to_owned())
        })
        .collect();
    labels.join(".")
}

/// RFC 3492 §6.2, with the parameters of §5.
fn punycode(code: &str) -> Option<String> {
    const BASE: u32 = 36;
    // A label has at most 63 bytes (RFC 1035 §2.3.4); this also bounds the insertions below.
    if code.len() > 63 || !code.is_ascii() {
        return None;
    }
    let (plain, rest) = code.rsplit_once('-').unwrap_or(("", code));
    let mut letters: Vec<char> = plain.chars().collect();
    let (mut point, mut place, mut bias) = (128u32, 0u32, 72u32);
    let mut digits = rest.bytes();
    while digits.len() > 0 {
        let (before, mut weight) = (place, 1u32);
        for k in 1.. {
            let digit = match digits.next()? {
                byte @ b'a'..=b'z' => byte - b'a',
                byte @ b'A'..=b'Z' => byte - b'A',
                byte @ b'0'..=b'9' => byte - b'0' + 26,
                _ => return None,
            };
            place = place.checked_add(u32::from(digit).checked_mul(weight)?)?;
            let threshold = (BASE * k).saturating_sub(bias).clamp(1, 26);
            if u32::from(digit) < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
        }
        let count = letters.len() as u32 + 1;
        let mut delta = (place - before) / if before == 0 { 700 } else { 2 };
        delta += delta / count;
        let mut k = 0;
        while delta > (BASE - 1) * 26 / 2 {
            delta /= BASE - 1;
            k += BASE;
        }
        bias = k + BASE * delta / (delta + 38);
        point = point.checked_add(place / count)?;
        place %= count;
        letters.insert(place as usize, char::from_u32(point)?);
        place += 1;
    }
    Some(letters.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_decoded_as_the_rfc_does() {
        // RFC 3492 §7.1 (I), lower case, and a few of everyday.
        assert_eq!(
            punycode("b1abfaaepdrnnbgefbadotcwatmq2g4l").as_deref(),
            Some("почемужеонинеговорятпорусски")
        );
        assert_eq!(punycode("bcher-kva").as_deref(), Some("bücher"));
        assert_eq!(in_letters("xn--e1afmkfd.xn--p1ai"), "пример.рф");
        for bad in ["-", "a-€", "99999999999", "zzzzzzzzzzzzzzzzzzzzzz"] {
            // Whatever it is, it ends.
            let _ = punycode(bad);
        }
        assert_eq!(punycode("99999999999"), None, "an overflow is no letter");
    }

    #[test]
    fn names_match_exactly_or_below_a_mask_in_either_spelling() {
        let wanted = Wanted::new("MX.Example.net.").unwrap();
        let level = |entry: &str| wanted.matches(entry.as_bytes(), utf_8);
        assert_eq!(level("mx.example.NET"), Some(Level::Name));
        assert_eq!(level("*.example.net"), Some(Level::NameMask));
        assert_eq!(level("*.mx.example.net"), Some(Level::NameMask));
        assert_eq!(level(".example.net"), Some(Level::NameMask));
        for other in ["example.net", "*.ample.net", "*.", "*", "x.mx.example.net", "mx.example.net.org", ""] {
            assert_eq!(level(other), None, "{other}");
        }
        let wanted = Wanted::new("почта.пример.рф").unwrap();
        assert_eq!(wanted.matches("*.xn--e1afmkfd.xn--p1ai".as_bytes(), utf_8), Some(Level::NameMask));
        let bytes = encoding_rs::WINDOWS_1251.encode("*.ПРИМЕР.рф").0;
        assert_eq!(wanted.matches(&bytes, windows_1251), Some(Level::NameMask));
        let wanted = Wanted::new("xn--e1afmkfd.xn--p1ai").unwrap();
        assert_eq!(wanted.matches("Пример.рф".as_bytes(), utf_8), Some(Level::Name));
        assert!(Wanted::new("a b").is_none() && Wanted::new("").is_none());
    }

    #[test]
    fn hosts_of_urls() {
        let host = |url: &str| host_of(url.as_bytes()).map(utf_8);
        assert_eq!(host("https://user@a.example:8443/x?y").as_deref(), Some("a.example"));
        assert_eq!(host("http://a.example").as_deref(), Some("a.example"));
        assert_eq!(host("a.example/x"), None);
    }
}
