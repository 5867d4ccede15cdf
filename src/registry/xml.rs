//! `dump.xml`: the Russian register in its own form, for operators.
//!
//! `<content>` has a `blockType` that says what is to be blocked; only with `ip` are its addresses that. The encoding is what
//! the declaration says, windows-1251 in practice. Read event by event; an event, a text and the depth are bounded.

use std::io::{self, BufRead, Read};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::item::{Item, NoItem};
use super::name::utf_8;
use super::zapret::Lazy;
use super::{Error, Search, some};

/// The most bytes of one tag or text.
const LONGEST_EVENT: usize = 4 << 20;
/// The most bytes kept of a child's text.
const LONGEST_CHILD: usize = 64 << 10;
/// The form has three levels.
const DEEPEST: usize = 16;

/// Passes the file on as UTF-8, until there is too much for one event.
struct Guard<'r> {
    input: &'r mut dyn BufRead,
    decoder: encoding_rs::Decoder,
    text: Vec<u8>,
    /// What of `text` has been read, and what of it is text.
    at: usize,
    end: usize,
    left: usize,
    done: bool,
}

/// Bytes decoded at a time.
const PIECE: usize = 64 << 10;

impl<'r> Guard<'r> {
    /// The encoding is what the declaration says, which is within the first bytes.
    fn new(input: &'r mut dyn BufRead) -> Result<Self, Error> {
        let head = input.fill_buf()?;
        let head = &head[..head.len().min(200)];
        let label =
            memchr::memmem::find(head, b"encoding=").and_then(|at| head.get(at + "encoding=".len() + 1..));
        let label = label.and_then(|text| text.split(|byte| b"\"'".contains(byte)).next());
        let encoding = match label {
            None => encoding_rs::UTF_8,
            Some(label) => encoding_rs::Encoding::for_label(label).ok_or_else(|| Error::Broken {
                after: 0,
                what: format!("its encoding '{}' is none that is known", String::from_utf8_lossy(label)),
            })?,
        };
        let decoder = encoding.new_decoder_with_bom_removal();
        let text = vec![0; PIECE];
        Ok(Self { input, decoder, text, at: 0, end: 0, left: LONGEST_EVENT, done: false })
    }
}

impl Read for Guard<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let filled = self.fill_buf()?;
        let count = filled.len().min(buffer.len());
        buffer[..count].copy_from_slice(&filled[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Guard<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a tag or a text is longer than 4 MiB"));
        }
        while self.at == self.end && !self.done {
            let filled = self.input.fill_buf()?;
            let last = filled.is_empty();
            let (result, read, written, _) = self.decoder.decode_to_utf8(filled, &mut self.text, last);
            self.input.consume(read);
            (self.at, self.end) = (0, written);
            self.done = last && result == encoding_rs::CoderResult::InputEmpty;
        }
        Ok(&self.text[self.at..self.end.min(self.at + self.left)])
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
        self.at = (self.at + count).min(self.end);
    }
}

/// An entry being read.
#[derive(Default)]
struct Content {
    /// The addresses are not what is to be blocked.
    about_more: bool,
    /// Matches before it.
    before: usize,
    decision: Option<String>,
    date: Option<String>,
    authority: Option<String>,
    has_domain: bool,
}

