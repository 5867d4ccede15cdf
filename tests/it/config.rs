//! Settings: which of them holds, what is refused, and that none does harm or tells a secret.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");

/// A home with a settings file.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn with(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(".config/lasthop")).unwrap();
        let home = Self { folder };
        fs::write(home.file(), settings).unwrap();
        home
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join(".config/lasthop/config.toml")
    }

    fn run(&self, variables: &[(&str, &str)], words: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(words).stdin(Stdio::null()).env_clear().env("HOME", self.folder.path());
        command.current_dir(self.folder.path()).envs(variables.iter().copied()).output().unwrap()
    }

    /// What `lasthop config --json` says of a flag.
    fn held(&self, variables: &[(&str, &str)], command: &str, key: &str) -> Value {
        let output = self.run(variables, &["config", "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let rows = told["settings"].as_array().unwrap();
        let row = rows.iter().find(|row| row["command"] == command && row["key"] == key);
        row.unwrap_or_else(|| panic!("{command} {key}")).clone()
    }

    /// Ends with status 2 and says all of `words`; with `--json` in one document.
    #[track_caller]
    fn refuses(&self, variables: &[(&str, &str)], command: &[&str], words: &[&str]) {
        let output = self.run(variables, command);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for word in words {
            assert!(said.contains(word), "nothing of '{word}': {said}");
        }
        assert!(said.contains("hint: "), "{said}");
        let mut with = command.to_vec();
        with.push("--json");
        let document: Value = serde_json::from_slice(&self.run(variables, &with).stdout).unwrap();
        assert!(document["error"]["message"].is_string(), "{document:#}");
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_command_line_comes_before_the_environment_before_the_file_before_the_default() {
    let home = Home::with("seed = 3\n[demo]\nseed = 4\n");
    let seed = |variables: &[(&str, &str)], words: &[&str]| {
        let mut all = vec!["demo", "--json"];
        all.extend(words);
        let output = home.run(variables, &all);
        let document: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
        document["measurement"]["seed"].as_u64().unwrap()
    };
    let (own, all) = (("LASTHOP_DEMO_SEED", "6"), ("LASTHOP_SEED", "5"));
    assert_eq!(seed(&[own, all], &["--seed", "7"]), 7);
    assert_eq!(seed(&[own, all], &[]), 6);
    assert_eq!(seed(&[all], &[]), 5);
    assert_eq!(seed(&[], &[]), 4);
    assert_eq!(seed(&[("LASTHOP_DEMO_SEED", "")], &[]), 4, "an empty variable is not set");
    fs::write(home.file(), "seed = 3\n").unwrap();
    assert_eq!(seed(&[], &[]), 3);
    assert_eq!(seed(&[("LASTHOP_CONFIG", "")], &[]), 1);
    fs::remove_file(home.file()).unwrap();
    assert_eq!(seed(&[], &[]), 1);
}

#[test]
fn config_tells_what_holds_and_from_where() {
    let home = Home::with(
        "db = \"my.lht\"\n[diagnose]\nconfidence = 0.999\nreference = [\"a.example\", \"b.example 25\"]\n",
    );
    let row = home.held(&[], "diagnose", "confidence");
    assert_eq!((row["value"].clone(), row["source"].clone()), (serde_json::json!(["0.999"]), "file".into()));
    assert!(row["place"].as_str().unwrap().contains("config.toml, line 3"), "{row}");
    let row = home.held(&[("LASTHOP_CONFIDENCE", "0.95")], "diagnose", "confidence");
    assert_eq!(
        (row["source"].as_str(), row["place"].as_str()),
        (Some("environment"), Some("LASTHOP_CONFIDENCE"))
    );
    let row = home.held(&[("LASTHOP_REFERENCE", "[\"x\", \"y\"]")], "diagnose", "reference");
    assert_eq!(row["value"], serde_json::json!(["x", "y"]));
    // A path of the file begins where the file is; a path of the environment does not.
    let row = home.held(&[], "trace", "db");
    assert_eq!(row["value"][0], home.file().with_file_name("my.lht").to_str().unwrap());
    assert_eq!(home.held(&[("LASTHOP_DB", "my.lht")], "trace", "db")["value"][0], "my.lht");
    assert_eq!(home.held(&[], "diagnose", "wait")["source"], "default");
    assert_eq!(home.held(&[], "diagnose", "wait")["value"][0], "2");

    let output = home.run(&[("LASTHOP_CONFIDANCE", "1")], &["config"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("file, line 3") && text.contains("did you mean LASTHOP_CONFIDENCE?"), "{text}");
}

#[test]
fn every_flag_of_the_help_is_in_config() {
    let home = Home::with("");
    let told: Value = serde_json::from_slice(&home.run(&[], &["config", "--json"]).stdout).unwrap();
    let rows = told["settings"].as_array().unwrap();
    let sections: BTreeSet<&str> = rows.iter().filter_map(|row| row["command"].as_str()).collect();
    assert!(sections.contains("diagnose") && sections.contains("db-lookup"), "{sections:?}");
    for section in sections {
        let mut words: Vec<&str> = section.split('-').collect();
        words.push("--help");
        let help = String::from_utf8(home.run(&[], &words).stdout).unwrap();
        let options =
            help.lines().filter(|line| line.trim_start().starts_with('-') && line.starts_with("  "));
        let mut seen = 0;
        for option in options {
            let Some(at) = option.find("--") else { continue };
            let name: String = option[at + 2..]
                .chars()
                .take_while(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || *one == '-')
                .collect();
            if name == "help" || name == "version" {
                continue;
            }
            seen += 1;
            let row = rows.iter().find(|row| row["command"] == section && row["key"] == name.as_str());
            let row = row.unwrap_or_else(|| panic!("{section} --{name} has no setting"));
            let first = format!("LASTHOP_{}_{}", section, name).to_uppercase().replace('-', "_");
            match row["command_line_only"].as_str() {
                None => assert_eq!(row["variables"][0], first.as_str()),
                Some(why) => assert!(why.len() > 10, "{row}"),
            }
        }
        assert!(seen > 0, "{section}: {help}");
    }
}

#[test]
fn what_is_no_key_or_no_value_is_refused_with_the_place_and_a_way_out() {
    let refuses = |settings: &str, words: &[&str]| Home::with(settings).refuses(&[], &["demo"], words);
    refuses("confidance = 1\n", &["line 1", "confidance", "did you mean confidence?"]);
    refuses("\n[diagnos]\nwait = 1\n", &["line 2", "did you mean [diagnose]?"]);
    refuses("[trace]\nreference = \"x\"\n", &["trace has no", "[diagnose]"]);
    refuses("seed = \n", &["line 1", "TOML"]);
    refuses("seed = [1, 2]\n", &["line 1", "one value"]);
    refuses("[demo]\nseed = \"many\"\n", &["line 2: seed", "many"]);
    refuses("[demo]\njson = 1\n", &["true or false"]);
    refuses("[demo.inner]\nseed = 1\n", &["inner"]);
    refuses("[diagnose]\nyes = true\n", &["cannot be set", "--yes"]);
    refuses("output = \"report.txt\"\n", &["cannot be set", "--output"]);
    Home::with("").refuses(&[("LASTHOP_DEMO_SEED", "many")], &["demo"], &["LASTHOP_DEMO_SEED", "many"]);
    Home::with("").refuses(&[("LASTHOP_OUTPUT", "x")], &["demo"], &["LASTHOP_OUTPUT", "cannot be set"]);
    // Of another command: told by `config`, which looks at all of them, and no matter to the demo.
    let home = Home::with("[diagnose]\nconfidence = 7\n[trace]\nicmp = true\n");
    assert_eq!(home.run(&[], &["demo"]).status.code(), Some(0));
    home.refuses(&[], &["config"], &["line 2", "0.9999"]);
    home.refuses(&[], &["diagnose", "127.0.0.1"], &["line 2", "0.9999"]);
    let home = Home::with("[trace]\nicmp = true\nudp = true\n");
    home.refuses(&[], &["config"], &["contradict", "line 2", "line 3"]);
    // What needs no settings is not kept from working by a wrong file.
    for words in [&["schema"][..], &["completions", "bash"], &["man"], &["--help"], &["demo", "--help"]] {
        assert_eq!(Home::with("nonsense").run(&[], words).status.code(), Some(0), "{words:?}");
    }
}

#[test]
fn a_word_on_the_command_line_puts_aside_what_contradicts_it() {
    let home = Home::with("json = true\n");
    let json = |words: &[&str], variables: &[(&str, &str)]| {
        let output = home.run(variables, words);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        output.stdout.starts_with(b"{")
    };
    assert!(json(&["demo"], &[]));
    assert!(!json(&["demo", "--format", "md"], &[]));
    assert!(!json(&["demo"], &[("LASTHOP_JSON", "false")]), "the environment says no");
    assert!(
        !json(&["demo"], &[("LASTHOP_DEMO_FORMAT", "ticket")]),
        "a higher setting puts a lower one aside"
    );
    // A usage error is one document if settings want JSON.
    let output = home.run(&[], &["demo", "--no-such-flag"]);
    assert_eq!(output.status.code(), Some(2));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["error"]["kind"], "usage");
}

#[test]
fn a_file_that_others_may_write_is_not_taken() {
    let home = Home::with("seed = 4\n");
    fs::set_permissions(home.file(), fs::Permissions::from_mode(0o666)).unwrap();
    let output = home.run(&[], &["demo"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(
        said(&output).contains("others may write it") && said(&output).contains("chmod"),
        "{}",
        said(&output)
    );
    let output = home.run(&[("LASTHOP_CONFIG", "/nonexistent/x.toml")], &["demo"]);
    assert_eq!(output.status.code(), Some(3), "a file that was named has to be there: {}", said(&output));
    if nix::unistd::geteuid().is_root() {
        fs::set_permissions(home.file(), fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::chown(home.file(), Some(65_534), None).unwrap();
        let output = home.run(&[], &["demo"]);
        assert_eq!(output.status.code(), Some(3), "root takes no stranger's settings: {}", said(&output));
    }
}

#[test]
fn no_secret_is_told() {
    let home = Home::with("");
    let secret = "very-secret-0123456789";
    let variables = [
        ("LASTHOP_ATLAS_KEY", secret),
        ("LASTHOP_GLOBALPING_TOKEN", secret),
        ("LASTHOP_KEY_PASSWORD", secret),
    ];
    for words in [&["config"][..], &["config", "diagnose"], &["config", "--json"]] {
        let output = home.run(&variables, words);
        assert_eq!(output.status.code(), Some(0));
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output);
        assert!(told.contains("LASTHOP_ATLAS_KEY") && !told.contains(secret), "{told}");
    }
    // The value of what cannot be set is not told either.
    let webhook = [("LASTHOP_WEBHOOK", "https://user:very-secret@example.org/")];
    let output = home.run(&webhook, &["config", "--json"]);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("very-secret"));
}

#[test]
fn the_record_of_a_run_has_its_settings() {
    let home = Home::with("[demo]\nseed = 4\n");
    let output = home.run(&[], &["demo", "--bundle", "e.zip", "-v"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("setting: --seed=4"), "{}", said(&output));
    let bytes = fs::read(home.folder.path().join("e.zip")).unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let around: Value = serde_json::from_reader(archive.by_name("environment.json").unwrap()).unwrap();
    assert!(around["command"].as_array().unwrap().contains(&"--seed=4".into()), "{around:#}");
}

#[test]
fn variables_of_other_meaning_are_known() {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let skipped = ["target", "node_modules", "data", "docs", "config", "config.rs"];
            if path.is_dir() && !name.starts_with('.') && !skipped.contains(&name.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs" || ending == "sh")
                && !skipped.contains(&name.as_str())
            {
                names(&path, &mut found);
            }
        }
    }
    assert!(found.contains("LASTHOP_ATLAS_KEY") && found.contains("LASTHOP_EVENT"), "{found:?}");
    let home = Home::with("");
    let set: Vec<(&str, &str)> = found.iter().map(|name| (name.as_str(), "x")).collect();
    let set: Vec<(&str, &str)> = set.into_iter().filter(|(name, _)| *name != "LASTHOP_CONFIG").collect();
    let output = home.run(&set, &["config", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    assert_eq!(told["unknown"], serde_json::json!([]), "add them to TAKEN in src/cli/config/flags.rs");
    let set = told["settings"].as_array().unwrap().iter().filter(|row| row["source"] != "default");
    assert_eq!(set.count(), 0, "a variable of another meaning sets a flag");
}

/// The names of our variables in a source file.
fn names(path: &Path, found: &mut BTreeSet<String>) {
    let text = fs::read_to_string(path).unwrap();
    for (at, _) in text.match_indices("LASTHOP_") {
        let name: String =
            text[at..].chars().take_while(|one| one.is_ascii_uppercase() || *one == '_').collect();
        if name.len() > "LASTHOP_".len() && !name.ends_with('_') {
            found.insert(name);
        }
    }
}
