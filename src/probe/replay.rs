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
use crate::trace::{Moment, Probe, ProbeId, Run, Stage};

/// A run that is made anew.
#[derive(Debug)]
pub struct Replay {
    engine: Engine,
}

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
        let plan = Plan {
            source: head.source,
            destinations: head.destinations.clone(),
            source_ports: head.flows.iter().map(|flow| flow.source).collect(),
            first_ttl: head.first_ttl,
            max_ttl: head.max_ttl,
            wait,
            pace: Pace::default(),
            budget: Budget::default(),
            seed: head.seed,
        };
        let engine = Engine::new(plan, head.started_at)?;
        if engine.run().flows != head.flows {
            return Err(ReplayError::Flows);
        }
        Ok(Self { engine })
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

    /// The packet of a probe, as this run would send it.
    ///
    /// # Panics
    /// If the probe is of another run.
    #[must_use]
    pub fn compose(&self, probe: &Probe) -> Vec<u8> {
        self.engine.identity().packet(probe.id, probe.destination, probe.flow, probe.ttl)
    }

    /// Takes a packet that left at `at`; `told` says why and in which group, given which probe it is.
    ///
    /// # Errors
    /// [`ReplayError`] if it bears a probe's name without being it, or comes out of turn.
    pub fn sent(
        &mut self,
        at: Moment,
        packet: &[u8],
        told: impl FnOnce(ProbeId) -> (Stage, u32),
    ) -> Result<Retraced, ReplayError> {
        let Some(own) = self.engine.identity().own(packet) else { return Ok(Retraced::Foreign) };
        let right = self.engine.identity().packet(own.probe, own.destination, own.flow, own.ttl);
        if right != packet {
            let differ = right.iter().zip(packet).position(|(one, other)| one != other);
            let byte = differ.unwrap_or_else(|| right.len().min(packet.len()));
            return Err(ReplayError::Altered { probe: own.probe.0, byte });
        }
        let expected = self.run().probes.len() as u32;
        if own.probe.0 != expected {
            return Err(ReplayError::Order { probe: own.probe.0, expected });
        }
        let (stage, group) = told(own.probe);
        let probe = Probe {
            id: own.probe,
            destination: own.destination,
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

    /// Takes a probe that did not leave, of which there is no packet.
    ///
    /// # Errors
    /// [`ReplayError::Order`] if it comes out of turn.
    pub fn unsent(&mut self, probe: Probe) -> Result<(), ReplayError> {
        let expected = self.run().probes.len() as u32;
        if probe.id.0 != expected {
            return Err(ReplayError::Order { probe: probe.id.0, expected });
        }
        self.engine.retrace_unsent(probe);
        Ok(())
    }

    /// Takes a packet that came in, and says which probe it belongs to.
    pub fn received(&mut self, arrival: &Arrival) -> Option<ProbeId> {
        self.engine.hear(arrival.at, arrival)
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
