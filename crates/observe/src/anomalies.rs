//! Chosen series on a page of their own, under the names that vmanomaly and promql-anomaly-detection write: dashboards and rules
//! made for those work on it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Nothing new for so long: the series isn't shown any more, as Prometheus forgets what isn't scraped.
const KEPT_FOR: Duration = Duration::from_secs(300);
/// As rules and dashboards of vmanomaly tell models apart.
const MODEL: &str = "forecall";

/// A chosen series at its last sample.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownRow {
    /// Its metric.
    pub metric: String,
    /// Its labels and those of what it is measured of, as the telemetry names them.
    pub labels: Vec<(String, String)>,
    /// What was measured.
    pub value: f64,
    /// Expected, lower and upper edge of what is normal; `None` while it isn't known.
    pub normal: Option<[f64; 3]>,
    /// 1 and more: abnormal.
    pub score: f64,
    /// What each channel said by itself: −log10 of the chance of this or worse.
    pub channels: Vec<(&'static str, f64)>,
    /// Whether an anomaly is open.
    pub is_open: bool,
}

/// What a page's families are: name, help.
const FAMILIES: [(&str, &str); 10] = [
    ("y", "What was measured."),
    ("yhat", "What was expected."),
    ("yhat_lower", "Lower edge of what is normal of a single value."),
    ("yhat_upper", "Upper edge of what is normal of a single value."),
    (
        "anomaly_score",
        "Surprise, as a share of the score from which a sample counts as abnormal; several such samples open an anomaly.",
    ),
    ("anomaly_open", "1 while an anomaly is open."),
    (
        "anomaly_channel_score",
        "What a channel said by itself: -log10 of the chance of this or worse in normal times.",
    ),
    (
        "anomaly:level",
        "What was measured, for promql-anomaly-detection.",
    ),
    ("anomaly:lower_band", "As yhat_lower."),
    ("anomaly:upper_band", "As yhat_upper."),
];

/// The lines of one series of the page, by family.
type Lines = BTreeMap<&'static str, Vec<(String, f64)>>;

/// The rows, each with when it came, by who told it and which it is.
#[derive(Default)]
pub(crate) struct Page(Mutex<Rows>);

#[derive(Default)]
struct Rows {
    most: usize,
    rows: BTreeMap<(String, String), (Instant, ShownRow)>,
}

impl Page {
    fn rows(&self) -> std::sync::MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn show_at_most(&self, most: usize) {
        self.rows().most = most;
    }

    /// Puts a row in, in place of the one before; `false` where there is no room for a further one.
    pub(crate) fn show(&self, of: &str, row: ShownRow, now: Instant) -> bool {
        let key = (of.to_owned(), text_of(&labels_of(&row)));
        let mut rows = self.rows();
        if !rows.rows.contains_key(&key) {
            if rows.rows.len() >= rows.most {
                rows.rows.retain(|_, (at, _)| now.duration_since(*at) < KEPT_FOR);
            }
            if rows.rows.len() >= rows.most {
                return false;
            }
        }
        rows.rows.insert(key, (now, row));
        true
    }

    pub(crate) fn forget(&self, of: &str) {
        self.rows().rows.retain(|(teller, _), _| teller != of);
    }

    pub(crate) fn text(&self, now: Instant) -> String {
        let mut lines = Lines::new();
        {
            let mut rows = self.rows();
            rows.rows.retain(|_, (at, _)| now.duration_since(*at) < KEPT_FOR);
            // What two partitions tell of one series would be one series twice, which no scraper takes: the newest stands.
            let mut newest: BTreeMap<&String, &(Instant, ShownRow)> = BTreeMap::new();
            for ((_, labels), told) in &rows.rows {
                let known = newest.entry(labels).or_insert(told);
                if known.0 < told.0 {
                    *known = told;
                }
            }
            for (_, row) in newest.into_values() {
                write_row(row, &mut lines);
            }
        }
        let mut text = String::new();
        for (name, help) in FAMILIES {
            let Some(lines) = lines.get(name) else { continue };
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
            for (labels, value) in lines {
                let _ = writeln!(text, "{name}{{{labels}}} {value}");
            }
        }
        text
    }
}

/// The table of the reference: what is on the page, and its labels beside those of the series.
pub(crate) fn table() -> String {
    let mut text = String::from("| metric | type | labels | what it says |\n|---|---|---|---|\n");
    for (name, help) in FAMILIES {
        let ours = match name {
            "anomaly:level" | "anomaly:lower_band" | "anomaly:upper_band" => {
                "`anomaly_name`, `anomaly_strategy`, `anomaly_select`"
            }
            "y" => "`model_alias`, `scheduler_alias`, `preset`, `anomaly_name`, `anomaly_strategy`",
            "anomaly_channel_score" => "`model_alias`, `scheduler_alias`, `preset`, `channel`",
            _ => "`model_alias`, `scheduler_alias`, `preset`",
        };
        let labels = format!("`for`, `domain`, `service_name`, `region`, {ours}");
        let _ = writeln!(text, "| `{name}` | gauge | {labels} | {help} |");
    }
    text
}

