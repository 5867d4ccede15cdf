//! Bundles of evidence: whole ones verify, whatever is changed in one is found, and nothing that is read can do harm.

use std::io::{Cursor, Read as _, Write as _};
use std::net::IpAddr;
use std::process::{Command, Output};
use std::sync::LazyLock;

use lasthop::asdb::Table;
use lasthop::bundle::{
    self, AtHand, ClockState, Environment, Evidence, Given, Made, Name, Outcome, PublicKey, SecretKey,
    Verification,
};
use lasthop::capture::{self, Log};
use lasthop::path::Origins;
use lasthop::report::{self, Document, Measured, Session};
use lasthop::session::Diagnosis;
use lasthop::sim::{Topology, scenarios};
use lasthop::trace::Role;
use lasthop::trace::schema::{AsTable, Vantage};
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::evidence::{STARTED, asked_by, kept};
use super::sim::{origins, topology};

fn table() -> AsTable {
    let info = Table::embedded().info();
    AsTable {
        origin: info.origin,
        built_at: info.built_at.map(|day| format!("{day}T00:00:00Z")),
        sha256: info.sha256.to_string(),
        prefixes: info.prefixes,
        age_days: None,
        warning: None,
        sources: Vec::new(),
        adjacency: None,
        exchanges: None,
    }
}

/// A measurement and all that goes into its bundle.
struct Case {
    found: Diagnosis,
    log: Log,
    document: Document,
    names: Vec<Name>,
    environment: Environment,
}

impl Case {
    fn of(name: &str, v6: bool, seed: u64, origins: &dyn Origins, simulated: bool) -> Self {
        Self::on(&topology(name), name, v6, seed, origins, simulated)
    }

    fn on(
        topology: &Topology,
        name: &str,
        v6: bool,
        seed: u64,
        origins: &dyn Origins,
        simulated: bool,
    ) -> Self {
        let (found, log, _) = kept(topology, v6, seed, None);
        let session = Session {
            vantage: Vantage {
                source: Some(found.run.source),
                interface: Some("eth0".to_owned()),
                asn: origins.attribute(found.run.source).asns.first().map(|asn| asn.0),
                label: Some("my flat".to_owned()),
                ..Vantage::default()
            },
            asdb: Some(table()),
        };
        let searched = found.search.as_ref().map(lasthop::session::Searched::record);
        let (target, references, mut judgment) = lasthop::session::conclude(
            &found.run,
            &mut lasthop::path::Atlas::new(origins),
            log.settings.confidence,
        );
        if simulated {
            judgment.verdict = found.verdict.clone();
        }
        let document = report::document(
            &session,
            Measured {
                run: &found.run,
                target: &target,
                references: &references,
                verdict: Some(&judgment.verdict),
                search: searched.as_ref(),
                matrix: false,
            },
            None,
        );
        // Variants are the target under its own name.
        let named = found.run.destinations.iter().filter(|one| one.role != Role::Variant);
        let names = named.map(|one| Name {
            host: one.host.clone(),
            asked_at: STARTED.rfc3339(),
            addresses: vec![one.address],
        });
        let environment = Environment {
            schema: Environment::SCHEMA.to_owned(),
            tool: document.tool.clone(),
            program_sha256: None,
            command: [
                "lasthop",
                "diagnose",
                "mx1",
                "-s",
                &found.run.source.to_string(),
                "--label",
                "my flat",
            ]
            .map(str::to_owned)
            .to_vec(),
            seed: found.run.seed,
            kernel: Some("Linux 6.1".to_owned()),
            interface: Some("eth0".to_owned()),
            simulated: simulated.then(|| name.to_owned()),
            clock: ClockState::default(),
            losses: found.run.losses,
            strays: found.run.strays,
            table: Some(table()),
            credits: Vec::new(),
            redaction: None,
        };
        Self { names: names.collect(), found, log, document, environment }
    }

