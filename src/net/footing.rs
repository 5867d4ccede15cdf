//! What a measurement stands on, this host's own link and address and its being awake, and whether they held while it lasted.
//!
//! When they go, packets are lost that nobody else loses, and often without an error: into a cable that was pulled the
//! kernel goes on sending. The measurement then sees silence that comes and goes, and concludes nothing; this says why.

use std::net::IpAddr;
use std::time::Duration;

use super::clock::slept;
use super::interfaces::interfaces;
use super::{AnyWire, Interface};

/// The link and address of a wire, as they were when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footing {
    interface: String,
    source: IpAddr,
    /// How often the link had come and gone.
    changes: Option<u64>,
    /// How long the machine had slept.
    slept: Option<Duration>,
}

/// A sleep shorter than this loses no packets.
const NAP: Duration = Duration::from_millis(500);

impl Footing {
    /// What `wire` stands on now; `None` where it has no route.
    #[must_use]
    pub fn of(wire: &AnyWire) -> Option<Self> {
        let interface = wire.interface()?;
        Some(Self { changes: changes(&interface), slept: slept().ok(), source: wire.source(), interface })
    }

    /// What of it no longer holds, as the rest of a sentence; `None` if all does.
    #[must_use]
    pub fn lost(&self) -> Option<String> {
        self.lost_in(&interfaces(), changes(&self.interface), slept().ok())
    }

    fn lost_in(&self, all: &[Interface], changes: Option<u64>, slept: Option<Duration>) -> Option<String> {
        let name = &self.interface;
        if let (Some(before), Some(after)) = (self.slept, slept)
            && after.saturating_sub(before) > NAP
        {
            return Some(format!(
                "this machine slept for {:.0} s",
                after.saturating_sub(before).as_secs_f64()
            ));
        }
        if all.is_empty() {
            // The kernel does not tell.
            return None;
        }
        let Some(own) = all.iter().find(|one| one.name == *name) else {
            return Some(format!("the interface '{name}' went away"));
        };
        if !own.up {
            return Some(format!("the interface '{name}' went down"));
        }
        if !own.running {
            return Some(format!("the interface '{name}' lost its link"));
        }
        if !all.iter().any(|one| one.has(self.source)) {
            return Some(format!("{} ceased to be an address of this host", self.source));
        }
        match (self.changes, changes) {
            (Some(before), Some(after)) if before != after => {
                Some(format!("the link of the interface '{name}' went and came back"))
            }
            _ => None,
        }
    }
}

/// How often the link of an interface has come and gone (Linux 3.15); `None` where `/sys` does not tell.
fn changes(interface: &str) -> Option<u64> {
    // A name from the kernel, in which there is no slash.
    std::fs::read_to_string(format!("/sys/class/net/{interface}/carrier_changes")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn host(up: bool, running: bool, address: &str) -> Vec<Interface> {
        vec![Interface {
            name: "eth0".into(),
            index: 2,
            addresses: vec![address.parse().unwrap()],
            up,
            running,
            loopback: false,
            point_to_point: false,
            no_arp: false,
        }]
    }

    #[test]
    fn what_was_lost_is_named_and_what_holds_is_not() {
        let footing = Footing {
            interface: "eth0".into(),
            source: "192.0.2.7".parse().unwrap(),
            changes: Some(3),
            slept: Some(HOUR),
        };
        let of = |host: &[Interface], changes| footing.lost_in(host, changes, Some(HOUR)).unwrap_or_default();
        let whole = host(true, true, "192.0.2.7/24");
        assert_eq!(of(&whole, Some(3)), "");
        assert_eq!(of(&whole, None), "", "nobody tells");
        assert_eq!(of(&[], Some(9)), "", "nobody tells");
        assert_eq!(of(&whole, Some(5)), "the link of the interface 'eth0' went and came back");
        assert_eq!(of(&host(false, false, "192.0.2.7/24"), Some(4)), "the interface 'eth0' went down");
        assert_eq!(of(&host(true, false, "192.0.2.7/24"), Some(4)), "the interface 'eth0' lost its link");
        let moved = host(true, true, "192.0.2.8/24");
        assert_eq!(of(&moved, Some(3)), "192.0.2.7 ceased to be an address of this host");
        let woke = footing.lost_in(&whole, Some(3), Some(HOUR + Duration::from_secs(90)));
        assert_eq!(woke.unwrap(), "this machine slept for 90 s");
        let mut other = whole;
        other[0].name = "eth1".into();
        assert_eq!(of(&other, Some(3)), "the interface 'eth0' went away");
    }
}
