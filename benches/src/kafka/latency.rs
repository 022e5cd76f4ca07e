//! From the record that lets the watermark pass to the incident on its topic, under a load that doesn't wait; beside the same
//! two hops copying only.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forecall_types::{AnomalyState, CorrelateEntry, EventTime};
use forecall_wire::event::{decode_correlate_entry, decode_incident_event};

use super::Bench;
use super::host::now_millis;
use super::product::{Installation, busy, follow};
use super::reader::{Reader, Seen};
use super::topic::{self, PARTITIONS};
use crate::measure::Median;
use crate::report::Report;

/// As it is configured here: the shortest that a load in order needs.
const LATENESS_SECONDS: u32 = 1;
const SERIES: u32 = 3_000;
const CALM_SECONDS: u32 = 15;
const GAP_MS: u32 = 500;
/// For the last incident to come out.
const AFTER_SECONDS: u32 = 8;
/// How long the load is as much as can be, to find out what half of it is.
const CAPACITY_SECONDS: u32 = 12;

/// A process of this program that ends with its standard input, and is killed when dropped.
pub(crate) struct Helper(Child);

impl Helper {
    pub(crate) fn start(args: &[&str]) -> Result<Self> {
        let exe = std::env::current_exe().context("failed to find this program")?;
        let child = Command::new(exe)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("failed to start a process")?;
        Ok(Self(child))
    }

