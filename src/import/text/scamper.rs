//! scamper's text: `traceroute from S to D`, a line a TTL, and no word of the protocol.
//!
//! Its marks are scamper's own: `!X` is code 13 and no other, codes without a letter stand as `!<9>`, and for IPv6 `!P`
//! is administratively prohibited and `!S` beyond scope. TCP answers of the target are marked `[open]` or `[closed]`.

use std::net::IpAddr;

use super::Line;
use crate::trace::foreign::{ForeignReply, ForeignTrace, ForeignVantage, Provenance, most};
use crate::trace::{Protocol, ReplyKind};

/// Whether a trace of scamper's begins with this line.
pub(super) fn starts(line: &str) -> bool {
    ends(line).is_some()
}

/// Source and target of a first line.
fn ends(line: &str) -> Option<(IpAddr, IpAddr)> {
    let mut words = line.trim().split_ascii_whitespace();
    let fixed = words.next() == Some("traceroute") && words.next() == Some("from");
    let source = words.next().filter(|_| fixed)?.parse().ok()?;
    let target = (words.next() == Some("to")).then(|| words.next())??.parse().ok()?;
    Some((source, target))
}

/// One trace, and the numbers of the lines that were not understood. The first line is the one that [`starts`].
pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut trace = ForeignTrace {
        origin: Provenance { format: "scamper", dialect: "text".to_owned(), ..Provenance::default() },
        ..ForeignTrace::default()
    };
    let mut strange = Vec::new();
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return (trace, strange) };
    trace.origin.lines = Some((first.number, last.number));
    let mut rest = lines;
    if let Some((source, target)) = ends(first.text) {
        trace.vantage = ForeignVantage { source: Some(source), ..ForeignVantage::default() };
        trace.target = target.to_string();
        trace.address = Some(target);
        rest = &lines[1..];
    }
    let mut ttl = None;
    for line in rest.iter().filter(|line| !line.text.trim().is_empty()) {
        let mut words = line.text.split_ascii_whitespace().peekable();
        // Further answers of a hop stand below it without its number.
        let number = words.peek().and_then(|word| word.parse::<u8>().ok()).filter(|number| *number > 0);
        if number.is_some() {
            words.next();
            ttl = number;
        }
        let words: Vec<&str> = words.collect();
        if !ttl.is_some_and(|ttl| add(&mut trace, ttl, &words)) {
            strange.push(line.number);
        }
    }
    trace.reached = Some(trace.arrived().0);
    (trace, strange)
}

/// Adds what stands behind a hop's number, unless it is not understood.
fn add(trace: &mut ForeignTrace, ttl: u8, words: &[&str]) -> bool {
    let target = trace.address;
    if !words.is_empty() && words.iter().all(|word| *word == "*") {
        let hop = trace.hop_mut(ttl);
        hop.answered.get_or_insert(0);
        return true;
    }
    let Some((address, name, mut rest)) = responder(words) else { return false };
    let mut replies: Vec<ForeignReply> = Vec::new();
    while let Some(word) = rest.first() {
        if let (Ok(time), Some(&"ms")) = (word.parse::<f64>(), rest.get(1)) {
            let rtt_ms = (0.0..=1_800_000.0).contains(&time).then_some(time);
            replies.push(ForeignReply { rtt_ms, kind: plain(address, target), ..ForeignReply::default() });
            rest = &rest[2..];
        } else if let (true, Some(reply)) = (word.starts_with('!'), replies.last_mut()) {
            reply.mark = Some((*word).to_owned());
            reply.kind = marked(word, address.is_ipv6());
            rest = &rest[1..];
        } else if let (true, Some(reply)) = (word.starts_with('['), replies.last_mut()) {
            let Some(end) = rest.iter().position(|word| word.ends_with(']')) else { return false };
            let mark = rest[..=end].join(" ");
            reply.kind = match mark.trim_matches(['[', ']']).split(',').next() {
                Some("open") => Some(ReplyKind::SynAck),
                Some("closed") => Some(ReplyKind::Rst),
                _ => None,
            };
            reply.mark = Some(mark);
            trace.protocol = Some(Protocol::Tcp);
            rest = &rest[end + 1..];
        } else {
            return false;
        }
    }
    if replies.is_empty() {
        return false;
    }
    let hop = trace.hop_mut(ttl);
    let count = replies.len() as u32;
    hop.answered = Some(hop.answered.unwrap_or(0).saturating_add(count));
    if let Some(one) = hop.responder_mut(Some(address), None) {
        one.name = one.name.take().or(name);
        let room = most::REPLIES.saturating_sub(one.replies.len());
        one.replies.extend(replies.into_iter().take(room));
    }
    true
}

