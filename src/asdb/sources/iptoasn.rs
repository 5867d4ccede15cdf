//! iptoasn TSV: `first⇥last⇥asn⇥country⇥description`, both ends inclusive, the whole space listed, AS 0 where nothing is routed.
//!
//! The country is that of the AS, not of the range, so it is not taken for the registered country of the addresses.

use std::io::BufRead;
use std::path::Path;

use super::text::{Fields, ends, rows};
use super::{Format, Read, nobody};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;

pub(crate) fn read(input: impl BufRead, path: &Path, into: &mut Builder) -> Result<Read, Error> {
    let mut read = Read::new(Format::IpToAsn);
    rows(input, path, Fields::Tabs, &mut read, |row, read| {
        let (first, last) =
            ends(row.field(0), row.field(1)).ok_or_else(|| row.error("first and last address"))?;
        let asn = row.asn(2)?;
        if nobody(asn, read) {
            return Ok(());
        }
        into.range(first, last, &[asn], false).map_err(|_| row.error("first and last address"))?;
        read.kept += 1;
        read.name(asn, row.field(4), into);
        Ok(())
    })?;
    Ok(read)
}
