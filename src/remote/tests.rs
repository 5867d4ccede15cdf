use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn task() -> Task {
    Task {
        target: "192.0.2.10".to_owned(),
        reference: "ref.example".to_owned(),
        protocol: "TCP",
        port: Some(443),
        family: 4,
        deadline: Duration::from_secs(300),
    }
}

fn machine(from: &str, ids: &[&str]) -> Machine {
    Machine::new(Network::parse(from).unwrap(), task(), ids.iter().map(|id| (*id).to_owned()).collect())
}

fn ok(body: impl ToString) -> Result<Answer, String> {
    Ok(Answer { status: 200, body: body.to_string(), ..Answer::default() })
}

fn sent(machine: &mut Machine) -> Request {
    match machine.step() {
        Step::Send(request) => request,
        other => panic!("{other:?}"),
    }
}

fn waits(machine: &mut Machine) -> u64 {
    match machine.step() {
        Step::Wait(pause) => pause.as_millis() as u64,
        other => panic!("{other:?}"),
    }
}

fn body(request: &Request) -> Value {
    serde_json::from_str(request.body.as_deref().unwrap()).unwrap()
}

fn globalping(status: &str, results: &[&str]) -> Value {
    let results: Vec<Value> =
        results.iter().map(|word| json!({"probe": {}, "result": {"status": word}})).collect();
    json!({"id": "A1", "type": "traceroute", "status": status, "probesCount": results.len(), "results": results})
}

fn atlas_state(scheduled: u64, status: u64) -> Value {
    json!({"id": 7, "status": {"id": status, "name": "Ongoing"}, "probes_scheduled": scheduled})
}

#[test]
fn globalping_measures_the_reference_from_the_targets_probes() {
    let mut machine = machine("globalping:MTS+Moscow,limit=2", &[]);
    assert!(machine.cost().unwrap().contains("up to 4 tests"));
    let asked: Vec<String> = machine.creations().iter().map(ToString::to_string).collect();
    assert!(asked.len() == 2 && asked[1].contains("\"locations\":\"ID\""), "{asked:?}");
    let first = sent(&mut machine);
    assert_eq!((first.creates, first.path.as_str()), (true, "/v1/measurements"));
    assert_eq!(body(&first)["locations"], json!([{"magic": "MTS+Moscow"}]));
    assert_eq!(body(&first)["measurementOptions"], json!({"protocol": "TCP", "port": 443}), "an address");
    machine.take(ok(json!({"id": "A1", "probesCount": 2}))).unwrap();
    assert_eq!(machine.ids(), ["A1"], "kept before anything else is asked");
    let second = sent(&mut machine);
    assert_eq!((&body(&second)["locations"], &body(&second)["limit"]), (&json!("A1"), &Value::Null));
    assert_eq!(body(&second)["measurementOptions"]["ipVersion"], 4, "a name");
    machine.take(ok(json!({"id": "B2"}))).unwrap();
    assert_eq!((machine.cost(), machine.creations()), (None, vec![]));
    assert_eq!(sent(&mut machine).path, "/v1/measurements/A1");
    machine.take(ok(globalping("in-progress", &["finished", "in-progress"]))).unwrap();
    assert!(machine.progress().contains("1 of 2"), "{}", machine.progress());
    assert_eq!(waits(&mut machine), 500);
    sent(&mut machine);
    let whole = globalping("finished", &["finished", "failed"]);
    machine.take(ok(&whole)).unwrap();
    assert_eq!(sent(&mut machine).path, "/v1/measurements/B2");
    machine.take(ok(&whole)).unwrap();
    let Step::Done(results) = machine.step() else { panic!() };
    assert_eq!((results[0].json.as_str(), results[0].probes), (whole.to_string().as_str(), (2, 2)));
    assert_eq!((results[1].id.as_str(), results[1].target.as_str()), ("B2", "ref.example"));
}

