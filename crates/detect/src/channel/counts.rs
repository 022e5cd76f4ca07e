//! Counts as counts: how rare a small count is, by the law of counts and not by how many scales it lies off.

use forecall_stats::poisson::NegativeBinomial;
use forecall_stats::surprise;
use forecall_types::Direction;

use super::{Baseline, GeneralLaw, GeneralTail, SPIKE_MEMORY};

/// Chance moves a mean count of 100 by a tenth, which is the least share of what was expected that opens anything, as shipped; larger ones
/// are measurements like others.
const MEAN_MAX: f64 = 100.0;
/// Fewer events than this are few. A mean of the last values with fewer in it gives way to the slow one, and of a level with fewer
/// nothing is rarer than their number.
const EVENTS_FEW: f64 = 20.0;
/// Values in the mean of the last ones: the spike's.
const LOCAL_VALUES: f64 = SPIKE_MEMORY as f64;
/// Half an event before the first: Jeffreys' prior of a rate.
const PRIOR_EVENTS: f64 = 0.5;
/// Before much is known counts are taken for more restless than Poisson's: the squared spread of the rate itself, …
const PRIOR_SPREAD: f64 = 0.5;
/// … halved after so many values.
const PRIOR_SPREAD_VALUES: f64 = 100.0;
/// Counts that spread less than this share of what chance would are none: a number of connections, a size.
const SPREAD_SHARE_MIN: f64 = 0.5;
/// Values after which that is known.
const SPREAD_KNOWN_VALUES: u16 = 100;
/// Values in the level: the newest weighs an eighth, so that of a lone count it holds just that.
const LEVEL_VALUES: f64 = 8.0;
/// A level stays where it is for some values: what is as rare a value for value begins so many decades more rarely.
const LEVEL_LESS: f64 = 0.5;
/// A number of events this near a whole one is it.
const WHOLE_WITHIN: f64 = 1e-6;

/// What is known of a series of counts before a value.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'b> {
    /// The last values: location and scale.
    pub baseline: &'b Baseline,
    /// The slow mean, and of how many values it is.
    pub slow: (f64, u16),
    /// What a value times this is a count: 1 for counts, the seconds between two for rates.
    pub exposure: f64,
}

/// The predictive law of a count whose rate is learnt: negative binomial, Poisson's with a rate that is itself uncertain and
/// restless (Greenwood and Yule 1920; Gelman et al., "Bayesian Data Analysis", §2.6).
#[derive(Debug, Clone, Copy)]
pub struct CountLaw {
    value: NegativeBinomial,
    /// `None` where so many events are in a level that it is like others.
    level: Option<NegativeBinomial>,
    exposure: f64,
}

/// Whether a value is a whole number of events: as near as a counter's difference tells.
pub fn is_whole(events: f64) -> bool {
    events >= 0.0 && (events - events.round()).abs() <= WHOLE_WITHIN * events.max(1.0)
}

impl CountLaw {
    /// `None` where the counts are too large for it to matter, or spread less than chance.
    pub fn of(known: &Counted<'_>) -> Option<Self> {
        let (slow, slow_values) = known.slow;
        let values = f64::from(slow_values);
        let local = known.baseline.location() * known.exposure;
        let slow = slow * known.exposure;
        let (rate, rate_values) = if local * LOCAL_VALUES.min(values) >= EVENTS_FEW {
            (local, values.min(LOCAL_VALUES))
        } else {
            (slow, values)
        };
        if rate.max(slow).is_nan() || rate.max(slow) > MEAN_MAX || values < 1.0 {
            return None;
        }
        let sd = known.baseline.scale() * known.exposure;
        let spread = sd * sd;
        if slow_values >= SPREAD_KNOWN_VALUES && rate >= 1.0 && spread < SPREAD_SHARE_MIN * rate {
            return None;
        }
        let excess = (spread - rate).max(0.0) / (rate * rate).max(f64::MIN_POSITIVE);
        let excess = if rate >= 1.0 / LOCAL_VALUES { excess } else { 0.0 };
        let restless = excess + PRIOR_SPREAD * PRIOR_SPREAD_VALUES / (values + PRIOR_SPREAD_VALUES);
        // By day a level is measured by the day.
        let usual = slow.max(rate);
        let law = |rate: f64, values: f64, sum_of: f64| {
            let events = rate * values + PRIOR_EVENTS;
            let mean = events / values * sum_of;
            let spread = 1.0 / events + restless / sum_of;
            NegativeBinomial::from_moments(mean, mean + spread * mean * mean)
        };
        Some(Self {
            value: law(rate, rate_values, 1.0),
            level: (usual * LEVEL_VALUES < EVENTS_FEW).then(|| law(usual, values, LEVEL_VALUES)),
            exposure: known.exposure,
        })
    }

