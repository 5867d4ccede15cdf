//! Probing without privilege: ordinary sockets as a [`Wire`].
//!
//! Whoever has no right to raw sockets can still send packets with a low TTL and be told what came of them: the kernel keeps
//! ICMP errors in a queue of the socket they are about (`IP_RECVERR`), ping sockets send echo requests, and a TCP
//! connection that is tried sends one SYN. So the engine, the record and the rules are the same as with raw sockets; but
//! the kernel takes the replies and only says what it made of them ([`Notice`]). What is lost by that is in [`LIMITS`], and
//! the rules that rest on it do not hold where it is missing.
//!
//! The packet that the engine composes is not the one that leaves: the kernel makes its own with the same addresses, ports,
//! TTL and, but for TCP, data. It stands for the probe, so that a notice says which one it is about.

mod connections;
mod datagrams;
mod queue;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::setsockopt;
use socket2::Socket;

use self::connections::Connections;
use self::datagrams::Channel;
use self::queue::{Message, Reader};
use super::clock::{Clock, Span};
use super::ports::{Reserved, Sharing, draw};
use super::route::Way;
use super::signals::Signals;
use super::wire::{AnyLength4, AnyLength6, PROBE};
use super::{Family, OpenError, Request, Route, receiver};
use crate::packet::extensions::Extensions;
use crate::packet::ip;
use crate::probe::identity::noted;
use crate::probe::wire::{Heard, Notice, Transmit, Wire, WireFault};
use crate::trace::{InterfaceObject, Losses, Moment, MplsLabel, Protocol, ReplyKind, SendFault, WallTime};

pub use datagrams::may_ping;

/// Whether a socket keeps the errors of its packets.
pub(super) fn listens(socket: &Socket, family: Family) -> bool {
    queue::listen(socket, family).is_ok()
}

/// How long signals may go unnoticed at most where the system does not wake a wait for them.
const LOOK_UP: Duration = Duration::from_millis(200);

/// What a measurement with ordinary sockets cannot see, or does not do as one with raw sockets would; for people.
pub const LIMITS: [&str; 5] = [
    "replies are as the kernel tells them: no IP identification, no quoted headers, no TCP flags or options, and no packets to keep",
    "the TTL of a SYN-ACK or reset is not told, so that answers in a host's name are not checked by how far they came",
    "a TCP probe that reaches an open port makes a connection, which is reset at once; its service may log it",
    "TCP answers that come after a probe was given up, or after 0.95 s, are not seen; one probe of a flow is sent at a time",
    "packets that this host's own firewall drops may look like packets lost before the first router",
];

/// Ordinary sockets, opened for one [`Request`]. Needs no privilege, neither then nor later.
///
/// As with [`LiveWire`](super::LiveWire), SIGINT and SIGTERM become [`Heard::Interrupted`].
#[derive(Debug)]
pub struct PlainWire {
    signals: Signals,
    connections: Connections,
    channels: Vec<Channel>,
    reader: Reader,
    inbox: VecDeque<Notice>,
    clock: Clock,
    span: Span,
    way: Way,
    source: IpAddr,
    routes: Vec<Route>,
    tcp: Reserved,
    udp: Vec<u16>,
    icmp: Vec<u16>,
}

