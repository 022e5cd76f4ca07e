//! How excess passes along calls: who is reached from the alarm, and what is left of each once its callees' is taken off.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use forecall_stats::median;

use super::CauseTunables;
use super::excess::{Excess, Standing, count};
use super::record::{Known, Measure, Rows, Statistic, Trouble, values};

/// How much longer than its caller a call that nearly every request makes must take to be none that is waited for. Far above
/// 1: traces are sampled, some requests make no call, and a recorded callee took twice its caller's mean.
const WAITED_FOR_MAX: f64 = 5.0;

/// A callee's part of up to so many times its caller's excess may still be in it: shares are estimates, and retries hide
/// failures.
const HELD_MAX: f64 = 1.5;
/// Share of the caller's excess that the others must account for before a callee is taken for none of it.
const ACCOUNTED_MIN: f64 = 0.5;

/// Excess laid over the call graph.
#[derive(Debug)]
pub(super) struct Flow {
    /// Standard deviations from which a node takes part.
    bar: f64,
    pub(super) excess: Vec<Excess>,
    /// Excess less what callees account for.
    pub(super) own: Vec<f64>,
    /// Steps from the alarmed node through nodes that show the trouble; `None`: not reached so.
    pub(super) depth: Vec<Option<usize>>,
    /// Who led there, one step nearer to the alarmed node.
    via: Vec<Option<usize>>,
}

/// Callees that show the trouble, with the share of their excess that this caller bears.
type Bearing = BTreeMap<usize, f64>;

impl Flow {
    /// With the bar for significance as high as the reached nodes allow it that are to explain the alarm: an alarm has a cause,
    /// and with few requests it may be no clearer than the lower bar.
    pub(super) fn over(known: &Known, trouble: Trouble, tunables: &CauseTunables) -> Self {
        if let Trouble::Latency(statistic) = trouble
            && statistic != Statistic::Mean
        {
            // Means add up along calls, quantiles don't: they speak only where means show nothing.
            let by_mean = Self::of(known, Trouble::Latency(Statistic::Mean), tunables);
            if by_mean.is_significant(known.alarmed) || by_mean.explains(known.alarmed, tunables) {
                return by_mean;
            }
        }
        Self::of(known, trouble, tunables)
    }

    fn of(known: &Known, trouble: Trouble, tunables: &CauseTunables) -> Self {
        let excess: Vec<Excess> = (0..known.names.len())
            .map(|node| super::excess::excess(known, node, trouble, tunables))
            .collect();
        let calls = Calls::of(known, trouble);
        let strict = Self::above(tunables.significance_min, known.alarmed, &calls, excess.clone());
        if strict.explains(known.alarmed, tunables) {
            return strict;
        }
        let lenient = Self::above(tunables.weak_significance_min, known.alarmed, &calls, excess);
        if lenient.explains(known.alarmed, tunables) {
            lenient
        } else {
            strict
        }
    }

    /// Whether what was reached leaves less of the alarmed node's excess than would make it a cause of its own.
    pub(super) fn explains(&self, alarmed: usize, tunables: &CauseTunables) -> bool {
        let reached = (0..self.own.len()).filter(|node| *node != alarmed && self.is_reached(*node));
        let own = |node: usize| self.own.get(node).map_or(0.0, |own| own.max(0.0));
        let explained: f64 = reached.map(own).sum();
        explained > 0.0 && explained >= (1.0 - tunables.alarmed_share_min) * self.amount(alarmed)
    }

    fn is_reached(&self, node: usize) -> bool {
        self.depth.get(node).copied().flatten().is_some()
    }

    fn above(bar: f64, alarmed: usize, calls: &Calls, excess: Vec<Excess>) -> Self {
        let mut flow = Self {
            bar,
            own: excess.iter().map(|one| one.amount).collect(),
            depth: vec![None; excess.len()],
            via: vec![None; excess.len()],
            excess,
        };
        let calls = &flow.carried(calls);
        for node in 0..flow.excess.len() {
            // What is borne by a node that isn't measured is borne by who calls it.
            if flow.is_blank(node) {
                continue;
            }
            let borne: f64 = flow
                .bearing(calls, node)
                .iter()
                .map(|(callee, share)| share * flow.amount(*callee))
                .sum();
            if let Some(own) = flow.own.get_mut(node) {
                *own -= borne;
            }
        }
        flow.reach(calls, alarmed);
        flow
    }

    fn amount(&self, node: usize) -> f64 {
        self.excess.get(node).map_or(0.0, |one| one.amount)
    }

    pub(super) fn is_significant(&self, node: usize) -> bool {
        self.excess
            .get(node)
            .is_some_and(|one| one.is_significant(self.bar))
    }

    /// Whether trouble may pass a node that doesn't show it, because nothing is measured there.
    fn is_blank(&self, node: usize) -> bool {
        self.excess
            .get(node)
            .is_some_and(|one| one.standing == Standing::Unmeasured)
    }

    /// Calls without those whose callee has more excess than its caller could hold, where the others account for the caller
    /// without them: trouble of its own that nobody waits for.
    fn carried(&self, calls: &Calls) -> Calls {
        let mut carried = calls.clone();
        for caller in (0..self.excess.len()).filter(|node| self.is_significant(*node)) {
            let whole = self.amount(caller);
            let parts: Vec<(usize, f64)> = calls
                .of_caller(caller)
                .filter(|(callee, _)| self.is_significant(*callee))
                .map(|(callee, share)| (callee, share * self.amount(callee)))
                .collect();
            let fits = |part: f64| part <= whole * HELD_MAX;
            let held: f64 = parts
                .iter()
                .map(|(_, part)| *part)
                .filter(|part| fits(*part))
                .sum();
            if held >= whole * ACCOUNTED_MIN {
                for (callee, _) in parts.into_iter().filter(|(_, part)| !fits(*part)) {
                    carried.shares.remove(&(caller, callee));
                }
            }
        }
        carried
    }