    fn with<T>(&self, origins: &dyn Origins, work: impl FnOnce(&Evidence<'_>) -> T) -> T {
        let (run, log, document) = (&self.found.run, &self.log, &self.document);
        let (names, environment) = (&self.names, &self.environment);
        work(&Evidence { run, log, document, origins, names, environment })
    }

    fn make(&self, origins: &dyn Origins, key: Option<&SecretKey>) -> Made {
        self.with(origins, |evidence| bundle::make(evidence, key).unwrap())
    }
}

fn verify_with(bytes: &[u8], key: Option<&PublicKey>) -> Verification {
    let at_hand = AtHand { origins: Table::embedded(), table: table() };
    bundle::verify(bytes, &Given { at_hand, key, beside: None }).unwrap()
}

pub(super) fn verify(bytes: &[u8]) -> Verification {
    verify_with(bytes, None)
}

/// What fails, by its check.
pub(super) fn fails(found: &Verification) -> Vec<&'static str> {
    found.checks.iter().filter(|check| check.outcome == Outcome::Fails).map(|check| check.check).collect()
}

/// The story, attributed by the table that is built in, as a live measurement is.
pub(super) static REAL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    Case::of("proton", false, 1, Table::embedded(), false).make(Table::embedded(), None).bytes
});

pub(super) type Files = Vec<(String, Vec<u8>)>;

pub(super) fn unpack(bytes: &[u8]) -> Files {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..archive.len())
        .map(|place| {
            let mut file = archive.by_index(place).unwrap();
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            (file.name().unwrap().into_owned(), content)
        })
        .collect()
}

/// Packs anew, as anybody can, with a list that fits if `list` says so.
pub(super) fn pack(files: &Files, list: bool) -> Vec<u8> {
    let mut files = files.clone();
    if list {
        let mut text =
            String::from("# lasthop.bundle/1: SHA-256 and name of every file, and below its size in bytes\n");
        for (name, bytes) in files.iter().filter(|(name, _)| !name.starts_with("MANIFEST")) {
            let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            text.push_str(&format!("{digest}  {name}\n# {} {name}\n", bytes.len()));
        }
        files.iter_mut().find(|(name, _)| name == "MANIFEST").unwrap().1 = text.into_bytes();
    }
    zipped(&files)
}

fn zipped(files: &Files) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The bundle with one file changed, and its list made to fit.
fn forged(bytes: &[u8], name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut files = unpack(bytes);
    let (_, content) = files.iter_mut().find(|(known, _)| known == name).unwrap();
    let before = content.clone();
    change(content);
    assert_ne!(*content, before, "{name} was not changed");
    pack(&files, true)
}

pub(super) fn replace(content: &mut Vec<u8>, from: &str, to: &str) {
    *content = String::from_utf8(content.clone()).unwrap().replacen(from, to, 1).into_bytes();
}

#[test]
fn every_scenario_verifies_and_is_the_same_bytes_again() {
    for (name, _) in scenarios() {
        for v6 in [false, true] {
            let origins = origins(&topology(name));
            let case = Case::of(name, v6, 2, &origins, true);
            let made = case.make(&origins, None);
            assert_eq!(made, case.make(&origins, None), "{name}");
            let found = verify(&made.bytes);
            assert!(found.verified, "{name} {v6}: {found:#?}");
            assert_eq!(found.simulated.as_deref(), Some(*name));
            let verdict = found.verdict.unwrap();
            assert_eq!(verdict.kind, case.found.verdict.kind.word());
            assert_eq!(verdict.asns, case.found.verdict.asns.iter().map(|asn| asn.0).collect::<Vec<_>>());
            assert_eq!(verdict.next_step, case.found.verdict.next_step, "{name}");
            let open = bundle::open(&made.bytes).unwrap();
            assert!(open.run == case.found.run && open.search == case.log.search);
            assert_eq!(open.document.verdict, case.document.verdict);
        }
    }
}

