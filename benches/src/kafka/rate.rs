//! Full decode and detect of a topic from its beginning to its end, beside the bare consumer.

use anyhow::{Result, ensure};

use super::Bench;
use super::product::{Installation, busy, follow};
use super::topic::{self, Topic};
use crate::measure::Median;
use crate::report::{Report, child};
use crate::world::OTLP_POINTS;

/// Reads the topic by `detect` in so many slots; gives records a second and CPU seconds a record.
pub(crate) fn detect(bench: &Bench<'_>, topic: &Topic, run: &str, slots: u32) -> Result<(f64, f64)> {
    let rest = format!(
        "sources: [{{name: bench, topic: {}, format: {}, keyed: true}}]\n{}",
        topic.name, topic.format, TOPOLOGY
    );
    let mut house = Installation::new(bench.bootstrap, bench.binary, run, &rest)?;
    let mut processes = (0..slots)
        .map(|slot| house.start("detect", slot))
        .collect::<Result<Vec<_>>>()?;
    let marks = follow(
        &mut processes,
        |m| m.records("detect"),
        |_, marks| marks.last().is_some_and(|mark| mark.count >= topic.records),
    )?;
    let (records, cpu, wall) = busy(&marks)?;
    Ok((records / wall, cpu / records))
}

/// One place for everything: incidents are of no interest here.
pub(crate) const TOPOLOGY: &str = "topology: {rules: [{service: internet, region: IR-23}]}\n";

fn side_by_side(report: &mut Report, bench: &Bench<'_>, topic: &Topic) -> Result<()> {
    let names = ["bare consumer", "forecall detect", "forecall detect, two slots"];
    let mut rates = [const { Vec::new() }; 3];
    let mut cpus = [const { Vec::new() }; 3];
    for pair in 0..bench.args.pairs {
        let got = child(&["consume", bench.bootstrap, &topic.name])?;
        let number = |name: &str| got[name].as_f64().unwrap_or(f64::NAN);
        ensure!(
            number("records") as u64 == topic.records,
            "the bare consumer missed records"
        );
        rates[0].push(number("records") / number("wall"));
        cpus[0].push(number("cpu") / number("records"));
        let run = format!("rate-{}-{pair}", topic.format.replace('_', "-"));
        for slots in 1..=2 {
            let (rate, cpu) = detect(bench, topic, &format!("{run}-{slots}"), slots)?;
            rates[slots as usize].push(rate);
            cpus[slots as usize].push(cpu);
        }
    }
    let (samples, bytes) = (topic.samples_per_record(), topic.bytes_per_record());
    for (i, name) in names.iter().enumerate() {
        let what = format!("{}, {bytes:.0} B a record: {name}", topic.format);
        if samples > 1.0 {
            report.add(&what, "MB/s", Median::of(&rates[i]).times(bytes / 1e6));
            report.add(&what, "points/s", Median::of(&rates[i]).times(samples));
            report.add(
                &what,
                "CPU s a million points",
                Median::of(&cpus[i]).times(1e6 / samples),
            );
        } else {
            report.add(&what, "records/s", Median::of(&rates[i]));
            report.add(&what, "CPU s a million records", Median::of(&cpus[i]).times(1e6));
        }
    }
    for (slots, by) in [(1, "one slot"), (2, "two slots")] {
        let what = format!("{}: forecall, {by} / bare consumer", topic.format);
        report.add(
            &what,
            "ratio of rates",
            Median::of_ratios(&rates[slots], &rates[0]),
        );
        report.add(
            &what,
            "ratio of CPU a record",
            Median::of_ratios(&cpus[slots], &cpus[0]),
        );
    }
    Ok(())
}

pub(crate) fn run(report: &mut Report, bench: &Bench<'_>) -> Result<()> {
    let flat = topic::flat(bench.bootstrap, &bench.topic("flat"), bench.args.records)?;
    side_by_side(report, bench, &flat)?;
    topic::remove(bench.bootstrap, &[&flat.name])?;
    // As many bytes as four of the flat records: a point takes a sixth of their time.
    let records = bench.args.records / OTLP_POINTS * 4;
    let packed = topic::packed(bench.bootstrap, &bench.topic("otlp"), records, true)?;
    side_by_side(report, bench, &packed)?;
    topic::remove(bench.bootstrap, &[&packed.name])
}
