//! Real sockets against kernel routers, in network namespaces made for each test and deleted after it.
//!
//! ```text
//!            up0 ── near ── t0
//!   prober                      target (10.9.9.9, fd00:9::9)
//!            up1 ── side ── t1
//! ```
//!
//! Every wire is opened by a thread that has entered the prober's namespace; sockets stay where they were made. What
//! belongs to the whole process (signals, capabilities, the user) is tried in a process of its own: this binary run
//! again with a scene to play. Nothing here has a route out of its namespaces.
//!
//! Without the rights to make namespaces each test says why it skips; with `LASTHOP_REQUIRE_NET=1` that is a failure.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ipnetwork::IpNetwork;
use lasthop::net::{Family, Interface, LiveWire, OpenError, Request, interfaces, privilege};
use lasthop::probe::wire::{Arrival, Heard, Transmit, Wire};
use lasthop::trace::{Moment, ProbeId, Protocol, SendFault};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::Pid;

const TARGET_V4: &str = "10.9.9.9";
const TARGET_V6: &str = "fd00:9::9";

//---- The world -------------------------------------------------------------------------------------------------------

/// Four namespaces with two uplinks between prober and target. Deleted when dropped.
struct World {
    stem: String,
}

const ROOMS: [&str; 4] = ["prober", "near", "side", "target"];

impl World {
    /// Builds it, or says why not. `test` is for the message.
    fn build(test: &str) -> Option<Self> {
        if let Some(reason) = missing_right() {
            return skip(test, &reason);
        }
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let world = Self { stem: format!("lh{}-{number}", std::process::id()) };
        for room in ROOMS {
            run("ip", &["netns", "add", &world.space(room)]);
            inside(&world.space(room), || {
                // Before the interfaces exist: an address in duplicate detection answers nobody for two seconds.
                sysctl("ipv6/conf/default/accept_dad", "0");
                sysctl("ipv6/conf/all/accept_dad", "0");
                // Every probe of a test is to be answered.
                sysctl("ipv4/icmp_ratelimit", "0");
                sysctl("ipv4/icmp_msgs_per_sec", "1000000");
                sysctl("ipv4/icmp_msgs_burst", "1000000");
                sysctl("ipv6/icmp/ratelimit", "0");
                let forwards = if room == "near" || room == "side" { "1" } else { "0" };
                sysctl("ipv4/ip_forward", forwards);
                sysctl("ipv6/conf/all/forwarding", forwards);
                sysctl("ipv4/conf/all/rp_filter", "0");
                sysctl("ipv4/conf/default/rp_filter", "0");
            });
            world.ip(room, "link set lo up");
        }
        world.link("prober", "up0", "near", "in0", 1);
        world.link("prober", "up1", "side", "in0", 2);
        world.link("near", "down0", "target", "t0", 3);
        world.link("side", "down0", "target", "t1", 4);
        world.ip("target", "addr add 10.9.9.9/32 dev lo");
        world.ip("target", "-6 addr add fd00:9::9/128 dev lo nodad");
        // The target is 10.9.9.0/24 to everybody, so that there are addresses behind the routers that nobody has. The
        // prober has no default route: elsewhere is nowhere.
        world.routes("prober", &[("10.9.9.0/24", "10.0.1.1"), ("fd00:9::/64", "fd00:1::1")]);
        world.routes("near", &[("10.9.9.0/24", "10.0.3.2"), ("fd00:9::/64", "fd00:3::2")]);
        world.routes("side", &[("10.9.9.0/24", "10.0.4.2"), ("fd00:9::/64", "fd00:4::2")]);
        world.routes("near", &[("10.0.2.0/24", "10.0.1.2")]);
        world.routes("side", &[("10.0.1.0/24", "10.0.2.2")]);
        world.routes("target", &[("10.0.1.0/24", "10.0.3.1"), ("fd00:1::/64", "fd00:3::1")]);
        world.routes("target", &[("10.0.2.0/24", "10.0.4.1"), ("fd00:2::/64", "fd00:4::1")]);
        for room in ROOMS {
            world.settle(room);
        }
        Some(world)
    }

    /// Waits until every link of a room carries packets and has its link-local address.
    fn settle(&self, room: &str) {
        let ready = |one: &Interface| {
            let local = |one: &IpNetwork| matches!(one.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local());
            one.loopback || !one.up || (one.running && one.addresses.iter().any(local))
        };
        inside(&self.space(room), || {
            for _ in 0..500 {
                if interfaces().iter().all(ready) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            panic!("{room} does not come up: {:?}", interfaces());
        });
    }

    fn space(&self, room: &str) -> String {
        format!("{}-{room}", self.stem)
    }

    /// `ip` inside a room; must succeed.
    fn ip(&self, room: &str, line: &str) {
        let space = self.space(room);
        let mut arguments = vec!["-n", &space];
        arguments.extend(line.split(' '));
        run("ip", &arguments);
    }

    /// A pair of interfaces with 10.0.N.1 at the router and 10.0.N.2 at the other end, and the same in fd00:N::/64.
    fn link(&self, from: &str, there: &str, to: &str, here: &str, number: u8) {
        let far = self.space(to);
        // The kernel lets a second pass before it uses a link whose two ends have the same index.
        self.ip(from, &format!("link add {there} index {number}00 type veth peer name {here} netns {far}"));
        for (room, device) in [(from, there), (to, here)] {
            let host = if room == "near" || room == "side" { 1 } else { 2 };
            self.ip(room, &format!("addr add 10.0.{number}.{host}/24 dev {device}"));
            self.ip(room, &format!("-6 addr add fd00:{number}::{host}/64 dev {device} nodad"));
            self.ip(room, &format!("link set {device} up"));
        }
    }

    fn routes(&self, room: &str, routes: &[(&str, &str)]) {
        for (prefix, via) in routes {
            self.ip(room, &format!("route add {prefix} via {via}"));
        }
    }

    /// Runs `work` in a thread that lives in the prober's namespace.
    fn prober<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.space("prober"), work)
    }

    /// Opens a wire in the prober's namespace.
    fn open(&self, request: &Request) -> Result<LiveWire, OpenError> {
        self.prober(|| LiveWire::open(request))
    }

    fn refusal(&self, request: &Request) -> OpenError {
        match self.open(request) {
            Ok(wire) => panic!("opened: {wire:?}"),
            Err(error) => error,
        }
    }

    /// Feeds `rules` to nft in a room.
    fn nft(&self, room: &str, rules: &str) {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.space(room), "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "nft refused {rules}");
    }

    /// This binary again, in the prober's namespace, playing one scene.
    fn scene(&self, name: &str) -> Command {
        self.scene_of(&std::env::current_exe().unwrap(), name, &[])
    }

    fn scene_of(&self, binary: &std::path::Path, name: &str, through: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space("prober")]);
        command.args(through).arg(binary);
        command.args(["--exact", "net::scene", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env("LASTHOP_NET_SCENE", name);
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for room in ROOMS {
            // A room that was never made is no reason to fail twice.
            let _ =
                Command::new("ip").args(["netns", "del", &self.space(room)]).stderr(Stdio::null()).status();
        }
    }
}

pub(super) fn missing_right() -> Option<String> {
    let held = caps::read(None, caps::CapSet::Effective).unwrap_or_default();
    for needed in
        [caps::Capability::CAP_SYS_ADMIN, caps::Capability::CAP_NET_ADMIN, caps::Capability::CAP_NET_RAW]
    {
        if !held.contains(&needed) {
            return Some(format!("needs {needed} to make network namespaces"));
        }
    }
    match Command::new("ip").args(["netns", "list"]).output() {
        Ok(output) if output.status.success() => None,
        _ => Some("needs `ip netns` of iproute2".into()),
    }
}

