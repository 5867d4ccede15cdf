//! What the shell and other programs want: completions, the man page, the JSON schema.

use clap::CommandFactory;

use super::args::Args;
use super::exit::Exit;
use super::output;
use crate::report;
use crate::trace::schema::{self, WordLists};
use crate::verdict::{Kind, Mechanism, Reason, Scope};

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
    clap_complete::generate(shell, &mut Args::command(), "lasthop", &mut script);
    told(output::stdout(|out| out.write_all(&script)))
}

/// `lasthop man`.
pub fn man() -> Exit {
    told(output::stdout(|out| {
        let command = Args::command();
        clap_mangen::Man::new(command.clone()).render(&mut *out)?;
        for one in command.get_subcommands() {
            writeln!(out)?;
            clap_mangen::Man::new(one.clone().name(format!("lasthop-{}", one.get_name())))
                .render(&mut *out)?;
        }
        Ok(())
    }))
}

fn told(result: Result<(), super::failure::Failure>) -> Exit {
    match result {
        Ok(()) => Exit::Ok,
        Err(failure) => {
            failure.say();
            failure.exit
        }
    }
}
