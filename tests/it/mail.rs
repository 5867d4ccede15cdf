//! Both sides of a domain's mail in worlds of kernel routers with a DNS server of their own; URLs; one rule for the status.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use simple_dns::rdata::{A, MX, RData, TXT};
use simple_dns::{CLASS, Name, Packet, QTYPE, RCODE, ResourceRecord};

use super::net::{inside, missing_right, skip};
use super::via::two_uplinks;
use super::world::{FORWARD, FOUR, concluded, document};

/// A thread that serves until it is dropped.
struct Served {
    at: String,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<BTreeSet<IpAddr>>>,
}

impl Served {
    fn start(at: String, serve: impl FnOnce(&AtomicBool) -> BTreeSet<IpAddr> + Send + 'static) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        Self { at, over, thread: Some(std::thread::spawn(move || serve(&ends))) }
    }

    /// Who came.
    fn end(mut self) -> BTreeSet<IpAddr> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

type Zone = Vec<(&'static str, RData<'static>)>;

fn a(address: &str) -> RData<'static> {
    RData::A(A { address: address.parse::<Ipv4Addr>().unwrap().into() })
}

fn mx(host: &'static str) -> RData<'static> {
    RData::MX(MX { preference: 10, exchange: Name::new_unchecked(host) })
}

/// Strings of a text, one behind the other.
fn txt(strings: &[&'static str]) -> RData<'static> {
    let text = strings.iter().fold(TXT::new(), |text, one| text.with_string(one).unwrap());
    RData::TXT(text)
}

fn dns(socket: UdpSocket, zone: Zone) -> Served {
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let at = socket.local_addr().unwrap().to_string();
    Served::start(at, move |over| {
        let mut buffer = [0; 1500];
        while !over.load(Ordering::Relaxed) {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
            let mut packet = Packet::parse(&buffer[..length]).unwrap().into_reply();
            let (name, kind) = (packet.questions[0].qname.to_string(), packet.questions[0].qtype);
            if zone.iter().all(|(owner, _)| *owner != name) {
                *packet.rcode_mut() = RCODE::NameError;
            }
            for (owner, data) in zone.iter().filter(|(owner, _)| *owner == name) {
                if kind == QTYPE::TYPE(data.type_code()) {
                    let owner = Name::new_unchecked(owner);
                    packet.answers.push(ResourceRecord::new(owner, CLASS::IN, 300, data.clone()));
                }
            }
            socket.send_to(&packet.build_bytes_vec_compressed().unwrap(), from).unwrap();
        }
        BTreeSet::new()
    })
}

/// A service that says this to whoever connects, once they have spoken or waited.
fn service(listener: TcpListener, says: &'static str) -> Served {
    listener.set_nonblocking(true).unwrap();
    let at = listener.local_addr().unwrap().to_string();
    Served::start(at, move |over| {
        let mut from = BTreeSet::new();
        while !over.load(Ordering::Relaxed) {
            let Ok((mut stream, peer)) = listener.accept() else {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            from.insert(peer.ip().to_canonical());
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            let _ = stream.read(&mut [0; 2048]);
            let _ = stream.write_all(says.as_bytes());
        }
        from
    })
}

fn lasthop(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lasthop"))
        .args(words)
        .stdin(Stdio::null())
        .env("XDG_CACHE_HOME", "/dev/null/none")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The story's other half: mail that comes in is lost in AS8359, mail that goes out is not.
#[test]
fn only_incoming_mail_is_cut() {
    let Some(world) = two_uplinks("only_incoming_mail_is_cut") else { return };
    world.batch("you", "link set lo up", false);
    world.nft("c2", FOUR, FORWARD, "DST drop");
    let socket = inside(&world.space("you"), || UdpSocket::bind("127.0.0.1:0").unwrap());
    let server = dns(
        socket,
        vec![
            ("mail.example", mx("mx1.example")),
            ("mx1.example", a(FOUR.target)),
            ("mail.example", txt(&["site=1"])),
            ("mail.example", txt(&["v=spf1 include:_spf.m", "ail.example ptr -all"])),
            ("_spf.mail.example", txt(&["v=spf1 a:out.example ip6:2001:db8::/32 -all"])),
            ("out.example", a(FOUR.neighbour)),
        ],
    );
    let words = ["diagnose", "--mx", "mail.example", "--spf", "mail.example", "-r", "185.70.40.254"];
    let rest = ["--dns", &server.at, "--seed", "1", "-4"];
    let output = world.lasthop(&[&words[..], &rest, &["--json"]].concat());
    let set = document(&output);
    let runs = set["runs"].as_array().unwrap_or_else(|| panic!("{set:#} {}", said(&output)));
    assert_eq!(runs.len(), 2, "{set:#}");
    let told = |run: &Value| ["mail", "protocol", "port"].map(|key| run[key].clone());
    assert_eq!(told(&runs[0]), ["incoming".into(), "tcp".into(), Value::from(25)]);
    assert_eq!(told(&runs[1]), ["outgoing".into(), "icmp".into(), Value::Null]);
    assert_eq!(runs[1]["target"]["host"], "out.example");
    assert_eq!(concluded(&runs[0]), ("lost_inside_as", vec![8359], ""), "{:#}", runs[0]["verdict"]);
    assert_eq!(concluded(&runs[1]), ("reachable", vec![], ""), "{:#}", runs[1]["verdict"]);
    let mail = &set["conclusion"]["mail"];
    assert_eq!((&mail["incoming"]["reachable"], &mail["outgoing"]["reachable"]), (&0.into(), &1.into()));
    assert!(mail["summary"].as_str().unwrap().contains("incoming mail alone"), "{mail}");
    assert_eq!(output.status.code(), Some(10), "{:#}", set["conclusion"]);
    let asked: Vec<_> = runs[0]["dns"].as_array().unwrap().iter().map(|one| one["type"].clone()).collect();
    assert_eq!(asked, ["MX", "A", "TXT", "TXT", "A"]);
    let talk = said(&output);
    for wanted in ["ptr of mail.example is left out", "1 IPv6 prefixes are not measured: -6"] {
        assert!(talk.contains(wanted), "{wanted}: {talk}");
    }
    let text = world.lasthop(&[&words[..], &rest].concat());
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for wanted in ["(incoming mail)", "(outgoing mail)", "incoming mail alone"] {
        assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(wanted), "{wanted}: {text}");
    }
}

/// Mail hosts by every uplink, each with a real exchange that leaves by it.
#[test]
fn mail_hosts_and_their_services_by_every_uplink() {
    let Some(world) = two_uplinks("mail_hosts_and_their_services_by_every_uplink") else { return };
    world.batch("you", "link set lo up", false);
    let socket = inside(&world.space("you"), || UdpSocket::bind("127.0.0.1:0").unwrap());
    let server = dns(
        socket,
        vec![
            ("mail.example", mx("mx1.example")),
            ("mail.example", txt(&["v=spf1 ip4:185.70.40.103 -all"])),
            ("mx1.example", a(FOUR.target)),
        ],
    );
    let services: Vec<Served> = ["target", "neighbour"]
        .into_iter()
        .map(|room| inside(&world.space(room), || TcpListener::bind("[::]:2525").unwrap()))
        .map(|listener| service(listener, "220 mx1.example ESMTP\r\n"))
        .collect();
    let words = ["diagnose", "--mx", "mail.example", "--spf", "mail.example", "-p", "2525", "--app", "smtp"];
    let rest = ["--via", "gw", "--via", "f1", "--dns", &server.at, "--no-search", "-4", "--json"];
    let output = world.lasthop(&[&words[..], &rest].concat());
    let set = document(&output);
    let runs = set["runs"].as_array().unwrap_or_else(|| panic!("{set:#} {}", said(&output)));
    let told: Vec<_> = runs
        .iter()
        .map(|run| {
            assert_eq!(run["app"]["works"], true, "{run:#}");
            (run["mail"].clone(), run["vantage"]["via"].clone(), run["verdict"]["kind"].clone())
        })
        .collect();
    let row = |side: &str, via: &str| (side.into(), via.into(), "reachable".into());
    let wanted = [row("incoming", "gw"), row("incoming", "f1"), row("outgoing", "gw"), row("outgoing", "f1")];
    assert_eq!(told, wanted);
    assert_eq!(output.status.code(), Some(0));
    // The home's address is translated by nobody, and each exchange came by its uplink.
    for service in services {
        let from: Vec<String> = service.end().iter().map(ToString::to_string).collect();
        assert_eq!(from, ["185.68.80.161", "192.168.1.5"]);
    }
    let marked =
        ["diagnose", "--mx", "mail.example", "--app", "smtp", "--via", "mark:5", "--dns", &server.at];
    let output = world.lasthop(&marked);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("--app cannot mark"), "{}", said(&output));
}

#[test]
fn domains_that_do_not_say_who_sends_are_refused() {
    let server = dns(
        UdpSocket::bind("127.0.0.1:0").unwrap(),
        vec![
            ("none.example", txt(&["x"])),
            ("two.example", txt(&["v=spf1 -all"])),
            ("two.example", txt(&["v=spf1 +all"])),
            ("nobody.example", txt(&["v=spf1 -all"])),
        ],
    );
    for (domain, word) in [
        ("none.example", "there is no SPF record"),
        ("gone.example", "there is no SPF record"),
        ("two.example", "2 SPF records"),
        ("nobody.example", "names no IPv4 address"),
    ] {
        let output = lasthop(&["diagnose", "--spf", domain, "--dns", &server.at]);
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        assert!(said(&output).contains(word), "{}", said(&output));
    }
    let output = lasthop(&["diagnose", "127.0.0.2", "--spf", "x.example"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

#[test]
fn a_url_is_a_host_a_port_and_a_service() {
    if let Some(reason) = missing_right() {
        return skip("a_url_is_a_host_a_port_and_a_service", &reason).unwrap_or(());
    }
    let server = dns(UdpSocket::bind("127.0.0.1:0").unwrap(), vec![("xn--e1afmkfd.example", a("127.0.0.2"))]);
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let web = service(listener, "HTTP/1.1 200 OK\r\n\r\n");
    let url = format!("http://пример.example:{port}/a?b");
    let words = ["diagnose", "--url", &url, "--dns", &server.at, "--no-search", "--json"];
    let run = document(&lasthop(&words));
    assert_eq!((&run["target"]["host"], &run["port"]), (&"xn--e1afmkfd.example".into(), &port.into()));
    assert_eq!((&run["app"]["protocol"], &run["app"]["works"]), (&"http".into(), &true.into()), "{run:#}");
    let run = document(&lasthop(&[&words[..], &["--app", "none"]].concat()));
    assert_eq!((&run["verdict"]["kind"], run.get("app")), (&"reachable".into(), None));
    assert_eq!(web.end().len(), 1);
    for (url, word) in [("ftp://example.net/", "TARGET 21"), ("example.net", "https://example.net")] {
        let output = lasthop(&["diagnose", "--url", url]);
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains(word), "{}", said(&output));
    }
    let output = lasthop(&["diagnose", "--url", "https://example.net/", "-I"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

/// A list that was named and cannot be read has the same status, of one run, of several and of a comparison.
#[test]
fn a_list_that_cannot_be_read_has_one_status() {
    if let Some(reason) = missing_right() {
        return skip("a_list_that_cannot_be_read_has_one_status", &reason).unwrap_or(());
    }
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    // A folder opens, and has no bytes.
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().to_str().unwrap();
    let saved = folder.path().join("run.json");
    let saved = saved.to_str().unwrap();
    let one = ["diagnose", "127.0.0.2", &port, "--no-search", "--registry", list, "--json"];
    for words in [
        [&one[..], &["-o", saved]].concat(),
        [&one[..], &["--also", "127.0.0.3"]].concat(),
        vec!["compare", saved, "--registry", list, "--json"],
    ] {
        let output = lasthop(&words);
        assert_eq!(output.status.code(), Some(4), "{words:?}: {}", said(&output));
        assert!(said(&output).contains("cannot read the register"), "{}", said(&output));
        // What was measured is told all the same.
        let told = document(&output);
        assert!(told["verdict"]["kind"] == "reachable" || told["runs"].is_array(), "{told:#}");
    }
}
