//! Calls an incident adds, learned while it runs, with and without the notices.
//!
//! surge(t) = Σ n(s) · p · [(1 − c) K(t − s) + c (e^θ K(t − s) + b Kₙ(t − told))] + ρ · surge(t − Δ), while it lasts:
//! n newly affected customers, p their propensity to call, K a lognormal delay, c the share told by then, e^θ what the notice
//! leaves of the calls of those told, b the contacts the notice itself brings, ρ repeat calls. p is learned by Bayes on a
//! grid, for each median of a grid of delays; the delays are weighted by tempered evidence, because the delay is the part of
//! the model that is known least. Both scenarios come from the same cells, so that their difference has quantiles of its own.
//!
//! θ and b begin as *priors*: a modest reduction on average, an increase not ruled out. What hold-outs of the domain measured takes the
//! place of θ's ([`NoticeHistory`]); b stays the prior, for a hold-out sees both together.

use std::time::Duration;

use forecall_types::EventTime;
use serde::{Deserialize, Serialize};

use super::atoms::{Atom, Atoms, grouped};

mod history;
mod notice;
mod total;

use notice::{EFFECTS, caused_mean};
pub use notice::{NoticeEffect, NoticeHistory};

pub use history::{Lasting, SurgeHistory, SurgePriors};
pub use total::SurgeTotal;

/// Calls are counted in bins of five minutes: an incident is learned from the first five minutes on.
pub const BIN: Duration = Duration::from_secs(300);
const BIN_SECONDS: f64 = 300.0;
/// Medians of the delay: the grid of the notes' best model.
const MEDIANS: usize = 17;
/// Shortest and longest median in seconds.
const MEDIAN_RANGE: (f64, f64) = (240.0, 4200.0);
/// Spread of the delay: lognormal σ.
const DELAY_SIGMA: f64 = 1.0;
/// The notice's own contacts come sooner: median 10 minutes, σ 0.8.
const CAUSED_DELAY: (f64, f64) = (600.0, 0.8);
/// Nodes of propensity for each median, 7 % apart.
const NODES: usize = 64;
/// Nodes reach from the prior mean times this to times that.
const NODE_RANGE: (f64, f64) = (1.0 / 12.0, 8.0);
/// Power at which the evidence weighs the delays.
const TEMPER: f64 = 0.35;
/// Calls of a surge vary more than Poisson: variance ÷ mean.
pub(super) const SURGE_DISPERSION: f64 = 1.3;
/// A call is repeated after half an hour on average, often sooner and at times much later (an exponential law, in four parts; that of the
/// second repeat in two): bins later, which repeat it is, and its share. Three rounds leave less than 1 % at a share of 0.15.
const REPEATS: [(u32, usize, f64); 8] = [
    (0, 0, 1.0),
    (1, 1, 0.25),
    (3, 1, 0.25),
    (6, 1, 0.25),
    (12, 1, 0.25),
    (6, 2, 0.5),
    (16, 2, 0.5),
    (18, 3, 1.0),
];
/// Cells of (delay, propensity) are brought together to this many before the effect is laid over them.
const CELLS_KEPT: usize = 9;
/// A promise of an end is overrun by half an hour on average.
const OVERRUN_SECONDS: f64 = 1800.0;

/// Customers and when they were hit, or told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cohort {
    /// When.
    pub at: EventTime,
    /// How many.
    pub customers: f64,
}

/// What drives the calls of one incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drive {
    /// Newly affected customers, in order of time.
    pub affected: Vec<Cohort>,
    /// Newly told customers, in order of time.
    pub told: Vec<Cohort>,
    /// When it was over.
    pub ended: Option<EventTime>,
    /// When it is promised to be over.
    pub eta: Option<EventTime>,
    /// Chance that it is real.
    pub probability: f64,
}

/// How incidents behave in general.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SurgeModel {
    /// Repeat calls per call while the trouble lasts.
    pub repeats: f64,
    /// Mean time an incident goes on from now while no end is promised, in seconds.
    pub remaining_seconds: f64,
    /// What is known of how long incidents last; it goes before that mean.
    pub lasting: Option<Lasting>,
    /// What a notice does to the calls of those told.
    pub notice: NoticeEffect,
}

