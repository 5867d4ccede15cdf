//! What a measurement in a simulated Internet rests on, whichever command makes it.

use std::net::IpAddr;

use super::live;
use crate::asdb::Table;
use crate::path::{Origins, Overlay};
use crate::report::Session;
use crate::session::Search;
use crate::sim::{Network, Topology};
use crate::trace::WallTime;
use crate::trace::schema::Vantage;

/// Whose addresses are whose there: the scenario's own word, and the table that is built in below it.
pub fn origins(topology: &Topology) -> Overlay<'static> {
    Overlay {
        entries: topology.prefixes(),
        ixps: topology.exchanges().into_iter().map(|(prefix, _)| prefix).collect(),
        links: topology.neighbours(),
        under: Some(Table::embedded()),
    }
}

/// As `diagnose` does it: where no reference is named, one is looked for, inside the simulated network. Nothing is kept.
pub fn search(topology: &Topology, network: &mut Network) -> Option<Search> {
    topology.references.is_empty().then(|| Search {
        hints: Vec::new(),
        opt_out: Vec::new(),
        source_ports: network.spare_port(),
        known: None,
    })
}

/// Where it is measured from.
pub fn session(source: IpAddr, origins: &dyn Origins, at: WallTime) -> Session {
    Session {
        vantage: Vantage {
            source: Some(source),
            asn: origins.attribute(source).asns.first().map(|asn| asn.0),
            label: Some("simulated".to_owned()),
            ..Vantage::default()
        },
        asdb: Some(live::describe(Table::embedded(), at)),
    }
}
