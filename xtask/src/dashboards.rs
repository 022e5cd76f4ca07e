//! `dashboards`: Grafana's dashboards are written from here; they and Prometheus' rules are held against the metrics there are.

mod boards;
mod calls;
mod catalogue;
mod detector;
mod grafana;
mod incidents;
mod look;
mod outreach;
mod overview;
mod pipeline;
mod promql;
mod queries;
mod rules;
mod series;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};

use crate::repo::{self, ProjectFile};
use catalogue::Catalogue;
use grafana::Dashboard;
use queries::Known;

const FOLDER: &str = "deploy/grafana/dashboards";
const RULES: [&str; 2] = [
    "deploy/prometheus/alerts.yaml",
    "deploy/prometheus/recording.yaml",
];
const TEST_FOLDER: &str = "deploy/prometheus/tests";
const RUNBOOK_FOLDER: &str = "docs/runbooks";
const REMEDY: &str = "write it anew with `cargo xtask dashboards`";

/// Metrics that nobody needs to look at unless somebody looks for a fault, each with why.
const DEBUG: [(&str, &str); 3] = [
    ("anomaly:level", OTHERS),
    ("anomaly:lower_band", OTHERS),
    ("anomaly:upper_band", OTHERS),
];
const OTHERS: &str = "for boards and rules made for promql-anomaly-detection";

/// Texts of files by their paths.
type Texts = BTreeMap<String, String>;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail when a dashboard differs from what would be written, or something is wrong with one or with a rule.
    #[arg(long)]
    pub(crate) check: bool,
    /// Draw each dashboard into docs/images/dashboards, from what a real Prometheus answers about a demo that runs: to be looked at.
    #[arg(long, conflicts_with = "check")]
    pub(crate) look: bool,
}

/// Writes the dashboards, then checks them and the rules; or only checks.
pub(crate) fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    if !args.check {
        write(root)?;
    }
    if args.look {
        look::look(root)?;
    }
    Ok(crate::verdict("dashboards", &problems(root)?))
}

/// Writes the dashboards' files; removes those of dashboards that are no more.
pub(crate) fn write(root: &Path) -> Result<()> {
    let folder = root.join(FOLDER);
    std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    let wanted = wanted();
    for file in repo::files(root)?.iter().filter(|file| is_board(&file.path)) {
        if !wanted.contains_key(&file.path) {
            std::fs::remove_file(root.join(&file.path))
                .with_context(|| format!("can't remove {}", file.path))?;
        }
    }
    for (path, text) in wanted {
        std::fs::write(root.join(&path), text).with_context(|| format!("can't write {path}"))?;
    }
    Ok(())
}

/// All that is wrong with the dashboards, the rules and their runbooks.
pub(crate) fn problems(root: &Path) -> Result<Vec<String>> {
    check(&repo::files(root)?)
}

fn all() -> [Dashboard; 7] {
    [
        overview::dashboard(),
        incidents::dashboard(),
        series::dashboard(),
        detector::dashboard(),
        pipeline::dashboard(),
        outreach::dashboard(),
        calls::dashboard(),
    ]
}

/// The dashboards' files as they should be.
fn wanted() -> Texts {
    let all = all();
    let texts = all.iter().map(|board| {
        let path = format!("{FOLDER}/{}.json", board.uid());
        (path, board.text(&all))
    });
    texts.collect()
}

fn is_board(path: &str) -> bool {
    path.starts_with(FOLDER) && path.ends_with(".json")
}

fn check(files: &[ProjectFile]) -> Result<Vec<String>> {
    let reference = files.iter().find(|file| file.path == catalogue::PATH);
    let reference = reference.with_context(|| format!("{} is missing", catalogue::PATH))?;
    let catalogue = Catalogue::read(&reference.text).map_err(|why| anyhow!(why))?;
    let rules = texts(files, |path| RULES.contains(&path));
    let tests = texts(files, |path| path.starts_with(TEST_FOLDER));
    let pages = texts(files, |path| path.starts_with(RUNBOOK_FOLDER));
    let boards = texts(files, is_board);
    let mut known = Known {
        catalogue: &catalogue,
        recorded: rules::recorded(&rules),
        used: BTreeSet::new(),
    };
    let mut problems: Vec<String> = missing(&rules);
    problems.extend(stale(&boards));
    problems.extend(board_problems(&boards, &pages, &mut known));
    problems.extend(rules::problems(&rules, &pages, &tests, &mut known));
    problems.extend(unseen(&catalogue, &known.used));
    Ok(problems)
}

fn texts(files: &[ProjectFile], wanted: impl Fn(&str) -> bool) -> Texts {
    let files = files.iter().filter(|file| wanted(&file.path));
    files.map(|file| (file.path.clone(), file.text.clone())).collect()
}

fn missing(rules: &Texts) -> Vec<String> {
    let missing = RULES.into_iter().filter(|path| !rules.contains_key(*path));
    missing.map(|path| format!("{path}: it isn't there")).collect()
}

/// Files that differ from what would be written, are missing, or too many.
fn stale(boards: &Texts) -> Vec<String> {
    let wanted = wanted();
    let paths: BTreeSet<&String> = wanted.keys().chain(boards.keys()).collect();
    let differ = paths
        .into_iter()
        .filter(|path| wanted.get(*path) != boards.get(*path));
    differ
        .map(|path| format!("{path}: not what the code makes: {REMEDY}"))
        .collect()
}

fn board_problems(boards: &Texts, pages: &Texts, known: &mut Known<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut values = Vec::new();
    for (path, text) in boards {
        match serde_json::from_str(text) {
            Ok(value) => values.push((path, value)),
            Err(error) => problems.push(format!("{path}: no JSON: {error}")),
        }
    }
    let uids: BTreeSet<String> = values
        .iter()
        .map(|(_, v)| boards::text(v, "uid").to_owned())
        .collect();
    if uids.len() < values.len() {
        problems.push(format!("{FOLDER}: two dashboards have one uid"));
    }
    for (path, value) in &values {
        let found = boards::problems(value, &uids, pages, known).into_iter();
        problems.extend(found.map(|what| format!("{path}: {what}")));
    }
    problems
}

/// Metrics that nobody would see, and entries of the list of exceptions that are none.
fn unseen(catalogue: &Catalogue, used: &BTreeSet<String>) -> Vec<String> {
    let is_debug = |name: &str| DEBUG.iter().any(|(debug, _)| *debug == name);
    let unseen = catalogue
        .metrics
        .keys()
        .filter(|name| !used.contains(*name) && !is_debug(name));
    let mut problems: Vec<String> = unseen
        .map(|name| {
            format!(
                "{}: `{name}` is in no dashboard and no rule: show it, or list it as one for debugging",
                catalogue::PATH
            )
        })
        .collect();
    let idle = DEBUG
        .iter()
        .filter(|(name, _)| used.contains(*name) || !catalogue.metrics.contains_key(*name));
    problems.extend(
        idle.map(|(name, _)| format!("`{name}` is listed for debugging, but is in use or no metric")),
    );
    problems
}
