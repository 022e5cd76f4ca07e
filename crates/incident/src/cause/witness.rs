//! What speaks of a node beside its latency and its failures: processor, memory, and the calls that touch it.

use forecall_stats::{location_scale, median};

use super::CauseTunables;
use super::excess::Z_MAX;
use super::record::{Known, Measure, Rows, Statistic, values};

/// How far the upper quartile of the rows since the alarm lies above normal, in robust standard deviations: a fault that
/// works in bursts shows in some rows, a wild value in one. `None` where one of both is missing.
pub(super) fn rise(rows: &Rows, tunables: &CauseTunables) -> Option<f64> {
    let mut reference = values(&rows.normal);
    reference.extend(values(&rows.before));
    let usual = location_scale(&mut reference)?;
    let mut since = values(&rows.since);
    since.sort_by(f64::total_cmp);
    let now = *since.get((since.len() * 3).div_ceil(4).checked_sub(1)?)?;
    let floor = usual.location.abs() * tunables.scale_floor_share;
    let z = (now - usual.location) / usual.scale.max(floor).max(f64::MIN_POSITIVE);
    Some(z.clamp(-Z_MAX, Z_MAX))
}

/// The resource of a node that rose most.
pub(super) fn resource(known: &Known, node: usize, tunables: &CauseTunables) -> Option<(Measure, f64)> {
    [Measure::Cpu, Measure::Memory]
        .into_iter()
        .filter_map(|measure| Some((measure, rise(known.track(node, measure)?, tunables)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
}

/// By node: how much more the calls that touch it have slowed down than those that don't, as their callers see them.
/// `None` where no call of it is measured.
pub(super) fn contrasts(known: &Known, tunables: &CauseTunables) -> Vec<Option<f64>> {
    let calls: Vec<((usize, usize), f64)> = known
        .calls
        .iter()
        .filter_map(|(ends, tracks)| {
            use Statistic::{Mean, P50, P90, P95, P99};
            let rows = [P50, Mean, P90, P95, P99]
                .into_iter()
                .find_map(|statistic| tracks.get(&Measure::Latency(statistic)))?;
            Some((*ends, rise(rows, tunables)?))
        })
        .collect();
    let middle = |node: usize, touching: bool| {
        let mut all: Vec<f64> = calls
            .iter()
            .filter(|((caller, callee), _)| (*caller == node || *callee == node) == touching)
            .map(|(_, z)| *z)
            .collect();
        median(&mut all)
    };
    (0..known.names.len())
        .map(|node| Some(middle(node, true)? - middle(node, false).unwrap_or(0.0)))
        .collect()
}
