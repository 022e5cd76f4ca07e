use forecall_types::{Direction, EventTime};
use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, Far, Trust};
use super::{BAND_SCORE, GeneralTail, Lesson, Verdict, WIDEST_BAND, arrays, badness, fade};
use crate::calendar::Place;
use crate::recent::kept;

/// Memory of the residual's level in samples.
const LEVEL_MEMORY: u16 = 16;
/// Memory of the spreads in samples.
const SPREAD_MEMORY: u16 = 1_000;
/// Own samples after which the own tail counts as much as the general one.
const OWN_AFTER: f64 = 200.0;
/// Samples of what is left that say no more than one.
const ALIKE: f64 = 2.0;
const TRUST: Trust = Trust {
    shrink: 1.0,
    own_after: OWN_AFTER,
    alike: ALIKE,
};
/// Days after which an hour's mean forgets the oldest.
const VISITS_MEMORY: u8 = 6;
/// From so many days on one wild hour moves the mean of its hour by …
const CLIPPED_FROM: u8 = 3;
/// … so many standard deviations at most.
const CLIP_SDS: f64 = 4.0;
/// From so many foretold values on one counts for the spread as if it lay within those deviations.
const CLIPPED_FROM_SAMPLES: u16 = 20;
/// The profile pays where it leaves less than this share of the variance about the slow mean.
const PAYS_BELOW: f64 = 0.75;
/// Only a whole day shows whether it does.
const DAY_SECONDS: i64 = 86_400;
/// Counts kept in place: deviations up to 8 standard deviations.
const COUNTS: usize = 18;
/// Hours of a working day, then of a day of rest.
const BINS: usize = 48;

/// What is usual at this hour of a working day or a day of rest, and whether knowing it helps at all.
///
/// The mean of each hour is learnt when the hour is over, so what is expected comes from earlier days only; between the
/// middles of two hours it is interpolated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Season {
    #[serde(with = "arrays")]
    means: [f32; BINS],
    #[serde(with = "arrays")]
    visits: [u8; BINS],
    /// Of the present hour.
    sum: f64,
    count: u32,
    bin: u8,
    level_count: u16,
    spread_count: u16,
    level: f64,
    /// Mean square of what is left.
    left: f64,
    /// Mean square of the distance from the slow mean.
    plain: f64,
    /// Second of the first value that could be foretold; `NEVER` before.
    since: i64,
    calibration: Calibration<COUNTS>,
    far: Far,
}

const NEVER: i64 = i64::MAX;

impl Default for Season {
    fn default() -> Self {
        Self {
            means: [0.0; BINS],
            visits: [0; BINS],
            sum: 0.0,
            count: 0,
            bin: 0,
            level_count: 0,
            spread_count: 0,
            level: 0.0,
            left: 0.0,
            plain: 0.0,
            since: NEVER,
            calibration: Calibration::default(),
            far: Far::new(),
        }
    }
}

impl Season {
    /// What is usual at a place in the week; `None` where no earlier day of its kind tells.
    pub fn expected(&self, place: Place) -> Option<f64> {
        let (from, to, share) = place.between();
        let day = place.day();
        let at = |hour: usize| {
            let visits = self.visits.get(day + hour).copied().unwrap_or(0);
            let mean = self.means.get(day + hour).copied().map(f64::from);
            mean.filter(|_| visits > 0)
        };
        match (at(from), at(to)) {
            (Some(a), Some(b)) => Some(a + share * (b - a)),
            (Some(a), None) if share <= 0.0 => Some(a),
            // The hour that is not over yet would be told by the one before it, not by an earlier day.
            (_, None) | (None, Some(_)) => None,
        }
    }

    /// Whether the profile tells more than the slow mean does.
    pub fn pays(&self, at: EventTime) -> bool {
        self.since != NEVER && at.secs() - self.since >= DAY_SECONDS && self.left < PAYS_BELOW * self.plain
    }

    /// The standard deviation of what is left.
    pub fn left(&self) -> f64 {
        self.left.max(0.0).sqrt()
    }

    /// How far the level would lie from the usual with this value; `None` where nothing is usual yet.
    pub fn measure(&self, place: Place, value: f64, least: f64) -> Option<Verdict> {
        let expected = self.expected(place)?;
        let (mut level, mut count) = (self.level, self.level_count);
        fade(&mut level, &mut count, value - expected, LEVEL_MEMORY);
        Some(Verdict {
            score: 0.0,
            expected,
            deviation: level,
            scale: self.left.max(0.0).sqrt().max(least),
        })
    }

