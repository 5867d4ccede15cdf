//! The measuring side without its instruments: what to send next, and what an arrived packet means.
//!
//! The [`Engine`] opens no socket and asks for no time. `now` comes in with each input, packets go out as bytes, and a
//! [`Wire`] carries them: real sockets (`net`), the simulator (`sim`), or a capture that is replayed. A measurement of
//! forty seconds is therefore a test of a millisecond.
//!
//! * [`Plan`]: the checked request: whom to probe, how, how fast, how long
//! * [`identity`]: which header fields carry a probe's name, and how a reply is matched to it
//! * [`pace`]: the budgets: packets a second in all, per router and per host
//! * [`Engine`]: sends what is needed as fast as the budgets allow, keeps every reply
//! * [`scout`]: the needs every measurement begins with: does the host answer, and along which path
//! * [`Replay`]: the record of a run made anew from its packets, by the engine that made it
//! * [`drive`]: the loop between an engine, a wire and a [`Guide`] that says what is needed next

mod drive;
mod engine;
pub mod identity;
pub mod pace;
mod plan;
mod replay;
pub mod scout;
pub mod wire;

pub use drive::{Guide, carry_on, drive};
pub use engine::{Engine, Input, Output};
pub use plan::{Budget, Plan, PlanError, small_control, variants};
pub use replay::{Replay, ReplayError, Retraced, Told};
pub use wire::{Arrival, Heard, Notice, Part, Record, Transmit, Wire, WireFault};
