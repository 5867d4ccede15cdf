//! Small worlds in documents.

use serde_json::{Value, json};

use super::*;

/// One hop: `203.0.113.1=8359` is an address with its AS, `=8359` hides the address, `10.0.0.1=-` is nobody's, `*` is silence of
/// three probes.
fn hop(ttl: usize, text: &str) -> Value {
    let responder = text.split_once('=').map(|(address, asn)| {
        let asns: Vec<u32> = asn.parse().into_iter().collect();
        assert!(asn == "-" || asns.len() == 1, "{text}");
        let address = Some(address).filter(|address| !address.is_empty());
        let (known, claims) = if address.is_some() { (asns, vec![]) } else { (vec![], asns) };
        json!({
            "address": address, "asn": known.first(), "asns": known,
            "as_name": null, "kind": if known.is_empty() { "unannounced" } else { "as" }, "rtt_ms": null,
            "replies": {"time_exceeded": 3, "syn_ack": 0, "rst": 0, "echo_reply": 0, "unreachable": []},
            "mpls": [], "reply_ttl": [], "claims": claims,
        })
    });
    let answered = if responder.is_some() { 3 } else { 0 };
    json!({"ttl": ttl, "sent": 3, "answered": answered, "responders": responder.into_iter().collect::<Vec<_>>()})
}

fn path(host: &str, asn: Option<u32>, hops: &str, reached: bool) -> Value {
    let hops: Vec<Value> = hops.split_whitespace().enumerate().map(|(at, text)| hop(at + 1, text)).collect();
    json!({
        "host": host, "address": host.parse::<std::net::IpAddr>().ok(), "asn": asn, "as_name": null, "prefix": null,
        "reached": reached, "distance": null, "hops": hops, "as_path": [],
    })
}

fn run(label: &str, format: Option<&str>, target: Value, verdict: Value) -> Document {
    let mut run = json!({
        "schema": "lasthop.run/1", "tool": {"name": "lasthop", "version": "1"}, "started_at": "2019-03-03T10:00:00Z",
        "finished_at": null, "vantage": {"source": null, "interface": null, "asn": null, "label": label}, "asdb": null,
        "protocol": "tcp", "port": 25, "target": target, "references": [], "verdict": verdict, "error": null,
    });
    if let Some(format) = format {
        run["origin"] =
            json!({"format": format, "dialect": null, "file": format!("{label}.txt"), "lines": [1, 9]});
    }
    serde_json::from_value(run).unwrap()
}

fn verdict(kind: &str, asns: &[u32]) -> Value {
    json!({
        "kind": kind, "asns": asns, "as_names": asns.iter().map(|_| "").collect::<Vec<_>>(), "after_ttl": 3, "before_ttl": 4,
        "after": null, "before": null, "mechanism": "silent_drop", "scope": "host", "location_confidence": 0.99,
        "attribution_confidence": 0.97, "reason": null, "summary": "", "next_step": null,
        "evidence": {"pairs": 9, "target_answered": 0, "reference_answered": 9, "e_value": 300.0, "posterior": 0.99, "flows": 6,
            "references": 1},
    })
}

const TARGET: &str = "185.70.40.101";
const NEIGHBOUR: &str = "185.70.40.103";
const WORKS: &str =
    "198.51.100.1=49063 198.51.100.5=20764 192.0.2.9=22822 192.0.2.13=19905 185.70.40.101=19905";

fn own(label: &str, kind: &str, asns: &[u32], hops: &str) -> Document {
    run(label, None, path(TARGET, Some(19905), hops, kind == "reachable"), verdict(kind, asns))
}

fn conclusion(runs: &[Document]) -> Joint {
    conclude(runs, &Hints::default()).unwrap()
}

#[test]
fn the_story_of_two_providers() {
    let fails =
        own("mgts", "lost_inside_as", &[8359], "203.0.113.1=57681 203.0.113.5=8359 203.0.113.9=8359 * * *");
    let works = own("spb", "reachable", &[], WORKS);
    let joint = conclusion(&[fails, works]);
    assert_eq!((joint.kind, joint.asns.as_slice()), ("lost_inside_as", &[8359][..]));
    assert_eq!(joint.grade, Some(Grade::Own));
    assert_eq!(joint.parts, [Part { asns: vec![8359], runs: vec![0] }]);
    assert!(
        joint.summary.contains("From mgts packets to 185.70.40.101 stop in AS8359."),
        "{}",
        joint.summary
    );
}

