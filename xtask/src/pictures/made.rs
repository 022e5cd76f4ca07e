//! Pictures of what no single recording shows: an entity that stops, and one of a group that leaves the others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::svg::{self, Point, Said};
use super::{events, replay, shown_time, text_of};

/// Of two machines that are measured every five minutes one says nothing for five hours.
const STOPS: &str = "nab/realAWSCloudwatch/ec2_cpu_utilization_825cc2.csv";
const GOES_ON: &str = "nab/realAWSCloudwatch/rds_cpu_utilization_e47b3b.csv";
const STOPPED: (&str, &str) = ("2014-04-19 06:00:00", "2014-04-19 11:00:00");
const STOPPED_SHOWN: (&str, &str) = ("2014-04-18 12:00:00", "2014-04-20 12:00:00");

/// Ten pods of one application, with faults put into them one after another.
const PODS: &str = "nezha/2022-08-22/metric";
const POD: &str = "recommendationservice-";
const PODS_SHOWN: (&str, &str) = ("2022-08-22 05:00:00", "2022-08-22 09:00:00");
/// The rule of the group, and nothing else.
const PODS_CONFIG: &str = "domain: replay\nsimulated: true\ndetect:\n  peers:\n    - name: pods\n      match: {service.name: shop}\n      metrics: [\"*\"]\n";

/// The limit of a disk, and nothing else.
const DISK_CONFIG: &str =
    "domain: replay\nsimulated: true\ndetect:\n  limits:\n    - {metric: disk.utilization, above: 95}\n";
/// The minute from which it fills up.
const FILLS_FROM: u32 = 11 * 60;
/// A linear congruential sequence (Knuth's MMIX).
const FACTOR: u64 = 6_364_136_223_846_793_005;
const ADDEND: u64 = 1_442_695_040_888_963_407;

/// A line of a JSONL input.
fn line(at: &str, series: &str, value: f64, host: &str) -> Value {
    json!({"ts": at, "series": series, "value": value, "labels": {"host.name": host, "service.name": "shop", "region": "ZZ"}})
}

/// Rows of a recording: time and value.
fn recording(data: &Path, name: &str) -> Result<Vec<(String, f64)>> {
    let text = fs::read_to_string(data.join(name)).with_context(|| format!("failed to read {name}"))?;
    let cell = |line: &str| -> Option<(String, f64)> {
        let (at, value) = line.split_once(',')?;
        Some((at.to_owned(), value.parse().ok()?))
    };
    text.lines()
        .skip(1)
        .map(|line| cell(line).with_context(|| format!("{name}: `{line}` is no time and value")))
        .collect()
}

fn write_input(work: &Path, mut rows: Vec<(String, Value)>) -> Result<PathBuf> {
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let mut text = String::new();
    for (_, row) in rows {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{row}");
    }
    fs::create_dir_all(work).context("failed to make a folder for the input")?;
    let path = work.join("input.jsonl");
    fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    Ok(path)
}

/// Seconds of a day-and-time text, as far as differences of one month go.
fn seconds(at: &str) -> Option<f64> {
    let part = |from: usize| at.get(from..from + 2)?.parse::<f64>().ok();
    Some(((part(8)? * 24.0 + part(11)?) * 60.0 + part(14)?) * 60.0 + part(17)?)
}

