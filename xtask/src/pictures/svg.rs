//! Values with their band above, the channel's score below, and where an anomaly was opened.

use std::fmt::Write as _;

/// What a channel said of a sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    pub(super) score: f64,
    pub(super) expected: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// A sample; nothing is said of it during warm-up.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub(super) at: String,
    pub(super) value: f64,
    pub(super) said: Option<Said>,
}

const WIDTH: f64 = 860.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 848.0;
/// Top and bottom of the values, then of the scores.
const VALUES: (f64, f64) = (34.0, 214.0);
const SCORES: (f64, f64) = (232.0, 292.0);
const HEIGHT: f64 = 334.0;
/// Columns: more can't be seen.
const COLUMNS: usize = 400;

/// A small count as a number.
fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Some samples that share a column.
struct Column {
    x: f64,
    least: f64,
    most: f64,
    said: Option<Said>,
}

fn columns(points: &[Point]) -> Vec<Column> {
    let each = points.len().div_ceil(COLUMNS).max(1);
    let chunks = points.chunks(each);
    let last = number(chunks.len().saturating_sub(1).max(1));
    chunks
        .enumerate()
        .map(|(i, chunk)| Column {
            x: LEFT + (RIGHT - LEFT) * number(i) / last,
            least: chunk.iter().map(|p| p.value).fold(f64::INFINITY, f64::min),
            most: chunk.iter().map(|p| p.value).fold(f64::NEG_INFINITY, f64::max),
            said: chunk.iter().filter_map(|p| p.said).reduce(|a, b| Said {
                score: a.score.max(b.score),
                expected: b.expected,
                low: b.low,
                high: b.high,
            }),
        })
        .collect()
}

/// A scale from numbers to heights, clipped to its panel.
struct Scale {
    from: f64,
    to: f64,
    panel: (f64, f64),
}

impl Scale {
    fn y(&self, value: f64) -> f64 {
        let share = ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        self.panel.1 - share * (self.panel.1 - self.panel.0)
    }
}

fn path(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut text = String::new();
    for (i, (x, y)) in points.enumerate() {
        // Writing to a string can't fail.
        let _ = write!(text, "{}{x:.1} {y:.1}", if i == 0 { "M" } else { "L" });
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The picture.
pub(super) fn document(
    title: &str,
    source: &str,
    channel: &str,
    points: &[Point],
    told: &[(String, String)],
) -> String {
    let columns = columns(points);
    let least = columns.iter().map(|c| c.least).fold(f64::INFINITY, f64::min);
    let most = columns.iter().map(|c| c.most).fold(f64::NEG_INFINITY, f64::max);
    let margin = ((most - least) * 0.15).max(1e-9);
    let values = Scale {
        from: least - margin,
        to: most + margin,
        panel: VALUES,
    };
    let top = columns
        .iter()
        .filter_map(|c| c.said)
        .map(|s| s.score)
        .fold(6.0, f64::max);
    let scores = Scale {
        from: 0.0,
        to: top,
        panel: SCORES,
    };
    let said = || columns.iter().filter_map(|c| Some((c.x, c.said?)));
    let band = path(
        said().map(|(x, s)| (x, values.y(s.high))).chain(
            said()
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .map(|(x, s)| (x, values.y(s.low))),
        ),
    );
    let line = path(
        columns
            .iter()
            .flat_map(|c| [(c.x, values.y(c.least)), (c.x, values.y(c.most))]),
    );
    let expected = path(said().map(|(x, s)| (x, values.y(s.expected))));
    let score = path(said().map(|(x, s)| (x, scores.y(s.score))));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>\n\
         <path d=\"{band}Z\" fill=\"#9ecae1\" fill-opacity=\"0.6\"/>\n\
         <path d=\"{expected}\" fill=\"none\" stroke=\"#3182bd\"/>\n\
         <path d=\"{line}\" fill=\"none\" stroke=\"#222\" stroke-width=\"0.9\"/>\n\
         <path d=\"{score}\" fill=\"none\" stroke=\"#e6550d\"/>\n",
        escaped(title)
    );
    let place = |at: &str| {
        let i = points.partition_point(|p| p.at.as_str() < at);
        LEFT + (RIGHT - LEFT) * number(i) / number(points.len().max(1))
    };
    for (by, at) in told {
        let (x, own) = (place(at), by == channel);
        let colour = if own { "#d62728" } else { "#aaa" };
        let _ = writeln!(
            text,
            "<path d=\"M{x:.1} {:.1}V{:.1}\" stroke=\"{colour}\" stroke-dasharray=\"3 2\"><title>{by} at {at}</title></path>",
            VALUES.0, SCORES.1
        );
    }
    let mut label = |x: f64, y: f64, anchor: &str, what: &str| {
        let _ = writeln!(
            text,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" fill=\"#555\">{}</text>",
            escaped(what)
        );
    };
    let at = |point: Option<&Point>| point.map_or_else(String::new, |p| p.at.clone());
    label(LEFT, HEIGHT - 26.0, "start", &at(points.first()));
    label(RIGHT, HEIGHT - 26.0, "end", &at(points.last()));
    label(LEFT, HEIGHT - 8.0, "start", source);
    label(LEFT - 4.0, VALUES.0 + 10.0, "end", &rounded(most));
    label(LEFT - 4.0, VALUES.1, "end", &rounded(least));
    label(LEFT - 4.0, SCORES.0 + 10.0, "end", &rounded(top));
    label(LEFT - 4.0, SCORES.1, "end", "0");
    label(
        RIGHT,
        20.0,
        "end",
        "blue: normal range and expected; below: score; dashed: an anomaly opens",
    );
    text.push_str("</svg>\n");
    text
}

fn rounded(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}
