//! Sends what is needed as fast as the budgets allow, and keeps every reply.
//!
//! One contract, as in any machine without I/O of its own: hand in one fact, then [`poll`](Engine::poll) until it
//! answers [`Wait`](Output::Wait) or [`Done`](Output::Done), doing what each output says before the next poll.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::identity::{Identity, Names, Recognised, Stray};
use super::pace::{Bearer, Budgets};
use super::plan::{Plan, PlanError};
use super::wire::{Arrival, Notice, Transmit};
use crate::packet::icmp;
use crate::trace::{
    Advice, Destination, DestinationId, End, FULL_TTL, FlowId, Losses, Member, Moment, Need, Probe, ProbeId,
    Protocol, Reply, ReplyKind, Role, Run, SendFault, Stage, Strays, WallTime,
};

/// How often a full send queue is tried again before the probe is written off.
const FULL_RETRIES: u8 = 5;
/// Failed sends in a row after which sending is taken to be impossible: at all, or to one destination.
const FAULTS_IN_A_ROW: u8 = 6;
/// The shortest wait once round-trip times are known. A router's slow path may take this much longer than usual.
const SHORTEST_WAIT: Duration = Duration::from_millis(500);
/// How long after a probe an unnamed answer of the host may still be its: the last SYN-ACK that Linux repeats
/// comes after 1 + 2 + 4 + 8 + 16 s.
const UNNAMED_LIFETIME: Duration = Duration::from_secs(32);
/// How often routers may lower the size of the target's packets in one run. A path has fewer different MTUs, and whoever
/// takes a byte off each time is none to be heeded.
const MOST_LOWERED: usize = 8;

