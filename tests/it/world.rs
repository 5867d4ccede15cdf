//! The program as root on kernel routers: the story from the wire, and what else stops packets.
//!
//! ```text
//!   you ─ gw ─ a1 ─ a2 ─ b1 ─ c1 ─ c2 ─ c3 ─ c4 ─ d1 ─ e1 ─ e2 ─┬─ target      hops 1 to 11, hosts at 12
//!        home  204671    57681  8359                22822 19905  └─ neighbour
//! ```
//!
//! Each case has a world of its own: namespaces made for it, no route out, deleted after it. A link is numbered from the
//! space of its near end, so that the first router of a network shows its neighbour's address, as half of them do.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use serde_json::Value;

use super::net::{inside, missing_right, run, skip, sysctl};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");

/// Routers in order, with the space their far link is numbered from.
pub(super) const ROUTERS: [(&str, usize); 11] = [
    ("gw", 1),
    ("a1", 1),
    ("a2", 1),
    ("b1", 2),
    ("c1", 3),
    ("c2", 3),
    ("c3", 3),
    ("c4", 3),
    ("d1", 4),
    ("e1", 5),
    ("e2", 5),
];
/// IPv4 (three bytes), IPv6 prefix, AS and name of each space; the first is the home's.
pub(super) const SPACES: [(&str, &str, u32, &str); 8] = [
    ("192.168.1", "fd00:1:", 0, "home"),
    ("178.248.232", "2001:678:5e0:", 204_671, "Habr Europe OU"),
    ("37.188.64", "2a00:1d58:1:", 57_681, "MGTS"),
    ("212.188.0", "2a02:28:1:", 8359, "MTS PJSC"),
    ("68.142.64", "2607:f4e8:1:", 22_822, "Limelight Networks"),
    ("185.70.40", "2001:c20:18:", 19_905, "Neustar Security Services"),
    // Of the second uplink, where there is one.
    ("185.68.80", "2a00:f0f:1:", 49_063, "Dataline LLC"),
    ("81.27.240", "2a00:f1f:1:", 20_764, "RASCOM CJSC"),
];

/// A family's addresses of the hosts.
#[derive(Clone, Copy)]
pub(super) struct Names {
    /// As nft writes it.
    nft: &'static str,
    pub(super) target: &'static str,
    pub(super) neighbour: &'static str,
    pub(super) v6: bool,
}

pub(super) const FOUR: Names =
    Names { nft: "ip", target: "185.70.40.101", neighbour: "185.70.40.103", v6: false };
pub(super) const SIX: Names =
    Names { nft: "ip6", target: "2001:c20:18::101", neighbour: "2001:c20:18::103", v6: true };

pub(super) struct World {
    stem: String,
    rooms: Vec<String>,
    _listeners: Vec<TcpListener>,
    table: tempfile::NamedTempFile,
}

