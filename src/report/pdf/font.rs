//! The faces of a PDF: which characters they have, how wide text is, and what of them goes into the file.
//!
//! Each character has a code of its own, even where two share a glyph: what is copied out of the page is what was put in.

use std::collections::BTreeMap;
use std::io;

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Chunk, Content, Filter, Finish, Name, Rect, Ref, Str};
use subsetter::GlyphRemapper;

use super::{Refs, pack};
use crate::report::escape::safe;

/// The ways of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Regular,
    Bold,
    /// Characters of one width. It has signs that the others lack, and lends them.
    Mono,
}

/// Name, resource name and file of each face, in the order of [`Style`].
const FILES: [(&str, &[u8], &[u8]); 3] = [
    ("NotoSans-Regular", b"F0", include_bytes!("../../../data/fonts/NotoSans-Regular.ttf")),
    ("NotoSans-Bold", b"F1", include_bytes!("../../../data/fonts/NotoSans-Bold.ttf")),
    ("NotoSansMono-Regular", b"F2", include_bytes!("../../../data/fonts/NotoSansMono-Regular.ttf")),
];

/// What ToUnicode maps and CID fonts are said to be of.
const ADOBE: SystemInfo<'_> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

struct Face {
    name: &'static str,
    resource: &'static [u8],
    data: &'static [u8],
    face: ttf_parser::Face<'static>,
    /// The code of each character in use, by order of appearance from 1; 0 is for none.
    codes: BTreeMap<char, u16>,
    /// What each code shows: its character, its glyph in the whole face, and its width.
    used: Vec<(char, u16, f32)>,
    /// Thousandths of the size that a unit of the face is.
    scale: f32,
}

/// All faces.
pub(super) struct Fonts {
    faces: Vec<Face>,
}

impl Fonts {
    /// The faces that come with the program.
    pub fn load() -> io::Result<Self> {
        let face = |(name, resource, data): (&'static str, &'static [u8], &'static [u8])| {
            let face = ttf_parser::Face::parse(data, 0)
                .map_err(|error| io::Error::other(format!("the font {name} cannot be read: {error}")))?;
            let scale = 1000.0 / f32::from(face.units_per_em());
            Ok(Face { name, resource, data, face, codes: BTreeMap::new(), used: Vec::new(), scale })
        };
        Ok(Self { faces: FILES.into_iter().map(face).collect::<io::Result<_>>()? })
    }

    /// The face that has a character, that of `style` first, with the glyph there.
    fn find(&self, style: Style, character: char) -> Option<(usize, u16)> {
        let of = |at: usize| Some((at, self.faces[at].face.glyph_index(character)?.0));
        of(style as usize).or_else(|| of(Style::Mono as usize)).or_else(|| of(Style::Regular as usize))
    }

    /// Text of which every character can be shown: those that act, or that no face has, are written as `\u{…}`.
    pub fn clean(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for character in safe(text).chars() {
            match self.find(Style::Regular, character) {
                Some(_) => out.push(character),
                None => out.push_str(&format!("\\u{{{:x}}}", u32::from(character))),
            }
        }
        out
    }

    /// The width of a character that [`Self::clean`] left, in points.
    pub fn advance(&self, style: Style, size: f32, character: char) -> f32 {
        let Some((at, glyph)) = self.find(style, character) else { return 0.0 };
        self.faces[at].advance(glyph) * size / 1000.0
    }

    /// The width of text that [`Self::clean`] left, in points.
    pub fn width(&self, style: Style, size: f32, text: &str) -> f32 {
        text.chars().map(|character| self.advance(style, size, character)).sum()
    }

