//! The smallest set of networks that explains what all runs say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use jiff::Timestamp;

use super::Part;
use super::sighting::{Grade, Seen, Sighting, State};

/// Runs farther apart than this say nothing of each other's networks: a block may have begun or ended in between. Seconds.
const TOGETHER: i64 = 24 * 3600;
/// How much is left of the certainty where a network on the other side of a border is excluded only because it carries packets to
/// the target from elsewhere: it might still refuse those of this one neighbour.
const CLEARED_ELSEWHERE: f64 = 0.9;
/// No attribution is surer (the contract's limit).
const SUREST: f64 = 0.98;
/// Up to so many networks the smallest set is searched for; beyond, the one that explains the most comes first. Nor are more than
/// so many told that would each explain some of what one does.
const EXACT: usize = 40;

/// Something that the conclusion does not rest on, and that its reader has to know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// A network that is named also carries packets to the target, from this vantage.
    AlsoCarries(u32, usize),
    /// A network is excluded only because it carries packets to the target from elsewhere.
    OnlyElsewhere(u32),
    /// A path without firm bounds does not fit: its run.
    DoesNotFit(usize),
    /// Either these networks are to blame for everything they are in, or those others, each for its own.
    OrEach(Vec<u32>, Vec<u32>),
    /// From this vantage the target answers at one time and not at another.
    Varies(usize),
    /// Packets of this run die at the destination.
    DiesAtHome(usize),
}

/// What explains it.
#[derive(Clone, Debug, Default)]
pub struct Explained {
    /// A verdict kind.
    pub kind: &'static str,
    /// Who is named.
    pub parts: Vec<Part>,
    /// Who is cleared.
    pub cleared: BTreeSet<u32>,
    /// Why nothing is concluded.
    pub reason: Option<&'static str>,
    /// How sure.
    pub confidence: f64,
    /// The weakest piece that is needed.
    pub grade: Option<Grade>,
    /// What else there is to know.
    pub doubts: Vec<Doubt>,
}

impl Explained {
    fn nothing(reason: &'static str) -> Self {
        Self { kind: "inconclusive", reason: Some(reason), ..Self::default() }
    }
}

/// When and from where, by time; unknown times first.
type Passages = Vec<(Option<Timestamp>, usize)>;

/// Who carried packets to a target.
#[derive(Default)]
struct Carriers {
    /// By target and network.
    networks: HashMap<(usize, u32), Passages>,
    /// By target and address of a router.
    routers: HashMap<(usize, IpAddr), Passages>,
}

impl Carriers {
    fn of(seen: &Seen) -> Self {
        let mut all = Self::default();
        for one in &seen.sightings {
            let home = seen.targets[one.target].asn;
            // The destination's own network may choose by source: what it takes from one it may refuse another.
            for asn in one.bounds.crossed.iter().filter(|asn| Some(**asn) != home) {
                all.networks.entry((one.target, *asn)).or_default().push((one.at, one.vantage));
            }
            for address in &one.passed {
                all.routers.entry((one.target, *address)).or_default().push((one.at, one.vantage));
            }
        }
        for list in all.networks.values_mut().chain(all.routers.values_mut()) {
            list.sort_unstable();
        }
        all
    }

    /// A vantage other than that of `sighting` from which `asn` carried packets to the same target at about the same time.
    fn clears(&self, sighting: &Sighting, asn: u32) -> Option<usize> {
        Self::other(self.networks.get(&(sighting.target, asn))?, sighting)
    }

    /// Whether the router on the far side of where it stops carried packets to the same target from elsewhere; also where the
    /// far side shows no address at all, as in a text that hides them. A router in between that shows nothing is not cleared by
    /// the one behind it.
    fn clears_far_side(&self, sighting: &Sighting) -> bool {
        if sighting.bounds.gap {
            return false;
        }
        let Some(before) = sighting.bounds.before else { return true };
        let list = self.routers.get(&(sighting.target, before));
        list.is_some_and(|list| Self::other(list, sighting).is_some())
    }

    fn other(list: &Passages, sighting: &Sighting) -> Option<usize> {
        let other = |(_, vantage): &&(Option<Timestamp>, usize)| *vantage != sighting.vantage;
        let Some(at) = sighting.at else { return list.iter().find(other).map(|(_, vantage)| *vantage) };
        let near = |time: Timestamp| (time.as_second() - at.as_second()).abs() <= TOGETHER;
        let unknown = list.iter().take_while(|(time, _)| time.is_none()).find(other);
        let from = list.partition_point(|(time, _)| time.is_none_or(|time| time < at && !near(time)));
        let timed = || list[from..].iter().take_while(|(time, _)| time.is_some_and(near)).find(other);
        unknown.or_else(timed).map(|(_, vantage)| *vantage)
    }
}

