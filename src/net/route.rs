//! By which way packets will leave, settled and verified before the first one does.
//!
//! Everything the user asked for (`-s`, `-i`, `--fwmark`, `--vrf`) is put on a socket, read back, and then the kernel is
//! asked for the route of every destination under these very options. What cannot be had as asked is an error here,
//! because later it would look like a network that drops packets.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use ipnetwork::IpNetwork;
use nix::libc;
use nix::net::if_::if_indextoname;
use socket2::{Domain, SockAddr, Socket, Type};

use super::error::io as failed;
use super::netlink::{self, Answer, Query};
use super::request::is_link_local_v6;
use super::{Family, Interface, OpenError, Request, interfaces, privilege};

/// Destination port of the sockets that are connected to learn a route: discard (RFC 863). Nothing is sent to it.
const DISCARD: u16 = 9;

/// How packets to one destination leave this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub destination: IpAddr,
    /// The interface they leave by, as the kernel routed it when the wire was opened; `lo` for this host's own
    /// addresses.
    pub interface: String,
    /// The interface's MTU in bytes, if it tells.
    pub mtu: Option<u32>,
    /// The destination is this host itself.
    pub local: bool,
    /// The router that they are handed to; `None` if the destination is a neighbour, or this host.
    pub gateway: Option<IpAddr>,
    /// The number of the routing table that says so, if the kernel tells.
    pub table: Option<u32>,
}

/// The options every socket of a run shares, verified to exist.
#[derive(Clone, Debug)]
pub(super) struct Way {
    family: Family,
    /// `-i`.
    interface: Option<Interface>,
    /// `--vrf`.
    vrf: Option<Interface>,
    mark: Option<u32>,
}

impl Way {
    /// Looks the devices of a request up.
    pub(super) fn find(request: &Request) -> Result<Self, OpenError> {
        let all = interfaces();
        let find = |name: &String| {
            let one = all.iter().find(|one| one.name == *name).cloned();
            let one = one.ok_or_else(|| OpenError::no_interface(name))?;
            if one.up { Ok(one) } else { Err(OpenError::InterfaceDown { name: one.name }) }
        };
        let interface = request.interface.as_ref().map(find).transpose()?;
        let vrf = request.vrf.as_ref().map(find).transpose()?;
        let describe = |one: &Interface| netlink::link(one.index).map_err(failed("describe an interface"));
        if let Some(vrf) = &vrf {
            if !describe(vrf)?.vrf {
                return Err(OpenError::NotAVrf { name: vrf.name.clone() });
            }
            if let Some(interface) = &interface
                && describe(interface)?.controller != Some(vrf.index)
            {
                return Err(OpenError::OutsideVrf {
                    interface: interface.name.clone(),
                    vrf: vrf.name.clone(),
                });
            }
        }
        Ok(Self { family: request.family, interface, vrf, mark: request.mark })
    }

    /// The VRF to which receivers and ports are bound.
    pub(super) fn vrf(&self) -> Option<&str> {
        self.vrf.as_ref().map(|vrf| vrf.name.as_str())
    }

    /// What packets are bound to: the interface, else the VRF.
    fn device(&self) -> Option<&Interface> {
        self.interface.as_ref().or(self.vrf.as_ref())
    }

    /// Puts device and mark on a socket, and reads them back.
    pub(super) fn apply(&self, socket: &Socket) -> Result<(), OpenError> {
        if let Some(device) = self.device() {
            let name = device.name.as_bytes();
            socket
                .bind_device(Some(name))
                .map_err(|error| denied(error, "choosing the interface", "choose the interface"))?;
            let taken = socket.device().map_err(failed("read back the interface"))?;
            if taken.as_deref() != Some(name) {
                return Err(OpenError::NotTaken { option: "the interface", wanted: device.name.clone() });
            }
        }
        if let Some(mark) = self.mark {
            socket
                .set_mark(mark)
                .map_err(|error| denied(error, "setting the firewall mark", "set the firewall mark"))?;
            if socket.mark().map_err(failed("read back the firewall mark"))? != mark {
                return Err(OpenError::NotTaken { option: "the firewall mark", wanted: mark.to_string() });
            }
        }
        Ok(())
    }

