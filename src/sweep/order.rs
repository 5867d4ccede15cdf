//! An order over many hosts that no network sees as a burst, and that takes no memory.
//!
//! A list is mostly sorted: whoever goes through it from the top sends hundreds of packets in a row into one network. A
//! keyed permutation (a four-round Feistel network over an even number of bits, Luby and Rackoff 1988; values outside the
//! range are walked over, Black and Rogaway 2002) gives the n-th host without a shuffled list of them.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher24;

/// Rounds of the network: what makes a permutation of a keyed function that no statistic of an order tells from chance.
const ROUNDS: usize = 4;

/// A permutation of the numbers below a count.
#[derive(Clone, Debug)]
pub struct Order {
    count: u64,
    /// Bits of one half.
    half: u32,
    keys: [u64; ROUNDS],
}

impl Order {
    /// The order of `count` things that belongs to this key.
    #[must_use]
    pub fn new(key: [u8; 16], count: u64) -> Self {
        // The smallest even number of bits that holds the count: fewer than four numbers are walked over for each one taken.
        let bits = u64::BITS - count.saturating_sub(1).leading_zeros();
        let half = bits.div_ceil(2).max(1);
        let keys = std::array::from_fn(|round| {
            let mut hasher = SipHasher24::new_with_key(&key);
            hasher.write(b"order");
            hasher.write_u64(round as u64);
            hasher.finish()
        });
        Self { count, half, keys }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The number at a place, both below the count.
    #[must_use]
    pub fn at(&self, place: u64) -> u64 {
        debug_assert!(place < self.count);
        let mut value = place;
        // The cycle through `place` returns to it, so a number below the count comes.
        loop {
            value = self.step(value);
            if value < self.count {
                return value;
            }
        }
    }

    fn step(&self, value: u64) -> u64 {
        let mask = (1_u64 << self.half) - 1;
        let (mut left, mut right) = (value >> self.half, value & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        left << self.half | right
    }
}

/// The finaliser of SplitMix64 (Steele et al. 2014): every bit of the result hangs on every bit given.
const fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everybody_has_one_turn(key: [u8; 16], count in 1_u64..5000) {
            let order = Order::new(key, count);
            let mut seen = vec![false; count as usize];
            for place in 0..count {
                let number = order.at(place) as usize;
                prop_assert!(!seen[number], "{number} twice");
                seen[number] = true;
            }
        }

        #[test]
        fn large_counts_stay_in_range(key: [u8; 16], count in 1_u64..=1 << 40, place: u64) {
            let order = Order::new(key, count);
            prop_assert!(order.at(place % count) < count);
        }
    }

    /// Neighbours of a list are asked far apart: as far as chance puts them.
    #[test]
    fn neighbours_are_asked_apart() {
        let count = 100_000;
        let order = Order::new([7; 16], count);
        let mut places = vec![0_u64; count as usize];
        for place in 0..count {
            places[order.at(place) as usize] = place;
        }
        let near = places.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 100).count();
        // Two of a hundred thousand are within a hundred of each other in one case of five hundred.
        assert!((100..=320).contains(&near), "{near}");
        assert_ne!(order.at(0), Order::new([8; 16], count).at(0));
    }
}
