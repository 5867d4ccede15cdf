//! `demo`: the main job in a simulated Internet. No root, no network, nothing installed.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::args;
use super::diagnose;
use super::exit::Exit;
use super::failure::{Failure, error_text};
use super::keep::{Keep, Surroundings};
use super::output::{self, Sink};
use super::progress::Progress;
use super::simulated;
use super::view::{self, Stage, View};
use crate::asdb::Table;
use crate::capture::Tap;
use crate::report::{self, Document, Session};
use crate::session::{self, Diagnosis};
use crate::sim::{self, Network, Topology};
use crate::trace::WallTime;
use crate::trace::record::Settings;

/// The scenario that is shown when none is named.
const STORY: &str = "proton";
/// The morning of the story, so that the same seed gives the same bytes on any day.
pub const STARTED_AT: WallTime = WallTime(1_551_600_000_000_000_000);
/// How sure a place must be before it is named; what `diagnose` does by default.
const CONFIDENCE: f64 = 0.99;

/// `lasthop demo`.
pub fn demo(words: &args::Demo) -> Exit {
    let result = if words.list { list(words) } else { play(words) };
    result.unwrap_or_else(|failure| failure.end(words.output.prints_json()))
}

fn list(words: &args::Demo) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for (name, text) in sim::scenarios() {
        rows.push((*name, parse(name, text)?));
    }
    output::stdout(|out| {
        if words.output.prints_json() {
            let scenarios: Vec<Value> = rows
                .iter()
                .map(|(name, topology)| {
                    json!({
                        "name": name,
                        "title": topology.title,
                        "truth": topology.truth,
                        "verdicts": topology.verdicts.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    })
                })
                .collect();
            return report::json(out, &scenarios);
        }
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, topology) in &rows {
            writeln!(out, "{name:width$}  {}", report::safe(&topology.title))?;
        }
        Ok(())
    })?;
    Ok(Exit::Ok)
}

fn play(words: &args::Demo) -> Result<Exit, Failure> {
    let name = words.scenario.as_deref().unwrap_or(STORY);
    let topology = scenario(name)?;
    let stage = Stage::open(words.live.wanted(), words.output.color);
    let mut sink = Sink::open(&words.output)?;
    let mut keep = Keep::open(words.pcap.as_deref(), Some(&words.keeping))?;
    let mut network = Network::new(&topology, words.ipv6, words.seed)
        .map_err(|error| Failure::input(format!("{name}: {error}"), error.hint()))?;
    let plan = network
        .plan(&topology, words.seed)
        .map_err(|error| Failure::input(format!("{name}: {error}"), error.hint()))?;
    let table = Table::embedded();
    let origins = simulated::origins(&topology);
    let search = simulated::search(&topology, &mut network);
    let settings = Settings { confidence: CONFIDENCE, wait: plan.wait };
    let about = diagnose::about(&Session::default());
    let view = diagnose::begin(stage)?;
    let handle = view.as_ref().map(View::handle);
    let watcher = handle.as_ref().map(|view| view.watcher(0, &origins, plan.budget, Some(CONFIDENCE)));
    let mut progress = Progress::viewed(watcher, || Progress::new(words.output.verbose == 0));
    let mut wire = view::slowed(&mut network, handle.as_ref());
    let mut tap = Tap::new(&mut wire, &plan, STARTED_AT, settings, keep.stream()?, &about)?;
    let found = session::diagnose_searching(
        plan,
        STARTED_AT,
        &mut tap,
        &origins,
        CONFIDENCE,
        search.as_ref(),
        &mut |glimpse| progress.see(glimpse),
    )?;
    progress.end();
    drop(view);
    let (log, unstreamed) = tap.finish();
    if let (Some(searched), true) = (&found.search, words.output.verbose > 0) {
        diagnose::touched(searched);
    }
    let right = fits(&topology, &found);
    let known = simulated::session(found.run.source, &origins, STARTED_AT);
    let document = diagnose::document(&known, &found, false, None);
    let title = Some(topology.title.clone());
    let around = Surroundings { table, origins: &origins, names: &[], simulated: title };
    let unkept = keep.streamed(unstreamed).or(keep.write(&found.run, &log, &document, &around));
    sink.tell(unkept.as_ref());
    let unwritten = sink.write(
        document,
        |out, document| report::json(out, &with_truth(document, name, &topology, right)),
        |out, document, look| {
            report::story(out, &topology.title, &topology.story, look)?;
            report::run(out, document, look)?;
            report::truth(out, &topology.truth, right, look)
        },
    )?;
    if let Some(failure) = unwritten.or(unkept) {
        failure.say();
        return Ok(failure.exit);
    }
    Ok(if right { Exit::Ok } else { Exit::Differs })
}

/// The scenario of that name, or in that file.
pub fn scenario(name: &str) -> Result<Topology, Failure> {
    if let Some((_, text)) = sim::scenarios().iter().find(|(known, _)| *known == name) {
        return parse(name, text);
    }
    if !Path::new(name).exists() && !name.contains(['/', '.']) {
        return Err(Failure::usage(
            format!("there is no scenario '{name}'"),
            "lasthop demo --list shows them; a file is given by its path",
        ));
    }
    let text = std::fs::read_to_string(name).map_err(|error| {
        Failure::input(
            format!("cannot read the scenario {name}: {}", error_text(&error)),
            Some("lasthop demo --list shows the scenarios that are built in".into()),
        )
    })?;
    parse(name, &sim::with_world(&text))
}

fn parse(name: &str, text: &str) -> Result<Topology, Failure> {
    text.parse::<Topology>().map_err(|error| Failure::input(format!("{name}: {error}"), error.hint()))
}

/// Whether the conclusion is one that the scenario calls right.
fn fits(topology: &Topology, found: &Diagnosis) -> bool {
    let verdict = &found.verdict;
    let reason = verdict.reason.map(|reason| reason.word());
    let (kind, mechanism, scope) = (verdict.kind.word(), verdict.mechanism.word(), verdict.scope.word());
    topology.verdicts.iter().any(|right| right.fits(kind, &verdict.asns, mechanism, scope, reason))
}

/// The document with what the scenario says of itself behind it. The fields keep their order, so that the document is still
/// known by its beginning.
#[derive(Serialize)]
struct WithTruth<'a> {
    #[serde(flatten)]
    document: &'a Document,
    scenario: Value,
}

fn with_truth<'a>(document: &'a Document, name: &str, topology: &Topology, right: bool) -> WithTruth<'a> {
    let scenario = json!({
        "name": name,
        "title": topology.title,
        "truth": topology.truth,
        "verdicts": topology.verdicts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "concluded_right": right,
    });
    WithTruth { document, scenario }
}
