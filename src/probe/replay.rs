//! The record of a run made anew from its packets.
//!
//! Every probe of ours carries its own name, keyed by the run's seed (see [`identity`](super::identity)), so that a
//! capture needs no index: who has the seed, the flows and the destinations can tell for every packet which probe it is,
//! and must find it equal, byte for byte, to the one that the engine would have composed. The replies are matched, and
//! waits given up, by the engine itself. What it makes of them is therefore what it made of them when they came, provided
//! that they are handed in in that order.

use super::engine::Engine;
use super::pace::Pace;
use super::plan::{Budget, Plan, PlanError};
use super::wire::Arrival;
use crate::trace::record;
use crate::trace::{Destination, DestinationId, Moment, Probe, ProbeId, ReferenceKind, Role, Run, Stage};

/// A run that is made anew.
#[derive(Debug)]
pub struct Replay {
    engine: Engine,
    /// Destinations that the run took in once the target's packets had been found too large, in order. The engine finds
    /// that anew, and makes a destination of those sent so far, as it did in the run.
    coming: Vec<Destination>,
}

/// What no packet says of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What it was sent for.
    pub stage: Stage,
    /// Sent together with.
    pub group: u32,
    /// It is one of the small packets that the target is compared with. Only where the target's own are no larger does no
    /// byte say so.
    pub small: bool,
}

impl Told {
    /// What the record says of a probe.
    #[must_use]
    pub fn of(probe: &Probe, run: &Run) -> Self {
        let small = run.destination(probe.destination).role == SMALL;
        Self { stage: probe.stage, group: probe.group, small }
    }
}

const SMALL: Role = Role::Reference(ReferenceKind::Small);

/// What was made of a packet of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retraced {
    /// It is this probe.
    Probe(ProbeId),
    /// It is none of this run.
    Foreign,
}

/// A packet that claims to be a probe of the run and is not, or not in its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The head describes no run that could have been made.
    #[error("the head of the record describes no run: {0}")]
    Plan(#[from] PlanError),
    /// The flows in the head are not those that its seed gives.
    #[error("the flows in the head of the record are not those that its seed gives")]
    Flows,
    /// A packet bears a probe's name, but the engine would have composed it otherwise.
    #[error("the packet of probe {probe} is not the one that the run would have sent: byte {byte} differs")]
    Altered {
        /// Which.
        probe: u32,
        /// The first byte that differs, from the IP header on.
        byte: usize,
    },
    /// Probes leave in the order of their numbers, each once.
    #[error("probe {probe} stands where probe {expected} should be")]
    Order {
        /// The one that is there.
        probe: u32,
        /// The one that should be.
        expected: u32,
    },
}

impl Replay {
    /// A run with the head of `head` (its probes are not looked at) in which a reply was waited for at most `wait`.
    ///
    /// # Errors
    /// [`ReplayError`] if no such run can have been made.
    pub fn new(head: &Run, wait: std::time::Duration) -> Result<Self, ReplayError> {
        let small = head.flows.iter().filter_map(|flow| flow.small);
        let mut plan = Plan {
            source: head.source,
            destinations: head.destinations.clone(),
            source_ports: head.flows.iter().map(|flow| flow.source).chain(small).collect(),
            first_ttl: head.first_ttl,
            max_ttl: head.max_ttl,
            wait,
            pace: Pace::default(),
            budget: Budget::default(),
            seed: head.seed,
        };
        plan.check()?;
        // The head is that of the end: the target's packets are as small there as they became.
        let lowered = |one: &Destination| one.role == Role::Outsized;
        let until = plan.destinations.iter().position(lowered).unwrap_or(plan.destinations.len());
        let coming = plan.destinations.split_off(until);
        if let (Some(target), Some(before)) = (plan.destinations.first_mut(), coming.first()) {
            target.size = before.size;
        }
        let engine = Engine::new(plan, head.started_at)?;
        if engine.run().flows != head.flows {
            return Err(ReplayError::Flows);
        }
        Ok(Self { engine, coming })
    }

    /// The record so far.
    #[must_use]
    pub const fn run(&self) -> &Run {
        self.engine.run()
    }

    /// Which probe of this run a packet is, if any, whatever its other bytes say.
    #[must_use]
    pub fn name(&self, packet: &[u8]) -> Option<ProbeId> {
        self.engine.identity().own(packet).map(|own| own.probe)
    }

