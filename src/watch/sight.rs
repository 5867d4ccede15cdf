//! What one run says of the state of things: the target answers, it is lost at this place, or nothing.
//!
//! The third is the important one. Where the reference is down too, where the run broke off or the evidence was weak, nothing
//! was seen; to count that as good would end blocks that go on, to count it as bad would begin them whenever a network is
//! serviced.

use serde::{Deserialize, Serialize};

use crate::trace::WallTime;
use crate::trace::schema::{Document, Verdict};
use crate::verdict::{Kind, Reason};

/// What a run shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The target answers.
    Reachable,
    /// The target is lost, and the run shows it by a comparison that holds.
    Lost,
    /// The run tells nothing of the target: inconclusive, broken off, or failed.
    Unknown,
}

impl Standing {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Reachable, Self::Lost, Self::Unknown];

    /// Its word in JSON, in the history and in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reachable => "reachable",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }

    /// The one of this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// What a verdict of this kind says.
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Reachable => Self::Reachable,
            Kind::LostInsideAs
            | Kind::LostAtAsBorder
            | Kind::LostInAsRange
            | Kind::DestinationNetwork
            | Kind::HostOrReturnPath
            | Kind::Rejected
            | Kind::Injected
            | Kind::Intercepted
            | Kind::RoutingFault
            | Kind::Partial
            | Kind::Local => Self::Lost,
            Kind::Inconclusive => Self::Unknown,
        }
    }
}

/// Where packets are lost, as one verdict says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The verdict's kind.
    pub kind: String,
    /// The ASes that may own the place, ascending; the target's own where only the host is silent.
    pub asns: Vec<u32>,
    /// Their names in the same order; empty where none is known.
    #[serde(default)]
    pub as_names: Vec<String>,
    /// Address of the last router proven reached.
    #[serde(default)]
    pub after: Option<String>,
    /// Address of the first hop proven not reached.
    #[serde(default)]
    pub before: Option<String>,
    /// TTLs of the two.
    #[serde(default)]
    pub ttls: [Option<u8>; 2],
    /// How packets are lost.
    #[serde(default)]
    pub mechanism: String,
    /// The verdict in words.
    #[serde(default)]
    pub summary: String,
}

impl Place {
    fn of(verdict: &Verdict, document: &Document) -> Self {
        let own = document.target.as_ref().and_then(|target| Some((target.asn?, target.as_name.clone())));
        let host = verdict.kind == Kind::HostOrReturnPath.word();
        let mut named: Vec<(u32, String)> = match (verdict.asns.is_empty(), own) {
            (true, Some((asn, name))) if host => vec![(asn, name.unwrap_or_default())],
            _ => {
                let names = verdict.as_names.iter().cloned().chain(std::iter::repeat(String::new()));
                verdict.asns.iter().copied().zip(names).collect()
            }
        };
        named.sort();
        named.dedup_by_key(|one| one.0);
        Self {
            kind: verdict.kind.clone(),
            asns: named.iter().map(|one| one.0).collect(),
            as_names: named.into_iter().map(|one| one.1).collect(),
            after: verdict.after.clone(),
            before: verdict.before.clone(),
            ttls: [verdict.after_ttl, verdict.before_ttl],
            mechanism: verdict.mechanism.clone(),
            summary: verdict.summary.clone(),
        }
    }

    /// Whether two places cannot be one: both name networks, and none in common.
    #[must_use]
    pub fn is_apart(&self, asns: &[u32]) -> bool {
        !self.asns.is_empty() && !asns.is_empty() && !self.asns.iter().any(|asn| asns.contains(asn))
    }
}

/// References were measured, and none got through.
fn is_alone(document: &Document, verdict: &Verdict) -> bool {
    let references = &document.references;
    !references.is_empty() && verdict.evidence.references == 0 && !references.iter().any(|one| one.reached)
}

/// One run, as the test of change sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When it began, by the wall clock.
    pub at: WallTime,
    /// What it shows.
    pub standing: Standing,
    /// Where the target is lost, if it is.
    pub place: Option<Place>,
    /// The verdict's kind; `failed` where there is none.
    pub kind: String,
    /// Why nothing is known, in a word.
    pub reason: Option<String>,
}