    /// Surprise of a value.
    pub fn value(&self, value: f64, bad: Option<Direction>) -> f64 {
        // Of a rate, its seconds aren't known to the last digit.
        let count = (value * self.exposure).round();
        rarity(&self.value, count, bad)
    }

    /// Surprise of a level, which holds the last events to the nearest whole one; `None` where they aren't few.
    fn level(&self, level: f64, bad: Option<Direction>) -> Option<f64> {
        let count = (level * self.exposure * LEVEL_VALUES).round();
        Some((rarity(self.level.as_ref()?, count, bad) - LEVEL_LESS).max(0.0))
    }

    /// What level, hour and range together may say where events are few: no more than the events themselves, the value's
    /// or the level's; and half of what the level's law says beyond them, since few events make a poor record.
    pub fn slow(&self, of_records: f64, of_value: f64, level: f64, bad: Option<Direction>) -> f64 {
        let Some(of_level) = self.level(level, bad) else {
            return of_records;
        };
        f64::midpoint(of_records, of_level.max(of_records)).min(of_level.max(of_value))
    }
}

/// Surprise of at least so many, or of at most so many; where both ways are looked at, of the rarer of the two.
fn rarity(law: &NegativeBinomial, count: f64, bad: Option<Direction>) -> f64 {
    let high = || surprise(law.upper(whole(count)));
    let low = || surprise(law.cdf(whole(count)));
    match bad {
        Some(Direction::Up) => high(),
        Some(Direction::Down) => low(),
        None => (high().max(low()) - std::f64::consts::LOG10_2).max(0.0),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held within 0 and what is far beyond any count here"
)]
fn whole(count: f64) -> u64 {
    count.clamp(0.0, 1e9) as u64
}

/// The general tail of a series of counts, by its law instead of Student's.
#[derive(Debug, Clone, Copy)]
pub struct CountTail<'l> {
    /// The law; `None`: Student's tail.
    pub law: Option<&'l CountLaw>,
    /// What deviations are measured from and in.
    pub baseline: &'l Baseline,
    /// Which way is bad.
    pub bad: Option<Direction>,
    /// Which way a deviation goes where both are.
    pub direction: Direction,
}

