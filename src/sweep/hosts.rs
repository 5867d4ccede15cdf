//! Very many hosts in little memory: sorted columns, no pointers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bits of the prefix that packets are budgeted for: what one last router mostly serves.
const PREFIX_V4: u32 = 24;
/// The same for IPv6: what a site mostly has (RFC 6177).
const PREFIX_V6: u32 = 48;

/// A host's place among [`Hosts`].
pub type HostId = u32;

#[derive(Clone, Debug)]
enum Addresses {
    V4(Vec<u32>),
    V6(Vec<u128>),
}

/// Addresses with ports, sorted, each pair once. All are of one family.
#[derive(Clone, Debug)]
pub struct Hosts {
    addresses: Addresses,
    ports: Vec<u16>,
    /// For each host the number of its prefix, from 0 up in the hosts' own order.
    prefixes: Vec<u32>,
}

impl Hosts {
    /// Sorts and takes every pair of address and port once. Addresses of the other family than `v6` says are left out; at
    /// most `u32::MAX - 1` are kept.
    #[must_use]
    pub fn new(v6: bool, list: impl IntoIterator<Item = (IpAddr, u16)>) -> Self {
        let most = (u32::MAX - 1) as usize;
        let (addresses, ports): (Addresses, Vec<u16>) = if v6 {
            let mut rows: Vec<(u128, u16)> = list
                .into_iter()
                .filter_map(|(address, port)| match address {
                    IpAddr::V6(address) => Some((u128::from(address), port)),
                    IpAddr::V4(_) => None,
                })
                .collect();
            rows.sort_unstable();
            rows.dedup();
            rows.truncate(most);
            (
                Addresses::V6(rows.iter().map(|row| row.0).collect()),
                rows.into_iter().map(|row| row.1).collect(),
            )
        } else {
            let mut rows: Vec<(u32, u16)> = list
                .into_iter()
                .filter_map(|(address, port)| match address {
                    IpAddr::V4(address) => Some((u32::from(address), port)),
                    IpAddr::V6(_) => None,
                })
                .collect();
            rows.sort_unstable();
            rows.dedup();
            rows.truncate(most);
            (
                Addresses::V4(rows.iter().map(|row| row.0).collect()),
                rows.into_iter().map(|row| row.1).collect(),
            )
        };
        let mut hosts = Self { addresses, ports, prefixes: Vec::new() };
        let mut prefixes = Vec::with_capacity(hosts.len());
        let mut number = 0;
        for id in 0..hosts.len() as HostId {
            if id > 0 && hosts.prefix_bits(id) != hosts.prefix_bits(id - 1) {
                number += 1;
            }
            prefixes.push(number);
        }
        hosts.prefixes = prefixes;
        hosts
    }

    fn prefix_bits(&self, id: HostId) -> u128 {
        match &self.addresses {
            Addresses::V4(list) => u128::from(list[id as usize] >> (32 - PREFIX_V4)),
            Addresses::V6(list) => list[id as usize] >> (128 - PREFIX_V6),
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ports.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }

    /// Whether they are of IPv6.
    #[must_use]
    pub const fn is_v6(&self) -> bool {
        matches!(self.addresses, Addresses::V6(_))
    }

    /// A host's address.
    ///
    /// # Panics
    /// If the id is of other hosts.
    #[must_use]
    pub fn address(&self, id: HostId) -> IpAddr {
        match &self.addresses {
            Addresses::V4(list) => IpAddr::V4(Ipv4Addr::from(list[id as usize])),
            Addresses::V6(list) => IpAddr::V6(Ipv6Addr::from(list[id as usize])),
        }
    }

    /// The port it is asked at; 0 where the protocol has none.
    ///
    /// # Panics
    /// If the id is of other hosts.
    #[must_use]
    pub fn port(&self, id: HostId) -> u16 {
        self.ports[id as usize]
    }

    /// The number of its prefix (/24, /48): hosts of one have the same number, and numbers rise with addresses.
    ///
    /// # Panics
    /// If the id is of other hosts.
    #[must_use]
    pub fn prefix(&self, id: HostId) -> u32 {
        self.prefixes[id as usize]
    }

    /// Reads all that is kept of a host, so that the processor has it near. The value says nothing.
    pub(super) fn touch(&self, id: HostId) -> u64 {
        let place = id as usize;
        let address = match &self.addresses {
            Addresses::V4(list) => u64::from(list[place]),
            Addresses::V6(list) => list[place] as u64,
        };
        address ^ u64::from(self.ports[place])
    }

    /// How many prefixes there are.
    #[must_use]
    pub fn prefix_count(&self) -> usize {
        self.prefixes.last().map_or(0, |last| *last as usize + 1)
    }

    /// The host with this address and port.
    #[must_use]
    pub fn find(&self, address: IpAddr, port: u16) -> Option<HostId> {
        let first = match (&self.addresses, address) {
            (Addresses::V4(list), IpAddr::V4(address)) => {
                list.partition_point(|one| *one < u32::from(address))
            }
            (Addresses::V6(list), IpAddr::V6(address)) => {
                list.partition_point(|one| *one < u128::from(address))
            }
            _ => return None,
        };
        // Hosts that share an address differ in their ports, in order.
        let mut id = first as HostId;
        while (id as usize) < self.len() && self.address(id) == address {
            match self.port(id) {
                found if found == port => return Some(id),
                found if found > port => return None,
                _ => id += 1,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefixes_are_numbered_in_order() {
        let list = ["192.0.2.9", "192.0.2.1", "198.51.100.1", "192.0.2.1"];
        let hosts = Hosts::new(false, list.map(|one| (one.parse().unwrap(), 25)));
        assert_eq!(hosts.len(), 3);
        assert_eq!([0, 1, 2].map(|id| hosts.prefix(id)), [0, 0, 1]);
        assert_eq!(hosts.prefix_count(), 2);
        assert_eq!(hosts.find("192.0.2.9".parse().unwrap(), 25), Some(1));
        assert_eq!(hosts.find("192.0.2.9".parse().unwrap(), 26), None);
        assert_eq!(hosts.find("2001:db8::1".parse().unwrap(), 25), None);
    }

    proptest! {
        #[test]
        fn whoever_was_put_in_is_found(list in prop::collection::vec((any::<u8>(), 0_u16..4), 1..200), v6: bool) {
            let address = |last: u8| -> IpAddr {
                if v6 { format!("2001:db8::{last:x}").parse().unwrap() } else { [192, 0, 2, last].into() }
            };
            let hosts = Hosts::new(v6, list.iter().map(|(last, port)| (address(*last), *port)));
            for (last, port) in list {
                let id = hosts.find(address(last), port).unwrap();
                prop_assert_eq!((hosts.address(id), hosts.port(id)), (address(last), port));
            }
        }
    }
}
