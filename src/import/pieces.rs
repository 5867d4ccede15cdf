//! What the readers of single tools share: hosts, numbers, label stacks, and a trace that is being read.
//!
//! The limits of [`most`] are kept here and nowhere else, so that no reader can forget one.

use std::net::IpAddr;

use crate::trace::foreign::{ForeignReply, ForeignResponder, ForeignTrace, Provenance, most};
use crate::trace::{MplsLabel, ReplyKind};

use super::text::Line;

/// Who answered, as one cell of a text has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) address: Option<IpAddr>,
    pub(super) name: Option<String>,
}

impl Host {
    /// `name (addr)`, `name [addr]`, an address or a name; nobody for `???`, `*` and nothing at all.
    pub(super) fn new(text: &str) -> Self {
        let text = text.trim();
        for (open, close) in [('(', ')'), ('[', ']')] {
            let Some(inner) = text.strip_suffix(close) else { continue };
            let Some((name, inner)) = inner.rsplit_once(open) else { continue };
            if let Some(address) = address(inner) {
                return Self { address: Some(address), name: name_beside(name, address) };
            }
        }
        match address(text) {
            Some(address) => Self { address: Some(address), name: None },
            None => Self { address: None, name: name(text) },
        }
    }

    /// Neither an address nor a name.
    pub(super) const fn is_nobody(&self) -> bool {
        self.address.is_none() && self.name.is_none()
    }
}

/// A name that stands beside an address and is not the address once more.
pub(super) fn name_beside(text: &str, beside: IpAddr) -> Option<String> {
    name(text).filter(|_| address(text) != Some(beside))
}

/// An address, perhaps with a zone (RFC 4007 §11), which is this machine's affair and left out.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse().ok()
}

/// A name without what hides or moves text on a screen, at most as long as one may be; `None` for signs of not knowing.
pub(super) fn name(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().all(|one| matches!(one, '?' | '*' | '-')) {
        return None;
    }
    let name = clean(text);
    Some(name).filter(|name| !name.is_empty())
}

/// Words of a file: no control characters, no marks of direction, cut at the longest name's length.
pub(super) fn clean(text: &str) -> String {
    let mut words = String::with_capacity(text.len().min(most::NAME));
    for one in text.chars().filter(|one| !hides(*one)) {
        if words.len() + one.len_utf8() > most::NAME {
            break;
        }
        words.push(one);
    }
    words
}