#[test]
fn text_that_hides_addresses_still_names_whom_only_the_failing_path_crosses() {
    let text = |label: &str, host: &str, hops: &str, reached| {
        run(label, Some("cisco"), path(host, None, hops, reached), Value::Null)
    };
    let runs = [
        text("mgts", "mx1.proton", "=204671 =57681 =57681 =8359 * * * *", false),
        text("mgts", "mx9.proton", "=204671 =57681 =57681 =8359 =22822 =22822 =19905 =19905", true),
        text("spb", "mx1.proton", "=49063 =20764 =22822 =19905 =19905", true),
    ];
    let hints = Hints { references: vec!["mx9.proton".to_owned()], ..Hints::default() };
    let joint = conclude(&runs, &hints).unwrap();
    assert_eq!((joint.kind, joint.asns.as_slice()), ("lost_inside_as", &[8359][..]), "{joint:#?}");
    assert_eq!(joint.grade, Some(Grade::Text));
    assert_eq!(joint.cleared, [22822]);
    assert!(joint.attribution_confidence < 0.7);
    assert!(joint.cannot_tell.iter().any(|line| line.contains("AS22822 is left out because")), "{joint:#?}");
    // The neighbour need not be named where its name ends in the same network.
    let joint = conclusion(&runs);
    assert_eq!(joint.asns, [8359], "{joint:#?}");
}

#[test]
fn a_border_is_settled_by_a_router_that_carries_packets_from_elsewhere() {
    let hops = "203.0.113.1=57681 203.0.113.5=8359 * * *";
    let border = || {
        let mut run = own("mgts", "lost_at_as_border", &[8359, 22822], hops);
        let verdict = run.verdict.as_mut().unwrap();
        (verdict.after, verdict.before) = (Some("203.0.113.5".to_owned()), Some("192.0.2.1".to_owned()));
        run
    };
    // Another entrance to AS22822 says nothing of this one.
    let joint = conclusion(&[border(), own("spb", "reachable", &[], WORKS)]);
    assert_eq!((joint.kind, joint.asns.as_slice()), ("lost_at_as_border", &[8359, 22822][..]));
    assert!(joint.cannot_tell.iter().any(|line| line.contains("AS22822 also carries")), "{joint:#?}");
    // The same router does, if none that shows nothing stands before it.
    let works = "198.51.100.1=49063 192.0.2.1=22822 192.0.2.13=19905 185.70.40.101=19905";
    let mut gap = border();
    gap.verdict.as_mut().unwrap().before_ttl = Some(5);
    let joint = conclusion(&[gap, own("spb", "reachable", &[], works)]);
    assert_eq!((joint.kind, joint.asns.as_slice()), ("lost_at_as_border", &[8359, 22822][..]));
    let joint = conclusion(&[border(), own("spb", "reachable", &[], works)]);
    assert_eq!((joint.kind, joint.asns.as_slice()), ("lost_inside_as", &[8359][..]));
}

