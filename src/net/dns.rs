//! One question to one DNS server, and all of the answer.
//!
//! The system's resolver hides what a conclusion about blocking needs: which server said it, when, for how long it holds,
//! and whether another server says the same. So where a server is chosen, and for MX records, which the system does not
//! look up, the question is put here. The wire format is a crate's; the exchange is ours, because an answer is taken
//! from the network before anything is trusted:
//!
//! * a random identification and a fresh source port for each packet, and the question repeated in the answer
//!   (RFC 5452 §9), which whoever forges blindly has to guess; what does not match is dropped and waited past
//! * records count only along the chain of aliases that begins at the name asked for, and that chain is bounded
//! * a message is refused that says it holds more records than its bytes can
//!
//! Packets go by the host's own routes: uplinks and marks are the measurement's, and its names are resolved before it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use simple_dns::rdata::{RData, TXT};
use simple_dns::{CLASS, Label, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

use super::Clock;
use crate::trace::{Moment, WallTime};

/// The port of DNS (RFC 1035 §4.2).
pub const PORT: u16 = 53;
/// How long one try may take.
const WAIT: Duration = Duration::from_secs(2);
/// How often a question is sent.
const TRIES: usize = 2;
/// Aliases followed: no honest chain is longer, and a circle has to end.
const MOST_ALIASES: usize = 8;
/// Records of an answer that are kept.
const MOST_ANSWERS: usize = 64;
/// Datagrams looked at in one try: whoever floods us does not keep us.
const MOST_DATAGRAMS: usize = 64;
/// The longest message over UDP that is taken: none is announced, so servers keep to 512 (RFC 1035 §4.2.1).
const MOST_BYTES: usize = 4096;

/// The type of record that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// IPv4 addresses (RFC 1035 §3.4.1).
    A,
    /// IPv6 addresses (RFC 3596).
    Aaaa,
    /// Who takes mail for a domain (RFC 1035 §3.3.9).
    Mx,
    /// Text, such as who sends mail for a domain (RFC 1035 §3.3.14).
    Txt,
}

impl Kind {
    /// Its name in the DNS.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Mx => "MX",
            Self::Txt => "TXT",
        }
    }

    const fn code(self) -> TYPE {
        match self {
            Self::A => TYPE::A,
            Self::Aaaa => TYPE::AAAA,
            Self::Mx => TYPE::MX,
            Self::Txt => TYPE::TXT,
        }
    }
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A or AAAA.
    Address(IpAddr),
    /// MX: preference, the lowest first, and the host, without the dot at its end; empty for the root, which stands for
    /// "no mail" (RFC 7505).
    Exchange(u16, String),
    /// CNAME: the name is another's alias.
    Alias(String),
    /// TXT: its strings, one behind the other without anything between (RFC 7208 §3.3); bytes that are no UTF-8 are U+FFFD.
    Text(String),
}

impl std::fmt::Display for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Exchange(preference, host) => write!(f, "{preference} {host}."),
            Self::Alias(name) => write!(f, "alias of {name}"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it says.
    pub data: Data,
    /// How long it may be kept, in seconds, as the server says.
    pub ttl: u32,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// Not a name that can be asked for.
    #[error("'{0}' cannot be asked for in the DNS")]
    NoName(String),
    /// The server knows that there is no such name (NXDOMAIN).
    #[error("there is no such name")]
    NoSuchName,
    /// The server cannot or will not answer.
    #[error("{0}")]
    Refused(&'static str),
    /// No answer in time.
    #[error("no answer")]
    Silent,
    /// Something came in time, and it was no answer to the question.
    #[error("no answer, only what does not belong to the question or cannot be read")]
    Unreadable,
    /// The name leads from alias to alias without end.
    #[error("more than {MOST_ALIASES} aliases one after the other")]
    Aliases,
    /// The server cannot be reached from here.
    #[error("{0}")]
    Network(io::Error),
}

/// One question and what came of it.
#[derive(Debug)]
pub struct Inquiry {
    /// The name, as asked.
    pub name: String,
    /// The type.
    pub kind: Kind,
    /// Who was asked.
    pub server: SocketAddr,
    /// When.
    pub asked_at: WallTime,
    /// The records along the chain of aliases, at most 64; none where the name exists without any of this type.
    pub outcome: Result<Vec<Answer>, DnsError>,
}

impl Inquiry {
    /// The addresses in the answer, in its order, without repetition.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut found = Vec::new();
        for answer in self.outcome.iter().flatten() {
            match answer.data {
                Data::Address(address) if !found.contains(&address) => found.push(address),
                _ => {}
            }
        }
        found
    }
}

