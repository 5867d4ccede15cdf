//! Laws of the verdict, over random worlds whose truth is known.
//!
//! `cargo bench --bench accuracy` counts how often a verdict is right. Here is what must hold of every one of them,
//! whatever the world: what cannot matter changes nothing, less evidence never accuses anybody else, more of the same
//! never takes anything back, and whom nothing can be shown of is not accused. The worlds are not those that the bench
//! counts: the seeds begin elsewhere.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::LazyLock;

use lasthop::path::{Atlas, Overlay};
use lasthop::report;
use lasthop::session::{self, Diagnosis};
use lasthop::sim::Topology;
use lasthop::sim::random::{Fault, Weather, World, world};
use lasthop::trace::{DestinationId, FlowId, Probe, ReplyKind, Run, Stage};
use lasthop::verdict::{Kind, Reason, Verdict};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::sim::{measure_on, origins};

const FIRST: u64 = 1_000_000;

/// A world, what was measured in it, and how to name it.
struct Case {
    world: World,
    seed: u64,
    found: Diagnosis,
}

/// Whose addresses they are: what the world says, and no more.
fn grounds(topology: &Topology) -> Overlay<'static> {
    Overlay { under: None, ..origins(topology) }
}

fn measure(world: &World, seed: u64) -> Diagnosis {
    measure_on(&grounds(&world.topology), &world.topology, world.v6, seed, |_, _| {})
}

impl Case {
    fn of(world: World, seed: u64) -> Self {
        let found = measure(&world, seed);
        Self { world, seed, found }
    }

    fn draw(seed: u64, fault: Fault) -> Self {
        Self::of(world(seed, fault, Weather::Usual), seed)
    }

    /// The same where it is known which ASes are neighbours.
    fn with_neighbours(seed: u64, fault: Fault) -> Self {
        let mut world = world(seed, fault, Weather::Usual);
        let known = world.neighbours.iter().map(|(one, other)| (one.0, other.0)).collect();
        world.topology.neighbours = Some(known);
        Self::of(world, seed)
    }

    /// What another record of this world allows to conclude.
    fn judge(&self, run: &Run) -> Verdict {
        let grounds = grounds(&self.world.topology);
        session::conclude(run, &mut Atlas::new(&grounds), 0.99).2.verdict
    }

    /// The record cut behind each pair that speaks for a loss, proven before: the pair's hop, and the verdicts without and
    /// with it. A pair that shows a new router, or follows other probes than pairs, is not of the kind.
    fn steps(&self) -> Vec<(u8, Verdict, Verdict)> {
        let run = &self.found.run;
        let mut steps = Vec::new();
        let mut last: Option<Verdict> = None;
        let mut routers: BTreeSet<(u8, IpAddr)> = BTreeSet::new();
        for added in run.probes.chunk_by(|one, other| one.group == other.group) {
            let known = routers.len();
            for probe in added {
                routers.extend(probe.replies.iter().map(|reply| (probe.ttl, reply.from)));
            }
            let end = added[added.len() - 1].id.0 as usize + 1;
            if added.len() != 2 || added.iter().any(|probe| probe.stage != Stage::Confirm) {
                last = None;
                continue;
            }
            let mut part = run.clone();
            part.probes.truncate(end);
            let now = self.judge(&part);
            let speaks = |probe: &Probe| probe.was_answered() == (probe.destination != Run::TARGET);
            let alike = added.iter().all(speaks) && routers.len() == known;
            if let Some(before) = last.filter(|before| alike && before.before_ttl.is_some()) {
                steps.push((added[0].ttl, before, now.clone()));
            }
            last = Some(now);
        }
        steps
    }

    fn holds_culprit(&self, verdict: &Verdict) -> bool {
        self.world.culprit.is_some_and(|asn| verdict.asns.contains(&asn))
    }

    fn says(&self, verdict: &Verdict) -> String {
        let asns: Vec<u32> = verdict.asns.iter().map(|asn| asn.0).collect();
        let culprit = self.world.culprit.map(|asn| asn.0);
        format!(
            "{} {}: {} {asns:?} {:?}..{:?} {:?}, culprit {culprit:?}",
            self.world.fault.word(),
            self.seed,
            verdict.kind,
            verdict.after_ttl,
            verdict.before_ttl,
            verdict.reason
        )
    }

