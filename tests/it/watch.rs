//! `watch`: what changed and when, in simulated worlds; the file that survives; figures; commands and webhooks.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lasthop::watch::{Event, Happened, History};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");
/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(60);

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(words).stdin(Stdio::null()).env("NO_COLOR", "1");
    command
}

fn lasthop(words: &[&str]) -> Output {
    command(words).output().unwrap()
}

/// Watches `script` into `file`; gives the events.
#[track_caller]
fn watched(script: &str, file: &Path, more: &[&str]) -> Vec<Event> {
    let mut words = vec!["watch", "--json", "--simulate", script, "--history", file.to_str().unwrap()];
    words.extend(more);
    let output = lasthop(&words);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    events(&output.stdout)
}

fn events(stdout: &[u8]) -> Vec<Event> {
    String::from_utf8_lossy(stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn runs(file: &Path) -> u64 {
    let history = History::open(file).unwrap();
    history.targets().unwrap().iter().map(|target| history.entries(target).unwrap().len() as u64).sum()
}

/// A history with a block in it, made in this time's own form.
fn example(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("h.db");
    let events = watched("clear:5,blackhole:5,clear:5", &file, &[]);
    assert_eq!(events.iter().map(|one| one.event).collect::<Vec<_>>(), [Happened::Begin, Happened::End]);
    file
}

#[test]
fn a_block_begins_and_ends_in_events_that_name_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new folder/h.db");
    let events = watched("clear:6,blackhole:6,clear:6", &file, &[]);
    let [begin, end] = events.as_slice() else { panic!("{events:#?}") };
    assert_eq!((begin.event, end.event), (Happened::Begin, Happened::End));
    let place = begin.place.as_ref().unwrap();
    assert_eq!((place.kind.as_str(), place.asns.as_slice()), ("lost_inside_as", &[8359][..]));
    // Six runs at five minutes: the last good one at 25 minutes, the first bad one at 30.
    assert_eq!(begin.not_before.as_deref(), Some("2019-03-03T08:25:00.000000000Z"));
    assert_eq!(begin.not_after, "2019-03-03T08:30:00.000000000Z");
    // Looked at sooner: decided two fifths of an interval after the first sign.
    assert!(begin.at.starts_with("2019-03-03T08:32:0"), "{}", begin.at);
    assert_eq!(begin.runs, 3);
    assert!(begin.confidence > 0.999_99 && begin.confidence < 1.0 && begin.recorded);
    assert_eq!(end.was.as_ref().unwrap().asns, [8359]);
    assert!(end.lasted_seconds.is_some_and(|all| (900..3600).contains(&all)), "{:?}", end.lasted_seconds);
    assert_eq!(runs(&file), 18);
}

#[test]
fn single_bad_runs_and_dead_references_are_no_events() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.db");
    let script = "clear:5,blackhole:1,clear:4,blackhole:1,reference-dead:6,clear:4";
    assert_eq!(watched(script, &file, &[]), []);
    assert_eq!(runs(&file), 21);
}

#[test]
fn a_block_that_moves_is_told_with_both_places() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.db");
    let events = watched("clear:4,blackhole:5,edge:6", &file, &[]);
    let [begin, moved] = events.as_slice() else { panic!("{events:#?}") };
    assert_eq!((begin.event, moved.event), (Happened::Begin, Happened::Moved));
    assert_eq!(moved.was.as_ref().unwrap().asns, [8359]);
    let now = &moved.place.as_ref().unwrap().asns;
    assert!(!now.contains(&8359) && now.contains(&19905), "{now:?}");
}

#[test]
fn a_watch_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.db");
    // Two of the three bad runs before the end, one behind it: the test is not begun anew.
    assert_eq!(watched("clear:5,blackhole:2", &file, &[]), []);
    let events = watched("blackhole:1", &file, &[]);
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].event, events[0].id), (Happened::Begin, 1));
    // A simulation begins at the same moment each time: the clock went back, and the order of runs is what counts.
    assert_eq!(events[0].not_before.as_deref(), Some("2019-03-03T08:20:00.000000000Z"));
    assert_eq!(watched("clear:3", &file, &[])[0].id, 2);
}

