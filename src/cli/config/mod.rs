//! Settings: what holds where the command line says nothing. A file, and variables of the environment.
//!
//! All flags have a setting, and there is no second list of them: names are made of the definition that the parser has.
//! What a setting gives becomes the flag's default, so that it is read, checked and refused like a word on the command
//! line, and yields to one. Some flags can only be given on the command line ([`flags::why_not`]): a file that was forgotten must
//! not agree to a cost, name whom to probe, write over a file or run a program.
//!
//! * [`flags`]: every flag with its names, and those that no setting may give
//! * [`source`]: the file and the environment, read
//! * [`show`]: `lasthop config`

pub mod flags;
pub mod show;
mod source;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::ffi::OsString;
use std::sync::OnceLock;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::failure::Failure;
use super::output;
use crate::report::safe;
use flags::{Flag, Shape};
pub use source::{Given, Settings};

/// What settings added to the words of this invocation, for the record of it.
static APPLIED: OnceLock<Vec<String>> = OnceLock::new();

/// The words that would say on the command line what settings said in this invocation.
pub fn applied() -> Vec<String> {
    APPLIED.get().cloned().unwrap_or_default()
}

/// A setting that holds for a flag.
#[derive(Clone, Debug)]
pub struct Held<'a> {
    /// The flag.
    pub flag: &'a Flag,
    /// What is given, and where.
    pub given: Given,
}

/// The arguments parsed, with settings where they say nothing.
///
/// # Errors
/// `Err(Ok)` is what the parser says of the words; `Err(Err)` what is wrong with the settings.
pub fn parse(command: &Command, arguments: &[OsString]) -> Result<ArgMatches, Result<clap::Error, Failure>> {
    let plain = command.clone().try_get_matches_from(arguments).map_err(Ok)?;
    let (path, below) = chosen(&plain);
    if flags::takes_none(&path) {
        return Ok(plain);
    }
    let known = flags::all(command);
    let settings = Settings::read(&known).map_err(Err)?;
    let held = holding(&settings, &known, &path).map_err(Err)?;
    let held = if held.is_empty() { held } else { yielding(command, held, &path, below).map_err(Err)? };
    if held.is_empty() {
        return Ok(plain);
    }
    let matches = with_defaults(command.clone(), &path, &held)
        .try_get_matches_from(arguments)
        .map_err(|error| Err(refused(&error, &held)))?;
    let words: Vec<String> = held.iter().flat_map(Held::words).collect();
    if chosen(&matches).1.try_get_one::<u8>("verbose").ok().flatten().is_some_and(|count| *count > 0) {
        for one in &held {
            output::talk(&format!("setting: {} ({})", safe(&one.words().join(" ")), safe(&one.given.place)));
        }
    }
    // One invocation is one process; in a test that runs several, the first one's words stay.
    let _ = APPLIED.set(words);
    Ok(matches)
}

/// Whether a setting wants JSON of this command: for what is said when the words themselves are wrong.
pub fn wants_json(command: &Command, arguments: &[OsString]) -> bool {
    let known = flags::all(command);
    let Ok(settings) = Settings::read(&known) else { return false };
    let Some(section) = arguments.get(1).and_then(|word| word.to_str()) else { return false };
    let json = known.iter().filter(|flag| flag.key == "json" && flag.section() == section);
    json.filter_map(|flag| settings.of(flag)).any(|given| given.values == ["true"])
}

/// The subcommands that were chosen, and what was given to the last.
fn chosen(matches: &ArgMatches) -> (Vec<String>, &ArgMatches) {
    let (mut path, mut below) = (Vec::new(), matches);
    while let Some((name, inner)) = below.subcommand() {
        path.push(name.to_owned());
        below = inner;
    }
    (path, below)
}

/// What is set for the flags of a command, whatever its words say.
fn holding<'a>(settings: &Settings, known: &'a [Flag], path: &[String]) -> Result<Vec<Held<'a>>, Failure> {
    let mut held = Vec::new();
    for flag in known.iter().filter(|flag| flag.command == path) {
        let Some(given) = settings.of(flag) else { continue };
        if let Some(why) = flag.refused {
            return Err(Failure::usage(
                format!("{} cannot be set: {why}", given.place),
                format!("say {} on the command line, where it is meant", flag.words),
            ));
        }
        flag.shape.check(&given).map_err(|wrong| wrong_value(&given, &wrong))?;
        held.push(Held { flag, given });
    }
    Ok(held)
}

