//! What a measurement does where this host refuses its packets, and where a router refuses them: in virtual time.

use std::net::IpAddr;

use lasthop::asdb::Table;
use lasthop::path::Overlay;
use lasthop::probe::wire::{Heard, Transmit, WireFault};
use lasthop::probe::{Plan, Wire};
use lasthop::session::{self, Diagnosis, Traced};
use lasthop::sim::{Network, Place, Topology};
use lasthop::trace::{End, Losses, Moment, Protocol, ReplyKind, Role, Run, SendFault, Stage, WallTime};
use lasthop::verdict::{Kind, Reason};

use super::sim::topology;

/// Whether this host's own firewall refuses a packet at a moment.
pub(super) type Denies = Box<dyn Fn(&Transmit, Moment) -> bool>;

/// A host whose own firewall refuses what goes to some addresses, or ports of them, from some moment on.
pub(super) struct Firewalled {
    pub(super) network: Network,
    pub(super) denies: Denies,
}

impl Wire for Firewalled {
    fn now(&mut self) -> Moment {
        self.network.now()
    }

    fn send(&mut self, transmit: &Transmit) -> Result<Moment, SendFault> {
        let now = self.network.now();
        if (self.denies)(transmit, now) {
            return Err(SendFault::Denied);
        }
        self.network.send(transmit)
    }

    fn wait(&mut self, until: Moment) -> Result<Heard, WireFault> {
        self.network.wait(until)
    }

    fn losses(&mut self) -> Losses {
        self.network.losses()
    }
}

fn origins(topology: &Topology) -> Overlay<'static> {
    Overlay { entries: topology.prefixes(), ixps: Vec::new(), links: None, under: Some(Table::embedded()) }
}

/// The address of the target (0) or of a reference (from 1).
fn address(plan: &Plan, place: usize) -> IpAddr {
    plan.destinations[place].address
}

fn behind_a_firewall(name: &str, v6: bool, seed: u64, denies: impl FnOnce(&Plan) -> Denies) -> Diagnosis {
    let topology = topology(name);
    let network = Network::new(&topology, v6, seed).unwrap();
    let plan = network.plan(&topology, seed).unwrap();
    let mut wire = Firewalled { network, denies: denies(&plan) };
    session::diagnose(plan, WallTime(0), &mut wire, &origins(&topology), 0.99, &mut |_| {}).unwrap()
}

fn faults(run: &Run, place: u16) -> (usize, usize) {
    let to = |probe: &&lasthop::trace::Probe| probe.destination.0 == place;
    (
        run.probes.iter().filter(to).filter(|probe| probe.fault.is_some()).count(),
        run.probes.iter().filter(to).filter(|probe| probe.was_sent()).count(),
    )
}

#[test]
fn a_target_that_cannot_be_sent_to_ends_the_run() {
    for v6 in [false, true] {
        for seed in 0..8 {
            let found = behind_a_firewall("clear", v6, seed, |plan| {
                let target = address(plan, 0);
                Box::new(move |transmit, _| transmit.destination == target)
            });
            let (refused, sent) = faults(&found.run, 0);
            assert_eq!(found.run.end, Some(End::CannotSend), "v6={v6} seed={seed}");
            assert_eq!(
                (found.verdict.kind, found.verdict.reason),
                (Kind::Inconclusive, Some(Reason::SelfCheck))
            );
            assert_eq!((refused, sent), (6, 0), "v6={v6} seed={seed}");
            assert!(found.run.probes.len() < 40, "{} probes", found.run.probes.len());
        }
    }
}

#[test]
fn a_target_that_can_no_longer_be_sent_to_ends_the_run() {
    let found = behind_a_firewall("proton", false, 1, |plan| {
        let target = address(plan, 0);
        Box::new(move |transmit, now| transmit.destination == target && now.as_secs_f64() > 0.8)
    });
    assert_eq!(found.run.end, Some(End::CannotSend));
    let all = found.run.probes.iter().filter(|probe| probe.fault.is_some()).count();
    assert!(faults(&found.run, 0).0 <= 6 && all < 40, "{all} probes were refused");
    assert!(found.run.ended_at.as_secs_f64() < 10.0, "{}", found.run.ended_at);
}

