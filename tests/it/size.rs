//! Where the size of packets is in question: MTU black holes, links that say that packets are too big, and what looks like
//! either; in virtual time.

use lasthop::asdb::Table;
use lasthop::capture;
use lasthop::number::Asn;
use lasthop::path::Overlay;
use lasthop::probe::{Plan, PlanError, small_control};
use lasthop::session::{self, Diagnosis};
use lasthop::sim::{Action, Network, Place, Probed, RejectCode, Rule, Topology};
use lasthop::trace::{Protocol, ReplyKind, Role, Run, Stage, WallTime};
use lasthop::verdict::{Kind, Mechanism, PacketSize, Reason, Scope};

use super::evidence::{first_difference, kept, read, written};
use super::sim::{origins, plain, topology};

const TARGET: &str = "mx1.proton";
const PROTOCOLS: [(Protocol, Option<u16>); 3] =
    [(Protocol::Icmp, None), (Protocol::Tcp, Some(25)), (Protocol::Udp, Some(53))];

/// The shipped black hole with these rules instead of its own, asked by this protocol.
fn with(probe: (Protocol, Option<u16>), rules: Vec<Rule>) -> Topology {
    let mut topology = topology("mtu-black-hole");
    topology.probe = Probed::of(probe.0, probe.1);
    topology.hosts[0].open.push(53);
    topology.rules = rules;
    topology
}

/// A link behind this router that takes so many bytes, and whether the router says so.
fn narrow(at: &str, above: u16, says: bool) -> Rule {
    let action = if says { Action::Reject } else { Action::Drop };
    Rule {
        to: Some(TARGET.to_owned()),
        above: Some(above),
        code: RejectCode::PacketTooBig,
        ..Rule::new(at, Place::Forward, action)
    }
}

/// The bytes of every packet that a run's target had sent to it, by what was recorded.
fn sizes(run: &Run) -> Vec<(Role, Option<u16>)> {
    run.destinations.iter().map(|one| (one.role, one.size)).collect()
}

fn named(found: &Diagnosis) -> Vec<u32> {
    found.verdict.asns.iter().map(|asn| asn.0).collect()
}

#[test]
fn large_packets_are_lost_where_the_narrow_link_is_whatever_they_are() {
    for probe in PROTOCOLS {
        for v6 in [false, true] {
            for seed in 0..4 {
                let found = plain(&with(probe, vec![narrow("mts2", 1400, false)]), v6, seed);
                let verdict = &found.verdict;
                let what = format!("{probe:?} v6={v6} seed {seed}: {}", verdict.summary);
                assert_eq!((verdict.kind, named(&found)), (Kind::LostInsideAs, vec![8359]), "{what}");
                assert_eq!(
                    (verdict.mechanism, verdict.scope),
                    (Mechanism::SilentDrop, Scope::Unknown),
                    "{what}"
                );
                assert_eq!(verdict.after_ttl, Some(6), "{what}");
                let small = small_control(found.run.destination(Run::TARGET)).size;
                let sizes = PacketSize { asked: 1500, lost: Some(1500), passes: small };
                assert_eq!(verdict.packet_size, Some(sizes), "{what}");
                assert!(verdict.summary.starts_with("Packets of 1500 bytes to "), "{what}");
                assert!(verdict.summary.contains("No ICMP message came back"), "{what}");
                assert!(verdict.next_step.as_ref().unwrap().contains("MSS"), "{what}");
            }
        }
    }
}

/// Every router of the way, the loss before its TTL check and after: whoever has the narrow link is in the named set, or
/// nobody is accused.
#[test]
fn wherever_the_narrow_link_is_the_named_set_holds_its_router() {
    let clean = topology("mtu-black-hole");
    let mut told = 0;
    for (place, router) in clean.networks.iter().flat_map(|space| &space.routers).enumerate() {
        let owner =
            clean.networks.iter().find(|space| space.routers.contains(router)).and_then(|one| one.asn);
        for before_ttl in [Place::Ingress, Place::Forward] {
            let rule = Rule { place: before_ttl, ..narrow(router, 1400, false) };
            let found = plain(&with(PROTOCOLS[place % 2], vec![rule]), place % 3 == 0, place as u64);
            let verdict = &found.verdict;
            assert_ne!(verdict.kind, Kind::Reachable, "{router}: {}", verdict.summary);
            let Some(owner) = owner.map(Asn).filter(|_| verdict.kind.names_somebody()) else { continue };
            assert!(verdict.asns.contains(&owner), "{router} {before_ttl:?}: {}", verdict.summary);
            told += 1;
        }
    }
    assert!(told >= 8, "only {told} name anybody");
}

