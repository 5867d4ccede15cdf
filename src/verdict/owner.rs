//! Which ASes may own a router, given the addresses of its neighbours on the path.
//!
//! A router answers with the address of one interface, and a link between two networks is numbered from either one's
//! space. So an address at an AS change may belong to the network before or to the one after it: a hop keeps **all**
//! its candidates, and a verdict names the union over the interval in which packets are lost. "Inside A" therefore
//! takes three hops in a row in A: the two that bound the loss, and the one behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Question;
use super::observe::Series;
use crate::number::Asn;
use crate::path::{Attribution, Kind, Neighbours, Path};

/// What the control's path shows at one TTL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Owner {
    address: Option<IpAddr>,
    asns: BTreeSet<Asn>,
    kind: Option<Kind>,
    standing: Standing,
    /// How many hops it is away on the way back, by its reply's TTL.
    back: Option<u8>,
}

/// How much one address says of who stands there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    /// A neighbour on the path is of the same AS, or adjacency data vouch for it, or it answers by the same way as the hop
    /// before.
    #[default]
    Firm,
    /// The only one of its AS, between two others, that answers by a way of its own: a network crossed by one router, or a
    /// router that shows the interface of that way, which may be numbered by a third network (Hyun et al. 2003).
    Alone,
    /// The near end of the link to the next hop: a router that answers from the side it sends by, so that the address says
    /// nothing of the link it was come by, and its owner may be that of the hop before.
    Outward,
    /// The only one of its AS inside another. No route enters an AS twice (RFC 4271 §9.1.2), so it is a third party's
    /// address.
    Foreign,
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
pub struct Owners<'a> {
    hops: Vec<Owner>,
    /// What the table says of every address seen, on whatever path.
    known: BTreeMap<IpAddr, BTreeSet<Asn>>,
    /// Origins of the target's own prefix.
    pub destination: BTreeSet<Asn>,
    /// Which ASes are neighbours, as far as is known.
    neighbours: &'a Neighbours,
}

