//! The files people already have, told apart by what is in them.
//!
//! Names and endings say little (`.csv` is five formats, downloads are renamed), so the first bytes decide, and for text the first line that is
//! data. A line that cannot be read is an error with its number, not a row left out: a table that silently lost a carrier's
//! ranges would accuse its neighbour. What a reader leaves out on purpose it counts by reason, in [`Read`].
//!
//! | source | [`Format`] | told by | gives |
//! |---|---|---|---|
//! | RIPE RIS, Route Views, BIRD, FRR, OpenBGPD | `Mrt` | record headers | prefixes and origins, AS links |
//! | RIS whois dump | `RisWhois` | `origin⇥prefix⇥peers` | prefixes and origins |
//! | bgp.tools `table.txt` | `TableTxt` | `prefix origin` | prefixes and origins |
//! | bgp.tools `table.jsonl`, IPinfo's JSON | `JsonLines` | an object with known keys | prefixes or ranges, origins, names |
//! | CAIDA pfx2as | `Pfx2As` | `network⇥length⇥origins` | prefixes and origins |
//! | iptoasn | `IpToAsn` | `first⇥last⇥asn⇥country⇥name` | ranges, names |
//! | ip-location-db | `RangeCsv` | `first,last,asn,"name"` | ranges, names |
//! | the same by country | `CountryCsv` | `first,last,CC` | registered countries |
//! | GeoLite2 ASN CSV | `GeoLiteCsv` | its header | prefixes, names |
//! | any CSV, TSV or semicolons with a header | `NamedColumns` | known names of columns | ranges, names, registered countries |
//! | MaxMind, DB-IP, IPinfo, … MMDB | `Mmdb` | its mark | networks, names |
//! | the user's own | `Overrides` | `prefix,asn[,name[,note]]` | prefixes, names, before all else |
//! | RIPE `asn.txt` | `AsNames` | `asn name` | names |
//! | bgp.tools `asns.csv` | `NamedColumns` | its header | names |
//! | CAIDA as2org | `As2Org` | its comments | names |
//! | registries' delegated files | `Delegated` | `registry\|CC\|ipv4\|…` | registered countries |
//!
//! Each may be packed, see [`Packing`], and is read as a stream: only MMDB files and tables of ours are held whole.

pub(crate) mod columns;
pub(crate) mod delegated;
pub(crate) mod geolite_csv;
pub(crate) mod iptoasn;
pub(crate) mod mmdb;
pub(crate) mod mrt;
pub(crate) mod names;
pub(crate) mod overrides;
pub(crate) mod packed;
pub(crate) mod pfx2as;
pub(crate) mod range_csv;
pub(crate) mod ris;
pub(crate) mod tally;
#[cfg(test)]
mod tests;
pub(crate) mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, Read as _};
use std::path::Path;

use jiff::civil::Date;

pub use self::packed::Packing;
use self::packed::{HEAD, Hashed, Offsets, Stream};
use self::text::{address, date_in, ends, is_skipped, origins, prefix};
use super::build::Builder;
use super::error::{Digest, Error, Operation, excerpt};
use super::file::MAGIC;
use crate::number::Asn;

/// The most bytes of a file that is held whole, packed or unpacked: 1 GiB. The largest MMDB or text table known is a tenth of it.
pub(crate) const LONGEST: u64 = 1 << 30;

