//! UDP and ICMP echo without raw sockets: one socket a flow, whose probes all have the same addresses and ports.
//!
//! Echo is by ping sockets (`net.ipv4.ping_group_range`): the kernel fills in the identifier, which is the socket's port,
//! and the checksum, which comes out as the plan wants it since the data are the plan's.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, SockAddr, Socket, Type};

use super::queue::{self, Message, Reader};
use super::{Told, set_ttl, whole_packets};
use crate::net::Family;
use crate::net::route::Way;
use crate::packet::extensions::Extensions;
use crate::trace::{Protocol, ReplyKind, SendFault};

/// Data that name a probe: two bytes that balance a checksum and eight keyed ones.
const NAMES: usize = 10;
/// Bytes of an ICMP echo's header, and of a UDP header.
const HEADER: usize = 8;
/// How often a send is tried again that failed for what an earlier one met.
const STALE_ERRORS: usize = 16;
/// Messages read from one socket before the next has its turn.
const TURN: usize = 64;

/// A socket and what went out of it.
#[derive(Debug)]
pub(super) struct Channel {
    protocol: Protocol,
    number: u16,
    socket: Socket,
    sent: Vec<Sent>,
}

#[derive(Debug)]
struct Sent {
    to: SocketAddr,
    /// The packet that it stands for.
    about: Vec<u8>,
    /// Where the kernel's part of it begins: behind the header of IP, and of UDP.
    data_at: usize,
}

impl Sent {
    fn data(&self) -> &[u8] {
        self.about.get(self.data_at..).unwrap_or_default()
    }
}

impl Channel {
    /// A socket bound to `source`, whose port is the flow's.
    pub(super) fn open(way: &Way, protocol: Protocol, source: SocketAddr) -> io::Result<Self> {
        let family = Family::of(source.ip());
        let socket = new_socket(protocol, family)?;
        socket.set_nonblocking(true)?;
        way.apply(&socket)
            .map_err(|error| io::Error::new(io::ErrorKind::PermissionDenied, error.to_string()))?;
        socket.bind(&SockAddr::from(source))?;
        queue::listen(&socket, family)?;
        whole_packets(&socket, family)?;
        Ok(Self { protocol, number: source.port(), socket, sent: Vec::new() })
    }

    pub(super) fn is(&self, protocol: Protocol, number: u16) -> bool {
        self.protocol == protocol && self.number == number
    }

    pub(super) fn watched(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Sends what `about` has behind the header that is the kernel's. What came in meanwhile goes to `told`.
    pub(super) fn send(
        &mut self,
        to: SocketAddr,
        ttl: u8,
        (about, data_at): (&[u8], usize),
        reader: &mut Reader,
        told: &mut Vec<Told>,
    ) -> Result<(), SendFault> {
        let fault = |error: &io::Error| crate::net::wire::fault(error);
        set_ttl(&self.socket, ttl).map_err(|error| fault(&error))?;
        let sent = Sent { to, about: about.to_vec(), data_at };
        for _ in 0..STALE_ERRORS {
            // An error of an earlier probe would be told as if it were this one's.
            let _ = self.socket.take_error();
            match self.socket.send_to(sent.data(), &SockAddr::from(to)) {
                Ok(_) => {
                    self.sent.push(sent);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let before = told.len();
                    self.errors(reader, told).map_err(|error| fault(&error))?;
                    if told.len() == before {
                        return Err(fault(&error));
                    }
                }
            }
        }
        Err(SendFault::Full)
    }

    /// Takes all that came in.
    pub(super) fn collect(&mut self, reader: &mut Reader, told: &mut Vec<Told>) -> io::Result<()> {
        self.errors(reader, told)?;
        for _ in 0..TURN {
            let Some(message) = reader.datagram(&self.socket)? else { break };
            told.push(self.answer(&message));
        }
        Ok(())
    }

    fn errors(&self, reader: &mut Reader, told: &mut Vec<Told>) -> io::Result<()> {
        for _ in 0..TURN {
            let Some(message) = reader.error(&self.socket)? else { break };
            // What this host says of itself came with the call as well.
            let Some((from, kind)) = message.said() else { continue };
            let (quote, extensions) = message.quote();
            told.push(match self.quoted(quote, &message) {
                Some((sent, exact)) => Told::of(&sent.about, exact, from, kind, &message, extensions),
                None => Told::of(&[], false, from, kind, &message, Extensions::default()),
            });
        }
        Ok(())
    }

    /// Which probe an error quotes, and whether exactly this one. Some routers quote nothing behind the header of UDP: then
    /// it is one of those that went there.
    fn quoted(&self, quote: &[u8], message: &Message) -> Option<(&Sent, bool)> {
        let same = |sent: &&Sent| match self.protocol {
            // The sequence number stands in the last two of the eight bytes that every quote has.
            Protocol::Icmp => {
                quote.get(6..HEADER).is_some_and(|name| sent.data().get(6..HEADER) == Some(name))
            }
            _ => quote.get(2..NAMES).is_some_and(|name| sent.data().get(2..NAMES) == Some(name)),
        };
        if let Some(sent) = self.sent.iter().rev().find(same) {
            return Some((sent, true));
        }
        if self.protocol != Protocol::Udp || quote.len() >= NAMES {
            return None;
        }
        let to = message.address?;
        self.sent
            .iter()
            .rev()
            .find(|sent| (sent.to.ip(), sent.to.port()) == (to.ip(), to.port()))
            .map(|sent| (sent, false))
    }

    /// Which probe a datagram answers.
    fn answer(&self, message: &Message) -> Told {
        let unspecified = std::net::IpAddr::from([0, 0, 0, 0]);
        let from = message.address.map_or(unspecified, |address| address.ip());
        let none = Extensions::default();
        let found = match self.protocol {
            Protocol::Icmp => {
                let echoes = |sent: &&Sent| {
                    let name = |data: &[u8]| {
                        let sequence = data.get(6..HEADER).map(<[u8]>::to_vec);
                        sequence.zip(data.get(HEADER + 2..HEADER + NAMES).map(<[u8]>::to_vec))
                    };
                    name(sent.data()).is_some_and(|ours| name(&message.data) == Some(ours))
                };
                let is_reply = matches!(message.data.first(), Some(0 | 129));
                self.sent
                    .iter()
                    .rev()
                    .find(echoes)
                    .filter(|_| is_reply)
                    .map(|sent| (sent, ReplyKind::EchoReply))
            }
            _ => {
                let from = message.address;
                let answers = |sent: &&Sent| {
                    from.is_some_and(|from| (sent.to.ip(), sent.to.port()) == (from.ip(), from.port()))
                };
                self.sent.iter().rev().find(answers).map(|sent| (sent, ReplyKind::UdpAnswer))
            }
        };
        match found {
            Some((sent, kind)) => {
                Told::of(&sent.about, kind == ReplyKind::EchoReply, from, kind, message, none)
            }
            None => Told::of(&[], false, from, ReplyKind::UdpAnswer, message, none),
        }
    }
}

/// A datagram socket for the protocol.
fn new_socket(protocol: Protocol, family: Family) -> io::Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let number = match (protocol, family) {
        (Protocol::Icmp, Family::V4) => Some(socket2::Protocol::ICMPV4),
        (Protocol::Icmp, Family::V6) => Some(socket2::Protocol::ICMPV6),
        _ => None,
    };
    Socket::new(domain, Type::DGRAM, number)
}

/// Whether this process may open ping sockets.
#[must_use]
pub fn may_ping(family: Family) -> bool {
    new_socket(Protocol::Icmp, family).is_ok()
}
