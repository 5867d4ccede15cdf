//! The comparison itself: how far did the subject's packets get, and where is it shown that they got no further?
//!
//! `after` is the last router proven reached: it answered the subject's probes, and the controls' at the same place.
//! `before` is the first control hop proven not reached: it answers the controls, all of their flows meet there, and
//! the paired test rejects that the subject is answered like them. Packets are lost between the two.

use std::net::IpAddr;

use super::observe::{FlowSet, Pairs, Seen, Selector, Series, pairs};
use super::owner::Owners;
use super::stats::{self, Tally, e_value};
use crate::trace::{ReplyKind, Run, Stage};

/// Answers that prove a hop reached.
const PROVEN: u32 = 2;
/// Share of probes a control hop must answer.
const CONTROL_RATE: f64 = 0.25;
/// Pairs at a hop after which it is given up as undecided.
pub const MOST_PAIRS: u32 = 30;

/// A hop behind the last one reached at which controls are answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ControlHop {
    /// Its TTL.
    pub ttl: u8,
    /// Routers the controls met there.
    pub routers: usize,
    /// Control probes whose fate is known.
    pub sent: u32,
    /// Those that a router answered.
    pub answered: u32,
    /// The pairs sent there.
    pub pairs: Pairs,
    /// The paired test's e-value, of the pairs here and at the control hops before: whoever gets this far has passed
    /// those, so that under the hypothesis that the subject does, every one of these pairs is a fair coin.
    pub e_value: f64,
    /// Those pairs, summed.
    pub so_far: Pairs,
}

impl ControlHop {
    /// All control flows meet in one router here, so that the subject must come by if it gets this far.
    #[must_use]
    pub const fn converged(&self) -> bool {
        self.routers == 1
    }

    /// It answers often enough to be believed when it does not.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.answered >= stats::CONTROL_ANSWERS
            && f64::from(self.answered) >= CONTROL_RATE * f64::from(self.sent)
    }

    /// It has been asked often enough to know that it does not answer well enough.
    #[must_use]
    pub fn hopeless(&self) -> bool {
        self.sent >= 8 && f64::from(self.answered) < CONTROL_RATE * f64::from(self.sent)
    }
}

/// The outcome of one comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Contrast {
    /// TTL of the last router proven reached; 0 if none was.
    pub after: u8,
    /// A TTL beyond it at which the subject was answered, but not often enough to be believed.
    pub single: Option<u8>,
    /// The subject's path left the controls': it was answered at this TTL by a router that is on none of theirs.
    pub diverged: Option<(u8, IpAddr)>,
    /// The subject came, by a longer or shorter way, to the last router that the controls show before their host.
    pub arrived: bool,
    /// Pairs at hops that the subject is known to reach, summed: they should be answered alike.
    pub reached_pairs: Pairs,
    /// The highest TTL at which a control met a router.
    pub last_control: u8,
    /// The hops behind `after` at which controls were answered, ascending.
    pub hops: Vec<ControlHop>,
    /// The first of them that is proven not reached.
    pub before: Option<ControlHop>,
    /// The least probability of the interval over all assumptions; 0 without `before`.
    pub posterior: f64,
    /// The same under the usual assumptions.
    pub posterior_usual: f64,
    /// The highest TTL at which the subject drew anything.
    pub last_sign: u8,
    /// One flow met different routers at this TTL: the route moved, or packets are spread one by one.
    pub unstable: Option<u8>,
    /// Controls met different routers at or behind the last hop reached.
    pub branches: bool,
}

/// What a comparison demands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rigour {
    /// The error allowed.
    pub alpha: f64,
    /// The claim is about all flows, so that where a balancer splits them a flow counts once, however many packets it
    /// sent. Without it the claim is about the subject's flows only.
    pub for_all_flows: bool,
}

