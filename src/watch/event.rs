//! What is told when something changed: one JSON object a line, and one sentence.

use serde::{Deserialize, Serialize};

use super::sight::Place;
use crate::report::safe;

/// The value of `schema` in an event.
pub const SCHEMA: &str = "lasthop.event/1";

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// The target is lost, and was not before; or it is lost since before the watch began.
    Begin,
    /// The target answers again.
    End,
    /// The target is lost at another place.
    Moved,
}

impl Happened {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Begin, Self::End, Self::Moved];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::End => "end",
            Self::Moved => "moved",
        }
    }
}

/// Whom a series of runs is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// As the user wrote it.
    pub host: String,
    /// `tcp`, `icmp` or `udp`.
    pub protocol: String,
    /// Port; null for ICMP.
    pub port: Option<u16>,
    /// 4 or 6.
    pub family: u8,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let version = if self.family == 6 { " IPv6" } else { "" };
        match self.port {
            Some(port) => write!(f, "{} {}/{port}{version}", self.host, self.protocol),
            None => write!(f, "{} {}{version}", self.host, self.protocol),
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// [`SCHEMA`].
    pub schema: String,
    /// Its number in the history, from 1; 0 while it is not in one.
    pub id: u64,
    /// What changed.
    pub event: Happened,
    /// For whom.
    pub target: Subject,
    /// Start of the run that decided it; RFC 3339 UTC.
    pub at: String,
    /// The change was not before this: start of the last run that agreed with the state before. Null where the watch began in
    /// the state that is told.
    pub not_before: Option<String>,
    /// And not after this: start of the first of the runs in a row that show the new state.
    pub not_after: String,
    /// One minus the bound on the chance that any one run raises a false alarm; at most 0.999999.
    pub confidence: f64,
    /// Runs that show the new state, since the first sign of it.
    pub runs: u32,
    /// Of all sorts in the history, false ones among these events come at most this often, if errors of runs are independent.
    pub false_alarms_per_1000_days: f64,
    /// Where the target is lost now; null for [`Happened::End`].
    pub place: Option<Place>,
    /// Where it was lost before; null for [`Happened::Begin`].
    pub was: Option<Place>,
    /// For how many seconds the state before had lasted, from the middle of its own bracket; null if that is not known.
    pub lasted_seconds: Option<u64>,
    /// It is in the history; else the history could not be written when it was told.
    pub recorded: bool,
}

impl Event {
    /// One line for people, without a line break.
    #[must_use]
    pub fn sentence(&self) -> String {
        let bracket = match &self.not_before {
            Some(from) => format!("between {} and {}", minute(from), minute(&self.not_after)),
            None => format!("before {}", minute(&self.not_after)),
        };
        let place = |place: &Option<Place>| match place {
            Some(place) => format!(": {}", safe(&place.summary)),
            None => String::new(),
        };
        // Never rounded up to a certainty.
        let sure = (self.confidence * 1e6).floor() / 1e4;
        let subject = safe(&self.target.to_string()).into_owned();
        let (runs, s) = (self.runs, if self.runs == 1 { "" } else { "s" });
        let tail = format!("[{sure} %, {runs} run{s}]");
        match self.event {
            Happened::Begin => {
                format!("BEGIN  {subject}  lost; it began {bracket}{} {tail}", place(&self.place))
            }
            Happened::Moved => {
                format!("MOVED  {subject}  lost elsewhere; it moved {bracket}{} {tail}", place(&self.place))
            }
            Happened::End => {
                let lasted =
                    self.lasted_seconds.map_or(String::new(), |all| format!(", after {}", span(all)));
                format!("END    {subject}  answers; it ended {bracket}{lasted} {tail}")
            }
        }
    }

    /// The variables that a command is given beside the JSON.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let now = self.place.as_ref().or(self.was.as_ref());
        let asns = now.map_or(String::new(), |place| {
            place.asns.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        });
        vec![
            ("LASTHOP_EVENT", self.event.word().to_owned()),
            ("LASTHOP_EVENT_ID", self.id.to_string()),
            ("LASTHOP_TARGET", self.target.host.clone()),
            ("LASTHOP_PROTOCOL", self.target.protocol.clone()),
            ("LASTHOP_PORT", self.target.port.map_or(String::new(), |port| port.to_string())),
            ("LASTHOP_NOT_BEFORE", self.not_before.clone().unwrap_or_default()),
            ("LASTHOP_NOT_AFTER", self.not_after.clone()),
            ("LASTHOP_KIND", now.map_or(String::new(), |place| place.kind.clone())),
            ("LASTHOP_ASNS", asns),
            ("LASTHOP_SUMMARY", now.map_or(String::new(), |place| safe(&place.summary).into_owned())),
        ]
    }
}

/// A time to the second, as people read it.
pub(super) fn minute(rfc3339: &str) -> String {
    let short = rfc3339.get(..19).unwrap_or(rfc3339);
    format!("{} UTC", safe(&short.replace('T', " ")))
}

/// A span in its two largest units.
pub(super) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
