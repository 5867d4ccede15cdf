//! The table unpacked for many lookups.
//!
//! Two layers because two uses want opposite things. A diagnosis asks for some fifty addresses and must not wait: it unpacks
//! the few blocks it meets ([`Table::lookup`](super::Table::lookup)). A batch asks for millions: it pays some tens of milliseconds and some megabytes
//! once ([`Table::index`](super::Table::index)) and then has an answer in about two cache lines. The choice is the caller's, since only it knows how
//! much is to come; a table that has built its index uses it for single lookups too.
//!
//! The structure: all segments of a family sorted in one array, special-purpose ranges and exchange LANs already laid over
//! them, gaps included, so that every address has a segment. Over them a directory by the top bits of the address whose slots
//! either say where to begin in the array and how few segments to pass, or lead to a finer directory of just the bits that are
//! needed to spread what is there.
//!
//! Who only wants the ASes of an IPv4 address is spared that: for each /18 a word of four bytes tells where its answers begin
//! and how wide the blocks are that it takes to tell them apart, from one block of the whole /18 to 64 of /24 (DIR-24-8 of
//! Gupta, Lin and McKeown, INFOCOM 1998, with the second step only as fine as it must be). That is two loads, a shift and no
//! branch. Blocks of /24 that are split further, few in any table, go the way of all.
//!
//! What was measured to come there, on the shipped table: bitmaps of changes, counted up to the block (as in a Poptrie), take
//! two thirds of the memory and three times as long, for want of an instruction that counts bits on every x86-64; roots of
//! /16 or /17 are no faster and bigger, one of /19 is slower because it leaves the second-level cache.

use std::net::IpAddr;

use super::file::Origins;
use super::ixp;
use super::origin::{Asns, Kind, Origin, Source};
use super::range::{Key, Range, Segment, overlay};
use super::registry::{registry, translated};
use crate::number::Asn;

/// Flags above the 24 bits of a value: what the low bits point into.
mod tag {
    /// Nothing covers the segment.
    pub(super) const NOTHING: u32 = 1 << 31;
    /// A row of the special-purpose registries.
    pub(super) const SPECIAL: u32 = 1 << 30;
    /// A row of the list of exchange LANs.
    pub(super) const POOL: u32 = 1 << 29;
    /// The segment is a part of what was announced; the whole is in the list of wholes.
    pub(super) const PART: u32 = 1 << 28;
    pub(super) const VALUE: u32 = (1 << 24) - 1;
}

#[derive(Clone, Copy, Debug)]
struct Stretch<K> {
    first: K,
    value: u32,
}

/// Where to look next: the top bit clear, a place in the array (28 bits) and how many more segments begin in the bucket (3
/// bits); set, the width of a finer directory (4 bits) and where it begins (27 bits), width 0 being a run to bisect.
#[derive(Clone, Copy, Debug)]
struct Slot(u32);

impl Slot {
    const FINER: u32 = 1 << 31;
    const BASE: u32 = (1 << 27) - 1;
    /// The most segments that begin inside a bucket which is searched one by one.
    const FEW: usize = 7;
    /// The most bits a finer directory spreads.
    const WIDEST: u32 = 15;

    fn place(first: usize, more: usize) -> Self {
        Self((first as u32) << 3 | more as u32)
    }

    /// The places in the array that a run to bisect covers are in the list of runs.
    fn run(run: usize) -> Self {
        Self(Self::FINER | run as u32)
    }

    fn finer(base: usize, bits: u32) -> Self {
        Self(Self::FINER | bits << 27 | base as u32)
    }
}

/// One family.
#[derive(Debug)]
struct Plane<K> {
    stretches: Vec<Stretch<K>>,
    /// What was announced, where that is more than the segment; sorted by place.
    wholes: Vec<(u32, Range<K>)>,
    root: Vec<Slot>,
    slots: Vec<Slot>,
    /// First and last place of what is bisected, because it lies too close for directories.
    runs: Vec<(u32, u32)>,
    root_shift: u32,
}