impl Sighting {
    /// What this run shows. A run that was broken off shows nothing, whatever it had found until then.
    #[must_use]
    pub fn of(document: &Document, at: WallTime) -> Self {
        let blind = |kind: &str, reason: Option<String>| Self {
            at,
            standing: Standing::Unknown,
            place: None,
            kind: kind.to_owned(),
            reason,
        };
        let broken = document.measurement.as_ref().is_some_and(|one| one.incomplete);
        let Some(verdict) = &document.verdict else {
            return blind("failed", document.error.as_ref().map(|error| error.kind.clone()));
        };
        // A word of another version says nothing to this one.
        let kind = Kind::ALL.iter().find(|kind| kind.word() == verdict.kind).copied();
        match kind.map_or(Standing::Unknown, Standing::of) {
            _ if broken || document.error.is_some() => {
                let why = document.error.as_ref().map_or("interrupted", |error| &error.kind);
                blind("failed", Some(why.to_owned()))
            }
            Standing::Unknown => blind(&verdict.kind, verdict.reason.clone()),
            Standing::Reachable => Self {
                at,
                standing: Standing::Reachable,
                place: None,
                kind: verdict.kind.clone(),
                reason: None,
            },
            // The comparison is what a verdict of loss lives by. Where nothing compared with gets through either, whatever the
            // verdict makes of it, a whole network may be in maintenance.
            Standing::Lost if is_alone(document, verdict) => {
                blind(&verdict.kind, Some(Reason::ReferenceUnreachable.word().to_owned()))
            }
            Standing::Lost => Self {
                at,
                standing: Standing::Lost,
                place: Some(Place::of(verdict, document)),
                kind: verdict.kind.clone(),
                reason: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::schema::{Failure, Measurement, Path};

    fn document(kind: &str, reached: &[bool]) -> Document {
        let verdict = serde_json::json!({
            "kind": kind, "asns": [2, 1], "as_names": ["two", "one"], "after_ttl": 3, "before_ttl": 5, "after": null,
            "before": null, "mechanism": "silent_drop", "scope": "host", "location_confidence": 0.99,
            "attribution_confidence": 0.9, "reason": null, "summary": "s", "next_step": null,
            "evidence": {"pairs": 8, "target_answered": 0, "reference_answered": 8, "e_value": 100.0, "posterior": 0.99,
                "flows": 8, "references": 0}
        });
        let reference = |reached: &bool| Path { reached: *reached, ..Path::default() };
        Document {
            verdict: Some(serde_json::from_value(verdict).unwrap()),
            references: reached.iter().map(reference).collect(),
            ..Document::default()
        }
    }

    fn shows(document: &Document) -> Standing {
        Sighting::of(document, WallTime(0)).standing
    }

    #[test]
    fn every_kind_shows_something_or_nothing() {
        for kind in Kind::ALL {
            let wanted = match kind {
                Kind::Reachable => Standing::Reachable,
                Kind::Inconclusive => Standing::Unknown,
                _ => Standing::Lost,
            };
            assert_eq!(shows(&document(kind.word(), &[true])), wanted, "{kind}");
        }
        assert_eq!(shows(&document("a_kind_of_a_later_version", &[true])), Standing::Unknown);
    }

    #[test]
    fn a_loss_with_no_reference_that_works_shows_nothing() {
        for kind in ["host_or_return_path", "destination_network", "routing_fault"] {
            assert_eq!(shows(&document(kind, &[false, false])), Standing::Unknown);
            assert_eq!(shows(&document(kind, &[false, true])), Standing::Lost);
        }
        // Whoever refuses says so by himself, where nothing was to be compared with.
        assert_eq!(shows(&document("rejected", &[])), Standing::Lost);
        // The target's own answer needs no comparison.
        assert_eq!(shows(&document("reachable", &[false])), Standing::Reachable);
    }

    #[test]
    fn a_run_that_broke_off_shows_nothing_whatever_it_had_found() {
        let mut broken = document("lost_inside_as", &[true]);
        broken.measurement = Some(Measurement { incomplete: true, ..Measurement::default() });
        assert_eq!(shows(&broken), Standing::Unknown);
        let mut failed = document("reachable", &[true]);
        failed.error = Some(Failure { kind: "network".into(), message: String::new(), hint: None });
        let sighting = Sighting::of(&failed, WallTime(0));
        assert_eq!((sighting.standing, sighting.reason.as_deref()), (Standing::Unknown, Some("network")));
        assert_eq!(shows(&Document::default()), Standing::Unknown);
    }

    #[test]
    fn networks_are_in_order_with_their_names() {
        let place = Sighting::of(&document("lost_at_as_border", &[true]), WallTime(0)).place.unwrap();
        assert_eq!((place.asns.as_slice(), place.as_names.join(" ")), (&[1, 2][..], "one two".to_owned()));
        assert!(place.is_apart(&[3]) && !place.is_apart(&[2, 3]) && !place.is_apart(&[]));
    }
}
