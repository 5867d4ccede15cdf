//! The command that was typed.

use crate::trace::foreign::ForeignTrace;

/// What a command line says of the trace it started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command;

pub(super) const fn echo(_line: &str) -> Option<Command> {
    None
}

impl Command {
    pub(super) fn tell(&self, _trace: &mut ForeignTrace) {}
}
