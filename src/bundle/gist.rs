//! What a conclusion comes to, whoever writes it down: the paths, whose they are, and the verdict without its words.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value;

use super::compare;
use crate::trace::schema::{self, Document};

/// What two captures of one run, and two versions of this program, must agree in: everything but times and words.
#[derive(Serialize)]
pub struct Gist {
    kind: Option<String>,
    asns: Vec<u32>,
    after_ttl: Option<u8>,
    before_ttl: Option<u8>,
    after: Option<String>,
    before: Option<String>,
    mechanism: Option<String>,
    scope: Option<String>,
    reason: Option<String>,
    packet_size: Value,
    paths: Vec<GistPath>,
}

#[derive(Serialize)]
struct GistPath {
    host: String,
    address: Option<IpAddr>,
    asn: Option<u32>,
    reached: bool,
    distance: Option<u8>,
    as_path: Vec<u32>,
    hops: Vec<GistHop>,
}

#[derive(Serialize)]
struct GistHop {
    ttl: u8,
    sent: Option<u32>,
    answered: Option<u32>,
    responders: Vec<GistResponder>,
}

#[derive(Serialize)]
struct GistResponder {
    address: Option<IpAddr>,
    asns: Vec<u32>,
    kind: Value,
    replies: schema::Replies,
}

impl Gist {
    /// Of a document.
    pub fn of(document: &Document) -> Self {
        let verdict = document.verdict.as_ref();
        let word = |of: fn(&schema::Verdict) -> &String| verdict.map(|verdict| of(verdict).clone());
        let responder = |one: &schema::Responder| GistResponder {
            address: one.address,
            asns: one.asns.clone(),
            kind: compare::as_read(&one.kind),
            replies: one.replies.clone(),
        };
        let path = |path: &schema::Path| GistPath {
            host: path.host.clone(),
            address: path.address,
            asn: path.asn,
            reached: path.reached,
            distance: path.distance,
            as_path: path.as_path.clone(),
            hops: (path.hops.iter())
                .map(|hop| GistHop {
                    ttl: hop.ttl,
                    sent: hop.sent,
                    answered: hop.answered,
                    responders: hop.responders.iter().map(responder).collect(),
                })
                .collect(),
        };
        Self {
            kind: word(|verdict| &verdict.kind),
            asns: verdict.map_or_else(Vec::new, |verdict| verdict.asns.clone()),
            after_ttl: verdict.and_then(|verdict| verdict.after_ttl),
            before_ttl: verdict.and_then(|verdict| verdict.before_ttl),
            after: verdict.and_then(|verdict| verdict.after.clone()),
            before: verdict.and_then(|verdict| verdict.before.clone()),
            mechanism: word(|verdict| &verdict.mechanism),
            scope: word(|verdict| &verdict.scope),
            reason: verdict.and_then(|verdict| verdict.reason.clone()),
            packet_size: verdict.map_or(Value::Null, |verdict| compare::as_read(&verdict.packet_size)),
            paths: document.target.iter().chain(&document.references).map(path).collect(),
        }
    }
}

/// The first difference between what two documents come to. The verdict comes before the paths.
pub fn difference(stated: &Document, derived: &Document) -> Option<(String, String, String)> {
    let (said, made) = (compare::as_read(&Gist::of(stated)), compare::as_read(&Gist::of(derived)));
    let verdict = |value: &Value| {
        let mut value = value.clone();
        value.as_object_mut().map(|all| all.remove("paths"));
        value
    };
    let of_verdict = compare::first(&verdict(&said), &verdict(&made));
    let named = of_verdict.map(|(way, one, other)| (format!("verdict.{way}"), one, other));
    named.or_else(|| compare::first(&said, &made))
}
