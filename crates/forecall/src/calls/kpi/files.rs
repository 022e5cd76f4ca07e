//! What is written beside the page.

use std::fmt::Write as _;

use forecall_outreach::calls::kpi::{Tally, ToldBefore};
use serde_json::{Map, Value, json};

use super::{Findings, figures};
use crate::calls::sheet::field;

/// One row a figure and group: queue, span, figure, value, numerator, denominator. A value without data is empty.
pub(super) fn csv(found: &Findings) -> String {
    let mut text = "queue,span,figure,value,numerator,denominator\n".to_owned();
    let mut rows = |queue: &str, span: &str, tally: &Tally| {
        for figure in figures(tally, found.rules) {
            let value = figure
                .rate
                .value()
                .map_or_else(String::new, |value| format!("{value:.6}"));
            let _ = writeln!(
                text,
                "{},{},{},{value},{},{}",
                field(queue),
                field(span),
                figure.name,
                figure.rate.part,
                figure.rate.of
            );
        }
        for (name, count) in counts(tally) {
            let _ = writeln!(text, "{},{},{name},{count},,", field(queue), field(span));
        }
    };
    for (group, tally) in &found.by_group {
        rows(&group.queue, &group.span, tally);
    }
    for (queue, tally) in &found.by_queue {
        rows(queue, "total", tally);
    }
    rows("total", "total", &found.all);
    text
}

/// What stands beside the rates.
const fn counts(tally: &Tally) -> [(&'static str, f64); 10] {
    [
        ("calls", tally.calls),
        ("answered", tally.answered),
        ("abandoned", tally.abandoned),
        ("short_abandons", tally.short),
        ("left", tally.left),
        ("callbacks", tally.callbacks),
        ("open", tally.open),
        ("answered_without_wait", tally.answered_without_wait),
        ("not_followed", tally.not_followed),
        ("answers_off_scale", tally.scores.off_scale),
    ]
}

fn tally(found: &Findings, tally: &Tally) -> Value {
    let mut all = Map::new();
    for figure in figures(tally, found.rules) {
        let own = json!({ "value": figure.rate.value(), "numerator": figure.rate.part, "denominator": figure.rate.of });
        all.insert(figure.name.to_owned(), own);
    }
    for (name, count) in counts(tally) {
        all.insert(name.to_owned(), json!(count));
    }
    Value::Object(all)
}

#[allow(clippy::cast_precision_loss, reason = "numbers of customers")]
fn told(told: ToldBefore) -> Value {
    let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
    json!({
        "value": share(told.told_before, told.of), "numerator": told.told_before, "denominator": told.of,
        "of_those_who_made_a_contact": {
            "value": share(told.told_before_contact, told.with_contact),
            "numerator": told.told_before_contact, "denominator": told.with_contact,
        },
    })
}

/// All figures; no data is null.
pub(super) fn json(found: &Findings) -> Value {
    let groups: Vec<Value> = found
        .by_group
        .iter()
        .map(|(group, own)| json!({ "queue": group.queue, "span": group.span, "figures": tally(found, own) }))
        .collect();
    let queues: Vec<Value> = found
        .by_queue
        .iter()
        .map(|(queue, own)| json!({ "queue": queue, "figures": tally(found, own) }))
        .collect();
    let incidents: Vec<Value> = found
        .incidents
        .iter()
        .map(|(name, one)| {
            json!({
                "incident": name, "alert_lead_seconds": one.leads.alert_seconds(),
                "notice_lead_seconds": one.leads.notice_seconds(),
                "notice_lead_known_to_seconds": one.step.map(|step| step.as_secs()),
                "told_before_contact": found.has_audience.then(|| told(one.told)),
            })
        })
        .collect();
    json!({
        "answered_within_seconds": found.rules.within.as_secs_f64(),
        "short_abandon_seconds": found.rules.short.as_secs_f64(),
        "all": tally(found, &found.all), "queues": queues, "groups": groups, "incidents": incidents,
        "told_before_contact": found.has_audience.then(|| told(found.told)),
    })
}
