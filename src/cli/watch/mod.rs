//! `watch`: the same measurement over time. The loop; what it decides by is in the room of that name.
//!
//! One measurement at a time, so that the limits of one run are the limits of a watch, however many its targets. It runs on a
//! thread of its own while this one listens for signals: the first ends the run and puts everything away, the second ends at
//! once, and nothing confirmed is lost by it either.
//!
//! * `words`: the words
//! * `measure`: one run, live or simulated
//! * `book`: the history, and what waits for a disk that is full
//! * `deliver`: events to a command and a webhook, off the loop
//! * `serve`: figures over HTTP, to whoever asks decently
//! * `show`: `watch report` and `watch export`
//! * `look`: what the live view tells of each target

mod book;
mod deliver;
mod look;
mod measure;
mod serve;
mod show;
mod words;

use std::io::IsTerminal;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::args;
use super::demo;
use super::exit::Exit;
use super::failure::{Failure, no_thread};
use super::output;
use super::view::Stage;
use crate::net::{self, Clock};
use crate::report::safe;
use crate::trace::WallTime;
use crate::watch::change::Limits;
use crate::watch::metrics::Metrics;
use crate::watch::schedule::{Schedule, Steps};
use crate::watch::{Event, Sighting, Standing};

use book::Book;
use deliver::Deliverer;
use look::Look;
use measure::{LiveSource, Outcome, Script, Source, When};
use words::WatchCommand;
pub use words::{EXPLAINED, Watch};

/// The shortest interval of live runs: a run takes about that long.
const SHORTEST: Duration = Duration::from_secs(30);
/// How often a sleeping watch looks at the clock: a machine that was suspended wakes late by this much at most.
const LOOK: Duration = Duration::from_secs(20);
/// How long old runs are left before they are looked for.
const TIDY: u64 = 50;

/// `lasthop watch`, `watch report`, `watch export`.
pub fn watch(words: &Watch) -> Exit {
    match &words.command {
        Some(WatchCommand::Report(words)) => show::report(words),
        Some(WatchCommand::Export(words)) => show::export(words),
        None => run(words).unwrap_or_else(|failure| {
            // A line like all others: whoever reads events reads lines.
            if words.json {
                failure.line();
            }
            failure.end(false)
        }),
    }
}

/// Time as the loop has it: the machine's, or a simulated one that jumps to whatever is waited for.
enum Time {
    Real(Steps),
    Simulated(Duration),
}

impl Time {
    fn since_boot(&self) -> Result<Duration, Failure> {
        match self {
            Self::Simulated(now) => Ok(*now),
            Self::Real(_) => net::since_boot().map_err(|error| {
                let hint = "the kernel's CLOCK_BOOTTIME is needed: does a container forbid clock_gettime?";
                Failure::environment("clock", format!("the clock cannot be read: {error}"), Some(hint.into()))
            }),
        }
    }

    fn wall(&self) -> WallTime {
        match self {
            Self::Simulated(now) => WallTime(
                demo::STARTED_AT.0.saturating_add_unsigned(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)),
            ),
            Self::Real(_) => Clock::start().started_at(),
        }
    }
}

/// Ctrl-C and SIGTERM.
struct Signals {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let fault = |error: std::io::Error| {
            let hint = "raise the limit of open files (ulimit -n), or end other programs";
            Failure::environment(
                "signals",
                format!("signals cannot be listened for: {error}"),
                Some(hint.into()),
            )
        };
        let runtime = net::event_loop().map_err(fault)?;
        let (interrupt, terminate) = {
            let _inside = runtime.enter();
            (signal(SignalKind::interrupt()).map_err(fault)?, signal(SignalKind::terminate()).map_err(fault)?)
        };
        Ok(Self { runtime, interrupt, terminate })
    }

    /// Waits so long; says whether a signal came.
    fn wait(&mut self, span: Duration) -> bool {
        let Self { runtime, interrupt, terminate } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = interrupt.recv() => true,
                _ = terminate.recv() => true,
                () = tokio::time::sleep(span) => false,
            }
        })
    }

    /// Waits for an answer; none if a signal came first.
    fn answer<T>(
        &mut self,
        answer: &mut oneshot::Receiver<T>,
    ) -> Option<Result<T, oneshot::error::RecvError>> {
        let Self { runtime, interrupt, terminate } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = interrupt.recv() => None,
                _ = terminate.recv() => None,
                result = answer => Some(result),
            }
        })
    }
}

