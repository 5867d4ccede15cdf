//! Sheets of A4, filled from above: paragraphs, facts, tables whose header comes again on each sheet, pictures that are
//! parted where nothing is cut.

use std::io;

use pdf_writer::{Content, Date, Filter, Finish, Name, Pdf, Rect, Ref, TextStr};

use super::font::{Fonts, Style};
use super::{Refs, pack};
use crate::report::palette::{Color, INK, LOSS, MUTED, PANEL, PAPER, RULE};
use crate::report::picture::canvas::{
    Area, At, Drawing, HATCHING, POLYLINE, Pen, RIM, Shape, TILE, filling, hatching,
};

/// A4 (ISO 216), in points.
const PAGE: (f32, f32) = (595.28, 841.89);
const LEFT: f32 = 50.0;
/// What may be written on, from [`LEFT`].
pub(super) const WIDTH: f32 = PAGE.0 - 2.0 * LEFT;
const TOP: f32 = PAGE.1 - 64.0;
const BOTTOM: f32 = 52.0;
/// From one line to the next, in sizes.
const LEADING: f32 = 1.32;
/// The most lines of a cell of a table: a row has to fit on a sheet.
const CELL: usize = 24;

/// How a paragraph is written.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub style: Style,
    pub size: f32,
    pub color: Color,
}

/// Running text.
pub(super) const BODY: Way = Way { style: Style::Regular, size: 9.5, color: INK };
/// Text of less weight.
pub(super) const NOTE: Way = Way { style: Style::Regular, size: 8.5, color: MUTED };
/// What is to be typed.
pub(super) const CODE: Way = Way { style: Style::Mono, size: 9.0, color: INK };
const TABLE: f32 = 7.5;

/// A column of a table.
pub(super) struct Column {
    pub name: &'static str,
    /// Numbers stand at the right.
    pub right: bool,
    /// How much room it gets where there is not enough for all.
    pub weight: f32,
}

/// A row of a table.
pub(super) enum Row {
    /// A text for each column.
    Cells(Vec<String>),
    /// A text across all of them.
    Across(String),
}

/// What the file says of itself.
pub(super) struct About {
    pub title: String,
    /// As RFC 5646 writes it: `en`.
    pub language: String,
    /// RFC 3339.
    pub created: Option<String>,
    /// What stands above each sheet.
    pub head: String,
    /// What stands around the number of a sheet and of all: `["page ", " of "]`.
    pub count: [&'static str; 2],
}

/// The sheets.
pub(super) struct Sheets {
    fonts: Fonts,
    about: About,
    pages: Vec<Content>,
    /// What is still free lies below this.
    y: f32,
    /// Titles to turn to, with sheet and height.
    marks: Vec<(String, usize, f32)>,
}

impl Sheets {
    pub fn new(about: About) -> io::Result<Self> {
        Ok(Self { fonts: Fonts::load()?, about, pages: vec![Content::new()], y: TOP, marks: Vec::new() })
    }

    fn content(&mut self) -> &mut Content {
        if self.pages.is_empty() {
            self.pages.push(Content::new());
        }
        let last = self.pages.len() - 1;
        &mut self.pages[last]
    }

    fn turn(&mut self) {
        self.pages.push(Content::new());
        self.y = TOP;
    }

    /// Turns to a new sheet unless that much is free, or all of this one.
    pub fn need(&mut self, height: f32) {
        if self.y - height < BOTTOM && self.y < TOP {
            self.turn();
        }
    }

    /// Leaves room, except at the top of a sheet.
    pub fn skip(&mut self, height: f32) {
        if self.y < TOP {
            self.y -= height;
        }
    }

    /// A title that readers can turn to.
    pub fn mark(&mut self, title: &str) {
        let title = self.fonts.clean(title);
        self.marks.push((title, self.pages.len() - 1, (self.y + 4.0).min(PAGE.1)));
    }

    fn say(&mut self, way: Way, at: (f32, f32), text: &str) {
        let last = self.pages.len() - 1;
        let content = &mut self.pages[last];
        fill(content, way.color);
        self.fonts.show(content, (way.style, way.size), at, text);
    }

    fn lines(&mut self, way: Way, x: f32, lines: &[String]) {
        let step = way.size * LEADING;
        for line in lines {
            self.need(step);
            self.y -= step;
            let y = self.y + way.size * 0.3;
            self.say(way, (x, y), line);
        }
    }