#[test]
fn the_timeline_is_drawn_in_every_format_and_runs_can_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    let file = example(folder.path());
    let file = file.to_str().unwrap();
    let report = |format: &str| {
        let output = lasthop(&["watch", "report", "--history", file, "--format", format]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = report("text");
    assert!(text.contains("AS8359") && text.contains("---") && text.contains("##"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let html = report("html");
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<svg ") && html.contains("AS8359"));
    assert!(
        !html.contains("http://")
            || html.matches("http").all(|_| html.contains("http://www.w3.org/2000/svg"))
    );
    assert!(report("svg").starts_with("<svg "));
    let document: Value = serde_json::from_str(&report("json")).unwrap();
    assert_eq!(document["schema"], "lasthop.timeline/1");
    let periods: Vec<&str> = document["targets"][0]["periods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["standing"].as_str().unwrap())
        .collect();
    assert_eq!(periods, ["reachable", "lost", "reachable"]);
    assert_eq!(document["targets"][0]["runs"]["all"], 15);

    let exported = folder.path().join("runs.jsonl");
    let exported = exported.to_str().unwrap();
    let output = lasthop(&["watch", "export", "--history", file, "-o", exported]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_to_string(exported).unwrap().lines().count(), 15);
    let output = lasthop(&["report", exported, "--format", "csv"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lost = folder.path().join("lost.jsonl");
    let lost = lost.to_str().unwrap();
    let output = lasthop(&["watch", "export", "--history", file, "--last", "8", "-o", lost]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(fs::read_to_string(lost).unwrap().lines().count(), 8);
    let output = lasthop(&["compare", lost, "--json"]);
    let compared: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(compared["runs"].as_array().unwrap().len(), 8, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(compared["conclusion"]["asns"], serde_json::json!([8359]), "{:#}", compared["conclusion"]);
}

/// Is refused with this status, a sentence with `word` and a hint; and the file stays what it was.
#[track_caller]
fn refused(words: &[&str], status: i32, word: &str, file: &Path) {
    let before = fs::read(file).ok();
    let output = lasthop(words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{words:?}: {said}");
    assert!(said.contains(word) && said.contains("hint: "), "{words:?}: {said}");
    assert!(output.stdout.is_empty(), "{words:?}");
    assert_eq!(fs::read(file).ok(), before, "{words:?} changed the file");
}

#[test]
fn an_interface_that_is_not_there_at_the_beginning_is_told_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.db");
    let words =
        ["watch", "127.0.0.1", "25", "-i", "nosuch0", "--count", "1", "--history", file.to_str().unwrap()];
    let output = lasthop(&words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("no interface 'nosuch0'") && said.contains("hint: there are"), "{said}");
    let nowhere = folder.path().join("nowhere/h.db");
    let said = lasthop(&["watch", "report", "--history", nowhere.to_str().unwrap()]).stderr;
    assert!(!String::from_utf8_lossy(&said).contains("os error"), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn files_that_are_no_history_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let good = fs::read(example(folder.path())).unwrap();
    let mut newer = good.clone();
    newer[60..64].copy_from_slice(&99_i32.to_be_bytes());
    let mut foreign = good.clone();
    foreign[68..72].copy_from_slice(&7_i32.to_be_bytes());
    let mut torn = good.clone();
    // Pages in the middle overwritten, as a disk that lies does.
    torn[5000..9000].fill(0xa5);
    let cases: [(&str, &[u8], i32, &str); 6] = [
        ("text", b"no database at all, but long enough to have a header of one hundred bytes and some more behind it\n", 4, "no history"),
        ("short", b"SQLite format 3\0", 4, "damaged"),
        ("cut", &good[..good.len() / 2], 4, "damaged"),
        ("newer", &newer, 4, "form 99"),
        ("foreign", &foreign, 4, "no history"),
        ("torn", &torn, 4, "damaged"),
    ];
    for (name, bytes, status, word) in cases {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        let path = file.to_str().unwrap();
        refused(&["watch", "--simulate", "clear:1", "--history", path], status, word, &file);
        if name != "torn" && name != "cut" {
            refused(&["watch", "report", "--history", path], status, word, &file);
        }
    }
    let missing = folder.path().join("missing");
    refused(&["watch", "report", "--history", missing.to_str().unwrap()], 4, "cannot be opened", &missing);
    refused(&["watch", "--simulate", "clear:1", "--history", "/proc/nowhere/h.db"], 3, "opened", &missing);
    refused(
        &["watch", "--simulate", "clear:0", "--history", missing.to_str().unwrap()],
        2,
        "number of runs",
        &missing,
    );
    refused(
        &["watch", "127.0.0.1", "--interval", "5s", "--history", missing.to_str().unwrap()],
        2,
        "interval",
        &missing,
    );
}

/// A program that is ended with the test, whatever becomes of it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(words: &[&str]) -> Self {
        Self(command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id() as i32), signal).unwrap();
    }

    fn status(&mut self) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end");
    }

    /// The line of stderr that has this in it.
    fn says(&mut self, word: &str) -> String {
        let stderr = self.0.stderr.as_mut().unwrap();
        let mut line = String::new();
        // Byte by byte: what comes after stays in the pipe.
        let mut byte = [0];
        while stderr.read(&mut byte).unwrap() == 1 {
            if byte[0] != b'\n' {
                line.push(char::from(byte[0]));
                continue;
            }
            if line.contains(word) {
                return line;
            }
            line.clear();
        }
        panic!("it never says {word}");
    }
}

#[test]
fn one_writes_and_others_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.db");
    let path = file.to_str().unwrap();
    let mut first = Running::start(&[
        "watch",
        "--simulate",
        "clear",
        "--real-time",
        "--interval",
        "1s",
        "-v",
        "--history",
        path,
    ]);
    first.says("reachable");
    let output = lasthop(&["watch", "--simulate", "clear:1", "--history", path]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("another lasthop watch") && said.contains("hint: "), "{said}");
    let output = lasthop(&["watch", "report", "--history", path]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("mx1.proton"));
    first.signal(Signal::SIGINT);
    assert_eq!(first.status(), Some(0));
    // Closed in order: the log is folded into the one file.
    assert!(!folder.path().join("h.db-wal").exists());
    let known = runs(&file);
    assert!(known >= 1);
    watched("clear:1", &file, &[]);
    assert_eq!(runs(&file), known + 1);
}

#[test]
fn killed_at_any_moment_nothing_confirmed_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.db");
    let path = file.to_str().unwrap();
    let (mut runs_before, mut events_before) = (0, 0);
    let mut told: Vec<u64> = Vec::new();
    for round in 0..15_u64 {
        // Blocks that come and go, so that events are among what is being written.
        let script = "clear:4,blackhole:4,clear:4,blackhole:4,clear:4,blackhole:4,clear:400";
        let mut running = Running::start(&["watch", "--json", "-v", "--simulate", script, "--history", path]);
        // So many runs are confirmed, or events told; then some microseconds more, another number each time.
        let seen = round % 7 + 1;
        let mut events = BufReader::new(running.0.stdout.take().unwrap());
        for _ in 0..seen {
            running.says("mx1.proton");
        }
        std::thread::sleep(Duration::from_micros(round * 1_733 % 9_000));
        running.0.kill().unwrap();
        running.0.wait().unwrap();
        let mut line = String::new();
        while events.read_line(&mut line).unwrap() > 0 {
            // The last line may be cut where the kill hit it.
            if let Ok(event) = serde_json::from_str::<Event>(&line) {
                told.push(event.id);
            }
            line.clear();
        }
        let history = History::open(&file).unwrap();
        let all = history.events().unwrap();
        let runs_now = runs(&file);
        // The first of the lines announces the watch; a run is said before it is put away.
        assert!(
            runs_now + 2 >= runs_before + seen,
            "round {round}: {runs_now} runs after {runs_before} and {seen}"
        );
        assert!(all.len() >= events_before);
        for id in &told {
            assert!(
                all.iter().any(|event| event.id == *id),
                "round {round}: event {id} was told and is gone"
            );
        }
        (runs_before, events_before) = (runs_now, all.len());
    }
    assert!(runs_before > 15, "{runs_before}");
    // What was decided and never told is told at the next start.
    let untold: Vec<u64> =
        History::open(&file).unwrap().untold().unwrap().iter().map(|event| event.id).collect();
    let again: Vec<u64> = watched("clear:1", &file, &[]).iter().map(|event| event.id).collect();
    assert_eq!(again[..untold.len()], untold[..]);
    assert_eq!(History::open(&file).unwrap().untold().unwrap(), []);
}

/// One HTTP request, as bytes, and the answer.
fn ask(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // A server that has had enough closes early.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn figures_are_served_on_loopback_and_hostile_requests_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.db");
    let mut running = Running::start(&[
        "watch",
        "--simulate",
        "blackhole",
        "--real-time",
        "--count",
        "60",
        "--interval",
        "1s",
        "--jitter",
        "0",
        "-v",
        "--metrics=:0",
        "--history",
        file.to_str().unwrap(),
    ]);
    let line = running.says("metrics:");
    let address = line.split("http://").nth(1).unwrap().trim_end_matches("/metrics").to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    // Once a second five runs in a row decide; a run is said before its figures are there.
    for _ in 0..7 {
        running.says("mx1.proton tcp/25  lost");
    }
    let page = ask(&address, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("version=0.0.4"), "{page}");
    let label = r#"{target="mx1.proton",protocol="tcp",port="25",ip_version="4""#;
    assert!(page.contains(&format!("lasthop_target_state{label},state=\"lost\"}} 1")), "{page}");
    assert!(page.contains(&format!("lasthop_target_lost_in_as_info{label},asn=\"8359\"}} 1")), "{page}");
    assert!(page.contains(&format!("lasthop_events_total{label},event=\"begin\"}} 1")), "{page}");
    assert!(ask(&address, b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(ask(&address, b"DELETE /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    assert!(
        ask(&address, &[0xff; 64].map(|byte| byte).iter().chain(b"\r\n\r\n").copied().collect::<Vec<_>>())
            .starts_with("HTTP/1.1 400")
    );
    let long = [b"GET /metrics HTTP/1.1\r\nX: ".to_vec(), vec![b'a'; 100_000]].concat();
    let refused = ask(&address, &long);
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 431"), "{refused}");
    assert!(!ask(&address, b"HEAD /metrics HTTP/1.1\r\n\r\n").contains("lasthop_"));
    // Connections that say nothing fill the places, and are ended: others are served soon after.
    let idle: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let begun = Instant::now();
    while !ask(&address, b"GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200") {
        assert!(begun.elapsed() < Duration::from_secs(20), "the idle hold it for ever");
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(idle);
    running.signal(Signal::SIGTERM);
    assert_eq!(running.status(), Some(0));
}

#[test]
fn a_command_gets_the_event_and_no_shell_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let (file, heard) = (folder.path().join("h.db"), folder.path().join("heard"));
    let script = folder.path().join("notify");
    fs::write(
        &script,
        format!(
            "#!/bin/sh\ncat >> {0}\necho \" $LASTHOP_EVENT $LASTHOP_ASNS $#:$1\" >> {0}\n",
            heard.display()
        ),
    )
    .unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, mode).unwrap();
    let exec = format!("{} $(touch;id)", script.display());
    watched("clear:3,blackhole:3,clear:3", &file, &["--exec", &exec]);
    let said = fs::read_to_string(&heard).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(
        lines[0].ends_with("} begin 8359 1:$(touch;id)") && lines[1].ends_with("} end 8359 1:$(touch;id)"),
        "{said}"
    );
    let event: Event = serde_json::from_str(
        lines[0].split_once("} begin").map(|(json, _)| format!("{json}}}")).unwrap().as_str(),
    )
    .unwrap();
    assert_eq!(event.event, Happened::Begin);
    assert_eq!(History::open(&file).unwrap().untold().unwrap(), []);
    // One that fails, or is not there, costs a warning.
    for exec in ["/bin/false", "/nonexistent/notify"] {
        let file = folder.path().join("other.db");
        let output = lasthop(&[
            "watch",
            "--simulate",
            "blackhole:3",
            "--history",
            file.to_str().unwrap(),
            "--exec",
            exec,
        ]);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stderr).contains("warning: --exec"), "{exec}");
        fs::remove_file(&file).unwrap();
    }
}

#[cfg(feature = "fetch")]
#[test]
fn a_webhook_is_tried_again_and_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.db");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut bodies = Vec::new();
        for answer in [
            "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        ] {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).unwrap() > 0 && line.trim() != "" {
                if let Some(rest) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = rest.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            bodies.push(String::from_utf8(body).unwrap());
            stream.write_all(answer.as_bytes()).unwrap();
        }
        bodies
    });
    let events = watched("blackhole:6", &file, &["--webhook", &url]);
    let bodies = server.join().unwrap();
    assert_eq!(bodies[0], bodies[1], "the same event twice");
    assert_eq!(serde_json::from_str::<Event>(&bodies[1]).unwrap(), events[0]);
    assert_eq!(runs(&file), 6);
    assert_eq!(History::open(&file).unwrap().untold().unwrap(), []);
}

