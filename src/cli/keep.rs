//! What is kept of a measurement beside its report: packets while it runs (`--pcap`), a bundle when it is over.
//!
//! Files are opened before anything is measured, and before privilege is given up; a measurement of minutes must not be
//! lost to a name that was mistyped.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::args::Keeping;
use super::failure::{Failure, error_text};
use super::output;
use super::whole::OutFile;
use crate::asdb::Table;
use crate::bundle::{self, ClockState, Environment, Evidence, KeyError, Name, SecretKey};
use crate::capture::Log;
use crate::net;
use crate::path::Origins;
use crate::report::{Document, safe};
use crate::trace::Run;

/// Where the password of a secret key may be.
const PASSWORD: &str = "LASTHOP_KEY_PASSWORD";

/// What a bundle says of the clock's offset where nobody tells.
const UNKNOWN: &str = "unknown: no time daemon here answered how far the clock is off";

/// What is to be kept, and where.
#[derive(Default)]
pub struct Keep {
    pcap: Option<(PathBuf, File)>,
    bundle: Option<OutFile>,
    unredacted: Option<OutFile>,
    key: Option<SecretKey>,
}

/// What a bundle says beside the measurement.
pub struct Surroundings<'a> {
    /// The table that was asked.
    pub table: &'a Table,
    /// Whose addresses they are.
    pub origins: &'a dyn Origins,
    /// Names and their addresses.
    pub names: &'a [Name],
    /// The scenario, where no packet was ever on a wire.
    pub simulated: Option<String>,
}

impl Keep {
    /// Opens what the words name, and reads the key.
    pub fn open(pcap: Option<&Path>, words: Option<&Keeping>) -> Result<Self, Failure> {
        let mut keep = Self::default();
        let bundle = words.and_then(|words| words.bundle.as_deref());
        if let Some(path) = pcap.filter(|path| Some(*path) == bundle) {
            return Err(Failure::usage(
                format!("--pcap and --bundle both name {}", path.display()),
                "give each a file of its own",
            ));
        }
        for (flag, path) in [("--pcap", pcap), ("--bundle", bundle)] {
            if path == Some(Path::new("-")) {
                return Err(Failure::usage(
                    format!("{flag} cannot be standard output: the report goes there"),
                    "name a file",
                ));
            }
        }
        if let Some(path) = pcap {
            let file = File::create(path).map_err(|error| unwritable(path, "capture", "--pcap", &error))?;
            keep.pcap = Some((path.to_owned(), file));
        }
        let Some(words) = words else { return Ok(keep) };
        if let Some(path) = &words.sign {
            keep.key = Some(secret_key(path)?);
        }
        if let Some(path) = &words.bundle {
            keep.bundle = Some(bundle_file(path)?);
            if words.redact {
                let mut name = path.clone().into_os_string();
                name.push(".unredacted");
                keep.unredacted = Some(bundle_file(Path::new(&name))?);
            }
        }
        Ok(keep)
    }

    /// The file for packets, to be streamed to.
    pub fn stream(&mut self) -> Result<Option<File>, Failure> {
        let copy = |(path, file): &(PathBuf, File)| {
            file.try_clone().map_err(|error| unwritable(path, "capture", "--pcap", &error))
        };
        self.pcap.as_ref().map(copy).transpose()
    }

    /// Why the file with packets is not whole, if it is not.
    pub fn streamed(&self, fault: Option<io::Error>) -> Option<Failure> {
        let (path, _) = self.pcap.as_ref()?;
        fault.map(|error| unwritable(path, "capture", "--pcap", &error))
    }

