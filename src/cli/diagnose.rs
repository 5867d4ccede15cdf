//! `diagnose` and `trace`: the main job on real sockets.

use ipnetwork::IpNetwork;

use super::app;
use super::args::{self, Probing};
use super::cache::Cache;
use super::exit::Exit;
use super::failure::{self, Failure};
use super::keep::{Keep, Surroundings};
use super::live::{self, Files, Socket};
use super::names::Names;
use super::opt_out::OptOut;
use super::output::{self, Sink};
use super::progress::Progress;
use super::registry;
use super::request::{self, Beside, Request, Variants};
use super::seek::Seeking;
use super::several;
use super::view::{Stage, View};
use crate::capture::{About, Tap};
use crate::net::confine::Allowance;
use crate::net::{self, AnyWire, Footing, Steering};
use crate::probe::pace::Pace;
use crate::probe::{Plan, WireFault};
use crate::report::{self, Document, Measured, Session};
use crate::session::search::{self, Outcome};
use crate::session::{self, Diagnosis, Search, Searched};
use crate::trace::record::Settings;
use crate::trace::{End, Protocol, Run, SendFault};
use crate::verdict::Kind;

/// The reference that is not a host's name: one is looked for.
const AUTO: &str = "auto";

/// `lasthop diagnose`.
pub fn diagnose(words: &args::Diagnose) -> Exit {
    if several::asked(words) {
        return several::diagnose(words);
    }
    finish(&words.probing, words.output.prints_json(), |known| {
        let stage = Stage::open(words.live.wanted(), words.output.color);
        let mut sink = Sink::open(&words.output)?;
        let mut keep = Keep::open(words.probing.pcap.as_deref(), Some(&words.keeping))?;
        let compared = Compared::of(words)?;
        let searches = compared.searches;
        let beside = compared.beside(words);
        let names = Names::by(&words.probing.dns)?;
        let request = request::request(&words.probing, beside, &names)?;
        let socket = Steering {
            source: words.probing.way.source,
            mark: words.probing.way.fwmark,
            vrf: words.probing.way.vrf.clone(),
            interface: request.interface.clone(),
        };
        app::refuse(words, &socket)?;
        let mut lists = registry::open(&words.registry)?;
        let verbose = words.output.verbose > 0;
        let opt_out = OptOut::wanted(searches, words.opt_out.as_deref());
        // Whoever may not probe at all should hear of that first, and not of a home that is another's.
        let kept = words.probing.pcap.is_some() || words.keeping.bundle.is_some();
        let cache = Cache::of_user(words.no_cache);
        let kept_cache = if searches { &cache } else { &Cache::of_user(true) };
        let written_to = [words.output.file(), words.keeping.bundle.as_deref()];
        let allowance = Allowance {
            connects: words.service().is_some(),
            programs: words.keeping.bundle.is_some(),
            ..live::allowance(written_to, kept_cache)
        };
        let (mut live, data) = prepare(&words.probing, &request, known, (verbose, kept), allowance)?;
        let opt_out = opt_out.read()?;
        let started_at = live.wire.started_at();
        let plan = live.plan.clone();
        let grounds = data.grounds();
        let seeking = Seeking::of(&request, searches, &grounds, opt_out, live.spare, &cache, started_at);
        if verbose && let Some(search) = &seeking.search {
            introduce_search(search, seeking.prefix);
        }
        let footing = Footing::of(&live.wire);
        let settings = Settings { confidence: words.confidence, wait: plan.wait };
        let stream = keep.stream()?;
        let mut tap = Tap::new(&mut live.wire, &plan, started_at, settings, stream, &about(known))?;
        let view = begin(stage)?;
        let watcher =
            view.as_ref().map(|it| it.handle().watcher(0, &grounds, plan.budget, Some(words.confidence)));
        let mut progress = Progress::viewed(watcher, || Progress::new(false));
        let found = session::diagnose_searching(
            live.plan,
            started_at,
            &mut tap,
            &grounds,
            words.confidence,
            seeking.search.as_ref(),
            &mut |glimpse| progress.see(glimpse),
        );
        progress.end();
        drop(view);
        let (log, unstreamed) = tap.finish();
        let found = found?;
        if let Some((key, searched)) = seeking.worth(found.search.as_ref()) {
            cache.keep(key, searched);
        }
        let (mut document, trouble) = written(known, &found, words, &plan, &socket, footing.as_ref());
        names.tell(&mut document);
        // A list that cannot be read does not cost the measurement.
        let unread = registry::look_up(&mut lists, std::slice::from_mut(&mut document)).err();
        let around =
            Surroundings { table: &data.table, origins: &grounds, names: &request.names, simulated: None };
        let unkept = keep.streamed(unstreamed).or(keep.write(&found.run, &log, &document, &around));
        sink.tell(unkept.as_ref().or(unread.as_ref()));
        let unwritten = sink.write(document, |out, document| report::json(out, document), report::run)?;
        let broken: Vec<Failure> = trouble.into_iter().collect();
        let files: Vec<Failure> = unwritten.into_iter().chain(unkept).chain(unread).collect();
        Ok(failure::ending(1, &broken, &files, Some(Exit::of(found.verdict.kind))))
    })
}

