//! iptoasn TSV: `first⇥last⇥asn⇥country⇥description`, both ends inclusive, the whole space listed, AS 0 where nothing is routed.
//!
//! The country is that of the AS, not of the range, so it is not taken for the registered country of the addresses.

use std::path::Path;

use super::{Fields, ends, rows};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;

pub(crate) fn read(text: &[u8], path: &Path, into: &mut Builder) -> Result<(), Error> {
    rows(text, path, Fields::Tabs, |row| {
        let (first, last) =
            ends(row.field(0), row.field(1)).ok_or_else(|| row.error("first and last address"))?;
        let asn = row.asn(2)?;
        into.range(first, last, &[asn], false).map_err(|_| row.error("first and last address"))?;
        if asn.0 != 0 {
            into.name(asn, row.field(4));
        }
        Ok(())
    })
}
