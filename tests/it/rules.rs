//! The rules of the verdict, in their order, each by a network in which it is the one that holds; and every reason.
//!
//! Each case changes a shipped scenario and names the conclusion. The networks are simulated, so that what a rule sees is
//! what probing shows, and not what somebody thought it would show.

use std::time::Duration;

use lasthop::probe::Plan;
use lasthop::sim::{Action, Balance, Link, Network, Place, ReplyFrom, Route, Rule, Topology};
use lasthop::verdict::{BalancedBy, Kind, Mechanism, Reason, Scope, Verdict, balancers};

use super::sim::{measure, topology};

fn rule(at: &str, place: Place, to: Option<&str>, action: Action) -> Rule {
    Rule { to: to.map(str::to_owned), ..Rule::new(at, place, action) }
}

const TARGET: Option<&str> = Some("mx1.proton");

fn silence(topology: &mut Topology, routers: &[&str]) {
    for router in routers {
        topology.routers.entry((*router).to_owned()).or_default().silent = true;
    }
}

/// The verdict, which must be the same in both families.
fn concluded(topology: &Topology, change: impl Fn(&mut Plan, &mut Network)) -> Verdict {
    let four = measure(topology, false, 5, &change).verdict;
    let six = measure(topology, true, 5, &change).verdict;
    assert_eq!((four.kind, &four.asns, four.reason), (six.kind, &six.asns, six.reason), "IPv4 beside IPv6");
    check(&four);
    four
}

fn of(topology: &Topology) -> Verdict {
    concluded(topology, |_, _| {})
}

/// What holds of every verdict.
fn check(verdict: &Verdict) {
    assert_eq!(verdict.kind == Kind::Inconclusive, verdict.reason.is_some());
    assert!((0.0..=1.0).contains(&verdict.location_confidence));
    assert!((0.0..=0.98).contains(&verdict.attribution_confidence));
    assert!(verdict.asns.is_sorted());
    match verdict.kind {
        Kind::LostInsideAs => assert_eq!(verdict.asns.len(), 1),
        Kind::LostAtAsBorder => assert_eq!(verdict.asns.len(), 2),
        _ => {}
    }
    assert!(!verdict.summary.contains("block"), "says where, not who ordered it: {}", verdict.summary);
}

fn asns(verdict: &Verdict) -> Vec<u32> {
    verdict.asns.iter().map(|asn| asn.0).collect()
}

#[track_caller]
fn is_for(verdict: &Verdict, reason: Reason) {
    assert_eq!((verdict.kind, verdict.reason), (Kind::Inconclusive, Some(reason)), "{}", verdict.summary);
    assert!(verdict.asns.is_empty(), "nobody is named: {:?}", verdict.asns);
    assert!(verdict.next_step.is_some(), "there is a next step");
}

#[test]
fn rule_01_self_check_nothing_comes_back_at_all() {
    let mut topology = topology("proton");
    topology.rules = vec![rule("office", Place::Ingress, None, Action::Drop)];
    silence(&mut topology, &["office"]);
    is_for(&of(&topology), Reason::SelfCheck);
}

#[test]
fn rule_02_intercepted_one_answers_for_everybody() {
    let verdict = of(&topology("proxy"));
    assert_eq!((verdict.kind, verdict.mechanism), (Kind::Intercepted, Mechanism::ForgedAnswer));
    assert!(asns(&verdict).is_empty());
}

/// A host in AS22822, on the same port.
fn far_host(topology: &mut Topology) {
    let mut far = topology.hosts[0].clone();
    far.name = "far".to_owned();
    far.at = "llnw2".to_owned();
    far.v4 = Some("68.142.100.9".parse().unwrap());
    far.v6 = Some("2607:f4e8:0:100::9".parse().unwrap());
    topology.hosts.push(far);
    topology.check = Some("far".to_owned());
}

