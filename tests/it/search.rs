//! References that nobody named: whom the search asks, how fast, and what it may never do.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use ipnetwork::IpNetwork;
use lasthop::number::Asn;
use lasthop::path::Overlay;
use lasthop::session::search::{ENOUGH, Hint, Hit, Known, MOST_NEIGHBOURS, Outcome, Rank, Searched};
use lasthop::session::{Diagnosis, Glimpse, Search, diagnose_searching};
use lasthop::sim::{Host, Network, Topology};
use lasthop::trace::{End, Moment, Protocol, ReferenceKind, Role, Run, WallTime};
use lasthop::verdict::{Kind, Reason, Scope};

use super::sim::{searching, topology};

const PREFIX: &str = "185.70.40.0/24";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn neighbour(name: &str, four: &str, open: &[u16]) -> Host {
    let topology = topology("found-reference");
    let mut host = topology.hosts.iter().find(|host| host.name == "mx-neighbour").unwrap().clone();
    name.clone_into(&mut host.name);
    host.v4 = Some(four.parse().unwrap());
    host.v6 = None;
    host.open = open.to_vec();
    host
}

/// The target alone, and these neighbours.
fn among(neighbours: &[Host]) -> Topology {
    let mut topology = topology("no-reference");
    topology.rules.truncate(1);
    topology.hosts.extend_from_slice(neighbours);
    topology
}

fn found(diagnosis: &Diagnosis) -> Vec<String> {
    diagnosis.search.as_ref().unwrap().found.iter().map(|hit| hit.address.to_string()).collect()
}

fn searched(diagnosis: &Diagnosis) -> &Searched {
    diagnosis.search.as_ref().expect("a search")
}

/// The caps that the program promises, in worlds that are empty, full and in between.
#[test]
fn a_search_keeps_its_caps() {
    let full: Vec<Host> = (1..=254)
        .filter(|number| ![1, 2, 101, 254].contains(number))
        .map(|number| neighbour(&format!("n{number}"), &format!("185.70.40.{number}"), &[25]))
        .collect();
    let opted_out: Vec<IpNetwork> =
        vec!["185.70.40.96/29".parse().unwrap(), "185.70.40.104/32".parse().unwrap()];
    for world in [topology("no-reference"), topology("found-reference"), among(&full)] {
        for seed in 0..8 {
            let v6 = seed % 4 == 3 && world.hosts.len() < 10;
            let list = opted_out.clone();
            let diagnosis = searching(&world, v6, seed, |search| search.opt_out = list);
            let search = searched(&diagnosis);
            let target = diagnosis.run.destination(Run::TARGET).address;
            assert!(search.touched.len() <= MOST_NEIGHBOURS, "{} addresses", search.touched.len());
            assert!(search.found.len() <= ENOUGH);
            let distinct: BTreeSet<IpAddr> = search.touched.iter().map(|touch| touch.address).collect();
            assert_eq!(distinct.len(), search.touched.len(), "an address is listed once");
            for pair in search.touched.windows(2) {
                assert!(pair[1].at.0 - pair[0].at.0 >= 1_000_000_000, "faster than one a second");
            }
            for touch in &search.touched {
                assert!(touch.tries <= 2, "{touch:?}");
                assert_ne!(touch.address, target);
                assert!(search.prefix.unwrap().contains(touch.address), "{touch:?}");
                assert!(!opted_out.iter().any(|prefix| prefix.contains(touch.address)), "{touch:?}");
                if let IpAddr::V4(four) = touch.address {
                    assert!(!matches!(four.octets()[3], 0 | 255), "{touch:?}");
                }
            }
            let again = searching(&world, v6, seed, |search| search.opt_out = opted_out.clone());
            assert_eq!(diagnosis.search, again.search, "the same seed, the same search");
            assert_eq!(diagnosis.run, again.run);
        }
    }
    let (one, other) = (
        searching(&topology("no-reference"), false, 1, |_| {}),
        searching(&topology("no-reference"), false, 2, |_| {}),
    );
    assert_ne!(one.search, other.search, "another seed, another order");
}

