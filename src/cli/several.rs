//! Several measurements in one run: uplinks times targets, all at once, within the limits of one.
//!
//! Each has its own sockets, engine and thread, and knows nothing of the others; what they share is the pace, which is
//! divided between them beforehand, so that no one has to wait for another and the sum keeps the limits. All sockets are open
//! before privilege is given up and the first thread begins. A signal reaches all of them.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::thread;

use serde_json::Value;

use super::app;
use super::args;
use super::cache::{Cache, Key};
use super::compare;
use super::diagnose::{self, Compared};
use super::exit::Exit;
use super::failure::{self, Failure};
use super::keep::{Keep, Surroundings};
use super::live::{self, Data, Files, Live};
use super::mail::{self, Side};
use super::mx;
use super::names::Names;
use super::opt_out::OptOut;
use super::output::{self, Sink};
use super::progress::Progress;
use super::registry;
use super::request::{self, Request};
use super::seek::Seeking;
use super::spf;
use super::via::{self, Via};
use super::view::{Stage, View};
use crate::bundle::Name;
use crate::capture::{Log, Tap};
use crate::joint::Hints;
use crate::net::confine::Allowance;
use crate::net::{Family, Footing, Steering, privilege};
use crate::probe::Budget;
use crate::report::{self, Document, Runs, Session, safe};
use crate::session::{self, Searched};
use crate::trace::record::Settings;
use crate::trace::{Run, WallTime};

/// Most measurements at once: each still gets three packets a second.
const MOST: usize = 16;

/// Most references of one target.
const MOST_REFERENCES: usize = 8;

/// Whether the words ask for more than the one usual measurement.
pub fn asked(words: &args::Diagnose) -> bool {
    !words.via.is_empty() || !words.also.is_empty() || words.mx.is_some() || words.spf.is_some()
}

/// `lasthop diagnose` with several uplinks or targets.
pub fn diagnose(words: &args::Diagnose) -> Exit {
    diagnose::finish(&words.probing, words.output.prints_json(), |known| {
        refuse(words)?;
        let stage = Stage::open(words.live.wanted(), words.output.color);
        let mut sink = Sink::open(&words.output)?;
        let compared = Compared::of(words)?;
        let names = Names::by(&words.probing.dns)?;
        let requests = requests(words, &compared, &names)?;
        let opt_out = OptOut::wanted(compared.searches, words.opt_out.as_deref());
        let files = Files::of(&words.probing.knowledge)?;
        let mut lists = registry::open(&words.registry)?;
        let called: Vec<&str> = requests.iter().map(|one| one.name.as_str()).collect();
        let mut keeps = Keep::open_each(words.probing.pcap.as_deref(), &words.keeping, &called)?;
        live::given_up(privilege::narrow())?;
        let opened = requests.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let cache = Cache::of_user(words.no_cache);
        let kept_cache = if compared.searches { &cache } else { &Cache::of_user(true) };
        let plain = |one: &Opened<'_>| one.live.as_ref().is_ok_and(|live| live.wire.is_plain());
        let kept = words.probing.pcap.is_some() || words.keeping.bundle.is_some();
        if kept && opened.iter().any(plain) {
            return Err(live::raw_only("the packets of a run (--pcap, --bundle)"));
        }
        for (keep, _) in keeps.iter_mut().zip(&opened).filter(|(_, one)| one.live.is_err()) {
            *keep = Keep::default();
        }
        live::unprivileged(Allowance {
            connects: words.service().is_some() || opened.iter().any(plain),
            programs: words.keeping.bundle.is_some(),
            ..live::allowance([words.output.file(), words.keeping.bundle.as_deref()], kept_cache)
        })?;
        let data = files.read()?;
        let opt_out = opt_out.read()?;
        let mut runs = Vec::new();
        for (one, keep) in opened.into_iter().zip(&keeps) {
            runs.push(one.ready(words, &data, &opt_out, &cache, known, keep.stream()?));
        }
        if let Some(session) = runs.iter().find_map(Prepared::session) {
            known.asdb.clone_from(&session.asdb);
        }
        let measured = measure(runs, words, &data, stage)?;
        let mut troubles = Vec::new();
        let mut documents = Vec::new();
        let mut records = Vec::new();
        for one in measured {
            if let Some((key, searched)) = &one.found {
                cache.keep(*key, searched);
            }
            troubles.extend(one.trouble.map(|failure| match one.name.is_empty() {
                true => failure,
                false => Failure { message: format!("{}: {}", one.name, failure.message), ..failure },
            }));
            let mut document = one.document;
            names.tell(&mut document);
            documents.push(document);
            records.push(one.record);
        }
        let unread = registry::look_up(&mut lists, &mut documents).err();
        let grounds = data.grounds();
        let mut unkept = Vec::new();
        for ((keep, record), document) in keeps.iter_mut().zip(records).zip(&documents) {
            let Some(Record { run, log, unstreamed, names }) = record else { continue };
            let around =
                Surroundings { table: &data.table, origins: &grounds, names: &names, simulated: None };
            unkept.extend(keep.streamed(unstreamed).or(keep.write(&run, &log, document, &around)));
        }
        let conclusion = mail::with_sides(conclusion(&documents, &data), &documents);
        let exit = exit(conclusion.as_ref(), &documents);
        let runs = documents.len();
        let unwritten = sink.write_all(&Runs::of(documents, conclusion))?;
        let files: Vec<Failure> = unwritten.into_iter().chain(unkept).chain(unread).collect();
        Ok(failure::ending(runs, &troubles, &files, exit))
    })
}