/// What a table was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Our own, of this version.
    Table(u16),
    /// MaxMind DB 2.0, with any of the known field names.
    Mmdb,
    /// A dump of a BGP table (RFC 6396): TABLE_DUMP or TABLE_DUMP_V2, of any number of peers.
    Mrt,
    /// RIPE RIS whois dump: `origin⇥prefix⇥peers`.
    RisWhois,
    /// bgp.tools `table.txt`: `prefix origin`.
    TableTxt,
    /// JSON Lines: an object a row, e.g. bgp.tools' `table.jsonl`.
    JsonLines,
    /// ip-location-db: `first,last,asn,"name"`, addresses as text or as integers.
    RangeCsv,
    /// ip-location-db by country: `first,last,CC`.
    CountryCsv,
    /// iptoasn: `first⇥last⇥asn⇥country⇥name`.
    IpToAsn,
    /// CAIDA RouteViews prefix-to-AS: `network⇥length⇥asn[_asn…][,asn…]`.
    Pfx2As,
    /// GeoLite2 ASN CSV: `network,autonomous_system_number,autonomous_system_organization`.
    GeoLiteCsv,
    /// CSV, TSV or semicolons with a header that names columns: of ranges or prefixes, or of AS names.
    NamedColumns,
    /// The user's own corrections: `prefix,asn,name[,note]`, or with tabs.
    Overrides,
    /// AS names as RIPE writes them: `asn name, CC`.
    AsNames,
    /// CAIDA as2org.
    As2Org,
    /// A registry's extended delegated file.
    Delegated,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table(version) => return write!(f, "lasthop table, version {version}"),
            Self::Mmdb => "MMDB",
            Self::Mrt => "MRT table dump",
            Self::RisWhois => "RIS whois dump",
            Self::TableTxt => "prefixes and origins (bgp.tools table.txt)",
            Self::JsonLines => "JSON Lines",
            Self::RangeCsv => "CSV of ranges (ip-location-db)",
            Self::CountryCsv => "CSV of ranges by country (ip-location-db)",
            Self::IpToAsn => "TSV of ranges (iptoasn)",
            Self::Pfx2As => "prefix-to-AS (CAIDA)",
            Self::GeoLiteCsv => "GeoLite2 ASN CSV",
            Self::NamedColumns => "table with named columns",
            Self::Overrides => "overrides",
            Self::AsNames => "AS names",
            Self::As2Org => "AS organisations (CAIDA as2org)",
            Self::Delegated => "registry's delegated file",
        })
    }
}

/// What a reader is asked to do otherwise than usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// An origin seen by fewer peers is left out: by default 3 in a routing dump, 10 in tables with a count (RIS whois dump, `table.jsonl`).
    /// In a dump never more than half of its full tables are demanded.
    pub min_peers: Option<u32>,
    /// Keep routes longer than /24 (IPv6: /48).
    pub narrow_prefixes: bool,
    /// Keep routes to special-purpose space, and private and reserved origins; they are told as leaks.
    pub bogons: bool,
}

/// What was read of one source, what was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Read {
    /// What it is.
    pub format: Format,
    /// The product's own name for itself, of an MMDB.
    pub product: Option<String>,
    /// How it was packed.
    pub packing: Packing,
    /// SHA-256 of its unpacked content.
    pub sha256: Digest,
    /// Bytes read, unpacked.
    pub bytes: u64,
    /// Records of a binary file, data lines of a text, networks of an MMDB.
    pub records: u64,
    /// Routes in them: one peer's path to one prefix, or a line of a table of routes. 0 for other sources.
    pub routes: u64,
    /// Ranges and prefixes given to the table.
    pub kept: u64,
    /// AS names given to it. Of several for one AS the first stands there.
    pub names: u64,
    /// Ranges with a registered country given to it.
    pub countries: u64,
    /// Pairs of neighbouring ASes given to it.
    pub links: u64,
    /// What was left out on purpose, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// What could not be read though the rest could, in the order it was first met.
    pub warnings: Vec<Warning>,
    /// The day of the data, if the source says so.
    pub date: Option<Date>,
    /// Only the file's name says so.
    pub date_is_of_name: bool,
    /// The peers of a routing dump.
    pub peers: Option<Peers>,
}

/// Something in a source that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// What.
    pub what: &'static str,
    /// How often.
    pub count: u64,
    /// Where it was met first, in bytes from the beginning of the unpacked file.
    pub offset: u64,
}

/// Whose tables a routing dump has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peers {
    /// Peers named.
    pub all: u32,
    /// Those with at least half of the prefixes, of IPv4 and of IPv6.
    pub full: [u32; 2],
    /// How many had to see an origin, of IPv4 and of IPv6.
    pub wanted: [u32; 2],
}

/// Reasons that several readers have.
pub(crate) mod reason {
    pub(crate) const NOBODY: &str = "range of nobody (AS 0 or none)";
}