/// Where the host answers no other protocol and no other port, a far host that is spoken for at the same hop tells.
#[test]
fn rule_02_intercepted_a_far_host_is_spoken_for_as_well() {
    let mut topology = topology("proxy");
    for host in &mut topology.hosts {
        host.echo = false;
        host.refuses = false;
        host.open = vec![25];
    }
    assert_eq!(of(&topology).kind, Kind::Reachable, "nothing tells");
    far_host(&mut topology);
    let verdict = of(&topology);
    assert_eq!((verdict.kind, verdict.mechanism), (Kind::Intercepted, Mechanism::ForgedAnswer));
    topology.rules.clear();
    assert_eq!(of(&topology).kind, Kind::Reachable, "each answers from where it stands");
}

/// A router that answers every packet of every protocol itself: nothing of the host's differs any more. It is not said for
/// certain that the host answers, nobody is accused, and a far host tells what it is.
#[test]
fn rule_02_intercepted_a_router_answers_for_everything() {
    let mut topology = topology("proxy");
    for rule in &mut topology.rules {
        (rule.protocol, rule.port) = (None, None);
    }
    let verdict = of(&topology);
    assert_eq!(verdict.kind, Kind::Reachable, "nothing tells");
    assert!(verdict.location_confidence <= 0.9, "{}", verdict.location_confidence);
    assert!(verdict.raise.as_ref().is_some_and(|raise| raise.contains("--check")), "{:?}", verdict.raise);
    far_host(&mut topology);
    let verdict = of(&topology);
    assert_eq!((verdict.kind, verdict.mechanism), (Kind::Intercepted, Mechanism::ForgedAnswer));
    assert!(asns(&verdict).is_empty());
    topology.rules.clear();
    let verdict = of(&topology);
    assert!(
        verdict.kind == Kind::Reachable && verdict.location_confidence >= 0.99,
        "each answers from where it stands"
    );
}

/// A provider that lets nothing out meets everybody, the far host among them.
#[test]
fn rule_01_self_check_a_far_host_that_works_is_silent() {
    let mut topology = topology("proton");
    far_host(&mut topology);
    let drops = |to: &str| rule("isp1", Place::Forward, Some(to), Action::Drop);
    topology.rules = vec![drops("mx1.proton"), drops("mx-neighbour")];
    assert_eq!(of(&topology).reason, Some(Reason::ReferenceUnreachable), "the far host answers");
    topology.rules.push(drops("far"));
    let verdict = of(&topology);
    assert_eq!((verdict.kind, verdict.reason), (Kind::Inconclusive, Some(Reason::SelfCheck)));
    assert!(verdict.summary.contains("not even far answers"), "{}", verdict.summary);
}

/// The target skips a router that the reference passes, and is lost behind: every probe of it expires a hop farther than
/// the reference's with the same TTL, so that "its last router" and "the next one" would be read off the wrong network.
/// Routers that show the side they were entered by make the skipped way look like a branch.
#[test]
fn rule_09_a_way_of_another_length_accuses_nobody() {
    let off_the_way = |from: &str, to: &str| Link {
        space: Some("mts".to_owned()),
        cost: Some(800),
        cost_back: Some(800),
        ..Link::plain(from, to)
    };
    let cases = [
        ("mts3", "llnw1", Place::Ingress),
        ("mts3", "llnw1", Place::Forward),
        ("mts3", "mts4", Place::Forward),
        ("mts4", "llnw1", Place::Ingress),
        ("mts4", "mts4", Place::Forward),
    ];
    for (next, culprit, place) in cases {
        let mut topology = topology("proton");
        topology.links.push(off_the_way("mts1", next));
        topology.routes.push(Route {
            at: "mts1".to_owned(),
            to: "mx1.proton".to_owned(),
            via: next.to_owned(),
            from_s: 0.0,
            until_s: None,
        });
        topology.rules = vec![rule(culprit, place, TARGET, Action::Drop)];
        let verdict = of(&topology);
        assert_eq!(
            verdict.reason,
            Some(Reason::ReferenceDiverges),
            "{culprit} {place:?}: {}",
            verdict.summary
        );
    }
}

