//! What this host says of itself: kernel, and who keeps its clock right.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::trace::WallTime;

/// The kernel's name and release, such as `Linux 6.1.0`.
#[must_use]
pub fn kernel() -> Option<String> {
    let read = |name: &str| {
        let text = fs::read_to_string(Path::new("/proc/sys/kernel").join(name)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    Some(format!("{} {}", read("ostype")?, read("osrelease")?))
}

/// Who keeps the clock right, as far as files tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synchronisation {
    /// `None` if that cannot be told: a time daemon runs, or none is known, and neither says how well it does.
    pub synchronised: Option<bool>,
    /// The daemon.
    pub source: Option<String>,
    /// When it last set the clock right.
    pub set_at: Option<WallTime>,
}

/// Looks for the time daemons that leave a trace in the file system. Asks none of them, and not the kernel, whose answer
/// (adjtimex) no safe interface gives.
#[must_use]
pub fn synchronisation() -> Synchronisation {
    // systemd-timesyncd touches this file each time it has set the clock.
    if let Ok(metadata) = fs::metadata("/run/systemd/timesync/synchronized") {
        let since = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let set_at = since.and_then(|since| i64::try_from(since.as_nanos()).ok()).map(WallTime);
        let source = Some("systemd-timesyncd".to_owned());
        return Synchronisation { synchronised: Some(true), source, set_at };
    }
    let daemons = [
        ("/run/chrony/chronyd.pid", "chronyd"),
        ("/run/chronyd.pid", "chronyd"),
        ("/run/ntpd.pid", "ntpd"),
        ("/run/ntpsec.pid", "ntpsec"),
        ("/run/openntpd.pid", "openntpd"),
    ];
    let running = daemons.iter().find(|(file, _)| Path::new(file).exists());
    Synchronisation { synchronised: None, source: running.map(|(_, name)| (*name).to_owned()), set_at: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_has_a_name_and_a_release() {
        let kernel = kernel().unwrap();
        let (name, release) = kernel.split_once(' ').unwrap();
        assert_eq!(name, "Linux");
        assert!(release.starts_with(|one: char| one.is_ascii_digit()), "{kernel}");
    }

    #[test]
    fn a_clock_is_never_called_right_without_saying_by_whom() {
        let found = synchronisation();
        assert!(found.synchronised.is_none() || found.source.is_some(), "{found:?}");
        assert!(found.set_at.is_none() || found.synchronised == Some(true), "{found:?}");
    }
}
