//! What can be said of the owner of an address, and from where.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::asdb::{Adjacency, Exchanges, Kind, Peering, Table};
use crate::number::{Asn, special};

/// What is known of the owner of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribution {
    /// Origin ASes of the covering prefix, most frequent first. In an exchange's LAN ([`Kind::Ixp`]) the member the address was
    /// given to, where that is known. Empty for every other kind.
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

    /// Whether two ASes are known neighbours: `Some(true)` where a link between them is recorded, `Some(false)` where both are in
    /// the data and no link is, `None` where the data says nothing of one of them or there is no data. The order does not matter.
    ///
    /// A recorded link is good evidence; that none is recorded is weaker, for nobody sees all peering.
    fn adjacent(&self, a: Asn, b: Asn) -> Option<bool> {
        let _ = (a, b);
        None
    }
}

/// The owner of a router in an exchange's LAN; `below` is what is known of the address without that.
fn member(
    peering: Peering<'_>,
    below: impl FnOnce() -> Attribution,
    name: impl Fn(Asn) -> Option<String>,
) -> Attribution {
    let (asns, prefix) = match (peering.members, peering.prefix) {
        (asns, Some(prefix)) if !asns.is_empty() => (asns, Some(prefix)),
        // Members may be known without their LAN, and a LAN without its members; what lies below may know the other.
        (asns, prefix) => {
            let below = below();
            let is_lan = below.kind == Kind::Ixp;
            let asns = if asns.is_empty() && is_lan { below.asns } else { asns };
            (asns, prefix.or(below.prefix.filter(|_| is_lan)))
        }
    };
    let name = asns.first().and_then(|asn| name(*asn));
    Attribution { asns, name, prefix, kind: Kind::Ixp }
}

/// A table's own exchanges go before its ranges, as those of [`Grounds`] go before the table.
impl Origins for Table {
    fn attribute(&self, address: IpAddr) -> Attribution {
        let ranges = || of_ranges(self, address);
        match self.peering(address) {
            Some(peering) => member(peering, ranges, |asn| Origins::name(self, asn)),
            None => ranges(),
        }
    }

    fn name(&self, asn: Asn) -> Option<String> {
        Self::name(self, asn).map(str::to_owned)
    }

    fn adjacent(&self, a: Asn, b: Asn) -> Option<bool> {
        self.adjacency()?.adjacent(a, b)
    }
}

fn of_ranges(table: &Table, address: IpAddr) -> Attribution {
    let origin = table.lookup(address);
    let name = origin.asn().and_then(|asn| table.name(asn)).map(str::to_owned);
    Attribution { asns: origin.asns.to_vec(), name, prefix: origin.prefix, kind: origin.kind }
}

/// Prefixes that go before a table: those of a simulated Internet, or the user's own corrections.
pub struct Overlay<'a> {
    /// Prefix, origin and name. The longest prefix wins.
    pub entries: Vec<(IpNetwork, Asn, Option<String>)>,
    /// Peering LANs of Internet exchanges.
    pub ixps: Vec<IpNetwork>,
    /// All pairs of neighbours, in any order; where there are none to tell of, not even an empty list, `under` is asked.
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

    fn adjacent(&self, a: Asn, b: Asn) -> Option<bool> {
        match &self.links {
            Some(links) => Some(a == b || links.iter().any(|link| *link == (a, b) || *link == (b, a))),
            None => self.under?.adjacent(a, b),
        }
    }
}

/// A table with what the user adds to it: neighbours, and the members of exchanges.
///
/// What the table itself knows of both stays: the user's exchanges are asked first, the table's where they say nothing of an
/// address; links of both count, since each sees links that the other misses.
#[derive(Clone, Copy)]
pub struct Grounds<'a> {
    /// Whose addresses these are.
    pub table: &'a dyn Origins,
    /// Which ASes are neighbours.
    pub adjacency: Option<&'a Adjacency>,
    /// Whose router an address in an exchange is. Goes before the table.
    pub exchanges: Option<&'a Exchanges>,
}

impl<'a> Grounds<'a> {
    /// The table alone.
    #[must_use]
    pub const fn of(table: &'a dyn Origins) -> Self {
        Self { table, adjacency: None, exchanges: None }
    }
}

impl Origins for Grounds<'_> {
    fn attribute(&self, address: IpAddr) -> Attribution {
        let Some(peering) = self.exchanges.and_then(|exchanges| exchanges.lookup(address)) else {
            return self.table.attribute(address);
        };
        member(peering, || self.table.attribute(address), |asn| self.name(asn))
    }

    /// The table's name comes first, so that an AS has one name at all its hops.
    fn name(&self, asn: Asn) -> Option<String> {
        let member = || self.exchanges.and_then(|exchanges| exchanges.name(asn)).map(str::to_owned);
        self.table.name(asn).or_else(member)
    }

    fn adjacent(&self, a: Asn, b: Asn) -> Option<bool> {
        let told = self.adjacency.and_then(|adjacency| adjacency.adjacent(a, b));
        match (told, self.table.adjacent(a, b)) {
            // Each sees links that the other misses.
            (Some(true), _) | (_, Some(true)) => Some(true),
            (told, table) => told.or(table),
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

    /// Whether two ASes are known neighbours, as [`Origins::adjacent`] says it.
    #[must_use]
    pub fn adjacent(&self, a: Asn, b: Asn) -> Option<bool> {
        self.origins.adjacent(a, b)
    }
}
