//! The arithmetic of the effect: likelihoods on a grid, a law of the effects of incidents over them, and what follows.

use super::Arms;

/// Distance between two cells of a log rate ratio: 1.25 %.
const STEP: f64 = 0.0125;
/// The lowest log rate ratio of one incident: 95 % fewer contacts.
const LOW: f64 = -3.0;
/// Cells of it: up to 2.0, seven times as many contacts.
const CELLS: usize = 401;
/// Cells of the mean effect: from 89 % fewer contacts (−2.25) to 3.5 times as many (1.25). What lies outside can't be told apart from the edge.
const FIRST: usize = 60;
const MEANS: usize = 281;
/// How far incidents differ: standard deviation of the log rate ratio.
const SPREADS: [f64; 9] = [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8];
/// What each of them stands for on the line.
const WIDTHS: [f64; 9] = [0.025, 0.05, 0.05, 0.05, 0.075, 0.1, 0.15, 0.2, 0.2];
/// Prior of the mean effect: a normal law around no effect. It says nothing for or against notices.
const MEAN_PRIOR: f64 = 0.5;
/// Prior of the spread: half a normal law.
const SPREAD_PRIOR: f64 = 0.25;
/// A normal law is cut here.
const REACH: f64 = 4.0;
/// Logarithm of the least likelihood told from none.
const FLOOR: f64 = -690.0;
/// Cells that weigh less are left out of what is summed over incidents.
const WEIGHT_MIN: f64 = 1e-7;

/// Log rate ratio at a cell.
#[allow(clippy::cast_precision_loss, reason = "hundreds of cells")]
fn ratio_at(cell: usize) -> f64 {
    LOW + STEP * cell as f64
}

/// Likelihood of one unit's log rate ratio (the told over the held out), its highest point at 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    log: Vec<f64>,
}

impl Curve {
    /// Of contacts divided between two arms: y_T of y_T + y_H is binomial with n_T e^θ : n_H, whatever brought people to call.
    /// `dispersion` is the variance of the counts over that of independent people.
    #[allow(clippy::cast_precision_loss, reason = "numbers of people")]
    pub(super) fn of(arms: Arms, dispersion: f64) -> Self {
        let (told, held) = (arms.told as f64, arms.held_out as f64);
        let (y_told, y_held) = (arms.told_contacts as f64, arms.held_out_contacts as f64);
        if told <= 0.0 || held <= 0.0 || y_told + y_held <= 0.0 {
            return Self {
                log: vec![0.0; CELLS],
            };
        }
        let at = |theta: f64| {
            (y_told * theta - (y_told + y_held) * libm::log(held + told * libm::exp(theta))) / dispersion
        };
        // Where it is highest, so that its cells don't underflow; no contact at an arm has it at the edge.
        let best = if y_told > 0.0 && y_held > 0.0 {
            libm::log(y_told * held / (y_held * told)).clamp(LOW, ratio_at(CELLS - 1))
        } else if y_told > 0.0 {
            ratio_at(CELLS - 1)
        } else {
            LOW
        };
        let top = at(best);
        // The mean of three points, so that a peak narrower than a cell isn't missed.
        let log = (0..CELLS).map(|cell| {
            let theta = ratio_at(cell);
            let sum: f64 = [-STEP / 3.0, 0.0, STEP / 3.0]
                .iter()
                .map(|off| libm::exp((at(theta + off) - top).max(FLOOR)))
                .sum();
            let mean = libm::log(sum / 3.0);
            if mean > FLOOR + 1.0 { mean } else { at(theta) - top }
        });
        Self { log: log.collect() }.raised()
    }

    /// With its highest point at 0.
    fn raised(mut self) -> Self {
        let top = self.log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if top.is_finite() {
            for cell in &mut self.log {
                *cell -= top;
            }
        }
        self
    }

    /// One curve after another: independent units with the same ratio.
    pub(super) fn times(&mut self, other: &Self) {
        for (own, other) in self.log.iter_mut().zip(&other.log) {
            *own += other;
        }
    }

    fn at(&self, cell: isize) -> f64 {
        let last = CELLS - 1;
        let cell = usize::try_from(cell).map_or(0, |cell| cell.min(last));
        self.log.get(cell).copied().unwrap_or(FLOOR)
    }
}

/// Weights of a normal law on cells beside a middle one.
#[derive(Debug, Clone, PartialEq)]
struct Kernel {
    from: isize,
    weights: Vec<f64>,
}