impl World {
    pub(super) fn build(test: &str) -> Option<Self> {
        if let Some(reason) = missing_right() {
            return skip(test, &reason);
        }
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let stem = format!("lw{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut rooms: Vec<String> = vec!["you".to_owned()];
        rooms.extend(ROUTERS.iter().map(|(name, _)| (*name).to_owned()));
        // The second branch of the balanced case, and the second uplink; unused in the others.
        rooms.extend(["c2b", "f1", "f2", "g1", "g2", "target", "neighbour"].map(str::to_owned));
        let mut world = Self { stem, rooms, _listeners: Vec::new(), table: table() };
        for room in &world.rooms {
            run("ip", &["netns", "add", &world.space(room)]);
            let forwards = if ["you", "target", "neighbour"].contains(&room.as_str()) { "0" } else { "1" };
            inside(&world.space(room), || {
                sysctl("ipv6/conf/default/accept_dad", "0");
                sysctl("ipv6/conf/all/accept_dad", "0");
                sysctl("ipv4/icmp_ratelimit", "0");
                sysctl("ipv4/icmp_msgs_per_sec", "1000000");
                sysctl("ipv4/icmp_msgs_burst", "1000000");
                sysctl("ipv6/icmp/ratelimit", "0");
                sysctl("ipv4/ip_forward", forwards);
                sysctl("ipv6/conf/all/forwarding", forwards);
                sysctl("ipv4/conf/all/rp_filter", "0");
                sysctl("ipv4/conf/default/rp_filter", "0");
            });
        }
        let mut chain = vec![("you", 0)];
        chain.extend(ROUTERS);
        for (number, pair) in chain.windows(2).enumerate() {
            world.link(pair[0].0, pair[1].0, pair[0].1, number as u32 + 1);
        }
        world.host("target", FOUR.target, SIX.target, 50);
        world.host("neighbour", FOUR.neighbour, SIX.neighbour, 51);
        for (place, (name, _)) in chain.iter().enumerate() {
            let mut lines = String::new();
            // To the right by default; to the left for the home, and for what translates its addresses.
            if let Some((right, space)) = chain.get(place + 1).map(|(right, _)| (right, chain[place].1)) {
                let _ = right;
                let (four, six) = address(space, place as u32 + 1, 2);
                let _ = writeln!(lines, "route add default via {four}\n-6 route add default via {six}");
            }
            if place > 1 {
                let (four, six) = address(chain[place - 1].1, place as u32, 1);
                for prefix in ["192.168.1.0/24", "178.248.232.8/30"] {
                    let _ = writeln!(lines, "route replace {prefix} via {four}");
                }
                for prefix in ["fd00:1:1::/64", "2001:678:5e0:2::/64"] {
                    let _ = writeln!(lines, "-6 route replace {prefix} via {six}");
                }
            }
            if !lines.is_empty() {
                world.batch(name, &lines, true);
            }
        }
        for host in ["target", "neighbour"] {
            let listeners =
                inside(&world.space(host), || [25, 443].map(|port| TcpListener::bind(("::", port)).unwrap()));
            world._listeners.extend(listeners);
        }
        Some(world)
    }

    pub(super) fn space(&self, room: &str) -> String {
        format!("{}-{room}", self.stem)
    }

    /// Lines of `ip` in a room; those that may fail (a route that is there already) do so in silence.
    pub(super) fn batch(&self, room: &str, lines: &str, forgiving: bool) {
        let space = self.space(room);
        for line in lines.lines() {
            let mut arguments = vec!["-n", &space];
            arguments.extend(line.split_whitespace());
            if forgiving {
                let _ = Command::new("ip").args(&arguments).stderr(Stdio::null()).status();
            } else {
                run("ip", &arguments);
            }
        }
    }

    pub(super) fn link(&self, from: &str, to: &str, space: usize, number: u32) {
        let far = self.space(to);
        self.batch(
            from,
            &format!("link add {to} index {number}00 type veth peer name {from} netns {far}"),
            false,
        );
        for (room, device, end) in [(from, to, 1), (to, from, 2)] {
            let (four, six) = address(space, number, end);
            self.batch(
                room,
                &format!(
                    "addr add {four}/30 dev {device}\n-6 addr add {six}/64 dev {device} nodad\nlink set {device} up"
                ),
                false,
            );
        }
    }

    fn host(&self, name: &str, four: &str, six: &str, number: u32) {
        let far = self.space(name);
        self.batch(
            "e2",
            &format!("link add {name} index {number}00 type veth peer name out netns {far}"),
            false,
        );
        self.batch(
            "e2",
            &format!(
                "addr add 185.70.40.254/32 dev {name}\n-6 addr add fe80::1/64 dev {name} nodad\nlink set {name} up\n\
                 route add {four}/32 dev {name}\n-6 route add {six}/128 dev {name}"
            ),
            false,
        );
        self.batch(
            name,
            &format!(
                "link set lo up\naddr add {four}/32 dev out\n-6 addr add {six}/128 dev out nodad\nlink set out up\n\
                 route add 185.70.40.254/32 dev out\nroute add default via 185.70.40.254\n\
                 -6 route add default via fe80::1 dev out"
            ),
            false,
        );
    }

    /// One nft chain with these rules; `DST`, `SRC` and `ICMP` stand for the family's words.
    pub(super) fn nft(&self, room: &str, names: Names, hook: &str, rules: &str) {
        let rules = rules
            .replace("DST", &format!("{} daddr {}", names.nft, names.target))
            .replace("SRC", &format!("{} saddr {}", names.nft, names.target))
            .replace("ICMP", if names.v6 { "icmpv6" } else { "icmp" });
        let kind = if hook.starts_with("postrouting priority 100") { "nat" } else { "filter" };
        let text =
            format!("table inet t {{\nchain c{} {{\ntype {kind} hook {hook};\n{rules}\n}}\n}}\n", hook.len());
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.space(room), "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "nft refused {text}");
    }

    /// The IP-to-AS table of this small Internet.
    pub(super) fn table(&self) -> &str {
        self.table.path().to_str().unwrap()
    }

    pub(super) fn lasthop(&self, words: &[&str]) -> Output {
        // No list or cache of the person who runs the tests.
        self.lasthop_of(std::path::Path::new("/nonexistent"), words)
    }

    /// The same for a user whose own files are below `home`.
    fn lasthop_of(&self, home: &std::path::Path, words: &[&str]) -> Output {
        let table = self.table.path().to_str().unwrap();
        Command::new("ip")
            .args(["netns", "exec", &self.space("you"), PROGRAM])
            .args(words)
            .args(["--db", table])
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .output()
            .unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for room in &self.rooms {
            let _ =
                Command::new("ip").args(["netns", "del", &self.space(room)]).stderr(Stdio::null()).status();
        }
    }
}

/// Addresses of one end (1 near, 2 far) of a link. Links of a space are four addresses apart.
pub(super) fn address(space: usize, number: u32, end: u32) -> (String, String) {
    let (four, six, _, _) = SPACES[space];
    (format!("{four}.{}", number * 4 + end), format!("{six}{number}::{end}"))
}

/// The table of this small Internet, as iptoasn files are written.
fn table() -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".tsv").tempfile().unwrap();
    for (four, six, asn, name) in SPACES.into_iter().filter(|(_, _, asn, _)| *asn != 0) {
        writeln!(file, "{four}.0\t{four}.255\t{asn}\tXX\t{name}").unwrap();
        writeln!(file, "{six}:\t{six}ffff:ffff:ffff:ffff:ffff\t{asn}\tXX\t{name}").unwrap();
    }
    file
}

