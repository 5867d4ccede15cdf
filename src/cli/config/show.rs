//! `lasthop config`: what is set, and where.

use std::io::{self, Write};

use clap::Command;
use serde::Serialize;

use super::flags::{self, Flag};
use super::{Settings, fault};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::report::{self, safe};

/// Variables whose values are secrets: whether they are set is told, and nothing else.
const SECRETS: [&str; 3] = ["LASTHOP_ATLAS_KEY", "LASTHOP_GLOBALPING_TOKEN", "LASTHOP_KEY_PASSWORD"];

/// The words of `lasthop config`.
#[derive(Debug, clap::Args)]
pub struct Config {
    /// A command, such as diagnose or db-lookup: every flag of it, what holds, and where that is from [default: what is set, of
    /// all commands]
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
    /// One JSON document with every flag of every command
    #[arg(long)]
    pub json: bool,
}

/// One flag, as it is told to a program.
#[derive(Debug, Serialize)]
struct Row {
    /// The command, as the file calls its section.
    command: String,
    /// The file's key.
    key: String,
    /// The command line's.
    flag: String,
    /// What holds; null where the flag is not given and has no value of its own.
    value: Option<Vec<String>>,
    /// `default`, `file` or `environment`.
    source: &'static str,
    /// The variable, or the file and line.
    place: Option<String>,
    /// The variables that are asked, in this order.
    variables: Vec<String>,
    /// Why it can be given on the command line only; null where it can be set.
    command_line_only: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Told {
    schema: &'static str,
    /// The file; null where there is no place for one, or none is to be read.
    file: Option<String>,
    found: bool,
    settings: Vec<Row>,
    /// Variables that begin like ours and set nothing.
    unknown: Vec<Unknown>,
    /// Keys in the environment, by the names of their variables: never their values.
    keys: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Unknown {
    variable: String,
    meant: Option<String>,
}

/// `lasthop config`.
pub fn config(words: &Config, command: &Command) -> Exit {
    tell(words, command).unwrap_or_else(|failure| failure.end(words.json))
}

fn tell(words: &Config, command: &Command) -> Result<Exit, Failure> {
    let known = flags::all(command);
    let sections = flags::sections(command);
    if let Some(wanted) = words.command.as_ref().filter(|wanted| !sections.contains(wanted)) {
        let near = flags::nearest(wanted, sections.iter().map(String::as_str));
        let hint = near.map_or_else(
            || format!("one of {}", sections.join(", ")),
            |near| format!("did you mean {near}?"),
        );
        return Err(Failure::usage(format!("no command '{wanted}' has settings"), hint));
    }
    let settings = Settings::read(&known)?;
    let mut paths: Vec<&Vec<String>> = known.iter().map(|flag| &flag.command).collect();
    paths.dedup();
    for path in paths.into_iter().filter(|path| !flags::takes_none(path)) {
        if let Some(failure) = fault(command, &known, &settings, path) {
            return Err(failure);
        }
    }
    let of = |flag: &&Flag| words.command.as_ref().is_none_or(|wanted| flag.section() == *wanted);
    let told = Told {
        schema: "lasthop.config/1",
        file: settings.file.as_ref().map(|(path, _)| path.display().to_string()),
        found: settings.file.as_ref().is_some_and(|(_, found)| *found),
        settings: known.iter().filter(of).map(|flag| row(flag, &settings)).collect(),
        unknown: settings
            .unknown(&known)
            .into_iter()
            .map(|(variable, meant)| Unknown { variable, meant })
            .collect(),
        keys: SECRETS
            .into_iter()
            .filter(|name| std::env::var_os(name).is_some_and(|key| !key.is_empty()))
            .collect(),
    };
    output::stdout(|out| match words.json {
        true => report::json(out, &told),
        false => text(out, &told, words.command.is_some()),
    })?;
    Ok(Exit::Ok)
}

fn row(flag: &Flag, settings: &Settings) -> Row {
    let given = settings.of(flag).filter(|_| flag.refused.is_none());
    let source = match &given {
        Some(given) if given.from_environment => "environment",
        Some(_) => "file",
        None => "default",
    };
    Row {
        command: flag.section(),
        key: flag.key.clone(),
        flag: flag.words.clone(),
        place: given.as_ref().map(|given| given.place.clone()),
        value: given.map(|given| given.values).or_else(|| flag.default.clone().map(|value| vec![value])),
        source,
        variables: match flag.refused {
            Some(_) => Vec::new(),
            None => flag.variables(),
        },
        command_line_only: flag.refused,
    }
}

fn text(out: &mut dyn Write, told: &Told, all: bool) -> io::Result<()> {
    match (&told.file, told.found) {
        (Some(file), true) => writeln!(out, "file         {}", safe(file))?,
        (Some(file), false) => writeln!(out, "file         {} (not there)", safe(file))?,
        (None, _) => writeln!(out, "file         none")?,
    }
    for name in &told.keys {
        writeln!(out, "key          {name} is set (never shown)")?;
    }
    for Unknown { variable, meant } in &told.unknown {
        let meant = meant.as_ref().map_or(String::new(), |meant| format!(": did you mean {meant}?"));
        writeln!(out, "sets nothing {}{}", safe(variable), safe(&meant))?;
    }
    let rows: Vec<&Row> = told.settings.iter().filter(|row| all || row.source != "default").collect();
    let widest = |of: fn(&Row) -> usize| rows.iter().map(|row| of(row)).max().unwrap_or(0);
    let (keys, values) = (widest(|row| row.key.len()), widest(|row| value(row).chars().count()).min(40));
    let mut command = "";
    for row in &rows {
        if row.command != command {
            command = &row.command;
            writeln!(out, "\n[{command}]")?;
        }
        let place = match (&row.place, row.command_line_only) {
            (Some(place), _) => in_file(place, told.file.as_deref()),
            (None, Some(why)) => format!("command line only: {why}"),
            (None, None) => "default".to_owned(),
        };
        writeln!(out, "{:keys$}  {:values$}  {}", row.key, safe(&value(row)), safe(&place))?;
    }
    if rows.is_empty() {
        writeln!(out, "\nnothing is set: all flags have their defaults")?;
    }
    if !all {
        writeln!(out, "\nlasthop config COMMAND lists all keys of a command")?;
    }
    Ok(())
}

/// A place in the file that was named above, without its name.
fn in_file(place: &str, file: Option<&str>) -> String {
    let line = file.and_then(|file| place.strip_prefix(file)).and_then(|rest| rest.split(':').next());
    line.map_or_else(|| place.to_owned(), |line| format!("file{line}"))
}

fn value(row: &Row) -> String {
    row.value.as_ref().map_or_else(|| "-".to_owned(), |values| values.join(", "))
}
