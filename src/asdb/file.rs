//! The table file: one container for everything the program knows offline about who owns an address.
//!
//! ```text
//!  0  8  89 4c 48 54 0d 0a 1a 0a          magic: bytes that no text has and that a text-mode copy destroys
//!  8  2  format version                    all integers little-endian
//! 10  2  zero
//! 12  4  number of sections
//! 16  8  length of the file in bytes
//! 24     per section: 4 kind, 4 flags (bit 0: a reader that does not know the kind must refuse the file), 8 offset, 8 length
//!        the sections
//! -32 32 SHA-256 of all that comes before
//! ```
//!
//! | kind | holds |
//! |---|---|
//! | `META` | JSON: where the table comes from, of what day, how many ranges, its sources in order |
//! | `ORIG` | the AS numbers, sorted; then every combination of origins, source and flags that is more than one AS of source 0 |
//! | `RNG4`, `RNG6` | blocks of ranges, each pointing to an AS number or a combination |
//! | `NAME` | blocks of names, in the order of the AS numbers |
//! | `CTRY`, `CTR4`, `CTR6` | country codes, and blocks of ranges pointing to them |
//! | `LINK` | which ASes are neighbours, in how many paths, and who pays whom: see `links` |
//! | `IXPS` | exchanges: their LANs, and whose address is whose: see `exchanges::pack` |
//!
//! Later kinds come beside these: a reader skips what it does not know unless flagged. So a reader that knows no `LINK` and
//! `IXPS` reads the rest of a table that has them. The version changes only when something already there changes its meaning.
//!
//! A file is checked once, where its bytes come in: digest, then every block. The table inside the program is not checked at
//! run time but by a test, so nothing of it is touched before the first lookup.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::OnceLock;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::adjacency::Link;
use super::block::{self, Block};
use super::build::{Built, file_of};
use super::codec::{Columns, Cursor, put_column, put_varint};
use super::error::{At, Digest, Error};
use super::exchanges::Exchanges;
use super::ixp;
use super::links;
use super::names::Names;
use super::origin::Asns;
use super::range::{Key, Range, Segment};
use super::registry::registry;
use crate::number::Asn;

/// The first bytes of every table file.
pub(crate) const MAGIC: [u8; 8] = *b"\x89LHT\r\n\x1a\n";
/// The version written and read here.
pub(crate) const VERSION: u16 = 1;
const HEADER: usize = 24;
const ENTRY: usize = 24;
const TRAILER: usize = 32;
const MUST_KNOW: u32 = 1;
/// The dictionary's bytes, unpacked: 256 MiB are 16 for each number that a value can have.
const LONGEST_DICTIONARY: usize = (block::VALUE_LIMIT as usize) << 4;

/// One of the inputs a table was built from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// What to call it, e.g. the publisher and product.
    pub name: String,
    /// The day its data is of, if it says so.
    #[serde(default, with = "day", skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// The terms it comes under, with whom to credit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// The user's own corrections: they answer before the special-purpose registries and the exchange LANs do.
    #[serde(default, skip_serializing_if = "is_false")]
    pub overrides: bool,
    /// The files read and the SHA-256 of their unpacked content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<SourceFile>,
}

impl SourceInfo {
    /// A source of which only the name is known.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// A file that went into a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Its name, without directories.
    pub name: String,
    /// SHA-256 of its unpacked content, 64 hexadecimal digits.
    pub sha256: String,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A day as `YYYY-MM-DD`.
mod day {
    use jiff::civil::Date;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(day: &Option<Date>, serializer: S) -> Result<S::Ok, S::Error> {
        match day {
            Some(day) => serializer.collect_str(day),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(|_| de::Error::custom("a day as YYYY-MM-DD"))).transpose()
    }
}

/// What the file says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) origin: String,
    #[serde(default, with = "day", skip_serializing_if = "Option::is_none")]
    pub(crate) built_at: Option<Date>,
    /// Ranges as announced, IPv4 and IPv6.
    pub(crate) prefixes: [u64; 2],
    pub(crate) sources: Vec<SourceInfo>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) links: Option<LinksMeta>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exchanges: Option<ExchangesMeta>,
}