/// Contacts per unit of propensity in some span of time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Unit {
    untold: f64,
    told: f64,
    caused: f64,
}

/// What an incident adds to an interval: with and without the notices, and what the notices avoid.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SurgeForecast {
    pub(super) without: Atoms,
    pub(super) with: Atoms,
    pub(super) avoided: Atoms,
}

impl Drive {
    /// Part of the time of a bin in which the trouble still is there, seen from `now`.
    fn lasting(&self, from: EventTime, now: EventTime, model: SurgeModel) -> f64 {
        if let Some(ended) = self.ended {
            return (ended.seconds_from(from) / BIN_SECONDS).clamp(0.0, 1.0);
        }
        let middle = from.plus(BIN / 2);
        match self.eta {
            Some(eta) => libm::exp(-middle.seconds_from(eta.max(now)).max(0.0) / OVERRUN_SECONDS),
            None => match (model.lasting, self.affected.first()) {
                (Some(lasting), Some(first)) => {
                    lasting.still(now.seconds_from(first.at).max(0.0), middle.seconds_from(first.at))
                }
                _ => libm::exp(-middle.seconds_from(now).max(0.0) / model.remaining_seconds),
            },
        }
    }

    /// Share of the affected who had been told when the bin began.
    fn told_share(&self, from: EventTime) -> f64 {
        let sum = |cohorts: &[Cohort]| -> f64 {
            cohorts.iter().filter(|c| c.at <= from).map(|c| c.customers).sum()
        };
        let affected = sum(&self.affected).max(self.affected.first().map_or(0.0, |c| c.customers));
        if affected > 0.0 {
            (sum(&self.told) / affected).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// Contacts per unit of propensity in one bin, for one median, seen from `now`.
    fn bin(&self, median: f64, from: EventTime, now: EventTime, model: SurgeModel) -> Unit {
        let mut unit = Unit::default();
        let lasting = self.lasting(from, now, model);
        let often = [
            1.0,
            model.repeats,
            model.repeats * model.repeats,
            model.repeats * model.repeats * model.repeats,
        ];
        for (later, time, part) in REPEATS {
            let share = part * often.get(time).copied().unwrap_or(0.0);
            let origin = from.minus(BIN * later);
            let fresh = arriving(&self.affected, origin, median, DELAY_SIGMA) * share * lasting;
            let caused = arriving(&self.told, origin, CAUSED_DELAY.0, CAUSED_DELAY.1) * share;
            let told = self.told_share(origin);
            unit.untold += fresh * (1.0 - told);
            unit.told += fresh * told;
            unit.caused += caused;
        }
        unit
    }
}

/// Customers of these cohorts whose delay ends in the bin.
fn arriving(cohorts: &[Cohort], from: EventTime, median: f64, sigma: f64) -> f64 {
    let by = |seconds: f64| {
        if seconds <= 0.0 {
            0.0
        } else {
            0.5 * libm::erfc(-libm::log(seconds / median) / (sigma * std::f64::consts::SQRT_2))
        }
    };
    cohorts
        .iter()
        .map(|c| {
            let x = from.seconds_from(c.at);
            c.customers * (by(x + BIN_SECONDS) - by(x)).max(0.0)
        })
        .sum()
}

fn medians() -> impl Iterator<Item = f64> {
    steps(MEDIAN_RANGE, MEDIANS)
}

fn steps(range: (f64, f64), count: usize) -> impl Iterator<Item = f64> {
    #[allow(clippy::cast_precision_loss, reason = "tens of nodes")]
    let ratio = libm::log(range.1 / range.0) / (count - 1) as f64;
    #[allow(clippy::cast_precision_loss, reason = "tens of nodes")]
    (0..count).map(move |i| range.0 * libm::exp(ratio * i as f64))
}

/// One cell of the posterior.
#[derive(Debug, Clone, Copy)]
struct Cell {
    median: usize,
    propensity: f64,
    weight: f64,
}

/// What one queue has learned of one incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Learning {
    /// Prior mean of the propensity to call *this* queue.
    prior: f64,
    /// What earlier incidents say of this one.
    priors: SurgePriors,
    /// Log-likelihood by median, then by propensity.
    likelihood: Vec<f64>,
    /// Bins before this are taken in.
    pub(super) learned_to: EventTime,
    /// Edition of the drive it was learned under.
    pub(super) edition: u32,
}

impl Learning {
    /// Nothing learned; the first bin to learn from begins at or after `from`.
    pub fn new(prior: f64, priors: SurgePriors, from: EventTime, edition: u32) -> Self {
        Self {
            prior: (prior * priors.scale).clamp(1e-6, 1.0),
            priors,
            likelihood: vec![0.0; MEDIANS * NODES],
            learned_to: from,
            edition,
        }
    }

