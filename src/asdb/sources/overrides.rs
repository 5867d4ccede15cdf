//! The user's own corrections: `prefix,asn,name[,note]`, with commas or tabs, with or without that header.
//!
//! They answer before everything else, the special-purpose registries included: who is behind 100.64.0.0/10 or a router's private
//! loopback inside one's own carrier is just what no public table can know. A prefix may be a single address.

use std::path::Path;

use super::{Fields, is_skipped, lines, rows};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;

/// Whether a line names the columns.
pub(crate) fn is_header(line: &str) -> bool {
    let mut fields = line.split([',', '\t']).map(|field| field.trim().to_ascii_lowercase());
    fields.next().as_deref() == Some("prefix") && fields.next().as_deref() == Some("asn")
}

pub(crate) fn read(text: &[u8], path: &Path, into: &mut Builder) -> Result<(), Error> {
    let tabs = lines(text).find(|(_, line)| !is_skipped(line)).is_some_and(|(_, line)| line.contains(&b'\t'));
    into.source().overrides = true;
    let mut first_row = true;
    rows(text, path, if tabs { Fields::Tabs } else { Fields::Commas }, |row| {
        if std::mem::take(&mut first_row) && row.field(0).eq_ignore_ascii_case("prefix") {
            return Ok(());
        }
        if row.len() < 2 {
            return Err(row.error("prefix, AS number and name"));
        }
        let (first, last) = row.prefix(0)?;
        let asn = row.asn(1)?;
        into.range(first, last, &[asn], false).map_err(|_| row.error("a prefix"))?;
        into.name(asn, row.field(2));
        Ok(())
    })
}