/// What the file says of its links without unpacking them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinksMeta {
    pub(crate) links: u64,
    /// The numbers of the sources that have some.
    pub(crate) sources: Vec<u16>,
}

/// What the file says of its exchanges without unpacking them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExchangesMeta {
    pub(crate) lans: u64,
    /// Addresses with a member.
    pub(crate) addresses: u64,
    /// The rows' sources point into this, and this into the list of sources.
    pub(crate) sources: Vec<u16>,
}

/// A combination of origins that is more than one plain AS of the first source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OriginSet {
    pub(crate) asns: Asns,
    pub(crate) as_set: bool,
    pub(crate) source: u16,
}

/// The dictionary the values of ranges point into: first the AS numbers, then the combinations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    /// Sorted, each once.
    pub(crate) asns: Vec<Asn>,
    pub(crate) sets: Vec<OriginSet>,
}

impl Origins {
    pub(crate) fn len(&self) -> usize {
        self.asns.len() + self.sets.len()
    }

    /// The origins, whether an AS_SET is among them, and the source's number.
    pub(crate) fn get(&self, value: u32) -> Option<(Asns, bool, u16)> {
        let value = value as usize;
        match self.asns.get(value) {
            Some(asn) => Some((Asns::from(*asn), false, 0)),
            None => {
                let set = self.sets.get(value - self.asns.len())?;
                Some((set.asns.clone(), set.as_set, set.source))
            }
        }
    }

    /// Where an AS stands in the list, which is also where its name stands.
    pub(crate) fn place(&self, asn: Asn) -> Option<usize> {
        self.asns.binary_search(&asn).ok()
    }

    fn write(&self) -> Vec<u8> {
        let mut raw = Vec::new();
        put_varint(&mut raw, self.asns.len() as u128);
        let mut before = 0;
        for asn in &self.asns {
            put_varint(&mut raw, u128::from(asn.0 - before));
            before = asn.0;
        }
        put_varint(&mut raw, self.sets.len() as u128);
        for set in &self.sets {
            put_varint(&mut raw, u128::from(set.as_set));
            put_varint(&mut raw, u128::from(set.source));
            put_varint(&mut raw, set.asns.len() as u128);
            for asn in &set.asns {
                // The builder lists every AS of a combination.
                put_varint(&mut raw, self.place(*asn).unwrap_or_default() as u128);
            }
        }
        let mut out = Vec::new();
        put_column(&mut out, 1, &raw);
        out
    }

    fn read(bytes: &[u8], at: At<'_>) -> Result<Self, Error> {
        let mut from = Cursor::new(bytes, at, "the list of origins");
        let (_, raw) = Columns::new().next(&mut from, LONGEST_DICTIONARY)?;
        let mut from = Cursor::new(&raw, at, "the list of origins");
        let count = from.size("the number of ASes", raw.len())?;
        let mut asns = Vec::with_capacity(count);
        let mut asn = 0u128;
        for place in 0..count {
            let more = from.varint()?;
            asn = asn.saturating_add(more);
            match u32::try_from(asn) {
                Ok(asn) if place == 0 || more > 0 => asns.push(Asn(asn)),
                _ => {
                    return Err(at.malformed(
                        "an AS number",
                        "above the one before, of 32 bits",
                        place as u64,
                    ));
                }
            }
        }
        let count = from.size("the number of origin sets", raw.len())?;
        let mut sets = Vec::with_capacity(count);
        for _ in 0..count {
            let as_set = from.varint()? & 1 == 1;
            let source = from.size("a source number", usize::from(u16::MAX))? as u16;
            let members = from.size("the number of origins", raw.len())?;
            let mut list = Vec::with_capacity(members);
            for _ in 0..members {
                let place = from.size("an AS of a set", asns.len())?;
                match asns.get(place) {
                    Some(asn) => list.push(*asn),
                    None => return Err(at.malformed("an AS of a set", "one of the list", place as u64)),
                }
            }
            sets.push(OriginSet { asns: list.as_slice().into(), as_set, source });
        }
        Ok(Self { asns, sets })
    }
}

