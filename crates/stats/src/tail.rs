use serde::{Deserialize, Serialize};

/// Buckets of a [`TailHistogram`]: 16 octaves in quarters.
const BUCKETS: usize = 64;
/// Buckets an octave.
const PER_OCTAVE: f64 = 4.0;
/// log2 of the lower edge of the first bucket: smaller values are all alike.
const LOWEST_LOG2: f64 = -4.0;
/// At this total all counts are halved, so that a `u16` holds them and the distant past fades.
const TOTAL_MAX: u32 = 32_768;
/// How steep a tail may be taken to be beyond what was seen: decades of chance per decade of value. Real telemetry has
/// power tails of 2 to 6 even where the part seen so far ends like a wall.
const STEEPNESS: std::ops::RangeInclusive<f64> = 1.5..=6.0;

/// Chance that a standard normal value is at least `z` (Abramowitz and Stegun 7.1.2, by `libm::erfc`).
pub fn normal_upper(z: f64) -> f64 {
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}

/// −log10 of a chance, 0 to 20.
pub fn surprise(p: f64) -> f64 {
    if p > 1e-20 {
        (-libm::log10(p)).max(0.0)
    } else {
        20.0
    }
}

/// Upper tail of Student's t distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StudentTail {
    dof: f64,
    ln_beta: f64,
}

impl StudentTail {
    /// With `dof` degrees of freedom, above 0.
    pub fn new(dof: f64) -> Self {
        Self {
            dof,
            ln_beta: libm::lgamma(dof / 2.0) + libm::lgamma(0.5) - libm::lgamma(f64::midpoint(dof, 1.0)),
        }
    }

    /// Chance of a value of at least `t`.
    pub fn upper(&self, t: f64) -> f64 {
        if t < 0.0 {
            return 1.0 - self.upper(-t);
        }
        // P(T ≥ t) = ½ I_x(ν/2, ½) with x = ν/(ν + t²) (Abramowitz and Stegun 26.7.1).
        let x = self.dof / (self.dof + t * t);
        let half = self.dof / 2.0;
        let whole = if x <= 0.5 {
            self.incomplete_beta(x, half, 0.5)
        } else {
            1.0 - self.incomplete_beta(1.0 - x, 0.5, half)
        };
        (0.5 * whole).clamp(0.0, 1.0)
    }

    /// The regularised incomplete beta function by its series (26.5.4), for `x` up to ½.
    fn incomplete_beta(&self, x: f64, a: f64, b: f64) -> f64 {
        if x <= 0.0 {
            return 0.0;
        }
        let (mut term, mut sum, mut n) = (1.0, 1.0, 0.0);
        // At x ≤ ½ every term is at most about half of the one before: 200 are beyond any precision.
        while term > 1e-17 * sum && n < 200.0 {
            term *= x * (a + b + n) / (a + 1.0 + n);
            sum += term;
            n += 1.0;
        }
        libm::exp(a * libm::log(x) + b * libm::log1p(-x) - self.ln_beta) / a * sum
    }
}

/// How rare a value is among those seen before: counts in quarter octaves from 1/16 to 4096, and beyond the largest value
/// seen a power tail as steep as the upper tenth of the values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TailHistogram {
    counts: Box<[u16]>,
    total: u32,
}

impl Default for TailHistogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS].into_boxed_slice(),
            total: 0,
        }
    }
}

impl TailHistogram {
    /// Takes in a value; negative ones count as 0.
    pub fn add(&mut self, value: f64) {
        self.add_bucket(Self::bucket_of(value));
    }

    /// The number of the bucket a value belongs to: all that [`add_bucket`](Self::add_bucket) needs of it later.
    pub fn bucket_of(value: f64) -> u8 {
        u8::try_from(bucket(position(value))).unwrap_or(u8::MAX)
    }

    /// Takes in a value by its bucket; a number that is none is left out.
    pub fn add_bucket(&mut self, bucket: u8) {
        if let Some(count) = self.counts.get_mut(usize::from(bucket)) {
            *count = count.saturating_add(1);
            self.total += 1;
        }
        if self.total >= TOTAL_MAX {
            self.total = 0;
            for count in &mut self.counts {
                *count /= 2;
                self.total += u32::from(*count);
            }
        }
    }

