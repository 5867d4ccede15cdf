//! A simulated measurement with everything kept, its bundle, and its check.

use std::path::Path;
use std::process::{Command, Stdio};

use lasthop::asdb::Table;
use lasthop::bundle::{self, AtHand, ClockState, Environment, Evidence, Given};
use lasthop::capture::{About, Log, Tap};
use lasthop::path::Overlay;
use lasthop::report::{self, Document, Measured, Session as Place};
use lasthop::session::{self, Diagnosis};
use lasthop::sim::{Network, Topology, scenarios};
use lasthop::trace::WallTime;
use lasthop::trace::record::Settings;
use lasthop::trace::schema::{AsTable, Vantage};

const STARTED: WallTime = WallTime(1_551_600_000_000_000_000);
const CONFIDENCE: f64 = 0.99;

/// A finished measurement.
pub struct Case {
    topology: Topology,
    found: Diagnosis,
    log: Log,
    document: Document,
    environment: Environment,
}

impl Case {
    /// The story, measured once. `None` if the simulator does not take it.
    pub fn story() -> Option<Self> {
        let (_, text) = scenarios().iter().find(|(name, _)| *name == "proton")?;
        let topology: Topology = text.parse().ok()?;
        let mut network = Network::new(&topology, false, 1).ok()?;
        let plan = network.plan(&topology, 1).ok()?;
        let settings = Settings { confidence: CONFIDENCE, wait: plan.wait };
        let mut tap = Tap::new(&mut network, &plan, STARTED, settings, None, &About::default()).ok()?;
        let origins = origins(&topology);
        let found = session::diagnose(plan, STARTED, &mut tap, &origins, CONFIDENCE, &mut |_| {}).ok()?;
        let (log, _) = tap.finish();
        let vantage = Vantage {
            source: Some(found.run.source),
            label: Some("simulated".to_owned()),
            ..Vantage::default()
        };
        let measured = Measured {
            run: &found.run,
            target: &found.target,
            references: &found.references,
            verdict: Some(&found.verdict),
            search: None,
            matrix: false,
        };
        let document = report::document(&Place { vantage, asdb: Some(table()) }, measured, None);
        let environment = Environment {
            schema: Environment::SCHEMA.to_owned(),
            tool: document.tool.clone(),
            program_sha256: None,
            command: vec!["lasthop".to_owned(), "demo".to_owned()],
            seed: found.run.seed,
            kernel: None,
            interface: None,
            simulated: Some("proton".to_owned()),
            clock: ClockState::default(),
            losses: found.run.losses,
            strays: found.run.strays,
            table: Some(table()),
            credits: Vec::new(),
            redaction: None,
        };
        Some(Self { topology, found, log, document, environment })
    }

    /// Packets kept.
    pub fn packets(&self) -> usize {
        self.log.events.len()
    }

    /// The bundle; empty if it cannot be made.
    pub fn make(&self) -> Vec<u8> {
        let evidence = Evidence {
            run: &self.found.run,
            log: &self.log,
            document: &self.document,
            origins: &origins(&self.topology),
            names: &[],
            environment: &self.environment,
        };
        bundle::make(&evidence, None).map_or_else(|_| Vec::new(), |made| made.bytes)
    }
}

/// Whether a bundle verifies.
pub fn verifies(bytes: &[u8]) -> bool {
    let at_hand = AtHand { origins: Table::embedded(), table: table() };
    bundle::verify(bytes, &Given { at_hand, key: None, beside: None }).is_ok_and(|found| found.verified)
}

/// A program that does part of the same work on files, in a folder; whether it succeeded.
pub fn peer(folder: &Path, command: &str) -> bool {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    shell.status().is_ok_and(|status| status.success())
}

fn origins(topology: &Topology) -> Overlay<'_> {
    let ixps = topology.exchanges().into_iter().map(|(prefix, _)| prefix).collect();
    let links = topology.neighbours();
    Overlay { entries: topology.prefixes(), ixps, links, under: Some(Table::embedded()) }
}

fn table() -> AsTable {
    let info = Table::embedded().info();
    AsTable {
        origin: info.origin,
        built_at: info.built_at.map(|day| format!("{day}T00:00:00Z")),
        sha256: info.sha256.to_string(),
        prefixes: info.prefixes,
        age_days: None,
        warning: None,
        sources: Vec::new(),
        adjacency: None,
        exchanges: None,
    }
}
