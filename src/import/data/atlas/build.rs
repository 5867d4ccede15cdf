//! What a result means: which probe an answer belongs to, and what kind of answer it is.

use std::net::IpAddr;

use super::raw::{Item, Raw, RawHop};
use crate::import::data::words::seconds;
use crate::import::text;
use crate::trace::foreign::{
    ForeignHop, ForeignReply, ForeignResponder, ForeignTrace, ForeignVantage, Provenance, most,
};
use crate::trace::{Protocol, ReplyKind};

/// The TTL of the one last try after more than five silent hops: no distance.
const LAST_DITCH: i64 = 255;

/// A clock that was set longer ago than this, in seconds, may be wrong.
const SYNCED: i64 = 60;

/// Firmware that sent the output of a classic traceroute.
const CLASSIC: i64 = 1;

/// The trace of a result.
pub(super) fn trace(raw: &mut Raw, lines: (u64, u64)) -> ForeignTrace {
    let mut trace = start(raw, lines);
    if raw.classic.is_empty() {
        let strays = settle(raw);
        structured(raw, strays, &mut trace);
    } else {
        classic(raw, &mut trace);
    }
    if raw.left > 0 {
        trace.note(Some(lines.0), format!("{} values beyond the most that is kept are left out", raw.left));
    }
    trace
}

fn start(raw: &mut Raw, lines: (u64, u64)) -> ForeignTrace {
    let mut target = std::mem::take(&mut raw.name);
    let address = raw.address.or_else(|| target.parse().ok());
    if let (true, Some(address)) = (target.is_empty(), address) {
        target = address.to_string();
    }
    // What Atlas calls size is what follows the ICMP or UDP header. Of TCP its documents do not say.
    let headers = match (raw.protocol, address) {
        (Some(Protocol::Icmp | Protocol::Udp), Some(IpAddr::V4(_))) => Some(28),
        (Some(Protocol::Icmp | Protocol::Udp), Some(IpAddr::V6(_))) => Some(48),
        _ => None,
    };
    let size =
        raw.size.zip(headers).and_then(|(size, headers)| u16::try_from(size.checked_add(headers)?).ok());
    let mut trace = ForeignTrace {
        origin: Provenance {
            format: "atlas",
            dialect: String::new(),
            version: raw.firmware.map(|firmware| firmware.to_string()),
            lines: Some(lines),
        },
        vantage: ForeignVantage {
            source: raw.source,
            public: raw.public,
            probe: raw.probe,
            measurement: raw.measurement.map(|number| number.to_string()),
            ..ForeignVantage::default()
        },
        target,
        address,
        protocol: raw.protocol,
        size,
        started_at: raw.began.and_then(seconds),
        ended_at: raw.ended.and_then(seconds),
        ..ForeignTrace::default()
    };
    match raw.synced {
        Some(..0) => {
            trace.note(None, "the probe did not know how well its clock was set: its times may be wrong")
        }
        Some(ago) if ago > SYNCED => {
            trace
                .note(None, format!("the probe's clock had been set {ago} s before: its times may be wrong"));
        }
        _ => {}
    }
    trace
}

/// Answers that belong to no probe of the result.
#[derive(Clone, Copy, Debug, Default)]
struct Strays {
    second: u32,
    early: u32,
}

/// Gives each answer to the probe that it belongs to, and counts the probes of each hop.
///
/// A probe is numbered when its fate is written down, so that `late: n` in the list is an answer to the probe that many
/// before the one whose turn it is.
fn settle(raw: &mut Raw) -> Strays {
    let mut strays = Strays::default();
    let mut probes: Vec<(u32, bool)> = Vec::with_capacity(raw.items.len());
    let mut moved = false;
    for at in 0..raw.hops.len() {
        let items = raw.hops[at].items.clone();
        for item in &mut raw.items[items] {
            if item.dup {
                strays.second += 1;
            } else if item.late > 0 {
                let probe = probes.len().checked_sub(item.late as usize).map(|probe| &mut probes[probe]);
                match probe {
                    Some((_, true)) => strays.second += 1,
                    Some((hop, answered)) => {
                        *answered = true;
                        item.hop = Some(*hop);
                        moved |= *hop != at as u32;
                        raw.hops[*hop as usize].answered += 1;
                    }
                    None => strays.early += 1,
                }
            } else {
                let answered = item.from.is_some();
                probes.push((at as u32, answered));
                item.hop = Some(at as u32);
                // What could not be sent has a number and was no probe.
                raw.hops[at].sent += u32::from(item.error.is_none());
                raw.hops[at].answered += u32::from(answered);
            }
        }
        if raw.hops[at].error.is_some() {
            probes.push((at as u32, true));
        }
    }
    if moved {
        regroup(raw);
    }
    strays
}

