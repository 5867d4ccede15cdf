//! The test of change: when runs against the present state are more than chance.
//!
//! # The test
//!
//! While a state holds, a run contradicts it with a chance of at most `wrong` (one minus the confidence of a verdict); once it
//! holds no more, a run does so with a chance of at least `right`. Each run adds the logarithm of the ratio of its two
//! likelihoods to a score that never falls below zero (Page's cumulative sum, 1954):
//!
//! ```text
//! a run against the state   + ln(right / wrong)              4.50  at a confidence of 99 %
//! a run for the state       + ln((1 − right)/(1 − wrong))   −2.29
//! a run that tells nothing    0
//! score ← max(0, score + that);  a change is told at  score ≥ h
//! ```
//!
//! Runs between two false alarms are e^h in the mean, or more, whatever `right` really is (Lorden 1971). So h is the logarithm
//! of the runs that fall to one allowed false alarm, and the rate of false alarms is set beforehand. [`Limits::threshold`] is
//! that formula. It takes errors of different runs to be independent; `benches/watch.rs` measures what is left of it where
//! they are not.
//!
//! At an interval of five minutes three runs in a row decide. Never one: the threshold is held above one run's worth.
//!
//! # Three questions, one test
//!
//! *Begin* (reachable → lost), *end* (lost → reachable) and *moved* (lost here → lost elsewhere). For the last, a run is
//! against the state if it names networks and none of those that the state's runs named; and the runs that add up have to agree
//! with each other.
//!
//! # When it began
//!
//! Not before the last run that agreed with the old state before the first sign of the new one, and not after the first of the
//! unbroken row that decided it. Wall clocks may be set; the order of runs is that of the history, never that of their times.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Event, Happened, SCHEMA, Subject};
use super::sight::{Place, Sighting, Standing};
use crate::trace::WallTime;

/// A day.
const DAY: Duration = Duration::from_secs(86_400);
/// Share of the interval after which a doubtful state is looked at again.
const SOONER: u32 = 5;
/// Most looks before their time at one suspicion.
const MOST_QUICK: u8 = 8;
/// Most looks before their time after runs that told nothing.
const MOST_BLANK: u8 = 2;
/// Runs whose places are remembered.
const REMEMBERED: usize = 16;
/// The highest confidence that is told.
const SUREST: f64 = 0.999_999;

/// What the test takes for granted, and what it promises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Chance that a run contradicts the state though it holds.
    pub wrong: f64,
    /// Chance that a run contradicts the state when it no longer holds.
    pub right: f64,
    /// Time between two runs.
    pub interval: Duration,
    /// Most false alarms of one sort in 1,000 days.
    pub allowed: f64,
}

impl Limits {
    /// For verdicts of this `confidence` (a share) every `interval`: at most one false alarm in 1,000 days, half of them from
    /// each of the two questions that are open at a time.
    #[must_use]
    pub fn new(confidence: f64, interval: Duration) -> Self {
        Self { wrong: (1.0 - confidence).clamp(0.002, 0.05), right: 0.9, interval, allowed: 0.5 }
    }

    /// What a run against the state adds.
    #[must_use]
    pub fn against(&self) -> f64 {
        (self.right / self.wrong).ln()
    }

    /// What a run for the state adds; below zero.
    #[must_use]
    pub fn agreeing(&self) -> f64 {
        ((1.0 - self.right) / (1.0 - self.wrong)).ln()
    }

    /// Runs in 1,000 days at most, those included that are made before their time because one went astray.
    #[must_use]
    pub fn runs(&self) -> f64 {
        let regular = 1000.0 * DAY.as_secs_f64() / self.interval.as_secs_f64().max(1.0);
        regular * (1.0 + self.wrong * f64::from(MOST_QUICK))
    }

    /// The score at which a change is told: ln(runs in 1,000 days ÷ false alarms allowed in them), and more than a single run
    /// can reach.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        (self.runs() / self.allowed).ln().max(self.against() * 1.5)
    }

    /// Runs in a row that decide.
    #[must_use]
    pub fn row(&self) -> u32 {
        (self.threshold() / self.against()).ceil() as u32
    }

    /// How soon a doubtful state is looked at again.
    #[must_use]
    pub fn sooner(&self) -> Duration {
        self.interval / SOONER
    }
}

