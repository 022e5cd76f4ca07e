/// Draws in the order they are asked for: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
///
/// For the driver of a simulation and its faults, where one thread asks in one order; the world's own draws hang on what
/// they are for instead.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another pair of dice, for a purpose of its own: more draws there change nothing here.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.bits())
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number below `n`; 0 for `n` = 0.
    pub fn below(&mut self, n: u64) -> u64 {
        // The bias for n far below 2⁶⁴ is far below one in a million.
        self.bits().checked_rem(n).unwrap_or(0)
    }

    /// As [`below`](Self::below), for places in a list.
    pub fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.below(u64::try_from(len).unwrap_or(u64::MAX))).unwrap_or(0)
    }

    /// A whole number from `from` up to and with `to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from).saturating_add(1))
    }

    /// True `per_mille` times in a thousand.
    pub fn hit(&mut self, per_mille: u32) -> bool {
        self.below(1_000) < u64::from(per_mille)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_first_values_of_splitmix64() {
        let mut dice = Dice::new(1_234_567);
        assert_eq!(
            [dice.bits(), dice.bits()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let mut dice = Dice::new(7);
        assert!((0..1_000).all(|_| (3..=5).contains(&dice.between(3, 5))));
        assert_eq!(dice.below(0), 0);
        assert!(!dice.hit(0) && dice.hit(1_000));
    }
}
