//! The pages for people, held to the program: every command in them is run, or, where it needs a network, at least taken; what
//! they show is what it prints; every flag, link and word they name is there.
//!
//! In `README*.md` and below `docs/`, a block of `console` or `sh` holds commands: in `console` the lines after `$ `, in
//! `sh` every line. `# exit 10` behind a command is the status it ends with, else 0. What a `console` block shows below a
//! command is what it prints, where a line `...` stands for any lines. The blocks of a page run in order in one folder, in which
//! the files of `docs/examples/` lie. A block that cannot run says why: ```` ```sh no_run="needs a network" ````.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lasthop::report::Format;
use lasthop::verdict::{Kind, Reason};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");

/// Flags of other programs that the pages name.
const FOREIGN_FLAGS: &[&str] = &[
    "--bench",
    "--csv",
    "--example",
    "--features",
    "--locked",
    "--no-default-features",
    "--open",
    "--path",
    "--quick",
    "--raw",
    "--release",
    "--split",
    "--traceroute",
    "--xml",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages, as paths from the root.
fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let readme = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with("README");
    for folder in ["", "docs", "docs/ru"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "md") && (!folder.is_empty() || readme(&path))
            {
                found.push(path.strip_prefix(root()).unwrap().to_path_buf());
            }
        }
    }
    found.sort();
    assert!(found.len() > 12, "the pages were not found: {found:?}");
    found
}

fn text(page: &Path) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

