//! Makes routing dumps (RFC 6396) as big as wanted that look like the Internet's: what `benches/rib.rs` measures with and
//! `tests/it/tables.rs` compares readers on, for want of a real one that may be shipped.
//!
//! Prefix lengths are mixed as in the global table, more-specifics lie inside wider ones, some prefixes have several origins or an
//! AS_SET, some origins prepend, not every peer has every prefix, and paths share their beginnings. The same plan gives the same bytes.

use std::io::{self, Write};

/// What to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// IPv4 prefixes.
    pub four: u32,
    /// IPv6 prefixes.
    pub six: u32,
    /// Peers, each with nearly all prefixes, but for the last, which has a tenth. At most 200.
    pub peers: u16,
    /// Two paths from some peers (RFC 8050).
    pub add_path: bool,
    /// TABLE_DUMP with 2-byte AS numbers and AS4_PATH in place of TABLE_DUMP_V2.
    pub old: bool,
    /// Another seed, another Internet.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { four: 850_000, six: 150_000, peers: 10, add_path: false, old: false, seed: 1 }
    }
}

/// The time of every record: 2026-06-17 00:00 UTC.
const TIME: u32 = 1_781_654_400;

/// Well-mixed bits of a number (the finaliser of SplitMix64).
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True so many times of a thousand.
    fn of_thousand(&mut self, share: u64) -> bool {
        self.below(1000) < share
    }
}

/// Shares of prefix lengths, of a thousand.
const LENGTHS_FOUR: [(u8, u64); 11] = [
    (24, 600),
    (23, 100),
    (22, 120),
    (21, 50),
    (20, 50),
    (19, 30),
    (18, 15),
    (17, 10),
    (16, 20),
    (15, 4),
    (14, 1),
];
const LENGTHS_SIX: [(u8, u64); 8] =
    [(48, 480), (44, 110), (40, 120), (36, 60), (32, 160), (29, 40), (47, 20), (46, 10)];

fn length(dice: &mut Dice, shares: &[(u8, u64)]) -> u8 {
    let mut at = dice.below(1000);
    for (length, share) in shares {
        if at < *share {
            return *length;
        }
        at -= share;
    }
    shares[0].0
}

/// First octets with nothing special in them.
fn is_plain(octet: u32) -> bool {
    matches!(octet, 1..=223) && ![10, 100, 127, 169, 172, 192, 198, 203].contains(&octet)
}

/// Sorted prefixes, each once, wider ones before those inside them.
fn prefixes_four(count: u32, dice: &mut Dice) -> Vec<(u128, u8)> {
    let mut prefixes = Vec::new();
    let mut at = 1_u32 << 24;
    while prefixes.len() < count as usize {
        // What is left of the space decides how wide a prefix may be.
        let bits = if at >> 24 > 200 { 24 } else { length(dice, &LENGTHS_FOUR) };
        let size = 1_u32 << (32 - bits);
        at = at.next_multiple_of(size);
        if !is_plain(at >> 24) {
            at = ((at >> 24) + 1) << 24;
            assert!(at >> 24 < 224, "more prefixes than there is space");
            continue;
        }
        prefixes.push((u128::from(at) << 96, bits));
        let mut inside = at;
        while bits <= 22 && dice.of_thousand(600) {
            inside += 256 * (1 + dice.below(3) as u32);
            if inside >= at + size {
                break;
            }
            prefixes.push((u128::from(inside) << 96, 24));
        }
        at += size;
    }
    prefixes.truncate(count as usize);
    prefixes
}

fn prefixes_six(count: u32, dice: &mut Dice) -> Vec<(u128, u8)> {
    let mut prefixes = Vec::new();
    let mut at = 0x2a00_u128 << 112;
    while prefixes.len() < count as usize {
        let bits = length(dice, &LENGTHS_SIX);
        let size = 1_u128 << (128 - bits);
        at = at.next_multiple_of(size);
        prefixes.push((at, bits));
        at += size;
        // Room between holders.
        if dice.of_thousand(300) {
            at = at.next_multiple_of(1 << 96);
        }
    }
    prefixes
}

