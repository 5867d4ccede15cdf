//! Pictures of a report. Each is drawn once, as a list of shapes, and written for its medium: `svg` makes SVG that stands
//! alone, without style sheet, script or reference to anything outside; `report::pdf` draws the same shapes on paper.
//!
//! Colours are attributes from the palette's light side; each shape has its colour's name as a class, by which a page turns
//! it dark. Networks differ by pattern and label too, so that grey print and a colour-blind eye lose nothing. Each picture
//! has a title and a description, and every number in it stands in a table of the report as well.

pub(super) mod canvas;
pub(super) mod lanes;
pub(super) mod latency;
pub(super) mod matrix;
pub(super) mod svg;

use super::runs::Runs;
use crate::trace::schema::Document;

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in its own units, which are made for pixels.
    pub width: u32,
    /// Height in the same.
    pub height: u32,
    /// The `<svg>` element.
    pub svg: String,
}

/// Paths drawn beside the target's: more lanes than these would be too narrow to read.
pub const REFERENCES: usize = 2;
/// The most rows of a matrix that are drawn.
pub const PLACES: usize = 16;
/// The most columns of a matrix that are drawn.
pub const TARGETS: usize = 6;

/// The paths as lanes in the colours of their networks, hop by hop; where the target's stops, as the interval between the
/// last router proven reached and the first proven not reached. `id` keeps several pictures of one page apart. `None` where
/// there is no hop.
#[must_use]
pub fn lanes(document: &Document, id: &str) -> Option<Picture> {
    lanes::draw(document).map(|drawing| svg::svg(&drawing, id))
}

/// The shortest, mean and longest round-trip time of each hop. `None` where nothing was timed.
#[must_use]
pub fn latency(document: &Document, id: &str) -> Option<Picture> {
    latency::draw(document).map(|drawing| svg::svg(&drawing, id))
}

/// What became of each target from each place; the last run counts where there are several. `None` where the runs are too
/// many places or targets to be drawn, or fewer than two.
#[must_use]
pub fn matrix(runs: &Runs, id: &str) -> Option<Picture> {
    matrix::draw(runs).map(|drawing| svg::svg(&drawing, id))
}
