use super::super::text::tests_misc::{lines, plain};
use super::*;

pub(in crate::import) const REPORT: &str = "Start: 2025-01-01T10:00:00+0300
HOST: me.example.net              Loss%   Snt   Last   Avg  Best  Wrst StDev
  1.|-- 198.51.100.1               0.0%    10    0.1   0.2   0.1   0.5   0.2
        [MPLS: Lbl 16022 TC 0 S 0 TTL 1]
        [MPLS: Lbl 24 TC 0 S 1 TTL 1]
  2.|-- ???                       100.0    10    0.0   0.0   0.0   0.0   0.0
  3.|-- 2001:db8:aaaa:bbbb:1234:5 20.0%    10    9.1   9.2   9.0   9.9   0.2
    |  `|-- 203.0.113.5
    |   |-- 203.0.113.9
  4.|-- gw.example (192.0.2.1)    10.0%    10    9.1   9.2   9.0   9.9   0.2
";

pub(in crate::import) const WIDE: &str = "Start: 2025-01-01T10:00:00+0300
HOST: me                       Drop   Rcv   Snt  Best   Avg  Wrst Javg
  1. AS64500  gw.example.net (198.51.100.1)    1     9    10   0.1   0.2   0.5  0.1
  2. AS???    203.0.113.1                      0    10    10   0.1   0.2   0.5  0.1
     AS64501  203.0.113.5
  3. AS???    (no route to host)              10     0    10   0.0   0.0   0.0  0.0
";

pub(in crate::import) const JSON: &str = r#"{"report":{"mtr":{"src":"me","dst":"www.example.net","tos":"0x0","psize":"64","bitpattern":"0x00","tests":"10"},
"hubs":[{"count":"1","host":"gw.example.net (198.51.100.1)","ASN":"AS64500","Loss%":" 10.0","Snt":"10","Last":"0.1","Avg":"0.2","Best":"0.1","Wrst":"0.5","StDev":"0.1"},
{"count":2,"host":"???","Loss%":100.0,"Snt":10,"Last":0.0,"Avg":0.0,"Best":0.0,"Wrst":0.0,"StDev":0.0},
{"count":"x","host":["?"],"Loss%":null}]}}"#;

pub(in crate::import) const CSV: &str =
    "Mtr_Version,Start_Time,Status,Host,Hop,Ip,Asn,Loss%,Snt, ,Last,Avg,Best,Wrst,StDev,
MTR.0.95,1735689600,OK,www.example.net,1,198.51.100.1,AS64500,10.00,10,1,0.10,0.20,0.10,0.50,0.10
MTR.0.95,1735689600,OK,www.example.net,2,???,AS???,100.00,10,10,0.00,0.00,0.00,0.00,0.00
MTR.0.95,1735689600,OK,www.example.net,3,203.0.113.1,AS???,0.00,10,,1.00,1.00,1.00,1.00,0.00
MTR.0.95,1735689600,OK,www.example.net,3,203.0.113.5,AS64501,0.00,10,,1.00,1.00,1.00,1.00,0.00
MTR.0.95,1735689660,OK,192.0.2.10,1,198.51.100.1,AS64500,0.00,10,0,0.10,0.20,0.10,0.50,0.10
";

pub(in crate::import) const OLD_CSV: &str =
    "MTR.0.86;1389712350;OK;www.example.net;1;198.51.100.1, 10.00, 10, 1, 0.10, 0.20, 0.10, 0.50, 0.10
MTR.0.86;1389712350;OK;www.example.net;2;203.0.113.1, 0.00, 10, 0.10, 0.20, 0.10, 0.50, 0.10
";

pub(in crate::import) const XML: &str = r#"<?xml version="1.0"?>
<MTR SRC="me" DST="www.example.net" TOS="0x0" PSIZE="-64" BITPATTERN="0x00" TESTS="10">
    <HUB COUNT="1" HOST="gw.example.net" ADDR="198.51.100.1" HOSTNAME="gw.example.net">
        <Loss> 10.0%</Loss>
        <Snt>    10</Snt>
        <Avg>   0.2</Avg>
        <Best>   0.1</Best>
        <Wrst>   0.5</Wrst>
    </HUB>
    <HUB COUNT="2" HOST="a&b.example.net">
        <Loss>  0.0%</Loss>
        <Snt>    10</Snt>
    </HUB>
</MTR>
"#;

pub(in crate::import) const RAW: &str = "x 0 33000
h 0 198.51.100.1
d 0 gw.example.net
p 0 305 33000
x 1 33001
x 2 33002
h 2 203.0.113.1
m 2 16022 5 1 1
p 2 1500 33002
x 2 33003
h 2 203.0.113.5
p 2 1600 33003
x 2 33004
p 2 1700 33004
p 2 1800 33004
x 3 33005
h 3 192.0.2.10
p 3 2000 33005
";

pub(in crate::import) const WINMTR: &str =
    "|------------------------------------------------------------------------------------------|
|                                      WinMTR statistics                                   |
|                       Host              -   %  | Sent | Recv | Best | Avrg | Wrst | Last |
|------------------------------------------------|------|------|------|------|------|------|
|                          gw-1.example.net -   10 |   10 |    9 |    0 |    1 |    2 |    1 |
|                   No response from host -  100 |   10 |    0 |    0 |    0 |    0 |    0 |
|                              192.0.2.10 -    0 |   10 |   10 |   20 |   21 |   22 |   21 |
|________________________________________________|______|______|______|______|______|______|
   WinMTR v0.92 GPL V2 by Example
";

fn all(read: fn(&mut dyn BufRead, &mut Each<'_>) -> Result<Outcome, Error>, text: &str) -> Vec<ForeignTrace> {
    let mut traces = Vec::new();
    let outcome = read(&mut text.as_bytes(), &mut |trace| {
        traces.push(trace);
        ControlFlow::Continue(())
    });
    assert_eq!(outcome.map(|outcome| outcome.traces).unwrap_or_default(), traces.len() as u64);
    traces
}

#[test]
fn a_report() {
    let (trace, missed) = report::read(&lines(REPORT));
    assert!(missed.is_empty(), "{missed:?}");
    assert_eq!(
        plain(&trace),
        [
            "1 10/10 198.51.100.1 L16022 L24 {10 0.1 0.2 0.5}",
            "2 10/0",
            "3 10/8 203.0.113.5 203.0.113.9",
            "4 10/9 gw.example 192.0.2.1 {9 9 9.2 9.9}",
        ]
    );
    assert_eq!(trace.origin.dialect, "report");
    assert_eq!(trace.started_at, Some(1_735_714_800_000_000_000));
    let said: Vec<_> =
        trace.findings.iter().map(|finding| (finding.line, finding.text.contains("cut"))).collect();
    assert_eq!(said, [(Some(7), true), (Some(8), false)]);
    assert_eq!((trace.target.as_str(), trace.address, trace.protocol), ("", None, None));
}

#[test]
fn a_wide_report_with_chosen_columns() {
    let (trace, missed) = report::read(&lines(WIDE));
    assert!(missed.is_empty(), "{missed:?}");
    assert_eq!(
        plain(&trace),
        [
            "1 10/9 gw.example.net 198.51.100.1 AS64500 {9 0.1 0.2 0.5}",
            "2 10/10 203.0.113.1 {10 0.1 0.2 0.5} 203.0.113.5 AS64501",
            "3 10/0",
        ]
    );
    assert_eq!((trace.origin.dialect.as_str(), trace.failure.as_deref()), ("wide", Some("no route to host")));
}

#[test]
fn the_screen() {
    let text = "                             My traceroute  [v0.95]
me (10.0.0.7) -> www.example.net (192.0.2.10)              2025-01-01T10:00:00+0300
Keys:  Help   Display mode   Restart statistics   Order of fields   quit
                                       Packets               Pings
 Host                                Loss%   Snt   Last   Avg  Best  Wrst StDev
 1. 198.51.100.1                      0.0%    10    0.1   0.2   0.1   0.5   0.2
 2. (waiting for reply)
 3. www.example.net                  10.0%    10    0.1   0.2   0.1   0.5   0.2
";
    let (trace, missed) = report::read(&lines(text));
    assert!(missed.is_empty(), "{missed:?}");
    assert_eq!(
        (trace.target.as_str(), trace.address, trace.vantage.source),
        ("www.example.net", "192.0.2.10".parse().ok(), "10.0.0.7".parse().ok())
    );
    assert_eq!(
        plain(&trace),
        ["1 10/10 198.51.100.1 {10 0.1 0.2 0.5}", "2 ?/0", "3 10/9 www.example.net {9 0.1 0.2 0.5}"]
    );
    assert_eq!((trace.failure, trace.origin.version.as_deref()), (None, Some("0.95")));
}

#[test]
fn strange_lines_of_a_report_are_named() {
    let (_, missed) = report::read(&lines(
        "HOST: me  Loss%   Snt   Last   Avg  Best  Wrst StDev\n  1.|-- 198.51.100.1 0.0% 10\nHello there\n  300.|-- ??? 100.0 1 0 0 0 0 0\n",
    ));
    assert_eq!(missed, [2, 3, 4]);
    assert!(!report::starts("HOST: what is this") && !report::starts("Start: soon"));
}

#[test]
fn json_of_two_ages() {
    let traces = all(json::read, &JSON.repeat(2));
    assert!(json::recognises(JSON.as_bytes()) && traces.len() == 2);
    let trace = &traces[0];
    assert_eq!(plain(trace), ["1 10/9 gw.example.net 198.51.100.1 AS64500 {9 0.1 0.2 0.5}", "2 10/0"]);
    assert_eq!((trace.target.as_str(), trace.size, trace.findings.len()), ("www.example.net", Some(64), 1));
    assert_eq!(trace.vantage.label.as_deref(), Some("me"));
    for cut in [r#"{"report":{"mtr":{"#, r#"{"report":{"mtr":{},"hubs":5}}"#] {
        let error = json::read(&mut cut.as_bytes(), &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(matches!(error.problem, Problem::Broken { .. }), "{error}");
    }
}

#[test]
fn csv_of_two_ages() {
    let traces = all(csv::read, CSV);
    assert!(
        csv::recognises(CSV.as_bytes())
            && csv::recognises(OLD_CSV.as_bytes())
            && !csv::recognises(b"MTR. is a program")
    );
    assert_eq!(traces.len(), 2, "one for each destination and time");
    assert_eq!(
        plain(&traces[0]),
        [
            "1 10/9 198.51.100.1 AS64500 {9 0.1 0.2 0.5}",
            "2 10/0",
            "3 10/10 203.0.113.1 {10 1 1 1} 203.0.113.5 AS64501",
        ]
    );
    assert_eq!((traces[0].ended_at, traces[0].started_at), (Some(1_735_689_600_000_000_000), None));
    assert_eq!(traces[0].origin.version.as_deref(), Some("0.95"));
    assert_eq!((traces[1].address, traces[1].origin.lines), ("192.0.2.10".parse().ok(), Some((6, 6))));
    let old = all(csv::read, OLD_CSV);
    assert_eq!(
        plain(&old[0]),
        ["1 10/9 198.51.100.1 {9 0.1 0.2 0.5}", "2 10/10 203.0.113.1 {10 0.1 0.2 0.5}"]
    );
}

#[test]
fn xml_of_new_builds_and_of_builds_that_escape_nothing() {
    let traces = all(xml::read, &XML.repeat(2));
    assert!(xml::recognises(XML.as_bytes()) && traces.len() == 2);
    assert_eq!(
        plain(&traces[0]),
        ["1 10/9 gw.example.net 198.51.100.1 {9 0.1 0.2 0.5}", "2 10/10 a&b.example.net {10 - - -}"]
    );
    assert_eq!((traces[0].target.as_str(), traces[0].size), ("www.example.net", None));
    let cut = &XML[..300];
    assert!(matches!(
        xml::read(&mut cut.as_bytes(), &mut |_| ControlFlow::Continue(())).unwrap_err().problem,
        Problem::Broken { .. }
    ));
}

#[test]
fn raw_events() {
    let traces = all(raw::read, RAW);
    assert!(raw::recognises(RAW.as_bytes()) && !raw::recognises(b"x marks the spot\nh 1 2\n"));
    assert_eq!(
        plain(&traces[0]),
        [
            "1 1/1 gw.example.net 198.51.100.1 0.305",
            "2 1/0",
            "3 3/3 203.0.113.1 L16022 1.5 203.0.113.5 1.6 1.7 1.8",
            "4 1/1 192.0.2.10 2",
        ]
    );
    let hop = &traces[0].hops[2];
    assert_eq!(hop.responders.iter().map(|one| one.replies.len()).collect::<Vec<_>>(), [1, 1, 2]);
    assert_eq!(hop.responders[2].address, None, "nobody knows whose the later ones are");
    assert_eq!(traces[0].findings.len(), 2);
    // Two measurements in one file, and an old build without numbers.
    assert_eq!(all(raw::read, &RAW.repeat(2)).len(), 2);
    let old = all(raw::read, "h 0 198.51.100.1\np 0 305\np 0 300\n");
    assert_eq!(plain(&old[0]), ["1 ?/2 198.51.100.1 0.305 0.3"]);
}

#[test]
fn winmtr_exports() {
    let lines = lines(WINMTR);
    assert!(winmtr::starts(lines[1].text) && winmtr::joins(&lines[1..2], lines[2].text));
    let (trace, missed) = winmtr::read(&lines[1..]);
    assert!(missed.is_empty(), "{missed:?}");
    assert_eq!(
        plain(&trace),
        ["1 10/9 gw-1.example.net {9 0 1 2}", "2 10/0", "3 10/10 192.0.2.10 {10 20 21 22}"]
    );
    assert_eq!(trace.origin.version.as_deref(), Some("0.92"));
}
