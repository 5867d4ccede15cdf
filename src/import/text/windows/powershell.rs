//! PowerShell's `Test-NetConnection -TraceRoute`: a list of addresses without times, after a page of properties.

use super::super::Line;
use crate::import::pieces::{self, Draft, Host};
use crate::trace::foreign::{ForeignReply, ForeignTrace};
use crate::trace::{Protocol, ReplyKind};

pub(super) fn starts(line: &str) -> bool {
    property(line).is_some_and(|(key, _)| key.eq_ignore_ascii_case("ComputerName"))
}

/// `Key    : value`.
fn property(line: &str) -> Option<(&str, &str)> {
    let (key, value) =
        line.split_once(" : ").or_else(|| line.trim_end().strip_suffix(" :").map(|key| (key, "")))?;
    let key = key.trim();
    let plain = |one: char| one.is_ascii_alphanumeric() || matches!(one, ' ' | '(' | ')');
    (!key.is_empty() && key.len() < 40 && key.chars().all(plain)).then_some((key, value.trim()))
}

pub(super) fn read(lines: &[Line<'_>]) -> (ForeignTrace, Vec<u64>) {
    let mut draft = Draft::new("test-netconnection", "", lines);
    draft.trace.protocol = Some(Protocol::Icmp);
    let mut hops = false;
    let mut ttl = 0_u8;
    let (mut port, mut tcp) = (None, None);
    for line in lines {
        let text = line.text.trim();
        if text.is_empty() {
            continue;
        }
        let value = match property(line.text) {
            Some((key, value)) => {
                hops = key.eq_ignore_ascii_case("TraceRoute");
                match key.to_ascii_lowercase().as_str() {
                    "computername" => draft.trace.target = pieces::clean(value),
                    "remoteaddress" => draft.trace.address = pieces::address(value),
                    "sourceaddress" => draft.trace.vantage.source = pieces::address(value),
                    "remoteport" => port = pieces::count(value),
                    "tcptestsucceeded" => tcp = Some((line.number, value.eq_ignore_ascii_case("true"))),
                    "pingsucceeded" if value.eq_ignore_ascii_case("true") => draft.trace.reached = Some(true),
                    _ => {}
                }
                value
            }
            None if hops => text,
            None => {
                draft.miss(line.number);
                continue;
            }
        };
        if !hops {
            continue;
        }
        for word in value.trim_matches(['{', '}']).split([',', ' ']).filter(|word| !word.is_empty()) {
            let Some(address) = pieces::address(word) else {
                draft.miss(line.number);
                continue;
            };
            if ttl == u8::MAX {
                draft.miss(line.number);
                continue;
            }
            ttl += 1;
            let host = Host { address: Some(address), name: None };
            if address.is_unspecified() {
                draft.silent(ttl);
            } else {
                let kind = draft.plain(&host).or(Some(ReplyKind::EchoReply));
                draft.reply(ttl, &host, ForeignReply { kind, ..ForeignReply::default() }, line.number);
            }
        }
    }
    if let Some((line, succeeded)) = tcp {
        let port = port.map_or_else(String::new, |port| format!(" to port {port}"));
        let how = if succeeded { "succeeded" } else { "failed" };
        draft.trace.note(Some(line), format!("a TCP connection{port}, tried apart from this trace, {how}"));
    }
    draft.done()
}
