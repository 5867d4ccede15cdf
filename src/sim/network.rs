//! The file made into nodes and links, events in order of time, and the [`Wire`].

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::hash::Hasher;
use std::net::IpAddr;
use std::time::Duration;

use ipnetwork::IpNetwork;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use siphasher::sip::SipHasher13;

use super::host::HalfOpen;
use super::topology::{Balance, Host, Place, Router, Rule, Topology};
use crate::packet::ip::{self, Header};
use crate::packet::{icmp, protocol, tcp, udp};
use crate::probe::pace::Pace;
use crate::probe::{Arrival, Budget, Heard, Plan, Transmit, Wire, WireFault, small_control, variants};
use crate::trace::{Destination, Losses, Moment, ReferenceKind, Role, SendFault, SourcePorts};

/// A packet that has crossed this many links goes nowhere: a box that resets the TTL can keep one alive forever.
const MOST_LINKS: u16 = 300;
/// Source ports of a plan, as many as the real wire reserves.
const FLOWS: u16 = 16;
const FIRST_PORT: u16 = 40_000;
/// Cost of a link that does not say one.
const COST: u32 = 10;

/// A topology that is no network.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A name that nothing has.
    #[error("{what} names '{name}', which is no router or host")]
    Unknown {
        /// Where it is named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Two of the same name.
    #[error("two routers or hosts are called '{0}'")]
    Twice(String),
    /// No address of the family asked for.
    #[error("'{name}' has no {family} address")]
    NoAddress {
        /// Who lacks one.
        name: String,
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// Neither a name nor an address.
    #[error("'{0}' is no host, address or prefix")]
    NoSuchPlace(String),
    /// An address that two have.
    #[error("two of the network have the address {0}")]
    AddressTwice(IpAddr),
    /// A share outside 0 to 1, or a negative or endless time.
    #[error("{what} of '{name}' is no number that makes sense")]
    Number {
        /// What it is.
        what: &'static str,
        /// Of whom.
        name: String,
    },
    /// A route to a router that is no neighbour.
    #[error("'{at}' has no link to '{via}'")]
    NoLink {
        /// The router.
        at: String,
        /// The supposed neighbour.
        via: String,
    },
}

impl NetworkError {
    /// The way out.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Unknown { .. } => "every router is listed in a [[network]], every host has a [[host]]",
                Self::Twice(_) | Self::AddressTwice(_) => "give each a name and an address of its own",
                Self::NoAddress { .. } => {
                    "give v4 and v6 to every network, host and the vantage, or leave out -6"
                }
                Self::NoSuchPlace(_) => "write a host's name, an address, or a prefix such as 192.0.2.0/24",
                Self::Number { .. } => "shares run from 0 to 1, times from 0 to an hour",
                Self::NoLink { .. } => "a route goes to a neighbour; link the two first",
            }
            .to_owned(),
        )
    }
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Vantage,
    Router(Router),
    Host(Host),
}

/// A token bucket for one receiver of ICMP errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    pub tokens: f64,
    pub at: Moment,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub kind: Kind,
    /// Links by their place in [`Network::links`].
    pub links: Vec<usize>,
    pub buckets: HashMap<IpAddr, Bucket>,
    pub half_open: HashMap<(IpAddr, u16, u16), HalfOpen>,
    /// Protocol and port or identifier of what was translated on the way out.
    pub translated: HashMap<(u8, u16), IpAddr>,
}

#[derive(Clone, Debug)]
pub(super) struct Link {
    pub ends: [usize; 2],
    /// The address of each end.
    pub addresses: [IpAddr; 2],
    latency: Duration,
    jitter: Duration,
    loss: f64,
    /// From the first end to the second, and back.
    costs: [u32; 2],
}

impl Link {
    pub fn address_of(&self, node: usize) -> IpAddr {
        self.addresses[usize::from(self.ends[0] != node)]
    }

