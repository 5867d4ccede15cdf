//! The files people already have, told apart by what is in them.
//!
//! Names and endings say little (`.csv` is five formats, downloads are renamed), so the first bytes decide, and for text the first line that is
//! data. A line that cannot be read is an error with its number, not a row left out: a table that silently lost a carrier's
//! ranges would accuse its neighbour.

pub(crate) mod geolite_csv;
pub(crate) mod iptoasn;
pub(crate) mod mmdb;
pub(crate) mod overrides;
pub(crate) mod pfx2as;
pub(crate) mod range_csv;

use std::fmt;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

use bzip2::bufread::MultiBzDecoder;
use csv::{ByteRecord, ReaderBuilder};
use flate2::bufread::MultiGzDecoder;

use super::build::Builder;
use super::error::{Error, Operation, excerpt};
use super::file::MAGIC;
use crate::number::Asn;

/// The most bytes of one file that are read, packed or unpacked: 1 GiB. The largest text table known is a tenth of it.
pub(crate) const LONGEST: u64 = 1 << 30;

/// What a table was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Our own, of this version.
    Table(u16),
    /// MaxMind DB 2.0, with any of the known field names.
    Mmdb,
    /// ip-location-db: `first,last,asn,"name"`, addresses as text or as integers.
    RangeCsv,
    /// iptoasn: `first⇥last⇥asn⇥country⇥name`.
    IpToAsn,
    /// CAIDA RouteViews prefix-to-AS: `network⇥length⇥asn[_asn…][,asn…]`.
    Pfx2As,
    /// GeoLite2 ASN CSV: `network,autonomous_system_number,autonomous_system_organization`.
    GeoLiteCsv,
    /// The user's own corrections: `prefix,asn,name[,note]`, or with tabs.
    Overrides,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table(version) => return write!(f, "lasthop table, version {version}"),
            Self::Mmdb => "MMDB",
            Self::RangeCsv => "CSV of ranges (ip-location-db)",
            Self::IpToAsn => "TSV of ranges (iptoasn)",
            Self::Pfx2As => "prefix-to-AS (CAIDA)",
            Self::GeoLiteCsv => "GeoLite2 ASN CSV",
            Self::Overrides => "overrides",
        })
    }
}

/// Unpacks gzip (RFC 1952), bzip2 and xz, also of several members; anything else comes back as it is.
pub(crate) fn unpacked(bytes: Vec<u8>, path: &Path) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let operation = {
        let (operation, unpacked) = unpacking(&bytes);
        if operation != Operation::Read {
            (unpacked.take(LONGEST + 1).read_to_end(&mut out)).map_err(|source| Error::Io {
                operation,
                path: path.to_path_buf(),
                source,
            })?;
        }
        operation
    };
    if operation == Operation::Read {
        return Ok(bytes);
    }
    if out.len() as u64 > LONGEST {
        return Err(Error::TooLong { path: path.to_path_buf(), limit: LONGEST });
    }
    Ok(out)
}

/// The same piece by piece, and what reading it is called in an error. Whoever reads sets the limit.
pub(crate) fn unpacking(bytes: &[u8]) -> (Operation, Box<dyn Read + '_>) {
    match bytes {
        [0x1f, 0x8b, ..] => (Operation::Gunzip, Box::new(MultiGzDecoder::new(bytes))),
        // "BZh", the block size, and the first mark: of a block (pi) or of the end (its square root).
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => {
            (Operation::Bunzip2, Box::new(MultiBzDecoder::new(bytes)))
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            (Operation::Unxz, Box::new(lzma_rust2::XzReader::new(bytes, true)))
        }
        plain => (Operation::Read, Box::new(plain)),
    }
}

/// Reads at most `limit` bytes of a file as they are.
pub(crate) fn bytes_of(reader: impl Read, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
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

/// Says what unpacked bytes are.
pub(crate) fn recognise(bytes: &[u8], path: &Path) -> Result<Format, Error> {
    let foreign = |found| Err(Error::Foreign { path: path.to_path_buf(), found });
    let known: [(&[u8], &str); 6] = [
        (b"\x28\xb5\x2f\xfd", "packed with zstd: unpack it first"),
        (b"PK\x03\x04", "a ZIP archive: unpack it first"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"%PDF", "a PDF document"),
        (b"\x7fELF", "a program"),
        (b"{", "JSON"),
    ];
    if bytes.is_empty() {
        return Err(Error::Empty { path: path.to_path_buf() });
    }
    if bytes.starts_with(&MAGIC) {
        return Ok(Format::Table(super::file::VERSION));
    }
    if MAGIC.starts_with(bytes) {
        return Err(Error::Truncated {
            path: path.to_path_buf(),
            what: "the header",
            expected: MAGIC.len() as u64,
            got: bytes.len() as u64,
        });
    }
    if mmdb::has_marker(bytes) {
        return Ok(Format::Mmdb);
    }
    if let Some((_, found)) = known.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return foreign(found);
    }
    if is_tar(bytes) {
        return foreign("a tar archive: unpack it first");
    }
    // RFC 6396 §2: time, type 11..=17 or 32..=49, subtype.
    if matches!(bytes, [_, _, _, _, 0, 11..=17 | 32..=49, 0, 0..=13, ..]) {
        return foreign("an MRT routing dump");
    }
    if bytes[..bytes.len().min(4096)].contains(&0) {
        return foreign("binary, with neither a table's nor an MMDB's mark");
    }
    of_text(bytes, path)
}

fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
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
    if line_text.starts_with(geolite_csv::HEADER) {
        return Ok(Format::GeoLiteCsv);
    }
    if overrides::is_header(line_text) {
        return Ok(Format::Overrides);
    }
    let is_address = |text: &&str| address(text).is_some();
    let is_prefix = |text: &&str| text.contains('/') && prefix(text).is_some();
    let fields = |separator: char| line_text.split(separator).map(str::trim).collect::<Vec<_>>();
    let (tabs, commas) = (fields('\t'), fields(','));
    if tabs.len() >= 4 && tabs[..2].iter().all(is_address) {
        return Ok(Format::IpToAsn);
    }
    if tabs.len() == 3 && is_address(&tabs[0]) && tabs[1].parse::<u8>().is_ok() {
        return Ok(Format::Pfx2As);
    }
    if commas.len() >= 3 && commas[..2].iter().all(is_address) {
        return Ok(Format::RangeCsv);
    }
    for fields in [tabs, commas] {
        if fields.len() >= 2
            && (is_prefix(&fields[0]) || is_address(&fields[0]))
            && fields[1].parse::<Asn>().is_ok()
        {
            return Ok(Format::Overrides);
        }
    }
    Err(unknown())
}

/// Lines and their places, without line ends and without a byte order mark.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).enumerate()
}

/// Empty lines and comments.
pub(crate) fn is_skipped(line: &[u8]) -> bool {
    matches!(line.first(), None | Some(b'#' | b'%' | b';'))
}

/// Reads a text of a known format into the builder.
pub(crate) fn read(format: Format, text: &[u8], path: &Path, into: &mut Builder) -> Result<(), Error> {
    match format {
        Format::RangeCsv => range_csv::read(text, path, into),
        Format::IpToAsn => iptoasn::read(text, path, into),
        Format::Pfx2As => pfx2as::read(text, path, into),
        Format::GeoLiteCsv => geolite_csv::read(text, path, into),
        Format::Overrides => overrides::read(text, path, into),
        Format::Table(_) | Format::Mmdb => Ok(()),
    }
}

/// How fields are set apart.
#[derive(Clone, Copy)]
pub(crate) enum Fields {
    /// Commas, quotes by RFC 4180.
    Commas,
    /// Tabs, no quotes.
    Tabs,
}

/// A row while it is read: its fields, and what an error about it says.
pub(crate) struct Row<'a> {
    record: &'a ByteRecord,
    path: &'a Path,
}

impl<'a> Row<'a> {
    /// A field without the blanks around it; missing ones are empty.
    pub(crate) fn field(&self, place: usize) -> &'a str {
        let bytes = self.record.get(place).unwrap_or_default();
        std::str::from_utf8(bytes.trim_ascii()).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.record.len()
    }

    pub(crate) fn error(&self, expected: &'static str) -> Error {
        let position = self.record.position();
        let joined: Vec<u8> = self.record.iter().collect::<Vec<_>>().join(&b' ');
        Error::Line {
            path: self.path.to_path_buf(),
            line: position.map_or(0, csv::Position::line),
            offset: position.map_or(0, csv::Position::byte),
            expected,
            got: excerpt(&joined),
        }
    }

    pub(crate) fn asn(&self, place: usize) -> Result<Asn, Error> {
        self.field(place).parse().map_err(|_| self.error("an AS number"))
    }

    pub(crate) fn prefix(&self, place: usize) -> Result<(IpAddr, IpAddr), Error> {
        prefix(self.field(place)).ok_or_else(|| self.error("a prefix"))
    }
}

/// Calls `each` for every data row. A row is one line: quotes do not carry a field over a line's end.
pub(crate) fn rows(
    text: &[u8],
    path: &Path,
    fields: Fields,
    mut each: impl FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mark = text.starts_with(b"\xef\xbb\xbf");
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(if matches!(fields, Fields::Tabs) { b'\t' } else { b',' })
        .quoting(matches!(fields, Fields::Commas))
        .from_reader(if mark { &text[3..] } else { text });
    let mut record = ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            // Only reading can fail, and a slice can be read.
            Err(error) => {
                return Err(Error::Io {
                    operation: Operation::Read,
                    path: path.to_path_buf(),
                    source: std::io::Error::other(error),
                });
            }
        }
        let row = Row { record: &record, path };
        if is_skipped(record.get(0).unwrap_or_default()) {
            continue;
        }
        if record.iter().any(|field| field.contains(&b'\n')) {
            return Err(row.error("a row that ends on its line (a quote is open)"));
        }
        if let Err(error) = std::str::from_utf8(record.as_slice()) {
            let _ = error;
            return Err(row.error("UTF-8"));
        }
        each(&row)?;
    }
}

/// An address as text, or as the integer that some publishers write instead: up to 32 bits is IPv4.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let value: u128 = text.parse().ok()?;
        return Some(match u32::try_from(value) {
            Ok(four) => IpAddr::V4(four.into()),
            Err(_) => IpAddr::V6(value.into()),
        });
    }
    text.parse().ok()
}

/// The two ends of a range, in one family: an integer start below 2^32 of a range that ends above it is IPv6.
pub(crate) fn ends(first: &str, last: &str) -> Option<(IpAddr, IpAddr)> {
    let is_integer = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match (address(first)?, address(last)?) {
        (IpAddr::V4(low), last @ IpAddr::V6(_)) if is_integer(first) => {
            Some((IpAddr::V6(u128::from(u32::from(low)).into()), last))
        }
        (first, last) if first.is_ipv4() == last.is_ipv4() && first <= last => Some((first, last)),
        _ => None,
    }
}

/// The ends of a prefix; an address alone is a prefix of full length. Bits behind the length are cleared.
pub(crate) fn prefix(text: &str) -> Option<(IpAddr, IpAddr)> {
    let network: ipnetwork::IpNetwork = text.parse().ok()?;
    Some((network.network(), network.broadcast()))
}
