//! `diagnose --from` against a server of our own that behaves as the networks document it, and as networks do.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");
const KEY: &str = "0f0e0d0c-1111-2222-3333-444455556666";

/// A status with further headers, and a body; `cut` leaves the connection before its end.
struct Says {
    status: &'static str,
    body: String,
    cut: bool,
}

fn says(status: &'static str, body: impl ToString) -> Says {
    Says { status, body: body.to_string(), cut: false }
}

/// Requests as they came: the first line, the key, the body.
type Seen = Arc<Mutex<Vec<(String, String, String)>>>;

/// Answers the requests one after the other, each on its own connection; after the last one, hangs up.
fn server(answers: Vec<Says>) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let seen: Seen = Arc::default();
    let known = seen.clone();
    thread::spawn(move || {
        for Says { status, body, cut } in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while reader.read_line(&mut head).is_ok_and(|count| count > 2) {}
            let header = |name: &str| {
                let found = head.lines().find(|line| line.to_lowercase().starts_with(name));
                found.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
            };
            let length = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
            let mut sent = vec![0; length];
            let _ = reader.read_exact(&mut sent);
            known.lock().unwrap().push((
                head.lines().next().unwrap_or_default().to_owned(),
                header("authorization").unwrap_or_default(),
                String::from_utf8_lossy(&sent).into_owned(),
            ));
            let whole = body.len() + usize::from(cut);
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {whole}\r\n\r\n{body}"
            );
        }
    });
    (base, seen)
}

fn lasthop(home: &Path, base: &str, words: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(["diagnose", "192.0.2.10", "443", "-r", "192.0.2.20"])
        .args(words)
        .env_clear()
        .env("HOME", home)
        .env("LASTHOP_ATLAS_URL", base)
        .env("LASTHOP_GLOBALPING_URL", base)
        .env("LASTHOP_ATLAS_KEY", KEY)
        .env("LASTHOP_GLOBALPING_TOKEN", KEY)
        .output()
        .unwrap()
}

/// Status, both outputs; the key is in neither.
fn told(output: &Output) -> (i32, String, String) {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(!out.contains(KEY) && !err.contains(KEY), "{out}{err}");
    (output.status.code().unwrap(), out, err)
}

/// No file in a home has the key.
fn no_key_below(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => no_key_below(&path),
            false => assert!(!fs::read_to_string(&path).unwrap().contains(KEY), "{}", path.display()),
        }
    }
}

/// A finished measurement of one probe in AS64500, as Globalping writes it; its last hop is the destination where it arrives.
fn done(id: &str, target: &str, arrives: bool) -> String {
    let hop = |address: &str, rtt: f64| {
        format!(
            r#"{{"resolvedAddress":"{address}","resolvedHostname":"{address}","timings":[{{"rtt":{rtt}}},{{"rtt":{rtt}}}]}}"#
        )
    };
    let silent = r#"{"resolvedAddress":null,"resolvedHostname":null,"timings":[]}"#.to_owned();
    let last = if arrives { hop(target, 9.5) } else { silent };
    let hops = [hop("198.51.100.1", 1.0), hop("203.0.113.1", 4.0), last].join(",");
    format!(
        r#"{{"id":"{id}","type":"traceroute","status":"finished","createdAt":"2025-01-01T00:00:00.000Z","target":"{target}","probesCount":1,"results":[{{"probe":{{"country":"RU","city":"Moscow","asn":64500,"network":"Example ISP"}},"result":{{"status":"finished","rawOutput":"","resolvedAddress":"{target}","resolvedHostname":"{target}","hops":[{hops}]}}}}]}}"#
    )
}

