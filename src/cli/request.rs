//! Words checked and turned into values, once.

use std::cell::RefCell;
use std::net::IpAddr;
use std::time::Duration;

use super::args::Probing;
use super::failure::Failure;
use super::names::Names;
use crate::bundle::Name;
use crate::net::{Clock, Family, ResolveError};
use crate::number::special;
use crate::probe::Budget;
use crate::probe::pace::Pace;
use crate::session::search::Hint;
use crate::trace::{Destination, Protocol, ReferenceKind, Role};

/// A host as written, with the port that was written with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address, without brackets.
    pub host: String,
    /// Port, if one was written.
    pub port: Option<u16>,
}

impl Endpoint {
    /// Reads `host`, `host:port`, `address`, `[v6]` and `[v6]:port`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let text = text.trim();
        let whole = |host: &str| Self { host: host.to_owned(), port: None };
        let with = |host: &str, port: &str| match port.parse::<u16>() {
            Ok(port) if port > 0 => Ok(Self { host: host.to_owned(), port: Some(port) }),
            _ => Err(Failure::usage(
                format!("'{port}' is no port"),
                "a port is a number from 1 to 65535, as in mail.example:25",
            )),
        };
        if text.is_empty() {
            return Err(Failure::usage("the name of a host is empty", "name a host or give an address"));
        }
        if text.contains("://") || text.contains('/') {
            let host = text.split("://").last().unwrap_or(text).split('/').next().unwrap_or("");
            return Err(Failure::usage(
                format!("'{text}' is no host name or address"),
                format!("leave out what is not the host, as in: lasthop diagnose {host}"),
            ));
        }
        if let Some(rest) = text.strip_prefix('[') {
            return match rest.split_once(']') {
                Some((host, "")) => Ok(whole(host)),
                Some((host, port)) if port.starts_with(':') => with(host, &port[1..]),
                _ => Err(Failure::usage(
                    format!("'{text}' has brackets that do not match"),
                    "an IPv6 address with a port is written [2001:db8::1]:25",
                )),
            };
        }
        match text.split_once(':') {
            // More than one colon, and no brackets: an IPv6 address.
            Some((_, rest)) if rest.contains(':') => Ok(whole(text)),
            Some((host, port)) => with(host, port),
            None => Ok(whole(text)),
        }
    }
}

/// A checked request for a measurement.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whom to probe, the target first, variants last.
    pub destinations: Vec<Destination>,
    /// The version of IP.
    pub family: Family,
    /// Other addresses of the target's name that are not probed.
    pub others: Vec<IpAddr>,
    /// Hosts that may serve as references.
    pub hints: Vec<Hint>,
    /// `-i`, or the scope written behind an IPv6 address.
    pub interface: Option<String>,
    /// First and last TTL.
    pub ttls: (u8, u8),
    /// The longest wait.
    pub wait: Duration,
    /// Packet budgets.
    pub pace: Pace,
    /// Run budgets.
    pub budget: Budget,
    /// Only ordinary sockets.
    pub unprivileged: bool,
    /// Seed, random unless given.
    pub seed: u64,
    /// Every name that was resolved, with all that was found.
    pub names: Vec<Name>,
}

/// The protocol and port that the words ask for.
pub fn protocol(words: &Probing) -> Result<(Protocol, Option<u16>), Failure> {
    let target = match words.target() {
        "" => Endpoint { host: String::new(), port: None },
        target => Endpoint::parse(target)?,
    };
    let protocol = match (words.icmp, words.udp) {
        (true, _) => Protocol::Icmp,
        (_, true) => Protocol::Udp,
        _ => Protocol::Tcp,
    };
    let mut port = None;
    for given in [words.positional_port, words.port, target.port].into_iter().flatten() {
        if port.is_some_and(|port| port != given) {
            return Err(Failure::usage(
                "two different ports are given",
                "give the port once: TARGET PORT, TARGET:PORT or -p PORT",
            ));
        }
        port = Some(given);
    }
    let port = match protocol {
        Protocol::Icmp if port.is_some() => {
            return Err(Failure::usage("ICMP has no ports", "leave out the port, or leave out -I"));
        }
        Protocol::Icmp => None,
        Protocol::Tcp => Some(port.unwrap_or(80)),
        Protocol::Udp => Some(port.unwrap_or(53)),
    };
    Ok((protocol, port))
}

/// Whom to probe beside the target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Hosts to compare it with.
    pub references: &'a [String],
    /// Hosts that may serve as references.
    pub hints: &'a [String],
    /// A far host that is known to work.
    pub check: Option<&'a str>,
    /// The target's other ports and protocols.
    pub variants: Variants<'a>,
    /// Addresses that are given in place of a name, and whose they are.
    pub called: &'a [(IpAddr, String)],
    /// The target itself by small packets, where the size of packets is in question; then nothing else is compared with.
    pub small: bool,
}

/// The target's other ports and protocols.
#[derive(Clone, Copy, Debug, Default)]
pub enum Variants<'a> {
    /// None of them.
    #[default]
    None,
    /// Another TCP port, and ICMP echo.
    Usual,
    /// These.
    These(&'a [(Protocol, Option<u16>)]),
}