#[test]
fn atlas_measures_both_in_one_request_and_waits_for_its_probes() {
    let mut machine = machine("atlas:asn=64500,AS64501,limit=5", &[]);
    assert!(machine.cost().unwrap().contains("up to 600 credits"), "{:?}", machine.cost());
    let request = sent(&mut machine);
    let asked = body(&request);
    assert_eq!(asked["definitions"].as_array().unwrap().len(), 2);
    assert_eq!(asked["definitions"][1]["target"], "ref.example");
    let rows: Vec<_> =
        asked["probes"].as_array().unwrap().iter().map(|row| (&row["value"], &row["requested"])).collect();
    assert_eq!(rows, [(&json!(64500), &json!(3)), (&json!(64501), &json!(2))]);
    machine.take(ok(json!({"measurements": [7, 8]}))).unwrap();
    assert_eq!(machine.ids(), ["7", "8"]);
    assert_eq!(sent(&mut machine).path, "/measurements/7/");
    machine.take(ok(atlas_state(0, 1))).unwrap();
    sent(&mut machine);
    machine.take(ok("[]")).unwrap();
    assert_eq!(waits(&mut machine), 10_000);
    assert_eq!(sent(&mut machine).path, "/measurements/7/", "until the number of probes is known");
    machine.take(ok(atlas_state(2, 2))).unwrap();
    assert_eq!(sent(&mut machine).path, "/measurements/7/results/?format=json");
    for torn in ["", "[{\"prb_id\":1}", "<html>", "[{\"error\":1}]"] {
        machine.take(ok(torn)).unwrap();
        assert_eq!(waits(&mut machine), 10_000, "{torn:?}");
        sent(&mut machine);
    }
    machine.take(ok("{\"prb_id\":1}\n{\"prb_id\":2}\n")).unwrap();
    sent(&mut machine);
    machine.take(ok(atlas_state(2, 4))).unwrap();
    sent(&mut machine);
    machine.take(ok("[{\"prb_id\":1},{\"prb_id\":2}]")).unwrap();
    let Step::Done(results) = machine.step() else { panic!() };
    assert_eq!(results.iter().map(|one| one.probes).collect::<Vec<_>>(), [(2, 2), (2, 2)]);
}

#[test]
fn what_was_begun_is_taken_up_and_never_begun_twice() {
    for from in ["atlas:country=RU", "globalping:Moscow"] {
        let mut machine = machine(from, &["7", "8"]);
        assert_eq!((machine.cost(), machine.creations()), (None, vec![]));
        assert!(!sent(&mut machine).creates);
    }
    let mut half = machine("globalping:Moscow", &["A1"]);
    assert_eq!(body(&sent(&mut half))["locations"], "A1", "only the reference is missing");
    for nothing in [
        Err("connection reset".to_owned()),
        Ok(Answer { status: 502, ..Answer::default() }),
        Ok(Answer { status: 201, torn: true, ..Answer::default() }),
        ok(""),
        ok("{\"measurements\":[7"),
    ] {
        let mut machine = machine("atlas:country=RU", &[]);
        sent(&mut machine);
        assert!(matches!(machine.take(nothing), Err(Error::Lost(_))));
    }
}

#[test]
fn patience_is_what_the_network_asks_for_and_ends() {
    let busy = |retry_after| Ok(Answer { status: 429, retry_after, ..Answer::default() });
    let mut one = machine("atlas:country=RU", &[]);
    sent(&mut one);
    one.take(busy(Some(37))).unwrap();
    assert_eq!(waits(&mut one), 37_000);
    assert!(sent(&mut one).creates, "a 429 has created nothing");
    let mut pauses = Vec::new();
    let error = loop {
        match one.take(busy(None)) {
            Ok(()) => pauses.push(waits(&mut one)),
            Err(error) => break error,
        }
        sent(&mut one);
    };
    assert_eq!(pauses, [20_000, 40_000, 80_000, 160_000], "longer each time, never below ten seconds");
    assert!(matches!(error, Error::Busy { status: 429, tries: 6, .. }));
    let mut long = machine("globalping:Moscow", &["A1", "B2"]);
    sent(&mut long);
    assert!(matches!(long.take(busy(Some(86_400))), Err(Error::Busy { .. })));
    let mut gone = machine("globalping:Moscow", &["A1", "B2"]);
    let ended = (0..20).find_map(|_| {
        if let Step::Send(_) = gone.step() { gone.take(Err("no route".to_owned())).err() } else { None }
    });
    assert!(matches!(ended, Some(Error::Network { .. })));
}

#[test]
fn refusals_are_told_in_the_networks_words() {
    let refused = |from: &str, status, body: &str| {
        let mut machine = machine(from, &[]);
        sent(&mut machine);
        machine
            .take(Ok(Answer { status, body: body.to_owned(), ..Answer::default() }))
            .unwrap_err()
            .to_string()
    };
    let inner = r#"{"status":400,"title":"Bad Request","detail":"There was a problem","errors":[{"source":{"pointer":"/definitions/0/target"},"detail":"This field is required."}]}"#;
    let wanted = "RIPE Atlas answers 400: Bad Request; There was a problem; /definitions/0/target: This field is required.";
    assert_eq!(refused("atlas:country=RU", 400, inner), wanted);
    assert_eq!(refused("atlas:country=RU", 400, &format!("{{\"error\":{inner}}}")), wanted);
    let body =
        r#"{"error":{"type":"no_probes_found","message":"No matching IPv4 probes available."},"links":{}}"#;
    assert_eq!(
        refused("globalping:Moscow", 422, body),
        "Globalping answers 422: No matching IPv4 probes available.; no_probes_found"
    );
    assert_eq!(refused("globalping:Moscow", 404, ""), "Globalping answers 404: nothing");
    let mut none = machine("atlas:country=RU", &["7", "8"]);
    sent(&mut none);
    assert!(matches!(none.take(ok(atlas_state(0, 6))), Err(Error::Refused { .. })), "no suitable probes");
}

