//! The rules, in order. The first one that holds speaks.
//!
//! | # | holds when | says |
//! |---|---|---|
//! | 1 | sending failed, nothing came back from anywhere, or not even a far host answers that is known to work | inconclusive: `self_check` |
//! | 2 | something near us answers for target and reference alike, and the target stands farther by another protocol | `intercepted` |
//! | 3 | the target's name is used at a hop that another network owns, before the reference's distance | `injected` |
//! | 4 | the target answers in some flows and is dead in others, more cleanly than chance would have it | `partial` |
//! | 5 | the target answers: at one time and not at another; or as it should | inconclusive: `time_varying`; `reachable` |
//! | 6 | a device says that it refuses, or knows no route | `rejected`, `routing_fault`, `host_or_return_path`, … |
//! | 7 | the target's probes go in circles | `routing_fault` |
//! | 8 | there is nothing to compare with, or it does not get through (where size is in question: small packets do not) | inconclusive: `no_reference`, `reference_unreachable` |
//! | 9 | the target's path leaves the reference's | inconclusive: `reference_diverges` |
//! | 10 | the route moved | inconclusive: `unstable_route` |
//! | 11 | the interval is proven | `local`, `destination_network`, `lost_inside_as`, `lost_at_as_border`, `lost_in_as_range` |
//! | 12 | every router that answers the reference answers the target | `host_or_return_path` |
//! | 13 | otherwise | inconclusive, with what failed |

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::contrast::{Contrast, ControlHop, MOST_PAIRS};
use super::facts::{DEAD_AFTER, Facts};
use super::observe::{Answer, Reach, Refusal, Selector, Series, bit, nearest, shortest_way_back};
use super::owner::Candidates;
use super::stats;
use super::{Figures, Kind, Mechanism, Reason, Scope};
use crate::number::Asn;
use crate::trace::{End, FULL_TTL, Protocol, ReplyKind, Role, Run, hops_back, initial_ttl};

/// No published mapping of router addresses to operators is right more often (bdrmap 2016, bdrmapIT 2018).
const BEST_ATTRIBUTION: f64 = 0.98;
/// How much nearer than the reference something must speak in the target's name before it is suspect.
pub const SUSPICIOUSLY_NEAR: u8 = 2;
/// How often the first hop that speaks in the target's name must be seen to do so, and the one before it not to.
pub const SPEAKS: u32 = 3;
/// See [`SPEAKS`].
pub const SILENT_BEFORE: u32 = 5;
/// Silent probes with a full TTL that make a neighbour of the target silent.
const SILENT_NEIGHBOUR: u32 = 3;

/// A verdict before it is put into words.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub kind: Kind,
    pub asns: BTreeSet<Asn>,
    pub after: Option<Place>,
    pub before: Option<Place>,
    pub mechanism: Mechanism,
    pub scope: Scope,
    pub location_confidence: f64,
    pub attribution_confidence: f64,
    pub figures: Figures,
    pub reason: Option<Reason>,
    pub ground: Ground,
}

/// A hop, as a verdict names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub ttl: u8,
    pub address: Option<IpAddr>,
}

/// What the sentence must say beyond the kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Ground {
    Plain,
    /// Sending failed.
    CannotSend,
    /// Nothing at all came back.
    NothingBack,
    /// Not even the far host answers that is known to work.
    FarHostSilent,
    /// The host answers, and its port is closed.
    ClosedPort,
    /// Some full-TTL probes were lost, not by flow.
    SomeLoss {
        answered: u32,
        sent: u32,
    },
    /// Who refused, with the ICMP type and code, and whether it was seen as a hop.
    Refused {
        refusal: Refusal,
        on_path: bool,
    },
    /// The share of flows that are dead, with its interval.
    Share {
        dead: u32,
        flows: u32,
        low: f64,
        high: f64,
    },
    /// The routers the probes circle through.
    Circles {
        routers: Vec<IpAddr>,
    },
    /// Where the target's path was last seen, alone.
    LastSeen {
        ttl: u8,
        address: IpAddr,
    },
    /// The reply's TTL copies the probe's: the forger may stand nearer.
    Mirrored,
    /// Something answers in the target's name.
    Forged,
    /// A network that shows no router may stand in the interval.
    Unseen,
    /// Full-TTL probes were answered at one time, or now and then, and not otherwise.
    NowAndThen {
        answered: u32,
        sent: u32,
    },
    /// Something answers in the name of both at this TTL.
    SpeaksForAll {
        ttl: u8,
    },
}

impl Draft {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            asns: BTreeSet::new(),
            after: None,
            before: None,
            mechanism: Mechanism::Unknown,
            scope: Scope::Unknown,
            location_confidence: 0.0,
            attribution_confidence: 0.0,
            figures: Figures::default(),
            reason: None,
            ground: Ground::Plain,
        }
    }

    fn inconclusive(reason: Reason) -> Self {
        Self { reason: Some(reason), ..Self::new(Kind::Inconclusive) }
    }
}