impl PlainWire {
    /// Opens sockets for `request`, routed and verified as those of [`LiveWire::open`](super::LiveWire::open) are.
    ///
    /// # Errors
    /// [`OpenError`]; for ICMP [`OpenError::NoPing`] where ping sockets are not allowed.
    pub fn open(request: &Request) -> Result<Self, OpenError> {
        request.check()?;
        let way = Way::find(request)?;
        way.hosts_only(request)?;
        let (source, routes) = way.survey(request)?;
        let endpoint = way.endpoint(source, 0);
        let tcp = match request.protocols.contains(&Protocol::Tcp) {
            true => Reserved::take(Protocol::Tcp, endpoint, way.vrf(), request.ports, Sharing::WithOwn)?,
            false => Reserved::default(),
        };
        let mut channels = Vec::new();
        let mut numbers = |protocol: Protocol, count: u16| -> Result<Vec<u16>, OpenError> {
            if !request.protocols.contains(&protocol) {
                return Ok(Vec::new());
            }
            if protocol == Protocol::Icmp && !may_ping(request.family) {
                return Err(OpenError::NoPing);
            }
            let bind = |port| {
                let mut address = endpoint;
                address.set_port(port);
                Channel::open(&way, protocol, address)
            };
            let drawn = draw(protocol, count, bind)?;
            let (numbers, opened): (Vec<u16>, Vec<Channel>) = drawn.into_iter().unzip();
            channels.extend(opened);
            Ok(numbers)
        };
        let udp = numbers(Protocol::Udp, request.ports)?;
        let icmp = numbers(Protocol::Icmp, request.ports.max(1))?;
        let signals = Signals::listen()?;
        receiver::wait_for_stamps(&Clock::start());
        Ok(Self {
            signals,
            connections: Connections::default(),
            channels,
            reader: Reader::new(),
            inbox: VecDeque::new(),
            clock: Clock::start(),
            span: Span::default(),
            way,
            source,
            routes,
            tcp,
            udp,
            icmp,
        })
    }

    /// The longest time for which a TCP probe is answered.
    pub const TCP_PATIENCE: Duration = connections::PATIENCE;

    /// The wall-clock time of [`Moment::START`], which is the end of [`open`](Self::open).
    #[must_use]
    pub const fn started_at(&self) -> WallTime {
        self.clock.started_at()
    }

    /// The source address of every packet.
    #[must_use]
    pub const fn source(&self) -> IpAddr {
        self.source
    }

    /// The route of every destination, in the order of the request.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The ports and echo identifiers held for this run, in random order.
    #[must_use]
    pub fn source_ports(&self, protocol: Protocol) -> &[u16] {
        match protocol {
            Protocol::Tcp => self.tcp.numbers(),
            Protocol::Udp => &self.udp,
            Protocol::Icmp => &self.icmp,
        }
    }

    /// Takes what has come in until `wait` is over or something is there.
    fn collect(&mut self, wait: Duration) -> Result<(), WireFault> {
        let fault = |source| WireFault::Io { operation: "receive errors and answers", source };
        self.span.note(self.clock.look());
        let ready = {
            let writes = PollFlags::POLLOUT | PollFlags::POLLERR;
            let connections = self.connections.watched().map(|socket| PollFd::new(socket, writes));
            let mut watched: Vec<PollFd<'_>> = connections.collect();
            for channel in &self.channels {
                watched.push(PollFd::new(channel.watched(), PollFlags::POLLIN));
            }
            // Rounded up: a wait that ends early would only be begun again.
            let millis = wait.as_millis() + u128::from(!wait.subsec_nanos().is_multiple_of(1_000_000));
            let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
            match poll(&mut watched, timeout) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(fault(errno.into())),
            }
            let ready = |one: &PollFd<'_>| one.revents().is_some_and(|events| !events.is_empty());
            watched.iter().map(ready).collect::<Vec<bool>>()
        };
        let now = self.clock.now();
        let mut told = self.connections.collect(&ready, now, &mut self.reader);
        let first = ready.len() - self.channels.len();
        for (channel, _) in self.channels.iter_mut().zip(&ready[first..]).filter(|(_, ready)| **ready) {
            channel.collect(&mut self.reader, &mut told).map_err(fault)?;
        }
        self.keep(told);
        self.span = Span::begin(self.clock.look());
        Ok(())
    }

    /// Gives what was told its moment, and puts it into the inbox in order.
    fn keep(&mut self, told: Vec<Told>) {
        let after = self.clock.look();
        self.span.note(after);
        let mut notices: Vec<Notice> = told
            .into_iter()
            .map(|one| one.notice(|stamp| self.span.place(stamp, after.now), after.now))
            .collect();
        notices.sort_by_key(|notice| notice.at);
        self.inbox.extend(notices);
    }
}

impl Wire for PlainWire {
    fn now(&mut self) -> Moment {
        self.clock.now()
    }

