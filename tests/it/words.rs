//! What a stranger types wrong, and what the program says: one sentence, a way out, the documented status, and with
//! `--json` still one document.

use std::io::Read;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");

fn lasthop(words: &[&str]) -> Output {
    Command::new(PROGRAM).args(words).stdin(Stdio::null()).env("NO_COLOR", "1").output().unwrap()
}

/// Says `word` on stderr with a hint, ends with `status`, prints nothing else; and one document with `--json`.
#[track_caller]
fn refused(words: &[&str], status: i32, word: &str) {
    let output = lasthop(words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{words:?}: {said}");
    assert!(said.contains(word), "{words:?} says nothing of '{word}': {said}");
    assert!(said.contains("hint: ") || said.contains("--help"), "{words:?} shows no way out: {said}");
    assert!(output.stdout.is_empty(), "{words:?}: {}", String::from_utf8_lossy(&output.stdout));

    let mut with = words.to_vec();
    with.push("--json");
    let output = lasthop(&with);
    assert_eq!(output.status.code(), Some(status), "{with:?}");
    let mut documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let document = documents.next().unwrap().unwrap();
    assert!(documents.next().is_none(), "{with:?}: one document");
    assert_eq!(document["schema"], "lasthop.run/1");
    assert!(document["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{document:#}");
    assert!(document["error"]["hint"].is_string(), "{document:#}");
}

#[test]
fn wrong_words_are_usage_errors() {
    refused(&["diagnose", "127.0.0.1", "0"], 2, "port");
    refused(&["diagnose", "127.0.0.1", "70000"], 2, "65535");
    refused(&["diagnose", "127.0.0.1", "abc"], 2, "port");
    refused(&["diagnose", "127.0.0.1:abc"], 2, "port");
    refused(&["trace", "127.0.0.1", "-f", "9", "-m", "3"], 2, "TTL");
    refused(&["diagnose", "127.0.0.1", "-r", "127.0.0.1"], 2, "target itself");
    refused(&["diagnose", "224.0.0.1"], 2, "multicast");
    refused(&["diagnose", "ff02::1"], 2, "multicast");
    refused(&["diagnose", "255.255.255.255"], 2, "broadcast");
    refused(&["diagnose", "0.0.0.0"], 2, "unspecified");
    refused(&["diagnose", "::"], 2, "unspecified");
    refused(&["diagnose", "https://mail.example/"], 2, "mail.example");
    refused(&["demo", "no-such-scenario"], 2, "no-such-scenario");
}

#[test]
fn names_and_interfaces_that_are_not_there_are_the_environments() {
    refused(&["diagnose", "no-such-host.invalid"], 3, "no-such-host.invalid");
    refused(&["diagnose", "-6", "127.0.0.1"], 3, "IPv6");
    // Without the right to open raw sockets that is said first; both are the environment's.
    let output = lasthop(&["trace", "-i", "nosuch0", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn tables_that_are_none_are_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let shipped = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/data/asn.lht")).unwrap();
    std::fs::write(path("cut"), &shipped[..5000]).unwrap();
    let mut newer = shipped.clone();
    newer[8] = 99;
    std::fs::write(path("newer"), &newer).unwrap();
    let mut damaged = shipped;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(path("damaged"), &damaged).unwrap();
    std::fs::write(path("foreign"), "no table at all\n").unwrap();
    for name in ["missing", "cut", "newer", "damaged", "foreign"] {
        for command in [&["db", "info", "--db"][..], &["db", "lookup", "192.0.2.1", "--db"]] {
            let mut words = command.to_vec();
            let file = path(name);
            words.push(&file);
            let output = lasthop(&words);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(4), "{name}: {said}");
            assert!(said.contains(&file) && said.contains("hint: "), "{name}: {said}");
        }
    }
}

#[test]
fn an_output_that_cannot_be_written_is_told_before_anything_is_probed() {
    let output = lasthop(&["demo", "-o", "/nonexistent/run.json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("/nonexistent/run.json") && said.contains("hint: "), "{said}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child =
        Command::new(PROGRAM).arg("demo").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_narrow_terminal_gets_narrow_text() {
    for (columns, most) in [("40", 40), ("80", 80)] {
        let output = Command::new(PROGRAM).arg("demo").env("COLUMNS", columns).output().unwrap();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let width = line.chars().count();
            assert!(width <= most, "{width} of {most} columns: {line}");
        }
    }
}

#[test]
fn the_demo_is_the_story_and_its_document_keeps_the_contract() {
    let output = lasthop(&["demo", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["verdict"]["kind"], "lost_inside_as");
    assert_eq!(document["verdict"]["asns"], serde_json::json!([8359]));
    assert!(document["error"].is_null());
    for key in [
        "schema",
        "tool",
        "started_at",
        "finished_at",
        "vantage",
        "asdb",
        "protocol",
        "port",
        "target",
        "references",
        "verdict",
        "error",
    ] {
        assert!(document.get(key).is_some(), "{key}");
    }
    let again = lasthop(&["demo", "--json"]);
    assert_eq!(output.stdout, again.stdout, "same input and seed, same bytes");
}

#[test]
fn lookups_answer_line_by_line_and_bad_lines_lose_nothing() {
    let output = lasthop(&["db", "lookup", "--json", "8.8.8.8", "nonsense", "10.0.0.1"]);
    assert_eq!(output.status.code(), Some(2));
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["asn"], &lines[0]["kind"]), (&Value::from(15_169), &Value::from("as")));
    assert_eq!((&lines[1]["asn"], &lines[1]["kind"]), (&Value::Null, &Value::from("private")));
}

#[test]
fn schema_completions_and_man_page_are_there() {
    let schema: Value = serde_json::from_slice(&lasthop(&["schema"]).stdout).unwrap();
    assert!(schema["$defs"]["run"].is_object());
    for shell in ["bash", "zsh", "fish"] {
        assert!(lasthop(&["completions", shell]).stdout.len() > 1000, "{shell}");
    }
    assert!(String::from_utf8_lossy(&lasthop(&["man"]).stdout).contains("Exit status"));
}
