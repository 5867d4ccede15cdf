//! What a batch costs: packets a second against a bare loop, memory and processor time a target.
//!
//! `cargo bench --bench batch`, as root; without the rights it says so and ends. Two namespaces are made for it, with a
//! link between them and no way out, and deleted after it. What is printed:
//!
//! * packets a second that a batch sends from one core to hosts that are silent, against `sendmmsg` of the same packets in
//!   batches of 64, the packets built beforehand: the far end drops them before its stack sees them
//! * the same packets by other ways of sending, all of them built beforehand: one by one by a raw socket (what a batch does),
//!   and as whole frames by an AF_PACKET socket, one by one (pnet) and in batches
//! * replies at that rate: of the packets that the kernel handed over, those that were matched to the one they answer; with
//!   what it dropped, and with what the far end says it has sent
//! * packets a target for 10,000 simulated targets behind the same routers, against each of them diagnosed alone
//! * memory of a batch of a million hosts, all of them silent, which is the most there is to keep
//! * processor time a target of 1,000 and of 1,000,000 hosts that answer an echo, the far end's kernel in the same core
//!
//! * time to say of each host of a list whether it is reached, against Debian's `scamper` at the highest rate that it allows
//!   itself: one echo to each (`ping -c 1`), and a trace to each, which ends at the first hop here
//!
//! `--quick`: a tenth of all of it; `--only rate|ways|matched|shared|memory|cpu|scamper`: one of them.

#[path = "support/crowd.rs"]
mod crowd;

use std::collections::HashMap;
use std::fs::File;
use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lasthop::net::{Family, LiveWire, Request};
use lasthop::path::Overlay;
use lasthop::session::batch::{self, Batch, NOBODY, Pair, Progress};
use lasthop::sweep::{Asking, Hosts, Next, Sweep};
use lasthop::trace::{Moment, Protocol, SourcePorts};
use nix::sched::{CloneFlags, setns};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};

const OURS: &str = "lhbatch-a";
const THEIRS: &str = "lhbatch-b";
/// Packets in one call of the bare loop.
const TOGETHER: usize = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|word| word == "--quick");
    let only = arguments.iter().position(|word| word == "--only").and_then(|at| arguments.get(at + 1));
    let wants = |what: &str| only.is_none_or(|only| only == what);
    if wants("shared") {
        shared(if quick { 4 } else { 40 });
    }
    let Some(world) = World::build() else {
        println!("needs root and the right to make network namespaces: nothing was measured");
        return;
    };
    if wants("rate") {
        rate(&world, if quick { 1 } else { 3 });
    }
    if wants("ways") {
        ways(&world, if quick { 1 } else { 2 });
    }
    if wants("matched") {
        matched(if quick { 100_000 } else { 1_000_000 });
    }
    if wants("memory") {
        memory(&world, if quick { 100_000 } else { 1_000_000 });
    }
    if wants("cpu") {
        cpu(quick);
    }
    if wants("scamper") {
        scamper(if quick { 30_000 } else { 200_000 });
    }
}

/// Two namespaces and a link. The process lives in the first one from now on.
struct World;

impl World {
    fn build() -> Option<Self> {
        let ip = |words: &str| {
            let done = Command::new("ip").args(words.split(' ')).stderr(Stdio::null()).status();
            done.is_ok_and(|status| status.success())
        };
        // What an earlier run may have left.
        for space in [OURS, THEIRS] {
            ip(&format!("netns del {space}"));
        }
        let world = Self;
        let steps = [
            format!("netns add {OURS}"),
            format!("netns add {THEIRS}"),
            format!("-n {OURS} link set lo up"),
            format!("-n {THEIRS} link set lo up"),
            format!("-n {OURS} link add out0 type veth peer name in0 netns {THEIRS}"),
            format!("-n {OURS} addr add 192.0.2.1/30 dev out0"),
            format!("-n {THEIRS} addr add 192.0.2.2/30 dev in0"),
            format!("-n {OURS} link set out0 txqueuelen 10000 up"),
            format!("-n {THEIRS} link set in0 up"),
            format!("-n {OURS} route add default via 192.0.2.2"),
            format!("-n {THEIRS} route add local 10.0.0.0/8 dev lo"),
        ];
        if !steps.iter().all(|step| ip(step)) {
            return None;
        }
        let space = File::open(format!("/run/netns/{OURS}")).ok()?;
        setns(space, CloneFlags::CLONE_NEWNET).ok()?;
        Some(world)
    }

