//! The walls between rooms, and a few habits, held by a test. ARCHITECTURE.md has the reasons.

use std::fs;
use std::path::{Path, PathBuf};

/// A row is all a room may use. `cli` may use everything.
const MAY_USE: &[(&str, &[&str])] = &[
    ("number", &[]),
    ("packet", &["number"]),
    ("trace", &["number"]),
    ("probe", &["number", "packet", "trace"]),
    ("capture", &["number", "packet", "trace", "probe"]),
    ("sim", &["number", "packet", "trace", "probe"]),
    ("net", &["number", "packet", "trace", "probe"]),
    ("asdb", &["number"]),
    ("import", &["number", "trace"]),
    ("joint", &["number", "trace"]),
    ("registry", &["number"]),
    ("remote", &["fetch"]),
    ("fetch", &[]),
    ("path", &["number", "trace", "asdb"]),
    ("verdict", &["number", "trace", "path"]),
    ("sweep", &["number", "packet", "trace", "probe"]),
    ("session", &["number", "trace", "probe", "sweep", "path", "verdict"]),
    ("report", &["number", "trace", "path", "verdict"]),
    ("watch", &["trace", "verdict", "report"]),
    ("bundle", &["number", "packet", "trace", "probe", "capture", "path", "verdict", "session", "report"]),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Every line of every source file, with its room.
fn lines() -> Vec<(String, PathBuf, usize, String)> {
    let mut paths = Vec::new();
    files(&source(), &mut paths);
    let mut lines = Vec::new();
    for path in paths {
        let inside = path.strip_prefix(source()).unwrap().to_path_buf();
        let room = match inside.components().count() {
            1 => String::new(),
            _ => inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned(),
        };
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            lines.push((room.clone(), inside.clone(), number + 1, line.to_owned()));
        }
    }
    assert!(lines.len() > 1000, "the sources were not found");
    lines
}

/// The rooms that a line of code names by `crate::`, comments left aside.
fn named(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or("");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        // `use crate::{a::…, b::…}` names several.
        let inner = rest.strip_prefix('{').map(|list| list.trim_end_matches(['}', ';']));
        for part in inner.map_or(vec![rest], |list| list.split(',').collect()) {
            let name: String =
                part.trim().chars().take_while(|one| one.is_alphanumeric() || *one == '_').collect();
            if MAY_USE.iter().any(|(room, _)| *room == name) || name == "cli" {
                found.push(name);
            }
        }
    }
    found
}

#[test]
fn rooms_look_only_downstairs() {
    let mut faults = Vec::new();
    for (room, file, number, line) in lines() {
        let Some((_, allowed)) = MAY_USE.iter().find(|(known, _)| *known == room) else { continue };
        for name in named(&line) {
            if name != room && !allowed.contains(&name.as_str()) {
                faults.push(format!("{}:{number}: {room} may not use {name}", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_room_has_a_row_and_a_reason() {
    for entry in fs::read_dir(source()).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let room = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(room == "cli" || MAY_USE.iter().any(|(known, _)| *known == room), "src/{room} has no row");
        let head = fs::read_to_string(path.join("mod.rs")).unwrap();
        let reason: usize = head.lines().take_while(|line| line.starts_with("//!")).map(str::len).sum();
        assert!(reason > 150, "src/{room}/mod.rs does not say why the room exists");
    }
}

#[test]
fn the_wall_test_sees_what_it_should() {
    assert_eq!(named("use crate::net::LiveWire;"), ["net"]);
    assert_eq!(named("let x = crate::asdb::Table::embedded(); // crate::net"), ["asdb"]);
    assert_eq!(named("use crate::{path::Path, verdict::judge};"), ["path", "verdict"]);
    assert!(named("use crate::Unrelated;").is_empty());
}

#[test]
fn one_place_asks_the_time_and_none_exits() {
    let mut faults = Vec::new();
    for (room, file, number, line) in lines() {
        let code = line.split("//").next().unwrap_or("");
        let clock =
            ["Instant::now", "SystemTime::now", "Timestamp::now"].iter().any(|word| code.contains(word));
        if clock && !(room == "net" && file.ends_with("clock.rs")) {
            faults.push(format!("{}:{number}: asks the time", file.display()));
        }
        if code.contains("process::exit") {
            faults.push(format!("{}:{number}: exits", file.display()));
        }
        let prints =
            ["println!", "eprintln!", "print!(", "eprint!(", "dbg!"].iter().any(|word| code.contains(word));
        if prints && room != "cli" && !file.to_string_lossy().contains("tests") {
            faults.push(format!("{}:{number}: prints", file.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_map_names_every_room_and_stays_short() {
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    assert!(map.lines().count() < 150, "ARCHITECTURE.md is {} lines long", map.lines().count());
    for entry in fs::read_dir(source()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let room = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(map.contains(&format!("src/{room}/")), "ARCHITECTURE.md does not name src/{room}/");
        }
    }
}
