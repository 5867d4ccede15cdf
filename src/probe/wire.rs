//! What carries probes and replies: real sockets, the simulator or a capture.

use std::net::IpAddr;

use crate::trace::{InterfaceObject, Losses, Moment, MplsLabel, ProbeId, ReplyKind, Run, SendFault};

/// A probe ready to leave: one complete IP packet, header and checksums included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Which probe it is.
    pub probe: ProbeId,
    /// Destination address, as in the packet.
    pub destination: IpAddr,
    /// The packet from the IP header on.
    pub packet: Vec<u8>,
}

/// A packet that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When: the kernel's stamp where there is one. May lie before the moment it is handed over.
    pub at: Moment,
    /// The packet from the IP header on. Where the kernel keeps the header to itself (IPv6 raw sockets), the wire
    /// rebuilds it from the ancillary data, with flow label 0.
    pub packet: Vec<u8>,
}

/// What the operating system tells of a reply that it keeps to itself: where there are no raw sockets, it takes the packet
/// and says what it made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// When the reply came in: the kernel's stamp where there is one.
    pub at: Moment,
    /// The packet of ours that it is about, as it was handed to [`Wire::send`]; empty where it is about none.
    pub about: Vec<u8>,
    /// It is about exactly this packet; else about some packet of the same flow.
    pub exact: bool,
    /// Who sent the reply.
    pub from: IpAddr,
    /// What it is.
    pub kind: ReplyKind,
    /// TTL or hop limit it arrived with, where that is told.
    pub reply_ttl: Option<u8>,
    /// RFC 4950 label stack.
    pub mpls: Vec<MplsLabel>,
    /// RFC 5837 objects.
    pub interfaces: Vec<InterfaceObject>,
}

/// What a wait ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A packet came in. There may be more.
    Packet(Arrival),
    /// The operating system tells of one. There may be more.
    Notice(Box<Notice>),
    /// The deadline passed.
    Quiet,
    /// The user asked to stop (Ctrl-C).
    Interrupted,
}

/// The wire is broken for good, as opposed to one packet that could not be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireFault {
    /// Receiving failed.
    #[error("cannot {operation}: {source}")]
    Io {
        /// What was tried, such as `receive ICMP`.
        operation: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// Whose packets these are: a measurement may lend its wire to a search for references.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The measurement itself.
    Measurement,
    /// The search that it waits for, a run of its own.
    Search,
}

/// What the engine has just made of a packet.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// This probe has left.
    Sent {
        /// Which.
        probe: ProbeId,
        /// As it left, from the IP header on.
        packet: &'a [u8],
    },
    /// This probe could not be sent; its fault is in the run.
    Unsent(ProbeId),
    /// This packet came in and belongs to a probe.
    Received {
        /// Which.
        probe: ProbeId,
        /// As it came.
        arrival: &'a Arrival,
    },
    /// Nothing more is sent for now.
    Ended,
}

/// What carries probes and replies.
///
/// One clock: the moments of `now`, `send` and the arrivals' `at` are of the same kind and start with the wire.
pub trait Wire {
    /// The time now.
    fn now(&mut self) -> Moment;

    /// Sends one packet and says when it left.
    ///
    /// # Errors
    /// [`SendFault`] if it did not leave. The wire stays usable.
    fn send(&mut self, transmit: &Transmit) -> Result<Moment, SendFault>;

    /// Waits for a packet until `until`; a past deadline still collects what has already arrived.
    ///
    /// # Errors
    /// [`WireFault`] if nothing can be received any more.
    fn wait(&mut self, until: Moment) -> Result<Heard, WireFault>;

    /// What the receiving side lost so far.
    fn losses(&mut self) -> Losses;

    /// Told of every packet that counts, in the order in which the engine took them, with the record as it is then. Only
    /// a wire that keeps a capture does anything with it.
    fn record(&mut self, part: Part, run: &Run, record: Record<'_>) {
        let _ = (part, run, record);
    }
}
