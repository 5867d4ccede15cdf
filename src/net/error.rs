//! Why a wire could not be opened or a name not be found, each with the way out.

use std::io;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use nix::libc;

use super::request::MOST_PORTS;
use super::{Family, interfaces};
use crate::trace::Protocol;

/// Why [`LiveWire::open`](super::LiveWire::open) refused. Nothing is left open then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The request names nobody to probe.
    #[error("no destination is given")]
    NoDestination,
    /// The request names no protocol.
    #[error("no protocol is given")]
    NoProtocol,
    /// More source ports than can be held, or none.
    #[error("{wanted} source ports cannot be reserved, only 1 to {MOST_PORTS}")]
    PortCount {
        /// Ports asked for per protocol.
        wanted: u16,
    },
    /// An address of the other version of IP.
    #[error("{address} is no {family} address")]
    OtherFamily {
        /// The destination or source.
        address: IpAddr,
        /// What the run speaks.
        family: Family,
    },
    /// An address that is not one host's.
    #[error("{address} is {what}, not a host")]
    NotUnicast {
        /// The destination or source.
        address: IpAddr,
        /// What it is, with its article.
        what: &'static str,
    },
    /// An IPv6 link-local address means nothing without an interface.
    #[error("{address} is a link-local address, and no interface is given")]
    LinkLocal {
        /// The destination or source.
        address: IpAddr,
    },
    /// No interface of that name.
    #[error("there is no interface '{name}'")]
    NoInterface {
        /// As given with `-i` or `--vrf`.
        name: String,
        /// The names there are.
        present: Vec<String>,
    },
    /// The interface exists but is administratively down.
    #[error("the interface '{name}' is down")]
    InterfaceDown {
        /// Its name.
        name: String,
    },
    /// The device given as a VRF is of another kind.
    #[error("'{name}' is an interface but not a VRF")]
    NotAVrf {
        /// Its name.
        name: String,
    },
    /// The interface given with `-i` is not enslaved to the VRF given with `--vrf`.
    #[error("the interface '{interface}' does not belong to the VRF '{vrf}'")]
    OutsideVrf {
        /// As given with `-i`.
        interface: String,
        /// As given with `--vrf`.
        vrf: String,
    },
    /// The source address is not this host's.
    #[error("{address} is not an address of this host")]
    ForeignSource {
        /// As given with `-s`.
        address: IpAddr,
        /// The addresses of the family there are.
        present: Vec<IpAddr>,
    },
    /// The source address is this host's, but replies to it come in elsewhere.
    #[error("{address} belongs to the interface '{owner}', not to '{interface}'")]
    SourceElsewhere {
        /// As given with `-s`.
        address: IpAddr,
        /// The interface that has it.
        owner: String,
        /// As given with `-i`.
        interface: String,
    },
    /// A loopback source cannot leave this host.
    #[error("{destination} cannot be reached from the loopback address {source_address}")]
    LoopbackSource {
        /// The destination, on another host.
        destination: IpAddr,
        /// As given with `-s`.
        source_address: IpAddr,
    },
    /// The routing tables have no way there.
    #[error("no route to {destination}{}", through(interface.as_deref()))]
    NoRoute {
        /// Where to.
        destination: IpAddr,
        /// The interface or VRF the route was asked for.
        interface: Option<String>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// No rule leads packets of this host's own to a routing table, and no socket can be told to use one.
    #[error("no rule leads {family} packets of this host to the routing table {table}")]
    NoRule {
        /// The table's number.
        table: u32,
        /// The version of IP.
        family: Family,
    },
    /// The routing table broadcasts packets to this address.
    #[error(
        "{destination} is the broadcast address of a network on '{interface}', not a host that can be probed"
    )]
    Broadcast {
        /// Where to.
        destination: IpAddr,
        /// The interface of that network.
        interface: String,
    },
    /// The lowest address of a directly connected IPv4 network, which is the network's own (RFC 950 §2.1), but for those
    /// of two addresses or one (RFC 3021).
    #[error(
        "{destination} is the address of the network {network} on '{interface}', not a host that can be probed"
    )]
    NetworkAddress {
        /// Where to.
        destination: IpAddr,
        /// That network.
        network: IpNetwork,
        /// The interface of that network.
        interface: String,
    },
    /// Target and reference leave by different interfaces, so that one cannot stand for the other.
    #[error("{first} is routed through '{first_interface}' and {other} through '{other_interface}'")]
    RoutesPart {
        /// The first destination.
        first: IpAddr,
        /// Its interface.
        first_interface: String,
        /// The destination that differs.
        other: IpAddr,
        /// Its interface.
        other_interface: String,
    },
    /// Strict reverse-path filtering (RFC 3704 §2.2) would drop the replies on arrival.
    #[error("this host would drop replies from {destination} that come in on '{interface}' (rp_filter is 1)")]
    ReversePathFilter {
        /// Whose replies.
        destination: IpAddr,
        /// The interface probes leave by.
        interface: String,
    },
    /// A capability is missing.
    #[error("{operation} needs the capability {}, which this process does not have",
            if *admin { "CAP_NET_ADMIN" } else { "CAP_NET_RAW" })]
    Privilege {
        /// What needs it, such as `opening a raw socket`.
        operation: &'static str,
        /// CAP_NET_ADMIN is needed besides CAP_NET_RAW. Only kernels before 5.17 ask for it, to set a mark.
        admin: bool,
    },
    /// Neither raw sockets nor ping sockets may be opened.
    #[error(
        "echo requests need the capability CAP_NET_RAW or the right to ping sockets, and this process has neither"
    )]
    NoPing,
    /// The kernel took an option and did not keep it.
    #[error("{option} {wanted} did not take effect")]
    NotTaken {
        /// The option, such as `the firewall mark`.
        option: &'static str,
        /// The value asked for.
        wanted: String,
    },
    /// Not enough free source ports.
    #[error("only {found} of {wanted} {protocol} source ports are free")]
    NoPorts {
        /// TCP or UDP.
        protocol: Protocol,
        /// Ports asked for.
        wanted: u16,
        /// Ports that could be had.
        found: u16,
    },
    /// Another failure of the system.
    #[error("cannot {operation}: {source}")]
    Io {
        /// What was tried, such as `bind the sending socket`.
        operation: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl OpenError {
    /// What to do about it, in one line without a full stop. `None` where only the system can say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoDestination => "name a host to probe".into(),
            Self::NoProtocol => "choose TCP, ICMP or UDP".into(),
            Self::PortCount { .. } => format!("ask for 1 to {MOST_PORTS}"),
            Self::OtherFamily { family: Family::V4, .. } => "use -6, or an IPv4 address".into(),
            Self::OtherFamily { family: Family::V6, .. } => "use -4, or an IPv6 address".into(),
            Self::NotUnicast { .. } | Self::Broadcast { .. } | Self::NetworkAddress { .. } => {
                "name one host; loopback and private hosts can be probed too".into()
            }
            Self::LinkLocal { .. } => "name the interface with -i".into(),
            Self::NoInterface { present, .. } if present.is_empty() => "there is none at all".into(),
            Self::NoInterface { present, .. } => format!("there are {}", present.join(", ")),
            Self::InterfaceDown { name } => format!("bring it up with `ip link set {name} up`"),
            Self::NotAVrf { name } => format!("use -i {name} for an interface; `ip vrf show` lists the VRFs"),
            Self::OutsideVrf { vrf, .. } => format!("`ip link show vrf {vrf}` lists its interfaces"),
            Self::ForeignSource { present, .. } => match join(present) {
                Some(list) => format!("this host has {list}"),
                None => "this host has no address of that family".into(),
            },
            Self::SourceElsewhere { owner, .. } => format!("use -i {owner}, or leave out -i or -s"),
            Self::LoopbackSource { .. } => "leave out -s, or give an address of another interface".into(),
            Self::NoRule { table, family } => {
                let six = if *family == Family::V6 { "-6 " } else { "" };
                format!(
                    "`sudo ip {six}rule add fwmark {table} lookup {table}` makes one, and leaves all else as it is"
                )
            }
            Self::NoRoute { destination, interface: None, .. } => {
                format!("`ip route get {destination}` shows what the kernel looks up")
            }
            Self::NoRoute { destination, interface: Some(name), .. } => {
                format!("`ip route get {destination} oif {name}` shows what the kernel looks up")
            }
            Self::RoutesPart { .. } => "choose one way out for both with -i, -s, --vrf or --fwmark".into(),
            Self::ReversePathFilter { interface, .. } => {
                format!("allow them with `sudo sysctl net.ipv4.conf.{interface}.rp_filter=2`")
            }
            Self::Privilege { admin, .. } => format!(
                "sudo setcap cap_net_raw{}+ep $(command -v lasthop)",
                if *admin { ",cap_net_admin" } else { "" }
            ),
            Self::NoPing => "probe by TCP or UDP; or sudo sysctl net.ipv4.ping_group_range='0 2147483647'; or sudo setcap \
                             cap_net_raw+ep $(command -v lasthop)"
                .into(),
            Self::NotTaken { .. } => "something on this host overrides it; run without the option".into(),
            Self::NoPorts { .. } => {
                "widen net.ipv4.ip_local_port_range, or end the programs that hold its ports".into()
            }
            Self::Io { source, .. } => match source.raw_os_error() {
                // EMFILE. A run holds a few dozen descriptors with default settings.
                Some(libc::EMFILE) => "raise the limit of open files with `ulimit -n 1024`".into(),
                // Capabilities are there or it would be `Privilege`: only a sandbox still says no.
                Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => {
                    "a container or sandbox forbids it; run outside, or allow raw sockets there".into()
                }
                Some(libc::ENFILE | libc::ENOMEM | libc::ENOBUFS) => {
                    "this machine is short of memory or open files: end other programs, then try again".into()
                }
                Some(libc::EAGAIN | libc::EINTR | libc::EADDRINUSE) => "try again".into(),
                _ => "`lasthop doctor` tells what this machine allows and lacks".into(),
            },
        })
    }

    /// Whether what was asked for is no host at all, wherever it is asked.
    #[must_use]
    pub const fn is_no_host(&self) -> bool {
        matches!(self, Self::NotUnicast { .. } | Self::Broadcast { .. } | Self::NetworkAddress { .. })
    }

    pub(super) fn no_interface(name: &str) -> Self {
        let present = interfaces().into_iter().map(|one| one.name).collect();
        Self::NoInterface { name: name.to_owned(), present }
    }
}