impl<K: Key> Plane<K> {
    /// `segments` are sorted, disjoint, and their values tagged.
    fn new(segments: &[Segment<K>], root_bits: u32) -> Self {
        let mut stretches = Vec::with_capacity(segments.len() * 5 / 4 + 1);
        let mut wholes = Vec::new();
        let mut next = Some(K::ZERO);
        for segment in segments {
            if let Some(gap) = next.filter(|next| *next < segment.range.first) {
                stretches.push(Stretch { first: gap, value: tag::NOTHING });
            }
            let mut value = segment.value;
            if segment.announced != segment.range {
                wholes.push((stretches.len() as u32, segment.announced));
                value |= tag::PART;
            }
            stretches.push(Stretch { first: segment.range.first, value });
            next = segment.range.last.next();
        }
        if let Some(gap) = next {
            stretches.push(Stretch { first: gap, value: tag::NOTHING });
        }
        let root_shift = K::BITS - root_bits;
        let mut plane =
            Self { stretches, wholes, root: Vec::new(), slots: Vec::new(), runs: Vec::new(), root_shift };
        plane.root = vec![Slot(0); 1 << root_bits];
        let mut covering = 0;
        for bucket in 0..plane.root.len() {
            let (slot, last) = plane.spread(covering, bucket as u128, root_shift);
            plane.root[bucket] = slot;
            covering = last;
        }
        plane
    }

    /// The slot for the addresses whose bits above `shift` are `bucket`. `covering` is the segment that holds the first of
    /// them or one before it; what is returned beside the slot holds the last.
    fn spread(&mut self, covering: usize, bucket: u128, shift: u32) -> (Slot, usize) {
        let low = if shift >= 128 { 0 } else { bucket << shift };
        let high = low | if shift == 0 { 0 } else { u128::MAX >> (128 - shift) };
        let begins = |place: usize| -> u128 { self.stretches[place].first.into() };
        let mut first = covering;
        while first + 1 < self.stretches.len() && begins(first + 1) <= low {
            first += 1;
        }
        // Buckets hold few: gallop from here rather than bisect all that is left.
        let mut reach = 8;
        while first + reach < self.stretches.len() && begins(first + reach) <= high {
            reach *= 2;
        }
        let near = &self.stretches[first + 1..self.stretches.len().min(first + reach)];
        let inside = near.partition_point(|stretch| {
            let begin: u128 = stretch.first.into();
            begin <= high
        });
        if inside <= Slot::FEW {
            return (Slot::place(first, inside), first + inside);
        }
        let bits = (usize::BITS - inside.leading_zeros()).clamp(1, Slot::WIDEST).min(shift);
        let base = self.slots.len();
        // Segments that differ only in their last bits would need a directory for every few bits before those. Real tables stay
        // far below this budget; a table made to exceed it is bisected instead.
        if base + (1 << bits) > (1 << 17) + self.stretches.len() * 8 {
            self.runs.push((first as u32, (first + inside) as u32));
            return (Slot::run(self.runs.len() - 1), first + inside);
        }
        self.slots.resize(base + (1 << bits), Slot(0));
        let mut covering = first;
        for child in 0..1usize << bits {
            let (slot, last) = self.spread(covering, bucket << bits | child as u128, shift - bits);
            self.slots[base + child] = slot;
            covering = last;
        }
        (Slot::finer(base, bits), first + inside)
    }

    /// The place of the segment that holds `address`.
    #[inline]
    fn find(&self, address: K) -> usize {
        let mut shift = self.root_shift;
        let mut slot = self.root[address.slot(shift)].0;
        while slot & Slot::FINER != 0 {
            let bits = slot >> 27 & 0xf;
            let base = (slot & Slot::BASE) as usize;
            if bits == 0 {
                return self.bisect(base, address);
            }
            shift -= bits;
            slot = self.slots[base + (address.slot(shift) & ((1 << bits) - 1))].0;
        }
        let mut place = (slot >> 3) as usize;
        let last = place + (slot & 7) as usize;
        while place < last && self.stretches[place + 1].first <= address {
            place += 1;
        }
        place
    }

    #[cold]
    fn bisect(&self, run: usize, address: K) -> usize {
        let (first, last) = self.runs[run];
        let (first, last) = (first as usize, last as usize);
        first + self.stretches[first + 1..=last].partition_point(|stretch| stretch.first <= address)
    }

    #[inline]
    fn value(&self, address: K) -> u32 {
        self.stretches[self.find(address)].value
    }

    fn range(&self, place: usize) -> Range<K> {
        let first = self.stretches[place].first;
        let last = self.stretches.get(place + 1).and_then(|next| next.first.previous());
        Range { first, last: last.unwrap_or(K::MAX) }
    }

    /// What was announced around the segment at `place`.
    fn whole(&self, place: usize) -> Range<K> {
        if self.stretches[place].value & tag::PART != 0
            && let Ok(found) = self.wholes.binary_search_by_key(&place, |(place, _)| *place as usize)
        {
            return self.wholes[found].1;
        }
        self.range(place)
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.stretches)
            + size_of_val(&*self.wholes)
            + size_of_val(&*self.root)
            + size_of_val(&*self.slots)
            + size_of_val(&*self.runs)
    }
}

