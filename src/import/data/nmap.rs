//! nmap's XML with `--traceroute`: one time a hop, silent hops left out.

use std::io::BufRead;
use std::net::IpAddr;

use quick_xml::events::{BytesStart, Event};

use super::stream::{finish, note, whole};
use super::words::{address, clean, milliseconds, name_of, seconds};
use crate::import::{Each, Error, Outcome, Problem};
use crate::trace::foreign::{ForeignReply, ForeignTrace, Provenance};
use crate::trace::{Protocol, ReplyKind};

const FORMAT: &str = "nmap report";

/// Elements within each other: nmap's go to eight, and a file that goes deeper is none of its.
const DEEPEST: usize = 64;

/// A host of the report.
#[derive(Default)]
struct Host {
    address: Option<IpAddr>,
    name: Option<String>,
    began: Option<i64>,
    ended: Option<i64>,
    trace: Option<ForeignTrace>,
}

/// Reads the traces to all hosts.
pub(super) fn read(input: &mut dyn BufRead, each: &mut Each<'_>) -> Result<Outcome, Error> {
    let bytes = whole(input)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut outcome = Outcome::default();
    let mut reader = quick_xml::Reader::from_str(&text);
    reader.config_mut().check_end_names = true;
    let (mut version, mut host, mut depth) = (None, Host::default(), 0usize);
    let (mut counted, mut line) = (0, 1);
    loop {
        let event = reader.read_event();
        let at = usize::try_from(reader.buffer_position()).unwrap_or(0).min(text.len()).max(counted);
        line += super::stream::lines(&text.as_bytes()[counted..at]);
        counted = at;
        match event {
            Ok(Event::Start(element)) => {
                depth += 1;
                if depth > DEEPEST {
                    note(
                        &mut outcome,
                        Some(line),
                        "elements within each other beyond what nmap writes".to_owned(),
                    );
                    break;
                }
                open(&element, &mut host, &mut version, line);
            }
            Ok(Event::Empty(element)) => open(&element, &mut host, &mut version, line),
            Ok(Event::End(element)) => {
                depth = depth.saturating_sub(1);
                if element.name().as_ref() == "host"
                    && let Some(trace) = done(std::mem::take(&mut host), line)
                {
                    outcome.traces += 1;
                    if each(trace).is_break() {
                        return Ok(outcome);
                    }
                }
            }
            Ok(Event::Eof) => {
                if depth > 0 {
                    note(&mut outcome, Some(line), "the file ends before its report does".to_owned());
                }
                break;
            }
            Ok(_) => {}
            Err(error) => {
                note(&mut outcome, Some(line), clean(&error.to_string()));
                break;
            }
        }
    }
    if outcome.traces == 0 && outcome.findings.is_empty() {
        let what = "it is an nmap report without a traceroute: give nmap --traceroute".to_owned();
        return Err(Error::new(Problem::Refused(what)));
    }
    finish(outcome, FORMAT)
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = element.attributes().flatten().find(|one| one.key.as_ref() == name)?;
    let plain = quick_xml::escape::unescape(&found.value);
    Some(plain.map_or_else(|_| found.value.clone().into_owned(), std::borrow::Cow::into_owned))
}

fn open(element: &BytesStart<'_>, host: &mut Host, version: &mut Option<String>, line: u64) {
    let number = |name: &str| attribute(element, name).and_then(|text| text.parse::<i64>().ok());
    match element.name().as_ref() {
        "nmaprun" => *version = attribute(element, "version").map(|text| clean(&text)),
        "host" => {
            *host = Host {
                began: number("starttime").and_then(seconds),
                ended: number("endtime").and_then(seconds),
                ..Host::default()
            };
        }
        "address" if host.address.is_none() => {
            host.address = attribute(element, "addr").and_then(|text| address(&text));
        }
        "hostname" if host.name.is_none() => {
            host.name = attribute(element, "name").and_then(|name| name_of(&name, host.address));
        }
        "trace" => {
            let protocol = match attribute(element, "proto").as_deref() {
                Some("tcp") => Some(Protocol::Tcp),
                Some("udp") => Some(Protocol::Udp),
                Some("icmp") => Some(Protocol::Icmp),
                _ => None,
            };
            host.trace = Some(ForeignTrace {
                origin: Provenance {
                    format: "nmap",
                    dialect: "xml".to_owned(),
                    version: version.clone(),
                    lines: Some((line, line)),
                },
                protocol,
                port: number("port").and_then(|port| u16::try_from(port).ok()),
                ..ForeignTrace::default()
            });
        }
        "hop" => {
            let Some(trace) = &mut host.trace else { return };
            let ttl = number("ttl").and_then(|ttl| u8::try_from(ttl).ok()).filter(|ttl| *ttl > 0);
            let from = attribute(element, "ipaddr").and_then(|text| address(&text));
            let (Some(ttl), Some(from)) = (ttl, from) else {
                trace.note(Some(line), "a hop without a number or an address is left out");
                return;
            };
            let name = attribute(element, "host").and_then(|name| name_of(&name, Some(from)));
            let rtt_ms = attribute(element, "rtt").and_then(|text| text.parse().ok()).and_then(milliseconds);
            let hop = trace.hop_mut(ttl);
            hop.answered = Some(hop.answered.unwrap_or(0).saturating_add(1));
            if let Some(one) = hop.responder_mut(Some(from), None) {
                one.name = one.name.take().or(name);
                if one.replies.len() < crate::trace::foreign::most::REPLIES {
                    one.replies.push(ForeignReply { rtt_ms, ..ForeignReply::default() });
                }
            }
        }
        _ => {}
    }
}

