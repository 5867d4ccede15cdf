//! `batch`: a list of targets, a result a line.
//!
//! The list is the request, as arguments are: it is read before privilege is given up, since it says which family and
//! source to open sockets for. Results of an earlier run, opt-out lists and tables are files like any others and are read
//! after that.

mod list;
mod results;
#[cfg(feature = "parquet")]
mod table;
pub mod words;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;

use indicatif::ProgressBar;
use ipnetwork::IpNetwork;

use self::list::{BARE, List, Named, Reading, Row, check};
use self::results::{Results, key};
pub use self::words::Batch;
use super::cache::Cache;
use super::demo;
use super::exit::Exit;
use super::failure::{Failure, error_text};
use super::live::{self, Data, Files};
use super::names::Names;
use super::opt_out::OptOut;
use super::output;
use super::progress;
use super::request::Endpoint;
use super::simulated;
use crate::net::{AnyWire, Family, OpenError};
use crate::path::Origins;
use crate::probe::Wire;
use crate::report::{self, Measured, Session, safe};
use crate::session::batch::{self, Found, NOBODY, Pair, Progress};
use crate::sim::Network;
use crate::sweep::Hosts;
use crate::trace::schema::{self};
use crate::trace::{Protocol, ReferenceKind, Role, SourcePorts, WallTime};

/// Source ports of a full measurement, as many as `diagnose` has.
const FLOWS: u16 = crate::net::DEFAULT_PORTS;
/// Source ports of the sweep.
const NUMBERS: u16 = 16;
/// Names resolved at the same time.
const RESOLVERS: usize = 16;
/// Targets whose way is tried before it is said that there is none.
const WAYS: usize = 16;
/// First source port in a simulated Internet.
const FIRST_SIMULATED: u16 = 40_000;

/// `lasthop batch`.
pub fn batch(words: &Batch) -> Exit {
    let ended = match &words.demo {
        Some(scenario) => in_scenario(words, scenario),
        None => live(words),
    };
    ended.unwrap_or_else(|failure| {
        if words.json {
            failure.line();
        }
        failure.say();
        failure.exit
    })
}

/// Opens what the results go to.
fn open_results(words: &Batch) -> Result<Results, Failure> {
    #[cfg(feature = "parquet")]
    if let (Some(table), Some(output)) = (&words.parquet, &words.output)
        && same(table, output)
    {
        return Err(Failure::usage(
            format!("-o and --parquet both name {}", table.display()),
            "give each a file of its own",
        ));
    }
    let results = Results::open(words.output.as_deref(), words.resume)?;
    #[cfg(feature = "parquet")]
    let results = match &words.parquet {
        Some(path) => results.with_table(table::Table::open(path, words.resume)?),
        None => results,
    };
    Ok(results)
}

/// Whether two names are of one file, which may not be there yet.
#[cfg(feature = "parquet")]
fn same(one: &std::path::Path, other: &std::path::Path) -> bool {
    let whole = |path: &std::path::Path| {
        let named = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
        path.canonicalize().ok().or_else(named).or_else(|| std::path::absolute(path).ok())
    };
    one == other || whole(one) == whole(other)
}

/// On real sockets.
fn live(words: &Batch) -> Result<Exit, Failure> {
    let mut results = open_results(words)?;
    let files = Files::of(&words.knowledge)?;
    let opt_out = OptOut::open(words.opt_out.as_deref())?;
    let wanted = Wanted::read(words, &|all, family| resolve(all, family, words))?;
    live::given_up(crate::net::privilege::narrow())?;
    let mut wires = Vec::new();
    for family in [Family::V4, Family::V6] {
        if wanted.rows.iter().any(|row| Family::of(row.target) == family) {
            wires.push((family, open(words, family, &wanted.rows)?));
        }
    }
    #[cfg(feature = "parquet")]
    let table = words.parquet.as_deref();
    #[cfg(not(feature = "parquet"))]
    let table = None;
    live::unprivileged(live::allowance([words.output.as_deref(), table], &Cache::of_user(true)))?;
    let data = files.read()?;
    let barred = opt_out.read()?;
    results.read_back()?;
    let mut job = Job::new(words, wanted, results, &barred);
    for (family, mut wire) in wires {
        let session = session(words, &wire, &data);
        let started_at = wire.started_at();
        let mut ports = live::flows(&wire, NUMBERS + FLOWS * u16::from(words.parallel));
        let crews = ports.split_off(usize::from(NUMBERS));
        let place = Place { family, source: wire.source(), sweep: ports, crews, started_at, session };
        job.measure(place, &mut wire, &data.grounds())?;
    }
    job.end()
}