    /// A title, together with what follows at least `behind` points below it.
    pub fn heading(&mut self, text: &str, way: Way, behind: f32) {
        let text = self.fonts.clean(text);
        let lines = self.fonts.wrap(way.style, way.size, &text, WIDTH);
        self.skip(way.size * 0.9);
        self.need(lines.len() as f32 * way.size * LEADING + behind);
        self.lines(way, LEFT, &lines);
        self.skip(way.size * 0.3);
    }

    /// Running text.
    pub fn paragraph(&mut self, text: &str, way: Way) {
        let text = self.fonts.clean(text);
        let lines = self.fonts.wrap(way.style, way.size, &text, WIDTH);
        self.lines(way, LEFT, &lines);
        self.skip(way.size * 0.4);
    }

    /// Lines as they are, blanks in them too; only what is wider than the sheet is wrapped.
    pub fn verbatim(&mut self, text: &str, way: Way) {
        for line in text.lines() {
            let line = self.fonts.clean(line);
            let lines = match self.fonts.width(way.style, way.size, &line) <= WIDTH {
                true => vec![line.trim_end().to_owned()],
                false => self.fonts.wrap(way.style, way.size, &line, WIDTH),
            };
            self.lines(way, LEFT, &lines);
        }
    }

    /// A command on a ground of its own.
    pub fn command(&mut self, text: &str) {
        let text = self.fonts.clean(text);
        let lines = self.fonts.wrap(CODE.style, CODE.size, &text, WIDTH - 16.0);
        let height = lines.len() as f32 * CODE.size * LEADING + 8.0;
        self.need(height);
        let y = self.y - height;
        let content = self.content();
        fill(content, PANEL);
        content.rect(LEFT, y, WIDTH, height).fill_nonzero();
        self.y -= 3.5;
        self.lines(CODE, LEFT + 8.0, &lines);
        self.y = y - 5.0;
    }

