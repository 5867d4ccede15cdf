//! Worlds drawn by chance, to published figures: what verdicts are measured in.
//!
//! A world is a [`Topology`] like any other, so that the one that shows a mistake can be written to a file and played
//! again with `lasthop demo FILE`. It carries its truth beside it: what was done to the packets, and in whose network.
//!
//! # Where the figures come from
//!
//! | figure | drawn as | source |
//! |---|---|---|
//! | ASes on a path | 3 to 6, mostly 4 and 5 | mean BGP path lengths of four to five (RIPE NCC, APNIC yearly reports) |
//! | routers of an AS on a path | 1 to 5, 2.6 in the mean: 12 to 13 hops with the home's | median traceroute lengths of 12 to 16 (CAIDA Ark) |
//! | routers that never answer | 18 % | method of the project, from its own sources' model worlds |
//! | routers that answer 15 to 80 % | 10 % | the same |
//! | routers with a token bucket | 8 % at one a second and a burst of 6 (Linux `icmp_ratelimit`), 4 % at ten | Guo and Heidemann 2018; Ravaioli et al. 2015 |
//! | paths with load balancing | 60 %, three in five of them by flow, else by destination | Augustin et al. 2007, 2011 |
//! | width of a balanced part | 2 (70 %), 3, 4 | Augustin et al. 2011; Vermeulen et al. 2018 |
//! | borders numbered from the near side | half | Luckie et al. 2016 (bdrmap) |
//! | routers that show a third network's address, since their answers go back that way | 1 % | Luckie and claffy 2014; Hyun et al. 2003 |
//! | paths that cross an exchange's LAN | one in five | Nomikos and Dimitropoulos 2016 (traIXroute) |
//! | paths with MPLS | 30 % show labels, 8 % hide routers | Donnet et al. 2012; Vanaubel et al. 2017 (TNT) |
//! | quotes of eight bytes behind the IP header | 10 % of routers, IPv4 only | RFC 792 asks for eight, RFC 1812 for more, RFC 4443 §2.4 for as many as fit |
//! | addresses that no table has | 2 % of routers | Zhang et al. 2010 |
//! | ways back that differ in an AS | 30 % of paths | Katz-Bassett et al. 2010 |
//! | packet loss of a link | none (70 %), else up to 1 % | ITU-T Y.1541 class 5 bounds the sum at 0.1 to 1 % |

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnetwork::{Ipv4Network, Ipv6Network};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::topology::{
    Action, AddressSpace, Balance, Expected, Host, Link, Place, RejectCode, ReplyFrom, Route, Router, Rule,
    Topology, Vantage,
};
use crate::number::Asn;
use crate::trace::Protocol;

/// What is done to the target's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing.
    Nothing,
    /// A router of a transit network, or of our own provider, drops them without a word.
    Drop,
    /// A router of the destination's network does.
    EdgeDrop,
    /// The first router behind the home's does not forward them.
    HomeDrop,
    /// One branch of a balancer drops them.
    Branch,
    /// A router drops most of them, not all.
    Leaky,
    /// A router refuses them with an ICMP message.
    Reject,
    /// A router has no route for them.
    NoRoute,
    /// Two routers send them back and forth.
    Loop,
    /// A router answers with a reset in the target's name.
    Reset,
    /// A router answers with a SYN-ACK in the target's name.
    Answer,
    /// A box near us answers for everybody.
    Proxy,
    /// The host is switched off.
    HostDown,
    /// The host, or a filter just before it, drops them.
    Firewall,
    /// Its answers are dropped on the way back.
    ReturnFilter,
    /// A router drops everything for the destination's network, the references' packets too.
    Outage,
    /// The reference is dead and so is the target.
    BothDead,
    /// The target hangs on another router of its network than the references, and is silent.
    ApartInside,
    /// The target is routed apart from the references in transit, and is silent.
    ApartInTransit,
    /// The target's way is a hop longer than the references' in transit, joins theirs again, and is cut behind.
    Shifted,
    /// The same, and nothing is lost.
    ShiftedWell,
    /// A drop begins in mid-run.
    Begins,
    /// The route moves in mid-run, and nothing is lost.
    RouteChange,
}

impl Fault {
    /// Every one.
    pub const ALL: [Self; 23] = [
        Self::Nothing,
        Self::Drop,
        Self::EdgeDrop,
        Self::HomeDrop,
        Self::Branch,
        Self::Leaky,
        Self::Reject,
        Self::NoRoute,
        Self::Loop,
        Self::Reset,
        Self::Answer,
        Self::Proxy,
        Self::HostDown,
        Self::Firewall,
        Self::ReturnFilter,
        Self::Outage,
        Self::BothDead,
        Self::ApartInside,
        Self::ApartInTransit,
        Self::Shifted,
        Self::ShiftedWell,
        Self::Begins,
        Self::RouteChange,
    ];