/// In a simulated Internet.
fn in_scenario(words: &Batch, scenario: &str) -> Result<Exit, Failure> {
    let mut results = open_results(words)?;
    let topology = demo::scenario(scenario)?;
    let networks = [Family::V4, Family::V6].map(|family| {
        let network = Network::new(&topology, family == Family::V6, words.seed.unwrap_or(1));
        (family, network)
    });
    let resolver = |all: &[Named], family: Option<Family>| {
        let address = |host: &str| -> Vec<IpAddr> {
            let literal = host.parse::<IpAddr>().ok();
            let known = networks.iter().filter_map(|(_, network)| network.as_ref().ok()?.address(host));
            literal.into_iter().chain(known).collect()
        };
        all.iter()
            .map(|one| {
                join(one, family, |host| match address(host) {
                    all if all.is_empty() => {
                        Err(format!("no host of the simulated Internet is called '{host}'"))
                    }
                    all => Ok(all),
                })
            })
            .collect()
    };
    let wanted = Wanted::read(words, &resolver)?;
    let barred = OptOut::open(words.opt_out.as_deref())?.read()?;
    results.read_back()?;
    let mut job = Job::new(words, wanted, results, &barred);
    let origins = simulated::origins(&topology);
    for (family, network) in networks {
        if !job.rows.iter().any(|row| Family::of(row.target) == family) {
            continue;
        }
        let mut network =
            network.map_err(|error| Failure::input(format!("{scenario}: {error}"), error.hint()))?;
        let source = network.vantage_address();
        let session = simulated::session(source, &origins, demo::STARTED_AT);
        let count = NUMBERS + FLOWS * u16::from(words.parallel);
        let mut sweep: Vec<SourcePorts> =
            (FIRST_SIMULATED..FIRST_SIMULATED + count).map(SourcePorts::all).collect();
        let crews = sweep.split_off(usize::from(NUMBERS));
        let place = Place { family, source, sweep, crews, started_at: demo::STARTED_AT, session };
        job.measure(place, &mut network, &origins)?;
    }
    job.end()
}

/// A line whose names became addresses, or why they did not.
type Joined = Result<(IpAddr, Option<IpAddr>), String>;
/// Turns the names of lines into addresses.
type Resolver<'a> = dyn Fn(&[Named], Option<Family>) -> Vec<Joined> + 'a;

/// The first version of IP in which both have an address, in the order that is preferred for the target.
fn join(
    named: &Named,
    family: Option<Family>,
    mut lookup: impl FnMut(&str) -> Result<Vec<IpAddr>, String>,
) -> Joined {
    let fits = |address: &&IpAddr| family.is_none_or(|family| family == Family::of(**address));
    let targets = lookup(&named.target.host)?;
    let Some(reference) = &named.reference else {
        let target = targets.iter().find(fits);
        return target.map(|target| (*target, None)).ok_or_else(|| {
            format!("{} has no address of the version of IP that was asked for", named.target.host)
        });
    };
    let references = lookup(&reference.host)?;
    let both = targets.iter().filter(fits).find_map(|target| {
        let same = references.iter().find(|one| one.is_ipv4() == target.is_ipv4())?;
        Some((*target, Some(*same)))
    });
    both.ok_or_else(|| {
        format!("{} and {} have no addresses of the same version of IP", named.target.host, reference.host)
    })
}

/// Resolves the names of many lines, some at a time.
fn resolve(all: &[Named], family: Option<Family>, words: &Batch) -> Vec<Joined> {
    let share = all.len().div_ceil(RESOLVERS).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = all
            .chunks(share)
            .map(|part| {
                scope.spawn(move || {
                    let names = Names::by(&words.dns).map_err(|failure| failure.message);
                    let one = |named: &Named| {
                        let names = names.as_ref().map_err(Clone::clone)?;
                        join(named, family, |host| {
                            names
                                .lookup(host, family)
                                .map(|found| found.addresses)
                                .map_err(|error| error.to_string())
                        })
                    };
                    part.iter().map(one).collect::<Vec<Joined>>()
                })
            })
            .collect();
        let ended = parts
            .into_iter()
            .map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.flatten().collect()
    })
}

