//! Everything the rules ask of a run, worked out once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Question;
use super::contrast::{Contrast, Rigour, contrast};
use super::observe::{Answer, FlowSet, Reach, Refusal, Selector, Series, answers, bit, nearest, refusals};
use super::owner::Owners;
use crate::number::Asn;
use crate::path::Path;
use crate::trace::{Destination, DestinationId, Protocol, ReferenceKind, Role, Run, Stage};

/// Probes with a full TTL in one flow that must all be silent before the flow is called dead.
pub const DEAD_AFTER: u32 = 4;

/// The run, seen the way the rules read it.
pub struct Facts<'a> {
    /// What is asked.
    pub question: &'a Question<'a>,
    /// The error allowed.
    pub alpha: f64,
    /// The target's probes with a full TTL.
    pub reach: Reach,
    /// What came in the target's name.
    pub answers: Vec<Answer>,
    /// What refused the target's probes.
    pub refusals: Vec<Refusal>,
    /// What the target's own probes drew, hop by hop.
    pub own: Series,
    /// What is compared with: those of the references that stay with the target the longest, and get through if any of these does.
    pub controls: Vec<Control>,
    /// The far host that is known to work, if the user named one.
    pub check: Option<Control>,
    /// The TTL at which a control's host stands: the farthest one known.
    pub distance: Option<u8>,
    /// The controls' path as owners; the target's own where there is no control.
    pub owners: Owners<'a>,
    /// The target against the controls.
    pub contrast: Contrast,
    /// A loop on the target's path.
    pub cycle: Option<Cycle>,
    /// Some flows arrive and others do not.
    pub split: Option<Split<'a>>,
    /// How likely the answers to probes with a full TTL would be all before the silences, or all behind them, if time did
    /// not matter; 1 if they are not.
    pub turned: f64,
}

/// One destination that is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Which.
    pub id: DestinationId,
    /// Its host answered.
    pub reached: bool,
    /// At this TTL.
    pub distance: Option<u8>,
}

/// Routers that answered the target's probes again and again at rising TTLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// The first TTL that belongs to it.
    pub from: u8,
    /// After how many hops it closes.
    pub period: u8,
    /// Its routers.
    pub routers: Vec<IpAddr>,
    /// Sightings that repeat one.
    pub repeats: u32,
}

/// Flows that arrive and flows that do not.
#[derive(Clone, Debug)]
pub struct Split<'a> {
    /// Flows of which every probe with a full TTL was silent.
    pub dead: FlowSet,
    /// Flows of which some were answered.
    pub alive: FlowSet,
    /// How likely so clean a split would be if every probe of every flow were lost alike.
    pub chance: f64,
    /// The dead flows' probes against those of the flows that arrive.
    pub contrast: Contrast,
    /// The path of the flows that arrive, the controls' among them, as owners.
    pub owners: Owners<'a>,
}

impl<'a> Facts<'a> {
    /// Works them out.
    #[must_use]
    pub fn new(question: &'a Question<'a>) -> Self {
        let run = question.run;
        let alpha = (1.0 - question.confidence).clamp(1e-9, 0.5);
        let controls: Vec<Control> = question
            .references
            .iter()
            .map(|path| Control { id: path.destination, reached: path.reached, distance: path.distance })
            .collect();
        let own = Series::of(run, &[Selector::all(Run::TARGET)]);
        let controls = together(question, &own, controls);
        let selectors: Vec<Selector> = controls.iter().map(|one| Selector::all(one.id)).collect();
        let distance = controls.iter().filter_map(|one| one.distance).max();
        let theirs = Series::of(run, &selectors);
        let base = if theirs.last_router() > 0 { &theirs } else { &own };
        let owners = Owners::new(base, distance, question);
        let rigour = Rigour { alpha, for_all_flows: true };
        let contrast = contrast(run, Selector::all(Run::TARGET), &selectors, distance, &owners, rigour);
        let reach = Reach::of(run, Run::TARGET);
        let split = split(question, &reach, &selectors, distance, alpha);
        Self {
            question,
            alpha,
            answers: answers(run, Run::TARGET),
            refusals: refusals(run, Run::TARGET),
            cycle: cycle(&own),
            reach,
            own,
            controls,
            check: check(run),
            distance,
            owners,
            contrast,
            split,
            turned: turned(run),
        }
    }