#[test]
fn old_runs_go_and_events_stay() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.db");
    let events = watched("clear:30,blackhole:10,clear:60", &file, &["--keep", "20"]);
    assert_eq!(events.len(), 2);
    assert_eq!(runs(&file), 20);
    assert_eq!(History::open(&file).unwrap().events().unwrap().len(), 2);
    let report = lasthop(&["watch", "report", "--history", file.to_str().unwrap(), "--json"]);
    let document: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(document["targets"][0]["periods"].as_array().unwrap().len(), 3);
}

/// A disk of so many KiB, for one command; none where this user may not mount one.
fn on_a_small_disk(size: u32, folder: &Path, shell: &str) -> Option<Output> {
    let inner = format!("mount -t tmpfs -o size={size}k none '{}' || exit 77; {shell}", folder.display());
    let output = Command::new("unshare").args(["-m", "sh", "-c", &inner]).output().ok()?;
    (output.status.code() != Some(77) && output.status.code() != Some(1)).then_some(output)
}

#[test]
fn a_full_disk_costs_a_warning_and_no_event() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("disk");
    fs::create_dir(&place).unwrap();
    let shell = format!(
        "cd '{0}'; head -c 100k /dev/zero > other; \
         {PROGRAM} watch --json --simulate clear:40,blackhole:10,clear:250 --history h.db; echo status $?; \
         {PROGRAM} watch report --history h.db > /dev/null; echo report $?",
        place.display()
    );
    let Some(output) = on_a_small_disk(400, &place, &shell) else {
        super::net::skip::<()>("a small disk", "it takes the right to mount one");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("warning: ") && said.contains("disk is full"), "{said}");
    let told: Vec<Event> = out
        .lines()
        .filter(|line| line.contains("lasthop.event/1"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        told.iter().map(|one| one.event).collect::<Vec<_>>(),
        [Happened::Begin, Happened::End],
        "{out}{said}"
    );
    // What never found room is told at the end; what did is a whole history.
    assert!(out.contains("status 3") && out.contains("report 0"), "{out}{said}");
    assert!(said.contains("runs are not in the history"), "{said}");
}