    /// An address of this run as the socket calls want it: a link-local one with its interface.
    pub(super) fn endpoint(&self, address: IpAddr, port: u16) -> SocketAddr {
        match address {
            IpAddr::V4(_) => SocketAddr::new(address, port),
            IpAddr::V6(inner) => {
                let scope = if is_link_local_v6(address) { self.interface.as_ref() } else { None };
                SocketAddrV6::new(inner, port, 0, scope.map_or(0, |one| one.index)).into()
            }
        }
    }

    /// The source address of the run and the routes of all its destinations.
    pub(super) fn survey(&self, request: &Request) -> Result<(IpAddr, Vec<Route>), OpenError> {
        let Some(&first) = request.destinations.first() else { return Err(OpenError::NoDestination) };
        if let Some(source) = request.source {
            self.check_source(source)?;
        }
        // What the kernel would do of its own accord: it also tells of what no socket may be connected to. A loopback
        // source it does not look up at all.
        let given = request.source.filter(|source| !source.is_loopback());
        let mut free = Vec::with_capacity(request.destinations.len());
        for &destination in &request.destinations {
            let answer = self.ask(destination, given).map_err(|error| self.no_route(destination, error))?;
            self.check_host(destination, &answer)?;
            if let Some(source_address) =
                request.source.filter(|source| source.is_loopback() && !answer.local)
            {
                return Err(OpenError::LoopbackSource { destination, source_address });
            }
            free.push(answer);
        }
        let source = match request.source {
            Some(source) => source,
            None => self.connect(None, first)?,
        };
        let mut routes = Vec::with_capacity(request.destinations.len());
        for &destination in &request.destinations {
            routes.push(self.route(source, destination)?);
        }
        if request.source.is_none() && self.device().is_none() {
            self.check_together(&routes, &free)?;
        }
        Ok((source, routes))
    }

    /// Refuses destinations that are no hosts, as far as the kernel says which are. This needs no privilege.
    pub(super) fn hosts_only(&self, request: &Request) -> Result<(), OpenError> {
        for &destination in &request.destinations {
            // Where there is no answer, the survey says why.
            if let Ok(answer) = self.ask(destination, None) {
                self.check_host(destination, &answer)?;
            }
        }
        Ok(())
    }

    fn check_host(&self, destination: IpAddr, answer: &Answer) -> Result<(), OpenError> {
        if answer.broadcast {
            let interface = self.way_out(destination, answer)?.1;
            return Err(OpenError::Broadcast { destination, interface });
        }
        if answer.local || answer.gateway.is_some() || destination.is_ipv6() {
            return Ok(());
        }
        // Kernels since 5.14 take a network's own address for that of a neighbour, and nobody answers for it.
        let owner = interfaces().into_iter().filter(|one| answer.interfaces.contains(&one.index));
        let mut networks =
            owner.flat_map(|one| one.addresses.into_iter().map(move |net| (net, one.name.clone())));
        match networks.find(|(net, _)| net.prefix() <= 30 && net.network() == destination) {
            Some((net, interface)) => Err(OpenError::NetworkAddress {
                destination,
                network: IpNetwork::new(net.network(), net.prefix()).unwrap_or(net),
                interface,
            }),
            None => Ok(()),
        }
    }

    /// What decides about a packet of ours.
    fn query(&self, destination: IpAddr, source: Option<IpAddr>) -> Query {
        let device = self.device().map(|one| one.index);
        Query { destination, source, device, mark: self.mark, entry: false }
    }

    /// How the kernel would route a packet of ours.
    fn ask(&self, destination: IpAddr, source: Option<IpAddr>) -> io::Result<Answer> {
        let query = self.query(destination, source);
        if self.family == Family::V4 || query.device.is_none() || query.source.is_none() {
            return netlink::route(&query);
        }
        // For IPv6, rtnetlink takes the device for a wish if there is a source as well; for our socket it is a command.
        // Without a source the question is answered as for the socket, but rules by source do not hold. So that comes
        // first, and the other counts only if the device is what was wished for.
        netlink::route(&Query { source: None, ..query }).or_else(|refusal| match netlink::route(&query) {
            Ok(answer) if answer.interfaces.first().copied() == query.device => Ok(answer),
            _ => Err(refusal),
        })
    }

