//! The section of a table file that says which ASes are neighbours.
//!
//! A count, then columns over the links, sorted by the lower and then the higher AS, each AS written as its place in the list
//! of AS numbers: places are dense, so that most steps take a byte. Unpacked whole at the first question: half a million
//! links take some ten milliseconds, and a run asks for many pairs or for none.

use super::adjacency::{Link, LinkKind};
use super::codec::{Columns, Cursor, put_column, put_varint};
use super::error::{At, Error};
use super::file::Origins;

/// More links than this are none of an Internet: 16,777,216, a dozen times what all collectors together see.
pub(crate) const MOST: usize = 1 << 24;

/// The columns' numbers in the file. A reader skips numbers it does not know.
mod column {
    /// A varint a link: how far the place of its lower AS is behind that of the link before.
    pub(super) const LOW: u8 = 1;
    /// A varint a link: how far its higher AS is behind the higher one of the link before, if the lower one is the same, else
    /// behind its lower one; less one.
    pub(super) const HIGH: u8 = 2;
    /// A byte a link: see [`super::KINDS`].
    pub(super) const KIND: u8 = 3;
    /// A varint a link: the paths it was seen in.
    pub(super) const PATHS: u8 = 4;
}

/// What the bytes of the kind column mean, by place.
const KINDS: [LinkKind; 5] =
    [LinkKind::Untold, LinkKind::LowProvides, LinkKind::HighProvides, LinkKind::Peers, LinkKind::Disputed];

/// Packs sorted links; every AS of them is in the list of origins.
pub(crate) fn pack(links: &[Link], origins: &Origins) -> Vec<u8> {
    let (mut low, mut high, mut kinds, mut paths) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut before = (0, None);
    for link in links {
        // The builder lists every AS of a link.
        let place = |asn| origins.place(asn).unwrap_or_default();
        let (first, second) = (place(link.low), place(link.high));
        put_varint(&mut low, (first - before.0) as u128);
        let from = before.1.filter(|_| first == before.0).unwrap_or(first);
        put_varint(&mut high, (second - from - 1) as u128);
        kinds.push(KINDS.iter().position(|kind| *kind == link.kind).unwrap_or_default() as u8);
        put_varint(&mut paths, link.paths.into());
        before = (first, Some(second));
    }
    let mut out = Vec::new();
    put_varint(&mut out, links.len() as u128);
    for (number, raw) in
        [(column::LOW, low), (column::HIGH, high), (column::KIND, kinds), (column::PATHS, paths)]
    {
        put_column(&mut out, number, &raw);
    }
    out
}

/// Unpacks them, sorted, each pair once.
pub(crate) fn unpack(bytes: &[u8], at: At<'_>, origins: &Origins) -> Result<Vec<Link>, Error> {
    let mut from = Cursor::new(bytes, at, "the list of links");
    let count = from.size("the number of links", MOST)?;
    let mut raw: [Vec<u8>; 5] = Default::default();
    let mut columns = Columns::new();
    while !from.is_empty() {
        // A varint of 32 bits takes five bytes.
        let (number, values) = columns.next(&mut from, count.saturating_mul(5))?;
        if let Some(column) = raw.get_mut(usize::from(number)) {
            *column = values;
        }
    }
    let values = |number: u8| Cursor::new(&raw[usize::from(number)], at, "a column of links");
    let (mut low, mut high) = (values(column::LOW), values(column::HIGH));
    let (mut kinds, mut paths) = (values(column::KIND), values(column::PATHS));
    let asn = |place: Option<usize>| {
        let found = place.and_then(|place| Some((place, *origins.asns.get(place)?)));
        found.ok_or_else(|| {
            at.malformed("an AS of a link", "one of the list", place.unwrap_or(usize::MAX) as u64)
        })
    };
    // What the columns do not hold is not taken for granted: a link takes a byte of each.
    let mut links: Vec<Link> = Vec::with_capacity(count.min(raw[usize::from(column::KIND)].len()));
    let mut before: (usize, Option<usize>) = (0, None);
    for _ in 0..count {
        let (first, low) = asn(before.0.checked_add(low.size("an AS of a link", origins.asns.len())?))?;
        let base = before.1.filter(|_| first == before.0).unwrap_or(first);
        let step = high.size("an AS of a link", origins.asns.len())?;
        let (second, high) = asn(base.checked_add(step).and_then(|place| place.checked_add(1)))?;
        let kind = kinds.byte()?;
        let kind = KINDS
            .get(usize::from(kind))
            .ok_or_else(|| at.malformed("the kind of a link", "one of five", kind.into()))?;
        let paths = paths.size("the paths of a link", u32::MAX as usize)? as u32;
        links.push(Link { low, high, kind: *kind, paths });
        before = (first, Some(second));
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::number::Asn;

    fn here() -> At<'static> {
        At { path: Path::new("t"), offset: 0 }
    }

    /// Links between some of the ASes of a list.
    fn some() -> impl Strategy<Value = (Origins, Vec<Link>)> {
        let asns = prop::collection::btree_set(any::<u32>(), 2..40);
        let links = prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0usize..5, any::<u32>()),
            0..60,
        );
        (asns, links).prop_map(|(asns, links)| {
            let asns: Vec<Asn> = asns.into_iter().map(Asn).collect();
            let mut kept = BTreeMap::new();
            for (a, b, kind, paths) in links {
                let (a, b) = (*a.get(&asns), *b.get(&asns));
                if a != b {
                    let link = Link::new(a, b, KINDS[kind], paths);
                    kept.insert((link.low, link.high), link);
                }
            }
            (Origins { asns, sets: Vec::new() }, kept.into_values().collect())
        })
    }

    proptest! {
        #[test]
        fn links_come_back_and_cut_ones_do_not((origins, links) in some()) {
            let bytes = pack(&links, &origins);
            prop_assert_eq!(&unpack(&bytes, here(), &origins).unwrap(), &links);
            for cut in 0..bytes.len() {
                // Only what is left of no links at all may pass for something.
                prop_assert!(unpack(&bytes[..cut], here(), &origins).is_err(), "{cut} of {}", bytes.len());
            }
        }

        #[test]
        fn flipped_bits_and_noise_are_refused_or_read((origins, links) in some(), at: prop::sample::Index, bit in 0u8..8, noise: Vec<u8>) {
            let mut bytes = pack(&links, &origins);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            for bytes in [&bytes, &noise] {
                if let Ok(read) = unpack(bytes, here(), &origins) {
                    prop_assert!(read.is_sorted_by_key(|link| (link.low, link.high)));
                    prop_assert!(read.iter().all(|link| link.low < link.high));
                }
            }
        }
    }

    #[test]
    fn a_count_beyond_reason_allocates_nothing() {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, MOST as u128 + 1);
        let error = unpack(&bytes, here(), &Origins::default()).unwrap_err().to_string();
        assert!(error.contains("the number of links"), "{error}");
        bytes.clear();
        put_varint(&mut bytes, MOST as u128);
        assert!(unpack(&bytes, here(), &Origins::default()).is_err(), "the columns are not there");
    }
}
