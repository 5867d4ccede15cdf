//! tcptraceroute: hops with what a SYN was answered with.
//!
//! The header goes to standard error and is often not in the copy. It alone says when the quoted destination is not the one
//! asked (`Detected DNAT`): somebody on the way answers in the destination's place.

use std::net::IpAddr;

use super::Line;
use crate::import::pieces::{self, Draft, Host, word};
use crate::trace::foreign::{ForeignReply, ForeignTrace};
use crate::trace::{Protocol, ReplyKind};

/// Whether a line begins a tcptraceroute.
pub(super) fn starts(line: &str) -> bool {
    let line = line.trim_start();
    is_device(line) || is_header(line)
}

fn is_device(line: &str) -> bool {
    line.starts_with("Selected device ") && line.contains("for outgoing packets")
}

fn is_header(line: &str) -> bool {
    line.starts_with("Tracing the path to ") && line.contains(" on TCP port ")
}

/// Whether a line that would begin a trace is the second line of this one's header.
pub(super) fn joins(block: &[Line<'_>], line: &str) -> bool {
    is_header(line.trim_start())
        && block.iter().all(|one| one.text.trim().is_empty() || is_device(one.text.trim_start()))
}

struct Reader {
    draft: Draft,
    ttl: Option<u8>,
    host: Option<Host>,
    /// What `[open]` or `[closed]` says of the times behind it.
    state: Option<State>,
    rewritten: Option<IpAddr>,
}

#[derive(Clone)]
struct State {
    kind: Option<ReplyKind>,
    mark: Option<String>,
}

/// Reads a block, with its header or without.
pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut draft = Draft::new("tcptraceroute", "", lines);
    draft.trace.protocol = Some(Protocol::Tcp);
    let mut reader = Reader { draft, ttl: None, host: None, state: None, rewritten: None };
    for line in lines {
        let text = line.text.trim();
        if !text.is_empty() && !reader.line(text, line.number) {
            reader.draft.miss(line.number);
        }
    }
    reader.draft.done()
}

impl Reader {
    fn line(&mut self, text: &str, line: u64) -> bool {
        let trace = &mut self.draft.trace;
        if is_device(text) {
            let source = text.split(", address ").nth(1).and_then(|rest| rest.split(',').next());
            trace.vantage.source = source.and_then(pieces::address);
            return true;
        }
        if is_header(text) {
            return self.header(text).is_some();
        }
        if text.starts_with("Destination not reached") {
            trace.reached = Some(false);
            return true;
        }
        if text.starts_with("Destination reached") {
            trace.reached = Some(true);
            return true;
        }
        if let Some(rest) = text.strip_prefix("Detected DNAT to ") {
            let (to, rest) = word(rest).unwrap_or((rest, ""));
            let Some(to) = socket(to) else { return false };
            self.rewritten = Some(to);
            return rest.trim().is_empty() || self.cells(rest, line);
        }
        match pieces::numbered(text) {
            Some((ttl, rest)) if rest.starts_with([' ', '\t']) => {
                (self.ttl, self.host, self.state) = (Some(ttl), None, None);
                self.draft.trace.hop_mut(ttl);
                let understood = self.cells(rest, line);
                self.draft.silent(ttl);
                understood
            }
            _ => self.ttl.is_some() && self.cells(text, line),
        }
    }

    fn header(&mut self, text: &str) -> Option<()> {
        let rest = text.strip_prefix("Tracing the path to ")?;
        let (name, rest) = rest.split_once(" on TCP port ")?;
        let host = Host::new(name);
        let trace = &mut self.draft.trace;
        trace.target = host.name.or_else(|| host.address.map(|one| one.to_string())).unwrap_or_default();
        trace.address = host.address;
        let digits = rest.split(|one: char| !one.is_ascii_digit()).next()?;
        trace.port = digits.parse().ok();
        let size = rest.split(", ").find_map(|part| part.trim().strip_suffix(" byte packets"));
        trace.size = size.and_then(|size| size.parse().ok());
        Some(())
    }

    /// Stars, hosts, states, times and marks.
    fn cells(&mut self, text: &str, line: u64) -> bool {
        let Some(ttl) = self.ttl else { return false };
        let mut rest = text.trim_start();
        while let Some((first, after)) = word(rest) {
            if first == "*" {
                self.draft.sent(ttl, 1);
                rest = after;
                continue;
            }
            if rest.starts_with('[') {
                let Some((state, after)) = rest[1..].split_once(']') else { return false };
                let Some(state) = self::state(state) else { return false };
                self.state = Some(state);
                rest = after.trim_start();
                continue;
            }
            if let (Some(ms), Some(("ms", behind))) = (pieces::number(first), word(after)) {
                let Some(host) = self.host.clone() else { return false };
                let (mark, behind) = match word(behind) {
                    Some((mark, behind)) if mark.starts_with('!') => (Some(mark), behind),
                    _ => (None, behind),
                };
                let reply = self.reply(&host, ms, mark);
                self.draft.sent(ttl, 1);
                self.draft.reply(ttl, &host, reply, line);
                rest = behind.trim_start();
                continue;
            }
            let host = if let Some(inner) = after.trim_start().strip_prefix('(') {
                let Some((inner, behind)) = inner.split_once(')') else { return false };
                let Some(address) = pieces::address(inner) else { return false };
                rest = behind.trim_start();
                Host { address: Some(address), name: pieces::name_beside(first, address) }
            } else {
                rest = after.trim_start();
                // Without a bracket it is an address; any other word is not understood.
                Host { address: pieces::address(first), name: None }
            };
            if host.is_nobody() {
                return false;
            }
            (self.host, self.state) = (Some(host), None);
        }
        true
    }

