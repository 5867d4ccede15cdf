//! From another tool's trace to the published document: what the file says, with what our table says of the addresses.

use super::document::{attributed, tool};
use crate::path::Atlas;
use crate::trace::ReplyKind;
use crate::trace::foreign::{Finding, ForeignHop, ForeignReply, ForeignResponder, ForeignTrace};
use crate::trace::schema::{self, AsTable, Document, Hop, Label, Path, Replies, Responder, RttMs, Vantage};

/// The document of an imported trace; `file` is what the user calls the file it stood in.
#[must_use]
pub fn imported(
    trace: &ForeignTrace,
    file: Option<&str>,
    table: Option<&AsTable>,
    atlas: &mut Atlas<'_>,
) -> Document {
    let time = |nanoseconds: Option<i64>| {
        let time = nanoseconds.and_then(|time| jiff::Timestamp::from_nanosecond(i128::from(time)).ok());
        time.map(|time| time.to_string())
    };
    let vantage = &trace.vantage;
    let known = vantage.public.or(vantage.source);
    let asn = vantage.asn.or_else(|| known.and_then(|address| attributed(atlas.of(address)).0));
    Document {
        schema: schema::RUN.to_owned(),
        tool: tool(),
        started_at: time(trace.started_at),
        finished_at: time(trace.ended_at),
        vantage: Vantage {
            source: vantage.source,
            asn,
            label: vantage.label.clone(),
            public: vantage.public,
            country: vantage.country.clone(),
            network: vantage.network.clone(),
            probe: vantage.probe,
            ..Vantage::default()
        },
        asdb: table.cloned(),
        protocol: trace.protocol.map(|protocol| protocol.word().to_owned()),
        port: trace.port,
        size: None,
        target: Some(path(trace, atlas)),
        error: trace.failure.as_ref().map(|text| schema::Failure {
            kind: "measurement".to_owned(),
            message: text.clone(),
            hint: None,
        }),
        origin: Some(schema::Origin {
            format: trace.origin.format.to_owned(),
            dialect: Some(trace.origin.dialect.clone()).filter(|dialect| !dialect.is_empty()),
            version: trace.origin.version.clone(),
            file: file.map(str::to_owned),
            lines: trace.origin.lines.map(|(first, last)| [first, last]),
            measurement: trace.vantage.measurement.clone(),
        }),
        findings: trace.findings.iter().map(finding).collect(),
        ..Document::default()
    }
}

fn finding(finding: &Finding) -> schema::Finding {
    schema::Finding { line: finding.line, text: finding.text.clone() }
}

fn path(trace: &ForeignTrace, atlas: &mut Atlas<'_>) -> Path {
    let (reached, distance) = trace.arrived();
    let owner = trace.address.map(|address| atlas.of(address).clone());
    let hops: Vec<Hop> = trace.hops.iter().map(|one| hop(one, atlas)).collect();
    let asn = owner.as_ref().and_then(|owner| attributed(owner).0);
    let firsts = hops.iter().filter_map(|hop| hop.responders.first().and_then(|one| one.asn));
    let mut as_path: Vec<u32> = firsts.chain(asn.filter(|_| reached)).collect();
    as_path.dedup();
    Path {
        host: trace.target.clone(),
        address: trace.address,
        asn,
        as_name: owner.as_ref().and_then(|owner| owner.name.clone()),
        prefix: owner.and_then(|owner| owner.prefix).map(|prefix| prefix.to_string()),
        reached,
        distance,
        hops,
        as_path,
        ..Path::default()
    }
}

fn hop(hop: &ForeignHop, atlas: &mut Atlas<'_>) -> Hop {
    let mut responders: Vec<(u32, Responder)> =
        hop.responders.iter().map(|one| (received(one), responder(one, atlas))).collect();
    responders.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let counted: u32 = responders.iter().fold(0, |sum, (count, _)| sum.saturating_add(*count));
    let single = hop.responders.iter().any(|one| !one.replies.is_empty()) || hop.responders.is_empty();
    Hop {
        ttl: hop.ttl,
        sent: hop.sent,
        answered: hop.answered.or_else(|| single.then_some(counted)),
        responders: responders.into_iter().map(|(_, one)| one).collect(),
    }
}

