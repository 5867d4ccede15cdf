//! A world with several vantages, measured from each as people would: some run the program, some have a measurement network, some
//! paste a traceroute. Shared by the tests and by `benches/joint.rs`.

use lasthop::path::Overlay;
use lasthop::report::{self, Measured, Session};
use lasthop::session;
use lasthop::sim::several::World;
use lasthop::sim::{Network, Topology};
use lasthop::trace::WallTime;
use lasthop::trace::schema::{Document, Origin, Vantage};

/// How a vantage is measured from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `lasthop diagnose`.
    Own,
    /// Traces of target and reference, as this format keeps them.
    Traces(&'static str),
}

/// Of every five vantages three run the program, one is a probe of RIPE Atlas, and one pastes text.
pub fn mixed(place: usize) -> How {
    match place % 5 {
        1 => How::Traces("atlas"),
        3 => How::Traces("traceroute"),
        _ => How::Own,
    }
}

/// 2019-03-03 10:00 UTC.
const STARTED: WallTime = WallTime(1_551_607_200_000_000_000);

/// The documents of all vantages.
pub fn documents(world: &World, seed: u64, how: impl Fn(usize) -> How) -> Vec<Document> {
    let mut found = Vec::new();
    for (place, view) in world.views.iter().enumerate() {
        let seed = seed.wrapping_mul(31).wrapping_add(place as u64);
        let label = format!("vantage {}", place + 1);
        match how(place) {
            How::Own => found.push(diagnosed(view, world.v6, seed, &label)),
            How::Traces(format) => {
                for target in [&view.target, &view.references[0]] {
                    let view = Topology { target: target.clone(), references: Vec::new(), ..view.clone() };
                    found.push(traced(&view, world.v6, seed, &label, format));
                }
            }
        }
    }
    found
}

fn session(label: &str) -> Session {
    Session { vantage: Vantage { label: Some(label.to_owned()), ..Vantage::default() }, asdb: None }
}

fn diagnosed(view: &Topology, v6: bool, seed: u64, label: &str) -> Document {
    let mut network = Network::new(view, v6, seed).unwrap();
    let plan = network.plan(view, seed).unwrap();
    let origins = Overlay { entries: view.prefixes(), ixps: vec![], links: None, under: None };
    let found = session::diagnose(plan, STARTED, &mut network, &origins, 0.99, &mut |_| {}).unwrap();
    let measured = Measured {
        run: &found.run,
        target: &found.target,
        references: &found.references,
        verdict: Some(&found.verdict),
        search: None,
        matrix: false,
    };
    report::document(&session(label), measured, None)
}

fn traced(view: &Topology, v6: bool, seed: u64, label: &str, format: &str) -> Document {
    let mut network = Network::new(view, v6, seed).unwrap();
    let plan = network.plan(view, seed).unwrap();
    let origins = Overlay { entries: view.prefixes(), ixps: vec![], links: None, under: None };
    let found = session::trace(plan, STARTED, &mut network, &origins, 3, &mut |_| {}).unwrap();
    let measured = Measured {
        run: &found.run,
        target: &found.path,
        references: &[],
        verdict: None,
        search: None,
        matrix: false,
    };
    let origin = Origin {
        format: format.to_owned(),
        dialect: None,
        version: None,
        file: Some(format!("{label}.txt")),
        lines: None,
        measurement: None,
    };
    Document { origin: Some(origin), ..report::document(&session(label), measured, None) }
}
