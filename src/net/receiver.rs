//! One receiving socket: packets come out whole, timed, and with what was lost on the way counted.

use std::fs::File;
use std::io::{self, IoSliceMut, Read as _, Seek as _};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, SockAddr, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::clock::{Clock, Span};
use super::error::io as failed;
use super::{Family, OpenError};
use crate::probe::wire::Arrival;
use crate::trace::Protocol;

/// No IP packet is longer (RFC 791 §3.1; jumbograms do not come out of raw sockets).
const LONGEST: usize = 65_535;

/// How many packets are thrown away at most after the filter is in place. The buffer cannot hold more.
const STALE: usize = 100_000;

/// How many passing errors in a row are taken for a lasting one.
const PATIENCE: usize = 16;

/// How often, and how long after each other, the kernel is asked whether it stamps packets. It took 2 ms at most here.
const STAMP_TRIES: usize = 50;
const STAMP_PAUSE: Duration = Duration::from_micros(200);

/// How many arrivals were timed by whom. The sum is the number of packets handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// By the kernel, when it took the packet from the device.
    pub kernel: u64,
    /// By us, when the packet was read: later by as long as it lay in the buffer. Happens when the wall clock, with
    /// which the kernel stamps, is set meanwhile.
    pub user: u64,
}

/// What to open.
pub(super) struct Wanted<'a> {
    pub(super) family: Family,
    pub(super) protocol: Protocol,
    pub(super) source: SocketAddr,
    pub(super) vrf: Option<&'a str>,
    pub(super) filter: Vec<SockFilter>,
    pub(super) buffer: usize,
}

/// A raw socket for one protocol.
#[derive(Debug)]
pub(super) struct Receiver {
    /// Not a UDP socket: tokio's only way to watch a descriptor of another kind is `unsafe`, while this type asks
    /// nothing of its socket but to be one. Reading goes through `recvmsg` on the descriptor.
    socket: UdpSocket,
    family: Family,
    protocol: Protocol,
    buffer: Vec<u8>,
    ancillary: Vec<u8>,
    /// Since when packets lie here, to make moments of their stamps.
    span: Span,
    /// The kernel's count of drops as it came with the last packet, and before the run.
    dropped: u32,
    dropped_before: u32,
    /// The kernel's table of raw sockets, and our line in it.
    table: Option<Table>,
    truncated: u64,
    stamps: Stamps,
}

