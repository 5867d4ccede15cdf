//! How often is a joint conclusion right? Measured over random worlds with three to ten vantages whose truth is known.
//!
//! `cargo bench --bench joint` draws worlds from `lasthop::sim::several` for every fault, measures each from all its vantages in virtual
//! time (three of five run the program, one is a measurement network's probe, one a pasted trace), and holds the conclusion
//! against the truth.
//!
//! * `--worlds N`, `--seed N`, `--only FAULT`: choose
//! * `--how own|atlas|text`: all vantages alike
//! * `--neighbours`: the conclusion (not the runs) is drawn with data on who is whose neighbour
//! * `--check`: an exit status of 1 where a floor is missed
//! * `--show SEED --only FAULT`: print one world's conclusion and truth; `--paths` as well

#[path = "../tests/it/views.rs"]
mod views;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use lasthop::joint::{self, Hints, Joint};
use lasthop::number::Asn;
use lasthop::sim::several::{Fault, World, world};
use lasthop::trace::schema::Document;

struct Outcome {
    seed: u64,
    joint: Joint,
    world: World,
    documents: Vec<Document>,
}

const NAMES: [&str; 6] =
    ["lost_inside_as", "lost_at_as_border", "rejected", "injected", "routing_fault", "partial"];

impl Outcome {
    fn names(&self) -> bool {
        NAMES.contains(&self.joint.kind)
    }

    fn is_wrong(&self) -> bool {
        let named = &self.joint.asns;
        self.names()
            && !self
                .joint
                .parts
                .iter()
                .all(|part| self.world.culprits.iter().any(|asn| part.asns.contains(&asn.0)))
            || self.names() && named.is_empty()
    }

    /// Every culprit that somebody's packets met is named.
    fn is_right(&self) -> bool {
        self.names()
            && !self.is_wrong()
            && self.world.culprits.iter().all(|asn| self.joint.asns.contains(&asn.0))
    }
}

fn value(name: &str) -> Option<String> {
    let mut words = std::env::args();
    words.find(|word| word == name)?;
    words.next()
}

fn run(seed: u64, fault: Fault) -> Outcome {
    let world = world(seed, fault);
    let documents = match value("--how").as_deref() {
        None | Some("mixed") => views::documents(&world, seed, views::mixed),
        Some("own") => views::documents(&world, seed, |_| views::How::Own),
        Some("atlas") => views::documents(&world, seed, |_| views::How::Traces("atlas")),
        Some("text") => views::documents(&world, seed, |_| views::How::Traces("traceroute")),
        Some(other) => panic!("'{other}' is not mixed, own, atlas or text"),
    };
    let known = |one: u32, other: u32| {
        let pair = |(a, b): &(Asn, Asn)| (a.0, b.0) == (one, other) || (b.0, a.0) == (one, other);
        Some(world.neighbours.iter().any(pair))
    };
    let informed = std::env::args().any(|word| word == "--neighbours");
    let hints = Hints {
        adjacent: informed.then_some(&known as &dyn Fn(u32, u32) -> Option<bool>),
        ..Hints::default()
    };
    let joint = joint::conclude(&documents, &hints).expect("there is a target");
    Outcome { seed, joint, world, documents }
}

fn main() {
    let worlds: u64 = value("--worlds").map_or(500, |text| text.parse().expect("a number"));
    let first: u64 = value("--seed").map_or(0, |text| text.parse().expect("a number"));
    let only = value("--only");
    let faults =
        Fault::ALL.into_iter().filter(|fault| only.as_deref().is_none_or(|only| only == fault.word()));
    if let Some(seed) = value("--show") {
        let mut faults = faults;
        let outcome = run(seed.parse().expect("a number"), faults.next().expect("a fault"));
        println!(
            "truth: {:?} {:?}, blocked {:?}",
            outcome.world.fault, outcome.world.culprits, outcome.world.blocked
        );
        if std::env::args().any(|word| word == "--paths") {
            for document in &outcome.documents {
                for path in document.target.iter().chain(&document.references) {
                    let hops: Vec<String> = path
                        .hops
                        .iter()
                        .map(|hop| match hop.responders.first() {
                            Some(one) => format!(
                                "{}[{}]",
                                one.address.map_or_else(String::new, |at| at.to_string()),
                                one.asn.unwrap_or(0)
                            ),
                            None => "*".to_owned(),
                        })
                        .collect();
                    let verdict = document.verdict.as_ref().map_or("", |verdict| &verdict.kind);
                    println!("{:?} {} {verdict}: {}", document.vantage.label, path.host, hops.join(" "));
                }
            }
        }
        println!("{}", serde_json::to_string_pretty(&outcome.joint).expect("it is plain data"));
        return;
    }
    let began = Instant::now();
    let (mut named, mut wrong, mut innocent) = (0u64, 0u64, 0u64);
    let mut sizes: Vec<usize> = Vec::new();
    println!(
        "{:<10} {:>6} {:>6} {:>6} {:>7} {:>6}  kinds",
        "fault", "worlds", "right", "wrong", "named", "median"
    );
    for fault in faults {
        let next = AtomicU64::new(first);
        let found: Mutex<Vec<Outcome>> = Mutex::new(Vec::new());
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= first + worlds {
                            break;
                        }
                        let outcome = run(seed, fault);
                        found.lock().expect("no thread fails").push(outcome);
                    }
                });
            }
        });
        let found = found.into_inner().expect("no thread fails");
        // Worlds in which nobody's packets meet the fault have no culprit to find.
        let met: Vec<&Outcome> =
            found.iter().filter(|one| one.world.blocked.contains(&true) || fault == Fault::Nothing).collect();
        let count = |of: &dyn Fn(&Outcome) -> bool| met.iter().filter(|one| of(one)).count();
        let (right, bad, said) =
            (count(&Outcome::is_right), count(&Outcome::is_wrong), count(&Outcome::names));
        let mut these: Vec<usize> = met
            .iter()
            .filter(|one| one.names())
            .flat_map(|one| one.joint.parts.iter().map(|part| part.asns.len()))
            .collect();
        these.sort_unstable();
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for one in &met {
            *kinds.entry(one.joint.kind).or_default() += 1;
        }
        let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let median = these.get(these.len() / 2).copied().unwrap_or(0);
        println!(
            "{:<10} {:>6} {right:>6} {bad:>6} {said:>7} {median:>6}  {}",
            fault.word(),
            met.len(),
            kinds.join(", ")
        );
        let seeds: Vec<String> =
            met.iter().filter(|one| one.is_wrong()).map(|one| one.seed.to_string()).take(12).collect();
        if !seeds.is_empty() {
            println!("           wrong: {}", seeds.join(" "));
        }
        match fault {
            Fault::Policy | Fault::Device | Fault::Two => {
                named += said as u64;
                wrong += bad as u64;
                sizes.extend(these);
            }
            _ => innocent += said as u64,
        }
    }
    sizes.sort_unstable();
    let median = sizes.get(sizes.len() / 2).copied().unwrap_or(0);
    let held = 100.0 * (1.0 - wrong as f64 / named.max(1) as f64);
    println!("culprit in the named set  {held:.2} %   (floor 99.5)");
    println!("median size of the set    {median}        (floor 1)");
    println!("bystanders named where the destination is to blame, or nobody: {innocent}   (floor 0)");
    println!("{} worlds in {:.1} s", worlds, began.elapsed().as_secs_f64());
    let check = std::env::args().any(|word| word == "--check");
    if check && (held < 99.5 || median > 1 || innocent > 0) {
        std::process::exit(1);
    }
}