/// A router whose answers go back by a third network shows that network's address (Linux does): the target's packets never
/// go there, and it is not accused of their loss; nor by the router's own word that it refuses.
#[test]
fn rule_11_a_network_that_only_lends_an_address_is_not_accused() {
    let mut clean = topology("proton");
    let mut third = clean.networks.iter().find(|network| network.name == "limelight").unwrap().clone();
    (third.name, third.asn, third.routers) = ("third".to_owned(), Some(20_764), vec!["aside".to_owned()]);
    third.v4 = Some("80.64.96.0/20".parse().unwrap());
    third.v6 = Some("2a00:1620::/32".parse().unwrap());
    clean.networks.push(third);
    for (from, to) in [("mgts1", "aside"), ("aside", "mts3")] {
        let space = Some("third".to_owned());
        clean.links.push(Link { space, cost: Some(5000), cost_back: Some(1), ..Link::plain(from, to) });
    }
    clean.routers.entry("mts3".to_owned()).or_default().reply_from = ReplyFrom::Egress;
    for culprit in ["mts1", "mts2", "mts3", "mts4"] {
        for action in [Action::Drop, Action::Reject] {
            let mut topology = clean.clone();
            topology.rules = vec![rule(culprit, Place::Forward, TARGET, action)];
            let verdict = of(&topology);
            let accused = verdict.kind.names_somebody() && asns(&verdict).contains(&20_764);
            assert!(!accused, "{culprit} {action:?}: {}", verdict.summary);
        }
    }
}

/// With a far host beside it the story ends as without.
#[test]
fn rule_11_a_far_host_changes_no_loss() {
    let mut topology = topology("proton");
    far_host(&mut topology);
    let verdict = of(&topology);
    assert_eq!((verdict.kind, asns(&verdict)), (Kind::LostInsideAs, vec![8359]));
}

#[test]
fn rule_03_injected_reset_in_the_targets_name() {
    let verdict = of(&topology("reset"));
    assert_eq!((verdict.kind, verdict.mechanism), (Kind::Injected, Mechanism::TcpReset));
    assert_eq!(asns(&verdict), [8359]);
}

#[test]
fn rule_03_injected_syn_ack_in_the_targets_name() {
    let mut topology = topology("proton");
    topology.rules = vec![rule("mts2", Place::Forward, TARGET, Action::Answer)];
    let verdict = of(&topology);
    assert_eq!((verdict.kind, verdict.mechanism), (Kind::Injected, Mechanism::ForgedAnswer));
    assert_eq!(asns(&verdict), [8359]);
}

/// A forger that copies the probe's TTL seems to stand twice as far away: no single network may be named.
#[test]
fn rule_03_a_mirrored_ttl_is_at_most_a_range() {
    let mut topology = topology("proton");
    let mut forge = rule("mts2", Place::Forward, TARGET, Action::Reset);
    forge.mirror_ttl = true;
    topology.rules = vec![forge];
    let verdict = of(&topology);
    let named = matches!(verdict.kind, Kind::Injected | Kind::LostInsideAs | Kind::LostAtAsBorder);
    assert!(!named || asns(&verdict).contains(&8359), "{:?} {:?}", verdict.kind, verdict.asns);
    assert!(verdict.kind != Kind::LostInsideAs);
}

#[test]
fn rule_04_partial_one_branch_is_bad() {
    let verdict = of(&topology("branch"));
    assert_eq!((verdict.kind, asns(&verdict)), (Kind::Partial, vec![8359]));
}

#[test]
fn rule_05_reachable_open_and_closed_ports() {
    let mut topology = topology("clear");
    assert_eq!(of(&topology).kind, Kind::Reachable);
    for host in &mut topology.hosts {
        host.open.clear();
    }
    let verdict = of(&topology);
    assert_eq!(verdict.kind, Kind::Reachable, "a reset from the host's own distance is the host's");
}