/// Settings without those that yield: to a word on the command line, and to a contrary setting that ranks higher.
fn yielding<'a>(
    command: &Command,
    mut held: Vec<Held<'a>>,
    path: &[String],
    words: &ArgMatches,
) -> Result<Vec<Held<'a>>, Failure> {
    // Groups that only their members name are there once the command is built.
    let mut built = command.clone();
    built.build();
    let command = path.iter().try_fold(&built, |command, name| command.find_subcommand(name));
    let Some(command) = command else { return Ok(Vec::new()) };
    let said: Vec<&str> = words
        .ids()
        .map(clap::Id::as_str)
        .filter(|id| words.try_contains_id(id).is_ok())
        .filter(|id| words.value_source(id) == Some(ValueSource::CommandLine))
        .collect();
    let contrary = |one: &str, other: &str| one == other || flags::contradict(command, one, other);
    held.retain(|one| !said.iter().any(|id| contrary(&one.flag.id, id)));
    // A switch that is set to false says nothing against another.
    held.retain(|one| one.flag.shape != Shape::Switch || one.given.values == ["true"]);
    held.sort_by_key(|one| Reverse(one.given.rank));
    let mut kept: Vec<Held<'a>> = Vec::new();
    for one in held {
        match kept.iter().find(|other| contrary(&one.flag.id, &other.flag.id)) {
            None => kept.push(one),
            Some(other) if other.given.rank > one.given.rank => {}
            Some(other) => {
                return Err(Failure::usage(
                    format!("{} and {} contradict each other", other.given.place, one.given.place),
                    format!("take out {} or {}", other.flag.key, one.flag.key),
                ));
            }
        }
    }
    Ok(kept)
}

/// The command with settings as the defaults of its flags.
fn with_defaults(command: Command, path: &[String], held: &[Held<'_>]) -> Command {
    let Some((name, rest)) = path.split_first() else {
        return held.iter().fold(command, |command, one| {
            let values: Vec<String> = one.given.values.clone();
            command.mut_arg(&one.flag.id, |arg| arg.default_values(values))
        });
    };
    command.mut_subcommand(name, |below| with_defaults(below, rest, held))
}

/// A value that the flag's parser refuses, with the place it comes from.
fn refused(error: &clap::Error, held: &[Held<'_>]) -> Failure {
    let about = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let flag = about.split([' ', '=']).next().unwrap_or_default();
    let found = held.iter().find(|one| one.flag.words == flag);
    let failure = Failure::usage_text(error);
    let shown = || Some("lasthop config shows what is set, and where".to_owned());
    match found {
        Some(one) => Failure {
            message: format!("{}: {}", one.given.place, failure.message),
            hint: failure.hint.filter(|hint| !hint.starts_with("see ")).or_else(shown),
            ..failure
        },
        None => Failure { hint: shown(), ..failure },
    }
}

fn wrong_value(given: &Given, wrong: &str) -> Failure {
    Failure::usage(
        format!("{}: {wrong}", given.place),
        "lasthop config COMMAND shows every key with its value",
    )
}

/// What is wrong with a command's settings, if anything: its flags are parsed as they would be, without its words.
pub fn fault(command: &Command, known: &[Flag], settings: &Settings, path: &[String]) -> Option<Failure> {
    let held = match holding(settings, known, path) {
        Ok(held) => held,
        Err(failure) => return Some(failure),
    };
    let none = ArgMatches::default();
    let held = match yielding(command, held, path, &none) {
        Ok(held) => held,
        Err(failure) => return Some(failure),
    };
    let words = std::iter::once("lasthop").chain(path.iter().map(String::as_str));
    let error = with_defaults(command.clone(), path, &held).try_get_matches_from(words).err()?;
    let of_value = matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation);
    of_value.then(|| refused(&error, &held))
}

impl Held<'_> {
    /// The words that would say the same.
    fn words(&self) -> Vec<String> {
        let flag = &self.flag.words;
        match self.flag.shape {
            Shape::Switch => vec![flag.clone()],
            Shape::Count => {
                let times = self.given.values.first().and_then(|text| text.parse().ok()).unwrap_or(1);
                vec![flag.clone(); times]
            }
            Shape::One | Shape::Many => {
                self.given.values.iter().map(|value| format!("{flag}={value}")).collect()
            }
        }
    }
}
