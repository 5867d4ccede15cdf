//! RIPE Atlas results: one object a line, one list, or lists under the numbers of probes.
//!
//! An archive has gigabytes of them. A result passes through flat buffers ([`raw`]) that are used again, and is then
//! understood ([`build`]): only what the trace keeps is made anew for each.

mod build;
mod raw;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::BufRead;
use std::ops::ControlFlow;

use serde::de::{DeserializeSeed, IgnoredAny};

use super::stream::{Elements, Step, finish, lines, note};
use crate::import::{Each, Error, Outcome, Problem};
use raw::{Raw, Top};

/// Kinds of results that are told apart where they are left out.
const KINDS: usize = 16;

/// Reads all results of a file that are traceroutes.
pub(super) fn read(input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
    let mut raw = Raw::default();
    let mut others: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut outcome = Outcome::default();
    Elements::new(input, true).each(&mut outcome, &mut |element, outcome| {
        raw.clear();
        let mut object = serde_json::Deserializer::from_slice(element.bytes);
        Top(&mut raw).deserialize(&mut object)?;
        let length = object.into_iter::<IgnoredAny>().byte_offset();
        let other = raw.other.take().or_else(|| (!raw.has_result).then(|| "without a result".to_owned()));
        if let Some(other) = other {
            if others.len() < KINDS || others.contains_key(&other) {
                others.entry(other).or_insert((element.line, 0)).1 += 1;
            }
            return Ok(Step::Read(length));
        }
        let last = element.line + lines(&element.bytes[..length]);
        outcome.traces += 1;
        Ok(match each(build::trace(&mut raw, (element.line, last))) {
            ControlFlow::Continue(()) => Step::Read(length),
            ControlFlow::Break(()) => Step::Stop,
        })
    })?;
    if outcome.traces == 0 && outcome.findings.is_empty() && !others.is_empty() {
        let kinds: Vec<&str> = others.keys().map(String::as_str).collect();
        let text = format!("it has results of RIPE Atlas ({}) and no traceroute", kinds.join(", "));
        return Err(Error::new(Problem::Refused(text)));
    }
    for (kind, (line, times)) in others {
        note(&mut outcome, Some(line), format!("left out, they are no traceroutes: {kind} ({times})"));
    }
    finish(outcome, "RIPE Atlas result")
}
