//! From an address to a file: taken up where it was cut, checked, and put in its place at once.
//!
//! Three files stand beside the one that is wanted: `NAME.part` is what has come so far, `.NAME.part.json` says of which
//! version of the publisher's file that is a part, and `.NAME.source.json` says where the file in place came from. What any of
//! the last two says is believed only as far as the bytes bear it out.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::address::Address;
use super::client::{Answer, Asked, Client, Credential};
use super::error::{Class, Error};
use super::pause::http_date;

/// What is read at once, in bytes.
const PIECE: usize = 64 << 10;
/// A note that is longer is none of ours, in bytes.
const LONGEST_NOTE: u64 = 64 << 10;
/// The most of a published checksum's file, in bytes.
const LONGEST_SUM: u64 = 4 << 10;

/// Makes one file out of another.
pub type Unpack = dyn Fn(&mut File, &mut File) -> Result<(), Rejected>;

/// What is wanted.
pub struct Download<'a> {
    /// Where it is.
    pub address: Address,
    /// Who asks.
    pub credential: Option<Credential>,
    /// The file to write.
    pub to: &'a Path,
    /// The most bytes it may have.
    pub most: u64,
    /// The SHA-256 it must have, if that is known.
    pub sha256: Option<[u8; 32]>,
    /// Where its publisher says what SHA-256 it has, in hexadecimal as the first word.
    pub sum: Option<Address>,
    /// Take it even if it is older, or much smaller, or of unknown length; and ask for it whole.
    pub force: bool,
    /// Makes the file that is kept out of the one that comes, which is then not kept.
    pub unpack: Option<&'a Unpack>,
    /// What it is, for the note beside it.
    pub source: &'a str,
    /// The terms it comes under, for the same.
    pub terms: &'a str,
}

/// What a file was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// In words.
    pub what: String,
    /// The day its data is of.
    pub date: Option<Date>,
    /// A cut would have been noticed: it is packed, or has an end of its own.
    pub has_end: bool,
}

/// Why a file is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// To be read behind "what ADDRESS sends"; foreign text in it is to be escaped.
    pub reason: String,
    /// The way out.
    pub hint: String,
}

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes there, and bytes there will be.
    Got {
        /// So far.
        bytes: u64,
        /// In all.
        total: Option<u64>,
    },
    /// The server asked for patience.
    Waiting(Duration),
    /// The connection broke; asked again from this byte.
    Again {
        /// Where it goes on.
        at: u64,
    },
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was no file.
    New,
    /// There is another file now.
    Replaced,
    /// What is there is what the publisher has.
    Current,
}

/// A file in its place.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// What came of it.
    pub outcome: Outcome,
    /// The first byte that was asked for; not 0 if a cut download was taken up.
    pub resumed_at: u64,
    /// The note beside the file.
    pub provenance: Provenance,
}

/// Where a file came from: the note beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// `lasthop.source/1`.
    pub schema: String,
    /// Which of the publishers' files.
    pub source: String,
    /// Without its query.
    pub address: String,
    /// When, RFC 3339.
    pub fetched_at: String,
    /// The server's validators.
    pub etag: Option<String>,
    /// Likewise.
    pub last_modified: Option<String>,
    /// Size of the file.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// What it was found to be.
    pub content: String,
    /// The day its data is of, if it says so itself.
    pub date: Option<Date>,
    /// The terms it comes under.
    pub terms: String,
}

impl Provenance {
    const SCHEMA: &str = "lasthop.source/1";

    /// Reads the note beside a file; nothing if there is none, or none of ours.
    #[must_use]
    pub fn beside(file: &Path) -> Option<Self> {
        read_note(&beside(file, ".source.json")).filter(|note: &Self| note.schema == Self::SCHEMA)
    }

    /// `Last-Modified`, or else the day in the data.
    fn last_modified(&self) -> Option<Timestamp> {
        self.last_modified.as_deref().and_then(http_date)
    }
}

/// Which version of what the bytes in `NAME.part` are a part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    /// Digest of the address with its query, so that it is not there to be read.
    address: String,
    etag: Option<String>,
    last_modified: Option<String>,
    /// What `If-Range` may hold; without it nothing is taken up.
    validator: Option<String>,
    total: Option<u64>,
}

/// How the bytes came, once they are all there.
struct Whole {
    part: Part,
    /// Behind all redirections.
    address: Address,
    resumed_at: u64,
    /// The server's framing says where the end is.
    framed: bool,
}

