//! One remote measurement from its creation to its results, as a machine without clock and socket.

use std::time::Duration;

use super::{Allowance, Answer, Error, Request, Results, Step, Task, atlas, globalping, words};

/// Tries of one question before it is given up.
const MOST_TRIES: u32 = 6;
/// Pages of probes that are read: of 500 each, more than any country has.
const MOST_PAGES: u32 = 20;
/// The longest pause that is waited for at a server's word.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// Which network, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// RIPE Atlas.
    Atlas(atlas::From),
    /// Globalping.
    Globalping(globalping::From),
}

impl Network {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Atlas(_) => "RIPE Atlas",
            Self::Globalping(_) => "Globalping",
        }
    }

    /// `atlas:…` or `globalping:…`.
    ///
    /// # Errors
    /// [`Error::Where`], with what cannot be understood.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            Some(("atlas", rest)) => atlas::From::parse(rest).map(Self::Atlas),
            Some(("globalping", rest)) => globalping::From::parse(rest).map(Self::Globalping),
            _ => Err(Error::Where(format!("'{text}' names no measurement network that is known"))),
        }
    }

    /// The least pause after a 429 without `Retry-After`.
    const fn patience(&self) -> Duration {
        match self {
            Self::Atlas(_) => Duration::from_secs(10),
            Self::Globalping(_) => Duration::from_secs(5),
        }
    }

    /// Between two questions for results.
    const fn pause(&self) -> Duration {
        match self {
            Self::Atlas(_) => Duration::from_secs(10),
            Self::Globalping(_) => Duration::from_millis(500),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The probes are looked up (Atlas, by AS and country).
    Select,
    /// Creation number so many (Atlas has one for both).
    Create(usize),
    /// The state of measurement so many (Atlas), or state and results (Globalping).
    State(usize),
    /// The results of measurement so many (Atlas).
    Fetch(usize),
    Done,
}

/// A remote measurement.
#[derive(Clone, Debug)]
pub struct Machine {
    network: Network,
    task: Task,
    /// Of target and reference.
    ids: Vec<String>,
    results: Vec<Results>,
    stage: Stage,
    /// Probes that take part, as the network says.
    scheduled: u64,
    /// The last results that made sense, while more are waited for.
    latest: Option<(String, u64)>,
    tries: u32,
    /// Probes that were found, with their AS, and where the next page of them is.
    found: Vec<(u64, u32)>,
    next: Option<Request>,
    pages: u32,
    chosen: Vec<u64>,
    /// Finished results from before, by their measurement.
    kept: Vec<(String, String)>,
    etag: Option<String>,
    allowance: Option<Allowance>,
    /// To be waited before the next question.
    pause: Option<Duration>,
    waited: Duration,
}

impl Machine {
    /// A new one; with the two `ids` of an earlier one, or the first of them, it goes on where that was.
    #[must_use]
    pub fn new(network: Network, task: Task, ids: Vec<String>) -> Self {
        let mut machine = Self {
            network,
            task,
            ids,
            results: Vec::new(),
            stage: Stage::Done,
            scheduled: 0,
            latest: None,
            tries: 0,
            found: Vec::new(),
            next: None,
            pages: 0,
            chosen: Vec::new(),
            kept: Vec::new(),
            etag: None,
            allowance: None,
            pause: None,
            waited: Duration::ZERO,
        };
        let selects = matches!(&machine.network, Network::Atlas(from) if from.selects());
        machine.stage = match machine.ids.len() {
            0 if selects => Stage::Select,
            made @ (0 | 1) => Stage::Create(made),
            _ => Stage::State(0),
        };
        machine
    }

    /// What has been created: to be written down at once after every answer.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Takes the finished results of a measurement from an earlier time, so that nobody is asked for them again; says whether
    /// they are such. Before the first [`step`](Self::step).
    pub fn recall(&mut self, id: &str, json: String) -> bool {
        let whole = match &self.network {
            Network::Atlas(_) => atlas::count(&json).is_some_and(|count| count > 0),
            Network::Globalping(_) => {
                globalping::State::read(&json).is_some_and(|state| state.done && state.finished > 0)
            }
        };
        if whole && self.ids.iter().any(|known| known == id) {
            self.kept.push((id.to_owned(), json));
            if let Stage::State(at) = self.stage {
                self.enter(at);
            }
        }
        whole
    }

    /// What the network allowed when it answered last, where it said so.
    #[must_use]
    pub const fn allowance(&self) -> Option<Allowance> {
        self.allowance
    }

    /// Asks what the network still allows; creates nothing and costs nothing.
    #[must_use]
    pub fn balance(&self) -> Request {
        match &self.network {
            Network::Atlas(_) => atlas::credits(),
            Network::Globalping(_) => globalping::limits(),
        }
    }

    /// What an answer to [`balance`](Self::balance) says, in words.
    #[must_use]
    pub fn left(&self, body: &str) -> Option<String> {
        match &self.network {
            Network::Atlas(_) => atlas::left(body),
            Network::Globalping(_) => globalping::left(body),
        }
    }

    /// What it will cost, in the network's own terms; `None` if nothing is left to create.
    #[must_use]
    pub fn cost(&self) -> Option<String> {
        match (&self.network, self.ids.len()) {
            (_, 2..) => None,
            (Network::Atlas(from), _) => Some(atlas::cost(from)),
            (Network::Globalping(from), made) => Some(globalping::cost(from, 2 - made)),
        }
    }

    /// All requests that create something, and what is looked up for them, as they would be sent; an id that is not known yet
    /// is `ID`, probes that are not are `PROBES`.
    #[must_use]
    pub fn creations(&self) -> Vec<Request> {
        match &self.network {
            Network::Atlas(from) if self.ids.is_empty() => {
                let select = from.selects().then(|| atlas::select(from, self.task.family));
                select.into_iter().chain([atlas::create(from, &self.task, &self.chosen)]).collect()
            }
            Network::Atlas(_) => Vec::new(),
            Network::Globalping(from) => (self.ids.len()..2)
                .map(|which| {
                    let first = self.ids.first().map_or("ID", String::as_str);
                    globalping::create(from, &self.task, (which == 1).then_some(first))
                })
                .collect(),
        }
    }

    /// How far it is, in words.
    #[must_use]
    pub fn progress(&self) -> String {
        let got = self.latest.as_ref().map_or(0, |(_, count)| *count);
        match self.stage {
            Stage::Select => {
                format!("{}: looking for probes, {} so far", self.network.name(), self.found.len())
            }
            Stage::Create(_) => format!("{}: asking for the measurement", self.network.name()),
            Stage::State(at) | Stage::Fetch(at) => {
                let id = self.ids.get(at).map_or("", String::as_str);
                format!("{} {id}: {got} of {} probes have answered", self.network.name(), self.scheduled)
            }
            Stage::Done => format!("{}: done", self.network.name()),
        }
    }

    /// What to do next.
    pub fn step(&mut self) -> Step {
        if let Some(pause) = self.pause.take() {
            self.waited += pause;
            return Step::Wait(pause);
        }
        let id = |at: usize| self.ids.get(at).map_or("", String::as_str);
        let request = match (self.stage, &self.network) {
            (Stage::Done, _) => return Step::Done(self.results.clone()),
            (Stage::Select, Network::Atlas(from)) => {
                self.next.clone().unwrap_or_else(|| atlas::select(from, self.task.family))
            }
            (Stage::Create(_), Network::Atlas(from)) => atlas::create(from, &self.task, &self.chosen),
            (Stage::Create(which), Network::Globalping(from)) => {
                globalping::create(from, &self.task, (which == 1).then(|| id(0)))
            }
            (Stage::State(at), Network::Atlas(_)) => atlas::state(id(at)),
            (Stage::Fetch(at), Network::Atlas(_)) => atlas::results(id(at)),
            (Stage::State(at) | Stage::Fetch(at), Network::Globalping(_)) => {
                Request { etag: self.etag.clone(), ..globalping::state(id(at)) }
            }
            // Globalping looks up its probes itself.
            (Stage::Select, Network::Globalping(_)) => return Step::Done(Vec::new()),
        };
        Step::Send(request)
    }

    /// Takes what came back, or why nothing did.
    ///
    /// # Errors
    /// [`Error`], when it is over; what was created stays in [`ids`](Self::ids).
    pub fn take(&mut self, answer: Result<Answer, String>) -> Result<(), Error> {
        let network = self.network.name();
        let creates = matches!(self.stage, Stage::Create(_));
        let answer = match answer {
            Ok(answer) if answer.torn && creates => {
                return Err(Error::Lost("the answer was torn".to_owned()));
            }
            Ok(answer) if answer.torn => return self.again("an answer that was torn", None),
            Ok(answer) => answer,
            Err(reason) if creates => return Err(Error::Lost(reason)),
            Err(reason) => {
                self.tries += 1;
                if self.tries >= MOST_TRIES {
                    return Err(Error::Network { network, reason });
                }
                self.pause = Some(self.backoff(None));
                return Ok(());
            }
        };
        self.allowance = answer.allowance.or(self.allowance);
        // A creation that is over the allowance is possible again when that is whole.
        let spent = answer.allowance.filter(|one| one.remaining == 0).and_then(|one| one.reset);
        match answer.status {
            200..=299 => {}
            // Unchanged, as was asked.
            304 if self.etag.is_some() => {
                if let Stage::State(at) = self.stage {
                    self.tries = 0;
                    return self.settle(at, false);
                }
            }
            // 429 is a refusal, of a creation too: nothing was made.
            429 => return self.busy(answer.status, answer.retry_after.or(spent)),
            500..=599 if creates => return Err(Error::Lost(format!("{network} answers {}", answer.status))),
            500..=599 => return self.busy(answer.status, answer.retry_after),
            status => return Err(Error::Refused { network, status, words: words(&answer.body) }),
        }
        match self.stage {
            Stage::Select => self.selected(&answer.body),
            Stage::Create(_) => self.created(&answer.body),
            Stage::State(at) => {
                self.etag = answer.etag;
                self.state(at, &answer.body)
            }
            Stage::Fetch(at) => self.fetched(at, &answer.body),
            Stage::Done => Ok(()),
        }
    }

    fn backoff(&self, wanted: Option<u64>) -> Duration {
        let least = self.network.patience();
        match wanted {
            Some(seconds) => Duration::from_secs(seconds).max(Duration::from_secs(1)),
            None => least * 2u32.pow(self.tries.saturating_sub(1).min(6)),
        }
    }

    fn busy(&mut self, status: u16, wanted: Option<u64>) -> Result<(), Error> {
        self.tries += 1;
        let (tries, pause) = (self.tries, self.backoff(wanted));
        if tries >= MOST_TRIES || pause > LONGEST_PAUSE {
            return Err(Error::Busy { network: self.network.name(), status, tries });
        }
        self.pause = Some(pause);
        Ok(())
    }

    /// An answer that makes no sense may be better next time.
    fn again(&mut self, what: &str, pause: Option<Duration>) -> Result<(), Error> {
        self.tries += 1;
        if self.tries >= MOST_TRIES {
            return Err(Error::Strange { network: self.network.name(), what: what.to_owned() });
        }
        self.pause = Some(pause.unwrap_or_else(|| self.network.pause()));
        Ok(())
    }

    fn selected(&mut self, body: &str) -> Result<(), Error> {
        let Network::Atlas(from) = &self.network else { return Ok(()) };
        let Some((probes, next)) = atlas::probes(body, from, self.task.family) else {
            return self.again("a list of probes that is none", None);
        };
        self.tries = 0;
        self.pages += 1;
        self.found.extend(probes);
        if let Some(next) = next.filter(|_| self.pages < MOST_PAGES) {
            match atlas::page(&next) {
                Some(request) => self.next = Some(request),
                None => {
                    let what = "the next page of probes is nowhere on its own server".to_owned();
                    return Err(Error::Strange { network: self.network.name(), what });
                }
            }
            return Ok(());
        }
        self.chosen = atlas::choose(from, &self.found);
        if self.chosen.is_empty() {
            let list: Vec<String> = from.asns.iter().map(|asn| format!("AS{asn}")).collect();
            let country = from.country.as_deref().unwrap_or_default();
            return Err(Error::NoProbes(format!(
                "RIPE Atlas has no connected probe with IPv{} of {} in {country}",
                self.task.family,
                list.join(" or ")
            )));
        }
        self.stage = Stage::Create(0);
        Ok(())
    }

    /// Goes on to measurement so many, past those whose results are there.
    fn enter(&mut self, mut at: usize) {
        self.etag = None;
        while let Some(id) = self.ids.get(at) {
            let Some(kept) = self.kept.iter().position(|(known, _)| known == id) else {
                self.stage = Stage::State(at);
                return;
            };
            let (id, json) = self.kept.swap_remove(kept);
            let count = match &self.network {
                Network::Atlas(_) => atlas::count(&json).unwrap_or(0),
                Network::Globalping(_) => globalping::State::read(&json).map_or(0, |state| state.finished),
            };
            let target = if at == 0 { &self.task.target } else { &self.task.reference };
            self.results.push(Results {
                id,
                target: target.clone(),
                json,
                probes: (count, count),
                complete: true,
            });
            at += 1;
        }
        self.stage = Stage::Done;
    }

    fn created(&mut self, body: &str) -> Result<(), Error> {
        let strange = |what: &str| Error::Lost(format!("{what}: {}", words(body)));
        match &self.network {
            Network::Atlas(_) => {
                let ids = atlas::created(body).ok_or_else(|| strange("it names no two measurements"))?;
                self.ids = ids.into();
                self.stage = Stage::State(0);
            }
            Network::Globalping(_) => {
                let id = globalping::created(body).ok_or_else(|| strange("it names no measurement"))?;
                self.ids.push(id);
                self.stage = match self.ids.len() {
                    1 => Stage::Create(1),
                    _ => Stage::State(0),
                };
            }
        }
        self.tries = 0;
        Ok(())
    }

    fn state(&mut self, at: usize, body: &str) -> Result<(), Error> {
        match &self.network {
            Network::Atlas(_) => {
                let Some(state) = atlas::State::read(body) else {
                    return self.again("a state that is none", None);
                };
                if let Some(why) = state.failure() {
                    let network = self.network.name();
                    return Err(Error::Refused { network, status: 200, words: why });
                }
                (self.tries, self.scheduled) = (0, state.scheduled);
                self.stage = Stage::Fetch(at);
                Ok(())
            }
            Network::Globalping(_) => {
                let Some(state) = globalping::State::read(body) else {
                    return self.again("a measurement that is none", None);
                };
                (self.tries, self.scheduled) = (0, state.probes);
                self.latest = Some((body.to_owned(), state.finished));
                self.settle(at, state.done)
            }
        }
    }

    fn fetched(&mut self, at: usize, body: &str) -> Result<(), Error> {
        let Some(count) = atlas::count(body) else {
            return self.again("results that are cut or none", None);
        };
        self.tries = 0;
        self.latest = Some((body.to_owned(), count));
        let all = self.scheduled > 0 && count >= self.scheduled;
        // Probes are assigned some time after the creation: without their number the state is asked again.
        if !all && self.scheduled == 0 {
            self.stage = Stage::State(at);
        }
        self.settle(at, all)
    }

    /// What there is of a measurement is kept if that is all, or if time is up.
    fn settle(&mut self, at: usize, all: bool) -> Result<(), Error> {
        if !all && self.waited < self.task.deadline {
            self.pause = Some(self.network.pause());
            return Ok(());
        }
        let id = self.ids.get(at).cloned().unwrap_or_default();
        let (json, got) = self.latest.take().unwrap_or_default();
        if got == 0 {
            let (network, seconds) = (self.network.name(), self.waited.as_secs());
            return Err(Error::Nothing { network, id, seconds });
        }
        let target = if at == 0 { &self.task.target } else { &self.task.reference };
        let probes = (self.scheduled, got);
        self.results.push(Results { id, target: target.clone(), json, probes, complete: all });
        self.scheduled = 0;
        self.enter(at + 1);
        Ok(())
    }
}