impl<'a> Owners<'a> {
    /// From what the controls drew, with the attributions that the paths of the question carry.
    ///
    /// `distance` is the TTL at which the reference's host stands; where it is unknown, nothing is known behind the
    /// last router.
    #[must_use]
    pub fn new(controls: &Series, distance: Option<u8>, question: &'a Question<'a>) -> Self {
        let Question { target, references, neighbours, .. } = *question;
        let known = attributions(target, references);
        let destination: BTreeSet<Asn> = target.attribution.asns.iter().copied().collect();
        let last = distance.map_or(controls.last_router(), |distance| distance.saturating_sub(1));
        let mut hops = vec![Owner::default()];
        for ttl in 1..=last {
            let mut owner = Owner::default();
            if let Some(router) = controls.at(ttl).routers.first() {
                owner.address = Some(router.address);
                owner.back = router.back;
                if let Some(attribution) = known.get(&router.address) {
                    owner.kind = Some(attribution.kind);
                    owner.asns = attribution.asns.iter().copied().collect();
                }
            }
            hops.push(owner);
        }
        if distance.is_some() {
            let standing = Standing::Firm;
            hops.push(Owner { address: None, asns: destination.clone(), kind: None, standing, back: None });
        }
        stand(&mut hops, neighbours);
        let known = known
            .into_iter()
            .map(|(address, attribution)| (address, attribution.asns.iter().copied().collect()))
            .collect();
        Self { hops, known, destination, neighbours }
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

    /// What the table says of the address shown at `ttl`; empty where nothing is shown or known.
    #[must_use]
    pub fn origins(&self, ttl: u8) -> &BTreeSet<Asn> {
        static NOTHING: BTreeSet<Asn> = BTreeSet::new();
        self.at(ttl).map_or(&NOTHING, |owner| &owner.asns)
    }

    /// Whether some hop is numbered from this AS, and not only by a third party's address.
    #[must_use]
    pub fn shows(&self, asn: Asn) -> bool {
        self.hops.iter().any(|owner| owner.asns.contains(&asn) && owner.standing != Standing::Foreign)
    }

    /// The candidates for the router at `ttl`.
    #[must_use]
    pub fn router(&self, ttl: u8) -> Candidates {
        // Behind the host stands nothing that is known.
        let place = usize::from(ttl).min(self.hops.len());
        let before = self.hops[..place].iter().enumerate().rev().find(|(_, owner)| owner.mapped());
        let behind = || self.hops.iter().enumerate().skip(place + 1).filter(|(_, owner)| owner.mapped());
        let mut found = Candidates::default();
        let Some(owner) = self.at(ttl).filter(|owner| owner.mapped()) else {
            // Silent, private, or an exchange's LAN: either neighbour may own it.
            let after = behind().next();
            found.open = before.is_none() || after.is_none();
            for (_, neighbour) in [before, after].into_iter().flatten() {
                found.take(neighbour);
            }
            if let (Some((from, one)), Some((to, other))) = (before, after) {
                found.hidden = self.hides(from, one, to, other);
            }
            return found;
        };
        if owner.standing != Standing::Foreign {
            found.take(owner);
        }
        if owner.standing != Standing::Firm
            && let Some((at, neighbour)) = before
        {
            found.take(neighbour);
            found.hidden |= owner.standing == Standing::Outward && self.hides(at, neighbour, place, owner);
        }
        // An address that stands alone may be a third party's, so what is behind it counts as well.
        let mut place = place;
        let mut last = owner;
        for (at, next) in behind() {
            // The next address is of the same AS, or of an AS that shares a prefix with it: one organisation.
            let same = !next.asns.is_disjoint(&owner.asns);
            if !same && next.standing != Standing::Foreign {
                found.take(next);
                found.hidden |= self.hides(place, last, at, next);
            }
            if same || matches!(next.standing, Standing::Firm | Standing::Outward) {
                return found;
            }
            if next.standing == Standing::Alone {
                (place, last) = (at, next);
            }
        }
        found.open = true;
        found
    }

    /// Whether an AS that no hop shows may stand between two mapped hops.
    ///
    /// Without adjacency data only a gap tells; with them, that the two are no neighbours does, gap or not, and that they
    /// are neighbours explains a gap.
    fn hides(&self, from: usize, one: &Owner, to: usize, other: &Owner) -> bool {
        if !one.asns.is_disjoint(&other.asns) {
            return false;
        }
        match self.neighbours.any(&one.asns, &other.asns) {
            Some(neighbours) => !neighbours,
            None => to > from + 1 && !self.only_an_exchange(from, to),
        }
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

impl Candidates {
    fn take(&mut self, owner: &Owner) {
        self.asns.extend(&owner.asns);
        self.several_origins |= owner.asns.len() > 1;
    }
}

/// Finds the addresses that stand alone, and those that look the other way.
fn stand(hops: &mut [Owner], neighbours: &Neighbours) {
    for place in 1..hops.len() {
        if let (Some(one), Some(other)) = (hops[place - 1].address, hops[place].address)
            && ends_of_one_link(one, other)
        {
            hops[place - 1].standing = Standing::Outward;
        }
    }
    let mapped: Vec<usize> = (0..hops.len()).filter(|at| hops[*at].mapped()).collect();
    for window in mapped.windows(3) {
        let (one, owner, other) = (&hops[window[0]].asns, &hops[window[1]], &hops[window[2]].asns);
        if !owner.asns.is_disjoint(one) || !owner.asns.is_disjoint(other) {
            continue;
        }
        let vouched = [one, other].iter().all(|asns| neighbours.any(asns, &owner.asns) == Some(true));
        let standing = if !one.is_disjoint(other) {
            Standing::Foreign
        } else if vouched || same_way_back(hops, window[0], window[1]) {
            Standing::Firm
        } else {
            Standing::Alone
        };
        if standing != Standing::Firm {
            hops[window[1]].standing = standing;
        }
    }
}

/// Whether two hops' answers come by one way: each hop farther out is as many hops farther on the way back.
fn same_way_back(hops: &[Owner], near: usize, far: usize) -> bool {
    let (Some(one), Some(other)) = (hops[near].back, hops[far].back) else { return false };
    usize::from(one) + (far - near) == usize::from(other)
}

/// The two hosts of a /30 or /126, or the two addresses of a /31 or /127 (RFC 3021, RFC 6164): a link between two routers.
fn ends_of_one_link(one: IpAddr, other: IpAddr) -> bool {
    let (one, other) = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(u32::from(one)), u128::from(u32::from(other))),
        (IpAddr::V6(one), IpAddr::V6(other)) => (u128::from(one), u128::from(other)),
        _ => return false,
    };
    one != other && (one ^ 1 == other || (one ^ other == 3 && matches!(one & 3, 1 | 2)))
}

/// Every attribution that the paths carry, by address.
fn attributions<'a>(target: &'a Path, paths: &'a [Path]) -> BTreeMap<IpAddr, &'a Attribution> {
    let hops = std::iter::once(target).chain(paths).flat_map(|path| &path.hops);
    hops.flat_map(|hop| hop.hop.responders.iter().map(|one| one.address).zip(&hop.attributions)).collect()
}