    /// How many values it knows, faded ones left out.
    pub const fn total(&self) -> u32 {
        self.total
    }

    /// −log10 of the chance of `value` or more, 0 to 20; 0 for an empty histogram.
    ///
    /// `alike`: how many neighbouring values say the same thing (1 for independent ones); it divides all counts.
    pub fn surprise(&self, value: f64, alike: f64) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        let place = position(value);
        let index = bucket(place);
        let top = self.top();
        let total = f64::from(self.total);
        if index > top {
            let (edge, at_edge) = (edge(top + 1), rarity(0.0, total, alike));
            let decades = (place - edge) / PER_OCTAVE * std::f64::consts::LOG10_2;
            return (at_edge + self.steepness(top, at_edge, alike) * decades).min(20.0);
        }
        let above: u32 = self.counts.iter().skip(index + 1).map(|c| u32::from(*c)).sum();
        let here = f64::from(self.counts.get(index).copied().unwrap_or(0));
        let above = f64::from(above);
        let low = rarity(above + here, total, alike);
        if index + 1 == BUCKETS {
            // Open at the top: what lies in it can't be told apart.
            return low;
        }
        let high = rarity(above, total, alike);
        low + (high - low) * (place - edge(index)).clamp(0.0, 1.0)
    }

    /// The value at which [`surprise`](Self::surprise) reaches `wanted`, to a quarter octave.
    pub fn value_at(&self, wanted: f64, alike: f64) -> f64 {
        let mut low = 0;
        let mut high = BUCKETS;
        // The surprise rises with the value, so the edges can be halved.
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.surprise(value_of(edge(middle)), alike) < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        value_of(edge(low))
    }

    /// The highest bucket that holds anything.
    fn top(&self) -> usize {
        self.counts.iter().rposition(|c| *c > 0).unwrap_or(0)
    }

    /// Decades of chance per decade of value, from the 10 % quantile to the end of what was seen.
    fn steepness(&self, top: usize, at_top: f64, alike: f64) -> f64 {
        let tenth = self.total / 10;
        let mut above = 0;
        let mut index = top;
        while index > 0 {
            above += u32::from(self.counts.get(index).copied().unwrap_or(0));
            if above > tenth {
                break;
            }
            index -= 1;
        }
        let octaves = (edge(top + 1) - edge(index)) / PER_OCTAVE;
        let decades = octaves * std::f64::consts::LOG10_2;
        let rise = at_top - rarity(f64::from(above), f64::from(self.total), alike);
        (rise / decades.max(0.05)).clamp(*STEEPNESS.start(), *STEEPNESS.end())
    }
}

/// −log10((above + ½) / (total + 1)), counts divided by `alike`.
fn rarity(above: f64, total: f64, alike: f64) -> f64 {
    let alike = alike.max(1.0);
    surprise(((above / alike + 0.5) / (total / alike + 1.0)).min(1.0))
}

/// Where a value lies, in quarter octaves above the lowest edge.
fn position(value: f64) -> f64 {
    // Also for NaN the lowest.
    if value > 0.0 {
        (libm::log2(value) - LOWEST_LOG2) * PER_OCTAVE
    } else {
        0.0
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the float lies within 0 and BUCKETS"
)]
fn bucket(position: f64) -> usize {
    position.clamp(0.0, 63.0) as usize
}

#[allow(clippy::cast_precision_loss, reason = "bucket numbers are at most 64")]
const fn edge(index: usize) -> f64 {
    index as f64
}