    /// Lines of text that [`Self::clean`] left, none wider than `room` points. A word too long is parted behind a mark such
    /// as addresses and names have, or anywhere.
    pub fn wrap(&self, style: Style, size: f32, text: &str, room: f32) -> Vec<String> {
        let mut lines = Vec::new();
        let (mut line, mut used) = (String::new(), 0.0);
        let blank = self.advance(style, size, ' ');
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let width = self.width(style, size, word);
            if !line.is_empty() && used + blank + width > room {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            if !line.is_empty() {
                line.push(' ');
                used += blank;
            }
            if width <= room {
                line.push_str(word);
                used += width;
                continue;
            }
            for character in word.chars() {
                let width = self.advance(style, size, character);
                if used + width > room && !line.is_empty() {
                    let mark = line.rfind([':', '/', '-', '.', ',', ';', '_']).map(|at| at + 1);
                    let at = mark.filter(|at| *at * 2 > line.len()).unwrap_or(line.len());
                    let rest = line.split_off(at);
                    used = self.width(style, size, &rest);
                    lines.push(std::mem::replace(&mut line, rest));
                }
                line.push(character);
                used += width;
            }
        }
        if !line.is_empty() || lines.is_empty() {
            lines.push(line);
        }
        lines
    }

    /// At most `room` points of text that [`Self::clean`] left.
    pub fn shorten(&self, style: Style, size: f32, text: &str, room: f32) -> String {
        if self.width(style, size, text) <= room {
            return text.to_owned();
        }
        let mut used = self.advance(style, size, '…');
        let fits = |character: &char| {
            used += self.advance(style, size, *character);
            used <= room
        };
        let mut out: String = text.chars().take_while(fits).collect();
        out.push('…');
        out
    }

    /// Shows text at a point of a page, in the colour that is set.
    pub fn show(
        &mut self,
        content: &mut Content,
        (style, size): (Style, f32),
        (x, y): (f32, f32),
        text: &str,
    ) {
        content.begin_text();
        content.next_line(x, y);
        let mut run: (usize, Vec<u8>) = (style as usize, Vec::new());
        for character in text.chars() {
            let Some((at, glyph)) = self.find(style, character) else { continue };
            if at != run.0 {
                self.put(content, size, &run);
                run = (at, Vec::new());
            }
            run.1.extend(self.faces[at].code(character, glyph).to_be_bytes());
        }
        self.put(content, size, &run);
        content.end_text();
    }

    fn put(&self, content: &mut Content, size: f32, (at, codes): &(usize, Vec<u8>)) {
        if !codes.is_empty() {
            content.set_font(Name(self.faces[*at].resource), size);
            content.show(Str(codes));
        }
    }

    /// Writes what is used of each face; gives the resource names of those that are, and their references.
    pub fn write(&self, chunk: &mut Chunk, next: &mut Refs) -> io::Result<Vec<(&'static [u8], Ref)>> {
        let used = self.faces.iter().filter(|face| !face.used.is_empty());
        used.map(|face| Ok((face.resource, face.write(chunk, next)?))).collect()
    }
}

impl Face {
    /// Thousandths of the size.
    fn advance(&self, glyph: u16) -> f32 {
        let width = self.face.glyph_hor_advance(ttf_parser::GlyphId(glyph)).unwrap_or(0);
        f32::from(width) * self.scale
    }

    fn code(&mut self, character: char, glyph: u16) -> u16 {
        if let Some(code) = self.codes.get(&character) {
            return *code;
        }
        self.used.push((character, glyph, self.advance(glyph)));
        // A face has fewer characters than a code has values.
        let code = u16::try_from(self.used.len()).unwrap_or(0);
        self.codes.insert(character, code);
        code
    }

