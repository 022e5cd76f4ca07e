//! A made-up operator: services in regions, what is measured of them, and what goes wrong, minute by minute.

use forecall_bench_input::{below, normal, uniform};

use super::ways::{Fault, Kind, PLANS};

pub(crate) const SERVICES: [&str; 4] = ["internet", "tv", "voice", "shop"];
pub(crate) const REGIONS: [&str; 3] = ["IR-10", "IR-07", "IR-23"];
pub(crate) const SCOPES: usize = SERVICES.len() * REGIONS.len();
/// Minutes of a world; nothing is scored in its first day.
pub(crate) const MINUTES: usize = 4 * 1_440;
pub(crate) const SCORED_FROM: usize = 1_440;
/// How far ahead a prediction reaches, in minutes.
pub(crate) const HORIZON: usize = 60;

/// Certificates are renewed each day, so many minutes before their end.
pub(crate) const RENEWED_BEFORE: usize = 120;

/// What is measured of a scope.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    normal: f64,
    /// Amplitude of the day and deviation of a minute, as shares of what is normal.
    day: f64,
    noise: f64,
    /// The way to a limit at which customers are hit, and that limit.
    pub(crate) sign: f64,
    pub(crate) limit: f64,
}

pub(crate) const ERRORS: usize = 0;
pub(crate) const LATENCY: usize = 1;
pub(crate) const MEMORY: usize = 2;
pub(crate) const DISK: usize = 3;
pub(crate) const QUEUE: usize = 4;
pub(crate) const POOL: usize = 5;
pub(crate) const LINK: usize = 6;
pub(crate) const CERTIFICATE: usize = 7;
pub(crate) const CPU: usize = 8;
pub(crate) const RETRIES: usize = 9;
pub(crate) const METRICS: usize = 10;

const fn metric(
    name: &'static str,
    unit: &'static str,
    (normal, day, noise): (f64, f64, f64),
    (sign, limit): (f64, f64),
) -> Metric {
    Metric {
        name,
        unit,
        normal,
        day,
        noise,
        sign,
        limit,
    }
}

/// The first two are what customers feel; the last two have no limit.
pub(crate) const MEASURED: [Metric; METRICS] = [
    metric("http.server.error.ratio", "1", (0.002, 0.2, 0.15), (1.0, 0.05)),
    metric(
        "http.server.request.duration.p95",
        "s",
        (0.2, 0.15, 0.06),
        (1.0, 0.8),
    ),
    metric("memory.utilization", "1", (0.5, 0.05, 0.015), (1.0, 0.95)),
    metric("disk.utilization", "1", (0.6, 0.01, 0.003), (1.0, 0.98)),
    metric("queue.length", "{message}", (60.0, 0.4, 0.2), (1.0, 1_000.0)),
    metric("pool.utilization", "1", (0.35, 0.3, 0.06), (1.0, 0.97)),
    metric("link.utilization", "1", (0.45, 0.35, 0.03), (1.0, 0.95)),
    metric("certificate.remaining", "s", (0.0, 0.0, 0.0), (-1.0, 0.0)),
    metric("cpu.utilization", "1", (0.4, 0.3, 0.06), (1.0, f64::INFINITY)),
    metric(
        "http.client.retries",
        "{retry}",
        (20.0, 0.4, 0.2),
        (1.0, f64::INFINITY),
    ),
];

/// Trouble that customers felt.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) scopes: Vec<usize>,
    pub(crate) onset: usize,
    /// The first minute out of the objective for 3 of 5.
    pub(crate) impact: usize,
    pub(crate) end: usize,
}

impl Event {
    /// An honest warning is possible.
    pub(crate) fn is_ramp(&self) -> bool {
        self.kind != Kind::Step
    }
}

pub(crate) struct World {
    /// By scope, metric and minute, as they were; what is sent of it is another matter.
    pub(crate) values: Vec<Vec<Vec<f64>>>,
    pub(crate) events: Vec<Event>,
    /// Faults and decoys, whether or not they were felt.
    pub(crate) faults: Vec<Fault>,
    /// Readings that are sent in a minute: scope, metric, the minute they are of.
    pub(crate) sent: Vec<Vec<(usize, usize, usize)>>,
}

