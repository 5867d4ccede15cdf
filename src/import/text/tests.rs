//! Texts as people paste them, and any bytes at all.

use std::ops::ControlFlow;

use proptest::prelude::*;

use crate::import::{Error, Outcome, Problem};
use crate::trace::foreign::{ForeignHop, ForeignTrace};
use crate::trace::{Protocol, ReplyKind};

fn all(bytes: &[u8]) -> (Vec<ForeignTrace>, Result<Outcome, Error>) {
    let mut traces = Vec::new();
    let outcome = super::read(bytes, &mut |trace| {
        traces.push(trace);
        ControlFlow::Continue(())
    });
    (traces, outcome)
}

/// The one trace of a text, of which nothing is doubtful.
fn clean(text: &str) -> ForeignTrace {
    let trace = one(text);
    assert_eq!(trace.findings, [], "{text}");
    trace
}

fn one(text: &str) -> ForeignTrace {
    let (mut traces, outcome) = all(text.as_bytes());
    let outcome = outcome.unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!((traces.len(), outcome.traces), (1, 1), "{text}");
    traces.remove(0)
}

/// A hop in short: `ttl answered/sent`, then of each responder its address, name, AS numbers, labels and replies.
fn short(hop: &ForeignHop) -> String {
    let count = |count: Option<u32>| count.map_or("-".to_owned(), |count| count.to_string());
    let mut text = format!("{} {}/{}", hop.ttl, count(hop.answered), count(hop.sent));
    for one in &hop.responders {
        let address = one.address.map_or("?".to_owned(), |address| address.to_string());
        text.push_str(&format!(" | {address}"));
        if let Some(name) = &one.name {
            text.push_str(&format!(" {name}"));
        }
        if !one.claims.is_empty() {
            text.push_str(&format!(" AS{:?}", one.claims));
        }
        for label in &one.mpls {
            text.push_str(&format!(" L{}{}", label.label, if label.bottom { "." } else { "/" }));
        }
        for reply in &one.replies {
            let rtt = reply.rtt_ms.map_or(String::new(), |rtt| rtt.to_string());
            text.push_str(&format!(" {rtt}{}", reply.mark.as_deref().unwrap_or("")));
        }
    }
    text
}

#[track_caller]
fn check(text: &str, origin: (&str, &str), hops: &[&str]) -> ForeignTrace {
    let trace = clean(text);
    assert_eq!((trace.origin.format, trace.origin.dialect.as_str()), origin);
    assert_eq!(trace.hops.iter().map(short).collect::<Vec<_>>(), hops);
    trace
}

const LINUX: &str = "traceroute to a.example (192.0.2.9), 30 hops max, 60 byte packets
 1  _gateway (198.51.100.1) [AS64500/AS64501]  0.5 ms  0.4 ms  0.6 ms
 2  198.51.100.2 (198.51.100.2) [*] <MPLS:L=16022,E=0,S=0,T=1/L=24,E=0,S=1,T=1> '-3'  1.5 ms b.example (198.51.100.3)  1.6 ms *
 3  * F=1400 * *
 4  198.51.100.4 <syn,ack>  3 ms !X  3.5 ms !H 198.51.100.5  4 ms !F-1280
 5  a.example (192.0.2.9) <syn,ack>  9 ms  9.5 ms  9.25 ms
";

const FREEBSD: &str = "traceroute: Warning: a.example has multiple addresses; using 192.0.2.9
traceroute to a.example (192.0.2.9), 64 hops max, 40 byte packets
 1  [AS0] gw.example (198.51.100.1)  0.5 ms  0.4 ms  0.6 ms (0% loss)
 2  [AS64500] b.example (198.51.100.2)  1.5 ms
    [AS64501] c.example (198.51.100.3)  1.6 ms *
 3  * 198.51.100.4 (198.51.100.4)  3 ms !Z * (66% loss)
 4  a.example (192.0.2.9)  4.5 ms !  4.6 ms !  4.7 ms ! (ecn=passed)
";

