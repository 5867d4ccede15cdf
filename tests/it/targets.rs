//! What the fuzzers under `fuzz/` call with any bytes, and the property tests in `tables.rs` too: each may only return.

use std::path::Path;

use lasthop::asdb::build::Builder;
use lasthop::asdb::sources::{Options, read_any};
use lasthop::asdb::{Adjacency, Exchanges, Table};

/// Any source, as `db build` reads it.
pub fn source(data: &[u8]) {
    let mut builder = Builder::plain("fuzz");
    let mut told = 0;
    let result =
        read_any(data, Path::new("fuzz"), &mut builder, &Options::default(), &mut |bytes| told = bytes);
    assert!(told <= data.len() as u64, "more was told than there is");
    if let Ok(read) = result {
        assert!(read.kept == 0 || !builder.is_empty());
    }
}

/// Any table or source, as `--db` opens it.
pub fn table(data: &[u8]) {
    if let Ok(table) = Table::from_reader(data, "fuzz") {
        let _ = table.lookup([8, 8, 8, 8].into());
        let _ = table.lookup([0x2600, 0, 0, 0, 0, 0, 0, 1].into());
    }
}

/// A routing dump: the bytes become the bodies of records, cut where they say, behind a table of three peers.
pub fn dump(data: &[u8]) {
    let mut file = Vec::new();
    let mut record = |kind: u16, subtype: u16, body: &[u8]| {
        file.extend([0x6a, 0, 0, 0]);
        file.extend(kind.to_be_bytes());
        file.extend(subtype.to_be_bytes());
        file.extend((body.len() as u32).to_be_bytes());
        file.extend(body);
    };
    let mut peers = vec![0, 0, 0, 1, 0, 0, 0, 3];
    for peer in 1..=3 {
        peers.extend([2, 0, 0, 0, peer, 10, 0, 0, peer, 0, 0, 0, 100 + peer]);
    }
    record(13, 1, &peers);
    let mut rest = data;
    while let [kind, length, after @ ..] = rest {
        let (body, after) = after.split_at(usize::from(*length).min(after.len()));
        record(12 + u16::from(kind & 1), u16::from(kind >> 1) % 14, body);
        rest = after;
    }
    let mut builder = Builder::plain("fuzz");
    let read = read_any(file.as_slice(), Path::new("fuzz"), &mut builder, &Options::default(), &mut |_| {});
    // Every record is whole, so whatever is in it is a warning and not an error.
    assert!(read.is_ok(), "{read:?}");
}

/// AS relationships.
pub fn adjacency(data: &[u8]) {
    let _ = Adjacency::from_reader(data, "fuzz");
}

/// Exchanges.
pub fn exchanges(data: &[u8]) {
    let _ = Exchanges::from_readers([(data, "fuzz")]);
}

/// Another tool's output of any kind.
pub fn import(data: &[u8]) {
    let mut traces = 0;
    let read = lasthop::import::read(&mut &data[..], &mut |trace| {
        traces += 1;
        assert!(trace.hops.windows(2).all(|pair| pair[0].ttl < pair[1].ttl), "{trace:?}");
        std::ops::ControlFlow::Continue(())
    });
    if let Ok(outcome) = read {
        assert_eq!(outcome.traces, traces);
    }
}

/// A saved run or set, and every text that is made of it.
pub fn document(data: &[u8]) {
    use lasthop::report::{Format, Options, Runs, write};
    let Ok(runs) = Runs::read(data.to_vec()) else { return };
    for format in [Format::Text, Format::Ticket, Format::Markdown, Format::Html, Format::Csv, Format::Mtr] {
        write(&mut Vec::new(), &runs, format, Options::default()).unwrap();
    }
    let _ = lasthop::joint::conclude(&runs.documents, &lasthop::joint::Hints::default());
}

/// A capture.
pub fn capture(data: &[u8]) {
    let _ = lasthop::capture::read(data);
}

/// A bundle.
pub fn bundle(data: &[u8]) {
    let _ = lasthop::bundle::open(data);
}
