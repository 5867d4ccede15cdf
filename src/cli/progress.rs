//! What is going on, on stderr: one live line on a terminal, a line at each change of mind elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use super::view::Watcher;
use crate::report::safe;
use crate::session::Glimpse;
use crate::trace::Run;
use crate::verdict::{Kind, Verdict};

/// A bar on stderr that is drawn anew so many times a second, if it is wanted and somebody sees it.
pub fn bar(wanted: bool, length: Option<u64>, times: u8, style: &str) -> Option<ProgressBar> {
    (wanted && std::io::stderr().is_terminal()).then(|| {
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(times));
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar
    })
}

/// What a watch tells of one of its targets while it is looked at.
#[cfg(feature = "watch")]
#[cfg_attr(not(feature = "live"), expect(dead_code, reason = "only a view reads them"))]
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// The last runs, oldest first: `.` it answered, `x` it was lost, `?` it is not known.
    pub runs: String,
    /// The state, and since when it has been so.
    pub state: String,
    /// It is lost; none where nothing is known.
    pub lost: Option<bool>,
    /// Time until the next run; none while one goes on, or where time is simulated.
    pub due: Option<Duration>,
    /// A run is going on.
    pub running: bool,
}

/// Shows a measurement as it goes.
pub struct Progress<'a> {
    /// Somebody looks at all of it.
    view: Option<Watcher<'a>>,
    bar: Option<ProgressBar>,
    /// What was last said about the verdict.
    said: Option<(Kind, Option<u8>, Option<u8>)>,
    /// It was said that a reference is looked for.
    searching: bool,
    quiet: bool,
    /// Which of several it is, with a colon behind it; else empty.
    name: String,
}

impl<'a> Progress<'a> {
    /// In the live view; without one as `otherwise` does it.
    pub fn viewed(view: Option<Watcher<'a>>, otherwise: impl FnOnce() -> Self) -> Self {
        match view {
            Some(_) => {
                Self { view, bar: None, said: None, searching: false, quiet: false, name: String::new() }
            }
            None => otherwise(),
        }
    }

    /// For a measurement that is watched by a person, or not at all.
    pub fn new(quiet: bool) -> Self {
        let bar = bar(!quiet, None, 10, "{spinner} {wide_msg}");
        Self { view: None, bar, said: None, searching: false, quiet, name: String::new() }
    }

    /// For one of several measurements: each change of mind is told in a line that says whose.
    pub fn of_one(name: &str) -> Self {
        let name = format!("{}: ", safe(name));
        Self { view: None, bar: None, said: None, searching: false, quiet: false, name }
    }

    /// Takes a look.
    pub fn see(&mut self, glimpse: &Glimpse<'_>) {
        if let Some(view) = &mut self.view {
            return view.see(glimpse);
        }
        if self.quiet {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_message(line(glimpse));
            bar.tick();
            return;
        }
        if glimpse.searching && !self.searching {
            self.searching = true;
            output::talk(&format!(
                "{}nothing to compare with yet: asking neighbours of the target, one a second",
                self.name
            ));
        }
        let Some(verdict) = glimpse.verdict else { return };
        let now = (verdict.kind, verdict.after_ttl, verdict.before_ttl);
        if self.said != Some(now) {
            self.said = Some(now);
            output::talk(&format!("{}{}", self.name, line(glimpse)));
        }
    }

    /// Clears the line.
    pub fn end(&self) {
        if let Some(view) = &self.view {
            view.end();
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(glimpse: &Glimpse<'_>) -> String {
    let run = glimpse.run;
    let answered = run.probes.iter().filter(|probe| probe.was_answered()).count();
    let seconds = Duration::from_nanos(glimpse.now.as_nanos()).as_secs_f64();
    if glimpse.searching {
        return format!(
            "{seconds:.1} s  looking for a reference: {} packets, {answered} answered",
            run.probes.len()
        );
    }
    let state = match glimpse.verdict {
        None => format!("looking at the path{}", if run.destinations.len() > 1 { "s" } else { "" }),
        Some(verdict) => format!("so far: {}", so_far(verdict, run)),
    };
    format!("{seconds:.1} s  {} probes, {answered} answered  {state}", run.probes.len())
}

/// The provisional verdict in half a line.
fn so_far(verdict: &Verdict, run: &Run) -> String {
    let names: Vec<String> = verdict.asns.iter().map(ToString::to_string).collect();
    let place = match (verdict.after_ttl, verdict.before_ttl) {
        (Some(after), Some(before)) => format!(", between hops {after} and {before}"),
        (Some(after), None) => format!(", last seen at hop {after}"),
        (None, _) => String::new(),
    };
    let what = match verdict.kind {
        Kind::Reachable => format!("{} answers", safe(&run.destination(Run::TARGET).host)),
        Kind::Inconclusive => format!(
            "not decided ({})",
            verdict.reason.map_or("weak", |reason| reason.word()).replace('_', " ")
        ),
        kind => kind.word().replace('_', " "),
    };
    match (names.is_empty(), verdict.kind) {
        (_, Kind::Reachable) => what,
        (true, _) => format!("{what}{place}"),
        (false, _) => format!("{what} {}{place}", names.join(", ")),
    }
}
