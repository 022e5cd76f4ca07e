//! What must hold of a dashboard's file: the rules of Grafana's dashboard linter, and ours.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Texts;
use super::queries::{Known, Place};

const DATASOURCE: &str = "${datasource}";

/// What is wrong with one dashboard. `boards` are the identities of all.
pub(super) fn problems(
    board: &Value,
    boards: &BTreeSet<String>,
    pages: &Texts,
    known: &mut Known<'_>,
) -> Vec<String> {
    let mut problems = Vec::new();
    if board.get("editable") != Some(&Value::Bool(false)) {
        problems.push("it is editable: what is changed by hand is lost at the next update".to_owned());
    }
    for key in ["uid", "title", "description"] {
        if text(board, key).is_empty() {
            problems.push(format!("no {key}"));
        }
    }
    problems.extend(variables(board, known));
    problems.extend(links(board, boards));
    problems.extend(annotations(board, known));
    let mut ids = BTreeSet::new();
    for panel in list(board, "/panels") {
        if !ids.insert(panel.get("id").and_then(Value::as_u64)) {
            problems.push(format!("panel `{}`: its id stands twice", text(panel, "title")));
        }
        if text(panel, "type") != "row" {
            let found = panel_problems(panel, pages, known).into_iter();
            problems.extend(found.map(|what| format!("panel `{}`: {what}", text(panel, "title"))));
        }
    }
    problems
}

fn panel_problems(panel: &Value, pages: &Texts, known: &mut Known<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for key in ["title", "description"] {
        if text(panel, key).is_empty() {
            problems.push(format!("no {key}"));
        }
    }
    let unit = panel
        .pointer("/fieldConfig/defaults/unit")
        .and_then(Value::as_str);
    if unit.unwrap_or_default().is_empty() {
        problems.push("no unit".to_owned());
    }
    problems.extend(datasource(panel));
    let targets = list(panel, "/targets");
    if targets.is_empty() {
        problems.push("no query".to_owned());
    }
    for target in targets {
        problems.extend(datasource(target));
        problems.extend(known.problems(text(target, "expr"), Place::Panel));
        if text(target, "legendFormat").is_empty() {
            problems.push("a query without a legend".to_owned());
        }
    }
    for link in list(panel, "/links") {
        let page = text(link, "url").strip_prefix("${runbooks}/");
        let there = page.is_some_and(|page| pages.contains_key(&format!("{}/{page}", super::RUNBOOK_FOLDER)));
        if !there {
            problems.push(format!("its link leads to no runbook: {}", text(link, "url")));
        }
    }
    problems
}

fn datasource(of: &Value) -> Option<String> {
    let uid = of.pointer("/datasource/uid").and_then(Value::as_str);
    (uid != Some(DATASOURCE)).then(|| format!("its data source isn't {DATASOURCE}"))
}

/// The variables that every dashboard has, and that all of them load anew when the time changes.
fn variables(board: &Value, known: &mut Known<'_>) -> Vec<String> {
    let variables = list(board, "/templating/list");
    let mut problems = Vec::new();
    for (name, kind) in [
        ("datasource", "datasource"),
        ("job", "query"),
        ("instance", "query"),
        ("runbooks", "constant"),
    ] {
        if !variables
            .iter()
            .any(|v| text(v, "name") == name && text(v, "type") == kind)
        {
            problems.push(format!("no variable `{name}` of type {kind}"));
        }
    }
    for variable in variables.iter().filter(|v| text(v, "type") == "query") {
        let name = text(variable, "name");
        let mut say = |what: &str| problems.push(format!("variable `{name}`: {what}"));
        if text(variable, "label").is_empty() {
            say("no label");
        }
        if datasource(variable).is_some() {
            say("its data source isn't ${datasource}");
        }
        if variable.get("multi") != Some(&Value::Bool(true)) || text(variable, "allValue") != ".+" {
            say("not many values, or `All` isn't .+");
        }
        if variable.get("refresh").and_then(Value::as_u64) != Some(2) {
            say("it isn't loaded anew when the time changes");
        }
        let query = variable
            .pointer("/query/query")
            .and_then(Value::as_str)
            .unwrap_or_default();
        for what in values(query, known) {
            say(&what);
        }
    }
    problems
}

/// `label_values(metric{…}, label)`: the metric must have that label.
fn values(query: &str, known: &mut Known<'_>) -> Vec<String> {
    let inner = query
        .strip_prefix("label_values(")
        .and_then(|rest| rest.strip_suffix(')'));
    let Some((selector, label)) = inner.and_then(|inner| inner.rsplit_once(',')) else {
        return vec![format!("not label_values(metric, label): `{query}`")];
    };
    known.problems(&format!("count by ({}) ({selector})", label.trim()), Place::Rule)
}

fn links(board: &Value, boards: &BTreeSet<String>) -> Vec<String> {
    let own = text(board, "uid");
    let linked: BTreeSet<&str> = list(board, "/links")
        .iter()
        .map(|link| text(link, "url").trim_start_matches("/d/"))
        .collect();
    let lost = linked.iter().filter(|uid| !boards.contains(**uid));
    let mut problems: Vec<String> = lost.map(|uid| format!("a link to no dashboard: {uid}")).collect();
    let missing = boards
        .iter()
        .filter(|uid| *uid != own && !linked.contains(uid.as_str()));
    problems.extend(missing.map(|uid| format!("no link to {uid}")));
    problems
}

fn annotations(board: &Value, known: &mut Known<'_>) -> Vec<String> {
    let annotations = list(board, "/annotations/list");
    let mut problems = Vec::new();
    if !annotations
        .iter()
        .any(|a| text(a, "expr").contains("forecall_incidents_total"))
    {
        problems.push("no annotation marks incidents".to_owned());
    }
    for annotation in annotations {
        let name = text(annotation, "name");
        let found = known.problems(text(annotation, "expr"), Place::Annotation);
        let found = found.into_iter().chain(datasource(annotation));
        problems.extend(found.map(|what| format!("annotation `{name}`: {what}")));
    }
    problems
}

pub(super) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
