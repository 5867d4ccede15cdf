//! The needs every measurement begins with: does the host answer, and along which path.
//!
//! All TTLs go out as fast as the budgets allow; a silent stretch ends nothing. A path is followed to the distance at
//! which its host answers; a path whose host is silent, to a margin beyond the farthest distance known, and to the
//! highest TTL if none is.

use std::time::Duration;

use crate::trace::{
    DestinationId, FlowId, Member, Moment, Need, Probe, ReplyKind, Role, Run, Stage, hops_back,
};

/// How many TTLs behind a reference's distance the target is still looked for: hosts of one network are not all at the
/// same distance.
const MARGIN: u8 = 2;
/// How much longer than one and a half of the longest round trip a reply may take before the next step is taken without
/// it. It still counts when it comes.
const OVERDUE: Duration = Duration::from_millis(150);
/// Where a trace was refused, silent hops before that place are asked again at this pace: a router that limits its
/// errors to one a second, as most do, has one to give by then.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How often each such hop is asked again, and all of them together.
const AGAIN_EACH: u32 = 3;
const AGAIN_IN_ALL: u32 = 8;

/// What the first look at the paths consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scout {
    /// Probes with a full TTL to each destination, each in a flow of its own.
    pub reach: u8,
    /// Probes a TTL and destination, all in the first flow.
    pub queries: u8,
    /// A path ends where a router says that it sends nothing on (ICMP destination unreachable), as traceroute has it.
    /// For a comparison what lies behind may matter: the router may refuse some packets only.
    pub stops_at_refusal: bool,
    /// How far the farthest destination probably stands, if something was heard of it before this run: hops are looked at
    /// as far as a margin behind that, until the run itself knows better.
    pub far: Option<u8>,
}

/// A place that the target's path and a reference's are thought to share, since those of others did: where a look may
/// begin that need not see all that lies before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waypoint {
    /// TTL of the last router that others were seen to reach.
    pub ttl: u8,
    /// At which TTL the reference's host stood, if it was looked for.
    pub end: Option<u8>,
}

/// How many hops before a [`Waypoint`] the reference is still followed through: whose router an address belongs to shows in
/// those around it.
const BEFORE: u8 = 2;
/// How many hops behind it: those that the target may be compared at.
const BEHIND: u8 = 5;
/// Pairs at a waypoint: what two answers prove is reached.
const PAIRS_THERE: u32 = 2;

/// How far the first look has come, and what it still wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The groups still to be sent.
    pub needs: Vec<Need>,
    /// Groups that can wait until the paths are known: the target's other ports and protocols, beside references.
    pub beside: Vec<Need>,
    /// Every group of `needs` was sent, and every probe that can tell something has been answered, given up, or is overdue
    /// by the round-trip times seen.
    pub ripe: bool,
    /// Something more will be needed at this moment.
    pub again_at: Option<Moment>,
}

