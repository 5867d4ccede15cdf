//! What a run asks of the network, as plain data, checked before anything is opened.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use super::OpenError;
use crate::trace::Protocol;

/// Source ports per protocol unless asked otherwise: enough flows to see most load balancers' branches.
pub const DEFAULT_PORTS: u16 = 16;

/// Most source ports per protocol. Each is an open socket, and the usual limit of open files is 1024.
pub const MOST_PORTS: u16 = 400;

/// Receive buffer asked of the kernel, in bytes, per socket. The kernel charges about 800 for a small packet, so this
/// holds some five thousand replies while the process does not run. Without CAP_NET_ADMIN the kernel caps it at
/// `net.core.rmem_max`.
pub const DEFAULT_RECEIVE_BUFFER: usize = 4 << 20;

/// The version of IP a run speaks. All its destinations are of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 (RFC 791).
    V4,
    /// IPv6 (RFC 8200).
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Length of an address of this family, in bits.
    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// What a run asks of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The version of IP. An address of the other one is refused.
    pub family: Family,
    /// Everybody who will be probed, the target first: it decides the source address where none is given.
    pub destinations: Vec<IpAddr>,
    /// The protocols probes will be sent with.
    pub protocols: BTreeSet<Protocol>,
    /// `-s`: the source address. `None`: what the kernel would choose for the first destination.
    pub source: Option<IpAddr>,
    /// `-i`: the interface packets leave by, whatever the routing table says.
    pub interface: Option<String>,
    /// `--fwmark`: the mark by which policy rules select a route.
    pub mark: Option<u32>,
    /// `--vrf`: the VRF device whose table is used and whose interfaces are listened on.
    pub vrf: Option<String>,
    /// Source ports to reserve for each of TCP and UDP, 1 to [`MOST_PORTS`]. Unused for ICMP.
    pub ports: u16,
    /// Receive buffer of each socket in bytes, see [`DEFAULT_RECEIVE_BUFFER`].
    pub receive_buffer: usize,
}

impl Request {
    /// A request for these destinations with the defaults: no protocol yet, the kernel's route and source.
    #[must_use]
    pub fn new(family: Family, destinations: impl Into<Vec<IpAddr>>) -> Self {
        Self {
            family,
            destinations: destinations.into(),
            protocols: BTreeSet::new(),
            source: None,
            interface: None,
            mark: None,
            vrf: None,
            ports: DEFAULT_PORTS,
            receive_buffer: DEFAULT_RECEIVE_BUFFER,
        }
    }

    /// The same with one more protocol.
    #[must_use]
    pub fn with(mut self, protocol: Protocol) -> Self {
        self.protocols.insert(protocol);
        self
    }

    /// What can be refused without asking the kernel.
    ///
    /// # Errors
    /// The first of: no destination, no protocol, a number of ports out of range, an address of the other family, one
    /// that is not a single host's, or an IPv6 link-local one without an interface.
    pub fn check(&self) -> Result<(), OpenError> {
        if self.destinations.is_empty() {
            return Err(OpenError::NoDestination);
        }
        if self.protocols.is_empty() {
            return Err(OpenError::NoProtocol);
        }
        let wants_ports = self.protocols.iter().any(|&protocol| protocol != Protocol::Icmp);
        if wants_ports && !(1..=MOST_PORTS).contains(&self.ports) {
            return Err(OpenError::PortCount { wanted: self.ports });
        }
        for &address in self.destinations.iter().chain(&self.source) {
            // A mapped address is an IPv4 address in IPv6 clothes: no packet can carry it (RFC 4291 §2.5.5.2).
            if Family::of(address) != self.family || Family::of(address.to_canonical()) != self.family {
                return Err(OpenError::OtherFamily { address, family: self.family });
            }
            if let Some(what) = not_unicast(address) {
                return Err(OpenError::NotUnicast { address, what });
            }
            if is_link_local_v6(address) && self.interface.is_none() {
                return Err(OpenError::LinkLocal { address });
            }
        }
        Ok(())
    }
}

/// Whether an IPv6 address means something only together with an interface (RFC 4291 §2.5.6).
pub(super) const fn is_link_local_v6(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn not_unicast(address: IpAddr) -> Option<&'static str> {
    // Linux takes a connection to the unspecified address for one to this host, which is never what was meant.
    if address.is_unspecified() {
        Some("the unspecified address")
    } else if address.is_multicast() {
        Some("a multicast address")
    } else if matches!(address, IpAddr::V4(address) if address.is_broadcast()) {
        Some("the broadcast address")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(family: Family, destination: &str) -> String {
        let request = Request::new(family, [destination.parse().unwrap()]).with(Protocol::Tcp);
        request.check().map_or_else(|error| error.to_string(), |()| "taken".into())
    }

    #[test]
    fn only_a_host_of_the_family_is_taken() {
        assert_eq!(refusal(Family::V4, "192.0.2.1"), "taken");
        assert_eq!(refusal(Family::V6, "2001:db8::1"), "taken");
        assert_eq!(refusal(Family::V4, "127.0.0.1"), "taken");
        assert_eq!(refusal(Family::V4, "0.0.0.0"), "0.0.0.0 is the unspecified address, not a host");
        assert_eq!(refusal(Family::V4, "224.0.0.1"), "224.0.0.1 is a multicast address, not a host");
        assert_eq!(
            refusal(Family::V4, "255.255.255.255"),
            "255.255.255.255 is the broadcast address, not a host"
        );
        assert_eq!(refusal(Family::V6, "::"), ":: is the unspecified address, not a host");
        assert_eq!(refusal(Family::V6, "ff02::1"), "ff02::1 is a multicast address, not a host");
        assert_eq!(refusal(Family::V6, "192.0.2.1"), "192.0.2.1 is no IPv6 address");
        assert_eq!(refusal(Family::V6, "::ffff:192.0.2.1"), "::ffff:192.0.2.1 is no IPv6 address");
        assert_eq!(
            refusal(Family::V6, "fe80::1"),
            "fe80::1 is a link-local address, and no interface is given"
        );
    }

    #[test]
    fn counts_and_sets_are_checked() {
        let target: IpAddr = "192.0.2.1".parse().unwrap();
        let none = Request::new(Family::V4, []).with(Protocol::Tcp);
        assert!(matches!(none.check(), Err(OpenError::NoDestination)));
        let silent = Request::new(Family::V4, [target]);
        assert!(matches!(silent.check(), Err(OpenError::NoProtocol)));
        let ports = |ports, protocol| Request { ports, ..Request::new(Family::V4, [target]).with(protocol) };
        assert!(matches!(ports(0, Protocol::Tcp).check(), Err(OpenError::PortCount { wanted: 0 })));
        assert!(matches!(ports(MOST_PORTS + 1, Protocol::Udp).check(), Err(OpenError::PortCount { .. })));
        assert!(ports(0, Protocol::Icmp).check().is_ok());
        assert!(ports(MOST_PORTS, Protocol::Tcp).check().is_ok());
    }
}
