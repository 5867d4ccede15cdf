//! Both sides of a domain's mail: what is usual of each, and what they show together.
//!
//! Mail that comes in and mail that goes out pass by different hosts. A network that drops packets to the first and lets those
//! to the second through cuts incoming mail alone, which nobody notices who only sends; so both are told side by side.

use serde_json::{Value, json};

use super::args;
use crate::net::Family;
use crate::trace::schema::Document;

/// The port of mail between servers (RFC 5321 §4.5.4.2).
const SMTP: u16 = 25;

/// A side of a domain's mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Hosts that take mail: `--mx`.
    Incoming,
    /// Hosts that send it: `--spf`.
    Outgoing,
}

impl Side {
    /// As documents have it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
        }
    }

    /// Sets what to probe with where nobody has said: TCP to port 25 of a host that takes mail; ICMP echo to one that sends,
    /// which often has no port open and drops what comes to closed ones.
    pub fn usual(self, probing: &mut args::Probing) {
        if probing.icmp || probing.udp || probing.port.is_some() {
            return;
        }
        match self {
            Self::Incoming => probing.port = Some(SMTP),
            Self::Outgoing if probing.tcp => probing.port = Some(SMTP),
            Self::Outgoing => probing.icmp = true,
        }
    }
}

/// The version of IP of the measurement: IPv4 unless something says otherwise.
pub fn family(probing: &args::Probing) -> Family {
    match (probing.ipv4, probing.ipv6, probing.way.source) {
        (false, true, _) => Family::V6,
        (false, false, Some(source)) => Family::of(source),
        _ => Family::V4,
    }
}

/// A conclusion, with both sides beside each other where both were measured: hosts, and how many of them answer.
pub fn with_sides(conclusion: Option<Value>, runs: &[Document]) -> Option<Value> {
    let count = |side: Side| {
        let of_side = || runs.iter().filter(|run| run.mail.as_deref() == Some(side.word()));
        let answers = |run: &&Document| run.verdict.as_ref().is_some_and(|one| one.kind == "reachable");
        (of_side().count(), of_side().filter(answers).count())
    };
    // A run that concludes nothing, or did not begin, is no proof of a loss.
    let is_lost = |run: &Document| {
        run.verdict.as_ref().is_some_and(|one| !matches!(one.kind.as_str(), "reachable" | "inconclusive"))
    };
    let of = |side: Side| runs.iter().filter(move |run| run.mail.as_deref() == Some(side.word()));
    let all_lost = of(Side::Incoming).all(is_lost);
    let protocols: std::collections::BTreeSet<_> =
        of(Side::Incoming).chain(of(Side::Outgoing)).map(|run| (run.protocol.as_deref(), run.port)).collect();
    let (incoming, outgoing) = (count(Side::Incoming), count(Side::Outgoing));
    let mut conclusion = conclusion?;
    if incoming.0 == 0 || outgoing.0 == 0 {
        return Some(conclusion);
    }
    let told = match (incoming, outgoing) {
        ((_, 0), (_, 1..)) if all_lost => {
            "no host that takes mail answers, and hosts that send it do: incoming mail alone is cut"
        }
        ((_, 0), (_, 1..)) => {
            "no host that takes mail answers, and hosts that send it do; not all of that is conclusive"
        }
        ((all, some), (_, 1..)) if some == all => "hosts of both sides answer",
        ((_, 1..), (_, 0)) => "hosts that take mail answer, and none that sends it does",
        ((_, 0), (_, 0)) => "no host of either side answers",
        _ => "some hosts that take mail do not answer, and hosts that send it do",
    };
    let summary = format!(
        "{} of {} measurements of hosts that take mail reach them, {} of {} of hosts that send it: {told}",
        incoming.1, incoming.0, outgoing.1, outgoing.0
    );
    let summary = match protocols.len() {
        0 | 1 => summary,
        _ => format!(
            "{summary} (asked by different protocols: whoever blocks port {SMTP} for everybody looks the same; -T asks both sides alike)"
        ),
    };
    let side = |(all, some): (usize, usize)| json!({"runs": all, "reachable": some});
    if let Some(object) = conclusion.as_object_mut() {
        object.insert(
            "mail".to_owned(),
            json!({"incoming": side(incoming), "outgoing": side(outgoing), "summary": summary}),
        );
    }
    Some(conclusion)
}
