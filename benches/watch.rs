//! How often does a watch cry wolf, how soon does it find a change, and what does a kill cost?
//!
//! `cargo bench --bench watch` draws worlds from `lasthop::sim::random` and measures each under every condition (well, lossy, a
//! route that moves in mid-run, blocked, blocked from or until mid-run, blocked elsewhere, host down, reference down, both down,
//! the whole network down). These runs are whole measurements. Days are then put together from them: at each time of the
//! schedule a run is drawn from those that were measured in this world under the condition that holds at that time, and the
//! test of change takes what it shows. So the verdicts and their errors are those of `sim`; that errors of two runs are drawn
//! independently is the model's, and a second row adds wrong verdicts at the full rate that a confidence of 99 % allows, a
//! third the same in clusters.
//!
//! Then the program itself is killed at random moments (SIGKILL), and what it had confirmed is looked for.
//!
//! * `--worlds N`, `--runs N`, `--days N`, `--kills N`, `--seed N`; `--quick` for a few of each
//! * `--check`: an exit status of 1 where a floor is missed

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lasthop::path::Overlay;
use lasthop::report::{self, Measured, Session};
use lasthop::session;
use lasthop::sim::random::{Fault, Weather, world};
use lasthop::sim::{Network, Topology};
use lasthop::trace::WallTime;
use lasthop::watch::change::Limits;
use lasthop::watch::schedule::Schedule;
use lasthop::watch::{Event, Happened, History, Series, Sighting, Standing, Subject};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const INTERVAL: Duration = Duration::from_secs(300);
const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;

/// What holds in a world for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Well,
    Lossy,
    RouteMoves,
    Blocked,
    BlockBegins,
    BlockEnds,
    BlockedElsewhere,
    HostDown,
    ReferenceDown,
    BothDown,
    Outage,
}

const CONDITIONS: [Condition; 11] = [
    Condition::Well,
    Condition::Lossy,
    Condition::RouteMoves,
    Condition::Blocked,
    Condition::BlockBegins,
    Condition::BlockEnds,
    Condition::BlockedElsewhere,
    Condition::HostDown,
    Condition::ReferenceDown,
    Condition::BothDown,
    Condition::Outage,
];

/// A world under every condition, and what runs in it showed.
struct Place {
    culprit: u32,
    /// Four of five runs in the second place name none of the networks that any run in the first one names.
    moves: bool,
    pools: Vec<Vec<Sighting>>,
}

fn number(name: &str, usual: u64) -> u64 {
    let words: Vec<String> = std::env::args().collect();
    let at = words.iter().position(|word| word == name);
    at.and_then(|at| words.get(at + 1)?.parse().ok()).unwrap_or(usual)
}

fn has(name: &str) -> bool {
    std::env::args().any(|word| word == name)
}

