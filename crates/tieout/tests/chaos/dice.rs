//! Numbers from a seed, the same on every machine, in streams of their own by name.

/// SplitMix64: small, and every seed is a good one.
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream of a name: another fault does not reshuffle the edits.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let named = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Self(Self(seed ^ named).next() ^ Self(!seed).next().rotate_left(32))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// From `from` to just below `end`.
    pub(crate) fn between(&mut self, from: u64, end: u64) -> u64 {
        from + self.below(end.saturating_sub(from))
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let at = usize::try_from(self.below(u64::try_from(choices.len()).ok()?)).ok()?;
        choices.get(at).copied()
    }

    /// One of a list in order of age, half of the time one of the newest few: that is where people work.
    pub(crate) fn recent<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let newest = choices.len().saturating_sub(6);
        if self.one_in(2) { self.of(&choices[newest..]) } else { self.of(choices) }
    }
}