/// A run, by its place in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Its number.
    pub run: u64,
    /// When it began.
    pub at: WallTime,
}

/// What has added up against the state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Evidence {
    score: f64,
    /// Last run that agreed with the state before the first sign.
    before: Option<Mark>,
    /// First of the unbroken row.
    row: Option<Mark>,
    /// Signs so far.
    signs: u32,
    /// Networks that the runs of the row named, the latest last.
    named: Vec<Vec<u32>>,
    /// Where the latest says that packets are lost.
    place: Option<Place>,
}

impl Evidence {
    /// A run against the state.
    fn sign(&mut self, limits: &Limits, now: Mark, agreed: Option<Mark>, place: Option<&Place>) {
        if self.score <= 0.0 {
            *self = Self { before: agreed, ..Self::default() };
        }
        self.score += limits.against();
        self.row.get_or_insert(now);
        self.signs += 1;
        if let Some(place) = place {
            self.named.push(place.asns.clone());
            self.place = Some(place.clone());
        }
    }

    /// A run for it.
    fn counter(&mut self, limits: &Limits) {
        self.score += limits.agreeing();
        self.row = None;
        self.named.clear();
        if self.score <= 0.0 {
            *self = Self::default();
        }
    }
}

/// The state of a series. It is kept in the history with every run, so that it goes on where it was after whatever happened to
/// the program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What is held to be so; none until enough runs agree.
    standing: Option<Standing>,
    /// Bracket of its beginning: not before, not after.
    since: Option<(Option<WallTime>, WallTime)>,
    /// Where the target is lost.
    place: Option<Place>,
    /// Networks that the last runs of this state named.
    named: VecDeque<Vec<u32>>,
    /// Last run that agreed with the state, and last that agreed with it wherever the target was lost.
    agreed: Option<Mark>,
    stood: Option<Mark>,
    /// For reachable, for lost, for lost elsewhere.
    reachable: Evidence,
    lost: Evidence,
    elsewhere: Evidence,
    /// Looks before their time in a row, at a suspicion and after runs that told nothing.
    quick: u8,
    blank: u8,
}

impl Series {
    /// What is held to be so; none until enough runs agree.
    #[must_use]
    pub const fn standing(&self) -> Option<Standing> {
        self.standing
    }

    /// Where the target is lost, while it is.
    #[must_use]
    pub const fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Since when: not before, not after.
    #[must_use]
    pub const fn since(&self) -> Option<(Option<WallTime>, WallTime)> {
        self.since
    }

