//! What went wrong, for people and for programs: one sentence, one way out, one status.

use std::io;

use super::exit::Exit;
use super::output;
use crate::probe::{PlanError, WireFault};
use crate::report::{self, Session, safe};
use crate::trace::{Protocol, schema};

/// One failure.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The status to end with.
    pub exit: Exit,
    /// A word for programs.
    pub kind: &'static str,
    /// A sentence.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

impl Failure {
    /// Wrong arguments.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, kind: "usage", message: message.into(), hint: Some(hint.into()) }
    }

    /// Something around the program does not allow it.
    pub fn environment(kind: &'static str, message: impl Into<String>, hint: Option<String>) -> Self {
        Self { exit: Exit::Environment, kind, message: message.into(), hint }
    }

    /// A file or line that cannot be read as what it should be.
    pub fn input(message: impl Into<String>, hint: Option<String>) -> Self {
        Self { exit: Exit::Input, kind: "input", message: message.into(), hint }
    }

    /// What the argument parser says, without its decoration.
    pub fn usage_text(error: &clap::Error) -> Self {
        let text = error.to_string();
        // The first paragraph: a sentence, and below it what it speaks of.
        let mut lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
        let sentence = lines.next().unwrap_or("wrong arguments").trim_start_matches("error: ");
        let listed: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
        let message = match sentence.ends_with(':') && !listed.is_empty() {
            true => format!("{sentence} {}", listed.join(", ")),
            false => sentence.to_owned(),
        };
        let tip = text.lines().map(str::trim).find_map(|line| line.strip_prefix("tip: ")).map(str::to_owned);
        let values = listed.iter().find_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
        let hint =
            tip.or_else(|| values.map(str::to_owned)).unwrap_or_else(|| "see lasthop --help".to_owned());
        Self::usage(message, hint)
    }

    /// Talks to the person at the terminal.
    pub fn say(&self) {
        output::talk(&format!("lasthop: {}", safe(&self.message)));
        if let Some(hint) = &self.hint {
            output::talk(&format!("hint: {}", safe(hint)));
        }
    }

    /// How a command ends that failed: told, in a document as well if one was asked for.
    pub fn end(self, prints_json: bool) -> Exit {
        if prints_json {
            self.document();
        }
        self.say();
        self.exit
    }

    /// The same for a program, as a document's `error`.
    pub fn schema(&self) -> schema::Failure {
        schema::Failure { kind: self.kind.to_owned(), message: self.message.clone(), hint: self.hint.clone() }
    }

    /// One document on stdout that holds nothing but this failure.
    pub fn document(&self) {
        self.document_of(&Session::default(), Protocol::Tcp, None);
    }

    /// The same in one line.
    pub fn line(&self) {
        let document = report::failure(&Session::default(), Protocol::Tcp, None, self.schema());
        let line = serde_json::to_string(&document).unwrap_or_default();
        let _ = output::stdout(|out| writeln!(out, "{line}"));
    }

    /// The same, with what was known when it happened.
    pub fn document_of(&self, session: &Session, protocol: Protocol, port: Option<u16>) {
        let document = report::failure(session, protocol, port, self.schema());
        // The failure that is being told comes before one in telling it.
        let _ = output::stdout(|out| report::json(out, &document));
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self::usage(error.to_string(), "see lasthop diagnose --help")
    }
}

impl From<&WireFault> for Failure {
    fn from(fault: &WireFault) -> Self {
        Self::environment("network", error_text(fault), Some("what was measured until then is shown".into()))
    }
}

/// How a command ends that measured or read `runs`: tells every failure, and picks the status by one rule, whatever the
/// number of runs.
///
/// If every run broke, that is it. Else a file that was named and could not be read or written is: who asked for it relies on
/// it. Else the conclusion: what one of several runs could not do does not take away what the others found.
pub fn ending(runs: usize, broken: &[Failure], files: &[Failure], concluded: Option<Exit>) -> Exit {
    for failure in broken.iter().chain(files) {
        failure.say();
    }
    let all_broke = if broken.len() >= runs { broken.first() } else { None };
    let failed = all_broke.or(files.first()).map(|failure| failure.exit);
    failed.or(concluded).or(broken.first().map(|failure| failure.exit)).unwrap_or(Exit::Environment)
}

/// A file or stream that cannot be written.
pub fn unwritable(path: &str, error: &io::Error) -> Failure {
    Failure::environment(
        "output",
        format!("cannot write {path}: {}", error_text(error)),
        Some("choose another place with -o FILE, or leave -o out for standard output".into()),
    )
}

/// A thread that the system does not give.
#[cfg(feature = "watch")]
pub fn no_thread(error: &io::Error) -> Failure {
    let hint = "raise the limit of processes (ulimit -u, TasksMax= of a service), or end other programs";
    Failure::environment("thread", format!("no thread can be started: {error}"), Some(hint.into()))
}

/// The system's words without the number it adds.
pub fn error_text(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rule_for_one_run_and_for_several() {
        let net = || Failure::environment("network", "x", None);
        let file = || Failure::input("y", None);
        for runs in [1, 2] {
            assert_eq!(ending(runs, &[], &[], Some(Exit::Named)), Exit::Named);
            assert_eq!(ending(runs, &[], &[file()], Some(Exit::Named)), Exit::Input, "{runs}");
            let all = vec![net(); runs];
            assert_eq!(ending(runs, &all, &[], Some(Exit::Inconclusive)), Exit::Environment, "{runs}");
            assert_eq!(ending(runs, &all, &[file()], None), Exit::Environment, "{runs}");
        }
        assert_eq!(ending(2, &[net()], &[], Some(Exit::Ok)), Exit::Ok, "one of two broke");
        assert_eq!(ending(2, &[net()], &[file()], Some(Exit::Ok)), Exit::Input);
        assert_eq!(ending(2, &[net()], &[], None), Exit::Environment);
    }
}
