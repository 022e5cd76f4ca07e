//! Simulated ways to a limit, and ways that end before it: when will it be passed?

use forecall_bench_input::{next, uniform};
use forecall_detect::DetectSettings;
use forecall_stats::{BandAt, Limit, Passage, Share};
use forecall_types::EventTime;

use crate::ahead::Walk;
use crate::bootstrap::Figure;
use crate::table::Table;

/// A Monday, midnight, UTC.
const EPOCH: i64 = 1_704_067_200;
/// Each kind is run so many times, with other noise, speed and hour. Models were chosen with the seeds from 0 to 39.
const SEEDS: std::ops::Range<u64> = 1_000..1_040;
/// The limit is this far off when it is asked, in minutes.
const LEFT: [f64; 3] = [45.0, 30.0, 15.0];
/// A way is asked only once it has gone on for so long.
const GONE_MINUTES: f64 = 5.0;
/// Minutes ahead at which an anomaly tells the band.
const TOLD: [i64; 5] = [0, 5, 15, 30, 60];
/// Nobody asks further: a limit that is expected later counts as not expected.
const HORIZON_MINUTES: f64 = 60.0;
/// One in so many ways ends before the limit.
const ENDS_EARLY: u64 = 4;
const LINE_SAMPLES: usize = 20;

/// How a metric behaves and goes to its limit.
struct Kind {
    name: &'static str,
    metric: &'static str,
    unit: &'static str,
    pace: i64,
    /// Days before it begins.
    days: f64,
    limit: f64,
    normal: f64,
    /// Amplitude of the day, as a share of what is normal.
    day: f64,
    noise: f64,
    /// The share of the way that is gone after a share of the time.
    shape: fn(f64) -> f64,
    /// Minutes that the whole way takes: the shortest and the longest.
    minutes: (f64, f64),
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "leak, a sample a minute",
        metric: "memory.utilization",
        unit: "1",
        pace: 60,
        days: 2.0,
        limit: 0.95,
        normal: 0.5,
        day: 0.05,
        noise: 0.01,
        shape: |share| share,
        minutes: (60.0, 300.0),
    },
    Kind {
        name: "leak, every ten seconds",
        metric: "memory.utilization",
        unit: "1",
        pace: 10,
        days: 1.2,
        limit: 0.95,
        normal: 0.5,
        day: 0.05,
        noise: 0.01,
        shape: |share| share,
        minutes: (60.0, 300.0),
    },
    Kind {
        name: "queue that fills ever faster, a sample a minute",
        metric: "queue.length",
        unit: "{message}",
        pace: 60,
        days: 2.0,
        limit: 1_000.0,
        normal: 60.0,
        day: 0.4,
        noise: 12.0,
        shape: |share| 0.4 * share + 0.6 * share * share,
        minutes: (45.0, 150.0),
    },
    Kind {
        name: "queue, every ten seconds",
        metric: "queue.length",
        unit: "{message}",
        pace: 10,
        days: 1.2,
        limit: 1_000.0,
        normal: 60.0,
        day: 0.4,
        noise: 12.0,
        shape: |share| 0.4 * share + 0.6 * share * share,
        minutes: (45.0, 150.0),
    },
    Kind {
        name: "loss that slows down, a sample a minute",
        metric: "packet.loss",
        unit: "%",
        pace: 60,
        days: 2.0,
        limit: 5.0,
        normal: 0.5,
        day: 0.3,
        noise: 0.15,
        shape: |share| 1.4 * share - 0.4 * share * share,
        minutes: (45.0, 180.0),
    },
];

/// One answer: seconds until the limit is passed, an interval of 80 of 100.
#[derive(Clone, Copy)]
struct Answer {
    at: Option<f64>,
    earliest: f64,
    latest: f64,
}

