//! The text of a simulated Internet (TOML), and the check that it makes sense.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use serde::{Deserialize, Serialize};

use crate::number::Asn;
use crate::trace::Protocol;

/// A simulated Internet and the question asked in it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// One line.
    pub title: String,
    /// What somebody in trouble would tell, sentence by sentence.
    #[serde(default)]
    pub story: Vec<String>,
    /// What really happens.
    pub truth: String,
    /// The conclusions that are right, the best one first.
    pub verdicts: Vec<Expected>,
    /// Protocol and port: `tcp/25`, `udp/53` or `icmp`.
    pub probe: Probed,
    /// Bytes of each packet to the target with its IP header (`--size`); the target is then compared with itself by small
    /// packets, and there are no references.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u16>,
    /// The host that is asked about.
    pub target: String,
    /// The hosts it is compared with.
    #[serde(default)]
    pub references: Vec<String>,
    /// Pairs of ASes that are neighbours, as data on AS links would list them: all of them, or the key is left out and nothing
    /// is known of neighbours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<Vec<(u32, u32)>>,
    /// A far host of another network that is known to work (`--check`).
    #[serde(default)]
    pub check: Option<String>,
    /// Where the measurement is made.
    pub vantage: Vantage,
    /// Address space and who announces it.
    #[serde(rename = "network")]
    pub networks: Vec<AddressSpace>,
    /// What a router does beyond the usual.
    #[serde(default, rename = "router")]
    pub routers: BTreeMap<String, Router>,
    /// Routers in a row, a link between each two.
    #[serde(default, rename = "chain")]
    pub chains: Vec<Chain>,
    /// Single links.
    #[serde(default, rename = "link")]
    pub links: Vec<Link>,
    /// Hosts.
    #[serde(rename = "host")]
    pub hosts: Vec<Host>,
    /// What is dropped, rejected or forged, and where. The first that fits acts.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
    /// Next hops that overrule the shortest way.
    #[serde(default, rename = "route")]
    pub routes: Vec<Route>,
}

/// The host that measures.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Vantage {
    /// The router it is attached to.
    pub at: String,
    /// Its IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub v6: Option<Ipv6Addr>,
}

/// Address space, its origin AS, and the routers that belong to it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AddressSpace {
    /// A name to refer to it by.
    pub name: String,
    /// The AS that announces it; none for private or unannounced space.
    pub asn: Option<u32>,
    /// The AS's name, where the table's is not wanted.
    pub as_name: Option<String>,
    /// It is the peering LAN of an Internet exchange.
    #[serde(default)]
    pub ixp: bool,
    /// IPv4 prefix; links are numbered from its beginning.
    pub v4: Option<Ipv4Network>,
    /// IPv6 prefix.
    pub v6: Option<Ipv6Network>,
    /// The routers of this network.
    #[serde(default)]
    pub routers: Vec<String>,
}

/// What a router does beyond the usual.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Router {
    /// Sends no ICMP at all.
    pub silent: bool,
    /// Share of the ICMP errors it would send that it really sends.
    pub answers: Option<f64>,
    /// ICMP errors a second to one address, as Linux `icmp_ratelimit` limits them.
    pub icmp_rate: Option<f64>,
    /// How many errors may bunch (6 if not said).
    pub icmp_burst: Option<f64>,
    /// What several equally short ways are chosen by.
    pub balance: Balance,
    /// Its ICMP errors carry this address, or that of this host.
    pub answers_from: Option<String>,
    /// Which of its own addresses its errors carry.
    pub reply_from: ReplyFrom,
    /// Does not take from the TTL: a bridge, or the inside of a tunnel that hides it.
    pub hidden: bool,
    /// Labels that its errors carry (RFC 4950), top first.
    pub mpls: Vec<u32>,
    /// Sets the TTL of what it forwards to this.
    pub set_ttl: Option<u8>,
    /// Translates the source address of what the vantage sends to its own.
    pub nat: bool,
    /// Quotes only the 8 bytes behind the IP header that RFC 792 asks for.
    pub short_quote: bool,
    /// TTL of its own packets (255 if not said; Linux: 64).
    pub ttl: Option<u8>,
}

/// What several equally short ways are chosen by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// Nothing: the first one.
    #[default]
    None,
    /// Addresses, ports, echo identifier and checksum, flow label.
    Flow,
    /// Addresses.
    Destination,
    /// Chance, anew for each packet.
    Packet,
}

/// The address that an error carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyFrom {
    /// Of the interface the packet came in by.
    #[default]
    Ingress,
    /// Of the interface the error goes out by.
    Egress,
}

