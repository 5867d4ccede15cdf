//! A block of neighbouring segments in the table file, the unit that is unpacked for a lookup.
//!
//! A diagnosis looks up some fifty addresses out of half a million ranges, so the file is cut into blocks of
//! [`SEGMENTS`] and only those asked for are unpacked. A block is a set of columns; what each holds is listed at [`column`].
//! The numbers below are small because neighbours are alike: ranges mostly touch, their sizes are mostly powers of two, and
//! the same AS comes back every few ranges.

use super::codec::{Columns, Cursor, put_column, put_varint};
use super::error::{At, Error};
use super::range::{Key, Range, Segment};

/// Segments of a full block. Half as many cost 6 % more file, twice as many save 3 % and double the time of a lookup.
pub(crate) const SEGMENTS: usize = 2048;

/// How many different values back a repetition is searched for.
const RECENT: usize = 512;

/// The values seen, each once, the latest last. Only the last [`RECENT`] count; older ones stay in front unheeded, which is
/// cheaper than to move the rest.
#[derive(Default)]
struct Recent(Vec<u32>);

impl Recent {
    fn fresh(&mut self, value: u32) {
        self.0.push(value);
    }

    /// How many other values came since this one.
    fn back(&self, value: u32) -> Option<usize> {
        self.0.iter().rev().take(RECENT).position(|seen| *seen == value)
    }

    /// Takes the value that is `back` values ago and makes it the latest.
    fn again(&mut self, back: usize) -> Option<u32> {
        if back >= RECENT {
            return None;
        }
        let tail = self.0.len().checked_sub(back + 1)?;
        self.0[tail..].rotate_left(1);
        self.0.last().copied()
    }
}

/// The most a value may be: its columns have three bytes.
pub(crate) const VALUE_LIMIT: u32 = 1 << 24;

/// The columns' numbers in the file. A reader skips numbers it does not know; a column that is left out is all zeros.
mod column {
    /// One byte a segment: see [`super::Shape`].
    pub(super) const SHAPE: u8 = 1;
    /// One byte for each gap before a segment: 1 + its trailing zero bits, 0 where there is none.
    pub(super) const GAP: u8 = 2;
    /// A varint for each gap: the gap without its trailing zeros and the one that ends them.
    pub(super) const GAP_ODD: u8 = 3;
    /// A varint for each size that is no power of two, likewise.
    pub(super) const SIZE_ODD: u8 = 4;
    /// A varint a segment: 0 for a value not seen lately, else 1 + its place in the list of recent values.
    pub(super) const RECENT: u8 = 5;
    /// The values not seen lately, lowest, middle and highest byte apart.
    pub(super) const FRESH: [u8; 3] = [6, 7, 8];
    /// One byte a segment: 0 when the segment is what was announced, 1 + length for a prefix around it, 255 for a range.
    pub(super) const ANNOUNCED: u8 = 9;
    /// Two varints for each such range: how far it goes before and after the segment.
    pub(super) const AROUND: u8 = 10;
}

/// The byte that says how long a segment is: its size is an odd number times a power of two, `zeros` the exponent.
///
/// A power of two is `zeros` (0 to the family's bits), another number the family's bits + 1 + `zeros`. For IPv4 that leaves
/// the top bit, which says that a gap lies before the segment; for IPv6 it uses the byte up, and every segment has a gap byte.
struct Shape;

impl Shape {
    const GAP_BEFORE: u8 = 0x80;

    fn has_gap_bit<K: Key>() -> bool {
        K::BITS == 32
    }

    fn of<K: Key>(span: K) -> (u8, Option<u128>) {
        // A size may be 2^128: work with size - 1, which ends in as many ones as the size in zeros.
        let zeros = span.ones();
        let odd = if zeros + 1 >= K::BITS { 0 } else { (span >> (zeros + 1)).into() };
        if odd == 0 { (zeros as u8, None) } else { ((K::BITS + 1 + zeros) as u8, Some(odd)) }
    }

