//! The table as the rest of the program sees it.

use std::borrow::Cow;
use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::sync::OnceLock;

use ipnetwork::IpNetwork;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::adjacency::Adjacency;
use super::build::{Builder, Built, Country, links_info};
use super::error::{Digest, Error, Operation};
use super::exchanges::{Exchanges, Peering};
use super::file::{self, Family, File, SourceInfo, VERSION};
use super::index::{Index, announced, in_pool, special_of, through_nat64};
use super::intake::{Intake, Settings};
use super::ixp;
use super::origin::{Origin, Source};
use super::range::{Key, Range, Segment};
use super::registry::{registry, translated};
use super::sources::mmdb::Mmdb;
use super::sources::{self, Format, LONGEST};
use crate::number::Asn;

/// The table shipped with the program; `data/README.md` says what it is.
const EMBEDDED: &[u8] = include_bytes!("../../data/asn.lht");

/// What a table says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Where it comes from, in words.
    pub origin: String,
    /// The day its data is of.
    pub built_at: Option<Date>,
    /// The day is only that of the file (its modification time), because the data has none.
    pub built_at_is_file_time: bool,
    /// SHA-256 of the file as it was read, before unpacking: what `sha256sum` prints.
    pub sha256: Digest,
    /// Ranges as announced, IPv4 and IPv6 together; for an MMDB the networks of its tree.
    pub prefixes: u64,
    /// What it was read from, with the version where it is ours.
    pub format: Format,
    /// The sources in the order [`Source::Table`] counts them.
    pub sources: Vec<SourceInfo>,
}

impl Info {
    /// Days from the day of the data to `today`; nothing if that day is not known or yet to come.
    #[must_use]
    pub fn age(&self, today: Date) -> Option<u32> {
        let built = self.built_at.filter(|built| *built <= today)?;
        u32::try_from((today - built).get_days()).ok()
    }

    /// More days than this make a table old: 30, since a hundredth of the Internet's prefixes or so move in a month; 45 for an
    /// MMDB, which some publish once a month and late.
    #[must_use]
    pub const fn old_after(&self) -> u32 {
        match self.format {
            Format::Mmdb => 45,
            _ => 30,
        }
    }

    /// The age in days, if the table is old.
    #[must_use]
    pub fn too_old(&self, today: Date) -> Option<u32> {
        self.age(today).filter(|days| *days > self.old_after())
    }
}

/// What takes a while to count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Details {
    /// Ranges as announced, of IPv4 and of IPv6.
    pub prefixes: [u64; 2],
    /// ASes that are an origin, or of which at least a name or a link is known.
    pub asns: u64,
    /// Those with a name.
    pub names: u64,
    /// Ranges put into a country, IPv4 and IPv6 together.
    pub countries: u64,
    /// Pairs of neighbours.
    pub links: u64,
    /// LANs of exchanges.
    pub lans: u64,
    /// Addresses in them that were given to a member.
    pub members: u64,
    /// Bytes of the file, unpacked; nothing for what was read as text.
    pub bytes: Option<u64>,
}

/// A stretch of addresses with one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Piece {
    /// Its first address.
    pub first: IpAddr,
    /// Its last address.
    pub last: IpAddr,
    /// The answer; its prefix is the one around `first`.
    pub origin: Origin,
}

impl Piece {
    /// How many addresses; saturates for the whole of IPv6.
    #[must_use]
    pub fn addresses(&self) -> u128 {
        let wide = |address| match address {
            IpAddr::V4(four) => u128::from(u32::from(four)),
            IpAddr::V6(six) => six.into(),
        };
        wide(self.last).saturating_sub(wide(self.first)).saturating_add(1)
    }

    /// Whether both have the same answer, the part of it aside that follows from the address.
    fn continues(&self, other: &Origin) -> bool {
        let one = &self.origin;
        (&one.asns, one.as_set, one.kind, one.range, one.source)
            == (&other.asns, other.as_set, other.kind, other.range, other.source)
            && one.special == other.special
    }
}

/// Who owns an address, from files alone. See the [room's words](super) for an example.
#[derive(Debug)]
pub struct Table {
    backend: Backend,
    origin: String,
    built_at: Option<Date>,
    built_at_is_file_time: bool,
    prefixes: u64,
    format: Format,
    sources: Vec<SourceInfo>,
    sha256: OnceLock<Digest>,
    /// Text is here from the beginning, an MMDB when somebody asks for what only a walk tells.
    rows: OnceLock<Box<Built>>,
    /// Filled when somebody asked for it.
    index: OnceLock<Box<Index>>,
    adjacency: OnceLock<Option<Box<Adjacency>>>,
    exchanges: OnceLock<Option<Box<Exchanges>>>,
}

