//! The file: every run, every event and the state of every test, put away together or not at all.
//!
//! It is an SQLite database in WAL mode with `synchronous=FULL`: a commit returns when the disk has it, so that what was
//! confirmed (told, counted, printed) is there whatever happens to the program or the machine. A run, the events it decided
//! and the state of its test are one transaction. An event that was committed and not yet told is told at the next start.
//!
//! A file that is no history of ours is refused before anything is written to it, by its header: SQLite's mark, our
//! application id, the version of the form. One writer at a time holds a lock; readers need none.
//!
//! A run is kept as its document, deflated. All runs of a target look alike, so that its first document serves as the
//! dictionary of the others.

mod pack;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Transaction, params};

use pack::{WINDOW, pack, unpacked};

use super::change::Series;
use super::event::{Event, Subject};
use super::sight::{Sighting, Standing};
use crate::trace::WallTime;
use crate::trace::schema::Document;

/// What SQLite's header says of the file's owner: "lhop".
const APPLICATION: i32 = 0x6c68_6f70;
/// The form of the tables.
const FORM: i32 = 1;
/// How long a reader waits for a writer and the other way round.
const PATIENCE: Duration = Duration::from_secs(5);

const TABLES: &str = "
CREATE TABLE targets (
    id INTEGER PRIMARY KEY,
    subject TEXT NOT NULL UNIQUE,
    series TEXT NOT NULL,
    dictionary BLOB
) STRICT;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target INTEGER NOT NULL REFERENCES targets(id),
    at INTEGER NOT NULL,
    standing TEXT NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT,
    asns TEXT NOT NULL,
    length INTEGER NOT NULL,
    document BLOB NOT NULL
) STRICT;
CREATE INDEX runs_of_target ON runs(target, id);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target INTEGER NOT NULL REFERENCES targets(id),
    run INTEGER NOT NULL,
    event TEXT NOT NULL,
    told INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX events_untold ON events(told) WHERE told = 0;
";

/// Why a history cannot be used. Each says what, and [`hint`](Self::hint) what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// No such file, no permission, no such folder.
    #[error("it cannot be opened: {0}")]
    Unopened(std::io::Error),
    /// Another kind of file.
    #[error("it is no history of lasthop")]
    Foreign,
    /// A later version wrote it.
    #[error("it has form {0}, and this version knows up to {FORM}")]
    Newer(i32),
    /// Torn or damaged.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// Another program writes it.
    #[error("another lasthop watch is writing it")]
    Busy,
    /// Nothing can be written to it.
    #[error("it cannot be written: {0}")]
    Unwritable(String),
    /// No room on the disk.
    #[error("the disk is full")]
    Full,
    /// Whatever else SQLite says.
    #[error("{0}")]
    Other(String),
}

impl HistoryError {
    /// The way out.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unopened(_) => {
                "check the path and its permissions; a new file is made in a folder that is there"
            }
            Self::Foreign => "name another file with --history; this one is left as it is",
            Self::Newer(_) => {
                "use the version of lasthop that wrote it, or a newer one; the file is left as it is"
            }
            Self::Damaged(_) => {
                "keep a copy and begin a new file; `sqlite3 FILE .recover` may save what is in it"
            }
            Self::Busy => "stop the other one, or give this one a file of its own",
            Self::Unwritable(_) => {
                "check the permissions of the file and of its folder, or name another file"
            }
            Self::Full => "make room; lasthop watch --keep removes old runs",
            Self::Other(_) => "check the file and its folder",
        }
    }

    /// The file is what is wrong, not what is around it.
    #[must_use]
    pub const fn is_bad_input(&self) -> bool {
        matches!(self, Self::Foreign | Self::Newer(_) | Self::Damaged(_))
    }
}

impl From<rusqlite::Error> for HistoryError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign,
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(text),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::SystemIoFailure) => {
                Self::Unwritable(text)
            }
            Some(ErrorCode::CannotOpen) => Self::Unwritable(text),
            _ => Self::Other(text),
        }
    }
}

/// A run as a history lists it, without its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: u64,
    /// When it began.
    pub at: WallTime,
    /// What it showed.
    pub standing: Standing,
    /// The verdict's kind, or `failed`.
    pub kind: String,
    /// Why nothing is known.
    pub reason: Option<String>,
    /// The networks that were named.
    pub asns: Vec<u32>,
}

