//! Hop lines: the part that all traceroutes of the Unix family and most routers have in common.
//!
//! A line that begins with a number is a hop; one without continues the hop above, with another address or because a mail
//! program broke the line. What programs differ in is told afterwards, from the header and from what was seen here
//! ([`Seen`]): only then is it known what a mark means.

use std::net::IpAddr;

use super::Line;
use super::cells::{self, Cell};
use super::marks::{self, Column};
use crate::trace::foreign::{ForeignReply, ForeignResponder, ForeignTrace, most};
use crate::trace::{MplsLabel, Protocol, ReplyKind};

mod line;

use line::{Draft, Item};

/// The hop number that a line begins with.
pub(super) fn hop_number(line: &str) -> Option<u8> {
    numbered(line).map(|(ttl, _)| ttl)
}

fn numbered(line: &str) -> Option<(u8, &str)> {
    let text = line.trim_start();
    let digits = text.bytes().take(4).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    if digits == 0 || !(rest.is_empty() || rest.starts_with([' ', '\t', '*'])) {
        return None;
    }
    // A time that a mail program put onto a line of its own.
    if matches!(cells::next(text), Some((Cell::Rtt(_), _))) {
        return None;
    }
    Some((number.parse().ok()?, rest))
}

/// A hop of stars alone.
pub(super) fn is_silent(line: &str) -> bool {
    numbered(line).is_some_and(|(_, rest)| {
        rest.contains('*') && rest.chars().all(|one| one == '*' || one.is_whitespace())
    })
}

/// A hop line that can be nothing else, by which a trace without a header is known: all of it is understood, and somebody
/// answered.
pub(super) fn starts(line: &str) -> bool {
    let Some((_, rest)) = numbered(line) else { return false };
    let draft = Draft::new(rest, false);
    // A table with its times in front is another tool's.
    let in_order = !matches!(draft.items.first(), Some(Item::Rtt(_)));
    draft.rests.is_empty() && draft.timed && in_order && (draft.addressed || draft.claimed)
}

/// What of the lines tells one program from another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// A further address stood on a line of its own.
    pub continued: bool,
    /// AS numbers stood before the host.
    pub claims_first: bool,
    /// AS numbers stood behind the host.
    pub claims_last: bool,
    /// Times in `msec`.
    pub msec: bool,
    /// Labels stood on lines of their own.
    pub label_lines: bool,
    /// An address stood two spaces behind the hop number.
    pub wide: bool,
    /// A name in parentheses stood behind its address, or no space before `ms`.
    pub address_first: bool,
}

/// Reads the lines of a block into a trace.
pub(super) struct Body {
    pub(super) trace: ForeignTrace,
    pub(super) seen: Seen,
    missed: Vec<u64>,
    /// Marks stand where times do, each for a probe.
    marks_alone: bool,
    /// The hop that is being read; `None` before the first.
    ttl: Option<u8>,
    /// The responder that the next time belongs to, by its place in the hop.
    who: Option<usize>,
    /// Nothing has been said of that responder yet but who it is.
    fresh: bool,
    /// Where the last reply of this line stands, for a mark that follows it.
    last: Option<(usize, usize)>,
    /// What stood before a host, or instead of one.
    claims: Option<Vec<u32>>,
    labels: Vec<MplsLabel>,
    /// A name at the end of a line, which the mail program may have parted from its address.
    name: Option<String>,
    flags: Option<ReplyKind>,
    /// Stored replies of the hop.
    replies: usize,
    /// The line before this one was understood.
    near: bool,
}

impl Body {
    pub(super) fn new(trace: ForeignTrace, marks_alone: bool) -> Self {
        Self {
            trace,
            seen: Seen::default(),
            missed: Vec::new(),
            marks_alone,
            ttl: None,
            who: None,
            fresh: false,
            last: None,
            claims: None,
            labels: Vec::new(),
            name: None,
            flags: None,
            replies: 0,
            near: true,
        }
    }

    /// Reads lines; those for which `known` says so are understood already.
    pub(super) fn read(&mut self, lines: &[Line<'_>], known: fn(&str) -> bool) {
        let mut dump = 0;
        for line in lines {
            let text = line.text.trim();
            if text.is_empty() {
                self.near = false;
            } else if text == "^C" || known(text) || self.line(*line) {
                dump = self.missed.len();
                self.near = true;
            } else if is_dump(text) {
                // A packet in hex with the key above it (`-D` of BSD).
                self.missed.truncate(dump);
            } else {
                self.missed.push(line.number);
                self.near = false;
            }
        }
    }

    fn line(&mut self, line: Line<'_>) -> bool {
        let text = line.text.trim_end();
        if let Some((before, message)) = local_error(text) {
            let head = before.trim();
            // A program warns before it begins: here it is the next one.
            if self.ttl.is_some() && is_warning(message) {
                return false;
            }
            let understood = head.is_empty() || self.cells(line, head);
            self.local(line.number, message);
            return understood;
        }
        let start = text.trim_start();
        // NX-OS: `[Label=24001 E=0 TTL=1 S=1]`.
        if let Some(inner) = start.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
            && inner.starts_with("Label=")
            && let Some(labels) = cells::labels(inner)
        {
            return self.stack(labels);
        }
        if start.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("mpls"))
            && let Some(labels) = cells::labels(&start[4..])
        {
            self.seen.label_lines = true;
            return self.stack(labels);
        }
        self.cells(line, text)
    }

