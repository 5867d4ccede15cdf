//! What is still to be measured, most wanted first.
//!
//! Each question names the probes that would answer it and how many of them. Whatever has been sent already is in the
//! record, so that a need disappears by being filled. Several hops are asked in parallel: the budgets are per router.

use std::time::Duration;

use super::balance::{self, BalancedBy, Balancer, balancers};
use super::contrast::{Contrast, ControlHop, MOST_PAIRS};
use super::facts::{DEAD_AFTER, Facts, asked};
use super::observe::{FlowSet, Reach, Selector, Series, bit, pairs, shortest_way_back};
use super::rules::{self, Draft, Ground};
use super::{Kind, Reason, stats};
use crate::trace::{Advice, DestinationId, FlowId, Member, Moment, Need, Probe, Run, Stage};

/// A host that is down is reported by the last router after its address resolution has failed, which takes 3 s.
const HOST_DOWN_REPORT: Duration = Duration::from_secs(4);
/// Probes of a router that did not answer the first one before it counts as silent.
const SILENT_AFTER: u32 = 3;
/// How many more turns a circle that shows itself is followed at a time.
const CIRCLES: u8 = 3;
/// Probes of a hop whose single answer must be seen again to be believed.
const TRUST_AFTER: u32 = 5;
/// Pairs asked for at a time once the paired test is satisfied and the posterior is not.
const MORE_PAIRS: u32 = 4;
/// Control hops that are asked abreast. What is silent at one of them is silent at all behind it, so that their pairs add
/// up; and every router has a budget of its own.
const ABREAST: usize = 4;
/// Pairs that a router's burst has room for behind the first look.
const BURST_PAIRS: u32 = 2;
/// Probes with a full TTL to a target that is silent where others of its kind were lost: at the beginning, and at the end.
const PATIENT_REACH: u32 = 2;
/// Small packets with a full TTL that must all be silent before they are taken not to get through.
const SMALL_CHANCES: u32 = 6;
/// Pairs at later control hops: they tell a loss in the middle from a silent host.
const LATER_PAIRS: u32 = 3;

/// What would decide.
pub fn advise(facts: &Facts<'_>, draft: &Draft) -> Advice {
    let mut wanted = Wanted { facts, needs: Vec::new(), later: None };
    if !facts.answers.is_empty() {
        wanted.answered();
    } else if !facts.refusals.is_empty() && rules::refusal(facts).is_some() {
        wanted.refused(draft);
    } else if facts.cycle.is_some() {
        wanted.circles();
    } else if !facts.controls.is_empty() {
        wanted.silent(draft);
    }
    let run = facts.run();
    let open = run.probes.iter().any(|probe| probe.was_sent() && !probe.is_settled());
    let later = wanted.later.filter(|at| *at > facts.question.now);
    Advice {
        decided: wanted.needs.is_empty() && !open && later.is_none(),
        needs: wanted.needs,
        ask_again_at: later,
    }
}

struct Wanted<'a> {
    facts: &'a Facts<'a>,
    needs: Vec<Need>,
    later: Option<Moment>,
}

