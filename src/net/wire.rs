//! Real sockets as a [`Wire`].

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::task::Poll;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::clock::Clock;
use super::error::io as failed;
use super::ports::{Reserved, Sharing};
use super::receiver::{self, Receiver, Wanted};
use super::route::Way;
use super::signals::event_loop;
use super::{Family, OpenError, Request, Route, Stamps, filter, privilege};
use crate::probe::wire::{Arrival, Heard, Transmit, Wire, WireFault};
use crate::trace::{Losses, Moment, Protocol, SendFault, WallTime};

/// Packets read from one socket before the next has its turn.
const TURN: usize = 64;

/// Real sockets, opened for one [`Request`] and working without privilege from then on.
///
/// SIGINT and SIGTERM no longer end the process once a wire has been opened, not even after it is dropped: they are
/// [`Heard::Interrupted`].
///
/// # Panics
/// [`wait`](Wire::wait) waits in a runtime of its own, which tokio forbids inside an asynchronous task; there, run the
/// measurement on a thread of its own (`spawn_blocking`).
#[derive(Debug)]
pub struct LiveWire {
    // Fields are dropped in this order: what is watched goes before who watches.
    receivers: Vec<Receiver>,
    interrupt: Signal,
    terminate: Signal,
    runtime: Runtime,
    sender: Socket,
    inbox: VecDeque<Arrival>,
    clock: Clock,
    way: Way,
    source: IpAddr,
    routes: Vec<Route>,
    tcp: Reserved,
    udp: Reserved,
}

impl LiveWire {
    /// Opens sockets for `request`, with every option verified and every destination routed. Sends nothing that leaves
    /// this host. Takes a few milliseconds.
    ///
    /// # Errors
    /// [`OpenError`]; its [`hint`](OpenError::hint) says what to do.
    pub fn open(request: &Request) -> Result<Self, OpenError> {
        request.check()?;
        let way = Way::find(request)?;
        // What no privilege would make a host is refused before the privilege is asked for.
        way.hosts_only(request)?;
        // What needs the privilege comes before the routes: whoever lacks it should hear of that first.
        let sender = open_sender(request.family)?;
        way.apply(&sender)?;
        let (source, routes) = way.survey(request)?;
        let endpoint = way.endpoint(source, 0);
        // The kernel routes a header-included packet by the socket's address, not by the one in the header.
        sender
            .bind(&SockAddr::from(endpoint))
            .map_err(failed("bind the sending socket to the source address"))?;
        let reserve = |protocol| {
            if request.protocols.contains(&protocol) {
                Reserved::take(protocol, endpoint, way.vrf(), request.ports, Sharing::None)
            } else {
                Ok(Reserved::default())
            }
        };
        let (tcp, udp) = (reserve(Protocol::Tcp)?, reserve(Protocol::Udp)?);

        let runtime = event_loop().map_err(failed("start the event loop"))?;
        let (receivers, interrupt, terminate) = {
            let _inside = runtime.enter();
            let receive = |protocol, filter| {
                Receiver::open(&Wanted {
                    family: request.family,
                    protocol,
                    source: endpoint,
                    vrf: way.vrf(),
                    filter,
                    buffer: request.receive_buffer,
                })
            };
            // ICMP always: routers answer probes of every protocol with it.
            let echo = request.protocols.contains(&Protocol::Icmp);
            let mut receivers = vec![receive(Protocol::Icmp, filter::icmp(request.family, echo))?];
            for (protocol, reserved) in [(Protocol::Tcp, &tcp), (Protocol::Udp, &udp)] {
                if !reserved.numbers().is_empty() {
                    receivers.push(receive(protocol, filter::ports(request.family, reserved.numbers()))?);
                }
            }
            let listen = |kind| signal(kind).map_err(failed("listen for signals"));
            (receivers, listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?)
        };
        receiver::wait_for_stamps(&Clock::start());
        Ok(Self {
            receivers,
            interrupt,
            terminate,
            runtime,
            sender,
            inbox: VecDeque::new(),
            clock: Clock::start(),
            way,
            source,
            routes,
            tcp,
            udp,
        })
    }

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

    /// The interface packets to the first destination leave by.
    #[must_use]
    pub fn interface(&self) -> Option<String> {
        self.routes.first().map(|route| route.interface.clone())
    }

    /// The MTU of that interface in bytes, if it tells.
    #[must_use]
    pub fn mtu(&self) -> Option<u32> {
        self.routes.first().and_then(|route| route.mtu)
    }

