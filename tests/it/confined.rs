//! What a run has taken from itself before it reads what strangers wrote, seen from outside and tried from inside.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lasthop::net::confine::{self, Allowance, confine};
use lasthop::net::privilege;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::net::skip;
use super::world::{FOUR, World, concluded};

/// A line of a process's status.
fn field(pid: u32, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
}

/// The program as root, while it measures, holds nothing.
#[test]
fn a_running_measurement_holds_no_capability_and_is_confined() {
    let Some(world) = World::build("a_running_measurement_holds_no_capability_and_is_confined") else {
        return;
    };
    world.nft("c2", FOUR, "forward priority 0", "DST drop");
    let words: [&[&str]; 2] = [
        &["trace", FOUR.target, "25"],
        &["diagnose", FOUR.target, "25", "-r", FOUR.neighbour, "--also", "185.70.40.102"],
    ];
    for words in words {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &world.space("you"), env!("CARGO_BIN_EXE_lasthop")])
            .args(words)
            .args(["--db", world.table()])
            .env("XDG_CACHE_HOME", "/dev/null/none")
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let filtered = |pid| field(pid, "Seccomp").is_some_and(|mode| mode == "2");
        for _ in 0..400 {
            if filtered(child.id()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let read = |name| {
            field(child.id(), name).unwrap_or_else(|| panic!("{words:?} ended before {name} was read"))
        };
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(u64::from_str_radix(&read(set), 16).unwrap(), 0, "{set} of {words:?}");
        }
        assert_eq!(read("NoNewPrivs"), "1");
        assert_eq!(read("Seccomp"), if confine::filters_calls() { "2" } else { "0" });
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Reports, captures and bundles are written as before, wherever they are to be; relative names as well.
#[test]
fn outputs_are_written_all_the_same() {
    let Some(world) = World::build("outputs_are_written_all_the_same") else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("below")).unwrap();
    let output = Command::new("ip")
        .args([
            "netns",
            "exec",
            &world.space("you"),
            env!("CARGO_BIN_EXE_lasthop"),
            "diagnose",
            FOUR.target,
            "25",
        ])
        .args([
            "-r",
            FOUR.neighbour,
            "--json",
            "--app",
            "smtp",
            "-o",
            "report.html",
            "--pcap",
            "below/run.pcapng",
        ])
        .args(["--bundle", "below/evidence.zip", "--db", world.table()])
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), concluded(&document).0), (Some(0), "reachable"), "{said}");
    // The service closes without a word; that it was talked to is what matters.
    assert!(
        document["app"]["error"].as_str().is_none_or(|error| !error.contains("ermi")),
        "{:#}",
        document["app"]
    );
    for file in ["report.html", "below/run.pcapng", "below/evidence.zip"] {
        assert!(fs::metadata(folder.path().join(file)).unwrap().len() > 500, "{file}: {said}");
    }
    let verified = Command::new(env!("CARGO_BIN_EXE_lasthop"))
        .arg("verify")
        .arg(folder.path().join("below/evidence.zip"))
        .args(["--db", world.table()])
        .output()
        .unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stderr));
}

/// This binary again, playing one scene in a process of its own.
fn play(name: &str, folder: &Path) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "confined::scene", "--ignored", "--nocapture", "--test-threads=1"])
        .env("LASTHOP_CONFINED_SCENE", name)
        .env("LASTHOP_CONFINED_FOLDER", folder)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains(&format!("scene {name} done")),
        "{told}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn what_a_run_does_not_need_is_refused() {
    if confine::landlock_version().is_none() || !confine::filters_calls() {
        skip::<()>("what_a_run_does_not_need_is_refused", "needs a kernel with landlock and seccomp");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    play("strict", folder.path());
    play("lenient", folder.path());
}

/// Played by the test above.
#[test]
#[ignore = "a part of another test, which runs it in a process of its own"]
fn scene() {
    let scene = std::env::var("LASTHOP_CONFINED_SCENE").expect("only another test runs this");
    let folder = std::path::PathBuf::from(std::env::var_os("LASTHOP_CONFINED_FOLDER").unwrap());
    let strict = scene == "strict";
    fs::write(folder.join("before"), "kept").unwrap();
    let outside = tempfile::tempdir().unwrap();
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = service.local_addr().unwrap();
    privilege::drop_here().unwrap();
    let held = confine(&Allowance {
        writes: vec![folder.clone()],
        connects: !strict,
        programs: !strict,
        ..Allowance::default()
    });
    assert!(held.files && held.calls, "{held:?}");
    // What a run does.
    fs::write(folder.join("beside"), "new").unwrap();
    fs::rename(folder.join("beside"), folder.join("before")).unwrap();
    assert_eq!(fs::read_to_string(folder.join("before")).unwrap(), "new");
    File::open("/proc/self/status").unwrap();
    assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
    Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    // What it does not.
    let denied =
        |result: std::io::Result<File>| assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
    denied(File::open("/etc/passwd"));
    denied(File::open("/etc/shadow"));
    denied(File::create(outside.path().join("file")));
    denied(File::create("/etc/lasthop-was-here"));
    assert_eq!(unshare(CloneFlags::CLONE_NEWUSER), Err(Errno::ENOSYS));
    assert_eq!(unshare(CloneFlags::CLONE_NEWNET), Err(Errno::ENOSYS));
    let packet = Socket::new(Domain::PACKET, Type::RAW, None).unwrap_err();
    assert_eq!(packet.raw_os_error(), Some(Errno::ENOSYS as i32));
    // In a thread, since a filter holds for those that are started later.
    let inside = std::thread::spawn(|| unshare(CloneFlags::CLONE_NEWUSER)).join().unwrap();
    assert_eq!(inside, Err(Errno::ENOSYS));
    match strict {
        true => {
            Command::new("/bin/true").status().unwrap_err();
            if held.connections {
                assert_eq!(TcpStream::connect(there).unwrap_err().kind(), ErrorKind::PermissionDenied);
            }
        }
        false => {
            assert!(Command::new("/bin/true").status().unwrap().success());
            TcpStream::connect(there).unwrap();
            // A program has what this one has.
            let cat = Command::new("/bin/cat").arg("/etc/passwd").stderr(Stdio::null()).status().unwrap();
            assert!(!cat.success());
        }
    }
    println!("scene {scene} done");
}
