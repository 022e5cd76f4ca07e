//! Figures of a run.

use forecall_types::EventTime;

use crate::curve::reliability_of;
use crate::figure::{Figure, Unit, whole};
use crate::matching::{Finding, Rules, Truth, pair};

const DAY_SECONDS: f64 = 86_400.0;
/// Leads that a recall is told for, in minutes.
const EARLY_MINUTES: [u32; 3] = [5, 15, 30];
const NO_LABELS: &str = "labels (none given)";

/// What is to be judged.
#[derive(Debug, Clone)]
pub struct Case<'c> {
    /// Truths within the span; `None`: nobody labelled anything.
    pub truths: Option<Vec<Truth>>,
    /// Truths that lie wholly outside the span: they are not counted.
    pub outside: usize,
    /// What was told.
    pub findings: &'c [Finding],
    /// First and last moment of the input.
    pub span: (EventTime, EventTime),
    /// What counts as met.
    pub rules: Rules,
}

impl<'c> Case<'c> {
    /// Leaves out truths that lie wholly outside the span.
    pub fn new(
        truths: Option<&[Truth]>,
        findings: &'c [Finding],
        span: (EventTime, EventTime),
        rules: Rules,
    ) -> Self {
        let within: Option<Vec<Truth>> = truths.map(|truths| {
            let within = truths.iter().filter(|t| t.to >= span.0 && t.from <= span.1);
            within.cloned().collect()
        });
        Self {
            outside: truths.map_or(0, <[Truth]>::len) - within.as_ref().map_or(0, Vec::len),
            truths: within,
            findings,
            span,
            rules,
        }
    }

    /// Length of the input.
    pub fn days(&self) -> f64 {
        self.span.1.seconds_from(self.span.0).max(0.0) / DAY_SECONDS
    }
}

/// What the findings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What people are called for, and what is predicted.
    Incidents,
    /// Single series; the names of their figures begin with `anomaly_`.
    Anomalies,
}

impl Level {
    const fn what(self) -> &'static str {
        match self {
            Self::Incidents => "incidents",
            Self::Anomalies => "anomalies",
        }
    }

    fn named(self, figure: Figure) -> Figure {
        match self {
            Self::Incidents => figure,
            Self::Anomalies => figure.prefixed("anomaly_"),
        }
    }
}

/// All figures of a case.
///
/// Without labels what needs them has no value, and assertions on it fail.
pub fn figures_of(case: &Case<'_>, level: Level) -> Vec<Figure> {
    let (days, what) = (case.days(), level.what());
    let findings = case.findings.len();
    let mut figures = vec![
        Figure::count(what, findings),
        a_day(&format!("{what}_per_day"), whole(findings), days),
    ];
    if level == Level::Incidents {
        let pages: u32 = case.findings.iter().map(|f| f.pages).sum();
        figures.push(Figure::count(
            "pages",
            usize::try_from(pages).unwrap_or(usize::MAX),
        ));
        figures.push(a_day("pages_per_day", f64::from(pages), days));
        figures.push(Figure::count("labels", case.truths.as_ref().map_or(0, Vec::len)));
        figures.push(Figure::count("labels_outside", case.outside));
    }
    figures.extend(against_labels(case, level).into_iter().map(|f| level.named(f)));
    if level == Level::Incidents {
        figures.extend(by_itself(case));
    }
    figures
}

fn a_day(name: &str, count: f64, days: f64) -> Figure {
    Figure::ratio(name, Unit::PerDay, count, days, "days")
}

