//! Many pairs of target and reference on one wire: what plainly answers by one packet, the rest as one target is measured.
//!
//! A sweep ([`crate::sweep`]) asks every host once. A target that answers plainly becomes a run of its packets and their
//! answers, and the same rules as anywhere say that it is `reachable`. Everything else is doubtful and is measured in
//! full, a few pairs at a time, while the sweep goes on:
//!
//! * nobody answered, something refused, or the first packet was lost (a share of the flows may be dead)
//! * the target refuses (RST) what its reference or a neighbour accepts: somebody may speak in its name
//! * the target's answer comes a shorter way back than the reference's: the same
//! * the rules do not say `reachable`
//!
//! A box near us that answers for everybody shows in none of these. So the first plain targets, each of another network,
//! are measured in full before any other is believed; where one of them is spoken for, every answer that comes the same
//! way back is doubtful.
//!
//! A pair without a reference is compared with the nearest hosts of the same announced prefix that answered the sweep.
//! Nobody is searched for.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use super::conclude;
use super::fleet::{Ended, Fleet, Step};
use super::lesson::{Lesson, Lessons, Likeness};
use crate::path::{Atlas, Origins, Path};
use crate::probe::pace::{Budgets, Pace};
use crate::probe::{Arrival, Budget, Heard, Plan, PlanError, Transmit, Wire, WireFault, variants};
use crate::sweep::{Answer, Asking, HostId, Hosts, Next, Outcome, Sweep, TRIES, local_number};
use crate::trace::{
    Destination, DestinationId, End, FULL_TTL, Flow, FlowId, Losses, Moment, Probe, ProbeId, Protocol,
    ReferenceKind, Reply, ReplyKind, Role, Run, SourcePorts, Stage, Strays, WallTime, hops_back,
};
use crate::verdict::{Kind, Mechanism, Reason, SUSPICIOUSLY_NEAR, Verdict};

/// Plain targets that are measured in full before any is believed.
const SAMPLES: u8 = 3;
/// Neighbours that a pair without a reference is compared with.
const NEIGHBOURS: usize = 2;
/// Hosts of the list that are looked at on either side for them.
const NEIGHBOURHOOD: u32 = 512;
/// Packets sent before what came in is taken.
const TURN: u32 = 128;
/// How long a full measurement may take: it shares its routers' budgets with others.
const MOST_TIME: Duration = Duration::from_secs(300);
/// Targets whose addresses' owners are remembered.
const MOST_KNOWN: usize = 4096;
/// How often whoever watches is told.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// No reference.
pub const NOBODY: HostId = HostId::MAX;

/// A target and what it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    /// Whom it is about.
    pub target: HostId,
    /// The reference, or [`NOBODY`].
    pub reference: HostId,
}

/// What to measure, and how.
#[derive(Debug)]
pub struct Batch {
    /// The pairs, in ascending order, each once; ids are of the hosts that [`batch`] is given.
    pub pairs: Vec<Pair>,
    /// What hosts are called that were not given by address.
    pub names: HashMap<(usize, Role), String>,
    /// What the hosts are asked by.
    pub protocol: Protocol,
    /// Our address.
    pub source: IpAddr,
    /// Source ports for the sweep, at least three.
    pub numbers: Vec<u16>,
    /// Source ports for full measurements, a set for each that may go on at the same time.
    pub crews: Vec<Vec<SourcePorts>>,
    /// Flows in which a host has to answer before it is believed, from 1 to 3.
    pub flows: u8,
    /// Packets a second in all.
    pub rate: f64,
    /// The longest wait for a reply.
    pub wait: Duration,
    /// Highest TTL.
    pub max_ttl: u8,
    /// How sure a place must be.
    pub confidence: f64,
    /// Every full measurement looks at its paths from the first hop on, wherever others were lost.
    pub whole_paths: bool,
    /// Seed of every random choice.
    pub seed: u64,
}

/// A pair's result.
#[derive(Debug)]
pub struct Found<'a> {
    /// Which.
    pub pair: usize,
    /// The record.
    pub run: &'a Run,
    /// The target's path.
    pub target: &'a Path,
    /// What it was compared with.
    pub references: &'a [Path],
    /// The conclusion.
    pub verdict: &'a Verdict,
    /// It was measured in full.
    pub in_full: bool,
}