/// A router that calls packets too big is heeded, and nothing is lost.
#[test]
fn rule_05_reachable_by_packets_as_long_as_a_router_says() {
    let verdict = of(&topology("mtu-told"));
    assert_eq!((verdict.kind, verdict.mechanism), (Kind::Reachable, Mechanism::None));
    let sizes = verdict.packet_size.unwrap();
    assert_eq!((sizes.asked, sizes.lost, sizes.passes), (1500, None, Some(1400)));
    assert!(verdict.summary.contains("hop 6, AS8359"), "{}", verdict.summary);
}

#[test]
fn rule_06_rejected_by_policy_and_missing_route() {
    let verdict = of(&topology("reject"));
    assert_eq!((verdict.kind, verdict.mechanism), (Kind::Rejected, Mechanism::IcmpReject));
    assert_eq!(asns(&verdict), [8359]);
    let verdict = of(&topology("no-route"));
    assert_eq!((verdict.kind, verdict.mechanism), (Kind::RoutingFault, Mechanism::NoRoute));
    assert_eq!(asns(&verdict), [8359]);
}

/// A refusal from an address that no path shows says "a device", and not whose.
#[test]
fn rule_06_a_refusal_from_off_the_path_names_nobody_by_its_address() {
    let mut topology = topology("reject");
    let router = topology.routers.entry("mts2".to_owned()).or_default();
    router.answers_from = Some("mx-neighbour".to_owned());
    let verdict = of(&topology);
    assert!(verdict.kind != Kind::Rejected || asns(&verdict).contains(&8359), "{:?}", verdict.asns);
    assert_ne!(asns(&verdict), [19_905], "the sender's address is not its place");
}

#[test]
fn rule_07_routing_fault_a_loop() {
    let verdict = of(&topology("loop"));
    assert_eq!((verdict.kind, verdict.mechanism), (Kind::RoutingFault, Mechanism::Loop));
    assert_eq!(asns(&verdict), [8359]);
}

#[test]
fn rule_08_no_reference_and_a_dead_one() {
    is_for(&of(&topology("no-reference")), Reason::NoReference);
    is_for(&of(&topology("reference-dead")), Reason::ReferenceUnreachable);
}

/// Where size is in question, small packets that die themselves are no control, though they come farther.
#[test]
fn rule_08_small_packets_do_not_get_through_either() {
    let mut topology = topology("mtu-black-hole");
    topology.rules.push(rule("llnw1", Place::Forward, TARGET, Action::Drop));
    let verdict = of(&topology);
    is_for(&verdict, Reason::ReferenceUnreachable);
    assert!(verdict.summary.contains("small packets ("), "{}", verdict.summary);
    assert!(verdict.next_step.unwrap().contains("without --size"));
}

/// Without a reference the host's own other port serves as one, the best there is.
#[test]
fn rule_08_the_hosts_other_port_is_a_reference() {
    let mut topology = topology("port");
    topology.references.clear();
    let verdict = of(&topology);
    assert_eq!((verdict.kind, verdict.scope), (Kind::LostInsideAs, Scope::Port));
    assert_eq!(asns(&verdict), [8359]);
}

#[test]
fn rule_09_reference_diverges_before_the_target_is_lost() {
    let mut topology = topology("proton");
    // The reference hangs on a branch of its own behind the second hop, as long as the real one.
    let far = topology.networks.iter().position(|space| space.name == "limelight").unwrap();
    topology.networks[far].routers.extend((1..=5).map(|number| format!("other{number}")));
    let mut before = "isp2".to_owned();
    for number in 1..=5 {
        let next = format!("other{number}");
        let space = Some("limelight".to_owned());
        topology.links.push(Link { space, ..Link::plain(before, next.clone()) });
        before = next;
    }
    topology.hosts.iter_mut().find(|host| host.name == "mx-neighbour").unwrap().at = before;
    is_for(&of(&topology), Reason::ReferenceDiverges);
}

