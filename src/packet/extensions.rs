//! ICMP extensions (RFC 4884) with MPLS label stacks (RFC 4950) and interface information (RFC 5837).
//!
//! ```text
//! |Version|     Reserved          |           Checksum            |   structure
//! |            Length             |   Class-Num   |    C-Type     |   object, repeated
//! |                        payload …                              |
//! |              Label                    | TC  |S|      TTL      |   RFC 4950 payload, a stack of these
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{after, at_most, checksum};

/// The objects of an extension structure; empty if there was none, or none that is well formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions<'a>(&'a [u8]);

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Object<'a> {
    /// An incoming packet's label stack (RFC 4950), top first.
    Mpls(Vec<LabelEntry>),
    /// What the router says of one of its interfaces (RFC 5837).
    Interface(Interface),
    /// Another class, or one of these malformed.
    Other {
        /// Class number.
        class: u8,
        /// Class type.
        kind: u8,
        /// Its payload.
        payload: &'a [u8],
    },
}

/// One entry of a label stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelEntry {
    /// 20 bits.
    pub label: u32,
    /// Traffic class, 3 bits.
    pub tc: u8,
    /// Bottom of stack.
    pub bottom: bool,
    /// Time to live.
    pub ttl: u8,
}

/// Interface information (RFC 5837 §4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The role bits: 0 incoming, 1 sub-IP of it, 2 outgoing, 3 IP next hop.
    pub role: u8,
    /// ifIndex.
    pub index: Option<u32>,
    /// IP address.
    pub address: Option<IpAddr>,
    /// Name, at most 63 bytes, invalid UTF-8 replaced.
    pub name: Option<String>,
    /// MTU in bytes.
    pub mtu: Option<u32>,
}

/// RFC 4884 §4: the least bytes of quote, padded, where objects follow, and the place where routers older than the RFC
/// put them.
pub(super) const LEAST_QUOTE: usize = 128;

/// Splits the body of an ICMP error into the quoted packet and the extension structure.
///
/// `claimed` is the quote's length in bytes as RFC 4884's field gives it, 0 where the field is empty, `None` where the
/// message type has no such field. §5.5: routers older than the RFC leave the field empty and put the structure behind
/// 128 bytes. Others fill it in with a wrong unit or a length below 128, and there are some whose unused octets are not
/// zero. So whatever the field says, only a structure with version and checksum right is believed, unless it stands
/// where the RFC wants it; and without one, a length below 128 cuts nothing off the quote.
pub(super) fn split(body: &[u8], claimed: Option<usize>) -> (&[u8], Extensions<'_>) {
    let Some(claimed) = claimed else { return (body, Extensions::default()) };
    for (place, must_have_checksum) in [(claimed, claimed < LEAST_QUOTE), (LEAST_QUOTE, true)] {
        if place > 0
            && let Some((quote, structure)) = body.split_at_checked(place)
            && let Some(objects) = structure_of(structure, must_have_checksum)
        {
            return (quote, Extensions(objects));
        }
    }
    (if claimed < LEAST_QUOTE { body } else { at_most(body, claimed) }, Extensions::default())
}

/// The objects behind a valid structure header.
fn structure_of(bytes: &[u8], must_have_checksum: bool) -> Option<&[u8]> {
    let ([version, _, c0, c1], objects) = super::split::<4>(bytes, "icmp extension").ok()?;
    // §7: a checksum of zero means that none was sent.
    let sent = u16::from_be_bytes([c0, c1]) != 0;
    let right = sent && checksum(bytes, 0) == 0;
    match version {
        // §7: version 2 in the upper four bits.
        0x20..=0x2f => (right || !sent && !must_have_checksum).then_some(objects),
        // Seen from routers that put it in the lower four; too weak a sign without a checksum.
        0x02 => right.then_some(objects),
        _ => None,
    }
}

impl<'a> Extensions<'a> {
    /// A structure that stands by itself, header and all; empty if it is not well formed.
    #[must_use]
    pub fn read(structure: &'a [u8]) -> Self {
        Self(structure_of(structure, false).unwrap_or_default())
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The objects in order. Ends at the first whose length is impossible.
    pub fn objects(self) -> impl Iterator<Item = Object<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let ([l0, l1, class, kind], _) = split4(rest)?;
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            let payload = rest.get(4..length)?;
            rest = after(rest, length);
            Some(object(class, kind, payload))
        })
    }
}

fn split4(bytes: &[u8]) -> Option<([u8; 4], &[u8])> {
    super::split::<4>(bytes, "icmp extension object").ok()
}

fn object(class: u8, kind: u8, payload: &[u8]) -> Object<'_> {
    let (entries, odd) = payload.as_chunks::<4>();
    match class {
        1 if kind == 1 && odd.is_empty() && !entries.is_empty() => {
            Object::Mpls(entries.iter().map(|entry| label(*entry)).collect())
        }
        2 => interface(kind, payload).map_or(Object::Other { class, kind, payload }, Object::Interface),
        _ => Object::Other { class, kind, payload },
    }
}

const fn label([a, b, c, ttl]: [u8; 4]) -> LabelEntry {
    let word = u32::from_be_bytes([0, a, b, c]);
    LabelEntry { label: word >> 4, tc: (c >> 1) & 7, bottom: c & 1 == 1, ttl }
}

/// §4.1: the C-Type's two high bits are the role, the four low ones say which parts follow, in this order.
fn interface(kind: u8, payload: &[u8]) -> Option<Interface> {
    let mut found = Interface { role: kind >> 6, ..Interface::default() };
    let mut rest = payload;
    if kind & 0x08 != 0 {
        let (index, tail) = split4(rest)?;
        found.index = Some(u32::from_be_bytes(index));
        rest = tail;
    }
    if kind & 0x04 != 0 {
        let ([f0, f1, _, _], tail) = split4(rest)?;
        // Address family numbers 1 (IPv4) and 2 (IPv6).
        rest = match u16::from_be_bytes([f0, f1]) {
            1 => {
                let (octets, tail) = super::split::<4>(tail, "interface address").ok()?;
                found.address = Some(Ipv4Addr::from(octets).into());
                tail
            }
            2 => {
                let (octets, tail) = super::split::<16>(tail, "interface address").ok()?;
                found.address = Some(Ipv6Addr::from(octets).into());
                tail
            }
            _ => return None,
        };
    }
    if kind & 0x02 != 0 {
        // The length counts itself and the padding to four bytes; more than 64 is malformed.
        let length = usize::from(*rest.first()?);
        let name = rest.get(1..length).filter(|_| length <= 64)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        found.name = Some(String::from_utf8_lossy(name).into_owned());
        rest = after(rest, length);
    }
    if kind & 0x01 != 0 {
        found.mtu = Some(u32::from_be_bytes(split4(rest)?.0));
    }
    Some(found)
}