    /// A word for tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Drop => "drop",
            Self::EdgeDrop => "edge-drop",
            Self::HomeDrop => "home-drop",
            Self::Branch => "branch",
            Self::Leaky => "leaky",
            Self::Reject => "reject",
            Self::NoRoute => "no-route",
            Self::Loop => "loop",
            Self::Reset => "reset",
            Self::Answer => "answer",
            Self::Proxy => "proxy",
            Self::HostDown => "host-down",
            Self::Firewall => "firewall",
            Self::ReturnFilter => "return-filter",
            Self::Outage => "outage",
            Self::BothDead => "both-dead",
            Self::ApartInside => "apart-inside",
            Self::ApartInTransit => "apart-transit",
            Self::Shifted => "shifted",
            Self::ShiftedWell => "shifted-well",
            Self::Begins => "begins",
            Self::RouteChange => "route-change",
        }
    }

    /// No network on the way does anything wrong: whoever is named is accused wrongly.
    #[must_use]
    pub const fn nobody_guilty(self) -> bool {
        matches!(
            self,
            Self::Nothing
                | Self::HostDown
                | Self::Firewall
                | Self::ReturnFilter
                | Self::BothDead
                | Self::ApartInside
                | Self::ApartInTransit
                | Self::ShiftedWell
                | Self::RouteChange
        )
    }
}

/// What the network is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// The published figures.
    Usual,
    /// Twelve hops, every router answers at once, nothing is balanced: the clear case.
    Clear,
    /// The same with every router limited to one reply a second after a burst of six.
    Limited,
}

/// A world and its truth.
#[derive(Clone, Debug)]
pub struct World {
    /// The world.
    pub topology: Topology,
    /// Ask it over IPv6.
    pub v6: bool,
    /// What was done.
    pub fault: Fault,
    /// In whose network: the AS that operates the device. None where nobody did anything.
    pub culprit: Option<Asn>,
    /// The hop behind which the target's packets are lost, counted as routers count TTLs; 0 is our own link.
    pub lost_after: Option<u8>,
    /// The destination's AS.
    pub destination: Asn,
    /// The ASes of the path in order.
    pub path: Vec<Asn>,
    /// Pairs of ASes that are neighbours, as a BGP table would show them: those of the path, and some that are not on it.
    pub neighbours: Vec<(Asn, Asn)>,
}

/// Draws the world of this seed.
///
/// The same arguments give the same world, on any machine.
#[must_use]
pub fn world(seed: u64, fault: Fault, weather: Weather) -> World {
    let mut dice = ChaCha8Rng::seed_from_u64(seed ^ (fault as u64) << 48);
    // Not every world has room for every fault (a branch, say): draw until one has.
    loop {
        let mut draft = Draft::new(&mut dice, weather, fault, seed.is_multiple_of(3));
        if let Some(culprit) = draft.spoil(fault) {
            return draft.finish(seed, fault, culprit);
        }
    }
}

/// One AS of the path.
struct System {
    asn: Asn,
    /// Routers on the path, in order; several at one place stand beside each other.
    rows: Vec<Vec<String>>,
}

struct Draft<'a> {
    dice: &'a mut ChaCha8Rng,
    weather: Weather,
    v6: bool,
    systems: Vec<System>,
    networks: Vec<AddressSpace>,
    routers: BTreeMap<String, Router>,
    links: Vec<Link>,
    hosts: Vec<Host>,
    rules: Vec<Rule>,
    routes: Vec<Route>,
    references: Vec<String>,
    /// The exchange's LAN stands at the border behind this AS.
    exchange: Option<usize>,
}

const PORT: u16 = 25;
/// Costs of a link that nothing takes on the way out, and everything on the way back.
const THAT_WAY_BACK: (u32, u32) = (5000, 1);
const TARGET: &str = "target";

impl<'a> Draft<'a> {
    fn new(dice: &'a mut ChaCha8Rng, weather: Weather, fault: Fault, v6: bool) -> Self {
        let mut draft = Self {
            dice,
            weather,
            v6,
            systems: Vec::new(),
            networks: Vec::new(),
            routers: BTreeMap::new(),
            links: Vec::new(),
            hosts: Vec::new(),
            rules: Vec::new(),
            routes: Vec::new(),
            references: Vec::new(),
            exchange: None,
        };
        draft.draw_systems();
        draft.draw_networks();
        draft.draw_links();
        draft.draw_routers();
        draft.draw_hosts(fault);
        draft
    }