/// What may be concluded: kind, AS set (empty for any), and the reason of `inconclusive`.
type Right = (&'static str, &'static [u32], &'static str);

/// The mail story's verdict, wherever in AS8359 the fault is.
const INSIDE: Right = ("lost_inside_as", &[8359], "");
const BORDER: Right = ("lost_at_as_border", &[8359, 22_822], "");
const SILENT_HOST: Right = ("host_or_return_path", &[], "");

/// Kind, AS set and reason of a document's verdict.
pub(super) fn concluded(document: &Value) -> (&str, Vec<u32>, &str) {
    let verdict = &document["verdict"];
    let asns = verdict["asns"].as_array().map_or(Vec::new(), |list| {
        list.iter().filter_map(|asn| asn.as_u64().map(|asn| asn as u32)).collect()
    });
    (verdict["kind"].as_str().unwrap_or("none"), asns, verdict["reason"].as_str().unwrap_or(""))
}

fn judge(test: &str, names: Names, port: &str, prepare: impl FnOnce(&World), right: &[Right]) {
    let Some(world) = World::build(test) else { return };
    prepare(&world);
    let began = Instant::now();
    let output =
        world.lasthop(&["diagnose", names.target, port, "-r", names.neighbour, "--json", "--seed", "1"]);
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let document = document(&output);
    let verdict = &document["verdict"];
    let (kind, asns, reason) = concluded(&document);
    let probes = &document["measurement"]["probes"];
    let _ = writeln!(
        std::io::stderr(),
        "{test} v6={}: {kind} {asns:?} {} {} {reason} in {:.1} s, {probes} probes",
        names.v6,
        verdict["mechanism"],
        verdict["scope"],
        took.as_secs_f64()
    );
    let fits = right.iter().any(|(wanted, set, why)| {
        *wanted == kind && (set.is_empty() || *set == asns) && (why.is_empty() || *why == reason)
    });
    assert!(fits, "{test} v6={}: {verdict:#} {said}", names.v6);
    let status = match kind {
        "reachable" => 0,
        "inconclusive" => 12,
        "lost_in_as_range" | "destination_network" | "host_or_return_path" | "intercepted" | "local" => 11,
        _ => 10,
    };
    assert_eq!(output.status.code(), Some(status), "{test}");
}

macro_rules! cases {
    ($($name:ident($port:literal) $prepare:expr => $right:expr;)*) => {$(
        mod $name {
            use super::*;
            #[test]
            fn four() {
                judge(stringify!($name), FOUR, $port, |world| ($prepare)(world, FOUR), &$right);
            }
            #[test]
            fn six() {
                judge(stringify!($name), SIX, $port, |world| ($prepare)(world, SIX), &$right);
            }
        }
    )*};
}

pub(super) const FORWARD: &str = "forward priority 0";
pub(super) const RAW: &str = "prerouting priority -300";

fn route(world: &World, names: Names, room: &str, what: &str) {
    change_route(world, names, room, "add", what);
}

/// Changes (`verb`) the route to the target: `via` an address, by a `dev`ice, or a kind of dead end.
pub(super) fn change_route(world: &World, names: Names, room: &str, verb: &str, what: &str) {
    let (family, length) = if names.v6 { ("-6 ", 128) } else { ("", 32) };
    let target = format!("{}/{length}", names.target);
    let line = if what.contains(' ') { format!("{target} {what}") } else { format!("{what} {target}") };
    world.batch(room, &format!("{family}route {verb} {line}"), false);
}

cases! {
    a_clear_path("25") |_: &World, _| {} => [("reachable", &[] as &[u32], "")];
    a_closed_port("26") |_: &World, _| {} => [("reachable", &[] as &[u32], "")];
    a_silent_drop_in_mid_as("25") |world: &World, names| world.nft("c2", names, FORWARD, "DST drop") => [INSIDE];
    a_drop_at_an_egress("25") |world: &World, names| world.nft("c4", names, "postrouting priority 0", "DST drop") => [BORDER];
    a_drop_at_an_ingress("25") |world: &World, names| world.nft("d1", names, RAW, "DST drop") => [BORDER];
    one_port_only("25") |world: &World, names| world.nft("c2", names, FORWARD, "DST tcp dport 25 drop") => [INSIDE];
    a_reject_by_policy("25") |world: &World, names| world.nft("c2", names, FORWARD, "DST reject with ICMP type admin-prohibited") => [("rejected", &[8359], "")];
    a_reject_by_reset("25") |world: &World, names| world.nft("c2", names, FORWARD, "DST meta l4proto tcp reject with tcp reset") => [("injected", &[8359], ""), ("rejected", &[8359], "")];
    a_blackhole_route("25") |world: &World, names| route(world, names, "c3", "blackhole") => [INSIDE];
    an_unreachable_route("25") |world: &World, names| route(world, names, "c3", "unreachable") => [("routing_fault", &[8359], ""), ("rejected", &[8359], "")];
    a_host_that_is_down("25") |world: &World, _| world.batch("target", "link set out down", false) => [SILENT_HOST];
    a_firewall_of_the_host("25") |world: &World, names| world.nft("target", names, "input priority 0", "tcp dport 25 drop") => [SILENT_HOST];
    a_filter_on_the_way_back("25") |world: &World, names| world.nft("c3", names, FORWARD, "SRC drop") => [SILENT_HOST];
    a_silent_router_at_the_block("25") |world: &World, names| {
        world.nft("c3", names, FORWARD, "DST drop");
        world.nft("c3", names, "output priority 0", "ICMP type time-exceeded drop");
    } => [INSIDE, ("lost_in_as_range", &[], ""), ("inconclusive", &[], "")];
    routers_limited_as_linux_does("25") |world: &World, names| {
        for (room, _) in ROUTERS {
            inside(&world.space(room), || {
                sysctl("ipv4/icmp_ratelimit", "1000");
                sysctl("ipv4/icmp_msgs_per_sec", "1000");
                sysctl("ipv4/icmp_msgs_burst", "50");
                sysctl("ipv6/icmp/ratelimit", "1000");
            });
        }
        world.nft("c2", names, FORWARD, "DST drop");
    } => [INSIDE, ("inconclusive", &[], "rate_limited"), ("inconclusive", &[], "weak")];
    a_routing_loop("25") |world: &World, names: Names| {
        let (four, six) = address(3, 7, 1);
        route(world, names, "c3", &format!("via {}", if names.v6 { six } else { four }));
    } => [("routing_fault", &[8359], "")];
    an_address_translator_first("25") |world: &World, names| {
        world.nft("gw", names, "postrouting priority 100", "oifname \"a1\" masquerade");
        world.nft("c2", names, FORWARD, "DST drop");
    } => [INSIDE];
    one_branch_of_two("25") |world: &World, names: Names| {
        world.link("c1", "c2b", 3, 30);
        world.link("c2b", "c3", 3, 31);
        let ((left4, left6), (right4, right6)) = (address(3, 30, 1), address(3, 31, 2));
        let ((a4, a6), (b4, b6)) = (address(3, 6, 2), address(3, 30, 2));
        world.batch("c2b", &format!(
            "route add default via {right4}\n-6 route add default via {right6}\n\
             route add 192.168.1.0/24 via {left4}\n-6 route add fd00:1:1::/64 via {left6}"
        ), false);
        world.batch("c1", &format!(
            "route replace default nexthop via {a4} nexthop via {b4}\n\
             -6 route del default\n-6 route add default nexthop via {a6} nexthop via {b6}"
        ), false);
        inside(&world.space("c1"), || {
            sysctl("ipv4/fib_multipath_hash_policy", "1");
            sysctl("ipv6/fib_multipath_hash_policy", "1");
        });
        world.nft("c2b", names, FORWARD, "DST drop");
    } => [
        // Which branch a flow takes hangs on the port that the kernel gave it: one run in a hundred or so has all its flows
        // on one branch, or all but one. The same case with every flow fixed, over many seeds, is in `sim`: there it must
        // be `partial`. Here nobody but AS8359 may be accused, whatever the ports are.
        ("partial", &[8359], ""),
        INSIDE,
        ("reachable", &[], ""),
        ("inconclusive", &[], "ecmp_unresolved"),
        ("inconclusive", &[], "time_varying"),
        ("inconclusive", &[], "contradiction"),
        ("inconclusive", &[], "weak"),
    ];
}

/// The address of each hop, `None` where nobody answered, up to the host.
fn hops_of_traceroute(text: &str) -> Vec<Option<String>> {
    let lines = text.lines().filter(|line| line.trim_start().starts_with(|one: char| one.is_ascii_digit()));
    lines
        .map(|line| {
            let mut words = line.split_whitespace().skip(1);
            words.find(|word| word.parse::<std::net::IpAddr>().is_ok()).map(str::to_owned)
        })
        .collect()
}

/// The hops of `traceroute` and of `lasthop trace`, with three protocols in both families.
fn same_hops(world: &World, what: &str) -> Vec<usize> {
    let mut lengths = Vec::new();
    for names in [FOUR, SIX] {
        for (flag, port) in [("-T", Some("25")), ("-I", None), ("-U", Some("53"))] {
            // Linux tells of missing IPv4 routes five times and then once a second, whoever asks and however.
            let limited = what == "unreachable" && !names.v6;
            if limited && flag != "-T" {
                continue;
            }
            let rest = || std::thread::sleep(std::time::Duration::from_secs(if limited { 6 } else { 0 }));
            rest();
            let mut theirs = vec!["netns", "exec"];
            let space = world.space("you");
            theirs.extend([space.as_str(), "traceroute", "-n", "-w", "1", flag]);
            theirs.extend(port.into_iter().flat_map(|port| ["-p", port]));
            theirs.push(names.target);
            let theirs = run("ip", &theirs);
            let theirs = hops_of_traceroute(&String::from_utf8_lossy(&theirs.stdout));
            rest();
            let mut words = vec!["trace", names.target, flag, "--json"];
            words.extend(port.into_iter().flat_map(|port| ["-p", port]));
            let ours = world.lasthop(&words);
            let document: Value = serde_json::from_slice(&ours.stdout).unwrap();
            let ours: Vec<Option<String>> = document["target"]["hops"]
                .as_array()
                .unwrap()
                .iter()
                .map(|hop| hop["responders"][0]["address"].as_str().map(str::to_owned))
                .collect();
            assert_eq!(ours, theirs, "{what} {flag} v6={}", names.v6);
            lengths.push(ours.len());
            let probes = document["measurement"]["probes"].as_u64().unwrap();
            // Three a hop and one with a full TTL; what was on its way when the end came back is little here.
            assert!(probes <= 3 * ours.len() as u64 + 4, "{what} {flag}: {probes} probes");
        }
    }
    lengths
}

fn has_traceroute(test: &str) -> bool {
    let there = Command::new("traceroute").arg("--version").output().is_ok();
    if !there {
        skip::<()>(test, "needs Debian's traceroute");
    }
    there
}

#[test]
fn traceroute_sees_the_same_hops() {
    let test = "traceroute_sees_the_same_hops";
    let Some(world) = World::build(test) else { return };
    if has_traceroute(test) {
        assert_eq!(same_hops(&world, "clear"), [12; 6]);
    }
}

#[test]
fn a_trace_ends_where_traceroute_ends() {
    let test = "a_trace_ends_where_traceroute_ends";
    let cases: [(&str, &str, &str); 3] = [
        ("prohibited", "DST reject with ICMP type admin-prohibited", " !X"),
        ("rejected", "DST reject", " port!"),
        ("unreachable", "", " !"),
    ];
    for (what, rule, mark) in cases {
        let Some(world) = World::build(test) else { return };
        if !has_traceroute(test) {
            return;
        }
        for names in [FOUR, SIX] {
            match rule {
                "" => route(&world, names, "c2", "unreachable"),
                rule => world.nft("c2", names, if names.v6 { FORWARD } else { "forward priority 00" }, rule),
            }
        }
        let lengths = same_hops(&world, what);
        assert!(lengths.iter().all(|length| *length == lengths[0] && *length < 8), "{what}: {lengths:?}");
        // IPv6, where missing routes are told without a limit.
        let output = world.lasthop(&["trace", SIX.target, "25"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text.matches(mark).count(), 1, "{what}: {text}");
        assert!(text.contains(&format!("refused at hop {}: ", lengths[0])), "{what}: {text}");
        // Beside a reference the target's column ends there as well.
        let output = world.lasthop(&["diagnose", SIX.target, "25", "-r", SIX.neighbour]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text.lines().filter(|line| line.contains(mark)).count(), 1, "{what}: {text}");
    }
}

/// A last router that looks for the host's address says after three seconds that there is none.
#[test]
fn a_trace_to_a_host_that_is_down_ends_behind_its_router() {
    let Some(world) = World::build("a_trace_to_a_host_that_is_down_ends_behind_its_router") else { return };
    world.batch("target", "link set out down", false);
    for names in [FOUR, SIX] {
        let output = world.lasthop(&["trace", names.target, "25"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("refused at hop 12: "), "{text}");
        assert!(text.contains("host unreachable (!H)"), "{text}");
    }
}

#[test]
fn a_trace_that_is_stopped_says_so() {
    let Some(world) = World::build("a_trace_that_is_stopped_says_so") else { return };
    world.nft("c2", FOUR, FORWARD, "DST drop");
    let child = Command::new("ip")
        .args(["netns", "exec", &world.space("you"), PROGRAM, "trace", FOUR.target, "25"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A silent path takes seconds; the signals are listened for within a tenth of one.
    std::thread::sleep(std::time::Duration::from_millis(700));
    run("kill", &["-INT", &child.id().to_string()]);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("incomplete: stopped before"), "{text}");
}

#[test]
fn a_target_that_this_host_does_not_let_out_ends_the_run() {
    let Some(world) = World::build("a_target_that_this_host_does_not_let_out_ends_the_run") else { return };
    for names in [FOUR, SIX] {
        world.nft(
            "you",
            names,
            if names.v6 { "output priority 0" } else { "output priority 00" },
            "DST drop",
        );
        for seed in ["1", "2", "3", "4"] {
            let words = ["diagnose", names.target, "25", "-r", names.neighbour, "--json", "--seed", seed];
            let output = world.lasthop(&words);
            let document: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(3), "{document:#}");
            assert_eq!(document["verdict"]["reason"], "self_check", "{document:#}");
            assert_eq!(document["error"]["kind"], "send");
            let probes = document["measurement"]["probes"].as_u64().unwrap();
            assert!(probes < 40, "{probes} probes");
        }
        // The other way round: what is left is the target alone.
        let words = ["diagnose", names.neighbour, "25", "-r", names.target, "--json"];
        let output = world.lasthop(&words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains(names.target) && said.contains("is left out"), "{said}");
    }
}

#[test]
fn addresses_of_connected_networks_are_no_hosts() {
    let Some(world) = World::build("addresses_of_connected_networks_are_no_hosts") else { return };
    let own = address(0, 1, 1).0;
    let (stem, last) = own.rsplit_once('.').unwrap();
    let base: u8 = last.parse::<u8>().unwrap() - 1;
    for (end, word) in [(base, "address of the network"), (base + 3, "broadcast address")] {
        let output = world.lasthop(&["diagnose", &format!("{stem}.{end}"), "--json"]);
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(2), "{document:#}");
        assert_eq!(document["error"]["kind"], "usage");
        assert!(document["error"]["message"].as_str().unwrap().contains(word), "{document:#}");
    }
}

pub(super) fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("{error}: {} {said}", String::from_utf8_lossy(&output.stdout))
    })
}