/// The silence of a machine beside one that goes on: minutes since its last sample.
pub(super) fn silence(work: &Path, binary: &Path, data: &Path) -> Result<String> {
    let mut stops = recording(data, STOPS)?;
    stops.retain(|(at, _)| !(at.as_str() >= STOPPED.0 && at.as_str() < STOPPED.1));
    let goes_on = recording(data, GOES_ON)?;
    let row =
        |(at, value): &(String, f64), host: &str| (at.clone(), line(at, "cpu.utilization", *value, host));
    let rows = stops
        .iter()
        .map(|one| row(one, "stops"))
        .chain(goes_on.iter().map(|one| row(one, "goes-on")));
    let input = write_input(work, rows.collect())?;
    let out = replay(binary, &input, None, work)?;
    let mut said: Vec<(String, Option<Said>)> = Vec::new();
    let mut told = Vec::new();
    for event in events(&out.join("anomalies.jsonl"))? {
        if text_of(&event, "/data/channel") != Some("silence") {
            continue;
        }
        let at = shown_time(text_of(&event, "/data/at").context("an anomaly without its time")?);
        let number = |name: &str| {
            let value = event.pointer(name).and_then(Value::as_f64);
            value.with_context(|| format!("a silence without {name}"))
        };
        let closed = text_of(&event, "/data/state") == Some("closed");
        let minutes = |seconds: f64| seconds / 60.0;
        let of = Said {
            score: number("/data/score")?,
            expected: minutes(number("/data/expected")?),
            low: minutes(number("/data/band/low")?),
            high: minutes(number("/data/band/high")?),
        };
        if text_of(&event, "/data/state") == Some("opened") {
            told.push(("silence".to_owned(), at.clone()));
        }
        said.push((at, (!closed).then_some(of)));
    }
    ensure!(!told.is_empty(), "no silence was told");
    let mut points = Vec::new();
    for (at, _) in &goes_on {
        if !(at.as_str() >= STOPPED_SHOWN.0 && at.as_str() < STOPPED_SHOWN.1) {
            continue;
        }
        let last = stops.partition_point(|(before, _)| before <= at);
        let (since, _) = last
            .checked_sub(1)
            .and_then(|i| stops.get(i))
            .context("nothing came before")?;
        let gap = seconds(at)
            .zip(seconds(since))
            .map(|(now, then)| (now - then) / 60.0);
        let known = said.partition_point(|(time, _)| time <= at);
        points.push(Point {
            at: at.clone(),
            value: gap.with_context(|| format!("`{at}` is no time"))?,
            said: known
                .checked_sub(1)
                .and_then(|i| said.get(i))
                .and_then(|(_, said)| *said),
        });
    }
    Ok(svg::document(
        "silence: minutes since the last sample of a machine, another goes on",
        &format!(
            "Data: Numenta Anomaly Benchmark, {STOPS} with five hours taken out, {GOES_ON}, MIT licence"
        ),
        "silence",
        &points,
        &told,
    ))
}

/// One pod of ten by its peers.
pub(super) fn peers(work: &Path, binary: &Path, data: &Path) -> Result<String> {
    let folder = data.join(PODS);
    let listed = fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))?;
    let mut names = BTreeSet::new();
    for entry in listed {
        let name = entry.context("failed to list pods")?.file_name();
        names.extend(
            name.to_str()
                .and_then(|name| name.strip_suffix("_metric.csv"))
                .map(str::to_owned),
        );
    }
    let mut rows = Vec::new();
    for pod in &names {
        let path = folder.join(format!("{pod}_metric.csv"));
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        for row in text.lines().skip(1) {
            let mut cells = row.split(',');
            let minute = cells.next().and_then(|time| time.get(..16));
            let cpu = cells.nth(2).and_then(|cell| cell.parse::<f64>().ok());
            let (minute, cpu) = minute.zip(cpu).with_context(|| format!("{pod}: `{row}`"))?;
            let at = format!("{minute}:00");
            rows.push((at.clone(), line(&at, "cpu.usage", cpu, pod)));
        }
    }
    let input = write_input(work, rows)?;
    let config = work.join("forecall.yaml");
    fs::write(&config, PODS_CONFIG).context("failed to write the configuration")?;
    let out = replay(binary, &input, Some(&config), work)?;
    let text = fs::read_to_string(out.join("peers.csv")).context("the replay wrote no peers.csv")?;
    let mut points = Vec::new();
    for line in text.lines().skip(1).filter(|line| line.contains(POD)) {
        let at = shown_time(line.split(',').next().unwrap_or_default());
        if !(at.as_str() >= PODS_SHOWN.0 && at.as_str() < PODS_SHOWN.1) {
            continue;
        }
        // The series is quoted and holds commas; what follows it doesn't.
        let mut cells = line.rsplit(',');
        let mut number = || cells.next().and_then(|cell| cell.parse::<f64>().ok());
        let [high, low, expected, score, value] = std::array::from_fn(|_| number());
        let said = (|| {
            Some(Said {
                score: score?,
                expected: expected?,
                low: low?,
                high: high?,
            })
        })();
        points.push(Point {
            value: value.with_context(|| format!("peers.csv: `{line}` has no value"))?,
            at,
            said,
        });
    }
    ensure!(!points.is_empty(), "peers.csv says nothing of {POD}");
    Ok(svg::document(
        "peer: CPU of one pod of ten, faults put into it at 07:01 and 07:10",
        &format!("Data: Nezha, {PODS}, MIT licence"),
        "peer",
        &points,
        &became_evidence(&out)?,
    ))
}

