//! The only place in the library that asks what time it is.
//!
//! A run has one clock: `CLOCK_MONOTONIC`, read through [`Instant`], counted from the opening of the wire. The kernel
//! stamps received packets with `CLOCK_REALTIME`, which an administrator or a time daemon may set while we run, so a
//! stamp is converted with the difference of the two clocks *at the time of reading*, and only while that difference
//! has not moved since the socket was last seen empty. Otherwise nobody can tell whether the stamp was taken before or
//! after the jump, and the packet gets the time at which it was read: late, but never wrong by hours.
//!
//! Slewing (NTP) moves both clocks alike and needs no care.

use std::time::{Duration, Instant, SystemTime};

use crate::trace::{Moment, WallTime};

/// A change of the clocks' difference by more than this is a step, not the noise of reading two clocks. Time daemons
/// step from about a millisecond (chrony) or 128 ms (ntpd) upwards; an undetected step shifts an RTT by at most this.
const STEP: u64 = 50_000;

/// A pair of readings further apart than this was interrupted and is taken again.
const NARROW: Duration = Duration::from_micros(10);

/// How often a pair of readings is taken at most.
const TRIES: usize = 4;

/// The run's clock: monotonic, from zero at its start, with one wall-clock reading to anchor it.
#[derive(Clone, Debug)]
pub struct Clock {
    origin: Instant,
    started_at: WallTime,
    skew: Skew,
}

impl Clock {
    /// Starts at [`Moment::START`], now.
    #[must_use]
    pub fn start() -> Self {
        let origin = Instant::now();
        let reading = Reading::take(origin);
        Self {
            origin,
            started_at: WallTime(reading.wall.saturating_sub_unsigned(reading.now.as_nanos())),
            skew: Skew::new(&reading),
        }
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

    /// Reads both clocks and notices a step of the wall clock.
    pub(super) fn look(&mut self) -> Look {
        let reading = Reading::take(self.origin);
        self.skew.observe(&reading);
        Look { now: reading.now, epoch: self.skew.epoch }
    }

    /// The moment of a kernel stamp, in nanoseconds since 1970, as of the last [`look`](Self::look).
    pub(super) fn place(&self, stamp: i64, now: Moment) -> Option<Moment> {
        self.skew.place(stamp, now)
    }
}

/// What [`Clock::look`] saw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The time now.
    pub(super) now: Moment,
    /// How often the wall clock has been seen to step.
    pub(super) epoch: u32,
}

/// Both clocks, read as one.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// Time after the second reading of the monotonic clock.
    now: Moment,
    /// Wall clock, nanoseconds since 1970.
    wall: i64,
    /// Wall clock minus run time, in nanoseconds.
    offset: i64,
    /// `offset` may be off by this many nanoseconds either way.
    slack: u64,
}

impl Reading {
    /// The narrowest of a few attempts: between two readings the process may lose the processor for milliseconds.
    fn take(origin: Instant) -> Self {
        let mut best = Self::once(origin);
        for _ in 1..TRIES {
            if best.slack * 2 <= nanos(NARROW) {
                break;
            }
            let again = Self::once(origin);
            if again.slack <= best.slack {
                best = again;
            }
        }
        best
    }

    fn once(origin: Instant) -> Self {
        let before = origin.elapsed();
        let wall = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            Err(ahead) => i64::try_from(ahead.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
        };
        let after = origin.elapsed();
        let slack = nanos(after.saturating_sub(before)) / 2;
        let middle = nanos(before).saturating_add(slack);
        Self { now: moment(after), wall, offset: wall.saturating_sub_unsigned(middle), slack }
    }
}

/// The difference of the two clocks, and how often it jumped.
#[derive(Clone, Debug)]
struct Skew {
    offset: i64,
    epoch: u32,
}

impl Skew {
    const fn new(reading: &Reading) -> Self {
        Self { offset: reading.offset, epoch: 0 }
    }