    /// Facts beside their names; a name that comes again is not said again.
    pub fn facts(&mut self, rows: &[(&'static str, String)]) {
        let side = 62.0;
        let mut before = "";
        for (name, fact) in rows.iter().filter(|(_, fact)| !fact.is_empty()) {
            let fact = self.fonts.clean(fact);
            let lines = self.fonts.wrap(BODY.style, BODY.size, &fact, WIDTH - side);
            let step = BODY.size * LEADING;
            self.need(step * lines.len().min(3) as f32);
            if *name != before {
                let y = self.y - step + BODY.size * 0.3;
                self.say(Way { color: MUTED, ..BODY }, (LEFT, y), name);
            }
            self.lines(BODY, LEFT + side, &lines);
            self.skip(2.0);
            before = name;
        }
        self.skip(4.0);
    }

    /// A table with a caption.
    pub fn table(&mut self, caption: &str, columns: &[Column], rows: &[Row]) {
        let mut rows: Vec<Row> = rows.iter().map(|row| self.clean_row(row)).collect();
        // Names are ours, and need no cleaning.
        rows.insert(0, Row::Cells(columns.iter().map(|column| column.name.to_owned()).collect()));
        let widths = self.widths(columns, &rows);
        let head = self.laid(&rows[0], &widths, true);
        let step = TABLE * LEADING;
        // A header alone at the foot of a sheet helps nobody.
        let first = rows.get(1).map_or(1, |row| most(&self.laid(row, &widths, false)));
        self.need(step * (most(&head) + first) as f32 + 8.0 + NOTE.size * LEADING * 2.0);
        self.paragraph(caption, NOTE);
        self.head_row(columns, &widths, &head);
        for row in &rows[1..] {
            let lines = self.laid(row, &widths, matches!(row, Row::Across(_)));
            let height = step * most(&lines) as f32 + 4.0;
            // What is said across belongs to the row below it.
            let behind = if matches!(row, Row::Across(_)) { 3.0 * step } else { 0.0 };
            if self.y - height - behind < BOTTOM {
                self.turn();
                self.head_row(columns, &widths, &head);
            }
            match row {
                Row::Cells(_) => {
                    let way = Way { style: Style::Regular, size: TABLE, color: INK };
                    self.row(columns, &widths, &lines, way, height);
                }
                Row::Across(_) => {
                    let y = self.y - height;
                    let content = self.content();
                    fill(content, PANEL);
                    content.rect(LEFT, y, WIDTH, height).fill_nonzero();
                    let way = Way { style: Style::Bold, size: TABLE, color: LOSS };
                    self.row(
                        &[Column { name: "", right: false, weight: 1.0 }],
                        &[WIDTH],
                        &lines,
                        way,
                        height,
                    );
                }
            }
        }
        self.skip(8.0);
    }

    fn clean_row(&self, row: &Row) -> Row {
        match row {
            Row::Cells(cells) => Row::Cells(cells.iter().map(|cell| self.fonts.clean(cell)).collect()),
            Row::Across(text) => Row::Across(self.fonts.clean(text)),
        }
    }

    /// The room of each column: what its cells need, or a fair part of what there is.
    fn widths(&self, columns: &[Column], rows: &[Row]) -> Vec<f32> {
        let mut widest = vec![0.0_f32; columns.len()];
        for (at, row) in rows.iter().enumerate() {
            let Row::Cells(cells) = row else { continue };
            let style = if at == 0 { Style::Bold } else { Style::Regular };
            for (cell, widest) in cells.iter().zip(&mut widest) {
                *widest = widest.max(self.fonts.width(style, TABLE, cell) + 2.0 * PAD + 0.1);
            }
        }
        // The names of columns are ours, and stay whole.
        let least: Vec<f32> = columns
            .iter()
            .map(|column| self.fonts.width(Style::Bold, TABLE, column.name) + 2.0 * PAD + 0.1)
            .collect();
        let capped = |cap: f32| -> Vec<f32> {
            let each = widest.iter().zip(columns).zip(&least);
            each.map(|((width, column), least)| width.min((cap * column.weight).max(*least))).collect()
        };
        let (mut low, mut high) = (0.0, widest.iter().fold(1.0_f32, |most, width| most.max(*width)));
        if widest.iter().sum::<f32>() > WIDTH {
            for _ in 0..24 {
                let middle = (low + high) / 2.0;
                match capped(middle).iter().sum::<f32>() > WIDTH {
                    true => high = middle,
                    false => low = middle,
                }
            }
            return capped(low);
        }
        // What is left over goes to the columns of text.
        let left = WIDTH - widest.iter().sum::<f32>();
        let texts = columns.iter().filter(|column| !column.right).count().max(1) as f32;
        let more = left / texts;
        widest
            .iter()
            .zip(columns)
            .map(|(width, column)| if column.right { *width } else { width + more })
            .collect()
    }

    /// The lines of each cell.
    fn laid(&self, row: &Row, widths: &[f32], bold: bool) -> Vec<Vec<String>> {
        let style = if bold { Style::Bold } else { Style::Regular };
        let laid = |text: &str, width: f32| {
            let mut lines = self.fonts.wrap(style, TABLE, text, width - 2.0 * PAD);
            if lines.len() > CELL {
                lines.truncate(CELL - 1);
                lines.push("…".to_owned());
            }
            lines
        };
        match row {
            Row::Cells(cells) => cells.iter().zip(widths).map(|(text, width)| laid(text, *width)).collect(),
            Row::Across(text) => vec![laid(text, WIDTH)],
        }
    }

    fn head_row(&mut self, columns: &[Column], widths: &[f32], lines: &[Vec<String>]) {
        let height = TABLE * LEADING * most(lines) as f32 + 4.0;
        self.row(columns, widths, lines, Way { style: Style::Bold, size: TABLE, color: MUTED }, height);
        let y = self.y;
        let content = self.content();
        stroke(content, MUTED, 0.8);
        content.move_to(LEFT, y).line_to(LEFT + widths.iter().sum::<f32>(), y).stroke();
    }

    fn row(&mut self, columns: &[Column], widths: &[f32], cells: &[Vec<String>], way: Way, height: f32) {
        let mut x = LEFT;
        for ((column, width), lines) in columns.iter().zip(widths).zip(cells) {
            for (at, line) in (1..).zip(lines) {
                let y = self.y - 2.0 - way.size * LEADING * at as f32 + way.size * 0.3;
                let x = match column.right {
                    true => x + width - PAD - self.fonts.width(way.style, way.size, line),
                    false => x + PAD,
                };
                self.say(way, (x, y), line);
            }
            x += width;
        }
        self.y -= height;
        let y = self.y;
        let content = self.content();
        stroke(content, RULE, 0.4);
        content.move_to(LEFT, y).line_to(x, y).stroke();
    }

    /// A picture at most as wide as the sheet, with a caption; what is too high for a sheet goes on on the next.
    pub fn drawing(&mut self, drawing: &Drawing, caption: &str) {
        let scale = scale(drawing);
        self.need(room(drawing));
        let mut from = 0.0;
        while from < drawing.height {
            let free = f64::from(self.y - BOTTOM - CAPTION) / scale;
            let to = match drawing.height - from <= free {
                true => drawing.height,
                false => {
                    let most = from + free;
                    let breaks = drawing.breaks.iter().filter(|at| **at > from && **at <= most);
                    let best = breaks.fold(f64::NEG_INFINITY, |best, at| best.max(*at));
                    if best > from {
                        best
                    } else if self.y < TOP {
                        self.turn();
                        continue;
                    } else {
                        most
                    }
                }
            };
            self.part(drawing, scale, from, to);
            from = to;
            if from < drawing.height {
                self.turn();
            }
        }
        self.skip(3.0);
        self.paragraph(caption, NOTE);
        self.skip(3.0);
    }

    /// What of a picture lies between two heights.
    fn part(&mut self, drawing: &Drawing, scale: f64, from: f64, to: f64) {
        let Self { fonts, pages, y: top, .. } = self;
        let last = pages.len() - 1;
        let content = &mut pages[last];
        let height = ((to - from) * scale) as f32;
        content.save_state();
        content.rect(LEFT, *top - height, (drawing.width * scale) as f32, height).clip_nonzero().end_path();
        let mut brush = Brush { content, fonts, scale, top: *top, from };
        for shape in &drawing.shapes {
            let (high, low) = reach(shape);
            // Text of another part would be found, though not seen.
            if low > from && high < to {
                brush.shape(shape);
            }
        }
        content.restore_state();
        self.y -= height;
    }

    /// The whole file.
    pub fn finish(mut self) -> io::Result<Vec<u8>> {
        let count = self.pages.len();
        let title = self.fonts.clean(&self.about.title);
        let head = self.fonts.clean(&self.about.head);
        let [before, between] = self.about.count;
        for (at, content) in (1..).zip(&mut self.pages) {
            let number = format!("{before}{at}{between}{count}");
            let (style, size) = (Style::Regular, 8.0);
            let width = self.fonts.width(style, size, &number);
            let y = PAGE.1 - 42.0;
            fill(content, MUTED);
            let head = self.fonts.shorten(style, size, &head, WIDTH - width - 20.0);
            self.fonts.show(content, (style, size), (LEFT, y), &head);
            self.fonts.show(content, (style, size), (LEFT + WIDTH - width, y), &number);
            stroke(content, RULE, 0.6);
            content.move_to(LEFT, y - 6.0).line_to(LEFT + WIDTH, y - 6.0).stroke();
        }
        let mut pdf = Pdf::new();
        let mut next = Refs::default();
        let [catalog, tree, info, outline] = std::array::from_fn(|_| next.take());
        let fonts = self.fonts.write(&mut pdf, &mut next)?;
        let mut pages: Vec<Ref> = Vec::new();
        for content in self.pages {
            let [page, contents] = std::array::from_fn(|_| next.take());
            let packed = pack(&content.finish())?;
            pdf.stream(contents, &packed).filter(Filter::FlateDecode);
            pdf.page(page).parent(tree).contents(contents);
            pages.push(page);
        }
        let mut root = pdf.pages(tree);
        root.count(i32::try_from(pages.len()).map_err(io::Error::other)?).kids(pages.iter().copied());
        root.media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1));
        let mut resources = root.resources();
        let mut list = resources.fonts();
        for (name, font) in fonts {
            list.pair(Name(name), font);
        }
        list.finish();
        resources.finish();
        root.finish();
        let items: Vec<Ref> = self.marks.iter().map(|_| next.take()).collect();
        for (at, (title, page, y)) in self.marks.iter().enumerate() {
            let mut item = pdf.outline_item(items[at]);
            item.title(TextStr(title)).parent(outline);
            if at > 0 {
                item.prev(items[at - 1]);
            }
            if let Some(behind) = items.get(at + 1) {
                item.next(*behind);
            }
            item.dest().page(pages[*page]).xyz(0.0, *y, None);
        }
        if let (Some(first), Some(last)) = (items.first(), items.last()) {
            let count = i32::try_from(items.len()).map_err(io::Error::other)?;
            pdf.outline(outline).first(*first).last(*last).count(count);
        }
        let mut root = pdf.catalog(catalog);
        root.pages(tree).lang(TextStr(&self.about.language));
        root.viewer_preferences().display_doc_title(true);
        if !items.is_empty() {
            root.outlines(outline);
        }
        root.finish();
        let mut about = pdf.document_info(info);
        about.title(TextStr(&title));
        about.producer(TextStr(concat!("lasthop ", env!("CARGO_PKG_VERSION"))));
        if let Some(date) = self.about.created.as_deref().and_then(date) {
            about.creation_date(date);
        }
        about.finish();
        Ok(pdf.finish())
    }
}

/// The lines of a row of cells.
fn most(cells: &[Vec<String>]) -> usize {
    cells.iter().map(Vec::len).max().unwrap_or(1)
}

/// Room at the sides of a cell.
const PAD: f32 = 3.0;
/// The largest a picture becomes: points for each of its units.
const MOST: f64 = 0.86;

/// What is kept free below a picture for its caption.
const CAPTION: f32 = NOTE.size * LEADING * 2.0;

/// Points for each unit of a picture.
fn scale(drawing: &Drawing) -> f64 {
    let scale = (f64::from(WIDTH) / drawing.width).min(MOST);
    let (all, whole) = (drawing.height * scale, f64::from(TOP - BOTTOM - CAPTION));
    // A little smaller is better than on two sheets.
    if all > whole && all * 0.75 <= whole { scale * whole / all } else { scale }
}

/// What a picture needs of a sheet before it is better begun on the next: all, if one sheet is enough.
pub(super) fn room(drawing: &Drawing) -> f32 {
    let all = (drawing.height * scale(drawing)) as f32 + CAPTION;
    // By rounding, what fills a sheet may seem to need more.
    if all <= TOP - BOTTOM + 0.5 { all } else { 240.0 }
}

fn date(time: &str) -> Option<Date> {
    let time: jiff::Timestamp = time.parse().ok()?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let part = |value: i8| u8::try_from(value).ok();
    let date = Date::new(u16::try_from(time.year()).ok()?).month(part(time.month())?).day(part(time.day())?);
    let date = date.hour(part(time.hour())?).minute(part(time.minute())?).second(part(time.second())?);
    Some(date.utc_offset_hour(0).utc_offset_minute(0))
}

/// Red, green and blue of a colour of the light side.
fn rgb(color: Color) -> [f32; 3] {
    [1, 3, 5].map(|at| {
        let part = color.light.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        f32::from(part.unwrap_or(0)) / 255.0
    })
}

fn fill(content: &mut Content, color: Color) {
    let [red, green, blue] = rgb(color);
    content.set_fill_rgb(red, green, blue);
}

fn stroke(content: &mut Content, color: Color, width: f32) {
    let [red, green, blue] = rgb(color);
    content.set_stroke_rgb(red, green, blue).set_line_width(width);
}

/// The highest and the lowest place of a shape.
fn reach(shape: &Shape) -> (f64, f64) {
    match shape {
        Shape::Rect(area, _) | Shape::Pattern(area, _) | Shape::Hatched(area, _) => {
            (area.y, area.y + area.height)
        }
        Shape::Line { from, to, width, .. } => (from.1.min(to.1) - width, from.1.max(to.1) + width),
        Shape::Polygon(points, _) | Shape::Polyline(points, _) => points
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(high, low), (_, y)| (high.min(*y), low.max(*y))),
        Shape::Dot { y, radius, .. } => (y - radius, y + radius),
        // The line that it stands on says where it belongs.
        Shape::Text { y, pen, .. } => (y - pen.size * 0.3, y - pen.size * 0.2),
    }
}