/// The value of a metric in normal times.
struct Usual {
    level: f64,
    phase: f64,
    walk: f64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x5851_F42D_4C95_7F2D) ^ 0x1EAD;
        let renewals = std::array::from_fn(|_| below(&mut state, 1_440));
        let faults = plan(&renewals, &mut state);
        let holiday = (uniform(&mut state) < 0.3).then(|| {
            let from = SCORED_FROM + below(&mut state, MINUTES - SCORED_FROM - 720);
            from..from + 720
        });
        let mut usual: Vec<Vec<Usual>> = Vec::new();
        for _ in 0..SCOPES {
            let of = MEASURED.map(|m| Usual {
                level: m.normal * (1.0 + 0.15 * normal(&mut state)).clamp(0.7, 1.3),
                phase: 0.05 * normal(&mut state),
                walk: 0.0,
            });
            usual.push(of.into());
        }
        let mut values = vec![vec![Vec::with_capacity(MINUTES); METRICS]; SCOPES];
        for minute in 0..MINUTES {
            let load = if holiday.as_ref().is_some_and(|h| h.contains(&minute)) {
                0.6
            } else {
                1.0
            };
            for (scope, of) in usual.iter_mut().enumerate() {
                let mut now = [0.0; METRICS];
                for ((value, metric), usual) in now.iter_mut().zip(&MEASURED).zip(of) {
                    let day = minute as f64 / 1_440.0 + usual.phase;
                    let wave = metric.day * (day * std::f64::consts::TAU).sin();
                    usual.walk = 0.7 * usual.walk + 0.7 * normal(&mut state);
                    let busy = if metric.day > 0.2 { load } else { 1.0 };
                    *value = usual.level * (1.0 + wave + metric.noise * usual.walk) * busy;
                }
                let since = (minute + 1_440 - renewals[scope]) % 1_440;
                now[CERTIFICATE] = (1_440 + RENEWED_BEFORE - since) as f64 * 60.0;
                let at_work = faults.iter().filter(|f| f.scopes.contains(&scope));
                for fault in at_work {
                    fault.put(minute, &mut now, &mut state);
                }
                // Links that are full make customers wait, queues as well.
                now[LATENCY] *= 1.0 + 0.02 / (1.02 - now[LINK].min(1.0));
                now[LATENCY] *= 1.0 + 3.5 * (now[QUEUE] / 1_000.0).max(0.0).powi(3);
                now[POOL] = now[POOL].min(1.0);
                now[LINK] = now[LINK].min(1.0);
                for (metric, value) in now.into_iter().enumerate() {
                    let value = if metric == CERTIFICATE {
                        value
                    } else {
                        value.max(0.0)
                    };
                    values[scope][metric].push(value);
                }
            }
        }
        let events = faults.iter().filter_map(|f| felt(f, &values)).collect();
        let sent = send(&mut state);
        Self {
            values,
            events,
            faults,
            sent,
        }
    }
}

/// One fault or decoy after the other in each scope, hours apart.
fn plan(renewals: &[usize; SCOPES], state: &mut u64) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    let mut free = [SCORED_FROM + 60; SCOPES];
    loop {
        let scope = (0..SCOPES).min_by_key(|s| free[*s]).unwrap_or(0);
        let from = free[scope] + 240 + below(state, 900);
        if from + 360 > MINUTES {
            return faults;
        }
        let mut draw = uniform(state);
        let kind = PLANS.iter().find(|(_, share)| {
            draw -= share;
            draw < 0.0
        });
        let kind = kind.map_or(Kind::Step, |(kind, _)| *kind);
        let scopes: Vec<usize> = if kind == Kind::Fibre {
            // All services of the region.
            (0..SCOPES)
                .filter(|s| s / SERVICES.len() == scope / SERVICES.len())
                .collect()
        } else {
            vec![scope]
        };
        let from = scopes.iter().map(|s| free[*s]).max().unwrap_or(from).max(from);
        let from = if kind == Kind::Certificate {
            // From where it should have been renewed.
            from + (renewals[scope] + 1_440 - from % 1_440) % 1_440
        } else {
            from
        };
        let fault = Fault::new(kind, scopes.clone(), from, state);
        for s in scopes {
            free[s] = fault.end + HORIZON + 30;
        }
        if fault.end + HORIZON < MINUTES {
            faults.push(fault);
        }
    }
}

/// Whether customers are out of their objective in a minute.
fn is_out(values: &[Vec<f64>], minute: usize) -> bool {
    [ERRORS, LATENCY]
        .iter()
        .any(|m| values[*m][minute] > MEASURED[*m].limit)
}

fn felt(fault: &Fault, values: &[Vec<Vec<f64>>]) -> Option<Event> {
    let first = |scope: usize| {
        (fault.from..fault.end).find(|minute| {
            let five = minute.saturating_sub(4)..=*minute;
            five.filter(|m| is_out(&values[scope], *m)).count() >= 3
        })
    };
    let impact = fault.scopes.iter().filter_map(|s| first(*s)).min()?;
    Some(Event {
        kind: fault.kind,
        scopes: fault.scopes.clone(),
        onset: fault.from,
        impact,
        end: fault.end,
    })
}

/// One reading in fifty never comes, one in twenty is up to two minutes late, one in a hundred comes twice.
fn send(state: &mut u64) -> Vec<Vec<(usize, usize, usize)>> {
    let mut sent = vec![Vec::new(); MINUTES + 3];
    for minute in 0..MINUTES {
        for scope in 0..SCOPES {
            for metric in 0..METRICS {
                let luck = uniform(state);
                if luck < 0.02 {
                    continue;
                }
                let late = if luck < 0.07 { 1 + below(state, 2) } else { 0 };
                sent[minute + late].push((scope, metric, minute));
                if luck > 0.99 {
                    sent[minute + late + 1].push((scope, metric, minute));
                }
            }
        }
    }
    sent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_world_and_its_troubles_are_felt() {
        let (one, again, other) = (World::new(7), World::new(7), World::new(8));
        assert_eq!(one.values, again.values);
        assert_ne!(one.values, other.values);
        assert!(!one.events.is_empty());
        for event in &one.events {
            assert!(
                event.onset <= event.impact && event.impact < event.end,
                "{event:?}"
            );
            if event.kind == Kind::Step {
                assert!(event.impact - event.onset <= 4, "{event:?}");
            }
        }
    }

    #[test]
    fn nobody_feels_what_is_no_fault() {
        for seed in 0..6 {
            let world = World::new(seed);
            for (scope, values) in world.values.iter().enumerate() {
                for minute in 5..MINUTES {
                    let known = world
                        .events
                        .iter()
                        .any(|e| e.scopes.contains(&scope) && (e.onset..=e.end).contains(&minute));
                    let out = (minute - 4..=minute).filter(|m| is_out(values, *m)).count();
                    assert!(known || out < 3, "{seed} {scope} {minute}");
                }
            }
        }
    }
}
