//! Parameters from a queue's own past: what would have forecast it best.
//!
//! The sum of the CRPS (Gneiting & Raftery 2007) of the next interval, a day and a week ahead, on the root of the counts, is
//! made small by a simplex (Nelder & Mead 1965; coefficients by Gao & Han 2012). Every step is held to the priors by a
//! penalty that fades with the days seen. Likelihood is not used: it asks for bands that are too wide.

use super::baseline::{Baseline, FREE, Judged, Parameters};
use super::calendar::{Calendar, Place};

/// Evaluations of the simplex; more gains less than the third digit.
const EVALUATIONS: usize = 300;
/// The last so many counts are used: half a year of half hours and more, or 140 whole days of five minutes.
const COUNTS_MAX: usize = 40_000;
/// Fewer whole days than this teach nothing beyond the priors.
const DAYS_MIN: u32 = 21;
/// Share of the days that only warm the model up, within these bounds.
const WARM_SHARE: u32 = 4;
const WARM_DAYS: (u32, u32) = (7, 28);
/// Days of evidence against which a step of 1 (a factor of e) from the priors has to pay: for what shows once a day, and for
/// what shows within one.
const PRIOR_DAYS: f64 = 0.3;
const PRIOR_NEAR_DAYS: f64 = 0.03;
/// First step of the simplex.
const FIRST_STEP: f64 = 0.7;
/// The search ends where the simplex differs by less than this share.
const FLAT: f64 = 1e-6;

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
    let warm = (days / WARM_SHARE).clamp(WARM_DAYS.0, WARM_DAYS.1);
    let origin = prior.free();
    let best = simplex(origin, EVALUATIONS, |point| {
        cost(calendar, history, point, &origin, warm)
    });
    Parameters::bound(best)
}

fn cost(
    calendar: &Calendar,
    history: &[(Place, Option<f64>)],
    point: &Point,
    prior: &Point,
    warm: u32,
) -> f64 {
    let mut model = Baseline::with_parameters(calendar, Parameters::bound(*point));
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
        .filter(|sum| sum.1 > 0.0)
        .map(|sum| sum.0 / sum.1)
        .sum();
    let days = f64::from(model.days().saturating_sub(warm)).max(5.0);
    let pull: f64 = point
        .iter()
        .zip(prior)
        .enumerate()
        .map(|(place, (x, from))| {
            let strength = if Parameters::is_near(place) {
                PRIOR_NEAR_DAYS
            } else {
                PRIOR_DAYS
            };
            strength / days * (x - from) * (x - from)
        })
        .sum();
    let cost = score * (1.0 + pull);
    if cost.is_finite() { cost } else { f64::MAX }
}

fn mixed(one: &Point, other: &Point, share: f64) -> Point {
    let mut point = *one;
    for (x, y) in point.iter_mut().zip(other) {
        *x += share * (*y - *x);
    }
    point
}

/// The point of the least cost that a simplex finds around `origin`.
fn simplex(origin: Point, evaluations: usize, mut cost: impl FnMut(&Point) -> f64) -> Point {
    #[allow(clippy::cast_precision_loss, reason = "a dozen")]
    let n = FREE as f64;
    let (expand, contract, shrink) = (1.0 + 2.0 / n, 0.75 - 0.5 / n, 1.0 - 1.0 / n);
    let mut corners = vec![(cost(&origin), origin)];
    for place in 0..FREE {
        let mut point = origin;
        if let Some(x) = point.get_mut(place) {
            *x += FIRST_STEP;
        }
        corners.push((cost(&point), point));
    }
    let mut used = corners.len();
    while used < evaluations {
        corners.sort_by(|a, b| a.0.total_cmp(&b.0));
        let Some((worst_cost, worst)) = corners.pop() else {
            break;
        };
        let (Some(best), Some(second)) = (corners.first().copied(), corners.last().copied()) else {
            break;
        };
        if worst_cost - best.0 <= FLAT * best.0 {
            break;
        }
        let mut centre = [0.0; FREE];
        for (_, corner) in &corners {
            for (sum, x) in centre.iter_mut().zip(corner) {
                *sum += x / n;
            }
        }
        // Away from the worst corner, through the middle of the others.
        let mut at = |share: f64| {
            let point = mixed(&centre, &worst, -share);
            used += 1;
            (cost(&point), point)
        };
        let reflected = at(1.0);
        if reflected.0 < best.0 {
            let expanded = at(expand);
            corners.push(if expanded.0 < reflected.0 {
                expanded
            } else {
                reflected
            });
            continue;
        }
        if reflected.0 < second.0 {
            corners.push(reflected);
            continue;
        }
        let inner = at(if reflected.0 < worst_cost {
            contract
        } else {
            -contract
        });
        if inner.0 < reflected.0.min(worst_cost) {
            corners.push(inner);
            continue;
        }
        corners.push((worst_cost, worst));
        for corner in corners.iter_mut().skip(1) {
            let point = mixed(&best.1, &corner.1, shrink);
            *corner = (cost(&point), point);
            used += 1;
        }
    }
    corners.sort_by(|a, b| a.0.total_cmp(&b.0));
    corners.first().map_or(origin, |corner| corner.1)
}