/// The trace of a host that is complete.
fn done(host: Host, line: u64) -> Option<ForeignTrace> {
    let mut trace = host.trace?;
    trace.origin.lines = trace.origin.lines.map(|(first, _)| (first, line));
    trace.address = host.address;
    trace.target = host.name.or(host.address.map(|address| address.to_string())).unwrap_or_default();
    (trace.started_at, trace.ended_at) = (host.began, host.ended);
    // Hops that did not answer are left out of the file.
    for ttl in 1..trace.hops.last().map_or(1, |hop| hop.ttl) {
        trace.hop_mut(ttl).answered.get_or_insert(0);
    }
    for reply in
        trace.hops.iter_mut().flat_map(|hop| &mut hop.responders).filter(|one| one.address != host.address)
    {
        reply.replies.iter_mut().for_each(|reply| reply.kind = Some(ReplyKind::TimeExceeded));
    }
    Some(trace)
}

#[cfg(test)]
pub(in crate::import::data) mod tests {
    use std::ops::ControlFlow;

    use super::*;

    pub(in crate::import::data) const SAMPLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap" args="nmap &lt;x&gt;" start="1" version="7.93">
<host starttime="1795280812" endtime="1795280816"><status state="up"/>
<address addr="203.0.113.2" addrtype="ipv4"/><hostnames><hostname name="www.example.net" type="user"/></hostnames>
<trace port="443" proto="tcp">
<hop ttl="1" ipaddr="192.0.2.1" rtt="0.51" host="gw&amp;.example.net"/>
<hop ttl="3" ipaddr="198.51.100.1" rtt="--"/>
<hop ttl="4" ipaddr="203.0.113.2" rtt="2.01"/>
</trace></host>
<host><address addr="203.0.113.3" addrtype="ipv4"/></host>
</nmaprun>
"#;

    fn traces(text: &str) -> Result<(Vec<ForeignTrace>, Outcome), Error> {
        let mut traces = Vec::new();
        let outcome = read(&mut text.as_bytes(), &mut |trace| {
            traces.push(trace);
            ControlFlow::Continue(())
        })?;
        Ok((traces, outcome))
    }

    #[test]
    fn a_report_is_read() {
        let (traces, outcome) = traces(SAMPLE).unwrap();
        assert_eq!((outcome.traces, outcome.findings.len(), traces.len()), (1, 0, 1));
        let trace = &traces[0];
        assert_eq!((trace.target.as_str(), trace.address), ("www.example.net", "203.0.113.2".parse().ok()));
        assert_eq!((trace.protocol, trace.port), (Some(Protocol::Tcp), Some(443)));
        assert_eq!((trace.started_at, trace.ended_at), (seconds(1_795_280_812), seconds(1_795_280_816)));
        assert_eq!((trace.origin.version.as_deref(), trace.origin.lines), (Some("7.93"), Some((6, 10))));
        assert_eq!(
            trace.hops.iter().map(|hop| (hop.ttl, hop.sent, hop.answered)).collect::<Vec<_>>(),
            [(1, None, Some(1)), (2, None, Some(0)), (3, None, Some(1)), (4, None, Some(1))]
        );
        assert_eq!(trace.hops[0].responders[0].name.as_deref(), Some("gw&.example.net"));
        assert_eq!(trace.hops[0].responders[0].replies[0].kind, Some(ReplyKind::TimeExceeded));
        assert_eq!(trace.hops[2].responders[0].replies[0].rtt_ms, None);
        assert_eq!(trace.hops[3].responders[0].replies[0].kind, None);
        assert_eq!(trace.arrived(), (true, Some(4)));
    }

    #[test]
    fn a_report_without_traces_or_its_end_is_told() {
        let none = SAMPLE.replace("<trace", "<other").replace("</trace", "</other");
        assert!(matches!(traces(&none), Err(Error { problem: Problem::Refused(_), .. })));
        let (found, outcome) = traces(SAMPLE.split("<host><address").next().unwrap()).unwrap();
        assert_eq!((found.len(), outcome.findings.len()), (1, 1));
    }
}
