//! Numbers by seed: the same in every run.

/// splitmix64.
pub(crate) const fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Within 0 to 1, never 0.
pub(crate) fn uniform(state: &mut u64) -> f64 {
    ((next(state) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

/// Below `n`.
pub(crate) fn below(state: &mut u64, n: usize) -> usize {
    (uniform(state) * n as f64) as usize
}

/// Normal, mean 0, deviation 1 (Box and Muller 1958).
pub(crate) fn normal(state: &mut u64) -> f64 {
    (-2.0 * uniform(state).ln()).sqrt() * (std::f64::consts::TAU * uniform(state)).cos()
}

/// An order of so many.
pub(crate) fn shuffle<T>(items: &mut [T], state: &mut u64) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(state, i + 1));
    }
}
