//! A story as one file to look at, which loads nothing.

use std::fmt::Write as _;

use super::tell::{Of, RECORDS, head, steps, told};
use super::{Cited, Story};
use crate::calls::page::{WIDTH, escaped, whole};
use crate::replay::time_text;

const HEIGHT: f64 = 120.0;

/// The records of an anomaly over time, and what was normal of them.
#[allow(clippy::cast_precision_loss, reason = "at most some thousands of points")]
fn picture(records: &[Cited]) -> String {
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return String::new();
    };
    let bounds = |one: &Cited| {
        let (low, high) = one.band.unwrap_or((one.value, one.value));
        (low.min(one.value), high.max(one.value))
    };
    let low = records.iter().map(|r| bounds(r).0).fold(f64::INFINITY, f64::min);
    let high = records
        .iter()
        .map(|r| bounds(r).1)
        .fold(f64::NEG_INFINITY, f64::max);
    let long = last.at.seconds_from(first.at).max(1.0);
    let tall = (high - low).max(f64::MIN_POSITIVE);
    let x = |one: &Cited| 10.0 + (WIDTH - 20.0) * one.at.seconds_from(first.at) / long;
    let y = |value: f64| HEIGHT - 15.0 - (HEIGHT - 30.0) * (value - low) / tall;
    let mut svg = String::new();
    for one in records {
        if let Some((low, high)) = one.band {
            // Writing to a String can't fail.
            let _ = write!(
                svg,
                "<line class=\"w\" stroke-opacity=\".3\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{2:.1}\"/>",
                x(one),
                y(low),
                y(high)
            );
        }
    }
    for one in records {
        let _ = write!(
            svg,
            "<circle class=\"a\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"><title>{}</title></circle>",
            x(one),
            y(one.value),
            escaped(&format!(
                "{} = {} ({})",
                time_text::write(one.at),
                one.value,
                one.place
            ))
        );
    }
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT:.0}\" role=\"img\" aria-label=\"abnormal records and what was normal\">{svg}</svg>"
    )
}

/// The whole page.
pub(super) fn page(story: &Story) -> String {
    let mut body = String::new();
    for line in head(story) {
        let _ = write!(body, "<p>{}</p>", escaped(&line));
    }
    for remark in &story.remarks {
        let _ = write!(body, "<p><small>{}</small></p>", escaped(remark));
    }
    let steps = steps(story);
    let mut pictures = steps.iter().filter_map(|step| match &step.of {
        Of::Records(sign) => Some(picture(&sign.records)),
        Of::Anomaly(_) | Of::Crossed(..) | Of::Revision(..) | Of::Word(_) => None,
    });
    for (at, kind, lines) in told(&steps) {
        let mut lines = lines.iter();
        let first = lines.next().map(String::as_str).unwrap_or_default();
        let _ = write!(
            body,
            "<h3>{} · {kind}</h3><p>{}</p>",
            time_text::write(at),
            escaped(first)
        );
        if kind == RECORDS {
            body.push_str(&pictures.next().unwrap_or_default());
        }
        let rest: String = lines.map(|l| format!("<li>{}</li>", escaped(l.trim()))).collect();
        if !rest.is_empty() {
            let _ = write!(body, "<ul>{rest}</ul>");
        }
    }
    whole(&format!("How {} arose", story.id), &body)
}