/// Compares the `subject`'s probes with the `controls`'.
///
/// `distance` is the TTL of the controls' host, whose own answers are no router's.
#[must_use]
pub fn contrast(
    run: &Run,
    subject: Selector,
    controls: &[Selector],
    distance: Option<u8>,
    owners: &Owners<'_>,
    rigour: Rigour,
) -> Contrast {
    let own = Series::of(run, &[subject]);
    let theirs = Series::of(run, controls);
    let last_control = theirs.last_router();
    let end = distance.map_or(last_control, |distance| distance.saturating_sub(1)).max(last_control);

    let mut found = Contrast {
        after: 0,
        single: None,
        diverged: None,
        arrived: false,
        reached_pairs: Pairs::default(),
        last_control,
        hops: Vec::new(),
        before: None,
        posterior: 0.0,
        posterior_usual: 0.0,
        last_sign: (1..=own.last_probed()).rev().find(|ttl| own.at(*ttl).answered > 0).unwrap_or(0),
        unstable: None,
        branches: false,
    };
    reached(&mut found, &own, &theirs, owners);
    found.reached_pairs = (1..=found.after).fold(Pairs::default(), |sum, ttl| {
        sum.and(pairs(run, ttl, subject, controls, None, &[Stage::Scout, Stage::Confirm]))
    });
    found.branches = (found.after.max(1)..=end).any(|ttl| theirs.at(ttl).routers.len() > 1);
    let split =
        found.branches || (found.after.max(1)..=own.last_router()).any(|ttl| own.at(ttl).routers.len() > 1);
    let flow_is_unit = rigour.for_all_flows && split;

    let mut so_far = Pairs::default();
    for ttl in found.after + 1..=end {
        let hop = theirs.at(ttl);
        if hop.exceeded() == 0 {
            continue;
        }
        let here = pairs(run, ttl, subject, controls, flow_is_unit.then_some(0), &[Stage::Confirm]);
        // Where branches have not met again, the subject need not pass the controls' router.
        if hop.routers.len() == 1 {
            so_far = so_far.and(match flow_is_unit {
                true => pairs(run, ttl, subject, controls, Some(so_far.flows), &[Stage::Confirm]),
                false => here,
            });
        }
        found.hops.push(ControlHop {
            ttl,
            routers: hop.routers.len(),
            sent: hop.sent,
            answered: hop.exceeded(),
            pairs: here,
            e_value: e_value(so_far.reference_only, so_far.target_only),
            so_far,
        });
    }
    found.before = found
        .hops
        .iter()
        .copied()
        .find(|hop| hop.answers() && hop.converged() && hop.e_value >= 1.0 / rigour.alpha);
    if let Some(before) = found.before {
        let tallies = tallies(&own, &theirs, end, flow_is_unit);
        let mass = |assumptions| {
            let posterior = stats::posterior(&tallies, assumptions);
            (found.after..before.ttl).filter_map(|link| posterior.get(usize::from(link))).sum::<f64>()
        };
        found.posterior = stats::ALTERNATIVES.into_iter().map(mass).fold(1.0, f64::min);
        found.posterior_usual = mass(stats::USUAL);
    }
    let horizon = found.before.map_or(end, |before| before.ttl);
    found.unstable = unstable(run, subject, controls, horizon);
    found
}

/// How far the subject got.
fn reached(found: &mut Contrast, own: &Series, theirs: &Series, owners: &Owners<'_>) {
    let mut last_shared = 0;
    for ttl in 1..=own.last_router() {
        let hop = own.at(ttl);
        let Some(_) = hop.routers.first() else { continue };
        // At the same distance, or the subject took another way: probes with one TTL then expire at different routers,
        // and nothing can be compared behind.
        let shared: u32 = hop
            .routers
            .iter()
            .filter(|router| theirs.at(ttl).has(router.address))
            .map(|router| router.count)
            .sum();
        if shared >= PROVEN {
            found.after = ttl;
            found.diverged = None;
            found.single = None;
            last_shared = ttl;
        } else if shared > 0 {
            // Not to be trusted yet, but the paths are still together, or together again.
            found.single = Some(ttl);
            found.diverged = None;
            last_shared = ttl;
        } else if !hop.routers.iter().any(|router| elsewhere(theirs, ttl, router.address))
            && beside(owners, ttl, last_shared, &hop.routers)
            && same_length(theirs, own, ttl, last_shared)
        {
            if hop.exceeded() >= PROVEN {
                found.after = ttl;
                found.single = None;
            } else {
                found.single = Some(ttl);
            }
        } else if theirs.at(ttl).routers.is_empty()
            && !hop.routers.iter().any(|router| elsewhere(theirs, ttl, router.address))
        {
            // Nobody has answered the controls there yet: that is no other way, nor the same one.
            found.single = Some(ttl);
        } else {
            let last = theirs.at(found.last_control);
            found.arrived |= hop.routers.iter().any(|router| last.has(router.address));
            if found.diverged.is_none() {
                found.diverged = hop.routers.first().map(|router| (ttl, router.address));
            }
        }
    }
}

