use crate::normal_upper;

/// Models that are kept side by side.
pub const MODELS: usize = LEVELS.len() + TRENDS.len() + TURNS.len();
/// Of a level that wanders: the share of a step's variance that stays; the rest is noise of one sample.
const LEVELS: [f64; 5] = [0.0, 0.03, 0.2, 0.6, 0.95];
/// Of a level that also has a direction.
const TRENDS: [Trend; 8] = [
    Trend::line(0.05, 0.0005, 800.0),
    Trend::line(0.1, 0.002, 300.0),
    Trend::line(0.2, 0.006, 150.0),
    Trend::line(0.3, 0.02, 100.0),
    Trend::line(0.5, 0.03, 50.0),
    Trend::line(0.3, 0.03, 0.0),
    Trend::line(1.0, 0.1, 0.0),
    Trend::passing(0.3, 0.3, 20.0),
];
/// Of a level that stood and has turned: so many values have come since.
const TURNS: [usize; 4] = [5, 8, 13, 21];
/// Usual slope of one that has turned, and the share of a step's variance that stays.
const TURNED_SLOPE: f64 = 4.0;
const TURNED_WANDER: f64 = 0.1;
/// The noise known before counts as so many samples.
const KNOWN_BEFORE: f64 = 4.0;
/// Chance of the trends, all together, before anything was seen, and of those that turned.
const TREND_SHARE: f64 = 0.45;
const TURN_SHARE: f64 = 0.1;
/// What is known from before of where the level was counts as so many samples.
const MEAN_SAMPLES: f64 = 4.0;
/// One value counts for the variance as if it lay three standard deviations off at most (Huber 1964).
const CLIP: f64 = 9.0;

/// The last values of a series, and what is known of it from before.
#[derive(Debug, Clone, Copy)]
pub struct Past {
    /// Standard deviation of a value about its level, known from long before; above 0.
    pub noise: f64,
    /// What levels come back to …
    pub home: f64,
    /// … and their standard deviation about it in the long run; above 0.
    pub spread: f64,
    /// An exponentially fading mean of the values …
    pub mean: f64,
    /// … of so many of them.
    pub memory: f64,
}

/// A level with a direction, in steps of the series' pace and standard deviations of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Trend {
    /// The share of a step's variance that stays.
    wander: f64,
    /// The usual slope.
    slope: f64,
    /// How much it changes in a step.
    bend: f64,
    /// Within how many steps it is forgotten.
    lasts: f64,
    /// Steps since it began; 0: with the last values, from wherever they were.
    since: f64,
    /// Values since it got a slope of [`TURNED_SLOPE`]; 0: it has had its own all the time.
    turned: usize,
}

impl Trend {
    const fn line(slope: f64, bend: f64, since: f64) -> Self {
        Self {
            wander: 0.0,
            slope,
            bend,
            lasts: f64::INFINITY,
            since,
            turned: 0,
        }
    }

    const fn turned(turned: usize) -> Self {
        Self {
            wander: TURNED_WANDER,
            turned,
            ..Self::line(0.0, 0.0, 0.0)
        }
    }

    const fn passing(wander: f64, slope: f64, lasts: f64) -> Self {
        Self {
            wander,
            slope,
            bend: 0.0,
            lasts,
            since: 0.0,
            turned: 0,
        }
    }
}

/// A model of how the level moves, in steps of the series' pace and in units of the model's variance.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Model {
    /// Comes home at this rate a step (Ornstein and Uhlenbeck 1930); `wander` is the variance a step.
    Level { wander: f64, rate: f64 },
    /// Has a slope.
    Trend(Trend),
}

/// One model's level and slope and their covariance (Kalman 1960).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Filter {
    model: Model,
    /// Variance of a sample about the level.
    noise: f64,
    home: f64,
    level: f64,
    slope: f64,
    level_variance: f64,
    covariance: f64,
    slope_variance: f64,
}

/// A mixture of normal distributions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixture {
    /// Weight, mean and standard deviation of each; weights add up to 1.
    parts: [(f64, f64, f64); MODELS],
}

/// Where a series goes from here: models weighed by how well each foretold the last values, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    /// Weight, filter, and the model's variance.
    models: [(f64, Filter, f64); MODELS],
}

