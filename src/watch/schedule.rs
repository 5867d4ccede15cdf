//! When to measure next, whatever the clocks do.
//!
//! All times here are since the machine's start, counting sleep: a clock that nobody sets. Setting the wall clock therefore
//! moves no measurement. After a sleep, or a measurement that took too long, the one that is due is made once; those that were
//! missed are counted and not made up for, because a burst tells nothing about the time that is gone, and asks routers for
//! answers at a rate that nobody agreed to.

use std::time::Duration;

/// A clock that differs from the last look by more than this was set.
const STEP: Duration = Duration::from_secs(2);

/// The times of one target's runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    interval: Duration,
    /// Most that a run is early or late against the grid.
    jitter: Duration,
    /// The next time of the grid.
    slot: Duration,
    /// When the next run is due: the slot with its jitter, or an extra run before it.
    due: Duration,
    /// Runs that were not made.
    skipped: u64,
}

impl Schedule {
    /// A grid of `interval`, each time of it moved by up to `jitter` (a share of the interval up to one half) either way.
    /// The first run is due at `first`.
    #[must_use]
    pub fn new(interval: Duration, jitter: f64, first: Duration) -> Self {
        let jitter = interval.mul_f64(jitter.clamp(0.0, 0.5));
        Self { interval, jitter, slot: first, due: first, skipped: 0 }
    }

    /// When the next run is due.
    #[must_use]
    pub const fn due(&self) -> Duration {
        self.due
    }

    /// Runs that were missed in sleep, or because others took too long.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// A run was begun at `began` and is over at `now`. The next one is due at the next time of the grid that is still to come,
    /// or after `extra`, counted from `began`, if that is earlier. `chance`, from 0 to 1, places the jitter. Gives how many runs
    /// were missed.
    pub fn ran(&mut self, began: Duration, now: Duration, extra: Option<Duration>, chance: f64) -> u64 {
        let mut missed = 0;
        // An extra run before its time leaves the grid alone.
        if began + self.jitter >= self.slot {
            let behind = now.saturating_sub(self.slot);
            let steps = behind.as_nanos() / self.interval.as_nanos().max(1);
            let steps = u32::try_from(steps).unwrap_or(u32::MAX - 1);
            missed = u64::from(steps);
            self.slot += self.interval.saturating_mul(steps + 1);
        }
        let shift = self.jitter.mul_f64(2.0 * chance.clamp(0.0, 1.0));
        let regular = (self.slot + shift).saturating_sub(self.jitter).max(now);
        self.due = match extra {
            // Room to breathe between two runs, for the routers' sake.
            Some(extra) => regular.min((began + extra).max(now + extra / 4)),
            None => regular,
        };
        self.skipped += missed;
        missed
    }
}

/// Tells whether somebody set the wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steps {
    lead: Option<i64>,
}

impl Steps {
    /// Takes a look at both clocks, in nanoseconds: gives by how much the wall clock was set since the last look, if it was.
    pub fn look(&mut self, wall: i64, since_boot: Duration) -> Option<i64> {
        let lead = wall.saturating_sub(i64::try_from(since_boot.as_nanos()).unwrap_or(i64::MAX));
        let before = self.lead.replace(lead)?;
        let step = lead.saturating_sub(before);
        (u128::from(step.unsigned_abs()) > STEP.as_nanos()).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_grid_does_not_drift() {
        let mut schedule = Schedule::new(s(300), 0.0, s(1000));
        for turn in 1..100 {
            let due = schedule.due();
            assert_eq!(due, s(1000 + 300 * (turn - 1)));
            assert_eq!(schedule.ran(due + s(1), due + s(41), None, 0.5), 0);
        }
    }

    #[test]
    fn jitter_stays_inside_its_bounds_and_uses_each_slot_once() {
        let mut schedule = Schedule::new(s(300), 0.1, s(1000));
        let mut slot = 1000;
        for turn in 0..1000 {
            let due = schedule.due();
            assert!(due.abs_diff(s(slot)) <= s(30), "{due:?} of slot {slot}");
            slot += 300;
            assert_eq!(schedule.ran(due, due + s(20), None, f64::from(turn % 11) / 10.0), 0);
        }
        // Shorter than the jitter: a run that was early and is over before its slot.
        let mut schedule = Schedule::new(s(300), 0.5, s(1000));
        schedule.ran(s(1000), s(1001), None, 0.0);
        assert_eq!(schedule.due(), s(1150));
        schedule.ran(s(1150), s(1151), None, 0.0);
        assert_eq!(schedule.due(), s(1450), "the next slot, not the same again");
    }

    #[test]
    fn after_a_sleep_one_run_is_made_and_none_made_up_for() {
        let mut schedule = Schedule::new(s(300), 0.0, s(0));
        schedule.ran(s(0), s(30), None, 0.5);
        assert_eq!(schedule.due(), s(300));
        // Asleep for ten hours: one run as soon as it wakes.
        let woke = s(36_100);
        assert!(schedule.due() <= woke);
        assert_eq!(schedule.ran(woke, woke + s(30), None, 0.5), 119);
        assert_eq!(schedule.due(), s(36_300), "the grid goes on where it was");
        assert_eq!(schedule.skipped(), 119);
    }

    #[test]
    fn a_run_that_takes_too_long_is_followed_by_one_and_not_by_a_burst() {
        let mut schedule = Schedule::new(s(60), 0.0, s(0));
        let mut began = s(0);
        for _ in 0..20 {
            let over = began + s(150);
            schedule.ran(began, over, None, 0.5);
            assert!(schedule.due() >= over && schedule.due() <= over + s(60), "{:?}", schedule.due());
            began = schedule.due();
        }
    }

    #[test]
    fn an_extra_run_comes_early_and_leaves_the_grid_alone() {
        let mut schedule = Schedule::new(s(300), 0.0, s(0));
        schedule.ran(s(0), s(20), Some(s(60)), 0.5);
        assert_eq!(schedule.due(), s(60));
        schedule.ran(s(60), s(80), Some(s(60)), 0.5);
        assert_eq!(schedule.due(), s(120));
        schedule.ran(s(120), s(140), None, 0.5);
        assert_eq!(schedule.due(), s(300));
        // A run longer than the space between them is not followed by another without a pause.
        schedule.ran(s(300), s(380), Some(s(60)), 0.5);
        assert_eq!(schedule.due(), s(395));
    }

    #[test]
    fn a_clock_that_was_set_is_noticed_and_sleep_is_no_step() {
        let mut steps = Steps::default();
        let hour = 3_600_000_000_000;
        assert_eq!(steps.look(10 * hour, s(100)), None);
        assert_eq!(steps.look(11 * hour, s(3700)), None, "an hour passed, asleep or awake");
        assert_eq!(steps.look(13 * hour, s(7300)), Some(hour));
        assert_eq!(steps.look(12 * hour, s(7300)), Some(-hour));
        assert_eq!(steps.look(12 * hour + 500_000_000, s(7300)), None, "slewing");
    }
}