/// By the least-squares line through the last samples and the standard error of its slope.
fn by_line(points: &[(EventTime, f64)], limit: f64) -> Answer {
    let none = Answer {
        at: None,
        earliest: f64::INFINITY,
        latest: f64::INFINITY,
    };
    let last = &points[points.len().saturating_sub(LINE_SAMPLES)..];
    let n = last.len() as f64;
    let of = |t: EventTime| t.seconds_from(last[0].0);
    let slope = forecall_stats::slope(last.iter().map(|(t, v)| (of(*t), *v)));
    let (mean_t, mean_v) = (
        last.iter().map(|p| of(p.0)).sum::<f64>() / n,
        last.iter().map(|p| p.1).sum::<f64>() / n,
    );
    let sxx: f64 = last.iter().map(|p| (of(p.0) - mean_t).powi(2)).sum();
    let rest: f64 = last
        .iter()
        .map(|p| (p.1 - mean_v - slope * (of(p.0) - mean_t)).powi(2))
        .sum();
    let error = (rest / (n - 2.0) / sxx).sqrt() * 1.281_551_6;
    let gap = limit - last[last.len() - 1].1;
    if slope <= 0.0 {
        return none;
    }
    let after = |pace: f64| if pace > 0.0 { gap / pace } else { f64::INFINITY };
    Answer {
        at: Some(after(slope)).filter(|s| *s <= HORIZON_MINUTES * 60.0),
        earliest: after(slope + error),
        latest: after(slope - error),
    }
}

fn by_band(walk: &Walk<'_>, unit: &str, at: EventTime, limit: f64) -> (Answer, f64) {
    let ats = TOLD.map(|minutes| EventTime::from_secs(at.secs() + 60 * minutes));
    let ahead = walk.ahead(unit, &ats).unwrap_or_default();
    let bands: Vec<BandAt> = ahead
        .iter()
        .map(|a| BandAt {
            seconds: a.at.seconds_from(at),
            expected: a.expected,
            lower: a.lower,
            upper: a.upper,
        })
        .collect();
    let passage = Passage::new(
        &bands,
        Limit {
            value: limit,
            sign: 1.0,
        },
    );
    let answer = Answer {
        at: passage.after(Share::Half),
        earliest: passage.after(Share::Tenth).unwrap_or(f64::INFINITY),
        latest: passage.after(Share::NineTenths).unwrap_or(f64::INFINITY),
    };
    (answer, passage.chance(HORIZON_MINUTES * 60.0))
}

/// What came of all askings of one kind.
#[derive(Default)]
struct Sums {
    /// Of ways to the limit: minutes off where it was expected, whether it was, whether the interval holds the truth.
    off: Vec<f64>,
    told: Vec<f64>,
    inside: Vec<f64>,
    /// Of ways that end before it: whether it was expected within the hour.
    told_wrong: Vec<f64>,
}

impl Sums {
    fn take(&mut self, answer: Answer, left: Option<f64>) {
        let told = f64::from(u8::from(answer.at.is_some()));
        let Some(left) = left else {
            self.told_wrong.push(told);
            return;
        };
        self.told.push(told);
        // A limit that isn't expected within the hour counts as expected at its end.
        let at = answer.at.map_or(HORIZON_MINUTES, |s| s / 60.0);
        self.off.push((at - left).abs());
        let inside = answer.earliest <= left * 60.0 && left * 60.0 <= answer.latest;
        self.inside.push(f64::from(u8::from(inside)));
    }
}