impl Filter {
    /// `steps` before the first of the last values.
    fn new(model: Model, noise: f64, past: &Past, known: f64, window: f64) -> Self {
        let (slope_variance, since) = match model {
            Model::Level { .. } => (0.0, f64::INFINITY),
            Model::Trend(trend) => (trend.slope * trend.slope, trend.since),
        };
        let mut filter = Self {
            model,
            noise,
            home: past.home,
            level: past.mean,
            slope: 0.0,
            level_variance: 1.0 / MEAN_SAMPLES,
            covariance: 0.0,
            slope_variance,
        };
        if since > 0.0 {
            // A mean that fades lags behind a line that began then by this many steps of it.
            let lag = -past.memory * libm::expm1(-since / past.memory);
            filter.pass((lag - window).max(0.0));
        } else {
            filter.level_variance = past.spread * past.spread / known + 1.0;
        }
        filter
    }

    /// Lets `steps` pass.
    fn pass(&mut self, steps: f64) {
        match self.model {
            Model::Level { wander, rate } => {
                let kept = libm::exp(-rate * steps);
                self.level = self.home + kept * (self.level - self.home);
                let added = if rate * steps < 1e-9 {
                    wander * steps
                } else {
                    wander * (1.0 - kept * kept) / (2.0 * rate)
                };
                self.level_variance = kept * kept * self.level_variance + added;
            }
            Model::Trend(trend) => {
                let (kept, reach, noise) = slope_step(steps, trend);
                self.level += reach * self.slope;
                self.slope *= kept;
                let (ll, lb, bb) = (self.level_variance, self.covariance, self.slope_variance);
                self.level_variance =
                    ll + 2.0 * reach * lb + reach * reach * bb + noise.0 + trend.wander * steps;
                self.covariance = kept * (lb + reach * bb) + noise.1;
                self.slope_variance = kept * kept * bb + noise.2;
            }
        }
    }

    /// From here on the level has a slope, if the model says that it turned so many values before the end.
    fn turn(&mut self, left: usize) {
        if let Model::Trend(trend) = self.model
            && trend.turned == left
        {
            self.slope_variance += TURNED_SLOPE * TURNED_SLOPE;
        }
    }

    /// Takes in a value; returns how far off it was and what variance that was expected to have.
    fn take(&mut self, value: f64) -> (f64, f64) {
        let total = self.level_variance + self.noise;
        let off = value - self.level;
        let (level_gain, slope_gain) = (self.level_variance / total, self.covariance / total);
        self.level += level_gain * off;
        self.slope += slope_gain * off;
        self.slope_variance = (self.slope_variance - slope_gain * self.covariance).max(0.0);
        self.covariance *= 1.0 - level_gain;
        self.level_variance *= 1.0 - level_gain;
        (off, total)
    }
}

/// What is left of a slope after `steps`, how far it moves the level, and the covariance of what is added to level and slope (level,
/// both, slope).
fn slope_step(steps: f64, trend: Trend) -> (f64, f64, (f64, f64, f64)) {
    let lasts = trend.lasts;
    if lasts.is_infinite() {
        let change = trend.bend * trend.bend * steps;
        return (
            1.0,
            steps,
            (change * steps * steps / 3.0, change * steps / 2.0, change),
        );
    }
    let usual = trend.slope * trend.slope;
    let kept = libm::exp(-steps / lasts);
    let gone = -libm::expm1(-steps / lasts);
    let level = usual * lasts * (2.0 * steps - lasts * gone * (2.0 + gone));
    (
        kept,
        lasts * gone,
        (
            level.max(0.0),
            usual * lasts * gone * gone,
            usual * gone * (1.0 + kept),
        ),
    )
}

