//! Is an address, a subnet around it, or a name on a published list of what is to be blocked?
//!
//! A path that stops inside an operator may stop because a register told the operator to stop it. Such registers are
//! published, or leak, as files of hundreds of megabytes; this room reads one of them once, front to back, and keeps only
//! what was asked for. It says what stands in *this file of this date*, and never that something is or is not blocked: a
//! row about a domain that carries an address is no order to block the address, and a list that somebody aggregated lists
//! neighbours too. That is why a match has a [`Level`], and why "not listed" is said of the file alone.
//!
//! * `zapret`: `dump.csv` as the zapret-info mirror of the Russian register publishes it
//! * `xml`: `dump.xml`, the register's own form for operators
//! * `plain`: one item a line, with the forms of ipset, nftables, RouterOS and OpenVPN
//! * `profile`: any other CSV, described by a few lines of TOML
//!
//! No reader panics on any bytes, and none holds more than one row: a row longer than [`LONGEST_ROW`] is passed over and
//! counted. What was not understood is counted by reason, with the line of the first.

mod item;
mod lines;
mod name;
mod plain;
mod profile;
#[cfg(test)]
mod tests;
mod xml;
mod zapret;

use std::fmt;
use std::io::{self, BufRead};
use std::net::IpAddr;

use item::Item;
pub use profile::{Profile, ProfileError};

/// The most bytes of one row, 4 MiB. The longest of a real register, with thousands of addresses, has a tenth of that.
pub const LONGEST_ROW: usize = 4 << 20;

/// Bytes at the beginning by which a format is known.
pub const HEAD: usize = 64 << 10;

/// Matches that are kept; more are counted.
pub const MOST_MATCHES: usize = 100;

/// The most characters kept of an entry, a decision or an authority.
const LONGEST_TEXT: usize = 200;

/// What is asked of a file.
#[derive(Clone, Debug, Default)]
pub struct Question {
    addresses: Vec<IpAddr>,
    names: Vec<name::Wanted>,
}

impl Question {
    /// Asks for these addresses, and for these names of hosts; a name that is an address is asked for as one. Names match
    /// whatever their case, and whether they are written in ASCII (RFC 3492) or in their own letters.
    pub fn new<'a>(
        addresses: impl IntoIterator<Item = IpAddr>,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut addresses: Vec<IpAddr> =
            addresses.into_iter().map(|address| address.to_canonical()).collect();
        let mut wanted = Vec::new();
        for text in names {
            match text.parse::<IpAddr>() {
                Ok(address) => addresses.push(address.to_canonical()),
                Err(_) => wanted.extend(name::Wanted::new(text)),
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        wanted.sort_unstable_by(|one, other| one.asked.cmp(&other.asked));
        wanted.dedup_by(|one, other| one.asked == other.asked);
        Self { addresses, names: wanted }
    }
}

/// How an entry of a file matches what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The address itself is an entry.
    Address,
    /// A subnet or range around the address is an entry.
    Subnet,
    /// The address, or a subnet around it, stands in an entry that is about a domain or a URL.
    UnderEntry,
    /// The name is an entry.
    Name,
    /// A mask (`*.example.net`) covers the name.
    NameMask,
    /// A page of that name is an entry, and the name is not.
    Url,
}

impl Level {
    /// The word for programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Subnet => "subnet",
            Self::UnderEntry => "under_entry",
            Self::Name => "name",
            Self::NameMask => "name_mask",
            Self::Url => "url",
        }
    }
}

/// One row that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// How.
    pub level: Level,
    /// The address or name that was asked for.
    pub asked: String,
    /// What stands in the file.
    pub entry: String,
    /// The line, counted from 1; of XML, the entry.
    pub line: u64,
    /// Number of the decision, where the file has one.
    pub decision: Option<String>,
    /// Its date, as it stands in the file.
    pub date: Option<String>,
    /// Whose decision it is.
    pub authority: Option<String>,
}

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `dump.csv` of the zapret-info mirror.
    ZapretCsv,
    /// `dump.xml` for operators.
    Xml,
    /// One item a line.
    PlainList,
    /// What a [`Profile`] describes.
    Profile,
}

