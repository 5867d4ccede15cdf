//! One file of any kind into a [`Builder`]: what it is, what it gives, and what was left out of it.
//!
//! What a file is, its content tells, as everywhere in this room. Beside tables of origins a builder takes what tables of
//! origins do not have: AS relationships, exchanges, names of ASes, registered countries. A table of ours comes with all its
//! sources, each of which keeps its name, day and licence.

use std::fs;
use std::io;
use std::path::Path;

use jiff::civil::Date;

use super::adjacency;
use super::asnames;
use super::build::Builder;
use super::error::{Error, Operation};
use super::exchanges;
use super::file::{self, File, SourceFile, SourceInfo};
use super::sources::mmdb::Mmdb;
use super::sources::{self, Format, LONGEST, range_csv};

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Taken {
    /// What it is, in words.
    pub format: String,
    /// Rows, records or ranges in it.
    pub read: u64,
    /// Those that went into the table.
    pub kept: u64,
    /// Why others did not, and how many.
    pub dropped: Vec<(String, u64)>,
    /// What should be known of it, a sentence each.
    pub warnings: Vec<String>,
    /// The day its data is of, if it or its name says so.
    pub date: Option<Date>,
    /// SHA-256 of its unpacked content.
    pub sha256: String,
}

/// How files are taken.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// All files are one source. Tables of ours keep their own sources, and overrides stay apart, all the same.
    pub together: bool,
    /// What to call the source instead of its format and file.
    pub name: Option<String>,
    /// The terms it comes under.
    pub licence: Option<String>,
    /// The day of data that does not say it.
    pub date: Option<Date>,
}

/// Takes files one after the other into a builder.
#[derive(Debug, Default)]
pub struct Intake {
    builder: Builder,
    settings: Settings,
    /// Where the files go that are one source.
    together: Option<usize>,
}

/// What a file may be.
enum Content {
    Table,
    Mmdb,
    Links,
    Exchanges,
    Names,
    Countries,
    /// Ranges or prefixes with their origins.
    Rows(Format),
}

impl Intake {
    /// With nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Reads a file, of any kind and packed in any way this room knows. `progress` is told the bytes read so far, as they lie
    /// in the file.
    ///
    /// # Errors
    /// The file cannot be read or unpacked, is nothing that is known here, is damaged, or has a line that is no row.
    pub fn add(&mut self, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<Taken, Error> {
        let file = fs::File::open(path).map_err(|source| Error::Io {
            operation: Operation::Open,
            path: path.to_path_buf(),
            source,
        })?;
        self.add_reader(file, path, progress)
    }

    /// The same from anything that can be read; `name` stands for the path.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_reader(
        &mut self,
        reader: impl io::Read,
        name: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Taken, Error> {
        let bytes = sources::bytes_of(Watched { reader, read: 0, progress }, name, LONGEST)?;
        let bytes = sources::unpacked(bytes, name)?;
        self.add_bytes(bytes, name)
    }

    /// Takes the table that is inside the program.
    ///
    /// # Errors
    /// None in a program that passed its tests, which read that table.
    pub fn add_embedded(&mut self) -> Result<Taken, Error> {
        self.add_bytes(super::Table::embedded_bytes().to_vec(), Path::new("asn.lht"))
    }

    fn add_bytes(&mut self, bytes: Vec<u8>, path: &Path) -> Result<Taken, Error> {
        let sha256 = file::digest(&bytes).to_string();
        let content = content(&bytes, path)?;
        let name = plain_name(path);
        if matches!(content, Content::Table) {
            let file = File::new(bytes.into(), path)?;
            file.check(path)?;
            let ranges = file.meta.prefixes.iter().fold(0, |all: u64, one| all.saturating_add(*one));
            self.builder.table(&file);
            let format = Format::Table(file::VERSION).to_string();
            let date = file.meta.built_at;
            return Ok(Taken { format, read: ranges, kept: ranges, date, sha256, ..Taken::default() });
        }
        let apart = !self.settings.together || matches!(content, Content::Rows(Format::Overrides));
        match self.together.filter(|_| !apart) {
            Some(source) => self.builder.resume(source),
            None => {
                let number = self.builder.begin(SourceInfo::default());
                if !apart {
                    self.together = Some(number);
                }
            }
        }
        let mut read = take(content, bytes, path, &mut self.builder)?;
        read.sha256.clone_from(&sha256);
        // A name like `routeviews-rv2-20260601-1200.pfx2as.gz` tells the day that the rows do not.
        read.date = read.date.or_else(|| adjacency::days(name.as_bytes()).next());
        let settings = &self.settings;
        let source = self.builder.source();
        // Overrides among the parts of one source are none of it.
        let is_meant = !(settings.together && source.overrides);
        if source.name.is_empty() {
            let of_format = || format!("{} ({name})", read.format);
            source.name = settings.name.clone().filter(|_| is_meant).unwrap_or_else(of_format);
        }
        if source.licence.is_none() && is_meant {
            source.licence.clone_from(&settings.licence);
        }
        // Never younger than a part of it.
        source.date = [source.date, read.date].into_iter().flatten().min();
        if !source.overrides {
            source.date = source.date.or(settings.date);
        }
        source.files.push(SourceFile { name, sha256 });
        Ok(read)
    }

    /// What was taken.
    #[must_use]
    pub const fn builder(&self) -> &Builder {
        &self.builder
    }

    /// The builder with all that was taken.
    #[must_use]
    pub fn done(self) -> Builder {
        self.builder
    }
}

/// Tells how much was read.
struct Watched<'a, R> {
    reader: R,
    read: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl<R: io::Read> io::Read for Watched<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(into)?;
        self.read += count as u64;
        (self.progress)(self.read);
        Ok(count)
    }
}

