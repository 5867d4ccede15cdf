//! What ordinary sockets tell of errors: the error queue (ip(7), `IP_RECVERR`), read without waiting.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::Socket;

use crate::net::Family;
use crate::packet::extensions::Extensions;
use crate::probe::identity::error_kind;
use crate::trace::ReplyKind;

/// No message is longer than the packet it came in.
const LONGEST: usize = 65_535;

/// `EE_RFC4884_FLAG_INVALID`: the structure's checksum is wrong.
const INVALID: u8 = 1;

/// The numbers of `linux/in.h` and `linux/in6.h`, which the library does not name.
const IP_RECVERR_RFC4884: libc::c_int = 26;
const IPV6_RECVERR_RFC4884: libc::c_int = 31;

/// Where extensions begin. Since Linux 5.9.
#[derive(Clone, Copy, Debug)]
struct Extended4;
nix::setsockopt_impl!(Extended4, libc::IPPROTO_IP, IP_RECVERR_RFC4884, usize, sockopt::SetUsize);

/// The same.
#[derive(Clone, Copy, Debug)]
struct Extended6;
nix::setsockopt_impl!(Extended6, libc::IPPROTO_IPV6, IPV6_RECVERR_RFC4884, usize, sockopt::SetUsize);

/// Asks for errors with all their details, the TTL and the time of what comes in.
pub(super) fn listen(socket: &Socket, family: Family) -> nix::Result<()> {
    setsockopt(socket, sockopt::ReceiveTimestampns, &true)?;
    match family {
        Family::V4 => {
            setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
            setsockopt(socket, sockopt::Ipv4RecvTtl, &true)?;
            // An older kernel keeps the extensions to itself.
            let _ = setsockopt(socket, Extended4, &1);
        }
        Family::V6 => {
            setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
            setsockopt(socket, sockopt::Ipv6RecvHopLimit, &true)?;
            let _ = setsockopt(socket, Extended6, &1);
        }
    }
    Ok(())
}

/// One message: a datagram, or an error about one.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// The data: of an error, those of our packet that it quotes, and what stands behind.
    pub(super) data: Vec<u8>,
    /// Who sent a datagram; or to whom the packet went that an error is about.
    pub(super) address: Option<SocketAddr>,
    /// The kernel's time of arrival, nanoseconds since 1970.
    pub(super) stamp: Option<i64>,
    /// TTL or hop limit it came with.
    pub(super) ttl: Option<u8>,
    /// What the error is.
    pub(super) error: Option<Error>,
}

/// An error as the kernel describes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Error {
    details: libc::sock_extended_err,
    offender: Option<IpAddr>,
}

impl Message {
    /// Who says what, if it came as an ICMP message; `None` for what this host found out by itself.
    pub(super) fn said(&self) -> Option<(IpAddr, ReplyKind)> {
        let Error { details, offender } = self.error?;
        let v6 = match details.ee_origin {
            libc::SO_EE_ORIGIN_ICMP => false,
            libc::SO_EE_ORIGIN_ICMP6 => true,
            _ => return None,
        };
        // The kernel has taken the MTU out of the header already.
        let kind = match error_kind(v6, details.ee_type, details.ee_code, 0) {
            ReplyKind::TooBig { .. } => ReplyKind::TooBig { mtu: details.ee_info },
            kind => kind,
        };
        Some((offender?, kind))
    }

    /// Our own data as far as they are quoted, and the extensions.
    pub(super) fn quote(&self) -> (&[u8], Extensions<'_>) {
        // struct sock_ee_data_rfc4884 { __u16 len; __u8 flags; __u8 reserved; }
        let [l0, l1, flags, _] = self.error.map_or(0, |error| error.details.ee_data).to_ne_bytes();
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        match self.data.split_at_checked(length) {
            Some((quote, structure)) if length > 0 && flags & INVALID == 0 => {
                (quote, Extensions::read(structure))
            }
            _ => (&self.data, Extensions::default()),
        }
    }
}

/// Reads messages into one buffer.
#[derive(Debug)]
pub(super) struct Reader {
    buffer: Vec<u8>,
    ancillary: Vec<u8>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; LONGEST],
            ancillary: nix::cmsg_space!(
                nix::sys::time::TimeSpec,
                libc::c_int,
                libc::sock_extended_err,
                libc::sockaddr_in6,
                [u8; 64]
            ),
        }
    }

    /// The next error about a packet of this socket's, if any.
    pub(super) fn error(&mut self, socket: &impl AsRawFd) -> io::Result<Option<Message>> {
        self.next(socket.as_raw_fd(), MsgFlags::MSG_ERRQUEUE)
    }

    /// The next datagram, if any. What failed before is no matter of this one: the error queue tells it.
    pub(super) fn datagram(&mut self, socket: &impl AsRawFd) -> io::Result<Option<Message>> {
        self.next(socket.as_raw_fd(), MsgFlags::empty())
    }

    fn next(&mut self, socket: RawFd, flags: MsgFlags) -> io::Result<Option<Message>> {
        let Self { buffer, ancillary } = self;
        let flags = flags | MsgFlags::MSG_DONTWAIT;
        // An ordinary read tells of pending errors first, each once.
        for _ in 0..64 {
            let mut parts = [IoSliceMut::new(buffer)];
            let read = match recvmsg::<SockaddrStorage>(socket, &mut parts, Some(&mut *ancillary), flags) {
                Ok(read) => read,
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EBADF | Errno::EFAULT | Errno::EINVAL | Errno::ENOTSOCK | Errno::ENOMEM)
                    if flags.contains(MsgFlags::MSG_ERRQUEUE) =>
                {
                    return Err(io::Error::last_os_error());
                }
                Err(_) => continue,
            };
            let length = read.bytes;
            let mut message =
                Message { address: read.address.as_ref().and_then(address), ..Message::default() };
            if let Ok(all) = read.cmsgs() {
                all.for_each(|one| message.note(one));
            }
            message.data = self.buffer.get(..length).unwrap_or_default().to_vec();
            return Ok(Some(message));
        }
        Ok(None)
    }
}

impl Message {
    fn note(&mut self, one: ControlMessageOwned) {
        match one {
            ControlMessageOwned::ScmTimestampns(at) => {
                self.stamp =
                    at.tv_sec().checked_mul(1_000_000_000).and_then(|nanos| nanos.checked_add(at.tv_nsec()));
            }
            ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
                self.ttl = u8::try_from(ttl).ok();
            }
            ControlMessageOwned::Ipv4RecvErr(details, offender) => {
                let offender = offender.map(|one| IpAddr::from(one.sin_addr.s_addr.to_ne_bytes()));
                self.error = Some(Error { details, offender });
            }
            ControlMessageOwned::Ipv6RecvErr(details, offender) => {
                let offender = offender.map(|one| IpAddr::from(one.sin6_addr.s6_addr));
                self.error = Some(Error { details, offender });
            }
            _ => {}
        }
    }
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let four = storage.as_sockaddr_in().map(|one| SocketAddr::from((one.ip(), one.port())));
    four.or_else(|| storage.as_sockaddr_in6().map(|one| SocketAddr::from((one.ip(), one.port()))))
}
