//! Very many hosts asked once: who answers at all.
//!
//! Most targets of a long list answer, and a packet is enough to see it. This room finds those, so that only the rest is
//! measured as one target is: path, pairs, verdict. It draws no conclusion of its own; what it saw of a host becomes the
//! record of a run ([`Sweep::tries`]) that the same rules read.
//!
//! Like the engine it opens no socket and asks for no time: [`poll`](Sweep::poll) says what to do now,
//! [`hear`](Sweep::hear) takes what came. Each host is asked by one packet with a full TTL, and up to twice again while it
//! is silent, from another source port each time; or, where it has to answer in several flows, once it has answered. An answer names its packet by a key ([`mould`]), so that there is no book
//! of packets under way; a host takes some fifty bytes however many of them are.
//!
//! Nobody gets a burst: hosts are asked in a keyed order ([`order`]), and each /24 (IPv6: /48) has a budget. How many
//! packets leave in all is for whoever polls.

pub mod hosts;
pub mod mould;
pub mod order;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

pub use hosts::{HostId, Hosts};
pub use mould::{Mould, Stray, TRIES, local_number};
pub use order::Order;

use crate::probe::Arrival;
use crate::trace::{Moment, Protocol, ReplyKind, SendFault, Strays};

/// Packets a second to one prefix, and how many may bunch. A last router looks for each silent host's hardware address; a
/// few at a time are everyday traffic.
const PREFIX_RATE: u64 = 20;
const PREFIX_BURST: u64 = 4;
const INTERVAL: u64 = 1_000_000_000 / PREFIX_RATE;
/// How long a full send queue is left alone.
const FULL_PAUSE: Duration = Duration::from_millis(10);
/// Most hosts that one poll looks at: between two polls packets are received.
const LOOKS: usize = 1024;

/// How to ask.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Our address.
    pub source: IpAddr,
    /// Of UDP only what routers and hosts quote names the packet; an answer of a service's own says no more than its flow.
    pub protocol: Protocol,
    /// Flows in which a host has to answer, from 1 to [`TRIES`]: where a share of them is dead, the first may live.
    pub flows: u8,
    /// Source ports or identifiers that nothing else uses, at least [`TRIES`].
    pub numbers: Vec<u16>,
    /// How long a host may take to answer before it is asked again.
    pub wait: Duration,
    /// Names the packets and draws the order.
    pub key: [u8; 16],
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send [`Sweep::packet`] to this address and hand in what came of it ([`Sweep::sent`]).
    Send(IpAddr),
    /// Nothing before this moment, unless a packet comes.
    Wait(Moment),
    /// Every host is settled.
    Done,
}

/// How a host ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Answered(Answer),
    /// Something on the way said that it sends nothing on, or that the packet went in circles, and the host did not answer.
    Refused,
    /// Nothing came back.
    Silent,
    /// This host did not let the packets out.
    Unsent(SendFault),
}

/// The first answer of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// SYN-ACK, RST, echo reply, a datagram, or the host's own word that its port is closed.
    pub kind: ReplyKind,
    /// TTL it arrived with.
    pub reply_ttl: u8,
    /// When.
    pub at: Moment,
    /// Which try it answers, from 0.
    pub attempt: u8,
}

/// One packet to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    /// Source port or identifier.
    pub number: u16,
    /// When it left.
    pub sent_at: Moment,
    /// How long its answer took, to 16 nanoseconds.
    pub rtt: Option<Duration>,
}

/// What is kept of a host.
#[derive(Clone, Copy, Debug)]
struct State {
    sent: [u64; TRIES as usize],
    /// Round trips in units of [`TICK`], or [`NOT_BACK`].
    back: [u32; TRIES as usize],
    kind: Mark,
    reply_ttl: u8,
    /// The try that was answered first.
    attempt: u8,
    /// Tries that were answered.
    answered: u8,
    /// Tries that left.
    tries: u8,
    /// Tries that this host did not let out.
    faults: u8,
    refused: bool,
    settled: bool,
}

/// The kind of an answer in a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    None,
    SynAck,
    Rst,
    Echo,
    Datagram,
    Closed,
}

impl Mark {
    const fn of(kind: ReplyKind) -> Self {
        match kind {
            ReplyKind::SynAck => Self::SynAck,
            ReplyKind::Rst => Self::Rst,
            ReplyKind::EchoReply => Self::Echo,
            ReplyKind::UdpAnswer => Self::Datagram,
            ReplyKind::Unreachable { icmp_type: 3, code: 3 }
            | ReplyKind::Unreachable { icmp_type: 1, code: 4 } => Self::Closed,
            _ => Self::None,
        }
    }

