//! The only place in the library that asks what time it is.
//!
//! A run has one clock: `CLOCK_MONOTONIC`, read through [`Instant`], counted from the opening of the wire. The kernel
//! stamps received packets with `CLOCK_REALTIME`, and that may be set while we run: by an administrator, by a time
//! daemon, or by a hypervisor that corrects its guest in half-milliseconds several times a second. So a stamp is
//! converted with the difference of the two clocks, and it is not known which difference held when it was taken: only
//! the ones seen between the moment the socket was last found empty and the moment the packet was read.
//!
//! The conversion is therefore an upper bound made as tight as it can be. With the *smallest* difference of that span a
//! stamp becomes the latest moment it can mean; the packet had arrived when it was read, which is another upper bound;
//! and it had not when the socket was empty, which is a lower one. The result is never before the packet's true arrival
//! by more than the time it takes from the device to the socket, so no round-trip time is negative, and it is late by at
//! most the step or the delay of reading, whichever is less. Without a step it is exact to the reading of two clocks,
//! a tenth of a microsecond.
//!
//! Slewing (NTP) moves both clocks alike and needs no care.

use std::time::{Duration, Instant, SystemTime};

use nix::time::{ClockId, clock_gettime};

use crate::trace::{Moment, WallTime};

/// A pair of readings further apart than this was interrupted and is taken again.
const NARROW: Duration = Duration::from_micros(2);

/// How often a pair of readings is taken at most.
const TRIES: usize = 4;

/// The run's clock: monotonic, from zero at its start, with one wall-clock reading to anchor it.
#[derive(Clone, Debug)]
pub struct Clock {
    origin: Instant,
    started_at: WallTime,
}

impl Clock {
    /// Starts at [`Moment::START`], now.
    #[must_use]
    pub fn start() -> Self {
        let clock = Self { origin: Instant::now(), started_at: WallTime(0) };
        Self { started_at: WallTime(clock.look().ahead), ..clock }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Moment {
        moment(self.origin.elapsed())
    }

    /// The wall-clock time of [`Moment::START`].
    #[must_use]
    pub const fn started_at(&self) -> WallTime {
        self.started_at
    }

    /// `moment` in the terms of the standard library; `None` for what lies beyond its range, as [`Moment::NEVER`] does.
    pub(super) fn instant(&self, moment: Moment) -> Option<Instant> {
        // `Instant` itself would take the 584 years of `NEVER`; the timers that use it would not.
        (moment < Moment::NEVER).then(|| self.origin.checked_add(moment.since(Moment::START))).flatten()
    }

    /// Reads both clocks: the narrowest of a few attempts, for between two readings the process may lose the processor
    /// for milliseconds.
    pub(super) fn look(&self) -> Look {
        let mut best = self.look_once();
        for _ in 1..TRIES {
            if best.1 <= NARROW {
                break;
            }
            let again = self.look_once();
            if again.1 < best.1 {
                best = again;
            }
        }
        best.0
    }

    fn look_once(&self) -> (Look, Duration) {
        let before = self.origin.elapsed();
        let wall = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            Err(ahead) => i64::try_from(ahead.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
        };
        let after = self.origin.elapsed();
        let now = moment(after);
        (Look { now, ahead: wall.saturating_sub_unsigned(now.as_nanos()) }, after.saturating_sub(before))
    }
}

/// Time since the machine was started, its sleep included: nobody can set it, and it does not stand still in a sleep as
/// [`Instant`] does. For plans that reach over hours; runs have a [`Clock`].
///
/// # Errors
/// If the kernel has no such clock (before Linux 2.6.39).
pub fn since_boot() -> std::io::Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?))
}

/// How long the machine has slept since it was started: what [`since_boot`] counts and [`Instant`] does not.
///
/// # Errors
/// As there.
pub(super) fn slept() -> std::io::Result<Duration> {
    // In this order, so that the reading itself counts as no sleep.
    let awake = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
    Ok(since_boot()?.saturating_sub(awake))
}

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The time now.
    pub(super) now: Moment,
    /// The wall clock was at least this many nanoseconds ahead of the run's clock: it was read first.
    pub(super) ahead: i64,
}

/// Between which moments a packet must have arrived, and by how much the wall clock was ahead meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    /// When the socket was last found empty.
    empty: Moment,
    /// The least lead of the wall clock seen since just before that.
    least: Option<i64>,
}

impl Span {
    /// The socket was found empty, some time after `look`.
    pub(super) const fn begin(look: Look) -> Self {
        Self { empty: look.now, least: Some(look.ahead) }
    }

    /// Takes in another look.
    pub(super) fn note(&mut self, look: Look) {
        self.least = Some(self.least.map_or(look.ahead, |least| least.min(look.ahead)));
    }

