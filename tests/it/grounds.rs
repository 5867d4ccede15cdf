//! What the user knows beyond the table: who is whose neighbour, and whose router an address in an exchange is.

use std::net::IpAddr;
use std::process::{Command, Output, Stdio};

use lasthop::asdb::{Adjacency, Exchanges, Table};
use lasthop::number::Asn;
use lasthop::path::{Atlas, Grounds, Kind, Origins, Overlay};
use lasthop::report::{self, Look, Measured, Session};
use lasthop::session;
use lasthop::sim::{Network, Topology};
use lasthop::trace::WallTime;
use serde_json::Value;

use super::sim::topology;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/asdb/");

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn exchanges(names: &[&str]) -> Exchanges {
    Exchanges::open(&names.iter().map(|name| format!("{DATA}{name}")).collect::<Vec<_>>()).unwrap()
}

fn lasthop(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lasthop")).args(words).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn an_address_of_an_exchange_is_its_members_before_the_table_is_asked() {
    let exchanges = exchanges(&["netixlan.json", "ixpfx.json", "dump.json"]);
    let grounds = Grounds { exchanges: Some(&exchanges), ..Grounds::of(Table::embedded()) };
    let member = grounds.attribute(address("198.51.100.7"));
    assert_eq!((member.kind, member.asns), (Kind::Ixp, vec![Asn(64500)]));
    assert_eq!(
        member.name.as_deref(),
        Some("Example Networks"),
        "the table has no name for it, the data has"
    );
    assert_eq!(member.prefix.unwrap().to_string(), "198.51.100.0/24");
    let nobody = grounds.attribute(address("198.51.100.77"));
    assert_eq!((nobody.kind, nobody.asns, nobody.name), (Kind::Ixp, vec![], None));
    let elsewhere = address("8.8.8.8");
    assert_eq!(grounds.attribute(elsewhere), Table::embedded().attribute(elsewhere));
}

#[test]
fn a_member_whose_lan_no_file_tells_gets_the_pool_that_the_table_knows() {
    let text = r#"{"data": [{"ixlan_id": 1, "asn": 15169, "ipaddr4": "185.1.245.252"}, {"ixlan_id": 1, "asn": 8359, "ipaddr4": "8.8.8.9"}]}"#;
    let exchanges = Exchanges::from_readers([(text.as_bytes(), "x")]).unwrap();
    let grounds = Grounds { exchanges: Some(&exchanges), ..Grounds::of(Table::embedded()) };
    let member = grounds.attribute(address("185.1.245.252"));
    assert_eq!((member.kind, member.asns), (Kind::Ixp, vec![Asn(15169)]));
    assert_eq!(member.name.as_deref(), Some("Google LLC"));
    assert_eq!(member.prefix, Table::embedded().lookup(address("185.1.245.252")).prefix);
    // The table's prefix is that of another network: it is no LAN.
    assert_eq!(grounds.attribute(address("8.8.8.9")).prefix, None);
}

#[test]
fn neighbours_are_told_by_the_data_or_by_what_lies_below_and_nothing_is_made_of_silence() {
    let links = Adjacency::open(format!("{DATA}as-rel2.txt.bz2")).unwrap();
    let below = Overlay {
        entries: vec![],
        ixps: vec![],
        links: Some(vec![(Asn(64502), Asn(64501)), (Asn(1), Asn(2))]),
        under: None,
    };
    let alone = Grounds { adjacency: Some(&links), ..Grounds::of(Table::embedded()) };
    let both = Grounds { adjacency: Some(&links), ..Grounds::of(&below) };
    let asked = |grounds: &Grounds<'_>, a, b| {
        let atlas = Atlas::new(grounds);
        assert_eq!(atlas.adjacent(Asn(a), Asn(b)), atlas.adjacent(Asn(b), Asn(a)));
        atlas.adjacent(Asn(a), Asn(b))
    };
    assert_eq!(asked(&alone, 64496, 64500), Some(true));
    assert_eq!(asked(&alone, 64501, 64502), Some(false));
    assert_eq!(asked(&alone, 64501, 1), None);
    assert_eq!(asked(&both, 64501, 64502), Some(true), "each sees links that the other misses");
    assert_eq!(asked(&both, 1, 2), Some(true));
    assert_eq!(asked(&Grounds::of(Table::embedded()), 8359, 22822), None, "no data, no answer");
    let silent = Overlay { links: None, under: Some(&below), entries: vec![], ixps: vec![] };
    assert_eq!(
        Atlas::new(&silent).adjacent(Asn(1), Asn(2)),
        Some(true),
        "the overlay asks what lies under it"
    );
    let empty = Overlay { links: Some(vec![]), under: Some(&below), entries: vec![], ixps: vec![] };
    assert_eq!(Atlas::new(&empty).adjacent(Asn(1), Asn(2)), Some(false), "an empty list is a list");
}

