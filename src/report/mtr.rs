//! What `mtr -rwz` prints, since support desks ask for it by name: a block for the target and one for each reference.
//!
//! Lines before a block's `Start:` begin with `#`; mtr has none, and its readers pass over what comes before the table. A
//! saved run does not hold each single time, so that *Last* is the mean and *StDev* 0.0. Where several addresses answer at
//! a TTL, mtr counts them together and lists the others below, and so does this. Loss of a router is no loss of the path:
//! routers answer when they have time.

use std::io::{self, Write};

use super::escape::{clip, plain, word};
use super::rows::{Lane, replies};
use super::runs::Runs;
use super::words;
use crate::trace::schema::{Document, Hop, Path, Responder};

/// Writes all runs.
pub(super) fn runs(out: &mut dyn Write, runs: &Runs) -> io::Result<()> {
    for document in &runs.documents {
        writeln!(out, "# {}: {}", plain(&words::tool(document)), plain(&words::summary(document)))?;
        if let Some(table) = &document.asdb {
            writeln!(out, "# AS numbers: {}", plain(&words::table(table)))?;
        }
        if let Some(target) = &document.target {
            block(out, document, target, "target")?;
        }
        for reference in &document.references {
            block(out, document, reference, "reference")?;
        }
    }
    Ok(())
}

fn block(out: &mut dyn Write, document: &Document, path: &Path, role: &str) -> io::Result<()> {
    let service = words::service(document.protocol_of(path), path.port.or(document.port));
    writeln!(out, "# {role} {}, {}", plain(&words::host(path)), plain(&service))?;
    let start = document.started_at.as_deref().and_then(|time| time.get(..19));
    writeln!(out, "Start: {}+0000", word(start.unwrap_or("1970-01-01T00:00:00")))?;
    let hops: Vec<&Hop> = Lane::of(path).hops().collect();
    let networks: Vec<String> = hops.iter().map(|hop| network(hop.responders.first())).collect();
    // mtr's columns: the number before the address is as wide as the widest, and at least nine.
    let wide = networks.iter().map(String::len).max().unwrap_or(0).max(8) + 1;
    let vantage = word(&words::place(document));
    let longest = hops.iter().map(|hop| host(hop.responders.first()).len()).max().unwrap_or(0);
    let room = longest.max((vantage.chars().count() + 1).saturating_sub(wide));
    let pad = wide + room - 1;
    writeln!(out, "HOST: {vantage:<pad$}  Loss%   Snt   Last   Avg  Best  Wrst StDev")?;
    for (hop, network) in hops.iter().zip(&networks) {
        let total = hop.responders.iter().fold(0, |sum: u32, one| sum.saturating_add(replies(one)));
        let answered = hop.answered.unwrap_or(total);
        let sent = hop.sent.unwrap_or(answered);
        let loss = if sent == 0 {
            100.0
        } else {
            100.0 * f64::from(sent.saturating_sub(answered)) / f64::from(sent)
        };
        // The whole loss fills mtr's column, and leaves no room for its sign.
        let loss = if loss >= 99.95 { " 100.0".to_owned() } else { format!("{loss:>5.1}%") };
        let (best, avg, worst) = times(hop);
        let host = host(hop.responders.first());
        writeln!(
            out,
            "{:>3}. {network:<wide$}{host:<room$} {loss} {sent:>5} {avg:>6.1} {avg:>5.1} {best:>5.1} {worst:>5.1} {:>5.1}",
            hop.ttl, 0.0
        )?;
        for other in hop.responders.iter().skip(1) {
            writeln!(out, "     {:<wide$}{}", "", self::host(Some(other)))?;
        }
    }
    Ok(())
}

fn host(responder: Option<&Responder>) -> String {
    let address = responder.and_then(|one| one.address);
    address.map_or_else(|| "???".to_owned(), |address| address.to_string())
}

/// `AS64500`, or `AS???` where none is known.
fn network(responder: Option<&Responder>) -> String {
    let asn = responder.and_then(|one| one.asn);
    clip(&asn.map_or_else(|| "AS???".to_owned(), |asn| format!("AS{asn}"))).into_owned()
}

/// The shortest, mean and longest time of all who answered at a hop.
fn times(hop: &Hop) -> (f64, f64, f64) {
    let timed = || {
        hop.responders.iter().filter_map(|one| one.rtt_ms.map(|rtt| (rtt, f64::from(replies(one).max(1)))))
    };
    let weight: f64 = timed().map(|(_, weight)| weight).sum();
    if weight <= 0.0 {
        return (0.0, 0.0, 0.0);
    }
    let best = timed().map(|(rtt, _)| rtt.min).fold(f64::INFINITY, f64::min);
    let worst = timed().map(|(rtt, _)| rtt.max).fold(0.0, f64::max);
    (best, timed().map(|(rtt, weight)| rtt.avg * weight).sum::<f64>() / weight, worst)
}
