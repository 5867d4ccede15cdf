//! Comments of a capture: words for whoever opens it, and what a replay must know beside the packets.

use serde::{Deserialize, Serialize};

use crate::probe::{Part, Told};
use crate::trace::record::Head;
use crate::trace::{Destination, Probe, ProbeId, ReferenceKind, Reply, ReplyKind, Role, Run, Stage};

/// The value of `schema` in the head of a capture.
pub const SCHEMA: &str = "lasthop.capture/1";
/// Begins the further parts of a comment that is too long for one option.
pub const CONTINUED: &str = "\u{2026}";
const SEARCH: &str = "search ";
const UNSENT: &str = "not sent: ";
const SMALL: &str = "the target, by small packets,";

/// What no packet says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaptureHead {
    /// `lasthop.capture/1`.
    pub schema: String,
    /// Of the measurement.
    pub measurement: Head,
    /// Of the search for references, if one was made.
    pub search: Option<Head>,
}

/// What a packet's comments say of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// It is this probe.
    Sent { part: Part, probe: ProbeId, told: Told },
    /// It answers this probe.
    Received { part: Part, probe: ProbeId },
    /// Before it, this probe did not leave.
    Unsent { part: Part, probe: Box<Probe> },
    /// What is known from here on.
    Head(Box<CaptureHead>),
    /// Words.
    Other,
}

const STAGES: [(Stage, &str); 5] = [
    (Stage::Reach, "reach"),
    (Stage::Scout, "scout"),
    (Stage::Breadth, "breadth"),
    (Stage::Confirm, "confirm"),
    (Stage::Close, "close"),
];

const fn part_word(part: Part) -> &'static str {
    match part {
        Part::Measurement => "",
        Part::Search => SEARCH,
    }
}

const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Target => "the target",
        Role::Reference(ReferenceKind::Small) => SMALL,
        Role::Reference(_) => "the reference",
        Role::Variant => "the target's other port",
        Role::Check => "the far host",
        Role::Outsized => "the target, larger than its path takes,",
    }
}

/// The comment of a probe.
pub fn sent(part: Part, probe: &Probe, to: &Destination) -> String {
    let stage = STAGES.iter().find(|(stage, _)| *stage == probe.stage).map_or("other", |(_, word)| word);
    let port = to.port.map_or(String::new(), |port| format!(" port {port}"));
    // In a search everybody but the target may become a reference.
    let role =
        if part == Part::Search && to.role != Role::Target { "a neighbour" } else { role_word(to.role) };
    format!(
        "{}probe {}: to {role} {}{port}, TTL {}, flow {}, {stage}, group {}",
        part_word(part),
        probe.id.0,
        to.address,
        probe.ttl,
        probe.flow.0,
        probe.group
    )
}

/// The comment of a reply.
pub fn received(part: Part, probe: &Probe, reply: &Reply) -> String {
    let late = if reply.late { ", too late" } else { "" };
    let again = if reply.duplicate { ", again" } else { "" };
    format!(
        "{}probe {} answered: {} from {} after {:.3} ms{late}{again}",
        part_word(part),
        probe.id.0,
        kind(reply.kind),
        reply.from,
        reply.rtt.as_secs_f64() * 1e3
    )
}

fn kind(kind: ReplyKind) -> String {
    match kind {
        ReplyKind::TimeExceeded => "time exceeded".to_owned(),
        ReplyKind::Unreachable { icmp_type, code } => format!("unreachable ({icmp_type}/{code})"),
        ReplyKind::TooBig { mtu } => format!("too big for an MTU of {mtu}"),
        ReplyKind::SynAck => "SYN-ACK".to_owned(),
        ReplyKind::Rst => "RST".to_owned(),
        ReplyKind::EchoReply => "echo reply".to_owned(),
        ReplyKind::UdpAnswer => "UDP".to_owned(),
        ReplyKind::OtherIcmp { icmp_type, code } => format!("ICMP {icmp_type}/{code}"),
    }
}

/// The comment, at the next packet, of a probe that did not leave.
pub fn unsent(part: Part, probe: &Probe) -> String {
    format!("{}{UNSENT}{}", part_word(part), serde_json::to_string(probe).unwrap_or_default())
}

/// The head of a capture as a comment.
pub fn head(measurement: Head, search: Option<Head>) -> String {
    let head = CaptureHead { schema: SCHEMA.to_owned(), measurement, search };
    serde_json::to_string(&head).unwrap_or_default()
}

/// The comment of a packet that the verdict rests on, if it is one: a reply of the last router reached, or of the first
/// one not reached.
pub fn mark(
    run: &Run,
    probe: ProbeId,
    reply: &Reply,
    ends: [(&str, Option<(u8, std::net::IpAddr)>); 2],
) -> Option<String> {
    let ttl = run.probe(probe).ttl;
    let fits = |end: Option<(u8, std::net::IpAddr)>| end == Some((ttl, reply.from));
    ends.into_iter().find(|(_, end)| fits(*end)).map(|(words, _)| format!("verdict: {words}, hop {ttl}"))
}

/// Puts comments that were too long for one option together again.
pub fn joined(comments: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    for comment in comments {
        match (comment.strip_prefix(CONTINUED), whole.last_mut()) {
            (Some(more), Some(last)) => last.push_str(more),
            _ => whole.push(comment),
        }
    }
    whole
}

/// Reads a comment. What is no note of ours is [`Note::Other`].
pub fn parse(comment: &str) -> Note {
    if comment.starts_with('{') {
        let head: Option<CaptureHead> = serde_json::from_str(comment).ok();
        return head
            .filter(|head| head.schema == SCHEMA)
            .map_or(Note::Other, |head| Note::Head(Box::new(head)));
    }
    let (part, rest) = match comment.strip_prefix(SEARCH) {
        Some(rest) => (Part::Search, rest),
        None => (Part::Measurement, comment),
    };
    if let Some(probe) = rest.strip_prefix(UNSENT).and_then(|json| serde_json::from_str(json).ok()) {
        return Note::Unsent { part, probe };
    }
    named(part, rest).unwrap_or(Note::Other)
}

fn named(part: Part, text: &str) -> Option<Note> {
    let rest = text.strip_prefix("probe ")?;
    let digits = rest.find(|one: char| !one.is_ascii_digit())?;
    let (number, rest) = rest.split_at(digits);
    let probe = ProbeId(number.parse().ok()?);
    if rest.starts_with(" answered: ") {
        return Some(Note::Received { part, probe });
    }
    let rest = rest.strip_prefix(": ")?;
    let small = rest.strip_prefix("to ").is_some_and(|rest| rest.starts_with(SMALL));
    let mut fields = rest.rsplit(", ");
    let group = fields.next()?.strip_prefix("group ")?.parse().ok()?;
    let word = fields.next()?;
    let (stage, _) = STAGES.iter().find(|(_, known)| *known == word)?;
    Some(Note::Sent { part, probe, told: Told { stage: *stage, group, small } })
}