impl Scout {
    /// What of the first look is missing in `run`.
    #[must_use]
    pub fn progress(&self, run: &Run, now: Moment) -> Progress {
        let paths = Paths::of(run, self.stops_at_refusal, self.far);
        let mut needs = Vec::new();
        let members: Vec<DestinationId> =
            run.destinations().filter(|(_, one)| looked_at(one.role)).map(|(id, _)| id).collect();
        let missing = |sent: &dyn Fn(&PathSoFar) -> u32, wanted: u32| {
            members
                .iter()
                .copied()
                .filter(|id| sent(&paths.0[usize::from(id.0)]) < wanted)
                .collect::<Vec<_>>()
        };
        for round in 0..self.reach {
            let members = missing(&|path| path.reach_sent, u32::from(round) + 1);
            if !members.is_empty() {
                needs.push(need(members, None, reach_flow(run, round), Stage::Reach));
            }
        }
        let ends: Vec<u8> = run.destinations().map(|(id, _)| paths.end(run, id)).collect();
        let last = members.iter().map(|id| ends[usize::from(id.0)]).max().unwrap_or(0);
        for round in 0..self.queries {
            for ttl in run.first_ttl..=last {
                let members: Vec<DestinationId> = missing(
                    &|path| path.scout_sent.get(usize::from(ttl)).copied().unwrap_or(0),
                    u32::from(round) + 1,
                )
                .into_iter()
                .filter(|id| ttl <= ends[usize::from(id.0)])
                .collect();
                if !members.is_empty() {
                    needs.push(need(members, Some(ttl), 0, Stage::Scout));
                }
            }
        }
        let mut again_at = None;
        if needs.is_empty() {
            for id in members {
                match self.missed_refusal(run, id, &paths.0[usize::from(id.0)]) {
                    Some((ttl, at)) if at <= now => needs.push(need(vec![id], Some(ttl), 0, Stage::Scout)),
                    Some((_, at)) => again_at = Some(again_at.map_or(at, |known: Moment| known.min(at))),
                    None => {}
                }
            }
        }
        // Variants tell the scope; where there is nothing else to compare with, they are what is compared with.
        let alone = run.references().next().is_none();
        let mut beside = paths.beside(run, 2);
        if alone {
            needs.append(&mut beside);
        }
        Progress { ripe: needs.is_empty() && !paths.any_open(run, now), needs, beside, again_at }
    }

    /// The same for a look that begins at a [`Waypoint`]: target and first reference are asked there in pairs, and the
    /// reference a few hops before and on to its end. What lies behind the waypoint for the target, the pairs that decide
    /// show. `None` if there is no reference.
    #[must_use]
    pub fn from_waypoint(&self, run: &Run, now: Moment, known: Waypoint) -> Option<Progress> {
        let paths = Paths::of(run, self.stops_at_refusal, self.far);
        let reference = run.references().next()?;
        let both = [Run::TARGET, reference];
        let mut needs = Vec::new();
        let silent: Vec<DestinationId> =
            both.into_iter().filter(|id| paths.0[usize::from(id.0)].reach_sent == 0).collect();
        if !silent.is_empty() {
            needs.push(need(silent, None, reach_flow(run, 0), Stage::Reach));
        }
        let there = |probe: &&Probe| probe.stage == Stage::Confirm && probe.ttl == known.ttl;
        for flow in run.probes_to(Run::TARGET).filter(there).count() as u32..PAIRS_THERE {
            let flow = (flow % run.flows.len().max(1) as u32) as u8;
            needs.push(need(both.to_vec(), Some(known.ttl), flow, Stage::Confirm));
        }
        let path = &paths.0[usize::from(reference.0)];
        let end = path.distance.or(known.end).unwrap_or_else(|| paths.end(run, reference));
        let sent = |ttl: u8| path.scout_sent.get(usize::from(ttl)).copied().unwrap_or(0);
        let first = known.ttl.saturating_sub(BEFORE).max(run.first_ttl);
        // Where the reference stands is left open: everybody would ask its last router, and whoever needs two packets there
        // for a whole look would wait for them without end.
        let last = known.ttl.saturating_add(BEHIND).min(end);
        for ttl in (first..=last).filter(|ttl| *ttl != known.ttl && sent(*ttl) == 0) {
            needs.push(need(vec![reference], Some(ttl), 0, Stage::Scout));
        }
        let beside = paths.beside(run, 1);
        Some(Progress { ripe: needs.is_empty() && !paths.any_open(run, now), needs, beside, again_at: None })
    }

