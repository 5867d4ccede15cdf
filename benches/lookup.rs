//! How fast is a lookup, beside what others use? In one run, on one thread, on the same data.
//!
//! `cargo bench --bench lookup` takes the shipped table of the whole Internet, writes the same ranges as an MMDB for the
//! `maxminddb` crate and as prefixes for three longest-prefix crates, and asks all of them for the same addresses. A lookup
//! is what gives the origin AS: for `maxminddb` that is the tree and the number in the record ("tree" is the walk alone, which
//! tells nobody's AS). Every contender's answers are added up and must give the same sum, and our index must answer every
//! address exactly as the packed table does.
//!
//! It also starts the program: how long until `lasthop db lookup` has answered, and with how much memory.
//!
//! * `--check`: an exit status of 1 where a floor of the project is missed
//! * `--quick`: fewer addresses, for continuous integration

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use ip_network_table_deps_treebitmap::IpLookupTable;
use ipnet::{Ipv4Net, Ipv6Net};
use lasthop::asdb::{Index, Table};
use lasthop::number::Asn;
use maxminddb::Reader;
use poptrie::Poptrie;
use prefix_trie::PrefixMap;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

#[path = "support/mmdb.rs"]
mod mmdb;
#[path = "support/prefixes.rs"]
mod prefixes;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lasthop");
/// Rounds, of which the best counts: other work on the machine can only slow a round down.
const ROUNDS: usize = 7;

/// What `maxminddb` is asked for: no more than the AS.
#[derive(Deserialize)]
struct Number {
    autonomous_system_number: u32,
}

/// The same with the name, as our full answer has grounds.
#[derive(Deserialize)]
struct Record<'a> {
    autonomous_system_number: u32,
    autonomous_system_organization: Option<&'a str>,
}

/// Adds up the answers for all of these addresses.
type Ask<'a, A> = Box<dyn Fn(&[A]) -> u64 + 'a>;