    fn cells(&mut self, line: Line<'_>, text: &str) -> bool {
        if let Some((ttl, rest)) = numbered(text) {
            let draft = Draft::new(rest, self.marks_alone);
            let bare = draft.items.is_empty() && draft.rests.is_empty();
            let next = self.ttl.is_none_or(|last| ttl > last);
            let accepted = match draft.rests.len() {
                0 => {
                    draft.probes > 0
                        || draft.addressed
                        || draft.claimed
                        || draft.is_name()
                        || (bare && next && self.near)
                }
                _ => draft.addressed && draft.probes > 0,
            };
            if !accepted {
                return false;
            }
            self.hop(ttl, line.number);
            self.seen.wide |=
                draft.addressed && rest.starts_with("  ") && !rest.trim_start().starts_with('*');
            self.take(draft, line);
            return true;
        }
        let draft = Draft::new(text, self.marks_alone);
        // Stars and times alone are the end of a line that was broken; further down they are a mail's ornament.
        let placed = draft.addressed || self.near && (draft.claimed || !draft.named || draft.is_dotted());
        if !draft.rests.is_empty() || draft.probes == 0 || !placed {
            return false;
        }
        match self.ttl {
            // An address that a mail program parted from its name is no further one.
            Some(_) => self.seen.continued |= draft.addressed && self.name.is_none(),
            None if draft.addressed => {
                self.hop(1, line.number);
                self.trace.note(Some(line.number), "without a hop number; taken for hop 1");
            }
            None => return false,
        }
        self.take(draft, line);
        true
    }

    fn hop(&mut self, ttl: u8, line: u64) {
        if let Some(last) = self.ttl {
            if self.trace.hops.binary_search_by_key(&ttl, |hop| hop.ttl).is_ok() {
                self.trace.note(Some(line), format!("hop {ttl} stands here again"));
            } else if ttl < last {
                self.trace.note(Some(line), format!("hop {ttl} stands after hop {last}"));
            }
        }
        self.ttl = Some(ttl);
        let hop = self.trace.hop_mut(ttl);
        self.replies = hop.responders.iter().map(|one| one.replies.len()).sum();
        (self.who, self.fresh, self.last) = (None, false, None);
        (self.claims, self.name, self.flags) = (None, None, None);
        self.labels.clear();
    }

    fn take(&mut self, draft: Draft<'_>, line: Line<'_>) {
        self.seen.msec |= draft.msec;
        self.seen.address_first |= draft.address_first;
        for rest in draft.rests.iter().take(4) {
            let rest: String = rest.chars().take(80).collect();
            self.trace.note(Some(line.number), format!("not understood: `{rest}`"));
        }
        for item in draft.items {
            self.item(item, line.number);
        }
    }

    fn item(&mut self, item: Item<'_>, line: u64) {
        match item {
            Item::Host(address, name) => {
                let kept = self.name.take();
                let name = name.or(kept.as_deref().filter(|_| address.is_some()));
                self.host(address, name, line);
            }
            Item::Name(name) => self.name = Some(name.to_owned()),
            Item::As(claims) => {
                self.lone();
                if !self.fresh {
                    self.claims = Some(claims);
                    return;
                }
                self.seen.claims_last = true;
                if let Some(one) = self.responder() {
                    add(&mut one.claims, claims);
                }
            }
            Item::Labels(labels) if self.fresh => {
                self.stack(labels);
            }
            Item::Labels(labels) => self.labels = labels,
            Item::Flags(flags) => {
                let has = |flag: &str| flags.split(',').any(|one| one.trim() == flag);
                self.flags = match () {
                    () if has("rst") => Some(ReplyKind::Rst),
                    () if has("syn") && has("ack") => Some(ReplyKind::SynAck),
                    () => None,
                };
                self.trace.protocol = Some(Protocol::Tcp);
            }
            Item::State(state) => self.state(state),
            Item::Star => self.sent(false),
            Item::Rtt(rtt) => {
                let kind = self.flags;
                self.reply(ForeignReply { rtt_ms: Some(rtt), kind, ..ForeignReply::default() }, line);
            }
            Item::Mark(mark) if self.marks_alone => match mark.trim_start_matches('!') {
                "T" => self.sent(false),
                "I" => self.trace.note(Some(line), "interrupted by the user"),
                _ => {
                    self.reply(ForeignReply { mark: Some(mark.to_owned()), ..ForeignReply::default() }, line)
                }
            },
            Item::Mark(mark) => self.mark(mark, line),
        }
    }