/// The topology of `seed` under a condition; none where the world has no room for it.
fn under(seed: u64, condition: Condition) -> Option<(Topology, bool, u32)> {
    if condition == Condition::RouteMoves {
        let world = world(seed, Fault::RouteChange, Weather::Usual);
        return Some((world.topology, world.v6, 0));
    }
    let world = world(seed, Fault::Drop, Weather::Usual);
    let culprit = world.culprit?;
    let mut topology = world.topology;
    let target = topology.target.clone();
    let references = topology.references.clone();
    let mine = |rule: &lasthop::sim::Rule| rule.to.as_deref() == Some(target.as_str());
    let drop = topology.rules.iter().find(|rule| mine(rule))?.clone();
    // Somewhere else on the path: a router of a transit network that is neither the culprit nor the destination.
    let others = topology.networks.iter().filter(|one| {
        let asn = one.asn.unwrap_or(0);
        asn != culprit.0 && asn != world.destination.0 && world.path.iter().any(|known| known.0 == asn)
    });
    let router = others.filter_map(|one| one.routers.first().cloned()).next_back()?;
    let down = |topology: &mut Topology, names: &[String]| {
        for host in topology.hosts.iter_mut().filter(|host| names.contains(&host.name)) {
            host.down = true;
        }
    };
    let blocked = matches!(
        condition,
        Condition::Blocked
            | Condition::BlockBegins
            | Condition::BlockEnds
            | Condition::BlockedElsewhere
            | Condition::Outage
    );
    if !blocked {
        topology.rules.retain(|rule| !mine(rule));
    }
    match condition {
        Condition::Lossy => {
            topology.links.iter_mut().for_each(|link| link.loss = (link.loss + 0.005).min(0.1))
        }
        Condition::BlockBegins => {
            topology.rules.iter_mut().filter(|rule| mine(rule)).for_each(|rule| rule.from_s = 5.0)
        }
        Condition::BlockEnds => {
            topology.rules.iter_mut().filter(|rule| mine(rule)).for_each(|rule| rule.until_s = Some(5.0));
        }
        Condition::BlockedElsewhere => {
            topology.rules.iter_mut().filter(|rule| mine(rule)).for_each(|rule| rule.at.clone_from(&router));
        }
        Condition::HostDown => down(&mut topology, std::slice::from_ref(&target)),
        Condition::ReferenceDown => down(&mut topology, &references),
        Condition::BothDown => down(&mut topology, &[references, vec![target.clone()]].concat()),
        Condition::Outage => {
            // At every router of that network, and whatever the protocol: neither a balancer nor a ping finds a way past it.
            let routers = topology.networks.iter().filter(|one| one.asn == Some(culprit.0));
            let routers: Vec<String> = routers.flat_map(|one| one.routers.clone()).collect();
            for to in [references, vec![target.clone()]].concat() {
                for at in &routers {
                    let to = Some(to.clone());
                    topology.rules.push(lasthop::sim::Rule {
                        at: at.clone(),
                        to,
                        protocol: None,
                        port: None,
                        ..drop.clone()
                    });
                }
            }
        }
        _ => {}
    }
    Some((topology, world.v6, culprit.0))
}

fn measure(topology: &Topology, v6: bool, seed: u64) -> Sighting {
    let mut network = Network::new(topology, v6, seed).unwrap_or_else(|error| panic!("{seed}: {error}"));
    let plan = network.plan(topology, seed).unwrap_or_else(|error| panic!("{seed}: {error}"));
    let origins = Overlay {
        entries: topology.prefixes(),
        ixps: topology.exchanges().into_iter().map(|(prefix, _)| prefix).collect(),
        links: topology.neighbours(),
        under: None,
    };
    let found = session::diagnose(plan, WallTime(0), &mut network, &origins, 0.99, &mut |_| {})
        .unwrap_or_else(|error| panic!("{seed}: {error}"));
    let measured = Measured {
        run: &found.run,
        target: &found.target,
        references: &found.references,
        verdict: Some(&found.verdict),
        search: None,
        matrix: false,
    };
    Sighting::of(&report::document(&Session::default(), measured, None), WallTime(0))
}

fn place(seed: u64, runs: u64) -> Option<Place> {
    let mut names = 0;
    let mut pools: Vec<Vec<Sighting>> = Vec::new();
    for condition in CONDITIONS {
        let (topology, v6, who) = under(seed, condition)?;
        if condition == Condition::Well {
            names = who;
        }
        pools.push((0..runs).map(|run| measure(&topology, v6, seed * 10_000 + run)).collect());
    }
    let of = |wanted: Condition| &pools[CONDITIONS.iter().position(|one| *one == wanted).unwrap()];
    let here: Vec<u32> = of(Condition::Blocked)
        .iter()
        .filter_map(|one| one.place.as_ref())
        .flat_map(|one| one.asns.clone())
        .collect();
    let there: &Vec<Sighting> = of(Condition::BlockedElsewhere);
    let apart =
        there.iter().filter(|one| one.place.as_ref().is_some_and(|place| place.is_apart(&here))).count();
    let moves = apart * 10 >= there.len() * 8;
    Some(Place { culprit: names, moves, pools })
}

