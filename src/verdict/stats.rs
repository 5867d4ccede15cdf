//! The three figures a verdict rests on. No network words here: trials, answers and hops only.
//!
//! * [`e_value`]: the paired test. Whatever the loss, and whenever one stops, the chance that it ever reaches 1/α while
//!   the target is answered just like the reference is at most α (Ville's inequality for test martingales).
//! * [`posterior`]: where between two hops the target's packets stop, given what both were answered.
//! * [`clopper_pearson`]: an interval for a share of flows.

use libm::lgamma;

/// How much of the stake each discordant pair moves.
pub const STAKE: f64 = 0.9;
/// The chance that a probe that cannot arrive is answered nonetheless, by an answer matched wrongly.
const EPSILON: f64 = 0.005;
/// Control answers a hop needs before it says anything.
pub const CONTROL_ANSWERS: u32 = 3;

/// The paired test's e-value: `reference_only` pairs where only the reference was answered, `target_only` pairs where
/// only the target was. Pairs with equal outcome change nothing.
#[must_use]
pub fn e_value(reference_only: u32, target_only: u32) -> f64 {
    (1.0 + STAKE).powf(f64::from(reference_only)) * (1.0 - STAKE).powf(f64::from(target_only))
}

/// Trials and answers at one hop, of the reference and of the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Probes to references whose fate is known.
    pub reference_sent: u32,
    /// Those answered.
    pub reference_answered: u32,
    /// Probes to the target whose fate is known.
    pub target_sent: u32,
    /// Those answered.
    pub target_answered: u32,
}

/// What is assumed before and about the data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumptions {
    /// Prior mass of "the target's packets reach the last router"; the rest is spread evenly over the links.
    pub destination: f64,
    /// How far the reference's answer rate is believed of the target, from 0 (not at all) to 1 (fully).
    pub trust: f64,
}

/// What is reported.
pub const USUAL: Assumptions = Assumptions { destination: 0.5, trust: 0.5 };
/// What a verdict must survive.
pub const ALTERNATIVES: [Assumptions; 6] = [
    Assumptions { destination: 0.1, trust: 0.5 },
    Assumptions { destination: 0.5, trust: 0.5 },
    Assumptions { destination: 0.9, trust: 0.5 },
    Assumptions { destination: 0.1, trust: 0.25 },
    Assumptions { destination: 0.5, trust: 0.25 },
    Assumptions { destination: 0.9, trust: 0.25 },
];

/// The probability of each place where the target's packets may stop.
///
/// `hops[0]` is TTL 1. Entry `L` of the answer is the link behind hop `L` (0 is our own), so that hop `L` is the last
/// one reached; the last entry is "they reach every router: the host is silent, or its answers are lost". Hops where
/// the reference gave fewer than three answers neither support nor exclude anything.
///
/// A beta-binomial likelihood for hops before the loss, with the reference's counts discounted by `trust`, and a small
/// constant chance of a wrongly matched answer behind it.
#[must_use]
pub fn posterior(hops: &[Tally], assumptions: Assumptions) -> Vec<f64> {
    let links = hops.len();
    let arrives: Vec<f64> = hops.iter().map(|tally| ln_arrives(*tally, assumptions.trust)).collect();
    let lost: Vec<f64> = hops.iter().map(|tally| ln_lost(*tally)).collect();
    // Link L: hops 1..=L were reached (entries 0..L), the rest were not.
    let mut weights = Vec::with_capacity(links + 1);
    let mut reached = 0.0;
    let mut beyond: f64 = lost.iter().sum();
    let ln_link = ((1.0 - assumptions.destination) / links.max(1) as f64).ln();
    for hop in 0..links {
        weights.push(ln_link + reached + beyond);
        reached += arrives[hop];
        beyond -= lost[hop];
    }
    weights.push(assumptions.destination.ln() + reached);
    let top = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = weights.iter().map(|weight| (weight - top).exp()).sum();
    weights.into_iter().map(|weight| (weight - top).exp() / total).collect()
}

/// The target's answers and silences, where the reference says what to expect of it.
fn counts(tally: Tally) -> Option<(f64, f64)> {
    (tally.reference_answered >= CONTROL_ANSWERS).then(|| {
        (f64::from(tally.target_answered), f64::from(tally.target_sent.saturating_sub(tally.target_answered)))
    })
}

fn ln_arrives(tally: Tally, trust: f64) -> f64 {
    let Some((hit, miss)) = counts(tally) else { return 0.0 };
    let silent = tally.reference_sent.saturating_sub(tally.reference_answered);
    let alpha = 0.5 + trust * f64::from(tally.reference_answered);
    let beta = 0.5 + trust * f64::from(silent);
    ln_beta(alpha + hit, beta + miss) - ln_beta(alpha, beta)
}

fn ln_lost(tally: Tally) -> f64 {
    // An answer proves arrival, whatever the reference was told; a silence says something only where that was answered.
    let (hit, miss) = counts(tally).unwrap_or((f64::from(tally.target_answered), 0.0));
    hit * EPSILON.ln() + miss * (1.0 - EPSILON).ln()
}

/// Logarithm of the number of ways to choose `chosen` of `all`; negative infinity where there is none.
#[must_use]
pub fn ln_choose(all: u32, chosen: u32) -> f64 {
    if chosen > all { f64::NEG_INFINITY } else { ln_binomial(f64::from(all), f64::from(chosen)) }
}

fn ln_binomial(n: f64, k: f64) -> f64 {
    lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0)
}

fn ln_beta(a: f64, b: f64) -> f64 {
    lgamma(a) + lgamma(b) - lgamma(a + b)
}

