//! The answer, derived from kept evidence by rules in order, and never stored apart from it.
//!
//! A silent hop proves nothing: routers are silent, slow, or limited for many reasons. What proves something is a
//! **contrast**: at one and the same router, in coin-drawn pairs, the reference's probes are answered and the target's
//! are not. From that follows an interval, "behind this router and before that one", and from the interval a **set** of
//! ASes that may own the place. One AS is named only if the set has one member; where the evidence does not reach, the
//! answer is `inconclusive`, with the reason and the cheapest next step.
//!
//! * [`judge`]: a run and its attributed paths in, a [`Judgment`] out: the verdict now, and what would decide it
//! * `observe`: the record counted; `contrast`: how far the target got and where it is shown that it got no further;
//!   `owner`: who may own a router; `stats`: the paired test and the posterior; `facts`: all of it, worked out once
//! * [`balancers`]: which hops are several routers, and what chooses among them: for the reader, no rule asks it
//! * `rules`: the rules in order, each with a named test; `needs`: what is still to be measured; `words`: the sentences
//!
//! The location and its ownership are two different claims with two confidences. And neither says who ordered a loss:
//! the operator, equipment imposed on it, or the destination network itself (RFC 7999 blackhole).

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every one, in the order of the published contract.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word of the published contract.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }
    };
}

mod balance;
mod contrast;
mod facts;
mod needs;
mod observe;
mod owner;
mod rules;
pub mod stats;
mod words;

pub use balance::{BalancedBy, Balancer, balancers};
pub use rules::SUSPICIOUSLY_NEAR;
pub use words::how;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::number::Asn;
use crate::path::{Neighbours, Path};
use crate::trace::{Advice, Moment, Run};

/// What is asked: this run, with these paths.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The record.
    pub run: &'a Run,
    /// The target's path.
    pub target: &'a Path,
    /// The paths of everything it is compared with.
    pub references: &'a [Path],
    /// Which ASes of these paths are neighbours, as far as is known.
    pub neighbours: &'a Neighbours,
    /// Confidence asked for, as a share: 0.99 unless the user wants another.
    pub confidence: f64,
    /// When the question is put; only a run that goes on has to wait for anything.
    pub now: Moment,
    /// Others like this target were lost before the hop with this TTL. Pairs are asked for up to there first, and nothing
    /// that may prove needless while they are open: a wait that saves probes, where many measurements wait for the budgets
    /// of the same routers anyhow. It changes what is asked for, never what is concluded.
    pub taught: Option<u8>,
}

/// The verdict now, and what would make it a better one.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgment {
    /// What can be said.
    pub verdict: Verdict,
    /// What should be measured next.
    pub advice: Advice,
}

words! {
    /// What is concluded.
    Kind {
        /// The target answers from where it should stand.
        Reachable = "reachable",
        /// Lost between two routers that one AS owns.
        LostInsideAs = "lost_inside_as",
        /// Lost where two ASes meet: the egress of one, the link, or the ingress of the other.
        LostAtAsBorder = "lost_at_as_border",
        /// Lost somewhere among several ASes. A list, not an accusation.
        LostInAsRange = "lost_in_as_range",
        /// Lost in the destination's own network or at its edge.
        DestinationNetwork = "destination_network",
        /// Every router answers for the target as for the reference: the host is down, filters, or its answers are lost.
        HostOrReturnPath = "host_or_return_path",
        /// A device on the path says that it refuses.
        Rejected = "rejected",
        /// A device on the path answers in the target's name.
        Injected = "injected",
        /// A device near us answers for everybody.
        Intercepted = "intercepted",
        /// A loop, or a router that knows no route.
        RoutingFault = "routing_fault",
        /// Some flows arrive and others do not.
        Partial = "partial",
        /// Lost before the first public router: our own network or access line.
        Local = "local",
        /// Not enough to say; the reason tells why.
        Inconclusive = "inconclusive",
    }
}

words! {
    /// How packets are lost.
    Mechanism {
        /// They are not.
        None = "none",
        /// Dropped without a word.
        SilentDrop = "silent_drop",
        /// Refused by an ICMP message.
        IcmpReject = "icmp_reject",
        /// Refused by a TCP reset that the host did not send.
        TcpReset = "tcp_reset",
        /// Answered by somebody else in the host's name.
        ForgedAnswer = "forged_answer",
        /// Sent in circles.
        Loop = "loop",
        /// A router has no route.
        NoRoute = "no_route",
        /// It cannot be told.
        Unknown = "unknown",
    }
}

