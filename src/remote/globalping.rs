//! Globalping: requests and answers of its API, version 1.

use serde_json::{Value, json};

use super::{Error, Request, Task};

/// Where to measure from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct From {
    /// Places in the network's own words, up to four joined by `+`, which all must hold: `MTS+Moscow`.
    pub magic: Vec<String>,
    /// Probes, all in all.
    pub limit: u32,
    /// Measurements to take up instead of making them.
    pub resume: Vec<String>,
}

impl From {
    /// `MTS+Moscow`, several with commas, `limit=20`, or `resume=ID,ID`.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let mut from = Self { limit: 5, ..Self::default() };
        let mut resuming = false;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || {
                Error::Where(format!("'{}' cannot be understood", part.chars().take(140).collect::<String>()))
            };
            let plain = |id: &str| {
                (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
            };
            match part.split_once('=') {
                Some(("limit", value)) => {
                    from.limit =
                        value.parse().ok().filter(|limit| (1..=500).contains(limit)).ok_or_else(wrong)?;
                }
                Some(("resume", id)) if plain(id) => {
                    from.resume.push(id.to_owned());
                    resuming = true;
                }
                None if resuming && plain(part) => from.resume.push(part.to_owned()),
                None if part.chars().count() <= 128 && part.split('+').count() <= 4 => {
                    from.magic.push(part.to_owned());
                }
                _ => return Err(wrong()),
            }
        }
        match (from.magic.len(), from.resume.len()) {
            (1..=128, 0) | (_, 1..=2) => Ok(from),
            _ => Err(Error::Where("no place to measure from: name one, such as MTS+Moscow".to_owned())),
        }
    }
}

/// Tests: one a probe and measurement.
pub(super) fn cost(from: &From, measurements: usize) -> String {
    let tests = u64::from(from.limit) * measurements as u64;
    format!(
        "up to {tests} tests of Globalping's hourly allowance (then credits), one a probe and destination"
    )
}

/// A measurement; the second one from the probes of the `first`, in the same order.
pub(super) fn create(from: &From, task: &Task, first: Option<&str>) -> Request {
    let target = if first.is_none() { &task.target } else { &task.reference };
    let mut options = json!({"protocol": task.protocol});
    if let (Some(port), "TCP") = (task.port, task.protocol) {
        options["port"] = json!(port);
    }
    // With an address, the network refuses to be told its family.
    if target.parse::<std::net::IpAddr>().is_err() {
        options["ipVersion"] = json!(task.family);
    }
    let mut body = json!({"type": "traceroute", "target": target, "inProgressUpdates": false, "measurementOptions": options});
    match first {
        Some(id) => body["locations"] = json!(id),
        None => {
            let places: Vec<Value> = from.magic.iter().map(|magic| json!({"magic": magic})).collect();
            body["locations"] = json!(places);
            body["limit"] = json!(from.limit);
        }
    }
    Request {
        creates: true,
        method: "POST",
        path: "/v1/measurements".to_owned(),
        body: Some(body.to_string()),
        etag: None,
    }
}

pub(super) fn state(id: &str) -> Request {
    Request::get(format!("/v1/measurements/{id}"))
}

/// What is allowed; costs nothing.
pub(super) fn limits() -> Request {
    Request::get("/v1/limits".to_owned())
}

/// What an answer to [`limits`] says, in words.
pub(super) fn left(body: &str) -> Option<String> {
    let value: Value = serde_json::from_str(body).ok()?;
    let create = value.get("rateLimit")?.get("measurements")?.get("create")?;
    let number = |key: &str| create.get(key).and_then(Value::as_u64);
    let mut text = format!("{} tests", number("remaining")?);
    if let Some(limit) = number("limit") {
        text.push_str(&format!(" of {limit} an hour"));
    }
    if let Some(reset) = number("reset").filter(|reset| *reset > 0) {
        text.push_str(&format!(", all again in {reset} s"));
    }
    // Only who is signed in has any.
    if let Some(credits) = value.get("credits").and_then(|one| one.get("remaining")).and_then(Value::as_u64) {
        text.push_str(&format!("; {credits} credits"));
    }
    Some(text)
}

/// Its name, if it is one that can stand in an address.
pub(super) fn created(body: &str) -> Option<String> {
    let value: Value = serde_json::from_str(body).ok()?;
    let id = value.get("id")?.as_str()?;
    let plain = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| id.to_owned())
}

/// How far a measurement is.
#[derive(Debug)]
pub(super) struct State {
    pub(super) done: bool,
    pub(super) probes: u64,
    pub(super) finished: u64,
}

impl State {
    pub(super) fn read(body: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(body).ok()?;
        let status = value.get("status")?.as_str()?;
        let results = value.get("results")?.as_array()?;
        let word = |one: &Value| one.get("result")?.get("status")?.as_str().map(str::to_owned);
        let ended = results.iter().filter(|one| word(one).is_some_and(|word| word != "in-progress"));
        Some(Self {
            done: status != "in-progress",
            probes: value.get("probesCount").and_then(Value::as_u64).unwrap_or(results.len() as u64),
            finished: ended.count() as u64,
        })
    }
}
