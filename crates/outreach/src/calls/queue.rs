//! One queue: its counts, its ordinary calls, and what it has learned of the incidents that touch it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_stats::poisson::{NegativeBinomial, quantile_of};
use forecall_types::{
    CallForecast, CallScenario, DomainName, EventTime, FORECAST_LEVELS, IncidentId, Quantiles, QueueName,
    check_invariant, invariant::InvariantId,
};
use serde::{Deserialize, Serialize};

use super::atoms::Atoms;
use super::baseline::{Baseline, Moments};
use super::calendar::Calendar;
use super::model::model_name;
use super::settings::CallSettings;
use super::staffing::{AtWork, HandleTime, Patience, Work, staff};
use super::surge::{
    BIN, Intervals, Learning, SURGE_DISPERSION, Seen, SurgeForecast, SurgeModel, SurgePriors,
};
use super::trouble::Trouble;
use super::tuner::Tuner;

/// Counts are kept this long: an incident whose onset proves earlier is learned anew from them.
pub(super) const MEMORY: Duration = Duration::from_secs(12 * 3600);
/// More intervals than this between two ticks (six weeks of half hours) are skipped, not stepped through.
const CATCH_UP_MAX: i64 = 2016;
/// Intervals of a surge above this share of the ordinary calls teach the baseline nothing.
const MASK_SHARE: f64 = 0.05;
/// Not one call where this many are expected (chance e⁻¹²) is a feed that is down or a door that is shut: missing.
const SILENT_FROM: f64 = 12.0;
/// Points a surge keeps in the predictive law, and in what is avoided.
const SURGE_ATOMS: usize = 9;
const AVOIDED_ATOMS: usize = 41;
/// An incident is named with an interval from this many calls on.
const NAMED_FROM: f64 = 0.01;
/// Forecasts between two closed intervals come at most this often.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The incidents that touch a queue, with the propensity to call it.
pub(super) type Touching<'a> = Vec<(&'a IncidentId, &'a Trouble, f64)>;

/// What all queues share during a tick.
pub(super) struct Now<'a> {
    pub(super) at: EventTime,
    pub(super) settings: &'a CallSettings,
    pub(super) calendar: &'a Calendar,
    pub(super) surge: SurgeModel,
    /// What earlier incidents say of a new one.
    pub(super) priors: SurgePriors,
}

/// One queue's memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Queue {
    pub(super) baseline: Baseline,
    pub(super) handle: HandleTime,
    pub(super) patience: Patience,
    pub(super) tuner: Tuner,
    /// Calls by bin.
    pub(super) bins: BTreeMap<EventTime, u32>,
    /// Start of the first interval not closed yet.
    pub(super) open_from: EventTime,
    pub(super) learning: BTreeMap<IncidentId, Learning>,
    revisions: BTreeMap<EventTime, u32>,
    /// Something has changed since the last forecast.
    pub(super) changed: bool,
    emitted_at: Option<EventTime>,
}

impl Queue {
    pub(super) fn new(calendar: &Calendar, first: EventTime) -> Self {
        Self {
            baseline: Baseline::new(calendar),
            handle: HandleTime::default(),
            patience: Patience::default(),
            tuner: Tuner::default(),
            bins: BTreeMap::new(),
            open_from: first.floor(calendar.step()),
            learning: BTreeMap::new(),
            revisions: BTreeMap::new(),
            changed: false,
            emitted_at: None,
        }
    }

    pub(super) fn add(&mut self, arrived: EventTime) {
        let bin = self.bins.entry(arrived.floor(BIN)).or_default();
        *bin = bin.saturating_add(1);
    }

    pub(super) fn remove(&mut self, arrived: EventTime) {
        if let Some(bin) = self.bins.get_mut(&arrived.floor(BIN)) {
            *bin = bin.saturating_sub(1);
        }
    }

    /// Searches on for its own parameters, for so many evaluations.
    pub(super) fn tune(&mut self, calendar: &Calendar, evaluations: usize) {
        let present = self.baseline.tuned();
        if let Some(parameters) = self.tuner.work(calendar, present, evaluations) {
            self.baseline.retune(calendar, parameters);
        }
    }

