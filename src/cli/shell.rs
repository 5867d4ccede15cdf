//! What the shell and other programs want: completions, the man page, the JSON schema.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Command;

use super::examples;
use super::exit::Exit;
use super::failure::{Failure, unwritable};
use super::output;
use crate::report;
use crate::trace::schema::{self, WordLists};
use crate::verdict::{Kind, Mechanism, Reason, Scope};

/// The words of `lasthop man`.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// The command whose page it is, such as diagnose, or db lookup [default: all pages, one behind the other]
    #[arg(value_name = "COMMAND", num_args = 0..=2)]
    pub command: Vec<String>,
    /// Write the page of every command to a file of this folder: lasthop.1, lasthop-diagnose.1, lasthop-db-lookup.1
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub dir: Option<PathBuf>,
}

/// `lasthop schema`.
pub fn schema() -> Exit {
    let words = WordLists {
        kinds: Kind::ALL.iter().map(|kind| kind.word()).collect(),
        mechanisms: Mechanism::ALL.iter().map(|mechanism| mechanism.word()).collect(),
        scopes: Scope::ALL.iter().map(|scope| scope.word()).collect(),
        reasons: Reason::ALL.iter().map(|reason| reason.word()).collect(),
    };
    told(output::stdout(|out| report::json(out, &schema::json_schema(&words))))
}

/// `lasthop completions SHELL`.
pub fn completions(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut examples::command(), "lasthop", &mut script);
    told(output::stdout(|out| out.write_all(&script)))
}

/// `lasthop man`.
pub fn man(words: &Man) -> Exit {
    told(pages(words))
}

fn pages(words: &Man) -> Result<(), Failure> {
    let command = examples::command();
    if let Some(folder) = &words.dir {
        let failed = |error: io::Error| unwritable(&folder.display().to_string(), &error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        // The help of the help has no page.
        return clap_mangen::generate_to(command.disable_help_subcommand(true), folder).map_err(failed);
    }
    let wanted = words.command.iter().try_fold(&command, |command, name| command.find_subcommand(name));
    let Some(wanted) = wanted else {
        return Err(Failure::usage(
            format!("there is no command '{}'", words.command.join(" ")),
            "lasthop --help lists the commands",
        ));
    };
    let name = ["lasthop"].into_iter().chain(words.command.iter().map(String::as_str)).collect::<Vec<_>>();
    output::stdout(|out| page(out, wanted, &name.join("-"), words.command.is_empty()))
}

/// The page of a command, and of all below it where they are wanted.
fn page(out: &mut dyn Write, command: &Command, name: &str, below: bool) -> io::Result<()> {
    clap_mangen::Man::new(command.clone().name(name.to_owned()).bin_name(name.replace('-', " ")))
        .render(out)?;
    for one in command.get_subcommands().filter(|one| below && one.get_name() != "help") {
        writeln!(out)?;
        page(out, one, &format!("{name}-{}", one.get_name()), below)?;
    }
    Ok(())
}

fn told(result: Result<(), Failure>) -> Exit {
    match result {
        Ok(()) => Exit::Ok,
        Err(failure) => {
            failure.say();
            failure.exit
        }
    }
}
