//! Tables whose columns have names: CSV, TSV and semicolons with a header, and JSON Lines, where every row names its own.
//!
//! Publishers spell the same columns in many ways; the spellings are compared in lower case and without what is no letter or digit.
//! Of several names for one thing the first in the list below counts. A row has a prefix, or both ends of a range, and an AS number;
//! with an AS number and a name alone the file is one of names (bgp.tools' `asns.csv`).
//!
//! A `country` is not taken: most publishers mean by it where the addresses are thought to be, or the AS's seat, and the
//! table answers where a registry has put the addresses. `registered_country` says just that, and is.
//!
//! Where rows count who saw a route (`Hits`, bgp.tools' `table.jsonl`), they are a raw table of the Internet and filtered like one.

use std::io::BufRead;
use std::net::IpAddr;
use std::path::Path;

use serde_json::{Map, Value};

use super::ris::Counted;
use super::text::{Fields, Lines, country, ends, origins, prefix, rows, separator};
use super::{Format, Options, Read, reason};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;
use crate::number::Asn;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Prefix,
    First,
    Last,
    Asn,
    Name,
    Country,
    Peers,
}

/// Spellings, most telling first.
const SPELLINGS: &[(Column, &[&str])] = &[
    (Column::Prefix, &["network", "prefix", "cidr", "ipprefix", "ipnetwork", "subnet", "route", "netblock"]),
    (
        Column::First,
        &[
            "start",
            "first",
            "startip",
            "firstip",
            "ipfrom",
            "rangestart",
            "ipstart",
            "startaddress",
            "firstaddress",
            "from",
            "begin",
        ],
    ),
    (
        Column::Last,
        &["end", "last", "endip", "lastip", "ipto", "rangeend", "ipend", "endaddress", "lastaddress", "to"],
    ),
    (
        Column::Asn,
        &["asn", "autonomoussystemnumber", "asnumber", "asnum", "originasn", "originas", "origin", "as"],
    ),
    (
        Column::Name,
        &[
            "asname",
            "autonomoussystemorganization",
            "asorganization",
            "asorg",
            "name",
            "organization",
            "organisation",
            "org",
            "orgname",
            "asdescription",
            "description",
            "descr",
            "company",
            "isp",
            // IP2Location's: the number is in `asn`.
            "as",
        ],
    ),
    (Column::Country, &["registeredcountry", "registeredcountrycode"]),
    (Column::Peers, &["hits", "peers", "seenbypeers"]),
];

/// Which column is where.
#[derive(Clone, Debug, Default)]
struct Header {
    places: [Option<usize>; 7],
}

impl Header {
    fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let plain = |name: &str| -> String {
            name.chars().filter(char::is_ascii_alphanumeric).map(|one| one.to_ascii_lowercase()).collect()
        };
        let names: Vec<String> = names.into_iter().map(plain).collect();
        let mut header = Self::default();
        for (column, spellings) in SPELLINGS {
            let place = spellings.iter().find_map(|known| names.iter().position(|name| name == known));
            let taken = header.places.contains(&place);
            header.places[*column as usize] = place.filter(|_| !taken);
        }
        header
    }

    fn place(&self, column: Column) -> Option<usize> {
        self.places[column as usize]
    }

    fn has_addresses(&self) -> bool {
        self.place(Column::Prefix).is_some()
            || self.place(Column::First).is_some() && self.place(Column::Last).is_some()
    }

    /// Whether these are columns of a table or of names.
    fn is_table(&self) -> bool {
        self.place(Column::Asn).is_some() && (self.has_addresses() || self.place(Column::Name).is_some())
    }
}

/// Whether a line names columns of a table or of names.
pub(crate) fn is_header(line: &str) -> bool {
    let names = line.split(separator(line));
    // A data row may hold a word that is a spelling, but no number and no address is one.
    let has_numbers =
        line.split(separator(line)).any(|name| name.trim().parse::<Asn>().is_ok() || name.contains('/'));
    !has_numbers && Header::of(names).is_table()
}

/// Whether a line is an object with the values of a row.
pub(crate) fn is_object(line: &str) -> bool {
    let object: Option<Map<String, Value>> = serde_json::from_str(line.trim()).ok();
    object.is_some_and(|object| Header::of(object.keys().map(String::as_str)).is_table())
}

/// What to do with rows once they are taken apart.
struct Sink<'b> {
    counted: Option<Counted>,
    into: &'b mut Builder,
    asns: Vec<Asn>,
}