/// How far a batch has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Hosts to ask, and those whose outcome is known.
    pub hosts: u64,
    /// See `hosts`.
    pub settled: u64,
    /// Pairs, and those that have a result.
    pub pairs: u64,
    /// See `pairs`.
    pub done: u64,
    /// Pairs that wait for a full measurement, or are in one.
    pub doubtful: u64,
    /// Packets that left, of the sweep and of full measurements.
    pub sent: u64,
}

/// How a batch ended.
#[derive(Debug, Default)]
pub struct Ending {
    /// It was stopped, by a signal or by whoever takes the results.
    pub stopped: bool,
    /// Why the wire broke, if it did.
    pub fault: Option<WireFault>,
    /// How far it came.
    pub progress: Progress,
    /// Packets that belonged to a try of the sweep.
    pub heard: u64,
    /// Packets of the sweep that belonged to no try.
    pub strays: Strays,
    /// What the receiving side lost.
    pub losses: Losses,
}

/// Who takes the results; `Break` ends the batch.
pub type Sink<'a> = dyn FnMut(&Found<'_>) -> ControlFlow<()> + 'a;
/// Who watches, ten times a second; `Break` ends the batch.
pub type Watch<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + 'a;

/// Measures all pairs of these hosts.
///
/// # Errors
/// [`PlanError`] if a full measurement could not be planned so.
pub fn batch(
    batch: &Batch,
    hosts: Hosts,
    started_at: WallTime,
    wire: &mut dyn Wire,
    origins: &dyn Origins,
    sink: &mut Sink<'_>,
    watch: &mut Watch<'_>,
) -> Result<Ending, PlanError> {
    let mut work = Work::new(batch, hosts, started_at, origins);
    // What keeps one measurement from beginning keeps all: they differ in their addresses, and those are of one family.
    if !batch.pairs.is_empty() {
        let source_ports = batch.crews.first().cloned().unwrap_or_default();
        Plan { source_ports, ..work.plan(0) }.check()?;
    }
    Ok(work.go(wire, sink, watch))
}

/// What has become of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its hosts are being asked.
    Open,
    /// It answers, and that is not believed yet.
    Held,
    /// It is measured in full, or waits for it.
    Doubtful,
    /// It has a result.
    Done,
}

struct Work<'a> {
    batch: &'a Batch,
    started_at: WallTime,
    sweep: Sweep,
    fleet: Fleet,
    origins: &'a dyn Origins,
    atlas: Atlas<'a>,
    /// Addresses that the atlas may have been asked for since it was new.
    asked: usize,
    states: Vec<State>,
    /// Pairs with a reference, sorted by it.
    by_reference: Vec<u32>,
    /// Where targets were lost.
    lessons: Lessons,
    /// Doubtful pairs in the order in which they came up.
    queue: VecDeque<u32>,
    /// Pairs that are decided when everybody has been asked: their neighbours may still answer.
    later: Vec<u32>,
    held: Vec<u32>,
    /// Pairs that are measured in full although they answer, and the networks they are of.
    samples: HashSet<u32>,
    sampled: Vec<u128>,
    /// Ways back that somebody near speaks by.
    suspects: HashSet<u8>,
    /// Results that are ready, the pairs that answer plainly.
    plain: VecDeque<u32>,
    ended: Vec<Ended>,
    swept: bool,
    sent_in_full: u64,
    done: u64,
}

