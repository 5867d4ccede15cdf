//! GeoLite2 ASN CSV: `network,autonomous_system_number,autonomous_system_organization`, with that header, quoted by RFC 4180.

use std::path::Path;

use super::{Fields, rows};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;

/// How the header begins; it is what tells this format from overrides.
pub(crate) const HEADER: &str = "network,autonomous_system_number";

pub(crate) fn read(text: &[u8], path: &Path, into: &mut Builder) -> Result<(), Error> {
    rows(text, path, Fields::Commas, |row| {
        if row.field(0) == "network" {
            return Ok(());
        }
        let (first, last) = row.prefix(0)?;
        let asn = row.asn(1)?;
        into.range(first, last, &[asn], false).map_err(|_| row.error("a prefix"))?;
        into.name(asn, row.field(2));
        Ok(())
    })
}
