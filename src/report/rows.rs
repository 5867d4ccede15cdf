//! What every writer shows of a path: the rows of its hops, where they end, and the marks of its replies.

use std::net::IpAddr;

use unicode_width::UnicodeWidthChar;

use super::escape::{clip, clip_to};
use crate::trace::schema::{Document, Hop, Path, Responder};

/// A path as it is shown: without what lies behind its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane<'a> {
    /// The path.
    pub path: &'a Path,
    /// The hop that refuses, if nothing but refusals came from behind it: every probe with a higher TTL was stopped by
    /// the same device.
    pub refused_at: Option<u8>,
    /// The TTL behind which it shows nothing: its host's distance, the hop that refuses, or one silent hop behind the last
    /// that answered.
    pub last: Option<u8>,
}

impl<'a> Lane<'a> {
    pub fn of(path: &'a Path) -> Self {
        let refuses = |hop: &&Hop| hop.responders.iter().any(|one| !one.replies.unreachable.is_empty());
        let first = path.hops.iter().find(refuses).filter(|_| path.distance.is_none()).map(|hop| hop.ttl);
        let refused_at = first.filter(|first| {
            let mut behind = path.hops.iter().filter(|hop| hop.ttl > *first).flat_map(|hop| &hop.responders);
            behind.all(|one| replies(one) == refusals(one))
        });
        let answered = path.hops.iter().rev().find(|hop| !hop.responders.is_empty()).map_or(0, |hop| hop.ttl);
        let probed = path.hops.last().map(|hop| hop.ttl);
        let last = probed
            .map(|probed| path.distance.or(refused_at).unwrap_or(probed.min(answered.saturating_add(1))));
        Self { path, refused_at, last }
    }

    /// The hop at that TTL; none behind the one that refuses.
    pub fn hop(&self, ttl: u8) -> Option<&'a Hop> {
        if self.refused_at.is_some_and(|end| ttl > end) {
            return None;
        }
        self.path.hops.iter().find(|hop| hop.ttl == ttl)
    }

    /// The hops that are shown.
    pub fn hops(&self) -> impl Iterator<Item = &'a Hop> {
        let last = self.last.unwrap_or(0);
        self.path.hops.iter().filter(move |hop| hop.ttl <= last)
    }

    /// The hop that a refused path ends with, and what is said there: by whom, and traceroute's mark.
    pub fn refusal(&self) -> Option<(u8, String)> {
        let ttl = self.refused_at?;
        let one = self.hop(ttl)?.responders.iter().find(|one| !one.replies.unreachable.is_empty())?;
        let row = one.replies.unreachable.first()?;
        let who = one.address.map_or_else(|| "a router".to_owned(), |address| address.to_string());
        let says = match (row.icmp_type, row.code) {
            (3, 3) | (1, 4) => "port unreachable, in the host's place".to_owned(),
            (icmp_type, code) => {
                let mark = mark(icmp_type, code);
                let words = match mark.as_str() {
                    "!N" => "network unreachable",
                    "!H" => "host unreachable",
                    "!P" => "protocol unreachable",
                    "!X" => "communication administratively prohibited",
                    _ => "destination unreachable",
                };
                format!("{words} ({mark})")
            }
        };
        Some((ttl, format!("{who} answers {says}")))
    }

    /// How the path ends, in words.
    pub fn end(&self) -> String {
        let refusal = self.refusal().map(|(ttl, words)| format!("refused at hop {ttl}: {words}"));
        match (self.path.reached, self.path.distance) {
            (true, Some(distance)) => format!("reached at hop {distance}"),
            (true, None) => match refusal {
                Some(refusal) => format!("{refusal}; reached on another flow"),
                None => "reached, beyond the hops shown".to_owned(),
            },
            (false, _) => refusal.unwrap_or_else(|| "not reached".to_owned()),
        }
    }

    /// [`Self::end`] of a path that is compared with none.
    pub fn end_alone(&self) -> String {
        match self.end() {
            end if end == "not reached" => {
                format!("{end}; a silent hop alone says nothing: compare with a reference (lasthop diagnose)")
            }
            end => end,
        }
    }

    /// The last hop that answered, and its nearest responder.
    pub fn last_answer(&self) -> Option<(u8, &'a Responder)> {
        let mut hops = self.path.hops.iter().rev().filter(|hop| hop.ttl <= self.last.unwrap_or(0));
        hops.find_map(|hop| hop.responders.first().map(|one| (hop.ttl, one)))
    }
}