impl Outlook {
    /// From the last values, oldest first: each with the steps of the series' usual pace since the one before. `None` for none.
    pub fn of(points: impl Iterator<Item = (f64, f64)> + Clone, past: &Past) -> Option<Self> {
        points.clone().next()?;
        let window: f64 = points.clone().skip(1).map(|(steps, _)| steps).sum();
        let values = points.clone().count();
        let blank = Filter::new(
            Model::Level {
                wander: 0.0,
                rate: 0.0,
            },
            1.0,
            past,
            1.0,
            0.0,
        );
        let mut models = [(0.0, blank, 1.0); MODELS];
        let mut most = f64::NEG_INFINITY;
        for (place, (chance, model, noise)) in models.iter_mut().zip(all(past)) {
            let share = 1.0 - noise;
            // The noise is known from steps between neighbours, in which noise counts twice and what stays once.
            let known = past.noise * past.noise * 2.0 / (2.0 - share);
            let mut filter = Filter::new(model, noise, past, known, window);
            let (mut squares, mut logs, mut count) = (KNOWN_BEFORE * known, 0.0, KNOWN_BEFORE);
            for (place, (steps, value)) in points.clone().enumerate() {
                filter.turn(values - place);
                filter.pass(if place == 0 { 0.0 } else { steps });
                let (off, expected) = filter.take(value);
                let square = off * off / expected;
                squares += square.min(CLIP * squares / count);
                logs += libm::log(expected);
                count += 1.0;
            }
            let log_weight = libm::log(chance) - 0.5 * logs - 0.5 * count * libm::log(squares);
            most = most.max(log_weight);
            *place = (log_weight, filter, squares / (count - 2.0));
        }
        let mut sum = 0.0;
        for (weight, ..) in &mut models {
            *weight = libm::exp(*weight - most);
            sum += *weight;
        }
        for (weight, ..) in &mut models {
            *weight /= sum;
        }
        Some(Self { models })
    }

    /// What a value may be `steps` after the last one.
    pub fn after(&self, steps: f64) -> Mixture {
        let mut parts = [(0.0, 0.0, 1.0); MODELS];
        for (part, (weight, filter, variance)) in parts.iter_mut().zip(&self.models) {
            let mut then = *filter;
            then.pass(steps.max(0.0));
            let of_value = (then.level_variance + then.noise) * variance;
            *part = (*weight, then.level, of_value.max(0.0).sqrt());
        }
        Mixture { parts }
    }
}

/// Each model with its chance before anything was seen and the variance of its noise.
fn all(past: &Past) -> impl Iterator<Item = (f64, Model, f64)> + '_ {
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let levels = LEVELS.iter().map(move |&share| {
        // In the long run the level's variance is `spread`².
        let variance = past.noise * past.noise * 2.0 / (2.0 - share);
        let rate = share * variance / (2.0 * past.spread * past.spread);
        let model = Model::Level { wander: share, rate };
        (
            (1.0 - TREND_SHARE - TURN_SHARE) / count(LEVELS.len()),
            model,
            1.0 - share,
        )
    });
    let trends = TRENDS.iter().map(move |&trend| {
        (
            TREND_SHARE / count(TRENDS.len()),
            Model::Trend(trend),
            1.0 - trend.wander,
        )
    });
    let turns = TURNS.iter().map(move |&turned| {
        let trend = Trend::turned(turned);
        let chance = TURN_SHARE / count(TURNS.len());
        (chance, Model::Trend(trend), 1.0 - trend.wander)
    });
    levels.chain(trends).chain(turns)
}

impl Mixture {
    /// Chance of a value above `limit`.
    pub fn above(&self, limit: f64) -> f64 {
        let of = |&(weight, mean, sd): &(f64, f64, f64)| {
            if weight < 1e-6 {
                0.0
            } else {
                weight * normal_upper((limit - mean) / sd)
            }
        };
        self.parts.iter().map(of).sum()
    }