type Rule = fn(&Facts<'_>) -> Option<Draft>;

const RULES: &[Rule] = &[
    self_check,
    intercepted,
    injected,
    partial,
    time_varying,
    reachable,
    refused,
    circles,
    no_contrast,
    diverges,
    unstable,
    lost,
    host_or_return_path,
];

/// The first rule that holds, or what failed.
pub fn apply(facts: &Facts<'_>) -> Draft {
    let mut draft = RULES.iter().find_map(|rule| rule(facts)).unwrap_or_else(|| undecided(facts));
    if draft.after.is_none() && draft.kind != Kind::Reachable {
        draft.after = last_reached(facts);
    }
    draft.figures.references = facts.controls.iter().filter(|control| control.reached).count() as u32;
    draft
}

fn place(facts: &Facts<'_>, ttl: u8) -> Place {
    Place { ttl, address: facts.owners.address(ttl) }
}

/// A hop that answered the target, by the router that did: one that answered the reference as well, if there is one.
fn own_place(facts: &Facts<'_>, ttl: u8) -> Place {
    let routers = &facts.own.at(ttl).routers;
    let usual = facts.owners.address(ttl);
    let shared = routers.iter().find(|router| Some(router.address) == usual);
    Place { ttl, address: shared.or(routers.first()).map(|router| router.address).or(usual) }
}

/// The last router that answered the target.
fn last_reached(facts: &Facts<'_>) -> Option<Place> {
    let ttl = facts.own.last_router();
    let address = facts.own.at(ttl).routers.first().map(|router| router.address);
    address.map(|address| Place { ttl, address: Some(address) })
}

// ---- 1 ----

fn self_check(facts: &Facts<'_>) -> Option<Draft> {
    let run = facts.run();
    let sent = run.probes.iter().filter(|probe| probe.was_sent()).count();
    if run.end == Some(End::CannotSend) || (sent == 0 && !run.probes.is_empty()) {
        return Some(Draft { ground: Ground::CannotSend, ..Draft::inconclusive(Reason::SelfCheck) });
    }
    // Some router answers somewhere on almost any path. Not one packet back means that they do not get to us.
    let any = run.probes.iter().any(|probe| probe.was_answered());
    let tried = run.probes.iter().filter(|probe| probe.is_settled()).count();
    if !any && tried >= 8 {
        return Some(Draft { ground: Ground::NothingBack, ..Draft::inconclusive(Reason::SelfCheck) });
    }
    // A host of another network that is known to work is silent as well: the fault is nearer to us than any of them.
    let far = facts.check.as_ref().filter(|far| !far.reached)?;
    let asked = Reach::of(run, far.id).sent();
    let nobody = facts.answers.is_empty() && facts.question.references.iter().all(|one| !one.reached);
    (nobody && asked >= SPEAKS)
        .then(|| Draft { ground: Ground::FarHostSilent, ..Draft::inconclusive(Reason::SelfCheck) })
}

// ---- 2 ----

/// The TTL at which the target answers its own protocol, and the TTL at which it answers another one, when the
/// difference says that the former is not the host.
pub fn nearer_than_itself(facts: &Facts<'_>) -> Option<(u8, u8)> {
    let here = facts.answered_at()?;
    let there = facts.variants().filter_map(|(_, _, answers)| nearest(&answers)).min()?;
    (there >= here + SUSPICIOUSLY_NEAR).then_some((here, there))
}

fn intercepted(facts: &Facts<'_>) -> Option<Draft> {
    // By the same host's other answers; or a far host of another network is spoken for at the same hop, too.
    let far = facts
        .answered_at()
        .filter(|here| facts.check.as_ref().is_some_and(|far| far.reached && far.distance == Some(*here)));
    let here = nearer_than_itself(facts).map(|(here, _)| here).or(far)?;
    // The references must be spoken for at the same place: otherwise it is about this target alone.
    let all = facts.controls.iter().filter(|control| control.reached);
    let same = all.clone().all(|control| control.distance == Some(here)) && all.count() > 0;
    same.then(|| Draft {
        before: Some(Place { ttl: here, address: None }),
        after: Some(place(facts, here - 1)),
        mechanism: Mechanism::ForgedAnswer,
        location_confidence: 0.95,
        ground: Ground::SpeaksForAll { ttl: here },
        ..Draft::new(Kind::Intercepted)
    })
}

// ---- 3 ----

/// The TTL at which something speaks in the target's name suspiciously near: nearer than the same host answers on another
/// port or by another protocol; or well before the reference's distance, at a hop that the reference's path shows in
/// another network.
pub fn speaks_early(facts: &Facts<'_>) -> Option<u8> {
    if let Some((here, _)) = nearer_than_itself(facts) {
        return Some(here);
    }
    let here = facts.answered_at()?;
    let far = facts.controls.iter().filter_map(|control| control.distance).min()?;
    if here + SUSPICIOUSLY_NEAR > far {
        return None;
    }
    // The target's own way may be shorter: it left the reference's before, or came to the reference's last router.
    if facts.contrast.diverged.is_some() || facts.contrast.arrived {
        return None;
    }
    // A host of the destination's network may really stand nearer than its neighbour, behind a router of that network.
    let destination = &facts.owners.destination;
    let before = facts.owners.router(here.saturating_sub(1));
    let foreign = !before.asns.is_empty() && before.asns.is_disjoint(destination);
    (foreign && !destination.is_empty()).then_some(here)
}

/// The target really is farther away: its neighbour in the same announced prefix is, or its answers to another protocol
/// come a longer way back.
fn really_farther(facts: &Facts<'_>, here: u8) -> bool {
    let prefix = facts.question.target.attribution.prefix;
    let neighbours = facts.question.references.iter();
    if neighbours.clone().any(|path| prefix.is_some() && path.attribution.prefix == prefix) {
        return true;
    }
    let near = facts.answers.iter().filter_map(|answer| answer.reply_ttl).map(hops_back).max();
    facts.variants().any(|(_, _, answers)| {
        near.zip(shortest_way_back(&answers)).is_some_and(|(near, far)| far >= near + SUSPICIOUSLY_NEAR)
            || nearest(&answers).is_some_and(|ttl| ttl >= here + SUSPICIOUSLY_NEAR)
    })
}

/// How often the target's name was used at exactly this TTL, and how often it was not, in probes whose fate is known.
pub fn spoken_at(facts: &Facts<'_>, ttl: u8) -> (u32, u32) {
    let hop = facts.own.at(ttl);
    let spoken =
        facts.answers.iter().filter(|answer| answer.ttl == Some(ttl) && !answer.ambiguous).count() as u32;
    (spoken, hop.sent.saturating_sub(spoken))
}

fn injected(facts: &Facts<'_>) -> Option<Draft> {
    let here = speaks_early(facts)?;
    let mechanism =
        match facts.answers.iter().find(|answer| answer.ttl == Some(here)).map(|answer| answer.kind) {
            Some(ReplyKind::Rst) => Mechanism::TcpReset,
            _ => Mechanism::ForgedAnswer,
        };
    let (spoken, _) = spoken_at(facts, here);
    let (too_early, silent_before) = spoken_at(facts, here - 1);
    // Routers between the last one reached and here that answer the reference and not the target are not on its way.
    let gap = facts.contrast.hops.iter().any(|hop| hop.ttl < here && hop.answers());
    let mirrored = mirrored(facts);
    // Where the answers' own TTLs are not known (ordinary sockets), a copied one cannot be ruled out: nobody is placed.
    let told = facts.answers.iter().any(|answer| answer.ttl == Some(here) && answer.reply_ttl.is_some());
    let clear =
        told && spoken >= SPEAKS && too_early == 0 && silent_before >= SILENT_BEFORE && (!gap || mirrored);
    if !really_farther(facts, here) || !clear {
        return Some(Draft { mechanism, ..Draft::inconclusive(Reason::Contradiction) });
    }
    // A copied TTL runs out on the way back from any hop beyond half the way: the device stands at (here + 1) / 2 if the
    // path is symmetric, so nearer candidates come in and nobody is accused.
    let from = if mirrored { here.div_ceil(2) - 1 } else { here - 1 };
    let candidates = facts.owners.interval(from, here);
    if !mirrored && is_ours(facts, from) {
        return Some(Draft {
            after: Some(place(facts, from)),
            before: Some(place(facts, here)),
            mechanism,
            scope: scope(facts, here),
            location_confidence: 0.99,
            ground: Ground::Forged,
            ..Draft::new(Kind::Local)
        });
    }
    let kind =
        match (!mirrored && accuses(&candidates), candidates.asns.is_disjoint(&facts.owners.destination)) {
            (false, _) => Kind::LostInAsRange,
            (true, false) => Kind::DestinationNetwork,
            (true, true) => Kind::Injected,
        };
    Some(Draft {
        asns: candidates.asns.clone(),
        after: Some(place(facts, from)),
        before: Some(place(facts, here)),
        mechanism,
        scope: scope(facts, here),
        location_confidence: 0.99,
        attribution_confidence: attribution(facts, &candidates, from, here),
        ground: if mirrored { Ground::Mirrored } else { Ground::Forged },
        ..Draft::new(kind)
    })
}

/// The reply's TTL rises with the probe's: its sender copies it.
fn mirrored(facts: &Facts<'_>) -> bool {
    let mut points: Vec<(u8, u8)> = facts
        .answers
        .iter()
        .filter(|answer| !answer.ambiguous)
        .filter_map(|answer| Some((answer.ttl.unwrap_or(FULL_TTL), answer.reply_ttl?)))
        .collect();
    points.sort_unstable();
    points.dedup();
    let spread = points.first().zip(points.last()).is_some_and(|(first, last)| last.0 >= first.0 + 2);
    spread && points.windows(2).all(|pair| pair[1].0 - pair[0].0 == pair[1].1.wrapping_sub(pair[0].1))
}

// ---- 4 ----

fn partial(facts: &Facts<'_>) -> Option<Draft> {
    let split = facts.split.as_ref().filter(|split| split.chance <= facts.alpha)?;
    // Flows that arrive do so as a rule: where every flow loses most of its packets, no branch is to blame.
    let alive = facts.reach.flows.iter().filter(|(flow, _, _)| split.alive & bit(*flow) != 0);
    let (sent, answered) = alive.fold((0, 0), |sum, (_, sent, answered)| (sum.0 + sent, sum.1 + answered));
    if answered * 2 < sent {
        return None;
    }
    let (dead, flows) = (split.dead.count_ones(), (split.dead | split.alive).count_ones());
    let (low, high) = stats::clopper_pearson(dead, flows, facts.question.confidence);
    let mut draft = Draft {
        mechanism: Mechanism::SilentDrop,
        scope: Scope::Host,
        location_confidence: 1.0 - split.chance,
        ground: Ground::Share { dead, flows, low, high },
        ..Draft::new(Kind::Partial)
    };
    let contrast = &split.contrast;
    draft.after = (contrast.after > 0).then(|| place(facts, contrast.after));
    if let Some(before) = contrast.before {
        let candidates = split.owners.interval(contrast.after, before.ttl);
        draft.before = Some(Place { ttl: before.ttl, address: split.owners.address(before.ttl) });
        draft.figures = figures(contrast, before);
        if accuses(&candidates) {
            draft.attribution_confidence = attribution(facts, &candidates, contrast.after, before.ttl);
            draft.asns = candidates.asns;
        }
    }
    if draft.asns.is_empty() {
        // That a share of the flows dies is known, and not where.
        draft.kind = Kind::Inconclusive;
        draft.reason = Some(Reason::EcmpUnresolved);
        draft.mechanism = Mechanism::Unknown;
    }
    Some(draft)
}

// ---- 5 ----

/// Silent probes with a full TTL that make a target that answered some no longer reachable without more words.
pub const HEAVY_LOSS_AFTER: u32 = 12;

/// The target answered at one time and not at another; or it answers less than half of what it should.
fn time_varying(facts: &Facts<'_>) -> Option<Draft> {
    let (sent, answered) = (facts.reach.sent(), facts.reach.answered());
    let turned = facts.turned <= facts.alpha;
    let seldom = answered > 0 && answered * 2 < sent && sent >= HEAVY_LOSS_AFTER;
    (turned || seldom).then(|| Draft {
        ground: Ground::NowAndThen { answered, sent },
        ..Draft::inconclusive(Reason::TimeVarying)
    })
}

fn reachable(facts: &Facts<'_>) -> Option<Draft> {
    let last = facts.answers.last()?;
    let (sent, answered) = (facts.reach.sent(), facts.reach.answered());
    let ground = if answered < sent {
        Ground::SomeLoss { answered, sent }
    } else if last.kind == ReplyKind::Rst || last.kind.is_port_unreachable() {
        Ground::ClosedPort
    } else {
        Ground::Plain
    };
    let far = facts.controls.iter().filter_map(|control| control.distance).min();
    let nearer = facts.answered_at().zip(far).map_or(0, |(here, far)| far.saturating_sub(here));
    Some(Draft {
        mechanism: Mechanism::None,
        // A host that answers well before its neighbour does, or whose packets start from another TTL on another port, may
        // be somebody else who speaks in its name.
        location_confidence: match nearer {
            _ if two_hosts(facts) || at_our_door(facts) => 0.9,
            _ if facts.answers.iter().all(|answer| answer.reply_ttl.is_none()) => 0.9,
            0 => facts.question.confidence.min(0.999),
            1 => 0.95,
            _ => 0.9,
        },
        ground,
        ..Draft::new(Kind::Reachable)
    })
}

/// Target and references all answer behind nothing but our own routers, before any network shows one: either they stand
/// next door, or the first box of ours or of our provider answers for everybody. Only a host of another network tells.
fn at_our_door(facts: &Facts<'_>) -> bool {
    let Some(here) = facts.answered_at().filter(|here| *here >= 2) else { return false };
    let reached = || facts.controls.iter().filter(|control| control.reached);
    let together = reached().count() > 0 && reached().all(|control| control.distance == Some(here));
    let nobody_else = (1..here).all(|ttl| facts.owners.origins(ttl).is_empty());
    together && nobody_else && !facts.owners.destination.is_empty() && facts.check.is_none()
}

/// The answers to the target's probes and those to its other ports and protocols start from different TTLs: two stacks
/// speak in one name. A translator or a load balancer does that as well (Weaver et al. 2009), so that it is no verdict.
fn two_hosts(facts: &Facts<'_>) -> bool {
    let starts = |answers: &[Answer]| -> BTreeSet<u8> {
        answers.iter().filter_map(|answer| answer.reply_ttl).map(initial_ttl).collect()
    };
    let own = starts(&facts.answers);
    facts.variants().any(|(_, _, answers)| {
        let theirs = starts(&answers);
        !own.is_empty() && !theirs.is_empty() && own.is_disjoint(&theirs)
    })
}

// ---- 6 ----

/// The refusal that speaks: the most frequent sender's, its first one.
pub fn refusal(facts: &Facts<'_>) -> Option<(Refusal, u32)> {
    let count = |from: IpAddr| facts.refusals.iter().filter(|one| one.from == from).count() as u32;
    // Frag-needed and the like say nothing about a filter.
    let speaking = facts
        .refusals
        .iter()
        .filter(|one| one.kind.is_prohibited() || one.kind.is_no_route() || one.kind.is_port_unreachable());
    let first =
        speaking.max_by_key(|one| (count(one.from), std::cmp::Reverse(one.ttl.unwrap_or(u8::MAX))))?;
    Some((*first, count(first.from)))
}

fn refused(facts: &Facts<'_>) -> Option<Draft> {
    let (refusal, count) = refusal(facts)?;
    if count < 2 {
        return None;
    }
    let policy = !refusal.kind.is_no_route();
    let mechanism = if policy { Mechanism::IcmpReject } else { Mechanism::NoRoute };
    let base = |kind| Draft { mechanism, location_confidence: 0.99, ..Draft::new(kind) };
    if refusal.from == facts.question.target.address {
        // The host speaks for itself, or an address translator in front of it does.
        return Some(Draft {
            asns: facts.owners.destination.clone(),
            scope: scope(facts, u8::MAX),
            attribution_confidence: BEST_ATTRIBUTION,
            ground: Ground::Refused { refusal, on_path: true },
            ..base(if policy { Kind::DestinationNetwork } else { Kind::HostOrReturnPath })
        });
    }
    let Some(ttl) = facts.hop_of(refusal.from) else {
        return Some(refused_off_path(facts, refusal, mechanism));
    };
    let candidates = facts.owners.router(ttl);
    let here = Some(Place { ttl, address: Some(refusal.from) });
    let ground = Ground::Refused { refusal, on_path: true };
    if is_ours(facts, ttl) {
        return Some(Draft { after: here, scope: scope(facts, ttl + 1), ground, ..base(Kind::Local) });
    }
    let last_hop = facts.distance.is_some_and(|distance| ttl + 1 >= distance);
    let at_destination = !candidates.asns.is_disjoint(&facts.owners.destination);
    if !policy && (last_hop || at_destination) {
        // The last router cannot find the host on its own link: the host is down.
        let kind = if last_hop { Kind::HostOrReturnPath } else { Kind::DestinationNetwork };
        let asns = match last_hop {
            true => BTreeSet::new(),
            false => candidates.asns.union(&facts.owners.destination).copied().collect(),
        };
        return Some(Draft { asns, after: here, ground, ..base(kind) });
    }
    let kind = match (accuses(&candidates), policy) {
        (false, _) if candidates.asns.is_empty() => {
            return Some(Draft { after: here, ground, mechanism, ..Draft::inconclusive(Reason::Mapping) });
        }
        (false, _) => Kind::LostInAsRange,
        (true, true) => Kind::Rejected,
        (true, false) => Kind::RoutingFault,
    };
    Some(Draft {
        asns: candidates.asns.clone(),
        after: here,
        scope: scope(facts, ttl + 1),
        attribution_confidence: attribution(facts, &candidates, ttl, ttl),
        ground,
        ..base(kind)
    })
}

/// The sender was never seen as a hop: only where its message begins to appear is known.
fn refused_off_path(facts: &Facts<'_>, refusal: Refusal, mechanism: Mechanism) -> Draft {
    let nearest =
        facts.refusals.iter().filter(|one| one.from == refusal.from).filter_map(|one| one.ttl).min();
    let ground = Ground::Refused { refusal, on_path: false };
    let Some(nearest) = nearest.filter(|_| facts.control_lives()) else {
        return Draft { ground, mechanism, ..Draft::inconclusive(Reason::Weak) };
    };
    let from = nearest.saturating_sub(1).min(facts.contrast.after);
    let mut asns = facts.owners.interval(from, nearest).asns;
    asns.extend(facts.asns_of(refusal.from));
    Draft {
        asns,
        after: Some(place(facts, from)),
        before: Some(place(facts, nearest)),
        mechanism,
        location_confidence: 0.9,
        attribution_confidence: 0.5,
        ground,
        ..Draft::new(Kind::LostInAsRange)
    }
}

// ---- 7 ----

fn circles(facts: &Facts<'_>) -> Option<Draft> {
    let cycle = facts.cycle.as_ref()?;
    // The router that sends the packets back is the last one on the reference's path; what it sends them to is the one
    // before, or one that the reference never meets. Where that path is known, positions say more than addresses: in
    // the circle the routers show their other sides.
    let after = facts.contrast.after;
    let mut candidates = Candidates::default();
    // The first router that is not on it stands behind the one that sends them back, which may be silent.
    let back = facts.contrast.diverged.map_or(after, |(ttl, _)| ttl.saturating_sub(1).max(after));
    if back > 0 && !facts.controls.is_empty() {
        candidates = facts.owners.interval(back - 1, back);
    }
    for router in &cycle.routers {
        candidates.asns.extend(facts.asns_of(*router));
    }
    let ground = Ground::Circles { routers: cycle.routers.clone() };
    let after = Some(Place {
        ttl: cycle.from,
        address: facts.own.at(cycle.from).routers.first().map(|one| one.address),
    });
    if candidates.asns.is_empty() {
        return Some(Draft {
            after,
            ground,
            mechanism: Mechanism::Loop,
            ..Draft::inconclusive(Reason::Mapping)
        });
    }
    let within = !candidates.asns.is_disjoint(&facts.owners.destination);
    // A network that the reference's path does not show may only lend an address to a router of the circle.
    let strange = !facts.controls.is_empty() && candidates.asns.iter().any(|asn| !facts.owners.shows(*asn));
    let certain = accuses(&candidates) && !strange;
    Some(Draft {
        attribution_confidence: attribution(facts, &candidates, cycle.from, cycle.from),
        asns: match within {
            true => candidates.asns.union(&facts.owners.destination).copied().collect(),
            false => candidates.asns,
        },
        after,
        mechanism: Mechanism::Loop,
        scope: Scope::Host,
        location_confidence: 0.99,
        ground,
        ..Draft::new(match (within, certain) {
            (true, _) => Kind::DestinationNetwork,
            (false, true) => Kind::RoutingFault,
            (false, false) => Kind::LostInAsRange,
        })
    })
}

// ---- 8 ----

fn no_contrast(facts: &Facts<'_>) -> Option<Draft> {
    if facts.controls.is_empty() {
        return Some(Draft::inconclusive(Reason::NoReference));
    }
    // A reference whose host is silent still controls for as many hops as its routers answer. Where size is in question that
    // is not enough: only what small packets do is a matter of size.
    (!facts.control_lives() && (facts.contrast.hops.is_empty() || facts.size().is_some()))
        .then(|| Draft::inconclusive(Reason::ReferenceUnreachable))
}

// ---- 9 ----

fn diverges(facts: &Facts<'_>) -> Option<Draft> {
    let (ttl, address) = facts.contrast.diverged?;
    if address == facts.question.target.address {
        // A translator in front of the target answers with the target's own address: it did get there.
        return Some(Draft {
            after: Some(Place { ttl, address: Some(address) }),
            location_confidence: 0.9,
            ..Draft::new(Kind::HostOrReturnPath)
        });
    }
    if facts.contrast.arrived && facts.control_lives() && facts.reach.sent() >= DEAD_AFTER {
        // By a way of its own it came to the router before the reference's host.
        return Some(Draft {
            after: last_reached(facts),
            location_confidence: 0.95,
            ..Draft::new(Kind::HostOrReturnPath)
        });
    }
    let ground = Ground::LastSeen { ttl, address };
    Some(Draft { ground, ..Draft::inconclusive(Reason::ReferenceDiverges) })
}

// ---- 10 ----

fn unstable(facts: &Facts<'_>) -> Option<Draft> {
    facts
        .contrast
        .unstable
        .map(|ttl| Draft { before: Some(place(facts, ttl)), ..Draft::inconclusive(Reason::UnstableRoute) })
}

// ---- 11 ----

fn lost(facts: &Facts<'_>) -> Option<Draft> {
    let contrast = &facts.contrast;
    let before = contrast.before?;
    // A single answer from behind it has to be explained first.
    if contrast.single.is_some_and(|ttl| ttl >= before.ttl) {
        return None;
    }
    if contrast.posterior < 1.0 - facts.alpha || enough_flows(facts, before).is_none() || leaks(facts) {
        return None;
    }
    let after = contrast.after;
    let candidates = facts.owners.interval(after, before.ttl);
    let mut draft = Draft {
        after: (after > 0).then(|| own_place(facts, after)),
        before: Some(place(facts, before.ttl)),
        mechanism: Mechanism::SilentDrop,
        scope: scope(facts, before.ttl),
        location_confidence: contrast.posterior_usual.min(1.0 - 1.0 / before.e_value),
        attribution_confidence: attribution(facts, &candidates, after, before.ttl),
        figures: figures(contrast, before),
        ..Draft::new(Kind::LostInAsRange)
    };
    let first_public = facts.owners.first_public();
    if first_public > 0 && after < first_public {
        draft.attribution_confidence = 0.0;
        // Up to the first public router, which may be the far end of our own line; a silent one before it may be anybody's.
        if before.ttl <= first_public && (before.ttl == 1 || is_ours(facts, before.ttl - 1)) {
            return Some(Draft { kind: Kind::Local, ..draft });
        }
        draft.asns = candidates.asns;
        return Some(draft);
    }
    let vague = candidates.hidden || candidates.open;
    // Its own network, or that and the one before it: a wider stretch is no edge.
    let at_edge = candidates.asns.union(&facts.owners.destination).count() <= 2;
    if !vague && at_edge && !candidates.asns.is_disjoint(&facts.owners.destination) {
        // The set stays whole: at its edge the last router may still be the neighbour's. The words name only the
        // destination's network.
        draft.asns = candidates.asns.union(&facts.owners.destination).copied().collect();
        return Some(Draft { kind: Kind::DestinationNetwork, ..draft });
    }
    if candidates.asns.is_empty() {
        return Some(Draft {
            reason: Some(Reason::Mapping),
            kind: Kind::Inconclusive,
            attribution_confidence: 0.0,
            ..draft
        });
    }
    draft.kind = match candidates.asns.len() {
        _ if vague || candidates.several_origins => Kind::LostInAsRange,
        1 => Kind::LostInsideAs,
        2 => Kind::LostAtAsBorder,
        _ => Kind::LostInAsRange,
    };
    if candidates.hidden {
        draft.ground = Ground::Unseen;
    }
    draft.asns = candidates.asns;
    Some(draft)
}

/// Routers that the target is known to reach answer its probes far less often than the reference's: some of its packets
/// are lost before, and where they are lost behind says nothing of those.
pub fn leaks(facts: &Facts<'_>) -> bool {
    let pairs = facts.contrast.reached_pairs;
    stats::e_value(pairs.reference_only, pairs.target_only) >= 1.0 / facts.alpha
}

/// The flows in which the target was probed at the hop that decides, if they are as many as the confidence takes.
pub fn enough_flows(facts: &Facts<'_>, before: ControlHop) -> Option<u32> {
    let probed = (facts.contrast.after + 1..=before.ttl).map(|ttl| facts.own.at(ttl).flows_sent);
    let flows = probed.fold(0, |all, flows| all | flows).count_ones();
    let needed = stats::flows_needed(facts.question.confidence).min(facts.run().flows.len() as u32);
    (flows >= needed).then_some(flows)
}

fn figures(contrast: &Contrast, before: ControlHop) -> Figures {
    Figures {
        pairs: before.so_far.settled,
        target_answered: before.so_far.target_answered,
        reference_answered: before.so_far.reference_answered,
        e_value: before.e_value,
        posterior: contrast.posterior_usual,
        flows: before.so_far.flows.count_ones(),
        references: 0,
    }
}

// ---- 12 ----

/// Routers before the host that may answer nobody while the host is still taken for what is silent.
const MOST_UNSEEN: u8 = 1;
/// Silent probes with a full TTL, in flows that come as far as the last router, that make a host silent.
pub const ARRIVALS: u32 = 2;

fn host_or_return_path(facts: &Facts<'_>) -> Option<Draft> {
    let contrast = &facts.contrast;
    let arrived = contrast.after > 0 && contrast.after >= contrast.last_control && facts.control_lives();
    // Several routers that answer nobody before the host are a gap in which packets may be lost as well; so is one, if the
    // last that answers is not the destination's own.
    let unseen = facts.distance?.saturating_sub(1).saturating_sub(contrast.after);
    let at_home = !facts.owners.origins(contrast.after).is_disjoint(&facts.owners.destination);
    let near = unseen == 0 || (unseen <= MOST_UNSEEN && at_home);
    (arrived && near && facts.arrivals() >= ARRIVALS && !leaks(facts)).then(|| Draft {
        scope: scope(facts, contrast.after + 1),
        location_confidence: if facts.reach.sent() >= 3 { 0.99 } else { 0.9 },
        ..Draft::new(Kind::HostOrReturnPath)
    })
}

// ---- 13 ----

fn undecided(facts: &Facts<'_>) -> Draft {
    let contrast = &facts.contrast;
    if leaks(facts) {
        return Draft::inconclusive(Reason::Contradiction);
    }
    if let Some(before) = contrast.before {
        let figures = figures(contrast, before);
        let reason = if contrast.single.is_some_and(|ttl| ttl >= before.ttl) {
            Reason::Contradiction
        } else if enough_flows(facts, before).is_none() {
            Reason::EcmpUnresolved
        } else if contrast.posterior_usual >= 1.0 - facts.alpha {
            Reason::PriorSensitive
        } else {
            Reason::Weak
        };
        let before = Some(place(facts, before.ttl));
        return Draft { before, figures, ..Draft::inconclusive(reason) };
    }
    let best = contrast.hops.iter().max_by(|a, b| a.e_value.total_cmp(&b.e_value));
    let figures = best.map(|hop| figures(contrast, *hop)).unwrap_or_default();
    let reason = if contrast.hops.is_empty() {
        Reason::NoControlHop
    } else if contrast.hops.iter().all(|hop| !hop.converged()) {
        Reason::EcmpUnresolved
    } else if contrast.hops.iter().filter(|hop| hop.converged()).all(ControlHop::hopeless) {
        Reason::RateLimited
    } else if contrast.hops.iter().any(|hop| hop.pairs.settled >= MOST_PAIRS && hop.pairs.target_answered > 0)
    {
        Reason::Contradiction
    } else {
        Reason::Weak
    };
    Draft { figures, ..Draft::inconclusive(reason) }
}

// ---- shared ----

/// Whether the hop and all before it show themselves, and no public address: our own network or access line. Behind a
/// silent hop, an address that no table has is anybody's.
fn is_ours(facts: &Facts<'_>, ttl: u8) -> bool {
    ttl > 0 && ttl < facts.owners.first_public() && (1..=ttl).all(|hop| facts.owners.address(hop).is_some())
}

/// Whether these candidates may be named: all of them are known, and they are one AS, or two that meet.
fn accuses(candidates: &Candidates) -> bool {
    let vague = candidates.hidden || candidates.open || candidates.several_origins;
    !vague && matches!(candidates.asns.len(), 1 | 2)
}

/// What else of the target gets as far as `ttl`.
fn scope(facts: &Facts<'_>, ttl: u8) -> Scope {
    let tested: Vec<(Protocol, bool)> =
        facts.variants().map(|(id, protocol, _)| (protocol, facts.passes(id, ttl))).collect();
    let own = facts.run().destination(Run::TARGET).protocol;
    // The same host on another port, named as a reference, is one more.
    let target = facts.run().destination(Run::TARGET);
    let same_host = facts.question.references.iter().filter(|one| one.reached).any(|one| {
        let reference = facts.run().destination(one.destination);
        matches!(reference.role, Role::Reference(_))
            && (reference.address, reference.protocol) == (target.address, own)
            && reference.port != target.port
    });
    if same_host {
        return Scope::Port;
    }
    let passes =
        |wanted: bool| tested.iter().any(|(protocol, passes)| *passes && (*protocol == own) == wanted);
    match (passes(true), passes(false)) {
        (true, _) => Scope::Port,
        (false, true) => Scope::Protocol,
        (false, false) if prefix_wide(facts, ttl) => Scope::Prefix,
        (false, false) if tested.is_empty() => Scope::Unknown,
        (false, false) => Scope::Host,
    }
}

/// Whether the target's neighbours are lost as well: every reference in its announced prefix is silent, and no router at
/// `ttl` or behind it answers for any, while somebody outside of that prefix gets through.
fn prefix_wide(facts: &Facts<'_>, ttl: u8) -> bool {
    let target = facts.question.target;
    let Some(prefix) = target.attribution.prefix else { return false };
    let neighbours = facts.question.references.iter().filter(|one| {
        one.address != target.address
            && one.attribution.prefix == Some(prefix)
            && prefix.contains(one.address)
    });
    let mut some = false;
    for neighbour in neighbours {
        let series = Series::of(facts.run(), &[Selector::all(neighbour.destination)]);
        let silent = Reach::of(facts.run(), neighbour.destination);
        if neighbour.reached || series.last_router() >= ttl || silent.sent() < SILENT_NEIGHBOUR {
            return false;
        }
        some = true;
    }
    some && facts.control_lives()
}

/// How sure it is that the candidates own the place: the published record, less what weakens it here.
fn attribution(facts: &Facts<'_>, candidates: &Candidates, after: u8, before: u8) -> f64 {
    let mut confidence = BEST_ATTRIBUTION;
    match candidates.asns.len() {
        0 => return 0.0,
        // Three hops in a row are the least for a single AS; an isolated third-party address cannot fake five.
        1 => {
            let depth = candidates.asns.first().map_or(0, |asn| facts.owners.depth(after, before, *asn));
            if depth < 4 {
                confidence = 0.97;
            }
        }
        // The worst published figure for borders.
        2 => confidence = 0.95,
        _ => confidence = 0.92,
    }
    if candidates.hidden || candidates.open {
        confidence -= 0.1;
    }
    if candidates.several_origins {
        confidence -= 0.05;
    }
    confidence
}
