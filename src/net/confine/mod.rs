//! What a run may still do once its sockets are open: read what it needs, write where it was told to, and little else.
//!
//! Giving up capabilities is not enough: a process of user 0 still owns most files, and an ordinary one those of its user.
//! So the kernel is told which files a run needs (Landlock) and which system calls (seccomp), before anything is read that
//! strangers wrote. Both hold for this thread, for those it starts and for what they execute, and nobody can take them back.
//! An older kernel has less of it: what could be had is reported, and the run goes on.
//!
//! A measurement can still talk to the network by the sockets that it has, and fill the folders that it writes to.

mod calls;
mod files;

use std::path::PathBuf;

/// What a run needs after its sockets are open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Files and folders that are read, beside those of the system.
    pub reads: Vec<PathBuf>,
    /// Folders in which files are made and replaced.
    pub writes: Vec<PathBuf>,
    /// TCP connections are made: by ordinary sockets, or to talk to a service.
    pub connects: bool,
    /// Programs are run: the one that knows how right the clock is.
    pub programs: bool,
}

/// How much of it the kernel took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confined {
    /// Files beside those allowed are out of reach.
    pub files: bool,
    /// TCP connections are, if none were allowed.
    pub connections: bool,
    /// Other system calls are refused.
    pub calls: bool,
}

/// Confines this thread, and those it will start, to `allowance`. What this kernel cannot do is left out.
pub fn confine(allowance: &Allowance) -> Confined {
    let (files, connections) = files::confine(allowance);
    // Last, for it takes away the calls that the others make.
    let calls = calls::confine(allowance.programs);
    Confined { files, connections, calls }
}

/// The version of Landlock that this kernel speaks, if any; found out by a thread that ends at once.
#[must_use]
pub fn landlock_version() -> Option<i32> {
    std::thread::spawn(files::version).join().ok().flatten()
}

/// Whether this kernel filters system calls with the action that is used here.
#[must_use]
pub fn filters_calls() -> bool {
    let actions = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail");
    actions.is_ok_and(|actions| actions.split_whitespace().any(|one| one == "errno")) && calls::known()
}