/// No flow of the search is one of the measurement's: the target would see one connection with two sequence numbers.
#[test]
fn the_search_shares_no_flow_with_the_measurement() {
    let diagnosis = searching(&topology("found-reference"), false, 3, |_| {});
    let mut port = None;
    let again = searching(&topology("found-reference"), false, 3, |search| port = Some(search.source_ports));
    assert_eq!(again.run, diagnosis.run);
    assert!(!diagnosis.run.flows.iter().any(|flow| Some(flow.source) == port));
    // The neighbour's port is open and was half open once before: it must not look closed now.
    let reference = &diagnosis.references[0];
    assert!(reference.reached);
    assert_eq!(diagnosis.verdict.kind, Kind::LostInsideAs);
}

#[test]
fn neighbours_on_both_sides_and_in_two_blocks_are_preferred() {
    let hosts = ["98", "99", "100", "102", "103", "30", "200"]
        .map(|number| neighbour(&format!("n{number}"), &format!("185.70.40.{number}"), &[25]));
    for seed in 0..6 {
        let diagnosis = searching(&among(&hosts), false, seed, |_| {});
        let found: Vec<IpAddr> = found(&diagnosis).iter().map(|text| address(text)).collect();
        assert!(found.len() >= 2, "{found:?}");
        let target = address("185.70.40.101");
        assert!(found.iter().any(|one| *one < target) && found.iter().any(|one| *one > target), "{found:?}");
        assert!(searched(&diagnosis).touched.len() < MOST_NEIGHBOURS, "it went on after it had enough");
        assert_eq!(diagnosis.verdict.kind, Kind::LostInsideAs);
        assert_eq!(diagnosis.verdict.asns, [Asn(8359)]);
    }
}

#[test]
fn a_closed_port_serves_only_where_nobody_accepts() {
    let closed = neighbour("closed", "185.70.40.100", &[80]);
    let alone = searching(&among(std::slice::from_ref(&closed)), false, 1, |_| {});
    assert_eq!(searched(&alone).found[0].outcome, Outcome::Closed);
    assert_eq!(alone.verdict.kind, Kind::LostInsideAs);
    let open = neighbour("open", "185.70.40.103", &[25]);
    let both = searching(&among(&[closed, open]), false, 1, |_| {});
    assert_eq!(found(&both), ["185.70.40.103"]);
}

/// The first packet to an idle host may be lost to address resolution; one more is sent where nobody has answered.
#[test]
fn one_more_packet_is_sent_where_nobody_has_answered() {
    let mut world = topology("no-reference");
    let mut silent = neighbour("silent", "185.70.40.103", &[]);
    silent.refuses = false;
    world.hosts.push(silent);
    let diagnosis = searching(&world, false, 2, |_| {});
    let touch = searched(&diagnosis).touched.iter().find(|touch| touch.address == address("185.70.40.103"));
    assert_eq!(touch.map(|touch| (touch.tries, touch.outcome)), Some((2, Outcome::Silent)));
    assert!(!searched(&diagnosis).cut_short);
    let seconds = diagnosis.run.ended_at.as_secs_f64();
    assert!(seconds < 39.0, "two rounds of sixteen take {seconds} s");
    assert!(searched(&diagnosis).is_worth_keeping(), "nobody is a result, too");
}

#[test]
fn nobody_is_asked_where_nothing_is_needed() {
    // The target answers.
    let mut clear = topology("found-reference");
    clear.rules.clear();
    assert_eq!(searching(&clear, false, 1, |_| {}).search, None);
    // Its own other port does.
    let mut port = topology("port");
    port.references.clear();
    let diagnosis = searching(&port, false, 1, |_| {});
    assert_eq!(diagnosis.search, None);
    assert_eq!((diagnosis.verdict.kind, diagnosis.verdict.scope), (Kind::LostInsideAs, Scope::Port));
    // Something on the way says no.
    let mut reject = topology("reject");
    reject.references.clear();
    assert_eq!(searching(&reject, false, 1, |_| {}).search, None);
    // A reference was named and answers.
    assert_eq!(searching(&topology("proton"), false, 1, |_| {}).search, None);
}

/// Only ICMP of the host passes: that is a poor control for TCP, so neighbours are asked, and it serves if there are none.
#[test]
fn another_protocol_of_the_host_serves_only_where_no_neighbour_does() {
    let mut world = topology("found-reference");
    world.rules[0].protocol = Some(lasthop::sim::ProtocolWord::Tcp);
    let diagnosis = searching(&world, false, 1, |_| {});
    assert_eq!(found(&diagnosis), ["185.70.40.103"]);
    assert_eq!((diagnosis.verdict.kind, diagnosis.verdict.scope), (Kind::LostInsideAs, Scope::Protocol));
    world.hosts.retain(|host| host.name == "mx1.proton");
    let diagnosis = searching(&world, false, 1, |_| {});
    assert!(found(&diagnosis).is_empty());
    assert_eq!(diagnosis.references.len(), 1);
    assert_eq!(diagnosis.references[0].role, Role::Reference(ReferenceKind::SameHost));
}