    /// Probes with a full TTL, their fate known, in flows of which a router as far as the last one reached was heard: the
    /// only ones whose silence is the host's. A flow that dies before tells nothing of the host.
    #[must_use]
    pub fn arrivals(&self) -> u32 {
        let flows = self.own.at(self.contrast.after).flows_answered;
        let arriving = self.reach.flows.iter().filter(|(flow, _, _)| flows & bit(*flow) != 0);
        arriving.map(|(_, sent, _)| sent).sum()
    }

    /// The record.
    #[must_use]
    pub const fn run(&self) -> &'a Run {
        self.question.run
    }

    /// Bytes of the target's packets, where size is in question: as they are now, no router calling them too big.
    #[must_use]
    pub fn size(&self) -> Option<u16> {
        self.run().destination(Run::TARGET).size
    }

    /// Bytes of the small packets that the target is compared with, where size is in question.
    #[must_use]
    pub fn small_size(&self) -> Option<u16> {
        let small = |one: &&Destination| one.role == Role::Reference(ReferenceKind::Small);
        self.run().destinations.iter().find(small).and_then(|one| one.size)
    }

    /// The lowest TTL at which something came in the target's name, preferring answers that name their probe.
    #[must_use]
    pub fn answered_at(&self) -> Option<u8> {
        nearest(&self.answers).or_else(|| self.answers.iter().filter_map(|answer| answer.ttl).min())
    }

    /// A control's host answered, or routers behind the target's last one did: there is something to compare with.
    #[must_use]
    pub fn control_lives(&self) -> bool {
        self.controls.iter().any(|control| control.reached)
    }

    /// The variants of the target with what they drew: whether anything came in the host's name.
    pub fn variants(&self) -> impl Iterator<Item = (DestinationId, Protocol, Vec<Answer>)> {
        let run = self.run();
        run.destinations()
            .filter(|(_, one)| one.role == Role::Variant)
            .map(move |(id, one)| (id, one.protocol, answers(run, id)))
    }

    /// Whether a variant's probes got at least as far as `ttl`: the host answered, or a router there or behind it did.
    #[must_use]
    pub fn passes(&self, variant: DestinationId, ttl: u8) -> bool {
        let run = self.run();
        let series = Series::of(run, &[Selector::all(variant)]);
        !answers(run, variant).is_empty() || series.last_router() >= ttl
    }

    /// The ASes of an address on any of the paths.
    #[must_use]
    pub fn asns_of(&self, address: IpAddr) -> Vec<Asn> {
        asns_of(self.question, address)
    }

    /// The names of all ASes that the paths show.
    #[must_use]
    pub fn names(&self) -> BTreeMap<Asn, String> {
        let mut names = BTreeMap::new();
        for path in std::iter::once(self.question.target).chain(self.question.references) {
            let hops = path.hops.iter().flat_map(|hop| &hop.attributions);
            for attribution in hops.chain(std::iter::once(&path.attribution)) {
                if let (Some(asn), Some(name)) = (attribution.asns.first(), &attribution.name) {
                    names.entry(*asn).or_insert_with(|| name.clone());
                }
            }
        }
        names
    }

    /// The TTL at which this address answered as a router, on a control's path or on the target's own.
    #[must_use]
    pub fn hop_of(&self, address: IpAddr) -> Option<u8> {
        let paths = self.question.references.iter().chain(std::iter::once(self.question.target));
        paths
            .flat_map(|path| &path.hops)
            .find(|hop| {
                hop.hop.responders.iter().any(|one| one.address == address && one.replies.time_exceeded > 0)
            })
            .map(|hop| hop.hop.ttl)
    }
}

fn asns_of(question: &Question<'_>, address: IpAddr) -> Vec<Asn> {
    let mut paths = std::iter::once(question.target).chain(question.references);
    paths.find_map(|path| attribution_of(path, address)).unwrap_or_default()
}

