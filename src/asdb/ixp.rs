//! Peering LANs of Internet exchanges: why they are kept apart from the table of origins.
//!
//! A router that answers from an exchange's LAN belongs to the *member* the address was given to, and that is the AS the packet
//! enters next; the AS that originates the LAN's prefix, if anybody does, carries none of the traffic. The origins tables
//! disagree wildly here: of the same LAN one month's data names the exchange's office network, the next a member that
//! leaked it. Four of the five regional registries keep pools for such LANs and nothing else; those pools and some large LANs outside
//! them are listed in `data/ixp-pools.tsv`, each with the fact it rests on.

use std::net::IpAddr;
use std::sync::OnceLock;

use ipnetwork::IpNetwork;

use super::range::{Announced, Key, Range, Segment, flatten};

/// The list shipped with the program.
const SHIPPED: &str = include_str!("../../data/ixp-pools.tsv");

/// How much of a prefix is exchange LAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Extent {
    /// A registry assigns it to exchanges only; which LAN of which exchange is not said here.
    Pool,
    /// The LAN, or LANs, of one exchange.
    Lan,
}

/// One row of the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Pool {
    /// The addresses.
    pub prefix: IpNetwork,
    /// A pool or a LAN.
    pub extent: Extent,
    /// The registry of a pool, the exchange of a LAN.
    pub holder: String,
    /// What the row rests on.
    pub grounds: String,
}

/// A line of the list that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the list of exchange LANs: expected {expected}")]
#[non_exhaustive]
pub struct ParsePoolError {
    /// The line, from 1.
    pub line: usize,
    /// What was wanted.
    pub expected: &'static str,
}

/// Reads the list: tab-separated prefix, `pool` or `lan`, holder, grounds; `#` begins a comment line.
///
/// # Errors
/// The first line that is not of this form, or whose prefix has bits set behind its length.
pub fn parse(text: &str) -> Result<Vec<Pool>, ParsePoolError> {
    let mut pools = Vec::new();
    for (line, row) in text.lines().enumerate().map(|(place, row)| (place + 1, row)) {
        if row.is_empty() || row.starts_with('#') {
            continue;
        }
        let error = |expected| ParsePoolError { line, expected };
        let fields: Vec<&str> = row.split('\t').collect();
        let &[prefix, extent, holder, grounds] = fields.as_slice() else {
            return Err(error("four fields with tabs between them"));
        };
        let network: IpNetwork = prefix.parse().map_err(|_| error("a prefix"))?;
        if network.network() != network.ip() || !prefix.contains('/') {
            return Err(error("a prefix without bits behind its length"));
        }
        let extent = match extent {
            "pool" => Extent::Pool,
            "lan" => Extent::Lan,
            _ => return Err(error("'pool' or 'lan'")),
        };
        pools.push(Pool { prefix: network, extent, holder: holder.to_owned(), grounds: grounds.to_owned() });
    }
    Ok(pools)
}

/// The shipped list, in the file's order.
#[must_use]
pub fn pools() -> &'static [Pool] {
    &shipped().pools
}

/// The narrowest row of the shipped list that holds `address`.
#[must_use]
pub fn lookup(address: IpAddr) -> Option<&'static Pool> {
    let shipped = shipped();
    let value = match address {
        IpAddr::V4(address) => find(&shipped.four, u32::from(address)),
        IpAddr::V6(address) => find(&shipped.six, u128::from(address)),
    };
    shipped.pools.get(value? as usize)
}

/// Sorted disjoint segments; a segment's value is the place of its row in [`pools`].
pub(crate) fn segments() -> (&'static [Segment<u32>], &'static [Segment<u128>]) {
    let shipped = shipped();
    (&shipped.four, &shipped.six)
}

/// The value of the segment that holds `address`.
pub(crate) fn find<K: Key>(segments: &[Segment<K>], address: K) -> Option<u32> {
    let after = segments.partition_point(|segment| segment.range.first <= address);
    let segment = segments.get(after.checked_sub(1)?)?;
    segment.range.holds(address).then_some(segment.value)
}

/// Prefixes as sorted disjoint segments, a family each; a segment's value is the place of its prefix.
pub(crate) fn by_family(
    prefixes: impl Iterator<Item = IpNetwork>,
) -> (Vec<Segment<u32>>, Vec<Segment<u128>>) {
    let (mut four, mut six) = (Vec::new(), Vec::new());
    for (value, prefix) in (0..).zip(prefixes) {
        match prefix {
            IpNetwork::V4(prefix) => {
                let range = Range::of_prefix(u32::from(prefix.ip()), prefix.prefix().into());
                four.push(Announced { range, value });
            }
            IpNetwork::V6(prefix) => {
                let range = Range::of_prefix(u128::from(prefix.ip()), prefix.prefix().into());
                six.push(Announced { range, value });
            }
        }
    }
    (flatten(four), flatten(six))
}

struct Shipped {
    pools: Vec<Pool>,
    four: Vec<Segment<u32>>,
    six: Vec<Segment<u128>>,
}

fn shipped() -> &'static Shipped {
    static LIST: OnceLock<Shipped> = OnceLock::new();
    LIST.get_or_init(|| {
        // A test reads the list, so there is nothing to report here.
        let pools = parse(SHIPPED).unwrap_or_default();
        let (four, six) = by_family(pools.iter().map(|pool| pool.prefix));
        Shipped { four, six, pools }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::special;

    #[test]
    fn the_shipped_list_reads_and_no_row_is_special_space() {
        let pools = parse(SHIPPED).unwrap();
        assert!(pools.len() >= 15, "{}", pools.len());
        for pool in &pools {
            assert_eq!(special::lookup(pool.prefix.ip()), None, "{pool:?}");
            assert!(!pool.holder.is_empty() && pool.grounds.len() > 10, "{pool:?}");
            assert_eq!(pools.iter().filter(|other| other.prefix == pool.prefix).count(), 1, "{pool:?} twice");
        }
    }

    #[test]
    fn the_narrowest_row_answers() {
        let holder = |text: &str| lookup(text.parse().unwrap()).map(|pool| pool.holder.as_str());
        assert_eq!(holder("185.1.245.252"), Some("RIPE NCC"));
        assert_eq!(holder("184.255.255.255"), None);
        assert_eq!(holder("185.2.0.0"), None);
        assert_eq!(holder("195.208.208.100"), Some("MSK-IX Moscow"));
        assert_eq!(holder("2001:7f8:20:101::208:100"), Some("RIPE NCC"));
        assert_eq!(holder("2001:7f9::1"), None);
        assert_eq!(holder("8.8.8.8"), None);
    }

    #[test]
    fn bad_lines_are_named() {
        let line = |text: &str| parse(text).unwrap_err();
        assert_eq!(line("# c\n\n1.0.0.0/8\tlan\tx").line, 3);
        assert_eq!(line("1.0.0.0/8\tplan\tx\ty").expected, "'pool' or 'lan'");
        assert_eq!(line("1.0.0.1/8\tlan\tx\ty").line, 1);
        assert_eq!(line("1.0.0.0\tlan\tx\ty").line, 1);
        assert_eq!(line("nonsense\tlan\tx\ty").expected, "a prefix");
    }
}
