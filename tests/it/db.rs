//! `db build`, `lookup`, `check` and `info` as a stranger uses them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lasthop::asdb::{Adjacency, Intake, Settings, Table};
use lasthop::number::Asn;
use lasthop::path::{Grounds, Kind, Origins};
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn lasthop(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lasthop")).args(words).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn text(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn value(output: &Output) -> Value {
    serde_json::from_str(&text(output)).unwrap()
}

/// A folder with files in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            fs::write(folder.at(name), text).unwrap();
        }
        folder
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

const FIRST: &str = "9.0.0.0\t8\t1\n9.1.0.0\t16\t2_64512\n9.2.0.0\t16\t3,4\n";
const SECOND: &str =
    "9.1.2.0,9.1.2.255,5,\"Five\"\n11.0.0.0,11.0.0.127,6,\"Six\"\n12.0.0.0,12.0.0.255,0,\"\"\n";

fn two() -> Folder {
    Folder::new(&[
        ("routeviews-rv2-20260601-1200.pfx2as", FIRST),
        ("second.csv", SECOND),
        ("own.csv", "prefix,asn,name\n100.64.0.0/10,7018,Our carrier\n"),
        ("names.txt", "1 ONE-AS - One Ltd, GB\n2 TWO\n"),
    ])
}

fn built(folder: &Folder, more: &[&str]) -> Output {
    let names = ["routeviews-rv2-20260601-1200.pfx2as", "second.csv", "own.csv", "names.txt"];
    let sources: Vec<String> = names.iter().map(|name| folder.at(name)).collect();
    let out = folder.at("out.lht");
    let mut words = vec!["db", "build"];
    words.extend(sources.iter().map(String::as_str));
    words.extend(["-o", &out, "--date", "2026-06-20"]);
    words.extend(more);
    lasthop(&words)
}

#[test]
fn sources_become_one_table_and_each_is_accounted_for() {
    let folder = two();
    let said = text(&built(&folder, &[]));
    assert!(
        said.contains("prefix-to-AS (CAIDA), data of 2026-06-01\n  3 read, 3 kept; left out: nothing"),
        "{said}"
    );
    assert!(said.contains("3 read, 2 kept; left out: 1 range of nobody (AS 0 or none)"), "{said}");
    let bytes = fs::read(folder.at("out.lht")).unwrap();
    let summary = value(&built(&folder, &["--json"]));
    assert_eq!(fs::read(folder.at("out.lht")).unwrap(), bytes, "same sources, same bytes");
    assert_eq!(summary["bytes"], bytes.len());
    assert_eq!(
        (&summary["ipv4_prefixes"], &summary["built_at"]),
        (&json!(5), &json!("2026-06-01T00:00:00Z"))
    );
    assert_eq!(summary["files"][1]["dropped"], json!({"range of nobody (AS 0 or none)": 1}));
    assert_eq!(summary["files"][2]["format"], "overrides");
    assert_eq!(summary["sources"][0]["overrides"], true, "overrides come first");
    let left = ["names.txt", "out.lht", "own.csv", "routeviews-rv2-20260601-1200.pfx2as", "second.csv"];
    assert_eq!(folder.names(), left, "nothing is left beside the table");
}

