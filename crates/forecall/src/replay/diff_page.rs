//! The page of a comparison: one file that needs nothing else.

use std::fmt::Write as _;

use forecall_backtest::{Change, Told};
use forecall_types::EventTime;

use super::diff::{Difference, Otherwise, scope, short, sign_words};
use super::time_text;
use crate::calls::page::{WIDTH, escaped, head, row, whole};

/// Incidents drawn at most; the table has all.
const DRAWN_MAX: usize = 200;
const LEFT: f64 = 240.0;
const LINE: f64 = 22.0;

fn list(title: &str, names: &[String; 2], all: &[Otherwise]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let [a, b] = names.each_ref().map(|name| short(name));
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "not there".to_owned());
    let rows: String = all
        .iter()
        .map(|one| row(&[one.name.clone(), word(&one.a), word(&one.b)]))
        .collect();
    format!("<h2>{title}</h2><table>{}{rows}</table>", head(&["", a, b]))
}

/// Each incident as two bars, the first run's above the second's.
fn picture(found: &Difference) -> String {
    let Some((from, to)) = found.span else {
        return String::new();
    };
    let long = to.seconds_from(from).max(1.0);
    let x = |at: EventTime| LEFT + (WIDTH - LEFT - 10.0) * (at.seconds_from(from) / long).clamp(0.0, 1.0);
    let mut drawn: Vec<(EventTime, Option<&Told>, Option<&Told>)> = found
        .incidents
        .iter()
        .map(|one| match &one.change {
            Change::Came(told) => (told.from, None, Some(told)),
            Change::Went(told) => (told.from, Some(told), None),
            Change::Moved { a, b, .. } => (a.from.min(b.from), Some(a), Some(b)),
            Change::Same(told) => (told.from, Some(told), Some(told)),
        })
        .chain(found.alike.iter().map(|told| (told.from, Some(told), Some(told))))
        .collect();
    drawn.sort_by_key(|(at, a, b)| (*at, a.or(*b).map(|told| told.id.clone())));
    drawn.truncate(DRAWN_MAX);
    let (mut svg, mut y) = (String::new(), 16.0);
    for (_, a, b) in drawn {
        if let Some(told) = b.or(a) {
            let _ = write!(
                svg,
                "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 8.0,
                escaped(&scope(told))
            );
        }
        for (told, class, down) in [(a, "b80", 0.0), (b, "a", 7.0)] {
            let Some(told) = told else { continue };
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"6\"/>",
                x(told.from),
                y + down - 3.0,
                (x(told.to) - x(told.from)).max(2.0)
            );
        }
        y += LINE;
    }
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"incidents of both runs\">{svg}<text x=\"{LEFT}\" y=\"{:.0}\">{}</text><text x=\"{WIDTH}\" y=\"{:.0}\" text-anchor=\"end\">{}</text></svg>",
        y + 24.0,
        y + 14.0,
        time_text::write(from),
        y + 14.0,
        time_text::write(to)
    )
}

/// The whole page.
pub(super) fn page(found: &Difference) -> String {
    let [a, b] = found.names.each_ref().map(|name| escaped(short(name)));
    let mut body = format!(
        "<p>A: {a} (blue). B: {b} (red).</p><p class=\"verdict\">{}</p>",
        if found.is_equal() {
            "Nothing is told otherwise.".to_owned()
        } else {
            format!(
                "{} incidents came, {} went, {} moved, {} are alike.",
                found.count("came"),
                found.count("went"),
                found.count("moved"),
                found.alike.len()
            )
        }
    );
    for remark in &found.remarks {
        let _ = write!(body, "<p><b>Note:</b> {}.</p>", escaped(remark));
    }
    body += &list("Settings", &found.names, &found.settings);
    body += &list("Versions", &found.names, &found.versions);
    body += "<h2>Incidents</h2>";
    body += &picture(found);
    let mut rows = String::new();
    for one in &found.incidents {
        let told = one.told();
        rows += &row(&[
            one.word().to_owned(),
            time_text::write(told.from),
            scope(told),
            one.how().join("; "),
            one.why(),
        ]);
    }
    if !rows.is_empty() {
        let _ = write!(
            body,
            "<table>{}{rows}</table>",
            head(&["", "first told", "scope", "what is otherwise", "why"])
        );
    }
    let sign = found.sign.as_ref();
    let _ = write!(
        body,
        "<p>{}</p>",
        sign.map_or_else(
            || "Anomalies are told alike.".to_owned(),
            |sign| format!(
                "The first anomaly told otherwise: {}.",
                escaped(&sign_words(sign))
            )
        )
    );
    body += &list("Figures", &found.names, &found.figures);
    whole("Two replays", &body)
}
