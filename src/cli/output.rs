//! Stdout for data, stderr for talk. A reader that goes away has had enough: that is no error.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::args::{Output, When};
use super::failure::{Failure, unwritable};
use super::whole::{self, OutFile};
use crate::report::{self, Document, Format, Look, Options, Runs};

/// Where a report goes: standard output, and a file if one is asked for, opened before anything is measured.
///
/// The one rule of formats: standard output is JSON with `--json`, else text. A file is what `--format` says, else what
/// its name says, else as standard output. Without a file, `--format` is standard output's.
#[derive(Debug)]
pub struct Sink {
    file: Option<InFile>,
    /// Format of standard output.
    format: Format,
    /// Layout of text there.
    look: Look,
    /// What could not be written beside the report.
    beside: Option<Failure>,
}

/// The report in a file.
#[derive(Debug)]
struct InFile {
    file: OutFile,
    format: Format,
    look: Look,
}

impl Sink {
    /// Opens what the words ask for. An existing file keeps its content until there is something to put in its place.
    pub fn open(words: &Output) -> Result<Self, Failure> {
        let path = words.file();
        let wanted = words.format.filter(|_| path.is_none());
        if let Some(format) = wanted.filter(|format| words.json && *format != Format::Json) {
            return Err(Failure::usage(
                format!("--json and --format {} contradict each other", format.word()),
                "leave one of them out; with -o FILE, --format is the file's",
            ));
        }
        let format = wanted.unwrap_or(if words.json { Format::Json } else { Format::Text });
        for_stdout(format)?;
        let copy = |path: &Path| -> Result<InFile, Failure> {
            let format = match words.format {
                Some(format) => format,
                None => format_of(path)?.unwrap_or(format),
            };
            let file = OutFile::create(path)?;
            let look = Look { color: words.color == When::Always, ..Look::default() };
            Ok(InFile { file, format, look })
        };
        Ok(Self { file: path.map(copy).transpose()?, format, look: look(words.color), beside: None })
    }

    /// Another file of this run could not be written: a report that goes to standard output for programs tells of it.
    pub fn tell(&mut self, failure: Option<&Failure>) {
        self.beside = self.beside.take().or_else(|| failure.cloned());
    }

    /// Writes the report, to the file first; `json` and `text` are its own ways of those formats. A file that cannot be written does not cost the report on standard output,
    /// which tells of it if it is JSON; the failure comes back.
    pub fn write(
        &mut self,
        mut document: Document,
        json: impl Fn(&mut dyn Write, &Document) -> io::Result<()>,
        text: impl Fn(&mut dyn Write, &Document, Look) -> io::Result<()>,
    ) -> Result<Option<Failure>, Failure> {
        let report = |out: &mut dyn Write, document: &Document, format, look| match format {
            Format::Json => json(out, document),
            Format::Text => text(out, document, look),
            other => {
                let options = Options { look, ..Options::default() };
                report::write(out, &Runs::from(document.clone()), other, options)
            }
        };
        let failure = self.file.as_mut().and_then(|InFile { file, format, look }| {
            file.replace(|out| report(out, &document, *format, *look)).err()
        });
        let told = failure.as_ref().or(self.beside.as_ref());
        if let Some(failure) = told.filter(|_| self.format == Format::Json) {
            document.error.get_or_insert_with(|| failure.schema());
        }
        stdout(|out| report(out, &document, self.format, self.look))?;
        Ok(failure)
    }

    /// Writes several runs and what they say together, as [`write`](Self::write) does for one.
    pub fn write_all(&mut self, runs: &Runs) -> Result<Option<Failure>, Failure> {
        let failure = self.file.as_mut().and_then(|InFile { file, format, look }| {
            file.replace(|out| in_format(out, runs, *format, *look)).err()
        });
        stdout(|out| in_format(out, runs, self.format, self.look))?;
        Ok(failure)
    }
}

/// Writes runs in a format.
fn in_format(out: &mut dyn Write, runs: &Runs, format: Format, look: Look) -> io::Result<()> {
    report::write(out, runs, format, Options { look, ..Options::default() })
}

/// Refuses to write to a terminal what is no text.
pub fn for_stdout(format: Format) -> Result<(), Failure> {
    match format.is_text() || !io::stdout().is_terminal() {
        true => Ok(()),
        false => Err(Failure::usage(
            format!("{} is no text, and standard output is a terminal", format.word()),
            format!("name a file: -o report.{}", format.word()),
        )),
    }
}

/// The format that a file's name says, if it has an ending.
pub fn format_of(path: &Path) -> Result<Option<Format>, Failure> {
    let Some(ending) = path.extension() else { return Ok(None) };
    let ending = ending.to_string_lossy();
    match Format::of_ending(&ending) {
        Some(format) => Ok(Some(format)),
        None => Err(Failure::usage(
            format!("'.{ending}' is no format that can be written"),
            "name the file .txt, .md, .html, .pdf, .json, .jsonl or .csv, or say which with --format",
        )),
    }
}

/// Whether colour is wanted on something that is a terminal or not.
pub fn is_coloured(when: When, terminal: bool) -> bool {
    let quiet = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => terminal && !quiet,
    }
}

/// The layout for stdout.
pub fn look(when: When) -> Look {
    let terminal = io::stdout().is_terminal();
    let color = is_coloured(when, terminal);
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse::<usize>().ok());
    let width = if terminal {
        terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)).or(columns)
    } else {
        columns
    };
    Look { width: width.filter(|width| *width > 0).unwrap_or(80).clamp(20, 160), color }
}

/// Writes to stdout; a closed pipe counts as written.
pub fn stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unwritable("standard output", &error)),
        Err(_) => {
            // What could not be written must not be tried again when the buffer is dropped.
            let _ = out.into_parts();
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Puts content in the place of a file, as [`whole::put`] does.
pub fn put(path: &Path, content: &[u8]) -> Result<(), Failure> {
    whole::put(path, content).map_err(|error| unwritable(&path.display().to_string(), &error))
}

/// Lines that wait while the terminal shows something else.
static HELD: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// Most of them.
const MOST_HELD: usize = 500;

/// Says a line on stderr. If nobody listens there, nobody minds.
pub fn talk(line: &str) {
    // Nothing panics in between; and what was kept is good whatever happened.
    if let Some(held) = &mut *HELD.lock().unwrap_or_else(PoisonError::into_inner) {
        // What went on for weeks is told by its end.
        if held.len() == MOST_HELD {
            held.remove(0);
        }
        held.push(line.to_owned());
        return;
    }
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Keeps lines back from now on: the whole terminal is in use.
#[cfg(feature = "live")]
pub fn hold() {
    HELD.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
}

/// The last line that is kept back.
#[cfg(feature = "live")]
pub fn last_held() -> Option<String> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.last().cloned()
}

/// Says what was kept back, and keeps back no more.
#[cfg(feature = "live")]
pub fn release() {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).take();
    for line in held.into_iter().flatten() {
        talk(&line);
    }
}
