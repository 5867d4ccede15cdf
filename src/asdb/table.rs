//! The table as the rest of the program sees it.

use std::borrow::Cow;
use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::build::{Builder, Country};
use super::error::{Digest, Error, Operation};
use super::file::{self, Family, File, SourceInfo, VERSION};
use super::index::{Index, announced, in_pool, special_of, through_nat64};
use super::ixp;
use super::origin::{Origin, Source};
use super::range::{Key, Segment};
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
    /// Filled when the source is text, or when somebody asked for it.
    unpacked: OnceLock<Box<Unpacked>>,
}

#[derive(Debug)]
enum Backend {
    File(Box<File>),
    Mmdb(Box<Mmdb>),
    /// Everything is in `unpacked`.
    Rows,
}

#[derive(Debug)]
struct Unpacked {
    index: Index,
    /// Sorted by AS; empty for a file of ours, which has its own.
    names: Vec<(Asn, String)>,
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
    /// packed with gzip or bzip2.
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
        let bytes = sources::unpacked(bytes, path)?;
        let format = sources::recognise(&bytes, path)?;
        let file_name = sources::file_name(path);
        let mut table = match format {
            Format::Table(_) => {
                let file = File::new(Cow::Owned(bytes), path)?;
                file.check(path)?;
                Self::of_file(file)
            }
            Format::Mmdb => Self::of_mmdb(Mmdb::new(bytes, path)?, file_name),
            text => Self::of_text(text, &bytes, path, file_name)?,
        };
        table.sha256 = OnceLock::from(sha256);
        Ok(table)
    }

    fn of_file(file: File) -> Self {
        let meta = file.meta.clone();
        Self {
            origin: meta.origin,
            built_at: meta.built_at,
            built_at_is_file_time: false,
            prefixes: meta.prefixes.into_iter().fold(0, u64::saturating_add),
            format: Format::Table(VERSION),
            sources: meta.sources,
            sha256: OnceLock::new(),
            unpacked: OnceLock::new(),
            backend: Backend::File(Box::new(file)),
        }
    }

    fn of_mmdb(mmdb: Mmdb, name: String) -> Self {
        let product = mmdb.product();
        let built_at = mmdb.built();
        let source = SourceInfo {
            name: product.clone(),
            date: built_at,
            licence: None,
            overrides: false,
            files: vec![],
        };
        Self {
            origin: format!("{product} ({name})"),
            built_at,
            built_at_is_file_time: false,
            prefixes: mmdb.networks,
            format: Format::Mmdb,
            sources: vec![source],
            sha256: OnceLock::new(),
            unpacked: OnceLock::new(),
            backend: Backend::Mmdb(Box::new(mmdb)),
        }
    }

    fn of_text(format: Format, text: &[u8], path: &Path, name: String) -> Result<Self, Error> {
        let source =
            SourceInfo { name: name.clone(), date: None, licence: None, overrides: false, files: vec![] };
        let mut builder = Builder::new(&format!("{format} ({name})"), source);
        sources::read(format, text, path, &mut builder)?;
        if builder.is_empty() {
            return Err(Error::Empty { path: path.to_path_buf() });
        }
        Ok(Self::of_builder(builder, format))
    }

    /// A table in memory, for those who make rows themselves.
    #[must_use]
    pub fn of_builder(builder: Builder, format: Format) -> Self {
        let built = builder.build();
        let (meta, unpacked) = Unpacked::of(built);
        Self {
            origin: meta.origin,
            built_at: meta.built_at,
            built_at_is_file_time: false,
            prefixes: meta.prefixes.into_iter().fold(0, u64::saturating_add),
            format,
            sources: meta.sources,
            sha256: OnceLock::new(),
            unpacked: OnceLock::from(Box::new(unpacked)),
            backend: Backend::Rows,
        }
    }

    fn empty() -> Self {
        let source =
            SourceInfo { name: String::new(), date: None, licence: None, overrides: false, files: vec![] };
        Self::of_builder(Builder::new("", source), Format::Table(VERSION))
    }

    /// What is known of an address.
    ///
    /// In this order: IPv4 inside IPv6 is taken out (`::ffff:0:0/96`, RFC 4291 §2.5.5.2, and `64:ff9b::/96`, RFC 6052 §2.1); the
    /// user's overrides, where the table has some; the special-purpose registries ([`crate::number::special`]); the exchange LANs ([`ixp`]); the table.
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> Origin {
        if let Some(unpacked) = self.unpacked.get() {
            return unpacked.index.lookup(address);
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
            Backend::Rows => Origin::NOTHING,
        }
    }

    /// The table unpacked for bulk lookups, built at the first call.
    ///
    /// Worth it from some thousands of lookups on. After this, [`lookup`](Self::lookup) uses it, too.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.unpacked().index
    }

    fn unpacked(&self) -> &Unpacked {
        self.unpacked.get_or_init(|| {
            Box::new(match &self.backend {
                Backend::File(file) => {
                    let overrides = self.sources.iter().map(|source| source.overrides).collect();
                    let index = Index::new(file.origins().clone(), overrides, || file.all(), || file.all());
                    Unpacked { index, names: Vec::new() }
                }
                Backend::Mmdb(mmdb) => {
                    let source = self.sources.first().cloned().unwrap_or_else(|| SourceInfo {
                        name: String::new(),
                        date: None,
                        licence: None,
                        overrides: false,
                        files: vec![],
                    });
                    Unpacked::of(mmdb.build(source)).1
                }
                Backend::Rows => Unpacked {
                    index: Index::new(Default::default(), vec![], Vec::new, Vec::new),
                    names: vec![],
                },
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
        let names = &self.unpacked().names;
        let place = names.binary_search_by_key(&asn, |(asn, _)| *asn).ok()?;
        Some(&names[place].1)
    }

    /// In which country a registry has put the addresses around this one (ISO 3166-1 code, or what the registry writes in its place).
    ///
    /// That is where the holder was registered, not where the router stands. Only tables of ours know it.
    #[must_use]
    pub fn registered_country(&self, address: IpAddr) -> Option<Country> {
        let Backend::File(file) = &self.backend else { return None };
        match address.to_canonical() {
            IpAddr::V4(address) => file.country(u32::from(address)),
            IpAddr::V6(address) => file.country(u128::from(address)),
        }
    }

    /// What the table says of itself.
    #[must_use]
    pub fn info(&self) -> Info {
        let sha256 = self.sha256.get_or_init(|| match &self.backend {
            Backend::File(file) => file.digest(),
            _ => file::digest(&[]),
        });
        Info {
            origin: self.origin.clone(),
            built_at: self.built_at,
            built_at_is_file_time: self.built_at_is_file_time,
            sha256: *sha256,
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

impl Unpacked {
    fn of(built: super::build::Built) -> (file::Meta, Self) {
        let asns = built.origins.asns.clone();
        let (meta, names, index) = built.index();
        let names = asns.into_iter().zip(names).filter_map(|(asn, name)| Some((asn, name?))).collect();
        (meta, Self { index, names })
    }
}