/// One row of a table: a TTL and one address seen there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    /// The TTL.
    pub ttl: u8,
    /// Who answered there: the first path's responder, where several paths have the address.
    pub responder: Option<&'a Responder>,
    /// Its address; none where nobody answered.
    pub address: Option<IpAddr>,
}

/// The rows that a set of paths makes: each TTL, each address seen there, in order of appearance.
pub(crate) fn rows<'a>(lanes: &[Lane<'a>]) -> Vec<Row<'a>> {
    let last = lanes.iter().filter_map(|lane| lane.last).max().unwrap_or(0);
    let first = lanes.iter().filter_map(|lane| lane.path.hops.first()).map(|hop| hop.ttl).min().unwrap_or(1);
    let mut rows: Vec<Row<'a>> = Vec::new();
    for ttl in first..=last {
        let start = rows.len();
        for responder in lanes.iter().filter_map(|lane| lane.hop(ttl)).flat_map(|hop| &hop.responders) {
            if !rows[start..].iter().filter_map(|row| row.responder).any(|one| same(one, responder)) {
                rows.push(Row { ttl, responder: Some(responder), address: responder.address });
            }
        }
        if rows.len() == start {
            rows.push(Row { ttl, responder: None, address: None });
        }
    }
    rows
}

/// What a path shows in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    /// Nothing: the path does not have the TTL, or another address answered there.
    Empty,
    /// Nobody answered.
    Silent {
        /// Probes sent.
        sent: u32,
    },
    /// The row's address answered.
    Answered {
        /// Probes sent.
        sent: u32,
        /// The answers.
        responder: &'a Responder,
    },
}

/// What `lane` shows in `row`.
pub(crate) fn cell<'a>(lane: &Lane<'a>, row: &Row<'_>) -> Cell<'a> {
    let Some(hop) = lane.hop(row.ttl) else { return Cell::Empty };
    let sent = hop.sent.unwrap_or(0);
    let is_row = |one: &&Responder| row.responder.is_some_and(|row| same(row, one));
    match hop.responders.iter().find(is_row) {
        Some(responder) => Cell::Answered { sent, responder },
        None if hop.responders.is_empty() => Cell::Silent { sent },
        None => Cell::Empty,
    }
}

/// Behind which TTL the target's path ends while the reference's goes on: the last hop proven reached, and the first
/// proven not reached.
pub(crate) fn stop(document: &Document) -> Option<(u8, Option<u8>)> {
    let verdict = document.verdict.as_ref()?;
    let lost = !matches!(
        verdict.kind.as_str(),
        "reachable" | "inconclusive" | "intercepted" | "host_or_return_path"
    );
    if !lost || verdict.before_ttl.is_none() && verdict.after_ttl.is_none() {
        return None;
    }
    Some((verdict.after_ttl.unwrap_or(0), verdict.before_ttl))
}

