//! What a report is of: one run or several, fresh or read back from a file.
//!
//! Saved documents may be of another version, damaged, or made to do harm. Reading ignores fields it does not know, keeps
//! words it does not know, and refuses what no measurement gives: each writer may then rely on the bounds below.

use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::trace::schema::{Document, Path, RUN, SET, Set};

/// The largest file that is read, in bytes.
pub const LARGEST: u64 = 64 << 20;
/// Most runs of a file that has one a line.
const MOST_LINES: usize = 10_000;
/// The longest round-trip time that is believed: a day.
const LONGEST_MS: f64 = 86_400_000.0;

/// One run or several, with what they say together.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// The runs, at least one unless the set was empty.
    pub documents: Vec<Document>,
    /// The conclusion of a set, as it is written there: an object with `kind`, `asns`, `summary` and more.
    pub conclusion: Option<Value>,
    /// It is a set, be it of one run.
    pub is_set: bool,
    /// The text it was read from: written back as JSON it loses nothing.
    pub(super) text: Option<String>,
}

impl From<Document> for Runs {
    fn from(document: Document) -> Self {
        Self { documents: vec![document], ..Self::default() }
    }
}

/// Why a saved document cannot be read. Each says where, and what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// More bytes than any report has.
    #[error("it is larger than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// Bytes that are no text.
    #[error("byte {0} is no UTF-8: it is no JSON text")]
    NotText(usize),
    /// Not JSON, or a value of the wrong type; says line and column.
    #[error("{0}")]
    Json(serde_json::Error),
    /// JSON, but not ours.
    #[error("it has no \"schema\" of {RUN} or {SET}")]
    Foreign,
    /// Ours, but of a form this version does not know.
    #[error("it has the form {0}, and this version reads {RUN} and {SET}")]
    Newer(String),
    /// A value that no measurement gives.
    #[error("{place}: {what}")]
    Value {
        /// Where, as `runs[2].target.hops[4].ttl`.
        place: String,
        /// What is wrong with it.
        what: String,
    },
}

impl ReadError {
    /// The way out.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge => "give one run, as `lasthop diagnose -o run.json` writes it",
            Self::Newer(_) => "use the version of lasthop that wrote it, or a newer one",
            Self::NotText(_) | Self::Json(_) | Self::Foreign | Self::Value { .. } => {
                "give a run that `lasthop diagnose --json` or `-o run.json` wrote, unchanged"
            }
        }
    }
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    schema: Option<String>,
}

impl Runs {
    /// Several runs, with what they say together.
    #[must_use]
    pub const fn set(documents: Vec<Document>, conclusion: Option<Value>) -> Self {
        Self { documents, conclusion, is_set: true, text: None }
    }

    /// Fresh runs: a set with what they say together, or, of one alone, that run.
    #[must_use]
    pub fn of(documents: Vec<Document>, conclusion: Option<Value>) -> Self {
        let is_set = documents.len() != 1;
        Self { documents, conclusion, is_set, text: None }
    }

    /// Reads a saved run or set.
    ///
    /// # Errors
    /// [`ReadError`], which names the place.
    pub fn read(bytes: Vec<u8>) -> Result<Self, ReadError> {
        if bytes.len() as u64 > LARGEST {
            return Err(ReadError::TooLarge);
        }
        let text =
            String::from_utf8(bytes).map_err(|error| ReadError::NotText(error.utf8_error().valid_up_to()))?;
        // Some editors put a byte order mark before it.
        let json = text.strip_prefix('\u{feff}').unwrap_or(&text);
        if let Some(runs) = Self::lines(json)? {
            return Ok(runs);
        }
        serde_json::from_str::<IgnoredAny>(json).map_err(ReadError::Json)?;
        let head: Head = serde_json::from_str(json).map_err(|_| ReadError::Foreign)?;
        let mut runs = match head.schema.as_deref() {
            Some(RUN) => Self::from(serde_json::from_str::<Document>(json).map_err(ReadError::Json)?),
            Some(SET) => {
                let set: Set = serde_json::from_str(json).map_err(ReadError::Json)?;
                Self { documents: set.runs, conclusion: set.conclusion, is_set: true, text: None }
            }
            Some(other) if other.starts_with("lasthop.") => {
                return Err(ReadError::Newer(super::escape::clip(other).into_owned()));
            }
            _ => return Err(ReadError::Foreign),
        };
        for (at, document) in runs.documents.iter().enumerate() {
            let place = if runs.is_set { format!("runs[{at}].") } else { String::new() };
            check(document, &place)?;
        }
        runs.text = Some(json.to_owned());
        Ok(runs)
    }
}