    fn usual(&self) -> bool {
        self.weather == Weather::Usual
    }

    fn chance(&mut self, share: f64) -> bool {
        self.dice.random_bool(share)
    }

    fn weighted(&mut self, weights: &[(usize, f64)]) -> usize {
        let mut left = self.dice.random::<f64>() * weights.iter().map(|(_, weight)| weight).sum::<f64>();
        for (value, weight) in weights {
            left -= weight;
            if left < 0.0 {
                return *value;
            }
        }
        weights[0].0
    }

    fn draw_systems(&mut self) {
        let sizes: Vec<usize> = if self.usual() {
            let count = self.weighted(&[(3, 0.2), (4, 0.35), (5, 0.3), (6, 0.15)]);
            (0..count).map(|_| self.weighted(&[(1, 0.2), (2, 0.3), (3, 0.25), (4, 0.15), (5, 0.1)])).collect()
        } else {
            // Twelve hops with the home's and the host; hop 4 and its neighbours are of one AS.
            vec![1, 5, 2, 2]
        };
        let mut numbers: Vec<u32> = (1000..1400).collect();
        numbers.shuffle(self.dice);
        for (place, size) in sizes.into_iter().enumerate() {
            let rows = (0..size).map(|row| vec![format!("r{place}-{row}")]).collect();
            self.systems.push(System { asn: Asn(numbers[place]), rows });
        }
        if !self.usual() {
            return;
        }
        // Balanced parts: never at an AS's own border, so that the branches meet again inside it.
        for again in [0.6, 0.2] {
            if !self.chance(again) {
                continue;
            }
            let roomy: Vec<usize> =
                (0..self.systems.len()).filter(|place| self.systems[*place].rows.len() >= 3).collect();
            let Some(&place) = roomy.choose(self.dice) else { continue };
            let width = self.weighted(&[(2, 0.7), (3, 0.2), (4, 0.1)]);
            let inner = self.systems[place].rows.len() - 2;
            let row = 1 + self.dice.random_range(0..inner);
            // Where nothing is balanced yet, neither before nor behind.
            let rows = &self.systems[place].rows;
            let plain = rows[row - 1..=row + 1].iter().all(|row| row.len() == 1);
            if plain && !self.routers.contains_key(&rows[row][0]) {
                self.systems[place].rows[row] = (0..width)
                    .map(|branch| format!("r{place}-{row}{}", (b'a' + branch as u8) as char))
                    .collect();
                let by_flow = self.chance(0.6);
                let before = self.systems[place].rows[row - 1][0].clone();
                self.routers.entry(before).or_default().balance =
                    if by_flow { Balance::Flow } else { Balance::Destination };
            }
        }
    }

    fn draw_networks(&mut self) {
        let numbered = |name: &str, asn: Option<u32>, four: Ipv4Network, six: Ipv6Network| AddressSpace {
            name: name.to_owned(),
            asn,
            as_name: asn.map(|asn| format!("Network {asn}")),
            ixp: false,
            v4: Some(four),
            v6: Some(six),
            routers: Vec::new(),
        };
        let space = |name: &str, asn: Option<u32>, number: u8, routers: Vec<String>| AddressSpace {
            routers,
            ..numbered(
                name,
                asn,
                four(Ipv4Addr::new(20, number, 0, 0), 16),
                six([0x2a0f, 0x1000 + u16::from(number), 0], 32),
            )
        };
        let home = four(Ipv4Addr::new(192, 168, 1, 0), 24);
        let home = numbered("home", None, home, six([0xfd00, 1, 0], 48));
        self.networks.push(AddressSpace { routers: vec!["home".to_owned()], ..home });
        for (place, system) in self.systems.iter().enumerate() {
            let routers = system.rows.iter().flatten().cloned().collect();
            self.networks.push(space(&format!("as{place}"), Some(system.asn.0), place as u8 + 1, routers));
        }
        // Space that no table has; a far AS that third parties answer from; and an exchange's LAN.
        let nobody = four(Ipv4Addr::new(198, 18, 0, 0), 16);
        self.networks.push(numbered("nobody", None, nobody, six([0x2001, 2, 0], 48)));
        self.networks.push(space("far", Some(1999), 99, vec!["far".to_owned()]));
        for third in 0..8u8 {
            self.networks.push(space(
                &format!("third{third}"),
                Some(1900 + u32::from(third)),
                100 + third,
                Vec::new(),
            ));
        }
        let mut lan = space("lan", None, 98, Vec::new());
        lan.ixp = true;
        self.networks.push(lan);
        let last = self.systems.len() - 1;
        if self.usual() && self.chance(0.2) {
            self.exchange = Some(self.dice.random_range(0..last));
        }
    }