    /// The silent hop before a refusal that may be the one that refuses, and when it may be asked once more. Whoever
    /// limits its errors may have spent the first on a probe that went farther.
    fn missed_refusal(&self, run: &Run, id: DestinationId, path: &PathSoFar) -> Option<(u8, Moment)> {
        let refused = path.refused.filter(|_| self.stops_at_refusal && path.distance.is_none())?;
        let first = path.passed.map_or(run.first_ttl, |passed| passed.saturating_add(1));
        let sent = |ttl: u8| path.scout_sent.get(usize::from(ttl)).copied().unwrap_or(0);
        let extra = |ttl: u8| sent(ttl).saturating_sub(u32::from(self.queries));
        if (first..refused).map(extra).sum::<u32>() >= AGAIN_IN_ALL {
            return None;
        }
        let ttl = (first..refused).find(|ttl| extra(*ttl) < AGAIN_EACH)?;
        let asked = run.probes_to(id).filter(|probe| probe.stage == Stage::Scout && probe.ttl >= ttl);
        // Any probe that got as far may have cost the router its error.
        let last = asked.filter_map(|probe| probe.sent_at).max()?;
        let open = run.probes_to(id).any(|probe| probe.ttl == ttl && !probe.is_settled());
        Some((ttl, if open { Moment::NEVER } else { last + ASK_AGAIN }))
    }

    /// What is missing of the path of a destination that is no target or reference, in the first flow.
    #[must_use]
    pub fn follow(run: &Run, id: DestinationId) -> Vec<Need> {
        let paths = Paths::of(run, false, None);
        let path = &paths.0[usize::from(id.0)];
        (run.first_ttl..=paths.end(run, id))
            .filter(|ttl| path.scout_sent.get(usize::from(*ttl)).copied().unwrap_or(0) == 0)
            .map(|ttl| Need {
                members: vec![Member { destination: id, flow: FlowId(0) }],
                ttl: Some(ttl),
                stage: Stage::Scout,
            })
            .collect()
    }
}

/// Whose path is looked at.
const fn looked_at(role: Role) -> bool {
    !matches!(role, Role::Variant | Role::Outsized)
}

fn need(members: Vec<DestinationId>, ttl: Option<u8>, flow: u8, stage: Stage) -> Need {
    let flow = FlowId(u16::from(flow));
    let members = members.into_iter().map(|destination| Member { destination, flow }).collect();
    Need { members, ttl, stage }
}

/// A flow of its own for each probe with a full TTL, behind the first, which the path is scouted with.
fn reach_flow(run: &Run, round: u8) -> u8 {
    let flows = u8::try_from(run.flows.len()).unwrap_or(u8::MAX);
    (round + 1) % flows.max(1)
}

/// The longest round trip of a reply that was not kept waiting on purpose.
fn longest_rtt(run: &Run) -> Option<Duration> {
    let replies = run.probes.iter().filter_map(Probe::first_reply);
    replies.map(|reply| reply.rtt).filter(|rtt| *rtt < Duration::from_secs(1)).max()
}

/// What is known of each destination's path, and how far the farthest was thought to be beforehand.
struct Paths(Vec<PathSoFar>, Option<u8>);

#[derive(Clone, Debug, Default)]
struct PathSoFar {
    reach_sent: u32,
    scout_sent: Vec<u32>,
    /// Scouting probes whose fate is open.
    scout_open: u32,
    /// Lowest TTL at which the host answered.
    distance: Option<u8>,
    /// Lowest TTL at which a router refused to send a probe on, where that ends a path.
    refused: Option<u8>,
    /// Highest TTL below that at which a router said that it would have sent a probe on.
    passed: Option<u8>,
    /// The host answered a probe with a full TTL.
    answers: bool,
    /// Hops back from the host, by its reply's TTL: near its distance where routing is symmetric.
    way_back: Option<u8>,
}