impl Runs {
    /// Runs one a line, as `watch export` writes them; none if it is anything else. Two at least: one is a document.
    fn lines(json: &str) -> Result<Option<Self>, ReadError> {
        let mut lines = json.lines().filter(|line| !line.trim().is_empty());
        let is_run = |line: &str| {
            serde_json::from_str::<Head>(line).is_ok_and(|head| head.schema.as_deref() == Some(RUN))
        };
        if !lines.next().is_some_and(is_run) || lines.next().is_none() {
            return Ok(None);
        }
        let mut documents = Vec::new();
        for (at, line) in json.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let document: Document =
                serde_json::from_str(line).map_err(|error| wrong(format_args!("line {}", at + 1), error))?;
            check(&document, &format!("line {}: ", at + 1))?;
            documents.push(document);
            if documents.len() > MOST_LINES {
                return Err(wrong("the file", format_args!("has more than {MOST_LINES} runs")));
            }
        }
        Ok(Some(Self::set(documents, None)))
    }
}

fn wrong(place: impl fmt::Display, what: impl fmt::Display) -> ReadError {
    ReadError::Value { place: place.to_string(), what: what.to_string() }
}

/// Refuses what would make a writer write nonsense, or without end.
fn check(document: &Document, place: &str) -> Result<(), ReadError> {
    if document.schema != RUN {
        return Err(wrong(format_args!("{place}schema"), format_args!("is not {RUN}")));
    }
    if let Some(target) = &document.target {
        path(target, &format!("{place}target"))?;
    }
    for (at, reference) in document.references.iter().enumerate() {
        path(reference, &format!("{place}references[{at}]"))?;
    }
    let Some(verdict) = &document.verdict else { return Ok(()) };
    let shares = [
        ("location_confidence", verdict.location_confidence),
        ("attribution_confidence", verdict.attribution_confidence),
        ("evidence.posterior", verdict.evidence.posterior),
    ];
    for (name, share) in shares {
        if !(0.0..=1.0).contains(&share) {
            return Err(wrong(
                format_args!("{place}verdict.{name}"),
                format_args!("{share} is no share from 0 to 1"),
            ));
        }
    }
    if verdict.evidence.e_value.is_nan() || verdict.evidence.e_value < 0.0 {
        return Err(wrong(format_args!("{place}verdict.evidence.e_value"), "is below 0"));
    }
    Ok(())
}

fn path(path: &Path, place: &str) -> Result<(), ReadError> {
    let mut before = None;
    for (at, hop) in path.hops.iter().enumerate() {
        if before.is_some_and(|before| before >= hop.ttl) {
            return Err(wrong(
                format_args!("{place}.hops[{at}].ttl"),
                format_args!("{} comes behind a hop that is not nearer", hop.ttl),
            ));
        }
        before = Some(hop.ttl);
        for (who, responder) in hop.responders.iter().enumerate() {
            let Some(rtt) = responder.rtt_ms else { continue };
            let believed = |time: f64| (0.0..=LONGEST_MS).contains(&time);
            if !(believed(rtt.min) && believed(rtt.avg) && believed(rtt.max)) {
                return Err(wrong(
                    format_args!("{place}.hops[{at}].responders[{who}].rtt_ms"),
                    "is no time from 0 ms to a day",
                ));
            }
        }
    }
    Ok(())
}