impl<'a> Work<'a> {
    fn new(batch: &'a Batch, hosts: Hosts, started_at: WallTime, origins: &'a dyn Origins) -> Self {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&batch.seed.to_be_bytes());
        key[8..].copy_from_slice(b"sweeping");
        let asking = Asking {
            source: batch.source,
            protocol: batch.protocol,
            flows: batch.flows,
            numbers: batch.numbers.clone(),
            wait: batch.wait,
            key,
        };
        let pace = Pace { gap: Duration::from_secs_f64(1.0 / batch.rate), ..Pace::default() };
        let mut by_reference: Vec<u32> = (0..batch.pairs.len() as u32)
            .filter(|pair| batch.pairs[*pair as usize].reference != NOBODY)
            .collect();
        by_reference.sort_by_key(|pair| batch.pairs[*pair as usize].reference);
        Self {
            batch,
            started_at,
            sweep: Sweep::new(hosts, &asking),
            fleet: Fleet::new(batch.crews.clone(), Budgets::new(pace), batch.confidence),
            origins,
            atlas: Atlas::new(origins),
            asked: 0,
            states: vec![State::Open; batch.pairs.len()],
            by_reference,
            lessons: Lessons::default(),
            queue: VecDeque::new(),
            later: Vec::new(),
            held: Vec::new(),
            samples: HashSet::new(),
            sampled: Vec::new(),
            suspects: HashSet::new(),
            plain: VecDeque::new(),
            ended: Vec::new(),
            swept: false,
            sent_in_full: 0,
            done: 0,
        }
    }

    fn pair(&self, pair: u32) -> Pair {
        self.batch.pairs[pair as usize]
    }

    fn progress(&self) -> Progress {
        let tally = self.sweep.tally();
        Progress {
            hosts: self.sweep.hosts().len() as u64,
            settled: tally.settled,
            pairs: self.batch.pairs.len() as u64,
            done: self.done,
            doubtful: (self.queue.len() + self.fleet.busy()) as u64,
            sent: tally.sent + self.sent_in_full,
        }
    }

    fn go(mut self, wire: &mut dyn Wire, sink: &mut Sink<'_>, watch: &mut Watch<'_>) -> Ending {
        let mut tokens = Tokens::new(self.batch.rate);
        let mut transmit = Transmit { probe: ProbeId(0), destination: self.batch.source, packet: Vec::new() };
        let mut ending = Ending::default();
        let mut unheard = 0;
        let mut tell_at = Moment::START;
        // The moment at which the last packet left is as good as a reading of the clock.
        let mut left_at = None;
        loop {
            let now = left_at.take().unwrap_or_else(|| wire.now());
            if now >= tell_at {
                tell_at = now + TOLD_EVERY;
                if watch(&self.progress()).is_break() {
                    ending.stopped = true;
                    break;
                }
            }
            if self.settle(now, sink).is_break() {
                ending.stopped = true;
                break;
            }
            if self.done == self.batch.pairs.len() as u64 {
                break;
            }
            let mut wake = Moment::NEVER;
            if unheard < TURN {
                match tokens.ready(now) {
                    Some(at) => wake = at,
                    None => {
                        match self.fleet.poll(now, &mut self.atlas, &mut self.ended) {
                            Step::Transmit(place, packet) => {
                                let outcome = wire.send(&packet);
                                self.fleet.sent(place, wire.now(), outcome);
                                self.sent_in_full += u64::from(outcome.is_ok());
                                tokens.spend();
                                unheard += 1;
                                continue;
                            }
                            Step::Wait(at) => wake = wake.min(at),
                        }
                        if !self.ended.is_empty() {
                            continue;
                        }
                        match self.sweep.poll(now) {
                            Next::Send(destination) => {
                                transmit.destination = destination;
                                transmit.packet.clear();
                                transmit.packet.extend_from_slice(self.sweep.packet());
                                let outcome = wire.send(&transmit);
                                left_at = outcome.ok();
                                self.sweep.sent(left_at.unwrap_or(now), outcome);
                                tokens.spend();
                                unheard += 1;
                                continue;
                            }
                            Next::Wait(at) => wake = wake.min(at),
                            Next::Done if !self.swept => {
                                self.swept = true;
                                continue;
                            }
                            Next::Done => {}
                        }
                        // A host that was settled just now may have made a pair ready.
                        if self.sweep.has_settled() {
                            continue;
                        }
                    }
                }
            } else {
                wake = now;
            }
            unheard = 0;
            match self.listen(wire, wake.min(tell_at)) {
                Ok(false) => {}
                Ok(true) => {
                    ending.stopped = true;
                    break;
                }
                Err(fault) => {
                    ending.fault = Some(fault);
                    break;
                }
            }
        }
        ending.progress = self.progress();
        ending.heard = self.sweep.tally().heard;
        ending.strays = self.sweep.strays();
        ending.losses = wire.losses();
        self.fleet.scatter(&mut self.ended);
        let _ = watch(&ending.progress);
        ending
    }

    /// Takes what comes in until `until`, and all that is there. Says whether there was a signal.
    fn listen(&mut self, wire: &mut dyn Wire, until: Moment) -> Result<bool, WireFault> {
        let mut until = until;
        loop {
            match wire.wait(until)? {
                Heard::Packet(arrival) => {
                    let now = wire.now();
                    self.hear(now, &arrival);
                    until = now;
                }
                // Only packets name one host of many.
                Heard::Notice(_) => {}
                Heard::Quiet => return Ok(false),
                Heard::Interrupted => return Ok(true),
            }
        }
    }

    fn hear(&mut self, now: Moment, arrival: &Arrival) {
        let fleets = local_number(&arrival.packet).is_some_and(|number| {
            let sweeps = number.0 == self.batch.protocol && self.batch.numbers.contains(&number.1);
            !sweeps && self.fleet.hear(number, now, arrival)
        });
        if !fleets {
            self.sweep.hear(arrival);
        }
    }

    /// Everything that follows from what is known by now.
    fn settle(&mut self, now: Moment, sink: &mut Sink<'_>) -> ControlFlow<()> {
        while let Some(host) = self.sweep.settled() {
            self.consider_all(host);
        }
        if self.swept {
            for pair in std::mem::take(&mut self.later) {
                self.decide_late(pair);
            }
        }
        while let Some(one) = self.ended.pop() {
            self.landed(one, sink)?;
        }
        if self.samples.is_empty() && (self.sampled.len() >= usize::from(SAMPLES) || !self.held.is_empty()) {
            for pair in std::mem::take(&mut self.held) {
                self.believe(pair);
            }
        }
        while let Some(pair) = self.plain.pop_front() {
            self.tell_plain(pair, sink)?;
        }
        while self.fleet.has_room()
            && let Some(pair) = self.queue.pop_front()
        {
            self.embark(pair, now);
        }
        ControlFlow::Continue(())
    }

    /// Looks at every pair that a host belongs to.
    fn consider_all(&mut self, host: HostId) {
        let first = self.batch.pairs.partition_point(|pair| pair.target < host);
        let targets = self.batch.pairs[first..].iter().take_while(|pair| pair.target == host).count();
        for pair in first..first + targets {
            self.consider(pair as u32);
        }
        let reference = |pair: &u32| self.batch.pairs[*pair as usize].reference;
        let first = self.by_reference.partition_point(|pair| reference(pair) < host);
        let end = self.by_reference.partition_point(|pair| reference(pair) <= host);
        for place in first..end {
            self.consider(self.by_reference[place]);
        }
    }

    fn answer(&self, host: HostId) -> Option<Answer> {
        match self.sweep.outcome(host)? {
            Outcome::Answered(answer) => Some(answer),
            _ => None,
        }
    }

    fn consider(&mut self, pair: u32) {
        let Pair { target, reference } = self.pair(pair);
        let known = |host| host == NOBODY || self.sweep.outcome(host).is_some();
        if self.states[pair as usize] != State::Open || !known(target) || !known(reference) {
            return;
        }
        let answer = self.answer(target).filter(|_| self.sweep.is_plain(target));
        match (answer, reference) {
            // Who may serve as a reference is known when everybody has been asked.
            (None, NOBODY) => {
                self.states[pair as usize] = State::Held;
                self.later.push(pair);
            }
            (Some(answer), NOBODY) if refuses(answer) => {
                self.states[pair as usize] = State::Held;
                self.later.push(pair);
            }
            (None, _) => self.doubt(pair),
            (Some(answer), NOBODY) => self.hold(pair, answer),
            (Some(answer), _) => match self.contradicts(answer, reference) {
                true => self.doubt(pair),
                false => self.hold(pair, answer),
            },
        }
    }

    /// Whether an answer is not what its neighbour's makes one expect.
    fn contradicts(&self, answer: Answer, neighbour: HostId) -> bool {
        // Whatever forbids both may reset one and swallow the other: a reset that nobody vouches for is looked at.
        let Some(other) = self.answer(neighbour) else { return refuses(answer) };
        let contrary = refuses(answer) && !refuses(other);
        contrary || hops_back(answer.reply_ttl) + SUSPICIOUSLY_NEAR <= hops_back(other.reply_ttl)
    }

    /// A pair without a reference, once everybody has been asked.
    fn decide_late(&mut self, pair: u32) {
        let target = self.pair(pair).target;
        let plain = self.answer(target).filter(|_| self.sweep.is_plain(target));
        match plain {
            Some(answer) => {
                let beside = self.neighbours(target);
                let alone = refuses(answer) && beside.is_empty();
                match alone || beside.iter().any(|neighbour| self.contradicts(answer, *neighbour)) {
                    true => self.doubt(pair),
                    false => self.hold(pair, answer),
                }
            }
            None => self.doubt(pair),
        }
    }

    fn doubt(&mut self, pair: u32) {
        self.states[pair as usize] = State::Doubtful;
        self.queue.push_back(pair);
    }

    /// It answers plainly: is that believed?
    fn hold(&mut self, pair: u32, answer: Answer) {
        let network = match self.sweep.hosts().address(self.pair(pair).target) {
            IpAddr::V4(address) => u128::from(u32::from(address) >> 16),
            IpAddr::V6(address) => u128::from(address) >> 96,
        };
        self.states[pair as usize] = State::Held;
        if self.sampled.len() < usize::from(SAMPLES) && !self.sampled.contains(&network) {
            self.sampled.push(network);
            self.samples.insert(pair);
            self.states[pair as usize] = State::Doubtful;
            self.queue.push_front(pair);
        } else if self.samples.is_empty() {
            self.believe_answer(pair, answer);
        } else {
            self.held.push(pair);
        }
    }

    fn believe(&mut self, pair: u32) {
        if let Some(answer) = self.answer(self.pair(pair).target) {
            self.believe_answer(pair, answer);
        }
    }

    fn believe_answer(&mut self, pair: u32, answer: Answer) {
        match self.suspects.contains(&hops_back(answer.reply_ttl)) {
            true => self.doubt(pair),
            false => self.plain.push_back(pair),
        }
    }

    /// The result of a pair that answers plainly.
    fn tell_plain(&mut self, pair: u32, sink: &mut Sink<'_>) -> ControlFlow<()> {
        self.forget();
        let run = self.record(pair);
        let (target, references, judgment) = conclude(&run, &mut self.atlas, self.batch.confidence);
        if judgment.verdict.kind != Kind::Reachable {
            self.doubt(pair);
            return ControlFlow::Continue(());
        }
        let found = Found {
            pair: pair as usize,
            run: &run,
            target: &target,
            references: &references,
            verdict: &judgment.verdict,
            in_full: false,
        };
        self.tell(&found, sink)
    }

    /// A pair has its result.
    fn tell(&mut self, found: &Found<'_>, sink: &mut Sink<'_>) -> ControlFlow<()> {
        self.states[found.pair] = State::Done;
        self.done += 1;
        sink(found)
    }

    /// Before one more target's owner is asked for: each is asked for once, and to remember them all helps nobody.
    fn forget(&mut self) {
        self.asked += 1;
        if self.asked > MOST_KNOWN {
            (self.atlas, self.asked) = (Atlas::new(self.origins), 0);
        }
    }

    /// A full measurement has ended.
    fn landed(&mut self, ended: Ended, sink: &mut Sink<'_>) -> ControlFlow<()> {
        let Ended { ticket: pair, run, whole } = ended;
        let (target, references, judgment) = conclude(&run, &mut self.atlas, self.batch.confidence);
        let verdict = judgment.verdict;
        if let Some(lesson) = Lesson::of(&run, &verdict).filter(|_| whole) {
            let alike = self.likeness(pair);
            self.lessons.learn(&alike, &lesson);
        }
        if self.samples.remove(&pair) {
            // It answered plainly, and yet it is not what answered.
            let forged = matches!(verdict.mechanism, Mechanism::ForgedAnswer | Mechanism::TcpReset)
                || matches!(verdict.kind, Kind::Injected | Kind::Intercepted)
                || matches!(verdict.reason, Some(Reason::Intercepted | Reason::Contradiction));
            let answer = self.answer(self.pair(pair).target);
            if let Some(answer) = answer.filter(|_| forged) {
                self.suspects.insert(hops_back(answer.reply_ttl));
            }
        }
        let found = Found {
            pair: pair as usize,
            run: &run,
            target: &target,
            references: &references,
            verdict: &verdict,
            in_full: true,
        };
        self.tell(&found, sink)
    }

    /// Begins to measure a pair in full.
    fn embark(&mut self, pair: u32, now: Moment) {
        let plan = self.plan(pair);
        let back = |answer: Option<Answer>| answer.map(|answer| hops_back(answer.reply_ttl));
        let hosts = self.sweep.hosts();
        let port = |one: &Destination| one.port.unwrap_or(0);
        let asked = plan.destinations.iter().filter(|one| one.role != Role::Variant);
        let known = asked.filter_map(|one| hosts.find(one.address, port(one)));
        let far = known.filter_map(|host| back(self.answer(host))).max();
        // A target that answers is doubtful for another reason than where its packets are lost.
        let silent = self.answer(self.pair(pair).target).is_none();
        let taught = silent && !self.batch.whole_paths;
        let lesson = taught.then(|| self.likeness(pair)).and_then(|alike| self.lessons.about(&alike));
        let begun = self.fleet.begin(pair, plan, far, lesson, now, self.started_at);
        // The plan was checked with the words; a pair that never began would be waited for without end.
        assert!(begun.is_ok(), "a measurement cannot begin: {begun:?}");
    }

    /// Whom a pair's target is like, the most alike first.
    fn likeness(&mut self, pair: u32) -> Vec<Likeness> {
        let Pair { target, reference } = self.pair(pair);
        let address = self.sweep.hosts().address(target);
        self.forget();
        let network = self.atlas.of(address);
        let mut alike = Vec::new();
        if reference != NOBODY {
            alike.push(Likeness::Reference(reference));
        }
        alike.extend(network.prefix.map(Likeness::Prefix));
        alike.extend(network.asns.first().copied().map(Likeness::As));
        alike.push(Likeness::Any);
        alike
    }

    /// How a pair is measured in full, but for the source ports.
    fn plan(&mut self, pair: u32) -> Plan {
        let Pair { target, reference } = self.pair(pair);
        let mut destinations = vec![self.destination(pair, target, Role::Target)];
        if reference == NOBODY {
            let found = self.neighbours(target);
            let role = Role::Reference(ReferenceKind::Hint);
            destinations.extend(found.into_iter().map(|host| self.destination(pair, host, role)));
        } else {
            destinations.push(self.destination(pair, reference, Role::Reference(ReferenceKind::Given)));
        }
        destinations.extend(variants(&destinations[0]));
        Plan {
            source: self.batch.source,
            destinations,
            source_ports: Vec::new(),
            first_ttl: 1,
            max_ttl: self.batch.max_ttl,
            wait: self.batch.wait,
            pace: Pace { gap: Duration::from_secs_f64(1.0 / self.batch.rate), ..Pace::default() },
            budget: Budget { time: MOST_TIME, ..Budget::default() },
            seed: self.batch.seed.wrapping_add(u64::from(pair) + 1),
        }
    }

    fn destination(&self, pair: u32, host: HostId, role: Role) -> Destination {
        let hosts = self.sweep.hosts();
        let address = hosts.address(host);
        let name = self.batch.names.get(&(pair as usize, role));
        Destination {
            role,
            host: name.cloned().unwrap_or_else(|| address.to_string()),
            address,
            protocol: self.batch.protocol,
            port: (self.batch.protocol != Protocol::Icmp).then(|| hosts.port(host)),
            size: None,
        }
    }

    /// The nearest hosts of the same announced prefix that answer on the same port; those that accept before those that
    /// refuse.
    fn neighbours(&mut self, target: HostId) -> Vec<HostId> {
        let (address, port) = (self.sweep.hosts().address(target), self.sweep.hosts().port(target));
        self.forget();
        let prefix = self.atlas.of(address).prefix;
        let hosts = self.sweep.hosts();
        let near = |host: &HostId| match prefix {
            Some(prefix) => prefix.contains(hosts.address(*host)),
            None => hosts.prefix(*host) == hosts.prefix(target),
        };
        let below = (0..target).rev().take(NEIGHBOURHOOD as usize).take_while(near);
        let above = (target + 1..hosts.len() as HostId).take(NEIGHBOURHOOD as usize).take_while(near);
        let distance = |host: HostId| match (address, hosts.address(host)) {
            (IpAddr::V4(one), IpAddr::V4(other)) => u128::from(u32::from(one).abs_diff(u32::from(other))),
            (IpAddr::V6(one), IpAddr::V6(other)) => u128::from(one).abs_diff(u128::from(other)),
            _ => u128::MAX,
        };
        let mut found: Vec<(bool, u128, HostId)> = below
            .chain(above)
            .filter(|host| hosts.port(*host) == port && hosts.address(*host) != address)
            .filter_map(|host| Some((refuses(self.answer(host)?), distance(host), host)))
            .collect();
        found.sort_unstable();
        found.into_iter().take(NEIGHBOURS).map(|(_, _, host)| host).collect()
    }

    /// The record of a pair's packets in the sweep.
    fn record(&self, pair: u32) -> Run {
        let Pair { target, reference } = self.pair(pair);
        let mut parties = vec![(target, self.destination(pair, target, Role::Target))];
        if reference != NOBODY {
            let role = Role::Reference(ReferenceKind::Given);
            parties.push((reference, self.destination(pair, reference, role)));
        }
        let began = parties.iter().flat_map(|(host, _)| self.sweep.tries(*host)).map(|(_, one)| one.sent_at);
        let began = began.min().unwrap_or(Moment::START);
        let offset = began.since(Moment::START);
        let mut run = Run {
            started_at: self.started_at.at(began),
            ended_at: Moment::START,
            end: Some(End::Decided),
            seed: self.batch.seed,
            source: self.batch.source,
            first_ttl: 1,
            max_ttl: self.batch.max_ttl,
            destinations: parties.iter().map(|(_, destination)| destination.clone()).collect(),
            flows: Vec::new(),
            probes: Vec::new(),
            strays: Strays::default(),
            losses: Losses::default(),
        };
        let mut sent: Vec<_> = (0..)
            .map(DestinationId)
            .zip(&parties)
            .flat_map(|(id, (host, _))| {
                let answer = self.answer(*host);
                self.sweep.tries(*host).map(move |(attempt, one)| {
                    // The TTL is that of the first answer.
                    let ttl =
                        answer.filter(|answer| answer.attempt == attempt).map(|answer| answer.reply_ttl);
                    (one.sent_at, id, *host, one, answer, ttl)
                })
            })
            .collect();
        sent.sort_by_key(|one| (one.0, one.1));
        for (at, destination, host, one, answer, reply_ttl) in sent {
            let source = SourcePorts::all(one.number);
            let known = run.flows.iter().position(|flow| flow.source == source);
            let flow = known.unwrap_or_else(|| {
                run.flows.push(Flow { source, label: 0, small: None });
                run.flows.len() - 1
            });
            let replies: Vec<Reply> = answer
                .zip(one.rtt)
                .into_iter()
                .map(|(answer, rtt)| Reply {
                    received_at: at + rtt - offset,
                    rtt,
                    from: self.sweep.hosts().address(host),
                    kind: answer.kind,
                    reply_ttl,
                    ip_id: None,
                    late: false,
                    duplicate: false,
                    ambiguous: false,
                    quoted: None,
                    tcp: None,
                    mpls: Vec::new(),
                    interfaces: Vec::new(),
                })
                .collect();
            let sent_at = at - offset;
            let given_up = sent_at + self.batch.wait;
            let ended = replies.first().map_or(given_up, |reply| reply.received_at);
            run.ended_at = run.ended_at.max(ended);
            run.probes.push(Probe {
                id: ProbeId(run.probes.len() as u32),
                destination,
                flow: FlowId(flow as u16),
                ttl: FULL_TTL,
                stage: Stage::Reach,
                group: run.probes.len() as u32 + 1,
                sent_at: Some(sent_at),
                fault: None,
                given_up_at: replies.is_empty().then_some(given_up),
                replies,
            });
        }
        run
    }
}

