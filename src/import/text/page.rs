//! Text to lines: what stands around a traceroute without being one goes here, before any dialect sees it.
//!
//! Tags and entities of a web page, colours of a terminal, marks that turn text around, the `>` of a quoted mail, the frame
//! of a forum's table, the times that a session log puts before each line. A line keeps the number it has in the file,
//! whatever was taken from it; a page that is one line of HTML yields many lines with the number one.

use std::borrow::Cow;

use super::{Line, MOST_LINES};
use crate::import::{Error, Problem};
use crate::trace::foreign::ForeignTrace;

mod html;
mod strip;

/// The most bytes of a line that are read.
const LONGEST_LINE: usize = 4 << 10;

/// A line's place: its number in the file, and where it stands in the page's text.
struct Span {
    source: u64,
    start: usize,
    end: usize,
    cut: bool,
}

/// The lines of a text, cleaned.
pub(super) struct Page {
    text: String,
    spans: Vec<Span>,
    /// There were more lines than are read.
    pub(super) left_out: bool,
}

impl Page {
    pub(super) fn new(text: &str) -> Self {
        let plain = if html::is_page(text) { Cow::Owned(html::plain(text)) } else { Cow::Borrowed(text) };
        let mut page = Self { text: String::with_capacity(plain.len()), spans: Vec::new(), left_out: false };
        let mut source = 1;
        let mut clean = String::new();
        for (line, end) in pieces(&plain) {
            if page.spans.len() == MOST_LINES {
                page.left_out = true;
                break;
            }
            page.push(line, source, &mut clean);
            source += u64::from(end == End::Line);
        }
        page
    }

    fn push(&mut self, line: &str, source: u64, clean: &mut String) {
        strip::controls(line, clean);
        let kept = strip::surroundings(clean);
        let length = kept.floor_char_boundary(LONGEST_LINE);
        let start = self.text.len();
        self.text.push_str(&kept[..length]);
        self.spans.push(Span { source, start, end: self.text.len(), cut: length < kept.len() });
    }

