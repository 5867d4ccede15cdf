//! A polite search for references: a few neighbours of the target, asked one a second with the target's own packet.
//!
//! It is made only where nothing else serves: no reference was named, the target is silent, and none of its own ports
//! answers. Whom it asks, and in which order:
//!
//! 1. what the user named as likely to serve, and the other addresses of the target's name inside the announced prefix;
//! 2. hosts that bracket the target: the nearest addresses below and above it, in the smallest block they share with it;
//! 3. IPv4: others of the same /24. IPv6: a few more near ones and the lowest addresses of the same /64; a /64 cannot be
//!    searched blindly, and it is not tried;
//! 4. IPv4: other /24s of the announced prefix.
//!
//! The limits are constants, not settings: at most [`MOST_NEIGHBOURS`] neighbour addresses, one packet each and one more
//! if none of them answered, one packet a second, only the target's own protocol and port, never a network's first and
//! last address, never what the opt-out list covers, and an end at [`ENOUGH`] answers. Every address touched is kept with
//! the time and the outcome. The order inside a rank is drawn from the run's seed.
//!
//! A host that accepts is a reference. One that refuses (RST, port unreachable) lives and answers the same packet, but a
//! firewall may speak for it: it serves only where none accepts.
//!
//! The search has an engine and a flow of its own. Two runs that share a 5-tuple would ask for one connection with two
//! sequence numbers, and an open port would look closed.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnetwork::IpNetwork;
use rand::seq::SliceRandom;
use rand::{RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Glimpse, Observer};
use crate::number::special;
use crate::path::{Kind, Origins};
use crate::probe::pace::Pace;
use crate::probe::wire::{Heard, Part, Record, Transmit};
use crate::probe::{Budget, Engine, Plan, PlanError, Wire, WireFault, drive};
use crate::trace::{
    Advice, Destination, DestinationId, End, FlowId, Losses, Member, Moment, Need, Protocol, ReferenceKind,
    Role, Run, SendFault, SourcePorts, Stage, WallTime, schema,
};

/// Most neighbour addresses that one search asks. Hints do not count: the user named them.
pub const MOST_NEIGHBOURS: usize = 16;
/// Answers that end the search.
pub const ENOUGH: usize = 3;
/// Answers that will do once [`MANY`] neighbours have been asked.
const TWO: usize = 2;
/// Neighbours behind which two answers will do.
const MANY: usize = 8;
/// Packets to one address: one, and one more if nobody has answered at all (a router drops the first packet to a host
/// whose hardware address it must ask for).
const TRIES: u32 = 2;
/// Least time between two packets of the search.
const GAP: Duration = Duration::from_secs(1);
/// Neighbours in the first rank on either side of the target.
const NEAREST: usize = 4;
/// Neighbours of the same /24 where there are other /24s as well.
const SAME_SUBNET: usize = 5;
/// How far from the target the first rank reaches.
const NEAR: u32 = 16;
/// Sets the search's coins and keys apart from the measurement's.
const OWN_SEED: u64 = 0x7365_6172_6368_6572;

/// What a search may do.
#[derive(Clone, Debug)]
pub struct Search {
    /// Who may serve, asked first.
    pub hints: Vec<Hint>,
    /// Addresses never to be touched.
    pub opt_out: Vec<IpNetwork>,
    /// A flow that the measurement does not use.
    pub source_ports: SourcePorts,
    /// What a search of the same prefix, protocol and port has found not long ago; then no neighbour is asked.
    pub known: Option<Known>,
}

/// A host that may serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// As the user wrote it.
    pub host: String,
    /// Its address.
    pub address: IpAddr,
    /// Its port, where it is not the target's.
    pub port: Option<u16>,
    /// It is another address of the target's name, and not named by the user.
    pub alias: bool,
}

/// What an earlier search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// When.
    pub searched_at: WallTime,
    /// The neighbours; none is a result, too.
    pub found: Vec<Hit>,
}

/// Where a candidate comes from, the best control first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rank {
    /// Named by the user.
    Hint,
    /// Another address of the target's name.
    Alias,
    /// One of the nearest addresses below or above.
    Bracket,
    /// The same /24, or a low address of the same /64.
    Subnet,
    /// Another /24 of the announced prefix.
    Prefix,
}

