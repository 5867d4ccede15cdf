//! CAIDA RouteViews prefix-to-AS: `network⇥length⇥origins`.
//!
//! `_` stands between the origins of a prefix announced by several ASes, most frequent first, `,` between the members of an
//! AS_SET; both may occur in one field. Prefixes nest as they were announced.

use std::io::BufRead;
use std::net::IpAddr;
use std::path::Path;

use ipnetwork::IpNetwork;

use super::text::{Fields, origins, rows};
use super::{Format, Read};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;

pub(crate) fn read(input: impl BufRead, path: &Path, into: &mut Builder) -> Result<Read, Error> {
    let mut read = Read::new(Format::Pfx2As);
    let mut asns = Vec::new();
    rows(input, path, Fields::Tabs, &mut read, |row, read| {
        let network: Option<IpAddr> = row.field(0).parse().ok();
        let length: Option<u8> = row.field(1).parse().ok();
        let network = network.zip(length).and_then(|(network, length)| IpNetwork::new(network, length).ok());
        let network = network.ok_or_else(|| row.error("a network and its length"))?;
        let as_set = origins(row.field(2), &mut asns)
            .ok_or_else(|| row.error("AS numbers with _ or , between them"))?;
        into.range(network.network(), network.broadcast(), &asns, as_set)
            .map_err(|_| row.error("a network and its length"))?;
        read.kept += 1;
        Ok(())
    })?;
    Ok(read)
}