impl Kernel {
    /// θ of an incident around the logarithm of the mean *ratio*: E e^θ = e^m, for it is contacts that are counted.
    #[allow(clippy::cast_possible_truncation, reason = "hundreds of cells")]
    #[allow(clippy::cast_precision_loss, reason = "hundreds of cells")]
    fn new(spread: f64) -> Self {
        if spread <= 0.0 {
            return Self {
                from: 0,
                weights: vec![1.0],
            };
        }
        let middle = -0.5 * spread * spread;
        let from = libm::floor((middle - REACH * spread) / STEP) as isize;
        let to = libm::ceil((middle + REACH * spread) / STEP) as isize;
        let mut weights: Vec<f64> = (from..=to)
            .map(|cell| {
                let z = (cell as f64 * STEP - middle) / spread;
                libm::exp(-0.5 * z * z)
            })
            .collect();
        let sum: f64 = weights.iter().sum();
        for weight in &mut weights {
            *weight /= sum;
        }
        Self { from, weights }
    }

    /// Likelihood of a law around `middle`, as a logarithm.
    fn over(&self, likelihood: &Padded, curve: &Curve, middle: usize) -> f64 {
        let middle = isize::try_from(middle).unwrap_or(0);
        if self.weights.len() == 1 {
            return curve.at(middle);
        }
        let sum: f64 = self
            .weights
            .iter()
            .zip(likelihood.from(middle + self.from))
            .map(|(w, l)| w * l)
            .sum();
        libm::log(sum.max(1e-300))
    }
}

/// A curve's likelihood, with its edges carried on so that a kernel never runs out of it.
struct Padded(Vec<f64>);

const PAD: isize = 320;

impl Padded {
    fn new(curve: &Curve) -> Self {
        let last = isize::try_from(CELLS).unwrap_or(0) + PAD;
        Self((-PAD..last).map(|cell| libm::exp(curve.at(cell))).collect())
    }

    fn from(&self, cell: isize) -> &[f64] {
        let first = usize::try_from(cell + PAD).unwrap_or(0);
        self.0.get(first..).unwrap_or_default()
    }
}

/// One cell of the law of effects.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    spread: usize,
    mean: usize,
    weight: f64,
}

/// The law of the effects of incidents: their mean and how they differ, on a grid. Units are taken in one by one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hierarchy {
    kernels: Vec<Kernel>,
    /// Log-likelihood by spread, then by mean.
    log: Vec<f64>,
}

/// An interval of the reduction, in shares; an edge of the grid is open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end: nothing known is none.
    pub low: Option<f64>,
    /// Upper end: nothing known is none.
    pub high: Option<f64>,
}

impl Hierarchy {
    pub(super) fn new() -> Self {
        Self {
            kernels: SPREADS.iter().map(|s| Kernel::new(*s)).collect(),
            log: vec![0.0; SPREADS.len() * MEANS],
        }
    }

    /// Takes in a unit.
    pub(super) fn add(&mut self, curve: &Curve) {
        let likelihood = Padded::new(curve);
        for (row, kernel) in self.log.chunks_mut(MEANS).zip(&self.kernels) {
            for (mean, cell) in row.iter_mut().enumerate() {
                *cell += kernel.over(&likelihood, curve, FIRST + mean);
            }
        }
    }

    /// Logarithm of the prior, by spread, then by mean; it sums to 1.
    fn prior() -> Vec<f64> {
        let mut all = Vec::with_capacity(SPREADS.len() * MEANS);
        for (spread, width) in SPREADS.iter().zip(WIDTHS) {
            let s = spread / SPREAD_PRIOR;
            for mean in 0..MEANS {
                let m = ratio_at(FIRST + mean) / MEAN_PRIOR;
                all.push(-0.5 * (s * s + m * m) + libm::log(width));
            }
        }
        let sum = log_sum(&all);
        for cell in &mut all {
            *cell -= sum;
        }
        all
    }

    /// Prior times likelihood, as logarithms.
    fn joint(&self) -> Vec<f64> {
        Self::prior().iter().zip(&self.log).map(|(p, l)| p + l).collect()
    }

    /// The posterior's cells, those that weigh something.
    pub(super) fn posterior(&self) -> Vec<Place> {
        let joint = self.joint();
        let sum = log_sum(&joint);
        let places = joint.iter().enumerate().map(|(cell, log)| Place {
            spread: cell / MEANS,
            mean: cell % MEANS,
            weight: libm::exp(log - sum),
        });
        places.filter(|p| p.weight > WEIGHT_MIN).collect()
    }

