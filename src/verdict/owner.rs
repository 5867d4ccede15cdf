//! Which ASes may own a router, given the addresses of its neighbours on the path.
//!
//! A router answers with the address of one interface, and a link between two networks is numbered from either one's
//! space. So an address at an AS change may belong to the network before or to the one after it: a hop keeps **all**
//! its candidates, and a verdict names the union over the interval in which packets are lost. "Inside A" therefore
//! takes three hops in a row in A: the two that bound the loss, and the one behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::observe::Series;
use crate::number::Asn;
use crate::path::{Attribution, Kind, Path};

/// What the control's path shows at one TTL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Owner {
    address: Option<IpAddr>,
    asns: BTreeSet<Asn>,
    kind: Option<Kind>,
}

impl Owner {
    fn mapped(&self) -> bool {
        !self.asns.is_empty()
    }
}

/// The ASes that may own a place, and how sure that list is to be whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// The candidates.
    pub asns: BTreeSet<Asn>,
    /// An AS that no hop shows may sit here: two mapped hops around the place differ and are not neighbours.
    pub hidden: bool,
    /// Some address here has several origins in the table.
    pub several_origins: bool,
    /// Nothing around the place is mapped on at least one side.
    pub open: bool,
}

/// The control's path as owners, TTL by TTL, the destination's own AS behind the last router.
#[derive(Clone, Debug)]
pub struct Owners {
    hops: Vec<Owner>,
    /// What the table says of every address seen, on whatever path.
    known: BTreeMap<IpAddr, BTreeSet<Asn>>,
    /// Origins of the target's own prefix.
    pub destination: BTreeSet<Asn>,
}

impl Owners {
    /// From what the controls drew, with the attributions that `paths` carry.
    ///
    /// `distance` is the TTL at which the reference's host stands; where it is unknown, nothing is known behind the
    /// last router.
    #[must_use]
    pub fn new(controls: &Series, distance: Option<u8>, target: &Path, paths: &[Path]) -> Self {
        let known = attributions(target, paths);
        let destination: BTreeSet<Asn> = target.attribution.asns.iter().copied().collect();
        let last = distance.map_or(controls.last_router(), |distance| distance.saturating_sub(1));
        let mut hops = vec![Owner::default()];
        for ttl in 1..=last {
            let mut owner = Owner::default();
            if let Some(router) = controls.at(ttl).routers.first() {
                owner.address = Some(router.address);
                if let Some(attribution) = known.get(&router.address) {
                    owner.kind = Some(attribution.kind);
                    owner.asns = attribution.asns.iter().copied().collect();
                }
            }
            hops.push(owner);
        }
        if distance.is_some() {
            hops.push(Owner { address: None, asns: destination.clone(), kind: None });
        }
        let known = known
            .into_iter()
            .map(|(address, attribution)| (address, attribution.asns.iter().copied().collect()))
            .collect();
        Self { hops, known, destination }
    }

    /// Whether an address seen on some path is of these ASes and no other; an unmapped one is of none.
    #[must_use]
    pub fn is_of(&self, address: IpAddr, asns: &BTreeSet<Asn>) -> bool {
        self.known.get(&address).is_some_and(|own| !own.is_empty() && own.is_subset(asns))
    }

    fn at(&self, ttl: u8) -> Option<&Owner> {
        self.hops.get(usize::from(ttl))
    }

    /// The first TTL whose router has a public address; 0 if none has.
    #[must_use]
    pub fn first_public(&self) -> u8 {
        let public = |owner: &Owner| matches!(owner.kind, Some(Kind::As | Kind::Ixp | Kind::Unannounced));
        self.hops.iter().position(public).unwrap_or(0) as u8
    }

    /// The address the controls' routers showed most at `ttl`.
    #[must_use]
    pub fn address(&self, ttl: u8) -> Option<IpAddr> {
        self.at(ttl).and_then(|owner| owner.address)
    }

    /// The candidates for the router at `ttl`.
    #[must_use]
    pub fn router(&self, ttl: u8) -> Candidates {
        let place = usize::from(ttl);
        let before = || (0..place).rev().map(|at| (at, &self.hops[at])).find(|(_, owner)| owner.mapped());
        let after =
            || (place + 1..self.hops.len()).map(|at| (at, &self.hops[at])).find(|(_, owner)| owner.mapped());
        let mut found = Candidates::default();
        let Some(owner) = self.at(ttl).filter(|owner| owner.mapped()) else {
            // Silent, private, or an exchange's LAN: either neighbour may own it.
            let (before, after) = (before(), after());
            found.open = before.is_none() || after.is_none();
            for (_, neighbour) in [before, after].into_iter().flatten() {
                found.asns.extend(&neighbour.asns);
                found.several_origins |= neighbour.asns.len() > 1;
            }
            if let (Some((from, one)), Some((to, other))) = (before, after) {
                found.hidden = one.asns.is_disjoint(&other.asns) && !self.only_an_exchange(from, to);
            }
            return found;
        };
        found.asns.extend(&owner.asns);
        found.several_origins = owner.asns.len() > 1;
        match after() {
            None => found.open = true,
            // The next address is of the same AS, or of an AS that shares a prefix with it: one organisation.
            Some((_, next)) if !next.asns.is_disjoint(&owner.asns) => {}
            Some((at, next)) => {
                found.asns.extend(&next.asns);
                found.several_origins |= next.asns.len() > 1;
                found.hidden = at > place + 1 && !self.only_an_exchange(place, at);
            }
        }
        found
    }

    /// Between two mapped hops stands one hop, in the LAN of an exchange. That address belongs to the member that is
    /// entered, which is the AS of the hop behind it.
    fn only_an_exchange(&self, from: usize, to: usize) -> bool {
        to == from + 2 && self.hops[from + 1].kind == Some(Kind::Ixp)
    }

    /// The candidates for a loss behind router `after` and before router `before` answers.
    #[must_use]
    pub fn interval(&self, after: u8, before: u8) -> Candidates {
        let mut found = Candidates::default();
        for ttl in after..=before {
            let one = self.router(ttl);
            found.asns.extend(one.asns);
            found.hidden |= one.hidden;
            found.several_origins |= one.several_origins;
            // Behind our own end of the first link there is nothing to map.
            found.open |= one.open && ttl > 0;
        }
        found
    }

    /// How many hops around the interval, without a gap, are numbered from the AS and no other.
    #[must_use]
    pub fn depth(&self, after: u8, before: u8, asn: Asn) -> u8 {
        let is = |owner: Option<&Owner>| {
            owner.is_some_and(|owner| owner.asns.len() == 1 && owner.asns.contains(&asn))
        };
        let up = (0..=after).rev().take_while(|ttl| is(self.at(*ttl))).count();
        let down = (before..).take_while(|ttl| is(self.at(*ttl))).count();
        (up + down) as u8
    }
}

/// Every attribution that the paths carry, by address.
fn attributions<'a>(target: &'a Path, paths: &'a [Path]) -> BTreeMap<IpAddr, &'a Attribution> {
    let hops = std::iter::once(target).chain(paths).flat_map(|path| &path.hops);
    hops.flat_map(|hop| hop.hop.responders.iter().map(|one| one.address).zip(&hop.attributions)).collect()
}
