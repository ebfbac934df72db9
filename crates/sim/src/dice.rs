//! Randomness from one seed, in named streams: a new fault draws from its own, and the others play as before.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A number that follows from a seed, a name and a place, and from nothing else.
pub fn die(seed: u64, stream: &str, place: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed.rotate_left(32);
    for byte in stream.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mixed(mixed(hash ^ mixed(seed)).wrapping_add(mixed(place)))
}

/// The finaliser of SplitMix64: neighbours in, strangers out.
fn mixed(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A stream of numbers of its own.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of this name.
    pub fn new(seed: u64, stream: &str) -> Self {
        Self(ChaCha8Rng::seed_from_u64(die(seed, stream, 0)))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 to below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end.max(1)
    }

    /// A number from `from` to `to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// A length of time between the two, in milliseconds; short ones as often as long ones on a scale of doublings.
    pub fn span_ms(&mut self, from: u64, to: u64) -> i64 {
        let doublings = (to / from.max(1)).max(1).ilog2() + 1;
        let low = from.max(1) << self.below(u64::from(doublings));
        i64::try_from(self.between(low, (low * 2).min(to).max(low))).unwrap_or(i64::MAX)
    }

    /// True so many times in a thousand.
    pub fn per_mille(&mut self, times: u64) -> bool {
        self.below(1_000) < times
    }

    /// One of them.
    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap_or(0)]
    }
}