#[test]
fn a_hop_in_an_exchange_is_shown_with_its_member() {
    let mut world = topology("clear");
    // mts4 and llnw1 meet in an exchange.
    let lan = "[[network]]\nname = \"lan\"\nixp = true\nv4 = \"195.69.144.0/21\"\n";
    let text = world.to_text();
    world = format!("{text}\n{lan}").parse::<Topology>().unwrap();
    for link in &mut world.links {
        if link.between.contains(&"llnw1".to_owned()) && link.between.contains(&"mts4".to_owned()) {
            link.space = Some("lan".to_owned());
        }
    }
    let mut network = Network::new(&world, false, 1).unwrap();
    let plan = network.plan(&world, 1).unwrap();
    let table = Overlay {
        entries: world.prefixes(),
        ixps: world.exchanges().into_iter().map(|(prefix, _)| prefix).collect(),
        links: world.neighbours(),
        under: Some(Table::embedded()),
    };
    let found = session::diagnose(plan, WallTime(0), &mut network, &table, 0.99, &mut |_| {}).unwrap();
    let hop = found
        .target
        .hops
        .iter()
        .find(|hop| hop.attributions.iter().any(|one| one.kind == Kind::Ixp))
        .unwrap();
    let (ttl, router) = (hop.hop.ttl, hop.hop.responders[0].address);
    assert_eq!(hop.attributions[0].asns, [], "without data on members nobody owns it");

    let members = format!(r#"{{"data": [{{"ixlan_id": 1, "asn": 22822, "ipaddr4": "{router}"}}]}}"#);
    let exchanges = Exchanges::from_readers([(members.as_bytes(), "netixlan.json")]).unwrap();
    let grounds = Grounds { exchanges: Some(&exchanges), ..Grounds::of(&table) };
    let mut network = Network::new(&world, false, 1).unwrap();
    let plan = network.plan(&world, 1).unwrap();
    let found = session::diagnose(plan, WallTime(0), &mut network, &grounds, 0.99, &mut |_| {}).unwrap();
    let measured = Measured {
        run: &found.run,
        target: &found.target,
        references: &found.references,
        search: None,
        matrix: false,
        verdict: Some(&found.verdict),
    };
    let document = report::document(&Session::default(), measured, None);
    let hop = document.target.as_ref().unwrap().hops.iter().find(|hop| hop.ttl == ttl).unwrap();
    let responder = serde_json::to_value(&hop.responders[0]).unwrap();
    assert_eq!((&responder["kind"], &responder["asn"]), (&Value::from("ixp"), &Value::from(22822)));
    assert_eq!(responder["asns"], serde_json::json!([22822]));
    let mut text = Vec::new();
    report::run(&mut text, &document, Look { width: 120, color: false }).unwrap();
    let text = String::from_utf8(text).unwrap();
    let line = text.lines().find(|line| line.contains(&router.to_string())).unwrap();
    assert!(line.contains("AS22822") && line.contains("IXP"), "{line}");
}

#[test]
fn a_scenario_may_say_who_the_neighbours_are_and_keeps_it_when_written_down() {
    let world = topology("clear");
    assert_eq!(world.neighbours(), None);
    assert!(!world.to_text().contains("neighbours"));
    let text = format!("neighbours = [[8359, 22822], [22822, 19905]]\n{}", world.to_text());
    let told: Topology = text.parse().unwrap();
    let again: Topology = told.to_text().parse().unwrap();
    for world in [told, again] {
        assert_eq!(world.neighbours(), Some(vec![(Asn(8359), Asn(22822)), (Asn(22822), Asn(19905))]));
    }
    let none: Topology = format!("neighbours = []\n{}", world.to_text()).parse().unwrap();
    assert_eq!(none.neighbours(), Some(vec![]), "no neighbours at all is not the same as not told");
}

#[test]
fn lookups_ask_the_exchanges_first() {
    let (members, lans) = (format!("{DATA}members.json"), format!("{DATA}ixpfx.json"));
    let words = ["db", "lookup", "--ixp", &members, "--ixp", &lans, "192.0.2.10", "203.0.113.9", "8.8.8.8"];
    let text = String::from_utf8(lasthop(&words).stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "192.0.2.10  AS64500 at ixp Small-IX  Example Networks  192.0.2.0/24  [IX-F member export (members.json)]"
    );
    assert_eq!(lines[1], "203.0.113.9  ixp  203.0.113.0/25  [PeeringDB (ixpfx.json)]");
    assert!(lines[2].starts_with("8.8.8.8  AS15169  Google LLC"), "{}", lines[2]);
    let output = lasthop(&[&words[..], &["--json"]].concat());
    let first: Value =
        serde_json::from_str(String::from_utf8(output.stdout).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!(first["asn"], 64500);
    assert_eq!(first["kind"], "ixp");
    assert_eq!(first["source"], "IX-F member export (members.json)");
}

/// Status 4, one sentence, a hint; and with `--json` one document that says the same.
#[track_caller]
fn bad_input(words: &[&str], word: &str) {
    let output = lasthop(words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{words:?}: {said}");
    assert!(said.contains(word) && said.contains("hint: "), "{words:?}: {said}");
    assert_eq!(said.lines().count(), 2, "{said}");
    let output = lasthop(&[words, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(4), "{words:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["error"]["message"].as_str().unwrap().contains(word.trim_end()), "{document:#}");
    assert!(document["error"]["hint"].is_string());
}

#[test]
fn files_that_are_not_there_are_bad_input_before_anything_is_opened() {
    for command in [&["trace", "127.0.0.1"][..], &["diagnose", "127.0.0.1"]] {
        for flag in ["--as-rel", "--ixp", "--db"] {
            bad_input(&[command, &[flag, "/nonexistent/file"]].concat(), "/nonexistent/file");
        }
    }
}

#[test]
fn files_that_are_something_else_are_bad_input() {
    let (links, members) = (format!("{DATA}as-rel.txt"), format!("{DATA}members.json"));
    bad_input(&["db", "lookup", "192.0.2.1", "--ixp", &links], "not a list of exchanges' members or LANs");
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.bz2");
    std::fs::write(&cut, &std::fs::read(format!("{DATA}as-rel2.txt.bz2")).unwrap()[..100]).unwrap();
    bad_input(&["db", "lookup", "192.0.2.1", "--db", cut.to_str().unwrap()], "cannot unpack (bzip2)");
    bad_input(&["db", "lookup", "192.0.2.1", "--ixp", folder.path().to_str().unwrap()], "Is a directory\n");
    // These are read when the sockets are open, which takes privilege.
    if lasthop(&["trace", "127.0.0.1", "-m", "1"]).status.code() != Some(0) {
        eprintln!("skipped: no right to open raw sockets");
        return;
    }
    bad_input(&["trace", "127.0.0.1", "--as-rel", &members], "expected provider|customer|-1");
    bad_input(&["diagnose", "127.0.0.1", "--as-rel", cut.to_str().unwrap()], "cannot unpack (bzip2)");
    bad_input(&["diagnose", "127.0.0.1", "--ixp", &links], "is no JSON object");
}

#[test]
fn a_run_says_what_it_knew_of_neighbours_and_exchanges() {
    let (links, members) = (format!("{DATA}as-rel2.txt.bz2"), format!("{DATA}members.json"));
    let schema: Value = serde_json::from_slice(&lasthop(&["schema"]).stdout).unwrap();
    let table = &schema["$defs"]["run"]["properties"]["asdb"]["anyOf"][1]["properties"];
    assert!(table["adjacency"].is_object() && table["exchanges"].is_object(), "{table:#}");
    let output = lasthop(&["trace", "127.0.0.1", "--json", "--as-rel", &links, "--ixp", &members]);
    if output.status.code() != Some(0) {
        eprintln!("skipped: no right to open raw sockets");
        return;
    }
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let adjacency = &document["asdb"]["adjacency"];
    assert_eq!(adjacency["origin"], "AS relationships, serial-2 (as-rel2.txt.bz2)");
    assert_eq!(
        (&adjacency["built_at"], &adjacency["links"]),
        (&Value::from("2026-08-01T00:00:00Z"), &Value::from(4))
    );
    assert_eq!(adjacency["sha256"].as_str().map(str::len), Some(64));
    let exchanges = &document["asdb"]["exchanges"];
    assert_eq!(exchanges["files"][0]["origin"], "IX-F member export (members.json)");
    assert_eq!((&exchanges["lans"], &exchanges["addresses"]), (&Value::from(2), &Value::from(3)));
    let plain: Value = serde_json::from_slice(&lasthop(&["trace", "127.0.0.1", "--json"]).stdout).unwrap();
    assert!(plain["asdb"]["adjacency"].is_null() && plain["asdb"]["exchanges"].is_null());
}