/// Blocks of ranges of one family: where each begins, and those unpacked so far.
#[derive(Debug)]
pub(crate) struct Ranges<K> {
    entries: Vec<Entry<K>>,
    unpacked: Vec<OnceLock<Option<Block<K>>>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry<K> {
    first: K,
    count: usize,
    /// Bytes from the beginning of the file.
    start: usize,
    end: usize,
}

impl<K> Default for Ranges<K> {
    fn default() -> Self {
        Self { entries: Vec::new(), unpacked: Vec::new() }
    }
}

impl<K: Key> Ranges<K> {
    fn write(segments: &[Segment<K>]) -> Vec<u8> {
        let mut head = Vec::new();
        let mut data = Vec::new();
        let blocks = segments.chunks(block::SEGMENTS);
        head.extend((blocks.len() as u32).to_le_bytes());
        for segments in blocks {
            data.extend(block::encode(segments));
            let first: u128 = segments[0].range.first.into();
            head.extend(&first.to_le_bytes()[..K::BYTES]);
            head.extend((segments.len() as u16).to_le_bytes());
            head.extend((data.len() as u32).to_le_bytes());
        }
        head.extend(data);
        head
    }

    fn read(section: Section<'_>) -> Result<Self, Error> {
        let mut from = Cursor::new(section.bytes, section.at, "the list of blocks");
        let count = from.u32()? as usize;
        let entry = K::BYTES + 6;
        if count > section.bytes.len() / entry {
            return Err(section.at.malformed(
                "the number of blocks",
                "what the section has room for",
                count as u64,
            ));
        }
        let mut entries: Vec<Entry<K>> = Vec::with_capacity(count);
        let data = 4 + count * entry;
        let mut start = 0;
        for _ in 0..count {
            let at = from.at();
            let mut wide = [0; 16];
            wide[..K::BYTES].copy_from_slice(from.take(K::BYTES)?);
            let first = K::narrow(u128::from_le_bytes(wide)).unwrap_or(K::ZERO);
            let count = usize::from(from.u16()?);
            let end = from.u32()? as usize;
            if end < start || data + end > section.bytes.len() {
                return Err(at.malformed(
                    "the end of a block",
                    "inside its section, after the one before",
                    end as u64,
                ));
            }
            if count > block::SEGMENTS {
                return Err(at.malformed("the ranges of a block", "at most 2048", count as u64));
            }
            if count == 0 || entries.last().is_some_and(|before| before.first >= first) {
                return Err(at.malformed("a block", "not empty and after the one before", count as u64));
            }
            let base = section.start + data;
            entries.push(Entry { first, count, start: base + start, end: base + end });
            start = end;
        }
        let unpacked = entries.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { entries, unpacked })
    }

    fn unpack(&self, bytes: &[u8], path: &Path, entry: Entry<K>) -> Result<Block<K>, Error> {
        let at = At { path, offset: entry.start as u64 };
        block::decode(&bytes[entry.start..entry.end], entry.first, entry.count, at)
    }

    /// How many segments there are.
    fn len(&self) -> u64 {
        self.entries.iter().map(|entry| entry.count as u64).sum()
    }

    /// Unpacks every block once, keeps none, and looks at what its segments point to.
    fn check(&self, bytes: &[u8], path: &Path, values: usize) -> Result<(), Error> {
        let mut before: Option<K> = None;
        for entry in &self.entries {
            let at = At { path, offset: entry.start as u64 };
            let block = self.unpack(bytes, path, *entry)?;
            if before.is_some_and(|before| before >= entry.first) {
                return Err(at.malformed("the first range of a block", "after the block before", 0));
            }
            before = block.last.last().copied();
            if let Some(value) = block.value.iter().find(|value| **value as usize >= values) {
                return Err(at.malformed("the origin of a range", "one of the list", (*value).into()));
            }
        }
        Ok(())
    }

