//! What this host says of itself: kernel, and who keeps its clock right.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

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
    /// How far off the clock can have been then, in nanoseconds, by the daemon's own estimate.
    pub most_wrong_ns: Option<u64>,
    /// The file that says so.
    pub told_by: Option<&'static str>,
}

/// Where chronyd writes its measure of the clock, if it is told to (`log tracking`).
const TRACKING: &str = "/var/log/chrony/tracking.log";
/// No line of it is longer, and the last one stands in the last bytes.
const LAST_LINES: u64 = 1024;

/// Looks for the time daemons that leave a trace in the file system. Asks none of them, and not the kernel, whose answer
/// (adjtimex) no safe interface gives.
#[must_use]
pub fn synchronisation() -> Synchronisation {
    // systemd-timesyncd touches this file each time it has set the clock.
    if let Ok(metadata) = fs::metadata("/run/systemd/timesync/synchronized") {
        let since = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let set_at = since.and_then(|since| i64::try_from(since.as_nanos()).ok()).map(WallTime);
        let source = Some("systemd-timesyncd".to_owned());
        return Synchronisation { synchronised: Some(true), source, set_at, ..Synchronisation::default() };
    }
    let daemons = [
        ("/run/chrony/chronyd.pid", "chronyd"),
        ("/run/chronyd.pid", "chronyd"),
        ("/run/ntpd.pid", "ntpd"),
        ("/run/ntpsec.pid", "ntpsec"),
        ("/run/openntpd.pid", "openntpd"),
    ];
    let running = daemons.iter().find(|(file, _)| Path::new(file).exists());
    let source = running.map(|(_, name)| (*name).to_owned());
    let told = (source.as_deref() == Some("chronyd")).then(|| last_lines(TRACKING)).flatten();
    let most_wrong_ns = told.as_deref().and_then(most_wrong);
    let told_by = most_wrong_ns.map(|_| TRACKING);
    Synchronisation { source, most_wrong_ns, told_by, ..Synchronisation::default() }
}

fn last_lines(path: &str) -> Option<String> {
    let mut file = fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_LINES))).ok()?;
    let mut bytes = Vec::new();
    file.take(LAST_LINES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The greatest error in the last whole line of chronyd's tracking log: the last of its fourteen columns, in seconds.
fn most_wrong(log: &str) -> Option<u64> {
    let whole = &log[..log.rfind('\n')?];
    let fields: Vec<&str> = whole.lines().last()?.split_whitespace().collect();
    // Banners and column heads stand between the lines.
    let [date, _, .., seconds] = fields.as_slice() else { return None };
    if fields.len() != 14 || !date.starts_with(|one: char| one.is_ascii_digit()) {
        return None;
    }
    let seconds = seconds.parse::<f64>().ok().and_then(|one| Duration::try_from_secs_f64(one).ok())?;
    u64::try_from(seconds.as_nanos()).ok()
}

/// SHA-256 of the running program, in hexadecimal. `None` where it may not read itself: a program that was given
/// capabilities by its file is hidden from its own user.
#[must_use]
pub fn program() -> Option<String> {
    let mut file = fs::File::open("/proc/self/exe").ok()?;
    let mut digest = Sha256::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => digest.update(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
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
    fn the_greatest_error_is_read_from_the_last_line_of_a_tracking_log() {
        let line = "2026-08-22 13:22:36 203.0.113.15     2     -3.541      0.075 -8.621e-06 N  2  2.940e-03 -2.084e-04 \
                    1.534e-02  3.472e-04  8.304e-03\n";
        assert_eq!(most_wrong(line), Some(8_304_000));
        let later = line.replace("8.304e-03", "5.0e-04");
        assert_eq!(most_wrong(&format!("{line}{later}")), Some(500_000));
        // The first line of what was read may be cut, and the last one may not be written to its end.
        assert_eq!(most_wrong(&format!("0.113.15 2\n{line}")), Some(8_304_000));
        assert_eq!(most_wrong(&format!("{later}2026-08-22 13:2")), Some(500_000));
        for other in
            ["", "\n", "=====\n", "   Date (UTC) Time     IP Address   St\n", "2026-08-22 13:22:36 8\n"]
        {
            assert_eq!(most_wrong(other), None, "{other}");
        }
        for wrong in ["-1", "NaN", "inf", "1e300", "x"] {
            assert_eq!(most_wrong(&line.replace("8.304e-03", wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn the_running_program_has_the_digest_that_sha256sum_gives() {
        let path = std::env::current_exe().unwrap();
        let output = std::process::Command::new("sha256sum").arg(path).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.trim_start_matches('\\').split(' ').next(), program().as_deref());
    }

    #[test]
    fn a_clock_is_never_called_right_without_saying_by_whom() {
        let found = synchronisation();
        assert!(found.synchronised.is_none() || found.source.is_some(), "{found:?}");
        assert_eq!(found.most_wrong_ns.is_some(), found.told_by.is_some(), "{found:?}");
        assert!(found.set_at.is_none() || found.synchronised == Some(true), "{found:?}");
    }
}
