//! `lasthop batch`: lists in a simulated Internet, on kernel routers, killed and taken up again.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use lasthop::packet::build::{self, Ip, Tcp};
use lasthop::packet::tcp::{Segment, flags};
use lasthop::packet::{ip, protocol};
use lasthop::path::Overlay;
use lasthop::probe::WireFault;
use lasthop::probe::wire::{Arrival, Heard, Transmit, Wire};
use lasthop::session::batch::{self, Batch, NOBODY, Pair};
use lasthop::sim::{self, Network, Topology};
use lasthop::sweep::Hosts;
use lasthop::trace::{Losses, Moment, Protocol, SendFault, SourcePorts, WallTime};
use serde_json::Value;

use super::net::run;
use super::world::{FORWARD, FOUR, Names, SIX, World};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");

fn lasthop(words: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(words)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_CACHE_HOME", "/dev/null/none")
        .output()
        .unwrap()
}

fn lines(text: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Kind and AS set by target and reference as written.
fn concluded(runs: &[Value]) -> BTreeMap<(String, String), (String, Vec<u64>)> {
    let mut all = BTreeMap::new();
    for run in runs {
        assert_eq!(run["schema"], "lasthop.run/1");
        let references = run["references"].as_array().unwrap();
        let given = references.iter().find(|one| one["chosen"]["how"] == "given");
        let reference = given.and_then(|one| one["host"].as_str()).unwrap_or_default().to_owned();
        let verdict = &run["verdict"];
        let asns = verdict["asns"]
            .as_array()
            .map_or(Vec::new(), |list| list.iter().filter_map(Value::as_u64).collect());
        let kind = verdict["kind"].as_str().unwrap_or("none").to_owned();
        let key = (run["target"]["host"].as_str().unwrap().to_owned(), reference);
        assert_eq!(all.insert(key.clone(), (kind, asns)), None, "{key:?} twice");
    }
    all
}

fn list(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// The story with `count` more hosts, `h0` and so on, and a line of rules. Some are blocked: `h` 0, 10, 20 and so on.
fn crowded(count: u32, rules: &str) -> tempfile::NamedTempFile {
    let (_, story) = sim::scenarios().iter().find(|(name, _)| *name == "proton").unwrap();
    let mut text = (*story).to_owned();
    for number in 0..count {
        let (third, last) = (number / 200, number % 200 + 1);
        write!(
            text,
            "\n[[host]]\nname = \"h{number}\"\nat = \"core\"\nv4 = \"185.70.{}.{last}\"\n\
             v6 = \"2001:c20:18:{:x}::{last:x}\"\nopen = [25]\n",
            41 + third,
            0x41 + third,
        )
        .unwrap();
        if number.is_multiple_of(10) {
            write!(text, "{}", rules.replace("HOST", &format!("h{number}"))).unwrap();
        }
    }
    // The table of the scenario knows one /24; the rest of the AS's space comes with it.
    let text = text.replace("v4 = \"185.70.40.0/24\"", "v4 = \"185.70.40.0/21\"");
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

const DROP: &str = "\n[[rule]]\nat = \"mts2\"\nplace = \"forward\"\nto = \"HOST\"\naction = \"drop\"\n";

/// What `diagnose` finds of a pair, `batch` finds of it in a list, in every scenario that is about a pair.
#[test]
fn a_pair_in_a_list_is_judged_as_it_is_alone() {
    let mut differ = Vec::new();
    for (name, text) in sim::scenarios() {
        let topology: Topology = text.parse().unwrap();
        let (protocol, port) = topology.probe.protocol_and_port();
        if topology.size.is_some() || topology.references.len() != 1 {
            continue;
        }
        let port = port.map(|port| port.to_string());
        let file = list(&format!("{0},{1}\n{1}\n{0}\n{1},{0}\n", topology.target, topology.references[0]));
        for seed in ["1", "2", "3"] {
            let mut words = vec!["batch", file.path().to_str().unwrap(), "--demo", name, "--seed", seed];
            match &port {
                Some(port) => words.extend(["-p", port]),
                None => words.push("-I"),
            }
            if protocol == Protocol::Udp {
                words.push("-U");
            }
            let output = lasthop(&words);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{name}: {said}");
            let runs = lines(&output.stdout);
            let found = concluded(&runs);
            assert_eq!(found.len(), 4, "{name}: {said}");
            let key = (topology.target.clone(), topology.references[0].clone());
            let run = runs.iter().find(|run| {
                run["target"]["host"] == key.0.as_str() && run["references"][0]["host"] == key.1.as_str()
            });
            let verdict = &run.unwrap()["verdict"];
            let asns: Vec<lasthop::number::Asn> =
                found[&key].1.iter().map(|asn| lasthop::number::Asn(*asn as u32)).collect();
            let word = |field: &str| verdict[field].as_str().unwrap_or_default().to_owned();
            let fits = topology.verdicts.iter().any(|right| {
                right.fits(
                    &word("kind"),
                    &asns,
                    &word("mechanism"),
                    &word("scope"),
                    verdict["reason"].as_str(),
                )
            });
            // The one thing that is given up for speed, and told in docs/batch.md: the first few packets may all have taken
            // the branch that lives.
            let believed = name == &"branch" && verdict["kind"] == "reachable";
            if !fits && !believed {
                differ.push(format!("{name} seed {seed}: {verdict}"));
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn many_hosts_of_which_some_are_blocked() {
    for (family, flag) in [("v4", "-4"), ("v6", "-6")] {
        let world = crowded(200, DROP);
        let mut text = String::new();
        for number in 0..200 {
            // Half of them with a reference; h1 is never blocked.
            let reference = if number % 20 < 10 && number != 1 { ",h1" } else { "" };
            writeln!(text, "h{number}{reference}").unwrap();
        }
        let file = list(&text);
        let words = [
            "batch",
            file.path().to_str().unwrap(),
            "-p",
            "25",
            "--demo",
            world.path().to_str().unwrap(),
            flag,
            "--rate",
            "1000",
            "--flows",
            "1",
            "--json",
        ];
        let output = lasthop(&words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        let mut runs = lines(&output.stdout);
        let summary = runs.pop().unwrap();
        let found = concluded(&runs);
        assert_eq!(found.len(), 200, "{family}");
        let mut probes = 0;
        for run in &runs {
            let host = run["target"]["host"].as_str().unwrap();
            let number: u32 = host[1..].parse().unwrap();
            let verdict = &run["verdict"];
            if number.is_multiple_of(10) {
                assert_eq!(verdict["kind"], "lost_inside_as", "{family} {host}: {verdict:#}");
                assert_eq!(verdict["asns"], serde_json::json!([8359]));
            } else {
                assert_eq!(verdict["kind"], "reachable", "{family} {host}: {verdict:#}");
                probes += run["measurement"]["probes"].as_u64().unwrap();
            }
        }
        // A packet to each and its reference, and full measurements of a few.
        assert!(probes < 180 * 2 + 3 * 60, "{family}: {probes} probes for 180 hosts that answer");
        assert_eq!(summary["schema"], "lasthop.set/1");
        let conclusion = &summary["conclusion"];
        assert_eq!(conclusion["kinds"], serde_json::json!({"lost_inside_as": 20, "reachable": 180}));
        assert_eq!(conclusion["networks"][0]["asn"], 8359);
        assert_eq!(conclusion["networks"][0]["results"], 20);
        assert_eq!(conclusion["kernel_drops"], 0);
        assert!(conclusion["packets"].as_u64().unwrap() > probes, "{conclusion}");
    }
}

/// Killed at any moment and taken up again, every line has one result in the end.
#[test]
fn nothing_is_lost_or_doubled_when_it_is_killed() {
    let kills: u32 = std::env::var("LASTHOP_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let world = crowded(300, DROP);
    let text: String =
        (0..300).map(|number| format!("h{number},{}\n", if number == 1 { "h2" } else { "h1" })).collect();
    let file = list(&text);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.jsonl");
    let command = |seed: u32| {
        let mut command = Command::new(PROGRAM);
        command
            .args(["batch", file.path().to_str().unwrap(), "-p", "25"])
            .args(["--demo", world.path().to_str().unwrap(), "--seed", &seed.to_string()])
            .args(["--rate", "2000", "--resume", "-o", out.to_str().unwrap()])
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let whole = |text: &[u8]| {
        let runs = lines(text);
        let found = concluded(&runs);
        assert_eq!((runs.len(), found.len()), (300, 300));
        let blocked = found.values().filter(|(kind, _)| kind == "lost_inside_as").count();
        assert_eq!(blocked, 30, "{found:?}");
    };
    let mut cut_short = 0;
    for kill in 0..kills {
        let mut child = command(kill).spawn().unwrap();
        // Moments that lie anywhere in the work, wherever on this machine that is.
        let before = written(&out);
        let enough = before + u64::from(kill) * 7000 % 23_000 + 1;
        let began = Instant::now();
        while written(&out) < enough && began.elapsed() < Duration::from_secs(20) {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_micros(300));
        }
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            cut_short += 1;
        }
        if child.wait().unwrap().success() {
            // It came to its end before; then it begins anew.
            whole(&std::fs::read(&out).unwrap());
            std::fs::remove_file(&out).unwrap();
            continue;
        }
        // Wherever a kill falls between two system calls, a line may be torn; here one always is.
        if kill % 3 == 2 {
            let text = std::fs::read(&out).unwrap();
            std::fs::write(&out, &text[..text.len().saturating_sub(40)]).unwrap();
        }
    }
    let _ = writeln!(std::io::stderr(), "{cut_short} of {kills} were cut short");
    assert!(cut_short >= kills / 2, "{cut_short} of {kills} were cut short");
    assert!(command(99).status().unwrap().success());
    whole(&std::fs::read(&out).unwrap());
    // Once more: there is nothing to do, and nothing changes.
    let before = std::fs::read(&out).unwrap();
    assert!(command(100).status().unwrap().success());
    assert_eq!(std::fs::read(&out).unwrap(), before);
}

fn written(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[test]
fn what_cannot_be_measured_is_told_by_its_line() {
    let barred = list("185.70.40.103 # asked us not to\n");
    let file = list(
        "mx1.proton,mx-neighbour\nhttps://mx1.proton/\n\n10.0.0.0/8\nnobody.example\nmx1.proton\nmx1.proton\n",
    );
    let name = file.path().to_str().unwrap();
    let words = ["batch", name, "-p", "25", "--demo", "clear", "--opt-out", barred.path().to_str().unwrap()];
    let output = lasthop(&words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    for told in ["line 2: ", "line 4: ", "--large", "line 5: ", "measured once: 1"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    let runs = lines(&output.stdout);
    let errors: HashMap<&str, &str> = runs
        .iter()
        .filter_map(|run| Some((run["target"]["host"].as_str()?, run["error"]["kind"].as_str()?)))
        .collect();
    assert_eq!(errors, HashMap::from([("nobody.example", "name"), ("mx1.proton", "opt_out")]));
    assert_eq!(runs.len(), 3, "{said}");

    for (words, status, told) in [
        (vec!["batch", "/nonexistent/list", "--demo", "clear"], 4, "cannot read the list"),
        (vec!["batch", name, "--demo", "clear", "--resume"], 2, "--output"),
        (vec!["batch", name, "--demo", "nowhere"], 2, "no scenario"),
        (vec!["batch", name, "-I", "-p", "25"], 2, "cannot be used with"),
        (vec!["batch", name, "--rate", "0"], 2, "--rate"),
        (vec!["batch", name, "--demo", "clear", "-o", "/dev/null/out"], 3, "cannot write"),
        (vec!["batch", name, "--demo", "clear", "-o", name], 2, "holds results already"),
        (vec!["batch", name, "--demo", "clear", "-o", name, "--resume"], 4, "is no result of lasthop batch"),
    ] {
        let output = lasthop(&words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{words:?}: {said}");
        assert!(said.contains(told), "{words:?}: {said}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
    let empty = list("# nobody\n\n");
    let output = lasthop(&["batch", empty.path().to_str().unwrap(), "--demo", "clear", "--json"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(lines(&output.stdout)[0]["error"]["kind"], "input");
}

#[test]
fn a_list_comes_by_standard_input_and_a_reader_may_go_away() {
    let mut child = Command::new(PROGRAM)
        .args(["batch", "-", "-p", "25", "--demo", "clear"])
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"\xef\xbb\xbftarget\r\n185.70.40.0/28\r\n").unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A wire on which somebody off the path sends what he can guess for every packet.
struct Haunted {
    inside: Network,
    forged: Vec<Arrival>,
    sent: u64,
}

impl Wire for Haunted {
    fn now(&mut self) -> Moment {
        self.inside.now()
    }

    fn send(&mut self, transmit: &Transmit) -> Result<Moment, SendFault> {
        let (header, payload) = ip::read(&transmit.packet).unwrap();
        let at = self.inside.now();
        if header.protocol == protocol::TCP {
            let segment = Segment::read(payload).unwrap();
            let back = Ip {
                source: header.destination,
                destination: header.source,
                ttl: 60,
                tos: 0,
                id: 7,
                label: 0,
                dont_fragment: true,
            };
            for flags in [flags::SYN | flags::ACK, flags::RST | flags::ACK, flags::RST] {
                let reply = Tcp {
                    source: segment.destination,
                    destination: segment.source,
                    sequence: 5,
                    acknowledgment: 1_234_567,
                    flags,
                    window: 0,
                    options: &[],
                };
                self.forged.push(Arrival { at, packet: build::tcp(&back, &reply) });
            }
            let mut quote = transmit.packet[..28].to_vec();
            quote[24..28].copy_from_slice(&[1, 2, 3, 4]);
            let router = Ip { source: [203, 0, 113, 9].into(), ..back };
            self.forged.push(Arrival { at, packet: build::icmp_message(&router, 3, 13, 0, &quote) });
            self.sent += 4;
        }
        self.inside.send(transmit)
    }

    fn wait(&mut self, until: Moment) -> Result<Heard, WireFault> {
        match self.forged.pop() {
            Some(arrival) => Ok(Heard::Packet(arrival)),
            None => self.inside.wait(until),
        }
    }

    fn losses(&mut self) -> Losses {
        Losses::default()
    }
}

#[test]
fn forgeries_from_off_the_path_change_no_verdict() {
    let file = crowded(60, DROP);
    let topology: Topology = std::fs::read_to_string(file.path()).unwrap().parse().unwrap();
    let origins =
        Overlay { entries: topology.prefixes(), ixps: Vec::new(), links: topology.neighbours(), under: None };
    let measure = |haunted: bool| {
        let network = Network::new(&topology, false, 1).unwrap();
        let source = network.vantage_address();
        let address = |number: u32| network.address(&format!("h{number}")).unwrap();
        let hosts = Hosts::new(false, (0..60).map(|number| (address(number), 25)));
        let find = |number: u32| hosts.find(address(number), 25).unwrap();
        let mut pairs: Vec<Pair> = (0..60_u32)
            .map(|number| Pair {
                target: find(number),
                reference: if number.is_multiple_of(2) { find(1) } else { NOBODY },
            })
            .collect();
        pairs.sort();
        let plan = Batch {
            pairs,
            names: HashMap::new(),
            protocol: Protocol::Tcp,
            source,
            numbers: (40_000..40_016).collect(),
            crews: vec![
                (41_000..41_016).map(SourcePorts::all).collect(),
                (42_000..42_016).map(SourcePorts::all).collect(),
            ],
            rate: 500.0,
            wait: Duration::from_secs(2),
            max_ttl: 30,
            confidence: 0.99,
            whole_paths: false,
            flows: 1,
            seed: 11,
        };
        let mut found = BTreeMap::new();
        let mut wire = Haunted { inside: network, forged: Vec::new(), sent: 0 };
        let mut sink = |one: &batch::Found<'_>| {
            found.insert(one.pair, (one.verdict.kind, one.verdict.asns.clone()));
            ControlFlow::Continue(())
        };
        let mut inside;
        let wire_in_use: &mut dyn Wire = match haunted {
            true => &mut wire,
            false => {
                inside = Network::new(&topology, false, 1).unwrap();
                &mut inside
            }
        };
        let mut watch = |_: &batch::Progress| ControlFlow::Continue(());
        let ending =
            batch::batch(&plan, hosts, WallTime(0), wire_in_use, &origins, &mut sink, &mut watch).unwrap();
        assert!(!ending.stopped && ending.fault.is_none());
        (found, ending.strays.wrong_key, wire.sent)
    };
    let (clean, strays, _) = measure(false);
    let (haunted, refused, forged) = measure(true);
    assert_eq!(clean, haunted);
    assert_eq!(strays, 0);
    // The rest was aimed at full measurements, which count their own.
    assert!(refused >= 4 * 60 && refused <= forged, "{refused} of {forged}");
}

//---- On kernel routers -----------------------------------------------------------------------------------------------

/// A hundred hosts behind the neighbour: it answers for a half of its prefix.
fn settle(world: &World, names: Names) {
    let (family, block, via) = match names.v6 {
        true => ("-6 ", "2001:c20:18::f00/120", "2001:c20:18::103"),
        false => ("", "185.70.40.128/25", "185.70.40.103"),
    };
    world.batch("neighbour", &format!("{family}route add local {block} dev lo"), false);
    world.batch("e2", &format!("{family}route add {block} via {via}"), false);
}

fn on_kernel_routers(test: &str, names: Names) {
    let Some(world) = World::build(test) else { return };
    settle(&world, names);
    let blocked = if names.v6 { "ip6 daddr 2001:c20:18::f20/124" } else { "ip daddr 185.70.40.160/28" };
    world.nft("c2", names, FORWARD, &format!("DST drop\n{blocked} drop"));
    let host = |last: u32| match names.v6 {
        true => format!("2001:c20:18::f{last:02x}"),
        false => format!("185.70.40.{}", 128 + last),
    };
    let mut text = format!("{},{}\n", names.target, names.neighbour);
    let mut wanted = BTreeMap::from([((names.target.to_owned(), names.neighbour.to_owned()), true)]);
    for last in 1..=120_u32 {
        let reference = if last.is_multiple_of(2) { names.neighbour } else { "" };
        let at_port = |port: u16| match (names.v6, port) {
            (_, 25) => host(last),
            (true, port) => format!("[{}]:{port}", host(last)),
            (false, port) => format!("{}:{port}", host(last)),
        };
        writeln!(text, "{},{reference}", at_port(25)).unwrap();
        wanted.insert((host(last), reference.to_owned()), (32..48).contains(&last));
    }
    let file = list(&text);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.jsonl");
    let words = [
        "batch",
        file.path().to_str().unwrap(),
        "-p",
        "25",
        "--rate",
        "300",
        "--resume",
        "-o",
        out.to_str().unwrap(),
    ];
    // Stopped early by Ctrl-C: what is there is whole, and the status says that it is not all.
    let child = Command::new("ip")
        .args(["netns", "exec", &world.space("you"), PROGRAM])
        .args(words)
        .args(["--json", "--db", world.table()])
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while written(&out) == 0 && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    run("kill", &["-INT", &child.id().to_string()]);
    let stopped = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&stopped.stderr).into_owned();
    assert_eq!(stopped.status.code(), Some(3), "{said}");
    assert!(said.contains("--resume"), "{said}");
    assert_eq!(lines(&stopped.stdout).last().unwrap()["conclusion"]["stopped"], true);
    let some = lines(&std::fs::read(&out).unwrap()).len();
    assert!((1..121).contains(&some), "{some}");

    let began = Instant::now();
    let output = world.lasthop(&words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let _ = writeln!(std::io::stderr(), "{test}: {:.1} s; {said}", began.elapsed().as_secs_f64());
    let runs = lines(&std::fs::read(&out).unwrap());
    let found = concluded(&runs);
    assert_eq!(found.len(), wanted.len());
    for (pair, blocked) in wanted {
        let (kind, asns) = &found[&pair];
        match blocked {
            true => assert_eq!((kind.as_str(), asns.as_slice()), ("lost_inside_as", &[8359][..]), "{pair:?}"),
            false => assert_eq!(kind, "reachable", "{pair:?}"),
        }
    }
    assert!(said.contains("AS8359 MTS PJSC"), "{said}");
}

#[test]
fn a_list_on_kernel_routers_four() {
    on_kernel_routers("a_list_on_kernel_routers_four", FOUR);
}

#[test]
fn a_list_on_kernel_routers_six() {
    on_kernel_routers("a_list_on_kernel_routers_six", SIX);
}