    /// `Ok(None)` when nothing covers the address, `Err(())` when its block cannot be unpacked.
    fn find(&self, bytes: &[u8], address: K) -> Result<Option<Segment<K>>, ()> {
        let after = self.entries.partition_point(|entry| entry.first <= address);
        let Some(place) = after.checked_sub(1) else { return Ok(None) };
        let block =
            self.unpacked[place].get_or_init(|| self.unpack(bytes, Path::new(""), self.entries[place]).ok());
        block.as_ref().map(|block| block.find(address)).ok_or(())
    }

    /// The segments that touch a range, in order; blocks that cannot be unpacked are left out.
    fn within(&self, bytes: &[u8], range: Range<K>) -> Vec<Segment<K>> {
        let begin = self.entries.partition_point(|entry| entry.first <= range.first).saturating_sub(1);
        let end = self.entries.partition_point(|entry| entry.first <= range.last);
        let mut found = Vec::new();
        for place in begin..end {
            let unpack = || self.unpack(bytes, Path::new(""), self.entries[place]).ok();
            let Some(block) = self.unpacked[place].get_or_init(unpack) else { continue };
            let touches = |one: &Segment<K>| one.range.first <= range.last && range.first <= one.range.last;
            found.extend(block.segments().filter(touches));
        }
        found
    }

    /// Every segment in order; blocks that cannot be unpacked are left out.
    fn all(&self, bytes: &[u8]) -> Vec<Segment<K>> {
        let mut all = Vec::with_capacity(self.entries.iter().map(|entry| entry.count).sum());
        for block in self.entries.iter().filter_map(|entry| self.unpack(bytes, Path::new(""), *entry).ok()) {
            all.extend(block.segments());
        }
        all
    }
}

/// A section while the file is opened.
#[derive(Clone, Copy)]
struct Section<'a> {
    bytes: &'a [u8],
    start: usize,
    at: At<'a>,
}

/// A table in our own format, unpacked as it is asked.
#[derive(Debug)]
pub(crate) struct File {
    bytes: Cow<'static, [u8]>,
    pub(crate) meta: Meta,
    origins_at: std::ops::Range<usize>,
    origins: OnceLock<Origins>,
    four: Ranges<u32>,
    six: Ranges<u128>,
    names: Names,
    countries: Vec<[u8; 2]>,
    country_four: Ranges<u32>,
    country_six: Ranges<u128>,
    links_at: Option<std::ops::Range<usize>>,
    exchanges_at: Option<std::ops::Range<usize>>,
}

impl File {
    /// Reads the directory only. The caller vouches for the bytes; [`check`](Self::check) is what earns that.
    pub(crate) fn new(bytes: Cow<'static, [u8]>, path: &Path) -> Result<Self, Error> {
        let at = At { path, offset: 0 };
        let mut header = Cursor::new(&bytes, at, "the header");
        if header.take(MAGIC.len())? != MAGIC {
            return Err(Error::Foreign { path: path.to_path_buf(), found: "something else" });
        }
        let version = header.u16()?;
        if version != VERSION {
            return Err(Error::Version { path: path.to_path_buf(), expected: VERSION, got: version });
        }
        header.u16()?;
        let sections = header.u32()? as usize;
        let length = header.u64()?;
        if length != bytes.len() as u64 {
            let got = bytes.len() as u64;
            return Err(if got < length {
                Error::Truncated { path: path.to_path_buf(), what: "the file", expected: length, got }
            } else {
                at.malformed("the length of the file", "the one in its header", got)
            });
        }
        let body = bytes.len().saturating_sub(TRAILER);
        let mut file = Self {
            bytes: Cow::Borrowed(&[]),
            meta: Meta::default(),
            origins_at: 0..0,
            origins: OnceLock::new(),
            four: Ranges::default(),
            six: Ranges::default(),
            names: Names::default(),
            countries: Vec::new(),
            country_four: Ranges::default(),
            country_six: Ranges::default(),
            links_at: None,
            exchanges_at: None,
        };
        let mut found = (false, false);
        for place in 0..sections {
            let mut entry = Cursor::new(&bytes, at, "the list of sections");
            entry.take(HEADER + place.saturating_mul(ENTRY))?;
            let at = entry.at();
            let kind = entry.take(4)?;
            let flags = entry.u32()?;
            let (start, length) = (entry.u64()?, entry.u64()?);
            let end = start.checked_add(length).filter(|end| *end <= body as u64);
            let Some(end) = end else {
                return Err(at.malformed("a section", "inside the file", start.saturating_add(length)));
            };
            // Both are at most the length of a slice.
            let (start, end) = (start as usize, end as usize);
            let section = Section {
                bytes: bytes.get(start..end).unwrap_or_default(),
                start,
                at: At { path, offset: start as u64 },
            };
            match kind {
                b"META" => {
                    file.meta = serde_json::from_slice(section.bytes).map_err(|_| {
                        section.at.malformed(
                            "the description of the table",
                            "JSON with origin, prefixes and sources",
                            length,
                        )
                    })?;
                    found.0 = true;
                }
                b"ORIG" => {
                    file.origins_at = start..end;
                    found.1 = true;
                }
                b"RNG4" => file.four = Ranges::read(section)?,
                b"RNG6" => file.six = Ranges::read(section)?,
                b"NAME" => file.names = Names::packed(section.bytes, section.start, section.at)?,
                b"CTRY" => {
                    file.countries = section.bytes.chunks_exact(2).map(|code| [code[0], code[1]]).collect()
                }
                b"CTR4" => file.country_four = Ranges::read(section)?,
                b"CTR6" => file.country_six = Ranges::read(section)?,
                b"LINK" => file.links_at = Some(start..end),
                b"IXPS" => file.exchanges_at = Some(start..end),
                _ if flags & MUST_KNOW != 0 => {
                    return Err(at.malformed(
                        "the kind of a section",
                        "one this version knows",
                        flags.into(),
                    ));
                }
                _ => {}
            }
        }
        if found != (true, true) {
            return Err(at.malformed("the list of sections", "with META and ORIG", sections as u64));
        }
        file.bytes = bytes;
        Ok(file)
    }