pub(super) fn skip<T>(test: &str, reason: &str) -> Option<T> {
    assert!(std::env::var_os("LASTHOP_REQUIRE_NET").is_none(), "{test} must not skip: {reason}");
    say_skipped(test, reason);
    None
}

/// Past the harness, which shows only what failing tests print.
pub(super) fn say_skipped(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped {test}: {reason}");
}

pub(super) fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

pub(super) fn sysctl(name: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/{name}"), value).unwrap_or_else(|error| panic!("{name}: {error}"));
}

pub(super) fn inside<T: Send>(space: &str, work: impl FnOnce() -> T + Send) -> T {
    let entered = || {
        let namespace = File::open(format!("/run/netns/{space}")).unwrap();
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        work()
    };
    std::thread::scope(|scope| match scope.spawn(entered).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

//---- Packets ---------------------------------------------------------------------------------------------------------

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn target(family: Family) -> IpAddr {
    address(if family == Family::V4 { TARGET_V4 } else { TARGET_V6 })
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn fold(mut sum: u32) -> [u8; 2] {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// A complete packet around `transport`, whose checksum lies at `at`.
fn packet(from: IpAddr, to: IpAddr, ttl: u8, protocol: u8, mut transport: Vec<u8>, at: usize) -> Vec<u8> {
    let pseudo = sum(&octets(from)) + sum(&octets(to)) + u32::from(protocol) + transport.len() as u32;
    // ICMP of version 4 is the only one that does not cover the addresses.
    let checksum = fold(sum(&transport) + if protocol == 1 { 0 } else { pseudo });
    transport[at..at + 2].copy_from_slice(&checksum);
    let length = transport.len() as u16;
    let mut whole = match from {
        IpAddr::V4(_) => {
            let [high, low] = (length + 20).to_be_bytes();
            vec![0x45, 0, high, low, 0x12, 0x34, 0x40, 0, ttl, protocol, 0, 0]
        }
        IpAddr::V6(_) => {
            let [high, low] = length.to_be_bytes();
            vec![0x60, 0, 0, 0, high, low, protocol, ttl]
        }
    };
    whole.extend(octets(from));
    whole.extend(octets(to));
    if from.is_ipv4() {
        let checksum = fold(sum(&whole));
        whole[10..12].copy_from_slice(&checksum);
    }
    whole.extend(transport);
    whole
}

fn syn(from: IpAddr, to: IpAddr, ttl: u8, source: u16, port: u16, sequence: u32) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(source.to_be_bytes());
    segment.extend(port.to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    segment.extend([0; 4]);
    segment.extend([0x60, 0x02, 0xfa, 0xf0, 0, 0, 0, 0]);
    // Maximum segment size 1460.
    segment.extend([2, 4, 5, 0xb4]);
    packet(from, to, ttl, 6, segment, 16)
}

fn datagram(from: IpAddr, to: IpAddr, ttl: u8, source: u16, port: u16) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(source.to_be_bytes());
    datagram.extend(port.to_be_bytes());
    datagram.extend([0, 12, 0, 0]);
    datagram.extend(*b"ping");
    packet(from, to, ttl, 17, datagram, 6)
}

fn echo(from: IpAddr, to: IpAddr, ttl: u8, sequence: u16) -> Vec<u8> {
    let (kind, protocol) = if from.is_ipv4() { (8, 1) } else { (128, 58) };
    let [high, low] = sequence.to_be_bytes();
    packet(from, to, ttl, protocol, vec![kind, 0, 0, 0, 0x4c, 0x48, high, low, 1, 2, 3, 4], 2)
}

/// A received packet, taken apart.
#[derive(Debug)]
struct Seen {
    from: IpAddr,
    to: IpAddr,
    ttl: u8,
    protocol: u8,
    transport: Vec<u8>,
}

impl Seen {
    fn of(arrival: &Arrival) -> Self {
        let bytes = &arrival.packet;
        let word = |at: usize| usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1]);
        match bytes[0] >> 4 {
            4 => {
                // In network order and with the header counted, as on the wire.
                assert_eq!(word(2), bytes.len(), "total length of {bytes:02x?}");
                let header = usize::from(bytes[0] & 0xf) * 4;
                let at = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&bytes[at..at + 4]).unwrap());
                Self {
                    from: at(12),
                    to: at(16),
                    ttl: bytes[8],
                    protocol: bytes[9],
                    transport: bytes[header..].to_vec(),
                }
            }
            6 => {
                assert_eq!(word(4), bytes.len() - 40, "payload length of {bytes:02x?}");
                let at = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&bytes[at..at + 16]).unwrap());
                Self {
                    from: at(8),
                    to: at(24),
                    ttl: bytes[7],
                    protocol: bytes[6],
                    transport: bytes[40..].to_vec(),
                }
            }
            other => panic!("version {other} in {bytes:02x?}"),
        }
    }

    fn is_time_exceeded(&self) -> bool {
        let kind = if self.from.is_ipv4() { 11 } else { 3 };
        matches!(self.protocol, 1 | 58) && self.transport[..2] == [kind, 0]
    }

    /// The packet quoted in an ICMP error.
    fn quote(&self) -> &[u8] {
        &self.transport[8..]
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.transport[at], self.transport[at + 1]])
    }

    fn long(&self, at: usize) -> u32 {
        u32::from(self.word(at)) << 16 | u32::from(self.word(at + 2))
    }
}

//---- Wires -----------------------------------------------------------------------------------------------------------

fn request(family: Family) -> Request {
    Request::new(family, [target(family)]).with(Protocol::Tcp).with(Protocol::Icmp).with(Protocol::Udp)
}

fn transmit(to: IpAddr, packet: Vec<u8>) -> Transmit {
    Transmit { probe: ProbeId(0), destination: to, packet }
}

fn hear(wire: &mut LiveWire, within: Duration) -> Option<(Arrival, Seen)> {
    let until = wire.now() + within;
    match wire.wait(until).unwrap() {
        Heard::Packet(arrival) => {
            let seen = Seen::of(&arrival);
            Some((arrival, seen))
        }
        Heard::Quiet => {
            assert!(wire.now() >= until, "quiet before its time");
            None
        }
        Heard::Notice(notice) => panic!("a raw socket is told {notice:?}"),
        Heard::Interrupted => panic!("interrupted"),
    }
}

/// Sends and gives the first answer with its round-trip time.
fn exchange(wire: &mut LiveWire, to: IpAddr, packet: Vec<u8>) -> (Seen, Duration) {
    let sent = wire.send(&transmit(to, packet)).unwrap();
    let (arrival, seen) = hear(wire, Duration::from_secs(2)).expect("an answer");
    assert!(arrival.at > sent, "answered at {} before it was sent at {sent}", arrival.at);
    assert!(arrival.at <= wire.now(), "an answer from the future");
    (seen, arrival.at.since(sent))
}

/// Who answers a SYN that is to die at the first router.
fn first_hop(wire: &mut LiveWire, to: IpAddr) -> Seen {
    let packet = syn(wire.source(), to, 1, wire.source_ports(Protocol::Tcp)[0], 25, 1);
    let (seen, _) = exchange(wire, to, packet);
    assert!(seen.is_time_exceeded(), "{seen:?}");
    seen
}

//---- Sending and receiving -------------------------------------------------------------------------------------------