impl Format {
    /// The word for programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ZapretCsv => "zapret-csv",
            Self::Xml => "register-xml",
            Self::PlainList => "plain-list",
            Self::Profile => "csv-profile",
        }
    }

    /// The format of that name, for those who know better than the beginning of the file.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::ZapretCsv, Self::Xml, Self::PlainList].into_iter().find(|format| format.word() == word)
    }

    /// Told by the beginning of a file. A list without form is taken for one item a line; [`read`] refuses it if it is not.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        let begins = |word: &str| {
            text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
        };
        if begins("<!doctype html") || begins("<html") {
            return None;
        }
        if begins("<?xml") || begins("<reg:") || begins("<register") {
            return memchr::memmem::find(text, b"register").map(|_| Self::Xml);
        }
        if begins("Updated:") || text.split(|byte| *byte == b'\n').take(3).any(zapret::looks_like_a_row) {
            return Some(Self::ZapretCsv);
        }
        (!begins("<") && !begins("{") && !text.contains(&0)).then_some(Self::PlainList)
    }
}

/// Why, and how often, something was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it is.
    pub what: &'static str,
    /// How often.
    pub count: u64,
    /// The first line (of XML: entry) that it happened on.
    pub first: u64,
}

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its form.
    pub format: Format,
    /// The date it gives itself, RFC 3339; of what it writes without a zone, as it stands there.
    pub dated: Option<String>,
    /// Rows that were understood.
    pub entries: u64,
    /// The first [`MOST_MATCHES`], in the order of the file.
    pub matches: Vec<Match>,
    /// Those beyond them.
    pub more: u64,
    /// What was passed over.
    pub warnings: Vec<Warning>,
}

/// Why a file says nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be read to its end.
    #[error("it cannot be read: {0}")]
    Reading(#[from] io::Error),
    /// No form that is known.
    #[error("it is no register and no list of addresses or names")]
    Unknown,
    /// Most of it is not what it should be.
    #[error("it looks like {}, but {bad} of {of} rows were not understood, the first of them at {first}", format.word())]
    Doubtful {
        /// The form it seemed to have.
        format: Format,
        /// Rows not understood.
        bad: u64,
        /// All rows.
        of: u64,
        /// The first one not understood.
        first: u64,
    },
    /// It ends where it should not, or is no XML.
    #[error("it is broken after entry {after}: {what}")]
    Broken {
        /// Entries until there.
        after: u64,
        /// What is wrong.
        what: String,
    },
    /// Nothing stands in it.
    #[error("it has not a single row")]
    Empty,
}

impl Error {
    /// The way out.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Reading(_) | Self::Broken { .. } => "download or copy it again, whole",
            Self::Unknown | Self::Doubtful { .. } => {
                "give dump.csv, dump.xml or a list with one item a line, or describe another CSV: --registry FILE,profile=PROFILE.toml"
            }
            Self::Empty => "give the file as it was published; an empty one lists nothing and proves nothing",
        }
    }
}

/// Reads a file, unpacked already, and answers the question from it.
///
/// ```
/// use lasthop::registry::{self, Format, Level, Question};
///
/// let question = Question::new(["198.51.100.7".parse()?], ["mx.example.net"]);
/// let list = b"# of today\n198.51.100.0/24\n*.example.net\n";
/// let found = registry::read(&mut list.as_slice(), Format::PlainList, &question)?;
/// let levels: Vec<Level> = found.matches.iter().map(|one| one.level).collect();
/// assert_eq!(levels, [Level::Subnet, Level::NameMask]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error`], if it cannot be read or is not of this form; then nothing may be said of what it lists.
pub fn read(input: &mut dyn BufRead, format: Format, question: &Question) -> Result<Found, Error> {
    let mut search = Search::new(format, question);
    match format {
        Format::ZapretCsv => zapret::read(input, &mut search)?,
        Format::Xml => xml::read(input, &mut search)?,
        Format::PlainList => plain::read(input, &mut search)?,
        Format::Profile => return Err(Error::Unknown),
    }
    search.finish()
}

