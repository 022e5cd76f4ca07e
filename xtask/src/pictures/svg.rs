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
const LEFT: f64 = 52.0;
const RIGHT: f64 = 848.0;
/// Top and bottom of the values, then of the scores.
const VALUES: (f64, f64) = (54.0, 244.0);
const SCORES: (f64, f64) = (262.0, 322.0);
const HEIGHT: f64 = 364.0;
/// Columns: more can't be seen.
const COLUMNS: usize = 800;
/// Dates below the picture at most: more would touch.
const DATES: usize = 8;
const DATE_WIDTH: f64 = 66.0;
/// The score at the edge of a band.
const EDGE_SCORE: f64 = 3.0;

const GREY: &str = "#555";
const BAND: &str = "#c6dfee";
const EXPECTED: &str = "#3182bd";
const VALUE: &str = "#222";
const SCORE: &str = "#e6550d";
const OWN: &str = "#d62728";
const OTHER: &str = "#999";

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

/// Where samples lie from left to right: so many share a column.
struct Across {
    each: usize,
    columns: usize,
}

impl Across {
    fn of(points: &[Point]) -> Self {
        let each = points.len().div_ceil(COLUMNS).max(1);
        let columns = points.len().div_ceil(each);
        Self { each, columns }
    }

    fn x(&self, point: usize) -> f64 {
        let last = number(self.columns.saturating_sub(1).max(1));
        LEFT + (RIGHT - LEFT) * (number(point / self.each) / last).min(1.0)
    }

    fn columns(&self, points: &[Point]) -> Vec<Column> {
        let chunks = points.chunks(self.each).enumerate();
        chunks
            .map(|(i, chunk)| Column {
                x: self.x(i * self.each),
                least: chunk.iter().map(|p| p.value).fold(f64::INFINITY, f64::min),
                most: chunk.iter().map(|p| p.value).fold(f64::NEG_INFINITY, f64::max),
                said: chunk.iter().filter_map(|p| p.said).reduce(|a, b| Said {
                    score: a.score.max(b.score),
                    ..b
                }),
            })
            .collect()
    }
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

/// Text at a place; `anchor` says which end of it stands there.
fn label((x, y): (f64, f64), anchor: &str, fill: &str, what: &str) -> String {
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{fill}\">{}</text>\n",
        escaped(what)
    )
}

/// A thin level line with its number before it.
fn level(scale: &Scale, value: f64) -> String {
    let y = scale.y(value);
    let line = format!("<path d=\"M{LEFT} {y:.1}H{RIGHT}\" stroke=\"#ddd\"/>\n");
    line + &label((LEFT - 5.0, y + 4.0), "end", GREY, &rounded(value))
}

/// What each colour stands for, each in its own.
fn legend(channel: &str) -> String {
    let words = [
        (VALUE, "value"),
        (EXPECTED, "normal range, expected"),
        (SCORE, "score (below)"),
        (OWN, &format!("┆ anomaly opened by {channel}")),
        (OTHER, "┆ by another channel"),
    ];
    let mut text = format!("<text x=\"{LEFT}\" y=\"40\">");
    for (i, (colour, what)) in words.into_iter().enumerate() {
        let gap = if i == 0 { "" } else { " dx=\"16\"" };
        let _ = write!(text, "<tspan{gap} fill=\"{colour}\">{}</tspan>", escaped(what));
    }
    text + "</text>\n"
}

/// A light line where each day begins, and the dates of some.
fn days(points: &[Point], across: &Across) -> String {
    let day = |i: usize| points.get(i).and_then(|p| p.at.get(..10));
    let begins: Vec<usize> = (0..points.len())
        .filter(|i| *i == 0 || day(*i) != day(i - 1))
        .collect();
    let every = begins.len().div_ceil(DATES).max(1);
    let mut text = String::new();
    for (n, begin) in begins.into_iter().enumerate() {
        let x = across.x(begin);
        let _ = writeln!(
            text,
            "<path d=\"M{x:.1} {:.1}V{:.1}\" stroke=\"#eee\"/>",
            VALUES.0, SCORES.1
        );
        if n.is_multiple_of(every) && x < RIGHT - DATE_WIDTH {
            text += &label(
                (x, SCORES.1 + 16.0),
                "start",
                GREY,
                day(begin).unwrap_or_default(),
            );
        }
    }
    text
}

/// Dashed lines where anomalies were opened.
fn opened(points: &[Point], across: &Across, channel: &str, told: &[(String, String)]) -> String {
    let mut text = String::new();
    for (by, at) in told {
        let x = across.x(points.partition_point(|p| p.at.as_str() < at.as_str()));
        let colour = if by == channel { OWN } else { OTHER };
        let _ = writeln!(
            text,
            "<path d=\"M{x:.1} {:.1}V{:.1}\" stroke=\"{colour}\" stroke-dasharray=\"4 3\"><title>{} at {}</title></path>",
            VALUES.0,
            SCORES.1,
            escaped(by),
            escaped(at)
        );
    }
    text
}

/// The picture.
pub(super) fn document(
    title: &str,
    source: &str,
    channel: &str,
    points: &[Point],
    told: &[(String, String)],
) -> String {
    let across = Across::of(points);
    let columns = across.columns(points);
    let least = columns.iter().map(|c| c.least).fold(f64::INFINITY, f64::min);
    let most = columns.iter().map(|c| c.most).fold(f64::NEG_INFINITY, f64::max);
    let margin = ((most - least) * 0.1).max(1e-9);
    let values = Scale {
        from: least - margin,
        to: most + margin,
        panel: VALUES,
    };
    let said = || columns.iter().filter_map(|c| Some((c.x, c.said?)));
    let scores = Scale {
        from: 0.0,
        to: said().map(|(_, s)| s.score).fold(2.0 * EDGE_SCORE, f64::max),
        panel: SCORES,
    };
    let (mut band, mut lower) = (Vec::new(), Vec::new());
    for (x, s) in said() {
        band.push((x, values.y(s.high)));
        lower.push((x, values.y(s.low)));
    }
    band.extend(lower.into_iter().rev());
    let line = columns.iter().flat_map(|c| {
        let lowest = (c.most > c.least).then_some((c.x, values.y(c.least)));
        lowest.into_iter().chain([(c.x, values.y(c.most))])
    });
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{}</text>\n",
        escaped(title)
    );
    text += &legend(channel);
    let _ = writeln!(text, "<path d=\"{}Z\" fill=\"{BAND}\"/>", path(band.into_iter()));
    text += &days(points, &across);
    for (scale, value) in [
        (&values, least),
        (&values, most),
        (&scores, 0.0),
        (&scores, EDGE_SCORE),
    ] {
        text += &level(scale, value);
    }
    text += &opened(points, &across, channel, told);
    for (colour, width, drawn) in [
        (
            EXPECTED,
            1.2,
            path(said().map(|(x, s)| (x, values.y(s.expected)))),
        ),
        (VALUE, 0.9, path(line)),
        (SCORE, 1.2, path(said().map(|(x, s)| (x, scores.y(s.score))))),
    ] {
        let _ = writeln!(
            text,
            "<path d=\"{drawn}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        );
    }
    text += &label((LEFT, HEIGHT - 8.0), "start", GREY, source);
    text + "</svg>\n"
}

fn rounded(value: f64) -> String {
    if value.abs() >= 100.0 || value.fract().abs() < 0.05 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}