impl Kind {
    /// Runs one way; `tell` hears of each asking: forecall's answer, its chance, the line's, and minutes left.
    fn run(
        &self,
        seed: u64,
        settings: &DetectSettings,
        tell: &mut dyn FnMut(Answer, f64, Answer, Option<f64>),
    ) {
        let mut state = seed.wrapping_mul(0x5851_F42D_4C95_7F2D) ^ self.name.len() as u64;
        next(&mut state);
        let minutes = self.minutes.0 + (self.minutes.1 - self.minutes.0) * uniform(&mut state);
        let begin = self.days * 86_400.0 + 43_200.0 * uniform(&mut state);
        // A way that ends early stays where it is.
        let ends = if seed.is_multiple_of(ENDS_EARLY) {
            0.4 + 0.4 * uniform(&mut state)
        } else {
            2.0
        };
        let to_limit = (self.limit - self.normal) / self.normal;
        let mut walk = Walk::new(self.metric, self.unit, settings);
        let mut points: Vec<(EventTime, f64)> = Vec::new();
        let curve = |second: f64| {
            let day = (second / 86_400.0 * std::f64::consts::TAU).sin() * self.day;
            let share = ((second - begin) / minutes / 60.0).clamp(0.0, ends);
            self.normal * (1.0 + day) + self.normal * to_limit * (self.shape)(share)
        };
        // When the curve passes.
        let passes = (0..)
            .map(|i| begin + f64::from(i))
            .take(200_000)
            .find(|s| curve(*s) >= self.limit)
            .filter(|_| ends > 1.0);
        let expected = passes.unwrap_or(begin + minutes * 60.0);
        let mut asked = LEFT
            .iter()
            .map(|left| expected - left * 60.0)
            .filter(|s| *s >= begin + GONE_MINUTES * 60.0)
            .collect::<Vec<_>>();
        asked.sort_by(f64::total_cmp);
        let mut next_asked = asked.iter().copied().peekable();
        let mut second = 0.0;
        while second < expected {
            let radius = (-2.0 * uniform(&mut state).ln()).sqrt();
            let noise = radius * (std::f64::consts::TAU * uniform(&mut state)).cos();
            let value = (curve(second) + self.noise * noise).max(0.0);
            let at = EventTime::from_secs(EPOCH + second as i64);
            walk.step(at, value);
            points.push((at, value));
            if next_asked.peek().is_some_and(|s| *s <= second) {
                next_asked.next();
                let (ours, chance) = by_band(&walk, self.unit, at, self.limit);
                let left = passes.map(|s| (s - second) / 60.0);
                tell(ours, chance, by_line(&points, self.limit), left);
            }
            second += self.pace as f64;
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    forecall_stats::median(&mut values).unwrap_or(f64::NAN)
}

pub(crate) fn run(settings: &DetectSettings, table: &mut Table) {
    let mut all = [Sums::default(), Sums::default()];
    for kind in &KINDS {
        let mut sums = [Sums::default(), Sums::default()];
        let mut brier = Vec::new();
        for seed in SEEDS {
            kind.run(seed, settings, &mut |ours, chance, line, left| {
                for (answer, sums) in [ours, line].into_iter().zip(sums.iter_mut().zip(&mut all)) {
                    sums.0.take(answer, left);
                    sums.1.take(answer, left);
                }
                brier.push((chance - f64::from(u8::from(left.is_some()))).powi(2));
            });
        }
        tell(kind.name, &sums, table);
        table.add(
            "ahead, ramps",
            &format!("{}: mean square of the chance's error", kind.name),
            "forecall",
            Figure::mean(&brier),
        );
    }
    tell("all", &all, table);
}

fn tell(name: &str, sums: &[Sums; 2], table: &mut Table) {
    for (detector, sums) in ["forecall", "line of 20"].iter().zip(sums) {
        let over = |values: &[f64]| {
            Figure::over(values.len(), |drawn| {
                median(&drawn.iter().map(|i| values[*i]).collect::<Vec<_>>())
            })
        };
        table.add(
            "ahead, ramps",
            &format!("{name}: minutes off, median"),
            detector,
            over(&sums.off),
        );
        table.add(
            "ahead, ramps",
            &format!("{name}: share within the 80 % interval"),
            detector,
            Figure::mean(&sums.inside),
        );
        table.add(
            "ahead, ramps",
            &format!("{name}: expected within the hour, of those that come"),
            detector,
            Figure::mean(&sums.told),
        );
        table.add(
            "ahead, ramps",
            &format!("{name}: expected within the hour, of those that don't"),
            detector,
            Figure::mean(&sums.told_wrong),
        );
    }
}