/// The labels of the series itself: names as Prometheus takes them, none twice, in order.
fn labels_of(row: &ShownRow) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (name, value) in &row.labels {
        let mut name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        if name.starts_with(|c: char| c.is_ascii_digit()) || is_ours(&name) {
            name.insert_str(0, "label_");
        }
        // Two names that come to one: both are told apart.
        while labels.contains_key(&name) {
            name.push('_');
        }
        labels.insert(name, value.clone());
    }
    labels.insert("for".to_owned(), row.metric.clone());
    labels
}

/// Names that the page gives a meaning of its own, and those beginning with `__`, which are Prometheus' own.
fn is_ours(name: &str) -> bool {
    const OURS: [&str; 9] = [
        "for",
        "model_alias",
        "scheduler_alias",
        "preset",
        "channel",
        "anomaly_name",
        "anomaly_type",
        "anomaly_strategy",
        "anomaly_select",
    ];
    OURS.contains(&name) || name.starts_with("__") || name.is_empty()
}

fn text_of<N: AsRef<str>, V: AsRef<str>>(labels: impl IntoIterator<Item = (N, V)>) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        if !text.is_empty() {
            text.push(',');
        }
        let _ = write!(text, "{}=\"", name.as_ref());
        for c in value.as_ref().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    text
}