#[test]
fn a_router_that_says_too_big_is_heeded_and_nobody_is_accused() {
    for probe in PROTOCOLS {
        for v6 in [false, true] {
            for seed in 0..4 {
                let rules = vec![narrow("mts2", 1400, true), narrow("llnw1", 1300, true)];
                let found = plain(&with(probe, rules), v6, seed);
                let verdict = &found.verdict;
                let what = format!("{probe:?} v6={v6} seed {seed}: {}", verdict.summary);
                assert_eq!((verdict.kind, named(&found)), (Kind::Reachable, vec![]), "{what}");
                assert_eq!(
                    verdict.packet_size,
                    Some(PacketSize { asked: 1500, lost: None, passes: Some(1300) }),
                    "{what}"
                );
                // The record keeps what was sent before, apart, and who said what.
                let run = &found.run;
                let outsized: Vec<_> =
                    sizes(run).into_iter().filter(|(role, _)| *role == Role::Outsized).collect();
                assert_eq!(outsized, [(Role::Outsized, Some(1500)), (Role::Outsized, Some(1400))], "{what}");
                let said: Vec<_> = run.too_big().iter().map(|one| (one.size, one.mtu)).collect();
                assert_eq!(said, [(Some(1500), 1400), (Some(1400), 1300)], "{what}");
                assert!(verdict.summary.contains("1500 bytes are too big and 1400 bytes are not"), "{what}");
                assert_eq!(found.target.distance, Some(13), "{what}");
                for probe in run.probes_to(Run::TARGET) {
                    let too_big =
                        |reply: &lasthop::trace::Reply| matches!(reply.kind, ReplyKind::TooBig { .. });
                    assert!(!probe.replies.iter().any(too_big), "{what}: {probe:?}");
                }
            }
        }
    }
}

/// One link says so, the next one does not: the size that is lost is the one that the first one lets through.
#[test]
fn a_black_hole_behind_a_link_that_says_so_is_found_at_the_lower_size() {
    for v6 in [false, true] {
        let rules = vec![narrow("isp1", 1450, true), narrow("mts2", 1400, false)];
        let found = plain(&with(PROTOCOLS[0], rules), v6, 3);
        let verdict = &found.verdict;
        assert_eq!((verdict.kind, named(&found)), (Kind::LostInsideAs, vec![8359]), "{}", verdict.summary);
        let sizes = verdict.packet_size.unwrap();
        assert_eq!((sizes.asked, sizes.lost), (1500, Some(1450)));
        assert!(verdict.summary.starts_with("Packets of 1450 bytes to "), "{}", verdict.summary);
        assert!(
            verdict.summary.contains("1500 bytes are too big and 1450 bytes are not"),
            "{}",
            verdict.summary
        );
    }
}

/// RFC 1191 §7.1: an old router gives no MTU, and hosts try the next usual one.
#[test]
fn a_message_without_an_mtu_lowers_to_the_next_plateau() {
    let rule = Rule { mtu: Some(0), ..narrow("mts2", 1000, true) };
    let found = plain(&with(PROTOCOLS[0], vec![rule]), false, 1);
    assert_eq!(found.verdict.kind, Kind::Reachable, "{}", found.verdict.summary);
    let lowered: Vec<_> = sizes(&found.run).into_iter().filter(|(role, _)| *role == Role::Outsized).collect();
    let each = [1500, 1492, 1006].map(|size| (Role::Outsized, Some(size)));
    assert_eq!(lowered, each);
    assert_eq!(found.verdict.packet_size.unwrap().passes, Some(508));
}

