//! MMDB files of any publisher, asked address by address through the `maxminddb` crate.
//!
//! Publishers agree on the container and not on the fields: MaxMind and DB-IP write an integer
//! `autonomous_system_number`, IPinfo a string `asn` with `AS` before the digits. The first of the known names that is there is
//! taken; an empty name is none.
//!
//! What is shown as prefix is the network of the file's tree. It is the publisher's range and need not be a BGP route.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use ipnetwork::IpNetwork;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader, WithinOptions};
use serde::{Deserialize, Deserializer, de};

use super::{Format, Read, reason};
use crate::asdb::build::{Builder, Built};
use crate::asdb::error::{Error, excerpt};
use crate::asdb::file::SourceInfo;
use crate::asdb::origin::{Asns, Kind, Origin, Source};
use crate::number::Asn;

/// Stands before the metadata, which lie in the last 128 KiB of a file (MaxMind DB format 2.0).
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
const METADATA: usize = 128 * 1024;

/// Where publishers keep the AS number, in order of precedence.
const ASN_FIELDS: &[&[PathElement<'static>]] = &[
    &[PathElement::Key("autonomous_system_number")],
    &[PathElement::Key("asn")],
    &[PathElement::Key("traits"), PathElement::Key("autonomous_system_number")],
    &[PathElement::Key("asn"), PathElement::Key("autonomous_system_number")],
    &[PathElement::Key("asn"), PathElement::Key("asn")],
    &[PathElement::Key("as_number")],
];

/// Where they keep its name.
const NAME_FIELDS: &[&[PathElement<'static>]] = &[
    &[PathElement::Key("autonomous_system_organization")],
    &[PathElement::Key("as_name")],
    &[PathElement::Key("name")],
    &[PathElement::Key("org")],
    &[PathElement::Key("organization")],
    &[PathElement::Key("isp")],
    &[PathElement::Key("traits"), PathElement::Key("autonomous_system_organization")],
    &[PathElement::Key("asn"), PathElement::Key("autonomous_system_organization")],
    &[PathElement::Key("asn"), PathElement::Key("name")],
    &[PathElement::Key("traits"), PathElement::Key("organization")],
    &[PathElement::Key("traits"), PathElement::Key("isp")],
];

/// How many networks are looked at for an AS number before a file is said to have none.
const LOOKED_AT: usize = 1000;

pub(crate) fn has_marker(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(METADATA)..];
    memchr_find(tail, MARKER)
}

fn memchr_find(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

/// An open MMDB file.
pub(crate) struct Mmdb {
    reader: Reader<Vec<u8>>,
    /// Networks with a record.
    pub(crate) networks: u64,
}

impl fmt::Debug for Mmdb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mmdb").field("networks", &self.networks).finish_non_exhaustive()
    }
}

/// An AS number as publishers write it: an integer of any width, or text with or without `AS`.
struct Number(Option<Asn>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an AS number")
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(u32::try_from(value).ok().filter(|asn| *asn != 0).map(Asn)))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number(u32::try_from(value).ok().filter(|asn| *asn != 0).map(Asn)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                Ok(Number(text.trim().parse().ok().filter(|asn| *asn != Asn(0))))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Mmdb {
    /// Opens a file, checks that its tree is a tree and that there are AS numbers in it.
    pub(crate) fn new(bytes: Vec<u8>, path: &Path) -> Result<Self, Error> {
        let refused = |source| Error::Mmdb { path: path.to_path_buf(), source };
        let reader = Reader::from_source(bytes.as_slice()).map_err(refused)?;
        let networks =
            count_networks(&bytes, reader.metadata().node_count, reader.metadata().record_size, path)?;
        drop(reader);
        let mmdb = Self { reader: Reader::from_source(bytes).map_err(refused)?, networks };
        let mut seen = 0;
        for result in mmdb.walk().map_err(refused)?.take(LOOKED_AT) {
            let record = result.map_err(refused)?;
            if asn(&record).map_err(refused)?.is_some() {
                return Ok(mmdb);
            }
            seen += 1;
        }
        if seen == 0 {
            return Err(Error::Empty { path: path.to_path_buf() });
        }
        Err(Error::MmdbWithoutAsn {
            path: path.to_path_buf(),
            database_type: excerpt(mmdb.reader.metadata().database_type.as_bytes()),
        })
    }

    /// What its metadata says it is, control characters escaped.
    pub(crate) fn product(&self) -> String {
        excerpt(self.reader.metadata().database_type.as_bytes())
    }

    /// The day it was built, in UTC.
    pub(crate) fn built(&self) -> Option<Date> {
        let seconds = i64::try_from(self.reader.metadata().build_epoch).ok()?;
        Some(TimeZone::UTC.to_datetime(Timestamp::from_second(seconds).ok()?).date())
    }

    pub(crate) fn lookup(&self, address: IpAddr) -> Origin {
        if address.is_ipv6() && self.reader.metadata().ip_version == 4 {
            return Origin::NOTHING;
        }
        self.answer(address).unwrap_or(Origin { source: Source::Unreadable, ..Origin::NOTHING })
    }

    fn answer(&self, address: IpAddr) -> Result<Origin, MaxMindDbError> {
        let found = self.reader.lookup(address)?;
        let Some(asn) = asn(&found)? else { return Ok(Origin::NOTHING) };
        let network = found.network()?;
        Ok(Origin {
            asns: Asns::from(asn),
            as_set: false,
            prefix: Some(network),
            range: Some((network.network(), network.broadcast())),
            kind: Kind::As,
            special: None,
            source: Source::Table(0),
        })
    }

    fn walk(&self) -> Result<maxminddb::Within<'_, Vec<u8>>, MaxMindDbError> {
        self.reader.networks(WithinOptions::default())
    }

    /// Every network, for bulk lookups and for names.
    pub(crate) fn build(&self, info: SourceInfo) -> Built {
        let mut builder = Builder::new("", info);
        self.give(&mut builder);
        builder.build()
    }

    /// The same into a builder of somebody else.
    pub(crate) fn give(&self, into: &mut Builder) -> Read {
        let mut read = Read::new(Format::Mmdb);
        read.date = self.built();
        read.product = Some(self.product());
        let mut records: HashMap<usize, Option<Asn>> = HashMap::new();
        for record in self.walk().into_iter().flatten().map_while(Result::ok) {
            let Some(offset) = record.offset() else { continue };
            let known = *records.entry(offset).or_insert_with(|| {
                let asn = asn(&record).ok().flatten();
                if let Some(asn) = asn
                    && let Some(name) = name(&record)
                {
                    read.name(asn, &name, into);
                }
                asn
            });
            let Some(network) = record.network().ok().filter(|network| !is_alias(network)) else { continue };
            read.records += 1;
            match known {
                // The ends of one network are in order.
                Some(asn) if into.range(network.network(), network.broadcast(), &[asn], false).is_ok() => {
                    read.kept += 1;
                }
                _ => read.drop_some(reason::NOBODY, 1),
            }
        }
        read
    }
}