words! {
    /// What is lost.
    Scope {
        /// Everything to this address that was tried.
        Host = "host",
        /// One port: another port of the same host passes.
        Port = "port",
        /// One protocol: another protocol to the same host passes.
        Protocol = "protocol",
        /// The references' addresses as well.
        Prefix = "prefix",
        /// It was not tried, or cannot be told.
        Unknown = "unknown",
    }
}

words! {
    /// Why nothing can be concluded.
    Reason {
        /// There is nothing to compare with.
        NoReference = "no_reference",
        /// The reference does not get through either.
        ReferenceUnreachable = "reference_unreachable",
        /// The target's path leaves the reference's before anything is lost.
        ReferenceDiverges = "reference_diverges",
        /// No router behind the last one reached answers the reference.
        NoControlHop = "no_control_hop",
        /// The evidence is below the confidence asked for.
        Weak = "weak",
        /// Load balancing: too few flows, or no router where the branches meet again.
        EcmpUnresolved = "ecmp_unresolved",
        /// The route moved during the run.
        UnstableRoute = "unstable_route",
        /// Two observations exclude each other.
        Contradiction = "contradiction",
        /// The table cannot say whose routers these are.
        Mapping = "mapping",
        /// Something near us answers for everybody, so that nothing behind it can be seen.
        Intercepted = "intercepted",
        /// Routers answer too seldom at any rate.
        RateLimited = "rate_limited",
        /// The target answered at one time and not at another.
        TimeVarying = "time_varying",
        /// Our own host or its network does not let us measure.
        SelfCheck = "self_check",
        /// It depends on what one assumes beforehand.
        PriorSensitive = "prior_sensitive",
    }
}

impl Kind {
    /// Packets are lost, and somebody is named.
    #[must_use]
    pub const fn names_somebody(self) -> bool {
        matches!(
            self,
            Self::LostInsideAs
                | Self::LostAtAsBorder
                | Self::Rejected
                | Self::Injected
                | Self::RoutingFault
                | Self::Partial
        )
    }
}

/// The figures a verdict rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Coin-drawn pairs at the hop that decides, both fates known.
    pub pairs: u32,
    /// Those in which the target's probe was answered.
    pub target_answered: u32,
    /// Those in which the reference's probe was answered.
    pub reference_answered: u32,
    /// The paired test's e-value.
    pub e_value: f64,
    /// Posterior probability of the interval, under the usual assumptions.
    pub posterior: f64,
    /// Flows in which the target was probed at that hop.
    pub flows: u32,
    /// References that got through.
    pub references: u32,
}

/// Sizes of packets to the target, in bytes with the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketSize {
    /// As asked for.
    pub asked: u16,
    /// The conclusion says that packets of this size are lost.
    pub lost: Option<u16>,
    /// The largest that were answered.
    pub passes: Option<u16>,
}

/// What is concluded.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The conclusion.
    pub kind: Kind,
    /// The ASes that may own the place where packets stop, ascending.
    pub asns: Vec<Asn>,
    /// Their names, in the same order; empty where none is known.
    pub as_names: Vec<String>,
    /// TTL of the last router proven reached.
    pub after_ttl: Option<u8>,
    /// TTL of the first control hop proven not reached.
    pub before_ttl: Option<u8>,
    /// Address of the last router proven reached.
    pub after: Option<IpAddr>,
    /// Address of the first control hop proven not reached.
    pub before: Option<IpAddr>,
    /// How packets are lost.
    pub mechanism: Mechanism,
    /// What is lost.
    pub scope: Scope,
    /// How sure the place is, from 0 to 1.
    pub location_confidence: f64,
    /// How sure it is that these ASes own the place, from 0 to 0.98: no published mapping is right more often.
    pub attribution_confidence: f64,
    /// What keeps the place from being surer; none where nothing is claimed of it.
    pub location_limit: Option<String>,
    /// What keeps the owners from being surer; none where nobody is named.
    pub attribution_limit: Option<String>,
    /// What would raise the lower of the two.
    pub raise: Option<String>,
    /// The figures it rests on.
    pub figures: Figures,
    /// How long the target's packets were, where size was in question.
    pub packet_size: Option<PacketSize>,
    /// Why nothing is concluded; only with [`Kind::Inconclusive`].
    pub reason: Option<Reason>,
    /// One or two sentences for the reader's provider.
    pub summary: String,
    /// The cheapest thing to do next.
    pub next_step: Option<String>,
}

/// Judges a run. The same record judged twice gives the same answer; nothing else goes into it.
#[must_use]
pub fn judge(question: &Question<'_>) -> Judgment {
    let facts = facts::Facts::new(question);
    let draft = rules::apply(&facts);
    let advice = needs::advise(&facts, &draft);
    Judgment { verdict: words::verdict(&facts, draft), advice }
}