/// The one origin AS of IPv4 addresses, by /24, where one holds for all of it.
#[derive(Debug)]
struct Blocks {
    /// One for each /18: the place of its first answer, and in the low five bits how far an address inside the /18 is shifted
    /// to count its answers from there: 8 for blocks of /24, 14 if there is but one.
    nodes: Vec<u32>,
    /// [`Blocks::NOBODY`] where no AS is named, [`Blocks::SPLIT`] where only the array tells: several segments begin in the /24.
    /// At most 64 for each /18, so 64 MiB in a table made to need them; real ones need a seventh.
    origins: Vec<Asn>,
    /// A bit for each of them: several ASes announce it, and this is the first.
    several: Vec<u64>,
}

impl Blocks {
    const NODES: u32 = 1 << 18;
    /// The bits of an address below those that choose the node.
    const LOW: u32 = (1 << 14) - 1;
    /// AS 0 is nobody's (RFC 7607).
    const NOBODY: Asn = Asn(0);
    /// The last number is reserved (RFC 7300), and taken the slow way if a table has it all the same.
    const SPLIT: Asn = Asn(u32::MAX);

    /// `listed` says which ASes a value of the array stands for.
    fn new<'a>(plane: &Plane<u32>, listed: impl Fn(u32) -> &'a [Asn]) -> Self {
        let mut nodes = Vec::with_capacity(Self::NODES as usize);
        // The first answer is nobody's, for all who have no other.
        let mut origins = vec![(Self::NOBODY, false)];
        // The segment that holds the address looked at.
        let mut place = 0;
        let last_of = |place: usize| plane.range(place).last;
        let origin_of = |place: usize| match listed(plane.stretches[place].value) {
            [] => (Self::NOBODY, false),
            [first, rest @ ..] if *first != Self::NOBODY => (*first, !rest.is_empty()),
            _ => (Self::SPLIT, false),
        };
        let mut answers = [(Self::NOBODY, false); 64];
        for node in 0..Self::NODES {
            let (first, last) = (node << 14, node << 14 | Self::LOW);
            while last_of(place) < first {
                place += 1;
            }
            if last_of(place) >= last {
                let origin = origin_of(place);
                let base = match origins.last() {
                    _ if origin.0 == Self::NOBODY => 0,
                    Some(before) if *before == origin => origins.len() - 1,
                    _ => {
                        origins.push(origin);
                        origins.len() - 1
                    }
                };
                nodes.push((base as u32) << 5 | 14);
                continue;
            }
            let mut block = 0;
            // The places at which the answer changes, all in one: its lowest bit says how wide the blocks may be.
            let mut changes = 64;
            while block < 64 {
                while last_of(place) < first | (block as u32) << 8 {
                    place += 1;
                }
                // How many blocks end before the segment does or with it.
                let inside = last_of(place).min(last) - first;
                let whole = (inside as usize + 1) >> 8;
                let (origin, end) =
                    if whole > block { (origin_of(place), whole) } else { ((Self::SPLIT, false), block + 1) };
                if block > 0 && answers[block - 1] != origin {
                    changes |= block;
                }
                answers[block..end].fill(origin);
                block = end;
            }
            let width = changes.trailing_zeros();
            nodes.push((origins.len() as u32) << 5 | (8 + width));
            origins.extend(answers.iter().step_by(1 << width));
        }
        let mut several = vec![0u64; origins.len().div_ceil(64)];
        for (place, _) in origins.iter().enumerate().filter(|(_, (_, several))| *several) {
            several[place / 64] |= 1 << (place % 64);
        }
        Self { nodes, origins: origins.into_iter().map(|(origin, _)| origin).collect(), several }
    }

    /// The place of the answer for the block that an address is in.
    #[inline]
    fn place(&self, address: u32) -> usize {
        let node = self.nodes[(address >> 14) as usize];
        ((node >> 5) + ((address & Self::LOW) >> (node & 31))) as usize
    }

    /// The first origin of the block that an address is in.
    #[inline]
    fn first(&self, address: u32) -> Asn {
        self.origins[self.place(address)]
    }

    /// The origin, where it is one or none; `None` where only the array tells.
    #[inline]
    fn listed(&self, address: u32) -> Option<&[Asn]> {
        let place = self.place(address);
        let origin = &self.origins[place];
        if *origin == Self::SPLIT || self.several[place / 64] >> (place % 64) & 1 != 0 {
            return None;
        }
        let one = std::slice::from_ref(origin);
        one.get(..usize::from(*origin != Self::NOBODY))
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.nodes) + size_of_val(&*self.origins) + size_of_val(&*self.several)
    }
}