    /// Weights of the mean ratio's logarithm.
    fn of_mean(&self) -> Vec<f64> {
        let mut weights = vec![0.0; MEANS];
        for place in self.posterior() {
            if let Some(weight) = weights.get_mut(place.mean) {
                *weight += place.weight;
            }
        }
        weights
    }

    /// The reduction on average, and its middle 95 % interval (and median).
    pub(super) fn reduction(&self) -> Law {
        Law::of(&self.of_mean(), FIRST)
    }

    /// Mean of how far incidents differ.
    pub(super) fn spread(&self) -> f64 {
        let cells = self.posterior();
        let total: f64 = cells.iter().map(|p| p.weight).sum();
        let sum: f64 = cells
            .iter()
            .map(|p| p.weight * SPREADS.get(p.spread).copied().unwrap_or(0.0))
            .sum();
        sum / total
    }

    /// Means that the evidence hasn't ruled out at any time of looking. For each mean m: the likelihood averaged over the prior
    /// ÷ the likelihood of m at the spread that suits it best. The first is a martingale under the truth, the second at least the
    /// truth's; so the quotient passes 1/α at *any* look with a chance of at most α (Ville; universal inference, Wasserman,
    /// Ramdas & Balakrishnan 2020), whatever the spread.
    fn evidence_against(&self) -> Vec<f64> {
        let all = log_sum(&self.joint());
        (0..MEANS)
            .map(|mean| {
                let best = self
                    .log
                    .iter()
                    .skip(mean)
                    .step_by(MEANS)
                    .copied()
                    .fold(f64::NEG_INFINITY, f64::max);
                all - best
            })
            .collect()
    }

    /// The reductions not ruled out at a chance of `alpha`, looked at as often as one likes.
    pub(super) fn always_valid(&self, alpha: f64) -> Interval {
        let limit = -libm::log(alpha);
        let evidence = self.evidence_against();
        let inside = |cell: &(usize, &f64)| *cell.1 < limit;
        let first = evidence.iter().enumerate().find(inside).map(|(cell, _)| cell);
        let last = evidence
            .iter()
            .enumerate()
            .rev()
            .find(inside)
            .map(|(cell, _)| cell);
        // Half a cell more at each side, for what lies between two cells.
        let reduction = |cell: usize, off: f64| -libm::expm1(ratio_at(FIRST + cell) + off);
        Interval {
            low: last
                .filter(|cell| cell + 1 < MEANS)
                .map(|cell| reduction(cell, STEP)),
            high: first.filter(|cell| *cell > 0).map(|cell| reduction(cell, -STEP)),
        }
    }

    /// The posterior of one unit's own effect, given all others.
    pub(super) fn unit(&self, curve: &Curve) -> Law {
        let likelihood = Padded::new(curve);
        let mut weights = vec![0.0; CELLS];
        for place in self.posterior() {
            self.spread_over(place, curve, &likelihood, |cell, weight| {
                if let Some(own) = weights.get_mut(cell) {
                    *own += weight * place.weight;
                }
            });
        }
        Law::of(&weights, 0)
    }

    /// What the effect of an incident not seen yet may be.
    pub(super) fn next(&self) -> Law {
        self.unit(&Curve {
            log: vec![0.0; CELLS],
        })
    }

    /// Hands out the weights of one unit's ratio at a place of the law; they sum to 1.
    fn spread_over(&self, place: Place, curve: &Curve, likelihood: &Padded, mut to: impl FnMut(usize, f64)) {
        let Some(kernel) = self.kernels.get(place.spread) else {
            return;
        };
        let middle = FIRST + place.mean;
        if kernel.weights.len() == 1 {
            to(middle, 1.0);
            return;
        }
        let first = isize::try_from(middle).unwrap_or(0) + kernel.from;
        let total = libm::exp(kernel.over(likelihood, curve, middle));
        for ((weight, l), cell) in kernel.weights.iter().zip(likelihood.from(first)).zip(first..) {
            let cell = usize::try_from(cell).map_or(0, |cell| cell.min(CELLS - 1));
            to(cell, weight * l / total);
        }
    }