/// What a list asks for, names resolved.
struct Wanted {
    rows: Vec<Row>,
    names: Vec<String>,
    /// Lines whose names have no addresses, and why.
    nameless: Vec<(Named, String)>,
    /// Lines that could not be read.
    bad: u64,
}

impl Wanted {
    fn read(words: &Batch, resolver: &Resolver<'_>) -> Result<Self, Failure> {
        let name = words.list.display();
        let unreadable = |error: &io::Error| {
            let hint = "name a list, or - for standard input".to_owned();
            Failure::input(format!("cannot read the list {name}: {}", error_text(error)), Some(hint))
        };
        let family = match (words.ipv4, words.ipv6, words.way.source) {
            (true, _, _) => Some(Family::V4),
            (_, true, _) => Some(Family::V6),
            (_, _, source) => source.map(Family::of),
        };
        let reading = Reading { port: words.port(), portless: words.icmp, family, large: words.large };
        let list = if words.list == Path::new("-") {
            List::read(io::stdin().lock(), reading)
        } else {
            File::open(&words.list).and_then(|file| List::read(BufReader::new(file), reading))
        };
        let List { mut rows, named, mut faults, mut bad } = list.map_err(|error| unreadable(&error))?;
        let joined = resolver(&named, family);
        let mut names = Vec::new();
        let mut nameless = Vec::new();
        for (one, joined) in named.into_iter().zip(joined) {
            let (target, reference) = match joined {
                Ok(found) => found,
                Err(why) => {
                    nameless.push((one, why));
                    continue;
                }
            };
            let port = |endpoint: &Endpoint| endpoint.port.unwrap_or(reading.port);
            let mut name = |endpoint: &Endpoint| {
                names.push(endpoint.host.clone());
                names.len() as u32 - 1
            };
            let row = Row {
                target,
                port: port(&one.target),
                target_name: name(&one.target),
                reference,
                reference_port: one.reference.as_ref().map_or(0, port),
                reference_name: one.reference.as_ref().map_or(BARE, &mut name),
            };
            match check(&row, reading) {
                Ok(()) => rows.push(row),
                Err(why) => {
                    bad += 1;
                    faults.push((one.line, why));
                }
            }
        }
        faults.sort();
        let more = bad - faults.len() as u64;
        for (line, why) in faults {
            output::talk(&format!("{} line {line}: {}", safe(&name.to_string()), safe(&why)));
        }
        if more > 0 {
            output::talk(&format!("{}: {more} more lines cannot be read", safe(&name.to_string())));
        }
        if rows.is_empty() && nameless.is_empty() {
            let hint = "a line is TARGET or TARGET,REFERENCE: names, addresses or prefixes".to_owned();
            return Err(Failure::input(format!("{name} holds nothing that can be measured"), Some(hint)));
        }
        Ok(Self { rows, names, nameless, bad })
    }
}

/// Opens the sockets for one family. The way of the first few targets is tried; a target that has none will say so itself.
fn open(words: &Batch, family: Family, rows: &[Row]) -> Result<AnyWire, Failure> {
    let mut none: Option<OpenError> = None;
    for row in rows.iter().filter(|row| Family::of(row.target) == family).take(WAYS) {
        // The variants of a target are asked by both.
        let mut asked =
            crate::net::Request::new(family, [row.target]).with(Protocol::Tcp).with(Protocol::Icmp);
        if words.udp {
            asked = asked.with(Protocol::Udp);
        }
        asked.ports = NUMBERS + FLOWS * u16::from(words.parallel);
        asked.source = words.way.source;
        asked.interface.clone_from(&words.way.interface);
        asked.mark = words.way.fwmark;
        asked.vrf.clone_from(&words.way.vrf);
        match AnyWire::raw(&asked) {
            Ok(wire) => return Ok(wire),
            Err(error) if matches!(error, OpenError::NoRoute { .. }) || error.is_no_host() => {
                none.get_or_insert(error);
            }
            Err(error) => return Err(live::closed(&error)),
        }
    }
    let none = none.as_ref().map(live::closed);
    Err(none.unwrap_or_else(|| {
        let hint = "give a list with hosts that have an address of this version of IP";
        Failure::environment("no_route", "no host of the list can be asked", Some(hint.into()))
    }))
}