/// Behind which row the target's path ends while the reference's goes on.
pub(crate) fn parting(document: &Document, rows: &[Row<'_>]) -> Option<usize> {
    let (after, _) = stop(document)?;
    let shown = rows.iter().filter(|row| row.ttl <= after).count();
    (shown < rows.len()).then_some(shown)
}

/// All replies of a responder. A saved document may hold any numbers: the sum stops at the greatest.
pub(crate) fn replies(responder: &Responder) -> u32 {
    let counts = &responder.replies;
    [
        counts.time_exceeded,
        counts.too_big,
        counts.syn_ack,
        counts.rst,
        counts.echo_reply,
        counts.udp_answer,
        counts.other,
    ]
    .into_iter()
    .fold(refusals(responder), u32::saturating_add)
}

/// The replies that refuse.
pub(crate) fn refusals(responder: &Responder) -> u32 {
    responder.replies.unreachable.iter().fold(0, |sum, row| sum.saturating_add(row.count))
}

/// What the replies were, where they were no time exceeded: traceroute's marks, and the names of TCP answers.
pub(crate) fn marks(responder: &Responder) -> Vec<String> {
    let counts = &responder.replies;
    let mut marks: Vec<String> =
        counts.unreachable.iter().take(8).map(|row| mark(row.icmp_type, row.code)).collect();
    let named = [
        (counts.too_big, "!F"),
        (counts.syn_ack, "open"),
        (counts.rst, "RST"),
        (counts.echo_reply, "echo"),
        (counts.udp_answer, "UDP"),
    ];
    marks.extend(named.into_iter().filter(|(count, _)| *count > 0).map(|(_, word)| word.to_owned()));
    marks
}

/// traceroute's mark for an ICMP (3) or ICMPv6 (1) destination unreachable. It has none for a port, which it takes for the
/// host's own answer.
fn mark(icmp_type: u8, code: u8) -> String {
    match (icmp_type, code) {
        (3, 0 | 6 | 8 | 11) | (1, 0) => "!N".to_owned(),
        (3, 1 | 7 | 12) | (1, 2 | 3) => "!H".to_owned(),
        (3, 2) => "!P".to_owned(),
        (3, 3) | (1, 4) => "port!".to_owned(),
        (3, 5) => "!S".to_owned(),
        (3, 9 | 10 | 13) | (1, 1) => "!X".to_owned(),
        (3, 14) => "!V".to_owned(),
        (3, 15) => "!C".to_owned(),
        (_, code) => format!("!<{code}>"),
    }
}

/// The address of a row; where an imported file hides it, the name, and where nobody answered a star.
pub(crate) fn address_text(row: &Row<'_>) -> String {
    let name = || match row.responder {
        Some(one) => {
            one.name.as_deref().map_or_else(|| "?".to_owned(), |name| clip_to(name, 40).into_owned())
        }
        None => "*".to_owned(),
    };
    row.address.map_or_else(name, |address| address.to_string())
}

/// Whether two responders are one to somebody who reads a table.
fn same(one: &Responder, other: &Responder) -> bool {
    one.address == other.address && (one.address.is_some() || one.name == other.name)
}

/// The origin AS of a responder in a word: `AS64500`, `AS64500+1`, `IXP`, `private`; `(AS64500)` is what an imported file claims of
/// an address that it hides.
pub(crate) fn asn_text(responder: Option<&Responder>) -> String {
    let Some(responder) = responder else { return String::new() };
    match responder.asns.as_slice() {
        [] if responder.address.is_none() && !responder.claims.is_empty() => {
            format!("(AS{})", responder.claims[0])
        }
        [] => match responder.kind.as_str() {
            "ixp" => "IXP".to_owned(),
            word @ ("private" | "unannounced" | "reserved") => word.to_owned(),
            // A newer document's word, or anything.
            _ => "?".to_owned(),
        },
        [one] => format!("AS{one}"),
        [one, rest @ ..] => format!("AS{one}+{}", rest.len()),
    }
}

/// The network of a responder in words, with the labels it came through; foreign text, not yet escaped.
pub(crate) fn network(responder: Option<&Responder>) -> String {
    let Some(responder) = responder else { return String::new() };
    let name = clip(responder.as_name.as_deref().unwrap_or_default());
    let name = match responder.asns.is_empty() || responder.kind != "ixp" {
        true => name.into_owned(),
        // A member's address in an exchange: the number alone would hide that.
        false => format!("IXP {name}"),
    };
    if responder.mpls.is_empty() {
        return name;
    }
    let labels: Vec<String> = responder.mpls.iter().map(|label| label.label.to_string()).collect();
    format!("MPLS {} {name}", labels.join("/"))
}

/// Milliseconds in a few characters.
pub(crate) fn short(milliseconds: f64) -> String {
    if milliseconds < 99.95 { format!("{milliseconds:.1}") } else { format!("{milliseconds:.0}") }
}

/// At most `room` columns of `text`.
pub(crate) fn shorten(text: &str, room: usize) -> String {
    let width = |character: char| character.width().unwrap_or(0);
    if text.chars().map(width).sum::<usize>() <= room {
        return text.to_owned();
    }
    let mut used = 0;
    let mut out: String = text
        .chars()
        .take_while(|one| {
            used += width(*one);
            used < room
        })
        .collect();
    out.push('…');
    out
}
