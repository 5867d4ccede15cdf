//! One address, subnet or range as lists write them, read from bytes.
//!
//! Hundreds of millions of bytes pass here, nearly all of them dotted quads, so these have a reader of their own; whatever
//! is no plain dotted quad goes the ordinary way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses from one to another, both included and of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    V4(u32, u32),
    V6(u128, u128),
}

/// Why a text is no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoItem {
    /// It is something else.
    Other,
    /// It would be one, but nobody can be at 0.0.0.0, and a prefix of no bits is everybody.
    Junk,
}

impl Item {
    /// `198.51.100.7`, `198.51.100.8/29`, `198.51.100.8/255.255.255.248`, `198.51.100.1-198.51.100.9`, and the same in IPv6.
    /// Bits beyond a prefix are dropped: registers have them.
    pub(super) fn parse(text: &[u8]) -> Result<Self, NoItem> {
        let text = text.trim_ascii();
        if let Some((address, rest)) = quad(text) {
            return Self::v4(address, rest);
        }
        // Nothing else of interest is this long, and a name has no colon.
        if text.len() > 100 || !text.contains(&b':') {
            return Err(NoItem::Other);
        }
        let text = std::str::from_utf8(text).map_err(|_| NoItem::Other)?;
        let v6 = |text: &str| text.trim().parse::<Ipv6Addr>().map_err(|_| NoItem::Other);
        if let Some((from, to)) = text.split_once('-') {
            let (from, to) = (v6(from)?.to_bits(), v6(to)?.to_bits());
            return if from <= to && from > 0 { Ok(Self::V6(from, to)) } else { Err(NoItem::Junk) };
        }
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, length.parse::<u32>().map_err(|_| NoItem::Other)?),
            None => (text, 128),
        };
        let bits = v6(address)?.to_bits();
        if length > 128 {
            return Err(NoItem::Other);
        }
        if length == 0 || (bits == 0 && length == 128) {
            return Err(NoItem::Junk);
        }
        let mask = u128::MAX << (128 - length);
        Ok(Self::V6(bits & mask, bits | !mask))
    }

    /// What follows an address.
    fn v4(address: u32, rest: &[u8]) -> Result<Self, NoItem> {
        let mask = match rest {
            [] => u32::MAX,
            [b'/', length @ ..] => match length {
                [one @ b'0'..=b'9'] => mask_of(u32::from(one - b'0'))?,
                [one @ b'0'..=b'9', two @ b'0'..=b'9'] => {
                    mask_of(u32::from(one - b'0') * 10 + u32::from(two - b'0'))?
                }
                other => match quad(other) {
                    Some((mask, [])) => return Self::masked(address, mask),
                    _ => return Err(NoItem::Other),
                },
            },
            _ => {
                let rest = rest.trim_ascii_start().strip_prefix(b"-").ok_or(NoItem::Other)?;
                return match quad(rest.trim_ascii_start()) {
                    Some((to, [])) if address > 0 && address <= to => Ok(Self::V4(address, to)),
                    Some((_, [])) => Err(NoItem::Junk),
                    _ => Err(NoItem::Other),
                };
            }
        };
        Self::masked(address, mask)
    }

    /// An address with a mask beside it; one with holes is none.
    pub(super) fn masked(address: u32, mask: u32) -> Result<Self, NoItem> {
        if mask.leading_ones() + mask.trailing_zeros() != 32 {
            return Err(NoItem::Other);
        }
        if mask == 0 || (address == 0 && mask == u32::MAX) {
            return Err(NoItem::Junk);
        }
        Ok(Self::V4(address & mask, address | !mask))
    }

    pub(super) fn covers(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::V4(from, to), IpAddr::V4(address)) => (*from..=*to).contains(&address.to_bits()),
            (Self::V6(from, to), IpAddr::V6(address)) => (*from..=*to).contains(&address.to_bits()),
            _ => false,
        }
    }

    pub(super) const fn is_single(&self) -> bool {
        match self {
            Self::V4(from, to) => *from == *to,
            Self::V6(from, to) => *from == *to,
        }
    }
}

fn mask_of(length: u32) -> Result<u32, NoItem> {
    match length {
        0 => Ok(0),
        1..=32 => Ok(u32::MAX << (32 - length)),
        _ => Err(NoItem::Other),
    }
}

/// The dotted quad at the beginning, and what follows it. Leading zeros are no octal numbers here but are not taken either:
/// nobody knows what is meant.
pub(super) fn quad(text: &[u8]) -> Option<(u32, &[u8])> {
    let mut bits = 0u32;
    let mut at = 0;
    for octet in 0..4 {
        if octet > 0 {
            if *text.get(at)? != b'.' {
                return None;
            }
            at += 1;
        }
        let mut value = u32::from(text.get(at)?.wrapping_sub(b'0'));
        if value > 9 {
            return None;
        }
        at += 1;
        let zero = value == 0;
        while let Some(digit) =
            text.get(at).map(|byte| u32::from(byte.wrapping_sub(b'0'))).filter(|digit| *digit <= 9)
        {
            value = value * 10 + digit;
            if zero || value > 255 {
                return None;
            }
            at += 1;
        }
        bits = bits << 8 | value;
    }
    Some((bits, &text[at..]))
}

impl std::fmt::Display for Item {
    /// For tests and doubts: the ends.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::V4(from, to) => write!(f, "{}-{}", Ipv4Addr::from_bits(*from), Ipv4Addr::from_bits(*to)),
            Self::V6(from, to) => write!(f, "{}-{}", Ipv6Addr::from_bits(*from), Ipv6Addr::from_bits(*to)),
        }
    }
}
