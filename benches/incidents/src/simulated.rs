//! Services that don't exist: random call graphs with shared callees, messages nobody waits for, load, noise and gaps, and
//! faults whose causes are known because they were put in.
//!
//! It shows that the ranking does what it is meant to on the faults that were imagined here, no more.

use std::collections::BTreeSet;
use std::sync::Arc;

use forecall_incident::cause::{
    Alarm, CallRecord, Case, Measure, NodeRecord, Point, Statistic, Track, Trouble,
};
use forecall_types::EventTime;

use crate::asked::Asked;
use forecall_bench_input::{below, normal, uniform};

/// A row's span.
const ROW_SECONDS: i64 = 300;
const NORMAL_ROWS: usize = 48;
const BEFORE_ROWS: usize = 3;
const SINCE_ROWS: usize = 4;
/// Days between the reference period and the alarm.
const DAYS_BETWEEN: i64 = 3;
/// A fault that moves what the alarmed node shows by less than this share of the other's is none that anybody looks for.
const SEEN_SHARE: f64 = 0.25;

/// What is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    One,
    Two,
    /// One, at the alarmed node itself.
    Front,
}

/// A service and the seconds it takes longer, or the share of its requests that fail.
type Fault = (usize, f64);

struct Service {
    /// Seconds of its own work.
    work: f64,
    /// Share of requests that fail in normal times.
    fails: f64,
    /// Deviation of a row's work from the usual, as a share.
    restless: f64,
    calls: Vec<Call>,
    counts: bool,
}

struct Call {
    callee: usize,
    /// A request.
    times: f64,
    /// Whether the caller waits for it; a failure of what isn't waited for isn't the caller's either.
    waited_for: bool,
    /// Share of its failures that become the caller's.
    passes: f64,
}

struct World {
    services: Vec<Service>,
    /// Requests a row at the front.
    load: f64,
    calls_counted: bool,
}

fn between(state: &mut u64, low: f64, high: f64) -> f64 {
    low + (high - low) * uniform(state)
}

/// From `low` to `high`, each octave as likely.
fn octaves(state: &mut u64, low: f64, high: f64) -> f64 {
    low * (high / low).powf(uniform(state))
}

impl World {
    /// Services call only those after them, so that there is no circle; 0 is the front.
    fn new(state: &mut u64) -> Self {
        let size = 12 + below(state, 29);
        let mut services: Vec<Service> = (0..size)
            .map(|_| Service {
                work: octaves(state, 0.003, 0.08),
                fails: octaves(state, 2e-5, 1e-3),
                restless: octaves(state, 0.02, 0.12),
                calls: Vec::new(),
                counts: uniform(state) > 0.1,
            })
            .collect();
        for callee in 1..size {
            // Somebody calls each; a third of them are shared.
            let callers = 1 + usize::from(uniform(state) < 0.33) + usize::from(uniform(state) < 0.1);
            let mut chosen = BTreeSet::new();
            for _ in 0..callers {
                // Near ones rather: graphs are deep as well as broad.
                let back = 1 + below(state, 8.min(callee));
                chosen.insert(callee - back);
            }
            for caller in chosen {
                services[caller].calls.push(Call {
                    callee,
                    times: octaves(state, 0.2, 2.0),
                    waited_for: uniform(state) > 0.08,
                    passes: if uniform(state) < 0.2 {
                        between(state, 0.3, 0.9)
                    } else {
                        1.0
                    },
                });
            }
        }
        Self {
            services,
            load: octaves(state, 300.0, 5_000.0),
            calls_counted: uniform(state) < 0.5,
        }
    }

    /// Latency and failed share of each service in a row, from the last to the front.
    fn row(&self, work: &[f64], fails: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let size = self.services.len();
        let (mut latency, mut failed) = (vec![0.0; size], vec![0.0; size]);
        for (i, service) in self.services.iter().enumerate().rev() {
            let (mut seconds, mut whole) = (work[i], 1.0 - fails[i]);
            for call in &service.calls {
                if call.waited_for {
                    seconds += call.times * latency[call.callee];
                    whole *= (1.0 - call.passes * failed[call.callee]).powf(call.times);
                }
            }
            (latency[i], failed[i]) = (seconds, 1.0 - whole);
        }
        (latency, failed)
    }

    fn loads(&self, load: f64) -> Vec<f64> {
        let mut loads = vec![0.0; self.services.len()];
        loads[0] = load;
        for (i, service) in self.services.iter().enumerate() {
            for call in &service.calls {
                loads[call.callee] += loads[i] * call.times;
            }
        }
        loads
    }

    fn usual(&self) -> (Vec<f64>, Vec<f64>) {
        let work: Vec<f64> = self.services.iter().map(|s| s.work).collect();
        let fails: Vec<f64> = self.services.iter().map(|s| s.fails).collect();
        self.row(&work, &fails)
    }