/// Somebody who answers: the number of the first origin AS, or 0.
struct Contender<'a, A> {
    name: &'static str,
    /// Whether the answers are AS numbers, to be held against the others'.
    answers: bool,
    ask: Ask<'a, A>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let has = |word: &str| words.iter().any(|given| given == word);
    let count = if has("--quick") { 200_000 } else { 1_000_000 };

    // First, while this process is small: what a child is said to have used is never less than its parent had.
    let (start, memory, bare) = start(if has("--quick") { 20 } else { 60 });

    let table = Table::embedded();
    let began = Instant::now();
    let index = table.index();
    let built = began.elapsed();
    let packed = Table::from_reader(Table::embedded_bytes(), "asn.lht").expect("the shipped table opens");
    let ranges: Vec<Range> = index.ranges().map(|(first, last, asns)| (first, last, asns[0].0)).collect();

    let mut writer = mmdb::Writer::new();
    for (first, last, asn) in &ranges {
        let name = table.name(Asn(*asn)).unwrap_or_default();
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => writer.four((*first).into(), (*last).into(), *asn, name),
            (IpAddr::V6(first), IpAddr::V6(last)) => writer.six((*first).into(), (*last).into(), *asn, name),
            _ => unreachable!("a range is of one family"),
        }
    }
    let database = writer.finish(1_780_000_000);
    let database_bytes = database.len();
    let reader = Reader::from_source(database).expect("the MMDB opens");

    println!(
        "shipped table: {} ranges; index {:.1} MB, made in {:.0} ms; MMDB {:.1} MB",
        ranges.len(),
        index.bytes() as f64 / 1e6,
        built.as_secs_f64() * 1e3,
        database_bytes as f64 / 1e6
    );

    let mut dice = ChaCha8Rng::seed_from_u64(1);
    let fours: Vec<&Range> = ranges.iter().filter(|range| range.0.is_ipv4()).collect();
    let sixes: Vec<&Range> = ranges.iter().filter(|range| range.0.is_ipv6()).collect();
    let random_four: Vec<Ipv4Addr> = (0..count).map(|_| dice.random::<u32>().into()).collect();
    let known_four: Vec<Ipv4Addr> = (0..count).map(|_| within_four(&mut dice, &fours)).collect();
    let known_six: Vec<Ipv6Addr> = (0..count).map(|_| within_six(&mut dice, &sixes)).collect();

    let mut checked = 0;
    for address in (random_four.iter().chain(&known_four).map(|address| IpAddr::V4(*address)))
        .chain(known_six.iter().map(|address| IpAddr::V6(*address)))
    {
        let (fast, slow) = (index.lookup(address), packed.lookup(address));
        assert_eq!(fast, slow, "{address}");
        assert_eq!(index.asns(address), slow.asns.as_slice(), "{address}");
        assert_eq!(index.origin(address), slow.asns.as_slice().first().copied(), "{address}");
        checked += 1;
    }
    println!("{checked} addresses: the index answers as the packed table does\n");

    let plain_four = four(&fours);
    let plain_six = six(&sixes);
    let (ours, random, fastest) = {
        let contenders = contenders_four(index, &reader, &plain_four);
        let random = race("IPv4, random addresses", &random_four, &contenders);
        race("IPv4, addresses drawn from announced space", &known_four, &contenders);
        random
    };
    let (_, announced, _) = race(
        "IPv6, addresses drawn from announced space",
        &known_six,
        &contenders_six(index, &reader, &plain_six),
    );

    println!(
        "start: `lasthop db lookup 8.8.8.8`, the whole process (`lasthop --version` takes {:.1} ms)",
        ms(bare)
    );
    println!("  {:.1} ms, {:.1} MB\n", ms(start), memory as f64 / 1e6);

    let mut missed = false;
    let mut judge = |what: &str, reached: f64, floor: bool, aim: bool, unit: &str| {
        missed |= !floor;
        let word = if aim {
            "aim reached"
        } else if floor {
            "floor reached"
        } else {
            "FLOOR MISSED"
        };
        println!("{what:<58} {reached:>7.1} {unit:<3} {word}");
    };
    judge("IPv4 random, times maxminddb (floor 10, aim 15)", random, random >= 10.0, random >= 15.0, "x");
    judge("IPv4 random, times the fastest prefix crate (aim 1)", ours / fastest, true, ours >= fastest, "x");
    judge(
        "IPv6 announced, times maxminddb (floor 5, aim 10)",
        announced,
        announced >= 5.0,
        announced >= 10.0,
        "x",
    );
    judge("start (floor 20, aim 5)", ms(start), ms(start) <= 20.0, ms(start) <= 5.0, "ms");
    let megabytes = memory as f64 / 1e6;
    judge("start, memory (floor 20, aim 12)", megabytes, megabytes <= 20.0, megabytes <= 12.0, "MB");
    ExitCode::from(u8::from(missed && has("--check")))
}

/// The time this thread has had a processor: what other programs have of the machine is none of a contender's.
fn busy() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    nix::time::clock_gettime(clock).expect("the kernel counts").into()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Best time and the most memory of the program's whole life, and the best time of one that looks nothing up.
fn start(times: usize) -> (Duration, u64, Duration) {
    let run = |words: &[&str]| {
        let began = Instant::now();
        let mut program = Command::new(PROGRAM);
        // It warns of the table's age, which is not the question here.
        let quiet = program.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = quiet.status();
        assert!(status.is_ok_and(|status| status.success()), "{PROGRAM} {words:?}");
        began.elapsed()
    };
    let best = |words: &[&str]| (0..times).map(|_| run(words)).min().unwrap_or_default();
    let start = best(&["db", "lookup", "8.8.8.8"]);
    let usage =
        nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).expect("getrusage");
    (start, usage.max_rss() as u64 * 1024, best(&["--version"]))
}

/// An inclusive range and its number.
type Range = (IpAddr, IpAddr, u32);

/// The fewest prefixes that make up the ranges, each with its range's number.
fn four(ranges: &[&Range]) -> Vec<(u32, u8, u32)> {
    let mut out = Vec::new();
    for (first, last, value) in ranges {
        let (IpAddr::V4(first), IpAddr::V4(last)) = (first, last) else { continue };
        prefixes::split(u32::from(*first).into(), u32::from(*last).into(), 32, |network, bits| {
            out.push((network as u32, bits, *value));
        });
    }
    out
}

