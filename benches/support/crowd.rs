//! A simulated Internet with thousands of hosts behind the same routers: a batch of them all, and each of them diagnosed
//! alone.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::{ControlFlow, Range};
use std::time::Duration;

use lasthop::path::Overlay;
use lasthop::probe::pace::Pace;
use lasthop::probe::{Budget, Plan, Wire as _, variants};
use lasthop::session::batch::{self, Batch, NOBODY, Pair};
use lasthop::session::diagnose;
use lasthop::sim::{Network, Topology};
use lasthop::sweep::Hosts;
use lasthop::trace::{Destination, Moment, Protocol, ReferenceKind, Role, SourcePorts, WallTime};
use lasthop::verdict::Verdict;

/// Hosts of one destination network, sixteen in each /24; the last one is the others' reference.
pub const EACH: u32 = 250;

/// Eleven routers in a row, the last one of each destination network its own. What is to the first `blocked` /24 of each
/// network is dropped by the fourth router.
pub fn world(networks: Range<u32>, blocked: u32) -> Topology {
    let mut text = String::from(
        "title = \"A crowd\"\ntruth = \"AS200 drops what is to some hosts\"\nverdicts = [\"lost_inside_as 200\"]\n\
         probe = \"tcp/25\"\n[vantage]\nat = \"r1\"\nv4 = \"192.168.1.10\"\n\
         [[network]]\nname = \"home\"\nv4 = \"192.168.1.0/24\"\nrouters = [\"r1\"]\n\
         [[network]]\nname = \"as100\"\nasn = 100\nv4 = \"20.1.0.0/16\"\nrouters = [\"r2\", \"r3\"]\n\
         [[network]]\nname = \"as200\"\nasn = 200\nv4 = \"20.2.0.0/16\"\nrouters = [\"r4\", \"r5\", \"r6\", \"r7\"]\n\
         [[network]]\nname = \"as300\"\nasn = 300\nv4 = \"20.3.0.0/16\"\nrouters = [\"r8\", \"r9\", \"r10\"]\n\
         [[chain]]\nnodes = [\"r1\", \"r2\", \"r3\", \"r4\", \"r5\", \"r6\", \"r7\", \"r8\", \"r9\", \"r10\"]\nms = 5.0\n",
    );
    let target = networks.start * EACH;
    for network in networks {
        let prefix = Ipv4Addr::from(0x1e00_0000 | network << 16);
        let asn = 1000 + network;
        write!(
            text,
            "[[network]]\nname = \"as{asn}\"\nasn = {asn}\nv4 = \"{prefix}/16\"\nrouters = [\"e{network}\"]\n\
             [[link]]\nbetween = [\"r10\", \"e{network}\"]\nms = 5.0\nspace = \"as{asn}\"\n"
        )
        .expect("memory");
        for name in network * EACH..(network + 1) * EACH {
            let address = address(name);
            write!(
                text,
                "[[host]]\nname = \"h{name}\"\nat = \"e{network}\"\nv4 = \"{address}\"\nopen = [25]\n"
            )
            .expect("memory");
        }
        for third in 1..=blocked {
            let to = Ipv4Addr::from(0x1e00_0000 | network << 16 | third << 8);
            write!(text, "[[rule]]\nat = \"r4\"\nplace = \"forward\"\nto = \"{to}/24\"\naction = \"drop\"\n")
                .expect("memory");
        }
    }
    format!("target = \"h{target}\"\n{text}").parse().expect("a topology")
}

/// The address of a host.
pub fn address(number: u32) -> IpAddr {
    let (network, host) = (number / EACH, number % EACH);
    Ipv4Addr::from(0x1e00_0000 | network << 16 | (host / 16 + 1) << 8 | (host % 16 + 1)).into()
}

/// Whom a host is compared with; the references themselves with nobody.
fn reference(number: u32) -> Option<u32> {
    let last = number / EACH * EACH + EACH - 1;
    (last != number).then_some(last)
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    /// Conclusion, ASes, and between which routers, by target.
    pub verdicts: BTreeMap<IpAddr, String>,
    /// Packets to targets that something is said of but that they answer, where those can be told apart.
    pub lost: u64,
    /// Packets to all.
    pub sent: u64,
    /// Seconds of simulated time.
    pub seconds: f64,
}