fn session(words: &Batch, wire: &AnyWire, data: &Data) -> Session {
    Session {
        vantage: live::vantage(wire, &data.grounds(), words.label.as_deref()),
        asdb: Some(data.describe(wire.started_at())),
    }
}

/// Where a family is measured from.
struct Place {
    family: Family,
    source: IpAddr,
    sweep: Vec<SourcePorts>,
    crews: Vec<SourcePorts>,
    started_at: WallTime,
    session: Session,
}

/// What a pair is called in one of the lines that ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Called {
    target: u32,
    reference: u32,
}

/// The whole of what is to be done.
struct Job<'a> {
    words: &'a Batch,
    rows: Vec<Row>,
    names: Vec<String>,
    nameless: Vec<(Named, String)>,
    barred: Vec<Row>,
    bad: u64,
    results: Results,
    seed: u64,
    stopped: bool,
    troubles: Vec<Failure>,
    /// Lines that were not measured.
    unmeasured: bool,
    repeated: u64,
}

impl<'a> Job<'a> {
    /// Leaves out what an earlier run has, and sets apart what must not be touched.
    fn new(words: &'a Batch, wanted: Wanted, results: Results, barred: &[IpNetwork]) -> Self {
        let Wanted { mut rows, names, nameless, bad } = wanted;
        let mut job = Self {
            words,
            rows: Vec::new(),
            names,
            nameless,
            barred: Vec::new(),
            bad,
            results,
            seed: words.seed.unwrap_or_else(rand::random),
            stopped: false,
            troubles: Vec::new(),
            unmeasured: false,
            repeated: 0,
        };
        rows.retain(|row| !job.results.has(job.key(row)));
        let covers = |address: IpAddr| barred.iter().any(|prefix| prefix.contains(address));
        if !barred.is_empty() {
            let out = |row: &Row| covers(row.target) || row.reference.is_some_and(covers);
            job.barred = rows.extract_if(.., |row| out(row)).collect();
        }
        job.rows = rows;
        job
    }

    fn host(&self, name: u32, address: IpAddr) -> String {
        self.names.get(name as usize).cloned().unwrap_or_else(|| address.to_string())
    }

    fn key(&self, row: &Row) -> u64 {
        let target = self.host(row.target_name, row.target);
        let reference = row.reference.map(|address| self.host(row.reference_name, address));
        let reference = reference.as_ref().map(|host| (host.as_str(), row.reference_port));
        key(self.words.protocol().word(), (&target, row.port), reference)
    }

    /// Lines that are not measured have a result, too.
    fn tell_unmeasured(&mut self, session: &Session) -> Result<(), Failure> {
        let barred = std::mem::take(&mut self.barred);
        for row in &barred {
            let reference = row
                .reference
                .map(|address| (self.host(row.reference_name, address), Some(address), row.reference_port));
            let target = (self.host(row.target_name, row.target), Some(row.target), row.port);
            let why = Failure {
                kind: "opt_out",
                ..Failure::usage("the target or its reference is on the opt-out list", "it is left alone")
            };
            self.unmeasured(session, self.key(row), target, reference, why)?;
        }
        let default = self.words.port();
        for (named, why) in std::mem::take(&mut self.nameless) {
            let port = |endpoint: &Endpoint| endpoint.port.unwrap_or(default);
            let target = (named.target.host.clone(), None, port(&named.target));
            let reference = named.reference.as_ref().map(|one| (one.host.clone(), None, port(one)));
            let keys = reference.as_ref().map(|(host, _, port)| (host.as_str(), *port));
            let key = key(self.words.protocol().word(), (&target.0, target.2), keys);
            if self.results.has(key) {
                continue;
            }
            let list = self.words.list.display().to_string();
            output::talk(&format!("{} line {}: {}", safe(&list), named.line, safe(&why)));
            let hint = "check the spelling, or write an address; --resume tries it again";
            self.unmeasured(
                session,
                key,
                target,
                reference,
                Failure::environment("name", why, Some(hint.to_owned())),
            )?;
        }
        Ok(())
    }