/// A file's name without the ending that says how it is packed: digests are of what is inside.
fn plain_name(path: &Path) -> String {
    let name = sources::file_name(path);
    let packed = [".gz", ".bz2", ".xz", ".zst"].iter().find_map(|ending| name.strip_suffix(ending));
    packed.filter(|name| !name.is_empty()).unwrap_or(&name).to_owned()
}

/// Says what unpacked bytes are.
fn content(bytes: &[u8], path: &Path) -> Result<Content, Error> {
    if bytes.starts_with(&file::MAGIC) {
        return Ok(Content::Table);
    }
    let head = &bytes[..bytes.len().min(1 << 16)];
    // One JSON object over all the file, not one a line.
    if head.trim_ascii_start().starts_with(b"{") && !is_json_lines(head) {
        return Ok(Content::Exchanges);
    }
    if adjacency::is_one(head) {
        return Ok(Content::Links);
    }
    if asnames::is_one(head) {
        return Ok(Content::Names);
    }
    if range_csv::is_of_countries(head) {
        return Ok(Content::Countries);
    }
    Ok(match sources::recognise(bytes, path)? {
        Format::Table(_) => Content::Table,
        Format::Mmdb => Content::Mmdb,
        rows => Content::Rows(rows),
    })
}

/// Whether the first line is an object of its own, which lines of bgp.tools are.
fn is_json_lines(head: &[u8]) -> bool {
    let line = head.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<serde_json::Value>(line)
        .is_ok_and(|value| value.get("CIDR").is_some() || value.get("ASN").is_some())
}

/// Reads what is no table of ours into the current source.
fn take(content: Content, bytes: Vec<u8>, path: &Path, into: &mut Builder) -> Result<Taken, Error> {
    match content {
        Content::Links => {
            let found = adjacency::read(&bytes, path)?;
            let before = into.more_counts().0;
            into.relations(&found.links);
            let kept = into.more_counts().0 - before;
            let repeats = found.lines.saturating_sub(kept);
            Ok(Taken {
                format: format!("AS relationships, {}", found.form()),
                read: found.lines,
                kept,
                dropped: dropped([("links said before", repeats)]),
                date: found.date,
                ..Taken::default()
            })
        }
        Content::Exchanges => {
            let found = exchanges::read_contents(&bytes, path)?;
            let (format, date, rows) = (found.form.to_string(), found.date, found.rows);
            into.exchanges(found);
            Ok(Taken { format, read: rows, kept: rows, date, ..Taken::default() })
        }
        Content::Names => {
            let before = into.more_counts().1;
            let lines = asnames::read(&bytes, path, into)?;
            let kept = into.more_counts().1 - before;
            let unsaid = lines.saturating_sub(kept);
            Ok(Taken {
                format: "names of ASes".to_owned(),
                read: lines,
                kept,
                dropped: dropped([("names that say nothing, or were said before", unsaid)]),
                ..Taken::default()
            })
        }
        Content::Countries => {
            let before = into.counts().countries;
            range_csv::read_countries(&bytes, path, into)?;
            let kept = into.counts().countries - before;
            let format = "CSV of ranges with registered countries (ip-location-db)".to_owned();
            Ok(Taken { format, read: kept, kept, ..Taken::default() })
        }
        Content::Mmdb => {
            let before = into.counts();
            let mmdb = Mmdb::new(bytes, path)?;
            mmdb.fill(into);
            let kept = into.counts().ranges - before.ranges;
            if into.source().licence.is_none() {
                into.source().licence = licence_of(&mmdb.product()).map(str::to_owned);
            }
            Ok(Taken {
                format: mmdb.product(),
                read: mmdb.networks,
                kept,
                dropped: dropped([(
                    "networks without an AS number, or IPv4 repeated in IPv6",
                    mmdb.networks.saturating_sub(kept),
                )]),
                date: mmdb.built(),
                ..Taken::default()
            })
        }
        Content::Rows(format) => rows(format, &bytes, path, into),
        // The caller takes tables: they bring their own sources.
        Content::Table => Ok(Taken::default()),
    }
}

/// Reads a text of ranges or prefixes into the current source.
pub(crate) fn rows(format: Format, text: &[u8], path: &Path, into: &mut Builder) -> Result<Taken, Error> {
    let before = into.counts();
    sources::read(format, text, path, into)?;
    let after = into.counts();
    let (kept, nobody) = (after.ranges - before.ranges, after.nobody - before.nobody);
    Ok(Taken {
        format: format.to_string(),
        read: kept + nobody,
        kept,
        dropped: dropped([("ranges that nobody announces (AS 0)", nobody)]),
        ..Taken::default()
    })
}

fn dropped<const N: usize>(reasons: [(&str, u64); N]) -> Vec<(String, u64)> {
    reasons.into_iter().filter(|(_, count)| *count > 0).map(|(why, count)| (why.to_owned(), count)).collect()
}

/// The terms of products whose name inside the file leaves no doubt whose they are.
fn licence_of(product: &str) -> Option<&'static str> {
    const TERMS: [(&str, &str); 4] = [
        ("DBIP-ASN-Lite", "CC BY 4.0: IP to ASN Lite by DB-IP (https://db-ip.com)"),
        ("GeoLite2-ASN", "GeoLite End User License Agreement: MaxMind (https://www.maxmind.com)"),
        ("GeoIP2-", "GeoIP licence of its buyer: MaxMind (https://www.maxmind.com)"),
        ("ipinfo", "CC BY-SA 4.0 if it is a free edition: IPinfo (https://ipinfo.io)"),
    ];
    TERMS.iter().find(|(name, _)| product.starts_with(name)).map(|(_, terms)| *terms)
}