/// The ASes that a value of the array stands for; none for what no AS announces.
#[inline]
fn listed(origins: &Origins, value: u32) -> &[Asn] {
    if value & (tag::NOTHING | tag::SPECIAL | tag::POOL) != 0 {
        return &[];
    }
    let place = (value & tag::VALUE) as usize;
    match origins.asns.get(place) {
        Some(asn) => std::slice::from_ref(asn),
        None => origins.sets.get(place - origins.asns.len()).map_or(&[], |set| &set.asns),
    }
}

/// A table unpacked for bulk lookups; see the module's words on when to want it.
#[derive(Debug)]
pub struct Index {
    origins: Origins,
    /// For each source, whether it answers before the registries and the exchange LANs.
    overrides: Vec<bool>,
    four: Plane<u32>,
    blocks: Blocks,
    six: Plane<u128>,
}

impl Index {
    /// From sorted disjoint segments whose values point into `origins`; one family is made at a time, to hold less at once.
    pub(crate) fn new(
        origins: Origins,
        overrides: Vec<bool>,
        four: impl FnOnce() -> Vec<Segment<u32>>,
        six: impl FnOnce() -> Vec<Segment<u128>>,
    ) -> Self {
        let (pools_four, pools_six) = ixp::segments();
        let own = |value: u32| {
            overrides.iter().any(|own| *own)
                && origins
                    .get(value)
                    .is_some_and(|(_, _, source)| overrides.get(usize::from(source)) == Some(&true))
        };
        let four = Plane::new(&layers(four(), own, pools_four, &registry().four), 18);
        let six = Plane::new(&layers(six(), own, pools_six, &registry().six), 16);
        let blocks = Blocks::new(&four, |value| listed(&origins, value));
        Self { origins, overrides, four, blocks, six }
    }

    /// The answer for one address: as [`Table::lookup`](super::Table::lookup).
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> Origin {
        match address.to_canonical() {
            IpAddr::V4(address) => self.answer(&self.four, u32::from(address)),
            IpAddr::V6(address) => {
                let address = u128::from(address);
                let place = self.six.find(address);
                match translated(address).filter(|_| self.six.stretches[place].value & tag::SPECIAL != 0) {
                    Some(inner) => through_nat64(self.answer(&self.four, inner), address),
                    None => self.answer_at(&self.six, place, address),
                }
            }
        }
    }

    /// Only the origin ASes, for those who want nothing else; empty for every kind but [`Kind::As`]. Same rules as
    /// [`lookup`](Self::lookup).
    #[must_use]
    #[inline]
    pub fn asns(&self, address: IpAddr) -> &[Asn] {
        match address {
            IpAddr::V4(address) => {
                let address = u32::from(address);
                self.blocks.listed(address).unwrap_or_else(|| self.listed(self.four.value(address)))
            }
            IpAddr::V6(address) => {
                let address = u128::from(address);
                // ::ffff:0:0/96 is a row of the registry, too, so only special addresses can be IPv4 inside.
                let value = self.six.value(address);
                if value & tag::SPECIAL != 0 { self.embedded(address) } else { self.listed(value) }
            }
        }
    }

