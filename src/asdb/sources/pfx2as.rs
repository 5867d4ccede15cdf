//! CAIDA RouteViews prefix-to-AS: `network⇥length⇥origins`.
//!
//! `_` stands between the origins of a prefix announced by several ASes, most frequent first, `,` between the members of an
//! AS_SET; both may occur in one field. Prefixes nest as they were announced.

use std::net::IpAddr;
use std::path::Path;

use ipnetwork::IpNetwork;

use super::{Fields, rows};
use crate::asdb::build::Builder;
use crate::asdb::error::Error;
use crate::number::Asn;

pub(crate) fn read(text: &[u8], path: &Path, into: &mut Builder) -> Result<(), Error> {
    let mut origins: Vec<Asn> = Vec::new();
    rows(text, path, Fields::Tabs, |row| {
        let network: Option<IpAddr> = row.field(0).parse().ok();
        let length: Option<u8> = row.field(1).parse().ok();
        let network = network.zip(length).and_then(|(network, length)| IpNetwork::new(network, length).ok());
        let network = network.ok_or_else(|| row.error("a network and its length"))?;
        let field = row.field(2);
        origins.clear();
        for text in field.split(['_', ',']) {
            let asn = text.parse().map_err(|_| row.error("AS numbers with _ or , between them"))?;
            if !origins.contains(&asn) {
                origins.push(asn);
            }
        }
        into.range(network.network(), network.broadcast(), &origins, field.contains(','))
            .map_err(|_| row.error("a network and its length"))
    })
}