fn hides(one: char) -> bool {
    one.is_control()
        || matches!(one, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A number that is not negative, with a point or a comma before its fraction.
pub(super) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = |one: u8| one.is_ascii_digit() || one == b'.' || one == b',';
    // `parse` alone takes `nan`, `inf` and `1e99`. No time and no count has so many digits.
    if text.is_empty() || text.len() > 20 || !text.bytes().all(plain) {
        return None;
    }
    text.replace(',', ".").parse().ok()
}

/// A whole number.
pub(super) fn count(text: &str) -> Option<u32> {
    let text = text.trim();
    text.bytes().all(|one| one.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A hop number at the beginning of a line, 1 to 255, and what follows it.
pub(super) fn numbered(line: &str) -> Option<(u8, &str)> {
    let (number, rest) = leading(line)?;
    Some((u8::try_from(number).ok().filter(|ttl| *ttl > 0)?, rest))
}

/// A number of up to three digits at the beginning of a line and what follows it.
pub(super) fn leading(line: &str) -> Option<(u16, &str)> {
    let text = line.trim_start();
    let digits = text.bytes().take(4).take_while(u8::is_ascii_digit).count();
    if digits > 3 {
        return None;
    }
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// The word at the beginning of a text and what follows it.
pub(super) fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    if text.is_empty() {
        return None;
    }
    Some(text.split_at(text.find(char::is_whitespace).unwrap_or(text.len())))
}

/// `AS64500`, `[AS64500]`, several joined with `/`; no AS at all for `AS???`, `AS0` and `*`. `None` if it is none of these.
pub(super) fn claims(text: &str) -> Option<Vec<u32>> {
    let text = text.trim().trim_start_matches('[').trim_end_matches(']');
    let mut claims = Vec::new();
    for part in text.split('/') {
        let digits = part.strip_prefix("AS").or_else(|| part.strip_prefix("as"))?;
        if digits.is_empty() || digits.bytes().all(|one| one == b'?' || one == b'*') {
            continue;
        }
        let asn = count(digits)?;
        if asn != 0 && !claims.contains(&asn) && claims.len() < most::LABELS {
            claims.push(asn);
        }
    }
    Some(claims)
}

/// `[MPLS: Lbl 16022 TC 0 S 1 TTL 1]`, with `Exp` for `TC` in older programs, with or without commas; the labels of a stack
/// one after the other.
pub(super) fn label_words(text: &str) -> Option<Vec<MplsLabel>> {
    let text = text.trim();
    let inner = text.strip_prefix('[').unwrap_or(text).strip_prefix("MPLS:")?;
    let inner = inner.split(']').next().unwrap_or(inner);
    let mut labels: Vec<MplsLabel> = Vec::new();
    let mut words = inner.split([' ', ',', '\t', '=']).filter(|word| !word.is_empty());
    while let Some(key) = words.next() {
        let value = words.next().and_then(count)?;
        if matches!(key, "Lbl" | "L") {
            if labels.len() == most::LABELS || value >= 1 << 20 {
                return None;
            }
            labels.push(MplsLabel { label: value, tc: 0, bottom: false, ttl: 0 });
            continue;
        }
        let last = labels.last_mut()?;
        match key {
            "TC" | "Exp" | "E" => last.tc = u8::try_from(value).ok().filter(|tc| *tc < 8)?,
            "S" => last.bottom = value == 1,
            "TTL" | "T" => last.ttl = u8::try_from(value).ok()?,
            _ => return None,
        }
    }
    Some(labels).filter(|labels| !labels.is_empty())
}

/// An ICMP error by its type and code, where the file does not tell the MTU of one that is too big (RFC 792, RFC 4443).
pub(super) const fn error(six: bool, icmp_type: u8, code: u8) -> ReplyKind {
    match (six, icmp_type, code) {
        (false, 11, 0) | (true, 3, 0) => ReplyKind::TimeExceeded,
        (false, 3, 4) | (true, 2, _) => ReplyKind::TooBig { mtu: 0 },
        (false, 3, _) | (true, 1, _) => ReplyKind::Unreachable { icmp_type, code },
        _ => ReplyKind::OtherIcmp { icmp_type, code },
    }
}

/// A message of destination unreachable in either family, by what it says of the network or the host.
pub(super) const fn unreachable(six: bool, code: u8) -> ReplyKind {
    if !six {
        return ReplyKind::Unreachable { icmp_type: 3, code };
    }
    // RFC 4443 §3.1: 0 no route, 1 prohibited, 3 address, 4 port; a protocol is a matter of parameter problem.
    match code {
        0 => ReplyKind::Unreachable { icmp_type: 1, code: 0 },
        1 => ReplyKind::Unreachable { icmp_type: 1, code: 3 },
        2 => ReplyKind::OtherIcmp { icmp_type: 4, code: 1 },
        3 => ReplyKind::Unreachable { icmp_type: 1, code: 4 },
        _ => ReplyKind::Unreachable { icmp_type: 1, code: 1 },
    }
}

/// A trace that is being read, and the lines of it that were not understood.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) trace: ForeignTrace,
    missed: Vec<u64>,
    said: Vec<&'static str>,
}

impl Draft {
    pub(super) fn new(format: &'static str, dialect: &str, lines: &[Line<'_>]) -> Self {
        let span = lines.first().zip(lines.last()).map(|(first, last)| (first.number, last.number));
        let origin = Provenance { format, dialect: dialect.to_owned(), version: None, lines: span };
        Self { trace: ForeignTrace { origin, ..ForeignTrace::default() }, ..Self::default() }
    }

    /// The line was not understood.
    pub(super) fn miss(&mut self, line: u64) {
        self.missed.push(line);
    }

    /// Says something once, at the first line that gives cause.
    pub(super) fn once(&mut self, line: u64, text: &'static str) {
        if !self.said.contains(&text) {
            self.said.push(text);
            self.trace.note(Some(line), text);
        }
    }

    /// Probes were sent at a TTL.
    pub(super) fn sent(&mut self, ttl: u8, probes: u32) {
        let sent = &mut self.trace.hop_mut(ttl).sent;
        *sent = Some(sent.unwrap_or(0).saturating_add(probes));
    }

    /// Somebody at a TTL; `None` if nobody is named or there are too many.
    pub(super) fn responder(&mut self, ttl: u8, host: &Host, line: u64) -> Option<&mut ForeignResponder> {
        if host.is_nobody() {
            return None;
        }
        self.any_responder(ttl, host, line)
    }

    fn any_responder(&mut self, ttl: u8, host: &Host, line: u64) -> Option<&mut ForeignResponder> {
        let hop = self.trace.hop_mut(ttl);
        if hop.responder_mut(host.address, host.name.as_deref()).is_none() {
            self.once(line, "more than 64 addresses at a hop: the others are left out");
            return None;
        }
        let one = self.trace.hop_mut(ttl).responder_mut(host.address, host.name.as_deref())?;
        if one.name.is_none() {
            one.name.clone_from(&host.name);
        }
        Some(one)
    }

    /// A reply came; it counts as an answer. From nobody known if the host is nobody.
    pub(super) fn reply(&mut self, ttl: u8, host: &Host, reply: ForeignReply, line: u64) {
        let hop = self.trace.hop_mut(ttl);
        hop.answered = Some(hop.answered.unwrap_or(0).saturating_add(1));
        self.spare_reply(ttl, host, reply, line);
    }

    /// A reply that counts as no answer: a second one to the same probe.
    pub(super) fn spare_reply(&mut self, ttl: u8, host: &Host, reply: ForeignReply, line: u64) {
        let replies: usize = self.trace.hop_mut(ttl).responders.iter().map(|one| one.replies.len()).sum();
        if replies >= most::REPLIES {
            self.once(line, "more than 1024 replies at a hop: the others are counted and left out");
        } else if let Some(one) = self.any_responder(ttl, host, line) {
            one.replies.push(reply);
        }
    }

    /// A hop where nobody answered so far.
    pub(super) fn silent(&mut self, ttl: u8) {
        self.trace.hop_mut(ttl).answered.get_or_insert(0);
    }

    /// Whether this is the destination.
    pub(super) fn is_target(&self, host: &Host) -> bool {
        match host.address {
            Some(_) => host.address == self.trace.address,
            None => host.name.as_ref().is_some_and(|name| *name == self.trace.target),
        }
    }

    /// What a plain time says: time exceeded, unless the destination sent it.
    pub(super) fn plain(&self, host: &Host) -> Option<ReplyKind> {
        (!self.is_target(host)).then_some(ReplyKind::TimeExceeded)
    }

    pub(super) fn done(mut self) -> (ForeignTrace, Vec<u64>) {
        self.missed.sort_unstable();
        self.missed.dedup();
        // Whoever has the name that was asked for, and its address beside it, is the target.
        if self.trace.address.is_none() {
            let last = self.trace.hops.last().map_or(&[][..], |hop| &hop.responders);
            let named = |one: &&ForeignResponder| {
                one.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(&self.trace.target))
            };
            self.trace.address = last.iter().find(named).and_then(|one| one.address);
        }
        (self.trace, self.missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let host = |text: &str| {
            let host = Host::new(text);
            (host.address.map(|address| address.to_string()), host.name)
        };
        let both = |address: &str, name: &str| (Some(address.to_owned()), Some(name.to_owned()));
        assert_eq!(host("gw.example.net (192.0.2.1)"), both("192.0.2.1", "gw.example.net"));
        assert_eq!(host("gw.example.net [2001:db8::1]"), both("2001:db8::1", "gw.example.net"));
        assert_eq!(host("192.0.2.1 (192.0.2.1)"), (Some("192.0.2.1".to_owned()), None));
        assert_eq!(host("??? (192.0.2.1)"), (Some("192.0.2.1".to_owned()), None));
        assert_eq!(host("fe80::1%eth0"), (Some("fe80::1".to_owned()), None));
        assert_eq!(host("gw\u{202e}.example"), (None, Some("gw.example".to_owned())));
        for nobody in ["", "???", " * ", "*"] {
            assert!(Host::new(nobody).is_nobody(), "{nobody}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!((number("1.5"), number("1,5"), number(" 12")), (Some(1.5), Some(1.5), Some(12.0)));
        for no in ["", "nan", "inf", "-1", "1e3", "1.2.3", "123456789012345678901"] {
            assert_eq!(number(no), None, "{no}");
        }
        assert_eq!((numbered("  7  x"), numbered("0 x"), numbered("256 x")), (Some((7, "  x")), None, None));
    }

    #[test]
    fn stacks() {
        let one = MplsLabel { label: 16022, tc: 5, bottom: true, ttl: 1 };
        for text in [
            "[MPLS: Lbl 16022 TC 5 S 1 TTL 1]",
            "[MPLS: Lbl 16022 Exp 5 S 1 TTL 1]",
            "[MPLS: Lbl 16022, TC 5, S 1, TTL 1]",
        ] {
            assert_eq!(label_words(text), Some(vec![one]), "{text}");
        }
        let stack = label_words("[MPLS: Lbl 16022 TC 5 S 0 TTL 1 Lbl 24 TC 0 S 1 TTL 1]").unwrap();
        assert_eq!(
            stack.iter().map(|one| (one.label, one.bottom)).collect::<Vec<_>>(),
            [(16022, false), (24, true)]
        );
        for no in ["[MPLS: Lbl 1048576 TC 0 S 1 TTL 1]", "[MPLS: TC 0]", "[MPLS: ]", "MPLS", "[MPLS: Lbl]"] {
            assert_eq!(label_words(no), None, "{no}");
        }
        assert_eq!(claims("[AS64500/AS64501]"), Some(vec![64500, 64501]));
        assert_eq!((claims("AS???"), claims("asia.example")), (Some(vec![]), None));
    }
}