#[test]
fn a_router_answers_every_protocol_in_both_families() {
    let Some(world) = World::build("a_router_answers_every_protocol_in_both_families") else { return };
    for (family, source, router) in
        [(Family::V4, "10.0.1.2", "10.0.1.1"), (Family::V6, "fd00:1::2", "fd00:1::1")]
    {
        let mut wire = world.open(&request(family)).unwrap();
        assert_eq!(wire.source(), address(source));
        assert_eq!(wire.interface().as_deref(), Some("up0"));
        assert_eq!(wire.mtu(), Some(1500));
        assert!(!wire.routes()[0].local);
        let to = target(family);
        let (tcp, udp) = (wire.source_ports(Protocol::Tcp)[3], wire.source_ports(Protocol::Udp)[3]);
        assert!(wire.source_ports(Protocol::Icmp).is_empty());
        let probes = [
            echo(wire.source(), to, 1, 7),
            datagram(wire.source(), to, 1, udp, 33434),
            syn(wire.source(), to, 1, tcp, 25, 0xcafe_f00d),
        ];
        for probe in probes {
            let (seen, rtt) = exchange(&mut wire, to, probe.clone());
            assert!(seen.is_time_exceeded(), "{seen:?}");
            assert_eq!((seen.from, seen.to, seen.ttl), (address(router), address(source), 64));
            assert!(rtt > Duration::ZERO && rtt < Duration::from_millis(100), "{rtt:?}");
            // Linux routers quote the packet as it came, with the TTL it died of, and as a whole if it is short.
            assert_eq!(seen.quote(), probe, "the quotation of {family}");
        }
        let stamps = wire.stamps();
        assert_eq!(stamps.kernel + stamps.user, 3);
        assert_eq!(wire.losses(), lasthop::trace::Losses::default());
    }
}

#[test]
fn the_target_answers_every_protocol_with_its_own_ttl() {
    let Some(world) = World::build("the_target_answers_every_protocol_with_its_own_ttl") else { return };
    for family in [Family::V4, Family::V6] {
        let to = target(family);
        let (_listener, server) = inside(&world.space("target"), || {
            (TcpListener::bind((to, 25)).unwrap(), UdpSocket::bind((to, 53)).unwrap())
        });
        let mut wire = world.open(&request(family)).unwrap();
        let from = wire.source();
        let (tcp, udp) = (wire.source_ports(Protocol::Tcp)[0], wire.source_ports(Protocol::Udp)[0]);

        let (open, _) = exchange(&mut wire, to, syn(from, to, 20, tcp, 25, 1000));
        assert_eq!((open.from, open.to, open.protocol, open.ttl), (to, from, 6, 63));
        assert_eq!((open.word(0), open.word(2), open.long(8)), (25, tcp, 1001));
        assert_eq!(open.transport[13], 0x12, "SYN and ACK");

        let (closed, _) = exchange(&mut wire, to, syn(from, to, 20, tcp, 26, 1000));
        assert_eq!((closed.word(0), closed.long(8), closed.ttl), (26, 1001, 63));
        assert_eq!(closed.transport[13], 0x14, "RST and ACK");

        let (reply, _) = exchange(&mut wire, to, echo(from, to, 20, 9));
        assert_eq!(reply.transport[0], if family == Family::V4 { 0 } else { 129 });
        assert_eq!((reply.word(6), reply.ttl), (9, 63));

        let (refused, _) = exchange(&mut wire, to, datagram(from, to, 20, udp, 33434));
        let unreachable: [u8; 2] = if family == Family::V4 { [3, 3] } else { [1, 4] };
        assert_eq!(refused.transport[..2], unreachable);

        wire.send(&transmit(to, datagram(from, to, 20, udp, 53))).unwrap();
        let mut asked = [0; 16];
        let (length, asker) = server.recv_from(&mut asked).unwrap();
        assert_eq!((&asked[..length], asker.port()), (b"ping".as_slice(), udp));
        server.send_to(b"pong!", asker).unwrap();
        let (_, answer) = hear(&mut wire, Duration::from_secs(2)).unwrap();
        assert_eq!((answer.protocol, answer.word(0), answer.word(2), answer.ttl), (17, 53, udp, 63));
        assert_eq!(&answer.transport[8..], b"pong!");
        // The port is held, so our kernel does not answer the answer with "port unreachable".
        std::thread::sleep(Duration::from_millis(20));
        server.set_nonblocking(true).unwrap();
        let error = server.send_to(b"more", asker).err().or_else(|| server.take_error().unwrap());
        assert!(error.is_none(), "{error:?}");
    }
}

#[test]
fn the_kernels_stamp_counts_and_not_the_time_of_reading() {
    let Some(world) = World::build("the_kernels_stamp_counts_and_not_the_time_of_reading") else { return };
    for family in [Family::V4, Family::V6] {
        let mut wire = world.open(&request(family)).unwrap();
        first_hop(&mut wire, target(family));
        let probe = syn(wire.source(), target(family), 1, wire.source_ports(Protocol::Tcp)[0], 25, 1);
        let sent = wire.send(&transmit(target(family), probe)).unwrap();
        std::thread::sleep(Duration::from_millis(80));
        // A moment that has passed long ago still collects what is there.
        let Heard::Packet(arrival) = wire.wait(Moment::START).unwrap() else { panic!("nothing there") };
        let rtt = arrival.at.since(sent);
        let stamps = wire.stamps();
        assert!(
            rtt > Duration::ZERO && rtt < Duration::from_millis(40),
            "{rtt:?} after a sleep of 80 ms, {stamps:?}"
        );
        assert_eq!(wire.wait(Moment::START).unwrap(), Heard::Quiet);
    }
}

#[test]
fn the_first_packet_of_a_wire_is_already_stamped_when_it_comes() {
    let Some(world) = World::build("the_first_packet_of_a_wire_is_already_stamped_when_it_comes") else {
        return;
    };
    // A process of its own, for other tests keep the kernel stamping. (So do other programs; then this proves little.)
    for _ in 0..3 {
        played(&world.scene("stamp").output().unwrap(), "stamp");
    }
}

#[test]
fn half_open_connections_are_closed_by_the_kernels_reset() {
    let Some(world) = World::build("half_open_connections_are_closed_by_the_kernels_reset") else { return };
    let half_open = || {
        let target = world.space("target");
        let output = run("ip", &["netns", "exec", &target, "ss", "-Htn", "state", "syn-recv"]);
        String::from_utf8(output.stdout).unwrap().lines().count()
    };
    for family in [Family::V4, Family::V6] {
        let to = target(family);
        let _listener = inside(&world.space("target"), || TcpListener::bind((to, 25)).unwrap());
        let mut wire = world.open(&request(family)).unwrap();
        let ports = wire.source_ports(Protocol::Tcp).to_vec();
        let from = wire.source();
        let (seen, _) = exchange(&mut wire, to, syn(from, to, 20, ports[0], 25, 1));
        assert_eq!(seen.transport[13], 0x12);
        let closed = (0..20).any(|_| half_open() == 0);
        assert!(closed, "{family}: the target still waits");
        // The proof that it was the reset: without it, the target does wait.
        world.nft(
            "prober",
            "table inet t { chain c { type filter hook output priority 0; tcp flags rst drop; }; }",
        );
        let (seen, _) = exchange(&mut wire, to, syn(from, to, 20, ports[1], 25, 1));
        assert_eq!(seen.transport[13], 0x12);
        assert_eq!(half_open(), 1, "{family}: the target should wait");
        world.nft("prober", "delete table inet t");
        // Its second SYN-ACK, a second later, is answered.
        let (_, again) = hear(&mut wire, Duration::from_secs(3)).unwrap();
        assert_eq!((again.transport[13], again.word(2)), (0x12, ports[1]));
        let closed = (0..20).any(|_| half_open() == 0);
        assert!(closed, "{family}: the target still waits after its second SYN-ACK");
    }
}

