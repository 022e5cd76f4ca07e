//! What another threshold would have given, and whether probabilities were what they said.

use crate::figure::whole;
use crate::matching::pair;
use crate::score::Case;

/// Thresholds of a curve at most: more are no longer told apart on a page.
pub const CURVE_POINTS_MAX: usize = 48;
/// Bins of probabilities.
pub const RELIABILITY_BINS: u32 = 10;

/// Figures at one threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Only what weighed so much counts, and from then on.
    pub least: f64,
    /// Findings that did.
    pub findings: usize,
    /// Those a day; `None`: the input has no length.
    pub per_day: Option<f64>,
    /// Share of them that met a truth.
    pub precision: Option<f64>,
    /// Share of truths found.
    pub recall: Option<f64>,
}

/// Figures at thresholds on the weight, from the highest down. Nothing is known beforehand at any of them: a finding begins when
/// its weight first reached the threshold. Empty without labels.
pub fn curve_of(case: &Case<'_>) -> Vec<CurvePoint> {
    let Some(truths) = case.truths.as_deref() else {
        return Vec::new();
    };
    let mut weights: Vec<f64> = case
        .findings
        .iter()
        .flat_map(|f| &f.rise)
        .map(|(_, weight)| *weight)
        .collect();
    weights.sort_by(|a, b| b.total_cmp(a));
    weights.dedup_by(|a, b| a.total_cmp(b).is_eq());
    let last = weights.len().saturating_sub(1);
    let count = weights.len().min(CURVE_POINTS_MAX);
    let mut points = Vec::with_capacity(count);
    for n in 0..count {
        // The highest and the lowest among them; the others evenly between.
        let place = if count > 1 { n * last / (count - 1) } else { 0 };
        let Some(least) = weights.get(place).copied() else {
            continue;
        };
        let paired = pair(truths, case.findings, case.rules, least);
        let share = |part: usize, of: usize| (of > 0).then(|| whole(part) / whole(of));
        let findings = paired.findings.len();
        let days = case.days();
        points.push(CurvePoint {
            least,
            findings,
            per_day: (days > 0.0).then(|| whole(findings) / days),
            precision: share(paired.findings.iter().filter(|(_, met)| *met).count(), findings),
            recall: share(
                paired.truths.iter().filter(|(_, told)| told.is_some()).count(),
                paired.truths.len(),
            ),
        });
    }
    points
}

/// Predictions of about one probability.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    /// How many.
    pub count: usize,
    /// Sum of their probabilities.
    pub sum: f64,
    /// How many came.
    pub came: usize,
    /// Sum of squares of what they were off by.
    pub squares: f64,
}

/// Predictions by probability, in ten bins, and whether "came" is by labels; else it is that customers were hit as the run saw it.
pub fn reliability_of(case: &Case<'_>) -> (Vec<Bin>, bool) {
    let by_labels = case.truths.is_some();
    let paired = pair(
        case.truths.as_deref().unwrap_or_default(),
        case.findings,
        case.rules,
        f64::NEG_INFINITY,
    );
    let mut bins = vec![Bin::default(); usize::try_from(RELIABILITY_BINS).unwrap_or(0)];
    for (n, met) in paired.findings {
        let Some(finding) = case.findings.get(n) else {
            continue;
        };
        let Some(probability) = finding.forecast else {
            continue;
        };
        let came = if by_labels { met } else { finding.impact.is_some() };
        let least = |place: u32| f64::from(place) / f64::from(RELIABILITY_BINS);
        let place = (1..RELIABILITY_BINS)
            .take_while(|place| probability >= least(*place))
            .count();
        if let Some(bin) = bins.get_mut(place) {
            let off = probability - f64::from(u8::from(came));
            bin.count += 1;
            bin.sum += probability;
            bin.came += usize::from(came);
            bin.squares += off * off;
        }
    }
    (bins, by_labels)
}