    /// Takes in a bin: `count` calls where `base` were to be expected without this incident, whose variance is `ratio`
    /// times its mean.
    pub fn learn(&mut self, drive: &Drive, model: SurgeModel, from: EventTime, seen: Seen) {
        let (base, count) = (seen.base.max(0.01), seen.count);
        if !count.is_finite() || !base.is_finite() {
            return;
        }
        let surge = self.expected_bin(drive, model, from);
        // Quasi-likelihood: counts that vary more than Poisson say less.
        let ratio = if seen.ratio.is_nan() {
            1.0
        } else {
            seen.ratio.clamp(1.0, 20.0)
        };
        let dispersion = (base * ratio + surge * SURGE_DISPERSION) / (base + surge);
        let effect = model.notice.left();
        for (median, row) in medians().zip(self.likelihood.chunks_mut(NODES)) {
            let unit = drive.bin(median, from, from.plus(BIN), model);
            let per = unit.untold + unit.told * effect + unit.caused * caused_mean();
            for (cell, node) in row.iter_mut().zip(steps(NODE_RANGE, NODES)) {
                let mean = base + self.prior * node * per;
                *cell += (count * libm::log(mean) - mean) / dispersion;
            }
        }
    }

    /// Calls expected in a bin up to now, notices as they were.
    pub(super) fn expected_bin(&self, drive: &Drive, model: SurgeModel, from: EventTime) -> f64 {
        let cells = self.posterior();
        let effect = model.notice.left();
        let per: Vec<f64> = medians()
            .map(|median| {
                let unit = drive.bin(median, from, from.plus(BIN), model);
                unit.untold + unit.told * effect + unit.caused * caused_mean()
            })
            .collect();
        let mean: f64 = cells
            .iter()
            .map(|c| c.weight * c.propensity * per.get(c.median).copied().unwrap_or(0.0))
            .sum();
        mean * drive.probability
    }

    /// Cells with their weights, which sum to 1; those that weigh nothing are left out.
    fn posterior(&self) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(MEDIANS * NODES);
        let mut evidence = [f64::NEG_INFINITY; MEDIANS];
        for (j, ((row, median), evidence)) in self
            .likelihood
            .chunks(NODES)
            .zip(medians())
            .zip(&mut evidence)
            .enumerate()
        {
            let logs: Vec<f64> = row
                .iter()
                .zip(steps(NODE_RANGE, NODES))
                .map(|(l, node)| l + self.priors.of_propensity(node))
                .collect();
            let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logs.iter().map(|l| libm::exp(l - top)).sum();
            let off = libm::log(median / self.priors.median_seconds) / self.priors.median_spread;
            *evidence = TEMPER * (top + libm::log(sum)) - 0.5 * off * off;
            for (l, node) in logs.iter().zip(steps(NODE_RANGE, NODES)) {
                let weight = libm::exp(l - top) / sum;
                if weight > 1e-6 {
                    cells.push(Cell {
                        median: j,
                        propensity: self.prior * node,
                        weight,
                    });
                }
            }
        }
        let top = evidence.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = evidence.iter().map(|e| libm::exp(e - top)).sum();
        for cell in &mut cells {
            let e = evidence.get(cell.median).copied().unwrap_or(f64::NEG_INFINITY);
            cell.weight *= libm::exp(e - top) / sum;
        }
        cells.retain(|c| c.weight > 1e-7);
        cells
    }