/// `192.0.2.1` or `name (192.0.2.1)`, and what follows.
fn responder<'a, 'b>(words: &'b [&'a str]) -> Option<(IpAddr, Option<String>, &'b [&'a str])> {
    let first = words.first()?;
    if let Some(inner) = words.get(1).and_then(|word| word.strip_prefix('(')?.strip_suffix(')')) {
        let mut name = (*first).to_owned();
        let end = (0..=name.len().min(most::NAME)).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
        name.truncate(end);
        return Some((inner.parse().ok()?, Some(name).filter(|name| name != inner), &words[2..]));
    }
    Some((first.parse().ok()?, None, &words[1..]))
}

/// An answer without a mark: of a router, a time exceeded; of the target, its own, of a kind that the text does not tell.
fn plain(from: IpAddr, target: Option<IpAddr>) -> Option<ReplyKind> {
    (Some(from) != target).then_some(ReplyKind::TimeExceeded)
}

fn marked(mark: &str, six: bool) -> Option<ReplyKind> {
    let icmp_type = if six { 1 } else { 3 };
    let code = match (mark, six) {
        ("!N", _) => 0,
        ("!H", false) => 1,
        ("!P", false) => 2,
        // Its MTU is not in the text.
        ("!F", _) => return None,
        ("!S", false) => 5,
        ("!X", false) => 13,
        ("!P", true) => 1,
        ("!S", true) => 2,
        ("!A", true) => 3,
        _ => {
            let inner = mark.strip_prefix("!<")?.strip_suffix('>')?;
            if let Some((kind, code)) = inner.split_once(',') {
                let (icmp_type, code) = (kind.parse().ok()?, code.parse().ok()?);
                return Some(ReplyKind::OtherIcmp { icmp_type, code });
            }
            inner.parse().ok()?
        }
    };
    Some(ReplyKind::Unreachable { icmp_type, code })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (ForeignTrace, Vec<u64>) {
        let lines: Vec<Line<'_>> =
            text.lines().zip(1..).map(|(text, number)| Line { number, text }).collect();
        assert!(starts(lines[0].text));
        read(&lines)
    }

    #[test]
    fn a_trace_is_read() {
        let (trace, strange) = parse(
            "traceroute from 192.0.2.1 to 203.0.113.9 via 192.0.2.2\n 1  192.0.2.2  0.043 ms\n 2  *\n 3  r3.example.net \
             (198.51.100.3)  1.5 ms  1.6 ms !<9>\n    198.51.100.4  2.000 ms !X\n 4  203.0.113.9  3.25 ms [closed]\n",
        );
        assert_eq!(strange, [0u64; 0]);
        assert_eq!(
            (trace.vantage.source, trace.address),
            ("192.0.2.1".parse().ok(), "203.0.113.9".parse().ok())
        );
        assert_eq!(
            trace.hops.iter().map(|hop| (hop.ttl, hop.answered)).collect::<Vec<_>>(),
            [(1, Some(1)), (2, Some(0)), (3, Some(3)), (4, Some(1))]
        );
        let third = &trace.hops[2].responders;
        assert_eq!(third[0].name.as_deref(), Some("r3.example.net"));
        assert_eq!(third[0].replies[0].kind, Some(ReplyKind::TimeExceeded));
        assert_eq!(third[0].replies[1].kind, Some(ReplyKind::Unreachable { icmp_type: 3, code: 9 }));
        assert_eq!(third[1].replies[0].kind, Some(ReplyKind::Unreachable { icmp_type: 3, code: 13 }));
        assert_eq!(trace.hops[3].responders[0].replies[0].kind, Some(ReplyKind::Rst));
        assert_eq!((trace.protocol, trace.reached), (Some(Protocol::Tcp), Some(true)));
    }

    #[test]
    fn marks_of_the_two_families_differ() {
        let kind = |icmp_type, code| Some(ReplyKind::Unreachable { icmp_type, code });
        assert_eq!(marked("!P", false), kind(3, 2));
        assert_eq!(marked("!P", true), kind(1, 1));
        assert_eq!(marked("!S", true), kind(1, 2));
        assert_eq!(marked("!<12,0>", false), Some(ReplyKind::OtherIcmp { icmp_type: 12, code: 0 }));
        assert_eq!(marked("!Q", false), None);
    }

    #[test]
    fn what_is_strange_is_told() {
        let (trace, strange) = parse(
            "traceroute from 192.0.2.1 to 203.0.113.9\nwhat\n 1  192.0.2.2  x ms\n 2  192.0.2.3  1.0 ms\n",
        );
        assert_eq!(strange, [2, 3]);
        assert_eq!(trace.reached, Some(false));
        assert_eq!(trace.hops.len(), 1);
        for other in [
            "traceroute to 192.0.2.1 (192.0.2.1), 30 hops max",
            "traceroute from here to there",
            "",
            "traceroute from",
        ] {
            assert!(!starts(other), "{other}");
        }
    }
}
