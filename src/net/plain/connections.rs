//! TCP probes without raw sockets: each is a connection that the kernel tries to make, by one SYN with a low TTL.
//!
//! A connection that comes about is reset at once. One that does not is given up before the kernel would send its SYN
//! again (after one second, RFC 6298 §2.1): a packet that is in no record must not leave.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, SockAddr, Socket, Type};

use super::queue::{self, Reader};
use super::{Told, set_ttl, whole_packets};
use crate::net::Family;
use crate::net::route::Way;
use crate::trace::{Moment, ReplyKind, SendFault};

/// How long a connection is tried.
pub(in crate::net) const PATIENCE: Duration = Duration::from_millis(950);

/// `TCP_SYNCNT`.
#[derive(Clone, Copy, Debug)]
struct Repeats;
nix::setsockopt_impl!(Repeats, libc::IPPROTO_TCP, libc::TCP_SYNCNT, usize, sockopt::SetUsize);

/// One that is being tried.
#[derive(Debug)]
struct Attempt {
    socket: Socket,
    about: Vec<u8>,
    /// Our port, and theirs.
    ends: (u16, SocketAddr),
    until: Moment,
}

/// All that are being tried.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: VecDeque<Attempt>,
}

impl Connections {
    /// Begins to connect from `source` to `to`; `about` is the packet that this stands for. What the kernel knows at once
    /// is told at once.
    pub(super) fn send(
        &mut self,
        way: &Way,
        (source, to): (SocketAddr, SocketAddr),
        ttl: u8,
        about: &[u8],
        (now, reader): (Moment, &mut Reader),
    ) -> Result<Option<Told>, SendFault> {
        // Whoever sends again in the same flow has given up the one before; no two can have the same ends.
        let ends = (source.port(), to);
        self.open.retain(|attempt| attempt.ends != ends);
        let fault = |error: io::Error| crate::net::wire::fault(&error);
        let socket = socket(way, source).map_err(fault)?;
        set_ttl(&socket, ttl).map_err(fault)?;
        let mut attempt = Attempt { socket, about: about.to_vec(), ends, until: now + PATIENCE };
        match attempt.socket.connect(&SockAddr::from(to)) {
            Ok(()) => return Ok(Some(attempt.answered(ReplyKind::SynAck))),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            // On a short way the answer is there before the call returns.
            Err(error) => match attempt.error(reader) {
                Some(told) => return Ok(Some(told)),
                None if error.raw_os_error() == Some(libc::ECONNREFUSED) => {
                    return Ok(Some(attempt.answered(ReplyKind::Rst)));
                }
                None => return Err(fault(error)),
            },
        }
        self.open.push_back(attempt);
        Ok(None)
    }

    /// The sockets to be watched, in order.
    pub(super) fn watched(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.open.iter().map(|attempt| attempt.socket.as_fd())
    }

    /// When the next one is given up.
    pub(super) fn next_end(&self) -> Moment {
        self.open.front().map_or(Moment::NEVER, |attempt| attempt.until)
    }

    /// Takes what came of those that are `ready`, by their place, and gives up those whose time is over.
    pub(super) fn collect(&mut self, ready: &[bool], now: Moment, reader: &mut Reader) -> Vec<Told> {
        let mut told = Vec::new();
        let mut left = VecDeque::new();
        for (place, mut attempt) in std::mem::take(&mut self.open).into_iter().enumerate() {
            if ready.get(place).copied().unwrap_or(false) {
                if let Some(error) = attempt.error(reader) {
                    told.push(error);
                    continue;
                }
                let kind = match attempt.socket.take_error() {
                    Ok(None) if attempt.socket.peer_addr().is_ok() => Some(ReplyKind::SynAck),
                    Ok(Some(error)) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {
                        Some(ReplyKind::Rst)
                    }
                    // Something of this host's own ended it: no answer.
                    _ => None,
                };
                told.extend(kind.map(|kind| attempt.answered(kind)));
            } else if now < attempt.until {
                left.push_back(attempt);
            }
        }
        self.open = left;
        told
    }
}

impl Attempt {
    /// The ICMP error that ended it, if one did.
    fn error(&mut self, reader: &mut Reader) -> Option<Told> {
        // Bounded: one ends the attempt, and what this host says of itself is passed over.
        for _ in 0..8 {
            let message = reader.error(&self.socket).ok()??;
            if let Some((from, kind)) = message.said() {
                let extensions = message.quote().1;
                return Some(Told::of(&self.about, true, from, kind, &message, extensions));
            }
        }
        None
    }

    /// The host's own answer. The kernel keeps its TTL to itself.
    fn answered(&self, kind: ReplyKind) -> Told {
        Told::bare(&self.about, self.ends.1.ip(), kind)
    }
}

/// A socket that connects from `source` by our way, sends no SYN a second time if it can help it, and ends by a reset.
fn socket(way: &Way, source: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(source), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // The port is held by another socket of ours.
    socket.set_reuse_address(true)?;
    way.apply(&socket).map_err(|error| io::Error::new(io::ErrorKind::PermissionDenied, error.to_string()))?;
    socket.bind(&SockAddr::from(source))?;
    socket.set_linger(Some(Duration::ZERO))?;
    setsockopt(&socket, Repeats, &1)?;
    let family = Family::of(source.ip());
    queue::listen(&socket, family)?;
    whole_packets(&socket, family)?;
    Ok(socket)
}
