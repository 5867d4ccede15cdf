//! What one full measurement teaches the next ones: where its target was lost.
//!
//! Thousands of blocked hosts are mostly blocked at a few places. A pair whose like was lost behind some router need not
//! be followed there from the first hop on: it is asked at that router first, and from there (Donnet et al. 2005 begin
//! their traces in the middle for the same reason). Nothing that others' probes drew enters the pair's record or its
//! verdict. A lesson only says where to look first, and it has to hold again: the same router answers target and
//! reference, the target is heard nowhere behind it, and the conclusion, drawn from the pair's own probes, is the same.
//! Where any of this fails, the pair is followed from the first hop on like the first one was.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::number::Asn;
use crate::probe::scout::Waypoint;
use crate::sweep::HostId;
use crate::trace::{ReplyKind, Run};
use crate::verdict::{Kind, Mechanism, Verdict};

/// Most lessons that are remembered; beyond that all are forgotten and learned anew.
const MOST: usize = 65_536;

/// Where a target was lost.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lesson {
    /// The last router that it reached, which its reference passes at the same distance.
    router: IpAddr,
    ttl: u8,
    /// TTL of the first router that it was proven not to reach.
    before: u8,
    /// At which TTL that reference stood.
    end: Option<u8>,
    kind: Kind,
    mechanism: Mechanism,
    asns: Vec<Asn>,
}

impl Lesson {
    /// What a measurement from the first hop on teaches, if others can be lost in the same way.
    pub fn of(run: &Run, verdict: &Verdict) -> Option<Self> {
        let lost = matches!(
            verdict.kind,
            Kind::LostInsideAs | Kind::LostAtAsBorder | Kind::LostInAsRange | Kind::DestinationNetwork
        );
        let (router, ttl, before) = (verdict.after?, verdict.after_ttl?, verdict.before_ttl?);
        let end = run.references().next().and_then(|id| run.reached(id).1);
        let Verdict { kind, mechanism, ref asns, .. } = *verdict;
        lost.then(|| Self { router, ttl, before, end, kind, mechanism, asns: asns.clone() })
    }

    /// The same for a pair with another reference.
    fn elsewhere(&self) -> Self {
        Self { end: None, ..self.clone() }
    }

    pub const fn waypoint(&self) -> Waypoint {
        Waypoint { ttl: self.ttl, end: self.end }
    }

    pub const fn before(&self) -> u8 {
        self.before
    }

    /// Whether the target was heard where it should not be: from its own name, or behind the router.
    pub fn is_refuted(&self, run: &Run) -> bool {
        run.probes_to(Run::TARGET).any(|probe| {
            let far = probe.ttl > self.ttl;
            probe.replies.iter().any(|reply| far || reply.from != self.router)
        })
    }

    /// Whether target and reference were both answered by the router, and the reference's host answers.
    pub fn holds(&self, run: &Run) -> bool {
        let Some(reference) = run.references().next() else { return false };
        let passes = |id| {
            run.probes_to(id).filter(|probe| probe.ttl == self.ttl).any(|probe| {
                let exceeded = |kind| matches!(kind, ReplyKind::TimeExceeded);
                probe.replies.iter().any(|reply| exceeded(reply.kind) && reply.from == self.router)
            })
        };
        passes(Run::TARGET) && passes(reference) && run.reached(reference).0
    }

    /// Whether a verdict says the same.
    pub fn is_of(&self, verdict: &Verdict) -> bool {
        (self.kind, self.mechanism, Some(self.router)) == (verdict.kind, verdict.mechanism, verdict.after)
            && self.asns == verdict.asns
    }
}

/// Whom a target is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Likeness {
    /// It has the same reference.
    Reference(HostId),
    /// It is of the same announced prefix.
    Prefix(IpNetwork),
    /// It is of the same network.
    As(Asn),
    /// It is measured from the same place.
    Any,
}

/// All lessons of a batch.
#[derive(Debug, Default)]
pub(super) struct Lessons(HashMap<Likeness, Lesson>);

impl Lessons {
    /// What is known of the first of these that something is known of.
    pub fn about(&self, alike: &[Likeness]) -> Option<Lesson> {
        let (one, lesson) = alike.iter().find_map(|one| Some((one, self.0.get(one)?)))?;
        Some(if matches!(one, Likeness::Reference(_)) { lesson.clone() } else { lesson.elsewhere() })
    }

    /// Takes a lesson for all these.
    pub fn learn(&mut self, alike: &[Likeness], lesson: &Lesson) {
        if self.0.len() > MOST {
            self.0.clear();
        }
        for one in alike {
            self.0.insert(*one, lesson.clone());
        }
    }
}
