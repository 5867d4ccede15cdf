//! Asking the kernel what it would do with a packet.
//!
//! Only the kernel knows its routing: rules by mark, source and interface, several tables, VRFs. A connected UDP
//! socket tells the source address it would use, but not the interface; rtnetlink tells that, and what kind of device
//! an interface is. Both questions need no privilege and send nothing.

use std::io::{self, Read};
use std::net::IpAddr;
use std::time::Duration;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::link::{InfoData, InfoKind, InfoVrf, LinkAttribute, LinkInfo, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteType, RouteVia,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
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
    /// Hand it to this router; `None` for a neighbour.
    pub(super) gateway: Option<IpAddr>,
    /// The table that the answer is from.
    pub(super) table: Option<u32>,
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
    message.header.flags = RouteFlags::LookupTable;
    if query.entry {
        message.header.flags |= RouteFlags::FibMatch;
    }
    match ask(RouteNetlinkMessage::GetRoute(message))? {
        RouteNetlinkMessage::NewRoute(reply) => Ok(read_route(&reply)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn read_route(reply: &RouteMessage) -> Answer {
    let (mut interfaces, mut gateway) = (Vec::new(), None);
    let mut table = Some(u32::from(reply.header.table)).filter(|table| *table != 0);
    for attribute in &reply.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interfaces.push(*index),
            // Numbers above 255 do not fit into the header.
            RouteAttribute::Table(number) => table = Some(*number),
            RouteAttribute::Gateway(RouteAddress::Inet(router))
            | RouteAttribute::Via(RouteVia::Inet(router)) => {
                gateway = Some(IpAddr::V4(*router));
            }
            RouteAttribute::Gateway(RouteAddress::Inet6(router))
            | RouteAttribute::Via(RouteVia::Inet6(router)) => {
                gateway = Some(IpAddr::V6(*router));
            }
            RouteAttribute::MultiPath(hops) => interfaces.extend(hops.iter().map(|hop| hop.interface_index)),
            _ => {}
        }
    }
    Answer {
        // An anycast entry is an address of this host as well.
        local: matches!(reply.header.kind, RouteType::Local | RouteType::Anycast),
        broadcast: reply.header.kind == RouteType::Broadcast,
        gateway,
        table,
        interfaces,
    }
}

/// A rule that leads packets to a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) table: u32,
    /// Only packets with this mark, under this mask.
    pub(super) mark: Option<(u32, u32)>,
    /// Only packets from this prefix.
    pub(super) source: Option<(IpAddr, u8)>,
    /// Only packets of sockets bound to this interface.
    pub(super) bound_to: Option<String>,
    /// It asks for something else as well, or for the opposite of what it says.
    pub(super) picky: bool,
}

/// Most messages that a list of rules or links may take.
const MOST_MESSAGES: usize = 4096;

/// The rules that lead to a table, in the order in which the kernel asks them.
///
/// # Errors
/// A failure to ask.
pub(super) fn rules(family: Family) -> io::Result<Vec<Rule>> {
    let mut message = RuleMessage::default();
    message.header.family = match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    let all = list(RouteNetlinkMessage::GetRule(message))?;
    Ok(all
        .into_iter()
        .filter_map(|one| match one {
            RouteNetlinkMessage::NewRule(rule) if rule.header.action == RuleAction::ToTable => {
                Some(read_rule(&rule))
            }
            _ => None,
        })
        .collect())
}

/// `FIB_RULE_INVERT` (linux/fib_rules.h): the rule is for all other packets.
const INVERTED: u32 = 2;

