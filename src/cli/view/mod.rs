//! The live view of `--live`: the paths, hop by hop, as they fill in, on the terminal's other screen. What is printed when it is
//! over is what is printed without it.
//!
//! A thread of its own draws and takes keys; it is begun when the run has confined itself, and so is confined as well. The
//! measurement hands it a picture at each turn and never waits for it. Nothing that is typed reaches the measurement but the
//! wish to end it, and that goes the way of every Ctrl-C: as a signal.
//!
//! * `model`: what is shown of one measurement, from what an observer sees of it
//! * `keys`: what is typed, and what it changes
//! * `draw`: a picture from both, a pure function
//! * `terminal`: taken over, drawn on, put back
//! * `slow`: simulated time for people

mod draw;
mod keys;
mod model;
mod slow;
mod terminal;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ratatui_core::layout::Rect;
use ratatui_core::terminal::Terminal;
use signal_hook::consts::{SIGCONT, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::flag::register_conditional_default;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::failure::{Failure, error_text, no_thread};
use super::output;
#[cfg(feature = "watch")]
use super::progress::Watched;
use crate::net::Clock;
use crate::path::Origins;
use crate::probe::{Budget, Wire};
use crate::session::Glimpse;
use crate::trace::Moment;

use draw::{Scene, Shown};
use keys::{Act, State};
use model::{Eye, Model};
pub use slow::Slowed;
use terminal::{Screen, Tty};

/// How long a key may wait for the view, in milliseconds.
const TURN: u16 = 40;
/// How often the time is drawn anew where nothing else happens.
const TICK: Duration = Duration::from_millis(200);
/// Simulated time passes at most so many doublings faster or slower.
const DOUBLINGS: i32 = 6;

/// A terminal that is ready for a view.
pub struct Stage {
    tty: Tty,
    color: bool,
}

impl Stage {
    /// The terminal, if a view is wanted and there is one for it. Where there is none, that is said, and what happens is told in
    /// lines.
    pub fn open(wanted: bool, color: super::args::When) -> Option<Self> {
        if !wanted {
            return None;
        }
        match Tty::open() {
            Ok(tty) => Some(Self { tty, color: output::is_coloured(color, true) }),
            Err(why) => {
                output::talk(&format!("no live view: {why}; what happens is told in lines"));
                None
            }
        }
    }

    /// Shows measurements with these names from now on; one alone needs none.
    pub fn begin(self, names: &[String]) -> Result<View, Failure> {
        let failed = |error: std::io::Error| {
            let message = format!("the terminal cannot be used for a live view: {}", error_text(&error));
            Failure::environment("terminal", message, Some("leave out --live".into()))
        };
        let shared = Arc::new(Shared::new(names));
        let signals = Signals::new([SIGINT, SIGTERM, SIGQUIT, SIGTSTP, SIGCONT]).map_err(failed)?;
        for signal in [SIGINT, SIGTERM, SIGQUIT, SIGTSTP] {
            // When the view is over nobody may be left who swallows them.
            register_conditional_default(signal, Arc::clone(&shared.over)).map_err(failed)?;
        }
        let screen = Screen::new(&self.tty).and_then(Terminal::new).map_err(failed)?;
        self.tty.enter().map_err(|error| {
            terminal::leave();
            failed(error)
        })?;
        let window = Window {
            tty: self.tty,
            screen,
            signals,
            shared: Arc::clone(&shared),
            state: State::default(),
            shown: Vec::new(),
            color: self.color,
            drawn: None,
        };
        let begun = thread::Builder::new().name("view".into()).spawn(move || window.run());
        match begun {
            Ok(thread) => Ok(View { shared, thread: Some(thread) }),
            Err(error) => {
                terminal::leave();
                Err(no_thread(&error))
            }
        }
    }
}

/// What the measurements and the view share.
pub struct Shared {
    slots: Mutex<Vec<Slot>>,
    clock: Clock,
    /// There is something new to be seen.
    changed: AtomicBool,
    /// All is over, and the terminal to be given back.
    over: Arc<AtomicBool>,
    /// The measurements should end.
    ends: AtomicBool,
    /// Doublings of the speed of simulated time.
    doublings: AtomicI32,
}

/// One measurement.
struct Slot {
    name: String,
    model: Option<Arc<Model>>,
    /// When that was put there.
    at: Moment,
    over: bool,
    /// How it stands among runs of the same, and when that was told.
    #[cfg(feature = "watch")]
    watched: Option<(Watched, Moment)>,
}

impl Shared {
    fn new(names: &[String]) -> Self {
        let slot = |name: &String| Slot {
            name: name.clone(),
            model: None,
            at: Moment::START,
            over: false,
            #[cfg(feature = "watch")]
            watched: None,
        };
        Self {
            slots: Mutex::new(names.iter().map(slot).collect()),
            clock: Clock::start(),
            changed: AtomicBool::new(true),
            over: Arc::default(),
            ends: AtomicBool::new(false),
            doublings: AtomicI32::new(0),
        }
    }

    /// Changes what is known of one measurement.
    fn change(&self, which: usize, change: impl FnOnce(&mut Slot, Moment)) {
        let now = self.clock.now();
        // A panic elsewhere leaves nothing half-done in here.
        if let Some(slot) = self.slots.lock().unwrap_or_else(PoisonError::into_inner).get_mut(which) {
            change(slot, now);
        }
        self.changed.store(true, Ordering::Release);
    }

    fn shown(&self) -> Vec<Shown> {
        let now = self.clock.now();
        let speed = self.speed();
        let shown = |slot: &Slot| Shown {
            name: slot.name.clone(),
            model: slot.model.clone(),
            since: now.since(slot.at).mul_f64(speed),
            over: slot.over,
            #[cfg(feature = "watch")]
            watched: slot.watched.clone().map(|(watched, at)| Watched {
                due: watched.due.map(|due| due.saturating_sub(now.since(at))),
                ..watched
            }),
        };
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).iter().map(shown).collect()
    }

    fn wants_end(&self) -> bool {
        self.ends.load(Ordering::Acquire)
    }

    fn end(&self) {
        self.ends.store(true, Ordering::Release);
    }

    fn speed(&self) -> f64 {
        2_f64.powi(self.doublings.load(Ordering::Relaxed))
    }

    fn faster(&self, faster: bool) {
        let by = if faster { 1 } else { -1 };
        let now = self.doublings.load(Ordering::Relaxed);
        self.doublings.store((now + by).clamp(-DOUBLINGS, DOUBLINGS), Ordering::Relaxed);
    }
}

