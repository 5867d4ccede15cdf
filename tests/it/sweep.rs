//! Every fault at every router of the way, on kernel routers: whoever is accused is the one, or nobody is.
//!
//! The worlds are those of `world.rs`. A few are built, and each takes case after case: the fault is set, the program
//! run, the fault undone. What is demanded of a verdict is what the place can show: an accusing kind must be one that the
//! fault looks like, and any set of ASes must hold the one whose router does it.
//!
//! By default a third of the cases runs, so chosen that in each family every router meets three faults and every fault
//! stands at three or four routers. `LASTHOP_SWEEP=full` runs all of them.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::net::{missing_right, run, skip};
use super::world::{
    FORWARD, FOUR, Names, RAW, ROUTERS, SIX, SPACES, World, address, change_route, concluded, document,
};

/// How many worlds take cases at the same time: a run mostly waits.
const WORLDS: usize = 8;

/// What is done to the target's packets at a router.
#[derive(Clone, Copy)]
enum Deed {
    /// A rule of its filter, in this hook.
    Rule(&'static str, &'static str),
    /// A route that leads nowhere.
    Route(&'static str),
    /// A route back to the router they came from.
    Back,
}

/// A fault's name, how it is done, and the accusing kinds that are right for it.
type Fault = (&'static str, Deed, &'static [&'static str]);

const LOST: &[&str] = &["lost_inside_as", "lost_at_as_border"];
const FAULTS: [Fault; 9] = [
    ("drop", Deed::Rule(FORWARD, "DST drop"), LOST),
    ("raw_drop", Deed::Rule(RAW, "DST drop"), LOST),
    ("reject", Deed::Rule(FORWARD, "DST reject with ICMP type admin-prohibited"), &["rejected"]),
    ("reset", Deed::Rule(FORWARD, "DST meta l4proto tcp reject with tcp reset"), &["injected"]),
    ("blackhole", Deed::Route("blackhole"), LOST),
    ("unreachable", Deed::Route("unreachable"), &["routing_fault"]),
    ("prohibit", Deed::Route("prohibit"), &["rejected"]),
    ("port", Deed::Rule(FORWARD, "DST tcp dport 25 drop"), LOST),
    ("loop", Deed::Back, &["routing_fault"]),
];

/// A fault at a router, in one family.
#[derive(Clone, Copy)]
struct Case {
    fault: Fault,
    /// Place in [`ROUTERS`].
    router: usize,
    names: Names,
}

impl Case {
    fn room(&self) -> &'static str {
        ROUTERS[self.router].0
    }

    fn last(&self) -> bool {
        self.router + 1 == ROUTERS.len()
    }

    /// The AS that operates the router; 0 for the home's, which is nobody's.
    fn culprit(&self) -> u32 {
        if self.router == 0 { 0 } else { SPACES[ROUTERS[self.router].1].2 }
    }

    /// The route it takes, if it is one.
    fn route(&self) -> Option<String> {
        match self.fault.1 {
            Deed::Rule(..) => None,
            Deed::Route(what) => Some(what.to_owned()),
            Deed::Back => {
                let (before, space) = self.router.checked_sub(1).map_or(("you", 0), |place| ROUTERS[place]);
                let (four, six) = address(space, self.router as u32 + 1, 1);
                Some(format!("via {} dev {before} onlink", if self.names.v6 { six } else { four }))
            }
        }
    }

    fn set(&self, world: &World) {
        match (self.fault.1, self.route()) {
            (Deed::Rule(hook, rule), _) => world.nft(self.room(), self.names, hook, rule),
            (_, Some(route)) => change_route(world, self.names, self.room(), "replace", &route),
            (_, None) => {}
        }
    }

    fn undo(&self, world: &World) {
        match self.route() {
            // The last router has a route to the host itself.
            Some(_) if self.last() => change_route(world, self.names, self.room(), "replace", "dev target"),
            Some(route) => change_route(world, self.names, self.room(), "del", &route),
            None => {
                run("ip", &["netns", "exec", &world.space(self.room()), "nft", "flush", "ruleset"]);
            }
        }
    }

    /// What is wrong with a verdict, if anything is.
    fn fault_of(&self, kind: &str, asns: &[u32], reason: &str) -> Option<&'static str> {
        let (last, near) = (self.last(), self.router <= 1);
        let holds = asns.contains(&self.culprit());
        let resets_at_destination = self.fault.0 == "reset" && self.culprit() == SPACES[5].2;
        let right = match kind {
            "lost_in_as_range" | "destination_network" => holds,
            // What our access drops on its way in cannot be told from our own line.
            "local" => near && asns.is_empty(),
            // The last router's silence is the host's.
            "host_or_return_path" => last && asns.is_empty(),
            // A reset from where the host stands, or a hop before, is a closed port.
            "reachable" => resets_at_destination,
            "inconclusive" => !reason.is_empty() && asns.is_empty(),
            _ if !self.fault.2.contains(&kind) => return Some("not what the fault looks like"),
            _ => holds,
        };
        (!right).then_some("not true of the place")
    }

    /// Sets the fault, asks, undoes it. Prints a line. Whether somebody is accused; and the line if the verdict is wrong.
    fn play(&self, world: &World) -> (bool, Option<String>) {
        self.set(world);
        let began = Instant::now();
        let (target, neighbour) = (self.names.target, self.names.neighbour);
        let output = world.lasthop(&["diagnose", target, "25", "-r", neighbour, "--json", "--seed", "1"]);
        let took = began.elapsed().as_secs_f64();
        self.undo(world);
        let document = document(&output);
        let (kind, asns, reason) = concluded(&document);
        let wrong = self.fault_of(kind, &asns, reason);
        let line = format!(
            "{:<11} at {:<2} AS{:<6} v6={:<5} {kind} {asns:?} {reason} in {took:.1} s {}",
            self.fault.0,
            self.room(),
            self.culprit(),
            self.names.v6,
            wrong.unwrap_or("ok")
        );
        let _ = writeln!(std::io::stderr(), "sweep: {line}");
        (self.fault.2.contains(&kind), wrong.map(|_| format!("{line}\n{:#}", document["verdict"])))
    }
}

/// Fault by fault, so that a router rests between two of its refusals: Linux limits those of missing IPv4 routes.
fn cases() -> Vec<Case> {
    let full = std::env::var("LASTHOP_SWEEP").is_ok_and(|word| word == "full");
    let mut cases = Vec::new();
    for (number, fault) in FAULTS.into_iter().enumerate() {
        for router in 0..ROUTERS.len() {
            for names in [FOUR, SIX] {
                if full || (number + router + usize::from(names.v6)).is_multiple_of(3) {
                    cases.push(Case { fault, router, names });
                }
            }
        }
    }
    cases
}

#[test]
fn every_fault_at_every_router_is_told_or_nobody_is_accused() {
    let test = "every_fault_at_every_router_is_told_or_nobody_is_accused";
    if let Some(reason) = missing_right() {
        skip::<()>(test, &reason);
        return;
    }
    let cases = cases();
    let next = AtomicUsize::new(0);
    let (accusing, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..WORLDS {
            scope.spawn(|| {
                let Some(world) = World::build(test) else { return };
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (accuses, line) = case.play(&world);
                    accusing.fetch_add(usize::from(accuses), Ordering::Relaxed);
                    wrong.lock().unwrap().extend(line);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let accusing = accusing.into_inner();
    let (count, took) = (cases.len(), began.elapsed().as_secs_f64());
    let _ = writeln!(
        std::io::stderr(),
        "sweep: {} of {count} wrong, {accusing} accuse, in {took:.0} s",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    // Saying nothing would be never wrong.
    assert!(accusing * 2 > count, "only {accusing} of {count} accuse anybody");
}