#[test]
fn what_stands_behind_the_borders_of_several_is_not_named_for_all_of_them_if_it_carries_others() {
    let fails = |label: &str, asn: u32| {
        own(label, "lost_at_as_border", &[8359, asn], &format!("203.0.113.{asn}={asn} * * *"))
    };
    let both = [fails("a", 101), fails("b", 102)];
    let joint = conclusion(&both);
    assert_eq!((joint.kind, joint.asns.as_slice()), ("lost_inside_as", &[8359][..]), "{joint:#?}");
    // One explains as much as two and is named first; that it could be the two is said.
    let line =
        "AS8359 would explain all of these paths, and AS101 and AS102 would as well, each those of its own";
    assert!(joint.cannot_tell.iter().any(|one| one.starts_with(line)), "{joint:#?}");
    // It would take a device of it at each border now; two providers that each drop are no stranger.
    let through = "198.51.100.1=49063 203.0.113.77=8359 192.0.2.13=19905 185.70.40.101=19905";
    let [a, b] = both;
    let joint = conclusion(&[a.clone(), b.clone(), own("c", "reachable", &[], through)]);
    assert_eq!(
        (joint.kind, joint.asns.as_slice()),
        ("lost_in_as_range", &[101, 102, 8359][..]),
        "{joint:#?}"
    );
    assert!(joint.cannot_tell.iter().any(|line| line.contains("not everywhere in it")), "{joint:#?}");
    assert!(joint.cannot_tell.iter().any(|one| one.starts_with(line)), "{joint:#?}");
    // Nor is anybody, if it is refusals that come from either side of these borders.
    let refused = |mut run: Document| {
        run.verdict.as_mut().unwrap().kind = "rejected".to_owned();
        run
    };
    let joint = conclusion(&[refused(a.clone()), refused(b.clone()), own("c", "reachable", &[], through)]);
    assert_eq!(
        (joint.kind, joint.asns.as_slice()),
        ("lost_in_as_range", &[101, 102, 8359][..]),
        "{joint:#?}"
    );
    // One run that has narrowed it down settles it.
    let inside = own("d", "lost_inside_as", &[8359], "203.0.113.201=201 203.0.113.5=8359 * * *");
    let joint = conclusion(&[a, b, own("c", "reachable", &[], through), inside]);
    assert_eq!((joint.kind, joint.asns.as_slice()), ("lost_inside_as", &[8359][..]), "{joint:#?}");
}

#[test]
fn what_another_culprit_explains_as_well_says_nothing_of_a_second_one() {
    let fails = |label: &str, kind: &str, asns: &[u32]| {
        own(label, kind, asns, &format!("203.0.113.{}={} * * *", asns[0] % 256, asns[0]))
    };
    // AS301 drops, that is certain. The other border is AS201's or AS300's, however many more runs end at one of AS301's.
    let runs = [
        fails("a", "lost_inside_as", &[301]),
        fails("b", "lost_at_as_border", &[201, 301]),
        fails("c", "lost_at_as_border", &[201, 301]),
        fails("d", "lost_at_as_border", &[201, 300]),
        own("e", "reachable", &[], WORKS),
    ];
    let joint = conclusion(&runs);
    let parts: Vec<&[u32]> = joint.parts.iter().map(|part| part.asns.as_slice()).collect();
    assert!(parts.contains(&&[301][..]) && parts.contains(&&[201, 300][..]), "{joint:#?}");
    assert_eq!(joint.kind, "lost_at_as_border");
}

#[test]
fn a_router_that_shows_addresses_of_two_neighbours_may_be_a_third_networks() {
    let reference = |from: u32| {
        serde_json::from_value(path(
            NEIGHBOUR,
            Some(19905),
            &format!("203.0.113.{from}={from} 192.0.2.1=201 192.0.2.13=19905"),
            true,
        ))
        .unwrap()
    };
    let fails = |label: &str, asn: u32| {
        let mut run = own(label, "lost_at_as_border", &[201, asn], &format!("203.0.113.{asn}={asn} * * *"));
        let verdict = run.verdict.as_mut().unwrap();
        (verdict.after, verdict.before) = (Some(format!("203.0.113.{asn}")), Some("192.0.2.1".to_owned()));
        run.references.push(reference(asn));
        run
    };
    let joint = conclusion(&[fails("a", 101), fails("b", 102)]);
    assert!(!matches!(joint.kind, "lost_inside_as" | "lost_at_as_border"), "{joint:#?}");
}

