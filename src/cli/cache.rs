//! What searches have found, for a day: a prefix is asked once, whatever is measured in it meanwhile.
//!
//! The file is a convenience and a politeness, never evidence: what it names is measured anew like any reference. So
//! whatever is wrong with it is said in a line and costs a search at most. It is read and written after all privilege is
//! gone, as whoever started the program.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::failure::error_text;
use super::{opt_out, output};
use crate::report::safe;
use crate::session::Searched;
use crate::session::search::{Hit, Known, Outcome, Rank};
use crate::trace::{Protocol, WallTime};

/// The value of `schema` in the file.
const SCHEMA: &str = "lasthop.references/1";
/// How long a search holds, in nanoseconds.
const DAY: i64 = 86_400 * 1_000_000_000;
/// Searches kept.
const MOST: usize = 1000;
/// A file longer than this is not ours.
const LONGEST: u64 = 4 << 20;

/// The file, or none.
#[derive(Debug)]
pub struct Cache {
    path: Option<PathBuf>,
}

/// What a search is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The announced prefix.
    pub prefix: IpNetwork,
    /// Protocol.
    pub protocol: Protocol,
    /// Port.
    pub port: Option<u16>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    schema: String,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    prefix: IpNetwork,
    protocol: Protocol,
    port: Option<u16>,
    searched_at: String,
    found: Vec<Neighbour>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Neighbour {
    address: IpAddr,
    why: String,
    outcome: String,
}

impl Cache {
    /// The user's cache; with `none`, one that keeps nothing.
    pub fn of_user(none: bool) -> Self {
        let path = if none { None } else { opt_out::usual("XDG_CACHE_HOME", ".cache", "references.json") };
        Self { path }
    }

    /// The folder that it is kept in, made if it can be: a run that has confined itself could not.
    pub fn folder(&self) -> Option<PathBuf> {
        let folder = self.path.as_deref()?.parent()?;
        fs::create_dir_all(folder).ok()?;
        Some(folder.to_owned())
    }

    /// What a search for this has found within the day before `now`.
    pub fn find(&self, key: Key, now: WallTime) -> Option<Known> {
        let path = self.path.as_deref()?;
        let content = read(path).unwrap_or_else(|problem| {
            say(path, &problem);
            None
        })?;
        let entry = content.entries.iter().find(|entry| entry.is_for(key) && entry.holds(now))?;
        let found = entry.found.iter().filter_map(|neighbour| {
            let (rank, outcome) = (Rank::of_word(&neighbour.why)?, Outcome::of_word(&neighbour.outcome)?);
            let (host, address) = (neighbour.address.to_string(), neighbour.address);
            Some(Hit { host, address, port: None, rank, outcome })
        });
        Some(Known { searched_at: WallTime::parse(&entry.searched_at)?, found: found.collect() })
    }

    /// Keeps what a search has found.
    pub fn keep(&self, key: Key, searched: &Searched) {
        let Some(path) = self.path.as_deref() else { return };
        // Another run may have written since; a file that cannot be read was complained of before.
        let mut entries = read(path).ok().flatten().map_or_else(Vec::new, |content| content.entries);
        entries.retain(|entry| !entry.is_for(key) && entry.holds(searched.searched_at));
        let found = searched.neighbours().map(|hit| Neighbour {
            address: hit.address,
            why: hit.rank.word().to_owned(),
            outcome: hit.outcome.word().to_owned(),
        });
        entries.insert(
            0,
            Entry {
                prefix: key.prefix,
                protocol: key.protocol,
                port: key.port,
                searched_at: searched.searched_at.rfc3339(),
                found: found.collect(),
            },
        );
        entries.truncate(MOST);
        let content = Content { schema: SCHEMA.to_owned(), entries };
        if let Err(error) = write(path, &content) {
            output::talk(&format!(
                "the result of the search is not kept: cannot write {}: {}",
                safe(&path.display().to_string()),
                error_text(&error)
            ));
        }
    }
}

impl Entry {
    fn is_for(&self, key: Key) -> bool {
        (self.prefix, self.protocol, self.port) == (key.prefix, key.protocol, key.port)
    }

    /// A time that is yet to come is no search that was made.
    fn holds(&self, now: WallTime) -> bool {
        WallTime::parse(&self.searched_at).is_some_and(|at| (0..DAY).contains(&now.0.saturating_sub(at.0)))
    }
}

