//! A bundle made.

use std::io::{self, Write};
use std::net::IpAddr;

use super::archive::{self, ArchiveError, Files};
use super::origins::{Answers, Asked};
use super::{Environment, Name, SecretKey, manifest, name};
use crate::capture::{About, Log};
use crate::path::{Atlas, Origins};
use crate::report::{self, Document, Format, Measured, Options, Runs, Session};
use crate::session::{self, search};
use crate::trace::{Run, record, schema};
use crate::verdict::{Reason, Verdict};

/// A bundle that cannot be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A file in it.
    #[error("{name}: {problem}")]
    File {
        /// Which.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file cannot be written down.
    #[error("cannot write {name}: {source}")]
    Write {
        /// Which.
        name: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The signature.
    #[error("cannot sign the MANIFEST: {0}")]
    Key(#[from] super::KeyError),
    /// With the addresses hidden the packets would no longer be those of the run.
    #[error("addresses cannot be hidden: {0}")]
    Redaction(String),
}

impl BundleError {
    pub(super) fn file(name: &str, problem: impl Into<String>) -> Self {
        Self::File { name: name.to_owned(), problem: problem.into() }
    }
}

/// All that goes into a bundle.
pub struct Evidence<'a> {
    /// The record.
    pub run: &'a Run,
    /// The packets.
    pub log: &'a Log,
    /// The document, as it was reported.
    pub document: &'a Document,
    /// Whose addresses they are.
    pub origins: &'a dyn Origins,
    /// Names and their addresses.
    pub names: &'a [Name],
    /// Around the measurement.
    pub environment: &'a Environment,
}

/// A bundle in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The archive.
    pub bytes: Vec<u8>,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

type Render = fn(&mut dyn Write, &Document) -> io::Result<()>;

/// What is written for people, each from the document alone: a verification writes it again and compares.
pub(super) const WRITERS: &[(&str, Render)] =
    &[(name::TICKET, ticket), (name::REPORT, page), (name::SHEETS, sheets)];

fn ticket(out: &mut dyn Write, document: &Document) -> io::Result<()> {
    report::write(out, &Runs::from(document.clone()), Format::Ticket, Options::default())
}

fn sheets(out: &mut dyn Write, document: &Document) -> io::Result<()> {
    report::write(out, &Runs::from(document.clone()), Format::Pdf, Options::default())
}

fn page(out: &mut dyn Write, document: &Document) -> io::Result<()> {
    report::write(out, &Runs::from(document.clone()), Format::Html, Options::default())
}

/// Makes a bundle, signed if there is a key.
///
/// # Errors
/// [`BundleError`] if something cannot be written down.
pub fn make(evidence: &Evidence<'_>, key: Option<&SecretKey>) -> Result<Made, BundleError> {
    let answers = asked(evidence.run, evidence.log.settings.confidence, evidence.origins, evidence.document);
    let mut files = Files::default();
    let mut add = |name: &'static str, write: &dyn Fn(&mut dyn Write) -> io::Result<()>| {
        let mut bytes = Vec::new();
        write(&mut bytes).map_err(|source| BundleError::Write { name, source })?;
        files.0.push((name.to_owned(), bytes));
        Ok::<_, BundleError>(())
    };
    let Evidence { run, log, document, environment, .. } = *evidence;
    for (name, render) in WRITERS {
        add(name, &|out| render(out, document))?;
    }
    add(name::RUN, &|out| report::json(out, document))?;
    add(name::PROBES, &|out| record::write(out, run, log.settings))?;
    if let Some(search) = &log.search {
        add(name::SEARCH, &|out| record::write(out, search, log.settings))?;
    }
    let about = about(environment);
    let (after, before) = ends(document);
    add(name::PACKETS, &|out| log.write(out, &about, run, after, before))?;
    add(name::ORIGINS, &|out| report::json(out, &answers))?;
    add(name::DNS, &|out| report::json(out, &evidence.names))?;
    add(name::ENVIRONMENT, &|out| report::json(out, environment))?;
    let list = manifest::text(&files);
    if let Some(key) = key {
        let made = format!("lasthop bundle of {}", document.finished_at.as_deref().unwrap_or_default());
        let signature = key.sign(list.as_bytes(), &made)?;
        files.0.push((name::SIGNATURE.to_owned(), signature.into_bytes()));
    }
    files.0.push((name::MANIFEST.to_owned(), list.into_bytes()));
    let bytes =
        archive::pack(&files, run.started_at).map_err(|problem| BundleError::file("the archive", problem))?;
    let sha256 = archive::hash(&bytes);
    Ok(Made { bytes, sha256 })
}

/// What a capture says of its maker.
pub(super) fn about(environment: &Environment) -> About {
    About {
        application: format!("{} {}", environment.tool.name, environment.tool.version),
        system: environment.kernel.clone(),
        interface: environment.interface.clone(),
    }
}

/// A hop, by its TTL and address.
type End = Option<(u8, IpAddr)>;

/// The hops between which the verdict places the loss.
fn ends(document: &Document) -> (End, End) {
    let end = |ttl: Option<u8>, address: &Option<String>| ttl.zip(address.as_ref()?.parse().ok());
    let verdict = document.verdict.as_ref();
    (
        verdict.and_then(|verdict| end(verdict.after_ttl, &verdict.after)),
        verdict.and_then(|verdict| end(verdict.before_ttl, &verdict.before)),
    )
}

/// The questions that a conclusion asks, with their answers.
fn asked(run: &Run, confidence: f64, origins: &dyn Origins, document: &Document) -> Answers {
    let asked = Asked::new(origins);
    derive(run, confidence, &asked, document);
    asked.answers()
}

/// The document anew: paths, attribution and verdict from the record, all else as `stated` has it, since no packet says
/// it.
pub(super) fn derive(run: &Run, confidence: f64, origins: &dyn Origins, stated: &Document) -> Document {
    let (target, references, judgment) = session::conclude(run, &mut Atlas::new(origins), confidence);
    let mut verdict = judgment.verdict;
    if let Some(searched) = &stated.search {
        complete(&mut verdict, searched, run);
    }
    let asn = origins.attribute(run.source).asns.first().map(|asn| asn.0);
    let session =
        Session { vantage: schema::Vantage { asn, ..stated.vantage.clone() }, asdb: stated.asdb.clone() };
    let measured = Measured {
        run,
        target: &target,
        references: &references,
        verdict: Some(&verdict),
        search: stated.search.as_ref(),
        matrix: !stated.matrix.is_empty(),
    };
    Document {
        tool: stated.tool.clone(),
        // What does not follow from packets is taken as it was said.
        findings: stated.findings.clone(),
        registry: stated.registry.clone(),
        dns: stated.dns.clone(),
        app: stated.app.clone(),
        mail: stated.mail.clone(),
        ..report::document(&session, measured, stated.error.clone())
    }
}

/// What only the search can say.
fn complete(verdict: &mut Verdict, searched: &schema::Search, run: &Run) {
    if verdict.reason == Some(Reason::NoReference) {
        verdict.next_step = Some(search::next_step(searched, run.destination(Run::TARGET)));
    }
}
