//! From a run, its paths and its verdict to the published document.

use std::net::IpAddr;

use super::words::day_and_time;
use crate::path::{self, Attribution, PathHop};
use crate::trace::schema::{
    self, AsTable, Chosen, Document, Evidence, Failure, Hop, Label, Measurement, Replies, Responder, RttMs,
    Seconds, Tool, Vantage, Variant,
};
use crate::trace::{End, Protocol, ReferenceKind, ReplyKind, Role, Run, Stage};
use crate::verdict::{self, Kind};

/// What every document of a session says alike.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Where it is measured from.
    pub vantage: Vantage,
    /// The table in use.
    pub asdb: Option<AsTable>,
}

/// A finished measurement, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The record.
    pub run: &'a Run,
    /// The target's path.
    pub target: &'a path::Path,
    /// The references' paths.
    pub references: &'a [path::Path],
    /// The conclusion; `None` for a plain trace.
    pub verdict: Option<&'a verdict::Verdict>,
    /// The search for references, if one was made.
    pub search: Option<&'a schema::Search>,
    /// The user asked for a matrix of the target's ports and protocols.
    pub matrix: bool,
}

/// What this program says of itself in documents.
#[must_use]
pub fn tool() -> Tool {
    Tool { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

/// The document of a measurement, with what went wrong in it, if anything did.
#[must_use]
pub fn document(session: &Session, measured: Measured<'_>, error: Option<Failure>) -> Document {
    let run = measured.run;
    let target = run.destination(Run::TARGET);
    // What answered in the host's name before the host is not the host.
    let forged =
        measured.verdict.is_some_and(|verdict| matches!(verdict.kind, Kind::Injected | Kind::Intercepted));
    let path_of = |one: &path::Path| {
        let destination = run.destination(one.destination);
        let mut path = path(one);
        path.reached &= !forged || one.destination != Run::TARGET;
        path.protocol =
            (destination.protocol != target.protocol).then(|| destination.protocol.word().to_owned());
        path.port = destination.port.filter(|port| Some(*port) != target.port);
        path.size = destination.size;
        path.chosen = chosen(one, measured.search);
        path
    };
    Document {
        schema: schema::RUN.to_owned(),
        tool: tool(),
        started_at: Some(run.started_at.rfc3339()),
        finished_at: Some(run.started_at.at(run.ended_at).rfc3339()),
        vantage: Vantage { source: Some(run.source), ..session.vantage.clone() },
        asdb: session.asdb.clone(),
        protocol: Some(target.protocol.word().to_owned()),
        port: target.port,
        size: run.size_asked(),
        target: Some(path_of(measured.target)),
        references: measured.references.iter().map(path_of).collect(),
        verdict: measured.verdict.map(verdict_of),
        search: measured.search.cloned(),
        matrix: if measured.matrix { matrix(run, measured.target) } else { Vec::new() },
        check: far_host(run),
        too_big: too_big(&measured),
        balancing: verdict::balancers(run).into_iter().map(balancer).collect(),
        measurement: Some(measurement(run, error.is_some())),
        error,
        ..Document::default()
    }
}

/// The document of a measurement that never began.
#[must_use]
pub fn failure(session: &Session, protocol: Protocol, port: Option<u16>, error: Failure) -> Document {
    Document {
        schema: schema::RUN.to_owned(),
        tool: tool(),
        vantage: session.vantage.clone(),
        asdb: session.asdb.clone(),
        protocol: Some(protocol.word().to_owned()),
        port,
        error: Some(error),
        ..Document::default()
    }
}

/// What came of the far host.
fn far_host(run: &Run) -> Option<schema::FarHost> {
    let (id, one) = run.destinations().find(|(_, one)| one.role == Role::Check)?;
    let (answered, distance) = run.reached(id);
    Some(schema::FarHost { host: one.host.clone(), address: one.address, answered, distance })
}

/// What routers said of the size of the target's packets, with what the paths know of them.
fn too_big(measured: &Measured<'_>) -> Vec<schema::TooBig> {
    let paths = || std::iter::once(measured.target).chain(measured.references);
    let hops = || paths().flat_map(|path| &path.hops);
    let said = measured.run.too_big().into_iter().map(|one| {
        let seen =
            hops().flat_map(|hop| hop.hop.responders.iter().zip(&hop.attributions).map(move |of| (hop, of)));
        let mut seen = seen.filter(|(_, (responder, _))| responder.address == one.from);
        let attribution = seen.clone().next().map(|(_, (_, attribution))| attribution);
        let ttl = seen.find(|(_, (responder, _))| responder.replies.time_exceeded > 0);
        schema::TooBig {
            address: one.from,
            asn: attribution.and_then(|attribution| attributed(attribution).0),
            ttl: ttl.map(|(hop, _)| hop.hop.ttl),
            size: one.size,
            mtu: one.mtu,
            count: one.count,
        }
    });
    said.collect()
}

fn balancer(found: verdict::Balancer) -> schema::Balancer {
    let verdict::Balancer { from_ttl, to_ttl, by, routers } = found;
    schema::Balancer { from_ttl, to_ttl, by: by.word().to_owned(), routers }
}

/// How a reference was chosen.
fn chosen(path: &path::Path, search: Option<&schema::Search>) -> Option<Chosen> {
    let Role::Reference(kind) = path.role else { return None };
    let found = search.and_then(|search| search.found.iter().find(|found| found.address == path.address));
    let refuses = found.is_some_and(|found| found.outcome == "closed");
    let but = if refuses { ", though its port is closed" } else { "" };
    let (how, words) = match kind {
        ReferenceKind::Small => ("same_host", "the target itself, by small packets".to_owned()),
        ReferenceKind::SameHost => ("same_host", "the target's own other port or protocol".to_owned()),
        ReferenceKind::Hint if found.is_some_and(|found| found.why == "alias") => {
            ("hint", format!("another address of the target's name{but}"))
        }
        ReferenceKind::Hint => ("hint", format!("named as one that may serve{but}")),
        ReferenceKind::Found => {
            let place = search.and_then(|search| search.prefix.as_ref());
            let place = place.map_or(String::new(), |prefix| format!(" in {prefix}"));
            let again = search.filter(|search| search.from_cache).map_or(String::new(), |search| {
                format!(" of {}, kept in the cache", day_and_time(&search.searched_at))
            });
            ("found", format!("found by search{place}{again}{but}"))
        }
        _ => ("given", "named by the user".to_owned()),
    };
    Some(Chosen { how: how.to_owned(), words })
}

/// What came back for the target and each of its variants.
fn matrix(run: &Run, target: &path::Path) -> Vec<Variant> {
    let tried = run.destinations().filter(|(id, one)| *id == Run::TARGET || one.role == Role::Variant);
    tried
        .map(|(id, one)| {
            let replies =
                || run.probes_to(id).flat_map(|probe| probe.replies.iter().map(move |reply| (probe, reply)));
            let terminal = replies().find(|(_, reply)| reply.answers_for(one.address));
            let refused = replies().any(|(_, reply)| matches!(reply.kind, ReplyKind::Unreachable { .. }));
            let word = match terminal.map(|(_, reply)| reply.kind) {
                Some(ReplyKind::SynAck) => Some("syn_ack"),
                Some(ReplyKind::Rst) => Some("rst"),
                Some(ReplyKind::EchoReply) => Some("echo_reply"),
                Some(ReplyKind::UdpAnswer) => Some("udp_answer"),
                Some(_) => Some("unreachable"),
                None => refused.then_some("unreachable"),
            };
            let reached =
                replies().filter(|(probe, _)| probe.stage != Stage::Reach).map(|(probe, _)| probe.ttl);
            let mut furthest = reached.max();
            if id == Run::TARGET {
                furthest = furthest.map(|ttl| target.distance.map_or(ttl, |distance| ttl.min(distance)));
            }
            Variant {
                protocol: one.protocol.word().to_owned(),
                port: one.port,
                answered: terminal.is_some(),
                furthest_ttl: furthest,
                reply: word.map(str::to_owned),
            }
        })
        .collect()
}

fn measurement(run: &Run, broken: bool) -> Measurement {
    let sent = || run.probes.iter().filter(|probe| probe.was_sent());
    let end = run.end.map(|end| match end {
        End::Decided => "decided",
        End::OutOfProbes => "out_of_probes",
        End::OutOfTime => "out_of_time",
        End::Interrupted => "interrupted",
        End::CannotSend => "cannot_send",
    });
    Measurement {
        end: end.map(str::to_owned),
        incomplete: broken || matches!(run.end, None | Some(End::Interrupted | End::CannotSend)),
        probes: sent().count() as u32,
        answered: sent().filter(|probe| probe.was_answered()).count() as u32,
        seconds: Seconds(run.ended_at.as_nanos()),
        seed: run.seed,
        strays: run.strays.total(),
        overflow: run.losses.overflow + run.losses.truncated,
    }
}

pub(super) fn attributed(attribution: &Attribution) -> (Option<u32>, Vec<u32>) {
    let all: Vec<u32> = attribution.asns.iter().map(|asn| asn.0).collect();
    (all.first().copied(), all)
}

fn path(path: &path::Path) -> schema::Path {
    schema::Path {
        host: path.host.clone(),
        address: Some(path.address),
        asn: attributed(&path.attribution).0,
        as_name: path.attribution.name.clone(),
        prefix: path.attribution.prefix.map(|prefix| prefix.to_string()),
        reached: path.reached,
        distance: path.distance,
        hops: path.hops.iter().map(hop).collect(),
        as_path: path.as_path.iter().map(|asn| asn.0).collect(),
        protocol: None,
        port: None,
        size: None,
        chosen: None,
    }
}

fn hop(hop: &PathHop) -> Hop {
    let responders = hop.hop.responders.iter().zip(&hop.attributions);
    Hop {
        ttl: hop.hop.ttl,
        sent: Some(hop.hop.sent),
        answered: Some(hop.hop.answered),
        responders: responders
            .map(|(one, attribution)| {
                let (asn, all) = attributed(attribution);
                Responder {
                    address: Some(one.address),
                    asn,
                    asns: all,
                    as_name: attribution.name.clone(),
                    kind: attribution.kind.as_str().to_owned(),
                    rtt_ms: one.rtt.map(|rtt| RttMs {
                        min: milliseconds(rtt.min),
                        avg: milliseconds(rtt.avg),
                        max: milliseconds(rtt.max),
                    }),
                    replies: Replies {
                        time_exceeded: one.replies.time_exceeded,
                        syn_ack: one.replies.syn_ack,
                        rst: one.replies.rst,
                        echo_reply: one.replies.echo_reply,
                        udp_answer: one.replies.udp_answer,
                        too_big: one.replies.too_big,
                        other: 0,
                        unreachable: one
                            .replies
                            .unreachable
                            .iter()
                            .map(|row| schema::Unreachable {
                                icmp_type: row.icmp_type,
                                code: row.code,
                                count: row.count,
                            })
                            .collect(),
                    },
                    mpls: one
                        .mpls
                        .iter()
                        .map(|label| Label {
                            label: label.label,
                            tc: label.tc,
                            bottom: label.bottom,
                            ttl: label.ttl,
                        })
                        .collect(),
                    reply_ttl: one.reply_ttl.clone(),
                    ..Responder::default()
                }
            })
            .collect(),
    }
}

/// Milliseconds to the microsecond: what the clocks are good for.
fn milliseconds(span: std::time::Duration) -> f64 {
    span.as_micros() as f64 / 1e3
}

fn verdict_of(verdict: &verdict::Verdict) -> schema::Verdict {
    let address = |address: Option<IpAddr>| address.map(|address| address.to_string());
    let figures = verdict.figures;
    schema::Verdict {
        kind: verdict.kind.word().to_owned(),
        asns: verdict.asns.iter().map(|asn| asn.0).collect(),
        as_names: verdict.as_names.clone(),
        after_ttl: verdict.after_ttl,
        before_ttl: verdict.before_ttl,
        after: address(verdict.after),
        before: address(verdict.before),
        mechanism: verdict.mechanism.word().to_owned(),
        scope: verdict.scope.word().to_owned(),
        location_confidence: verdict.location_confidence,
        attribution_confidence: verdict.attribution_confidence,
        location_limit: verdict.location_limit.clone(),
        attribution_limit: verdict.attribution_limit.clone(),
        raise: verdict.raise.clone(),
        evidence: Evidence {
            pairs: figures.pairs,
            target_answered: figures.target_answered,
            reference_answered: figures.reference_answered,
            e_value: figures.e_value,
            posterior: figures.posterior,
            flows: figures.flows,
            references: figures.references,
        },
        packet_size: verdict.packet_size.map(|size| schema::PacketSize {
            asked: size.asked,
            lost: size.lost,
            passes: size.passes,
        }),
        reason: verdict.reason.map(|reason| reason.word().to_owned()),
        summary: verdict.summary.clone(),
        next_step: verdict.next_step.clone(),
    }
}
