//! Sources of IP-to-AS data as a whole: real files and large ones, beside independent readers, and any bytes at all.
//!
//! What needs a tool or a fixture that is not there says so; for tools that is a failure with `LASTHOP_REQUIRE_NET=1`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use ipnetwork::IpNetwork;
use lasthop::asdb::build::Builder;
use lasthop::asdb::sources::{Format, Options, Packing, Read, read_any};
use lasthop::asdb::{Kind, Table};
use lasthop::number::{AsnClass, special};
use proptest::prelude::*;

use crate::net::skip;
use crate::rib::{self, Plan};
use crate::targets;

/// Real files, kept beside the project and not in it.
fn fixture(test: &str, name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures").join(name);
    let shared = std::env::var_os("LASTHOP_FIXTURES").map(|folder| Path::new(&folder).join(name));
    let found = shared.into_iter().chain([path]).find(|path| path.exists());
    if found.is_none() {
        // Not a tool that could be installed: a checkout alone has none.
        eprintln!("{test}: skipped, no fixture {name}");
    }
    found
}

fn read(bytes: &[u8], name: &Path, options: &Options) -> (Read, Table) {
    let mut builder = Builder::plain("test");
    let read = read_any(bytes, name, &mut builder, options, &mut |_| {})
        .unwrap_or_else(|error| panic!("{}: {error}", name.display()));
    (read.clone(), Table::of_builder(builder, read.format))
}

/// Prefixes as `bgpdump -m` prints them: the peers of each origin, an origin being one AS or the members of a set.
type Seen = BTreeMap<IpNetwork, BTreeMap<(Vec<u32>, bool), BTreeSet<String>>>;

fn bgpdump(test: &str, file: &Path) -> Option<Seen> {
    let output = match Command::new("bgpdump").arg("-m").arg(file).output() {
        Ok(output) => output,
        Err(error) => return skip(test, &format!("needs bgpdump ({error})")),
    };
    assert!(output.status.success(), "bgpdump: {}", String::from_utf8_lossy(&output.stderr));
    let mut seen = Seen::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let prefix: IpNetwork = fields[5].parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        let path = fields[if fields[0] == "TABLE_DUMP2_AP" { 7 } else { 6 }];
        let origins = seen.entry(prefix).or_default();
        let Some(last) = path.split(' ').rfind(|part| !part.is_empty() && !part.starts_with('(')) else {
            continue;
        };
        let members = last.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let mut asns: Vec<u32> = members
            .unwrap_or(last)
            .split(',')
            .map(|asn| asn.parse().unwrap())
            .filter(|asn| *asn != 0)
            .collect();
        asns.sort_unstable();
        asns.dedup();
        if !asns.is_empty() {
            origins
                .entry((asns, members.is_some()))
                .or_default()
                .insert(format!("{} {}", fields[3], fields[4]));
        }
    }
    Some(seen)
}

/// Compares a dump with what `bgpdump` prints of it: the same prefixes, the same origins of each, the most seen first. Gives how many
/// addresses were looked up, and the summary.
fn same_as_bgpdump(test: &str, file: &Path) -> Option<(usize, Read)> {
    let mut seen = bgpdump(test, file)?;
    let mut options = Options::default();
    options.min_peers = Some(1);
    options.bogons = true;
    options.narrow_prefixes = true;
    let (read, table) = read(&fs::read(file).unwrap(), file, &options);
    assert_eq!((read.format, read.warnings.len()), (Format::Mrt, 0), "{:?}", read.warnings);
    seen.retain(|prefix, origins| {
        prefix.prefix() >= if prefix.is_ipv4() { 8 } else { 12 } && !origins.is_empty()
    });
    assert_eq!(read.kept, seen.len() as u64, "prefixes");
    // Those of which narrower ones cover every address answer nothing, and are not in it.
    let answering = table.info().prefixes;
    assert!(answering <= read.kept && answering >= read.kept * 9 / 10, "{answering} of {}", read.kept);
    let known: HashSet<IpNetwork> = seen.keys().copied().collect();
    let longest = |address: IpAddr| {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (0..=bits).rev().find_map(|bits| {
            let network = IpNetwork::new(address, bits).unwrap();
            let network = IpNetwork::new(network.network(), bits).unwrap();
            known.get(&network).copied()
        })
    };
    let mut compared = 0;
    for prefix in seen.keys() {
        for address in [prefix.network(), prefix.broadcast()] {
            let got = table.lookup(address);
            // Registries and exchanges answer before any table.
            if special::lookup(address).is_some() || got.kind == Kind::Ixp {
                continue;
            }
            let expected = longest(address).unwrap();
            assert_eq!(got.prefix, Some(expected), "{address}");
            let origins = &seen[&expected];
            let wanted: BTreeSet<u32> = origins.keys().flat_map(|(asns, _)| asns.iter().copied()).collect();
            let answered: BTreeSet<u32> = got.asns.iter().map(|asn| asn.0).collect();
            assert_eq!(answered, wanted, "{expected}");
            assert_eq!(got.as_set, origins.keys().any(|(_, set)| *set), "{expected}");
            let most = origins.values().map(BTreeSet::len).max().unwrap();
            let first = got.asns[0].0;
            let peers = origins
                .iter()
                .filter(|((asns, _), _)| asns.contains(&first))
                .map(|(_, peers)| peers.len())
                .max();
            assert_eq!(peers, Some(most), "{expected}: {first} is not the most seen");
            compared += 1;
        }
    }
    Some((compared, read))
}