    const fn kind(self, v6: bool) -> Option<ReplyKind> {
        match self {
            Self::None => None,
            Self::SynAck => Some(ReplyKind::SynAck),
            Self::Rst => Some(ReplyKind::Rst),
            Self::Echo => Some(ReplyKind::EchoReply),
            Self::Datagram => Some(ReplyKind::UdpAnswer),
            Self::Closed if v6 => Some(ReplyKind::Unreachable { icmp_type: 1, code: 4 }),
            Self::Closed => Some(ReplyKind::Unreachable { icmp_type: 3, code: 3 }),
        }
    }
}

/// A packet that did not leave.
const NEVER: u64 = u64::MAX;
/// A try without an answer.
const NOT_BACK: u32 = u32::MAX;
/// Nanoseconds that a round trip is kept in units of: more than a minute fits into 32 bits.
const TICK: u64 = 16;
/// Hosts whose columns are read ahead. Each lies somewhere else in memory, and a processor that is told of several places at
/// once waits for them together.
const AHEAD: u64 = 32;

const FRESH: State = State {
    sent: [NEVER; TRIES as usize],
    back: [NOT_BACK; TRIES as usize],
    kind: Mark::None,
    reply_ttl: 0,
    attempt: 0,
    answered: 0,
    tries: 0,
    faults: 0,
    refused: false,
    settled: false,
};

/// How far a sweep has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets that left.
    pub sent: u64,
    /// Packets that this host did not let out.
    pub unsent: u64,
    /// Hosts whose outcome is known.
    pub settled: u64,
    /// Of them, those that answered.
    pub answered: u64,
    /// Packets that belonged to a try.
    pub heard: u64,
}

/// The machine.
#[derive(Debug)]
pub struct Sweep {
    hosts: Hosts,
    mould: Mould,
    wait: Duration,
    flows: u8,
    order: Order,
    /// The next hosts that were never asked, from the far end.
    ahead: Vec<HostId>,
    /// Place in the order of the next host that was never asked.
    next: u64,
    states: Vec<State>,
    /// For each prefix, when its budget is used up to (GCRA, ITU-T I.371: the theoretical arrival time).
    spent_until: Vec<u64>,
    /// Hosts that wait for their prefix's budget, or for the send queue, each with its turn.
    deferred: BinaryHeap<Reverse<(u64, HostId)>>,
    /// Hosts that were asked, each with the end of the wait, in the order of asking.
    waiting: VecDeque<(u64, HostId)>,
    /// Hosts newly settled.
    settled: VecDeque<HostId>,
    /// Whose packet is being sent.
    leaving: Option<HostId>,
    packet: Vec<u8>,
    /// The last reason why a packet did not leave.
    fault: SendFault,
    strays: Strays,
    tally: Tally,
}

impl Sweep {
    /// Asks these hosts.
    ///
    /// # Panics
    /// As [`Mould::new`].
    #[must_use]
    pub fn new(hosts: Hosts, asking: &Asking) -> Self {
        Self {
            mould: Mould::new(asking.key, asking.source, asking.protocol, &asking.numbers),
            wait: asking.wait,
            flows: asking.flows.clamp(1, TRIES),
            ahead: Vec::with_capacity(AHEAD as usize),
            order: Order::new(asking.key, hosts.len() as u64),
            next: 0,
            states: vec![FRESH; hosts.len()],
            spent_until: vec![0; hosts.prefix_count()],
            deferred: BinaryHeap::new(),
            waiting: VecDeque::new(),
            settled: VecDeque::new(),
            leaving: None,
            packet: Vec::new(),
            fault: SendFault::NoRoute,
            strays: Strays::default(),
            tally: Tally::default(),
            hosts,
        }
    }

    /// The hosts.
    #[must_use]
    pub const fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Packets that belong to no try.
    #[must_use]
    pub const fn strays(&self) -> Strays {
        self.strays
    }

