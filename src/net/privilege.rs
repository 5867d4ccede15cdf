//! Capabilities: held while sockets are opened, gone before the first reply is read.
//!
//! What comes in from the network is written by strangers, and so are the files a run reads. Whoever finds a flaw in
//! a reader must not find a privileged process behind it. A raw socket that is open needs no capability to send,
//! receive or be closed, so nothing is kept.
//!
//! What the kernel asks for: CAP_NET_RAW for raw sockets and, before Linux 5.7, for `SO_BINDTODEVICE` (`-i`, `--vrf`);
//! for `SO_MARK` (`--fwmark`) CAP_NET_RAW from Linux 5.17 on, CAP_NET_ADMIN before. With CAP_NET_ADMIN receive buffers
//! may be larger than `net.core.rmem_max`; without it they are not, and nothing else changes.

use std::io;

use caps::errors::CapsError;
use caps::{CapSet, Capability};

/// Why capabilities could not be given up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DropError {
    /// The kernel refused.
    #[error("cannot give up the {set} capabilities: {source}")]
    Kept {
        /// Which set.
        set: &'static str,
        /// The system's answer.
        source: CapsError,
    },
    /// The kernel did not set `no_new_privs`.
    #[error("cannot forbid new privileges: {source}")]
    NewPrivileges {
        /// The system's answer.
        source: io::Error,
    },
    /// Capabilities belong to threads, and this one cannot take away another's.
    #[error("thread {thread} of this process keeps its capabilities")]
    OtherThread {
        /// Its number in the kernel.
        thread: i32,
    },
}

/// Whether this thread may open raw sockets now, as far as its capabilities tell.
#[must_use]
pub fn holds_net_raw() -> bool {
    holds(Capability::CAP_NET_RAW)
}

pub(super) fn holds(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false)
}

/// Gives up every capability of this thread for good, and for what it may execute later.
///
/// The user id stays: files are written as who started the program. Call it after
/// [`LiveWire::open`](super::LiveWire::open) and before any other thread is started.
///
/// ```standalone_crate
/// use lasthop::net::privilege;
///
/// # fn main() -> Result<(), privilege::DropError> {
/// privilege::drop_all()?;
/// assert!(!privilege::holds_net_raw());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If the kernel refuses, or if another thread of this process still has capabilities: then the drop has happened
/// here, but protects nothing.
pub fn drop_all() -> Result<(), DropError> {
    drop_here()?;
    for thread in threads() {
        // A thread that has ended meanwhile holds nothing.
        if caps::read(Some(thread), CapSet::Permitted).is_ok_and(|held| !held.is_empty()) {
            return Err(DropError::OtherThread { thread });
        }
    }
    Ok(())
}

/// Gives up every capability of this thread for good, of those it will start, and of what they may execute. Another thread may
/// keep its own: one that goes on opening sockets, and reads nothing that strangers wrote.
///
/// # Errors
/// If the kernel refuses.
pub fn drop_here() -> Result<(), DropError> {
    drop_bounds();
    // The ambient set goes when the permitted one does, so it comes first: to be seen to go. Nothing is needed to give
    // up the others.
    for (set, name) in [
        (CapSet::Ambient, "ambient"),
        (CapSet::Effective, "effective"),
        (CapSet::Permitted, "permitted"),
        (CapSet::Inheritable, "inheritable"),
    ] {
        caps::clear(None, set).map_err(|source| DropError::Kept { set: name, source })?;
    }
    // Without this a process of user 0 would get everything back by executing any program.
    nix::sys::prctl::set_no_new_privs().map_err(|errno| DropError::NewPrivileges { source: errno.into() })
}

/// Gives up every capability of this thread but those that opening sockets takes, CAP_NET_RAW and CAP_NET_ADMIN, of which
/// it keeps what it has.
///
/// # Errors
/// If the kernel refuses.
pub fn narrow() -> Result<(), DropError> {
    drop_bounds();
    let kept = |set, name: &'static str| -> Result<(), DropError> {
        let failed = |source| DropError::Kept { set: name, source };
        let held = caps::read(None, set).map_err(failed)?;
        let needed = [Capability::CAP_NET_RAW, Capability::CAP_NET_ADMIN];
        let left = needed.into_iter().filter(|one| held.contains(one)).collect();
        caps::set(None, set, &left).map_err(failed)
    };
    caps::clear(None, CapSet::Ambient)
        .and_then(|()| caps::clear(None, CapSet::Inheritable))
        .map_err(|source| DropError::Kept { set: "inheritable", source })?;
    // What is in effect must be permitted, so it shrinks first.
    kept(CapSet::Effective, "effective")?;
    kept(CapSet::Permitted, "permitted")
}

/// Gives up what this thread could get by executing programs. That itself takes a capability, CAP_SETPCAP, which whoever has
/// only CAP_NET_RAW lacks; then it is `no_new_privs` that sees to it.
fn drop_bounds() {
    if holds(Capability::CAP_SETPCAP) {
        for capability in caps::all() {
            // A kernel may not know all that the library does.
            let _ = caps::drop(None, CapSet::Bounding, capability);
        }
    }
}

/// The threads of this process; none where `/proc` is not mounted.
fn threads() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}