/// Replies of one responder, from single ones or from totals.
fn received(one: &ForeignResponder) -> u32 {
    match one.stats.and_then(|stats| stats.received) {
        Some(received) if one.replies.is_empty() => received,
        _ => u32::try_from(one.replies.len()).unwrap_or(u32::MAX),
    }
}

fn responder(one: &ForeignResponder, atlas: &mut Atlas<'_>) -> Responder {
    let attribution = one.address.map(|address| atlas.of(address).clone());
    let (asn, asns) = attribution.as_ref().map_or((None, Vec::new()), attributed);
    let kind = attribution.as_ref().map_or("unannounced", |of| of.kind.as_str());
    let mut replies = Replies::default();
    for reply in &one.replies {
        count(&mut replies, reply);
    }
    if one.replies.is_empty() {
        replies.other = received(one);
    }
    let mut marks: Vec<String> = Vec::new();
    for mark in one.replies.iter().filter_map(|reply| reply.mark.as_ref()) {
        if !marks.contains(mark) {
            marks.push(mark.clone());
        }
    }
    let mut reply_ttl: Vec<u8> = one.replies.iter().filter_map(|reply| reply.reply_ttl).collect();
    reply_ttl.sort_unstable();
    reply_ttl.dedup();
    Responder {
        address: one.address,
        asn,
        asns,
        as_name: attribution.and_then(|of| of.name),
        kind: kind.to_owned(),
        rtt_ms: round_trips(one),
        replies,
        mpls: one
            .mpls
            .iter()
            .map(|label| Label { label: label.label, tc: label.tc, bottom: label.bottom, ttl: label.ttl })
            .collect(),
        reply_ttl,
        name: one.name.clone(),
        claims: one.claims.clone(),
        marks,
        rewritten_to: one.replies.iter().find_map(|reply| reply.rewritten_to),
    }
}

fn count(replies: &mut Replies, reply: &ForeignReply) {
    match reply.kind {
        Some(ReplyKind::TimeExceeded) => replies.time_exceeded += 1,
        Some(ReplyKind::SynAck) => replies.syn_ack += 1,
        Some(ReplyKind::Rst) => replies.rst += 1,
        Some(ReplyKind::EchoReply) => replies.echo_reply += 1,
        Some(ReplyKind::UdpAnswer) => replies.udp_answer += 1,
        Some(ReplyKind::TooBig { .. }) => replies.too_big += 1,
        Some(ReplyKind::Unreachable { icmp_type, code }) => {
            let rows = &mut replies.unreachable;
            match rows.iter_mut().find(|row| (row.icmp_type, row.code) == (icmp_type, code)) {
                Some(row) => row.count += 1,
                None => rows.push(schema::Unreachable { icmp_type, code, count: 1 }),
            }
        }
        _ => replies.other += 1,
    }
}

/// Shortest, mean and longest; a total that lacks one of them borrows from the others.
fn round_trips(one: &ForeignResponder) -> Option<RttMs> {
    let times = || one.replies.iter().filter_map(|reply| reply.rtt_ms);
    let number = times().count();
    if number > 0 {
        let (min, max) =
            times().fold((f64::INFINITY, 0.0_f64), |(min, max), one| (min.min(one), max.max(one)));
        let avg = times().sum::<f64>() / number as f64;
        return Some(RttMs { min, avg: (avg * 1e3).round() / 1e3, max });
    }
    let stats = one.stats?;
    let any = stats.avg.or(stats.best).or(stats.worst)?;
    Some(RttMs {
        min: stats.best.unwrap_or(any),
        avg: stats.avg.unwrap_or(any),
        max: stats.worst.unwrap_or(any),
    })
}
