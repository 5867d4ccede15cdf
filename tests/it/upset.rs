//! What happens to this host itself while it measures: its link goes and comes back, its address or route changes.
//!
//! Packets are lost then by nobody's fault but our own, so nobody may be accused who does not lose them. The measurement ends
//! by itself with a verdict or an error, and what it had learned is in the document.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::world::{FORWARD, FOUR, Names, SIX, World, address, concluded};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");
/// A run has a time budget of its own; this is far beyond it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures at ten packets a second, does `upset` so long after the start, and then `mend` if there is something to mend.
/// Gives the status, the document and what was said.
fn measured(world: &World, names: Names, upset: &[(u64, &str, String)]) -> (i32, Value, String) {
    let mut child = Command::new("ip")
        .args(["netns", "exec", &world.space("you"), PROGRAM])
        .args(["diagnose", names.target, "25", "-r", names.neighbour, "--json", "--seed", "1", "-z", "100"])
        .args(["--db", world.table()])
        .env("XDG_CACHE_HOME", "/nonexistent")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    for (at, room, line) in upset {
        std::thread::sleep(Duration::from_millis(*at).saturating_sub(begun.elapsed()));
        world.batch(room, line, false);
    }
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("the run does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let document = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{said}", String::from_utf8_lossy(&output.stdout)));
    (output.status.code().unwrap(), document, said)
}

/// Nobody is named but AS8359, and that only where it does lose packets (`blocked`); an error is one sentence with a way out.
#[track_caller]
fn fair(test: &str, blocked: bool, (status, document, said): &(i32, Value, String)) {
    let (kind, asns, reason) = concluded(document);
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("{test}: status {status}, {kind} {asns:?} {reason}, error {}\n", document["error"])
            .as_bytes(),
    );
    let right = match kind {
        "lost_inside_as" => blocked && asns == [8359],
        "reachable" => !blocked,
        "inconclusive" | "local" | "lost_in_as_range" => true,
        _ => false,
    };
    assert!(right, "{test}: {:#} {said}", document["verdict"]);
    assert!(document["measurement"]["answered"].as_u64().unwrap() > 0, "{test}: nothing learned is left");
    let sentences = said.lines().filter(|line| line.starts_with("lasthop: ")).count();
    assert_eq!(sentences, usize::from(!document["error"].is_null()), "{test}: {said}");
    assert_eq!(sentences, said.lines().filter(|line| line.starts_with("hint: ")).count(), "{test}: {said}");
    assert_eq!(*status == 3, !document["error"].is_null(), "{test}: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// With and without packets being lost on the path; what is told of the trouble has `word` in it, where nothing is concluded.
fn both(test: &str, names: Names, word: &str, upset: impl Fn(u64) -> Vec<(u64, &'static str, String)>) {
    for blocked in [true, false] {
        let Some(world) = World::build(test) else { return };
        if blocked {
            world.nft("c2", names, FORWARD, "DST drop");
        }
        let label = format!("{test} blocked={blocked}");
        let told = measured(&world, names, &upset(if blocked { 2000 } else { 700 }));
        fair(&label, blocked, &told);
        if concluded(&told.1).0 == "inconclusive" {
            let message = told.1["error"]["message"].as_str().unwrap_or_default();
            assert!(message.contains(word), "{label}: {message:?} without {word:?}");
        }
    }
}

#[test]
fn our_interface_goes_down() {
    both("our_interface_goes_down", FOUR, "can no longer be sent", |at| {
        vec![(at, "you", "link set gw down".to_owned())]
    });
}

#[test]
fn our_interface_goes_down_and_comes_back() {
    let (gateway, _) = address(0, 1, 2);
    both("our_interface_goes_down_and_comes_back", FOUR, "can no longer be sent", |at| {
        vec![
            (at, "you", "link set gw down".to_owned()),
            (at + 1500, "you", "link set gw up".to_owned()),
            (at + 1500, "you", format!("route replace default via {gateway}")),
        ]
    });
}

/// The kernel goes on taking packets, and nobody hears them.
#[test]
fn the_cable_is_pulled() {
    both("the_cable_is_pulled", FOUR, "the interface 'gw' lost its link", |at| {
        vec![(at, "gw", "link set you down".to_owned())]
    });
}

#[test]
fn the_cable_is_pulled_and_put_back() {
    both("the_cable_is_pulled_and_put_back", FOUR, "went and came back", |at| {
        vec![
            (at, "gw", "link set you down".to_owned()),
            (at + 1500, "gw", "link set you up".to_owned()),
            (at + 1500, "gw", "route replace default via 178.248.232.10".to_owned()),
        ]
    });
}

#[test]
fn our_address_is_removed() {
    let (four, _) = address(0, 1, 1);
    both("our_address_is_removed", FOUR, "can no longer be sent", |at| {
        vec![(at, "you", format!("addr del {four}/30 dev gw"))]
    });
}

#[test]
fn our_ipv6_address_is_removed() {
    let (_, six) = address(0, 1, 1);
    both("our_ipv6_address_is_removed", SIX, "ceased to be an address", |at| {
        vec![(at, "you", format!("-6 addr del {six}/64 dev gw"))]
    });
}

#[test]
fn our_address_becomes_another() {
    let ((four, _), (gateway, _)) = (address(0, 1, 1), address(0, 1, 2));
    both("our_address_becomes_another", FOUR, "ceased to be an address", |at| {
        vec![
            (at, "you", "addr add 192.168.1.77/24 dev gw".to_owned()),
            (at, "you", format!("addr del {four}/30 dev gw")),
            (at, "you", format!("route replace default via {gateway}")),
        ]
    });
}

#[test]
fn our_route_goes_and_comes_back() {
    let (gateway, _) = address(0, 1, 2);
    both("our_route_goes_and_comes_back", FOUR, "can no longer be sent", |at| {
        vec![
            (at, "you", "route del default".to_owned()),
            (at + 1500, "you", format!("route add default via {gateway}")),
        ]
    });
}

/// To a dead end on this host: it is told apart from the path's.
#[test]
fn our_route_becomes_a_dead_end() {
    both("our_route_becomes_a_dead_end", FOUR, "Invalid argument", |at| {
        vec![
            (at, "you", "route replace blackhole default".to_owned()),
            (at, "you", "route flush cache".to_owned()),
        ]
    });
}