    /// What the front shows more with these faults, in seconds or as a share.
    fn effect(&self, trouble: Trouble, faults: &[Fault]) -> f64 {
        let mut work: Vec<f64> = self.services.iter().map(|s| s.work).collect();
        let mut fails: Vec<f64> = self.services.iter().map(|s| s.fails).collect();
        for (node, size) in faults {
            match trouble {
                Trouble::Latency(_) => work[*node] += size,
                Trouble::Failures => fails[*node] += size,
            }
        }
        let (latency, failed) = self.row(&work, &fails);
        let (usual_latency, usual_failed) = self.usual();
        match trouble {
            Trouble::Latency(_) => latency[0] - usual_latency[0],
            Trouble::Failures => failed[0] - usual_failed[0],
        }
    }

    /// Faults that the front shows, each beside the other.
    fn faults(&self, kind: Kind, trouble: Trouble, state: &mut u64) -> Option<Vec<Fault>> {
        let (latency, _) = self.usual();
        let size = |state: &mut u64| match trouble {
            Trouble::Latency(_) => latency[0] * octaves(state, 0.15, 2.0),
            Trouble::Failures => octaves(state, 0.01, 0.1),
        };
        let mut faults: Vec<Fault> = Vec::new();
        let count = if kind == Kind::Two { 2 } else { 1 };
        while faults.len() < count {
            let node = if kind == Kind::Front {
                0
            } else {
                1 + below(state, self.services.len() - 1)
            };
            if faults.iter().all(|(other, _)| *other != node) {
                faults.push((node, size(state)));
            }
        }
        let effects: Vec<f64> = faults
            .iter()
            .map(|fault| self.effect(trouble, &[*fault]))
            .collect();
        let most = effects.iter().copied().fold(0.0, f64::max);
        let seen = match trouble {
            Trouble::Latency(_) => latency[0] * 0.15,
            Trouble::Failures => 0.01,
        };
        (most >= seen && effects.iter().all(|one| *one >= most * SEEN_SHARE)).then_some(faults)
    }

    /// Something that nobody who shows the alarm waits for, in trouble of its own at the same time.
    fn decoy(&self, trouble: Trouble, state: &mut u64) -> Option<Fault> {
        let size = self.services.len();
        let mut is_waited_for = vec![false; size];
        for call in self.services.iter().flat_map(|service| &service.calls) {
            is_waited_for[call.callee] |= call.waited_for;
        }
        let apart: Vec<usize> = (1..size).filter(|node| !is_waited_for[*node]).collect();
        if apart.is_empty() || uniform(state) < 0.3 {
            return None;
        }
        let node = apart[below(state, apart.len())];
        let (latency, _) = self.usual();
        let size = match trouble {
            Trouble::Latency(_) => latency[0] * octaves(state, 0.3, 3.0),
            Trouble::Failures => octaves(state, 0.02, 0.2),
        };
        Some((node, size))
    }

    fn rows(&self, faults: &[Fault], trouble: Trouble, load: f64, state: &mut u64) -> Vec<[f64; 3]> {
        let loads: Vec<f64> = self
            .loads(load)
            .into_iter()
            .map(|mean| (mean + mean.sqrt() * normal(state)).round().max(0.0))
            .collect();
        let mut work = Vec::new();
        let mut fails = Vec::new();
        for (i, service) in self.services.iter().enumerate() {
            let size = faults
                .iter()
                .find(|(node, _)| *node == i)
                .map_or(0.0, |(_, size)| *size);
            let (slow, failing) = match trouble {
                Trouble::Latency(_) => (size, 0.0),
                Trouble::Failures => (0.0, size),
            };
            // Rows are restless, and the mean of few requests is more so.
            let chance = 0.7 / loads[i].max(1.0).sqrt();
            let spread = (service.restless * service.restless + chance * chance).sqrt();
            work.push(
                (service.work * (spread * normal(state)).exp() + slow * (1.0 + 0.1 * normal(state)))
                    .max(1e-4),
            );
            fails.push((service.fails + failing).min(1.0));
        }
        let (latency, failed) = self.row(&work, &fails);
        (0..self.services.len())
            .map(|i| {
                let mean = failed[i] * loads[i];
                let hit = poisson(mean, state).min(loads[i]);
                [
                    latency[i],
                    loads[i],
                    if loads[i] > 0.0 { hit / loads[i] } else { 0.0 },
                ]
            })
            .collect()
    }
}

/// Knuth's product for small means, the normal curve for large ones.
fn poisson(mean: f64, state: &mut u64) -> f64 {
    if mean > 30.0 {
        return (mean + mean.sqrt() * normal(state)).round().max(0.0);
    }
    let (end, mut product, mut count) = ((-mean).exp(), uniform(state), 0.0);
    while product > end {
        product *= uniform(state);
        count += 1.0;
    }
    count
}

/// So many cases of a kind.
pub(crate) fn cases(kind: Kind, count: usize, seed: u64) -> Vec<Asked> {
    let mut state = seed;
    let mut all = Vec::new();
    while all.len() < count {
        let world = World::new(&mut state);
        let trouble = if all.len() % 2 == 0 {
            Trouble::Latency(Statistic::Mean)
        } else {
            Trouble::Failures
        };
        if let Some(faults) = world.faults(kind, trouble, &mut state) {
            let decoy = world.decoy(trouble, &mut state);
            let decoy = decoy.filter(|(node, _)| faults.iter().all(|(other, _)| other != node));
            let number = format!("simulated/{kind:?}/{}", all.len()).to_lowercase();
            all.push(asked(&world, (&faults, decoy), trouble, number, &mut state));
        }
    }
    all
}

