//! Prefixes and origins as a collector saw them, one origin a line, with how many saw it: RIPE's RIS whois dump, and bgp.tools.
//!
//! * RIS whois dump: `origin⇥prefix⇥peers`, comments with `%`, an AS_SET as `{64500,64501}`
//! * bgp.tools `table.txt`: `prefix origin`, a blank between, without a count
//!
//! They are raw tables of the Internet with all that is odd in them, so what is dropped from a routing dump is dropped from them.

use std::io::BufRead;
use std::net::IpAddr;
use std::path::Path;

use super::tally::{Limits, Tally, reason};
use super::text::{Fields, Lines, Row, is_skipped, origins, prefix, rows};
use super::{Format, Options, Read};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;
use crate::asdb::range::Range;
use crate::number::Asn;

/// How many peers must have seen an origin, unless asked otherwise: RIS has hundreds, and what fewer than ten of them see is
/// seldom meant for everybody.
pub(crate) const MIN_PEERS: u32 = 10;

/// Routes that come with a count, from any text.
pub(crate) struct Counted {
    limits: Limits,
    tally: Tally,
    wanted: u32,
}

impl Counted {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            limits: Limits::new(options),
            tally: Tally::new(options),
            wanted: options.min_peers.unwrap_or(MIN_PEERS),
        }
    }

    /// Where no line has a count every one of them has to do.
    pub(crate) fn without_counts(options: &Options) -> Self {
        Self { wanted: 1, ..Self::new(options) }
    }

    pub(crate) fn add(
        &mut self,
        ends: (IpAddr, IpAddr),
        asns: &[Asn],
        as_set: bool,
        peers: u32,
        read: &mut Read,
    ) {
        let refused = match ends {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                let (first, last) = (u32::from(first), u32::from(last));
                let bits = Range::new(first, last).and_then(Range::prefix_bits).unwrap_or(32) as u8;
                self.limits.refuse_four(first, bits).map_or_else(
                    || {
                        Ok(self
                            .tally
                            .origin(asns, as_set)
                            .map(|origin| self.tally.four(first, bits, origin, peers)))
                    },
                    Err,
                )
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                let (first, last) = (u128::from(first), u128::from(last));
                let bits = Range::new(first, last).and_then(Range::prefix_bits).unwrap_or(128) as u8;
                self.limits.refuse_six(first, bits).map_or_else(
                    || {
                        Ok(self
                            .tally
                            .origin(asns, as_set)
                            .map(|origin| self.tally.six(first, bits, origin, peers)))
                    },
                    Err,
                )
            }
            // A prefix has one family.
            _ => return,
        };
        read.routes += 1;
        match refused {
            Ok(Some(())) => {}
            Ok(None) => read.drop_some(reason::RESERVED, 1),
            Err(why) => read.drop_some(why, 1),
        }
    }

    pub(crate) fn hand_over(mut self, into: &mut Builder, read: &mut Read) {
        self.tally.settle();
        self.tally.hand_over(into, [self.wanted; 2], read);
    }
}

/// Whether a line is one of the RIS whois dump.
pub(crate) fn is_ris(line: &str) -> bool {
    let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
    matches!(fields[..], [asn, network, peers]
        if origins(asn, &mut Vec::new()).is_some() && network.contains('/')
            && prefix(network).is_some() && peers.parse::<u32>().is_ok())
}

pub(crate) fn read(
    input: impl BufRead,
    path: &Path,
    into: &mut Builder,
    options: &Options,
) -> Result<Read, Error> {
    let mut read = Read::new(Format::RisWhois);
    let mut counted = Counted::new(options);
    let mut asns = Vec::new();
    rows(input, path, Fields::Tabs, &mut read, |row: &Row<'_>, read| {
        let as_set = origins(row.field(0), &mut asns).ok_or_else(|| row.error("an AS number or {a,b}"))?;
        let ends = row.prefix(1)?;
        let peers = row.field(2).parse().map_err(|_| row.error("a number of peers"))?;
        counted.add(ends, &asns, as_set, peers, read);
        Ok(())
    })?;
    counted.hand_over(into, &mut read);
    Ok(read)
}

/// Whether a line is one of bgp.tools' `table.txt`.
pub(crate) fn is_table_txt(line: &str) -> bool {
    table_txt(line).is_some()
}

fn table_txt(line: &str) -> Option<((IpAddr, IpAddr), Asn)> {
    let (network, asn) = line.trim().split_once(' ')?;
    Some((network.contains('/').then(|| prefix(network))??, asn.trim().parse().ok()?))
}

pub(crate) fn read_table_txt(
    input: impl BufRead,
    path: &Path,
    into: &mut Builder,
    options: &Options,
) -> Result<Read, Error> {
    let mut read = Read::new(Format::TableTxt);
    let mut counted = Counted::without_counts(options);
    let mut lines = Lines::new(input, path);
    while let Some(line) = lines.next_data(&mut read)? {
        debug_assert!(!is_skipped(line.text.as_bytes()));
        let (ends, asn) =
            table_txt(line.text).ok_or_else(|| line.error("a prefix, a blank and an AS number"))?;
        counted.add(ends, &[asn], false, 1, &mut read);
    }
    counted.hand_over(into, &mut read);
    Ok(read)
}