#[derive(Debug)]
enum Backend {
    File(Box<File>),
    Mmdb(Box<Mmdb>),
    /// Everything is in `rows`.
    Rows,
}

impl Table {
    /// The table inside the program.
    ///
    /// Nothing is unpacked before the first lookup, and then only what it meets.
    #[must_use]
    pub fn embedded() -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| {
            // A test opens and checks these very bytes, so the empty table is never what a user gets.
            let file = File::new(Cow::Borrowed(EMBEDDED), Path::new("data/asn.lht"));
            file.map_or_else(|_| Self::empty(), Self::of_file)
        })
    }

    /// The bytes of the table inside the program, as shipped in `data/`.
    #[must_use]
    pub fn embedded_bytes() -> &'static [u8] {
        EMBEDDED
    }

    /// Reads a table: one of ours, an MMDB, or one of the text formats of [`Format`], told apart by content; each may be
    /// packed with gzip, bzip2, Zstandard or xz.
    ///
    /// # Errors
    /// The file cannot be read, is foreign, cut short, damaged, of another version, or has a line that is no row.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let io = |operation| move |source| Error::Io { operation, path: path.to_path_buf(), source };
        let file = fs::File::open(path).map_err(io(Operation::Open))?;
        let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let mut table = Self::from_reader(file, path)?;
        if table.built_at.is_none() {
            let day = modified.and_then(|time| Timestamp::try_from(time).ok());
            table.built_at = day.map(|time| TimeZone::UTC.to_datetime(time).date());
            table.built_at_is_file_time = table.built_at.is_some();
        }
        Ok(table)
    }

    /// The same from anything that can be read; `name` stands for the path in errors and in [`Info::origin`].
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_reader(reader: impl Read, name: impl AsRef<Path>) -> Result<Self, Error> {
        let path = name.as_ref();
        let bytes = sources::bytes_of(reader, path, LONGEST)?;
        let sha256 = file::digest(&bytes);
        let unwatched = &mut |_| {};
        let stream = sources::opened(bytes.as_slice(), path, unwatched)?;
        let mut table = match sources::format_of(&stream, path)? {
            Some(Format::Table(_)) => {
                let file = File::new(Cow::Owned(sources::whole(stream, path)?), path)?;
                file.check(path)?;
                Self::of_file(file)
            }
            None => {
                let bytes = sources::whole(stream, path)?;
                sources::recognise(&bytes, path)?;
                Self::of_mmdb(Mmdb::new(bytes, path)?, sources::file_name(path))
            }
            Some(rows) => {
                let mut intake = Intake::new(Settings::default());
                intake.add_opened(stream, path)?;
                let builder = intake.done();
                if builder.is_empty() {
                    return Err(Error::Empty { path: path.to_path_buf() });
                }
                Self::of_builder(builder, rows)
            }
        };
        table.sha256 = OnceLock::from(sha256);
        Ok(table)
    }

    fn new(backend: Backend, meta: file::Meta, format: Format) -> Self {
        Self {
            backend,
            origin: meta.origin,
            built_at: meta.built_at,
            built_at_is_file_time: false,
            prefixes: meta.prefixes.into_iter().fold(0, u64::saturating_add),
            format,
            sources: meta.sources,
            sha256: OnceLock::new(),
            rows: OnceLock::new(),
            index: OnceLock::new(),
            adjacency: OnceLock::new(),
            exchanges: OnceLock::new(),
        }
    }

    fn of_file(file: File) -> Self {
        let meta = file.meta.clone();
        Self::new(Backend::File(Box::new(file)), meta, Format::Table(VERSION))
    }

    fn of_mmdb(mmdb: Mmdb, name: String) -> Self {
        let product = mmdb.product();
        let built_at = mmdb.built();
        let meta = file::Meta {
            origin: format!("{product} ({name})"),
            built_at,
            prefixes: [mmdb.networks, 0],
            sources: vec![SourceInfo { date: built_at, ..SourceInfo::named(&product) }],
            ..file::Meta::default()
        };
        Self::new(Backend::Mmdb(Box::new(mmdb)), meta, Format::Mmdb)
    }

    /// A table in memory, for those who make rows themselves.
    #[must_use]
    pub fn of_builder(builder: Builder, format: Format) -> Self {
        let built = builder.build();
        let table = Self::new(Backend::Rows, built.meta.clone(), format);
        // It was empty a moment ago.
        let _ = table.rows.set(Box::new(built));
        table
    }

    fn empty() -> Self {
        Self::of_builder(Builder::new("", SourceInfo::default()), Format::Table(VERSION))
    }

    /// What is known of an address.
    ///
    /// In this order: IPv4 inside IPv6 is taken out (`::ffff:0:0/96`, RFC 4291 §2.5.5.2, and `64:ff9b::/96`, RFC 6052 §2.1); the
    /// user's overrides, where the table has some; the special-purpose registries ([`crate::number::special`]); the exchange LANs ([`ixp`]); the table.
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> Origin {
        if let Some(index) = self.index.get() {
            return index.lookup(address);
        }
        match address.to_canonical() {
            IpAddr::V4(address) => self.lookup_four(u32::from(address)),
            IpAddr::V6(address) => self.lookup_six(u128::from(address)),
        }
    }

    fn lookup_four(&self, address: u32) -> Origin {
        self.overridden(address).unwrap_or_else(|| {
            self.reserved(address, &registry().four, ixp::segments().0).unwrap_or_else(|| self.ask(address))
        })
    }

    fn lookup_six(&self, address: u128) -> Origin {
        if let Some(origin) = self.overridden(address) {
            return origin;
        }
        if let Some(inner) = translated(address) {
            return through_nat64(self.lookup_four(inner), address);
        }
        self.reserved(address, &registry().six, ixp::segments().1).unwrap_or_else(|| self.ask(address))
    }

    /// The answer of the registries or the exchange LANs.
    fn reserved<K: Key>(&self, address: K, special: &[Segment<K>], pools: &[Segment<K>]) -> Option<Origin> {
        match ixp::find(special, address) {
            Some(row) => registry().answer(row, address),
            None => ixp::find(pools, address).map(in_pool),
        }
    }

    /// The table's answer if it is an override.
    fn overridden<K: Family>(&self, address: K) -> Option<Origin> {
        if !self.sources.iter().any(|source| source.overrides) {
            return None;
        }
        let origin = self.ask(address);
        match origin.source {
            Source::Table(source)
                if self.sources.get(usize::from(source)).is_some_and(|source| source.overrides) =>
            {
                Some(Origin { special: special_of(address), ..origin })
            }
            _ => None,
        }
    }

    /// The table's own answer.
    fn ask<K: Family>(&self, address: K) -> Origin {
        match &self.backend {
            Backend::File(file) => match file.find(address) {
                Ok(Some(found)) => announced(file.origins(), found.value, found.announced, address),
                Ok(None) => Origin::NOTHING,
                Err(()) => Origin { source: Source::Unreadable, ..Origin::NOTHING },
            },
            Backend::Mmdb(mmdb) => mmdb.lookup(address.address()),
            Backend::Rows => {
                let rows = self.rows();
                find(K::rows(rows), address).map_or(Origin::NOTHING, |found| {
                    announced(&rows.origins, found.value, found.announced, address)
                })
            }
        }
    }

    /// The table unpacked for bulk lookups, built at the first call.
    ///
    /// Worth it from some thousands of lookups on. After this, [`lookup`](Self::lookup) uses it, too.
    #[must_use]
    pub fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            Box::new(match &self.backend {
                Backend::File(file) => {
                    let overrides = self.sources.iter().map(|source| source.overrides).collect();
                    Index::new(file.origins().clone(), overrides, || file.all(), || file.all())
                }
                Backend::Mmdb(_) | Backend::Rows => self.rows().index(),
            })
        })
    }

    /// What is not in a file of ours, in memory.
    fn rows(&self) -> &Built {
        self.rows.get_or_init(|| {
            Box::new(match &self.backend {
                Backend::Mmdb(mmdb) => mmdb.build(self.sources.first().cloned().unwrap_or_default()),
                Backend::File(_) | Backend::Rows => Builder::default().build(),
            })
        })
    }

    /// What an AS is called. Foreign text: escape it before it is printed.
    ///
    /// An MMDB has its names in its records; the first call for one unpacks the whole file.
    #[must_use]
    pub fn name(&self, asn: Asn) -> Option<&str> {
        if let Backend::File(file) = &self.backend {
            return file.name(asn);
        }
        let rows = self.rows();
        rows.names.get(rows.origins.place(asn)?)?.as_deref()
    }

    /// Which ASes are neighbours, where the table says it. Unpacked at the first call.
    #[must_use]
    pub fn adjacency(&self) -> Option<&Adjacency> {
        let found = self.adjacency.get_or_init(|| {
            let (links, meta) = match &self.backend {
                Backend::File(file) => (file.links()?, &file.meta),
                Backend::Mmdb(_) => return None,
                Backend::Rows => (self.rows().links.clone()?, &self.rows().meta),
            };
            Some(Box::new(Adjacency::of(links, links_info(meta, self.sha256()))))
        });
        found.as_deref()
    }

    /// The exchanges that the table knows beside the [shipped list](ixp). Unpacked at the first call.
    #[must_use]
    pub fn exchanges(&self) -> Option<&Exchanges> {
        let found = self.exchanges.get_or_init(|| {
            match &self.backend {
                Backend::File(file) => file.exchanges(),
                Backend::Mmdb(_) => None,
                Backend::Rows => self.rows().exchanges.clone(),
            }
            .map(Box::new)
        });
        found.as_deref()
    }

    /// What the table's exchanges say of an address; nothing if it is in none of their LANs, or if an override speaks of it.
    ///
    /// [`lookup`](Self::lookup) tells whose *range* an address lies in and knows nothing of this: whoever wants the owner of a
    /// router asks here first.
    #[must_use]
    pub fn peering(&self, address: IpAddr) -> Option<Peering<'_>> {
        let found = self.exchanges()?.lookup(address)?;
        let overridden = match address.to_canonical() {
            IpAddr::V4(address) => self.overridden(u32::from(address)).is_some(),
            IpAddr::V6(address) => self.overridden(u128::from(address)).is_some(),
        };
        (!overridden).then_some(found)
    }

    /// What [`lookup`](Self::lookup) answers for each address of a prefix, in as few pieces as that takes. Cut in addition where
    /// a LAN of the table's exchanges, or one of `cuts`, begins or ends.
    #[must_use]
    pub fn pieces(&self, prefix: IpNetwork, cuts: &[IpNetwork]) -> Vec<Piece> {
        let lans = self.exchanges().into_iter().flat_map(Exchanges::lan_prefixes);
        let cuts: Vec<IpNetwork> = lans.chain(cuts.iter().copied()).collect();
        let bits = u32::from(prefix.prefix());
        match (prefix.network(), bits.checked_sub(96)) {
            (IpAddr::V4(base), _) => self.pieces_of(Range::of_prefix(u32::from(base), bits), &cuts),
            (IpAddr::V6(base), inner) => {
                let four = base.to_ipv4_mapped().map(u32::from).or_else(|| translated(base.into()));
                match four.zip(inner) {
                    Some((base, bits)) => self.pieces_of(Range::of_prefix(base, bits), &cuts),
                    None => self.pieces_of(Range::of_prefix(u128::from(base), bits), &cuts),
                }
            }
        }
    }

    fn pieces_of<K: Family>(&self, whole: Range<K>, cuts: &[IpNetwork]) -> Vec<Piece> {
        let mut starts = vec![whole.first];
        let mut cut = |range: Range<K>| {
            let begins = [Some(range.first), range.last.next()];
            starts.extend(begins.into_iter().flatten().filter(|at| whole.first < *at && *at <= whole.last));
        };
        match &self.backend {
            Backend::File(file) => file.within(whole).iter().for_each(|one| cut(one.range)),
            Backend::Mmdb(_) | Backend::Rows => {
                let rows: &[Segment<K>] = K::rows(self.rows());
                let begin = rows.partition_point(|one| one.range.last < whole.first);
                let touching = rows[begin..].iter().take_while(|one| one.range.first <= whole.last);
                touching.for_each(|one| cut(one.range));
            }
        }
        K::special().iter().chain(K::pools()).for_each(|one| cut(one.range));
        for network in cuts.iter().filter(|network| network.is_ipv6() == (K::BITS == 128)) {
            if let Some(base) = K::of(network.network()) {
                cut(Range::of_prefix(base, network.prefix().into()));
            }
        }
        starts.sort_unstable();
        starts.dedup();
        let mut pieces: Vec<Piece> = Vec::new();
        for (place, first) in starts.iter().enumerate() {
            let last = starts.get(place + 1).and_then(|next| next.previous()).unwrap_or(whole.last);
            let wide: u128 = (*first).into();
            // A wide prefix around the NAT64 addresses does not follow each of them to its IPv4 address.
            let origin = match translated(wide)
                .filter(|_| K::BITS == 128 && first.network(96).contains(last.address()))
            {
                Some(_) => ixp::find(K::special(), *first)
                    .and_then(|row| registry().answer(row, *first))
                    .unwrap_or(Origin::NOTHING),
                None => self.lookup(first.address()),
            };
            match pieces.last_mut().filter(|piece| piece.continues(&origin)) {
                Some(piece) => piece.last = last.address(),
                None => pieces.push(Piece { first: first.address(), last: last.address(), origin }),
            }
        }
        pieces
    }

    /// In which country a registry has put the addresses around this one (ISO 3166-1 code, or what the registry writes in its place).
    ///
    /// That is where the holder was registered, not where the router stands. An MMDB does not tell it.
    #[must_use]
    pub fn registered_country(&self, address: IpAddr) -> Option<Country> {
        let of_rows = |value: Option<u32>, rows: &Built| rows.countries.get(value? as usize).copied();
        match (&self.backend, address.to_canonical()) {
            (Backend::File(file), IpAddr::V4(address)) => file.country(u32::from(address)),
            (Backend::File(file), IpAddr::V6(address)) => file.country(u128::from(address)),
            (Backend::Mmdb(_), _) => None,
            (Backend::Rows, IpAddr::V4(address)) => {
                of_rows(ixp::find(&self.rows().country_four, u32::from(address)), self.rows())
            }
            (Backend::Rows, IpAddr::V6(address)) => {
                of_rows(ixp::find(&self.rows().country_six, u128::from(address)), self.rows())
            }
        }
    }

    fn sha256(&self) -> Digest {
        *self.sha256.get_or_init(|| match &self.backend {
            Backend::File(file) => file.digest(),
            _ => file::digest(&[]),
        })
    }

    /// Counts what is in the table; unpacks what it has to.
    #[must_use]
    pub fn details(&self) -> Details {
        let count = |meta: &file::Meta| {
            let exchanges = meta.exchanges.as_ref().map_or((0, 0), |meta| (meta.lans, meta.addresses));
            (meta.prefixes, meta.links.as_ref().map_or(0, |meta| meta.links), exchanges)
        };
        let (counts, asns, names, countries, bytes) = match &self.backend {
            Backend::File(file) => {
                let countries = file.country_ranges();
                (count(&file.meta), file.origins().asns.len(), file.named(), countries, Some(file.len()))
            }
            Backend::Mmdb(_) | Backend::Rows => {
                let rows = self.rows();
                let countries = (rows.country_four.len() + rows.country_six.len()) as u64;
                let named = rows.names.iter().flatten().count() as u64;
                (count(&rows.meta), rows.origins.asns.len(), named, countries, None)
            }
        };
        let (prefixes, links, (lans, members)) = counts;
        Details { prefixes, asns: asns as u64, names, countries, links, lans, members, bytes }
    }

    /// What the table says of itself.
    #[must_use]
    pub fn info(&self) -> Info {
        Info {
            origin: self.origin.clone(),
            built_at: self.built_at,
            built_at_is_file_time: self.built_at_is_file_time,
            sha256: self.sha256(),
            prefixes: self.prefixes,
            format: self.format,
            sources: self.sources.clone(),
        }
    }

    /// Who said it, in words: for the `source` of a lookup.
    #[must_use]
    pub fn source_name(&self, source: Source) -> Cow<'_, str> {
        match source {
            Source::Registry => Cow::Borrowed("IANA special-purpose registries"),
            Source::IxpPools(pool) => Cow::Owned(format!("exchange LANs: {}", pool.holder)),
            Source::Table(number) => match self.sources.get(usize::from(number)) {
                Some(SourceInfo { name, date: Some(date), .. }) => Cow::Owned(format!("{name}, {date}")),
                Some(SourceInfo { name, .. }) => Cow::Borrowed(name),
                None => Cow::Borrowed(&self.origin),
            },
            Source::Nothing => Cow::Borrowed("no range in the table"),
            Source::Unreadable => Cow::Borrowed("a record that cannot be read"),
        }
    }
}

/// The segment that holds an address.
fn find<K: Key>(rows: &[Segment<K>], address: K) -> Option<Segment<K>> {
    let after = rows.partition_point(|segment| segment.range.first <= address);
    rows.get(after.checked_sub(1)?).filter(|segment| segment.range.holds(address)).copied()
}