#[test]
fn hints_come_first_and_the_opt_out_list_holds_for_them_too() {
    let hint =
        |text: &str| Hint { host: format!("host-{text}"), address: address(text), port: None, alias: false };
    let hosts = ["7", "40", "60"]
        .map(|number| neighbour(&format!("n{number}"), &format!("185.70.40.{number}"), &[25]));
    let world = among(&hosts);
    let diagnosis = searching(&world, false, 1, |search| {
        search.hints = ["185.70.40.7", "185.70.40.40", "185.70.40.60"].map(hint).to_vec();
        search.opt_out = vec!["185.70.40.40/32".parse().unwrap()];
    });
    let search = searched(&diagnosis);
    let first: Vec<String> = search.touched[..2].iter().map(|touch| touch.address.to_string()).collect();
    assert_eq!(first, ["185.70.40.7", "185.70.40.60"]);
    assert!(search.touched.iter().all(|touch| touch.address != address("185.70.40.40")));
    assert_eq!(search.found[0].host, "host-185.70.40.7");
    let kinds: Vec<Role> = diagnosis.references.iter().map(|path| path.role).collect();
    assert!(kinds.iter().all(|kind| *kind == Role::Reference(ReferenceKind::Hint)), "{kinds:?}");
    assert_eq!(diagnosis.verdict.kind, Kind::LostInsideAs);
}

#[test]
fn what_is_known_is_used_and_nobody_asked_again() {
    let hit = |text: &str| Hit {
        host: text.to_owned(),
        address: address(text),
        port: None,
        rank: Rank::Bracket,
        outcome: Outcome::Open,
    };
    let known = |found: Vec<Hit>| Some(Known { searched_at: WallTime(-5), found });
    let world = topology("found-reference");
    // The target itself and a stranger's address may stand in a file that somebody wrote.
    let listed = ["185.70.40.101", "8.8.8.8", "185.70.40.103"].map(hit).to_vec();
    let diagnosis = searching(&world, false, 1, |search| search.known = known(listed));
    let search = searched(&diagnosis);
    assert!(search.from_cache && search.touched.is_empty() && !search.is_worth_keeping());
    assert_eq!(found(&diagnosis), ["185.70.40.103"]);
    assert_eq!(search.searched_at, WallTime(-5));
    assert_eq!(diagnosis.verdict.kind, Kind::LostInsideAs);
    assert!(diagnosis.run.ended_at.as_secs_f64() < 8.0, "it did not wait for a search");
    let empty = searching(&world, false, 1, |search| search.known = known(Vec::new()));
    assert!(searched(&empty).touched.is_empty());
    assert_eq!(empty.verdict.reason, Some(Reason::NoReference));
    assert!(empty.verdict.next_step.unwrap().contains("--no-cache"));
}

/// Without an announced prefix there are no neighbours to speak of, but there may be hints.
#[test]
fn an_unannounced_target_is_searched_for_among_hints_only() {
    let mut world = topology("found-reference");
    let space = world.networks.iter_mut().find(|space| space.name == "proton").unwrap();
    space.asn = None;
    space.v4 = Some("10.7.40.0/24".parse().unwrap());
    for host in &mut world.hosts {
        let number = host.v4.unwrap().octets()[3];
        host.v4 = Some([10, 7, 40, number].into());
    }
    let diagnosis = searching(&world, false, 1, |_| {});
    let search = searched(&diagnosis);
    assert_eq!((search.prefix, search.touched.len()), (None, 0));
    assert_eq!(diagnosis.verdict.reason, Some(Reason::NoReference));
    let step = diagnosis.verdict.next_step.as_ref().unwrap();
    assert!(step.contains("no announced prefix covers 10.7.40.101"), "{step}");
    let hint = Hint { host: "n".to_owned(), address: address("10.7.40.103"), port: None, alias: false };
    let diagnosis = searching(&world, false, 1, |search| search.hints = vec![hint]);
    assert_eq!(found(&diagnosis), ["10.7.40.103"]);
    assert_eq!(diagnosis.references.len(), 1);
}

