//! One run of a watch: by the same way as `diagnose`, live or in a simulated world.
//!
//! Sockets are opened anew for each run, since interfaces, addresses and routes come and go in weeks, and opening takes
//! privilege. So one thread keeps it: it opens sockets as it is asked to by this program and reads nothing that strangers wrote.
//! All others have given up everything before the first name is resolved.

use std::net::IpAddr;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use super::words::Watch;
use crate::cli::args::{self, Diagnose, Keeping, Output, Probing};
use crate::cli::cache::Cache;
use crate::cli::demo;
use crate::cli::diagnose::{self, Compared};
use crate::cli::failure::{Failure, no_thread};
use crate::cli::live::{self, Data, Files, Live, Socket};
use crate::cli::names::Names;
use crate::cli::opt_out::OptOut;
use crate::cli::progress::Progress;
use crate::cli::request::{self, Endpoint, Request};
use crate::cli::seek::Seeking;
use crate::cli::simulated;
use crate::cli::view::{Handle, slowed};
use crate::net::{Family, Footing, privilege};
use crate::report::{self, Document, Session};
use crate::session::{self};
use crate::sim::{Network, Topology};
use crate::trace::schema::{self};
use crate::trace::{Destination, Protocol, WallTime};
use crate::watch::Subject;

/// How long a search holds.
const SEARCHED: Duration = Duration::from_secs(86_400);

/// One run that is over.
pub struct Outcome {
    /// All of it.
    pub document: Document,
    /// When it began.
    pub at: WallTime,
    /// What it could not do.
    pub failure: Option<Failure>,
}

/// When a run begins, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct When {
    pub wall: WallTime,
    pub since_boot: Duration,
}

/// Where runs come from.
pub enum Source {
    /// This machine's network.
    Live(Box<LiveSource>),
    /// Scenarios, each for a number of runs.
    Simulated(Script),
}

impl Source {
    /// Whom it measures.
    pub fn subjects(&self) -> Vec<Subject> {
        match self {
            Self::Live(live) => live.aims.iter().map(|aim| aim.subject.clone()).collect(),
            Self::Simulated(script) => vec![script.subject.clone()],
        }
    }

    /// Measures one of them, the `turn`th run of all.
    pub fn measure(&self, which: usize, turn: u64, when: When, view: Option<&Handle>) -> Outcome {
        match self {
            Self::Live(live) => live.measure(which, when.since_boot, view),
            Self::Simulated(script) => script.measure(turn, when.wall, view),
        }
    }
}

/// Asks the thread with the privilege.
type Asked = (Request, Steer, mpsc::Sender<Result<Live, Failure>>);

/// The words about sockets, owned.
#[derive(Clone)]
struct Steer {
    source: Option<IpAddr>,
    mark: Option<u32>,
    vrf: Option<String>,
}

struct Aim {
    probing: Probing,
    subject: Subject,
    /// What is remembered from run to run.
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// The request with the addresses that are being measured.
    request: Option<Request>,
    /// When neighbours were last asked, since boot.
    searched: Option<Duration>,
}

/// Runs on real sockets.
pub struct LiveSource {
    words: Diagnose,
    compared: Compared,
    data: Data,
    opt_out: Vec<ipnetwork::IpNetwork>,
    aims: Vec<Aim>,
    opener: Mutex<mpsc::Sender<Asked>>,
}

