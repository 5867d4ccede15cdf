//! `db …`: offline tables, asked, built and compared by themselves.

mod build;
mod check;
mod info;
mod lookup;

use std::path::{Path, PathBuf};

use super::args::{Db, DbCommand};
use super::exit::Exit;
use super::failure::Failure;
use super::live::{Data, Files};
use super::output;
use crate::asdb::{Intake, Taken};
use crate::net::Clock;
use crate::trace::WallTime;

/// Stands for the table inside the program where a file is asked for, unless a file is called that.
const BUILT_IN: &str = "builtin";

/// `lasthop db …`.
pub fn db(words: &Db) -> Exit {
    let (result, as_json) = match &words.command {
        DbCommand::Build(words) => (build::build(words), words.json),
        DbCommand::Lookup { addresses, json, db, ixp } => {
            let now = now();
            let done = open(db.as_deref(), ixp).and_then(|data| lookup::lookup(addresses, *json, &data, now));
            (done, *json)
        }
        #[cfg(feature = "fetch")]
        DbCommand::Fetch(words) => return super::fetch::fetch(words),
        DbCommand::Check { old, new, json, top } => (check::check(old, new, *json, *top), *json),
        DbCommand::Info { json, db } => {
            let now = now();
            (open(db.as_deref(), &[]).and_then(|data| info::info(db.as_deref(), *json, &data, now)), *json)
        }
    };
    match result {
        Ok(exit) => exit,
        Err(failure) => {
            if as_json {
                // One line, as everything these commands print.
                failure.line();
            }
            failure.say();
            failure.exit
        }
    }
}

/// When the command was given, which is what a table is old at.
fn now() -> WallTime {
    Clock::start().started_at()
}

fn open(table: Option<&Path>, exchanges: &[PathBuf]) -> Result<Data, Failure> {
    Files::open(table, None, exchanges)?.read()
}

/// Puts a file, or the table inside the program, into an intake.
fn take(intake: &mut Intake, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<Taken, Failure> {
    let taken = match path == Path::new(BUILT_IN) && !path.exists() {
        true => intake.add_embedded(),
        false => intake.add(path, progress),
    };
    taken.map_err(|error| super::live::unreadable(&error))
}

/// A day, or that it is not known.
fn day(day: Option<impl std::fmt::Display>) -> String {
    day.map_or_else(|| "an unknown day".to_owned(), |day| day.to_string())
}

/// One object in one line.
fn print(value: &serde_json::Value) -> Result<Exit, Failure> {
    output::stdout(|out| writeln!(out, "{value}"))?;
    Ok(Exit::Ok)
}