    /// What another record of this world changes in the verdict, if anything.
    fn differs(&self, run: &Run) -> Option<String> {
        let (before, now) = (&self.found.verdict, self.judge(run));
        (now != *before).then(|| format!("{}\n  became {}", self.says(before), self.says(&now)))
    }

    fn bytes(&self, run: &Run) -> String {
        let grounds = grounds(&self.world.topology);
        let (target, references, judgment) = session::conclude(run, &mut Atlas::new(&grounds), 0.99);
        let measured = report::Measured {
            run,
            target: &target,
            references: &references,
            search: None,
            matrix: true,
            verdict: Some(&judgment.verdict),
        };
        serde_json::to_string(&report::document(&report::Session::default(), measured, None)).unwrap()
    }
}

/// Whoever `one` names is named by `other`, too.
fn within(one: &Verdict, other: &Verdict) -> bool {
    one.asns.iter().all(|asn| other.asns.contains(asn))
}

/// Somebody is accused.
fn firm(verdict: &Verdict) -> bool {
    verdict.kind.names_somebody() && !verdict.asns.is_empty()
}

fn draw(faults: &[Fault], seeds: Range<u64>) -> impl Iterator<Item = Case> {
    let pairs: Vec<(u64, Fault)> =
        seeds.flat_map(|seed| faults.iter().map(move |fault| (FIRST + seed, *fault))).collect();
    pairs.into_iter().map(|(seed, fault)| Case::draw(seed, fault))
}

/// Worlds of every fault, measured once for all laws that only read the record.
static POOL: LazyLock<Vec<Case>> = LazyLock::new(|| draw(&Fault::ALL, 0..12).collect());

