//! Shapes of a picture, for any medium: in units made for pixels, from the upper left corner, down and to the right.

use crate::report::palette::{Color, NETWORKS};

/// Text in a picture, in its units; about 6 units a character.
pub(super) const TEXT: f64 = 11.0;
/// Small text.
pub(super) const SMALL: f64 = 10.0;

/// Where text begins, or ends, or has its middle.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) enum At {
    Start,
    Middle,
    End,
}

/// How text is written.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Pen {
    pub at: At,
    pub size: f64,
    pub color: Color,
    pub bold: bool,
}

/// A rectangle.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// A shape.
#[derive(Clone, Debug)]
pub(in crate::report) enum Shape {
    /// A rectangle in a colour.
    Rect(Area, Color),
    /// The pattern of a network (1 to 5), drawn in paper over the rectangle before it.
    Pattern(Area, usize),
    /// A hatched rectangle with a border.
    Hatched(Area, Color),
    /// A line.
    Line { from: (f64, f64), to: (f64, f64), color: Color, width: f64, dashed: bool },
    /// A filled polygon.
    Polygon(Vec<(f64, f64)>, Color),
    /// A line through points, [`POLYLINE`] wide.
    Polyline(Vec<(f64, f64)>, Color),
    /// A disc on paper with a rim in ink, filled as far as its share says.
    Dot { x: f64, y: f64, radius: f64, share: f64 },
    /// Text with strangers' words in it: each medium escapes them.
    Text { x: f64, y: f64, pen: Pen, text: String },
}

/// Width of [`Shape::Polyline`].
pub(in crate::report) const POLYLINE: f64 = 1.8;
/// Width of the lines in [`Shape::Hatched`], and of its border.
pub(in crate::report) const HATCHING: (f64, f64) = (1.2, 1.5);
/// Width of the rim of [`Shape::Dot`].
pub(in crate::report) const RIM: f64 = 1.4;
/// Side of the tile that [`Shape::Pattern`] repeats from the picture's corner, and the width of its lines.
pub(in crate::report) const TILE: (f64, f64) = (6.0, 1.6);

/// A whole picture.
#[derive(Clone, Debug)]
pub(in crate::report) struct Drawing {
    pub width: f64,
    pub height: f64,
    pub title: String,
    pub description: String,
    pub shapes: Vec<Shape>,
    /// Heights at which a page may end: no text is cut there.
    pub breaks: Vec<f64>,
}

/// A picture in the making.
#[derive(Default)]
pub(in crate::report) struct Canvas {
    shapes: Vec<Shape>,
    breaks: Vec<f64>,
}

impl Canvas {
    pub fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, color: Color) {
        self.shapes.push(Shape::Rect(Area { x, y, width, height }, color));
    }

    /// A rectangle in the colour of a network, with its pattern.
    pub fn band(&mut self, x: f64, y: f64, width: f64, height: f64, network: usize) {
        self.rect(x, y, width, height, NETWORKS[network % NETWORKS.len()]);
        // Colours repeat after eight, patterns after six: pairs repeat after twenty-four. The first is plain.
        let pattern = network % PATTERNS;
        if pattern > 0 {
            self.shapes.push(Shape::Pattern(Area { x, y, width, height }, pattern));
        }
    }

    /// A hatched rectangle with a border in `color`.
    pub fn hatched(&mut self, x: f64, y: f64, width: f64, height: f64, color: Color) {
        self.shapes.push(Shape::Hatched(Area { x, y, width, height }, color));
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), color: Color, width: f64, dashed: bool) {
        self.shapes.push(Shape::Line { from, to, color, width, dashed });
    }

    /// A polygon or a line through points.
    pub fn shape(&mut self, points: &[(f64, f64)], color: Color, filled: bool) {
        self.shapes.push(match filled {
            true => Shape::Polygon(points.to_vec(), color),
            false => Shape::Polyline(points.to_vec(), color),
        });
    }

    /// A disc on paper with a rim, filled as far as `share` says: in grey, too, all, some and none look different.
    pub fn dot(&mut self, x: f64, y: f64, radius: f64, share: f64) {
        self.shapes.push(Shape::Dot { x, y, radius, share });
    }

    /// Text; what is foreign in it is escaped where it is written.
    pub fn text(&mut self, (x, y): (f64, f64), pen: Pen, text: &str) {
        self.shapes.push(Shape::Text { x, y, pen, text: text.to_owned() });
    }

    /// A page may end at this height.
    pub fn may_break(&mut self, y: f64) {
        self.breaks.push(y);
    }

    /// The whole picture.
    pub fn finish(self, width: f64, height: f64, title: &str, description: &str) -> Drawing {
        Drawing {
            width: width.ceil(),
            height: height.ceil(),
            title: title.to_owned(),
            description: description.to_owned(),
            shapes: self.shapes,
            breaks: self.breaks,
        }
    }
}

/// Patterns of networks, the plain one among them.
const PATTERNS: usize = 6;

/// The lines of [`Shape::Hatched`]: at 45 degrees, cut at the rectangle's sides.
pub(in crate::report) fn hatching(area: Area) -> impl Iterator<Item = [(f64, f64); 2]> {
    let Area { x, y, width, height } = area;
    let step = 6.0;
    let mut from = -height;
    std::iter::from_fn(move || {
        if from >= width {
            return None;
        }
        let (left, right) = (from.max(0.0), (from + height).min(width));
        let (low, high) = (y + height - (left - from), y + height - (right - from));
        from += step;
        Some([(x + left, low), (x + right, high)])
    })
}

/// How far a dot is filled: the radius of its inner disc, if it has one.
pub(in crate::report) fn filling(radius: f64, share: f64) -> Option<f64> {
    (share > 0.0).then(|| (radius - 0.4) * share.min(1.0).sqrt())
}

/// At most `room` units of text, by a careful guess at its width: wide fonts have 0.6 of their size a character, and 0.7
/// when bold.
pub(super) fn fit(text: &str, room: f64, size: f64, bold: bool) -> String {
    let characters = (room / width(size, bold)).max(1.0) as usize;
    crate::report::rows::shorten(&crate::report::escape::safe(text), characters)
}

/// The width of a character.
pub(super) fn width(size: f64, bold: bool) -> f64 {
    size * if bold { 0.7 } else { 0.6 }
}