const KAME: &str = "traceroute6 to a.example (2001:db8::9) from 2001:db8::1, 64 hops max, 20 byte packets
 1  2001:db8::2  0.5 ms  0.4 ms  0.6 ms
 2  2001:db8::3  1.5 ms !P
    2001:db8::4  1.6 ms !A  1.7 ms
";

const BUSYBOX: &str = "traceroute to a.example (192.0.2.9) from 198.51.100.7, 30 hops max, 46 byte packets
 1  gw.example (198.51.100.1)  0.5 ms  0.4 ms  *
 2  198.51.100.2 (198.51.100.2)  1.5 ms  b.example (198.51.100.3)  1.6 ms !A  1.7 ms !A
";

const INETUTILS: &str = "traceroute to a.example (192.0.2.9), 64 hops max
  1   198.51.100.1  (gw.example)  0.5ms  0.4ms  0.6ms 
  2   198.51.100.2  1.5ms !*  *  198.51.100.3  1.25ms 
";

const CISCO: &str = "Type escape sequence to abort.
Tracing the route to a.example (192.0.2.9)
VRF info: (vrf in name/id, vrf out name/id)
  0 198.51.100.254 0 msec 0 msec 0 msec
  1 198.51.100.1 1 msec 1 msec *
  2 b.example (198.51.100.2) [AS 64500] [MPLS: Labels 16052/24001 Exp 0] 12 msec 11 msec
    c.example (198.51.100.3) [AS 64501] 13 msec
  3  *  *
    198.51.100.4 4 msec
  4 198.51.100.5 !A  *  !A
  5 198.51.100.6 (red/1001, blue/2001) 5 msec U T
";

const CISCO_V6: &str = "RP/0/RP0/CPU0:router#traceroute 2001:db8::9
Mon Sep 30 13:23:56.830 EDT

Type escape sequence to abort.
Tracing the route to 2001:db8::9

 1  2001:db8::1 1 msec  2 msec  1 msec

 2  ::ffff:198.51.100.2 [MPLS: Label 16052 Exp 0] 4 msec  *  5 msec

 3  2001:db8::9 7 msec  7 msec  8 msec
router#
";

const JUNOS: &str = "user@router> traceroute 192.0.2.9 as-number-lookup
traceroute to 192.0.2.9 (192.0.2.9), 30 hops max, 52 byte packets
 1  gw.example (198.51.100.1) [AS  64500]  0.5 ms  0.4 ms  0.6 ms
     MPLS Label=299776 CoS=0 TTL=1 S=0
     MPLS Label=16 CoS=0 TTL=1 S=1
 2  198.51.100.2 (198.51.100.2) [AS64500, 64501]  1.5 ms !X * *
";

const HUAWEI: &str = "<HUAWEI>tracert -v 192.0.2.9
 traceroute to  192.0.2.9(192.0.2.9), max hops: 30 ,packet length: 40,press CTRL_C to break
 1 198.51.100.1 1 ms  1 ms  2 ms
 2 198.51.100.2[MPLS Label=1024/1027 Exp=0/0 S=0/1 TTL=1/1] 60 ms  50 ms  50 ms
 3  *  *  *
 4 ***
";

const COMWARE: &str =
    "traceroute to a.example (192.0.2.9), 30 hops at most, 40 bytes each packet, press CTRL_C to break
 1  198.51.100.1 (198.51.100.1) [AS 64500]  1.5 ms  2.5 ms  *
     MPLS Label=100048 Exp=0 TTL=1 S=1
 2  192.0.2.9 (192.0.2.9)  3.5 ms  3.25 ms  4.5 ms
";

const NXOS: &str = "switch# traceroute 192.0.2.9
traceroute to 192.0.2.9 (192.0.2.9), 30 hops max, 40 byte packets
 1  198.51.100.1 (198.51.100.1)  0.5 ms  0.4 ms  0.6 ms
 2  198.51.100.2 (198.51.100.2)  1.5 ms
    198.51.100.3 (198.51.100.3)  1.6 ms *
";

const HEADLESS: &str = " 1  * * *
 2  gw.example (198.51.100.1)  0.5 ms  0.4 ms  0.6 ms
 3  192.0.2.9 (192.0.2.9)  1.5 ms * 1.75 ms
