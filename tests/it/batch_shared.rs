//! Hops that many targets share: a batch that looks first where others were lost concludes what it would without.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::process::{Command, Stdio};
use std::time::Duration;

use lasthop::path::Overlay;
use lasthop::session::batch::{self, Batch, NOBODY, Pair};
use lasthop::sim::{self, Network, Topology};
use lasthop::sweep::Hosts;
use lasthop::trace::{Protocol, SourcePorts, WallTime};
use serde_json::Value;

/// What is done to a host, and where: a rule's fields, or one of the host itself.
const FATES: [&str; 10] = [
    "at = \"mts2\"\nplace = \"forward\"\nto = \"HOST\"\naction = \"drop\"\n",
    "at = \"mts2\"\nplace = \"forward\"\nto = \"HOST\"\naction = \"drop\"\n",
    "at = \"mts2\"\nplace = \"ingress\"\nto = \"HOST\"\naction = \"drop\"\n",
    "at = \"mts3\"\nplace = \"forward\"\nto = \"HOST\"\naction = \"drop\"\n",
    "at = \"mts4\"\nplace = \"forward\"\nto = \"HOST\"\naction = \"drop\"\n",
    "at = \"edge\"\nplace = \"forward\"\nto = \"HOST\"\naction = \"drop\"\n",
    "at = \"mts2\"\nplace = \"forward\"\nto = \"HOST\"\ncode = \"admin-prohibited\"\naction = \"reject\"\n",
    "at = \"mts3\"\nplace = \"forward\"\nfrom = \"HOST\"\naction = \"drop\"\n",
    "at = \"isp2\"\nplace = \"forward\"\nto = \"HOST\"\naction = \"drop\"\n",
    "down = true",
];

/// The story with `count` more hosts: `fates` says what becomes of each, by its number; the first one is well.
fn world(count: usize, fate: impl Fn(usize) -> &'static str) -> Topology {
    let (_, story) = sim::scenarios().iter().find(|(name, _)| *name == "proton").unwrap();
    let mut text = (*story).to_owned();
    for number in 0..count {
        let fate = if number == 0 { "" } else { fate(number) };
        let (rule, own) = if fate.starts_with("at") { (fate, "") } else { ("", fate) };
        write!(
            text,
            "\n[[host]]\nname = \"h{number}\"\nat = \"core\"\nv4 = \"185.70.41.{}\"\n\
             v6 = \"2001:c20:18:41::{:x}\"\nopen = [25]\n{own}\n",
            number + 1,
            number + 1,
        )
        .unwrap();
        if !rule.is_empty() {
            write!(text, "[[rule]]\n{}", rule.replace("HOST", &format!("h{number}"))).unwrap();
        }
    }
    text.replace("v4 = \"185.70.40.0/24\"", "v4 = \"185.70.40.0/21\"").parse().unwrap()
}

struct Outcome {
    /// What is said of each target.
    verdicts: BTreeMap<IpAddr, String>,
    /// Packets of full measurements.
    probes: usize,
    /// Simulated seconds.
    seconds: f64,
}

/// Measures every host but the first, against the first or against nobody.
fn measure(
    topology: &Topology,
    count: usize,
    v6: bool,
    seed: u64,
    paired: bool,
    whole_paths: bool,
) -> Outcome {
    let mut network = Network::new(topology, v6, seed).unwrap();
    let origins =
        Overlay { entries: topology.prefixes(), ixps: Vec::new(), links: topology.neighbours(), under: None };
    let address = |number: usize| network.address(&format!("h{number}")).unwrap();
    let hosts = Hosts::new(v6, (0..count).map(|number| (address(number), 25)));
    let find = |number: usize| hosts.find(address(number), 25).unwrap();
    let mut pairs: Vec<Pair> = (1..count)
        .map(|number| Pair { target: find(number), reference: if paired { find(0) } else { NOBODY } })
        .collect();
    if !paired {
        // Somebody has to answer beside them.
        pairs.push(Pair { target: find(0), reference: NOBODY });
    }
    pairs.sort();
    let targets: Vec<IpAddr> = pairs.iter().map(|pair| hosts.address(pair.target)).collect();
    let plan = Batch {
        pairs,
        names: HashMap::new(),
        protocol: Protocol::Tcp,
        source: network.vantage_address(),
        numbers: (40_000..40_016).collect(),
        crews: (0..3)
            .map(|crew| (41_000 + crew * 16..41_016 + crew * 16).map(SourcePorts::all).collect())
            .collect(),
        rate: 500.0,
        wait: Duration::from_secs(2),
        max_ttl: 30,
        confidence: 0.99,
        whole_paths,
        flows: 1,
        seed,
    };
    let (mut verdicts, mut probes, mut seconds) = (BTreeMap::new(), 0, 0.0);
    let mut sink = |one: &batch::Found<'_>| {
        let verdict = one.verdict;
        let said = format!(
            "{} {:?} {} {} after {:?}",
            verdict.kind.word(),
            verdict.asns,
            verdict.mechanism.word(),
            verdict.scope.word(),
            verdict.after
        );
        assert_eq!(verdicts.insert(targets[one.pair], said), None);
        if one.in_full {
            probes += one.run.probes.len();
            // What is concluded of the record alone, wherever the measurement began.
            let again = lasthop::session::conclude(one.run, &mut lasthop::path::Atlas::new(&origins), 0.99);
            assert_eq!(&again.2.verdict, verdict);
        }
        ControlFlow::Continue(())
    };
    let mut watch = |_: &batch::Progress| ControlFlow::Continue(());
    let ending =
        batch::batch(&plan, hosts, WallTime(0), &mut network, &origins, &mut sink, &mut watch).unwrap();
    assert!(!ending.stopped && ending.fault.is_none());
    seconds += lasthop::probe::Wire::now(&mut network).since(lasthop::trace::Moment::START).as_secs_f64();
    Outcome { verdicts, probes, seconds }
}

