//! What dublin-traceroute prints: hops of one UDP flow after another, all flows in one trace as in its JSON.
//!
//! It prints whole milliseconds, a dot, and the thousandths without leading zeros: `4.74 ms` are 4.074.

use super::Line;
use crate::import::pieces::{self, Draft, Host};
use crate::trace::Protocol;
use crate::trace::foreign::{ForeignReply, ForeignTrace};

/// Whether a line is its header: `Traceroute from A:port to B:port~port (probing N paths, …`.
pub(super) fn starts(line: &str) -> bool {
    line.trim_start().starts_with("Traceroute from ") && line.contains(" (probing ")
}

pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let Some((first, rest)) = lines.split_first() else { return Default::default() };
    let mut draft = Draft::new("dublin-traceroute", "text", lines);
    draft.trace.protocol = Some(Protocol::Udp);
    if let Some((_, to)) = first.text.split_once(" to ") {
        let to = to.split(' ').next().unwrap_or("");
        let (host, ports) = to.rsplit_once(':').unwrap_or((to, ""));
        draft.trace.address = pieces::address(host.trim_matches(['[', ']']));
        draft.trace.target = draft.trace.address.map_or_else(|| pieces::clean(host), |one| one.to_string());
        draft.trace.port = ports.split('~').next().and_then(|port| port.parse().ok());
    }
    for line in rest {
        let text = line.text.trim();
        let heading = text.starts_with("== Flow ID ");
        let ending = text.starts_with("Saved JSON") || text.starts_with("You can convert");
        if text.is_empty() || heading || ending {
            continue;
        }
        if hop(&mut draft, line).is_none() {
            draft.miss(line.number);
        }
    }
    draft.done()
}

fn hop(draft: &mut Draft, line: &Line<'_>) -> Option<()> {
    let (ttl, rest) = pieces::numbered(line.text)?;
    let rest = rest.trim();
    if rest == "*" {
        draft.sent(ttl, 1);
        draft.silent(ttl);
        return Some(());
    }
    let (host, rest) = rest.split_once(", IP ID: ")?;
    // It puts the name behind the address; where it knows none, the address again.
    let (address, name) = host.split_once(' ')?;
    let name = name.trim().trim_start_matches('(').trim_end_matches(')');
    let host = Host::new(&format!("{name} ({address})"));
    host.address?;
    let rtt_ms = rest.split_once("RTT ").and_then(|(_, rest)| milliseconds(rest.split(" ms").next()?));
    let icmp = rest.split_once("(type=").and_then(|(_, rest)| {
        let (icmp_type, rest) = rest.split_once(", code=")?;
        Some((icmp_type.parse().ok()?, rest.split(')').next()?.parse().ok()?))
    });
    let six = host.address.is_some_and(|one| one.is_ipv6());
    let kind = icmp.map(|(icmp_type, code)| pieces::error(six, icmp_type, code));
    draft.sent(ttl, 1);
    draft.reply(ttl, &host, ForeignReply { rtt_ms, kind, ..ForeignReply::default() }, line.number);
    Some(())
}

fn milliseconds(text: &str) -> Option<f64> {
    let (whole, thousandths) = text.trim().split_once('.')?;
    let thousandths = pieces::count(thousandths).filter(|one| *one < 1000)?;
    Some(f64::from(pieces::count(whole)?) + f64::from(thousandths) / 1000.0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests_misc::lines;
    use super::*;
    use crate::trace::ReplyKind;

    const SAMPLE: &str = "Starting dublin-traceroute
Traceroute from 0.0.0.0:12345 to 203.0.113.9:33434~33435 (probing 2 paths, min TTL is 1, max TTL is 8, delay is 10 ms)
== Flow ID 33434 ==
1    *
2    198.51.100.2 (r2.example.net), IP ID: 60395 RTT 4.74 ms  ICMP (type=11, code=0) 'TTL expired in transit', NAT ID: 0, flow hash: 46202
== Flow ID 33435 ==
1    192.0.2.1 (192.0.2.1), IP ID: 18930 RTT 4.251 ms  ICMP (type=11, code=0) 'TTL expired in transit', NAT ID: 0, flow hash: 46203
2    198.51.100.6 (r6.example.net), IP ID: 1 RTT 0.5 ms  ICMP (type=3, code=13) 'Communication administratively filtered', NAT ID: 0, flow hash: 46203
Saved JSON file to trace.json .
";

    #[test]
    fn flows_are_one_trace() {
        let lines = lines(SAMPLE);
        assert!(!starts(lines[0].text) && starts(lines[1].text));
        let (trace, missed) = read(&lines[1..]);
        assert!(missed.is_empty(), "{missed:?}");
        assert_eq!((trace.target.as_str(), trace.port), ("203.0.113.9", Some(33434)));
        let counts: Vec<_> = trace.hops.iter().map(|hop| (hop.ttl, hop.sent, hop.answered)).collect();
        assert_eq!(counts, [(1, Some(2), Some(1)), (2, Some(2), Some(2))]);
        let second = &trace.hops[1].responders;
        assert_eq!((second.len(), second[0].name.as_deref()), (2, Some("r2.example.net")));
        assert_eq!(second[0].replies[0].rtt_ms, Some(4.074));
        assert_eq!(second[1].replies[0].kind, Some(ReplyKind::Unreachable { icmp_type: 3, code: 13 }));
        assert_eq!(trace.arrived(), (false, None));
    }
}