/// No reference is named: a neighbour is found, and the next run takes it from the cache. The user's own opt-out list is
/// heeded, and both files are read without any capability, as whose they are.
fn without_a_reference(test: &str, names: Names) {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(world) = World::build(test) else { return };
    world.nft("c2", names, FORWARD, "DST drop");
    let home = tempfile::tempdir().unwrap();
    let barred = if names.v6 { "2001:c20:18::102" } else { "185.70.40.102" };
    let list = home.path().join("config/lasthop/opt-out");
    std::fs::create_dir_all(list.parent().unwrap()).unwrap();
    std::fs::write(&list, format!("# not these\n{barred}\n")).unwrap();
    std::fs::set_permissions(&list, std::fs::Permissions::from_mode(0o600)).unwrap();
    let words = ["diagnose", names.target, "25", "--json", "--seed", "1", "-v"];

    let first = world.lasthop_of(home.path(), &words);
    let said = String::from_utf8_lossy(&first.stderr).into_owned();
    let run = document(&first);
    let search = &run["search"];
    assert_eq!(run["verdict"]["kind"], "lost_inside_as", "{run:#} {said}");
    assert_eq!(run["verdict"]["asns"], serde_json::json!([8359]));
    assert_eq!(first.status.code(), Some(10));
    assert_eq!(run["references"][0]["address"], names.neighbour, "{search:#}");
    assert_eq!(run["references"][0]["chosen"]["how"], "found");
    assert_eq!(search["from_cache"], false);
    let touched = search["touched"].as_array().unwrap();
    assert!((1..=16).contains(&touched.len()), "{search:#}");
    assert!(touched.iter().all(|touch| touch["address"] != barred), "{search:#}");
    assert!(
        said.contains("at most 16 neighbours in") && said.contains("1 entry on the opt-out list"),
        "{said}"
    );
    assert_eq!(said.matches(" serves as a reference").count(), search["found"].as_array().unwrap().len());
    assert!(home.path().join("cache/lasthop/references.json").is_file(), "{said}");

    let second = world.lasthop_of(home.path(), &words);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    let again = document(&second);
    assert_eq!(again["search"]["from_cache"], true, "{said}");
    assert_eq!(again["search"]["touched"], serde_json::json!([]));
    assert_eq!(again["search"]["searched_at"], search["searched_at"]);
    assert_eq!(again["verdict"]["asns"], run["verdict"]["asns"], "{again:#} {said}");
    let chosen = again["references"][0]["chosen"]["words"].as_str().unwrap();
    assert!(chosen.contains("kept in the cache"), "{chosen}");

    let forbidden = world.lasthop_of(home.path(), &[&words[..], &["--no-search"]].concat());
    let run = document(&forbidden);
    assert_eq!((&run["search"], &run["verdict"]["reason"]), (&Value::Null, &Value::from("no_reference")));
    assert_eq!(forbidden.status.code(), Some(12));

    std::fs::write(&list, "192.0.2.1\nmx.example\n").unwrap();
    let refused = world.lasthop_of(home.path(), &words);
    let run = document(&refused);
    assert_eq!(refused.status.code(), Some(4));
    assert!(run["error"]["message"].as_str().unwrap().contains("line 2: 'mx.example'"), "{run:#}");
}

