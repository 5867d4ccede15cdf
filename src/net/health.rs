//! What this machine allows and lacks, asked without sending anything.

use std::fs;
use std::net::IpAddr;

use socket2::{Domain, Socket, Type};

use super::route::Way;
use super::{Family, OpenError, Request};
use crate::trace::Protocol;

/// Addresses of documentation (RFC 5737, RFC 3849): only the default route leads there, and nothing is sent.
const ELSEWHERE: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// Whether a raw socket can be opened now.
///
/// # Errors
/// Why not.
pub fn raw_socket(family: Family) -> Result<(), OpenError> {
    let (domain, protocol) = match family {
        Family::V4 => (Domain::IPV4, socket2::Protocol::ICMPV4),
        Family::V6 => (Domain::IPV6, socket2::Protocol::ICMPV6),
    };
    Socket::new(domain, Type::RAW, Some(protocol)).map(drop).map_err(super::wire::raw_socket_error)
}

/// Whether an ordinary socket keeps the errors of its packets.
#[must_use]
pub fn error_queue(family: Family) -> bool {
    let domain = if family == Family::V4 { Domain::IPV4 } else { Domain::IPV6 };
    Socket::new(domain, Type::DGRAM, None).is_ok_and(|socket| super::plain::listens(&socket, family))
}

/// Our address and interface on the way to anywhere else.
///
/// # Errors
/// Why there is no way.
pub fn way_out(family: Family) -> Result<(IpAddr, String), OpenError> {
    let elsewhere = ELSEWHERE[usize::from(family == Family::V6)];
    let request = Request::new(family, [elsewhere]).with(Protocol::Udp);
    let (source, routes) = Way::find(&request)?.survey(&request)?;
    Ok((source, routes.into_iter().next().map_or_else(String::new, |route| route.interface)))
}

/// A setting of the kernel, such as `net/core/rmem_max`.
#[must_use]
pub fn setting(name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The file that says whom the system asks for names.
pub const RESOLVER: &str = "/etc/resolv.conf";
