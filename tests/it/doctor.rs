//! `lasthop doctor`: what it says of this machine, as whoever asks, and that it sends nothing.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use serde_json::Value;

use super::net::{inside, run, skip, sysctl};
use super::unprivileged::Copies;
use super::world::{FOUR, World};

fn states(output: &Output) -> BTreeMap<String, (String, String, String)> {
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], "lasthop.doctor/1");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |check: &Value| {
        (text(&check["name"]), (text(&check["state"]), text(&check["finding"]), text(&check["way_out"])))
    };
    document["checks"].as_array().unwrap().iter().map(of).collect()
}

fn doctor(world: &World, words: &[&str]) -> Output {
    Command::new("ip")
        .args(["netns", "exec", &world.space("you"), env!("CARGO_BIN_EXE_lasthop"), "doctor"])
        .args(words)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .output()
        .unwrap()
}

#[test]
fn whoever_asks_is_told_what_holds_for_them() {
    let Some(world) = World::build("whoever_asks_is_told_what_holds_for_them") else { return };
    world.nft("you", FOUR, "output priority 0", "meta l4proto { tcp, udp, icmp } counter");
    let output = doctor(&world, &["--json"]);
    let root = states(&output);
    assert_eq!(output.status.code(), Some(0), "{root:#?}");
    for name in ["privilege", "raw sockets", "error queue", "IPv4 route", "IPv6 route", "given up"] {
        assert_eq!(root[name].0, "ok", "{name}: {:?}", root[name]);
    }
    assert!(root["IPv4 route"].1.contains("by 'gw'"), "{:?}", root["IPv4 route"]);
    assert_eq!(root["firewall"].0, "note");
    let sent = run("ip", &["netns", "exec", &world.space("you"), "nft", "list", "ruleset"]);
    let sent = String::from_utf8_lossy(&sent.stdout).into_owned();
    assert!(sent.contains("counter packets 0 bytes 0"), "{sent}");
    let output = doctor(&world, &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.ends_with("missing. Nothing was sent.\n") && text.contains("\nok       raw sockets"),
        "{text}"
    );

    let copies = Copies::of(&world);
    let output = copies.run(&world, &["doctor", "--json"]);
    let nobody = states(&output);
    assert_eq!(output.status.code(), Some(0), "{nobody:#?}");
    for name in ["privilege", "raw sockets"] {
        assert_eq!(
            (nobody[name].0.as_str(), nobody[name].2.contains("setcap cap_net_raw+ep")),
            ("note", true),
            "{name}"
        );
    }
    assert_eq!((nobody["error queue"].0.as_str(), nobody["ping sockets"].0.as_str()), ("ok", "note"));
    inside(&world.space("you"), || sysctl("ipv4/ping_group_range", "0 2147483647"));
    assert_eq!(states(&copies.run(&world, &["doctor", "--json"]))["ping sockets"].0, "ok");
}

#[test]
fn without_any_route_that_is_missing() {
    let test = "without_any_route_that_is_missing";
    if let Some(reason) = super::net::missing_right() {
        skip::<()>(test, &reason);
        return;
    }
    let space = format!("ld{}", std::process::id());
    run("ip", &["netns", "add", &space]);
    let output = Command::new("ip")
        .args([
            "netns",
            "exec",
            &space,
            env!("CARGO_BIN_EXE_lasthop"),
            "doctor",
            "--json",
            "--db",
            "/nonexistent",
        ])
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .output();
    run("ip", &["netns", "del", &space]);
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(3));
    let found = states(&output);
    for name in ["IPv4 route", "IPv6 route", "table"] {
        assert_eq!(
            (found[name].0.as_str(), found[name].2.is_empty()),
            ("missing", false),
            "{name}: {:?}",
            found[name]
        );
    }
}