/// The content; `None` if there is no file.
fn read(path: &Path) -> Result<Option<Content>, String> {
    let size = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(_) => return Err("it is no file".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error_text(&error)),
    };
    if size > LONGEST {
        return Err("it is too long".to_owned());
    }
    let text = fs::read(path).map_err(|error| error_text(&error))?;
    let content: Content =
        serde_json::from_slice(&text).map_err(|_| "it is not what this program writes".to_owned())?;
    if content.schema != SCHEMA {
        return Err("it is of another version".to_owned());
    }
    Ok(Some(content))
}

/// Writes a file beside it and puts that in its place: whoever reads meanwhile finds the old one or the new one.
fn write(path: &Path, content: &Content) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Err(io::ErrorKind::InvalidInput.into()) };
    fs::create_dir_all(folder)?;
    let beside = folder.join(format!(".references.{}.{:016x}", std::process::id(), rand::random::<u64>()));
    let done = fs::File::options().write(true).create_new(true).open(&beside).and_then(|mut file| {
        serde_json::to_writer_pretty(&mut file, content)?;
        file.write_all(b"\n")?;
        fs::rename(&beside, path)
    });
    if done.is_err() {
        // What was begun is of no use to anybody; if it cannot be removed either, nothing more can be done.
        let _ = fs::remove_file(&beside);
    }
    done
}

fn say(path: &Path, problem: &str) {
    output::talk(&format!(
        "the cache of references {} is ignored: {problem}",
        safe(&path.display().to_string())
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key { prefix: "192.0.2.0/24".parse().unwrap(), protocol: Protocol::Tcp, port: Some(25) }
    }

    fn searched(at: i64, found: &[&str]) -> Searched {
        let found = found.iter().map(|address| Hit {
            host: (*address).to_owned(),
            address: address.parse().unwrap(),
            port: None,
            rank: Rank::Bracket,
            outcome: Outcome::Open,
        });
        Searched {
            prefix: Some(key().prefix),
            from_cache: false,
            searched_at: WallTime(at),
            touched: Vec::new(),
            found: found.collect(),
            cut_short: false,
        }
    }

    #[test]
    fn a_search_holds_for_a_day_and_an_empty_one_too() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache { path: Some(folder.path().join("lasthop/references.json")) };
        let began = 1_551_600_000_000_000_000;
        assert_eq!(cache.find(key(), WallTime(began)), None);
        cache.keep(key(), &searched(began, &["192.0.2.9"]));
        let known = cache.find(key(), WallTime(began + DAY - 1)).unwrap();
        assert_eq!((known.searched_at, known.found.len()), (WallTime(began), 1));
        assert_eq!(known.found[0].address, "192.0.2.9".parse::<IpAddr>().unwrap());
        assert_eq!(cache.find(key(), WallTime(began + DAY)), None, "it is over");
        assert_eq!(cache.find(key(), WallTime(began - 1)), None, "it is yet to come");
        let other = Key { port: Some(80), ..key() };
        assert_eq!(cache.find(other, WallTime(began)), None);
        cache.keep(other, &searched(began + 5, &[]));
        assert_eq!(cache.find(other, WallTime(began + 9)).unwrap().found, []);
        assert!(cache.find(key(), WallTime(began + 9)).is_some(), "one search does not forget another");
        let files: Vec<_> = fs::read_dir(folder.path().join("lasthop")).unwrap().collect();
        assert_eq!(files.len(), 1, "nothing is left beside it: {files:?}");
    }

    #[test]
    fn whatever_is_wrong_with_the_file_costs_a_search_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("references.json");
        let cache = Cache { path: Some(path.clone()) };
        for text in ["", "{", "[]", "{\"schema\":\"other/1\",\"entries\":[]}", "\u{0}\u{1}"] {
            fs::write(&path, text).unwrap();
            assert_eq!(cache.find(key(), WallTime(1)), None, "{text:?}");
        }
        cache.keep(key(), &searched(1, &["192.0.2.9"]));
        assert!(cache.find(key(), WallTime(2)).is_some(), "a foreign file is replaced by ours");
        let nowhere = Cache { path: Some(PathBuf::from("/proc/nowhere/references.json")) };
        nowhere.keep(key(), &searched(1, &[]));
        assert_eq!(nowhere.find(key(), WallTime(2)), None);
        assert_eq!(Cache { path: None }.find(key(), WallTime(2)), None);
    }
}
