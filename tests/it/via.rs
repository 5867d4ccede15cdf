//! Several uplinks, and several targets, in one run, on kernel routers.
//!
//! ```text
//!         gw ─ a1 ─ a2 ─ b1 ─ c1 ─ c2 ─ c3 ─ c4 ─┐
//!   you ─┤ home 204671  57681  8359              ├─ d1 ─ e1 ─ e2 ─┬─ target
//!         f1 ─ f2 ─ g1 ─ g2 ─────────────────────┘ 22822  19905   └─ neighbour
//!         49063     20764
//! ```

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::world::{FORWARD, FOUR, Names, SIX, World, address, concluded, document};

/// The numbers of the second uplink's links, with the space each is numbered from.
const SECOND: [(&str, &str, usize, u32); 5] = [
    ("you", "f1", 6, 40),
    ("f1", "f2", 6, 41),
    ("f2", "g1", 6, 42),
    ("g1", "g2", 7, 43),
    ("g2", "d1", 7, 44),
];

/// The story's world with its second uplink.
pub(super) fn two_uplinks(test: &str) -> Option<World> {
    let world = World::build(test)?;
    for (from, to, space, number) in SECOND {
        world.link(from, to, space, number);
    }
    for (at, (room, next, space, number)) in SECOND.into_iter().enumerate() {
        let (four, six) = address(space, number, 2);
        let worse = if room == "you" { " metric 4000" } else { "" };
        world.batch(
            room,
            &format!(
                "route add default via {four} dev {next}{worse}\n-6 route add default via {six} dev {next}{worse}"
            ),
            false,
        );
        // The way back.
        if at > 1 {
            back(&world, room, address(SECOND[at - 1].2, SECOND[at - 1].3, 1));
        }
    }
    back(&world, "d1", address(7, 44, 1));
    back(&world, "e1", address(4, 10, 1));
    back(&world, "e2", address(5, 11, 1));
    Some(world)
}

fn back(world: &World, room: &str, (four, six): (String, String)) {
    let lines =
        format!("route replace 185.68.80.160/30 via {four}\n-6 route replace 2a00:f0f:1:40::/64 via {six}");
    world.batch(room, &lines, false);
}

fn vantage(run: &Value, key: &str) -> String {
    run["vantage"][key].as_str().unwrap_or_default().to_owned()
}