fn places(first: u64, count: u64, runs: u64) -> Vec<Place> {
    let (next, all) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if at >= count {
                        return;
                    }
                    if let Some(place) = place(first + at, runs) {
                        all.lock().unwrap().push((at, place));
                    }
                }
            });
        }
    });
    let mut all = all.into_inner().unwrap();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, place)| place).collect()
}

/// A time in which a condition holds, in seconds.
#[derive(Clone, Copy, Debug)]
struct Spell {
    from: f64,
    to: f64,
    condition: Condition,
}

/// What really happens in so many days: spells that do not overlap, in order; the rest is well.
fn fate(dice: &mut ChaCha8Rng, days: u64) -> Vec<Spell> {
    let mut spells = Vec::new();
    let mut now = HOUR;
    let end = days as f64 * DAY;
    while now < end {
        now += -6.0 * HOUR * (1.0 - dice.random::<f64>()).ln();
        let hours =
            |dice: &mut ChaCha8Rng, low: f64, high: f64| HOUR * (low + (high - low) * dice.random::<f64>());
        let (condition, length) = match dice.random_range(0..100) {
            0..40 => (Condition::RouteMoves, 60.0),
            40..65 => (Condition::Lossy, hours(dice, 0.2, 4.0)),
            65..75 => (Condition::ReferenceDown, hours(dice, 0.5, 4.0)),
            75..82 => (Condition::Outage, hours(dice, 0.2, 3.0)),
            82..87 => (Condition::BothDown, hours(dice, 0.5, 3.0)),
            87..91 => (Condition::HostDown, hours(dice, 1.0, 6.0)),
            _ => (Condition::Blocked, hours(dice, 3.0, 72.0)),
        };
        spells.push(Spell { from: now, to: now + length, condition });
        if condition == Condition::Blocked && dice.random_bool(0.25) {
            let more = hours(dice, 3.0, 24.0);
            spells.push(Spell {
                from: now + length,
                to: now + length + more,
                condition: Condition::BlockedElsewhere,
            });
            now += more;
        }
        now += length;
    }
    spells.retain(|spell| spell.to < end - HOUR);
    spells
}

/// Wrong verdicts beyond those that `sim` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errors {
    None,
    Independent,
    Clustered,
}

#[derive(Default)]
struct Tally {
    days: f64,
    runs: u64,
    blind: u64,
    false_begins: u32,
    false_ends: u32,
    false_moves: u32,
    /// Begins and ends of blocks: all, found, found within two intervals.
    changes: [u32; 3],
    moves: [u32; 3],
    /// Moves in worlds where runs in both places name a network in common.
    unmovable: [u32; 3],
    /// The same of a host that is down, and begins of it that name somebody else than its network.
    hosts: [u32; 3],
    host_accusations: u32,
    /// Begins of blocks that do not name the culprit.
    misnamed: u32,
    delays: Vec<f64>,
}