/// A target as a history knows it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its number in this history.
    pub id: i64,
    /// Whom the runs are about.
    pub subject: Subject,
    /// The state of its test.
    pub series: Series,
    dictionary: Option<Vec<u8>>,
}

/// What is put away of one run.
#[derive(Debug)]
pub struct Made<'a> {
    /// What it showed.
    pub sighting: &'a Sighting,
    /// The whole of it.
    pub document: &'a Document,
}

/// How long runs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// For this long.
    For(Duration),
    /// This many of each target.
    Last(u64),
}

/// An open history.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    path: PathBuf,
    /// Held by a writer until the connection above is closed: fields are dropped in this order. Closing another descriptor of
    /// the same file earlier would take SQLite's own locks away.
    _lock: Option<Flock<File>>,
}

impl History {
    /// Opens a history to write, and makes it if there is none.
    ///
    /// # Errors
    /// [`HistoryError`]; a file that is no history of this version is left as it is.
    pub fn create(path: &Path) -> Result<Self, HistoryError> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                HistoryError::Unwritable(words(&error))
            }
            std::io::ErrorKind::StorageFull => HistoryError::Full,
            _ => HistoryError::Unopened(error),
        })?;
        check_header(&mut file)?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
            nix::errno::Errno::EWOULDBLOCK => HistoryError::Busy,
            other => HistoryError::Unwritable(other.desc().to_owned()),
        })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        let mut history = Self { connection, path: path.to_owned(), _lock: Some(lock) };
        history.prepare()?;
        Ok(history)
    }

    /// Opens a history to read. It may be written meanwhile.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        let mut file = File::open(path).map_err(HistoryError::Unopened)?;
        check_header(&mut file)?;
        let empty = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
        drop(file);
        if empty {
            return Err(HistoryError::Foreign);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = |connection: Connection| -> Result<Self, HistoryError> {
            connection.busy_timeout(PATIENCE)?;
            let history = Self { connection, path: path.to_owned(), _lock: None };
            history.check()?;
            Ok(history)
        };
        match Connection::open_with_flags(path, flags).map_err(HistoryError::from).and_then(opened) {
            // A folder that cannot be written cannot hold the index of the log that readers share. Where there is no log nobody
            // writes, and the file is whole without it.
            Err(HistoryError::Unwritable(_)) if !beside(path, "-wal").exists() => {
                let name = path.canonicalize().map_err(HistoryError::Unopened)?;
                let uri = format!("file:{}?immutable=1", escaped(&name));
                opened(Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?)
            }
            result => result,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the tables, or looks whether those there are ours.
    fn prepare(&mut self) -> Result<(), HistoryError> {
        let count: i64 =
            self.connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let application: i32 =
            self.connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        if count == 0 && application == 0 {
            // Before the log is chosen, so that the header says whose the file is from the first byte on.
            self.connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            let new = self.connection.transaction()?;
            new.pragma_update(None, "application_id", APPLICATION)?;
            new.pragma_update(None, "user_version", FORM)?;
            new.execute_batch(TABLES)?;
            new.commit()?;
        }
        self.check()?;
        let mode: String =
            self.connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if mode != "wal" && mode != "delete" {
            return Err(HistoryError::Unwritable(format!("its journal is '{mode}'")));
        }
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        self.connection.pragma_update(None, "foreign_keys", true)?;
        let found: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(HistoryError::Damaged(found));
        }
        // What cannot be written is found now, not after the first measurement.
        let try_it = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        try_it.rollback()?;
        Ok(())
    }

    fn check(&self) -> Result<(), HistoryError> {
        let ask = |pragma| self.connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
        match (ask("application_id")?, ask("user_version")?) {
            (APPLICATION, FORM) => Ok(()),
            (APPLICATION, form) => Err(HistoryError::Newer(form)),
            _ => Err(HistoryError::Foreign),
        }
    }

    /// The target of this subject; a new one if the history does not know it.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn target(&mut self, subject: &Subject) -> Result<Target, HistoryError> {
        let key = json(subject)?;
        self.connection.execute(
            "INSERT INTO targets (subject, series) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![key, json(&Series::default())?],
        )?;
        let found = self.targets()?.into_iter().find(|one| one.subject == *subject);
        found.ok_or_else(|| HistoryError::Damaged("a target that was put away is not there".into()))
    }

    /// All targets, in the order in which they were first watched.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn targets(&self) -> Result<Vec<Target>, HistoryError> {
        let mut all =
            self.connection.prepare("SELECT id, subject, series, dictionary FROM targets ORDER BY id")?;
        let rows = all.query_map([], |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get(3)?))
        })?;
        rows.map(|row| {
            let (id, subject, series, dictionary) = row?;
            Ok(Target { id, subject: read(&subject)?, series: read(&series)?, dictionary })
        })
        .collect()
    }

    /// The number that the next run will have. Only the one writer may rely on it.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn next_run(&self) -> Result<u64, HistoryError> {
        let last: Option<u64> = self
            .connection
            .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'runs'", [], |row| row.get(0))
            .optional()?;
        Ok(last.unwrap_or(0) + 1)
    }

    /// Puts away a run, the events it decided (which get their numbers) and the state of the test after it: all or nothing, and
    /// when this returns the disk has it.
    ///
    /// # Errors
    /// [`HistoryError`]; the history is then as it was before.
    pub fn put(
        &mut self,
        target: &mut Target,
        run: u64,
        made: &Made<'_>,
        event: Option<&mut Event>,
    ) -> Result<(), HistoryError> {
        let text =
            serde_json::to_vec(made.document).map_err(|error| HistoryError::Other(error.to_string()))?;
        let first = target.dictionary.is_none();
        let dictionary = target.dictionary.clone().unwrap_or_else(|| text[..text.len().min(WINDOW)].to_vec());
        let packed = pack(&text, &dictionary)?;
        let sighting = made.sighting;
        let asns = sighting.place.as_ref().map_or(&[][..], |place| &place.asns);
        let new = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        new.execute(
            "INSERT INTO runs (id, target, at, standing, kind, reason, asns, length, document) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                run,
                target.id,
                sighting.at.0,
                sighting.standing.word(),
                sighting.kind,
                sighting.reason,
                json(&asns)?,
                text.len(),
                packed
            ],
        )?;
        if first {
            new.execute("UPDATE targets SET dictionary = ?2 WHERE id = ?1", params![target.id, dictionary])?;
        }
        new.execute(
            "UPDATE targets SET series = ?2 WHERE id = ?1",
            params![target.id, json(&target.series)?],
        )?;
        if let Some(event) = event {
            put_event(&new, target.id, run, event)?;
        }
        new.commit()?;
        if first {
            target.dictionary = Some(dictionary);
        }
        Ok(())
    }

    /// The events that were never told, oldest first.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn untold(&self) -> Result<Vec<Event>, HistoryError> {
        self.some_events("SELECT id, event FROM events WHERE told = 0 ORDER BY id")
    }

    /// All events, oldest first.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn events(&self) -> Result<Vec<Event>, HistoryError> {
        self.some_events("SELECT id, event FROM events ORDER BY id")
    }

    fn some_events(&self, question: &str) -> Result<Vec<Event>, HistoryError> {
        let mut all = self.connection.prepare(question)?;
        let rows = all.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (id, text) = row?;
            let event: Event = read(&text)?;
            Ok(Event { id, ..event })
        })
        .collect()
    }

    /// This event was told to everybody who is to hear it.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn told(&mut self, event: u64) -> Result<(), HistoryError> {
        self.connection.execute("UPDATE events SET told = 1 WHERE id = ?1", [event])?;
        Ok(())
    }

    /// The runs of a target in their order, without documents.
    ///
    /// # Errors
    /// [`HistoryError`], also what `each` returns.
    pub fn entries(&self, target: &Target) -> Result<Vec<Entry>, HistoryError> {
        let mut all = self
            .connection
            .prepare("SELECT id, at, standing, kind, reason, asns FROM runs WHERE target = ?1 ORDER BY id")?;
        let rows = all.query_map([target.id], |row| {
            Ok((
                row.get(0)?,
                WallTime(row.get(1)?),
                row.get::<_, String>(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get::<_, String>(5)?,
            ))
        })?;
        rows.map(|row| {
            let (id, at, standing, kind, reason, asns) = row?;
            let standing = Standing::of_word(&standing).unwrap_or(Standing::Unknown);
            Ok(Entry { id, at, standing, kind, reason, asns: read(&asns)? })
        })
        .collect()
    }

    /// Hands over each run's document as its JSON text, in their order, target by target.
    ///
    /// # Errors
    /// [`HistoryError`], or what `each` returns.
    pub fn documents<E: From<HistoryError>>(
        &self,
        target: &Target,
        each: &mut dyn FnMut(u64, Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let wrong = |error: rusqlite::Error| E::from(HistoryError::from(error));
        let mut all = self
            .connection
            .prepare("SELECT id, length, document FROM runs WHERE target = ?1 ORDER BY id")
            .map_err(wrong)?;
        let mut rows = all.query([target.id]).map_err(wrong)?;
        while let Some(row) = rows.next().map_err(wrong)? {
            let (id, text) = unpacked(row, target.dictionary.as_deref().unwrap_or_default())?;
            each(id, text)?;
        }
        Ok(())
    }

    /// Removes runs that are not to be kept, and gives the room back. Events stay. Gives how many runs were removed.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn forget(&mut self, retention: Retention, now: WallTime) -> Result<u64, HistoryError> {
        let removed = match retention {
            Retention::For(span) => {
                let nanos = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
                let before = now.0.saturating_sub(nanos);
                self.connection.execute("DELETE FROM runs WHERE at < ?1", [before])?
            }
            Retention::Last(count) => {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.connection.execute(
                    "DELETE FROM runs WHERE id IN (SELECT old.id FROM targets t, runs old WHERE old.target = t.id AND old.id <= \
                     (SELECT id FROM runs WHERE target = t.id ORDER BY id DESC LIMIT 1 OFFSET ?1))",
                    [count],
                )?
            }
        };
        if removed > 0 {
            let mut vacuum = self.connection.prepare("PRAGMA incremental_vacuum")?;
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(removed as u64)
    }

    /// Bytes of the file, as SQLite counts them.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn size(&self) -> Result<u64, HistoryError> {
        let ask = |pragma| self.connection.pragma_query_value(None, pragma, |row| row.get::<_, u64>(0));
        Ok(ask("page_count")? * ask("page_size")?)
    }

    /// Lets the file grow to so many pages only, as a full disk would.
    #[cfg(test)]
    fn limit(&self, pages: u32) {
        self.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    }
}