    /// Learns, closes what has ended, and says whether a forecast is due.
    pub(super) fn step(&mut self, now: &Now<'_>, touching: &Touching<'_>) -> bool {
        let settled = now
            .at
            .minus(Duration::from_secs(u64::from(now.settings.settle_seconds)));
        self.learn(now, touching, settled);
        let step = now.calendar.step();
        let behind = settled.since(self.open_from).as_secs() / step.as_secs().max(1);
        if i64::try_from(behind).unwrap_or(i64::MAX) > CATCH_UP_MAX {
            self.open_from = settled.minus(step * 2).floor(step);
        }
        let mut closed = false;
        while self.open_from.plus(step) <= settled {
            self.close(now, touching);
            closed = true;
        }
        let keep_from = now.at.minus(MEMORY).min(self.open_from);
        self.bins = self.bins.split_off(&keep_from);
        let again = self
            .emitted_at
            .is_none_or(|last| now.at.since(last) >= AGAIN_AFTER);
        closed || (self.changed && again && self.baseline.seen())
    }

    fn learn(&mut self, now: &Now<'_>, touching: &Touching<'_>, settled: EventTime) {
        for (id, trouble, propensity) in touching {
            let Some(first) = trouble.first_bin() else {
                continue;
            };
            let fresh = || {
                Learning::new(
                    *propensity,
                    now.priors,
                    first.max(now.at.minus(MEMORY).floor(BIN)),
                    trouble.edition,
                )
            };
            let mut own = self.learning.remove(*id).unwrap_or_else(fresh);
            if own.edition != trouble.edition {
                own = fresh();
            }
            while own.learned_to.plus(BIN) <= settled {
                let from = own.learned_to;
                own.learned_to = from.plus(BIN);
                if !trouble.covers(from, from.plus(BIN)) {
                    continue;
                }
                let base = self.base_of_bin(now, from);
                let others: f64 = touching
                    .iter()
                    .filter_map(|(other, t, _)| Some((self.learning.get(*other)?, t)))
                    .map(|(l, t)| l.expected_bin(&t.drive, now.surge, from))
                    .sum();
                let count = self.bins.get(&from).copied().unwrap_or(0);
                let seen = Seen {
                    base: base.mean + others,
                    ratio: base.variance / base.mean,
                    count: f64::from(count),
                };
                own.learn(&trouble.drive, now.surge, from, seen);
                self.changed = true;
            }
            self.learning.insert((*id).clone(), own);
        }
    }

    /// Ordinary calls of the bin that starts at `from`; the variance keeps the ratio of the interval's.
    fn base_of_bin(&self, now: &Now<'_>, from: EventTime) -> Moments {
        let step = now.calendar.step();
        let whole = self.baseline.forecast(now.calendar, from.floor(step));
        let part = BIN.as_secs_f64() / step.as_secs_f64();
        Moments {
            mean: whole.mean * part,
            variance: whole.variance * part,
        }
    }

    /// Ordinary calls of the coming intervals.
    fn bases(&self, now: &Now<'_>, count: u32) -> Vec<Moments> {
        let look = self.baseline.look(now.calendar);
        let mut day = None;
        (0..count)
            .map(|i| {
                let place = now.calendar.place(self.open_from.plus(now.calendar.step() * i));
                let of_day = match day {
                    Some((number, of_day)) if number == place.day => of_day,
                    _ => look.day(place.day),
                };
                day = Some((place.day, of_day));
                of_day.at(place.slot).moments()
            })
            .collect()
    }

    fn close(&mut self, now: &Now<'_>, touching: &Touching<'_>) {
        let (from, step) = (self.open_from, now.calendar.step());
        let to = from.plus(step);
        self.open_from = to;
        let count: f64 = self.bins.range(from..to).map(|(_, n)| f64::from(*n)).sum();
        let expected = self.baseline.forecast(now.calendar, from).mean;
        let mut surge = 0.0;
        let mut masked = self.baseline.seen() && count < 0.5 && expected >= SILENT_FROM;
        for (id, trouble, _) in touching.iter().filter(|(_, t, _)| t.covers(from, to)) {
            if trouble.drive.affected.is_empty() {
                // Nobody knows how many it hits: what it adds can't be told from the ordinary calls.
                masked |= trouble.confirmed;
            }
            if let Some(learning) = self.learning.get(*id) {
                let mut bin = from;
                while bin < to {
                    surge += learning.expected_bin(&trouble.drive, now.surge, bin);
                    bin = bin.plus(BIN);
                }
            }
        }
        masked |= surge > MASK_SHARE * expected.max(1.0);
        let ordinary = (!masked).then(|| (count - surge).max(0.0));
        self.baseline.update(now.calendar, from, ordinary);
        self.tuner.learn(now.calendar, now.calendar.place(from), ordinary);
    }