impl Receiver {
    /// Opens, filters and empties a socket. Needs CAP_NET_RAW and the context of a tokio runtime.
    pub(super) fn open(wanted: &Wanted<'_>) -> Result<Self, OpenError> {
        let (domain, protocol) = match (wanted.family, wanted.protocol) {
            (Family::V4, Protocol::Icmp) => (Domain::IPV4, socket2::Protocol::ICMPV4),
            (Family::V6, Protocol::Icmp) => (Domain::IPV6, socket2::Protocol::ICMPV6),
            (Family::V4, Protocol::Tcp) => (Domain::IPV4, socket2::Protocol::TCP),
            (Family::V6, Protocol::Tcp) => (Domain::IPV6, socket2::Protocol::TCP),
            (Family::V4, Protocol::Udp) => (Domain::IPV4, socket2::Protocol::UDP),
            (Family::V6, Protocol::Udp) => (Domain::IPV6, socket2::Protocol::UDP),
        };
        let socket = Socket::new(domain, Type::RAW, Some(protocol)).map_err(super::wire::raw_socket_error)?;
        // First of all: from its creation on the socket has been filling with everybody's packets.
        socket.attach_filter(&wanted.filter).map_err(failed("attach a filter to a receiving socket"))?;
        socket.set_nonblocking(true).map_err(failed("make a receiving socket non-blocking"))?;
        if let Some(vrf) = wanted.vrf {
            socket.bind_device(Some(vrf.as_bytes())).map_err(failed("bind a receiving socket to the VRF"))?;
        }
        socket
            .bind(&SockAddr::from(wanted.source))
            .map_err(failed("bind a receiving socket to the source address"))?;
        // Beyond net.core.rmem_max only with CAP_NET_ADMIN; without it, as much as there is.
        if setsockopt(&socket, sockopt::RcvBufForce, &wanted.buffer).is_err() {
            socket.set_recv_buffer_size(wanted.buffer).map_err(failed("set the size of a receive buffer"))?;
        }
        let option = |result: nix::Result<()>| {
            result.map_err(|errno| failed("ask for the details of received packets")(errno.into()))
        };
        option(setsockopt(&socket, sockopt::ReceiveTimestampns, &true))?;
        option(setsockopt(&socket, sockopt::RxqOvfl, &1))?;
        if wanted.family == Family::V6 {
            option(setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true))?;
            option(setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true))?;
            option(setsockopt(&socket, sockopt::Ipv6RecvTClass, &true))?;
        }
        let table = Table::open(wanted.family, &socket);
        // From its creation to the filter it has been filling with everybody's packets.
        let mut scrap = [MaybeUninit::uninit(); 1];
        for _ in 0..STALE {
            if socket.recv(&mut scrap).is_err() {
                break;
            }
        }
        let dropped = table.as_ref().and_then(Table::drops).unwrap_or(0);
        Ok(Self {
            socket: UdpSocket::from_std(socket.into()).map_err(failed("watch a receiving socket"))?,
            family: wanted.family,
            protocol: wanted.protocol,
            buffer: vec![0; LONGEST],
            ancillary: nix::cmsg_space!(
                nix::sys::time::TimeSpec,
                u32,
                libc::in6_pktinfo,
                libc::c_int,
                libc::c_int
            ),
            span: Span::default(),
            dropped,
            dropped_before: dropped,
            table,
            truncated: 0,
            stamps: Stamps::default(),
        })
    }

    /// Whether something is there to be read, as far as the event loop has noticed. It stays ready until
    /// [`take`](Self::take) has found nothing more.
    pub(super) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_recv_ready(context)
    }

    /// Who timed the packets so far.
    pub(super) const fn stamps(&self) -> Stamps {
        self.stamps
    }

    /// Packets cut short so far.
    pub(super) const fn truncated(&self) -> u64 {
        self.truncated
    }

    /// Packets dropped since the socket was opened because its buffer was full.
    ///
    /// The count that comes with a packet is of the time when that packet was queued, so what was dropped behind the
    /// last one is not in it. The kernel's table of raw sockets has the whole; where it cannot be read, the former is
    /// a lower bound. (An ICMPv6 message with a wrong checksum is in either count, too.)
    pub(super) fn overflow(&self) -> u64 {
        let now = self.table.as_ref().and_then(Table::drops).unwrap_or(self.dropped);
        // Both are the same wrapping counter; the later reading is the larger.
        let now = if now.wrapping_sub(self.dropped) > u32::MAX / 2 { self.dropped } else { now };
        u64::from(now.wrapping_sub(self.dropped_before))
    }

    /// The next packet that has arrived, if any. Never waits.
    ///
    /// # Errors
    /// Only what will not go away by itself.
    pub(super) fn take(&mut self, clock: &Clock) -> io::Result<Option<Arrival>> {
        let before = clock.look();
        let Some(received) = self.receive()? else {
            self.span = Span::begin(before);
            return Ok(None);
        };
        let after = clock.look();
        self.span.note(before);
        self.span.note(after);
        let at = received.stamp.and_then(|stamp| self.span.place(stamp, after.now));
        match at {
            Some(_) => self.stamps.kernel += 1,
            None => self.stamps.user += 1,
        }
        Ok(Some(Arrival { at: at.unwrap_or(after.now), packet: received.packet }))
    }

    fn receive(&mut self) -> io::Result<Option<Received>> {
        let Self { socket, buffer, ancillary, .. } = self;
        let read = socket.try_io(Interest::READABLE, || read(socket.as_raw_fd(), buffer, ancillary));
        let Read { length, cut, from, details } = match read {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        if let Some(dropped) = details.dropped {
            self.dropped = dropped;
        }
        self.truncated += u64::from(cut);
        let bytes = self.buffer.get(..length).unwrap_or(&self.buffer);
        let packet = match self.family {
            Family::V4 => bytes.to_vec(),
            Family::V6 => {
                let unknown = Ipv6Addr::UNSPECIFIED;
                let (from, to) = (from.unwrap_or(unknown), details.to.unwrap_or(unknown));
                whole_v6(self.protocol, from, to, &details, bytes)
            }
        };
        Ok(Some(Received { stamp: details.stamp, packet }))
    }
}

