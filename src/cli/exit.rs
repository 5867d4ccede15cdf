//! The exit statuses: one list for the program, its help and its man page.

use std::process::ExitCode;

use crate::verdict::Kind;

/// How the program ends. Part of the published contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The target answers; or a command that judges nothing did its work.
    Ok = 0,
    /// `demo`: the conclusion is not the scenario's.
    Differs = 1,
    /// Wrong arguments.
    Usage = 2,
    /// The environment does not allow it.
    Environment = 3,
    /// A file, or a line of input, that cannot be read as what it should be.
    Input = 4,
    /// `verify`: the evidence does not verify.
    Unverified = 5,
    /// Lost, and somebody is named.
    Named = 10,
    /// Lost, and nobody is accused.
    Unnamed = 11,
    /// Nothing can be concluded.
    Inconclusive = 12,
}

/// Shown in `--help` and the man page.
pub const LIST: &str = "\
Exit status:
   0  the target answers; demo: the conclusion is the scenario's; verify: it does;
      other commands: done
   1  demo: the conclusion is not the scenario's
   2  wrong arguments
   3  environment: no privilege, no route, no such interface, a name that does not
      resolve, an output that cannot be written
   4  bad input: a file, or a line of one
   5  verify: the evidence does not verify
  10  lost, and somebody is named: lost_inside_as, lost_at_as_border, rejected,
      injected, routing_fault, partial
  11  lost, and nobody is accused: lost_in_as_range, destination_network,
      host_or_return_path, intercepted, local
  12  inconclusive
A closed pipe is not an error.";

impl Exit {
    /// The status of a verdict.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Reachable => Self::Ok,
            Kind::Inconclusive => Self::Inconclusive,
            kind if kind.names_somebody() => Self::Named,
            _ => Self::Unnamed,
        }
    }
}

impl Exit {
    /// The status of a verdict of this word; `None` for a word that is no verdict's.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Kind::ALL.iter().find(|kind| kind.word() == word).map(|kind| Self::of(*kind))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
