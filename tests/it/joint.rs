//! Joint conclusions in worlds with several vantages, and `compare` as a user runs it. `cargo bench --bench joint` has the figures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lasthop::joint::{self, Hints};
use lasthop::sim::several::{Fault, world};
use lasthop::trace::schema::{Document, SET};
use serde_json::{Value, json};

use crate::views;

fn lasthop(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lasthop")).args(words).env_remove("COLUMNS").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Kinds that accuse.
fn names(kind: &str) -> bool {
    matches!(
        kind,
        "lost_inside_as" | "lost_at_as_border" | "rejected" | "injected" | "routing_fault" | "partial"
    )
}

/// Whoever is named holds a culprit in each part. The worlds are the same on any machine; a few of thousands are misjudged (see the
/// bench), none of these.
#[test]
fn whoever_drops_is_in_the_named_set_from_several_places() {
    let mut named = 0;
    for fault in [Fault::Policy, Fault::Device, Fault::Two] {
        for seed in 0..40 {
            let world = world(seed, fault);
            let documents = views::documents(&world, seed, views::mixed);
            let joint = joint::conclude(&documents, &Hints::default()).unwrap();
            if !names(joint.kind) {
                continue;
            }
            named += 1;
            assert!(!joint.asns.is_empty());
            for part in &joint.parts {
                let holds = world.culprits.iter().any(|asn| part.asns.contains(&asn.0));
                assert!(
                    holds,
                    "{fault:?} {seed}: {:?} is named, {:?} is to blame",
                    part.asns, world.culprits
                );
            }
        }
    }
    assert!(named >= 40, "{named} of 120 worlds had somebody named");
}

#[test]
fn nobody_on_the_way_is_named_for_what_the_destination_does() {
    for fault in [Fault::Nothing, Fault::HostDown, Fault::Firewall, Fault::BySource] {
        for seed in 0..25 {
            let world = world(seed, fault);
            let documents = views::documents(&world, seed, views::mixed);
            let joint = joint::conclude(&documents, &Hints::default()).unwrap();
            assert!(!names(joint.kind), "{fault:?} {seed}: {joint:#?}");
            if fault == Fault::Nothing {
                assert_eq!(joint.kind, "reachable", "{seed}");
            }
        }
    }
}

/// The documents of a world in which somebody is named, each in a file of its own.
fn files(folder: &Path) -> (Vec<PathBuf>, Vec<u32>) {
    let world = world(2, Fault::Policy);
    let documents = views::documents(&world, 2, |_| views::How::Own);
    let joint = joint::conclude(&documents, &Hints::default()).unwrap();
    assert!(names(joint.kind), "{joint:#?}");
    let write = |(at, document): (usize, &Document)| {
        let path = folder.join(format!("run-{at}.json"));
        fs::write(&path, serde_json::to_vec(document).unwrap()).unwrap();
        path
    };
    (documents.iter().enumerate().map(write).collect(), joint.asns)
}

#[test]
fn compare_reads_runs_and_says_who_is_common_to_what_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (paths, asns) = files(folder.path());
    let names: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    let output = lasthop(&[&["compare", "--json"], names.as_slice()].concat());
    assert_eq!(output.status.code(), Some(10), "{}", text(&output.stderr));
    let set: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(set["schema"], SET);
    assert_eq!(set["runs"].as_array().unwrap().len(), paths.len());
    assert_eq!(set["conclusion"]["asns"], json!(asns));
    // A saved comparison is a set like any other, and comparing it again changes nothing.
    let saved = folder.path().join("set.json");
    fs::write(&saved, &output.stdout).unwrap();
    let again = lasthop(&["compare", "--json", saved.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(10));
    assert_eq!(serde_json::from_slice::<Value>(&again.stdout).unwrap()["conclusion"], set["conclusion"]);
    // In text: the conclusion first, and every place with what it adds.
    let shown = lasthop(&["compare", saved.to_str().unwrap()]);
    let shown = text(&shown.stdout);
    assert!(shown.lines().next().unwrap().contains("LOST"), "{shown}");
    for place in 1..=paths.len() {
        assert!(shown.contains(&format!("from vantage {place}: ")), "{shown}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    // Every format has it.
    for format in ["md", "html", "ticket", "json", "csv", "jsonl", "mtr", "ooni"] {
        let output = lasthop(&["report", saved.to_str().unwrap(), "--format", format]);
        assert_eq!(output.status.code(), Some(0), "{format}: {}", text(&output.stderr));
        if matches!(format, "md" | "html" | "ticket") {
            assert!(text(&output.stdout).contains("from vantage 1"), "{format}: {}", text(&output.stdout));
        }
    }
    let pdf = folder.path().join("set.pdf");
    let output = lasthop(&["report", saved.to_str().unwrap(), "-o", pdf.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(fs::read(pdf).unwrap().starts_with(b"%PDF"));
}

#[test]
fn compare_tells_what_it_cannot_read_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing.txt");
    fs::write(&path, "dear sirs,\nnothing works here\n").unwrap();
    for command in ["compare", "import"] {
        let output = lasthop(&[command, path.to_str().unwrap(), "--json"]);
        assert_eq!(output.status.code(), Some(4), "{command}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let error = if command == "import" { &document["runs"][0]["error"] } else { &document["error"] };
        assert!(error["message"].as_str().unwrap().contains("nothing.txt"), "{document}");
        assert!(error["hint"].is_string(), "{document}");
        assert!(text(&output.stderr).contains("hint: "));
    }
    let gone = lasthop(&["compare", "no-such-file"]);
    assert_eq!(gone.status.code(), Some(4));
    let none = lasthop(&["compare"]);
    assert_eq!(none.status.code(), Some(2));
}

/// Names in files of others are shown, not obeyed.
#[test]
fn strangers_text_stays_text_in_a_joint_conclusion() {
    let folder = tempfile::tempdir().unwrap();
    let (paths, _) = files(folder.path());
    let mut run: Value = serde_json::from_slice(&fs::read(&paths[0]).unwrap()).unwrap();
    let evil = "<script>alert(1)</script>\u{1b}[2J|[x](http://x)\u{202e}";
    run["vantage"]["label"] = json!(evil);
    fs::write(&paths[0], run.to_string()).unwrap();
    let saved = folder.path().join("set.json");
    let names: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    lasthop(&[&["compare", "-o", saved.to_str().unwrap()], names.as_slice()].concat());
    for format in ["text", "md", "html", "ticket"] {
        let shown = text(&lasthop(&["report", saved.to_str().unwrap(), "--format", format]).stdout);
        assert!(!shown.contains("<script>alert") || format != "html", "{shown}");
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{format}: {shown}");
        assert!(!shown.contains("[x](http") || format != "md", "{shown}");
    }
}

/// The story as its engineer wrote it down: a router's output with `[AS n]`, most addresses hidden, in one mail.
#[test]
fn the_story_from_text_alone() {
    let mail = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/import/two-providers.txt");
    let output = lasthop(&["compare", mail, "--json"]);
    assert_eq!(output.status.code(), Some(10), "{}", text(&output.stderr));
    let set: Value = serde_json::from_slice(&output.stdout).unwrap();
    let conclusion = &set["conclusion"];
    assert_eq!(conclusion["kind"], "lost_inside_as");
    assert_eq!(conclusion["asns"], json!([8359]));
    assert_eq!(conclusion["grade"], "text");
    assert_eq!(conclusion["cleared"], json!([22822]));
    assert!(conclusion["attribution_confidence"].as_f64().unwrap() < 0.7, "{conclusion}");
    // What the file says of AS numbers stays its claim.
    let hop = &set["runs"][0]["target"]["hops"][3]["responders"][0];
    assert_eq!((hop["asn"].clone(), hop["claims"].clone()), (Value::Null, json!([8359])));
    let shown = text(&lasthop(&["compare", mail]).stdout);
    assert!(shown.contains("rests on: pasted text"), "{shown}");
    assert_eq!(shown.matches("AS numbers: ").count(), 1, "the table is told once: {shown}");
    // Without the second provider nobody is known to reach the host: nobody is named.
    let whole = fs::read_to_string(mail).unwrap();
    let (half, _) = whole.split_once("And from another provider").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.txt");
    fs::write(&path, half).unwrap();
    let output = lasthop(&["compare", path.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(12));
    let set: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(set["conclusion"]["kind"], "inconclusive");
    assert!(set["conclusion"]["next_step"].as_str().unwrap().contains("from another network"));
}

/// What hundreds of places say together fits a screen or two; the rest is in the document.
#[test]
fn compare_of_hundreds_shows_some_and_keeps_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.txt");
    let trace = |at: usize| {
        format!(
            "traceroute to 1.1.1.1 (1.1.1.1), 30 hops max, 60 byte packets\n 1  198.51.100.{at} (198.51.100.{at})  1.1 ms  1.2 ms  1.3 ms\n \
             2  1.1.1.1 (1.1.1.1)  9.1 ms  9.2 ms  9.3 ms\n\n"
        )
    };
    fs::write(&file, (1..=150).map(trace).collect::<String>()).unwrap();
    let file = file.to_str().unwrap();
    let shown = text(&lasthop(&["compare", file]).stdout);
    assert!(shown.contains("run 100 of 150") && !shown.contains("run 101 of 150"), "{shown}");
    assert!(shown.contains("and 50 more, which are in the other formats"), "{shown}");
    let document: Value = serde_json::from_slice(&lasthop(&["compare", file, "--json"]).stdout).unwrap();
    assert_eq!(document["runs"].as_array().unwrap().len(), 150);
}

/// A bundle is one by its content, from a pipe as well.
#[test]
fn compare_takes_a_bundle_from_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("b.zip");
    lasthop(&["demo", "--bundle", bundle.to_str().unwrap()]);
    let output = Command::new(env!("CARGO_BIN_EXE_lasthop"))
        .args(["compare", "-", "--json"])
        .stdin(fs::File::open(&bundle).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(10), "{}", text(&output.stderr));
    let set: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(set["conclusion"]["asns"], json!([8359]));
    assert_eq!(set["conclusion"]["grade"], "own_packets");
}

/// Each target is looked up, each in the whole of the list.
#[test]
fn compare_looks_every_target_up() {
    let mail = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/import/two-providers.txt");
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.txt");
    fs::write(&list, "198.51.100.0/24\n185.70.40.101\n").unwrap();
    let list = list.to_str().unwrap();
    let output = lasthop(&["compare", mail, "--registry", list, "--json"]);
    assert_eq!(output.status.code(), Some(10), "{}", text(&output.stderr));
    let set: Value = serde_json::from_slice(&output.stdout).unwrap();
    let listed: Vec<bool> = set["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["registry"][0]["listed"].as_bool().unwrap())
        .collect();
    assert_eq!(listed, [true, false, true]);
    assert_eq!(lasthop(&["compare", mail, "--registry", "no-such-list"]).status.code(), Some(4));
}

#[test]
fn a_run_is_known_whatever_the_order_of_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let printed = lasthop(&["demo", "--json"]).stdout;
    // A value sorts its keys, so that `schema` comes behind the paths.
    let sorted = serde_json::to_vec(&serde_json::from_slice::<Value>(&printed).unwrap()).unwrap();
    assert!(!sorted.starts_with(b"{\"schema\""));
    for (name, bytes) in [("printed.json", printed), ("sorted.json", sorted)] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let output = lasthop(&["compare", path.to_str().unwrap(), "--json"]);
        assert_eq!(output.status.code(), Some(10), "{name}: {}", text(&output.stderr));
        let set: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(set["conclusion"]["asns"], json!([8359]), "{name}");
    }
}