impl Rank {
    const ALL: [Self; 5] = [Self::Hint, Self::Alias, Self::Bracket, Self::Subnet, Self::Prefix];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hint => "hint",
            Self::Alias => "alias",
            Self::Bracket => "bracket",
            Self::Subnet => "subnet",
            Self::Prefix => "prefix",
        }
    }

    /// The rank with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rank| rank.word() == word)
    }

    const fn is_neighbour(self) -> bool {
        matches!(self, Self::Bracket | Self::Subnet | Self::Prefix)
    }
}

/// What came of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It accepts: SYN-ACK, echo reply, a UDP answer.
    Open,
    /// It refuses: RST, or port unreachable from the address itself.
    Closed,
    /// Somebody else said that it cannot be reached.
    Unreachable,
    /// Nothing.
    Silent,
    /// The packet did not leave this host.
    NotSent,
}

impl Outcome {
    const ALL: [Self; 5] = [Self::Open, Self::Closed, Self::Unreachable, Self::Silent, Self::NotSent];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Unreachable => "unreachable",
            Self::Silent => "silent",
            Self::NotSent => "not_sent",
        }
    }

    /// The outcome with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// An address that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Which.
    pub address: IpAddr,
    /// When the first packet left, or should have.
    pub at: WallTime,
    /// Packets.
    pub tries: u32,
    /// Why it was asked.
    pub rank: Rank,
    /// What came of it.
    pub outcome: Outcome,
}

/// A host that serves as a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// As the user wrote it, or its address.
    pub host: String,
    /// Its address.
    pub address: IpAddr,
    /// Its port, where it is not the target's.
    pub port: Option<u16>,
    /// Why it was asked.
    pub rank: Rank,
    /// How it answered: [`Outcome::Open`] or [`Outcome::Closed`].
    pub outcome: Outcome,
}

/// A finished search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Searched {
    /// The announced prefix of the target; without one no neighbour is asked.
    pub prefix: Option<IpNetwork>,
    /// The neighbours are those of an earlier search.
    pub from_cache: bool,
    /// When the neighbours were asked.
    pub searched_at: WallTime,
    /// Everybody who was asked in this run, in order.
    pub touched: Vec<Touch>,
    /// Who serves, at most [`ENOUGH`].
    pub found: Vec<Hit>,
    /// It ended before it was complete.
    pub cut_short: bool,
}

impl Searched {
    /// Whether another run may rely on this one's result: neighbours were asked, and not in vain only because the search
    /// was cut short.
    #[must_use]
    pub fn is_worth_keeping(&self) -> bool {
        let asked = self.touched.iter().any(|touch| touch.rank.is_neighbour());
        !self.from_cache && asked && (!self.cut_short || self.neighbours().next().is_some())
    }

    /// The neighbours among those found.
    pub fn neighbours(&self) -> impl Iterator<Item = &Hit> {
        self.found.iter().filter(|hit| hit.rank.is_neighbour())
    }

    /// What is written down of it.
    #[must_use]
    pub fn record(&self) -> schema::Search {
        schema::Search {
            prefix: self.prefix.map(|prefix| prefix.to_string()),
            from_cache: self.from_cache,
            searched_at: self.searched_at.rfc3339(),
            touched: self
                .touched
                .iter()
                .map(|touch| schema::Touched {
                    address: touch.address,
                    at: touch.at.rfc3339(),
                    tries: touch.tries,
                    why: touch.rank.word().to_owned(),
                    outcome: touch.outcome.word().to_owned(),
                })
                .collect(),
            found: self
                .found
                .iter()
                .map(|hit| schema::Found {
                    address: hit.address,
                    why: hit.rank.word().to_owned(),
                    outcome: hit.outcome.word().to_owned(),
                })
                .collect(),
        }
    }
}

