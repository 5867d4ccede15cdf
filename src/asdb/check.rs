//! What is different in another table: whose addresses moved to whom.
//!
//! Two tables of the same Internet, taken at two times or by two publishers, never have the same ranges: one splits what the
//! other joins. So not rows are compared but answers, address by address, over stretches in which neither table changes its
//! answer. Registries, exchange LANs and overrides are left aside, because they do not come from the data.

use std::collections::BTreeMap;

use super::build::{Builder, Built};
use super::range::{Key, Range, Segment};
use crate::number::Asn;

/// A set of origins, sorted; empty where nobody announces.
type Set = Vec<Asn>;

/// Space in each family.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Space {
    /// IPv4 addresses.
    pub four: u64,
    /// IPv6 space in units of a /48, the size of a site (RFC 6177); narrower prefixes count as parts of one.
    pub six: f64,
}

impl Space {
    fn add<K: Key>(&mut self, range: Range<K>) {
        let span: u128 = range.last.minus(range.first).into();
        if K::BITS == 32 {
            self.four = self.four.saturating_add((span as u64).saturating_add(1));
        } else {
            // The whole of IPv6 would overflow by one address.
            self.six += (span as f64 + 1.0) / (1u128 << 80) as f64;
        }
    }

    /// How much of both families, a share of each counting alike: what puts a list of moves in order.
    fn weight(&self) -> f64 {
        self.four as f64 / f64::from(u32::MAX) + self.six / (1u64 << 48) as f64
    }
}

/// Space that went from some origins to others.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Move {
    /// The origins in the first table; none where it has no answer.
    pub from: Vec<Asn>,
    /// Those in the second.
    pub to: Vec<Asn>,
    /// How much.
    pub space: Space,
}

/// What is different between two tables.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Changes {
    /// Space in which at least one of the tables has an answer.
    pub covered: Space,
    /// Space with the same origins in both.
    pub same: Space,
    /// Space with origins in both, other ones.
    pub changed: Space,
    /// Space only the second table has.
    pub appeared: Space,
    /// Space only the first table has.
    pub vanished: Space,
    /// Space with several origins in the second table and not in the first.
    pub several_now: Space,
    /// Space with several origins in the first table and not in the second.
    pub several_before: Space,
    /// All moves, the largest first; ties in the order of their ASes.
    pub moves: Vec<Move>,
    /// ASes with another name: number, before, now.
    pub renamed: Vec<(Asn, String, String)>,
    /// ASes with a name only in the second table, and only in the first.
    pub names_appeared: u64,
    /// The same, only in the first.
    pub names_vanished: u64,
    /// Links between ASes only in the second table.
    pub links_appeared: u64,
    /// Those only in the first.
    pub links_vanished: u64,
}

impl Changes {
    /// Whether both give the same answers, names and links.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moves.is_empty()
            && self.renamed.is_empty()
            && [self.names_appeared, self.names_vanished, self.links_appeared, self.links_vanished] == [0; 4]
    }
}

/// Compares two tables; what is different is said of the second one.
#[must_use]
pub fn compare(before: Builder, now: Builder) -> Changes {
    let (before, now) = (before.build(), now.build());
    let mut found = Changes::default();
    let mut moves: BTreeMap<(Set, Set), Space> = BTreeMap::new();
    let sets = |built: &Built| -> Vec<Set> {
        (0..built.origins.len() as u32)
            .map(|value| {
                let mut asns = built.origins.get(value).map(|(asns, _, _)| asns.to_vec()).unwrap_or_default();
                asns.sort_unstable();
                asns
            })
            .collect()
    };
    let (old, new) = (sets(&before), sets(&now));
    walk(&before.four, &now.four, |range, a, b| found.count(range, a, b, (&old, &new), &mut moves));
    walk(&before.six, &now.six, |range, a, b| found.count(range, a, b, (&old, &new), &mut moves));
    found.moves = moves.into_iter().map(|((from, to), space)| Move { from, to, space }).collect();
    found.moves.sort_by(|a, b| b.space.weight().total_cmp(&a.space.weight()));
    found.names(&before, &now);
    found.links(&before, &now);
    found
}

