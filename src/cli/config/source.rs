//! Where settings come from: one file and the environment, read whole before anything is done.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::flags::{Flag, PREFIX, TAKEN, nearest};
use crate::cli::failure::{Failure, error_text};
use crate::cli::opt_out::usual;

/// The variable that names another file; empty: no file.
pub const ELSEWHERE: &str = "LASTHOP_CONFIG";
/// No file of settings is longer, in bytes.
const LONGEST: u64 = 1 << 20;

/// A value, or several, and where they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The values, as words.
    pub values: Vec<String>,
    /// Where: `LASTHOP_DB`, or `/home/me/.config/lasthop/config.toml, line 3: confidence`.
    pub place: String,
    /// From the environment.
    pub from_environment: bool,
    /// Of two that are given, the higher holds.
    pub rank: u8,
}

/// One key of the file.
#[derive(Clone, Debug)]
struct Entry {
    /// Empty at the top of the file.
    section: String,
    key: String,
    values: Vec<String>,
    place: String,
}

/// What is set.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The file, and whether it is there.
    pub file: Option<(PathBuf, bool)>,
    entries: Vec<Entry>,
    variables: Vec<(String, Vec<String>)>,
}

impl Settings {
    /// Reads the file and the environment.
    ///
    /// # Errors
    /// A file that cannot be read, that somebody else may write, that is no TOML, or that has a key that no flag has.
    pub fn read(known: &[Flag]) -> Result<Self, Failure> {
        let (path, named) = match std::env::var_os(ELSEWHERE) {
            Some(none) if none.is_empty() => (None, false),
            Some(path) => (Some(PathBuf::from(path)), true),
            None => (usual("XDG_CONFIG_HOME", ".config", "config.toml"), false),
        };
        let text = path.as_deref().map(|path| contents(path, named)).transpose()?.flatten();
        let entries = match (&path, &text) {
            (Some(path), Some(text)) => entries(path, text, known)?,
            _ => Vec::new(),
        };
        Ok(Self {
            file: path.map(|path| (path, text.is_some())),
            entries,
            variables: variables(std::env::vars_os()),
        })
    }

    /// What holds for a flag, the default left aside.
    pub fn of(&self, flag: &Flag) -> Option<Given> {
        for (at, name) in flag.variables().iter().enumerate() {
            let found = self.variables.iter().find(|(known, _)| known == name);
            if let Some((_, values)) = found {
                return Some(Given {
                    values: values.iter().map(|value| spoken(flag, value)).collect(),
                    place: name.clone(),
                    from_environment: true,
                    rank: 4 - at as u8,
                });
            }
        }
        let (section, key) = (flag.section(), &flag.key);
        let of =
            |section: &str| self.entries.iter().find(|entry| entry.section == section && entry.key == *key);
        let own = of(&section).map(|entry| (entry, 2));
        let (entry, rank) = own.or_else(|| of("").filter(|_| flag.general.key).map(|entry| (entry, 1)))?;
        let folder = self.file.as_ref().and_then(|(path, _)| path.parent());
        let values = match (flag.is_path, folder) {
            (true, Some(folder)) => entry.values.iter().map(|value| beside(folder, value)).collect(),
            _ => entry.values.clone(),
        };
        Some(Given { values, place: entry.place.clone(), from_environment: false, rank })
    }

    /// Variables that begin like ours and are no flag's, with the name that may be meant.
    pub fn unknown(&self, known: &[Flag]) -> Vec<(String, Option<String>)> {
        let names: Vec<String> = known.iter().flat_map(Flag::variables).collect();
        let strange = self.variables.iter().map(|(name, _)| name).filter(|name| {
            !names.contains(name) && !TAKEN.iter().any(|taken| name.strip_prefix(PREFIX) == Some(taken))
        });
        strange
            .map(|name| (name.clone(), nearest(name, names.iter().map(String::as_str)).map(str::to_owned)))
            .collect()
    }
}

/// Words that mean true and false in an environment.
fn spoken(flag: &Flag, value: &str) -> String {
    use super::flags::Shape;
    match (flag.shape, value.to_ascii_lowercase().as_str()) {
        (Shape::Switch, "1" | "true" | "yes" | "on") => "true".to_owned(),
        (Shape::Switch, "0" | "false" | "no" | "off") => "false".to_owned(),
        _ => value.to_owned(),
    }
}

/// Our variables; one that is empty is not set, one that begins with `[` is a list. What looks like a list and is none is one
/// value, which the flag's own parser may refuse.
fn variables(all: impl Iterator<Item = (OsString, OsString)>) -> Vec<(String, Vec<String>)> {
    let ours = all.filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
        let value = value.to_string_lossy().into_owned();
        (!value.is_empty()).then_some((name, value))
    });
    let list = |value: &str| {
        let list = DeValue::parse(value).ok().filter(|_| value.starts_with('['))?;
        words(list.get_ref()).ok()
    };
    let mut found: Vec<_> =
        ours.map(|(name, value)| (name, list(value.trim()).unwrap_or_else(|| vec![value.clone()]))).collect();
    found.sort();
    found
}