/// Makes a system error a [`OpenError::Io`].
pub(super) fn io(operation: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { operation, source }
}

fn through(interface: Option<&str>) -> String {
    interface.map(|name| format!(" through '{name}'")).unwrap_or_default()
}

fn join(addresses: &[IpAddr]) -> Option<String> {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

/// Why a name gave no address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Nothing is written there.
    #[error("the host name is empty")]
    Empty,
    /// Looks like an address, and old resolvers would take it for one that was not meant (`010.0.0.1` is 8.0.0.1).
    #[error("'{host}' is neither an address nor a host name")]
    Malformed {
        /// As given.
        host: String,
    },
    /// The name is unknown, or nobody can be asked.
    #[error("'{host}' does not resolve")]
    NotFound {
        /// As given.
        host: String,
        /// The resolver's answer.
        source: io::Error,
    },
    /// The name exists, but only in the other version of IP.
    #[error("'{host}' has no {family} address")]
    NoneOfFamily {
        /// As given.
        host: String,
        /// What was asked for.
        family: Family,
        /// An address it does have.
        other: IpAddr,
    },
    /// The part behind `%` names no interface.
    #[error("there is no interface '{name}' as in '{host}'")]
    NoInterface {
        /// As given.
        host: String,
        /// The scope.
        name: String,
        /// The names there are.
        present: Vec<String>,
    },
}