#[test]
fn when_time_is_up_what_there_is_counts_and_nothing_is_said_to_be_nothing() {
    let run = |latest: &'static str| {
        let mut machine = machine("atlas:country=RU", &["7", "8"]);
        for _ in 0..1000 {
            match machine.step() {
                Step::Done(results) => return Ok(results),
                Step::Wait(_) => {}
                Step::Send(request) => {
                    let results = request.path.contains("results");
                    machine.take(if results { ok(latest) } else { ok(atlas_state(9, 2)) })?;
                }
            }
        }
        panic!("it does not end");
    };
    let results = run("[{\"prb_id\":1}]").unwrap();
    assert_eq!(results[0].probes, (9, 1));
    assert!(matches!(run("[]"), Err(Error::Nothing { seconds: 300, .. })));
}

#[test]
fn places_that_make_no_sense_are_refused() {
    for bad in [
        "",
        "atlas",
        "atlas:",
        "atlas:limit=5",
        "atlas:asn=x",
        "atlas:country=Russia",
        "atlas:country=RU,limit=0",
        "atlas:resume=7",
        "atlas:probes=1,country=RU",
        "atlas:resume=../x,8",
        "globalping:",
        "globalping:a+b+c+d+e",
        "globalping:limit=9",
        "globalping:resume=a/b",
        "globalping:x,limit=9999",
        "other:x",
        "globalping:x=y",
    ] {
        assert!(matches!(Network::parse(bad), Err(Error::Where(_))), "{bad}");
    }
}

/// One row names an AS or a country, and rows are joined: what is both has to be looked up first.
#[test]
fn a_country_narrows_the_ases_of_atlas() {
    let mut machine = machine("atlas:asn=64500,64501,country=ru,limit=3", &[]);
    let asked: Vec<String> = machine.creations().iter().map(ToString::to_string).collect();
    assert!(asked.len() == 2 && asked[1].contains("\"PROBES\""), "{asked:?}");
    let request = sent(&mut machine);
    let path =
        "/probes/?asn_v4__in=64500,64501&country_code=RU&status=1&tags=system-ipv4-works&page_size=500";
    assert_eq!((request.creates, request.path.as_str()), (false, path));
    machine.take(ok("{}")).unwrap();
    assert_eq!(waits(&mut machine), 10_000, "no list");
    sent(&mut machine);
    let probe = |id: u32, asn: u32, country: &str, status: u32| json!({"id": id, "asn_v4": asn, "country_code": country, "status": {"id": status}});
    let next = "https://elsewhere.example/api/v2/probes/?asn_v4__in=64500,64501&page=2";
    // What the network did not filter is filtered here.
    let page = [
        probe(1, 64500, "RU", 1),
        probe(2, 64500, "DE", 1),
        probe(3, 64500, "RU", 2),
        probe(4, 7, "RU", 1),
        probe(5, 64500, "RU", 1),
    ];
    machine.take(ok(json!({"count": 7, "next": next, "results": page}))).unwrap();
    assert_eq!(sent(&mut machine).path, "/probes/?asn_v4__in=64500,64501&page=2", "on its own server only");
    let page = [probe(6, 64500, "RU", 1), probe(7, 64501, "RU", 1)];
    machine.take(ok(json!({"next": null, "results": page}))).unwrap();
    let request = sent(&mut machine);
    assert!(request.creates);
    assert_eq!(body(&request)["probes"], json!([{"type": "probes", "value": "1,7,5", "requested": 3}]));
    machine.take(ok(json!({"measurements": [7, 8]}))).unwrap();
    assert_eq!(sent(&mut machine).path, "/measurements/7/");

    let mut none = self::machine("atlas:asn=64500,country=RU", &[]);
    sent(&mut none);
    let error = none.take(ok(json!({"next": null, "results": []}))).unwrap_err();
    assert_eq!(
        error,
        Error::NoProbes("RIPE Atlas has no connected probe with IPv4 of AS64500 in RU".to_owned())
    );
    let mut away = self::machine("atlas:asn=64500,country=RU", &[]);
    sent(&mut away);
    let error = away.take(ok(json!({"next": "https://elsewhere.example/x", "results": []}))).unwrap_err();
    assert!(matches!(error, Error::Strange { .. }));
    // Pages end, whatever the network says.
    let mut endless = self::machine("atlas:asn=64500,country=RU", &[]);
    let pages = (0..100).find(|_| {
        let path = sent(&mut endless).path;
        path == "/measurements/"
            || endless
                .take(ok(json!({"next": "x/probes/?page=2", "results": [probe(1, 64500, "RU", 1)]})))
                .is_err()
    });
    assert_eq!(pages, Some(20));
}

