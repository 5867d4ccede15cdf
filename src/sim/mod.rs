//! A simulated Internet: routers, hosts and rules from a text file, seeded, in virtual time.
//!
//! It is a [`Wire`](crate::probe::Wire) like the real sockets: whole packets go in, whole packets come out, built and
//! read by the same code. Nothing of what it knows (who drops, where) reaches the measuring side by another way, so a
//! conclusion drawn here is drawn from replies alone. Forty seconds of measurement pass in milliseconds, and the same
//! file, family and seed give the same bytes.
//!
//! * `topology`: the file: networks, routers, links, hosts, rules, and the truth that a scenario states
//! * `network`: the file made into nodes and links, events in order of time, and the `Wire`
//! * `forward`: what a router does with a packet, in a router's order: ingress rules, itself, TTL, forward rules, out
//! * `host`: what a host answers, its half-open connections among it
//! * [`random`]: worlds drawn to published figures, which verdicts are measured in
//! * `rewrite`: address translation and TTL, checksums kept right, quotes inside ICMP errors included
//!
//! What it leaves out: queues (a link has latency, jitter and loss, no capacity), fragments, and routing protocols (every
//! router knows the shortest way by cost; `[[route]]` overrules it).

mod forward;
mod host;
mod network;
pub mod random;
mod rewrite;
pub mod several;
mod topology;

use std::borrow::Cow;

pub use network::{Network, NetworkError};
pub use topology::{
    Action, AddressSpace, Balance, Chain, Expected, Host, Link, Place, Probed, ProtocolWord, RejectCode,
    ReplyFrom, Route, Router, Rule, Topology, TopologyError, Vantage,
};

/// The part of the Internet that the shipped scenarios share.
const WORLD: &str = include_str!("world.toml");

/// A scenario's text with the shipped world behind it, if it has none of its own: neither a vantage nor a network. The
/// lines of the text keep their numbers.
#[must_use]
pub fn with_world(text: &str) -> Cow<'_, str> {
    let complete = match text.parse::<toml::Table>() {
        Ok(table) => table.contains_key("vantage") || table.contains_key("network"),
        // What is wrong with it is told better by whoever reads it.
        Err(_) => true,
    };
    if complete { Cow::Borrowed(text) } else { Cow::Owned(format!("{text}\n{WORLD}")) }
}

/// The scenarios that are built in, by name: what `lasthop demo --list` shows, in this order.
#[must_use]
pub fn scenarios() -> &'static [(&'static str, &'static str)] {
    macro_rules! shipped {
        ($($name:literal),* $(,)?) => {
            &[$(($name, concat!(include_str!(concat!("scenarios/", $name, ".toml")), include_str!("world.toml")))),*]
        };
    }
    shipped![
        "proton",
        "clear",
        "port",
        "reject",
        "reset",
        "blackhole",
        "border",
        "no-route",
        "host-down",
        "firewall",
        "edge",
        "return-path",
        "rate-limited",
        "branch",
        "loop",
        "nat",
        "silent-gap",
        "proxy",
        "reference-dead",
        "no-reference",
        "found-reference",
        "mtu-black-hole",
        "mtu-told",
    ]
}
