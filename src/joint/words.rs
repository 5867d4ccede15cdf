//! What several runs say together, in sentences.

use std::collections::{BTreeMap, BTreeSet};

use super::explain::{Doubt, Explained};
use super::sighting::{Seen, Sighting, State};
use super::{Cell, Joint};
use crate::trace::schema::Document;

/// Places named in a sentence before the rest is counted.
const NAMED: usize = 4;

struct Words<'a> {
    seen: &'a Seen,
    found: &'a Explained,
}

/// The conclusion, written out.
pub fn joint(runs: &[Document], seen: &Seen, found: Explained) -> Joint {
    let words = Words { seen, found: &found };
    let mut asns: Vec<u32> = Vec::new();
    for asn in found.parts.iter().flat_map(|part| &part.asns) {
        if !asns.contains(asn) {
            asns.push(*asn);
        }
    }
    let name = |asn: &u32| seen.names.get(asn).cloned().unwrap_or_default();
    Joint {
        kind: found.kind,
        as_names: asns.iter().map(name).collect(),
        attribution_confidence: if asns.is_empty() { 0.0 } else { (found.confidence * 1e4).round() / 1e4 },
        asns,
        grade: found.grade,
        summary: words.summary(),
        reason: found.reason,
        next_step: words.next_step(runs),
        cannot_tell: words.cannot_tell(),
        vantages: seen.vantages.clone(),
        targets: seen.targets.clone(),
        matrix: words.matrix(),
        parts: found.parts.clone(),
        cleared: found.cleared.iter().copied().collect(),
    }
}

fn list(items: &[String], last: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [init @ .., end] => format!("{} {last} {end}", init.join(", ")),
    }
}

/// A few of them, and how many more.
fn few(items: &[String]) -> String {
    if items.len() <= NAMED + 1 {
        return list(items, "and");
    }
    format!("{} and {} more", items[..NAMED].join(", "), items.len() - NAMED)
}