#[test]
fn what_is_finished_and_kept_is_not_asked_for_again() {
    let whole = globalping("finished", &["finished"]).to_string();
    let mut both = machine("globalping:resume=A1,B2", &["A1", "B2"]);
    assert!(both.recall("A1", whole.clone()) && both.recall("B2", whole.clone()));
    let Step::Done(results) = both.step() else { panic!() };
    assert!(results.len() == 2 && results.iter().all(|one| one.complete && one.json == whole));
    // One of them, whichever: the other is asked for.
    for (known, other) in [("7", "8"), ("8", "7")] {
        let mut machine = machine("atlas:resume=7,8", &["7", "8"]);
        assert!(machine.recall(known, "[{\"prb_id\":1}]".to_owned()));
        assert_eq!(sent(&mut machine).path, format!("/measurements/{other}/"));
        machine.take(ok(atlas_state(1, 4))).unwrap();
        sent(&mut machine);
        machine.take(ok("[{\"prb_id\":1}]")).unwrap();
        let Step::Done(results) = machine.step() else { panic!() };
        let ids: Vec<_> = results.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["7", "8"]);
    }
    let mut torn = machine("globalping:resume=A1,B2", &["A1", "B2"]);
    assert!(
        !torn.recall("A1", whole[..40].to_owned())
            && !torn.recall("A1", globalping("in-progress", &["finished"]).to_string())
    );
    assert_eq!(sent(&mut torn).path, "/v1/measurements/A1");
}

#[test]
fn an_unchanged_answer_is_not_sent_anew() {
    let mut machine = machine("globalping:Moscow", &["A1", "B2"]);
    assert_eq!(sent(&mut machine).etag, None);
    let tagged = |body: Value| {
        Ok(Answer { status: 200, body: body.to_string(), etag: Some("W/\"x\"".into()), ..Answer::default() })
    };
    machine.take(tagged(globalping("in-progress", &["finished", "in-progress"]))).unwrap();
    assert_eq!(waits(&mut machine), 500);
    assert_eq!(sent(&mut machine).etag.as_deref(), Some("W/\"x\""));
    machine.take(Ok(Answer { status: 304, ..Answer::default() })).unwrap();
    assert_eq!(waits(&mut machine), 500);
    sent(&mut machine);
    machine.take(tagged(globalping("finished", &["finished", "finished"]))).unwrap();
    let second = sent(&mut machine);
    assert_eq!((second.path.as_str(), second.etag), ("/v1/measurements/B2", None), "another measurement's");
    assert!(machine.take(Ok(Answer { status: 304, ..Answer::default() })).is_err(), "nobody asked for that");
}

#[test]
fn an_allowance_that_is_spent_is_waited_for() {
    let spent = |reset| Some(Allowance { limit: Some(250), remaining: 0, reset: Some(reset) });
    let busy = |reset| Ok(Answer { status: 429, allowance: spent(reset), ..Answer::default() });
    let mut machine = machine("globalping:Moscow", &[]);
    sent(&mut machine);
    machine.take(busy(90)).unwrap();
    assert_eq!(waits(&mut machine), 90_000);
    sent(&mut machine);
    assert!(matches!(machine.take(busy(3599)), Err(Error::Busy { .. })), "nobody waits an hour");
    assert_eq!(machine.allowance(), spent(3599));
    let limits = r#"{"rateLimit":{"measurements":{"create":{"type":"user","limit":500,"remaining":245,"reset":3599}}},"credits":{"remaining":1000}}"#;
    assert_eq!(machine.left(limits).unwrap(), "245 tests of 500 an hour, all again in 3599 s; 1000 credits");
    assert_eq!((machine.balance().path.as_str(), machine.left("{}")), ("/v1/limits", None));
    let atlas = self::machine("atlas:country=RU", &[]);
    assert_eq!(
        (atlas.balance().path.as_str(), atlas.left("{\"current_balance\":5}").as_deref()),
        ("/credits/", Some("5 credits"))
    );
}

proptest! {
    #[test]
    fn no_answer_panics_a_machine(texts in prop::collection::vec((any::<u16>(), "\\PC{0,60}|[\\[\\]{}\":,a-z0-9]{0,60}"), 1..12), atlas: bool, ids in 0usize..3) {
        let ids = &["7", "8"][..ids];
        let mut machine = machine(if atlas { "atlas:country=RU" } else { "globalping:Moscow" }, ids);
        for (status, body) in texts {
            match machine.step() {
                Step::Send(_) => if machine.take(Ok(Answer { status: 200 + status % 400, body, ..Answer::default() })).is_err() { break },
                Step::Wait(_) => {}
                Step::Done(_) => break,
            }
        }
    }
}
