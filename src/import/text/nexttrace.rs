//! NextTrace as people see it, and its `--raw` lines.
//!
//! A hop takes two lines: who, with a network's number and a place, and how long. The places are in the user's language
//! and from a database of the program's: of them only the number is kept, as a claim. Parts of an address may be hidden on
//! request; what is left is no address.

use super::Line;
use crate::import::pieces::{self, Draft, Host, word};
use crate::trace::Protocol;
use crate::trace::foreign::{ForeignReply, ForeignTrace};

/// Whether a line begins NextTrace's output.
pub(super) fn starts(line: &str) -> bool {
    let line = line.trim_start();
    is_preamble(line) || is_header(line) || raw(line).is_some()
}

fn is_preamble(line: &str) -> bool {
    line.starts_with("NextTrace v")
        || line.starts_with("IP Geo Data Provider:")
        || line.starts_with("[NextTrace API]")
}

/// Others say `byte packets`; paris-traceroute has its brackets directly before the comma, and so may this one.
fn is_header(line: &str) -> bool {
    line.starts_with("traceroute to ")
        && (line.contains(" bytes payload") || line.contains(" hops max") && line.ends_with(" mode"))
}

/// Whether a line that would begin a trace goes on with this one.
pub(super) fn joins(block: &[Line<'_>], line: &str) -> bool {
    let line = line.trim_start();
    if let Some(next) = raw(line) {
        let last = block.iter().rev().take(8).find_map(|line| raw(line.text.trim_start()));
        return last.is_none_or(|last| next.ttl >= last.ttl);
    }
    block.iter().all(|one| one.text.trim().is_empty() || is_preamble(one.text.trim_start()))
}

/// `ttl|ip|ptr|rtt|asn|country|prov|city|district|owner|lat|lng`.
struct Raw<'a> {
    ttl: u8,
    ip: &'a str,
    ptr: &'a str,
    rtt: &'a str,
    asn: &'a str,
}

fn raw(line: &str) -> Option<Raw<'_>> {
    let mut fields = line.split('|');
    let ttl = fields.next()?;
    if ttl.is_empty() || ttl.len() > 3 {
        return None;
    }
    let ttl = ttl.bytes().all(|one| one.is_ascii_digit()).then(|| ttl.parse().ok()).flatten()?;
    let [ip, ptr, rtt, asn] = [fields.next()?, fields.next()?, fields.next()?, fields.next()?];
    let rest = fields.count();
    (ttl > 0 && rest >= 5 && (ip == "*" || pieces::address(ip).is_some())).then_some(Raw {
        ttl,
        ip,
        ptr,
        rtt,
        asn,
    })
}

pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut draft = Draft::new("nexttrace", "", lines);
    let mut current: Option<(u8, Host)> = None;
    for line in lines {
        let text = line.text.trim();
        if text.is_empty() {
            continue;
        }
        if let Some(raw) = raw(text) {
            draft.trace.origin.dialect = "raw".to_owned();
            raw_line(&mut draft, &raw, line.number);
            continue;
        }
        if is_preamble(text) {
            if let Some(version) = text.strip_prefix("NextTrace v") {
                draft.trace.origin.version = version.split_whitespace().next().map(pieces::clean);
            }
            continue;
        }
        if text.starts_with("traceroute to ") {
            header(&mut draft.trace, text);
            continue;
        }
        if text.starts_with("MapTrace URL:") || text.starts_with("https://") {
            continue;
        }
        if let Some((ttl, rest)) = pieces::numbered(line.text)
            && (rest.is_empty() || rest.starts_with([' ', '\t']))
        {
            current = None;
            draft.trace.hop_mut(ttl);
            let understood = who(&mut draft, ttl, rest, &mut current, line.number);
            draft.silent(ttl);
            if !understood {
                draft.miss(line.number);
            }
            continue;
        }
        if !below(&mut draft, text, &mut current, line.number) {
            draft.miss(line.number);
        }
    }
    draft.done()
}