/// Reads a CSV that a profile describes.
///
/// # Errors
/// As [`read`].
pub fn read_profile(input: &mut dyn BufRead, profile: &Profile, question: &Question) -> Result<Found, Error> {
    let mut search = Search::new(Format::Profile, question);
    profile.read(input, &mut search)?;
    search.finish()
}

/// What the readers fill in.
struct Search<'a> {
    question: &'a Question,
    found: Found,
    bad: u64,
    first_bad: u64,
}

/// What a row says beside its items; made only for rows that match.
#[derive(Default)]
struct Beside {
    decision: Option<String>,
    date: Option<String>,
    authority: Option<String>,
}

impl<'a> Search<'a> {
    fn new(format: Format, question: &'a Question) -> Self {
        let found =
            Found { format, dated: None, entries: 0, matches: Vec::new(), more: 0, warnings: Vec::new() };
        Self { question, found, bad: 0, first_bad: 0 }
    }

    /// An address or subnet of a row; `about_more`: the row is about a domain or a URL.
    fn item(
        &mut self,
        item: &Item,
        about_more: bool,
        line: u64,
        entry: &dyn fmt::Display,
        beside: &dyn Fn() -> Beside,
    ) {
        // Borrowed apart from `self`, which is written to below.
        let question = self.question;
        for asked in question.addresses.iter().filter(|asked| item.covers(**asked)) {
            let level = match (about_more, item.is_single()) {
                (true, _) => Level::UnderEntry,
                (false, true) => Level::Address,
                (false, false) => Level::Subnet,
            };
            self.hit(level, asked, line, entry, beside());
        }
    }

    /// A name of a row, as text.
    fn name(&mut self, text: &[u8], decode: name::Decode, line: u64, beside: &dyn Fn() -> Beside) {
        let question = self.question;
        for wanted in &question.names {
            if let Some(level) = wanted.matches(text, decode) {
                self.hit(level, &wanted.asked, line, &decode(text), beside());
            }
        }
    }

    /// A URL of a row without the name itself.
    fn url(&mut self, text: &[u8], decode: name::Decode, line: u64, beside: &dyn Fn() -> Beside) {
        let Some(host) = name::host_of(text) else { return };
        let question = self.question;
        for wanted in question.names.iter().filter(|wanted| wanted.is(host, decode)) {
            self.hit(Level::Url, &wanted.asked, line, &decode(text), beside());
        }
    }

    fn hit(
        &mut self,
        level: Level,
        asked: &dyn fmt::Display,
        line: u64,
        entry: &dyn fmt::Display,
        beside: Beside,
    ) {
        if self.found.matches.len() == MOST_MATCHES {
            self.found.more += 1;
            return;
        }
        let Beside { decision, date, authority } = beside;
        let entry = clip(&entry.to_string());
        let asked = asked.to_string();
        self.found.matches.push(Match { level, asked, entry, line, decision, date, authority });
    }

    /// Something was passed over.
    fn warn(&mut self, what: &'static str, line: u64) {
        match self.found.warnings.iter_mut().find(|warning| warning.what == what) {
            Some(warning) => warning.count += 1,
            None => self.found.warnings.push(Warning { what, count: 1, first: line }),
        }
    }

    /// A whole row was not understood.
    fn bad_row(&mut self, what: &'static str, line: u64) {
        self.warn(what, line);
        if self.bad == 0 {
            self.first_bad = line;
        }
        self.bad += 1;
    }

    /// More than a third not understood is another kind of file, and its silence says nothing.
    fn finish(self) -> Result<Found, Error> {
        let Self { found, bad, first_bad, .. } = self;
        let of = found.entries + bad;
        if bad * 3 > of {
            return Err(match found.entries {
                0 => Error::Unknown,
                _ => Error::Doubtful { format: found.format, bad, of, first: first_bad },
            });
        }
        // A dump of the mirror may have its date and nothing else.
        if of == 0 && found.dated.is_none() {
            return Err(Error::Empty);
        }
        Ok(found)
    }
}

/// A text without its blanks and beyond a length.
fn clip(text: &str) -> String {
    text.trim().chars().take(LONGEST_TEXT).collect()
}

/// A text, if there is any.
fn some(text: &str) -> Option<String> {
    let text = clip(text);
    (!text.is_empty()).then_some(text)
}
