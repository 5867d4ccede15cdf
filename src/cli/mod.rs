//! The edge: arguments in, text and an exit status out. The only room that prints, reads the environment, and exits.
//!
//! * `args`: the words, one definition for parser, help, man page and completions
//! * `request`: words checked and turned into values, once
//! * `live`: from a request to an open wire, in the order that privilege demands
//! * one file a command: `diagnose` (and `trace`), `verify`, `demo`, `report`, `import`, `compare`, `db`; `shell` for completions, man page and schema
//! * `doctor`: what this machine allows and lacks
//! * `batch`: a list of targets, a result a line
//! * `fetch`: `db fetch`; `publishers`: what is where under which terms; `recognise`: whether what came is that
//! * `seek`, `cache`, `opt_out`: a search for references before it is made, what is kept of it, and whom it must never touch
//! * `from`: measurements by RIPE Atlas and Globalping
//! * `app`: a real exchange with the service
//! * `registry`: what published lists say of a target
//! * `keep`: what `--pcap` and `--bundle` write
//! * `watch`: the same over time, and what is told of it
//! * `several`, `via`: several uplinks and targets in one run
//! * `names`, `mx`: names resolved once, by whom was chosen; the mail hosts of a domain
//! * `spf`, `mail`, `web`: who sends a domain's mail, both sides of it, and what a URL names
//! * `simulated`: what measurements in a simulated Internet rest on
//! * `config`: settings, from a file and the environment
//! * `output`, `progress`: stdout for data, stderr for talk; `whole`: files that are whole or as they were
//! * `view`: the whole terminal, while it is measured
//! * `examples`: of every command, for its help
//! * `failure`, `exit`: what went wrong, the way out, and the status of each

mod app;
mod args;
mod batch;
mod cache;
mod compare;
mod config;
mod db;
mod demo;
mod diagnose;
mod doctor;
mod examples;
mod exit;
mod failure;
#[cfg(feature = "fetch")]
mod fetch;
#[cfg(feature = "fetch")]
mod from;
mod import;
mod keep;
mod live;
mod mail;
mod mx;
mod names;
mod opt_out;
mod output;
mod progress;
#[cfg(feature = "fetch")]
mod publishers;
#[cfg(feature = "fetch")]
mod recognise;
mod registry;
mod report;
mod request;
mod seek;
mod several;
mod shell;
mod simulated;
mod spf;
mod verify;
mod via;
#[cfg_attr(not(feature = "live"), path = "view_none.rs")]
mod view;
#[cfg(feature = "watch")]
mod watch;
mod web;
mod whole;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::ErrorKind;

use args::{Args, Command};
pub use exit::Exit;
use failure::Failure;

/// Runs the program with these arguments, the first being its own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let command = examples::command();
    let asks_json = || arguments.iter().any(|argument| argument == "--json");
    let parsed = match config::parse(&command, &arguments) {
        Ok(matches) => Args::from_arg_matches(&matches),
        Err(Ok(error)) => Err(error),
        Err(Err(failure)) => return failure.end(asks_json()).into(),
    };
    let mut args = match parsed {
        Ok(args) => args,
        Err(error) => {
            return usage(&error, asks_json() || config::wants_json(&command, &arguments)).into();
        }
    };
    if let Command::Diagnose(given) = &mut args.command
        && let Some(url) = given.url.clone()
    {
        url.apply(given);
    }
    let exit = match &args.command {
        #[cfg(feature = "fetch")]
        Command::Diagnose(given) if !given.from.is_empty() => from::diagnose(given),
        Command::Diagnose(given) => diagnose::diagnose(given),
        Command::Trace(given) => diagnose::trace(given),
        Command::Batch(given) => batch::batch(given),
        Command::Verify(given) => verify::verify(given),
        Command::Demo(given) => demo::demo(given),
        Command::Compare(given) => compare::compare(given),
        Command::Import(given) => import::import(given),
        Command::Report(given) => report::report(given),
        #[cfg(feature = "watch")]
        Command::Watch(given) => watch::watch(given),
        Command::Db(given) => db::db(given),
        Command::Config(given) => config::show::config(given, &command),
        Command::Doctor { json, db } => doctor::doctor(*json, db.as_deref()),
        Command::Schema => shell::schema(),
        Command::Completions { shell } => shell::completions(*shell),
        Command::Man(given) => shell::man(given),
    };
    exit.into()
}

/// Whether the program takes these arguments, the first being its own name; nothing is done. What is said is what the user
/// would be told.
///
/// ```
/// let words = |text: &str| text.split(' ').map(Into::into).collect::<Vec<std::ffi::OsString>>();
/// assert!(lasthop::cli::accepts(words("lasthop diagnose mx1.example 25 -r mx2.example")).is_ok());
/// assert!(lasthop::cli::accepts(words("lasthop diagnose --no-such-flag")).is_err());
/// ```
///
/// # Errors
/// What is wrong with them, as text for a terminal.
pub fn accepts(arguments: impl IntoIterator<Item = OsString>) -> Result<(), String> {
    match examples::command().try_get_matches_from(arguments) {
        Err(error) if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Err(error.to_string())
        }
        _ => Ok(()),
    }
}

/// Every command that the help gives as an example, behind the words of the command that it is an example of.
pub fn examples() -> impl Iterator<Item = (&'static [&'static str], &'static str)> {
    examples::all()
}

/// Help and version are answers; everything else is a usage error, in JSON too if that was asked for.
fn usage(error: &clap::Error, asks_json: bool) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A reader that went away has had enough.
        let _ = error.print();
        return Exit::Ok;
    }
    if asks_json {
        let failure = Failure::usage_text(error);
        failure.document();
        failure.say();
        return Exit::Usage;
    }
    let _ = error.print();
    Exit::Usage
}
