//! RIPE Atlas: requests and answers of its API, version 2.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Error, Request, Task};

/// Packets a hop.
const PACKETS: u64 = 3;
/// Bytes of payload.
const SIZE: u64 = 48;

/// Where to measure from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct From {
    /// ASes, each with its share of the probes.
    pub asns: Vec<u32>,
    /// ISO 3166 code of a country.
    pub country: Option<String>,
    /// Numbers of probes.
    pub probes: Vec<u64>,
    /// The most probes, all in all.
    pub limit: u32,
    /// Measurements to take up instead of making them: of the target and of the reference.
    pub resume: Vec<String>,
}

impl From {
    /// `asn=8359,12389,country=RU,limit=50`, `probes=1001,1002` or `resume=ID,ID`: a value without a name belongs to the name
    /// before it. A country narrows the ASes: only probes of these in that country.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let mut from = Self { limit: 10, ..Self::default() };
        let mut name = "";
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let value = match part.split_once('=') {
                Some((key, value)) => {
                    name = key;
                    value
                }
                None => part,
            };
            let wrong = || Error::Where(format!("'{name}={value}' cannot be understood"));
            match name {
                "asn" => {
                    let digits = value.strip_prefix("AS").unwrap_or(value);
                    from.asns.push(digits.parse().map_err(|_| wrong())?);
                }
                "country" => {
                    let code = value.to_ascii_uppercase();
                    let fits = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
                    from.country = Some(code).filter(|_| fits && from.country.is_none());
                    if from.country.is_none() {
                        return Err(wrong());
                    }
                }
                "probes" => from.probes.push(value.parse().map_err(|_| wrong())?),
                "limit" => {
                    from.limit =
                        value.parse().ok().filter(|limit| (1..=1000).contains(limit)).ok_or_else(wrong)?;
                }
                "resume" if value.parse::<u64>().is_ok() => from.resume.push(value.to_owned()),
                _ => return Err(wrong()),
            }
        }
        let places = [!from.asns.is_empty(), from.country.is_some(), !from.probes.is_empty()];
        if !from.resume.is_empty() {
            return match from.resume.len() {
                2 => Ok(from),
                _ => Err(Error::Where("resume needs two measurements, of target and reference".to_owned())),
            };
        }
        if from.country.is_some() && !from.probes.is_empty() {
            return Err(Error::Where(
                "probes are named by number, and a country would not narrow them".to_owned(),
            ));
        }
        if !places.contains(&true) {
            return Err(Error::Where("no place to measure from: name asn, country or probes".to_owned()));
        }
        Ok(from)
    }

    /// Whether probes are looked up before anything is asked of them: a row names an AS or a country, rows are joined, and
    /// nothing narrows one by the other.
    pub(super) fn selects(&self) -> bool {
        !self.asns.is_empty() && self.country.is_some()
    }

    /// Rows of `probes`, which together ask for [`limit`](Self::limit); of `chosen` ones, those.
    fn rows(&self, family: u8, chosen: &[u64]) -> Vec<Value> {
        if self.selects() {
            let list: Vec<String> = chosen.iter().map(u64::to_string).collect();
            let (list, count) = match chosen.len() {
                0 => ("PROBES".to_owned(), self.limit as usize),
                count => (list.join(","), count),
            };
            return vec![json!({"type": "probes", "value": list, "requested": count})];
        }
        let tags = json!({"include": [format!("system-ipv{family}-works")]});
        let row = |kind: &str, value: Value, requested: u32| json!({"type": kind, "value": value, "requested": requested, "tags": tags});
        let mut rows = Vec::new();
        let count = self.asns.len() as u32;
        for (place, asn) in (0u32..).zip(&self.asns) {
            // The first ones get what does not divide.
            let share = self.limit / count + u32::from(place < self.limit % count);
            if share > 0 {
                rows.push(row("asn", json!(asn), share));
            }
        }
        if !self.probes.is_empty() {
            let list: Vec<String> = self.probes.iter().map(u64::to_string).collect();
            rows.push(row("probes", json!(list.join(",")), self.probes.len() as u32));
        }
        if let Some(country) = self.country.as_ref().filter(|_| rows.is_empty()) {
            rows.push(row("country", json!(country), self.limit));
        }
        rows
    }

    /// The most probes that can take part.
    fn most(&self) -> u64 {
        let rows = self.rows(4, &[]);
        rows.iter().filter_map(|row| row["requested"].as_u64()).sum()
    }
}

/// Credits: ten a packet and result for up to 1500 bytes, doubled as it is made once, for two destinations.
pub(super) fn cost(from: &From) -> String {
    let credits = from.most() * 2 * (10 * PACKETS * (SIZE / 1500 + 1) * 2);
    format!("up to {credits} credits of RIPE Atlas: {} probes, 2 destinations, 60 credits each", from.most())
}

/// The connected probes of the ASes in the country, by which the version of IP works: a page of them.
pub(super) fn select(from: &From, family: u8) -> Request {
    let asns: Vec<String> = from.asns.iter().map(u32::to_string).collect();
    let country = from.country.as_deref().unwrap_or_default();
    Request::get(format!(
        "/probes/?asn_v{family}__in={}&country_code={country}&status=1&tags=system-ipv{family}-works&page_size=500",
        asns.join(",")
    ))
}

