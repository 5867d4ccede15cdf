//! nmap's text with `--traceroute`: a table of one time a hop, within a report of a host.

use super::Line;
use crate::trace::foreign::{ForeignReply, ForeignTrace, Provenance};
use crate::trace::{Protocol, ReplyKind};

/// Whether a host's report begins with this line.
pub(super) fn starts(line: &str) -> bool {
    line.starts_with("Nmap scan report for ")
}

/// The trace of one host's report, and the numbers of the lines of its table that were not understood. The first line is
/// the one that [`starts`]; what nmap says of ports is passed.
pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut trace = ForeignTrace {
        origin: Provenance { format: "nmap", dialect: "text".to_owned(), ..Provenance::default() },
        ..ForeignTrace::default()
    };
    let mut strange = Vec::new();
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return (trace, strange) };
    trace.origin.lines = Some((first.number, last.number));
    if let Some(host) = first.text.trim_end().strip_prefix("Nmap scan report for ") {
        let (name, address) = match host.rsplit_once(" (") {
            Some((name, address)) => (name, address.trim_end_matches(')')),
            None => (host, host),
        };
        trace.target = name.to_owned();
        trace.address = address.parse().ok();
    }
    let table = lines.iter().skip_while(|line| !line.text.starts_with("TRACEROUTE")).peekable();
    let mut titled = false;
    for line in table {
        let text = line.text.trim();
        if let Some(using) = text.strip_prefix("TRACEROUTE") {
            probes(&mut trace, using);
        } else if text.starts_with("HOP") {
            titled = true;
        } else if text.is_empty() {
            if titled {
                break;
            }
        } else if !row(&mut trace, text) {
            strange.push(line.number);
        }
    }
    (trace, strange)
}

/// ` (using port 443/tcp)` or ` (using proto 1/icmp)`
fn probes(trace: &mut ForeignTrace, using: &str) {
    let inner = using.trim().trim_matches(['(', ')']);
    let Some((what, protocol)) = inner.rsplit_once('/') else { return };
    trace.protocol = match protocol {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        "icmp" => Some(Protocol::Icmp),
        _ => None,
    };
    trace.port = what.strip_prefix("using port ").and_then(|port| port.parse().ok());
}

/// `1   0.51 ms gw.example.net (192.0.2.1)`, `2   ...`, `3   ... 5`, `6   -- 198.51.100.1`
fn row(trace: &mut ForeignTrace, text: &str) -> bool {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let ttl = |word: &str| word.parse::<u8>().ok().filter(|ttl| *ttl > 0);
    let Some(first) = words.first().and_then(|word| ttl(word)) else { return false };
    let (rtt_ms, rest) = match words[1..] {
        ["..."] => (None, &[][..]),
        ["...", last] => {
            let Some(last) = ttl(last).filter(|last| *last >= first) else { return false };
            (first..=last).for_each(|ttl| trace.hop_mut(ttl).answered = Some(0));
            return true;
        }
        ["--", ..] => (None, &words[2..]),
        [time, "ms", ..] => match time.parse::<f64>() {
            Ok(time) => (Some(time).filter(|time| (0.0..=1_800_000.0).contains(time)), &words[3..]),
            Err(_) => return false,
        },
        _ => return false,
    };
    let (name, address) = match rest {
        [] => {
            trace.hop_mut(first).answered = Some(0);
            return true;
        }
        [address] => (None, *address),
        [name, address] => (Some((*name).to_owned()), address.trim_matches(['(', ')'])),
        _ => return false,
    };
    let Ok(address) = address.parse() else { return false };
    let kind = (Some(address) != trace.address).then_some(ReplyKind::TimeExceeded);
    let hop = trace.hop_mut(first);
    hop.answered = Some(hop.answered.unwrap_or(0).saturating_add(1));
    if let Some(one) = hop.responder_mut(Some(address), None) {
        one.name = one.name.take().or(name);
        if one.replies.len() < crate::trace::foreign::most::REPLIES {
            one.replies.push(ForeignReply { rtt_ms, kind, ..ForeignReply::default() });
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let text = "Nmap scan report for www.example.net (203.0.113.2)\nHost is up.\n\nPORT STATE SERVICE\n443/tcp open https\n\n\
            TRACEROUTE (using port 443/tcp)\nHOP RTT     ADDRESS\n1   0.51 ms gw.example.net (192.0.2.1)\n2   ...\n\
            3   -- 198.51.100.1\n4   ... 5\n6   2.01 ms 203.0.113.2\nwhat\n\nNmap done: 1 IP address\n";
        let lines: Vec<Line<'_>> =
            text.lines().zip(1..).map(|(text, number)| Line { number, text }).collect();
        assert!(starts(lines[0].text));
        let (trace, strange) = read(&lines);
        assert_eq!(strange, [14]);
        assert_eq!((trace.target.as_str(), trace.address), ("www.example.net", "203.0.113.2".parse().ok()));
        assert_eq!((trace.protocol, trace.port), (Some(Protocol::Tcp), Some(443)));
        let hops: Vec<_> = trace.hops.iter().map(|hop| (hop.ttl, hop.answered)).collect();
        assert_eq!(
            hops,
            [(1, Some(1)), (2, Some(0)), (3, Some(1)), (4, Some(0)), (5, Some(0)), (6, Some(1))]
        );
        assert_eq!(trace.hops[0].responders[0].name.as_deref(), Some("gw.example.net"));
        assert_eq!(trace.hops[0].responders[0].replies[0].rtt_ms, Some(0.51));
        assert_eq!(trace.arrived(), (true, Some(6)));
    }
}
