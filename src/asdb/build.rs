//! From rows of any source to a table: the one place that decides what becomes of overlaps, repeated prefixes, odd names, and
//! of sources that contradict each other.
//!
//! Inside a source the narrowest range answers. Between sources the order decides, the first one being believed: where it has
//! an answer for an address, no other is asked, not even for a narrower range; where it has none, the next one answers. So a
//! source that is trusted stays whole, and whatever is put behind it can only fill its gaps. The user's overrides come
//! before all, wherever they were given. Every range keeps the source that said it. What has no range is joined instead: the
//! first source that names an AS, or puts addresses into a country, is believed in that; links of all sources add up, the paths
//! they were seen in as well, and the first that says who pays whom is believed; of exchanges the first that gives an address to
//! a member is.
//!
//! The same rows in the same order give the same bytes: nothing here asks for the time, the machine or a hash's seed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use super::adjacency::{AdjacencyInfo, Link, LinkKind};
use super::error::{Digest, Error};
use super::exchanges::{Contents, ExchangeFile, Exchanges};
use super::file::{self, ExchangesMeta, File, LinksMeta, Meta, OriginSet, Origins, Parts, SourceInfo};
use super::index::Index;
use super::origin::Asns;
use super::range::{Announced, Key, Range, Segment, flatten, overlay};
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

/// A name is cut to this, in characters.
const LONGEST_NAME: usize = 256;

/// Collects the rows of sources; the [room's words](self) say what wins.
///
/// - Of overlapping ranges of a source the narrowest answers; of two that overlap with the same size, the one that starts later.
/// - Equal ranges of a source with different origins become one with all of them, in the order they came: sources give the most
///   frequent first.
/// - AS 0 means "nobody" (RFC 7607) in every source and is left out, and a range that has no other origin with it.
/// - Private and reserved AS numbers stay: [`Origin::is_leak`](super::Origin::is_leak) tells them.
///
/// ```
/// use lasthop::{asdb::{Format, SourceInfo, Table, build::Builder}, number::Asn};
///
/// let mut builder = Builder::new("", SourceInfo::named("first"));
/// builder.range("9.1.0.0".parse()?, "9.1.255.255".parse()?, &[Asn(1)], false)?;
/// builder.begin(SourceInfo::named("second"));
/// builder.range("9.1.2.0".parse()?, "9.1.2.255".parse()?, &[Asn(2)], false)?;
/// builder.range("9.0.0.0".parse()?, "9.255.255.255".parse()?, &[Asn(3)], false)?;
/// let table = Table::of_builder(builder, Format::RangeCsv);
/// assert_eq!(table.lookup("9.1.2.3".parse()?).asn(), Some(Asn(1)), "the first source has an answer");
/// assert_eq!(table.lookup("9.2.0.0".parse()?).asn(), Some(Asn(3)), "it has none");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    title: String,
    layers: Vec<Layer>,
    /// The layer that rows go to.
    current: usize,
    origins: Interner,
    countries: Vec<Country>,
}

/// The rows of one source.
#[derive(Debug, Default)]
struct Layer {
    info: SourceInfo,
    four: Vec<Announced<u32>>,
    six: Vec<Announced<u128>>,
    names: BTreeMap<Asn, String>,
    country_four: Vec<Announced<u32>>,
    country_six: Vec<Announced<u128>>,
    /// The lower AS first. Only sums are taken from it, so that its order does not matter.
    links: HashMap<(Asn, Asn), (LinkKind, u32)>,
    exchanges: Vec<Contents>,
    counts: Counts,
}

