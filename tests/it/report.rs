//! Reports: what each format looks like, what strangers' text does in it, and which files are refused.
//!
//! The golden files are of saved runs in `tests/data/report`, which `lasthop demo --json` once wrote: they change when a
//! writer changes, and not when the table does.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lasthop::report::{self, Format, Look, Options, ReadError, Runs, Share};
use serde_json::{Value, json};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");

pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/report").join(name)
}

pub fn value(name: &str) -> Value {
    serde_json::from_slice(&fs::read(file(name)).unwrap()).unwrap()
}

pub fn read(value: &Value) -> Result<Runs, ReadError> {
    Runs::read(serde_json::to_vec(value).unwrap())
}

fn write(runs: &Runs, format: Format) -> String {
    let mut out = Vec::new();
    report::write(&mut out, runs, format, Options::default()).unwrap();
    String::from_utf8(out).unwrap()
}

/// Formats of text; the rest has tests of its own.
fn texts() -> impl Iterator<Item = Format> {
    Format::ALL.into_iter().filter(|format| format.is_text())
}

/// Three places, two targets, and what they say together.
pub fn set() -> Value {
    let mut runs = Vec::new();
    for (name, place, host) in [
        ("proton.json", "Moscow", "mx1.proton"),
        ("rejected.json", "Kazan", "mx1.proton"),
        ("found.json", "Moscow", "mx2.proton"),
    ] {
        let mut run = value(name);
        run["vantage"]["label"] = json!(place);
        run["target"]["host"] = json!(host);
        runs.push(run);
    }
    let conclusion =
        json!({"kind": "lost_inside_as", "asns": [8359], "summary": "All failing paths pass AS8359."});
    json!({"schema": "lasthop.set/1", "runs": runs, "conclusion": conclusion})
}

#[test]
fn each_format_looks_as_it_did() {
    for name in ["proton", "ipv6", "rejected", "found"] {
        let runs = read(&value(&format!("{name}.json"))).unwrap();
        for format in texts().filter(|format| *format != Format::Json) {
            // What differs between runs is shown by people's formats; programs' formats have one of each.
            if name == "proton" || matches!(format, Format::Ticket | Format::Text) {
                insta::assert_snapshot!(format!("{name}_{}", format.word()), write(&runs, format));
            }
        }
    }
    let runs = read(&set()).unwrap();
    for format in [Format::Text, Format::Ticket, Format::Markdown] {
        insta::assert_snapshot!(format!("set_{}", format.word()), write(&runs, format));
    }
}

#[test]
fn json_gives_back_what_was_read_with_all_that_is_not_known() {
    let mut saved = value("proton.json");
    saved["a_field_of_tomorrow"] = json!({"deep": [1, null, "x"]});
    saved["target"]["hops"][0]["another"] = json!(true);
    let again: Value = serde_json::from_str(&write(&read(&saved).unwrap(), Format::Json)).unwrap();
    assert_eq!(again, saved);
    let set = set();
    assert_eq!(serde_json::from_str::<Value>(&write(&read(&set).unwrap(), Format::Json)).unwrap(), set);
}

/// Scenarios of all kinds of verdict, as the program makes them today.
#[test]
fn every_scenario_can_be_written_in_every_format() {
    let list = Command::new(PROGRAM).args(["demo", "--list", "--json"]).output().unwrap();
    let list: Vec<Value> = serde_json::from_slice(&list.stdout).unwrap();
    assert!(list.len() > 15);
    for scenario in &list {
        let name = scenario["name"].as_str().unwrap();
        let output = Command::new(PROGRAM).args(["demo", name, "--json"]).output().unwrap();
        let runs = Runs::read(output.stdout).unwrap();
        for format in texts() {
            let text = write(&runs, format);
            assert!(text.len() > 200 && text.ends_with('\n'), "{name} {}: {text}", format.word());
        }
        let ticket = write(&runs, Format::Ticket);
        assert!(ticket.lines().all(|line| line.chars().count() <= 72), "{name}: {ticket}");
        let summary = ticket.split("\n\n").next().unwrap();
        assert!((5..=15).contains(&summary.lines().count()), "{name}: {summary}");
        assert!(!summary.contains("..."), "{name}: nothing of the summary has to be cut: {summary}");
        let reachable = runs.documents[0].verdict.as_ref().unwrap().kind == "reachable";
        assert_eq!(summary.trim_end().ends_with('?'), !reachable, "{name} asks: {summary}");
        let page = write(&runs, Format::Html);
        assert!(page.len() < 150_000, "{name}: {} bytes", page.len());
    }
}

