//! What registries have given to whom: the *extended delegated* files of AFRINIC, APNIC, ARIN, LACNIC and RIPE NCC, and of NRO together.
//!
//! `registry|country|ipv4|first address|number of addresses|day|status|…`, `registry|country|ipv6|address|prefix length|…`. They say
//! in which country the holder of addresses is registered, and nothing of origins: the registered country is all that is taken.

use std::io::BufRead;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::text::{Fields, country, date_in, rows};
use super::{Format, Read};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;
use crate::asdb::range::Range;

const REGISTRIES: [&str; 7] = ["afrinic", "apnic", "arin", "iana", "lacnic", "ripencc", "nro"];

/// Whether a line is one of such a file: its first, `2|ripencc|…`, or one of data.
pub(crate) fn is_delegated(line: &str) -> bool {
    let fields: Vec<&str> = line.split('|').collect();
    let is_registry = |field: &&str| REGISTRIES.contains(field);
    fields.len() >= 6 && (is_registry(&fields[0]) || fields[0].starts_with('2') && is_registry(&fields[1]))
}

pub(crate) fn read(input: impl BufRead, path: &Path, into: &mut Builder) -> Result<Read, Error> {
    let mut read = Read::new(Format::Delegated);
    rows(input, path, Fields::Bars, &mut read, |row, read| {
        if row.field(0).starts_with('2') {
            // version|registry|serial|records|first day|last day|offset from UTC
            read.date = date_in(row.field(5)).or_else(|| date_in(row.field(2)));
            read.records -= 1;
            return Ok(());
        }
        if row.field(5) == "summary" {
            read.records -= 1;
            return Ok(());
        }
        if row.field(2) == "asn" {
            read.drop_some("AS numbers, not addresses", 1);
            return Ok(());
        }
        if !matches!(row.field(6), "allocated" | "assigned") {
            read.drop_some("addresses that nobody has", 1);
            return Ok(());
        }
        let Some(code) = country(row.field(1)) else {
            read.drop_some("addresses without a country", 1);
            return Ok(());
        };
        let (first, last): (IpAddr, IpAddr) = match row.field(2) {
            "ipv4" => {
                let first: Ipv4Addr = row.field(3).parse().map_err(|_| row.error("an IPv4 address"))?;
                let count: u32 = row.field(4).parse().map_err(|_| row.error("a number of addresses"))?;
                let last = count.checked_sub(1).and_then(|more| u32::from(first).checked_add(more));
                let last = last.ok_or_else(|| row.error("a number of addresses"))?;
                (first.into(), Ipv4Addr::from(last).into())
            }
            "ipv6" => {
                let first: Ipv6Addr = row.field(3).parse().map_err(|_| row.error("an IPv6 address"))?;
                let bits = row.field(4).parse().ok().filter(|bits| *bits <= 128);
                let range =
                    Range::of_prefix(u128::from(first), bits.ok_or_else(|| row.error("a prefix length"))?);
                (Ipv6Addr::from(range.first).into(), Ipv6Addr::from(range.last).into())
            }
            _ => return Err(row.error("asn, ipv4 or ipv6")),
        };
        into.country(first, last, code).map_err(|_| row.error("a number of addresses"))?;
        read.countries += 1;
        Ok(())
    })?;
    Ok(read)
}
