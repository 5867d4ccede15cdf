//! What is put away comes back, whole or not at all.

use rusqlite::{Connection, params};

use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::watch::{Place, Subject};

/// Letters by chance, which nothing packs well.
fn noise(seed: u64, length: usize) -> String {
    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..length).map(|_| char::from(dice.random_range(b'#'..b'['))).collect()
}

fn subject() -> Subject {
    Subject { host: "mx1.example".into(), protocol: "tcp".into(), port: Some(25), family: 4 }
}

fn sighting(at: i64) -> Sighting {
    let place = Place { kind: "lost_inside_as".into(), asns: vec![8359], ..Place::default() };
    Sighting {
        at: WallTime(at),
        standing: Standing::Lost,
        place: Some(place),
        kind: "lost_inside_as".into(),
        reason: None,
    }
}

fn document(text: &str) -> Document {
    let target = crate::trace::schema::Path { host: text.to_owned(), ..Default::default() };
    Document { schema: "lasthop.run/1".into(), target: Some(target), ..Document::default() }
}

fn texts(history: &History, target: &Target) -> Vec<String> {
    let mut all = Vec::new();
    history
        .documents::<HistoryError>(target, &mut |_, text| {
            all.push(String::from_utf8(text).unwrap());
            Ok(())
        })
        .unwrap();
    all
}

#[test]
fn what_is_put_away_comes_back_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let mut history = History::create(&path).unwrap();
    let mut target = history.target(&subject()).unwrap();
    // Short, empty in places, incompressible, and far longer than a window.
    let noise = noise(1, 200_000);
    let hosts = ["a", "", &noise, "b", &"c".repeat(1_000_000)];
    for (run, host) in (1..).zip(hosts) {
        let made = Made { sighting: &sighting(run as i64), document: &document(host) };
        history.put(&mut target, run, &made, None).unwrap();
    }
    drop(history);
    let history = History::open(&path).unwrap();
    let target = history.targets().unwrap().remove(0);
    let wanted: Vec<String> =
        hosts.iter().map(|host| serde_json::to_string(&document(host)).unwrap()).collect();
    assert_eq!(texts(&history, &target), wanted);
    assert_eq!(history.entries(&target).unwrap()[2].asns, [8359]);
    assert_eq!(history.next_run().unwrap(), 6);
}

#[test]
fn a_run_that_finds_no_room_leaves_the_history_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::create(&folder.path().join("h.db")).unwrap();
    let mut target = history.target(&subject()).unwrap();
    let made = Made { sighting: &sighting(1), document: &document("a") };
    history.put(&mut target, 1, &made, None).unwrap();
    let pages = history.size().unwrap() / 4096;
    history.limit(u32::try_from(pages).unwrap() + 1);
    let noise = noise(2, 60_000);
    let made = Made { sighting: &sighting(2), document: &document(&noise) };
    assert!(matches!(history.put(&mut target, 2, &made, None), Err(HistoryError::Full)));
    assert_eq!(history.entries(&target).unwrap().len(), 1);
    assert_eq!(history.next_run().unwrap(), 2);
    history.limit(1_000_000);
    history.put(&mut target, 2, &made, None).unwrap();
    assert_eq!(history.entries(&target).unwrap().len(), 2);
}

#[test]
fn a_document_that_lies_about_its_length_or_is_torn_is_an_error_and_no_panic() {
    let text = serde_json::to_vec(&document("some host that is long enough to be packed")).unwrap();
    let packed = pack(&text, b"{\"schema\":\"lasthop.run/1\"").unwrap();
    let connection = Connection::open_in_memory().unwrap();
    let read = |packed: &[u8], length: i64, dictionary: &[u8]| {
        let question = "SELECT 1, ?1, ?2";
        connection.query_row(question, params![length, packed], |row| Ok(unpacked(row, dictionary))).unwrap()
    };
    let length = text.len() as i64;
    assert_eq!(read(&packed, length, b"{\"schema\":\"lasthop.run/1\"").unwrap().1, text);
    for cut in 0..packed.len() {
        assert!(read(&packed[..cut], length, b"{\"schema\":\"lasthop.run/1\"").is_err(), "{cut}");
    }
    for lie in [0, 1, length - 1, length + 1, i64::MAX] {
        assert!(read(&packed, lie, b"{\"schema\":\"lasthop.run/1\"").is_err(), "{lie}");
    }
    assert!(read(&packed, length, b"another").is_err());
}

#[test]
fn only_what_is_not_kept_is_removed_and_its_room_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::create(&folder.path().join("h.db")).unwrap();
    let mut target = history.target(&subject()).unwrap();
    let other = Subject { host: "other".into(), ..subject() };
    let mut other = history.target(&other).unwrap();
    for run in 1..=100 {
        let made =
            Made { sighting: &sighting(run as i64 * 1_000_000_000), document: &document(&noise(run, 3000)) };
        let to = if run % 10 == 0 { &mut other } else { &mut target };
        history.put(to, run, &made, None).unwrap();
    }
    let before = history.size().unwrap();
    assert_eq!(history.forget(Retention::Last(10), WallTime(0)).unwrap(), 80);
    assert!(history.size().unwrap() < before / 2, "{} of {before}", history.size().unwrap());
    let kept: Vec<u64> = history.entries(&target).unwrap().iter().map(|one| one.id).collect();
    assert_eq!(kept, [89, 91, 92, 93, 94, 95, 96, 97, 98, 99]);
    assert_eq!(history.entries(&other).unwrap().len(), 10);
    let now = WallTime(100_000_000_000);
    history.forget(Retention::For(Duration::from_secs(5)), now).unwrap();
    assert_eq!(history.entries(&target).unwrap().len(), 5);
    assert_eq!(history.next_run().unwrap(), 101, "numbers are never given twice");
    assert_eq!(texts(&history, &target).len(), 5, "the dictionary outlives the run it was made of");
}
