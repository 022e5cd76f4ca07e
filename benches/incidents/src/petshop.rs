//! The PetShop recordings: a call graph and five-minute rows of a traffic, a recording without trouble, and issues.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use forecall_incident::cause::{
    Alarm, CallRecord, Case, Measure, NodeRecord, Point, Statistic, Track, Trouble,
};
use forecall_types::EventTime;

use crate::asked::Asked;
use crate::files::{REMEDY, Table, entries, name, number, text};

/// Rows of names above a recording's first row of values: node, metric, statistic, and the name of the time.
const HEAD_ROWS: usize = 4;
/// Whose normal recording stands in for a traffic's that has none.
const STAND_IN: &str = "low_traffic";

type Recording = BTreeMap<(String, Measure), Vec<Point>>;

/// All issues, by path, and what is to be said of the data.
pub(crate) fn read(data: &Path) -> Result<(Vec<Asked>, Vec<String>)> {
    let root = data.join("petshop");
    let mut all = Vec::new();
    let mut notes = Vec::new();
    for traffic in entries(&root, None)? {
        let mut folders = Vec::new();
        issues_below(&traffic, &mut folders)?;
        if folders.is_empty() {
            continue;
        }
        let calls = graph(&traffic.join("graph.csv"))?;
        let normal = normal(&root, &traffic, &mut notes)?;
        for folder in folders {
            all.push(issue(&root, &folder, &calls, &normal)?);
        }
    }
    ensure!(
        !all.is_empty(),
        "{} holds no issue_* folder: {REMEDY}",
        root.display()
    );
    Ok((all, notes))
}

/// Every `issue_*` below, whatever the folders between are called.
fn issues_below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for below in entries(folder, None)? {
        if name(&below).starts_with("issue_") {
            found.push(below);
        } else {
            issues_below(&below, found)?;
        }
    }
    Ok(())
}

fn normal(root: &Path, traffic: &Path, notes: &mut Vec<String>) -> Result<Recording> {
    let own = traffic.join("noissue/metrics.csv");
    if own.is_file() {
        return recording(&own);
    }
    let other = root.join(STAND_IN).join("noissue/metrics.csv");
    if other.is_file() {
        notes.push(format!(
            "{} has no noissue: {STAND_IN}'s stands in for it",
            name(traffic)
        ));
        return recording(&other);
    }
    notes.push(format!(
        "{} has no noissue, nor has {STAND_IN}: the rows before the alarm are all that is normal",
        name(traffic)
    ));
    Ok(Recording::new())
}

/// Calls: a row's node calls those whose columns aren't 0.
fn graph(path: &Path) -> Result<Vec<CallRecord>> {
    let table = Table::read(path)?;
    let names = table.head();
    let mut calls = Vec::new();
    for row in table.rows.iter().skip(1) {
        let (Some(caller), true) = (row.first(), row.len() == names.len()) else {
            bail!("{} is no square of calls: {REMEDY}", path.display());
        };
        for (cell, callee) in row.iter().zip(names).skip(1) {
            if number(Some(cell)).is_some_and(|weight| weight > 0.0) {
                calls.push(CallRecord {
                    caller: Arc::from(caller.as_str()),
                    callee: Arc::from(callee.as_str()),
                    tracks: Vec::new(),
                });
            }
        }
    }
    Ok(calls)
}

fn statistic(text: &str) -> Statistic {
    match text {
        "p50" => Statistic::P50,
        "p90" => Statistic::P90,
        "p95" => Statistic::P95,
        "p99" => Statistic::P99,
        _ => Statistic::Mean,
    }
}

fn measure(metric: &str, of: &str) -> Option<Measure> {
    match metric {
        "latency" => Some(Measure::Latency(statistic(of))),
        "requests" => Some(Measure::Requests),
        "availability" => Some(Measure::FailedShare),
        _ => None,
    }
}

