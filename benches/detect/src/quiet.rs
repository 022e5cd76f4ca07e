//! Quiet data: seeded series of many natures in which nothing ever happens. Whatever is told of them is false.

use forecall_bench_input::{next, normal, uniform};
use forecall_types::EventTime;

/// Seconds between samples.
pub(crate) const PACE: i64 = 60;
/// Days of a series: a month.
pub(crate) const DAYS: i64 = 30;
/// A Monday, midnight, UTC.
const EPOCH: i64 = 1_704_067_200;

/// One nature: its name, the metric's name, and the value at a sample.
pub(crate) struct Nature {
    pub(crate) name: &'static str,
    pub(crate) metric: &'static str,
    value: fn(&mut Source, i64) -> f64,
}

/// Seeded numbers, and what a series remembers.
pub(crate) struct Source {
    state: u64,
    last: f64,
}

impl Source {
    fn normal(&mut self) -> f64 {
        normal(&mut self.state)
    }

    fn poisson(&mut self, mean: f64) -> f64 {
        // Knuth: multiply until below e^-mean; the means here are small.
        let least = (-mean).exp();
        let (mut count, mut product) = (0.0, uniform(&mut self.state));
        while product > least {
            count += 1.0;
            product *= uniform(&mut self.state);
        }
        count
    }

    fn student(&mut self, freedom: usize) -> f64 {
        let squares: f64 = (0..freedom).map(|_| self.normal().powi(2)).sum();
        self.normal() / (squares / freedom as f64).sqrt()
    }
}

fn day(i: i64) -> f64 {
    ((i * PACE).rem_euclid(86_400)) as f64 / 86_400.0 * std::f64::consts::TAU
}

fn is_weekend(i: i64) -> bool {
    (i * PACE).div_euclid(86_400).rem_euclid(7) >= 5
}

/// Lying the same all month, whatever it is.
pub(crate) const NATURES: [Nature; 12] = [
    Nature {
        name: "normal",
        metric: "value",
        value: |s, _| 100.0 + 5.0 * s.normal(),
    },
    Nature {
        name: "heavy tail (Student, 3)",
        metric: "value",
        value: |s, _| 100.0 + 5.0 * s.student(3),
    },
    Nature {
        name: "log-normal latency",
        metric: "request.latency",
        value: |s, _| (3.0 + 0.5 * s.normal()).exp(),
    },
    Nature {
        name: "counts, 0.2 a minute",
        metric: "errors",
        value: |s, _| s.poisson(0.2),
    },
    Nature {
        name: "counts, 5 a minute",
        metric: "requests",
        value: |s, _| s.poisson(5.0),
    },
    Nature {
        name: "autoregressive, 0.95",
        metric: "value",
        value: |s, _| {
            s.last = 0.95 * s.last + s.normal();
            100.0 + 2.0 * s.last
        },
    },
    Nature {
        name: "daily wave",
        metric: "value",
        value: |s, i| 100.0 + 40.0 * day(i).sin() + 5.0 * s.normal(),
    },
    Nature {
        name: "weekly traffic",
        metric: "requests.throughput",
        value: |s, i| {
            let busy = if is_weekend(i) { 0.4 } else { 1.0 };
            let mean = 200.0 * busy * (1.2 - day(i).cos());
            mean + mean.sqrt() * s.normal()
        },
    },
    Nature {
        name: "bounded ratio, 1 in 200",
        metric: "success.ratio",
        value: |s, _| 1.0 - s.poisson(1.0).min(200.0) / 200.0,
    },
    Nature {
        name: "rate of a counter",
        metric: "packets",
        value: |s, _| s.poisson(40.0) / 60.0,
    },
    Nature {
        name: "rounded to whole",
        metric: "value",
        value: |s, _| (20.0 + 0.7 * s.normal()).round(),
    },
    Nature {
        name: "constant",
        metric: "value",
        value: |_, _| 45.0,
    },
];

impl Nature {
    /// A month of it, by its number among its likes.
    pub(crate) fn series(&self, number: u64) -> Vec<(EventTime, f64)> {
        let mut state = number.wrapping_mul(0x5851_F42D_4C95_7F2D) ^ self.name.len() as u64;
        next(&mut state);
        let mut source = Source { state, last: 0.0 };
        (0..DAYS * 86_400 / PACE)
            .map(|i| {
                (
                    EventTime::from_secs(EPOCH + i * PACE),
                    (self.value)(&mut source, i),
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_series_is_the_same_each_time_and_its_mean_is_right() {
        for (nature, mean, off) in [
            (0, 100.0, 0.2),
            (3, 0.2, 0.02),
            (4, 5.0, 0.1),
            (6, 100.0, 0.5),
            (9, 0.667, 0.01),
        ] {
            let nature = &NATURES[nature];
            let series = nature.series(1);
            assert_eq!(series, nature.series(1));
            assert_ne!(series, nature.series(2));
            let got = series.iter().map(|(_, v)| v).sum::<f64>() / series.len() as f64;
            assert!((got - mean).abs() < off, "{}: {got}", nature.name);
        }
    }
}