enum Came {
    Whole(Box<Whole>),
    Current,
}

impl Client {
    /// Brings a file, or finds that the one there is current. `check` sees what came before it takes the place of anything.
    ///
    /// # Errors
    /// Whatever can go wrong; the file that was there is then still there, whole. What came is kept for the next time if
    /// the connection broke, and thrown away if it is not what it should be.
    pub fn download(
        &self,
        wanted: &Download<'_>,
        check: &mut dyn FnMut(&Path) -> Result<Checked, Rejected>,
        watch: &mut dyn FnMut(Event),
    ) -> Result<Fetched, Error> {
        let paths = Paths::of(wanted.to);
        let mut file = paths.open()?;
        let held = Held::of(wanted.to);
        let whole = match self.bring(wanted, &paths, &mut file, &held, watch) {
            Ok(Came::Whole(whole)) => whole,
            Err(error) => {
                // What may be gone on with is kept; nothing is not, nor what is none of the publisher's.
                let empty = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
                if empty || error.class() == Class::Content {
                    paths.forget();
                }
                return Err(error);
            }
            Ok(Came::Current) => {
                paths.forget();
                let Some(provenance) = held.note else {
                    return Err(Error::Unasked { address: wanted.address.clone(), what: "304".to_owned() });
                };
                return Ok(Fetched { outcome: Outcome::Current, resumed_at: 0, provenance });
            }
        };
        let placed = self.place(wanted, &paths, file, &held, &whole, check);
        if let Err(error) = &placed
            && !matches!(error, Error::File { .. })
        {
            // Whatever it is, it is not worth to go on with.
            paths.forget();
        }
        placed
    }

