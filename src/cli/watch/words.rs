//! The words of `watch`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use crate::cli::args::{Live, Probing, confidence};
use crate::watch::history::Retention;

/// Where metrics are served unless another place is named.
const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9478);

/// Shown in the help of `watch` and the man page.
pub const EXPLAINED: &str = "\
Events:
  begin  the target is lost, and the runs show it by a comparison that holds
  end    it answers again
  moved  it is lost in another network
  None rests on one run: at five minutes three in a row decide, and doubtful runs are
  repeated after a fifth of the interval. Runs that conclude nothing, and those in
  which the reference is down too, count for neither side. False alarms of all sorts:
  at most one in 1,000 days, if errors of runs are independent.
Exit status:
   0  ended by Ctrl-C, by SIGTERM, or after --count
   2  wrong arguments
   3  environment: no privilege, no such interface at the beginning, a history that cannot
      be written or is in use
   4  a history that is none, or of a newer version, or damaged
The first Ctrl-C breaks the present run off and puts everything away; the second ends at once.";

/// `lasthop watch`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    mut_arg("target", |target| target.required(false).required_unless_present("simulate"))
)]
pub struct Watch {
    #[command(subcommand)]
    pub command: Option<WatchCommand>,
    /// A host of the same network that works, as TARGET; may be given again
    #[arg(short = 'r', long = "reference", value_name = "HOST")]
    pub references: Vec<String>,
    /// A host that may serve as a reference where those named do not answer; may be given again
    #[arg(long = "hint", value_name = "HOST", conflicts_with = "no_search")]
    pub hints: Vec<String>,
    /// Ask no neighbours; else, without a reference, they are asked once a day
    #[arg(long)]
    pub no_search: bool,
    /// Addresses and prefixes that the search must never touch, one a line
    #[arg(long, value_name = "FILE")]
    pub opt_out: Option<PathBuf>,
    /// A far host of another network that works on this port
    #[arg(long, value_name = "HOST")]
    pub check: Option<String>,
    /// Another target, as TARGET, measured in turn; may be given again
    #[arg(long, value_name = "HOST")]
    pub also: Vec<String>,
    /// How sure a run's place must be before it is named, from 0.5 to 0.9999
    #[arg(long, value_name = "SHARE", default_value = "0.99", value_parser = confidence)]
    pub confidence: f64,
    /// Time between two runs of a target: 30s, 5m, 1h, 1d; at least 30s
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = span)]
    pub interval: Duration,
    /// Each run is moved by up to this share of the interval, either way
    #[arg(long, value_name = "SHARE", default_value = "0.1", value_parser = jitter)]
    pub jitter: f64,
    /// End after so many runs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// The file that runs and events are kept in [default: ~/.local/state/lasthop/history.db]
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// Remove runs older than this (90d), or all but this many of each target (5000); events are always kept
    #[arg(long, value_name = "TIME|N", value_parser = keep)]
    pub keep: Option<Retention>,
    /// Run this program at each event, with the event as JSON on its standard input and in LASTHOP_EVENT and its like; words
    /// are parted at blanks, no shell reads them. It has 30 seconds
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<String>,
    /// Send each event as JSON to this URL (POST), at most five times
    #[cfg(feature = "fetch")]
    #[arg(long, value_name = "URL", value_parser = url)]
    pub webhook: Option<String>,
    /// Serve figures for Prometheus at /metrics [default address: 127.0.0.1:9478]
    #[arg(long, value_name = "ADDRESS:PORT", num_args = 0..=1, require_equals = true, value_parser = metrics,
          default_missing_value = "")]
    pub metrics: Option<SocketAddr>,
    /// Watch simulated worlds, in simulated time: `clear:20,blackhole:10,clear:20` is a scenario of `lasthop demo`, or a file,
    /// and for how many runs it is so
    #[arg(long, value_name = "SCRIPT")]
    pub simulate: Option<String>,
    /// With --simulate: wait out the intervals
    #[arg(long, requires = "simulate", hide = true)]
    pub real_time: bool,
    #[command(flatten)]
    pub probing: Probing,
    #[command(flatten)]
    pub live: Live,
    /// Print each event as a line of JSON
    #[arg(long)]
    pub json: bool,
    /// Say what each run found
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum WatchCommand {
    /// Draw the timeline of a history
    Report(WatchReport),
    /// Write the runs of a history, one JSON document a line, as `lasthop compare` reads them
    Export(WatchExport),
}

#[derive(Debug, clap::Args)]
pub struct WatchReport {
    /// The history
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// The format [default: what FILE's name says: .txt, .html, .svg, .json; else text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Drawing>,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct WatchExport {
    /// The history
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// Only runs of this target, as it was written
    #[arg(long, value_name = "HOST")]
    pub target: Option<String>,
    /// Only the last so many of each target
    #[arg(long, value_name = "N")]
    pub last: Option<u64>,
    /// Write to this file [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Drawing {
    /// Lines
    Text,
    /// A page that needs no other file
    Html,
    /// A picture
    Svg,
    /// One JSON document
    Json,
}

/// A time as `90`, `30s`, `5m`, `1h`, `90d`.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time: write 30s, 5m, 1h or 1d");
    let digits = text.len() - text.trim_start_matches(|one: char| one.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = match &text[digits..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    match number.checked_mul(unit) {
        Some(seconds @ 1..=31_536_000_000) => Ok(Duration::from_secs(seconds)),
        _ => Err(wrong()),
    }
}

fn keep(text: &str) -> Result<Retention, String> {
    match text.parse::<u64>() {
        Ok(0) => Err("0 would keep nothing".into()),
        Ok(count) => Ok(Retention::Last(count)),
        Err(_) => {
            span(text).map(Retention::For).map_err(|_| "write how long, as 90d, or how many, as 5000".into())
        }
    }
}

fn jitter(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=0.5).contains(&share) => Ok(share),
        _ => Err("a jitter is a share of the interval from 0 to 0.5".into()),
    }
}

fn metrics(text: &str) -> Result<SocketAddr, String> {
    if text.is_empty() {
        return Ok(METRICS);
    }
    if let Some(port) = text.strip_prefix(':') {
        let port = port.parse().map_err(|_| "a port is a number up to 65535".to_owned())?;
        return Ok(SocketAddr::new(METRICS.ip(), port));
    }
    text.parse().map_err(|_| "write where to listen as 127.0.0.1:9478, [::1]:9478 or :9478".into())
}

#[cfg(feature = "fetch")]
fn url(text: &str) -> Result<String, String> {
    match text.starts_with("https://") || text.starts_with("http://") {
        true => Ok(text.to_owned()),
        false => Err("a webhook is an http or https URL".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_keeps_are_read() {
        assert_eq!(span("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(span("90"), Ok(Duration::from_secs(90)));
        assert_eq!(keep("90d"), Ok(Retention::For(Duration::from_secs(90 * 86_400))));
        assert_eq!(keep("5000"), Ok(Retention::Last(5000)));
        for bad in ["", "m", "5 m", "-5m", "5x", "0s", "99999999999999999999d", "5µ"] {
            assert!(span(bad).is_err(), "{bad}");
        }
        assert!(keep("0").is_err() && keep("0d").is_err());
    }

    #[test]
    fn metrics_stay_at_home_unless_told_otherwise() {
        assert!(metrics("").unwrap().ip().is_loopback());
        assert_eq!(metrics(":9000").unwrap(), "127.0.0.1:9000".parse().unwrap());
        assert_eq!(metrics("0.0.0.0:1").unwrap(), "0.0.0.0:1".parse().unwrap());
        assert!(metrics("localhost").is_err() && metrics(":70000").is_err());
    }
}