impl Read {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            product: None,
            packing: Packing::Plain,
            sha256: Digest([0; 32]),
            bytes: 0,
            records: 0,
            routes: 0,
            kept: 0,
            names: 0,
            countries: 0,
            links: 0,
            dropped: BTreeMap::new(),
            warnings: Vec::new(),
            date: None,
            date_is_of_name: false,
            peers: None,
        }
    }

    /// Whether nothing came of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept == 0 && self.names == 0 && self.countries == 0 && self.links == 0
    }

    pub(crate) fn drop_some(&mut self, why: &'static str, count: u64) {
        if count > 0 {
            *self.dropped.entry(why).or_default() += count;
        }
    }

    pub(crate) fn warn(&mut self, what: &'static str, offset: u64) {
        match self.warnings.iter_mut().find(|warning| warning.what == what) {
            Some(warning) => warning.count += 1,
            None => self.warnings.push(Warning { what, count: 1, offset }),
        }
    }

    /// Passes a name on.
    pub(crate) fn name(&mut self, asn: Asn, name: &str, into: &mut Builder) {
        if asn.0 != 0 && !name.is_empty() {
            into.name(asn, name);
            self.names += 1;
        }
    }
}

/// Whether a range is nobody's, which is counted: AS 0 says so in every source (RFC 7607).
pub(crate) fn nobody(asn: Asn, read: &mut Read) -> bool {
    if asn.0 == 0 {
        read.drop_some(reason::NOBODY, 1);
    }
    asn.0 == 0
}

/// Reads a source of any kind but a table of ours, packed or not, into the builder.
///
/// `path` is for errors, and for the day of the data where only the file's name has it; nothing is opened. `progress` is
/// told how many bytes of `reader` were taken so far, some times a megabyte.
///
/// ```
/// use std::path::Path;
/// use lasthop::asdb::{Table, build::Builder, sources::{Format, Options, read_any}};
///
/// let text = "198.51.100.0\t24\t64500_64501\n";
/// let mut builder = Builder::plain("an example");
/// let read = read_any(text.as_bytes(), Path::new("x-20260617.txt"), &mut builder, &Options::default(), &mut |_| {})?;
/// assert_eq!((read.format, read.kept), (Format::Pfx2As, 1));
/// assert_eq!(read.date.map(|day| day.to_string()).as_deref(), Some("2026-06-17"));
/// # Ok::<(), lasthop::asdb::Error>(())
/// ```
///
/// # Errors
/// The source cannot be read or unpacked, is of no known kind, is cut, or has a line that is no row of its kind. What was given
/// to the builder before stays in it.
pub fn read_any(
    reader: impl io::Read,
    path: &Path,
    into: &mut Builder,
    options: &Options,
    progress: &mut dyn FnMut(u64),
) -> Result<Read, Error> {
    read_opened(opened(reader, path, progress)?, path, into, options)
}

/// Begins to unpack a source, so that its first bytes can be looked at.
pub(crate) fn opened<'r>(
    reader: impl io::Read + 'r,
    path: &Path,
    progress: &'r mut dyn FnMut(u64),
) -> Result<Stream<'r>, Error> {
    Stream::open(reader, progress)
        .map_err(|(packing, offsets, source)| broken(packing, &offsets, path, source))
}

/// What it is called when a source cannot be read on.
fn broken(packing: Packing, offsets: &Offsets, path: &Path, source: io::Error) -> Error {
    match packing {
        Packing::Plain => Error::Io { operation: Operation::Read, path: path.to_path_buf(), source },
        _ => Error::Unpack {
            operation: packing.operation(),
            path: path.to_path_buf(),
            packed: offsets.packed(),
            unpacked: offsets.unpacked(),
            source,
        },
    }
}

/// All of a source that was begun.
pub(crate) fn whole(mut stream: Stream<'_>, path: &Path) -> Result<Vec<u8>, Error> {
    let (packing, offsets) = (stream.packing, stream.offsets());
    bytes_of(stream.input(), path, LONGEST).map_err(|error| told(error, packing, &offsets, path))
}

/// An error of reading as one of unpacking, where the source is packed.
fn told(error: Error, packing: Packing, offsets: &Offsets, path: &Path) -> Error {
    match error {
        Error::Io { operation: Operation::Read, source, .. } => broken(packing, offsets, path, source),
        other => other,
    }
}

/// What a source that was begun is; `None` is binary that may be an MMDB, which only its end tells.
pub(crate) fn format_of(stream: &Stream<'_>, path: &Path) -> Result<Option<Format>, Error> {
    of_head(stream.head(), stream.complete, path)
}