/// Routers in a row.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Their names in order.
    pub nodes: Vec<String>,
    /// Latency of each link in milliseconds (1 if not said).
    pub ms: Option<f64>,
}

/// A link between two routers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Its ends.
    pub between: [String; 2],
    /// Latency in milliseconds (1 if not said).
    pub ms: Option<f64>,
    /// Latency is up to this much longer by chance.
    #[serde(default)]
    pub jitter_ms: f64,
    /// Share of packets lost, each way.
    #[serde(default)]
    pub loss: f64,
    /// The network that its addresses are of (that of the first end if not said).
    pub space: Option<String>,
    /// Cost of the way from the first end to the second (10 if not said).
    pub cost: Option<u32>,
    /// Cost of the way back.
    pub cost_back: Option<u32>,
}

impl Link {
    /// Between these two, with nothing out of the ordinary.
    #[must_use]
    pub fn plain(one: impl Into<String>, other: impl Into<String>) -> Self {
        Self {
            between: [one.into(), other.into()],
            ms: None,
            jitter_ms: 0.0,
            loss: 0.0,
            space: None,
            cost: None,
            cost_back: None,
        }
    }
}

/// A host.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// The router it is attached to.
    pub at: String,
    /// Its IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub v6: Option<Ipv6Addr>,
    /// TCP and UDP ports that answer.
    #[serde(default)]
    pub open: Vec<u16>,
    /// Answers echo requests.
    #[serde(default = "yes")]
    pub echo: bool,
    /// Answers for closed ports: RST, or port unreachable.
    #[serde(default = "yes")]
    pub refuses: bool,
    /// Switched off: its router tells after three seconds that it cannot be found.
    #[serde(default)]
    pub down: bool,
    /// Latency from its router in milliseconds (1 if not said).
    pub ms: Option<f64>,
    /// TTL of its own packets.
    #[serde(default = "sixty_four")]
    pub ttl: u8,
}

const fn yes() -> bool {
    true
}

const fn sixty_four() -> u8 {
    64
}

/// What happens to some packets at one place.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The router or host where it acts.
    pub at: String,
    /// Before the TTL is looked at, or after.
    pub place: Place,
    /// Destination: a host's name, an address or a prefix.
    pub to: Option<String>,
    /// Source: a host's name, an address or a prefix.
    pub from: Option<String>,
    /// Protocol.
    pub protocol: Option<ProtocolWord>,
    /// Destination port.
    pub port: Option<u16>,
    /// Source port.
    pub source_port: Option<u16>,
    /// Longer than this many bytes with the IP header: the MTU of a link behind it. Dropped without a word this is an MTU
    /// black hole, rejected as `packet-too-big` it is path MTU discovery at work. Say which way with `to`: the answers come
    /// back as long, and a host's own may be cut into fragments, which do not exist here.
    pub above: Option<u16>,
    /// What happens.
    pub action: Action,
    /// ICMP message of `reject` (`admin-prohibited` if not said).
    #[serde(default)]
    pub code: RejectCode,
    /// The MTU that `packet-too-big` tells (`above` if not said).
    pub mtu: Option<u32>,
    /// TTL of what is forged (64 if not said).
    pub ttl: Option<u8>,
    /// What is forged leaves with the TTL the probe came with.
    #[serde(default)]
    pub mirror_ttl: bool,
    /// The packet goes on as well.
    #[serde(default)]
    pub pass: bool,
    /// Seconds into the run at which it begins to act.
    #[serde(default)]
    pub from_s: f64,
    /// Seconds into the run at which it ends.
    pub until_s: Option<f64>,
    /// Share of the packets that it fits that it acts on (all if not said).
    pub share: Option<f64>,
}

impl Rule {
    /// Does this to every packet that comes there.
    #[must_use]
    pub fn new(at: impl Into<String>, place: Place, action: Action) -> Self {
        Self {
            at: at.into(),
            place,
            to: None,
            from: None,
            protocol: None,
            port: None,
            source_port: None,
            above: None,
            action,
            code: RejectCode::default(),
            mtu: None,
            ttl: None,
            mirror_ttl: false,
            pass: false,
            from_s: 0.0,
            until_s: None,
            share: None,
        }
    }
}

/// Where in a router a rule acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Before the TTL check: an ingress filter, a blackhole route.
    Ingress,
    /// After it: a forward or egress filter.
    Forward,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing comes of it.
    Drop,
    /// An ICMP unreachable from the router's own address.
    Reject,
    /// A TCP reset in the destination's name.
    Reset,
    /// A SYN-ACK or echo reply in the destination's name.
    Answer,
}

