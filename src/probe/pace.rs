//! How fast the network may be asked.
//!
//! Three budgets hold at once. One for all packets together. One for each router, which stands for the TTL at which it
//! answers: a burst that the common limiters allow, then the rate its own answers have shown it bears, the target's and
//! the references' probes counted together, because a limiter counts them together (Linux `icmp_ratelimit`: a burst of
//! 6, then one a second for each address that probes). And one for each host that is probed with a full TTL.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::trace::Moment;

/// Packets a second, and how they may bunch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Least time between two packets of any kind.
    pub gap: Duration,
    /// Most probes whose fate is open at once; `None` for no limit but the rest.
    pub in_flight: Option<u16>,
    /// Packets a router or host may get at once.
    pub burst: u32,
    /// Packets a second for a router or host of which nothing is known, or that is known to limit.
    pub cautious: u32,
    /// Packets a second for a router or host whose answers keep coming.
    pub fastest: u32,
    /// How many runs share these budgets, from 1: each has that part of every burst and rate.
    pub shared: u32,
    /// A TCP probe waits until the fate of the one before it in its flow is known: where the operating system makes the
    /// connections, no two can have the same addresses and ports at once.
    pub one_a_flow: bool,
}

impl Pace {
    /// The part of one of `runs` runs that go on at once: together they keep to this pace. Whatever is shared, each may
    /// have one probe under way, and begin with one for each router.
    #[must_use]
    pub fn among(self, runs: u32) -> Self {
        let runs = runs.max(1);
        let part = |flight: u16| u16::try_from(u32::from(flight) / runs).unwrap_or(flight).max(1);
        Self {
            gap: self.gap * runs,
            in_flight: self.in_flight.map(part),
            shared: self.shared.saturating_mul(runs),
            ..self
        }
    }

    /// This run's part of a number of packets, or of packets a second.
    fn part(&self, whole: u32) -> f64 {
        f64::from(whole) / f64::from(self.shared.max(1))
    }
}

impl Default for Pace {
    /// 50 a second in all; a burst of 6, then 1 to 10 a second.
    fn default() -> Self {
        Self {
            gap: Duration::from_millis(20),
            in_flight: None,
            burst: 6,
            cautious: 1,
            fastest: 10,
            shared: 1,
            one_a_flow: false,
        }
    }
}

/// What the first answer beyond the burst multiplies a router's rate by.
const FASTEST_GROWTH: f64 = 10.0;
/// What they multiply it by where silences have been met.
const SLOWEST_GROWTH: f64 = 1.25;

/// Who answers, as far as the sender can know beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bearer {
    /// Whatever router stands at this TTL.
    Router(u8),
    /// The host with this address.
    Host(IpAddr),
}

/// The budget of one bearer: a token bucket whose rate is learned.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Moment,
    rate: f64,
    /// What an answer multiplies the rate by.
    growth: f64,
    spent: u32,
}

/// All budgets of a run, or of several that go on side by side and pay from the same ones ([`share`](Self::share)).
#[derive(Clone, Debug)]
pub struct Budgets {
    book: Arc<Mutex<Book>>,
    /// When this run began, on the clock of the one that shared its budgets first.
    began: Duration,
}

/// What is written down of all runs together, on the first one's clock.
#[derive(Debug)]
struct Book {
    pace: Pace,
    next_send: Moment,
    buckets: HashMap<Bearer, Bucket>,
}

impl Budgets {
    /// Full budgets.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        let book = Book { pace, next_send: Moment::START, buckets: HashMap::new() };
        Self { book: Arc::new(Mutex::new(book)), began: Duration::ZERO }
    }

    /// The same budgets for another run, whose [`Moment::START`] is `began` after that of these.
    #[must_use]
    pub fn share(&self, began: Duration) -> Self {
        Self { book: Arc::clone(&self.book), began: self.began + began }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Every entry is whole at any moment: a panic elsewhere leaves nothing half done.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the next packet of any kind may leave.
    #[must_use]
    pub fn next_send(&self) -> Moment {
        self.book().next_send - self.began
    }

    /// When `count` packets for `bearer` may begin to leave: now, or later.
    #[must_use]
    pub fn ready(&self, bearer: Bearer, count: usize, now: Moment) -> Moment {
        self.book().ready(bearer, count, now + self.began) - self.began
    }

    /// One packet for `bearer` leaves now.
    pub fn spend(&mut self, bearer: Bearer, now: Moment) {
        self.book().spend(bearer, now + self.began);
    }

    /// A reference's probe, or one that a host should answer, was answered or not: the only evidence of what the bearer
    /// bears, since the target's silence may have another cause.
    ///
    /// Only packets beyond the burst tell: within it every limiter answers. An answer multiplies the rate up to the
    /// fastest; a silence takes it back to the cautious one, and from then on it grows more slowly: a limiter that was
    /// met once is there.
    pub fn learn(&mut self, bearer: Bearer, answered: bool, now: Moment) {
        self.book().learn(bearer, answered, now + self.began);
    }

    /// The rate at which `bearer` is probed beyond the burst, in packets a second.
    #[must_use]
    pub fn rate(&self, bearer: Bearer) -> f64 {
        let book = self.book();
        book.buckets.get(&bearer).map_or(book.pace.part(book.pace.cautious), |bucket| bucket.rate)
    }
}

impl Book {
    fn ready(&self, bearer: Bearer, count: usize, now: Moment) -> Moment {
        let Some(bucket) = self.buckets.get(&bearer) else { return now };
        // A group larger than the burst would never fit; it goes out when the bucket is full.
        let need = (count as f64).min(self.pace.part(self.pace.burst));
        let have = bucket.filled(now, self.pace);
        // The comparison forgives what floating point cannot hold, a nanosecond's worth of tokens.
        if have + 1e-6 >= need { now } else { now + Duration::from_secs_f64((need - have) / bucket.rate) }
    }

