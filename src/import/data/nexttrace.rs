//! NextTrace's JSON: a list of tries for each TTL, times in nanoseconds, and an AS number from its own services, a claim.

use std::io::BufRead;
use std::net::IpAddr;

use serde::Deserialize;

use super::json::{Flag, Float, Int, List, Object, Text};
use super::stream::{finish, note, whole};
use super::words::{address, milliseconds, name_of};
use crate::import::{Each, Error, Outcome, Problem};
use crate::trace::MplsLabel;
use crate::trace::foreign::{ForeignReply, ForeignTrace, Provenance, most};

const FORMAT: &str = "NextTrace result";

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Document<'a> {
    #[serde(borrow)]
    hops: List<List<Object<Try<'a>>, { most::REPLIES }>, 255>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Try<'a> {
    success: Flag,
    #[serde(borrow)]
    address: Object<Address<'a>>,
    #[serde(borrow)]
    hostname: Text<'a>,
    #[serde(rename = "TTL")]
    ttl: Int,
    #[serde(rename = "RTT")]
    rtt: Float,
    geo: Object<Geo<'a>>,
    #[serde(borrow, rename = "MPLS")]
    mpls: List<Text<'a>, { most::LABELS }>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Address<'a> {
    #[serde(borrow, rename = "IP")]
    ip: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Geo<'a> {
    #[serde(borrow)]
    asnumber: Text<'a>,
}

/// Where the object begins: in the first column, perhaps after lines of text.
pub(super) fn begin(bytes: &[u8]) -> Option<usize> {
    let bytes_before = |at: usize| at.checked_sub(1).map(|before| bytes[before]);
    let starts = bytes
        .iter()
        .enumerate()
        .filter(|(at, byte)| **byte == b'{' && matches!(bytes_before(*at), None | Some(b'\n' | b'\r')));
    starts.map(|(at, _)| at).take(1000).find(|at| {
        let rest = bytes[at + 1..].get(..64).unwrap_or(&bytes[at + 1..]).trim_ascii_start();
        rest.starts_with(b"\"Hops\"")
    })
}

/// Reads the one trace of a result.
pub(super) fn read(input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
    let bytes = whole(input)?;
    let broken = |what: String| Error::new(Problem::Broken { format: FORMAT, what });
    let start = begin(&bytes).ok_or_else(|| broken("no object begins in the first column".to_owned()))?;
    let first = super::stream::lines(&bytes[..start]) + 1;
    let mut objects = serde_json::Deserializer::from_slice(&bytes[start..]).into_iter::<Document<'_>>();
    let document = objects.next().transpose().map_err(|error| {
        Error::at(
            first - 1 + error.line() as u64,
            Problem::Broken { format: FORMAT, what: error.to_string() },
        )
    })?;
    let length = objects.byte_offset();
    let document = document.unwrap_or_default();
    let last = first + super::stream::lines(&bytes[start..start + length]);
    let mut outcome = Outcome::default();
    if first > 1 {
        note(&mut outcome, Some(1), "what stands before the result is left out".to_owned());
    }
    let mut trace = ForeignTrace {
        origin: Provenance {
            format: "nexttrace",
            dialect: "json".to_owned(),
            version: None,
            lines: Some((first, last)),
        },
        ..ForeignTrace::default()
    };
    for (tries, ttl) in document.hops.kept.iter().zip(1..=u8::MAX) {
        add(&mut trace, ttl, &tries.kept, first);
    }
    if document.hops.left > 0 {
        trace.note(Some(first), "hops beyond 255 are left out");
    }
    if trace.hops.is_empty() {
        return finish(outcome, FORMAT);
    }
    trace.note(Some(first), "NextTrace does not write down what was traced: the target is unknown");
    outcome.traces = 1;
    let _ = each(trace);
    Ok(outcome)
}

fn add(trace: &mut ForeignTrace, ttl: u8, tries: &[Object<Try<'_>>], line: u64) {
    let tries = || tries.iter().filter_map(|one| one.0.as_ref());
    let (mut answered, mut crowded) = (0, 0);
    if let Some(other) = tries().filter_map(|one| one.ttl.0).find(|other| *other != i64::from(ttl)) {
        trace.note(Some(line), format!("hop {ttl} says that it is hop {other}"));
    }
    let hop = trace.hop_mut(ttl);
    hop.sent = u32::try_from(tries().count()).ok();
    for one in tries() {
        let from: Option<IpAddr> = one.address.0.as_ref().and_then(|one| one.ip.get()).and_then(address);
        if from.is_none() || one.success.0 == Some(false) {
            continue;
        }
        answered += 1;
        let Some(responder) = hop.responder_mut(from, None) else {
            crowded += 1;
            continue;
        };
        if responder.name.is_none() {
            responder.name = one.hostname.get().and_then(|name| name_of(name, from));
        }
        let claims = one.geo.0.as_ref().and_then(|geo| geo.asnumber.get()).unwrap_or("");
        for claim in claims.split(|one: char| !one.is_ascii_digit()).filter_map(|digits| digits.parse().ok())
        {
            if claim != 0 && !responder.claims.contains(&claim) && responder.claims.len() < 16 {
                responder.claims.push(claim);
            }
        }
        if responder.mpls.is_empty() {
            let lines = one.mpls.kept.iter().filter_map(Text::get);
            responder.mpls = lines.filter_map(label).take(most::LABELS).collect();
        }
        // It writes nanoseconds, and tells no kind of answer.
        let rtt_ms = one.rtt.0.map(|rtt| rtt / 1e6).and_then(milliseconds);
        responder.replies.push(ForeignReply { rtt_ms, ..ForeignReply::default() });
    }
    hop.answered = Some(answered);
    if crowded > 0 {
        trace.note(Some(line), format!("hop {ttl}: addresses beyond the most that is kept are left out"));
    }
}

/// `[MPLS: Lbl 16022, TC 0, S 1, TTL 1]`
fn label(text: &str) -> Option<MplsLabel> {
    let words: Vec<&str> =
        text.split(|one: char| !one.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let value = |name: &str| {
        words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1)?.parse::<u32>().ok())
    };
    Some(MplsLabel {
        label: value("Lbl").filter(|label| *label < 1 << 20)?,
        tc: value("TC").and_then(|tc| u8::try_from(tc).ok())? & 7,
        bottom: value("S")? == 1,
        ttl: value("TTL").and_then(|ttl| u8::try_from(ttl).ok())?,
    })
}

#[cfg(test)]
pub(in crate::import::data) mod tests {
    use std::ops::ControlFlow;

    use super::*;

    pub(in crate::import::data) const SAMPLE: &str = r#"NextTrace v1.3.0
[NextTrace API] preferred API IP - 192.0.2.53
{"Hops":[[{"Success":true,"Address":{"IP":"192.0.2.1","Zone":""},"Hostname":"gw.example.net","TTL":1,"RTT":1234567,
"Error":null,"Geo":{"asnumber":"64500","country":""},"Lang":"en","MPLS":["[MPLS: Lbl 16022, TC 0, S 1, TTL 1]"]},
{"Success":false,"Address":null,"Hostname":"","TTL":1,"RTT":0,"Error":{},"Geo":null,"Lang":"","MPLS":null}],
[{"Success":true,"Address":{"IP":"2001:db8::1"},"TTL":2,"RTT":2000000,"Geo":{"asnumber":"64501, 64502"}}],
[{"Success":false,"Address":null,"TTL":3,"RTT":0,"Error":{}}]],"TraceMapUrl":""}
"#;

    #[test]
    fn a_result_is_read_after_text() {
        let mut traces = Vec::new();
        let outcome = read(&mut SAMPLE.as_bytes(), &mut |trace| {
            traces.push(trace);
            ControlFlow::Continue(())
        });
        assert_eq!(outcome.unwrap().traces, 1);
        let trace = &traces[0];
        assert_eq!(trace.origin.lines, Some((3, 7)));
        assert_eq!(
            trace.hops.iter().map(|hop| (hop.ttl, hop.sent, hop.answered)).collect::<Vec<_>>(),
            [(1, Some(2), Some(1)), (2, Some(1), Some(1)), (3, Some(1), Some(0))]
        );
        let first = &trace.hops[0].responders[0];
        assert_eq!(first.name.as_deref(), Some("gw.example.net"));
        assert_eq!(first.claims, [64500]);
        assert_eq!(first.mpls, [MplsLabel { label: 16022, tc: 0, bottom: true, ttl: 1 }]);
        assert_eq!(first.replies[0].rtt_ms, Some(1.234567));
        assert_eq!(trace.hops[1].responders[0].claims, [64501, 64502]);
        assert_eq!((trace.address, trace.reached), (None, None));
    }
}
