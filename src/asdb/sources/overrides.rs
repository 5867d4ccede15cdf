//! The user's own corrections: `prefix,asn,name[,note]`, with commas or tabs, with or without that header.
//!
//! They answer before everything else, the special-purpose registries included: who is behind 100.64.0.0/10 or a router's private
//! loopback inside one's own carrier is just what no public table can know. A prefix may be a single address.

use std::io::BufRead;
use std::path::Path;

use super::text::{Fields, rows, separator};
use super::{Format, Read};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;

/// Whether a line names these columns and no others.
pub(crate) fn is_header(line: &str) -> bool {
    let fields: Vec<String> =
        line.split(separator(line)).map(|field| field.trim().to_ascii_lowercase()).collect();
    let known = ["prefix", "asn", "name", "note"];
    fields.len() >= 2 && fields.len() <= 4 && fields.iter().zip(known).all(|(field, known)| field == known)
}

pub(crate) fn read(input: impl BufRead, path: &Path, into: &mut Builder) -> Result<Read, Error> {
    let mut read = Read::new(Format::Overrides);
    into.source().overrides = true;
    let mut first_row = true;
    rows(input, path, Fields::Told, &mut read, |row, read| {
        if std::mem::take(&mut first_row) && row.field(0).eq_ignore_ascii_case("prefix") {
            read.records -= 1;
            return Ok(());
        }
        if row.len() < 2 {
            return Err(row.error("prefix, AS number and name"));
        }
        let (first, last) = row.prefix(0)?;
        let asn = row.asn(1)?;
        into.range(first, last, &[asn], false).map_err(|_| row.error("a prefix"))?;
        read.kept += 1;
        read.name(asn, row.field(2), into);
        Ok(())
    })?;
    Ok(read)
}