#[test]
fn rule_10_a_route_that_moves_in_mid_run_is_unstable() {
    let mut topology = topology("branch");
    topology.routers.get_mut("mts1").unwrap().balance = Default::default();
    topology.rules = vec![rule("mts3", Place::Forward, TARGET, Action::Drop)];
    for name in ["mx1.proton", "mx-neighbour"] {
        topology.routes.push(Route {
            at: "mts1".to_owned(),
            to: name.to_owned(),
            via: "mts2b".to_owned(),
            from_s: 1.6,
            until_s: None,
        });
    }
    // Every hop is probed again after the change, so that it can be seen.
    let verdict = concluded(&topology, |_, _| {});
    assert!(
        verdict.reason == Some(Reason::UnstableRoute) || asns(&verdict) == [8359],
        "{:?} {:?}",
        verdict.kind,
        verdict.asns
    );
}

#[test]
fn rule_11_lost_inside_at_a_border_in_a_range_at_home_and_at_the_edge() {
    let verdict = of(&topology("proton"));
    assert_eq!((verdict.kind, asns(&verdict)), (Kind::LostInsideAs, vec![8359]));
    assert_eq!((verdict.mechanism, verdict.scope), (Mechanism::SilentDrop, Scope::Host));

    let verdict = of(&topology("border"));
    assert_eq!((verdict.kind, asns(&verdict)), (Kind::LostAtAsBorder, vec![8359, 22_822]));

    let mut range = topology("border");
    silence(&mut range, &["llnw1", "llnw2"]);
    let verdict = of(&range);
    assert!(!verdict.kind.names_somebody(), "three networks may own the gap: {:?}", verdict.kind);

    let mut home = topology("proton");
    home.rules = vec![rule("office", Place::Forward, TARGET, Action::Drop)];
    let verdict = of(&home);
    assert_eq!((verdict.kind, asns(&verdict)), (Kind::Local, vec![]));

    let verdict = of(&topology("edge"));
    // The border router shows its neighbour's address, so the neighbour stays in the set; the words name it not.
    assert_eq!((verdict.kind, asns(&verdict)), (Kind::DestinationNetwork, vec![19_905, 22_822]));
    assert!(!verdict.summary.contains("22822") && !verdict.kind.names_somebody(), "{}", verdict.summary);
}

/// The target itself by small packets is what large ones are compared with: at the same port, so that no port passes that
/// the target's does not.
#[test]
fn rule_11_lost_by_size() {
    let mut topology = topology("mtu-black-hole");
    for probe in ["icmp", "tcp/25", "udp/53"] {
        topology.probe = probe.to_owned().try_into().unwrap();
        topology.hosts[0].open.push(53);
        let verdict = of(&topology);
        assert_eq!((verdict.kind, asns(&verdict)), (Kind::LostInsideAs, vec![8359]), "{probe}");
        assert_eq!((verdict.mechanism, verdict.scope), (Mechanism::SilentDrop, Scope::Unknown), "{probe}");
        assert_eq!(verdict.packet_size.unwrap().lost, Some(1500), "{probe}");
    }
    topology.rules[0].at = "mts4".to_owned();
    let verdict = of(&topology);
    assert_eq!((verdict.kind, asns(&verdict)), (Kind::LostAtAsBorder, vec![8359, 22_822]));
}

#[test]
fn rule_12_a_silent_host_blames_no_network() {
    for name in ["host-down", "firewall", "return-path"] {
        let verdict = of(&topology(name));
        assert_eq!((verdict.kind, asns(&verdict)), (Kind::HostOrReturnPath, vec![]), "{name}");
    }
    assert_eq!(of(&topology("firewall")).scope, Scope::Port);
}

#[test]
fn rule_13_no_control_hop_behind_the_last_one_seen() {
    let mut topology = topology("proton");
    silence(&mut topology, &["mts3", "mts4", "llnw1", "llnw2", "edge", "core"]);
    is_for(&of(&topology), Reason::NoControlHop);
}

#[test]
fn rule_13_routers_that_hardly_answer_decide_nothing() {
    let mut topology = topology("proton");
    for router in ["mts3", "mts4", "llnw1", "llnw2", "edge", "core"] {
        topology.routers.entry(router.to_owned()).or_default().answers = Some(0.1);
    }
    for seed in 0..4 {
        let verdict = measure(&topology, false, seed, |_, _| {}).verdict;
        let reason = verdict.reason;
        let undecided = matches!(reason, Some(Reason::RateLimited | Reason::Weak | Reason::NoControlHop));
        assert!(undecided || asns(&verdict) == [8359], "{:?} {reason:?} {:?}", verdict.kind, verdict.asns);
    }
}