    /// Compares the digest and unpacks every part once. After this no lookup can meet a part that cannot be read.
    pub(crate) fn check(&self, path: &Path) -> Result<(), Error> {
        let at = At { path, offset: 0 };
        let Some((body, trailer)) = self.bytes.split_last_chunk::<TRAILER>() else {
            return Err(at.malformed(
                "the length of the file",
                "room for its digest",
                self.bytes.len() as u64,
            ));
        };
        let (expected, got) = (Digest(*trailer), digest(body));
        if expected != got {
            return Err(Error::Checksum { path: path.to_path_buf(), expected, got });
        }
        let at = At { path, offset: self.origins_at.start as u64 };
        let origins = Origins::read(&self.bytes[self.origins_at.clone()], at)?;
        // Every segment begins at an end of an announcement. What deflate blows up beyond that nobody announced.
        for (got, ranges) in [self.four.len(), self.six.len()].into_iter().zip(self.meta.prefixes) {
            if got > ranges.saturating_mul(2) {
                return Err(at.malformed("the number of ranges", "no more than the description says", got));
            }
        }
        self.four.check(&self.bytes, path, origins.len())?;
        self.six.check(&self.bytes, path, origins.len())?;
        self.country_four.check(&self.bytes, path, self.countries.len())?;
        self.country_six.check(&self.bytes, path, self.countries.len())?;
        self.names.check(&self.bytes, path)?;
        self.read_links(path, &origins)?;
        self.read_exchanges(path)?;
        for source in origins.sets.iter().map(|set| usize::from(set.source)) {
            if source >= self.meta.sources.len() {
                return Err(at.malformed("the source of a range", "one of those described", source as u64));
            }
        }
        Ok(())
    }

    pub(crate) fn digest(&self) -> Digest {
        digest(&self.bytes)
    }

