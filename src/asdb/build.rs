//! From rows of any source to a table: the one place that decides what becomes of overlaps, repeated prefixes and odd names.
//!
//! The same rows in the same order give the same bytes: nothing here asks for the time, the machine or a hash's seed.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

use jiff::civil::Date;

use super::error::{Error, Operation};
use super::file::{self, Meta, OriginSet, Origins, Parts, SourceFile, SourceInfo};
use super::index::Index;
use super::origin::Asns;
use super::range::{Announced, Key, Range, Segment, flatten};
use super::sources::{self, range_csv};
use crate::number::{Asn, AsnClass};

/// The two ends of a range cannot be one: other families, or the wrong way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{first} to {last} is no range")]
#[non_exhaustive]
pub struct RangeError {
    /// The first address given.
    pub first: IpAddr,
    /// The last address given.
    pub last: IpAddr,
}

/// Two letters of a country, or what a registry writes in their place, e.g. `EU`.
pub type Country = [u8; 2];

/// Collects the rows of one source.
///
/// - Of overlapping ranges the narrowest answers; of two that overlap with the same size, the one that starts later.
/// - Equal ranges with different origins become one with all of them, in the order they came: sources give the most frequent first.
/// - AS 0 means "nobody" (RFC 7607) in every source and is left out, and a range that has no other origin with it.
/// - Private and reserved AS numbers stay: [`Origin::is_leak`](super::Origin::is_leak) tells them.
#[derive(Debug)]
pub struct Builder {
    origin: String,
    built_at: Option<Date>,
    source: SourceInfo,
    four: Vec<Announced<u32>>,
    six: Vec<Announced<u128>>,
    origins: Interner,
    names: BTreeMap<Asn, String>,
    countries: BTreeMap<Country, u32>,
    country_four: Vec<Announced<u32>>,
    country_six: Vec<Announced<u128>>,
    links: BTreeMap<(Asn, Asn), u32>,
}

/// Numbers combinations of origins in the order they come.
#[derive(Debug, Default)]
struct Interner {
    single: HashMap<Asn, u32>,
    several: HashMap<(Vec<Asn>, bool), u32>,
    list: Vec<(Asns, bool)>,
}

impl Interner {
    fn value(&mut self, asns: &[Asn], as_set: bool) -> u32 {
        let next = self.list.len() as u32;
        let value = match asns {
            [asn] if !as_set => *self.single.entry(*asn).or_insert(next),
            several => match self.several.get(&(several.to_vec(), as_set)) {
                Some(value) => *value,
                None => *self.several.entry((several.to_vec(), as_set)).or_insert(next),
            },
        };
        if value == next {
            self.list.push((asns.into(), as_set));
        }
        value
    }
}

impl Builder {
    /// A table of one source. `origin` is what [`Info::origin`](super::Info::origin) will say.
    #[must_use]
    pub fn new(origin: &str, source: SourceInfo) -> Self {
        Self {
            origin: origin.to_owned(),
            built_at: source.date,
            source,
            four: Vec::new(),
            six: Vec::new(),
            origins: Interner::default(),
            names: BTreeMap::new(),
            countries: BTreeMap::new(),
            country_four: Vec::new(),
            country_six: Vec::new(),
            links: BTreeMap::new(),
        }
    }

    /// A table of one source of which only the name is known.
    #[must_use]
    pub fn plain(name: &str) -> Self {
        let source = SourceInfo {
            name: name.to_owned(),
            date: None,
            licence: None,
            overrides: false,
            files: Vec::new(),
        };
        Self::new(name, source)
    }