    /// What the incident adds to each of `count` intervals of `bins` bins from `from` on, seen from `now`.
    pub(super) fn forecast(
        &self,
        drive: &Drive,
        model: SurgeModel,
        now: EventTime,
        intervals: Intervals,
    ) -> Vec<SurgeForecast> {
        let cells = self.posterior();
        (0..intervals.count)
            .map(|i| {
                let from = intervals.from.plus(BIN * (intervals.bins * i));
                let units: Vec<Unit> = medians()
                    .map(|median| {
                        (0..intervals.bins).fold(Unit::default(), |sum, b| {
                            let unit = drive.bin(median, from.plus(BIN * b), now, model);
                            Unit {
                                untold: sum.untold + unit.untold,
                                told: sum.told + unit.told,
                                caused: sum.caused + unit.caused,
                            }
                        })
                    })
                    .collect();
                scenarios(&cells, &units, drive.probability, model.notice)
            })
            .collect()
    }
}

/// Intervals asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Intervals {
    /// Start of the first.
    pub(super) from: EventTime,
    /// How many.
    pub(super) count: u32,
    /// Bins in each.
    pub(super) bins: u32,
}

/// One bin as it was counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Calls expected without the incident.
    pub base: f64,
    /// Variance of those ÷ their mean.
    pub ratio: f64,
    /// Calls counted.
    pub count: f64,
}

/// Both scenarios from the same cells.
fn scenarios(cells: &[Cell], units: &[Unit], probability: f64, notice: NoticeEffect) -> SurgeForecast {
    let mut points: Vec<(f64, Unit)> = cells
        .iter()
        .filter_map(|c| {
            let u = units.get(c.median)?;
            Some((
                c.weight,
                Unit {
                    untold: u.untold * c.propensity,
                    told: u.told * c.propensity,
                    caused: u.caused * c.propensity,
                },
            ))
        })
        .collect();
    points.sort_by(|a, b| (a.1.untold + a.1.told).total_cmp(&(b.1.untold + b.1.told)));
    let kept: Vec<(f64, Unit, f64)> = grouped(&points, CELLS_KEPT, |p| p.0)
        .into_iter()
        .map(|group| {
            let weight: f64 = group.iter().map(|p| p.0).sum();
            let mean =
                |part: &dyn Fn(&Unit) -> f64| group.iter().map(|p| p.0 * part(&p.1)).sum::<f64>() / weight;
            let unit = Unit {
                untold: mean(&|u| u.untold),
                told: mean(&|u| u.told),
                caused: mean(&|u| u.caused),
            };
            let plain = unit.untold + unit.told;
            let variance = mean(&|u| (u.untold + u.told - plain) * (u.untold + u.told - plain));
            (weight, unit, variance)
        })
        .collect();
    let real = probability.clamp(0.0, 1.0);
    let (mut without, mut with, mut avoided) = (Vec::new(), Vec::new(), Vec::new());
    // A prediction that proves false adds no calls, but those told in vain still ask what it was about.
    for (chance, happens) in [(real, 1.0), (1.0 - real, 0.0)] {
        for (weight, unit, spread) in &kept {
            let plain = (unit.untold + unit.told) * happens;
            without.push(Atom {
                value: plain,
                variance: spread * happens,
                weight: weight * chance,
            });
            for (left, caused) in notice.nodes() {
                let weight = weight * chance / EFFECTS;
                let noticed = (unit.untold + unit.told * left) * happens + unit.caused * caused;
                // What is left of the surge is left of its spread.
                let part = if plain > 0.0 { noticed / plain } else { 0.0 };
                let variance = spread * part * part;
                with.push(Atom {
                    value: noticed,
                    variance,
                    weight,
                });
                let kept_away = spread * (1.0 - part) * (1.0 - part) * happens;
                avoided.push(Atom {
                    value: plain - noticed,
                    variance: kept_away,
                    weight,
                });
            }
        }
    }
    if kept.iter().all(|(_, unit, _)| unit.told + unit.caused <= 0.0) {
        // Nobody told: the scenarios are one, to the bit.
        with.clone_from(&without);
    }
    SurgeForecast {
        without: Atoms::new(without),
        with: Atoms::new(with),
        avoided: Atoms::new(avoided),
    }
}

#[cfg(test)]
mod tests;