/// What cannot be an MTU is kept in the record, lowers nothing and accuses nobody: neither does who lowers byte by byte.
#[test]
fn an_mtu_that_cannot_be_is_not_heeded() {
    for (v6, mtu) in
        [(false, 1), (false, 67), (false, 1500), (false, 9000), (true, 0), (true, 1279), (true, 1 << 20)]
    {
        let rule = Rule { mtu: Some(mtu), ..narrow("mts2", 1400, true) };
        let found = plain(&with(PROTOCOLS[0], vec![rule]), v6, 2);
        let verdict = &found.verdict;
        assert_eq!(found.run.destination(Run::TARGET).size, Some(1500), "{mtu}");
        assert!(
            !verdict.kind.names_somebody() && verdict.kind != Kind::Reachable,
            "{mtu}: {}",
            verdict.summary
        );
        assert!(verdict.summary.contains("which is nothing to go by"), "{mtu}: {}", verdict.summary);
        assert!(!verdict.summary.contains("No ICMP message"), "{mtu}: {}", verdict.summary);
        assert!(found.run.too_big().iter().all(|one| one.size == Some(1500)), "{mtu}");
    }
    let mut topology = with(PROTOCOLS[0], Vec::new());
    for step in (1..=40).rev() {
        topology.rules.push(Rule { mtu: Some(1500 - step), ..narrow("mts2", 1500 - step as u16, true) });
    }
    topology.rules.sort_by_key(|rule| std::cmp::Reverse(rule.above));
    let found = plain(&topology, false, 2);
    let lowered = sizes(&found.run).into_iter().filter(|(role, _)| *role == Role::Outsized).count();
    assert_eq!(lowered, 8, "{}", found.verdict.summary);
    assert!(!found.verdict.kind.names_somebody(), "{}", found.verdict.summary);
}

/// Small packets that get no answer either make it no matter of size, whoever drops them and wherever.
#[test]
fn where_small_packets_do_not_get_through_size_is_not_blamed() {
    for at in ["mts2", "edge"] {
        for v6 in [false, true] {
            let all = Rule { to: Some(TARGET.to_owned()), ..Rule::new(at, Place::Forward, Action::Drop) };
            for rules in [vec![all.clone()], vec![narrow("mts1", 1400, false), all]] {
                let found = plain(&with(PROTOCOLS[0], rules), v6, 4);
                let verdict = &found.verdict;
                let reason = Some(Reason::ReferenceUnreachable);
                assert_eq!(
                    (verdict.kind, verdict.reason),
                    (Kind::Inconclusive, reason),
                    "{at}: {}",
                    verdict.summary
                );
                assert!(verdict.next_step.as_ref().unwrap().contains("without --size"), "{at}");
                assert_eq!(
                    verdict.packet_size,
                    Some(PacketSize { asked: 1500, lost: None, passes: None }),
                    "{at}"
                );
            }
        }
    }
}

/// A firewall that lets no SYN with data through is no narrow link: the small SYN carries data, too.
#[test]
fn what_drops_every_syn_with_data_is_no_matter_of_size() {
    for (v6, bare) in [(false, 60), (true, 80)] {
        let found = plain(&with(PROTOCOLS[1], vec![narrow("edge", bare, false)]), v6, 4);
        assert_eq!(found.verdict.reason, Some(Reason::ReferenceUnreachable), "{}", found.verdict.summary);
    }
}

/// A closed port answers a SYN with data by a reset that counts the data.
#[test]
fn a_closed_port_answers_large_packets_as_well() {
    for v6 in [false, true] {
        let found = plain(&with((Protocol::Tcp, Some(26)), Vec::new()), v6, 4);
        let verdict = &found.verdict;
        assert_eq!(verdict.kind, Kind::Reachable, "{}", verdict.summary);
        assert_eq!(verdict.packet_size.unwrap().passes, Some(1500));
        assert_eq!(found.run.strays.wrong_key, 0);
    }
}

/// All routers pass large packets on and the host does not answer them: its answer may be what is lost.
#[test]
fn a_host_that_is_silent_to_large_echoes_blames_no_network() {
    for v6 in [false, true] {
        let found = plain(&with(PROTOCOLS[0], vec![narrow("core", 1400, false)]), v6, 4);
        let verdict = &found.verdict;
        assert_eq!((verdict.kind, named(&found)), (Kind::HostOrReturnPath, vec![]), "{}", verdict.summary);
        assert!(verdict.summary.contains("the answer may be what is lost"), "{}", verdict.summary);
        assert!(verdict.next_step.as_ref().unwrap().contains("-T"));
    }
}

/// One branch of a balancer takes no large packets: some connections hang and others do not.
#[test]
fn one_branch_that_takes_no_large_packets_is_partial() {
    for v6 in [false, true] {
        let mut topology = topology("branch");
        topology.size = Some(1500);
        topology.references.clear();
        topology.probe = Probed::of(Protocol::Icmp, None);
        topology.rules[0].above = Some(1400);
        let found = plain(&topology, v6, 1);
        let verdict = &found.verdict;
        assert_eq!((verdict.kind, named(&found)), (Kind::Partial, vec![8359]), "{}", verdict.summary);
        assert_eq!(verdict.packet_size.unwrap().lost, Some(1500));
    }
}

