//! From what the user wrote to addresses.
//!
//! The system's resolver decides (`/etc/hosts`, DNS, whatever is configured), so that a run probes what every other
//! program on this host would talk to. Two habits of old resolvers are not followed, because they probe a host that
//! was not meant and may accuse a network for it: `010.0.0.1` read as octal 8.0.0.1, and `25` read as 0.0.0.25.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};

use nix::net::if_::{if_indextoname, if_nametoindex};

use super::{Family, ResolveError, interfaces};

/// What a host name or address stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// At least one address, in the system's order of preference (RFC 6724), without repetition.
    pub addresses: Vec<IpAddr>,
    /// The interface written behind `%` (RFC 4007 §11), by name.
    pub interface: Option<String>,
}

/// The addresses of `host`, only those of `family` if one is given. See [`lookup`]; a scope is checked and forgotten.
///
/// # Errors
/// As [`lookup`].
pub fn resolve(host: &str, family: Option<Family>) -> Result<Vec<IpAddr>, ResolveError> {
    lookup(host, family).map(|resolved| resolved.addresses)
}

/// The addresses of `host`: a name, an address, an IPv6 address in brackets, or one with a scope (`fe80::1%eth0`,
/// `fe80::1%2`).
///
/// An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) is taken as the IPv4 address it stands for. Waits as long as the
/// system's resolver does; call it before [`LiveWire::open`](super::LiveWire::open), while Ctrl-C still ends the
/// program.
///
/// # Errors
/// [`ResolveError`], which tells a name that does not exist from one without an address of the family.
pub fn lookup(host: &str, family: Option<Family>) -> Result<Resolved, ResolveError> {
    lookup_by(host, family, &mut |name| system(host, name))
}

/// As [`lookup`], with another resolver than the system's for what is a name and no address.
///
/// # Errors
/// As [`lookup`], and whatever `resolver` says.
pub fn lookup_by(
    host: &str,
    family: Option<Family>,
    resolver: &mut dyn FnMut(&str) -> Result<Vec<IpAddr>, ResolveError>,
) -> Result<Resolved, ResolveError> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if bare.is_empty() {
        return Err(ResolveError::Empty);
    }
    let (name, interface) = match bare.split_once('%') {
        Some((address, scope)) if address.contains(':') => (address, Some(scope_name(host, scope)?)),
        _ => (bare, None),
    };
    let all = match name.parse::<IpAddr>() {
        Ok(address) => vec![address],
        // Brackets are for IPv6 addresses alone (RFC 3986 §3.2.2), and so is a scope.
        Err(_) if bare != host || interface.is_some() || name.contains(':') || ends_in_a_number(name) => {
            return Err(ResolveError::Malformed { host: host.to_owned() });
        }
        Err(_) => resolver(name)?,
    };
    let mut seen = BTreeSet::new();
    let all: Vec<IpAddr> =
        all.into_iter().map(|one| one.to_canonical()).filter(|&one| seen.insert(one)).collect();
    match family {
        None => Ok(Resolved { addresses: all, interface }),
        Some(family) => {
            let (addresses, others): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|&one| Family::of(one) == family);
            match (addresses.is_empty(), others.first()) {
                (true, Some(&other)) => {
                    Err(ResolveError::NoneOfFamily { host: host.to_owned(), family, other })
                }
                _ => Ok(Resolved { addresses, interface }),
            }
        }
    }
}

fn system(host: &str, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
    let failed = |source| ResolveError::NotFound { host: host.to_owned(), source };
    let found: Vec<IpAddr> = (name, 0).to_socket_addrs().map_err(failed)?.map(|one| one.ip()).collect();
    if found.is_empty() {
        return Err(failed(std::io::ErrorKind::NotFound.into()));
    }
    Ok(found)
}

/// Whether a resolver might take this for an IPv4 address in one of its old forms. No name in the DNS ends so: there
/// is no top-level domain of digits.
fn ends_in_a_number(name: &str) -> bool {
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let digits = |text: &str, radix| text.chars().all(|one| one.is_digit(radix));
    match last.strip_prefix("0x").or_else(|| last.strip_prefix("0X")) {
        Some(rest) => digits(rest, 16),
        None => !last.is_empty() && digits(last, 10) && name.parse::<Ipv4Addr>().is_err(),
    }
}

fn scope_name(host: &str, scope: &str) -> Result<String, ResolveError> {
    let named = if_nametoindex(scope).ok().map(|_| scope.to_owned());
    let numbered = || {
        let name = if_indextoname(scope.parse().ok()?).ok()?;
        name.into_string().ok()
    };
    named.or_else(numbered).ok_or_else(|| ResolveError::NoInterface {
        host: host.to_owned(),
        name: scope.to_owned(),
        present: interfaces().into_iter().map(|one| one.name).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(host: &str, family: Option<Family>) -> String {
        match lookup(host, family) {
            Ok(Resolved { addresses, interface }) => {
                let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                interface.map_or_else(|| list.join(" "), |name| format!("{} on {name}", list.join(" ")))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn literals_need_no_resolver() {
        assert_eq!(told("192.0.2.1", None), "192.0.2.1");
        assert_eq!(told("2001:DB8::1", None), "2001:db8::1");
        assert_eq!(told("[2001:db8::1]", Some(Family::V6)), "2001:db8::1");
        assert_eq!(told("::ffff:192.0.2.1", Some(Family::V4)), "192.0.2.1");
    }

    #[test]
    fn a_scope_is_an_interface_by_name_or_number() {
        assert_eq!(told("fe80::1%lo", None), "fe80::1 on lo");
        assert_eq!(told("[fe80::1%lo]", None), "fe80::1 on lo");
        assert_eq!(told("fe80::1%1", None), "fe80::1 on lo");
        assert_eq!(told("fe80::1%eth99", None), "there is no interface 'eth99' as in 'fe80::1%eth99'");
        assert_eq!(told("fe80::1%", None), "there is no interface '' as in 'fe80::1%'");
    }

    #[test]
    fn the_other_family_is_not_nothing() {
        assert_eq!(told("192.0.2.1", Some(Family::V6)), "'192.0.2.1' has no IPv6 address");
        assert_eq!(told("[2001:db8::1]", Some(Family::V4)), "'[2001:db8::1]' has no IPv4 address");
        let hint = lookup("192.0.2.1", Some(Family::V6)).unwrap_err().hint();
        assert_eq!(hint.as_deref(), Some("use -4: it has 192.0.2.1"));
    }

    #[test]
    fn what_old_resolvers_would_take_for_another_address_is_refused() {
        for host in [
            "010.0.0.1",
            "25",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "1.2.3",
            "1.2.3.4.5",
            "256.0.0.1",
            "1.2.3.4.",
        ] {
            assert_eq!(told(host, None), format!("'{host}' is neither an address nor a host name"));
        }
        for host in ["[192.0.2.1x]", "[localhost]", "fe80::g", "host%lo:1", "::1::2"] {
            assert_eq!(told(host, None), format!("'{host}' is neither an address nor a host name"), "{host}");
        }
        assert_eq!(told("", None), "the host name is empty");
        assert_eq!(told("[]", None), "the host name is empty");
    }

    #[test]
    fn names_go_to_the_system() {
        assert!(told("localhost", None).split(' ').any(|one| one == "127.0.0.1" || one == "::1"));
        // No resolver can ask for a label of more than 63 letters (RFC 1035 §2.3.4), so nothing is sent.
        let long = "x".repeat(300);
        assert_eq!(told(&long, None), format!("'{long}' does not resolve"));
        assert_eq!(told("nul\0name", None), "'nul\0name' does not resolve");
    }
}
