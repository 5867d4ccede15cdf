//! MRT dumps of BGP tables (RFC 6396): TABLE_DUMP and TABLE_DUMP_V2, add-path (RFC 8050) included.
//!
//! These are what RIPE RIS and Route Views publish of the tables of their peers, and what BIRD, FRR and OpenBGPD write of their own.
//!
//! | question | answer |
//! |---|---|
//! | the origin of a route | the last AS of its path; all ASes of the AS_SET it ends in |
//! | the origins of a prefix | those that enough peers saw, the most seen first |
//! | how many peers saw it | each peer counts once for an origin of a prefix, however many paths it gave (add-path) |
//! | how many are enough | [`Options::min_peers`], but never more than half of the full tables there are, see [`enough`] |
//! | a full table | a peer with at least half of all prefixes of a family that were kept |
//! | neighbours | ASes side by side in a path; counted are routes, so that dumps add up: see [`path`] |
//!
//! A record that is broken ends there, what it said before stands, and the damage is told in [`Read::warnings`]; a file that ends in
//! the middle of a record is an error. A length is believed only as far as there are bytes.

mod path;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{BufRead, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::path::{Broken, Paths, Store, Verdict, paths_of, widen};
use super::tally::{Limits, OriginId, Tally, reason};
use super::text::io_error;
use super::{Format, Options, Peers, Read};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;
use crate::asdb::range::high_bits;
use crate::number::Asn;

/// The length of what stands before each record.
const HEADER: usize = 12;

/// The longest record that is read: 64 MiB. A prefix seen by a thousand peers takes a hundredth of it.
const LONGEST_RECORD: u32 = 64 << 20;

const TABLE_DUMP: u16 = 12;
const TABLE_DUMP_V2: u16 = 13;

/// How many peers must have seen an origin, unless asked otherwise.
pub(crate) const MIN_PEERS: u32 = 3;

/// How many peers must have seen an origin: what was asked for, but at most half of those that have a full table, rounded up.
///
/// One peer's leak or mistake is what this is against. With one or two full tables it cannot be told from the truth: one peer is
/// enough. With three or four, two must agree; from five on, three. Were as many asked for as there are, a prefix that a single
/// peer filters would be lost.
fn enough(asked: u32, full: u32) -> u32 {
    asked.min(full.div_ceil(2)).max(1)
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    time: u32,
    kind: u16,
    subtype: u16,
    length: u32,
}

impl Header {
    fn of(bytes: &[u8; HEADER]) -> Self {
        let [t0, t1, t2, t3, k0, k1, s0, s1, l0, l1, l2, l3] = *bytes;
        Self {
            time: u32::from_be_bytes([t0, t1, t2, t3]),
            kind: u16::from_be_bytes([k0, k1]),
            subtype: u16::from_be_bytes([s0, s1]),
            length: u32::from_be_bytes([l0, l1, l2, l3]),
        }
    }

