//! Prometheus' rules, as they stand in `deploy/prometheus/`, and what must hold of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::Texts;
use super::promql::{self, Expr};
use super::queries::{Known, Place};

/// How bad it is, for Alertmanager's routes: somebody is called, somebody looks today, nobody is called at all.
const SEVERITIES: [&str; 3] = ["critical", "warning", "none"];
/// Always firing, so that its absence is noticed: no time to wait.
const ALWAYS: &str = "ForecallWatchdog";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    #[allow(dead_code, reason = "known, so that nothing unknown passes")]
    interval: Option<String>,
    rules: Vec<Rule>,
}

/// A recording rule or an alert.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    record: Option<String>,
    alert: Option<String>,
    expr: String,
    #[serde(rename = "for")]
    lasts: Option<String>,
    #[allow(dead_code, reason = "known, so that nothing unknown passes")]
    keep_firing_for: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// What recording rules make, by name, with the labels they keep.
pub(super) fn recorded(files: &Texts) -> BTreeMap<String, BTreeSet<String>> {
    let rules = files.values().filter_map(|text| read(text).ok());
    let rules = rules.flat_map(|file| file.groups).flat_map(|group| group.rules);
    rules
        .filter_map(|rule| Some((rule.record?, kept(&promql::parse(&rule.expr).ok()?))))
        .collect()
}

/// Labels of the series that an expression gives: those of its outermost grouping.
fn kept(expr: &Expr) -> BTreeSet<String> {
    match expr {
        Expr::Aggregation { by, .. } => by.iter().flatten().cloned().collect(),
        Expr::Call { arguments, .. } => arguments.iter().flat_map(kept).collect(),
        // A bare number beside it has none.
        Expr::Operation { left, right, .. } => kept(left).into_iter().chain(kept(right)).collect(),
        Expr::Subquery { inner, .. } => kept(inner),
        Expr::Number | Expr::Text | Expr::Selector(_) => BTreeSet::new(),
    }
}

/// What is wrong with the rules. `pages` are the runbooks, `tests` the texts of the rules' unit tests.
pub(super) fn problems(files: &Texts, pages: &Texts, tests: &Texts, known: &mut Known<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut alerts = BTreeSet::new();
    for (path, text) in files {
        let file = match read(text) {
            Ok(file) => file,
            Err(error) => {
                problems.push(format!("{path}: can't be read: {error}"));
                continue;
            }
        };
        for group in &file.groups {
            for rule in &group.rules {
                let name = rule.alert.as_ref().or(rule.record.as_ref());
                let name = name.map_or("a rule without a name", String::as_str);
                let mut found: Vec<String> = known.problems(&rule.expr, Place::Rule);
                found.extend(match &rule.alert {
                    Some(alert) => alert_problems(alert, rule, pages, tests),
                    None => record_problems(name),
                });
                if !alerts.insert(name.to_owned()) {
                    found.push("this name stands twice".to_owned());
                }
                let place = format!("{path}: {}: {name}", group.name);
                problems.extend(found.into_iter().map(|what| format!("{place}: {what}")));
            }
        }
    }
    problems
}

fn read(text: &str) -> Result<File, serde_saphyr::Error> {
    serde_saphyr::from_str(text)
}

fn record_problems(name: &str) -> Vec<String> {
    let parts: Vec<&str> = name.split(':').collect();
    let said = matches!(*parts, [level, metric, operation] if ![level, metric, operation].contains(&""));
    if said {
        return Vec::new();
    }
    vec!["a recorded name is level:metric:operations".to_owned()]
}

fn alert_problems(name: &str, rule: &Rule, pages: &Texts, tests: &Texts) -> Vec<String> {
    let mut problems = Vec::new();
    let severity = rule.labels.get("severity").map(String::as_str);
    if !severity.is_some_and(|severity| SEVERITIES.contains(&severity)) {
        problems.push(format!("its severity is none of {}", SEVERITIES.join(", ")));
    }
    if rule.lasts.is_none() && name != ALWAYS {
        problems.push("no `for`: one scrape is enough; write `for: 0m` where that is meant".to_owned());
    }
    for annotation in ["summary", "description"] {
        if rule
            .annotations
            .get(annotation)
            .is_none_or(|text| text.trim().is_empty())
        {
            problems.push(format!("no {annotation}"));
        }
    }
    problems.extend(match rule.annotations.get("runbook_url") {
        None => Some("no runbook_url".to_owned()),
        Some(url) => runbook_problem(name, url, pages),
    });
    let firing = format!("ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}");
    if !tests.values().any(|text| text.contains(&firing)) {
        problems.push("no unit test of rules names it".to_owned());
    }
    problems
}

fn runbook_problem(name: &str, url: &str, pages: &Texts) -> Option<String> {
    let page = url
        .strip_prefix(super::grafana::RUNBOOKS)
        .and_then(|rest| rest.strip_prefix('/'));
    let Some(page) = page else {
        return Some(format!(
            "its runbook isn't below {}: {url}",
            super::grafana::RUNBOOKS
        ));
    };
    let (file, _) = page.split_once('#').unwrap_or((page, ""));
    match pages.get(&format!("{}/{file}", super::RUNBOOK_FOLDER)) {
        None => Some(format!("there is no runbook {file}")),
        Some(text) if !text.contains(&format!("`{name}`")) => {
            Some(format!("the runbook {file} doesn't name it"))
        }
        Some(_) => None,
    }
}
