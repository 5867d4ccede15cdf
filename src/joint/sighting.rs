//! From documents to what each says of its target.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::bounds::{self, Around, Bounds};
use super::{Hints, TargetColumn, VantageRow};
use crate::trace::schema::{Document, Path};

/// How good evidence is, by its source; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Text that somebody pasted.
    Text,
    /// Totals of mtr and its like: more probes, no pairs.
    Mtr,
    /// Globalping: few probes, but by a third party.
    Globalping,
    /// RIPE Atlas, and scamper's own records: what came is kept reply by reply.
    Atlas,
    /// A run of our own.
    Own,
    /// A run of our own with its packets.
    OwnPackets,
}

impl Grade {
    /// How far a single piece of it is believed as to whose network it was.
    pub(super) const fn weight(self) -> f64 {
        match self {
            Self::Text => 0.7,
            Self::Mtr => 0.75,
            Self::Globalping => 0.8,
            Self::Atlas => 0.85,
            Self::Own | Self::OwnPackets => 0.95,
        }
    }

    fn of(document: &Document, with_packets: bool) -> Self {
        match document.origin.as_ref().map(|origin| origin.format.as_str()) {
            None if with_packets => Self::OwnPackets,
            None => Self::Own,
            Some("atlas" | "scamper") => Self::Atlas,
            Some("globalping") => Self::Globalping,
            Some("mtr" | "winmtr" | "pathping" | "trippy") => Self::Mtr,
            Some(_) => Self::Text,
        }
    }
}

/// What became of the packets to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The target answers.
    Works,
    /// Its path stops on the way.
    Stops,
    /// Its path comes to the destination's network, and the host stays silent.
    Host,
    /// Nothing can be said.
    Unknown,
}

/// What one run says of one target.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// Place of the run.
    pub run: usize,
    /// Row.
    pub vantage: usize,
    /// Column.
    pub target: usize,
    /// What became of the packets.
    pub state: State,
    /// Where they stop.
    pub bounds: Bounds,
    /// The kind of its own verdict.
    pub kind: Option<String>,
    /// A firm verdict of our own names these networks.
    pub judged: bool,
    /// Routers that the target's packets are known to have passed, from the destination's answer behind them.
    pub passed: Vec<IpAddr>,
    /// How sure that is.
    pub confidence: f64,
    /// How good the evidence is.
    pub grade: Grade,
    /// When it began.
    pub at: Option<Timestamp>,
}

/// All that is seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Rows.
    pub vantages: Vec<VantageRow>,
    /// Columns.
    pub targets: Vec<TargetColumn>,
    /// What fills them.
    pub sightings: Vec<Sighting>,
    /// Names of ASes.
    pub names: BTreeMap<u32, String>,
}

/// A destination by its address, or, where that is not known, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Address(IpAddr),
    Name(String),
}

impl Key {
    fn of(path: &Path) -> Option<Self> {
        match path.address {
            Some(address) => Some(Self::Address(address)),
            None if path.host.trim().is_empty() => None,
            None => Some(Self::Name(path.host.trim().to_lowercase())),
        }
    }

    fn is(&self, path: &Path, words: &[String]) -> bool {
        words.iter().any(|word| match (word.parse::<IpAddr>(), self) {
            (Ok(address), Self::Address(own)) => address == *own,
            _ => word.eq_ignore_ascii_case(path.host.trim()),
        })
    }
}

/// Where a run was measured from: what the document says, or else, of one file, what its path begins with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Place {
    label: String,
    asn: Option<u32>,
    file: Option<String>,
}

fn place(document: &Document) -> Place {
    let vantage = &document.vantage;
    let origin = document.origin.as_ref();
    let own = origin.is_none();
    let first = document.target.as_ref().and_then(|path| {
        let hops = path.hops.iter().flat_map(|hop| &hop.responders);
        hops.flat_map(|one| bounds::systems(one).first()).next().copied()
    });
    let probe = vantage.probe.map(|probe| format!("probe {probe}"));
    let known = vantage.label.clone().or(probe);
    let asn = vantage.asn.or(first.filter(|_| !own));
    let source = vantage.public.or(vantage.source).map(|address| address.to_string());
    let file = origin.and_then(|origin| origin.file.clone());
    let label = match (&known, &source, asn) {
        (Some(label), _, _) => label.clone(),
        (None, Some(source), _) if own => source.clone(),
        (None, _, Some(asn)) => format!("AS{asn}"),
        (None, Some(source), None) => source.clone(),
        (None, None, None) => file.clone().unwrap_or_else(|| "unknown place".to_owned()),
    };
    // What has a name of its own is the same place in every file.
    let file = file.filter(|_| known.is_none() && source.is_none());
    Place { label, asn, file }
}

/// The references of a vantage: paths that reach their host, by the network of the host.
type Controls<'a> = HashMap<usize, Vec<(&'a Path, Option<u32>)>>;