    fn spend(&mut self, bearer: Bearer, now: Moment) {
        let pace = self.pace;
        let fresh = Bucket {
            tokens: pace.part(pace.burst),
            filled_at: now,
            rate: pace.part(pace.cautious),
            growth: FASTEST_GROWTH,
            spent: 0,
        };
        let bucket = self.buckets.entry(bearer).or_insert(fresh);
        bucket.tokens = bucket.filled(now, pace) - 1.0;
        bucket.filled_at = now;
        bucket.spent += 1;
        self.next_send = now + pace.gap;
    }

    fn learn(&mut self, bearer: Bearer, answered: bool, now: Moment) {
        let pace = self.pace;
        let Some(bucket) = self.buckets.get_mut(&bearer) else { return };
        if f64::from(bucket.spent) <= pace.part(pace.burst) {
            return;
        }
        // What was earned at the old rate is booked before the rate changes.
        bucket.tokens = bucket.filled(now, pace);
        bucket.filled_at = now.max(bucket.filled_at);
        if answered {
            bucket.rate = (bucket.rate * bucket.growth).min(pace.part(pace.fastest));
        } else {
            bucket.rate = pace.part(pace.cautious);
            bucket.growth = bucket.growth.sqrt().max(SLOWEST_GROWTH);
        }
    }
}

impl Bucket {
    fn filled(&self, now: Moment, pace: Pace) -> f64 {
        (self.tokens + now.since(self.filled_at).as_secs_f64() * self.rate).min(pace.part(pace.burst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::START + Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_router_gets_a_burst_and_then_one_a_second() {
        let mut budgets = Budgets::new(Pace::default());
        let bearer = Bearer::Router(5);
        let mut sent = Vec::new();
        let mut now = Moment::START;
        while sent.len() < 9 {
            now = budgets.ready(bearer, 1, now).max(budgets.next_send());
            budgets.spend(bearer, now);
            sent.push(now);
        }
        assert_eq!(sent[5], at(100), "six at the total pace of 50 a second");
        assert_eq!(sent[6], at(1000));
        assert_eq!(sent[8], at(3000));
    }

    #[test]
    fn the_rate_rises_only_on_answers_beyond_the_burst_and_falls_back_on_silence() {
        let mut budgets = Budgets::new(Pace::default());
        let bearer = Bearer::Router(5);
        for _ in 0..6 {
            budgets.spend(bearer, at(0));
            budgets.learn(bearer, true, at(0));
        }
        assert!((budgets.rate(bearer) - 1.0).abs() < 1e-9, "a burst shows nothing");
        budgets.spend(bearer, at(1000));
        for expected in [10.0, 10.0] {
            budgets.learn(bearer, true, at(1000));
            assert!((budgets.rate(bearer) - expected).abs() < 1e-9);
        }
        budgets.learn(bearer, false, at(1000));
        assert!((budgets.rate(bearer) - 1.0).abs() < 1e-9);
        budgets.learn(bearer, true, at(1000));
        let slower = FASTEST_GROWTH.sqrt();
        assert!((budgets.rate(bearer) - slower).abs() < 1e-9, "more slowly once a silence was met");
    }

    #[test]
    fn runs_that_share_a_pace_keep_to_it_together() {
        for runs in [2, 3, 6, 12] {
            let pace = Pace::default().among(runs);
            let mut all: Vec<Budgets> = (0..runs).map(|_| Budgets::new(pace)).collect();
            let bearer = Bearer::Router(5);
            let mut sent: Vec<Moment> = Vec::new();
            for budgets in &mut all {
                let mut now = Moment::START;
                loop {
                    now = budgets.ready(bearer, 1, now).max(budgets.next_send());
                    if now >= at(60_000) {
                        break;
                    }
                    budgets.spend(bearer, now);
                    // What everybody shows that nothing is limited here would bring one run alone to ten a second.
                    budgets.learn(bearer, true, now);
                    sent.push(now);
                }
            }
            // A burst of six, or one each, and ten a second.
            let most = 6.max(runs as usize) + 600 + runs as usize;
            assert!((300..=most).contains(&sent.len()), "{runs}: {}", sent.len());
            let gaps: Duration = pace.gap;
            assert_eq!(gaps, Duration::from_millis(20) * runs);
        }
    }

    /// Runs that begin at different times pay from one purse, each on its own clock.
    #[test]
    fn budgets_that_are_shared_are_one() {
        let mut first = Budgets::new(Pace::default());
        let bearer = Bearer::Router(3);
        for _ in 0..4 {
            first.spend(bearer, at(10_000));
        }
        let mut second = first.share(Duration::from_secs(10));
        assert_eq!(second.next_send(), at(20));
        for _ in 0..2 {
            assert_eq!(second.ready(bearer, 1, at(0)), at(0));
            second.spend(bearer, at(0));
        }
        assert_eq!(second.ready(bearer, 1, at(0)), at(1000));
        assert_eq!(first.ready(bearer, 1, at(10_000)), at(11_000));
        assert_eq!(second.ready(Bearer::Router(4), 2, at(0)), at(0));
    }

    #[test]
    fn a_pair_waits_for_two_tokens() {
        let mut budgets = Budgets::new(Pace::default());
        let bearer = Bearer::Router(1);
        for _ in 0..6 {
            budgets.spend(bearer, at(0));
        }
        assert_eq!(budgets.ready(bearer, 1, at(0)), at(1000));
        assert_eq!(budgets.ready(bearer, 2, at(0)), at(2000));
        assert_eq!(budgets.ready(Bearer::Router(2), 2, at(0)), at(0), "another router is another budget");
    }
}