    /// Adds a range as announced, both ends inclusive. `as_set` says that origins come from an AS_SET.
    ///
    /// # Errors
    /// The ends are of different families or the wrong way round.
    pub fn range(
        &mut self,
        first: IpAddr,
        last: IpAddr,
        origins: &[Asn],
        as_set: bool,
    ) -> Result<(), RangeError> {
        let error = RangeError { first, last };
        let value = match origins {
            [Asn(0)] | [] => None,
            origins if origins.contains(&Asn(0)) => {
                let known: Vec<Asn> = origins.iter().copied().filter(|asn| asn.0 != 0).collect();
                (!known.is_empty()).then(|| self.origins.value(&known, as_set))
            }
            origins => Some(self.origins.value(origins, as_set)),
        };
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                let range = Range::new(u32::from(first), u32::from(last)).ok_or(error)?;
                self.four.extend(value.map(|value| Announced { range, value }));
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                let range = Range::new(u128::from(first), u128::from(last)).ok_or(error)?;
                self.six.extend(value.map(|value| Announced { range, value }));
            }
            _ => return Err(error),
        }
        Ok(())
    }

    /// Says what an AS is called. The first name that says something stands: not empty, and not just the number again.
    pub fn name(&mut self, asn: Asn, name: &str) {
        if self.names.contains_key(&asn) {
            return;
        }
        // A name ends up in one line of a report, whatever its source wrote.
        let clean: String = name.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        let clean = clean.trim();
        if clean.is_empty() || clean.parse() == Ok(asn) {
            return;
        }
        self.names.insert(asn, clean.to_owned());
    }

    /// Says in which country a registry has put a range, both ends inclusive.
    ///
    /// # Errors
    /// The ends are of different families or the wrong way round.
    pub fn country(&mut self, first: IpAddr, last: IpAddr, code: Country) -> Result<(), RangeError> {
        let error = RangeError { first, last };
        let next = self.countries.len() as u32;
        let value = *self.countries.entry(code).or_insert(next);
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                let range = Range::new(u32::from(first), u32::from(last)).ok_or(error)?;
                self.country_four.push(Announced { range, value });
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                let range = Range::new(u128::from(first), u128::from(last)).ok_or(error)?;
                self.country_six.push(Announced { range, value });
            }
            _ => return Err(error),
        }
        Ok(())
    }

    /// Says that two ASes stood side by side in so many BGP paths. Adds up; which of the two is named first does not matter.
    /// An AS beside itself is no link, nor is one with a private or reserved number.
    pub fn link(&mut self, low: Asn, high: Asn, paths: u32) {
        if low == high || [low, high].iter().any(|asn| asn.class() != AsnClass::Public) {
            return;
        }
        let count = self.links.entry((low.min(high), low.max(high))).or_default();
        *count = count.saturating_add(paths);
    }

    /// The links said so far, the lower number first, and in how many paths each was.
    #[must_use]
    pub fn links(&self) -> &BTreeMap<(Asn, Asn), u32> {
        &self.links
    }

    /// Whether no range was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.four.is_empty() && self.six.is_empty()
    }

    pub(crate) fn source(&mut self) -> &mut SourceInfo {
        &mut self.source
    }

    /// The table file.
    ///
    /// # Errors
    /// More ranges or origins than the format can number.
    pub fn write(self) -> Result<Vec<u8>, Error> {
        let mut codes: Vec<(Country, u32)> =
            self.countries.iter().map(|(code, value)| (*code, *value)).collect();
        codes.sort_by_key(|(_, value)| *value);
        let codes: Vec<Country> = codes.into_iter().map(|(code, _)| code).collect();
        let country_four = flatten(self.country_four.clone());
        let country_six = flatten(self.country_six.clone());
        let built = self.build();
        file::write(&Parts {
            meta: &built.meta,
            origins: &built.origins,
            four: &built.four,
            six: &built.six,
            names: &built.names,
            countries: &codes,
            country_four: &country_four,
            country_six: &country_six,
        })
    }

    /// The table in memory.
    pub(crate) fn build(mut self) -> Built {
        let four = merge(std::mem::take(&mut self.four), &mut self.origins);
        let six = merge(std::mem::take(&mut self.six), &mut self.origins);
        let mut asns: Vec<Asn> =
            self.origins.list.iter().flat_map(|(asns, _)| asns.iter().copied()).collect();
        asns.extend(self.names.keys());
        asns.sort_unstable();
        asns.dedup();
        // Where each interned value stands in the dictionary: an AS of its own by its number, the rest behind.
        let mut sets = Vec::new();
        let values: Vec<u32> = (self.origins.list.into_iter())
            .map(|(members, as_set)| match members.as_slice() {
                [asn] if !as_set => asns.binary_search(asn).unwrap_or_default() as u32,
                _ => {
                    sets.push(OriginSet { asns: members, as_set, source: 0 });
                    (asns.len() + sets.len() - 1) as u32
                }
            })
            .collect();
        let meta = Meta {
            origin: self.origin,
            built_at: self.built_at,
            prefixes: [four.len() as u64, six.len() as u64],
            sources: vec![self.source],
        };
        let names = asns.iter().map(|asn| self.names.remove(asn)).collect();
        let origins = Origins { asns, sets };
        Built {
            meta,
            origins,
            four: numbered(flatten(four), &values),
            six: numbered(flatten(six), &values),
            names,
        }
    }
}

/// A table in memory before it is written or indexed.
pub(crate) struct Built {
    pub(crate) meta: Meta,
    pub(crate) origins: Origins,
    four: Vec<Segment<u32>>,
    six: Vec<Segment<u128>>,
    /// One for each AS of `origins`.
    pub(crate) names: Vec<Option<String>>,
}

impl Built {
    pub(crate) fn index(self) -> (Meta, Vec<Option<String>>, Index) {
        let overrides = self.meta.sources.iter().map(|source| source.overrides).collect();
        let index = Index::new(self.origins, overrides, || self.four, || self.six);
        (self.meta, self.names, index)
    }
}

