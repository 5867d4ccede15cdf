//! Characters and beginnings of lines that are no part of what a tool printed.

/// Writes a line without what a terminal acts upon, and with plain spaces.
pub(super) fn controls(line: &str, clean: &mut String) {
    clean.clear();
    let mut rest = line;
    while let Some(at) = rest.find(|one: char| !matches!(one, ' '..='~' | '\t')) {
        clean.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(one) = rest.chars().next() else { break };
        rest = &rest[one.len_utf8()..];
        match one {
            '\u{1b}' => rest = escape(rest),
            // The same introducer as one character.
            '\u{9b}' => rest = sequence(rest),
            _ if one.is_control() || acts(one) => {}
            _ if one.is_whitespace() => clean.push(' '),
            _ => clean.push(one),
        }
    }
    clean.push_str(rest);
}

/// What follows an escape character (ECMA-48): a control sequence, a string up to its end, or one character.
fn escape(rest: &str) -> &str {
    match rest.chars().next() {
        Some('[') => sequence(&rest[1..]),
        Some(']' | 'P' | '_' | '^' | 'X') => match rest.find(['\u{7}', '\u{9c}', '\u{1b}']) {
            Some(end) => {
                let tail = &rest[end..];
                tail.strip_prefix("\u{1b}\\").unwrap_or_else(|| {
                    let first = tail.chars().next().map_or(0, char::len_utf8);
                    &tail[first..]
                })
            }
            // Without an end it is no such string.
            None => &rest[1..],
        },
        Some(one @ ' '..='~') => &rest[one.len_utf8()..],
        _ => rest,
    }
}

fn sequence(rest: &str) -> &str {
    let parameters = rest.trim_start_matches(|one| matches!(one, '\u{20}'..='\u{3f}'));
    match parameters.chars().next() {
        Some(one @ '@'..='~') => &parameters[one.len_utf8()..],
        _ => parameters,
    }
}

/// Marks of direction, invisible joiners and separators, soft hyphens, tags, byte order marks.
const fn acts(one: char) -> bool {
    matches!(
        one,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// A line without what a mail, a table or a log put around it.
pub(super) fn surroundings(line: &str) -> &str {
    let line = quoted(line);
    let line = framed(line);
    stamped(line)
}

/// A mail's quotation: `> > `, with the indent of what is quoted kept.
fn quoted(line: &str) -> &str {
    let mut rest = line;
    while let Some(inner) = rest.trim_start_matches(' ').strip_prefix('>') {
        rest = inner.strip_prefix(' ').unwrap_or(inner);
    }
    rest
}

fn framed(line: &str) -> &str {
    const BARS: [char; 6] = ['|', '│', '║', '┃', '¦', '▌'];
    const RULES: [char; 21] = [
        '+', '-', '=', '|', '│', '║', '┃', '─', '━', '═', '┌', '┐', '└', '┘', '├', '┤', '┬', '┴', '┼', '╔',
        '╝',
    ];
    let inside = line.trim();
    if inside.chars().count() > 2 && inside.chars().all(|one| RULES.contains(&one)) {
        return "";
    }
    let inner = inside.strip_prefix(BARS).and_then(|rest| rest.strip_suffix(BARS));
    inner.filter(|inner| !inner.trim().is_empty()).unwrap_or(line)
}

/// The time that a log puts before each line: a date with a time or a time alone, in brackets or bare. What the tool itself
/// printed begins after one space or colon.
fn stamped(line: &str) -> &str {
    let start = line.trim_start_matches(' ');
    let (inner, bracketed) = match start.strip_prefix('[') {
        Some(inner) => (inner, true),
        None => (start, false),
    };
    let date = shape(inner, "dddd-dd-dd")
        .or_else(|| shape(inner, "dddd/dd/dd"))
        .or_else(|| shape(inner, "dd.dd.dddd"));
    let at = match date {
        Some(rest) => rest.strip_prefix(['T', ' ', '_']).unwrap_or("-"),
        None => inner,
    };
    let Some(rest) = shape(at, "dd:dd:dd") else { return line };
    let rest = match rest.strip_prefix(['.', ',']) {
        Some(fraction) => fraction.trim_start_matches(|one: char| one.is_ascii_digit()),
        None => rest,
    };
    let zoned = rest.strip_prefix('Z').or_else(|| {
        let zone = rest.strip_prefix(['+', '-'])?;
        shape(zone, "dd:dd").or_else(|| shape(zone, "dddd"))
    });
    let rest = zoned.unwrap_or(rest);
    let Some(rest) = (if bracketed { rest.strip_prefix(']') } else { Some(rest) }) else { return line };
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    match rest.strip_prefix([' ', '\t']) {
        Some(rest) => rest,
        None if rest.is_empty() || bracketed => rest,
        None => line,
    }
}

/// What follows digits (`d`) and signs in that order.
fn shape<'a>(text: &'a str, shape: &str) -> Option<&'a str> {
    let bytes = text.as_bytes().get(..shape.len())?;
    let fits = bytes.iter().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
        b'd' => byte.is_ascii_digit(),
        sign => *byte == sign,
    });
    fits.then(|| &text[shape.len()..])
}
