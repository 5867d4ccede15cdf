//! Output of single tools as a whole, field by field; and the forms of mtr's output, which must agree about one path.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::Path;

use lasthop::import;
use lasthop::trace::foreign::{ForeignHop, ForeignTrace};
use lasthop::trace::{Protocol, ReplyKind};
use serde_json::Value;

/// A real file, kept beside the project and not in it.
fn fixture(name: &str) -> Option<String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures").join(name);
    let text = fs::read_to_string(beside).ok();
    if text.is_none() {
        // Not a tool that could be installed: a checkout alone has none.
        eprintln!("skipped: no fixture {name}");
    }
    text
}

/// The one trace of a text.
fn one(text: &str) -> ForeignTrace {
    let mut traces = Vec::new();
    let outcome = import::read(&mut text.as_bytes(), &mut |trace| {
        traces.push(trace);
        ControlFlow::Continue(())
    });
    let outcome = outcome.unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!((outcome.traces, traces.len()), (1, 1), "{text}");
    traces.remove(0)
}

fn lab(name: &str) -> Option<ForeignTrace> {
    fixture(&format!("lab-tools/{name}.out")).map(|text| one(&text))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// TTL, first address, sent, answered.
type Counted = (u8, Option<IpAddr>, Option<u32>, Option<u32>);

fn counts(trace: &ForeignTrace) -> Vec<Counted> {
    let first = |hop: &ForeignHop| hop.responders.first().and_then(|one| one.address);
    trace.hops.iter().map(|hop| (hop.ttl, first(hop), hop.sent, hop.answered)).collect()
}

const PATH: [Option<&str>; 6] = [
    Some("10.9.0.2"),
    Some("100.64.0.2"),
    Some("192.0.2.2"),
    Some("198.51.100.2"),
    None,
    Some("203.0.113.2"),
];

fn path(sent: u32) -> Vec<Counted> {
    let hop = |(ttl, text): (u8, &Option<&str>)| {
        (ttl, text.map(address), Some(sent), Some(if text.is_some() { sent } else { 0 }))
    };
    (1..).zip(&PATH).map(hop).collect()
}

#[test]
fn the_forms_of_mtr_agree() {
    for (name, dialect, named) in [
        ("mtr_icmp4_json", "json", true),
        ("mtr_icmp4_csv", "csv", true),
        ("mtr_icmp4_xml", "xml", true),
        ("mtr_icmp4_raw", "raw", false),
        ("mtr_icmp4_txt", "report", false),
        ("mtr_wide4", "wide", false),
        ("mtr_udp4_json", "json", true),
        ("mtr_tcp443_json", "json", true),
    ] {
        let Some(trace) = lab(name) else { return };
        assert_eq!((trace.origin.format, trace.origin.dialect.as_str()), ("mtr", dialect), "{name}");
        let mut counted = counts(&trace);
        if name == "mtr_icmp4_raw" {
            // It asked one further than the destination before that answered.
            assert_eq!(counted.pop(), Some((7, Some(address("203.0.113.2")), Some(1), Some(1))));
        }
        assert_eq!(counted, path(5), "{name}");
        assert_eq!(trace.findings, [], "{name}");
        let arrived = (named, named.then_some(6));
        assert_eq!((trace.arrived(), trace.address.is_some()), (arrived, named), "{name}");
        for hop in &trace.hops {
            for one in &hop.responders {
                let single = !one.replies.is_empty();
                assert_eq!((single, one.stats.is_some()), (dialect == "raw", dialect != "raw"), "{name}");
                if let Some(stats) = one.stats {
                    assert_eq!(stats.received, Some(5));
                    assert!(stats.best <= stats.avg && stats.avg <= stats.worst, "{name}: {stats:?}");
                }
            }
        }
    }
}

#[test]
fn mtr_to_nowhere_and_over_ipv6() {
    let Some(trace) = lab("mtr_unreach_json") else { return };
    let last = trace.hops.last().unwrap();
    assert_eq!(
        (last.sent, last.answered, last.responders[0].address),
        (Some(3), Some(1), Some(address("198.51.100.10")))
    );
    assert_eq!(
        (trace.arrived(), trace.vantage.label.as_deref(), trace.size),
        ((false, None), Some("vm"), Some(64))
    );
    let (Some(json), Some(xml)) = (lab("mtr_icmp6_json"), lab("mtr_icmp6_xml")) else { return };
    assert_eq!(counts(&json), counts(&xml));
    assert_eq!((json.address, xml.address), (Some(address("2001:db8:7::2")), Some(address("2001:db8:7::2"))));
    assert_eq!(json.hops[1].responders[0].stats.unwrap().best, Some(0.049));
    assert_eq!(xml.hops[1].responders[0].stats.unwrap().worst, Some(0.2));
}

#[test]
fn mtr_of_others() {
    let Some(text) = fixture("mtr/report_0.json") else { return };
    let trace = one(&text);
    assert_eq!((trace.target.as_str(), trace.address), ("dst.example.com", None));
    let upstream: Value = serde_json::from_str(&text).unwrap();
    let hubs = upstream["report"]["hubs"].as_array().unwrap();
    assert_eq!(trace.hops.len(), hubs.len());
    for (hop, hub) in trace.hops.iter().zip(hubs) {
        assert_eq!(u64::from(hop.ttl), hub["count"].as_u64().unwrap());
        if let Some(one) = hop.responders.first() {
            assert_eq!(one.address.map(|one| one.to_string()).as_deref(), hub["host"].as_str());
            assert_eq!(one.stats.unwrap().avg, hub["Avg"].as_f64());
        }
    }
    let Some(text) = fixture("mtr/report_1.json") else { return };
    assert_eq!(one(&text).hops, [], "a report of no hops is one");
}

#[test]
fn mtr_raw_as_globalping_reads_it() {
    let (Some(text), Some(parsed)) =
        (fixture("globalping/ipv6-mtr-success-raw.txt"), fixture("globalping/ipv6-mtr-success-raw.json"))
    else {
        return;
    };
    let trace = one(&text);
    let parsed: Value = serde_json::from_str(&parsed).unwrap();
    let hops = parsed["result"]["hops"].as_array().unwrap();
    let mut compared = 0;
    for (hop, theirs) in trace.hops.iter().zip(hops) {
        let mine: Vec<f64> =
            hop.responders.iter().flat_map(|one| &one.replies).filter_map(|reply| reply.rtt_ms).collect();
        let rtts: Vec<f64> =
            theirs["timings"].as_array().unwrap().iter().filter_map(|one| one["rtt"].as_f64()).collect();
        // They fold what was asked beyond the destination into its hop.
        if usize::from(hop.ttl) < hops.len() {
            assert_eq!(mine, rtts, "hop {}", hop.ttl);
            compared += 1;
        }
        if let [one] = &hop.responders[..] {
            assert_eq!(one.address.map(|one| one.to_string()).as_deref(), theirs["resolvedAddress"].as_str());
        }
    }
    assert!(compared >= 12, "{compared}");
    assert_eq!(trace.hops[9].responders[0].address, Some(address("2001:4860:0:1::3e56")));
}

#[test]
fn a_table_that_globalping_made() {
    let Some(parsed) = fixture("globalping/ipv6-mtr-success-raw.json") else { return };
    let parsed: Value = serde_json::from_str(&parsed).unwrap();
    let trace = one(parsed["result"]["rawOutput"].as_str().unwrap());
    assert_eq!((trace.hops.len(), trace.findings.len()), (14, 0));
    let hop = &trace.hops[9];
    assert_eq!((hop.sent, hop.answered), (None, Some(1)));
    assert_eq!(hop.responders[0].claims, [123]);
    assert_eq!(trace.hops[1].responders[0].name.as_deref(), Some("10942.your-cloud.host"));
}

#[test]
fn tracepath_as_others_read_it() {
    let (Some(text), Some(parsed)) =
        (fixture("jc/centos-7.7_tracepath.out"), fixture("jc/centos-7.7_tracepath.json"))
    else {
        return;
    };
    let trace = one(&text);
    let parsed: Value = serde_json::from_str(&parsed).unwrap();
    let mut theirs: BTreeMap<u64, Vec<(String, f64)>> = BTreeMap::new();
    for hop in parsed["hops"].as_array().unwrap() {
        let replies = theirs.entry(hop["ttl"].as_u64().unwrap()).or_default();
        if let (Some(host), Some(ms)) = (hop["host"].as_str(), hop["reply_ms"].as_f64()) {
            replies.push((host.to_owned(), ms));
        }
    }
    let mut mine: BTreeMap<u64, Vec<(String, f64)>> = BTreeMap::new();
    for hop in &trace.hops {
        let replies = mine.entry(u64::from(hop.ttl)).or_default();
        for one in &hop.responders {
            let host = one.name.clone().or(one.address.map(|one| one.to_string())).unwrap();
            replies.extend(one.replies.iter().map(|reply| (host.clone(), reply.rtt_ms.unwrap())));
        }
    }
    assert_eq!(mine, theirs);
    assert_eq!(
        (trace.target.as_str(), trace.reached, trace.protocol),
        ("", Some(false), Some(Protocol::Udp))
    );
}

#[test]
fn tracepath_to_an_end() {
    for (name, last) in
        [("tracepath4", "203.0.113.2"), ("tracepath6", "2001:db8:7::2"), ("tracepath_names", "203.0.113.2")]
    {
        let Some(trace) = lab(name) else { return };
        assert_eq!(
            (trace.address, trace.arrived(), trace.findings.len()),
            (Some(address(last)), (true, Some(6)), 0),
            "{name}"
        );
        assert_eq!(
            (trace.hops[0].answered, trace.hops[0].responders.len(), trace.hops.len()),
            (Some(2), 1, 6),
            "{name}"
        );
        assert!(trace.hops.iter().flat_map(|hop| &hop.responders).all(|one| one.name.is_none()), "{name}");
    }
    let Some(six) = lab("tracepath6") else { return };
    assert_eq!(six.hops[4].responders[0].replies[0].kind, Some(ReplyKind::TooBig { mtu: 1400 }));
}

#[test]
fn tcptraceroute_to_an_open_and_a_closed_port() {
    for (name, kind, port, middle) in [
        ("tcptraceroute443", ReplyKind::SynAck, 443, "192.0.2.6"),
        ("tcptraceroute9_closed", ReplyKind::Rst, 9, "192.0.2.2"),
    ] {
        let (Some(header), Some(body)) =
            (fixture(&format!("lab-tools/{name}.err")), fixture(&format!("lab-tools/{name}.out")))
        else {
            return;
        };
        let trace = one(&(header + &body));
        assert_eq!(
            (trace.protocol, trace.port, trace.address),
            (Some(Protocol::Tcp), Some(port), Some(address("203.0.113.2")))
        );
        assert_eq!((trace.vantage.source, trace.findings.len()), (Some(address("10.9.0.1")), 0));
        assert_eq!(
            trace.hops.iter().map(|hop| (hop.sent, hop.answered)).collect::<Vec<_>>()[4..],
            [(Some(2), Some(0)), (Some(2), Some(2))]
        );
        assert_eq!(trace.hops[2].responders[0].address, Some(address(middle)));
        assert_eq!(trace.hops[2].responders[0].replies[0].kind, Some(ReplyKind::TimeExceeded));
        assert!(trace.hops[5].responders[0].replies.iter().all(|reply| reply.kind == Some(kind)));
        assert_eq!(trace.arrived(), (true, Some(6)));
    }
}

#[test]
fn many_traces_in_one_text() {
    let text = "Hello,\n\nTracing route to www.example.net [192.0.2.10]\nover a maximum of 30 hops:\n\n  1    <1 ms    <1 ms    <1 ms  198.51.100.1\n\nTrace complete.\n
HOST: me                          Loss%   Snt   Last   Avg  Best  Wrst StDev\n  1.|-- 198.51.100.1               0.0%     5    0.1   0.2   0.1   0.5   0.2\n
 1?: [LOCALHOST]     pmtu 1500\n 1:  198.51.100.1      0.285ms\n";
    let mut formats = Vec::new();
    let outcome = import::read(&mut text.as_bytes(), &mut |trace| {
        formats.push((trace.origin.format, trace.origin.lines.unwrap().0, trace.hops.len()));
        ControlFlow::Continue(())
    });
    assert_eq!(outcome.unwrap().traces, 3);
    assert_eq!(formats, [("tracert", 3, 1), ("mtr", 10, 1), ("tracepath", 13, 1)]);
}

/// As each of its three exports is saved, frame and tags included.
#[test]
fn winmtr_in_every_export_is_one_table() {
    let text = "|------------------------------------------------------------------------------------------|
|                                      WinMTR statistics                                   |
|                       Host              -   %  | Sent | Recv | Best | Avrg | Wrst | Last |
|------------------------------------------------|------|------|------|------|------|------|
|                             192.168.1.1 -    0 |   10 |   10 |    0 |    1 |    3 |    1 |
|                   No response from host -  100 |   10 |    0 |    0 |    0 |    0 |    0 |
|                       core-1.example.net -   10 |   10 |    9 |    5 |    6 |    8 |    6 |
|                              192.0.2.10 -    0 |   10 |   10 |    9 |   10 |   12 |   10 |
|________________________________________________|______|______|______|______|______|______|
   WinMTR v0.92 GPL V2 by Appnor MSP
";
    let page = "<html><head><title>WinMTR Statistics</title></head><body bgcolor=\"white\">
<center><h2>WinMTR statistics</h2></center>
<p align=\"center\"> <table border=\"1\" align=\"center\">
<tr><td>Host</td> <td>%</td> <td>Sent</td> <td>Recv</td> <td>Best</td> <td>Avrg</td> <td>Wrst</td> <td>Last</td></tr>
<tr><td>192.168.1.1</td> <td>0</td> <td>10</td> <td>10</td> <td>0</td> <td>1</td> <td>3</td> <td>1</td></tr>
<tr><td>No response from host</td> <td>100</td> <td>10</td> <td>0</td> <td>0</td> <td>0</td> <td>0</td> <td>0</td></tr>
<tr><td>core-1.example.net</td> <td>10</td> <td>10</td> <td>9</td> <td>5</td> <td>6</td> <td>8</td> <td>6</td></tr>
<tr><td>192.0.2.10</td> <td>0</td> <td>10</td> <td>10</td> <td>9</td> <td>10</td> <td>12</td> <td>10</td></tr>
</table></p></body></html>
";
    let table = "Host, %, Sent, Recv, Best, Avrg, Wrst, Last
192.168.1.1,0,10,10,0,1,3,1
No response from host,100,10,0,0,0,0,0
core-1.example.net,10,10,9,5,6,8,6
192.0.2.10,0,10,10,9,10,12,10
";
    let exported = one(text);
    assert_eq!(exported.origin.version.as_deref(), Some("0.92"));
    let at = |ttl: u8, from: Option<&str>, answered| (ttl, from.map(address), Some(10), Some(answered));
    assert_eq!(
        counts(&exported),
        [at(1, Some("192.168.1.1"), 10), at(2, None, 0), at(3, None, 9), at(4, Some("192.0.2.10"), 10)]
    );
    assert_eq!(exported.hops[2].responders[0].name.as_deref(), Some("core-1.example.net"));
    for other in [page, table] {
        let other = one(other);
        assert_eq!((other.hops, other.findings), (exported.hops.clone(), vec![]));
    }
}

/// mtr was asked for a name: whoever has that name is the target, with its address where there is one.
#[test]
fn a_target_by_name_is_found_by_its_name() {
    let report = |last: &str| {
        one(&format!(
            r#"{{"report":{{"mtr":{{"src":"pc","dst":"www.example.net","tos":0,"tests":10,"psize":"64","bitpattern":"0x00"}},
"hubs":[{{"count":1,"host":"gw.lan","Loss%":0.0,"Snt":10,"Last":0.5,"Avg":0.6,"Best":0.4,"Wrst":0.9,"StDev":0.1}},
{{"count":2,"host":"{last}","Loss%":0.0,"Snt":10,"Last":0.5,"Avg":0.6,"Best":0.4,"Wrst":0.9,"StDev":0.1}}]}}}}"#
        ))
    };
    assert_eq!(report("www.example.net").arrived(), (true, Some(2)));
    let both = report("www.example.net (192.0.2.10)");
    assert_eq!((both.address, both.arrived()), (Some(address("192.0.2.10")), (true, Some(2))));
    assert_eq!(report("r2.example.net").arrived(), (false, None));
}

/// NX-OS prints a stack below its hop, a label in each pair of brackets.
#[test]
fn labels_of_nxos_stand_below_their_hop() {
    let trace = one("traceroute to 192.0.2.10 (192.0.2.10), 30 hops max, 40 byte packets
 1  198.51.100.1 (198.51.100.1)  1.9 ms  1.7 ms  1.7 ms
      [Label=24010 E=5 TTL=1 S=0]
      [Label=24001 E=0 TTL=2 S=1]
 2  192.0.2.10 (192.0.2.10)  2.5 ms  2.6 ms  2.7 ms
");
    let stack: Vec<_> =
        trace.hops[0].responders[0].mpls.iter().map(|one| (one.label, one.tc, one.bottom, one.ttl)).collect();
    assert_eq!(stack, [(24010, 5, false, 1), (24001, 0, true, 2)]);
    assert_eq!((trace.findings, trace.hops[1].responders[0].mpls.len()), (vec![], 0));
}
