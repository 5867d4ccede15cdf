//! OONI's data format 0.2.0 (ooni/spec, `data-formats/df-000-base.md`): one measurement a line, for archives that take it.
//!
//! Nothing is submitted. What a saved run holds are counts, not single events: `tcp_connect` has one entry for each host
//! that was probed over TCP, its times being those of the run. The paths are under `x_path_compare`, as the format leaves
//! names that begin with `x_` to experiments. Our own address is `127.0.0.1` unless it is shared, and is then left out
//! wherever else it would stand, as the addresses of private hops are; an AS that is not shared is `AS0`.

use std::io::{self, Write};
use std::net::IpAddr;

use serde_json::{Value, json};

use super::Share;
use super::escape::clip_to;
use super::json::line;
use super::rows::Lane;
use super::runs::Runs;
use super::words;
use crate::trace::WallTime;
use crate::trace::schema::{Document, Path};

/// Writes all runs.
pub(super) fn runs(out: &mut dyn Write, runs: &Runs, share: Share) -> io::Result<()> {
    runs.documents.iter().try_for_each(|document| line(out, &measurement(document, share)))
}

/// In place of an address that is not shared.
const SCRUBBED: &str = "[scrubbed]";

fn measurement(document: &Document, share: Share) -> Value {
    let vantage = &document.vantage;
    let start = document.started_at.as_deref();
    let seconds = document.measurement.as_ref().map_or(0.0, |measurement| measurement.seconds.0 as f64 / 1e9);
    let asn = vantage.asn.filter(|_| share.asn);
    let network = (asn.is_some())
        .then(|| document.target.as_ref().and_then(|path| name_of(path, vantage.asn)))
        .flatten()
        .unwrap_or_default();
    let address = vantage.source.filter(|_| share.address);
    let paths = || {
        let target = document.target.iter().map(|path| ("target", path));
        target.chain(document.references.iter().map(|path| ("reference", path)))
    };
    let own = vantage.source.filter(|_| !share.address);
    json!({
        "annotations": {
            "engine_name": name(&document.tool.name),
            "engine_version": name(&document.tool.version),
            "platform": "linux",
            "asn_table": document.asdb.as_ref().map(words::table).unwrap_or_default(),
        },
        "data_format_version": "0.2.0",
        "extensions": {"tcpconnect": 0},
        "input": document.target.as_ref().map(|path| endpoint(path, document.port)),
        "options": [],
        "measurement_start_time": time(start),
        "test_start_time": time(start),
        "test_runtime": seconds,
        "probe_asn": asn.map_or_else(|| "AS0".to_owned(), |asn| format!("AS{asn}")),
        "probe_cc": "ZZ",
        "probe_ip": address.map_or_else(|| "127.0.0.1".to_owned(), |address| address.to_string()),
        "probe_network_name": network,
        "report_id": "",
        "resolver_asn": "AS0",
        "resolver_ip": "127.0.0.2",
        "resolver_network_name": "",
        "software_name": name(&document.tool.name),
        "software_version": name(&document.tool.version),
        "test_name": "lasthop_path_compare",
        "test_version": "0.1.0",
        "test_helpers": {},
        "test_keys": {
            "tcp_connect": (1_u32..)
                .zip(paths())
                .filter(|(_, (_, path))| document.protocol_of(path) == "tcp")
                .filter_map(|(number, (role, path))| connect(document, path, role, number, seconds))
                .collect::<Vec<_>>(),
            "x_path_compare": {
                "verdict": verdict(document, own),
                "paths": paths().map(|(role, one)| path(one, role, own)).collect::<Vec<_>>(),
            },
        },
    })
}

/// `YYYY-MM-DD hh:mm:ss`.
fn time(time: Option<&str>) -> String {
    let known = time.filter(|time| WallTime::parse(time).is_some());
    known.and_then(|time| time.get(..19)).unwrap_or("1970-01-01 00:00:00").replace('T', " ")
}