#[test]
fn source_ports_are_nobody_elses_while_the_wire_is_open() {
    let Some(world) = World::build("source_ports_are_nobody_elses_while_the_wire_is_open") else { return };
    for (family, any) in
        [(Family::V4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)), (Family::V6, IpAddr::V6(Ipv6Addr::UNSPECIFIED))]
    {
        let wire = world.open(&Request { ports: 16, ..request(family) }).unwrap();
        let (tcp, udp) =
            (wire.source_ports(Protocol::Tcp).to_vec(), wire.source_ports(Protocol::Udp).to_vec());
        assert_eq!((tcp.len(), udp.len()), (16, 16));
        world.prober(|| {
            for host in [any, wire.source()] {
                for &port in &tcp {
                    assert_eq!(
                        TcpListener::bind((host, port)).unwrap_err().kind(),
                        std::io::ErrorKind::AddrInUse
                    );
                }
                for &port in &udp {
                    assert_eq!(
                        UdpSocket::bind((host, port)).unwrap_err().kind(),
                        std::io::ErrorKind::AddrInUse
                    );
                }
            }
        });
        drop(wire);
        world.prober(|| TcpListener::bind((any, tcp[0])).unwrap());
    }
    let icmp_only = Request::new(Family::V4, [target(Family::V4)]).with(Protocol::Icmp);
    let wire = world.open(&icmp_only).unwrap();
    assert!(wire.source_ports(Protocol::Tcp).is_empty() && wire.source_ports(Protocol::Udp).is_empty());
}

#[test]
fn other_programs_traffic_does_not_come_through() {
    let Some(world) = World::build("other_programs_traffic_does_not_come_through") else { return };
    for family in [Family::V4, Family::V6] {
        let to = target(family);
        let listener = inside(&world.space("target"), || TcpListener::bind((to, 25)).unwrap());
        let mut wire =
            world.open(&Request::new(family, [to]).with(Protocol::Tcp).with(Protocol::Udp)).unwrap();
        let (domain, protocol) = match family {
            Family::V4 => (socket2::Domain::IPV4, socket2::Protocol::TCP),
            Family::V6 => (socket2::Domain::IPV6, socket2::Protocol::TCP),
        };
        // Without a filter the same traffic is there to be seen.
        let unfiltered = world.prober(|| {
            let all = socket2::Socket::new(domain, socket2::Type::RAW, Some(protocol)).unwrap();
            all.set_nonblocking(true).unwrap();
            let mut client = TcpStream::connect((to, 25)).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            server.write_all(b"220 ready\r\n").unwrap();
            let mut line = String::new();
            BufReader::new(&mut client).read_line(&mut line).unwrap();
            assert_eq!(line, "220 ready\r\n");
            let mut buffer = [std::mem::MaybeUninit::uninit(); 100];
            std::iter::from_fn(|| all.recv(&mut buffer).ok()).count()
        });
        assert!(unfiltered >= 2, "{unfiltered} segments");
        // Nobody asked for ICMP either, so an echo reply is somebody else's.
        wire.send(&transmit(to, echo(wire.source(), to, 20, 1))).unwrap();
        assert!(hear(&mut wire, Duration::from_millis(100)).is_none());
        first_hop(&mut wire, to);
    }
}

#[test]
fn a_reply_that_comes_back_by_another_interface_is_heard() {
    let Some(world) = World::build("a_reply_that_comes_back_by_another_interface_is_heard") else { return };
    world.ip("target", "route replace 10.0.1.0/24 via 10.0.4.1");
    let to = target(Family::V4);
    let asked = Request { interface: Some("up0".into()), ..request(Family::V4) };
    let mut wire = world.open(&asked).unwrap();
    let (from, port) = (wire.source(), wire.source_ports(Protocol::Tcp)[0]);
    let (seen, _) = exchange(&mut wire, to, syn(from, to, 20, port, 26, 1));
    assert_eq!(seen.transport[13], 0x14);
    let received = |device: &str| -> u64 {
        let count = world.prober(|| std::fs::read_to_string("/proc/thread-self/net/dev").unwrap());
        let line = count.lines().find(|line| line.trim_start().starts_with(device)).unwrap().to_owned();
        line.split_whitespace().nth(2).unwrap().parse().unwrap()
    };
    let before = received("up1");
    exchange(&mut wire, to, syn(from, to, 20, port, 26, 1));
    assert!(received("up1") > before, "the reply took the other way");
}

#[test]
fn waiting_ends_at_its_moment_and_not_before() {
    let Some(world) = World::build("waiting_ends_at_its_moment_and_not_before") else { return };
    let mut wire = world.open(&request(Family::V4)).unwrap();
    let mut late: Vec<Duration> = (0..20)
        .map(|_| {
            let until = wire.now() + Duration::from_millis(5);
            assert_eq!(wire.wait(until).unwrap(), Heard::Quiet);
            let now = wire.now();
            assert!(now >= until);
            now.since(until)
        })
        .collect();
    late.sort_unstable();
    // The median, for single sleeps are milliseconds late on a busy machine.
    assert!(late[10] < Duration::from_millis(20), "{late:?}");
}

#[test]
fn many_replies_come_in_order_and_none_is_missing() {
    let Some(world) = World::build("many_replies_come_in_order_and_none_is_missing") else { return };
    for family in [Family::V4, Family::V6] {
        let to = target(family);
        let mut wire = world.open(&request(family)).unwrap();
        let (tcp, udp) = (wire.source_ports(Protocol::Tcp)[0], wire.source_ports(Protocol::Udp)[0]);
        let from = wire.source();
        // Everybody knows their neighbours from here on; until then only so many packets wait for an address.
        exchange(&mut wire, to, echo(from, to, 20, 0));
        for number in 0..200 {
            let probe = match number % 3 {
                0 => syn(from, to, 20, tcp, 26, number),
                1 => datagram(from, to, 1, udp, 33434),
                _ => echo(from, to, 20, number as u16),
            };
            wire.send(&transmit(to, probe)).unwrap();
        }
        let mut heard = Vec::new();
        while heard.len() < 200 {
            heard.push(hear(&mut wire, Duration::from_secs(1)).expect("one more").0.at);
        }
        assert!(hear(&mut wire, Duration::from_millis(20)).is_none());
        // Sockets are read in turns of 64, and sorted within what was read together.
        assert!(heard[..64].is_sorted(), "{heard:?}");
        // Unless somebody sets the clock in these milliseconds, all are the kernel's.
        assert!(wire.stamps().kernel > 100, "{:?}", wire.stamps());
    }
}

//---- The way out -----------------------------------------------------------------------------------------------------

#[test]
fn a_second_source_address_is_used_and_answered() {
    let Some(world) = World::build("a_second_source_address_is_used_and_answered") else { return };
    world.ip("prober", "addr add 10.0.1.77/24 dev up0");
    world.ip("prober", "-6 addr add fd00:1::77/64 dev up0 nodad");
    for (family, second) in [(Family::V4, "10.0.1.77"), (Family::V6, "fd00:1::77")] {
        let mut wire = world.open(&Request { source: Some(address(second)), ..request(family) }).unwrap();
        assert_eq!(wire.source(), address(second));
        assert_eq!(first_hop(&mut wire, target(family)).to, address(second));
    }
}

