//! Pictures as SVG that stands alone.

use std::fmt::Write as _;

use super::Picture;
use super::canvas::{Area, At, Drawing, HATCHING, POLYLINE, Pen, RIM, Shape, TILE, filling, hatching};
use crate::report::escape::html;
use crate::report::palette::{Color, INK, PAPER};

/// The tile of each pattern, as a path; the first is plain.
const PATTERNS: [&str; 6] =
    ["", "M-1 1L1 -1M0 6L6 0M5 7L7 5", "M3 0V6", "M0 3H6", "M-1 5L1 7M0 0L6 6M5 -1L7 1", "M0 3H6M3 0V6"];

/// Adds a formatted line. Writing to a string cannot fail.
macro_rules! add {
    ($out:expr, $($arguments:tt)*) => {{ let _ = writeln!($out, $($arguments)*); }};
}

/// The picture; `id` keeps several of one page apart.
pub(in crate::report) fn svg(drawing: &Drawing, id: &str) -> Picture {
    let id = html(id);
    let (title, description) = (html(&drawing.title), html(&drawing.description));
    let (width, height) = (drawing.width as u32, drawing.height as u32);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\" font-family=\"system-ui, \
         'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif\">\n<title id=\"{id}-t\">{title}</title>\n\
         <desc id=\"{id}-d\">{description}</desc>\n"
    );
    let mut patterns: Vec<usize> = Vec::new();
    for shape in &drawing.shapes {
        if let Shape::Pattern(_, pattern) = shape
            && !patterns.contains(pattern)
        {
            patterns.push(*pattern);
        }
    }
    if !patterns.is_empty() {
        let (tile, width) = TILE;
        svg.push_str("<defs>\n");
        for pattern in patterns {
            add!(
                svg,
                r#"<pattern id="{id}-p{pattern}" width="{tile}" height="{tile}" patternUnits="userSpaceOnUse"><path d="{}" stroke="{}" stroke-width="{width}" fill="none" class="s-paper"/></pattern>"#,
                PATTERNS[pattern % PATTERNS.len()],
                PAPER.light
            );
        }
        svg.push_str("</defs>\n");
    }
    for one in &drawing.shapes {
        shape(&mut svg, one, &id);
    }
    svg.push_str("</svg>\n");
    Picture { width, height, svg }
}

fn shape(out: &mut String, shape: &Shape, id: &str) {
    match shape {
        Shape::Rect(Area { x, y, width, height }, Color { name, light, .. }) => add!(
            out,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{light}" class="{name}"/>"#
        ),
        Shape::Pattern(Area { x, y, width, height }, pattern) => add!(
            out,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="url(#{id}-p{pattern})"/>"#
        ),
        Shape::Hatched(area, Color { name, light, .. }) => {
            let mut lines = String::new();
            for [from, to] in hatching(*area) {
                let _ = write!(lines, "M{:.1} {:.1}L{:.1} {:.1}", from.0, from.1, to.0, to.1);
            }
            let (Area { x, y, width, height }, (thin, border)) = (*area, HATCHING);
            add!(
                out,
                r#"<path d="{lines}" stroke="{light}" stroke-width="{thin}" fill="none" class="s-{name}"/>"#
            );
            add!(
                out,
                r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="none" stroke="{light}" stroke-width="{border}" class="s-{name}"/>"#
            );
        }
        Shape::Line { from, to, color: Color { name, light, .. }, width, dashed } => {
            let dash = if *dashed { r#" stroke-dasharray="3 3""# } else { "" };
            add!(
                out,
                r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{light}" stroke-width="{width}"{dash} class="s-{name}"/>"#,
                from.0,
                from.1,
                to.0,
                to.1
            );
        }
        Shape::Polygon(points, Color { name, light, .. }) => {
            add!(out, r#"<polygon points="{}" fill="{light}" class="{name}"/>"#, list(points));
        }
        Shape::Polyline(points, Color { name, light, .. }) => add!(
            out,
            r#"<polyline points="{}" fill="none" stroke="{light}" stroke-width="{POLYLINE}" class="s-{name}"/>"#,
            list(points)
        ),
        Shape::Dot { x, y, radius, share } => {
            let dash = if *share <= 0.0 { r#" stroke-dasharray="2 2""# } else { "" };
            add!(
                out,
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" fill="{}" stroke="{}" stroke-width="{RIM}"{dash} class="paper s-ink"/>"#,
                PAPER.light,
                INK.light
            );
            if let Some(inner) = filling(*radius, *share) {
                add!(
                    out,
                    r#"<circle cx="{x:.1}" cy="{y:.1}" r="{inner:.1}" fill="{}" class="ink"/>"#,
                    INK.light
                );
            }
        }
        Shape::Text { x, y, pen, text } => {
            let Pen { at, size, color: Color { name, light, .. }, bold } = pen;
            let anchor = match at {
                At::Start => "",
                At::Middle => r#" text-anchor="middle""#,
                At::End => r#" text-anchor="end""#,
            };
            let weight = if *bold { r#" font-weight="bold""# } else { "" };
            let text = html(text);
            add!(
                out,
                r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}"{anchor}{weight} fill="{light}" class="{name}">{text}</text>"#
            );
        }
    }
}

fn list(points: &[(f64, f64)]) -> String {
    let list: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    list.join(" ")
}