/// The network that a path which arrives ends in.
fn home(path: &Path) -> Option<u32> {
    let hops = path.hops.iter().rev().flat_map(|hop| &hop.responders);
    path.asn.or_else(|| hops.flat_map(bounds::systems).next().copied().filter(|_| path.reached))
}

/// What all runs say.
pub fn all(runs: &[Document], hints: &Hints<'_>) -> Seen {
    let mut seen = Seen::default();
    let mut places: HashMap<Place, usize> = HashMap::new();
    let mut columns: HashMap<Key, usize> = HashMap::new();
    let mut rows = Vec::with_capacity(runs.len());
    for document in runs {
        let place = place(document);
        let row = *places.entry(place).or_insert_with_key(|place| {
            seen.vantages.push(VantageRow { label: place.label.clone(), asn: place.asn });
            seen.vantages.len() - 1
        });
        rows.push(row);
        learn_names(document, &mut seen.names);
    }
    let mut controls: Controls<'_> = HashMap::new();
    for (document, row) in runs.iter().zip(&rows) {
        let paths = document.references.iter().chain(document.target.iter());
        for path in paths.filter(|path| path.reached) {
            controls.entry(*row).or_default().push((path, home(path)));
        }
    }
    let mut around = Around::new(hints.adjacent);
    for path in runs.iter().flat_map(|document| document.target.iter().chain(&document.references)) {
        around.learn(path);
    }
    let wanted = wanted(runs, hints);
    let homes = homes(runs);
    for (run, (document, row)) in runs.iter().zip(&rows).enumerate() {
        let Some(path) = &document.target else { continue };
        let Some(key) = Key::of(path) else { continue };
        if !wanted.contains(&key) {
            continue;
        }
        let destination = path.asn.or_else(|| homes.get(&key).copied());
        let column = *columns.entry(key.clone()).or_insert_with(|| {
            seen.targets.push(TargetColumn {
                host: path.host.clone(),
                address: path.address,
                asn: destination,
            });
            seen.targets.len() - 1
        });
        let others = controls.get(row).map_or(&[][..], Vec::as_slice);
        let destination = seen.targets[column].asn.or_else(|| guess(path, others));
        seen.targets[column].asn = destination;
        let grade = Grade::of(document, hints.with_packets.contains(&run));
        let mut sighting = Sighting {
            run,
            vantage: *row,
            target: column,
            state: State::Unknown,
            bounds: Bounds::default(),
            kind: document.verdict.as_ref().map(|verdict| verdict.kind.clone()),
            judged: false,
            passed: Vec::new(),
            confidence: grade.weight(),
            grade,
            at: document.started_at.as_deref().and_then(|time| time.parse().ok()),
        };
        judge(document, path, destination, others, hints, &around, &mut sighting);
        seen.sightings.push(sighting);
    }
    seen
}

fn learn_names(document: &Document, names: &mut BTreeMap<u32, String>) {
    let paths = document.target.iter().chain(&document.references);
    let mut learn = |asn: Option<u32>, name: &Option<String>| {
        if let (Some(asn), Some(name)) = (asn, name)
            && !names.contains_key(&asn)
        {
            names.insert(asn, name.clone());
        }
    };
    for path in paths {
        learn(path.asn, &path.as_name);
        for one in path.hops.iter().flat_map(|hop| &hop.responders) {
            learn(one.asn, &one.as_name);
        }
    }
    if let Some(verdict) = &document.verdict {
        for (asn, name) in verdict.asns.iter().zip(&verdict.as_names) {
            learn(Some(*asn), &Some(name.clone()).filter(|name| !name.is_empty()));
        }
    }
}

/// The destinations that the question is about: those that are named, those of our own diagnoses, and those to which a path
/// stops. A host that answers everywhere and was only compared with is none.
fn wanted(runs: &[Document], hints: &Hints<'_>) -> Keys {
    let mut named = Keys::default();
    let mut stops = Keys::default();
    let mut any = Keys::default();
    for document in runs {
        let Some(path) = &document.target else { continue };
        let Some(key) = Key::of(path) else { continue };
        if key.is(path, &hints.targets) {
            named.insert(key.clone());
        }
        if document.verdict.is_some() || (!path.reached && !key.is(path, &hints.references)) {
            stops.insert(key.clone());
        }
        any.insert(key);
    }
    if !hints.targets.is_empty() {
        return named;
    }
    if stops.is_empty() { any } else { stops }
}

/// Destinations.
type Keys = HashSet<Key>;

/// The networks in which paths to a destination end where they arrive.
fn homes(runs: &[Document]) -> HashMap<Key, u32> {
    let paths = runs.iter().filter_map(|document| document.target.as_ref());
    let arrived = paths.filter(|path| path.reached);
    arrived.filter_map(|path| Some((Key::of(path)?, home(path)?))).collect()
}