/// The view of one measurement, where one is wanted and can be had.
pub fn begin(stage: Option<Stage>) -> Result<Option<View>, Failure> {
    stage.map(|stage| stage.begin(&[String::new()])).transpose()
}

/// The document of a measurement, and nothing else.
pub fn document(known: &Session, found: &Diagnosis, matrix: bool, trouble: Option<&Failure>) -> Document {
    let searched = found.search.as_ref().map(Searched::record);
    let measured = Measured {
        run: &found.run,
        target: &found.target,
        references: &found.references,
        verdict: Some(&found.verdict),
        search: searched.as_ref(),
        matrix,
    };
    report::document(known, measured, trouble.map(Failure::schema))
}

/// The document of a measurement that has ended, with what broke in it; what else is to be told of it goes to stderr.
pub fn written(
    known: &Session,
    found: &Diagnosis,
    words: &args::Diagnose,
    plan: &Plan,
    socket: &Steering,
    footing: Option<&Footing>,
) -> (Document, Option<Failure>) {
    let unclear = found.verdict.kind == Kind::Inconclusive;
    let trouble =
        trouble(&found.run, found.fault.as_ref()).or_else(|| unclear.then(|| upset(footing)).flatten());
    left_out(&found.run);
    let mut document = document(known, found, !words.matrix.is_empty(), trouble.as_ref());
    document.app = app::attempt(words, &found.run, found.verdict.kind, socket);
    let verbose = words.output.verbose > 0;
    if verbose && let Some(searched) = &found.search {
        touched(searched);
    }
    cost(plan, &found.run, verbose);
    (document, trouble)
}

/// What the words say of comparing.
pub struct Compared {
    /// The references that are named.
    pub named: Vec<String>,
    /// Others may be searched for.
    pub searches: bool,
}

impl Compared {
    /// Reads the words, and refuses those that contradict each other.
    pub fn of(words: &args::Diagnose) -> Result<Self, Failure> {
        let named: Vec<String> =
            words.references.iter().filter(|name| !name.eq_ignore_ascii_case(AUTO)).cloned().collect();
        let asked = named.len() < words.references.len() || !words.hints.is_empty();
        let auto = asked || named.is_empty();
        if words.no_search && named.len() < words.references.len() {
            return Err(Failure::usage("-r auto asks for what --no-search forbids", "leave out one of them"));
        }
        let sized = words.probing.size.is_some();
        if sized && (asked || !named.is_empty() || !words.matrix.is_empty()) {
            return Err(Failure::usage(
                "--size compares large packets to the host with small ones to the same host",
                "leave out -r, --hint and --matrix, or leave out --size",
            ));
        }
        Ok(Self { named, searches: auto && !words.no_search && !sized })
    }