    /// The interface of an answer, by index and name.
    fn way_out(&self, destination: IpAddr, answer: &Answer) -> Result<(u32, String), OpenError> {
        let index = *answer
            .interfaces
            .first()
            .ok_or_else(|| self.no_route(destination, io::ErrorKind::NotFound.into()))?;
        let name = if_indextoname(index).map_err(|errno| failed("name an interface")(errno.into()))?;
        Ok((index, name.to_string_lossy().into_owned()))
    }

    /// The address a socket with our options gets when it is connected: the one it is bound to, or else the kernel's
    /// choice. Sends nothing. What cannot be connected cannot be probed: this look-up is the one packets go through.
    fn connect(&self, source: Option<IpAddr>, destination: IpAddr) -> Result<IpAddr, OpenError> {
        let socket = self.socket()?;
        if let Some(source) = source {
            let source = SockAddr::from(self.endpoint(source, 0));
            socket.bind(&source).map_err(failed("use the source address"))?;
        }
        let target = self.endpoint(destination, DISCARD);
        socket.connect(&SockAddr::from(target)).map_err(|error| self.no_route(destination, error))?;
        let local = socket.local_addr().map_err(failed("read the source address"))?;
        match local.as_socket() {
            Some(local) if !local.ip().is_unspecified() => Ok(local.ip()),
            _ => Err(self.no_route(destination, io::ErrorKind::AddrNotAvailable.into())),
        }
    }

    /// A UDP socket routed like the run's packets.
    fn socket(&self) -> Result<Socket, OpenError> {
        let domain = match self.family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let socket =
            Socket::new(domain, Type::DGRAM, None).map_err(failed("open a socket to look up routes"))?;
        self.apply(&socket)?;
        Ok(socket)
    }

    /// `-s` must be this host's and, with `-i`, be answered to through that interface.
    fn check_source(&self, address: IpAddr) -> Result<(), OpenError> {
        let all = interfaces();
        let owner = all.iter().find(|one| one.has(address));
        match (owner, &self.interface) {
            (Some(owner), Some(interface)) => {
                // Routers keep their own address on a loopback or dummy interface and send by any other.
                let belongs_to_host = owner.loopback || (owner.no_arp && !owner.point_to_point);
                if owner.index == interface.index || belongs_to_host || interface.has(address) {
                    return Ok(());
                }
                Err(OpenError::SourceElsewhere {
                    address,
                    owner: owner.name.clone(),
                    interface: interface.name.clone(),
                })
            }
            (Some(_), None) => Ok(()),
            (None, _) => {
                // A local route makes addresses this host's that no interface has.
                let query =
                    Query { device: self.vrf.as_ref().map(|vrf| vrf.index), ..self.query(address, None) };
                if netlink::route(&query).is_ok_and(|answer| answer.local) {
                    return Ok(());
                }
                let present = all.iter().flat_map(|one| &one.addresses).map(|network| network.ip());
                let present = present.filter(|&one| Family::of(one) == self.family).collect();
                Err(OpenError::ForeignSource { address, present })
            }
        }
    }

    /// The route of one destination from the run's source, with everything that would make it a trap.
    fn route(&self, source: IpAddr, destination: IpAddr) -> Result<Route, OpenError> {
        self.connect(Some(source), destination)?;
        let answer =
            self.ask(destination, Some(source)).map_err(|error| self.no_route(destination, error))?;
        let (index, interface) = self.way_out(destination, &answer)?;
        if let Some(wanted) = &self.interface
            && !answer.local
            && wanted.index != index
        {
            return Err(OpenError::NotTaken { option: "the interface", wanted: wanted.name.clone() });
        }
        if !answer.local {
            self.check_entry(source, destination)?;
            self.check_replies(source, destination, index, &interface)?;
        }
        // Without the number a packet too large is refused when it is sent, so this may stay unknown.
        let mtu = netlink::link(index).ok().and_then(|link| link.mtu);
        Ok(Route {
            destination,
            interface,
            mtu,
            local: answer.local,
            gateway: answer.gateway,
            table: answer.table,
        })
    }

