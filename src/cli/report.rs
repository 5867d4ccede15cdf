//! `report`: a saved run in any format. Probes nothing and asks nobody.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::args;
use super::exit::Exit;
use super::failure::{Failure, error_text};
use super::output::{self, format_of};
use super::whole::OutFile;
use crate::bundle;
use crate::report::{self, Format, LARGEST, Language, Letter, Look, Options, Runs, Share};

/// `lasthop report`.
pub fn report(words: &args::Report) -> Exit {
    match write(words) {
        Ok(()) => Exit::Ok,
        Err(failure) => {
            let prints_json = words.json || (words.file().is_none() && words.format == Some(Format::Json));
            failure.end(prints_json)
        }
    }
}

/// A complaint about each run that gives cause for one.
fn complain(words: &args::Report) -> Result<(), Failure> {
    let language = Language::of_code(&words.lang).unwrap_or(Language::English);
    let form = Letter { language, to: words.to.as_deref() };
    let runs = saved(&words.run)?;
    let mut letters = Vec::new();
    let mut refused = None;
    for run in &runs.documents {
        match report::cause(run) {
            Ok(_) => letters.push(run),
            Err(error) => refused = Some(error),
        }
    }
    if let (true, Some(error)) = (letters.is_empty(), refused) {
        return Err(Failure::usage(
            error.to_string(),
            "a complaint is made of a run of `lasthop diagnose` in which packets are lost",
        ));
    }
    let write = |out: &mut dyn io::Write| {
        for (place, run) in letters.iter().enumerate() {
            if place > 0 {
                writeln!(out, "\n{}\n", "=".repeat(72))?;
            }
            report::letter(out, run, &form)?;
        }
        Ok(())
    };
    let Some(path) = words.file() else { return output::stdout(write) };
    let mut file = OutFile::create(path)?;
    if format_of(path).ok().flatten() != Some(Format::Pdf) {
        return file.replace(write);
    }
    file.replace(|out| {
        let mut text = Vec::new();
        write(&mut text)?;
        let title = letters.first().and_then(|run| run.target.as_ref()).map_or("", |target| &target.host);
        report::pdf::plain(out, &report::safe(title), language.code(), &String::from_utf8_lossy(&text))
    })
}

fn write(words: &args::Report) -> Result<(), Failure> {
    if words.complaint {
        return complain(words);
    }
    let wanted = words.format.or(words.json.then_some(Format::Json));
    let format = match (wanted, words.file()) {
        (Some(format), _) => format,
        (None, Some(path)) => format_of(path)?.unwrap_or(Format::Text),
        (None, None) => Format::Text,
    };
    if words.file().is_none() {
        output::for_stdout(format)?;
    }
    let runs = saved(&words.run)?;
    let share = Share { address: words.share_address, asn: !words.hide_asn };
    match words.file() {
        Some(path) => {
            let look = Look { color: words.color == args::When::Always, ..Look::default() };
            let mut file = OutFile::create(path)?;
            file.replace(|out| report::write(out, &runs, format, Options { look, share }))
        }
        None => {
            let look = output::look(words.color);
            output::stdout(|out| report::write(out, &runs, format, Options { look, share }))
        }
    }
}

/// What a file holds that reports are made of: the one place that opens one, whatever its form.
///
/// # Errors
/// A file that cannot be opened, or that is none of the forms known.
pub fn saved(path: &Path) -> Result<Runs, Failure> {
    let name = match path == Path::new("-") {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    };
    let bytes = match path == Path::new("-") {
        true => all(io::stdin().lock()),
        false => File::open(path).and_then(all),
    };
    let bytes = bytes.map_err(|error| {
        Failure::input(
            format!("cannot read {name}: {}", error_text(&error)),
            Some("give a run that `lasthop diagnose -o run.json` or --bundle wrote, or - and the run by a pipe".into()),
        )
    })?;
    parsed(bytes, &name)
}

/// The same of its bytes; `name` is what the user calls them.
pub fn parsed(bytes: Vec<u8>, name: &str) -> Result<Runs, Failure> {
    if bundle::is_bundle(&bytes) {
        let bundle = bundle::open(&bytes).map_err(|error| {
            Failure::input(
                format!("cannot read {name}: {error}"),
                Some("`lasthop verify` says what is wrong with a bundle".into()),
            )
        })?;
        return Ok(Runs::from(bundle.document));
    }
    Runs::read(bytes).map_err(|error| {
        Failure::input(format!("cannot read {name}: {}", error_text(&error)), Some(error.hint().into()))
    })
}

/// All bytes, and one more than is allowed at most.
pub fn all(file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
