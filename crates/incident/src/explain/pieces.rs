//! The sum behind a probability, taken apart again from what the event tells of it.
//!
//! An event gives what each piece of evidence adds, strongest first, and the line that was learnt upon their sum. Revisions older than
//! those fields give the share of each piece in their common, damped weight alone: one factor is wanting there, and the probability gives
//! it, since it is what makes the sum come out.

use std::collections::BTreeSet;

use forecall_types::{AnomalyId, Channel, Incident, Probability, Term};

use crate::predict::{BIAS, BREADTH_WEIGHT, REPEAT_FACTOR, breadth, logistic};

/// What the sum behind an incident has besides its evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Base {
    /// Without evidence.
    pub(super) bias: f64,
    /// For each further distinct metric, as far as they count.
    per_metric: f64,
    /// The line that was learnt of how such sums come true: what it adds to any …
    offset: f64,
    /// … and what the sum is multiplied with.
    slope: f64,
    /// What verdicts on earlier incidents of the scope add.
    verdicts: f64,
}

impl Base {
    /// That of an incident with so many distinct metrics: as the event tells it, else by the weights set by hand.
    pub(super) fn of(incident: &Incident, metrics: usize) -> Self {
        let told = |term: Term| {
            let of_term = incident.contributions.iter().filter(move |c| c.term == term);
            of_term.map(|c| c.value).sum::<f64>()
        };
        if incident.contributions.is_empty() {
            return Self {
                bias: BIAS,
                per_metric: BREADTH_WEIGHT,
                offset: 0.0,
                slope: 1.0,
                verdicts: 0.0,
            };
        }
        let further = breadth(metrics);
        let of_line = |term: Term| matches!(term, Term::Calibration | Term::Slope | Term::Verdicts);
        let below = incident.contributions.iter().filter(|c| !of_line(c.term));
        let below: f64 = below.map(|c| c.value).sum();
        // Where the sum is next to nothing, so is what its slope adds.
        let steeper = told(Term::Slope) / below;
        Self {
            bias: told(Term::Bias),
            per_metric: if further > 0.0 {
                told(Term::Breadth) / further
            } else {
                0.0
            },
            offset: told(Term::Calibration),
            slope: if steeper.is_finite() { 1.0 + steeper } else { 1.0 },
            verdicts: told(Term::Verdicts),
        }
    }
}

/// A piece of evidence that counts towards the probability.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    /// Its place among the incident's evidence.
    pub(super) place: usize,
    /// Its metric; `None`: a silence, which is no voice of its own.
    metric: Option<&'a str>,
    /// What it would add were it alone, in log-odds.
    pub(super) alone: f64,
}

/// A sum of pieces, in log-odds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sum {
    /// What each piece adds, damped, in their order.
    pub(super) added: Vec<f64>,
    /// Distinct metrics among them.
    pub(super) metrics: usize,
    /// What further metrics add.
    pub(super) breadth: f64,
    /// What the line that was learnt adds.
    pub(super) calibration: f64,
    /// What verdicts add.
    pub(super) verdicts: f64,
    /// All, with the bias.
    pub(super) log_odds: f64,
}

/// Sums pieces that are in falling order of weight.
pub(super) fn sum<'a>(base: &Base, pieces: impl Iterator<Item = &'a Piece<'a>>) -> Sum {
    let mut factor = 1.0;
    let mut metrics: BTreeSet<&str> = BTreeSet::new();
    let mut added = Vec::new();
    for piece in pieces {
        added.push(piece.alone * factor);
        factor *= REPEAT_FACTOR;
        metrics.extend(piece.metric);
    }
    let breadth = base.per_metric * breadth(metrics.len());
    let below = added.iter().fold(base.bias, |z, value| z + value) + breadth;
    let calibration = base.offset + (base.slope - 1.0) * below;
    Sum {
        log_odds: below + calibration + base.verdicts,
        verdicts: base.verdicts,
        metrics: metrics.len(),
        breadth,
        calibration,
        added,
    }
}

/// How far log-odds may be from the sum of their parts, as a share of them: far more than rounding makes of it, and than evidence adds
/// beyond what an event holds.
const ROUNDING: f64 = 1e-6;

/// The pieces that make the incident's probability, strongest first. `heard` are those that don't count any more, because a
/// prediction that stood on them has ended. `None`: the probability was set by a fact or a word (0 or 1), or isn't what
/// such pieces can come to.
pub(super) fn split<'a>(
    incident: &'a Incident,
    heard: &BTreeSet<AnomalyId>,
) -> Option<(Base, Vec<Piece<'a>>)> {
    let log_odds = log_odds(incident.probability)?;
    if let Some(told) = told(incident) {
        let whole = sum(&told.0, told.1.iter());
        return ((whole.log_odds - log_odds).abs() <= ROUNDING * log_odds.abs().max(1.0)).then_some(told);
    }
    // The share of a piece is damped by its place among all; that of the sum by its place among those that count.
    let mut undamped = 1.0;
    let mut pieces = Vec::new();
    for (place, evidence) in incident.evidence.iter().enumerate() {
        if evidence.active && evidence.muted_by.is_none() && !heard.contains(&evidence.anomaly) {
            pieces.push(Piece {
                place,
                metric: (evidence.channel != Channel::Silence).then_some(&*evidence.series.metric),
                alone: evidence.weight * undamped,
            });
        }
        undamped /= REPEAT_FACTOR;
    }
    let metrics: BTreeSet<&str> = pieces.iter().filter_map(|p| p.metric).collect();
    let base = Base::of(incident, metrics.len());
    let relative = sum(&base, pieces.iter());
    let (have, want) = (
        relative.added.iter().sum::<f64>(),
        (log_odds - base.offset - base.verdicts) / base.slope - base.bias - relative.breadth,
    );
    if pieces.is_empty() {
        return (want.abs() < ROUNDING).then_some((base, pieces));
    }
    let factor = want / have;
    if !factor.is_finite() || factor < 0.0 {
        return None;
    }
    for piece in &mut pieces {
        piece.alone *= factor;
    }
    Some((base, pieces))
}

/// The pieces as the event itself tells them; `None` where none of its evidence says what it adds.
fn told(incident: &Incident) -> Option<(Base, Vec<Piece<'_>>)> {
    let mut undamped = 1.0;
    let mut pieces = Vec::new();
    for (place, evidence) in incident.evidence.iter().enumerate() {
        let Some(log_odds) = evidence.log_odds else {
            continue;
        };
        pieces.push(Piece {
            place,
            metric: (evidence.channel != Channel::Silence).then_some(&*evidence.series.metric),
            alone: log_odds * undamped,
        });
        undamped /= REPEAT_FACTOR;
    }
    let metrics: BTreeSet<&str> = pieces.iter().filter_map(|p| p.metric).collect();
    (!pieces.is_empty()).then(|| (Base::of(incident, metrics.len()), pieces))
}

/// `None` where it is certain.
pub(super) fn log_odds(probability: Probability) -> Option<f64> {
    let p = probability.get();
    (p > 0.0 && p < 1.0).then(|| libm::log(p / (1.0 - p)))
}

pub(super) fn probability(log_odds: f64) -> Probability {
    Probability::clamped(logistic(log_odds))
}
