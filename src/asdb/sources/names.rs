//! Files that say what ASes are called and nothing of addresses.
//!
//! * RIPE's `asn.txt`: `64500 EXAMPLE-AS - Example Ltd, RU`; the country behind the last comma is left out
//! * CAIDA's as2org (`as-org2info.txt`): two tables in one file, organisations and the ASes that point to them

use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

use super::text::{Lines, country, prefix};
use super::{Format, Read};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;
use crate::number::Asn;

/// Whether a line is one of `asn.txt`.
pub(crate) fn is_names(line: &str) -> bool {
    asn_and_name(line).is_some_and(|(_, name)| prefix(name).is_none())
}

fn asn_and_name(line: &str) -> Option<(Asn, &str)> {
    let (asn, name) = line.trim_start().split_once(' ')?;
    let name = name.trim();
    Some((asn.parse().ok()?, name)).filter(|_| !name.is_empty() && !name.contains('\t'))
}

pub(crate) fn read(input: impl BufRead, path: &Path, into: &mut Builder) -> Result<Read, Error> {
    let mut read = Read::new(Format::AsNames);
    let mut lines = Lines::new(input, path);
    while let Some(line) = lines.next_data(&mut read)? {
        // An AS without a name ends with its number.
        if line.text.trim().parse::<Asn>().is_ok() {
            read.drop_some(NAMELESS, 1);
            continue;
        }
        let (asn, name) =
            asn_and_name(line.text).ok_or_else(|| line.error("an AS number, a blank and a name"))?;
        // Blocks that nobody has are listed, too.
        if name.starts_with("-Reserved AS-") || name.starts_with("-Private Use AS-") {
            read.drop_some("name of a reserved AS", 1);
            continue;
        }
        let whole = match name.rsplit_once(", ") {
            Some((whole, code)) if country(code).is_some() => whole,
            _ => name,
        };
        if whole.trim_matches([',', ' ']).is_empty() {
            read.drop_some(NAMELESS, 1);
            continue;
        }
        read.name(asn, whole, into);
    }
    Ok(read)
}

/// Why a line gives nothing.
const NAMELESS: &str = "AS without a name";

/// The comments above the two parts of as2org.
const ORGANISATIONS: &str = "format:org_id|";
const NUMBERS: &str = "format:aut|";

/// Whether the beginning of a file is that of as2org.
pub(crate) fn is_as2org(comment: &str) -> bool {
    let comment: String = comment.trim_start_matches('#').split_whitespace().collect();
    comment.starts_with(ORGANISATIONS) || comment.starts_with(NUMBERS)
}

pub(crate) fn read_as2org(input: impl BufRead, path: &Path, into: &mut Builder) -> Result<Read, Error> {
    let mut read = Read::new(Format::As2Org);
    let mut lines = Lines::new(input, path);
    let mut organisations: HashMap<String, String> = HashMap::new();
    // Number, its own name, whose it is: the two parts may come in either order.
    let mut numbers: Vec<(Asn, String, String)> = Vec::new();
    let mut columns: Vec<String> = Vec::new();
    while let Some(line) = lines.next()? {
        let text = line.text;
        if let Some(comment) = text.strip_prefix('#') {
            let comment: String = comment.split_whitespace().collect();
            if let Some(format) = comment.strip_prefix("format:") {
                columns = format.split('|').map(str::to_owned).collect();
            }
            continue;
        }
        if text.trim().is_empty() {
            continue;
        }
        read.records += 1;
        let fields: Vec<&str> = text.split('|').map(str::trim).collect();
        let field = |name: &str| {
            let place = columns.iter().position(|column| column == name);
            place.and_then(|place| fields.get(place)).copied().unwrap_or_default().to_owned()
        };
        match columns.first().map(String::as_str) {
            Some("org_id") => {
                organisations.insert(field("org_id"), field("name"));
            }
            Some("aut") => {
                let asn = field("aut").parse().map_err(|_| line.error("an AS number"))?;
                numbers.push((asn, field("aut_name"), field("org_id")));
            }
            _ => return Err(line.error("a comment with the names of the columns before it")),
        }
    }
    for (asn, own, organisation) in numbers {
        let name = organisations.get(&organisation).filter(|name| !name.is_empty()).unwrap_or(&own);
        read.name(asn, name, into);
    }
    Ok(read)
}
