//! The Nezha recordings: pods by the minute, what callers see of their calls, and faults injected into pods.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use forecall_bench_input::time;
use forecall_incident::cause::{
    Alarm, CallRecord, Case, Measure, NodeRecord, Point, Statistic, Track, Trouble,
};
use forecall_types::EventTime;

use crate::asked::Asked;
use crate::files::{REMEDY, Table, entries, name, number, text};

/// What is normal: this long before the injection, other faults included, which medians pass over.
const NORMAL_SECONDS: i64 = 3_600;
/// What is shown of the trouble: rows of this long from the injection on. Faults are eight minutes apart.
const TROUBLE_SECONDS: i64 = 300;

/// Columns of a pod's file.
const OF_PODS: [(&str, Measure); 4] = [
    ("CpuUsage(m)", Measure::Cpu),
    ("MemoryUsage(Mi)", Measure::Memory),
    ("PodServerLatencyP90(s)", Measure::Latency(Statistic::P90)),
    ("PodWorkload(Ops)", Measure::Requests),
];

/// Everything of one day.
struct Day {
    nodes: BTreeMap<Arc<str>, Vec<(Measure, Vec<Point>)>>,
    /// Latency of calls as the caller sees them, where it is told.
    calls: BTreeMap<(Arc<str>, Arc<str>), Vec<Point>>,
}

/// All faults, by day and time.
pub(crate) fn read(data: &Path) -> Result<Vec<Asked>> {
    let root = data.join("nezha");
    let mut all = Vec::new();
    for folder in entries(&root, None)? {
        let date = name(&folder);
        let list = folder.join(format!("{date}-fault_list.json"));
        if !list.is_file() {
            continue;
        }
        let day = day(&folder.join("metric"))?;
        let told: BTreeMap<String, Vec<serde_json::Value>> = serde_json::from_str(&text(&list)?)
            .with_context(|| format!("{} is no list of faults: {REMEDY}", list.display()))?;
        for (i, fault) in told.values().flatten().enumerate() {
            let of = |key: &str| {
                fault[key]
                    .as_str()
                    .with_context(|| format!("{}: a fault has no {key}: {REMEDY}", list.display()))
            };
            // The wall clock in words: the counts of seconds beside it are off by hours in one day and by years in one file.
            let at = time(of("inject_time")?).with_context(|| format!("in {}", list.display()))?;
            all.push(Asked {
                id: format!("{date}/{i}"),
                groups: vec![system(&day).to_owned(), of("inject_type")?.to_owned()],
                truth: BTreeSet::from([service(of("inject_pod")?).to_owned()]),
                case: day.case(at),
            });
        }
    }
    ensure!(
        !all.is_empty(),
        "{} holds no list of faults: {REMEDY}",
        root.display()
    );
    Ok(all)
}

fn system(day: &Day) -> &'static str {
    if day.nodes.keys().any(|node| node.starts_with("ts-")) {
        "Train Ticket"
    } else {
        "Online Boutique"
    }
}

/// A pod's service: its name without the two hashes.
fn service(pod: &str) -> &str {
    let without = |text: &str| text.rfind('-').unwrap_or(text.len());
    let set = pod.get(..without(pod)).unwrap_or(pod);
    set.get(..without(set)).unwrap_or(set)
}

fn rows(table: &Table, column: usize) -> Result<Vec<Point>> {
    let at = table.column("time")?;
    let mut points = Vec::new();
    for row in table.rows.iter().skip(1) {
        let Some(value) = number(row.get(column)) else {
            continue;
        };
        let at = row.get(at).map_or("", String::as_str);
        let at = time(at).with_context(|| format!("in {}", table.path.display()))?;
        points.push(Point { at, value });
    }
    Ok(points)
}

fn day(folder: &Path) -> Result<Day> {
    let mut day = Day {
        nodes: BTreeMap::new(),
        calls: BTreeMap::new(),
    };
    for path in entries(folder, Some("_metric.csv"))? {
        let table = Table::read(&path)?;
        let file = name(&path);
        let pod = file.trim_end_matches("_metric.csv");
        let tracks = day.nodes.entry(Arc::from(service(pod))).or_default();
        for (column, measure) in OF_PODS {
            tracks.push((measure, rows(&table, table.column(column)?)?));
        }
    }
    ensure!(
        !day.nodes.is_empty(),
        "{} holds no pod: {REMEDY}",
        folder.display()
    );
    let known = |name: &str| day.nodes.keys().find(|node| &***node == name).cloned();
    let mut calls = BTreeMap::new();
    let seen = folder.join("source_50.csv");
    if seen.is_file() {
        let table = Table::read(&seen)?;
        for (i, column) in table.head().iter().enumerate() {
            let ends = column.split_once('_').map(|(from, to)| (known(from), known(to)));
            if let Some((Some(caller), Some(callee))) = ends {
                calls.insert((caller, callee), rows(&table, i)?);
            }
        }
    }
    let declared = folder.join("dependency.csv");
    if declared.is_file() {
        for row in Table::read(&declared)?.rows {
            let end = |i: usize| row.get(i).and_then(|name| known(name));
            if let (Some(caller), Some(callee)) = (end(0), end(1)) {
                calls.entry((caller, callee)).or_default();
            }
        }
    }
    day.calls = calls;
    Ok(day)
}

