//! Address ranges as integers: why a table of origins is arithmetic on `u32` and `u128` and not on prefixes.
//!
//! Two of the sources people have (ip-location-db, iptoasn) publish inclusive ranges that are no prefix, the others
//! publish prefixes that nest. Both become sorted, disjoint *segments*; each remembers the range its source announced, so
//! that an answer can show the announcement and not the crumb that was left of it between two narrower ones.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::{BitAnd, BitOr, BitXor, Not, Shl, Shr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

/// An address of one family as an integer.
pub(crate) trait Key:
    Copy
    + Debug
    + Ord
    + std::hash::Hash
    + Send
    + Sync
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Not<Output = Self>
    + Shl<u32, Output = Self>
    + Shr<u32, Output = Self>
    + Into<u128>
    + 'static
{
    /// Bits of an address: 32 or 128.
    const BITS: u32;
    /// The lowest address.
    const ZERO: Self;
    /// The highest address.
    const MAX: Self;
    /// Bytes of one address in the table file.
    const BYTES: usize;

    /// `self + 1`; nothing after the highest address.
    fn next(self) -> Option<Self>;
    /// `self - 1`; nothing before the lowest address.
    fn previous(self) -> Option<Self>;
    /// `self + other` unless it passes the highest address.
    fn plus(self, other: Self) -> Option<Self>;
    /// `self - other`; the caller knows that `self >= other`.
    fn minus(self, other: Self) -> Self;
    /// The value if it fits the family.
    fn narrow(wide: u128) -> Option<Self>;
    /// The address.
    fn address(self) -> IpAddr;
    /// The prefix of `bits` bits that holds this address; `bits` is at most [`Self::BITS`].
    fn network(self, bits: u32) -> IpNetwork;
    /// Trailing zero bits; [`Self::BITS`] for zero.
    fn zeros(self) -> u32;
    /// Trailing one bits.
    fn ones(self) -> u32;
    /// The bits above the lowest `shift` ones, as an array index. At most 32 of them may be set.
    fn slot(self, shift: u32) -> usize;
}

macro_rules! key {
    ($type:ty, $address:ident, $network:ident, $variant:ident) => {
        impl Key for $type {
            const BITS: u32 = <$type>::BITS;
            const ZERO: Self = 0;
            const MAX: Self = <$type>::MAX;
            const BYTES: usize = size_of::<$type>();

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
            fn previous(self) -> Option<Self> {
                self.checked_sub(1)
            }
            fn plus(self, other: Self) -> Option<Self> {
                self.checked_add(other)
            }
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            fn narrow(wide: u128) -> Option<Self> {
                Self::try_from(wide).ok()
            }
            fn address(self) -> IpAddr {
                IpAddr::$variant($address::from(self))
            }
            fn network(self, bits: u32) -> IpNetwork {
                let bits = bits.min(Self::BITS);
                let base = self & high_bits::<Self>(bits);
                // `new` only refuses a length above the family's, which the line above rules out.
                $network::new($address::from(base), bits as u8)
                    .map_or_else(|_| IpNetwork::from(base.address()), IpNetwork::$variant)
            }
            fn zeros(self) -> u32 {
                self.trailing_zeros()
            }
            fn ones(self) -> u32 {
                self.trailing_ones()
            }
            fn slot(self, shift: u32) -> usize {
                (self >> shift) as usize
            }
        }
    };
}

key!(u32, Ipv4Addr, Ipv4Network, V4);
key!(u128, Ipv6Addr, Ipv6Network, V6);

/// The mask of a prefix of `bits` bits.
pub(crate) fn high_bits<K: Key>(bits: u32) -> K {
    if bits == 0 { K::ZERO } else { K::MAX << (K::BITS - bits) }
}

/// An inclusive range of addresses of one family, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Range<K> {
    pub(crate) first: K,
    pub(crate) last: K,
}

impl<K: Key> Range<K> {
    /// The range, or nothing when the ends are the wrong way round.
    pub(crate) fn new(first: K, last: K) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The addresses of a prefix of `bits` bits around `address`.
    pub(crate) fn of_prefix(address: K, bits: u32) -> Self {
        let mask = high_bits::<K>(bits);
        Self { first: address & mask, last: address | !mask }
    }

    pub(crate) fn holds(self, address: K) -> bool {
        self.first <= address && address <= self.last
    }

    /// The prefix length, when the range is exactly one prefix.
    pub(crate) fn prefix_bits(self) -> Option<u32> {
        let host = (self.first ^ self.last).ones();
        let whole = Self::of_prefix(self.first, K::BITS - host);
        (whole == self).then_some(K::BITS - host)
    }

    /// The largest prefix inside the range that holds `address`, which must lie in the range.
    pub(crate) fn largest_prefix(self, address: K) -> IpNetwork {
        // Clearing the low h bits of the address stays at or above `first` up to the highest bit in which the two differ,
        // or as far as `first` itself ends in zeros; mirrored with ones for `last`.
        let differs = |other: K| -> u32 {
            let wide: u128 = (address ^ other).into();
            wide.checked_ilog2().unwrap_or(0)
        };
        let down = differs(self.first).max(self.first.zeros());
        let up = differs(self.last).max(self.last.ones());
        address.network(K::BITS - down.min(up).min(K::BITS))
    }
}

