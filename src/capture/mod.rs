//! Packets kept, and what can be made of them again: pcapng out, pcapng and pcap in.
//!
//! A verdict that nobody can check is an opinion. So the packets themselves are kept: every probe as it left, every reply
//! that belongs to one as it came, in the order in which the engine took them, with nanoseconds. Other people's packets
//! are not kept, only counted: a capture that is handed to an ISP must hold nothing of anybody else.
//!
//! * [`Tap`]: a wire that keeps what passes, in memory and, streaming, in a file that is readable at any moment
//! * [`Log`]: what was kept; written once more at the end, with the hops marked that the verdict rests on
//! * [`read`]: any capture file, ours or another program's, down to the IP packets
//! * [`replay`]: the record of the run made anew: each packet must be the probe it claims to be, byte for byte, and each
//!   reply is matched by the code that matched it live. [`replay_beside`] does so with what another program captured
//!
//! What a packet cannot say (why a probe was sent, and with which others) stands in its comment, and what no packet can
//! say (the seed, who was to be probed, how long was waited) in the comments of section and statistics, as JSON. IPv6
//! headers of replies are rebuilt from what the kernel tells of them, as [`Arrival`](crate::probe::Arrival) says.

mod file;
mod log;
mod note;
mod pcapng;
mod replay;
mod tap;

pub use file::{Capture, CaptureError, Packet, read};
pub use log::{Event, Log};
pub use note::CaptureHead;
pub use pcapng::About;
pub use replay::{Fault, Replayed, replay, replay_beside};
pub use tap::Tap;