/// A disk that fills up: its values are usual until it is nearly full.
pub(super) fn limit(work: &Path, binary: &Path) -> Result<String> {
    let mut rows = Vec::new();
    let mut chance = 1_u64;
    for minute in 0..24 * 60_u32 {
        chance = chance.wrapping_mul(FACTOR).wrapping_add(ADDEND);
        let noise = f64::from(u32::try_from(chance >> 33).unwrap_or(0)) / f64::from(1_u32 << 31);
        let filled = 0.12 * f64::from(minute.saturating_sub(FILLS_FROM));
        let value = 60.0 + 3.0 * noise + filled.min(39.0);
        let at = format!("2026-03-01 {:02}:{:02}:00", minute / 60, minute % 60);
        rows.push((at.clone(), line(&at, "disk.utilization", value, "db-1")));
    }
    let input = write_input(work, rows)?;
    let config = work.join("forecall.yaml");
    fs::write(&config, DISK_CONFIG).context("failed to write the configuration")?;
    let out = replay(binary, &input, Some(&config), work)?;
    let read = |name: &str| {
        let text = fs::read_to_string(out.join(name));
        text.with_context(|| format!("the replay wrote no {name}"))
    };
    let (scores, channels) = (read("scores.csv")?, read("channels.csv")?);
    let mut said = BTreeMap::new();
    for row in channels.lines().skip(1) {
        // The last four columns; the lower bound is empty: below the limit all is well.
        let mut cells = row.rsplit(',');
        let mut number = || cells.next().and_then(|cell| cell.parse::<f64>().ok());
        let [high, _, expected, score] = std::array::from_fn(|_| number());
        if let (Some(high), Some(expected), Some(score)) = (high, expected, score) {
            let of = Said {
                score,
                expected,
                low: 50.0,
                high,
            };
            said.insert(shown_time(row), of);
        }
    }
    let mut points = Vec::new();
    for row in scores.lines().skip(1) {
        let at = shown_time(row);
        let mut cells = row.rsplit(',').skip(3);
        let value = cells.next().and_then(|cell| cell.parse::<f64>().ok());
        if at.as_str() >= "2026-03-01 08:00:00" && at.as_str() < "2026-03-01 18:00:00" {
            points.push(Point {
                value: value.with_context(|| format!("scores.csv: `{row}` has no value"))?,
                said: said.get(&at).copied(),
                at,
            });
        }
    }
    ensure!(!said.is_empty(), "the limit said nothing");
    let mut told = Vec::new();
    for event in events(&out.join("anomalies.jsonl"))? {
        if text_of(&event, "/data/state") == Some("opened")
            && let (Some(channel), Some(at)) = (text_of(&event, "/data/channel"), text_of(&event, "/data/at"))
        {
            told.push((channel.to_owned(), shown_time(at)));
        }
    }
    Ok(svg::document(
        "limit: a disk that fills up towards 95 %, and where it will be in an hour",
        "Data: made up, a minute apart",
        "limit",
        &points,
        &told,
    ))
}

/// When anomalies of the pod by its peers stood in an incident first.
fn became_evidence(out: &Path) -> Result<Vec<(String, String)>> {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    for event in events(&out.join("incidents.jsonl"))? {
        let evidence = event.pointer("/data/evidence").and_then(Value::as_array);
        let at = shown_time(text_of(&event, "/data/at").unwrap_or_default());
        for one in evidence.into_iter().flatten() {
            let is_pods =
                text_of(one, "/series/resource/host.name").is_some_and(|host| host.starts_with(POD));
            if let (true, Some("peer"), Some(id)) =
                (is_pods, text_of(one, "/channel"), text_of(one, "/anomaly"))
            {
                first.entry(id.to_owned()).or_insert_with(|| at.clone());
            }
        }
    }
    Ok(first.into_values().map(|at| ("peer".to_owned(), at)).collect())
}
