//! Tables as a whole: what is put in comes out, whichever way it went, and hostile files do no harm.

use std::net::IpAddr;
use std::path::Path;

use jiff::civil::date;
use proptest::prelude::*;

use super::build::Builder;
use super::file::{self, SourceFile, SourceInfo};
use super::*;
use crate::number::Asn;

const MEMBERS: &[u8] = include_bytes!("../../tests/data/asdb/netixlan.json");
const LANS: &[u8] = include_bytes!("../../tests/data/asdb/ixpfx.json");
const LINKS: &[u8] = include_bytes!("../../tests/data/asdb/as-rel2.txt");

/// One row: both ends, origins in order, whether they are an AS_SET.
type Row = (IpAddr, IpAddr, Vec<Asn>, bool);

/// Sources in the order given, the overrides among them marked.
type Sources = Vec<(bool, Vec<Row>)>;

fn builder(sources: &Sources) -> Builder {
    let mut builder = Builder::default();
    for (number, (overrides, rows)) in sources.iter().enumerate() {
        let info = SourceInfo { overrides: *overrides, ..SourceInfo::named(&format!("source {number}")) };
        builder.begin(info);
        for (first, last, origins, as_set) in rows {
            builder.range(*first, *last, origins, *as_set).unwrap();
        }
    }
    builder
}

fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => u32::from(four).into(),
        IpAddr::V6(six) => six.into(),
    }
}

/// The range that answers, its origins, whether they are a set, and the name of its source.
type Told = Option<(IpAddr, IpAddr, Vec<Asn>, bool, String)>;

/// What a table must answer, by asking every row of every source.
fn scan(sources: &Sources, address: IpAddr) -> Told {
    let mut order: Vec<(usize, &(bool, Vec<Row>))> = sources.iter().enumerate().collect();
    order.sort_by_key(|(_, (overrides, _))| !overrides);
    for (number, (_, rows)) in order {
        let covering = rows.iter().filter(|(first, last, origins, _)| {
            first.is_ipv4() == address.is_ipv4()
                && *first <= address
                && address <= *last
                && origins.iter().any(|asn| asn.0 != 0)
        });
        let span = |row: &&Row| wide(row.1) - wide(row.0);
        let Some(best) = covering.min_by_key(|row| (span(row), std::cmp::Reverse(row.0))) else { continue };
        let mut origins: Vec<Asn> = Vec::new();
        let mut set = false;
        for (first, last, more, as_set) in rows {
            let more: Vec<Asn> = more.iter().copied().filter(|asn| asn.0 != 0).collect();
            if (*first, *last) != (best.0, best.1) || more.is_empty() {
                continue;
            }
            set |= as_set;
            origins.extend(more);
        }
        let mut seen = Vec::new();
        origins.retain(|asn| {
            !seen.contains(asn) && {
                seen.push(*asn);
                true
            }
        });
        return Some((best.0, best.1, origins, set, format!("source {number}")));
    }
    None
}

fn told(table: &Table, origin: &Origin) -> Told {
    let (first, last) = origin.range?;
    let name = match origin.source {
        Source::Table(_) => table.source_name(origin.source).into_owned(),
        other => panic!("{other:?}"),
    };
    Some((first, last, origin.asns.to_vec(), origin.as_set, name))
}

/// Small offsets from a base that is neither special nor an exchange's, so that ranges touch, nest and coincide.
fn address(six: bool, offset: u32) -> IpAddr {
    match six {
        false => IpAddr::V4((0x0900_0000 + offset).into()),
        true => IpAddr::V6(((0x2a10 << 112) + (u128::from(offset) << 3)).into()),
    }
}