    /// Whether such a record is known to be written: types 11 to 17, 32, 33, 48 and 49 of RFC 6396 §4.
    fn is_likely(self) -> bool {
        matches!(self.kind, 11..=17 | 32 | 33 | 48 | 49) && self.subtype <= 13
    }
}

/// What the first bytes are, as far as MRT is concerned.
pub(crate) enum Mark {
    /// A dump of a table.
    Table,
    /// MRT, but of messages.
    Messages,
    /// Something else.
    None,
}

/// Whether bytes begin a file of MRT: a header, and, as far as the bytes go, another where its record ends. `complete` says that there
/// are no more bytes.
pub(crate) fn mark(head: &[u8], complete: bool) -> Mark {
    let mut rest = head;
    let mut first = None;
    for _ in 0..4 {
        let Some(bytes) = rest.first_chunk::<HEADER>() else {
            // A file may be cut in its second header; with the first alone nothing is sure.
            if first.is_none() || !complete && rest.len() < HEADER && head.len() < HEADER {
                return Mark::None;
            }
            break;
        };
        let header = Header::of(bytes);
        // The length of a later one may be a lie: then the file is a dump, and damaged.
        if !header.is_likely() || first.is_none() && header.length > LONGEST_RECORD {
            return Mark::None;
        }
        first.get_or_insert(header);
        match rest[HEADER..].get(header.length as usize..) {
            Some(after) => rest = after,
            None => break,
        }
    }
    match first {
        Some(Header { kind: TABLE_DUMP | TABLE_DUMP_V2, .. }) => Mark::Table,
        Some(_) => Mark::Messages,
        None => Mark::None,
    }
}

/// Reads a dump into the builder.
pub(crate) fn read(
    mut input: impl BufRead,
    path: &Path,
    into: &mut Builder,
    options: &Options,
) -> Result<Read, Error> {
    let mut dump = Dump::new(options);
    let mut long = Vec::new();
    let mut offset = 0_u64;
    loop {
        let mut header = [0; HEADER];
        let got = fill(&mut input, &mut header).map_err(io_error(path))?;
        if got == 0 {
            break;
        }
        let cut = |what, expected: u64, got: u64| Error::Truncated {
            path: path.to_path_buf(),
            what,
            expected: offset + expected,
            got: offset + got,
        };
        if got < HEADER {
            return Err(cut("the header of an MRT record", HEADER as u64, got as u64));
        }
        let header = Header::of(&header);
        let whole = HEADER as u64 + u64::from(header.length);
        dump.read.records += 1;
        dump.offset = offset;
        let wanted = dump.wants(header);
        let buffered = input.fill_buf().map_err(io_error(path))?;
        let got = if !wanted {
            skip(&mut input, header.length.into()).map_err(io_error(path))?
        } else if let Some(body) = buffered.get(..header.length as usize) {
            dump.record(header, body);
            input.consume(header.length as usize);
            header.length.into()
        } else {
            long.clear();
            let mut limited = input.by_ref().take(header.length.into());
            let got = limited.read_to_end(&mut long).map_err(io_error(path))? as u64;
            if got == u64::from(header.length) {
                dump.record(header, &long);
            }
            got
        };
        if got < u64::from(header.length) {
            return Err(cut("an MRT record", whole, HEADER as u64 + got));
        }
        offset += whole;
    }
    Ok(dump.finish(into, options))
}

/// Reads until `bytes` are full or nothing more comes.
fn fill(input: &mut impl BufRead, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while got < bytes.len() {
        let more = match input.read(&mut bytes[got..]) {
            Ok(more) => more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if more == 0 {
            break;
        }
        got += more;
    }
    Ok(got)
}

/// Passes over bytes; gives how many there were.
fn skip(input: &mut impl BufRead, length: u64) -> std::io::Result<u64> {
    std::io::copy(&mut input.by_ref().take(length), &mut std::io::sink())
}

/// A prefix with its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    Four(u32, u8),
    Six(u128, u8),
}

impl Prefix {
    fn family(self) -> usize {
        usize::from(matches!(self, Self::Six(..)))
    }
}

/// What is known of a peer, in all peer tables of a file together.
#[derive(Clone, Copy, Default)]
struct Peer {
    /// Prefixes it has, IPv4 and IPv6.
    prefixes: [u64; 2],
    /// The last prefix it had, as [`Dump::serial`] counts.
    last: u64,
}

/// A dump while it is read.
struct Dump {
    read: Read,
    limits: Limits,
    tally: Tally,
    store: Store,
    peers: Vec<Peer>,
    numbers: HashMap<(IpAddr, Asn), u32>,
    /// The peers of the last peer table by their index in it.
    table: Option<Vec<u32>>,
    /// The prefix of the record, and that it is none to keep.
    prefix: Option<(Prefix, bool)>,
    /// Counts prefixes.
    serial: u64,
    /// Which peer saw which origin of it.
    seen: Vec<(OriginId, u32)>,
    /// A peer was met twice.
    again: bool,
    wide: Vec<u8>,
    /// Where the record begins.
    offset: u64,
    latest: u32,
}

impl Dump {
    fn new(options: &Options) -> Self {
        Self {
            read: Read::new(Format::Mrt),
            limits: Limits::new(options),
            tally: Tally::new(options),
            store: Store::new(),
            peers: Vec::new(),
            numbers: HashMap::new(),
            table: None,
            prefix: None,
            serial: 0,
            seen: Vec::new(),
            again: false,
            wide: Vec::new(),
            offset: 0,
            latest: 0,
        }
    }