    /// The far end drops everything at its door, or no longer.
    fn deaf(&self, deaf: bool) {
        let rules = match deaf {
            true => {
                "table netdev t {\nchain c {\ntype filter hook ingress device in0 priority 0;\n\
                 ip daddr 10.0.0.0/8 drop\n}\n}"
            }
            false => "delete table netdev t",
        };
        let done =
            Command::new("ip").args(["netns", "exec", THEIRS, "nft", rules]).status().expect("nft runs");
        assert!(done.success(), "nft refused {rules}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for space in [OURS, THEIRS] {
            let _ = Command::new("ip").args(["netns", "del", space]).status();
        }
    }
}

/// The n-th of many hosts: sixteen in each /24.
fn address(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 | (number / 16) << 8 | (number % 16 + 1)).into()
}

fn wire() -> LiveWire {
    let asked = Request::new(Family::V4, [address(0)]).with(Protocol::Tcp).with(Protocol::Icmp);
    LiveWire::open(&Request { ports: 48, ..asked }).expect("sockets open")
}

fn plan(wire: &LiveWire, hosts: &Hosts, protocol: Protocol, rate: f64) -> Batch {
    let ports = wire.source_ports(Protocol::Tcp);
    Batch {
        pairs: (0..hosts.len() as u32).map(|target| Pair { target, reference: NOBODY }).collect(),
        names: HashMap::new(),
        protocol,
        source: wire.source(),
        numbers: ports[..16].to_vec(),
        crews: ports[16..]
            .chunks(16)
            .map(|some| some.iter().copied().map(SourcePorts::all).collect())
            .collect(),
        rate,
        wait: Duration::from_secs(2),
        max_ttl: 30,
        confidence: 0.99,
        whole_paths: false,
        flows: 1,
        seed: 1,
    }
}

fn nobody_knows() -> Overlay<'static> {
    Overlay { entries: Vec::new(), ixps: Vec::new(), links: None, under: None }
}

/// User and system time of this process in seconds.
fn spent() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("this process has used time");
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn rate(world: &World, seconds: u64) {
    world.deaf(true);
    let (mut bare, mut ours, mut built) = (Vec::new(), Vec::new(), Vec::new());
    // In turns, so that whatever else this machine does is met by all alike.
    for _ in 0..3 {
        bare.push(bare_loop(seconds));
        ours.push(batch_loop(seconds));
        built.push(build_loop());
    }
    let ratios = median(bare.iter().zip(&ours).map(|(bare, ours)| ours / bare).collect());
    println!("silent hosts, one core; packets per second of processor time, medians of 3:");
    println!("  bare sendmmsg of {TOGETHER}:  {:>10.0}", median(bare));
    println!(
        "  batch:                {:>10.0}   ({:.0} % of it; floor 60, aim 85)",
        median(ours),
        ratios * 100.0
    );
    println!("  packets built alone:  {:>10.0}", median(built));
    world.deaf(false);
}

/// Packets that a sweep would send, made beforehand.
fn packets(count: u32, source: IpAddr) -> Vec<(IpAddr, Vec<u8>)> {
    let hosts = Hosts::new(false, (0..count).map(|number| (address(number * 16), 80)));
    let asking = Asking {
        source,
        protocol: Protocol::Tcp,
        flows: 1,
        numbers: (40_000..40_016).collect(),
        wait: Duration::from_secs(2),
        key: [5; 16],
    };
    let mut sweep = Sweep::new(hosts, &asking);
    let mut all = Vec::new();
    while let Next::Send(to) = sweep.poll(Moment::START) {
        all.push((to, sweep.packet().to_vec()));
        sweep.sent(Moment::START, Ok(Moment::START));
    }
    assert_eq!(all.len(), count as usize);
    all
}