/// One fact handed in.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A packet arrived.
    Packet(&'a Arrival),
    /// The probe of the last [`Output::Transmit`] left, or did not.
    Sent(Result<Moment, SendFault>),
    /// What is needed now; answers [`Output::Ask`].
    Advice(&'a Advice),
    /// What the receiving side has lost so far.
    Losses(Losses),
    /// The user wants to stop.
    Interrupt,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this and hand in [`Input::Sent`].
    Transmit(Transmit),
    /// The record has changed: ask the reader what it needs and hand in [`Input::Advice`].
    Ask,
    /// Wait for a packet, at most until this moment.
    Wait(Moment),
    /// Over.
    Done(End),
}

/// The measuring machine of one run.
#[derive(Debug)]
pub struct Engine {
    plan: Plan,
    identity: Identity,
    budgets: Budgets,
    coin: ChaCha8Rng,
    run: Run,
    needs: Vec<Need>,
    decided: bool,
    ask_again_at: Option<Moment>,
    /// The record has changed since the reader was last asked.
    stale: bool,
    /// Members of a group already begun, in coin-drawn order.
    group: Vec<(DestinationId, FlowId, Option<u8>, Stage)>,
    groups: u32,
    /// The probe handed out last, until it is known to have left.
    leaving: Option<(ProbeId, Bearer)>,
    retry: Option<(Transmit, u8, Moment)>,
    faults_in_a_row: u8,
    /// The same for each destination by itself: this host's own firewall may refuse one and let the others pass.
    faults_to: Vec<u8>,
    /// Deadlines of the probes that are waited for.
    waiting: BTreeSet<(Moment, ProbeId)>,
    deadlines: Vec<Option<Moment>>,
    longest_rtt: Option<Duration>,
    /// Lowest TTL at which each host answered for itself.
    distances: HashMap<IpAddr, u8>,
    interrupted: bool,
}

impl Engine {
    /// A machine for this plan.
    ///
    /// # Errors
    /// [`PlanError`] if the plan cannot be carried out.
    pub fn new(plan: Plan, started_at: WallTime) -> Result<Self, PlanError> {
        plan.check()?;
        let mut coin = ChaCha8Rng::seed_from_u64(plan.seed);
        let mut key = [0; 16];
        coin.fill_bytes(&mut key);
        let identity = Identity::new(key, plan.source, &plan.destinations, &plan.source_ports);
        let run = Run {
            started_at,
            ended_at: Moment::START,
            end: None,
            seed: plan.seed,
            source: plan.source,
            first_ttl: plan.first_ttl,
            max_ttl: plan.max_ttl,
            destinations: plan.destinations.clone(),
            flows: identity.flows().to_vec(),
            probes: Vec::new(),
            strays: Strays::default(),
            losses: Losses::default(),
        };
        Ok(Self {
            budgets: Budgets::new(plan.pace),
            plan,
            identity,
            coin,
            needs: Vec::new(),
            decided: false,
            ask_again_at: None,
            stale: true,
            group: Vec::new(),
            groups: 0,
            leaving: None,
            retry: None,
            faults_in_a_row: 0,
            faults_to: vec![0; run.destinations.len()],
            waiting: BTreeSet::new(),
            deadlines: Vec::new(),
            longest_rtt: None,
            distances: HashMap::new(),
            interrupted: false,
            run,
        })
    }

    /// The same machine with budgets that others pay from as well, in place of its own.
    #[must_use]
    pub fn paying_from(mut self, budgets: Budgets) -> Self {
        self.budgets = budgets;
        self
    }

    /// The record so far.
    #[must_use]
    pub const fn run(&self) -> &Run {
        &self.run
    }

    /// The record, finished.
    #[must_use]
    pub fn into_run(self) -> Run {
        self.run
    }

    /// Takes one fact at one moment. `now` may not go back; an arrival keeps its own, earlier, moment.
    pub fn handle(&mut self, now: Moment, input: Input<'_>) {
        self.run.ended_at = self.run.ended_at.max(now);
        match input {
            Input::Packet(arrival) => {
                self.receive(arrival);
            }
            Input::Sent(outcome) => self.sent(now, outcome),
            Input::Advice(advice) => {
                self.needs = advice.needs.iter().filter_map(|need| self.possible(need)).collect();
                self.decided = advice.decided;
                self.ask_again_at = advice.ask_again_at.filter(|at| *at > now);
                self.stale = false;
            }
            Input::Losses(losses) => self.run.losses = losses,
            Input::Interrupt => self.interrupted = true,
        }
    }

    /// Takes a packet as [`Input::Packet`] does, and says which probe it belongs to.
    pub fn hear(&mut self, now: Moment, arrival: &Arrival) -> Option<ProbeId> {
        self.run.ended_at = self.run.ended_at.max(now);
        self.receive(arrival)
    }

    /// Takes what the operating system tells of a reply, and says which probe it belongs to.
    pub fn heed_notice(&mut self, now: Moment, notice: &Notice) -> Option<ProbeId> {
        self.run.ended_at = self.run.ended_at.max(now);
        self.notice(notice)
    }

    /// The same while another run had the wire. What is not about this run's packets is no stray of its.
    pub fn overhear_notice(&mut self, notice: &Notice) -> Option<ProbeId> {
        let strays = self.run.strays;
        let probe = self.notice(notice);
        self.run.strays = strays;
        probe
    }

    /// Takes a packet that came in while another run had the wire, and says which probe it belongs to. What is not this
    /// run's is no stray of its.
    pub fn overhear(&mut self, arrival: &Arrival) -> Option<ProbeId> {
        let strays = self.run.strays;
        let probe = self.receive(arrival);
        self.run.strays = strays;
        probe
    }

    /// What names this run's probes.
    pub(super) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Takes a probe that left at `at` from the record of another run, as if it had been sent just now. Its replies are
    /// not taken with it.
    pub(super) fn retrace(&mut self, probe: Probe, at: Moment) {
        let ttl = limited(&probe);
        let bearer = self.bearer(probe.destination, ttl);
        self.leaving = Some((probe.id, bearer));
        self.groups = self.groups.max(probe.group);
        self.run.probes.push(Probe {
            sent_at: None,
            fault: None,
            given_up_at: None,
            replies: Vec::new(),
            ..probe
        });
        self.deadlines.push(None);
        self.sent(at, Ok(at));
    }

    /// Takes a probe that did not leave from the record of another run.
    pub(super) fn retrace_unsent(&mut self, probe: Probe) {
        self.run.probes.push(Probe { sent_at: None, given_up_at: None, replies: Vec::new(), ..probe });
        self.deadlines.push(None);
    }

    /// Ends a run that is retraced at the moment at which the other one ended.
    pub(super) fn close(mut self, at: Moment) -> Run {
        self.give_up(at);
        self.run.ended_at = at;
        self.run
    }

    /// Goes on with more destinations after a pause in which another run had the wire, or nothing was measured. The
    /// time budget grows by the pause.
    pub fn admit(&mut self, destinations: Vec<Destination>, pause: Duration) {
        self.identity.admit(&destinations);
        self.plan.destinations.extend_from_slice(&destinations);
        self.run.destinations.extend(destinations);
        self.faults_to.resize(self.run.destinations.len(), 0);
        self.plan.budget.time += pause;
        self.run.end = None;
        self.decided = false;
        self.stale = true;
    }

    /// The wire broke.
    pub(super) fn broken(&mut self) {
        self.run.end = Some(End::CannotSend);
    }

    /// What to do at `now`. Ask again until it says [`Output::Wait`] or [`Output::Done`].
    #[must_use]
    pub fn poll(&mut self, now: Moment) -> Output {
        self.run.ended_at = self.run.ended_at.max(now);
        self.give_up(now);
        if let Some(end) = self.end(now) {
            self.run.end = Some(end);
            return Output::Done(end);
        }
        if self.ask_again_at.is_some_and(|at| at <= now) {
            self.ask_again_at = None;
            self.stale = true;
        }
        let mut wake = self.waiting.first().map_or(Moment::NEVER, |(at, _)| *at);
        wake = wake.min(self.ask_again_at.unwrap_or(Moment::NEVER));
        wake = wake.min(Moment::START + self.plan.budget.time);
        if let Some((transmit, _, at)) = &self.retry {
            if *at <= now {
                return Output::Transmit(transmit.clone());
            }
            return Output::Wait(wake.min(*at));
        }
        if self.plan.pace.in_flight.is_some_and(|most| self.waiting.len() >= usize::from(most)) {
            return Output::Wait(wake);
        }
        let slot = self.budgets.next_send();
        if slot > now {
            // Between two sends there is time to ask, but no use for the answer yet unless it could end the run.
            let idle = self.group.is_empty() && self.needs.is_empty();
            if self.stale && idle {
                return Output::Ask;
            }
            return Output::Wait(wake.min(slot));
        }
        if self.group.is_empty() {
            if self.stale {
                return Output::Ask;
            }
            match self.choose(now) {
                Ok(()) => {}
                Err(Some(ready)) => return Output::Wait(wake.min(ready)),
                // Nothing is needed: the replies still awaited may change that.
                Err(None) => return Output::Wait(wake),
            }
        }
        match self.group.pop() {
            Some((destination, flow, ttl, stage)) => {
                Output::Transmit(self.compose(destination, flow, ttl, stage))
            }
            None => Output::Wait(wake),
        }
    }

    fn end(&self, now: Moment) -> Option<End> {
        if self.interrupted {
            return Some(End::Interrupted);
        }
        if self.leaving.is_some() {
            return None;
        }
        if self.faults_in_a_row >= FAULTS_IN_A_ROW || self.is_dropped(Run::TARGET) {
            return Some(End::CannotSend);
        }
        if now >= Moment::START + self.plan.budget.time {
            return Some(End::OutOfTime);
        }
        if !self.stale && self.decided {
            return Some(End::Decided);
        }
        let idle = self.waiting.is_empty() && self.group.is_empty() && self.retry.is_none();
        if idle && self.run.probes.len() as u32 >= self.plan.budget.probes {
            return (!self.stale).then_some(End::OutOfProbes);
        }
        (idle && !self.stale && self.needs.is_empty() && self.ask_again_at.is_none()).then_some(End::Decided)
    }

    /// Whether probes to a destination are no longer tried, since this host does not let them out.
    fn is_dropped(&self, destination: DestinationId) -> bool {
        self.faults_to[usize::from(destination.0)] >= FAULTS_IN_A_ROW
    }

    /// What of a need can be sent at all. A look at several paths goes on with those that are left; a comparison
    /// that lacks a side is none.
    fn possible(&self, need: &Need) -> Option<Need> {
        let mut need = need.clone();
        let whole = need.members.len();
        need.members.retain(|member| !self.is_dropped(member.destination));
        let looks = matches!(need.stage, Stage::Reach | Stage::Scout);
        (!need.members.is_empty() && (looks || need.members.len() == whole)).then_some(need)
    }

    /// Ends the wait for every probe whose time is over.
    fn give_up(&mut self, now: Moment) {
        while let Some(&(at, id)) = self.waiting.first() {
            if at > now {
                break;
            }
            self.waiting.pop_first();
            let probe = &mut self.run.probes[id.0 as usize];
            probe.given_up_at = Some(at);
            let (destination, ttl) = (probe.destination, limited(probe));
            self.stale = true;
            self.learn(destination, ttl, false, at);
        }
    }

    /// Draws the next group that the budgets allow into `group`; or says when the first one may leave.
    fn choose(&mut self, now: Moment) -> Result<(), Option<Moment>> {
        let left = self.plan.budget.probes.saturating_sub(self.run.probes.len() as u32) as usize;
        let mut earliest = None;
        let mut chosen = None;
        // Whoever is wanted more and has to wait saves up: a single probe further down the list would otherwise take
        // each token as it comes, and a pair would never find two.
        let mut saving: Vec<Bearer> = Vec::new();
        for (place, need) in self.needs.iter().enumerate() {
            let size = need.members.len();
            if size == 0 || size > left {
                continue;
            }
            let bearers = need.members.iter().map(|member| self.bearer(member.destination, need.ttl));
            if bearers.clone().any(|bearer| saving.contains(&bearer)) {
                continue;
            }
            if let Some(free) = self.flow_free(need, now) {
                // It saves nothing up: what it waits for is no budget.
                earliest = Some(earliest.map_or(free, |earliest: Moment| earliest.min(free)));
                continue;
            }
            let ready = self.ready(need, now);
            if ready <= now {
                chosen = Some(place);
                break;
            }
            saving.extend(bearers);
            earliest = Some(earliest.map_or(ready, |earliest: Moment| earliest.min(ready)));
        }
        let need = chosen.map(|place| self.needs.remove(place)).ok_or(earliest)?;
        self.groups += 1;
        self.group =
            need.members.iter().map(|one| (one.destination, one.flow, need.ttl, need.stage)).collect();
        // The coin. A fixed order would let a rate limiter answer the same member every time.
        self.group.shuffle(&mut self.coin);
        Ok(())
    }

    /// When the last flow of a group that another probe still has is given up, where a flow takes but one at a time.
    fn flow_free(&self, need: &Need, now: Moment) -> Option<Moment> {
        if !self.plan.pace.one_a_flow {
            return None;
        }
        let has = |(_, id): &&(Moment, ProbeId)| {
            let probe = self.run.probe(*id);
            let tcp = self.run.destination(probe.destination).protocol == Protocol::Tcp;
            let same = |one: &Member| (one.destination, one.flow) == (probe.destination, probe.flow);
            tcp && need.members.iter().any(same)
        };
        self.waiting.iter().filter(has).map(|(until, _)| *until).max().filter(|until| *until > now)
    }

    /// When every bearer of a group can take its share.
    fn ready(&self, need: &Need, now: Moment) -> Moment {
        let mut shares: Vec<(Bearer, usize)> = Vec::with_capacity(2);
        for member in &need.members {
            let bearer = self.bearer(member.destination, need.ttl);
            match shares.iter_mut().find(|(known, _)| *known == bearer) {
                Some((_, count)) => *count += 1,
                None => shares.push((bearer, 1)),
            }
        }
        shares.into_iter().map(|(bearer, count)| self.budgets.ready(bearer, count, now)).max().unwrap_or(now)
    }

    fn bearer(&self, destination: DestinationId, ttl: Option<u8>) -> Bearer {
        let address = self.run.destination(destination).address;
        match ttl {
            Some(ttl) if self.distances.get(&address).is_none_or(|distance| ttl < *distance) => {
                Bearer::Router(ttl)
            }
            _ => Bearer::Host(address),
        }
    }

    fn compose(
        &mut self,
        destination: DestinationId,
        flow: FlowId,
        ttl: Option<u8>,
        stage: Stage,
    ) -> Transmit {
        let id = ProbeId(self.run.probes.len() as u32);
        let bearer = self.bearer(destination, ttl);
        // A full TTL makes a probe of reach, whatever it was asked for; hops are made of the others.
        let stage = if ttl.is_none() { Stage::Reach } else { stage };
        let ttl = ttl.unwrap_or(FULL_TTL);
        self.run.probes.push(Probe {
            id,
            destination,
            flow,
            ttl,
            stage,
            group: self.groups,
            sent_at: None,
            fault: None,
            given_up_at: None,
            replies: Vec::new(),
        });
        self.deadlines.push(None);
        self.leaving = Some((id, bearer));
        let packet = self.identity.packet(id, destination, flow, ttl);
        Transmit { probe: id, destination: self.run.destination(destination).address, packet }
    }

    fn sent(&mut self, now: Moment, outcome: Result<Moment, SendFault>) {
        let Some((id, bearer)) = self.leaving.take() else { return };
        let retried = self.retry.take();
        let probe = &mut self.run.probes[id.0 as usize];
        let destination = probe.destination;
        let faults_to = &mut self.faults_to[usize::from(destination.0)];
        match outcome {
            Ok(at) => {
                probe.sent_at = Some(at);
                self.faults_in_a_row = 0;
                *faults_to = 0;
                self.budgets.spend(bearer, at.max(now));
                let deadline = at + self.patience();
                self.waiting.insert((deadline, id));
                self.deadlines[id.0 as usize] = Some(deadline);
            }
            Err(SendFault::Full) if retried.as_ref().is_none_or(|(_, tries, _)| *tries < FULL_RETRIES) => {
                let tries = retried.as_ref().map_or(0, |(_, tries, _)| *tries) + 1;
                let (flow, ttl) = (probe.flow, probe.ttl);
                let packet = self.identity.packet(id, destination, flow, ttl);
                let transmit =
                    Transmit { probe: id, destination: self.run.destination(destination).address, packet };
                // The queue drains in the time of a few packets; the wait doubles in case it is a slow link.
                self.retry = Some((transmit, tries, now + Duration::from_millis(10 << tries)));
                self.leaving = Some((id, bearer));
            }
            Err(fault) => {
                probe.fault = Some(fault);
                self.faults_in_a_row += 1;
                *faults_to += 1;
                self.stale = true;
                self.budgets.spend(bearer, now);
                if self.is_dropped(destination) {
                    // Whatever else was planned for it would fail as well.
                    self.group.retain(|(member, ..)| *member != destination);
                    let needs = std::mem::take(&mut self.needs);
                    self.needs = needs.iter().filter_map(|need| self.possible(need)).collect();
                }
            }
        }
    }

    /// How long to wait for a reply: three times the longest round trip seen, within bounds.
    fn patience(&self) -> Duration {
        self.longest_rtt.map_or(self.plan.wait, |longest| (longest * 3 + SHORTEST_WAIT).min(self.plan.wait))
    }

    fn receive(&mut self, arrival: &Arrival) -> Option<ProbeId> {
        let found = match self.identity.recognise(&arrival.packet) {
            Ok(found) => found,
            Err(stray) => {
                let strays = &mut self.run.strays;
                *match stray {
                    Stray::Malformed => &mut strays.malformed,
                    Stray::Foreign => &mut strays.foreign,
                    Stray::WrongKey => &mut strays.wrong_key,
                    Stray::Rewritten => &mut strays.rewritten,
                } += 1;
                return None;
            }
        };
        match self.assign(&found, arrival.at) {
            Some((id, ambiguous)) => {
                self.note(id, found, arrival.at, ambiguous);
                return Some(id);
            }
            // The flow's secret was right, or it would be no find; what is missing or wrong is the probe's name.
            None if found.quoted.is_some() && found.names == Names::Flow => self.run.strays.unnamed += 1,
            None if found.quoted.is_some() => self.run.strays.rewritten += 1,
            None => self.run.strays.wrong_key += 1,
        }
        None
    }

    fn notice(&mut self, notice: &Notice) -> Option<ProbeId> {
        let ours = self.identity.noticed(notice).filter(|(own, _)| {
            // Byte for byte, since another run on the same wire has names of the same form.
            let probe = self.run.probes.get(own.probe.0 as usize);
            probe.is_some_and(|probe| {
                self.identity.packet(probe.id, probe.destination, probe.flow, probe.ttl) == notice.about
            })
        });
        let Some((own, found)) = ours else {
            self.run.strays.foreign += 1;
            return None;
        };
        let assigned = match found.names {
            // An error about some packet of a flow: only where but one waits for an answer is it known which.
            Names::Flow if !found.kind.is_terminal() => {
                let mut open = self.run.probes.iter().filter(|probe| {
                    let same = (probe.destination, probe.flow) == (own.destination, own.flow);
                    same && probe.sent_at.is_some_and(|at| at <= notice.at) && !probe.was_answered()
                });
                open.next().filter(|_| open.next().is_none()).map(|probe| (probe.id, false))
            }
            _ => self.assign(&found, notice.at),
        };
        match assigned {
            Some((id, ambiguous)) => {
                self.note(id, found, notice.at, ambiguous);
                Some(id)
            }
            None => {
                self.run.strays.unnamed += 1;
                None
            }
        }
    }

    /// The probe a packet answers, and whether that is a guess.
    fn assign(&self, found: &Recognised, at: Moment) -> Option<(ProbeId, bool)> {
        let echo = found.kind == ReplyKind::EchoReply;
        // Every packet about an echo names its probe, whichever of the host's destinations it was sent for.
        let names_exactly = |probe: &Probe| {
            let (sent_to, named) =
                (self.run.destination(probe.destination), self.run.destination(found.destination));
            sent_to.protocol == Protocol::Icmp
                && (sent_to.protocol, sent_to.address) == (named.protocol, named.address)
        };
        let ours = |probe: &Probe| {
            let same = self.identity.named_as(probe.destination) == self.identity.named_as(found.destination);
            probe.flow == found.flow
                && (same || echo || names_exactly(probe))
                && probe.sent_at.is_some_and(|sent| sent <= at)
        };
        let named = |id: ProbeId| self.run.probes.get(id.0 as usize).filter(|probe| ours(probe));
        let unanswered = |probe: &&Probe| {
            ours(probe)
                && !probe.was_answered()
                && probe.sent_at.is_some_and(|sent| at.since(sent) < UNNAMED_LIFETIME)
        };
        match found.names {
            Names::Probe(id) => named(id).map(|probe| (probe.id, false)),
            Names::OneOf(readings) => {
                let mut sent = readings.into_iter().flatten().filter_map(named).map(|probe| probe.id);
                let first = sent.next()?;
                sent.all(|other| other == first).then_some((first, false))
            }
            Names::AtOrAfter(id) => {
                let first = named(id)?;
                if !first.was_answered() {
                    return Some((id, false));
                }
                // The host takes a later SYN of the flow for a repetition and echoes the first one's clock. A later
                // probe with a lower TTL cannot have got there if it was not the cause of the first answer.
                self.run.probes[id.0 as usize + 1..]
                    .iter()
                    .filter(unanswered)
                    .filter(|probe| probe.ttl >= first.ttl)
                    .max_by_key(|probe| probe.ttl)
                    .map_or(Some((id, false)), |probe| Some((probe.id, true)))
            }
            // An error quotes one probe, and any of the flow may be it, answered or not: only where it was the only one
            // is that known.
            Names::Flow if found.quoted.is_some() => {
                let mut sent = self.run.probes.iter().filter(|probe| ours(probe));
                let only = sent.next()?;
                sent.next().is_none().then_some((only.id, false))
            }
            Names::Flow => {
                let mut candidates = self.run.probes.iter().filter(unanswered);
                let first = candidates.next();
                let rest = candidates.max_by_key(|probe| probe.ttl);
                match (first, rest) {
                    (Some(only), None) => Some((only.id, false)),
                    (Some(first), Some(rest)) => {
                        Some((if rest.ttl >= first.ttl { rest.id } else { first.id }, true))
                    }
                    // All are answered: the host repeats itself.
                    (None, _) => {
                        self.run.probes.iter().rev().find(|probe| ours(probe)).map(|probe| (probe.id, false))
                    }
                }
            }
        }
    }

    fn note(&mut self, id: ProbeId, found: Recognised, at: Moment, ambiguous: bool) {
        let probe = &mut self.run.probes[id.0 as usize];
        let Some(sent_at) = probe.sent_at else { return };
        let rtt = at.since(sent_at);
        // Whether it came in time is decided by when it came, not by when this program read it: the same packets give the
        // same record, live or replayed. An answer in time that was read late takes the giving up back.
        let deadline = self.deadlines[id.0 as usize];
        let in_time = deadline.is_none_or(|deadline| at <= deadline);
        let late = !in_time && probe.replies.iter().all(|reply| reply.late);
        probe.given_up_at = if late { deadline } else { None };
        let duplicate =
            probe.replies.iter().any(|known| known.kind == found.kind && known.from == found.from);
        let reply = Reply {
            received_at: at,
            rtt,
            from: found.from,
            kind: found.kind,
            reply_ttl: found.reply_ttl,
            ip_id: found.ip_id,
            late,
            duplicate,
            ambiguous,
            quoted: found.quoted,
            tcp: found.tcp,
            mpls: found.mpls,
            interfaces: found.interfaces,
        };
        let (destination, ttl) = (probe.destination, limited(probe));
        let Destination { address, size, role, .. } = self.run.destinations[usize::from(destination.0)];
        let reached = reply.answers_for(address);
        let first = probe.replies.is_empty();
        probe.replies.push(reply);
        self.stale = true;
        if let Some(deadline) = deadline {
            self.waiting.remove(&(deadline, id));
        }
        if let (ReplyKind::TooBig { mtu }, Role::Target | Role::Outsized) = (found.kind, role) {
            self.heed(size, mtu);
        }
        if !first || duplicate {
            return;
        }
        // An answer after 1 s or more is a queue's doing (address resolution, a limiter), not the path's length.
        if rtt <= Duration::from_secs(1) {
            self.longest_rtt = Some(self.longest_rtt.map_or(rtt, |longest| longest.max(rtt)));
        }
        if let Some(ttl) = ttl.filter(|_| reached) {
            let distance = self.distances.entry(address).or_insert(ttl);
            *distance = (*distance).min(ttl);
        }
        self.learn(destination, ttl, true, at);
    }

    /// A router says that a probe is too big: the target's next ones are as small as it says, as a host's would be (RFC
    /// 1191, RFC 8201). Those sent so far are no longer probes of the target, but of one of that size, so that what is
    /// concluded rests on packets of one size.
    fn heed(&mut self, size: Option<u16>, mtu: u32) {
        let target = &self.run.destinations[0];
        let outsized = self.run.destinations.iter().filter(|one| one.role == Role::Outsized).count();
        let (Some(size), Some(current)) = (size, target.size) else { return };
        let Some(next) = icmp::smaller(target.address.is_ipv6(), size, mtu).filter(|next| *next < current)
        else {
            return;
        };
        // What still is a probe is larger than its name.
        let enough = crate::probe::small_control(target).size.is_some_and(|least| next >= least);
        if outsized >= MOST_LOWERED || !enough {
            return;
        }
        let old = Destination { role: Role::Outsized, ..target.clone() };
        let id = DestinationId(self.run.destinations.len() as u16);
        self.identity.admit(std::slice::from_ref(&old));
        self.identity.resize(next);
        for list in [&mut self.plan.destinations, &mut self.run.destinations] {
            list.push(old.clone());
            list[0].size = Some(next);
        }
        self.faults_to.push(0);
        for probe in self.run.probes.iter_mut().filter(|probe| probe.destination == Run::TARGET) {
            probe.destination = id;
        }
        self.decided = false;
        self.stale = true;
    }

    /// What a probe's fate says of whoever should have answered it.
    fn learn(&mut self, destination: DestinationId, ttl: Option<u8>, answered: bool, at: Moment) {
        let bearer = self.bearer(destination, ttl);
        let control = matches!(self.run.destination(destination).role, Role::Reference(_));
        // Silence for the target may be the block itself; only what it answers can be counted.
        if control || answered || matches!(bearer, Bearer::Host(_)) {
            self.budgets.learn(bearer, answered, at);
        }
    }

    /// The rate at which the router at `ttl` is probed beyond its burst, in packets a second.
    #[must_use]
    pub fn rate(&self, ttl: u8) -> f64 {
        self.budgets.rate(Bearer::Router(ttl))
    }
}

/// The TTL a probe was limited to; `None` for one that was to reach its host.
fn limited(probe: &Probe) -> Option<u8> {
    (probe.stage != Stage::Reach).then_some(probe.ttl)
}
