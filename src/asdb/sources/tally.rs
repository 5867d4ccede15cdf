//! Routes as a collector saw them, counted until the file ends, and what of them is worth a place in a table.
//!
//! A raw BGP table is no statement about who owns addresses: it holds default routes, somebody's private space, leaked
//! more-specifics of one customer and mistyped origins. What is left out is counted by reason ([`reason`]), so that nobody wonders.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{Options, Read};
use crate::asdb::build::Builder;
use crate::asdb::range::{Key, Range};
use crate::number::{Asn, AsnClass, special};

/// Why a route is not in the table: the keys of [`Read::dropped`].
pub(crate) mod reason {
    pub(crate) const DEFAULT: &str = "default route";
    pub(crate) const WIDE: &str = "prefix wider than /8 (IPv6: /12)";
    pub(crate) const SPECIAL: &str = "prefix in special-purpose space";
    pub(crate) const NARROW: &str = "prefix longer than /24 (IPv6: /48)";
    pub(crate) const RESERVED: &str = "route whose origin is a private or reserved AS";
    pub(crate) const NO_PATH: &str = "route without an AS in its path";
    pub(crate) const FEW: &str = "origin seen by too few peers";
}

/// Which prefixes are routes of the public Internet.
pub(crate) struct Limits {
    four: Vec<(u32, u8)>,
    six: Vec<(u128, u8)>,
    narrow: bool,
    bogons: bool,
}

impl Limits {
    pub(crate) fn new(options: &Options) -> Self {
        let (mut four, mut six) = (Vec::new(), Vec::new());
        for (base, bits, _) in special::ranges() {
            match base {
                IpAddr::V4(base) => four.push((u32::from(base), bits)),
                IpAddr::V6(base) => six.push((u128::from(base), bits)),
            }
        }
        Self { four, six, narrow: options.narrow_prefixes, bogons: options.bogons }
    }

    /// Why this prefix is none, if so.
    pub(crate) fn refuse_four(&self, key: u32, bits: u8) -> Option<&'static str> {
        self.refuse(&self.four, key, bits, 8, 24)
    }

    /// The same of IPv6.
    pub(crate) fn refuse_six(&self, key: u128, bits: u8) -> Option<&'static str> {
        self.refuse(&self.six, key, bits, 12, 48)
    }

    fn refuse<K: Key>(
        &self,
        special: &[(K, u8)],
        key: K,
        bits: u8,
        wide: u8,
        narrow: u8,
    ) -> Option<&'static str> {
        if bits == 0 {
            return Some(reason::DEFAULT);
        }
        if bits < wide {
            return Some(reason::WIDE);
        }
        let inside = |(base, length): &(K, u8)| {
            *length <= bits && (key ^ *base) >> (K::BITS - u32::from(*length)) == K::ZERO
        };
        if !self.bogons && special.iter().any(inside) {
            return Some(reason::SPECIAL);
        }
        (bits > narrow && !self.narrow).then_some(reason::NARROW)
    }
}

/// The origin of a route: one AS, or the number of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OriginId(u64);

impl OriginId {
    const SET: u64 = 1 << 32;

    pub(crate) fn of(asn: Asn) -> Self {
        Self(asn.0.into())
    }
}

/// A prefix with one of its origins.
#[derive(Clone, Copy)]
struct Route<K> {
    key: K,
    bits: u8,
    peers: u32,
    origin: OriginId,
}

/// Prefixes, their origins and how many peers saw each.
#[derive(Default)]
pub(crate) struct Tally {
    four: Vec<Route<u32>>,
    six: Vec<Route<u128>>,
    sets: Vec<Vec<Asn>>,
    set_numbers: HashMap<Vec<Asn>, u64>,
    bogons: bool,
}

impl Tally {
    pub(crate) fn new(options: &Options) -> Self {
        Self { bogons: options.bogons, ..Self::default() }
    }

