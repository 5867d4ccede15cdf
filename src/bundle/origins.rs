//! What was said of whose addresses these are, kept: a conclusion asks, and its questions and answers go into the bundle.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::number::Asn;
use crate::path::{Attribution, Kind, Origins};

/// The value of `schema`.
pub const SCHEMA: &str = "lasthop.origins/1";

/// Every answer that a conclusion was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// [`SCHEMA`].
    pub schema: String,
    /// Whose address it is.
    pub addresses: BTreeMap<IpAddr, Owner>,
    /// Names of ASes.
    pub names: BTreeMap<u32, Option<String>>,
    /// Two ASes, the lower first, and whether they are neighbours. Of pairs that are not listed nothing is known.
    pub neighbours: Vec<(u32, u32, bool)>,
}

/// Whose address it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Origin ASes, most frequent first.
    pub asns: Vec<u32>,
    /// The first one's name.
    pub as_name: Option<String>,
    /// The covering prefix.
    pub prefix: Option<IpNetwork>,
    /// `as`, `private`, `ixp`, `unannounced` or `reserved`.
    pub kind: String,
}

impl Owner {
    pub fn of(attribution: &Attribution) -> Self {
        Self {
            asns: attribution.asns.iter().map(|asn| asn.0).collect(),
            as_name: attribution.name.clone(),
            prefix: attribution.prefix,
            kind: attribution.kind.as_str().to_owned(),
        }
    }

    fn attribution(&self) -> Attribution {
        let kinds = [Kind::As, Kind::Private, Kind::Ixp, Kind::Unannounced, Kind::Reserved];
        let kind = kinds.into_iter().find(|kind| kind.as_str() == self.kind);
        Attribution {
            asns: self.asns.iter().copied().map(Asn).collect(),
            name: self.as_name.clone(),
            prefix: self.prefix,
            kind: kind.unwrap_or(Kind::Unannounced),
        }
    }
}

/// Asks on, and remembers.
pub struct Asked<'a> {
    origins: &'a dyn Origins,
    answers: RefCell<Answers>,
}

impl<'a> Asked<'a> {
    pub fn new(origins: &'a dyn Origins) -> Self {
        let answers = Answers { schema: SCHEMA.to_owned(), ..Answers::default() };
        Self { origins, answers: RefCell::new(answers) }
    }

    pub fn answers(self) -> Answers {
        self.answers.into_inner()
    }
}

impl Origins for Asked<'_> {
    fn attribute(&self, address: IpAddr) -> Attribution {
        let attribution = self.origins.attribute(address);
        self.answers.borrow_mut().addresses.insert(address, Owner::of(&attribution));
        attribution
    }

    fn name(&self, asn: Asn) -> Option<String> {
        let name = self.origins.name(asn);
        self.answers.borrow_mut().names.insert(asn.0, name.clone());
        name
    }

    fn adjacent(&self, a: Asn, b: Asn) -> Option<bool> {
        let adjacent = self.origins.adjacent(a, b);
        if let Some(adjacent) = adjacent {
            let mut answers = self.answers.borrow_mut();
            let row = (a.0.min(b.0), a.0.max(b.0), adjacent);
            if !answers.neighbours.contains(&row) {
                answers.neighbours.push(row);
                answers.neighbours.sort_unstable();
            }
        }
        adjacent
    }
}

/// Answers as they were given; what was never asked is unannounced, and noted.
pub struct Stated<'a> {
    answers: &'a Answers,
    missing: RefCell<Option<IpAddr>>,
}

impl<'a> Stated<'a> {
    pub fn new(answers: &'a Answers) -> Self {
        Self { answers, missing: RefCell::new(None) }
    }

    /// The first address that was asked about and is not there.
    pub fn missing(&self) -> Option<IpAddr> {
        *self.missing.borrow()
    }
}

impl Origins for Stated<'_> {
    fn attribute(&self, address: IpAddr) -> Attribution {
        match self.answers.addresses.get(&address) {
            Some(owner) => owner.attribution(),
            None => {
                self.missing.borrow_mut().get_or_insert(address);
                Attribution::bare(Kind::Unannounced)
            }
        }
    }

    fn name(&self, asn: Asn) -> Option<String> {
        self.answers.names.get(&asn.0).cloned().flatten()
    }

    fn adjacent(&self, a: Asn, b: Asn) -> Option<bool> {
        let pair = (a.0.min(b.0), a.0.max(b.0));
        self.answers.neighbours.iter().find(|row| (row.0, row.1) == pair).map(|row| row.2)
    }
}