impl Outcome {
    fn take(&mut self, target: IpAddr, verdict: &Verdict, probes: usize) {
        let said = format!("{} {:?} {:?}", verdict.kind.word(), verdict.asns, verdict.after);
        if verdict.kind != lasthop::verdict::Kind::Reachable {
            self.lost += probes as u64;
        }
        self.verdicts.insert(target, said);
    }
}

fn origins(topology: &Topology) -> Overlay<'static> {
    Overlay { entries: topology.prefixes(), ixps: Vec::new(), links: topology.neighbours(), under: None }
}

/// A batch of all hosts of these networks.
pub fn together(networks: Range<u32>, blocked: u32, whole_paths: bool) -> Outcome {
    let topology = world(networks.clone(), blocked);
    let all = networks.start * EACH..networks.end * EACH;
    let mut network = Network::new(&topology, false, 1).expect("a network");
    let hosts = Hosts::new(false, all.clone().map(|number| (address(number), 25)));
    let find = |number| hosts.find(address(number), 25).expect("it was put in");
    let mut pairs: Vec<Pair> = all
        .map(|number| Pair { target: find(number), reference: reference(number).map_or(NOBODY, find) })
        .collect();
    pairs.sort();
    let targets: Vec<IpAddr> = pairs.iter().map(|pair| hosts.address(pair.target)).collect();
    let crew = |crew: u16| (41_000 + crew * 16..41_016 + crew * 16).map(SourcePorts::all).collect();
    let plan = Batch {
        pairs,
        names: HashMap::new(),
        protocol: Protocol::Tcp,
        source: network.vantage_address(),
        numbers: (40_000..40_016).collect(),
        crews: (0..8).map(crew).collect(),
        rate: 1000.0,
        wait: Duration::from_secs(2),
        max_ttl: 30,
        confidence: 0.99,
        whole_paths,
        flows: 1,
        seed: 7,
    };
    let mut found = Outcome::default();
    let mut sink = |one: &batch::Found<'_>| {
        let asked = one.run.probes.iter().filter(|probe| probe.was_sent()).count();
        found.take(targets[one.pair], one.verdict, asked);
        ControlFlow::Continue(())
    };
    let origins = origins(&topology);
    let ending = batch::batch(&plan, hosts, WallTime(0), &mut network, &origins, &mut sink, &mut |_| {
        ControlFlow::Continue(())
    })
    .expect("a plan");
    assert!(!ending.stopped && ending.fault.is_none());
    found.sent = ending.progress.sent;
    found.seconds = network.now().since(Moment::START).as_secs_f64();
    found
}

/// Each of the hosts of these networks diagnosed by itself, as if there were no other.
pub fn alone(networks: Range<u32>, blocked: u32) -> Outcome {
    let mut found = Outcome::default();
    for at in networks {
        let topology = world(at..at + 1, blocked);
        let origins = origins(&topology);
        for number in at * EACH..(at + 1) * EACH {
            let mut network = Network::new(&topology, false, u64::from(number)).expect("a network");
            let destination = |number: u32, role| Destination {
                role,
                host: format!("h{number}"),
                address: address(number),
                protocol: Protocol::Tcp,
                port: Some(25),
                size: None,
            };
            let mut destinations = vec![destination(number, Role::Target)];
            let given = Role::Reference(ReferenceKind::Given);
            destinations.extend(reference(number).map(|number| destination(number, given)));
            destinations.extend(variants(&destinations[0]));
            let plan = Plan {
                source: network.vantage_address(),
                destinations,
                source_ports: (40_000..40_016).map(SourcePorts::all).collect(),
                first_ttl: 1,
                max_ttl: 30,
                wait: Duration::from_secs(2),
                pace: Pace::default(),
                budget: Budget::default(),
                seed: u64::from(number) + 1,
            };
            let done =
                diagnose(plan, WallTime(0), &mut network, &origins, 0.99, &mut |_| {}).expect("a plan");
            let asked = done.run.probes.iter().filter(|probe| probe.was_sent()).count();
            found.take(address(number), &done.verdict, asked);
            found.sent += asked as u64;
            found.seconds += done.run.ended_at.since(Moment::START).as_secs_f64();
        }
    }
    found
}
