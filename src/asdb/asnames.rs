//! Lists of names of ASes, without ranges.
//!
//! - RIPE's `asn.txt`: `64500 EXAMPLE-AS - Example Ltd, RU`, a number, a blank, a name, and the country after the last comma
//! - CSV with a header whose first columns are `asn` and `name` (bgp.tools writes `asn,name,class,cc`), `AS` before the number
//!   or not

use std::path::Path;

use super::build::Builder;
use super::error::{Error, excerpt};
use super::sources::{Fields, is_skipped, lines, rows};
use crate::number::Asn;

/// Whether a text begins as such a list does.
pub(crate) fn is_one(text: &[u8]) -> bool {
    let first = lines(text).map(|(_, line)| line).find(|line| !is_skipped(line)).unwrap_or_default();
    is_header(first) || numbered(first).is_some()
}

fn is_header(line: &[u8]) -> bool {
    let mut fields = line.split(|byte| *byte == b',').map(|field| field.trim_ascii().to_ascii_lowercase());
    fields.next().as_deref() == Some(b"asn".as_slice())
        && fields.next().as_deref() == Some(b"name".as_slice())
}

/// Reads `64500 EXAMPLE-AS - Example Ltd, RU`. A range begins with an address, which is no AS number, or has a tab or comma
/// behind its first field.
fn numbered(line: &[u8]) -> Option<(Asn, &str)> {
    let (number, name) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) || name.contains('\t') {
        return None;
    }
    let name = name.trim();
    let without_country = name
        .rsplit_once(", ")
        .filter(|(_, country)| country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()));
    Some((number.parse().ok()?, without_country.map_or(name, |(name, _)| name)))
}

/// Reads a list; gives its rows.
pub(crate) fn read(text: &[u8], path: &Path, into: &mut Builder) -> Result<u64, Error> {
    let first = lines(text).map(|(_, line)| line).find(|line| !is_skipped(line)).unwrap_or_default();
    let mut count = 0;
    if is_header(first) {
        let mut first_row = true;
        rows(text, path, Fields::Commas, |row| {
            if !std::mem::take(&mut first_row) {
                count += 1;
                into.name(row.asn(0)?, row.field(1));
            }
            Ok(())
        })?;
        return Ok(count);
    }
    for (place, line) in lines(text) {
        if is_skipped(line) {
            continue;
        }
        // An AS without a name ends with its number.
        let bare = std::str::from_utf8(line).ok().and_then(|line| line.trim().parse::<Asn>().ok());
        match (numbered(line), bare) {
            (Some((asn, name)), _) => into.name(asn, name),
            (None, Some(_)) => {}
            (None, None) => {
                return Err(Error::Line {
                    path: path.to_path_buf(),
                    line: place as u64 + 1,
                    offset: (line.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize) as u64,
                    expected: "an AS number, a blank and a name, in UTF-8",
                    got: excerpt(line),
                });
            }
        }
        count += 1;
    }
    Ok(count)
}