    fn reply(&self, host: &Host, ms: f64, mark: Option<&str>) -> ForeignReply {
        let six = host.address.is_some_and(|address| address.is_ipv6());
        let state = self.state.clone();
        let kind = match (mark, &state) {
            (Some(mark), _) => code(mark).map(|code| pieces::unreachable(six, code)),
            (None, Some(state)) => state.kind,
            (None, None) => self.draft.plain(host),
        };
        let quotes = !matches!(kind, Some(ReplyKind::SynAck | ReplyKind::Rst));
        ForeignReply {
            rtt_ms: Some(ms),
            kind,
            mark: mark.map(pieces::clean).or(state.and_then(|state| state.mark)),
            rewritten_to: self.rewritten.filter(|_| quotes),
            ..ForeignReply::default()
        }
    }
}

/// `198.51.100.5:8080`, or an address alone.
fn socket(text: &str) -> Option<IpAddr> {
    let text = text.trim_end_matches(['.', ',']);
    pieces::address(text).or_else(|| text.rsplit_once(':').and_then(|(to, _)| pieces::address(to)))
}

fn state(text: &str) -> Option<State> {
    let known = |kind| Some(State { kind: Some(kind), mark: None });
    match text.split(',').next()?.trim() {
        "open" => known(ReplyKind::SynAck),
        "closed" => known(ReplyKind::Rst),
        "unknown" if text.contains("RST") => known(ReplyKind::Rst),
        "unknown" => Some(State { kind: None, mark: Some(format!("[{}]", pieces::clean(text))) }),
        _ => None,
    }
}

/// The code of destination unreachable (RFC 792) that a mark of this program means; of several the commonest.
fn code(mark: &str) -> Option<u8> {
    Some(match mark {
        "!N" => 0,
        "!H" => 1,
        "!P" => 2,
        "!p" => 3,
        "!F" => 4,
        "!S" => 5,
        "!U" => 7,
        "!I" => 8,
        "!C" => 10,
        "!T" => 12,
        // 9 or 13.
        "!A" => 13,
        _ => mark.strip_prefix("!<")?.strip_suffix('>')?.parse().ok()?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests_misc::{lines, plain};
    use super::*;

    pub(in crate::import) const SAMPLE: &str =
        "Selected device eth0, address 10.0.0.7, port 33000 for outgoing packets
Tracing the path to www.example.net (192.0.2.10) on TCP port 443 (https), 30 hops max, 52 byte packets
 1  gw.example.net (198.51.100.1)  0.500 ms  0.400 ms  *
 2  * * *
 3  198.51.100.9  9.000 ms
    198.51.100.13  9.100 ms  9.200 ms
      Detected DNAT to 203.0.113.5:8080
 4  203.0.113.1  10.000 ms !A  * 11.000 ms !<6>
 5  www.example.net (192.0.2.10) [open]  20.000 ms  21.000 ms  22.000 ms
";

    #[test]
    fn every_line() {
        let (trace, missed) = read(&lines(SAMPLE));
        assert!(missed.is_empty(), "{missed:?}");
        assert_eq!(
            plain(&trace),
            [
                "1 3/2 gw.example.net 198.51.100.1 0.5 TimeExceeded 0.4 TimeExceeded",
                "2 3/0",
                "3 3/3 198.51.100.9 9 TimeExceeded 198.51.100.13 9.1 TimeExceeded 9.2 TimeExceeded",
                "4 3/2 203.0.113.1 10 Unreachable { icmp_type: 3, code: 13 } !A 11 Unreachable { icmp_type: 3, code: 6 } !<6>",
                "5 3/3 www.example.net 192.0.2.10 20 SynAck 21 SynAck 22 SynAck",
            ]
        );
        let rewritten: Vec<_> = trace
            .hops
            .iter()
            .map(|hop| hop.responders.first().map(|one| one.replies[0].rewritten_to))
            .collect();
        assert_eq!(rewritten[2..], [Some(None), Some("203.0.113.5".parse().ok()), Some(None)]);
        assert_eq!(
            (trace.port, trace.size, trace.vantage.source),
            (Some(443), Some(52), "10.0.0.7".parse().ok())
        );
        assert_eq!(trace.arrived(), (true, Some(5)));
    }

    #[test]
    fn without_a_header() {
        let (trace, missed) = read(&lines(
            " 1  198.51.100.1  1.0 ms\n 2  192.0.2.10 [closed]  2.0 ms\nDestination not reached\n\n 3  gw what\n",
        ));
        assert_eq!((missed, trace.reached), (vec![5], Some(false)));
        assert_eq!(plain(&trace)[1], "2 1/1 192.0.2.10 2 Rst");
    }
}