    /// The file's bytes.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_links(&self, path: &Path, origins: &Origins) -> Result<Option<Vec<Link>>, Error> {
        let Some(range) = self.links_at.clone() else { return Ok(None) };
        let at = At { path, offset: range.start as u64 };
        links::unpack(&self.bytes[range], at, origins).map(Some)
    }

    fn read_exchanges(&self, path: &Path) -> Result<Option<Exchanges>, Error> {
        let Some(range) = self.exchanges_at.clone() else { return Ok(None) };
        let at = At { path, offset: range.start as u64 };
        let numbers = self.meta.exchanges.as_ref().map(|meta| meta.sources.as_slice()).unwrap_or_default();
        let mut files = Vec::with_capacity(numbers.len());
        for number in numbers {
            let source = self.meta.sources.get(usize::from(*number)).ok_or_else(|| {
                at.malformed("the source of an exchange", "one of those described", u64::from(*number))
            })?;
            files.push(file_of(source));
        }
        Exchanges::unpack(&self.bytes[range], at, files).map(Some)
    }

    /// Which ASes are neighbours, unpacked at each call.
    pub(crate) fn links(&self) -> Option<Vec<Link>> {
        self.read_links(Path::new(""), self.origins()).ok().flatten()
    }

    /// The exchanges, unpacked at each call.
    pub(crate) fn exchanges(&self) -> Option<Exchanges> {
        self.read_exchanges(Path::new("")).ok().flatten()
    }

    /// The codes of countries.
    pub(crate) fn country_codes(&self) -> &[[u8; 2]] {
        &self.countries
    }

    /// The ranges that point to them.
    pub(crate) fn countries(&self) -> (Vec<Segment<u32>>, Vec<Segment<u128>>) {
        (self.country_four.all(&self.bytes), self.country_six.all(&self.bytes))
    }

    /// How many ranges that are.
    pub(crate) fn country_ranges(&self) -> u64 {
        self.country_four.len() + self.country_six.len()
    }

    /// How many ASes have a name.
    pub(crate) fn named(&self) -> u64 {
        let asns = 0..self.origins().asns.len();
        asns.filter(|place| self.names.get(*place, &self.bytes).is_some()).count() as u64
    }

    pub(crate) fn origins(&self) -> &Origins {
        self.origins.get_or_init(|| {
            let at = At { path: Path::new(""), offset: 0 };
            Origins::read(&self.bytes[self.origins_at.clone()], at).unwrap_or_default()
        })
    }

    /// `Ok(None)` when nothing covers the address, `Err(())` when its block cannot be unpacked.
    pub(crate) fn find<K: Family>(&self, address: K) -> Result<Option<Segment<K>>, ()> {
        K::ranges(self).find(&self.bytes, address)
    }

    /// The segments that touch a range, in order.
    pub(crate) fn within<K: Family>(&self, range: Range<K>) -> Vec<Segment<K>> {
        K::ranges(self).within(&self.bytes, range)
    }

    /// Every segment in order.
    pub(crate) fn all<K: Family>(&self) -> Vec<Segment<K>> {
        K::ranges(self).all(&self.bytes)
    }

    pub(crate) fn name(&self, asn: Asn) -> Option<&str> {
        self.names.get(self.origins().place(asn)?, &self.bytes)
    }

    pub(crate) fn country<K: Family>(&self, address: K) -> Option<[u8; 2]> {
        let found = K::countries(self).find(&self.bytes, address).ok()??;
        self.countries.get(found.value as usize).copied()
    }
}

/// An address family and where a file keeps it.
pub(crate) trait Family: Key {
    fn ranges(file: &File) -> &Ranges<Self>;
    fn countries(file: &File) -> &Ranges<Self>;
    /// The same of a table in memory.
    fn rows(built: &Built) -> &[Segment<Self>];
    /// The special-purpose registries.
    fn special() -> &'static [Segment<Self>];
    /// The shipped list of exchange LANs.
    fn pools() -> &'static [Segment<Self>];
    /// The address as an integer, if it is of this family.
    fn of(address: IpAddr) -> Option<Self>;
}

impl Family for u32 {
    fn ranges(file: &File) -> &Ranges<Self> {
        &file.four
    }
    fn countries(file: &File) -> &Ranges<Self> {
        &file.country_four
    }
    fn rows(built: &Built) -> &[Segment<Self>] {
        &built.four
    }
    fn special() -> &'static [Segment<Self>] {
        &registry().four
    }
    fn pools() -> &'static [Segment<Self>] {
        ixp::segments().0
    }
    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Some(address.into()),
            _ => None,
        }
    }
}