/// Asks `server` for the records of `kind` at `name`: over UDP twice, 2 s each, and over TCP where the answer does not fit
/// (RFC 7766 §5). Blocks meanwhile.
#[must_use]
pub fn ask(server: SocketAddr, name: &str, kind: Kind) -> Inquiry {
    let clock = Clock::start();
    let outcome = follow(&clock, server, name, kind);
    Inquiry { name: name.to_owned(), kind, server, asked_at: clock.started_at(), outcome }
}

/// The servers in the text of `/etc/resolv.conf`, at most three (resolv.conf(5)); the host itself where none is named.
#[must_use]
pub fn configured(text: &str) -> Vec<SocketAddr> {
    let words = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()).flatten()
    });
    let found: Vec<SocketAddr> = words.filter_map(server).take(3).collect();
    if found.is_empty() { vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT)] } else { found }
}

/// An address with its scope, if it has one.
fn server(text: &str) -> Option<SocketAddr> {
    let Some((address, scope)) = text.split_once('%') else {
        return text.parse().ok().map(|address| SocketAddr::new(address, PORT));
    };
    let index = nix::net::if_::if_nametoindex(scope).ok().or_else(|| scope.parse().ok())?;
    let address: Ipv6Addr = address.parse().ok()?;
    Some(std::net::SocketAddrV6::new(address, PORT, 0, index).into())
}

/// Whether a name is made as host names are (RFC 1123 §2.1), underscores allowed.
#[must_use]
pub fn is_host_name(name: &str) -> bool {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let fine = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|one| one.is_ascii_alphanumeric() || one == b'-' || one == b'_')
    };
    bare.len() <= 253 && bare.split('.').all(fine)
}

/// Asks until the chain of aliases ends. Resolvers give the whole chain at once; others only its beginning.
fn follow(clock: &Clock, server: SocketAddr, name: &str, kind: Kind) -> Result<Vec<Answer>, DnsError> {
    if !is_host_name(name) {
        return Err(DnsError::NoName(name.to_owned()));
    }
    let mut found = Vec::new();
    let mut asked = name.strip_suffix('.').unwrap_or(name).to_owned();
    let mut aliases = 0;
    loop {
        let next = exchange(clock, server, &asked, kind, &mut found, &mut aliases)?;
        match next {
            Some(next) if is_host_name(&next) => asked = next,
            _ => return Ok(found),
        }
    }
}

/// One question. Comes back with the name to go on with, where the answer ends in an alias of which it says no more.
fn exchange(
    clock: &Clock,
    server: SocketAddr,
    name: &str,
    kind: Kind,
    found: &mut Vec<Answer>,
    aliases: &mut usize,
) -> Result<Option<String>, DnsError> {
    let mut last = DnsError::Silent;
    for _ in 0..TRIES {
        let query = Query::new(name, kind)?;
        let message = match over_udp(clock, server, &query) {
            Ok(message) if message.truncated => match over_tcp(clock, server, &query) {
                Ok(message) => message,
                Err(error) => {
                    last = error;
                    continue;
                }
            },
            Ok(message) => message,
            Err(error) => {
                last = error;
                continue;
            }
        };
        return message.along(name, kind, found, aliases);
    }
    Err(last)
}

/// A question as it goes out.
struct Query {
    id: u16,
    name: String,
    kind: Kind,
    bytes: Vec<u8>,
}