/// Makes one announcement of those with equal ends.
fn merge<K: Key>(mut rows: Vec<Announced<K>>, origins: &mut Interner) -> Vec<Announced<K>> {
    // Stable: origins of one range stay in the order they came.
    rows.sort_by_key(|row| (row.range.first, row.range.last));
    let mut merged: Vec<Announced<K>> = Vec::with_capacity(rows.len());
    for same in rows.chunk_by(|a, b| a.range == b.range) {
        let mut row = same[0];
        if same.iter().any(|other| other.value != row.value) {
            let mut asns: Vec<Asn> = Vec::new();
            let mut as_set = false;
            for (members, set) in same.iter().filter_map(|row| origins.list.get(row.value as usize)) {
                as_set |= set;
                for asn in members {
                    if !asns.contains(asn) {
                        asns.push(*asn);
                    }
                }
            }
            row.value = origins.value(&asns, as_set);
        }
        merged.push(row);
    }
    merged
}

fn numbered<K: Key>(mut segments: Vec<Segment<K>>, values: &[u32]) -> Vec<Segment<K>> {
    for segment in &mut segments {
        segment.value = values.get(segment.value as usize).copied().unwrap_or_default();
    }
    segments
}

/// The day of the data shipped in `data/`.
pub const SHIPPED_DATE: Date = jiff::civil::date(2026, 6, 17);

/// The four files the shipped table is made of, as their publisher names them.
pub const SHIPPED_SOURCES: [&str; 4] =
    ["asn-ipv4-num.csv", "asn-ipv6.csv", "asn-country-ipv4-num.csv", "asn-country-ipv6.csv"];

/// Builds the table shipped in `data/` from the publisher's files in `dir`: [`SHIPPED_SOURCES`], each as it is or, with
/// feature `build-table`, with `.xz` behind its name.
///
/// # Errors
/// A file is missing or cannot be unpacked, or a line of it cannot be read.
pub fn shipped(dir: &Path) -> Result<Vec<u8>, Error> {
    let mut texts = Vec::with_capacity(SHIPPED_SOURCES.len());
    for name in SHIPPED_SOURCES {
        texts.push(text_of(dir, name)?);
    }
    let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    shipped_from([texts[0], texts[1], texts[2], texts[3]])
}

/// The same from the four files' unpacked contents, in the order of [`SHIPPED_SOURCES`].
///
/// # Errors
/// A line cannot be read.
pub fn shipped_from(texts: [&[u8]; 4]) -> Result<Vec<u8>, Error> {
    let files = SHIPPED_SOURCES
        .iter()
        .zip(texts)
        .map(|(name, text)| SourceFile { name: (*name).to_owned(), sha256: file::digest(text).to_string() });
    let source = SourceInfo {
        name: "ip-location-db asn (Route Views, NRO, DB-IP)".to_owned(),
        date: Some(SHIPPED_DATE),
        licence: Some(
            "CC BY 4.0: Route Views (routeviews.org), Number Resource Organization (nro.net), IP to ASN Lite by DB-IP \
             (https://db-ip.com)"
                .to_owned(),
        ),
        overrides: false,
        files: files.collect(),
    };
    let mut builder = Builder::new("ip-location-db asn: Route Views, RIR statistics (NRO), DB-IP", source);
    let [asn_four, asn_six, country_four, country_six] = texts;
    for (name, text) in SHIPPED_SOURCES.iter().zip([asn_four, asn_six]) {
        range_csv::read(text, Path::new(name), &mut builder)?;
    }
    for (name, text) in SHIPPED_SOURCES[2..].iter().zip([country_four, country_six]) {
        range_csv::read_countries(text, Path::new(name), &mut builder)?;
    }
    builder.write()
}

fn text_of(dir: &Path, name: &str) -> Result<Vec<u8>, Error> {
    let plain = dir.join(name);
    let packed = dir.join(format!("{name}.xz"));
    if cfg!(feature = "build-table") && !plain.exists() && packed.exists() {
        return unxz(&packed);
    }
    let io = |operation| {
        let path = plain.clone();
        move |source| Error::Io { operation, path, source }
    };
    let mut text = Vec::new();
    let file = fs::File::open(&plain).map_err(io(Operation::Open))?;
    file.take(sources::LONGEST).read_to_end(&mut text).map_err(io(Operation::Read))?;
    Ok(text)
}

#[cfg(feature = "build-table")]
fn unxz(path: &Path) -> Result<Vec<u8>, Error> {
    let io = |operation| move |source| Error::Io { operation, path: path.to_path_buf(), source };
    let file = fs::File::open(path).map_err(io(Operation::Open))?;
    let mut text = Vec::new();
    lzma_rust2::XzReader::new(std::io::BufReader::new(file), true)
        .take(sources::LONGEST)
        .read_to_end(&mut text)
        .map_err(io(Operation::Unxz))?;
    Ok(text)
}

#[cfg(not(feature = "build-table"))]
fn unxz(path: &Path) -> Result<Vec<u8>, Error> {
    Err(Error::Foreign { path: path.to_path_buf(), found: "an xz file" })
}