    /// The same where references are named beside the words: others are searched for only if that was asked for.
    pub fn with(&self, words: &args::Diagnose, references: Vec<String>) -> Self {
        let asked =
            !words.hints.is_empty() || words.references.iter().any(|name| name.eq_ignore_ascii_case(AUTO));
        let searches = self.searches && (asked || references.is_empty());
        Self { named: [self.named.clone(), references].concat(), searches }
    }

    /// Whom to probe beside the target.
    pub fn beside<'a>(&'a self, words: &'a args::Diagnose) -> Beside<'a> {
        let variants = match words.matrix.as_slice() {
            [] => Variants::Usual,
            list => Variants::These(list),
        };
        Beside {
            references: &self.named,
            hints: &words.hints,
            check: words.check.as_deref(),
            variants,
            called: &[],
            small: true,
        }
    }
}

/// `lasthop trace`.
pub fn trace(words: &args::Trace) -> Exit {
    finish(&words.probing, words.output.prints_json(), |known| {
        let stage = Stage::open(words.live.wanted(), words.output.color);
        let mut sink = Sink::open(&words.output)?;
        let keep = Keep::open(words.probing.pcap.as_deref(), None)?;
        let names = Names::by(&words.probing.dns)?;
        let request = request::request(&words.probing, Beside::default(), &names)?;
        let verbose = words.output.verbose > 0;
        let kept = words.probing.pcap.is_some();
        let allowance = live::allowance([words.output.file()], &Cache::of_user(true));
        let (mut live, data) = prepare(&words.probing, &request, known, (verbose, kept), allowance)?;
        let started_at = live.wire.started_at();
        let plan = live.plan.clone();
        let queries = words.probing.queries.unwrap_or(3);
        // A trace concludes nothing; the confidence of a capture is what a conclusion from it would have.
        let footing = Footing::of(&live.wire);
        let settings = Settings { confidence: 0.99, wait: plan.wait };
        let stream = keep.stream()?;
        let mut tap = Tap::new(&mut live.wire, &plan, started_at, settings, stream, &about(known))?;
        let grounds = data.grounds();
        let view = begin(stage)?;
        let watcher = view.as_ref().map(|view| view.handle().watcher(0, &grounds, plan.budget, None));
        let mut progress = Progress::viewed(watcher, || Progress::new(false));
        let found = session::trace(live.plan, started_at, &mut tap, &grounds, queries, &mut |glimpse| {
            progress.see(glimpse);
        });
        progress.end();
        drop(view);
        let unkept = keep.streamed(tap.finish().1);
        let found = found?;
        let unclear = !found.path.reached;
        let trouble = trouble(&found.run, found.fault.as_ref())
            .or_else(|| unclear.then(|| upset(footing.as_ref())).flatten());
        let mut document = report::document(
            known,
            Measured {
                run: &found.run,
                target: &found.path,
                references: &[],
                verdict: None,
                search: None,
                matrix: false,
            },
            trouble.as_ref().map(Failure::schema),
        );
        names.tell(&mut document);
        cost(&plan, &found.run, verbose);
        sink.tell(unkept.as_ref());
        let unwritten = sink.write(document, |out, document| report::json(out, document), report::trace)?;
        match trouble.or(unwritten).or(unkept) {
            Some(failure) => {
                failure.say();
                Ok(failure.exit)
            }
            None => Ok(Exit::Ok),
        }
    })
}

/// Runs the job; a failure is told in a sentence, and in a document if one was asked for.
pub fn finish(words: &Probing, json: bool, job: impl FnOnce(&mut Session) -> Result<Exit, Failure>) -> Exit {
    let mut known = Session::default();
    known.vantage.label.clone_from(&words.label);
    match job(&mut known) {
        Ok(exit) => exit,
        Err(failure) => {
            if json {
                let (protocol, port) = request::protocol(words).unwrap_or((Protocol::Tcp, None));
                failure.document_of(&known, protocol, port);
            }
            failure.say();
            failure.exit
        }
    }
}