/// Every text in a document that is not of a fixed list, an address or a time.
pub fn poison(value: &mut Value, text: &str) {
    const FREE: [&str; 17] = [
        "host",
        "as_name",
        "label",
        "interface",
        "summary",
        "next_step",
        "location_limit",
        "attribution_limit",
        "raise",
        "origin",
        "name",
        "licence",
        "words",
        "after",
        "before",
        "kind",
        "reason",
    ];
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match value {
                    Value::String(old) if FREE.contains(&key.as_str()) => text.clone_into(old),
                    Value::Null if ["label", "interface", "as_name"].contains(&key.as_str()) => {
                        *value = json!(text)
                    }
                    Value::Array(list) if key == "as_names" => list.fill(json!(text)),
                    other => poison(other, text),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| poison(value, text)),
        _ => {}
    }
}

/// What a stranger may put into a name.
pub fn hostile() -> Vec<String> {
    let end = format!(
        "\u{1b}[2J\u{9b}1m\r\n\u{0}\u{202e}\u{2066}<script>alert(1)</script>\"'><img src=x onerror=y>]]>&amp;<!--\
         [x](http://evil.example) ![y](https://evil.example/p) | a | b | `c` **d** @everyone #1 :100: www.evil.example {}",
        "A".repeat(10_000)
    );
    ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "<b>", "", "From x", ">quoted", " blank"]
        .iter()
        .map(|start| format!("{start}{end}"))
        .collect()
}

