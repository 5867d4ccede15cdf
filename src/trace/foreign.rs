//! What another tool wrote of a path, as far as it wrote it: the form in which imported traces enter.
//!
//! Nothing is made up. A tool that gives totals has hops with totals and no replies; one that prints names only has no
//! addresses; an AS number in its text is its claim, made from another table on another day, and stays one. What the text
//! does not say is `None`, and what could not be read is a [`Finding`] with its line.

use std::net::IpAddr;

use super::{MplsLabel, Protocol, ReplyKind};

/// One path that another tool recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForeignTrace {
    /// Which tool, and where in the file.
    pub origin: Provenance,
    /// Where it was measured from.
    pub vantage: ForeignVantage,
    /// The destination in the words of the file; empty where the format has none (tracepath).
    pub target: String,
    /// Its address.
    pub address: Option<IpAddr>,
    /// What the probes were.
    pub protocol: Option<Protocol>,
    /// Destination port.
    pub port: Option<u16>,
    /// Bytes of a probe with its IP header.
    pub size: Option<u16>,
    /// When it began, in nanoseconds since 1970-01-01 UTC.
    pub started_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// By ascending TTL, each once.
    pub hops: Vec<ForeignHop>,
    /// The destination answered for itself; `None` where the format does not tell.
    pub reached: Option<bool>,
    /// What went wrong on the machine that measured, in its own words (`sendto: Network is unreachable`).
    pub failure: Option<String>,
    /// What a reader should know of this import.
    pub findings: Vec<Finding>,
}

/// Which tool wrote a trace, and where it stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The family: `traceroute`, `mtr`, `cisco`, `atlas`, `globalping`, `scamper`, `tracert` and so on.
    pub format: &'static str,
    /// Which of its kinds: `linux`, `bsd`, `ios`, `json`, `warts`, a language and so on; empty where there is but one.
    pub dialect: String,
    /// The program's version, where it is written.
    pub version: Option<String>,
    /// The first and the last line (of binary formats: record), counted from 1.
    pub lines: Option<(u64, u64)>,
}

/// Where a foreign trace was measured from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignVantage {
    /// A name: the host in an mtr report, a probe's city and network.
    pub label: Option<String>,
    /// The address on its interface.
    pub source: Option<IpAddr>,
    /// The address under which the world saw it.
    pub public: Option<IpAddr>,
    /// The AS that the file says it is in.
    pub asn: Option<u32>,
    /// That AS's name in the file.
    pub network: Option<String>,
    /// ISO 3166 code of the country.
    pub country: Option<String>,
    /// Number of the probe in its measurement network.
    pub probe: Option<u64>,
    /// Number or name of the measurement that it is part of.
    pub measurement: Option<String>,
}

/// One TTL of a foreign trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForeignHop {
    /// TTL or hop limit.
    pub ttl: u8,
    /// Probes sent, where the format tells or shows it.
    pub sent: Option<u32>,
    /// Probes answered.
    pub answered: Option<u32>,
    /// Who answered, in order of appearance.
    pub responders: Vec<ForeignResponder>,
}

/// One sender of replies at a TTL: an address, or a name where there is only that.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForeignResponder {
    /// Its address.
    pub address: Option<IpAddr>,
    /// Its name in the file, without the address.
    pub name: Option<String>,
    /// Its replies, where the format gives single ones; empty where it only gives totals.
    pub replies: Vec<ForeignReply>,
    /// Totals, where the format gives those and no single replies.
    pub stats: Option<ForeignStats>,
    /// AS numbers that the file gives: claims.
    pub claims: Vec<u32>,
    /// Label stack, top first.
    pub mpls: Vec<MplsLabel>,
}

/// One reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForeignReply {
    /// Round trip in milliseconds.
    pub rtt_ms: Option<f64>,
    /// What it was; `None` where the format does not tell.
    pub kind: Option<ReplyKind>,
    /// The mark as it stands in the text: `!X`, `!A`.
    pub mark: Option<String>,
    /// TTL that the reply arrived with.
    pub reply_ttl: Option<u8>,
    /// TTL in the quoted packet.
    pub quoted_ttl: Option<u8>,
    /// The quoted destination, if it is not the one asked: somebody translated it on the way.
    pub rewritten_to: Option<IpAddr>,
}