/// A public AS number out of some eighty thousand, a third of them with four bytes.
fn asn(number: u64) -> u32 {
    let number = mix(number);
    match number % 3 {
        0 => 196_608 + (number >> 8) as u32 % 20_000,
        _ => 1 + (number >> 8) as u32 % 23_000 + if number.is_multiple_of(7) { 23_500 } else { 0 },
    }
}

/// What one prefix is like.
struct Holder {
    origin: u32,
    second: Option<u32>,
    set: Vec<u32>,
    prepended: u32,
}

/// The transit ASes: the paths of the Internet go through few.
fn transit(number: u64) -> u32 {
    asn(mix(number) % 400 + 1_000_000)
}

/// The path of a peer to an origin, without sets.
fn path(peer: u16, origin: u32, variant: u64, prepended: u32, out: &mut Vec<u32>) {
    out.clear();
    let start = mix((u64::from(peer) << 32) ^ variant);
    out.push(asn(u64::from(peer) + 5_000_000));
    // The way near the peer depends on the peer, the way near the origin on the origin.
    out.push(transit(start % 12));
    let ends = mix(u64::from(origin) ^ (variant << 40));
    for step in 0..ends % 4 {
        out.push(transit(((ends >> (8 * step)) & 0x3f) | (0x40 * step)));
    }
    out.extend(std::iter::repeat_n(origin, 1 + prepended as usize));
    out.dedup_by(|later, earlier| later == earlier && *later != origin);
}

fn attribute(kind: u8, value: &[u8], out: &mut Vec<u8>) {
    match u8::try_from(value.len()) {
        Ok(length) => out.extend([0x40, kind, length]),
        Err(_) => {
            out.extend([0x50, kind]);
            out.extend((value.len() as u16).to_be_bytes());
        }
    }
    out.extend(value);
}

fn segments(path: &[u32], set: &[u32], wide: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, asns) in [(2, path), (1, set)] {
        if asns.is_empty() {
            continue;
        }
        out.extend([kind, asns.len() as u8]);
        for asn in asns {
            if wide {
                out.extend(asn.to_be_bytes());
            } else {
                out.extend(u16::try_from(*asn).unwrap_or(23456).to_be_bytes());
            }
        }
    }
    out
}

/// The path attributes of a route, in a common router's mixture.
fn attributes(path: &[u32], set: &[u32], six: bool, plan: &Plan, variant: u64, out: &mut Vec<u8>) {
    out.clear();
    attribute(1, &[0], out);
    attribute(2, &segments(path, set, !plan.old), out);
    if !six {
        attribute(3, &[10, 0, 0, 1], out);
    }
    if variant.is_multiple_of(3) {
        attribute(4, &[0, 0, 0, 10], out);
    }
    if !set.is_empty() {
        attribute(6, &[], out);
    }
    let communities: Vec<u8> =
        (0..variant % 11).flat_map(|number| [(path[0] >> 8) as u8, path[0] as u8, 3, number as u8]).collect();
    if !communities.is_empty() {
        attribute(8, &communities, out);
    }
    if six {
        // Only the next hop (RFC 6396 §4.3.4).
        let mut next_hop = vec![16, 0x20, 0x01, 0x0d, 0xb8];
        next_hop.resize(17, 1);
        if plan.old {
            // The whole attribute: family, next hop, reserved, no prefix.
            next_hop.splice(0..0, [0, 2, 1]);
            next_hop.push(0);
        }
        attribute(14, &next_hop, out);
    }
    if plan.old && path.iter().chain(set).any(|asn| *asn > 0xffff) {
        attribute(17, &segments(path, set, true), out);
    }
}

fn record(kind: u16, subtype: u16, body: &[u8], out: &mut impl Write) -> io::Result<()> {
    out.write_all(&TIME.to_be_bytes())?;
    out.write_all(&kind.to_be_bytes())?;
    out.write_all(&subtype.to_be_bytes())?;
    out.write_all(&(body.len() as u32).to_be_bytes())?;
    out.write_all(body)
}

fn peer_address(peer: u16) -> [u8; 4] {
    [80, 249, 208, peer as u8 + 1]
}