impl Day {
    fn case(&self, at: EventTime) -> Case {
        let track = |measure: Measure, rows: &[Point]| {
            let within = |from: i64, to: i64| -> Vec<Point> {
                let chosen = rows.iter().filter(|point| {
                    let after = point.at.secs() - at.secs();
                    (from..to).contains(&after)
                });
                chosen.copied().collect()
            };
            Track {
                measure,
                normal: within(-NORMAL_SECONDS, 0),
                recent: within(0, TROUBLE_SECONDS),
            }
        };
        Case {
            nodes: self
                .nodes
                .iter()
                .map(|(name, tracks)| NodeRecord {
                    name: Arc::clone(name),
                    tracks: tracks.iter().map(|(m, rows)| track(*m, rows)).collect(),
                })
                .collect(),
            calls: self
                .calls
                .iter()
                .map(|((caller, callee), rows)| CallRecord {
                    caller: Arc::clone(caller),
                    callee: Arc::clone(callee),
                    tracks: vec![track(Measure::Latency(Statistic::P50), rows)],
                })
                .collect(),
            alarm: Alarm {
                node: self.front(),
                trouble: Trouble::Latency(Statistic::P90),
                at,
            },
        }
    }

    /// Whom nobody calls and who calls most: the users' side.
    fn front(&self) -> Arc<str> {
        let calls = |node: &Arc<str>| self.calls.keys().filter(|(caller, _)| caller == node).count();
        let called = |node: &Arc<str>| self.calls.keys().any(|(_, callee)| callee == node);
        let fronts = self.nodes.keys().filter(|node| !called(node));
        fronts
            .max_by_key(|node| calls(node))
            .cloned()
            .unwrap_or_else(|| Arc::from("front"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::method::forecall;

    #[test]
    fn faults_are_laid_on_the_wall_clock_whatever_the_counts_of_seconds_say() {
        let root = std::env::temp_dir().join(format!("forecall-bench-nezha-{}", std::process::id()));
        let folder = root.join("nezha/2022-08-22");
        fs::create_dir_all(folder.join("metric")).unwrap();
        fs::write(
            folder.join("2022-08-22-fault_list.json"),
            r#"{"04": [{"inject_time": "2022-08-22 04:10:20", "inject_timestamp": "7",
                "inject_pod": "ad-service-5f65-fnm", "inject_type": "cpu_consumed"}]}"#,
        )
        .unwrap();
        for (pod, burning) in [("front-1a2b-x", false), ("ad-service-5f65-fnm", true)] {
            let mut text =
                "Time,TimeStamp,CpuUsage(m),MemoryUsage(Mi),PodServerLatencyP90(s),PodWorkload(Ops)\n"
                    .to_owned();
            for minute in 0..16 {
                let cpu = if burning && minute >= 11 {
                    50
                } else {
                    2 + minute % 2
                };
                text.push_str(&format!(
                    "2022-08-22 04:{minute:02}:20.5 +0000 UTC m=+1.1,9861140279,{cpu},100,0.1,5\n"
                ));
            }
            fs::write(folder.join(format!("metric/{pod}_metric.csv")), text).unwrap();
        }
        fs::write(
            folder.join("metric/source_50.csv"),
            "time,timestamp,front_ad-service\n2022-08-22 04:00:20 x,1,0.01\n",
        )
        .unwrap();
        let all = read(&root);
        fs::remove_dir_all(&root).unwrap();
        let all = all.unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].truth, BTreeSet::from(["ad-service".to_owned()]));
        assert_eq!(&*all[0].case.alarm.node, "front");
        assert_eq!(forecall(&all[0].case), ["ad-service", "front"]);
    }

    #[test]
    fn a_folder_without_faults_is_named() {
        let error = format!("{:#}", read(Path::new("/nowhere")).err().unwrap());
        assert!(
            error.contains("/nowhere/nezha") && error.contains("--data"),
            "{error}"
        );
    }
}