    /// The origin that these ASes are together; `None` if none of them can be an origin on the public Internet. Members of
    /// a set that cannot are left out.
    pub(crate) fn origin(&mut self, asns: &[Asn], as_set: bool) -> Option<OriginId> {
        let public = |asn: &Asn| self.bogons && asn.0 != 0 || asn.class() == AsnClass::Public;
        match asns {
            [asn] if !as_set => public(asn).then(|| OriginId::of(*asn)),
            _ => {
                let mut members: Vec<Asn> = asns.iter().copied().filter(public).collect();
                members.sort_unstable();
                members.dedup();
                if members.is_empty() {
                    return None;
                }
                let next = self.sets.len() as u64;
                let number = *self.set_numbers.entry(members.clone()).or_insert(next);
                if number == next {
                    self.sets.push(members);
                }
                Some(OriginId(OriginId::SET | number))
            }
        }
    }

    /// `peers` peers saw the prefix with this origin. The same again adds up.
    pub(crate) fn four(&mut self, key: u32, bits: u8, origin: OriginId, peers: u32) {
        self.four.push(Route { key, bits, peers, origin });
    }

    /// The same of IPv6.
    pub(crate) fn six(&mut self, key: u128, bits: u8, origin: OriginId, peers: u32) {
        self.six.push(Route { key, bits, peers, origin });
    }

    /// Sorts and adds up. Gives the number of prefixes, IPv4 and IPv6.
    pub(crate) fn settle(&mut self) -> [u64; 2] {
        [settle(&mut self.four), settle(&mut self.six)]
    }

    /// Hands over the settled routes whose origin enough peers saw, each prefix with the most seen origin first; of those
    /// seen alike the lower number.
    pub(crate) fn hand_over(self, into: &mut Builder, wanted: [u32; 2], read: &mut Read) {
        hand_over(&self.four, &self.sets, into, wanted[0], read);
        hand_over(&self.six, &self.sets, into, wanted[1], read);
    }
}

fn settle<K: Key>(routes: &mut Vec<Route<K>>) -> u64 {
    routes.sort_unstable_by_key(|route| (route.key, route.bits, route.origin));
    routes.dedup_by(|later, earlier| {
        let same = (later.key, later.bits, later.origin) == (earlier.key, earlier.bits, earlier.origin);
        if same {
            earlier.peers = earlier.peers.saturating_add(later.peers);
        }
        same
    });
    routes.chunk_by(|a, b| (a.key, a.bits) == (b.key, b.bits)).count() as u64
}

fn hand_over<K: Key>(
    routes: &[Route<K>],
    sets: &[Vec<Asn>],
    into: &mut Builder,
    wanted: u32,
    read: &mut Read,
) {
    let (mut seen, mut asns): (Vec<&Route<K>>, Vec<Asn>) = (Vec::new(), Vec::new());
    for prefix in routes.chunk_by(|a, b| (a.key, a.bits) == (b.key, b.bits)) {
        seen.clear();
        seen.extend(prefix.iter().filter(|route| route.peers >= wanted));
        read.drop_some(reason::FEW, (prefix.len() - seen.len()) as u64);
        seen.sort_by_key(|route| std::cmp::Reverse(route.peers));
        asns.clear();
        let mut as_set = false;
        for route in &seen {
            let alone = [Asn(route.origin.0 as u32)];
            let members: &[Asn] = match route.origin.0.checked_sub(OriginId::SET) {
                None => &alone,
                Some(number) => {
                    as_set = true;
                    sets.get(number as usize).map_or(&[], Vec::as_slice)
                }
            };
            for asn in members {
                if !asns.contains(asn) {
                    asns.push(*asn);
                }
            }
        }
        let Some(route) = seen.first() else { continue };
        let range = Range::of_prefix(route.key, route.bits.into());
        // The ends of a prefix are in order.
        if into.range(range.first.address(), range.last.address(), &asns, as_set).is_ok() {
            read.kept += 1;
        }
    }
}
