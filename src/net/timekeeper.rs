//! Who keeps this host's clock right, and how far off it is by their own measure.
//!
//! The kernel's own answer (adjtimex) can be had by no safe interface, so the time daemon that runs is asked by the program
//! that comes with it. Only such programs are run as stand where a distribution puts them, without the caller's
//! environment, and for a second at most: this may be root's run, and a report must not wait for its clock.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use crate::trace::WallTime;

/// Who keeps the clock right, and what they say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synchronisation {
    /// `None` if that cannot be told: no time daemon is known to run, or it does not answer.
    pub synchronised: Option<bool>,
    /// The daemon.
    pub source: Option<String>,
    /// When it last set the clock right.
    pub set_at: Option<WallTime>,
    /// How far the clock is off, in nanoseconds; positive where it is ahead of the daemon's time.
    pub offset_ns: Option<i64>,
    /// How far off it can be from UTC, in nanoseconds: the offset and the root distance, half the root delay and the root
    /// dispersion (RFC 5905, section 11.2).
    pub most_wrong_ns: Option<u64>,
    /// The command that said so.
    pub told_by: Option<&'static str>,
}

/// How long a daemon's program may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it is left alone before the next look.
const LOOK: Duration = Duration::from_millis(5);
/// What is read of an answer.
const LONGEST_ANSWER: u64 = 16 << 10;

/// A time daemon: the files that are there while it runs, its name, and the program that asks it.
struct Daemon {
    files: &'static [&'static str],
    name: &'static str,
    asked: Option<Question>,
}

/// A program to ask, and what is understood of its answer.
struct Question {
    said: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    read: fn(&str) -> Option<Answer>,
}

/// What a daemon says, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Answer {
    synchronised: Option<bool>,
    ahead: Option<f64>,
    delay: Option<f64>,
    dispersion: Option<f64>,
}

const DAEMONS: [Daemon; 4] = [
    Daemon {
        files: &["/run/chrony/chronyd.pid", "/run/chronyd.pid"],
        name: "chronyd",
        asked: Some(Question {
            said: "chronyc -n tracking",
            program: "/usr/bin/chronyc",
            arguments: &["-n", "tracking"],
            read: chrony,
        }),
    },
    Daemon {
        files: &["/run/ntpd.pid", "/run/ntpsec.pid", "/var/run/ntpd.pid"],
        name: "ntpd",
        asked: Some(Question {
            said: "ntpq -c 'rv 0 leap,offset,rootdelay,rootdisp'",
            program: "/usr/bin/ntpq",
            arguments: &["-n", "-c", "rv 0 leap,offset,rootdelay,rootdisp"],
            read: ntp,
        }),
    },
    Daemon { files: &["/run/openntpd.pid"], name: "openntpd", asked: None },
    Daemon {
        files: &[TIMESYNC],
        name: "systemd-timesyncd",
        asked: Some(Question {
            said: "timedatectl timesync-status",
            program: "/usr/bin/timedatectl",
            arguments: &["timesync-status"],
            read: timesync,
        }),
    },
];

/// systemd-timesyncd touches this file each time it has set the clock.
const TIMESYNC: &str = "/run/systemd/timesync/synchronized";

/// Asks the time daemon that runs here. Takes as long as its program does, and no more than a second.
#[must_use]
pub fn synchronisation() -> Synchronisation {
    let Some(daemon) = DAEMONS.iter().find(|one| one.files.iter().any(|file| Path::new(file).exists()))
    else {
        return Synchronisation::default();
    };
    let answer = daemon.asked.as_ref().and_then(|asked| {
        let text = output(asked.program, asked.arguments, PATIENCE)?;
        Some((asked.said, (asked.read)(&text)?))
    });
    let set_at = (daemon.files == [TIMESYNC]).then(|| touched(TIMESYNC)).flatten();
    put_together(daemon.name, answer, set_at)
}