fn row() -> impl Strategy<Value = Row> {
    let origins = prop::collection::vec((0u32..6).prop_map(Asn), 1..4);
    let shape = (any::<bool>(), 0u32..48, 0u32..48, 0u8..=128, 0u8..8);
    (shape, origins, any::<bool>()).prop_map(|((six, a, b, bits, kind), mut origins, as_set)| {
        let most = if six { 128 } else { 32 };
        let prefix = |at: IpAddr, bits: u8| {
            let network = ipnetwork::IpNetwork::new(at, bits).unwrap();
            (network.network(), network.broadcast())
        };
        let (first, last) = match kind {
            0 => prefix(address(six, a), 0),
            1 => (address(six, a), address(six, a)),
            2 => prefix(address(six, a), bits % (most + 1)),
            3 => prefix(address(six, a), most - bits % 8),
            _ => (address(six, a.min(b)), address(six, a.max(b))),
        };
        // Duplicates inside one row are a reader's business.
        let mut seen = Vec::new();
        origins.retain(|asn| {
            !seen.contains(asn) && {
                seen.push(*asn);
                true
            }
        });
        let as_set = as_set && origins.len() > 1;
        (first, last, origins, as_set)
    })
}

fn sources() -> impl Strategy<Value = Sources> {
    prop::collection::vec((prop::bool::weighted(0.2), prop::collection::vec(row(), 0..10)), 1..5)
}

/// Ranges that mostly begin and end where a block of /24 does, and now and then inside: the first, the length, both in quarters
/// of such a block, and the origins.
fn blocks() -> impl Strategy<Value = Vec<(u32, u32, Vec<Asn>)>> {
    let asn = prop_oneof![6 => 1u32..4, 1 => Just(u32::MAX)].prop_map(Asn);
    let origins = prop_oneof![
        4 => asn.prop_map(|one| vec![one]),
        1 => Just(vec![Asn(5), Asn(6)]),
    ];
    let place = (0u32..1024, 0u32..8).prop_map(|(at, fine)| if fine == 0 { at } else { at >> fine << fine });
    prop::collection::vec((place, 1u32..9, 1u32..4, origins), 1..24).prop_map(|rows| {
        let row = |(first, power, times, origins): (u32, u32, u32, Vec<Asn>)| {
            (first, (times << power).min(1100 - first), origins)
        };
        rows.into_iter().map(row).collect()
    })
}

fn probes() -> impl Iterator<Item = IpAddr> {
    let near = [false, true].into_iter().flat_map(|six| (0..56).map(move |offset| address(six, offset)));
    let far = ["8.255.255.255", "9.255.255.255", "44.1.1.1", "2a0f:ffff::", "2a10::1", "2a11::", "2c00::1"];
    near.chain(far.into_iter().map(|text| text.parse().unwrap()))
}

/// A change of mind about the trailer: the digest that a writer of these bytes would have put there.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let body = bytes.len() - 32;
    let digest = file::digest(&bytes[..body]);
    bytes[body..].copy_from_slice(&digest.0);
    bytes
}

fn read(bytes: &[u8]) -> Result<Table, Error> {
    Table::from_reader(bytes, "t.lht")
}