fn raw_socket() -> socket2::Socket {
    let socket = socket2::Socket::new(
        socket2::Domain::IPV4,
        socket2::Type::RAW,
        Some(socket2::Protocol::from(nix::libc::IPPROTO_RAW)),
    )
    .expect("a raw socket");
    socket.set_header_included_v4(true).expect("whole packets");
    socket.bind(&std::net::SocketAddr::new([192, 0, 2, 1].into(), 0).into()).expect("our address");
    socket
}

fn bare_loop(seconds: u64) -> f64 {
    let source = Ipv4Addr::new(192, 0, 2, 1);
    let socket = raw_socket();
    let all = packets(64 * 16, source.into());
    let slices: Vec<[IoSlice<'_>; 1]> = all.iter().map(|(_, packet)| [IoSlice::new(packet)]).collect();
    let to: Vec<Option<SockaddrIn>> = all
        .iter()
        .map(|(to, _)| match to {
            IpAddr::V4(to) => Some(SockaddrIn::from(std::net::SocketAddrV4::new(*to, 0))),
            IpAddr::V6(_) => None,
        })
        .collect();
    let mut headers = MultiHeaders::preallocate(TOGETHER, None);
    let (began, before) = (Instant::now(), spent());
    let mut sent = 0_u64;
    while began.elapsed() < Duration::from_secs(seconds) {
        for start in (0..all.len()).step_by(TOGETHER) {
            let end = start + TOGETHER;
            let done = sendmmsg(
                socket.as_raw_fd(),
                &mut headers,
                &slices[start..end],
                &to[start..end],
                [],
                MsgFlags::empty(),
            );
            sent += done.expect("packets leave").count() as u64;
        }
    }
    sent as f64 / (spent() - before)
}

/// The same packets one by one.
fn single_loop(seconds: u64) -> f64 {
    let socket = raw_socket();
    let all = packets(64 * 16, Ipv4Addr::new(192, 0, 2, 1).into());
    let all: Vec<(socket2::SockAddr, Vec<u8>)> =
        all.into_iter().map(|(to, packet)| (std::net::SocketAddr::new(to, 0).into(), packet)).collect();
    per_second(seconds, || {
        for (to, packet) in &all {
            socket.send_to(packet, to).expect("packets leave");
        }
        all.len()
    })
}

/// Whole frames for the far end of the link.
fn frames() -> Vec<Vec<u8>> {
    let link =
        Command::new("ip").args(["-n", THEIRS, "-o", "link", "show", "in0"]).output().expect("ip runs");
    let text = String::from_utf8_lossy(&link.stdout).into_owned();
    let mac =
        text.split("link/ether ").nth(1).and_then(|rest| rest.split(' ').next()).expect("it has an address");
    let mac: Vec<u8> =
        mac.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")).collect();
    let all = packets(64 * 16, Ipv4Addr::new(192, 0, 2, 1).into());
    let frame = |packet: Vec<u8>| [mac.as_slice(), &[2, 0, 0, 0, 0, 1, 8, 0], &packet].concat();
    all.into_iter().map(|(_, packet)| frame(packet)).collect()
}

/// Frames one by one, by the crate that the project has for it.
fn frame_loop(seconds: u64) -> f64 {
    let interfaces = pnet_datalink::interfaces();
    let interface = interfaces.iter().find(|one| one.name == "out0").expect("our end of the link");
    let channel = pnet_datalink::channel(interface, pnet_datalink::Config::default()).expect("a channel");
    let pnet_datalink::Channel::Ethernet(mut sender, _receiver) = channel else { panic!("no Ethernet") };
    let all = frames();
    per_second(seconds, || {
        for frame in &all {
            sender.send_to(frame, None).expect("there is a way").expect("frames leave");
        }
        all.len()
    })
}

/// Frames in batches.
fn frames_together_loop(seconds: u64) -> f64 {
    use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockType, SockaddrLike as _, socket};
    let address = nix::ifaddrs::getifaddrs()
        .expect("addresses")
        .filter(|one| one.interface_name == "out0")
        .find_map(|one| one.address.and_then(|address| address.as_link_addr().copied()))
        .expect("our end of the link");
    assert!(address.len() > 0);
    let socket =
        socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).expect("a packet socket");
    let all = frames();
    let slices: Vec<[IoSlice<'_>; 1]> = all.iter().map(|frame| [IoSlice::new(frame)]).collect();
    let to: Vec<Option<LinkAddr>> = vec![Some(address); all.len()];
    let mut headers = MultiHeaders::preallocate(TOGETHER, None);
    per_second(seconds, || {
        let mut sent = 0;
        for start in (0..all.len()).step_by(TOGETHER) {
            let end = start + TOGETHER;
            let flags = MsgFlags::empty();
            let done =
                sendmmsg(socket.as_raw_fd(), &mut headers, &slices[start..end], &to[start..end], [], flags);
            sent += done.expect("frames leave").count();
        }
        sent
    })
}