    /// Contacts kept away in one unit, at each place of the law: `contacts` of the told × (1/ratio − 1).
    pub(super) fn kept_away(&self, places: &[Place], curve: &Curve, contacts: f64) -> Moments {
        let likelihood = Padded::new(curve);
        let each = places.iter().map(|place| {
            let (mut mean, mut square, mut all) = (0.0, 0.0, 0.0);
            self.spread_over(*place, curve, &likelihood, |cell, weight| {
                let kept = contacts * libm::expm1(-ratio_at(cell));
                all += weight;
                mean += weight * kept;
                square += weight * kept * kept;
            });
            let mean = mean / all;
            (mean, (square / all - mean * mean).max(0.0))
        });
        Moments {
            weights: places.iter().map(|p| p.weight).collect(),
            each: each.collect(),
        }
    }

    /// A unit's likelihood of the mean at the spread that the law finds likeliest: for units that are themselves many incidents.
    pub(super) fn smoothed(&self, curve: &Curve) -> Curve {
        let spread = self.spread();
        let nearest = SPREADS
            .iter()
            .enumerate()
            .min_by(|a, b| (a.1 - spread).abs().total_cmp(&(b.1 - spread).abs()));
        let likelihood = Padded::new(curve);
        let Some(kernel) = nearest.and_then(|(at, _)| self.kernels.get(at)) else {
            return curve.clone();
        };
        let log = (0..CELLS).map(|cell| kernel.over(&likelihood, curve, cell));
        Curve { log: log.collect() }.raised()
    }
}

/// Mean and variance at each place of the law: sums over units that are independent given the place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moments {
    weights: Vec<f64>,
    each: Vec<(f64, f64)>,
}

impl Moments {
    pub(super) fn plus(&mut self, other: &Self) {
        for (own, other) in self.each.iter_mut().zip(&other.each) {
            own.0 += other.0;
            own.1 += other.1;
        }
    }

    pub(super) fn mean(&self) -> f64 {
        let total: f64 = self.weights.iter().sum();
        let sum: f64 = self.weights.iter().zip(&self.each).map(|(w, e)| w * e.0).sum();
        sum / total
    }

    /// Quantile of the mixture of normal laws, by halving.
    pub(super) fn quantile(&self, level: f64) -> f64 {
        let total: f64 = self.weights.iter().sum();
        let below = |x: f64| {
            let parts = self.weights.iter().zip(&self.each).map(|(w, (mean, variance))| {
                let z = (x - mean) / libm::sqrt(variance.max(1e-12));
                w * 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
            });
            parts.sum::<f64>() / total
        };
        let reach = |sign: f64| {
            let ends = self
                .each
                .iter()
                .map(|(mean, v)| mean + sign * 9.0 * libm::sqrt(v.max(1e-12)));
            if sign < 0.0 {
                ends.fold(f64::INFINITY, f64::min)
            } else {
                ends.fold(f64::NEG_INFINITY, f64::max)
            }
        };
        let (mut low, mut high) = (reach(-1.0), reach(1.0));
        for _ in 0..80 {
            let middle = 0.5 * (low + high);
            if below(middle) < level {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }
}

/// A law of a reduction: share of contacts kept away, negative where there are more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Law {
    /// Mean.
    pub mean: f64,
    /// 2.5 %, 50 % and 97.5 % quantile.
    pub quantiles: [f64; 3],
}

impl Law {
    /// Of weights on cells of the log rate ratio, the first of which is `first`.
    fn of(weights: &[f64], first: usize) -> Self {
        let total: f64 = weights.iter().sum();
        let parts = weights.iter().enumerate();
        let mean = parts
            .map(|(cell, w)| w * -libm::expm1(ratio_at(first + cell)))
            .sum::<f64>()
            / total;
        let quantile = |level: f64| {
            let mut below = 0.0;
            for (cell, weight) in weights.iter().enumerate() {
                let share = weight / total;
                if below + share >= level && share > 0.0 {
                    // A cell's weight lies evenly over the cell.
                    return ratio_at(first + cell) + STEP * ((level - below) / share - 0.5);
                }
                below += share;
            }
            ratio_at(first + weights.len().saturating_sub(1))
        };
        // The lower the ratio, the higher the reduction.
        Self {
            mean,
            quantiles: [0.975, 0.5, 0.025].map(|level| -libm::expm1(quantile(level))),
        }
    }
}

fn log_sum(logs: &[f64]) -> f64 {
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().map(|l| libm::exp(l - top)).sum();
    top + libm::log(sum)
}