    /// The trailing zeros of the size, and whether an odd factor follows.
    fn split<K: Key>(shape: u8) -> (u32, bool) {
        let shape = u32::from(shape);
        if shape <= K::BITS { (shape, false) } else { (shape - K::BITS - 1, true) }
    }

    /// The size - 1.
    fn span<K: Key>(zeros: u32, odd: u128) -> Option<K> {
        let low = if zeros >= 128 { u128::MAX } else { (1u128 << zeros) - 1 };
        let high = if odd == 0 { 0 } else { shifted(odd, zeros + 1)? };
        K::narrow(high | low)
    }
}

/// `value << by` unless bits are lost.
fn shifted(value: u128, by: u32) -> Option<u128> {
    (by <= value.leading_zeros() && by < 128).then(|| value << by)
}

/// Packs sorted disjoint segments; their values are below [`VALUE_LIMIT`].
pub(crate) fn encode<K: Key>(segments: &[Segment<K>]) -> Vec<u8> {
    let mut shape = Vec::with_capacity(segments.len());
    let (mut gaps, mut gap_odd, mut size_odd) = (Vec::new(), Vec::new(), Vec::new());
    let (mut recent, mut fresh) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
    let (mut announced, mut around) = (Vec::new(), Vec::new());
    let mut window = Recent::default();
    let mut expected = segments.first().map(|segment| segment.range.first);
    for segment in segments {
        let range = segment.range;
        let gap = expected.map_or(K::ZERO, |expected| range.first.minus(expected));
        expected = range.last.next();
        let (mut byte, odd) = Shape::of(range.last.minus(range.first));
        if let Some(odd) = odd {
            put_varint(&mut size_odd, odd);
        }
        if gap == K::ZERO {
            if !Shape::has_gap_bit::<K>() {
                gaps.push(0);
            }
        } else {
            if Shape::has_gap_bit::<K>() {
                byte |= Shape::GAP_BEFORE;
            }
            let zeros = gap.zeros();
            gaps.push(1 + zeros as u8);
            put_varint(&mut gap_odd, if zeros + 1 >= K::BITS { 0 } else { (gap >> (zeros + 1)).into() });
        }
        shape.push(byte);
        match window.back(segment.value) {
            Some(back) => {
                put_varint(&mut recent, back as u128 + 1);
                window.again(back);
            }
            None => {
                recent.push(0);
                for (plane, byte) in fresh.iter_mut().zip(segment.value.to_le_bytes()) {
                    plane.push(byte);
                }
                window.fresh(segment.value);
            }
        }
        if segment.announced == range {
            announced.push(0);
        } else if let Some(bits) = segment.announced.prefix_bits() {
            announced.push(1 + bits as u8);
        } else {
            announced.push(255);
            put_varint(&mut around, range.first.minus(segment.announced.first).into());
            put_varint(&mut around, segment.announced.last.minus(range.last).into());
        }
    }
    let mut out = Vec::new();
    let columns = [
        (column::SHAPE, shape),
        (column::GAP, gaps),
        (column::GAP_ODD, gap_odd),
        (column::SIZE_ODD, size_odd),
        (column::RECENT, recent),
    ];
    let [low, middle, high] = fresh;
    let columns = columns.into_iter().chain(column::FRESH.into_iter().zip([low, middle, high]));
    for (number, raw) in columns.chain([(column::ANNOUNCED, announced), (column::AROUND, around)]) {
        if raw.iter().any(|byte| *byte != 0) {
            put_column(&mut out, number, &raw);
        }
    }
    out
}

/// An unpacked block: parallel arrays, sorted by address.
#[derive(Debug, Default)]
pub(crate) struct Block<K> {
    pub(crate) first: Vec<K>,
    pub(crate) last: Vec<K>,
    pub(crate) value: Vec<u32>,
    /// The segments that are a part of what was announced, by place.
    pub(crate) announced: Vec<(u16, Range<K>)>,
}