    pub fn other(&self, node: usize) -> usize {
        self.ends[usize::from(self.ends[0] == node)]
    }
}

/// A rule with its names resolved.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub node: usize,
    pub to: Option<IpNetwork>,
    pub from: Option<IpNetwork>,
    pub rule: Rule,
}

#[derive(Clone, Debug)]
struct Detour {
    node: usize,
    to: IpNetwork,
    link: usize,
    from: Moment,
    until: Moment,
}

/// What happens at a moment.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A packet comes to a node by a link; by none if the node made it.
    Arrive { node: usize, link: Option<usize>, packet: Vec<u8>, walked: u16 },
    /// A router gives up looking for a neighbour's hardware address.
    Unresolved { node: usize, link: Option<usize>, packet: Vec<u8> },
    /// A host repeats its SYN-ACK, if nobody has answered it.
    Repeat { node: usize, key: (IpAddr, u16, u16), packet: Vec<u8>, nth: u32 },
}

/// A simulated Internet at work, in one family.
#[derive(Debug)]
pub struct Network {
    pub(super) nodes: Vec<Node>,
    pub(super) links: Vec<Link>,
    filters: Vec<Filter>,
    detours: Vec<Detour>,
    by_address: HashMap<IpAddr, usize>,
    by_name: HashMap<String, usize>,
    host_addresses: HashMap<usize, IpAddr>,
    /// Address space, and the router that looks for those of its addresses that nobody has: the network's last one.
    homes: Vec<(IpNetwork, usize)>,
    pub(super) v6: bool,
    pub(super) vantage: usize,
    salt: u64,
    dice: ChaCha8Rng,
    now: Moment,
    events: BTreeMap<(Moment, u64), Event>,
    serial: u64,
    /// For each destination, the links that lie on a shortest way there, node by node.
    ways: HashMap<usize, Vec<Vec<usize>>>,
    inbox: BTreeMap<(Moment, u64), Vec<u8>>,
    interrupt_at: Option<Moment>,
}

