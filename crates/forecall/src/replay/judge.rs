//! `metrics.json`, and whether what was asserted holds.

use std::time::Duration;

use anyhow::Context as _;
use forecall_backtest::{
    Assertion, Bin, Case, CurvePoint, Figure, Level, RELIABILITY_BINS, Rules, Truth, Unit, Verdict,
    assertions, curve_of, figures_of, reliability_of,
};
use forecall_types::EventTime;
use serde_json::{Map, Value, json};

use super::told::Results;

/// What is asked of a run, read before it begins.
pub(super) struct Asked {
    pub(super) rules: Rules,
    assertions: Vec<Assertion>,
}

impl Asked {
    pub(super) fn new(text: &[String], lead_max_minutes: u32) -> anyhow::Result<Self> {
        let rules = Rules {
            lead_max: Duration::from_secs(60 * u64::from(lead_max_minutes)),
        };
        let nothing = Case::new(None, &[], (EventTime::MIN, EventTime::MIN), rules);
        let mut known = figures_of(&nothing, Level::Incidents);
        known.extend(figures_of(&nothing, Level::Anomalies));
        let read = text
            .iter()
            .map(|text| assertions(text, &known).context("--assert"));
        let read: anyhow::Result<Vec<Vec<Assertion>>> = read.collect();
        Ok(Self {
            rules,
            assertions: read?.concat(),
        })
    }
}

/// A run, judged.
pub(super) struct Judged {
    pub(super) figures: Vec<Figure>,
    /// Of incidents by probability, of anomalies by score.
    pub(super) curves: [Vec<CurvePoint>; 2],
    pub(super) bins: Vec<Bin>,
    /// Whether what came is told by labels; else by the run itself.
    pub(super) by_labels: bool,
    /// Empty where the run was stopped: half a run holds nothing.
    pub(super) verdicts: Vec<Verdict>,
    outside: usize,
    days: f64,
    lead_max: f64,
}

/// Judges a run whose input lies in `span`.
pub(super) fn judge(
    results: &Results,
    truths: Option<&[Truth]>,
    span: (EventTime, EventTime),
    teams: bool,
    asked: &Asked,
    complete: bool,
) -> Judged {
    let (incidents, anomalies) = (results.findings(teams), results.abnormal());
    let incidents = Case::new(truths, &incidents, span, asked.rules);
    let anomalies = Case::new(truths, &anomalies, span, asked.rules);
    let mut figures = figures_of(&incidents, Level::Incidents);
    figures.extend(figures_of(&anomalies, Level::Anomalies));
    let (bins, by_labels) = reliability_of(&incidents);
    let verdicts = if complete {
        asked.assertions.iter().map(|a| a.judge(&figures)).collect()
    } else {
        Vec::new()
    };
    Judged {
        curves: [curve_of(&incidents), curve_of(&anomalies)],
        bins,
        by_labels,
        verdicts,
        outside: incidents.outside,
        days: incidents.days(),
        lead_max: asked.rules.lead_max.as_secs_f64(),
        figures,
    }
}

impl Judged {
    /// `metrics.json`. `labels` is what the manifest says of them.
    pub(super) fn json(&self, labels: Option<&Value>, elsewhere: usize, complete: bool) -> Value {
        let figures: Map<String, Value> = self
            .figures
            .iter()
            .map(|f| {
                let mut figure = json!({ "value": f.value, "unit": f.unit.as_str() });
                if let (Some(of), Some(map)) = (f.of, figure.as_object_mut()) {
                    map.insert("of".to_owned(), json!(of));
                    map.insert("of_what".to_owned(), json!(f.of_what));
                }
                (f.name.clone(), figure)
            })
            .collect();
        let [incidents, anomalies] = self.curves.each_ref().map(|points| curve(points));
        json!({
            "complete": complete,
            "days": self.days,
            "lead_max_seconds": self.lead_max,
            "labels": labels,
            "labels_outside": self.outside,
            "labels_of_other_files": elsewhere,
            "figures": figures,
            "curves": { "incidents": incidents, "anomalies": anomalies },
            "reliability": {
                "came_is": if self.by_labels { "labels" } else { "confirmed" },
                "bins": bins(&self.bins),
            },
            "assertions": self.verdicts.iter().map(|v| json!({
                "assertion": v.text, "holds": v.holds, "value": v.value,
                "why": (!v.why.is_empty()).then_some(&v.why),
            })).collect::<Vec<_>>(),
        })
    }

    /// A line for each assertion.
    pub(super) fn lines(&self) -> Vec<String> {
        self.verdicts
            .iter()
            .map(|v| {
                let word = if v.holds { "holds" } else { "FAILS" };
                match v.value {
                    Some(value) if v.unit == Some(Unit::Seconds) => {
                        format!("{word}  {}  it is {}", v.text, seconds_text(value))
                    }
                    Some(value) => format!("{word}  {}  it is {}", v.text, rounded(value)),
                    None => format!("{word}  {}  {}", v.text, v.why),
                }
            })
            .collect()
    }

    pub(super) fn all_hold(&self) -> bool {
        self.verdicts.iter().all(|v| v.holds)
    }
}

/// `32 min 50 s`; below a minute with its tenth.
pub(super) fn span_text(seconds: f64) -> String {
    if seconds.abs() < 60.0 {
        return format!("{} s", (seconds * 10.0).round() / 10.0);
    }
    let sign = if seconds < 0.0 { "−" } else { "" };
    // Up to 2⁵³ a float holds every second.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and whole by rounding"
    )]
    let whole = seconds.abs().round() as u64;
    let parts = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = whole;
    let mut told = Vec::new();
    for (size, name) in parts {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            told.push(format!("{count} {name}"));
        }
    }
    format!("{sign}{}", told.join(" "))
}

/// `32 min 50 s (1,970 s)`; what is below a minute is said once.
fn seconds_text(seconds: f64) -> String {
    let span = span_text(seconds);
    if seconds.abs() < 60.0 {
        return span;
    }
    let digits = seconds.abs().round().to_string();
    let mut grouped = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if seconds < 0.0 { "−" } else { "" };
    format!("{span} ({sign}{grouped} s)")
}

/// Four digits behind the point: what a person reads.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

pub(super) fn curve(points: &[CurvePoint]) -> Value {
    let of = |p: &CurvePoint| {
        json!({
            "least": p.least, "findings": p.findings, "per_day": p.per_day,
            "precision": p.precision, "recall": p.recall,
        })
    };
    points.iter().map(of).collect()
}

pub(super) fn bins(bins: &[Bin]) -> Value {
    let width = 1.0 / f64::from(RELIABILITY_BINS);
    let bin = |(n, bin): (u32, &Bin)| {
        json!({
            "from": rounded(f64::from(n) * width), "to": rounded(f64::from(n + 1) * width),
            "count": bin.count, "sum": rounded(bin.sum), "came": bin.came,
        })
    };
    (0..).zip(bins).map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_told_as_people_say_them() {
        for (seconds, text) in [
            (1_970.0, "32 min 50 s (1,970 s)"),
            (12.34, "12.3 s"),
            (59.96, "60 s"),
            (-90.0, "−1 min 30 s (−90 s)"),
            (3_600.0, "1 h (3,600 s)"),
            (90_061.0, "1 d 1 h 1 min 1 s (90,061 s)"),
            (1_000_000.0, "11 d 13 h 46 min 40 s (1,000,000 s)"),
        ] {
            assert_eq!(seconds_text(seconds), text);
        }
    }
}
