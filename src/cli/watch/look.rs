//! What the live view tells of each target of a watch: the last runs, the state and since when, the next run.

use std::collections::VecDeque;
use std::time::Duration;

use super::book::Book;
use crate::cli::failure::Failure;
use crate::cli::progress::Watched;
use crate::cli::view::{Handle, Stage, View};
use crate::watch::{Series, Standing, Subject, at_second};

/// Most runs of a target that are shown.
const MOST: usize = 120;

/// The view of a watch.
pub struct Look {
    view: View,
    /// What the last runs of each target showed.
    runs: Vec<VecDeque<char>>,
}

impl Look {
    /// Shows these targets, with what the history knows of them.
    pub fn begin(stage: Stage, subjects: &[Subject], book: &Book) -> Result<Self, Failure> {
        let names: Vec<String> = subjects.iter().map(ToString::to_string).collect();
        let known = |which| book.last(which, MOST).into_iter().map(mark).collect();
        Ok(Self { runs: (0..names.len()).map(known).collect(), view: stage.begin(&names)? })
    }

    pub fn handle(&self) -> Handle {
        self.view.handle()
    }

    /// A run is over.
    pub fn ran(&mut self, which: usize, standing: Standing) {
        let runs = &mut self.runs[which];
        if runs.len() == MOST {
            runs.pop_front();
        }
        runs.push_back(mark(standing));
    }

    /// Tells how a target stands.
    pub fn tell(&self, which: usize, series: &Series, due: Option<Duration>, running: bool) {
        let watched = Watched {
            runs: self.runs[which].iter().collect(),
            state: state(series),
            lost: match series.standing() {
                Some(Standing::Lost) => Some(true),
                Some(Standing::Reachable) => Some(false),
                Some(Standing::Unknown) | None => None,
            },
            due,
            running,
        };
        self.view.handle().tell(which, watched);
    }
}

const fn mark(standing: Standing) -> char {
    match standing {
        Standing::Reachable => '.',
        Standing::Lost => 'x',
        Standing::Unknown => '?',
    }
}

/// `lost since 2026-01-01 08:05:00 UTC`.
fn state(series: &Series) -> String {
    match (series.standing(), series.since()) {
        (Some(standing), Some((_, since))) => format!("{} since {}", standing.word(), at_second(since)),
        (Some(standing), None) => standing.word().to_owned(),
        (None, _) => "not known yet".to_owned(),
    }
}