#[test]
fn dumps_of_routing_daemons_read_as_bgpdump_reads_them() {
    let test = "dumps_of_routing_daemons_read_as_bgpdump_reads_them";
    for name in ["mrt/bird-mrtdump_rib", "mrt/openbgpd_rib_table-v2"] {
        let Some(file) = fixture(test, name) else { return };
        let Some((_, read)) = same_as_bgpdump(test, &file) else { return };
        assert!(read.kept > 0 && read.routes > 15, "{name}: {read:?}");
    }
}

#[test]
fn a_dump_of_route_views_reads_as_bgpdump_reads_it() {
    let test = "a_dump_of_route_views_reads_as_bgpdump_reads_it";
    let Some(file) = fixture(test, "mrt/rib.20140523.0600_firstMB.bz2") else { return };
    // It is the first megabyte of a file, so it must be refused; and what can be unpacked of it ends in a record.
    let mut builder = Builder::plain("test");
    let packed = fs::read(&file).unwrap();
    let error =
        read_any(packed.as_slice(), &file, &mut builder, &Options::default(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("unpack (bzip2)"), "{error}");
    let mut bytes = Vec::new();
    let mut unpacked = bzip2::read::MultiBzDecoder::new(packed.as_slice());
    let mut piece = vec![0; 4096];
    while let Ok(got @ 1..) = unpacked.read(&mut piece) {
        bytes.extend(&piece[..got]);
    }
    let mut end = 0;
    while let Some(header) = bytes.get(end..end + 12) {
        let next = end + 12 + u32::from_be_bytes(header[8..].try_into().unwrap()) as usize;
        if next > bytes.len() {
            break;
        }
        end = next;
    }
    assert!(end > 1_000_000, "only {end} bytes");
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("rib.20140523");
    fs::write(&whole, &bytes[..end]).unwrap();
    let Some((compared, read)) = same_as_bgpdump(test, &whole) else { return };
    assert!(compared > 10_000 && read.routes > 200_000, "{compared} addresses, {read:?}");
    assert_eq!(read.date.map(|date| date.to_string()).as_deref(), Some("2014-05-23"));

    // As it is read by default: links among public ASes only, nothing seen by one peer alone.
    let mut builder = Builder::plain("test");
    let read = read_any(&bytes[..end], &whole, &mut builder, &Options::default(), &mut |_| {}).unwrap();
    assert!(read.peers.unwrap().full[0] > 20, "{:?}", read.peers);
    assert!(read.links > 3000 && read.links == builder.links().len() as u64, "{}", read.links);
    for (low, high) in builder.links().keys() {
        assert!(low < high && [low, high].iter().all(|asn| asn.class() == AsnClass::Public), "{low} {high}");
    }
    let table = Table::of_builder(builder, Format::Mrt);
    assert_eq!(table.lookup([1, 0, 0, 1].into()).asn().map(|asn| asn.0), Some(15169));
}

#[test]
fn made_dumps_of_every_kind_read_as_bgpdump_reads_them() {
    let test = "made_dumps_of_every_kind_read_as_bgpdump_reads_them";
    let folder = tempfile::tempdir().unwrap();
    for (name, add_path, old) in [("plain", false, false), ("add-path", true, false), ("old", false, true)] {
        let plan = Plan { four: 12_000, six: 3_000, peers: 6, add_path, old, seed: 7 };
        let mut bytes = Vec::new();
        let routes = rib::write(&plan, &mut bytes).unwrap();
        let file = folder.path().join(name);
        fs::write(&file, &bytes).unwrap();
        let Some((compared, read)) = same_as_bgpdump(test, &file) else { return };
        assert!(compared > 28_000, "{name}: {compared} addresses");
        assert_eq!((read.routes, read.kept), (routes, 15_000), "{name}");
        assert_eq!(read.peers.unwrap().full, [5, 5], "{name}");
    }
}

#[test]
fn prefix_to_as_files_are_read_line_by_line() {
    let test = "prefix_to_as_files_are_read_line_by_line";
    for name in ["pfx2as/routeviews_pfx2as_v4_sample.gz", "pfx2as/routeviews_pfx2as_v6_sample.gz"] {
        let Some(file) = fixture(test, name) else { return };
        let packed = fs::read(&file).unwrap();
        let (read, table) = read(&packed, &file, &Options::default());
        assert_eq!((read.format, read.packing), (Format::Pfx2As, Packing::Gzip), "{name}");
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
        let mut rows: BTreeMap<IpNetwork, Vec<u32>> = BTreeMap::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let prefix = format!("{}/{}", fields[0], fields[1]).parse().unwrap();
            rows.insert(prefix, fields[2].split(['_', ',']).map(|asn| asn.parse().unwrap()).collect());
        }
        assert_eq!(read.kept, text.lines().count() as u64, "{name}");
        for (prefix, asns) in &rows {
            let got = table.lookup(prefix.network());
            if got.kind != Kind::As {
                // Registries and exchanges answer before any table.
                continue;
            }
            if got.prefix == Some(*prefix) {
                let answered: Vec<u32> = got.asns.iter().map(|asn| asn.0).collect();
                assert_eq!(&answered, asns, "{prefix}");
            } else {
                assert!(
                    got.prefix.is_some_and(|other| other.prefix() > prefix.prefix()),
                    "{prefix}: {got:?}"
                );
            }
        }
    }
}