    fn link(&mut self, from: &str, to: &str, space: String, border: bool) {
        let usual = self.usual();
        let ms = if border { self.dice.random_range(0.5..12.0) } else { self.dice.random_range(0.2..4.0) };
        let ms = if usual { ms } else { 1.0 };
        let ms = (ms * 100.0f64).round() / 100.0;
        let jitter_ms =
            if usual && self.chance(0.5) { self.dice.random_range(0..40) as f64 / 10.0 } else { 0.0 };
        let loss =
            if usual && self.chance(0.3) { self.dice.random_range(0..100) as f64 / 10_000.0 } else { 0.0 };
        self.links.push(Link { ms: Some(ms), jitter_ms, loss, space: Some(space), ..Link::plain(from, to) });
    }

    fn draw_links(&mut self) {
        let rows: Vec<Vec<Vec<String>>> = self.systems.iter().map(|system| system.rows.clone()).collect();
        let first = rows[0][0][0].clone();
        self.link("home", &first, "as0".to_owned(), true);
        for (place, system) in rows.iter().enumerate() {
            for pair in system.windows(2) {
                for from in &pair[0] {
                    for to in &pair[1] {
                        let nobody = self.usual() && self.chance(0.02);
                        let space = if nobody { "nobody".to_owned() } else { format!("as{place}") };
                        self.link(from, to, space, false);
                    }
                }
            }
            let (Some(from), Some(next)) = (system.last(), rows.get(place + 1)) else { continue };
            let side = if self.chance(0.5) || !self.usual() { place } else { place + 1 };
            let space = if self.exchange == Some(place) { "lan".to_owned() } else { format!("as{side}") };
            self.link(&from[0], &next[0][0], space, true);
        }
        // A way back that passes by another network.
        if self.usual() && self.chance(0.3) && rows.len() >= 4 {
            let to = self.dice.random_range(0..rows.len() - 3);
            let from = self.dice.random_range(to + 2..rows.len() - 1);
            let (near, beyond) = (rows[to].last().map(|row| row[0].clone()), rows[from][0][0].clone());
            let Some(near) = near else { return };
            self.detour(&near, "far", "far", 2.0, THAT_WAY_BACK);
            self.detour("far", &beyond, "far", 2.0, THAT_WAY_BACK);
        } else {
            self.detour("home", "far", "far", 2.0, (9000, 9000));
        }
    }

    fn draw_routers(&mut self) {
        let names: Vec<String> =
            self.systems.iter().flat_map(|system| system.rows.iter().flatten().cloned()).collect();
        let mut aside: Vec<String> = Vec::new();
        for name in names {
            let mut router = self.routers.get(&name).cloned().unwrap_or_default();
            if self.weather == Weather::Limited {
                router.icmp_rate = Some(1.0);
            } else if self.usual() {
                let kind = self.weighted(&[(0, 0.18), (1, 0.10), (2, 0.08), (3, 0.04), (4, 0.60)]);
                match kind {
                    0 => router.silent = true,
                    1 => router.answers = Some(f64::from(self.dice.random_range(15..80u32)) / 100.0),
                    2 => router.icmp_rate = Some(1.0),
                    3 => router.icmp_rate = Some(10.0),
                    _ => router.answers = Some(f64::from(self.dice.random_range(90..100u32)) / 100.0),
                }
                if self.chance(0.01) {
                    router.reply_from = ReplyFrom::Egress;
                    aside.push(name.clone());
                } else if self.chance(0.1) {
                    router.reply_from = ReplyFrom::Egress;
                }
                if self.chance(0.3) {
                    router.ttl = Some(64);
                }
                router.short_quote = !self.v6 && self.chance(0.1);
            }
            self.routers.insert(name, router);
        }
        for (third, name) in aside.into_iter().enumerate().take(8) {
            self.way_aside(&name, third);
        }
        if self.usual() {
            let home = self.routers.entry("home".to_owned()).or_default();
            home.icmp_rate = Some(1000.0);
            let labelled = self.chance(0.3);
            let hiding = !labelled && self.chance(0.08 / 0.7);
            let roomy: Vec<usize> =
                (0..self.systems.len()).filter(|place| self.systems[*place].rows.len() >= 3).collect();
            if let Some(place) = roomy.choose(self.dice).copied().filter(|_| labelled || hiding) {
                let rows = &self.systems[place].rows;
                for name in rows[1..rows.len() - 1].iter().flatten() {
                    let router = self.routers.entry(name.clone()).or_default();
                    if labelled {
                        router.mpls = vec![self.dice.random_range(16..100_000)];
                    } else {
                        router.hidden = true;
                    }
                }
            }
        }
    }