    /// How far it has come.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// What to do at `now`, which may not go back.
    #[must_use]
    pub fn poll(&mut self, now: Moment) -> Next {
        let time = now.as_nanos();
        for _ in 0..LOOKS {
            if let Some(&(end, host)) = self.waiting.front()
                && end <= time
            {
                self.waiting.pop_front();
                if self.is_open(host) && self.is_latest(host, end) {
                    match self.states[host as usize] {
                        // The next flow has its turn already, unless this host did not let it out.
                        State { tries, answered, faults: 0, .. } if tries > 0 && answered == tries => {}
                        State { tries, faults, answered: 0, .. } if tries + faults < TRIES => {
                            if self.want(host, time) {
                                return self.make(host);
                            }
                        }
                        _ => self.settle(host),
                    }
                }
                continue;
            }
            if let Some(&Reverse((turn, host))) = self.deferred.peek()
                && turn <= time
            {
                self.deferred.pop();
                if self.is_open(host) {
                    return self.make(host);
                }
                continue;
            }
            if let Some(host) = self.fresh() {
                if self.want(host, time) {
                    return self.make(host);
                }
                continue;
            }
            let wake = [
                self.waiting.front().map(|(end, _)| *end),
                self.deferred.peek().map(|Reverse((turn, _))| *turn),
            ];
            return match wake.into_iter().flatten().min() {
                Some(wake) => Next::Wait(Moment::from_nanos(wake)),
                None => Next::Done,
            };
        }
        Next::Wait(now)
    }

    /// Gives a host its turn, and says whether that is now; else it comes as soon as its prefix has room.
    fn want(&mut self, host: HostId, now: u64) -> bool {
        let spent = &mut self.spent_until[self.hosts.prefix(host) as usize];
        let turn = now.max(spent.saturating_sub(INTERVAL * PREFIX_BURST));
        *spent = turn.max(*spent) + INTERVAL;
        if turn > now {
            self.deferred.push(Reverse((turn, host)));
        }
        turn <= now
    }

    /// The next host that was never asked.
    fn fresh(&mut self) -> Option<HostId> {
        if self.ahead.is_empty() {
            let end = self.order.count().min(self.next + AHEAD);
            self.ahead.extend((self.next..end).rev().map(|place| self.order.at(place) as HostId));
            self.next = end;
            let mut touched = 0;
            for host in &self.ahead {
                touched ^= self.states[*host as usize].sent[0] ^ self.hosts.touch(*host);
                touched ^= self.spent_until[self.hosts.prefix(*host) as usize];
            }
            std::hint::black_box(touched);
        }
        self.ahead.pop()
    }

    /// Whether the wait that ends at `end` was for the last packet to a host.
    fn is_latest(&self, host: HostId, end: u64) -> bool {
        let State { sent, tries, faults, .. } = self.states[host as usize];
        let last = sent.get(usize::from(tries + faults).wrapping_sub(1)).copied().unwrap_or(NEVER);
        last == NEVER || last.saturating_add(self.wait.as_nanos() as u64) <= end
    }

    fn is_open(&self, host: HostId) -> bool {
        !self.states[host as usize].settled
    }

    fn make(&mut self, host: HostId) -> Next {
        let State { tries, faults, .. } = self.states[host as usize];
        self.mould.packet(&self.hosts, host, tries + faults, &mut self.packet);
        self.leaving = Some(host);
        Next::Send(self.hosts.address(host))
    }