    /// The value below which lies this share, to a thousandth of the narrowest part's standard deviation.
    pub fn quantile(&self, share: f64) -> f64 {
        let heavy = || self.parts.iter().filter(|part| part.0 >= 1e-6);
        let low = heavy()
            .map(|(_, mean, sd)| mean - 6.0 * sd)
            .fold(f64::INFINITY, f64::min);
        let high = heavy()
            .map(|(_, mean, sd)| mean + 6.0 * sd)
            .fold(f64::NEG_INFINITY, f64::max);
        let (mut low, mut high) = (low, high);
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if self.above(middle) > 1.0 - share {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAST: Past = Past {
        noise: 1.0,
        home: 10.0,
        spread: 5.0,
        mean: 11.0,
        memory: 200.0,
    };

    /// Level and slope after `steps`, as a matrix, and the covariance of what is added.
    fn step(model: Model, steps: f64) -> ([[f64; 2]; 2], [[f64; 2]; 2]) {
        match model {
            Model::Level { wander, rate } => {
                let kept = libm::exp(-rate * steps);
                // The integral of a fading variance, by its sum.
                let parts = 20_000;
                let width = steps / f64::from(parts);
                let added: f64 = (0..parts)
                    .map(|i| libm::exp(-2.0 * rate * width * (f64::from(i) + 0.5)) * wander * width)
                    .sum();
                ([[kept, 0.0], [0.0, 0.0]], [[added, 0.0], [0.0, 0.0]])
            }
            Model::Trend(trend) => {
                let fade = |t: f64| {
                    if trend.lasts.is_infinite() {
                        1.0
                    } else {
                        libm::exp(-t / trend.lasts)
                    }
                };
                let reach = |t: f64| {
                    if trend.lasts.is_infinite() {
                        t
                    } else {
                        trend.lasts * (1.0 - fade(t))
                    }
                };
                let kick = if trend.lasts.is_infinite() {
                    trend.bend * trend.bend
                } else {
                    2.0 * trend.slope * trend.slope / trend.lasts
                };
                let parts = 20_000;
                let width = steps / f64::from(parts);
                let mut added = [[trend.wander * steps, 0.0], [0.0, 0.0]];
                for i in 0..parts {
                    let left = width * (f64::from(i) + 0.5);
                    let way = [reach(left), fade(left)];
                    for (row, a) in added.iter_mut().zip(way) {
                        for (cell, b) in row.iter_mut().zip(way) {
                            *cell += kick * width * a * b;
                        }
                    }
                }
                ([[1.0, reach(steps)], [0.0, fade(steps)]], added)
            }
        }
    }

    fn times(a: [[f64; 2]; 2], b: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
        [0, 1].map(|i| [0, 1].map(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j]))
    }

    fn turned(a: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
        [[a[0][0], a[1][0]], [a[0][1], a[1][1]]]
    }

    /// Solves `a x = b` by elimination.
    #[allow(clippy::needless_range_loop, reason = "as in the books")]
    fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
        let n = b.len();
        for i in 0..n {
            for j in i + 1..n {
                let factor = a[j][i] / a[i][i];
                for k in i..n {
                    a[j][k] -= factor * a[i][k];
                }
                b[j] -= factor * b[i];
            }
        }
        for i in (0..n).rev() {
            for k in i + 1..n {
                b[i] -= a[i][k] * b[k];
            }
            b[i] /= a[i][i];
        }
        b
    }