#[test]
fn a_neighbour_is_found_and_kept_four() {
    without_a_reference("a_neighbour_is_found_and_kept_four", FOUR);
}

#[test]
fn a_neighbour_is_found_and_kept_six() {
    without_a_reference("a_neighbour_is_found_and_kept_six", SIX);
}

#[test]
fn a_matrix_tells_the_scope() {
    let test = "a_matrix_tells_the_scope";
    let Some(world) = World::build(test) else { return };
    world.nft("c2", FOUR, FORWARD, "DST tcp dport 25 drop");
    let words =
        ["diagnose", FOUR.target, "25", "-r", FOUR.neighbour, "--seed", "1", "--matrix", "25,80,443,icmp"];
    let run = document(&world.lasthop(&[&words[..], &["--json"]].concat()));
    assert_eq!(run["verdict"]["scope"], "port", "{run:#}");
    let rows: Vec<(String, Value, Value)> = run["matrix"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (format!("{} {}", row["protocol"], row["port"]), row["answered"].clone(), row["reply"].clone())
        })
        .collect();
    let row = |name: &str, answered: bool, reply: Value| (name.to_owned(), Value::from(answered), reply);
    assert_eq!(
        rows,
        [
            row("\"tcp\" 25", false, Value::Null),
            row("\"tcp\" 80", true, "rst".into()),
            row("\"tcp\" 443", true, "syn_ack".into()),
            row("\"icmp\" null", true, "echo_reply".into()),
        ]
    );
    let text = world.lasthop(&words);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("tcp/443  open"), "{text}");
    for (list, word) in
        [("1,2,3,4,5,6,7,8,9", "at most 8"), ("25,abc", "abc"), ("0", "0"), ("sctp/1", "sctp")]
    {
        let output = world.lasthop(&["diagnose", FOUR.target, "25", "--matrix", list]);
        assert_eq!(output.status.code(), Some(2), "{list}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(word), "{list}");
    }
}

