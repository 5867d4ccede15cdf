//! What is kept of a measurement beside its report: packets while it runs (`--pcap`), a bundle when it is over.
//!
//! Files are opened before anything is measured, and before privilege is given up; a measurement of minutes must not be
//! lost to a name that was mistyped.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

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
    pcap: Option<OutFile>,
    bundle: Option<OutFile>,
    unredacted: Option<OutFile>,
    key: Option<Rc<SecretKey>>,
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
        let key = refuse(pcap, words)?;
        Self::begin(pcap, words, key)
    }

    /// The same for several runs: each keeps what it does in files of its own, with the run's name before the extension. The
    /// key is read once.
    pub fn open_each(pcap: Option<&Path>, words: &Keeping, names: &[&str]) -> Result<Vec<Self>, Failure> {
        let key = refuse(pcap, Some(words))?;
        let mut taken: Vec<String> = Vec::new();
        let mut all = Vec::new();
        for name in names {
            let name = in_files(name, &taken);
            let named = |path: &Path| if name.is_empty() { path.to_owned() } else { with_name(path, &name) };
            let (pcap, bundle) = (pcap.map(named), words.bundle.as_deref().map(named));
            let words = Keeping { bundle, ..words.clone() };
            all.push(Self::begin(pcap.as_deref(), Some(&words), key.clone())?);
            taken.push(name);
        }
        Ok(all)
    }

    fn begin(
        pcap: Option<&Path>,
        words: Option<&Keeping>,
        key: Option<Rc<SecretKey>>,
    ) -> Result<Self, Failure> {
        let mut keep = Self { key, ..Self::default() };
        if let Some(path) = pcap {
            keep.pcap = Some(opened(path, CAPTURE)?);
        }
        let Some(words) = words else { return Ok(keep) };
        if let Some(path) = &words.bundle {
            keep.bundle = Some(opened(path, BUNDLE)?);
            if words.redact {
                let mut name = path.clone().into_os_string();
                name.push(".unredacted");
                keep.unredacted = Some(opened(Path::new(&name), BUNDLE)?);
            }
        }
        Ok(keep)
    }

    /// The file for packets, to be streamed to.
    pub fn stream(&self) -> Result<Option<File>, Failure> {
        let copy =
            |place: &OutFile| place.stream().map_err(|error| unwritable(place.path(), CAPTURE, &error));
        self.pcap.as_ref().map(copy).transpose()
    }

    /// Why the file with packets is not whole, if it is not.
    pub fn streamed(&self, fault: Option<io::Error>) -> Option<Failure> {
        let place = self.pcap.as_ref()?;
        fault.map(|error| unwritable(place.path(), CAPTURE, &error))
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
        let key = self.key.as_deref();
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

/// What does not go together; reads the key.
fn refuse(pcap: Option<&Path>, words: Option<&Keeping>) -> Result<Option<Rc<SecretKey>>, Failure> {
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
    let sign = words.and_then(|words| words.sign.as_deref());
    sign.map(|path| secret_key(path).map(Rc::new)).transpose()
}

/// A run's name as part of a file's: letters, digits, dots and dashes, and none of those that are `taken`. The only run has
/// none.
fn in_files(name: &str, taken: &[String]) -> String {
    if name.is_empty() {
        return String::new();
    }
    let plain = |one: char| if one.is_ascii_alphanumeric() || one == '.' { one } else { '-' };
    let words: String = name.chars().map(plain).collect();
    let name = words.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    let name = if name.is_empty() { "run".to_owned() } else { name };
    let more = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.clone()).chain(more).find(|name| !taken.contains(name)).unwrap_or(name)
}

/// The file beside `path` that has a run's name before its extension.
fn with_name(path: &Path, name: &str) -> PathBuf {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let end = path.extension().map_or_else(String::new, |end| format!(".{}", end.to_string_lossy()));
    path.with_file_name(format!("{stem}.{name}{end}"))
}

fn opened(path: &Path, what: What) -> Result<OutFile, Failure> {
    OutFile::open(path).map_err(|error| unwritable(path, what, &error))
}

fn written(place: &mut OutFile, bytes: &[u8]) -> Option<Failure> {
    let error = place.write(bytes).err()?;
    Some(unwritable(place.path(), BUNDLE, &error))
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

/// What a file is for, and the flag that names it.
type What = (&'static str, &'static str);
const CAPTURE: What = ("capture", "--pcap");
const BUNDLE: What = ("bundle", "--bundle");

fn unwritable(path: &Path, (what, flag): What, error: &io::Error) -> Failure {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_several_runs_has_files_of_its_own() {
        let mut taken = Vec::new();
        for (name, expected) in [
            ("eth0, mx1.example", "eth0-mx1.example"),
            ("2001:db8::1", "2001-db8-1"),
            ("2001:db8:1", "2001-db8-1-2"),
            ("", ""),
            ("../../etc/passwd", "..-..-etc-passwd"),
            ("провайдер", "run"),
            ("другой", "run-2"),
        ] {
            let name = in_files(name, &taken);
            assert_eq!(name, expected);
            taken.push(name);
        }
        let path = with_name(Path::new("out/run.zip"), "eth0");
        assert_eq!(path, Path::new("out/run.eth0.zip"));
        assert_eq!(with_name(Path::new("run"), "eth0"), Path::new("run.eth0"));
    }
}
