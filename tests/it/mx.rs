//! Names asked of a DNS server of the test's own on loopback: mail hosts, chosen servers, two that differ.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use simple_dns::rdata::{A, MX, RData};
use simple_dns::{CLASS, Name, Packet, QTYPE, RCODE, ResourceRecord, TYPE};

use super::net::{missing_right, skip};
use super::world::document;

/// What the server knows: a name, and its MX hosts or its address.
enum Says {
    Mx(&'static [(u16, &'static str)]),
    A(Ipv4Addr),
}

const SEVENTEEN: [(u16, &str); 17] = [
    (1, "a.example"),
    (1, "b.example"),
    (1, "c.example"),
    (1, "d.example"),
    (1, "e.example"),
    (1, "f.example"),
    (1, "g.example"),
    (1, "h.example"),
    (1, "i.example"),
    (1, "j.example"),
    (1, "k.example"),
    (1, "l.example"),
    (1, "m.example"),
    (1, "n.example"),
    (1, "o.example"),
    (1, "p.example"),
    (1, "q.example"),
];

fn zone(other: bool) -> Vec<(&'static str, Says)> {
    let at = |last| Says::A(Ipv4Addr::new(127, 0, 0, last));
    vec![
        (
            "mail.example",
            Says::Mx(&[(20, "mx2.example"), (10, "mx1.example"), (30, "gone.example"), (40, "b d")]),
        ),
        ("mx1.example", at(2)),
        ("mx2.example", at(3)),
        ("null.example", Says::Mx(&[(0, "")])),
        ("plain.example", at(if other { 5 } else { 4 })),
        ("many.example", Says::Mx(&SEVENTEEN)),
        ("blocked.example", Says::A(Ipv4Addr::UNSPECIFIED)),
    ]
}