    /// The lines, numbered as they stand here; [`Page::number`] turns that into their numbers in the file.
    pub(super) fn lines(&self) -> Vec<Line<'_>> {
        let line = |(number, span): (u64, &Span)| Line { number, text: &self.text[span.start..span.end] };
        (1..).zip(&self.spans).map(line).collect()
    }

    fn source(&self, number: u64) -> u64 {
        let at = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        self.spans.get(at).map_or(number, |span| span.source)
    }

    /// The number in the file of the last line read.
    pub(super) fn last_line(&self) -> u64 {
        self.spans.last().map_or(1, |span| span.source)
    }

    /// Gives a trace the line numbers of the file, and says which of its lines were cut.
    pub(super) fn number(&self, trace: &mut ForeignTrace) {
        if let Some((first, last)) = trace.origin.lines {
            let within = usize::try_from(first.saturating_sub(1)).unwrap_or(usize::MAX);
            let spans = self.spans.iter().enumerate().skip(within);
            let cut: Vec<u64> = spans
                .take_while(|(at, _)| *at < usize::try_from(last).unwrap_or(usize::MAX))
                .filter(|(_, span)| span.cut)
                .map(|(at, _)| at as u64 + 1)
                .collect();
            for line in cut {
                trace.note(Some(line), format!("longer than {LONGEST_LINE} bytes: the rest was not read"));
            }
            trace.origin.lines = Some((self.source(first), self.source(last)));
        }
        for finding in &mut trace.findings {
            finding.line = finding.line.map(|line| self.source(line));
        }
        trace.findings.sort_by_key(|finding| finding.line);
    }

    /// The same for an error.
    pub(super) fn number_error(&self, error: &mut Error) {
        error.line = error.line.map(|line| self.source(line));
        if let Problem::TooDoubtful { first, .. } = &mut error.problem {
            *first = self.source(*first);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// A line of the file ends.
    Line,
    /// A line of the page ends within one of the file.
    Soft,
}

/// Lines by any end that a system knows: LF, CR LF, CR alone, and what Unicode has.
fn pieces(text: &str) -> impl Iterator<Item = (&str, End)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let all = rest.filter(|rest| !rest.is_empty())?;
        let Some(at) = all.find(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) else {
            rest = None;
            return Some((all, End::Line));
        };
        let tail = &all[at..];
        let (length, end) = match tail.chars().next() {
            Some('\r') if tail[1..].starts_with('\n') => (2, End::Line),
            Some('\u{b}' | '\u{c}') => (1, End::Soft),
            first => (first.map_or(1, char::len_utf8), End::Line),
        };
        rest = Some(&tail[length..]);
        Some((&all[..at], end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(u64, String)> {
        let page = Page::new(text);
        page.lines().iter().map(|line| (page.source(line.number), line.text.to_owned())).collect()
    }

    fn texts(text: &str) -> Vec<String> {
        lines(text).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn lines_end_as_any_system_ends_them() {
        assert_eq!(texts("a\nb\r\nc\rd\u{2028}e\n"), ["a", "b", "c", "d", "e"]);
        let numbers: Vec<u64> = lines("a\r\n\r\nb").into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [1, 2, 3]);
    }

    #[test]
    fn a_page_of_one_line_yields_lines_with_the_number_one() {
        let page = "<html><script>if (a<b) alert(\"1  192.0.2.1  1 ms\")</script><pre>1&nbsp;192.0.2.1&#32;&lt;1 ms<br>2 &#x2a;</pre></html>";
        assert_eq!(lines(page), [(1, "1 192.0.2.1 <1 ms".into()), (1, "2 *".into())]);
    }

    #[test]
    fn what_a_tool_writes_in_angle_brackets_is_no_tag() {
        for line in [
            " 6  192.0.2.1 <syn,ack>  0.1 ms",
            " 2  192.0.2.1 <MPLS:L=16,E=0,S=1,T=1>  1 ms",
            "  1    <1 ms     1 ms    <1 ms  192.0.2.1",
        ] {
            assert_eq!(texts(&format!("<pre>\n{line}\n</pre>"))[1], line);
        }
    }

    #[test]
    fn colours_and_marks_that_turn_text_around_go() {
        assert_eq!(
            texts("\u{1b}[1;32m 1\u{1b}[0m  192.0.2.1\u{202e}  1\u{a0}ms\u{7}\u{ad}"),
            [" 1  192.0.2.1  1 ms"]
        );
        assert_eq!(texts("\u{1b}]0;title\u{7} 1  *\t*"), [" 1  *\t*"]);
    }

    #[test]
    fn quotes_frames_and_times_go_and_indents_stay() {
        assert_eq!(texts("> >  1  192.0.2.1  1 ms"), [" 1  192.0.2.1  1 ms"]);
        assert_eq!(texts("| 1  192.0.2.1  1 ms |"), [" 1  192.0.2.1  1 ms "]);
        assert_eq!(texts("+-----+"), [""]);
        assert_eq!(texts("    |  `|-- 192.0.2.1"), ["    |  `|-- 192.0.2.1"]);
        for time in [
            "[2024-05-01 10:00:00] ",
            "2024-05-01T10:00:00.123Z ",
            "[2019-04-11 11:02:15,834] ",
            "10:00:00 ",
            "[10:00:00.5]: ",
        ] {
            assert_eq!(texts(&format!("{time} 1  192.0.2.1  1 ms")), [" 1  192.0.2.1  1 ms"], "{time}");
        }
        assert_eq!(texts("2001:db8::1  1 ms"), ["2001:db8::1  1 ms"]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_a_text_without_end_too() {
        let long = "é".repeat(LONGEST_LINE);
        let page = Page::new(&long);
        assert!(page.lines()[0].text.len() <= LONGEST_LINE && page.spans[0].cut);
        let many = "\n".repeat(MOST_LINES + 7);
        let page = Page::new(&many);
        assert_eq!((page.lines().len(), page.left_out), (MOST_LINES, true));
    }
}