/// The network of a destination that no table knows: that of the reference whose address is nearest to it, of the same half.
fn guess(path: &Path, controls: &[(&Path, Option<u32>)]) -> Option<u32> {
    let own = path.address?;
    let near = |(control, home): &(&Path, Option<u32>)| Some((common(own, control.address?)?, (*home)?));
    let nearest = controls.iter().filter_map(near).max_by_key(|(bits, _)| *bits);
    nearest.filter(|(bits, _)| *bits >= if own.is_ipv4() { 16 } else { 32 }).map(|(_, home)| home)
}

/// Leading bits that two addresses share.
fn common(one: IpAddr, other: IpAddr) -> Option<u32> {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => Some((one.to_bits() ^ other.to_bits()).leading_zeros()),
        (IpAddr::V6(one), IpAddr::V6(other)) => Some((one.to_bits() ^ other.to_bits()).leading_zeros()),
        _ => None,
    }
}

/// The target answers: every network and every router on its path has carried its packets.
fn works(path: &Path, sighting: &mut Sighting) {
    let hops = path.hops.iter().flat_map(|hop| &hop.responders);
    sighting.state = State::Works;
    sighting.bounds.crossed = bounds::on(path);
    sighting.passed = hops.filter_map(|one| one.address).collect();
}

fn judge(
    document: &Document,
    path: &Path,
    destination: Option<u32>,
    controls: &[(&Path, Option<u32>)],
    hints: &Hints<'_>,
    around: &Around<'_>,
    sighting: &mut Sighting,
) {
    if let Some(verdict) = &document.verdict {
        let asns: BTreeSet<u32> = verdict.asns.iter().copied().collect();
        let sure = verdict.location_confidence.min(verdict.attribution_confidence);
        let home = destination.into_iter();
        // What became of the packets, who may be to blame, and whether nobody else may.
        let lost = match verdict.kind.as_str() {
            "reachable" => {
                works(path, sighting);
                None
            }
            "lost_inside_as" | "lost_at_as_border" | "rejected" | "injected" | "routing_fault"
            | "partial" => {
                sighting.judged = !asns.is_empty();
                sighting.confidence = sure;
                Some((State::Stops, asns, sighting.judged))
            }
            "destination_network" => {
                sighting.confidence = sure;
                Some((State::Stops, asns.into_iter().chain(home).collect(), true))
            }
            "host_or_return_path" => Some((State::Host, home.collect(), true)),
            // A range may have an unseen network in it.
            "lost_in_as_range" => Some((State::Stops, asns, false)),
            _ => None,
        };
        if let Some((state, asns, firm)) = lost {
            sighting.state = state;
            sighting.bounds = Bounds { asns, firm, ..bounds::bounds(path, &[], destination, around) };
        }
        let parse = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
        sighting.bounds.after = parse(&verdict.after).or(sighting.bounds.after);
        sighting.bounds.before = parse(&verdict.before);
        sighting.bounds.gap = match (verdict.after_ttl, verdict.before_ttl) {
            (Some(after), Some(before)) => before > after.saturating_add(1),
            _ => true,
        };
        let asns = &sighting.bounds.asns;
        sighting.bounds.crossed.retain(|asn| !asns.contains(asn));
        if let ("lost_at_as_border" | "lost_in_as_range", Some(unseen)) =
            (verdict.kind.as_str(), around.unseen_at(document, &sighting.bounds))
        {
            sighting.bounds.firm = false;
            sighting.bounds.asns.extend(unseen);
        }
        return;
    }
    if path.reached {
        works(path, sighting);
        return;
    }
    if document.error.is_some() || path.hops.is_empty() {
        return;
    }
    // References that the user names, or else whatever answers in the destination's own network.
    let serves = |(control, home): &&(&Path, Option<u32>)| {
        let named = Key::of(control).is_some_and(|key| key.is(control, &hints.references));
        let nearby = || control.address.zip(path.address).and_then(|(one, other)| common(one, other));
        let close = || {
            nearby().is_some_and(|bits| {
                bits >= if path.address.is_some_and(|one| one.is_ipv4()) { 24 } else { 48 }
            })
        };
        match hints.references.is_empty() {
            false => named,
            true => (home.is_some() && *home == destination) || close(),
        }
    };
    let references: Vec<&Path> = controls.iter().filter(serves).map(|(path, _)| *path).collect();
    sighting.bounds = bounds::bounds(path, &references, destination, around);
    let ends_at_home = sighting.bounds.last.is_some() && sighting.bounds.last == destination;
    sighting.state = match (ends_at_home, path.hops.iter().any(|hop| !hop.responders.is_empty())) {
        (true, _) => State::Host,
        (false, true) => State::Stops,
        (false, false) => State::Unknown,
    };
    if ends_at_home {
        sighting.bounds.asns = destination.into_iter().collect();
        sighting.bounds.firm = true;
    }
}