/// What to do next where a search found nobody.
#[must_use]
pub fn next_step(searched: &schema::Search, target: &Destination) -> String {
    let name = "name a host of the same network that works, on the same port: -r HOST";
    let Some(prefix) = &searched.prefix else {
        return format!(
            "no announced prefix covers {}, so that no neighbour was searched for: {name}, or give some that may work: \
             --hint HOST",
            target.address
        );
    };
    if searched.from_cache {
        return format!(
            "the search in {prefix} found nobody at {} (--no-cache repeats it): {name}",
            searched.searched_at
        );
    }
    let neighbour = |touched: &&schema::Touched| Rank::of_word(&touched.why).is_some_and(Rank::is_neighbour);
    let asked = searched.touched.iter().filter(neighbour).count();
    format!("{asked} neighbours in {prefix} were asked and none answered: {name}, or --hint HOST")
}

/// What the record of a search shows of an address that it asked: when first, with how many packets, and what came of it.
/// `None` if it did not ask it.
#[must_use]
pub fn shown(run: &Run, address: IpAddr) -> Option<(WallTime, u32, Outcome)> {
    let target = run.destination(Run::TARGET).address;
    let rank = Rank::Bracket;
    let candidates: Vec<Candidate> = run.destinations[1..]
        .iter()
        .map(|destination| Candidate { destination: destination.clone(), rank })
        .collect();
    let place = candidates.iter().position(|one| one.destination.address == address)?;
    let state = Asking { candidates: &candidates, target }.state(run, place);
    Some((run.started_at.at(state.first?), state.tries, state.outcome))
}

/// The announced prefix that covers an address. Private, reserved and unannounced addresses have none, nor has the
/// peering LAN of an exchange.
#[must_use]
pub fn announced(origins: &dyn Origins, address: IpAddr) -> Option<IpNetwork> {
    let known = origins.attribute(address);
    known.prefix.filter(|prefix| known.kind == Kind::As && prefix.contains(address))
}

/// How a search ended for the measurement that waits for it.
pub(super) struct Ended {
    pub searched: Searched,
    pub interrupted: bool,
    pub fault: Option<WireFault>,
}

/// Asks whom `search` allows to be asked for the target of the measurement that `engine` makes. What comes in for that
/// measurement meanwhile reaches it.
pub(super) fn search(
    search: &Search,
    plan: &Plan,
    origins: &dyn Origins,
    engine: &mut Engine,
    wire: &mut dyn Wire,
    observer: &mut Observer<'_>,
) -> Result<Ended, PlanError> {
    let target = &engine.run().destinations[0].clone();
    let started_at = engine.run().started_at;
    let began = wire.now();
    let prefix = announced(origins, target.address);
    let mut barred: BTreeSet<IpAddr> = engine.run().destinations.iter().map(|one| one.address).collect();
    barred.insert(plan.source);
    let allowed = |address: &IpAddr| {
        !barred.contains(address)
            && address.is_ipv4() == target.address.is_ipv4()
            && !search.opt_out.iter().any(|prefix| prefix.contains(*address))
    };
    let mut candidates = hinted(search, target, prefix);
    candidates.retain(|one| allowed(&one.destination.address));
    let mut coin = ChaCha8Rng::seed_from_u64(plan.seed ^ OWN_SEED);
    if let (Some(prefix), None) = (prefix, &search.known) {
        let hints: Vec<IpAddr> = candidates.iter().map(|one| one.destination.address).collect();
        let free = |address: &IpAddr| allowed(address) && !hints.contains(address);
        let near = neighbours(target.address, prefix, &free, &mut coin);
        candidates
            .extend(near.into_iter().map(|(address, rank)| Candidate::neighbour(target, address, rank)));
    }
    let mut ended = Ended {
        searched: Searched {
            prefix,
            from_cache: prefix.is_some() && search.known.is_some(),
            searched_at: search
                .known
                .as_ref()
                .map_or_else(|| started_at.at(began), |known| known.searched_at),
            touched: Vec::new(),
            found: Vec::new(),
            cut_short: false,
        },
        interrupted: false,
        fault: None,
    };
    if !candidates.is_empty() {
        let most = candidates.len() as u32 * TRIES;
        // Runs that go on at once share the one packet a second.
        let gap = (GAP * plan.pace.shared.max(1)).max(plan.pace.gap);
        let own = Plan {
            source: plan.source,
            destinations: std::iter::once(target.clone())
                .chain(candidates.iter().map(|one| one.destination.clone()))
                .collect(),
            source_ports: vec![search.source_ports],
            first_ttl: plan.first_ttl,
            max_ttl: plan.max_ttl,
            wait: plan.wait,
            pace: Pace { gap, in_flight: None, burst: 1, cautious: 1, fastest: 1, shared: 1, ..plan.pace },
            budget: Budget {
                // One more than can be needed: a search that has asked everybody ends by itself.
                probes: most + 1,
                time: began.since(Moment::START) + gap * most + plan.wait * 4,
            },
            seed: plan.seed ^ OWN_SEED,
        };
        let asking = Asking { candidates: &candidates, target: target.address };
        let mut guide = |run: &Run, now: Moment| {
            observer(&Glimpse { run, now, verdict: None, needs: &[], searching: true });
            asking.advise(run)
        };
        let mut shared = Shared { wire, engine };
        let (run, fault) = drive(Engine::new(own, started_at)?, &mut shared, &mut guide);
        ended.searched.touched = asking.touched(&run);
        ended.searched.found = asking.found(&run);
        ended.searched.cut_short = run.end != Some(End::Decided);
        ended.interrupted = run.end == Some(End::Interrupted);
        ended.fault = fault;
    }
    if let (Some(known), Some(prefix)) = (&search.known, prefix) {
        let found = &mut ended.searched.found;
        for hit in &known.found {
            let listed = found.iter().any(|other| other.address == hit.address);
            // A file that somebody may have written names nobody whom a search would not ask.
            let fit =
                prefix.contains(hit.address) && is_a_hosts(hit.address, prefix) && allowed(&hit.address);
            if found.len() < ENOUGH && !listed && fit {
                found.push(hit.clone());
            }
        }
    }
    Ok(ended)
}

