//! How rare a channel's deviations have been, in a few dozen bytes a series.

use forecall_stats::surprise;
use serde::{Deserialize, Serialize};

use super::{GeneralLaw, Lesson, arrays};

/// A deviation enters the record so many samples later: trouble that creeps up must not be measured by its own beginning.
const RECORD_DELAY_SAMPLES: u8 = 21;
/// Of a run of abnormal samples so many enter the record of what is rare, and after them …
const ABNORMAL_RECORDED_FIRST: u8 = 8;
/// … one in so many: trouble that comes again and again becomes known, one long trouble doesn't fill the record.
const ABNORMAL_RECORDED_EVERY: u8 = 16;

/// Buckets in all: 16 octaves in quarters, from 1/16 to 4096 standard deviations.
const BUCKETS: u8 = 64;
/// Buckets an octave.
const PER_OCTAVE: f64 = 4.0;
/// Below half a standard deviation nothing is told apart but whether it lies below a quarter: no score hangs on it.
const FINE_FROM: u8 = 12;
const QUARTER: u8 = 8;
/// Counts kept in place of the fine ones below.
const COARSE: u8 = 2;
/// At this total all counts are halved, so that a `u16` holds them and the distant past fades.
const TOTAL_MAX: u16 = 32_768;
/// How steep a tail may be taken to be beyond what was seen: decades of chance per decade of value. Real telemetry has
/// power tails of 2 to 6 even where the part seen so far ends like a wall.
const STEEPNESS: std::ops::RangeInclusive<f64> = 1.5..=6.0;

/// Counts of buckets beyond those kept in place, for series that have such: (bucket, count), by bucket.
pub type Far = Vec<(u8, u16)>;

/// How far a record is believed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trust {
    /// How much smaller a deviation counts for the general tail.
    pub(super) shrink: f64,
    /// Own samples after which the own tail counts as much as the general one; infinite where it hasn't seen yet all that is
    /// normal.
    pub(super) own_after: f64,
    /// Samples that say no more than one: those of a fading mean hang together, and the largest of a thousand is then the
    /// largest of fewer.
    pub(super) alike: f64,
}

/// Deviations in the bad direction and how rare they were: `N` counts in place, the rest in a [`Far`] of the caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration<const N: usize> {
    /// Buckets of the last deviations, six bits each, the newest in the lowest: not yet in the record.
    waiting: [u64; 2],
    #[serde(with = "arrays")]
    counts: [u16; N],
    total: u16,
    waits: u8,
    /// Abnormal samples in a row; from 32 on it turns round within 16 to 31.
    run: u8,
}

impl<const N: usize> Default for Calibration<N> {
    fn default() -> Self {
        Self {
            waiting: [0; 2],
            counts: [0; N],
            total: 0,
            waits: 0,
            run: 0,
        }
    }
}

impl<const N: usize> Calibration<N> {
    /// Surprise of a deviation of `sds`: by the general tail at first, ever more by the series' own.
    pub(super) fn surprise(
        &self,
        far: &[(u8, u16)],
        sds: f64,
        trust: Trust,
        general: &impl GeneralLaw,
    ) -> f64 {
        // Most values lie within: nothing to say of them.
        if sds < 1.0 {
            return 0.0;
        }
        let general = general.surprise(sds / trust.shrink);
        let total = f64::from(self.total);
        let weight = total / (total + trust.own_after);
        if weight > 0.0 {
            general + weight * (self.own_surprise(far, sds, trust.alike) - general)
        } else {
            general
        }
    }

    /// Whether anything has entered the record.
    pub(super) const fn is_recorded(&self) -> bool {
        self.total > 0
    }

    /// Forgets the last deviations before they enter the record: they were the beginning of trouble.
    pub(super) const fn forget_waiting(&mut self) {
        self.waits = 0;
    }