    /// Its answers, and those of all behind it, go back by a third network; so that it shows an address of that network.
    fn way_aside(&mut self, name: &str, third: usize) {
        let singles: Vec<String> = self
            .systems
            .iter()
            .flat_map(|system| &system.rows)
            .filter(|row| row.len() == 1)
            .map(|row| row[0].clone())
            .collect();
        let Some(place) = singles.iter().position(|one| one == name).filter(|place| *place >= 3) else {
            return;
        };
        let near = singles[place - self.dice.random_range(2..4)].clone();
        let (space, between) = (format!("third{third}"), format!("t{third}"));
        if let Some(network) = self.networks.iter_mut().find(|one| one.name == space) {
            network.routers.push(between.clone());
        }
        self.detour(&near, &between, &space, 2.0, THAT_WAY_BACK);
        self.detour(&between, name, &space, 2.0, THAT_WAY_BACK);
    }

    fn host(&mut self, name: &str, at: &str, last: u8, works: bool) {
        let number = self.systems.len() as u8;
        let open = if works { vec![PORT, 443] } else { Vec::new() };
        let echo = works && self.chance(0.7);
        let refuses = works && self.chance(0.6);
        let ttl = if self.chance(0.2) { 128 } else { 64 };
        self.hosts.push(Host {
            name: name.to_owned(),
            at: at.to_owned(),
            v4: Some(Ipv4Addr::new(20, number, 200, last)),
            v6: Some(Ipv6Addr::new(0x2a0f, 0x1000 + u16::from(number), 200, 0, 0, 0, 0, u16::from(last))),
            open,
            echo,
            refuses,
            down: false,
            ms: Some(1.0),
            ttl,
        });
    }

    fn draw_hosts(&mut self, fault: Fault) {
        let mut dead = matches!(
            fault,
            Fault::HostDown | Fault::Firewall | Fault::BothDead | Fault::ApartInside | Fault::ApartInTransit
        );
        let last: Vec<String> = self.systems[self.systems.len() - 1].rows.iter().flatten().cloned().collect();
        let at = last[last.len() - 1].clone();
        let count = if self.usual() && self.chance(0.4) { 2 } else { 1 };
        self.host(TARGET, &at, 50, !dead);
        if fault == Fault::HostDown && self.chance(0.5) {
            let target = self.hosts.len() - 1;
            self.hosts[target].down = true;
        }
        dead = fault == Fault::BothDead;
        for (number, last) in (0..count).zip([54u8, 41]) {
            let name = format!("neighbour{number}");
            self.host(&name, &at, last, !dead);
            self.references.push(name);
        }
    }

    fn rule(&self, at: &str, place: Place, action: Action) -> Rule {
        Rule { to: Some(TARGET.to_owned()), ..Rule::new(at, place, action) }
    }

    fn place(&mut self) -> Place {
        if self.chance(0.5) { Place::Ingress } else { Place::Forward }
    }

    /// A router of these systems that every flow passes, and its AS.
    fn router_of(&mut self, from: usize, to: usize) -> Option<(String, Asn)> {
        let all: Vec<(String, Asn)> = self.systems[from..to]
            .iter()
            .flat_map(|system| {
                let single = system.rows.iter().filter(|row| row.len() == 1);
                single.map(|row| (row[0].clone(), system.asn))
            })
            .collect();
        all.choose(self.dice).cloned()
    }