impl GeneralLaw for CountTail<'_> {
    fn surprise(&self, sds: f64) -> f64 {
        let Some(law) = self.law else {
            return GeneralTail.surprise(sds);
        };
        let sign = match self.bad.unwrap_or(self.direction) {
            Direction::Up => 1.0,
            Direction::Down => -1.0,
        };
        law.value(
            self.baseline.location() + sign * sds * self.baseline.scale(),
            self.bad,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Spike;
    use crate::channel::{Lesson, Shift};
    use forecall_types::EventTime;
    use proptest::prelude::*;

    /// The chance of at least so many events in as many values as `sum_of`, of a rate that is gamma distributed: by the
    /// recursion of the negative binomial law, all its terms below added up.
    fn naive_upper(mean: f64, spread: f64, count: u64) -> f64 {
        let size = 1.0 / spread;
        let share = mean / (mean + size);
        let (mut chance, mut below) = (libm::exp(-size * libm::log1p(mean / size)), 0.0);
        for k in 0..count {
            let k = f64::from(u32::try_from(k).unwrap());
            below += chance;
            chance *= (k + size) / (k + 1.0) * share;
        }
        1.0 - below
    }

    fn learnt(values: &[u32], exposure: f64) -> (Spike, Shift) {
        let (mut spike, mut shift) = (Spike::default(), Shift::default());
        let mut previous = None;
        for (i, value) in (0_i64..).zip(values) {
            let value = f64::from(*value) / exposure;
            let baseline = spike.baseline(1e-9);
            spike.learn(&baseline, value, None, (Lesson::Normal, false), &mut None);
            let at = EventTime::from_secs(60 * i);
            shift.learn(
                at,
                (value, previous),
                (1e-9, None),
                (Lesson::Normal, false),
                &mut None,
            );
            previous = Some(value);
        }
        (spike, shift)
    }

    proptest! {
        #[test]
        fn a_value_is_as_rare_as_its_law_says(values in proptest::collection::vec(0_u32..6, 1..150), rare in 1_u32..8, count in 1_u64..15, exposure in prop_oneof![Just(1.0), Just(60.0)]) {
            let values: Vec<u32> = values.iter().map(|v| if v % rare == 0 { v / rare } else { 0 }).collect();
            let (spike, shift) = learnt(&values, exposure);
            let baseline = spike.baseline(1e-9);
            let law = CountLaw::of(&Counted { baseline: &baseline, slow: shift.slow_mean(), exposure });
            let n = f64::from(u32::try_from(values.len()).unwrap());
            let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
            // Clipped moments are those of the baseline; the means of so few values are plain ones where nothing was clipped.
            let rate = if baseline.location() * exposure * n >= 20.0 { baseline.location() * exposure } else { mean };
            let sd = baseline.scale() * exposure;
            let variance = sd * sd;
            let Some(law) = law else {
                prop_assert!(values.len() >= 100 && rate >= 1.0 && variance < 0.5 * rate, "{rate} {variance}");
                return Ok(());
            };
            let excess = if rate >= 1.0 / 200.0 { (variance - rate).max(0.0) / (rate * rate) } else { 0.0 };
            let events = rate * n + 0.5;
            let spread = 1.0 / events + excess + 50.0 / (n + 100.0);
            let want = naive_upper(events / n, spread, count);
            let got = law.value(f64::from(u32::try_from(count).unwrap()) / exposure, Some(Direction::Up));
            // The oracle loses its digits where little is left.
            prop_assume!(want > 1e-9);
            prop_assert!((got + libm::log10(want)).abs() < 1e-4, "{got} {want}");
            let fewer = law.value(f64::from(u32::try_from(count - 1).unwrap()) / exposure, Some(Direction::Down));
            prop_assert!((libm::exp10(-fewer) - (1.0 - want)).abs() < 1e-6, "{fewer} {want}");
            prop_assume!(mean < 2.4);
            // Of a lone count the level says less than the count itself, and a part of an event says nothing.
            let level = f64::from(u32::try_from(count).unwrap()) / exposure / 8.0;
            prop_assert!(law.slow(20.0, 0.0, level, Some(Direction::Up)) <= got + 1e-9);
            prop_assert!(law.slow(20.0, 0.0, 0.4 / exposure / 8.0, Some(Direction::Up)) < 1e-9);
        }
    }

    #[test]
    fn large_counts_and_steady_ones_have_no_law() {
        let law = |values: &[u32]| {
            let (spike, shift) = learnt(values, 1.0);
            let baseline = spike.baseline(1e-9);
            let slow = shift.slow_mean();
            CountLaw::of(&Counted {
                baseline: &baseline,
                slow,
                exposure: 1.0,
            })
            .is_some()
        };
        assert!(!law(&[]), "nothing is known");
        assert!(
            !law(&[300, 310, 290, 305]),
            "too large to be told apart from a measurement"
        );
        let spread: Vec<u32> = (0..150_u32).map(|i| 10 + 5 * (i % 3)).collect();
        let steady: Vec<u32> = (0..150_u32).map(|i| 15 + (i % 2)).collect();
        assert!(law(&spread));
        assert!(!law(&steady), "connections, not events");
        assert!(law(&steady[..50]), "not known yet");
    }

    #[test]
    fn whole_numbers_are_events() {
        assert!(is_whole(7.0) && is_whole(0.0) && is_whole(1e15 + 1.0) && is_whole(0.1 + 0.2 + 0.7));
        assert!(!is_whole(7.5) && !is_whole(-1.0) && !is_whole(f64::NAN));
    }
}