    /// A name with no address of its own: whoever is asked for next is meant by it.
    fn lone(&mut self) {
        if let Some(name) = self.name.take() {
            self.host(None, Some(&name), 0);
        }
    }

    fn host(&mut self, address: Option<IpAddr>, name: Option<&str>, line: u64) {
        let Some(ttl) = self.ttl else { return };
        let hop = self.trace.hop_mut(ttl);
        self.flags = None;
        self.fresh = true;
        let Some(one) = hop.responder_mut(address, name) else {
            self.who = None;
            self.trace.note(Some(line), format!("more than {} addresses at hop {ttl}", most::RESPONDERS));
            return;
        };
        if one.name.is_none() {
            one.name = name.map(str::to_owned);
        }
        let same = |one: &ForeignResponder| match address {
            Some(_) => one.address == address,
            None => one.address.is_none() && one.name.as_deref() == name,
        };
        self.who = hop.responders.iter().position(same);
        if let Some(claims) = self.claims.take() {
            self.seen.claims_first = true;
            if let Some(one) = self.responder() {
                add(&mut one.claims, claims);
            }
        }
        if !self.labels.is_empty() {
            let labels = std::mem::take(&mut self.labels);
            self.stack(labels);
        }
    }

    fn responder(&mut self) -> Option<&mut ForeignResponder> {
        let (ttl, who) = (self.ttl?, self.who?);
        self.trace.hop_mut(ttl).responders.get_mut(who)
    }

    /// Labels of the responder at hand. A stack that stands line by line grows; one that is there whole stays.
    fn stack(&mut self, labels: Vec<MplsLabel>) -> bool {
        let Some(one) = self.responder() else { return false };
        let room = most::LABELS.saturating_sub(one.mpls.len());
        let whole = one.mpls.last().is_some_and(|label| label.bottom);
        if !whole {
            one.mpls.extend(labels.into_iter().take(room));
        }
        true
    }

    fn sent(&mut self, answered: bool) {
        let Some(ttl) = self.ttl else { return };
        let hop = self.trace.hop_mut(ttl);
        hop.sent = Some(hop.sent.unwrap_or(0).saturating_add(1));
        hop.answered = Some(hop.answered.unwrap_or(0).saturating_add(u32::from(answered)));
        self.last = None;
    }

    fn reply(&mut self, reply: ForeignReply, line: u64) {
        let Some(ttl) = self.ttl else { return };
        self.sent(true);
        self.lone();
        if self.claims.is_some() || !self.labels.is_empty() || self.who.is_none() && !self.fresh {
            self.nameless();
        }
        self.fresh = false;
        self.replies += 1;
        if self.replies > most::REPLIES {
            if self.replies == most::REPLIES + 1 {
                self.trace.note(Some(line), format!("more than {} replies at hop {ttl}", most::REPLIES));
            }
            return;
        }
        let Some(who) = self.who else { return };
        if let Some(one) = self.responder() {
            one.replies.push(reply);
            let at = one.replies.len() - 1;
            self.last = Some((who, at));
        }
    }

    /// Somebody answered whose address the text does not give; what it claims of the network tells one from another.
    fn nameless(&mut self) {
        let Some(ttl) = self.ttl else { return };
        let claims = self.claims.take().unwrap_or_default();
        let mpls = std::mem::take(&mut self.labels);
        let hop = self.trace.hop_mut(ttl);
        let same = |one: &ForeignResponder| {
            one.address.is_none() && one.name.is_none() && one.claims == claims && one.mpls == mpls
        };
        self.who = match hop.responders.iter().position(same) {
            None if hop.responders.len() < most::RESPONDERS => {
                hop.responders.push(ForeignResponder { claims, mpls, ..ForeignResponder::default() });
                Some(hop.responders.len() - 1)
            }
            found => found,
        };
        self.fresh = self.who.is_none();
    }

    fn mark(&mut self, mark: &str, line: u64) {
        let Some((who, at)) = self.last else {
            self.reply(ForeignReply { mark: Some(mark.to_owned()), ..ForeignReply::default() }, line);
            return;
        };
        let Some(ttl) = self.ttl else { return };
        let hop = self.trace.hop_mut(ttl);
        if let Some(reply) = hop.responders.get_mut(who).and_then(|one| one.replies.get_mut(at)) {
            // BSD's bare `!` says less than what follows it.
            match &reply.mark {
                Some(before) if before != "!" => {
                    self.trace.note(Some(line), format!("a second mark `{mark}` on one probe"));
                }
                _ => reply.mark = Some(mark.to_owned()),
            }
        }
    }