    /// Whether a record is one to read. Others are counted.
    fn wants(&mut self, header: Header) -> bool {
        let why_not = match (header.kind, header.subtype) {
            _ if header.length > LONGEST_RECORD => {
                self.read.warn("record longer than 64 MiB", self.offset);
                return false;
            }
            (TABLE_DUMP, 1 | 2) | (TABLE_DUMP_V2, 1 | 2 | 4 | 6 | 8 | 10) => return true,
            (TABLE_DUMP_V2, 3 | 5 | 9 | 11) => "record of multicast routes",
            (TABLE_DUMP_V2, 12) => "record of another kind of routes (RIB_GENERIC)",
            (TABLE_DUMP_V2, 7) => "record of where peers are",
            (16 | 17, _) => "record of BGP messages",
            _ => "record of another kind",
        };
        self.read.drop_some(why_not, 1);
        false
    }

    fn record(&mut self, header: Header, body: &[u8]) {
        let result = match (header.kind, header.subtype) {
            (TABLE_DUMP, family) => self.old(family == 2, body),
            (_, 1) => self.peer_table(body),
            (_, subtype) => self.rib(subtype, body),
        };
        if let Err(Broken(what)) = result {
            self.read.warn(what, self.offset);
        }
        self.latest = self.latest.max(header.time);
    }

    /// The number of a peer, the same in every record and table.
    fn peer(&mut self, address: IpAddr, asn: Asn) -> u32 {
        let next = self.peers.len() as u32;
        let number = *self.numbers.entry((address, asn)).or_insert(next);
        if number == next {
            self.peers.push(Peer::default());
        }
        number
    }

    /// PEER_INDEX_TABLE (RFC 6396 §4.3.1). Several files in one have several; each holds for the records after it.
    fn peer_table(&mut self, body: &[u8]) -> Result<(), Broken> {
        const CUT: Broken = Broken("peer table that is cut");
        // Without a table the records after it cannot be read: half of one is better than that of another file.
        let table = self.table.insert(Vec::new());
        table.clear();
        let mut rest = Bytes(body);
        rest.take(4).ok_or(CUT)?;
        let name = rest.u16().ok_or(CUT)?;
        rest.take(name.into()).ok_or(CUT)?;
        for _ in 0..rest.u16().ok_or(CUT)? {
            let flags = rest.u8().ok_or(CUT)?;
            rest.take(4).ok_or(CUT)?;
            let address = rest.address(flags & 1 != 0).ok_or(CUT)?;
            let asn = if flags & 2 == 0 { rest.u16().map(u32::from) } else { rest.u32() };
            let number = self.peer(address, Asn(asn.ok_or(CUT)?));
            if let Some(table) = &mut self.table {
                table.push(number);
            }
        }
        Ok(())
    }