/// A view that is on the terminal. It is put away when this is.
pub struct View {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl View {
    /// What measurements know of it, on whatever thread they are.
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.shared))
    }
}

/// What measurements know of a view.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

impl Handle {
    /// Tells how a target stands that is measured again and again.
    #[cfg(feature = "watch")]
    pub fn tell(&self, which: usize, watched: super::progress::Watched) {
        self.0.change(which, |slot, now| slot.watched = Some((watched, now)));
    }

    /// Watches the measurement with this place among the names.
    pub fn watcher<'a>(
        &self,
        which: usize,
        origins: &'a dyn Origins,
        budget: Budget,
        confidence: Option<f64>,
    ) -> Watcher<'a> {
        Watcher { eye: Eye::new(origins, budget, confidence), shared: Arc::clone(&self.0), which }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A view that broke has nothing to say of the measurement; its panic was told.
            let _ = thread.join();
        }
        terminal::leave();
    }
}

/// A wire in virtual time as whoever watches it wants it; nobody does without a view.
pub fn slowed<'a, W: Wire>(wire: &'a mut W, view: Option<&Handle>) -> Slowed<'a, W> {
    Slowed::new(wire, view.map(|view| Arc::clone(&view.0)))
}

/// Hands on what is seen of one measurement.
pub struct Watcher<'a> {
    eye: Eye<'a>,
    shared: Arc<Shared>,
    which: usize,
}

