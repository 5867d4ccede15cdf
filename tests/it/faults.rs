//! A system call that fails, whichever and whenever: one sentence, the right status, and nothing lost that was measured.
//!
//! `strace` answers calls in the kernel's place (`-e inject`). Which calls there are is taken from a run in which nothing
//! fails, so none is forgotten. The injection happens where a call is entered, before the seccomp filter that a run puts upon
//! itself looks, and the answer is written when it is left, behind the filter: so it works in the confined part as well.
//!
//! Every call is made to fail once, the errors taken in turn; `LASTHOP_FAULTS=full` tries every error that is plausible of
//! a call, at five places and from the third on, in some minutes. Not tried are
//! * what happens before `main`: the loader and the runtime of the language end the process themselves;
//! * errors that the kernel does not give for a call: `brk` has none at all, a wait for events only EINTR, and an
//!   interruption without end does not happen (nine in a row do, here);
//! * the pair of sockets that the event loop makes for itself, behind as many that were given and closed again: its library
//!   ends the process without a word for that, which is why the pairs before it are asked for;
//! * a write to the event loop's own descriptor, which cannot fail, and the closing of a folder: both show in the trace, and
//!   such a run counts for nothing.
//!
//! Short writes are had from a disk that is full, since what is injected is never carried out.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;

use super::net::skip;
use super::world::{FOUR, World};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");
/// Runs at once: they wait for packets most of the time.
const AT_ONCE: usize = 8;
/// What a file holds before the run.
const OLD: &[u8] = b"what was there before\n";

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    /// With a report, a capture and a bundle.
    Diagnose,
    /// With a report and a capture.
    Trace,
    Batch,
}

/// One fault: in the words of `strace`.
#[derive(Clone, Debug)]
struct Fault {
    call: String,
    error: &'static str,
    when: String,
}

impl Fault {
    fn words(&self) -> String {
        let Self { call, error, when } = self;
        match error.strip_prefix('=') {
            Some(value) => format!("inject={call}:retval={value}:when={when}"),
            None => format!("inject={call}:error={error}:when={when}"),
        }
    }
}

/// What came of a run.
struct Ran {
    folder: tempfile::TempDir,
    status: Option<i32>,
    said: String,
    out: Vec<u8>,
    trace: String,
}

impl Ran {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Calls of the first thread in order, with the line that tells of each.
    fn calls(&self) -> Vec<(&str, &str)> {
        let thread = self.trace.split_whitespace().next().unwrap_or_default();
        let lines = self.trace.lines().filter_map(|line| line.strip_prefix(thread));
        let named = lines.filter_map(|line| Some((line.trim_start().split_once('(')?.0, line)));
        named.filter(|(name, _)| name.bytes().all(|one| one.is_ascii_alphanumeric() || one == b'_')).collect()
    }

    /// The kernel would not have said so.
    fn is_implausible(&self) -> bool {
        let calls = self.calls();
        calls.iter().enumerate().any(|(at, (name, line))| {
            let wakes = *name == "write" && line.contains("\"\\1\\0\\0\\0\\0\\0\\0\\0\", 8");
            // The descriptor of a folder is closed behind the last of its entries.
            let folder = *name == "close" && at > 0 && calls[at - 1].0 == "getdents64";
            line.contains("INJECTED") && (wakes || folder)
        })
    }

    /// Packets that the run has read.
    fn heard(&self) -> usize {
        let read = |line: &&str| line.contains("recvmsg(") && line.contains("sa_family=AF_INET,");
        self.trace.lines().filter(read).filter(|line| !line.contains("INJECTED")).count()
    }
}

fn ran(world: &World, job: Job, fault: Option<&Fault>) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for name in ["r.json", "b.zip"] {
        fs::write(at(name), OLD).unwrap();
    }
    let (report, capture, bundle, list) = (at("r.json"), at("p.pcapng"), at("b.zip"), at("list"));
    let target = FOUR.target;
    let mut words = match job {
        Job::Diagnose => vec!["diagnose", target, "25", "-r", FOUR.neighbour, "--bundle", &bundle],
        Job::Trace => vec!["trace", target, "25", "-w", "1"],
        Job::Batch => {
            fs::write(&list, format!("{target},{0}\n{0},{target}\n185.68.80.1,{0}\n", FOUR.neighbour))
                .unwrap();
            vec!["batch", &list, "-p", "25", "--rate", "200"]
        }
    };
    if job != Job::Batch {
        words.extend(["--pcap", &capture, "-o", &report]);
    }
    words.extend(["--json", "--seed", "1", "--db", world.table()]);
    let trace = at("trace");
    // The time limit is outside of what is traced, and ends all of it.
    let mut command = Command::new("ip");
    let space = world.space("you");
    command
        .args(["netns", "exec", &space, "timeout", "-s", "KILL", "60", "strace", "-f", "-qq", "-o", &trace]);
    if let Some(fault) = fault {
        command.args(["-e", &fault.words()]);
    }
    let output = command
        .arg(PROGRAM)
        .args(words)
        .env("XDG_CACHE_HOME", "/nonexistent")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env_remove("RUST_BACKTRACE")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let trace = String::from_utf8_lossy(&fs::read(trace).unwrap_or_default()).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ran { folder, status: output.status.code(), said, out: output.stdout, trace }
}

