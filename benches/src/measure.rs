//! CPU time, memory, medians and their intervals.

use std::time::Duration;

use anyhow::{Context, Result};
use forecall_bench_input::next;

/// CPU time of a process with all its threads, of this process for `None`.
pub(crate) fn cpu_of(process: Option<u32>) -> Result<Duration> {
    if let Some(id) = process {
        return cpu_with_ended(id);
    }
    let folder = "/proc/self/task";
    let mut nanos = 0_u64;
    for task in std::fs::read_dir(folder).with_context(|| format!("failed to list {folder}"))? {
        // A thread may end while it is looked at.
        let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        nanos += text
            .split(' ')
            .next()
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}

/// Of another process, with the threads that have ended; in steps of 10 ms.
fn cpu_with_ended(process: u32) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
    // The name in brackets may hold spaces; behind it `utime` and `stime` are the 12th and 13th words.
    let rest = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|word| word.parse::<u64>().ok())
        .sum();
    // A tick is 10 ms wherever Linux runs on a PC or a server (`getconf CLK_TCK`).
    Ok(Duration::from_millis(ticks * 10))
}

/// Memory of this process that lies in RAM, in bytes.
pub(crate) fn resident_bytes() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").context("failed to read the memory map")?;
    let line = text
        .lines()
        .find(|l| l.starts_with("Rss:"))
        .context("no Rss in it")?;
    let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib * 1024)
}

/// Runs it and says what CPU time it took.
pub(crate) fn spent<T>(run: impl FnOnce() -> T) -> Result<(Duration, T)> {
    let cpu = cpu_of(None)?;
    let out = run();
    Ok((cpu_of(None)?.saturating_sub(cpu), out))
}

/// A median and the interval that holds it in 95 of 100 resamples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Median {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

fn median_of(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

impl Median {
    /// By 1,000 resamples with a fixed seed.
    pub(crate) fn of(values: &[f64]) -> Self {
        Self::resampled(values, median_of)
    }

    fn resampled(values: &[f64], middle: impl Fn(&mut [f64]) -> f64) -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut middles: Vec<f64> = (0..1_000)
            .map(|_| {
                let mut sample: Vec<f64> = values
                    .iter()
                    .map(|_| values[usize::try_from(next(&mut state) >> 33).unwrap_or(0) % values.len()])
                    .collect();
                middle(&mut sample)
            })
            .collect();
        middles.sort_by(f64::total_cmp);
        Self {
            low: middles[24],
            median: middle(&mut values.to_vec()),
            high: middles[974],
        }
    }

    /// Of the quotients of two variants' figures, pair by pair.
    pub(crate) fn of_ratios(above: &[f64], below: &[f64]) -> Self {
        Self::of(&above.iter().zip(below).map(|(a, b)| a / b).collect::<Vec<_>>())
    }

    /// A quantile instead of the median, with the interval of 1,000 resamples.
    pub(crate) fn quantile(values: &[f64], share: f64) -> Self {
        let at = |sample: &mut [f64]| -> f64 {
            sample.sort_by(f64::total_cmp);
            let place = (share * sample.len() as f64).ceil() as usize;
            sample.get(place.max(1) - 1).copied().unwrap_or(f64::NAN)
        };
        Self::resampled(values, at)
    }

    /// In another unit.
    pub(crate) fn times(self, factor: f64) -> Self {
        Self {
            low: self.low * factor,
            median: self.median * factor,
            high: self.high * factor,
        }
    }

    pub(crate) fn json(self) -> serde_json::Value {
        serde_json::json!({"low": self.low, "median": self.median, "high": self.high})
    }
}

impl std::fmt::Display for Median {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = if self.median.abs() < 10.0 { 2 } else { 0 };
        write!(
            f,
            "{:.digits$} ({:.digits$} to {:.digits$})",
            self.median, self.low, self.high
        )
    }
}