/// The page behind one, from the address that the network gives for it: below its own address only, wherever it points.
pub(super) fn page(next: &str) -> Option<Request> {
    let at = next.find("/probes/?")?;
    let path = &next[at..];
    let fits = path.len() <= 4096 && path.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| Request::get(path.to_owned()))
}

/// Number and AS of probes, and the address of the next page of them.
type Page = (Vec<(u64, u32)>, Option<String>);

/// A page of probes: number and AS of those that fit, and the address of the next page.
pub(super) fn probes(body: &str, from: &From, family: u8) -> Option<Page> {
    let value: Value = serde_json::from_str(body).ok()?;
    let mut found = Vec::new();
    for probe in value.get("results")?.as_array()? {
        let asn = probe.get(format!("asn_v{family}")).and_then(Value::as_u64);
        let id = probe.get("id").and_then(Value::as_u64);
        let (Some(id), Some(asn)) = (id, asn.and_then(|asn| u32::try_from(asn).ok())) else { continue };
        let country = probe.get("country_code").and_then(Value::as_str);
        let connected = probe.get("status").and_then(|one| one.get("id")).and_then(Value::as_u64);
        // A filter that the network did not heed is heeded here.
        if from.asns.contains(&asn)
            && country == from.country.as_deref()
            && connected.is_none_or(|id| id == 1)
        {
            found.push((id, asn));
        }
    }
    Some((found, value.get("next").and_then(Value::as_str).map(str::to_owned)))
}

/// Probes for a limit: each AS has its turn, in the order they are named.
pub(super) fn choose(from: &From, probes: &[(u64, u32)]) -> Vec<u64> {
    let mut lists: Vec<Vec<u64>> = from
        .asns
        .iter()
        .map(|asn| probes.iter().rev().filter(|(_, of)| of == asn).map(|(id, _)| *id).collect())
        .collect();
    let mut chosen = Vec::new();
    while chosen.len() < from.limit as usize && lists.iter().any(|list| !list.is_empty()) {
        for list in &mut lists {
            if let Some(id) = list.pop().filter(|_| chosen.len() < from.limit as usize)
                && !chosen.contains(&id)
            {
                chosen.push(id);
            }
        }
    }
    chosen
}

/// The account's credits; needs the key.
pub(super) fn credits() -> Request {
    Request::get("/credits/".to_owned())
}

/// What an answer to [`credits`] says, in words.
pub(super) fn left(body: &str) -> Option<String> {
    let value: Value = serde_json::from_str(body).ok()?;
    Some(format!("{} credits", value.get("current_balance")?.as_u64()?))
}

/// Both destinations in one request, so that they share the probes.
pub(super) fn create(from: &From, task: &Task, chosen: &[u64]) -> Request {
    let definition = |target: &str, what: &str| {
        let mut one = json!({
            "type": "traceroute", "af": task.family, "target": target,
            "description": format!("path comparison: {what}, {}", task.protocol),
            "protocol": task.protocol, "packets": PACKETS, "paris": 16, "first_hop": 1, "max_hops": 32, "size": SIZE,
            "response_timeout": 4000, "resolve_on_probe": false,
        });
        if let (Some(port), "TCP") = (task.port, task.protocol) {
            one["port"] = json!(port);
        }
        one
    };
    let body = json!({
        "definitions": [definition(&task.target, "target"), definition(&task.reference, "reference")],
        "probes": from.rows(task.family, chosen), "is_oneoff": true,
    });
    Request {
        creates: true,
        method: "POST",
        path: "/measurements/".to_owned(),
        body: Some(body.to_string()),
        etag: None,
    }
}

pub(super) fn state(id: &str) -> Request {
    Request::get(format!("/measurements/{id}/"))
}

pub(super) fn results(id: &str) -> Request {
    Request::get(format!("/measurements/{id}/results/?format=json"))
}

/// The two numbers.
pub(super) fn created(body: &str) -> Option<[String; 2]> {
    #[derive(Deserialize)]
    struct Created {
        measurements: [u64; 2],
    }
    let created: Created = serde_json::from_str(body).ok()?;
    Some(created.measurements.map(|id| id.to_string()))
}

/// What a measurement says of itself.
#[derive(Debug)]
pub(super) struct State {
    status: u64,
    name: String,
    pub(super) scheduled: u64,
}

impl State {
    pub(super) fn read(body: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(body).ok()?;
        let status = value.get("status")?;
        let number = |key: &str| value.get(key).and_then(Value::as_u64);
        Some(Self {
            status: status.get("id")?.as_u64()?,
            name: status.get("name").and_then(Value::as_str).unwrap_or_default().chars().take(80).collect(),
            scheduled: number("probes_scheduled").or_else(|| number("participant_count")).unwrap_or(0),
        })
    }

    /// Why no result will come.
    pub(super) fn failure(&self) -> Option<String> {
        matches!(self.status, 6..=9).then(|| format!("the measurement will not be made: {}", self.name))
    }
}

/// Results in an answer: an array, or one object a line; `None` if it is neither, or cut.
pub(super) fn count(body: &str) -> Option<u64> {
    let is_result = |value: &Value| value.get("prb_id").is_some();
    let text = body.trim();
    if text.is_empty() {
        return None;
    }
    if text.starts_with('[') {
        let list: Vec<Value> = serde_json::from_str(text).ok()?;
        return list.iter().all(is_result).then_some(list.len() as u64);
    }
    let mut count = 0;
    for line in text.lines() {
        is_result(&serde_json::from_str(line).ok()?).then_some(())?;
        count += 1;
    }
    Some(count)
}