fn value_of(position: f64) -> f64 {
    libm::exp2(position / PER_OCTAVE + LOWEST_LOG2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_tail_chances() {
        // From the tables of Abramowitz and Stegun, 26.1 and 26.10.
        for (got, want) in [
            (normal_upper(1.959_963_985), 0.025),
            (normal_upper(-1.0), 0.841_344_746),
            (StudentTail::new(4.0).upper(2.776_445_105), 0.025),
            (StudentTail::new(4.0).upper(8.610_301_581), 0.0005),
            (StudentTail::new(1.0).upper(1.0), 0.25),
            (StudentTail::new(3.0).upper(-0.764_892_328), 0.75),
        ] {
            assert!((got - want).abs() < 1e-8, "{got} {want}");
        }
    }

    #[test]
    fn a_wall_is_not_believed() {
        // A thousand values of about 1: twice that is rarer than any seen, yet not impossible.
        let mut tail = TailHistogram::default();
        for _ in 0..1000 {
            tail.add(1.0);
        }
        let (two, hundred) = (tail.surprise(2.0, 1.0), tail.surprise(100.0, 1.0));
        assert!(two > 3.3 && two < 6.0, "{two}");
        assert!(hundred > 10.0, "{hundred}");
        assert!(tail.surprise(2.0, 16.0) < two - 1.0, "alike ones prove less");
    }

    #[test]
    fn counts_fade_and_never_overflow() {
        let mut tail = TailHistogram::default();
        for _ in 0..200_000 {
            tail.add(1.0);
        }
        assert!(tail.total() < TOTAL_MAX);
        assert_eq!(
            tail.total(),
            tail.counts.iter().map(|c| u32::from(*c)).sum::<u32>()
        );
    }

    proptest! {
        #[test]
        fn student_is_the_integral_of_its_density(t in 0.0_f64..6.0, dof in 1_u32..30) {
            let dof = f64::from(dof);
            let norm = libm::exp(libm::lgamma(f64::midpoint(dof, 1.0)) - libm::lgamma(dof / 2.0))
                / (dof * std::f64::consts::PI).sqrt();
            let density = |x: f64| norm * libm::pow(1.0 + x * x / dof, -f64::midpoint(dof, 1.0));
            // Simpson from 0 to t.
            let steps = 400;
            let h = t / f64::from(steps);
            let sum: f64 = (0..=steps)
                .map(|i| density(h * f64::from(i)) * if i == 0 || i == steps { 1.0 } else if i % 2 == 1 { 4.0 } else { 2.0 })
                .sum();
            prop_assert!((StudentTail::new(dof).upper(t) - (0.5 - sum * h / 3.0)).abs() < 1e-7);
        }

        #[test]
        fn surprise_is_that_of_counting_to_a_bucket(values in proptest::collection::vec(0.1_f64..1000.0, 20..300), x in 0.1_f64..1000.0) {
            let mut tail = TailHistogram::default();
            for v in &values { tail.add(*v); }
            let largest = values.iter().copied().fold(0.0, f64::max);
            let n = f64::from(u32::try_from(values.len()).unwrap());
            let chance = |at: f64| {
                let above = values.iter().filter(|v| **v >= at).count();
                -libm::log10((f64::from(u32::try_from(above).unwrap()) + 0.5) / (n + 1.0))
            };
            // Within one bucket (a factor of 2^¼) of counting them all.
            let step = libm::exp2(0.25);
            let got = tail.surprise(x, 1.0);
            prop_assert!(got >= chance(x / step).max(0.0) - 1e-9);
            if x < largest { prop_assert!(got <= chance(x * step) + 1e-9, "{got}"); }
        }

        #[test]
        fn surprise_rises_and_value_at_is_its_inverse(values in proptest::collection::vec(0.01_f64..9000.0, 1..200), a in 0.01_f64..9000.0, b in 0.01_f64..9000.0) {
            let mut tail = TailHistogram::default();
            for v in &values { tail.add(*v); }
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(tail.surprise(low, 1.0) <= tail.surprise(high, 1.0) + 1e-9);
            let wanted = tail.surprise(a, 1.0);
            let found = tail.value_at(wanted, 1.0);
            // Where no value lies the surprise is level, so only the surprise can be compared.
            prop_assert!(tail.surprise(found, 1.0) >= wanted - 1e-6 || found >= 4096.0);
        }
    }
}