    /// Something speaks against the state, and not enough yet.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.reachable.score.max(self.lost.score).max(self.elsewhere.score) > 0.0
    }

    /// Takes the next run of the history. Gives what changed by it, and whether to look again sooner than the interval says.
    pub fn take(
        &mut self,
        limits: &Limits,
        subject: &Subject,
        run: u64,
        sighting: &Sighting,
    ) -> (Option<Event>, Option<Duration>) {
        let now = Mark { run, at: sighting.at };
        let changed = match sighting.standing {
            Standing::Unknown => None,
            _ => self.weigh(limits, now, sighting),
        };
        let event = changed.map(|happened| self.become_so(limits, subject, now, happened));
        (event.flatten(), self.again(limits, sighting.standing))
    }

    /// Adds a run that tells something; says what it decides.
    fn weigh(&mut self, limits: &Limits, now: Mark, sighting: &Sighting) -> Option<Happened> {
        let place = sighting.place.as_ref();
        let agreed = self.agreed;
        let stood =
            if self.standing == Some(sighting.standing) { self.stood.replace(now) } else { self.stood };
        match (self.standing, sighting.standing) {
            (Some(Standing::Reachable), Standing::Reachable) => {
                self.lost.counter(limits);
                self.agreed = Some(now);
            }
            (Some(Standing::Lost), Standing::Reachable) => {
                self.elsewhere.counter(limits);
                self.reachable.sign(limits, now, stood, None);
            }
            (Some(Standing::Reachable), _) => self.lost.sign(limits, now, agreed, place),
            (Some(Standing::Lost), _) => {
                self.reachable.counter(limits);
                self.lost_again(limits, now, place);
            }
            // Nothing is known yet: whichever adds up first is the state that the watch finds.
            (_, Standing::Reachable) => {
                self.lost.counter(limits);
                self.reachable.sign(limits, now, None, None);
            }
            (_, _) => {
                self.reachable.counter(limits);
                self.lost.sign(limits, now, None, place);
            }
        }
        let threshold = limits.threshold();
        if self.reachable.score >= threshold {
            Some(Happened::End)
        } else if self.lost.score >= threshold {
            Some(Happened::Begin)
        } else if self.elsewhere.score >= threshold {
            Some(Happened::Moved)
        } else {
            None
        }
    }

    /// A run that shows the target lost, as the state is: here or elsewhere?
    fn lost_again(&mut self, limits: &Limits, now: Mark, place: Option<&Place>) {
        let apart = place.is_some_and(|place| place.is_apart(&core(self.named.iter())));
        if !apart {
            self.elsewhere.counter(limits);
            self.agreed = Some(now);
            if let Some(place) = place {
                self.remember(&place.asns);
            }
            return;
        }
        // Signs of two other places are no sign of one.
        if place.is_some_and(|place| place.is_apart(&core(self.elsewhere.named.iter()))) {
            self.elsewhere = Evidence::default();
        }
        self.elsewhere.sign(limits, now, self.agreed, place);
    }

    fn remember(&mut self, asns: &[u32]) {
        if asns.is_empty() {
            return;
        }
        self.named.push_back(asns.to_vec());
        while self.named.len() > REMEMBERED {
            self.named.pop_front();
        }
    }

    /// The state changes; an event, unless it is the first and all is well.
    fn become_so(
        &mut self,
        limits: &Limits,
        subject: &Subject,
        now: Mark,
        happened: Happened,
    ) -> Option<Event> {
        let evidence = match happened {
            Happened::Begin => std::mem::take(&mut self.lost),
            Happened::End => std::mem::take(&mut self.reachable),
            Happened::Moved => std::mem::take(&mut self.elsewhere),
        };
        let not_after = evidence.row.unwrap_or(now).at;
        let not_before = evidence.before.map(|mark| mark.at);
        let first = self.standing.is_none();
        let lasted = self.since.and_then(|(from, to)| seconds((from, to), (not_before, not_after)));
        let was = self.place.take();
        let place = evidence.place.map(|place| common(place, &evidence.named));
        *self = Self {
            standing: Some(if happened == Happened::End { Standing::Reachable } else { Standing::Lost }),
            since: Some((not_before, not_after)),
            place: place.clone(),
            agreed: Some(now),
            stood: Some(now),
            ..Self::default()
        };
        for asns in &evidence.named {
            self.remember(asns);
        }
        if first && happened == Happened::End {
            return None;
        }
        Some(Event {
            schema: SCHEMA.to_owned(),
            id: 0,
            event: happened,
            target: subject.clone(),
            at: now.at.rfc3339(),
            not_before: not_before.map(WallTime::rfc3339),
            not_after: not_after.rfc3339(),
            confidence: (1.0 - (-evidence.score).exp()).min(SUREST),
            runs: evidence.signs,
            false_alarms_per_1000_days: limits.allowed * 2.0,
            place,
            was,
            lasted_seconds: lasted,
            recorded: true,
        })
    }

    /// Whether the next run comes before its time, and when.
    fn again(&mut self, limits: &Limits, shown: Standing) -> Option<Duration> {
        let doubtful = self.is_doubtful();
        if shown == Standing::Unknown {
            self.blank = self.blank.saturating_add(1);
        } else {
            self.blank = 0;
        }
        if !doubtful {
            self.quick = 0;
        }
        let wanted = match (doubtful, shown) {
            // The very first runs are in no hurry: there is no moment to be found.
            (true, _) if self.standing.is_none() => false,
            (true, _) => self.quick < MOST_QUICK,
            (false, Standing::Unknown) => self.blank <= MOST_BLANK,
            (false, _) => false,
        };
        if wanted && doubtful {
            self.quick += 1;
        }
        wanted.then(|| limits.sooner())
    }
}