    /// The first of [`asns`](Self::asns): the origin seen most, if there is one.
    ///
    /// Whether there is, is as good as a coin's toss for a random address, and a processor that guesses wrong has waited for
    /// memory in vain: here nothing has to be guessed.
    #[must_use]
    #[expect(
        clippy::inline_always,
        reason = "a call costs as much as the answer: an address travels by memory"
    )]
    #[inline(always)]
    pub fn origin(&self, address: IpAddr) -> Option<Asn> {
        let IpAddr::V4(four) = address else { return self.asns(address).first().copied() };
        let four = u32::from(four);
        let mut origin = self.blocks.first(four);
        if origin == Blocks::SPLIT {
            origin = self.first_inside(four);
        }
        (origin != Blocks::NOBODY).then_some(origin)
    }

    /// The first origin of an address whose /24 is split.
    #[cold]
    #[inline(never)]
    fn first_inside(&self, address: u32) -> Asn {
        self.listed(self.four.value(address)).first().copied().unwrap_or(Blocks::NOBODY)
    }

    #[inline]
    fn listed(&self, value: u32) -> &[Asn] {
        listed(&self.origins, value)
    }

    #[cold]
    fn embedded(&self, address: u128) -> &[Asn] {
        let mapped = (address >> 32 == 0xffff).then_some(address as u32);
        mapped.or_else(|| translated(address)).map_or(&[], |inner| self.listed(self.four.value(inner)))
    }

    /// Every stretch of addresses that announcements of the same ASes answer for, in order, IPv4 first: the first and the last
    /// address, and the origin ASes. What nobody announces is left out, and so is whatever a registry or the list of exchange
    /// LANs answers for.
    pub fn ranges(&self) -> impl Iterator<Item = (IpAddr, IpAddr, &[Asn])> {
        let four = self.ranges_of(&self.four);
        four.chain(self.ranges_of(&self.six))
    }

    fn ranges_of<'a, K: Key>(
        &'a self,
        plane: &'a Plane<K>,
    ) -> impl Iterator<Item = (IpAddr, IpAddr, &'a [Asn])> {
        (plane.stretches.iter().enumerate()).filter_map(move |(place, stretch)| {
            let asns = self.listed(stretch.value);
            let range = plane.range(place);
            (!asns.is_empty()).then(|| (range.first.address(), range.last.address(), asns))
        })
    }

    fn answer<K: Key>(&self, plane: &Plane<K>, address: K) -> Origin {
        self.answer_at(plane, plane.find(address), address)
    }

    fn answer_at<K: Key>(&self, plane: &Plane<K>, place: usize, address: K) -> Origin {
        let tagged = plane.stretches[place].value;
        let value = tagged & tag::VALUE;
        if tagged & tag::NOTHING != 0 {
            return Origin::NOTHING;
        }
        if tagged & tag::SPECIAL != 0 {
            return registry().answer(value, address).unwrap_or(Origin::NOTHING);
        }
        if tagged & tag::POOL != 0 {
            return in_pool(value);
        }
        let mut origin = announced(&self.origins, value, plane.whole(place), address);
        if let Source::Table(source) = origin.source
            && self.overrides.get(usize::from(source)) == Some(&true)
        {
            origin.special = special_of(address);
        }
        origin
    }

    /// Bytes the index holds, without the names.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.four.bytes()
            + self.blocks.bytes()
            + self.six.bytes()
            + size_of_val(&*self.origins.asns)
            + size_of_val(&*self.origins.sets)
    }
}

/// Overrides over registries over exchange LANs over what the sources announce.
fn layers<K: Key>(
    segments: Vec<Segment<K>>,
    own: impl Fn(u32) -> bool,
    pools: &[Segment<K>],
    special: &[Segment<K>],
) -> Vec<Segment<K>> {
    let tagged = |segments: &[Segment<K>], tag: u32| -> Vec<Segment<K>> {
        segments.iter().map(|segment| Segment { value: segment.value | tag, ..*segment }).collect()
    };
    let mut reserved = overlay(&tagged(pools, tag::POOL), &tagged(special, tag::SPECIAL));
    let overrides: Vec<_> = segments.iter().filter(|segment| own(segment.value)).copied().collect();
    if !overrides.is_empty() {
        reserved = overlay(&reserved, &overrides);
    }
    overlay(&segments, &reserved)
}

/// The answer of a range of the table.
pub(crate) fn announced<K: Key>(origins: &Origins, value: u32, whole: Range<K>, address: K) -> Origin {
    let Some((asns, as_set, source)) = origins.get(value) else {
        return Origin { source: Source::Unreadable, ..Origin::NOTHING };
    };
    Origin {
        asns,
        as_set,
        prefix: Some(whole.largest_prefix(address)),
        range: Some((whole.first.address(), whole.last.address())),
        kind: Kind::As,
        special: None,
        source: Source::Table(source),
    }
}

/// The answer of a row of the list of exchange LANs.
pub(crate) fn in_pool(value: u32) -> Origin {
    let Some(pool) = ixp::pools().get(value as usize) else { return Origin::NOTHING };
    Origin {
        asns: Asns::NONE,
        as_set: false,
        prefix: Some(pool.prefix),
        range: Some((pool.prefix.network(), pool.prefix.broadcast())),
        kind: Kind::Ixp,
        special: None,
        source: Source::IxpPools(pool),
    }
}

/// The answer for a NAT64 address is that of the IPv4 address inside, with the prefix's row as a remark unless the inner
/// address has one of its own (RFC 6052 §3.1 forbids those).
pub(crate) fn through_nat64(inner: Origin, address: u128) -> Origin {
    Origin { special: inner.special.or_else(|| special_of(address)), ..inner }
}

/// The registry's row for an address.
pub(crate) fn special_of<K: Key>(address: K) -> Option<crate::number::special::Special> {
    crate::number::special::lookup(address.address())
}
