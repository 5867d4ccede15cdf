//! `db fetch` against a server of our own on loopback, which does what servers and those in between do: cut, redirect,
//! deny, delay, lie, and talk for ever. What was there before must survive all of it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::mmdb;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");
const OLD_DATE: &str = "Mon, 01 Jun 2026 00:00:00 GMT";
const NEW_DATE: &str = "Tue, 02 Jun 2026 00:00:00 GMT";
const NOW: &str = "Wed, 03 Jun 2026 00:00:00 GMT";

/// A request as it came.
#[derive(Clone, Debug)]
struct Request {
    path: String,
    head: String,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The first byte that is asked for.
    fn first_byte(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// A server that answers one request a connection. It lives as long as the test's process, which is short.
struct Server {
    at: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `answer` is told which request it is, from 0.
    fn start(
        answer: impl Fn(&Request, usize, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (known, answer) = (seen.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(mut stream), known, answer) = (stream, known.clone(), answer.clone()) else { return };
                thread::spawn(move || {
                    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
                    let mut head = String::new();
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    while reader.read_line(&mut head).is_ok_and(|count| count > 2) {}
                    let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
                    let request = Request { path, head };
                    let number = {
                        let mut known = known.lock().unwrap();
                        known.push(request.clone());
                        known.len() - 1
                    };
                    // A client that hangs up has its reasons.
                    let _ = answer(&request, number, &mut stream);
                });
            }
        });
        Self { at, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }

    fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

/// A whole response.
fn reply(stream: &mut TcpStream, status: &str, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<()> {
    head(stream, status, headers, Some(body.len()))?;
    stream.write_all(body)
}

fn head(
    stream: &mut TcpStream,
    status: &str,
    headers: &[(&str, &str)],
    length: Option<usize>,
) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\nDate: {NOW}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(length) = length {
        text.push_str(&format!("Content-Length: {length}\r\n"));
    }
    stream.write_all(format!("{text}\r\n").as_bytes())
}

/// What a decent server does with ranges and conditions.
fn serve(
    request: &Request,
    stream: &mut TcpStream,
    body: &[u8],
    etag: &str,
    date: &str,
) -> std::io::Result<()> {
    let validators = [("ETag", etag), ("Last-Modified", date)];
    if request.header("if-none-match") == Some(etag) {
        return head(stream, "304 Not Modified", &validators, None);
    }
    match request.first_byte().filter(|_| request.header("if-range").is_none_or(|wanted| wanted == etag)) {
        Some(from) if from >= body.len() => reply(
            stream,
            "416 Range Not Satisfiable",
            &[("Content-Range", &format!("bytes */{}", body.len()))],
            b"",
        ),
        Some(from) => {
            let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
            let headers = [validators[0], validators[1], ("Content-Range", &range)];
            reply(stream, "206 Partial Content", &headers, &body[from..])
        }
        None => reply(stream, "200 OK", &validators, body),
    }
}

/// A table in iptoasn's form, some 70 kB; other `of`, other bytes, same length.
fn table(of: u32) -> Vec<u8> {
    let row = |net: u32| {
        format!(
            "20.{}.{}.0\t20.{}.{}.255\t{}\tZZ\tEXAMPLE\n",
            net >> 8,
            net & 255,
            net >> 8,
            net & 255,
            of + 10_000
        )
    };
    (0..1600).map(row).collect::<String>().into_bytes()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// A directory to fetch into.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a file that is there already.
    fn holding(bytes: &[u8]) -> Self {
        let place = Self::new();
        fs::write(place.path("iptoasn.tsv.gz"), bytes).unwrap();
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = (fs::read_dir(self.0.path()).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["db", "fetch"]).args(words).current_dir(self.0.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars() {
            let lower = name.to_ascii_lowercase();
            if lower.ends_with("_proxy")
                || ["maxmind", "ipinfo", "peeringdb"].iter().any(|key| lower.starts_with(key))
            {
                command.env_remove(name);
            }
        }
        command.env("HOME", self.0.path()).env_remove("XDG_CONFIG_HOME").env("NO_COLOR", "1");
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        let began = Instant::now();
        let output = self.command(words).output().unwrap();
        assert!(began.elapsed() < Duration::from_secs(60), "{words:?} took {:?}", began.elapsed());
        output
    }

    /// Fetches `iptoasn` from this address, in JSON.
    fn fetch(&self, url: &str, more: &[&str]) -> Done {
        let mut words = vec!["iptoasn", "--url", url, "--json", "--timeout", "1"];
        words.extend(more);
        Done::of(&self.run(&words))
    }
}

struct Done {
    status: i32,
    file: Value,
    error: Value,
    said: String,
}

impl Done {
    fn of(output: &Output) -> Self {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
        let document = documents.next().unwrap_or_else(|| panic!("no document: {said}")).unwrap();
        assert!(documents.next().is_none(), "one document");
        assert_eq!(document["schema"], "lasthop.fetch/1", "{document:#} {said}");
        let (file, error) = (document["files"][0].clone(), document["error"].clone());
        assert_eq!(error, file["error"]);
        Self { status: output.status.code().unwrap(), file, error, said }
    }

    #[track_caller]
    fn came(&self, outcome: &str) {
        assert_eq!(
            (self.status, self.file["outcome"].as_str()),
            (0, Some(outcome)),
            "{:#} {}",
            self.file,
            self.said
        );
        assert!(self.error.is_null());
    }

    /// It did not come, with that status, and the message says so in this word; a hint shows the way out.
    #[track_caller]
    fn failed(&self, status: i32, word: &str) {
        let message = self.error["message"].as_str().unwrap_or_default();
        assert_eq!(self.status, status, "{:#} {}", self.error, self.said);
        assert!(message.contains(word), "'{word}' is not in: {message}");
        assert!(self.error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{:#}", self.error);
        assert_eq!(self.file["outcome"], "failed");
        assert!(self.said.contains("hint: "), "{}", self.said);
    }
}

#[test]
fn a_file_comes_whole_with_a_note_and_is_not_fetched_again() {
    let body = packed(&table(1));
    let sent = body.clone();
    let server = Server::start(move |request, _, stream| serve(request, stream, &sent, "\"v1\"", OLD_DATE));
    let place = Place::new();
    let done = place.fetch(&server.url("/ip2asn.tsv.gz"), &[]);
    done.came("new");
    assert_eq!(place.read("iptoasn.tsv.gz"), body);
    assert_eq!(place.names(), [".iptoasn.tsv.gz.source.json", "iptoasn.tsv.gz"]);
    let sum: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(done.file["sha256"], sum.as_str());
    assert_eq!(done.file["bytes"], body.len());
    assert_eq!(done.file["resumed_at"], 0);
    assert_eq!(done.file["content"], "TSV of ranges (iptoasn), 1600 ranges");
    assert_eq!(done.file["terms"], "PDDL 1.0");
    // The age of a table without a date of its own is that of its file.
    let modified = fs::metadata(place.path("iptoasn.tsv.gz")).unwrap().modified().unwrap();
    let expected: jiff::Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    assert_eq!(jiff::Timestamp::try_from(modified).unwrap(), expected);

    place.fetch(&server.url("/ip2asn.tsv.gz"), &[]).came("current");
    let seen = server.seen();
    let asked: Vec<_> = seen.iter().map(|request| request.header("if-none-match")).collect();
    assert_eq!(asked, [None, Some("\"v1\"")]);
    for request in &seen {
        assert_eq!(request.header("user-agent"), Some(concat!("lasthop/", env!("CARGO_PKG_VERSION"))));
        assert_eq!(request.header("accept-encoding"), Some("identity"));
    }
    // Asked for by force, or changed by somebody, it is fetched whole.
    place.fetch(&server.url("/ip2asn.tsv.gz"), &["--force"]).came("replaced");
    fs::write(place.path("iptoasn.tsv.gz"), b"changed").unwrap();
    place.fetch(&server.url("/ip2asn.tsv.gz"), &[]).came("replaced");
    assert_eq!(place.read("iptoasn.tsv.gz"), body);
    assert!(server.seen()[2..].iter().all(|request| request.header("if-none-match").is_none()));
}

#[test]
fn text_tells_what_came() {
    let body = packed(&table(1));
    let server = Server::start(move |request, _, stream| serve(request, stream, &body, "\"v1\"", OLD_DATE));
    let place = Place::new();
    let output = place.run(&["iptoasn", "--from", &server.url("")]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("./iptoasn.tsv.gz  new, ") && said.contains("1600 ranges"), "{said}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("PDDL"));
    assert_eq!(server.seen()[0].path, "/data/ip2asn-combined.tsv.gz");
}

#[test]
fn what_was_cut_goes_on_where_it_ended() {
    let body = packed(&table(2));
    let half = body.len() / 2;
    let sent = body.clone();
    // Cut at first, and whole when asked for the rest.
    let server = Server::start(move |request, number, stream| match number {
        0 => {
            head(stream, "200 OK", &[("ETag", "\"v1\"")], Some(sent.len()))?;
            stream.write_all(&sent[..half])
        }
        _ => serve(request, stream, &sent, "\"v1\"", OLD_DATE),
    });
    let place = Place::holding(b"old");
    let done = place.fetch(&server.url("/t"), &[]);
    done.came("replaced");
    assert_eq!(place.read("iptoasn.tsv.gz"), body);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[1].first_byte(), seen[1].header("if-range")), (Some(half), Some("\"v1\"")));
    assert!(done.said.contains(&format!("going on from byte {half}")), "{}", done.said);
}

#[test]
fn one_that_is_always_cut_leaves_the_old_file_and_is_taken_up_by_the_next_run() {
    let body = packed(&table(3));
    let third = body.len() / 3;
    let sent = body.clone();
    let server = Server::start(move |request, number, stream| {
        if number == 0 {
            head(stream, "200 OK", &[("Last-Modified", OLD_DATE)], Some(sent.len()))?;
            return stream.write_all(&sent[..third]);
        }
        if request.path == "/cut" && number < 6 {
            // Whatever is asked for, nothing more comes.
            let range = format!("bytes {third}-{}/{}", sent.len() - 1, sent.len());
            let headers = [("Content-Range", range.as_str()), ("Last-Modified", OLD_DATE)];
            return head(stream, "206 Partial Content", &headers, Some(sent.len() - third));
        }
        let range = format!("bytes {third}-{}/{}", sent.len() - 1, sent.len());
        let headers = [("Content-Range", range.as_str()), ("Last-Modified", OLD_DATE)];
        let asked = request.header("if-range");
        assert!(
            request.path == "/other" || asked == Some(OLD_DATE),
            "without an ETag, the date is the validator"
        );
        reply(stream, "206 Partial Content", &headers, &sent[third..])
    });
    let place = Place::holding(b"old");
    place.fetch(&server.url("/cut"), &[]).failed(3, &format!("cut after {third} bytes of {}", body.len()));
    assert_eq!(place.read("iptoasn.tsv.gz"), b"old");
    assert_eq!(place.read("iptoasn.tsv.gz.part"), body[..third]);
    let mut done = place.fetch(&server.url("/cut"), &[]);
    for _ in 0..6 {
        if done.status == 0 {
            break;
        }
        done = place.fetch(&server.url("/cut"), &[]);
    }
    done.came("replaced");
    assert_eq!(done.file["resumed_at"], third);
    assert_eq!(place.read("iptoasn.tsv.gz"), body);
    // Of another address the part is none.
    fs::write(place.path("iptoasn.tsv.gz.part"), b"of something else").unwrap();
    place.fetch(&server.url("/other"), &[]).failed(4, "nobody asked for");
    assert_eq!(server.seen().last().unwrap().first_byte(), None);
}

#[test]
fn a_part_is_only_completed_with_bytes_of_the_same_version() {
    let (old, new) = (packed(&table(4)), packed(&table(5)));
    // "/ignores": no ranges. "/changed": another version, told by If-Range. "/lies": another version under the old name
    // of a range. "/shifts": another range than was asked for.
    for path in ["/ignores", "/changed", "/lies", "/shifts"] {
        let (before, after) = (old.clone(), new.clone());
        let server = Server::start(move |request, number, stream| {
            let etags = [("ETag", "\"old\""), ("Last-Modified", OLD_DATE)];
            if number == 0 {
                head(stream, "200 OK", &etags, Some(before.len()))?;
                return stream.write_all(&before[..1000]);
            }
            match (request.path.as_str(), request.first_byte()) {
                ("/lies", Some(from)) => {
                    let range = format!("bytes {from}-{}/{}", after.len() - 1, after.len());
                    let headers = [("ETag", "\"new\""), ("Content-Range", range.as_str())];
                    reply(stream, "206 Partial Content", &headers, &after[from..])
                }
                ("/shifts", Some(from)) => {
                    let range = format!("bytes {}-{}/{}", from - 7, before.len() - 1, before.len());
                    let headers = [("ETag", "\"old\""), ("Content-Range", range.as_str())];
                    reply(stream, "206 Partial Content", &headers, &before[from - 7..])
                }
                ("/ignores", _) => reply(stream, "200 OK", &etags, &before),
                _ => serve(request, stream, &after, "\"new\"", NEW_DATE),
            }
        });
        let place = Place::new();
        let done = place.fetch(&server.url(path), &[]);
        done.came("new");
        assert_eq!(
            place.read("iptoasn.tsv.gz"),
            if path == "/ignores" { old.clone() } else { new.clone() },
            "{path}"
        );
        assert_eq!(server.seen()[1].first_byte(), Some(1000), "{path}");
    }
}

#[test]
fn a_download_that_ended_unseen_is_only_looked_at() {
    let body = packed(&table(6));
    let sent = body.clone();
    let server = Server::start(move |request, number, stream| {
        if number == 0 {
            // One byte more is announced than there is.
            head(stream, "200 OK", &[("ETag", "\"v1\"")], Some(sent.len() + 1))?;
            return stream.write_all(&sent);
        }
        serve(request, stream, &sent, "\"v1\"", OLD_DATE)
    });
    let place = Place::new();
    let done = place.fetch(&server.url("/t"), &[]);
    done.came("new");
    assert_eq!(place.read("iptoasn.tsv.gz"), body);
    assert_eq!(server.seen()[1].first_byte(), Some(body.len()), "answered by 416 with the length");
}

#[test]
fn redirections_are_followed_a_few_times_and_never_in_a_circle() {
    let body = packed(&table(7));
    let server = Server::start(move |request, _, stream| {
        let to = match request.path.as_str() {
            "/a/1" => "/a/2?x=1",
            "/a/2?x=1" => "3",
            "/circle" => "/circle2",
            "/circle2" => "/circle",
            "/ftp" => "ftp://127.0.0.1/t",
            "/nowhere" => "http://",
            "/password" => "http://me:secret@127.0.0.1/",
            path if path.starts_with("/more") => &format!("{path}x"),
            _ => return serve(request, stream, &body, "\"v1\"", OLD_DATE),
        };
        reply(stream, "302 Found", &[("Location", to)], b"moved")
    });
    let place = Place::holding(b"old");
    place.fetch(&server.url("/circle"), &[]).failed(3, "in a circle");
    place.fetch(&server.url("/more"), &[]).failed(3, "more than 5 times");
    place.fetch(&server.url("/ftp"), &[]).failed(3, "neither http nor https");
    place.fetch(&server.url("/nowhere"), &[]).failed(3, "which is no address");
    let done = place.fetch(&server.url("/password"), &[]);
    done.failed(3, "has a password in it");
    assert_eq!(place.read("iptoasn.tsv.gz"), b"old");
    place.fetch(&server.url("/a/1"), &[]).came("replaced");
}

#[test]
fn a_server_that_refuses_is_quoted_and_nothing_changes() {
    let server = Server::start(|request, _, stream| match request.path.as_str() {
        "/403" => {
            reply(stream, "403 Forbidden", &[], b"<html><h1>No</h1> \x1b[31mgo \x1b]0;x\x07away</html>")
        }
        "/500" => reply(stream, "500 Oops", &[], b""),
        "/204" => head(stream, "204 No Content", &[], None),
        "/206" => reply(stream, "206 Partial Content", &[("Content-Range", "bytes 5-9/10")], b"12345"),
        "/304" => head(stream, "304 Not Modified", &[], None),
        "/302" => reply(stream, "302 Found", &[], b"whereto?"),
        "/garbage" => stream.write_all(b"SSH-2.0-OpenSSH_9\r\n\r\n"),
        "/nothing" => Ok(()),
        _ => reply(stream, "404 Not Found", &[], b"no such file"),
    });
    let place = Place::holding(b"old");
    let done = place.fetch(&server.url("/403"), &[]);
    done.failed(3, "answers 403: No");
    assert!(!done.said.contains('\x1b') && !done.said.contains('\x07'), "{:?}", done.said);
    place.fetch(&server.url("/gone"), &[]).failed(3, "answers 404: no such file");
    place.fetch(&server.url("/500"), &[]).failed(3, "answers 500");
    assert_eq!(server.seen().iter().filter(|request| request.path == "/500").count(), 4, "it is asked again");
    place.fetch(&server.url("/204"), &[]).failed(3, "answers 204");
    place.fetch(&server.url("/206"), &[]).failed(4, "nobody asked for");
    place.fetch(&server.url("/304"), &[]).failed(4, "nobody asked for");
    place.fetch(&server.url("/302"), &[]).failed(3, "answers 302: whereto?");
    place.fetch(&server.url("/garbage"), &[]).failed(3, "cannot fetch");
    place.fetch(&server.url("/nothing"), &[]).failed(3, "cannot fetch");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    place.fetch(&format!("http://{closed}/t"), &[]).failed(3, "refused");
    place.fetch("http://no-such-host.invalid/t", &[]).failed(3, "no-such-host.invalid");
    assert_eq!(
        (place.names(), place.read("iptoasn.tsv.gz")),
        (vec!["iptoasn.tsv.gz".to_owned()], b"old".to_vec())
    );
}

#[test]
fn retry_after_is_waited_for_once_within_reason() {
    let body = packed(&table(8));
    let server = Server::start(move |request, number, stream| {
        let later = |stream: &mut TcpStream, wait: &str| {
            reply(stream, "429 Too Many Requests", &[("Retry-After", wait)], b"slow down")
        };
        match request.path.as_str() {
            "/always" => later(stream, "0"),
            "/tomorrow" => later(stream, "86400"),
            "/next-year" => later(stream, "Sun, 06 Nov 2044 08:49:37 GMT"),
            "/plain" => reply(stream, "429 Too Many Requests", &[], b"slow down"),
            _ if number == 0 => later(stream, "1"),
            _ => serve(request, stream, &body, "\"v1\"", OLD_DATE),
        }
    });
    let place = Place::new();
    let began = Instant::now();
    let done = place.fetch(&server.url("/once"), &[]);
    done.came("new");
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(done.said.contains("waiting 1 s"), "{}", done.said);
    place.fetch(&server.url("/always"), &[]).failed(3, "answers 429: slow down");
    place.fetch(&server.url("/plain"), &[]).failed(3, "answers 429: slow down");
    place.fetch(&server.url("/tomorrow"), &[]).failed(3, "wants 86400 s of patience");
    place.fetch(&server.url("/next-year"), &[]).failed(3, "s of patience");
    let count = |path: &str| server.seen().iter().filter(|request| request.path == path).count();
    assert_eq!([count("/always"), count("/plain"), count("/tomorrow")], [2, 1, 1]);
}

#[test]
fn older_and_much_smaller_files_are_refused_unless_forced() {
    let (big, small) = (packed(&table(9)), packed(b"20.0.0.0\t20.0.0.255\t10001\tZZ\tEXAMPLE\n"));
    let (sent, little) = (big.clone(), small.clone());
    let server = Server::start(move |request, _, stream| match request.path.as_str() {
        "/new" => serve(request, stream, &sent, "\"v2\"", NEW_DATE),
        "/old" => serve(request, stream, &sent, "\"v1\"", OLD_DATE),
        "/small" => reply(stream, "200 OK", &[], &little),
        // Of unknown length, so that it is seen only at its end.
        _ => {
            head(stream, "200 OK", &[], None)?;
            stream.write_all(&little)
        }
    });
    let place = Place::new();
    place.fetch(&server.url("/new"), &[]).came("new");
    place.fetch(&server.url("/old"), &[]).failed(4, "older than the file there");
    place.fetch(&server.url("/small"), &[]).failed(4, "less than half");
    place.fetch(&server.url("/small-at-the-end"), &[]).failed(4, "less than half");
    assert_eq!(place.read("iptoasn.tsv.gz"), big);
    assert_eq!(place.names(), [".iptoasn.tsv.gz.source.json", "iptoasn.tsv.gz"], "nothing to go on with");
    place.fetch(&server.url("/old"), &["--force"]).came("replaced");
    place.fetch(&server.url("/small"), &["--force"]).came("replaced");
    assert_eq!(place.read("iptoasn.tsv.gz"), small);
}

#[test]
fn what_is_not_the_file_is_refused_and_thrown_away() {
    let good = packed(&table(10));
    let cut = good[..good.len() - 5].to_vec();
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    let bomb = packed(&vec![b'#'; 70 << 20]);
    let coded = good.clone();
    let server = Server::start(move |request, _, stream| match request.path.as_str() {
        "/portal" => {
            let page = b"<!DOCTYPE html><html><title>Welcome! Please log in</title></html>";
            reply(stream, "200 OK", &[("Content-Type", "text/html"), ("ETag", "\"p\"")], page)
        }
        "/empty" => reply(stream, "200 OK", &[], b""),
        "/cut" => reply(stream, "200 OK", &[], &cut),
        "/damaged" => reply(stream, "200 OK", &[], &damaged),
        "/bomb" => reply(stream, "200 OK", &[], &bomb),
        "/other" => reply(stream, "200 OK", &[], &packed(b"20.0.0.0\t24\t10001\n")),
        "/text" => reply(stream, "200 OK", &[], b"this is no table\n"),
        "/coded" => reply(stream, "200 OK", &[("Content-Encoding", "gzip")], &coded),
        "/huge" => head(stream, "200 OK", &[], Some(1 << 42)),
        // The text has no end of its own, and the server does not tell it.
        "/endless" => {
            head(stream, "200 OK", &[], None)?;
            stream.write_all(&table(10))
        }
        _ => Ok(()),
    });
    let place = Place::holding(b"o");
    for (path, word) in [
        ("/portal", "a web page, not data"),
        ("/empty", "is empty"),
        ("/cut", "cut or damaged (gzip"),
        ("/damaged", "cut or damaged (gzip"),
        ("/bomb", "unpacks to more than"),
        ("/other", "is prefix-to-AS (CAIDA), not TSV of ranges"),
        ("/text", "not what it should be"),
        ("/coded", "the content coding gzip, which nobody asked for"),
        ("/huge", "more than 268435456 bytes"),
        ("/endless", "does not say how long it is"),
    ] {
        place.fetch(&server.url(path), &[]).failed(4, word);
        assert_eq!(place.read("iptoasn.tsv.gz"), b"o", "{path}");
        assert_eq!(place.names(), ["iptoasn.tsv.gz"], "{path}");
    }
    place.fetch(&server.url("/endless"), &["--force"]).came("replaced");
}

#[test]
fn a_body_without_an_end_is_stopped() {
    let server = Server::start(|_, _, stream| {
        head(stream, "200 OK", &[("Transfer-Encoding", "chunked")], None)?;
        let chunk = [b"10000\r\n".as_slice(), &[b'#'; 0x10000], b"\r\n"].concat();
        // 128 MiB at most: twice what is taken.
        (0..2048).try_for_each(|_| stream.write_all(&chunk))
    });
    let place = Place::new();
    let output = place.run(&["asnames", "--url", &server.url("/t"), "--json"]);
    Done::of(&output).failed(4, "sends more than 67108864 bytes");
    assert_eq!(place.names(), [] as [&str; 0]);
}

#[test]
fn servers_that_dawdle_are_left() {
    let server = Server::start(|request, _, stream| match request.path.as_str() {
        "/silent" => {
            thread::sleep(Duration::from_secs(8));
            Ok(())
        }
        "/head" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nX-A: ")?;
            (0..80).try_for_each(|_| {
                thread::sleep(Duration::from_millis(100));
                stream.write_all(b"a")
            })
        }
        "/stalls" => {
            head(stream, "200 OK", &[], Some(10_000))?;
            stream.write_all(b"20.0.0.0\t")?;
            thread::sleep(Duration::from_secs(8));
            Ok(())
        }
        _ => {
            head(stream, "200 OK", &[], Some(10_000))?;
            (0..80).try_for_each(|_| {
                thread::sleep(Duration::from_millis(100));
                stream.write_all(b"2")
            })
        }
    });
    let place = Place::holding(b"old");
    let began = Instant::now();
    for (path, word) in [
        ("/silent", "timeout"),
        ("/head", "timeout"),
        ("/stalls", "cut after 9 bytes"),
        ("/drips", "too slow"),
    ] {
        place.fetch(&server.url(path), &[]).failed(3, word);
        assert_eq!(place.read("iptoasn.tsv.gz"), b"old");
    }
    assert!(began.elapsed() < Duration::from_secs(16), "{:?}", began.elapsed());
}

#[test]
fn a_checksum_must_be_right() {
    let body = packed(&table(11));
    let sum: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    let sent = body.clone();
    let server = Server::start(move |request, _, stream| serve(request, stream, &sent, "\"v1\"", OLD_DATE));
    let place = Place::holding(b"old");
    let wrong = "0".repeat(64);
    place.fetch(&server.url("/t"), &["--sha256", &wrong]).failed(4, &format!("has the SHA-256 {sum}"));
    assert_eq!(place.read("iptoasn.tsv.gz"), b"old");
    place.fetch(&server.url("/t"), &["--sha256", &sum]).came("replaced");
}

/// MaxMind's way: an archive, its checksum beside it, a key, and a redirection to another host.
#[test]
fn an_archive_is_checked_and_unpacked_and_the_key_stays_with_its_host() {
    let mut writer = mmdb::Writer::new();
    writer.four(0x1400_0000, 0x1400_ffff, 10_001, "EXAMPLE");
    let database = writer.finish(1_780_000_000);
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, bytes) in
        [("GeoLite2-ASN_1/LICENSE.txt", &b"terms"[..]), ("GeoLite2-ASN_1/GeoLite2-ASN.mmdb", &database)]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, bytes).unwrap();
    }
    let archive = archive.into_inner().unwrap().finish().unwrap();
    let sum: String = Sha256::digest(&archive).iter().map(|byte| format!("{byte:02x}")).collect();
    let store = Server::start(move |request, _, stream| serve(request, stream, &archive, "\"v1\"", OLD_DATE));
    let (stored, right) = (store.url("/store?signature=abc"), Arc::new(Mutex::new(false)));
    let is_right = right.clone();
    let server = Server::start(move |request, _, stream| {
        if request.header("authorization").is_none() {
            return reply(stream, "401 Unauthorized", &[], b"Invalid license key");
        }
        if request.path.contains("sha256") {
            let sum = if *is_right.lock().unwrap() { sum.clone() } else { "f".repeat(64) };
            return reply(stream, "200 OK", &[], format!("{sum}  GeoLite2-ASN_1.tar.gz\n").as_bytes());
        }
        reply(stream, "302 Found", &[("Location", &stored)], b"")
    });
    let place = Place::new();
    fs::write(place.path("key"), "77001:open-sesame\n").unwrap();
    fs::set_permissions(place.path("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let base = server.url("");
    let words = ["geolite2-asn", "--from", &base, "--key-file", "key", "--json"];
    Done::of(&place.run(&words)).failed(4, "its publisher says ffff");
    assert!(!place.path("geolite2-asn.mmdb").exists());
    *right.lock().unwrap() = true;
    let done = Done::of(&place.run(&words));
    done.came("new");
    assert_eq!(place.read("geolite2-asn.mmdb"), database);
    assert_eq!(
        done.file["content"].as_str().map(|text| text.starts_with("MMDB")),
        Some(true),
        "{:#}",
        done.file
    );
    assert_eq!(done.file["date"], "2026-05-28");
    assert_eq!(place.names(), [".geolite2-asn.mmdb.source.json", "geolite2-asn.mmdb", "key"]);
    // RFC 7617: base64 of the two with a colon.
    assert_eq!(server.seen()[0].header("authorization"), Some("Basic NzcwMDE6b3Blbi1zZXNhbWU="));
    assert!(store.seen().iter().all(|request| request.header("authorization").is_none()));
    Done::of(&place.run(&words)).came("current");
    // Without a key that was named, none is sent to another server than the publisher's.
    let output = place
        .command(&["geolite2-asn", "--from", &base, "--json"])
        .env("MAXMIND_ACCOUNT_ID", "77001")
        .env("MAXMIND_LICENSE_KEY", "open-sesame")
        .output()
        .unwrap();
    Done::of(&output).failed(3, "answers 401: Invalid license key");
}

#[test]
fn a_key_is_never_shown() {
    let server = Server::start(|request, _, stream| {
        let coded = request.header("authorization").unwrap_or_default();
        let page = format!("you came to {} with {coded}", request.path);
        match request.path.split('?').next().unwrap_or_default() {
            "/data/ipinfo_lite.mmdb" => reply(stream, "403 Forbidden", &[], page.as_bytes()),
            "/loop" => reply(stream, "302 Found", &[("Location", &request.path)], b""),
            "/ftp" => {
                let token = request.path.split_once("token=").map_or("", |(_, token)| token);
                reply(stream, "302 Found", &[("Location", &format!("ftp://{token}.example/"))], b"")
            }
            _ => reply(stream, "403 Forbidden", &[], page.as_bytes()),
        }
    });
    let place = Place::new();
    fs::write(place.path("key"), "s3cr3t.t0ken").unwrap();
    let key = place.path("key");
    let mode = |bits| fs::set_permissions(&key, fs::Permissions::from_mode(bits)).unwrap();
    let base = server.url("");
    let mut all = Vec::new();
    mode(0o644);
    let output = place.run(&["ipinfo-lite", "--from", &base, "--key-file", "key"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("chmod 600"));
    all.push(output);
    mode(0o600);
    assert!(server.seen().is_empty(), "a key that others can read is not used");
    let (round, ftp) = (server.url("/loop"), server.url("/ftp"));
    for words in [
        &["ipinfo-lite", "--from", &base, "--key-file", "key"][..],
        &["ipinfo-lite", "--url", &round, "--key-file", "key"],
        &["ipinfo-lite", "--url", &ftp, "--key-file", "key"],
        &["peeringdb", "--from", &base, "--key-file", "key"],
        // In the clear, to somewhere else: not even asked.
        &["ipinfo-lite", "--url", "http://192.0.2.1/x", "--key-file", "key"],
        &["ipinfo-lite", "--url", "http://user:s3cr3t.t0ken@127.0.0.1/x"],
        &["--url", "http://127.0.0.1:1/x?token=s3cr3t.t0ken"],
    ] {
        for json in [&[][..], &["--json"]] {
            let output = place.run(&[words, json].concat());
            assert_ne!(output.status.code(), Some(0), "{words:?}");
            all.push(output);
        }
    }
    let asked = server.seen();
    assert!(asked.iter().any(|request| request.path.ends_with("?token=s3cr3t.t0ken")), "the key was sent");
    assert!(asked.iter().any(|request| request.header("authorization") == Some("Api-Key s3cr3t.t0ken")));
    for output in &all {
        for stream in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(stream);
            assert!(!text.contains("s3cr3t"), "{text}");
        }
    }
    let mut left = Vec::new();
    for name in place.names().iter().filter(|name| *name != "key") {
        left.extend(place.read(name));
    }
    assert!(!String::from_utf8_lossy(&left).contains("s3cr3t"), "nor kept in a note");
}

#[test]
fn a_kill_in_the_middle_leaves_the_old_file_whole_and_the_rest_for_later() {
    let body = packed(&table(12));
    let sent = body.clone();
    let server = Server::start(move |request, number, stream| {
        if number == 0 {
            head(stream, "200 OK", &[("ETag", "\"v1\"")], Some(sent.len()))?;
            stream.write_all(&sent[..2000])?;
            thread::sleep(Duration::from_secs(15));
            return Ok(());
        }
        serve(request, stream, &sent, "\"v1\"", OLD_DATE)
    });
    let place = Place::holding(b"old");
    let url = server.url("/t");
    let mut child = place
        .command(&["iptoasn", "--url", &url])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let part = place.path("iptoasn.tsv.gz.part");
    let began = Instant::now();
    while fs::metadata(&part).map_or(0, |metadata| metadata.len()) < 2000 {
        assert!(began.elapsed() < Duration::from_secs(10), "nothing came");
        thread::sleep(Duration::from_millis(10));
    }
    // Meanwhile nobody else writes the same file.
    place.fetch(&url, &[]).failed(3, "another process is fetching");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(place.read("iptoasn.tsv.gz"), b"old");
    let done = place.fetch(&url, &[]);
    done.came("replaced");
    assert_eq!(done.file["resumed_at"], 2000);
    assert_eq!(place.read("iptoasn.tsv.gz"), body);
}

#[test]
fn a_link_in_the_way_is_not_written_through() {
    let body = packed(&table(13));
    let server = Server::start(move |request, _, stream| serve(request, stream, &body, "\"v1\"", OLD_DATE));
    let place = Place::new();
    fs::write(place.path("precious"), b"precious").unwrap();
    symlink("precious", place.path("iptoasn.tsv.gz.part")).unwrap();
    place.fetch(&server.url("/t"), &[]).failed(3, "cannot open");
    assert_eq!(place.read("precious"), b"precious");
}

#[test]
fn the_newest_edition_that_is_there_is_taken() {
    let dump = Arc::new({
        // A PEER_INDEX_TABLE without peers (RFC 6396 §4.3.1).
        let mut dump = b"\x6a\x1f\x00\x00\x00\x0d\x00\x01\x00\x00\x00\x08".to_vec();
        dump.extend([0; 8]);
        let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        out.write_all(&dump).unwrap();
        out.finish().unwrap()
    });
    let sent = dump.clone();
    let server = Server::start(move |request, number, stream| match number {
        0 | 1 => reply(stream, "404 Not Found", &[], b""),
        _ => serve(request, stream, &sent, "\"v1\"", OLD_DATE),
    });
    let place = Place::new();
    let base = server.url("/mirror");
    Done::of(&place.run(&["routeviews", "--from", &base, "--json"])).came("new");
    assert_eq!(place.read("routeviews.mrt.bz2"), **dump);
    let paths: Vec<String> = server.seen().into_iter().map(|request| request.path).collect();
    assert_eq!(paths.len(), 3);
    for path in &paths {
        assert!(
            path.starts_with("/mirror/bgpdata/20")
                && path.contains("/RIBS/rib.20")
                && path.ends_with("00.bz2"),
            "{path}"
        );
    }
    assert!(paths[0] > paths[1] && paths[1] > paths[2], "{paths:?}");
}

#[test]
fn a_list_names_the_newest() {
    let body = packed(b"20.0.0.0\t16\t10001\n20.1.0.0\t16\t10001_10002\n");
    let server = Server::start(move |request, _, stream| {
        if !request.path.ends_with("pfx2as-creation.log") {
            return serve(request, stream, &body, "\"v1\"", OLD_DATE);
        }
        let list: &[u8] = match request.path.contains("routeviews6") {
            true => b"<html>log in</html>",
            false => b"# seqnum\n1\t1780000000\t2026/05/routeviews-rv2-20260528-1200.pfx2as.gz\n2\t1780086400\t2026/05/routeviews-rv2-20260529-1200.pfx2as.gz\n",
        };
        reply(stream, "200 OK", &[], list)
    });
    let place = Place::new();
    let output = place.run(&["pfx2as", "--from", &server.url(""), "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(4), "the one of IPv6 has no list: {document:#}");
    assert_eq!(document["files"][0]["outcome"], "new", "{document:#}");
    assert!(
        document["files"][0]["address"]
            .as_str()
            .unwrap()
            .ends_with("/2026/05/routeviews-rv2-20260529-1200.pfx2as.gz")
    );
    assert_eq!(document["files"][1]["outcome"], "failed");
    assert!(document["error"]["message"].as_str().unwrap().contains("not the list of files"));
    assert!(place.path("pfx2as.v4.gz").exists() && !place.path("pfx2as.v6.gz").exists());
}

#[test]
fn any_table_comes_from_any_address() {
    let body = table(14);
    let server =
        Server::start(move |request, _, stream| serve(request, stream, &body, "W/\"weak\"", OLD_DATE));
    let place = Place::new();
    let output = place.run(&["--url", &server.url("/some/table.tsv"), "--json"]);
    Done::of(&output).came("new");
    assert!(place.path("table.tsv").exists());
    let output = place.run(&["--url", &server.url("/"), "-o", "mine", "--json"]);
    Done::of(&output).came("new");
    assert!(place.path("mine").exists());
}

#[test]
fn nothing_is_fetched_that_is_not_named() {
    let place = Place::new();
    fs::create_dir(place.path("folder")).unwrap();
    for (words, word) in [
        (&[][..], "not named"),
        (&["no-such-source"], "'no-such-source' is no source"),
        (&["riswhois", "-o", "x"], "cannot all be written to one"),
        (&["riswhois", "--url", "http://127.0.0.1/x"], "1 addresses for 2 files"),
        (&["--url", "ftp://127.0.0.1/x"], "cannot be fetched from"),
        (&["--url", "/etc/passwd"], "cannot be fetched from"),
        (&["--url", "http://127.0.0.1/"], "names no file"),
        (&["iptoasn", "--from", "mirror"], "cannot be fetched from"),
        (&["iptoasn", "--dir", "no-such-directory"], "--dir"),
        (&["iptoasn", "--sha256", "abc"], "--sha256"),
        (&["peeringdb", "--sha256", &"0".repeat(64)], "one checksum"),
        (&["iptoasn", "--timeout", "0"], "--timeout"),
        (&["--list", "iptoasn"], "--list"),
    ] {
        let output = place.run(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(word), "{words:?}: {said}");
        assert!(output.stdout.is_empty());
        let output = place.run(&[words, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(2));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(document["error"]["message"].is_string(), "{document:#}");
    }
    let output = place.run(&["geolite2-asn", "--json"]);
    Done::of(&output).failed(3, "gives nothing without a key");
    assert_eq!(place.names(), ["folder"]);
}

#[test]
fn the_list_names_addresses_terms_and_keys() {
    let place = Place::new();
    let text = String::from_utf8(place.run(&["--list"]).stdout).unwrap();
    for word in [
        "riswhois",
        "https://www.ris.ripe.net/dumps/riswhoisdump.IPv4.gz",
        "terms: CC BY 4.0",
        "MAXMIND_LICENSE_KEY",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let document: Value = serde_json::from_slice(&place.run(&["--list", "--json"]).stdout).unwrap();
    let sources = document["sources"].as_array().unwrap();
    assert!(sources.len() >= 12);
    for source in sources {
        assert!(source["terms"].as_str().is_some_and(|terms| !terms.is_empty()), "{source:#}");
        for file in source["files"].as_array().unwrap() {
            assert!(file["address"].as_str().unwrap().starts_with("https://"));
        }
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_the_environments() {
    let server = Server::start(|request, _, stream| serve(request, stream, &table(15), "\"v1\"", OLD_DATE));
    let place = Place::new();
    // A directory where the file should be stands in the way of anybody, root included.
    fs::create_dir(place.path("iptoasn.tsv.gz")).unwrap();
    let done = place.fetch(&server.url("/t"), &[]);
    done.failed(3, "cannot put in place");
    assert!(Path::new(&place.path("iptoasn.tsv.gz")).is_dir());
}

#[test]
fn the_test_server_says_what_it_hears() {
    let server = Server::start(|_, _, stream| reply(stream, "200 OK", &[], b"x"));
    let mut stream = TcpStream::connect(server.at).unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nRange: bytes=7-\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nx"), "{answer}");
    assert_eq!((server.seen()[0].path.as_str(), server.seen()[0].first_byte()), ("/a", Some(7)));
}