#[track_caller]
fn none(wrong: &[String], of: usize) {
    assert!(wrong.is_empty(), "{} of {of}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Which flow bears which number is chance.
#[test]
fn flows_under_other_numbers_change_nothing() {
    let mut wrong = Vec::new();
    for case in POOL.iter() {
        let mut dice = ChaCha8Rng::seed_from_u64(case.seed);
        let mut run = case.found.run.clone();
        let mut numbers: Vec<u16> = (0..run.flows.len() as u16).collect();
        numbers.shuffle(&mut dice);
        for (old, new) in numbers.iter().enumerate() {
            run.flows[usize::from(*new)] = case.found.run.flows[old];
        }
        for probe in &mut run.probes {
            probe.flow = FlowId(numbers[usize::from(probe.flow.0)]);
        }
        wrong.extend(case.differs(&run));
    }
    none(&wrong, POOL.len());
}

/// Two references of one network, one role and one kind are equal: which is named first must not matter.
#[test]
fn equal_references_in_another_order_change_nothing() {
    let mut wrong = Vec::new();
    let mut swapped = 0;
    for case in POOL.iter() {
        let references: Vec<DestinationId> = case.found.run.references().collect();
        let [one, other] = references[..] else { continue };
        swapped += 1;
        let mut run = case.found.run.clone();
        run.destinations.swap(usize::from(one.0), usize::from(other.0));
        for probe in &mut run.probes {
            probe.destination = match probe.destination {
                id if id == one => other,
                id if id == other => one,
                id => id,
            };
        }
        wrong.extend(case.differs(&run));
    }
    assert!(swapped > 60, "only {swapped} worlds have two references");
    none(&wrong, swapped);
}

/// The run as it would be if the router with this address never said a word.
fn silenced(run: &Run, router: IpAddr) -> Run {
    let mut run = run.clone();
    let ended = run.ended_at;
    for probe in run.probes.iter_mut().filter(|probe| probe.was_answered()) {
        probe.replies.retain(|reply| reply.from != router || reply.kind.is_terminal());
        if probe.replies.is_empty() {
            probe.given_up_at = Some(ended);
        }
    }
    run
}

fn routers(run: &Run) -> BTreeSet<IpAddr> {
    let replies = run.probes.iter().flat_map(|probe| &probe.replies);
    replies.filter(|reply| reply.kind == ReplyKind::TimeExceeded).map(|reply| reply.from).collect()
}

/// A record without the answers of one router holds less. Whoever was named is named still, perhaps with more beside, or
/// nobody is: whatever the silence takes away, it is never the one who did it.
///
/// That holds of every claim that rests on an interval between two hops. A refusal and a circle rest on the addresses of
/// the routers that speak: there a witness that falls silent may take a network out of the set (the far end of a link is
/// what shows that the near one is numbered from the neighbour's space), so that of those only the share is bounded.
#[test]
fn a_router_that_falls_silent_never_narrows_the_set() {
    let between = [Fault::Drop, Fault::Branch, Fault::Reset, Fault::Begins, Fault::Shifted];
    let (silences, still, wrong) = without_each_router(&between, 1000..1200);
    assert!(still * 2 > silences && still > 2000, "{still} of {silences} silences leave somebody named");
    none(&wrong, silences);

    let spoken = [Fault::Reject, Fault::Loop, Fault::NoRoute];
    let (silences, _, wrong) = without_each_router(&spoken, 1000..1100);
    assert!(wrong.len() * 1000 <= 5 * silences, "{} of {silences}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Silences every router of every world with a right verdict in turn: how often, how often somebody is named still, and
/// every case in which one of those named before is not.
fn without_each_router(faults: &[Fault], seeds: Range<u64>) -> (usize, usize, Vec<String>) {
    let (mut silences, mut still, mut wrong) = (0, 0, Vec::new());
    for case in draw(faults, seeds) {
        let before = &case.found.verdict;
        if !firm(before) || !case.holds_culprit(before) {
            continue;
        }
        for router in routers(&case.found.run) {
            let after = case.judge(&silenced(&case.found.run, router));
            silences += 1;
            still += usize::from(firm(&after));
            if firm(&after) && !within(before, &after) {
                wrong.push(format!("{}\n  without {router} {}", case.says(before), case.says(&after)));
            }
        }
    }
    (silences, still, wrong)
}

/// Whoever is dead, filters, or is not heard on the way back: no transit network is accused of it.
#[test]
fn a_dead_host_never_accuses_a_network() {
    let mut wrong = Vec::new();
    let cases = draw(&[Fault::HostDown, Fault::Firewall, Fault::ReturnFilter], 2000..2300);
    let count = cases
        .map(|case| wrong.extend(firm(&case.found.verdict).then(|| case.says(&case.found.verdict))))
        .count();
    none(&wrong, count);
}

/// A pair in which only the reference was answered, added to a record, is more of what speaks for a loss.
///
/// Where the interval stays as it was, the paired test's e-value never falls, and the confidence of the place does not
/// either if the pair stands at the hop that decides; a pair before that hop moves some of it from the places behind to
/// those before, a little of which is before the interval. Where the interval changes it becomes narrower: a claim that
/// says more may rest on less, or, for its posterior or its flows, not stand yet.
#[test]
fn more_of_the_same_never_lowers_confidence() {
    let mut wrong = Vec::new();
    let (mut same, mut narrower) = (0, 0);
    for case in draw(&[Fault::Drop, Fault::EdgeDrop], 400..460) {
        for (ttl, before, now) in case.steps() {
            let lost = before.location_confidence - now.location_confidence;
            let stays = (before.after_ttl, before.before_ttl) == (now.after_ttl, now.before_ttl);
            *(if stays { &mut same } else { &mut narrower }) += 1;
            let holds = if stays {
                let most = if Some(ttl) == now.before_ttl { 1e-9 } else { 0.01 };
                now.figures.e_value >= before.figures.e_value && lost <= most
            } else {
                let within = now.after_ttl >= before.after_ttl && now.before_ttl < before.before_ttl;
                let open = matches!(now.reason, Some(Reason::PriorSensitive | Reason::EcmpUnresolved));
                now.before_ttl.is_some()
                    && within
                    && (now.reason.is_none() || before.reason.is_some() || open)
            };
            if !holds {
                wrong.push(format!(
                    "{} {:?}\n  became {} {:?} by a pair at hop {ttl}",
                    case.says(&before),
                    before.figures,
                    case.says(&now),
                    now.figures
                ));
            }
        }
    }
    assert!(same > 300 && narrower > 30, "only {same} and {narrower} steps");
    none(&wrong, same + narrower);
}

/// The conclusion is derived from the record and from nothing else.
#[test]
fn judged_twice_or_measured_twice_it_is_the_same_bytes() {
    for case in POOL.iter() {
        assert_eq!(case.judge(&case.found.run), case.found.verdict, "{}", case.says(&case.found.verdict));
        let bytes = case.bytes(&case.found.run);
        assert_eq!(bytes, case.bytes(&case.found.run), "{}", case.says(&case.found.verdict));
        if case.seed < FIRST + 3 {
            let again = Case::draw(case.seed, case.world.fault);
            assert_eq!(bytes, again.bytes(&again.found.run), "{}", case.says(&case.found.verdict));
        }
    }
}

/// Everything takes twice as long.
fn slower(world: &World) -> World {
    let mut world = world.clone();
    for link in &mut world.topology.links {
        link.ms = link.ms.map(|ms| 2.0 * ms);
        link.jitter_ms *= 2.0;
    }
    for host in &mut world.topology.hosts {
        host.ms = host.ms.map(|ms| 2.0 * ms);
    }
    world
}

/// Time is not evidence. With other round trips the dice of loss and of routers that answer now and then fall otherwise,
/// so that a set may come out wider or narrower, or not at all; it is never another one, and where nothing is left to
/// chance it is the same.
#[test]
fn twice_the_latency_changes_no_verdict() {
    let faults = [Fault::Drop, Fault::Reject, Fault::Loop, Fault::Reset, Fault::Branch, Fault::NoRoute];
    let (mut wrong, mut firmly, mut same) = (Vec::new(), 0, 0);
    for case in draw(&faults, 500..600) {
        let before = &case.found.verdict;
        if !firm(before) {
            continue;
        }
        firmly += 1;
        let after = measure(&slower(&case.world), case.seed).verdict;
        same += usize::from((after.kind, &after.asns) == (before.kind, &before.asns));
        let nested = within(before, &after) || within(&after, before);
        let loses = case.holds_culprit(before) && !case.holds_culprit(&after);
        if firm(&after) && (!nested || loses) {
            wrong.push(format!("{}\n  became {}", case.says(before), case.says(&after)));
        }
    }
    none(&wrong, firmly);
    assert!(same * 10 >= firmly * 9, "only {same} of {firmly} verdicts are the same");

    for weather in [Weather::Clear, Weather::Limited] {
        for seed in FIRST..FIRST + 30 {
            let case = Case::of(world(seed, Fault::Drop, weather), seed);
            let (before, after) = (&case.found.verdict, measure(&slower(&case.world), seed).verdict);
            assert_eq!((before.kind, &before.asns), (after.kind, &after.asns), "{weather:?} {seed}");
            assert!(firm(before), "{}", case.says(before));
        }
    }
}

#[test]
fn whoever_answers_is_not_called_lost() {
    let mut wrong = Vec::new();
    let cases: Vec<Case> =
        draw(&[Fault::Nothing, Fault::RouteChange, Fault::ShiftedWell], 600..800).collect();
    for case in &cases {
        let verdict = &case.found.verdict;
        if !matches!(verdict.kind, Kind::Reachable | Kind::Inconclusive) {
            wrong.push(case.says(verdict));
        }
    }
    none(&wrong, cases.len());
}

/// The accuracy bench in small, neighbours known: it measures over ten thousand worlds a fault, this one sees that a
/// change breaks nothing outright. The bounds are a little above what is found today.
#[test]
fn whoever_does_it_is_in_the_set() {
    // Fault, accusations at least, and at most so many of them without the culprit, of 150 worlds. Found: 96 and 0, 121
    // and 2, 84 and 1, 77 and 2, 105 and 0, 108 and 0.
    let bounds = [
        (Fault::Drop, 85, 1),
        (Fault::Reject, 105, 3),
        (Fault::Loop, 70, 2),
        (Fault::Reset, 65, 3),
        (Fault::Branch, 90, 1),
        (Fault::NoRoute, 95, 1),
    ];
    for (fault, least, most) in bounds {
        let cases = (700..850).map(|seed| Case::with_neighbours(FIRST + seed, fault));
        let accusing: Vec<Case> = cases.filter(|case| firm(&case.found.verdict)).collect();
        let wrong: Vec<String> = accusing
            .iter()
            .filter(|case| !case.holds_culprit(&case.found.verdict))
            .map(|case| case.says(&case.found.verdict))
            .collect();
        assert!(accusing.len() >= least, "{}: only {} accusations", fault.word(), accusing.len());
        assert!(wrong.len() <= most, "{} of {}:\n{}", wrong.len(), accusing.len(), wrong.join("\n"));
    }
}