/// Waits until the kernel stamps packets when they come, which it does only a while after the first socket has asked for
/// it; until then the "time of arrival" is that of reading. Gives up after some ten milliseconds.
///
/// Seen by a datagram from a loopback socket to itself. It never leaves this host.
pub(super) fn wait_for_stamps(clock: &Clock) {
    let stamped = || -> io::Result<bool> {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        socket.connect(socket.local_addr()?)?;
        socket.send(&[0])?;
        let look = clock.look();
        let details =
            read(socket.as_raw_fd(), &mut [0], &mut nix::cmsg_space!(nix::sys::time::TimeSpec))?.details;
        let read_from = look.ahead.saturating_add_unsigned(look.now.as_nanos());
        Ok(details.stamp.is_some_and(|stamp| stamp < read_from))
    };
    for _ in 0..STAMP_TRIES {
        // No loopback interface, or a firewall on it: time is all that can be given.
        if stamped().unwrap_or(false) {
            return;
        }
        std::thread::sleep(STAMP_PAUSE);
    }
}

/// One packet in the buffer and what the kernel told of it.
struct Read {
    length: usize,
    cut: bool,
    from: Option<Ipv6Addr>,
    details: Details,
}

/// Reads one packet without waiting; `WouldBlock` if there is none.
fn read(socket: RawFd, buffer: &mut [u8], ancillary: &mut [u8]) -> io::Result<Read> {
    let mut patience = PATIENCE;
    loop {
        let mut parts = [IoSliceMut::new(buffer)];
        match recvmsg::<SockaddrStorage>(socket, &mut parts, Some(&mut *ancillary), MsgFlags::MSG_DONTWAIT) {
            Ok(message) => {
                let mut details = Details::default();
                if let Ok(all) = message.cmsgs() {
                    all.for_each(|one| details.note(one));
                }
                let from = message.address.as_ref().and_then(SockaddrStorage::as_sockaddr_in6);
                return Ok(Read {
                    length: message.bytes,
                    cut: message.flags.contains(MsgFlags::MSG_TRUNC),
                    from: from.map(nix::sys::socket::SockaddrIn6::ip),
                    details,
                });
            }
            Err(errno) if passing(errno) && patience > 0 => patience -= 1,
            Err(errno) => return Err(errno.into()),
        }
    }
}

struct Received {
    /// Nanoseconds since 1970 on the kernel's wall clock.
    stamp: Option<i64>,
    packet: Vec<u8>,
}

/// What the kernel tells beside the bytes.
#[derive(Debug, Default)]
struct Details {
    stamp: Option<i64>,
    dropped: Option<u32>,
    to: Option<Ipv6Addr>,
    hop_limit: u8,
    class: u8,
}

impl Details {
    fn note(&mut self, message: ControlMessageOwned) {
        match message {
            ControlMessageOwned::ScmTimestampns(at) => {
                self.stamp =
                    at.tv_sec().checked_mul(1_000_000_000).and_then(|nanos| nanos.checked_add(at.tv_nsec()));
            }
            ControlMessageOwned::RxqOvfl(dropped) => self.dropped = Some(dropped),
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                self.to = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr))
            }
            ControlMessageOwned::Ipv6HopLimit(limit) => self.hop_limit = u8::try_from(limit).unwrap_or(0),
            ControlMessageOwned::Ipv6TClass(class) => self.class = u8::try_from(class).unwrap_or(0),
            _ => {}
        }
    }
}

