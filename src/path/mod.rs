//! Hops with their owners: from a record of replies to an AS path, with grounds.
//!
//! An address is attributed, not a router. The address a router answers with is that of an interface, and at a border
//! it is often numbered from the neighbour's space; what follows from that for a verdict is decided in `verdict`, where
//! every hop keeps all its candidates. Here is only said what the table says of each address.

mod attribution;
mod neighbours;

use std::net::IpAddr;

use crate::number::Asn;
use crate::trace::{DestinationId, Hop, ReferenceKind, Role, Run, hops};

pub use crate::asdb::Kind;
pub use attribution::{Atlas, Attribution, Grounds, Origins, Overlay};
pub use neighbours::Neighbours;

/// One destination's hops, each responder with what the table says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Which destination of the run.
    pub destination: DestinationId,
    /// What it is to the run.
    pub role: Role,
    /// As the user wrote it.
    pub host: String,
    /// The address probed.
    pub address: IpAddr,
    /// What the table says of that address.
    pub attribution: Attribution,
    /// The host answered for itself, at any TTL.
    pub reached: bool,
    /// The lowest TTL at which it did.
    pub distance: Option<u8>,
    /// By ascending TTL, ending with the distance if it is known.
    pub hops: Vec<PathHop>,
    /// The different ASes of the hops in order, repeats left out, the host's own last if it was reached.
    pub as_path: Vec<Asn>,
}

/// A hop and what the table says of each of its responders, in the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathHop {
    /// The counted replies.
    pub hop: Hop,
    /// One for each of the hop's responders.
    pub attributions: Vec<Attribution>,
}

/// The path to one destination of a run.
#[must_use]
pub fn path(run: &Run, id: DestinationId, atlas: &mut Atlas<'_>) -> Path {
    path_until(run, id, None, atlas)
}

/// The path to the target as traceroute shows one: it ends with the hop at which a router first refused to send a probe
/// on, unless the host answered probes of this path all the same.
#[must_use]
pub fn path_as_traced(run: &Run, atlas: &mut Atlas<'_>) -> Path {
    path_until(run, Run::TARGET, run.refused_at(Run::TARGET), atlas)
}

fn path_until(run: &Run, id: DestinationId, refused: Option<u8>, atlas: &mut Atlas<'_>) -> Path {
    let destination = run.destination(id);
    let (reached, distance) = run.reached(id);
    let hops: Vec<PathHop> = hops(run, id)
        .into_iter()
        .filter(|hop| distance.or(refused).is_none_or(|end| hop.ttl <= end))
        .map(|hop| PathHop {
            attributions: hop.responders.iter().map(|one| atlas.of(one.address).clone()).collect(),
            hop,
        })
        .collect();
    let attribution = atlas.of(destination.address).clone();
    let mut as_path = Vec::new();
    let firsts = hops.iter().filter_map(|hop| hop.attributions.first().and_then(|first| first.asns.first()));
    for asn in firsts.chain(attribution.asns.first().filter(|_| reached)) {
        if as_path.last() != Some(asn) {
            as_path.push(*asn);
        }
    }
    Path {
        destination: id,
        role: destination.role,
        host: destination.host.clone(),
        address: destination.address,
        attribution,
        reached,
        distance,
        hops,
        as_path,
    }
}

/// The target's path and those of everything it can be compared with: the references and, for a target that stays silent,
/// its own other ports once they have answered and been followed hop by hop. Another protocol of the target serves only
/// where there is no reference: routers may treat it otherwise.
#[must_use]
pub fn paths(run: &Run, atlas: &mut Atlas<'_>) -> (Path, Vec<Path>) {
    let target = path(run, Run::TARGET, atlas);
    let protocol = run.destination(Run::TARGET).protocol;
    let alone = run.references().next().is_none();
    let serves = |id: DestinationId| match run.destination(id).role {
        Role::Target | Role::Check | Role::Outsized => false,
        Role::Reference(_) => true,
        Role::Variant => !target.reached && (alone || run.destination(id).protocol == protocol),
    };
    let references = run
        .destinations()
        .filter(|(id, _)| serves(*id))
        .map(|(id, _)| path(run, id, atlas))
        .filter(|path| path.role != Role::Variant || (path.reached && !path.hops.is_empty()))
        .map(|mut path| {
            if path.role == Role::Variant {
                path.role = Role::Reference(ReferenceKind::SameHost);
            }
            path
        })
        .collect();
    (target, references)
}
