//! The history as the watch uses it: what cannot be written now is written later, and nothing is lost meanwhile but by a kill.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use crate::cli::failure::{Failure, error_text};
use crate::cli::opt_out::usual;
use crate::cli::output;
use crate::report::{Document, safe};
use crate::trace::WallTime;
use crate::watch::change::Limits;
use crate::watch::history::{HistoryError, Made, Retention, Target};
use crate::watch::{Event, History, Series, Sighting, Standing, Subject};

/// Most runs that wait for the disk: more than a month at five minutes, some 200 MB.
const MOST: usize = 10_000;

/// Where the history is unless another place is named.
pub fn place(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    usual("XDG_STATE_HOME", ".local/state", "lasthop/history.db").ok_or_else(|| {
        Failure::usage("there is no home to keep a history in", "name a file with --history FILE")
    })
}

/// A history that cannot be used, for the user.
pub fn failure(path: &Path, error: &HistoryError) -> Failure {
    let message = format!("the history {}: {}", path.display(), error_text(error));
    match error.is_bad_input() {
        true => Failure::input(message, Some(error.hint().into())),
        false => Failure::environment("history", message, Some(error.hint().into())),
    }
}

/// A run that waits for the disk.
struct Waiting {
    which: usize,
    run: u64,
    sighting: Sighting,
    document: Document,
    series: Series,
    event: Option<Event>,
}

/// The history, and what waits for it.
pub struct Book {
    history: History,
    targets: Vec<Target>,
    waiting: VecDeque<Waiting>,
    next: u64,
    /// It was said that the history cannot be written.
    said: bool,
    /// Writes that failed, and runs that were given up.
    pub failed: u64,
    pub lost: u64,
    /// Bytes of the file.
    pub size: u64,
}

/// What came of a run.
pub struct Put {
    pub event: Option<Event>,
    /// How soon to measure again, if before the time.
    pub extra: Option<std::time::Duration>,
}

impl Book {
    pub fn open(path: &Path, subjects: &[Subject]) -> Result<Self, Failure> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            // A folder that cannot be made is told by the file that cannot be.
            let _ = std::fs::create_dir_all(folder);
        }
        let fault = |error: HistoryError| failure(path, &error);
        let mut history = History::create(path).map_err(fault)?;
        let targets = subjects.iter().map(|subject| history.target(subject)).collect::<Result<_, _>>();
        let (targets, next) = (targets.map_err(fault)?, history.next_run().map_err(fault)?);
        let size = history.size().unwrap_or(0);
        let waiting = VecDeque::new();
        Ok(Self { history, targets, waiting, next, said: false, failed: 0, lost: 0, size })
    }

    /// The state of a target's test.
    pub fn series(&self, which: usize) -> &Series {
        &self.targets[which].series
    }

    /// What the last so many runs of a target showed, oldest first; as far as the history tells.
    pub fn last(&self, which: usize, most: usize) -> Vec<Standing> {
        // Whoever only looks on is not told of a history that cannot be read: the next run is put there, and then it is.
        let runs = self.history.entries(&self.targets[which]).unwrap_or_default();
        runs[runs.len().saturating_sub(most)..].iter().map(|run| run.standing).collect()
    }

    pub fn subject(&self, which: usize) -> &Subject {
        &self.targets[which].subject
    }

    /// Runs that wait for the disk.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a run: the test goes on by it, and all that follows is put away before anybody hears of it. If it cannot be, it
    /// waits, and is heard of all the same.
    pub fn put(&mut self, which: usize, limits: &Limits, sighting: Sighting, document: Document) -> Put {
        let run = self.next;
        self.next += 1;
        let target = &mut self.targets[which];
        let (event, extra) = target.series.take(limits, &target.subject, run, &sighting);
        let series = target.series.clone();
        if self.waiting.len() == MOST {
            self.waiting.pop_front();
            self.lost += 1;
        }
        self.waiting.push_back(Waiting { which, run, sighting, document, series, event: event.clone() });
        let written = self.catch_up();
        let event = match (event, written) {
            (Some(_), Ok(last)) => last,
            (event, Err(())) => event.map(|event| Event { recorded: false, ..event }),
            (None, Ok(_)) => None,
        };
        // Told already: it is not to be told again at the next start.
        if let (Some(false), Some(last)) =
            (event.as_ref().map(|event| event.recorded), self.waiting.back_mut())
            && let Some(event) = &mut last.event
        {
            event.recorded = false;
        }
        Put { event, extra }
    }

    /// Writes what waits, in its order. Gives the event of the last run.
    fn catch_up(&mut self) -> Result<Option<Event>, ()> {
        let mut last = None;
        while let Some(mut one) = self.waiting.pop_front() {
            let told_already = one.event.as_ref().is_some_and(|event| !event.recorded);
            let target = &mut self.targets[one.which];
            let now = std::mem::replace(&mut target.series, one.series.clone());
            let made = Made { sighting: &one.sighting, document: &one.document };
            let put = self.history.put(target, one.run, &made, one.event.as_mut());
            target.series = now;
            if let Err(error) = put {
                self.failed += 1;
                if !self.said {
                    self.said = true;
                    output::talk(&format!(
                        "warning: {}: going on, up to {MOST} runs wait for it",
                        safe(&failure(self.history.path(), &error).message)
                    ));
                }
                if told_already && let Some(event) = &mut one.event {
                    event.recorded = false;
                }
                self.waiting.push_front(one);
                return Err(());
            }
            if let Some(event) = &one.event
                && told_already
            {
                self.told(event.id);
            }
            last = one.event;
        }
        if self.said {
            self.said = false;
            output::talk("the history is written again, nothing is missing from it");
        }
        self.size = self.history.size().unwrap_or(self.size);
        Ok(last)
    }

    /// Tries once more to write what waits, at the end.
    pub fn close(&mut self) -> Result<(), Failure> {
        match self.waiting.is_empty() || self.catch_up().is_ok() {
            true => Ok(()),
            false => Err(Failure::environment(
                "history",
                format!(
                    "{} runs are not in the history {}",
                    self.waiting.len(),
                    self.history.path().display()
                ),
                Some("what they decided was told; see the warnings above".into()),
            )),
        }
    }

    /// Events that were put away and not told.
    pub fn untold(&self) -> Result<Vec<Event>, Failure> {
        self.history.untold().map_err(|error| failure(self.history.path(), &error))
    }

    /// This event was told.
    pub fn told(&mut self, event: u64) {
        // If this cannot be written, it is told twice.
        if event > 0 && self.history.told(event).is_err() {
            self.failed += 1;
        }
    }

    /// Removes what is not to be kept.
    pub fn forget(&mut self, retention: Retention, now: WallTime) {
        match self.history.forget(retention, now) {
            Ok(_) => self.size = self.history.size().unwrap_or(self.size),
            Err(_) => self.failed += 1,
        }
    }
}
