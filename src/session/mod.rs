//! One measurement from a plan to its conclusion: the only place where the two wings meet in motion.
//!
//! The engine asks what is needed; the answer comes from the first look at the paths ([`Scout`]) and then from the
//! verdict itself, which says what would decide it. Whatever carries the packets, the loop is the same.
//!
//! Where there is nothing to compare with, the measurement pauses after the first look, [`search`] asks a few neighbours
//! of the target, and the same run goes on with those that answered.
//!
//! Where the size of packets is in question, the target is compared with itself by small packets
//! ([`small_control`](crate::probe::small_control)): the same rules that find where packets to one host are lost and those
//! to another are not then find where large ones are and small ones are not. A router that says that they are too big is
//! heeded by the engine, as by any host, so that what is left over is an MTU black hole.

pub mod batch;
mod fleet;
mod lesson;
pub mod search;

use std::time::Duration;

use crate::path::{Atlas, Neighbours, Origins, Path, path_as_traced, paths};
use crate::probe::scout::Scout;
use crate::probe::{Engine, Guide, Plan, PlanError, Wire, WireFault, carry_on, drive};
use crate::trace::{Advice, DestinationId, End, Moment, Need, Probe, Role, Run, WallTime};
use crate::verdict::{Judgment, Question, Reason, Verdict, judge};

use lesson::Lesson;
pub use search::{Search, Searched};

/// What somebody who watches a measurement is shown, each time it is asked what it needs.
#[derive(Debug)]
pub struct Glimpse<'a> {
    /// The record so far.
    pub run: &'a Run,
    /// Time into the run.
    pub now: Moment,
    /// The verdict as it stands; `None` while the paths are being looked at.
    pub verdict: Option<&'a Verdict>,
    /// What it needs, most wanted first; empty while it only waits, or where something else is measured.
    pub needs: &'a [Need],
    /// A reference is being searched for, and `run` is the record of the search.
    pub searching: bool,
}

/// Watches a measurement.
pub type Observer<'a> = dyn FnMut(&Glimpse<'_>) + 'a;

/// A finished measurement of target and references.
#[derive(Debug)]
pub struct Diagnosis {
    /// The record.
    pub run: Run,
    /// The target's path.
    pub target: Path,
    /// The paths it was compared with.
    pub references: Vec<Path>,
    /// The conclusion, derived from the record.
    pub verdict: Verdict,
    /// The search for references, if one was needed and allowed.
    pub search: Option<Searched>,
    /// Why the wire broke, if it did. The record is whole up to then.
    pub fault: Option<WireFault>,
}

/// A finished measurement of one path.
#[derive(Debug)]
pub struct Traced {
    /// The record.
    pub run: Run,
    /// The path.
    pub path: Path,
    /// Why the wire broke, if it did.
    pub fault: Option<WireFault>,
}

/// Compares target and references until the verdict stands at this `confidence` (a share below 1), or the budget ends.
///
/// # Errors
/// [`PlanError`] if the plan cannot be carried out.
pub fn diagnose(
    plan: Plan,
    started_at: WallTime,
    wire: &mut dyn Wire,
    origins: &dyn Origins,
    confidence: f64,
    observer: &mut Observer<'_>,
) -> Result<Diagnosis, PlanError> {
    diagnose_searching(plan, started_at, wire, origins, confidence, None, observer)
}

/// The same, and where there is nothing to compare the target with, references are searched for as `search` allows.
///
/// The host's own other ports come first: where one answers, nobody else is asked.
///
/// # Errors
/// [`PlanError`] if the plan cannot be carried out.
pub fn diagnose_searching(
    plan: Plan,
    started_at: WallTime,
    wire: &mut dyn Wire,
    origins: &dyn Origins,
    confidence: f64,
    search: Option<&Search>,
    observer: &mut Observer<'_>,
) -> Result<Diagnosis, PlanError> {
    let mut engine = Engine::new(plan.clone(), started_at)?;
    // Where size is in question the target's own small packets are the control, and no neighbour tells more.
    let may_search = search.is_some() && plan.destinations.iter().all(|one| one.size.is_none());
    let mut guide =
        Diagnosing { look: Look::new(confidence, may_search), atlas: Atlas::new(origins), observer };
    let mut searched = None;
    let mut fault = carry_on(&mut engine, wire, &mut guide);
    if let Some(search) = search.filter(|_| guide.look.wants_search && fault.is_none()) {
        guide.look.wants_search = false;
        let paused = wire.now();
        let ended = search::search(search, &plan, origins, &mut engine, wire, guide.observer)?;
        let found = search::destinations(engine.run().destination(Run::TARGET), &ended.searched.found);
        // Those who are new are looked at first, like everybody.
        guide.look.looked = found.is_empty();
        engine.admit(found, wire.now().since(paused));
        if ended.interrupted {
            engine.handle(wire.now(), crate::probe::Input::Interrupt);
        }
        searched = Some(ended.searched);
        fault = match ended.fault {
            Some(fault) => Some(fault),
            None => carry_on(&mut engine, wire, &mut guide),
        };
    }
    let mut run = engine.into_run();
    if fault.is_some() {
        run.end = Some(End::CannotSend);
    }
    let (target, references, judgment) = conclude(&run, &mut guide.atlas, confidence);
    let mut verdict = judgment.verdict;
    if let (Some(searched), Some(Reason::NoReference)) = (&searched, verdict.reason) {
        verdict.next_step = Some(search::next_step(&searched.record(), run.destination(Run::TARGET)));
    }
    Ok(Diagnosis { run, target, references, verdict, search: searched, fault })
}