fn watch(place: &Place, days: u64, seed: u64, errors: Errors, tally: &mut Tally) {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let spells = fate(&mut dice, days);
    let (limits, subject) = (Limits::new(0.99, INTERVAL), Subject::default());
    let mut series = Series::default();
    let mut schedule = Schedule::new(INTERVAL, 0.1, Duration::ZERO);
    let mut at = 0;
    let mut events: Vec<(f64, Event)> = Vec::new();
    let (mut run, mut after_wrong) = (0, false);
    let end = days as f64 * DAY;
    loop {
        let began = schedule.due();
        let now = began.as_secs_f64();
        if now >= end {
            break;
        }
        while spells.get(at).is_some_and(|spell| spell.to <= now) {
            at += 1;
        }
        let length = 20.0;
        let holds = spells.get(at).filter(|spell| spell.from <= now);
        let changes = spells.get(at).filter(|spell| spell.from > now && spell.from < now + length);
        let condition = match (holds, changes) {
            (Some(spell), _) if spell.condition == Condition::Blocked && spell.to < now + length => {
                Condition::BlockEnds
            }
            (Some(spell), _) => spell.condition,
            (None, Some(spell)) if spell.condition == Condition::Blocked => Condition::BlockBegins,
            (None, _) => Condition::Well,
        };
        let pool = &place.pools[CONDITIONS.iter().position(|one| *one == condition).unwrap()];
        let mut sighting = pool[dice.random_range(0..pool.len())].clone();
        let wrong = match errors {
            Errors::None => false,
            Errors::Independent => dice.random_bool(0.01),
            // The same rate, and a tenth of the wrong ones bring another with the next run.
            Errors::Clustered => {
                after_wrong = dice.random_bool(if after_wrong { 0.1 } else { 0.009 });
                after_wrong
            }
        };
        if wrong && sighting.standing != Standing::Unknown {
            let other =
                if sighting.standing == Standing::Reachable { Condition::Blocked } else { Condition::Well };
            let pool = &place.pools[CONDITIONS.iter().position(|one| *one == other).unwrap()];
            sighting = pool[dice.random_range(0..pool.len())].clone();
        }
        sighting.at = WallTime((now * 1e9) as i64);
        tally.runs += 1;
        tally.blind += u64::from(sighting.standing == Standing::Unknown);
        run += 1;
        let (event, extra) = series.take(&limits, &subject, run, &sighting);
        events.extend(event.map(|event| (now, event)));
        schedule.ran(began, began + Duration::from_secs_f64(length), extra, dice.random());
    }
    tally.days += days as f64;
    judge(place, &spells, &events, tally);
}

/// Holds events against what really happened.
fn judge(place: &Place, spells: &[Spell], events: &[(f64, Event)], tally: &mut Tally) {
    let two = 2.0 * INTERVAL.as_secs_f64();
    let mut used = vec![false; events.len()];
    let is_lost = |condition: Condition| {
        matches!(condition, Condition::Blocked | Condition::BlockedElsewhere | Condition::HostDown)
    };
    let find = |what: Happened, from: f64, to: f64, used: &mut Vec<bool>| {
        let at = events.iter().enumerate().position(|(at, (time, event))| {
            !used[at] && event.event == what && *time >= from && *time < to
        })?;
        used[at] = true;
        Some(at)
    };
    for (at, spell) in spells.iter().enumerate() {
        if !is_lost(spell.condition) {
            continue;
        }
        let joined = at > 0 && is_lost(spells[at - 1].condition) && spells[at - 1].to >= spell.from;
        let goes_on = spells.get(at + 1).is_some_and(|next| is_lost(next.condition) && next.from <= spell.to);
        let next = spells
            .get(at + 1..)
            .and_then(|rest| rest.iter().find(|one| is_lost(one.condition)))
            .map_or(f64::MAX, |one| one.from);
        let host = spell.condition == Condition::HostDown;
        if joined && !place.moves {
            // Not false either: runs in the one place and the other name a network in common, and a move may be seen or not.
            find(Happened::Moved, spell.from, spell.to, &mut used);
        }
        let tallies = if host {
            &mut tally.hosts
        } else if joined && !place.moves {
            &mut tally.unmovable
        } else if joined {
            &mut tally.moves
        } else {
            &mut tally.changes
        };
        let what = if joined { Happened::Moved } else { Happened::Begin };
        tallies[0] += 1;
        if let Some(found) = find(what, spell.from, spell.to, &mut used) {
            tallies[1] += 1;
            tallies[2] += u32::from(events[found].0 <= spell.from + two);
            let named = events[found].1.place.as_ref().map_or(&[][..], |place| &place.asns);
            if !host && !joined {
                tally.delays.push(events[found].0 - spell.from);
                tally.misnamed += u32::from(!named.is_empty() && !named.contains(&place.culprit));
            }
            let kind = events[found].1.place.as_ref().map_or("", |place| place.kind.as_str());
            let accuses = matches!(
                kind,
                "lost_inside_as" | "lost_at_as_border" | "rejected" | "routing_fault" | "partial"
            );
            tally.host_accusations += u32::from(host && accuses);
        }
        if !goes_on {
            let tallies = if host { &mut tally.hosts } else { &mut tally.changes };
            tallies[0] += 1;
            if let Some(found) = find(Happened::End, spell.to, next, &mut used) {
                tallies[1] += 1;
                tallies[2] += u32::from(events[found].0 <= spell.to + two);
                if !host {
                    tally.delays.push(events[found].0 - spell.to);
                }
            }
        }
    }
    for (at, _) in used.iter().enumerate().filter(|(_, used)| !**used) {
        match events[at].1.event {
            Happened::Begin => tally.false_begins += 1,
            Happened::End => tally.false_ends += 1,
            Happened::Moved => tally.false_moves += 1,
        }
    }
}

