//! What taking an image costs at a million series. CPU time of the thread, since a busy machine says nothing by its clock.

use forecall_detect::{DetectSettings, DetectStage, SERIES_PER_SHARD_MAX};
use forecall_stage::{Effects, Stage};
use forecall_types::{Reading, SamplesRecord};

use super::{key, record, stage};

/// Rows of a record.
const ROWS: usize = 1_000;
/// Records stepped between two commits, as the host does.
const BATCH: usize = 5;

/// Nanoseconds this thread has run.
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn millis(nanos: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "shown only")]
    let nanos = nanos as f64;
    nanos / 1e6
}

/// Record `n`, of series that are spread over all there are, one second after the last.
fn spread(n: usize, series: usize) -> SamplesRecord {
    let at = 1_000 + i64::try_from(n).unwrap();
    let rows: Vec<_> = (0..ROWS)
        .map(|row| {
            let number = (n * ROWS + row) * 7_919 % series;
            #[allow(clippy::cast_precision_loss, reason = "small")]
            let value = (number % 17) as f64;
            (
                key("m", "", &format!("entity-{number}")),
                at,
                Reading::Gauge(value),
            )
        })
        .collect();
    record(at, at, &rows)
}

fn longest_batch(stage: &mut DetectStage, records: &[SamplesRecord]) -> f64 {
    let mut effects = Effects::default();
    let mut longest = 0;
    for batch in records.chunks(BATCH) {
        let begun = cpu();
        for record in batch {
            stage.step(record, &mut effects);
        }
        longest = longest.max(cpu() - begun);
        effects.clear();
    }
    millis(longest)
}

#[test]
#[ignore = "a measurement: cargo test --release -p forecall-detect -- --ignored --nocapture a_million"]
#[allow(clippy::print_stdout, reason = "it is there to print")]
fn a_million_series_are_saved_beside_the_batches() {
    let series = usize::try_from(SERIES_PER_SHARD_MAX).unwrap() - 1_000;
    let mut stage = stage(DetectSettings {
        series_max: u32::try_from(series).unwrap(),
        lateness_seconds: 1,
        ..DetectSettings::default()
    });
    let rounds = series / ROWS;
    let mut longest: f64 = 0.0;
    for n in 0..2 * rounds {
        longest = longest.max(longest_batch(&mut stage, &[spread(n, series)]));
    }
    println!(
        "{} series; longest record while they came: {longest:.1} ms",
        stage.series()
    );
    let later: Vec<_> = (2 * rounds..2 * rounds + 200)
        .map(|n| spread(n, series))
        .collect();
    let (first, second) = later.split_at(100);
    println!(
        "longest batch of {} samples: {:.2} ms",
        BATCH * ROWS,
        longest_batch(&mut stage, first)
    );
    let begun = cpu();
    let saved = stage.save().unwrap();
    println!(
        "written at once: {:.1} ms, {} bytes",
        millis(cpu() - begun),
        saved.len()
    );
    let begun = cpu();
    let image = stage.image().unwrap();
    println!("image: {:.2} ms", millis(cpu() - begun));
    println!(
        "longest batch while the image is held: {:.2} ms",
        longest_batch(&mut stage, second)
    );
    assert_eq!(image.write().unwrap(), saved);
}