/// The destinations that hits make.
pub(super) fn destinations(target: &Destination, found: &[Hit]) -> Vec<Destination> {
    found
        .iter()
        .map(|hit| {
            let kind = if hit.rank.is_neighbour() { ReferenceKind::Found } else { ReferenceKind::Hint };
            let port = if target.protocol == Protocol::Icmp { None } else { hit.port.or(target.port) };
            Destination {
                role: Role::Reference(kind),
                host: hit.host.clone(),
                address: hit.address,
                protocol: target.protocol,
                port,
                size: None,
            }
        })
        .collect()
}

/// A wire that two runs share for a while: one uses it, the other hears what is for it.
struct Shared<'a> {
    wire: &'a mut dyn Wire,
    engine: &'a mut Engine,
}

impl Wire for Shared<'_> {
    fn now(&mut self) -> Moment {
        self.wire.now()
    }

    fn send(&mut self, transmit: &Transmit) -> Result<Moment, SendFault> {
        self.wire.send(transmit)
    }

    fn wait(&mut self, until: Moment) -> Result<Heard, WireFault> {
        let heard = self.wire.wait(until)?;
        if let Heard::Notice(notice) = &heard {
            self.engine.overhear_notice(notice);
        }
        if let Heard::Packet(arrival) = &heard
            && let Some(probe) = self.engine.overhear(arrival)
        {
            let record = Record::Received { probe, arrival };
            self.wire.record(Part::Measurement, self.engine.run(), record);
        }
        Ok(heard)
    }

    fn losses(&mut self) -> Losses {
        self.wire.losses()
    }

    /// Who has the wire is the search.
    fn record(&mut self, _: Part, run: &Run, record: Record<'_>) {
        self.wire.record(Part::Search, run, record);
    }
}

#[derive(Clone, Debug)]
struct Candidate {
    destination: Destination,
    rank: Rank,
}

impl Candidate {
    fn neighbour(target: &Destination, address: IpAddr, rank: Rank) -> Self {
        let role = Role::Reference(ReferenceKind::Found);
        Self { destination: Destination { role, host: address.to_string(), address, ..target.clone() }, rank }
    }
}