proptest! {
    #[test]
    fn lookups_answer_like_a_linear_scan_in_memory_written_indexed_and_rebuilt(sources in sources()) {
        let bytes = builder(&sources).write().unwrap();
        let mut again = Intake::new(Settings::default());
        again.add_reader(bytes.as_slice(), Path::new("t.lht"), &mut |_| {}).unwrap();
        prop_assert_eq!(&again.done().write().unwrap(), &bytes, "a table of a table is that table");
        let (memory, file) = (Table::of_builder(builder(&sources), Format::RangeCsv), read(&bytes).unwrap());
        let indexed = read(&bytes).unwrap();
        let index = indexed.index();
        for address in probes() {
            let wanted = scan(&sources, address);
            let whole = index.lookup(address);
            prop_assert_eq!(index.asns(address), whole.asns.as_slice(), "{}", address);
            prop_assert_eq!(index.origin(address), whole.asns.as_slice().first().copied(), "{}", address);
            for (way, table) in [("memory", &memory), ("file", &file), ("index", &indexed)] {
                prop_assert_eq!(&told(table, &table.lookup(address)), &wanted, "{} {}", way, address);
            }
        }
    }

    #[test]
    fn the_quick_way_to_an_origin_says_what_the_long_way_says(rows in blocks(), six: bool) {
        let at = |quarter: u32| match six {
            // From the middle of a /18 over whole ones into the middle of another.
            false => IpAddr::V4((0x0900_2000 + (quarter << 6)).into()),
            true => IpAddr::V6(((0x2a10 << 112) + (u128::from(quarter) << 78)).into()),
        };
        let before = |address: IpAddr| match address {
            IpAddr::V4(four) => IpAddr::V4((u32::from(four) - 1).into()),
            IpAddr::V6(six) => IpAddr::V6((u128::from(six) - 1).into()),
        };
        let mut builder = Builder::plain("blocks");
        for (first, length, origins) in &rows {
            builder.range(at(*first), before(at(first + length)), origins, false).unwrap();
        }
        let table = Table::of_builder(builder, Format::RangeCsv);
        let index = table.index();
        for quarter in 0..1200 {
            for address in [at(quarter), before(at(quarter))] {
                let mut whole = None;
                for (first, length, origins) in &rows {
                    let inside = at(*first) <= address && address < at(first + length);
                    let narrower = whole.is_none_or(|(narrowest, _)| length < narrowest);
                    if inside && narrower {
                        whole = Some((length, origins));
                    }
                }
                // Two ranges alike are one of both origins, which the scan above does not join.
                let alike = |one: &(u32, u32, Vec<Asn>)| {
                    rows.iter().filter(|other| (one.0, one.1) == (other.0, other.1)).count() > 1
                };
                let long = index.lookup(address);
                prop_assert_eq!(index.asns(address), long.asns.as_slice(), "{}", address);
                prop_assert_eq!(index.origin(address), long.asns.first(), "{}", address);
                if !rows.iter().any(alike) {
                    // Of two as wide that overlap, the one that begins later answers.
                    let ties = rows.iter().filter(|(first, length, _)| {
                        whole.is_some_and(|(narrowest, _)| length == narrowest)
                            && at(*first) <= address && address < at(first + length)
                    });
                    let last = ties.max_by_key(|(first, ..)| *first);
                    let wanted = last.map_or(&[][..], |(.., origins)| origins);
                    prop_assert_eq!(index.asns(address), wanted, "{}", address);
                }
            }
        }
    }

    #[test]
    fn the_pieces_of_a_prefix_cover_it_and_answer_as_its_addresses_do(sources in sources(), six: bool, offset in 0u32..48, bits in 0u8..7) {
        let bytes = builder(&sources).write().unwrap();
        let at = address(six, offset);
        let prefix = ipnetwork::IpNetwork::new(at, if six { 125 } else { 32 } - bits).unwrap();
        let prefix = ipnetwork::IpNetwork::new(prefix.network(), prefix.prefix()).unwrap();
        for table in [read(&bytes).unwrap(), Table::of_builder(builder(&sources), Format::RangeCsv)] {
            let pieces = table.pieces(prefix, &[]);
            prop_assert_eq!(pieces[0].first, prefix.network());
            prop_assert_eq!(pieces.last().unwrap().last, prefix.broadcast());
            for pair in pieces.windows(2) {
                prop_assert_eq!(wide(pair[0].last) + 1, wide(pair[1].first));
                prop_assert_ne!((&pair[0].origin.asns, pair[0].origin.range), (&pair[1].origin.asns, pair[1].origin.range));
            }
            for at in probes().filter(|at| prefix.contains(*at)) {
                let piece = pieces.iter().find(|piece| piece.first <= at && at <= piece.last).unwrap();
                let origin = table.lookup(at);
                prop_assert_eq!((&piece.origin.asns, piece.origin.range, piece.origin.source), (&origin.asns, origin.range, origin.source));
            }
        }
    }
}