    /// The subtypes of TABLE_DUMP_V2 with routes (RFC 6396 §4.3.2 and §4.3.3, RFC 8050 §4).
    fn rib(&mut self, subtype: u16, body: &[u8]) -> Result<(), Broken> {
        const CUT: Broken = Broken("record that is cut");
        let mut rest = Bytes(body);
        rest.take(4).ok_or(CUT)?;
        let six = if subtype == 6 {
            match (rest.u16().ok_or(CUT)?, rest.u8().ok_or(CUT)?) {
                (1, 1) => false,
                (2, 1) => true,
                _ => {
                    self.read.drop_some("record of another kind of routes (RIB_GENERIC)", 1);
                    return Ok(());
                }
            }
        } else {
            matches!(subtype, 4 | 10)
        };
        let bits = rest.u8().ok_or(CUT)?;
        let prefix = rest.prefix(six, bits).ok_or(if bits > if six { 128 } else { 32 } {
            Broken("record whose prefix is longer than an address")
        } else {
            CUT
        })?;
        let count = rest.u16().ok_or(CUT)?;
        self.read.routes += u64::from(count);
        if !self.begin(prefix) {
            return Ok(());
        }
        let Some(table) = self.table.take() else { return Err(Broken("record before any peer table")) };
        let result = if matches!(subtype, 8 | 10) {
            self.entries::<12>(&table, rest.0, count)
        } else {
            self.entries::<8>(&table, rest.0, count)
        };
        self.table = Some(table);
        result
    }

    /// The entries of a record; before the attributes of each stand `N` bytes: peer index, time, with add-path a path's number, and
    /// the attributes' length.
    fn entries<const N: usize>(&mut self, table: &[u32], mut rest: &[u8], count: u16) -> Result<(), Broken> {
        const CUT: Broken = Broken("record that is cut");
        for _ in 0..count {
            let (entry, after) = rest.split_first_chunk::<N>().ok_or(CUT)?;
            let length = usize::from(u16::from_be_bytes([entry[N - 2], entry[N - 1]]));
            let (attributes, after) = after.split_at_checked(length).ok_or(CUT)?;
            rest = after;
            let Some(peer) = table.get(usize::from(u16::from_be_bytes([entry[0], entry[1]]))) else {
                self.read.warn("entry of a peer that is not in the table", self.offset);
                continue;
            };
            match paths_of(attributes, false) {
                Ok(paths) => self.route(*peer, paths.path.unwrap_or_default()),
                Err(Broken(what)) => self.read.warn(what, self.offset),
            }
        }
        if !rest.is_empty() {
            return Err(Broken("record with bytes behind its entries"));
        }
        Ok(())
    }

    /// TABLE_DUMP (RFC 6396 §4.2): one route of one peer.
    fn old(&mut self, six: bool, body: &[u8]) -> Result<(), Broken> {
        const CUT: Broken = Broken("record that is cut");
        let mut rest = Bytes(body);
        rest.take(4).ok_or(CUT)?;
        let address = rest.address(six).ok_or(CUT)?;
        let bits = rest.u8().ok_or(CUT)?;
        let prefix = match address {
            IpAddr::V4(address) if bits <= 32 => {
                Prefix::Four(u32::from(address) & high_bits::<u32>(bits.into()), bits)
            }
            IpAddr::V6(address) if bits <= 128 => {
                Prefix::Six(u128::from(address) & high_bits::<u128>(bits.into()), bits)
            }
            _ => return Err(Broken("record whose prefix is longer than an address")),
        };
        rest.take(5).ok_or(CUT)?;
        let peer_address = rest.address(six).ok_or(CUT)?;
        let peer_asn = Asn(rest.u16().ok_or(CUT)?.into());
        let length = rest.u16().ok_or(CUT)?;
        let attributes = rest.take(length.into()).ok_or(CUT)?;
        self.read.routes += 1;
        if !self.begin(prefix) {
            return Ok(());
        }
        let peer = self.peer(peer_address, peer_asn);
        let paths: Paths<'_> = paths_of(attributes, true)?;
        let mut wide = std::mem::take(&mut self.wide);
        let result = widen(paths, &mut wide);
        if result.is_ok() {
            self.route(peer, &wide);
        }
        self.wide = wide;
        result
    }