fn attribution_of(path: &Path, address: IpAddr) -> Option<Vec<Asn>> {
    path.hops.iter().find_map(|hop| {
        let place = hop.hop.responders.iter().position(|one| one.address == address)?;
        hop.attributions.get(place).map(|attribution| attribution.asns.clone())
    })
}

/// What came of the far host.
fn check(run: &Run) -> Option<Control> {
    let (id, _) = run.destinations().find(|(_, one)| one.role == Role::Check)?;
    let found = answers(run, id);
    Some(Control { id, reached: !found.is_empty(), distance: nearest(&found) })
}

/// The controls that share the target's path the longest. One that has left it before says nothing about what is
/// behind; nor does one that is dead itself, where another one lives.
fn together(question: &Question<'_>, own: &Series, controls: Vec<Control>) -> Vec<Control> {
    let run = question.run;
    if controls.len() < 2 {
        return controls;
    }
    let paths: Vec<Series> = controls.iter().map(|one| Series::of(run, &[Selector::all(one.id)])).collect();
    let meets =
        |series: &Series, ttl: u8| own.at(ttl).routers.iter().any(|one| series.at(ttl).has(one.address));
    let shared = |series: &Series| (1..=own.last_router()).rev().find(|ttl| meets(series, *ttl)).unwrap_or(0);
    let best = paths.iter().map(shared).max().unwrap_or(0);
    let asns = |address| asns_of(question, address);
    // A router of the same network at the same distance is a branch of the same way.
    let beside = |series: &Series| {
        let networks = |series: &Series| -> Vec<Vec<Asn>> {
            series.at(best).routers.iter().map(|one| asns(one.address)).collect()
        };
        let ours = networks(own);
        networks(series).iter().any(|theirs| !theirs.is_empty() && ours.contains(theirs))
    };
    let stays = |series: &Series| {
        best == 0 || meets(series, best) || series.at(best).routers.is_empty() || beside(series)
    };
    let kept: Vec<(Control, &Series)> =
        controls.into_iter().zip(&paths).filter(|(_, series)| stays(series)).collect();
    // The same host on another port shares everything but the port: the best control there is.
    let target = run.destination(Run::TARGET);
    let itself = |(one, series): &(Control, &Series)| {
        let other = run.destination(one.id);
        let goes_on = series.last_router() > best;
        one.reached && goes_on && (other.address, other.protocol) == (target.address, target.protocol)
    };
    let alive = kept.iter().any(|(one, _)| one.reached);
    let best_there_is = kept.iter().any(itself);
    let serves = |one: &(Control, &Series)| if best_there_is { itself(one) } else { one.0.reached || !alive };
    kept.into_iter().filter(serves).map(|(one, _)| one).collect()
}

/// Looks for routers that come back with a period of two or more.
fn cycle(own: &Series) -> Option<Cycle> {
    let last = own.last_router();
    let routers: Vec<Option<IpAddr>> =
        (0..=last).map(|ttl| own.at(ttl).routers.first().map(|router| router.address)).collect();
    // One router at two TTLs happens: a box that forwards an expired packet, a path that changed its length. A cycle
    // repeats at least two routers, three times in all.
    let whole = (2..=6u8).find_map(|period| {
        let repeats: Vec<u8> = (1..=last.saturating_sub(period))
            .filter(|ttl| {
                let (one, other) = (routers[usize::from(*ttl)], routers[usize::from(ttl + period)]);
                one.is_some() && one == other
            })
            .collect();
        let mut distinct: Vec<IpAddr> = repeats.iter().filter_map(|ttl| routers[usize::from(*ttl)]).collect();
        distinct.sort();
        distinct.dedup();
        (distinct.len() >= 2 && repeats.len() >= 3).then(|| Cycle {
            from: repeats[0],
            period,
            routers: distinct,
            repeats: repeats.len() as u32,
        })
    });
    whole.or_else(|| thinned(&routers))
}

