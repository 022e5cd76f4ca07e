//! From SIGKILL to the first new committed output, with a million series in memory: the same slot started again, and another
//! slot that takes over.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::host::now_millis;
use super::latency::Helper;
use super::product::{Installation, Process, follow};
use super::rate::TOPOLOGY;
use super::reader::Reader;
use super::topic::{self, Filler, PARTITIONS};
use crate::measure::Median;
use crate::report::Report;
use crate::world::flat_json;

const INTERVAL_SECONDS: u32 = 10;
/// Records a second while it is killed and comes back.
const TRICKLE: &str = "5000";
/// A takeover waits for the session, 10 s, and for the broker to end the dead one's transaction, looked for every 10 s.
const BACK_WITHIN: Duration = Duration::from_secs(120);

/// Seconds of each part, by name.
type Parts = Vec<(&'static str, f64)>;

const ALL: &str = "SIGKILL to first new committed output";

fn configuration(topic: &str, series: u32) -> String {
    format!(
        "sources: [{{name: bench, topic: {topic}, format: flat_json, keyed: true}}]
detect: {{series_max: {}}}
state: {{path: $FOLDER/state, interval_seconds: {INTERVAL_SECONDS}}}
{TOPOLOGY}",
        (series / 8).clamp(1_000, 1_000_000)
    )
}

/// One sample of each series, at the present.
fn fill(bench: &Bench<'_>, topic: &str, series: u32) -> Result<u64> {
    let mut filler = Filler::new(bench.bootstrap, 50)?;
    for number in 0..series {
        let at = now_millis();
        let value = flat_json(number, 0, at);
        filler.put(
            topic,
            number / 10 % PARTITIONS.unsigned_abs(),
            value.as_bytes(),
            at,
        )?;
    }
    filler.finish()?;
    Ok(filler.records)
}

/// Until every partition has been saved since the call.
fn await_snapshots(process: &mut Process, times: f64) -> Result<()> {
    let saved = |m: &super::product::Metrics| {
        m.sum(
            "forecall_snapshots_total",
            &[("stage", "detect"), ("result", "saved")],
        )
    };
    let mut wanted = None;
    follow(
        std::slice::from_mut(process),
        |_| 0,
        |metrics, _| {
            let now = saved(metrics);
            now >= *wanted.get_or_insert(now + f64::from(PARTITIONS) * times)
        },
    )?;
    Ok(())
}

/// Milliseconds since 1970 of the first or last line that says this.
fn line_at(process: &Process, says: &str, last: bool) -> Option<i64> {
    let lines = process.lines();
    let mut times = lines
        .iter()
        .filter(|line| line["message"].as_str().is_some_and(|m| m.starts_with(says)));
    let found = if last { times.next_back() } else { times.next() }?;
    let at: jiff::Timestamp = found["timestamp"].as_str()?.parse().ok()?;
    Some(at.as_millisecond())
}

/// Kills the process and starts one as `slot`; gives it and the parts of the time until it has committed something.
fn kill(
    house: &mut Installation,
    process: &mut Process,
    reader: &Reader,
    slot: u32,
) -> Result<(Process, Parts)> {
    process.kill();
    let killed = now_millis();
    // What the dead one had committed was appended before; a record appended later is the new one's.
    reader.take();
    let back = house.start("detect", slot)?;
    let begun = Instant::now();
    let seen = loop {
        let first = reader.take().into_iter().find(|record| record.stamp > killed);
        if let Some(record) = first {
            break record.at;
        }
        ensure!(
            begun.elapsed() < BACK_WITHIN,
            "nothing was committed in two minutes"
        );
        std::thread::sleep(Duration::from_millis(2));
    };
    // Lines of what takes place after the first output are of no interest: it may come from the first partition back.
    let until = |at: Option<i64>| at.unwrap_or(seen).min(seen);
    let asked = until(line_at(&back, "choosing where to begin", false));
    let read = until(line_at(&back, "partition taken over", true));
    let restored = until(line_at(&back, "restored", true).or(Some(read))).max(read);
    let seconds = |from: i64, to: i64| (to - from).max(0) as f64 / 1e3;
    let parts = vec![
        (ALL, seconds(killed, seen)),
        (
            "of it: start, the group's answer, committed positions",
            seconds(killed, asked),
        ),
        ("of it: snapshots read", seconds(asked, read)),
        (
            "of it: re-reading up to the committed position",
            seconds(read, restored),
        ),
        ("of it: the first transaction", seconds(restored, seen)),
    ];
    Ok((back, parts))
}

fn tell(report: &mut Report, what: &str, all: &[Parts]) {
    let Some(first) = all.first() else {
        return;
    };
    for (place, (name, _)) in first.iter().enumerate() {
        let values: Vec<f64> = all.iter().map(|parts| parts[place].1).collect();
        let figure = format!("{what}: {name} (n = {})", values.len());
        report.add(&figure, "s, p50", Median::quantile(&values, 0.5));
        report.add(&figure, "s, p95", Median::quantile(&values, 0.95));
    }
}

pub(crate) fn run(report: &mut Report, bench: &Bench<'_>) -> Result<()> {
    let name = bench.topic("recovery");
    let series = bench.args.series;
    topic::create(bench.bootstrap, &[(&name, PARTITIONS)])?;
    let records = fill(bench, &name, series)?;
    let mut house = Installation::new(
        bench.bootstrap,
        bench.binary,
        "recovery",
        &configuration(&name, series),
    )?;
    let reader = Reader::start(bench.bootstrap, &[&house.topic("anomalies")])?;
    let mut process = house.start("detect", 0)?;
    let done = |marks: &[super::product::Mark]| marks.last().is_some_and(|mark| mark.count >= records);
    follow(
        std::slice::from_mut(&mut process),
        |m| m.records("detect"),
        |_, marks| done(marks),
    )?;
    let text = series.to_string();
    let _trickle = Helper::start(&[
        "load",
        "--bootstrap",
        bench.bootstrap,
        "--topic",
        &name,
        "--rate",
        TRICKLE,
        "--series",
        &text,
    ])?;
    let begun = Instant::now();
    await_snapshots(&mut process, 1.0)?;
    report.add(
        "snapshots of all partitions, once",
        "s",
        Median::of(&[begun.elapsed().as_secs_f64()]),
    );
    let mut same = Vec::new();
    for kill_number in 0..bench.args.kills {
        // At another place between two snapshots each time.
        std::thread::sleep(Duration::from_millis(u64::from(kill_number) * 2_617 % 7_000));
        let (back, parts) = kill(&mut house, &mut process, &reader, 0)?;
        process = back;
        same.push(parts);
        await_snapshots(&mut process, 1.0)?;
    }
    tell(report, &format!("{series} series, same slot"), &same);
    let mut other = Vec::new();
    for takeover in 0..bench.args.takeovers {
        let (back, parts) = kill(&mut house, &mut process, &reader, takeover + 1)?;
        process = back;
        other.push(parts);
        await_snapshots(&mut process, 1.0)?;
    }
    tell(report, &format!("{series} series, another slot"), &other);
    drop(process);
    topic::remove(bench.bootstrap, &[&name]).context("failed to clean up")
}