    /// An IPv4 packet bound to a device that has no route is sent out of it all the same, to nobody's address. On a
    /// tunnel, where there is only one other end, that is what was meant.
    fn check_entry(&self, source: IpAddr, destination: IpAddr) -> Result<(), OpenError> {
        let Some(interface) = &self.interface else { return Ok(()) };
        if self.family == Family::V6 || interface.point_to_point || interface.no_arp {
            return Ok(());
        }
        match netlink::route(&Query { entry: true, ..self.query(destination, Some(source)) }) {
            Err(error) if is_no_route(&error) => Err(self.no_route(destination, error)),
            // Anything else is a kernel before 4.13, which cannot tell.
            _ => Ok(()),
        }
    }

    /// A strict reverse-path filter looks the reply's source up, without our mark and device, and drops the reply if
    /// its own packets would not leave by the interface it came in on.
    fn check_replies(
        &self,
        source: IpAddr,
        destination: IpAddr,
        index: u32,
        name: &str,
    ) -> Result<(), OpenError> {
        let read = |who: &str, what: &str| -> u8 {
            let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{who}/{what}"));
            text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
        };
        let effective = |what| read("all", what).max(read(name, what));
        // In a VRF the lookup is made in its table, where the route we just took is.
        let bent = self.interface.is_some() || self.mark.is_some();
        if self.family == Family::V6 || self.vrf.is_some() || !bent || effective("rp_filter") != 1 {
            return Ok(());
        }
        // With src_valid_mark the reply's own mark counts, and who sets that is not ours to know.
        if effective("src_valid_mark") != 0 {
            return Ok(());
        }
        let back = Query { device: None, mark: None, entry: true, ..self.query(destination, Some(source)) };
        let passes = match netlink::route(&back) {
            // No interface told: the entry names next-hop objects, and the filter is given the benefit of the doubt.
            Ok(Answer { interfaces, .. }) => interfaces.is_empty() || interfaces.contains(&index),
            Err(error) => !is_no_route(&error),
        };
        // The replies come to where the source address lives; only if that is where probes leave, it is this filter.
        let lives_there = interfaces().iter().any(|one| one.index == index && one.has(source));
        if passes || !lives_there {
            return Ok(());
        }
        Err(OpenError::ReversePathFilter { destination, interface: name.to_owned() })
    }

    /// Left to itself the kernel may send target and reference by different uplinks, each with its own source address.
    /// With one source for both, one of them would be sent from an address its uplink does not know, and be dropped
    /// by the first honest router.
    fn check_together(&self, routes: &[Route], free: &[Answer]) -> Result<(), OpenError> {
        let Some(first) = routes.first() else { return Ok(()) };
        for (other, answer) in routes.iter().zip(free) {
            let (_, other_interface) = self.way_out(other.destination, answer)?;
            if other_interface != first.interface {
                return Err(OpenError::RoutesPart {
                    first: first.destination,
                    first_interface: first.interface.clone(),
                    other: other.destination,
                    other_interface,
                });
            }
        }
        Ok(())
    }

    /// A failed look-up: no way there, or another failure of the system.
    fn no_route(&self, destination: IpAddr, source: io::Error) -> OpenError {
        // EADDRNOTAVAIL: there is a way, but no address of ours to be answered at.
        let nowhere = is_no_route(&source) || source.raw_os_error() == Some(libc::EADDRNOTAVAIL);
        if !nowhere && source.raw_os_error().is_some() {
            return failed("look up a route")(source);
        }
        OpenError::NoRoute { destination, interface: self.device().map(|one| one.name.clone()), source }
    }
}

/// What the kernel says when its tables have no way: unreachable, prohibited, thrown away (`blackhole` is EINVAL).
fn is_no_route(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::EINVAL | libc::ENODEV)
    )
}

/// EPERM on a socket option is a missing capability, on kernels that ask for more than we hold, or a sandbox.
fn denied(error: io::Error, needs: &'static str, operation: &'static str) -> OpenError {
    if error.raw_os_error() != Some(libc::EPERM) {
        return failed(operation)(error);
    }
    if !privilege::holds_net_raw() {
        return OpenError::Privilege { operation: needs, admin: false };
    }
    if !privilege::holds(caps::Capability::CAP_NET_ADMIN) {
        return OpenError::Privilege { operation: needs, admin: true };
    }
    failed(operation)(error)
}