    /// The result of a line that is not measured, unless an earlier run has told of it.
    fn unmeasured(
        &mut self,
        session: &Session,
        key: u64,
        target: (String, Option<IpAddr>, u16),
        reference: Option<(String, Option<IpAddr>, u16)>,
        why: Failure,
    ) -> Result<(), Failure> {
        self.unmeasured = true;
        if self.results.has_failed(key) {
            return Ok(());
        }
        let port = (!self.words.icmp).then_some(target.2);
        let mut document = report::failure(session, self.words.protocol(), port, why.schema());
        document.target = Some(schema::Path { host: target.0, address: target.1, ..schema::Path::default() });
        document.references.extend(reference.map(|(host, address, port)| schema::Path {
            host,
            address,
            port: (!self.words.icmp && port != target.2).then_some(port),
            chosen: Some(schema::Chosen { how: "given".into(), words: "named by the user".into() }),
            ..schema::Path::default()
        }));
        self.results.tell(&document)
    }

    /// Measures the rows of one family.
    fn measure(&mut self, place: Place, wire: &mut dyn Wire, origins: &dyn Origins) -> Result<(), Failure> {
        if self.stopped {
            return Ok(());
        }
        self.tell_unmeasured(&place.session)?;
        let v6 = place.family == Family::V6;
        let mut own = std::mem::take(&mut self.rows);
        self.rows = own.extract_if(.., |row| row.target.is_ipv6() != v6).collect();
        if own.is_empty() {
            return Ok(());
        }
        let both = own.iter().flat_map(|row| {
            let reference = row.reference.map(|address| (address, row.reference_port));
            std::iter::once((row.target, row.port)).chain(reference)
        });
        let hosts = Hosts::new(v6, both);
        let mut called: Vec<(Pair, Called)> = Vec::with_capacity(own.len());
        for row in &own {
            let find = |address, port| hosts.find(address, port).unwrap_or(NOBODY);
            let pair = Pair {
                target: find(row.target, row.port),
                reference: row.reference.map_or(NOBODY, |address| find(address, row.reference_port)),
            };
            called.push((pair, Called { target: row.target_name, reference: row.reference_name }));
        }
        drop(own);
        let (pairs, aliases) = self.by_pair(called);
        let mut names = HashMap::new();
        for (pair, all) in &aliases {
            let Some(first) = all.first() else { continue };
            let mut put = |role, name: u32| {
                if let Some(name) = self.names.get(name as usize) {
                    names.insert((*pair, role), name.clone());
                }
            };
            put(Role::Target, first.target);
            put(Role::Reference(ReferenceKind::Given), first.reference);
        }
        let numbers = place.sweep.iter().map(|ports| ports.of(self.words.protocol())).collect();
        let crews = place.crews.chunks(usize::from(FLOWS)).map(<[SourcePorts]>::to_vec).collect();
        let plan = batch::Batch {
            pairs,
            names,
            protocol: self.words.protocol(),
            source: place.source,
            numbers,
            crews,
            flows: self.words.flows(hosts.len()),
            rate: f64::from(self.words.rate),
            wait: std::time::Duration::from_secs_f64(self.words.wait),
            max_ttl: self.words.max,
            confidence: self.words.confidence,
            whole_paths: self.words.whole_paths,
            seed: self.seed,
        };
        let bar = Bar::new(!self.results.on_terminal());
        let mut failed = None;
        let (results, names, session) = (&mut self.results, &self.names, &place.session);
        let ending = batch::batch(
            &plan,
            hosts,
            place.started_at,
            wire,
            origins,
            &mut |found| {
                let aliases = aliases.get(&found.pair).map(Vec::as_slice);
                match tell(results, names, session, found, aliases) {
                    Ok(()) if results.closed => ControlFlow::Break(()),
                    Ok(()) => ControlFlow::Continue(()),
                    Err(failure) => {
                        failed = Some(failure);
                        ControlFlow::Break(())
                    }
                }
            },
            &mut |progress| {
                bar.see(progress);
                ControlFlow::Continue(())
            },
        )?;
        bar.end();
        self.stopped |= ending.stopped || ending.fault.is_some();
        self.troubles.extend(failed);
        self.troubles.extend(ending.fault.as_ref().map(Failure::from));
        let lost = ending.losses.overflow + ending.losses.truncated;
        let strays = ending.strays.wrong_key;
        self.results.summary.heard(ending.progress.sent, ending.losses, strays);
        if lost > 0 || strays > 0 {
            output::talk(&format!(
                "lost in the receive buffer: {lost} packets; aimed at us with a wrong key: {strays}"
            ));
        }
        Ok(())
    }