/// A server until it is dropped.
struct Server {
    at: String,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(other: bool) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let at = socket.local_addr().unwrap().to_string();
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let zone = zone(other);
            let mut buffer = [0; 1500];
            while !ends.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                socket.send_to(&answer(&buffer[..length], &zone), from).unwrap();
            }
        });
        Self { at, over, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn answer(query: &[u8], zone: &[(&'static str, Says)]) -> Vec<u8> {
    let mut packet = Packet::parse(query).unwrap().into_reply();
    let (name, kind) = (packet.questions[0].qname.to_string(), packet.questions[0].qtype);
    let mut known = false;
    for (owner, says) in zone.iter().filter(|(owner, _)| *owner == name) {
        known = true;
        let mut add = |rdata| {
            let owner = Name::new_unchecked(owner);
            packet.answers.push(ResourceRecord::new(owner, CLASS::IN, 300, rdata));
        };
        match says {
            Says::Mx(hosts) if kind == QTYPE::TYPE(TYPE::MX) => {
                for (preference, host) in *hosts {
                    let exchange = Name::new_unchecked(host);
                    add(RData::MX(MX { preference: *preference, exchange }));
                }
            }
            Says::A(address) if kind == QTYPE::TYPE(TYPE::A) => {
                add(RData::A(A { address: (*address).into() }))
            }
            _ => {}
        }
    }
    if !known {
        *packet.rcode_mut() = RCODE::NameError;
    }
    packet.build_bytes_vec_compressed().unwrap()
}

fn lasthop(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lasthop"))
        .args(words)
        .stdin(Stdio::null())
        .env("NO_COLOR", "1")
        .env("COLUMNS", "160")
        .env("XDG_CACHE_HOME", "/dev/null/none")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Listeners at one port of several addresses of loopback.
fn listeners() -> (Vec<TcpListener>, String) {
    for _ in 0..20 {
        let first = TcpListener::bind("127.0.0.2:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let rest = [3, 4].map(|last| TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), port)));
        if let [Ok(second), Ok(third)] = rest {
            return (vec![first, second, third], port.to_string());
        }
    }
    panic!("no port is free at three addresses");
}

#[test]
fn every_mail_host_is_a_target_and_the_others_are_its_references() {
    let test = "every_mail_host_is_a_target_and_the_others_are_its_references";
    if let Some(reason) = missing_right() {
        return skip(test, &reason).unwrap_or(());
    }
    let server = Server::start(false);
    let (_listeners, port) = listeners();
    let words = ["diagnose", "--mx", "mail.example", "--dns", &server.at, "-p", &port, "--json"];
    let output = lasthop(&words);
    let set = document(&output);
    let runs = set["runs"].as_array().unwrap_or_else(|| panic!("{set:#} {}", said(&output)));
    let told: Vec<_> = runs
        .iter()
        .map(|run| {
            let named = |path: &Value| (path["host"].clone(), path["address"].clone());
            let references: Vec<_> = run["references"].as_array().unwrap().iter().map(named).collect();
            (named(&run["target"]), references, run["verdict"]["kind"].clone())
        })
        .collect();
    let host = |name: &str, address: &str| (Value::from(name), Value::from(address));
    let (one, two) = (host("mx1.example", "127.0.0.2"), host("mx2.example", "127.0.0.3"));
    assert_eq!(told.len(), 2, "{set:#}");
    for ((target, references, kind), (wanted, other)) in told.iter().zip([(&one, &two), (&two, &one)]) {
        assert_eq!((target, kind), (wanted, &"reachable".into()));
        assert!(references.contains(other), "{references:?}");
    }
    assert_eq!(output.status.code(), Some(0));
    for run in runs {
        assert_eq!(run["port"].to_string(), port);
        let asked =
            |lookup: &Value| (lookup["name"].clone(), lookup["type"].clone(), lookup["answers"].clone());
        let dns: Vec<_> = run["dns"].as_array().unwrap().iter().map(asked).collect();
        let one = |data: &str| json!([{"data": data, "ttl": 300}]);
        let mx = ["20 mx2.example.", "10 mx1.example.", "30 gone.example.", "40 b d."];
        let mx = mx.map(|data| json!({"data": data, "ttl": 300}));
        assert_eq!(
            dns,
            [
                ("mail.example".into(), "MX".into(), json!(mx)),
                ("mx1.example".into(), "A".into(), one("127.0.0.2")),
                ("mx2.example".into(), "A".into(), one("127.0.0.3")),
                ("gone.example".into(), "A".into(), json!([])),
            ]
        );
        assert_eq!(run["dns"][0]["server"], server.at);
        assert_eq!(run["dns"][3]["error"], "there is no such name");
    }
    let talk = said(&output);
    assert!(talk.contains("gone.example is left out: there is no such name"), "{talk}");
    assert!(talk.contains("'b d' is no host name"), "{talk}");

    let text = lasthop(&words[..7]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("mail.example MX 20 mx2.example., 10 mx1.example."), "{text}");
    assert!(text.contains("run 2 of 2"), "{text}");
}

#[test]
fn a_domain_without_mx_is_its_own_mail_host() {
    let test = "a_domain_without_mx_is_its_own_mail_host";
    if let Some(reason) = missing_right() {
        return skip(test, &reason).unwrap_or(());
    }
    let server = Server::start(false);
    let (_listeners, port) = listeners();
    let words =
        ["diagnose", "--mx", "plain.example", "--dns", &server.at, "-p", &port, "--no-search", "--json"];
    let output = lasthop(&words);
    let run = document(&output);
    assert_eq!(run["schema"], "lasthop.run/1", "{run:#} {}", said(&output));
    assert_eq!(
        (&run["target"]["host"], &run["target"]["address"]),
        (&"plain.example".into(), &"127.0.0.4".into())
    );
    assert_eq!(run["verdict"]["kind"], "reachable");
    assert!(said(&output).contains("plain.example has no MX record"), "{}", said(&output));
}

/// Two servers are asked about everything; the first is believed.
#[test]
fn two_servers_that_differ_are_told() {
    let test = "two_servers_that_differ_are_told";
    if let Some(reason) = missing_right() {
        return skip(test, &reason).unwrap_or(());
    }
    let (one, other) = (Server::start(false), Server::start(true));
    let (_listeners, port) = listeners();
    for verb in ["diagnose", "trace"] {
        let words = [verb, "plain.example", &port, "--dns", &one.at, "--dns", &other.at, "-4", "--json"];
        let output = lasthop(&words);
        let run = document(&output);
        assert_eq!(run["target"]["address"], "127.0.0.4", "{run:#} {}", said(&output));
        let servers: Vec<_> =
            run["dns"].as_array().unwrap().iter().map(|lookup| lookup["server"].clone()).collect();
        assert_eq!(servers, [one.at.as_str(), other.at.as_str()]);
        let difference = "differ about the A records of plain.example: 127.0.0.4 and 127.0.0.5";
        assert!(run["findings"][0]["text"].as_str().unwrap().contains(difference), "{run:#}");
        assert!(said(&output).contains(difference), "{}", said(&output));
        let text = lasthop(&words[..8]);
        assert!(String::from_utf8_lossy(&text.stdout).contains(difference));
    }
    // A server that does not know does not win over one that does.
    let words = ["trace", "localhost", "-4", "--dns", &one.at, "--json"];
    assert_eq!(document(&lasthop(&words))["error"]["kind"], "name");
}

/// Without `--dns` the system is asked, and that is kept too, without what it does not tell.
#[test]
fn the_systems_answers_are_kept() {
    let test = "the_systems_answers_are_kept";
    if let Some(reason) = missing_right() {
        return skip(test, &reason).unwrap_or(());
    }
    let run = document(&lasthop(&["trace", "localhost", "-4", "--json"]));
    let lookup = &run["dns"][0];
    assert_eq!(
        (&lookup["name"], &lookup["server"], &lookup["type"]),
        (&"localhost".into(), &Value::Null, &Value::Null)
    );
    let answers = lookup["answers"].as_array().unwrap();
    assert!(answers.contains(&json!({"data": "127.0.0.1", "ttl": null})), "{answers:?}");
    // An address is no name.
    assert!(document(&lasthop(&["trace", "127.0.0.1", "--json"])).get("dns").is_none());
}

/// A bundle keeps what was said, and one that hides who asked keeps nothing of it.
#[test]
fn a_bundle_keeps_the_answers_unless_it_is_redacted() {
    let test = "a_bundle_keeps_the_answers_unless_it_is_redacted";
    if let Some(reason) = missing_right() {
        return skip(test, &reason).unwrap_or(());
    }
    let (one, other) = (Server::start(false), Server::start(true));
    let (_listeners, port) = listeners();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.zip");
    let path = path.to_str().unwrap();
    let words =
        ["diagnose", "plain.example", &port, "--dns", &one.at, "--dns", &other.at, "-4", "--no-search"];
    let output = lasthop(&[&words[..], &["--bundle", path, "--redact"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for (path, kept) in [(path.to_owned(), false), (format!("{path}.unredacted"), true)] {
        let verified = lasthop(&["verify", &path]);
        assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
        let shown = lasthop(&["report", &path, "--json"]);
        let run = document(&shown);
        assert_eq!(run.get("dns").is_some(), kept, "{run:#}");
        assert_eq!(run.get("findings").is_some(), kept);
        // The command line is in the archive, and the server's port in it is nobody else's.
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
        let mut whole = String::new();
        for at in 0..archive.len() {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut archive.by_index(at).unwrap(), &mut bytes).unwrap();
            whole.push_str(&String::from_utf8_lossy(&bytes));
        }
        assert_eq!(whole.contains(&one.at), kept, "{path}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused_with_the_way_out() {
    let server = Server::start(false);
    let refused = |words: &[&str], status: i32, word: &str| {
        let output = lasthop(&[&["diagnose"], words].concat());
        assert_eq!(output.status.code(), Some(status), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(word), "{words:?}: {}", said(&output));
        assert!(output.stdout.is_empty());
    };
    let by = |words: &[&'static str], status, word| {
        let dns = ["--dns", server.at.as_str()];
        refused(&[words, &dns[..]].concat(), status, word);
    };
    by(&["--mx", "null.example"], 3, "RFC 7505");
    by(&["--mx", "nowhere.example"], 3, "there is no such name");
    by(&["--mx", "many.example"], 2, "17 mail hosts");
    by(&["--mx", "mail.example", "-6"], 3, "no mail host of mail.example has an IPv6 address");
    by(&["--mx", "no name"], 3, "cannot be asked for");
    by(&["blocked.example", "-4"], 2, "the unspecified address");
    by(&["plain.example", "-6"], 3, "use -4: it has 127.0.0.4");
    by(&["nowhere.example"], 3, "there is no such name");
    by(&["--mx", "mail.example", "127.0.0.1"], 2, "cannot be used with");
    by(&["--mx", "mail.example", "--also", "127.0.0.1"], 2, "cannot be used with");
    refused(&[], 2, "TARGET");
    refused(&["a", "--dns", "a.example"], 2, "192.0.2.53");
    refused(&["a", "--dns", "192.0.2.1:0"], 2, "192.0.2.53");
    refused(&["a", "--dns", "192.0.2.1", "--dns", "192.0.2.1:53"], 2, "given twice");
    refused(&["a", "--dns", "192.0.2.1", "--dns", "192.0.2.2", "--dns", "192.0.2.3"], 2, "more than two");
}

/// What follows a SYN-ACK: a service that works, and ports that are only open.
#[test]
fn an_open_port_is_told_from_a_working_service() {
    let test = "an_open_port_is_told_from_a_working_service";
    if let Some(reason) = missing_right() {
        return skip(test, &reason).unwrap_or(());
    }
    let cases = [
        ("smtp", "220 mx1.example ESMTP\r\n", json!(null), "The service works: it answers SMTP"),
        ("http", "HTTP/1.1 200 OK\r\n\r\n", json!(null), "The service works: it answers HTTP"),
        ("tls", "garbage\r\n", json!("what came is no TLS"), "TLS does not work there: what came is no TLS"),
        (
            "smtp",
            "",
            json!("the connection was closed without a word"),
            "The host answers, but SMTP does not work there: the connection",
        ),
    ];
    for (service, says, error, note) in cases {
        let listener = TcpListener::bind("127.0.0.2:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        listener.set_nonblocking(true).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut from = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                // The probes' connections are gone before they can be taken.
                let Ok((mut stream, peer)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                from.push(peer.ip());
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                let _ = std::io::Read::read(&mut stream, &mut [0; 2048]);
                let _ = std::io::Write::write_all(&mut stream, says.as_bytes());
            }
            from
        });
        let words = ["diagnose", "127.0.0.2", &port, "--no-search", "--app", service, "-s", "127.0.0.9"];
        let run = lasthop(&[&words[..], &["--json"]].concat());
        let text = lasthop(&words);
        over.store(true, Ordering::Relaxed);
        let from = thread.join().unwrap();
        let run = document(&run);
        let app = &run["app"];
        assert_eq!((&app["protocol"], &app["error"]), (&service.into(), &error), "{run:#}");
        assert_eq!(app["works"], error.is_null());
        assert_eq!(app["said"].as_str().unwrap_or_default(), says.lines().next().unwrap_or_default());
        assert_eq!(run["verdict"]["kind"], "reachable");
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        assert!(text.contains(note), "{text}");
        // One connection a run, from the address that the probes came from.
        assert_eq!(from, ["127.0.0.9".parse::<std::net::IpAddr>().unwrap(); 2]);
    }
    // Of a target that is not reached nothing is asked.
    let closed = TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap().port().to_string();
    let words = ["diagnose", "127.0.0.2", &closed, "--no-search", "--json", "--app", "smtp"];
    let run = document(&lasthop(&words));
    assert!(run["verdict"]["kind"] != "reachable" || run["app"]["error"] == "Connection refused", "{run:#}");
    for wrong in [&["-I"][..], &["--fwmark", "5"]] {
        let output = lasthop(&[&["diagnose", "127.0.0.2", "--app", "smtp"], wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("--app"), "{}", said(&output));
    }
}
