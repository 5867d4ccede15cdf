//! The observation record: what was sent, what came back, and nothing concluded.
//!
//! Both wings of the program meet here and only here. One measures and fills a [`Run`]; the other reads it, and cannot
//! tell whether the run came from a real network, the simulator, a capture or another tool's output.
//!
//! * [`Run`]: one measurement: its [`Destination`]s, [`Flow`]s and [`Probe`]s, each probe with **every** [`Reply`]
//! * [`Hop`]: the replies of one destination at one TTL, counted; this is all an imported trace may have
//! * [`foreign`]: what another tool wrote of a path
//! * [`Need`]: what the reader of a run still wants measured, in the measurer's words
//! * [`record`]: a run line by line, for programs and as evidence (`lasthop.probes/1`)
//! * [`schema`]: the one versioned JSON form (`lasthop.run/1`)
//!
//! Times are [`Moment`]s: monotonic, since the run began. The wall clock is written once, in [`Run::started_at`].

pub mod foreign;
mod hop;
mod need;
mod probe;
pub mod record;
mod reply;
mod run;
pub mod schema;
mod time;

pub use hop::{Hop, ReplyCounts, Responder, Rtt, Unreachable, hops};
pub use need::{Advice, Member, Need};
pub use probe::{FULL_TTL, Probe, ProbeId, SendFault, Stage};
pub use reply::{
    InterfaceObject, InterfaceRole, MplsLabel, Quoted, Reply, ReplyKind, TcpReply, hops_back, initial_ttl,
};
pub use run::{
    Destination, DestinationId, End, Flow, FlowId, Losses, Protocol, ReferenceKind, Role, Run, SourcePorts,
    Strays, TooBig,
};
pub use time::{Moment, WallTime};