/// What each protocol's probes are asked for with.
const BY_ECHO_AND_BY_SYN: [&[&str]; 2] = [&["-I"], &["-T", "-p", "25"]];

/// A link of AS8359 that takes 1400 bytes, whose router says so if `says`.
fn narrow_link(world: &World, names: Names, says: bool) {
    world.batch("c2", "link set c3 mtu 1400", false);
    if !says {
        let too_big = if names.v6 { "packet-too-big" } else { "destination-unreachable" };
        world.nft("c2", names, "output priority 0", &format!("ICMP type {too_big} drop"));
    }
}

fn asked_for_size(world: &World, names: Names, size: &str, how: &[&str]) -> (Value, Output) {
    let folder = tempfile::tempdir().unwrap();
    let zip = folder.path().join("size.zip");
    let zip = zip.to_str().unwrap();
    let words = ["diagnose", names.target, "--size", size, "--json", "--seed", "1", "--bundle", zip];
    let output = world.lasthop(&[&words[..], how].concat());
    let document = document(&output);
    if document["error"].is_null() {
        // What routers said of sizes, and when, is found in the packets again.
        let verified = world.lasthop(&["verify", zip]);
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert_eq!(verified.status.code(), Some(0), "{size} {how:?}: {said}");
    }
    (document, output)
}