#[test]
fn the_list_is_one_that_sha256sum_reads() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in unpack(&REAL) {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let output = Command::new("sha256sum")
        .args(["--strict", "-c", "MANIFEST"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let checked = String::from_utf8(output.stdout).unwrap();
    assert_eq!(checked.lines().count(), unpack(&REAL).len() - 1, "{checked}");
}

#[test]
fn one_changed_byte_of_a_file_is_found_and_the_file_named() {
    assert!(verify(&REAL).verified, "{:#?}", verify(&REAL));
    let files = unpack(&REAL);
    assert!(files.len() >= 8, "{:?}", files.iter().map(|(name, _)| name).collect::<Vec<_>>());
    // As anybody packs it, it verifies too; only the seal is gone.
    assert!(verify(&pack(&files, false)).verified);
    for (place, (name, content)) in files.iter().enumerate() {
        let last = content.len() - 1;
        for at in [0, last / 7, last / 3, last / 2, last - last / 5, last] {
            let mut changed = files.clone();
            changed[place].1[at] ^= 1 << (at % 8);
            let found = verify(&pack(&changed, false));
            let told = found.first_difference.unwrap_or_else(|| panic!("{name} at {at}"));
            assert!(told.contains(name.as_str()), "{name} at {at}: {told}");
        }
        let without: Files = files.iter().filter(|(known, _)| known != name).cloned().collect();
        assert!(!verify(&pack(&without, false)).verified, "without {name}");
    }
    let mut more = files.clone();
    more.push(("letter.txt".to_owned(), b"dear sir".to_vec()));
    assert!(verify(&pack(&more, false)).first_difference.unwrap().contains("letter.txt"));
}

#[test]
fn one_changed_byte_of_the_archive_is_found() {
    for at in (0..REAL.len()).step_by(23).chain(REAL.len() - 120..REAL.len()).chain(0..64) {
        let mut changed = REAL.clone();
        changed[at] ^= 1 << (at % 8);
        let at_hand = AtHand { origins: Table::embedded(), table: table() };
        match bundle::verify(&changed, &Given { at_hand, key: None, beside: None }) {
            Ok(found) => assert!(!found.verified, "byte {at} of {}", REAL.len()),
            Err(error) => assert!(at < 4, "byte {at}: {error}"),
        }
    }
    for length in [0, 3, 22, REAL.len() / 2, REAL.len() - 1] {
        let at_hand = AtHand { origins: Table::embedded(), table: table() };
        let found = bundle::verify(&REAL[..length], &Given { at_hand, key: None, beside: None });
        assert!(found.map_or(length < 4, |found| !found.verified), "{length}");
    }
}

#[test]
fn a_verdict_that_was_rewritten_is_found_from_the_packets() {
    let document: Value =
        serde_json::from_slice(&unpack(&REAL).into_iter().find(|(name, _)| name == "run.json").unwrap().1)
            .unwrap();
    let kind = document["verdict"]["kind"].as_str().unwrap().to_owned();
    let told = |from: &str, to: &str| {
        let found = verify(&forged(&REAL, "run.json", |text| replace(text, from, to)));
        assert!(fails(&found).contains(&"conclusion"), "{from}: {found:#?}");
        // The reports for people no longer say what the document says.
        found.first_difference.unwrap()
    };
    let other = if kind == "reachable" { "local" } else { "reachable" };
    let difference = told(
        &format!("\"kind\": \"{kind}\",\n    \"asns\""),
        &format!("\"kind\": \"{other}\",\n    \"asns\""),
    );
    assert!(difference.contains("verdict.kind") && difference.contains(&kind), "{difference}");
    assert!(told("\"as_path\": [", "\"as_path\": [\n      64496,").contains("as_path"));
    assert!(told("\"time_exceeded\": 1", "\"time_exceeded\": 2").contains("time_exceeded"));
    assert!(told("\"host\": \"", "\"host\": \"x").contains("host"));
    let found = verify(&forged(&REAL, "ticket.txt", |text| replace(text, "AS", "As")));
    assert_eq!(fails(&found), ["texts"], "{found:#?}");
    assert!(found.first_difference.unwrap().contains("ticket.txt"));
}

#[test]
fn packets_that_were_changed_are_found() {
    let packets = unpack(&REAL).into_iter().find(|(name, _)| name == "packets.pcapng").unwrap().1;
    let read = capture::read(&packets).unwrap();
    // Every packet in turn, by one byte of each of its layers.
    for (number, packet) in read.packets.iter().enumerate().step_by(3) {
        let at =
            packets.windows(packet.bytes.len()).position(|window| window == packet.bytes.as_slice()).unwrap();
        for offset in [8, 14, 21, packet.bytes.len() - 1] {
            let found = verify(&forged(&REAL, "packets.pcapng", |bytes| bytes[at + offset] ^= 0x10));
            // The reply's checksum of its IP header says nothing of the path, the rest does.
            assert!(!found.verified, "packet {number}, byte {offset}: {found:#?}");
        }
    }
    let cut = forged(&REAL, "packets.pcapng", |bytes| bytes.truncate(bytes.len() / 2));
    assert!(verify(&cut).first_difference.unwrap().contains("packets.pcapng"));
    let comment = forged(&REAL, "packets.pcapng", |bytes| {
        let at = bytes.windows(8).position(|window| window == b", scout,").unwrap();
        bytes[at..at + 8].copy_from_slice(b", reach,");
    });
    let found = verify(&comment);
    assert!(found.first_difference.as_ref().unwrap().contains("probes.jsonl: probe"), "{found:#?}");
    let record = forged(&REAL, "probes.jsonl", |text| replace(text, "\"late\":false", "\"late\":true"));
    assert_eq!(fails(&verify(&record)), ["record"]);
    let seed = forged(&REAL, "packets.pcapng", |bytes| {
        let at = bytes.windows(9).position(|window| window == b"\"seed\":1,").unwrap();
        bytes[at + 7] = b'2';
    });
    assert!(
        verify(&seed).first_difference.unwrap().contains("packets.pcapng"),
        "probes are named by the seed"
    );
}

#[test]
fn an_as_that_the_table_does_not_know_is_found() {
    let found = verify(&forged(&REAL, "origins.json", |text| {
        let text_now = String::from_utf8(text.clone()).unwrap();
        let place = text_now.find("\"asns\": [\n").unwrap() + 10;
        let end = text_now[place..].find('\n').unwrap();
        let number = text_now[place..place + end].trim().to_owned();
        replace(text, &number, "64496");
    }));
    assert!(
        fails(&found).contains(&"origins") && found.first_difference.as_ref().unwrap().contains("AS64496"),
        "{found:#?}"
    );
    let found = verify(&forged(&REAL, "origins.json", |text| {
        replace(text, "\"neighbours\": []", "\"neighbours\": [[8359, 22822, true]]");
    }));
    assert!(fails(&found).contains(&"origins"), "{found:#?}");
    assert!(found.first_difference.unwrap().contains("--as-rel"));
    // With a table that says otherwise than the one that was used, the ASes cannot be derived; that is said.
    struct Nothing;
    impl Origins for Nothing {
        fn attribute(&self, _: IpAddr) -> lasthop::path::Attribution {
            lasthop::path::Attribution::bare(lasthop::path::Kind::Unannounced)
        }
        fn name(&self, _: lasthop::number::Asn) -> Option<String> {
            None
        }
    }
    let at_hand = AtHand { origins: &Nothing, table: AsTable { sha256: "other".to_owned(), ..table() } };
    let found = bundle::verify(&REAL, &Given { at_hand, key: None, beside: None }).unwrap();
    assert_eq!(fails(&found), ["origins"]);
    assert!(found.first_difference.unwrap().contains("--db"));
    // A newer one that says the same of every address will do.
    let at_hand =
        AtHand { origins: Table::embedded(), table: AsTable { sha256: "newer".to_owned(), ..table() } };
    assert!(bundle::verify(&REAL, &Given { at_hand, key: None, beside: None }).unwrap().verified);
}

#[test]
fn surroundings_that_contradict_the_run_are_found() {
    for (file, from, to) in [
        ("environment.json", "\"seed\": 1", "\"seed\": 7"),
        ("environment.json", "\"overflow\": 0", "\"overflow\": 9"),
        ("environment.json", "\"version\": \"", "\"version\": \"9"),
        ("dns.json", "\"host\": \"", "\"host\": \"not-"),
    ] {
        let found = verify(&forged(&REAL, file, |text| replace(text, from, to)));
        assert_eq!(fails(&found), ["surroundings"], "{file} {from}: {found:#?}");
        assert!(found.first_difference.unwrap().contains(file));
    }
}

#[test]
fn who_asked_can_be_hidden_and_the_rest_still_verifies() {
    let story = [None, Some("udp/53"), Some("icmp")].into_iter().flat_map(|probe| {
        let topology = probe.map_or_else(|| topology("proton"), asked_by);
        [("proton", false, topology.clone()), ("proton", true, topology)]
    });
    let others = [
        ("nat", false),
        ("reject", true),
        ("found-reference", false),
        ("found-reference", true),
        ("mtu-told", false),
        ("mtu-told", true),
        ("mtu-black-hole", false),
        ("mtu-black-hole", true),
    ];
    for (name, v6, topology) in story.chain(others.map(|(name, v6)| (name, v6, topology(name)))) {
        let origins = origins(&topology);
        let case = Case::on(&topology, name, v6, 4, &origins, true);
        let whole = case.make(&origins, None);
        let hidden = case.with(&origins, |evidence| bundle::redact(evidence, &whole, None).unwrap());
        let found = verify(&hidden.bytes);
        assert!(found.verified && found.redacted, "{name} {v6}: {found:#?}");
        assert_eq!(found.verdict.as_ref().unwrap().kind, case.found.verdict.kind.word());
        let open = bundle::open(&hidden.bytes).unwrap();
        let redaction = open.environment.redaction.unwrap();
        assert_eq!(redaction.unredacted_sha256, whole.sha256);
        assert!(!redaction.stand_ins.is_empty());
        // The same probes, replies and times; only who sent them is another.
        assert_eq!(open.run.probes.len(), case.found.run.probes.len());
        for (one, other) in open.run.probes.iter().zip(&case.found.run.probes) {
            assert_eq!(
                (one.ttl, one.sent_at, one.given_up_at),
                (other.ttl, other.sent_at, other.given_up_at)
            );
            let kinds = |probe: &lasthop::trace::Probe| {
                probe.replies.iter().map(|reply| (reply.kind, reply.rtt, reply.reply_ttl)).collect::<Vec<_>>()
            };
            assert_eq!(kinds(one), kinds(other));
        }
        let source = case.found.run.source;
        let octets = match source {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let first = case.found.run.probes.iter().flat_map(|probe| &probe.replies);
        let private =
            first.filter(|reply| origins.attribute(reply.from).kind == lasthop::path::Kind::Private);
        let mut secrets = vec![source.to_string(), "my flat".to_owned(), "eth0".to_owned()];
        secrets.extend(private.map(|reply| reply.from.to_string()));
        for (file, content) in unpack(&hidden.bytes) {
            let text = String::from_utf8_lossy(&content);
            for secret in &secrets {
                let bounded = text.match_indices(secret.as_str()).any(|(at, _)| {
                    !text[at + secret.len()..]
                        .starts_with(|next: char| next.is_ascii_hexdigit() || next == ':')
                });
                assert!(!bounded, "{name}: {file} tells {secret}");
            }
            assert!(
                !content.windows(octets.len()).any(|window| window == octets),
                "{name}: {file} has our address in bytes"
            );
        }
    }
}

#[test]
fn a_signature_is_whose_it_says() {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let other = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let public =
        |pair: &minisign::KeyPair| PublicKey::read(&pair.pk.to_box().unwrap().into_string()).unwrap();
    let secret = SecretKey::read(&pair.sk.to_box(None).unwrap().into_string(), None).unwrap();
    let case = Case::of("proton", false, 1, Table::embedded(), false);
    let signed = case.make(Table::embedded(), Some(&secret)).bytes;
    assert!(verify_with(&signed, Some(&public(&pair))).verified);
    assert!(PublicKey::read(&pair.pk.to_base64()).is_ok(), "the key alone is enough");
    let unasked = verify(&signed);
    assert!(unasked.verified);
    assert!(
        unasked.checks.iter().any(|check| check.check == "signature" && check.outcome == Outcome::NotMade)
    );
    for (bytes, key) in [(&signed, &other), (&*REAL, &pair)] {
        let found = verify_with(bytes, Some(&public(key)));
        assert_eq!(fails(&found), ["signature"], "{found:#?}");
    }
    // Whoever changes a file and the list with it has no signature that fits.
    let changed =
        forged(&signed, "dns.json", |text| replace(text, "\"asked_at\": \"2019", "\"asked_at\": \"2018"));
    assert!(verify(&changed).verified, "nothing contradicts it");
    assert_eq!(fails(&verify_with(&changed, Some(&public(&pair)))), ["signature"]);

    let locked = minisign::KeyPair::generate_encrypted_keypair(Some("open sesame".to_owned())).unwrap();
    let text = locked.sk.to_box(None).unwrap().into_string();
    assert_eq!(SecretKey::read(&text, None).err(), Some(bundle::KeyError::NeedsPassword));
    assert_eq!(SecretKey::read(&text, Some("guess")).err(), Some(bundle::KeyError::WrongPassword));
    assert!(SecretKey::read(&text, Some("open sesame")).is_ok());
    assert!(matches!(SecretKey::read("hello", None).err(), Some(bundle::KeyError::NoKey(_))));
    assert!(PublicKey::read("hello").is_err());
}

#[test]
fn archives_made_to_do_harm_are_refused() {
    let refused = |files: &Files, word: &str| {
        let at_hand = AtHand { origins: Table::embedded(), table: table() };
        let found = bundle::verify(&zipped(files), &Given { at_hand, key: None, beside: None });
        let told = match found {
            Ok(found) => found.first_difference.expect("it verifies"),
            Err(error) => error.to_string(),
        };
        assert!(told.contains(word), "{told}");
        assert!(bundle::open(&zipped(files)).is_err());
    };
    let files = unpack(&REAL);
    for name in ["../run.json", "/etc/passwd", "a/b", "a\\b", ".hidden", "\u{1b}[2Jx", "\u{202e}txt.exe"] {
        let mut more = files.clone();
        more.push((name.to_owned(), Vec::new()));
        refused(&more, "is no name of a file in a bundle");
    }
    let mut many = files.clone();
    many.extend((0..80).map(|number| (format!("x{number}"), Vec::new())));
    refused(&many, "more than 64");
    let mut long = files.clone();
    long.push(("zeros".to_owned(), vec![0; (64 << 20) + 1]));
    refused(&long, "zeros is longer than any file of a bundle");
    refused(&vec![("hello.txt".to_owned(), b"hello".to_vec())], "no bundle");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_verified_or_refused(bytes in any::<Vec<u8>>(), zip in any::<bool>()) {
        let bytes = if zip { [b"PK\x03\x04".as_slice(), &bytes].concat() } else { bytes };
        let at_hand = AtHand { origins: Table::embedded(), table: table() };
        if let Ok(found) = bundle::verify(&bytes, &Given { at_hand, key: None, beside: None }) {
            prop_assert!(!found.verified);
        }
    }

    #[test]
    fn any_bytes_are_a_capture_or_refused(bytes in any::<Vec<u8>>(), which in 0..5usize) {
        let magics: [&[u8]; 5] = [b"\x0a\x0d\x0d\x0a", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1", b""];
        let bytes = [magics[which], &bytes].concat();
        if let Ok(read) = capture::read(&bytes) {
            let _ = capture::replay(&read);
        }
    }

    #[test]
    fn a_capture_with_any_bytes_changed_is_replayed_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        static PACKETS: LazyLock<Vec<u8>> = LazyLock::new(|| {
            unpack(&REAL).into_iter().find(|(name, _)| name == "packets.pcapng").unwrap().1
        });
        let mut bytes = PACKETS.clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(PACKETS.len() * 2).max(1));
        if let Ok(read) = capture::read(&bytes) {
            let _ = capture::replay(&read);
        }
    }
}

pub(super) fn lasthop(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lasthop"))
        .args(words)
        .env_remove("LASTHOP_KEY_PASSWORD")
        .output()
        .unwrap()
}

#[test]
fn the_program_makes_bundles_and_verifies_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (zip, pcap) = (path("story.zip"), path("story.pcapng"));
    let made = lasthop(&["demo", "--bundle", &zip, "--pcap", &pcap, "--json"]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let document: Value = serde_json::from_slice(&made.stdout).unwrap();
    let kind = &document["verdict"]["kind"];
    let streamed = capture::replay(&capture::read(&std::fs::read(&pcap).unwrap()).unwrap()).unwrap();
    let bytes = std::fs::read(&zip).unwrap();
    assert!(streamed.run == bundle::open(&bytes).unwrap().run, "stream and bundle are of one run");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing is left beside them: {left:?}");

    // Which program made it, and what is known of the clock.
    let environment = bundle::open(&bytes).unwrap().environment;
    let program = std::fs::read(env!("CARGO_BIN_EXE_lasthop")).unwrap();
    let digest: String = Sha256::digest(program).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(environment.program_sha256, Some(digest));
    let told = environment.clock.told_by.unwrap();
    assert!(environment.clock.offset_ns.is_none() || !told.starts_with("unknown: "), "{told}");

    let found = lasthop(&["verify", &zip]);
    assert_eq!(found.status.code(), Some(0), "{found:?}");
    let text = String::from_utf8(found.stdout).unwrap();
    assert!(text.contains(": verified") && text.contains("SIMULATED"), "{text}");
    let found = lasthop(&["verify", &zip, "--json"]);
    let report: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(report["schema"], "lasthop.verification/1");
    assert_eq!((&report["verified"], &report["verdict"]["kind"]), (&Value::Bool(true), kind));

    let mut changed = bytes.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 4;
    std::fs::write(path("changed.zip"), &changed).unwrap();
    let found = lasthop(&["verify", &path("changed.zip"), "--json"]);
    assert_eq!(found.status.code(), Some(5), "{found:?}");
    let report: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert!(report["first_difference"].is_string() && report["verified"] == false);

    for (words, status) in [
        (vec!["verify", &pcap], 4),
        (vec!["verify", &path("nowhere.zip")], 4),
        (vec!["verify", &zip, "--key", "hello"], 4),
        (vec!["verify", &zip, "--packets", &zip], 4),
        (vec!["verify"], 2),
        (vec!["demo", "--redact"], 2),
        (vec!["demo", "--bundle", "-"], 2),
        (vec!["demo", "--pcap", "-"], 2),
        (vec!["demo", "--bundle", &zip, "--pcap", &zip], 2),
        (vec!["demo", "--bundle", "/proc/nowhere/b.zip"], 3),
        (vec!["demo", "--pcap", "/proc/nowhere/b.pcapng"], 3),
        (vec!["demo", "--bundle", &path("s.zip"), "--sign", &pcap], 4),
    ] {
        let output = lasthop(&words);
        assert_eq!(output.status.code(), Some(status), "{words:?}: {output:?}");
        assert!(!output.stderr.is_empty());
    }
    assert_eq!(std::fs::read(&zip).unwrap(), bytes, "what was refused changed nothing");

    let hidden = lasthop(&["demo", "--bundle", &path("hidden.zip"), "--redact"]);
    assert_eq!(hidden.status.code(), Some(0), "{hidden:?}");
    assert_eq!(lasthop(&["verify", &path("hidden.zip")]).status.code(), Some(0));
    assert_eq!(lasthop(&["verify", &path("hidden.zip.unredacted")]).status.code(), Some(0));
    let full = lasthop(&["demo", "--bundle", "/dev/full"]);
    assert_eq!(full.status.code(), Some(3), "{full:?}");
    assert!(!full.stdout.is_empty(), "the report is there all the same");
}