impl Changes {
    fn count<K: Key>(
        &mut self,
        range: Range<K>,
        before: Option<u32>,
        now: Option<u32>,
        (old, new): (&[Set], &[Set]),
        moves: &mut BTreeMap<(Set, Set), Space>,
    ) {
        const NOBODY: &Set = &Vec::new();
        let of =
            |sets: &'_ [Set], value: Option<u32>| value.and_then(|value| sets.get(value as usize).cloned());
        let (a, b) = (of(old, before), of(new, now));
        let (a, b) = (a.as_ref().unwrap_or(NOBODY), b.as_ref().unwrap_or(NOBODY));
        self.covered.add(range);
        match (a.len() > 1, b.len() > 1) {
            (false, true) => self.several_now.add(range),
            (true, false) => self.several_before.add(range),
            _ => {}
        }
        if a == b {
            self.same.add(range);
            return;
        }
        match (a.is_empty(), b.is_empty()) {
            (true, _) => self.appeared.add(range),
            (_, true) => self.vanished.add(range),
            _ => self.changed.add(range),
        }
        moves.entry((a.clone(), b.clone())).or_default().add(range);
    }

    fn names(&mut self, before: &Built, now: &Built) {
        let named = |built: &Built| -> BTreeMap<Asn, String> {
            let all = built.origins.asns.iter().zip(&built.names);
            all.filter_map(|(asn, name)| Some((*asn, name.clone()?))).collect()
        };
        let (old, new) = (named(before), named(now));
        for (asn, name) in &old {
            match new.get(asn) {
                Some(other) if other != name => self.renamed.push((*asn, name.clone(), other.clone())),
                Some(_) => {}
                None => self.names_vanished += 1,
            }
        }
        self.names_appeared = new.keys().filter(|asn| !old.contains_key(asn)).count() as u64;
    }

    fn links(&mut self, before: &Built, now: &Built) {
        let pairs = |built: &Built| -> Vec<(Asn, Asn)> {
            built.links.iter().flatten().map(|link| (link.low, link.high)).collect()
        };
        let (old, new) = (pairs(before), pairs(now));
        let missing = |of: &[(Asn, Asn)], from: &[(Asn, Asn)]| {
            of.iter().filter(|pair| from.binary_search(pair).is_err()).count() as u64
        };
        self.links_vanished = missing(&old, &new);
        self.links_appeared = missing(&new, &old);
    }
}