    /// Mean and variance of the value after `ahead`, given all values at once: no filter, the covariance of every pair.
    fn by_all_pairs(
        model: Model,
        noise: f64,
        start: &Filter,
        points: &[(f64, f64)],
        ahead: f64,
    ) -> (f64, f64) {
        let mut covariance = [
            [start.level_variance, start.covariance],
            [start.covariance, start.slope_variance],
        ];
        let mut mean = start.level - start.home;
        let slopes_home = matches!(model, Model::Level { .. });
        let mut means = Vec::new();
        let mut own: Vec<[[f64; 2]; 2]> = Vec::new();
        let mut ways: Vec<[[f64; 2]; 2]> = Vec::new();
        let spans = points
            .iter()
            .enumerate()
            .map(|(i, p)| if i == 0 { 0.0 } else { p.0 })
            .chain([ahead]);
        for span in spans {
            let (way, added) = step(model, span);
            covariance = times(times(way, covariance), turned(way));
            for i in 0..2 {
                for j in 0..2 {
                    covariance[i][j] += added[i][j];
                }
            }
            mean = if slopes_home { way[0][0] * mean } else { mean };
            means.push(mean + start.home);
            own.push(covariance);
            ways.push(way);
        }
        let pair = |i: usize, j: usize| {
            let (i, j) = (i.min(j), i.max(j));
            let through = (i + 1..=j).fold([[1.0, 0.0], [0.0, 1.0]], |all, k| times(ways[k], all));
            times(through, own[i])[0][0]
        };
        let n = points.len();
        let seen: Vec<Vec<f64>> = (0..n)
            .map(|i| {
                (0..n)
                    .map(|j| pair(i, j) + if i == j { noise } else { 0.0 })
                    .collect()
            })
            .collect();
        let off: Vec<f64> = (0..n).map(|i| points[i].1 - means[i]).collect();
        let to: Vec<f64> = (0..n).map(|i| pair(i, n)).collect();
        let weights = solve(seen, to.clone());
        let mean = means[n] + weights.iter().zip(&off).map(|(w, o)| w * o).sum::<f64>();
        let known: f64 = weights.iter().zip(&to).map(|(w, t)| w * t).sum();
        (mean, own[n][0][0] - known + noise)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_filter_says_what_all_values_at_once_say(
            points in proptest::collection::vec((0.2_f64..3.0, -5.0_f64..25.0), 2..9),
            number in 0..MODELS,
            ahead in 0.1_f64..60.0,
        ) {
            let (_, model, noise) = all(&PAST).nth(number).unwrap();
            let noise = noise.max(0.01);
            let window: f64 = points.iter().skip(1).map(|p| p.0).sum();
            let mut filter = Filter::new(model, noise, &PAST, 1.0, window);
            let start = filter;
            for (i, (steps, value)) in points.iter().enumerate() {
                filter.pass(if i == 0 { 0.0 } else { *steps });
                filter.take(*value);
            }
            filter.pass(ahead);
            let (mean, variance) = by_all_pairs(model, noise, &start, &points, ahead);
            let own = filter.level_variance + noise;
            prop_assert!((filter.level - mean).abs() < 1e-4 * (1.0 + mean.abs() + variance.sqrt()), "{model:?} {} {mean}", filter.level);
            prop_assert!((own / variance - 1.0).abs() < 1e-4, "{model:?} {own} {variance}");
        }

        #[test]
        fn quantiles_lie_where_their_share_lies_above(
            values in proptest::collection::vec(-50.0_f64..50.0, 8..32), steps in 0.0_f64..400.0, share in 0.05_f64..0.95,
        ) {
            let outlook = Outlook::of(values.iter().map(|v| (1.0, *v)), &PAST).unwrap();
            let mixture = outlook.after(steps);
            let weights: f64 = mixture.parts.iter().map(|part| part.0).sum();
            prop_assert!((weights - 1.0).abs() < 1e-9);
            prop_assert!((mixture.above(mixture.quantile(share)) - (1.0 - share)).abs() < 1e-4);
        }

        #[test]
        fn whatever_comes_in_numbers_come_out(
            values in proptest::collection::vec((proptest::sample::select(vec![0.0, 1e-3, 1.0, 40.0]), -1.0_f64..1.0), 8..32),
            scale in proptest::sample::select(vec![1e-30, 1e-9, 1.0, 1e9, 3e38]),
            noise in proptest::sample::select(vec![1e-9, 1.0, 3e38]),
            spread in proptest::sample::select(vec![1e-9, 1.0, 3e38]),
            steps in proptest::sample::select(vec![0.0, 1.0, 1e4, 1e8]),
        ) {
            let spread = f64::max(spread, noise);
            let past = Past { noise, home: scale, spread, mean: -scale, memory: 200.0 };
            let mixture = Outlook::of(values.iter().map(|(s, v)| (*s, v * scale)), &past).unwrap().after(steps);
            let [low, middle, high] = [0.1, 0.5, 0.9].map(|share| mixture.quantile(share));
            prop_assert!(low.is_finite() && middle.is_finite() && high.is_finite(), "{low} {middle} {high}");
            prop_assert!(low <= middle && middle <= high);
        }

        #[test]
        fn a_line_goes_on(slope in 0.5_f64..3.0, down in any::<bool>(), steps in 1.0_f64..30.0) {
            let slope = if down { -slope } else { slope };
            let past = Past { noise: 0.3, home: 100.0, spread: 5.0, mean: 100.0, memory: 200.0 };
            let points = (0..32).map(|i| (1.0, 100.0 + slope * f64::from(i)));
            let mixture = Outlook::of(points, &past).unwrap().after(steps);
            let line = 100.0 + slope * (31.0 + steps);
            let (low, high) = (mixture.quantile(0.1), mixture.quantile(0.9));
            prop_assert!((mixture.quantile(0.5) - line).abs() < 0.1 * slope.abs() * steps + 0.1, "{} {line}", mixture.quantile(0.5));
            prop_assert!(low < line && line < high, "{low} {line} {high}");
        }
    }

    #[test]
    fn what_stays_is_expected_to_stay_and_what_wanders_less_the_later() {
        let constant = Outlook::of((0..32).map(|_| (1.0, 10.0)), &Past { mean: 10.0, ..PAST }).unwrap();
        for steps in [1.0, 15.0, 100.0] {
            let then = constant.after(steps);
            assert!((then.quantile(0.5) - 10.0).abs() < 0.01);
            assert!(then.quantile(0.9) - then.quantile(0.1) > 0.2);
        }
        let width = |steps| constant.after(steps).quantile(0.9) - constant.after(steps).quantile(0.1);
        assert!(width(1.0) < width(60.0));
        assert_eq!(Outlook::of(std::iter::empty(), &PAST), None);
    }
}