/// What every link takes that carries IPv6 (RFC 8200 §5).
const LEAST_SIZE_V6: u16 = 1280;

/// Most ports and protocols in a matrix.
const MOST_VARIANTS: usize = 8;

/// Checks the words and resolves the names.
pub fn request(words: &Probing, beside: Beside<'_>, resolver: &Names) -> Result<Request, Failure> {
    let (protocol, port) = protocol(words)?;
    if words.first > words.max {
        return Err(Failure::usage(
            format!("the first TTL ({}) is above the highest ({})", words.first, words.max),
            "turn them round: -f FIRST -m MAX",
        ));
    }
    let target = Endpoint::parse(words.target())?;
    let endpoints =
        |texts: &[String]| texts.iter().map(|text| Endpoint::parse(text)).collect::<Result<Vec<_>, _>>();
    let (references, hints) = (endpoints(beside.references)?, endpoints(beside.hints)?);
    if references.len() > 8 {
        return Err(Failure::usage("more than 8 references", "the nearest two or three are enough"));
    }
    if hints.len() > 8 {
        return Err(Failure::usage("more than 8 hints", "name those that are most likely to work"));
    }
    let asked = match (words.ipv4, words.ipv6, words.way.source) {
        (true, _, _) => Some(Family::V4),
        (_, true, _) => Some(Family::V6),
        (_, _, Some(source)) => Some(Family::of(source)),
        _ => None,
    };
    // The version of IP that nobody asked for but the source address.
    let source = words.way.source.filter(|_| !words.ipv4 && !words.ipv6);
    let names = RefCell::new(Vec::new());
    // Evidence says how a name became an address, and when.
    let lookup = |host: &str, family| {
        let found = resolver.lookup(host, family)?;
        let asked_at = Clock::start().started_at().rfc3339();
        names.borrow_mut().push(Name { host: host.to_owned(), asked_at, addresses: found.addresses.clone() });
        Ok::<_, ResolveError>(found)
    };
    let resolved =
        |endpoint: &Endpoint| lookup(&endpoint.host, asked).map_err(|error| unresolved(&error, source));
    let target_found = resolved(&target)?;
    let references_found = references.iter().map(resolved).collect::<Result<Vec<_>, _>>()?;
    // The family in which everybody has an address, in the order the system prefers for the target.
    let has = |addresses: &[IpAddr], family| addresses.iter().any(|one| Family::of(*one) == family);
    let family = target_found
        .addresses
        .iter()
        .map(|one| Family::of(*one))
        .find(|family| references_found.iter().all(|one| has(&one.addresses, *family)))
        .ok_or_else(|| {
            Failure::environment(
                "no_address",
                "target and reference have no addresses of the same version of IP",
                Some("name a reference that has one (-r HOST), or choose with -4 or -6".into()),
            )
        })?;
    let pick = |addresses: &[IpAddr]| {
        addresses.iter().copied().filter(|one| Family::of(*one) == family).collect::<Vec<_>>()
    };
    let of_target = pick(&target_found.addresses);
    let address = *of_target.first().ok_or_else(|| {
        let host = &target.host;
        Failure::usage(
            format!("{host} has no address of this version of IP"),
            "name another host, or choose with -4 or -6",
        )
    })?;
    probeable(&target.host, address)?;
    let size = words.size;
    if let Some(size) = size.filter(|size| family == Family::V6 && *size < LEAST_SIZE_V6) {
        return Err(Failure::usage(
            format!("packets of {size} bytes are no question in IPv6: every link takes {LEAST_SIZE_V6}"),
            "ask for --size 1280 or more, or for IPv4 with -4",
        ));
    }
    let host = target.host.clone();
    let mut destinations = vec![Destination { role: Role::Target, host, address, protocol, port, size }];
    for (endpoint, found) in references.iter().zip(&references_found) {
        let Some(address) = pick(&found.addresses).first().copied() else { continue };
        probeable(&endpoint.host, address)?;
        let port = match protocol {
            Protocol::Icmp => None,
            _ => endpoint.port.or(port),
        };
        if destinations.iter().any(|known| known.address == address && known.port == port) {
            let what = if address == destinations[0].address { "the target itself" } else { "given twice" };
            return Err(Failure::usage(
                format!("the reference {} ({address}) is {what}", endpoint.host),
                "name another host of the same network that works on this port",
            ));
        }
        let kind =
            if address == destinations[0].address { ReferenceKind::SameHost } else { ReferenceKind::Given };
        destinations.push(Destination {
            role: Role::Reference(kind),
            host: endpoint.host.clone(),
            address,
            protocol,
            port,
            size: None,
        });
    }
    if let Some(text) = beside.check {
        let endpoint = Endpoint::parse(text)?;
        let found = lookup(&endpoint.host, Some(family)).map_err(|error| unresolved(&error, None))?;
        let address = *pick(&found.addresses)
            .first()
            .ok_or_else(|| Failure::usage(format!("{text} has no address"), "name another host"))?;
        probeable(&endpoint.host, address)?;
        if destinations.iter().any(|known| known.address == address) {
            return Err(Failure::usage(
                format!("the far host {text} ({address}) is the target or a reference"),
                "name a host of another network with --check",
            ));
        }
        let port = if protocol == Protocol::Icmp { None } else { endpoint.port.or(port) };
        destinations.push(Destination {
            role: Role::Check,
            host: endpoint.host,
            address,
            protocol,
            port,
            size: None,
        });
    }
    if beside.small && size.is_some() {
        destinations.push(crate::probe::small_control(&destinations[0]));
    } else {
        destinations.extend(variants_of(&destinations[0], beside.variants)?);
    }
    for destination in &mut destinations {
        if let Some((_, name)) = beside.called.iter().find(|(address, _)| *address == destination.address) {
            destination.host.clone_from(name);
        }
    }
    let mut candidates = Vec::new();
    for endpoint in &hints {
        let found = lookup(&endpoint.host, Some(family)).map_err(|error| unresolved(&error, None))?;
        let Some(address) = pick(&found.addresses).first().copied() else { continue };
        probeable(&endpoint.host, address)?;
        candidates.push(Hint { host: endpoint.host.clone(), address, port: endpoint.port, alias: false });
    }
    candidates.extend(of_target[1..].iter().map(|address| Hint {
        host: target.host.clone(),
        address: *address,
        port: None,
        alias: true,
    }));
    let interface = words.way.interface.clone().or_else(|| target_found.interface.clone());
    let mut pace = Pace::default();
    if let Some(pause) = words.pace.filter(|pause| *pause > 0.0) {
        // Slower than the default is a wish, faster is none: the budget of 50 a second holds for everybody.
        pace.gap = pace.gap.max(Duration::from_secs_f64(pause));
    }
    pace.in_flight = words.flight;
    Ok(Request {
        destinations,
        family,
        others: of_target[1..].to_vec(),
        hints: candidates,
        interface,
        ttls: (words.first, words.max),
        wait: Duration::from_secs_f64(words.wait),
        pace,
        budget: Budget { probes: words.max_probes, ..Budget::default() },
        unprivileged: words.unprivileged,
        seed: words.seed.unwrap_or_else(rand::random),
        names: names.into_inner(),
    })
}

