//! How far a node is beyond normal since the alarm: latency-seconds or failed requests, and how sure that is.

use std::collections::BTreeMap;

use forecall_stats::{location_scale, median};
use forecall_types::EventTime;

use super::CauseTunables;
use super::record::{Known, Measure, Point, Rows, Statistic, Tracks, Trouble, value_at, values};

/// Deviations beyond this are told as this: where nothing ever varied, any is without end.
pub(super) const Z_MAX: f64 = 1e6;

/// What can be said of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing was measured since the alarm: it may pass on what it is called for.
    Unmeasured,
    /// Measured now and never before: whoever began to call it is what changed.
    New,
    /// Measured now and before.
    Judged,
}

/// A node's excess.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Excess {
    pub(super) standing: Standing,
    /// Latency-seconds or failed requests beyond the reference, since the alarm.
    pub(super) amount: f64,
    /// In standard deviations.
    pub(super) z: f64,
    /// What was looked at.
    pub(super) measure: Measure,
}

impl Excess {
    const fn of(standing: Standing, measure: Measure) -> Self {
        Self {
            standing,
            amount: 0.0,
            z: 0.0,
            measure,
        }
    }

    /// The amount as it would be had no row been missing: amounts are compared along calls, and one that lacks a row isn't
    /// less in trouble.
    fn of_all_rows(self, known: &Known, rows: &Rows, load: &Rows, tunables: &CauseTunables) -> Self {
        let seen: f64 = rows
            .since
            .iter()
            .map(|row| requests_at(&load.since, row.at, tunables))
            .sum();
        let counted: f64 = load.since.iter().map(|row| row.value.max(0.0)).sum();
        let usual = match load.since.len() {
            0 => tunables.requests_supposed,
            counted_rows => counted / count(counted_rows),
        };
        let all = usual * count(known.rows_since);
        if seen <= 0.0 || all <= 0.0 {
            return self;
        }
        Self {
            amount: self.amount * all / seen,
            ..self
        }
    }

    pub(super) fn is_significant(&self, bar: f64) -> bool {
        self.standing == Standing::Judged && self.amount > 0.0 && self.z > bar
    }
}

/// The excess of one node.
pub(super) fn excess(known: &Known, node: usize, trouble: Trouble, tunables: &CauseTunables) -> Excess {
    match trouble {
        Trouble::Latency(statistic) => match latency_rows(known, node, statistic) {
            Some((measure, rows)) => {
                let load = known.load(node);
                latency(measure, &rows, load, tunables).of_all_rows(known, &rows, load, tunables)
            }
            None => Excess::of(Standing::Unmeasured, Measure::Latency(statistic)),
        },
        Trouble::Failures => match known.track(node, Measure::FailedShare) {
            Some(rows) => {
                let load = known.load(node);
                failures(rows, load, tunables).of_all_rows(known, rows, load, tunables)
            }
            None => Excess::of(Standing::Unmeasured, Measure::FailedShare),
        },
    }
}

/// The alarmed statistic of a node where it has it, else the nearest to it; where the node tells none itself, what its
/// callers see.
fn latency_rows(known: &Known, node: usize, statistic: Statistic) -> Option<(Measure, Rows)> {
    let has_since = |rows: &&Rows| !rows.since.is_empty();
    for statistic in preferred(statistic) {
        let measure = Measure::Latency(statistic);
        if let Some(rows) = known.track(node, measure).filter(has_since) {
            return Some((measure, rows.clone()));
        }
    }
    for statistic in preferred(statistic) {
        let measure = Measure::Latency(statistic);
        let seen: Vec<&Tracks> = known
            .callers(node)
            .filter_map(|caller| known.calls.get(&(caller, node)))
            .filter(|tracks| tracks.get(&measure).is_some_and(|rows| has_since(&rows)))
            .collect();
        if !seen.is_empty() {
            return Some((measure, seen_by_callers(&seen, measure)));
        }
    }
    None
}

/// The statistic asked for, then the mean, then the others.
fn preferred(statistic: Statistic) -> impl Iterator<Item = Statistic> {
    use Statistic::{Mean, P50, P90, P95, P99};
    [statistic, Mean, P50, P90, P95, P99].into_iter()
}

/// One series of several callers' views: the mean by their counts, where they count.
fn seen_by_callers(seen: &[&Tracks], measure: Measure) -> Rows {
    let mix = |part: fn(&Rows) -> &Vec<Point>| -> Vec<Point> {
        let mut sums: BTreeMap<EventTime, (f64, f64)> = BTreeMap::new();
        for tracks in seen {
            let Some(rows) = tracks.get(&measure) else {
                continue;
            };
            let counts = tracks.get(&Measure::Requests).map(part);
            for point in part(rows) {
                let weight = counts
                    .and_then(|counts| value_at(counts, point.at))
                    .unwrap_or(1.0);
                let sum = sums.entry(point.at).or_default();
                sum.0 += weight * point.value;
                sum.1 += weight;
            }
        }
        let mean = |(at, (sum, weight)): (EventTime, (f64, f64))| Point {
            at,
            value: sum / weight,
        };
        sums.into_iter()
            .filter(|(_, (_, weight))| *weight > 0.0)
            .map(mean)
            .collect()
    };
    Rows {
        normal: mix(|rows| &rows.normal),
        before: mix(|rows| &rows.before),
        since: mix(|rows| &rows.since),
    }
}