/// Puts an IPv6 header (RFC 8200 §3) before what the kernel handed over.
///
/// ```text
///  version 6 | traffic class | flow label, told by nobody: 0
///  payload length            | next header | hop limit
///  source address (16 bytes)
///  destination address (16 bytes)
/// ```
fn whole_v6(protocol: Protocol, from: Ipv6Addr, to: Ipv6Addr, details: &Details, payload: &[u8]) -> Vec<u8> {
    let next = match protocol {
        Protocol::Tcp => libc::IPPROTO_TCP,
        Protocol::Icmp => libc::IPPROTO_ICMPV6,
        Protocol::Udp => libc::IPPROTO_UDP,
    };
    let mut packet = Vec::with_capacity(40 + payload.len());
    packet.extend_from_slice(&((6_u32 << 28) | (u32::from(details.class) << 20)).to_be_bytes());
    packet.extend_from_slice(&u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes());
    packet.extend_from_slice(&[u8::try_from(next).unwrap_or(0), details.hop_limit]);
    packet.extend_from_slice(&from.octets());
    packet.extend_from_slice(&to.octets());
    packet.extend_from_slice(payload);
    packet
}

/// Errors that the socket reports once and then works on: of the network around it, or of the moment.
const fn passing(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EINTR
            | Errno::ENOBUFS
            | Errno::ENOMEM
            | Errno::ENETDOWN
            | Errno::ENETUNREACH
            | Errno::EHOSTDOWN
            | Errno::EHOSTUNREACH
            | Errno::ECONNREFUSED
            | Errno::ECONNRESET
            | Errno::EPROTO
            | Errno::ENOPROTOOPT
            | Errno::EOPNOTSUPP
            | Errno::EACCES
            | Errno::EMSGSIZE
    )
}

/// The kernel's table of raw sockets, where the drops of each stand whether or not a packet came after them.
#[derive(Debug)]
struct Table {
    /// Opened with the socket and read again and again: so it stays the table of this socket's network namespace,
    /// whoever reads it and whatever rights are left then.
    file: File,
    inode: u64,
}

impl Table {
    /// `None` where `/proc` is not mounted or hidden.
    fn open(family: Family, socket: &Socket) -> Option<Self> {
        let inode = nix::sys::stat::fstat(socket).ok()?.st_ino;
        // Of this thread, not of the process: threads may live in different namespaces.
        let file = File::open(match family {
            Family::V4 => "/proc/thread-self/net/raw",
            Family::V6 => "/proc/thread-self/net/raw6",
        });
        Some(Self { file: file.ok()?, inode })
    }

    fn drops(&self) -> Option<u32> {
        let mut text = String::new();
        (&self.file).rewind().ok()?;
        (&self.file).read_to_string(&mut text).ok()?;
        drops_of(&text, self.inode)
    }
}

/// Columns by their place: slot, local, remote, state, queues, timer, retransmits, user, timeout, inode, references,
/// pointer, drops.
fn drops_of(table: &str, inode: u64) -> Option<u32> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_whitespace();
        let found: u64 = columns.nth(9)?.parse().ok()?;
        (found == inode).then(|| columns.nth(2)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn a_packet_larger_than_the_buffer_is_known_to_be_cut() {
        let (near, far) = UnixDatagram::pair().unwrap();
        near.send(&[7; 12]).unwrap();
        near.send(&[8; 13]).unwrap();
        let mut buffer = [0; 12];
        let mut next = || read(far.as_raw_fd(), &mut buffer, &mut []).map(|read| (read.length, read.cut));
        assert_eq!(next().unwrap(), (12, false));
        assert_eq!(next().unwrap(), (12, true));
        assert_eq!(next().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn an_ipv6_header_is_rebuilt() {
        let details = Details { hop_limit: 61, class: 0xb8, ..Details::default() };
        let (from, to) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let packet = whole_v6(Protocol::Icmp, from, to, &details, &[3, 0, 0xab, 0xcd]);
        assert_eq!(packet.len(), 44);
        assert_eq!(packet[..8], [0x6b, 0x80, 0, 0, 0, 4, 58, 61]);
        assert_eq!(packet[8..24], from.octets());
        assert_eq!(packet[24..40], to.octets());
        assert_eq!(packet[40..], [3, 0, 0xab, 0xcd]);
    }

    #[test]
    fn the_kernels_table_is_read_by_inode() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
    1: 0100007F:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 12
   58: 00000000:0006 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 0
";
        assert_eq!(drops_of(table, 4711), Some(12));
        assert_eq!(drops_of(table, 4712), Some(0));
        assert_eq!(drops_of(table, 1), None);
        assert_eq!(drops_of("", 4711), None);
    }
}
