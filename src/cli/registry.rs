//! `--registry`: whether what is measured stands in published lists, as a field of the document.
//!
//! The lists are opened before anything is measured, so that a wrong name is told at once, and read when privilege is gone
//! and the target's address is known.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::failure::{Failure, error_text};
use crate::asdb::sources::packed::{Hashed, Stream};
use crate::registry::{self, Error, Format, Found, HEAD, Profile, Question};
use crate::trace::schema::{self, Document, Listing, ListingMatch};

/// A profile longer than this is none.
const LONGEST_PROFILE: u64 = 64 << 10;

/// A list, opened but not read.
#[derive(Debug)]
pub struct List {
    path: PathBuf,
    file: File,
    form: Form,
}

/// What it is read as.
#[derive(Debug)]
enum Form {
    /// What its beginning says.
    Told,
    Named(Format),
    By(Box<Profile>),
}

/// Opens lists: `FILE`, or `FILE,profile=NAME` with the name of a format or of a TOML file.
///
/// # Errors
/// A file that cannot be opened, or a profile that is none.
pub fn open(words: &[PathBuf]) -> Result<Vec<List>, Failure> {
    let one = |word: &PathBuf| {
        let text = word.to_string_lossy();
        let (path, form) = match text.rsplit_once(",profile=") {
            None => (word.clone(), Form::Told),
            Some((path, profile)) => (PathBuf::from(path), form(profile)?),
        };
        let file = File::open(&path).map_err(|error| unreadable(&path, &error_text(&error)))?;
        Ok(List { path, file, form })
    };
    words.iter().map(one).collect()
}

fn form(profile: &str) -> Result<Form, Failure> {
    if let Some(format) = Format::of_word(profile) {
        return Ok(Form::Named(format));
    }
    let mut text = String::new();
    let read = File::open(profile).and_then(|file| file.take(LONGEST_PROFILE).read_to_string(&mut text));
    let problem = match read {
        Err(error) => error_text(&error),
        Ok(_) => match text.parse() {
            Ok(profile) => return Ok(Form::By(Box::new(profile))),
            Err(error) => format!("{error}"),
        },
    };
    Err(Failure::input(
        format!("cannot use the profile {profile}: {problem}"),
        Some("write zapret-csv, register-xml, plain-list, or a TOML file with name and [columns]".into()),
    ))
}

fn unreadable(path: &Path, problem: &str) -> Failure {
    Failure::input(
        format!("cannot read the register {}: {problem}", path.display()),
        Some("leave out --registry, or give a file as it was published".into()),
    )
}

/// What each list says of each document's target, its address and its name. Lists are long and targets few: each list is read
/// once for every target.
///
/// # Errors
/// The first list that cannot be read to its end, or is none: its silence would say something that is not so. Documents that
/// were reached before it keep what was found.
pub fn look_up(lists: &mut [List], documents: &mut [Document]) -> Result<(), Failure> {
    let mut known: HashMap<(String, Option<IpAddr>), Vec<Listing>> = HashMap::new();
    if lists.is_empty() {
        return Ok(());
    }
    for document in documents {
        let Some(target) = &document.target else { continue };
        let key = (target.host.clone(), target.address);
        document.registry = match known.get(&key) {
            Some(listings) => listings.clone(),
            None => {
                let listings = of_target(lists, target)?;
                known.entry(key).or_insert(listings).clone()
            }
        };
    }
    Ok(())
}

fn of_target(lists: &mut [List], target: &schema::Path) -> Result<Vec<Listing>, Failure> {
    let mut asked: Vec<String> = target.address.iter().map(ToString::to_string).collect();
    if target.host.parse::<IpAddr>().is_err() && !target.host.is_empty() {
        asked.push(target.host.clone());
    }
    let question = Question::new(target.address, asked.iter().skip(1).map(String::as_str));
    lists.iter_mut().map(|list| ask(list, &question, &asked)).collect()
}

fn ask(list: &mut List, question: &Question, asked: &[String]) -> Result<Listing, Failure> {
    let List { path, file, form } = list;
    let failed = |error: Error| {
        Failure::input(
            format!("cannot use the register {}: {error}", path.display()),
            Some(error.hint().into()),
        )
    };
    let broken = |error: &io::Error| unreadable(path, &error_text(error));
    file.rewind().map_err(|error| broken(&error))?;
    let mut head = [0; 4];
    let count = file.read(&mut head).map_err(|error| broken(&error))?;
    file.rewind().map_err(|error| broken(&error))?;
    let (found, digest) = if head[..count] == *b"PK\x03\x04" {
        // The digest is of the file as given, the archive.
        let digest = Hashed::new(BufReader::new(&*file)).digest().map_err(|error| broken(&error))?;
        file.rewind().map_err(|error| broken(&error))?;
        (zipped(file, form, question).map_err(failed)?, digest)
    } else {
        let mut hashed = Hashed::new(BufReader::with_capacity(1 << 18, &*file));
        let mut silent = |_: u64| {};
        let found = Stream::open(&mut hashed, &mut silent)
            .map_err(|(_, _, error)| Error::Reading(error))
            .and_then(|mut stream| read(stream.input(), form, question))
            .map_err(failed)?;
        (found, hashed.digest().map_err(|error| broken(&error))?)
    };
    Ok(listing(path, &digest.to_string(), asked, found))
}

/// The register in an archive, as operators get it: the largest file, beside which there is a signature.
fn zipped(file: &File, form: &Form, question: &Question) -> Result<Found, Error> {
    let wrong = |error: zip::result::ZipError| Error::Broken { after: 0, what: error.to_string() };
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(wrong)?;
    let sizes = (0..archive.len().min(64)).map(|at| archive.by_index_raw(at).map(|one| (one.size(), at)));
    let sizes: Vec<(u64, usize)> = sizes.collect::<Result<_, _>>().map_err(wrong)?;
    let (_, at) = sizes.into_iter().max().ok_or(Error::Empty)?;
    let entry = archive.by_index(at).map_err(wrong)?;
    read(&mut BufReader::with_capacity(1 << 18, entry), form, question)
}

fn read(input: &mut dyn BufRead, form: &Form, question: &Question) -> Result<Found, Error> {
    let format = match form {
        Form::By(profile) => return registry::read_profile(input, profile, question),
        Form::Named(format) => *format,
        Form::Told => {
            // A reader may give little at a time; the head is put back before what follows.
            let mut head = Vec::with_capacity(HEAD);
            input.take(HEAD as u64).read_to_end(&mut head)?;
            let format = Format::of(&head).ok_or(Error::Unknown)?;
            return registry::read(&mut head.as_slice().chain(input), format, question);
        }
    };
    registry::read(input, format, question)
}

fn listing(path: &Path, sha256: &str, asked: &[String], found: Found) -> Listing {
    let matches: Vec<ListingMatch> = found
        .matches
        .into_iter()
        .map(|one| ListingMatch {
            level: one.level.word().to_owned(),
            asked: one.asked,
            entry: one.entry,
            line: one.line,
            decision: one.decision,
            date: one.date,
            authority: one.authority,
        })
        .collect();
    let warnings = found.warnings.iter().map(|one| {
        let times = if one.count == 1 { String::new() } else { format!("{} times, first ", one.count) };
        format!("{} ({times}at {})", one.what, one.first)
    });
    Listing {
        file: path.display().to_string(),
        sha256: sha256.to_owned(),
        dated: found.dated,
        format: found.format.word().to_owned(),
        asked: asked.to_vec(),
        listed: !matches.is_empty(),
        matches,
        more: found.more,
        warnings: warnings.collect(),
    }
}
