//! What the pages of reports share: style, text, and simple pictures. A page needs nothing else and loads nothing.

use std::fmt::Write as _;

pub(crate) const WIDTH: f64 = 1100.0;
pub(crate) const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:1120px;margin:2em auto;padding:0 1em;color:#1b2733}\
table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .9em;border-bottom:1px solid #dde3e8;text-align:right}\
td:first-child,th:first-child{text-align:left}svg{width:100%;height:auto}\
.b95{fill:#dbe8f4}.b80{fill:#aecbe6}.m{fill:none;stroke:#1f5f99;stroke-width:1.4}.a{fill:#b3361b}.r{fill:#5a6b7b}\
.ax{stroke:#9aa7b3;stroke-width:1}.zero{stroke:#b3361b;stroke-width:1;stroke-dasharray:4 3}.w{stroke:#1f5f99;stroke-width:2}\
text{font-size:12px;fill:#4c5a67}.verdict{font-size:1.3em;font-weight:600}small{color:#5a6b7b}";

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A whole page around its body.
pub(crate) fn whole(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>{body}</html>\n"
    )
}

/// A row of a table.
pub(crate) fn row(cells: &[String]) -> String {
    let cells: String = cells.iter().map(|c| format!("<td>{}</td>", escaped(c))).collect();
    format!("<tr>{cells}</tr>")
}

pub(crate) fn head(cells: &[&str]) -> String {
    let cells: String = cells.iter().map(|c| format!("<th>{}</th>", escaped(c))).collect();
    format!("<tr>{cells}</tr>")
}

/// A span of values with a middle one, drawn as a line with a point.
pub(crate) struct Whisker {
    pub(super) name: String,
    pub(super) low: f64,
    pub(super) middle: f64,
    pub(super) high: f64,
}

/// Lines one under another, on one scale; zero is marked. The edges of the picture cut what lies beyond them.
pub(crate) fn whiskers(rows: &[Whisker], range: (f64, f64), unit: &str, label: &str) -> String {
    let (left, right) = (220.0, WIDTH - 20.0);
    let x = |value: f64| left + (right - left) * ((value - range.0) / (range.1 - range.0)).clamp(0.0, 1.0);
    let mut svg = String::new();
    let mut y = 20.0;
    for one in rows {
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text><line class=\"w\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><circle class=\"a\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>",
            left - 10.0,
            y + 4.0,
            escaped(&one.name),
            x(one.low),
            x(one.high),
            x(one.middle)
        );
        y += 20.0;
    }
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let value = range.0 + part * (range.1 - range.0);
        let _ = write!(
            svg,
            "<line class=\"ax\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"8\" y2=\"{y:.0}\" stroke-opacity=\".3\"/><text x=\"{0:.1}\" y=\"{1:.0}\" text-anchor=\"middle\">{value:.0}{unit}</text>",
            x(value),
            y + 14.0
        );
    }
    let _ = write!(
        svg,
        "<line class=\"zero\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"8\" y2=\"{y:.0}\"/>",
        x(0.0)
    );
    picture(y + 22.0, label, &svg)
}

/// A band with a line in it, over numbered steps; zero is marked.
#[allow(clippy::cast_precision_loss, reason = "hundreds of points")]
pub(crate) fn band(points: &[(f64, f64, f64)], range: (f64, f64), unit: &str, label: &str) -> String {
    let (left, height) = (60.0, 300.0);
    let count = points.len().max(1) as f64;
    let x = |number: usize| left + (WIDTH - left - 10.0) * (number as f64 + 0.5) / count;
    let y = |value: f64| 270.0 - 255.0 * ((value - range.0) / (range.1 - range.0)).clamp(0.0, 1.0);
    let (mut edge, mut line) = (String::new(), String::new());
    for (number, (_, middle, high)) in points.iter().enumerate() {
        let _ = write!(edge, "{:.1},{:.1} ", x(number), y(*high));
        let _ = write!(line, "{:.1},{:.1} ", x(number), y(*middle));
    }
    for (number, (low, _, _)) in points.iter().enumerate().rev() {
        let _ = write!(edge, "{:.1},{:.1} ", x(number), y(*low));
    }
    let mut svg =
        format!("<polygon class=\"b80\" points=\"{edge}\"/><polyline class=\"m\" points=\"{line}\"/>");
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let value = range.0 + part * (range.1 - range.0);
        let _ = write!(
            svg,
            "<line class=\"ax\" x1=\"{left}\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\" stroke-opacity=\".3\"/><text x=\"{1:.0}\" y=\"{2:.1}\" text-anchor=\"end\">{value:.0}{unit}</text>",
            y(value),
            left - 6.0,
            y(value) + 4.0
        );
    }
    let _ = write!(
        svg,
        "<line class=\"zero\" x1=\"{left}\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/>",
        y(0.0)
    );
    let stride = (points.len() / 10).max(1);
    for number in (0..points.len()).step_by(stride) {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"290\" text-anchor=\"middle\">{}</text>",
            x(number),
            number + 1
        );
    }
    picture(height, label, &svg)
}

/// Bars over names.
#[allow(clippy::cast_precision_loss, reason = "hundreds of bars")]
pub(crate) fn bars(values: &[(String, Option<f64>)], top: f64, unit: &str, label: &str) -> String {
    let left = 60.0;
    let width = (WIDTH - left - 10.0) / values.len().max(1) as f64;
    let y = |value: f64| 210.0 - 195.0 * (value / top.max(1e-9)).clamp(0.0, 1.0);
    let mut svg = String::new();
    let stride = (values.len() / 12).max(1);
    for (number, (name, value)) in values.iter().enumerate() {
        let x = left + width * number as f64;
        if let Some(value) = value {
            let _ = write!(
                svg,
                "<rect class=\"b80\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                y(*value),
                (width - 1.0).max(0.5),
                210.0 - y(*value)
            );
        }
        if number.is_multiple_of(stride) {
            let _ = write!(svg, "<text x=\"{x:.1}\" y=\"228\">{}</text>", escaped(name));
        }
    }
    for part in [0.0, 0.5, 1.0] {
        let _ = write!(
            svg,
            "<line class=\"ax\" x1=\"{left}\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\" stroke-opacity=\".3\"/><text x=\"{1:.0}\" y=\"{2:.1}\" text-anchor=\"end\">{3:.0}{unit}</text>",
            y(part * top),
            left - 6.0,
            y(part * top) + 4.0,
            part * top
        );
    }
    picture(240.0, label, &svg)
}

fn picture(height: f64, label: &str, svg: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{}\">{svg}</svg>",
        escaped(label)
    )
}
