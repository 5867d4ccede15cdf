//! What keeps a file from being imported, and the way out.

use std::fmt;
use std::io;

/// Why a file yields no traces.
#[derive(Debug)]
pub struct Error {
    /// What is wrong.
    pub problem: Problem,
    /// The line (of binary formats: record) it was found at, counted from 1.
    pub line: Option<u64>,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Reading(io::Error),
    /// More than a text may have.
    #[error("it is longer than 64 MiB, which no traceroute is")]
    TooLarge,
    /// Nothing that is known.
    #[error("it is none of the formats known")]
    Unknown,
    /// A format that is known and cannot serve.
    #[error("{0}")]
    Refused(String),
    /// Too much of it was not understood.
    #[error(
        "it looks like {dialect}, but {lines} of {of} lines were not understood, the first of them line {first}"
    )]
    TooDoubtful {
        /// The best guess.
        dialect: String,
        /// Lines not understood.
        lines: u64,
        /// Lines that are not blank.
        of: u64,
        /// The first one not understood.
        first: u64,
    },
    /// A known format, broken.
    #[error("it is no whole {format}: {what}")]
    Broken {
        /// The format.
        format: &'static str,
        /// What is wrong.
        what: String,
    },
    /// A known format without a trace in it.
    #[error("it is {0}, without a trace in it")]
    Empty(&'static str),
}

impl Error {
    /// A problem of the whole file.
    #[must_use]
    pub const fn new(problem: Problem) -> Self {
        Self { problem, line: None }
    }

    /// A problem at a line.
    #[must_use]
    pub const fn at(line: u64, problem: Problem) -> Self {
        Self { problem, line: Some(line) }
    }

    /// Reading failed.
    #[must_use]
    pub const fn reading(error: io::Error) -> Self {
        Self::new(Problem::Reading(error))
    }

    /// The way out.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self.problem {
            Problem::Reading(_) => "check the file, or copy it again",
            Problem::TooLarge => "cut out the part with the traceroute",
            Problem::Unknown => {
                "give the output of a traceroute, mtr, tracert, a router, RIPE Atlas, Globalping or scamper as it was printed"
            }
            Problem::Refused(_) => "give the output of an ordinary traceroute",
            Problem::TooDoubtful { .. } => {
                "give the output as it was printed, whole and without line breaks put in"
            }
            Problem::Broken { .. } => "download or copy it again, whole",
            Problem::Empty(_) => "give a file with at least one traceroute in it",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        self.problem.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Reading(error) => Some(error),
            _ => None,
        }
    }
}
