//! Shapes of an SVG picture, each with its colour as attribute and class.

use std::fmt::Write as _;

use super::Picture;
use crate::report::escape::html;
use crate::report::palette::{Color, INK, NETWORKS, PAPER};

/// Text in a picture, in its units; about 6 units a character.
pub(super) const TEXT: f64 = 11.0;
/// Small text.
pub(super) const SMALL: f64 = 10.0;

/// Where text begins, or ends, or has its middle.
#[derive(Clone, Copy)]
pub(super) enum At {
    Start,
    Middle,
    End,
}

/// How text is written.
#[derive(Clone, Copy)]
pub(super) struct Pen {
    pub at: At,
    pub size: f64,
    pub color: Color,
    pub bold: bool,
}

/// A picture in the making.
pub(super) struct Canvas {
    id: String,
    body: String,
    /// Patterns of networks that are used.
    patterns: Vec<usize>,
}

impl Canvas {
    pub fn new(id: &str) -> Self {
        Self { id: html(id), body: String::new(), patterns: Vec::new() }
    }

    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(arguments);
        self.body.push('\n');
    }

    pub fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, color: Color) {
        let Color { name, light, .. } = color;
        self.put(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{light}" class="{name}"/>"#
        ));
    }

    /// A rectangle in the colour of a network, with its pattern.
    pub fn band(&mut self, x: f64, y: f64, width: f64, height: f64, network: usize) {
        self.rect(x, y, width, height, NETWORKS[network % NETWORKS.len()]);
        let pattern = pattern(network);
        if pattern > 0 {
            if !self.patterns.contains(&pattern) {
                self.patterns.push(pattern);
            }
            let id = self.id.clone();
            self.put(format_args!(
                r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="url(#{id}-p{pattern})"/>"#
            ));
        }
    }

    /// A hatched rectangle with a border in `color`.
    pub fn hatched(&mut self, x: f64, y: f64, width: f64, height: f64, color: Color) {
        let Color { name, light, .. } = color;
        let mut lines = String::new();
        let step = 6.0;
        let mut from = -height;
        while from < width {
            // A line at 45 degrees, cut at the rectangle's sides.
            let (left, right) = (from.max(0.0), (from + height).min(width));
            let (low, high) = (y + height - (left - from), y + height - (right - from));
            let _ = write!(lines, "M{:.1} {low:.1}L{:.1} {high:.1}", x + left, x + right);
            from += step;
        }
        self.put(format_args!(
            r#"<path d="{lines}" stroke="{light}" stroke-width="1.2" fill="none" class="s-{name}"/>"#
        ));
        self.put(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="none" stroke="{light}" stroke-width="1.5" class="s-{name}"/>"#
        ));
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), color: Color, width: f64, dashed: bool) {
        let Color { name, light, .. } = color;
        let dash = if dashed { r#" stroke-dasharray="3 3""# } else { "" };
        self.put(format_args!(
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{light}" stroke-width="{width}"{dash} class="s-{name}"/>"#,
            from.0, from.1, to.0, to.1
        ));
    }

    /// A polygon or a line through points.
    pub fn shape(&mut self, points: &[(f64, f64)], color: Color, filled: bool) {
        let Color { name, light, .. } = color;
        let list: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let list = list.join(" ");
        match filled {
            true => self.put(format_args!(r#"<polygon points="{list}" fill="{light}" class="{name}"/>"#)),
            false => self.put(format_args!(
                r#"<polyline points="{list}" fill="none" stroke="{light}" stroke-width="1.8" class="s-{name}"/>"#
            )),
        }
    }

    /// A disc on paper with a rim, filled as far as `share` says: in grey, too, all, some and none look different.
    pub fn dot(&mut self, x: f64, y: f64, radius: f64, share: f64) {
        let (paper, ink) = (PAPER, INK);
        let dash = if share <= 0.0 { r#" stroke-dasharray="2 2""# } else { "" };
        self.put(format_args!(
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" fill="{}" stroke="{}" stroke-width="1.4"{dash} class="paper s-ink"/>"#,
            paper.light, ink.light
        ));
        if share > 0.0 {
            let inner = (radius - 0.4) * share.min(1.0).sqrt();
            self.put(format_args!(
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="{inner:.1}" fill="{}" class="ink"/>"#,
                ink.light
            ));
        }
    }

    /// Text; what is foreign in it is escaped.
    pub fn text(&mut self, (x, y): (f64, f64), pen: Pen, text: &str) {
        let Pen { at, size, color: Color { name, light, .. }, bold } = pen;
        let anchor = match at {
            At::Start => "",
            At::Middle => r#" text-anchor="middle""#,
            At::End => r#" text-anchor="end""#,
        };
        let weight = if bold { r#" font-weight="bold""# } else { "" };
        let text = html(text);
        self.put(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}"{anchor}{weight} fill="{light}" class="{name}">{text}</text>"#
        ));
    }

    /// The whole picture.
    pub fn finish(self, width: f64, height: f64, title: &str, description: &str) -> Picture {
        let id = &self.id;
        let (title, description) = (html(title), html(description));
        let (width, height) = (width.ceil() as u32, height.ceil() as u32);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\" font-family=\"system-ui, \
             'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif\">\n<title id=\"{id}-t\">{title}</title>\n\
             <desc id=\"{id}-d\">{description}</desc>\n"
        );
        if !self.patterns.is_empty() {
            svg.push_str("<defs>\n");
            for pattern in &self.patterns {
                let _ = writeln!(
                    svg,
                    r#"<pattern id="{id}-p{pattern}" width="6" height="6" patternUnits="userSpaceOnUse"><path d="{}" stroke="{}" stroke-width="1.6" fill="none" class="s-paper"/></pattern>"#,
                    PATTERNS[*pattern], PAPER.light
                );
            }
            svg.push_str("</defs>\n");
        }
        svg.push_str(&self.body);
        svg.push_str("</svg>\n");
        Picture { width, height, svg }
    }
}

/// Patterns of networks, drawn in paper on the network's colour; the first is plain.
const PATTERNS: [&str; 6] =
    ["", "M-1 1L1 -1M0 6L6 0M5 7L7 5", "M3 0V6", "M0 3H6", "M-1 5L1 7M0 0L6 6M5 -1L7 1", "M0 3H6M3 0V6"];

/// The pattern of a network. Colours repeat after eight, patterns after six: pairs repeat after twenty-four.
const fn pattern(network: usize) -> usize {
    network % PATTERNS.len()
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