fn raw_line(draft: &mut Draft, raw: &Raw<'_>, line: u64) {
    draft.sent(raw.ttl, 1);
    draft.silent(raw.ttl);
    let Some(address) = pieces::address(raw.ip) else { return };
    let host = Host { address: Some(address), name: pieces::name_beside(raw.ptr, address) };
    let rtt_ms = pieces::number(raw.rtt.trim_end_matches("ms"));
    let kind = (!draft.trace.target.is_empty()).then(|| draft.plain(&host)).flatten();
    draft.reply(raw.ttl, &host, ForeignReply { rtt_ms, kind, ..ForeignReply::default() }, line);
    if let Some(asn) = pieces::count(raw.asn.trim_start_matches("AS")).filter(|asn| *asn != 0) {
        claim(draft, raw.ttl, &host, &[asn], line);
    }
}

fn claim(draft: &mut Draft, ttl: u8, host: &Host, claims: &[u32], line: u64) {
    if let Some(one) = draft.responder(ttl, host, line) {
        for asn in claims {
            if !one.claims.contains(asn) && one.claims.len() < crate::trace::foreign::most::LABELS {
                one.claims.push(*asn);
            }
        }
    }
}

/// `traceroute to 192.0.2.10 (www.example.net), 30 hops max, 52 bytes payload, ICMP mode`: name and address in either order.
fn header(trace: &mut ForeignTrace, text: &str) {
    let Some(rest) = text.strip_prefix("traceroute to ") else { return };
    let mut parts = rest.split(", ");
    let who = parts.next().unwrap_or("");
    let (first, inner) = match who.split_once('(') {
        Some((first, inner)) => (first.trim(), inner.trim_end_matches(')').trim()),
        None => (who.trim(), ""),
    };
    let name = if pieces::address(first).is_some() && !inner.is_empty() { inner } else { first };
    trace.target = pieces::clean(name);
    trace.address = pieces::address(first).or_else(|| pieces::address(inner));
    for part in parts {
        match part.trim().trim_end_matches(" mode").to_ascii_lowercase().as_str() {
            "icmp" => trace.protocol = Some(Protocol::Icmp),
            "tcp" => trace.protocol = Some(Protocol::Tcp),
            "udp" => trace.protocol = Some(Protocol::Udp),
            _ => {}
        }
    }
}

/// `198.51.100.1   AS64500  [EXAMPLE-NET]   places`, or a star.
fn who(draft: &mut Draft, ttl: u8, text: &str, current: &mut Option<(u8, Host)>, line: u64) -> bool {
    let Some((first, rest)) = word(text) else { return true };
    if first == "*" {
        return true;
    }
    let Some(address) = pieces::address(first) else {
        if !first.contains('*') {
            return false;
        }
        draft.once(line, "part of an address was hidden by the program: no address is taken from it");
        let host = Host { address: None, name: Some(pieces::clean(first)) };
        *current = Some((ttl, host));
        return true;
    };
    let host = Host { address: Some(address), name: None };
    draft.responder(ttl, &host, line);
    if let Some(claims) = word(rest).and_then(|(word, _)| pieces::claims(word)) {
        claim(draft, ttl, &host, &claims, line);
    }
    *current = Some((ttl, host));
    true
}

/// The lines below a hop's first: a name and its times, labels, another address.
fn below(draft: &mut Draft, text: &str, current: &mut Option<(u8, Host)>, line: u64) -> bool {
    let Some((ttl, host)) = current.clone() else { return false };
    if let Some(labels) = pieces::label_words(text) {
        return draft.responder(ttl, &host, line).map(|one| one.mpls = labels).is_some();
    }
    if let Some((name, cells)) = times(text) {
        if let Some(name) = name.and_then(pieces::name)
            && let Some(one) = draft.responder(ttl, &host, line)
        {
            one.name = Some(name);
        }
        for cell in cells {
            draft.sent(ttl, 1);
            if let Some(ms) = cell {
                let kind = draft.plain(&host);
                draft.reply(
                    ttl,
                    &host,
                    ForeignReply { rtt_ms: Some(ms), kind, ..ForeignReply::default() },
                    line,
                );
            }
        }
        return true;
    }
    word(text).is_some_and(|(first, _)| pieces::address(first).is_some())
        && who(draft, ttl, text, current, line)
}