/// The same, as RIPE Atlas writes a result.
fn result(id: u32, target: &str, arrives: bool) -> String {
    let last = match arrives {
        true => format!(r#"{{"from":"{target}","ttl":60,"size":28,"rtt":9.5,"flags":"SA"}}"#),
        false => r#"{"x":"*"}"#.to_owned(),
    };
    format!(
        r#"[{{"fw":5080,"dst_name":"{target}","dst_addr":"{target}","src_addr":"10.0.0.7","from":"203.0.113.7","proto":"TCP","af":4,"size":48,"timestamp":1735689600,"endtime":1735689605,"msm_id":{id},"prb_id":1,"type":"traceroute","result":[{{"hop":1,"result":[{{"from":"198.51.100.1","ttl":64,"size":68,"rtt":0.5}}]}},{{"hop":2,"result":[{last}]}}]}}]"#
    )
}

/// Both runs and what is concluded of them.
fn set(out: &str) -> (serde_json::Value, Vec<bool>) {
    let set: serde_json::Value = serde_json::from_str(out).unwrap_or_else(|error| panic!("{error}: {out}"));
    let runs = set["runs"].as_array().unwrap();
    let reached = runs.iter().map(|run| run["target"]["reached"].as_bool().unwrap()).collect();
    (set, reached)
}

const STATE: &str = r#"{"id":7,"status":{"id":2,"name":"Ongoing"},"probes_scheduled":1}"#;

#[test]
fn globalping_succeeds_in_few_steps_past_429_and_torn_answers() {
    let home = tempfile::tempdir().unwrap();
    let (base, seen) = server(vec![
        says("429 Too Many Requests\r\nRetry-After: 1", r#"{"error":{"type":"too_many_requests"}}"#),
        says("202 Accepted", r#"{"id":"A1","probesCount":1}"#),
        says("202 Accepted", r#"{"id":"B2","probesCount":1}"#),
        Says { cut: true, ..says("200 OK", &done("A1", "192.0.2.10", false)[..50]) },
        says("200 OK", ""),
        says("200 OK", done("A1", "192.0.2.10", false)),
        says("200 OK", done("B2", "192.0.2.20", true)),
    ]);
    let (status, out, err) =
        told(&lasthop(home.path(), &base, &["--from", "globalping:MTS+Moscow", "--yes", "--json"]));
    // Two probes a hop prove nothing, and nobody sees the target alive.
    assert_eq!(status, 12, "{err}");
    let (set, reached) = set(&out);
    assert_eq!(reached, [false, true], "{out}");
    assert_eq!(set["runs"][0]["origin"]["format"], "globalping");
    assert_eq!(set["runs"][0]["vantage"]["asn"], 64500);
    assert_eq!(set["conclusion"]["kind"], "inconclusive");
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 7);
    assert!(seen.iter().all(|(_, key, _)| *key == format!("Bearer {KEY}")), "{seen:?}");
    assert!(seen[2].2.contains("\"locations\":\"A1\""), "{}", seen[2].2);
    no_key_below(home.path());
}

#[test]
fn atlas_is_taken_up_where_a_run_ended_and_pays_once() {
    let home = tempfile::tempdir().unwrap();
    let words = ["--from", "atlas:country=RU,limit=1", "--yes", "--json"];
    let (base, seen) = server(vec![
        says("201 Created", r#"{"measurements":[7,8]}"#),
        says("404 Not Found", r#"{"error":{"status":404,"title":"Not Found","detail":"not yet"}}"#),
        says("200 OK", STATE),
        says("200 OK", result(7, "192.0.2.10", false)),
        says("200 OK", STATE),
        says("200 OK", result(8, "192.0.2.20", true)),
    ]);
    let (status, out, err) = told(&lasthop(home.path(), &base, &words));
    assert_eq!(status, 3, "{err}{out}");
    assert!(err.contains("60 credits") && err.contains("404: Not Found; not yet"), "{err}");
    let (status, out, err) = told(&lasthop(home.path(), &base, &words));
    assert_eq!(status, 12, "{err}{out}");
    assert!(err.contains("taken up: measurement 7 and 8"), "{err}");
    let (set, reached) = set(&out);
    assert_eq!(reached, [false, true], "{out}");
    assert_eq!(set["runs"][0]["vantage"]["probe"], 1);
    assert!(set["runs"][0]["origin"]["file"].as_str().unwrap().ends_with("atlas-7.json"), "{out}");
    let seen = seen.lock().unwrap();
    assert_eq!(seen.iter().filter(|(line, ..)| line.starts_with("POST")).count(), 1, "{seen:?}");
    assert!(seen.iter().all(|(_, key, _)| *key == format!("Key {KEY}")), "{seen:?}");
    no_key_below(home.path());
}

#[test]
fn nothing_is_sent_that_nobody_agreed_to() {
    let home = tempfile::tempdir().unwrap();
    let (base, seen) = server(vec![says("500 Oops", "")]);
    for from in ["atlas:country=RU", "globalping:Moscow"] {
        let (status, out, err) = told(&lasthop(home.path(), &base, &["--from", from]));
        assert_eq!((status, out.as_str()), (2, ""), "{err}");
        assert!(err.contains("nothing was sent"), "{err}");
        let (status, out, _) = told(&lasthop(home.path(), &base, &["--from", from, "--dry-run"]));
        assert_eq!(status, 0);
        assert!(
            out.contains("POST /") && out.contains("Authorization: …") && out.contains("cost: "),
            "{out}"
        );
    }
    // A dry run asks what is left, and creates nothing; without an answer to that it is a dry run all the same.
    let seen: Vec<String> = seen.lock().unwrap().iter().map(|(line, ..)| line.clone()).collect();
    assert_eq!(seen, ["GET /credits/ HTTP/1.1"]);
}

#[test]
fn a_dry_run_tells_what_is_left() {
    let home = tempfile::tempdir().unwrap();
    let limits =
        r#"{"rateLimit":{"measurements":{"create":{"type":"ip","limit":250,"remaining":245,"reset":3599}}}}"#;
    let (base, seen) = server(vec![says("200 OK", limits)]);
    let (status, out, _) = told(&lasthop(home.path(), &base, &["--from", "globalping:Moscow", "--dry-run"]));
    assert_eq!(status, 0);
    assert!(out.contains("left: 245 tests of 250 an hour, all again in 3599 s"), "{out}");
    assert!(seen.lock().unwrap()[0].0.starts_with("GET /v1/limits"));
}

/// A country beside ASes: the probes are looked up, page by page, and asked for by number.
#[test]
fn atlas_probes_of_an_as_in_a_country_are_chosen_first() {
    let home = tempfile::tempdir().unwrap();
    let probe = |id: u32, asn: u32| {
        format!(r#"{{"id":{id},"asn_v4":{asn},"country_code":"RU","status":{{"id":1,"name":"Connected"}}}}"#)
    };
    let (base, seen) = server(vec![
        // A date, as RFC 9110 allows, one second from the server's own.
        says(
            "429 Too Many Requests\r\nDate: Sun, 06 Nov 1994 08:49:36 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT",
            "",
        ),
        says(
            "200 OK",
            format!(
                r#"{{"next":"https://atlas.example/api/v2/probes/?page=2","results":[{}]}}"#,
                probe(1, 8359)
            ),
        ),
        says("200 OK", format!(r#"{{"next":null,"results":[{},{}]}}"#, probe(2, 8359), probe(3, 12389))),
        says("201 Created", r#"{"measurements":[7,8]}"#),
        says("200 OK", STATE),
        says("200 OK", result(7, "192.0.2.10", false)),
        says("200 OK", STATE),
        says("200 OK", result(8, "192.0.2.20", true)),
    ]);
    let words = ["--from", "atlas:asn=8359,12389,country=RU,limit=50", "--yes", "--json"];
    let (status, out, err) = told(&lasthop(home.path(), &base, &words));
    assert_eq!(status, 12, "{err}{out}");
    let seen = seen.lock().unwrap();
    assert!(seen[1].0.contains("/probes/?asn_v4__in=8359,12389&country_code=RU&status=1"), "{seen:?}");
    assert!(seen[2].0.contains("/probes/?page=2"), "{seen:?}");
    let body: serde_json::Value = serde_json::from_str(&seen[3].2).unwrap();
    assert_eq!(body["probes"], serde_json::json!([{"type": "probes", "value": "1,3,2", "requested": 3}]));
    drop(seen);

    // Finished, so that its numbers need no network any more, and no key.
    let (nobody, asked) = server(vec![]);
    let words = ["--from", "atlas:resume=7,8", "--json"];
    let (status, out, err) = told(&lasthop(home.path(), &nobody, &words));
    assert_eq!(status, 12, "{err}{out}");
    assert!(err.contains("measurement 7: finished, from the cache"), "{err}");
    assert_eq!(set(&out).1, [false, true]);
    assert!(asked.lock().unwrap().is_empty());
    // Where the file is gone, or was cut, the network is asked.
    let cut = home.path().join(".cache/lasthop/remote/atlas-8.json");
    fs::write(&cut, "[{\"prb_id\":1").unwrap();
    let (base, asked) = server(vec![says("200 OK", STATE), says("200 OK", result(8, "192.0.2.20", true))]);
    let (status, out, err) = told(&lasthop(home.path(), &base, &words));
    assert_eq!(status, 12, "{err}{out}");
    assert!(asked.lock().unwrap()[0].0.starts_with("GET /measurements/8/"), "{err}");
}

#[test]
fn refusals_and_keys_that_others_may_read_are_told() {
    let home = tempfile::tempdir().unwrap();
    let body = format!(r#"{{"error":{{"type":"no_probes_found","message":"none for {KEY}"}}}}"#);
    let (base, _) = server(vec![says("422 Unprocessable Content", body)]);
    let (status, _, err) = told(&lasthop(home.path(), &base, &["--from", "globalping:Moscow", "--yes"]));
    assert_eq!(status, 3);
    assert!(err.contains("422: none for …"), "{err}");
    let folder = home.path().join(".config/lasthop");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("keys.toml");
    fs::write(&file, format!("globalping = \"{KEY}\"\n")).unwrap();
    for (mode, wanted) in [(0o644, 3), (0o600, 0)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let output = Command::new(PROGRAM)
            .args(["diagnose", "192.0.2.10", "-r", "192.0.2.20", "--from", "globalping:Moscow", "--dry-run"])
            .env_clear()
            .env("HOME", home.path())
            .output()
            .unwrap();
        let (status, out, err) = told(&output);
        assert_eq!(status, wanted, "{err}");
        assert!(
            if mode == 0o600 { out.contains("your key") } else { err.contains("chmod 600") },
            "{out}{err}"
        );
    }
}