    /// Fills the part file.
    fn bring(
        &self,
        wanted: &Download<'_>,
        paths: &Paths,
        file: &mut File,
        held: &Held,
        watch: &mut dyn FnMut(Event),
    ) -> Result<Came, Error> {
        let key = hex(&Sha256::digest(wanted.address.uri().to_string()));
        let mut part: Option<Part> = read_note(&paths.part_note).filter(|part: &Part| part.address == key);
        let mut resumed_at = None;
        let mut tries = 0;
        let mut from_beginning = wanted.force;
        loop {
            let have = paths.io("measure", &paths.part, file.metadata())?.len();
            let validator = part.as_ref().and_then(|part| part.validator.clone());
            let resume = validator.filter(|_| have > 0 && !from_beginning);
            let mut headers = Vec::new();
            if let Some(validator) = &resume {
                headers.push(("range", format!("bytes={have}-")));
                headers.push(("if-range", validator.clone()));
            } else if !wanted.force
                && let Some(note) =
                    held.note.as_ref().filter(|note| note.address == wanted.address.to_string())
            {
                headers.extend(note.etag.clone().map(|etag| ("if-none-match", etag)));
                headers.extend(note.last_modified.clone().map(|date| ("if-modified-since", date)));
            }
            let conditional =
                headers.iter().any(|(name, _)| name.starts_with("if-n") || name.starts_with("if-m"));
            let asked = Asked { address: &wanted.address, credential: wanted.credential.as_ref(), headers };
            let answer = match self.ask(&asked, &mut |wait| watch(Event::Waiting(wait))) {
                Ok(answer) => answer,
                // A connection that could be made before may be made again.
                Err(Error::Network { .. }) if tries > 0 && tries < self.limits.tries => {
                    self.rest(&mut tries);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let at = match (answer.status, resume.is_some()) {
                (304, _) if conditional => return Ok(Came::Current),
                (200, _) => 0,
                (206, true) if continues(&answer, have, part.as_ref()) => have,
                (416, true) if unsatisfied(&answer) == Some(have) => {
                    // Everything had come, only the end of it was not seen.
                    let part = part.unwrap_or_else(|| Part::of(key, &answer, Some(have)));
                    let resumed_at = resumed_at.unwrap_or(have);
                    return Ok(Came::Whole(Box::new(Whole {
                        part,
                        address: answer.address,
                        resumed_at,
                        framed: true,
                    })));
                }
                // A part of something else, or of a version that is gone.
                (206 | 416, true) => {
                    from_beginning = true;
                    continue;
                }
                (500 | 502 | 504, _) if tries < self.limits.tries => {
                    self.rest(&mut tries);
                    continue;
                }
                (206 | 304, _) => {
                    let what = format!("status {}", answer.status);
                    return Err(Error::Unasked { address: answer.address, what });
                }
                _ => return Err(answer.into_error()),
            };
            let length = answer.number("content-length");
            let mut now = Part::of(key.clone(), &answer, length.map(|length| at + length));
            if at > 0
                && let Some(before) = &part
            {
                // Of a 206 only what it must repeat is there (RFC 9110 §15.3.7).
                now = Part { total: now.total.or(before.total), ..before.clone() };
            }
            suits(wanted, &answer, &now, held)?;
            if at == 0 {
                paths.io("empty", &paths.part, file.set_len(0))?;
            }
            paths.io("write", &paths.part_note, write_note(&paths.part_note, &now))?;
            resumed_at.get_or_insert(at);
            part = Some(now.clone());
            from_beginning = false;
            if at > 0 {
                watch(Event::Again { at });
            }
            let framed = length.is_some()
                || answer
                    .header("transfer-encoding")
                    .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
            let address = answer.address.clone();
            let cut = match self.pour(wanted, paths, file, at, now.total, answer, watch)? {
                Poured::Whole => {
                    let resumed_at = resumed_at.unwrap_or(0);
                    return Ok(Came::Whole(Box::new(Whole { part: now, address, resumed_at, framed })));
                }
                Poured::Cut { got, reason } => Error::Cut { address, got, total: now.total, reason },
            };
            // Without something to hold it to, what has come cannot be gone on with.
            let came = matches!(&cut, Error::Cut { got, .. } if *got > at);
            if tries >= self.limits.tries || !came || now.validator.is_none() {
                return Err(cut);
            }
            self.rest(&mut tries);
        }
    }

    fn rest(&self, tries: &mut u8) {
        std::thread::sleep(self.limits.pause * 2u32.pow(u32::from(*tries).min(6)));
        *tries += 1;
    }

    /// Reads a body into the part file from `at` on.
    #[expect(clippy::too_many_arguments, reason = "one step of `bring`, with all that it knows")]
    fn pour(
        &self,
        wanted: &Download<'_>,
        paths: &Paths,
        file: &mut File,
        at: u64,
        total: Option<u64>,
        mut answer: Answer,
        watch: &mut dyn FnMut(Event),
    ) -> Result<Poured, Error> {
        paths.io("write", &paths.part, file.seek(SeekFrom::Start(at)))?;
        paths.io("write", &paths.part, file.set_len(at))?;
        let address = answer.address.clone();
        let mut got = at;
        let mut piece = vec![0; PIECE];
        // Windows of `idle`, each of which must bring something.
        let mut window = ((self.time.elapsed)(), at);
        loop {
            // A body that is too long is found by one byte more, whatever the server says of its length.
            let count = match answer.body.as_reader().read(&mut piece) {
                Ok(count) => count,
                Err(error) => return Ok(Poured::Cut { got, reason: answer.words(&error) }),
            };
            if count == 0 {
                break;
            }
            got += count as u64;
            if got > wanted.most {
                paths.forget();
                return Err(Error::Long { address, limit: wanted.most });
            }
            paths.io("write", &paths.part, file.write_all(&piece[..count]))?;
            watch(Event::Got { bytes: got, total });
            let now = (self.time.elapsed)();
            let passed = now.saturating_sub(window.0);
            if passed >= self.limits.idle {
                let least = (self.limits.least as f64 * passed.as_secs_f64()) as u64;
                if got - window.1 < least {
                    return Err(Error::Slow { address, got: got - window.1, window: passed });
                }
                window = (now, got);
            }
        }
        match total {
            Some(total) if got < total => Ok(Poured::Cut { got, reason: "the server hung up".to_owned() }),
            _ => Ok(Poured::Whole),
        }
    }

    /// Checks what came and puts it in place.
    fn place(
        &self,
        wanted: &Download<'_>,
        paths: &Paths,
        mut file: File,
        held: &Held,
        whole: &Whole,
        check: &mut dyn FnMut(&Path) -> Result<Checked, Rejected>,
    ) -> Result<Fetched, Error> {
        let address = &whole.address;
        let (digest, mut bytes) = paths.io("read", &paths.part, digest_of(&mut file))?;
        let mut sha256 = hex(&digest);
        let expected = match (&wanted.sha256, &wanted.sum) {
            (Some(known), _) => Some(hex(known)),
            (None, Some(sum)) => Some(self.published(sum, wanted.credential.as_ref())?),
            (None, None) => None,
        };
        if let Some(expected) = expected.filter(|expected| *expected != sha256) {
            return Err(Error::Checksum { address: address.clone(), expected, got: sha256 });
        }
        let rejected = |Rejected { reason, hint }| Error::Rejected { address: address.clone(), reason, hint };
        let mut done = &paths.part;
        if let Some(unpack) = wanted.unpack {
            let mut out = paths.io("write", &paths.unpacked, create(&paths.unpacked))?;
            paths.io("read", &paths.part, file.rewind())?;
            unpack(&mut file, &mut out).map_err(rejected)?;
            let (digest, length) = paths.io("read", &paths.unpacked, digest_of(&mut out))?;
            (sha256, bytes) = (hex(&digest), length);
            file = out;
            done = &paths.unpacked;
        }
        let checked = check(done).map_err(rejected)?;
        if !whole.framed && !checked.has_end && !wanted.force {
            return Err(Error::Endless { address: address.clone() });
        }
        if !wanted.force {
            if let Some(held) = held.bytes.filter(|held| bytes < held / 2) {
                return Err(Error::Shrunk { address: address.clone(), got: bytes, held });
            }
            let before = held.note.as_ref().and_then(|note| note.date);
            if let (Some(offered), Some(held)) = (checked.date, before)
                && offered < held
            {
                let (offered, held) = (offered.to_string(), held.to_string());
                return Err(Error::Stale { address: address.clone(), offered, held });
            }
        }
        // A table without a date of its own is as old as its file.
        if let Some(time) = whole.part.last_modified.as_deref().and_then(http_date) {
            paths.io("date", done, file.set_modified(SystemTime::from(time)))?;
        }
        paths.io("store", done, file.sync_all())?;
        let provenance = Provenance {
            schema: Provenance::SCHEMA.to_owned(),
            source: wanted.source.to_owned(),
            address: wanted.address.to_string(),
            fetched_at: format!("{:.0}", self.time.now()),
            etag: whole.part.etag.clone(),
            last_modified: whole.part.last_modified.clone(),
            bytes,
            sha256,
            content: checked.what,
            date: checked.date,
            terms: wanted.terms.to_owned(),
        };
        // First the file: between the two renames the note speaks of other bytes, and is then not believed.
        paths.io("put in place", wanted.to, fs::rename(done, wanted.to))?;
        paths.io("write", &paths.note, write_note(&paths.note, &provenance))?;
        let folder = wanted.to.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        paths.io("store", folder, File::open(folder).and_then(|folder| folder.sync_all()))?;
        paths.forget();
        let outcome = if held.bytes.is_some() { Outcome::Replaced } else { Outcome::New };
        Ok(Fetched { outcome, resumed_at: whole.resumed_at, provenance })
    }

    /// The checksum in a file of `sha256sum`'s form.
    fn published(&self, sum: &Address, credential: Option<&Credential>) -> Result<String, Error> {
        let text = self.text(sum, credential, LONGEST_SUM)?;
        let word = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        if word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(word);
        }
        Err(Error::Unasked { address: sum.clone(), what: "something else than a SHA-256".to_owned() })
    }
}

enum Poured {
    Whole,
    Cut { got: u64, reason: String },
}

impl Part {
    fn of(address: String, answer: &Answer, total: Option<u64>) -> Self {
        let text = |name| answer.header(name).map(str::to_owned);
        let (etag, last_modified) = (text("etag"), text("last-modified"));
        let strong = etag.clone().filter(|etag| etag.starts_with('"'));
        // A date identifies a version only if the file could not change again within it (RFC 9110 §8.8.2.2).
        let dated = last_modified.clone().filter(|modified| {
            etag.is_none()
                && http_date(modified)
                    .zip(answer.header("date").and_then(http_date))
                    .is_some_and(|(modified, date)| modified < date)
        });
        Self { address, validator: strong.or(dated), etag, last_modified, total }
    }
}

/// Whether a 206 is the rest of what is there, from byte `have` on.
fn continues(answer: &Answer, have: u64, part: Option<&Part>) -> bool {
    let Some(part) = part else { return false };
    let range = answer.header("content-range").and_then(|text| text.strip_prefix("bytes "));
    let Some((span, total)) = range.and_then(|range| range.split_once('/')) else { return false };
    let Some((first, last)) = span.split_once('-') else { return false };
    let total = total.parse::<u64>().ok();
    let ends = match (last.parse::<u64>().ok(), total.or(part.total)) {
        (Some(last), Some(total)) => last.checked_add(1) == Some(total),
        (last, None) => last.is_some(),
        (None, _) => false,
    };
    let same = |name: &str, before: &Option<String>| {
        answer.header(name).is_none_or(|now| before.as_deref().is_none_or(|before| before == now))
    };
    first.parse() == Ok(have)
        && ends
        && (total.is_none() || part.total.is_none() || total == part.total)
        && same("etag", &part.etag)
        && same("last-modified", &part.last_modified)
}

/// The length that a 416 tells (RFC 9110 §15.5.17).
fn unsatisfied(answer: &Answer) -> Option<u64> {
    answer.header("content-range")?.strip_prefix("bytes */")?.parse().ok()
}

/// What can be told from the head of a response.
fn suits(wanted: &Download<'_>, answer: &Answer, part: &Part, held: &Held) -> Result<(), Error> {
    let address = || answer.address.clone();
    if let Some(coding) =
        answer.header("content-encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity"))
    {
        return Err(Error::Unasked { address: address(), what: format!("the content coding {coding}") });
    }
    if part.total.is_some_and(|total| total > wanted.most) {
        return Err(Error::Long { address: address(), limit: wanted.most });
    }
    if wanted.force {
        return Ok(());
    }
    let dates = (
        part.last_modified.as_deref().and_then(http_date),
        held.note.as_ref().and_then(Provenance::last_modified),
    );
    if let (Some(offered), Some(there)) = dates
        && offered < there
    {
        let (offered, held) = (format!("{offered:.0}"), format!("{there:.0}"));
        return Err(Error::Stale { address: address(), offered, held });
    }
    if wanted.unpack.is_none()
        && let (Some(got), Some(held)) = (part.total, held.bytes)
        && got < held / 2
    {
        return Err(Error::Shrunk { address: address(), got, held });
    }
    Ok(())
}