#[test]
fn lookups_tell_the_grounds() {
    let folder = two();
    text(&built(&folder, &[]));
    let table = folder.at("out.lht");
    let ask = |words: &[&str]| lasthop(&[&["db", "lookup", "--db", &table], words].concat());
    let said =
        text(&ask(&["9.3.0.1", "9.1.2.3", "9.2.0.1", "11.0.0.1", "11.0.0.200", "100.64.0.1", "192.0.2.1"]));
    let wanted = "\
9.3.0.1  AS1  ONE-AS - One Ltd  9.0.0.0/8  [prefix-to-AS (CAIDA) (routeviews-rv2-20260601-1200.pfx2as), 2026-06-01]
9.1.2.3  AS2 AS64512 (several origins; leak: AS64512 is for private use)  9.1.0.0/16  [prefix-to-AS (CAIDA) (routeviews-rv2-20260601-1200.pfx2as), 2026-06-01]
9.2.0.1  AS3 AS4 (one of an AS_SET, the data does not say which)  9.2.0.0/16  [prefix-to-AS (CAIDA) (routeviews-rv2-20260601-1200.pfx2as), 2026-06-01]
11.0.0.1  AS6  Six  11.0.0.0/25  [CSV of ranges (ip-location-db) (second.csv), 2026-06-20]
11.0.0.200  unannounced  [no range in the table]
100.64.0.1  AS7018  Our carrier  100.64.0.0/10  [overrides (own.csv)]
192.0.2.1  reserved (documentation (TEST-NET-1), RFC 5737)  192.0.2.0/24  [IANA special-purpose registries]
";
    assert_eq!(said, wanted);
    let lines = text(&ask(&["--json", "9.1.2.3", "192.0.2.1"]));
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&rows[0]["asn"], &rows[0]["asns"]), (&json!(2), &json!([2, 64512])));
    assert_eq!(
        (&rows[0]["leak"], &rows[0]["as_set"], &rows[0]["kind"]),
        (&json!(true), &json!(false), &json!("as"))
    );
    assert_eq!(rows[0]["range"], json!({"first": "9.1.0.0", "last": "9.1.255.255"}));
    assert_eq!(rows[0]["built_at"], "2026-06-01T00:00:00Z");
    assert!(rows[0]["age_days"].is_i64(), "{}", rows[0]);
    assert_eq!(rows[1]["special"], json!({"name": "documentation (TEST-NET-1)", "rfc": "RFC 5737"}));
    assert_eq!((&rows[1]["asn"], &rows[1]["kind"]), (&Value::Null, &json!("reserved")));
}

#[test]
fn a_prefix_is_told_as_a_whole_or_in_what_it_splits_into() {
    let folder = two();
    text(&built(&folder, &[]));
    let table = folder.at("out.lht");
    fs::write(folder.at("asked"), "# two\n9.0.0.0/14\n\n9.4.0.0/16\nabc\n").unwrap();
    let asked = format!("@{}", folder.at("asked"));
    let output = lasthop(&["db", "lookup", "--db", &table, &asked]);
    assert_eq!(output.status.code(), Some(4), "one line is no address");
    let said = String::from_utf8(output.stdout).unwrap();
    let wanted = "\
9.0.0.0/14  splits into 4 parts of 3 owners; AS1 announces 9.0.0.0/8 around it
   50.0000 %  AS1  ONE-AS - One Ltd  2 parts
   25.0000 %  AS2 AS64512  TWO  1 part
   25.0000 %  AS3 AS4  1 part
9.4.0.0/16  AS1  ONE-AS - One Ltd  9.0.0.0/8  [prefix-to-AS (CAIDA) (routeviews-rv2-20260601-1200.pfx2as), 2026-06-01]
";
    assert_eq!(said, wanted);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("line 5: 'abc'") && errors.contains("hint: "), "{errors}");
    let row = value(&lasthop(&["db", "lookup", "--db", &table, "--json", "9.0.0.0/14"]));
    assert_eq!(
        (&row["address"], &row["asn"], &row["split"]),
        (&json!("9.0.0.0/14"), &Value::Null, &json!(true))
    );
    assert_eq!((&row["asns"], &row["prefix"]), (&json!([1, 2, 64512, 3, 4]), &json!("9.0.0.0/8")));
    assert_eq!(row["parts"][1]["first"], "9.1.0.0");
    assert_eq!(row["owners"][0]["share"], 0.5);
    let whole = value(&lasthop(&["db", "lookup", "--db", &table, "--json", "9.4.0.0/16"]));
    assert_eq!(
        (&whole["asn"], &whole["split"], &whole["as_name"]),
        (&json!(1), &json!(false), &json!("ONE-AS - One Ltd"))
    );
    let output = lasthop(&["db", "lookup", "--json", "@/nonexistent/list", "8.8.8.8"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).lines().count(),
        2,
        "a missing file loses nothing of the rest"
    );
}

/// Status, a word on stderr, a hint; and one line of JSON with the same.
#[track_caller]
fn refused(words: &[&str], status: i32, word: &str) {
    let output = lasthop(words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{words:?}: {said}");
    assert!(said.contains(word) && said.contains("hint: "), "{words:?}: {said}");
    let output = lasthop(&[words, &["--json"]].concat());
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["error"]["message"].as_str().unwrap().contains(word), "{document}");
}