/// How many packets a second of processor time `some` sends, which says how many it sent.
fn per_second(seconds: u64, mut some: impl FnMut() -> usize) -> f64 {
    let (began, before) = (Instant::now(), spent());
    let mut sent = 0;
    while began.elapsed() < Duration::from_secs(seconds) {
        sent += some();
    }
    sent as f64 / (spent() - before)
}

fn ways(world: &World, seconds: u64) {
    world.deaf(true);
    let mut all = [const { Vec::new() }; 4];
    for _ in 0..3 {
        all[0].push(single_loop(seconds));
        all[1].push(bare_loop(seconds));
        all[2].push(frame_loop(seconds));
        all[3].push(frames_together_loop(seconds));
    }
    let [single, together, frame, frames] = all.map(median);
    println!(
        "ways to send packets that are built already, packets per second of processor time, medians of 3:"
    );
    println!("  raw socket, one by one:      {single:>10.0}");
    println!(
        "  raw socket, {TOGETHER} at once:      {together:>10.0}   ({:+.0} %)",
        (together / single - 1.0) * 100.0
    );
    println!("  packet socket, one by one:   {frame:>10.0}   ({:+.0} %)", (frame / single - 1.0) * 100.0);
    println!(
        "  packet socket, {TOGETHER} at once:   {frames:>10.0}   ({:+.0} %)",
        (frames / single - 1.0) * 100.0
    );
    world.deaf(false);
}

/// Echo replies that the far end's kernel has sent.
fn replies_sent() -> u64 {
    let words = ["netns", "exec", THEIRS, "cat", "/proc/net/snmp"];
    let text = Command::new("ip").args(words).output().expect("ip runs").stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut rows = text.lines().filter(|line| line.starts_with("Icmp:"));
    let (names, figures) = (rows.next().expect("names"), rows.next().expect("figures"));
    let place = names.split(' ').position(|name| name == "OutEchoReps").expect("it is counted");
    figures.split(' ').nth(place).and_then(|figure| figure.parse().ok()).expect("a number")
}

/// What becomes of replies at the highest rate.
fn matched(count: u32) {
    let before = replies_sent();
    let mut wire = wire();
    let hosts = Hosts::new(false, (0..count).map(|number| (address(number), 0)));
    let plan = plan(&wire, &hosts, Protocol::Icmp, 10e6);
    let started_at = wire.started_at();
    let mut in_full = 0;
    let mut sink = |found: &batch::Found<'_>| {
        in_full += found.run.probes.len() as u64 * u64::from(found.in_full);
        ControlFlow::Continue(())
    };
    let began = Instant::now();
    let ending = batch::batch(&plan, hosts, started_at, &mut wire, &nobody_knows(), &mut sink, &mut |_| {
        ControlFlow::Continue(())
    })
    .expect("a plan");
    let seconds = began.elapsed().as_secs_f64();
    let handed = wire.stamps().kernel + wire.stamps().user;
    let dropped = ending.losses.overflow + ending.losses.truncated;
    // A few are of the three full measurements, which keep their own books.
    let strays = ending.strays.total();
    println!(
        "{count} hosts that answer, as fast as they can be asked ({:.0} packets a second):",
        ending.progress.sent as f64 / seconds
    );
    println!("  echo replies that the far end sent: {}", replies_sent() - before);
    println!("  handed over by the kernel: {handed}   dropped by it, and counted: {dropped}");
    println!(
        "  matched by the sweep: {}   of no try: {strays}   packets of full measurements: {in_full}",
        ending.heard
    );
    println!(
        "  matched of those handed over: {:.3} % (floor 99.9, aim 100)",
        (handed - strays) as f64 / handed as f64 * 100.0
    );
}