/// Echoes are told apart by their names and so share the flow; SYNs and datagrams do not, and an answer to a small one must
/// not count for a large one.
#[test]
fn large_and_small_share_a_flow_only_where_answers_name_their_probe() {
    for probe in PROTOCOLS {
        let found = plain(&with(probe, vec![narrow("mts2", 1400, false)]), false, 1);
        let answered = |role: Role| {
            let to = |one: &&lasthop::trace::Probe| found.run.destination(one.destination).role == role;
            found
                .run
                .probes
                .iter()
                .filter(to)
                .filter(|one| one.stage == Stage::Reach && one.was_answered())
                .count()
        };
        assert_eq!(answered(Role::Target), 0, "{probe:?}");
        assert!(answered(Role::Reference(lasthop::trace::ReferenceKind::Small)) >= 3, "{probe:?}");
    }
}

/// Without a size in question the message is one reply among others.
#[test]
fn a_small_packet_that_is_called_too_big_is_no_refusal() {
    for v6 in [false, true] {
        let mut topology = topology("proton");
        topology.rules = vec![Rule { mtu: Some(1400), ..narrow("mts2", 40, true) }];
        let found = plain(&topology, v6, 1);
        assert!(
            !matches!(found.verdict.kind, Kind::Rejected | Kind::RoutingFault),
            "{}",
            found.verdict.summary
        );
        assert_eq!(found.verdict.packet_size, None);
        assert!(found.run.destinations.iter().all(|one| one.role != Role::Outsized && one.size.is_none()));
        assert!(!found.run.too_big().is_empty());
    }
}

#[test]
fn a_trace_goes_on_at_the_size_that_was_told() {
    for v6 in [false, true] {
        let topology = with(PROTOCOLS[0], vec![narrow("mts2", 1400, true)]);
        let mut network = Network::new(&topology, v6, 1).unwrap();
        let mut plan = network.plan(&topology, 1).unwrap();
        plan.destinations.truncate(1);
        let known = Overlay { under: Some(Table::embedded()), ..origins(&topology) };
        let found = session::trace(plan, WallTime(0), &mut network, &known, 3, &mut |_| {}).unwrap();
        assert_eq!((found.path.reached, found.path.distance), (true, Some(13)));
        assert_eq!(found.run.destination(Run::TARGET).size, Some(1400));
        assert_eq!(found.path.hops.len(), 13);
        assert!(found.path.hops.iter().all(|hop| hop.hop.answered == 3), "{:?}", found.path.hops);
    }
}

#[test]
fn a_size_that_no_probe_can_have_is_no_plan() {
    let topology = with(PROTOCOLS[0], Vec::new());
    let mut network = Network::new(&topology, false, 1).unwrap();
    let mut plan = network.plan(&topology, 1).unwrap();
    plan.destinations[0].size = Some(40);
    let refused = |plan: Plan, network: &mut Network| {
        session::diagnose(plan, WallTime(0), network, &origins(&topology), 0.99, &mut |_| {}).unwrap_err()
    };
    assert_eq!(refused(plan.clone(), &mut network), PlanError::Size { size: 40, least: 52 });
    plan.destinations[0].size = Some(1500);
    plan.source_ports.truncate(1);
    assert_eq!(refused(plan, &mut network), PlanError::NoFlow, "the small control has none");
}

/// No packet is longer or shorter than it should be, and none but the target's grow.
#[test]
fn every_packet_has_the_size_that_was_asked_for() {
    use lasthop::probe::wire::{Heard, Transmit, Wire, WireFault};
    use lasthop::trace::{Losses, Moment, SendFault};
    struct Scales(Network, Vec<(u32, usize)>);
    impl Wire for Scales {
        fn now(&mut self) -> Moment {
            self.0.now()
        }
        fn send(&mut self, transmit: &Transmit) -> Result<Moment, SendFault> {
            self.1.push((transmit.probe.0, transmit.packet.len()));
            self.0.send(transmit)
        }
        fn wait(&mut self, until: Moment) -> Result<Heard, WireFault> {
            self.0.wait(until)
        }
        fn losses(&mut self) -> Losses {
            self.0.losses()
        }
    }
    for probe in PROTOCOLS {
        for (v6, size) in [(false, 68), (false, 1499), (false, 9216), (true, 1280), (true, 1501)] {
            let mut topology = with(probe, vec![narrow("mts2", 1400, true)]);
            topology.size = Some(size);
            let network = Network::new(&topology, v6, 1).unwrap();
            let plan = network.plan(&topology, 1).unwrap();
            let mut wire = Scales(network, Vec::new());
            let found =
                session::diagnose(plan, WallTime(0), &mut wire, &origins(&topology), 0.99, &mut |_| {})
                    .unwrap();
            assert_eq!(found.verdict.kind, Kind::Reachable, "{probe:?} {size}: {}", found.verdict.summary);
            for (id, length) in wire.1 {
                let sent = &found.run.probes[id as usize];
                let to = found.run.destination(sent.destination);
                assert_eq!(to.size.map(usize::from), Some(length), "{probe:?} {size}: {:?}", to.role);
            }
        }
    }
}

