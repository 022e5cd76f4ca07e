//! `forecall bench folder`.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use forecall_backtest::Truth;
use forecall_types::EventTime;
use jiff::tz::TimeZone;

use super::figures::{Judged, by_events, by_ranges};
use super::{FolderArgs, Report, all_scored};
use crate::replay::columns::Mapping;
use crate::replay::input::Input;
use crate::replay::labels::{REGION_LABELS, SERVICE_LABEL, Series};
use crate::replay::{truths, walk};

/// A series: its points and, of each, whether it is labelled.
type Labelled = (Vec<(EventTime, f64)>, Vec<bool>);

pub(super) fn run(args: &FolderArgs) -> anyhow::Result<Report> {
    let settings = args.common.settings()?;
    let zone = TimeZone::get(&args.zone).with_context(|| format!("no time zone is called {}", args.zone))?;
    let mapping = match (&args.columns, &args.label_column) {
        (Some(text), _) => Mapping::parse(text),
        (None, Some(column)) => Mapping::parse(&format!("values=value+{column}")),
        (None, None) => Ok(Mapping::default()),
    };
    let mapping = mapping.map_err(anyhow::Error::msg).context("--columns")?;
    let input = walk::read(&args.data, &zone, &mapping)?;
    let series: Vec<Labelled> = match (&args.labels, &args.label_column) {
        (Some(path), _) => {
            let labels = truths::read(path, &zone)?;
            let (truths, _) = labels.of(&input.manifest())?;
            by_truths(&input, &truths)
        }
        (None, Some(column)) => by_column(&input, column)?,
        (None, None) => bail!("say --labels or --label-column"),
    };
    let (points, labels): (Vec<_>, Vec<_>) = series.into_iter().unzip();
    let all = all_scored(&points, &settings)?;
    let judged = Judged::all(&points, &labels, &all);
    let mut report = Report::default();
    report.head.push(format!(
        "{}: {} series, {} rows, {} of them labelled",
        args.data.display(),
        points.len(),
        points.iter().map(Vec::len).sum::<usize>(),
        labels.iter().flatten().filter(|label| **label).count()
    ));
    report.head.extend(input.remarks());
    report.lines = by_ranges(&judged);
    report.lines.extend(by_events(&judged, args.alerts_per_day));
    Ok(report)
}

/// Of each series, in the order of the input: the rows that could be read.
fn rows(input: &Input) -> BTreeMap<u32, Vec<(EventTime, f64)>> {
    let mut all: BTreeMap<u32, Vec<(EventTime, f64)>> = BTreeMap::new();
    for row in input.files.iter().flat_map(|file| &file.rows) {
        if let Some(at) = row.at {
            all.entry(row.series).or_default().push((at, row.value));
        }
    }
    all
}

fn by_truths(input: &Input, truths: &[Truth]) -> Vec<Labelled> {
    let is_of = |series: &Series, truth: &Truth| {
        let label = |name: &str| series.key.resource.get(name);
        let region = REGION_LABELS.iter().find_map(|name| label(name));
        truth
            .service
            .as_deref()
            .is_none_or(|s| label(SERVICE_LABEL) == Some(s))
            && truth.region.as_deref().is_none_or(|r| region == Some(r))
    };
    rows(input)
        .into_iter()
        .filter_map(|(number, points)| {
            let series = input.series(number)?;
            let own: Vec<&Truth> = truths.iter().filter(|truth| is_of(series, truth)).collect();
            let within = |at: EventTime| own.iter().any(|t| t.from <= at && at <= t.to);
            let labels = points.iter().map(|(at, _)| within(*at)).collect();
            Some((points, labels))
        })
        .collect()
}

/// The label column was read as a series of its own beside the values: a row's label follows its value.
fn by_column(input: &Input, column: &str) -> anyhow::Result<Vec<Labelled>> {
    let (value_end, label_end) = ("/value", format!("/{column}"));
    let mut all: BTreeMap<u32, Labelled> = BTreeMap::new();
    for file in &input.files {
        let mut last: Option<u32> = None;
        for row in &file.rows {
            let Some(name) = input.series(row.series).map(|s| &*s.key.metric) else {
                continue;
            };
            if name.ends_with(value_end) {
                last = None;
                if let Some(at) = row.at {
                    let (points, labels) = all.entry(row.series).or_default();
                    points.push((at, row.value));
                    labels.push(false);
                    last = Some(row.series);
                }
            } else if name.ends_with(&label_end)
                && let Some(label) = last.and_then(|series| all.get_mut(&series)?.1.last_mut())
            {
                *label = row.at.is_some() && row.value >= 0.5;
            }
        }
    }
    if all.is_empty() {
        bail!(
            "no table has the columns `timestamp`, `value` and `{column}`: {}",
            input.remarks().join("; ")
        );
    }
    Ok(all.into_values().collect())
}