#[test]
fn where_others_come_through_one_network_more_this_path_may_hide_one() {
    // 300 is crossed by one router here and its links are numbered by its neighbours: it shows no address.
    let border = |way: &str| {
        let mut run =
            own("a", "lost_at_as_border", &[500, 200], "203.0.113.1=500 203.0.113.2=500 203.0.113.3=500 * *");
        let verdict = run.verdict.as_mut().unwrap();
        (verdict.after, verdict.before) = (Some("203.0.113.3".to_owned()), Some("192.0.2.1".to_owned()));
        let way = format!("{way} 192.0.2.1=200 192.0.2.5=200 185.70.40.103=19905");
        run.references = vec![serde_json::from_value(path(NEIGHBOUR, Some(19905), &way, true)).unwrap()];
        run
    };
    let near = "203.0.113.1=500 203.0.113.2=500 203.0.113.3=500";
    let works = |hops: &str| {
        own("b", "reachable", &[], &format!("{hops} 192.0.2.9=200 192.0.2.13=200 185.70.40.101=19905"))
    };
    let deeper = works("198.51.100.1=501 198.51.100.5=300");
    let joint = conclusion(&[border(near), deeper.clone()]);
    assert_eq!((joint.kind, joint.asns.as_slice()), ("lost_in_as_range", &[200, 300, 500][..]), "{joint:#?}");
    // As long as this one: nothing says that anything is hidden.
    let joint = conclusion(&[border(near), works("198.51.100.1=501")]);
    assert_eq!((joint.kind, joint.asns.as_slice()), ("lost_at_as_border", &[200, 500][..]), "{joint:#?}");
    // Nor where the two are known to be neighbours.
    let known =
        |one: u32, other: u32| Some([(200, 500), (200, 19905)].contains(&(one.min(other), one.max(other))));
    let hints = Hints { adjacent: Some(&known), ..Hints::default() };
    let joint = conclude(&[border(near), deeper], &hints).unwrap();
    assert_eq!((joint.kind, joint.asns.as_slice()), ("lost_at_as_border", &[200, 500][..]), "{joint:#?}");
}

/// What two open borders have in common may not be who it was; an address that nobody announces closes none.
#[test]
fn open_borders_are_listed_whole() {
    let border = |label: &str, asn: u32, near: &str, after: &str, before: &str| {
        let mut run = own(label, "lost_at_as_border", &[asn, 200], &format!("{near} * *"));
        let verdict = run.verdict.as_mut().unwrap();
        (verdict.after, verdict.before) = (Some(after.to_owned()), Some(before.to_owned()));
        let way = format!("{near} {before}=200 192.0.2.5=200 185.70.40.103=19905");
        run.references = vec![serde_json::from_value(path(NEIGHBOUR, Some(19905), &way, true)).unwrap()];
        run
    };
    let works = own(
        "c",
        "reachable",
        &[],
        "198.51.100.1=502 198.51.100.5=300 192.0.2.9=200 192.0.2.13=200 185.70.40.101=19905",
    );
    let one = border("a", 500, "203.0.113.1=500 203.0.113.2=500 10.9.9.1=-", "203.0.113.2", "192.0.2.1");
    let other = border("b", 501, "203.0.113.65=501 203.0.113.66=501", "203.0.113.66", "192.0.2.2");
    let joint = conclusion(&[one.clone(), works.clone()]);
    assert_eq!((joint.kind, joint.asns.as_slice()), ("lost_in_as_range", &[200, 300, 500][..]), "{joint:#?}");
    let joint = conclusion(&[one, other, works]);
    assert_eq!(joint.kind, "lost_in_as_range", "{joint:#?}");
    assert!([200, 300].iter().all(|asn| joint.asns.contains(asn)), "{joint:#?}");
}

/// Of another tool's traces as well, whichever reference comes first.
#[test]
fn a_border_that_one_reference_opens_is_not_closed_by_another() {
    let text = |label: &str, host: &str, hops: &str, reached| {
        run(label, Some("traceroute"), path(host, None, hops, reached), Value::Null)
    };
    let near = "203.0.113.1=500 203.0.113.2=500";
    let (one, other) = ("192.0.2.200", "185.70.40.103");
    let fails = text("a", TARGET, &format!("{near} * * * *"), false);
    // Nobody else's path shows what is behind 200 here; there, others come to it through one network more.
    let elsewhere = text("a", one, &format!("{near} 192.0.2.1=200 192.0.2.5=200 192.0.2.200=777"), true);
    let beside = text("a", other, &format!("{near} 192.0.2.1=200 192.0.2.5=200 185.70.40.103=19905"), true);
    let works =
        text("b", TARGET, "198.51.100.1=501 198.51.100.5=300 192.0.2.77=201 185.70.40.101=19905", true);
    let hints = Hints { references: vec![one.to_owned(), other.to_owned()], ..Hints::default() };
    let firm = |runs: &[Document]| {
        let joint = conclude(runs, &hints).unwrap();
        joint.matrix.iter().find(|cell| cell.state == State::Stops).unwrap().firm
    };
    assert!(firm(&[fails.clone(), elsewhere.clone(), works.clone()]));
    assert!(!firm(&[fails.clone(), elsewhere.clone(), beside.clone(), works.clone()]));
    assert!(!firm(&[fails, beside, elsewhere, works]));
}