#[test]
fn rules_by_source_address_hold_for_raw_packets() {
    let Some(world) = World::build("rules_by_source_address_hold_for_raw_packets") else { return };
    for (family, second, via) in
        [(Family::V4, "10.0.2.2", "10.0.2.1"), (Family::V6, "fd00:2::2", "fd00:2::1")]
    {
        let six = if family == Family::V6 { "-6 " } else { "" };
        world.ip("prober", &format!("{six}route add default via {via} table 100"));
        world.ip("prober", &format!("{six}rule add from {second} lookup 100"));
        let mut wire = world.open(&Request { source: Some(address(second)), ..request(family) }).unwrap();
        assert_eq!(wire.interface().as_deref(), Some("up1"));
        assert_eq!(first_hop(&mut wire, target(family)).from, address(via));
        // And without the source, the other way.
        let mut wire = world.open(&request(family)).unwrap();
        assert_eq!(wire.interface().as_deref(), Some("up0"));
        assert_ne!(first_hop(&mut wire, target(family)).from, address(via));
    }
}

#[test]
fn a_way_that_only_a_source_address_opens_is_found() {
    let Some(world) = World::build("a_way_that_only_a_source_address_opens_is_found") else { return };
    for (family, second, via) in
        [(Family::V4, "10.0.2.2", "10.0.2.1"), (Family::V6, "fd00:2::2", "fd00:2::1")]
    {
        let six = if family == Family::V6 { "-6 " } else { "" };
        world.ip("prober", &format!("{six}route add default via {via} table 100"));
        world.ip("prober", &format!("{six}rule add from {second} lookup 100"));
        let to = address(if family == Family::V4 { "203.0.113.7" } else { "2001:db8::7" });
        let elsewhere = Request::new(family, [to]).with(Protocol::Tcp);
        assert!(matches!(world.refusal(&elsewhere), OpenError::NoRoute { .. }));
        for interface in [None, Some("up1".to_owned())] {
            let asked = Request { source: Some(address(second)), interface, ..elsewhere.clone() };
            let mut wire = world.open(&asked).unwrap();
            assert_eq!(wire.interface().as_deref(), Some("up1"));
            // It has no way there itself, and says so.
            let packet = syn(wire.source(), to, 1, wire.source_ports(Protocol::Tcp)[0], 25, 1);
            assert_eq!(exchange(&mut wire, to, packet).0.from, address(via));
        }
    }
}

#[test]
fn the_interface_asked_for_is_taken() {
    let Some(world) = World::build("the_interface_asked_for_is_taken") else { return };
    world.ip("prober", "route add 10.9.9.0/24 via 10.0.2.1 metric 500");
    world.ip("prober", "route add fd00:9::/64 via fd00:2::1 metric 5000");
    for (family, source, via) in
        [(Family::V4, "10.0.2.2", "10.0.2.1"), (Family::V6, "fd00:2::2", "fd00:2::1")]
    {
        let asked = Request { interface: Some("up1".into()), ..request(family) };
        let mut wire = world.open(&asked).unwrap();
        assert_eq!((wire.source(), wire.interface().as_deref()), (address(source), Some("up1")));
        assert_eq!(first_hop(&mut wire, target(family)).from, address(via));
    }
}

#[test]
fn a_mark_takes_the_other_link() {
    let Some(world) = World::build("a_mark_takes_the_other_link") else { return };
    for (family, via) in [(Family::V4, "10.0.2.1"), (Family::V6, "fd00:2::1")] {
        let six = if family == Family::V6 { "-6 " } else { "" };
        world.ip("prober", &format!("{six}route add default via {via} table 200"));
        world.ip("prober", &format!("{six}rule add fwmark 7 lookup 200"));
        let mut marked = world.open(&Request { mark: Some(7), ..request(family) }).unwrap();
        assert_eq!(marked.interface().as_deref(), Some("up1"));
        let seen = first_hop(&mut marked, target(family));
        assert_eq!(seen.from, address(via));
        // The source belongs to the link that the mark chose.
        assert_eq!(seen.to, address(if family == Family::V4 { "10.0.2.2" } else { "fd00:2::2" }));
        let mut other = world.open(&Request { mark: Some(8), ..request(family) }).unwrap();
        assert_ne!(first_hop(&mut other, target(family)).from, address(via));
    }
}

#[test]
fn a_link_local_target_is_reached_through_its_interface() {
    let Some(world) = World::build("a_link_local_target_is_reached_through_its_interface") else { return };
    let neighbour = inside(&world.space("near"), || {
        let near = interfaces().into_iter().find(|one| one.name == "in0").unwrap();
        let local = near
            .addresses
            .iter()
            .find(|one| matches!(one.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local()));
        local.unwrap().ip()
    });
    let asked = Request {
        interface: Some("up0".into()),
        ..Request::new(Family::V6, [neighbour]).with(Protocol::Tcp).with(Protocol::Icmp)
    };
    let mut wire = world.open(&asked).unwrap();
    let from = wire.source();
    assert!(matches!(from, IpAddr::V6(from) if from.is_unicast_link_local()), "{from}");
    let port = wire.source_ports(Protocol::Tcp)[0];
    let (closed, _) = exchange(&mut wire, neighbour, syn(from, neighbour, 64, port, 26, 5));
    assert_eq!((closed.from, closed.transport[13], closed.long(8)), (neighbour, 0x14, 6));
    let (reply, _) = exchange(&mut wire, neighbour, echo(from, neighbour, 64, 3));
    assert_eq!(reply.transport[0], 129);
}

#[test]
fn a_vrf_has_its_own_table() {
    let test = "a_vrf_has_its_own_table";
    let Some(world) = World::build(test) else { return };
    let space = world.space("prober");
    let made =
        Command::new("ip").args(["-n", &space, "link", "add", "red", "type", "vrf", "table", "300"]).output();
    let made = made.unwrap();
    if !made.status.success() {
        // The one test that a kernel may lack the means for, whatever is required.
        say_skipped(
            test,
            &format!("no VRF in this kernel: {}", String::from_utf8_lossy(&made.stderr).trim()),
        );
        return;
    }
    world.ip("prober", "link set red up");
    world.ip("prober", "link set up1 master red");
    world.ip("prober", "route add 10.9.9.0/24 via 10.0.2.1 table 300");
    let mut wire = world.open(&Request { vrf: Some("red".into()), ..request(Family::V4) }).unwrap();
    assert_eq!(first_hop(&mut wire, target(Family::V4)).from, address("10.0.2.1"));
    let outside = Request { vrf: Some("red".into()), interface: Some("up0".into()), ..request(Family::V4) };
    assert!(matches!(world.refusal(&outside), OpenError::OutsideVrf { .. }));
}

#[test]
fn loopback_works_and_is_told() {
    let Some(world) = World::build("loopback_works_and_is_told") else { return };
    for own in ["127.0.0.1", "10.0.1.2", "::1", "fd00:1::2"] {
        let own = address(own);
        let request = Request::new(Family::of(own), [own]).with(Protocol::Tcp).with(Protocol::Icmp);
        let mut wire = world.open(&request).unwrap();
        assert_eq!(wire.source(), own);
        assert_eq!(wire.interface().as_deref(), Some("lo"));
        assert!(wire.routes()[0].local);
        let port = wire.source_ports(Protocol::Tcp)[0];
        let (closed, rtt) = exchange(&mut wire, own, syn(own, own, 64, port, 26, 1));
        assert_eq!((closed.transport[13], closed.ttl), (0x14, 64));
        assert!(rtt < Duration::from_millis(100));
        let (reply, _) = exchange(&mut wire, own, echo(own, own, 64, 1));
        assert_eq!(reply.transport[0], if own.is_ipv4() { 0 } else { 129 });
    }
}