impl<K: Key> Block<K> {
    /// The segment that covers `address`.
    pub(crate) fn find(&self, address: K) -> Option<Segment<K>> {
        let after = self.first.partition_point(|first| *first <= address);
        self.get(after.checked_sub(1)?).filter(|segment| segment.range.holds(address))
    }

    fn get(&self, place: usize) -> Option<Segment<K>> {
        let range = Range { first: *self.first.get(place)?, last: *self.last.get(place)? };
        let announced = match self.announced.binary_search_by_key(&place, |(place, _)| usize::from(*place)) {
            Ok(found) => self.announced[found].1,
            Err(_) => range,
        };
        Some(Segment { range, announced, value: *self.value.get(place)? })
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = Segment<K>> + '_ {
        (0..self.first.len()).filter_map(|place| self.get(place))
    }
}

/// A column while a block is read: what is missing at its end is zeros.
struct Values<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Values<'a> {
    fn new(raw: &'a [u8], at: At<'a>) -> Self {
        Self { cursor: Cursor::new(raw, at, "a column") }
    }

    fn byte(&mut self) -> u8 {
        self.cursor.byte().unwrap_or(0)
    }

    fn varint(&mut self) -> Result<u128, Error> {
        if self.cursor.is_empty() { Ok(0) } else { self.cursor.varint() }
    }
}