/// Files opened, sockets opened, privilege given up, files read, in this order.
fn prepare(
    words: &Probing,
    request: &Request,
    known: &mut Session,
    (verbose, kept): (bool, bool),
    allowance: Allowance,
) -> Result<(live::Live, live::Data), Failure> {
    let files = Files::of(&words.knowledge)?;
    let socket = Socket { source: words.way.source, mark: words.way.fwmark, vrf: words.way.vrf.as_deref() };
    let live = live::open(request, &socket, allowance)?;
    if live.wire.is_plain() && kept {
        return Err(live::raw_only("the packets of a run (--pcap, --bundle)"));
    }
    fits_the_interface(request, &live.wire)?;
    let data = files.read()?;
    known.asdb = Some(data.describe(live.wire.started_at()));
    known.vantage = live::vantage(&live.wire, &data.grounds(), words.label.as_deref());
    if verbose {
        introduce(request, &live.plan);
    }
    Ok((live, data))
}

/// No packet leaves that is longer than the interface takes: that is no fault of the path.
pub fn fits_the_interface(request: &Request, wire: &AnyWire) -> Result<(), Failure> {
    let (Some(size), Some(mtu)) = (request.destinations[0].size, wire.mtu()) else { return Ok(()) };
    if u32::from(size) <= mtu {
        return Ok(());
    }
    let interface = wire.interface().unwrap_or_default();
    Err(Failure::usage(
        format!("packets of {size} bytes do not fit through '{interface}', whose MTU is {mtu}"),
        format!("ask for --size {mtu} or less"),
    ))
}

/// What a capture says of its maker.
pub fn about(known: &Session) -> About {
    About {
        application: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
        system: net::kernel(),
        interface: known.vantage.interface.clone(),
    }
}

/// Said before the first probe with `-v`, and in the README.
const CAUTION: [&str; 2] = [
    "caution: in some countries probing what is blocked may endanger whoever does it; whether to do it is yours to judge",
    "note: an intrusion detector may take probes with low TTLs for a traceroute or a scan; tell who runs your network",
];

/// What is about to happen, and the limits it keeps.
pub fn introduce(request: &Request, plan: &Plan) {
    for destination in &request.destinations {
        let port = destination.port.map_or(String::new(), |port| format!(" port {port}"));
        let size = destination.size.map_or(String::new(), |size| format!(", packets of {size} bytes"));
        output::talk(&format!(
            "{:?}: {} {} {}{port}{size}",
            destination.role,
            report::safe(&destination.host),
            destination.address,
            destination.protocol
        ));
    }
    if !request.others.is_empty() {
        let others: Vec<String> = request.others.iter().map(ToString::to_string).collect();
        output::talk(&format!("other addresses of the target's name, not probed: {}", others.join(", ")));
    }
    let Pace { burst, cautious, fastest, shared, .. } = plan.pace;
    if shared > 1 {
        output::talk(&format!(
            "budget: this is one of {shared} runs at once, which share the limits: {} probes here; seed {}",
            plan.budget.probes, plan.seed
        ));
        return;
    }
    output::talk(&format!(
        "budget: at most {:.0} packets a second in all; per router a burst of {burst}, then {cautious} a second, up to \
         {fastest} where its answers to the reference show that it bears them; {} probes and {} s in all; seed {}",
        1.0 / plan.pace.gap.as_secs_f64(),
        plan.budget.probes,
        plan.budget.time.as_secs(),
        plan.seed
    ));
    for line in CAUTION {
        output::talk(line);
    }
}