#[test]
fn a_build_that_cannot_be_says_why_and_leaves_what_was_there() {
    let folder = two();
    let (first, second, out) =
        (folder.at("routeviews-rv2-20260601-1200.pfx2as"), folder.at("second.csv"), folder.at("out.lht"));
    fs::write(&out, "precious").unwrap();
    refused(&["db", "build", &first, "-o", &first], 2, "is a source");
    let link = folder.at("link");
    std::os::unix::fs::symlink(&first, &link).unwrap();
    refused(&["db", "build", &first, "-o", &link], 2, "is a source");
    refused(&["db", "build", &first, "-o", "-"], 2, "standard output");
    refused(&["db", "build", &first, &second, "--name", "x", "-o", &out], 2, "--together");
    refused(&["db", "build", &first, "/nonexistent/x", "-o", &out], 4, "/nonexistent/x");
    fs::write(folder.at("bad.csv"), "9.0.0.0,9.0.0.255,1,\"One\"\n9.1.0.0,x,1,\"One\"\n").unwrap();
    refused(&["db", "build", &first, &folder.at("bad.csv"), "-o", &out], 4, "line 2");
    refused(&["db", "build", &first, "-o", "/dev/null/out.lht"], 3, "/dev/null/out.lht");
    refused(&["db", "build", &first, "-o", &folder.at("")], 3, "cannot write");
    fs::write(folder.at("nothing.csv"), "9.0.0.0,9.0.0.255,0,\"\"\n").unwrap();
    refused(&["db", "build", &folder.at("nothing.csv"), "-o", &out], 4, "nothing in these files");
    refused(&["db", "check", &first, &folder.at("names.txt")], 4, "no range");
    assert_eq!(fs::read(&out).unwrap(), b"precious");
    assert!(!folder.names().iter().any(|name| name.starts_with('.')), "{:?}", folder.names());
    let output = lasthop(&["db", "build", &first, "-o", &out, "--date", "yesterday"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn two_tables_are_compared_address_by_address() {
    let folder = two();
    text(&built(&folder, &[]));
    fs::write(folder.at("later.pfx2as"), "9.0.0.0\t8\t1\n9.1.0.0\t16\t8\n13.0.0.0\t24\t9\n").unwrap();
    let (old, new) = (folder.at("out.lht"), folder.at("later.pfx2as"));
    let found = value(&lasthop(&["db", "check", &old, &new, "--json"]));
    assert_eq!(found["equal"], false);
    assert_eq!(found["covered"]["ipv4_addresses"], (1 << 24) + (1 << 22) + 128 + 256);
    assert_eq!(found["changed"]["ipv4_addresses"], 2 << 16);
    assert_eq!(found["appeared"]["ipv4_addresses"], 256);
    assert_eq!(found["vanished"]["ipv4_addresses"], (1 << 22) + 128);
    assert_eq!(found["several_origins_before"]["ipv4_addresses"], 2 << 16);
    assert_eq!(
        found["moves"][0],
        json!({"from": [7018], "to": [], "space": {"ipv4_addresses": 1 << 22, "ipv6_48s": 0.0}})
    );
    let top = value(&lasthop(&["db", "check", &old, &new, "--json", "--top", "1"]));
    assert_eq!((top["moves"].as_array().unwrap().len(), &top["moves_left_out"]), (1, &json!(4)));
    let said = text(&lasthop(&["db", "check", &old, &new]));
    assert!(said.contains("AS2+AS64512 → AS8: 65536 IPv4 addresses\n"), "{said}");
    assert!(said.contains("nobody → AS9: 256 IPv4 addresses\n"), "{said}");
    assert_eq!(text(&lasthop(&["db", "check", &old, &old])), "the same answers, names and links\n");
    assert_eq!(value(&lasthop(&["db", "check", "builtin", "builtin", "--json"]))["equal"], true);
}

#[test]
fn a_table_says_everything_of_itself_and_how_old_it_is() {
    let folder = two();
    text(&built(&folder, &["--title", "our table"]));
    let table = folder.at("out.lht");
    let info = value(&lasthop(&["db", "info", "--db", &table, "--json"]));
    assert_eq!((&info["origin"], &info["format_version"]), (&json!("our table"), &json!(1)));
    assert_eq!((&info["prefixes"], &info["ipv6_prefixes"]), (&json!(5), &json!(0)));
    assert_eq!(info["sources"][1]["files"][0]["name"], "routeviews-rv2-20260601-1200.pfx2as");
    assert_eq!(info["sources"][1]["date"], "2026-06-01");
    assert!(info["adjacency"].is_null() && info["exchanges"].is_null());
    let said = text(&lasthop(&["db", "info", "--db", &table]));
    assert!(said.contains("\nprefixes   5 IPv4, 0 IPv6\n") && said.contains("\nsize       "), "{said}");
    // A day far in the past is old whenever this test runs, one that is yet to come never is.
    let dated = |day: &str| {
        let out = folder.at("dated.lht");
        text(&lasthop(&["db", "build", &folder.at("second.csv"), "-o", &out, "--date", day]));
        (
            value(&lasthop(&["db", "info", "--db", &out, "--json"])),
            lasthop(&["db", "lookup", "--db", &out, "11.0.0.1"]),
        )
    };
    let (old, lookup) = dated("2020-01-01");
    let warning = old["warning"].as_str().unwrap();
    assert!(old["age_days"].as_i64().unwrap() > 2000 && warning.contains("days old"), "{old}");
    assert_eq!(String::from_utf8_lossy(&lookup.stderr), format!("table: {warning}\n"));
    let (new, lookup) = dated("2200-01-01");
    assert!(new["age_days"].is_null() && new["warning"].is_null(), "{new}");
    assert!(lookup.stderr.is_empty());
}

#[test]
fn a_run_says_that_its_table_is_old_and_a_simulated_one_does_not() {
    let demo = value(&lasthop(&["demo", "--json"]));
    assert!(demo["asdb"]["warning"].is_null() && demo["asdb"]["age_days"].is_null(), "{:#}", demo["asdb"]);
    let folder = two();
    let out = folder.at("old.lht");
    text(&lasthop(&["db", "build", &folder.at("second.csv"), "-o", &out, "--date", "2020-01-01"]));
    let words = ["trace", "127.0.0.1", "-m", "1", "--db", &out];
    let output = lasthop(&words);
    if output.status.code() != Some(0) {
        super::net::skip::<()>("a_run_says_that_its_table_is_old", "no right to open raw sockets");
        return;
    }
    let said = text(&output);
    let words_of_it: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words_of_it.join(" ").matches("days old").count(), 1, "{said}");
    let document = value(&lasthop(&[&words[..], &["--json"]].concat()));
    assert!(document["asdb"]["warning"].as_str().unwrap().contains("days old"), "{:#}", document["asdb"]);
}

#[test]
fn neighbours_and_members_inside_a_table_serve_a_run() {
    let folder = two();
    let data = |name: &str| format!("{ROOT}/tests/data/asdb/{name}");
    let out = folder.at("out.lht");
    let (links, members, lans) = (data("as-rel2.txt.bz2"), data("netixlan.json"), data("ixpfx.json"));
    text(&lasthop(&["db", "build", &links, &members, &lans, &folder.at("second.csv"), "-o", &out]));
    let info = value(&lasthop(&["db", "info", "--db", &out, "--json"]));
    assert_eq!(info["adjacency"]["links"], 4);
    assert_eq!(info["adjacency"]["origin"], "in the table: AS relationships, serial-2 (as-rel2.txt)");
    assert_eq!(info["adjacency"]["sha256"], info["sha256"]);
    assert_eq!((&info["exchanges"]["lans"], &info["exchanges"]["addresses"]), (&json!(3), &json!(3)));
    let said = text(&lasthop(&["db", "lookup", "--db", &out, "198.51.100.7", "198.51.100.0/24"]));
    let wanted = "\
198.51.100.7  AS64500 at ixp EXAMPLE-IX  198.51.100.0/24  [PeeringDB (netixlan.json)]
198.51.100.0/24  ixp EXAMPLE-IX  198.51.100.0/24  [PeeringDB (ixpfx.json)]
";
    assert_eq!(said, wanted);
    let lan = folder.at("lan.json");
    fs::write(&lan, r#"{"data": [{"ixlan_id": 7, "prefix": "198.51.100.0/25"}]}"#).unwrap();
    let known = text(&lasthop(&["db", "lookup", "--db", &out, "--ixp", &lan, "198.51.100.7"]));
    assert!(known.contains("AS64500 at ixp EXAMPLE-IX  198.51.100.0/25"), "{known}");
    // A file that is given for a run goes before the table's own, which still answers where that is silent.
    let own = folder.at("own.json");
    fs::write(&own, r#"{"data": [{"ixlan_id": 1, "name": "OURS", "asn": 9, "ipaddr4": "198.51.100.7"}]}"#)
        .unwrap();
    let said = text(&lasthop(&["db", "lookup", "--db", &out, "--ixp", &own, "198.51.100.7", "198.51.100.8"]));
    assert!(
        said.starts_with("198.51.100.7  AS9 at ixp") && said.contains("198.51.100.8  AS64501 at ixp"),
        "{said}"
    );
}

#[test]
fn what_a_table_knows_of_neighbours_and_members_reaches_whoever_attributes_a_hop() {
    let data = |name: &str| PathBuf::from(ROOT).join("tests/data/asdb").join(name);
    let mut intake = Intake::new(Settings::default());
    for name in ["as-rel2.txt", "netixlan.json", "ixpfx.json"] {
        intake.add(&data(name), &mut |_| {}).unwrap();
    }
    let mut builder = intake.done();
    builder.link(Asn(3356), Asn(8359), 3);
    let bytes = builder.write().unwrap();
    let table = Table::from_reader(bytes.as_slice(), "t.lht").unwrap();
    let grounds = Grounds::of(&table);
    assert_eq!(grounds.adjacent(Asn(64_496), Asn(64_500)), Some(true), "from the relations");
    assert_eq!(grounds.adjacent(Asn(8359), Asn(3356)), Some(true), "from the paths");
    assert_eq!(grounds.adjacent(Asn(64_501), Asn(64_502)), Some(false));
    assert_eq!(grounds.adjacent(Asn(64_501), Asn(1)), None);
    let member = grounds.attribute("198.51.100.7".parse().unwrap());
    assert_eq!((member.kind, member.asns), (Kind::Ixp, vec![Asn(64_500)]));
    let nobody = grounds.attribute("198.51.100.77".parse().unwrap());
    assert_eq!((nobody.kind, nobody.asns), (Kind::Ixp, vec![]));
    // Who adds links of their own loses none of the table's, and the other way round.
    let own = Adjacency::from_reader(&b"64501|64502|0\n"[..], "own").unwrap();
    let both = Grounds { adjacency: Some(&own), ..Grounds::of(&table) };
    assert_eq!(both.adjacent(Asn(64_501), Asn(64_502)), Some(true));
    assert_eq!(both.adjacent(Asn(64_496), Asn(64_500)), Some(true));
}

/// The command that data/README.md documents, with its folder put in.
fn documented(folder: &Path, out: &str) -> Vec<String> {
    let readme = fs::read_to_string(format!("{ROOT}/data/README.md")).unwrap();
    let block = readme.split("```sh\n").nth(1).unwrap().split("```").next().unwrap().replace("\\\n", " ");
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for one in block.trim().chars() {
        match one {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            _ => word.push(one),
        }
    }
    words.push(word);
    assert_eq!(words.remove(0), "lasthop");
    let folder = folder.to_str().unwrap();
    words.into_iter().map(|word| word.replace("FOLDER", folder).replace("data/asn.lht", out)).collect()
}

#[test]
fn the_documented_command_rebuilds_the_shipped_table_byte_for_byte() {
    let sources = PathBuf::from(ROOT).join("../shared/data/asn");
    let out = two();
    let words = documented(&sources, &out.at("asn.lht"));
    assert!(words.len() > 10, "{words:?}");
    if !sources.is_dir() {
        eprintln!("skipped: the publisher's files are not at {}", sources.display());
        return;
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    text(&lasthop(&words));
    let same = fs::read(out.at("asn.lht")).unwrap() == fs::read(format!("{ROOT}/data/asn.lht")).unwrap();
    assert!(same, "the table differs from data/asn.lht");
}