impl Network {
    /// The network of a topology, in one family, with every chance drawn from `seed`.
    ///
    /// # Errors
    /// [`NetworkError`] names what does not fit together.
    pub fn new(topology: &Topology, v6: bool, seed: u64) -> Result<Self, NetworkError> {
        let mut network = Self {
            nodes: Vec::new(),
            links: Vec::new(),
            filters: Vec::new(),
            detours: Vec::new(),
            by_address: HashMap::new(),
            by_name: HashMap::new(),
            host_addresses: HashMap::new(),
            homes: Vec::new(),
            v6,
            vantage: 0,
            salt: seed,
            dice: ChaCha8Rng::seed_from_u64(seed ^ 0x7369_6d75_6c61_7465),
            now: Moment::START,
            events: BTreeMap::new(),
            serial: 0,
            ways: HashMap::new(),
            inbox: BTreeMap::new(),
            interrupt_at: None,
        };
        network.add_node("you", Kind::Vantage)?;
        for router in topology.networks.iter().flat_map(|space| &space.routers) {
            let extra = topology.routers.get(router).cloned().unwrap_or_default();
            share("answers", router, extra.answers)?;
            if extra.icmp_rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
                return Err(NetworkError::Number { what: "icmp_rate", name: router.clone() });
            }
            network.add_node(router, Kind::Router(extra))?;
        }
        for name in topology.routers.keys() {
            network.node("[router]", name)?;
        }
        for space in &topology.networks {
            let Some(last) = space.routers.last() else { continue };
            let home = network.node("a [[network]]", last)?;
            network.homes.extend(space.prefixes().map(|prefix| (prefix, home)));
        }
        for host in &topology.hosts {
            network.add_node(&host.name, Kind::Host(host.clone()))?;
        }
        network.connect(topology)?;
        for rule in &topology.rules {
            share("share", &rule.at, rule.share)?;
            seconds("from_s", &rule.at, rule.from_s)?;
            seconds("until_s", &rule.at, rule.until_s.unwrap_or(0.0))?;
            let node = network.node("a [[rule]]", &rule.at)?;
            let to = rule.to.as_deref().map(|text| network.place(text)).transpose()?;
            let from = rule.from.as_deref().map(|text| network.place(text)).transpose()?;
            network.filters.push(Filter { node, to, from, rule: rule.clone() });
        }
        for route in &topology.routes {
            let node = network.node("a [[route]]", &route.at)?;
            let via = network.node("a [[route]]", &route.via)?;
            let to = network.place(&route.to)?;
            let link = network.nodes[node]
                .links
                .iter()
                .copied()
                .find(|link| network.links[*link].other(node) == via);
            let link =
                link.ok_or_else(|| NetworkError::NoLink { at: route.at.clone(), via: route.via.clone() })?;
            let from = Moment::START + seconds("from_s", &route.at, route.from_s)?;
            let until = match route.until_s {
                Some(until) => Moment::START + seconds("until_s", &route.at, until)?,
                None => Moment::NEVER,
            };
            network.detours.push(Detour { node, to, link, from, until });
        }
        for router in topology.routers.values() {
            if let Some(other) = &router.answers_from {
                network.place(other)?;
            }
        }
        Ok(network)
    }

    fn add_node(&mut self, name: &str, kind: Kind) -> Result<(), NetworkError> {
        if self.by_name.insert(name.to_owned(), self.nodes.len()).is_some() {
            return Err(NetworkError::Twice(name.to_owned()));
        }
        self.nodes.push(Node {
            kind,
            links: Vec::new(),
            buckets: HashMap::new(),
            half_open: HashMap::new(),
            translated: HashMap::new(),
        });
        Ok(())
    }

    fn node(&self, what: &'static str, name: &str) -> Result<usize, NetworkError> {
        self.by_name.get(name).copied().ok_or_else(|| NetworkError::Unknown { what, name: name.to_owned() })
    }

    fn connect(&mut self, topology: &Topology) -> Result<(), NetworkError> {
        let mut counters: HashMap<&str, u32> = HashMap::new();
        let space_of = |name: &str| {
            topology.networks.iter().find(|space| space.routers.iter().any(|router| router == name))
        };
        let chained = topology.chains.iter().flat_map(|chain| {
            chain.nodes.windows(2).map(move |pair| super::topology::Link {
                ms: chain.ms,
                ..super::topology::Link::plain(&pair[0], &pair[1])
            })
        });
        for link in chained.chain(topology.links.iter().cloned()) {
            let [first, second] = &link.between;
            let space = match &link.space {
                Some(name) => topology.networks.iter().find(|space| space.name == *name),
                None => space_of(first),
            };
            let name = link.space.as_ref().unwrap_or(first);
            let space = space.ok_or_else(|| NetworkError::Unknown { what: "a link", name: name.clone() })?;
            // Four addresses a link, as if each were a /30: the two in the middle are used.
            let counter = counters.entry(&space.name).or_insert(0);
            let base = *counter * 4;
            *counter += 1;
            let address = |index| space.address(self.v6, index).ok_or_else(|| self.no_address(&space.name));
            let addresses = [address(base + 1)?, address(base + 2)?];
            let ends = [self.node("a link", first)?, self.node("a link", second)?];
            share("loss", first, Some(link.loss))?;
            let cost = link.cost.unwrap_or(COST);
            self.add_link(Link {
                ends,
                addresses,
                latency: seconds("ms", first, link.ms.unwrap_or(1.0) / 1000.0)?,
                jitter: seconds("jitter_ms", first, link.jitter_ms / 1000.0)?,
                loss: link.loss,
                costs: [cost, link.cost_back.unwrap_or(cost)],
            })?;
        }
        let vantage = &topology.vantage;
        let own = self.own_address("the vantage", vantage.v4, vantage.v6)?;
        self.attach(self.vantage, "the vantage", &vantage.at, own, None)?;
        for host in &topology.hosts {
            let node = self.node("a host", &host.name)?;
            let address = self.own_address(&host.name, host.v4, host.v6)?;
            self.attach(node, "a host", &host.at, address, host.ms)?;
        }
        Ok(())
    }

    fn own_address(
        &self,
        name: &str,
        v4: Option<std::net::Ipv4Addr>,
        v6: Option<std::net::Ipv6Addr>,
    ) -> Result<IpAddr, NetworkError> {
        let address = if self.v6 { v6.map(IpAddr::V6) } else { v4.map(IpAddr::V4) };
        address.ok_or_else(|| self.no_address(name))
    }

    fn no_address(&self, name: &str) -> NetworkError {
        NetworkError::NoAddress { name: name.to_owned(), family: if self.v6 { "IPv6" } else { "IPv4" } }
    }

    /// A host's own link. Its router's address there is the last but one of the host's /24 or /64: nobody else's.
    fn attach(
        &mut self,
        node: usize,
        what: &'static str,
        router: &str,
        address: IpAddr,
        ms: Option<f64>,
    ) -> Result<(), NetworkError> {
        let router = self.node(what, router)?;
        let gateway = match address {
            IpAddr::V4(address) => IpAddr::from((u32::from(address) | 0xff).saturating_sub(1).to_be_bytes()),
            IpAddr::V6(address) => IpAddr::from(((u128::from(address) | 0xffff) - 1).to_be_bytes()),
        };
        self.host_addresses.insert(node, address);
        let latency = seconds("ms", what, ms.unwrap_or(1.0) / 1000.0)?;
        if self.by_address.contains_key(&address) {
            return Err(NetworkError::AddressTwice(address));
        }
        self.by_address.insert(address, node);
        self.by_address.entry(gateway).or_insert(router);
        let place = self.links.len();
        self.links.push(Link {
            ends: [router, node],
            addresses: [gateway, address],
            latency,
            jitter: Duration::ZERO,
            loss: 0.0,
            costs: [COST, COST],
        });
        self.nodes[router].links.push(place);
        self.nodes[node].links.push(place);
        Ok(())
    }

    fn add_link(&mut self, link: Link) -> Result<(), NetworkError> {
        let place = self.links.len();
        for end in [0, 1] {
            if self.by_address.insert(link.addresses[end], link.ends[end]).is_some() {
                return Err(NetworkError::AddressTwice(link.addresses[end]));
            }
            self.nodes[link.ends[end]].links.push(place);
        }
        self.links.push(link);
        Ok(())
    }

    /// A host's name, an address or a prefix, as the addresses it means.
    pub(super) fn place(&self, text: &str) -> Result<IpNetwork, NetworkError> {
        if let Some(address) = self.address(text) {
            return Ok(IpNetwork::from(address));
        }
        text.parse::<IpNetwork>().map_err(|_| NetworkError::NoSuchPlace(text.to_owned()))
    }

    /// The address of a host.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<IpAddr> {
        self.host_addresses.get(self.by_name.get(name)?).copied()
    }

    /// The address that is measured from.
    #[must_use]
    pub fn vantage_address(&self) -> IpAddr {
        self.host_addresses[&self.vantage]
    }

    /// The plan that a person in this place would make: the target, its references, and the target's variants.
    ///
    /// # Errors
    /// [`NetworkError::Unknown`] if target or reference are no hosts.
    pub fn plan(&self, topology: &Topology, seed: u64) -> Result<Plan, NetworkError> {
        let (protocol, port) = topology.probe.protocol_and_port();
        let host = |name: &String, role: Role| {
            let address = self
                .address(name)
                .ok_or_else(|| NetworkError::Unknown { what: "target or references", name: name.clone() })?;
            Ok(Destination { role, host: name.clone(), address, protocol, port, size: None })
        };
        let mut destinations = vec![host(&topology.target, Role::Target)?];
        for name in &topology.references {
            destinations.push(host(name, Role::Reference(ReferenceKind::Given))?);
        }
        if let Some(name) = &topology.check {
            destinations.push(host(name, Role::Check)?);
        }
        // Nothing else uses the simulated host's ports.
        let ports = |first: u16| (first..first + FLOWS).map(SourcePorts::all);
        let mut source_ports: Vec<SourcePorts> = ports(FIRST_PORT).collect();
        match topology.size {
            None => destinations.extend(variants(&destinations[0])),
            Some(size) => {
                destinations[0].size = Some(size);
                destinations.push(small_control(&destinations[0]));
                source_ports.extend(ports(FIRST_PORT + FLOWS + 1));
            }
        }
        Ok(Plan {
            source: self.vantage_address(),
            destinations,
            source_ports,
            first_ttl: 1,
            max_ttl: 30,
            wait: Duration::from_secs(2),
            pace: Pace::default(),
            budget: Budget::default(),
            seed,
        })
    }

    /// A source port that no flow of [`plan`](Self::plan) has, for packets that are not to share a flow with it.
    #[must_use]
    pub const fn spare_port(&self) -> SourcePorts {
        SourcePorts::all(FIRST_PORT + FLOWS)
    }

    /// Presses Ctrl-C at this moment.
    pub fn interrupt_at(&mut self, moment: Moment) {
        self.interrupt_at = Some(moment);
    }

    /// The moment of the event at hand.
    pub(super) const fn clock(&self) -> Moment {
        self.now
    }

    /// A share from 0 up to 1, drawn anew.
    pub(super) fn chance(&mut self) -> f64 {
        self.dice.random::<f64>()
    }

    pub(super) fn node_of(&self, address: IpAddr) -> Option<usize> {
        self.by_address.get(&address).copied()
    }

    /// The router that looks for an address that nobody has.
    pub(super) fn home_of(&self, address: IpAddr) -> Option<usize> {
        let covering = self.homes.iter().filter(|(prefix, _)| prefix.contains(address));
        covering.max_by_key(|(prefix, _)| prefix.prefix()).map(|(_, node)| *node)
    }

    pub(super) fn schedule(&mut self, after: Duration, event: Event) {
        self.serial += 1;
        self.events.insert((self.now + after, self.serial), event);
    }

    /// The first rule that fits.
    pub(super) fn filter(
        &mut self,
        node: usize,
        place: Place,
        header: &Header,
        payload: &[u8],
    ) -> Option<Rule> {
        let now = self.now;
        let mut fitting = None;
        for filter in self.filters.iter().filter(|one| one.node == node && one.rule.place == place) {
            if filter.fits(header, payload) && filter.holds(now) {
                fitting = Some(filter.rule.clone());
                break;
            }
        }
        let rule = fitting?;
        match rule.share {
            Some(share) if self.chance() >= share => None,
            _ => Some(rule),
        }
    }

    /// The link by which a packet leaves a node; none if there is no way.
    pub(super) fn way(&mut self, node: usize, header: &Header, payload: &[u8]) -> Option<usize> {
        let now = self.now;
        let detour = self.detours.iter().find(|detour| {
            detour.node == node
                && detour.to.contains(header.destination)
                && (detour.from..detour.until).contains(&now)
        });
        if let Some(detour) = detour {
            return Some(detour.link);
        }
        let destination = self.node_of(header.destination).or_else(|| self.home_of(header.destination))?;
        if !self.ways.contains_key(&destination) {
            let ways = self.shortest(destination);
            self.ways.insert(destination, ways);
        }
        let links = &self.ways[&destination][node];
        let balance = match &self.nodes[node].kind {
            Kind::Router(router) if links.len() > 1 => router.balance,
            _ => return links.first().copied(),
        };
        let count = links.len();
        let place = match balance {
            Balance::None => 0,
            Balance::Packet => self.dice.random_range(0..count),
            Balance::Flow => (self.hash(node, header, flow(header, payload)) % count as u64) as usize,
            Balance::Destination => (self.hash(node, header, 0) % count as u64) as usize,
        };
        self.ways[&destination][node].get(place).copied()
    }

    fn hash(&self, node: usize, header: &Header, extra: u64) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.salt, node as u64);
        for address in [header.source, header.destination] {
            match address {
                IpAddr::V4(address) => hasher.write(&address.octets()),
                IpAddr::V6(address) => hasher.write(&address.octets()),
            }
        }
        hasher.write_u8(header.protocol);
        hasher.write_u64(extra);
        hasher.finish()
    }

    /// All links on shortest ways to a node (Dijkstra from its side, over the costs of the way there).
    fn shortest(&self, destination: usize) -> Vec<Vec<usize>> {
        let mut costs = vec![u32::MAX; self.nodes.len()];
        costs[destination] = 0;
        let mut heap = BinaryHeap::from([(std::cmp::Reverse(0), destination)]);
        while let Some((std::cmp::Reverse(cost), node)) = heap.pop() {
            if cost > costs[node] || (node != destination && !self.forwards(node)) {
                continue;
            }
            for place in &self.nodes[node].links {
                let link = &self.links[*place];
                let from = link.other(node);
                let there = cost.saturating_add(link.costs[usize::from(link.ends[0] != from)]);
                if there < costs[from] {
                    costs[from] = there;
                    heap.push((std::cmp::Reverse(there), from));
                }
            }
        }
        let on_way = |node: usize, place: &usize| {
            let link = &self.links[*place];
            let next = link.other(node);
            let step = link.costs[usize::from(link.ends[0] != node)];
            costs[next] != u32::MAX
                && (next == destination || self.forwards(next))
                && costs[next].saturating_add(step) == costs[node]
        };
        (0..self.nodes.len())
            .map(|node| self.nodes[node].links.iter().copied().filter(|place| on_way(node, place)).collect())
            .collect()
    }

    fn forwards(&self, node: usize) -> bool {
        matches!(self.nodes[node].kind, Kind::Router(_))
    }

    /// Puts a packet on a link.
    pub(super) fn cross(&mut self, node: usize, link: usize, packet: Vec<u8>, walked: u16) {
        if walked >= MOST_LINKS {
            return;
        }
        let Link { latency, jitter, loss, .. } = self.links[link];
        if loss > 0.0 && self.chance() < loss {
            return;
        }
        let extra = if jitter.is_zero() { Duration::ZERO } else { jitter.mul_f64(self.chance()) };
        let next = self.links[link].other(node);
        self.schedule(
            latency + extra,
            Event::Arrive { node: next, link: Some(link), packet, walked: walked + 1 },
        );
    }

    /// Sends a packet that a node made itself.
    pub(super) fn originate(&mut self, node: usize, packet: Vec<u8>) {
        let Ok((header, payload)) = ip::read(&packet) else { return };
        if let Some(link) = self.way(node, &header, payload) {
            self.cross(node, link, packet, 0);
        }
    }

    /// A packet has come to the host that measures.
    pub(super) fn receive(&mut self, packet: Vec<u8>) {
        self.serial += 1;
        self.inbox.insert((self.now, self.serial), packet);
    }

    /// Lets everything happen that happens until `until`, or until a packet comes in.
    fn advance(&mut self, until: Moment) {
        while self.inbox.is_empty() {
            let Some((&(at, _), _)) = self.events.first_key_value() else { break };
            if at > until {
                break;
            }
            let Some((_, event)) = self.events.pop_first() else { break };
            self.now = self.now.max(at);
            self.happen(event);
        }
    }
}

