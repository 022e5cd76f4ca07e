//! How many requests each node has.

use std::sync::Arc;

use super::record::{Known, Measure, Point, Rows};

/// Requests of each node: as it counts them, else as its callers count their calls of it, else those of the nearest above
/// it that are counted, the most of several. Empty where nobody counts.
pub(super) fn loads(known: &Known) -> Vec<Arc<Rows>> {
    let nodes = known.names.len();
    let mut loads: Vec<Option<Arc<Rows>>> = (0..nodes)
        .map(|node| counted(known, node).map(Arc::new))
        .collect();
    let mut ring: Vec<usize> = (0..nodes)
        .filter(|node| loads.get(*node).is_some_and(Option::is_some))
        .collect();
    // A node that nobody counts has about as many requests as who calls it.
    while !ring.is_empty() {
        let mut below: Vec<usize> = ring.iter().flat_map(|node| known.callees(*node)).collect();
        below.retain(|node| loads.get(*node).is_some_and(Option::is_none));
        below.sort_unstable();
        below.dedup();
        let taken: Vec<Option<Arc<Rows>>> = below
            .iter()
            .map(|node| {
                let above = known
                    .callers(*node)
                    .filter_map(|caller| loads.get(caller)?.clone());
                above.max_by(|a, b| sum(a).total_cmp(&sum(b)))
            })
            .collect();
        for (node, rows) in below.iter().zip(taken) {
            if let Some(load) = loads.get_mut(*node) {
                *load = rows;
            }
        }
        ring = below;
    }
    loads.into_iter().map(Option::unwrap_or_default).collect()
}

fn sum(rows: &Rows) -> f64 {
    rows.since.iter().map(|point| point.value).sum()
}

fn counted(known: &Known, node: usize) -> Option<Rows> {
    let own = known.track(node, Measure::Requests);
    if let Some(rows) = own.filter(|rows| !rows.since.is_empty()) {
        return Some(rows.clone());
    }
    let mut sums = Rows::default();
    for caller in known.callers(node) {
        let calls = known.calls.get(&(caller, node));
        let Some(rows) = calls.and_then(|tracks| tracks.get(&Measure::Requests)) else {
            continue;
        };
        add(&mut sums.normal, &rows.normal);
        add(&mut sums.before, &rows.before);
        add(&mut sums.since, &rows.since);
    }
    (!sums.since.is_empty()).then_some(sums)
}

fn add(sums: &mut Vec<Point>, rows: &[Point]) {
    for point in rows {
        match sums.binary_search_by(|sum| sum.at.cmp(&point.at)) {
            Ok(i) => {
                if let Some(sum) = sums.get_mut(i) {
                    sum.value += point.value;
                }
            }
            Err(i) => sums.insert(i, *point),
        }
    }
}