    /// How rare a deviation is, without learning from it.
    pub fn score(&self, verdict: &Verdict, bad: Option<Direction>, general: GeneralTail) -> f64 {
        let sds = badness(verdict.sds(), bad);
        self.calibration.surprise(&self.far, sds, TRUST, &general)
    }

    /// Learns from a value; `slow` is the slow mean it is measured against.
    pub fn learn(
        &mut self,
        (at, place): (EventTime, Place),
        (value, slow): (f64, f64),
        least: f64,
        bad: Option<Direction>,
        lesson: Lesson,
    ) {
        if let Some(verdict) = self.measure(place, value, least) {
            if self.since == NEVER {
                self.since = at.secs();
            }
            let sds = badness(verdict.sds(), bad);
            self.calibration.record(&mut Some(&mut self.far), sds, lesson);
            let residual = value - verdict.expected;
            fade(&mut self.level, &mut self.level_count, residual, LEVEL_MEMORY);
            let mut count = self.spread_count;
            // Trouble must not widen the spread it is measured by.
            let most = if count < CLIPPED_FROM_SAMPLES {
                f64::INFINITY
            } else {
                CLIP_SDS * CLIP_SDS * self.left.max(least * least)
            };
            fade(
                &mut self.left,
                &mut count,
                (residual * residual).min(most),
                SPREAD_MEMORY,
            );
            let plain = (value - slow) * (value - slow);
            fade(&mut self.plain, &mut self.spread_count, plain, SPREAD_MEMORY);
        }
        let bin = place.bin();
        if self.count > 0 && bin != self.bin {
            self.close_hour();
        }
        self.bin = bin;
        self.sum += value;
        self.count = self.count.saturating_add(1);
    }

    /// The present hour is over: its mean is what was usual this time.
    fn close_hour(&mut self) {
        let mean = self.sum / f64::from(self.count.max(1));
        (self.sum, self.count) = (0.0, 0);
        let bin = usize::from(self.bin);
        let reach = CLIP_SDS * self.left.max(0.0).sqrt();
        if let (Some(known), Some(visits)) = (self.means.get_mut(bin), self.visits.get_mut(bin)) {
            let old = f64::from(*known);
            let free = *visits < CLIPPED_FROM;
            *visits = (*visits + 1).min(VISITS_MEMORY);
            let delta = mean - old;
            let delta = if free { delta } else { delta.clamp(-reach, reach) };
            *known = kept(old + delta / f64::from(*visits));
        }
    }

    /// How far from the usual the level scores 3, in standard deviations: half the width of its band.
    pub fn band_sds(&self) -> f64 {
        self.calibration
            .sds_at(&self.far, BAND_SCORE, TRUST, &GeneralTail)
            .min(WIDEST_BAND)
    }