/// A failing run, and who of those that may be to blame carried packets to its target from elsewhere.
struct Family<'a> {
    sighting: &'a Sighting,
    /// Who may be to blame.
    asns: &'a BTreeSet<u32>,
    /// Who carried, and a vantage that saw it.
    carries: BTreeMap<u32, usize>,
    /// The router on the far side of where it stops is known to be all right, or shows no address.
    far_side: bool,
}

fn family<'a>(sighting: &'a Sighting, carriers: &Carriers) -> Family<'a> {
    let asns = &sighting.bounds.asns;
    let carries = asns.iter().filter_map(|asn| Some((*asn, carriers.clears(sighting, *asn)?))).collect();
    Family { sighting, asns, carries, far_side: carriers.clears_far_side(sighting) }
}

/// Explains.
pub fn explain(seen: &Seen) -> Explained {
    let carriers = Carriers::of(seen);
    let of = |state: State| seen.sightings.iter().filter(move |one| one.state == state);
    let alive: BTreeSet<usize> = of(State::Works).map(|one| one.target).collect();
    let fails: Vec<&Sighting> = of(State::Stops).chain(of(State::Host)).collect();
    let mut doubts: BTreeSet<Doubt> = varying(seen).into_iter().map(Doubt::Varies).collect();
    if fails.is_empty() {
        return match (alive.is_empty(), of(State::Unknown).next()) {
            (true, _) => Explained::nothing("weak"),
            (false, _) => Explained {
                kind: "reachable",
                cleared: of(State::Works).flat_map(|one| one.bounds.crossed.iter().copied()).collect(),
                confidence: SUREST,
                grade: of(State::Works).map(|one| one.grade).min(),
                ..Explained::default()
            },
        };
    }
    let home = |one: &Sighting| seen.targets[one.target].asn;
    let at_home = |family: &Family<'_>| {
        family.sighting.state == State::Host
            || home(family.sighting).is_some_and(|asn| family.asns.contains(&asn))
    };
    let families: Vec<Family<'_>> = fails.iter().map(|one| family(one, &carriers)).collect();
    let firm: Vec<&Family<'_>> = families.iter().filter(|one| one.sighting.bounds.firm).collect();
    let (homes, transit): (Vec<&Family<'_>>, Vec<&Family<'_>>) = firm.iter().partition(|one| at_home(one));
    // A target that is not known to be alive may be down, and a few silent probes of somebody's text are no proof against that.
    let usable: Vec<&Family<'_>> = transit
        .iter()
        .copied()
        .filter(|one| one.sighting.judged || alive.contains(&one.sighting.target))
        .collect();
    if usable.is_empty() {
        return without_transit(&homes, &transit, &families, &alive, doubts, seen);
    }
    // What dies at the destination and can be explained by a network that is named anyway speaks for it; what cannot, speaks
    // against it unless the target is known to be alive.
    let mut chosen: Vec<&Family<'_>> = usable;
    let common = intersection(&chosen);
    for family in &homes {
        let fits =
            family.sighting.state == State::Stops && common.iter().any(|asn| family.asns.contains(asn));
        if fits {
            continue;
        }
        doubts.insert(Doubt::DiesAtHome(family.sighting.run));
        let lives = alive.contains(&family.sighting.target);
        chosen.retain(|one| one.sighting.target != family.sighting.target || (lives && one.sighting.judged));
    }
    if chosen.is_empty() {
        return Explained { doubts: doubts.into_iter().collect(), ..Explained::nothing("contradiction") };
    }
    let mut parts = smallest(&chosen);
    // A second culprit is a large claim. Traces of one place, without pairs, do not carry it.
    let carried = |own: &BTreeSet<usize>| {
        let mut of = chosen.iter().filter(|one| own.contains(&one.sighting.run));
        let vantages: BTreeSet<usize> = of.clone().map(|one| one.sighting.vantage).collect();
        vantages.len() > 1 || of.any(|one| one.sighting.judged)
    };
    if parts.len() > 1 {
        let (kept, left): (Vec<Part>, Vec<Part>) =
            parts.into_iter().partition(|part| carried(&support(part, &chosen)));
        doubts.extend(left.iter().flat_map(|part| &part.runs).map(|run| Doubt::DoesNotFit(*run)));
        parts = kept;
    }
    if parts.is_empty() {
        return Explained { doubts: doubts.into_iter().collect(), ..Explained::nothing("contradiction") };
    }
    // What speaks for all alternatives of a part, before they change.
    let support: Vec<BTreeSet<usize>> = parts.iter().map(|part| support(part, &chosen)).collect();
    let mut widened = false;
    let mut excluded: BTreeSet<u32> = BTreeSet::new();
    for (part, own) in parts.iter_mut().zip(&support) {
        let of: Vec<&&Family<'_>> = chosen.iter().filter(|one| own.contains(&one.sighting.run)).collect();
        let carries = |asn: &u32| of.iter().find_map(|one| one.carries.get(asn).copied());
        let instead = instead(part, &chosen);
        let clear: BTreeSet<u32> = part.asns.iter().copied().filter(|asn| carries(asn).is_some()).collect();
        // Whoever it is carries packets from elsewhere as well: a device of it, not all of it.
        let everybody = clear.len() == part.asns.len();
        if !everybody && of.iter().all(|one| one.far_side) {
            part.asns.retain(|asn| !clear.contains(asn));
            doubts.extend(clear.iter().map(|asn| Doubt::OnlyElsewhere(*asn)));
            excluded.extend(clear);
        } else {
            doubts.extend(clear.iter().filter_map(|asn| Some(Doubt::AlsoCarries(*asn, carries(asn)?))));
        }
        if let Some(Instead { each, all }) = instead {
            if !each.is_empty() {
                doubts.insert(Doubt::OrEach(part.asns.clone(), each));
            }
            if everybody {
                (part.asns, widened) = (all, true);
            }
        }
    }
    for family in families.iter().filter(|one| !one.sighting.bounds.firm) {
        if !parts.iter().any(|part| part.asns.iter().any(|asn| family.asns.contains(asn))) {
            doubts.insert(Doubt::DoesNotFit(family.sighting.run));
        }
    }
    let needed_clearing = !excluded.is_empty();
    let mut confidence = support.iter().map(|own| sure(own, &chosen)).fold(SUREST, f64::min);
    if needed_clearing {
        confidence *= CLEARED_ELSEWHERE;
    }
    // The strongest failing piece of each part is needed, and the proof that the target is alive where no verdict stands alone.
    let best = |part: &Part| {
        let own = |one: &&&Family<'_>| part.runs.binary_search(&one.sighting.run).is_ok();
        chosen.iter().filter(own).map(|one| one.sighting.grade).max()
    };
    let mut grade = parts.iter().filter_map(best).min();
    if needed_clearing || chosen.iter().all(|one| !one.sighting.judged) {
        grade = grade.min(of(State::Works).map(|one| one.grade).max().or(grade));
    }
    // Between two networks a third may be hidden that shows no address of its own: a border that only traces of one place show is
    // listed, and nobody is accused.
    let lone = parts.iter().zip(&support).any(|(part, own)| part.asns.len() > 1 && !carried(own));
    let kind = if lone || widened { "lost_in_as_range" } else { kind_of(&parts, &chosen) };
    Explained {
        kind,
        parts,
        cleared: excluded,
        reason: None,
        confidence,
        grade,
        doubts: doubts.into_iter().collect(),
    }
}

