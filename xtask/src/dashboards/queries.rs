//! What must hold of a query, wherever it stands.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{Catalogue, Series};
use super::promql::{self, Expr, Selector};

/// Series that Prometheus makes itself.
const FOREIGN: [&str; 1] = ["up"];
/// Labels that a scrape puts on every series.
const SCRAPED: [&str; 2] = ["job", "instance"];
/// Functions that need a series which only grows.
const OF_COUNTERS: [&str; 3] = ["rate", "irate", "increase"];
/// What may be asked of a counter's bare value, besides: when it came, whether it is there.
const BARE: [&str; 5] = [
    "last_over_time",
    "absent",
    "changes",
    "timestamp",
    "max_over_time",
];

/// What an increase may span besides: all the time chosen, or the hour that the panel's text names.
const SPANS: [&str; 2] = ["$__range", "1h"];

/// Where a query stands: the rules differ a little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Panel,
    Annotation,
    Rule,
}

/// What is known when a query is judged, and which metrics have been seen in use.
pub(super) struct Known<'c> {
    pub(super) catalogue: &'c Catalogue,
    /// Names of recording rules, and the labels that they keep.
    pub(super) recorded: BTreeMap<String, BTreeSet<String>>,
    pub(super) used: BTreeSet<String>,
}

impl Known<'_> {
    /// What is wrong with the query.
    pub(super) fn problems(&mut self, query: &str, place: Place) -> Vec<String> {
        let expr = match promql::parse(query) {
            Ok(expr) => expr,
            Err(why) => return vec![format!("the query can't be read: {why}: `{query}`")],
        };
        let mut problems = Vec::new();
        for (selector, around) in expr.selectors() {
            problems.extend(self.selector(selector, &around, place));
        }
        for (label, below) in expr.grouping() {
            if !self.has_label(below, label) {
                problems.push(format!("no metric below has the label `{label}`: `{query}`"));
            }
        }
        problems
    }

    fn selector(&mut self, selector: &Selector, around: &[&str], place: Place) -> Vec<String> {
        let name = selector.metric.as_str();
        let Some(labels) = self.labels(name) else {
            return vec![format!(
                "no metric `{name}`: it isn't in the catalogue and no rule records it"
            )];
        };
        let mut problems = Vec::new();
        for matcher in &selector.matchers {
            if !labels.contains(&matcher.label) {
                problems.push(format!("`{name}` has no label `{}`", matcher.label));
            }
        }
        if place != Place::Rule {
            for label in SCRAPED {
                let chosen = format!("${label}");
                let is = |m: &promql::Matcher| m.label == label && m.operator == "=~" && m.value == chosen;
                if !selector.matchers.iter().any(is) {
                    problems.push(format!("`{name}` isn't narrowed by {label}=~\"{chosen}\""));
                }
            }
        }
        if let Some(series) = self.catalogue.series(name) {
            self.used.insert(series.metric.to_owned());
            problems.extend(fits(&series, selector, around, place));
        }
        problems
    }

    fn labels(&self, name: &str) -> Option<BTreeSet<String>> {
        let scraped = SCRAPED.into_iter().map(str::to_owned);
        if FOREIGN.contains(&name) {
            return Some(scraped.collect());
        }
        if let Some(kept) = self.recorded.get(name) {
            return Some(kept.clone());
        }
        let series = self.catalogue.series(name)?;
        Some(
            scraped
                .chain(series.labels.into_iter().map(str::to_owned))
                .collect(),
        )
    }

    /// Whether some series below an expression has the label. Unknown metrics are told elsewhere.
    fn has_label(&self, expr: &Expr, label: &str) -> bool {
        let selectors = expr.selectors();
        selectors.is_empty()
            || selectors.into_iter().any(|(selector, _)| {
                self.labels(&selector.metric)
                    .is_none_or(|labels| labels.contains(label))
            })
    }
}

/// Whether the functions around a series are those for its type.
fn fits(series: &Series<'_>, selector: &Selector, around: &[&str], place: Place) -> Option<String> {
    let name = selector.metric.as_str();
    let rate = around.iter().find(|function| OF_COUNTERS.contains(function));
    match rate {
        Some(function) if !series.only_grows => Some(format!(
            "{function} of the gauge `{name}`: a gauge has delta or deriv"
        )),
        Some(function) if place == Place::Panel => {
            let range = selector.range.as_deref().unwrap_or_default();
            let spans = range == "$__rate_interval" || (*function == "increase" && SPANS.contains(&range));
            (!spans).then(|| format!("{function} of `{name}` isn't over [$__rate_interval]"))
        }
        Some(_) => None,
        // In rules a counter is also compared with what it was: the first event of a new series is no increase.
        None => {
            let meant = around.iter().any(|function| BARE.contains(function));
            (place == Place::Panel && series.counted && !meant)
                .then(|| format!("the counter `{name}` is shown bare: rate or increase"))
        }
    }
}
