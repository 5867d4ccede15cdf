//! The container: a zip archive of plain names, the same bytes for the same content.

use std::io::{Cursor, Read, Write};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::BundleError;
use crate::trace::{Run, WallTime, record};

/// Most files of a bundle.
const MOST_FILES: usize = 64;
/// Most bytes of one file, and of all together: a run of 60,000 probes takes a third of that.
const LONGEST: u64 = 64 << 20;
const MOST_BYTES: u64 = 160 << 20;
/// Before the hash in the archive's comment.
const MARK: &str = "sha256 of all before: ";
const HEX: usize = 64;

/// An archive that cannot be a bundle, or is no longer whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It is none.
    #[error("it is no bundle: {0}")]
    NoBundle(String),
    /// It is one that was damaged, or made to do harm.
    #[error("the archive is damaged: {0}")]
    Damaged(String),
}

/// Files by name, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(pub Vec<(String, Vec<u8>)>);

impl Files {
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, bytes)| bytes.as_slice())
    }

    pub fn need(&self, name: &str) -> Result<&[u8], BundleError> {
        self.get(name).ok_or_else(|| BundleError::file(name, "it is missing"))
    }

    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, BundleError> {
        let bytes = self.need(name)?;
        serde_json::from_slice(bytes)
            .map_err(|error| BundleError::file(name, format!("it is not what it should be: {error}")))
    }

    pub fn record(&self, name: &str) -> Result<(Run, record::Settings), BundleError> {
        record::read(self.need(name)?).map_err(|error| BundleError::file(name, error.to_string()))
    }
}

/// What an archive holds, and what of it cannot be read.
#[derive(Debug)]
pub struct Unpacked {
    pub files: Files,
    /// File and problem.
    pub unreadable: Vec<(String, String)>,
    /// The hash in the archive's own comment fits; `None` if it has no such comment, being packed by somebody else.
    pub sealed: Option<bool>,
}

impl Unpacked {
    pub fn whole(self) -> Result<Files, BundleError> {
        match self.unreadable.into_iter().next() {
            Some((name, problem)) => Err(BundleError::File { name, problem }),
            None => Ok(self.files),
        }
    }
}

/// Packs files in their order, all dated `at`.
pub fn pack(files: &Files, at: WallTime) -> Result<Vec<u8>, String> {
    let date = Timestamp::from_nanosecond(i128::from(at.0)).ok().and_then(|time| {
        let time = time.to_zoned(jiff::tz::TimeZone::UTC);
        let part = |number: i8| u8::try_from(number).ok();
        DateTime::from_date_and_time(
            u16::try_from(time.year()).ok()?,
            part(time.month())?,
            part(time.day())?,
            part(time.hour())?,
            part(time.minute())?,
            part(time.second())?,
        )
        .ok()
    });
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(date.unwrap_or_default())
        .unix_permissions(0o644);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in &files.0 {
        writer.start_file(name.as_str(), options).map_err(|error| error.to_string())?;
        writer.write_all(bytes).map_err(|error| error.to_string())?;
    }
    let comment = format!("{MARK}{}", "0".repeat(HEX));
    writer.set_raw_comment(comment.into_bytes().into()).map_err(|error| error.to_string())?;
    let mut bytes = writer.finish().map_err(|error| error.to_string())?.into_inner();
    let at = bytes.len() - HEX;
    let seal = hash(&bytes[..at]);
    bytes[at..].copy_from_slice(seal.as_bytes());
    Ok(bytes)
}

/// SHA-256 in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Unpacks an archive in memory, within bounds. Nothing is written anywhere.
pub fn unpack(bytes: &[u8]) -> Result<Unpacked, ArchiveError> {
    let begins = super::is_bundle(bytes);
    let damaged = |problem: String| {
        if begins { ArchiveError::Damaged(problem) } else { ArchiveError::NoBundle(problem) }
    };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(error.to_string()))?;
    if archive.len() > MOST_FILES {
        return Err(damaged(format!("it has {} files, more than {MOST_FILES}", archive.len())));
    }
    let mut names = Vec::new();
    for place in 0..archive.len() {
        match archive.name_for_index(place) {
            Some(Ok(name)) => names.push(name.into_owned()),
            _ => return Err(damaged("a name in it cannot be read".to_owned())),
        }
    }
    for name in &names {
        let plain = |one: char| one.is_ascii_alphanumeric() || matches!(one, '.' | '-' | '_');
        if name.is_empty() || !name.chars().all(plain) || name.starts_with('.') {
            return Err(damaged(format!("'{}' is no name of a file in a bundle", name.escape_debug())));
        }
    }
    if !names.iter().any(|name| name == super::name::MANIFEST || name == super::name::RUN) {
        return Err(ArchiveError::NoBundle("it holds neither a MANIFEST nor a run.json".to_owned()));
    }
    let sealed = seal(bytes, archive.comment());
    let mut unpacked = Unpacked { files: Files::default(), unreadable: Vec::new(), sealed };
    let mut left = MOST_BYTES;
    for (place, name) in names.into_iter().enumerate() {
        let most = LONGEST.min(left);
        let mut content = Vec::new();
        let read = archive.by_index(place).map_err(|error| error.to_string()).and_then(|file| {
            file.take(most + 1).read_to_end(&mut content).map_err(|error| error.to_string())
        });
        match read {
            Ok(_) if content.len() as u64 > most => {
                return Err(damaged(format!("{name} is longer than any file of a bundle")));
            }
            Ok(_) => {
                left -= content.len() as u64;
                unpacked.files.0.push((name, content));
            }
            Err(problem) => unpacked.unreadable.push((name, problem)),
        }
    }
    Ok(unpacked)
}

/// Whether the hash in the archive's comment fits; an archive that ends without any comment was packed by another program.
fn seal(bytes: &[u8], comment: &[u8]) -> Option<bool> {
    // The end of central directory record has 22 bytes and the comment.
    let end = bytes.len().checked_sub(22).and_then(|at| bytes.get(at..));
    if comment.is_empty() && end.is_some_and(|end| end.starts_with(b"PK\x05\x06")) {
        return None;
    }
    let fits = |seal: &[u8]| {
        let before = bytes.len().checked_sub(HEX).and_then(|length| bytes.get(..length));
        bytes.ends_with(seal) && before.is_some_and(|before| seal == hash(before).as_bytes())
    };
    Some(comment.strip_prefix(MARK.as_bytes()).is_some_and(fits))
}
