//! Special-purpose address ranges: what can be said of an address before any table is asked.
//!
//! The ranges are those of the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates) plus
//! multicast (RFC 5771, RFC 4291). A hop inside one of them has no origin AS, whatever a table claims.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How an address inside a special-purpose range may be used as a hop or a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// Somebody's inside: RFC 1918, shared address space, link-local, unique local, loopback.
    Private,
    /// Never a unicast address on the public Internet: documentation, benchmarking, multicast, future use.
    Reserved,
    /// An embedding of IPv4 or a tunnel whose AS says nothing about the router: 6to4, Teredo, NAT64.
    Embedded,
}

/// One row of the registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Special {
    /// The registry's name for the range.
    pub name: &'static str,
    /// The document that set it apart.
    pub rfc: &'static str,
    /// What follows from it.
    pub class: Class,
}

const V4: &[(Ipv4Addr, u8, Special)] = &[
    row4([0, 0, 0, 0], 8, "this network", "RFC 791", Class::Reserved),
    row4([10, 0, 0, 0], 8, "private use", "RFC 1918", Class::Private),
    row4([100, 64, 0, 0], 10, "shared address space (CGNAT)", "RFC 6598", Class::Private),
    row4([127, 0, 0, 0], 8, "loopback", "RFC 1122", Class::Private),
    row4([169, 254, 0, 0], 16, "link local", "RFC 3927", Class::Private),
    row4([172, 16, 0, 0], 12, "private use", "RFC 1918", Class::Private),
    // Inside 192.0.0.0/24 the more specific rows come first: the first match answers.
    row4([192, 0, 0, 0], 29, "IPv4 service continuity (DS-Lite)", "RFC 7335", Class::Private),
    row4([192, 0, 0, 0], 24, "IETF protocol assignments", "RFC 6890", Class::Reserved),
    row4([192, 0, 2, 0], 24, "documentation (TEST-NET-1)", "RFC 5737", Class::Reserved),
    row4([192, 88, 99, 0], 24, "6to4 relay anycast (deprecated)", "RFC 7526", Class::Embedded),
    row4([192, 168, 0, 0], 16, "private use", "RFC 1918", Class::Private),
    row4([198, 18, 0, 0], 15, "benchmarking", "RFC 2544", Class::Reserved),
    row4([198, 51, 100, 0], 24, "documentation (TEST-NET-2)", "RFC 5737", Class::Reserved),
    row4([203, 0, 113, 0], 24, "documentation (TEST-NET-3)", "RFC 5737", Class::Reserved),
    row4([224, 0, 0, 0], 4, "multicast", "RFC 5771", Class::Reserved),
    row4([255, 255, 255, 255], 32, "limited broadcast", "RFC 8190", Class::Reserved),
    row4([240, 0, 0, 0], 4, "reserved for future use", "RFC 1112", Class::Reserved),
];

const V6: &[(Ipv6Addr, u8, Special)] = &[
    row6([0, 0, 0, 0, 0, 0, 0, 0], 128, "unspecified", "RFC 4291", Class::Reserved),
    row6([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback", "RFC 4291", Class::Private),
    row6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, "IPv4-mapped", "RFC 4291", Class::Embedded),
    row6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "IPv4-IPv6 translation", "RFC 6052", Class::Embedded),
    row6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "local IPv4-IPv6 translation", "RFC 8215", Class::Private),
    row6([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "discard only", "RFC 6666", Class::Reserved),
    row6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "Teredo", "RFC 4380", Class::Embedded),
    row6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, "benchmarking", "RFC 5180", Class::Reserved),
    row6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation", "RFC 3849", Class::Reserved),
    row6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28, "ORCHIDv2", "RFC 7343", Class::Reserved),
    row6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4", "RFC 3056", Class::Embedded),
    row6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation", "RFC 9637", Class::Reserved),
    row6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "segment routing SIDs", "RFC 9602", Class::Private),
    row6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "unique local", "RFC 4193", Class::Private),
    row6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link local", "RFC 4291", Class::Private),
    row6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast", "RFC 4291", Class::Reserved),
];

const fn row4(
    octets: [u8; 4],
    bits: u8,
    name: &'static str,
    rfc: &'static str,
    class: Class,
) -> (Ipv4Addr, u8, Special) {
    (Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]), bits, Special { name, rfc, class })
}

const fn row6(
    s: [u16; 8],
    bits: u8,
    name: &'static str,
    rfc: &'static str,
    class: Class,
) -> (Ipv6Addr, u8, Special) {
    (Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), bits, Special { name, rfc, class })
}

/// The registry row that covers `address`, if any.
#[must_use]
pub fn lookup(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) => V4
            .iter()
            .find(|(base, bits, _)| {
                (u32::from(address) ^ u32::from(*base)).leading_zeros() >= u32::from(*bits)
            })
            .map(|row| row.2),
        IpAddr::V6(address) => V6
            .iter()
            .find(|(base, bits, _)| {
                (u128::from(address) ^ u128::from(*base)).leading_zeros() >= u32::from(*bits)
            })
            .map(|row| row.2),
    }
}

/// Every range of the registries as base address, prefix length and row, for tables that must leave them out.
pub fn ranges() -> impl Iterator<Item = (IpAddr, u8, Special)> {
    let v4 = V4.iter().map(|&(base, bits, special)| (IpAddr::V4(base), bits, special));
    v4.chain(V6.iter().map(|&(base, bits, special)| (IpAddr::V6(base), bits, special)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_for_each_kind() {
        let name = |text: &str| lookup(text.parse().unwrap()).map(|special| special.name);
        assert_eq!(name("8.8.8.8"), None);
        assert_eq!(name("10.1.2.3"), Some("private use"));
        assert_eq!(name("172.32.0.1"), None);
        assert_eq!(name("100.127.255.255"), Some("shared address space (CGNAT)"));
        assert_eq!(name("255.255.255.255"), Some("limited broadcast"));
        assert_eq!(name("192.0.0.6"), Some("IPv4 service continuity (DS-Lite)"));
        assert_eq!(name("192.0.0.9"), Some("IETF protocol assignments"));
        assert_eq!(name("2a00:f00::1"), None);
        assert_eq!(name("::1"), Some("loopback"));
        assert_eq!(name("::ffff:8.8.8.8"), Some("IPv4-mapped"));
        assert_eq!(name("2001:db8::1"), Some("documentation"));
        assert_eq!(name("2001:4:112::1"), None);
        assert_eq!(name("fd00::1"), Some("unique local"));
    }

    #[test]
    fn every_base_lies_in_its_own_row_or_a_narrower_one_before_it() {
        for (base, bits, special) in ranges() {
            let found = lookup(base).unwrap();
            assert!(found == special || bits < 32, "{base}/{bits} answers {found:?}");
        }
    }
}