impl ResolveError {
    /// What to do about it, in one line without a full stop.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Empty => "name a host to probe".into(),
            Self::Malformed { .. } => {
                "write an IPv4 address as four decimal numbers without leading zeros".into()
            }
            Self::NotFound { source, .. } => format!("check the spelling, or give an address ({source})"),
            Self::NoneOfFamily { other, family: Family::V4, .. } => format!("use -6: it has {other}"),
            Self::NoneOfFamily { other, family: Family::V6, .. } => format!("use -4: it has {other}"),
            Self::NoInterface { present, .. } => format!("there are {}", present.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_privilege_is_one_sentence_and_one_command() {
        let plain = OpenError::Privilege { operation: "opening a raw socket", admin: false };
        assert_eq!(
            plain.to_string(),
            "opening a raw socket needs the capability CAP_NET_RAW, which this process does not have"
        );
        assert_eq!(plain.hint().unwrap(), "sudo setcap cap_net_raw+ep $(command -v lasthop)");
        let mark = OpenError::Privilege { operation: "setting the firewall mark", admin: true };
        assert!(mark.to_string().contains("CAP_NET_ADMIN"));
        assert_eq!(mark.hint().unwrap(), "sudo setcap cap_net_raw,cap_net_admin+ep $(command -v lasthop)");
    }

    #[test]
    fn an_unknown_interface_is_told_from_those_there_are() {
        let error = OpenError::NoInterface { name: "eth9".into(), present: vec!["lo".into(), "eth0".into()] };
        assert_eq!(error.to_string(), "there is no interface 'eth9'");
        assert_eq!(error.hint().unwrap(), "there are lo, eth0");
    }

    #[test]
    fn no_route_says_through_what() {
        let route = |interface: Option<&str>| OpenError::NoRoute {
            destination: "192.0.2.1".parse().unwrap(),
            interface: interface.map(str::to_owned),
            source: io::Error::from_raw_os_error(nix::libc::ENETUNREACH),
        };
        assert_eq!(route(None).to_string(), "no route to 192.0.2.1");
        assert_eq!(route(Some("eth1")).to_string(), "no route to 192.0.2.1 through 'eth1'");
        assert_eq!(
            route(Some("eth1")).hint().unwrap(),
            "`ip route get 192.0.2.1 oif eth1` shows what the kernel looks up"
        );
    }
}
