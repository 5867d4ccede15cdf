//! As an ordinary user on kernel routers: what ordinary sockets see, and what they must not make of it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use super::net::{inside, skip, sysctl};
use super::world::{FOUR, Names, SIX, World, concluded};

/// Runs `setpriv` as a user who has nothing.
const NOBODY: [&str; 5] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];

/// The program and the table where anybody can read them.
pub(super) struct Copies {
    folder: tempfile::TempDir,
}

impl Copies {
    pub(super) fn of(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let allow = |path: PathBuf, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        allow(folder.path().to_owned(), 0o755);
        std::fs::copy(env!("CARGO_BIN_EXE_lasthop"), folder.path().join("lasthop")).unwrap();
        std::fs::copy(world.table(), folder.path().join("table.tsv")).unwrap();
        allow(folder.path().join("lasthop"), 0o755);
        allow(folder.path().join("table.tsv"), 0o644);
        Self { folder }
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// The program as nobody, at the vantage.
    pub(super) fn run(&self, world: &World, words: &[&str]) -> Output {
        Command::new("ip")
            .args(["netns", "exec", &world.space("you")])
            .args(NOBODY)
            .arg(self.path("lasthop"))
            .args(words)
            .args(["--db", &self.path("table.tsv")])
            .env("XDG_CACHE_HOME", "/dev/null/none")
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .output()
            .unwrap()
    }

    fn document(&self, world: &World, words: &[&str]) -> Value {
        let output = self.run(world, words);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{words:?}: {error}: {}", String::from_utf8_lossy(&output.stderr));
        })
    }
}

fn build(test: &str) -> Option<(World, Copies)> {
    if Command::new("setpriv").arg("--version").output().is_err() {
        return skip(test, "needs setpriv (util-linux)");
    }
    let world = World::build(test)?;
    inside(&world.space("you"), || sysctl("ipv4/ping_group_range", "0 2147483647"));
    let copies = Copies::of(&world);
    Some((world, copies))
}

/// Address, kinds of replies, and their TTLs where both are told, of each hop.
fn hops(document: &Value) -> Vec<(String, Vec<String>, Value)> {
    let hops = document["target"]["hops"].as_array().unwrap();
    let of = |hop: &Value| {
        let responder = &hop["responders"][0];
        let replies = responder["replies"].as_object().cloned().unwrap_or_default();
        let came = replies.iter().filter(|(_, count)| count.as_u64().is_none_or(|count| count > 0));
        let came = came.filter(|(_, list)| list.as_array().is_none_or(|list| !list.is_empty()));
        let kinds: Vec<String> = came.map(|(kind, _)| kind.clone()).collect();
        (responder["address"].to_string(), kinds, responder["reply_ttl"].clone())
    };
    hops.iter().map(of).collect()
}

#[test]
fn hops_are_those_that_raw_sockets_see() {
    let Some((world, copies)) = build("hops_are_those_that_raw_sockets_see") else { return };
    for names in [FOUR, SIX] {
        for words in [vec!["-T", "-p", "25"], vec!["-T", "-p", "81"], vec!["-I"], vec!["-U", "-p", "53"]] {
            let mut all = vec!["trace", names.target, "--json"];
            all.extend(&words);
            let raw: Value = serde_json::from_slice(&world.lasthop(&all).stdout).unwrap();
            let plain = copies.document(&world, &all);
            assert_eq!(plain["error"], Value::Null, "{words:?}: {plain:#}");
            assert_eq!(
                (&plain["vantage"]["sockets"], &raw["vantage"]["sockets"]),
                (&"ordinary".into(), &Value::Null)
            );
            assert!(plain["vantage"]["limits"].as_array().unwrap().len() > 3);
            let (mut theirs, mut ours) = (hops(&raw), hops(&plain));
            assert_eq!(theirs.len(), 12, "{words:?} v6={}", names.v6);
            if words[0] == "-T" {
                // The host's own answer, of which the kernel keeps the TTL.
                for last in [theirs.last_mut(), ours.last_mut()] {
                    last.unwrap().2 = Value::Null;
                }
            }
            assert_eq!(ours, theirs, "{words:?} v6={}", names.v6);
        }
    }
}

