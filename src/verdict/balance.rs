//! Which hops are several routers side by side, and what chooses among them.
//!
//! A balancer chooses by the flow (the 5-tuple), by the destination, or packet by packet (Augustin et al., "Avoiding
//! traceroute anomalies with Paris traceroute", IMC 2006; "Measuring load-balanced paths in the Internet", IMC 2007). That matters to who repeats a
//! measurement: by flow, another source port meets another branch; by destination, no number of flows shows the branch
//! that the target is on, and only where the branches meet again can be compared. The rules do not read this: they
//! compare at routers that both sides show, whatever chose among them.

use std::net::IpAddr;

use super::observe::FlowSet;
use super::observe::bit;
use crate::trace::{DestinationId, FlowId, ReplyKind, Role, Run, Stage};

/// Flows that all meet one router before the hop is taken for one as far as flows go: of two branches each flow would
/// have been on one by chance in 1 of 32 cases (the first MDA stopping number at 95 %).
pub(super) const ONE_BRANCH: u32 = 6;
/// Second sightings in a flow, all as the first, before it is the flow that chooses: by chance 1 of 128.
pub(super) const REPEATS: u32 = 7;

/// Sightings from which on a single change of router is a route that moved: of two branches, chance would have them in
/// such an order in 10 of 64 cases, and fewer with each more.
const MOVED: usize = 6;

words! {
    /// What chooses the branch.
    BalancedBy {
        /// The 5-tuple: each flow keeps to its branch.
        Flow = "flow",
        /// The destination: all flows to one keep to its branch.
        Destination = "destination",
        /// Nothing that stays: packets of one flow take different branches.
        Packet = "packet",
        /// Several branches were seen, and too little of them to tell.
        Unknown = "unknown",
    }
}

/// Hops at which several routers answer, and what chooses among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balancer {
    /// The first TTL with several routers; the balancer itself is the hop before.
    pub from_ttl: u8,
    /// The last one of them.
    pub to_ttl: u8,
    /// What chooses.
    pub by: BalancedBy,
    /// The most routers seen at one of these TTLs.
    pub routers: u8,
}

/// One sighting: in which flow, of which router, in the order of sending.
type Sighting = (FlowId, IpAddr);

/// The balancers that the paths to the target and its references show, by TTL.
///
/// Destinations are compared with each other only between two hops at which they show the same router: elsewhere they
/// simply go different ways.
#[must_use]
pub fn balancers(run: &Run) -> Vec<Balancer> {
    let compared: Vec<DestinationId> = run
        .destinations()
        .filter(|(_, one)| matches!(one.role, Role::Target | Role::Reference(_)))
        .map(|(id, _)| id)
        .collect();
    let hops = sightings(run, &compared);
    let last = hops.len().saturating_sub(1) as u8;
    let mut found: Vec<Balancer> = Vec::new();
    for ttl in 1..=last {
        let hop = &hops[usize::from(ttl)];
        let within = hop.iter().filter_map(|seen| within(seen)).max_by_key(|by| rank(*by));
        let Some(by) = within.or_else(|| between(&hops, ttl)) else { continue };
        let mut routers: Vec<IpAddr> = hop.iter().flatten().map(|(_, router)| *router).collect();
        routers.sort_unstable();
        routers.dedup();
        let routers = u8::try_from(routers.len()).unwrap_or(u8::MAX);
        match found.last_mut() {
            Some(before) if before.to_ttl + 1 == ttl && (before.by == by || by == BalancedBy::Unknown) => {
                before.to_ttl = ttl;
                before.routers = before.routers.max(routers);
            }
            _ => found.push(Balancer { from_ttl: ttl, to_ttl: ttl, by, routers }),
        }
    }
    found
}

/// Which of two answers about one hop says more.
const fn rank(by: BalancedBy) -> u8 {
    match by {
        BalancedBy::Unknown => 0,
        BalancedBy::Destination => 1,
        BalancedBy::Flow => 2,
        BalancedBy::Packet => 3,
    }
}

/// Which routers each of these destinations' probes met, by TTL.
fn sightings(run: &Run, compared: &[DestinationId]) -> Vec<Vec<Vec<Sighting>>> {
    let mut hops: Vec<Vec<Vec<Sighting>>> = Vec::new();
    for probe in run.probes.iter().filter(|probe| probe.was_sent() && probe.stage != Stage::Reach) {
        let Some(place) = compared.iter().position(|id| *id == probe.destination) else { continue };
        let reply = probe.replies.iter().find(|reply| reply.kind == ReplyKind::TimeExceeded);
        let Some(reply) = reply else { continue };
        let ttl = usize::from(probe.ttl);
        if hops.len() <= ttl {
            hops.resize(ttl + 1, vec![Vec::new(); compared.len()]);
        }
        hops[ttl][place].push((probe.flow, reply.from));
    }
    hops
}

