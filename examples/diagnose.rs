//! A diagnosis in another program: a scenario is measured in the simulated Internet, judged and reported.
//!
//! `cargo run --example diagnose`. Over real sockets only the wire is another: `lasthop::net::LiveWire`.

use std::io::Write;

use lasthop::asdb::Table;
use lasthop::path::Overlay;
use lasthop::report::{self, Format, Measured, Options, Runs, Session};
use lasthop::session;
use lasthop::sim::{self, Network, Topology};
use lasthop::trace::WallTime;
use lasthop::verdict::Verdict;

/// Measures the scenario of that name, writes the report to `out` and gives the verdict.
pub fn diagnose(name: &str, out: &mut dyn Write) -> Result<Verdict, Box<dyn std::error::Error>> {
    let (_, text) = sim::scenarios().iter().find(|(known, _)| *known == name).ok_or("no such scenario")?;
    let topology: Topology = text.parse()?;
    let mut network = Network::new(&topology, false, 1)?;
    let plan = network.plan(&topology, 1)?;
    // Whose addresses are whose: the scenario's own networks first, then the real Internet's.
    let own = topology.prefixes();
    let origins = Overlay { entries: own, ixps: vec![], links: None, under: Some(Table::embedded()) };
    let found = session::diagnose(plan, WallTime(0), &mut network, &origins, 0.99, &mut |_| {})?;
    let measured = Measured {
        run: &found.run,
        target: &found.target,
        references: &found.references,
        verdict: Some(&found.verdict),
        search: None,
        matrix: false,
    };
    let document = report::document(&Session::default(), measured, None);
    report::write(out, &Runs::from(document), Format::Ticket, Options::default())?;
    Ok(found.verdict)
}

#[allow(dead_code, reason = "a test takes the function above and leaves this")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let verdict = diagnose("proton", &mut std::io::stdout())?;
    eprintln!("{}: {:?}", verdict.kind.word(), verdict.asns);
    Ok(())
}