/// `name   1.23 ms / * ms / 1.20 ms`: the name, if there is one, and the times.
fn times(text: &str) -> Option<(Option<&str>, Vec<Option<f64>>)> {
    let (first, others) = match text.split_once(" / ") {
        Some((first, others)) => (first, Some(others)),
        None => (text, None),
    };
    let cell = |text: &str| {
        let text = text.trim();
        let time = text.strip_suffix("ms").unwrap_or(text).trim();
        match time {
            "*" => Some(None),
            _ if text.ends_with("ms") => pieces::number(time).map(Some),
            _ => None,
        }
    };
    let first = first.trim();
    let bare = first.strip_suffix("ms").unwrap_or(first).trim_end();
    let (name, _) = bare.rsplit_once(char::is_whitespace).unwrap_or(("", bare));
    let mut cells = vec![cell(&first[name.len()..])?];
    for text in others.into_iter().flat_map(|others| others.split(" / ")) {
        cells.push(cell(text)?);
    }
    let name = name.trim();
    if name.contains(char::is_whitespace) {
        return None;
    }
    Some((Some(name).filter(|name| !name.is_empty()), cells))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests_misc::{lines, plain};
    use super::*;

    pub(in crate::import) const SAMPLE: &str = "NextTrace v1.4.0 2025-01-01T00:00:00Z abcdef
IP Geo Data Provider: LeoMoeAPI
traceroute to 192.0.2.10 (www.example.net), 30 hops max, 52 bytes payload, ICMP mode
1   198.51.100.1    *                         RFC1918
    gw.example.net                            1.23 ms / * ms / 1.20 ms
2   *
3   203.0.113.1     AS64500  [EXAMPLE-NET]    Example Land  example.net
                                              12.34 ms / 12.10 ms / 12.00 ms
    [MPLS: Lbl 16022, TC 0, S 1, TTL 1]
    203.0.113.5     AS64501                   Example Land
    r5.example.net                            13.00 ms
4   198.51.*.*      AS64502
                                              14.00 ms / 14.00 ms / 14.00 ms
5   192.0.2.10      AS64503                   Example Land
    www.example.net                           20.00 ms / 20.10 ms / * ms
MapTrace URL: https://example.net/map.html
";

    #[test]
    fn every_line() {
        let (trace, missed) = read(&lines(SAMPLE));
        assert!(missed.is_empty(), "{missed:?}");
        assert_eq!(
            plain(&trace),
            [
                "1 3/2 gw.example.net 198.51.100.1 1.23 TimeExceeded 1.2 TimeExceeded",
                "2 ?/0",
                "3 4/4 203.0.113.1 AS64500 L16022 12.34 TimeExceeded 12.1 TimeExceeded 12 TimeExceeded r5.example.net 203.0.113.5 AS64501 13 TimeExceeded",
                "4 3/3 198.51.*.* 14 TimeExceeded 14 TimeExceeded 14 TimeExceeded",
                "5 3/2 www.example.net 192.0.2.10 AS64503 20 20.1",
            ]
        );
        assert_eq!((trace.target.as_str(), trace.protocol), ("www.example.net", Some(Protocol::Icmp)));
        assert_eq!((trace.findings.len(), trace.arrived()), (1, (true, Some(5))));
        assert_eq!(trace.origin.version.as_deref(), Some("1.4.0"));
    }

    #[test]
    fn raw_lines() {
        let text = "1|198.51.100.1|gw.example.net|1.23|64500|Example Land||||||0.0|0.0
1|198.51.100.1|gw.example.net|1.10|64500|Example Land||||||0.0|0.0
2|*||||||||||
";
        assert!(text.lines().all(starts));
        let (trace, missed) = read(&lines(text));
        assert_eq!((missed.as_slice(), trace.origin.dialect.as_str()), (&[][..], "raw"));
        assert_eq!(plain(&trace), ["1 2/2 gw.example.net 198.51.100.1 AS64500 1.23 1.1", "2 1/0"]);
        let block = lines(text);
        assert!(joins(&block[..1], block[2].text) && !joins(&block[2..], block[0].text));
    }
}
