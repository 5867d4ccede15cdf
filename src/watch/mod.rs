//! The same measurement over time: what began, what ended, what moved, and when.
//!
//! One run says where packets stop now. A series of runs says since when, and that is a different claim with an error of its
//! own: a verdict at 99 % is wrong now and then, and a day has hundreds of them. So no event rests on one run. What a run
//! shows is first boiled down to a [`Sighting`] (the target answers, it is lost at this place, or the run tells nothing);
//! [`change`] adds sightings up until what speaks against the present state outweighs chance, at a rate of false alarms that
//! is set beforehand; and what it decides becomes an [`Event`].
//!
//! Nothing here asks the time or opens a socket. The caller measures, hands in documents, and is told what to write and when
//! to measure next: weeks pass in milliseconds in a test.
//!
//! * `sight`: what one run says of the state of things
//! * [`change`]: the change-point test, its formula, its state that outlives the program
//! * `event`: what is told, in JSON and in a sentence
//! * [`schedule`]: when to measure next, whatever the clocks do
//! * [`history`]: the file: every run, every event, the state of every test, put away together or not at all
//! * `timeline`: periods from a history; `draw`: those as a chart and as JSON
//! * [`metrics`]: figures for Prometheus

pub mod change;
mod draw;
mod event;
pub mod history;
pub mod metrics;
pub mod schedule;
mod sight;
mod timeline;

pub use change::{Limits, Series};
pub use draw::{chart, document};
pub use event::{Event, Happened, SCHEMA, Subject};
pub use history::History;
pub use sight::{Place, Sighting, Standing};
pub use timeline::{Period, Timeline, timelines};

/// A moment to the second, as people read it.
#[must_use]
pub fn at_second(at: crate::trace::WallTime) -> String {
    event::minute(&at.rfc3339())
}
