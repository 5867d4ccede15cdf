//! What can be said of the owner of an address, and from where.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::asdb::{Kind, Table};
use crate::number::{Asn, special};

/// What is known of the owner of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribution {
    /// Origin ASes of the covering prefix, most frequent first; empty unless `kind` is [`Kind::As`].
    pub asns: Vec<Asn>,
    /// The first one's name.
    pub name: Option<String>,
    /// The covering prefix.
    pub prefix: Option<IpNetwork>,
    /// What the address is.
    pub kind: Kind,
}

impl Attribution {
    /// An address of which only this is known.
    #[must_use]
    pub const fn bare(kind: Kind) -> Self {
        Self { asns: Vec::new(), name: None, prefix: None, kind }
    }
}

/// Says what an address is: the AS table, or something laid over it.
pub trait Origins {
    /// What is known of `address`. Never fails: unknown is an answer.
    fn attribute(&self, address: IpAddr) -> Attribution;

    /// The name of an AS.
    fn name(&self, asn: Asn) -> Option<String>;

    /// Whether two ASes are neighbours in BGP; `None` where nothing is known of one of them.
    fn adjacent(&self, _one: Asn, _other: Asn) -> Option<bool> {
        None
    }
}

impl Origins for Table {
    fn attribute(&self, address: IpAddr) -> Attribution {
        let origin = self.lookup(address);
        let name = origin.asn().and_then(|asn| self.name(asn)).map(str::to_owned);
        Attribution { asns: origin.asns.to_vec(), name, prefix: origin.prefix, kind: origin.kind }
    }

    fn name(&self, asn: Asn) -> Option<String> {
        Self::name(self, asn).map(str::to_owned)
    }
}

/// Prefixes that go before a table: those of a simulated Internet, or the user's own corrections.
pub struct Overlay<'a> {
    /// Prefix, origin and name. The longest prefix wins.
    pub entries: Vec<(IpNetwork, Asn, Option<String>)>,
    /// Peering LANs of Internet exchanges.
    pub ixps: Vec<IpNetwork>,
    /// Pairs of ASes that are neighbours, if that is known; any other pair is none then.
    pub links: Option<Vec<(Asn, Asn)>>,
    /// What is asked where no entry covers the address.
    pub under: Option<&'a dyn Origins>,
}

impl Origins for Overlay<'_> {
    fn attribute(&self, address: IpAddr) -> Attribution {
        if let Some(ixp) = self.ixps.iter().find(|prefix| prefix.contains(address)) {
            return Attribution { prefix: Some(*ixp), ..Attribution::bare(Kind::Ixp) };
        }
        let covering = self.entries.iter().filter(|(prefix, _, _)| prefix.contains(address));
        if let Some((prefix, asn, name)) = covering.max_by_key(|(prefix, _, _)| prefix.prefix()) {
            let name = name.clone().or_else(|| self.name(*asn));
            return Attribution { asns: vec![*asn], name, prefix: Some(*prefix), kind: Kind::As };
        }
        match self.under {
            Some(under) => under.attribute(address),
            None => Attribution::bare(match special::lookup(address).map(|special| special.class) {
                Some(special::Class::Private) => Kind::Private,
                Some(special::Class::Reserved) => Kind::Reserved,
                _ => Kind::Unannounced,
            }),
        }
    }

    fn name(&self, asn: Asn) -> Option<String> {
        let own = self.entries.iter().find(|(_, known, name)| *known == asn && name.is_some());
        own.and_then(|(_, _, name)| name.clone()).or_else(|| self.under.and_then(|under| under.name(asn)))
    }

    fn adjacent(&self, one: Asn, other: Asn) -> Option<bool> {
        match &self.links {
            Some(links) => Some(links.contains(&(one, other)) || links.contains(&(other, one))),
            None => self.under.and_then(|under| under.adjacent(one, other)),
        }
    }
}

/// A memory of what was asked: a run asks for the same few addresses again and again.
pub struct Atlas<'a> {
    origins: &'a dyn Origins,
    known: HashMap<IpAddr, Attribution>,
}

impl<'a> Atlas<'a> {
    /// An empty memory over `origins`.
    #[must_use]
    pub fn new(origins: &'a dyn Origins) -> Self {
        Self { origins, known: HashMap::new() }
    }

    /// What is known of `address`.
    pub fn of(&mut self, address: IpAddr) -> &Attribution {
        self.known.entry(address).or_insert_with(|| self.origins.attribute(address))
    }

    /// The name of an AS.
    #[must_use]
    pub fn name(&self, asn: Asn) -> Option<String> {
        self.origins.name(asn)
    }

    /// Whether two ASes are neighbours in BGP, if that is known.
    #[must_use]
    pub fn adjacent(&self, one: Asn, other: Asn) -> Option<bool> {
        self.origins.adjacent(one, other)
    }
}