impl Words<'_> {
    fn system(&self, asn: u32) -> String {
        match self.seen.names.get(&asn).filter(|name| !name.is_empty()) {
            Some(name) => format!("AS{asn} ({name})"),
            None => format!("AS{asn}"),
        }
    }

    fn systems(&self, asns: impl IntoIterator<Item = u32>) -> Vec<String> {
        asns.into_iter().map(|asn| self.system(asn)).collect()
    }

    fn label(&self, vantage: usize) -> String {
        self.seen.vantages[vantage].label.clone()
    }

    fn labels(&self, of: impl Fn(&Sighting) -> bool) -> Vec<String> {
        let rows: BTreeSet<usize> =
            self.seen.sightings.iter().filter(|one| of(one)).map(|one| one.vantage).collect();
        rows.into_iter().map(|row| self.label(row)).collect()
    }

    fn targets(&self) -> String {
        let names: Vec<String> = self.seen.targets.iter().map(|target| target.host.clone()).collect();
        few(&names)
    }

    fn works(&self) -> Vec<String> {
        self.labels(|one| one.state == State::Works)
    }

    fn fails(&self) -> Vec<String> {
        self.labels(|one| matches!(one.state, State::Stops | State::Host))
    }

    fn of_run(&self, run: usize) -> Option<&Sighting> {
        self.seen.sightings.iter().find(|one| one.run == run)
    }

    fn summary(&self) -> String {
        let targets = self.targets();
        let works = self.works();
        let arrive = match works.as_slice() {
            [] => String::new(),
            works => format!(" From {} they arrive.", few(works)),
        };
        match self.found.kind {
            "reachable" => format!("From {} packets to {targets} arrive.", few(&works)),
            "inconclusive" => self.inconclusive(&targets, &arrive),
            "host_or_return_path" | "destination_network" => {
                let home = self.systems(self.found.parts.iter().flat_map(|part| part.asns.iter().copied()));
                let whose = if home.is_empty() { "its own network".to_owned() } else { list(&home, "and") };
                let rest = if works.is_empty() {
                    " No network on the way is to blame as far as these runs tell: the host may be down, filtered there, or \
                     its answers lost on their way back."
                } else {
                    " It answers some and not others: it, or its network, may choose by source, or the way back to some is \
                     broken."
                };
                format!(
                    "From {} packets to {targets} come as far as {whose} and get no answer.{arrive}{rest}",
                    few(&self.fails())
                )
            }
            _ => {
                let mut text = String::new();
                for (place, part) in self.found.parts.iter().enumerate() {
                    let runs: BTreeSet<usize> = part.runs.iter().copied().collect();
                    let from = few(&self.labels(|one| runs.contains(&one.run)));
                    let who = list(&self.systems(part.asns.iter().copied()), "or");
                    let where_ = match part.asns.len() {
                        1 => format!("in {who}"),
                        2 => format!(
                            "at the border of {}",
                            list(&self.systems(part.asns.iter().copied()), "and")
                        ),
                        _ => format!("somewhere in {who}"),
                    };
                    let begin = if place == 0 { "From" } else { " From" };
                    text.push_str(&format!("{begin} {from} packets to {targets} stop {where_}."));
                }
                text.push_str(&arrive);
                let cleared: Vec<u32> = self.found.cleared.iter().copied().collect();
                if !cleared.is_empty() {
                    text.push_str(&format!(
                        " {} lie{} on the paths that stop as well, and carr{} packets to {targets} from elsewhere.",
                        list(&self.systems(cleared.iter().copied()), "and"),
                        if cleared.len() == 1 { "s" } else { "" },
                        if cleared.len() == 1 { "ies" } else { "y" },
                    ));
                }
                text
            }
        }
    }

    fn inconclusive(&self, targets: &str, arrive: &str) -> String {
        let fails = self.fails();
        let stop = match fails.as_slice() {
            [] => format!("No run says what becomes of packets to {targets}."),
            fails => format!("From {} packets to {targets} are not answered.", few(fails)),
        };
        let why = match self.found.reason {
            Some("contradiction") => {
                " Some paths stop on the way and others come to the destination and die there, and nobody sees the host alive: \
                 nobody is named."
            }
            Some("no_reference") => {
                " Nothing that answers was measured beside it, so that silence may be anybody's."
            }
            _ => " Where they stop has no firm bounds, or nobody sees the host alive: nobody is named.",
        };
        format!("{stop}{arrive}{}", if fails.is_empty() { "" } else { why })
    }

    fn next_step(&self, runs: &[Document]) -> Option<String> {
        let target = self.seen.targets.first().map(|target| target.host.clone())?;
        let works = self.works();
        match self.found.kind {
            "reachable" => None,
            "inconclusive" if works.is_empty() => Some(format!(
                "measure {target} from another network, such as a mobile phone's: if it answers there, it is alive, and its path \
                 clears whom it crosses"
            )),
            "inconclusive" => Some(format!(
                "where it fails, run `lasthop diagnose {target} -r HOST` with a host of the same network that answers"
            )),
            "host_or_return_path" | "destination_network" => {
                Some(format!("ask who runs {target}, and for a trace from there to the places that fail"))
            }
            "lost_at_as_border" | "lost_in_as_range" => Some(format!(
                "measure {target} from a network that reaches it by another neighbour of one of the two: who carries its packets is \
                 cleared"
            )),
            _ => {
                let text = self.found.grade.is_some_and(|grade| grade < super::Grade::Own);
                let own = runs.iter().any(|run| run.origin.is_none());
                (text || !own).then(|| {
                    format!(
                        "where it fails, run `lasthop diagnose {target} -r HOST --bundle FILE.zip`: pairs and packets are \
                         evidence that a pasted trace is not"
                    )
                })
            }
        }
    }

    fn cannot_tell(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for doubt in &self.found.doubts {
            lines.push(match doubt {
                Doubt::AlsoCarries(asn, vantage) => format!(
                    "{} also carries packets to the target from {}: what stops them is not everywhere in it",
                    self.system(*asn),
                    self.label(*vantage)
                ),
                Doubt::OnlyElsewhere(asn) => format!(
                    "{} is left out because it carries such packets from elsewhere; that it refuses those of one neighbour only \
                     cannot be excluded",
                    self.system(*asn)
                ),
                Doubt::OrEach(common, others) => format!(
                    "{} would explain all of these paths, and {} would as well, each those of its own: no run narrows it down to \
                     one",
                    list(&self.systems(common.iter().copied()), "or"),
                    list(&self.systems(others.iter().copied()), "and")
                ),
                Doubt::DoesNotFit(run) => format!(
                    "the path of run {} ends elsewhere, without firm bounds: this conclusion does not explain it",
                    run + 1
                ),
                Doubt::Varies(vantage) => {
                    format!("from {} the target answers at one time and not at another", self.label(*vantage))
                }
                Doubt::DiesAtHome(run) => {
                    let from = self.of_run(*run).map_or_else(String::new, |one| self.label(one.vantage));
                    format!("packets from {from} come to the destination's network and get no answer there")
                }
            });
        }
        if self.found.kind.starts_with("lost") {
            lines.push(
                "who ordered it: the operator, equipment imposed on it, or the destination itself".to_owned(),
            );
        }
        if !self.works().is_empty() && self.found.kind == "host_or_return_path" {
            lines.push(
                "whether packets or their answers are lost: only a trace from the far end shows the way back"
                    .to_owned(),
            );
        }
        lines
    }

    fn matrix(&self) -> Vec<Cell> {
        let mut cells: BTreeMap<(usize, usize), Vec<&Sighting>> = BTreeMap::new();
        for one in &self.seen.sightings {
            cells.entry((one.vantage, one.target)).or_default().push(one);
        }
        let cells = cells.into_iter().map(|((vantage, target), of)| {
            // The best evidence speaks; of equal ones the one that says something.
            let rank = |one: &&&Sighting| (one.state != State::Unknown, one.grade, one.at, one.run);
            let best = of.iter().max_by_key(rank).copied().unwrap_or(of[0]);
            Cell {
                vantage,
                target,
                runs: of.iter().map(|one| one.run).collect(),
                state: best.state,
                asns: if best.state == State::Works {
                    Vec::new()
                } else {
                    best.bounds.asns.iter().copied().collect()
                },
                firm: best.bounds.firm,
                last_asn: best.bounds.last,
                grade: best.grade,
                adds: self.adds(best),
            }
        });
        cells.collect()
    }

    /// What one run adds to the conclusion.
    fn adds(&self, one: &Sighting) -> String {
        let named = |asn: &u32| self.found.parts.iter().any(|part| part.asns.contains(asn));
        match one.state {
            State::Unknown => "nothing".to_owned(),
            State::Works => {
                let clears: Vec<u32> = one
                    .bounds
                    .crossed
                    .iter()
                    .copied()
                    .filter(|asn| self.found.cleared.contains(asn))
                    .collect();
                match clears.is_empty() {
                    true => "the target is alive".to_owned(),
                    false => format!("the target is alive; clears {}", list(&self.systems(clears), "and")),
                }
            }
            State::Host => "packets arrive at the destination's network".to_owned(),
            State::Stops => {
                let asns: Vec<u32> = one.bounds.asns.iter().copied().collect();
                let who = list(&self.systems(asns.iter().copied()), "or");
                match (one.bounds.firm, asns.iter().any(named)) {
                    (_, _) if asns.is_empty() => "packets stop, it is not known where".to_owned(),
                    (true, true) => format!("packets stop in {who}"),
                    (true, false) => format!("packets stop in {who}, which does not fit"),
                    (false, true) => format!("fits: packets are last seen in {who}"),
                    (false, false) => format!("packets are last seen in {who}"),
                }
            }
        }
    }
}