/// What a source has given so far, and what was left out of it here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Ranges kept, repeats included.
    pub ranges: u64,
    /// Ranges that nobody announces: AS 0.
    pub nobody: u64,
    /// Ranges put into a country.
    pub countries: u64,
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
    /// A table whose first source this is. `origin` is what [`Info::origin`](super::Info::origin) will say; where it is empty,
    /// the names of the sources are put there.
    #[must_use]
    pub fn new(origin: &str, source: SourceInfo) -> Self {
        let mut builder = Self { title: origin.to_owned(), ..Self::default() };
        builder.begin(source);
        builder
    }

    /// A table of one source of which only the name is known.
    #[must_use]
    pub fn plain(name: &str) -> Self {
        Self::new(name, SourceInfo::named(name))
    }

    /// What the table says of where it comes from.
    pub fn set_title(&mut self, title: &str) {
        title.clone_into(&mut self.title);
    }

    /// The rows that come now are of another source, which is believed less than those before it. Gives its number for
    /// [`resume`](Self::resume).
    pub fn begin(&mut self, source: SourceInfo) -> usize {
        self.layers.push(Layer { info: source, ..Layer::default() });
        self.current = self.layers.len() - 1;
        self.current
    }

    /// The rows that come now are again of a source that was begun before. A number that was never given changes nothing.
    pub fn resume(&mut self, source: usize) {
        if source < self.layers.len() {
            self.current = source;
        }
    }

    fn layer(&mut self) -> &mut Layer {
        if self.layers.is_empty() {
            self.begin(SourceInfo::default());
        }
        &mut self.layers[self.current]
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
        let layer = self.layer();
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                let range = Range::new(u32::from(first), u32::from(last)).ok_or(error)?;
                layer.four.extend(value.map(|value| Announced { range, value }));
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                let range = Range::new(u128::from(first), u128::from(last)).ok_or(error)?;
                layer.six.extend(value.map(|value| Announced { range, value }));
            }
            _ => return Err(error),
        }
        match value {
            Some(_) => layer.counts.ranges += 1,
            None => layer.counts.nobody += 1,
        }
        Ok(())
    }

    /// Says what an AS is called. The first name that says something stands: not empty, and not just the number again.
    pub fn name(&mut self, asn: Asn, name: &str) {
        let names = &mut self.layer().names;
        if names.contains_key(&asn) {
            return;
        }
        // A name ends up in one line of a report, whatever its source wrote.
        let clean: String = name.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        let clean = clean.trim();
        if clean.is_empty() || clean.parse() == Ok(asn) {
            return;
        }
        names.insert(asn, clean.chars().take(LONGEST_NAME).collect());
    }

    /// Says in which country a registry has put a range, both ends inclusive.
    ///
    /// # Errors
    /// The ends are of different families or the wrong way round.
    pub fn country(&mut self, first: IpAddr, last: IpAddr, code: Country) -> Result<(), RangeError> {
        let error = RangeError { first, last };
        let value = self.country_value(code);
        let layer = self.layer();
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                let range = Range::new(u32::from(first), u32::from(last)).ok_or(error)?;
                layer.country_four.push(Announced { range, value });
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                let range = Range::new(u128::from(first), u128::from(last)).ok_or(error)?;
                layer.country_six.push(Announced { range, value });
            }
            _ => return Err(error),
        }
        layer.counts.countries += 1;
        Ok(())
    }

    fn country_value(&mut self, code: Country) -> u32 {
        // There are some 250 codes.
        let known = self.countries.iter().position(|known| *known == code);
        known.unwrap_or_else(|| {
            self.countries.push(code);
            self.countries.len() - 1
        }) as u32
    }

    /// Says that two ASes stand next to each other in so many BGP paths; the order does not matter, and what is said again adds
    /// up. An AS next to itself is no link (prepending), and neither is one with a number that owns no place on the public
    /// Internet: 0, 23456, and those for private use, for documentation or reserved.
    pub fn link(&mut self, a: Asn, b: Asn, paths: u32) {
        if a == b || [a, b].iter().any(|asn| asn.class() != AsnClass::Public) {
            return;
        }
        let link = self.layer().links.entry((a.min(b), a.max(b))).or_default();
        link.1 = link.1.saturating_add(paths);
    }

    /// The links that the source which rows go to has given, the lower number first, and in how many paths each was.
    #[must_use]
    pub fn links(&self) -> BTreeMap<(Asn, Asn), u32> {
        let layer = self.layers.get(self.current);
        layer.iter().flat_map(|layer| &layer.links).map(|(pair, (_, paths))| (*pair, *paths)).collect()
    }

    /// Takes links with what is known of them, those of any number: a list says what it means. Of two kinds in a source the
    /// first stands.
    pub(crate) fn relations(&mut self, links: &[Link]) {
        let known = &mut self.layer().links;
        known.reserve(links.len());
        for link in links {
            let (kind, paths) = known.entry((link.low, link.high)).or_default();
            *paths = paths.saturating_add(link.paths);
            if *kind == LinkKind::Untold {
                *kind = link.kind;
            }
        }
    }

    /// Takes LANs of exchanges and their members, and the names of those.
    pub(crate) fn exchanges(&mut self, mut contents: Contents) {
        for (asn, name) in std::mem::take(&mut contents.names) {
            self.name(asn, &name);
        }
        self.layer().exchanges.push(contents);
    }

    /// Takes all of a table: each of its sources becomes one here, in their order.
    pub(crate) fn table(&mut self, file: &File) {
        let sources = &file.meta.sources;
        let base = self.layers.len();
        for source in sources {
            self.begin(source.clone());
        }
        if sources.is_empty() {
            self.begin(SourceInfo::named(&file.meta.origin));
        }
        let count = self.layers.len() - base;
        let origins = file.origins();
        let values: Vec<(u32, usize)> = (0..origins.len() as u32)
            .map(|value| {
                let (asns, as_set, source) = origins.get(value).unwrap_or_default();
                (self.origins.value(&asns, as_set), base + usize::from(source).min(count - 1))
            })
            .collect();
        // A range that narrower ones cut comes once for each piece; what hides it altogether answers in its place here, too.
        for segment in file.all::<u32>() {
            let (value, layer) = values[segment.value as usize];
            self.layers[layer].four.push(Announced { range: segment.announced, value });
        }
        for segment in file.all::<u128>() {
            let (value, layer) = values[segment.value as usize];
            self.layers[layer].six.push(Announced { range: segment.announced, value });
        }
        for layer in &mut self.layers[base..] {
            deduplicate(&mut layer.four);
            deduplicate(&mut layer.six);
            layer.counts.ranges = (layer.four.len() + layer.six.len()) as u64;
        }
        // Who gave a name is not known. An override's AS is taken to have its name from there, the others from the least
        // believed, so that they do not go before the names of sources that are believed more.
        let last = self.layers.len() - 1;
        let own: BTreeSet<Asn> = (origins.sets.iter())
            .filter(|set| sources.get(usize::from(set.source)).is_some_and(|source| source.overrides))
            .flat_map(|set| set.asns.iter().copied())
            .collect();
        let first_is_own = sources.first().is_some_and(|source| source.overrides);
        for asn in &origins.asns {
            let Some(name) = file.name(*asn) else { continue };
            self.current = if first_is_own && own.contains(asn) { base } else { last };
            self.name(*asn, name);
        }
        self.current = last;
        let (four, six) = file.countries();
        let codes: Vec<u32> = file.country_codes().iter().map(|code| self.country_value(*code)).collect();
        let layer = &mut self.layers[last];
        let announced = |value: u32| codes.get(value as usize).copied();
        layer.country_four.extend(four.iter().filter_map(|segment| {
            Some(Announced { range: segment.range, value: announced(segment.value)? })
        }));
        layer.country_six.extend(six.iter().filter_map(|segment| {
            Some(Announced { range: segment.range, value: announced(segment.value)? })
        }));
        layer.counts.countries = (four.len() + six.len()) as u64;
        let place = |source: Option<&u16>| base + source.map_or(0, |one| usize::from(*one)).min(count - 1);
        if let Some(links) = file.links() {
            self.current = place(file.meta.links.as_ref().and_then(|links| links.sources.first()));
            self.relations(&links);
        }
        if let Some(exchanges) = file.exchanges() {
            let sources = file.meta.exchanges.as_ref().map(|meta| meta.sources.clone()).unwrap_or_default();
            for (number, contents) in exchanges.contents().into_iter().enumerate() {
                self.current = place(sources.get(number));
                self.exchanges(contents);
            }
        }
        self.current = last;
    }

    /// Whether no range was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layers.iter().all(|layer| layer.four.is_empty() && layer.six.is_empty())
    }

    /// Whether nothing at all was added.
    #[must_use]
    pub fn holds_nothing(&self) -> bool {
        self.is_empty()
            && self.layers.iter().all(|layer| {
                layer.names.is_empty()
                    && layer.links.is_empty()
                    && layer.exchanges.is_empty()
                    && layer.counts.countries == 0
            })
    }

    /// What the source that rows go to has given.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.layers.get(self.current).map_or_else(Counts::default, |layer| layer.counts)
    }

    /// Links and names of the source that rows go to, and whether it knows exchanges.
    pub(crate) fn more_counts(&self) -> (u64, u64, bool) {
        self.layers.get(self.current).map_or((0, 0, false), |layer| {
            (layer.links.len() as u64, layer.names.len() as u64, !layer.exchanges.is_empty())
        })
    }

    /// What is said of the source that rows go to.
    pub(crate) fn source(&mut self) -> &mut SourceInfo {
        &mut self.layer().info
    }

    /// The sources so far, in the order they were begun.
    pub fn sources(&self) -> impl Iterator<Item = &SourceInfo> {
        self.layers.iter().map(|layer| &layer.info)
    }

    /// The table file.
    ///
    /// # Errors
    /// More ranges, origins or sources than the format can number.
    pub fn write(self) -> Result<Vec<u8>, Error> {
        self.build().write()
    }

    /// The table in memory.
    pub(crate) fn build(self) -> Built {
        let Self { title, mut layers, mut origins, countries, .. } = self;
        // Stable: the rest stays in the order it was begun in.
        layers.sort_by_key(|layer| !layer.info.overrides);
        let mut used = Pairs::default();
        let (mut four, mut six) = (Vec::new(), Vec::new());
        let (mut country_four, mut country_six) = (Vec::new(), Vec::new());
        let mut names: BTreeMap<Asn, String> = BTreeMap::new();
        let mut dates = Vec::new();
        for (source, layer) in layers.iter_mut().enumerate() {
            let has_ranges = !layer.four.is_empty() || !layer.six.is_empty();
            if has_ranges && !layer.info.overrides {
                dates.extend(layer.info.date);
            }
            let below = used.numbered(source, flatten(merge(std::mem::take(&mut layer.four), &mut origins)));
            four = under(four, below);
            let below = used.numbered(source, flatten(merge(std::mem::take(&mut layer.six), &mut origins)));
            six = under(six, below);
            country_four = under(country_four, flatten(std::mem::take(&mut layer.country_four)));
            country_six = under(country_six, flatten(std::mem::take(&mut layer.country_six)));
            for (asn, name) in std::mem::take(&mut layer.names) {
                names.entry(asn).or_insert(name);
            }
        }
        let adjacency = links_of(&mut layers);
        let exchanges = exchanges_of(&mut layers);
        let (dictionary, numbers) = used.dictionary(&four, &six, &origins, |asns| {
            asns.extend(names.keys());
            asns.extend(adjacency.iter().flat_map(|(links, _)| links).flat_map(|link| [link.low, link.high]));
        });
        for value in four.iter_mut().map(|one| &mut one.value).chain(six.iter_mut().map(|one| &mut one.value))
        {
            *value = numbers.get(*value as usize).copied().unwrap_or_default();
        }
        let joined = || {
            let mut all: Vec<&str> = layers.iter().map(|layer| layer.info.name.as_str()).collect();
            all.dedup();
            all.join("; ")
        };
        let meta = Meta {
            origin: if title.is_empty() { joined() } else { title },
            // Never younger than a part of it.
            built_at: dates.into_iter().min(),
            prefixes: [distinct(&four), distinct(&six)],
            sources: layers.into_iter().map(|layer| layer.info).collect(),
            links: adjacency
                .as_ref()
                .map(|(links, sources)| LinksMeta { links: links.len() as u64, sources: sources.clone() }),
            exchanges: exchanges.as_ref().map(|(exchanges, sources)| ExchangesMeta {
                lans: exchanges.lans(),
                addresses: exchanges.addresses(),
                sources: sources.clone(),
            }),
        };
        let names = dictionary.asns.iter().map(|asn| names.remove(asn)).collect();
        Built {
            meta,
            origins: dictionary,
            four,
            six,
            names,
            countries,
            country_four,
            country_six,
            links: adjacency.map(|(links, _)| links),
            exchanges: exchanges.map(|(exchanges, _)| exchanges),
        }
    }
}