fn variants_of(target: &Destination, wanted: Variants<'_>) -> Result<Vec<Destination>, Failure> {
    let list = match wanted {
        Variants::None => return Ok(Vec::new()),
        Variants::Usual => return Ok(crate::probe::variants(target)),
        Variants::These(list) => list,
    };
    let mut found: Vec<Destination> = Vec::new();
    if list.len() > MOST_VARIANTS {
        return Err(Failure::usage(
            format!("--matrix has {} entries", list.len()),
            format!("at most {MOST_VARIANTS} ports and protocols are tried in one run"),
        ));
    }
    for &(protocol, port) in list {
        let known = |one: &Destination| (one.protocol, one.port) == (protocol, port);
        if known(target) || found.iter().any(known) {
            continue;
        }
        found.push(Destination { role: Role::Variant, protocol, port, ..target.clone() });
    }
    Ok(found)
}

/// Whether an address is one host's.
pub fn probeable(host: &str, address: IpAddr) -> Result<(), Failure> {
    let what = match address {
        address if address.is_unspecified() => "the unspecified address",
        address if address.is_multicast() => "a multicast address",
        IpAddr::V4(address) if address.is_broadcast() => "the broadcast address",
        IpAddr::V4(address) if address.octets()[0] == 0 => "an address of \"this network\"",
        IpAddr::V4(address) if address.octets()[0] >= 240 => "a reserved address",
        _ => return Ok(()),
    };
    let rfc = special::lookup(address).map_or(String::new(), |special| format!(" ({})", special.rfc));
    Err(Failure::usage(
        format!("{host} is {what}{rfc}, not a host that can be probed"),
        "name one host; loopback and private hosts can be probed too",
    ))
}

fn unresolved(error: &ResolveError, source: Option<IpAddr>) -> Failure {
    if let (ResolveError::NoneOfFamily { other, .. }, Some(source)) = (error, source) {
        return Failure::environment(
            "name",
            format!("{error}, and the source address {source} is one"),
            Some(format!("give an {} address with -s, or leave out -s: it has {other}", Family::of(*other))),
        );
    }
    Failure::environment("name", error.to_string(), error.hint())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_in_every_form() {
        let read = |text: &str| Endpoint::parse(text).map(|found| (found.host, found.port)).ok();
        let is = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(read("mx1.example"), is("mx1.example", None));
        assert_eq!(read("mx1.example:25"), is("mx1.example", Some(25)));
        assert_eq!(read("192.0.2.1:25"), is("192.0.2.1", Some(25)));
        assert_eq!(read("2001:db8::1"), is("2001:db8::1", None));
        assert_eq!(read("[2001:db8::1]"), is("2001:db8::1", None));
        assert_eq!(read("[2001:db8::1]:25"), is("2001:db8::1", Some(25)));
        for bad in
            ["", "mx1:0", "mx1:70000", "mx1:abc", "mx1:", "[::1", "[::1]25", "https://mx1.example/", "a/b"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