/// Goes through both lists of sorted disjoint segments at once and calls `each` for every stretch that at least one covers.
fn walk<K: Key>(
    old: &[Segment<K>],
    new: &[Segment<K>],
    mut each: impl FnMut(Range<K>, Option<u32>, Option<u32>),
) {
    let (mut a, mut b) = (old.iter().peekable(), new.iter().peekable());
    let mut at = K::ZERO;
    loop {
        while a.next_if(|one| one.range.last < at).is_some() {}
        while b.next_if(|one| one.range.last < at).is_some() {}
        let heads = [a.peek(), b.peek()].map(|head| head.map(|one| **one));
        let Some(first) = heads.iter().flatten().map(|one| one.range.first.max(at)).min() else { return };
        let covers = heads.map(|head| head.filter(|one| one.range.first <= first));
        // Up to the nearest end of what covers, or up to before the beginning of what does not yet.
        let ends = covers.iter().flatten().map(|one| one.range.last);
        let ahead = heads.iter().flatten().filter(|one| one.range.first > first);
        let Some(last) = ends.chain(ahead.filter_map(|one| one.range.first.previous())).min() else { return };
        each(Range { first, last }, covers[0].map(|one| one.value), covers[1].map(|one| one.value));
        match last.next() {
            Some(next) => at = next,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::file::SourceInfo;
    use super::*;

    fn builder(rows: &[(u8, u8, u32)]) -> Builder {
        let mut builder = Builder::new("", SourceInfo::default());
        for (a, b, asn) in rows {
            let (first, last) = (a.min(b), a.max(b));
            let four = |byte: &u8| [9, 0, 0, *byte].into();
            builder.range(four(first), four(last), &[Asn(*asn)], false).unwrap();
        }
        builder
    }

    /// The origins of every address, sorted.
    fn told(rows: &[(u8, u8, u32)]) -> Vec<Set> {
        let built = builder(rows).build();
        (0..=255u32)
            .map(|low| {
                let at = 0x0900_0000 + low;
                let found = built.four.iter().find(|one| one.range.holds(at));
                let mut asns = found.map_or(vec![], |one| built.origins.get(one.value).unwrap().0.to_vec());
                asns.sort_unstable();
                asns
            })
            .collect()
    }

    proptest! {
        #[test]
        fn every_address_is_counted_once_where_it_belongs(
            old in prop::collection::vec((any::<u8>(), any::<u8>(), 1u32..4), 0..12),
            new in prop::collection::vec((any::<u8>(), any::<u8>(), 1u32..4), 0..12),
        ) {
            let changes = compare(builder(&old), builder(&new));
            let (old, new) = (told(&old), told(&new));
            let count = |which: &dyn Fn(&Set, &Set) -> bool| {
                old.iter().zip(&new).filter(|(a, b)| which(a, b)).count() as u64
            };
            prop_assert_eq!(changes.covered.four, count(&|a, b| !a.is_empty() || !b.is_empty()));
            prop_assert_eq!(changes.same.four, count(&|a, b| a == b && !a.is_empty()));
            prop_assert_eq!(changes.changed.four, count(&|a, b| a != b && !a.is_empty() && !b.is_empty()));
            prop_assert_eq!(changes.appeared.four, count(&|a, b| a.is_empty() && !b.is_empty()));
            prop_assert_eq!(changes.vanished.four, count(&|a, b| !a.is_empty() && b.is_empty()));
            prop_assert_eq!(changes.several_now.four, count(&|a, b| a.len() < 2 && b.len() > 1));
            prop_assert_eq!(changes.is_empty(), old == new);
            for one in &changes.moves {
                prop_assert_eq!(one.space.four, count(&|a, b| (a, b) == (&one.from, &one.to)));
            }
        }
    }

    #[test]
    fn whole_families_are_compared_without_overflow() {
        let whole = |asn: u32| {
            let mut builder = Builder::new("", SourceInfo::default());
            let end = |text: &str| text.parse().unwrap();
            builder.range(end("0.0.0.0"), end("255.255.255.255"), &[Asn(asn)], false).unwrap();
            builder
                .range(end("::"), end("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), &[Asn(asn)], false)
                .unwrap();
            builder.name(Asn(asn), "one");
            builder
        };
        let changes = compare(whole(1), whole(2));
        assert_eq!((changes.changed.four, changes.changed.six), (1 << 32, (1u64 << 48) as f64));
        assert_eq!((changes.names_vanished, changes.names_appeared), (1, 1));
        assert!(compare(whole(1), whole(1)).is_empty());
    }

    #[test]
    fn names_and_links_that_changed_are_told() {
        let with = |name: &str, b: u32| {
            let mut builder = builder(&[(0, 9, 1)]);
            builder.name(Asn(1), name);
            builder.link(Asn(1), Asn(b), 3);
            builder
        };
        let changes = compare(with("old", 2), with("new", 3));
        assert_eq!(changes.renamed, [(Asn(1), "old".to_owned(), "new".to_owned())]);
        assert_eq!((changes.links_appeared, changes.links_vanished), (1, 1));
        assert!(changes.moves.is_empty() && !changes.is_empty());
    }
}
