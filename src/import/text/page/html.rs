//! A web page's text. Looking glasses answer in HTML, and people save the page.
//!
//! Only names of real elements count as tags: traceroutes write `<syn,ack>` and `<1 ms`.

/// The end of a line that is none in the file.
const SOFT: char = '\u{b}';

/// Elements that begin and end a line.
const BLOCKS: [&str; 35] = [
    "address",
    "article",
    "blockquote",
    "body",
    "br",
    "caption",
    "center",
    "div",
    "dd",
    "dl",
    "dt",
    "fieldset",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "title",
    "tr",
    "ul",
];

/// Elements that only stand in a line.
const INLINE: [&str; 37] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "button", "code", "em", "font", "i", "img", "input",
    "ins", "kbd", "label", "link", "mark", "meta", "nobr", "option", "s", "samp", "select", "small", "span",
    "strong", "sub", "sup", "tbody", "textarea", "thead", "tt", "u", "var", "wbr",
];

/// Elements of a table's row: a space between them.
const CELLS: [&str; 3] = ["td", "th", "col"];

/// Elements whose content is no text.
const MUTE: [&str; 4] = ["script", "style", "noscript", "svg"];

/// Whether a text is a page or a piece of one: a tag that no traceroute writes, or an entity.
pub(super) fn is_page(text: &str) -> bool {
    const ENTITIES: [&str; 5] = ["&nbsp;", "&lt;", "&gt;", "&amp;", "&#"];
    // A lone `<a>` could be a router's prompt; a page has one of these.
    const SIGNS: [&str; 12] =
        ["html", "body", "pre", "br", "table", "td", "div", "p", "span", "code", "textarea", "font"];
    if text.contains('&') && ENTITIES.iter().any(|entity| text.contains(entity)) {
        return true;
    }
    text.match_indices('<')
        .any(|(at, _)| tag(&text[at..]).is_some_and(|tag| SIGNS.contains(&tag.name.as_str())))
}

struct Tag {
    name: String,
    closing: bool,
    length: usize,
}

/// The most bytes that a tag may have; more, and its `<` is just a sign.
const LONGEST_TAG: usize = 2048;

fn tag(text: &str) -> Option<Tag> {
    let inner = text.strip_prefix('<')?;
    let (closing, inner) = inner.strip_prefix('/').map_or((false, inner), |inner| (true, inner));
    let length = inner.bytes().take(12).take_while(u8::is_ascii_alphanumeric).count();
    let name = inner[..length].to_ascii_lowercase();
    let known = |list: &[&str]| list.contains(&name.as_str());
    if !(known(&BLOCKS) || known(&INLINE) || known(&CELLS) || known(&MUTE)) {
        return None;
    }
    let rest = &inner.as_bytes()[length..];
    if !rest.first().is_some_and(|byte| matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r')) {
        return None;
    }
    // A `<` before the end means that it is no tag; so no byte is looked at for two of them.
    let end = rest.iter().take(LONGEST_TAG).position(|byte| matches!(byte, b'<' | b'>'))?;
    if rest[end] == b'<' {
        return None;
    }
    let length = usize::from(closing) + 1 + length + end + 1;
    Some(Tag { name, closing, length })
}

/// The text of a page. Line ends of the file stay where they are, those that the page makes are soft.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    // The element whose content is left out.
    let mut mute: Option<String> = None;
    let mut endless = false;
    while let Some(at) = rest.find(['<', '&']) {
        push(&mut plain, &rest[..at], mute.is_some());
        rest = &rest[at..];
        if let Some(length) = comment(rest, &mut endless) {
            push(&mut plain, &rest[..length], true);
            rest = &rest[length..];
            continue;
        }
        if let Some(tag) = tag(rest) {
            push(&mut plain, &rest[..tag.length], true);
            rest = &rest[tag.length..];
            let is = |list: &[&str]| list.contains(&tag.name.as_str());
            match &mute {
                Some(name) if tag.closing && *name == tag.name => mute = None,
                Some(_) => {}
                None if is(&MUTE) && !tag.closing => mute = Some(tag.name),
                None if is(&BLOCKS) => soft(&mut plain),
                None if is(&CELLS) => plain.push(' '),
                None => {}
            }
            continue;
        }
        if let Some((one, length)) = entity(rest) {
            if mute.is_none() {
                plain.push(one);
            }
            rest = &rest[length..];
            continue;
        }
        push(&mut plain, &rest[..1], mute.is_some());
        rest = &rest[1..];
    }
    push(&mut plain, rest, mute.is_some());
    plain
}

/// The length of a comment or declaration. Once a comment has no end none after it has, and nobody looks again.
fn comment(text: &str, endless: &mut bool) -> Option<usize> {
    if let Some(inner) = text.strip_prefix("<!--") {
        if *endless {
            return None;
        }
        let end = inner.find("-->");
        *endless = end.is_none();
        return end.map(|end| end + 7);
    }
    let end =
        text.strip_prefix("<!")?.bytes().take(LONGEST_TAG).position(|byte| matches!(byte, b'<' | b'>'))?;
    (text.as_bytes()[end + 2] == b'>').then_some(end + 3)
}

/// A line ends, unless it has not begun.
fn soft(plain: &mut String) {
    if !plain.is_empty() && !plain.ends_with(['\n', '\r', SOFT]) {
        plain.push(SOFT);
    }
}

/// Text, or of what is left out its line ends: the lines of the file are counted by them.
fn push(plain: &mut String, text: &str, mute: bool) {
    if mute {
        plain.extend(text.chars().filter(|one| *one == '\n'));
    } else {
        plain.push_str(text);
    }
}

/// A character reference and its length; those that can stand in a traceroute by name, any by number.
fn entity(text: &str) -> Option<(char, usize)> {
    const NAMES: [(&str, char); 10] = [
        ("nbsp", ' '),
        ("lt", '<'),
        ("gt", '>'),
        ("amp", '&'),
        ("quot", '"'),
        ("apos", '\''),
        ("shy", '\u{ad}'),
        ("ensp", ' '),
        ("emsp", ' '),
        ("ast", '*'),
    ];
    let inner = text.strip_prefix('&')?;
    let end = inner.bytes().take(12).position(|byte| byte == b';')?;
    let name = &inner[..end];
    let one = match name.strip_prefix('#') {
        Some(number) => {
            let value = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            // A line end by number would shift the numbers of the lines after it.
            char::from_u32(value).filter(|one| !matches!(one, '\n' | '\r'))?
        }
        None => NAMES.iter().find(|(known, _)| *known == name)?.1,
    };
    Some((one, end + 2))
}