    /// Does the deed. `None` if the world has no room for it; the culprit, if there is one, else.
    fn spoil(&mut self, fault: Fault) -> Option<Option<Asn>> {
        let count = self.systems.len();
        let transit = |draft: &mut Self| {
            if draft.usual() {
                // The first router is our access: what it drops on its way in cannot be told from our own line.
                let access = draft.systems[0].rows[0][0].clone();
                draft.router_of(0, count - 1).filter(|(at, _)| *at != access)
            } else {
                // The path stops at hop 4: behind the home, one router of the provider and two of the transit.
                Some((draft.systems[1].rows[1][0].clone(), draft.systems[1].asn))
            }
        };
        match fault {
            Fault::Nothing | Fault::HostDown | Fault::Firewall | Fault::BothDead => Some(None),
            Fault::Drop | Fault::Leaky | Fault::Begins => {
                let (at, asn) = transit(self)?;
                let place = if self.usual() { self.place() } else { Place::Forward };
                let mut rule = self.rule(&at, place, Action::Drop);
                match fault {
                    Fault::Leaky => rule.share = Some(f64::from(self.dice.random_range(50..98u32)) / 100.0),
                    Fault::Begins => rule.from_s = f64::from(self.dice.random_range(2..40u32)) / 10.0,
                    // What a rule is for: the host, one port, one protocol.
                    _ => match self.weighted(&[(0, 0.6), (1, 0.3), (2, 0.1)]) {
                        1 => {
                            rule.protocol = Some(super::topology::ProtocolWord::Tcp);
                            rule.port = Some(PORT);
                        }
                        2 => rule.protocol = Some(super::topology::ProtocolWord::Tcp),
                        _ => {}
                    },
                }
                self.rules.push(rule);
                Some(Some(asn))
            }
            Fault::EdgeDrop => {
                let (at, asn) = self.router_of(count - 1, count)?;
                let place = self.place();
                let rule = self.rule(&at, place, Action::Drop);
                self.rules.push(rule);
                Some(Some(asn))
            }
            Fault::HomeDrop => {
                let rule = self.rule("home", Place::Forward, Action::Drop);
                self.rules.push(rule);
                Some(None)
            }
            Fault::Branch => {
                let branches: Vec<(String, Asn)> = self
                    .systems
                    .iter()
                    .flat_map(|system| {
                        system.rows.windows(2).filter(|pair| pair[1].len() > 1).map(|pair| (pair, system.asn))
                    })
                    .filter(|(pair, _)| self.routers[&pair[0][0]].balance == Balance::Flow)
                    .map(|(pair, asn)| (pair[1][0].clone(), asn))
                    .collect();
                let (at, asn) = branches.choose(self.dice).cloned()?;
                let place = self.place();
                let rule = self.rule(&at, place, Action::Drop);
                self.rules.push(rule);
                Some(Some(asn))
            }
            Fault::Reject => {
                let (at, asn) = transit(self)?;
                let place = self.place();
                let mut rule = self.rule(&at, place, Action::Reject);
                rule.code = *[
                    RejectCode::AdminProhibited,
                    RejectCode::HostProhibited,
                    RejectCode::NetProhibited,
                    RejectCode::PortUnreachable,
                ]
                .choose(self.dice)?;
                self.rules.push(rule);
                Some(Some(asn))
            }
            Fault::NoRoute => {
                let (at, asn) = transit(self)?;
                let mut rule = self.rule(&at, Place::Ingress, Action::Reject);
                rule.code = *[RejectCode::HostUnreachable, RejectCode::NetUnreachable].choose(self.dice)?;
                self.rules.push(rule);
                Some(Some(asn))
            }
            Fault::Loop => {
                let pairs: Vec<(String, String, Asn)> = self.systems[..count - 1]
                    .iter()
                    .flat_map(|system| {
                        let single =
                            system.rows.windows(2).filter(|pair| pair[0].len() == 1 && pair[1].len() == 1);
                        single.map(|pair| (pair[1][0].clone(), pair[0][0].clone(), system.asn))
                    })
                    .chain(self.systems[..count - 1].windows(2).filter_map(|pair| {
                        let near = pair[0].rows.last()?;
                        Some((pair[1].rows[0][0].clone(), near[0].clone(), pair[1].asn))
                    }))
                    .collect();
                let (at, via, asn) = pairs.choose(self.dice).cloned()?;
                self.routes.push(Route { at, to: TARGET.to_owned(), via, from_s: 0.0, until_s: None });
                Some(Some(asn))
            }
            Fault::Reset | Fault::Answer => {
                let (at, asn) = transit(self)?;
                let action = if fault == Fault::Reset { Action::Reset } else { Action::Answer };
                let mut rule = self.rule(&at, Place::Forward, action);
                rule.protocol = Some(super::topology::ProtocolWord::Tcp);
                rule.mirror_ttl = self.chance(0.2);
                rule.ttl = Some(*[64, 64, 128, 255].choose(self.dice)?);
                self.rules.push(rule);
                Some(Some(asn))
            }
            Fault::Proxy => {
                let at = self.systems[0].rows[0][0].clone();
                let mut rule = self.rule(&at, Place::Forward, Action::Answer);
                rule.protocol = Some(super::topology::ProtocolWord::Tcp);
                rule.to = None;
                rule.port = Some(PORT);
                self.rules.push(rule);
                Some(Some(self.systems[0].asn))
            }
            Fault::ReturnFilter => {
                let (at, _) = self.router_of(0, count)?;
                let place = self.place();
                let mut rule = self.rule(&at, place, Action::Drop);
                rule.from = rule.to.take();
                self.rules.push(rule);
                Some(None)
            }
            Fault::Outage => {
                let (at, asn) = transit(self)?;
                let place = self.place();
                let mut rule = self.rule(&at, place, Action::Drop);
                rule.to = Some(format!("20.{count}.200.0/24"));
                let mut six = rule.clone();
                six.to = Some(format!("2a0f:{:x}:c8::/48", 0x1000 + count));
                self.rules.extend([rule, six]);
                Some(Some(asn))
            }
            Fault::ApartInside => {
                // Another router of the destination's network leads to the target.
                let rows = self.systems[count - 1].rows.clone();
                let row = rows.get(rows.len().checked_sub(2)?)?;
                self.beside(&row[0], &format!("as{}", count - 1), count - 1);
                Some(None)
            }
            Fault::ApartInTransit => {
                // From some router on, the target takes another way through other routers of the same networks, and ends
                // at the same last router's neighbour.
                let place = self.dice.random_range(0..count - 1);
                let row = self.systems[place].rows.last()?.clone();
                self.beside(&row[0], &format!("as{}", place + 1), place + 1);
                Some(None)
            }
            Fault::Shifted | Fault::ShiftedWell => {
                // A router that only the target passes, between two neighbours on the path; or one that it skips.
                let rows: Vec<(String, Asn)> = self
                    .systems
                    .iter()
                    .flat_map(|system| system.rows.iter().map(move |row| (row, system.asn)))
                    .filter(|(row, _)| row.len() == 1)
                    .map(|(row, asn)| (row[0].clone(), asn))
                    .collect();
                if rows.len() < 4 {
                    return None;
                }
                let start = self.dice.random_range(0..rows.len() - 3);
                let skips = self.chance(0.5);
                let (near, far) = (rows[start].0.clone(), rows[start + if skips { 2 } else { 1 }].0.clone());
                let place = self.systems.iter().position(|system| system.asn == rows[start].1)?;
                let space = format!("as{place}");
                if skips {
                    self.detour(&near, &far, &space, 1.5, (800, 800));
                    self.routes.push(Route {
                        at: near,
                        to: TARGET.to_owned(),
                        via: far,
                        from_s: 0.0,
                        until_s: None,
                    });
                } else {
                    let name = "x-way".to_owned();
                    self.routers.insert(name.clone(), Router { answers: Some(0.95), ..Router::default() });
                    if let Some(network) = self.networks.iter_mut().find(|one| one.name == space) {
                        network.routers.push(name.clone());
                    }
                    self.detour(&near, &name, &space, 1.5, (800, 800));
                    self.detour(&name, &far, &space, 1.5, (800, 800));
                    for (at, via) in [(near, name.clone()), (name, far)] {
                        self.routes.push(Route {
                            at,
                            to: TARGET.to_owned(),
                            via,
                            from_s: 0.0,
                            until_s: None,
                        });
                    }
                }
                if fault == Fault::ShiftedWell {
                    return Some(None);
                }
                let behind = rows[start + 2..].iter().filter(|(_, asn)| *asn != self.systems[count - 1].asn);
                let behind: Vec<(String, Asn)> = behind.cloned().collect();
                let (at, asn) = behind.choose(self.dice).cloned()?;
                let place = self.place();
                let rule = self.rule(&at, place, Action::Drop);
                self.rules.push(rule);
                Some(Some(asn))
            }
            Fault::RouteChange => {
                let (before, branch) = self
                    .systems
                    .iter()
                    .flat_map(|system| system.rows.windows(2))
                    .find(|pair| pair[1].len() > 1)
                    .map(|pair| (pair[0][0].clone(), pair[1].clone()))?;
                self.routers.get_mut(&before)?.balance = Balance::None;
                let from_s = f64::from(self.dice.random_range(2..30u32)) / 10.0;
                let hosts: Vec<String> = self.hosts.iter().map(|host| host.name.clone()).collect();
                for to in hosts {
                    let via = branch[1].clone();
                    self.routes.push(Route { at: before.clone(), to, via, from_s, until_s: None });
                }
                Some(None)
            }
        }
    }