/// A fenced block.
#[derive(Debug, Default)]
struct Block {
    line: usize,
    language: String,
    /// Why it cannot run in a test.
    no_run: Option<String>,
    lines: Vec<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(info)) => {
                let (language, rest) = info.split_once(' ').unwrap_or((info, ""));
                let no_run = rest.split_once("no_run=\"").and_then(|(_, rest)| rest.split_once('"'));
                assert!(rest.is_empty() || no_run.is_some(), "line {}: what is '{rest}'?", number + 1);
                open = Some(Block {
                    line: number + 1,
                    language: language.to_owned(),
                    no_run: no_run.map(|(why, _)| why.to_owned()),
                    lines: vec![],
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.lines.push(line.to_owned()),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block without an end");
    blocks
}

/// A command, with the status it should end with and the lines it should print.
#[derive(Debug)]
struct Step {
    line: usize,
    command: String,
    status: i32,
    shown: Vec<String>,
}

fn steps(block: &Block) -> Vec<Step> {
    let console = block.language == "console";
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for (number, line) in block.lines.iter().enumerate() {
        let command = match console {
            true => line.strip_prefix("$ "),
            false => Some(line.as_str()).filter(|line| !line.trim().is_empty() && !line.starts_with('#')),
        };
        match (command, steps.last_mut()) {
            (_, Some(step)) if goes_on => step.command = format!("{}\n{line}", step.command),
            (Some(command), _) => steps.push(Step {
                line: block.line + number + 1,
                command: command.to_owned(),
                status: 0,
                shown: vec![],
            }),
            (None, Some(step)) if console => step.shown.push(line.clone()),
            (None, _) => assert!(line.trim().is_empty() || !console, "output before a command: {line}"),
        }
        goes_on = (command.is_some() || goes_on) && line.ends_with('\\');
    }
    for step in &mut steps {
        if let Some((command, status)) = step.command.rsplit_once("# exit ") {
            step.status = status.trim().parse().unwrap_or_else(|_| panic!("'{status}' is no status"));
            step.command = command.trim_end().to_owned();
        }
    }
    steps
}

/// The words of every call of the program in a line of shell: quotes undone, redirections and what else the shell makes of it
/// left out.
fn calls(command: &str) -> Vec<Vec<OsString>> {
    let mut all = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let letters = command.replace("\\\n", " ").chars().collect::<Vec<_>>();
    let end = |word: &mut Option<String>, all: &mut Vec<Vec<String>>| {
        if let Some(word) = word.take() {
            all.last_mut().unwrap().push(word);
        }
    };
    for letter in letters {
        match (quote, letter) {
            (Some(mark), _) if letter == mark => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | '&' | ';') => {
                end(&mut word, &mut all);
                all.push(Vec::new());
            }
            // The file behind it is a word of its own, dropped below.
            (None, '>' | '<') => {
                end(&mut word, &mut all);
                all.last_mut().unwrap().push(">".to_owned());
            }
            (None, ' ' | '\n') => end(&mut word, &mut all),
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    end(&mut word, &mut all);
    let mut found = Vec::new();
    for words in all {
        let mut kept = Vec::new();
        let mut words = words.into_iter().skip_while(|word| word == "sudo" || word.contains('='));
        while let Some(word) = words.next() {
            if word == ">" {
                words.next();
            } else {
                kept.push(OsString::from(word));
            }
        }
        if kept.first().is_some_and(|word| word == "lasthop") {
            found.push(kept);
        }
    }
    found
}

/// A line with what differs from day to day taken out.
fn lasting(line: &str) -> String {
    let words: Vec<&str> = line.trim_end().split(' ').collect();
    let old = |at: usize| words.get(at + 1).is_some_and(|next| next.starts_with("day"));
    let number = |word: &str| !word.is_empty() && word.bytes().all(|one| one.is_ascii_digit());
    let same = |(at, word): (usize, &&str)| {
        if number(word) && old(at) { "N".to_owned() } else { (*word).to_owned() }
    };
    words.iter().enumerate().map(same).collect::<Vec<_>>().join(" ")
}

/// Whether the lines shown are those printed; the first that is not.
fn agrees(shown: &[String], printed: &str) -> Result<(), String> {
    let shown: Vec<String> = shown.iter().map(|line| lasting(line)).collect();
    let printed: Vec<String> = printed.trim_end().lines().map(lasting).collect();
    let shown = match shown.iter().rposition(|line| !line.is_empty()) {
        Some(last) => &shown[..=last],
        None => return Ok(()),
    };
    let mut at = 0;
    let mut anywhere = false;
    for run in shown.split(|line| line == "...") {
        if !run.is_empty() {
            let fits = |from: usize| printed.get(from..from + run.len()) == Some(run);
            let most = if anywhere { printed.len() } else { at };
            let Some(from) = (at..=most).find(|from| fits(*from)) else {
                let near = printed.get(at..).unwrap_or_default().join("\n");
                return Err(format!("shown:\n{}\nprinted from there:\n{near}", run.join("\n")));
            };
            at = from + run.len();
        }
        anywhere = true;
    }
    let open_end = shown.last().is_some_and(|line| line == "...");
    match open_end || at == printed.len() {
        true => Ok(()),
        false => Err(format!("printed beyond what is shown:\n{}", printed[at..].join("\n"))),
    }
}

/// Runs the commands of a page; what is wrong with them.
fn run(page: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join("docs/examples")).unwrap() {
        let file = entry.unwrap().path();
        fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    let found = Path::new(PROGRAM).parent().unwrap().display().to_string();
    let path = format!("{found}:{}", std::env::var("PATH").unwrap_or_default());
    for block in blocks(&text(page)) {
        let place = |line: usize| format!("{}:{line}", page.display());
        if block.language != "console" && block.language != "sh" {
            let hides = block.lines.iter().any(|line| line.trim_start_matches("$ ").starts_with("lasthop "));
            if hides {
                faults
                    .push(format!("{}: commands in a block that is no console and no sh", place(block.line)));
            }
            continue;
        }
        for step in steps(&block) {
            if let Some(why) = &block.no_run {
                assert!(why.len() > 5, "{}: why not?", place(block.line));
                for words in calls(&step.command) {
                    if let Err(error) = lasthop::cli::accepts(words) {
                        faults.push(format!("{}: {}\n{error}", place(step.line), step.command));
                    }
                }
                continue;
            }
            let mut command = Command::new("timeout");
            command.args(["120", "sh", "-c", &format!("{{ {}\n}} 2>&1", step.command)]);
            command.current_dir(folder.path()).stdin(Stdio::null()).env_clear();
            let kept = [("PATH", path.as_str()), ("HOME", folder.path().to_str().unwrap())];
            command.envs(kept).envs([
                ("NO_COLOR", "1"),
                ("COLUMNS", "80"),
                ("LC_ALL", "C.UTF-8"),
                ("TZ", "UTC"),
            ]);
            let output = command.output().unwrap();
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.code() != Some(step.status) {
                faults.push(format!(
                    "{}: {}\nends with {:?}, not {}:\n{printed}",
                    place(step.line),
                    step.command,
                    output.status.code(),
                    step.status
                ));
            }
            if let Err(difference) = agrees(&step.shown, &printed) {
                faults.push(format!("{}: {}\n{difference}", place(step.line), step.command));
            }
        }
    }
    faults
}

#[test]
fn every_command_of_the_pages_runs_and_prints_what_they_show() {
    let pages = pages();
    let faults: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = pages.iter().map(|page| scope.spawn(|| run(page))).collect();
        running.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn the_test_of_pages_sees_what_it_should() {
    let block = &blocks("a\n```console\n$ lasthop demo x   # exit 10\nA\n...\nB\n\n$ true\n```\nb\n")[0];
    let steps = steps(block);
    assert_eq!(steps.len(), 2);
    assert_eq!((steps[0].command.as_str(), steps[0].status, steps[0].line), ("lasthop demo x", 10, 3));
    let shown = &steps[0].shown;
    assert!(agrees(shown, "A\nB\n").is_ok() && agrees(shown, "A\nx\ny\nB\n").is_ok());
    assert!(agrees(shown, "x\nA\nB\n").is_err() && agrees(shown, "A\nB\nx\n").is_err());
    assert!(agrees(shown, "A\n").is_err() && agrees(shown, "").is_err());
    assert!(agrees(&["161 days old".to_owned()], "7 days old\n").is_ok());
    assert!(agrees(&["161 hops".to_owned()], "7 hops\n").is_err());
    let words = calls("sudo X=1 lasthop db lookup '192.0.2.1 x' > out | grep a && lasthop demo # no lasthop");
    assert_eq!(words, [vec!["lasthop", "db", "lookup", "192.0.2.1 x"], vec!["lasthop", "demo"]]);
    let block = &blocks("```sh no_run=\"needs a network\"\nlasthop diagnose \\\n  x\n```\n")[0];
    assert_eq!(block.no_run.as_deref(), Some("needs a network"));
    assert_eq!(calls(&self::steps(block)[0].command), [["lasthop", "diagnose", "x"]]);
}

/// Fragments of a page as GitHub and mdBook make them of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|one| one.is_alphanumeric() || " -_".contains(*one));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let mut faults = Vec::new();
    for page in pages() {
        let text = text(&page);
        for (at, _) in text.match_indices("](") {
            let target = &text[at + 2..][..text[at + 2..].find(')').unwrap()];
            if target.contains("://") || target.is_empty() {
                continue;
            }
            let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => root().join(&page),
                file => root().join(page.parent().unwrap()).join(file),
            };
            match fs::read_to_string(&path) {
                Ok(other) if fragment.is_empty() || anchors(&other).contains(fragment) => {}
                Ok(_) => faults.push(format!("{}: no heading '{fragment}' in {file}", page.display())),
                Err(_) if fragment.is_empty() && path.exists() => {}
                Err(_) => faults.push(format!("{}: {target} is not there", page.display())),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let summary = text(Path::new("docs/SUMMARY.md"));
    for page in pages() {
        let Ok(name) = page.strip_prefix("docs") else { continue };
        let name = name.display().to_string();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("]({name})")), "SUMMARY.md has no {name}");
    }
}

#[test]
fn every_flag_that_the_pages_name_is_there() {
    let man = Command::new(PROGRAM).arg("man").output().unwrap();
    let man = String::from_utf8(man.stdout).unwrap().replace("\\-", "-");
    let is_part = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
    let flags = |text: &str| -> BTreeSet<String> {
        let starts = text.match_indices("--").filter(|(at, _)| !text[..*at].ends_with(is_part));
        let words =
            starts.map(|(at, _)| text[at..].chars().take_while(|one| is_part(*one)).collect::<String>());
        words.filter(|word| word.len() > 3 && !word.starts_with("---")).collect()
    };
    let mut known = flags(&man);
    // Of a feature that this build may lack.
    known.insert("--parquet".to_owned());
    assert!(known.contains("--reference") && known.len() > 50, "{known:?}");
    let mut unknown = Vec::new();
    for page in pages() {
        for flag in flags(&text(&page)) {
            if !known.contains(&flag) && !FOREIGN_FLAGS.contains(&flag.as_str()) {
                unknown.push(format!("{}: {flag}", page.display()));
            }
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

#[test]
fn every_example_of_the_help_is_taken_and_each_command_has_one() {
    let mut of = BTreeSet::new();
    for (command, example) in lasthop::cli::examples() {
        of.insert(command.join(" "));
        let words = calls(example);
        assert_eq!(words.len(), 1, "{example}");
        let below: Vec<OsString> = command.iter().map(OsString::from).collect();
        assert!(
            command.is_empty() || words[0][1..].starts_with(&below),
            "{example} is no example of {command:?}"
        );
        if let Err(error) = lasthop::cli::accepts(words[0].clone()) {
            panic!("{example}\n{error}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(PROGRAM).arg("man").arg("--dir").arg(folder.path()).status().unwrap();
    assert!(status.success());
    let mut pages = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().replace('-', " ");
        assert!(page.contains(".TH") && page.contains("SYNOPSIS"), "{name}");
        let command = name.strip_prefix("lasthop").unwrap().trim_start();
        assert!(of.contains(command), "'{command}' has no example");
        assert!(page.contains("Examples:"), "{name}");
        pages += 1;
    }
    assert!(pages >= 17, "{pages} pages");
    let one = Command::new(PROGRAM).args(["man", "db", "lookup"]).output().unwrap();
    assert!(String::from_utf8_lossy(&one.stdout).contains("lasthop\\-db\\-lookup"), "{one:?}");
    assert_eq!(Command::new(PROGRAM).args(["man", "nothing"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn examples_that_need_no_network_run() {
    let folder = tempfile::tempdir().unwrap();
    let alone = [
        "demo",
        "watch --simulate",
        "watch report",
        "watch export",
        "db lookup 8",
        "db info",
        "config",
        "man",
        "schema",
        "completions",
    ];
    let mut ran = 0;
    let examples: Vec<&str> = lasthop::cli::examples().map(|(_, example)| example).collect();
    for example in examples {
        if !alone
            .iter()
            .any(|start| example.strip_prefix("lasthop ").is_some_and(|rest| rest.starts_with(start)))
        {
            continue;
        }
        let words = &calls(example)[0];
        let output = Command::new(PROGRAM)
            .args(&words[1..])
            .current_dir(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{example}: {}", String::from_utf8_lossy(&output.stderr));
        ran += 1;
    }
    assert!(ran >= 12, "{ran}");
}

#[path = "../../examples/diagnose.rs"]
mod embedding;
#[path = "../../examples/recording.rs"]
mod recording;

#[test]
fn the_example_of_embedding_concludes_and_reports() {
    let mut report = Vec::new();
    let verdict = embedding::diagnose("proton", &mut report).unwrap();
    assert_eq!((verdict.kind, verdict.asns[0].0), (Kind::LostInsideAs, 8359));
    assert!(String::from_utf8(report).unwrap().starts_with("LOST INSIDE AS8359"));
    assert!(embedding::diagnose("no such", &mut Vec::new()).is_err());
}

#[test]
fn the_picture_of_the_demo_is_what_it_prints() {
    let picture = recording::picture(PROGRAM).unwrap();
    let kept = fs::read_to_string(root().join("docs/img/demo.svg")).unwrap();
    assert!(picture.contains("LOST INSIDE AS8359") && picture.starts_with("<svg"), "{}", &picture[..200]);
    assert!(picture == kept, "draw it anew: cargo build && cargo run --example recording");
}

#[test]
fn the_list_of_public_items_has_the_rooms_of_today() {
    // Whole it is held by docs/public-api.sh --check, which needs a nightly toolchain.
    let list = text(Path::new("docs/public-api.txt"));
    let listed: BTreeSet<&str> = list
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod lasthop::"))
        .filter(|name| !name.contains(':'))
        .collect();
    let source = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rooms = source.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    assert_eq!(listed, rooms.collect(), "docs/public-api.sh writes it anew");
    assert!(list.contains("pub fn lasthop::cli::accepts("));
}

#[test]
fn the_lists_in_the_pages_are_whole() {
    let proof = text(Path::new("docs/proof.md"));
    for kind in Kind::ALL {
        assert!(proof.contains(&format!("| `{}` |", kind.word())), "proof.md has no {}", kind.word());
    }
    for reason in Reason::ALL {
        assert!(proof.contains(&format!("| `{}` |", reason.word())), "proof.md has no {}", reason.word());
    }
    for status in [0, 1, 2, 3, 4, 5, 10, 11, 12] {
        assert!(proof.contains(&format!("\n| {status} |")), "proof.md has no status {status}");
    }
    let formats = text(Path::new("docs/formats.md"));
    for format in Format::ALL {
        assert!(formats.contains(&format!("| `{}` |", format.word())), "formats.md has no {}", format.word());
    }
}

/// What the program says where it fails, from its source: the kind, and the words of the call up to its end.
fn failures() -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src/cli")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for call in ["usage", "environment", "input"] {
                for (at, start) in code.match_indices(&format!("Failure::{call}(")) {
                    let rest = &code[at + start.len()..];
                    let mut depth = 1;
                    let end = rest.find(|one: char| {
                        depth += i32::from(one == '(') - i32::from(one == ')');
                        depth == 0
                    });
                    let body = rest[..end.unwrap()].split_whitespace().collect::<Vec<_>>().join(" ");
                    found.push((path.display().to_string(), call.to_owned(), body));
                }
            }
        }
    }
    assert!(found.len() > 120, "{}", found.len());
    found
}

#[test]
fn every_failure_shows_a_way_out_and_its_kind_is_explained() {
    let page = text(Path::new("docs/errors.md"));
    let explained = |kind: &str| {
        let rows = page.lines().filter(|line| line.starts_with("| `"));
        rows.filter_map(|row| row.split('|').nth(1)).any(|cell| cell.contains(&format!("`{kind}`")))
    };
    let mut faults = Vec::new();
    for (file, call, body) in failures() {
        if body.trim_end_matches(',').ends_with(" None") || body.ends_with("\"\"") {
            faults.push(format!("{file}: no way out: {body}"));
        }
        let kind = match call.as_str() {
            "environment" => body.strip_prefix('"').and_then(|rest| rest.split('"').next()),
            call => Some(call),
        };
        // One that is worked out is looked at below.
        if let Some(kind) = kind.filter(|kind| !explained(kind)) {
            faults.push(format!("{file}: errors.md has no kind {kind}"));
        }
        // A sentence begins small, since `lasthop: ` stands before it, and names what it is about.
        let message = body.split('"').nth(if call == "environment" { 3 } else { 1 }).unwrap_or_default();
        if message.ends_with('.') || message.starts_with("Error") || message.starts_with("error") {
            faults.push(format!("{file}: no sentence as the others: {message}"));
        }
    }
    for kind in ["interface", "no_route", "privilege", "network", "opt_out"] {
        assert!(explained(kind), "{kind}");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