impl LiveSource {
    /// Starts the thread that keeps the privilege, gives it up here, and reads what the words name.
    pub fn open(words: &Watch) -> Result<Self, Failure> {
        let words_of_run = as_diagnose(words);
        let compared = Compared::of(&words_of_run)?;
        let probings = targets(words)?;
        for probing in &probings {
            request::protocol(probing)?;
        }
        let opt_out = OptOut::wanted(compared.searches, words.opt_out.as_deref());
        let files = Files::of(&words.probing.knowledge)?;
        let opener = opener()?;
        live::given_up(privilege::drop_here())?;
        let data = files.read()?;
        let opt_out = opt_out.read()?;
        let names = Names::by(&words.probing.dns)?;
        let mut aims = Vec::new();
        for probing in probings {
            // Words that no measurement can be made of, and names that nobody knows, are told before the first run.
            let request = request::request(&probing, compared.beside(&words_of_run), &names)?;
            let target = &request.destinations[0];
            let subject = Subject {
                host: target.host.clone(),
                protocol: target.protocol.word().to_owned(),
                port: target.port,
                family: if request.family == Family::V6 { 6 } else { 4 },
            };
            if aims.iter().any(|known: &Aim| known.subject == subject) {
                return Err(Failure::usage(
                    format!("the target {subject} is given twice"),
                    "leave out one of them",
                ));
            }
            let memory = Mutex::new(Memory { request: Some(request), searched: None });
            aims.push(Aim { probing, subject, memory });
        }
        Ok(Self { words: words_of_run, compared, data, opt_out, aims, opener: Mutex::new(opener) })
    }

    fn measure(&self, which: usize, since_boot: Duration, view: Option<&Handle>) -> Outcome {
        let aim = &self.aims[which];
        let begun = crate::net::Clock::start().started_at();
        let mut session = Session::default();
        session.vantage.label.clone_from(&aim.probing.label);
        self.try_to(which, since_boot, &mut session, view).unwrap_or_else(|failure| {
            let port = aim.subject.port;
            let (protocol, _) = request::protocol(&aim.probing).unwrap_or((Protocol::Tcp, port));
            let mut document = report::failure(&session, protocol, port, failure.schema());
            document.started_at = Some(begun.rfc3339());
            document.target =
                Some(schema::Path { host: aim.subject.host.clone(), ..schema::Path::default() });
            Outcome { document, at: begun, failure: Some(failure) }
        })
    }

    fn try_to(
        &self,
        which: usize,
        since_boot: Duration,
        known: &mut Session,
        view: Option<&Handle>,
    ) -> Result<Outcome, Failure> {
        let aim = &self.aims[which];
        let names = Names::by(&aim.probing.dns)?;
        // A panic in another run leaves nothing half-done in here.
        let mut memory = aim.memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let request = self.request(aim, memory.request.as_ref(), &names)?;
        memory.request = Some(request.clone());
        let live = self.open_wire(&request, &aim.probing)?;
        diagnose::fits_the_interface(&request, &live.wire)?;
        let Live { mut wire, plan, spare } = live;
        let started_at = wire.started_at();
        let grounds = self.data.grounds();
        known.asdb = Some(self.data.describe(started_at));
        known.vantage = live::vantage(&wire, &grounds, aim.probing.label.as_deref());
        let due = memory.searched.is_none_or(|last| since_boot.saturating_sub(last) >= SEARCHED);
        let cache = Cache::of_user(false);
        let (searches, opt_out) = (self.compared.searches, self.opt_out.clone());
        let seeking = Seeking::of(&request, searches, &grounds, opt_out, spare, &cache, started_at);
        let search = seeking.search.as_ref().filter(|search| due || search.known.is_some());
        let confidence = self.words.confidence;
        let footing = Footing::of(&wire);
        let watcher = view.map(|view| view.watcher(which, &grounds, plan.budget, Some(confidence)));
        let mut progress = Progress::viewed(watcher, || Progress::new(true));
        let found = session::diagnose_searching(
            plan.clone(),
            started_at,
            &mut wire,
            &grounds,
            confidence,
            search,
            &mut |glimpse| progress.see(glimpse),
        );
        progress.end();
        let found = found?;
        if found.search.is_some() {
            memory.searched = Some(since_boot);
        }
        if let Some((key, searched)) = seeking.worth(found.search.as_ref()) {
            cache.keep(key, searched);
        }
        let socket = crate::net::Steering::default();
        let (mut document, failure) =
            diagnose::written(known, &found, &self.words, &plan, &socket, footing.as_ref());
        names.tell(&mut document);
        Ok(Outcome { document, at: started_at, failure })
    }