//---- Refusals --------------------------------------------------------------------------------------------------------

#[test]
fn an_unknown_interface_is_refused_with_those_there_are() {
    let Some(world) = World::build("an_unknown_interface_is_refused_with_those_there_are") else { return };
    let asked = Request { interface: Some("eth9".into()), ..request(Family::V4) };
    let error = world.refusal(&asked);
    assert_eq!(error.to_string(), "there is no interface 'eth9'");
    let hint = error.hint().unwrap();
    assert!(hint.starts_with("there are ") && hint.contains("lo") && hint.contains("up0"), "{hint}");
    let vrf = Request { vrf: Some("red".into()), ..request(Family::V4) };
    assert_eq!(world.refusal(&vrf).to_string(), "there is no interface 'red'");
    let vrf = Request { vrf: Some("up0".into()), ..request(Family::V4) };
    assert_eq!(world.refusal(&vrf).to_string(), "'up0' is an interface but not a VRF");
    world.ip("prober", "link set up1 down");
    let down = Request { interface: Some("up1".into()), ..request(Family::V4) };
    let error = world.refusal(&down);
    assert_eq!(error.to_string(), "the interface 'up1' is down");
    assert_eq!(error.hint().unwrap(), "bring it up with `ip link set up1 up`");
}

#[test]
fn a_source_that_is_not_ours_or_elsewhere_is_refused() {
    let Some(world) = World::build("a_source_that_is_not_ours_or_elsewhere_is_refused") else { return };
    let from =
        |source: &str| Request { source: Some(address(source)), ..request(Family::of(address(source))) };
    let error = world.refusal(&from("10.0.1.200"));
    assert_eq!(error.to_string(), "10.0.1.200 is not an address of this host");
    assert_eq!(error.hint().unwrap(), "this host has 127.0.0.1, 10.0.1.2, 10.0.2.2");
    assert_eq!(world.refusal(&from("fd00:1::200")).to_string(), "fd00:1::200 is not an address of this host");
    let error = world.refusal(&Request { interface: Some("up0".into()), ..from("10.0.2.2") });
    assert_eq!(error.to_string(), "10.0.2.2 belongs to the interface 'up1', not to 'up0'");
    let error = world.refusal(&from("127.0.0.1"));
    assert_eq!(error.to_string(), "10.9.9.9 cannot be reached from the loopback address 127.0.0.1");
    // A router's own address lives on the loopback interface and is used through any other.
    world.ip("prober", "addr add 10.0.77.1/32 dev lo");
    let router = Request { interface: Some("up0".into()), ..from("10.0.77.1") };
    assert_eq!(world.open(&router).unwrap().source(), address("10.0.77.1"));
    // A local route makes a whole network this host's.
    world.ip("prober", "route add local 10.0.78.0/24 dev lo");
    assert_eq!(world.open(&from("10.0.78.9")).unwrap().source(), address("10.0.78.9"));
}

#[test]
fn no_way_there_is_told_before_the_first_probe() {
    let Some(world) = World::build("no_way_there_is_told_before_the_first_probe") else { return };
    for kind in ["prohibit", "unreachable", "blackhole"] {
        world.ip("prober", &format!("route add {kind} 10.66.{}.0/24", kind.len()));
    }
    let to = |list: &[&str]| {
        let list: Vec<IpAddr> = list.iter().map(|one| address(one)).collect();
        Request::new(Family::of(list[0]), list).with(Protocol::Tcp)
    };
    for nowhere in ["192.0.2.1", "2001:db8::1", "10.66.8.1", "10.66.11.1", "10.66.9.1"] {
        let error = world.refusal(&to(&[nowhere]));
        assert_eq!(error.to_string(), format!("no route to {nowhere}"));
        assert_eq!(error.hint().unwrap(), format!("`ip route get {nowhere}` shows what the kernel looks up"));
    }
    // Also when it is the reference.
    assert_eq!(world.refusal(&to(&[TARGET_V4, "192.0.2.1"])).to_string(), "no route to 192.0.2.1");
    // Bound to a device, an IPv4 packet would go out of it to nobody's address.
    for nowhere in [TARGET_V4, TARGET_V6] {
        let bound = Request { interface: Some("up1".into()), ..to(&[nowhere]) };
        assert_eq!(world.refusal(&bound).to_string(), format!("no route to {nowhere} through 'up1'"));
    }
    // A tunnel has only one other end.
    world.ip("prober", "tuntap add dev tun9 mode tun");
    world.ip("prober", "addr add 10.0.80.1/32 dev tun9");
    world.ip("prober", "link set tun9 up");
    let bound = Request { interface: Some("tun9".into()), ..to(&[TARGET_V4]) };
    assert_eq!(world.open(&bound).unwrap().interface().as_deref(), Some("tun9"));
    for (nobody, what) in [
        ("10.0.1.255", "the broadcast address of a network"),
        ("10.0.1.0", "the address of the network 10.0.1.0/24"),
    ] {
        let error = world.refusal(&to(&[nobody]));
        let sentence = format!("{nobody} is {what} on 'up0', not a host that can be probed");
        assert_eq!(error.to_string(), sentence);
        assert!(error.is_no_host());
    }
    // In a network of two addresses both are hosts (RFC 3021).
    world.ip("prober", "addr add 10.0.81.1/31 dev up0");
    assert!(world.open(&to(&["10.0.81.0"])).is_ok());
}

#[test]
fn destinations_that_part_at_this_host_are_refused() {
    let Some(world) = World::build("destinations_that_part_at_this_host_are_refused") else { return };
    world.ip("prober", "route add 10.9.9.10/32 via 10.0.2.1");
    let both = Request::new(Family::V4, [address(TARGET_V4), address("10.9.9.10")]).with(Protocol::Tcp);
    let error = world.refusal(&both);
    assert_eq!(error.to_string(), "10.9.9.9 is routed through 'up0' and 10.9.9.10 through 'up1'");
    assert!(error.hint().unwrap().contains("-i"));
    // Asked for, it is the user's choice.
    let chosen = Request { source: Some(address("10.0.1.2")), ..both };
    let wire = world.open(&chosen).unwrap();
    let ways: Vec<&str> = wire.routes().iter().map(|route| route.interface.as_str()).collect();
    assert_eq!(ways, ["up0", "up1"]);
    // Two that go the same way are two routes.
    let same = Request::new(Family::V4, [address(TARGET_V4), address("10.9.9.11")]).with(Protocol::Tcp);
    assert_eq!(world.open(&same).unwrap().routes().len(), 2);
}

