//! The loop between a machine and a real server.

use std::fmt;
use std::io::Read;
use std::time::Duration;

use jiff::Timestamp;
use ureq::Agent;

use super::{Allowance, Answer, Error, Machine, Request, Results, Step};
use crate::fetch::{Address, retry_after};

/// The most bytes of an answer: a thousand probes with long paths have a tenth.
const LONGEST: u64 = 64 << 20;

/// A network's server, and the key to it.
pub struct Endpoint {
    agent: Agent,
    base: Address,
    /// `Authorization`, whole.
    key: Option<String>,
    /// What time it is, for servers that do not say it.
    now: fn() -> Timestamp,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.base)
    }
}

impl Endpoint {
    /// A server at `base`, to which this program says that it is `agent`. `key` is the whole value of `Authorization`; it is
    /// not sent in the clear except to this machine. `now` tells the time.
    ///
    /// # Errors
    /// If it is no address, or a key would go over plain HTTP.
    pub fn new(base: &str, agent: &str, key: Option<String>, now: fn() -> Timestamp) -> Result<Self, Error> {
        let address: Address =
            base.trim_end_matches('/').parse().map_err(|error| Error::Where(format!("{base}: {error}")))?;
        if key.is_some() && !address.is_secure() && !address.is_loopback() {
            return Err(Error::Where(format!("{base} would get the key in the clear")));
        }
        let patience = Some(Duration::from_secs(30));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A key must not follow to another place.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(agent)
            .accept("application/json")
            .timeout_connect(patience)
            .timeout_recv_response(patience)
            .timeout_per_read(patience)
            .build();
        Ok(Self { agent: Agent::new_with_config(config), base: address, key, now })
    }

    /// Sends one request; a text says why nothing came.
    ///
    /// # Errors
    /// What the system or the connection says, without the key.
    pub fn send(&self, request: &Request) -> Result<Answer, String> {
        // An address without a path is shown with one of a slash, and the request's begins with another.
        let url = format!("{}{}", self.base.to_string().trim_end_matches('/'), request.path);
        let struck = |error: &dyn fmt::Display| self.struck(&error.to_string());
        let response = match &request.body {
            None => {
                let mut builder = self.agent.get(&url);
                if let Some(etag) = &request.etag {
                    builder = builder.header("if-none-match", etag);
                }
                if let Some(key) = &self.key {
                    builder = builder.header("authorization", key);
                }
                builder.call()
            }
            Some(body) => {
                let mut builder = self.agent.post(&url).header("content-type", "application/json");
                if let Some(key) = &self.key {
                    builder = builder.header("authorization", key);
                }
                builder.send(body.as_str())
            }
        };
        let response = response.map_err(|error| struck(&error))?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after =
            header("retry-after").and_then(|text| retry_after(text, header("date"), (self.now)()));
        let retry_after = retry_after.map(|wait| wait.as_secs());
        let count = |name: &str| header(name).and_then(|text| text.trim().parse().ok());
        let allowance = count("x-ratelimit-remaining").map(|remaining| Allowance {
            limit: count("x-ratelimit-limit"),
            remaining,
            reset: count("x-ratelimit-reset"),
        });
        // What is sent back is bounded, and visible.
        let etag = header("etag").filter(|etag| etag.len() <= 200).map(str::to_owned);
        let mut bytes = Vec::new();
        let read = response.into_body().into_reader().take(LONGEST + 1).read_to_end(&mut bytes);
        let torn = read.is_err() || bytes.len() as u64 > LONGEST;
        let body = self.struck(&String::from_utf8_lossy(&bytes));
        Ok(Answer { status, retry_after, etag, allowance, body, torn })
    }

    /// A server that repeats the key does not get it shown.
    fn struck(&self, text: &str) -> String {
        let Some(key) = &self.key else { return text.to_owned() };
        let bare = key.rsplit(' ').next().unwrap_or(key);
        if bare.is_empty() { text.to_owned() } else { text.replace(bare, "…") }
    }
}

/// Runs a machine to its end. `wait` lets time pass; `heard` is told after each answer, so that ids are kept at once, and may
/// end it with a failure of its own.
///
/// # Errors
/// The machine's, or `heard`'s.
pub fn drive<E: From<Error>>(
    machine: &mut Machine,
    endpoint: &Endpoint,
    wait: &mut dyn FnMut(Duration),
    heard: &mut dyn FnMut(&Machine) -> Result<(), E>,
) -> Result<Vec<Results>, E> {
    loop {
        match machine.step() {
            Step::Done(results) => return Ok(results),
            Step::Wait(pause) => wait(pause),
            Step::Send(request) => {
                let taken = machine.take(endpoint.send(&request));
                heard(machine)?;
                taken?;
            }
        }
    }
}