    /// Writes the bundle, if one was asked for. A failure does not cost the report.
    pub fn write(
        &mut self,
        run: &Run,
        log: &Log,
        document: &Document,
        around: &Surroundings<'_>,
    ) -> Option<Failure> {
        let place = self.bundle.as_mut()?;
        let environment = environment(run, document, around);
        let evidence = Evidence {
            run,
            log,
            document,
            origins: around.origins,
            names: around.names,
            environment: &environment,
        };
        let key = self.key.as_ref();
        let made = bundle::make(&evidence, key).and_then(|whole| match &mut self.unredacted {
            None => Ok((whole, None)),
            Some(_) => bundle::redact(&evidence, &whole, key).map(|hidden| (hidden, Some(whole))),
        });
        let (made, whole) = match made {
            Ok(made) => made,
            Err(error) => {
                let hint = match error {
                    bundle::BundleError::Redaction(_) => "leave out --redact to have the bundle as it is",
                    _ => "the report is not affected",
                };
                return Some(Failure::environment(
                    "bundle",
                    format!("the bundle {} is not written: {error}", place.path().display()),
                    Some(hint.to_owned()),
                ));
            }
        };
        let mut unwritten = written(place, &made.bytes);
        if let (None, Some(whole), Some(place)) = (&unwritten, &whole, &mut self.unredacted) {
            unwritten = written(place, &whole.bytes);
        }
        if unwritten.is_none() {
            output::talk(&format!(
                "bundle: {}, SHA-256 {}",
                safe(&place.path().display().to_string()),
                made.sha256
            ));
        }
        unwritten
    }
}

fn bundle_file(path: &Path) -> Result<OutFile, Failure> {
    OutFile::open(path).map_err(|error| unwritable(path, "bundle", "--bundle", &error))
}

fn written(place: &mut OutFile, bytes: &[u8]) -> Option<Failure> {
    let error = place.write(bytes).err()?;
    Some(unwritable(place.path(), "bundle", "--bundle", &error))
}

/// What is around the measurement.
fn environment(run: &Run, document: &Document, around: &Surroundings<'_>) -> Environment {
    let clock = net::synchronisation();
    let credit = |source: crate::asdb::SourceInfo| {
        let licence = source.licence.map_or(String::new(), |licence| format!(": {licence}"));
        format!("{}{licence}", source.name)
    };
    Environment {
        schema: Environment::SCHEMA.to_owned(),
        tool: document.tool.clone(),
        program_sha256: net::program(),
        command: std::env::args_os()
            .map(|word| word.to_string_lossy().into_owned())
            // What settings said is a part of what was asked for.
            .chain(super::config::applied())
            .collect(),
        seed: run.seed,
        kernel: net::kernel(),
        interface: document.vantage.interface.clone(),
        simulated: around.simulated.clone(),
        clock: ClockState {
            synchronised: clock.synchronised,
            source: clock.source,
            offset_ns: clock.offset_ns,
            most_wrong_ns: clock.most_wrong_ns,
            told_by: Some(clock.told_by.unwrap_or(UNKNOWN).to_owned()),
            set_at: clock.set_at.map(crate::trace::WallTime::rfc3339),
        },
        losses: run.losses,
        strays: run.strays,
        table: document.asdb.clone(),
        credits: around.table.info().sources.into_iter().map(credit).collect(),
        redaction: None,
    }
}

fn unwritable(path: &Path, what: &str, flag: &str, error: &io::Error) -> Failure {
    Failure::environment(
        "output",
        format!("cannot write the {what} {}: {}", path.display(), error_text(error)),
        Some(format!("choose another place with {flag} FILE, or leave {flag} out")),
    )
}

fn secret_key(path: &Path) -> Result<SecretKey, Failure> {
    let bad = |problem: String| {
        Failure::input(
            format!("the secret key {}: {problem}", path.display()),
            Some("minisign -G makes one, minisign -G -W one without a password".to_owned()),
        )
    };
    let text = fs::read_to_string(path).map_err(|error| bad(error_text(&error)))?;
    let password = std::env::var(PASSWORD).ok();
    match SecretKey::read(&text, password.as_deref()) {
        Err(KeyError::NeedsPassword) => SecretKey::ask(&text).map_err(|error| match error {
            KeyError::NeedsPassword => bad(format!("it is encrypted, and {PASSWORD} is not set")),
            error => bad(error.to_string()),
        }),
        other => other.map_err(|error| bad(error.to_string())),
    }
}
