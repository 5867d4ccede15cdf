//! Where a path without a verdict stops: between the last hop that the target's packets were answered from and the next one that
//! answers to a reference of the same vantage.
//!
//! The candidates are those of a single run's verdict, by the same reasoning: the router may be either neighbour's at a border,
//! and it may have dropped before or after it counted. A trace printed by another tool has a few probes a hop and no coin, so
//! that its bounds are firm only where enough of them were silent and the reference was not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use crate::trace::ReplyKind;
use crate::trace::schema::{Document, Hop, Path, Responder};

/// Probes to the target that stayed silent where the reference answered, from which on bounds are firm: two hops of three probes,
/// as most tools send them. (Three of three against none of three have p = 0.05 at best.)
const SILENT: u32 = 5;

/// Where a path stops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Networks that may be to blame.
    pub asns: BTreeSet<u32>,
    /// Nobody else may.
    pub firm: bool,
    /// Networks that the target's packets have crossed for certain.
    pub crossed: BTreeSet<u32>,
    /// The network of the last hop that answered.
    pub last: Option<u32>,
    /// The last router that the target's packets are known to have reached.
    pub after: Option<IpAddr>,
    /// The next one on a reference's path.
    pub before: Option<IpAddr>,
    /// Hops between the two show nobody.
    pub gap: bool,
}

/// Every path that anybody saw, as pairs of routers at successive TTLs; and what is known of neighbours.
pub struct Around<'a> {
    /// A router's address → networks of the addresses seen right before it.
    before: HashMap<IpAddr, BTreeSet<u32>>,
    /// A network → how many others a path shows before it → the last of those.
    deep: HashMap<u32, BTreeMap<usize, BTreeSet<u32>>>,
    /// Whether two networks are neighbours, where there is data.
    adjacent: Option<&'a dyn Fn(u32, u32) -> Option<bool>>,
}

impl<'a> Around<'a> {
    /// Nothing seen yet.
    pub fn new(adjacent: Option<&'a dyn Fn(u32, u32) -> Option<bool>>) -> Self {
        Self { before: HashMap::new(), deep: HashMap::new(), adjacent }
    }

    /// Adds a path.
    pub fn learn(&mut self, path: &Path) {
        let crossed = networks(path.hops.iter().filter(|hop| answers(hop)));
        for (depth, pair) in crossed.windows(2).enumerate() {
            self.deep.entry(pair[1]).or_default().entry(depth + 1).or_default().insert(pair[0]);
        }
        for pair in path.hops.windows(2) {
            if pair[1].ttl != pair[0].ttl + 1 {
                continue;
            }
            let near: Vec<u32> = owners(&pair[0]).to_vec();
            for address in pair[1].responders.iter().filter_map(|one| one.address) {
                if !near.is_empty() {
                    self.before.entry(address).or_default().extend(&near);
                }
            }
        }
    }

    /// The networks whose addresses the routers show that stand at a change of networks between place `from` of a path and the
    /// first change behind place `before`, where one of them shows more than its neighbours': it may be anybody's of them, or
    /// another's.
    fn unseen(&self, lane: &Lane<'_>, from: usize, before: usize) -> Option<BTreeSet<u32>> {
        let mut found: Option<BTreeSet<u32>> = None;
        let to = lane.next_change(before);
        for at in from..to.min(lane.hops.len().saturating_sub(1)) {
            // What no network announces is between two that do.
            let far = lane.next_owned(at + 1).unwrap_or(at + 1);
            let (near, far) = (lane.hops[at], lane.hops[far]);
            let address = far.responders.iter().find_map(|one| one.address);
            if self.hides(owners(near), owners(far), address) {
                let seen = address.and_then(|address| self.before.get(&address));
                found.get_or_insert_default().extend(seen.into_iter().flatten());
            }
            // A single router that shows another's address is next to the change.
            if at <= before
                && let Some(between) = self.between(lane, at)
            {
                found.get_or_insert_default().extend(between);
            }
        }
        found
    }

