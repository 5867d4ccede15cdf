//! What can go wrong between a publisher and a file, and the way out of each.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::address::Address;

/// Whose fault it is, as far as that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The network, the server, or a key that is missing or wrong.
    Network,
    /// What came is not what it should be.
    Content,
    /// The file system.
    File,
}

/// Why a file did not come. What there was before is untouched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection, or none that lasts until a response.
    #[error("cannot fetch {address}: {reason}")]
    Network {
        /// What was asked.
        address: Address,
        /// What the system or the other side said, keys taken out.
        reason: String,
    },
    /// The server answers, with something else than the file.
    #[error("{address} answers {status}{}", said(excerpt))]
    Status {
        /// What was asked, behind all redirections.
        address: Address,
        /// The status (RFC 9110 §15).
        status: u16,
        /// The beginning of what it says, keys taken out; foreign text, to be escaped.
        excerpt: String,
    },
    /// The server wants us to come back later than we are willing to wait.
    #[error("{address} answers {status} and wants {} s of patience", wait.as_secs())]
    Later {
        /// What was asked.
        address: Address,
        /// 429 or 503.
        status: u16,
        /// How long.
        wait: Duration,
    },
    /// More redirections than are followed, or one in a circle.
    #[error("{address} redirects {}", if *circle { "in a circle".to_owned() } else { format!("more than {limit} times") })]
    Redirects {
        /// Where it began.
        address: Address,
        /// The most that are followed.
        limit: u8,
        /// An address came twice.
        circle: bool,
    },
    /// A redirection to where we do not go.
    #[error("{from} redirects to {to}, {why}")]
    Redirect {
        /// What was asked.
        from: Address,
        /// Where it points; foreign text, to be escaped.
        to: String,
        /// Why not.
        why: &'static str,
    },
    /// A key would travel in the clear.
    #[error("{address} would send the key in the clear")]
    Clear {
        /// What was to be asked.
        address: Address,
    },
    /// The connection broke, each time.
    #[error("{address} was cut after {got} bytes{}: {reason}", of(*total))]
    Cut {
        /// What was asked.
        address: Address,
        /// Bytes there, which are kept.
        got: u64,
        /// Bytes there should be.
        total: Option<u64>,
        /// What happened.
        reason: String,
    },
    /// Fewer bytes than any network carries.
    #[error("{address} sends {got} bytes in {} s: too slow to be meant", window.as_secs())]
    Slow {
        /// What was asked.
        address: Address,
        /// Bytes within the time.
        got: u64,
        /// The time.
        window: Duration,
    },
    /// More bytes than such a file may have.
    #[error("{address} sends more than {limit} bytes")]
    Long {
        /// What was asked.
        address: Address,
        /// The most that is taken.
        limit: u64,
    },
    /// A content coding nobody asked for, or a part nobody asked for.
    #[error("{address} sends {what}, which nobody asked for")]
    Unasked {
        /// What was asked.
        address: Address,
        /// What came.
        what: String,
    },
    /// Neither the server nor the file says where it ends.
    #[error("{address} does not say how long it is, and nothing in the file tells that it is whole")]
    Endless {
        /// What was asked.
        address: Address,
    },
    /// Older than what is there.
    #[error("{address} is of {offered}, older than the file there, of {held}")]
    Stale {
        /// What was asked.
        address: Address,
        /// Its date.
        offered: String,
        /// The date of the file there.
        held: String,
    },
    /// Much smaller than what is there.
    #[error("{address} has {got} bytes, less than half of the {held} bytes there")]
    Shrunk {
        /// What was asked.
        address: Address,
        /// Its size.
        got: u64,
        /// The size of the file there.
        held: u64,
    },
    /// Not the bytes the publisher has.
    #[error("{address} has the SHA-256 {got}, its publisher says {expected}")]
    Checksum {
        /// What was asked.
        address: Address,
        /// In hexadecimal.
        expected: String,
        /// In hexadecimal.
        got: String,
    },
    /// Not what it should be, by whoever knows.
    #[error("what {address} sends {reason}")]
    Rejected {
        /// What was asked.
        address: Address,
        /// Why, to be read behind "what … sends"; foreign text in it is to be escaped.
        reason: String,
        /// The way out.
        hint: String,
    },
    /// The file system refuses.
    #[error("cannot {operation} {}: {source}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// Another process is at the same file.
    #[error("another process is fetching {}", path.display())]
    Busy {
        /// The file it writes.
        path: PathBuf,
    },
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Network { .. }
            | Self::Status { .. }
            | Self::Later { .. }
            | Self::Redirects { .. }
            | Self::Redirect { .. }
            | Self::Clear { .. }
            | Self::Cut { .. }
            | Self::Slow { .. } => Class::Network,
            Self::Long { .. }
            | Self::Unasked { .. }
            | Self::Endless { .. }
            | Self::Stale { .. }
            | Self::Shrunk { .. }
            | Self::Checksum { .. }
            | Self::Rejected { .. } => Class::Content,
            Self::File { .. } | Self::Busy { .. } => Class::File,
        }
    }

    /// Whether the server says that there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Status { status: 404 | 410, .. })
    }

    /// What the user can do, as one clause without a full stop.
    #[must_use]
    pub fn hint(&self) -> String {
        let text = match self {
            Self::Network { .. } => {
                "check the network and the address; the table inside the program needs neither, --url names another place"
            }
            Self::Status { status: 401 | 403, .. } => {
                "check the key and what its owner may download, or ask the publisher why it refuses"
            }
            Self::Status { status: 404 | 410, .. } => {
                "publishers move their files: look at their page and name the new address with --url"
            }
            Self::Status { status: 429, .. } => "too many requests from here: wait some hours, or give a key",
            Self::Status { .. } => "try again later, or name a mirror with --from or --url",
            Self::Later { .. } => "come back then; what is there stays",
            Self::Redirects { .. } | Self::Redirect { .. } => {
                "a captive portal or a moved file: look at the address with a browser, and name the new one with --url"
            }
            Self::Clear { .. } => "give an https address, or leave the key out",
            Self::Cut { .. } => "run the same command again: it goes on where this ended",
            Self::Slow { .. } => {
                "try again later or from a mirror (--from, --url), or allow more time with --timeout"
            }
            Self::Long { .. } | Self::Unasked { .. } => {
                "this is not the publisher's file: look at the address with a browser"
            }
            Self::Endless { .. } => {
                "fetch it from a server that says how long it is, or take it with --force"
            }
            Self::Stale { .. } => {
                "an old mirror or cache: name another address with --url, or take it with --force"
            }
            Self::Shrunk { .. } => "look at what the publisher says of it; --force takes it all the same",
            Self::Checksum { .. } => {
                "changed on its way, or while it was fetched: run the same command again; what is there stays"
            }
            Self::Rejected { hint, .. } => hint,
            Self::File { .. } => "choose another place with --dir or -o",
            Self::Busy { .. } => "wait for it to end",
        };
        text.to_owned()
    }
}

fn of(total: Option<u64>) -> String {
    total.map_or(String::new(), |total| format!(" of {total}"))
}

fn said(excerpt: &str) -> String {
    if excerpt.is_empty() { String::new() } else { format!(": {excerpt}") }
}