/// What the user named, then the other addresses of the target's name in its prefix, each address once.
fn hinted(search: &Search, target: &Destination, prefix: Option<IpNetwork>) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let serves = |hint: &&Hint| !hint.alias || prefix.is_some_and(|prefix| prefix.contains(hint.address));
    for hint in search.hints.iter().filter(serves) {
        if found.iter().any(|known| known.destination.address == hint.address) {
            continue;
        }
        let port = if target.protocol == Protocol::Icmp { None } else { hint.port.or(target.port) };
        let destination = Destination {
            role: Role::Reference(ReferenceKind::Hint),
            host: hint.host.clone(),
            address: hint.address,
            protocol: target.protocol,
            port,
            size: None,
        };
        found.push(Candidate { destination, rank: if hint.alias { Rank::Alias } else { Rank::Hint } });
    }
    found.sort_by_key(|one| one.rank);
    found
}

/// At most [`MOST_NEIGHBOURS`] addresses of `prefix` around `target`, best rank first, shuffled inside a rank.
fn neighbours(
    target: IpAddr,
    prefix: IpNetwork,
    allowed: &dyn Fn(&IpAddr) -> bool,
    coin: &mut ChaCha8Rng,
) -> Vec<(IpAddr, Rank)> {
    let usable = |address: &IpAddr| {
        prefix.contains(*address) && *address != target && is_a_hosts(*address, prefix) && allowed(address)
    };
    let mut found: Vec<(IpAddr, Rank)> = Vec::new();
    let mut add = |mut addresses: Vec<IpAddr>, rank: Rank, most: usize, coin: &mut ChaCha8Rng| {
        addresses.retain(|address| usable(address) && !found.iter().any(|(known, _)| known == address));
        addresses.shuffle(coin);
        let room = MOST_NEIGHBOURS.saturating_sub(found.len()).min(most);
        found.extend(addresses.into_iter().take(room).map(|address| (address, rank)));
    };
    let side = |below: bool, most: usize| -> Vec<IpAddr> {
        (1..=NEAR).filter_map(|step| beside(target, step, below)).filter(usable).take(most).collect()
    };
    add([side(true, NEAREST), side(false, NEAREST)].concat(), Rank::Bracket, MOST_NEIGHBOURS, coin);
    match target {
        IpAddr::V4(target) => {
            let base = u32::from(target) & !0xff;
            let mut others: Vec<u32> = Vec::new();
            let first = match prefix.network() {
                IpAddr::V4(first) => u32::from(first) & !0xff,
                IpAddr::V6(_) => base,
            };
            let count = 1u32 << 24u32.saturating_sub(u32::from(prefix.prefix()).max(8));
            // A few nets are drawn, not all of them listed: a /8 has 65,536.
            for _ in 0..MOST_NEIGHBOURS * 4 {
                let net = first + coin.random_range(0..count) * 256;
                if net != base && !others.contains(&net) {
                    others.push(net);
                }
            }
            let most = if others.is_empty() { MOST_NEIGHBOURS } else { SAME_SUBNET };
            // One address of each sixteenth first: hosts of one kind stand together, and a rule may be for a block.
            let mut blocks: Vec<u32> = (0..16).collect();
            blocks.shuffle(coin);
            let inside: Vec<IpAddr> = blocks
                .into_iter()
                .filter(|block| *block != (u32::from(target) & 0xff) >> 4)
                .filter_map(|block| {
                    let mut hosts: Vec<u32> = (0..16).collect();
                    hosts.shuffle(coin);
                    let mut addresses =
                        hosts.iter().map(|host| IpAddr::from(Ipv4Addr::from(base + block * 16 + host)));
                    addresses.find(usable)
                })
                .collect();
            add(inside, Rank::Subnet, most, coin);
            // The target's own place in another net: whoever numbers servers does so alike.
            let number = u32::from(target) & 0xff;
            let outside = others.into_iter().map(|net| IpAddr::from(Ipv4Addr::from(net + number))).collect();
            add(outside, Rank::Prefix, MOST_NEIGHBOURS, coin);
        }
        IpAddr::V6(address) => {
            let subnet = u128::from(address) & !u128::from(u64::MAX);
            let low = u128::from(address) & u128::from(u64::MAX) <= 0xffff;
            let more = if low {
                [side(true, NEAREST * 2), side(false, NEAREST * 2)].concat()
            } else {
                (1..=4).map(|host| IpAddr::from(Ipv6Addr::from(subnet + host))).collect()
            };
            add(more, Rank::Subnet, MOST_NEIGHBOURS, coin);
        }
    }
    found
}