fn a_black_hole(test: &str, names: Names, prepare: impl FnOnce(&World)) {
    let Some(world) = World::build(test) else { return };
    prepare(&world);
    for how in BY_ECHO_AND_BY_SYN {
        // What passes is no loss, and what does not is one.
        let (run, output) = asked_for_size(&world, names, "1400", how);
        assert_eq!(run["verdict"]["kind"], "reachable", "{how:?}: {run:#}");
        assert_eq!(output.status.code(), Some(0));
        let (run, output) = asked_for_size(&world, names, "1401", how);
        assert_eq!(concluded(&run), ("lost_inside_as", vec![8359], ""), "{how:?}: {run:#}");
        assert_eq!(output.status.code(), Some(10));
        assert_eq!(run["verdict"]["mechanism"], "silent_drop");
        let small = run["references"][0]["size"].clone();
        assert!(small.as_u64().is_some_and(|size| size < 100), "{run:#}");
        let sizes = serde_json::json!({"asked": 1401, "lost": 1401, "passes": small});
        assert_eq!(run["verdict"]["packet_size"], sizes, "{how:?}");
        assert_eq!(run["verdict"]["after_ttl"], 6, "{how:?}: {run:#}");
    }
}

#[test]
fn large_packets_vanish_where_a_router_does_not_say_that_they_are_too_big() {
    let test = "large_packets_vanish_where_a_router_does_not_say_that_they_are_too_big";
    for names in [FOUR, SIX] {
        a_black_hole(test, names, |world| narrow_link(world, names, false));
    }
}