    pub(super) fn record(&mut self, far: &mut Option<&mut Far>, sds: f64, lesson: Lesson) {
        let abnormal = match lesson {
            Lesson::Normal => false,
            Lesson::Abnormal => true,
            Lesson::Incident => return,
        };
        self.run = match (abnormal, self.run) {
            (false, _) => 0,
            (true, 31) => 16,
            (true, run) => run + 1,
        };
        if self.run > ABNORMAL_RECORDED_FIRST && !self.run.is_multiple_of(ABNORMAL_RECORDED_EVERY) {
            return;
        }
        if self.waits == RECORD_DELAY_SAMPLES {
            self.add(far, self.oldest_waiting());
        } else {
            self.waits += 1;
        }
        let [low, high] = self.waiting;
        self.waiting = [low << 6 | u64::from(bucket_of(sds)), high << 6 | low >> 58];
    }

    /// The bucket that leaves the waiting ones next.
    fn oldest_waiting(&self) -> u8 {
        let [_, high] = self.waiting;
        // Twenty later ones, of six bits each, lie below it.
        u8::try_from(high >> (20 * 6 - 64) & 63).unwrap_or(0)
    }

    /// Whether the bucket that leaves the waiting ones next lies beyond those kept in place.
    pub(super) fn needs_far(&self) -> bool {
        self.waits == RECORD_DELAY_SAMPLES && in_place::<N>(self.oldest_waiting()).is_none()
    }

    fn add(&mut self, far: &mut Option<&mut Far>, bucket: u8) {
        match (in_place::<N>(bucket), far.as_deref_mut()) {
            (Some(place), _) => {
                if let Some(count) = self.counts.get_mut(place) {
                    *count = count.saturating_add(1);
                }
            }
            (None, Some(far)) => match far.binary_search_by_key(&bucket, |(b, _)| *b) {
                Ok(place) => {
                    if let Some((_, count)) = far.get_mut(place) {
                        *count = count.saturating_add(1);
                    }
                }
                Err(place) => far.insert(place, (bucket, 1)),
            },
            // The caller gives a `Far` whenever `needs_far` says so.
            (None, None) => return,
        }
        self.total += 1;
        if self.total >= TOTAL_MAX {
            let mut total = 0;
            for count in &mut self.counts {
                *count /= 2;
                total += *count;
            }
            if let Some(far) = far.as_deref_mut() {
                far.retain_mut(|(_, count)| {
                    *count /= 2;
                    total += *count;
                    *count > 0
                });
            }
            self.total = total;
        }
    }

    fn count(&self, far: &[(u8, u16)], bucket: u8) -> u32 {
        let count = match in_place::<N>(bucket) {
            Some(place) => self.counts.get(place).copied(),
            None => far.iter().find(|(b, _)| *b == bucket).map(|(_, count)| *count),
        };
        u32::from(count.unwrap_or(0))
    }

    /// The highest bucket that holds anything, and how many lie above each: from the top down.
    fn top(&self, far: &[(u8, u16)]) -> u8 {
        if let Some((bucket, _)) = far.last() {
            return *bucket;
        }
        let place = self.counts.iter().rposition(|c| *c > 0).unwrap_or(0);
        bucket_in(place)
    }