#[test]
fn a_reference_that_cannot_be_sent_to_is_dropped() {
    for name in ["clear", "proton", "host-down"] {
        for seed in 0..4 {
            let found = behind_a_firewall(name, false, seed, |plan| {
                let reference = address(plan, 1);
                Box::new(move |transmit, _| transmit.destination == reference)
            });
            let (refused, sent) = faults(&found.run, 1);
            assert_eq!(sent, 0);
            assert!(refused <= 6, "{name}: {refused} probes were tried");
            assert_ne!(found.run.end, Some(End::CannotSend), "{name}");
            assert!(found.run.ended_at.as_secs_f64() < 20.0, "{name}: {}", found.run.ended_at);
            let kind = found.verdict.kind;
            match name {
                "clear" => assert_eq!(kind, Kind::Reachable),
                _ => assert_eq!(kind, Kind::Inconclusive, "{name}: nothing was compared"),
            }
        }
    }
}

/// The other port that is tried to tell the scope may be one that this host's firewall shuts.
#[test]
fn a_variant_that_cannot_be_sent_to_holds_nothing_up() {
    let found = behind_a_firewall("proton", false, 3, |plan| {
        let variant = plan
            .destinations
            .iter()
            .find(|one| one.role == Role::Variant && one.protocol == Protocol::Tcp)
            .and_then(|one| one.port)
            .unwrap();
        Box::new(move |transmit, _| {
            let packet = &transmit.packet;
            packet[9] == 6 && u16::from_be_bytes([packet[22], packet[23]]) == variant
        })
    });
    assert_eq!(found.verdict.kind, Kind::LostInsideAs);
    assert!(found.run.ended_at.as_secs_f64() < 20.0, "{}", found.run.ended_at);
}

fn traced(topology: &Topology, v6: bool, seed: u64) -> Traced {
    let mut network = Network::new(topology, v6, seed).unwrap();
    let mut plan = network.plan(topology, seed).unwrap();
    plan.destinations.truncate(1);
    session::trace(plan, WallTime(0), &mut network, &origins(topology), 3, &mut |_| {}).unwrap()
}

/// The hop at which a refusal comes back first, and the highest TTL probed.
fn ends(found: &Traced) -> (Option<u8>, u8) {
    let limited = || found.run.probes.iter().filter(|probe| probe.stage != Stage::Reach);
    let refused = limited()
        .filter(|one| one.replies.iter().any(|reply| matches!(reply.kind, ReplyKind::Unreachable { .. })))
        .map(|one| one.ttl)
        .min();
    (refused, limited().map(|one| one.ttl).max().unwrap_or(0))
}

#[test]
fn a_trace_ends_where_it_is_refused() {
    for name in ["reject", "no-route"] {
        for v6 in [false, true] {
            for seed in 0..4 {
                let found = traced(&topology(name), v6, seed);
                let (refused, probed) = ends(&found);
                let refused = refused.unwrap_or_else(|| panic!("{name}: nobody refuses"));
                let last = found.path.hops.last().unwrap();
                assert_eq!(last.hop.ttl, refused, "{name} v6={v6}");
                assert_eq!(last.hop.sent, 3, "{name} v6={v6}: the hop is asked as often as the others");
                assert!(!found.path.reached);
                // What was on its way before the first refusal was back: a round trip's worth at 20 ms a probe.
                assert!(probed <= refused + 4, "{name} v6={v6}: refused at {refused}, probed to {probed}");
                assert_eq!(found.run.end, Some(End::Decided));
            }
        }
    }
}

/// A router that refuses some probes in silence: the trace still ends at the lowest TTL at which it was heard to.
#[test]
fn refusals_that_are_rate_limited_do_not_make_a_trace_long() {
    let mut topology = topology("reject");
    for rule in &mut topology.rules {
        let router = topology.routers.entry(rule.at.clone()).or_default();
        router.icmp_rate = Some(1.0);
        router.icmp_burst = Some(1.0);
        rule.place = Place::Forward;
    }
    for seed in 0..12 {
        let found = traced(&topology, false, seed);
        let (refused, _) = ends(&found);
        let refused = refused.unwrap();
        assert_eq!(found.path.hops.last().unwrap().hop.ttl, refused);
        assert!(found.run.probes.len() < 100, "{} probes", found.run.probes.len());
        // Behind the last router that let a probe through the next one is refused, whoever stays silent then.
        let passed = found
            .path
            .hops
            .iter()
            .filter(|hop| hop.hop.responders.iter().any(|one| one.replies.time_exceeded > 0));
        assert_eq!(passed.map(|hop| hop.hop.ttl).max().unwrap() + 1, refused, "seed {seed}");
    }
}

#[test]
fn a_path_that_is_not_refused_is_followed_as_ever() {
    let found = traced(&topology("clear"), false, 1);
    assert_eq!(found.path.distance, Some(13));
    assert_eq!(found.path.hops.len(), 13);
    let found = traced(&topology("proton"), false, 1);
    assert_eq!(ends(&found), (None, 30));
}