    /// The moment of a kernel stamp in nanoseconds since 1970, of a packet that had been read by `now`. `None` if the
    /// stamp says nothing that `now` does not say better.
    pub(super) fn place(&self, stamp: i64, now: Moment) -> Option<Moment> {
        let since = i128::from(stamp) - i128::from(self.least?);
        let latest = u64::try_from(since.max(0)).map_or(Moment::NEVER, Moment::from_nanos);
        (latest <= now).then(|| latest.max(self.empty).min(now))
    }
}

fn moment(since: Duration) -> Moment {
    Moment::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: i64 = 1_800_000_000_000_000_000;
    const HOUR: i64 = 3_600_000_000_000;

    fn look(now: u64, ahead: i64) -> Look {
        Look { now: Moment::from_nanos(now), ahead }
    }

    /// Where a packet is placed that came at `arrival`, was stamped when the wall clock was `then` ahead, and was read at
    /// 9,000,000 after a socket found empty at 1,000,000, with `seen` leads of the wall clock.
    fn placed(arrival: i64, then: i64, seen: &[i64]) -> Option<u64> {
        let mut span = Span::begin(look(1_000_000, seen[0]));
        for &ahead in &seen[1..] {
            span.note(look(9_000_000, ahead));
        }
        span.place(then + arrival, Moment::from_nanos(9_000_000)).map(Moment::as_nanos)
    }

    #[test]
    fn without_a_step_a_stamp_is_the_moment_it_was_taken_at() {
        assert_eq!(placed(4_000_000, WALL, &[WALL, WALL]), Some(4_000_000));
        assert_eq!(placed(4_000_000, WALL, &[WALL, WALL - 70, WALL]), Some(4_000_070));
    }

    #[test]
    fn a_small_step_costs_at_most_itself() {
        let (before, after) = (WALL, WALL + 500_000);
        assert_eq!(placed(4_000_000, before, &[before, after]), Some(4_000_000));
        assert_eq!(placed(4_000_000, after, &[before, after]), Some(4_500_000));
        let (before, after) = (WALL, WALL - 500_000);
        assert_eq!(placed(4_000_000, before, &[before, after]), Some(4_500_000));
        assert_eq!(placed(4_000_000, after, &[before, after]), Some(4_000_000));
    }

    #[test]
    fn a_large_step_leaves_the_time_of_reading_or_the_exact_one() {
        let (before, after) = (WALL, WALL + HOUR);
        assert_eq!(placed(4_000_000, before, &[before, after]), Some(4_000_000));
        assert_eq!(placed(4_000_000, after, &[before, after]), None);
        let (before, after) = (WALL, WALL - HOUR);
        assert_eq!(placed(4_000_000, before, &[before, after]), None);
        assert_eq!(placed(4_000_000, after, &[before, after]), Some(4_000_000));
    }

    #[test]
    fn a_step_that_nobody_saw_moves_a_packet_no_further_than_to_the_empty_socket() {
        assert_eq!(placed(4_000_000, WALL - HOUR, &[WALL, WALL]), Some(1_000_000));
        assert_eq!(placed(0, i64::MIN, &[WALL]), Some(1_000_000));
        assert_eq!(placed(4_000_000, WALL + HOUR, &[WALL, WALL]), None);
        assert_eq!(placed(0, i64::MAX, &[WALL]), None);
    }

    #[test]
    fn a_stamp_before_any_look_says_nothing() {
        assert_eq!(Span::default().place(WALL, Moment::from_nanos(1)), None);
    }

    #[test]
    fn the_clock_runs_forward_and_agrees_with_the_wall() {
        let clock = Clock::start();
        let first = clock.look();
        std::thread::sleep(Duration::from_millis(5));
        let second = clock.look();
        assert!(second.now.since(first.now) >= Duration::from_millis(5));
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as i64;
        let ours = clock.started_at().at(clock.now()).0;
        assert!(ours.abs_diff(wall) < 100_000_000, "{ours} against {wall}");
    }

    #[test]
    fn a_sleep_is_a_step_to_a_clock_that_stood_still_meanwhile() {
        // Eight hours asleep between the looks: the run's clock has no time for them, the wall clock has.
        let (before, after) = (WALL, WALL + 8 * HOUR);
        assert_eq!(placed(4_000_000, before, &[before, after]), Some(4_000_000), "came before it");
        assert_eq!(
            placed(8_500_000, after, &[before, after]),
            None,
            "after it: the moment of reading is known better"
        );
        assert_eq!(
            placed(8_500_000, after, &[after, after]),
            Some(8_500_000),
            "in the next span all is as ever"
        );
    }

    #[test]
    fn being_awake_is_no_sleep() {
        let before = slept().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert!(slept().unwrap().abs_diff(before) < Duration::from_millis(10));
    }

    #[test]
    fn never_is_no_instant() {
        let clock = Clock::start();
        assert_eq!(clock.instant(Moment::NEVER), None);
        assert!(clock.instant(Moment::START + Duration::from_secs(3)).is_some());
    }
}
