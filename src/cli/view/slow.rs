//! Simulated time made to pass like real time, where somebody watches it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Shared;
use crate::probe::{Heard, Part, Record, Transmit, Wire, WireFault};
use crate::trace::{Losses, Moment, Run, SendFault};

/// How long it sleeps at most before it looks whether it should end, or whether time passes otherwise.
const SLICE: Duration = Duration::from_millis(20);

/// A wire in virtual time, slowed down to real time if somebody watches; else as it is.
pub struct Slowed<'a, W> {
    wire: &'a mut W,
    watched: Option<Arc<Shared>>,
    /// Virtual time that has passed for who watches.
    reached: Moment,
}

impl<'a, W: Wire> Slowed<'a, W> {
    pub(super) const fn new(wire: &'a mut W, watched: Option<Arc<Shared>>) -> Self {
        Self { wire, watched, reached: Moment::START }
    }

    /// Lets the time pass up to now; says whether somebody wants an end.
    fn sleep(&mut self) -> bool {
        let Some(watched) = &self.watched else { return false };
        let now = self.wire.now();
        let mut left = now.since(self.reached);
        self.reached = now;
        while !left.is_zero() && !watched.wants_end() {
            let speed = watched.speed();
            let slice = left.div_f64(speed).min(SLICE);
            thread::sleep(slice);
            // What is left of less than a nanosecond is nothing.
            left = if slice < SLICE { Duration::ZERO } else { left.saturating_sub(slice.mul_f64(speed)) };
        }
        watched.wants_end()
    }
}

impl<W: Wire> Wire for Slowed<'_, W> {
    fn now(&mut self) -> Moment {
        self.wire.now()
    }

    fn send(&mut self, transmit: &Transmit) -> Result<Moment, SendFault> {
        self.wire.send(transmit)
    }

    fn wait(&mut self, until: Moment) -> Result<Heard, WireFault> {
        let heard = self.wire.wait(until)?;
        Ok(if self.sleep() { Heard::Interrupted } else { heard })
    }

    fn losses(&mut self) -> Losses {
        self.wire.losses()
    }

    fn record(&mut self, part: Part, run: &Run, record: Record<'_>) {
        self.wire.record(part, run, record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Clock;

    /// A wire on which nothing happens but time.
    struct Empty(Moment);

    impl Wire for Empty {
        fn now(&mut self) -> Moment {
            self.0
        }

        fn send(&mut self, _: &Transmit) -> Result<Moment, SendFault> {
            Ok(self.0)
        }

        fn wait(&mut self, until: Moment) -> Result<Heard, WireFault> {
            self.0 = until;
            Ok(Heard::Quiet)
        }

        fn losses(&mut self) -> Losses {
            Losses::default()
        }
    }

    fn waited(watched: Option<Arc<Shared>>, milliseconds: u64) -> (Heard, Duration) {
        let clock = Clock::start();
        let mut wire = Empty(Moment::START);
        let heard = Slowed::new(&mut wire, watched)
            .wait(Moment::START + Duration::from_millis(milliseconds))
            .unwrap();
        (heard, clock.now().since(Moment::START))
    }

    #[test]
    fn simulated_time_passes_as_fast_as_is_wished_and_at_once_if_nobody_looks() {
        let shared = Arc::new(Shared::new(&[String::new()]));
        let (heard, took) = waited(Some(Arc::clone(&shared)), 130);
        assert_eq!(heard, Heard::Quiet);
        assert!(took >= Duration::from_millis(130), "{took:?}");
        shared.faster(true);
        shared.faster(true);
        let (_, took) = waited(Some(Arc::clone(&shared)), 400);
        assert!(took >= Duration::from_millis(100) && took < Duration::from_millis(390), "{took:?}");
        let (_, took) = waited(None, 3_600_000);
        assert!(took < Duration::from_secs(10), "{took:?}");
    }

    #[test]
    fn whoever_wants_an_end_need_not_wait_for_it() {
        let shared = Arc::new(Shared::new(&[String::new()]));
        shared.end();
        let (heard, took) = waited(Some(shared), 3_600_000);
        assert_eq!(heard, Heard::Interrupted);
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}
