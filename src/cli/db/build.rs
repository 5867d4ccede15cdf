//! `db build`: files in, a table out, and an account of what became of every one.

use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use super::super::args::DbBuild;
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::output;
use super::super::progress;
use crate::asdb::sources::Options;
use crate::asdb::{Intake, Settings, Table, Taken};
use crate::report::safe;

/// `lasthop db build`.
pub fn build(words: &DbBuild) -> Result<Exit, Failure> {
    if words.output == Path::new("-") {
        return Err(Failure::usage(
            "a table is not written to standard output",
            "name a file with -o FILE; standard output gets the summary",
        ));
    }
    if !words.together && words.sources.len() > 1 && (words.name.is_some() || words.licence.is_some()) {
        return Err(Failure::usage(
            "--name and --licence speak of one source, and without --together there are several",
            "add --together if they are parts of one; else build a table of each, then one of those tables",
        ));
    }
    no_input_is_overwritten(words)?;
    let settings = Settings {
        together: words.together,
        name: words.name.clone(),
        licence: words.licence.clone(),
        date: words.date,
        options: Options::default(),
    };
    let mut intake = Intake::new(settings);
    let progress = Progress::new(&words.sources);
    let mut taken = Vec::new();
    for path in &words.sources {
        let read = super::take(&mut intake, path, &mut |bytes| progress.at(path, bytes));
        if read.is_err() {
            progress.end();
        }
        taken.push((path, read?));
        progress.done(path);
    }
    let mut builder = intake.done();
    if let Some(title) = &words.title {
        builder.set_title(title);
    }
    if builder.holds_nothing() {
        progress.end();
        return Err(Failure::input(
            "there is nothing in these files that a table could hold",
            Some("lasthop db build --help lists what is read".into()),
        ));
    }
    progress.say("packing");
    let packed = builder.write();
    progress.end();
    let packed = packed.map_err(|error| super::super::live::unreadable(&error))?;
    output::put(&words.output, &packed)?;
    // What is said of the table is what is in the file, read as anybody reads it.
    let table = Table::from_reader(packed.as_slice(), &words.output);
    let table = table.map_err(|error| super::super::live::unreadable(&error))?;
    if words.json {
        return super::print(&summary(&words.output, &taken, &table));
    }
    output::stdout(|out| tell(out, &words.output, &taken, &table))?;
    Ok(Exit::Ok)
}

/// Whether two names lead to one file.
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn no_input_is_overwritten(words: &DbBuild) -> Result<(), Failure> {
    let Ok(there) = fs::metadata(&words.output) else { return Ok(()) };
    let same = |path: &&PathBuf| fs::metadata(path).is_ok_and(|metadata| is_same(&metadata, &there));
    match words.sources.iter().find(same) {
        Some(path) => Err(Failure::usage(
            format!("{} is a source; the table would be written over it", path.display()),
            "write the table to another file with -o",
        )),
        None => Ok(()),
    }
}

fn tell(out: &mut dyn Write, path: &Path, taken: &[(&PathBuf, Taken)], table: &Table) -> io::Result<()> {
    for (path, read) in taken {
        let date = super::day(read.date);
        writeln!(out, "{}: {}, data of {date}", safe(&path.display().to_string()), safe(&read.format))?;
        let dropped: Vec<String> =
            read.dropped.iter().map(|(why, count)| format!("{count} {}", safe(why))).collect();
        let dropped = if dropped.is_empty() { "nothing".to_owned() } else { dropped.join(", ") };
        writeln!(out, "  {} read, {} kept; left out: {dropped}", read.read, read.kept)?;
        for warning in &read.warnings {
            writeln!(out, "  warning: {}", safe(warning))?;
        }
    }
    let (info, details) = (table.info(), table.details());
    writeln!(
        out,
        "{}: {} bytes, data of {}",
        safe(&path.display().to_string()),
        details.bytes.unwrap_or_default(),
        super::day(info.built_at)
    )?;
    writeln!(
        out,
        "  {} IPv4 and {} IPv6 ranges, {} ASes, {} with a name, {} links, {} exchange LANs, {} members there",
        details.prefixes[0],
        details.prefixes[1],
        details.asns,
        details.names,
        details.links,
        details.lans,
        details.members
    )?;
    writeln!(out, "  sha256 {}", info.sha256)
}

fn summary(path: &Path, taken: &[(&PathBuf, Taken)], table: &Table) -> Value {
    let (info, details) = (table.info(), table.details());
    let files: Vec<Value> = (taken.iter())
        .map(|(path, read)| {
            let dropped: Map<String, Value> =
                read.dropped.iter().map(|(why, count)| (why.clone(), (*count).into())).collect();
            json!({
                "file": path.display().to_string(),
                "format": read.format,
                "date": read.date.map(|date| date.to_string()),
                "sha256": read.sha256,
                "read": read.read,
                "kept": read.kept,
                "dropped": dropped,
                "warnings": read.warnings,
            })
        })
        .collect();
    let mut value = super::info::value(&info, &details);
    if let Some(object) = value.as_object_mut() {
        object.insert("output".to_owned(), path.display().to_string().into());
        object.insert("files".to_owned(), files.into());
    }
    value
}

/// A bar over the bytes of all files, if somebody watches.
struct Progress {
    bar: Option<ProgressBar>,
    sizes: Vec<(PathBuf, u64)>,
}

impl Progress {
    fn new(paths: &[PathBuf]) -> Self {
        let size = |path: &PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.len());
        let sizes: Vec<_> = paths.iter().map(|path| (path.clone(), size(path))).collect();
        let all = sizes.iter().map(|(_, size)| size).sum();
        let bar = progress::bar(true, Some(all), 10, "{bar:24} {percent:>3} %  {wide_msg}");
        Self { bar, sizes }
    }

    /// Bytes before a file.
    fn before(&self, path: &Path) -> u64 {
        self.sizes.iter().take_while(|(one, _)| one != path).map(|(_, size)| size).sum()
    }

    fn at(&self, path: &Path, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.before(path) + bytes);
            bar.set_message(format!("reading {}", safe(&path.display().to_string())));
        }
    }

    fn done(&self, path: &Path) {
        if let Some(bar) = &self.bar {
            let size = self.sizes.iter().find(|(one, _)| one == path).map_or(0, |(_, size)| *size);
            bar.set_position(self.before(path) + size);
        }
    }

    fn say(&self, what: &'static str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what);
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