/// Puts the answers of each hop together again after some were given to others.
fn regroup(raw: &mut Raw) {
    raw.items.sort_by_key(|item| item.hop.unwrap_or(u32::MAX));
    let mut from = 0;
    for (at, hop) in raw.hops.iter_mut().enumerate() {
        let length = raw.items[from..].iter().take_while(|item| item.hop == Some(at as u32)).count();
        hop.items = from..from + length;
        from += length;
    }
}

fn structured(raw: &Raw, strays: Strays, trace: &mut ForeignTrace) {
    let line = trace.origin.lines.map(|(first, _)| first);
    let last = raw.hops.len().saturating_sub(1);
    trace.hops.reserve_exact(raw.hops.len().min(255));
    let mut before = None;
    let mut reached = false;
    for (at, hop) in raw.hops.iter().enumerate() {
        if let Some(error) = hop.error {
            fail(trace, line, hop.ttl, &raw.texts[error as usize]);
        }
        for error in raw.items[hop.items.clone()].iter().filter_map(|item| item.error) {
            fail(trace, line, hop.ttl, &raw.texts[error as usize]);
        }
        let reading = Reading { raw, hop, ends: at == last };
        match hop.ttl {
            None => {
                if hop.error.is_none() && raw.items[hop.items.clone()].iter().all(|item| item.error.is_none())
                {
                    trace.note(line, "a hop without a number is left out");
                }
            }
            Some(LAST_DITCH) if before != Some(LAST_DITCH - 1) => {
                reached |= reading.last_ditch(trace, line);
            }
            Some(ttl @ 1..=255) => {
                if hop.sent > 0 || !hop.items.is_empty() {
                    reading.add(trace, line, ttl as u8);
                }
                before = Some(ttl);
            }
            Some(ttl) => trace.note(line, format!("hop {ttl} is left out: there is no such TTL")),
        }
    }
    if strays.second > 0 {
        let text = format!("{} second answers to probes already answered are not counted", strays.second);
        trace.note(line, text);
    }
    if strays.early > 0 {
        trace.note(
            line,
            format!("{} late answers are to probes from before this result: left out", strays.early),
        );
    }
    if trace.address.is_some() && trace.hops.iter().any(|hop| hop.sent != Some(0)) {
        trace.reached = Some(reached || trace.arrived().0);
    }
}

/// Something went wrong at the probe, which says nothing of the path.
fn fail(trace: &mut ForeignTrace, line: Option<u64>, ttl: Option<i64>, error: &str) {
    if let Some(ttl) = ttl {
        trace.note(line, format!("hop {ttl}: at the probe: {error}"));
    }
    trace.failure.get_or_insert_with(|| error.to_owned());
}

/// One hop of a result.
struct Reading<'a> {
    raw: &'a Raw,
    hop: &'a RawHop,
    /// It is the last of the result.
    ends: bool,
}