    /// A composite font of TrueType outlines (ISO 32000-1, 9.7), with a map to Unicode (9.10.3).
    fn write(&self, chunk: &mut Chunk, next: &mut Refs) -> io::Result<Ref> {
        let [whole, cid, descriptor, file, map, unicode] = std::array::from_fn(|_| next.take());
        let mut glyphs = GlyphRemapper::new();
        let mut to_glyph = vec![0, 0];
        let mut to_unicode = UnicodeCmap::<u16>::new(Name(b"Custom"), ADOBE);
        for (code, (character, glyph, _)) in (1..).zip(&self.used) {
            to_glyph.extend(glyphs.remap(*glyph).to_be_bytes());
            to_unicode.pair(code, *character);
        }
        let subset = subsetter::subset(self.data, 0, &glyphs)
            .map_err(|error| io::Error::other(format!("the font {} cannot be cut: {error}", self.name)))?;
        // Six letters mark a part of a face (9.6.4). Files are never merged by them: all parts may have the same.
        let name = format!("LSTHOP+{}", self.name);
        let name = Name(name.as_bytes());
        chunk
            .type0_font(whole)
            .base_font(name)
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(cid)
            .to_unicode(unicode);
        let mut font = chunk.cid_font(cid);
        font.subtype(CidFontType::Type2).base_font(name).system_info(ADOBE).font_descriptor(descriptor);
        font.default_width(0.0).cid_to_gid_map_stream(map);
        font.widths().consecutive(1, self.used.iter().map(|(_, _, width)| *width));
        font.finish();
        let face = &self.face;
        let scaled = |value: i16| f32::from(value) * self.scale;
        let bbox = face.global_bounding_box();
        let mut flags = FontFlags::NON_SYMBOLIC;
        flags.set(FontFlags::FIXED_PITCH, face.is_monospaced());
        chunk
            .font_descriptor(descriptor)
            .name(name)
            .flags(flags)
            .bbox(Rect::new(scaled(bbox.x_min), scaled(bbox.y_min), scaled(bbox.x_max), scaled(bbox.y_max)))
            .italic_angle(0.0)
            .ascent(scaled(face.ascender()))
            .descent(scaled(face.descender()))
            .cap_height(face.capital_height().map_or(714.0, scaled))
            .stem_v(if face.is_bold() { 150.0 } else { 80.0 })
            .font_file2(file);
        // The glyph's own length stands in the file before it is packed.
        let length = i32::try_from(subset.len()).map_err(io::Error::other)?;
        let packed = pack(&subset)?;
        let mut stream = chunk.stream(file, &packed);
        stream.filter(Filter::FlateDecode).pair(Name(b"Length1"), length);
        stream.finish();
        let packed = pack(&to_glyph)?;
        chunk.stream(map, &packed).filter(Filter::FlateDecode);
        let packed = pack(&to_unicode.finish())?;
        chunk.cmap(unicode, &packed).filter(Filter::FlateDecode);
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_can_be_shown_or_is_spelled_out() {
        let fonts = Fonts::load().unwrap();
        let known = "MTS PJSC, Москва, Łódź, Ünal, Αθήνα – → − ≥ ×… №";
        assert_eq!(fonts.clean(known), known);
        assert_eq!(fonts.clean("中\u{202e}\n"), "\\u{4e2d}\\u{202e}\\u{a}");
        // What one face has, the others borrow: nothing vanishes.
        for character in
            ('\u{20}'..'\u{3000}').filter(|one| fonts.clean(&one.to_string()).chars().count() == 1)
        {
            for style in [Style::Regular, Style::Bold, Style::Mono] {
                assert!(fonts.find(style, character).is_some(), "{character:?} {style:?}");
            }
        }
    }

    #[test]
    fn no_line_is_wider_than_its_room() {
        let fonts = Fonts::load().unwrap();
        let long = "x".repeat(300);
        for text in ["", "one two three", "2001:db8:1234:5678:9abc:def0:1234:5678 is long", &long, "a  b"] {
            for room in [5.0, 40.0, 90.0, 500.0] {
                let lines = fonts.wrap(Style::Bold, 9.0, text, room);
                assert!(!lines.is_empty());
                for line in &lines {
                    let fits = fonts.width(Style::Bold, 9.0, line) <= room + 0.01;
                    assert!(fits || line.chars().count() == 1, "{line} in {room}");
                }
                let squeeze = |text: &str| text.replace(' ', "");
                assert_eq!(squeeze(&lines.concat()), squeeze(text), "nothing is lost");
            }
        }
        let lines = fonts.wrap(Style::Regular, 9.0, "2001:db8:1234:5678:9abc:def0:1234:5678", 90.0);
        assert!(lines.len() > 1 && lines[0].ends_with(':'), "{lines:?}");
    }

    #[test]
    fn what_is_shortened_says_so() {
        let fonts = Fonts::load().unwrap();
        assert_eq!(fonts.shorten(Style::Regular, 9.0, "short", 90.0), "short");
        let cut = fonts.shorten(Style::Regular, 9.0, &"long ".repeat(30), 90.0);
        assert!(cut.ends_with('…') && fonts.width(Style::Regular, 9.0, &cut) <= 90.0, "{cut}");
    }
}