fn batch_loop(seconds: u64) -> f64 {
    let mut wire = wire();
    let hosts = Hosts::new(false, (0..1_000_000).map(|number| (address(number), 80)));
    let plan = plan(&wire, &hosts, Protocol::Tcp, 10e6);
    let mut figures = (None, (0, 0.0));
    let (started_at, began) = (wire.started_at(), Instant::now());
    let mut watch = |progress: &Progress| {
        let now = (progress.sent, spent());
        figures.0.get_or_insert(now);
        figures.1 = now;
        match began.elapsed() < Duration::from_secs(seconds) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    };
    batch::batch(
        &plan,
        hosts,
        started_at,
        &mut wire,
        &nobody_knows(),
        &mut |_| ControlFlow::Continue(()),
        &mut watch,
    )
    .expect("a plan");
    let (first, last) = (figures.0.expect("it was watched"), figures.1);
    (last.0 - first.0) as f64 / (last.1 - first.1)
}

fn build_loop() -> f64 {
    let began = spent();
    let mut built = 0;
    for _ in 0..20 {
        built += packets(50_000, [192, 0, 2, 1].into()).len();
    }
    built as f64 / (spent() - began)
}

/// A field of `/proc/self/status` in MiB.
fn status(field: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = text.lines().find(|line| line.starts_with(field)).expect("the field is there");
    line.split_whitespace().nth(1).and_then(|number| number.parse::<f64>().ok()).expect("a number") / 1024.0
}

fn memory(world: &World, count: u32) {
    world.deaf(true);
    // The program itself, with its list in a file: what a user sees.
    let list = std::env::temp_dir().join(format!("lasthop-batch-{}.txt", std::process::id()));
    let text: String = (0..count).map(|number| format!("{}\n", address(number))).collect();
    std::fs::write(&list, text).expect("room for the list");
    let mut child = Command::new(env!("CARGO_BIN_EXE_lasthop"))
        .args(["batch", list.to_str().expect("a plain name"), "--rate", "1000000", "--flows", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let began = Instant::now();
    let mut most = 0.0_f64;
    // Beyond the last try of the last host: nothing is kept later that is not kept then.
    while began.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(200));
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        most = most.max(peak.unwrap_or(0.0) / 1024.0);
    }
    let _ = child.kill();
    let _ = child.wait();
    let _ = std::fs::remove_file(list);
    println!("memory of a batch of {count} silent hosts, peak: {most:.0} MiB (floor 400 MB, aim 150 MB)");
    world.deaf(false);
}

fn cpu(quick: bool) {
    let large = if quick { 100_000 } else { 1_000_000 };
    let few = median((0..9).map(|_| per_target(1000)).collect());
    let many = per_target(large);
    println!("processor time a target that answers, the far end's kernel included, microseconds:");
    println!(
        "  1000 hosts: {few:.2}   {large} hosts: {many:.2}   growth {:.2} (floor 1.3, aim 1.05)",
        many / few
    );
    println!("  memory of this process then: {:.0} MiB", status("VmHWM"));
}