    /// Each pair once, and where one of its lines has names, by what it was asked for. Lines that say nothing new are
    /// counted.
    fn by_pair(&mut self, mut called: Vec<(Pair, Called)>) -> (Vec<Pair>, HashMap<usize, Vec<Called>>) {
        let name = |place: u32| self.names.get(place as usize);
        let same = |one: &Called, other: &Called| {
            name(one.target) == name(other.target) && name(one.reference) == name(other.reference)
        };
        // A stable sort: the first name in the list is the first here.
        called.sort_by_key(|(pair, _)| *pair);
        let mut pairs = Vec::with_capacity(called.len());
        let mut aliases = HashMap::new();
        for group in called.chunk_by(|one, other| one.0 == other.0) {
            let Some((pair, _)) = group.first() else { continue };
            let mut ways: Vec<Called> = Vec::new();
            for (_, one) in group {
                if !ways.iter().any(|known| same(known, one)) {
                    ways.push(*one);
                }
            }
            self.repeated += (group.len() - ways.len()) as u64;
            if ways.iter().any(|one| one.target != BARE || one.reference != BARE) {
                aliases.insert(pairs.len(), ways);
            }
            pairs.push(*pair);
        }
        pairs.shrink_to_fit();
        (pairs, aliases)
    }

    fn end(mut self) -> Result<Exit, Failure> {
        // Where nothing was to be measured, nobody has told of what was not.
        if !self.stopped {
            self.tell_unmeasured(&Session::default())?;
        }
        self.troubles.extend(self.results.close().err());
        if self.repeated > 0 {
            output::talk(&format!("lines that repeat others, measured once: {}", self.repeated));
        }
        if self.words.json && !self.results.closed {
            let summary = self.results.summary.document(self.bad, self.stopped);
            output::stdout(|out| writeln!(out, "{summary}"))?;
        } else {
            output::talk(&self.results.summary.sentence());
            for line in self.results.summary.lines() {
                output::talk(&line);
            }
        }
        for failure in &self.troubles {
            failure.say();
        }
        if let Some(failure) = self.troubles.first() {
            return Ok(failure.exit);
        }
        if self.stopped && !self.results.closed {
            let hint = match self.results.on_stdout() {
                true => "with -o FILE a batch can be taken up again with --resume",
                false => "the same command with --resume goes on",
            };
            Failure::environment("stopped", "stopped before the end", Some(hint.to_owned())).say();
            return Ok(Exit::Environment);
        }
        Ok(if self.bad > 0 || self.unmeasured { Exit::Input } else { Exit::Ok })
    }
}

/// Writes the result of a pair, once for each way in which it was asked for.
fn tell(
    results: &mut Results,
    names: &[String],
    session: &Session,
    found: &Found<'_>,
    aliases: Option<&[Called]>,
) -> Result<(), Failure> {
    let measured = Measured {
        run: found.run,
        target: found.target,
        references: found.references,
        verdict: Some(found.verdict),
        search: None,
        matrix: false,
    };
    let trouble = super::diagnose::trouble(found.run, None);
    let mut document = report::document(session, measured, trouble.as_ref().map(Failure::schema));
    results.tell(&document)?;
    for other in aliases.unwrap_or_default().iter().skip(1) {
        let call = |path: &mut schema::Path, name: u32| {
            let address = path.address.map_or_else(String::new, |address| address.to_string());
            path.host = names.get(name as usize).cloned().unwrap_or(address);
        };
        if let Some(target) = &mut document.target {
            call(target, other.target);
        }
        let given =
            |path: &&mut schema::Path| path.chosen.as_ref().is_some_and(|chosen| chosen.how == "given");
        if let Some(reference) = document.references.iter_mut().find(given) {
            call(reference, other.reference);
        }
        results.tell(&document)?;
    }
    Ok(())
}

/// How far it has come, on a terminal.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new(wanted: bool) -> Self {
        let style = "{spinner} {bar:24} {pos}/{len} {per_sec}, {eta} left  {msg}";
        Self(progress::bar(wanted, Some(1), 5, style))
    }

    fn see(&self, progress: &Progress) {
        let Some(bar) = &self.0 else { return };
        // A host that is asked, and a pair that has its result, are a step each.
        bar.set_length(progress.hosts + progress.pairs);
        bar.set_position(progress.settled + progress.done);
        bar.set_message(format!(
            "{} of {} results, {} measured in full, {} packets",
            progress.done, progress.pairs, progress.doubtful, progress.sent
        ));
    }

    fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
