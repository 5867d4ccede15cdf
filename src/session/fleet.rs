//! Several measurements on one wire and one thread: an engine each, and one purse for all.
//!
//! Each engine has source ports of its own, so that the port in a packet says whose it is. Their budgets are one
//! ([`Budgets::share`]): a router that is asked for eight targets is asked no faster than for one.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::Look;
use super::lesson::Lesson;
use crate::path::Atlas;
use crate::probe::pace::Budgets;
use crate::probe::{Arrival, Engine, Input, Output, Plan, PlanError, Transmit};
use crate::trace::{End, Moment, Protocol, Run, SendFault, SourcePorts, WallTime};

/// What a number (source port or identifier) belongs to; 0 is nobody.
type Owner = u8;

/// A measurement that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// What the caller called it.
    pub ticket: u32,
    /// Its record.
    pub run: Run,
    /// Its paths were looked at from the first hop on.
    pub whole: bool,
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Step {
    /// Send this and hand in what came of it with [`Fleet::sent`].
    Transmit(usize, Transmit),
    /// Nothing before this moment.
    Wait(Moment),
}

struct Ship {
    ticket: u32,
    /// When its run began, on the wire's clock.
    began: Duration,
    engine: Engine,
    look: Look,
    /// It need not be asked before; earlier if something comes in.
    wake: Moment,
}

/// All of them.
pub(super) struct Fleet {
    crews: Vec<Vec<SourcePorts>>,
    /// A place for each crew; empty while it has nothing to do.
    ships: Vec<Option<Ship>>,
    /// Crews at rest, the one that rests longest first: its ports are used again as late as can be.
    resting: VecDeque<usize>,
    /// Owner of each number of each protocol: the crew's place plus one.
    owners: HashMap<(Protocol, u16), Owner>,
    budgets: Budgets,
    confidence: f64,
    /// Whose turn it is.
    turn: usize,
}

impl Fleet {
    /// One place for each crew of source ports, no number twice; at most 255.
    pub fn new(crews: Vec<Vec<SourcePorts>>, budgets: Budgets, confidence: f64) -> Self {
        let mut owners = HashMap::new();
        for (place, crew) in crews.iter().enumerate() {
            for ports in crew {
                for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Icmp] {
                    owners.insert((protocol, ports.of(protocol)), Owner::try_from(place + 1).unwrap_or(0));
                }
            }
        }
        let count = crews.len();
        Self {
            crews,
            ships: (0..count).map(|_| None).collect(),
            resting: (0..count).collect(),
            owners,
            budgets,
            confidence,
            turn: 0,
        }
    }

    pub fn has_room(&self) -> bool {
        !self.resting.is_empty()
    }

    /// How many are under way.
    pub fn busy(&self) -> usize {
        self.crews.len() - self.resting.len()
    }

    /// Begins a measurement; its source ports are the fleet's. Needs room. `far` is how far its hosts are thought to be.
    pub fn begin(
        &mut self,
        ticket: u32,
        plan: Plan,
        far: Option<u8>,
        lesson: Option<Lesson>,
        now: Moment,
        started_at: WallTime,
    ) -> Result<(), PlanError> {
        let Some(&place) = self.resting.front() else { return Ok(()) };
        let began = now.since(Moment::START);
        let plan = Plan { source_ports: self.crews[place].clone(), ..plan };
        let engine = Engine::new(plan, started_at.at(now))?.paying_from(self.budgets.share(began));
        self.resting.pop_front();
        let look = Look::new(self.confidence, false).taught(far, lesson);
        self.ships[place] = Some(Ship { ticket, began, engine, look, wake: now });
        Ok(())
    }

    /// What to do at `now`; those that end go into `ended`.
    pub fn poll(&mut self, now: Moment, atlas: &mut Atlas<'_>, ended: &mut Vec<Ended>) -> Step {
        let mut wake = Moment::NEVER;
        let count = self.ships.len();
        for step in 0..count {
            let place = (self.turn + step) % count;
            let Some(ship) = self.ships[place].as_mut() else { continue };
            if ship.wake > now {
                wake = wake.min(ship.wake);
                continue;
            }
            let local = now - ship.began;
            loop {
                match ship.engine.poll(local) {
                    Output::Transmit(transmit) => {
                        self.turn = (place + 1) % count;
                        return Step::Transmit(place, transmit);
                    }
                    Output::Ask => {
                        let advice = ship.look.advise(ship.engine.run(), local, atlas, &mut |_| {});
                        ship.engine.handle(local, Input::Advice(&advice));
                    }
                    Output::Wait(until) => {
                        ship.wake = until + ship.began;
                        wake = wake.min(ship.wake);
                        break;
                    }
                    Output::Done(_) => {
                        self.land(place, ended);
                        break;
                    }
                }
            }
        }
        Step::Wait(wake)
    }

    fn land(&mut self, place: usize, ended: &mut Vec<Ended>) {
        if let Some(ship) = self.ships[place].take() {
            self.resting.push_back(place);
            ended.push(Ended { ticket: ship.ticket, run: ship.engine.into_run(), whole: ship.look.whole });
        }
    }

    /// What came of a packet.
    pub fn sent(&mut self, place: usize, now: Moment, outcome: Result<Moment, SendFault>) {
        if let Some(ship) = self.ships.get_mut(place).and_then(Option::as_mut) {
            let outcome = outcome.map(|at| at - ship.began);
            ship.engine.handle(now - ship.began, Input::Sent(outcome));
            ship.wake = now;
        }
    }

    /// Takes a packet that is about this number. Says whether it belongs to one under way.
    pub fn hear(&mut self, number: (Protocol, u16), now: Moment, arrival: &Arrival) -> bool {
        let owner = usize::from(self.owners.get(&number).copied().unwrap_or(0));
        let Some(ship) =
            owner.checked_sub(1).and_then(|place| self.ships.get_mut(place)).and_then(Option::as_mut)
        else {
            return false;
        };
        let arrival = Arrival { at: arrival.at - ship.began, packet: arrival.packet.clone() };
        let known = ship.engine.hear(now - ship.began, &arrival).is_some();
        if known {
            ship.wake = now;
        }
        known
    }

    /// Everybody stops where they are, as if the wire had broken.
    pub fn scatter(&mut self, ended: &mut Vec<Ended>) {
        for place in 0..self.ships.len() {
            self.land(place, ended);
        }
        for one in ended {
            one.run.end = Some(End::Interrupted);
        }
    }
}
