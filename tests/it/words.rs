//! What a stranger types wrong, and what the program says: one sentence, a way out, the documented status, and with
//! `--json` still one document.

use std::fs;
use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
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
    let output = lasthop(&["demo", "-o", "/dev/null/run.json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("/dev/null/run.json") && said.contains("hint: "), "{said}");
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

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

#[test]
fn lookups_answer_line_by_line_and_bad_addresses_lose_nothing() {
    let output = lasthop(&["db", "lookup", "--json", "8.8.8.8", "nonsense", "", "10.0.0.1"]);
    assert_eq!(output.status.code(), Some(2));
    let lines = lines(&output);
    assert_eq!(lines.len(), 4);
    assert_eq!((&lines[0]["asn"], &lines[0]["kind"]), (&Value::from(15_169), &Value::from("as")));
    for (line, address) in [(&lines[1], "nonsense"), (&lines[2], "")] {
        assert_eq!(line["address"], address);
        assert_eq!(line["error"]["kind"], "usage");
        assert!(line["error"]["message"].is_string() && line["error"]["hint"].is_string(), "{line}");
    }
    assert_eq!((&lines[3]["asn"], &lines[3]["kind"]), (&Value::Null, &Value::from("private")));
    let output = lasthop(&["db", "lookup", ""]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hint: "));
}

fn lookup_lines(input: &[u8]) -> Output {
    let mut child = Command::new(PROGRAM)
        .args(["db", "lookup", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn bad_lines_of_input_are_told_in_their_place() {
    let output = lookup_lines(b"8.8.8.8\r\n\n# comment\nabc\n\xff\xfe\x00\n2001:db8::1");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("line 4: 'abc'") && said.contains("line 5: "), "{said}");
    let lines = lines(&output);
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["address"], "8.8.8.8");
    assert_eq!((&lines[1]["address"], &lines[1]["error"]["kind"]), (&"abc".into(), &"input".into()));
    assert_eq!(lines[2]["error"]["kind"], "input");
    assert_eq!((&lines[3]["address"], &lines[3]["kind"]), (&"2001:db8::1".into(), &"reserved".into()));
    assert_eq!(lookup_lines(b"8.8.8.8\n").status.code(), Some(0));
    assert_eq!(lookup_lines(b"").status.code(), Some(0));
}

#[test]
fn a_lookup_without_a_table_is_still_one_object_a_line() {
    let output = lasthop(&["db", "lookup", "--json", "8.8.8.8", "--db", "/nonexistent.mmdb"]);
    assert_eq!(output.status.code(), Some(4));
    let lines = lines(&output);
    assert_eq!(lines.len(), 1);
    assert!(lines[0]["error"]["hint"].is_string());
}

/// Standard output is JSON with `--json`, else text. A file is what `--format` says, else its name, else as stdout.
#[test]
fn each_output_has_its_format() {
    let folder = tempfile::tempdir().unwrap();
    let is_json = |bytes: &[u8]| {
        let one =
            serde_json::from_slice::<Value>(bytes).is_ok_and(|found| found["schema"] == "lasthop.run/1");
        assert!(one || String::from_utf8_lossy(bytes).contains("LOST INSIDE AS8359"), "neither");
        one
    };
    // Words, file name, whether stdout is JSON, whether the file is.
    let cases: [(&[&str], &str, bool, bool); 9] = [
        (&[], "run.json", false, true),
        (&[], "run.txt", false, false),
        (&[], "run", false, false),
        (&["--json"], "run.json", true, true),
        (&["--json"], "run.txt", true, false),
        (&["--json"], "run", true, true),
        (&["--format", "json"], "run.txt", false, true),
        (&["--format", "text"], "run.report", false, false),
        (&["--json", "--format", "text"], "run.json", true, false),
    ];
    for (words, name, stdout, file) in cases {
        let path = folder.path().join(name);
        let mut all = vec!["demo", "-o", path.to_str().unwrap()];
        all.extend(words);
        let output = lasthop(&all);
        assert_eq!(output.status.code(), Some(0), "{all:?}");
        assert_eq!(is_json(&output.stdout), stdout, "{all:?}: standard output");
        assert_eq!(is_json(&std::fs::read(&path).unwrap()), file, "{all:?}: the file");
    }
    assert!(is_json(&lasthop(&["demo", "--format", "json"]).stdout));
    assert!(is_json(&lasthop(&["demo", "--json", "-o", "-"]).stdout));
    refused(&["demo", "-o", "run.doc"], 2, ".doc");
    let output = lasthop(&["demo", "--json", "--format", "text"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["error"]["hint"].is_string());
}

#[test]
fn a_file_that_fills_up_does_not_cost_the_report() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let output = lasthop(&["demo", "--json", "-o", "/dev/full"]);
    assert_eq!(output.status.code(), Some(3));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["verdict"]["kind"], "lost_inside_as");
    assert_eq!(document["error"]["kind"], "output");
}

#[test]
fn a_missing_argument_is_named() {
    let output = lasthop(&["trace", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let message = document["error"]["message"].as_str().unwrap();
    assert!(message.ends_with("not provided: <TARGET>"), "{message}");
    let output = lasthop(&["trace", "--json", "192.0.2.1", "--color", "mauve"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["error"]["hint"].as_str().unwrap().contains("always"), "{document:#}");
}

#[test]
fn a_source_of_the_other_version_of_ip_is_named_as_the_trouble() {
    for (source, target, family) in [("::1", "127.0.0.1", "IPv4"), ("127.0.0.1", "::1", "IPv6")] {
        let output = lasthop(&["trace", "-s", source, target]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(&format!("the source address {source} is one")), "{said}");
        assert!(said.contains(&format!("give an {family} address with -s, or leave out -s")), "{said}");
    }
}

#[test]
fn a_scenario_file_without_a_world_plays_in_the_shipped_one() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sim/scenarios");
    for name in ["proton", "reject"] {
        let output = lasthop(&["demo", &format!("{folder}/{name}.toml"), "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let ours: Value = serde_json::from_slice(&output.stdout).unwrap();
        let shipped: Value = serde_json::from_slice(&lasthop(&["demo", name, "--json"]).stdout).unwrap();
        assert_eq!(ours["verdict"], shipped["verdict"]);
    }
    // A file with a part of a world is meant to have its own; what it lacks is named.
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = std::fs::read_to_string(format!("{folder}/proton.toml")).unwrap();
    std::fs::write(&file, format!("{text}\n[[network]]\nname = \"mine\"\n")).unwrap();
    refused(&["demo", file.path().to_str().unwrap()], 4, "vantage");
    std::fs::write(&file, "").unwrap();
    refused(&["demo", file.path().to_str().unwrap()], 4, "missing field");
}

#[test]
fn dangers_are_told_before_the_first_probe() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    let output = lasthop(&["trace", "-v", "127.0.0.1"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // Without the right to open raw sockets nothing is probed, and nothing to be told.
    for word in ["may endanger whoever does it", "An intrusion detector may take probes with low TTLs"] {
        assert!(readme.contains(word), "{word}");
        assert!(output.status.code() == Some(3) || said.contains(&word[3..]), "{word}: {said}");
    }
}

#[test]
fn input_that_cannot_be_read_is_told_in_the_stream() {
    let folder = std::fs::File::open(env!("CARGO_MANIFEST_DIR")).unwrap();
    let output = Command::new(PROGRAM)
        .args(["db", "lookup", "--json", "8.8.8.8", "-"])
        .stdin(folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    let lines = lines(&output);
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[1]["address"], &lines[1]["error"]["kind"]), (&Value::Null, &"input".into()));
}

/// A connected network's own two addresses are no hosts; loopback has one such address everywhere.
#[test]
fn addresses_of_networks_are_no_hosts() {
    refused(&["trace", "127.255.255.255"], 2, "broadcast address of a network on 'lo'");
    refused(&["diagnose", "127.0.0.1", "-r", "127.255.255.255"], 2, "not a host that can be probed");
}

#[test]
fn a_size_is_checked_before_anything_is_sent() {
    for size in ["67", "0", "9217", "-1", "1500B", "70000"] {
        refused(&["diagnose", "192.0.2.1", &format!("--size={size}")], 2, "68 to 9216");
    }
    refused(&["diagnose", "192.0.2.1", "--size"], 2, "--size");
    refused(&["trace", "2001:db8::1", "--size", "1279"], 2, "every link takes 1280");
    for beside in [["-r", "192.0.2.2"], ["-r", "auto"], ["--hint", "192.0.2.2"], ["--matrix", "25,80"]] {
        refused(&[&["diagnose", "192.0.2.1", "--size", "1500"], &beside[..]].concat(), 2, "the same host");
    }
}

/// The document says which sizes were sent, lost and passed, and who called packets too big; the schema knows the words.
#[test]
fn sizes_are_in_the_document_and_in_the_report() {
    let run: Value = serde_json::from_slice(&lasthop(&["demo", "mtu-told", "--json"]).stdout).unwrap();
    assert_eq!((&run["size"], &run["target"]["size"]), (&Value::from(1500), &Value::from(1400)), "{run:#}");
    assert_eq!(run["references"][0]["size"], 52);
    assert_eq!(run["references"][0]["chosen"]["how"], "same_host");
    let said = &run["too_big"][0];
    assert_eq!((&said["size"], &said["mtu"]), (&Value::from(1500), &Value::from(1400)), "{run:#}");
    assert_eq!((&said["asn"], &said["ttl"]), (&Value::from(8359), &Value::from(6)), "{run:#}");
    assert_eq!(
        run["verdict"]["packet_size"],
        serde_json::json!({"asked": 1500, "lost": null, "passes": 1400})
    );

    let run: Value = serde_json::from_slice(&lasthop(&["demo", "mtu-black-hole", "--json"]).stdout).unwrap();
    assert_eq!(run["verdict"]["packet_size"], serde_json::json!({"asked": 1500, "lost": 1500, "passes": 52}));
    assert_eq!(
        (&run["too_big"], &run["verdict"]["scope"]),
        (&serde_json::json!([]), &Value::from("unknown"))
    );
    let text = String::from_utf8(lasthop(&["demo", "mtu-black-hole"]).stdout).unwrap();
    assert!(text.contains("ICMP echo, packets of 1500 bytes, beside the same by"), "{text}");
    assert!(text.contains("1500 B") && text.contains("52 B"), "{text}");

    let run: Value = serde_json::from_slice(&lasthop(&["demo", "proton", "--json"]).stdout).unwrap();
    assert_eq!((&run["size"], &run["verdict"]["packet_size"]), (&Value::Null, &Value::Null));
    assert!(run["target"].get("size").is_none(), "{run:#}");

    let schema: Value = serde_json::from_slice(&lasthop(&["schema"]).stdout).unwrap();
    let of = |place: &str| &schema["$defs"][place]["properties"];
    assert!(of("run")["size"].is_object() && of("path")["size"].is_object());
    assert!(of("run")["too_big"]["items"]["properties"]["mtu"].is_object());
    assert!(of("verdict")["packet_size"]["anyOf"][1]["properties"]["passes"].is_object());
    assert!(of("responder")["replies"]["properties"]["too_big"].is_object());
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

/// Whoever lacks the right to raw sockets, and asks for what takes them, hears of that, and not of a home that is another's: `sudo -u` and services keep HOME.
#[test]
fn without_privilege_that_is_said_whatever_home_it_has() {
    let test = "without_privilege_that_is_said_whatever_home_it_has";
    if !nix::unistd::geteuid().is_root() {
        super::net::skip::<()>(test, "needs root, to start the program as nobody");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let (program, home) = (folder.path().join("lasthop"), folder.path().join("home"));
    fs::copy(PROGRAM, &program).unwrap();
    fs::create_dir(&home).unwrap();
    for (path, mode) in [(folder.path(), 0o755), (program.as_path(), 0o755), (home.as_path(), 0o700)] {
        allow(path, mode);
    }
    let start = || {
        Command::new(&program)
            .args(["diagnose", "127.0.0.1", "25", "--size", "500"])
            .env("HOME", &home)
            .env_remove("XDG_CONFIG_HOME")
            .uid(65_534)
            .gid(65_534)
            .output()
    };
    // Another test may have forked while the copy was written; until its child runs, that holds the file open.
    let busy = |result: &std::io::Result<Output>| {
        result.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ExecutableFileBusy)
    };
    let mut result = start();
    for _ in 0..50 {
        if !busy(&result) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        result = start();
    }
    let output = result.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("setcap cap_net_raw+ep"), "{said}");
}