impl Query {
    fn new(name: &str, kind: Kind) -> Result<Self, DnsError> {
        let id = rand::random();
        let labels: Vec<Label<'_>> =
            name.split('.').map(|label| Label::new_unchecked(label.as_bytes())).collect();
        let mut packet = Packet::new_query(id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        packet.questions.push(Question::new(
            Name::new_with_labels(&labels),
            QTYPE::TYPE(kind.code()),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        let bytes = packet.build_bytes_vec().map_err(|_| DnsError::NoName(name.to_owned()))?;
        Ok(Self { id, name: name.to_owned(), kind, bytes })
    }

    /// Reads what came; `None` if it is no answer to this.
    fn read(&self, bytes: &[u8]) -> Option<Message> {
        if !bounded(bytes) {
            return None;
        }
        let packet = Packet::parse(bytes).ok()?;
        let [question] = packet.questions.as_slice() else { return None };
        let ours = packet.id() == self.id
            && packet.has_flags(PacketFlag::RESPONSE)
            && packet.opcode() == OPCODE::StandardQuery
            && text(&question.qname).eq_ignore_ascii_case(&self.name)
            && question.qtype == QTYPE::TYPE(self.kind.code())
            && question.qclass == QCLASS::CLASS(CLASS::IN);
        if !ours {
            return None;
        }
        let records = packet.answers.iter().filter(|record| record.class == CLASS::IN).filter_map(|record| {
            let data = match &record.rdata {
                RData::A(one) => Data::Address(Ipv4Addr::from(one.address).into()),
                RData::AAAA(one) => Data::Address(Ipv6Addr::from(one.address).into()),
                RData::MX(one) => Data::Exchange(one.preference, text(&one.exchange)),
                RData::CNAME(one) => Data::Alias(text(&one.0)),
                RData::TXT(one) => Data::Text(strings(one)),
                _ => return None,
            };
            // A TTL with its highest bit set is none (RFC 2181 §8).
            let ttl = if record.ttl > i32::MAX as u32 { 0 } else { record.ttl };
            Some((text(&record.name), Answer { data, ttl }))
        });
        Some(Message {
            truncated: packet.has_flags(PacketFlag::TRUNCATION),
            code: packet.rcode(),
            records: records.take(4 * MOST_ANSWERS).collect(),
        })
    }
}

/// Whether a message can hold as many questions and records as it says: each takes five and eleven bytes at least.
fn bounded(bytes: &[u8]) -> bool {
    let count =
        |at: usize| bytes.get(at..at + 2).map_or(0, |two| usize::from(two[0]) << 8 | usize::from(two[1]));
    let records = count(6) + count(8) + count(10);
    bytes.len() >= 12 && 12 + 5 * count(4) + 11 * records <= bytes.len()
}

/// A name as text, without the dot at its end.
fn text(name: &Name<'_>) -> String {
    name.to_string().trim_end_matches('.').to_owned()
}

/// The strings of a text, one behind the other.
fn strings(text: &TXT<'_>) -> String {
    String::try_from(text.clone())
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// An answer to our question.
struct Message {
    truncated: bool,
    code: RCODE,
    records: Vec<(String, Answer)>,
}

impl Message {
    /// The records along the chain of aliases that begins at `name`. Comes back with the end of the chain, where there is one
    /// without a record.
    fn along(
        self,
        name: &str,
        kind: Kind,
        found: &mut Vec<Answer>,
        aliases: &mut usize,
    ) -> Result<Option<String>, DnsError> {
        match self.code {
            RCODE::NoError => {}
            RCODE::NameError => return Err(DnsError::NoSuchName),
            RCODE::ServerFailure => return Err(DnsError::Refused("the server failed (SERVFAIL)")),
            RCODE::Refused => return Err(DnsError::Refused("the server refuses (REFUSED)")),
            RCODE::FormatError => return Err(DnsError::Refused("the server does not understand (FORMERR)")),
            _ => return Err(DnsError::Refused("the server answers with an error")),
        }
        let mut now = name.to_owned();
        loop {
            let of_name = || self.records.iter().filter(|(owner, _)| owner.eq_ignore_ascii_case(&now));
            let wanted = of_name().map(|(_, answer)| answer).filter(|answer| match (kind, &answer.data) {
                (Kind::A, Data::Address(address)) => address.is_ipv4(),
                (Kind::Aaaa, Data::Address(address)) => address.is_ipv6(),
                (Kind::Mx, Data::Exchange(..)) | (Kind::Txt, Data::Text(_)) => true,
                _ => false,
            });
            let before = found.len();
            found.extend(wanted.take(MOST_ANSWERS.saturating_sub(before)).cloned());
            if found.len() > before {
                return Ok(None);
            }
            let alias = of_name().find_map(|(_, answer)| match &answer.data {
                Data::Alias(to) => Some((to.clone(), answer.clone())),
                _ => None,
            });
            let Some((to, answer)) = alias else {
                return Ok((now != name).then_some(now));
            };
            *aliases += 1;
            if *aliases > MOST_ALIASES {
                return Err(DnsError::Aliases);
            }
            found.push(answer);
            now = to;
        }
    }
}

fn over_udp(clock: &Clock, server: SocketAddr, query: &Query) -> Result<Message, DnsError> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).map_err(DnsError::Network)?;
    // Connected, so that the kernel keeps out what another sends, and tells of a closed port.
    socket.connect(server).map_err(DnsError::Network)?;
    socket.send(&query.bytes).map_err(DnsError::Network)?;
    let until = clock.now() + WAIT;
    let mut buffer = [0; MOST_BYTES];
    let mut strange = false;
    for _ in 0..MOST_DATAGRAMS {
        let Some(left) = left(clock, until) else { break };
        socket.set_read_timeout(Some(left)).map_err(DnsError::Network)?;
        match socket.recv(&mut buffer) {
            Ok(length) => match query.read(&buffer[..length]) {
                Some(message) => return Ok(message),
                None => strange = true,
            },
            Err(error) if waited(&error) => {}
            Err(error) => return Err(DnsError::Network(error)),
        }
    }
    Err(if strange { DnsError::Unreadable } else { DnsError::Silent })
}

fn over_tcp(clock: &Clock, server: SocketAddr, query: &Query) -> Result<Message, DnsError> {
    let until = clock.now() + WAIT;
    let mut stream = TcpStream::connect_timeout(&server, WAIT).map_err(over)?;
    stream.set_write_timeout(Some(WAIT)).map_err(DnsError::Network)?;
    let length = u16::try_from(query.bytes.len()).unwrap_or(u16::MAX);
    let framed = [&length.to_be_bytes()[..], &query.bytes].concat();
    stream.write_all(&framed).map_err(over)?;
    let mut head = [0; 2];
    fill(clock, until, &mut stream, &mut head)?;
    let mut body = vec![0; usize::from(u16::from_be_bytes(head))];
    fill(clock, until, &mut stream, &mut body)?;
    query.read(&body).ok_or(DnsError::Unreadable)
}

/// Reads as many bytes as there is room for. The end of the time is one for all reads together.
fn fill(clock: &Clock, until: Moment, stream: &mut TcpStream, room: &mut [u8]) -> Result<(), DnsError> {
    let mut filled = 0;
    while filled < room.len() {
        let left = left(clock, until).ok_or(DnsError::Silent)?;
        stream.set_read_timeout(Some(left)).map_err(DnsError::Network)?;
        match stream.read(&mut room[filled..]) {
            Ok(0) => return Err(DnsError::Unreadable),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(over(error)),
        }
    }
    Ok(())
}

/// The time left; `None` if it is over. A timeout of zero would be none.
fn left(clock: &Clock, until: Moment) -> Option<Duration> {
    Some(until.since(clock.now())).filter(|left| !left.is_zero())
}

fn waited(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn over(error: io::Error) -> DnsError {
    if waited(&error) { DnsError::Silent } else { DnsError::Network(error) }
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
