//! Records without a key, which go through `rekey` and the samples topic, beside the same ones keyed by entity.

use anyhow::{Result, ensure};

use super::Bench;
use super::product::{Installation, Process, follow};
use super::rate::{TOPOLOGY, detect};
use super::topic::{self, Topic};
use crate::measure::Median;
use crate::report::{Report, child};
use crate::world::OTLP_POINTS;

/// What came out of one run over the topic without keys.
struct Unkeyed {
    points_per_second: f64,
    cpu_per_point: f64,
    payload_per_point: f64,
    line_per_point: f64,
}

fn unkeyed(bench: &Bench<'_>, topic: &Topic, run: &str) -> Result<Unkeyed> {
    let rest = format!(
        "sources: [{{name: bench, topic: {}, format: {}, keyed: false}}]\n{TOPOLOGY}",
        topic.name, topic.format
    );
    let mut house = Installation::new(bench.bootstrap, bench.binary, run, &rest)?;
    let mut processes = [house.start("detect", 0)?];
    // Both stages' records: the first mark is rekey's, the last detect's. Marks of time go on for ever, so quiet is no end.
    let marks = follow(
        &mut processes,
        |m| m.records("rekey") + m.records("detect"),
        |metrics, _| {
            let sent = metrics.sum("forecall_outputs_total", &[("stage", "rekey")]) as u64;
            metrics.records("rekey") >= topic.records
                && metrics.records("detect") >= sent
                && metrics.sum("forecall_lag_records", &[("stage", "detect")]) == 0.0
        },
    )?;
    ensure!(
        marks.len() >= 3,
        "it was over in less than three seconds: give more --records"
    );
    let (first, last) = (marks[0], marks[marks.len() - 1]);
    // What was re-keyed before the first mark doesn't count: its CPU time doesn't either.
    let points = (topic.records - first.count.min(topic.records)) as f64 * topic.samples_per_record();
    // Its marks of time would go on while the topic is weighed.
    processes.into_iter().try_for_each(Process::stop)?;
    let samples = house.topic("samples");
    let got = child(&["weigh", bench.bootstrap, &samples])?;
    let bytes = |name: &str| got[name].as_f64().unwrap_or(f64::NAN) / topic.samples as f64;
    topic::remove(bench.bootstrap, &[&samples])?;
    Ok(Unkeyed {
        points_per_second: points / (last.at - first.at).as_secs_f64(),
        cpu_per_point: last.cpu.saturating_sub(first.cpu).as_secs_f64() / points,
        payload_per_point: bytes("bytes"),
        line_per_point: bytes("line_bytes"),
    })
}

pub(crate) fn run(report: &mut Report, bench: &Bench<'_>) -> Result<()> {
    let records = bench.args.records / OTLP_POINTS * 2;
    let keyed = topic::packed(bench.bootstrap, &bench.topic("keyed"), records, true)?;
    let loose = topic::packed(bench.bootstrap, &bench.topic("unkeyed"), records, false)?;
    let mut rates = [Vec::new(), Vec::new()];
    let mut cpus = [Vec::new(), Vec::new()];
    let (mut payload, mut line) = (Vec::new(), Vec::new());
    for pair in 0..bench.args.pairs {
        let (rate, cpu) = detect(bench, &keyed, &format!("keyed-{pair}"), 1)?;
        rates[0].push(rate * keyed.samples_per_record());
        cpus[0].push(cpu / keyed.samples_per_record());
        let got = unkeyed(bench, &loose, &format!("unkeyed-{pair}"))?;
        rates[1].push(got.points_per_second);
        cpus[1].push(got.cpu_per_point);
        payload.push(got.payload_per_point);
        line.push(got.line_per_point);
    }
    for (i, name) in ["keyed, detect", "nil keys, rekey and detect"].iter().enumerate() {
        let what = format!(
            "otlp_proto, {:.0} B a point: {name}",
            loose.bytes as f64 / loose.samples as f64
        );
        report.add(&what, "points/s", Median::of(&rates[i]));
        report.add(&what, "CPU s a million points", Median::of(&cpus[i]).times(1e6));
    }
    let what = "otlp_proto: nil keys / keyed";
    report.add(what, "ratio of rates", Median::of_ratios(&rates[1], &rates[0]));
    report.add(
        what,
        "ratio of CPU a point",
        Median::of_ratios(&cpus[1], &cpus[0]),
    );
    report.add("samples topic: key and value", "B a point", Median::of(&payload));
    report.add(
        "samples topic: lz4, as it is sent",
        "B a point",
        Median::of(&line),
    );
    topic::remove(bench.bootstrap, &[&keyed.name, &loose.name])
}