    /// A link off the usual way, with its costs there and back.
    fn detour(&mut self, from: &str, to: &str, space: &str, ms: f64, costs: (u32, u32)) {
        self.links.push(Link {
            ms: Some(ms),
            space: Some(space.to_owned()),
            cost: Some(costs.0),
            cost_back: Some(costs.1),
            ..Link::plain(from, to)
        });
    }

    /// Moves the target behind a row of routers of its own, from `before` on: one for each AS from `first` to the last.
    fn beside(&mut self, before: &str, space: &str, first: usize) {
        let mut last = before.to_owned();
        let mut space = space.to_owned();
        for place in first..self.systems.len() {
            let name = format!("x{place}");
            let silent = self.chance(0.5);
            let router = Router { silent, answers: Some(0.95), ..Router::default() };
            self.routers.insert(name.clone(), router);
            if let Some(network) = self.networks.iter_mut().find(|one| one.name == format!("as{place}")) {
                network.routers.push(name.clone());
            }
            self.link(&last, &name, space, true);
            last = name;
            space = format!("as{place}");
        }
        if let Some(target) = self.hosts.iter_mut().find(|host| host.name == TARGET) {
            target.at = last;
        }
    }

    /// Where the first rule against the target acts, as the last hop that still answers its probes.
    fn lost_after(&self) -> Option<u8> {
        let rule = self.rules.first().filter(|rule| rule.to.is_some())?;
        let mut hop = 0;
        let home = [vec!["home".to_owned()]];
        for row in home.iter().chain(self.systems.iter().flat_map(|system| &system.rows)) {
            let hidden = self.routers.get(&row[0]).is_some_and(|router| router.hidden);
            hop += u8::from(!hidden);
            if row.contains(&rule.at) {
                return Some(if rule.place == Place::Ingress && !hidden { hop - 1 } else { hop });
            }
        }
        None
    }

