//! Parameters from a queue's own past: what would have forecast it best.
//!
//! The sum of the CRPS (Gneiting & Raftery 2007) of the next interval, a day and a week ahead, on the root of the counts, is
//! made small by a simplex. Every step is held to the priors by a penalty that fades with the days seen.
//! Likelihood is not used: it asks for bands that are too wide.

use super::baseline::{Baseline, FREE, Judged, Parameters};
use super::calendar::{Calendar, Place};
use super::simplex::Simplex;

/// Evaluations of the simplex; more gains less than the third digit.
const EVALUATIONS: usize = 300;
/// The last so many counts are used: half a year of half hours and more, or 140 whole days of five minutes.
const COUNTS_MAX: usize = 40_000;
/// Fewer whole days than this teach nothing beyond the priors.
pub(super) const DAYS_MIN: u32 = 21;
/// Share of the days that only warm the model up, within these bounds.
const WARM_SHARE: u32 = 4;
const WARM_DAYS: (u32, u32) = (7, 28);
/// Days of evidence against which a step of 1 (a factor of e) from the priors has to pay: for what shows once a day, and for
/// what shows within one.
const PRIOR_DAYS: f64 = 1.0;
const PRIOR_NEAR_DAYS: f64 = 0.03;
/// The same where they are fitted alone, over and over: nothing else gives way then, and holidays would pass for what moves fast.
const PRIOR_ALONE_DAYS: f64 = 0.2;
/// First step of the simplex.
const FIRST_STEP: f64 = 0.7;
type Point = [f64; FREE];

/// CRPS of a normal law at `value`.
pub(super) fn crps_normal(value: f64, mean: f64, variance: f64) -> f64 {
    let deviation = variance.max(1e-12).sqrt();
    let u = (value - mean) / deviation;
    let density = libm::exp(-0.5 * u * u) * 0.398_942_280_401_432_7;
    let below = 0.5 * libm::erfc(-u * std::f64::consts::FRAC_1_SQRT_2);
    // 1/√π.
    deviation * (u * (2.0 * below - 1.0) + 2.0 * density - 0.564_189_583_547_756_3)
}

/// Parameters for a history in order of time; the defaults where it is too short. Takes a few seconds at most.
pub fn fit(calendar: &Calendar, history: &[(Place, Option<f64>)]) -> Parameters {
    let history = history.split_at(history.len().saturating_sub(COUNTS_MAX)).1;
    let mut days = 0;
    let mut last = None;
    for (place, _) in history.iter().filter(|(_, count)| count.is_some()) {
        if last != Some(place.day) {
            days += 1;
            last = Some(place.day);
        }
    }
    let prior = Parameters::default();
    if days < DAYS_MIN {
        return prior;
    }
    let mut search = Simplex::new(prior.free(), FIRST_STEP, EVALUATIONS);
    while let Some(point) = search.wanted() {
        search.tell(cost(calendar, history, &point, days, Aim::All));
    }
    Parameters::bound(search.best())
}

/// What is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// All parameters, to all three horizons.
    All,
    /// Those that show within a day, to the next interval: to bands of a day or a week they would give widths that others account for.
    Near,
}

impl Aim {
    const fn horizons(self) -> usize {
        match self {
            Self::All => 3,
            Self::Near => 1,
        }
    }

    /// Days of evidence against which a step of a parameter has to pay that shows within a day.
    const fn near_days(self) -> f64 {
        match self {
            Self::All => PRIOR_NEAR_DAYS,
            Self::Near => PRIOR_ALONE_DAYS,
        }
    }
}

/// What parameters would have cost over a history of so many days, the first of which only warm the model up; the distance from the
/// priors included.
pub(super) fn cost(
    calendar: &Calendar,
    history: &[(Place, Option<f64>)],
    point: &Point,
    days: u32,
    aim: Aim,
) -> f64 {
    let warm = (days / WARM_SHARE).clamp(WARM_DAYS.0, WARM_DAYS.1);
    let prior = Parameters::default().free();
    let own = Parameters::bound(*point);
    let mut model = match aim {
        Aim::All => Baseline::with_parameters(calendar, own),
        Aim::Near => Baseline::new(calendar),
    };
    model.retune(calendar, own);
    let mut sums = [(0.0, 0.0); 3];
    for (place, count) in history {
        // Bands are judged as they will be shown: with what was learned of their width before.
        let factors = model.factors();
        let Some(Judged { root, expected }) = model.judge(calendar, *place, *count) else {
            continue;
        };
        if model.days() < warm {
            continue;
        }
        for ((sum, expected), factor) in sums.iter_mut().zip(expected).zip(factors) {
            if let Some((mean, variance)) = expected {
                sum.0 += crps_normal(root, mean, variance * factor * factor);
                sum.1 += 1.0;
            }
        }
    }
    let score: f64 = sums
        .iter()
        .take(aim.horizons())
        .filter(|sum| sum.1 > 0.0)
        .map(|sum| sum.0 / sum.1)
        .sum();
    let days = f64::from(model.days().saturating_sub(warm)).max(5.0);
    let pull: f64 = point
        .iter()
        .zip(&prior)
        .enumerate()
        .map(|(place, (x, from))| {
            let strength = if Parameters::is_near(place) {
                aim.near_days()
            } else {
                PRIOR_DAYS
            };
            strength / days * (x - from) * (x - from)
        })
        .sum();
    let cost = score * (1.0 + pull);
    if cost.is_finite() { cost } else { f64::MAX }
}