    /// Whether a network that shows no address may stand at the change of networks behind place `at` of a path, because others
    /// come to a network behind it through more networks than this path shows; and those by which they come into the next one.
    /// A network that is crossed by one router, its links numbered by its neighbours, shows none; where everybody's path is as
    /// long, that this is so is no more likely here than elsewhere.
    fn between(&self, lane: &Lane<'_>, at: usize) -> Option<BTreeSet<u32>> {
        let (near, far) = (owners(lane.hops[at]), owners(lane.hops[lane.next_owned(at + 1)?]));
        let (one, other) = (*near.first()?, *far.first()?);
        if far.contains(&one) || near.contains(&other) {
            return None;
        }
        if self.adjacent.is_some_and(|test| test(one, other) == Some(true)) {
            return None;
        }
        let depth = networks(lane.hops[..=at].iter().copied()).len();
        let rest = networks(lane.hops[at + 1..].iter().copied());
        let deeper = |asn: u32, depth: usize| {
            self.deep.get(&asn).into_iter().flat_map(move |rows| rows.range(depth + 1..))
        };
        if !rest.iter().enumerate().any(|(more, asn)| deeper(*asn, depth + more).next().is_some()) {
            return None;
        }
        Some(
            deeper(other, depth)
                .flat_map(|(_, last)| last)
                .copied()
                .filter(|asn| !near.contains(asn))
                .collect(),
        )
    }

    /// The same for a border that a run of our own names: between its `after` and the network behind its `before`.
    pub fn unseen_at(&self, document: &Document, bounds: &Bounds) -> Option<BTreeSet<u32>> {
        let mut found: Option<BTreeSet<u32>> = None;
        for reference in &document.references {
            let lane = Lane::of(reference, None);
            let place = |address: Option<IpAddr>| {
                let shows = |hop: &&Hop| hop.responders.iter().any(|one| one.address == address);
                address.and_then(|_| lane.hops.iter().position(shows))
            };
            let to = place(bounds.before);
            let (from, to) = (place(bounds.after).or(to).unwrap_or(0), to.unwrap_or(0));
            if let Some(seen) = self.unseen(&lane, from, to) {
                found.get_or_insert_default().extend(seen);
            }
        }
        found
    }

    /// Whether a network that no address shows may stand between a router of `near` and the router of `far` at `address`. A router
    /// shows the address of the link it is asked by, so that the same address means the same link, and one router before it; if
    /// that router shows addresses of several networks, each is a neighbour's, and whose it is itself is not known.
    fn hides(&self, near: &[u32], far: &[u32], address: Option<IpAddr>) -> bool {
        if near.is_empty() || far.is_empty() || near.iter().any(|asn| far.contains(asn)) {
            return false;
        }
        let known = |test: &dyn Fn(u32, u32) -> Option<bool>| {
            let mut pairs = near.iter().flat_map(|one| far.iter().map(move |other| (*one, *other)));
            pairs.all(|(one, other)| test(one, other) == Some(false))
        };
        if self.adjacent.is_some_and(known) {
            return true;
        }
        let seen = address.and_then(|address| self.before.get(&address));
        seen.is_some_and(|seen| seen.iter().any(|asn| !near.contains(asn) && !far.contains(asn)))
    }
}

/// The networks of a hop's nearest responder: of our table, or, where the file hides the address, those that it claims itself.
pub fn systems(responder: &Responder) -> &[u32] {
    if !responder.asns.is_empty() {
        return &responder.asns;
    }
    // A claim about an address that is nobody's is a known mistake of other tools.
    let hidden = responder.address.is_none() || responder.kind == "unannounced";
    if hidden { &responder.claims } else { &[] }
}

/// The networks of a hop.
fn owners(hop: &Hop) -> &[u32] {
    hop.responders.iter().map(systems).find(|asns| !asns.is_empty()).unwrap_or_default()
}