/// Combinations of a source and one of its values, numbered in the order they come.
#[derive(Debug, Default)]
struct Pairs {
    numbers: HashMap<(u16, u32), u32>,
    list: Vec<(u16, u32)>,
}

impl Pairs {
    fn numbered<K: Key>(&mut self, source: usize, mut segments: Vec<Segment<K>>) -> Vec<Segment<K>> {
        for segment in &mut segments {
            // Too many sources are refused when the table is written.
            let pair = (source as u16, segment.value);
            segment.value = *self.numbers.entry(pair).or_insert_with(|| {
                self.list.push(pair);
                self.list.len() as u32 - 1
            });
        }
        segments
    }

    /// The dictionary of what answers somewhere, and for each pair its number in there: an AS of the first source by its place,
    /// the rest behind. `more` adds ASes that are no origin.
    fn dictionary(
        self,
        four: &[Segment<u32>],
        six: &[Segment<u128>],
        origins: &Interner,
        more: impl FnOnce(&mut Vec<Asn>),
    ) -> (Origins, Vec<u32>) {
        let mut answers = vec![false; self.list.len()];
        for value in four.iter().map(|one| one.value).chain(six.iter().map(|one| one.value)) {
            answers[value as usize] = true;
        }
        let members = |value: u32| origins.list.get(value as usize).cloned().unwrap_or_default();
        let mut pairs: Vec<(u16, u32, usize)> = (self.list.iter().zip(&answers).enumerate())
            .filter(|(_, (_, answers))| **answers)
            .map(|(place, ((source, value), _))| (*source, *value, place))
            .collect();
        // By what they are and not by when they came: a table that is built from a table has the same bytes.
        pairs.sort_by_cached_key(|(source, value, _)| {
            let (asns, as_set) = members(*value);
            (*source, asns.to_vec(), as_set)
        });
        let mut asns: Vec<Asn> =
            pairs.iter().flat_map(|(_, value, _)| members(*value).0.as_slice().to_vec()).collect();
        more(&mut asns);
        asns.sort_unstable();
        asns.dedup();
        let mut numbers = vec![0; self.list.len()];
        let mut sets = Vec::new();
        for (source, value, place) in pairs {
            let (all, as_set) = members(value);
            numbers[place] = match all.as_slice() {
                [asn] if !as_set && source == 0 => asns.binary_search(asn).unwrap_or_default() as u32,
                _ => {
                    sets.push(OriginSet { asns: all, as_set, source });
                    (asns.len() + sets.len() - 1) as u32
                }
            };
        }
        (Origins { asns, sets }, numbers)
    }
}