#[test]
fn an_mmdb_as_a_source_says_what_its_publisher_put_in() {
    let test = "an_mmdb_as_a_source_says_what_its_publisher_put_in";
    let Some(file) = fixture(test, "mmdb/GeoLite2-ASN-Test.mmdb") else { return };
    let (read_of_it, table) = read(&fs::read(&file).unwrap(), &file, &Options::default());
    assert_eq!(read_of_it.format, Format::Mmdb);
    let rows: Vec<BTreeMap<String, serde_json::Value>> =
        serde_json::from_slice(&fs::read(file.with_extension("json")).unwrap()).unwrap();
    let mut compared = 0;
    for (network, record) in rows.iter().flatten() {
        let network: IpNetwork = network.parse().unwrap();
        let Some(asn) = record["autonomous_system_number"].as_u64() else { continue };
        let got = table.lookup(network.network());
        if got.kind == Kind::As {
            assert_eq!(got.asn().map(|asn| u64::from(asn.0)), Some(asn), "{network}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
    let Some(file) = fixture(test, "mmdb/ipinfo_lite_sample.mmdb") else { return };
    let (read_of_it, _) = read(&fs::read(&file).unwrap(), &file, &Options::default());
    assert!(read_of_it.kept > 0 && read_of_it.names > 0, "{read_of_it:?}");
}

#[test]
fn a_length_that_is_a_lie_takes_no_memory() {
    // A record of four gigabytes that has three bytes, plain and packed, in a process that may have a quarter of one.
    let mut bytes = vec![0x6a, 0, 0, 0, 0, 13, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0];
    bytes.extend([0x6a, 0, 0, 0, 0, 13, 0, 2, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rib");
    fs::write(&file, &bytes).unwrap();
    let script = format!(
        "ulimit -v 262144 && exec '{}' db lookup --db '{}' 8.8.8.8",
        env!("CARGO_BIN_EXE_lasthop"),
        file.display()
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{error}");
    assert!(error.contains("ends at byte 35"), "{error}");
}

/// Beginnings that lead into each reader.
fn seeds() -> Vec<Vec<u8>> {
    let mut dump = Vec::new();
    rib::write(&Plan { four: 6, six: 3, peers: 3, ..Plan::default() }, &mut dump).unwrap();
    let mut seeds = vec![dump, Builder::plain("x").write().unwrap()];
    let texts = [
        "13335\t1.1.1.0/24\t30\n{1,2}\t2.2.2.0/24\t40\n",
        "1.0.0.0\t24\t13335_1\n",
        "1.0.0.0\t1.0.0.255\t13335\tUS\tX\n",
        "16777216,16777471,13335,\"X, Y\"\n",
        "network,asn,as_name\n1.1.1.0/24,AS13335,\"X\"\n",
        "{\"CIDR\":\"1.1.1.0/24\",\"ASN\":1,\"Hits\":20}\n",
        "# format:aut|changed|aut_name|org_id\n1|x|Y|Z\n",
        "2|ripencc|1|1|1|20240101|+0000\nripencc|NL|ipv4|193.0.0.0|1536|19930901|allocated|x\n",
        "1|2|-1\n",
        "{\"data\":[{\"ix_id\":1,\"ixlan_id\":1,\"name\":\"x\",\"asn\":1,\"ipaddr4\":\"1.1.1.1\"}]}",
    ];
    seeds.extend(texts.map(|text| text.as_bytes().to_vec()));
    seeds
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_reader_minds_any_bytes(
        seed in 0_usize..13,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        end in any::<prop::sample::Index>(),
        tail in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut bytes = seeds().get(seed).cloned().unwrap_or_default();
        if !bytes.is_empty() {
            for (at, value) in changes {
                let place = at.index(bytes.len());
                bytes[place] = value;
            }
            bytes.truncate(end.index(bytes.len() + 1));
        }
        bytes.extend(tail);
        targets::source(&bytes);
        targets::table(&bytes);
        targets::dump(&bytes);
        targets::adjacency(&bytes);
        targets::exchanges(&bytes);
        targets::import(&bytes);
        targets::document(&bytes);
        targets::capture(&bytes);
        targets::bundle(&bytes);
    }
}
