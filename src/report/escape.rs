//! Foreign text on its way to a terminal.
//!
//! Host names and AS names are strangers' text. A control character in them could move the cursor, and a bidirectional
//! mark could make one name look like another (Trojan Source, 2021).

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
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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
}
