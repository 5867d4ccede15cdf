//! Events to a command and a webhook, on a thread of its own: whoever is slow, or does not answer, holds up no measurement.
//!
//! Each has a bounded time and a bounded number of tries, and the line between here and the loop a bounded length. An event
//! counts as told when both were tried; if the program is killed before, it is told again at the next start.

use std::collections::VecDeque;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, TryRecvError, TrySendError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::words::Watch;
use crate::cli::failure::{Failure, no_thread};
use crate::cli::output;
use crate::net::Clock;
use crate::report::safe;
use crate::trace::Moment;
use crate::watch::Event;
use crate::watch::metrics::Delivered;

/// Events that may wait. There is one for each change.
const MOST: usize = 1024;
/// How long a command may take.
const COMMAND: Duration = Duration::from_secs(30);
/// How long the end of the program waits for what is being delivered.
const LAST: Duration = Duration::from_secs(10);
/// How often a command is looked after.
const LOOK: Duration = Duration::from_millis(20);
/// Tries of a webhook.
#[cfg(feature = "fetch")]
const TRIES: u32 = 5;
/// How long one may take.
#[cfg(feature = "fetch")]
const REQUEST: Duration = Duration::from_secs(10);
/// Pause before the second try; doubled each time.
#[cfg(feature = "fetch")]
const PAUSE: Duration = Duration::from_secs(1);

/// Delivers events, if there is anybody to deliver to.
pub struct Deliverer {
    line: Option<(mpsc::SyncSender<Event>, mpsc::Receiver<Delivered>)>,
    open: usize,
    finished: VecDeque<Delivered>,
}

impl Deliverer {
    pub fn start(words: &Watch) -> Result<Self, Failure> {
        let command = words.exec.as_deref().map(command).transpose()?;
        #[cfg(feature = "fetch")]
        let webhook = words.webhook.clone();
        #[cfg(not(feature = "fetch"))]
        let webhook: Option<String> = None;
        let (open, finished) = (0, VecDeque::new());
        if command.is_none() && webhook.is_none() {
            return Ok(Self { line: None, open, finished });
        }
        let (events, to_do) = mpsc::sync_channel::<Event>(MOST);
        let (report, done) = mpsc::channel();
        let deliver = move || {
            for event in to_do {
                let ran = command.as_ref().map(|command| run(command, &event));
                let posted = webhook.as_ref().map(|url| post(url, &event));
                // The loop may have ended meanwhile.
                let _ = report.send(Delivered { event: event.id, ran, posted });
            }
        };
        thread::Builder::new().name("deliver".into()).spawn(deliver).map_err(|error| no_thread(&error))?;
        Ok(Self { line: Some((events, done)), open, finished })
    }

    /// Hands an event over; says whether it is on its way, and [`done`](Self::done) will tell.
    pub fn hand(&mut self, event: &Event) -> bool {
        let Some((line, _)) = &self.line else { return false };
        match line.try_send(event.clone()) {
            Ok(()) => {
                self.open += 1;
                true
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                output::talk(
                    "warning: too many events wait for --exec or --webhook; one is left to the next start",
                );
                // Not told: it stays so in the history.
                true
            }
        }
    }

    /// What was delivered since the last look.
    pub fn done(&mut self) -> Vec<Delivered> {
        self.collect();
        self.finished.drain(..).collect()
    }

    fn collect(&mut self) {
        let Some((_, done)) = &self.line else { return };
        loop {
            match done.try_recv() {
                Ok(one) => {
                    self.open = self.open.saturating_sub(1);
                    self.finished.push_back(one);
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.open = 0;
                    return;
                }
            }
        }
    }

    /// Waits for what is on its way, but not long, and not if `pause` says that somebody is in a hurry. Says whether all is
    /// delivered.
    pub fn finish(&mut self, pause: &mut dyn FnMut() -> bool) -> bool {
        let clock = Clock::start();
        loop {
            self.collect();
            if self.open == 0 {
                return true;
            }
            if pause() || clock.now() > Moment::START + LAST {
                return false;
            }
        }
    }
}

/// The words of a command, parted at blanks.
fn command(text: &str) -> Result<Vec<String>, Failure> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    match words.is_empty() {
        true => Err(Failure::usage("--exec names no program", "write it as --exec /usr/local/bin/notify")),
        false => Ok(words),
    }
}

/// Runs the command; says whether it ended well.
fn run(words: &[String], event: &Event) -> bool {
    let name = safe(&words[0]).into_owned();
    let body = serde_json::to_vec(event).unwrap_or_default();
    let child = Command::new(&words[0])
        .args(&words[1..])
        .envs(event.variables())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        // A Ctrl-C is for the watch; and what the command starts is ended with it.
        .process_group(0)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            output::talk(&format!("warning: --exec {name} cannot be run: {error}"));
            return false;
        }
    };
    // A command that does not read may leave more than a pipe holds unwritten: its own thread, so that time stays bounded.
    if let Some(mut input) = child.stdin.take() {
        let _ = thread::Builder::new().name("exec input".into()).spawn(move || {
            // Whoever does not want to read need not.
            let _ = input.write_all(&body);
        });
    }
    match wait(&mut child) {
        Some(true) => true,
        Some(false) => {
            output::talk(&format!("warning: --exec {name} ended with a failure"));
            false
        }
        None => {
            output::talk(&format!(
                "warning: --exec {name} took more than {} s and was ended",
                COMMAND.as_secs()
            ));
            false
        }
    }
}

/// Whether it ended well; none if it had to be ended.
fn wait(child: &mut Child) -> Option<bool> {
    let clock = Clock::start();
    while clock.now() < Moment::START + COMMAND {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) => thread::sleep(LOOK),
            Err(_) => return Some(false),
        }
    }
    if let Ok(group) = i32::try_from(child.id()) {
        // It may have ended just now.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = child.wait();
    None
}

/// Posts the event; says whether the server took it.
#[cfg(feature = "fetch")]
fn post(url: &str, event: &Event) -> bool {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(REQUEST))
        .max_redirects(0)
        .user_agent(concat!("lasthop/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let body = serde_json::to_vec(event).unwrap_or_default();
    let mut pause = PAUSE;
    let mut why = String::new();
    for attempt in 1..=TRIES {
        match agent.post(url).header("content-type", "application/json").send(&body[..]) {
            Ok(response) if response.status().is_success() => return true,
            Ok(response) => {
                why = format!("it answers {}", response.status().as_u16());
                // What is wrong with the request stays wrong; 408 and 429 ask for another try.
                let status = response.status().as_u16();
                if response.status().is_client_error() && status != 408 && status != 429 {
                    break;
                }
            }
            Err(ureq::Error::StatusCode(status)) => {
                why = format!("it answers {status}");
                if (400..500).contains(&status) && status != 408 && status != 429 {
                    break;
                }
            }
            Err(error) => why = error.to_string(),
        }
        if attempt < TRIES {
            thread::sleep(pause);
            pause *= 2;
        }
    }
    output::talk(&format!("warning: the webhook did not take event {}: {}", event.id, safe(&why)));
    false
}

#[cfg(not(feature = "fetch"))]
fn post(_: &str, _: &Event) -> bool {
    false
}