/// The networks that most of these runs named: at least three of four; all that were named where none is so common.
fn core<'a>(named: impl ExactSizeIterator<Item = &'a Vec<u32>>) -> Vec<u32> {
    let runs = named.len();
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for asn in named.flatten() {
        *counts.entry(*asn).or_default() += 1;
    }
    let common: Vec<u32> =
        counts.iter().filter(|(_, count)| **count * 4 >= runs * 3).map(|(asn, _)| *asn).collect();
    if common.is_empty() { counts.into_keys().collect() } else { common }
}

/// The latest place, with the networks that all runs of the row named. Where they have none in common, those that any named, as a
/// range that accuses nobody: what one run says is not said in the name of all.
fn common(place: Place, named: &[Vec<u32>]) -> Place {
    let shared: Vec<u32> =
        place.asns.iter().copied().filter(|asn| named.iter().all(|set| set.contains(asn))).collect();
    if shared.len() == place.asns.len() {
        return place;
    }
    let torn = shared.is_empty();
    let asns = if torn {
        let mut all: Vec<u32> = named.iter().flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    } else {
        shared
    };
    let name = |asn: &u32| {
        let at = place.asns.iter().position(|one| one == asn)?;
        place.as_names.get(at).cloned()
    };
    let as_names = asns.iter().map(|asn| name(asn).unwrap_or_default()).collect();
    if torn {
        return Place {
            kind: "lost_in_as_range".to_owned(),
            asns,
            as_names,
            after: None,
            before: None,
            ttls: [None; 2],
            mechanism: place.mechanism,
            summary: "the runs do not agree on the network: nobody is accused".to_owned(),
        };
    }
    Place { asns, as_names, ..place }
}