#[test]
fn a_history_that_cannot_be_written_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = example(folder.path());
    let place = folder.path().join("disk");
    fs::create_dir(&place).unwrap();
    let shell = format!(
        "cp '{1}' '{0}/h.db'; mount -o remount,ro '{0}'; cd '{0}'; {PROGRAM} watch report --history h.db; echo report $?; \
         {PROGRAM} watch --simulate clear:1 --history h.db; echo status $?",
        place.display(),
        file.display()
    );
    let Some(output) = on_a_small_disk(1000, &place, &shell) else {
        super::net::skip::<()>("a small disk", "it takes the right to mount one");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(out.contains("report 0") && out.contains("AS8359") && out.contains("status 3"), "{out}{said}");
    assert!(said.contains("cannot be written") && said.contains("hint: "), "{said}");
}

#[test]
fn a_live_watch_keeps_one_right_in_one_thread_and_nothing_else() {
    if let Some(reason) = super::net::missing_right() {
        super::net::skip::<()>("a live watch", &reason);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.db");
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = target.local_addr().unwrap().port();
    let _reference = TcpListener::bind(("127.0.0.2", port)).unwrap();
    let port = port.to_string();
    let path = file.to_str().unwrap();
    let words = [
        "watch",
        "127.0.0.1",
        &port,
        "-r",
        "127.0.0.2",
        "-v",
        "--interval",
        "30s",
        "--json",
        "--history",
        path,
    ];
    let mut running = Running::start(&words);
    running.says("127.0.0.1 tcp/");
    running.says("reachable");
    let mut privileged = Vec::new();
    for thread in fs::read_dir(format!("/proc/{}/task", running.0.id())).unwrap() {
        let thread = thread.unwrap().path();
        let Ok(status) = fs::read_to_string(thread.join("status")) else { continue };
        let permitted = status.lines().find_map(|line| line.strip_prefix("CapPrm:")).unwrap().trim();
        if u64::from_str_radix(permitted, 16).unwrap() != 0 {
            privileged.push(fs::read_to_string(thread.join("comm")).unwrap().trim().to_owned());
        }
    }
    assert_eq!(privileged, ["opener"]);
    running.signal(Signal::SIGINT);
    assert_eq!(running.status(), Some(0));
    assert_eq!(runs(&file), 1);
    let output = lasthop(&["watch", "export", "--history", path]);
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&run["verdict"]["kind"], &run["target"]["host"]), (&"reachable".into(), &"127.0.0.1".into()));
}