/// What the runs say together; `None` where nothing is concluded from all of them.
pub fn conclusion(runs: &[Document], data: &Data) -> Option<Value> {
    if runs.len() < 2 {
        return None;
    }
    let joint = compare::joint_of(runs, data, &Hints::default())?;
    serde_json::to_value(joint).ok()
}

/// The status of the conclusion; without one that of the run that accuses most. `None` if no run concludes anything.
fn exit(conclusion: Option<&Value>, runs: &[Document]) -> Option<Exit> {
    let together = conclusion.and_then(|all| all.get("kind")).and_then(Value::as_str).and_then(Exit::of_word);
    let verdicts = runs.iter().filter_map(|run| run.verdict.as_ref());
    let each: Vec<Exit> = verdicts.filter_map(|one| Exit::of_word(&one.kind)).collect();
    let order = [Exit::Named, Exit::Unnamed, Exit::Inconclusive, Exit::Ok];
    together.or_else(|| order.into_iter().find(|exit| each.contains(exit)))
}

/// What does not go together with several runs.
fn refuse(words: &args::Diagnose) -> Result<(), Failure> {
    for (at, via) in words.via.iter().enumerate() {
        if words.via[..at].iter().any(|other| other.spec == via.spec) {
            return Err(Failure::usage(
                format!("the uplink {} is given twice", via.spec),
                "leave out one of them",
            ));
        }
    }
    Ok(())
}

/// One measurement, before anything is opened.
struct Wanted<'a> {
    /// Which of several it is; empty if it is the only one.
    name: String,
    via: Option<&'a Via>,
    label: Option<String>,
    request: Request,
    /// References may be searched for.
    searches: bool,
    mail: Option<Side>,
    socket: Steering,
}

/// Every target by every uplink. A name is resolved once, so that all uplinks are asked about the same address.
fn requests<'a>(
    words: &'a args::Diagnose,
    compared: &Compared,
    names: &Names,
) -> Result<Vec<Wanted<'a>>, Failure> {
    let mut probing = words.probing.clone();
    // The uplinks' addresses say which version of IP it is.
    for source in words.via.iter().filter_map(Via::source) {
        if probing.way.source.is_some_and(|other| other.is_ipv4() != source.is_ipv4()) {
            return Err(Failure::usage(
                "the uplinks' source addresses are of both IPv4 and IPv6, and one run is of one",
                "give uplinks of one version of IP",
            ));
        }
        probing.way.source = Some(source);
    }
    let (aims, called) = aims(words, &mut probing, compared, names)?;
    let ways: Vec<Option<&Via>> =
        if words.via.is_empty() { vec![None] } else { words.via.iter().map(Some).collect() };
    let count = ways.len() * aims.len();
    if count > MOST {
        return Err(Failure::usage(
            format!("{} targets by {} uplinks are {count} measurements at once", aims.len(), ways.len()),
            format!("at most {MOST} share one budget: name fewer"),
        ));
    }
    let mut all = Vec::new();
    for Aim { target, name, compared, mail } in &aims {
        let mut probing = args::Probing { target: Some(target.clone()), ..probing.clone() };
        if let Some(side) = mail {
            side.usual(&mut probing);
        }
        let first = words.probing.target();
        let own = request::Endpoint::parse(target)?.port;
        if target != first && own.is_some() {
            // The port written with a target is its own.
            (probing.positional_port, probing.port) = (None, None);
        } else if !first.is_empty() && target != first && probing.positional_port.or(probing.port).is_none() {
            probing.port = request::Endpoint::parse(first)?.port;
        }
        let beside = request::Beside { called: &called, ..compared.beside(words) };
        let request = request::request(&probing, beside, names)?;
        if !words.via.is_empty() && request.interface.is_some() {
            return Err(Failure::usage(
                format!("{target} names an interface, and so does --via"),
                "leave out what stands behind the %",
            ));
        }
        for via in &ways {
            let number = all.len() as u64;
            let place = |via: &Via| via.label.clone().unwrap_or_else(|| via.spec.clone());
            let name = match (via.map(place), aims.len()) {
                (Some(place), 1) => place,
                (Some(place), _) => format!("{place}, {name}"),
                (None, _) => name.clone(),
            };
            let socket = match via {
                Some(via) => via.steering(request.family)?,
                None => Steering {
                    source: words.probing.way.source,
                    mark: words.probing.way.fwmark,
                    vrf: words.probing.way.vrf.clone(),
                    interface: None,
                },
            };
            app::refuse(words, &socket)?;
            let interface = socket.interface.clone().or_else(|| request.interface.clone());
            let probes = (request.budget.probes / ways.len() as u32).max(1);
            all.push(Wanted {
                name: if count == 1 { String::new() } else { name },
                via: *via,
                label: via.and_then(|via| via.label.clone()).or_else(|| words.probing.label.clone()),
                request: Request {
                    interface: interface.clone(),
                    pace: request.pace.among(count as u32),
                    budget: Budget { probes, ..request.budget },
                    seed: request.seed.wrapping_add(number),
                    ..request.clone()
                },
                searches: compared.searches,
                mail: *mail,
                socket: Steering { interface, ..socket },
            });
        }
    }
    Ok(all)
}