    fn finish(self, seed: u64, fault: Fault, culprit: Option<Asn>) -> World {
        let path: Vec<Asn> = self.systems.iter().map(|system| system.asn).collect();
        let destination = path[path.len() - 1];
        let mut neighbours: Vec<(Asn, Asn)> = path.windows(2).map(|pair| (pair[0], pair[1])).collect();
        // BGP shows other links, too: one AS in eight peers with the one after the next.
        for pair in path.windows(3) {
            if self.dice.random_bool(0.125) {
                neighbours.push((pair[0], pair[2]));
            }
        }
        let truth = match culprit {
            Some(asn) => format!("{}, in {asn}", fault.word()),
            None => format!("{}: no network on the way is to blame", fault.word()),
        };
        let lost_after = self.lost_after();
        let v6 = self.v6;
        // Translation is what homes do to IPv4.
        let mut routers = self.routers;
        if !v6 && self.weather == Weather::Usual && self.dice.random_bool(0.5) {
            routers.entry("home".to_owned()).or_default().nat = true;
        }
        let topology = Topology {
            size: None,
            title: format!("World {seed} with {}", fault.word()),
            story: Vec::new(),
            truth,
            verdicts: expected(fault, culprit),
            probe: super::topology::Probed::of(Protocol::Tcp, Some(PORT)),
            target: TARGET.to_owned(),
            references: self.references,
            check: None,
            // Whoever judges the world says whether its neighbours are known.
            neighbours: None,
            vantage: Vantage {
                at: "home".to_owned(),
                v4: Some(Ipv4Addr::new(192, 168, 1, 10)),
                v6: Some(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0x10)),
            },
            networks: self.networks,
            routers,
            chains: Vec::new(),
            links: self.links,
            hosts: self.hosts,
            rules: self.rules,
            routes: self.routes,
        };
        World { topology, v6, fault, culprit, lost_after, destination, path, neighbours }
    }
}

fn four(base: Ipv4Addr, length: u8) -> Ipv4Network {
    Ipv4Network::new(base, length).unwrap_or_else(|_| unreachable!("lengths are written here"))
}

/// The prefix that begins with these three groups.
fn six([one, two, three]: [u16; 3], length: u8) -> Ipv6Network {
    let base = Ipv6Addr::new(one, two, three, 0, 0, 0, 0, 0);
    Ipv6Network::new(base, length).unwrap_or_else(|_| unreachable!("lengths are written here"))
}

/// The conclusions that accuse nobody wrongly.
fn expected(fault: Fault, culprit: Option<Asn>) -> Vec<Expected> {
    let mut kinds =
        vec!["inconclusive", "lost_in_as_range", "destination_network", "host_or_return_path", "local"];
    if matches!(fault, Fault::Nothing | Fault::Leaky | Fault::Begins | Fault::RouteChange) {
        kinds.insert(0, "reachable");
    }
    if fault == Fault::Proxy {
        kinds.insert(0, "intercepted");
    }
    let mut found: Vec<Expected> = Vec::new();
    if let Some(asn) = culprit {
        for kind in
            ["lost_inside_as", "lost_at_as_border", "rejected", "injected", "routing_fault", "partial"]
        {
            found.push(Expected { holds: Some(asn), ..Expected::of(kind) });
        }
    }
    found.extend(kinds.into_iter().map(Expected::of));
    found
}