/// Reads a source that was begun.
pub(crate) fn read_opened(
    mut stream: Stream<'_>,
    path: &Path,
    into: &mut Builder,
    options: &Options,
) -> Result<Read, Error> {
    let (packing, offsets) = (stream.packing, stream.offsets());
    let format = format_of(&stream, path)?;
    let mut input = Hashed::new(stream.input());
    let result = match format {
        Some(format) => read_stream(format, &mut input, path, into, options),
        None => bytes_of(&mut input, path, LONGEST).and_then(|bytes| match recognise(&bytes, path)? {
            Format::Mmdb => mmdb::read(bytes, path, into),
            format => read(format, &bytes, path, into),
        }),
    };
    let mut read = result.map_err(|error| told(error, packing, &offsets, path))?;
    read.packing = packing;
    read.sha256 = input.digest().map_err(|source| broken(packing, &offsets, path, source))?;
    read.bytes = offsets.unpacked();
    if read.date.is_none() {
        read.date = date_in(&file_name(path));
        read.date_is_of_name = read.date.is_some();
    }
    Ok(read)
}

/// Unpacks what is packed, also of several members, piece by piece; and what reading it is called in an error. Whoever reads sets
/// the limit.
pub(crate) fn unpacking(bytes: &[u8]) -> (Operation, Box<dyn io::Read + '_>) {
    let packing = Packing::of(bytes);
    (packing.operation(), packing.unpack(bytes))
}

/// Reads at most `limit` bytes of a file as they are.
pub(crate) fn bytes_of(reader: impl io::Read, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes).map_err(|source| Error::Io {
        operation: Operation::Read,
        path: path.to_path_buf(),
        source,
    })?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLong { path: path.to_path_buf(), limit });
    }
    Ok(bytes)
}

/// The last part of a path, for words about where data comes from.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Says what unpacked bytes are, all of them at hand.
pub(crate) fn recognise(bytes: &[u8], path: &Path) -> Result<Format, Error> {
    // The mark of an MMDB is at its end.
    if !bytes.starts_with(&MAGIC) && mmdb::has_marker(bytes) {
        return Ok(Format::Mmdb);
    }
    let head = &bytes[..bytes.len().min(HEAD)];
    of_head(head, head.len() == bytes.len(), path)?.ok_or_else(|| Error::Foreign {
        path: path.to_path_buf(),
        found: "binary, with neither a table's nor an MMDB's mark",
    })
}

/// Says what unpacked bytes are from the first of them; `complete` says that there are no more. `None` is binary that may be an
/// MMDB, which only the end tells.
fn of_head(head: &[u8], complete: bool, path: &Path) -> Result<Option<Format>, Error> {
    let foreign = |found| Err(Error::Foreign { path: path.to_path_buf(), found });
    let known: [(&[u8], &str); 4] = [
        (b"PK\x03\x04", "a ZIP archive: unpack it first"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"%PDF", "a PDF document"),
        (b"\x7fELF", "a program"),
    ];
    if head.is_empty() {
        return Err(Error::Empty { path: path.to_path_buf() });
    }
    if head.starts_with(&MAGIC) {
        return Ok(Some(Format::Table(super::file::VERSION)));
    }
    if complete && MAGIC.starts_with(head) {
        return Err(Error::Truncated {
            path: path.to_path_buf(),
            what: "the header",
            expected: MAGIC.len() as u64,
            got: head.len() as u64,
        });
    }
    if let Some((_, found)) = known.iter().find(|(magic, _)| head.starts_with(magic)) {
        return foreign(found);
    }
    if Packing::of(head) != Packing::Plain {
        return foreign("packed twice: unpack it once");
    }
    if head.get(257..262) == Some(b"ustar") {
        return foreign("a tar archive: unpack it first");
    }
    match mrt::mark(head, complete) {
        mrt::Mark::Table => return Ok(Some(Format::Mrt)),
        mrt::Mark::Messages => {
            return foreign("an MRT file of messages, not of a table (take a RIB or bview file)");
        }
        mrt::Mark::None => {}
    }
    if head[..head.len().min(4096)].contains(&0) {
        return Ok(None);
    }
    of_text(head, path).map(Some)
}

/// Lines and their places, without line ends and without a byte order mark.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).enumerate()
}

