//! How to come to a routing table that has a number.
//!
//! No socket can be told to use a table: rules lead to them, by mark, by source address, by the interface a socket is bound
//! to. So the rules are read, and the first that a socket can satisfy is satisfied. What came of it is read back when the
//! wire is open ([`Route::table`](super::Route::table)), since a rule before it may lead elsewhere.

use std::net::IpAddr;

use super::error::io as failed;
use super::netlink::{self, Rule};
use super::{Family, Interface, OpenError, interfaces};

/// The table that is asked for packets of which no rule says anything else (`main`, rtnetlink(7)).
const MAIN: u32 = 254;

/// What a socket needs to be led to a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steering {
    /// This source address.
    pub source: Option<IpAddr>,
    /// This mark.
    pub mark: Option<u32>,
    /// To be bound to this interface.
    pub interface: Option<String>,
    /// To be bound to this VRF.
    pub vrf: Option<String>,
}

/// How sockets of this family come to the table with this number.
///
/// # Errors
/// [`OpenError::NoRule`] if no rule that a socket can satisfy leads there; [`OpenError::Io`] if the kernel cannot be asked.
pub fn steer(table: u32, family: Family) -> Result<Steering, OpenError> {
    let rules = netlink::rules(family).map_err(failed("read the routing rules"))?;
    if let Some(steering) = by_rules(table, &rules, &interfaces(), family) {
        return Ok(steering);
    }
    match netlink::vrf_of(table).map_err(failed("list the interfaces"))? {
        Some(vrf) => Ok(Steering { vrf: Some(vrf), ..Steering::default() }),
        None => Err(OpenError::NoRule { table, family }),
    }
}

/// What the first rule asks for that leads there and that a socket of this host can satisfy.
fn by_rules(table: u32, rules: &[Rule], interfaces: &[Interface], family: Family) -> Option<Steering> {
    let own: Vec<IpAddr> = interfaces
        .iter()
        .flat_map(|one| one.addresses.iter().map(|network| network.ip()))
        .filter(|one| Family::of(*one) == family)
        .collect();
    let fits = |rule: &Rule| {
        let source = match rule.source {
            None => None,
            Some((network, length)) => {
                let network = ipnetwork::IpNetwork::new(network, length).ok()?;
                Some(*own.iter().find(|one| network.contains(**one))?)
            }
        };
        let interface = match &rule.bound_to {
            Some(name) => Some(interfaces.iter().find(|one| one.name == *name)?.name.clone()),
            None => None,
        };
        Some(Steering { source, mark: rule.mark.map(|(mark, mask)| mark & mask), interface, vrf: None })
    };
    let to_it = rules.iter().filter(|rule| rule.table == table && !rule.picky);
    let mut found = to_it.filter_map(fits);
    // A rule that asks for nothing is one for everybody: the main table's, as a rule.
    found.find(|steering| table == MAIN || *steering != Steering::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, address: &str) -> Interface {
        Interface {
            name: name.into(),
            index: 2,
            addresses: vec![address.parse().unwrap()],
            up: true,
            running: true,
            loopback: false,
            point_to_point: false,
            no_arp: false,
        }
    }

    #[test]
    fn the_first_rule_that_a_socket_can_satisfy_is_satisfied() {
        let all = [interface("eth0", "192.0.2.7/24"), interface("wwan0", "198.51.100.9/32")];
        let by = |rule: Rule| by_rules(100, &[Rule { table: 100, ..rule }], &all, Family::V4);
        let source = |text: &str, length| Some((text.parse().unwrap(), length));
        let plain = Steering::default();
        assert_eq!(
            by(Rule { mark: Some((0x1205, 0xff)), ..Rule::default() }),
            Some(Steering { mark: Some(5), ..plain.clone() })
        );
        assert_eq!(
            by(Rule { source: source("198.51.100.0", 24), ..Rule::default() }),
            Some(Steering { source: Some("198.51.100.9".parse().unwrap()), ..plain.clone() })
        );
        assert_eq!(
            by(Rule { bound_to: Some("wwan0".into()), ..Rule::default() }),
            Some(Steering { interface: Some("wwan0".into()), ..plain.clone() })
        );
        // No address of ours, no such interface, more than a socket can promise, everybody's.
        assert_eq!(by(Rule { source: source("203.0.113.0", 24), ..Rule::default() }), None);
        assert_eq!(by(Rule { bound_to: Some("eth9".into()), ..Rule::default() }), None);
        assert_eq!(by(Rule { mark: Some((5, u32::MAX)), picky: true, ..Rule::default() }), None);
        assert_eq!(by(Rule::default()), None);
        let everybody = [Rule { table: MAIN, ..Rule::default() }];
        assert_eq!(by_rules(MAIN, &everybody, &all, Family::V4), Some(plain));
        assert_eq!(by_rules(101, &everybody, &all, Family::V4), None);
    }

    #[test]
    fn a_table_without_a_rule_is_refused_with_the_rule_that_would_help() {
        let error = steer(4_000_000_000, Family::V6).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no rule leads IPv6 packets of this host to the routing table 4000000000"
        );
        assert!(error.hint().unwrap().contains("ip -6 rule add fwmark 4000000000 lookup 4000000000"));
    }
}