fn recording(path: &Path) -> Result<Recording> {
    let table = Table::read(path)?;
    let malformed = |what: &str| format!("{} {what}: {REMEDY}", path.display());
    let [nodes, metrics, statistics] = [0, 1, 2].map(|i| table.rows.get(i));
    let (Some(nodes), Some(metrics), Some(statistics)) = (nodes, metrics, statistics) else {
        bail!(malformed("lacks its rows of names"));
    };
    let is_named = nodes.first().is_some_and(|cell| cell == "microservice");
    ensure!(
        is_named && metrics.len() == nodes.len() && statistics.len() == nodes.len(),
        malformed("doesn't begin with rows of microservice, metric and statistic")
    );
    let columns: Vec<Option<(String, Measure)>> = nodes
        .iter()
        .zip(metrics)
        .zip(statistics)
        .map(|((node, metric), of)| Some((node.clone(), measure(metric, of)?)))
        .collect();
    let mut all = Recording::new();
    for row in table.rows.iter().skip(HEAD_ROWS) {
        let at = number(row.first())
            .and_then(EventTime::from_unix_seconds)
            .with_context(|| malformed("has a row without a time"))?;
        for (cell, column) in row.iter().zip(&columns).skip(1) {
            let (Some(key), Some(value)) = (column, number(Some(cell))) else {
                continue;
            };
            let value = match key.1 {
                // Told as percent of the requests that were answered.
                Measure::FailedShare => 1.0 - value / 100.0,
                Measure::Latency(_) | Measure::Requests | Measure::Cpu | Measure::Memory => value,
            };
            all.entry(key.clone()).or_default().push(Point { at, value });
        }
    }
    ensure!(!all.is_empty(), malformed("holds no value"));
    Ok(all)
}

fn issue(root: &Path, folder: &Path, calls: &[CallRecord], normal: &Recording) -> Result<Asked> {
    let path = folder.join("target.json");
    let told: serde_json::Value = serde_json::from_str(&text(&path)?)
        .with_context(|| format!("{} is no JSON: {REMEDY}", path.display()))?;
    let recent = recording(&folder.join("metrics.csv"))?;
    let mut nodes: BTreeMap<&str, Vec<Track>> = BTreeMap::new();
    for ((node, measure), rows) in &recent {
        nodes.entry(node).or_default().push(Track {
            measure: *measure,
            normal: normal.get(&(node.clone(), *measure)).cloned().unwrap_or_default(),
            recent: rows.clone(),
        });
    }
    let id = folder
        .strip_prefix(root)
        .unwrap_or(folder)
        .to_string_lossy()
        .replace('\\', "/");
    let parts: Vec<&str> = id.split('/').collect();
    let truth = told["root_cause"]["node"].as_str().map(str::to_owned);
    Ok(Asked {
        groups: match parts.as_slice() {
            [traffic, .., split, _] => vec![(*split).to_owned(), (*traffic).to_owned()],
            _ => Vec::new(),
        },
        case: Case {
            nodes: nodes
                .into_iter()
                .map(|(name, tracks)| NodeRecord {
                    name: Arc::from(name),
                    tracks,
                })
                .collect(),
            calls: calls.to_vec(),
            alarm: alarm(&path, &told["target"])?,
        },
        truth: truth.into_iter().collect::<BTreeSet<String>>(),
        id,
    })
}