/// The text of the file; none if it is not there and nobody named it.
fn contents(path: &Path, named: bool) -> Result<Option<String>, Failure> {
    let unusable = |problem: &str, hint: String| {
        Failure::environment(
            "settings",
            format!("cannot use the settings in {}: {problem}", path.display()),
            Some(hint),
        )
    };
    let do_without = || format!("correct it, or do without: {ELSEWHERE}= lasthop …");
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => return Ok(None),
        // A home that cannot even be looked into is somebody else's: HOME was kept across a change of the user.
        Err(error)
            if error.kind() == io::ErrorKind::PermissionDenied && !named && path.metadata().is_err() =>
        {
            return Ok(None);
        }
        Err(error) => return Err(unusable(&error_text(&error), do_without())),
    };
    let about = file.metadata().map_err(|error| unusable(&error_text(&error), do_without()))?;
    let me = nix::unistd::geteuid().as_raw();
    // Who can write it can steer this program, as root even.
    if about.uid() != me && about.uid() != 0 {
        let problem = "it belongs to somebody else than who runs the program";
        let hint = format!("run it as the owner, or do without: {ELSEWHERE}= lasthop …");
        return Err(unusable(problem, hint));
    }
    let others = if me == 0 { 0o022 } else { 0o002 };
    if about.is_file() && about.mode() & others != 0 {
        return Err(unusable("others may write it", format!("chmod go-w {}", path.display())));
    }
    if about.len() > LONGEST {
        return Err(unusable("it is too large", do_without()));
    }
    let mut text = String::new();
    let read = (&mut file).take(LONGEST).read_to_string(&mut text);
    read.map_err(|error| unusable(&error_text(&error), do_without()))?;
    Ok(Some(text))
}

fn entries(path: &Path, text: &str, known: &[Flag]) -> Result<Vec<Entry>, Failure> {
    let line_of = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let place = |at: usize| format!("{}, line {}", path.display(), line_of(at));
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        Failure::usage(
            format!("{}: {}", place(at), error.message()),
            "the file is TOML: key = value, and [command] above the keys of one command",
        )
    })?;
    let mut sections: Vec<String> = known.iter().map(Flag::section).collect();
    sections.dedup();
    let mut found = Vec::new();
    let mut take = |section: &str, key: &str, at: usize, value: &DeValue<'_>| -> Result<(), Failure> {
        let key = key.replace('_', "-");
        let fits = |flag: &&Flag| match section {
            "" => flag.general.key,
            section => flag.section() == section,
        };
        let flags: Vec<&Flag> = known.iter().filter(fits).collect();
        let place = format!("{}: {key}", place(at));
        let Some(flag) = flags.iter().find(|flag| flag.key == key) else {
            return Err(unknown(&place, section, &key, &flags, known));
        };
        if let Some(why) =
            flag.refused.filter(|_| flags.iter().all(|flag| flag.key != key || flag.refused.is_some()))
        {
            return Err(Failure::usage(
                format!("{place} cannot be set: {why}"),
                format!("take it out, and say {} on the command line", flag.words),
            ));
        }
        let values = words(value).map_err(|wrong| {
            Failure::usage(
                format!("{place}: {wrong}"),
                "write text, a number, true, false, or a list of them",
            )
        })?;
        found.push(Entry { section: section.to_owned(), key, values, place });
        Ok(())
    };
    for (key, value) in table.get_ref() {
        let (name, at) = (key.get_ref().as_ref(), key.span().start);
        match value.get_ref() {
            DeValue::Table(inner) if sections.iter().any(|section| section == name) => {
                for (key, value) in inner {
                    take(name, key.get_ref(), key.span().start, value.get_ref())?;
                }
            }
            DeValue::Table(_) => {
                let near = nearest(name, sections.iter().map(String::as_str));
                let hint = near.map_or_else(
                    || format!("sections are {}", sections.join(", ")),
                    |near| format!("did you mean [{near}]?"),
                );
                return Err(Failure::usage(format!("{}: there is no command [{name}]", place(at)), hint));
            }
            other => take("", name, at, other)?,
        }
    }
    Ok(found)
}

/// A key that no flag has, with what may be meant.
fn unknown(place: &str, section: &str, key: &str, flags: &[&Flag], known: &[Flag]) -> Failure {
    let near = nearest(key, flags.iter().map(|flag| flag.key.as_str()));
    let elsewhere: Vec<String> = known.iter().filter(|flag| flag.key == key).map(Flag::section).collect();
    let hint = match (near, elsewhere.as_slice()) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, [first, ..]) => format!("it is a key of [{first}]"),
        (None, []) => {
            let of = if section.is_empty() { "COMMAND" } else { section };
            format!("lasthop config {of} lists the keys")
        }
    };
    let whose = if section.is_empty() { "no command has a".to_owned() } else { format!("{section} has no") };
    Failure::usage(format!("{place} is no key: {whose} flag of that name"), hint)
}

/// A value as the words that would be written on a command line.
fn words(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    Ok(match value {
        DeValue::Array(list) => {
            let each = list.iter().map(|one| match one.get_ref() {
                DeValue::Array(_) => Err("a list inside a list means nothing here".to_owned()),
                other => words(other),
            });
            each.collect::<Result<Vec<_>, _>>()?.concat()
        }
        DeValue::String(text) => vec![text.to_string()],
        DeValue::Boolean(truth) => vec![truth.to_string()],
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            vec![parsed.map_err(|_| "the number is too large".to_owned())?.to_string()]
        }
        DeValue::Float(number) => vec![number.as_str().to_owned()],
        DeValue::Datetime(day) => vec![day.to_string()],
        DeValue::Table(_) => return Err("a section of a section means nothing here".to_owned()),
    })
}

/// A path of the file: `~/` is the home, one that is not absolute begins where the file is.
fn beside(folder: &Path, value: &str) -> String {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    let path = match value.strip_prefix("~/") {
        Some(rest) => home().map(|home| home.join(rest)),
        None if value == "-" => None,
        None => Some(folder.join(value)),
    };
    path.map_or_else(|| value.to_owned(), |path| path.to_string_lossy().into_owned())
}
