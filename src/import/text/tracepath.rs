//! tracepath: one reply a line, with what it learnt of the path's MTU.
//!
//! It never says whom it asked. A late answer is printed with the TTL it was sent with, so hop numbers go back and repeat.
//! Of an ICMP error it has only what Linux makes of it, an error number: `!H` is said of a host unreachable and of a
//! prohibition alike.

use super::Line;
use crate::import::pieces::{self, Draft, Host, word};
use crate::trace::foreign::{ForeignReply, ForeignTrace};
use crate::trace::{Protocol, ReplyKind};

/// Whether a line begins a tracepath.
pub(super) fn starts(line: &str) -> bool {
    head(line).is_some_and(|(_, _, rest)| rest.trim_start().starts_with("[LOCALHOST]"))
}

/// ` 1?: rest`, ` 1:  rest`: the TTL, whether it is guessed, the rest.
fn head(line: &str) -> Option<(u8, bool, &str)> {
    let (ttl, rest) = pieces::numbered(line)?;
    let (guessed, rest) = rest.strip_prefix('?').map_or((false, rest), |rest| (true, rest));
    let rest = rest.strip_prefix(':')?;
    rest.starts_with([' ', '\t']).then_some((ttl, guessed, rest))
}

pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut draft = Draft::new("tracepath", "", lines);
    draft.trace.protocol = Some(Protocol::Udp);
    for line in lines {
        let text = line.text.trim();
        if text.is_empty() {
            continue;
        }
        if text.starts_with("Resume:") {
            continue;
        }
        if text.starts_with("Too many hops:") {
            draft.trace.reached = Some(false);
            continue;
        }
        if let Some(said) = text.strip_prefix("tracepath:").or_else(|| text.strip_prefix("tracepath6:")) {
            draft.trace.failure = Some(pieces::clean(said.trim()));
            continue;
        }
        let understood = head(line.text)
            .is_some_and(|(ttl, guessed, rest)| hop(&mut draft, ttl, guessed, rest, line.number));
        if !understood {
            draft.miss(line.number);
        }
    }
    draft.done()
}

fn hop(draft: &mut Draft, ttl: u8, guessed: bool, rest: &str, line: u64) -> bool {
    let rest = rest.trim();
    if rest.starts_with("[LOCALHOST]") {
        return true;
    }
    if rest == "no reply" || rest == "send failed" {
        draft.silent(ttl);
        if rest == "send failed" {
            draft.trace.failure = Some(rest.to_owned());
        }
        return true;
    }
    let Some((host, rest)) = host(rest) else { return false };
    let Some(mut reply) = reply(draft, &host, rest, line) else { return false };
    if guessed {
        draft.once(line, "a hop number with `?` is a guess of tracepath");
    }
    if reply.kind.is_none() && reply.mark.is_none() {
        reply.kind = Some(ReplyKind::TimeExceeded);
    }
    draft.reply(ttl, &host, reply, line);
    true
}

/// The host, and what stands behind it.
fn host(text: &str) -> Option<(Host, &str)> {
    let (first, rest) = word(text)?;
    if let Some(inner) = rest.trim_start().strip_prefix('(') {
        let (inner, rest) = inner.split_once(')')?;
        let address = pieces::address(inner)?;
        return Some((Host { address: Some(address), name: pieces::name_beside(first, address) }, rest));
    }
    let host = Host::new(first);
    (!host.is_nobody()).then_some((host, rest))
}

/// `12.345ms asymm  9 pmtu 1480`, `reached`, `!H`.
fn reply(draft: &mut Draft, host: &Host, text: &str, line: u64) -> Option<ForeignReply> {
    let six = host.address.is_some_and(|address| address.is_ipv6());
    let mut reply = ForeignReply::default();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if let Some(ms) = word.strip_suffix("ms").and_then(pieces::number) {
            reply.rtt_ms = Some(ms);
            continue;
        }
        match word {
            // The difference between the ways there and back is the program's guess.
            "asymm" => drop(words.next().and_then(pieces::count)?),
            "pmtu" => reply.kind = Some(ReplyKind::TooBig { mtu: words.next().and_then(pieces::count)? }),
            "reached" => {
                // Port unreachable: nobody but the destination is meant to say that.
                reply.kind = Some(pieces::unreachable(six, 3));
                draft.trace.reached = Some(true);
                draft.trace.address = host.address;
            }
            "!H" | "!N" | "!A" | "!P" => {
                reply.mark = Some(word.to_owned());
                reply.kind = match (word, six) {
                    ("!H", false) => {
                        draft.once(
                            line,
                            "tracepath prints `!H` for a prohibition too (RFC 792 codes 1, 10, 12, 13)",
                        );
                        Some(pieces::unreachable(false, 1))
                    }
                    ("!N", false) => {
                        draft.once(
                            line,
                            "tracepath prints `!N` for a prohibition too (RFC 792 codes 0, 6, 9, 11)",
                        );
                        Some(pieces::unreachable(false, 0))
                    }
                    ("!H", true) => Some(pieces::unreachable(true, 1)),
                    ("!N", true) => Some(pieces::unreachable(true, 0)),
                    // Linux makes this error of IPv6's prohibitions only, so that a name without an address tells too.
                    ("!A", _) if six || host.address.is_none() => Some(pieces::unreachable(true, 13)),
                    _ => None,
                };
            }
            _ => return None,
        }
    }
    Some(reply)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests_misc::{lines, plain};
    use super::*;

    pub(in crate::import) const SAMPLE: &str = " 1?: [LOCALHOST]                      pmtu 1500
 1:  gw.example.net                                        0.285ms 
 1:  gw.example.net                                        0.204ms 
 2:  r2.example.net (198.51.100.1)                         5.120ms asymm  3 
 3:  no reply
 4:  198.51.100.9                                          9.000ms pmtu 1480
 4:  198.51.100.9                                          9.100ms 
 5:  203.0.113.1                                          12.000ms !H
 6:  192.0.2.10                                           20.500ms reached
     Resume: pmtu 1480 hops 6 back 6 
";

    #[test]
    fn every_line() {
        let (trace, missed) = read(&lines(SAMPLE));
        assert!(missed.is_empty(), "{missed:?}");
        assert_eq!(
            plain(&trace),
            [
                "1 ?/2 gw.example.net 0.285 TimeExceeded 0.204 TimeExceeded",
                "2 ?/1 r2.example.net 198.51.100.1 5.12 TimeExceeded",
                "3 ?/0",
                "4 ?/2 198.51.100.9 9 TooBig { mtu: 1480 } 9.1 TimeExceeded",
                "5 ?/1 203.0.113.1 12 Unreachable { icmp_type: 3, code: 1 } !H",
                "6 ?/1 192.0.2.10 20.5 Unreachable { icmp_type: 3, code: 3 }",
            ]
        );
        assert_eq!(
            (trace.target.as_str(), trace.reached, trace.arrived()),
            ("", Some(true), (true, Some(6)))
        );
        assert_eq!(trace.findings.len(), 1);
    }

    #[test]
    fn the_end_without_an_end() {
        let text = " 1?: [LOCALHOST]     pmtu 1500\n 1:  no reply\n 2:  what is this\n     Too many hops: pmtu 1500\n     Resume: pmtu 1500\n";
        let (trace, missed) = read(&lines(text));
        assert_eq!((missed, trace.reached, trace.address), (vec![3], Some(false), None));
    }
}
