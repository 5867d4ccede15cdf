//! What the view shows of one measurement: the document that it would be at this moment, and what a document has no room for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::path::{Atlas, Origins, paths};
use crate::probe::Budget;
use crate::report::{self, Document, Measured, Session};
use crate::session::Glimpse;
use crate::trace::{DestinationId, Moment, Need, Probe, Run, Stage};

/// Most probes of a hop that are shown one by one.
pub const STRIP: usize = 24;

/// One measurement as it stands.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// What it would be if it ended now.
    pub document: Document,
    /// For the target and each reference, by TTL: the fate of the last probes, oldest first, `.` for an answer, `?` for none,
    /// `~` for a probe whose fate is open.
    pub strips: Vec<BTreeMap<u8, String>>,
    /// Time into the run.
    pub now: Duration,
    /// Probes so far, and those that were answered.
    pub probes: (usize, usize),
    /// What the run may cost.
    pub budget: Budget,
    /// How sure the place must be; none where nothing is concluded.
    pub confidence: Option<f64>,
    /// What is being asked.
    pub doing: String,
}

impl Model {
    /// Takes in what is seen of the measurement. A search for references is a run of its own: the picture stays as it is
    /// meanwhile.
    pub fn take(&mut self, glimpse: &Glimpse<'_>, atlas: &mut Atlas<'_>) {
        let run = glimpse.run;
        let answered = run.probes.iter().filter(|probe| probe.was_answered()).count();
        if glimpse.searching {
            self.doing = format!(
                "nothing to compare with yet: asking neighbours of the target, one a second; {} packets, {answered} \
                 answered",
                run.probes.len()
            );
            return;
        }
        let (target, references) = paths(run, atlas);
        let lanes = std::iter::once(&target).chain(&references);
        self.strips = lanes.map(|path| strips(run, path.destination)).collect();
        let measured = Measured {
            run,
            target: &target,
            references: &references,
            verdict: glimpse.verdict,
            search: None,
            matrix: false,
        };
        self.document = report::document(&Session::default(), measured, None);
        self.now = glimpse.now.since(Moment::START);
        self.probes = (run.probes.len(), answered);
        self.doing = doing(glimpse);
    }
}

/// Takes looks at one measurement, and knows whose addresses are whose there.
pub struct Eye<'a> {
    atlas: Atlas<'a>,
    model: Model,
}

impl<'a> Eye<'a> {
    /// For a measurement within `budget`; `confidence` is the one asked for, none where nothing is concluded.
    pub fn new(origins: &'a dyn Origins, budget: Budget, confidence: Option<f64>) -> Self {
        Self { atlas: Atlas::new(origins), model: Model { budget, confidence, ..Model::default() } }
    }

    /// The picture after one more look.
    pub fn look(&mut self, glimpse: &Glimpse<'_>) -> Model {
        self.model.take(glimpse, &mut self.atlas);
        self.model.clone()
    }
}

/// The fate of the last probes to one destination, by TTL.
fn strips(run: &Run, to: DestinationId) -> BTreeMap<u8, String> {
    let mut fates: BTreeMap<u8, Vec<char>> = BTreeMap::new();
    for probe in run.probes_to(to).filter(|probe| probe.stage != Stage::Reach) {
        fates.entry(probe.ttl).or_default().push(fate(probe));
    }
    let last = |fates: Vec<char>| fates[fates.len().saturating_sub(STRIP)..].iter().collect();
    fates.into_iter().map(|(ttl, fates)| (ttl, last(fates))).collect()
}

fn fate(probe: &Probe) -> char {
    match (probe.was_answered(), probe.is_settled()) {
        (true, _) => '.',
        (false, true) => '?',
        (false, false) => '~',
    }
}

/// What is asked next, in half a line.
fn doing(glimpse: &Glimpse<'_>) -> String {
    let Some(first) = glimpse.needs.first() else { return "waiting for answers".to_owned() };
    let same = || glimpse.needs.iter().filter(|need| need.stage == first.stage);
    let hops = hops(same());
    match first.stage {
        Stage::Reach => "asking the hosts themselves".to_owned(),
        Stage::Scout => format!("looking at {hops}"),
        Stage::Breadth => format!("asking by other flows at {hops}"),
        Stage::Confirm if first.members.len() > 1 => {
            format!("asking in pairs, target and reference, at {hops}")
        }
        Stage::Confirm => format!("asking again at {hops}"),
        Stage::Close => format!("looking once more, whether anything has moved, at {hops}"),
    }
}

/// `hops 5–8, 12`.
fn hops<'a>(needs: impl Iterator<Item = &'a Need>) -> String {
    let mut ttls: Vec<u8> = needs.filter_map(|need| need.ttl).collect();
    ttls.sort_unstable();
    ttls.dedup();
    let mut spans: Vec<(u8, u8)> = Vec::new();
    for ttl in ttls.iter().copied() {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == ttl => *last = ttl,
            _ => spans.push((ttl, ttl)),
        }
    }
    let words: Vec<String> = spans
        .into_iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}–{last}") })
        .collect();
    match ttls.len() {
        0 => "full distance".to_owned(),
        1 => format!("hop {}", words.join(", ")),
        _ => format!("hops {}", words.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{FlowId, Member};

    fn need(ttl: u8) -> Need {
        let members = vec![Member { destination: Run::TARGET, flow: FlowId(0) }];
        Need { members, ttl: Some(ttl), stage: Stage::Confirm }
    }

    #[test]
    fn neighbouring_hops_are_told_as_a_span() {
        let said = |ttls: &[u8]| {
            let needs: Vec<Need> = ttls.iter().map(|ttl| need(*ttl)).collect();
            hops(needs.iter())
        };
        assert_eq!(said(&[7]), "hop 7");
        assert_eq!(said(&[9, 7, 8, 8, 12]), "hops 7–9, 12");
        assert_eq!(said(&[254, 255]), "hops 254–255");
        assert_eq!(said(&[]), "full distance");
    }
}
