//! Which of the ASes on some paths are neighbours in BGP.

use std::collections::{BTreeMap, BTreeSet};

use super::{Atlas, Path};
use crate::number::Asn;

/// Which ASes are neighbours, asked once of whatever knows it, for the ASes of some paths.
///
/// Nothing is known where there are no adjacency data, or where they do not have one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbours(BTreeMap<(Asn, Asn), bool>);

impl Neighbours {
    /// Of every two ASes on these paths.
    #[must_use]
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a Path>, atlas: &Atlas<'_>) -> Self {
        let mut asns: BTreeSet<Asn> = BTreeSet::new();
        for path in paths {
            asns.extend(&path.attribution.asns);
            for hop in &path.hops {
                asns.extend(hop.attributions.iter().flat_map(|one| &one.asns));
            }
        }
        let mut known = BTreeMap::new();
        for (place, one) in asns.iter().enumerate() {
            for other in asns.iter().skip(place + 1) {
                if let Some(adjacent) = atlas.adjacent(*one, *other) {
                    known.insert((*one, *other), adjacent);
                }
            }
        }
        Self(known)
    }

    /// Whether nothing is known of any two of them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of these is a neighbour of any of those; `None` if nothing is known of any pair.
    #[must_use]
    pub fn any(&self, these: &BTreeSet<Asn>, those: &BTreeSet<Asn>) -> Option<bool> {
        let pairs =
            these.iter().flat_map(|one| those.iter().map(move |other| (*one.min(other), *one.max(other))));
        pairs.filter_map(|pair| self.0.get(&pair).copied()).reduce(|one, other| one || other)
    }
}