/// Totals of one responder at one TTL; times in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ForeignStats {
    /// Replies.
    pub received: Option<u32>,
    /// Shortest round trip.
    pub best: Option<f64>,
    /// Mean.
    pub avg: Option<f64>,
    /// Longest.
    pub worst: Option<f64>,
}

/// Something that a reader should know: a line not understood, a value that was mended, a doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line (of binary formats: record), counted from 1; `None` if it is about the whole.
    pub line: Option<u64>,
    /// What it is.
    pub text: String,
}

/// The most of each that is kept of a foreign trace; whatever comes beyond is left out with a finding.
pub mod most {
    /// Replies at a TTL.
    pub const REPLIES: usize = 1024;
    /// Addresses at a TTL.
    pub const RESPONDERS: usize = 64;
    /// Labels of a stack.
    pub const LABELS: usize = 16;
    /// Findings of a trace.
    pub const FINDINGS: usize = 200;
    /// Bytes of a name.
    pub const NAME: usize = 255;
}

impl ForeignTrace {
    /// Adds a finding, unless there are too many already.
    pub fn note(&mut self, line: Option<u64>, text: impl Into<String>) {
        if self.findings.len() < most::FINDINGS {
            self.findings.push(Finding { line, text: text.into() });
        }
    }

    /// Whether the destination answered for itself, and the lowest TTL at which it did. What the format says goes first; else
    /// an answer from the destination's address that is no refusal (RFC 792: a host says of itself that a port or a
    /// protocol is unreachable).
    #[must_use]
    pub fn arrived(&self) -> (bool, Option<u8>) {
        // Where the target has no address, who has the name that was asked for is it.
        let named = |one: &ForeignResponder| {
            one.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(&self.target))
        };
        let own = |one: &&ForeignResponder| match self.address {
            Some(_) => one.address == self.address,
            None => named(one),
        };
        let arrives = |reply: &ForeignReply| match reply.kind {
            None => reply.mark.is_none(),
            Some(kind) => kind.is_terminal() || kind.is_port_unreachable(),
        };
        let answers = |one: &ForeignResponder| {
            one.replies.iter().any(arrives) || (one.replies.is_empty() && one.stats.is_some())
        };
        let at = self.hops.iter().find(|hop| hop.responders.iter().filter(own).any(answers));
        match self.reached {
            Some(false) => (false, None),
            said => {
                let at = at.map(|hop| hop.ttl);
                (said.unwrap_or(at.is_some()), at)
            }
        }
    }

    /// The hop at `ttl`, made if it is not there; hops stay in ascending order.
    pub fn hop_mut(&mut self, ttl: u8) -> &mut ForeignHop {
        let at = match self.hops.binary_search_by_key(&ttl, |hop| hop.ttl) {
            Ok(at) => at,
            Err(at) => {
                self.hops.insert(at, ForeignHop { ttl, ..ForeignHop::default() });
                at
            }
        };
        &mut self.hops[at]
    }
}

impl ForeignHop {
    /// The responder with this address, or, without one, this name; made if it is not there and there is room.
    pub fn responder_mut(
        &mut self,
        address: Option<IpAddr>,
        name: Option<&str>,
    ) -> Option<&mut ForeignResponder> {
        let same = |one: &ForeignResponder| match address {
            Some(_) => one.address == address,
            None => one.address.is_none() && one.name.as_deref() == name,
        };
        let at = match self.responders.iter().position(same) {
            Some(at) => at,
            None if self.responders.len() < most::RESPONDERS => {
                self.responders.push(ForeignResponder {
                    address,
                    name: name.map(str::to_owned),
                    ..ForeignResponder::default()
                });
                self.responders.len() - 1
            }
            None => return None,
        };
        self.responders.get_mut(at)
    }
}
