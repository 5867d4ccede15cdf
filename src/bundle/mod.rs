//! Evidence in one file, and what can be said of it by whoever receives it.
//!
//! A bundle holds a conclusion and all it rests on: the report, the document, the record of every probe, the packets, what
//! the IP-to-AS table said of each address, the names resolved, the surroundings. [`make`] writes it; [`verify`] takes
//! nothing in it for true but the packets: it makes the record anew from them ([`crate::capture::replay`]), draws the
//! conclusion anew, and compares both with what the bundle says, field by field.
//!
//! What that proves, and what not: the conclusion follows from these packets, and nothing was changed since the bundle was
//! made by somebody who does not also change all the rest to fit. Who made it is proved by a signature only, and that the
//! packets were on the wire by nothing but who vouches for them, or by a capture of somebody else ([`verify`] takes one
//! beside the bundle's own).
//!
//! | file | what |
//! |---|---|
//! | `ticket.txt` | the report as text |
//! | `run.json` | the document, `lasthop.run/1` |
//! | `probes.jsonl`, `search.jsonl` | the record, `lasthop.probes/1`, of the measurement and of a search for references |
//! | `packets.pcapng` | every probe and every reply that belongs to one |
//! | `origins.json` | what was said of whose addresses these are |
//! | `dns.json` | names and their addresses |
//! | `environment.json` | program, command line, kernel, clock, losses, table |
//! | `MANIFEST` | SHA-256 of each, as `sha256sum -c` reads it |
//! | `MANIFEST.minisig` | a minisign signature of that, if one was asked for |
//!
//! The archive's own comment is the SHA-256 of all that is before it, so that no byte of the file can change unnoticed.

mod archive;
mod compare;
mod gist;
mod manifest;
mod origins;
mod redact;
mod sign;
mod verify;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::trace::schema::{AsTable, Document, Tool};
use crate::trace::{Losses, Run, Strays, record};

pub use archive::ArchiveError;
pub use redact::redact;
pub use sign::{KeyError, PublicKey, SecretKey};
pub use verify::{AtHand, Check, Given, Outcome, Verification, verify};
pub use write::{BundleError, Evidence, Made, make};

/// The name of each file.
pub(crate) mod name {
    pub const TICKET: &str = "ticket.txt";
    pub const REPORT: &str = "report.html";
    pub const SHEETS: &str = "report.pdf";
    pub const RUN: &str = "run.json";
    pub const PROBES: &str = "probes.jsonl";
    pub const SEARCH: &str = "search.jsonl";
    pub const PACKETS: &str = "packets.pcapng";
    pub const ORIGINS: &str = "origins.json";
    pub const DNS: &str = "dns.json";
    pub const ENVIRONMENT: &str = "environment.json";
    pub const MANIFEST: &str = "MANIFEST";
    pub const SIGNATURE: &str = "MANIFEST.minisig";
}

/// Names and their addresses, as they were resolved before the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// As the user wrote it.
    pub host: String,
    /// When, RFC 3339.
    pub asked_at: String,
    /// All that was found, in the system's order of preference.
    pub addresses: Vec<std::net::IpAddr>,
}

/// The state of the machine's clock, as far as it can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockState {
    /// Whether something keeps it right; null if that cannot be told.
    pub synchronised: Option<bool>,
    /// What does, or says that it does.
    pub source: Option<String>,
    /// How far it was off, in nanoseconds, positive where it was ahead; null if nothing tells.
    pub offset_ns: Option<i64>,
    /// How far it can have been off when it was last measured, in nanoseconds; null if nothing tells.
    #[serde(default)]
    pub most_wrong_ns: Option<u64>,
    /// Where these numbers are from, or that they are unknown and why.
    #[serde(default)]
    pub told_by: Option<String>,
    /// When it was last set right, RFC 3339.
    pub set_at: Option<String>,
}

/// What was hidden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    /// SHA-256 of the bundle in which nothing is hidden.
    pub unredacted_sha256: String,
    /// The stand-ins, and what each stands for in words.
    pub stand_ins: BTreeMap<std::net::IpAddr, String>,
}

/// Around the measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// `lasthop.environment/1`.
    pub schema: String,
    /// What made it.
    pub tool: Tool,
    /// SHA-256 of the program file that ran, in hexadecimal; null if it could not be read.
    #[serde(default)]
    pub program_sha256: Option<String>,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// Seed of every random choice.
    pub seed: u64,
    /// The kernel's name and release.
    pub kernel: Option<String>,
    /// The interface that probes left by.
    pub interface: Option<String>,
    /// The scenario, where no packet was ever on a wire.
    pub simulated: Option<String>,
    /// At the end of the run.
    pub clock: ClockState,
    /// What the receiving side lost.
    pub losses: Losses,
    /// What came in and was not ours.
    pub strays: Strays,
    /// The table in use.
    pub table: Option<AsTable>,
    /// Whom the table's data are owed to, and under which terms.
    pub credits: Vec<String>,
    /// Null if nothing is hidden.
    pub redaction: Option<Redaction>,
}

impl Environment {
    /// The value of `schema`.
    pub const SCHEMA: &str = "lasthop.environment/1";
}

/// A bundle opened: what a report or a comparison needs of it. Nothing is verified but the hashes.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The document.
    pub document: Document,
    /// The record.
    pub run: Run,
    /// Confidence and wait.
    pub settings: record::Settings,
    /// The search for references, if one was made.
    pub search: Option<Run>,
    /// Around it.
    pub environment: Environment,
}

/// Whether a file begins as a bundle does (a zip archive).
#[must_use]
pub fn is_bundle(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// Opens a bundle; its hashes must hold.
///
/// # Errors
/// [`BundleError`] says which file is not what it should be.
pub fn open(bytes: &[u8]) -> Result<Bundle, BundleError> {
    let files = archive::unpack(bytes)?.whole()?;
    if let Some(fault) = manifest::faults(&files).into_iter().next() {
        return Err(BundleError::File { name: fault.file, problem: fault.problem });
    }
    let document: Document = files.json(name::RUN)?;
    let environment: Environment = files.json(name::ENVIRONMENT)?;
    let (run, settings) = files.record(name::PROBES)?;
    let search = match files.get(name::SEARCH) {
        Some(_) => Some(files.record(name::SEARCH)?.0),
        None => None,
    };
    Ok(Bundle { document, run, settings, search, environment })
}
