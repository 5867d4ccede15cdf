//! Figures for Prometheus, in its text format (version 0.0.4, which OpenMetrics readers take too).
//!
//! Names follow the rules of Prometheus: base units, `_total` for what only grows, `_timestamp_seconds` for moments. Label
//! values are strangers' text and escaped: backslash, quote and line feed.

use std::fmt::Write as _;

use super::event::{Happened, Subject};
use super::sight::{Place, Sighting, Standing};
use crate::trace::WallTime;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its number.
    pub event: u64,
    /// Whether the command ended well; none if there is none.
    pub ran: Option<bool>,
    /// Whether the webhook took it; none if there is none.
    pub posted: Option<bool>,
}

#[derive(Clone, Debug, Default)]
struct Of {
    labels: String,
    runs: [u64; 3],
    seconds: f64,
    probes: u64,
    last: Option<WallTime>,
    missed: u64,
    events: [u64; 3],
    standing: Option<Standing>,
    since: Option<WallTime>,
    /// Networks of the place where the target is lost.
    place: Vec<String>,
}

/// All figures of a watch.
#[derive(Clone, Debug)]
pub struct Metrics {
    started: WallTime,
    targets: Vec<Of>,
    steps: u64,
    /// Command well, command failed, webhook well, webhook failed.
    delivered: [u64; 4],
    size: u64,
    waiting: u64,
    failed: u64,
    lost: u64,
}

impl Metrics {
    /// For these targets; the watch began at `started`.
    #[must_use]
    pub fn new(subjects: &[Subject], started: WallTime) -> Self {
        let of = |subject: &Subject| {
            let port = subject.port.map_or(String::new(), |port| port.to_string());
            let labels = format!(
                "target=\"{}\",protocol=\"{}\",port=\"{port}\",ip_version=\"{}\"",
                escape(&subject.host),
                escape(&subject.protocol),
                subject.family
            );
            Of { labels, ..Of::default() }
        };
        let targets = subjects.iter().map(of).collect();
        Self { started, targets, steps: 0, delivered: [0; 4], size: 0, waiting: 0, failed: 0, lost: 0 }
    }

    /// A run of a target is over.
    pub fn ran(&mut self, which: usize, sighting: &Sighting, seconds: f64, probes: u32, at: WallTime) {
        let of = &mut self.targets[which];
        of.runs[sighting.standing as usize] += 1;
        of.seconds += seconds;
        of.probes += u64::from(probes);
        of.last = Some(at);
    }

    /// An event of a target.
    pub fn happened(&mut self, which: usize, what: Happened) {
        self.targets[which].events[what as usize] += 1;
    }

    /// Runs that were not made.
    pub fn missed(&mut self, which: usize, count: u64) {
        self.targets[which].missed += count;
    }

    /// What is held to be so.
    pub fn state(
        &mut self,
        which: usize,
        standing: Option<Standing>,
        since: Option<WallTime>,
        place: Option<&Place>,
    ) {
        let of = &mut self.targets[which];
        (of.standing, of.since) = (standing, since);
        of.place = place.map_or(Vec::new(), |place| place.asns.iter().map(ToString::to_string).collect());
    }

    /// The wall clock was set.
    pub const fn stepped(&mut self) {
        self.steps += 1;
    }

    /// An event was delivered, or not.
    pub fn delivered(&mut self, done: &Delivered) {
        for (at, result) in [(0, done.ran), (2, done.posted)] {
            match result {
                Some(true) => self.delivered[at] += 1,
                Some(false) => self.delivered[at + 1] += 1,
                None => {}
            }
        }
    }

    /// The file: its bytes, runs that wait for it, writes that failed, runs that were given up.
    pub const fn history(&mut self, size: u64, waiting: u64, failed: u64, lost: u64) {
        (self.size, self.waiting, self.failed, self.lost) = (size, waiting, failed, lost);
    }

    /// The page.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        family(&mut out, "lasthop_build_info", "gauge", "The version of lasthop, always 1.");
        line(
            &mut out,
            "lasthop_build_info",
            &format!("version=\"{}\"", escape(env!("CARGO_PKG_VERSION"))),
            1.0,
        );
        family(
            &mut out,
            "lasthop_watch_start_timestamp_seconds",
            "gauge",
            "When the watch began, in seconds since 1970.",
        );
        line(&mut out, "lasthop_watch_start_timestamp_seconds", "", unix(self.started));