fn write_row(row: &ShownRow, lines: &mut Lines) {
    let labels = labels_of(row);
    let with = |more: &[(&str, &str)]| {
        let mut all: BTreeMap<&str, &str> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        all.extend(more.iter().copied());
        text_of(all)
    };
    let model = [
        ("model_alias", MODEL),
        ("preset", MODEL),
        ("scheduler_alias", "stream"),
    ];
    let ours = with(&model);
    let name = [("anomaly_name", row.metric.as_str()), ("anomaly_strategy", MODEL)];
    let mut told = |family, labels: String, value: f64| {
        lines.entry(family).or_default().push((labels, value));
    };
    let [select, ..] = [("anomaly_select", "1")];
    let theirs = with(&[name[0], name[1], select]);
    // Without `anomaly_select`: where they look for what is measured itself, they find it.
    told("y", with(&[&model[..], &name[..]].concat()), row.value);
    told("anomaly:level", theirs.clone(), row.value);
    told("anomaly_open", ours.clone(), if row.is_open { 1.0 } else { 0.0 });
    let Some([expected, low, high]) = row.normal else {
        return;
    };
    told("yhat", ours.clone(), expected);
    told("yhat_lower", ours.clone(), low);
    told("yhat_upper", ours.clone(), high);
    told("anomaly:lower_band", theirs.clone(), low);
    told("anomaly:upper_band", theirs, high);
    told("anomaly_score", ours, row.score);
    for (channel, score) in &row.channels {
        let labels = with(&[&model[..], &[("channel", *channel)]].concat());
        told("anomaly_channel_score", labels, *score);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn row(metric: &str, labels: &[(&str, &str)], value: f64) -> ShownRow {
        let labels = labels.iter();
        ShownRow {
            metric: metric.to_owned(),
            labels: labels.map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            value,
            normal: Some([1.0, 0.5, 1.5]),
            score: 1.25,
            channels: vec![("spike", 4.5)],
            is_open: true,
        }
    }

    #[test]
    fn a_series_stands_under_both_families_of_names() {
        let page = Page::default();
        page.show_at_most(9);
        let now = Instant::now();
        let odd = [
            ("domain", "isp"),
            ("service.name", "say \"x\"\\\n"),
            ("service_name", "twice"),
            ("channel", "7"),
            ("2nd", "b"),
        ];
        assert!(page.show("t/0", row("latency.p95", &odd, 7.0), now));
        let mut fresh = row("rps", &[("domain", "isp")], 3.0);
        (fresh.normal, fresh.channels) = (None, Vec::new());
        assert!(page.show("t/0", fresh, now));
        expect![[r#"
            # HELP y What was measured.
            # TYPE y gauge
            y{anomaly_name="latency.p95",anomaly_strategy="forecall",domain="isp",for="latency.p95",label_2nd="b",label_channel="7",model_alias="forecall",preset="forecall",scheduler_alias="stream",service_name="say \"x\"\\\n",service_name_="twice"} 7
            y{anomaly_name="rps",anomaly_strategy="forecall",domain="isp",for="rps",model_alias="forecall",preset="forecall",scheduler_alias="stream"} 3
            # HELP yhat What was expected.
            # TYPE yhat gauge
            yhat{domain="isp",for="latency.p95",label_2nd="b",label_channel="7",model_alias="forecall",preset="forecall",scheduler_alias="stream",service_name="say \"x\"\\\n",service_name_="twice"} 1
            # HELP yhat_lower Lower edge of what is normal of a single value.
            # TYPE yhat_lower gauge
            yhat_lower{domain="isp",for="latency.p95",label_2nd="b",label_channel="7",model_alias="forecall",preset="forecall",scheduler_alias="stream",service_name="say \"x\"\\\n",service_name_="twice"} 0.5
            # HELP yhat_upper Upper edge of what is normal of a single value.
            # TYPE yhat_upper gauge
            yhat_upper{domain="isp",for="latency.p95",label_2nd="b",label_channel="7",model_alias="forecall",preset="forecall",scheduler_alias="stream",service_name="say \"x\"\\\n",service_name_="twice"} 1.5
            # HELP anomaly_score Surprise, as a share of the score from which a sample counts as abnormal; several such samples open an anomaly.
            # TYPE anomaly_score gauge
            anomaly_score{domain="isp",for="latency.p95",label_2nd="b",label_channel="7",model_alias="forecall",preset="forecall",scheduler_alias="stream",service_name="say \"x\"\\\n",service_name_="twice"} 1.25
            # HELP anomaly_open 1 while an anomaly is open.
            # TYPE anomaly_open gauge
            anomaly_open{domain="isp",for="latency.p95",label_2nd="b",label_channel="7",model_alias="forecall",preset="forecall",scheduler_alias="stream",service_name="say \"x\"\\\n",service_name_="twice"} 1
            anomaly_open{domain="isp",for="rps",model_alias="forecall",preset="forecall",scheduler_alias="stream"} 1
            # HELP anomaly_channel_score What a channel said by itself: -log10 of the chance of this or worse in normal times.
            # TYPE anomaly_channel_score gauge
            anomaly_channel_score{channel="spike",domain="isp",for="latency.p95",label_2nd="b",label_channel="7",model_alias="forecall",preset="forecall",scheduler_alias="stream",service_name="say \"x\"\\\n",service_name_="twice"} 4.5
            # HELP anomaly:level What was measured, for promql-anomaly-detection.
            # TYPE anomaly:level gauge
            anomaly:level{anomaly_name="latency.p95",anomaly_select="1",anomaly_strategy="forecall",domain="isp",for="latency.p95",label_2nd="b",label_channel="7",service_name="say \"x\"\\\n",service_name_="twice"} 7
            anomaly:level{anomaly_name="rps",anomaly_select="1",anomaly_strategy="forecall",domain="isp",for="rps"} 3
            # HELP anomaly:lower_band As yhat_lower.
            # TYPE anomaly:lower_band gauge
            anomaly:lower_band{anomaly_name="latency.p95",anomaly_select="1",anomaly_strategy="forecall",domain="isp",for="latency.p95",label_2nd="b",label_channel="7",service_name="say \"x\"\\\n",service_name_="twice"} 0.5
            # HELP anomaly:upper_band As yhat_upper.
            # TYPE anomaly:upper_band gauge
            anomaly:upper_band{anomaly_name="latency.p95",anomaly_select="1",anomaly_strategy="forecall",domain="isp",for="latency.p95",label_2nd="b",label_channel="7",service_name="say \"x\"\\\n",service_name_="twice"} 1.5
        "#]]
        .assert_eq(&page.text(now));
    }

    #[test]
    fn it_is_bounded_and_what_is_old_or_gone_is_not_shown() {
        let page = Page::default();
        let start = Instant::now();
        let values = |at| {
            let text = page.text(at);
            let lines = text.lines().filter(|l| l.starts_with("y{"));
            lines
                .filter_map(|l| Some(l.rsplit_once(' ')?.1.to_owned()))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert!(!page.show("t/0", row("a", &[], 1.0), start), "none by default");
        page.show_at_most(2);
        assert!(page.show("t/0", row("a", &[], 1.0), start));
        assert!(page.show("t/1", row("b", &[], 2.0), start));
        assert!(!page.show("t/1", row("c", &[], 3.0), start));
        assert!(
            page.show("t/1", row("b", &[], 4.0), start),
            "a known one has its room"
        );
        assert_eq!(values(start), "1 4");
        page.forget("t/1");
        assert_eq!(values(start), "1");
        // The same series by another partition: the newest word stands.
        let later = start + Duration::from_secs(1);
        assert!(page.show("t/1", row("a", &[], 9.0), later));
        assert_eq!(values(later), "9");
        assert_eq!(values(later + KEPT_FOR), "");
        assert!(page.show("t/1", row("c", &[], 3.0), later + KEPT_FOR));
    }
}
