//! The special-purpose registries as segments, so that a lookup costs a binary search and a fast index can have them laid over the table.

use std::net::IpAddr;
use std::sync::OnceLock;

#[cfg(test)]
use super::ixp::find;
use super::origin::{Asns, Kind, Origin, Source};
use super::range::{Announced, Key, Range, Segment, flatten};
use crate::number::special::{self, Class, Special};

pub(crate) struct Registry {
    /// Prefix length and row, in the registries' order.
    rows: Vec<(u32, Special)>,
    pub(crate) four: Vec<Segment<u32>>,
    pub(crate) six: Vec<Segment<u128>>,
}

/// IPv4 addresses written into IPv6 by a translator (RFC 6052 §2.1): the well-known prefix and the IPv4 address behind it.
const NAT64: u128 = 0x0064_ff9b << 96;

/// The IPv4 address inside a NAT64 address of the well-known prefix.
pub(crate) fn translated(address: u128) -> Option<u32> {
    (address & !u128::from(u32::MAX) == NAT64).then_some(address as u32)
}

pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let (mut rows, mut four, mut six) = (Vec::new(), Vec::new(), Vec::new());
        for (value, (base, bits, row)) in (0..).zip(special::ranges()) {
            rows.push((bits.into(), row));
            match base {
                IpAddr::V4(base) => {
                    four.push(Announced { range: Range::of_prefix(u32::from(base), bits.into()), value });
                }
                IpAddr::V6(base) => {
                    six.push(Announced { range: Range::of_prefix(u128::from(base), bits.into()), value });
                }
            }
        }
        Registry { rows, four: flatten(four), six: flatten(six) }
    })
}

impl Registry {
    /// The answer for an address inside the range of a row.
    ///
    /// Of the embeddings only NAT64 is looked through, by the caller; 6to4 and Teredo addresses and the 6to4 relay anycast belong to
    /// a tunnel whose end may be anywhere, and the AS that announces their prefix is some relay's (RFC 7526): nothing can be
    /// told, so they are reserved.
    pub(crate) fn answer<K: Key>(&self, value: u32, address: K) -> Option<Origin> {
        let (bits, row) = self.rows.get(value as usize)?;
        let kind = match row.class {
            Class::Private => Kind::Private,
            Class::Reserved | Class::Embedded => Kind::Reserved,
        };
        let range = Range::of_prefix(address, *bits);
        Some(Origin {
            asns: Asns::NONE,
            as_set: false,
            prefix: Some(address.network(*bits)),
            range: Some((range.first.address(), range.last.address())),
            kind,
            special: Some(*row),
            source: Source::Registry,
        })
    }

    /// The row that covers `address`.
    #[cfg(test)]
    pub(crate) fn row<K: Key>(&self, segments: &[Segment<K>], address: K) -> Option<Special> {
        self.rows.get(find(segments, address)? as usize).map(|(_, row)| *row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same(address: IpAddr) {
        let registry = registry();
        let found = match address {
            IpAddr::V4(address) => registry.row(&registry.four, u32::from(address)),
            IpAddr::V6(address) => registry.row(&registry.six, u128::from(address)),
        };
        assert_eq!(found, special::lookup(address), "{address}");
    }

    #[test]
    fn segments_answer_as_the_rows_do_at_every_edge() {
        for (base, bits, _) in special::ranges() {
            match base {
                IpAddr::V4(base) => {
                    let range = Range::of_prefix(u32::from(base), bits.into());
                    for at in
                        [range.first.wrapping_sub(1), range.first, range.last, range.last.wrapping_add(1)]
                    {
                        same(at.address());
                    }
                }
                IpAddr::V6(base) => {
                    let range = Range::of_prefix(u128::from(base), bits.into());
                    for at in
                        [range.first.wrapping_sub(1), range.first, range.last, range.last.wrapping_add(1)]
                    {
                        same(at.address());
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn and_anywhere_else(four: u32, six: u128) {
            same(four.address());
            same(six.address());
        }
    }

    #[test]
    fn a_translated_address_is_told_from_its_neighbours() {
        assert_eq!(translated(0x0064_ff9b_0000_0000_0000_0000_0808_0404), Some(0x0808_0404));
        assert_eq!(translated(0x0064_ff9b_0001_0000_0000_0000_0808_0404), None);
        assert_eq!(translated(0x0064_ff9b_0000_0000_0000_0001_0808_0404), None);
    }
}
