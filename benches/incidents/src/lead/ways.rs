//! How things go wrong, and how they only seem to.

use forecall_bench_input::{normal, uniform};

use super::world::{
    CERTIFICATE, CPU, DISK, ERRORS, LATENCY, LINK, MEMORY, METRICS, POOL, QUEUE, RENEWED_BEFORE, RETRIES,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Leak,
    Disk,
    Queue,
    Pool,
    Retries,
    Certificate,
    Fibre,
    Congestion,
    /// Nothing tells of it beforehand.
    Step,
    /// Decoys: nobody feels them.
    Deployment,
    Batch,
    /// A way to a limit that ends before it.
    NearMiss,
}

/// How often each is drawn.
pub(crate) const PLANS: [(Kind, f64); 12] = [
    (Kind::Leak, 0.08),
    (Kind::Disk, 0.07),
    (Kind::Queue, 0.08),
    (Kind::Pool, 0.07),
    (Kind::Retries, 0.07),
    (Kind::Certificate, 0.06),
    (Kind::Fibre, 0.05),
    (Kind::Congestion, 0.08),
    (Kind::Step, 0.1),
    (Kind::Deployment, 0.12),
    (Kind::Batch, 0.12),
    (Kind::NearMiss, 0.1),
];

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Disk => "disk",
            Self::Queue => "queue",
            Self::Pool => "pool",
            Self::Retries => "retry storm",
            Self::Certificate => "certificate",
            Self::Fibre => "regional fibre",
            Self::Congestion => "congestion",
            Self::Step => "step",
            Self::Deployment => "deployment",
            Self::Batch => "batch job",
            Self::NearMiss => "near miss",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) scopes: Vec<usize>,
    pub(crate) from: usize,
    /// The minute at which the way is at its end.
    full: usize,
    pub(crate) end: usize,
    /// How bent the way is: 1 is a line, 2 goes ever faster.
    bend: f64,
    /// Of the way that a near miss goes.
    far: f64,
    /// Which metric a near miss is of.
    of: usize,
}

impl Fault {
    pub(crate) fn new(kind: Kind, scopes: Vec<usize>, from: usize, state: &mut u64) -> Self {
        // Each octave between one minute and two hours is as likely.
        let mut minutes = 120.0_f64.powf(uniform(state));
        if kind == Kind::Certificate {
            // It runs out; from here on it should have been renewed.
            minutes = RENEWED_BEFORE as f64;
        }
        let lasts = match kind {
            Kind::Deployment => {
                minutes = 1.0;
                10.0
            }
            Kind::Batch => {
                minutes = 3.0;
                30.0 + 60.0 * uniform(state)
            }
            Kind::Step => {
                minutes = 0.0;
                20.0 + 20.0 * uniform(state)
            }
            _ => 20.0 + 20.0 * uniform(state),
        };
        let full = from + minutes.round() as usize;
        let metrics = [MEMORY, DISK, QUEUE, POOL, LINK];
        Self {
            kind,
            scopes,
            from,
            full,
            end: full + lasts.round() as usize + 1,
            bend: 0.8 + 1.2 * uniform(state),
            far: 0.3 + 0.35 * uniform(state),
            of: metrics[(uniform(state) * 5.0) as usize],
        }
    }

    /// What it does to the values of a minute.
    pub(crate) fn put(&self, minute: usize, now: &mut [f64; METRICS], state: &mut u64) {
        if !(self.from..self.end).contains(&minute) {
            return;
        }
        let way = (self.full - self.from) as f64;
        let gone = (minute - self.from) as f64;
        let share = if way > 0.0 { (gone / way).min(1.0) } else { 1.0 };
        let bent = share.powf(self.bend);
        let is_full = minute >= self.full;
        let up = |value: &mut f64, limit: f64, share: f64| *value += (limit * 1.03 - *value) * share;
        match self.kind {
            Kind::Leak => {
                up(&mut now[MEMORY], 0.97, share);
                now[CPU] += 0.2 * share * share;
                if is_full {
                    now[ERRORS] = 0.2 + 0.02 * normal(state);
                    now[LATENCY] *= 3.0;
                }
            }
            Kind::Disk => {
                up(&mut now[DISK], 0.975, share);
                if is_full {
                    now[ERRORS] = 0.5 + 0.05 * normal(state);
                }
            }
            Kind::Queue => {
                up(&mut now[QUEUE], 1_050.0, bent);
                if is_full {
                    now[LATENCY] += 1.0;
                }
            }
            Kind::Pool => {
                up(&mut now[POOL], 0.98, bent);
                now[LATENCY] *= 1.0 + 0.5 * (bent - 0.7).max(0.0);
                if is_full {
                    now[ERRORS] = 0.15 + 0.02 * normal(state);
                    now[LATENCY] *= 4.0;
                }
            }
            Kind::Retries => {
                // Doubling and doubling: errors make retries make errors.
                now[RETRIES] *= 60.0_f64.powf(share);
                now[ERRORS] *= 40.0_f64.powf(share);
                now[CPU] += 0.3 * share;
                if is_full {
                    now[ERRORS] = now[ERRORS].max(0.08);
                }
            }
            Kind::Certificate => {
                now[CERTIFICATE] = (self.full as f64 - minute as f64) * 60.0;
                if is_full {
                    now[ERRORS] = 0.95 + 0.01 * normal(state);
                }
            }
            Kind::Fibre => {
                up(&mut now[LINK], 0.97, bent);
                now[ERRORS] += 0.06 * bent * bent;
                if is_full {
                    now[ERRORS] = 0.1 + 0.01 * normal(state);
                }
            }
            Kind::Congestion => {
                up(&mut now[LINK], 0.97, share);
                now[LATENCY] *= 1.0 + 1.5 * share.powi(4);
                if is_full {
                    now[LATENCY] += 0.8;
                }
            }
            Kind::Step => {
                now[ERRORS] = 0.3 + 0.03 * normal(state);
                now[LATENCY] *= 2.0;
            }
            Kind::Deployment => {
                now[CPU] += 0.35;
                now[LATENCY] *= 1.4;
                now[ERRORS] *= 2.0;
                now[MEMORY] *= 0.8;
            }
            Kind::Batch => {
                now[CPU] = 0.92 + 0.02 * normal(state);
                now[QUEUE] += 220.0;
                now[DISK] += 0.03;
            }
            Kind::NearMiss => {
                let limit = super::world::MEASURED[self.of].limit;
                up(&mut now[self.of], limit, self.far * share);
            }
        }
    }
}
