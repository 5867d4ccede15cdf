//! Several runs, one conclusion: which network the failing paths have in common and the working ones do not cross.
//!
//! One vantage shows where packets stop; it cannot show who is to blame at a border, nor whether the host is alive at all.
//! Several can. Each run says of its target either that it answers, and then every network on the way has carried its packets;
//! or that its path stops, and then one of a few networks has not. The smallest set of networks that explains all of it is
//! the conclusion. This is boolean tomography: Duffield, "Network Tomography of Binary Network Performance Characteristics",
//! IEEE Trans. Inf. Theory 52 (2006).
//!
//! What keeps it honest:
//!
//! * A network is cleared only by packets to the *same target* that crossed it, of about the same time, from another vantage. The
//!   destination's own network is never cleared: it may choose by source.
//! * A path whose place of stopping has no firm bounds is asked whether it fits, and proves nothing.
//! * Transit networks are named only where the target is known to be alive, or by a run of our own that had firm pairs, and never
//!   against a vantage whose packets die at the destination.
//! * Evidence has grades by its source; a conclusion has that of the weakest piece it cannot do without.
//!
//! * `sighting`: from documents to what each says of its target
//! * `bounds`: where a path without a verdict stops, by a reference path of the same vantage
//! * `explain`: the networks that explain all of it
//! * `words`: the same in sentences

mod bounds;
mod explain;
mod sighting;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::trace::schema::Document;

pub use sighting::{Grade, State};

/// What several runs say together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Joint {
    /// One of the verdict kinds of a single run.
    pub kind: &'static str,
    /// The networks that may be to blame: alternatives where there is one part, all of them where there are several.
    pub asns: Vec<u32>,
    /// Their names, in the same order; empty where unknown.
    pub as_names: Vec<String>,
    /// How sure it is that one of them is to blame, at most 0.98.
    pub attribution_confidence: f64,
    /// The grade of the weakest piece of evidence that the conclusion needs.
    pub grade: Option<Grade>,
    /// Two or three sentences.
    pub summary: String,
    /// Why nothing is concluded, in the words of a single run's `reason`.
    pub reason: Option<&'static str>,
    /// The cheapest thing to do next.
    pub next_step: Option<String>,
    /// Networks that have to be to blame each, with the runs that each explains.
    pub parts: Vec<Part>,
    /// Networks that carried packets to the target from elsewhere.
    pub cleared: Vec<u32>,
    /// What these runs cannot tell.
    pub cannot_tell: Vec<String>,
    /// Where it was measured from: the rows of the matrix.
    pub vantages: Vec<VantageRow>,
    /// What was asked about: its columns.
    pub targets: Vec<TargetColumn>,
    /// Its cells, row by row; pairs that were not measured have none.
    pub matrix: Vec<Cell>,
}

/// One network, or one of a few, that explains some of the failing runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Alternatives.
    pub asns: Vec<u32>,
    /// Places of the runs in the set, counted from 0.
    pub runs: Vec<usize>,
}

/// A place that was measured from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VantageRow {
    /// What to call it.
    pub label: String,
    /// Its AS, where that is known.
    pub asn: Option<u32>,
}

/// A host that was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetColumn {
    /// As somebody wrote it.
    pub host: String,
    /// Its address.
    pub address: Option<std::net::IpAddr>,
    /// Its AS.
    pub asn: Option<u32>,
}

/// What is known of a target from a vantage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Row.
    pub vantage: usize,
    /// Column.
    pub target: usize,
    /// Places of the runs in the set, counted from 0.
    pub runs: Vec<usize>,
    /// What became of the packets.
    pub state: State,
    /// Where they stop: the networks that may be to blame, seen from here alone.
    pub asns: Vec<u32>,
    /// Those have firm bounds.
    pub firm: bool,
    /// The last network that is known to have had them.
    pub last_asn: Option<u32>,
    /// How good the evidence is.
    pub grade: Grade,
    /// What this adds to the conclusion.
    pub adds: String,
}

/// What may be said to help.
#[derive(Clone, Default)]
pub struct Hints<'a> {
    /// Places of the runs whose packets are kept and were checked.
    pub with_packets: BTreeSet<usize>,
    /// Hosts or addresses that the question is about; where none is named, those to which some path stops.
    pub targets: Vec<String>,
    /// Hosts or addresses that they are compared with.
    pub references: Vec<String>,
    /// Whether two networks are neighbours: `None` where nothing is known of one of them.
    pub adjacent: Option<&'a dyn Fn(u32, u32) -> Option<bool>>,
}

/// Concludes from several runs, own or imported. `None` where no run says anything of a target.
#[must_use]
pub fn conclude(runs: &[Document], hints: &Hints<'_>) -> Option<Joint> {
    let seen = sighting::all(runs, hints);
    if seen.sightings.is_empty() {
        return None;
    }
    let explained = explain::explain(&seen);
    Some(words::joint(runs, &seen, explained))
}