    /// The packet of a probe that is sent now, as this run would send it: the probe as `record` has it at its end, and the
    /// `length` of its packet. `None` if the probe cannot be of this run.
    #[must_use]
    pub fn compose(&self, probe: &Probe, record: &Run, length: usize) -> Option<Vec<u8>> {
        let flow = usize::from(probe.flow.0) < self.run().flows.len();
        let identity = self.engine.identity();
        let packet = |to: DestinationId| identity.packet(probe.id, to, probe.flow, probe.ttl);
        let lowered = record.destinations.get(usize::from(probe.destination.0))?.role == Role::Outsized;
        let mut ids = (0..).map(DestinationId).zip(&self.run().destinations).filter(|(id, one)| {
            if lowered { matches!(one.role, Role::Target | Role::Outsized) } else { *id == probe.destination }
        });
        ids.find_map(|(to, _)| Some(packet(to)).filter(|packet| packet.len() == length)).filter(|_| flow)
    }

    /// Takes a packet that left at `at`; `told` says what no packet does, given which probe it is.
    ///
    /// # Errors
    /// [`ReplayError`] if it bears a probe's name without being it, or comes out of turn.
    pub fn sent(
        &mut self,
        at: Moment,
        packet: &[u8],
        told: impl FnOnce(ProbeId) -> Told,
    ) -> Result<Retraced, ReplayError> {
        let Some(own) = self.engine.identity().own(packet) else { return Ok(Retraced::Foreign) };
        let identity = self.engine.identity();
        let Told { stage, group, small } = told(own.probe);
        let role = |id: DestinationId| self.run().destination(id).role;
        let mut alike: Vec<_> =
            identity.alike(&own).map(|to| (to, identity.packet(own.probe, to, own.flow, own.ttl))).collect();
        // The first of those that fit best stays first.
        alike.sort_by_key(|(to, right)| {
            (right != packet, right.len() != packet.len(), (role(*to) == SMALL) != small)
        });
        let Some((destination, right)) = alike.into_iter().next() else { return Ok(Retraced::Foreign) };
        if right != packet {
            let differ = right.iter().zip(packet).position(|(one, other)| one != other);
            let byte = differ.unwrap_or_else(|| right.len().min(packet.len()));
            return Err(ReplayError::Altered { probe: own.probe.0, byte });
        }
        let expected = self.run().probes.len() as u32;
        if own.probe.0 != expected {
            return Err(ReplayError::Order { probe: own.probe.0, expected });
        }
        let probe = Probe {
            id: own.probe,
            destination,
            flow: own.flow,
            ttl: own.ttl,
            stage,
            group,
            sent_at: None,
            fault: None,
            given_up_at: None,
            replies: Vec::new(),
        };
        self.engine.retrace(probe, at);
        Ok(Retraced::Probe(own.probe))
    }

    /// Whether a probe can be the next one of this run.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, probe: &Probe) -> Result<(), String> {
        let place = self.target_now(probe.destination);
        record::check(&Probe { destination: place, ..probe.clone() }, self.run())
    }

    /// A destination as it is named now: what will be the target's packets that were too large are the target's still.
    fn target_now(&self, destination: DestinationId) -> DestinationId {
        let ahead = usize::from(destination.0).checked_sub(self.run().destinations.len());
        let coming = ahead.and_then(|ahead| self.coming.get(ahead));
        if coming.is_some_and(|one| one.role == Role::Outsized) { Run::TARGET } else { destination }
    }

    /// Takes a probe that did not leave, of which there is no packet. One of a destination that is still to come is the
    /// target's, whose packets become that destination's.
    ///
    /// # Errors
    /// [`ReplayError::Order`] if it comes out of turn.
    pub fn unsent(&mut self, mut probe: Probe) -> Result<(), ReplayError> {
        let expected = self.run().probes.len() as u32;
        probe.destination = self.target_now(probe.destination);
        if probe.id.0 != expected {
            return Err(ReplayError::Order { probe: probe.id.0, expected });
        }
        self.engine.retrace_unsent(probe);
        Ok(())
    }

    /// Takes a packet that came in, and says which probe it belongs to.
    pub fn received(&mut self, arrival: &Arrival) -> Option<ProbeId> {
        let before = self.run().destinations.len();
        let found = self.engine.hear(arrival.at, arrival);
        if self.run().destinations.len() > before && !self.coming.is_empty() {
            self.coming.remove(0);
            let until = self.coming.iter().position(|one| one.role == Role::Outsized);
            let next: Vec<_> = self.coming.drain(..until.unwrap_or(self.coming.len())).collect();
            self.engine.admit(next, std::time::Duration::ZERO);
        }
        found
    }

    /// The record, ended as the run that is retraced was: what no packet tells is taken from `head`.
    #[must_use]
    pub fn finish(self, head: &Run) -> Run {
        let mut run = self.engine.close(head.ended_at);
        run.end = head.end;
        run.strays = head.strays;
        run.losses = head.losses;
        run
    }
}