#[test]
fn what_is_lost_is_said_and_what_cannot_be_had_is_refused() {
    let Some((world, copies)) = build("what_is_lost_is_said_and_what_cannot_be_had_is_refused") else {
        return;
    };
    let output = copies.run(&world, &["trace", FOUR.target, "25"]);
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(words.join(" ").contains("Measured without the right to raw sockets"), "{text}");
    assert_eq!(said.matches("setcap cap_net_raw+ep").count(), 1, "{said}");
    for words in [["--size", "500"], ["--pcap", "/dev/null"]] {
        let mut all = vec!["trace", FOUR.target, "25", "--json"];
        all.extend(words);
        let output = copies.run(&world, &all);
        assert_eq!(output.status.code(), Some(3), "{words:?}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["error"]["kind"], "privilege", "{words:?}");
        assert!(document["error"]["hint"].as_str().unwrap().contains("setcap cap_net_raw+ep"));
    }
    // Without ping sockets the other protocols still measure, and echo is refused in one sentence.
    inside(&world.space("you"), || sysctl("ipv4/ping_group_range", "1 0"));
    let output = copies.run(&world, &["trace", FOUR.target, "-I"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("ping_group_range"));
    let words = ["diagnose", FOUR.target, "25", "-r", FOUR.neighbour, "--json", "--seed", "1"];
    assert_eq!(concluded(&copies.document(&world, &words)).0, "reachable");
}

fn diagnosed(copies: &Copies, world: &World, names: Names, flags: &[&str]) -> Value {
    let mut words = vec!["diagnose", names.target, "-r", names.neighbour, "--json", "--seed", "1"];
    words.extend(flags);
    let document = copies.document(world, &words);
    assert_eq!(document["vantage"]["sockets"], "ordinary", "{document:#}");
    document
}

const PROTOCOLS: [&[&str]; 2] = [&["-T", "-p", "25"], &["-I"]];

#[test]
fn where_nothing_is_blocked_nobody_is_accused() {
    let Some((world, copies)) = build("where_nothing_is_blocked_nobody_is_accused") else { return };
    for names in [FOUR, SIX] {
        for flags in PROTOCOLS.into_iter().chain([["-U", "-p", "53"].as_slice()]) {
            let document = diagnosed(&copies, &world, names, flags);
            assert_eq!(
                concluded(&document).0,
                "reachable",
                "{flags:?} v6={}: {:#}",
                names.v6,
                document["verdict"]
            );
        }
    }
}

#[test]
fn who_drops_is_found() {
    let Some((world, copies)) = build("who_drops_is_found") else { return };
    for names in [FOUR, SIX] {
        let hook = if names.v6 { "forward priority 0" } else { "forward priority 00" };
        world.nft("c2", names, hook, "DST drop");
        for flags in PROTOCOLS {
            let document = diagnosed(&copies, &world, names, flags);
            let (kind, asns, _) = concluded(&document);
            assert_eq!(
                (kind, asns),
                ("lost_inside_as", vec![8359]),
                "{flags:?} v6={}: {:#}",
                names.v6,
                document["verdict"]
            );
        }
    }
}

/// Raw sockets tell a forger by the TTL of its answers; without that it is not placed.
#[test]
fn whoever_forges_answers_is_not_placed_without_their_ttl() {
    let Some((world, copies)) = build("whoever_forges_answers_is_not_placed_without_their_ttl") else {
        return;
    };
    world.nft("c2", FOUR, "forward priority 0", "DST meta l4proto tcp reject with tcp reset");
    let document = diagnosed(&copies, &world, FOUR, &["-T", "-p", "25"]);
    let (kind, asns, _) = concluded(&document);
    assert!(matches!(kind, "inconclusive") && asns.is_empty(), "{:#}", document["verdict"]);
    let words = ["diagnose", FOUR.target, "-p", "25", "-r", FOUR.neighbour, "--json", "--seed", "1"];
    let raw: Value = serde_json::from_slice(&world.lasthop(&words).stdout).unwrap();
    assert_eq!(concluded(&raw).0, "injected", "{:#}", raw["verdict"]);
}

/// What this host's own firewall drops is not laid on anybody else.
#[test]
fn this_hosts_own_firewall_accuses_nobody_else() {
    let Some((world, copies)) = build("this_hosts_own_firewall_accuses_nobody_else") else { return };
    world.nft("you", FOUR, "output priority 0", "DST drop");
    for flags in PROTOCOLS {
        let document = diagnosed(&copies, &world, FOUR, flags);
        let (kind, asns, _) = concluded(&document);
        assert!(matches!(kind, "local" | "inconclusive"), "{flags:?}: {:#}", document["verdict"]);
        assert!(asns.is_empty(), "{flags:?}: {:#}", document["verdict"]);
    }
}

/// What the hint says, done: an ordinary user with the one capability has it all.
#[test]
fn one_capability_on_the_file_is_enough_for_an_ordinary_user() {
    let test = "one_capability_on_the_file_is_enough_for_an_ordinary_user";
    let Some((world, copies)) = build(test) else { return };
    let set = Command::new("setcap").arg("cap_net_raw+ep").arg(copies.path("lasthop")).output();
    if !set.is_ok_and(|output| output.status.success()) {
        skip::<()>(test, "needs setcap and a file system that keeps capabilities");
        return;
    }
    world.nft("c2", FOUR, "forward priority 0", "DST drop");
    let bundle = tempfile::tempdir().unwrap();
    std::fs::set_permissions(bundle.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let file = bundle.path().join("evidence.zip");
    let words =
        ["diagnose", FOUR.target, "25", "-r", FOUR.neighbour, "--json", "--bundle", file.to_str().unwrap()];
    let document = copies.document(&world, &words);
    assert_eq!((&document["error"], &document["vantage"]["sockets"]), (&Value::Null, &Value::Null));
    assert_eq!(concluded(&document).1, [8359], "{:#}", document["verdict"]);
    let verified = Command::new(copies.path("lasthop"))
        .arg("verify")
        .arg(&file)
        .args(["--db", &copies.path("table.tsv")])
        .output()
        .unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stderr));
}
