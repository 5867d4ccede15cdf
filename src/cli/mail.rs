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

/// What the runs of a side came to.
#[derive(Default)]
struct Tally {
    runs: usize,
    reachable: usize,
    /// Those that concluded nothing, or did not begin, are no proof of a loss.
    lost: usize,
}

impl Tally {
    fn of(side: Side, runs: &[Document]) -> Self {
        let mut tally = Self::default();
        for run in runs.iter().filter(|run| run.mail.as_deref() == Some(side.word())) {
            tally.runs += 1;
            match run.verdict.as_ref().map_or("inconclusive", |verdict| verdict.kind.as_str()) {
                "reachable" => tally.reachable += 1,
                "inconclusive" => {}
                _ => tally.lost += 1,
            }
        }
        tally
    }

    fn json(&self) -> Value {
        json!({"runs": self.runs, "reachable": self.reachable})
    }
}

/// A conclusion, with both sides beside each other where both were measured: hosts, and how many of them answer.
pub fn with_sides(conclusion: Option<Value>, runs: &[Document]) -> Option<Value> {
    let mut conclusion = conclusion?;
    let [incoming, outgoing] = [Side::Incoming, Side::Outgoing].map(|side| Tally::of(side, runs));
    if incoming.runs == 0 || outgoing.runs == 0 {
        return Some(conclusion);
    }
    let told = match (incoming.reachable, outgoing.reachable) {
        (0, 0) => "no host of either side answers",
        (0, _) if incoming.lost == incoming.runs => {
            "no host that takes mail answers, and hosts that send it do: incoming mail alone is cut"
        }
        (0, _) => "no host that takes mail answers, and hosts that send it do; not all of that is conclusive",
        (_, 0) => "hosts that take mail answer, and none that sends it does",
        (some, _) if some == incoming.runs => "hosts of both sides answer",
        _ => "some hosts that take mail do not answer, and hosts that send it do",
    };
    let mut summary = format!(
        "{} of {} measurements of hosts that take mail reach them, {} of {} of hosts that send it: {told}",
        incoming.reachable, incoming.runs, outgoing.reachable, outgoing.runs
    );
    let asked = |run: &&Document| run.mail.is_some();
    let by = |run: &Document| (run.protocol.clone(), run.port);
    let mut ways = runs.iter().filter(asked).map(by);
    let first = ways.next();
    if ways.any(|way| Some(way) != first) {
        summary.push_str(&format!(
            " (asked by different protocols: whoever blocks port {SMTP} for everybody looks the same; -T asks both sides alike)"
        ));
    }
    if let Some(object) = conclusion.as_object_mut() {
        object.insert(
            "mail".to_owned(),
            json!({"incoming": incoming.json(), "outgoing": outgoing.json(), "summary": summary}),
        );
    }
    Some(conclusion)
}