impl Reading<'_> {
    fn items(&self) -> &[Item] {
        &self.raw.items[self.hop.items.clone()]
    }

    /// The last try after long silence shows whether the destination answers, and at no distance.
    fn last_ditch(&self, trace: &mut ForeignTrace, line: Option<u64>) -> bool {
        let mut scratch = ForeignTrace { address: trace.address, ..ForeignTrace::default() };
        self.add(&mut scratch, None, 255);
        let who: Vec<String> = scratch.hops[0]
            .responders
            .iter()
            .filter_map(|one| one.address)
            .map(|one| one.to_string())
            .collect();
        let (reached, _) = scratch.arrived();
        let text = match (reached, &who[..]) {
            (true, _) => {
                "after silent hops the probe asked once more with TTL 255, and the target answered".to_owned()
            }
            (false, []) => "after silent hops the probe asked once more with TTL 255: no answer".to_owned(),
            (false, _) => {
                format!(
                    "after silent hops the probe asked once more with TTL 255: answers from {}",
                    who.join(", ")
                )
            }
        };
        trace.note(line, text);
        trace.findings.extend(scratch.findings);
        reached
    }

    fn add(&self, trace: &mut ForeignTrace, line: Option<u64>, ttl: u8) {
        if trace.hops.last().is_none_or(|hop| hop.ttl < ttl) {
            let mut hop = ForeignHop { ttl, sent: Some(0), answered: Some(0), responders: Vec::new() };
            self.fill(trace, line, &mut hop);
            trace.hops.push(hop);
            return;
        }
        trace.note(line, format!("hop {ttl} stands after a later one or twice"));
        trace.hop_mut(ttl);
        let Some(at) = trace.hops.iter().position(|hop| hop.ttl == ttl) else { return };
        let mut hop = std::mem::take(&mut trace.hops[at]);
        self.fill(trace, line, &mut hop);
        trace.hops[at] = hop;
    }

    fn fill(&self, trace: &mut ForeignTrace, line: Option<u64>, hop: &mut ForeignHop) {
        let items = self.items();
        hop.sent = Some(hop.sent.unwrap_or(0) + self.hop.sent);
        hop.answered = Some(hop.answered.unwrap_or(0) + self.hop.answered);
        let passed_on = self.passed_on(trace.address);
        if passed_on {
            let text = "the target's address answered and the probe went on: these were times exceeded, not its own answers";
            trace.note(line, format!("hop {}: {text}", hop.ttl));
        }
        let (mut unclear, mut crowded) = (0, 0);
        for item in items {
            let Some(address) = item.from.filter(|_| item.hop.is_some()) else {
                unclear += u32::from(!item.silent && item.error.is_none() && item.hop.is_some());
                continue;
            };
            let kind = self.kind(item, address, trace.address, passed_on);
            if let Some(translated) = item.edst.filter(|to| Some(*to) != trace.address) {
                let new = !hop
                    .responders
                    .iter()
                    .flat_map(|one| &one.replies)
                    .any(|one| one.rewritten_to == Some(translated));
                if new {
                    trace.note(line, format!("hop {}: its answer quotes {translated} as the destination: translated on the way", hop.ttl));
                }
            }
            let reply = ForeignReply {
                rtt_ms: item.rtt,
                kind,
                mark: item.err.map(|at| self.raw.texts[at as usize].clone()),
                reply_ttl: item.ttl,
                quoted_ttl: item.ittl,
                rewritten_to: item.edst,
            };
            let (from, length) = item.labels;
            let stack = &self.raw.labels[from as usize..from as usize + usize::from(length)];
            let at = match hop.responders.iter().position(|one| one.address == Some(address)) {
                Some(at) => at,
                None if hop.responders.len() < most::RESPONDERS => {
                    let replies = Vec::with_capacity(items.len().min(most::REPLIES));
                    hop.responders.push(ForeignResponder {
                        address: Some(address),
                        replies,
                        ..ForeignResponder::default()
                    });
                    hop.responders.len() - 1
                }
                None => {
                    crowded += 1;
                    continue;
                }
            };
            let one = &mut hop.responders[at];
            if one.mpls.is_empty() && !stack.is_empty() {
                one.mpls = stack.to_vec();
            }
            if one.replies.len() < most::REPLIES {
                one.replies.push(reply);
            } else {
                crowded += 1;
            }
        }
        if unclear > 0 {
            trace.note(
                line,
                format!("hop {}: {unclear} entries say neither who answered nor that nobody did", hop.ttl),
            );
        }
        if crowded > 0 {
            trace.note(
                line,
                format!("hop {}: {crowded} answers beyond the most that is kept are left out", hop.ttl),
            );
        }
    }

    /// Whether the target's address answered every probe of a hop and the trace still went on, which it does only if a
    /// time exceeded was among them: a router on the way that bears the address, or answers in its name.
    fn passed_on(&self, target: Option<IpAddr>) -> bool {
        let own = |item: &Item| {
            item.from == target && item.err.is_none() && item.flags.is_none() && item.mtu.is_none()
        };
        let mut items = self.items().iter().filter(|item| !item.dup && item.late == 0).peekable();
        !self.ends && target.is_some() && items.peek().is_some() && items.all(own)
    }

    /// What an answer was. Atlas writes the code of an unreachable, the flags of a TCP answer, and nothing for the rest.
    fn kind(&self, item: &Item, from: IpAddr, target: Option<IpAddr>, passed_on: bool) -> Option<ReplyKind> {
        let six = from.is_ipv6();
        if let Some(at) = item.err {
            return unreachable(&self.raw.texts[at as usize], six);
        }
        if let Some(mtu) = item.mtu {
            return Some(ReplyKind::TooBig { mtu });
        }
        if let Some(flags) = item.flags {
            return match flags {
                _ if flags & 4 != 0 => Some(ReplyKind::Rst),
                _ if flags & 18 == 18 => Some(ReplyKind::SynAck),
                _ => None,
            };
        }
        let port = if six {
            ReplyKind::Unreachable { icmp_type: 1, code: 4 }
        } else {
            ReplyKind::Unreachable { icmp_type: 3, code: 3 }
        };
        if Some(from) != target {
            // Who says "port unreachable" in another's name ends a UDP or TCP trace and looks the same.
            let unsure = self.ends && self.raw.protocol != Some(Protocol::Icmp);
            return (!unsure).then_some(ReplyKind::TimeExceeded);
        }
        match self.raw.protocol {
            _ if passed_on => Some(ReplyKind::TimeExceeded),
            Some(Protocol::Icmp) if item.quotes => Some(ReplyKind::TimeExceeded),
            Some(Protocol::Icmp) => Some(ReplyKind::EchoReply),
            Some(Protocol::Udp | Protocol::Tcp) => Some(port),
            None => None,
        }
    }
}