/// Puts a source below those that are believed more.
fn under<K: Key>(top: Vec<Segment<K>>, below: Vec<Segment<K>>) -> Vec<Segment<K>> {
    match (top.is_empty(), below.is_empty()) {
        (true, _) => below,
        (_, true) => top,
        _ => overlay(&below, &top),
    }
}

/// How many announcements there are among segments.
fn distinct<K: Key>(segments: &[Segment<K>]) -> u64 {
    let mut cut: Vec<(K, K, u32)> = (segments.iter())
        .filter(|segment| segment.announced != segment.range)
        .map(|segment| (segment.announced.first, segment.announced.last, segment.value))
        .collect();
    let whole = segments.len() - cut.len();
    cut.sort_unstable();
    cut.dedup();
    (whole + cut.len()) as u64
}

/// All links, sorted, and the sources that have some.
fn links_of(layers: &mut [Layer]) -> Option<(Vec<Link>, Vec<u16>)> {
    let mut sources = Vec::new();
    let mut all: Vec<(Asn, Asn, u16, LinkKind, u32)> = Vec::new();
    for (source, layer) in (0u16..).zip(layers) {
        if !layer.links.is_empty() {
            sources.push(source);
        }
        let links = std::mem::take(&mut layer.links).into_iter();
        all.extend(links.map(|((low, high), (kind, paths))| (low, high, source, kind, paths)));
    }
    all.sort_unstable();
    let mut links: Vec<Link> = Vec::with_capacity(all.len());
    for (low, high, _, kind, paths) in all {
        match links.last_mut() {
            Some(last) if (last.low, last.high) == (low, high) => {
                last.paths = last.paths.saturating_add(paths);
                if last.kind == LinkKind::Untold {
                    last.kind = kind;
                }
            }
            _ => links.push(Link { low, high, kind, paths }),
        }
    }
    (!links.is_empty()).then_some((links, sources))
}