/// All networks on a path that answered.
pub fn on(path: &Path) -> BTreeSet<u32> {
    let hops = path.hops.iter().flat_map(|hop| hop.responders.iter().flat_map(systems));
    hops.chain(path.asn.iter().filter(|_| path.reached)).copied().collect()
}

/// The networks that hops show, one after another.
fn networks<'a>(hops: impl Iterator<Item = &'a Hop>) -> Vec<u32> {
    let mut all: Vec<u32> = hops.filter_map(|hop| owners(hop).first()).copied().collect();
    all.dedup();
    all
}

fn answers(hop: &Hop) -> bool {
    !hop.responders.is_empty()
}

fn refuses(hop: &Hop) -> bool {
    hop.responders.iter().any(|one| !one.replies.unreachable.is_empty() || !one.marks.is_empty())
}

/// A policy is spelled out. No route and no neighbour are not: the destination's last router, numbered by its provider, says
/// them of a host that is down.
fn prohibits(hop: &Hop) -> bool {
    let rows = hop.responders.iter().flat_map(|one| &one.replies.unreachable);
    let mut kinds = rows.map(|row| ReplyKind::Unreachable { icmp_type: row.icmp_type, code: row.code });
    kinds.any(ReplyKind::is_prohibited)
}

/// The path of a reference, or another target's, hop by hop with who may own each.
struct Lane<'a> {
    hops: Vec<&'a Hop>,
    destination: Option<u32>,
}

impl<'a> Lane<'a> {
    fn of(path: &'a Path, destination: Option<u32>) -> Self {
        let mut hops: Vec<&Hop> = path.hops.iter().filter(|hop| answers(hop)).collect();
        hops.sort_by_key(|hop| hop.ttl);
        Self { hops, destination }
    }

    /// Who may own the router at place `at`: whose its address is, and the next network if that is another.
    fn own(&self, at: usize) -> BTreeSet<u32> {
        let here = owners(self.hops[at]);
        let next = self.next_owned(at + 1).map_or(self.destination.as_slice(), |at| owners(self.hops[at]));
        let mut own: BTreeSet<u32> = here.iter().copied().collect();
        if here.is_empty() {
            let before = self.hops[..at].iter().rev().map(|hop| owners(hop)).find(|asns| !asns.is_empty());
            own.extend(before.unwrap_or_default());
        }
        if !next.iter().any(|asn| own.contains(asn)) {
            own.extend(next);
        }
        own
    }

    /// The first place at or behind `at` whose network is known.
    fn next_owned(&self, at: usize) -> Option<usize> {
        let rest = self.hops.get(at..)?;
        rest.iter().position(|hop| !owners(hop).is_empty()).map(|more| at + more)
    }

    /// The first place at or behind `at` that is of another network.
    fn next_change(&self, at: usize) -> usize {
        let Some(here) = self.hops.get(at).map(|hop| owners(hop)) else { return at };
        let other = |hop: &&Hop| !owners(hop).is_empty() && !owners(hop).iter().any(|asn| here.contains(asn));
        self.hops[at..].iter().position(other).map_or(at, |more| at + more)
    }

    /// Whether an unseen network may stand between these two places: hops are silent in between and the networks differ.
    fn hides(&self, one: usize, other: usize) -> bool {
        (one..other).any(|at| {
            let (near, far) = (self.hops[at], self.hops[at + 1]);
            let differ = !owners(near).iter().any(|asn| owners(far).contains(asn));
            far.ttl > near.ttl + 1 && differ
        })
    }
}