/// A small table with everything in it.
fn everything() -> Vec<u8> {
    let mut intake = Intake::new(Settings { date: Some(date(2026, 1, 2)), ..Settings::default() });
    let mut add = |text: &[u8], name: &str| intake.add_reader(text, Path::new(name), &mut |_| {}).unwrap();
    add(b"prefix,asn,name\n100.64.0.0/10,65001,Our carrier\n", "own.csv");
    add(
        b"9.0.0.0\t8\t1_2,3\n9.1.0.0\t16\t4\n9.1.0.0\t24\t5\n9.9.0.0\t16\t1\n2a10::\t32\t7\n",
        "routeviews-rv2-20260601-1200.pfx2as",
    );
    add(b"9.0.0.0,9.0.0.255,US\n2a10::,2a10::ffff,RU\n", "countries.csv");
    add(b"1 ONE-AS - One Ltd, GB\n4 FOUR\n64500 FROM THE LIST, ZZ\n", "asn.txt");
    add(LINKS, "20260801.as-rel2.txt");
    add(b"4|1|-1\n", "own-rel.txt");
    add(MEMBERS, "netixlan.json");
    add(LANS, "ixpfx.json");
    add(b"11.0.0.0,11.0.0.255,9,\"Nine\"\n", "ranges.csv");
    let mut builder = intake.done();
    builder.link(Asn(1), Asn(4), 12);
    builder.set_title("everything");
    builder.write().unwrap()
}

#[test]
fn a_table_keeps_all_that_it_was_given() {
    let table = read(&everything()).unwrap();
    let ask = |text: &str| table.lookup(text.parse().unwrap());
    assert_eq!(ask("100.64.9.9").asns.as_slice(), [Asn(65001)]);
    assert!(ask("100.64.9.9").is_leak());
    let several = ask("9.200.0.1");
    assert_eq!((several.asns.as_slice(), several.as_set), (&[Asn(1), Asn(2), Asn(3)][..], true));
    assert_eq!(table.name(Asn(65001)), Some("Our carrier"));
    assert_eq!(table.name(Asn(1)), Some("ONE-AS - One Ltd"));
    assert_eq!(table.name(Asn(64500)), Some("FROM THE LIST"), "the first that says something");
    assert_eq!(table.registered_country("9.0.0.1".parse().unwrap()), Some(*b"US"));
    let links = table.adjacency().unwrap();
    assert_eq!(
        (links.paths(Asn(1), Asn(4)), links.relation(Asn(4), Asn(1))),
        (Some(12), Some(Relation::Provider)),
        "paths of one source, a relation of another"
    );
    assert_eq!(
        (links.paths(Asn(64496), Asn(64500)), links.relation(Asn(64496), Asn(64500))),
        (Some(0), Some(Relation::Provider))
    );
    assert_eq!(links.adjacent(Asn(1), Asn(64500)), Some(false));
    assert_eq!(links.adjacent(Asn(1), Asn(5)), None, "an origin without a link is not in the data");
    assert!(links.info().origin.contains("20260801.as-rel2.txt"), "{}", links.info().origin);
    let peering = table.peering("198.51.100.7".parse().unwrap()).unwrap();
    assert_eq!((peering.members, peering.exchange), (vec![Asn(64500)], Some("EXAMPLE-IX")));
    assert_eq!(peering.file.origin, "PeeringDB (netixlan.json)");
    assert_eq!(table.peering("9.9.9.9".parse().unwrap()), None);
    let info = table.info();
    assert_eq!(info.origin, "everything");
    assert_eq!(info.built_at, Some(date(2026, 1, 2)), "that of the oldest source of ranges");
    let days: Vec<_> = info.sources.iter().map(|source| source.date.map(|day| day.to_string())).collect();
    let wanted = [None, Some("2026-06-01"), Some("2026-01-02"), Some("2026-01-02"), Some("2026-08-01")];
    assert_eq!(days[..5], wanted.map(|day| day.map(str::to_owned)));
    assert_eq!(
        info.sources[1].files,
        [SourceFile {
            name: "routeviews-rv2-20260601-1200.pfx2as".to_owned(),
            sha256: info.sources[1].files[0].sha256.clone(),
        }]
    );
    let details = table.details();
    assert_eq!((details.prefixes, details.links), ([6, 1], 5));
    assert_eq!((details.lans, details.members, details.countries), (3, 3, 2));
}

