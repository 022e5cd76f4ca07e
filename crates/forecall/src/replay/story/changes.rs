//! What one revision of an incident changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use forecall_types::{AnomalyId, EventTime, Evidence, Incident};

use crate::incidents::show::{evidence, number, series};
use crate::replay::time_text;

/// A thing that is otherwise than before: what it was, what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) what: &'static str,
    pub(super) was: Option<String>,
    pub(super) is: Option<String>,
}

impl Changed {
    /// `probability 0.412 → 0.713`, `suspect came: dns 70 %`.
    pub(super) fn text(&self) -> String {
        match (&self.was, &self.is) {
            (Some(was), Some(is)) => format!("{}: {was} → {is}", self.what),
            (None, Some(is)) => format!("{}: {is}", self.what),
            (Some(was), None) => format!("{}: no longer {was}", self.what),
            (None, None) => self.what.to_owned(),
        }
    }
}

fn time(at: EventTime) -> String {
    time_text::write(at)
}

fn listed<T: Display>(all: impl IntoIterator<Item = T>) -> Option<String> {
    let names: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Three digits: what a person reads of a probability.
pub(super) fn share(value: f64) -> String {
    format!("{value:.3}")
}

/// Each fact that a revision states, by its name; those that aren't stated are absent.
fn facts(i: &Incident) -> Vec<(&'static str, Option<String>)> {
    let causes = i
        .causes
        .iter()
        .map(|c| format!("{} {:.0} % by {}", c.node, c.share * 100.0, c.path.join(" → ")));
    let hit = i
        .dimensions
        .iter()
        .map(|d| format!("{} {}", d.label, d.values.join(" or ")));
    let interval = |(from, to)| format!(" ({} to {}, 80 %)", time(from), time(to));
    vec![
        ("state", Some(i.state.as_str().to_owned())),
        ("phase", i.phase.map(|p| p.as_str().to_owned())),
        ("severity", Some(i.severity.as_str().to_owned())),
        ("kind", Some(i.kind.as_str().to_owned())),
        ("probability", Some(share(i.probability.get()))),
        ("services", listed(&i.scope.services)),
        ("regions", listed(&i.scope.regions)),
        ("products", listed(&i.scope.products)),
        ("elements", listed(&i.scope.elements)),
        (
            "cells of H3",
            (!i.scope.cells.is_empty()).then(|| i.scope.cells.len().to_string()),
        ),
        ("customers", i.scope.customers_estimated.map(|n| n.to_string())),
        (
            "expected to hit",
            i.onset_predicted
                .map(|at| time(at) + &i.onset_interval.map_or_else(String::new, interval)),
        ),
        ("customers hit since", i.onset_observed.map(time)),
        ("over since", i.resolved_at.map(time)),
        ("suspects", listed(causes)),
        ("who is hit", listed(hit)),
        ("answers for it", Some(i.responsibility.as_str().to_owned())),
        ("taken on by", i.acknowledged.as_ref().map(|a| a.by.to_string())),
        ("eta", i.eta.map(time)),
        ("steps", listed(i.steps.iter().map(|s| &s.code))),
        (
            "pages",
            listed(
                i.paging
                    .iter()
                    .map(|p| format!("{} {}", p.team, p.decision.as_str())),
            ),
        ),
        ("silenced by", i.silenced.as_ref().map(|s| s.id.to_string())),
        ("part of the storm", i.parent.as_ref().map(ToString::to_string)),
        ("merged into", i.merged_into.as_ref().map(ToString::to_string)),
        (
            "remedies",
            listed(
                i.remedies
                    .iter()
                    .map(|r| format!("{} {}", r.rule, r.stage.as_str())),
            ),
        ),
        ("problem", i.problem.as_ref().map(ToString::to_string)),
    ]
}

/// Evidence by its anomaly.
fn by_anomaly(incident: &Incident) -> BTreeMap<&AnomalyId, &Evidence> {
    incident.evidence.iter().map(|e| (&e.anomaly, e)).collect()
}

/// What a piece of evidence adds.
fn weighed(e: &Evidence) -> String {
    let added = e
        .log_odds
        .map_or_else(String::new, |l| format!(", log-odds {l:+.2}"));
    format!("{}{added}", evidence(e))
}

/// What `now` says that `before` didn't; all of it where there is none before.
pub(super) fn between(before: Option<&Incident>, now: &Incident) -> Vec<Changed> {
    let was: BTreeMap<&str, Option<String>> = before.map(facts).unwrap_or_default().into_iter().collect();
    let mut changes: Vec<Changed> = facts(now)
        .into_iter()
        .filter_map(|(what, is)| {
            let was = was.get(what).cloned().flatten();
            (was != is).then_some(Changed { what, was, is })
        })
        .collect();
    let (old, new) = (before.map(by_anomaly).unwrap_or_default(), by_anomaly(now));
    let ids: BTreeSet<&&AnomalyId> = old.keys().chain(new.keys()).collect();
    for id in ids {
        let one = |what, was, is| Changed { what, was, is };
        match (old.get(*id), new.get(*id)) {
            (None, Some(e)) => changes.push(one("evidence came", None, Some(weighed(e)))),
            (Some(e), None) => changes.push(one("evidence went", None, Some(series(&e.series)))),
            (Some(was), Some(is)) if was.active != is.active => {
                let word = if is.active {
                    "abnormal again"
                } else {
                    "normal again"
                };
                changes.push(one(
                    "evidence",
                    None,
                    Some(format!("{} is {word}", series(&is.series))),
                ));
            }
            (Some(was), Some(is)) if was.score != is.score => {
                let text = |e: &Evidence| Some(number(e.score.get()));
                let what = "score of evidence";
                let mut change = one(what, text(was), text(is));
                change.is = change.is.map(|is_| format!("{is_} of {}", series(&is.series)));
                changes.push(change);
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    changes
}