/// One target, and whom to compare it with.
struct Aim {
    /// As the user could write it.
    target: String,
    /// What it is called among others.
    name: String,
    compared: Compared,
    mail: Option<Side>,
}

/// Whose addresses stand in place of names.
type Called = Vec<(IpAddr, String)>;

/// Whom to measure: what the words name, or the hosts that take or send a domain's mail.
fn aims(
    words: &args::Diagnose,
    probing: &mut args::Probing,
    compared: &Compared,
    names: &Names,
) -> Result<(Vec<Aim>, Called), Failure> {
    if words.mx.is_some() || words.spf.is_some() {
        return of_mail(words, probing, compared, names);
    }
    let mut aims: Vec<Aim> = Vec::new();
    for target in std::iter::once(words.probing.target()).chain(words.also.iter().map(String::as_str)) {
        if aims.iter().any(|known| known.target == target) {
            return Err(Failure::usage(
                format!("the target {target} is given twice"),
                "leave out one of them",
            ));
        }
        let compared = compared.with(words, Vec::new());
        aims.push(Aim { target: target.to_owned(), name: target.to_owned(), compared, mail: None });
    }
    Ok((aims, Vec::new()))
}

/// The hosts of a domain's mail: each is compared with the others of its side.
fn of_mail(
    words: &args::Diagnose,
    probing: &mut args::Probing,
    compared: &Compared,
    names: &Names,
) -> Result<(Vec<Aim>, Called), Failure> {
    let family = mail::family(probing);
    (probing.ipv4, probing.ipv6) = (family == Family::V4, family == Family::V6);
    let incoming = match &words.mx {
        Some(domain) => mx::hosts(domain, family, MOST, names)?,
        None => Vec::new(),
    };
    let taken: Vec<IpAddr> = incoming.iter().map(|host| host.address).collect();
    let room = (MOST / words.via.len().max(1)).saturating_sub(incoming.len()).clamp(1, spf::MOST);
    let outgoing = match &words.spf {
        Some(domain) => spf::hosts(domain, family, room, names, &taken)?,
        None => Vec::new(),
    };
    let mut aims = Vec::new();
    for (side, hosts) in [(Side::Incoming, &incoming), (Side::Outgoing, &outgoing)] {
        for host in hosts {
            let references = match side {
                _ if probing.size.is_some() => Vec::new(),
                Side::Incoming => mx::references(host, hosts),
                Side::Outgoing => spf::references(host, hosts, mx::MOST_REFERENCES),
            };
            let given = |address: &IpAddr| {
                let is = |named: &String| {
                    hosts.iter().any(|one| one.address == *address && one.name.eq_ignore_ascii_case(named))
                        || request::Endpoint::parse(named).is_ok_and(|one| one.host == address.to_string())
                };
                compared.named.iter().any(is)
            };
            let room = MOST_REFERENCES.saturating_sub(compared.named.len());
            let references = references.into_iter().filter(|one| !given(one)).take(room);
            let alone = hosts.iter().filter(|one| one.name == host.name).count() == 1;
            aims.push(Aim {
                target: host.address.to_string(),
                name: if alone { host.name.clone() } else { format!("{} {}", host.name, host.address) },
                compared: compared.with(words, references.map(|one| one.to_string()).collect()),
                mail: Some(side),
            });
        }
    }
    let called = incoming.into_iter().chain(outgoing).map(|host| (host.address, host.name));
    Ok((aims, called.collect()))
}

