//! Measurement networks that others run, as engines: RIPE Atlas and Globalping.
//!
//! Whoever is blamed by a path from one place may be cleared by paths from fifty. Two public networks have the places; this
//! room asks them for traceroutes to the target and the reference **from the same probes**, and hands back what they
//! measured, in their own format and byte for byte. What it means is another room's business.
//!
//! A measurement is a machine without clock and socket: it says what to send or how long to wait ([`Step`]), and is told
//! what came ([`Answer`]). It can be put on paper at any moment ([`Machine::ids`]) and taken up again from there, since
//! the networks keep what they were asked for. `drive` is the loop over a real connection.
//!
//! Rules, from the networks' documentation:
//!
//! * nothing that costs is sent before [`Machine::cost`] was shown; a creation is sent once, and never again where
//!   nobody knows whether it arrived;
//! * 429 and 5xx are waited for: as long as `Retry-After` says, else longer each time, at least ten seconds for Atlas;
//! * other 4xx end it, with the network's own words;
//! * where Globalping gives no `Retry-After`, until its allowance is whole again, as `X-RateLimit-Reset` says;
//! * a question that is asked again says what came last time, so that an unchanged answer is not sent anew;
//! * probes by AS *and* country are looked up first and asked for by number, since one request joins rows and never narrows;
//! * results are asked for every 10 s (Atlas), or 500 ms after an answer (Globalping);
//! * the key goes into one header and nowhere else; [`Request`] shows it as `…`.

pub mod atlas;
#[cfg(feature = "fetch")]
mod drive;
pub mod globalping;
mod machine;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

#[cfg(feature = "fetch")]
pub use drive::{Endpoint, drive};
pub use machine::{Machine, Network};

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this and bring what comes back.
    Send(Request),
    /// Let this time pass, then ask again.
    Wait(Duration),
    /// It is over.
    Done(Vec<Results>),
}

/// What one measurement of a network brought, in its own format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    /// Its number or name.
    pub id: String,
    /// Where it went.
    pub target: String,
    /// JSON as it came.
    pub json: String,
    /// Probes that were asked, and those that have answered.
    pub probes: (u64, u64),
    /// It is finished: asked again, the network would say the same.
    pub complete: bool,
}

/// A question to a network.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Creates something, and may cost.
    pub creates: bool,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Below the network's address, with its query.
    pub path: String,
    /// JSON, of a `POST`.
    pub body: Option<String>,
    /// `If-None-Match`: what came last time (RFC 9110 §13.1.2).
    pub etag: Option<String>,
}

impl Request {
    /// One that only reads.
    fn get(path: String) -> Self {
        Self { creates: false, method: "GET", path, body: None, etag: None }
    }
}

/// What a network still allows, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Creations in a period, if it says how many.
    pub limit: Option<u64>,
    /// Of those, what is left.
    pub remaining: u64,
    /// Seconds until all are there again.
    pub reset: Option<u64>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        match &self.body {
            Some(body) => write!(f, "\n{body}"),
            None => Ok(()),
        }
    }
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`, in seconds from now.
    pub retry_after: Option<u64>,
    /// `ETag`, to be sent back with the next question.
    pub etag: Option<String>,
    /// `X-RateLimit-…`.
    pub allowance: Option<Allowance>,
    /// The body.
    pub body: String,
    /// It ended before it should.
    pub torn: bool,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Name or address of the host in question.
    pub target: String,
    /// Name or address of the one beside it.
    pub reference: String,
    /// `TCP`, `ICMP` or `UDP`, as both networks write them.
    pub protocol: &'static str,
    /// Port, for TCP.
    pub port: Option<u16>,
    /// 4 or 6.
    pub family: u8,
    /// How long to wait for all probes, from the creation on.
    pub deadline: Duration,
}

/// Why nothing came of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Where to measure from makes no sense.
    #[error("{0}")]
    Where(String),
    /// Nobody is there to measure from.
    #[error("{0}")]
    NoProbes(String),
    /// The network refuses; its words, which are foreign text.
    #[error("{network} answers {status}: {words}")]
    Refused {
        /// Which.
        network: &'static str,
        /// HTTP status.
        status: u16,
        /// What it says.
        words: String,
    },
    /// It was asked to wait too long or too often.
    #[error("{network} still answers {status} after {tries} tries")]
    Busy {
        /// Which.
        network: &'static str,
        /// HTTP status.
        status: u16,
        /// How often.
        tries: u32,
    },
    /// An answer makes no sense, each time.
    #[error("{network} answers what it should not: {what}")]
    Strange {
        /// Which.
        network: &'static str,
        /// What is wrong.
        what: String,
    },
    /// No answer to a creation: it may or may not have been made, and is not sent twice.
    #[error("no answer came to the request that creates the measurement, so that it may have been made: {0}")]
    Lost(String),
    /// No connection.
    #[error("cannot reach {network}: {reason}")]
    Network {
        /// Which.
        network: &'static str,
        /// What the system says.
        reason: String,
    },
    /// No probe has answered when the time was up.
    #[error("{network} has no result of measurement {id} after {seconds} s")]
    Nothing {
        /// Which.
        network: &'static str,
        /// Its number or name.
        id: String,
        /// How long it was waited.
        seconds: u64,
    },
}

impl Error {
    /// The way out.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Where(_) => {
                "write atlas:asn=64500,country=RU,limit=50, globalping:Moscow+MTS or file:RESULT.json"
            }
            Self::NoProbes(_) => "leave out the country or an AS, or name other ones",
            Self::Refused { status: 401 | 403, .. } => {
                "check the key: LASTHOP_ATLAS_KEY, LASTHOP_GLOBALPING_TOKEN or ~/.config/lasthop/keys.toml"
            }
            Self::Refused { .. } => "change what is asked for as the network says",
            Self::Busy { .. } | Self::Network { .. } | Self::Nothing { .. } | Self::Strange { .. } => {
                "run the same command again later: what was begun is taken up, not begun anew"
            }
            Self::Lost(_) => {
                "look at the network's own page of your measurements, and take it up with --from NETWORK:resume=ID"
            }
        }
    }
}

/// The words of an error body, of any of the forms that are known; foreign text, cut.
fn words(body: &str) -> String {
    use serde_json::Value;
    let plain =
        |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        return if body.trim().is_empty() { "nothing".to_owned() } else { plain(body) };
    };
    // Older paths of Atlas give the inner object alone.
    let error = value.get("error").unwrap_or(&value);
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut said: Vec<String> =
        ["title", "detail", "message", "type"].iter().filter_map(|key| text(error, key)).collect();
    for one in error.get("errors").and_then(Value::as_array).into_iter().flatten().take(5) {
        let source = one.get("source");
        let place = source.and_then(|source| text(source, "pointer").or_else(|| text(source, "parameter")));
        let detail = text(one, "detail").unwrap_or_default();
        said.push(place.map_or(detail.clone(), |place| format!("{place}: {detail}")));
    }
    for (key, value) in error.get("params").and_then(Value::as_object).into_iter().flatten().take(5) {
        said.push(format!("{key}: {}", value.as_str().unwrap_or("?")));
    }
    said.dedup();
    plain(&said.join("; "))
}