/// The address `step` below or above, in the same /24 or /64.
fn beside(target: IpAddr, step: u32, below: bool) -> Option<IpAddr> {
    match target {
        IpAddr::V4(target) => {
            let number = u32::from(target);
            let other = if below { number.checked_sub(step)? } else { number.checked_add(step)? };
            (other >> 8 == number >> 8).then(|| Ipv4Addr::from(other).into())
        }
        IpAddr::V6(target) => {
            let (number, step) = (u128::from(target), u128::from(step));
            let other = if below { number.checked_sub(step)? } else { number.checked_add(step)? };
            (other >> 64 == number >> 64).then(|| Ipv6Addr::from(other).into())
        }
    }
}

/// Whether an address can be one host's: not a network's own, not its broadcast address, not an anycast one.
fn is_a_hosts(address: IpAddr, prefix: IpNetwork) -> bool {
    if special::lookup(address).is_some() {
        return false;
    }
    match address {
        IpAddr::V4(v4) => {
            let edge = address == prefix.network() || address == prefix.broadcast();
            !matches!(v4.octets()[3], 0 | 255) && (!edge || prefix.prefix() >= 31)
        }
        // Interface identifier 0 is every router of the subnet (RFC 4291 §2.6.1), the highest 128 are reserved as well
        // (RFC 2526).
        IpAddr::V6(v6) => {
            let host = u128::from(v6) as u64;
            let reserved = [0xfdff_ffff_ffff_ff80..=0xfdff_ffff_ffff_ffff, u64::MAX - 127..=u64::MAX];
            host != 0 && !reserved.iter().any(|range| range.contains(&host))
        }
    }
}

/// The block whose hosts may share a fate: a /28, or its like in IPv6.
fn block(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address) >> 4),
        IpAddr::V6(address) => u128::from(address) >> 4,
    }
}

fn distance(one: IpAddr, other: IpAddr) -> u128 {
    let number = |address| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    number(one).abs_diff(number(other))
}

/// Says whom to ask next.
struct Asking<'a> {
    /// Behind the target, in this order.
    candidates: &'a [Candidate],
    target: IpAddr,
}

/// What the record says of one candidate.
struct State {
    tries: u32,
    first: Option<Moment>,
    settled: bool,
    outcome: Outcome,
}