/// One measurement, its sockets open or refused.
struct Opened<'a> {
    wanted: Wanted<'a>,
    live: Result<Live, Failure>,
}

/// Opens the sockets of one. That there is no way to one of several targets is a finding about that one; everything else that
/// fails is a reason not to begin.
fn open(wanted: Wanted<'_>) -> Result<Opened<'_>, Failure> {
    let named = |failure: Failure| wanted.via.map_or(failure.clone(), |via| via.named(failure));
    let live = live::open_one(&wanted.request, &via::socket(&wanted.socket)).and_then(|live| {
        diagnose::fits_the_interface(&wanted.request, &live.wire)?;
        wanted.via.map_or(Ok(()), |via| via.verify(&live.wire))?;
        Ok(live)
    });
    match live {
        Ok(live) => Ok(Opened { wanted, live: Ok(live) }),
        Err(failure) if failure.kind == "no_route" && !wanted.name.is_empty() => {
            Ok(Opened { wanted, live: Err(failure) })
        }
        Err(failure) if failure.message.starts_with("--via") => Err(failure),
        Err(failure) => Err(named(failure)),
    }
}

/// One measurement that can begin, or what keeps it from beginning.
enum Prepared {
    Ready(Box<Ready>),
    Failed { name: String, failure: Failure, document: Box<Document> },
}

struct Ready {
    name: String,
    live: Live,
    session: Session,
    seeking: Seeking,
    mail: Option<Side>,
    socket: Steering,
    /// Every name that was resolved.
    names: Vec<Name>,
    /// Where its packets go while it runs.
    stream: Option<File>,
}

impl Prepared {
    /// The name of one that can begin.
    fn ready(&self) -> Option<String> {
        match self {
            Self::Ready(ready) => Some(ready.name.clone()),
            Self::Failed { .. } => None,
        }
    }

    fn session(&self) -> Option<&Session> {
        match self {
            Self::Ready(ready) => Some(&ready.session),
            Self::Failed { .. } => None,
        }
    }
}

impl Opened<'_> {
    fn ready(
        self,
        words: &args::Diagnose,
        data: &Data,
        opt_out: &[ipnetwork::IpNetwork],
        cache: &Cache,
        known: &Session,
        stream: Option<File>,
    ) -> Prepared {
        let Wanted { name, via, label, request, searches, mail, socket } = self.wanted;
        let spec = via.map(|via| via.spec.clone());
        let target = &request.destinations[0];
        let live = match self.live {
            Ok(live) => live,
            Err(failure) => {
                let mut session = known.clone();
                (session.vantage.label, session.vantage.via) = (label, spec);
                let mut document = report::failure(&session, target.protocol, target.port, failure.schema());
                document.mail = mail.map(|side| side.word().to_owned());
                document.target = Some(crate::trace::schema::Path {
                    host: target.host.clone(),
                    address: Some(target.address),
                    ..crate::trace::schema::Path::default()
                });
                return Prepared::Failed { name, failure, document: Box::new(document) };
            }
        };
        let grounds = data.grounds();
        let mut vantage = live::vantage(&live.wire, &grounds, label.as_deref());
        if via.is_some() {
            vantage.gateway = live.wire.routes().first().and_then(|route| route.gateway);
        }
        vantage.via = spec;
        let asdb = Some(data.describe(live.wire.started_at()));
        let at = live.wire.started_at();
        let seeking = Seeking::of(&request, searches, &grounds, opt_out.to_vec(), live.spare, cache, at);
        if words.output.verbose > 0 {
            if !name.is_empty() {
                output::talk(&format!("── {}", safe(&name)));
            }
            diagnose::introduce(&request, &live.plan);
            if let Some(search) = &seeking.search {
                diagnose::introduce_search(search, seeking.prefix);
            }
        }
        Prepared::Ready(Box::new(Ready {
            name,
            live,
            session: Session { vantage, asdb },
            seeking,
            mail,
            socket,
            names: request.names,
            stream,
        }))
    }
}

/// What came of one.
struct Done {
    name: String,
    document: Document,
    trouble: Option<Failure>,
    /// Neighbours worth keeping.
    found: Option<(Key, Searched)>,
    /// What a bundle is made of; `None` where nothing was measured.
    record: Option<Record>,
}

