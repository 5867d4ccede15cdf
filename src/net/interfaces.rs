//! The interfaces of this host, for choosing one and for telling the user which there are.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use nix::net::if_::InterfaceFlags;

/// A network interface as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, such as `eth0`.
    pub name: String,
    /// Its number in the kernel, from 1.
    pub index: u32,
    /// Its addresses with the length of their network.
    pub addresses: Vec<IpNetwork>,
    /// Administratively up.
    pub up: bool,
    /// Up and connected to something.
    pub running: bool,
    /// The host itself.
    pub loopback: bool,
    /// A tunnel or serial line: whatever is sent into it arrives at one other end.
    pub point_to_point: bool,
    /// No neighbour is asked for before sending, as on dummies and most tunnels.
    pub no_arp: bool,
}

impl Interface {
    /// Whether `address` is one of its own.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|network| network.ip() == address)
    }
}

/// All interfaces, in the kernel's order. Empty if the kernel does not list them.
#[must_use]
pub fn interfaces() -> Vec<Interface> {
    let no_arp = InterfaceFlags::IFF_NOARP.bits().cast_unsigned();
    pnet_datalink::interfaces()
        .into_iter()
        .map(|one| Interface {
            up: one.is_up(),
            running: one.is_running(),
            loopback: one.is_loopback(),
            point_to_point: one.is_point_to_point(),
            no_arp: one.flags & no_arp != 0,
            name: one.name,
            index: one.index,
            // pnet speaks an older release of the same library.
            addresses: one.ips.iter().filter_map(|ip| IpNetwork::new(ip.ip(), ip.prefix()).ok()).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_listed_once() {
        let all = interfaces();
        let loopbacks: Vec<_> = all.iter().filter(|one| one.loopback).collect();
        assert_eq!(loopbacks.len(), 1, "{all:?}");
        assert!(loopbacks[0].index > 0);
        assert!(!loopbacks[0].point_to_point);
    }
}