#[test]
fn a_file_cut_anywhere_is_refused_with_its_place() {
    let bytes = everything();
    for cut in 1..bytes.len() {
        let error = read(&bytes[..cut]).unwrap_err();
        assert!(error.to_string().contains("t.lht") && !error.hint().is_empty(), "{cut}: {error}");
        if cut > 24 {
            assert!(matches!(error, Error::Truncated { .. }), "{cut}: {error}");
        }
    }
    assert!(matches!(read(&[]).unwrap_err(), Error::Empty { .. }));
}

#[test]
fn a_flipped_bit_is_found_and_one_that_was_sealed_over_does_no_harm() {
    let bytes = everything();
    let mut read_all_the_same = 0;
    for at in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[at] ^= 1 << (at % 8);
        assert!(read(&bent).is_err(), "{at}");
        // Somebody who means harm writes a right digest, too.
        let Ok(table) = read(&sealed(bent)) else { continue };
        read_all_the_same += 1;
        for address in ["9.1.0.1", "100.64.0.1", "198.51.100.7", "2a10::1", "11.0.0.1"] {
            let address = address.parse().unwrap();
            assert_ne!(table.lookup(address).source, Source::Unreadable, "{at}");
            let _ = (table.peering(address), table.registered_country(address));
        }
        let _ = table.details();
        let _ = table.name(Asn(4));
        let _ = table.adjacency().map(|links| links.adjacent(Asn(1), Asn(4)));
        let _ = table.pieces("9.0.0.0/8".parse().unwrap(), &[]);
        let mut intake = Intake::default();
        let _ = intake.add_reader(sealed(bytes.clone()).as_slice(), Path::new("t"), &mut |_| {});
    }
    assert!(read_all_the_same > 20, "texts and numbers may be others: {read_all_the_same}");
}

/// Where the directory's entry of a section stands.
fn entry(bytes: &[u8], kind: &[u8; 4]) -> usize {
    (0..).map(|place| 24 + place * 24).find(|at| &bytes[*at..at + 4] == kind).unwrap()
}

#[test]
fn a_section_that_is_not_known_is_skipped_unless_it_must_be_known() {
    let mut bytes = everything();
    let at = entry(&bytes, b"LINK");
    bytes[at..at + 4].copy_from_slice(b"LATE");
    let table = read(&sealed(bytes.clone())).unwrap();
    assert!(table.adjacency().is_none() && table.exchanges().is_some());
    assert_eq!(table.lookup("9.1.0.1".parse().unwrap()).asn(), Some(Asn(5)));
    bytes[at + 4] = 1;
    let error = read(&sealed(bytes)).unwrap_err().to_string();
    assert!(error.contains("the kind of a section"), "{error}");
}

#[test]
fn more_ranges_than_the_description_says_are_not_unpacked() {
    let bytes = everything();
    let text = b"\"prefixes\":[6,1]";
    let at = bytes.windows(text.len()).position(|part| part == text).unwrap();
    let mut bent = bytes.clone();
    bent[at + 12] = b'2';
    let error = read(&sealed(bent)).unwrap_err().to_string();
    assert!(error.contains("the number of ranges"), "{error}");
    // The first block of IPv4 says it has more than a block holds.
    let directory = entry(&bytes, b"RNG4");
    let start = u64::from_le_bytes(bytes[directory + 8..directory + 16].try_into().unwrap()) as usize;
    let mut bent = bytes;
    bent[start + 4 + 4..start + 4 + 6].copy_from_slice(&u16::MAX.to_le_bytes());
    let error = read(&sealed(bent)).unwrap_err().to_string();
    assert!(error.contains("the ranges of a block") && error.contains("65535"), "{error}");
}

