//! Packets kept, and the run made anew from them alone.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lasthop::capture::{self, About, Capture, Log, Tap};
use lasthop::probe::{Plan, Transmit};
use lasthop::session::{self, Diagnosis, Glimpse, Search};
use lasthop::sim::{Network, Topology, scenarios};
use lasthop::trace::record::Settings;
use lasthop::trace::{End, Moment, Run, WallTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::net::{missing_right, skip};
use super::session::Firewalled;
use super::sim::{origins, topology};
use super::world::{FORWARD, FOUR, Names, SIX, World, document};

const SETTINGS: Settings = Settings { confidence: 0.99, wait: Duration::from_secs(2) };
pub(super) const STARTED: WallTime = WallTime(1_551_600_000_000_000_000);

/// A measurement with everything kept, as the program makes it.
pub(super) fn kept(
    topology: &Topology,
    v6: bool,
    seed: u64,
    file: Option<std::fs::File>,
) -> (Diagnosis, Log, Settings) {
    kept_of(topology, v6, seed, file, |_, _| {})
}

/// The same of a run that is planned or disturbed otherwise.
fn kept_of(
    topology: &Topology,
    v6: bool,
    seed: u64,
    file: Option<std::fs::File>,
    change: impl FnOnce(&mut Plan, &mut Network),
) -> (Diagnosis, Log, Settings) {
    let mut network = Network::new(topology, v6, seed).unwrap();
    let mut plan = network.plan(topology, seed).unwrap();
    change(&mut plan, &mut network);
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
    let observer = &mut |_: &Glimpse<'_>| {};
    let found =
        session::diagnose_searching(plan, STARTED, &mut tap, &origins, confidence, search.as_ref(), observer);
    let (log, fault) = tap.finish();
    assert!(fault.is_none(), "{fault:?}");
    (found.unwrap(), log, settings)
}

pub(super) fn written(found: &Diagnosis, log: &Log) -> Vec<u8> {
    let verdict = &found.verdict;
    let end = |ttl: Option<u8>, address: Option<IpAddr>| ttl.zip(address);
    let mut bytes = Vec::new();
    let (after, before) = (end(verdict.after_ttl, verdict.after), end(verdict.before_ttl, verdict.before));
    log.write(&mut bytes, &About::default(), &found.run, after, before).unwrap();
    bytes
}

pub(super) fn read(bytes: &[u8]) -> Capture {
    capture::read(bytes).unwrap()
}

/// The story, asked with another protocol.
pub(super) fn asked_by(probe: &str) -> Topology {
    let mut topology = topology("proton");
    topology.probe = probe.to_owned().try_into().unwrap();
    for host in &mut topology.hosts {
        host.open.push(53);
    }
    topology
}

pub(super) fn first_difference(one: &Run, other: &Run) -> String {
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
            let again =
                capture::replay(&capture).unwrap_or_else(|fault| panic!("{name} {v6} {seed}: {fault}"));
            assert!(again.complete && again.foreign == 0 && !capture.cut_short);
            assert_eq!(again.settings, settings);
            assert!(
                again.run == found.run,
                "{name} {v6} {seed}: {}",
                first_difference(&again.run, &found.run)
            );
            assert_eq!(again.search, log.search);
            searches += usize::from(again.search.is_some());
            let sent = found.run.probes.iter().filter(|probe| probe.was_sent()).count();
            let replies: usize = found.run.probes.iter().map(|probe| probe.replies.len()).sum();
            let of_search: usize =
                log.search.iter().flat_map(|run| &run.probes).map(|probe| 1 + probe.replies.len()).sum();
            assert_eq!(capture.packets.len(), sent + replies + of_search, "{name}");
            let marked = |words: &str| {
                capture
                    .packets
                    .iter()
                    .filter(|packet| packet.comments.iter().any(|one| one.contains(words)))
                    .count()
            };
            assert_eq!(
                found.verdict.before.is_some(),
                marked("verdict: the first router not reached") > 0,
                "{name}"
            );
            assert_eq!(
                found.verdict.after.is_some(),
                marked("verdict: the last router reached") > 0,
                "{name}"
            );
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
                assert_eq!(
                    (one.destination, one.ttl, one.stage, one.group),
                    (other.destination, other.ttl, other.stage, other.group)
                );
                assert!(other.replies.starts_with(&one.replies), "{name} at {length}");
            }
        }
        assert!(before > 50, "{before} packets");
    }
}