impl Paths {
    fn of(run: &Run, stop_at_refusal: bool, far: Option<u8>) -> Self {
        let mut paths = vec![PathSoFar::default(); run.destinations.len()];
        if stop_at_refusal {
            for (id, _) in run.destinations() {
                let path = &mut paths[usize::from(id.0)];
                path.refused = run.refused_at(id);
                path.passed = run
                    .probes_to(id)
                    .filter(|probe| probe.stage == Stage::Scout)
                    .filter(|probe| path.refused.is_none_or(|refused| probe.ttl < refused))
                    .filter(|probe| probe.replies.iter().any(|reply| reply.kind == ReplyKind::TimeExceeded))
                    .map(|probe| probe.ttl)
                    .max();
            }
        }
        for probe in &run.probes {
            let path = &mut paths[usize::from(probe.destination.0)];
            let address = run.destination(probe.destination).address;
            let mut reached = probe.replies.iter().filter(|reply| reply.answers_for(address)).peekable();
            if probe.stage == Stage::Reach {
                path.reach_sent += 1;
                path.answers |= reached.peek().is_some();
                let ttl = reached.find_map(|reply| reply.reply_ttl);
                path.way_back = path.way_back.or_else(|| ttl.map(hops_back));
                continue;
            }
            if probe.stage == Stage::Scout {
                let place = usize::from(probe.ttl);
                if path.scout_sent.len() <= place {
                    path.scout_sent.resize(place + 1, 0);
                }
                path.scout_sent[place] += 1;
                path.scout_open += u32::from(!probe.is_settled());
            }
            if reached.peek().is_some() {
                path.distance = Some(path.distance.map_or(probe.ttl, |known| known.min(probe.ttl)));
            }
        }
        Self(paths, far)
    }

    /// The target's other ports and protocols that are still to be asked, until each was so many times.
    fn beside(&self, run: &Run, times: u32) -> Vec<Need> {
        let mut beside = Vec::new();
        for (id, _) in run.destinations().filter(|(_, one)| one.role == Role::Variant) {
            for round in self.0[usize::from(id.0)].reach_sent..times {
                beside.push(need(vec![id], None, reach_flow(run, round as u8), Stage::Reach));
            }
        }
        beside
    }

    /// Whether a probe that can tell something is still waited for, and not overdue by the round-trip times seen.
    fn any_open(&self, run: &Run, now: Moment) -> bool {
        let alone = run.references().next().is_none();
        let overdue = longest_rtt(run).map(|longest| longest + longest / 2 + OVERDUE);
        run.probes.iter().any(|probe| {
            let late = probe.sent_at.zip(overdue).is_some_and(|(sent, overdue)| now.since(sent) > overdue);
            let role = run.destination(probe.destination).role;
            let waits = looked_at(role) || (alone && role == Role::Variant);
            waits && !probe.is_settled() && !late && !self.tells_nothing(probe)
        })
    }

    /// The highest TTL worth probing for a destination, as far as is known now.
    fn end(&self, run: &Run, id: DestinationId) -> u8 {
        let path = &self.0[usize::from(id.0)];
        let clamp = |ttl: u8| ttl.clamp(run.first_ttl, run.max_ttl);
        if let Some(end) = path.distance.or(path.refused) {
            return clamp(end);
        }
        let others = self.0.iter().filter_map(|other| other.distance).max();
        if !path.answers
            && let Some(farthest) = others
        {
            return clamp(farthest.saturating_add(MARGIN));
        }
        // The guess from the way back holds until all of it has been sent in vain; then it was too short.
        if let Some(guess) = path.way_back {
            let sent_to = path.scout_sent.iter().rposition(|sent| *sent > 0).unwrap_or(0) as u8;
            let guess = guess.saturating_add(MARGIN);
            let in_vain = sent_to >= guess && path.scout_open == 0;
            return clamp(if in_vain { sent_to.saturating_add(MARGIN + 1) } else { guess.max(sent_to) });
        }
        // What was heard before the run holds until it was in vain: then whoever answered is gone, or farther.
        if let Some(far) = self.1 {
            let far = clamp(far.saturating_add(MARGIN));
            let sent = |ttl: u8| path.scout_sent.get(usize::from(ttl)).is_some_and(|sent| *sent > 0);
            if path.scout_open > 0 || !(run.first_ttl..=far).all(sent) {
                return far;
            }
        }
        run.max_ttl
    }

    /// Whether the fate of a probe no longer matters: it went beyond where its host answers, or a router refuses.
    fn tells_nothing(&self, probe: &Probe) -> bool {
        let path = &self.0[usize::from(probe.destination.0)];
        probe.stage != Stage::Reach && path.distance.or(path.refused).is_some_and(|end| probe.ttl > end)
    }
}