fn name(i: usize) -> String {
    format!("service-{i:02}")
}

fn asked(
    world: &World,
    (causes, decoy): (&[Fault], Option<Fault>),
    trouble: Trouble,
    id: String,
    state: &mut u64,
) -> Asked {
    let faults: Vec<Fault> = causes.iter().copied().chain(decoy).collect();
    let measures = [
        Measure::Latency(Statistic::Mean),
        Measure::Requests,
        Measure::FailedShare,
    ];
    let size = world.services.len();
    let at = DAYS_BETWEEN * 86_400;
    let mut nodes: Vec<Vec<Track>> = vec![Vec::new(); size];
    for tracks in &mut nodes {
        tracks.extend(measures.map(|measure| Track {
            measure,
            normal: Vec::new(),
            recent: Vec::new(),
        }));
    }
    let now = world.load * between(state, 0.6, 1.4);
    let mut counted: Vec<Vec<f64>> = Vec::new();
    let before = -(BEFORE_ROWS as i64);
    for (is_normal, row) in (0..NORMAL_ROWS as i64)
        .map(|row| (true, row))
        .chain((before..SINCE_ROWS as i64).map(|row| (false, row)))
    {
        let (load, start) = if is_normal {
            // The day's rise and fall.
            let day = (row as f64 / NORMAL_ROWS as f64 * std::f64::consts::TAU).sin();
            (world.load * (1.0 + 0.3 * day), row * ROW_SECONDS)
        } else {
            (now, at + row * ROW_SECONDS)
        };
        let faults: &[Fault] = if !is_normal && row >= 0 { &faults } else { &[] };
        let values = world.rows(faults, trouble, load, state);
        if !is_normal {
            counted.push(values.iter().map(|[_, requests, _]| *requests).collect());
        }
        for (node, values) in nodes.iter_mut().zip(values) {
            for (track, value) in node.iter_mut().zip(values) {
                // One value in fifty isn't there.
                if uniform(state) < 0.02 {
                    continue;
                }
                let rows = if is_normal {
                    &mut track.normal
                } else {
                    &mut track.recent
                };
                rows.push(Point {
                    at: EventTime::from_secs(start),
                    value,
                });
            }
        }
    }
    let counts = |caller: usize, call: &Call| Track {
        measure: Measure::Requests,
        normal: Vec::new(),
        recent: (before..SINCE_ROWS as i64)
            .zip(&counted)
            .map(|(row, counts)| Point {
                at: EventTime::from_secs(at + row * ROW_SECONDS),
                value: (counts[caller] * call.times).round(),
            })
            .collect(),
    };
    let mut calls = Vec::new();
    for (i, service) in world.services.iter().enumerate() {
        for call in &service.calls {
            calls.push(CallRecord {
                caller: Arc::from(name(i)),
                callee: Arc::from(name(call.callee)),
                tracks: if world.calls_counted {
                    vec![counts(i, call)]
                } else {
                    Vec::new()
                },
            });
        }
        if !service.counts && i > 0 {
            nodes[i].retain(|track| track.measure != Measure::Requests);
        }
    }
    Asked {
        id,
        groups: std::iter::once(match trouble {
            Trouble::Latency(_) => "latency".to_owned(),
            Trouble::Failures => "failures".to_owned(),
        })
        .chain(decoy.map(|_| "with a decoy".to_owned()))
        .collect(),
        truth: causes.iter().map(|(node, _)| name(*node)).collect(),
        case: Case {
            nodes: nodes
                .into_iter()
                .enumerate()
                .map(|(i, tracks)| NodeRecord {
                    name: Arc::from(name(i)),
                    tracks,
                })
                .collect(),
            calls,
            alarm: Alarm {
                node: Arc::from(name(0)),
                trouble,
                at: EventTime::from_secs(at),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_cases_and_each_has_its_causes() {
        let ten = cases(Kind::Two, 10, 3);
        let again = cases(Kind::Two, 10, 3);
        for (one, other) in ten.iter().zip(&again) {
            assert_eq!(one.truth.len(), 2);
            assert_eq!(one.truth, other.truth);
            assert_eq!(one.case, other.case);
        }
        assert!(
            ten.iter()
                .zip(cases(Kind::Two, 10, 4))
                .any(|(one, other)| one.case != other.case)
        );
        assert!(
            cases(Kind::Front, 4, 3)
                .iter()
                .all(|one| one.truth.contains(&name(0)))
        );
    }

    #[test]
    fn poisson_counts_have_their_mean() {
        let mut state = 5;
        for mean in [0.5, 4.0, 90.0] {
            let sum: f64 = (0..4_000).map(|_| poisson(mean, &mut state)).sum();
            assert!(
                (sum / 4_000.0 - mean).abs() < 4.0 * (mean / 4_000.0).sqrt(),
                "{mean}"
            );
        }
    }
}