fn against_labels(case: &Case<'_>, level: Level) -> Vec<Figure> {
    let labelled = case.truths.is_some();
    let truths = case.truths.as_deref().unwrap_or_default();
    let paired = pair(truths, case.findings, case.rules, f64::NEG_INFINITY);
    let lead_max = case.rules.lead_max.as_secs_f64();
    let (mut leads, mut delays, mut found) = (Vec::new(), Vec::new(), 0);
    for (truth, told) in &paired.truths {
        let Some(told) = told else { continue };
        found += 1;
        let lead = truth.from.seconds_from(*told);
        if lead <= 0.0 {
            delays.push(told.seconds_from(truth.from));
        } else if lead <= lead_max {
            leads.push(lead);
        }
    }
    leads.sort_by(f64::total_cmp);
    delays.sort_by(f64::total_cmp);
    let met = paired.findings.iter().filter(|(_, met)| *met).count();
    let false_pages: u32 = paired
        .findings
        .iter()
        .filter(|(_, met)| !met)
        .filter_map(|(n, _)| Some(case.findings.get(*n)?.pages))
        .sum();
    // What needs labels is of nothing where there are none.
    let of = |count: usize| if labelled { whole(count) } else { 0.0 };
    let or = |text: &str| if labelled { text } else { NO_LABELS }.to_owned();
    let (labels, findings) = (of(truths.len()), of(paired.findings.len()));
    let days = if labelled { case.days() } else { 0.0 };
    let of_labels = or("labels");
    let early = |name: &str, least: f64| {
        let told = leads.iter().filter(|lead| **lead >= least).count();
        Figure::ratio(name, Unit::Share, whole(told), labels, &of_labels)
    };
    let mut figures = vec![
        Figure::ratio("recall", Unit::Share, whole(found), labels, &of_labels),
        Figure::ratio("precision", Unit::Share, whole(met), findings, &or(level.what())),
        f1(found, truths.len(), met, paired.findings.len(), labelled),
        Figure::ratio(
            "false_alarms_per_day",
            Unit::PerDay,
            findings - of(met),
            days,
            &or("days"),
        ),
        early("recall_early", 0.0),
    ];
    if level == Level::Incidents {
        figures.push(Figure::ratio(
            "false_pages_per_day",
            Unit::PerDay,
            f64::from(false_pages),
            days,
            &or("days"),
        ));
    }
    figures.extend(EARLY_MINUTES.map(|m| early(&format!("recall_{m}m"), 60.0 * f64::from(m))));
    let (late, soon) = (or("labels told when they had begun"), or("labels told before"));
    figures.extend([
        Figure::quantile("delay_p50", &delays, 0.5, &late),
        Figure::quantile("delay_p90", &delays, 0.9, &late),
        Figure::quantile("lead_p10", &leads, 0.1, &soon),
        Figure::quantile("lead_p50", &leads, 0.5, &soon),
        Figure::quantile("lead_p90", &leads, 0.9, &soon),
    ]);
    figures
}

/// The harmonic mean of precision and recall; 0 where both are.
fn f1(found: usize, truths: usize, met: usize, findings: usize, labelled: bool) -> Figure {
    let of = if labelled { whole(truths + findings) } else { 0.0 };
    let (recall, precision) = (
        whole(found) / whole(truths.max(1)),
        whole(met) / whole(findings.max(1)),
    );
    let sum = recall + precision;
    let mean = if sum > 0.0 {
        2.0 * recall * precision / sum
    } else {
        0.0
    };
    let of_what = if labelled {
        "labels and findings"
    } else {
        NO_LABELS
    };
    Figure::ratio("f1", Unit::Share, mean * of, of, of_what)
}

/// What the run says of itself: how long before customers were hit, as it saw it, and whether what it predicted came.
fn by_itself(case: &Case<'_>) -> [Figure; 4] {
    let mut leads: Vec<f64> = case
        .findings
        .iter()
        .filter_map(|f| Some(f.impact?.seconds_from(f.rise.first()?.0)))
        .collect();
    leads.sort_by(f64::total_cmp);
    let of_what = "incidents that hit customers";
    let (bins, _) = reliability_of(case);
    let predictions: usize = bins.iter().map(|b| b.count).sum();
    let squares: f64 = bins.iter().map(|b| b.squares).sum();
    [
        Figure::quantile("impact_lead_p10", &leads, 0.1, of_what),
        Figure::quantile("impact_lead_p50", &leads, 0.5, of_what),
        Figure::quantile("impact_lead_p90", &leads, 0.9, of_what),
        Figure::ratio("brier", Unit::Share, squares, whole(predictions), "predictions"),
    ]
}