/// Errors that are plausible of a call; `=0` is an answer that means "nothing was done", or the end of a file.
fn errors(call: &str) -> &'static [&'static str] {
    match call {
        // Before `main`, without an error, or without a return.
        "execve" | "exit" | "exit_group" | "arch_prctl" | "set_tid_address" | "set_robust_list" | "rseq"
        | "brk" | "restart_syscall" | "rt_sigreturn" | "clock_gettime" => &[],
        "sendto" | "sendmsg" | "sendmmsg" => {
            &["EPERM", "ENOBUFS", "ENETUNREACH", "EAGAIN", "EINTR", "ENOMEM", "ENETDOWN"]
        }
        "recvmsg" | "recvfrom" | "recvmmsg" => {
            &["EIO", "EAGAIN", "EINTR", "ENOMEM", "ENOBUFS", "ENETDOWN", "EPERM"]
        }
        "read" | "pread64" | "readv" | "getdents64" => &["EIO", "EINTR", "ENOMEM", "=0"],
        "write" | "pwrite64" | "writev" => &["ENOSPC", "EIO", "EINTR", "EPERM", "=0"],
        "openat" => &["EACCES", "EMFILE", "EINTR", "EIO", "ENOSPC", "ENOMEM"],
        "fsync" | "rename" | "ftruncate" | "unlink" | "mkdir" | "fchmod" => &["EIO", "ENOSPC", "EPERM"],
        "close" | "poll" | "ppoll" | "epoll_wait" | "epoll_pwait" | "futex" | "clock_nanosleep" => &["EINTR"],
        "socket" | "socketpair" | "eventfd2" | "epoll_create1" | "timerfd_create" => {
            &["EMFILE", "EPERM", "ENOBUFS", "ENOMEM"]
        }
        "bind" => &["EADDRINUSE", "EPERM", "ENOMEM", "EADDRNOTAVAIL"],
        "connect" => &["ENETUNREACH", "EPERM", "ENOBUFS", "EAGAIN", "ENOMEM"],
        "setsockopt" | "getsockopt" | "getsockname" => &["ENOBUFS", "EPERM", "ENOMEM"],
        "clone" | "clone3" => &["EAGAIN", "ENOMEM", "EPERM"],
        "mmap" | "mremap" | "munmap" | "mprotect" | "madvise" | "epoll_ctl" => &["ENOMEM"],
        // From its entropy once: it answers or is not there.
        "getrandom" => &["EINTR"],
        "statx" | "newfstatat" | "fstat" | "lseek" | "readlink" | "access" | "fcntl" | "ioctl" => {
            &["EIO", "EPERM", "ENOMEM"]
        }
        // A sandbox forbids it, an old kernel does not know it.
        _ => &["EPERM", "ENOSYS", "ENOMEM"],
    }
}

/// Which calls a run makes: how often before `main`, and in all.
fn census(clean: &Ran) -> BTreeMap<String, (usize, usize)> {
    let calls = clean.calls();
    // The last thing that the runtime does before `main`.
    let begins = |(name, line): &(&str, &str)| *name == "sigaltstack" && line.contains("ss_sp=0x");
    let begun = calls.iter().position(begins).expect("the runtime makes a stack for signals");
    let mut census = BTreeMap::<String, (usize, usize)>::new();
    for (at, (name, _)) in calls.iter().enumerate() {
        let counts = census.entry((*name).to_owned()).or_default();
        counts.0 += usize::from(at <= begun);
        counts.1 += 1;
    }
    if let Some((_, all)) = census.get_mut("socketpair") {
        // The last is the library's own.
        *all -= 1;
    }
    census.retain(|name, (before, all)| all > before && !errors(name).is_empty());
    census
}