/// Seconds between the middles of two brackets; none where one is open, or where the clock was set back between them.
fn seconds(from: (Option<WallTime>, WallTime), to: (Option<WallTime>, WallTime)) -> Option<u64> {
    let middle = |(low, high): (Option<WallTime>, WallTime)| Some(low?.0 / 2 + high.0 / 2);
    u64::try_from((middle(to)? - middle(from)?) / 1_000_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(300);

    fn limits() -> Limits {
        Limits::new(0.99, INTERVAL)
    }

    fn lost(asns: &[u32]) -> Sighting {
        let place = Place { kind: "lost_inside_as".into(), asns: asns.to_vec(), ..Place::default() };
        Sighting {
            at: WallTime(0),
            standing: Standing::Lost,
            kind: place.kind.clone(),
            place: Some(place),
            reason: None,
        }
    }

    #[test]
    fn where_runs_disagree_nobody_is_accused_in_the_name_of_all() {
        let place = |asns: &[u32]| Place { summary: "one run's".into(), ..lost(asns).place.unwrap() };
        let agreed = common(place(&[8359]), &[vec![8359], vec![8359, 1], vec![8359]]);
        assert_eq!((agreed.kind.as_str(), agreed.asns.as_slice()), ("lost_inside_as", &[8359][..]));
        for named in
            [vec![vec![1], vec![2], vec![1]], vec![vec![], vec![2], vec![1]], vec![vec![], vec![], vec![1]]]
        {
            let torn = common(place(&[1]), &named);
            assert_eq!(torn.kind, "lost_in_as_range", "{named:?}");
            assert!(torn.summary.ends_with("nobody is accused"), "{torn:?}");
        }
    }

    fn well() -> Sighting {
        Sighting {
            at: WallTime(0),
            standing: Standing::Reachable,
            place: None,
            kind: "reachable".into(),
            reason: None,
        }
    }

    fn blind() -> Sighting {
        Sighting {
            at: WallTime(0),
            standing: Standing::Unknown,
            place: None,
            kind: "inconclusive".into(),
            reason: Some("reference_unreachable".into()),
        }
    }

    /// Plays `word`: `r`eachable, `l`ost in AS 1, `m` lost in AS 2, `b` at the border of both, `u`nknown. A run is a minute.
    fn play(word: &str) -> (Series, Vec<(usize, Event)>) {
        let (mut series, mut events) = (Series::default(), Vec::new());
        let subject = Subject::default();
        for (at, letter) in word.chars().enumerate() {
            let mut sighting = match letter {
                'r' => well(),
                'l' => lost(&[1]),
                'm' => lost(&[2]),
                'b' => lost(&[1, 2]),
                _ => blind(),
            };
            sighting.at = WallTime(at as i64 * 60_000_000_000);
            let (event, _) = series.take(&limits(), &subject, at as u64, &sighting);
            events.extend(event.map(|event| (at, event)));
        }
        (series, events)
    }

    fn told(word: &str) -> Vec<(usize, Happened)> {
        play(word).1.into_iter().map(|(at, event)| (at, event.event)).collect()
    }

    #[test]
    fn three_in_a_row_decide_at_five_minutes_and_never_one() {
        assert_eq!(limits().row(), 3);
        assert_eq!(told("rrrrlll"), [(6, Happened::Begin)]);
        assert_eq!(told("rrrrll"), []);
        for seconds in [1, 30, 300, 3600, 86_400, 864_000_000] {
            for confidence in [0.5, 0.9, 0.99, 0.9999] {
                let limits = Limits::new(confidence, Duration::from_secs(seconds));
                assert!(limits.row() >= 2, "{seconds} s at {confidence}: {}", limits.row());
                assert!(limits.runs() / limits.threshold().exp() <= limits.allowed * 1.000_001);
            }
        }
    }

    #[test]
    fn single_bad_runs_however_many_are_no_change() {
        assert_eq!(told(&"rrrrlrrrrr".repeat(200)), []);
        // And lost stays lost where single runs get through.
        assert_eq!(told(&format!("rrrlll{}", "lllrlllll".repeat(200))), [(5, Happened::Begin)]);
    }

    #[test]
    fn runs_that_tell_nothing_are_neither_good_nor_bad() {
        assert_eq!(told(&format!("rrr{}", "u".repeat(500))), []);
        assert_eq!(told("rrrluuluuuul"), [(11, Happened::Begin)]);
        assert_eq!(told("rrrllluuuuuuuuurrr"), [(5, Happened::Begin), (17, Happened::End)]);
        let (series, _) = play("uuuuuu");
        assert_eq!(series.standing(), None);
    }

    #[test]
    fn a_watch_that_begins_in_a_block_says_so_and_one_that_begins_well_says_nothing() {
        let (_, events) = play("lll");
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].1.event, events[0].1.not_before.as_deref()), (Happened::Begin, None));
        let (series, events) = play("rrrrr");
        assert_eq!((series.standing(), events.len()), (Some(Standing::Reachable), 0));
    }

    #[test]
    fn the_bracket_is_from_the_last_run_before_the_first_sign_to_the_first_of_the_row() {
        let bracket = |word: &str| {
            let (_, events) = play(word);
            let minute = |text: &String| WallTime::parse(text).unwrap().0 / 60_000_000_000;
            let event = &events[0].1;
            (event.not_before.as_ref().map(minute), minute(&event.not_after), event.runs)
        };
        assert_eq!(bracket("rrrrlll"), (Some(3), 4, 3));
        // One sign, one good run, then the row: it may have begun with the first sign.
        assert_eq!(bracket("rrrrlrlll"), (Some(3), 6, 4));
        assert_eq!(bracket("rrrruulll"), (Some(3), 6, 3));
    }

    #[test]
    fn moved_needs_another_place_named_by_runs_that_agree() {
        assert_eq!(told("rrrlllmmm"), [(5, Happened::Begin), (8, Happened::Moved)]);
        assert_eq!(told("rrrlllbbbbbbb"), [(5, Happened::Begin)], "a border of it is no other place");
        assert_eq!(told("rrrlllmlmlmlm"), [(5, Happened::Begin)]);
        let (series, events) = play("rrrlllmmm");
        assert_eq!(series.place().unwrap().asns, [2]);
        assert_eq!(events[1].1.was.as_ref().unwrap().asns, [1]);
        // Elsewhere, and each time somewhere else.
        let mut series = Series::default();
        for run in 0..40 {
            let place = if run < 3 { vec![1] } else { vec![10 + run as u32] };
            let (event, _) = series.take(&limits(), &Subject::default(), run, &lost(&place));
            assert_eq!(event.is_some(), run == 2, "{run}");
        }
    }

    #[test]
    fn a_range_that_most_runs_narrow_down_is_left_when_the_block_moves_inside_it() {
        let word = format!("rrr{}{}", "b".repeat(3), "l".repeat(16));
        assert_eq!(told(&format!("{word}mmm")).last().unwrap().1, Happened::Moved);
    }

    #[test]
    fn an_event_names_what_all_its_runs_named() {
        let (_, events) = play("rrrblb");
        assert_eq!(events[0].1.place.as_ref().unwrap().asns, [1]);
        let (_, events) = play("rrrlmb");
        assert_eq!(events[0].1.place.as_ref().unwrap().asns, [1, 2], "none in common: all that were named");
    }

    #[test]
    fn doubt_is_looked_at_sooner_and_not_for_ever() {
        let mut series = Series::default();
        let subject = Subject::default();
        let mut take = |sighting: Sighting, run: u64| series.take(&limits(), &subject, run, &sighting).1;
        for run in 0..5 {
            assert_eq!(take(well(), run), None);
        }
        assert_eq!(take(lost(&[1]), 5), Some(INTERVAL / 5));
        let quick = (6..100).filter(|run| take(blind(), *run).is_some()).count();
        assert_eq!(quick, usize::from(MOST_QUICK) - 1);
        assert_eq!((take(well(), 100), take(well(), 101), take(well(), 102)), (None, None, None));
        let quick = (103..200).filter(|run| take(blind(), *run).is_some()).count();
        assert_eq!(quick, usize::from(MOST_BLANK));
    }

    #[test]
    fn the_state_outlives_the_program_at_any_run() {
        let word = "rrrrlrlllmmmrrrruuulllrr".repeat(3);
        let (whole, events) = play(&word);
        let subject = Subject::default();
        let (mut series, mut again) = (Series::default(), Vec::new());
        for (at, letter) in word.chars().enumerate() {
            series = serde_json::from_str(&serde_json::to_string(&series).unwrap()).unwrap();
            let mut sighting = match letter {
                'r' => well(),
                'l' => lost(&[1]),
                'm' => lost(&[2]),
                _ => blind(),
            };
            sighting.at = WallTime(at as i64 * 60_000_000_000);
            again.extend(series.take(&limits(), &subject, at as u64, &sighting).0.map(|event| (at, event)));
        }
        assert_eq!((series, again), (whole, events));
    }

    #[test]
    fn a_clock_that_is_set_back_changes_the_times_told_and_nothing_else() {
        let mut series = Series::default();
        let hours = [10, 11, 12, 2, 1, 3, 3];
        let shows = [well(), well(), well(), lost(&[1]), lost(&[1]), lost(&[1]), lost(&[1])];
        let mut events = Vec::new();
        for (run, (hour, mut sighting)) in hours.into_iter().zip(shows).enumerate() {
            sighting.at = WallTime(hour * 3_600_000_000_000);
            events.extend(series.take(&limits(), &Subject::default(), run as u64, &sighting).0);
        }
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].not_after, WallTime(2 * 3_600_000_000_000).rfc3339());
        assert_eq!(events[0].lasted_seconds, None, "no span is told that the clock does not support");
    }
}
