//! `import`: other tools' output as runs. Also where every command opens a file that may hold any kind of run.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;

use super::args;
use super::exit::Exit;
use super::failure::{Failure, error_text};
use super::live::{Data, Files};
use super::output::{self, Sink};
use crate::asdb::sources::Packing;
use crate::import::{self, HEAD, Outcome};
use crate::net::Clock;
use crate::path::Atlas;
use crate::report::{self, Runs, safe};
use crate::trace::foreign::ForeignTrace;
use crate::trace::schema::{AsTable, Document, Origin, RUN, SET};

/// Runs of one document at most: as many as a reader of it takes.
pub const MOST: usize = 10_000;

/// `lasthop import`.
pub fn import(words: &args::Import) -> Exit {
    convert(words).unwrap_or_else(|failure| failure.end(words.output.prints_json()))
}

fn convert(words: &args::Import) -> Result<Exit, Failure> {
    // What is unpacked and streamed must not wait in memory for a writer: JSON for standard output is written as it comes.
    let streams = words.output.json && words.output.file().is_none();
    let mut sink = (!streams).then(|| Sink::open(&words.output)).transpose()?;
    let data = Files::open(words.db.as_deref(), None, &words.ixp)?.read()?;
    let reader = Reader::new(&data, words.label.as_deref(), words.target.as_deref());
    if streams {
        let mut failed = None;
        output::stdout(|out| {
            failed = stream(out, words, &reader)?;
            Ok(())
        })?;
        return Ok(failed.map_or(Exit::Ok, |failure| {
            failure.say();
            failure.exit
        }));
    }
    let mut runs = Runs::set(Vec::new(), None);
    let mut failed = None;
    for file in &words.files {
        let read = reader.file(file, &mut |document| {
            if runs.documents.len() == MOST {
                return ControlFlow::Break(());
            }
            runs.documents.push(document);
            ControlFlow::Continue(())
        });
        match read {
            Ok(outcome) => told(file, &outcome, words.output.verbose > 0),
            Err(failure) => {
                failure.say();
                // People are told on stderr; a document tells programs.
                if words.output.file().is_some() || words.output.format.is_some() {
                    runs.documents.push(refused(file, &failure));
                }
                failed.get_or_insert(failure);
            }
        }
    }
    if runs.documents.len() == MOST {
        output::talk(&format!("only the first {MOST} runs are shown; --json writes them all"));
    }
    if let Some(sink) = sink.as_mut().filter(|_| failed.is_none() || !runs.documents.is_empty())
        && let Some(failure) = sink.write_all(&runs)?
    {
        failure.say();
        return Ok(failure.exit);
    }
    Ok(failed.map_or(Exit::Ok, |failure| failure.exit))
}

/// Writes a set run by run: an archive of measurements is larger than memory.
fn stream(out: &mut dyn Write, words: &args::Import, reader: &Reader<'_>) -> io::Result<Option<Failure>> {
    writeln!(out, "{{\"schema\":\"{SET}\",\"runs\":[")?;
    let mut failed: Option<Failure> = None;
    let mut first = true;
    let mut broken = None;
    let mut line = Vec::new();
    let mut put = |out: &mut dyn Write, document: &Document| -> io::Result<()> {
        line.clear();
        if !std::mem::take(&mut first) {
            line.push(b',');
        }
        report::line(&mut line, document)?;
        out.write_all(&line)
    };
    for file in &words.files {
        let read = reader.file(file, &mut |document| match put(out, &document) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                broken = Some(error);
                ControlFlow::Break(())
            }
        });
        if let Some(error) = broken.take() {
            return Err(error);
        }
        match read {
            Ok(outcome) => told(file, &outcome, words.output.verbose > 0),
            Err(failure) => {
                put(out, &refused(file, &failure))?;
                failed.get_or_insert(failure);
            }
        }
    }
    writeln!(out, "],\"conclusion\":null}}")?;
    Ok(failed)
}

/// A file that could not be read, as a run that says so.
fn refused(file: &Path, failure: &Failure) -> Document {
    let origin = Origin {
        format: "unknown".to_owned(),
        dialect: None,
        version: None,
        file: Some(name_of(file)),
        lines: None,
        measurement: None,
    };
    Document {
        schema: RUN.to_owned(),
        tool: report::tool(),
        error: Some(failure.schema()),
        origin: Some(origin),
        ..Document::default()
    }
}

/// Opens a file that may hold any kind of run, `-` being standard input.
pub fn input(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::with_capacity(HEAD, io::stdin())));
    }
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(unreadable(path, &io::Error::other("it is a folder")));
    }
    Ok(Box::new(BufReader::with_capacity(1 << 18, file)))
}

/// A file that cannot be read.
pub fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::input(
        format!("cannot read {}: {}", name_of(path), error_text(error)),
        Some("give runs of lasthop, bundles, or the output of a traceroute or a like tool, or - and that by a pipe".into()),
    )
}

/// What a file is called.
pub fn name_of(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}

/// What became of a file, on stderr.
fn told(file: &Path, outcome: &Outcome, verbose: bool) {
    let name = safe(&name_of(file)).into_owned();
    if verbose {
        let plural = if outcome.traces == 1 { "trace" } else { "traces" };
        output::talk(&format!("{name}: {} {plural}", outcome.traces));
    }
    for finding in &outcome.findings {
        let line = finding.line.map_or_else(String::new, |line| format!("line {line}: "));
        output::talk(&format!("{name}: {line}{}", safe(&finding.text)));
    }
}

/// What is known beside the files.
pub struct Reader<'a> {
    data: &'a Data,
    table: AsTable,
    label: Option<&'a str>,
    target: Option<&'a str>,
}

impl<'a> Reader<'a> {
    /// `label` is the user's name for the place, `target` the destination of what does not name its own.
    pub fn new(data: &'a Data, label: Option<&'a str>, target: Option<&'a str>) -> Self {
        Self { data, table: data.describe(Clock::start().started_at()), label, target }
    }

    /// Reads the foreign traces of a file, `-` being standard input.
    ///
    /// # Errors
    /// A file that cannot be opened, or of which nothing can be made.
    pub fn file(
        &self,
        path: &Path,
        each: &mut dyn FnMut(Document) -> ControlFlow<()>,
    ) -> Result<Outcome, Failure> {
        self.stream(&mut *input(path)?, &name_of(path), each)
    }

    /// The same of a stream, packed or not.
    pub fn stream(
        &self,
        input: &mut dyn BufRead,
        name: &str,
        each: &mut dyn FnMut(Document) -> ControlFlow<()>,
    ) -> Result<Outcome, Failure> {
        let head = input.fill_buf().map(<[u8]>::to_vec).unwrap_or_default();
        let grounds = self.data.grounds();
        let mut atlas = Atlas::new(&grounds);
        let mut take = |mut trace: ForeignTrace| {
            if let Some(label) = self.label {
                trace.vantage.label = Some(label.to_owned());
            }
            if let (Some(target), true) = (self.target, trace.target.is_empty()) {
                trace.address = target.parse().ok();
                target.clone_into(&mut trace.target);
            }
            each(report::imported(&trace, Some(name), Some(&self.table), &mut atlas))
        };
        let mut unpacked: Box<dyn Read + '_> = Packing::of(&head).unpack(input);
        import::read(&mut unpacked, &mut take).map_err(|error| {
            Failure::input(format!("cannot import {name}: {error}"), Some(error.hint().to_owned()))
        })
    }
}
