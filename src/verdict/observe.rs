//! The record, counted the way the rules read it.

use std::net::IpAddr;

use crate::trace::{DestinationId, FlowId, Moment, Probe, ReplyKind, Run, Stage, hops_back};

/// A set of flows, one bit each.
pub type FlowSet = u64;

/// Every flow.
pub const ALL_FLOWS: FlowSet = u64::MAX;

/// The bit of one flow.
#[must_use]
pub const fn bit(flow: FlowId) -> FlowSet {
    1 << (flow.0 & 63)
}

/// Some flows of one destination: one side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Whose probes.
    pub destination: DestinationId,
    /// In which flows.
    pub flows: FlowSet,
}

impl Selector {
    /// All flows of a destination.
    #[must_use]
    pub const fn all(destination: DestinationId) -> Self {
        Self { destination, flows: ALL_FLOWS }
    }

    /// Whether a probe is one of them.
    #[must_use]
    pub fn takes(&self, probe: &Probe) -> bool {
        probe.destination == self.destination && self.flows & bit(probe.flow) != 0
    }
}

/// A router that answered at some TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its address.
    pub address: IpAddr,
    /// Probes it answered by time exceeded.
    pub count: u32,
    /// In these flows.
    pub flows: FlowSet,
    /// How many hops its first answer was away by its own TTL, if it tells.
    pub back: Option<u8>,
}

/// What was observed at one TTL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HopSeen {
    /// Probes sent, their fate known or not.
    pub asked: u32,
    /// Probes whose fate is known.
    pub sent: u32,
    /// Those answered, by whatever.
    pub answered: u32,
    /// Flows of the probes whose fate is known.
    pub flows_sent: FlowSet,
    /// Flows of those answered.
    pub flows_answered: FlowSet,
    /// Who answered by time exceeded, most often first.
    pub routers: Vec<Seen>,
}

impl HopSeen {
    /// Probes answered by time exceeded.
    #[must_use]
    pub fn exceeded(&self) -> u32 {
        self.routers.iter().map(|router| router.count).sum()
    }

    /// Whether this router answered here.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.routers.iter().any(|router| router.address == address)
    }
}

/// What one side of a comparison drew, TTL by TTL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    hops: Vec<HopSeen>,
}

static NOTHING: HopSeen =
    HopSeen { asked: 0, sent: 0, answered: 0, flows_sent: 0, flows_answered: 0, routers: Vec::new() };

impl Series {
    /// Counts the probes that any of `selectors` takes. Probes with a full TTL belong to no hop.
    #[must_use]
    pub fn of(run: &Run, selectors: &[Selector]) -> Self {
        let mut hops: Vec<HopSeen> = Vec::new();
        for probe in run.probes.iter().filter(|probe| probe.was_sent() && probe.stage != Stage::Reach) {
            if !selectors.iter().any(|selector| selector.takes(probe)) {
                continue;
            }
            let place = usize::from(probe.ttl);
            if hops.len() <= place {
                hops.resize(place + 1, HopSeen::default());
            }
            let hop = &mut hops[place];
            hop.asked += 1;
            if !probe.is_settled() {
                continue;
            }
            hop.sent += 1;
            hop.flows_sent |= bit(probe.flow);
            if probe.was_answered() {
                hop.answered += 1;
                hop.flows_answered |= bit(probe.flow);
            }
            let exceeded = probe.replies.iter().find(|reply| reply.kind == ReplyKind::TimeExceeded);
            if let Some(reply) = exceeded {
                match hop.routers.iter_mut().find(|router| router.address == reply.from) {
                    Some(router) => {
                        router.count += 1;
                        router.flows |= bit(probe.flow);
                    }
                    None => hop.routers.push(Seen {
                        address: reply.from,
                        count: 1,
                        flows: bit(probe.flow),
                        back: reply.reply_ttl.map(hops_back),
                    }),
                }
            }
        }
        for hop in &mut hops {
            hop.routers.sort_by_key(|router| (std::cmp::Reverse(router.count), router.address));
        }
        Self { hops }
    }

    /// What was observed at `ttl`.
    #[must_use]
    pub fn at(&self, ttl: u8) -> &HopSeen {
        self.hops.get(usize::from(ttl)).unwrap_or(&NOTHING)
    }

    /// The highest TTL at which a router answered; 0 if none did.
    #[must_use]
    pub fn last_router(&self) -> u8 {
        self.hops.iter().rposition(|hop| !hop.routers.is_empty()).unwrap_or(0) as u8
    }

    /// The highest TTL probed; 0 if none was.
    #[must_use]
    pub fn last_probed(&self) -> u8 {
        self.hops.iter().rposition(|hop| hop.asked > 0).unwrap_or(0) as u8
    }
}

/// A reply that came in the destination's own name: SYN-ACK, RST, echo reply, UDP, or its own port unreachable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// TTL of the probe; `None` if it was a full one.
    pub ttl: Option<u8>,
    /// Flow of the probe.
    pub flow: FlowId,
    /// What came.
    pub kind: ReplyKind,
    /// TTL it arrived with.
    pub reply_ttl: Option<u8>,
    /// It did not name its probe, and was given to the one with the highest TTL.
    pub ambiguous: bool,
}

/// The destination's own answers, in order of sending.
#[must_use]
pub fn answers(run: &Run, id: DestinationId) -> Vec<Answer> {
    let address = run.destination(id).address;
    let mut found = Vec::new();
    for probe in run.probes_to(id) {
        if let Some(reply) = probe.replies.iter().find(|reply| reply.answers_for(address)) {
            found.push(Answer {
                ttl: (probe.stage != Stage::Reach).then_some(probe.ttl),
                flow: probe.flow,
                kind: reply.kind,
                reply_ttl: reply.reply_ttl,
                ambiguous: reply.ambiguous,
            });
        }
    }
    found
}

