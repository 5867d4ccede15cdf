//! Bundles that another version of this program made: their words are its own, their conclusion follows from the packets or
//! does not.

use lasthop::bundle::Outcome;
use serde_json::Value;

use super::bundle::{REAL, fails, lasthop, pack, replace, unpack, verify};

/// The bundle as another version of this program would have made it: with words of its own, and this change to the document.
fn of_another_version(change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut files = unpack(&REAL);
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    for (name, content) in &mut files {
        match name.as_str() {
            "ticket.txt" | "report.html" => replace(content, "AS", "As"),
            "environment.json" => replace(content, &version, "\"version\": \"0.0.9\""),
            "run.json" => {
                let mut document: Value = serde_json::from_slice(content).unwrap();
                document["tool"]["version"] = "0.0.9".into();
                // It knows less of a hop, says more of the run, and words its conclusion otherwise.
                document["something_new"] = 7.into();
                document["verdict"]["summary"] = "It stops somewhere.".into();
                change(&mut document);
                *content = serde_json::to_vec_pretty(&document).unwrap();
            }
            _ => {}
        }
    }
    pack(&files, true)
}

#[test]
fn a_bundle_of_another_version_is_checked_by_its_packets_and_its_words_by_their_hashes() {
    let found = verify(&of_another_version(|_| {}));
    assert!(found.verified, "{found:#?}");
    let texts = found.checks.iter().find(|check| check.check == "texts").unwrap();
    assert_eq!(texts.outcome, Outcome::NotMade);
    let words = "made by lasthop 0.0.9, this is";
    assert!(texts.detail.starts_with(words), "{}", texts.detail);
    assert!(
        texts.detail.ends_with("checked by their hashes, its conclusion by its packets"),
        "{}",
        texts.detail
    );
    // What it concludes is told in this version's words, from the packets.
    assert_ne!(found.verdict.unwrap().summary, "It stops somewhere.");
}

#[test]
fn another_version_is_no_way_to_forge_a_conclusion() {
    let forgeries: [(&str, Value); 7] = [
        ("/verdict/kind", "reachable".into()),
        ("/verdict/asns", serde_json::json!([64496])),
        ("/verdict/after_ttl", Value::Null),
        ("/verdict/before", "192.0.2.1".into()),
        ("/target/as_path", serde_json::json!([64496])),
        ("/target/hops/2/responders/0/asns", serde_json::json!([64496])),
        ("/references/0/reached", Value::Bool(false)),
    ];
    for (way, value) in forgeries {
        let bytes = of_another_version(|document| {
            let place = document.pointer_mut(way).unwrap();
            assert_ne!(*place, value, "{way}");
            *place = value.clone();
        });
        let found = verify(&bytes);
        assert_eq!(fails(&found), ["conclusion"], "{way}: {found:#?}");
        let told = found.first_difference.unwrap();
        assert!(told.contains("the bundle was made by 0.0.9"), "{told}");
    }
    // The program ends with the status of evidence that does not verify. Its table is the one that the bundle names.
    let folder = tempfile::tempdir().unwrap();
    let zip = folder.path().join("forged.zip");
    let forged = of_another_version(|document| document["verdict"]["kind"] = "reachable".into());
    std::fs::write(&zip, forged).unwrap();
    let output = lasthop(&["verify", zip.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("verdict.kind"), "{output:?}");
}
