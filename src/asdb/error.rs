//! Why a table could not be read or built: always which file, where in it, what was wanted and what was there.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What was being done when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Opening the file.
    Open,
    /// Reading it.
    Read,
    /// Unpacking gzip (RFC 1952).
    Gunzip,
    /// Unpacking bzip2.
    Bunzip2,
    /// Unpacking xz.
    Unxz,
    /// Unpacking Zstandard (RFC 8878).
    Unzstd,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Gunzip => "unpack (gzip)",
            Self::Bunzip2 => "unpack (bzip2)",
            Self::Unxz => "unpack (xz)",
            Self::Unzstd => "unpack (zstd)",
        })
    }
}

/// Why there is no table. [`Error::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system or a decompressor refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: Operation,
        /// The file.
        path: PathBuf,
        /// The reason given.
        source: io::Error,
    },
    /// A packed file that ends early or is damaged.
    #[error("cannot {operation} {} beyond byte {packed} (byte {unpacked} of what is in it)", path.display())]
    Unpack {
        /// What was tried.
        operation: Operation,
        /// The file.
        path: PathBuf,
        /// Bytes of the file that were taken before.
        packed: u64,
        /// Bytes that had come out.
        unpacked: u64,
        /// The reason given.
        source: io::Error,
    },
    /// Recognised as something else than what was asked for, or nothing of it is in there.
    #[error("{} is {found}, not {wanted}", path.display())]
    Unsuited {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
        /// Where to get that.
        hint: &'static str,
    },
    /// JSON that cannot be read, or in which a value is none of its kind.
    #[error("{} line {line} column {column}: {problem}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The byte in that line, from 1.
        column: usize,
        /// What was wanted and what is there; at most 160 characters, none of them a control character.
        problem: String,
    },
    /// Longer than any table this program reads.
    #[error("{} is longer than {limit} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most that is read, in bytes (after unpacking).
        limit: u64,
    },
    /// Nothing in it.
    #[error("{} holds no range of addresses", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Recognised as something this program does not read.
    #[error("{} is {found}, not an IP-to-AS table", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        found: &'static str,
    },
    /// A table of ours, of another format version.
    #[error("{} is a table of format version {got}, this program reads version {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version read here.
        expected: u16,
        /// The version of the file.
        got: u16,
    },
    /// The file ends early.
    #[error("{} ends at byte {got}, {what} needs {expected}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Which part is cut.
        what: &'static str,
        /// Bytes wanted.
        expected: u64,
        /// Bytes there.
        got: u64,
    },
    /// The bytes are not those the builder wrote.
    #[error("{} is damaged: SHA-256 {got}, the file itself says {expected}", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The digest in the file.
        expected: Digest,
        /// The digest of its bytes.
        got: Digest,
    },
    /// A part of a table of ours contradicts its format.
    #[error("{} is malformed at byte {offset}: {what} should be {expected}, is {got}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where, in bytes from the beginning of the file.
        offset: u64,
        /// Which value.
        what: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        got: u64,
    },
    /// A line of a text table that cannot be read.
    #[error("{} line {line} (byte {offset}): expected {expected}, got '{got}'", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Where the line begins, in bytes from the beginning of the (unpacked) file.
        offset: u64,
        /// What was wanted.
        expected: &'static str,
        /// What is there; at most 60 characters, control characters escaped.
        got: String,
    },
    /// An MMDB file that its reader refuses.
    #[error("{} cannot be read as MMDB", path.display())]
    Mmdb {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        source: maxminddb::MaxMindDbError,
    },
    /// An MMDB file whose search tree is no tree.
    #[error("{} is malformed: node {node} of the search tree is reached twice", path.display())]
    MmdbTree {
        /// The file.
        path: PathBuf,
        /// The node's number.
        node: u64,
    },
    /// An MMDB file without AS numbers.
    #[error("{} is an MMDB of type '{database_type}' without AS numbers", path.display())]
    MmdbWithoutAsn {
        /// The file.
        path: PathBuf,
        /// What its metadata says it is; control characters escaped.
        database_type: String,
    },
    /// More than the table format can number.
    #[error("too many {what}: {got}, the table format holds {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        got: u64,
        /// How many may be.
        limit: u64,
    },
}

impl Error {
    /// What the user can do, as one clause without a full stop.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { operation: Operation::Open | Operation::Read, .. } => {
                "check the path and its permissions, or leave the option out: the table inside the program needs no file"
            }
            Self::Io { .. } | Self::Unpack { .. } | Self::Truncated { .. } | Self::Checksum { .. } => {
                "the file was cut or changed on its way: fetch or build it again"
            }
            Self::Unsuited { hint, .. } => hint,
            Self::Json { .. } => {
                "fetch the file again, whole; if it stays so, correct it there or tell its publisher"
            }
            Self::Version { .. } => "build the table again with this version of the program",
            Self::Malformed { .. } | Self::Mmdb { .. } | Self::MmdbTree { .. } => {
                "fetch or build the file again; if it stays so, its writer is at fault"
            }
            Self::Foreign { .. } | Self::Empty { .. } => {
                "give a table built by lasthop, an MMDB with AS numbers, an MRT table dump, a RIS whois dump, or CSV, TSV or JSON Lines of \
                 ranges (ip-location-db, iptoasn, pfx2as, bgp.tools, GeoLite2 ASN, named columns, or prefix,asn,name)"
            }
            Self::Line { .. } => "correct or delete that line; lines that begin with # are skipped",
            Self::MmdbWithoutAsn { .. } => "take the ASN edition of that database",
            Self::TooLong { .. } | Self::TooMany { .. } => "split the file or drop what is not needed",
        }
    }
}

/// A SHA-256 digest (FIPS 180-4), displayed as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut digest = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (place, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
        }
        Some(Self(digest))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Foreign text as an error may carry it.
pub(crate) fn excerpt(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(240)]);
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

/// Where in which file something is wrong: what every reader of our own format carries along.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) path: &'a Path,
    pub(crate) offset: u64,
}

impl At<'_> {
    pub(crate) fn plus(self, bytes: usize) -> Self {
        Self { offset: self.offset + bytes as u64, ..self }
    }

    pub(crate) fn malformed(self, what: &'static str, expected: &'static str, got: u64) -> Error {
        Error::Malformed { path: self.path.to_path_buf(), offset: self.offset, what, expected, got }
    }
}
