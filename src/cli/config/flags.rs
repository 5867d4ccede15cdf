//! Every flag of every command, with the names of its setting.

use std::any::TypeId;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command};

use super::source::Given;

/// How all variables of this program begin.
pub const PREFIX: &str = "LASTHOP_";

/// Variables of that beginning that mean something else, without it: keys and addresses of servers, what `watch --exec` tells
/// its command, and what tests and benchmarks take. A flag of such a name has only the name with its command before it.
pub const TAKEN: &[&str] = &[
    "ASNS",
    "ATLAS_KEY",
    "ATLAS_URL",
    "CONFIG",
    "CONFINED_FOLDER",
    "CONFINED_SCENE",
    "EVENT",
    "EVENT_ID",
    "FAULTS",
    "FIXTURES",
    "GLOBALPING_TOKEN",
    "GLOBALPING_URL",
    "KEY_PASSWORD",
    "KILLS",
    "KIND",
    "NET_SCENE",
    "NOT_AFTER",
    "NOT_BEFORE",
    "PORT",
    "PROTOCOL",
    "PYTHON",
    "REQUIRE_NET",
    "SUMMARY",
    "SWEEP",
    "TARGET",
];

/// Flags that no setting may give, by their ids, with the reason.
const REFUSED: &[(&str, &str)] = &[
    ("also", "whom to probe is said each time"),
    ("bundle", "it names a file that is written"),
    ("demo", "what is measured is said each time"),
    ("dry_run", "it is for one invocation"),
    ("exec", "it runs a program"),
    ("force", "it overrules a warning"),
    ("from", "it asks others, which may cost something"),
    ("key_file", "keys have places of their own"),
    ("large", "it overrules a warning"),
    ("list", "it is for one invocation"),
    ("mx", "whom to probe is said each time"),
    ("no_cache", "it would ask a network's hosts again and again"),
    ("output", "it names a file that is written"),
    #[cfg(feature = "parquet")]
    ("parquet", "it names a file that is written"),
    ("pcap", "it names a file that is written"),
    ("rate", "how hard others are asked is said each time"),
    ("real_time", "it is for tests"),
    ("resume", "it goes with a file that is named each time"),
    ("sha256", "it belongs to one file"),
    ("share_address", "it tells your address to others"),
    ("simulate", "what is measured is said each time"),
    ("spf", "whom to probe is said each time"),
    ("url", "whom to probe is said each time"),
    ("urls", "it says whom to ask"),
    ("webhook", "it sends what is found to a server"),
    ("yes", "it agrees to a cost"),
];

/// Commands without settings: what they say must be the same everywhere, or they say nothing that could be set.
const WITHOUT: &[&str] = &["verify", "schema", "completions", "man", "help", "config"];

/// Why no setting of a command's flag is taken, if none is.
pub fn why_not(command: &[String], id: &str) -> Option<&'static str> {
    if command.first().is_some_and(|first| first == "verify") {
        return Some("what verify says must not depend on the machine");
    }
    if takes_none(command) {
        return Some("this command takes no settings");
    }
    REFUSED.iter().find(|(refused, _)| *refused == id).map(|(_, why)| *why)
}

/// The ids of flags that no setting may give.
#[cfg(test)]
pub fn refused_ids() -> impl Iterator<Item = &'static str> {
    REFUSED.iter().map(|(id, _)| *id)
}

/// Whether settings mean nothing to a command.
pub fn takes_none(command: &[String]) -> bool {
    command.first().is_none_or(|first| WITHOUT.contains(&first.as_str()))
}

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing: it is there or not.
    Switch,
    /// Nothing: it is counted.
    Count,
    /// A value.
    One,
    /// Values.
    Many,
}

impl Shape {
    /// Says what is wrong with what was given, in its form; the flag's own parser has the rest.
    pub fn check(self, given: &Given) -> Result<(), String> {
        let one = match given.values.as_slice() {
            [one] => Some(one.as_str()),
            _ => None,
        };
        match (self, one) {
            (Self::Switch, Some("true" | "false")) | (Self::One, Some(_)) | (Self::Many, _) => Ok(()),
            (Self::Switch, _) => Err("it is true or false".into()),
            (Self::Count, Some(text)) if text.parse::<u8>().is_ok() => Ok(()),
            (Self::Count, _) => Err("it is a number, 0 for not at all".into()),
            (Self::One, None) => Err("it takes one value, no list".into()),
        }
    }
}