/// What a search may do.
pub fn introduce_search(search: &Search, prefix: Option<IpNetwork>) {
    let place = match (prefix, &search.known) {
        (None, _) => "no announced prefix covers the target: no neighbour is asked".to_owned(),
        (Some(prefix), Some(known)) => {
            format!("neighbours in {prefix} as of {}, from the cache", known.searched_at.rfc3339())
        }
        (Some(prefix), None) => format!(
            "at most {} neighbours in {prefix}, one packet and at most one more each, one a second, until {} answer",
            search::MOST_NEIGHBOURS,
            search::ENOUGH
        ),
    };
    let plural =
        |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    output::talk(&format!(
        "search, only where there is nothing to compare with: {place}; {}; {} on the opt-out list",
        plural(search.hints.len(), "hint", "hints"),
        plural(search.opt_out.len(), "entry", "entries"),
    ));
}

/// Every address that a search asked.
pub fn touched(searched: &Searched) {
    for touch in &searched.touched {
        let times = if touch.tries == 1 { String::new() } else { format!(" ({} packets)", touch.tries) };
        output::talk(&format!(
            "search: {} {} {}: {}{times}",
            touch.at.rfc3339(),
            touch.address,
            touch.rank.word(),
            touch.outcome.word().replace('_', " ")
        ));
    }
    for hit in &searched.found {
        let closed = if hit.outcome == Outcome::Closed { ", whose port is closed" } else { "" };
        output::talk(&format!("search: {} serves as a reference{closed}", hit.address));
    }
}

fn cost(plan: &Plan, run: &Run, verbose: bool) {
    if !verbose {
        return;
    }
    let strays = run.strays;
    output::talk(&format!(
        "sent {} of {} probes in {}; strays: {} foreign, {} with a wrong key, {} renumbered, {} quoted too short, {} unreadable; lost \
         in the receive buffer: {}",
        run.probes.iter().filter(|probe| probe.was_sent()).count(),
        plan.budget.probes,
        run.ended_at,
        strays.foreign,
        strays.wrong_key,
        strays.rewritten,
        strays.unnamed,
        strays.malformed,
        run.losses.overflow + run.losses.truncated
    ));
}

/// This host's own link or address, if it did not hold: where nothing could be concluded, that comes before all other reasons.
fn upset(footing: Option<&Footing>) -> Option<Failure> {
    let lost = footing?.lost()?;
    Some(Failure::environment(
        "interface",
        format!("{lost} while this was measured"),
        Some("measure again when it is stable; what was measured is shown".into()),
    ))
}

/// What broke during the measurement, if anything did.
pub fn trouble(run: &Run, fault: Option<&WireFault>) -> Option<Failure> {
    if let Some(fault) = fault {
        return Some(Failure::from(fault));
    }
    if run.end != Some(End::CannotSend) {
        return None;
    }
    let why = run.probes.iter().rev().find_map(|probe| probe.fault);
    let why = why.map_or(String::new(), |why| format!(": {why}"));
    let sent = |id| run.probes_to(id).next().is_some();
    let target = run.destination(Run::TARGET);
    let message = match sent(Run::TARGET) {
        false => format!("probes to {} ({}) cannot be sent{why}", target.host, target.address),
        true => format!("probes can no longer be sent{why}"),
    };
    let too_big = run.probes.iter().rev().find_map(|probe| probe.fault) == Some(SendFault::TooBig);
    let hint = match too_big {
        true => {
            "ask for fewer bytes with --size: this host itself does not send packets of that length on this way"
        }
        false => {
            "check the interface, the route and this host's own firewall; what was measured until then is shown"
        }
    };
    Some(Failure::environment("send", message, Some(hint.into())))
}

/// References that this host did not let out a single probe to are no comparison; that should not pass in silence.
fn left_out(run: &Run) {
    for id in run.references() {
        let tried = run.probes.iter().rev().find(|probe| probe.destination == id);
        let Some(fault) = tried.and_then(|probe| probe.fault) else { continue };
        if run.probes_to(id).next().is_none() {
            let one = run.destination(id);
            output::talk(&format!(
                "the reference {} ({}) is left out: probes to it cannot be sent: {fault}",
                report::safe(&one.host),
                one.address
            ));
        }
    }
}