impl Watcher<'_> {
    pub fn see(&mut self, glimpse: &Glimpse<'_>) {
        let model = Arc::new(self.eye.look(glimpse));
        self.shared.change(self.which, |slot, now| {
            (slot.model, slot.at, slot.over) = (Some(model), now, false);
        });
    }

    /// It is over; others may go on.
    pub fn end(&self) {
        self.shared.change(self.which, |slot, _| slot.over = true);
    }
}

/// The view on its own thread.
struct Window {
    tty: Tty,
    screen: Terminal<Screen>,
    signals: Signals,
    shared: Arc<Shared>,
    state: State,
    /// What is looked at: as it is, or as it was when the picture was stopped.
    shown: Vec<Shown>,
    color: bool,
    /// When the picture was last drawn.
    drawn: Option<Moment>,
}

impl Window {
    fn run(mut self) {
        // A terminal that is gone is no reason to end a measurement; the system ends it, if at all (SIGHUP).
        let _ = self.turns();
        terminal::leave();
    }

    /// None when the terminal is gone.
    fn turns(&mut self) -> Option<()> {
        while !self.shared.over.load(Ordering::Acquire) {
            let changed = self.shared.changed.swap(false, Ordering::AcqRel);
            let now = self.shared.clock.now();
            if changed || self.drawn.is_none_or(|drawn| now.since(drawn) >= TICK) {
                self.draw(now).ok()?;
            }
            let typed = self.tty.keys(TURN)?;
            let signals: Vec<i32> = self.signals.pending().collect();
            for signal in signals {
                self.heed(signal)?;
            }
            for key in keys::decode(&typed) {
                let size = self.screen.size().ok()?;
                let extent = draw::extent(
                    &self.scene(&[]),
                    Rect::from((ratatui_core::layout::Position::ORIGIN, size)),
                );
                let act = self.state.press(key, extent);
                self.act(act)?;
                self.drawn = None;
            }
        }
        Some(())
    }

    fn scene<'a>(&'a self, said: &'a [String]) -> Scene<'a> {
        Scene { runs: &self.shown, state: &self.state, said, color: self.color }
    }

    fn draw(&mut self, now: Moment) -> std::io::Result<()> {
        if !self.state.paused || self.shown.is_empty() {
            self.shown = self.shared.shown();
        }
        let said: Vec<String> = output::last_held().into_iter().collect();
        let Self { screen, shown, state, color, .. } = self;
        let scene = Scene { runs: shown, state, said: &said, color: *color };
        screen.draw(|frame| {
            let area = frame.area();
            draw::frame(&scene, area, frame.buffer_mut());
        })?;
        self.drawn = Some(now);
        Ok(())
    }

    fn act(&mut self, act: Act) -> Option<()> {
        match act {
            Act::Nothing => {}
            // By the way of every Ctrl-C, once: it is not the second that ends at once.
            Act::End if !self.state.ending => {
                kill(Pid::this(), Signal::SIGINT).ok()?;
            }
            Act::End => {}
            Act::Redraw => self.screen.clear().ok()?,
            Act::Reset => {
                let run = self.state.run;
                let model = self.shown.get(run).and_then(|shown| shown.model.as_deref());
                self.state.base = model.map(|model| (run, draw::base(model)));
            }
            Act::Faster => self.shared.faster(true),
            Act::Slower => self.shared.faster(false),
        }
        Some(())
    }

    fn heed(&mut self, signal: i32) -> Option<()> {
        match signal {
            SIGINT | SIGTERM if !self.state.ending => {
                self.state.ending = true;
                self.state.paused = false;
                self.shared.end();
                self.drawn = None;
            }
            SIGTSTP => {
                terminal::leave();
                emulate_default_handler(SIGTSTP).ok()?;
                // Here it goes on; how, SIGCONT says.
            }
            SIGCONT => {
                // However it was stopped, whoever had the terminal meanwhile left it as they liked it.
                terminal::leave();
                self.tty.enter().ok()?;
                self.screen.clear().ok()?;
                self.drawn = None;
            }
            // The second one, or one that asks for a core.
            signal => {
                terminal::leave();
                emulate_default_handler(signal).ok()?;
            }
        }
        Some(())
    }
}