/// A range as its source announced it. `value` is whatever the table keeps per range; of two announcements with the same
/// ends the first in the list stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced<K> {
    pub(crate) range: Range<K>,
    pub(crate) value: u32,
}

/// A stretch of addresses with one answer, and the announcement that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment<K> {
    pub(crate) range: Range<K>,
    pub(crate) announced: Range<K>,
    pub(crate) value: u32,
}

/// Turns announcements that may overlap in any way into sorted disjoint segments.
///
/// The narrowest announcement that covers an address answers: longest prefix match (RFC 1812 §5.2.4.3), carried over to ranges.
/// Of two overlapping ranges of one size the one that starts later answers, of two equal ranges the first in the list.
pub(crate) fn flatten<K: Key>(mut announced: Vec<Announced<K>>) -> Vec<Segment<K>> {
    struct Active<K> {
        span: K,
        order: usize,
        row: Announced<K>,
    }
    impl<K: Key> Active<K> {
        fn rank(&self) -> (K, std::cmp::Reverse<K>, usize) {
            (self.span, std::cmp::Reverse(self.row.range.first), self.order)
        }
    }
    impl<K: Key> PartialEq for Active<K> {
        fn eq(&self, other: &Self) -> bool {
            self.rank() == other.rank()
        }
    }
    impl<K: Key> Eq for Active<K> {}
    impl<K: Key> PartialOrd for Active<K> {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }
    impl<K: Key> Ord for Active<K> {
        // The heap yields its greatest, the sweep wants the narrowest.
        fn cmp(&self, other: &Self) -> Ordering {
            other.rank().cmp(&self.rank())
        }
    }

    // Stable, so equal ranges keep the order they were given in.
    announced.sort_by_key(|row| (row.range.first, row.range.last));
    let mut segments: Vec<Segment<K>> = Vec::with_capacity(announced.len());
    let mut active: BinaryHeap<Active<K>> = BinaryHeap::new();
    let mut rows = announced.into_iter().enumerate().peekable();
    let mut at = match rows.peek() {
        Some((_, row)) => row.range.first,
        None => return segments,
    };
    let mut answering = None;
    loop {
        while let Some((order, row)) = rows.next_if(|(_, row)| row.range.first <= at) {
            active.push(Active { span: row.range.last.minus(row.range.first), order, row });
        }
        while active.peek().is_some_and(|top| top.row.range.last < at) {
            active.pop();
        }
        let ahead = rows.peek().map(|(_, row)| row.range.first);
        let Some(top) = active.peek() else {
            match ahead {
                Some(first) => at = first,
                None => return segments,
            }
            continue;
        };
        let last = match ahead.and_then(K::previous) {
            Some(before) => before.min(top.row.range.last),
            None => top.row.range.last,
        };
        match segments.last_mut() {
            // A wider announcement that begins here does not cut the one that answers.
            Some(open) if answering == Some(top.order) && open.range.last.next() == Some(at) => {
                open.range.last = last;
            }
            _ => segments.push(Segment {
                range: Range { first: at, last },
                announced: top.row.range,
                value: top.row.value,
            }),
        }
        answering = Some(top.order);
        match last.next() {
            Some(next) => at = next,
            None => return segments,
        }
    }
}