/// The codes of `err`: letters for those that traceroute has letters for, numbers for the rest.
fn unreachable(err: &str, six: bool) -> Option<ReplyKind> {
    let icmp_type = if six { 1 } else { 3 };
    let code = match (err, six) {
        ("N", _) => 0,
        ("H", false) => 1,
        ("H", true) => 3,
        ("h", true) => 2,
        ("A", false) => 13,
        ("A", true) => 1,
        ("P", false) => 2,
        ("p", false) => 3,
        ("p", true) => 4,
        _ => err.parse().ok()?,
    };
    Some(ReplyKind::Unreachable { icmp_type, code })
}

/// The text of a classic traceroute with ` NEWLINE ` where its lines end.
fn classic(raw: &Raw, trace: &mut ForeignTrace) {
    let line = trace.origin.lines.map(|(first, _)| first);
    trace.origin.dialect = "classic".to_owned();
    if raw.firmware.is_some_and(|firmware| firmware != CLASSIC) {
        trace.note(line, "a text where firmware of this version sends a list");
    }
    let text = unfolded(&raw.classic);
    let Some(read) = text::traces(&text).into_iter().next() else {
        trace.note(line, "the text of this result is not understood");
        return;
    };
    trace.hops = read.hops;
    trace.reached = read.reached;
    trace.address = trace.address.or(read.address);
    trace.protocol = trace.protocol.or(read.protocol);
    trace.failure = read.failure;
    if trace.target.is_empty() {
        trace.target = read.target;
    }
    for finding in read.findings {
        trace.note(line, finding.text);
    }
}

/// A text of several lines that was sent as one.
pub(super) fn unfolded(text: &str) -> String {
    let lines: Vec<&str> =
        text.split("NEWLINE").map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n")
}