    /// Forecasts of the coming intervals.
    pub(super) fn forecast(
        &mut self,
        now: &Now<'_>,
        touching: &Touching<'_>,
        name: (&DomainName, &QueueName),
        out: &mut Vec<CallForecast>,
    ) {
        let step = now.calendar.step();
        let intervals = Intervals {
            from: self.open_from,
            count: now.settings.horizon(),
            bins: u32::try_from(step.as_secs() / BIN.as_secs()).unwrap_or(6),
        };
        let surges: Vec<(&IncidentId, Vec<SurgeForecast>)> = touching
            .iter()
            .filter_map(|(id, t, _)| {
                let learned = self.learning.get(*id)?;
                Some((*id, learned.forecast(&t.drive, now.surge, now.at, intervals)))
            })
            .collect();
        let handle = self.handle.seconds(now.settings);
        let patience = self.patience.seconds(now.settings);
        let model = model_name(self.tuner.fits());
        self.baseline
            .end_days_before(now.calendar, now.calendar.place(self.open_from).day);
        let base = self.bases(now, intervals.count);
        self.revisions = self.revisions.split_off(&self.open_from);
        let seconds = step.as_secs_f64();
        let last = self.bins.range(self.open_from.minus(step)..self.open_from);
        let last: f64 = last.map(|(_, calls)| f64::from(*calls)).sum();
        // A feed that stood still is no queue without work.
        let first = base.first().map_or(0.0, |base| base.mean);
        let steady = AtWork::steady(if last < 0.5 { first } else { last }, seconds, handle);
        // Without the notices, and with them.
        let mut at_work = (steady, steady);
        for (i, base) in (0..intervals.count).zip(base) {
            let from = intervals.from.plus(step * i);
            let before = at_work.0;
            let none = || Atoms::certain(0.0);
            let (mut without, mut with, mut avoided) = (none(), none(), none());
            let mut incidents = Vec::new();
            for (id, each) in &surges {
                let Some(surge) = usize::try_from(i).ok().and_then(|i| each.get(i)) else {
                    continue;
                };
                if surge.without.mean() >= NAMED_FROM || surge.with.mean() >= NAMED_FROM {
                    incidents.push((*id).clone());
                    without = without.plus(&surge.without, SURGE_ATOMS);
                    with = with.plus(&surge.with, SURGE_ATOMS);
                    avoided = avoided.plus(&surge.avoided, AVOIDED_ATOMS);
                }
            }
            let ordinary = predict(base, &none());
            let scenario = |surge: &Atoms, at_work: &mut AtWork| {
                let (arrivals, moments) = if incidents.is_empty() {
                    ordinary
                } else {
                    predict(base, surge)
                };
                let work = Work {
                    interval_seconds: seconds,
                    handle_seconds: handle,
                    patience_seconds: patience,
                    at_work: at_work.over(moments.mean, seconds, handle),
                };
                CallScenario {
                    arrivals,
                    staffing: staff(moments, work, now.settings),
                }
            };
            let without_notice = scenario(&without, &mut at_work.0);
            let with_notice = if with == without && at_work.1 == before {
                at_work.1 = at_work.0;
                without_notice
            } else {
                scenario(&with, &mut at_work.1)
            };
            let revision = self.revisions.entry(from).or_default();
            *revision = revision.saturating_add(1);
            out.push(CallForecast {
                domain: name.0.clone(),
                queue: name.1.clone(),
                made_at: now.at,
                revision: *revision,
                from,
                step,
                baseline: ordinary.0,
                without_notice,
                with_notice,
                avoided: [0.1, 0.5, 0.9].map(|level| avoided.quantile(level)),
                effect_measured: now.surge.notice.is_measured,
                incidents,
                model: Arc::clone(&model),
            });
        }
        self.changed = false;
        self.emitted_at = Some(now.at);
    }
}

/// The law of the calls: for each point of the surge a negative binomial around base and surge.
fn predict(base: Moments, surge: &Atoms) -> (Quantiles, Moments) {
    let laws: Vec<(f64, NegativeBinomial)> = surge
        .points()
        .iter()
        .map(|atom| {
            let added = atom.value.max(0.0);
            let law = NegativeBinomial::from_moments(
                base.mean + added,
                base.variance + SURGE_DISPERSION * added + atom.variance,
            );
            (atom.weight, law)
        })
        .collect();
    let mean = base.mean + surge.mean();
    let variance = base.variance + SURGE_DISPERSION * surge.mean() + surge.variance();
    let cdf = |k: u64| laws.iter().map(|(w, law)| w * law.cdf(k)).sum::<f64>();
    #[allow(clippy::cast_precision_loss, reason = "counts of calls")]
    let values = FORECAST_LEVELS.map(|level| quantile_of(level, mean, variance, cdf) as f64);
    check_invariant!(
        InvariantId::F1,
        values.is_sorted(),
        "quantiles {values:?} of mean {mean}"
    );
    (Quantiles { mean, values }, Moments { mean, variance })
}