";

const SAMPLES: [&str; 12] =
    [LINUX, FREEBSD, KAME, BUSYBOX, INETUTILS, CISCO, CISCO_V6, JUNOS, HUAWEI, COMWARE, NXOS, HEADLESS];

#[test]
fn linux_with_all_its_options() {
    let trace = check(
        LINUX,
        ("traceroute", "linux"),
        &[
            "1 3/3 | 198.51.100.1 _gateway AS[64500, 64501] 0.5 0.4 0.6",
            "2 2/3 | 198.51.100.2 L16022/ L24. 1.5 | 198.51.100.3 b.example 1.6",
            "3 0/3",
            "4 3/3 | 198.51.100.4 3!X 3.5!H | 198.51.100.5 4!F-1280",
            "5 3/3 | 192.0.2.9 a.example 9 9.5 9.25",
        ],
    );
    assert_eq!((trace.protocol, trace.size), (Some(Protocol::Tcp), Some(60)));
    let kind = |ttl: usize, who: usize, at: usize| trace.hops[ttl - 1].responders[who].replies[at].kind;
    assert_eq!(kind(1, 0, 0), Some(ReplyKind::TimeExceeded));
    assert_eq!(kind(4, 1, 0), Some(ReplyKind::TooBig { mtu: 1280 }));
    assert_eq!(kind(5, 0, 2), Some(ReplyKind::SynAck));
}

#[test]
fn bsd_in_its_kinds() {
    let hops = [
        "1 3/3 | 198.51.100.1 gw.example 0.5 0.4 0.6",
        "2 2/3 | 198.51.100.2 b.example AS[64500] 1.5 | 198.51.100.3 c.example AS[64501] 1.6",
        "3 1/3 | 198.51.100.4 3!Z",
        "4 3/3 | 192.0.2.9 a.example 4.5! 4.6! 4.7!",
    ];
    let trace = check(FREEBSD, ("traceroute", "bsd"), &hops);
    assert_eq!(
        trace.hops[2].responders[0].replies[0].kind,
        Some(ReplyKind::Unreachable { icmp_type: 3, code: 10 })
    );
    assert_eq!(trace.arrived(), (true, Some(4)));
    let macos = FREEBSD.replace("40 byte", "52 byte");
    check(&macos, ("traceroute", "macos"), &hops);

    let trace = check(
        KAME,
        ("traceroute", "kame"),
        &["1 3/3 | 2001:db8::2 0.5 0.4 0.6", "2 3/3 | 2001:db8::3 1.5!P | 2001:db8::4 1.6!A 1.7"],
    );
    let kinds: Vec<_> = trace.hops[1].responders.iter().map(|one| one.replies[0].kind).collect();
    let one = |code| Some(ReplyKind::Unreachable { icmp_type: 1, code });
    assert_eq!(kinds, [one(1), one(3)]);
    assert_eq!(trace.vantage.source, Some("2001:db8::1".parse().unwrap()));
}

#[test]
fn bsds_send_errors_are_local_and_their_stars_probes() {
    let text = "traceroute to 192.0.2.9 (192.0.2.9), 64 hops max, 40 byte packets
traceroute: sendto: No route to host
 1 traceroute: wrote 192.0.2.9 40 chars, ret=-1
 *traceroute: sendto: No route to host
traceroute: wrote 192.0.2.9 40 chars, ret=-1
 *
";
    let trace = one(text);
    assert_eq!(trace.failure.as_deref(), Some("sendto: No route to host"));
    assert_eq!((trace.hops.len(), trace.hops[0].sent, trace.hops[0].answered), (1, Some(2), Some(0)));
    assert_eq!(trace.findings.iter().map(|one| one.line).collect::<Vec<_>>(), [Some(2)]);
}