pub(super) fn read(input: &mut dyn BufRead, search: &mut Search<'_>) -> Result<(), Error> {
    let mut reader = Reader::from_reader(Guard::new(input)?);
    let mut buffer = Vec::new();
    let mut depth = 0usize;
    let mut seen_root = false;
    let mut content: Option<Content> = None;
    let mut text = String::new();
    loop {
        buffer.clear();
        if buffer.capacity() > LONGEST_CHILD {
            buffer.shrink_to(LONGEST_CHILD);
        }
        reader.get_mut().left = LONGEST_EVENT;
        let entry = search.found.entries + 1;
        let broken = |what: String| Error::Broken { after: entry - 1, what };
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(quick_xml::Error::Io(error)) if error.kind() != io::ErrorKind::InvalidData => {
                return Err(Error::Reading(io::Error::new(error.kind(), error.to_string())));
            }
            Err(error) => return Err(broken(error.to_string())),
        };
        match event {
            Event::Start(tag) => {
                depth += 1;
                if depth > DEEPEST {
                    return Err(broken("it is nested deeper than a register is".to_owned()));
                }
                text.clear();
                opened(&tag, search, &mut content, &mut seen_root);
            }
            Event::Empty(tag) => {
                opened(&tag, search, &mut content, &mut seen_root);
                if tag.local_name().as_ref() == "content" {
                    closed(search, &mut content);
                }
            }
            Event::Text(piece) => add(&mut text, &piece, search, entry),
            Event::CData(piece) => add(&mut text, &piece, search, entry),
            Event::GeneralRef(name) => {
                let letter = match name.as_ref() {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "quot" => "\"",
                    "apos" => "'",
                    // No address and no name of the register needs another.
                    _ => "?",
                };
                add(&mut text, letter, search, entry);
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                match (tag.local_name().as_ref(), &mut content) {
                    ("content", _) => closed(search, &mut content),
                    (name, Some(content)) => child(name, text.trim(), content, entry, search),
                    _ => {}
                }
                text.clear();
            }
            Event::Eof if depth == 0 && seen_root => return Ok(()),
            Event::Eof => return Err(broken("it ends before it is closed".to_owned())),
            _ => {}
        }
    }
}

fn add(text: &mut String, piece: &str, search: &mut Search<'_>, entry: u64) {
    let room = LONGEST_CHILD.saturating_sub(text.len());
    if piece.len() > room {
        search.warn("a text longer than 64 KiB", entry);
    }
    text.push_str(&piece[..piece.floor_char_boundary(room)]);
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().filter_map(Result::ok).find(|one| one.key.as_ref() == name)?;
    let text = found.value.as_ref();
    some(&quick_xml::escape::unescape(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned))
}

fn opened(
    tag: &BytesStart<'_>,
    search: &mut Search<'_>,
    content: &mut Option<Content>,
    seen_root: &mut bool,
) {
    match (tag.local_name().as_ref(), content) {
        ("register", _) => {
            *seen_root = true;
            search.found.dated = attribute(tag, "updateTime");
        }
        ("content", content) => {
            let kind = attribute(tag, "blockType");
            let about_more = kind.as_deref() != Some("ip");
            let before = search.found.matches.len();
            *content = Some(Content { about_more, before, ..Content::default() });
        }
        ("decision", Some(content)) => {
            content.decision = attribute(tag, "number");
            content.date = attribute(tag, "date");
            content.authority = attribute(tag, "org");
        }
        _ => {}
    }
}

/// A child of an entry has been read.
fn child(name: &str, text: &str, content: &mut Content, entry: u64, search: &mut Search<'_>) {
    match name {
        "ip" | "ipSubnet" | "ipv6" | "ipv6Subnet" => match Item::parse(text.as_bytes()) {
            Ok(item) => {
                search.item(&item, content.about_more, entry, &Lazy(|| text.to_owned()), &Default::default);
            }
            Err(NoItem::Junk) => search.warn("an address at which nobody can be", entry),
            Err(NoItem::Other) => search.warn("an address that is none", entry),
        },
        "domain" => {
            content.has_domain |= !text.is_empty();
            search.name(text.as_bytes(), utf_8, entry, &Default::default);
        }
        "url" => search.url(text.as_bytes(), utf_8, entry, &Default::default),
        _ => {}
    }
}

/// An entry is complete: what it says beside its addresses may have come last.
fn closed(search: &mut Search<'_>, content: &mut Option<Content>) {
    let Some(content) = content.take() else { return };
    search.found.entries += 1;
    let found = &mut search.found.matches;
    for one in found.iter_mut().skip(content.before) {
        one.decision.clone_from(&content.decision);
        one.date.clone_from(&content.date);
        one.authority.clone_from(&content.authority);
    }
    if content.has_domain {
        // The name is an entry itself: that one of its pages is as well adds nothing.
        let mut place = 0;
        found.retain(|one| {
            place += 1;
            place <= content.before || one.level != super::Level::Url
        });
    }
}
