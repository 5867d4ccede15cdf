//! Dumps made by hand, record by record. `tests/it/tables.rs` has real ones and large ones, beside `bgpdump`.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::asdb::Table;
use crate::asdb::sources::{Warning, read_any};

fn record(kind: u16, subtype: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = 1_781_654_400_u32.to_be_bytes().to_vec();
    bytes.extend(kind.to_be_bytes());
    bytes.extend(subtype.to_be_bytes());
    bytes.extend((body.len() as u32).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn peers(count: u16) -> Vec<u8> {
    let mut body = vec![10, 0, 0, 1, 0, 1, b'v'];
    body.extend(count.to_be_bytes());
    for peer in 0..count {
        match peer % 3 {
            // 4-byte AS and IPv4; 2-byte AS and IPv4; 4-byte AS and IPv6.
            0 => body.extend(
                [&[2, 0, 0, 0, 1, 10, 0, 0, peer as u8][..], &(100 + u32::from(peer)).to_be_bytes()].concat(),
            ),
            1 => body
                .extend([&[0, 0, 0, 0, 1, 10, 0, 0, peer as u8][..], &(100 + peer).to_be_bytes()].concat()),
            _ => body.extend(
                [&[3, 0, 0, 0, 1][..], &[peer as u8; 16], &(100 + u32::from(peer)).to_be_bytes()].concat(),
            ),
        }
    }
    record(TABLE_DUMP_V2, 1, &body)
}

fn as_path(asns: &[u32]) -> Vec<u8> {
    let mut path = vec![2, asns.len() as u8];
    path.extend(asns.iter().flat_map(|asn| asn.to_be_bytes()));
    path
}

fn attributes(path: &[u8]) -> Vec<u8> {
    [&[0x40, 1, 1, 0, 0x50, 2][..], &(path.len() as u16).to_be_bytes(), path, &[0x40, 3, 4, 1, 2, 3, 4]]
        .concat()
}

/// Entries of peers with their paths.
fn entries(routes: &[(u16, &[u8])], add_path: bool) -> Vec<u8> {
    let mut body = (routes.len() as u16).to_be_bytes().to_vec();
    for (number, (peer, path)) in routes.iter().enumerate() {
        let attributes = attributes(path);
        body.extend(peer.to_be_bytes());
        body.extend([0; 4]);
        if add_path {
            body.extend((number as u32).to_be_bytes());
        }
        body.extend((attributes.len() as u16).to_be_bytes());
        body.extend(attributes);
    }
    body
}

/// A record of routes to `prefix`, given as its bytes on the wire.
fn rib(subtype: u16, bits: u8, prefix: &[u8], routes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1];
    if subtype == 6 {
        body.extend([0, 2, 1]);
    }
    body.push(bits);
    body.extend(prefix);
    body.extend(entries(routes, subtype >= 8));
    record(TABLE_DUMP_V2, subtype, &body)
}

/// The summary, the table, and the links with their counts.
type Outcome = (Read, Table, Vec<(u32, u32, u32)>);

fn read_with(bytes: &[u8], options: &Options) -> Result<Outcome, Error> {
    let mut builder = Builder::plain("test");
    let read = read_any(bytes, Path::new("rib"), &mut builder, options, &mut |_| {})?;
    let links = builder.links().iter().map(|((low, high), count)| (low.0, high.0, *count)).collect();
    Ok((read, Table::of_builder(builder, Format::Mrt), links))
}

fn read_all(records: &[Vec<u8>]) -> Outcome {
    read_with(&records.concat(), &Options::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn origins(table: &Table, address: &str) -> Vec<u32> {
    table.lookup(address.parse().unwrap()).asns.iter().map(|asn| asn.0).collect()
}

#[test]
fn origins_are_ordered_by_the_peers_that_saw_them() {
    let (one, two) = (as_path(&[100, 3356, 15169]), as_path(&[101, 3356, 13335]));
    let routes: Vec<(u16, &[u8])> =
        (0..6).map(|peer| (peer, if peer < 2 { &one[..] } else { &two })).collect();
    let leak = as_path(&[102, 8359]);
    let (read, table, links) = read_all(&[
        peers(7),
        rib(2, 24, &[1, 1, 1], &routes),
        rib(2, 24, &[1, 1, 2], &[&routes[..2], &[(2, &one)]].concat()),
        rib(2, 24, &[1, 1, 3], &[(3, &leak)]),
        rib(2, 24, &[1, 1, 4], &routes[2..]),
        rib(4, 32, &[0x26, 6, 0x47, 0], &routes[2..]),
    ]);
    assert_eq!(read.peers, Some(Peers { all: 7, full: [6, 4], wanted: [3, 2] }));
    // 15169 was seen by two only.
    assert_eq!(origins(&table, "1.1.1.1"), [13335]);
    assert_eq!(origins(&table, "1.1.2.1"), [15169]);
    assert!(origins(&table, "1.1.3.1").is_empty());
    assert_eq!(origins(&table, "2606:4700::1"), [13335]);
    assert_eq!(read.dropped, [(reason::FEW, 2)].into());
    assert_eq!((read.records, read.routes, read.kept), (6, 6 + 3 + 1 + 4 + 4, 4));
    assert_eq!(links, [(100, 3356, 5), (101, 3356, 12), (102, 8359, 1), (3356, 13335, 12), (3356, 15169, 5)]);
    assert_eq!(read.date.map(|date| date.to_string()).as_deref(), Some("2026-06-17"));

    let some = Options { min_peers: Some(1), ..Options::default() };
    let bytes = [peers(7), rib(2, 24, &[1, 1, 1], &routes)].concat();
    let (_, table, _) = read_with(&bytes, &some).unwrap();
    assert_eq!(origins(&table, "1.1.1.1"), [13335, 15169]);
}

#[test]
fn as_many_peers_are_demanded_as_a_dump_can_offer() {
    let wanted: Vec<u32> = [0, 1, 2, 3, 4, 5, 6, 50].into_iter().map(|full| enough(3, full)).collect();
    assert_eq!(wanted, [1, 1, 1, 2, 2, 3, 3, 3]);
    assert_eq!((enough(1, 50), enough(0, 50), enough(10, 50)), (1, 1, 10));
    // The dump of one router.
    let path = as_path(&[100, 15169]);
    let (read, table, _) = read_all(&[peers(1), rib(2, 24, &[1, 1, 1], &[(0, &path)])]);
    assert_eq!((read.kept, origins(&table, "1.1.1.1")), (1, vec![15169]));
}

#[test]
fn a_peer_counts_once_for_an_origin_however_many_paths_it_gave() {
    let (near, far) = (as_path(&[100, 15169]), as_path(&[100, 3356, 15169]));
    let other = as_path(&[101, 13335]);
    let routes: [(u16, &[u8]); 9] = [
        (0, &near),
        (0, &far),
        (0, &near),
        (1, &other),
        (2, &other),
        (3, &other),
        (4, &other),
        (4, &near),
        (1, &near),
    ];
    for (subtype, bits, prefix, at) in
        [(8, 24, &[1, 1, 1][..], "1.1.1.1"), (10, 32, &[0x26, 6, 0x47, 0], "2606:4700::1")]
    {
        let (read, table, _) = read_all(&[peers(5), rib(subtype, bits, prefix, &routes)]);
        // Four peers saw 13335, three 15169.
        assert_eq!(origins(&table, at), [13335, 15169]);
        assert_eq!(
            read.peers.unwrap().full[read.peers.unwrap().full.iter().position(|full| *full > 0).unwrap()],
            5
        );
    }
    // The same prefix goes on in the next record, as when some peers have add-path and others have not.
    let (_, table, _) = read_all(&[
        peers(6),
        rib(2, 24, &[1, 1, 1], &[(0, &near), (1, &near), (5, &near)]),
        rib(8, 24, &[1, 1, 1], &[(2, &other), (3, &other), (4, &other), (5, &near)]),
        rib(2, 24, &[1, 1, 2], &[(0, &near)]),
    ]);
    assert_eq!(origins(&table, "1.1.1.1"), [13335, 15169]);
}

#[test]
fn sets_stay_and_what_is_no_route_of_the_internet_goes() {
    let plain = as_path(&[100, 15169]);
    let set = [as_path(&[100, 3356]), vec![1, 2, 0, 0, 0x20, 0xa7, 0, 0, 0x23, 0x2a]].concat();
    let private = as_path(&[100, 15169, 64512]);
    let trans = as_path(&[100, 23456]);
    let (read, table, _) = read_all(&[
        peers(1),
        rib(2, 0, &[], &[(0, &plain)]),
        rib(2, 1, &[128], &[(0, &plain)]),
        rib(2, 8, &[10], &[(0, &plain)]),
        rib(2, 25, &[1, 1, 1, 0], &[(0, &plain)]),
        rib(2, 24, &[1, 1, 2], &[(0, &set)]),
        rib(2, 24, &[1, 1, 3], &[(0, &private)]),
        rib(2, 24, &[1, 1, 4], &[(0, &trans)]),
        rib(2, 24, &[1, 1, 5], &[(0, &[])]),
        rib(4, 0, &[], &[(0, &plain)]),
        rib(4, 64, &[0x26, 6, 0x47, 0, 0, 0, 0, 0], &[(0, &plain)]),
        rib(4, 32, &[0x20, 1, 0x0d, 0xb8], &[(0, &plain)]),
        rib(6, 48, &[0x26, 6, 0x47, 0, 0, 1], &[(0, &plain)]),
        rib(3, 24, &[1, 1, 9], &[(0, &plain)]),
    ]);
    let origin = table.lookup("1.1.2.1".parse().unwrap());
    assert_eq!((origins(&table, "1.1.2.1"), origin.as_set), (vec![8359, 9002], true));
    assert_eq!(origins(&table, "2606:4700:1::1"), [15169]);
    let dropped = [
        (reason::DEFAULT, 2),
        (reason::WIDE, 1),
        (reason::SPECIAL, 2),
        (reason::NARROW, 2),
        (reason::RESERVED, 2),
        (reason::NO_PATH, 1),
        ("record of multicast routes", 1),
    ];
    assert_eq!(read.dropped, dropped.into());
    assert_eq!((read.kept, read.warnings), (2, vec![]));
}

#[test]
fn old_dumps_have_one_route_a_record() {
    let old = |prefix: [u8; 4], peer: u8, attributes: &[u8]| {
        let mut body = vec![0, 0, 0, 1];
        body.extend(prefix);
        body.extend([24, 1, 0, 0, 0, 0, 10, 0, 0, peer, 0, 100 + peer]);
        body.extend((attributes.len() as u16).to_be_bytes());
        body.extend(attributes);
        record(TABLE_DUMP, 1, &body)
    };
    let short = [0x40, 2, 6, 2, 2, 0, 100, 0x0d, 0x1c];
    // AS_PATH 100 AS_TRANS, AS4_PATH 196608.
    let new = [0x40, 2, 6, 2, 2, 0, 100, 0x5b, 0xa0, 0xc0, 17, 6, 2, 1, 0, 3, 0, 0];
    let mut records: Vec<Vec<u8>> = (0..5).map(|peer| old([1, 1, 1, 0], peer, &short)).collect();
    records.extend((0..3).map(|peer| old([1, 1, 2, 0], peer, &new)));
    let mut six = vec![0, 0, 0, 2];
    six.extend([0x26, 6, 0x47, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 1, 0, 0, 0, 0]);
    six.extend([7; 16]);
    six.extend([0, 100, 0, 9]);
    six.extend(short);
    records.push(record(TABLE_DUMP, 2, &six));
    let (read, table, links) = read_all(&records);
    assert_eq!(origins(&table, "1.1.1.1"), [3356]);
    assert_eq!(origins(&table, "1.1.2.1"), [196_608]);
    assert_eq!(origins(&table, "2606:4700::1"), [3356]);
    assert_eq!(links, [(100, 3356, 6), (100, 196_608, 3)]);
    assert_eq!(read.peers, Some(Peers { all: 6, full: [5, 1], wanted: [3, 1] }));
    assert_eq!((read.records, read.routes, read.kept), (9, 9, 3));
}

#[test]
fn a_broken_record_ends_there_and_is_told() {
    let path = as_path(&[100, 15169]);
    let good = rib(2, 24, &[1, 1, 1], &[(0, &path)]);
    let broken = |body: &[u8]| record(TABLE_DUMP_V2, 2, body);
    let mut half = rib(2, 24, &[1, 1, 2], &[(0, &path), (0, &path)]);
    half.truncate(half.len() - 3);
    let length = (half.len() - HEADER) as u32;
    half[8..12].copy_from_slice(&length.to_be_bytes());
    let first = rib(2, 24, &[1, 1, 0], &[(0, &path)]);
    let before = (first.len() + peers(1).len() + good.len()) as u64;
    let mut odd = attributes(&path);
    odd[5] = 200;
    let (read, table, _) = read_all(&[
        first,
        peers(1),
        good,
        broken(&[0, 0, 0, 1, 33, 1, 1, 1, 1, 1, 0, 0]),
        half,
        rib(2, 24, &[1, 1, 3], &[(1, &path), (0, &path)]),
        rib(2, 24, &[1, 1, 4], &[(0, &[2, 9, 0, 0])]),
        broken(&[]),
        record(TABLE_DUMP_V2, 99, &[1, 2, 3]),
    ]);
    let warning =
        |what: &str| read.warnings.iter().find(|warning| warning.what == what).map(|w| (w.count, w.offset));
    assert_eq!(warning("record before any peer table"), Some((1, 0)));
    assert_eq!(warning("record whose prefix is longer than an address"), Some((1, before)));
    assert_eq!(warning("record that is cut").map(|told| told.0), Some(2));
    assert_eq!(warning("entry of a peer that is not in the table").map(|told| told.0), Some(1));
    assert_eq!(warning("AS path that is cut").map(|told| told.0), Some(1));
    assert_eq!(read.dropped, [("record of another kind", 1)].into());
    // What came before the damage stands.
    for address in ["1.1.1.1", "1.1.2.1", "1.1.3.1"] {
        assert_eq!(origins(&table, address), [15169], "{address}");
    }
    assert_eq!(read.warnings.len(), 5, "{:?}", Vec::<Warning>::clone(&read.warnings));
}

#[test]
fn a_file_that_is_cut_is_an_error_with_the_place() {
    let path = as_path(&[100, 15169]);
    let whole = [peers(1), rib(2, 24, &[1, 1, 1], &[(0, &path)])].concat();
    let first = peers(1).len();
    for end in 0..whole.len() {
        let mut builder = Builder::plain("test");
        let result = read(&whole[..end], Path::new("rib"), &mut builder, &Options::default());
        match (end == 0 || end == first, result) {
            (true, result) => assert!(result.is_ok()),
            (false, Err(Error::Truncated { got, expected, .. })) => {
                assert_eq!(got, end as u64);
                assert!(expected > got && expected <= whole.len() as u64);
            }
            (false, other) => panic!("cut at {end}: {other:?}"),
        }
    }
    // A record that says it has four gigabytes and has three bytes; and one of a kind to skip.
    for kind in [TABLE_DUMP_V2, 99] {
        let mut bytes = peers(1);
        let mut record = record(kind, 2, &[1, 2, 3]);
        record[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
        bytes.extend(record);
        let result =
            read(bytes.as_slice(), Path::new("rib"), &mut Builder::plain("test"), &Options::default());
        assert!(
            matches!(result, Err(Error::Truncated { got, .. }) if got == bytes.len() as u64),
            "{result:?}"
        );
    }
}

#[test]
fn several_dumps_in_one_file_share_their_peers() {
    let path = as_path(&[100, 15169]);
    let routes: Vec<(u16, &[u8])> = (0..3).map(|peer| (peer, &path[..])).collect();
    let dump = [peers(3), rib(2, 24, &[1, 1, 1], &routes)].concat();
    let (read, ..) = read_with(&[dump.clone(), dump].concat(), &Options::default()).unwrap();
    assert_eq!(read.peers.unwrap().all, 3);
    assert_eq!((read.kept, read.records), (1, 4));
}

#[test]
fn an_mmdb_is_not_taken_for_a_dump() {
    assert!(matches!(mark(&[0, 0, 0, 0, 0, 13, 0, 1, 0xff, 0, 0, 0, 9], true), Mark::None));
    assert!(matches!(mark(&peers(2), true), Mark::Table));
    assert!(matches!(mark(&peers(2)[..40], true), Mark::Table));
    assert!(matches!(mark(&[peers(2), vec![0xff; 30]].concat(), true), Mark::None));
    assert!(matches!(mark(&record(16, 4, &[0; 20]), true), Mark::Messages));
}

/// A small dump of every kind of record.
fn sample() -> Vec<u8> {
    let path = as_path(&[100, 3356, 15169]);
    let set = [as_path(&[100, 3356]), vec![1, 2, 0, 0, 0x20, 0xa7, 0, 0, 0x23, 0x2a]].concat();
    [
        peers(4),
        rib(2, 24, &[1, 1, 1], &[(0, &path), (1, &set), (2, &path)]),
        rib(8, 22, &[1, 1, 4], &[(0, &path), (0, &set)]),
        rib(4, 32, &[0x26, 6, 0x47, 0], &[(3, &path)]),
        rib(6, 48, &[0x26, 6, 0x47, 0, 0, 1], &[(0, &path)]),
        record(
            TABLE_DUMP,
            1,
            &[&[
                0, 0, 0, 1, 1, 1, 2, 0, 24, 1, 0, 0, 0, 0, 10, 0, 0, 1, 0, 100, 0, 9, 0x40, 2, 6, 2, 2, 0,
                100, 0x0d, 0x1c,
            ][..]]
            .concat(),
        ),
    ]
    .concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_is_too_odd(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), cut in any::<prop::sample::Index>(), whole in any::<bool>()) {
        let mut bytes = sample();
        for (at, value) in flips {
            let place = at.index(bytes.len());
            bytes[place] = value;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        let mut builder = Builder::plain("test");
        if let Ok(read) = read(bytes.as_slice(), Path::new("rib"), &mut builder, &Options::default()) {
            prop_assert!(read.records <= bytes.len() as u64 / HEADER as u64);
            prop_assert!(read.kept <= read.records);
            prop_assert!(builder.links().len() <= bytes.len());
        }
    }

    #[test]
    fn nor_are_bodies_of_any_bytes(subtype in 1_u16..13, body in prop::collection::vec(any::<u8>(), 0..200), kind in 12_u16..14) {
        let bytes = [peers(3), record(kind, subtype, &body)].concat();
        let read = read(bytes.as_slice(), Path::new("rib"), &mut Builder::plain("test"), &Options::default());
        prop_assert!(read.is_ok());
    }
}