#[test]
fn icmp_and_udp_are_made_anew_as_well() {
    for probe in ["icmp", "udp/53"] {
        for v6 in [false, true] {
            let (found, log, _) = kept(&asked_by(probe), v6, 2, None);
            let again = capture::replay(&read(&written(&found, &log))).unwrap();
            assert!(again.run == found.run, "{probe} {v6}: {}", first_difference(&again.run, &found.run));
        }
    }
}

#[test]
fn runs_that_end_before_they_are_decided_are_made_anew_as_well() {
    let at = |milliseconds: u64| Moment::from_nanos(milliseconds * 1_000_000);
    for (name, v6) in [("proton", false), ("proton", true), ("found-reference", false)] {
        // In the first look, in the search for a reference where there is one, and near the end.
        for moment in [3, 90, 700, 2600, 4500, 6100] {
            let stopped = |_: &mut Plan, network: &mut Network| network.interrupt_at(at(moment));
            let (found, log, _) = kept_of(&topology(name), v6, 1, None, stopped);
            let again = capture::replay(&read(&written(&found, &log))).unwrap();
            assert!(again.run == found.run, "{name} {moment}: {}", first_difference(&again.run, &found.run));
            assert_eq!(again.search, log.search, "{name} {moment}");
        }
        let (found, log, _) = kept_of(&topology(name), v6, 1, None, |plan, _| plan.budget.probes = 25);
        assert_eq!(found.run.end, Some(End::OutOfProbes));
        let again = capture::replay(&read(&written(&found, &log))).unwrap();
        assert!(again.run == found.run, "{name}: {}", first_difference(&again.run, &found.run));
        let (found, log, _) =
            kept_of(&topology(name), v6, 1, None, |plan, _| plan.budget.time = Duration::from_millis(400));
        let again = capture::replay(&read(&written(&found, &log))).unwrap();
        assert!(again.run == found.run, "{name}: {}", first_difference(&again.run, &found.run));
    }
}

#[test]
fn probes_that_did_not_leave_are_in_the_record_without_a_packet() {
    let topology = topology("proton");
    for v6 in [false, true] {
        let network = Network::new(&topology, v6, 1).unwrap();
        let plan = network.plan(&topology, 1).unwrap();
        let reference = plan.destinations[1].address;
        // The reference is refused now and then, so that packets of others come between.
        let denies = move |transmit: &Transmit, now: Moment| {
            transmit.destination == reference && now.as_nanos() / 100_000_000 % 3 == 1
        };
        let mut wire = Firewalled { network, denies: Box::new(denies) };
        let settings = Settings { wait: plan.wait, ..SETTINGS };
        let file = tempfile::NamedTempFile::new().unwrap();
        let stream = Some(file.reopen().unwrap());
        let mut tap = Tap::new(&mut wire, &plan, STARTED, settings, stream, &About::default()).unwrap();
        let origins = origins(&topology);
        let found = session::diagnose(plan, STARTED, &mut tap, &origins, 0.99, &mut |_| {}).unwrap();
        let (log, _) = tap.finish();
        assert!(found.run.probes.iter().any(|probe| probe.fault.is_some()));
        for bytes in [written(&found, &log), std::fs::read(file.path()).unwrap()] {
            let again = capture::replay(&read(&bytes)).unwrap();
            assert!(again.run == found.run, "{}", first_difference(&again.run, &found.run));
        }
    }
}