#[test]
fn rule_13_a_small_budget_is_weak() {
    let verdict = concluded(&topology("proton"), |plan, _| plan.budget.probes = 45);
    is_for(&verdict, Reason::Weak);
    let verdict = concluded(&topology("proton"), |plan, _| plan.budget.time = Duration::from_millis(1800));
    is_for(&verdict, Reason::Weak);
}

/// The target answered behind the place where it seemed lost: the claim is gone.
#[test]
fn rule_13_a_drop_that_leaks_is_not_a_full_loss() {
    let mut topology = topology("proton");
    topology.rules[0].share = Some(0.5);
    let verdict = measure(&topology, false, 3, |_, _| {}).verdict;
    assert!(
        matches!(verdict.kind, Kind::Reachable | Kind::Partial | Kind::Inconclusive),
        "{:?}",
        verdict.kind
    );
}

/// The neighbour in the same announced prefix is lost as well; the reference that gets through is of another one.
#[test]
fn scope_prefix_the_neighbours_are_lost_as_well() {
    let mut topology = topology("proton");
    let mut outside = topology.hosts[1].clone();
    outside.name = "outside".to_owned();
    outside.v4 = Some("185.70.44.9".parse().unwrap());
    outside.v6 = Some("2001:c20:99::9".parse().unwrap());
    topology.hosts.push(outside);
    let mut second = topology.networks.iter().find(|network| network.name == "proton").unwrap().clone();
    (second.name, second.routers) = ("proton-2".to_owned(), vec![]);
    second.v4 = Some("185.70.44.0/24".parse().unwrap());
    second.v6 = Some("2001:c20:99::/48".parse().unwrap());
    topology.networks.push(second);
    topology.references = vec!["mx-neighbour".to_owned(), "outside".to_owned()];
    let verdict = of(&topology);
    assert_eq!(
        (verdict.kind, verdict.scope),
        (Kind::LostInsideAs, Scope::Host),
        "the neighbour gets through"
    );
    topology.rules.push(rule("mts2", Place::Forward, Some("mx-neighbour"), Action::Drop));
    let verdict = of(&topology);
    assert_eq!((verdict.kind, verdict.scope), (Kind::LostInsideAs, Scope::Prefix), "{}", verdict.summary);
}

/// Balanced by flow, by destination and packet by packet: told apart, or not told.
#[test]
fn balancing_is_told_apart_by_what_chooses() {
    let told = |balance: Balance, seed: u64| {
        let mut topology = topology("branch");
        topology.routers.get_mut("mts1").unwrap().balance = balance;
        // A loss behind the place where the branches meet, so that the measurement lasts; and another neighbour each time.
        topology.rules = vec![rule("mts4", Place::Forward, TARGET, Action::Drop)];
        topology.hosts[1].v4 = Some([185, 70, 40, 110 + seed as u8].into());
        let found = measure(&topology, false, seed, |_, _| {});
        balancers(&found.run).iter().map(|balancer| balancer.by).collect::<Vec<_>>()
    };
    for (balance, by, least) in [
        (Balance::None, BalancedBy::Unknown, 0),
        (Balance::Flow, BalancedBy::Flow, 5),
        (Balance::Destination, BalancedBy::Destination, 3),
        (Balance::Packet, BalancedBy::Packet, 6),
    ] {
        let all: Vec<Vec<BalancedBy>> = (0..12).map(|seed| told(balance, seed)).collect();
        let other = |one: &BalancedBy| *one != by && *one != BalancedBy::Unknown;
        assert!(!all.iter().flatten().any(other), "{balance:?}: {all:?}");
        let right = all.iter().filter(|found| found.contains(&by)).count();
        assert!(
            right >= least && (balance != Balance::None || right == 0),
            "{balance:?}: {right} of 12: {all:?}"
        );
    }
}