    /// `[open]` and `[closed]` behind a time.
    fn state(&mut self, state: &str) {
        let kind = match state {
            "closed" => ReplyKind::Rst,
            _ if state.starts_with("open") => ReplyKind::SynAck,
            _ => return,
        };
        self.trace.protocol = Some(Protocol::Tcp);
        let (Some(ttl), Some((who, at))) = (self.ttl, self.last) else { return };
        let hop = self.trace.hop_mut(ttl);
        if let Some(reply) = hop.responders.get_mut(who).and_then(|one| one.replies.get_mut(at)) {
            reply.kind = Some(kind);
        }
    }

    /// What went wrong on the machine that measured.
    pub(super) fn local(&mut self, line: u64, message: &str) {
        let message: String = message.trim().chars().take(200).collect();
        if message.is_empty() || message.starts_with("wrote ") {
            return;
        }
        if is_warning(&message) {
            self.trace.note(Some(line), message);
        } else if self.trace.failure.as_ref() != Some(&message) {
            self.trace.note(Some(line), message.clone());
            self.trace.failure.get_or_insert(message);
        }
    }

    /// The trace, with what its replies were. `programs` are those of which one wrote it.
    pub(super) fn finish(self, programs: &[Column]) -> (ForeignTrace, Vec<u64>) {
        let Self { mut trace, mut missed, .. } = self;
        let (address, target) = (trace.address, trace.target.clone());
        // Without the target's address the last one that answered may be it.
        let last = match address {
            Some(_) => None,
            None => trace.hops.iter().rev().find(|hop| hop.answered > Some(0)).map(|hop| hop.ttl),
        };
        for hop in &mut trace.hops {
            for one in &mut hop.responders {
                let v6 = one.address.or(address).is_some_and(|address| address.is_ipv6());
                let named = one.address.is_none() && one.name.as_ref().is_some_and(|name| *name == target);
                let itself =
                    one.address.is_some() && one.address == address || named || last == Some(hop.ttl);
                for reply in &mut one.replies {
                    reply.kind = match (&reply.mark, reply.kind) {
                        (_, Some(kind)) => Some(kind),
                        (Some(mark), None) if mark == "!" => bare(programs, v6),
                        (Some(mark), None) => marks::kind(programs, v6, mark),
                        (None, None) => (!itself).then_some(ReplyKind::TimeExceeded),
                    };
                }
            }
        }
        missed.sort_unstable();
        (trace, missed)
    }
}

/// A bare `!`: the target's own port, told with a TTL that was about to end. Only BSD and BusyBox say it.
fn bare(programs: &[Column], v6: bool) -> Option<ReplyKind> {
    let say = |one: &Column| matches!(one, Column::FreeBsd | Column::OpenBsd | Column::BusyBox);
    let (icmp_type, code) = if v6 { (1, 4) } else { (3, 3) };
    programs.iter().all(say).then_some(ReplyKind::Unreachable { icmp_type, code })
}

fn add(claims: &mut Vec<u32>, more: Vec<u32>) {
    for asn in more {
        if !claims.contains(&asn) && claims.len() < most::LABELS {
            claims.push(asn);
        }
    }
}

/// A program's own message in the middle of its output, and what stands before it.
fn local_error(text: &str) -> Option<(&str, &str)> {
    const NAMES: [&str; 2] = ["traceroute: ", "traceroute6: "];
    const CALLS: [&str; 7] =
        ["sendto: ", "send: ", "sendmsg: ", "connect: ", "bind: ", "setsockopt", "socket: "];
    const WORDS: [&str; 5] = ["wrote ", "Warning: ", "warning: ", "unknown host", "findsaddr: "];
    let calls = |text: &str| CALLS.iter().any(|call| text.starts_with(call));
    let found = NAMES.iter().filter_map(|name| Some((text.find(name)?, name.len()))).min();
    if let Some((at, length)) = found {
        let message = &text[at + length..];
        let known = calls(message) || WORDS.iter().any(|word| message.starts_with(word));
        return known.then_some((&text[..at], message));
    }
    let text = text.trim_start();
    calls(text).then_some(("", text))
}

fn is_warning(message: &str) -> bool {
    message.get(..8).is_some_and(|word| word.eq_ignore_ascii_case("warning:"))
}

/// Bytes in hex, or underscores for those that did not change.
fn is_dump(text: &str) -> bool {
    let mut words = 0;
    for word in text.split_whitespace() {
        let hex = word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'_');
        if !hex || word.len() % 2 != 0 {
            return false;
        }
        words += 1;
    }
    words >= 4 || (words == 1 && text.len() >= 40)
}