/// Where `target` stops, by the references of its vantage; `destination` is its own network.
pub fn bounds(target: &Path, references: &[&Path], destination: Option<u32>, around: &Around<'_>) -> Bounds {
    let mut found = Bounds::default();
    let Some(last) = target.hops.iter().rev().find(|hop| answers(hop)) else { return found };
    let here: Vec<u32> = owners(last).to_vec();
    found.last = here.first().copied();
    found.after = last.responders.iter().find_map(|one| one.address);
    let mut before: Vec<&Hop> = target.hops.iter().filter(|hop| answers(hop) && hop.ttl < last.ttl).collect();
    before.sort_by_key(|hop| std::cmp::Reverse(hop.ttl));
    // What was crossed: networks with an answer from behind them. The one of the last answers may be where it stops.
    let inside = before.iter().take_while(|hop| owners(hop).iter().all(|asn| here.contains(asn))).count();
    found.crossed = before[inside..].iter().flat_map(|hop| owners(hop)).copied().collect();
    if refuses(last) {
        found.asns.extend(&here);
        if let Some(near) = before.iter().map(|hop| owners(hop)).find(|asns| !asns.is_empty()) {
            found.asns.extend(near);
        }
        found.firm = !here.is_empty() && prohibits(last);
        found.crossed.retain(|asn| !found.asns.contains(asn));
        return found;
    }
    let mut best: Option<(bool, BTreeSet<u32>, Option<IpAddr>)> = None;
    let mut gap = false;
    // What one reference shows to be open is no less so because another's path does not show it.
    let mut opened: HashMap<IpAddr, BTreeSet<u32>> = HashMap::new();
    for reference in references {
        let lane = Lane::of(reference, destination);
        let Some(k) = lane.hops.iter().position(|hop| hop.ttl == last.ttl) else { continue };
        let Some(m) = (k + 1 < lane.hops.len()).then_some(k + 1) else { continue };
        // Its own last hop is the reference itself, and no router on the way of the target.
        let is_host = |at: usize| {
            lane.hops[at]
                .responders
                .iter()
                .any(|one| one.address.is_some() && one.address == reference.address)
        };
        if is_host(m) {
            continue;
        }
        let mut asns = lane.own(k);
        asns.extend(lane.own(m));
        let same = shared(last, lane.hops[k]);
        let silent =
            |hop: &&Hop| lane.hops[m..].iter().any(|control| control.ttl == hop.ttl) && hop.ttl > last.ttl;
        let probes =
            target.hops.iter().filter(silent).map(|hop| hop.sent.unwrap_or(1)).fold(0, u32::saturating_add);
        let before = lane.hops[m].responders.iter().find_map(|one| one.address);
        gap |= lane.hops[m].ttl > last.ttl.saturating_add(1);
        let end = lane.next_change(m);
        let unseen = around.unseen(&lane, k, m);
        let hidden = unseen.is_some() || lane.hides(k, end);
        if let (true, Some(at), Some(unseen)) = (same, before, &unseen) {
            opened.entry(at).or_default().extend(unseen);
        }
        asns.extend(unseen.into_iter().flatten());
        let firm = same && probes >= SILENT && !hidden && !asns.is_empty();
        best = match best {
            // Two references bound it each; what only one allows is not excluded by the other.
            Some((was, known, at)) if was == firm => {
                Some((firm, known.union(&asns).copied().collect(), at.filter(|at| before == Some(*at))))
            }
            Some((true, known, at)) => Some((true, known, at)),
            _ => Some((firm, asns, before)),
        };
    }
    match best {
        Some((firm, asns, before)) => {
            (found.firm, found.asns, found.before, found.gap) = (firm, asns, before, gap)
        }
        None => found.asns.extend(&here),
    }
    if let Some(unseen) = found.before.and_then(|at| opened.get(&at)) {
        found.firm = false;
        found.asns.extend(unseen);
    }
    found.crossed.retain(|asn| !found.asns.contains(asn));
    found
}

/// Whether two hops show the same router: the same address, or, where the file hides addresses, the same network.
fn shared(one: &Hop, other: &Hop) -> bool {
    let address = |hop: &Hop| hop.responders.iter().find_map(|one| one.address);
    match (address(one), address(other)) {
        (Some(_), Some(_)) => one
            .responders
            .iter()
            .filter(|one| one.address.is_some())
            .any(|one| other.responders.iter().any(|other| other.address == one.address)),
        _ => owners(one).iter().any(|asn| owners(other).contains(asn)),
    }
}