/// Unpacks `count` segments of which the first begins at `first`.
pub(crate) fn decode<K: Key>(bytes: &[u8], first: K, count: usize, at: At<'_>) -> Result<Block<K>, Error> {
    // The longest column has two varints of 19 bytes a segment.
    let most = count.saturating_mul(38);
    let mut raw: [Vec<u8>; 11] = Default::default();
    let mut from = Cursor::new(bytes, at, "a block of ranges");
    let mut columns = Columns::new();
    while !from.is_empty() {
        let (number, values) = columns.next(&mut from, most)?;
        if let Some(column) = raw.get_mut(usize::from(number)) {
            *column = values;
        }
    }
    let values = |number: u8| Values::new(&raw[usize::from(number)], at);
    let (mut shape, mut gaps) = (values(column::SHAPE), values(column::GAP));
    let (mut gap_odd, mut size_odd) = (values(column::GAP_ODD), values(column::SIZE_ODD));
    let mut recent = values(column::RECENT);
    let [mut low, mut middle, mut high] = column::FRESH.map(values);
    let (mut announced, mut around) = (values(column::ANNOUNCED), values(column::AROUND));

    let mut block = Block {
        first: Vec::with_capacity(count),
        last: Vec::with_capacity(count),
        value: Vec::with_capacity(count),
        announced: Vec::new(),
    };
    let mut window = Recent::default();
    let mut expected = Some(first);
    for place in 0..count {
        let past_end = || at.malformed("a range", "inside the address family", place as u64);
        let mut byte = shape.byte();
        let mut gap = K::ZERO;
        let zeros = if !Shape::has_gap_bit::<K>() || byte & Shape::GAP_BEFORE != 0 { gaps.byte() } else { 0 };
        if Shape::has_gap_bit::<K>() {
            byte &= !Shape::GAP_BEFORE;
        }
        if let Some(zeros) = zeros.checked_sub(1).map(u32::from) {
            let odd = gap_odd.varint()?;
            let high = if odd == 0 { Some(0) } else { shifted(odd, zeros + 1) };
            let low = 1u128.checked_shl(zeros);
            gap = high.zip(low).and_then(|(high, low)| K::narrow(high | low)).ok_or_else(past_end)?;
        }
        let (zeros, odd) = Shape::split::<K>(byte);
        let odd = if odd { size_odd.varint()? } else { 0 };
        let span = Shape::span::<K>(zeros, odd).ok_or_else(past_end)?;
        let first = expected.and_then(|expected| expected.plus(gap)).ok_or_else(past_end)?;
        let last = first.plus(span).ok_or_else(past_end)?;
        expected = last.next();

        let value = match recent.varint()?.checked_sub(1) {
            None => {
                let value = u32::from_le_bytes([low.byte(), middle.byte(), high.byte(), 0]);
                window.fresh(value);
                value
            }
            Some(back) => (usize::try_from(back).ok().and_then(|back| window.again(back)))
                .ok_or_else(|| at.malformed("a repetition", "of a value there was", place as u64))?,
        };
        block.first.push(first);
        block.last.push(last);
        block.value.push(value);

        let whole = match announced.byte() {
            0 => continue,
            255 => {
                let (before, after) = (around.varint()?, around.varint()?);
                let before = K::narrow(before).filter(|before| *before <= first).ok_or_else(past_end)?;
                let after = K::narrow(after).and_then(|after| last.plus(after)).ok_or_else(past_end)?;
                Range { first: first.minus(before), last: after }
            }
            bits if u32::from(bits) <= K::BITS + 1 => Range::of_prefix(first, u32::from(bits) - 1),
            bits => {
                return Err(at.malformed("an announced length", "one of the address family", bits.into()));
            }
        };
        if !whole.holds(first) || !whole.holds(last) {
            return Err(at.malformed("an announced range", "around its segment", place as u64));
        }
        block.announced.push((place as u16, whole));
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::super::range::{Announced, flatten};
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn here() -> At<'static> {
        At { path: Path::new("t"), offset: 0 }
    }

    fn round_trip<K: Key>(segments: &[Segment<K>]) {
        let bytes = encode(segments);
        let Some(head) = segments.first() else { return };
        let block = decode(&bytes, head.range.first, segments.len(), here()).unwrap();
        assert_eq!(block.segments().collect::<Vec<_>>(), segments);
        for segment in segments {
            assert_eq!(block.find(segment.range.first), Some(*segment));
            assert_eq!(block.find(segment.range.last), Some(*segment));
        }
        for cut in 0..bytes.len() {
            // A cut block either fails or loses whole columns; it must not panic.
            let _ = decode(&bytes[..cut], head.range.first, segments.len(), here());
        }
    }

    #[test]
    fn whole_spaces_and_single_addresses() {
        let one = |first: u128, last: u128| {
            let range = Range { first, last };
            [Segment { range, announced: range, value: 5 }]
        };
        round_trip(&one(0, u128::MAX));
        round_trip(&one(u128::MAX, u128::MAX));
        round_trip(&one(1, u128::MAX));
        round_trip(&one(0, u128::MAX - 1));
        let range = Range { first: 0u32, last: u32::MAX };
        round_trip(&[Segment { range, announced: range, value: VALUE_LIMIT - 1 }]);
    }

    fn announcements<K: Key + Arbitrary>() -> impl Strategy<Value = Vec<Announced<K>>> {
        let one = (any::<K>(), 0..K::BITS, 0u32..K::BITS, any::<bool>(), 0u32..40).prop_map(
            |(at, bits, cut, whole, value)| {
                let range = Range::of_prefix(at, bits);
                let inner = Range::of_prefix(at, (bits + cut).min(K::BITS));
                let range = if whole { range } else { Range { first: range.first, last: inner.last } };
                Announced { range, value: value * 1000 }
            },
        );
        prop::collection::vec(one, 1..40)
    }

    proptest! {
        #[test]
        fn four_comes_back(rows in announcements::<u32>()) {
            round_trip(&flatten(rows));
        }

        #[test]
        fn six_comes_back(rows in announcements::<u128>()) {
            round_trip(&flatten(rows));
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>, first: u128, count in 0usize..300) {
            let _ = decode::<u128>(&bytes, first, count, here());
            let _ = decode::<u32>(&bytes, first as u32, count, here());
        }

        #[test]
        fn a_flipped_bit_does_not_panic(rows in announcements::<u128>(), at: prop::sample::Index, bit in 0u8..8) {
            let segments = flatten(rows);
            let mut bytes = encode(&segments);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let _ = decode(&bytes, segments[0].range.first, segments.len(), here());
        }
    }
}
