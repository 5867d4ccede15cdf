//! Reports as PDF: what is in them can be found and copied, nothing is lost where a sheet ends, other programs take the file
//! for sound, and no document brings the writer down.
//!
//! Text is read back with `pdftotext` (poppler-utils), files are judged by `qpdf`, a terminal is made by `script`. Where one
//! is missing the test says so; with `LASTHOP_REQUIRE_NET=1` that is a failure.

use std::fs;
use std::path::Path;
use std::process::Command;

use lasthop::report::{self, Format, Options, Runs};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::net::skip;
use crate::report::{PROGRAM, acts, file, hostile, lasthop, numbers, poison, read, set, value};

fn pdf(runs: &Runs) -> Vec<u8> {
    let mut out = Vec::new();
    report::write(&mut out, runs, Format::Pdf, Options::default()).unwrap();
    assert!(out.starts_with(b"%PDF-1.7"));
    assert!(out.len() < 300_000, "{} bytes", out.len());
    out
}

/// What a tool prints of a file whose name is put behind `before`; none where the tool is missing.
fn tool(name: &str, before: &[&str], file: &[u8], behind: &[&str]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.pdf");
    fs::write(&path, file).unwrap();
    let output = match Command::new(name).args(before).arg(&path).args(behind).output() {
        Ok(output) => output,
        Err(error) => return skip("pdf", &format!("{name} cannot be run: {error}")),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {errors} {}", String::from_utf8_lossy(&output.stdout));
    assert!(errors.is_empty(), "{name} complains: {errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The text as it stands on the sheets.
fn text(file: &[u8]) -> Option<String> {
    tool("pdftotext", &["-layout", "-enc", "UTF-8"], file, &["-"])
}

/// Without blanks: a word that is too long for its column is parted.
fn squeeze(text: &str) -> String {
    text.chars().filter(|one| !one.is_whitespace()).collect()
}

fn sound(file: &[u8]) {
    if let Some(said) = tool("qpdf", &["--check"], file, &[]) {
        assert!(said.contains("No syntax or stream encoding errors found"), "{said}");
    }
}

/// A run of `hops` hops, of which the target shows `seen`, with the addresses of `family` and a reference at the end.
fn long(hops: u64, seen: u64, v6: bool) -> Value {
    let mut run = value("proton.json");
    let hop = run["references"][0]["hops"][5].clone();
    let path = |until: u64| -> Vec<Value> {
        (1..=hops)
            .map(|ttl| {
                let mut hop = hop.clone();
                hop["ttl"] = json!(ttl);
                let one = &mut hop["responders"][0];
                one["address"] = match v6 {
                    true => json!(format!("2001:db8:aaaa:bbbb:cccc:dddd:eeee:{:x}", 0xf000 + ttl)),
                    false => json!(format!("203.0.113.{}", 100 + ttl)),
                };
                let asn = 64_500 + ttl / 3;
                (one["asn"], one["asns"]) = (json!(asn), json!([asn]));
                one["as_name"] = json!(format!("Network number {asn} of a rather long name, GmbH & Co. KG"));
                one["rtt_ms"] =
                    json!({"min": 100.0 + ttl as f64, "avg": 250.0 + ttl as f64, "max": 900.0 + ttl as f64});
                if ttl > until {
                    hop["responders"] = json!([]);
                }
                hop
            })
            .collect()
    };
    run["target"]["hops"] = json!(path(seen));
    run["references"][0]["hops"] = json!(path(hops));
    run["references"][0]["distance"] = json!(hops);
    (run["verdict"]["after_ttl"], run["verdict"]["before_ttl"]) = (json!(seen), json!(seen + 2));
    run
}

#[test]
fn the_fonts_are_those_that_are_described() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let readme = fs::read_to_string(data.join("README.md")).unwrap();
    let (mut count, mut size) = (0, 0);
    for entry in fs::read_dir(data.join("fonts")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "ttf") {
            let font = fs::read(&path).unwrap();
            let hash: String = Sha256::digest(&font).iter().map(|byte| format!("{byte:02x}")).collect();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(readme.contains(&format!("| `fonts/{name}` | `{hash}` |")), "{name} is {hash}");
            (count, size) = (count + 1, size + font.len());
        }
    }
    assert_eq!(count, 3);
    assert!(size < 200_000, "{size} bytes");
}

#[test]
fn all_that_a_report_says_can_be_copied_in_order() {
    for name in ["proton", "ipv6", "rejected", "found"] {
        let saved = value(&format!("{name}.json"));
        let file = pdf(&read(&saved).unwrap());
        sound(&file);
        let Some(text) = text(&file) else { return };
        let squeezed = squeeze(&text);
        let verdict = &saved["verdict"];
        let target = saved["target"]["host"].as_str().unwrap();
        let mut rest = squeezed.as_str();
        let order = [
            "page 1 of ",
            verdict["summary"].as_str().unwrap(),
            "from",
            target,
            "cost",
            "What to ask",
            "Please check",
            "on what ground?",
            "mtr ",
            "The paths",
            "target TCP/25",
            "Each lane is a path",
            "hop address",
            "milliseconds there and back: line from",
            "AS numbers:",
            "CC BY 4.0",
            "https://db-ip.com",
            "Made by lasthop",
        ];
        for word in order {
            let at = rest.find(&squeeze(word));
            rest = &rest[at.unwrap_or_else(|| panic!("{name}: no {word:?} in its place: {text}"))..];
        }
        let responders = |path: &Value| -> Vec<Value> {
            let hops = path["hops"].as_array().unwrap();
            hops.iter().flat_map(|hop| hop["responders"].as_array().unwrap().clone()).collect()
        };
        let mut all = responders(&saved["target"]);
        all.extend(saved["references"].as_array().unwrap().iter().flat_map(responders));
        assert!(all.len() > 10);
        for one in all {
            for word in [&one["address"], &one["as_name"]].into_iter().filter_map(Value::as_str) {
                assert!(squeezed.contains(&squeeze(word)), "{name}: no {word}: {text}");
            }
        }
        assert!(squeezed.contains(saved["asdb"]["sha256"].as_str().unwrap()), "{name}: {text}");
    }
}

#[test]
fn a_long_path_loses_nothing_where_a_sheet_ends() {
    for (hops, v6) in [(20, false), (64, false), (64, true)] {
        let file = pdf(&read(&long(hops, 10, v6)).unwrap());
        sound(&file);
        let Some(text) = text(&file) else { return };
        let sheets: Vec<&str> = text.split('\u{c}').filter(|sheet| !sheet.is_empty()).collect();
        for (at, sheet) in (1..).zip(&sheets) {
            assert!(sheet.contains(&format!("page {at} of {}", sheets.len())), "{sheet}");
        }
        // Every sheet that goes on with the table repeats its header.
        let headers = text.matches(" network ").count();
        if hops == 64 {
            assert!(sheets.len() >= 4 && headers >= 2, "{headers} headers: {text}");
        }
        // A v6 address is shortened in the picture, not in the table.
        let each = if v6 { 1 } else { 2 };
        for ttl in 11..=hops {
            let address = match v6 {
                true => format!("2001:db8:aaaa:bbbb:cccc:dddd:eeee:{:x}", 0xf000 + ttl),
                false => format!("203.0.113.{}", 100 + ttl),
            };
            let found = squeeze(&text).matches(&address).count();
            assert_eq!(found, each, "{address}: {text}");
        }
    }
}

#[test]
fn a_set_shows_all_its_runs() {
    let file = pdf(&read(&set()).unwrap());
    sound(&file);
    let Some(text) = text(&file) else { return };
    for word in ["All failing paths pass AS8359.", "From where to where", "Moscow", "Kazan", "mx2.proton"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    for run in 1..=3 {
        assert!(text.contains(&format!("Run {run}: ")), "{run}: {text}");
    }
    let empty = json!({"schema": "lasthop.set/1", "runs": [], "conclusion": null});
    sound(&pdf(&read(&empty).unwrap()));
}

#[test]
fn every_scenario_becomes_sheets() {
    let list = Command::new(PROGRAM).args(["demo", "--list", "--json"]).output().unwrap();
    let list: Vec<Value> = serde_json::from_slice(&list.stdout).unwrap();
    assert!(list.len() > 15);
    for scenario in &list {
        let name = scenario["name"].as_str().unwrap();
        let output = Command::new(PROGRAM).args(["demo", name, "--json"]).output().unwrap();
        let runs = Runs::read(output.stdout).unwrap();
        let Some(text) = text(&pdf(&runs)) else { return };
        let summary = &runs.documents[0].verdict.as_ref().unwrap().summary;
        assert!(squeeze(&text).contains(&squeeze(summary)), "{name}: {text}");
    }
}

#[test]
fn the_same_document_gives_the_same_bytes() {
    let saved = value("proton.json");
    let file = pdf(&read(&saved).unwrap());
    assert_eq!(file, pdf(&read(&saved).unwrap()));
    let has = |word: &str| file.windows(word.len()).any(|bytes| bytes == word.as_bytes());
    assert!(has("/CreationDate (D:20190303080000"), "the time is the run's");
    assert!(has("/Title (LOST INSIDE AS8359 (MTS PJSC))"));
    assert!(has("/Lang (en)"));
    let mut later = saved;
    later["started_at"] = json!("2020-01-02T03:04:05Z");
    assert_ne!(file, pdf(&read(&later).unwrap()));
    later["started_at"] = json!("yesterday");
    pdf(&read(&later).unwrap());
}

#[test]
fn strangers_text_stays_text_on_paper() {
    for text in hostile() {
        for mut saved in [value("proton.json"), value("found.json"), set(), long(64, 3, true)] {
            poison(&mut saved, &text);
            let file = pdf(&read(&saved).unwrap());
            sound(&file);
            let Some(shown) = self::text(&file) else { continue };
            assert!(!shown.chars().any(|one| acts(one) && !matches!(one, '\n' | '\u{c}')), "{shown:.500?}");
            assert!(squeeze(&shown).contains("<script>alert(1)</script>"), "{shown:.500}");
        }
    }
    // Scripts that the font lacks are spelled out, not left out.
    let mut saved = value("proton.json");
    saved["target"]["host"] = json!("例え.example");
    if let Some(shown) = text(&pdf(&read(&saved).unwrap())) {
        assert!(shown.contains("\\u{4f8b}\\u{3048}.example"), "{shown}");
    }
}

#[test]
fn no_numbers_bring_the_sheets_down() {
    let base = value("proton.json");
    let mut all = 0;
    numbers(&mut base.clone(), &mut all, usize::MAX, &Value::Null);
    let mut written = 0;
    for change in (0..all).step_by(7) {
        for to in [json!(0), json!(255), json!(u32::MAX), json!(1e308)] {
            let mut saved = base.clone();
            numbers(&mut saved, &mut 0, change, &to);
            let Ok(runs) = read(&saved) else { continue };
            pdf(&runs);
            written += 1;
        }
    }
    assert!(written > 60, "{written}");
}

#[test]
fn a_letter_keeps_its_lines_and_columns() {
    let letter = "Уважаемые коллеги!\n\nПакеты к mx1.example (192.0.2.1) теряются — ёлки, №5.\n\n\
                  hop  address        answered\n  1  192.0.2.254         5/5\n 10  198.51.100.7        0/5\n\n";
    let long = format!("{letter}{}\n{}", "слово ".repeat(60), "x".repeat(400));
    let mut file = Vec::new();
    report::pdf::plain(&mut file, "Жалоба", "ru", &long).unwrap();
    sound(&file);
    let mut again = Vec::new();
    report::pdf::plain(&mut again, "Жалоба", "ru", &long).unwrap();
    assert_eq!(file, again);
    let has = |word: &[u8]| file.windows(word.len()).any(|bytes| bytes == word);
    assert!(has(b"/Lang (ru)"));
    let Some(shown) = text(&file) else { return };
    // pdftotext has blanks of its own width.
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in letter.lines().filter(|line| !line.is_empty()) {
        assert!(shown.lines().any(|found| words(found) == words(line)), "{line:?} in {shown}");
    }
    // Columns stand below each other.
    let column = |word: &str| shown.lines().find_map(|line| line.find(word)).unwrap();
    assert_eq!(column("address "), column("198.51.100.7"), "{shown}");
    assert_eq!(squeeze(&shown).matches("слово").count(), 60);
    let mut pages = Vec::new();
    report::pdf::plain(&mut pages, "Many lines", "en", &"line\n".repeat(200)).unwrap();
    let Some(shown) = text(&pages) else { return };
    assert_eq!(shown.matches("line\n").count(), 200);
    assert!(shown.contains("4/4"), "{shown}");
}

#[test]
fn the_command_writes_a_file_or_a_pipe_but_no_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let run = file("proton.json");
    let run = run.to_str().unwrap();
    let path = folder.path().join("report.pdf");
    let output = lasthop(&["report", run, "-o", path.to_str().unwrap()], None);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty());
    let written = fs::read(&path).unwrap();
    assert_eq!(written, pdf(&read(&value("proton.json")).unwrap()));
    let piped = lasthop(&["report", run, "--format", "pdf"], None);
    assert_eq!((piped.status.code(), piped.stdout), (Some(0), written));
    let demo = lasthop(&["demo", "-o", path.to_str().unwrap()], None);
    assert!(String::from_utf8_lossy(&demo.stdout).contains("LOST INSIDE AS8359"));
    assert!(fs::read(&path).unwrap().starts_with(b"%PDF-1.7"));
    for words in ["demo --format pdf".to_owned(), format!("report {run} --format pdf")] {
        let mut script = Command::new("script");
        script.args(["-qec", &format!("{PROGRAM} {words}"), "/dev/null"]);
        match script.output() {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout);
                assert_eq!(output.status.code(), Some(2), "{words}: {said}");
                assert!(said.contains("-o report.pdf") && !said.contains("%PDF"), "{words}: {said}");
            }
            Err(error) => drop(skip::<()>("pdf", &format!("script cannot be run: {error}"))),
        }
    }
}