fn the_story(test: &str, names: Names) {
    let Some(world) = two_uplinks(test) else { return };
    world.nft("c2", names, FORWARD, "DST drop");
    let words = ["diagnose", names.target, "25", "-r", names.neighbour, "--seed", "1"];
    let ways = ["--via", "gw,label=MGTS", "--via", "f1,label=Dataline"];
    let output = world.lasthop(&[&words[..], &ways, &["--json"]].concat());
    let set = document(&output);
    assert_eq!(set["schema"], "lasthop.set/1", "{set:#}");
    let runs = set["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(concluded(&runs[0]), ("lost_inside_as", vec![8359], ""), "{:#}", runs[0]["verdict"]);
    assert_eq!(concluded(&runs[1]), ("reachable", vec![], ""), "{:#}", runs[1]["verdict"]);
    assert_eq!(output.status.code(), Some(10));
    let pick = |(four, six): (String, String)| if names.v6 { six } else { four };
    for (run, label, interface, near, far) in [
        (&runs[0], "MGTS", "gw", address(0, 1, 1), address(0, 1, 2)),
        (&runs[1], "Dataline", "f1", address(6, 40, 1), address(6, 40, 2)),
    ] {
        let told = ["label", "via", "interface", "source", "gateway"].map(|key| vantage(run, key));
        assert_eq!(told, [label.to_owned(), interface.into(), interface.into(), pick(near), pick(far)]);
    }
    // The home's address is nobody's; the other uplink's is its provider's.
    assert_eq!(runs[0]["vantage"]["asn"], Value::Null);
    assert_eq!(runs[1]["vantage"]["asn"], 49_063);
    assert_eq!(runs[1]["target"]["as_path"], serde_json::json!([49_063, 20_764, 22_822, 19_905]));
    let seen = runs[0]["target"]["as_path"].as_array().unwrap();
    assert_eq!(seen.last(), Some(&Value::from(8359)), "{seen:?}");
    // One budget for both.
    let figure = |run: &Value, key: &str| run["measurement"][key].as_f64().unwrap();
    let probes: f64 = runs.iter().map(|run| figure(run, "probes")).sum();
    let seconds = runs.iter().map(|run| figure(run, "seconds")).fold(0.0, f64::max);
    assert!(probes <= 600.0 && runs.iter().all(|run| figure(run, "probes") <= 300.0), "{probes}");
    assert!(probes <= 50.0 * seconds + 2.0, "{probes} probes in {seconds} s");
    eprintln!("{test}: {probes} probes, {seconds:.1} s");

    let text = world.lasthop(&[&words[..], &ways].concat());
    let said = String::from_utf8_lossy(&text.stdout).into_owned();
    for wanted in ["run 1 of 2 MGTS", "run 2 of 2 Dataline", "AS8359", "through", "AS20764"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert_eq!(text.status.code(), Some(10));
    let talk = String::from_utf8_lossy(&text.stderr).into_owned();
    assert!(talk.contains("MGTS: ") && talk.contains("Dataline: "), "{talk}");
}

#[test]
fn blocked_by_one_uplink_and_fine_by_the_other_four() {
    the_story("blocked_by_one_uplink_and_fine_by_the_other_four", FOUR);
}

#[test]
fn blocked_by_one_uplink_and_fine_by_the_other_six() {
    the_story("blocked_by_one_uplink_and_fine_by_the_other_six", SIX);
}

/// What leads to the second uplink's table.
fn rules(world: &World) {
    let (four, six) = address(6, 40, 2);
    let (own, own6) = address(6, 40, 1);
    world.batch(
        "you",
        &format!(
            "route add default via {four} dev f1 table 100\n-6 route add default via {six} dev f1 table 100\n\
             route add default via {four} dev f1 table 1000\n\
             rule add fwmark 5 lookup 100 pref 500\n-6 rule add fwmark 5 lookup 100 pref 500\n\
             rule add from {own} lookup 100 pref 501\n-6 rule add from {own6} lookup 100 pref 501\n\
             rule add from {own} lookup 1000 pref 502"
        ),
        false,
    );
}

#[test]
fn every_form_of_an_uplink_goes_its_way() {
    let test = "every_form_of_an_uplink_goes_its_way";
    let Some(world) = two_uplinks(test) else { return };
    rules(&world);
    for names in [FOUR, SIX] {
        let (four, six) = address(6, 40, 1);
        let source = format!("src:{}", if names.v6 { six } else { four });
        let words = ["diagnose", names.target, "25", "-r", names.neighbour, "--json"];
        let ways = ["--via", &source, "--via", "mark:5", "--via", "table:100", "--via", "table:254"];
        let set = document(&world.lasthop(&[&words[..], &ways].concat()));
        let runs = set["runs"].as_array().unwrap();
        for (at, (run, by)) in runs.iter().zip(["f1", "f1", "f1", "gw"]).enumerate() {
            assert_eq!(vantage(run, "interface"), by, "{at}: {run:#}");
            assert_eq!(vantage(run, "via"), ways[at * 2 + 1]);
            assert_eq!(concluded(run), ("reachable", vec![], ""), "{at}: {:#}", run["verdict"]);
        }
        assert_eq!(runs.len(), 4);
    }
}

#[test]
fn what_is_no_uplink_is_refused_with_the_way_out() {
    let test = "what_is_no_uplink_is_refused_with_the_way_out";
    let Some(world) = two_uplinks(test) else { return };
    rules(&world);
    let refused = |ways: &[&str], status: i32, word: &str| {
        let words = ["diagnose", FOUR.target, "25", "-r", FOUR.neighbour];
        let output = world.lasthop(&[&words[..], ways].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{ways:?}: {said}");
        assert!(said.contains(word), "{ways:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    };
    refused(&["--via", "gw", "--via", "eth9"], 3, "--via eth9: there is no interface 'eth9'");
    refused(&["--via", "gw", "--via", "table:77"], 3, "sudo ip rule add fwmark 77 lookup 77");
    // A rule leads there, and one before it takes the packets elsewhere.
    refused(&["--via", "gw", "--via", "table:1000"], 3, "go by the table 100 all the same");
    refused(&["--via", "gw", "--via", "src:192.0.2.1"], 3, "--via src:192.0.2.1");
    refused(&["--via", "gw", "--via", "gw,label=x"], 2, "given twice");
    refused(&["--via", "gw", "-i", "f1"], 2, "--interface");
    refused(&["--via", "scr:1"], 2, "mark:NUMBER");
    refused(&["--via", "gw", "--pcap", "/dev/null/x"], 3, "cannot write the capture /dev/null");
    refused(&["--via", "src:192.168.1.5", "--via", "src:2a00:f0f:1:40::1"], 2, "both IPv4 and IPv6");
    // One uplink alone is one run.
    let words = ["diagnose", FOUR.target, "25", "-r", FOUR.neighbour, "--json", "--via", "f1"];
    let run = document(&world.lasthop(&words));
    assert_eq!(
        (&run["schema"], &run["vantage"]["gateway"]),
        (&"lasthop.run/1".into(), &"185.68.80.162".into())
    );
}

/// Each has a bundle that leads to its conclusion anew, and a capture; who cannot begin leaves nothing.
#[test]
fn each_of_several_runs_keeps_its_evidence() {
    let test = "each_of_several_runs_keeps_its_evidence";
    let Some(world) = two_uplinks(test) else { return };
    world.batch("you", "route del default dev f1", false);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (bundle, capture) = (at("run.zip"), at("run.pcapng"));
    let kept = ["--bundle", bundle.to_str().unwrap(), "--pcap", capture.to_str().unwrap()];
    let words =
        ["diagnose", FOUR.target, "25", "--no-search", "--json", "--via", "f1", "--via", "gw,label=Дом"];
    let output = world.lasthop(&[&words[..], &["--also", FOUR.neighbour], &kept].concat());
    let set = document(&output);
    let runs = set["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 4, "{set:#}");
    let mut files: Vec<String> = folder
        .path()
        .read_dir()
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let (target, other) = (FOUR.target, FOUR.neighbour);
    let names: Vec<String> = ["pcapng", "zip"]
        .iter()
        .flat_map(|end| [format!("run.{target}.{end}"), format!("run.{other}.{end}")])
        .collect();
    let mut expected = names.clone();
    expected.sort();
    assert_eq!(files, expected, "{}", String::from_utf8_lossy(&output.stderr));
    for (name, run) in [(&names[2], &runs[1]), (&names[3], &runs[3])] {
        let packets = at(&name.replace(".zip", ".pcapng"));
        let words = ["verify", at(name).to_str().unwrap(), "--packets", packets.to_str().unwrap(), "--json"]
            .map(str::to_owned);
        let output = world.lasthop(&words.each_ref().map(String::as_str));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(run["verdict"]["kind"].is_string(), "{run:#}");
    }
}

/// One has no way at all there: that is what is said of it, and the other is measured.
#[test]
fn an_uplink_without_a_way_does_not_cost_the_other() {
    let test = "an_uplink_without_a_way_does_not_cost_the_other";
    let Some(world) = two_uplinks(test) else { return };
    world.batch("you", "route del default dev f1", false);
    let words = ["diagnose", FOUR.target, "25", "-r", FOUR.neighbour, "--json", "--via", "f1", "--via", "gw"];
    let output = world.lasthop(&words);
    let set = document(&output);
    let runs = set["runs"].as_array().unwrap();
    assert_eq!(runs[0]["error"]["kind"], "no_route", "{set:#}");
    assert_eq!((vantage(&runs[0], "via"), &runs[0]["verdict"]), ("f1".to_owned(), &Value::Null));
    assert_eq!(concluded(&runs[1]), ("reachable", vec![], ""));
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("f1: no route to 185.70.40.101"));
}

/// Ctrl-C ends all of them, and all are reported.
#[test]
fn an_interruption_ends_all_and_all_are_reported() {
    let test = "an_interruption_ends_all_and_all_are_reported";
    let Some(world) = two_uplinks(test) else { return };
    world.nft("e2", FOUR, FORWARD, "DST drop");
    let child = Command::new("ip")
        .args(["netns", "exec", &world.space("you"), env!("CARGO_BIN_EXE_lasthop")])
        .args(["diagnose", FOUR.target, "25", "-r", FOUR.neighbour, "--json", "-z", "300"])
        .args(["--via", "gw", "--via", "f1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    // `ip netns exec` becomes the program.
    let number = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(number, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    let set = document(&output);
    let runs = set["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    for run in runs {
        assert_eq!(run["measurement"]["end"], "interrupted", "{run:#}");
        assert!(run["measurement"]["seconds"].as_f64().unwrap() < 5.0);
    }
    assert_eq!(output.status.code(), Some(12));
}

/// Several targets are several runs; a port written with one is its own.
#[test]
fn several_targets_are_measured_at_once() {
    let test = "several_targets_are_measured_at_once";
    let Some(world) = two_uplinks(test) else { return };
    world.nft("c2", FOUR, FORWARD, "DST tcp dport 25 drop");
    let words = ["diagnose", FOUR.target, "25", "--no-search", "--also", FOUR.neighbour, "--json"];
    let output = world.lasthop(&words);
    let set = document(&output);
    let runs = set["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2, "{set:#}");
    assert_eq!((&runs[0]["target"]["host"], &runs[0]["port"]), (&FOUR.target.into(), &25.into()));
    assert_eq!((&runs[1]["target"]["host"], &runs[1]["port"]), (&FOUR.neighbour.into(), &25.into()));
    assert_ne!(concluded(&runs[0]).0, "reachable");
    assert_eq!(concluded(&runs[1]).0, "reachable");
    assert!(runs.iter().all(|run| run["vantage"].get("via").is_none()));

    let other = format!("{}:443", FOUR.neighbour);
    let words = [
        "diagnose",
        FOUR.target,
        "443",
        "--no-search",
        "--also",
        &other,
        "--via",
        "gw",
        "--via",
        "f1",
        "--json",
    ];
    let set = document(&world.lasthop(&words));
    let runs = set["runs"].as_array().unwrap();
    let told: Vec<_> = runs
        .iter()
        .map(|run| (vantage(run, "via"), run["port"].clone(), concluded(run).0.to_owned()))
        .collect();
    let row = |via: &str| (via.to_owned(), Value::from(443), "reachable".to_owned());
    assert_eq!(told, [row("gw"), row("f1"), row("gw"), row("f1")]);
}