/// How a measurement ended.
enum Ended {
    /// It is over; whether a signal came meanwhile.
    Over(Box<Outcome>, bool),
    /// A second signal came.
    Abandoned,
}

struct Loop<'a> {
    words: &'a Watch,
    source: Arc<Source>,
    signals: Signals,
    time: Time,
    book: Book,
    schedules: Vec<Schedule>,
    limits: Limits,
    deliverer: Deliverer,
    metrics: Metrics,
    page: serve::Page,
    /// The live view.
    look: Option<Look>,
}

fn run(words: &Watch) -> Result<Exit, Failure> {
    let stage = Stage::open(words.live.wanted(), args::When::Auto);
    let source = match &words.simulate {
        Some(script) => Source::Simulated(Script::parse(script, words)?),
        None if words.interval < SHORTEST => {
            return Err(Failure::usage(
                format!("an interval of {} s is shorter than a run", words.interval.as_secs()),
                "give --interval 30s or more; five minutes find the minute of a change well enough",
            ));
        }
        None => Source::Live(Box::new(LiveSource::open(words)?)),
    };
    let signals = Signals::listen()?;
    let path = book::place(words.history.as_deref())?;
    let book = Book::open(&path, &source.subjects())?;
    let page = serve::Page::default();
    if let Some(address) = words.metrics {
        let bound = serve::serve(address, page.clone())?;
        output::talk(&format!("metrics: http://{bound}/metrics"));
    }
    let deliverer = Deliverer::start(words)?;
    let simulated = matches!(source, Source::Simulated(_)) && !words.real_time;
    let time = if simulated { Time::Simulated(Duration::ZERO) } else { Time::Real(Steps::default()) };
    let begin = time.since_boot()?;
    let count = source.subjects().len() as u32;
    // Several targets take turns, evenly over the interval.
    let schedules = (0..count)
        .map(|at| Schedule::new(words.interval, words.jitter, begin + words.interval * at / count))
        .collect();
    let limits = Limits::new(words.confidence, words.interval);
    let metrics = Metrics::new(&source.subjects(), time.wall());
    let mut watching = Loop {
        words,
        source: Arc::new(source),
        signals,
        time,
        book,
        schedules,
        limits,
        deliverer,
        metrics,
        page,
        look: None,
    };
    output::talk(&format!(
        "watching {} every {} s; {} runs in a row decide; history: {}",
        watching
            .source
            .subjects()
            .iter()
            .map(|one| safe(&one.to_string()).into_owned())
            .collect::<Vec<_>>()
            .join(", "),
        words.interval.as_secs(),
        limits.row(),
        safe(&path.display().to_string())
    ));
    if let Some(stage) = stage {
        watching.look = Some(Look::begin(stage, &watching.source.subjects(), &watching.book)?);
    }
    watching.run()
}