    /// −log10 of the chance of `sds` or more among those recorded, 0 to 20; 0 before the first.
    fn own_surprise(&self, far: &[(u8, u16)], sds: f64, alike: f64) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        let place = position(sds);
        let index = bucket_of(sds);
        let top = self.top(far);
        let total = f64::from(self.total);
        if index > top {
            let (edge, at_edge) = (f64::from(top) + 1.0, rarity(0, total, alike));
            let decades = (place - edge) / PER_OCTAVE * std::f64::consts::LOG10_2;
            return (at_edge + self.steepness(far, top, (at_edge, alike)) * decades).min(20.0);
        }
        let above: u32 = (index + 1..=top).map(|bucket| self.count(far, bucket)).sum();
        let low = rarity(above + self.count(far, index), total, alike);
        if index + 1 == BUCKETS {
            // Open at the top: what lies in it can't be told apart.
            return low;
        }
        let high = rarity(above, total, alike);
        low + (high - low) * (place - f64::from(index)).clamp(0.0, 1.0)
    }

    /// The deviation at which the [surprise](Self::surprise) reaches `wanted`, to a quarter octave.
    pub(super) fn sds_at(
        &self,
        far: &[(u8, u16)],
        wanted: f64,
        trust: Trust,
        general: &impl GeneralLaw,
    ) -> f64 {
        let (mut low, mut high) = (0, BUCKETS);
        // The surprise rises with the value, so the edges can be halved.
        while low < high {
            let middle = u8::midpoint(low, high);
            if self.surprise(far, sds_of(middle), trust, general) < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        sds_of(low)
    }

    /// Decades of chance per decade of value, from the 10 % quantile to the end of what was seen.
    fn steepness(&self, far: &[(u8, u16)], top: u8, (at_top, alike): (f64, f64)) -> f64 {
        let tenth = u32::from(self.total) / 10;
        let (mut above, mut index) = (0, top);
        while index > 0 {
            above += self.count(far, index);
            if above > tenth {
                break;
            }
            index -= 1;
        }
        let octaves = (f64::from(top) + 1.0 - f64::from(index)) / PER_OCTAVE;
        let decades = octaves * std::f64::consts::LOG10_2;
        let rise = at_top - rarity(above, f64::from(self.total), alike);
        (rise / decades.max(0.05)).clamp(*STEEPNESS.start(), *STEEPNESS.end())
    }

    /// Reads from its cache line.
    pub(crate) fn touch(&self) -> u32 {
        let [low, ..] = self.waiting;
        u32::from(low & 1 == 1) ^ u32::from(self.counts.last().copied().unwrap_or(0))
    }
}

/// The place of a bucket among `N` counts; `None` beyond them.
fn in_place<const N: usize>(bucket: u8) -> Option<usize> {
    let place = match bucket {
        0..QUARTER => 0,
        QUARTER..FINE_FROM => 1,
        _ => usize::from(bucket - FINE_FROM + COARSE),
    };
    (place < N).then_some(place)
}

/// The bucket of a place.
fn bucket_in(place: usize) -> u8 {
    match u8::try_from(place).unwrap_or(BUCKETS) {
        0 => 0,
        1 => QUARTER,
        place => place - COARSE + FINE_FROM,
    }
}

/// −log10((above + ½) / (total + 1)), of which so many neighbours say the same.
fn rarity(above: u32, total: f64, alike: f64) -> f64 {
    surprise(((f64::from(above) + 0.5 * alike) / (total + alike)).min(1.0))
}

/// Where a value lies, in quarter octaves above the lowest edge.
fn position(sds: f64) -> f64 {
    (libm::log2(sds) + 4.0) * PER_OCTAVE
}

fn sds_of(bucket: u8) -> f64 {
    libm::exp2(f64::from(bucket) / PER_OCTAVE - 4.0)
}

/// The bucket of a deviation; negative ones (and NaN) count as 0. Read from the float's own exponent: no logarithm.
fn bucket_of(sds: f64) -> u8 {
    /// 2 to the power of a quarter, a half and three quarters.
    const QUARTERS: [f64; 3] = [
        1.189_207_115_002_721,
        std::f64::consts::SQRT_2,
        1.681_792_830_507_429,
    ];
    let bits = sds.to_bits();
    // Exponent 1019 stands for 1/16.
    let Some(octave) = (bits >> 52).checked_sub(1_019) else {
        return 0;
    };
    if sds.is_sign_negative() || octave >= 16 {
        return if sds > 0.0 { BUCKETS - 1 } else { 0 };
    }
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1_023 << 52);
    let quarters: u8 = QUARTERS.iter().map(|edge| u8::from(mantissa >= *edge)).sum();
    u8::try_from(octave).unwrap_or(0) * 4 + quarters
}