fn put_together(
    name: &str,
    answer: Option<(&'static str, Answer)>,
    set_at: Option<WallTime>,
) -> Synchronisation {
    let source = Some(name.to_owned());
    let Some((said, answer)) = answer else {
        // The file that systemd's daemon touches says by itself that the clock was set.
        return Synchronisation { synchronised: set_at.map(|_| true), source, set_at, ..Default::default() };
    };
    let ahead = answer.ahead;
    let most = match (ahead, answer.delay, answer.dispersion) {
        (Some(ahead), Some(delay), Some(dispersion)) => {
            Some(ahead.abs() + delay.abs() / 2.0 + dispersion.abs())
        }
        _ => None,
    };
    Synchronisation {
        synchronised: answer.synchronised.or(set_at.map(|_| true)),
        source,
        set_at,
        offset_ns: ahead.and_then(nanoseconds),
        most_wrong_ns: most.and_then(nanoseconds).map(i64::unsigned_abs),
        told_by: Some(said),
    }
}

/// Whole nanoseconds, of less than a century.
fn nanoseconds(seconds: f64) -> Option<i64> {
    let nanoseconds = seconds * 1e9;
    #[expect(clippy::cast_possible_truncation, reason = "within the range of the line before")]
    (nanoseconds.abs() < 3e18).then(|| nanoseconds.round() as i64)
}

fn touched(file: &str) -> Option<WallTime> {
    let at = fs::metadata(file).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(at.as_nanos()).ok().map(WallTime)
}

/// What a program writes to its standard output, if it ends well and in time.
fn output(program: &str, arguments: &[&str], patience: Duration) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // Looks are counted, not timed: how long it takes matters to nobody as long as it ends.
    let mut looks = patience.as_millis() / LOOK.as_millis();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if looks > 0 => std::thread::sleep(LOOK),
            // It may have ended meanwhile; then there is nothing to kill, and waiting is what ends it.
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
        looks -= 1;
    };
    // Of one that was killed a descendant may hold the pipe: nothing is read then.
    let status = status?;
    // All that these programs say fits a pipe, so one that has ended has said it.
    let mut text = Vec::new();
    child.stdout.take()?.take(LONGEST_ANSWER).read_to_end(&mut text).ok()?;
    status.success().then_some(())?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The value of a name in parts of which each is a name, a sign and a value.