fn read_rule(message: &RuleMessage) -> Rule {
    let mut rule = Rule { table: message.header.table.into(), ..Rule::default() };
    rule.picky = message.header.tos != 0 || message.header.flags.bits() & INVERTED != 0;
    let (mut mark, mut mask) = (None, u32::MAX);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Table(number) => rule.table = *number,
            RuleAttribute::FwMark(number) => mark = Some(*number),
            RuleAttribute::FwMask(number) => mask = *number,
            RuleAttribute::Source(address) => rule.source = Some((*address, message.header.src_len)),
            RuleAttribute::Oifname(name) => rule.bound_to = Some(name.clone()),
            RuleAttribute::Destination(_)
            | RuleAttribute::Iifname(_)
            | RuleAttribute::TunId(_)
            | RuleAttribute::UidRange(_)
            | RuleAttribute::IpProtocol(_)
            | RuleAttribute::SourcePortRange(_)
            | RuleAttribute::DestinationPortRange(_) => rule.picky = true,
            RuleAttribute::L3MDev(l3) => rule.picky |= *l3,
            _ => {}
        }
    }
    // A mask of zero asks for nothing.
    rule.mark = mark.filter(|_| mask != 0).map(|mark| (mark, mask));
    rule
}

/// The name of the VRF device with this table.
///
/// # Errors
/// A failure to ask.
pub(super) fn vrf_of(table: u32) -> io::Result<Option<String>> {
    let all = list(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    Ok(all.into_iter().find_map(|one| {
        let RouteNetlinkMessage::NewLink(link) = one else { return None };
        let infos = link.attributes.iter().filter_map(|one| match one {
            LinkAttribute::LinkInfo(infos) => Some(infos),
            _ => None,
        });
        let leads = infos.flatten().any(|info| match info {
            LinkInfo::Data(InfoData::Vrf(data)) => data.contains(&InfoVrf::TableId(table)),
            _ => false,
        });
        let name = link.attributes.iter().find_map(|one| match one {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        });
        name.filter(|_| leads)
    }))
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

/// One question, and a list as the answer, which comes in several packets.
fn list(question: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
    let socket = put(question, NLM_F_REQUEST | NLM_F_DUMP)?;
    let mut buffer = vec![0; 65536];
    let mut found = Vec::new();
    for _ in 0..MOST_MESSAGES {
        let length = (&socket).read(&mut buffer)?;
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let message =
                NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
            // Messages are four bytes apart, or a multiple (netlink(7)).
            let next = (message.header.length as usize).next_multiple_of(4).max(4).min(rest.len());
            rest = &rest[next..];
            match message.payload {
                NetlinkPayload::InnerMessage(inner) if found.len() < MOST_MESSAGES => found.push(inner),
                NetlinkPayload::Done(_) => return Ok(found),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// One question, one answer.
fn ask(question: RouteNetlinkMessage) -> io::Result<RouteNetlinkMessage> {
    let socket = put(question, NLM_F_REQUEST)?;
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

/// Puts a question to the kernel; the answer is read from the socket.
fn put(question: RouteNetlinkMessage, flags: u16) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::from(libc::AF_NETLINK),
        Type::RAW.cloexec(),
        Some(Protocol::from(libc::NETLINK_ROUTE)),
    )?;
    // The kernel answers before `send` returns. The limit is for kernels that have no answer at all.
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut message = NetlinkMessage::from(question);
    message.header.flags = flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: u32 = 1;
    /// The tables that are always there (rtnetlink(7)).
    const MAIN: u32 = 254;
    const LOCAL: u32 = 255;

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
            Answer {
                local: true,
                broadcast: false,
                gateway: None,
                // Linux merges the two until somebody adds a rule.
                table: answer.table.filter(|table| [MAIN, LOCAL].contains(table)),
                interfaces: vec![LOOPBACK]
            }
        );
        assert!(answer.table.is_some());
        assert!(route(&query("127.255.255.255")).unwrap().broadcast);
    }

    #[test]
    fn the_main_table_has_a_rule_that_asks_for_nothing() {
        for family in [Family::V4, Family::V6] {
            let rules = rules(family).unwrap();
            let main = Rule { table: MAIN, ..Rule::default() };
            assert!(rules.contains(&main), "{rules:?}");
        }
        assert_eq!(vrf_of(4_000_000_000).unwrap(), None);
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