/// A flag of a command, as settings know it.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The subcommands that lead to it: `db`, `lookup`.
    pub command: Vec<String>,
    /// What the parser calls it.
    pub id: String,
    /// What the file calls it: its long name, or what it is where it has none (`ipv4`).
    pub key: String,
    /// As it is written on the command line.
    pub words: String,
    /// What it takes.
    pub shape: Shape,
    /// A file's or folder's path.
    pub is_path: bool,
    /// What holds where nobody says anything.
    pub default: Option<String>,
    /// Why no setting of it is taken, if none is.
    pub refused: Option<&'static str>,
    /// A key of this name at the top of the file, and a variable of this name without a command, are for it as well.
    pub general: General,
}

/// Under which names without a command a flag is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct General {
    /// At the top of the file.
    pub key: bool,
    /// In the environment.
    pub variable: bool,
}

impl Flag {
    /// The section of the file for its command: `db-lookup`.
    pub fn section(&self) -> String {
        self.command.join("-")
    }

    /// Its variables, the one that counts more first.
    pub fn variables(&self) -> Vec<String> {
        let name = |text: &str| text.to_uppercase().replace('-', "_");
        let mut names = vec![format!("{PREFIX}{}_{}", name(&self.section()), name(&self.key))];
        if self.general.variable {
            names.push(format!("{PREFIX}{}", name(&self.key)));
        }
        names
    }
}

/// The sections that the file may have.
pub fn sections(command: &Command) -> Vec<String> {
    let mut found: Vec<String> = all(command).iter().map(Flag::section).collect();
    found.dedup();
    found
}

/// Every flag of a command and of all below it.
pub fn all(command: &Command) -> Vec<Flag> {
    let mut found = Vec::new();
    below(command, &mut Vec::new(), &mut found);
    let sections: Vec<String> = found.iter().map(Flag::section).collect();
    for flag in &mut found {
        // `demo` at the top of the file would be both a section and a key.
        let key = !sections.contains(&flag.key);
        let name = flag.key.to_uppercase().replace('-', "_");
        flag.general = General { key, variable: key && !TAKEN.contains(&name.as_str()) };
    }
    found
}

fn below(command: &Command, path: &mut Vec<String>, found: &mut Vec<Flag>) {
    for arg in command.get_arguments().filter(|arg| is_flag(arg) && !path.is_empty()) {
        found.push(flag(arg, path));
    }
    for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
        path.push(one.get_name().to_owned());
        below(one, path, found);
        path.pop();
    }
}

fn is_flag(arg: &Arg) -> bool {
    let answers = matches!(
        arg.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    );
    !arg.is_positional() && !answers
}

fn flag(arg: &Arg, path: &[String]) -> Flag {
    let id = arg.get_id().as_str().to_owned();
    let key = arg.get_long().map_or_else(|| id.replace('_', "-"), str::to_owned);
    let words = arg.get_long().map_or_else(
        || arg.get_short().map_or_else(|| id.clone(), |short| format!("-{short}")),
        |long| format!("--{long}"),
    );
    let shape = match arg.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse => Shape::Switch,
        ArgAction::Count => Shape::Count,
        ArgAction::Append => Shape::Many,
        _ => Shape::One,
    };
    let defaults: Vec<_> = arg.get_default_values().iter().map(|one| one.to_string_lossy()).collect();
    Flag {
        command: path.to_vec(),
        refused: why_not(path, &id),
        is_path: arg.get_value_parser().type_id() == TypeId::of::<PathBuf>(),
        default: (!defaults.is_empty() && shape != Shape::Switch).then(|| defaults.join(",")),
        general: General { key: true, variable: true },
        id,
        key,
        words,
        shape,
    }
}

/// Whether two flags of a command exclude each other.
pub fn contradict(command: &Command, one: &str, other: &str) -> bool {
    let find = |id: &str| command.get_arguments().find(|arg| arg.get_id() == id);
    let (Some(first), Some(second)) = (find(one), find(other)) else { return false };
    let excludes = |arg: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(arg).iter().any(|found| found.get_id() == other.get_id())
    };
    let together = command.get_groups().any(|group| {
        let holds = |id: &str| group.get_args().any(|arg| arg == id);
        !group.clone().is_multiple() && holds(one) && holds(other)
    });
    // A format beside --json is refused where the report is written, not by the parser.
    let forms = ["json", "format"];
    together
        || excludes(first, second)
        || excludes(second, first)
        || (forms.contains(&one) && forms.contains(&other) && one != other)
}

/// The name that is nearest to a wrong one, if any is near.
pub fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