    /// The packet that [`poll`](Self::poll) last said to send.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        &self.packet
    }

    /// What came of sending it.
    pub fn sent(&mut self, now: Moment, outcome: Result<Moment, SendFault>) {
        let Some(host) = self.leaving.take() else { return };
        let state = &mut self.states[host as usize];
        match outcome {
            Ok(at) => {
                state.sent[usize::from(state.tries + state.faults)] = at.as_nanos();
                state.tries += 1;
                self.tally.sent += 1;
                self.waiting.push_back(((at.max(now) + self.wait).as_nanos(), host));
            }
            Err(SendFault::Full) => {
                self.deferred.push(Reverse(((now + FULL_PAUSE).as_nanos(), host)));
            }
            Err(fault) => {
                // The place of the try stays empty, so that the next one has another port.
                state.faults += 1;
                self.fault = fault;
                self.tally.unsent += 1;
                self.waiting.push_back(((now + self.wait).as_nanos(), host));
            }
        }
    }

    /// Takes a packet. Says whether it belongs to a try.
    pub fn hear(&mut self, arrival: &Arrival) -> bool {
        let found = match self.mould.recognise(&self.hosts, &arrival.packet) {
            Ok(found) => found,
            Err(stray) => {
                *match stray {
                    Stray::Malformed => &mut self.strays.malformed,
                    Stray::Foreign => &mut self.strays.foreign,
                    Stray::WrongKey => &mut self.strays.wrong_key,
                } += 1;
                return false;
            }
        };
        let state = &mut self.states[found.host as usize];
        // What never left, or had not left yet, has no answer.
        if arrival.at.as_nanos() < state.sent[usize::from(found.attempt)] {
            self.strays.wrong_key += 1;
            return false;
        }
        self.tally.heard += 1;
        // By UDP a host itself says that nobody listens; by the others that is a firewall's word, to be looked at.
        let closed = self.mould.protocol() == Protocol::Udp
            && Mark::of(found.kind) == Mark::Closed
            && found.from == self.hosts.address(found.host);
        match found.kind {
            kind if kind.is_terminal() || closed => {
                self.answer(&found, arrival.at);
            }
            ReplyKind::Unreachable { .. } | ReplyKind::TimeExceeded => {
                state.refused = true;
                // More packets would draw the same word; the answer may still come.
                self.settle(found.host);
            }
            _ => {}
        }
        true
    }

    /// Takes a host's own answer.
    fn answer(&mut self, found: &mould::Found, at: Moment) {
        let state = &mut self.states[found.host as usize];
        let place = usize::from(found.attempt);
        let first = state.kind == Mark::None;
        if first {
            state.kind = Mark::of(found.kind);
            state.attempt = found.attempt;
            state.reply_ttl = found.reply_ttl;
            self.tally.answered += 1;
        } else if state.kind != Mark::of(found.kind) {
            // Two different answers: somebody else speaks in its name as well, perhaps on one of several ways.
            state.refused = true;
        }
        if state.back[place] == NOT_BACK {
            let ticks = at.as_nanos().saturating_sub(state.sent[place]) / TICK;
            state.back[place] = u32::try_from(ticks).unwrap_or(NOT_BACK - 1).min(NOT_BACK - 1);
            state.answered += 1;
        }
        let more = state.answered == state.tries && state.faults == 0 && state.tries < self.flows;
        if more && !state.refused && !state.settled {
            if self.want(found.host, at.as_nanos()) {
                self.deferred.push(Reverse((at.as_nanos(), found.host)));
            }
        } else {
            self.settle(found.host);
        }
    }

    fn settle(&mut self, host: HostId) {
        let state = &mut self.states[host as usize];
        if !state.settled {
            state.settled = true;
            self.tally.settled += 1;
            self.settled.push_back(host);
        }
    }

    /// The next host whose outcome is known.
    pub fn settled(&mut self) -> Option<HostId> {
        self.settled.pop_front()
    }

    /// Whether there is one.
    #[must_use]
    pub fn has_settled(&self) -> bool {
        !self.settled.is_empty()
    }

    /// How a host ended; `None` while it is waited for.
    ///
    /// # Panics
    /// If the id is of other hosts.
    #[must_use]
    pub fn outcome(&self, host: HostId) -> Option<Outcome> {
        let state = &self.states[host as usize];
        if !state.settled {
            return None;
        }
        Some(match state.kind.kind(self.hosts.is_v6()) {
            Some(kind) => {
                let place = usize::from(state.attempt);
                let at = state.sent[place] + u64::from(state.back[place]) * TICK;
                let at = Moment::from_nanos(at);
                Outcome::Answered(Answer { kind, reply_ttl: state.reply_ttl, at, attempt: state.attempt })
            }
            None if state.refused => Outcome::Refused,
            None if state.tries == 0 => Outcome::Unsent(self.fault),
            None => Outcome::Silent,
        })
    }

    /// Whether a host's answers leave no question: every packet was answered, in as many flows as were to be asked, and
    /// nothing spoke against it.
    ///
    /// # Panics
    /// If the id is of other hosts.
    #[must_use]
    pub fn is_plain(&self, host: HostId) -> bool {
        let state = &self.states[host as usize];
        let all = state.tries == self.flows && state.answered == state.tries && state.faults == 0;
        state.kind != Mark::None && !state.refused && all
    }

    /// The packets that left for a host, in order, each with its number among the tries.
    ///
    /// # Panics
    /// If the id is of other hosts.
    pub fn tries(&self, host: HostId) -> impl Iterator<Item = (u8, Try)> {
        let state = &self.states[host as usize];
        let left =
            (0..TRIES).zip(state.sent.into_iter().zip(state.back)).filter(|(_, (sent, _))| *sent != NEVER);
        left.map(move |(attempt, (sent, back))| {
            let rtt = (back != NOT_BACK).then(|| Duration::from_nanos(u64::from(back) * TICK));
            let number = self.mould.number(host, attempt);
            (attempt, Try { number, sent_at: Moment::from_nanos(sent), rtt })
        })
    }
}

#[cfg(test)]
mod tests;