    /// The route of every destination, in the order of the request.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The ports held for this run, in random order; none for ICMP and for a protocol that was not asked for.
    #[must_use]
    pub fn source_ports(&self, protocol: Protocol) -> &[u16] {
        match protocol {
            Protocol::Tcp => self.tcp.numbers(),
            Protocol::Udp => self.udp.numbers(),
            Protocol::Icmp => &[],
        }
    }

    /// Who timed the packets that came in so far.
    #[must_use]
    pub fn stamps(&self) -> Stamps {
        self.receivers.iter().map(Receiver::stamps).fold(Stamps::default(), |sum, one| Stamps {
            kernel: sum.kernel + one.kernel,
            user: sum.user + one.user,
        })
    }

    /// Reads what has arrived, each socket in its turn, into the inbox in order of arrival.
    fn collect(&mut self) -> Result<(), WireFault> {
        let fault = |source| WireFault::Io { operation: "receive packets", source };
        for receiver in &mut self.receivers {
            for _ in 0..TURN {
                match receiver.take(&self.clock).map_err(fault)? {
                    Some(arrival) => self.inbox.push_back(arrival),
                    None => break,
                }
            }
        }
        self.inbox.make_contiguous().sort_by_key(|arrival| arrival.at);
        Ok(())
    }

    /// Lets the event loop notice what happened: until a signal, a packet or the moment comes, or, without a moment,
    /// just once. Says whether there was a signal.
    fn pause(&mut self, until: Option<Moment>) -> Result<bool, WireFault> {
        let until = until.map(|until| self.clock.instant(until));
        let Self { runtime, receivers, interrupt, terminate, .. } = self;
        runtime.block_on(async {
            let timer = match until {
                // At least one turn of the event loop, or signals and packets would go unnoticed.
                None => {
                    tokio::task::yield_now().await;
                    None
                }
                Some(until) => until.map(|until| tokio::time::sleep_until(until.into())),
            };
            let waits = until.is_some();
            let mut timer = pin!(timer);
            poll_fn(|context| {
                // Both are asked, so that one Ctrl-C with a SIGTERM behind it is one interruption.
                let asked = [interrupt.poll_recv(context), terminate.poll_recv(context)];
                if asked.iter().any(Poll::is_ready) {
                    return Poll::Ready(Ok(true));
                }
                let mut woken = !waits;
                for receiver in &*receivers {
                    match receiver.poll_ready(context) {
                        Poll::Ready(Ok(())) => woken = true,
                        Poll::Ready(Err(source)) => {
                            return Poll::Ready(Err(WireFault::Io { operation: "wait for packets", source }));
                        }
                        Poll::Pending => {}
                    }
                }
                if let Some(timer) = timer.as_mut().as_pin_mut() {
                    woken |= timer.poll(context).is_ready();
                }
                if woken { Poll::Ready(Ok(false)) } else { Poll::Pending }
            })
            .await
        })
    }
}

impl Wire for LiveWire {
    fn now(&mut self) -> Moment {
        self.clock.now()
    }

    /// The moment is the one just before the system call. On a loopback or virtual link the whole round trip happens
    /// inside that call, so a moment taken after it would make the answer come first; on a real one the difference is
    /// the call itself, about a microsecond.
    fn send(&mut self, transmit: &Transmit) -> Result<Moment, SendFault> {
        let address = SockAddr::from(self.way.endpoint(transmit.destination, 0));
        loop {
            let at = self.clock.now();
            match self.sender.send_to(&transmit.packet, &address) {
                Ok(_) => return Ok(at),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(&error)),
            }
        }
    }

    /// Timers have a resolution of a millisecond: a quiet wait ends up to about two of them late, never early. A
    /// signal is told by the next wait after it, before any packet; the packets stay.
    fn wait(&mut self, until: Moment) -> Result<Heard, WireFault> {
        // A look at the event loop first, a microsecond: sockets are read only as far as it has noticed, and a flood
        // must not drown Ctrl-C.
        let mut interrupted = self.pause(None)?;
        loop {
            if interrupted {
                return Ok(Heard::Interrupted);
            }
            if self.inbox.is_empty() {
                self.collect()?;
            }
            if let Some(arrival) = self.inbox.pop_front() {
                return Ok(Heard::Packet(arrival));
            }
            if self.clock.now() >= until {
                return Ok(Heard::Quiet);
            }
            interrupted = self.pause(Some(until))?;
        }
    }

    fn losses(&mut self) -> Losses {
        Losses {
            overflow: self.receivers.iter().map(Receiver::overflow).sum(),
            truncated: self.receivers.iter().map(Receiver::truncated).sum(),
        }
    }
}