/// The record is made anew from the packets alone, whatever routers say of their size: large and small packets of one flow
/// are told apart, and those sent before the target's became smaller keep the size that they had.
#[test]
fn a_run_about_sizes_is_made_anew_from_its_packets_alone() {
    let bare = |probe: (Protocol, Option<u16>), v6: bool| match (probe.0, v6) {
        (Protocol::Tcp, false) => 64,
        (Protocol::Tcp, true) => 84,
        (_, false) => 52,
        (_, true) => 72,
    };
    let each_byte =
        (1..=40).map(|step| Rule { mtu: Some(1500 - step), ..narrow("mts2", 1500 - step as u16, true) });
    let mut each_byte: Vec<Rule> = each_byte.collect();
    each_byte.sort_by_key(|rule| std::cmp::Reverse(rule.above));
    let worlds: [Vec<Rule>; 6] = [
        vec![narrow("mts2", 1400, false)],
        vec![narrow("mts2", 1400, true), narrow("llnw1", 1300, true)],
        vec![narrow("isp1", 1450, true), narrow("mts2", 1400, false)],
        vec![Rule { mtu: Some(0), ..narrow("mts2", 1300, true) }],
        vec![Rule { mtu: Some(1 << 20), ..narrow("mts2", 1400, true) }],
        each_byte,
    ];
    let mut lowered = 0;
    for probe in PROTOCOLS {
        for v6 in [false, true] {
            for (place, rules) in worlds.iter().enumerate() {
                for size in [1500, bare(probe, v6)] {
                    let mut topology = with(probe, rules.clone());
                    topology.size = Some(size);
                    let (found, log, _) = kept(&topology, v6, place as u64, None);
                    let capture = read(&written(&found, &log));
                    let what = format!("{probe:?} v6={v6} {size} {rules:?}");
                    let again = capture::replay(&capture).unwrap_or_else(|fault| panic!("{what}: {fault}"));
                    assert!(again.run == found.run, "{what}: {}", first_difference(&again.run, &found.run));
                    let beside = capture::replay_beside(&capture, &found.run, None, again.settings);
                    assert!(
                        beside.unwrap_or_else(|fault| panic!("{what}: {fault}")).run == found.run,
                        "{what}"
                    );
                    lowered += sizes(&found.run).iter().filter(|(role, _)| *role == Role::Outsized).count();
                    // What a run of the record is made of was sent and answered, not only read back.
                    let role = |id| found.run.destination(id).role;
                    let mut small = found.run.probes.iter().filter(|one| {
                        role(one.destination) == Role::Reference(lasthop::trace::ReferenceKind::Small)
                    });
                    assert!(small.any(|one| one.was_answered()), "{what}");
                }
            }
        }
    }
    assert!(lowered > 50, "{lowered}");
}

/// Whoever claims that a router never spoke, or spoke of another size, has to change its packet.
#[test]
fn a_size_that_no_router_told_is_found_in_a_capture() {
    let rules = vec![narrow("mts2", 1400, true), narrow("llnw1", 1300, true)];
    let (found, log, _) = kept(&with(PROTOCOLS[0], rules), false, 1, None);
    let bytes = written(&found, &log);
    let mut capture = read(&bytes);
    let told = |packet: &capture::Packet| packet.comments.iter().any(|one| one.contains("too big"));
    let place = capture.packets.iter().position(told).unwrap();
    // RFC 1191 §4: the next-hop MTU stands in the last two bytes of the ICMP header.
    capture.packets[place].bytes[27] ^= 1;
    let fault = capture::replay(&capture);
    assert!(fault.as_ref().is_err() || fault.as_ref().is_ok_and(|again| again.run != found.run), "{fault:?}");
    let mut capture = read(&bytes);
    capture.packets.remove(place);
    assert!(capture::replay(&capture).is_err());
}

