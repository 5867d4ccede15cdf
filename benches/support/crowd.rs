//! A simulated Internet with thousands of hosts behind the same routers, and a batch in it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::ControlFlow;
use std::time::Duration;

use lasthop::path::Overlay;
use lasthop::session::batch::{self, Batch, NOBODY, Pair};
use lasthop::sim::{Network, Topology};
use lasthop::sweep::Hosts;
use lasthop::trace::{Protocol, SourcePorts, Stage, WallTime};

/// Hosts of one destination network.
pub const EACH: u32 = 250;

/// Eleven routers in a row, the last one of each destination network its own. What is to the first `blocked` hosts of each
/// is dropped by the fourth.
pub fn world(networks: u32, blocked: u32) -> Topology {
    let mut text = String::from(
        "title = \"A crowd\"\ntruth = \"AS200 drops what is to some hosts\"\nverdicts = [\"lost_inside_as 200\"]\n\
         probe = \"tcp/25\"\ntarget = \"h0\"\n[vantage]\nat = \"r1\"\nv4 = \"192.168.1.10\"\n\
         [[network]]\nname = \"home\"\nv4 = \"192.168.1.0/24\"\nrouters = [\"r1\"]\n\
         [[network]]\nname = \"as100\"\nasn = 100\nv4 = \"20.1.0.0/16\"\nrouters = [\"r2\", \"r3\"]\n\
         [[network]]\nname = \"as200\"\nasn = 200\nv4 = \"20.2.0.0/16\"\nrouters = [\"r4\", \"r5\", \"r6\", \"r7\"]\n\
         [[network]]\nname = \"as300\"\nasn = 300\nv4 = \"20.3.0.0/16\"\nrouters = [\"r8\", \"r9\", \"r10\"]\n\
         [[chain]]\nnodes = [\"r1\", \"r2\", \"r3\", \"r4\", \"r5\", \"r6\", \"r7\", \"r8\", \"r9\", \"r10\"]\nms = 5.0\n",
    );
    for network in 0..networks {
        let prefix = Ipv4Addr::from(0x1e00_0000 | network << 16);
        let asn = 1000 + network;
        write!(
            text,
            "[[network]]\nname = \"as{asn}\"\nasn = {asn}\nv4 = \"{prefix}/16\"\nrouters = [\"e{network}\"]\n\
             [[link]]\nbetween = [\"r10\", \"e{network}\"]\nms = 5.0\nspace = \"as{asn}\"\n"
        )
        .expect("memory");
        for host in 0..EACH {
            let name = network * EACH + host;
            let address = address(name);
            write!(text, "[[host]]\nname = \"h{name}\"\nat = \"e{network}\"\nv4 = \"{address}\"\nopen = [25]\n")
                .expect("memory");
            if host < blocked {
                write!(
                    text,
                    "[[rule]]\nat = \"r4\"\nplace = \"forward\"\nto = \"{address}\"\naction = \"drop\"\n"
                )
                .expect("memory");
            }
        }
    }
    text.parse().expect("a topology")
}

/// The address of a host.
pub fn address(number: u32) -> IpAddr {
    let (network, host) = (number / EACH, number % EACH);
    Ipv4Addr::from(0x1e00_0000 | network << 16 | (host / 16 + 1) << 8 | (host % 16 + 1)).into()
}

/// What came of a batch.
pub struct Outcome {
    /// Kind, ASes, and where, by target.
    pub verdicts: BTreeMap<IpAddr, String>,
    /// Packets that left.
    pub sent: u64,
    /// Those of full measurements by stage and TTL.
    pub spent: BTreeMap<(String, bool, u8), u32>,
    /// Pairs measured in full.
    pub in_full: u32,
    /// Seconds of simulated time.
    pub seconds: f64,
}

/// Measures all hosts of the world, each against the last host of its network.
pub fn measure(topology: &Topology, networks: u32, parallel: u16, whole_paths: bool) -> Outcome {
    let mut network = Network::new(topology, false, 1).expect("a network");
    let origins =
        Overlay { entries: topology.prefixes(), ixps: Vec::new(), links: topology.neighbours(), under: None };
    let hosts = Hosts::new(false, (0..networks * EACH).map(|number| (address(number), 25)));
    let mut pairs: Vec<Pair> = (0..networks * EACH)
        .map(|number| {
            let reference = number / EACH * EACH + EACH - 1;
            let find = |number| hosts.find(address(number), 25).expect("it was put in");
            let reference = if reference == number { NOBODY } else { find(reference) };
            Pair { target: find(number), reference }
        })
        .collect();
    pairs.sort();
    let targets: Vec<IpAddr> = pairs.iter().map(|pair| hosts.address(pair.target)).collect();
    let plan = Batch {
        pairs,
        names: HashMap::new(),
        protocol: Protocol::Tcp,
        source: network.vantage_address(),
        numbers: (40_000..40_016).collect(),
        crews: (0..parallel)
            .map(|crew| (41_000 + crew * 16..41_016 + crew * 16).map(SourcePorts::all).collect())
            .collect(),
        rate: 1000.0,
        wait: Duration::from_secs(2),
        max_ttl: 30,
        confidence: 0.99,
        whole_paths,
        seed: 7,
    };
    let mut found = Outcome { verdicts: BTreeMap::new(), sent: 0, spent: BTreeMap::new(), in_full: 0, seconds: 0.0 };
    let mut sink = |one: &batch::Found<'_>| {
        let verdict = one.verdict;
        let said = format!(
            "{} {:?} {:?} {:?} {:?}",
            verdict.kind.word(),
            verdict.asns,
            verdict.after,
            verdict.before,
            verdict.reason
        );
        found.verdicts.insert(targets[one.pair], said);
        if one.in_full {
            found.in_full += 1;
            for probe in one.run.probes.iter().filter(|probe| probe.was_sent()) {
                let ttl = if probe.stage == Stage::Reach { 255 } else { probe.ttl };
                let key = (format!("{:?}", probe.stage), probe.destination.0 == 0, ttl);
                *found.spent.entry(key).or_default() += 1;
            }
        }
        ControlFlow::Continue(())
    };
    let mut last = 0.0;
    let ending = batch::batch(&plan, hosts, WallTime(0), &mut network, &origins, &mut sink, &mut |_| {
        ControlFlow::Continue(())
    })
    .expect("a plan");
    use lasthop::probe::Wire as _;
    last += network.now().since(lasthop::trace::Moment::START).as_secs_f64();
    assert!(!ending.stopped && ending.fault.is_none());
    found.sent = ending.progress.sent;
    found.seconds = last;
    found
}