/// The file in place.
struct Held {
    bytes: Option<u64>,
    /// Where it came from, if the note is of these very bytes.
    note: Option<Provenance>,
}

impl Held {
    fn of(path: &Path) -> Self {
        let bytes = fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len());
        let note = Provenance::beside(path).filter(|note| {
            bytes == Some(note.bytes)
                && File::open(path)
                    .and_then(|mut file| digest_of(&mut file))
                    .is_ok_and(|(digest, _)| hex(&digest) == note.sha256)
        });
        Self { bytes, note }
    }
}

/// The files beside the one that is wanted.
struct Paths {
    part: PathBuf,
    part_note: PathBuf,
    unpacked: PathBuf,
    note: PathBuf,
}

impl Paths {
    fn of(to: &Path) -> Self {
        let mut part = to.as_os_str().to_owned();
        part.push(".part");
        Self {
            part: part.into(),
            part_note: beside(to, ".part.json"),
            unpacked: beside(to, ".unpacked"),
            note: beside(to, ".source.json"),
        }
    }

    /// Opens the part file, for this process alone.
    fn open(&self) -> Result<File, Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // A link that somebody put there in a shared directory would be written through.
        options.custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits());
        let file = self.io("open", &self.part, options.open(&self.part))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::Busy { path: self.part.clone() }),
            Err(TryLockError::Error(source)) => self.io("lock", &self.part, Err(source)),
        }
    }

    /// Removes what is of no use any more. If that fails, it is written over the next time.
    fn forget(&self) {
        for path in [&self.part, &self.part_note, &self.unpacked] {
            let _ = fs::remove_file(path);
        }
    }

    fn io<T>(&self, operation: &'static str, path: &Path, result: io::Result<T>) -> Result<T, Error> {
        result.map_err(|source| Error::File { operation, path: path.to_path_buf(), source })
    }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(ending);
    file.with_file_name(name)
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    options.custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits());
    options.open(path)
}

fn read_note<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(LONGEST_NOTE).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Writes a note beside and renames it: whoever reads meanwhile has the old one or the new one.
fn write_note<T: Serialize>(path: &Path, note: &T) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = create(&beside)?;
    serde_json::to_writer_pretty(&mut file, note)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// SHA-256 and length of a file from its beginning.
fn digest_of(file: &mut File) -> io::Result<([u8; 32], u64)> {
    file.rewind()?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok((hash.finalize().into(), bytes));
        }
        hash.update(&piece[..count]);
        bytes += count as u64;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