/// The lowest TTL that drew one of these answers; those that do not name their probe tell none.
#[must_use]
pub fn nearest(answers: &[Answer]) -> Option<u8> {
    answers.iter().filter(|answer| !answer.ambiguous).filter_map(|answer| answer.ttl).min()
}

/// The shortest way that one of these answers came back, in hops.
#[must_use]
pub fn shortest_way_back(answers: &[Answer]) -> Option<u8> {
    answers.iter().filter_map(|answer| answer.reply_ttl).map(hops_back).min()
}

/// An ICMP destination unreachable that is no answer of the host itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// TTL of the probe; `None` if it was a full one.
    pub ttl: Option<u8>,
    /// Who sent the message.
    pub from: IpAddr,
    /// What it says.
    pub kind: ReplyKind,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub code: u8,
}

/// The refusals that probes to a destination met, in order of sending.
#[must_use]
pub fn refusals(run: &Run, id: DestinationId) -> Vec<Refusal> {
    let address = run.destination(id).address;
    let mut found = Vec::new();
    for probe in run.probes_to(id) {
        for reply in &probe.replies {
            if let ReplyKind::Unreachable { icmp_type, code } = reply.kind
                && !reply.answers_for(address)
                && !reply.duplicate
            {
                found.push(Refusal {
                    ttl: (probe.stage != Stage::Reach).then_some(probe.ttl),
                    from: reply.from,
                    kind: reply.kind,
                    icmp_type,
                    code,
                });
            }
        }
    }
    found
}

/// How the probes with a full TTL fared in each flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Flow, probes whose fate is known, those the host answered; in order of first use.
    pub flows: Vec<(FlowId, u32, u32)>,
    /// Probes sent, their fate known or not.
    pub asked: u32,
    /// When the first one left.
    pub first_sent: Option<Moment>,
}

impl Reach {
    /// Counts the full-TTL probes to a destination.
    #[must_use]
    pub fn of(run: &Run, id: DestinationId) -> Self {
        let address = run.destination(id).address;
        let mut reach = Self::default();
        for probe in run.probes_to(id).filter(|probe| probe.stage == Stage::Reach) {
            reach.asked += 1;
            reach.first_sent = reach.first_sent.or(probe.sent_at);
            if !probe.is_settled() {
                continue;
            }
            let answered = u32::from(probe.replies.iter().any(|reply| reply.answers_for(address)));
            match reach.flows.iter_mut().find(|(flow, _, _)| *flow == probe.flow) {
                Some((_, sent, hits)) => {
                    *sent += 1;
                    *hits += answered;
                }
                None => reach.flows.push((probe.flow, 1, answered)),
            }
        }
        reach
    }

    /// Probes whose fate is known.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.flows.iter().map(|(_, sent, _)| sent).sum()
    }

    /// Those the host answered.
    #[must_use]
    pub fn answered(&self) -> u32 {
        self.flows.iter().map(|(_, _, answered)| answered).sum()
    }
}

/// The outcome of the pairs at one TTL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Pairs of which both fates are known.
    pub settled: u32,
    /// Pairs sent, whatever their fate.
    pub asked: u32,
    /// Pairs in which the target's probe was answered.
    pub target_answered: u32,
    /// Pairs in which the reference's probe was answered.
    pub reference_answered: u32,
    /// Only the reference's was.
    pub reference_only: u32,
    /// Only the target's was.
    pub target_only: u32,
    /// The flows in which the target's probes went.
    pub flows: FlowSet,
}

impl Pairs {
    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            settled: self.settled + other.settled,
            asked: self.asked + other.asked,
            target_answered: self.target_answered + other.target_answered,
            reference_answered: self.reference_answered + other.reference_answered,
            reference_only: self.reference_only + other.reference_only,
            target_only: self.target_only + other.target_only,
            flows: self.flows | other.flows,
        }
    }
}

/// Counts the coin-drawn pairs at `ttl`, sent at one of these stages, between `subject` and any of `controls`.
///
/// With `once` each flow counts once, by its first pair, and not at all if it is among those given: where a balancer
/// splits flows, two packets of one flow are not two pieces of evidence.
#[must_use]
pub fn pairs(
    run: &Run,
    ttl: u8,
    subject: Selector,
    controls: &[Selector],
    once: Option<FlowSet>,
    stages: &[Stage],
) -> Pairs {
    let mut found = Pairs::default();
    let probes = &run.probes;
    let mut place = 0;
    while place < probes.len() {
        let group = probes[place].group;
        let mut end = place;
        while end < probes.len() && probes[end].group == group {
            end += 1;
        }
        let members = &probes[place..end];
        place = end;
        let confirms = |probe: &&Probe| probe.ttl == ttl && stages.contains(&probe.stage) && probe.was_sent();
        let one = members.iter().filter(confirms).find(|probe| subject.takes(probe));
        let other = members
            .iter()
            .filter(confirms)
            .find(|probe| !subject.takes(probe) && controls.iter().any(|control| control.takes(probe)));
        let (Some(one), Some(other)) = (one, other) else { continue };
        if once.is_some_and(|seen| (seen | found.flows) & bit(one.flow) != 0) {
            continue;
        }
        found.asked += 1;
        if !one.is_settled() || !other.is_settled() {
            continue;
        }
        found.settled += 1;
        found.flows |= bit(one.flow);
        let (target, reference) = (one.was_answered(), other.was_answered());
        found.target_answered += u32::from(target);
        found.reference_answered += u32::from(reference);
        found.reference_only += u32::from(reference && !target);
        found.target_only += u32::from(target && !reference);
    }
    found
}