fn peer_table(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    let mut body = vec![10, 0, 0, 1, 0, 4];
    body.extend(b"test");
    body.extend(plan.peers.to_be_bytes());
    for peer in 0..plan.peers {
        let number = asn(u64::from(peer) + 5_000_000);
        body.push(2);
        body.extend([10, 1, 0, peer as u8]);
        body.extend(peer_address(peer));
        body.extend(number.to_be_bytes());
    }
    record(13, 1, &body, out)
}

/// Writes the dump; gives the number of its routes.
pub fn write(plan: &Plan, out: &mut impl Write) -> io::Result<u64> {
    let mut dice = Dice(mix(plan.seed));
    let families = [(false, prefixes_four(plan.four, &mut dice)), (true, prefixes_six(plan.six, &mut dice))];
    if !plan.old {
        peer_table(plan, out)?;
    }
    let (mut body, mut entries, mut attrs, mut asns) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut routes, mut sequence, mut left) = (0_u64, 0_u32, 0);
    let mut holder = Holder { origin: 1, second: None, set: vec![], prepended: 0 };
    for (six, prefixes) in families {
        for (address, bits) in prefixes {
            // Neighbouring prefixes are mostly one network's.
            if left == 0 {
                left = 1 + dice.below(12);
                holder.origin = asn(dice.below(80_000));
                holder.prepended = if dice.of_thousand(120) { 1 + dice.below(3) as u32 } else { 0 };
            }
            left -= 1;
            holder.second = dice.of_thousand(12).then(|| asn(dice.below(80_000)));
            holder.set = if dice.of_thousand(2) {
                (0..1 + dice.below(4)).map(|_| asn(dice.below(80_000))).collect()
            } else {
                Vec::new()
            };
            let variant = if dice.of_thousand(150) { dice.below(8) } else { 0 };
            let prefix = &address.to_be_bytes()[..usize::from(bits.div_ceil(8))];
            entries.clear();
            let mut count = 0_u16;
            for peer in 0..plan.peers {
                let missing = if peer > 0 && peer + 1 == plan.peers { 900 } else { 20 };
                if dice.of_thousand(missing) && peer > 0 {
                    continue;
                }
                let other = holder.second.filter(|_| dice.of_thousand(350));
                let ways = if plan.add_path && dice.of_thousand(300) { 2 } else { 1 };
                for way in 0..ways {
                    let origin = other.unwrap_or(holder.origin);
                    path(peer, origin, variant + way * 9, holder.prepended, &mut asns);
                    let about = mix(u64::from(origin) ^ variant);
                    attributes(&asns, &holder.set, six, plan, about, &mut attrs);
                    routes += 1;
                    if plan.old {
                        body.clear();
                        body.extend([0, 0]);
                        body.extend((sequence as u16).to_be_bytes());
                        body.extend(&address.to_be_bytes()[..if six { 16 } else { 4 }]);
                        body.extend([bits, 1]);
                        body.extend(TIME.to_be_bytes());
                        let mut from = peer_address(peer).to_vec();
                        if six {
                            from.splice(0..0, [0x2a, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
                        }
                        body.extend(from);
                        body.extend(u16::try_from(asns[0]).unwrap_or(23456).to_be_bytes());
                        body.extend((attrs.len() as u16).to_be_bytes());
                        body.extend(&attrs);
                        record(12, if six { 2 } else { 1 }, &body, out)?;
                        continue;
                    }
                    count += 1;
                    entries.extend(peer.to_be_bytes());
                    entries.extend(TIME.to_be_bytes());
                    if plan.add_path {
                        entries.extend((way as u32 + 1).to_be_bytes());
                    }
                    entries.extend((attrs.len() as u16).to_be_bytes());
                    entries.extend(&attrs);
                }
            }
            if !plan.old {
                body.clear();
                body.extend(sequence.to_be_bytes());
                body.push(bits);
                body.extend(prefix);
                body.extend(count.to_be_bytes());
                body.extend(&entries);
                let subtype = if six { 4 } else { 2 } + if plan.add_path { 6 } else { 0 };
                record(13, subtype, &body, out)?;
            }
            sequence += 1;
        }
    }
    Ok(routes)
}