/// ICMP message of a reject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectCode {
    /// 3/13, 1/1.
    #[default]
    AdminProhibited,
    /// 3/10, 1/1.
    HostProhibited,
    /// 3/9, 1/1.
    NetProhibited,
    /// 3/1, 1/3.
    HostUnreachable,
    /// 3/0, 1/0.
    NetUnreachable,
    /// 3/3, 1/4.
    PortUnreachable,
    /// 3/4 (RFC 1191), 2/0 (RFC 4443 §3.2).
    PacketTooBig,
}

impl RejectCode {
    /// ICMP type and code in one family.
    pub const fn icmp(self, v6: bool) -> (u8, u8) {
        match (self, v6) {
            (Self::AdminProhibited, false) => (3, 13),
            (Self::HostProhibited, false) => (3, 10),
            (Self::NetProhibited, false) => (3, 9),
            (Self::HostUnreachable, false) => (3, 1),
            (Self::NetUnreachable, false) => (3, 0),
            (Self::PortUnreachable, false) => (3, 3),
            (Self::PacketTooBig, false) => (3, 4),
            (Self::PacketTooBig, true) => (2, 0),
            (Self::AdminProhibited | Self::HostProhibited | Self::NetProhibited, true) => (1, 1),
            (Self::HostUnreachable, true) => (1, 3),
            (Self::NetUnreachable, true) => (1, 0),
            (Self::PortUnreachable, true) => (1, 4),
        }
    }
}

/// A protocol as files write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolWord {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP or ICMPv6.
    Icmp,
}

/// A next hop that overrules the shortest way.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The router.
    pub at: String,
    /// Destination: a host's name, an address or a prefix.
    pub to: String,
    /// The neighbour it goes to.
    pub via: String,
    /// Seconds into the run at which it begins to hold.
    #[serde(default)]
    pub from_s: f64,
    /// Seconds into the run at which it ends.
    pub until_s: Option<f64>,
}

/// Protocol and port of the probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Probed(Protocol, Option<u16>);

impl Probed {
    /// Probes of this protocol, to this port where it has ports.
    #[must_use]
    pub const fn of(protocol: Protocol, port: Option<u16>) -> Self {
        Self(protocol, port)
    }

    /// Protocol and port.
    #[must_use]
    pub const fn protocol_and_port(self) -> (Protocol, Option<u16>) {
        (self.0, self.1)
    }
}

impl From<Probed> for String {
    fn from(probed: Probed) -> Self {
        // People read "TCP", files are written "tcp".
        let protocol = probed.0.to_string().to_lowercase();
        match probed.1 {
            Some(port) => format!("{protocol}/{port}"),
            None => protocol,
        }
    }
}

impl TryFrom<String> for Probed {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let port = |text: &str| match text.parse::<u16>() {
            Ok(port) if port > 0 => Ok(Some(port)),
            _ => Err(format!("'{text}' is no port")),
        };
        match text.split_once('/') {
            None if text == "icmp" => Ok(Self(Protocol::Icmp, None)),
            Some(("tcp", number)) => Ok(Self(Protocol::Tcp, port(number)?)),
            Some(("udp", number)) => Ok(Self(Protocol::Udp, port(number)?)),
            _ => Err(format!("'{text}' is no probe; write tcp/25, udp/53 or icmp")),
        }
    }
}

/// A conclusion that is right: a kind, then what else must hold, as in
/// `lost_inside_as 8359 mechanism=silent_drop scope=host` or `lost_at_as_border holds=8359`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expected {
    /// The verdict's kind.
    pub kind: String,
    /// Its ASes; empty where they do not matter.
    pub asns: Vec<Asn>,
    /// An AS that must be among them, whoever else is.
    pub holds: Option<Asn>,
    /// How packets are lost.
    pub mechanism: Option<String>,
    /// What is lost.
    pub scope: Option<String>,
    /// Why nothing is concluded.
    pub reason: Option<String>,
}

impl TryFrom<String> for Expected {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let kind = words.next().ok_or("an empty verdict")?.to_owned();
        let mut expected = Self::of(kind);
        let number = |word: &str| word.parse().map(Asn).map_err(|_| format!("'{word}' is no AS number"));
        for word in words {
            match word.split_once('=') {
                Some(("mechanism", value)) => expected.mechanism = Some(value.to_owned()),
                Some(("scope", value)) => expected.scope = Some(value.to_owned()),
                Some(("reason", value)) => expected.reason = Some(value.to_owned()),
                Some(("holds", value)) => expected.holds = Some(number(value)?),
                None => expected.asns.push(number(word)?),
                Some(_) => {
                    return Err(format!("'{word}' is none of holds=…, mechanism=…, scope=… and reason=…"));
                }
            }
        }
        Ok(expected)
    }
}