/// All exchanges, and the source of each of their files.
fn exchanges_of(layers: &mut [Layer]) -> Option<(Exchanges, Vec<u16>)> {
    let (mut all, mut files, mut sources) = (Vec::new(), Vec::new(), Vec::new());
    for (source, layer) in (0u16..).zip(layers) {
        for contents in std::mem::take(&mut layer.exchanges) {
            files.push(file_of(&layer.info));
            sources.push(source);
            all.push(contents);
        }
    }
    let exchanges = Exchanges::of(all, files);
    (exchanges.lans() > 0 || exchanges.addresses() > 0).then_some((exchanges, sources))
}

/// A source of exchanges as documents name it.
///
/// Of a source of several files the digest is the first one's: rows do not keep which one they are of.
pub(crate) fn file_of(info: &SourceInfo) -> ExchangeFile {
    let sha256 = info.files.first().and_then(|file| Digest::parse(&file.sha256)).unwrap_or(Digest([0; 32]));
    ExchangeFile { origin: info.name.clone(), built_at: info.date, sha256 }
}

/// A table in memory.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) meta: Meta,
    pub(crate) origins: Origins,
    pub(crate) four: Vec<Segment<u32>>,
    pub(crate) six: Vec<Segment<u128>>,
    /// One for each AS of `origins`.
    pub(crate) names: Vec<Option<String>>,
    pub(crate) countries: Vec<Country>,
    pub(crate) country_four: Vec<Segment<u32>>,
    pub(crate) country_six: Vec<Segment<u128>>,
    /// Sorted, each pair once.
    pub(crate) links: Option<Vec<Link>>,
    pub(crate) exchanges: Option<Exchanges>,
}