impl Asking<'_> {
    fn id(place: usize) -> DestinationId {
        DestinationId(place as u16 + 1)
    }

    fn state(&self, run: &Run, place: usize) -> State {
        let address = self.candidates[place].destination.address;
        let probes = || run.probes.iter().filter(move |probe| probe.destination == Self::id(place));
        let replies = || probes().flat_map(|probe| &probe.replies);
        let itself = |open: bool| {
            replies().any(|reply| {
                use crate::trace::ReplyKind::{EchoReply, SynAck, UdpAnswer};
                let accepts = matches!(reply.kind, SynAck | EchoReply | UdpAnswer);
                reply.from == address && reply.answers_for(address) && accepts == open
            })
        };
        let outcome = if itself(true) {
            Outcome::Open
        } else if itself(false) {
            Outcome::Closed
        } else if replies().next().is_some() {
            Outcome::Unreachable
        } else if probes().any(|probe| probe.was_sent()) || probes().next().is_none() {
            Outcome::Silent
        } else {
            Outcome::NotSent
        };
        State {
            tries: probes().count() as u32,
            first: probes().next().map(|probe| probe.sent_at.unwrap_or(run.ended_at)),
            settled: probes().all(|probe| probe.is_settled()),
            outcome,
        }
    }

    fn advise(&self, run: &Run) -> Advice {
        let states: Vec<State> = (0..self.candidates.len()).map(|place| self.state(run, place)).collect();
        let open: Vec<IpAddr> = states
            .iter()
            .zip(self.candidates)
            .filter(|(state, _)| state.outcome == Outcome::Open)
            .map(|(_, one)| one.destination.address)
            .collect();
        let asked = states
            .iter()
            .zip(self.candidates)
            .filter(|(state, one)| state.tries > 0 && one.rank.is_neighbour());
        if open.len() >= ENOUGH || (open.len() >= TWO && asked.count() >= MANY) {
            return Advice { decided: true, ..Advice::default() };
        }
        let crowded = |address| open.iter().filter(|other| block(**other) == block(address)).count() >= TWO;
        let same_side =
            |address: IpAddr| open.iter().any(|other| (*other < self.target) == (address < self.target));
        let mut fresh: Vec<usize> = (0..states.len()).filter(|place| states[*place].tries == 0).collect();
        // Whoever named a host that works has saved the neighbours the asking.
        let hinted = states
            .iter()
            .zip(self.candidates)
            .any(|(state, one)| state.outcome == Outcome::Open && matches!(one.rank, Rank::Hint));
        fresh.retain(|place| !hinted || !self.candidates[*place].rank.is_neighbour());
        fresh.sort_by_key(|place| {
            let Candidate { destination, rank } = &self.candidates[*place];
            let address = destination.address;
            (rank.is_neighbour(), crowded(address), *rank, same_side(address), *place)
        });
        let second_round =
            states.iter().any(|state| state.tries >= TRIES) || states.iter().all(|state| state.settled);
        if fresh.is_empty() && open.is_empty() && second_round {
            let again = |state: &State| state.outcome == Outcome::Silent && state.tries < TRIES;
            fresh = (0..states.len()).filter(|place| again(&states[*place])).collect();
        }
        let needs = fresh.into_iter().map(|place| Need {
            members: vec![Member { destination: Self::id(place), flow: FlowId(0) }],
            ttl: None,
            stage: Stage::Reach,
        });
        Advice { needs: needs.collect(), ..Advice::default() }
    }

    /// Everybody asked, in the order of the first packet.
    fn touched(&self, run: &Run) -> Vec<Touch> {
        let mut touched: Vec<(Moment, Touch)> = (0..self.candidates.len())
            .filter_map(|place| {
                let state = self.state(run, place);
                let first = state.first?;
                let Candidate { destination, rank } = &self.candidates[place];
                let touch = Touch {
                    address: destination.address,
                    at: run.started_at.at(first),
                    tries: state.tries,
                    rank: *rank,
                    outcome: state.outcome,
                };
                Some((first, touch))
            })
            .collect();
        touched.sort_by_key(|(at, _)| *at);
        touched.into_iter().map(|(_, touch)| touch).collect()
    }

    /// Who serves: those who accept, or else those who refuse.
    fn found(&self, run: &Run) -> Vec<Hit> {
        let of = |wanted: Outcome| -> Vec<Hit> {
            (0..self.candidates.len())
                .filter(|place| self.state(run, *place).outcome == wanted)
                .map(|place| {
                    let Candidate { destination, rank } = &self.candidates[place];
                    let port = if *rank == Rank::Hint { destination.port } else { None };
                    Hit {
                        host: destination.host.clone(),
                        address: destination.address,
                        port,
                        rank: *rank,
                        outcome: wanted,
                    }
                })
                .collect()
        };
        let open = of(Outcome::Open);
        choose(self.target, if open.is_empty() { of(Outcome::Closed) } else { open })
    }
}