/// The packets of a capture as another program would have them, on a link of this type, with other people's between.
fn as_captured(capture: &Capture, link: u32, big_endian: bool, nanoseconds: bool) -> Vec<u8> {
    let four = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let two = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut bytes = four(if nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }).to_vec();
    bytes.extend([two(2), two(4)].concat());
    bytes.extend([four(0), four(0), four(262_144), four(link)].concat());
    let mut add = |at: i64, frame: Vec<u8>| {
        let fraction = at % 1_000_000_000 / if nanoseconds { 1 } else { 1000 };
        let length = four(frame.len() as u32);
        bytes.extend([four((at / 1_000_000_000) as u32), four(fraction as u32), length, length].concat());
        bytes.extend(frame);
    };
    let frame = |packet: &[u8], kind: [u8; 2]| {
        let mut frame = match link {
            // An Ethernet frame inside a VLAN.
            1 => [&[1; 12][..], &[0x81, 0x00, 0, 7], &kind].concat(),
            113 => [&[0; 14][..], &kind].concat(),
            276 => [&kind[..], &[0; 18]].concat(),
            0 => four(2).to_vec(),
            _ => Vec::new(),
        };
        frame.extend(packet);
        // What Ethernet pads short frames with is no part of the packet.
        frame.resize(frame.len().max(if link == 1 { 90 } else { 0 }), 0);
        frame
    };
    let stranger =
        [&[0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2][..], &[0; 8]].concat();
    for packet in &capture.packets {
        let kind = if packet.bytes[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] };
        add(packet.at.0, frame(&stranger, [0x08, 0x00]));
        if link == 1 || link == 276 {
            add(packet.at.0, frame(&[0; 40], [0x08, 0x06]));
        }
        add(packet.at.0, frame(&packet.bytes, kind));
    }
    bytes
}

#[test]
fn captures_of_every_link_and_resolution_lead_to_the_same_record() {
    for (name, v6) in [("proton", false), ("found-reference", true), ("loop", false)] {
        let (found, log, settings) = kept(&topology(name), v6, 6, None);
        let ours = read(&written(&found, &log));
        let beside = |seen: &Capture| capture::replay_beside(seen, &found.run, log.search.as_ref(), settings);
        for (number, link) in [1, 113, 276, 101, 0, 12].into_iter().enumerate() {
            let (big_endian, nanoseconds) = (number % 2 == 0, number % 3 != 0);
            let seen = read(&as_captured(&ours, link, big_endian, nanoseconds));
            assert_eq!(seen.packets.len(), 2 * ours.packets.len(), "{name} link {link}");
            assert_eq!(seen.others > 0, link == 1 || link == 276);
            let again = beside(&seen).unwrap_or_else(|fault| panic!("{name} link {link}: {fault}"));
            assert_eq!(again.foreign, ours.packets.len() as u64);
            if nanoseconds {
                assert!(
                    again.run == found.run,
                    "{name} {link}: {}",
                    first_difference(&again.run, &found.run)
                );
                assert_eq!(again.search, log.search);
            } else {
                assert_eq!(counts(&again.run), counts(&found.run));
            }
        }
        // With one bit of it changed a probe is none of this run.
        let mut altered = read(&as_captured(&ours, 101, false, true));
        *altered.packets[1].bytes.last_mut().unwrap() ^= 1;
        let fault = beside(&altered).unwrap_err();
        assert!(matches!(fault, capture::Fault::Packet { .. } | capture::Fault::Missing { .. }), "{fault}");
    }
}

//---- Other people's programs, and the real thing ---------------------------------------------------------------------

/// Whether a program of Debian's is here; said, or a failure where nothing may be skipped.
fn has(test: &str, programs: &[&str]) -> bool {
    programs.iter().all(|program| {
        let there =
            Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
        there
            || skip::<()>(test, &format!("needs {program} (apt-get install tshark wireshark-common tcpdump)"))
                .is_some()
    })
}