/// Reads an MMDB into a builder.
pub(crate) fn read(bytes: Vec<u8>, path: &Path, into: &mut Builder) -> Result<Read, Error> {
    Ok(Mmdb::new(bytes, path)?.give(into))
}

/// Whether a network is IPv4 written as IPv6, which lookups have turned into IPv4 before.
fn is_alias(network: &IpNetwork) -> bool {
    matches!(network, IpNetwork::V6(six) if six.ip().to_ipv4_mapped().is_some() && six.prefix() >= 96)
}

fn asn(record: &LookupResult<'_, Vec<u8>>) -> Result<Option<Asn>, MaxMindDbError> {
    let mut first_error = None;
    for path in ASN_FIELDS {
        match record.decode_path::<Number>(path) {
            Ok(Some(Number(Some(asn)))) => return Ok(Some(asn)),
            Ok(_) => {}
            // A field of this name may hold something else, e.g. a map; the next name may do.
            Err(MaxMindDbError::Decoding { .. }) => {}
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    first_error.map_or(Ok(None), Err)
}

fn name(record: &LookupResult<'_, Vec<u8>>) -> Option<String> {
    let texts = NAME_FIELDS.iter().filter_map(|path| record.decode_path::<String>(path).ok().flatten());
    texts.into_iter().find(|name| !name.trim().is_empty())
}

/// Counts the tree's records that point to data, and refuses a tree in which a node has two parents.
///
/// A walk over such a tree could take 2^96 steps before it ends. The one node that may be reached in several ways is the root of
/// IPv4, which the ranges that embed IPv4 point back to; the walk skips those.
fn count_networks(bytes: &[u8], nodes: u32, record_size: u16, path: &Path) -> Result<u64, Error> {
    let wide = usize::from(record_size) / 4;
    let record = |node: u32, right: bool| -> u32 {
        let start = node as usize * wide;
        let Some(node) = bytes.get(start..start + wide) else { return nodes };
        let three =
            |at: usize| u32::from(node[at]) << 16 | u32::from(node[at + 1]) << 8 | u32::from(node[at + 2]);
        match (wide, right) {
            (6, right) => three(if right { 3 } else { 0 }),
            (7, false) => three(0) | u32::from(node[3] >> 4) << 24,
            (7, true) => three(4) | u32::from(node[3] & 0xf) << 24,
            (_, right) => three(if right { 5 } else { 1 }) | u32::from(node[if right { 4 } else { 0 }]) << 24,
        }
    };
    let mut root_of_four = 0;
    for _ in 0..96 {
        if root_of_four >= nodes {
            break;
        }
        root_of_four = record(root_of_four, false);
    }
    let mut has_parent = vec![false; nodes as usize];
    let mut networks = 0;
    for node in 0..nodes {
        for child in [record(node, false), record(node, true)] {
            if child > nodes {
                networks += 1;
            } else if child < nodes
                && child != root_of_four
                && (child == 0 || std::mem::replace(&mut has_parent[child as usize], true))
            {
                return Err(Error::MmdbTree { path: path.to_path_buf(), node: child.into() });
            }
        }
    }
    Ok(networks)
}