impl Family for u128 {
    fn ranges(file: &File) -> &Ranges<Self> {
        &file.six
    }
    fn countries(file: &File) -> &Ranges<Self> {
        &file.country_six
    }
    fn rows(built: &Built) -> &[Segment<Self>] {
        &built.six
    }
    fn special() -> &'static [Segment<Self>] {
        &registry().six
    }
    fn pools() -> &'static [Segment<Self>] {
        ixp::segments().1
    }
    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V6(address) => Some(address.into()),
            _ => None,
        }
    }
}

/// SHA-256 (FIPS 180-4).
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// What a file is made of.
pub(crate) struct Parts<'a> {
    pub(crate) meta: &'a Meta,
    pub(crate) origins: &'a Origins,
    pub(crate) four: &'a [Segment<u32>],
    pub(crate) six: &'a [Segment<u128>],
    /// One for each AS number, in their order.
    pub(crate) names: &'a [Option<String>],
    pub(crate) countries: &'a [[u8; 2]],
    pub(crate) country_four: &'a [Segment<u32>],
    pub(crate) country_six: &'a [Segment<u128>],
    pub(crate) links: Option<&'a [Link]>,
    pub(crate) exchanges: Option<&'a Exchanges>,
}

/// Writes a table file. The same parts give the same bytes.
pub(crate) fn write(parts: &Parts<'_>) -> Result<Vec<u8>, Error> {
    let limit = |what, got: usize, limit: usize| {
        if got > limit { Err(Error::TooMany { what, got: got as u64, limit: limit as u64 }) } else { Ok(()) }
    };
    limit("origins", parts.origins.len(), block::VALUE_LIMIT as usize)?;
    // A block's end is a u32 from the beginning of its section; a segment never takes more than 80 bytes.
    limit("IPv4 ranges", parts.four.len(), u32::MAX as usize / 80)?;
    limit("IPv6 ranges", parts.six.len(), u32::MAX as usize / 80)?;
    limit("sources", parts.meta.sources.len(), usize::from(u16::MAX))?;
    limit("links", parts.links.map_or(0, <[Link]>::len), links::MOST)?;
    let meta = serde_json::to_vec(parts.meta).map_err(|error| Error::Io {
        operation: super::error::Operation::Read,
        path: "META".into(),
        source: io::Error::other(error),
    })?;
    let mut sections: Vec<([u8; 4], u32, Vec<u8>)> = vec![
        (*b"META", MUST_KNOW, meta),
        (*b"ORIG", MUST_KNOW, parts.origins.write()),
        (*b"RNG4", MUST_KNOW, Ranges::write(parts.four)),
        (*b"RNG6", MUST_KNOW, Ranges::write(parts.six)),
        (*b"NAME", 0, Names::pack(parts.names)),
    ];
    if !parts.countries.is_empty() {
        sections.push((*b"CTRY", 0, parts.countries.concat()));
        sections.push((*b"CTR4", 0, Ranges::write(parts.country_four)));
        sections.push((*b"CTR6", 0, Ranges::write(parts.country_six)));
    }
    if let Some(links) = parts.links {
        sections.push((*b"LINK", 0, links::pack(links, parts.origins)));
    }
    if let Some(exchanges) = parts.exchanges {
        sections.push((*b"IXPS", 0, exchanges.pack()?));
    }
    let mut offset = HEADER + sections.len() * ENTRY;
    let length = offset + sections.iter().map(|(_, _, bytes)| bytes.len()).sum::<usize>() + TRAILER;
    let mut out = Vec::with_capacity(length);
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend([0; 2]);
    out.extend((sections.len() as u32).to_le_bytes());
    out.extend((length as u64).to_le_bytes());
    for (kind, flags, bytes) in &sections {
        out.extend(kind);
        out.extend(flags.to_le_bytes());
        out.extend((offset as u64).to_le_bytes());
        out.extend((bytes.len() as u64).to_le_bytes());
        offset += bytes.len();
    }
    for (_, _, bytes) in sections {
        out.extend(bytes);
    }
    let digest = digest(&out);
    out.extend(digest.0);
    Ok(out)
}
