//! `hping3 --traceroute`: a line for who, a line for how long.
//!
//! The program goes one TTL further only when time exceeded came back, so whatever else answers, answers a probe with the
//! TTL after the last hop printed. Silent hops print nothing.

use super::Line;
use crate::import::pieces::{self, Draft, Host};
use crate::trace::foreign::{ForeignReply, ForeignTrace};
use crate::trace::{Protocol, ReplyKind};

/// Whether a line begins an `hping3 --traceroute`.
pub(super) fn starts(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("HPING ") && line.contains(" data bytes") || transit(line).is_some()
}

/// Whether a line that would begin a trace is the next hop of this one.
pub(super) fn joins(block: &[Line<'_>], line: &str) -> bool {
    let Some((next, _)) = transit(line.trim_start()) else { return false };
    let last = block.iter().rev().take(8).find_map(|line| transit(line.text.trim_start()));
    last.is_none_or(|(ttl, _)| next >= ttl)
}

/// `hop=2 TTL 0 during transit from ip=198.51.100.1 name=UNKNOWN`: the TTL and what stands behind `ip=`.
fn transit(line: &str) -> Option<(u8, &str)> {
    let (ttl, rest) = pieces::numbered(line.strip_prefix("hop=")?)?;
    let rest = rest.trim_start().strip_prefix("TTL 0 during transit from ip=")?;
    Some((ttl, rest))
}

/// `198.51.100.1 name=x`, with no space before `name` in some versions, with `get hostname...` in between in others.
fn host(text: &str) -> Option<Host> {
    let (address, name) = match text.split_once("name=") {
        Some((address, name)) => (address, pieces::name(name).filter(|name| name != "UNKNOWN")),
        None => (text, None),
    };
    let (address, _) = pieces::word(address)?;
    Some(Host { address: Some(pieces::address(address)?), name })
}

#[derive(Default)]
struct Reader {
    draft: Draft,
    /// The hop whose time is still to come.
    waiting: Option<(u8, Host)>,
    last: u8,
    /// An answer whose time is still to come: `-V` takes two lines for it.
    answer: Option<(Host, Option<u8>)>,
}

pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut reader = Reader { draft: Draft::new("hping3", "", lines), ..Reader::default() };
    for line in lines {
        let text = line.text.trim();
        if !text.is_empty() && reader.line(text, line.number).is_none() {
            reader.draft.miss(line.number);
        }
    }
    reader.flush(lines.last().map_or(0, |line| line.number));
    reader.draft.done()
}

/// The value of `key=` in a line of such.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

impl Reader {
    fn line(&mut self, text: &str, line: u64) -> Option<()> {
        if text.starts_with("HPING ") {
            return self.header(text);
        }
        if let Some((ttl, rest)) = transit(text) {
            self.flush(line);
            self.waiting = Some((ttl, host(rest)?));
            self.last = self.last.max(ttl);
            return Some(());
        }
        if let Some(rest) = text.strip_prefix("hop=") {
            let (ttl, rest) = pieces::numbered(rest)?;
            let ms = pieces::number(rest.trim().strip_prefix("hoprtt=")?.strip_suffix("ms")?)?;
            let (_, host) = self.waiting.take().filter(|(waiting, _)| *waiting == ttl)?;
            self.hop(ttl, &host, Some(ms), line);
            return Some(());
        }
        if let Some(message) = text.strip_prefix("ICMP ") {
            let (message, from) = message.split_once(" from ip=")?;
            self.flush(line);
            self.refusal(message, &host(from)?, line);
            return Some(());
        }
        if text.starts_with("len=") {
            self.flush(line);
            let address = pieces::address(field(text, "ip")?)?;
            let ttl = field(text, "ttl").and_then(|ttl| ttl.parse().ok());
            self.answer = Some((Host { address: Some(address), name: None }, ttl));
            return if text.contains(" rtt=") { self.answered(text, line) } else { Some(()) };
        }
        if text.contains("rtt=") && self.answer.is_some() {
            return self.answered(text, line);
        }
        let rest = [
            "--- ",
            "round-trip min/avg/max",
            "using ",
            "auto-activate fragmentation",
            "seq=",
            "[",
            "ICMP timestamp",
            "tcpts",
        ];
        (rest.iter().any(|start| text.starts_with(start)) || text.contains(" packets transmitted, "))
            .then_some(())
    }

    fn header(&mut self, text: &str) -> Option<()> {
        let rest = text.strip_prefix("HPING ")?;
        let (name, rest) = pieces::word(rest)?;
        let (inner, rest) = rest.split_once(')')?;
        let trace = &mut self.draft.trace;
        trace.target = pieces::clean(name);
        trace.address = inner.split_whitespace().next_back().and_then(pieces::address);
        trace.protocol = if rest.contains("icmp mode") {
            Some(Protocol::Icmp)
        } else if rest.contains("udp mode") {
            Some(Protocol::Udp)
        } else if rest.contains(" set,") {
            Some(Protocol::Tcp)
        } else {
            None
        };
        let bytes = |word: &str| {
            rest.split_once(word).and_then(|(before, _)| {
                pieces::count(before.split([' ', ',']).rfind(|part| !part.is_empty())?)
            })
        };
        let size = bytes(" headers")?.checked_add(bytes(" data bytes")?)?;
        trace.size = u16::try_from(size).ok();
        Some(())
    }

