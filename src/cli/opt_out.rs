//! Whom a search must never touch: a file that was named, and one that every user may have.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ipnetwork::IpNetwork;

use super::failure::{Failure, error_text};

/// A list longer than this is none that a person keeps.
const LONGEST: u64 = 16 << 20;

/// Opt-out lists, opened but not read.
#[derive(Debug)]
pub struct OptOut {
    files: Vec<(PathBuf, File)>,
}

impl OptOut {
    /// Opens the list that was named, and the user's own if there is one.
    ///
    /// # Errors
    /// If the one that was named, or the user's own, is there and cannot be opened: a list that is not heeded does harm.
    pub fn open(named: Option<&Path>) -> Result<Self, Failure> {
        let mut files = Vec::new();
        if let Some(path) = named {
            files.push((path.to_owned(), File::open(path).map_err(|error| unreadable(path, &error))?));
        }
        if let Some(path) = usual("XDG_CONFIG_HOME", ".config", "opt-out") {
            match File::open(&path) {
                Ok(file) => files.push((path, file)),
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err(unreadable(&path, &error)),
            }
        }
        Ok(Self { files })
    }

    /// The same where neighbours may be asked; else only if a list was named, which is then checked all the same. Whoever may not
    /// probe at all should hear of that before they hear of a list, so that what is wrong with one is told by
    /// [`read`](Wanted::read).
    pub fn wanted(searches: bool, named: Option<&Path>) -> Wanted {
        Wanted((searches || named.is_some()).then(|| Self::open(named)))
    }

    /// Reads them.
    ///
    /// # Errors
    /// The first line that is no address and no prefix.
    pub fn read(self) -> Result<Vec<IpNetwork>, Failure> {
        let mut all = Vec::new();
        for (path, file) in self.files {
            let mut text = String::new();
            file.take(LONGEST).read_to_string(&mut text).map_err(|error| unreadable(&path, &error))?;
            all.extend(parse(&text).map_err(|(number, line)| {
                Failure::input(
                    format!("{} line {number}: '{line}' is no address and no prefix", path.display()),
                    Some("write one a line, such as 192.0.2.1 or 192.0.2.0/24; # begins a comment".into()),
                )
            })?);
        }
        Ok(all)
    }
}

/// Opt-out lists that may be needed.
#[derive(Debug)]
pub struct Wanted(Option<Result<OptOut, Failure>>);

impl Wanted {
    /// Reads them; nothing where they are not needed.
    ///
    /// # Errors
    /// As [`OptOut::open`] and [`OptOut::read`].
    pub fn read(self) -> Result<Vec<IpNetwork>, Failure> {
        self.0.transpose()?.map_or_else(|| Ok(Vec::new()), OptOut::read)
    }
}

/// A file of this program in the user's directory of that kind; `None` for a user without a home.
pub fn usual(variable: &str, below_home: &str, name: &str) -> Option<PathBuf> {
    let given = |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = given(variable).or_else(|| given("HOME").map(|home| home.join(below_home)))?;
    Some(base.join("lasthop").join(name))
}

fn parse(text: &str) -> Result<Vec<IpNetwork>, (usize, String)> {
    let mut found = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let entry = line.split('#').next().unwrap_or("").trim();
        if entry.is_empty() {
            continue;
        }
        let bad = || (place + 1, entry.chars().take(60).collect());
        found.push(entry.parse().map_err(|_| bad())?);
    }
    Ok(found)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::input(
        format!("cannot read the opt-out list {}: {}", path.display(), error_text(error)),
        Some(
            "without it a search might touch whom it must not: correct it, or measure without both (--no-search)".into(),
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_prefixes_and_comments_are_read_and_a_bad_line_is_named() {
        let list = parse("# ours\n192.0.2.7\n\n198.51.100.0/24 # asked by phone\n2001:db8::/32\n").unwrap();
        let words: Vec<String> = list.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["192.0.2.7/32", "198.51.100.0/24", "2001:db8::/32"]);
        assert_eq!(parse("192.0.2.7\nmx.example\n"), Err((2, "mx.example".to_owned())));
        assert_eq!(parse("192.0.2.0/33"), Err((1, "192.0.2.0/33".to_owned())));
    }
}