impl Sink<'_> {
    /// One row. `Err` says what was expected in place of a value.
    fn row(
        &mut self,
        field: impl Fn(Column) -> Option<String>,
        has: &Header,
        read: &mut Read,
    ) -> Result<(), &'static str> {
        let text = |column| field(column).unwrap_or_default();
        let asn = text(Column::Asn);
        let nothing = matches!(
            asn.to_ascii_lowercase().as_str(),
            "" | "-" | "0" | "as0" | "na" | "n/a" | "none" | "null"
        );
        let as_set = if nothing { false } else { origins(&asn, &mut self.asns).ok_or("an AS number")? };
        if !has.has_addresses() {
            if let [asn] = self.asns[..]
                && !nothing
            {
                read.name(asn, &text(Column::Name), self.into);
            }
            return Ok(());
        }
        let both = (text(Column::First), text(Column::Last));
        let range: (IpAddr, IpAddr) = if both.0.is_empty() || both.1.is_empty() {
            prefix(&text(Column::Prefix)).ok_or("a prefix")?
        } else {
            ends(&both.0, &both.1).ok_or("first and last address")?
        };
        if let Some(code) = country(&text(Column::Country))
            && self.into.country(range.0, range.1, code).is_ok()
        {
            read.countries += 1;
        }
        if nothing {
            read.drop_some(reason::NOBODY, 1);
            return Ok(());
        }
        if let Some(counted) = &mut self.counted {
            let peers = text(Column::Peers).parse().map_err(|_| "a number of peers")?;
            counted.add(range, &self.asns, as_set, peers, read);
        } else {
            self.into.range(range.0, range.1, &self.asns, as_set).map_err(|_| "first and last address")?;
            read.kept += 1;
        }
        if let [asn] = self.asns[..] {
            read.name(asn, &text(Column::Name), self.into);
        }
        Ok(())
    }

    fn finish(self, read: &mut Read) {
        if let Some(counted) = self.counted {
            counted.hand_over(self.into, read);
        }
    }
}

fn sink<'b>(header: &Header, into: &'b mut Builder, options: &Options) -> Sink<'b> {
    let counts = header.place(Column::Peers).is_some() && header.place(Column::Prefix).is_some();
    Sink { counted: counts.then(|| Counted::new(options)), into, asns: Vec::new() }
}

/// CSV, TSV or semicolons with a header.
pub(crate) fn read(
    input: impl BufRead,
    path: &Path,
    into: &mut Builder,
    options: &Options,
) -> Result<Read, Error> {
    let mut read = Read::new(Format::NamedColumns);
    let mut known: Option<(Header, Sink<'_>)> = None;
    let mut into = Some(into);
    rows(input, path, Fields::Told, &mut read, |row, read| {
        let Some((header, sink)) = &mut known else {
            read.records -= 1;
            let header = Header::of((0..row.len()).map(|place| row.field(place)));
            if let Some(into) = into.take() {
                known = Some((header.clone(), sink(&header, into, options)));
            }
            return Ok(());
        };
        let field = |column| header.place(column).map(|place| row.field(place).to_owned());
        sink.row(field, header, read).map_err(|expected| row.error(expected))
    })?;
    if let Some((_, sink)) = known {
        sink.finish(&mut read);
    }
    Ok(read)
}

/// JSON Lines: an object a line. The first one says which columns there are; a later one may leave some out.
pub(crate) fn read_json(
    input: impl BufRead,
    path: &Path,
    into: &mut Builder,
    options: &Options,
) -> Result<Read, Error> {
    let mut read = Read::new(Format::JsonLines);
    let mut lines = Lines::new(input, path);
    let mut known: Option<(Vec<String>, Header, Sink<'_>)> = None;
    let mut into = Some(into);
    while let Some(line) = lines.next_data(&mut read)? {
        let object: Map<String, Value> =
            serde_json::from_str(line.text).map_err(|_| line.error("a JSON object on one line"))?;
        if known.is_none()
            && let Some(into) = into.take()
        {
            let names: Vec<String> = object.keys().cloned().collect();
            let header = Header::of(names.iter().map(String::as_str));
            let sink = sink(&header, into, options);
            known = Some((names, header, sink));
        }
        let Some((names, header, sink)) = &mut known else { continue };
        let field = |column| match object.get(names.get(header.place(column)?)?)? {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        sink.row(field, header, &mut read).map_err(|expected| line.error(expected))?;
    }
    if let Some((.., sink)) = known {
        sink.finish(&mut read);
    }
    Ok(read)
}