/// A device that takes nothing larger, such as a switch between two routers, has nobody to say so.
#[test]
fn large_packets_vanish_before_a_router_that_never_sees_them() {
    let test = "large_packets_vanish_before_a_router_that_never_sees_them";
    for names in [FOUR, SIX] {
        a_black_hole(test, names, |world| world.nft("c3", names, RAW, "DST meta length > 1400 drop"));
    }
}

/// Path MTU discovery that works is no black hole. What this host's kernel has learned of the path by then keeps no packet
/// back: the second run sends as large ones as the first.
#[test]
fn large_packets_that_a_router_calls_too_big_are_not_lost() {
    let test = "large_packets_that_a_router_calls_too_big_are_not_lost";
    let Some(world) = World::build(test) else { return };
    for names in [FOUR, SIX] {
        narrow_link(&world, names, true);
        for how in [BY_ECHO_AND_BY_SYN[0], BY_ECHO_AND_BY_SYN[1], BY_ECHO_AND_BY_SYN[0]] {
            let (run, output) = asked_for_size(&world, names, "1500", how);
            assert_eq!(concluded(&run), ("reachable", vec![], ""), "{how:?}: {run:#}");
            assert_eq!(output.status.code(), Some(0));
            let sizes = serde_json::json!({"asked": 1500, "lost": null, "passes": 1400});
            assert_eq!(run["verdict"]["packet_size"], sizes, "{how:?}: {run:#}");
            let said = run["too_big"].as_array().unwrap();
            let (four, six) = address(3, 6, 2);
            assert_eq!(said.len(), 1, "{run:#}");
            assert_eq!(said[0]["address"], if names.v6 { six } else { four });
            let place = ["asn", "ttl", "size", "mtu"].map(|key| said[0][key].as_u64());
            assert_eq!(place, [8359, 6, 1500, 1400].map(Some), "{how:?}");
        }
        let output = world.lasthop(&["trace", names.target, "-I", "--size", "1500"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("says that packets of 1500 bytes are too big"), "{text}");
        assert!(text.contains("of packets of 1400 bytes") && text.contains("reached at hop 12"), "{text}");
        let (run, output) = asked_for_size(&world, names, "1501", &["-I"]);
        assert_eq!(output.status.code(), Some(2), "{run:#}");
        assert!(run["error"]["message"].as_str().unwrap().contains("whose MTU is 1500"), "{run:#}");
    }
}