/// The best [`ENOUGH`]: what was named, the nearest below and above, then one of another block, then the nearest.
fn choose(target: IpAddr, mut hits: Vec<Hit>) -> Vec<Hit> {
    // What was named keeps its order.
    let far = |hit: &Hit| if hit.rank.is_neighbour() { distance(hit.address, target) } else { 0 };
    hits.sort_by_key(|hit| (hit.rank.is_neighbour(), far(hit)));
    let mut chosen: Vec<Hit> = Vec::new();
    while chosen.len() < ENOUGH && !hits.is_empty() {
        let bracketed = |hit: &Hit| chosen.iter().any(|one| (one.address < target) == (hit.address < target));
        let crowded = |hit: &Hit| chosen.iter().any(|one| block(one.address) == block(hit.address));
        let best = hits.iter().enumerate().min_by_key(|(place, hit)| {
            let neighbour = hit.rank.is_neighbour();
            let last = chosen.len() + 1 == ENOUGH;
            (neighbour, neighbour && last && crowded(hit), neighbour && !last && bracketed(hit), *place)
        });
        let Some((place, _)) = best else { break };
        chosen.push(hits.remove(place));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(target: &str, prefix: &str, seed: u64) -> Vec<(IpAddr, Rank)> {
        let mut coin = ChaCha8Rng::seed_from_u64(seed);
        neighbours(target.parse().unwrap(), prefix.parse().unwrap(), &|_| true, &mut coin)
    }

    #[test]
    fn neighbours_stay_in_the_prefix_and_are_single_hosts() {
        let cases = [
            ("198.41.0.4", "198.41.0.0/24"),
            ("198.41.0.1", "198.41.0.0/24"),
            ("198.41.0.254", "198.41.0.0/22"),
            ("198.41.0.97", "198.41.0.96/28"),
            ("198.41.0.9", "198.41.0.8/30"),
            ("198.41.0.9", "198.41.0.9/32"),
            ("8.8.8.8", "8.0.0.0/8"),
            ("2001:503:ba3e::2:30", "2001:503:ba3e::/48"),
            ("2001:503:ba3e::1", "2001:503:ba3e::/64"),
            ("2001:503:ba3e:0:be24:11ff:fe5a:1234", "2001:503::/32"),
        ];
        for (target, prefix) in cases {
            for seed in 0..50 {
                let found = around(target, prefix, seed);
                assert_eq!(found, around(target, prefix, seed));
                assert!(found.len() <= MOST_NEIGHBOURS);
                assert!(found.is_sorted_by_key(|(_, rank)| *rank), "{found:?}");
                let prefix: IpNetwork = prefix.parse().unwrap();
                for (address, _) in &found {
                    assert!(
                        prefix.contains(*address) && address.to_string() != target,
                        "{address} of {prefix}"
                    );
                    match address {
                        IpAddr::V4(v4) => assert!(!matches!(v4.octets()[3], 0 | 255), "{v4}"),
                        IpAddr::V6(v6) => assert_ne!(v6.segments()[4..], [0; 4], "{v6}"),
                    }
                    if prefix.is_ipv4() && prefix.prefix() < 31 {
                        assert!(*address != prefix.network() && *address != prefix.broadcast(), "{address}");
                    }
                }
            }
        }
        assert_eq!(around("198.41.0.9", "198.41.0.9/32", 1), []);
        assert_eq!(around("8.8.8.8", "8.0.0.0/8", 1).len(), MOST_NEIGHBOURS);
    }

    #[test]
    fn a_random_interface_identifier_is_not_searched_around_for_long() {
        let found = around("2001:503:ba3e:0:be24:11ff:fe5a:1234", "2001:503::/32", 1);
        assert_eq!(found.len(), 2 * NEAREST + 4, "the nearest, and the lowest of the /64");
        assert!(found.iter().any(|(address, _)| address.to_string() == "2001:503:ba3e::1"));
    }

    #[test]
    fn both_sides_and_two_blocks_are_chosen() {
        let hit = |number: u8| Hit {
            host: String::new(),
            address: Ipv4Addr::new(198, 41, 0, number).into(),
            port: None,
            rank: Rank::Bracket,
            outcome: Outcome::Open,
        };
        let chosen = |numbers: &[u8]| -> Vec<u8> {
            let hits = choose("198.41.0.101".parse().unwrap(), numbers.iter().map(|one| hit(*one)).collect());
            hits.iter()
                .map(|hit| match hit.address {
                    IpAddr::V4(address) => address.octets()[3],
                    IpAddr::V6(_) => 0,
                })
                .collect()
        };
        assert_eq!(chosen(&[102, 103, 104, 99]), [102, 99, 103]);
        assert_eq!(chosen(&[102, 103, 104, 99, 30]), [102, 99, 30]);
        assert_eq!(chosen(&[102, 103]), [102, 103]);
        assert!(chosen(&[]).is_empty());
    }
}
