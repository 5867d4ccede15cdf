//! Worlds with several vantages, drawn by chance: what a joint conclusion is measured on.
//!
//! Access networks hang on regional ones, those on transit networks, and those on the destination's. Each network is a row of
//! routers, entered at one of its first and left by its last, so that two paths through one network share some of its routers and
//! not others. The faults are those that several vantages are asked about: a network that drops the target's packets on all its
//! routers (a policy) or on one of them (a device), two networks that do, a destination that is down, filters everybody, or filters
//! some by their source.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnetwork::{Ipv4Network, Ipv6Network};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::topology::{
    Action, AddressSpace, Expected, Host, Link, Place, Probed, ReplyFrom, Router, Rule, Topology, Vantage,
};
use crate::number::Asn;
use crate::trace::Protocol;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing.
    Nothing,
    /// All routers of one network drop what goes to the target.
    Policy,
    /// One router of one network does.
    Device,
    /// Two networks do, neither behind the other.
    Two,
    /// The target is switched off.
    HostDown,
    /// A firewall before the target drops everything.
    Firewall,
    /// It drops what comes from some vantages.
    BySource,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Nothing,
        Self::Policy,
        Self::Device,
        Self::Two,
        Self::HostDown,
        Self::Firewall,
        Self::BySource,
    ];

    /// A word for tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Policy => "policy",
            Self::Device => "device",
            Self::Two => "two",
            Self::HostDown => "host-down",
            Self::Firewall => "firewall",
            Self::BySource => "by-source",
        }
    }
}

/// A world, seen from several places.
#[derive(Clone, Debug)]
pub struct World {
    /// The same world from each vantage.
    pub views: Vec<Topology>,
    /// Ask it over IPv6.
    pub v6: bool,
    /// What is wrong.
    pub fault: Fault,
    /// In whose networks; empty where nobody on the way is to blame.
    pub culprits: BTreeSet<Asn>,
    /// The destination's AS.
    pub destination: Asn,
    /// Vantages whose packets are dropped.
    pub blocked: Vec<bool>,
    /// Pairs of ASes that are neighbours.
    pub neighbours: Vec<(Asn, Asn)>,
}

struct System {
    asn: Asn,
    routers: Vec<String>,
    /// Places of the networks that carry its packets on; the first one does.
    uplinks: Vec<usize>,
}

const PORT: u16 = 25;

/// Draws the world of this seed.
///
/// The same arguments give the same world, on any machine.
#[must_use]
pub fn world(seed: u64, fault: Fault) -> World {
    let mut dice = ChaCha8Rng::seed_from_u64(seed ^ (fault as u64) << 40);
    loop {
        if let Some(world) = draw(&mut dice, seed, fault) {
            return world;
        }
    }
}