    /// The request of this run. Names are resolved anew each time; an address that is measured is kept as long as the name
    /// still has it, because a name with several gives them in any order; and where nobody answers, as long as that lasts.
    fn request(&self, aim: &Aim, before: Option<&Request>, names: &Names) -> Result<Request, Failure> {
        let seed = aim.probing.seed.unwrap_or_else(rand::random);
        let fresh = request::request(&aim.probing, self.compared.beside(&self.words), names);
        match (fresh, before) {
            (Ok(fresh), None) => Ok(fresh),
            (Ok(fresh), Some(before)) => Ok(Request { seed, ..as_before(fresh, before) }),
            (Err(failure), Some(before)) if failure.kind == "name" => Ok(Request { seed, ..before.clone() }),
            (Err(failure), _) => Err(failure),
        }
    }

    fn open_wire(&self, request: &Request, probing: &Probing) -> Result<Live, Failure> {
        let steer =
            Steer { source: probing.way.source, mark: probing.way.fwmark, vrf: probing.way.vrf.clone() };
        let (answer, opened) = mpsc::channel();
        let gone = || {
            let hint = "start the watch again; please report it with the lines above";
            Failure::environment("network", "the thread that opens sockets has ended", Some(hint.into()))
        };
        let opener = self.opener.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        opener.send((request.clone(), steer, answer)).map_err(|_| gone())?;
        opened.recv().map_err(|_| gone())?
    }
}

/// The thread that keeps the privilege. It ends with the last who may ask it.
fn opener() -> Result<mpsc::Sender<Asked>, Failure> {
    let (sender, questions) = mpsc::channel::<Asked>();
    let run = move || {
        // Whatever cannot be given up here is no more than what it began with.
        let _ = privilege::narrow();
        for (request, steer, answer) in questions {
            let socket = Socket { source: steer.source, mark: steer.mark, vrf: steer.vrf.as_deref() };
            // Whoever asked may have been interrupted.
            let _ = answer.send(live::open_one(&request, &socket));
        }
    };
    match thread::Builder::new().name("opener".into()).spawn(run) {
        Ok(_) => Ok(sender),
        Err(error) => Err(no_thread(&error)),
    }
}

/// The targets, each with its words. The first's port holds for those that name none.
fn targets(words: &Watch) -> Result<Vec<Probing>, Failure> {
    let mut all = vec![words.probing.clone()];
    for target in &words.also {
        let mut probing = Probing { target: Some(target.clone()), ..words.probing.clone() };
        if Endpoint::parse(target)?.port.is_some() {
            (probing.positional_port, probing.port) = (None, None);
        } else if probing.positional_port.or(probing.port).is_none() {
            probing.port = Endpoint::parse(words.probing.target())?.port;
        }
        all.push(probing);
    }
    Ok(all)
}

/// A request with the addresses of the one before it, each as long as its name still has it.
fn as_before(mut fresh: Request, before: &Request) -> Request {
    if fresh.family != before.family {
        return fresh;
    }
    let first = fresh.destinations[0].address;
    for one in &mut fresh.destinations {
        let is = |old: &&Destination| {
            (&old.host, old.role, old.protocol, old.port) == (&one.host, one.role, one.protocol, one.port)
        };
        let Some(old) = before.destinations.iter().find(is) else { continue };
        let has =
            fresh.names.iter().any(|name| name.host == one.host && name.addresses.contains(&old.address));
        if has {
            one.address = old.address;
        }
    }
    let kept = fresh.destinations[0].address;
    for other in fresh.others.iter_mut().filter(|other| **other == kept) {
        *other = first;
    }
    fresh
}

