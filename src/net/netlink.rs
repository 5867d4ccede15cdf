//! Asking the kernel what it would do with a packet.
//!
//! Only the kernel knows its routing: rules by mark, source and interface, several tables, VRFs. A connected UDP
//! socket tells the source address it would use, but not the interface; rtnetlink tells that, and what kind of device
//! an interface is. Both questions need no privilege and send nothing.

use std::io::{self, Read};
use std::net::IpAddr;
use std::time::Duration;

use netlink_packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};

use super::Family;

/// What decides about a route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query {
    pub(super) destination: IpAddr,
    pub(super) source: Option<IpAddr>,
    /// Index of the interface or VRF device the packet is bound to.
    pub(super) device: Option<u32>,
    pub(super) mark: Option<u32>,
    /// Ask for the entry of the table instead of the outcome. An IPv4 packet bound to a device leaves by it even
    /// without any entry, as if everybody were a neighbour; only this tells.
    pub(super) entry: bool,
}

/// What the kernel would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Deliver to this host.
    pub(super) local: bool,
    /// Broadcast on the link.
    pub(super) broadcast: bool,
    /// Hand it to a router, not to a neighbour.
    pub(super) gateway: bool,
    /// The interfaces it may leave by: one, or several in the entry of a multipath route. Empty if not told.
    pub(super) interfaces: Vec<u32>,
}

/// How the kernel would route a packet.
///
/// # Errors
/// The kernel's own answer, such as ENETUNREACH, or a failure to ask.
pub(super) fn route(query: &Query) -> io::Result<Answer> {
    let mut message = RouteMessage::default();
    message.header.address_family = match query.destination {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.destination_prefix_length = Family::of(query.destination).bits();
    message.attributes.push(RouteAttribute::Destination(address(query.destination)));
    if let Some(source) = query.source {
        message.header.source_prefix_length = Family::of(source).bits();
        message.attributes.push(RouteAttribute::Source(address(source)));
    }
    message.attributes.extend(query.device.map(RouteAttribute::Oif));
    message.attributes.extend(query.mark.map(RouteAttribute::Mark));
    if query.entry {
        message.header.flags = RouteFlags::FibMatch;
    }
    match ask(RouteNetlinkMessage::GetRoute(message))? {
        RouteNetlinkMessage::NewRoute(reply) => Ok(read_route(&reply)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn read_route(reply: &RouteMessage) -> Answer {
    let mut interfaces = Vec::new();
    for attribute in &reply.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interfaces.push(*index),
            RouteAttribute::MultiPath(hops) => interfaces.extend(hops.iter().map(|hop| hop.interface_index)),
            _ => {}
        }
    }
    Answer {
        // An anycast entry is an address of this host as well.
        local: matches!(reply.header.kind, RouteType::Local | RouteType::Anycast),
        broadcast: reply.header.kind == RouteType::Broadcast,
        gateway: reply
            .attributes
            .iter()
            .any(|attribute| matches!(attribute, RouteAttribute::Gateway(_) | RouteAttribute::Via(_))),
        interfaces,
    }
}

/// What an interface is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Largest IP packet in bytes.
    pub(super) mtu: Option<u32>,
    /// A VRF device.
    pub(super) vrf: bool,
    /// Index of the bridge, bond or VRF it is enslaved to.
    pub(super) controller: Option<u32>,
}

/// Describes the interface with this index.
///
/// # Errors
/// ENODEV if there is none, or a failure to ask.
pub(super) fn link(index: u32) -> io::Result<Link> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    let RouteNetlinkMessage::NewLink(reply) = ask(RouteNetlinkMessage::GetLink(message))? else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let mut link = Link { mtu: None, vrf: false, controller: None };
    for attribute in reply.attributes {
        match attribute {
            LinkAttribute::Mtu(mtu) => link.mtu = Some(mtu),
            LinkAttribute::Controller(controller) => link.controller = Some(controller),
            LinkAttribute::LinkInfo(infos) => link.vrf = infos.contains(&LinkInfo::Kind(InfoKind::Vrf)),
            _ => {}
        }
    }
    Ok(link)
}

const fn address(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(address) => RouteAddress::Inet(address),
        IpAddr::V6(address) => RouteAddress::Inet6(address),
    }
}

/// One question, one answer.
fn ask(question: RouteNetlinkMessage) -> io::Result<RouteNetlinkMessage> {
    let socket = Socket::new(
        Domain::from(libc::AF_NETLINK),
        Type::RAW.cloexec(),
        Some(Protocol::from(libc::NETLINK_ROUTE)),
    )?;
    // The kernel answers before `send` returns. The limit is for kernels that have no answer at all.
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut message = NetlinkMessage::from(question);
    message.header.flags = NLM_F_REQUEST;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes)?;
    // A link with all its statistics takes 2 KiB, with virtual functions more.
    let mut buffer = vec![0; 65536];
    let length = (&socket).read(&mut buffer)?;
    let answer =
        NetlinkMessage::<RouteNetlinkMessage>::deserialize(&buffer[..length]).map_err(io::Error::other)?;
    match answer.payload {
        NetlinkPayload::InnerMessage(inner) => Ok(inner),
        NetlinkPayload::Error(error) => Err(error.to_io()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: u32 = 1;

    fn query(destination: &str) -> Query {
        Query {
            destination: destination.parse().unwrap(),
            source: None,
            device: None,
            mark: None,
            entry: false,
        }
    }

    #[test]
    fn the_loopback_address_is_local() {
        let answer = route(&query("127.0.0.1")).unwrap();
        assert_eq!(
            answer,
            Answer { local: true, broadcast: false, gateway: false, interfaces: vec![LOOPBACK] }
        );
        assert!(route(&query("127.255.255.255")).unwrap().broadcast);
    }

    #[test]
    fn the_kernels_refusal_comes_through() {
        // Multicast without an interface to send it by, from a loopback device that takes none.
        let nowhere = Query { device: Some(999_999), ..query("192.0.2.1") };
        let error = route(&nowhere).unwrap_err();
        assert!(matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENETUNREACH)), "{error}");
    }

    #[test]
    fn the_loopback_interface_has_an_mtu_and_is_no_vrf() {
        let lo = link(LOOPBACK).unwrap();
        assert!(lo.mtu.is_some_and(|mtu| mtu >= 1280), "{lo:?}");
        assert!(!lo.vrf);
        assert_eq!(link(999_999).unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }
}