    /// Leaves the last deviations out of its record of what is rare: an anomaly has begun with them.
    pub const fn forget_waiting(&mut self) {
        self.calibration.forget_waiting();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DetectSettings;
    use crate::channel::naive;
    use proptest::prelude::*;

    fn teach(season: &mut Season, values: impl Iterator<Item = f64>) -> EventTime {
        let settings = DetectSettings::default();
        let mut last = EventTime::default();
        for (i, value) in (0_i64..).zip(values) {
            last = EventTime::from_secs(i * 300);
            season.learn(
                (last, settings.place(last)),
                (value, 50.0),
                1e-6,
                None,
                Lesson::Normal,
            );
        }
        last
    }

    const LEAST: f64 = 0.5;
    const SLOW: f64 = 50.0;
    const PACE: i64 = 1_800;

    /// Every value, and every hour that is over.
    #[derive(Default)]
    struct Naive {
        /// By hour, those of days of rest after those of working days: what each day's said.
        hours: Vec<Vec<f64>>,
        present: Vec<f64>,
        residuals: Vec<f64>,
        squares: Vec<f64>,
        plain: Vec<f64>,
    }

    impl Naive {
        fn mean_of(&self, hour: usize) -> Option<f64> {
            self.hours[hour].last().copied()
        }

        /// Between the middles of two hours.
        fn expected(&self, place: Place) -> Option<f64> {
            let (from, to, share) = place.between();
            let first = self.mean_of(place.day() + from)?;
            if share <= 0.0 {
                return Some(first);
            }
            Some((1.0 - share) * first + share * self.mean_of(place.day() + to)?)
        }

        fn left(&self) -> f64 {
            naive::fading(&self.squares, 1_000)
        }

        fn close(&mut self, hour: usize) {
            let count = f64::from(u32::try_from(self.present.len()).unwrap());
            let mean = self.present.drain(..).sum::<f64>() / count;
            let reach = 4.0 * self.left().sqrt();
            let days = &mut self.hours[hour];
            let old = days.last().copied().unwrap_or(0.0);
            let delta = if days.len() < 3 {
                mean - old
            } else {
                (mean - old).clamp(-reach, reach)
            };
            let among = f64::from(u32::try_from((days.len() + 1).min(6)).unwrap());
            days.push(old + delta / among);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_the_same_hour_of_earlier_days_and_the_tail_of_all_that_was_left(values in proptest::collection::vec((0.0_f64..20.0, 0_u8..50, 0_u8..12), 100..700), start in 0_i64..336) {
            let settings = DetectSettings::default();
            let (mut season, mut own) = (Season::default(), Naive { hours: vec![Vec::new(); BINS], ..Naive::default() });
            let (mut deviations, mut since, mut before): (Vec<f64>, Option<i64>, Option<usize>) = (Vec::new(), None, None);
            for (i, (value, wild, told)) in (start..).zip(&values) {
                let at = EventTime::from_secs(PACE * i);
                let place = settings.place(at);
                let wave = if i % 48 < 24 { 20.0 } else { 60.0 };
                let value = wave + if *wild == 0 { 20.0 * value } else { *value };
                let lesson = if *told == 0 { Lesson::Incident } else { Lesson::Normal };
                let (got, want) = (season.measure(place, value, LEAST), own.expected(place));
                prop_assert_eq!(got.is_some(), want.is_some());
                let pays = since.is_some_and(|since| at.secs() - since >= DAY_SECONDS);
                let (left, plain) = (own.left(), naive::fading(&own.plain, 1_000));
                if !pays || (left / (PAYS_BELOW * plain) - 1.0).abs() > 1e-6 {
                    prop_assert_eq!(season.pays(at), pays && left < PAYS_BELOW * plain);
                }
                if let (Some(verdict), Some(expected)) = (got, want) {
                    own.residuals.push(value - expected);
                    prop_assert!(naive::is_near(verdict.expected, expected, 500.0), "{verdict:?} {expected}");
                    let level = naive::fading(&own.residuals, 16);
                    prop_assert!(naive::is_near(verdict.deviation, level, 500.0), "{verdict:?} {level}");
                    prop_assert!(naive::is_near(verdict.scale, left.sqrt().max(LEAST), 500.0), "{verdict:?} {left}");
                    let sds = verdict.sds().abs();
                    if naive::is_told_apart(&deviations) {
                        let (got, want) = (season.score(&verdict, None, GeneralTail), naive::score(&deviations, sds, TRUST));
                        prop_assert!((got - want).abs() < 1e-9, "{got} {want}");
                    }
                    if lesson == Lesson::Normal { deviations.push(sds); }
                    since = since.or(Some(at.secs()));
                    let most = if own.squares.len() < 20 { f64::INFINITY } else { 16.0 * left.max(LEAST * LEAST) };
                    let (off, plain) = (value - expected, value - SLOW);
                    own.squares.push((off * off).min(most));
                    own.plain.push(plain * plain);
                }
                let hour = usize::from(place.bin());
                if let Some(before) = before.filter(|before| *before != hour) { own.close(before); }
                own.present.push(value);
                before = Some(hour);
                season.learn((at, place), (value, SLOW), LEAST, None, lesson);
            }
        }
    }

    #[test]
    fn it_pays_on_a_daily_wave_and_not_on_noise() {
        let wave = |i: u32| if i % 288 < 144 { 20.0 } else { 80.0 };
        let noise = |i: u32| f64::from(i * 7_919 % 97);
        let mut season = Season::default();
        let at = teach(&mut season, (0..1_000).map(|i| wave(i) + noise(i) / 30.0));
        assert!(season.pays(at));
        let mut season = Season::default();
        let at = teach(&mut season, (0..1_000).map(noise));
        assert!(!season.pays(at));
    }
}