/// Whether the controls met this router, and never at this TTL: the subject's way there has another length.
fn elsewhere(theirs: &Series, ttl: u8, address: IpAddr) -> bool {
    (1..=theirs.last_router()).any(|at| at != ttl && theirs.at(at).has(address))
}

/// Whether routers of the subject's at `ttl` that no control met may be a parallel branch of theirs: the controls are in
/// the middle of one AS there, and the paths were together not long before. They must be of that AS themselves, too: a
/// router of another network is no branch but another way.
fn beside(owners: &Owners<'_>, ttl: u8, last_shared: u8, routers: &[Seen]) -> bool {
    // A control's own router may be silent there: then the next one tells where the controls are.
    let here = (ttl..=ttl.saturating_add(2)).map(|at| owners.origins(at)).find(|asns| !asns.is_empty());
    let Some(here) = here.filter(|asns| asns.len() == 1) else { return false };
    last_shared > 0
        && ttl - last_shared <= 3
        && owners.router(last_shared).asns.is_superset(here)
        && routers.iter().all(|router| owners.is_of(router.address, here))
}

/// Whether answers to the subject come back from `ttl` as far as the controls' do, or, where nobody answers those, as far as
/// from the last shared hop and the hops between: a branch of another length, or another way, is farther or nearer.
fn same_length(theirs: &Series, own: &Series, ttl: u8, last_shared: u8) -> bool {
    let backs = |series: &Series, ttl: u8| -> Vec<u8> {
        series.at(ttl).routers.iter().filter_map(|router| router.back).collect()
    };
    let ours = backs(own, ttl);
    let mut expected = backs(theirs, ttl);
    if expected.is_empty() {
        expected =
            backs(own, last_shared).into_iter().map(|back| back.saturating_add(ttl - last_shared)).collect();
    }
    !ours.is_empty() && ours.iter().all(|back| expected.contains(back))
}

fn tallies(own: &Series, theirs: &Series, end: u8, flow_is_unit: bool) -> Vec<Tally> {
    (1..=end)
        .map(|ttl| {
            let (subject, control) = (own.at(ttl), theirs.at(ttl));
            let (sent, answered) = if flow_is_unit {
                (count(subject.flows_sent), count(subject.flows_answered))
            } else {
                (subject.sent, subject.answered)
            };
            Tally {
                reference_sent: control.sent,
                reference_answered: control.exceeded(),
                target_sent: sent,
                target_answered: answered,
            }
        })
        .collect()
}

const fn count(flows: FlowSet) -> u32 {
    flows.count_ones()
}

/// A TTL, no higher than `horizon`, at which one flow of one destination met one router first and then another.
///
/// A flow that goes back and forth is not a route that moved: some balancer spreads it packet by packet.
fn unstable(run: &Run, subject: Selector, controls: &[Selector], horizon: u8) -> Option<u8> {
    struct Sighting {
        key: (u16, u16, u8),
        router: IpAddr,
        changes: u32,
    }
    let mut seen: Vec<Sighting> = Vec::new();
    for probe in &run.probes {
        if probe.ttl > horizon || !(subject.takes(probe) || controls.iter().any(|one| one.takes(probe))) {
            continue;
        }
        let exceeded = probe.replies.iter().find(|reply| reply.kind == ReplyKind::TimeExceeded);
        let Some(reply) = exceeded else { continue };
        let key = (probe.destination.0, probe.flow.0, probe.ttl);
        match seen.iter_mut().find(|sighting| sighting.key == key) {
            Some(sighting) => {
                sighting.changes += u32::from(sighting.router != reply.from);
                sighting.router = reply.from;
            }
            None => seen.push(Sighting { key, router: reply.from, changes: 0 }),
        }
    }
    seen.iter().filter(|sighting| sighting.changes == 1).map(|sighting| sighting.key.2).min()
}
