//! What is scored beside forecall: the detectors everybody would write first.

use std::collections::VecDeque;

use forecall_types::EventTime;

use crate::subject::{Method, Scored};

/// |x − mean| / sd of the 200 values before.
pub(crate) struct ZScore {
    pub(crate) floor: Floor,
}

/// |x − fading mean| / fading sd.
pub(crate) struct Ewma {
    pub(crate) floor: Floor,
}

/// What keeps a scale from being nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Floor {
    /// A millionth of the level: what a textbook has.
    Tiny,
    /// And a hundredth of the span the series has shown: what somebody would find who tried a while.
    Span,
}

/// Both floors of both, and NAB's.
pub(crate) fn all() -> Vec<Box<dyn Method>> {
    vec![
        Box::new(ZScore { floor: Floor::Tiny }),
        Box::new(ZScore { floor: Floor::Span }),
        Box::new(Ewma { floor: Floor::Tiny }),
        Box::new(Ewma { floor: Floor::Span }),
        Box::new(WindowedGaussian),
    ]
}

/// Tail of a normal distribution over 6,400 values, moved on by 100: as NAB's `windowedGaussian`.
pub(crate) struct WindowedGaussian;

const Z_WINDOW: usize = 200;
const EWMA_RATE: f64 = 0.05;
const GAUSSIAN_WINDOW: usize = 6_400;
const GAUSSIAN_STEP: usize = 100;

fn scored(score: Vec<f64>) -> Scored {
    Scored {
        score,
        ..Scored::default()
    }
}

impl Method for ZScore {
    fn name(&self) -> &str {
        match self.floor {
            Floor::Tiny => "z-score 200",
            Floor::Span => "z-score 200, floor",
        }
    }

    fn run(&self, _: &str, points: &[(EventTime, f64)]) -> Scored {
        let mut ring: VecDeque<f64> = VecDeque::with_capacity(Z_WINDOW);
        let (mut sum, mut squares, mut origin) = (0.0, 0.0, 0.0);
        let mut least = Least::new(self.floor);
        let mut out = Vec::with_capacity(points.len());
        for (i, (_, value)) in points.iter().enumerate() {
            if i > 0 {
                least.see(points[i - 1].1);
            }
            // Sums about a value of the window, made anew now and then, don't lose digits.
            if i % Z_WINDOW == 0 {
                origin = ring.back().copied().unwrap_or(*value);
                sum = ring.iter().map(|v| v - origin).sum();
                squares = ring.iter().map(|v| (v - origin).powi(2)).sum();
            }
            let n = ring.len() as f64;
            let mean = sum / n.max(1.0);
            let sd = (squares / n.max(1.0) - mean * mean).max(0.0).sqrt();
            let far = (value - origin - mean).abs();
            out.push(if ring.len() < 20 {
                0.0
            } else {
                far / (sd + least.at(mean + origin))
            });
            if ring.len() == Z_WINDOW
                && let Some(old) = ring.pop_front()
            {
                sum -= old - origin;
                squares -= (old - origin).powi(2);
            }
            ring.push_back(*value);
            sum += value - origin;
            squares += (value - origin).powi(2);
        }
        scored(out)
    }
}

const SPAN_SHARE: f64 = 0.01;

/// The least scale, as a series goes on.
struct Least {
    floor: Floor,
    low: f64,
    high: f64,
}

impl Least {
    const fn new(floor: Floor) -> Self {
        Self {
            floor,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
        }
    }

    fn see(&mut self, value: f64) {
        (self.low, self.high) = (self.low.min(value), self.high.max(value));
    }

    fn at(&self, level: f64) -> f64 {
        let tiny = 1e-6 * level.abs() + 1e-9;
        match self.floor {
            Floor::Tiny => tiny,
            Floor::Span => tiny + SPAN_SHARE * (self.high - self.low).max(0.0),
        }
    }
}

impl Method for Ewma {
    fn name(&self) -> &str {
        match self.floor {
            Floor::Tiny => "EWMA residual",
            Floor::Span => "EWMA residual, floor",
        }
    }

    fn run(&self, _: &str, points: &[(EventTime, f64)]) -> Scored {
        let (mut mean, mut variance) = (0.0, 0.0);
        let mut least = Least::new(self.floor);
        let mut out = Vec::with_capacity(points.len());
        for (i, (_, value)) in points.iter().enumerate() {
            if i > 0 {
                least.see(points[i - 1].1);
            }
            if i == 0 {
                mean = *value;
            }
            let far: f64 = value - mean;
            let sd = f64::sqrt(variance);
            out.push(if i < 20 {
                0.0
            } else {
                far.abs() / (sd + least.at(mean))
            });
            // West 1979 with a fixed rate.
            let rate = EWMA_RATE.max(1.0 / (i as f64 + 1.0));
            mean += rate * far;
            variance = (1.0 - rate) * (variance + rate * far * far);
        }
        scored(out)
    }
}

impl Method for WindowedGaussian {
    fn name(&self) -> &str {
        "windowed Gaussian"
    }

    fn run(&self, _: &str, points: &[(EventTime, f64)]) -> Scored {
        let mut window: Vec<f64> = Vec::with_capacity(GAUSSIAN_WINDOW + GAUSSIAN_STEP);
        let (mut mean, mut sd, mut about) = (0.0, 1.0, 0.0);
        let mut out = Vec::with_capacity(points.len());
        for (_, value) in points {
            let tail = forecall_stats::normal_upper((value - mean).abs() / sd);
            out.push(if window.is_empty() { 0.0 } else { 1.0 - tail });
            window.push(*value);
            if window.len() <= GAUSSIAN_WINDOW {
                // Welford 1962, while the window grows.
                let (n, far) = (window.len() as f64, value - mean);
                mean += far / n;
                about += far * (value - mean);
                sd = (about / n).max(0.0).sqrt();
            } else if window.len() == GAUSSIAN_WINDOW + GAUSSIAN_STEP {
                window.drain(..GAUSSIAN_STEP);
                let n = window.len() as f64;
                mean = window.iter().sum::<f64>() / n;
                sd = (window.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
            }
            if sd == 0.0 {
                sd = 1e-6;
            }
        }
        scored(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(n: i64) -> Vec<(EventTime, f64)> {
        (0..n)
            .map(|i| (EventTime::from_secs(i), 1e6 + ((i * 37) % 11) as f64))
            .collect()
    }

    #[test]
    fn a_jump_stands_out_and_sums_hold_their_digits() {
        let mut points = points(3_000);
        points[2_500].1 += 50.0;
        for method in all() {
            let got = method.run("x", &points).score;
            let best = got
                .iter()
                .enumerate()
                .max_by(|a, b| a.1.total_cmp(b.1))
                .map(|(i, _)| i);
            assert_eq!(best, Some(2_500), "{}", method.name());
        }
        let window: Vec<f64> = points[2_300..2_500].iter().map(|(_, v)| *v).collect();
        let mean = window.iter().sum::<f64>() / 200.0;
        let sd = (window.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 200.0).sqrt();
        let by_hand = (points[2_500].1 - mean).abs() / (sd + Least::new(Floor::Tiny).at(mean));
        assert!(((ZScore { floor: Floor::Tiny }).run("x", &points).score[2_500] - by_hand).abs() < 1e-6);
    }
}