#[test]
fn a_stream_of_a_run_about_sizes_is_readable_up_to_where_it_is_cut() {
    let mut file = tempfile::tempfile().unwrap();
    let rules = vec![narrow("mts2", 1400, true), narrow("llnw1", 1300, true)];
    let (found, _, _) = kept(&with(PROTOCOLS[1], rules), true, 1, Some(file.try_clone().unwrap()));
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut file).unwrap();
    std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
    let whole = capture::replay(&read(&bytes)).unwrap();
    assert!(whole.run == found.run, "{}", first_difference(&whole.run, &found.run));
    for cut in (bytes.len() / 8..bytes.len()).step_by(bytes.len() / 60) {
        let again = capture::replay(&read(&bytes[..cut])).unwrap_or_else(|fault| panic!("{cut}: {fault}"));
        assert!(!again.run.probes.is_empty());
        let mut both = again.run.probes.iter().zip(&found.run.probes);
        assert!(
            both.all(
                |(one, other)| (one.ttl, one.flow, one.sent_at) == (other.ttl, other.flow, other.sent_at)
            )
        );
    }
}

#[test]
fn a_bundle_of_a_run_about_sizes_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let lasthop = |words: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_lasthop")).args(words).output().unwrap()
    };
    for (name, kind) in [("mtu-black-hole", "lost_inside_as"), ("mtu-told", "reachable")] {
        for family in [&[][..], &["-6"]] {
            for more in [&[][..], &["--redact"]] {
                let zip = folder.path().join(format!("{name}{}{}.zip", family.len(), more.len()));
                let zip = zip.to_str().unwrap();
                let output = lasthop(&[&["demo", name, "--bundle", zip], family, more].concat());
                assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
                let output = lasthop(&["verify", zip, "--json"]);
                let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
                assert_eq!(output.status.code(), Some(0), "{name} {family:?}: {found:#}");
                assert_eq!(found["verdict"]["kind"], kind, "{name} {family:?}");
                let lost = (kind != "reachable").then_some(1500);
                assert_eq!(found["verdict"]["packet_size"]["lost"], serde_json::json!(lost));
            }
        }
    }
}

/// What is lost is not the host but packets of a size, and the other side of the comparison is no neighbour.
#[test]
fn whoever_is_asked_about_a_black_hole_is_asked_about_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("run.json");
    let saved = saved.to_str().unwrap();
    let lasthop = |words: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_lasthop")).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        // Lines end where a letter's do.
        String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    lasthop(&["demo", "mtu-black-hole", "-o", saved]);
    let english = lasthop(&["report", saved, "--complaint", "--lang", "en"]);
    for words in [
        "Packets of 1500 bytes to mx1.proton (185.70.40.101) do not arrive",
        "packets of 52 bytes to the same host: ",
        "This is so of packets of 1500 bytes. Packets of 52 bytes to the same host arrive.",
        "one large and one small",
        "carry packets of 1500 bytes? Where one does not",
        "the MTU of the links behind router 212.188.0.2 (hop 6)",
        "by packets of 1500 bytes, as ICMP echo requests, and the same by packets of 52 bytes",
    ] {
        assert!(english.contains(words), "{words}\n{english}");
    }
    for words in ["cannot be reached", "beside it", "null route"] {
        assert!(!english.contains(words), "{words}\n{english}");
    }
    let russian = lasthop(&["report", saved, "--complaint", "--lang", "ru"]);
    for words in [
        "Пакеты размером 1500 байт на mx1.proton (185.70.40.101) не доходят",
        "Пакеты размером 52 байта на тот же узел доходят",
        "пропускает пакеты размером 1500 байт?",
        "MTU каналов после маршрутизатора 212.188.0.2 (шаг 6)",
    ] {
        assert!(russian.contains(words), "{words}\n{russian}");
    }
    assert!(!russian.contains("соседний") && !russian.contains("недоступен"), "{russian}");
    let ticket = lasthop(&["report", saved, "--format", "ticket"]);
    assert!(ticket.contains("do they carry packets of 1500 bytes?"), "{ticket}");
    assert!(ticket.contains("Works meanwhile: the same by packets of 52 bytes at hop 13"), "{ticket}");
    // Where nothing is in question but the host, nothing is said of sizes.
    lasthop(&["demo", "proton", "-o", saved]);
    let plain = lasthop(&["report", saved, "--complaint", "--lang", "en"]);
    assert!(!plain.contains("bytes") && plain.contains("cannot be reached"), "{plain}");
}