/// Draws a picture's shapes.
struct Brush<'a> {
    content: &'a mut Content,
    fonts: &'a mut Fonts,
    /// Points of a unit.
    scale: f64,
    /// Where the height `from` of the picture is.
    top: f32,
    from: f64,
}

impl Brush<'_> {
    fn at(&self, (x, y): (f64, f64)) -> (f32, f32) {
        (LEFT + (x * self.scale) as f32, self.top - ((y - self.from) * self.scale) as f32)
    }

    fn length(&self, length: f64) -> f32 {
        (length * self.scale) as f32
    }

    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Rect(area, color) => {
                fill(self.content, *color);
                self.area(*area);
                self.content.fill_nonzero();
            }
            Shape::Pattern(area, pattern) => self.pattern(*area, *pattern),
            Shape::Hatched(area, color) => {
                stroke(self.content, *color, self.length(HATCHING.0));
                for [from, to] in hatching(*area) {
                    self.path(&[from, to]);
                }
                self.content.stroke();
                stroke(self.content, *color, self.length(HATCHING.1));
                self.area(*area);
                self.content.stroke();
            }
            Shape::Line { from, to, color, width, dashed } => {
                stroke(self.content, *color, self.length(*width));
                self.dashed(if *dashed { 3.0 } else { 0.0 });
                self.path(&[*from, *to]);
                self.content.stroke();
                self.dashed(0.0);
            }
            Shape::Polygon(points, color) => {
                fill(self.content, *color);
                self.path(points);
                self.content.close_path().fill_nonzero();
            }
            Shape::Polyline(points, color) => {
                stroke(self.content, *color, self.length(POLYLINE));
                self.path(points);
                self.content.stroke();
            }
            Shape::Dot { x, y, radius, share } => {
                fill(self.content, PAPER);
                stroke(self.content, INK, self.length(RIM));
                self.dashed(if *share > 0.0 { 0.0 } else { 2.0 });
                self.disc((*x, *y), *radius);
                self.content.fill_nonzero_and_stroke();
                self.dashed(0.0);
                if let Some(inner) = filling(*radius, *share) {
                    fill(self.content, INK);
                    self.disc((*x, *y), inner);
                    self.content.fill_nonzero();
                }
            }
            Shape::Text { x, y, pen, text } => self.text((*x, *y), *pen, text),
        }
    }

    fn text(&mut self, at: (f64, f64), pen: Pen, text: &str) {
        let style = if pen.bold { Style::Bold } else { Style::Regular };
        let size = self.length(pen.size);
        let text = self.fonts.clean(text);
        let width = self.fonts.width(style, size, &text);
        let (x, y) = self.at(at);
        let x = match pen.at {
            At::Start => x,
            At::Middle => x - width / 2.0,
            At::End => x - width,
        };
        fill(self.content, pen.color);
        self.fonts.show(self.content, (style, size), (x, y), &text);
    }

    fn dashed(&mut self, length: f64) {
        let length = self.length(length);
        self.content.set_dash_pattern((length > 0.0).then_some(length), 0.0);
    }

    fn area(&mut self, area: Area) {
        let (x, y) = self.at((area.x, area.y + area.height));
        self.content.rect(x, y, self.length(area.width), self.length(area.height));
    }

    fn path(&mut self, points: &[(f64, f64)]) {
        for (at, point) in points.iter().enumerate() {
            let (x, y) = self.at(*point);
            match at {
                0 => self.content.move_to(x, y),
                _ => self.content.line_to(x, y),
            };
        }
    }

    /// Four curves, each off the circle by at most 0.03 % of its radius.
    fn disc(&mut self, center: (f64, f64), radius: f64) {
        let (x, y) = self.at(center);
        let r = self.length(radius);
        let k = r * 0.552_28;
        self.content
            .move_to(x + r, y)
            .cubic_to(x + r, y + k, x + k, y + r, x, y + r)
            .cubic_to(x - k, y + r, x - r, y + k, x - r, y)
            .cubic_to(x - r, y - k, x - k, y - r, x, y - r)
            .cubic_to(x + k, y - r, x + r, y - k, x + r, y)
            .close_path();
    }

    /// The lines of a network's pattern, which begin at the picture's corner in all places.
    fn pattern(&mut self, area: Area, pattern: usize) {
        let Area { x, y, width, height } = area;
        let (tile, line) = TILE;
        self.content.save_state();
        self.area(area);
        self.content.clip_nonzero().end_path();
        stroke(self.content, PAPER, self.length(line));
        let steps = |from: f64, to: f64| {
            let (first, last) = ((from / tile).floor() as i64, (to / tile).ceil() as i64);
            (first..=last).map(move |step| step as f64 * tile)
        };
        match pattern {
            1 => steps(x + y, x + y + width + height)
                .for_each(|sum| self.path(&[(x, sum - x), (x + width, sum - x - width)])),
            4 => steps(y - x - width, y - x + height)
                .for_each(|rise| self.path(&[(x, x + rise), (x + width, x + width + rise)])),
            _ => {
                if matches!(pattern, 2 | 5) {
                    steps(x - tile, x + width)
                        .map(|at| at + tile / 2.0)
                        .for_each(|at| self.path(&[(at, y), (at, y + height)]));
                }
                if matches!(pattern, 3 | 5) {
                    steps(y - tile, y + height)
                        .map(|at| at + tile / 2.0)
                        .for_each(|at| self.path(&[(x, at), (x + width, at)]));
                }
            }
        }
        self.content.stroke();
        self.content.restore_state();
    }
}
