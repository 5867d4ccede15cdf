//! What the reader of a run still wants measured.
//!
//! The verdict knows what would decide it; the engine knows what the network may be asked now. They speak through this
//! list: the reader states the whole of what it still lacks, and states it anew whenever it has learned something.

use super::{DestinationId, FlowId, Stage};

/// How a need is filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Probed back to back in an order drawn by coin for each group: one id for a single probe, target and reference
    /// for a pair.
    pub members: Vec<DestinationId>,
    /// TTL of every member; `None` for a full TTL.
    pub ttl: Option<u8>,
    /// Flow of every member.
    pub flow: FlowId,
}

/// One group of probes that would tell the reader something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What to send.
    pub shape: Shape,
    /// Why it is sent; it is written into the probes.
    pub stage: Stage,
}

/// What a reader makes of a run so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// The groups still wanted, most wanted first. Groups already sent are not repeated here.
    pub needs: Vec<Need>,
    /// Nothing more would change the conclusion. Ends the run even while replies are awaited.
    pub decided: bool,
}