/// What was measured.
struct Record {
    run: Run,
    log: Log,
    /// Why the file with its packets is not whole.
    unstreamed: Option<io::Error>,
    names: Vec<Name>,
}

/// All at once, each on a thread of its own.
fn measure(
    runs: Vec<Prepared>,
    words: &args::Diagnose,
    data: &Data,
    stage: Option<Stage>,
) -> Result<Vec<Done>, Failure> {
    let names: Vec<String> = runs.iter().filter_map(Prepared::ready).collect();
    // Where none can begin there is nothing to be seen.
    let view = stage.filter(|_| !names.is_empty()).map(|stage| stage.begin(&names)).transpose()?;
    let view = view.as_ref();
    thread::scope(|scope| {
        let mut place = 0..names.len();
        let begun: Vec<_> = runs
            .into_iter()
            .map(|run| match run {
                Prepared::Failed { name, failure, document } => Err(Box::new(Done {
                    name,
                    document: *document,
                    trouble: Some(failure),
                    found: None,
                    record: None,
                })),
                Prepared::Ready(ready) => {
                    let view = view.zip(place.next());
                    Ok(scope.spawn(move || one(*ready, words, data, view)))
                }
            })
            .collect();
        let ended = begun.into_iter().map(|run| match run {
            Err(done) => Ok(*done),
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        });
        ended.collect()
    })
}

fn one(
    ready: Ready,
    words: &args::Diagnose,
    data: &Data,
    view: Option<(&View, usize)>,
) -> Result<Done, Failure> {
    let Ready { name, live, session, seeking, mail, socket, names, stream } = ready;
    let Live { mut wire, plan, .. } = live;
    let started_at: WallTime = wire.started_at();
    let grounds = data.grounds();
    let watched = |(view, place): (&View, usize)| {
        view.handle().watcher(place, &grounds, plan.budget, Some(words.confidence))
    };
    let mut progress = Progress::viewed(view.map(watched), || match name.as_str() {
        "" => Progress::new(false),
        name => Progress::of_one(name),
    });
    let footing = Footing::of(&wire);
    let settings = Settings { confidence: words.confidence, wait: plan.wait };
    let about = diagnose::about(&session);
    let mut tap = Tap::new(&mut wire, &plan, started_at, settings, stream, &about)?;
    let found = session::diagnose_searching(
        plan.clone(),
        started_at,
        &mut tap,
        &grounds,
        words.confidence,
        seeking.search.as_ref(),
        &mut |glimpse| progress.see(glimpse),
    );
    progress.end();
    let (log, unstreamed) = tap.finish();
    let found = found?;
    let (mut document, trouble) =
        diagnose::written(&session, &found, words, &plan, &socket, footing.as_ref());
    document.mail = mail.map(|side| side.word().to_owned());
    let worth = seeking.worth(found.search.as_ref()).map(|(key, searched)| (key, searched.clone()));
    let record = Some(Record { run: found.run, log, unstreamed, names });
    Ok(Done { name, document, trouble, found: worth, record })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::schema::{Evidence, Verdict};

    fn run(kind: &str) -> Document {
        let verdict = Some(Verdict {
            kind: kind.into(),
            asns: vec![],
            as_names: vec![],
            after_ttl: None,
            before_ttl: None,
            after: None,
            before: None,
            mechanism: "none".into(),
            scope: "unknown".into(),
            location_confidence: 0.0,
            attribution_confidence: 0.0,
            location_limit: None,
            attribution_limit: None,
            raise: None,
            evidence: Evidence {
                pairs: 0,
                target_answered: 0,
                reference_answered: 0,
                e_value: 0.0,
                posterior: 0.0,
                flows: 0,
                references: 0,
            },
            packet_size: None,
            reason: None,
            summary: String::new(),
            next_step: None,
        });
        Document { verdict, ..Document::default() }
    }

    #[test]
    fn the_status_is_that_of_who_accuses_most() {
        let of = |kinds: &[&str]| exit(None, &kinds.iter().map(|kind| run(kind)).collect::<Vec<_>>());
        assert_eq!(of(&["reachable", "lost_inside_as"]), Some(Exit::Named));
        assert_eq!(of(&["inconclusive", "host_or_return_path"]), Some(Exit::Unnamed));
        assert_eq!(of(&["reachable", "inconclusive"]), Some(Exit::Inconclusive));
        assert_eq!(of(&["reachable", "reachable"]), Some(Exit::Ok));
        assert_eq!(exit(None, &[Document::default()]), None);
        let together = serde_json::json!({"kind": "reachable"});
        assert_eq!(exit(Some(&together), &[run("lost_inside_as")]), Some(Exit::Ok));
    }
}