#[test]
fn small_unixes() {
    let trace = check(
        BUSYBOX,
        ("traceroute", "busybox"),
        &[
            "1 2/3 | 198.51.100.1 gw.example 0.5 0.4",
            "2 3/3 | 198.51.100.2 1.5 | 198.51.100.3 b.example 1.6!A 1.7!A",
        ],
    );
    assert_eq!(
        trace.hops[1].responders[1].replies[0].kind,
        Some(ReplyKind::Unreachable { icmp_type: 3, code: 13 })
    );
    let trace = check(
        INETUTILS,
        ("traceroute", "inetutils"),
        &["1 3/3 | 198.51.100.1 gw.example 0.5 0.4 0.6", "2 2/3 | 198.51.100.2 1.5!* | 198.51.100.3 1.25"],
    );
    assert_eq!(trace.hops[1].responders[0].replies[0].kind, None);
    check(
        NXOS,
        ("cisco", "nxos"),
        &["1 3/3 | 198.51.100.1 0.5 0.4 0.6", "2 2/3 | 198.51.100.2 1.5 | 198.51.100.3 1.6"],
    );
    let openbsd = "traceroute to 192.0.2.9 (192.0.2.9), 64 hops max, 40 byte packets
 1  gw.example (198.51.100.1) [AS64500]  0.5 ms !C  0.4 ms  0.6 ms
";
    let trace = check(
        openbsd,
        ("traceroute", "openbsd"),
        &["1 3/3 | 198.51.100.1 gw.example AS[64500] 0.5!C 0.4 0.6"],
    );
    assert_eq!(
        trace.hops[0].responders[0].replies[0].kind,
        Some(ReplyKind::Unreachable { icmp_type: 3, code: 10 })
    );
}

#[test]
fn cisco_in_its_kinds() {
    let trace = check(
        CISCO,
        ("cisco", "ios"),
        &[
            "0 3/3 | 198.51.100.254 0 0 0",
            "1 2/3 | 198.51.100.1 1 1",
            "2 3/3 | 198.51.100.2 b.example AS[64500] L16052/ L24001. 12 11 | 198.51.100.3 c.example AS[64501] 13",
            "3 1/3 | 198.51.100.4 4",
            "4 2/3 | 198.51.100.5 !A !A",
            "5 2/3 | 198.51.100.6 5 U",
        ],
    );
    assert_eq!(trace.protocol, Some(Protocol::Udp));
    assert_eq!(
        trace.hops[4].responders[0].replies[0].kind,
        Some(ReplyKind::Unreachable { icmp_type: 3, code: 13 })
    );
    check(
        CISCO_V6,
        ("cisco", "iosxr"),
        &["1 3/3 | 2001:db8::1 1 2 1", "2 2/3 | 198.51.100.2 L16052. 4 5", "3 3/3 | 2001:db8::9 7 7 8"],
    );
}

#[test]
fn other_routers() {
    let trace = check(
        JUNOS,
        ("junos", ""),
        &[
            "1 3/3 | 198.51.100.1 gw.example AS[64500] L299776/ L16. 0.5 0.4 0.6",
            "2 1/3 | 198.51.100.2 AS[64500, 64501] 1.5!X",
        ],
    );
    assert_eq!(trace.protocol, Some(Protocol::Udp));
    check(
        HUAWEI,
        ("huawei", "vrp"),
        &["1 3/3 | 198.51.100.1 1 1 2", "2 3/3 | 198.51.100.2 L1024/ L1027. 60 50 50", "3 0/3", "4 0/3"],
    );
    check(
        COMWARE,
        ("comware", ""),
        &["1 2/3 | 198.51.100.1 AS[64500] L100048. 1.5 2.5", "2 3/3 | 192.0.2.9 3.5 3.25 4.5"],
    );
}

#[test]
fn a_body_without_header_takes_its_target_from_the_command() {
    let hops = ["1 0/3", "2 3/3 | 198.51.100.1 gw.example 0.5 0.4 0.6", "3 2/3 | 192.0.2.9 1.5 1.75"];
    let trace = check(HEADLESS, ("traceroute", ""), &hops);
    assert_eq!((trace.target.as_str(), trace.origin.lines), ("", Some((1, 3))));
    // The last one to answer may be the target.
    assert_eq!(trace.hops[2].responders[0].replies[0].kind, None);
    let trace = check(&format!("$ traceroute -I 192.0.2.9\n{HEADLESS}"), ("traceroute", ""), &hops);
    assert_eq!((trace.target.as_str(), trace.protocol), ("192.0.2.9", Some(Protocol::Icmp)));
    assert_eq!(trace.arrived(), (true, Some(3)));
}

