//! What the table says of an address, with its grounds.
//!
//! Nothing is guessed: an address nobody announces, an address of an exchange's LAN and a private one are answers of their
//! own, and a prefix announced by several ASes keeps all of them.

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use serde::{Serialize, Serializer};

use crate::number::special::Special;
use crate::number::{Asn, AsnClass};

/// What kind of owner an address has; the words of the run format's hop (`kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Announced by one AS or more.
    As,
    /// Somebody's inside: private use, shared address space, link-local, unique local, loopback (RFC 6890).
    Private,
    /// A peering LAN of an Internet exchange. Its member that owns the address is the AS entered next, not the origin of the
    /// LAN's prefix, so no AS is named; [`Exchanges`](super::Exchanges) may know the member.
    Ixp,
    /// Nothing in the table covers it.
    Unannounced,
    /// Never a unicast address whose AS could be told: documentation, benchmarking, multicast, future use, and the addresses of
    /// the tunnels 6to4 and Teredo.
    Reserved,
}

impl Kind {
    /// The word the run format uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::As => "as",
            Self::Private => "private",
            Self::Ixp => "ixp",
            Self::Unannounced => "unannounced",
            Self::Reserved => "reserved",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The origin ASes of a range, the most frequent first; almost always one.
///
/// Derefs to a slice and serialises as a list of integers.
#[derive(Clone, Default)]
pub struct Asns(Held);

#[derive(Clone, Default)]
enum Held {
    #[default]
    None,
    One(Asn),
    // Shared, because an answer for such a range must not cost an allocation either.
    Many(Arc<[Asn]>),
}

impl Asns {
    /// No AS.
    pub const NONE: Self = Self(Held::None);

    /// The first, which is the only one unless the prefix has several origins.
    #[must_use]
    pub fn first(&self) -> Option<Asn> {
        self.as_slice().first().copied()
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[Asn] {
        match &self.0 {
            Held::None => &[],
            Held::One(asn) => std::slice::from_ref(asn),
            Held::Many(asns) => asns,
        }
    }
}

impl From<Asn> for Asns {
    fn from(asn: Asn) -> Self {
        Self(Held::One(asn))
    }
}

impl From<&[Asn]> for Asns {
    fn from(asns: &[Asn]) -> Self {
        match asns {
            [] => Self::NONE,
            [asn] => Self::from(*asn),
            more => Self(Held::Many(more.into())),
        }
    }
}

impl FromIterator<Asn> for Asns {
    fn from_iter<I: IntoIterator<Item = Asn>>(asns: I) -> Self {
        asns.into_iter().collect::<Vec<_>>().as_slice().into()
    }
}

impl<'a> IntoIterator for &'a Asns {
    type Item = &'a Asn;
    type IntoIter = std::slice::Iter<'a, Asn>;

    fn into_iter(self) -> Self::IntoIter {
        self.as_slice().iter()
    }
}

impl Deref for Asns {
    type Target = [Asn];

    fn deref(&self) -> &[Asn] {
        self.as_slice()
    }
}

impl PartialEq for Asns {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Asns {}

impl fmt::Debug for Asns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl Serialize for Asns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

/// Who said it. [`Table::source_name`](super::Table::source_name) puts it into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The IANA special-purpose registries; [`Origin::special`] is the row.
    Registry,
    /// The list of exchange LANs shipped with the program: this row of [`ixp::pools`](super::ixp::pools).
    IxpPools(&'static super::ixp::Pool),
    /// The table's source of this number, in the order of [`Info::sources`](super::Info::sources).
    Table(u16),
    /// Nothing in the table covers the address.
    Nothing,
    /// The table has something there, but the record cannot be read. Only a table file damaged in ways its own checks do not
    /// find answers this.
    Unreadable,
}

/// The answer for one address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The origin ASes, the most frequent first; empty unless `kind` is [`Kind::As`].
    pub asns: Asns,
    /// The ASes come, in part or all, from an AS_SET (RFC 4271 §5.1.2): one of them is the origin, the data does not say
    /// which.
    pub as_set: bool,
    /// What to show as the covering prefix: the largest prefix that holds the address and lies inside the range announced.
    pub prefix: Option<IpNetwork>,
    /// The covering range as its source announced it, both ends inclusive.
    pub range: Option<(IpAddr, IpAddr)>,
    /// What follows for a hop with this address.
    pub kind: Kind,
    /// The row of the special-purpose registry, also when something else (an override, the IPv4 address inside a NAT64
    /// address) gave the answer.
    pub special: Option<Special>,
    /// Who said it.
    pub source: Source,
}

impl Origin {
    /// An answer that rests on nothing: no range covers the address.
    pub(crate) const NOTHING: Self = Self {
        asns: Asns::NONE,
        as_set: false,
        prefix: None,
        range: None,
        kind: Kind::Unannounced,
        special: None,
        source: Source::Nothing,
    };

    /// The origin AS when there is exactly one.
    #[must_use]
    pub fn asn(&self) -> Option<Asn> {
        match self.asns.as_slice() {
            [asn] => Some(*asn),
            _ => None,
        }
    }

    /// Whether an origin is private, reserved or documentary (RFC 6996, RFC 7607, RFC 5398): a leak in the source, since such
    /// an AS owns nothing on the public Internet.
    #[must_use]
    pub fn is_leak(&self) -> bool {
        self.asns.iter().any(|asn| asn.class() != AsnClass::Public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_serialise_as_the_run_format_says() {
        let all = [Kind::As, Kind::Private, Kind::Ixp, Kind::Unannounced, Kind::Reserved];
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(json, r#"["as","private","ixp","unannounced","reserved"]"#);
        for kind in all {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn a_list_of_ases_is_a_list_of_integers() {
        let many: Asns = [Asn(3), Asn(1)].into_iter().collect();
        assert_eq!(
            serde_json::to_string(&[Asns::NONE, Asns::from(Asn(8359)), many.clone()]).unwrap(),
            "[[],[8359],[3,1]]"
        );
        assert_eq!(many.first(), Some(Asn(3)));
        assert_eq!(many.len(), 2);
        assert_ne!(many, Asns::from(Asn(3)));
    }
}