/// Whether a host says that nobody listens there.
const fn refuses(answer: Answer) -> bool {
    matches!(answer.kind, ReplyKind::Rst | ReplyKind::Unreachable { .. })
}

/// Packets a second in all: a bucket filled by the time that passes, not by sleeps, so that a late wake-up costs nothing.
#[derive(Debug)]
struct Tokens {
    rate: f64,
    most: f64,
    have: f64,
    at: Moment,
}

impl Tokens {
    fn new(rate: f64) -> Self {
        // What a wake-up may be late by, some milliseconds.
        let most = (rate * 0.01).clamp(2.0, 4096.0);
        Self { rate, most, have: 1.0, at: Moment::START }
    }

    /// `None` if a packet may leave now, else when.
    fn ready(&mut self, now: Moment) -> Option<Moment> {
        self.have = (self.have + now.since(self.at).as_secs_f64() * self.rate).min(self.most);
        self.at = self.at.max(now);
        // The comparison forgives what floating point cannot hold.
        let lacks = 1.0 - self.have;
        (lacks > 1e-9).then(|| now + Duration::from_secs_f64(lacks / self.rate).max(Duration::from_nanos(1)))
    }

    fn spend(&mut self) {
        self.have -= 1.0;
    }
}

const _: () = assert!(TRIES >= 3);
