//! Packets kept, and the run made anew from them alone.

use std::net::IpAddr;
use std::time::Duration;

use lasthop::capture::{self, About, Capture, Log, Tap};
use lasthop::session::{self, Diagnosis, Search};
use lasthop::sim::{Network, Topology, scenarios};
use lasthop::trace::record::Settings;
use lasthop::trace::{Run, WallTime};

use super::sim::{origins, topology};

const SETTINGS: Settings = Settings { confidence: 0.99, wait: Duration::from_secs(2) };
const STARTED: WallTime = WallTime(1_551_600_000_000_000_000);

/// A measurement with everything kept, as the program makes it.
fn kept(topology: &Topology, v6: bool, seed: u64, file: Option<std::fs::File>) -> (Diagnosis, Log, Settings) {
    let mut network = Network::new(topology, v6, seed).unwrap();
    let plan = network.plan(topology, seed).unwrap();
    let search = topology.references.is_empty().then(|| Search {
        hints: Vec::new(),
        opt_out: Vec::new(),
        source_ports: network.spare_port(),
        known: None,
    });
    let settings = Settings { wait: plan.wait, ..SETTINGS };
    let mut tap = Tap::new(&mut network, &plan, STARTED, settings, file, &About::default()).unwrap();
    let origins = origins(topology);
    let confidence = settings.confidence;
    let found =
        session::diagnose_searching(plan, STARTED, &mut tap, &origins, confidence, search.as_ref(), &mut |_| {})
            .unwrap();
    let (log, fault) = tap.finish();
    assert!(fault.is_none(), "{fault:?}");
    (found, log, settings)
}

fn written(found: &Diagnosis, log: &Log) -> Vec<u8> {
    let verdict = &found.verdict;
    let end = |ttl: Option<u8>, address: Option<IpAddr>| ttl.zip(address);
    let mut bytes = Vec::new();
    let (after, before) =
        (end(verdict.after_ttl, verdict.after), end(verdict.before_ttl, verdict.before));
    log.write(&mut bytes, &About::default(), &found.run, after, before).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Capture {
    capture::read(bytes).unwrap()
}

fn first_difference(one: &Run, other: &Run) -> String {
    let differ = one.probes.iter().zip(&other.probes).find(|(one, other)| one != other);
    match differ {
        Some((one, other)) => format!("{one:#?}\n{other:#?}"),
        None => format!("{} and {} probes", one.probes.len(), other.probes.len()),
    }
}

#[test]
fn every_scenario_is_made_anew_from_its_packets_alone() {
    let mut searches = 0;
    for (name, _) in scenarios() {
        let topology = topology(name);
        for (v6, seed) in [(false, 1), (true, 1), (false, 7)] {
            let (found, log, settings) = kept(&topology, v6, seed, None);
            let capture = read(&written(&found, &log));
            let again = capture::replay(&capture).unwrap_or_else(|fault| panic!("{name} {v6} {seed}: {fault}"));
            assert!(again.complete && again.foreign == 0 && !capture.cut_short);
            assert_eq!(again.settings, settings);
            assert!(again.run == found.run, "{name} {v6} {seed}: {}", first_difference(&again.run, &found.run));
            assert_eq!(again.search, log.search);
            searches += usize::from(again.search.is_some());
            let sent = found.run.probes.iter().filter(|probe| probe.was_sent()).count();
            let replies: usize = found.run.probes.iter().map(|probe| probe.replies.len()).sum();
            let of_search: usize = log.search.iter().flat_map(|run| &run.probes).map(|probe| 1 + probe.replies.len()).sum();
            assert_eq!(capture.packets.len(), sent + replies + of_search, "{name}");
            let marked = |words: &str| {
                capture.packets.iter().filter(|packet| packet.comments.iter().any(|one| one.contains(words))).count()
            };
            assert_eq!(found.verdict.before.is_some(), marked("verdict: the first router not reached") > 0, "{name}");
            assert_eq!(found.verdict.after.is_some(), marked("verdict: the last router reached") > 0, "{name}");
        }
    }
    assert!(searches >= 6, "{searches} searches");
}

#[test]
fn a_stream_that_is_cut_anywhere_is_readable_up_to_there() {
    for (name, v6) in [("proton", false), ("found-reference", true)] {
        let topology = topology(name);
        let file = tempfile::NamedTempFile::new().unwrap();
        let (found, log, _) = kept(&topology, v6, 3, Some(file.reopen().unwrap()));
        let whole = std::fs::read(file.path()).unwrap();
        let again = capture::replay(&read(&whole)).unwrap();
        assert!(again.complete);
        assert!(again.run == found.run, "{}", first_difference(&again.run, &found.run));
        assert_eq!(again.search, log.search);
        let mut before = 0;
        // Every length would take minutes; a step that is prime to four meets every place in a block.
        for length in (1..whole.len()).step_by(97) {
            let capture = capture::read(&whole[..length]);
            if length < 4 {
                assert_eq!(capture, Err(capture::CaptureError::NoCapture));
                continue;
            }
            let capture = capture.unwrap_or_else(|error| panic!("{name} at {length}: {error}"));
            assert!(capture.packets.len() >= before, "{name} at {length}");
            before = capture.packets.len();
            let Ok(again) = capture::replay(&capture) else {
                // Nothing can be made of a file without its first block.
                assert!(capture.packets.is_empty(), "{name} at {length}: {:?}", capture::replay(&capture));
                continue;
            };
            assert!(!again.complete, "{name} at {length}");
            let probes = &again.run.probes;
            for (one, other) in probes.iter().zip(&found.run.probes) {
                assert_eq!((one.destination, one.ttl, one.stage, one.group), (other.destination, other.ttl, other.stage, other.group));
                assert!(other.replies.starts_with(&one.replies), "{name} at {length}");
            }
        }
        assert!(before > 50, "{before} packets");
    }
}