/// The words of each run, as `diagnose` has them.
fn as_diagnose(words: &Watch) -> Diagnose {
    Diagnose {
        references: words.references.clone(),
        hints: words.hints.clone(),
        no_search: words.no_search,
        opt_out: words.opt_out.clone(),
        no_cache: false,
        matrix: Vec::new(),
        check: words.check.clone(),
        registry: Vec::new(),
        #[cfg(feature = "fetch")]
        from: Vec::new(),
        #[cfg(feature = "fetch")]
        dry_run: false,
        #[cfg(feature = "fetch")]
        yes: false,
        confidence: words.confidence,
        via: Vec::new(),
        also: Vec::new(),
        mx: None,
        spf: None,
        url: None,
        app: None,
        live: args::Live::default(),
        keeping: Keeping { bundle: None, redact: false, sign: None },
        probing: words.probing.clone(),
        output: Output { json: false, format: None, output: None, color: args::When::Never, verbose: 0 },
    }
}

/// Scenarios in turn.
pub struct Script {
    phases: Vec<(Topology, u64)>,
    ipv6: bool,
    seed: u64,
    confidence: f64,
    subject: Subject,
}

impl Script {
    /// Reads `clear:20,blackhole:10,clear`.
    pub fn parse(text: &str, words: &Watch) -> Result<Self, Failure> {
        let mut phases = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (name, count) = match part.rsplit_once(':') {
                Some((name, count)) => match count.parse::<u64>() {
                    Ok(count @ 1..=1_000_000_000) => (name, count),
                    _ => {
                        return Err(Failure::usage(
                            format!("'{part}' has no number of runs behind the colon"),
                            "write it as clear:20,blackhole:10",
                        ));
                    }
                },
                None => (part, u64::MAX),
            };
            phases.push((demo::scenario(name)?, count));
        }
        let Some((first, _)) = phases.first() else {
            return Err(Failure::usage("an empty script", "write it as clear:20,blackhole:10"));
        };
        let (protocol, port) = first.probe.protocol_and_port();
        let subject = Subject {
            host: first.target.clone(),
            protocol: protocol.word().to_owned(),
            port,
            family: if words.probing.ipv6 { 6 } else { 4 },
        };
        Ok(Self {
            phases,
            ipv6: words.probing.ipv6,
            seed: words.probing.seed.unwrap_or(1),
            confidence: words.confidence,
            subject,
        })
    }

    /// How many runs the script is for; none if it has no end.
    pub fn length(&self) -> Option<u64> {
        self.phases.iter().try_fold(0_u64, |sum, (_, count)| sum.checked_add(*count))
    }

    fn topology(&self, turn: u64) -> &Topology {
        let mut left = turn;
        for (topology, count) in &self.phases {
            if left < *count {
                return topology;
            }
            left -= count;
        }
        &self.phases[self.phases.len() - 1].0
    }

    fn measure(&self, turn: u64, at: WallTime, view: Option<&Handle>) -> Outcome {
        self.try_to(turn, at, view).unwrap_or_else(|failure| {
            let session = Session::default();
            let document = report::failure(&session, Protocol::Tcp, self.subject.port, failure.schema());
            Outcome { document, at, failure: Some(failure) }
        })
    }

    fn try_to(&self, turn: u64, at: WallTime, view: Option<&Handle>) -> Result<Outcome, Failure> {
        let topology = self.topology(turn);
        let wrong = |error: crate::sim::NetworkError| Failure::input(error.to_string(), error.hint());
        let seed = self.seed.wrapping_add(turn);
        let mut network = Network::new(topology, self.ipv6, seed).map_err(wrong)?;
        let plan = network.plan(topology, seed).map_err(wrong)?;
        let origins = simulated::origins(topology);
        let search = simulated::search(topology, &mut network);
        let confidence = self.confidence;
        let watcher = view.map(|view| view.watcher(0, &origins, plan.budget, Some(confidence)));
        let mut progress = Progress::viewed(watcher, || Progress::new(true));
        let found = session::diagnose_searching(
            plan,
            at,
            &mut slowed(&mut network, view),
            &origins,
            confidence,
            search.as_ref(),
            &mut |glimpse| progress.see(glimpse),
        );
        progress.end();
        let found = found?;
        let known = simulated::session(found.run.source, &origins, at);
        Ok(Outcome { document: diagnose::document(&known, &found, false, None), at, failure: None })
    }
}
