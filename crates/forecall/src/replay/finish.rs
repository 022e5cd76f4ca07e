//! The end of a replay: settings locked, figures, the page, and the manifest that seals them.

use std::path::Path;

use anyhow::{Context as _, bail};
use forecall_backtest::Truth;
use forecall_config::locked;
use forecall_detect::DetectStage;
use forecall_incident::CorrelateStage;
use forecall_journey::JourneyStage;
use forecall_outreach::OutreachStage;
use forecall_stage::Stage;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::args::ReplayArgs;
use super::judge::{Asked, Judged, judge};
use super::output::{Manifest, Seal};
use super::report::{self, Page};
use super::told::Results;
use super::truths::{self, Labels};
use super::{Outcome, configuration, parquet_output, walk};

/// What is asked of a run, read before it begins: a mistake in it is told at once.
pub(super) struct Plan {
    asked: Asked,
    labels: Option<Labels>,
    zone: TimeZone,
}

impl Plan {
    pub(super) fn new(args: &ReplayArgs) -> anyhow::Result<Self> {
        let zone =
            TimeZone::get(&args.zone).with_context(|| format!("no time zone is called {}", args.zone))?;
        let asked = Asked::new(&args.asserted, args.lead_max)?;
        let labels = args.labels.as_deref().map(|path| truths::read(path, &zone));
        let labels = labels.transpose()?;
        if let Some(labels) = labels.as_ref().filter(|labels| labels.name_files()) {
            if args.source.is_some() || args.input().starts_with("kafka://") {
                bail!("labels that name files go with files of rows; write them as CSV");
            }
            let (_, paths) = walk::paths(Path::new(args.input()))?;
            let inputs: Vec<Value> = paths.iter().map(|path| json!({ "path": path })).collect();
            labels.of(&inputs)?;
        }
        Ok(Self { asked, labels, zone })
    }
}

/// The stages' names and versions: what another version tells may differ.
fn stages() -> Vec<(&'static str, u32)> {
    fn of<S: Stage>() -> (&'static str, u32) {
        (S::NAME, S::VERSION)
    }
    vec![
        of::<DetectStage>(),
        of::<CorrelateStage>(),
        of::<OutreachStage>(),
        of::<JourneyStage>(),
    ]
}

/// Writes what is left to write.
pub(super) fn finish(args: &ReplayArgs, plan: Plan, outcome: Outcome) -> anyhow::Result<(Manifest, Judged)> {
    let Outcome {
        mut manifest,
        mut output,
        span,
        ..
    } = outcome;
    let (name, text) = configuration(args.config.as_deref(), manifest.grid_seconds)?;
    let lock = locked(&name, &text)?;
    output.settle()?;
    output.put("config.lock.yaml", lock.text.as_bytes())?;
    if args.parquet {
        parquet_output::write(&mut output, &plan.zone)?;
    }
    let results = Results::read(output.folder(), span.1)?;
    let (truths, elsewhere): (Option<Vec<Truth>>, usize) = match &plan.labels {
        Some(labels) => {
            let (truths, elsewhere) = labels.of(&manifest.inputs)?;
            (Some(truths), elsewhere)
        }
        None => (None, 0),
    };
    let teams = lock.teams > 0;
    let judged = judge(
        &results,
        truths.as_deref(),
        span,
        teams,
        &plan.asked,
        manifest.complete,
    );
    let labels: Option<Value> = plan.labels.map(|labels| labels.input);
    let metrics = judged.json(labels.as_ref(), elsewhere, manifest.complete);
    let mut bytes = serde_json::to_vec_pretty(&metrics)?;
    bytes.push(b'\n');
    output.put("metrics.json", &bytes)?;
    manifest.seal = Seal {
        span: Some(span),
        labels,
        stages: stages(),
        lead_max_minutes: args.lead_max,
        teams,
    };
    if !args.no_report {
        let page = Page {
            manifest: &manifest,
            results: &results,
            truths: truths.as_deref().unwrap_or_default(),
            judged: &judged,
            span,
        };
        let scores = output.folder().join("scores.csv");
        let text = report::page(&page, &scores, &plan.zone)?;
        output.put("report.html", text.as_bytes())?;
    }
    output.finish(&mut manifest)?;
    Ok((manifest, judged))
}