impl Wanted<'_> {
    fn run(&self) -> &Run {
        self.facts.run()
    }

    /// Whether nothing is asked for that may prove needless.
    const fn patient(&self) -> bool {
        self.facts.question.taught.is_some()
    }

    fn flows(&self) -> u16 {
        self.run().flows.len() as u16
    }

    fn push(&mut self, members: &[(DestinationId, FlowId)], ttl: Option<u8>, stage: Stage) {
        let members = members.iter().map(|&(destination, flow)| Member { destination, flow }).collect();
        self.needs.push(Need { members, ttl, stage });
    }

    /// `count` single probes in different flows, beginning with the first flow not used at this TTL.
    fn singles(&mut self, id: DestinationId, ttl: u8, count: u32, stage: Stage) {
        let used: FlowSet = self
            .run()
            .probes_to(id)
            .filter(|probe| probe.ttl == ttl && probe.stage != Stage::Reach)
            .fold(0, |set, probe| set | bit(probe.flow));
        let fresh = (0..self.flows()).map(FlowId).filter(|flow| used & bit(*flow) == 0);
        let again = (0..self.flows()).map(FlowId).cycle();
        let flows: Vec<FlowId> = fresh.chain(again).take(count as usize).collect();
        for flow in flows {
            self.push(&[(id, flow)], Some(ttl), stage);
        }
    }

    /// Single probes of the target at `ttl`, in flows that have nothing open at `other`.
    fn singles_apart(&mut self, ttl: u8, other: u8, count: u32) {
        let limited = |probe: &&Probe| probe.stage != Stage::Reach;
        let mut flows: Vec<(u32, u16)> = (0..self.flows())
            .filter(|flow| {
                let mut there = self.run().probes_to(Run::TARGET).filter(limited);
                !there.any(|probe| probe.flow == FlowId(*flow) && probe.ttl == other)
            })
            .map(|flow| {
                let here = self.run().probes_to(Run::TARGET).filter(limited);
                (here.filter(|probe| probe.flow == FlowId(flow)).count() as u32, flow)
            })
            .collect();
        flows.sort_unstable();
        // Half of them for the one, half for the other, whichever is asked first.
        flows.retain(|(_, flow)| (flow % 2 == 0) == (ttl < other));
        for (_, flow) in flows.into_iter().cycle().take(count as usize).collect::<Vec<_>>() {
            self.push(&[(Run::TARGET, FlowId(flow))], Some(ttl), Stage::Breadth);
        }
    }

    /// Single probes until `wanted` have been sent at this TTL, whatever for.
    fn singles_up_to(&mut self, id: DestinationId, ttl: u8, wanted: u32) {
        let sent = Series::of(self.run(), &[Selector::all(id)]).at(ttl).asked;
        self.singles(id, ttl, wanted.saturating_sub(sent), Stage::Breadth);
    }

    /// Coin-drawn pairs until `wanted` have been sent at this TTL, each in the next flow, references taking turns.
    fn pairs_up_to(&mut self, ttl: u8, sent: u32, wanted: u32) {
        let controls: Vec<DestinationId> = self.facts.controls.iter().map(|control| control.id).collect();
        for round in sent..wanted {
            let flow = FlowId(round as u16 % self.flows());
            let control = controls[round as usize % controls.len()];
            self.push(&[(Run::TARGET, flow), (control, flow)], Some(ttl), Stage::Confirm);
        }
    }

    /// Probes of the first reference where it has not answered yet, so that the owners of the interval are known.
    fn owners_around(&mut self, before: u8) {
        let Some(control) = self.facts.controls.first().map(|control| control.id) else { return };
        let end = self.facts.distance.map_or(before + 2, |distance| distance.saturating_sub(1));
        for ttl in (before + 1)..=(before + 2).min(end) {
            let series = Series::of(self.run(), &[Selector::all(control)]);
            if series.at(ttl).routers.is_empty() && series.at(ttl).asked < SILENT_AFTER {
                self.singles(control, ttl, SILENT_AFTER - series.at(ttl).asked, Stage::Breadth);
            }
        }
    }

    // ---- the target answers ----

    fn answered(&mut self) {
        if let Some(here) = rules::speaks_early(self.facts) {
            let (spoken, other) = rules::spoken_at(self.facts, here);
            let at_least = |have: u32, wanted: u32| wanted.saturating_sub(have);
            // Fates still open are counted as the better outcome: they are asked for again if they turn out otherwise.
            let open = self.facts.own.at(here).asked - self.facts.own.at(here).sent;
            // A reset does not name its probe: it is told apart by its flow, so that none is used for both.
            if other < TRUST_AFTER {
                self.singles_apart(here, here - 1, at_least(spoken + open, rules::SPEAKS));
            }
            let before = self.facts.own.at(here - 1).asked;
            self.singles_apart(here - 1, here, at_least(before, rules::SILENT_BEFORE));
            for control in self.facts.controls.iter().map(|control| control.id).collect::<Vec<_>>() {
                for ttl in [here - 1, here, here + 1] {
                    self.singles_up_to(control, ttl, 2);
                }
            }
        }
        self.elsewhere();
        self.every_flow();
    }

    /// Where the target's name is used well before the reference's distance, or the answers come a shorter way back than
    /// those of the same host's other ports and protocols: from where do those answer?
    fn elsewhere(&mut self) {
        let Some(here) = self.facts.answered_at() else { return };
        let near = shortest_way_back(&self.facts.answers);
        let distance = self.facts.distance;
        let early = distance.is_some_and(|distance| distance >= here + rules::SUSPICIOUSLY_NEAR);
        let suspects: Vec<(DestinationId, u8)> = self
            .facts
            .variants()
            .filter(|(_, _, answers)| {
                !answers.is_empty() && answers.iter().all(|answer| answer.ttl.is_none())
            })
            .filter_map(|(id, _, answers)| {
                let far = shortest_way_back(&answers)?;
                (early || far >= near? + rules::SUSPICIOUSLY_NEAR).then_some((id, far))
            })
            .collect();
        for (id, far) in suspects {
            // Ways there and back differ by a few hops.
            let last = distance.unwrap_or(0).max(far).saturating_add(3).min(self.run().max_ttl);
            for ttl in here..=last {
                if asked(self.run(), id, ttl, Stage::Scout) == 0 {
                    self.push(&[(id, FlowId(0))], Some(ttl), Stage::Scout);
                }
            }
        }
    }

    /// Enough flows to know that none is dead, or which are.
    fn every_flow(&mut self) {
        let flows = stats::flows_needed(self.facts.question.confidence).min(u32::from(self.flows())) as u16;
        let count = |flow: FlowId| {
            let sent = self.run().probes_to(Run::TARGET);
            sent.filter(|probe| probe.stage == Stage::Reach && probe.flow == flow).count() as u32
        };
        let known = |flow: FlowId| {
            let row = self.facts.reach.flows.iter().find(|(known, _, _)| *known == flow);
            row.map_or((0, 0), |(_, sent, answered)| (*sent, *answered))
        };
        // A first silence makes every flow worth repeating: only then can "dead" be told from "lost now and then".
        let suspect = (0..flows).map(FlowId).any(|flow| known(flow).0 > 0 && known(flow).1 == 0)
            || self.facts.split.is_some();
        // Where most flows are answered now and then, no branch is to blame, and more of the same tells nothing new.
        let mixed = self.facts.reach.flows.iter().filter(|(_, sent, hits)| *hits > 0 && hits < sent).count();
        let clean = self.facts.reach.flows.iter().filter(|(_, sent, hits)| *hits > 1 && hits == sent).count();
        let hopeless = mixed > clean && self.facts.reach.asked >= rules::HEAVY_LOSS_AFTER;
        let wanted = if suspect && !hopeless { DEAD_AFTER } else { 1 };
        // One flow that arrives among many that do not is worth as many probes as they: it may be the only witness.
        let mut tried: Vec<FlowId> = (0..flows).map(FlowId).collect();
        let answered =
            self.facts.reach.flows.iter().filter(|(_, _, hits)| *hits > 0).map(|(flow, _, _)| *flow);
        tried.extend(answered.filter(|flow| flow.0 >= flows));
        let asks: Vec<FlowId> = (0..wanted)
            .flat_map(|round| tried.iter().map(move |flow| (round, *flow)))
            .filter(|(round, flow)| count(*flow) <= *round)
            .map(|(_, flow)| flow)
            .collect();
        for flow in asks {
            self.push(&[(Run::TARGET, flow)], None, Stage::Reach);
        }
        if let Some(split) = self.facts.split.as_ref().filter(|_| !hopeless) {
            let (dead, alive) = (split.dead, split.alive);
            let contrast = split.contrast.clone();
            self.dead_flow(dead, alive, &contrast);
        }
    }

    /// Where the dead flows die: their path beside that of a flow that arrives.
    fn dead_flow(&mut self, dead: FlowSet, alive: FlowSet, contrast: &Contrast) {
        let first = |set: FlowSet| FlowId(set.trailing_zeros() as u16);
        let (lost, well) = (first(dead), first(alive));
        let end =
            self.facts.answered_at().or(self.facts.distance).unwrap_or(self.run().max_ttl).saturating_sub(1);
        for ttl in self.run().first_ttl..=end {
            for flow in [lost, well] {
                let selector = Selector { destination: Run::TARGET, flows: bit(flow) };
                let sent = Series::of(self.run(), &[selector]).at(ttl).asked;
                for _ in sent..2 {
                    self.push(&[(Run::TARGET, flow)], Some(ttl), Stage::Breadth);
                }
            }
        }
        if contrast.before.is_some() {
            return;
        }
        let candidate = contrast.hops.iter().find(|hop| hop.converged() && !hop.hopeless());
        if let Some(hop) = candidate.filter(|hop| hop.pairs.asked < MOST_PAIRS) {
            let wanted = rounds(self.facts.alpha, hop.pairs.reference_only, hop.pairs.target_only);
            let open = hop.pairs.asked - hop.pairs.settled;
            for _ in open..wanted {
                let pair = [(Run::TARGET, lost), (Run::TARGET, well)];
                self.push(&pair, Some(hop.ttl), Stage::Confirm);
            }
        }
    }

    // ---- something refuses ----

    fn refused(&mut self, draft: &Draft) {
        let Some((refusal, count)) = rules::refusal(self.facts) else { return };
        let hop = self.facts.hop_of(refusal.from);
        if count < 2 {
            let ttl = hop.map_or(refusal.ttl, |hop| Some(hop + 1));
            match ttl {
                Some(ttl) => self.singles_up_to(Run::TARGET, ttl, 4),
                None => self.reach_up_to(6),
            }
        }
        if hop.is_none()
            && let Some(ttl) = self.facts.refusals.iter().filter_map(|one| one.ttl).min()
        {
            for control in self.facts.controls.iter().map(|control| control.id).collect::<Vec<_>>() {
                self.singles_up_to(control, ttl, SILENT_AFTER);
                self.singles_up_to(control, ttl.saturating_sub(1).max(1), SILENT_AFTER);
            }
        }
        if let Some(hop) = hop {
            self.owners_around(hop.saturating_sub(1));
            self.scope_at(hop + 1);
        }
        if matches!(draft.ground, Ground::Refused { .. }) && draft.kind == Kind::HostOrReturnPath {
            self.wait_for_host_down();
        }
    }

    fn reach_up_to(&mut self, wanted: u32) {
        let mut sent = self.facts.reach.asked;
        let mut wanted = wanted;
        if self.patient() {
            sent += self.needs.iter().filter(|need| need.stage == Stage::Reach).count() as u32;
            wanted = wanted.min(PATIENT_REACH);
        }
        for round in sent..wanted {
            // The first flows scout; a flow of its own tells each answer apart.
            let flow = FlowId((round as u16 + 1) % self.flows());
            self.push(&[(Run::TARGET, flow)], None, Stage::Reach);
        }
    }

    /// Whether size matters hangs on small packets that get through: a few more of them, in case the first were lost.
    fn small_reach(&mut self) {
        for control in self.facts.controls.iter().map(|control| control.id).collect::<Vec<_>>() {
            let sent = Reach::of(self.run(), control).asked;
            for round in sent..SMALL_CHANCES {
                let flow = FlowId((round as u16 + 1) % self.flows());
                self.push(&[(control, flow)], None, Stage::Reach);
            }
        }
    }

    /// How far the target's silent variants get: that tells a rule for a port from one for the host.
    fn scope_at(&mut self, ttl: u8) {
        let silent: Vec<DestinationId> = self
            .facts
            .variants()
            .filter(|(id, _, answers)| answers.is_empty() && Reach::of(self.run(), *id).sent() > 0)
            .map(|(id, _, _)| id)
            .collect();
        if self.facts.distance.is_some_and(|distance| ttl >= distance) {
            return;
        }
        for id in silent {
            if !self.facts.passes(id, ttl) {
                self.singles_up_to(id, ttl, 2);
            }
        }
    }

    // ---- the target's probes go in circles ----

    fn circles(&mut self) {
        let Some(cycle) = self.facts.cycle.as_ref() else { return };
        for ttl in cycle.from..=cycle.from + cycle.period {
            self.singles_up_to(Run::TARGET, ttl, 2);
        }
        self.reach_up_to(3);
    }

    // ---- silence ----

    fn silent(&mut self, draft: &Draft) {
        let contrast = &self.facts.contrast;
        self.longer_circles();
        self.far_flows();
        if let Some((ttl, address)) = contrast.diverged {
            if contrast.arrived {
                self.reach_up_to(DEAD_AFTER);
                self.wait_for_host_down();
                return;
            }
            // More flows may show that the two paths do share this router, above all where it is of the same network.
            let here = self.facts.owners.origins(ttl);
            let branch = !here.is_empty() && self.facts.owners.is_of(address, here);
            self.pairs_at(ttl, if branch { 8 } else { 4 });
            return;
        }
        if let Some(ttl) = contrast.single {
            // In pairs: single probes of the target would take every token of a router that limits.
            self.pairs_at(ttl, TRUST_AFTER + 1);
        }
        if contrast.after > 0 && contrast.after >= contrast.last_control && self.facts.control_lives() {
            self.arrived(draft);
            return;
        }
        if !self.facts.control_lives() && self.facts.size().is_some() {
            self.small_reach();
            return;
        }
        if contrast.hops.is_empty() && !self.facts.control_lives() {
            return;
        }
        let undecided = self.decide(draft);
        if self.patient() && (undecided || !self.needs.is_empty()) {
            return;
        }
        self.branches();
        if let Some(before) = contrast.before {
            self.close();
            // The scope can wait; its probes would take the pairs' place.
            let open = |probe: &Probe| probe.stage == Stage::Confirm && !probe.is_settled();
            if self.needs.is_empty() && !self.run().probes.iter().any(open) {
                self.scope_at(before.ttl);
            }
        }
    }

    /// What chooses among the branches of the first balancer: asked while other answers are waited for, never by itself.
    /// A reader who repeats the measurement must know whether another port, or only another address, meets another branch.
    fn branches(&mut self) {
        if self.needs.is_empty() {
            return;
        }
        let unknown = |one: &Balancer| one.by == BalancedBy::Unknown;
        let Some(first) = balancers(self.run()).into_iter().find(unknown) else { return };
        let ttl = first.from_ttl;
        let controls = self.facts.controls.first().map(|control| control.id);
        for id in std::iter::once(Run::TARGET).chain(controls) {
            let sent = |run: &Run, flow: FlowId| {
                let limited =
                    run.probes_to(id).filter(|probe| probe.ttl == ttl && probe.stage != Stage::Reach);
                limited.filter(|probe| probe.flow == flow).count() as u32
            };
            let flows = (0..self.flows().min(balance::ONE_BRANCH as u16)).map(FlowId);
            let fresh: Vec<FlowId> = flows.filter(|flow| sent(self.run(), *flow) == 0).collect();
            let several = Series::of(self.run(), &[Selector::all(id)]).at(ttl).routers.len() > 1;
            // Where its flows show several routers already, the same flows tell the rest when they come again.
            let flows = (0..self.flows().min(balance::REPEATS as u16 + 1)).map(FlowId);
            let again: Vec<FlowId> = flows.filter(|flow| sent(self.run(), *flow) < 2).collect();
            let asked = if several { again } else { fresh };
            for flow in asked {
                self.push(&[(id, flow)], Some(ttl), Stage::Breadth);
            }
        }
    }

    /// Where only some flows come far, those may arrive: a balancer's other branch.
    fn far_flows(&mut self) {
        let own = &self.facts.own;
        let last = own.last_router();
        if last <= self.facts.contrast.after && !rules::leaks(self.facts) {
            return;
        }
        let flows = own.at(last).flows_answered;
        let far: Vec<FlowId> =
            (0..self.flows()).map(FlowId).filter(|flow| flows & bit(*flow) != 0).take(2).collect();
        for flow in far {
            let reach = self.run().probes_to(Run::TARGET).filter(|probe| probe.stage == Stage::Reach);
            let asked = reach.filter(|probe| probe.flow == flow).count();
            for _ in asked..2 {
                self.push(&[(Run::TARGET, flow)], None, Stage::Reach);
            }
        }
    }

    /// A router that the target meets twice may be part of a circle: it comes again at the same distance.
    fn longer_circles(&mut self) {
        let own = &self.facts.own;
        let last = own.last_router();
        let Some(router) = own.at(last).routers.first() else { return };
        let Some(first) = (1..last.saturating_sub(1)).rev().find(|ttl| own.at(*ttl).has(router.address))
        else {
            return;
        };
        let period = last - first;
        let most = self.run().max_ttl;
        let next: Vec<u8> =
            (1..=CIRCLES).map(|turn| last.saturating_add(turn * period)).filter(|ttl| *ttl <= most).collect();
        for ttl in next {
            self.singles_up_to(Run::TARGET, ttl, 2);
        }
    }

    fn pairs_at(&mut self, ttl: u8, wanted: u32) {
        let sent = self.pairs_sent(ttl);
        self.pairs_up_to(ttl, sent, wanted);
    }

    fn pairs_sent(&self, ttl: u8) -> u32 {
        let controls: Vec<Selector> =
            self.facts.controls.iter().map(|control| Selector::all(control.id)).collect();
        pairs(self.run(), ttl, Selector::all(Run::TARGET), &controls, None, &[Stage::Confirm]).asked
    }

    /// Pairs where they decide. Says whether some are open or wanted that may.
    fn decide(&mut self, draft: &Draft) -> bool {
        let mut open_yet = false;
        let contrast = &self.facts.contrast;
        let after = contrast.after;
        let flows = stats::flows_needed(self.facts.question.confidence).min(u32::from(self.flows()));
        let alpha = self.facts.alpha;
        let usable: Vec<ControlHop> = contrast
            .hops
            .iter()
            .filter(|hop| hop.converged() && !hop.hopeless() && hop.pairs.settled < MOST_PAIRS)
            .copied()
            .collect();
        let deciding = contrast.before.or(usable.first().copied());
        if let Some(hop) = deciding {
            // The pairs tell that the target is silent there; where few hops follow, it takes more of them to tell a loss
            // from a host that is silent by itself whatever was believed before.
            let unsure = matches!(draft.reason, Some(Reason::PriorSensitive | Reason::Weak));
            let expected =
                || usable.iter().filter(|one| self.facts.question.taught.is_some_and(|ttl| one.ttl <= ttl));
            let abreast: Vec<ControlHop> = match contrast.before {
                // Silence at one more hop tells more than at the same one again.
                Some(before) if unsure && self.patient() => {
                    usable.iter().filter(|one| one.ttl >= before.ttl).take(ABREAST).copied().collect()
                }
                Some(before) => vec![before],
                None if expected().next().is_some() => expected().copied().collect(),
                None => usable.iter().take(ABREAST).copied().collect(),
            };
            if let Some(sum) = abreast.last().map(|last| last.so_far) {
                let open = sum.asked - sum.settled;
                let missing = rounds(alpha, sum.reference_only, sum.target_only);
                let missing =
                    if contrast.before.is_some() && unsure { missing.max(MORE_PAIRS) } else { missing };
                let more = missing.max(flows.saturating_sub(sum.flows.count_ones())).saturating_sub(open);
                self.pairs_among(&abreast, more);
                open_yet = more > 0 || open > 0;
                // Enough in sum, and the nearest hop behind has not answered often enough to be one to go by.
                if contrast.before.is_none() && more == 0 && open == 0 {
                    self.pairs_among(&abreast, abreast.len() as u32);
                }
                if open_yet && self.patient() {
                    return true;
                }
            }
            self.narrow(&usable, draft);
            // A gap before it may hide a control hop that would narrow the interval.
            for ttl in after + 1..hop.ttl {
                self.pairs_at(ttl, SILENT_AFTER - 1);
            }
            // Later hops tell a loss here from a host that is silent by itself: their silence speaks against that.
            if unsure || usable.len() < ABREAST {
                let later = contrast.hops.iter().rev().filter(|later| later.converged() && !later.hopeless());
                for ttl in later.map(|later| later.ttl).filter(|ttl| *ttl > hop.ttl).take(2) {
                    self.pairs_at(ttl, LATER_PAIRS);
                }
            }
            self.owners_around(hop.ttl);
            self.reach_up_to(4);
        }
        if after > 0 {
            self.pairs_at(after, 2);
        }
        // Nothing answers behind the last hop: perhaps it does when asked again.
        if deciding.is_none()
            && let Some(end) = self.facts.distance
        {
            for ttl in after + 1..end {
                self.pairs_at(ttl, SILENT_AFTER);
            }
        }
        open_yet
    }

    /// This many pairs among these hops, the nearest first, each in the flow used least: the claim is about all flows,
    /// and where a balancer splits them a flow counts once.
    fn pairs_among(&mut self, hops: &[ControlHop], count: u32) {
        let after = self.facts.contrast.after;
        let mut used = vec![0u32; usize::from(self.flows())];
        for probe in self.run().probes_to(Run::TARGET) {
            if probe.stage == Stage::Confirm && probe.ttl > after {
                used[usize::from(probe.flow.0)] += 1;
            }
        }
        let controls: Vec<DestinationId> = self.facts.controls.iter().map(|control| control.id).collect();
        let mut sent: Vec<u32> = hops.iter().map(|hop| self.pairs_sent(hop.ttl)).collect();
        for _ in 0..count {
            // Every router bears a burst; after it they take turns.
            let turn = |place: &usize| if sent[*place] < BURST_PAIRS { 0 } else { sent[*place] };
            let Some(place) = (0..hops.len()).min_by_key(turn) else { return };
            let Some(flow) = (0..used.len()).min_by_key(|flow| used[*flow]) else { return };
            if sent[place] >= MOST_PAIRS {
                return;
            }
            let control = controls[sent[place] as usize % controls.len()];
            let pair = [Run::TARGET, control].map(|one| (one, FlowId(flow as u16)));
            self.push(&pair, Some(hops[place].ttl), Stage::Confirm);
            used[flow] += 1;
            sent[place] += 1;
        }
    }

    /// Once the loss is proven before some hop: can it be proven before a nearer one, where that names fewer ASes?
    fn narrow(&mut self, usable: &[ControlHop], draft: &Draft) {
        let contrast = &self.facts.contrast;
        let Some(before) = contrast.before.filter(|_| draft.kind != Kind::LostInsideAs) else { return };
        let owners = &self.facts.owners;
        let named = |ttl: u8| owners.interval(contrast.after, ttl);
        let nearer: Vec<ControlHop> = usable.iter().filter(|hop| hop.ttl < before.ttl).copied().collect();
        let Some(first) = nearer.first() else { return };
        let best = named(first.ttl);
        // Whether it is our own line that loses them shows at the first public router alone.
        let public = owners.first_public();
        let at_home = contrast.after < public && first.ttl <= public;
        if best == named(before.ttl) && !at_home {
            return;
        }
        // The farthest hop that still names as few adds up the most pairs.
        let as_good = |hop: &&ControlHop| named(hop.ttl) == best && (!at_home || hop.ttl <= public);
        let count = nearer.iter().take_while(as_good).count();
        let hops = &nearer[..count];
        let Some(sum) = hops.last().map(|hop| hop.so_far) else { return };
        let open = sum.asked - sum.settled;
        let missing = rounds(self.facts.alpha, sum.reference_only, sum.target_only);
        self.pairs_among(hops, missing.saturating_sub(open));
    }

    /// At the end, once more: does the target answer now, do the routers still stand where they stood?
    fn close(&mut self) {
        let contrast = &self.facts.contrast;
        let Some(before) = contrast.before else { return };
        let Some(control) = self.facts.controls.first().map(|control| control.id) else { return };
        let closing = |run: &Run, id: DestinationId, ttl: u8| asked(run, id, ttl, Stage::Close) > 0;
        if contrast.after > 0 && !closing(self.run(), Run::TARGET, contrast.after) {
            self.push(&[(Run::TARGET, FlowId(0)), (control, FlowId(0))], Some(contrast.after), Stage::Close);
        }
        if !closing(self.run(), control, before.ttl) {
            self.push(&[(control, FlowId(0))], Some(before.ttl), Stage::Close);
        }
        self.reach_up_to(4);
    }

    /// Every router answers for the target as for the reference: is that so, and what says the last one?
    fn arrived(&mut self, draft: &Draft) {
        let after = self.facts.contrast.after;
        self.pairs_at(after, 3);
        self.reach_up_to(4);
        // The host is asked in flows that come as far as its last router: others may die on a branch before.
        let flows = self.facts.own.at(after).flows_answered;
        let asked = |flow: FlowId| {
            let reach = self.run().probes_to(Run::TARGET).filter(|probe| probe.stage == Stage::Reach);
            reach.filter(|probe| probe.flow == flow).count() as u32
        };
        let arriving: Vec<FlowId> =
            (0..self.flows()).map(FlowId).filter(|flow| flows & bit(*flow) != 0).take(2).collect();
        let total: u32 = arriving.iter().map(|flow| asked(*flow)).sum();
        for flow in arriving
            .iter()
            .cycle()
            .take(rules::ARRIVALS.saturating_sub(total) as usize)
            .copied()
            .collect::<Vec<_>>()
        {
            self.push(&[(Run::TARGET, flow)], None, Stage::Reach);
        }
        // Hops between the last visible router and the host may only have missed one probe.
        if let Some(end) = self.facts.distance {
            for ttl in after + 1..end {
                self.pairs_at(ttl, 2);
            }
        }
        let _ = draft;
        self.wait_for_host_down();
    }

    fn wait_for_host_down(&mut self) {
        self.later = self.facts.reach.first_sent.map(|sent| sent + HOST_DOWN_REPORT);
    }
}

/// How many more pairs with only the reference answered lift the e-value to 1/α.
fn rounds(alpha: f64, reference_only: u32, target_only: u32) -> u32 {
    let now = stats::e_value(reference_only, target_only);
    let missing = ((1.0 / alpha).ln() - now.ln()) / (1.0 + stats::STAKE).ln();
    // Floating point may leave a hair missing where the target is met exactly.
    (missing - 1e-9).ceil().max(0.0) as u32
}
