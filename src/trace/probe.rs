//! One packet of ours, and all that came back for it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DestinationId, FlowId, Moment, Reply};

/// The TTL of a probe that is meant to reach its host: what Linux gives its own packets.
pub const FULL_TTL: u8 = 64;

/// A probe's place in [`Run::probes`](super::Run::probes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProbeId(pub u32);

/// Why a probe was sent (the stages of the method).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// With a full TTL: does the host answer at all?
    Reach,
    /// One probe a TTL: what does the path look like?
    Scout,
    /// Other flows and repeated silent hops.
    Breadth,
    /// A member of a coin-drawn pair at a hop that decides.
    Confirm,
    /// At the end, to see that nothing moved.
    Close,
}

/// Why the network layer did not take a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SendFault {
    /// No route to the destination (ENETUNREACH, EHOSTUNREACH).
    NoRoute,
    /// The local firewall or a missing privilege forbids it (EPERM, EACCES).
    Denied,
    /// No buffer space for now (ENOBUFS, EAGAIN); worth another try.
    Full,
    /// The interface is down or gone (ENETDOWN, ENODEV, ENXIO, EADDRNOTAVAIL).
    InterfaceDown,
    /// Larger than the interface takes (EMSGSIZE).
    TooBig,
    /// Another error, by its `errno`.
    Other(i32),
}

impl fmt::Display for SendFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute => f.write_str("no route"),
            Self::Denied => f.write_str("refused by this host's own firewall or rights"),
            Self::Full => f.write_str("no buffer space"),
            Self::InterfaceDown => f.write_str("the interface is down or gone"),
            Self::TooBig => f.write_str("larger than the interface's MTU"),
            Self::Other(errno) => {
                let words = std::io::Error::from_raw_os_error(*errno).to_string();
                f.write_str(words.split(" (os error").next().unwrap_or(&words))
            }
        }
    }
}

/// One packet of ours, and all that came back for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Its place in the run.
    pub id: ProbeId,
    /// Who it was sent to.
    pub destination: DestinationId,
    /// The 5-tuple it used.
    pub flow: FlowId,
    /// TTL or hop limit it left with.
    pub ttl: u8,
    /// Why it was sent.
    pub stage: Stage,
    /// Probes with the same number were sent back to back in coin-drawn order, to be compared with each other.
    pub group: u32,
    /// When it left; `None` if it never did.
    pub sent_at: Option<Moment>,
    /// Why it did not leave.
    pub fault: Option<SendFault>,
    /// When the wait for it ended without an answer. A reply after that is [late](Reply::late).
    pub given_up_at: Option<Moment>,
    /// Everything that came back, in order of arrival.
    pub replies: Vec<Reply>,
}

impl Probe {
    /// Whether it left this host.
    #[must_use]
    pub const fn was_sent(&self) -> bool {
        self.sent_at.is_some()
    }

    /// Whether anything came back for it, however late.
    #[must_use]
    pub fn was_answered(&self) -> bool {
        !self.replies.is_empty()
    }

    /// Whether it left, and either was answered or has been given up: nothing more is expected of it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.was_answered() || self.given_up_at.is_some() || self.fault.is_some()
    }

    /// The first reply.
    #[must_use]
    pub fn first_reply(&self) -> Option<&Reply> {
        self.replies.first()
    }
}