#[cfg(test)]
mod tests {
    use super::super::GeneralTail;
    use super::*;
    use forecall_stats::TailHistogram;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bucket_is_that_of_the_logarithm(sds in 0.01_f64..9_000.0) {
            let want = TailHistogram::bucket_of(sds);
            // At an edge the logarithm may round either way.
            let got = bucket_of(sds);
            prop_assert!(got == want || (position(sds) - position(sds).round()).abs() < 1e-9, "{got} {want}");
        }

        #[test]
        fn it_counts_what_a_plain_histogram_counts(values in proptest::collection::vec((-2.0_f64..5.0, 0_u8..40), 1..600), at in 0.9_f64..600.0, alike in 1.0_f64..20.0) {
            let mut calibration = Calibration::<22>::default();
            let (mut plain, mut far) = (TailHistogram::default(), Far::new());
            let values: Vec<f64> = values.iter().map(|(v, wild)| if *wild == 0 { v.abs() * 60.0 } else { *v }).collect();
            for value in &values {
                let needs = calibration.needs_far();
                calibration.record(&mut needs.then_some(&mut far), *value, Lesson::Normal);
            }
            for value in values.iter().take(values.len().saturating_sub(21)) { plain.add(*value); }
            prop_assert_eq!(u32::from(calibration.total), plain.total());
            // The same but where the tenth part of all lies below half a standard deviation.
            let tenth = values.iter().take(values.len().saturating_sub(21)).filter(|v| **v >= 0.5).count();
            if tenth * 10 > values.len() {
                let (got, want) = (calibration.own_surprise(&far, at, alike), plain.surprise(at, alike));
                prop_assert!((got - want).abs() < 1e-9, "{got} {want}");
            }
        }
    }

    proptest! {
        #[test]
        fn an_edge_is_where_the_surprise_begins(values in proptest::collection::vec((0.0_f64..3.0, 0_u8..40), 0..800), shrink in 1.0_f64..5.0, own_after in 100.0_f64..3_000.0) {
            let (mut calibration, mut far) = (Calibration::<18>::default(), Far::new());
            for (value, wild) in &values {
                let sds = if *wild == 0 { value * 40.0 } else { *value };
                calibration.record(&mut Some(&mut far), sds, Lesson::Normal);
            }
            let trust = Trust { shrink, own_after, alike: 1.0 };
            let surprise = |sds| calibration.surprise(&far, sds, trust, &GeneralTail);
            let edge = calibration.sds_at(&far, 3.0, trust, &GeneralTail);
            prop_assert!(surprise(edge) >= 3.0 && surprise(edge / libm::exp2(0.25)) < 3.0, "{edge} {}", surprise(edge));
        }
    }

    #[test]
    fn extremes_have_buckets() {
        let got: Vec<u8> = [
            f64::NAN,
            -1.0,
            0.0,
            0.06,
            0.0625,
            1.0,
            4_095.0,
            1e300,
            f64::INFINITY,
        ]
        .into_iter()
        .map(bucket_of)
        .collect();
        assert_eq!(got, [0, 0, 0, 0, 0, 16, 63, 63, 63]);
    }

    #[test]
    fn counts_fade_and_never_overflow() {
        let (mut calibration, mut far) = (Calibration::<22>::default(), Far::new());
        for i in 0..100_000 {
            let sds = if i % 100 == 0 { 50.0 } else { 1.1 };
            calibration.record(&mut Some(&mut far), sds, Lesson::Normal);
        }
        let kept: u32 = calibration.counts.iter().map(|c| u32::from(*c)).sum();
        let beyond: u32 = far.iter().map(|(_, c)| u32::from(*c)).sum();
        assert_eq!(u32::from(calibration.total), kept + beyond);
        assert!(calibration.total < TOTAL_MAX && beyond > 100);
    }
}