/// Likewise.
fn six(ranges: &[&Range]) -> Vec<(u128, u8, u32)> {
    let mut out = Vec::new();
    for (first, last, value) in ranges {
        let (IpAddr::V6(first), IpAddr::V6(last)) = (first, last) else { continue };
        prefixes::split((*first).into(), (*last).into(), 128, |network, bits| {
            out.push((network, bits, *value))
        });
    }
    out
}

fn within_four(dice: &mut ChaCha8Rng, ranges: &[&Range]) -> Ipv4Addr {
    let (IpAddr::V4(first), IpAddr::V4(last), _) = ranges[dice.random_range(0..ranges.len())] else {
        unreachable!("IPv4")
    };
    dice.random_range(u32::from(*first)..=u32::from(*last)).into()
}

fn within_six(dice: &mut ChaCha8Rng, ranges: &[&Range]) -> Ipv6Addr {
    let (IpAddr::V6(first), IpAddr::V6(last), _) = ranges[dice.random_range(0..ranges.len())] else {
        unreachable!("IPv6")
    };
    dice.random_range(u128::from(*first)..=u128::from(*last)).into()
}

fn maxminddb_number(reader: &Reader<Vec<u8>>, address: IpAddr) -> u32 {
    let found = reader.lookup(address).expect("the tree is whole");
    found.decode::<Number>().expect("the record is whole").map_or(0, |record| record.autonomous_system_number)
}

fn maxminddb_record(reader: &Reader<Vec<u8>>, address: IpAddr) -> u32 {
    let found = reader.lookup(address).expect("the tree is whole");
    found.decode::<Record<'_>>().expect("the record is whole").map_or(0, |record| {
        black_box(record.autonomous_system_organization);
        record.autonomous_system_number
    })
}

fn of_index(index: &Index, address: IpAddr) -> u32 {
    index.origin(address).map_or(0, |asn| asn.0)
}

fn summed<'a, A: Copy + 'a>(ask: impl Fn(A) -> u32 + 'a) -> Ask<'a, A> {
    Box::new(move |addresses| addresses.iter().map(|address| u64::from(ask(black_box(*address)))).sum())
}

fn contenders_four<'a>(
    index: &'a Index,
    reader: &'a Reader<Vec<u8>>,
    prefixes: &[(u32, u8, u32)],
) -> Vec<Contender<'a, Ipv4Addr>> {
    let mut treebitmap = IpLookupTable::new();
    let mut trie = PrefixMap::new();
    for (network, bits, asn) in prefixes {
        treebitmap.insert(Ipv4Addr::from(*network), (*bits).into(), *asn);
        trie.insert(Ipv4Net::new((*network).into(), *bits).expect("a prefix"), *asn);
    }
    let poptrie: Poptrie<(u32, u8), u32> =
        prefixes.iter().map(|(network, bits, asn)| ((*network, *bits), *asn)).collect();
    let contender = |name, ask| Contender { name, answers: true, ask };
    vec![
        contender("lasthop, AS", summed(|address: Ipv4Addr| of_index(index, address.into()))),
        contender(
            "lasthop, whole answer",
            summed(|address: Ipv4Addr| index.lookup(address.into()).asns.first().map_or(0, |asn| asn.0)),
        ),
        contender("maxminddb, AS", summed(|address: Ipv4Addr| maxminddb_number(reader, address.into()))),
        contender(
            "maxminddb, AS and name",
            summed(|address: Ipv4Addr| maxminddb_record(reader, address.into())),
        ),
        Contender {
            name: "maxminddb, tree",
            answers: false,
            ask: summed(|address: Ipv4Addr| {
                reader.lookup(address.into()).map_or(0, |found| found.has_data().into())
            }),
        },
        contender(
            "treebitmap",
            summed(move |address| treebitmap.longest_match(address).map_or(0, |found| *found.2)),
        ),
        contender(
            "poptrie",
            summed(move |address: Ipv4Addr| poptrie.lookup(u32::from(address)).copied().unwrap_or(0)),
        ),
        contender(
            "prefix-trie",
            summed(move |address: Ipv4Addr| {
                trie.get_lpm(&Ipv4Net::from(address)).map_or(0, |found| *found.1)
            }),
        ),
    ]
}