fn draw(dice: &mut ChaCha8Rng, seed: u64, fault: Fault) -> Option<World> {
    let (transits, regionals) = (dice.random_range(2..=4usize), dice.random_range(2..=4usize));
    let vantages = dice.random_range(3..=10usize);
    let mut systems: Vec<System> = Vec::new();
    // 0 is the destination; then transit, regional and access networks.
    let tiers = [1, transits, regionals, vantages];
    for (tier, count) in tiers.into_iter().enumerate() {
        let below: Vec<usize> = match tier {
            0 => Vec::new(),
            _ => (0..systems.len()).collect(),
        };
        let upper: Vec<usize> = match tier {
            0 => Vec::new(),
            1 => vec![0],
            2 => below[1..].to_vec(),
            // An access network may hang on a transit network without a regional one in between.
            _ if dice.random_bool(0.3) => below[1..].to_vec(),
            _ => below[1 + transits..1 + transits + regionals].to_vec(),
        };
        for number in 0..count {
            let place = systems.len();
            // Entered at the first or the second router, 20 % of crossings show one router, as in the single-vantage worlds.
            let length = match dice.random_range(0..10) {
                _ if tier == 3 => dice.random_range(1..=2),
                0..=3 => 2,
                4..=6 => 3,
                7..=8 => 4,
                _ => 5,
            };
            let up = match tier {
                0 => Vec::new(),
                1 => vec![0],
                _ => vec![upper[dice.random_range(0..upper.len())]],
            };
            let routers = (0..length).map(|router| format!("r{place}-{router}")).collect();
            let asn = Asn([100, 200, 300, 500][tier] + number as u32);
            systems.push(System { asn, routers, uplinks: up });
        }
    }
    let mut networks: Vec<AddressSpace> = Vec::new();
    let mut links: Vec<Link> = Vec::new();
    let mut routers: BTreeMap<String, Router> = BTreeMap::new();
    for (place, system) in systems.iter().enumerate() {
        networks.push(space(
            &format!("as{place}"),
            Some(system.asn.0),
            place as u8 + 1,
            system.routers.clone(),
        ));
        for pair in system.routers.windows(2) {
            links.push(link(dice, &pair[0], &pair[1], place));
        }
        for router in &system.routers {
            routers.insert(router.clone(), weather(dice));
        }
    }
    for place in 1..systems.len() {
        let last = systems[place].routers.last()?.clone();
        for up in systems[place].uplinks.clone() {
            let entries = systems[up].routers.len().min(2);
            let entry = systems[up].routers[dice.random_range(0..entries)].clone();
            let side = if dice.random_bool(0.5) { place } else { up };
            links.push(link(dice, &last, &entry, side));
        }
    }
    let core = systems[0].routers.last()?.clone();
    let dead = fault == Fault::HostDown;
    let hosts = vec![
        host("target", &core, 10, dead),
        host("ref-a", &core, 9, false),
        host("ref-b", &core, 12, false),
    ];
    let mut rules: Vec<Rule> = Vec::new();
    let first = 1 + transits + regionals;
    // The way of each vantage, as places of networks.
    let ways: Vec<Vec<usize>> = (0..vantages)
        .map(|vantage| {
            let mut way = vec![first + vantage];
            while let Some(next) = systems[way[way.len() - 1]].uplinks.first() {
                way.push(*next);
            }
            way
        })
        .collect();
    let drop =
        |at: &str, place: Place| Rule { to: Some("target".to_owned()), ..Rule::new(at, place, Action::Drop) };
    let either = |dice: &mut ChaCha8Rng| if dice.random_bool(0.5) { Place::Ingress } else { Place::Forward };
    // Who may be to blame: networks on the way of somebody, but for the destination's and the vantages' own.
    let on_the_way: Vec<usize> =
        (1..first).filter(|place| ways.iter().any(|way| way.contains(place))).collect();
    let mut guilty: Vec<usize> = Vec::new();
    match fault {
        Fault::Nothing | Fault::HostDown => {}
        Fault::Policy | Fault::Device => guilty.push(*pick(dice, &on_the_way)?),
        Fault::Two => {
            let one = *pick(dice, &on_the_way)?;
            let apart: Vec<usize> = on_the_way
                .iter()
                .copied()
                .filter(|other| {
                    *other != one && !ways.iter().any(|way| way.contains(&one) && way.contains(other))
                })
                .collect();
            guilty.extend([one, *pick(dice, &apart)?]);
        }
        Fault::Firewall => rules.push(drop(&core, Place::Forward)),
        Fault::BySource => {
            for vantage in 0..vantages {
                if dice.random_bool(0.5) {
                    let from = Some(format!("20.{}.0.0/16", first + vantage + 1));
                    rules.push(Rule { from, ..drop(&core, Place::Forward) });
                }
            }
        }
    }
    for place in &guilty {
        let names = &systems[*place].routers;
        if fault == Fault::Device {
            let place = either(dice);
            let name = pick(dice, names)?.clone();
            rules.push(drop(&name, place));
        } else {
            let place = either(dice);
            for name in names {
                rules.push(drop(name, place));
            }
        }
    }
    let blocked: Vec<bool> = ways
        .iter()
        .enumerate()
        .map(|(vantage, way)| match fault {
            Fault::Nothing => false,
            Fault::HostDown | Fault::Firewall => true,
            Fault::BySource => {
                let own = format!("20.{}.0.0/16", first + vantage + 1);
                rules.iter().any(|rule| rule.from.as_deref() == Some(&own))
            }
            _ => way.iter().any(|place| guilty.contains(place)),
        })
        .collect();
    let culprits: BTreeSet<Asn> = guilty.iter().map(|place| systems[*place].asn).collect();
    let view = |vantage: usize| {
        let place = first + vantage;
        let near = systems[place].routers[0].clone();
        Topology {
            title: format!("World {seed} with {}, from vantage {}", fault.word(), vantage + 1),
            story: Vec::new(),
            truth: format!("{}: {culprits:?}", fault.word()),
            verdicts: vec![Expected::of("inconclusive")],
            probe: Probed::of(Protocol::Tcp, Some(PORT)),
            size: None,
            target: "target".to_owned(),
            references: vec!["ref-a".to_owned(), "ref-b".to_owned()],
            neighbours: None,
            check: None,
            vantage: Vantage {
                at: near,
                v4: Some(Ipv4Addr::new(20, place as u8 + 1, 200, 200)),
                v6: Some(Ipv6Addr::new(0x2a0f, 0x1001 + place as u16, 200, 0, 0, 0, 0, 200)),
            },
            networks: networks.clone(),
            routers: routers.clone(),
            chains: Vec::new(),
            links: links.clone(),
            hosts: hosts.clone(),
            rules: rules.clone(),
            routes: Vec::new(),
        }
    };
    Some(World {
        views: (0..vantages).map(view).collect(),
        // A filter by source is written for IPv4.
        v6: seed.is_multiple_of(3) && fault != Fault::BySource,
        fault,
        culprits,
        destination: systems[0].asn,
        blocked,
        neighbours: systems
            .iter()
            .flat_map(|system| system.uplinks.iter().map(|up| (system.asn, systems[*up].asn)))
            .collect(),
    })
}