/// Follows one path, with `queries` probes a hop, to where its host answers or a router refuses.
///
/// # Errors
/// [`PlanError`] if the plan cannot be carried out.
pub fn trace(
    plan: Plan,
    started_at: WallTime,
    wire: &mut dyn Wire,
    origins: &dyn Origins,
    queries: u8,
    observer: &mut Observer<'_>,
) -> Result<Traced, PlanError> {
    let engine = Engine::new(plan, started_at)?;
    let scout = Scout { reach: 1, queries, stops_at_refusal: true, far: None };
    let mut guide = |run: &Run, now: Moment| {
        let progress = scout.progress(run, now);
        observer(&Glimpse { run, now, verdict: None, needs: &progress.needs, searching: false });
        // A path without a comparison decides nothing early: every hop is waited for.
        let settled = run.probes.iter().all(|probe| !probe.was_sent() || probe.is_settled());
        let unresolved = unresolved_until(run).filter(|until| *until > now);
        let again_at = progress.again_at.into_iter().chain(unresolved).min();
        let decided = progress.needs.is_empty() && again_at.is_none() && settled;
        Advice { decided, needs: progress.needs, ask_again_at: again_at }
    };
    let (run, fault) = drive(engine, wire, &mut guide);
    let path = path_as_traced(&run, &mut Atlas::new(origins));
    Ok(Traced { run, path, fault })
}

/// How long a last router asks for a neighbour's address before it says that the host is unreachable: three times, a
/// second apart (RFC 4861 §10, and Linux for ARP), and some way back.
const UNRESOLVED: Duration = Duration::from_millis(3500);

/// Until when the word may still come that nobody has the target's address, if nothing has ended the path yet.
fn unresolved_until(run: &Run) -> Option<Moment> {
    let address = run.destination(Run::TARGET).address;
    let answers = |probe: &Probe| probe.replies.iter().any(|reply| reply.answers_for(address));
    let ended = run.probes_to(Run::TARGET).any(answers) || run.refused_at(Run::TARGET).is_some();
    let first = run.probes_to(Run::TARGET).filter_map(|probe| probe.sent_at).min()?;
    (!ended).then_some(first + UNRESOLVED)
}

/// The conclusion that a record allows, live or saved.
#[must_use]
pub fn conclude(run: &Run, atlas: &mut Atlas<'_>, confidence: f64) -> (Path, Vec<Path>, Judgment) {
    let (target, references) = paths(run, atlas);
    let neighbours = Neighbours::of(std::iter::once(&target).chain(&references), atlas);
    let question = Question {
        run,
        target: &target,
        references: &references,
        neighbours: &neighbours,
        confidence,
        now: run.ended_at,
        taught: None,
    };
    let judgment = judge(&question);
    (target, references, judgment)
}

struct Diagnosing<'a, 'o> {
    look: Look,
    atlas: Atlas<'a>,
    observer: &'a mut Observer<'o>,
}

impl Guide for Diagnosing<'_, '_> {
    fn advise(&mut self, run: &Run, now: Moment) -> Advice {
        self.look.advise(run, now, &mut self.atlas, self.observer)
    }
}

/// How far one comparison has come.
#[derive(Debug)]
struct Look {
    scout: Scout,
    /// The first look is over. From then on several hops are asked at once: a probe whose fate is open holds up nothing.
    looked: bool,
    /// References may be searched for, once.
    may_search: bool,
    /// The run is paused for that.
    wants_search: bool,
    confidence: f64,
    /// Where others were lost whose path this one probably shares.
    lesson: Option<Lesson>,
    /// The paths are looked at from the first hop on: nobody was lost before, or this target was not lost in the same way.
    whole: bool,
}

impl Look {
    const fn new(confidence: f64, may_search: bool) -> Self {
        let scout = Scout { reach: 3, queries: 1, stops_at_refusal: false, far: None };
        Self { scout, looked: false, may_search, wants_search: false, confidence, lesson: None, whole: true }
    }

