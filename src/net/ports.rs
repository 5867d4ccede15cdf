//! Source ports that nobody else on this host can use while a run lasts.
//!
//! A probe is told apart from the traffic of other programs by its ports, and the kernel must not give them to a
//! connection meanwhile. So each is held by a bound socket. The numbers are drawn by us rather than by binding to
//! port 0: the kernel hands out ports of one parity there, and a router that balances by the low bits of the ports
//! would send all flows of a run down one branch.

use std::net::SocketAddr;

use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use rand::seq::SliceRandom;
use socket2::{Domain, SockAddr, Socket, Type};

use super::error::io;
use super::{OpenError, filter};
use crate::trace::Protocol;

/// What `net.ipv4.ip_local_port_range` is on a host that does not tell: the kernel's default.
const USUAL_RANGE: (u16, u16) = (32768, 60999);

/// Ports of one protocol, held until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    numbers: Vec<u16>,
    /// Open as long as the ports are to be held.
    #[allow(dead_code)]
    sockets: Vec<Socket>,
}

impl Reserved {
    /// Holds `count` random free ports of the ephemeral range on `source`; in a VRF, that VRF's.
    pub(super) fn take(
        protocol: Protocol,
        source: SocketAddr,
        vrf: Option<&str>,
        count: u16,
        sharing: Sharing,
    ) -> Result<Self, OpenError> {
        // Whatever else fails than binding fails for every port.
        drop(socket(protocol, source, vrf)?);
        let drawn = draw(protocol, count, |port| {
            let socket = socket(protocol, source, vrf).map_err(std::io::Error::other)?;
            if sharing == Sharing::WithOwn {
                socket.set_reuse_address(true)?;
            }
            let mut address = source;
            address.set_port(port);
            socket.bind(&SockAddr::from(address)).map(|()| socket)
        })?;
        let (numbers, sockets) = drawn.into_iter().unzip();
        Ok(Self { numbers, sockets })
    }

    /// The ports, in random order.
    pub(super) fn numbers(&self) -> &[u16] {
        &self.numbers
    }
}

/// Whether further sockets of this program may be bound to a port that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// None.
    None,
    /// Those that ask for it, as the holder does: they make connections from it.
    WithOwn,
}

/// `count` random free ports of the ephemeral range, each with what `bind` makes of it.
pub(super) fn draw<T>(
    protocol: Protocol,
    count: u16,
    mut bind: impl FnMut(u16) -> std::io::Result<T>,
) -> Result<Vec<(u16, T)>, OpenError> {
    let mut candidates = candidates();
    let mut coin = StdRng::try_from_rng(&mut SysRng)
        .map_err(|error| io("draw source ports")(std::io::Error::other(error)))?;
    candidates.shuffle(&mut coin);
    let mut taken = Vec::new();
    for port in candidates {
        if taken.len() == usize::from(count) {
            break;
        }
        match bind(port) {
            Ok(bound) => taken.push((port, bound)),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(io("bind a source port")(error)),
        }
    }
    let found = u16::try_from(taken.len()).unwrap_or(u16::MAX);
    if found < count {
        return Err(OpenError::NoPorts { protocol, wanted: count, found });
    }
    Ok(taken)
}

fn socket(protocol: Protocol, source: SocketAddr, vrf: Option<&str>) -> Result<Socket, OpenError> {
    let kind = if protocol == Protocol::Tcp { Type::STREAM } else { Type::DGRAM };
    let socket = Socket::new(Domain::for_address(source), kind, None)
        .map_err(io("open a socket for a source port"))?;
    if let Some(vrf) = vrf {
        socket.bind_device(Some(vrf.as_bytes())).map_err(io("bind a source port to the VRF"))?;
    }
    if protocol == Protocol::Udp {
        // The raw socket reads the answers. Here they would only fill a buffer that nobody empties.
        socket.attach_filter(&filter::nothing()).map_err(io("silence a source port"))?;
    }
    Ok(socket)
}

/// The ephemeral range without what the administrator set aside for services.
fn candidates() -> Vec<u16> {
    let read = |name| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
    let (low, high) = parse_range(&read("ip_local_port_range")).unwrap_or(USUAL_RANGE);
    let reserved = parse_list(&read("ip_local_reserved_ports"));
    (low..=high).filter(|port| !reserved.iter().any(|&(low, high)| (low..=high).contains(port))).collect()
}

/// Two numbers with white space between.
fn parse_range(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.trim().split_once(char::is_whitespace)?;
    let (low, high) = (low.parse().ok()?, high.trim().parse().ok()?);
    (0 < low && low <= high).then_some((low, high))
}

/// Numbers and ranges with commas between, such as `8080,9000-9010`.
fn parse_list(text: &str) -> Vec<(u16, u16)> {
    text.trim()
        .split(',')
        .filter_map(|item| {
            let (low, high) = item.split_once('-').unwrap_or((item, item));
            Some((low.parse().ok()?, high.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn the_kernels_two_lists_are_read() {
        assert_eq!(parse_range("32768\t60999\n"), Some((32768, 60999)));
        assert_eq!(parse_range("1024 65535"), Some((1024, 65535)));
        assert_eq!(parse_range(""), None);
        assert_eq!(parse_range("60999\t32768"), None);
        assert_eq!(parse_list("8080,9000-9010\n"), [(8080, 8080), (9000, 9010)]);
        assert_eq!(parse_list("\n"), []);
    }

    #[test]
    fn a_reserved_port_is_nobody_elses_until_it_is_dropped() {
        let source: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let tcp = Reserved::take(Protocol::Tcp, source, None, 16, Sharing::None).unwrap();
        let udp = Reserved::take(Protocol::Udp, source, None, 16, Sharing::None).unwrap();
        assert_eq!((tcp.numbers().len(), udp.numbers().len()), (16, 16));
        for &port in tcp.numbers() {
            TcpListener::bind(("127.0.0.1", port)).unwrap_err();
            TcpListener::bind(("0.0.0.0", port)).unwrap_err();
        }
        for &port in udp.numbers() {
            UdpSocket::bind(("127.0.0.1", port)).unwrap_err();
        }
        // What comes in is swallowed: neither refused nor kept.
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.connect(("127.0.0.1", udp.numbers()[0])).unwrap();
        stranger.send(b"answer").unwrap();
        stranger.send(b"another").unwrap();
        udp.sockets[0].set_nonblocking(true).unwrap();
        let error = udp.sockets[0].recv(&mut [std::mem::MaybeUninit::uninit(); 1]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
        let freed = tcp.numbers()[0];
        drop(tcp);
        TcpListener::bind(("127.0.0.1", freed)).unwrap();
    }

    #[test]
    fn ports_are_drawn_with_both_parities_and_in_no_order() {
        let source: SocketAddr = "[::1]:0".parse().unwrap();
        let ports = Reserved::take(Protocol::Udp, source, None, 64, Sharing::None).unwrap();
        let odd = ports.numbers().iter().filter(|&port| port % 2 == 1).count();
        // All of one parity comes by chance once in 2^63.
        assert!((1..64).contains(&odd), "{odd} odd ports of 64");
        assert!(!ports.numbers().is_sorted());
    }
}