/// A name as the format allows it: `^[0-9A-Za-z_.+-]+$`.
fn name(text: &str) -> String {
    let allowed = |one: char| if one.is_ascii_alphanumeric() || "_.+-".contains(one) { one } else { '_' };
    let name: String = clip_to(text, 40).chars().map(allowed).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

/// The name of an AS, where a path passes it.
fn name_of(path: &Path, asn: Option<u32>) -> Option<String> {
    let mut all = path.hops.iter().flat_map(|hop| &hop.responders);
    all.find(|one| one.asn.is_some() && one.asn == asn)?.as_name.clone()
}

/// `192.0.2.10:443`, as URLs write it.
fn endpoint(path: &Path, port: Option<u16>) -> String {
    match (path.address, path.port.or(port)) {
        (Some(IpAddr::V6(address)), Some(port)) => format!("[{address}]:{port}"),
        (Some(address), Some(port)) => format!("{address}:{port}"),
        (Some(address), None) => address.to_string(),
        (None, _) => path.host.clone(),
    }
}

fn connect(document: &Document, path: &Path, role: &str, number: u32, seconds: f64) -> Option<Value> {
    let refused = || {
        path.hops
            .iter()
            .flat_map(|hop| &hop.responders)
            .filter(|one| one.address == path.address)
            .any(|one| one.replies.rst > 0 && one.replies.syn_ack == 0)
    };
    let failure = match path.reached {
        true if refused() => Some("connection_refused"),
        true => None,
        false if Lane::of(path).refused_at.is_some() => Some("host_unreachable"),
        false => Some("generic_timeout_error"),
    };
    Some(json!({
        "ip": path.address?,
        "port": path.port.or(document.port)?,
        "status": {"failure": failure, "success": failure.is_none()},
        "t0": 0.0,
        "t": seconds,
        "tags": [role],
        "transaction_id": number,
    }))
}

/// The verdict, without our addresses in its sentences.
fn verdict(document: &Document, own: Option<IpAddr>) -> Value {
    let mut verdict = serde_json::to_value(&document.verdict).unwrap_or_default();
    let Some(own) = own else { return verdict };
    let hops = document.target.iter().chain(&document.references).flat_map(|path| &path.hops);
    let private = hops.flat_map(|hop| &hop.responders).filter(|one| one.kind == "private");
    let mut hidden: Vec<String> =
        private.filter_map(|one| one.address).chain([own]).map(|address| address.to_string()).collect();
    // The longest first: one address may be the beginning of another.
    hidden.sort_by_key(|address| std::cmp::Reverse(address.len()));
    hidden.dedup();
    for value in verdict.as_object_mut().into_iter().flat_map(|verdict| verdict.values_mut()) {
        if let Value::String(text) = value {
            for address in hidden.iter().take(MOST_HIDDEN) {
                if text.contains(address.as_str()) {
                    *text = text.replace(address.as_str(), SCRUBBED);
                }
            }
        }
    }
    verdict
}

/// Private addresses that are looked for in sentences, which name two at most.
const MOST_HIDDEN: usize = 1024;

fn path(path: &Path, role: &str, own: Option<IpAddr>) -> Value {
    // What lies before the first public hop is the user's own.
    let mut hops = serde_json::to_value(&path.hops).unwrap_or_default();
    let responders = hops.as_array_mut().into_iter().flatten().filter_map(|hop| hop.get_mut("responders"));
    for responder in responders.filter_map(Value::as_array_mut).flatten() {
        let address = responder.get("address").and_then(Value::as_str).and_then(|text| text.parse().ok());
        let private = responder.get("kind").is_some_and(|kind| kind == "private");
        if own.is_some() && (private || address == own) {
            responder["address"] = json!(SCRUBBED);
        }
    }
    json!({
        "role": role,
        "host": path.host,
        "address": path.address,
        "asn": path.asn,
        "prefix": path.prefix,
        "reached": path.reached,
        "distance": path.distance,
        "as_path": path.as_path,
        "hops": hops,
    })
}
