//! What a history says of each target over time: periods, and the runs they rest on.

use serde::Serialize;

use super::event::{Event, Happened, Subject};
use super::history::{Entry, History, HistoryError};
use super::sight::{Place, Standing};
use crate::trace::WallTime;

/// A time in which one state held.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Period {
    /// The state; null before enough runs agreed.
    pub standing: Option<&'static str>,
    /// It began not before this; null where the watch began in it. RFC 3339.
    pub not_before: Option<String>,
    /// And not after this.
    pub not_after: String,
    /// Last run of it. RFC 3339.
    pub until: String,
    /// Where the target was lost.
    pub place: Option<Place>,
    /// How sure its beginning is; null for the first.
    pub confidence: Option<f64>,
    /// The event that began it; null for the first.
    pub event: Option<u64>,
}

/// One run on the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dot {
    /// When it began, nanoseconds since 1970.
    #[serde(skip)]
    pub at: WallTime,
    /// What it showed.
    #[serde(skip)]
    pub standing: Standing,
}

/// One target over time.
#[derive(Clone, Debug, Serialize)]
pub struct Timeline {
    /// Whom it is about.
    pub target: Subject,
    /// Times of first and last run kept; null without runs.
    pub first: Option<String>,
    /// The last.
    pub last: Option<String>,
    /// Runs kept: all, and those that showed each state.
    pub runs: Runs,
    /// Periods in their order.
    pub periods: Vec<Period>,
    /// Why runs told nothing, with how many, most first.
    pub unknown: Vec<(String, u64)>,
    /// The runs, for drawing.
    #[serde(skip)]
    pub dots: Vec<Dot>,
}

/// How many runs showed what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Runs {
    /// All.
    pub all: u64,
    /// The target answered.
    pub reachable: u64,
    /// It was lost.
    pub lost: u64,
    /// Nothing was shown.
    pub unknown: u64,
}

/// The timelines of all targets of a history.
///
/// # Errors
/// [`HistoryError`].
pub fn timelines(history: &History) -> Result<Vec<Timeline>, HistoryError> {
    let events = history.events()?;
    let mut all = Vec::new();
    for target in history.targets()? {
        let entries = history.entries(&target)?;
        let of_target: Vec<&Event> = events.iter().filter(|event| event.target == target.subject).collect();
        all.push(timeline(target.subject.clone(), &entries, &of_target, target.series.standing()));
    }
    Ok(all)
}

fn timeline(target: Subject, entries: &[Entry], events: &[&Event], now: Option<Standing>) -> Timeline {
    let mut runs = Runs::default();
    let mut unknown: Vec<(String, u64)> = Vec::new();
    for entry in entries {
        runs.all += 1;
        match entry.standing {
            Standing::Reachable => runs.reachable += 1,
            Standing::Lost => runs.lost += 1,
            Standing::Unknown => {
                runs.unknown += 1;
                let why = entry.reason.clone().unwrap_or_else(|| entry.kind.clone());
                match unknown.iter_mut().find(|(known, _)| *known == why) {
                    Some((_, count)) => *count += 1,
                    None => unknown.push((why, 1)),
                }
            }
        }
    }
    unknown.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    // Runs may have been removed that events still tell of.
    let first = entries.first().map(|entry| entry.at.rfc3339());
    let last =
        entries.last().map(|entry| entry.at.rfc3339()).or_else(|| events.last().map(|one| one.at.clone()));
    let end = last.clone().unwrap_or_default();
    let mut periods: Vec<Period> = Vec::new();
    let begins_in_a_block = events.first().is_some_and(|event| event.not_before.is_none());
    if !begins_in_a_block && let Some(first) = first.clone().or_else(|| events.first()?.not_before.clone()) {
        // What the first event changed, or, without one, what the test holds.
        let standing = match events.first().map(|event| event.event) {
            Some(Happened::Begin) => Some(Standing::Reachable),
            Some(Happened::End | Happened::Moved) => Some(Standing::Lost),
            None => now,
        };
        let place = events.first().and_then(|event| event.was.clone());
        let first = events
            .first()
            .and_then(|event| event.not_before.clone())
            .map_or(first.clone(), |other| first.min(other));
        periods.push(Period {
            standing: standing.map(Standing::word),
            not_before: None,
            not_after: first,
            until: end.clone(),
            place,
            confidence: None,
            event: None,
        });
    }
    for event in events {
        if let Some(before) = periods.last_mut() {
            before.until = event.not_before.clone().unwrap_or_else(|| event.not_after.clone());
        }
        let standing = if event.event == Happened::End { Standing::Reachable } else { Standing::Lost };
        periods.push(Period {
            standing: Some(standing.word()),
            not_before: event.not_before.clone(),
            not_after: event.not_after.clone(),
            until: end.clone(),
            place: event.place.clone(),
            confidence: Some(event.confidence),
            event: Some(event.id),
        });
    }
    let dots = entries.iter().map(|entry| Dot { at: entry.at, standing: entry.standing }).collect();
    Timeline { target, first, last, runs, periods, unknown, dots }
}
