//! What the tests of the single tools share: lines of a text, and a trace in a few words.

use super::Line;
use crate::trace::foreign::ForeignTrace;

pub(crate) fn lines(text: &str) -> Vec<Line<'_>> {
    text.lines().zip(1..).map(|(text, number)| Line { number, text }).collect()
}

/// A line a hop: `ttl sent/answered`, then who answered and how.
pub(crate) fn plain(trace: &ForeignTrace) -> Vec<String> {
    let count = |count: Option<u32>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    let mut hops = Vec::new();
    for hop in &trace.hops {
        let mut words = vec![hop.ttl.to_string(), format!("{}/{}", count(hop.sent), count(hop.answered))];
        for one in &hop.responders {
            words.extend(one.name.clone());
            words.extend(one.address.map(|address| address.to_string()));
            words.extend(one.claims.iter().map(|asn| format!("AS{asn}")));
            words.extend(one.mpls.iter().map(|label| format!("L{}", label.label)));
            if let Some(stats) = one.stats {
                let [best, avg, worst] = [stats.best, stats.avg, stats.worst]
                    .map(|ms| ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string()));
                words.push(format!("{{{} {best} {avg} {worst}}}", count(stats.received)));
            }
            for reply in &one.replies {
                words.push(reply.rtt_ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string()));
                words.extend(reply.kind.map(|kind| format!("{kind:?}")));
                words.extend(reply.mark.clone());
            }
        }
        hops.push(words.join(" "));
    }
    hops
}