fn percent(part: u32, all: u32) -> f64 {
    if all == 0 { f64::NAN } else { 100.0 * f64::from(part) / f64::from(all) }
}

/// Kills the program at random moments; gives how often, confirmed runs, and what was lost.
fn kills(count: u64, seed: u64) -> (u64, u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.db");
    let path = file.to_str().unwrap();
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let (mut before, mut lost, mut told) = (0, 0, Vec::new());
    for round in 0..count {
        let script = "clear:4,blackhole:4,clear:4,blackhole:4,clear:4,blackhole:4,clear:4000";
        let words = ["watch", "--json", "-v", "--simulate", script, "--history", path, "--keep", "3000"];
        let mut child = Command::new(env!("CARGO_BIN_EXE_lasthop"))
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // From before the file is opened to the twentieth run or so.
        std::thread::sleep(Duration::from_micros(dice.random_range(0..120_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        // A run is said before it is put away: all but the last that was said are confirmed. The first line announces the watch.
        let confirmed =
            (said.lines().filter(|line| line.contains("mx1.proton")).count() as u64).saturating_sub(2);
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            told.extend(serde_json::from_str::<Event>(&line).map(|event| event.id));
        }
        if !file.exists() {
            lost += u64::from(before > 0 || confirmed > 0);
            continue;
        }
        let now = match History::open(&file) {
            Ok(history) => {
                let events = history.events().unwrap();
                lost += told.iter().filter(|id| !events.iter().any(|event| event.id == **id)).count() as u64;
                history.next_run().unwrap() - 1
            }
            // Killed while the file was being made: nothing was confirmed yet, and the next start makes it.
            Err(_) if before == 0 && confirmed == 0 => 0,
            Err(error) => panic!("after kill {round}: {error}"),
        };
        lost += (before + confirmed).saturating_sub(now);
        before = now;
    }
    // And it still opens to be written.
    History::create(&file).unwrap();
    (count, before, lost)
}

fn main() -> ExitCode {
    let quick = has("--quick");
    let pick = |name, usual, small| number(name, if quick { small } else { usual });
    let (worlds, runs, days) = (pick("--worlds", 40, 10), pick("--runs", 60, 12), pick("--days", 1000, 1000));
    let seed = number("--seed", 1);
    let began = Instant::now();
    let all = places(seed * 1000, worlds, runs);
    let measured = all.len() as u64 * runs * CONDITIONS.len() as u64;
    println!("{measured} runs measured in {} worlds, {:.0} s", all.len(), began.elapsed().as_secs_f64());
    // Where a run cannot see a block at all, no test over runs can: told apart, not hidden.
    let sees = |place: &&Place| {
        [Condition::Blocked, Condition::Well].iter().all(|condition| {
            let pool = &place.pools[CONDITIONS.iter().position(|one| one == condition).unwrap()];
            let wanted = if *condition == Condition::Blocked { Standing::Lost } else { Standing::Reachable };
            pool.iter().filter(|one| one.standing == wanted).count() * 10 >= pool.len() * 8
        })
    };
    let (seeing, blind): (Vec<&Place>, Vec<&Place>) = all.iter().partition(sees);
    println!(
        "a block is seen by four of five runs or more in {} worlds, not so in {}",
        seeing.len(),
        blind.len()
    );
    for (at, condition) in CONDITIONS.iter().enumerate() {
        let count = |standing| {
            all.iter().flat_map(|one| &one.pools[at]).filter(|one| one.standing == standing).count()
        };
        let total = all.len() as f64 * runs as f64 / 100.0;
        println!(
            "  {:17} reachable {:5.1} %  lost {:5.1} %  tells nothing {:5.1} %",
            format!("{condition:?}"),
            count(Standing::Reachable) as f64 / total,
            count(Standing::Lost) as f64 / total,
            count(Standing::Unknown) as f64 / total
        );
    }
    if has("--kinds") {
        for (at, condition) in CONDITIONS.iter().enumerate() {
            let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
            for one in all.iter().flat_map(|one| &one.pools[at]) {
                *kinds.entry(format!("{}/{}", one.standing.word(), one.kind)).or_default() += 1;
            }
            println!("  {condition:?}: {kinds:?}");
        }
    }
    let limits = Limits::new(0.99, INTERVAL);
    println!(
        "\ninterval {} s, {} runs in a row decide (h = {:.2}); promised: at most {} false alarms in 1,000 days",
        INTERVAL.as_secs(),
        limits.row(),
        limits.threshold(),
        2.0 * limits.allowed
    );
    let mut fails = Vec::new();
    for (name, errors) in [
        ("as sim errs", Errors::None),
        ("with 1 % wrong verdicts more", Errors::Independent),
        ("with as many in clusters", Errors::Clustered),
    ] {
        for (kind, chosen) in [("", &seeing), (", where blocks are hard to see", &blind)] {
            let mut tally = Tally::default();
            for (at, place) in chosen.iter().enumerate() {
                watch(place, days, seed * 77 + at as u64, errors, &mut tally);
            }
            if tally.days < 1.0 {
                continue;
            }
            let false_alarms = tally.false_begins + tally.false_ends;
            let rate = f64::from(false_alarms) * 1000.0 / tally.days;
            tally.delays.sort_by(f64::total_cmp);
            let median = tally.delays.get(tally.delays.len() / 2).copied().unwrap_or(f64::NAN)
                / INTERVAL.as_secs_f64();
            let [changes, found, in_time] = tally.changes;
            println!(
                "\n{name}{kind}: {:.0} days, {} runs, {:.1} % tell nothing\n  false begin {}, end {}, moved {}: {rate:.2} begin or end in 1,000 days\n  \
                 blocks begun or ended: {changes}, found {:.2} %, within two intervals {:.2} %, median after {median:.2} intervals\n  \
                 begins that do not name the culprit: {}\n  moved: {}, found {:.1} %, within two intervals {:.1} % (and {} between places that have a network in common)\n  \
                 host down or up: {}, found {:.1} %, accusing somebody: {}",
                tally.days,
                tally.runs,
                100.0 * tally.blind as f64 / tally.runs as f64,
                tally.false_begins,
                tally.false_ends,
                tally.false_moves,
                percent(found, changes),
                percent(in_time, changes),
                tally.misnamed,
                tally.moves[0],
                percent(tally.moves[1], tally.moves[0]),
                percent(tally.moves[2], tally.moves[0]),
                tally.unmovable[0],
                tally.hosts[0],
                percent(tally.hosts[1], tally.hosts[0]),
                tally.host_accusations
            );
            if errors == Errors::None && kind.is_empty() {
                if rate > 1.0 {
                    fails.push(format!("{rate:.2} false alarms in 1,000 days (floor 1)"));
                }
                if percent(in_time, changes) < 99.0 {
                    fails.push(format!("{:.2} % found in time (floor 99)", percent(in_time, changes)));
                }
            }
        }
    }
    let (count, confirmed, lost) = kills(pick("--kills", 500, 40), seed);
    println!("\n{count} kills: {confirmed} runs confirmed, {lost} of what was confirmed lost");
    if lost > 0 {
        fails.push(format!("{lost} lost by kills (floor 0)"));
    }
    for fail in &fails {
        println!("MISSED: {fail}");
    }
    if has("--check") && !fails.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