#[test]
fn overrides_come_first_wherever_they_are_given() {
    let mut intake = Intake::new(Settings { together: true, ..Settings::default() });
    let mut add = |text: &[u8]| intake.add_reader(text, Path::new("x"), &mut |_| {}).unwrap();
    add(b"9.0.0.0,9.255.255.255,1,\"Public\"\n");
    add(b"prefix,asn,name\n9.1.0.0/16,1,Ours\n10.0.0.0/8,2,Inside\n");
    add(b"9.1.2.0,9.1.2.255,3,\"Public again\"\n");
    let table = read(&intake.done().write().unwrap()).unwrap();
    let ask = |text: &str| table.lookup(text.parse().unwrap());
    assert_eq!(ask("9.1.2.3").asn(), Some(Asn(1)), "a narrower range of another source is not asked");
    assert_eq!(ask("10.1.1.1").asn(), Some(Asn(2)), "not even the registries are");
    assert_eq!(table.name(Asn(1)), Some("Ours"));
    let sources: Vec<(bool, usize)> =
        table.info().sources.iter().map(|source| (source.overrides, source.files.len())).collect();
    assert_eq!(sources, [(true, 1), (false, 2)], "the others stay one source");
}

#[test]
fn overrides_speak_before_the_tables_own_exchanges() {
    let mut intake = Intake::default();
    let mut add = |text: &[u8]| intake.add_reader(text, Path::new("x"), &mut |_| {}).unwrap();
    add(MEMBERS);
    add(b"prefix,asn,name\n198.51.100.7,77,Ours\n");
    let table = read(&intake.done().write().unwrap()).unwrap();
    assert_eq!(table.peering("198.51.100.7".parse().unwrap()), None);
    assert_eq!(table.lookup("198.51.100.7".parse().unwrap()).asn(), Some(Asn(77)));
    assert_eq!(table.peering("198.51.100.8".parse().unwrap()).unwrap().members, [Asn(64501)]);
}

#[test]
fn links_with_numbers_that_own_no_place_are_no_links() {
    let mut builder = Builder::default();
    for (a, b) in [
        (1, 1),
        (0, 1),
        (23_456, 1),
        (1, 64_512),
        (4_200_000_000, 1),
        (65_535, 1),
        (1, u32::MAX),
        (1, 64_496),
    ] {
        builder.link(Asn(a), Asn(b), 9);
    }
    assert!(builder.holds_nothing());
    builder.link(Asn(2), Asn(1), u32::MAX);
    builder.link(Asn(1), Asn(2), 5);
    builder.begin(SourceInfo::named("relations"));
    builder.relations(&[adjacency::Link::new(Asn(2), Asn(1), adjacency::LinkKind::LowProvides, 0)]);
    let table = Table::of_builder(builder, Format::RangeCsv);
    let links = table.adjacency().unwrap();
    assert_eq!(links.paths(Asn(1), Asn(2)), Some(u32::MAX), "counts stop at what they can hold");
    assert_eq!(links.relation(Asn(2), Asn(1)), Some(Relation::Provider));
    assert_eq!(links.info().links, 1);
}