pub(super) fn count(rows: usize) -> f64 {
    u32::try_from(rows).map_or(f64::from(u32::MAX), f64::from)
}

/// Requests of one row: as counted then, else as is usual in these rows, else as supposed.
fn requests_at(load: &[Point], at: EventTime, tunables: &CauseTunables) -> f64 {
    value_at(load, at)
        .or_else(|| median(&mut values(load)))
        .map_or(tunables.requests_supposed, |count| count.max(0.0))
}

/// What is taken for normal right before the alarm: the lower quartile, since of the rows before it some may belong to the
/// trouble already.
fn low(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 4).copied()
}

fn latency(measure: Measure, rows: &Rows, load: &Rows, tunables: &CauseTunables) -> Excess {
    if rows.since.is_empty() {
        return Excess::of(Standing::Unmeasured, measure);
    }
    // Where there is no other reference period, a long past before the alarm is one.
    let is_past_enough = rows.normal.is_empty() && rows.before.len() >= tunables.history_min;
    let normal = if is_past_enough {
        &rows.before
    } else {
        &rows.normal
    };
    let usual = location_scale(&mut values(normal));
    let before = low(values(&rows.before));
    // A reference period of another week may be better than now ever is: the worse of both is what was to be expected.
    let reference = match (usual, before) {
        (Some(usual), Some(before)) => usual.location.max(before),
        (Some(usual), None) => usual.location,
        (None, Some(before)) => before,
        (None, None) => return Excess::of(Standing::New, measure),
    };
    let (mut amount, mut requests) = (0.0, 0.0);
    for point in &rows.since {
        let count = requests_at(&load.since, point.at, tunables);
        amount += (point.value - reference) * count;
        requests += count;
    }
    if requests <= 0.0 {
        return Excess::of(Standing::Unmeasured, measure);
    }
    let counts = if load.since.is_empty() {
        None
    } else {
        median(&mut values(&load.since))
    };
    let young = {
        let count = counts.unwrap_or(tunables.requests_supposed).max(1.0);
        let sampling = tunables.request_spread_share / count.sqrt();
        reference.abs() * sampling.max(tunables.young_scale_floor_share)
    };
    let floor = reference.abs() * tunables.scale_floor_share;
    let scale = match usual.filter(|_| normal.len() >= tunables.history_min) {
        // A reference period that the rows before the alarm have left says little of how far they spread.
        Some(usual) if reference > usual.location + tunables.significance_min * usual.scale.max(floor) => {
            usual.scale.max(young)
        }
        Some(usual) => usual.scale.max(floor),
        None => young,
    };
    let scale = scale.max(f64::MIN_POSITIVE);
    Excess {
        amount,
        z: (amount / requests / scale).clamp(-Z_MAX, Z_MAX),
        ..Excess::of(Standing::Judged, measure)
    }
}

/// Failed requests and all, of rows.
fn failed(rows: &[Point], load: &[Point], tunables: &CauseTunables) -> (f64, f64) {
    rows.iter().fold((0.0, 0.0), |(failed, all), point| {
        let count = requests_at(load, point.at, tunables);
        (failed + point.value.clamp(0.0, 1.0) * count, all + count)
    })
}

fn failures(rows: &Rows, load: &Rows, tunables: &CauseTunables) -> Excess {
    let measure = Measure::FailedShare;
    let (now, requests) = failed(&rows.since, &load.since, tunables);
    if requests <= 0.0 {
        return Excess::of(Standing::Unmeasured, measure);
    }
    let share = |(failed, all): (f64, f64)| (all > 0.0).then(|| (failed / all, all));
    let normal = share(failed(&rows.normal, &load.normal, tunables));
    let mut before: Vec<(f64, f64)> = rows
        .before
        .iter()
        .filter_map(|row| share(failed(std::slice::from_ref(row), &load.before, tunables)))
        .collect();
    before.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let before = before.get(before.len() / 4).copied();
    let (reference, known) = match (normal, before) {
        (Some(normal), Some(before)) => {
            if before.0 > normal.0 {
                before
            } else {
                normal
            }
        }
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return Excess::of(Standing::New, measure),
    };
    // Of a difference of two shares: what is compared with is a sample too, unless the floor stands in for it.
    let (reference, sampled) = if reference > tunables.failed_share_floor {
        (reference, 1.0 + requests / known)
    } else {
        (tunables.failed_share_floor, 1.0)
    };
    let amount = now - requests * reference;
    let variance = requests * reference * (1.0 - reference) * sampled;
    Excess {
        amount,
        z: if variance > 0.0 {
            amount / variance.sqrt()
        } else {
            0.0
        },
        ..Excess::of(Standing::Judged, measure)
    }
}
