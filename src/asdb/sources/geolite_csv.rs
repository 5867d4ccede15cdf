//! GeoLite2 ASN CSV: `network,autonomous_system_number,autonomous_system_organization`, with that header, quoted by RFC 4180.

use std::io::BufRead;
use std::path::Path;

use super::text::{Fields, rows};
use super::{Format, Read, nobody};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;

/// How the header begins; it is what tells this format from overrides.
pub(crate) const HEADER: &str = "network,autonomous_system_number";

pub(crate) fn read(input: impl BufRead, path: &Path, into: &mut Builder) -> Result<Read, Error> {
    let mut read = Read::new(Format::GeoLiteCsv);
    rows(input, path, Fields::Commas, &mut read, |row, read| {
        if row.field(0) == "network" {
            read.records -= 1;
            return Ok(());
        }
        let (first, last) = row.prefix(0)?;
        let asn = row.asn(1)?;
        if nobody(asn, read) {
            return Ok(());
        }
        into.range(first, last, &[asn], false).map_err(|_| row.error("a prefix"))?;
        read.kept += 1;
        read.name(asn, row.field(2), into);
        Ok(())
    })?;
    Ok(read)
}