    /// Takes in a reading. One so wide that a step could hide in it changes nothing.
    fn observe(&mut self, reading: &Reading) {
        let moved = self.offset.abs_diff(reading.offset);
        if moved > STEP.saturating_add(reading.slack) {
            self.offset = reading.offset;
            self.epoch = self.epoch.wrapping_add(1);
        }
    }

    /// A stamp before the start or after `now` is no stamp of this run's clock.
    fn place(&self, stamp: i64, now: Moment) -> Option<Moment> {
        let nanos = u64::try_from(stamp.checked_sub(self.offset)?).ok()?;
        // The difference is known to within STEP, so the stamp of a packet read at once may seem to lie ahead.
        (nanos <= now.as_nanos().saturating_add(STEP)).then(|| Moment::from_nanos(nanos).min(now))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

fn moment(since: Duration) -> Moment {
    Moment::from_nanos(nanos(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: i64 = 1_800_000_000_000_000_000;

    fn reading(now: u64, offset: i64, slack: u64) -> Reading {
        Reading { now: Moment::from_nanos(now), wall: offset + now as i64, offset, slack }
    }

    #[test]
    fn a_stamp_becomes_the_moment_it_was_taken_at() {
        let skew = Skew::new(&reading(0, WALL, 30));
        let now = Moment::from_nanos(5_000_000);
        assert_eq!(skew.place(WALL + 4_000_000, now), Some(Moment::from_nanos(4_000_000)));
    }

    #[test]
    fn a_stamp_just_ahead_of_the_reading_is_now_and_one_far_ahead_is_none() {
        let skew = Skew::new(&reading(0, WALL, 30));
        let now = Moment::from_nanos(5_000_000);
        assert_eq!(skew.place(WALL + 5_000_040, now), Some(now));
        assert_eq!(skew.place(WALL + 5_060_000, now), None);
    }

    #[test]
    fn a_stamp_from_before_the_start_is_none() {
        let skew = Skew::new(&reading(0, WALL, 30));
        assert_eq!(skew.place(WALL - 1, Moment::from_nanos(1)), None);
        assert_eq!(skew.place(i64::MIN, Moment::from_nanos(1)), None);
    }

    #[test]
    fn noise_is_no_step_and_an_hour_is_one() {
        let mut skew = Skew::new(&reading(0, WALL, 30));
        skew.observe(&reading(1_000, WALL + 900, 30));
        skew.observe(&reading(2_000, WALL - 49_000, 30));
        assert_eq!((skew.epoch, skew.offset), (0, WALL));
        skew.observe(&reading(3_000, WALL + 3_600_000_000_000, 30));
        assert_eq!((skew.epoch, skew.offset), (1, WALL + 3_600_000_000_000));
        skew.observe(&reading(4_000, WALL, 30));
        assert_eq!((skew.epoch, skew.offset), (2, WALL));
    }

    #[test]
    fn a_wide_reading_does_not_pass_for_a_step() {
        let mut skew = Skew::new(&reading(0, WALL, 30));
        skew.observe(&reading(4_000_000, WALL + 3_000_000, 3_900_000));
        assert_eq!(skew.epoch, 0);
    }

    #[test]
    fn the_clock_runs_forward_and_agrees_with_the_wall() {
        let mut clock = Clock::start();
        let first = clock.look();
        std::thread::sleep(Duration::from_millis(5));
        let second = clock.look();
        assert!(second.now.since(first.now) >= Duration::from_millis(5));
        assert_eq!(first.epoch, second.epoch);
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as i64;
        let ours = clock.started_at().at(clock.now()).0;
        assert!(ours.abs_diff(wall) < 100_000_000, "{ours} against {wall}");
    }

    #[test]
    fn never_is_no_instant() {
        let clock = Clock::start();
        assert_eq!(clock.instant(Moment::NEVER), None);
        assert!(clock.instant(Moment::START + Duration::from_secs(3)).is_some());
    }
}
