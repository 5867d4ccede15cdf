use super::super::tests_misc::{lines, plain};
use super::*;

pub(in crate::import) const ENGLISH: &str = "
Tracing route to www.example.net [192.0.2.10]
over a maximum of 30 hops:

  1    <1 ms     1 ms    <1 ms  gw.example.net [198.51.100.1]
  2     *        *        *     Request timed out.
  3    12 ms    11 ms     *     203.0.113.9
  4     *     203.0.113.9  reports: Destination net unreachable.
  5    20 ms    21 ms    22 ms  www.example.net [192.0.2.10]

Trace complete.
";

pub(in crate::import) const PATHPING: &str = "
Tracing route to www.example.net [192.0.2.10]
over a maximum of 30 hops:
  0  me.example.net [10.0.0.7]
  1  gw.example.net [198.51.100.1]
  2  203.0.113.9
  3  www.example.net [192.0.2.10]

Computing statistics for 75 seconds...
            Source to Here   This Node/Link
Hop  RTT    Lost/Sent = Pct  Lost/Sent = Pct  Address
  0                                           me.example.net [10.0.0.7]
                                0/ 100 =  0%   |
  1   41ms     0/ 100 =  0%     0/ 100 =  0%  gw.example.net [198.51.100.1]
                               13/ 100 = 13%   |
  2  ---     100/ 100 =100%    87/ 100 = 87%  203.0.113.9
                                0/ 100 =  0%   |
  3   22ms    13/ 100 = 13%     0/ 100 =  0%  www.example.net [192.0.2.10]

Trace complete.
";

pub(in crate::import) const POWERSHELL: &str = "
ComputerName           : www.example.net
RemoteAddress          : 192.0.2.10
RemotePort             : 443
InterfaceAlias         : Ethernet
SourceAddress          : 10.0.0.7
PingSucceeded          : True
PingReplyDetails (RTT) : 12 ms
TraceRoute             : 198.51.100.1
                         0.0.0.0
                         192.0.2.10
TcpTestSucceeded       : False
";

fn block(text: &str) -> Vec<Line<'_>> {
    let lines = lines(text);
    let first = lines.iter().position(|line| starts(line.text)).expect("it begins somewhere");
    lines[first..].to_vec()
}

#[test]
fn english() {
    let lines = block(ENGLISH);
    assert_eq!(lines[0].number, 2);
    let (trace, missed) = read(&lines);
    assert!(missed.is_empty(), "{missed:?}");
    assert_eq!((trace.origin.format, trace.origin.dialect.as_str()), ("tracert", "en"));
    assert_eq!(
        plain(&trace),
        [
            "1 3/3 gw.example.net 198.51.100.1 0.5 TimeExceeded 1 TimeExceeded 0.5 TimeExceeded",
            "2 3/0",
            "3 3/2 203.0.113.9 12 TimeExceeded 11 TimeExceeded",
            "4 2/1 203.0.113.9 - Unreachable { icmp_type: 3, code: 0 } Destination net unreachable.",
            "5 3/3 www.example.net 192.0.2.10 20 EchoReply 21 EchoReply 22 EchoReply",
        ]
    );
    assert_eq!(trace.findings.len(), 1, "once, not at each time: {:?}", trace.findings);
    assert_eq!((trace.target.as_str(), trace.arrived()), ("www.example.net", (true, Some(5))));
    // The hops go on with the block; another trace's do not.
    for at in 3..lines.len() {
        assert!(!starts(lines[at].text) || joins(&lines[..at], lines[at].text), "{}", lines[at].text);
    }
    assert!(!joins(&lines, "  1     1 ms     1 ms     1 ms  198.51.100.1"));
}

#[test]
fn languages() {
    let hops = "\n  1    <1 мс    <1 мс     1 ms  192.0.2.1\n  2     *        *        *     ???\n  3  192.0.2.1  %: %\n";
    let cases = [
        (
            "Трассировка маршрута к www.example.net [192.0.2.10]\nс максимальным числом прыжков 30:",
            "ru",
            "сообщает",
            "Заданный узел недоступен.",
            Some(1),
        ),
        (
            "Трасування маршруту до www.example.net [192.0.2.10]\nз максимальною кількістю стрибків 30:",
            "uk",
            "повідомляє",
            "Мережа недоступна.",
            Some(0),
        ),
        (
            "Routenverfolgung zu www.example.net [192.0.2.10]\nüber maximal 30 Hops:",
            "de",
            "meldet",
            "Zielhost nicht erreichbar.",
            Some(1),
        ),
        (
            "Détermination de l’itinéraire vers www.example.net [192.0.2.10]\navec un maximum de 30 sauts :",
            "fr",
            "rapports",
            "Impossible de joindre l'hôte de destination.",
            Some(1),
        ),
        (
            "Traza a la dirección www.example.net [192.0.2.10]\nsobre un máximo de 30 saltos:",
            "es",
            "informes",
            "Red de destino inaccesible.",
            Some(0),
        ),
        (
            "Az útvonal követése a következőhöz: www.example.net [192.0.2.10]\nlegfeljebb 30 ugrással:",
            "",
            "jelenti",
            "A célállomás nem érhető el.",
            None,
        ),
    ];
    for (header, language, says, message, code) in cases {
        let body = hops.replacen('%', says, 1).replacen('%', message, 1);
        let text = format!("{header}\n{body}");
        let (trace, missed) = read(&block(&text));
        assert_eq!((missed.as_slice(), trace.origin.dialect.as_str()), (&[][..], language), "{header}");
        assert_eq!(
            (trace.target.as_str(), trace.address),
            ("www.example.net", "192.0.2.10".parse().ok()),
            "{header}"
        );
        assert_eq!(
            plain(&trace)[..2],
            ["1 3/3 192.0.2.1 0.5 TimeExceeded 0.5 TimeExceeded 1 TimeExceeded", "2 3/0"]
        );
        let reply = &trace.hops[2].responders[0].replies[0];
        assert_eq!(reply.mark.as_deref(), Some(message));
        assert_eq!(reply.kind, code.map(|code| pieces::unreachable(false, code)), "{header}");
    }
}