    fn bearing(&self, calls: &Calls, node: usize) -> Bearing {
        let mut bearing = Bearing::new();
        let mut seen = BTreeSet::from([node]);
        let mut ring = VecDeque::from([(node, 1.0)]);
        while let Some((at, share)) = ring.pop_front() {
            for (callee, part) in calls.of_caller(at) {
                if !seen.insert(callee) {
                    continue;
                }
                if self.is_significant(callee) {
                    bearing.insert(callee, share * part);
                } else if self.is_blank(callee) {
                    ring.push_back((callee, share * part));
                }
            }
        }
        bearing
    }

    fn reach(&mut self, calls: &Calls, alarmed: usize) {
        let mut ring = VecDeque::from([alarmed]);
        let mut blank = BTreeSet::new();
        if let Some(depth) = self.depth.get_mut(alarmed) {
            *depth = Some(0);
        }
        while let Some(at) = ring.pop_front() {
            let deeper = self.depth.get(at).copied().flatten().map(|depth| depth + 1);
            for (callee, _) in calls.of_caller(at) {
                let is_new = self.depth.get(callee).is_some_and(Option::is_none);
                let passes = self.is_significant(callee) || self.is_blank(callee);
                if !is_new || !passes {
                    continue;
                }
                if let (Some(depth), Some(via)) = (self.depth.get_mut(callee), self.via.get_mut(callee)) {
                    (*depth, *via) = (deeper, Some(at));
                }
                if self.is_blank(callee) {
                    blank.insert(callee);
                }
                ring.push_back(callee);
            }
        }
        // Passed through, not a suspect.
        for node in blank {
            if let Some(depth) = self.depth.get_mut(node) {
                *depth = None;
            }
        }
    }

    /// From a node to the alarmed one, both included; empty where it isn't reached.
    pub(super) fn path(&self, node: usize) -> Vec<usize> {
        if self.depth.get(node).copied().flatten().is_none() {
            return Vec::new();
        }
        let mut path = vec![node];
        let mut at = node;
        while let Some(next) = self.via.get(at).copied().flatten() {
            path.push(next);
            at = next;
        }
        path
    }
}

/// Calls along which this trouble can pass, with the caller's share of the callee.
#[derive(Debug, Clone)]
struct Calls {
    shares: BTreeMap<(usize, usize), f64>,
}

impl Calls {
    fn of(known: &Known, trouble: Trouble) -> Self {
        let loads: Vec<f64> = (0..known.names.len())
            .map(|node| requests(known.load(node)))
            .collect();
        let mut shares = BTreeMap::new();
        for callee in 0..known.names.len() {
            let callers: Vec<usize> = known.callers(callee).collect();
            let counted: Vec<Option<f64>> = callers
                .iter()
                .map(|caller| {
                    let tracks = known.calls.get(&(*caller, callee))?;
                    tracks.get(&Measure::Requests).map(requests)
                })
                .collect();
            // Counts of all calls, else the callers' own requests.
            let weights: Vec<f64> = if counted.iter().all(Option::is_some) {
                counted.into_iter().flatten().collect()
            } else {
                callers
                    .iter()
                    .map(|caller| loads.get(*caller).copied().unwrap_or(0.0))
                    .collect()
            };
            let sum: f64 = weights.iter().sum();
            for (caller, weight) in callers.iter().zip(weights) {
                let share = if sum > 0.0 {
                    weight / sum
                } else {
                    1.0 / count(callers.len())
                };
                if is_waited_for(known, trouble, (*caller, callee), &loads, share) {
                    shares.insert((*caller, callee), share);
                }
            }
        }
        Self { shares }
    }

    fn of_caller(&self, caller: usize) -> impl Iterator<Item = (usize, f64)> {
        self.shares
            .range((caller, 0)..=(caller, usize::MAX))
            .map(|((_, callee), share)| (*callee, *share))
    }
}

/// Requests of a row, in the mean.
fn requests(rows: &Rows) -> f64 {
    let sum: f64 = rows.since.iter().map(|point| point.value.max(0.0)).sum();
    sum / count(rows.since.len().max(1))
}

/// False for a call that is made by nearly every request and usually takes longer than the request: a queue, a workflow, a
/// message. Its latency isn't part of its caller's.
fn is_waited_for(
    known: &Known,
    trouble: Trouble,
    (caller, callee): (usize, usize),
    loads: &[f64],
    share: f64,
) -> bool {
    let Trouble::Latency(statistic) = trouble else {
        return true;
    };
    let usual = |node| {
        let rows = known.track(node, Measure::Latency(statistic))?;
        let mut values = values(if rows.normal.is_empty() {
            &rows.before
        } else {
            &rows.normal
        });
        median(&mut values)
    };
    let (Some(waiting), Some(taken)) = (usual(caller), usual(callee)) else {
        return true;
    };
    let requests = loads.get(caller).copied().unwrap_or(0.0);
    let calls = loads.get(callee).copied().unwrap_or(0.0) * share;
    if requests <= 0.0 || calls <= 0.0 {
        return true;
    }
    taken * (calls / requests).min(1.0) <= waiting * WAITED_FOR_MAX
}
