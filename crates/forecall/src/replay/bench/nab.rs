//! `forecall bench nab`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use forecall_backtest::alerts;
use forecall_backtest::nab::{File, PROFILES, Profile, normalised, sweep, windows, with_pause};
use forecall_types::EventTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::figures::{Judged, by_ranges};
use super::{Line, NabArgs, Report, all_scored, below};
use crate::replay::columns::Mapping;
use crate::replay::{truths, walk};

/// NAB's windows.
const WINDOWS: &str = "combined_windows.json";
/// Where NAB, or a copy of its data, keeps what others got.
const PUBLISHED: [&str; 2] = ["results/final_results.json", "published_scores.json"];
/// Files of the whole benchmark.
const FILES: usize = 58;

/// Windows of each file, by its path.
type Windows = BTreeMap<String, Vec<(EventTime, EventTime)>>;

fn read_windows(data: &Path) -> anyhow::Result<Windows> {
    let path = below(data, "labels").join(WINDOWS);
    let bytes = std::fs::read(&path).with_context(|| {
        format!(
            "failed to read {}: --data is a copy of NAB, or of its data with {WINDOWS} in it",
            path.display()
        )
    })?;
    let all = truths::windows(&bytes, &TimeZone::UTC)
        .with_context(|| format!("failed to read {}", path.display()))?;
    let spans = |truths: Vec<forecall_backtest::Truth>| truths.into_iter().map(|t| (t.from, t.to)).collect();
    Ok(all
        .into_iter()
        .map(|(path, truths)| (path, spans(truths)))
        .collect())
}

/// What others got, where it is there.
fn published(data: &Path) -> Vec<Line> {
    let text = PUBLISHED
        .iter()
        .find_map(|name| std::fs::read_to_string(data.join(name)).ok());
    let all: Option<BTreeMap<String, Value>> = text.and_then(|text| serde_json::from_str(&text).ok());
    let mut lines = Vec::new();
    for (detector, scores) in all.unwrap_or_default() {
        for profile in &PROFILES {
            if let Some(score) = scores.get(profile.published).and_then(Value::as_f64) {
                lines.push(Line::new(
                    format!("{detector}, {}", profile.name),
                    Some(score),
                    "published, swept",
                ));
            }
        }
    }
    lines
}

/// The best score of one threshold for all files, where an alert is followed by a pause.
fn paused(pairs: &[(&File, &[f64])], thresholds: &[f64], profile: &Profile) -> f64 {
    let points = |threshold: f64| {
        let each = pairs.iter().map(|(file, scores)| {
            // A fifth, in whole rows.
            file.points(with_pause(scores, threshold, file.probation / 5), profile)
        });
        normalised(each.sum(), windows(pairs.iter().map(|(file, _)| *file)), profile)
    };
    thresholds.iter().map(|t| points(*t)).fold(0.0, f64::max)
}

pub(super) fn run(args: &NabArgs) -> anyhow::Result<Report> {
    let settings = args.common.settings()?;
    let spans = read_windows(&args.data)?;
    let folder = below(&args.data, "data");
    let input = walk::read(&folder, &TimeZone::UTC, &Mapping::default())?;
    if input.bad > 0 {
        bail!(
            "{} rows could not be read: {}",
            input.bad,
            input.remarks().join("; ")
        );
    }
    let mut series: Vec<Vec<(EventTime, f64)>> = Vec::new();
    let mut files: Vec<File> = Vec::new();
    let mut labels: Vec<Vec<bool>> = Vec::new();
    for (path, spans) in &spans {
        let Some(file) = input.files.iter().find(|file| *file.path == **path) else {
            continue;
        };
        let points: Vec<(EventTime, f64)> = file
            .rows
            .iter()
            .filter_map(|row| Some((row.at?, row.value)))
            .collect();
        let times: Vec<EventTime> = points.iter().map(|(at, _)| *at).collect();
        for (from, to) in spans {
            if !times.contains(from) || !times.contains(to) {
                bail!("{path}: a window doesn't begin and end with rows of the file, so it can't be scored");
            }
        }
        files.push(File::new(&times, spans));
        let within = |at: &EventTime| spans.iter().any(|(from, to)| from <= at && at <= to);
        labels.push(times.iter().map(within).collect());
        series.push(points);
    }
    if series.is_empty() {
        bail!(
            "none of the files that {WINDOWS} names is in {}",
            folder.display()
        );
    }
    let all = all_scored(&series, &settings)?;
    let mut report = Report::default();
    report.head.push(format!(
        "NAB: {} files, {} windows, {} rows; no file's name, minimum, maximum or length was told to the detector",
        files.len(),
        windows(files.iter()),
        series.iter().map(Vec::len).sum::<usize>()
    ));
    if files.len() < spans.len() || files.len() != FILES {
        report.head.push(format!(
            "{} of the {} files named are here, NAB has {FILES}: these scores can't be held against its leaderboard",
            files.len(),
            spans.len()
        ));
    }
    let skip = |file: &File, values: &[f64]| values.get(file.probation..).unwrap_or_default().to_vec();
    let scores: Vec<Vec<f64>> = files
        .iter()
        .zip(&all)
        .map(|(file, one)| skip(file, &one.score))
        .collect();
    let thresholds = alerts::thresholds(scores.iter().map(Vec::as_slice));
    for profile in &PROFILES {
        let pairs: Vec<(&File, &[f64])> = files.iter().zip(scores.iter().map(Vec::as_slice)).collect();
        let (score, threshold) = sweep(&pairs, profile);
        report.lines.push(Line::new(
            format!("{}, swept", profile.name),
            Some(score),
            format!("best of all thresholds: {threshold}"),
        ));
        report.lines.push(Line::new(
            format!("{}, swept, paused", profile.name),
            Some(paused(&pairs, &thresholds, profile)),
            "the same, and after an alert none for a fifth of the probation",
        ));
        let points: f64 = files
            .iter()
            .zip(&all)
            .map(|(file, one)| file.points(one.opened.iter().skip(file.probation).copied(), profile))
            .sum();
        report.lines.push(Line::new(
            format!("{}, as shipped", profile.name),
            Some(normalised(points, windows(files.iter()), profile)),
            "alerts are the anomalies opened",
        ));
    }
    let judged = Judged::all(&series, &labels, &all);
    report.lines.extend(by_ranges(&judged));
    report.beside = published(&args.data);
    Ok(report)
}