/// Whether the probes to one destination met several routers here, and what chose.
fn within(seen: &[Sighting]) -> Option<BalancedBy> {
    let changes = seen.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
    match changes {
        0 => return None,
        1 if seen.len() < MOVED => return Some(BalancedBy::Unknown),
        // From one router to another and never back is a route that moved.
        1 => return None,
        _ => {}
    }
    let mut repeats = 0;
    let mut turns: Vec<(IpAddr, IpAddr)> = Vec::new();
    for (place, (flow, router)) in seen.iter().enumerate() {
        let before = seen[..place].iter().rev().find(|(other, _)| other == flow);
        match before {
            Some((_, before)) if before == router => repeats += 1,
            Some((_, before)) => turns.push((*before, *router)),
            None => {}
        }
    }
    // From one branch to the other in one flow and back in any: no single move of the route explains that.
    let back_and_forth = turns.iter().any(|(from, to)| turns.contains(&(*to, *from)));
    Some(match (back_and_forth, turns.is_empty()) {
        (true, _) => BalancedBy::Packet,
        (false, true) if repeats >= REPEATS => BalancedBy::Flow,
        _ => BalancedBy::Unknown,
    })
}

/// Whether two destinations, each on one branch in all of its flows, are on different ones here.
fn between(hops: &[Vec<Vec<Sighting>>], ttl: u8) -> Option<BalancedBy> {
    let hop = &hops[usize::from(ttl)];
    let one_router = |seen: &[Sighting]| {
        let (_, router) = seen.first()?;
        seen.iter().all(|(_, other)| other == router).then_some(*router)
    };
    for (one, first) in hop.iter().enumerate() {
        for (other, second) in hop.iter().enumerate().skip(one + 1) {
            let (Some(here), Some(there)) = (one_router(first), one_router(second)) else { continue };
            let meet = |at: &Vec<Vec<Sighting>>| {
                at[one].iter().any(|(_, router)| at[other].iter().any(|(_, same)| same == router))
            };
            let before = hops[..usize::from(ttl)].iter().any(meet);
            let behind = hops[usize::from(ttl) + 1..].iter().any(meet);
            if here == there || !before || !behind {
                continue;
            }
            let flows = |seen: &[Sighting]| {
                seen.iter().fold(0, |all: FlowSet, (flow, _)| all | bit(*flow)).count_ones()
            };
            let all = flows(first).min(flows(second)) >= ONE_BRANCH;
            return Some(if all { BalancedBy::Destination } else { BalancedBy::Unknown });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(list: &[(u16, u8)]) -> Vec<Sighting> {
        list.iter().map(|(flow, router)| (FlowId(*flow), IpAddr::from([192, 0, 2, *router]))).collect()
    }

    #[test]
    fn one_router_is_no_balancer_and_neither_is_a_route_that_moved() {
        assert_eq!(within(&seen(&[(0, 1), (1, 1), (2, 1), (0, 1)])), None);
        assert_eq!(within(&seen(&[(0, 1), (1, 1), (2, 2), (0, 2), (1, 2), (2, 2)])), None);
    }

    #[test]
    fn a_flow_that_keeps_to_its_branch_is_told_from_packets_that_do_not() {
        let by_flow = seen(&[(0, 1), (1, 2), (2, 1), (0, 1), (1, 2), (2, 1), (0, 1), (1, 2), (2, 1), (0, 1)]);
        assert_eq!(within(&by_flow), Some(BalancedBy::Flow));
        let by_packet = seen(&[(0, 1), (1, 2), (0, 2), (1, 1)]);
        assert_eq!(within(&by_packet), Some(BalancedBy::Packet));
        let seldom = seen(&[(0, 1), (1, 2), (2, 1)]);
        assert_eq!(within(&seldom), Some(BalancedBy::Unknown));
    }

    #[test]
    fn destinations_are_compared_only_between_hops_that_they_share() {
        let many = |router: u8| seen(&(0..6).map(|flow| (flow, router)).collect::<Vec<_>>());
        let shared = |router: u8| vec![many(router), many(router)];
        let apart = vec![many(2), many(3)];
        assert_eq!(
            between(&[vec![vec![], vec![]], shared(1), apart.clone(), shared(4)], 2),
            Some(BalancedBy::Destination),
            "they meet again"
        );
        assert_eq!(
            between(&[vec![vec![], vec![]], shared(1), apart.clone(), vec![vec![], vec![]]], 2),
            None,
            "they do not"
        );
        let few = vec![seen(&[(0, 2)]), seen(&[(0, 3)])];
        assert_eq!(between(&[vec![vec![], vec![]], shared(1), few, shared(4)], 2), Some(BalancedBy::Unknown));
    }
}