#[test]
fn a_destination_given_by_address_makes_one_line() {
    for header in [
        "Tracing route to 2001:db8::10 over a maximum of 30 hops",
        "Трассировка маршрута к 2001:db8::10 с максимальным числом прыжков 30",
    ] {
        let text = format!(
            "{header}\n\n  1     1 ms     1 ms     1 ms  2001:db8::1\n  2  2001:db8::1  reports: Destination host unreachable.\n"
        );
        let (trace, missed) = read(&block(&text));
        assert_eq!((missed, trace.address), (vec![], "2001:db8::10".parse().ok()));
        assert_eq!(
            plain(&trace)[1],
            "2 1/1 2001:db8::1 - Unreachable { icmp_type: 1, code: 3 } Destination host unreachable."
        );
    }
}

#[test]
fn hops_without_a_header() {
    let (trace, missed) = read(&block(
        "Hallo!\n  1     1 ms     1 ms     1 ms  198.51.100.1\n  2     2 ms     *        2 ms  gw.example.net [198.51.100.5]\n",
    ));
    assert_eq!((missed.len(), trace.target.as_str(), trace.hops.len()), (0, "", 2));
    assert!(!starts(" 1  198.51.100.1  0.5 ms  0.5 ms  0.5 ms") && !starts("  3  198.51.100.1 [192.0.2.1]"));
    assert!(!starts("Received: from mail.example.net (mail.example.net [192.0.2.1])"));
}

#[test]
fn what_fails_at_home() {
    let (trace, missed) = read(&block("Unable to resolve target system name www.example.net.\n"));
    assert_eq!((missed.len(), trace.target.as_str()), (0, "www.example.net"));
    assert!(trace.failure.is_some());
    let (trace, missed) = read(&block(
        "Tracing route to 192.0.2.10 over a maximum of 30 hops\n\n  1  General failure.\n\nTrace complete.\n",
    ));
    assert_eq!((missed.as_slice(), trace.failure.as_deref()), (&[][..], Some("General failure.")));
}

#[test]
fn pathping() {
    let (trace, missed) = read(&block(PATHPING));
    assert!(missed.is_empty(), "{missed:?}");
    assert_eq!(trace.origin.format, "pathping");
    assert_eq!(
        plain(&trace),
        [
            "1 100/100 gw.example.net 198.51.100.1 {100 - 41 -}",
            "2 100/0 203.0.113.9 {0 - - -}",
            "3 100/87 www.example.net 192.0.2.10 {87 - 22 -}",
        ]
    );
    assert_eq!(
        (trace.vantage.label.as_deref(), trace.vantage.source),
        (Some("me.example.net"), "10.0.0.7".parse().ok())
    );
    assert_eq!(trace.arrived(), (true, Some(3)));
    let silent = PATHPING.split("  3  www").next().unwrap().to_owned() + "  3     *        *        *     \n";
    let (trace, missed) = read(&block(&silent));
    assert_eq!(
        (missed.as_slice(), plain(&trace)),
        (
            &[][..],
            vec![
                "1 ?/? gw.example.net 198.51.100.1".to_owned(),
                "2 ?/? 203.0.113.9".to_owned(),
                "3 3/0".to_owned()
            ]
        )
    );
    assert_eq!(trace.arrived(), (false, None));
}

#[test]
fn powershell() {
    let (trace, missed) = read(&block(POWERSHELL));
    assert!(missed.is_empty(), "{missed:?}");
    assert_eq!(plain(&trace), ["1 ?/1 198.51.100.1 - TimeExceeded", "2 ?/0", "3 ?/1 192.0.2.10 - EchoReply"]);
    assert_eq!((trace.arrived(), trace.findings.len()), ((true, Some(3)), 1));
}