#[test]
fn nobody_on_the_way_is_named_for_a_host_that_is_silent_everywhere() {
    let all = "203.0.113.1=57681 203.0.113.5=8359 192.0.2.13=19905 *";
    let joint =
        conclusion(&[own("a", "host_or_return_path", &[], all), own("b", "host_or_return_path", &[], all)]);
    assert_eq!((joint.kind, joint.asns.as_slice()), ("host_or_return_path", &[19905][..]));
    // One run that contradicts them does not change that.
    let one = own("c", "lost_inside_as", &[8359], "203.0.113.1=57681 203.0.113.5=8359 * *");
    let joint = conclusion(&[own("a", "host_or_return_path", &[], all), one]);
    assert_eq!((joint.kind, joint.reason), ("inconclusive", Some("contradiction")));
}

#[test]
fn text_alone_names_nobody_while_no_one_sees_the_host_alive() {
    let text = |host: &str, hops: &str, reached| {
        run("a", Some("traceroute"), path(host, Some(19905), hops, reached), Value::Null)
    };
    let runs = [
        text(TARGET, "203.0.113.1=57681 203.0.113.5=8359 * * * *", false),
        text(
            NEIGHBOUR,
            "203.0.113.1=57681 203.0.113.5=8359 203.0.113.9=8359 203.0.113.13=8359 192.0.2.17=19905 185.70.40.103=19905",
            true,
        ),
    ];
    let joint = conclusion(&runs);
    assert_eq!((joint.kind, joint.reason), ("inconclusive", Some("weak")), "{joint:#?}");
    assert!(joint.next_step.unwrap().contains("from another network"));
    // With the proof of life it does.
    let mut runs = runs.to_vec();
    runs.push(own("spb", "reachable", &[], WORKS));
    let joint = conclusion(&runs);
    assert_eq!((joint.kind, joint.asns.as_slice()), ("lost_inside_as", &[8359][..]), "{joint:#?}");
}

/// A path of another tool's trace that ends with this ICMP unreachable from its last hop.
fn refused(asn: u32, icmp_type: u8, code: u8, mark: &str) -> Document {
    let mut target = path(TARGET, Some(19905), &format!("203.0.113.1={asn} 203.0.113.5={asn}"), false);
    let last = &mut target["hops"][1]["responders"][0];
    last["replies"] = json!({
        "time_exceeded": 0, "syn_ack": 0, "rst": 0, "echo_reply": 0,
        "unreachable": [{"type": icmp_type, "code": code, "count": 3}],
    });
    last["marks"] = json!([mark]);
    run("a", Some("traceroute"), target, Value::Null)
}

#[test]
fn only_a_policy_that_is_spelled_out_is_a_refusal_that_names_somebody() {
    let works = || own("spb", "reachable", &[], WORKS);
    // No neighbour or no route: a destination's last router, numbered by its provider, says the same of a host that is down.
    for (icmp_type, code, mark) in [(3, 1, "!H"), (3, 0, "!N"), (1, 3, "!H"), (1, 0, "!N")] {
        let joint = conclusion(&[refused(8359, icmp_type, code, mark), works()]);
        assert_eq!((joint.kind, joint.asns.len()), ("inconclusive", 0), "{mark}: {joint:#?}");
    }
    // A bare mark whose meaning is not known is none either.
    let mut marked = refused(8359, 3, 13, "!");
    marked.target.as_mut().unwrap().hops[1].responders[0].replies.unreachable.clear();
    assert_eq!(conclusion(&[marked, works()]).kind, "inconclusive");
    // Administratively prohibited is.
    for (icmp_type, code) in [(3, 9), (3, 10), (3, 13), (1, 1)] {
        let joint = conclusion(&[refused(8359, icmp_type, code, "!X"), works()]);
        assert!(joint.asns.contains(&8359), "{joint:#?}");
    }
}

#[test]
fn two_providers_that_each_drop_are_both_named() {
    let fails =
        |label: &str, asn: u32| own(label, "lost_inside_as", &[asn], &format!("203.0.113.1={asn} * * *"));
    let joint = conclusion(&[fails("a", 8359), fails("b", 12389), own("c", "reachable", &[], WORKS)]);
    assert_eq!(joint.kind, "lost_inside_as");
    assert_eq!(joint.parts.len(), 2);
    assert_eq!(joint.asns, [8359, 12389]);
}