/// The conclusion where no transit network can be named.
fn without_transit(
    homes: &[&Family<'_>],
    transit: &[&Family<'_>],
    families: &[Family<'_>],
    alive: &BTreeSet<usize>,
    doubts: BTreeSet<Doubt>,
    seen: &Seen,
) -> Explained {
    let doubts: Vec<Doubt> = doubts.into_iter().collect();
    if !homes.is_empty() && transit.is_empty() {
        let asns: BTreeSet<u32> =
            homes.iter().filter_map(|one| seen.targets[one.sighting.target].asn).collect();
        let stops = homes.iter().any(|one| one.sighting.state == State::Stops);
        let runs = homes.iter().map(|one| one.sighting.run).collect();
        return Explained {
            kind: if stops { "destination_network" } else { "host_or_return_path" },
            parts: vec![Part { asns: asns.into_iter().collect(), runs }],
            cleared: BTreeSet::new(),
            reason: None,
            confidence: homes.iter().map(|one| one.sighting.confidence).fold(0.0, f64::max),
            grade: homes.iter().map(|one| one.sighting.grade).max(),
            doubts,
        };
    }
    if !transit.is_empty() {
        // Somebody's text has firm bounds, but nobody saw the target alive.
        return Explained { doubts, ..Explained::nothing("weak") };
    }
    // Ranges of our own runs, and borders that other paths made open, list networks without accusing any.
    let lists = |kind: &str| ["lost_in_as_range", "lost_at_as_border"].contains(&kind);
    let open =
        |one: &&Family<'_>| !one.sighting.bounds.firm && one.sighting.kind.as_deref().is_some_and(lists);
    let ranges: Vec<&Family<'_>> = families.iter().filter(open).collect();
    // What is open may lack whoever it was, so that a single network which they have in common is no finding.
    let common = if ranges.is_empty() { BTreeSet::new() } else { intersection(&ranges) };
    let asns = match common.len() {
        0 | 1 => ranges.iter().flat_map(|one| one.asns).copied().collect(),
        _ => common,
    };
    if !asns.is_empty() {
        let runs = ranges.iter().map(|one| one.sighting.run).collect();
        return Explained {
            kind: "lost_in_as_range",
            parts: vec![Part { asns: asns.into_iter().collect(), runs }],
            cleared: BTreeSet::new(),
            reason: None,
            confidence: ranges.iter().map(|one| one.sighting.confidence).fold(0.0, f64::max),
            grade: ranges.iter().map(|one| one.sighting.grade).max(),
            doubts,
        };
    }
    let reason = if alive.is_empty() && families.len() == 1 { "no_reference" } else { "weak" };
    Explained { doubts, ..Explained::nothing(reason) }
}

/// Vantages from which a target answers in one run and not in another of about the same time.
fn varying(seen: &Seen) -> BTreeSet<usize> {
    let mut states: HashMap<(usize, usize), (bool, bool)> = HashMap::new();
    for one in &seen.sightings {
        let state = states.entry((one.vantage, one.target)).or_default();
        match one.state {
            State::Works => state.0 = true,
            State::Stops | State::Host => state.1 = true,
            State::Unknown => {}
        }
    }
    states.into_iter().filter(|(_, state)| *state == (true, true)).map(|((vantage, _), _)| vantage).collect()
}

fn intersection(families: &[&Family<'_>]) -> BTreeSet<u32> {
    let mut sets = families.iter().map(|one| one.asns);
    let Some(first) = sets.next() else { return BTreeSet::new() };
    sets.fold(first.clone(), |common, set| common.intersection(set).copied().collect())
}

/// The fewest networks of which each family has one; each with its alternatives and the runs that it explains.
fn smallest(families: &[&Family<'_>]) -> Vec<Part> {
    let runs = |of: &dyn Fn(&Family<'_>) -> bool| -> Vec<usize> {
        let mut runs: Vec<usize> =
            families.iter().filter(|one| of(one)).map(|one| one.sighting.run).collect();
        runs.sort_unstable();
        runs
    };
    let common = intersection(families);
    if !common.is_empty() {
        return vec![Part { asns: common.into_iter().collect(), runs: runs(&|_| true) }];
    }
    let sets: BTreeSet<&BTreeSet<u32>> = families.iter().map(|one| one.asns).collect();
    let sets: Vec<&BTreeSet<u32>> = sets.into_iter().collect();
    let chosen = hitting(&sets, usize::MAX).unwrap_or_default();
    let ranks: BTreeMap<u32, usize> = chosen.iter().enumerate().map(|(rank, asn)| (*asn, rank)).collect();
    // Each run belongs to the first that explains it. But whoever explains all that nobody else of the chosen does could stand in
    // the place of one of them: what others explain as well says nothing of it.
    let mut of: Vec<(Vec<usize>, Vec<&Family<'_>>)> = vec![Default::default(); chosen.len()];
    for family in families {
        let mut by = family.asns.iter().filter_map(|asn| ranks.get(asn));
        let Some(first) = by.next() else { continue };
        let (first, alone) = by.fold((first, true), |(first, _), rank| (first.min(rank), false));
        of[*first].0.push(family.sighting.run);
        if alone {
            of[*first].1.push(family);
        }
    }
    let parts = of.into_iter().filter(|(_, own)| !own.is_empty()).map(|(mut runs, own)| {
        runs.sort_unstable();
        Part { asns: intersection(&own).into_iter().collect(), runs }
    });
    parts.collect()
}

/// Who explains what a part does, each some of it.
struct Instead {
    /// The fewest of them; empty where they are too many to be told.
    each: Vec<u32>,
    /// All that any of the runs allows, the part's own among them; of too many, the part's own and the fewest.
    all: Vec<u32>,
}

/// Where runs only have a network in common that carries other packets to the target, and none has narrowed it down to that one by
/// itself, it would take a device of it at each of those borders; and the networks on the near sides, each with a device of its own,
/// explain as much. What an authority orders is done just so, and whoever stands behind all these borders would be named for it.
fn instead(part: &Part, families: &[&Family<'_>]) -> Option<Instead> {
    let others: Vec<BTreeSet<u32>> = families
        .iter()
        .filter(|one| part.runs.binary_search(&one.sighting.run).is_ok())
        .map(|one| one.asns.iter().copied().filter(|asn| !part.asns.contains(asn)).collect())
        .collect();
    if others.iter().any(BTreeSet::is_empty) {
        return None;
    }
    let distinct: BTreeSet<&BTreeSet<u32>> = others.iter().collect();
    let mut each = hitting(&distinct.into_iter().collect::<Vec<_>>(), EXACT).unwrap_or_default();
    each.sort_unstable();
    let mut all: BTreeSet<u32> = others.iter().flatten().chain(&part.asns).copied().collect();
    if all.len() > EXACT {
        all = part.asns.iter().chain(&each).copied().collect();
    }
    Some(Instead { each, all: all.into_iter().collect() })
}

/// A smallest hitting set of `sets`, those that hit the most first; `None` if it has more than `most`.
fn hitting(sets: &[&BTreeSet<u32>], most: usize) -> Option<Vec<u32>> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for asn in sets.iter().flat_map(|set| set.iter()) {
        *counts.entry(*asn).or_default() += 1;
    }
    let mut asns: Vec<u32> = counts.keys().copied().collect();
    asns.sort_by_key(|asn| std::cmp::Reverse(counts[asn]));
    if asns.len() <= EXACT {
        let hits = |chosen: &[u32]| sets.iter().all(|set| chosen.iter().any(|asn| set.contains(asn)));
        for (at, one) in asns.iter().enumerate() {
            for two in &asns[at + 1..] {
                if hits(&[*one, *two]) {
                    return Some(vec![*one, *two]);
                }
            }
        }
        for (at, one) in asns.iter().enumerate() {
            for (next, two) in asns.iter().enumerate().skip(at + 1) {
                if let Some(three) = asns[next + 1..].iter().find(|three| hits(&[*one, *two, **three])) {
                    return Some(vec![*one, *two, *three]);
                }
            }
        }
    }
    let mut of: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (place, set) in sets.iter().enumerate() {
        for asn in *set {
            of.entry(*asn).or_default().push(place);
        }
    }
    let mut hit = vec![false; sets.len()];
    let mut chosen = Vec::new();
    loop {
        let left = counts.iter().filter(|(_, count)| **count > 0);
        let best = left.max_by_key(|(asn, count)| (**count, std::cmp::Reverse(**asn)));
        let Some(best) = best.map(|(asn, _)| *asn) else { return Some(chosen) };
        if chosen.len() == most {
            return None;
        }
        for place in of.get(&best).into_iter().flatten() {
            if !std::mem::replace(&mut hit[*place], true) {
                for asn in sets[*place] {
                    counts.entry(*asn).and_modify(|count| *count -= 1);
                }
            }
        }
        chosen.push(best);
    }
}

/// The runs that bear a part out: those to which each of its alternatives may be to blame.
fn support(part: &Part, families: &[&Family<'_>]) -> BTreeSet<usize> {
    let bears = |one: &&&Family<'_>| {
        part.runs.binary_search(&one.sighting.run).is_ok()
            && part.asns.iter().all(|asn| one.asns.contains(asn))
    };
    families.iter().filter(bears).map(|one| one.sighting.run).collect()
}

/// How sure it is that one of a part is to blame: independent vantages add up.
fn sure(own: &BTreeSet<usize>, families: &[&Family<'_>]) -> f64 {
    let mut by_vantage: BTreeMap<usize, f64> = BTreeMap::new();
    for family in families.iter().filter(|one| own.contains(&one.sighting.run)) {
        let best = by_vantage.entry(family.sighting.vantage).or_default();
        *best = best.max(family.sighting.confidence);
    }
    let doubt: f64 = by_vantage.values().map(|sure| 1.0 - sure).product();
    (1.0 - doubt).min(SUREST)
}

/// The kind of a conclusion that names these.
fn kind_of(parts: &[Part], families: &[&Family<'_>]) -> &'static str {
    const SPECIAL: [&str; 4] = ["rejected", "injected", "routing_fault", "partial"];
    let mut kinds = families.iter().map(|one| one.sighting.kind.as_deref());
    let first = kinds.next().flatten();
    let special = SPECIAL.into_iter().find(|kind| Some(*kind) == first);
    if let Some(kind) = special
        && kinds.all(|one| one == first)
    {
        return kind;
    }
    match parts.iter().map(|part| part.asns.len()).max().unwrap_or(0) {
        0 | 1 => "lost_inside_as",
        2 => "lost_at_as_border",
        _ => "lost_in_as_range",
    }
}