/// The faults to try: every call once, or all of them.
fn faults(census: &BTreeMap<String, (usize, usize)>, full: bool, stride: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (place, (call, &(before, all))) in census.iter().enumerate() {
        let count = all - before;
        let from_third = |error: &str| match error {
            "EINTR" | "EAGAIN" => format!("{}..{}", before + 3, before + 11),
            _ => format!("{}+", before + 3),
        };
        let mut add = |error, when| faults.push(Fault { call: call.clone(), error, when });
        if !full {
            if place % stride == 0 {
                let errors = errors(call);
                let error = errors[place % errors.len()];
                let when = match place % 3 {
                    0 => (before + 1).to_string(),
                    // Every write from the third on: nothing could be said of it.
                    1 if count > 3 && call != "write" => from_third(error),
                    _ => (before + count.div_ceil(2)).to_string(),
                };
                add(error, when);
            }
            continue;
        }
        for error in errors(call) {
            let mut places: Vec<usize> =
                [1, count / 4, count / 2, count * 3 / 4, count].into_iter().map(|one| one.max(1)).collect();
            places.dedup();
            for one in places {
                add(error, (before + one).to_string());
            }
            if count > 3 && call != "write" {
                add(error, from_third(error));
            }
        }
    }
    faults
}

/// What is wrong with how a run took it.
fn complaints(world: &World, job: Job, ran: &Ran) -> Vec<String> {
    let mut wrong = Vec::new();
    let sentences = ran.said.lines().filter(|line| line.starts_with("lasthop: ")).count();
    let hints = ran.said.lines().filter(|line| line.starts_with("hint: ")).count();
    let status = ran.status.unwrap_or(-1);
    if ![0, 3, 4, 10, 11, 12].contains(&status) {
        wrong.push(format!("the status is {status}"));
    }
    if ran.said.contains("panicked") || ran.said.contains("os error") {
        wrong.push("these are no words for people".into());
    }
    if sentences > 1 || sentences != hints || ([3, 4].contains(&status) && sentences != 1) {
        wrong.push(format!("{sentences} sentences with {hints} hints at status {status}"));
    }
    let untold = sentences == 0;
    if job == Job::Batch {
        let lines: Vec<Value> = String::from_utf8_lossy(&ran.out)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line["schema"] == "lasthop.run/1")
            .collect();
        if untold && lines.len() != 3 {
            wrong.push(format!("{} of 3 results, and no word of it", lines.len()));
        }
        return wrong;
    }
    match serde_json::from_slice::<Value>(&ran.out) {
        Err(_) if ran.said.contains("standard output") => {}
        Err(error) => wrong.push(format!("no document on standard output: {error}")),
        Ok(document) => {
            if document["error"].is_null() && status == 3 {
                wrong.push("the document knows of no error".into());
            }
            if !document["error"].is_null() && untold {
                wrong.push("only the document knows of the error".into());
            }
            // Nothing that fails here is the network's doing: the one who loses packets, or nobody.
            let verdict = &document["verdict"];
            let kind = verdict["kind"].as_str().unwrap_or("inconclusive");
            let guilty = kind == "lost_inside_as" && verdict["asns"] == serde_json::json!([8359]);
            if !guilty && !["inconclusive", "lost_in_as_range", "local"].contains(&kind) {
                wrong.push(format!("the verdict is {kind} {}", verdict["asns"]));
            }
            let heard = ran.heard();
            let answered = document["measurement"]["answered"].as_u64().unwrap_or(0);
            if heard > 5 && answered == 0 {
                wrong.push(format!("{heard} packets came, and none is in the document"));
            }
        }
    }
    for name in ["r.json", "b.zip"] {
        if name == "b.zip" && job != Job::Diagnose {
            continue;
        }
        let content = fs::read(ran.file(name)).unwrap_or_default();
        if content == OLD {
            if untold {
                wrong.push(format!("{name} is not written, and no word of it"));
            }
            continue;
        }
        let whole = match name {
            "r.json" => serde_json::from_slice::<Value>(&content).is_ok(),
            _ => verifies(&ran.file(name), &["--db", world.table()]),
        };
        if !whole {
            wrong.push(format!("{name} is torn: {} bytes", content.len()));
        }
    }
    let beside: Vec<_> = fs::read_dir(ran.folder.path())
        .unwrap()
        .map(|one| one.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    // What cannot be removed stays.
    if !beside.is_empty() && !ran.trace.contains("unlink") {
        wrong.push(format!("left behind: {beside:?}"));
    }
    wrong
}

fn verifies(bundle: &Path, words: &[&str]) -> bool {
    Command::new(PROGRAM).arg("verify").arg(bundle).args(words).output().unwrap().status.success()
}