#[test]
fn a_mail_with_several_traces_yields_them_all() {
    let quoted: String = FREEBSD.lines().map(|line| format!("> {line}\n")).collect();
    let text = format!(
        "Dear all,\n\nbelow are 3 traces.\n\n{LINUX}\nand from the router:\n\n{CISCO}\nregards\n\nOn Monday N. wrote:\n{quoted}\n-- \n5 minutes ago\n"
    );
    let (traces, outcome) = all(text.as_bytes());
    assert_eq!(outcome.unwrap().findings, []);
    let formats: Vec<_> = traces.iter().map(|one| (one.origin.format, one.origin.dialect.as_str())).collect();
    assert_eq!(formats, [("traceroute", "linux"), ("cisco", "ios"), ("traceroute", "bsd")]);
    let lines: Vec<&str> = text.lines().collect();
    for trace in &traces {
        assert_eq!(trace.findings, [], "{:?}", trace.origin);
        let (first, last) = trace.origin.lines.unwrap();
        let (first, last) = (lines[first as usize - 1], lines[last as usize - 1]);
        assert!(first.contains("a.example"), "{first}");
        assert!(last.contains(" ms") || last.contains(" msec"), "{last}");
    }
    assert_eq!(super::traces(&text).len(), 3);
}

#[test]
fn what_stands_below_a_trace_is_no_part_of_it() {
    for below in [
        "\n* * *\n",
        "\n42\n",
        "\n5 hosts are lost\n",
        "ping 5 ms\n",
        "\ntraceroute: what it shows is clear\n",
        "router#\n",
    ] {
        let trace = clean(&format!("{LINUX}{below}"));
        assert_eq!(trace.hops, clean(LINUX).hops, "{below}");
        assert_eq!(trace.origin.lines, Some((1, 6)), "{below}");
    }
}

#[test]
fn two_bodies_without_headers_are_two_traces() {
    let text = format!("{HEADLESS}\nand again:\n{HEADLESS}");
    let (traces, outcome) = all(text.as_bytes());
    assert_eq!(outcome.unwrap().findings, []);
    assert_eq!(traces.iter().map(|one| one.origin.lines.unwrap()).collect::<Vec<_>>(), [(1, 3), (6, 8)]);
}

#[test]
fn lines_within_that_are_not_understood_are_findings_and_too_many_a_failure() {
    let noisy = LINUX.replace(" 3  * F=1400 * *\n", "what is this\n 3  * * *\n");
    let trace = one(&noisy);
    assert_eq!(trace.hops.len(), 5);
    assert_eq!(trace.findings.len(), 1);
    assert_eq!(trace.findings[0].line, Some(4));
    assert!(trace.findings[0].text.contains("what is this"));

    let garbled = "hello\ntraceroute to a.example (192.0.2.9), 30 hops max, 60 byte packets
 1  198.51.100.1  0.5 ms  0.4 ms  0.6 ms
 2  %% no idea %%
 3  %% no idea %%
";
    let (traces, outcome) = all(garbled.as_bytes());
    assert!(traces.is_empty());
    let error = outcome.unwrap_err();
    assert_eq!(error.line, Some(2));
    let Problem::TooDoubtful { dialect, lines, of, first } = error.problem else { panic!("{error}") };
    assert_eq!((dialect.as_str(), lines, of, first), ("a traceroute", 2, 4, 4));

    let (_, outcome) = all(b"nothing of the kind\n");
    assert!(matches!(outcome.unwrap_err().problem, Problem::Unknown));
    let (_, outcome) = all(b"traceroute to 192.0.2.9 (192.0.2.9), 30 hops max, 60 byte packets\n");
    assert!(matches!(outcome.unwrap_err().problem, Problem::Empty(_)));
}