/// Lays sorted disjoint segments over others: where `top` says something, `below` is not asked.
pub(crate) fn overlay<K: Key>(below: &[Segment<K>], top: &[Segment<K>]) -> Vec<Segment<K>> {
    let mut out = Vec::with_capacity(below.len() + top.len());
    let mut covers = top.iter().peekable();
    for segment in below {
        let mut rest = Some(segment.range);
        while let Some(range) = rest {
            match covers.peek() {
                Some(cover) if cover.range.first <= range.last => {
                    if let Some(before) = cover.range.first.previous()
                        && range.first <= before
                    {
                        out.push(Segment { range: Range { first: range.first, last: before }, ..*segment });
                    }
                    if cover.range.last >= range.last {
                        // The cover may reach into the segments that follow: it is pushed when it ends.
                        rest = None;
                    } else {
                        out.push(**cover);
                        rest = cover
                            .range
                            .last
                            .next()
                            .map(|first| Range { first: first.max(range.first), ..range });
                        covers.next();
                    }
                }
                _ => {
                    out.push(Segment { range, ..*segment });
                    rest = None;
                }
            }
        }
    }
    out.extend(covers);
    out.sort_by_key(|segment| segment.range.first);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(first: u32, last: u32, value: u32) -> Announced<u32> {
        Announced { range: Range { first, last }, value }
    }

    /// What the flattened table must answer, by asking every announcement.
    fn scan(rows: &[Announced<u32>], address: u32) -> Option<(Range<u32>, u32)> {
        let span = |row: &Announced<u32>| row.range.last - row.range.first;
        let mut best: Option<&Announced<u32>> = None;
        for row in rows.iter().filter(|row| row.range.holds(address)) {
            let better = best.is_none_or(|best| {
                span(row) < span(best) || (span(row) == span(best) && row.range.first > best.range.first)
            });
            if better {
                best = Some(row);
            }
        }
        best.map(|row| (row.range, row.value))
    }

    fn find(segments: &[Segment<u32>], address: u32) -> Option<(Range<u32>, u32)> {
        segments
            .iter()
            .find(|segment| segment.range.holds(address))
            .map(|found| (found.announced, found.value))
    }

    #[test]
    fn narrower_announcements_win_and_the_wider_goes_on_behind_them() {
        let segments = flatten(vec![row(0, 99, 1), row(10, 19, 2), row(15, 15, 3), row(15, 15, 4)]);
        let spans: Vec<_> =
            segments.iter().map(|segment| (segment.range.first, segment.range.last, segment.value)).collect();
        assert_eq!(spans, [(0, 9, 1), (10, 14, 2), (15, 15, 3), (16, 19, 2), (20, 99, 1)]);
        assert!(segments.iter().all(|segment| segment.announced.holds(segment.range.first)));
    }

    #[test]
    fn the_whole_space_and_its_last_address_are_ranges_like_others() {
        let segments = flatten(vec![row(0, u32::MAX, 1), row(u32::MAX, u32::MAX, 2)]);
        assert_eq!(segments.len(), 2);
        assert_eq!(find(&segments, u32::MAX), Some((Range { first: u32::MAX, last: u32::MAX }, 2)));
        let all = flatten(vec![Announced { range: Range { first: 0, last: u128::MAX }, value: 7 }]);
        assert_eq!(all[0].range.prefix_bits(), Some(0));
        assert_eq!(all[0].range.largest_prefix(1).to_string(), "::/0");
    }

    #[test]
    fn a_prefix_is_told_from_a_range() {
        let bits = |first, last| Range { first, last }.prefix_bits();
        assert_eq!(bits(0u32, u32::MAX), Some(0));
        assert_eq!(bits(0x0a00_0000, 0x0aff_ffff), Some(8));
        assert_eq!(bits(7, 7), Some(32));
        assert_eq!(bits(1, 2), None);
        assert_eq!(bits(0, 2), None);
        assert_eq!(bits(1, 3), None);
        assert_eq!(Range { first: 5u32, last: 4 }.prefix_bits(), None);
    }

    fn rows(width: u32) -> impl Strategy<Value = Vec<Announced<u32>>> {
        // Small numbers make ranges touch, nest and coincide; the shift moves some to the very end of the space.
        let one = (0u32..64, 0u32..64, any::<bool>(), 0u32..8).prop_map(move |(a, b, high, value)| {
            let (first, last) = (a.min(b), a.max(b));
            if high { row(width - last, width - first, value) } else { row(first, last, value) }
        });
        prop::collection::vec(one, 0..24)
    }

    proptest! {
        #[test]
        fn flattening_answers_like_a_linear_scan(rows in rows(u32::MAX)) {
            let segments = flatten(rows.clone());
            for pair in segments.windows(2) {
                prop_assert!(pair[0].range.last < pair[1].range.first);
            }
            for address in (0..70).chain((0..70).map(|back| u32::MAX - back)) {
                prop_assert_eq!(find(&segments, address), scan(&rows, address));
            }
        }

        #[test]
        fn an_overlay_answers_before_what_lies_below(below in rows(u32::MAX), top in rows(u32::MAX)) {
            let merged = overlay(&flatten(below.clone()), &flatten(top.clone()));
            for pair in merged.windows(2) {
                prop_assert!(pair[0].range.last < pair[1].range.first, "{:?}", pair);
            }
            for address in (0..70).chain((0..70).map(|back| u32::MAX - back)) {
                prop_assert_eq!(find(&merged, address), scan(&top, address).or_else(|| scan(&below, address)));
            }
        }

        #[test]
        fn the_largest_prefix_is_the_largest(a: u32, b: u32, at: u32) {
            let range = Range { first: a.min(b), last: a.max(b) };
            let address = range.first + at % (range.last - range.first).saturating_add(1).max(1);
            let wanted = (0..=32)
                .map(|bits| (bits, Range::of_prefix(address, bits)))
                .find(|(_, prefix)| range.first <= prefix.first && prefix.last <= range.last)
                .unwrap();
            prop_assert_eq!(range.largest_prefix(address), address.network(wanted.0));
            prop_assert_eq!(wanted.1.prefix_bits(), Some(wanted.0));
        }

        #[test]
        fn the_largest_prefix_of_six(a: u128, b: u128, at: u128, shift in 0u32..128) {
            let (a, b) = (a >> shift, b >> shift);
            let range = Range { first: a.min(b), last: a.max(b) };
            let address = range.first + at % (range.last - range.first).saturating_add(1).max(1);
            let wanted = (0..=128)
                .find(|bits| {
                    let prefix = Range::of_prefix(address, *bits);
                    range.first <= prefix.first && prefix.last <= range.last
                })
                .unwrap();
            prop_assert_eq!(range.largest_prefix(address), address.network(wanted));
        }
    }
}
