//! paris-traceroute, old (0.9x) and new (libparistraceroute).
//!
//! Both keep a probe's flow the same so that balancers show their hands. The new one prints an address once a hop, glues an
//! AS number to it, and the TTL the reply came with in brackets; the old one prints flow numbers. Any ICMP error is a bare
//! `!`: which one is not told.

use super::Line;
use crate::import::pieces::{self, Draft, Host, word};
use crate::trace::Protocol;
use crate::trace::foreign::{ForeignReply, ForeignStats, ForeignTrace};

/// Whether a line begins a paris-traceroute.
pub(super) fn starts(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("paris-traceroute to ")
        || line.starts_with("mda to ") && line.contains(" hops max")
        || line.starts_with("traceroute [(") && line.contains("->")
        || is_new(line)
}

/// Other traceroutes say `byte packets`, but NextTrace, which says so too and no brackets.
fn is_new(line: &str) -> bool {
    line.starts_with("traceroute to ") && line.contains("), ") && line.ends_with("bytes packets")
}

pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut draft = Draft::new("paris", "", lines);
    let mut last: Option<(u8, Host)> = None;
    for (at, line) in lines.iter().enumerate() {
        let text = line.text.trim();
        if text.is_empty() {
            continue;
        }
        if at == 0 && starts(text) {
            header(&mut draft, text);
            continue;
        }
        if let (Some(labels), Some((ttl, host))) = (pieces::label_words(text), &last)
            && let Some(one) = draft.responder(*ttl, host, line.number)
        {
            one.mpls = labels;
            continue;
        }
        let (ttl, cells) = match pieces::numbered(text) {
            Some((ttl, rest)) if rest.starts_with([' ', '\t']) => (ttl, rest),
            // `1 P(6, 6) ...` keeps its number; a line without one goes on with the hop above.
            _ => match last.as_ref().map(|(ttl, _)| *ttl) {
                Some(ttl) if text.contains(" (") || text.contains("ms") => (ttl, text),
                _ => {
                    draft.miss(line.number);
                    continue;
                }
            },
        };
        match hop(&mut draft, ttl, cells, line.number) {
            Some(host) => last = Some((ttl, host)),
            None => draft.miss(line.number),
        }
    }
    draft.done()
}

fn header(draft: &mut Draft, text: &str) {
    let trace = &mut draft.trace;
    // Old: `traceroute [(198.51.100.7:33456) -> (192.0.2.10:33457)], protocol udp, algo hopbyhop, duration 19 s`.
    if let Some((from, to)) = text.split_once("->") {
        let end = |text: &str| {
            let (_, inner) = text.split_once('(')?;
            let (inner, _) = inner.split_once(')')?;
            let (address, port) = inner.rsplit_once(':')?;
            Some((pieces::address(address)?, port.parse::<u16>().ok()))
        };
        trace.vantage.source = end(from).map(|(address, _)| address);
        if let Some((address, port)) = end(to) {
            trace.target = address.to_string();
            trace.address = Some(address);
            trace.port = port;
        }
        let after = text.split_once("protocol ").and_then(|(_, rest)| rest.split([',', ' ']).next());
        trace.protocol = match after {
            Some("udp") => Some(Protocol::Udp),
            Some("tcp") => Some(Protocol::Tcp),
            Some("icmp") => Some(Protocol::Icmp),
            _ => None,
        };
        trace.port = trace.port.filter(|_| trace.protocol != Some(Protocol::Icmp));
        return;
    }
    let Some((_, rest)) = text.split_once(" to ") else { return };
    let mut parts = rest.split(", ");
    let host = Host::new(parts.next().unwrap_or(""));
    trace.target = host.name.or_else(|| host.address.map(|one| one.to_string())).unwrap_or_default();
    trace.address = host.address;
    let size = parts
        .find_map(|part| part.strip_suffix(" bytes packets").or_else(|| part.strip_suffix(" byte packets")));
    trace.size = size.and_then(|size| size.trim().parse().ok());
}