    /// The same, with what was heard of its hosts before, and where others like it were lost.
    fn taught(self, far: Option<u8>, lesson: Option<Lesson>) -> Self {
        Self { scout: Scout { far, ..self.scout }, whole: lesson.is_none(), lesson, ..self }
    }

    /// What is needed, given this record at this moment.
    fn advise(
        &mut self,
        run: &Run,
        now: Moment,
        atlas: &mut Atlas<'_>,
        observer: &mut Observer<'_>,
    ) -> Advice {
        let part = match &self.lesson {
            Some(lesson) if !self.whole && !lesson.is_refuted(run) => self
                .scout
                .from_waypoint(run, now, lesson.waypoint())
                .filter(|part| !part.ripe || lesson.holds(run)),
            _ => None,
        };
        if part.is_none() && !self.whole {
            self.looks_at_all();
        }
        let progress = part.unwrap_or_else(|| self.scout.progress(run, now));
        self.looked |= progress.ripe;
        if !self.looked {
            let needs = [progress.needs, progress.beside].concat();
            observer(&Glimpse { run, now, verdict: None, needs: &needs, searching: false });
            return Advice { needs, ..Advice::default() };
        }
        let (target, references) = paths(run, atlas);
        let neighbours = Neighbours::of(std::iter::once(&target).chain(&references), atlas);
        let question = Question {
            run,
            target: &target,
            references: &references,
            neighbours: &neighbours,
            confidence: self.confidence,
            now,
            taught: self.lesson.as_ref().filter(|_| !self.whole).map(Lesson::before),
        };
        if self.may_search && !target.reached && !has_own_port(run) {
            let reason = judge(&question).verdict.reason;
            if matches!(reason, Some(Reason::NoReference | Reason::ReferenceUnreachable)) {
                // The host's own other ports come first: nobody else is asked before they had their chance.
                let own = |probe: &Probe| run.destination(probe.destination).role == Role::Variant;
                let open =
                    run.probes.iter().any(|probe| own(probe) && probe.was_sent() && !probe.is_settled());
                if open || !progress.beside.is_empty() {
                    return Advice { needs: progress.beside, ..Advice::default() };
                }
                (self.may_search, self.wants_search) = (false, true);
                return Advice { decided: true, ..Advice::default() };
            }
        }
        if !target.reached
            && let Some(id) = best_variant(run)
        {
            let needs = Scout::follow(run, id);
            if !needs.is_empty() {
                observer(&Glimpse { run, now, verdict: None, needs: &needs, searching: false });
                return Advice { needs, ..Advice::default() };
            }
        }
        let judgment = judge(&question);
        let Judgment { verdict, mut advice } = judgment;
        observer(&Glimpse { run, now, verdict: Some(&verdict), needs: &advice.needs, searching: false });
        if !progress.beside.is_empty() {
            advice.needs.extend(progress.beside);
            advice.decided = false;
        }
        if !progress.needs.is_empty() {
            // The first look turned out too short: a host answered from farther away than was thought.
            advice.needs.splice(0..0, progress.needs);
            advice.decided = false;
        }
        if advice.decided && !self.whole && !self.lesson.as_ref().is_some_and(|it| it.is_of(&verdict)) {
            // Not what was learned: then nothing of it is taken for granted.
            self.looks_at_all();
            return self.advise(run, now, atlas, observer);
        }
        advice
    }

    /// The paths are looked at from the first hop on from now on.
    const fn looks_at_all(&mut self) {
        (self.whole, self.looked) = (true, false);
    }
}

/// The target's own other port that answers: the best control there is, since it shares everything but the port. Its
/// other protocol only where no reference was given.
fn best_variant(run: &Run) -> Option<DestinationId> {
    let protocol = run.destination(Run::TARGET).protocol;
    let alone = run.references().next().is_none();
    let mut variants: Vec<(bool, DestinationId)> = run
        .destinations()
        .filter(|(_, one)| one.role == Role::Variant && (alone || one.protocol == protocol))
        .map(|(id, one)| (one.protocol != protocol, id))
        .filter(|(_, id)| answered(run, *id))
        .collect();
    variants.sort();
    variants.first().map(|(_, id)| *id)
}

/// Whether another port of the target answers, by the target's own protocol.
fn has_own_port(run: &Run) -> bool {
    let protocol = run.destination(Run::TARGET).protocol;
    let mut variants = run.destinations().filter(|(_, one)| one.role == Role::Variant);
    variants.any(|(id, one)| one.protocol == protocol && answered(run, id))
}

fn answered(run: &Run, id: DestinationId) -> bool {
    let address = run.destination(id).address;
    run.probes_to(id).any(|probe| probe.replies.iter().any(|reply| reply.answers_for(address)))
}