fn contenders_six<'a>(
    index: &'a Index,
    reader: &'a Reader<Vec<u8>>,
    prefixes: &[(u128, u8, u32)],
) -> Vec<Contender<'a, Ipv6Addr>> {
    let mut treebitmap = IpLookupTable::new();
    let mut trie = PrefixMap::new();
    for (network, bits, asn) in prefixes {
        treebitmap.insert(Ipv6Addr::from(*network), (*bits).into(), *asn);
        trie.insert(Ipv6Net::new((*network).into(), *bits).expect("a prefix"), *asn);
    }
    let poptrie: Poptrie<(u128, u8), u32> =
        prefixes.iter().map(|(network, bits, asn)| ((*network, *bits), *asn)).collect();
    let contender = |name, ask| Contender { name, answers: true, ask };
    vec![
        contender("lasthop, AS", summed(|address: Ipv6Addr| of_index(index, address.into()))),
        contender(
            "lasthop, whole answer",
            summed(|address: Ipv6Addr| index.lookup(address.into()).asns.first().map_or(0, |asn| asn.0)),
        ),
        contender("maxminddb, AS", summed(|address: Ipv6Addr| maxminddb_number(reader, address.into()))),
        contender(
            "maxminddb, AS and name",
            summed(|address: Ipv6Addr| maxminddb_record(reader, address.into())),
        ),
        Contender {
            name: "maxminddb, tree",
            answers: false,
            ask: summed(|address: Ipv6Addr| {
                reader.lookup(address.into()).map_or(0, |found| found.has_data().into())
            }),
        },
        contender(
            "treebitmap",
            summed(move |address| treebitmap.longest_match(address).map_or(0, |found| *found.2)),
        ),
        contender(
            "poptrie",
            summed(move |address: Ipv6Addr| poptrie.lookup(u128::from(address)).copied().unwrap_or(0)),
        ),
        contender(
            "prefix-trie",
            summed(move |address: Ipv6Addr| {
                trie.get_lpm(&Ipv6Net::from(address)).map_or(0, |found| *found.1)
            }),
        ),
    ]
}

/// Runs all of them in turn, several times. Gives our rate, how many times `maxminddb`'s it is, and the rate of the fastest
/// prefix crate, in lookups a second.
fn race<A>(title: &str, addresses: &[A], contenders: &[Contender<'_, A>]) -> (f64, f64, f64) {
    let mut best = vec![Duration::MAX; contenders.len()];
    let mut sums = vec![0; contenders.len()];
    for _ in 0..ROUNDS {
        for (place, contender) in contenders.iter().enumerate() {
            let began = busy();
            sums[place] = black_box((contender.ask)(addresses));
            best[place] = best[place].min(busy().saturating_sub(began));
        }
    }
    for (contender, sum) in contenders.iter().zip(&sums).filter(|(contender, _)| contender.answers) {
        assert_eq!(*sum, sums[0], "{title}: {} answers otherwise", contender.name);
    }
    let rate: Vec<f64> = best.iter().map(|time| addresses.len() as f64 / time.as_secs_f64()).collect();
    let of =
        |name: &str| contenders.iter().position(|one| one.name == name).map_or(f64::NAN, |place| rate[place]);
    let base = of("maxminddb, AS");
    println!("{title}: {} addresses, one thread, processor time, best of {ROUNDS} rounds", addresses.len());
    for (contender, rate) in contenders.iter().zip(&rate) {
        println!("  {:<24} {:>8.1} M/s  {:>6.2} x maxminddb", contender.name, rate / 1e6, rate / base);
    }
    println!();
    let fastest = ["treebitmap", "poptrie", "prefix-trie"].map(of).into_iter().fold(0.0, f64::max);
    (rate[0], rate[0] / base, fastest)
}