impl Expected {
    /// Any conclusion of this kind.
    #[must_use]
    pub fn of(kind: impl Into<String>) -> Self {
        let kind = kind.into();
        Self { kind, asns: Vec::new(), holds: None, mechanism: None, scope: None, reason: None }
    }

    /// Whether a conclusion, in the words of the published document, is this one.
    #[must_use]
    pub fn fits(&self, kind: &str, asns: &[Asn], mechanism: &str, scope: &str, reason: Option<&str>) -> bool {
        let word = |wanted: &Option<String>, got: Option<&str>| wanted.is_none() || wanted.as_deref() == got;
        let mut wanted = self.asns.clone();
        wanted.sort_unstable();
        self.kind == kind
            && (wanted.is_empty() || wanted == asns)
            && self.holds.is_none_or(|holds| asns.contains(&holds))
            && word(&self.mechanism, Some(mechanism))
            && word(&self.scope, Some(scope))
            && word(&self.reason, reason)
    }
}

impl From<Expected> for String {
    fn from(expected: Expected) -> Self {
        expected.to_string()
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        for asn in &self.asns {
            write!(f, " {}", asn.0)?;
        }
        if let Some(asn) = self.holds {
            write!(f, " holds={}", asn.0)?;
        }
        for (name, word) in [("mechanism", &self.mechanism), ("scope", &self.scope), ("reason", &self.reason)]
        {
            if let Some(word) = word {
                write!(f, " {name}={word}")?;
            }
        }
        Ok(())
    }
}

/// A text that is no simulated Internet.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct TopologyError(String);

impl TopologyError {
    /// The way out.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some("the scenarios in src/sim/scenarios are examples of every key".to_owned())
    }
}

impl FromStr for Topology {
    type Err = TopologyError;

    fn from_str(text: &str) -> Result<Self, TopologyError> {
        toml::from_str(text).map_err(|error| {
            // The parser's own form draws the line with a caret over several lines; one sentence is wanted here.
            let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
            let place = line.map_or(String::new(), |line| format!("line {line}: "));
            TopologyError(format!("{place}{}", error.message().lines().collect::<Vec<_>>().join(" ")))
        })
    }
}

impl Topology {
    /// The file that says the same.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Nothing in it is of a kind that TOML cannot write.
        toml::to_string(self).unwrap_or_default()
    }

    /// Prefix, origin AS and name of every announced network, for the table that maps hops.
    #[must_use]
    pub fn prefixes(&self) -> Vec<(IpNetwork, Asn, Option<String>)> {
        let announced = self.networks.iter().filter(|network| !network.ixp);
        announced
            .filter_map(|network| network.asn.map(|asn| (network, Asn(asn))))
            .flat_map(|(network, asn)| {
                network.prefixes().map(move |prefix| (prefix, asn, network.as_name.clone()))
            })
            .collect()
    }

    /// The pairs of ASes that are neighbours, where the file tells them.
    #[must_use]
    pub fn neighbours(&self) -> Option<Vec<(Asn, Asn)>> {
        let pairs = self.neighbours.as_ref()?;
        Some(pairs.iter().map(|(a, b)| (Asn(*a), Asn(*b))).collect())
    }

    /// The peering LANs of Internet exchanges, with their names.
    #[must_use]
    pub fn exchanges(&self) -> Vec<(IpNetwork, String)> {
        let exchanges = self.networks.iter().filter(|network| network.ixp);
        exchanges
            .flat_map(|network| network.prefixes().map(|prefix| (prefix, network.name.clone())))
            .collect()
    }
}

impl AddressSpace {
    pub(super) fn prefixes(&self) -> impl Iterator<Item = IpNetwork> + use<> {
        self.v4.map(IpNetwork::V4).into_iter().chain(self.v6.map(IpNetwork::V6))
    }

    /// The `index`-th address behind the prefix's own.
    pub(super) fn address(&self, v6: bool, index: u32) -> Option<IpAddr> {
        let (prefix, size) = if v6 {
            (IpNetwork::V6(self.v6?), 128 - u32::from(self.v6?.prefix()))
        } else {
            (IpNetwork::V4(self.v4?), 32 - u32::from(self.v4?.prefix()))
        };
        if size < 32 && index >= (1u32 << size) {
            return None;
        }
        match prefix.network() {
            IpAddr::V4(base) => Some(IpAddr::V4(Ipv4Addr::from(u32::from(base) + index))),
            IpAddr::V6(base) => Some(IpAddr::V6(Ipv6Addr::from(u128::from(base) + u128::from(index)))),
        }
    }
}