impl Filter {
    fn fits(&self, header: &Header, payload: &[u8]) -> bool {
        let inside =
            |prefix: &Option<IpNetwork>, address| prefix.is_none_or(|prefix| prefix.contains(address));
        if !inside(&self.to, header.destination) || !inside(&self.from, header.source) {
            return false;
        }
        use super::topology::ProtocolWord;
        let right = match self.rule.protocol {
            None => true,
            Some(ProtocolWord::Tcp) => header.protocol == protocol::TCP,
            Some(ProtocolWord::Udp) => header.protocol == protocol::UDP,
            Some(ProtocolWord::Icmp) => icmp::is_icmp(header.source, header.protocol),
        };
        if self.rule.above.is_some_and(|most| header.claimed_length <= usize::from(most)) {
            return false;
        }
        let (source, destination) = ports(header, payload).unzip();
        let port = |wanted: Option<u16>, got: Option<u16>| wanted.is_none() || wanted == got;
        right && port(self.rule.port, destination) && port(self.rule.source_port, source)
    }

    fn holds(&self, now: Moment) -> bool {
        let now = now.as_secs_f64();
        now >= self.rule.from_s && self.rule.until_s.is_none_or(|until| now < until)
    }
}

/// Source and destination port.
pub(super) fn ports(header: &Header, payload: &[u8]) -> Option<(u16, u16)> {
    match header.protocol {
        protocol::TCP => tcp::Segment::read(payload).ok().map(|one| (one.source, one.destination)),
        protocol::UDP => udp::Datagram::read(payload).ok().map(|one| (one.source, one.destination)),
        _ => None,
    }
}