/// What Wireshark's own programs make of a capture: whether each packet is one of ours, in order. They have to read it
/// without a word of complaint. On virtual links the kernel leaves the checksums of TCP and UDP to a device that is not
/// there; elsewhere they are `filled`.
fn as_wireshark(file: &Path, source: IpAddr, filled: bool) -> Vec<bool> {
    let infos = Command::new("capinfos").arg("-A").arg(file).output().unwrap();
    assert!(infos.status.success() && infos.stderr.is_empty(), "{infos:?}");
    let infos = String::from_utf8(infos.stdout).unwrap();
    assert!(infos.contains("pcapng") && infos.contains("nanoseconds (9)"), "{infos}");
    let tshark = |words: &[&str]| {
        let output = Command::new("tshark").arg("-n").arg("-r").arg(file).args(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // It says that root should not run it; about the file there is nothing to say.
        let about: Vec<&str> =
            said.lines().filter(|line| line.contains("tshark:") || line.contains("file")).collect();
        assert!(output.status.success() && about.is_empty(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    };
    let mut faults = "_ws.malformed or ip.checksum.status == 0 or icmp.checksum.status == 0 or \
                      icmpv6.checksum.status == 0"
        .to_owned();
    if filled {
        faults.push_str(" or tcp.checksum.status == 0 or udp.checksum.status == 0");
    }
    let checks = ["ip", "tcp", "udp"].map(|layer| format!("{layer}.check_checksum:TRUE"));
    let bad = tshark(&["-Y", &faults, "-o", &checks[0], "-o", &checks[1], "-o", &checks[2]]);
    assert_eq!(bad, "", "packets that are not right");
    let field = if source.is_ipv4() { "ip.src" } else { "ipv6.src" };
    // The first one: an ICMP error quotes the header of a probe.
    let lines =
        tshark(&["-T", "fields", "-E", "occurrence=f", "-e", field, "-e", "frame.packet_flags_direction"]);
    lines
        .lines()
        .map(|line| {
            let (from, direction) = line.split_once('\t').unwrap_or_else(|| panic!("{line}"));
            let ours = from.parse::<IpAddr>().unwrap() == source;
            assert_eq!(
                direction.trim_start_matches("0x").trim_start_matches('0'),
                if ours { "2" } else { "1" },
                "{line}"
            );
            ours
        })
        .collect()
}

/// Probes and replies, as the record has them.
fn counts(run: &Run) -> (usize, usize) {
    let sent = run.probes.iter().filter(|probe| probe.was_sent()).count();
    (sent, run.probes.iter().map(|probe| probe.replies.len()).sum())
}

fn split(ours: &[bool]) -> (usize, usize) {
    let sent = ours.iter().filter(|ours| **ours).count();
    (sent, ours.len() - sent)
}

#[test]
fn wireshark_reads_every_scenarios_capture_and_counts_the_same() {
    if !has("wireshark", &["capinfos", "tshark"]) {
        return;
    }
    for (name, v6) in [
        ("proton", false),
        ("proton", true),
        ("nat", false),
        ("loop", true),
        ("reset", false),
        ("reject", true),
    ] {
        let (found, log, _) = kept(&topology(name), v6, 5, None);
        let file = tempfile::Builder::new().suffix(".pcapng").tempfile().unwrap();
        std::fs::write(file.path(), written(&found, &log)).unwrap();
        assert_eq!(
            split(&as_wireshark(file.path(), found.run.source, true)),
            counts(&found.run),
            "{name} {v6}"
        );
    }
}

/// A real measurement on kernel routers, captured by tcpdump at the same time: the bundle verifies, alone and beside
/// what tcpdump saw, in which there is more than ours.
fn beside_tcpdump(test: &str, names: Names, extra: &[&str]) {
    if !has(test, &["capinfos", "tshark", "tcpdump"]) {
        return;
    }
    let Some(world) = World::build(test) else { return };
    world.nft("c4", names, FORWARD, "DST drop");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (zip, pcap, other) = (path("b.zip"), path("s.pcapng"), path("other.pcap"));
    let mut tcpdump = Command::new("ip")
        .args(["netns", "exec", &world.space("you"), "tcpdump", "-n", "-U", "-Z", "root", "-w", &other])
        .args(extra)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let header = || std::fs::metadata(&other).is_ok_and(|metadata| metadata.len() >= 24);
    let begun = (0..200).any(|_| {
        header() || {
            std::thread::sleep(Duration::from_millis(25));
            false
        }
    });
    assert!(begun, "tcpdump did not begin");
    let output = world.lasthop(&[
        "diagnose",
        names.target,
        "25",
        "-r",
        names.neighbour,
        "--json",
        "--seed",
        "1",
        "--bundle",
        &zip,
        "--pcap",
        &pcap,
    ]);
    std::thread::sleep(Duration::from_millis(500));
    kill(Pid::from_raw(tcpdump.id() as i32), Signal::SIGTERM).unwrap();
    tcpdump.wait().unwrap();
    let document = document(&output);
    assert_eq!(output.status.code(), Some(10), "{document:#}");
    let kind = document["verdict"]["kind"].as_str().unwrap();

    let alone = world.lasthop(&["verify", &zip]);
    assert_eq!(alone.status.code(), Some(0), "{}", String::from_utf8_lossy(&alone.stdout));
    let both = world.lasthop(&["verify", &zip, "--packets", &other, "--json"]);
    let report: Value = serde_json::from_slice(&both.stdout).unwrap();
    assert_eq!(both.status.code(), Some(0), "{report:#}");
    assert_eq!(report["verdict"]["kind"], kind);
    let check = report["checks"].as_array().unwrap().iter().find(|check| check["check"] == "beside").unwrap();
    assert_eq!(check["outcome"], "holds", "{check}");

    let bundle = lasthop::bundle::open(&std::fs::read(&zip).unwrap()).unwrap();
    assert_eq!(document["measurement"]["probes"], counts(&bundle.run).0);
    let streamed = capture::replay(&read(&std::fs::read(&pcap).unwrap())).unwrap();
    assert!(streamed.run == bundle.run, "{}", first_difference(&streamed.run, &bundle.run));
    assert_eq!(split(&as_wireshark(Path::new(&pcap), bundle.run.source, false)), counts(&bundle.run));
    // What tcpdump saw holds packets of others: at least the resets that our kernel sends.
    let seen = read(&std::fs::read(&other).unwrap());
    let again = capture::replay_beside(&seen, &bundle.run, None, bundle.settings).unwrap();
    assert!(again.foreign > 0);
    assert_eq!(counts(&again.run), counts(&bundle.run));
    // A capture in which a probe is missing proves nothing.
    let missing = Capture { packets: seen.packets[seen.packets.len() / 2..].to_vec(), ..seen };
    assert!(matches!(
        capture::replay_beside(&missing, &bundle.run, None, bundle.settings),
        Err(capture::Fault::Missing { probe: 0 })
    ));
}

#[test]
fn tcpdump_beside_a_run_leads_to_the_same_verdict_four() {
    beside_tcpdump("evidence four", FOUR, &["-i", "gw", "--time-stamp-precision=nano"]);
}

#[test]
fn tcpdump_beside_a_run_leads_to_the_same_verdict_six() {
    beside_tcpdump("evidence six", SIX, &["-i", "any"]);
}

#[test]
fn a_trace_is_captured_and_who_measures_towards_itself_is_not_hidden_from_itself() {
    if let Some(reason) = missing_right() {
        return skip::<()>("towards itself", &reason).unwrap_or(());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let lasthop = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lasthop"));
        command.args(words).env("XDG_CONFIG_HOME", "/nonexistent").env("XDG_CACHE_HOME", "/dev/null/none");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
    };
    lasthop(&["trace", "127.0.0.1", "9", "--pcap", &path("t.pcapng")]);
    let again = capture::replay(&read(&std::fs::read(path("t.pcapng")).unwrap())).unwrap();
    assert!(again.complete);
    assert_eq!(again.run.reached(Run::TARGET), (true, Some(1)));
    for words in [["127.0.0.1", "-T"], ["::1", "-U"], ["127.0.0.1", "-I"]] {
        let zip = path("d.zip");
        lasthop(&["diagnose", words[0], words[1], "--no-search", "--bundle", &zip, "--redact"]);
        lasthop(&["verify", &zip]);
        lasthop(&["verify", &format!("{zip}.unredacted")]);
    }
}

#[test]
fn a_run_that_is_killed_leaves_a_readable_file() {
    if !has("killed", &["capinfos", "tshark"]) {
        return;
    }
    let Some(world) = World::build("killed") else { return };
    world.nft("c4", FOUR, FORWARD, "DST drop");
    let folder = tempfile::tempdir().unwrap();
    let pcap = folder.path().join("s.pcapng");
    let mut child = Command::new("ip")
        .args([
            "netns",
            "exec",
            &world.space("you"),
            env!("CARGO_BIN_EXE_lasthop"),
            "diagnose",
            FOUR.target,
            "25",
        ])
        .args(["-r", FOUR.neighbour, "--pcap", &pcap.display().to_string()])
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let grown = || std::fs::metadata(&pcap).is_ok_and(|metadata| metadata.len() > 6000);
    let begun = (0..400).any(|_| {
        grown() || {
            std::thread::sleep(Duration::from_millis(10));
            false
        }
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(begun, "nothing was written");
    let capture = read(&std::fs::read(&pcap).unwrap());
    let again = capture::replay(&capture).unwrap();
    assert!(!again.complete && again.run.end.is_none());
    assert_eq!(split(&as_wireshark(&pcap, again.run.source, false)), counts(&again.run));
    assert!(counts(&again.run).0 > 10 && counts(&again.run).1 > 5, "{:?}", counts(&again.run));
}