fn alarm(path: &Path, target: &serde_json::Value) -> Result<Alarm> {
    let malformed = |what: &str| format!("{}: target {what}: {REMEDY}", path.display());
    let node = target["node"]
        .as_str()
        .with_context(|| malformed("names no node"))?;
    let of = target["agg"].as_str().unwrap_or("Average");
    let trouble = match target["metric"].as_str() {
        Some("latency") => Trouble::Latency(statistic(of)),
        Some("availability") => Trouble::Failures,
        other => bail!(malformed(&format!(
            "has the metric {}, neither latency nor availability",
            other.unwrap_or("–")
        ))),
    };
    let at = target["timestamp"]
        .as_f64()
        .and_then(EventTime::from_unix_seconds)
        .with_context(|| malformed("has no timestamp"))?;
    Ok(Alarm {
        node: Arc::from(node),
        trouble,
        at,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::method::forecall;

    /// A shop whose search got slow at 1,200 s, in rows of 300 s.
    struct Fixture(PathBuf);

    impl Fixture {
        fn new(test: &str) -> Self {
            let root = std::env::temp_dir().join(format!("forecall-bench-{}-{test}", std::process::id()));
            let fixture = Self(root);
            fixture.write(
                "low_traffic/graph.csv",
                ",Shop,Search\nShop,0.0,1.0\nSearch,0.0,0.0\n",
            );
            fixture.write("low_traffic/noissue/metrics.csv", &Self::metrics(0..30, i64::MAX));
            fixture
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.join("petshop").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn issue(&self, folder: &str, target: &str) {
            self.write(&format!("{folder}/metrics.csv"), &Self::metrics(0..6, 4));
            self.write(&format!("{folder}/target.json"), target);
        }

        fn metrics(rows: std::ops::Range<i64>, slow_from: i64) -> String {
            let mut text = "microservice,Shop,Search,Search,Search\n\
                            metric,latency,latency,requests,availability\n\
                            statistic,Average,Average,Sum,Average\n\
                            unix_timestamp,,,,\n"
                .to_owned();
            for row in rows {
                let (shop, search) = if row >= slow_from {
                    ("0.9", "0.8")
                } else {
                    ("0.2", "0.1")
                };
                // A gap, as where nobody called.
                let shop = if row == 1 { "" } else { shop };
                text.push_str(&format!("{}.0,{shop},{search},50.0,98.0\n", row * 300));
            }
            text
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const TARGET: &str =
        r#"{"target": {"node": "Shop", "metric": "latency", "agg": "p90", "timestamp": 1200}"#;

    #[test]
    fn every_issue_is_read_wherever_it_lies_and_without_its_truth() {
        let fixture = Fixture::new("issues");
        fixture.issue(
            "low_traffic/train/issue_0",
            &format!(r#"{TARGET}, "root_cause": {{"node": "Search"}}}}"#),
        );
        fixture.issue("low_traffic/held/back/issue_12", &format!("{TARGET}}}"));
        fixture.issue("other_traffic/x/issue_1", &format!("{TARGET}}}"));
        fixture.write(
            "other_traffic/graph.csv",
            ",Shop,Search\nShop,0.0,1.0\nSearch,0.0,0.0\n",
        );
        let (all, notes) = read(&fixture.0).unwrap();
        let ids: Vec<&str> = all.iter().map(|asked| asked.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "low_traffic/held/back/issue_12",
                "low_traffic/train/issue_0",
                "other_traffic/x/issue_1"
            ]
        );
        assert_eq!(all[1].truth, BTreeSet::from(["Search".to_owned()]));
        assert!(all[0].truth.is_empty());
        assert_eq!(all[0].groups, ["back", "low_traffic"]);
        assert_eq!(all[0].case.alarm.trouble, Trouble::Latency(Statistic::P90));
        assert_eq!(
            notes,
            ["other_traffic has no noissue: low_traffic's stands in for it"]
        );
        for asked in &all {
            assert_eq!(forecall(&asked.case), ["Search", "Shop"], "{}", asked.id);
        }
    }

    #[test]
    fn values_are_shares_and_gaps_are_gaps() {
        let fixture = Fixture::new("values");
        let path = fixture.0.join("petshop/low_traffic/noissue/metrics.csv");
        let all = recording(&path).unwrap();
        let of = |node: &str, measure| all.get(&(node.to_owned(), measure)).unwrap();
        assert_eq!(of("Shop", Measure::Latency(Statistic::Mean)).len(), 29);
        assert_eq!(of("Search", Measure::Requests)[3].at, EventTime::from_secs(900));
        assert!((of("Search", Measure::FailedShare)[0].value - 0.02).abs() < 1e-12);
    }

    #[test]
    fn what_is_malformed_is_named_with_the_remedy() {
        for (path, text, told) in [
            ("low_traffic/graph.csv", ",Shop\nShop\n", "is no square of calls"),
            ("low_traffic/train/issue_0/target.json", "{", "is no JSON"),
            (
                "low_traffic/train/issue_0/target.json",
                "{}",
                "target names no node",
            ),
            (
                "low_traffic/train/issue_0/target.json",
                r#"{"target": {"node": "Shop", "metric": "joy", "timestamp": 1}}"#,
                "has the metric joy",
            ),
            (
                "low_traffic/train/issue_0/metrics.csv",
                "a,b\n",
                "lacks its rows of names",
            ),
            (
                "low_traffic/train/issue_0/metrics.csv",
                "a,b\nc,d\ne,f\ng\n",
                "doesn't begin with rows of microservice",
            ),
        ] {
            let fixture = Fixture::new("malformed");
            fixture.issue("low_traffic/train/issue_0", &format!("{TARGET}}}"));
            fixture.write(path, text);
            let error = format!("{:#}", read(&fixture.0).err().unwrap());
            assert!(
                error.contains(path) && error.contains(told) && error.contains("--data"),
                "{error}"
            );
        }
    }
}