fn value<'a>(mut parts: impl Iterator<Item = &'a str>, sign: char, name: &str) -> Option<&'a str> {
    parts.find_map(|part| {
        let (key, value) = part.split_once(sign)?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// `chronyc tracking`: `System time     : 0.000012 seconds slow of NTP time`, and so on.
fn chrony(text: &str) -> Option<Answer> {
    let field = |name: &str| value(text.lines(), ':', name);
    let seconds = |name: &str| field(name)?.strip_suffix(" seconds").and_then(number);
    let leap = field("Leap status")?;
    let ahead = field("System time").and_then(|value| {
        let (size, side) = value.split_once(" seconds ")?;
        let size = number(size)?;
        match side.split(' ').next()? {
            "fast" => Some(size),
            "slow" => Some(-size),
            _ => None,
        }
    });
    let synchronised = leap != "Not synchronised";
    Some(Answer {
        synchronised: Some(synchronised),
        // What it is off by means nothing before there is a time to be off from.
        ahead: ahead.filter(|_| synchronised),
        delay: seconds("Root delay"),
        dispersion: seconds("Root dispersion"),
    })
}

/// `ntpq -c rv`: `leap=00, offset=-0.123, rootdelay=10.2, rootdisp=3.1`, in milliseconds; the offset is what is to be added
/// to the clock.
fn ntp(text: &str) -> Option<Answer> {
    let field = |name: &str| value(text.split([',', '\n']), '=', name).map(|one| one.trim_matches('"'));
    let seconds = |name: &str| field(name).and_then(number).map(|milliseconds| milliseconds / 1e3);
    let synchronised = match field("leap")? {
        "11" | "3" => false,
        "00" | "01" | "10" | "0" | "1" | "2" => true,
        _ => return None,
    };
    Some(Answer {
        synchronised: Some(synchronised),
        ahead: seconds("offset").filter(|_| synchronised).map(|offset| -offset),
        delay: seconds("rootdelay"),
        dispersion: seconds("rootdisp"),
    })
}

/// `timedatectl timesync-status`: `Offset: +1.234ms`, what is to be added to the clock, and `Root distance: 12ms (max: 5s)`.
fn timesync(text: &str) -> Option<Answer> {
    let field = |name: &str| value(text.lines(), ':', name);
    let offset = field("Offset").and_then(|value| {
        let (sign, size) = match value.strip_prefix('-') {
            Some(size) => (-1.0, size),
            None => (1.0, value.strip_prefix('+').unwrap_or(value)),
        };
        Some(sign * span(size)?)
    });
    let distance = field("Root distance").and_then(|value| span(value.split('(').next()?));
    offset.or(distance)?;
    // Its root distance is both halves in one.
    Some(Answer { synchronised: None, ahead: offset.map(|one| -one), delay: Some(0.0), dispersion: distance })
}

/// systemd's spans: `1.234ms`, `1min 2.5s`.
fn span(text: &str) -> Option<f64> {
    let mut sum = 0.0;
    let mut any = false;
    for word in text.split_whitespace() {
        let unit = word.find(|one: char| !one.is_ascii_digit() && one != '.');
        let (size, unit) = unit.map_or((word, ""), |at| word.split_at(at));
        let unit = match unit {
            "us" | "μs" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "" if size == "0" => 1.0,
            _ => return None,
        };
        sum += number(size)? * unit;
        any = true;
    }
    any.then_some(sum)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|one| one.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHRONY: &str = "Reference ID    : CB00710F (203.0.113.15)\nStratum         : 3\n\
        Ref time (UTC)  : Wed Nov 25 12:42:34 2026\nSystem time     : 0.000512000 seconds slow of NTP time\n\
        Last offset     : +0.000000100 seconds\nRMS offset      : 0.000000000 seconds\n\
        Root delay      : 0.012000000 seconds\nRoot dispersion : 0.001000000 seconds\n\
        Update interval : 64.0 seconds\nLeap status     : Normal\n";

    fn told(answer: Option<Answer>) -> (Option<bool>, Option<i64>, Option<u64>) {
        let found = put_together("x", answer.map(|answer| ("x", answer)), None);
        (found.synchronised, found.offset_ns, found.most_wrong_ns)
    }

    #[test]
    fn a_slow_clock_is_behind_and_the_root_distance_is_added() {
        assert_eq!(told(chrony(CHRONY)), (Some(true), Some(-512_000), Some(7_512_000)));
        assert_eq!(
            told(chrony(&CHRONY.replace("slow", "fast"))),
            (Some(true), Some(512_000), Some(7_512_000))
        );
        let lost = CHRONY.replace(": Normal", ": Not synchronised");
        assert_eq!(told(chrony(&lost)), (Some(false), None, None));
        assert_eq!(told(chrony("506 Cannot talk to daemon\n")), (None, None, None));
    }

    #[test]
    fn ntpd_tells_what_is_to_be_added_in_milliseconds() {
        let text = "leap=00, offset=+0.250000, rootdelay=10.000,\nrootdisp=2.5\n";
        assert_eq!(told(ntp(text)), (Some(true), Some(-250_000), Some(7_750_000)));
        assert_eq!(told(ntp(&text.replace("leap=00", "leap=11"))), (Some(false), None, None));
        assert_eq!(told(ntp("ntpq: read: Connection refused\n")), (None, None, None));
    }

    #[test]
    fn systemd_tells_spans() {
        let text = "       Server: 203.0.113.1 (ntp.example)\nPoll interval: 34min 8s (min: 32s; max 34min 8s)\n\
             Stratum: 2\nRoot distance: 20.5ms (max: 5s)\n       Offset: -1.250ms\n        Delay: 4ms\n";
        assert_eq!(told(timesync(text)), (None, Some(1_250_000), Some(21_750_000)));
        assert_eq!(span("1min 2.5s"), Some(62.5));
        assert_eq!(span("0"), Some(0.0));
        for wrong in ["", "5", "5 parsecs", "x", "1.2.3s", "infs"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_that_are_none_are_no_offset() {
        for wrong in ["NaN", "inf", "1e300", "x", ""] {
            assert_eq!(told(chrony(&CHRONY.replace("0.000512000", wrong))).1, None, "{wrong}");
        }
    }

    #[test]
    fn a_program_that_hangs_fails_or_is_missing_says_nothing() {
        // Had it been waited for, it would have ended well and said nothing.
        assert_eq!(output("/bin/sleep", &["30"], Duration::from_millis(50)), None);
        assert_eq!(output("/bin/false", &[], PATIENCE), None);
        assert_eq!(output("/nowhere/program", &[], PATIENCE), None);
        assert_eq!(output("/bin/echo", &["said"], Duration::from_secs(20)), Some("said\n".to_owned()));
    }

    #[test]
    fn a_clock_is_never_called_right_without_saying_by_whom() {
        let found = synchronisation();
        assert!(found.synchronised.is_none() || found.source.is_some(), "{found:?}");
        assert!(found.offset_ns.is_none() || found.told_by.is_some(), "{found:?}");
    }
}