fn scamper(count: u32) {
    let list = std::env::temp_dir().join(format!("lasthop-scamper-{}.txt", std::process::id()));
    let text: String = (0..count).map(|number| format!("{}\n", address(number))).collect();
    std::fs::write(&list, text).expect("room for the list");
    let path = list.to_str().expect("a plain name");
    let took = |program: &str, words: &[&str]| {
        let began = Instant::now();
        let done = Command::new(program).args(words).stdout(Stdio::null()).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success()).then(|| f64::from(count) / began.elapsed().as_secs_f64())
    };
    let ours =
        took(env!("CARGO_BIN_EXE_lasthop"), &["batch", path, "-I", "--rate", "1000000", "--flows", "1"]);
    let ping = took("scamper", &["-p", "10000", "-o", "/dev/null", "-c", "ping -c 1", "-f", path]);
    let trace = took("scamper", &["-p", "10000", "-o", "/dev/null", "-c", "trace -P icmp-paris", "-f", path]);
    let _ = std::fs::remove_file(list);
    let told = |figure: Option<f64>| figure.map_or("not there".to_owned(), |figure| format!("{figure:.0}"));
    println!("{count} hosts that answer, all of them; hosts a second by the clock on the wall:");
    println!("  batch: {}   scamper ping: {}   scamper trace: {}", told(ours), told(ping), told(trace));
    if let (Some(ours), Some(ping)) = (ours, ping) {
        println!("  batch against the faster of both: {:.1} times", ours / ping.max(trace.unwrap_or(0.0)));
    }
}

fn per_target(count: u32) -> f64 {
    let mut wire = wire();
    let hosts = Hosts::new(false, (0..count).map(|number| (address(number), 0)));
    let plan = plan(&wire, &hosts, Protocol::Icmp, 50_000.0);
    let started_at = wire.started_at();
    let mut plain = 0;
    // Full measurements of the first few are not what is measured here: they take their time, and little of the processor's.
    let mut in_full = 0;
    let before = spent();
    let mut sink = |found: &batch::Found<'_>| {
        plain += u32::from(!found.in_full);
        in_full += u32::from(found.in_full);
        ControlFlow::Continue(())
    };
    let ending = batch::batch(&plan, hosts, started_at, &mut wire, &nobody_knows(), &mut sink, &mut |_| {
        ControlFlow::Continue(())
    })
    .expect("a plan");
    let after = spent();
    assert_eq!(plain + in_full, count, "{ending:?}");
    assert!(u64::from(in_full) < 3 + u64::from(count) / 100, "{in_full} measured in full: {ending:?}");
    (after - before) * 1e6 / f64::from(count)
}

/// Packets for 10,000 targets behind the same routers, against each of them measured as if it were alone.
fn shared(networks: u32) {
    println!("{} targets that share routers, packets a target:", networks * crowd::EACH);
    for (blocked, words) in [(1, "6 % of them blocked"), (15, "96 % of them blocked")] {
        let alone = crowd::alone(0..networks, blocked);
        let whole = crowd::together(0..networks, blocked, true);
        let shared = crowd::together(0..networks, blocked, false);
        let same = |other: &crowd::Outcome| {
            let same =
                alone.verdicts.iter().filter(|(target, said)| other.verdicts.get(*target) == Some(*said));
            format!("{} of {} verdicts the same", same.count(), alone.verdicts.len())
        };
        for (target, said) in
            shared.verdicts.iter().filter(|(target, said)| alone.verdicts.get(*target) != Some(*said)).take(3)
        {
            println!("    {target}: alone {:?}, in the batch {said}", alone.verdicts.get(target));
        }
        let count = alone.verdicts.len() as f64;
        let share = |one: u64, other: u64| one as f64 / other as f64 * 100.0;
        println!("  {words}: each diagnosed alone {:.1}", alone.sent as f64 / count);
        for (name, one) in [("batch", &shared), ("batch --whole-paths", &whole)] {
            println!(
                "    {name}: {:.1}, {:.0} % of it (floor 60, aim 30); {}; those that are lost by themselves: {:.0} %; \
                 {:.2} s of the network's time a target",
                one.sent as f64 / count,
                share(one.sent, alone.sent),
                same(one),
                share(one.lost, alone.lost),
                one.seconds / count,
            );
        }
    }
}