    /// Turns to a prefix; says whether it is one to keep. The same prefix may go on over several records.
    fn begin(&mut self, prefix: Prefix) -> bool {
        if let Some((same, kept)) = self.prefix
            && same == prefix
        {
            return kept;
        }
        self.end();
        self.serial += 1;
        let refused = match prefix {
            Prefix::Four(key, bits) => self.limits.refuse_four(key, bits),
            Prefix::Six(key, bits) => self.limits.refuse_six(key, bits),
        };
        if let Some(why) = refused {
            self.read.drop_some(why, 1);
        }
        self.prefix = Some((prefix, refused.is_none()));
        refused.is_none()
    }

    /// One route to the prefix.
    #[inline]
    fn route(&mut self, number: u32, path: &[u8]) {
        let Some((prefix, _)) = self.prefix else { return };
        if let Some(peer) = self.peers.get_mut(number as usize) {
            if peer.last == self.serial {
                self.again = true;
            } else {
                peer.last = self.serial;
                peer.prefixes[prefix.family()] += 1;
            }
        }
        let verdict = if path.is_empty() {
            Verdict::None(reason::NO_PATH)
        } else {
            self.store.look(number, path, &mut self.tally)
        };
        match verdict {
            Verdict::Origin(origin) => self.seen.push((origin, number)),
            Verdict::None(why) => self.read.drop_some(why, 1),
            Verdict::Broken(what) => self.read.warn(what, self.offset),
        }
    }

    /// Counts what was seen of the prefix.
    fn end(&mut self) {
        let mut seen = std::mem::take(&mut self.seen);
        if let (Some((prefix, _)), Some((first, _))) = (self.prefix, seen.first().copied()) {
            if self.again || seen.iter().any(|(origin, _)| *origin != first) {
                seen.sort_unstable();
                seen.dedup();
            }
            for same in seen.chunk_by(|a, b| a.0 == b.0) {
                match prefix {
                    Prefix::Four(key, bits) => self.tally.four(key, bits, same[0].0, same.len() as u32),
                    Prefix::Six(key, bits) => self.tally.six(key, bits, same[0].0, same.len() as u32),
                }
            }
        }
        seen.clear();
        self.seen = seen;
        self.again = false;
        self.prefix = None;
    }

    fn finish(mut self, into: &mut Builder, options: &Options) -> Read {
        self.end();
        let prefixes = self.tally.settle();
        let full = |family: usize| {
            let half =
                |peer: &&Peer| peer.prefixes[family] > 0 && peer.prefixes[family] * 2 >= prefixes[family];
            self.peers.iter().filter(half).count() as u32
        };
        let full = [full(0), full(1)];
        let asked = options.min_peers.unwrap_or(MIN_PEERS);
        let wanted = full.map(|full| enough(asked, full));
        self.read.peers = Some(Peers { all: self.peers.len() as u32, full, wanted });
        let day = Timestamp::from_second(self.latest.into()).ok();
        self.read.date = day.filter(|_| self.latest > 0).map(|time| TimeZone::UTC.to_datetime(time).date());
        self.tally.hand_over(into, wanted, &mut self.read);
        self.store.hand_over(into, &mut self.read);
        self.read
    }
}

/// Bytes taken from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_be_bytes)
    }

    fn address(&mut self, six: bool) -> Option<IpAddr> {
        if six {
            self.chunk::<16>().map(|bytes| Ipv6Addr::from(bytes).into())
        } else {
            self.chunk::<4>().map(|bytes| Ipv4Addr::from(bytes).into())
        }
    }

    /// A prefix: as many bytes as its length fills (RFC 4271 §4.3). Bits behind the length are cleared.
    fn prefix(&mut self, six: bool, bits: u8) -> Option<Prefix> {
        let bytes = self.take(usize::from(bits).div_ceil(8))?;
        if six {
            let mut whole = [0; 16];
            whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
            (bits <= 128)
                .then(|| Prefix::Six(u128::from_be_bytes(whole) & high_bits::<u128>(bits.into()), bits))
        } else {
            let mut whole = [0; 4];
            whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
            (bits <= 32)
                .then(|| Prefix::Four(u32::from_be_bytes(whole) & high_bits::<u32>(bits.into()), bits))
        }
    }
}
