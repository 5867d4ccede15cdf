//! ip-location-db CSV: `first,last,asn,"organisation"`, no header, both ends inclusive, ranges that need be no prefix.
//!
//! The `-num` editions write addresses as integers. The country editions have a code in the third field; the shipped table
//! takes the registered countries from them.

use std::io::BufRead;
use std::path::Path;

use super::text::{Fields, country, ends, rows};
use super::{Format, Read, nobody};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;

pub(crate) fn read(input: impl BufRead, path: &Path, into: &mut Builder) -> Result<Read, Error> {
    let mut read = Read::new(Format::RangeCsv);
    rows(input, path, Fields::Commas, &mut read, |row, read| {
        let (first, last) =
            ends(row.field(0), row.field(1)).ok_or_else(|| row.error("first and last address"))?;
        let asn = row.asn(2)?;
        if nobody(asn, read) {
            return Ok(());
        }
        into.range(first, last, &[asn], false).map_err(|_| row.error("first and last address"))?;
        read.kept += 1;
        read.name(asn, row.field(3), into);
        Ok(())
    })?;
    Ok(read)
}

/// The same layout with a country code in place of the AS number.
pub(crate) fn read_countries(input: impl BufRead, path: &Path, into: &mut Builder) -> Result<Read, Error> {
    let mut read = Read::new(Format::CountryCsv);
    rows(input, path, Fields::Commas, &mut read, |row, read| {
        let (first, last) =
            ends(row.field(0), row.field(1)).ok_or_else(|| row.error("first and last address"))?;
        let code = country(row.field(2)).ok_or_else(|| row.error("a country code of two letters"))?;
        into.country(first, last, code).map_err(|_| row.error("first and last address"))?;
        read.countries += 1;
        Ok(())
    })?;
    Ok(read)
}