    fn hop(&mut self, ttl: u8, host: &Host, rtt_ms: Option<f64>, line: u64) {
        let reply = ForeignReply { rtt_ms, kind: Some(ReplyKind::TimeExceeded), ..ForeignReply::default() };
        self.draft.reply(ttl, host, reply, line);
    }

    /// Somebody answered in another way than a router does.
    fn answered(&mut self, text: &str, line: u64) -> Option<()> {
        let (host, reply_ttl) = self.answer.take()?;
        let rest = text.split_once(" rtt=").map(|(_, rest)| rest)?;
        let ms = pieces::number(rest.split_whitespace().next()?)?;
        let kind = match field(text, "flags") {
            // Flags of a SYN that was accepted, or refused (RFC 9293 §3.10.7).
            Some(flags) if flags.contains('S') && flags.contains('A') => Some(ReplyKind::SynAck),
            Some(flags) if flags.contains('R') => Some(ReplyKind::Rst),
            Some(_) => None,
            None if self.draft.trace.protocol == Some(Protocol::Icmp) => Some(ReplyKind::EchoReply),
            None if self.draft.trace.protocol == Some(Protocol::Udp) => Some(ReplyKind::UdpAnswer),
            None => None,
        };
        if self.draft.trace.port.is_none() && self.draft.trace.protocol != Some(Protocol::Icmp) {
            self.draft.trace.port = field(text, "sport").and_then(|port| port.parse().ok());
        }
        let reply = ForeignReply { rtt_ms: Some(ms), kind, reply_ttl, ..ForeignReply::default() };
        self.draft.reply(self.last.saturating_add(1), &host, reply, line);
        Some(())
    }

    fn refusal(&mut self, message: &str, host: &Host, line: u64) {
        let code = match message.trim().to_ascii_lowercase().as_str() {
            "network unreachable" => Some(0),
            "host unreachable" => Some(1),
            "protocol unreachable" => Some(2),
            "port unreachable" => Some(3),
            "source route failed" => Some(5),
            "network unknown" => Some(6),
            "host unknown" => Some(7),
            "host isolated" => Some(8),
            "packet filtered" => Some(13),
            "precedence violation" => Some(14),
            "precedence cutoff" => Some(15),
            _ => None,
        };
        let kind = code.map(|code| pieces::unreachable(false, code));
        let mark = Some(pieces::clean(message.trim()));
        let reply = ForeignReply { kind, mark, ..ForeignReply::default() };
        self.draft.reply(self.last.saturating_add(1), host, reply, line);
    }

    /// A line about who, and none about how long.
    fn flush(&mut self, line: u64) {
        if let Some((ttl, host)) = self.waiting.take() {
            self.hop(ttl, &host, None, line);
        }
        self.answer = None;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests_misc::{lines, plain};
    use super::*;

    pub(in crate::import) const SAMPLE: &str =
        "HPING www.example.net (eth0 192.0.2.10): S set, 40 headers + 0 data bytes
hop=1 TTL 0 during transit from ip=198.51.100.1 name=gw.example.net
hop=1 hoprtt=1.5 ms
hop=2 TTL 0 during transit from ip=198.51.100.9 get hostname...               name=UNKNOWN
hop=2 hoprtt=12.3 ms
hop=5 TTL 0 during transit from ip=203.0.113.1name=r5.example.net
hop=5 hoprtt=15.0 ms
ICMP Packet filtered from ip=203.0.113.9 name=fw.example.net
len=46 ip=192.0.2.10 ttl=55 DF id=0 sport=443 flags=SA seq=4 win=29200 rtt=20.1 ms
len=40 ip=192.0.2.10 ttl=61 DF id=0 tos=0 iplen=40
sport=443 flags=RA seq=3 win=0 rtt=0.6 ms
seq=0 ack=1258715713 sum=a9f3 urp=0

--- www.example.net hping statistic ---
9 packets transmitted, 6 packets received, 34% packet loss
round-trip min/avg/max = 0.6/1.2/20.1 ms
";

    #[test]
    fn every_line() {
        let (trace, missed) = read(&lines(SAMPLE));
        assert!(missed.is_empty(), "{missed:?}");
        assert_eq!(
            plain(&trace),
            [
                "1 ?/1 gw.example.net 198.51.100.1 1.5 TimeExceeded",
                "2 ?/1 198.51.100.9 12.3 TimeExceeded",
                "5 ?/1 r5.example.net 203.0.113.1 15 TimeExceeded",
                "6 ?/3 fw.example.net 203.0.113.9 - Unreachable { icmp_type: 3, code: 13 } Packet filtered 192.0.2.10 20.1 SynAck 0.6 Rst",
            ]
        );
        assert_eq!((trace.protocol, trace.port, trace.size), (Some(Protocol::Tcp), Some(443), Some(40)));
        assert_eq!(trace.hops[3].responders[1].replies[0].reply_ttl, Some(55));
        assert_eq!(trace.arrived(), (true, Some(6)));
    }

    #[test]
    fn strange_lines_are_named() {
        let (_, missed) = read(&lines(
            "hop=1 TTL 0 during transit from ip=198.51.100.1\nhop=2 hoprtt=1 ms\nfoo\nhop=900 hoprtt=1 ms\n",
        ));
        assert_eq!(missed, [2, 3, 4]);
    }
}
