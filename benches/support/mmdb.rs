//! Writes a MaxMind DB 2.0 with AS numbers and names, as GeoLite2 ASN has them: to hold our lookups against those of the
//! readers of that format, on the same data. A tool for benches and tests; the program itself only reads MMDB.

use std::collections::HashMap;

/// The marker before the metadata.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// A tree of IPv6 with IPv4 at `::/96`, as published ones are.
pub struct Writer {
    /// Two records a node: a child, a place in the data, or nothing.
    nodes: Vec<[Record; 2]>,
    data: Vec<u8>,
    /// Where an AS's record begins.
    known: HashMap<(u32, String), u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Record {
    Nothing,
    Node(u32),
    Data(u32),
}

impl Writer {
    pub fn new() -> Self {
        Self { nodes: vec![[Record::Nothing; 2]], data: Vec::new(), known: HashMap::new() }
    }

    /// Adds an inclusive range of IPv4 addresses. Ranges must not overlap.
    pub fn four(&mut self, first: u32, last: u32, asn: u32, name: &str) {
        self.six(first.into(), last.into(), asn, name);
    }

    /// Likewise of IPv6.
    pub fn six(&mut self, first: u128, last: u128, asn: u32, name: &str) {
        let place = self.record(asn, name);
        super::prefixes::split(first, last, 128, |network, bits| {
            self.insert(network, bits.into(), Record::Data(place));
        });
    }

    fn insert(&mut self, address: u128, bits: u32, record: Record) {
        let mut node = 0;
        for depth in 0..bits {
            let side = (address >> (127 - depth) & 1) as usize;
            if depth + 1 == bits {
                self.nodes[node][side] = record;
                return;
            }
            node = match self.nodes[node][side] {
                Record::Node(child) => child as usize,
                Record::Nothing | Record::Data(_) => {
                    self.nodes.push([Record::Nothing; 2]);
                    let child = self.nodes.len() - 1;
                    self.nodes[node][side] = Record::Node(child as u32);
                    child
                }
            };
        }
        self.nodes[0] = [record; 2];
    }

    fn record(&mut self, asn: u32, name: &str) -> u32 {
        if let Some(place) = self.known.get(&(asn, name.to_owned())) {
            return *place;
        }
        let place = self.data.len() as u32;
        control(&mut self.data, 7, if name.is_empty() { 1 } else { 2 });
        text(&mut self.data, "autonomous_system_number");
        number(&mut self.data, 6, asn.into());
        if !name.is_empty() {
            text(&mut self.data, "autonomous_system_organization");
            text(&mut self.data, name);
        }
        self.known.insert((asn, name.to_owned()), place);
        place
    }

    /// The file. `built` is in seconds since 1970.
    pub fn finish(self, built: u64) -> Vec<u8> {
        let count = self.nodes.len() as u32;
        let value = |record: Record| match record {
            Record::Nothing => count,
            Record::Node(node) => node,
            Record::Data(place) => count + 16 + place,
        };
        let wide = u64::from(count) + 16 + self.data.len() as u64 >= 1 << 24;
        let mut out = Vec::with_capacity(self.nodes.len() * 8 + self.data.len() + 256);
        for node in &self.nodes {
            for record in node {
                let bytes = value(*record).to_be_bytes();
                out.extend(if wide { &bytes[..] } else { &bytes[1..] });
            }
        }
        out.extend([0; 16]);
        out.extend(self.data);
        out.extend(MARKER);
        control(&mut out, 7, 9);
        text(&mut out, "binary_format_major_version");
        number(&mut out, 5, 2);
        text(&mut out, "binary_format_minor_version");
        number(&mut out, 5, 0);
        text(&mut out, "build_epoch");
        number(&mut out, 9, built);
        text(&mut out, "database_type");
        text(&mut out, "GeoLite2-ASN");
        text(&mut out, "description");
        control(&mut out, 7, 1);
        text(&mut out, "en");
        text(&mut out, "made by a bench of lasthop");
        text(&mut out, "ip_version");
        number(&mut out, 5, 6);
        text(&mut out, "languages");
        control(&mut out, 11, 0);
        text(&mut out, "node_count");
        number(&mut out, 6, count.into());
        text(&mut out, "record_size");
        number(&mut out, 5, if wide { 32 } else { 24 });
        out
    }
}

/// The control byte of a type and a size below 285.
fn control(out: &mut Vec<u8>, kind: u8, size: usize) {
    let (low, more) = if size < 29 { (size as u8, None) } else { (29, Some((size - 29) as u8)) };
    if kind < 8 {
        out.push(kind << 5 | low);
    } else {
        out.extend([low, kind - 7]);
    }
    out.extend(more);
}

fn text(out: &mut Vec<u8>, text: &str) {
    let mut end = text.len().min(284);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    control(out, 2, end);
    out.extend(&text.as_bytes()[..end]);
}

fn number(out: &mut Vec<u8>, kind: u8, value: u64) {
    let bytes = value.to_be_bytes();
    let zeros = value.leading_zeros() as usize / 8;
    control(out, kind, 8 - zeros);
    out.extend(&bytes[zeros..]);
}