/// Late answers to the measurement's own probes come in while the search has the wire, and are not lost.
#[test]
fn what_comes_in_for_the_measurement_during_the_search_is_kept() {
    let mut world = topology("no-reference");
    world.rules.clear();
    world.hosts[0].down = true;
    // No answer of the host: the last router reports it after three seconds, in mid-search.
    world.hosts.push(neighbour("open", "185.70.40.103", &[25]));
    let diagnosis = searching(&world, false, 1, |_| {});
    let early: Vec<_> = diagnosis.run.probes_to(Run::TARGET).take(3).collect();
    let reported = early.iter().filter(|probe| probe.was_answered()).count();
    assert_eq!(reported, 3, "the report of the first probes' host is missing: {early:?}");
    assert_eq!(diagnosis.verdict.kind, Kind::HostOrReturnPath);
    assert_eq!(diagnosis.run.strays.wrong_key, 0);
}

#[test]
fn the_order_of_ranks_is_kept_and_wide_prefixes_are_left_for_last() {
    let mut world = topology("no-reference");
    let space = world.networks.iter_mut().find(|space| space.name == "proton").unwrap();
    space.v4 = Some("185.70.32.0/20".parse().unwrap());
    let diagnosis = searching(&world, false, 5, |_| {});
    let ranks: Vec<Rank> = searched(&diagnosis).touched.iter().map(|touch| touch.rank).collect();
    assert!(ranks.is_sorted(), "{ranks:?}");
    assert_eq!(ranks.iter().filter(|rank| **rank == Rank::Bracket).count(), 8);
    assert!(ranks.contains(&Rank::Subnet) && ranks.contains(&Rank::Prefix));
    let prefix: IpNetwork = PREFIX.parse().unwrap();
    for touch in &searched(&diagnosis).touched {
        assert_eq!(touch.rank == Rank::Prefix, !prefix.contains(touch.address), "{touch:?}");
    }
    assert_eq!(diagnosis.run.destination(Run::TARGET).protocol, Protocol::Tcp);
    let span = Duration::from_secs(60);
    assert!(diagnosis.run.ended_at.as_secs_f64() < span.as_secs_f64(), "a search has an end");
}

/// A named reference that is lost like the target is no reason not to search. That it disagrees with those found keeps the
/// verdict careful.
#[test]
fn a_named_reference_that_is_lost_too_does_not_forbid_the_search() {
    let hosts = [neighbour("lost", "185.70.40.120", &[25]), neighbour("open", "185.70.40.103", &[25])];
    let mut world = among(&hosts);
    world.references = vec!["lost".to_owned()];
    let mut rule = world.rules[0].clone();
    rule.to = Some("lost".to_owned());
    world.rules.push(rule);
    let diagnosis = searching(&world, false, 1, |_| {});
    assert_eq!(found(&diagnosis), ["185.70.40.103"]);
    let verdict = &diagnosis.verdict;
    let careful = verdict.kind == Kind::Inconclusive && verdict.reason != Some(Reason::ReferenceUnreachable);
    assert!(careful || verdict.asns == [Asn(8359)], "{verdict:?}");
}

#[test]
fn ctrl_c_in_the_search_ends_the_run_and_keeps_what_is_known() {
    let world = topology("no-reference");
    let mut network = Network::new(&world, false, 1).unwrap();
    network.interrupt_at(Moment::START + Duration::from_secs(6));
    let plan = network.plan(&world, 1).unwrap();
    let source_ports = network.spare_port();
    let search = Search { hints: Vec::new(), opt_out: Vec::new(), source_ports, known: None };
    let origins = Overlay { entries: world.prefixes(), ixps: Vec::new(), links: None, under: None };
    let observer = &mut |_: &Glimpse<'_>| {};
    let diagnosis =
        diagnose_searching(plan, WallTime(0), &mut network, &origins, 0.99, Some(&search), observer).unwrap();
    assert_eq!(diagnosis.run.end, Some(End::Interrupted));
    let search = searched(&diagnosis);
    assert!(search.cut_short && !search.is_worth_keeping());
    assert!((1..7).contains(&search.touched.len()));
    assert!(diagnosis.target.hops.len() > 3);
}