/// Hosts that one reference vouches for, and that are lost at nine places: most of what is learned is wrong for the next.
#[test]
fn what_others_taught_changes_no_verdict() {
    let count = 31;
    let topology = world(count, |number| FATES[number % FATES.len()]);
    for v6 in [false, true] {
        for paired in [true, false] {
            for seed in [1, 2] {
                let whole = measure(&topology, count, v6, seed, paired, true);
                let taught = measure(&topology, count, v6, seed, paired, false);
                assert_eq!(taught.verdicts, whole.verdicts, "v6 {v6}, paired {paired}, seed {seed}");
                // A wrong lesson costs little: what was asked for its sake is part of the whole look.
                assert!(
                    taught.probes < whole.probes + whole.probes / 20,
                    "v6 {v6}, paired {paired}, seed {seed}: {} against {}",
                    taught.probes,
                    whole.probes
                );
            }
        }
    }
}

/// Hosts that are lost at one place take two thirds of the packets and less time.
#[test]
fn a_place_is_found_anew_with_few_packets() {
    let count = 61;
    let topology = world(count, |_| FATES[0]);
    for (v6, paired) in [(false, true), (true, false)] {
        let whole = measure(&topology, count, v6, 3, paired, true);
        let taught = measure(&topology, count, v6, 3, paired, false);
        assert_eq!(taught.verdicts, whole.verdicts);
        let share = taught.probes as f64 / whole.probes as f64;
        println!("{share:.2} of the packets, {:.0} s against {:.0} s", taught.seconds, whole.seconds);
        assert!(share < 0.72, "{} probes against {}", taught.probes, whole.probes);
        assert!(taught.seconds < whole.seconds, "{} s against {} s", taught.seconds, whole.seconds);
    }
}

/// Runs the program in a scenario; gives what it says of each target.
fn said(scenario: &str, list: &str, words: &[&str]) -> BTreeMap<String, Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lasthop"))
        .args(["batch", "-", "--demo", scenario])
        .args(words)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let runs = std::str::from_utf8(&output.stdout).unwrap().lines();
    let runs = runs.map(|line| serde_json::from_str::<Value>(line).unwrap());
    runs.map(|run| (run["target"]["host"].as_str().unwrap().to_owned(), run)).collect()
}

/// By UDP an open port's answer, a closed port's, and silence behind a block are told apart.
#[test]
fn targets_are_asked_by_udp() {
    let list = "mx1.proton,mx-neighbour\nmx-neighbour\nmx-neighbour:26\n";
    for family in ["-4", "-6"] {
        let runs = said("proton", list, &["-U", "-p", "25", family]);
        let verdict = &runs["mx1.proton"]["verdict"];
        assert_eq!(verdict["kind"], "lost_inside_as", "{verdict:#}");
        assert_eq!(verdict["asns"], serde_json::json!([8359]));
        assert_eq!(runs["mx1.proton"]["protocol"], "udp");
        let verdict = &runs["mx-neighbour"]["verdict"];
        assert_eq!(verdict["kind"], "reachable", "{verdict:#}");
    }
}