/// What routers that balance by flow take into the hash beside the addresses: the first four bytes of the transport
/// header (ports; for an echo: type, code and checksum), its identifier, the flow label.
fn flow(header: &Header, payload: &[u8]) -> u64 {
    let head = payload.first_chunk::<4>().map_or(0, |head| u64::from(u32::from_be_bytes(*head)));
    let mut extra = head;
    if icmp::is_icmp(header.source, header.protocol)
        && let Some(id) = payload.get(4..6)
    {
        extra ^= u64::from(u16::from_be_bytes([id[0], id[1]])) << 32;
    }
    extra ^ u64::from(header.label.unwrap_or(0)) << 40
}

fn share(what: &'static str, name: &str, value: Option<f64>) -> Result<(), NetworkError> {
    match value {
        Some(value) if !(0.0..=1.0).contains(&value) => {
            Err(NetworkError::Number { what, name: name.to_owned() })
        }
        _ => Ok(()),
    }
}

fn seconds(what: &'static str, name: &str, value: f64) -> Result<Duration, NetworkError> {
    match value {
        value if (0.0..=3600.0).contains(&value) => Ok(Duration::from_secs_f64(value)),
        _ => Err(NetworkError::Number { what, name: name.to_owned() }),
    }
}

impl Wire for Network {
    fn now(&mut self) -> Moment {
        self.now
    }

    fn send(&mut self, transmit: &Transmit) -> Result<Moment, SendFault> {
        let Ok((header, payload)) = ip::read(&transmit.packet) else { return Err(SendFault::Other(22)) };
        match self.way(self.vantage, &header, payload) {
            Some(link) => {
                self.cross(self.vantage, link, transmit.packet.clone(), 0);
                Ok(self.now)
            }
            None => Err(SendFault::NoRoute),
        }
    }

    fn wait(&mut self, until: Moment) -> Result<Heard, WireFault> {
        let limit = self.interrupt_at.map_or(until, |at| until.min(at));
        self.advance(limit);
        if let Some(((at, _), packet)) = self.inbox.pop_first() {
            return Ok(Heard::Packet(Arrival { at, packet }));
        }
        // With nothing on its way and no deadline, time stands still rather than end.
        if limit != Moment::NEVER {
            self.now = self.now.max(limit);
        }
        if self.interrupt_at.is_some_and(|at| at <= self.now) {
            self.interrupt_at = None;
            return Ok(Heard::Interrupted);
        }
        Ok(Heard::Quiet)
    }

    fn losses(&mut self) -> Losses {
        Losses::default()
    }
}