impl Loop<'_> {
    fn run(&mut self) -> Result<Exit, Failure> {
        // What was decided before the program ended, however it ended, and not told.
        for event in self.book.untold()? {
            self.tell(&event)?;
        }
        let most = match &*self.source {
            Source::Simulated(script) => self.words.count.or(script.length()),
            Source::Live(_) => self.words.count,
        };
        let mut turn = 0;
        self.publish();
        while most.is_none_or(|most| turn < most) {
            let Some(which) = (0..self.schedules.len()).min_by_key(|at| self.schedules[*at].due()) else {
                break;
            };
            if self.wait_until(self.schedules[which].due())? {
                break;
            }
            let began = self.time.since_boot()?;
            self.show(Some(which), began);
            let (outcome, stop) = match self.measure(which, turn, began)? {
                Ended::Over(outcome, stop) => (outcome, stop),
                Ended::Abandoned => return Ok(Exit::Ok),
            };
            if stop && outcome.document.measurement.as_ref().is_none_or(|one| one.incomplete) {
                output::talk("the run that was going on is left out");
                break;
            }
            turn += 1;
            self.take(which, turn, began, *outcome)?;
            if stop {
                break;
            }
        }
        self.finish()
    }

    /// A run is over: test, history, events, the next time.
    fn take(&mut self, which: usize, turn: u64, began: Duration, outcome: Outcome) -> Result<(), Failure> {
        let Outcome { document, at, failure } = outcome;
        if let Some(failure) = &failure {
            // Without the privilege no run will ever be made; and an interface that is not there at the beginning is a slip of
            // the pen, which later is a change to be outlived.
            if turn == 1 && matches!(failure.kind, "privilege" | "interface") {
                return Err(failure.clone());
            }
            output::talk(&format!(
                "{}: {}",
                safe(&self.book.subject(which).to_string()),
                safe(&failure.message)
            ));
        }
        let sighting = Sighting::of(&document, at);
        let seconds = document.measurement.as_ref().map_or(0.0, |one| one.seconds.0 as f64 / 1e9);
        let probes = document.measurement.as_ref().map_or(0, |one| one.probes);
        self.metrics.ran(which, &sighting, seconds, probes, at);
        if self.words.verbose > 0 {
            self.say(which, &sighting, &document);
        }
        if let Some(look) = &mut self.look {
            look.ran(which, sighting.standing);
        }
        let put = self.book.put(which, &self.limits, sighting, document);
        if let Time::Simulated(now) = &mut self.time {
            *now += Duration::from_secs_f64(seconds.clamp(0.0, 3600.0));
        }
        if let Some(event) = &put.event {
            self.metrics.happened(which, event.event);
            self.tell(event)?;
        }
        let now = self.time.since_boot()?;
        let missed = self.schedules[which].ran(began, now, put.extra, chance(&self.time));
        self.metrics.missed(which, missed);
        if let Some(retention) = self.words.keep.filter(|_| turn.is_multiple_of(TIDY)) {
            self.book.forget(retention, self.time.wall());
        }
        self.publish();
        self.show(None, now);
        Ok(())
    }

    /// Tells the view, if there is one, how each target stands.
    fn show(&self, running: Option<usize>, now: Duration) {
        let Some(look) = &self.look else { return };
        let simulated = matches!(self.time, Time::Simulated(_));
        for (which, schedule) in self.schedules.iter().enumerate() {
            let due = (!simulated && running != Some(which)).then(|| schedule.due().saturating_sub(now));
            look.tell(which, self.book.series(which), due, running == Some(which));
        }
    }

    fn say(&self, which: usize, sighting: &Sighting, document: &crate::report::Document) {
        let summary = match (&document.verdict, &document.error) {
            (Some(verdict), _) => verdict.summary.as_str(),
            (None, Some(error)) => error.message.as_str(),
            (None, None) => "",
        };
        let subject = self.book.subject(which).to_string();
        output::talk(&format!(
            "{}  {}  {}  {}",
            crate::watch::at_second(sighting.at),
            safe(&subject),
            sighting.standing.word(),
            safe(summary)
        ));
    }

    /// Waits until it is time, and hears what became of events meanwhile; says whether a signal came.
    fn wait_until(&mut self, due: Duration) -> Result<bool, Failure> {
        loop {
            self.hear();
            let now = self.time.since_boot()?;
            if let Time::Real(steps) = &mut self.time {
                let wall = Clock::start().started_at();
                if let Some(step) = steps.look(wall.0, now) {
                    self.metrics.stepped();
                    output::talk(&format!(
                        "warning: the clock was set by {:.1} s; times told of changes around it are doubtful, their order is not",
                        step as f64 / 1e9
                    ));
                }
            }
            if now >= due {
                // A look for signals all the same: simulated time never waits.
                return Ok(self.signals.wait(Duration::ZERO));
            }
            if let Time::Simulated(now) = &mut self.time {
                *now = due;
                continue;
            }
            if self.signals.wait((due - now).min(LOOK)) {
                return Ok(true);
            }
        }
    }

    /// One run on a thread of its own.
    fn measure(&mut self, which: usize, turn: u64, began: Duration) -> Result<Ended, Failure> {
        let (source, when) = (Arc::clone(&self.source), When { wall: self.time.wall(), since_boot: began });
        let view = self.look.as_ref().map(Look::handle);
        let (done, mut answer) = oneshot::channel();
        let run = move || {
            // Nobody waits any more after a second signal.
            let _ = done.send(source.measure(which, turn, when, view.as_ref()));
        };
        thread::Builder::new().name("run".into()).spawn(run).map_err(|error| no_thread(&error))?;
        let mut stop = false;
        loop {
            match self.signals.answer(&mut answer) {
                Some(Ok(outcome)) => return Ok(Ended::Over(Box::new(outcome), stop)),
                Some(Err(_)) => {
                    return Err(Failure::environment(
                        "run",
                        "a run ended without a result: this is a fault of lasthop",
                        Some("please report it with the lines above".into()),
                    ));
                }
                None if stop => return Ok(Ended::Abandoned),
                None => stop = true,
            }
        }
    }

    /// Tells of a change: standard output at once, the rest off the loop.
    fn tell(&mut self, event: &Event) -> Result<(), Failure> {
        let json = self.words.json;
        if self.look.is_some() && std::io::stdout().is_terminal() {
            // The picture is there now; the lines follow when it is over.
            let line = if json { serde_json::to_string(event).unwrap_or_default() } else { event.sentence() };
            output::talk(&line);
        } else {
            Self::print(event, json)?;
        }
        if !self.deliverer.hand(event) {
            self.book.told(event.id);
        }
        Ok(())
    }

    fn print(event: &Event, json: bool) -> Result<(), Failure> {
        output::stdout(|out| match json {
            true => {
                serde_json::to_writer(&mut *out, event)?;
                writeln!(out)
            }
            false => writeln!(out, "{}", event.sentence()),
        })
    }

    /// Events that everybody was told of.
    fn hear(&mut self) {
        for done in self.deliverer.done() {
            self.metrics.delivered(&done);
            self.book.told(done.event);
        }
    }

    fn publish(&mut self) {
        if self.words.metrics.is_none() {
            return;
        }
        for which in 0..self.schedules.len() {
            let series = self.book.series(which);
            self.metrics.state(which, series.standing(), series.since().map(|since| since.1), series.place());
        }
        let book = &self.book;
        self.metrics.history(book.size, book.waiting() as u64, book.failed, book.lost);
        self.page.put(self.metrics.text());
    }

    fn finish(&mut self) -> Result<Exit, Failure> {
        self.look = None;
        let signals = &mut self.signals;
        let delivered = self.deliverer.finish(&mut || signals.wait(Duration::from_millis(50)));
        self.hear();
        self.book.close()?;
        if !delivered {
            output::talk("warning: an event is still to be delivered; it is told again at the next start");
        }
        let lost =
            (0..self.schedules.len()).any(|at| self.book.series(at).standing() == Some(Standing::Lost));
        if self.words.verbose > 0 {
            output::talk(if lost { "ended while a target is lost" } else { "ended" });
        }
        Ok(Exit::Ok)
    }
}

/// Where in its span the jitter falls; simulated time has none, so that it can be repeated.
fn chance(time: &Time) -> f64 {
    match time {
        Time::Simulated(_) => 0.5,
        Time::Real(_) => rand::random(),
    }
}