fn try_all(test: &str, job: Job, stride: usize) {
    let Some(world) = World::build(test) else { return };
    if Command::new("strace").arg("-V").output().is_err() {
        skip::<()>(test, "needs strace");
        return;
    }
    world.nft("c2", FOUR, super::world::FORWARD, "DST drop");
    let clean = ran(&world, job, None);
    assert_eq!(complaints(&world, job, &clean), Vec::<String>::new(), "with nothing wrong: {}", clean.said);
    assert!(clean.trace.lines().count() > 500 && (job == Job::Batch || clean.heard() > 5), "{test}");
    let full = std::env::var_os("LASTHOP_FAULTS").is_some_and(|value| value == "full");
    let faults = faults(&census(&clean), full, stride);
    let count = faults.len();
    let queue = Mutex::new(faults.into_iter());
    let found = Mutex::new(Vec::new());
    let (hit, missed) = (Mutex::new(0), Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some(fault) = next else { break };
                    let ran = ran(&world, job, Some(&fault));
                    // Another order of events, and the place is never come to.
                    if !ran.trace.contains("INJECTED") || ran.is_implausible() {
                        *missed.lock().unwrap() += 1;
                        continue;
                    }
                    *hit.lock().unwrap() += 1;
                    let wrong = complaints(&world, job, &ran);
                    if !wrong.is_empty() {
                        let said: String = ran.said.chars().take(600).collect();
                        found.lock().unwrap().push(format!("{}: {wrong:?}\n{said}", fault.words()));
                    }
                }
            });
        }
    });
    let (hit, missed, found) =
        (hit.into_inner().unwrap(), missed.into_inner().unwrap(), found.into_inner().unwrap());
    let _ = writeln!(std::io::stderr(), "{test}: {hit} faults tried, {missed} not come to");
    assert!(found.is_empty(), "{} of {count}:\n{}", found.len(), found.join("\n"));
    assert!(hit * 4 > count * 3, "only {hit} of {count} faults happened");
}

#[test]
fn a_diagnosis_takes_every_failing_call() {
    try_all("a_diagnosis_takes_every_failing_call", Job::Diagnose, 1);
}

#[test]
fn a_trace_takes_every_failing_call() {
    try_all("a_trace_takes_every_failing_call", Job::Trace, 3);
}

#[test]
fn a_batch_takes_every_failing_call() {
    try_all("a_batch_takes_every_failing_call", Job::Batch, 3);
}

/// A disk that takes a part of each file: writes are short, then refused.
#[test]
fn a_disk_that_fills_up_costs_no_old_file_and_no_report() {
    let test = "a_disk_that_fills_up_costs_no_old_file_and_no_report";
    if let Some(reason) = super::net::missing_right() {
        skip::<()>(test, &reason);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("disk");
    fs::create_dir(&place).unwrap();
    let named = |name: &str| place.join(name).to_str().unwrap().to_owned();
    let (report, bundle) = (named("r.json"), named("b.zip"));
    let copy = folder.path().to_str().unwrap();
    for (size, written) in [(16, false), (24, false), (2000, true)] {
        let shell = format!(
            "mount -t tmpfs -o size={size}k none '{0}' || exit 77; echo old > {report}; echo old > {bundle}; \
             {PROGRAM} demo proton --json -o {report} --bundle {bundle} > {copy}/out.json 2> {copy}/said; echo $?; \
             cp {report} {bundle} {copy}; ls -A '{0}'",
            place.display()
        );
        let output = Command::new("unshare").args(["-m", "sh", "-c", &shell]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = fs::read_to_string(folder.path().join("said")).unwrap();
        let out = fs::read(folder.path().join("out.json")).unwrap();
        let document: Value =
            serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{size}: {error} {said}"));
        assert_eq!(document["verdict"]["kind"], "lost_inside_as", "{size}");
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(
            lines,
            if written { ["0", "b.zip", "r.json"] } else { ["3", "b.zip", "r.json"] },
            "{size} {said}"
        );
        assert_eq!(document["error"].is_null(), written, "{size}");
        let (report, bundle) = (folder.path().join("r.json"), folder.path().join("b.zip"));
        let is_old = |file: &Path| fs::read(file).unwrap() == b"old\n";
        assert_eq!(is_old(&report) || is_old(&bundle), !written, "{size}: {said}");
        if !is_old(&report) {
            serde_json::from_slice::<Value>(&fs::read(&report).unwrap()).unwrap();
        }
        if !is_old(&bundle) {
            assert!(verifies(&bundle, &[]), "{size}");
        }
        if !written {
            assert_eq!(said.matches("No space left on device").count(), 1, "{said}");
            assert_eq!(said.matches("hint: ").count(), 1, "{said}");
        }
    }
}