        family(&mut out, "lasthop_runs_total", "counter", "Runs that are over, by what they show.");
        self.each(&mut out, |of, out| {
            for standing in Standing::ALL {
                let labels = format!("{},result=\"{}\"", of.labels, standing.word());
                line(out, "lasthop_runs_total", &labels, of.runs[standing as usize] as f64);
            }
        });
        family(&mut out, "lasthop_run_duration_seconds", "summary", "Time that runs took.");
        self.each(&mut out, |of, out| {
            line(out, "lasthop_run_duration_seconds_sum", &of.labels, of.seconds);
            line(out, "lasthop_run_duration_seconds_count", &of.labels, of.runs.iter().sum::<u64>() as f64);
        });
        family(&mut out, "lasthop_probes_total", "counter", "Probes sent.");
        self.each(&mut out, |of, out| line(out, "lasthop_probes_total", &of.labels, of.probes as f64));
        family(
            &mut out,
            "lasthop_last_run_timestamp_seconds",
            "gauge",
            "When the last run began, in seconds since 1970.",
        );
        self.each(&mut out, |of, out| {
            if let Some(at) = of.last {
                line(out, "lasthop_last_run_timestamp_seconds", &of.labels, unix(at));
            }
        });
        family(
            &mut out,
            "lasthop_missed_runs_total",
            "counter",
            "Runs that were not made, in sleep or because others took too long.",
        );
        self.each(&mut out, |of, out| line(out, "lasthop_missed_runs_total", &of.labels, of.missed as f64));
        family(
            &mut out,
            "lasthop_target_state",
            "gauge",
            "What is held to be so: 1 for the state that is, 0 for the others.",
        );
        self.each(&mut out, |of, out| {
            for standing in Standing::ALL {
                let is = of.standing.unwrap_or(Standing::Unknown) == standing;
                let labels = format!("{},state=\"{}\"", of.labels, standing.word());
                line(out, "lasthop_target_state", &labels, f64::from(u8::from(is)));
            }
        });
        family(
            &mut out,
            "lasthop_target_state_since_timestamp_seconds",
            "gauge",
            "The latest moment at which that state began, in seconds since 1970.",
        );
        self.each(&mut out, |of, out| {
            if let Some(since) = of.since {
                line(out, "lasthop_target_state_since_timestamp_seconds", &of.labels, unix(since));
            }
        });
        family(
            &mut out,
            "lasthop_target_lost_in_as_info",
            "gauge",
            "Networks that may own the place where the target is lost, always 1.",
        );
        self.each(&mut out, |of, out| {
            for asn in &of.place {
                let labels = format!("{},asn=\"{}\"", of.labels, escape(asn));
                line(out, "lasthop_target_lost_in_as_info", &labels, 1.0);
            }
        });
        family(&mut out, "lasthop_events_total", "counter", "Changes that were told.");
        self.each(&mut out, |of, out| {
            for what in Happened::ALL {
                let labels = format!("{},event=\"{}\"", of.labels, what.word());
                line(out, "lasthop_events_total", &labels, of.events[what as usize] as f64);
            }
        });
        family(
            &mut out,
            "lasthop_deliveries_total",
            "counter",
            "Events given to a command or a webhook, by how it ended.",
        );
        for (at, (way, result)) in
            [("exec", "ok"), ("exec", "failed"), ("webhook", "ok"), ("webhook", "failed")]
                .into_iter()
                .enumerate()
        {
            let labels = format!("way=\"{way}\",result=\"{result}\"");
            line(&mut out, "lasthop_deliveries_total", &labels, self.delivered[at] as f64);
        }
        for (name, kind, help, value) in [
            (
                "lasthop_clock_steps_total",
                "counter",
                "Times that the wall clock was seen to be set.",
                self.steps,
            ),
            ("lasthop_history_size_bytes", "gauge", "Bytes of the history file.", self.size),
            (
                "lasthop_history_waiting_runs",
                "gauge",
                "Runs that wait for the history to be writable.",
                self.waiting,
            ),
            ("lasthop_history_errors_total", "counter", "Writes to the history that failed.", self.failed),
            ("lasthop_history_lost_runs_total", "counter", "Runs that could not be kept.", self.lost),
        ] {
            family(&mut out, name, kind, help);
            line(&mut out, name, "", value as f64);
        }
        out
    }

    fn each(&self, out: &mut String, write: impl Fn(&Of, &mut String)) {
        for of in &self.targets {
            write(of, out);
        }
    }
}

/// Head of a family. Writing to a string cannot fail.
fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: f64) {
    let _ = match labels.is_empty() {
        true => writeln!(out, "{name} {value}"),
        false => writeln!(out, "{name}{{{labels}}} {value}"),
    };
}

fn unix(at: WallTime) -> f64 {
    // Milliseconds are as much as a float holds without a doubt.
    (at.0 / 1_000_000) as f64 / 1e3
}

/// A label's value.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        let subject =
            Subject { host: "a\\b\"c\nd".into(), protocol: "tcp".into(), port: Some(25), family: 4 };
        let mut metrics = Metrics::new(&[subject], WallTime(1_551_600_000_123_456_789));
        let sighting = Sighting {
            at: WallTime(0),
            standing: Standing::Lost,
            place: None,
            kind: "lost_inside_as".into(),
            reason: None,
        };
        metrics.ran(0, &sighting, 12.5, 105, WallTime(1_551_600_300_000_000_000));
        metrics.happened(0, Happened::Begin);
        metrics.delivered(&Delivered { event: 1, ran: Some(true), posted: Some(false) });
        let place = Place { asns: vec![8359], ..Place::default() };
        metrics.state(0, Some(Standing::Lost), Some(WallTime(0)), Some(&place));
        metrics.text()
    }

    #[test]
    fn every_line_belongs_to_a_family_that_was_announced_once() {
        let page = page();
        let mut families: Vec<(&str, &str)> = Vec::new();
        for row in page.lines() {
            if let Some(rest) = row.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(!families.iter().any(|known| known.0 == name), "{name} twice");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
                families.push((name, kind));
            } else if !row.starts_with('#') {
                let (family, kind) = families.last().unwrap();
                let name = row.split(['{', ' ']).next().unwrap();
                let base = name.trim_end_matches("_sum").trim_end_matches("_count");
                assert_eq!(if *kind == "summary" { base } else { name }, *family, "{row}");
                assert!(row.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{row}");
            }
        }
        assert!(families.len() > 12);
    }

    #[test]
    fn strangers_text_stays_inside_its_label() {
        let page = page();
        assert!(
            page.contains(r#"target="a\\b\"c\nd",protocol="tcp",port="25",ip_version="4",result="lost"} 1"#),
            "{page}"
        );
        assert!(page.contains(r#"asn="8359"} 1"#));
        assert!(page.contains("lasthop_watch_start_timestamp_seconds 1551600000.123\n"));
        assert!(page.contains(r#"lasthop_deliveries_total{way="webhook",result="failed"} 1"#));
    }
}