/// The exact two-sided interval for a binomial share: `hits` of `trials` at this confidence (Clopper and Pearson 1934).
#[must_use]
pub fn clopper_pearson(hits: u32, trials: u32, confidence: f64) -> (f64, f64) {
    let tail = (1.0 - confidence) / 2.0;
    if trials == 0 {
        return (0.0, 1.0);
    }
    // P(X >= hits) grows with the share, P(X <= hits) falls; bisection to double precision.
    let solve = |holds: &dyn Fn(f64) -> bool| {
        let (mut low, mut high) = (0.0f64, 1.0f64);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if holds(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        f64::midpoint(low, high)
    };
    let low = if hits == 0 { 0.0 } else { solve(&|share| 1.0 - below(hits - 1, trials, share) >= tail) };
    let high = if hits == trials { 1.0 } else { solve(&|share| below(hits, trials, share) <= tail) };
    (low, high)
}

/// P(X <= hits) for a binomial X.
fn below(hits: u32, trials: u32, share: f64) -> f64 {
    let n = f64::from(trials);
    (0..=hits.min(trials))
        .map(|k| {
            let k = f64::from(k);
            let choose = ln_binomial(n, k);
            let one = if k == 0.0 { 0.0 } else { k * share.ln() };
            let other = if k == n { 0.0 } else { (n - k) * (1.0 - share).ln() };
            (choose + one + other).exp()
        })
        .sum()
}

/// How many flows must agree before one more branch is excluded (multipath detection's n₁: Augustin et al. 2007): the
/// smallest n with 2·2⁻ⁿ ≤ α, two branches of equal share being the hardest to miss.
#[must_use]
pub fn flows_needed(confidence: f64) -> u32 {
    let alpha = (1.0 - confidence).max(1e-9);
    ((2.0 / alpha).log2() - 1e-9).ceil().max(1.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// method.md §3.8: a reference answered 12/12 at hops 1–5, 11/12 at 6, 0/12 at 7, 10/12 at 8, 12/12 at 9, 10, 12, and
    /// 0/12 at 11; a target answered n/n up to 5, n−1 of n at 6, never beyond.
    fn vector(n: u32) -> Vec<Tally> {
        let answered = [12, 12, 12, 12, 12, 11, 0, 10, 12, 12, 0, 12];
        (1..=12)
            .zip(answered)
            .map(|(ttl, reference_answered)| Tally {
                reference_sent: 12,
                reference_answered,
                target_sent: n,
                target_answered: match ttl {
                    1..=5 => n,
                    6 => n - 1,
                    _ => 0,
                },
            })
            .collect()
    }

    #[test]
    fn the_posterior_leaves_a_silent_router_undecided_as_it_must() {
        for (n, expected) in [
            (2, [(6, 0.473), (7, 0.473), (8, 0.032), (5, 0.022)].as_slice()),
            (3, &[(6, 0.493), (7, 0.493), (8, 0.013)]),
            (4, &[(6, 0.497), (7, 0.497), (8, 0.006)]),
            (8, &[(6, 0.4997), (7, 0.4997), (8, 0.0006)]),
        ] {
            let posterior = posterior(&vector(n), USUAL);
            for (link, mass) in expected {
                assert!((posterior[*link] - mass).abs() < 0.0015, "n={n} L={link}: {}", posterior[*link]);
            }
            assert!((posterior.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn the_posterior_learns_slowly_from_a_router_that_answers_rarely() {
        for (n, expected) in [(4, 0.755), (8, 0.898), (16, 0.968), (24, 0.985)] {
            let hops: Vec<Tally> = (1..=12)
                .map(|ttl| Tally {
                    reference_sent: 12,
                    reference_answered: match ttl {
                        7 | 8 => 4,
                        9 => 3,
                        _ => 12,
                    },
                    target_sent: n,
                    target_answered: if ttl < 7 { n } else { 0 },
                })
                .collect();
            let mass = posterior(&hops, USUAL)[6];
            assert!((mass - expected).abs() < 0.02, "n={n}: {mass}");
        }
    }

    #[test]
    fn what_the_target_is_answered_counts_where_the_reference_is_answered_seldom() {
        let hop = |reference_answered, target_answered| Tally {
            reference_sent: 8,
            reference_answered,
            target_sent: 8,
            target_answered,
        };
        let posterior = posterior(&[hop(8, 8), hop(2, 4), hop(8, 0), hop(8, 0)], USUAL);
        assert!(posterior[2] > 0.99, "{posterior:?}");
    }

    #[test]
    fn a_target_answered_everywhere_is_lost_at_the_host() {
        let hop = Tally { reference_sent: 12, reference_answered: 12, target_sent: 6, target_answered: 6 };
        let posterior = posterior(&[hop; 12], USUAL);
        assert!(posterior[12] > 0.9995);
    }

    #[test]
    fn eight_discordant_pairs_are_99_percent_and_one_answer_takes_almost_all_of_it_back() {
        assert!(e_value(7, 0) < 100.0 && e_value(8, 0) >= 100.0);
        assert!((e_value(8, 1) / e_value(8, 0) - 0.1).abs() < 1e-12);
        assert!((e_value(0, 0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn exact_intervals_match_published_values() {
        let close = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).abs() < 5e-4 && (a.1 - b.1).abs() < 5e-4;
        assert!(close(clopper_pearson(0, 10, 0.95), (0.0, 0.3085)));
        assert!(close(clopper_pearson(5, 10, 0.95), (0.1871, 0.8129)));
        assert!(close(clopper_pearson(10, 10, 0.95), (0.6915, 1.0)));
        assert_eq!(clopper_pearson(0, 0, 0.95), (0.0, 1.0));
    }

    #[test]
    fn multipath_stopping_numbers_are_the_published_ones() {
        assert_eq!((flows_needed(0.95), flows_needed(0.99)), (6, 8));
    }
}