#[test]
fn a_filter_that_would_eat_the_replies_is_refused() {
    let Some(world) = World::build("a_filter_that_would_eat_the_replies_is_refused") else { return };
    world.ip("prober", "route add default via 10.0.2.1 table 200");
    world.ip("prober", "rule add fwmark 7 lookup 200");
    let marked = Request { mark: Some(7), ..request(Family::V4) };
    world.prober(|| sysctl("ipv4/conf/up1/rp_filter", "1"));
    let error = world.refusal(&marked);
    assert_eq!(
        error.to_string(),
        "this host would drop replies from 10.9.9.9 that come in on 'up1' (rp_filter is 1)"
    );
    assert_eq!(error.hint().unwrap(), "allow them with `sudo sysctl net.ipv4.conf.up1.rp_filter=2`");
    // And it is so: with a wire opened before the filter was made strict, nothing is heard from the target.
    world.prober(|| sysctl("ipv4/conf/up1/rp_filter", "2"));
    let mut wire = world.open(&marked).unwrap();
    let (from, to, port) = (wire.source(), target(Family::V4), wire.source_ports(Protocol::Tcp)[0]);
    exchange(&mut wire, to, syn(from, to, 20, port, 26, 1));
    world.prober(|| sysctl("ipv4/conf/up1/rp_filter", "1"));
    wire.send(&transmit(to, syn(from, to, 20, port, 26, 1))).unwrap();
    assert!(hear(&mut wire, Duration::from_millis(100)).is_none());
    // Strict, but the way back is the way out: no reason to refuse.
    world.prober(|| sysctl("ipv4/conf/up0/rp_filter", "1"));
    let straight = Request { interface: Some("up0".into()), ..request(Family::V4) };
    first_hop(&mut world.open(&straight).unwrap(), to);
}

#[test]
fn a_name_without_a_resolver_does_not_resolve() {
    let Some(world) = World::build("a_name_without_a_resolver_does_not_resolve") else { return };
    let error = world.prober(|| lasthop::net::resolve("no-such-host.invalid", None)).unwrap_err();
    assert_eq!(error.to_string(), "'no-such-host.invalid' does not resolve");
    assert!(error.hint().unwrap().starts_with("check the spelling"));
}

//---- Trouble in mid-run ----------------------------------------------------------------------------------------------

#[test]
fn an_interface_that_goes_down_is_a_fault_and_not_a_silence() {
    let Some(world) = World::build("an_interface_that_goes_down_is_a_fault_and_not_a_silence") else {
        return;
    };
    for family in [Family::V4, Family::V6] {
        for interface in [None, Some("up0".to_owned())] {
            let to = target(family);
            let mut wire = world.open(&Request { interface, ..request(family) }).unwrap();
            first_hop(&mut wire, to);
            world.ip("prober", "link set up0 down");
            let probe = transmit(to, syn(wire.source(), to, 1, wire.source_ports(Protocol::Tcp)[0], 25, 1));
            let fault = wire.send(&probe).unwrap_err();
            assert!(matches!(fault, SendFault::InterfaceDown | SendFault::NoRoute), "{fault:?}");
            assert!(hear(&mut wire, Duration::from_millis(5)).is_none());
            // Up again, and the same wire works again. IPv6 loses its addresses and routes meanwhile.
            world.ip("prober", "link set up0 up");
            world.settle("prober");
            world.ip("prober", "-6 addr replace fd00:1::2/64 dev up0 nodad");
            world.ip("prober", "route replace 10.9.9.0/24 via 10.0.1.1");
            world.ip("prober", "route replace fd00:9::/64 via fd00:1::1");
            first_hop(&mut wire, to);
        }
    }
    let mut wire = world.open(&request(Family::V4)).unwrap();
    world.ip("prober", "link del up0");
    let to = target(Family::V4);
    let probe = transmit(to, syn(wire.source(), to, 1, wire.source_ports(Protocol::Tcp)[0], 25, 1));
    let fault = wire.send(&probe).unwrap_err();
    assert!(matches!(fault, SendFault::InterfaceDown | SendFault::NoRoute), "{fault:?}");
    assert!(hear(&mut wire, Duration::from_millis(5)).is_none());
}

#[test]
fn every_refusal_to_send_has_its_name() {
    let Some(world) = World::build("every_refusal_to_send_has_its_name") else { return };
    for family in [Family::V4, Family::V6] {
        let to = target(family);
        let mut wire = world.open(&request(family)).unwrap();
        let probe = transmit(to, echo(wire.source(), to, 1, 1));
        let rules = "type filter hook output priority 0; meta l4proto { icmp, icmpv6 } drop";
        world.nft("prober", &format!("table inet t {{ chain c {{ {rules}; }}; }}"));
        assert_eq!(wire.send(&probe), Err(SendFault::Denied), "{family}");
        world.nft("prober", "delete table inet t");
        wire.send(&probe).unwrap();
        let mut large = echo(wire.source(), to, 1, 1);
        large.resize(1600, 0);
        match family {
            Family::V4 => large[2..4].copy_from_slice(&1600_u16.to_be_bytes()),
            Family::V6 => large[4..6].copy_from_slice(&1560_u16.to_be_bytes()),
        }
        assert_eq!(wire.send(&transmit(to, large)), Err(SendFault::TooBig), "{family}");
        assert_eq!(
            wire.send(&transmit(to, vec![0; 3])),
            Err(SendFault::Other(nix::libc::EINVAL)),
            "{family}"
        );
        assert!(wire.send(&probe).is_ok(), "{family}: the wire stays usable");
    }
}

#[test]
fn a_full_queue_is_told_and_not_taken_for_sent() {
    let Some(world) = World::build("a_full_queue_is_told_and_not_taken_for_sent") else { return };
    for family in [Family::V4, Family::V6] {
        let to = target(family);
        let mut wire = world.open(&request(family)).unwrap();
        // Asking for a neighbour's address takes room in the queue, too.
        first_hop(&mut wire, to);
        let space = world.space("prober");
        let queue =
            |line: &str| run("tc", &["-n", &space].into_iter().chain(line.split(' ')).collect::<Vec<_>>());
        queue("qdisc add dev up0 root tbf rate 8kbit burst 1600 limit 1600");
        let mut probe = echo(wire.source(), to, 1, 1);
        probe.resize(1000, 0);
        match family {
            Family::V4 => probe[2..4].copy_from_slice(&1000_u16.to_be_bytes()),
            Family::V6 => probe[4..6].copy_from_slice(&960_u16.to_be_bytes()),
        }
        let faults: Vec<_> = (0..5).filter_map(|_| wire.send(&transmit(to, probe.clone())).err()).collect();
        assert!(!faults.is_empty(), "{family}: five times 1000 bytes went into a queue of 1600");
        assert!(faults.iter().all(|&fault| fault == SendFault::Full), "{family}: {faults:?}");
        queue("qdisc del dev up0 root");
        wire.send(&transmit(to, probe)).unwrap();
    }
}

#[test]
fn what_overflows_is_counted_to_the_last_packet() {
    let Some(world) = World::build("what_overflows_is_counted_to_the_last_packet") else { return };
    for family in [Family::V4, Family::V6] {
        let to = target(family);
        let mut wire = world.open(&Request { receive_buffer: 4096, ..request(family) }).unwrap();
        let sent = 300;
        for number in 0..sent {
            wire.send(&transmit(to, echo(wire.source(), to, 1, number))).unwrap();
        }
        // Nothing read yet: what was dropped came after the last packet that could be queued.
        let lost = wire.losses().overflow;
        let mut heard = 0;
        while hear(&mut wire, Duration::from_millis(20)).is_some() {
            heard += 1;
        }
        assert!(lost > 0, "{family}: nothing overflowed");
        assert_eq!(heard + lost, u64::from(sent), "{family}: {heard} heard, {lost} lost");
        assert_eq!(wire.losses().overflow, lost);
        assert_eq!(wire.losses().truncated, 0);
        // The counter goes on with the next packet.
        first_hop(&mut wire, to);
        assert_eq!(wire.losses().overflow, lost);
    }
}

//---- What belongs to the process -------------------------------------------------------------------------------------