/// Stars, hosts with their AS, times, TTLs of replies, bare marks. The last host, or nobody; `None` if not understood.
fn hop(draft: &mut Draft, ttl: u8, text: &str, line: u64) -> Option<Host> {
    draft.trace.hop_mut(ttl);
    let mut host = Host::default();
    let mut rest = text.trim_start();
    // The reply that a bracket or a mark behind it belongs to: its responder and its place there.
    let mut last: Option<(Host, usize)> = None;
    if let Some(flows) = rest.strip_prefix("P(") {
        rest = flows.split_once(')')?.1.trim_start();
    }
    while let Some((first, after)) = word(rest) {
        let stars = first.bytes().all(|one| one == b'*');
        if stars {
            draft.sent(ttl, u32::try_from(first.len()).ok()?);
            (rest, last) = (after.trim_start(), None);
            continue;
        }
        if let Some(mark) = first.strip_prefix('!') {
            let (who, at) = last.clone()?;
            let reply = draft.responder(ttl, &who, line)?.replies.get_mut(at)?;
            reply.mark = Some(format!("!{}", pieces::clean(mark)));
            reply.kind = None;
            rest = after.trim_start();
            continue;
        }
        if let Some(inner) = rest.strip_prefix('[').filter(|_| last.is_some()) {
            let (inner, behind) = inner.split_once(']')?;
            let (who, at) = last.clone()?;
            let reply = draft.responder(ttl, &who, line)?.replies.get_mut(at)?;
            reply.reply_ttl = Some(inner.trim().parse().ok()?);
            rest = behind.trim_start();
            continue;
        }
        if let (Some(stats), Some(("ms", behind))) = (summary(first), word(after)) {
            draft.responder(ttl, &host, line)?.stats = Some(stats);
            (rest, last) = (behind.trim_start(), None);
            continue;
        }
        let glued = first.strip_suffix("ms").and_then(pieces::number);
        let parted = || match word(after) {
            Some(("ms", behind)) => pieces::number(first).map(|ms| (ms, behind)),
            _ => None,
        };
        if let Some((ms, behind)) = glued.map(|ms| (ms, after)).or_else(parted) {
            if host.is_nobody() {
                return None;
            }
            let reply =
                ForeignReply { rtt_ms: Some(ms), kind: draft.plain(&host), ..ForeignReply::default() };
            draft.sent(ttl, 1);
            draft.reply(ttl, &host, reply, line);
            let at = draft.responder(ttl, &host, line).map_or(0, |one| one.replies.len().saturating_sub(1));
            last = Some((host.clone(), at));
            rest = behind.trim_start();
            continue;
        }
        // `name (addr)[AS64500]`, `addr[AS64500]`, flow numbers `:0,1` behind either in the old one.
        let behind;
        let (named, inner) = match after.trim_start().strip_prefix('(') {
            Some(inner) => {
                let (inner, rest) = inner.split_once(')')?;
                behind = rest;
                (first, inner)
            }
            None => {
                let end = first.find(['[', '(']).unwrap_or(first.len());
                behind = &rest[end..];
                (&first[..end], &first[..end])
            }
        };
        let address = pieces::address(inner)?;
        host = Host { address: Some(address), name: pieces::name_beside(named, address) };
        last = None;
        rest = behind;
        if let Some(inner) = behind.strip_prefix('[') {
            let (inner, behind) = inner.split_once(']')?;
            let claims = pieces::claims(inner)?;
            if let Some(one) = draft.responder(ttl, &host, line) {
                one.claims = claims;
            }
            rest = behind;
        }
        if let Some(flows) = rest.strip_prefix(':') {
            let end = flows.find(|one: char| !one.is_ascii_digit() && one != ',').unwrap_or(flows.len());
            rest = &flows[end..];
        }
        rest = rest.trim_start();
    }
    if draft.trace.hop_mut(ttl).responders.is_empty() {
        draft.silent(ttl);
    }
    Some(host)
}

/// `0.4/0.5/0.6/0.1`: shortest, mean, longest and deviation of a balancer's interface.
fn summary(text: &str) -> Option<ForeignStats> {
    let mut parts = text.split('/').map(pieces::number);
    let (best, avg, worst) = (parts.next()??, parts.next()??, parts.next()??);
    parts.next()??;
    let stats = ForeignStats { received: None, best: Some(best), avg: Some(avg), worst: Some(worst) };
    parts.next().is_none().then_some(stats)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests_misc::{lines, plain};
    use super::*;

    pub(in crate::import) const SAMPLE: &str =
        "traceroute to www.example.net (192.0.2.10), 30 hops max, 30 bytes packets
 1  gw.example.net (198.51.100.1)[AS64500]   1.234ms  [ 64]    1.100ms  [ 64]  *
 2  * * *
 3  203.0.113.1   9.000ms  [ 250] !   9.5ms
 4  www.example.net (192.0.2.10)   20.000ms  [ 60]
";

    #[test]
    fn every_line() {
        let (trace, missed) = read(&lines(SAMPLE));
        assert!(missed.is_empty(), "{missed:?}");
        assert_eq!(
            plain(&trace),
            [
                "1 3/2 gw.example.net 198.51.100.1 AS64500 1.234 TimeExceeded 1.1 TimeExceeded",
                "2 3/0",
                "3 2/2 203.0.113.1 9 ! 9.5 TimeExceeded",
                "4 1/1 www.example.net 192.0.2.10 20",
            ]
        );
        let ttls: Vec<_> = trace.hops[0].responders[0].replies.iter().map(|reply| reply.reply_ttl).collect();
        assert_eq!(ttls, [Some(64), Some(64)]);
        assert_eq!((trace.size, trace.arrived()), (Some(30), (true, Some(4))));
    }

    #[test]
    fn the_old_form() {
        let text = "traceroute [(198.51.100.7:33456) -> (192.0.2.10:33457)], protocol udp, algo hopbyhop, duration 19 s
 1  P(6, 6) 198.51.100.1 (198.51.100.1)  0.4/0.5/0.6/0.1 ms
 2  P(3, 3) 203.0.113.1 (203.0.113.1)  1.5 ms
";
        let (trace, missed) = read(&lines(text));
        assert!(missed.is_empty(), "{missed:?}");
        assert_eq!(
            plain(&trace),
            ["1 ?/? 198.51.100.1 {? 0.4 0.5 0.6}", "2 1/1 203.0.113.1 1.5 TimeExceeded"]
        );
        assert_eq!((trace.protocol, trace.port), (Some(Protocol::Udp), Some(33457)));
        assert_eq!(trace.vantage.source, "198.51.100.7".parse().ok());
    }
}
