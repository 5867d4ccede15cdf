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
use super::build::Builder;
use super::error::{Error, Operation};
use super::exchanges;
use super::file::{self, File, SourceFile, SourceInfo};
use super::sources::packed::Stream;
use super::sources::text::date_in;
use super::sources::{self, Format, Options, Read, columns};

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
    /// What readers are asked to do otherwise than usual.
    pub options: Options,
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
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    /// One of ours, which brings its own sources.
    Table,
    /// AS relationships.
    Links,
    /// Exchanges and their members.
    Exchanges,
    /// Ranges, prefixes, names, countries: what the readers of `sources` read.
    Rows,
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
        self.add_opened(sources::opened(reader, name, progress)?, name)
    }

    /// The same of what was begun to be read.
    pub(super) fn add_opened(&mut self, stream: Stream<'_>, name: &Path) -> Result<Taken, Error> {
        let content = content(stream.head());
        if content == Content::Table {
            return self.add_table(sources::whole(stream, name)?, name);
        }
        let overrides = content == Content::Rows
            && matches!(sources::format_of(&stream, name), Ok(Some(Format::Overrides)));
        let apart = !self.settings.together || overrides;
        match self.together.filter(|_| !apart) {
            Some(source) => self.builder.resume(source),
            None => {
                let number = self.builder.begin(SourceInfo::default());
                if !apart {
                    self.together = Some(number);
                }
            }
        }
        let taken = match content {
            Content::Links => links(&sources::whole(stream, name)?, name, &mut self.builder)?,
            Content::Exchanges => lans(&sources::whole(stream, name)?, name, &mut self.builder)?,
            Content::Rows | Content::Table => {
                let read = sources::read_opened(stream, name, &mut self.builder, &self.settings.options)?;
                if self.builder.source().licence.is_none() {
                    let product = read.product.as_deref().unwrap_or_default();
                    self.builder.source().licence = licence_of(product).map(str::to_owned);
                }
                rows(&read)
            }
        };
        Ok(self.describe(taken, name))
    }

    /// Takes the table that is inside the program.
    ///
    /// # Errors
    /// None in a program that passed its tests, which read that table.
    pub fn add_embedded(&mut self) -> Result<Taken, Error> {
        self.add_table(super::Table::embedded_bytes().to_vec(), Path::new("asn.lht"))
    }

    fn add_table(&mut self, bytes: Vec<u8>, path: &Path) -> Result<Taken, Error> {
        let sha256 = file::digest(&bytes).to_string();
        let file = File::new(bytes.into(), path)?;
        file.check(path)?;
        let ranges = file.meta.prefixes.iter().fold(0, |all: u64, one| all.saturating_add(*one));
        self.builder.table(&file);
        let format = Format::Table(file::VERSION).to_string();
        let date = file.meta.built_at;
        Ok(Taken { format, read: ranges, kept: ranges, date, sha256, ..Taken::default() })
    }

    /// Notes down what was taken with the source that it is of.
    fn describe(&mut self, taken: Taken, path: &Path) -> Taken {
        let name = plain_name(path);
        let settings = &self.settings;
        let source = self.builder.source();
        // Overrides among the parts of one source are none of it.
        let is_meant = !(settings.together && source.overrides);
        if source.name.is_empty() {
            let of_format = || format!("{} ({name})", taken.format);
            source.name = settings.name.clone().filter(|_| is_meant).unwrap_or_else(of_format);
        }
        if let Some(licence) = settings.licence.as_ref().filter(|_| is_meant) {
            source.licence = Some(licence.clone());
        }
        // Never younger than a part of it.
        source.date = [source.date, taken.date].into_iter().flatten().min();
        if !source.overrides {
            source.date = source.date.or(settings.date);
        }
        source.files.push(SourceFile { name, sha256: taken.sha256.clone() });
        taken
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

/// A file's name without the ending that says how it is packed: digests are of what is inside.
fn plain_name(path: &Path) -> String {
    let name = sources::file_name(path);
    let packed = [".gz", ".bz2", ".xz", ".zst"].iter().find_map(|ending| name.strip_suffix(ending));
    packed.filter(|name| !name.is_empty()).unwrap_or(&name).to_owned()
}

/// Says what unpacked bytes are by the first of them.
fn content(head: &[u8]) -> Content {
    if head.starts_with(&file::MAGIC) {
        Content::Table
    } else if head.trim_ascii_start().starts_with(b"{") && !is_json_lines(head) {
        // One JSON object over all the file, not one a line.
        Content::Exchanges
    } else if adjacency::is_one(head) {
        Content::Links
    } else {
        Content::Rows
    }
}

/// Whether the first line is a row of a table as JSON Lines, and not the beginning of one object over all the file.
fn is_json_lines(head: &[u8]) -> bool {
    let line = head.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    std::str::from_utf8(line).is_ok_and(columns::is_object)
}

/// Reads AS relationships into the current source.
fn links(bytes: &[u8], path: &Path, into: &mut Builder) -> Result<Taken, Error> {
    let found = adjacency::read(bytes, path)?;
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
        sha256: file::digest(bytes).to_string(),
        ..Taken::default()
    })
}

/// Reads exchanges and their members into the current source.
fn lans(bytes: &[u8], path: &Path, into: &mut Builder) -> Result<Taken, Error> {
    let found = exchanges::read_contents(bytes, path)?;
    let (format, rows) = (found.form.to_string(), found.rows);
    let date = found.date.or_else(|| date_in(&sources::file_name(path)));
    into.exchanges(found);
    let sha256 = file::digest(bytes).to_string();
    Ok(Taken { format, read: rows, kept: rows, date, sha256, ..Taken::default() })
}

/// What a reader says of what it did.
fn rows(read: &Read) -> Taken {
    let mut format = read.product.clone().unwrap_or_else(|| read.format.to_string());
    if let Some(peers) = read.peers {
        format = format!("{format} of {} peers, {} routes", peers.all, read.routes);
    }
    Taken {
        format,
        read: read.records,
        kept: if read.kept > 0 { read.kept } else { read.names + read.countries },
        dropped: read.dropped.iter().map(|(why, count)| ((*why).to_owned(), *count)).collect(),
        warnings: read
            .warnings
            .iter()
            .map(|one| format!("{}, {} times, first at byte {}", one.what, one.count, one.offset))
            .collect(),
        date: read.date,
        sha256: read.sha256.to_string(),
    }
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