#[test]
fn a_failed_trace_beside_a_good_one_is_a_finding() {
    let text =
        format!("Tracing MPLS Label Switched Path to 192.0.2.0/24, timeout is 2 seconds\nL 1 x\n\n{LINUX}");
    let (traces, outcome) = all(text.as_bytes());
    assert_eq!(traces.len(), 1);
    let findings = outcome.unwrap().findings;
    assert_eq!((findings.len(), findings[0].line), (1, Some(1)));
    assert!(findings[0].text.contains("label switched path"));
}

#[test]
fn hops_out_of_order_are_sorted_and_said() {
    let text =
        " 1  198.51.100.1  0.5 ms\n 3  198.51.100.3  3 ms\n 2  198.51.100.2  2 ms\n 3  198.51.100.4  4 ms\n";
    let trace = one(text);
    assert_eq!(
        trace.hops.iter().map(short).collect::<Vec<_>>(),
        ["1 1/1 | 198.51.100.1 0.5", "2 1/1 | 198.51.100.2 2", "3 2/2 | 198.51.100.3 3 | 198.51.100.4 4"]
    );
    assert_eq!(trace.findings.iter().map(|one| one.line).collect::<Vec<_>>(), [Some(3), Some(4)]);
}

#[test]
fn lines_that_a_mail_program_broke_are_put_together() {
    let text = "traceroute to a.example (192.0.2.9), 30 hops max, 60\nbyte packets
 1  a-very-long-name.example
(198.51.100.1)  0.5 ms
0.4 ms  *
 2  198.51.100.2  1.5 ms  1.25 ms
*
";
    check(
        text,
        ("traceroute", "linux"),
        &["1 2/3 | 198.51.100.1 a-very-long-name.example 0.5 0.4", "2 2/3 | 198.51.100.2 1.5 1.25"],
    );
}

#[test]
fn a_looking_glass_page_is_read_like_a_console() {
    let page = format!(
        "<!DOCTYPE html>\n<html><head><title>LG</title><style>p {{ x: y }}</style></head><body>\n<p>Router: r1</p><pre>\n{}</pre>\n</body></html>",
        CISCO.replace(' ', "&nbsp;")
    );
    let (traces, outcome) = all(page.as_bytes());
    assert_eq!(outcome.unwrap().findings, []);
    assert_eq!(traces[0].hops, clean(CISCO).hops);
    assert_eq!(traces[0].origin.lines, Some((5, 14)));
}

#[test]
fn more_than_is_kept_is_said() {
    let times = "1 ms ".repeat(700);
    let line = format!(" 1  198.51.100.1  {times}\n");
    let again = format!(" 1  198.51.100.1  {times}\n");
    let trace = one(&format!("{line}{again}"));
    assert_eq!(trace.hops[0].responders[0].replies.len(), 1024);
    assert_eq!(trace.hops[0].sent, Some(1400));
    assert!(trace.findings.iter().any(|one| one.text.contains("1024")));
}

#[test]
fn every_sample_cut_anywhere_is_read_without_panic() {
    for sample in SAMPLES {
        for end in 0..=sample.len() {
            let _ = all(&sample.as_bytes()[..end]);
            let _ = all(&sample.as_bytes()[end..]);
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = all(&bytes);
    }

    #[test]
    fn no_text_of_the_trades_own_signs_panics(text in "([ 0-9]{0,3}|traceroute to |Tracing the route to |\\*|1 ms|msec|192\\.0\\.2\\.1|2001:db8::1|\\[AS|\\]|\\(|\\)|<|>|!X|MPLS|Label=1|<br>|&lt;|\n|\u{1b}\\[|é){0,120}") {
        let _ = all(text.as_bytes());
    }

    #[test]
    fn samples_with_flipped_bytes_do_not_panic(at in 0..SAMPLES.len(), flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut bytes = SAMPLES[at].as_bytes().to_vec();
        for (index, byte) in flips {
            let place = index.index(bytes.len());
            bytes[place] = byte;
        }
        let (traces, _) = all(&bytes);
        for trace in traces {
            prop_assert!(trace.hops.windows(2).all(|pair| pair[0].ttl < pair[1].ttl));
            prop_assert!(trace.hops.iter().all(|hop| hop.answered <= hop.sent));
        }
    }
}
