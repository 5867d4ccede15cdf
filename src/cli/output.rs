//! Stdout for data, stderr for talk. A reader that goes away has had enough: that is no error.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Seek, Write};
use std::path::{Path, PathBuf};

use super::args::{Format, Output, When};
use super::failure::{Failure, unwritable};
use crate::report::Look;

/// Where a report goes, opened before anything is measured.
#[derive(Debug)]
pub struct Sink {
    file: Option<(PathBuf, File)>,
    /// Format of the report.
    pub format: Format,
    /// Layout of text.
    pub look: Look,
}

impl Sink {
    /// Opens what the words ask for. An existing file keeps its content until there is something to put in its place.
    pub fn open(words: &Output) -> Result<Self, Failure> {
        let by_name = words.output.as_deref().map(format_of).transpose()?.flatten();
        let format = match (words.json, words.format, by_name) {
            (true, _, _) => Format::Json,
            (_, Some(format), _) | (_, None, Some(format)) => format,
            _ => Format::Text,
        };
        let file = match &words.output {
            Some(path) => {
                let file = File::options().write(true).create(true).truncate(false).open(path);
                let file = file.map_err(|error| unwritable(&path.display().to_string(), &error))?;
                Some((path.clone(), file))
            }
            None => None,
        };
        let look = match file {
            Some(_) => Look { color: words.color == When::Always, ..Look::default() },
            None => look(words.color),
        };
        Ok(Self { file, format, look })
    }

    /// Whether the report itself goes to stdout.
    pub const fn is_stdout(&self) -> bool {
        self.file.is_none()
    }

    /// Writes the report.
    pub fn write(&mut self, write: impl Fn(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        match &mut self.file {
            None => stdout(|out| write(out)),
            Some((path, file)) => {
                let result = file.rewind().and_then(|()| file.set_len(0)).and_then(|()| {
                    let mut out = BufWriter::new(&mut *file);
                    write(&mut out)?;
                    out.flush()
                });
                result.map_err(|error| unwritable(&path.display().to_string(), &error))
            }
        }
    }
}

fn format_of(path: &Path) -> Result<Option<Format>, Failure> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("json") => Ok(Some(Format::Json)),
        Some("txt" | "text") | None => Ok(None),
        Some(other) => Err(Failure::usage(
            format!("'.{other}' is no format that can be written"),
            "name the file .txt or .json, or say which with --format",
        )),
    }
}

/// The layout for stdout.
pub fn look(when: When) -> Look {
    let terminal = io::stdout().is_terminal();
    let quiet = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    let color = match when {
        When::Always => true,
        When::Never => false,
        When::Auto => terminal && !quiet,
    };
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

/// Says a line on stderr. If nobody listens there, nobody minds.
pub fn talk(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