/// Says which text format the first data line is of.
fn of_text(text: &[u8], path: &Path) -> Result<Format, Error> {
    let Some((place, line)) = lines(text).find(|(_, line)| !is_skipped(line)) else {
        return Err(Error::Empty { path: path.to_path_buf() });
    };
    let unknown = || Error::Line {
        path: path.to_path_buf(),
        line: place as u64 + 1,
        offset: (line.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize) as u64,
        expected: "a row of ranges or prefixes with AS numbers",
        got: excerpt(line),
    };
    let Ok(line_text) = std::str::from_utf8(line) else { return Err(unknown()) };
    let comments = lines(text).take(place).filter_map(|(_, line)| std::str::from_utf8(line).ok());
    if line_text.starts_with('{') && line_text.trim_end().ends_with('}') && !line_text.contains('\t') {
        if columns::is_object(line_text) {
            return Ok(Format::JsonLines);
        }
        return Err(Error::Foreign { path: path.to_path_buf(), found: "JSON without AS numbers" });
    }
    if line_text.trim() == "{" || line_text.starts_with('[') {
        return Err(Error::Foreign { path: path.to_path_buf(), found: "JSON that is no row a line" });
    }
    if line_text.starts_with(geolite_csv::HEADER) {
        return Ok(Format::GeoLiteCsv);
    }
    if overrides::is_header(line_text) {
        return Ok(Format::Overrides);
    }
    if delegated::is_delegated(line_text) {
        return Ok(Format::Delegated);
    }
    if comments.into_iter().any(names::is_as2org) {
        return Ok(Format::As2Org);
    }
    let is_address = |text: &&str| address(text).is_some();
    let is_prefix = |text: &&str| text.contains('/') && prefix(text).is_some();
    let fields = |separator: char| line_text.split(separator).map(str::trim).collect::<Vec<_>>();
    let (tabs, commas) = (fields('\t'), fields(','));
    if ris::is_ris(line_text) {
        return Ok(Format::RisWhois);
    }
    if tabs.len() >= 4 && tabs[..2].iter().all(is_address) {
        return Ok(Format::IpToAsn);
    }
    if tabs.len() == 3
        && is_address(&tabs[0])
        && tabs[1].parse::<u8>().is_ok()
        && origins(tabs[2], &mut Vec::new()).is_some()
    {
        return Ok(Format::Pfx2As);
    }
    if commas.len() >= 3 && ends(commas[0], commas[1]).is_some() {
        return Ok(if commas.len() == 3 && text::country(commas[2]).is_some() {
            Format::CountryCsv
        } else {
            Format::RangeCsv
        });
    }
    for fields in [tabs, commas] {
        if fields.len() >= 2
            && (is_prefix(&fields[0]) || is_address(&fields[0]))
            && fields[1].parse::<Asn>().is_ok()
        {
            return Ok(Format::Overrides);
        }
    }
    if columns::is_header(line_text) {
        return Ok(Format::NamedColumns);
    }
    if ris::is_table_txt(line_text) {
        return Ok(Format::TableTxt);
    }
    if names::is_names(line_text) {
        return Ok(Format::AsNames);
    }
    Err(unknown())
}

/// Reads unpacked bytes of a known format that is neither MMDB nor a table of ours into the builder.
pub(crate) fn read(format: Format, bytes: &[u8], path: &Path, into: &mut Builder) -> Result<Read, Error> {
    read_stream(format, bytes, path, into, &Options::default())
}

fn read_stream(
    format: Format,
    input: impl BufRead,
    path: &Path,
    into: &mut Builder,
    options: &Options,
) -> Result<Read, Error> {
    match format {
        Format::Mrt => mrt::read(input, path, into, options),
        Format::RisWhois => ris::read(input, path, into, options),
        Format::TableTxt => ris::read_table_txt(input, path, into, options),
        Format::JsonLines => columns::read_json(input, path, into, options),
        Format::NamedColumns => columns::read(input, path, into, options),
        Format::RangeCsv => range_csv::read(input, path, into),
        Format::CountryCsv => range_csv::read_countries(input, path, into),
        Format::IpToAsn => iptoasn::read(input, path, into),
        Format::Pfx2As => pfx2as::read(input, path, into),
        Format::GeoLiteCsv => geolite_csv::read(input, path, into),
        Format::Overrides => overrides::read(input, path, into),
        Format::AsNames => names::read(input, path, into),
        Format::As2Org => names::read_as2org(input, path, into),
        Format::Delegated => delegated::read(input, path, into),
        Format::Table(_) => Err(Error::Unsuited {
            path: path.to_path_buf(),
            found: "a table of this program",
            wanted: "a source to build one from",
            hint: "give the files that it was built from",
        }),
        Format::Mmdb => mmdb::read(bytes_of(input, path, LONGEST)?, path, into),
    }
}
