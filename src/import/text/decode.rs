//! Bytes to text. What people send was redirected by a Russian console (CP866), by PowerShell (UTF-16), pasted from
//! Notepad (windows-1251), and rarely says which.
//!
//! Digits and addresses are the same in all of them; a wrong guess costs a host's name or a message, never a hop.

use std::borrow::Cow;

use encoding_rs::{Encoding, IBM866, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1251, WINDOWS_1252};

/// Bytes by which the encoding is guessed: lines with anything but ASCII, up to this many.
const SAMPLE: usize = 1 << 16;

/// Words of Russian and Ukrainian traceroutes; each weighs more than any letters.
const WORDS: [&str; 9] = [
    "трассировка",
    "прыжков",
    "превышен",
    "маршрута",
    "интервал",
    "заданный",
    "мс",
    "трасування",
    "перевищено",
];

/// The text of a file. A byte order mark decides; then whether it is UTF-8; then what its letters look like.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    encoding(bytes).decode(bytes).0
}

fn encoding(bytes: &[u8]) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return encoding;
    }
    if let Some(wide) = wide(bytes) {
        return wide;
    }
    if is_mostly_utf8(bytes) {
        return UTF_8;
    }
    let sample = sample(bytes);
    let mut best = (WINDOWS_1252, i64::MIN);
    // In case of doubt the western one: it leaves Latin letters alone.
    for candidate in [WINDOWS_1252, WINDOWS_1251, IBM866] {
        let score = score(&candidate.decode_without_bom_handling(&sample).0);
        if score > best.1 {
            best = (candidate, score);
        }
    }
    best.0
}

/// UTF-16 without a mark: in a text of digits every other byte is zero.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = &bytes[..bytes.len().min(2048)];
    let zeros = |offset: usize| head.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let most = head.len() / 2 / 2;
    match () {
        () if most > 0 && odd > most && even < odd / 8 => Some(UTF_16LE),
        () if most > 0 && even > most && odd < even / 8 => Some(UTF_16BE),
        () => None,
    }
}

/// UTF-8, even if cut in the middle of a character or with a few bytes broken on the way.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut whole, mut broken) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        whole += chunk.valid().chars().filter(|one| !one.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    broken == 0 || whole >= broken * 4
}

fn sample(bytes: &[u8]) -> Vec<u8> {
    let mut sample = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_ascii()) {
        let room = SAMPLE - sample.len();
        sample.extend_from_slice(&line[..line.len().min(room)]);
        if sample.len() == SAMPLE {
            break;
        }
        sample.push(b'\n');
        if sample.len() == SAMPLE {
            break;
        }
    }
    sample
}

/// How much a text looks like one: known words first, then letters that stand where letters stand.
fn score(text: &str) -> i64 {
    let mut lower = String::with_capacity(text.len());
    let mut score = 0;
    let mut before = ' ';
    let mut letters = text.chars().peekable();
    while let Some(one) = letters.next() {
        lower.extend(one.to_lowercase());
        let after = letters.peek().copied().unwrap_or(' ');
        score += match one {
            _ if one.is_ascii() => 0,
            // Cyrillic within a Latin word is an accent misread; a capital after a small letter a wrong half of the table.
            _ if is_cyrillic(one) && (before.is_ascii_alphabetic() || after.is_ascii_alphabetic()) => -4,
            _ if is_cyrillic(one) && one.is_uppercase() && before.is_lowercase() => -4,
            'о' | 'е' | 'а' | 'и' | 'н' | 'т' | 'с' | 'р' | 'в' | 'л' => 4,
            'а'..='я' | 'і' | 'ї' | 'є' => 2,
            'А'..='Я' => 1,
            'à'..='ö' | 'ø'..='ÿ' if before.is_ascii_alphabetic() || after.is_ascii_alphabetic() => 2,
            _ if one.is_alphabetic() => 0,
            // Frames, signs and what no encoding has.
            _ => -1,
        };
        before = one;
    }
    let known: usize = WORDS.iter().map(|word| lower.matches(word).count()).sum();
    score + 1000 * i64::try_from(known).unwrap_or(i64::MAX / 2000)
}

const fn is_cyrillic(one: char) -> bool {
    matches!(one, '\u{400}'..='\u{4ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUSSIAN: &str =
        "Трассировка маршрута к example.net [192.0.2.10]\r\nс максимальным числом прыжков 30:\r\n";
    const LETTERS: &str = "узел не отвечает, посмотрите";

    #[test]
    fn the_same_words_in_every_encoding_give_the_same_text() {
        for encoding in [IBM866, WINDOWS_1251, UTF_8] {
            for words in [RUSSIAN, LETTERS] {
                let (bytes, _, lost) = encoding.encode(words);
                assert!(!lost);
                assert_eq!(text(&bytes), words, "{}", encoding.name());
            }
        }
    }

    #[test]
    fn utf_16_is_read_with_its_mark_and_without() {
        for words in [RUSSIAN, "traceroute to 192.0.2.1 (192.0.2.1), 30 hops max, 60 byte packets\n"] {
            let little: Vec<u8> = words.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = words.encode_utf16().flat_map(u16::to_be_bytes).collect();
            assert_eq!(text(&[&[0xff, 0xfe], little.as_slice()].concat()), words);
            assert_eq!(text(&[&[0xfe, 0xff], big.as_slice()].concat()), words);
        }
        let bare: Vec<u8> = " 1  192.0.2.1  0.5 ms\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(text(&bare), " 1  192.0.2.1  0.5 ms\n");
    }

    #[test]
    fn a_western_accent_does_not_become_cyrillic() {
        let (bytes, _, _) = WINDOWS_1252.encode("Zeitüberschreitung der Anforderung. Délai dépassé.");
        assert_eq!(text(&bytes), "Zeitüberschreitung der Anforderung. Délai dépassé.");
    }

    #[test]
    fn a_mark_goes_and_a_broken_character_does_not_make_the_rest_unreadable() {
        assert_eq!(text("\u{feff}1  192.0.2.1".as_bytes()), "1  192.0.2.1");
        let mut cut = RUSSIAN.repeat(2).into_bytes();
        cut.truncate(cut.len() - 40);
        cut.push(0xd0);
        assert!(text(&cut).starts_with("Трассировка"));
        assert_eq!(text(b""), "");
    }
}