/// `IP_PMTUDISC_PROBE` and `IPV6_PMTUDISC_PROBE` (ip(7), ipv6(7)).
pub(super) const PROBE: usize = 3;

/// `IP_MTU_DISCOVER`.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnyLength4;
nix::setsockopt_impl!(AnyLength4, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, usize, sockopt::SetUsize);

/// `IPV6_MTU_DISCOVER`.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnyLength6;
nix::setsockopt_impl!(AnyLength6, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, usize, sockopt::SetUsize);

/// A raw socket that takes complete packets and receives none.
fn open_sender(family: Family) -> Result<Socket, OpenError> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let protocol = socket2::Protocol::from(libc::IPPROTO_RAW);
    let socket = Socket::new(domain, Type::RAW, Some(protocol)).map_err(raw_socket_error)?;
    socket.set_nonblocking(true).map_err(failed("make the sending socket non-blocking"))?;
    let tell = "have the sending socket tell of full queues";
    let whole = "have the sending socket heed no path MTU but the interface's";
    match family {
        Family::V4 => {
            socket
                .set_header_included_v4(true)
                .map_err(failed("have the sending socket take whole packets"))?;
            // Without this a packet that the interface's queue drops counts as sent, and then as lost by the network.
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true).map_err(|errno| failed(tell)(errno.into()))?;
            // What the kernel remembers of a path's MTU, from an earlier run or somebody else's connection, must not keep
            // a packet here: whether it gets through is the question.
            setsockopt(&socket, AnyLength4, &PROBE).map_err(|errno| failed(whole)(errno.into()))?;
        }
        Family::V6 => {
            socket
                .set_header_included_v6(true)
                .map_err(failed("have the sending socket take whole packets"))?;
            setsockopt(&socket, sockopt::Ipv6RecvErr, &true).map_err(|errno| failed(tell)(errno.into()))?;
            setsockopt(&socket, AnyLength6, &PROBE).map_err(|errno| failed(whole)(errno.into()))?;
        }
    }
    Ok(socket)
}

/// A raw socket is refused for want of a capability, or by a sandbox although it is there.
pub(super) fn raw_socket_error(error: io::Error) -> OpenError {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) if !privilege::holds_net_raw() => {
            OpenError::Privilege { operation: "opening a raw socket", admin: false }
        }
        _ => failed("open a raw socket")(error),
    }
}

/// Why a packet was not taken, from the error of the call.
pub(super) fn fault(error: &io::Error) -> SendFault {
    let number = error.raw_os_error().unwrap_or(libc::EIO);
    match Errno::from_raw(number) {
        Errno::ENETUNREACH | Errno::EHOSTUNREACH => SendFault::NoRoute,
        Errno::EPERM | Errno::EACCES => SendFault::Denied,
        Errno::ENOBUFS | Errno::EAGAIN => SendFault::Full,
        Errno::ENETDOWN | Errno::ENODEV | Errno::ENXIO | Errno::EADDRNOTAVAIL => SendFault::InterfaceDown,
        Errno::EMSGSIZE => SendFault::TooBig,
        _ => SendFault::Other(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wire_may_move_to_another_thread() {
        fn sendable<T: Send>() {}
        sendable::<LiveWire>();
    }

    #[test]
    fn every_error_has_its_fault() {
        let of = |number| fault(&io::Error::from_raw_os_error(number));
        assert_eq!(of(libc::ENETUNREACH), SendFault::NoRoute);
        assert_eq!(of(libc::EHOSTUNREACH), SendFault::NoRoute);
        assert_eq!(of(libc::EPERM), SendFault::Denied);
        assert_eq!(of(libc::EACCES), SendFault::Denied);
        assert_eq!(of(libc::EAGAIN), SendFault::Full);
        assert_eq!(of(libc::ENOBUFS), SendFault::Full);
        assert_eq!(of(libc::ENETDOWN), SendFault::InterfaceDown);
        assert_eq!(of(libc::ENODEV), SendFault::InterfaceDown);
        assert_eq!(of(libc::EADDRNOTAVAIL), SendFault::InterfaceDown);
        assert_eq!(of(libc::EMSGSIZE), SendFault::TooBig);
        assert_eq!(of(libc::EINVAL), SendFault::Other(libc::EINVAL));
    }
}