    fn wait(mut self) -> Result<()> {
        // Its standard input stays open until it has ended by itself.
        let input = self.0.stdin.take();
        let status = self.0.wait()?;
        drop(input);
        ensure!(status.success(), "a process ended with {status}");
        Ok(())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Records a second that show that they are read.
const GENTLE: u32 = 2_000;

fn load(bench: &Bench<'_>, topic: &str, rate: u32, seconds: u32, probes: u32) -> Result<Helper> {
    let text = [rate, SERIES, seconds, probes, CALM_SECONDS, GAP_MS].map(|number| number.to_string());
    let names = [
        "--rate",
        "--series",
        "--seconds",
        "--probes",
        "--calm-seconds",
        "--gap-ms",
    ];
    let mut args = vec!["load", "--bootstrap", bench.bootstrap, "--topic", topic];
    for (name, number) in names.iter().zip(&text) {
        args.extend([*name, number.as_str()]);
    }
    Helper::start(&args)
}

fn configuration(topic: &str) -> String {
    format!(
        "sources: [{{name: bench, topic: {topic}, format: flat_json, keyed: true}}]
topology: {{rules: [{{service: internet, region_label: region}}]}}
detect: {{lateness_seconds: {LATENESS_SECONDS}}}
correlate: {{evaluate_every_seconds: 1, predict_for_seconds: 1}}
objectives: [{{metric: probe.rtt, above: 100, for_seconds: 1}}]
"
    )
}

/// Half of what `detect` reads while the load is as much as can be: the load takes its share of the machine there too.
fn half_capacity(bench: &Bench<'_>) -> Result<u32> {
    let name = bench.topic("capacity");
    topic::create(bench.bootstrap, &[(&name, PARTITIONS)])?;
    let mut house = Installation::new(bench.bootstrap, bench.binary, "capacity", &configuration(&name))?;
    let mut detect = house.start("detect", 0)?;
    // It has its partitions before the broker has its hands full: under such a load one may wait a minute for an answer.
    let gentle = load(bench, &name, GENTLE, CAPACITY_SECONDS * 10, 0)?;
    follow(
        std::slice::from_mut(&mut detect),
        |m| m.records("detect"),
        |_, marks| !marks.is_empty(),
    )?;
    drop(gentle);
    let _load = load(bench, &name, 0, CAPACITY_SECONDS * 5, 0)?;
    let enough = usize::try_from(CAPACITY_SECONDS)?;
    let marks = follow(
        std::slice::from_mut(&mut detect),
        |m| m.records("detect"),
        |_, marks| marks.len() >= enough,
    )?;
    let (records, _, wall) = busy(&marks[3..])?;
    topic::remove(bench.bootstrap, &[&name])?;
    Ok((records / wall / 2.0) as u32)
}

/// Milliseconds of each step of the way.
#[derive(Default)]
struct Ways(BTreeMap<&'static str, Vec<f64>>);

impl Ways {
    fn add(&mut self, way: &'static str, millis: i64) {
        self.0.entry(way).or_default().push(millis as f64);
    }

    fn join(&mut self, other: Self) {
        for (way, values) in other.0 {
            self.0.entry(way).or_default().extend(values);
        }
    }

    fn tell(&self, report: &mut Report, of: &str, names: &[&'static str]) {
        for name in names {
            let values = self.0.get(name).map_or(&[][..], Vec::as_slice);
            let what = format!("{of}: {name} (n = {})", values.len());
            report.add(&what, "ms, p50", Median::quantile(values, 0.5));
            report.add(&what, "ms, p99", Median::quantile(values, 0.99));
        }
    }
}

const TO_ANOMALY: &str = "record to anomaly on its topic";
const TO_BEAT: &str = "record to the slowest partition's heartbeat on its topic";
const TO_INCIDENT: &str = "that heartbeat to incident on its topic";
const ALL: &str = "record to incident on its topic, in all";

fn millis(at: EventTime) -> i64 {
    at.nanos() / 1_000_000
}

/// What the product's topics say. The record that lets the watermark pass is dated the lateness after what it lets pass.
fn judge(seen: &[Seen], anomalies: &str, incidents: &str) -> Result<Ways> {
    let mut ways = Ways::default();
    let lateness = i64::from(LATENESS_SECONDS) * 1_000;
    // By partition: when which watermark was seen.
    let mut beats: BTreeMap<i32, Vec<(i64, i64)>> = BTreeMap::new();
    for record in seen.iter().filter(|record| record.topic == anomalies) {
        let entry = decode_correlate_entry(&record.headers, &record.value)
            .map_err(|reject| anyhow::anyhow!("{}: {}", record.topic, reject.detail))?;
        match entry {
            CorrelateEntry::Anomaly(anomaly) if anomaly.state == AnomalyState::Opened => {
                ways.add(TO_ANOMALY, record.at - millis(anomaly.at) - lateness);
            }
            CorrelateEntry::Heartbeat(beat) => beats
                .entry(beat.source.partition)
                .or_default()
                .push((millis(beat.watermark.time()), record.at)),
            CorrelateEntry::Anomaly(_)
            | CorrelateEntry::Summary(_)
            | CorrelateEntry::Tick(_)
            | CorrelateEntry::Feedback(_)
            | CorrelateEntry::Service(_)
            | CorrelateEntry::Command(_) => {}
        }
    }
    for record in seen.iter().filter(|record| record.topic == incidents) {
        let event = decode_incident_event(&record.headers, &record.value)
            .map_err(|reject| anyhow::anyhow!("{}: {}", record.topic, reject.detail))?;
        if event.incident.revision != 1 {
            continue;
        }
        let step = millis(event.incident.at);
        let told = beats
            .values()
            .filter_map(|beats| beats.iter().find(|(watermark, _)| *watermark >= step))
            .map(|(_, seen)| *seen)
            .max()
            .context("no heartbeat was seen")?;
        ways.add(TO_BEAT, told - step - lateness);
        ways.add(TO_INCIDENT, record.at - told);
        ways.add(ALL, record.at - step - lateness);
    }
    Ok(ways)
}

fn product(bench: &Bench<'_>, rate: u32, pair: u32) -> Result<Ways> {
    let name = bench.topic(&format!("latency-{pair}"));
    topic::create(bench.bootstrap, &[(&name, PARTITIONS)])?;
    let what = format!("latency-{pair}");
    let mut house = Installation::new(bench.bootstrap, bench.binary, &what, &configuration(&name))?;
    let (anomalies, incidents) = (house.topic("anomalies"), house.topic("incidents"));
    let reader = Reader::start(bench.bootstrap, &[&anomalies, &incidents])?;
    let detect = house.start("detect", 0)?;
    let correlate = house.start("correlate", 0)?;
    let probes = bench.args.incidents;
    load(
        bench,
        &name,
        rate,
        CALM_SECONDS + probes * GAP_MS / 1_000 + AFTER_SECONDS,
        probes,
    )?
    .wait()?;
    std::thread::sleep(Duration::from_secs(3));
    let ways = judge(&reader.take(), &anomalies, &incidents);
    drop((detect, correlate));
    topic::remove(bench.bootstrap, &[&name])?;
    ways
}

/// Two hosts that copy what the probes send.
fn copies(bench: &Bench<'_>, rate: u32, pair: u32) -> Result<Ways> {
    let names = ["in", "first", "second"].map(|place| bench.topic(&format!("copy-{pair}-{place}")));
    let [input, first, second] = &names;
    topic::create(
        bench.bootstrap,
        &[(input, PARTITIONS), (first, PARTITIONS), (second, PARTITIONS)],
    )?;
    let reader = Reader::start(bench.bootstrap, &[first, second])?;
    let host = |from: &str, to: &str, group: &str| {
        let common = ["host", "--copy", "--bootstrap", bench.bootstrap];
        let places = ["--from", from, "--to", to, "--group", group];
        Helper::start(&[&common[..], &places[..]].concat())
    };
    let one = host(input, first, &format!("{input}.group"))?;
    let two = host(first, second, &format!("{first}.group"))?;
    // Copies are many: as long as the product's run needs for a third of its incidents is enough.
    let probes = bench.args.incidents;
    let seconds = CALM_SECONDS + probes * GAP_MS / 3_000 + AFTER_SECONDS;
    // The groups' joining is no part of it.
    let counted_from = now_millis() + i64::from(CALM_SECONDS) * 1_000;
    load(bench, input, rate, seconds, probes)?.wait()?;
    std::thread::sleep(Duration::from_secs(3));
    let mut ways = Ways::default();
    let mut arrived: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
    for record in reader.take() {
        let value: serde_json::Value = serde_json::from_slice(&record.value)?;
        let made = value["ts"].as_i64().context("no time in a copy")?;
        if made < counted_from {
            continue;
        }
        if record.topic == *first {
            ways.add(COPY_FIRST, record.at - made);
            arrived.insert(record.value, record.at);
        } else {
            if let Some(before) = arrived.get(&record.value) {
                ways.add(COPY_SECOND, record.at - before);
            }
            ways.add(COPY_ALL, record.at - made);
        }
    }
    drop((one, two));
    let topics: Vec<&str> = names.iter().map(String::as_str).collect();
    topic::remove(bench.bootstrap, &topics)?;
    Ok(ways)
}

const COPY_FIRST: &str = "record to its copy on the first topic";
const COPY_SECOND: &str = "that copy to its copy on the second topic";
const COPY_ALL: &str = "record to the second copy, in all";

pub(crate) fn run(report: &mut Report, bench: &Bench<'_>) -> Result<()> {
    let rate = match bench.args.rate {
        Some(rate) => rate,
        None => half_capacity(bench)?,
    };
    report.add(
        "load, records a second (half of what is read while the load is as much as can be)",
        "records/s",
        Median::of(&[f64::from(rate)]),
    );
    let (mut ours, mut theirs) = (Ways::default(), Ways::default());
    for turn in 0..bench.args.turns {
        ours.join(product(bench, rate, turn)?);
        theirs.join(copies(bench, rate, turn)?);
    }
    ours.tell(report, "forecall", &[TO_ANOMALY, TO_BEAT, TO_INCIDENT, ALL]);
    theirs.tell(report, "copying only", &[COPY_FIRST, COPY_SECOND, COPY_ALL]);
    Ok(())
}
