//! The arithmetic of the effect: likelihoods on a grid, a law of the effects of incidents over them, and what follows.

use super::Arms;
use super::law::{Interval, Law, Moments};

/// Distance between two cells of a log rate ratio: 1.25 %.
pub(super) const STEP: f64 = 0.0125;
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
const MEAN_PRIOR: f64 = 0.8;
/// Prior of the spread: half a normal law, times a line that is small at no spread at all. No two incidents are quite alike, and who
/// takes them to be has intervals that are too narrow (Chung et al. 2013).
const SPREAD_PRIOR: f64 = 0.3;
const NO_SPREAD: f64 = 0.03;
/// A normal law is cut here.
const REACH: f64 = 4.0;
/// Logarithm of the least likelihood told from none.
const FLOOR: f64 = -690.0;
/// Cells that weigh less are left out of what is summed over incidents.
const WEIGHT_MIN: f64 = 1e-7;

/// Log rate ratio at a cell.
#[allow(clippy::cast_precision_loss, reason = "hundreds of cells")]
pub(super) fn ratio_at(cell: usize) -> f64 {
    LOW + STEP * cell as f64
}

/// Likelihood of one unit's log rate ratio (the told over the held out), its highest point at 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    log: Vec<f64>,
}

impl Curve {
    /// Contacts of both arms are Poisson around λ n_H and λ e^θ n_T, and λ is Gamma by [`Rates`]: λ falls out in closed form. Where
    /// nothing is known of λ that is the conditional binomial: y_T of y_T + y_H at n_T e^θ : n_H. `dispersion` is the variance of the
    /// counts over that of independent people.
    #[allow(clippy::cast_precision_loss, reason = "numbers of people")]
    pub(super) fn of(arms: Arms, dispersion: f64, rates: Rates) -> Self {
        let (told, held) = (arms.told as f64, arms.held_out as f64);
        let (y_told, y_held) = (arms.told_contacts as f64, arms.held_out_contacts as f64);
        if told <= 0.0 || held <= 0.0 || y_told + y_held <= 0.0 {
            return Self {
                log: vec![0.0; CELLS],
            };
        }
        let all = y_told + y_held + rates.shape;
        let at = |theta: f64| {
            (y_told * theta - all * libm::log(rates.people + held + told * libm::exp(theta))) / dispersion
        };
        // Where it is highest, so that its cells don't underflow; no contact at an arm has it at the edge.
        let (least, most) = (LOW, ratio_at(CELLS - 1));
        let best = if y_told <= 0.0 {
            least
        } else if y_held + rates.shape <= 0.0 {
            most
        } else {
            let ratio = y_told * (held + rates.people) / ((y_held + rates.shape) * told);
            libm::log(ratio).clamp(least, most)
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

/// What is known of how many of an incident's people call: a Gamma law. Without it, an incident in which many call would be taken
/// for one that says more, and those in which the notice kept few away are among these: incidents that differ would be biased.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Rates {
    /// Its shape; 0: nothing is known.
    shape: f64,
    /// Shape ÷ mean: as many people as it is worth.
    people: f64,
}

/// Shares of held-out people with a contact, incident by incident.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Shares {
    count: f64,
    sum: f64,
}

/// Fewer incidents than this don't say how many call on average.
const INCIDENTS_FROM: f64 = 2.0;
/// Shape of the law of shares: they differ by a factor of two. It is worth two contacts, so that a wrong mean does little.
const SHARE_SHAPE: f64 = 2.5;

impl Shares {
    #[allow(clippy::cast_precision_loss, reason = "numbers of people")]
    pub(super) fn add(&mut self, arms: Arms) {
        if arms.held_out > 0 && arms.told > 0 {
            self.count += 1.0;
            self.sum += arms.held_out_contacts as f64 / arms.held_out as f64;
        }
    }

    /// What is known of the next incident before it comes.
    pub(super) fn rates(&self) -> Rates {
        if self.count < INCIDENTS_FROM || self.sum <= 0.0 {
            return Rates::default();
        }
        Rates {
            shape: SHARE_SHAPE,
            // One over a mean of few is too large on average, by its variance.
            people: SHARE_SHAPE * self.count / self.sum / (1.0 + 1.0 / (SHARE_SHAPE * self.count)),
        }
    }
}

/// Weights of a normal law on cells beside a middle one.
#[derive(Debug, Clone, PartialEq)]
struct Kernel {
    from: isize,
    weights: Vec<f64>,
}

impl Kernel {
    /// θ of an incident around that of a typical one.
    #[allow(clippy::cast_possible_truncation, reason = "hundreds of cells")]
    #[allow(clippy::cast_precision_loss, reason = "hundreds of cells")]
    fn new(spread: f64) -> Self {
        if spread <= 0.0 {
            return Self {
                from: 0,
                weights: vec![1.0],
            };
        }
        let from = libm::floor(-REACH * spread / STEP) as isize;
        let to = libm::ceil(REACH * spread / STEP) as isize;
        let mut weights: Vec<f64> = (from..=to)
            .map(|cell| {
                let z = cell as f64 * STEP / spread;
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
                all.push(-0.5 * (s * s + m * m) + libm::log(width * (NO_SPREAD + spread)));
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

    /// Weights of a typical incident's log rate ratio.
    fn of_mean(&self) -> Vec<f64> {
        let mut weights = vec![0.0; MEANS];
        for place in self.posterior() {
            if let Some(weight) = weights.get_mut(place.mean) {
                *weight += place.weight;
            }
        }
        weights
    }

    /// The reduction in a typical incident (the median of incidents).
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

fn log_sum(logs: &[f64]) -> f64 {
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().map(|l| libm::exp(l - top)).sum();
    top + libm::log(sum)
}
