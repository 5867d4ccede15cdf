//! Foreign text on its way to a reader.
//!
//! Host names, AS names and saved files are strangers' text. A control character in them could move a terminal's cursor, a
//! bidirectional mark could make one name look like another (Trojan Source, 2021), a tag could run in a browser, an equals
//! sign in a spreadsheet. Each medium has its escape; all of them begin with [`safe`].

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with every character that a terminal would act upon written as `\u{…}`.
#[must_use]
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if acts(character) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Control characters, bidirectional controls, invisible separators and joiners, tags, and the byte order mark.
pub(super) fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The most characters of a name that are shown: registries' longest AS names stay below.
const NAME: usize = 80;

/// A name, cut where nobody would read on.
pub(super) fn clip(text: &str) -> Cow<'_, str> {
    clip_to(text, NAME)
}

/// At most `most` characters, the last of them `…` if something is left out.
pub(super) fn clip_to(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let end = text.char_indices().nth(most.saturating_sub(1)).map_or(0, |(at, _)| at);
            Cow::Owned(format!("{}…", &text[..end]))
        }
    }
}

/// Text of an HTML or XML element or attribute. Characters that act are shown as [`safe`] shows them: XML knows none of
/// the C0 controls, not even as references.
pub(super) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for character in safe(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Neither a character of XML 1.0 nor of a valid page.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// Text of Markdown as GitHub and GitLab read it: nothing in it becomes a mark, a link, a mention, a reference, a table's
/// border or a tag.
pub(super) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let safe = safe(text);
    // Whether a word goes on behind a character of one byte.
    let goes_on = |at: usize| safe[at + 1..].chars().next().is_some_and(|next| !next.is_whitespace());
    let mut before = ' ';
    for (at, character) in safe.char_indices() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '!' | '|' | '~' | '@' | '$' | '^' => {
                out.push('\\');
                out.push(character);
            }
            // A milestone for GitLab.
            '%' if goes_on(at) => out.push_str("\\%"),
            // `http://` becomes a link by itself, and so does `www.`; `:100:` becomes a picture, in an address as well.
            ':' if safe[at..].starts_with("://") || is_picture(&safe[at + 1..]) => out.push_str("\\:"),
            '.' if safe[..at].to_ascii_lowercase().ends_with("www") => out.push_str("\\."),
            // At the beginning these would make a list, a heading's underline or a quotation.
            '-' | '+' | '=' if before == ' ' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
        before = character;
    }
    out
}

/// Whether what follows a colon is a word with another colon behind it.
fn is_picture(rest: &str) -> bool {
    let end = rest.find(|one: char| !(one.is_ascii_alphanumeric() || matches!(one, '_' | '+' | '-')));
    end.is_some_and(|end| end > 0 && rest[end..].starts_with(':'))
}

/// A cell of a CSV file: a text that a spreadsheet would take for a formula is marked as text by an apostrophe, as OWASP's
/// advice on CSV injection has it.
pub(super) fn cell(text: &str) -> Cow<'_, str> {
    let safe = safe(text);
    let first = safe.trim_start().chars().next();
    match first {
        Some('=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}') => {
            Cow::Owned(format!("'{safe}"))
        }
        _ => safe,
    }
}

/// Text for old mail programs: typographic marks become ASCII ones; letters of any script stay.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in safe(text).chars() {
        match character {
            '–' | '—' | '‑' | '─' | '−' => out.push('-'),
            '…' => out.push_str("..."),
            '→' => out.push_str("->"),
            '‘' | '’' => out.push('\''),
            '“' | '”' => out.push('"'),
            '\u{a0}' | '\u{202f}' | '\u{2009}' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

/// One word: no blanks, for formats whose columns are parted by them.
pub(super) fn word(text: &str) -> String {
    safe(text).chars().map(|one| if one.is_whitespace() { '_' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_or_turns_text_around_gets_through() {
        assert_eq!(safe("MTS PJSC, Москва"), "MTS PJSC, Москва");
        assert_eq!(safe("a\u{1b}[2Jb\rc"), "a\\u{1b}[2Jb\\u{d}c");
        assert_eq!(safe("x\u{202e}y\u{200b}\u{9b}z"), "x\\u{202e}y\\u{200b}\\u{9b}z");
    }

    #[test]
    fn long_text_is_cut_by_characters() {
        assert_eq!(clip_to("Москва", 6), "Москва");
        assert_eq!(clip_to("Москва", 5), "Моск…");
        assert_eq!(clip(&"x".repeat(10_000)).chars().count(), NAME);
    }

    #[test]
    fn tags_and_quotes_do_not_leave_their_place_in_a_page() {
        assert_eq!(html("<a href='x'>&\"\u{0}"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\\u{0}");
    }

    #[test]
    fn markdown_stays_text() {
        assert_eq!(markdown("[x](y) *b* `c` |"), "\\[x\\](y) \\*b\\* \\`c\\` \\|");
        assert_eq!(markdown("<b> & @me #1"), "&lt;b&gt; &amp; \\@me \\#1");
        assert_eq!(markdown("https://a www.b :+1:"), "https\\://a www\\.b \\:+1:");
        assert_eq!(markdown("2001:db8::1 - 8 pairs: x"), "2001\\:db8::1 \\- 8 pairs: x");
    }

    #[test]
    fn a_spreadsheet_sees_no_formula() {
        for text in ["=1+1", "+1", "-1", "@x", " =1", "\u{ff1d}1"] {
            assert!(cell(text).starts_with('\''), "{text}");
        }
        assert_eq!(cell("\t=1"), "\\u{9}=1");
        assert_eq!(cell("MTS PJSC"), "MTS PJSC");
    }
}
