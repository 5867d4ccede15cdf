//! ip-location-db CSV: `first,last,asn,"organisation"`, no header, both ends inclusive, ranges that need be no prefix.
//!
//! The `-num` editions write addresses as integers. The country editions have a code in the third field; the shipped table
//! takes the registered countries from them.

use std::path::Path;

use super::{Fields, ends, is_skipped, lines, rows};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;

pub(crate) fn read(text: &[u8], path: &Path, into: &mut Builder) -> Result<(), Error> {
    rows(text, path, Fields::Commas, |row| {
        let (first, last) =
            ends(row.field(0), row.field(1)).ok_or_else(|| row.error("first and last address"))?;
        let asn = row.asn(2)?;
        into.range(first, last, &[asn], false).map_err(|_| row.error("first and last address"))?;
        into.name(asn, row.field(3));
        Ok(())
    })
}

/// Whether a text begins as an edition with countries does.
pub(crate) fn is_of_countries(text: &[u8]) -> bool {
    let first = lines(text).map(|(_, line)| line).find(|line| !is_skipped(line)).unwrap_or_default();
    let Ok(first) = std::str::from_utf8(first) else { return false };
    let fields: Vec<&str> = first.split(',').map(|field| field.trim().trim_matches('"')).collect();
    matches!(fields.as_slice(), [low, high, code] if ends(low, high).is_some() && country(code).is_some())
}

fn country(text: &str) -> Option<[u8; 2]> {
    <[u8; 2]>::try_from(text.as_bytes()).ok().filter(|code| code.iter().all(u8::is_ascii_uppercase))
}

/// The same layout with a country code in place of the AS number.
pub(crate) fn read_countries(text: &[u8], path: &Path, into: &mut Builder) -> Result<(), Error> {
    rows(text, path, Fields::Commas, |row| {
        let (first, last) =
            ends(row.field(0), row.field(1)).ok_or_else(|| row.error("first and last address"))?;
        let code = country(row.field(2)).ok_or_else(|| row.error("a country code of two letters"))?;
        into.country(first, last, code).map_err(|_| row.error("first and last address"))
    })
}
