//! The checked request: whom to probe, how, how fast, how long.

use std::net::IpAddr;
use std::time::Duration;

use super::pace::Pace;
use crate::trace::{Destination, Protocol, ReferenceKind, Role, SourcePorts};

/// How much a run may cost before it must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Packets.
    pub probes: u32,
    /// Time.
    pub time: Duration,
}

impl Default for Budget {
    /// 600 probes and 180 s.
    fn default() -> Self {
        Self { probes: 600, time: Duration::from_secs(180) }
    }
}

/// Everything an [`Engine`](super::Engine) must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Our address; it goes into every probe.
    pub source: IpAddr,
    /// Whom to probe; the target first.
    pub destinations: Vec<Destination>,
    /// The flows' source ports and identifiers, reserved for the whole run. Where the target is compared with itself by
    /// small packets ([`small_control`]), the second half are the control's, see [`identity`](super::identity).
    pub source_ports: Vec<SourcePorts>,
    /// First TTL.
    pub first_ttl: u8,
    /// Highest TTL.
    pub max_ttl: u8,
    /// The longest wait for a reply. Shorter once round-trip times are known.
    pub wait: Duration,
    /// Packet budgets a second.
    pub pace: Pace,
    /// Packet and time budget of the run.
    pub budget: Budget,
    /// Seed of the coins, and of the key that names the probes.
    pub seed: u64,
}

/// A plan that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No destination.
    #[error("there is nothing to probe")]
    NoTarget,
    /// The first destination must be the target, and the only one.
    #[error("a run has exactly one target, as its first destination")]
    TargetMisplaced,
    /// Source and destination of different families.
    #[error("{destination} cannot be probed from {origin}: one is IPv4, the other IPv6")]
    FamilyMix {
        /// Our address.
        origin: IpAddr,
        /// Theirs.
        destination: IpAddr,
    },
    /// TTL range empty or starting at zero.
    #[error("TTLs from {first} to {last} are no range; they run from 1 to 255")]
    TtlRange {
        /// First TTL.
        first: u8,
        /// Last TTL.
        last: u8,
    },
    /// No source port, or none for the small control.
    #[error("there is no source port to probe from")]
    NoFlow,
    /// A size that no packet can have here: shorter than its headers and what names a probe.
    #[error("packets of {size} bytes cannot be sent as probes; the least is {least}")]
    Size {
        /// Asked for.
        size: u16,
        /// The least for the protocol and family.
        least: u16,
    },
    /// More probes than can be told apart.
    #[error("at most {most} probes can be told apart in one run, not {asked}")]
    TooManyProbes {
        /// Asked for.
        asked: u32,
        /// The limit: what a 16-bit field can name.
        most: u32,
    },
}

impl Plan {
    /// Whether the plan makes sense at all.
    ///
    /// # Errors
    /// [`PlanError`] names what does not.
    pub fn check(&self) -> Result<(), PlanError> {
        let first = self.destinations.first().ok_or(PlanError::NoTarget)?;
        let targets = self.destinations.iter().filter(|one| one.role == Role::Target).count();
        if first.role != Role::Target || targets != 1 {
            return Err(PlanError::TargetMisplaced);
        }
        for one in &self.destinations {
            if one.address.is_ipv4() != self.source.is_ipv4() {
                return Err(PlanError::FamilyMix { origin: self.source, destination: one.address });
            }
        }
        if self.first_ttl == 0 || self.first_ttl > self.max_ttl {
            return Err(PlanError::TtlRange { first: self.first_ttl, last: self.max_ttl });
        }
        let small = |one: &Destination| one.role == Role::Reference(ReferenceKind::Small);
        if self.source_ports.len() < if self.destinations.iter().any(small) { 2 } else { 1 } {
            return Err(PlanError::NoFlow);
        }
        for one in &self.destinations {
            let least = small_size(one.protocol, one.address.is_ipv6());
            if let Some(size) = one.size.filter(|size| *size < least) {
                return Err(PlanError::Size { size, least });
            }
        }
        let most = super::identity::MOST_PROBES;
        if self.budget.probes > most {
            return Err(PlanError::TooManyProbes { asked: self.budget.probes, most });
        }
        Ok(())
    }
}

/// The target's other ports and protocols that are tried with a few probes, to tell the scope of a loss and, where one
/// answers, to compare with: another TCP port, and ICMP echo.
#[must_use]
pub fn variants(target: &Destination) -> Vec<Destination> {
    let other_port = if target.port == Some(443) { 80 } else { 443 };
    [(Protocol::Tcp, Some(other_port)), (Protocol::Icmp, None)]
        .into_iter()
        .filter(|(protocol, _)| *protocol != Protocol::Icmp || target.protocol != Protocol::Icmp)
        .map(|(protocol, port)| Destination {
            role: Role::Variant,
            host: target.host.clone(),
            address: target.address,
            protocol,
            port,
            size: None,
        })
        .collect()
}

/// Bytes of the packets that the target's large ones are compared with, by protocol and family: as short as probes of
/// that protocol are, but for a SYN's, which carries a few bytes of data as the large one does. What takes no SYN with data
/// would otherwise look like a link that takes no large packets.
const fn small_size(protocol: Protocol, v6: bool) -> u16 {
    let above_ip = match protocol {
        Protocol::Tcp => 44,
        Protocol::Icmp | Protocol::Udp => 32,
    };
    above_ip + if v6 { 40 } else { 20 }
}

/// The control of a target whose packets have a size that is in question: the same host, protocol and port by small
/// packets.
#[must_use]
pub fn small_control(target: &Destination) -> Destination {
    Destination {
        role: Role::Reference(ReferenceKind::Small),
        size: Some(small_size(target.protocol, target.address.is_ipv6())),
        ..target.clone()
    }
}