#[test]
fn a_day_apart_nobody_is_cleared() {
    let border = own("mgts", "lost_at_as_border", &[8359, 22822], "203.0.113.1=57681 203.0.113.5=8359 * * *");
    let mut works = own("spb", "reachable", &[], WORKS);
    assert_eq!(conclusion(&[border.clone(), works.clone()]).asns, [8359]);
    works.started_at = Some("2019-03-05T10:00:00Z".to_owned());
    assert_eq!(conclusion(&[border, works]).asns, [8359, 22822]);
}

#[test]
fn the_destinations_network_is_never_cleared() {
    let edge =
        own("a", "destination_network", &[19905], "203.0.113.1=57681 203.0.113.5=8359 192.0.2.1=22822 *");
    let joint = conclusion(&[edge, own("b", "reachable", &[], WORKS)]);
    assert_eq!((joint.kind, joint.asns.as_slice()), ("destination_network", &[19905][..]));
}

#[test]
fn nothing_to_say_is_said() {
    assert!(conclude(&[], &Hints::default()).is_none());
    let joint = conclusion(&[own("a", "reachable", &[], WORKS)]);
    assert_eq!((joint.kind, joint.asns.len()), ("reachable", 0));
    let joint = conclusion(&[own("a", "inconclusive", &[], "203.0.113.1=57681 *")]);
    assert_eq!(joint.kind, "inconclusive");
}

#[test]
fn ten_thousand_places_are_one_question() {
    let mut runs = Vec::new();
    for number in 0..10_000u32 {
        let label = format!("probe {number}");
        runs.push(match number % 3 {
            0 => own(&label, "reachable", &[], WORKS),
            _ => own(&label, "lost_at_as_border", &[8359, 100_000 + number], "203.0.113.5=8359 * *"),
        });
    }
    assert_eq!(conclusion(&runs).asns, [8359]);
    // If it carries some, nobody is accused: thousands that were all ordered to drop are not told one by one.
    let through = "198.51.100.1=49063 203.0.113.77=8359 192.0.2.13=19905 185.70.40.101=19905";
    runs.push(own("one more", "reachable", &[], through));
    let joint = conclusion(&runs);
    assert_eq!((joint.kind, joint.asns.as_slice()), ("lost_in_as_range", &[8359][..]));
    assert!(joint.cannot_tell.iter().any(|line| line.contains("not everywhere in it")));
}

/// However many places there are: two networks explain as much as the one behind them.
#[test]
fn many_borders_do_not_make_the_network_behind_them_the_only_one() {
    let fails = |number: u32| {
        let middle = 201 + number % 2;
        let hops = format!("203.0.113.{number}={asn} * * *", asn = 1000 + number);
        own(&format!("probe {number}"), "lost_at_as_border", &[8359, middle, 1000 + number], &hops)
    };
    let through = "198.51.100.1=49063 203.0.113.77=8359 192.0.2.13=19905 185.70.40.101=19905";
    let works = own("c", "reachable", &[], through);
    for places in [10, 60] {
        let runs: Vec<Document> = (1..=places).map(fails).chain([works.clone()]).collect();
        let joint = conclusion(&runs);
        assert_eq!(joint.kind, "lost_in_as_range", "{places}: {joint:#?}");
        assert!([201, 202, 8359].iter().all(|asn| joint.asns.contains(asn)), "{places}: {joint:#?}");
        let line = "AS8359 would explain all of these paths, and AS201 and AS202 would as well";
        assert!(joint.cannot_tell.iter().any(|one| one.starts_with(line)), "{places}: {joint:#?}");
    }
}

#[test]
fn two_thousand_culprits_are_two_thousand_parts() {
    let fails = |asn: u32| {
        own(&format!("probe {asn}"), "lost_inside_as", &[asn], &format!("203.0.113.1={asn} * * *"))
    };
    let mut runs: Vec<Document> = (100_000..102_000).map(fails).collect();
    runs.push(own("c", "reachable", &[], WORKS));
    let joint = conclusion(&runs);
    assert_eq!((joint.kind, joint.parts.len()), ("lost_inside_as", 2000));
    assert!(joint.parts.iter().all(|part| part.asns.len() == 1 && part.runs.len() == 1));
}