fn put_event(new: &Transaction<'_>, target: i64, run: u64, event: &mut Event) -> Result<(), HistoryError> {
    let next: Option<u64> = new
        .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'events'", [], |row| row.get(0))
        .optional()?;
    event.id = next.unwrap_or(0) + 1;
    event.recorded = true;
    new.execute(
        "INSERT INTO events (id, target, run, event) VALUES (?1, ?2, ?3, ?4)",
        params![event.id, target, run, json(event)?],
    )?;
    Ok(())
}

/// Refuses a file whose first bytes are no history's. SQLite keeps both numbers there: big-endian, at 60 the form, at 68 the
/// owner.
fn check_header(file: &mut File) -> Result<(), HistoryError> {
    let mut head = Vec::new();
    std::io::Read::take(&mut *file, 100).read_to_end(&mut head).map_err(HistoryError::Unopened)?;
    if head.is_empty() {
        return Ok(());
    }
    if !head.starts_with(b"SQLite format 3\0") {
        return Err(HistoryError::Foreign);
    }
    let number =
        |at: usize| head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes);
    match (number(68), number(60)) {
        (Some(APPLICATION), Some(form)) if form > FORM => Err(HistoryError::Newer(form)),
        (Some(APPLICATION), Some(_)) => Ok(()),
        (None, _) | (_, None) => Err(HistoryError::Damaged("it ends inside its header".into())),
        _ => Err(HistoryError::Foreign),
    }
}

/// The file beside a history with this ending.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// A path inside a URI.
fn escaped(path: &Path) -> String {
    let mut out = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                out.push(char::from(*byte))
            }
            other => out.push_str(&format!("%{other:02x}")),
        }
    }
    out
}

fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn json(value: &impl serde::Serialize) -> Result<String, HistoryError> {
    serde_json::to_string(value).map_err(|error| HistoryError::Other(error.to_string()))
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, HistoryError> {
    serde_json::from_str(text).map_err(|error| HistoryError::Damaged(error.to_string()))
}

/// Why runs could not be written out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The output.
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

#[cfg(test)]
mod tests;