/// A cycle of which one router alone answers, or others seldom: it is met at four TTLs or more, never at two in a row.
fn thinned(routers: &[Option<IpAddr>]) -> Option<Cycle> {
    let mut seen: BTreeMap<IpAddr, Vec<u8>> = BTreeMap::new();
    for (ttl, router) in routers.iter().enumerate() {
        if let Some(router) = router {
            seen.entry(*router).or_default().push(ttl as u8);
        }
    }
    let (router, ttls) = seen.into_iter().max_by_key(|(_, ttls)| ttls.len())?;
    let period = ttls.windows(2).map(|pair| pair[1] - pair[0]).reduce(greatest_common_divisor)?;
    (ttls.len() >= 4 && period >= 2).then(|| Cycle {
        from: ttls[0],
        period,
        routers: vec![router],
        repeats: ttls.len() as u32 - 1,
    })
}

const fn greatest_common_divisor(a: u8, b: u8) -> u8 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn split<'a>(
    question: &'a Question<'a>,
    reach: &Reach,
    controls: &[Selector],
    distance: Option<u8>,
    alpha: f64,
) -> Option<Split<'a>> {
    let run = question.run;
    let (mut dead, mut alive) = (0, 0);
    for (flow, sent, answered) in &reach.flows {
        if *answered > 0 {
            alive |= bit(*flow);
        } else if *sent >= DEAD_AFTER {
            dead |= bit(*flow);
        }
    }
    if dead == 0 || alive == 0 {
        return None;
    }
    let chance = chance_of_split(reach, dead);
    let subject = Selector { destination: Run::TARGET, flows: dead };
    let mut others = controls.to_vec();
    others.push(Selector { destination: Run::TARGET, flows: alive });
    let rigour = Rigour { alpha, for_all_flows: false };
    let arriving = Series::of(run, &others);
    let owners = Owners::new(&arriving, distance, question);
    let contrast = contrast(run, subject, &others, distance, &owners, rigour);
    Some(Split { dead, alive, chance, contrast, owners })
}

/// All orders of the answered and the silent probes being equally likely if time does not matter (a permutation test),
/// two of them are clean: answers first, or silences first.
fn turned(run: &Run) -> f64 {
    let address = run.destination(Run::TARGET).address;
    let fates: Vec<bool> = run
        .probes_to(Run::TARGET)
        .filter(|probe| probe.stage == Stage::Reach && probe.was_sent() && probe.is_settled())
        .map(|probe| probe.replies.iter().any(|reply| reply.answers_for(address)))
        .collect();
    let changes = fates.windows(2).filter(|pair| pair[0] != pair[1]).count();
    if changes != 1 {
        return 1.0;
    }
    let answered = fates.iter().filter(|answered| **answered).count() as u32;
    let orders = super::stats::ln_choose(fates.len() as u32, answered);
    (2.0 * (-orders).exp()).min(1.0)
}

/// How likely it would be that as many flows as these, or more, stay wholly silent if every probe were lost with one
/// chance, whatever its flow.
///
/// Given how many probes were answered in all, every choice of the answered ones is then equally likely (the
/// hypergeometric distribution, Fisher's exact test), and what that chance is need not be known. The sum over every set
/// of flows of that size is bounded by its largest term.
fn chance_of_split(reach: &Reach, dead: FlowSet) -> f64 {
    let (sent, answered) = (reach.sent(), reach.answered());
    let silent = dead.count_ones();
    let mut sizes: Vec<u32> = reach.flows.iter().map(|(_, sent, _)| *sent).collect();
    sizes.sort_unstable();
    let fewest: u32 = sizes.iter().take(silent as usize).sum();
    let flows = u32::try_from(reach.flows.len()).unwrap_or(u32::MAX);
    let ln = super::stats::ln_choose(flows, silent) + super::stats::ln_choose(sent - fewest, answered)
        - super::stats::ln_choose(sent, answered);
    ln.exp().min(1.0)
}

/// Probes of this stage to a destination at a TTL, their fate known or not.
#[must_use]
pub fn asked(run: &Run, id: DestinationId, ttl: u8, stage: Stage) -> u32 {
    run.probes_to(id).filter(|probe| probe.ttl == ttl && probe.stage == stage).count() as u32
}