pub fn acts(one: char) -> bool {
    one.is_control()
        || matches!(one, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

/// All writers' text of a poisoned run and of a set of them, checked for what acts in every medium.
fn poisoned(format: Format) -> Vec<String> {
    let mut all = Vec::new();
    for text in hostile() {
        for mut saved in [value("proton.json"), value("found.json"), set()] {
            poison(&mut saved, &text);
            let written = write(&read(&saved).unwrap(), format);
            for (number, line) in written.lines().enumerate() {
                assert!(!line.chars().any(acts), "{} line {}: {line:.300?}", format.word(), number + 1);
            }
            all.push(written);
        }
    }
    all
}

#[test]
fn strangers_text_stays_text_on_a_terminal_and_in_a_ticket() {
    for (format, width) in [(Format::Text, 80), (Format::Ticket, 72)] {
        for text in poisoned(format) {
            assert!(text.len() < 200_000, "{}", text.len());
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{line}");
                let changed = line.starts_with([' ', '>']) || line.starts_with("From ");
                assert!(format == Format::Text || !changed, "mail changes it: {line}");
            }
        }
    }
}

#[test]
fn strangers_text_stays_text_in_markdown() {
    for text in poisoned(Format::Markdown) {
        assert!(text.len() < 200_000, "{}", text.len());
        let unescaped = |what: &str| {
            text.match_indices(what).any(|(at, _)| {
                // An odd number of backslashes before it escapes it.
                text[..at].bytes().rev().take_while(|one| *one == b'\\').count() % 2 == 0
            })
        };
        for mark in [
            "<script",
            "<img",
            "<b>",
            "<!--",
            "](http://evil",
            "**d",
            "@everyone",
            "#1 ",
            ":100:",
            "www.evil",
            "://evil",
        ] {
            assert!(!unescaped(mark), "{mark} in {text:.3000}");
        }
        // A table's rows have as many borders as its header.
        let borders = |line: &str| {
            let bytes = line.as_bytes();
            (0..bytes.len()).filter(|at| bytes[*at] == b'|' && (*at == 0 || bytes[at - 1] != b'\\')).count()
        };
        let mut width = None;
        for line in text.lines() {
            if !line.starts_with('|') {
                width = None;
                continue;
            }
            assert_eq!(borders(line), *width.get_or_insert(borders(line)), "{line:.500}");
        }
    }
}

#[test]
fn strangers_text_stays_text_in_a_page() {
    for page in poisoned(Format::Html) {
        assert!(page.len() < 600_000, "{}", page.len());
        let mut depth: Vec<String> = Vec::new();
        let (mut rest, mut tags) = (page.as_str(), 0);
        while let Some(at) = rest.find('<') {
            let end = rest[at..].find('>').expect("every tag ends") + at;
            let tag = &rest[at + 1..end];
            rest = &rest[end + 1..];
            if tag.starts_with('!') {
                assert_eq!(tag, "!DOCTYPE html");
                continue;
            }
            let name: String =
                tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
            assert!(
                !["script", "img", "b", "iframe", "object", "form", "input"].contains(&name.as_str()),
                "{tag}"
            );
            assert!(!tag.contains("onerror") && !tag.contains("javascript:"), "{tag}");
            for link in ["href=\"", "src=\"", "url("] {
                for (at, _) in tag.match_indices(link) {
                    let to = &tag[at + link.len()..];
                    let known =
                        ["https://db-ip.com\"", "data:,\"", "#"].iter().any(|known| to.starts_with(known));
                    assert!(known, "{tag}");
                }
            }
            tags += 1;
            if tag.starts_with('/') {
                assert_eq!(depth.pop().as_deref(), Some(name.as_str()), "{tag} closes what is open");
            } else if !tag.ends_with('/') && !["meta", "link"].contains(&name.as_str()) {
                depth.push(name);
            }
        }
        assert!(depth.is_empty() && tags > 100, "{depth:?}");
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn strangers_text_stays_text_in_a_spreadsheet() {
    for text in poisoned(Format::Csv) {
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        let header = rows.headers().unwrap().clone();
        assert_eq!(header.len(), 41);
        let mut count = 0;
        for row in rows.records() {
            let row = row.unwrap();
            assert_eq!(row.len(), header.len());
            for cell in &row {
                assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']), "{cell:.100}");
                assert!(cell.chars().count() < 1500, "{}", cell.len());
            }
            count += 1;
        }
        assert!(count > 20, "{count}");
        assert!(text.lines().count() == count + 1 && text.ends_with("\r\n"));
    }
}

#[test]
fn strangers_text_stays_text_for_programs() {
    for format in [Format::Json, Format::Jsonl, Format::Ooni] {
        for text in poisoned(format) {
            let mut values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
            assert!(values.all(|value| value.is_ok()), "{}", format.word());
        }
    }
    for text in poisoned(Format::Mtr) {
        let mut hops = 0;
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("Start: ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match line.starts_with("HOST: ") {
                true => assert_eq!(words.len(), 9, "{line:.300}"),
                false => {
                    assert_eq!(words.len(), 10, "{line:.300}");
                    assert!(words[0].ends_with('.'), "{line:.300}");
                    assert!(words[3].ends_with('%') || words[3] == "100.0", "{line:.300}");
                    hops += 1;
                }
            }
        }
        assert!(hops > 15);
    }
}

#[test]
fn an_archive_learns_of_us_what_we_share() {
    let mut saved = value("proton.json");
    saved["vantage"]["asn"] = json!(204_671);
    let runs = read(&saved).unwrap();
    let with = |share| -> Value {
        let mut out = Vec::new();
        report::write(&mut out, &runs, Format::Ooni, Options { look: Look::default(), share }).unwrap();
        serde_json::from_slice(&out).unwrap()
    };
    let usual = with(Share::default());
    assert_eq!((&usual["probe_ip"], &usual["probe_asn"]), (&json!("127.0.0.1"), &json!("AS204671")));
    assert!(!usual.to_string().contains("192.168.1."), "neither our address nor our router's");
    let nothing = with(Share { address: false, asn: false });
    assert_eq!((&nothing["probe_asn"], &nothing["probe_network_name"]), (&json!("AS0"), &json!("")));
    let all = with(Share { address: true, asn: true });
    assert_eq!(all["probe_ip"], "192.168.1.10");
    for name in ["software_name", "software_version", "test_name", "test_version"] {
        let name = usual[name].as_str().unwrap();
        assert!(name.chars().all(|one| one.is_ascii_alphanumeric() || "_.+-".contains(one)), "{name}");
    }
    assert_eq!(usual["measurement_start_time"], "2019-03-03 08:00:00");
    assert_eq!(usual["test_keys"]["tcp_connect"][0]["status"]["failure"], "generic_timeout_error");
    assert_eq!(usual["test_keys"]["tcp_connect"][1]["status"]["success"], true);
}

#[test]
fn every_format_owns_up_to_its_table() {
    let runs = read(&value("proton.json")).unwrap();
    let hash = value("proton.json")["asdb"]["sha256"].as_str().unwrap().to_owned();
    for format in texts() {
        let text = write(&runs, format).split_whitespace().collect::<Vec<_>>().join(" ");
        for word in ["Route Views", "nro.net", "DB-IP", "2026-06-17", hash.as_str()] {
            assert!(text.replace('\\', "").contains(word), "{} does not say {word}", format.word());
        }
        assert!(text.contains("CC BY 4.0") || text.contains("CC BY 4\\.0"), "{}", format.word());
    }
    assert!(write(&runs, Format::Html).contains("<a href=\"https://db-ip.com\">IP Geolocation by DB-IP</a>"));
}

#[test]
fn what_no_measurement_gives_is_refused_with_its_place() {
    let refused = |change: &dyn Fn(&mut Value), words: &[&str]| {
        let mut saved = value("proton.json");
        change(&mut saved);
        let said = read(&saved).unwrap_err().to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    refused(&|run| run["target"]["hops"][3]["ttl"] = json!(1), &["target.hops[3].ttl"]);
    refused(&|run| run["target"]["hops"][3]["ttl"] = json!(300), &["300", "line 1 column"]);
    refused(
        &|run| run["references"][0]["hops"][2]["responders"][0]["rtt_ms"]["avg"] = json!(-1.0),
        &["references[0].hops[2].responders[0].rtt_ms"],
    );
    refused(
        &|run| run["verdict"]["location_confidence"] = json!(1.5),
        &["verdict.location_confidence", "1.5"],
    );
    refused(&|run| run["verdict"]["evidence"]["posterior"] = json!(-0.1), &["verdict.evidence.posterior"]);
    refused(&|run| run["target"]["hops"] = json!("none"), &["line 1 column"]);
    refused(&|run| run["schema"] = json!("lasthop.run/2"), &["lasthop.run/2", "lasthop.run/1"]);
    refused(&|run| run["schema"] = json!("else"), &["schema"]);
    let many = |run: &mut Value| {
        let hop = run["target"]["hops"][0].clone();
        run["target"]["hops"] = json!(vec![hop; 256]);
    };
    refused(&many, &["at most 255", "line 1 column"]);
    let mut set = set();
    set["runs"][1]["verdict"]["attribution_confidence"] = json!(2);
    assert!(read(&set).unwrap_err().to_string().starts_with("runs[1].verdict.attribution_confidence"));
    assert!(matches!(Runs::read(vec![b' '; 1 + (64 << 20)]), Err(ReadError::TooLarge)));
    assert!(matches!(Runs::read(b"{\"schema\": \"\xff\"}".to_vec()), Err(ReadError::NotText(12))));
    assert!(matches!(Runs::read(b"[1, 2]".to_vec()), Err(ReadError::Foreign)));
    assert!(Runs::read(b"{\n\n nonsense".to_vec()).unwrap_err().to_string().contains("line 3"));
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let text = String::from_utf8(deep.clone()).unwrap();
    assert!(matches!(Runs::read(deep), Err(ReadError::Foreign)));
    let text = format!("{{\"schema\": \"lasthop.set/1\", \"runs\": [], \"conclusion\": {text}}}");
    assert!(Runs::read(text.into_bytes()).unwrap_err().to_string().contains("recursion limit"));
}

/// A file of an older or newer version, or one that an editor has put a mark before.
#[test]
fn other_versions_are_read() {
    let mut saved = value("proton.json");
    for field in ["search", "matrix", "check", "balancing", "measurement"] {
        saved.as_object_mut().unwrap().remove(field);
    }
    saved["asdb"].as_object_mut().unwrap().remove("sources");
    saved["verdict"]["kind"] = json!("eaten_by_a_whale");
    saved["verdict"]["mechanism"] = json!("teeth");
    saved["target"]["hops"][0]["responders"][0]["kind"] = json!("submarine");
    let bytes = [b"\xef\xbb\xbf".to_vec(), serde_json::to_vec(&saved).unwrap()].concat();
    let runs = Runs::read(bytes).unwrap();
    for format in texts() {
        assert!(!write(&runs, format).is_empty());
    }
    assert!(write(&runs, Format::Ticket).starts_with("EATEN BY A WHALE\n"));
    // Without a verdict, without a target: a trace, and a failure.
    saved["verdict"] = Value::Null;
    saved["references"] = json!([]);
    assert!(write(&read(&saved).unwrap(), Format::Text).contains("AS path"));
    saved["target"] = Value::Null;
    saved["error"] = json!({"kind": "privilege", "message": "no right to probe", "hint": null});
    let runs = read(&saved).unwrap();
    for format in texts() {
        let text = write(&runs, format);
        let rows = matches!(format, Format::Csv | Format::Ooni);
        assert!(rows || text.contains("no right to probe"), "{}: {text}", format.word());
    }
}

/// Visits every number of a document, counting in `count`, and puts `to` in the place of number `change`.
pub(super) fn numbers(value: &mut Value, count: &mut usize, change: usize, to: &Value) {
    match value {
        Value::Number(_) => {
            if *count == change {
                value.clone_from(to);
            }
            *count += 1;
        }
        Value::Array(list) => list.iter_mut().for_each(|value| numbers(value, count, change, to)),
        Value::Object(map) => map.values_mut().for_each(|value| numbers(value, count, change, to)),
        _ => {}
    }
}

/// Every number of a document at its extremes: whatever is read is written without a fault.
#[test]
fn no_numbers_bring_a_writer_down() {
    let base = value("proton.json");
    let mut all = 0;
    numbers(&mut base.clone(), &mut all, usize::MAX, &Value::Null);
    assert!(all > 300);
    let extremes = [json!(0), json!(1), json!(255), json!(u32::MAX), json!(1e308), json!(0.5)];
    let mut written = 0;
    // A prime step meets every field's turn without writing each number of every hop.
    for change in (0..all).step_by(3) {
        for to in &extremes {
            let mut saved = base.clone();
            numbers(&mut saved, &mut 0, change, to);
            let Ok(runs) = read(&saved) else { continue };
            for format in texts() {
                let text = write(&runs, format);
                assert!(text.len() < 300_000, "{change} {to} {}", format.word());
            }
            written += 1;
        }
    }
    assert!(written > 200, "{written}");
}

pub fn lasthop(words: &[&str], input: Option<&[u8]>) -> Output {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = Command::new(PROGRAM)
        .args(words)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("NO_COLOR", "1")
        .env_remove("COLUMNS")
        .spawn()
        .unwrap();
    if let Some(input) = input {
        // A program that refuses its words need not read.
        let _ = child.stdin.take().unwrap().write_all(input);
    }
    child.wait_with_output().unwrap()
}

#[test]
fn the_command_writes_by_name_by_word_and_from_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let run = file("proton.json");
    let run = run.to_str().unwrap();
    let begins = [
        ("txt", "mx1.proton (185.70.40.101)"),
        ("md", "# LOST INSIDE"),
        ("html", "<!DOCTYPE html>"),
        ("json", "{"),
        ("jsonl", "{"),
        ("csv", "run,started_at"),
    ];
    for (ending, begin) in begins {
        let path = folder.path().join(format!("report.{ending}"));
        let output = lasthop(&["report", run, "-o", path.to_str().unwrap()], None);
        assert_eq!(output.status.code(), Some(0), "{ending}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.is_empty(), "{ending}: the file is the report");
        assert!(fs::read_to_string(&path).unwrap().starts_with(begin), "{ending}");
        // The same format, asked of the main commands.
        let output = lasthop(&["demo", "-o", path.to_str().unwrap()], None);
        assert_eq!(output.status.code(), Some(0), "{ending}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("LOST INSIDE AS8359"), "{ending}");
        let begin = if ending == "txt" { "March 2019" } else { begin };
        assert!(fs::read_to_string(&path).unwrap().starts_with(begin), "{ending}");
    }
    let path = folder.path().join("report.md");
    let path = path.to_str().unwrap();
    lasthop(&["report", run, "-o", path, "--format", "csv"], None);
    assert!(fs::read_to_string(path).unwrap().starts_with("run,started_at"), "--format wins");
    let output = lasthop(&["report", "-", "--format", "ticket", "-o", "-"], Some(&fs::read(run).unwrap()));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("LOST INSIDE AS8359 (MTS PJSC)\nFrom: "));
    assert!(lasthop(&["demo", "--format", "mtr"], None).stdout.starts_with(b"# lasthop"));
}

#[test]
fn files_that_are_no_runs_are_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("cut"), &fs::read(file("proton.json")).unwrap()[..5000]).unwrap();
    fs::write(path("foreign"), "{\"schema\": \"other\"}").unwrap();
    fs::write(path("empty"), "").unwrap();
    fs::write(path("archive"), b"PK\x03\x04\x14\x00\xff\xfe").unwrap();
    for name in ["missing", "cut", "foreign", "empty", "archive", "."] {
        let output = lasthop(&["report", &path(name)], None);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{name}: {said}");
        assert!(said.contains(&path(name)) && said.contains("hint: "), "{name}: {said}");
        assert!(output.stdout.is_empty());
        let output = lasthop(&["report", &path(name), "--json"], None);
        assert_eq!(output.status.code(), Some(4), "{name}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["error"]["kind"], "input", "{name}");
    }
    let output = lasthop(&["report", file("proton.json").to_str().unwrap(), "-o", "report.doc"], None);
    assert_eq!(output.status.code(), Some(2));
    let output = lasthop(&["report", file("proton.json").to_str().unwrap(), "-o", "/dev/null/x.md"], None);
    assert_eq!(output.status.code(), Some(3));
    // A file that cannot be read leaves what it would have been written to as it is.
    fs::write(path("kept.md"), "old").unwrap();
    lasthop(&["report", &path("cut"), "-o", &path("kept.md")], None);
    assert_eq!(fs::read_to_string(path("kept.md")).unwrap(), "old");
}

/// The complaint as somebody writes it who is not believed: both languages, whatever the verdict, no more than it says.
#[test]
fn a_complaint_is_written_of_every_run_that_gives_cause() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run.json");
    let run = run.to_str().unwrap();
    let lasthop = |words: &[&str]| Command::new(env!("CARGO_BIN_EXE_lasthop")).args(words).output().unwrap();
    let mut letters = 0;
    for (name, _) in lasthop::sim::scenarios() {
        assert!(lasthop(&["demo", name, "-o", run]).status.success(), "{name}");
        for (language, question) in
            [("en", "We ask you to answer in writing:"), ("ru", "Просим ответить письменно:")]
        {
            let output =
                lasthop(&["report", run, "--complaint", "--lang", language, "--to", "MTS \u{1b}[2J"]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.code() == Some(2) {
                assert!(said.contains("the target answers"), "{name}: {said}");
                continue;
            }
            assert_eq!(output.status.code(), Some(0), "{name}: {said}");
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.contains(question) && !text.contains('\u{1b}'), "{name}: {text}");
            assert!(text.lines().all(|line| line.chars().count() <= 72), "{name}: {text}");
            let document: serde_json::Value = serde_json::from_slice(&std::fs::read(run).unwrap()).unwrap();
            let accused = document["verdict"]["asns"].as_array().unwrap();
            let body = text.split("Annex").next().unwrap().split("Приложение").next().unwrap().to_owned();
            let finding = body.split(question).next().unwrap();
            let source = document["vantage"]["asn"].as_u64();
            for asn in finding.split("AS").skip(1) {
                let digits: String = asn.chars().take_while(char::is_ascii_digit).collect();
                let Ok(number) = digits.parse::<u64>() else { continue };
                let known = accused.iter().any(|one| one.as_u64() == Some(number)) || source == Some(number);
                assert!(known, "{name}: AS{number} is in the letter and not in the verdict: {finding}");
            }
            letters += 1;
        }
    }
    assert!(letters > 30, "{letters}");
    assert!(lasthop(&["demo", "-o", run]).status.success());
    let sheets = folder.path().join("letter.pdf");
    let words = ["report", run, "--complaint", "--lang", "ru", "-o", sheets.to_str().unwrap()];
    assert!(lasthop(&words).status.success());
    assert!(std::fs::read(&sheets).unwrap().starts_with(b"%PDF-"));
    assert_eq!(lasthop(&["report", run, "--complaint", "--lang", "tlh"]).status.code(), Some(2));
    assert_eq!(lasthop(&["report", run, "--to", "x"]).status.code(), Some(2));
}