#[test]
fn what_a_file_is_its_content_tells() {
    let cases: [(&[u8], &str, (u64, u64)); 11] = [
        (b"{\"CIDR\":\"9.0.0.0/24\",\"ASN\":1,\"Hits\":900}\n", &Format::JsonLines.to_string(), (1, 1)),
        (
            b"{\"network\":\"9.0.0.0/24\",\"asn\":\"AS1\",\"as_name\":\"One\"}\n",
            &Format::JsonLines.to_string(),
            (1, 1),
        ),
        (LINKS, "AS relationships, serial-2", (5, 4)),
        (MEMBERS, "PeeringDB", (2, 2)),
        (b"# RIPE\n1 ONE, GB\n2\n2 , GB\n", &Format::AsNames.to_string(), (3, 1)),
        (
            b"asn,name,class,cc\nAS1,One,Carrier,GB\nAS2,\"Two, Ltd\",,\n",
            &Format::NamedColumns.to_string(),
            (2, 2),
        ),
        (b"9.0.0.0,9.0.0.255,US\n", &Format::CountryCsv.to_string(), (1, 1)),
        (b"150994944,150995199,US\n", &Format::CountryCsv.to_string(), (1, 1)),
        (
            b"9.0.0.0,9.0.0.255,0,\"\"\n9.1.0.0,9.1.0.255,1,\"One\"\n",
            "CSV of ranges (ip-location-db)",
            (2, 1),
        ),
        (b"9.0.0.0\t9.0.0.255\t1\tUS\tOne\n", "TSV of ranges (iptoasn)", (1, 1)),
        (b"9.0.0.0/8,1\n", "overrides", (1, 1)),
    ];
    for (text, format, (rows, kept)) in cases {
        let mut seen = 0;
        let mut intake = Intake::default();
        let read = intake.add_reader(text, Path::new("x"), &mut |bytes| seen = bytes).unwrap();
        assert_eq!((read.format.as_str(), read.read, read.kept), (format, rows, kept));
        assert_eq!(seen, text.len() as u64);
        assert_eq!(read.dropped.iter().map(|(_, count)| count).sum::<u64>(), rows - kept, "{read:?}");
        assert_eq!(read.sha256, file::digest(text).to_string());
    }
    for text in [&b"{\"a\": 1}"[..], b"", b"nonsense\n", b"1 ONE\nnonsense\n", b"asn,name\nx,y\n", b"1|2|7\n"]
    {
        let error = Intake::default().add_reader(text, Path::new("x"), &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains('x') && !error.hint().is_empty(), "{error}");
    }
}

#[test]
fn a_packed_file_goes_by_the_name_and_digest_of_what_is_inside() {
    let text = b"9.0.0.0,9.0.0.255,1,\"One\"\n";
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, text).unwrap();
    let packed = packer.finish().unwrap();
    let build = |bytes: &[u8], name: &str| {
        let mut intake = Intake::default();
        intake.add_reader(bytes, Path::new(name), &mut |_| {}).unwrap();
        intake.done().write().unwrap()
    };
    assert_eq!(build(text, "asn.csv"), build(&packed, "asn.csv.gz"));
}

#[test]
fn a_table_is_old_after_a_month_and_an_mmdb_after_half_a_month_more() {
    let mut info = Table::of_builder(builder(&vec![(false, vec![])]), Format::RangeCsv).info();
    assert_eq!((info.age(date(2026, 7, 1)), info.too_old(date(2026, 7, 1))), (None, None));
    info.built_at = Some(date(2026, 6, 1));
    assert_eq!(info.age(date(2026, 5, 31)), None, "it is yet to come");
    assert_eq!((info.age(date(2026, 7, 1)), info.too_old(date(2026, 7, 1))), (Some(30), None));
    assert_eq!(info.too_old(date(2026, 7, 2)), Some(31));
    assert_eq!(info.too_old(date(2027, 6, 1)), Some(365));
    info.format = Format::Mmdb;
    assert_eq!((info.too_old(date(2026, 7, 16)), info.too_old(date(2026, 7, 17))), (None, Some(46)));
}

#[test]
fn the_table_inside_the_program_passes_every_check() {
    let table = read(Table::embedded_bytes()).unwrap();
    assert_eq!(table.info().sha256, Table::embedded().info().sha256);
    let readme = include_str!("../../data/README.md");
    assert!(readme.contains(&table.info().sha256.to_string()), "data/README.md has another checksum");
    assert!(Table::embedded_bytes().len() <= 2_500_000);
    assert!(table.info().sources.iter().all(|source| source.date.is_some() && source.licence.is_some()));
}