    fn send(&mut self, transmit: &Transmit) -> Result<Moment, SendFault> {
        let wrong = SendFault::Other(nix::libc::EINVAL);
        let (header, payload) = ip::read(&transmit.packet).map_err(|_| wrong)?;
        let field = |at: usize| payload.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
        let protocol = match header.protocol {
            crate::packet::protocol::TCP => Protocol::Tcp,
            crate::packet::protocol::UDP => Protocol::Udp,
            _ => Protocol::Icmp,
        };
        // An echo's identifier stands where ports do not.
        let ours = if protocol == Protocol::Icmp { field(4) } else { field(0) }.ok_or(wrong)?;
        let theirs = if protocol == Protocol::Icmp { 0 } else { field(2).ok_or(wrong)? };
        let to = self.way.endpoint(transmit.destination, theirs);
        let behind = transmit.packet.len() - payload.len();
        let mut told = Vec::new();
        let at = self.clock.now();
        let sent = match protocol {
            Protocol::Tcp => {
                let source = self.way.endpoint(self.source, ours);
                let known = (at, &mut self.reader);
                self.connections
                    .send(&self.way, (source, to), header.ttl, &transmit.packet, known)
                    .map(|at_once| told.extend(at_once))
            }
            _ => {
                let data_at = if protocol == Protocol::Udp { behind + 8 } else { behind };
                let channel = self.channels.iter_mut().find(|one| one.is(protocol, ours)).ok_or(wrong)?;
                channel.send(to, header.ttl, (&transmit.packet, data_at), &mut self.reader, &mut told)
            }
        };
        self.keep(told);
        sent.map(|()| at)
    }

    fn wait(&mut self, until: Moment) -> Result<Heard, WireFault> {
        let mut wait = Duration::ZERO;
        loop {
            if self.signals.came() {
                return Ok(Heard::Interrupted);
            }
            if self.inbox.is_empty() {
                self.collect(wait)?;
            }
            if let Some(notice) = self.inbox.pop_front() {
                return Ok(Heard::Notice(Box::new(notice)));
            }
            let now = self.clock.now();
            if now >= until {
                return Ok(Heard::Quiet);
            }
            wait = until.min(self.connections.next_end()).since(now).min(LOOK_UP);
        }
    }

    /// The kernel does not count what its error queues could not hold.
    fn losses(&mut self) -> Losses {
        Losses::default()
    }
}

/// What was told, before its time is known in the run's terms.
#[derive(Debug)]
struct Told {
    about: Vec<u8>,
    exact: bool,
    from: IpAddr,
    kind: ReplyKind,
    stamp: Option<i64>,
    reply_ttl: Option<u8>,
    mpls: Vec<MplsLabel>,
    interfaces: Vec<InterfaceObject>,
}

impl Told {
    fn of(
        about: &[u8],
        exact: bool,
        from: IpAddr,
        kind: ReplyKind,
        message: &Message,
        extensions: Extensions<'_>,
    ) -> Self {
        let (mpls, interfaces) = noted(extensions);
        let (stamp, reply_ttl) = (message.stamp, message.ttl);
        Self { about: about.to_vec(), exact, from, kind, stamp, reply_ttl, mpls, interfaces }
    }

    /// Nothing is known but what came.
    fn bare(about: &[u8], from: IpAddr, kind: ReplyKind) -> Self {
        Self::of(about, true, from, kind, &Message::default(), Extensions::default())
    }

    fn notice(self, place: impl Fn(i64) -> Option<Moment>, now: Moment) -> Notice {
        Notice {
            at: self.stamp.and_then(place).unwrap_or(now),
            about: self.about,
            exact: self.exact,
            from: self.from,
            kind: self.kind,
            reply_ttl: self.reply_ttl,
            mpls: self.mpls,
            interfaces: self.interfaces,
        }
    }
}

fn set_ttl(socket: &Socket, ttl: u8) -> io::Result<()> {
    let four = socket.local_addr()?.as_socket().is_none_or(|one: SocketAddr| one.is_ipv4());
    if four { socket.set_ttl_v4(u32::from(ttl)) } else { socket.set_unicast_hops_v6(u32::from(ttl)) }
}

/// No packet is fragmented, and none heeds what the kernel remembers of a path.
fn whole_packets(socket: &Socket, family: Family) -> nix::Result<()> {
    match family {
        Family::V4 => setsockopt(socket, AnyLength4, &PROBE),
        Family::V6 => setsockopt(socket, AnyLength6, &PROBE),
    }
}