fn pick<'a, T>(dice: &mut ChaCha8Rng, of: &'a [T]) -> Option<&'a T> {
    (!of.is_empty()).then(|| &of[dice.random_range(0..of.len())])
}

/// A router of the Internet: the shares of the single-vantage worlds, without their rarest.
fn weather(dice: &mut ChaCha8Rng) -> Router {
    let mut router = Router::default();
    match dice.random_range(0..100) {
        0..=14 => router.silent = true,
        15..=24 => router.answers = Some(f64::from(dice.random_range(15..80u32)) / 100.0),
        25..=32 => router.icmp_rate = Some(1.0),
        _ => router.answers = Some(f64::from(dice.random_range(90..100u32)) / 100.0),
    }
    if dice.random_bool(0.1) {
        router.reply_from = ReplyFrom::Egress;
    }
    router
}

fn link(dice: &mut ChaCha8Rng, from: &str, to: &str, side: usize) -> Link {
    let ms = f64::from(dice.random_range(20..900u32)) / 100.0;
    Link { ms: Some(ms), space: Some(format!("as{side}")), ..Link::plain(from, to) }
}

fn space(name: &str, asn: Option<u32>, number: u8, routers: Vec<String>) -> AddressSpace {
    let prefix = Ipv4Network::new(Ipv4Addr::new(20, number, 0, 0), 16);
    let six = Ipv6Network::new(Ipv6Addr::new(0x2a0f, 0x1000 + u16::from(number), 0, 0, 0, 0, 0, 0), 32);
    AddressSpace {
        name: name.to_owned(),
        asn,
        as_name: asn.map(|asn| format!("Network {asn}")),
        ixp: false,
        v4: prefix.ok(),
        v6: six.ok(),
        routers,
    }
}

fn host(name: &str, at: &str, last: u8, down: bool) -> Host {
    Host {
        name: name.to_owned(),
        at: at.to_owned(),
        v4: Some(Ipv4Addr::new(20, 1, 200, last)),
        v6: Some(Ipv6Addr::new(0x2a0f, 0x1001, 200, 0, 0, 0, 0, u16::from(last))),
        open: vec![PORT],
        echo: true,
        refuses: true,
        down,
        ms: Some(1.0),
        ttl: 64,
    }
}
