//! Very many hosts asked once: who answers at all.
//!
//! Most targets of a long list answer, and a packet is enough to see it. This room finds those, so that only the rest is
//! measured as one target is: path, pairs, verdict. It draws no conclusion of its own; what it saw of a host becomes the
//! record of a run ([`Sweep::tries`]) that the same rules read.
//!
//! Like the engine it opens no socket and asks for no time: [`poll`](Sweep::poll) says what to do now,
//! [`hear`](Sweep::hear) takes what came. Each host is asked by one packet with a full TTL, and up to twice again while it
//! is silent, from another source port each time. An answer names its packet by a key ([`mould`]), so that there is no book
//! of packets under way; a host takes some forty bytes however many of them are.
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
    /// TCP or ICMP; UDP answers carry no key.
    pub protocol: Protocol,
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
    /// SYN-ACK, RST or echo reply.
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
}

/// What is kept of a host.
#[derive(Clone, Copy, Debug)]
struct State {
    sent: [u64; TRIES as usize],
    answered_at: u64,
    kind: Mark,
    reply_ttl: u8,
    /// The try that was answered.
    attempt: u8,
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
}

impl Mark {
    const fn of(kind: ReplyKind) -> Self {
        match kind {
            ReplyKind::SynAck => Self::SynAck,
            ReplyKind::Rst => Self::Rst,
            ReplyKind::EchoReply => Self::Echo,
            _ => Self::None,
        }
    }

    const fn kind(self) -> Option<ReplyKind> {
        match self {
            Self::None => None,
            Self::SynAck => Some(ReplyKind::SynAck),
            Self::Rst => Some(ReplyKind::Rst),
            Self::Echo => Some(ReplyKind::EchoReply),
        }
    }
}

/// A packet that did not leave.
const NEVER: u64 = u64::MAX;

const FRESH: State = State {
    sent: [NEVER; TRIES as usize],
    answered_at: 0,
    kind: Mark::None,
    reply_ttl: 0,
    attempt: 0,
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
}

/// The machine.
#[derive(Debug)]
pub struct Sweep {
    hosts: Hosts,
    mould: Mould,
    wait: Duration,
    order: Order,
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
                if self.is_open(host) {
                    match self.states[host as usize] {
                        State { tries, faults, .. } if tries + faults < TRIES => {
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
            if self.next < self.order.count() {
                let host = self.order.at(self.next) as HostId;
                self.next += 1;
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
        match found.kind {
            ReplyKind::SynAck | ReplyKind::Rst | ReplyKind::EchoReply => {
                if state.kind == Mark::None {
                    state.kind = Mark::of(found.kind);
                    state.answered_at = arrival.at.as_nanos();
                    state.attempt = found.attempt;
                    state.reply_ttl = found.reply_ttl;
                    self.tally.answered += 1;
                    self.settle(found.host);
                } else if state.kind != Mark::of(found.kind) && state.attempt == found.attempt {
                    // Two different answers to one packet: somebody else speaks in its name as well.
                    state.refused = true;
                }
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
        Some(match state.kind.kind() {
            Some(kind) => Outcome::Answered(Answer {
                kind,
                reply_ttl: state.reply_ttl,
                at: Moment::from_nanos(state.answered_at),
                attempt: state.attempt,
            }),
            None if state.refused => Outcome::Refused,
            None if state.tries == 0 => Outcome::Unsent(self.fault),
            None => Outcome::Silent,
        })
    }

    /// Whether a host's answer leaves no question: the first packet was answered, and nothing spoke against it.
    ///
    /// # Panics
    /// If the id is of other hosts.
    #[must_use]
    pub fn is_plain(&self, host: HostId) -> bool {
        let state = &self.states[host as usize];
        state.kind != Mark::None && !state.refused && state.tries == 1 && state.faults == 0
    }

    /// The packets that left for a host, in order, each with its number among the tries.
    ///
    /// # Panics
    /// If the id is of other hosts.
    pub fn tries(&self, host: HostId) -> impl Iterator<Item = (u8, Try)> {
        let state = &self.states[host as usize];
        (0..TRIES).zip(state.sent).filter(|(_, sent)| *sent != NEVER).map(move |(attempt, sent)| {
            (attempt, Try { number: self.mould.number(host, attempt), sent_at: Moment::from_nanos(sent) })
        })
    }
}

#[cfg(test)]
mod tests;
