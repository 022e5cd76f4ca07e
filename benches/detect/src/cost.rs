//! What detection costs: points a CPU second on one core, bytes a series.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, Result};
use forecall_bench_input::next;
use forecall_detect::policy::Origin;
use forecall_detect::rate::Part;
use forecall_detect::{DetectSettings, Detector};
use forecall_types::{EventTime, SourcePartition};

use crate::bootstrap::Figure;
use crate::subject::Forecall;
use crate::table::Table;

/// Series held at once: 4 to 20 MB, more than a core's own cache, less than a shared one.
const SERIES: usize = 10_000;
/// Samples of each before time is taken: past warm-up and full windows.
const WARM: i64 = 400;
const TIMED: i64 = 100;
/// Of few series, whose state stays in the cache.
const HOT_SERIES: usize = 16;

/// CPU nanoseconds of this process.
pub(crate) fn cpu_nanos() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/schedstat").context("failed to read CPU time")?;
    text.split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .context("no number")
}

fn resident_bytes() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").context("failed to read the memory map")?;
    let line = text
        .lines()
        .find(|line| line.starts_with("Rss:"))
        .context("no Rss")?;
    Ok(line
        .split_whitespace()
        .nth(1)
        .context("no number")?
        .parse::<u64>()?
        * 1_024)
}

/// A wave of a day with noise and, in one of a hundred series at a time, trouble.
fn value(series: usize, row: i64, state: &mut u64) -> f64 {
    let noise = (next(state) >> 40) as f64 / f64::from(1_u32 << 24);
    let trouble = (series as i64 + row / 50) % 100 == 0;
    100.0 + (series % 7) as f64 + 4.0 * noise + if trouble { 60.0 } else { 0.0 }
}

struct Fleet {
    detectors: Vec<Detector>,
    state: u64,
}

impl Fleet {
    fn new(count: usize) -> Self {
        Self {
            detectors: (0..count)
                .map(|_| Detector::new("value", "", Part::Same))
                .collect(),
            state: 1,
        }
    }

    /// One sample of each a minute, `rows` of them.
    fn run(&mut self, rows: std::ops::Range<i64>, settings: &DetectSettings) {
        let source = SourcePartition {
            topic: Arc::from("bench"),
            partition: 0,
        };
        for row in rows {
            let at = EventTime::from_secs(1_704_067_200 + row * 60);
            let before = (row > 0).then(|| EventTime::from_secs(1_704_067_200 + (row - 1) * 60));
            for (i, detector) in self.detectors.iter_mut().enumerate() {
                let value = value(i, row, &mut self.state);
                black_box(detector.step((at, before), value, Origin::Record(&source, row), settings));
            }
        }
    }
}

/// The making of the input alone: taken off.
fn input_nanos(count: usize, rows: i64) -> Result<f64> {
    let before = cpu_nanos()?;
    let mut state = 1;
    for row in 0..rows {
        for series in 0..count {
            black_box(value(series, row, &mut state));
        }
    }
    Ok((cpu_nanos()? - before) as f64)
}

fn points_a_second(count: usize, rows: i64, settings: &DetectSettings) -> Result<(f64, Fleet)> {
    let mut fleet = Fleet::new(count);
    fleet.run(0..WARM, settings);
    let before = cpu_nanos()?;
    fleet.run(WARM..WARM + rows, settings);
    let nanos = (cpu_nanos()? - before) as f64 - input_nanos(count, rows)?;
    Ok((count as f64 * rows as f64 * 1e9 / nanos.max(1.0), fleet))
}

/// Adds speed and size of the default, without the scores a replay asks for.
pub(crate) fn run(subject: &Forecall, table: &mut Table) -> Result<()> {
    let settings = DetectSettings {
        emit_scores: false,
        ..subject.settings.clone()
    };
    let empty = resident_bytes()?;
    let (cold, fleet) = points_a_second(SERIES, TIMED, &settings)?;
    let held = resident_bytes()?.saturating_sub(empty) as f64 / SERIES as f64;
    let saved = forecall_stage::encode_state(&fleet.detectors)?.len() as f64 / SERIES as f64;
    drop(fleet);
    let (hot, _) = points_a_second(HOT_SERIES, TIMED * 200, &settings)?;
    let (scored, _) = points_a_second(SERIES, TIMED, &subject.settings)?;
    for (measure, value) in [
        ("million points a CPU second, 16 series", hot / 1e6),
        ("million points a CPU second, 10,000 series in turn", cold / 1e6),
        ("the same, with every score and band", scored / 1e6),
        ("bytes a series in memory, detector only", held),
        ("bytes a series of that in place", size_of::<Detector>() as f64),
        ("bytes a series saved", saved),
    ] {
        table.add("cost", measure, "forecall", Figure::exact(value));
    }
    Ok(())
}