#[test]
fn ctrl_c_is_heard_while_waiting_and_before() {
    let Some(world) = World::build("ctrl_c_is_heard_while_waiting_and_before") else { return };
    let mut child = world.scene("signals").stdout(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = |wanted: &str| lines.by_ref().map(Result::unwrap).any(|line| line.contains(wanted));
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        assert!(until("waiting"), "the scene ended early");
        std::thread::sleep(Duration::from_millis(30));
        kill(pid, signal).unwrap();
    }
    assert!(until("scene signals done"), "the scene did not end well");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_wire_works_without_any_capability_once_it_is_open() {
    let Some(world) = World::build("a_wire_works_without_any_capability_once_it_is_open") else { return };
    played(&world.scene("drop").output().unwrap(), "drop");
}

#[test]
fn without_privilege_there_is_one_sentence_and_the_line_in_it_helps() {
    let test = "without_privilege_there_is_one_sentence_and_the_line_in_it_helps";
    let Some(world) = World::build(test) else { return };
    let (directory, binary) = copy_for_anybody();
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
    played(&world.scene_of(&binary, "refused", &nobody).output().unwrap(), "refused");
    // What the hint says, done. A mark needs nothing more on kernels from 5.17 on.
    let set = Command::new("setcap").arg("cap_net_raw+ep").arg(&binary).output();
    if set.is_ok_and(|output| output.status.success()) {
        played(&world.scene_of(&binary, "allowed", &nobody).output().unwrap(), "allowed");
    } else {
        let _: Option<()> =
            skip(test, "the second half needs setcap and a file system that keeps capabilities");
    }
    drop(directory);
}

fn copy_for_anybody() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let binary = directory.path().join("it");
    std::fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
    (directory, binary)
}

fn played(output: &Output, scene: &str) {
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains(&format!("scene {scene} done")),
        "{told}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Played by the tests above, each in a process of its own inside the prober's namespace.
#[test]
#[ignore = "a part of other tests, which run it in their namespaces"]
fn scene() {
    let name =
        std::env::var("LASTHOP_NET_SCENE").expect("only other tests run this, with LASTHOP_NET_SCENE set");
    match name.as_str() {
        "stamp" => scene_stamp(),
        "signals" => scene_signals(),
        "drop" => scene_drop(),
        "refused" => scene_refused(),
        "allowed" => scene_allowed(),
        other => panic!("no scene {other}"),
    }
    println!("scene {name} done");
}

fn scene_stamp() {
    for _ in 0..5 {
        let mut wire = LiveWire::open(&request(Family::V4)).unwrap();
        let to = target(Family::V4);
        let probe = syn(wire.source(), to, 1, wire.source_ports(Protocol::Tcp)[0], 25, 1);
        let sent = wire.send(&transmit(to, probe)).unwrap();
        std::thread::sleep(Duration::from_millis(40));
        let Heard::Packet(arrival) = wire.wait(Moment::START).unwrap() else { panic!("nothing there") };
        let rtt = arrival.at.since(sent);
        assert!(rtt < Duration::from_millis(20), "{rtt:?} after a sleep of 40 ms");
        drop(wire);
        // The kernel stops stamping a while after the last who asked for it.
        std::thread::sleep(Duration::from_millis(40));
    }
}

fn scene_signals() {
    let mut wire = LiveWire::open(&request(Family::V4)).unwrap();
    for _ in 0..2 {
        println!("waiting");
        std::io::stdout().flush().unwrap();
        let until = wire.now() + Duration::from_secs(20);
        assert_eq!(wire.wait(until).unwrap(), Heard::Interrupted);
        assert!(wire.now() < until);
        // Once for each.
        assert_eq!(wire.wait(Moment::START).unwrap(), Heard::Quiet);
    }
    // One that came before the wait, with packets there and a moment long past.
    first_hop(&mut wire, target(Family::V4));
    let probe = syn(wire.source(), target(Family::V4), 1, wire.source_ports(Protocol::Tcp)[0], 25, 1);
    wire.send(&transmit(target(Family::V4), probe)).unwrap();
    // To this very thread, so that it has been received when the call returns.
    raise(Signal::SIGINT).unwrap();
    assert_eq!(wire.wait(Moment::START).unwrap(), Heard::Interrupted);
    assert!(hear(&mut wire, Duration::from_secs(1)).is_some(), "the packet is still there");
}

fn scene_drop() {
    let mut wires: Vec<LiveWire> = [Family::V4, Family::V6]
        .into_iter()
        .map(|family| LiveWire::open(&request(family)).unwrap())
        .collect();
    assert!(privilege::holds_net_raw());
    drop_here();
    assert!(!privilege::holds_net_raw());
    assert_no_rights(&std::fs::read_to_string("/proc/thread-self/status").unwrap());
    // Nor does a program that is executed get them back, although this is still user 0.
    let child = Command::new("cat").arg("/proc/self/status").output().unwrap();
    assert_no_rights(&String::from_utf8(child.stdout).unwrap());
    let error = LiveWire::open(&request(Family::V4)).unwrap_err();
    assert!(matches!(error, OpenError::Privilege { admin: false, .. }), "{error:?}");
    for wire in &mut wires {
        let to = target(Family::of(wire.source()));
        first_hop(wire, to);
        assert_eq!(wire.losses(), lasthop::trace::Losses::default());
    }
}

/// The test harness has a thread of its own that keeps what it has, and that is told. A process of one thread is the
/// documentation's example.
fn drop_here() {
    let error = privilege::drop_all().unwrap_err();
    let harness = i32::try_from(std::process::id()).unwrap();
    assert!(matches!(error, privilege::DropError::OtherThread { thread } if thread == harness), "{error:?}");
}

fn assert_no_rights(status: &str) {
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert!(status.contains(&format!("{set}:\t0000000000000000\n")), "{set} in {status}");
    }
    assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
}

fn scene_refused() {
    assert!(!privilege::holds_net_raw());
    for asked in [request(Family::V4), request(Family::V6), Request { mark: Some(7), ..request(Family::V4) }]
    {
        let error = LiveWire::open(&asked).unwrap_err();
        assert_eq!(
            error.to_string(),
            "opening a raw socket needs the capability CAP_NET_RAW, which this process does not have"
        );
        assert_eq!(error.hint().unwrap(), "sudo setcap cap_net_raw+ep $(command -v lasthop)");
    }
    // What is wrong with the request itself is said first, to anybody.
    let error =
        LiveWire::open(&Request { interface: Some("eth9".into()), ..request(Family::V4) }).unwrap_err();
    assert!(matches!(error, OpenError::NoInterface { .. }), "{error:?}");
    privilege::drop_all().unwrap();
}

fn scene_allowed() {
    assert!(privilege::holds_net_raw());
    // With a mark and an interface.
    let asked =
        Request { mark: Some(7), interface: Some("up0".into()), receive_buffer: 4096, ..request(Family::V4) };
    let mut wire = LiveWire::open(&asked).unwrap();
    drop_here();
    first_hop(&mut wire, target(Family::V4));
    // Drops are counted although this process, having got capabilities from its file, may not be inspected.
    let to = target(Family::V4);
    let sent = 300;
    for number in 0..sent {
        wire.send(&transmit(to, echo(wire.source(), to, 1, number))).unwrap();
    }
    let lost = wire.losses().overflow;
    let mut heard = 0;
    while hear(&mut wire, Duration::from_millis(20)).is_some() {
        heard += 1;
    }
    assert!(lost > 0, "nothing lost of {sent}, {heard} heard");
    assert_eq!(heard + lost, u64::from(sent));
}
