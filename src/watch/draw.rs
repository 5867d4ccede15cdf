//! Timelines as a chart that `report` draws, and as JSON.

use serde_json::{Value, json};

use super::event::{minute, span};
use super::sight::Standing;
use super::timeline::{Period, Timeline};
use crate::report::chart::{Chart, ChartLane, Span, Weather};
use crate::trace::WallTime;

/// The value of `schema` in a timeline.
pub const SCHEMA: &str = "lasthop.timeline/1";

/// One JSON document of all timelines.
#[must_use]
pub fn document(all: &[Timeline]) -> Value {
    json!({ "schema": SCHEMA, "targets": all })
}

/// What is to be drawn.
#[must_use]
pub fn chart(all: &[Timeline]) -> Chart {
    let times = || {
        let periods = all.iter().flat_map(|one| &one.periods);
        let ends = periods.flat_map(|one| [Some(&one.not_after), Some(&one.until), one.not_before.as_ref()]);
        let runs = all.iter().flat_map(|one| [one.first.as_ref(), one.last.as_ref()]);
        ends.chain(runs).flatten().filter_map(|text| WallTime::parse(text))
    };
    let from = times().min().unwrap_or_default();
    let to = times().max().unwrap_or_default();
    let notes = match all.iter().any(|one| one.runs.all > 0 || !one.periods.is_empty()) {
        true => vec![
            "A change lies between its two moments. No change rests on one run; runs that tell nothing count for neither side."
                .to_owned(),
        ],
        false => vec!["There is no run in this history yet.".to_owned()],
    };
    Chart {
        title: "What was reached, and when".to_owned(),
        from,
        to,
        lanes: all.iter().map(lane).collect(),
        notes,
    }
}

fn lane(timeline: &Timeline) -> ChartLane {
    let mut spans = Vec::new();
    for period in &timeline.periods {
        let (Some(after), Some(until)) = (WallTime::parse(&period.not_after), WallTime::parse(&period.until))
        else {
            continue;
        };
        if let Some(before) =
            period.not_before.as_deref().and_then(WallTime::parse).filter(|before| *before < after)
        {
            spans.push(Span { from: before, to: after, weather: Weather::Between });
        }
        spans.push(Span { from: after, to: until.max(after), weather: weather(period) });
    }
    let counts = timeline.runs;
    let mut note = format!(
        "{} runs: {} answered, {} lost, {} told nothing",
        counts.all, counts.reachable, counts.lost, counts.unknown
    );
    if !timeline.unknown.is_empty() {
        let why: Vec<String> = timeline
            .unknown
            .iter()
            .map(|(why, count)| format!("{} {count}", why.replace('_', " ")))
            .collect();
        note.push_str(&format!(" ({})", why.join(", ")));
    }
    ChartLane {
        name: timeline.target.to_string(),
        note,
        spans,
        rows: timeline.periods.iter().map(row).collect(),
    }
}

fn weather(period: &Period) -> Weather {
    match period.standing.and_then(Standing::of_word) {
        Some(Standing::Reachable) => Weather::Well,
        Some(Standing::Lost) => Weather::Loss,
        Some(Standing::Unknown) | None => Weather::Unknown,
    }
}

fn row(period: &Period) -> [String; 4] {
    let since = match &period.not_before {
        Some(before) => format!("{} to {}", minute(before), minute(&period.not_after)),
        None => format!("before {}", minute(&period.not_after)),
    };
    let lasted = WallTime::parse(&period.until)
        .zip(WallTime::parse(&period.not_after))
        .and_then(|(until, after)| u64::try_from((until.0 - after.0) / 1_000_000_000).ok())
        .map_or(String::new(), |seconds| format!(" ({})", span(seconds)));
    let found = period.place.as_ref().map_or(String::new(), |place| place.summary.clone());
    let state = match weather(period) {
        Weather::Well => "answers",
        Weather::Loss => "lost",
        _ => "not known",
    };
    [state.to_owned(), since, format!("{}{lasted}", minute(&period.until)), found]
}