impl Built {
    /// The table file.
    pub(crate) fn write(&self) -> Result<Vec<u8>, Error> {
        file::write(&Parts {
            meta: &self.meta,
            origins: &self.origins,
            four: &self.four,
            six: &self.six,
            names: &self.names,
            countries: &self.countries,
            country_four: &self.country_four,
            country_six: &self.country_six,
            links: self.links.as_deref(),
            exchanges: self.exchanges.as_ref(),
        })
    }

    /// For millions of lookups.
    pub(crate) fn index(&self) -> Index {
        let overrides = self.meta.sources.iter().map(|source| source.overrides).collect();
        Index::new(self.origins.clone(), overrides, || self.four.clone(), || self.six.clone())
    }
}

/// What documents say of the links inside a table.
pub(crate) fn links_info(meta: &Meta, sha256: Digest) -> AdjacencyInfo {
    let numbers = meta.links.as_ref().map(|links| links.sources.as_slice()).unwrap_or_default();
    let sources: Vec<&SourceInfo> =
        numbers.iter().filter_map(|number| meta.sources.get(usize::from(*number))).collect();
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    AdjacencyInfo {
        origin: format!("in the table: {}", names.join("; ")),
        built_at: sources.iter().filter_map(|source| source.date).min(),
        sha256,
        links: 0,
        asns: 0,
    }
}

/// Leaves one of each row.
fn deduplicate<K: Key>(rows: &mut Vec<Announced<K>>) {
    rows.sort_by_key(|row| (row.range.first, row.range.last, row.value));
    rows.dedup();
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
