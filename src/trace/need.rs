//! What the reader of a run still wants measured.
//!
//! The verdict knows what would decide it; the engine knows what the network may be asked now. They speak through this
//! list: the reader states the whole of what it still lacks, and states it anew whenever it has learned something.

use super::{DestinationId, FlowId, Moment, Stage};

/// Whom a probe goes to, and along which 5-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The destination.
    pub destination: DestinationId,
    /// The flow.
    pub flow: FlowId,
}

/// One group of probes that would tell the reader something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Probed back to back in an order drawn by coin for each group: one for a single probe, two for a pair.
    pub members: Vec<Member>,
    /// TTL of every member; `None` for a full TTL.
    pub ttl: Option<u8>,
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
    /// Ask again at this moment even if nothing has changed by then.
    pub ask_again_at: Option<Moment>,
}
