//! `watch report` and `watch export`: what a history holds. Both only read; a watch may go on writing meanwhile.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;

use super::book;
use super::words::{Drawing, WatchExport, WatchReport};
use crate::cli::args::When;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, error_text, unwritable};
use crate::cli::output;
use crate::cli::whole::OutFile;
use crate::report::{LARGEST, Look, chart};
use crate::watch::history::{ExportError, HistoryError};
use crate::watch::{self, History};

/// `lasthop watch report`.
pub fn report(words: &WatchReport) -> Exit {
    match draw(words) {
        Ok(()) => Exit::Ok,
        Err(failure) => failure.end(words.json || words.format == Some(Drawing::Json)),
    }
}

/// `lasthop watch export`.
pub fn export(words: &WatchExport) -> Exit {
    match runs(words) {
        Ok(()) => Exit::Ok,
        Err(failure) => failure.end(false),
    }
}

fn open(named: Option<&Path>) -> Result<History, Failure> {
    let path = book::place(named)?;
    History::open(&path).map_err(|error| match error {
        // Reading needs a file that is there; that is the words' fault and not the machine's.
        HistoryError::Unopened(_) => Failure::input(
            format!("the history {}: {}", path.display(), error_text(&error)),
            Some("name the file that lasthop watch wrote with --history".into()),
        ),
        error => book::failure(&path, &error),
    })
}

fn draw(words: &WatchReport) -> Result<(), Failure> {
    let named = match words.output.as_deref().and_then(Path::extension) {
        Some(ending) => match ending.to_string_lossy().to_ascii_lowercase().as_str() {
            "html" | "htm" => Some(Drawing::Html),
            "svg" => Some(Drawing::Svg),
            "json" => Some(Drawing::Json),
            "txt" => Some(Drawing::Text),
            other => {
                return Err(Failure::usage(
                    format!("'.{other}' is no format of a timeline"),
                    "name the file .txt, .html, .svg or .json, or say which with --format",
                ));
            }
        },
        None => None,
    };
    let format = match (words.json, words.format) {
        (true, _) => Drawing::Json,
        (false, Some(format)) => format,
        (false, None) => named.unwrap_or(Drawing::Text),
    };
    let history = open(words.history.as_deref())?;
    let all = watch::timelines(&history).map_err(|error| book::failure(history.path(), &error))?;
    let look = match words.output {
        Some(_) => Look::default(),
        None => output::look(When::Never),
    };
    let write = |out: &mut dyn Write| -> io::Result<()> {
        let picture = watch::chart(&all);
        match format {
            Drawing::Text => chart::text(out, &picture, look),
            Drawing::Html => chart::page(out, &picture),
            Drawing::Svg => chart::picture(out, &picture),
            Drawing::Json => {
                serde_json::to_writer_pretty(&mut *out, &watch::document(&all))?;
                writeln!(out)
            }
        }
    };
    to(words.output.as_deref(), write)
}

/// Writes to a file, or to standard output.
fn to(path: Option<&Path>, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    match path.filter(|path| *path != Path::new("-")) {
        None => output::stdout(write),
        Some(path) => OutFile::create(path)?.replace(write),
    }
}

fn runs(words: &WatchExport) -> Result<(), Failure> {
    let history = open(words.history.as_deref())?;
    let fault = |error: HistoryError| book::failure(history.path(), &error);
    let mut targets = history.targets().map_err(fault)?;
    if let Some(host) = &words.target {
        let known: Vec<String> = targets.iter().map(|one| one.subject.host.clone()).collect();
        targets.retain(|one| one.subject.host == *host);
        if targets.is_empty() {
            return Err(Failure::usage(
                format!("the history has no run of {host}"),
                format!("it knows {}", known.join(", ")),
            ));
        }
    }
    let last = words.last.map(|last| usize::try_from(last).unwrap_or(usize::MAX));
    let (mut trouble, mut bytes) = (None, 0_u64);
    let written = to(words.output.as_deref(), |out| {
        let mut line = |text: &[u8]| -> io::Result<()> {
            bytes += text.len() as u64 + 1;
            out.write_all(text)?;
            out.write_all(b"\n")
        };
        for target in &targets {
            let mut held: VecDeque<Vec<u8>> = VecDeque::new();
            let read = history.documents::<ExportError>(target, &mut |_, text| {
                match last {
                    None => line(&text)?,
                    Some(0) => {}
                    Some(last) => {
                        if held.len() == last {
                            held.pop_front();
                        }
                        held.push_back(text);
                    }
                }
                Ok(())
            });
            match read {
                Err(ExportError::Output(error)) => return Err(error),
                Err(ExportError::History(error)) => trouble = Some(error),
                Ok(()) => {}
            }
            for text in held {
                line(&text)?;
            }
        }
        Ok(())
    });
    if bytes > LARGEST {
        output::talk(&format!(
            "warning: these are {} MiB, and lasthop compare and report read {}: ask for fewer with --last or --target",
            bytes >> 20,
            LARGEST >> 20
        ));
    }
    match trouble {
        // What could be read is written all the same.
        Some(error) => Err(fault(error)),
        None => written.map_err(|failure| match words.output.as_deref() {
            Some(path) if failure.kind != "output" => {
                unwritable(&path.display().to_string(), &io::Error::other(failure.message))
            }
            _ => failure,
        }),
    }
}
