//! From evidence to a probability, an onset and a kind. Every term can be told to a person.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forecall_types::{
    Anomaly, AnomalyId, Band, Channel, Contribution, Direction, ElementId, EventTime, Evidence, IncidentId,
    IncidentKind, Probability, Term, Usual,
};

use crate::group::{ELEMENTS_MAX, Member, Standing, Tracked};
use crate::learn::Model;
use crate::settings::CorrelateSettings;

mod onset;
mod terms;

pub(crate) use onset::Onset;
use onset::onset;
pub(crate) use terms::{BIAS, BREADTH_WEIGHT, Features, REPEAT_FACTOR, TERM_COUNT, TERMS, breadth};
use terms::{Said, said};

/// A piece of evidence with what the reason needs beyond it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weighed {
    pub(crate) evidence: Evidence,
    pub(crate) slope: f64,
    /// Which way its value went.
    pub(crate) direction: Direction,
    /// What was announced of the series; see [`reason::announced`](crate::reason::announced).
    pub(crate) announced: String,
}

/// Why customers count as hit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hit {
    pub(crate) since: EventTime,
    pub(crate) why: String,
}

/// What the evidence of a scope says at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assessment {
    pub(crate) probability: Probability,
    /// What the log-odds of `probability` are the sum of.
    pub(crate) contributions: Vec<Contribution>,
    /// What the weights were multiplied with.
    pub(crate) features: Features,
    /// Strongest first, what doesn't count by a verdict last; what a person has judged itself is left out.
    pub(crate) evidence: Vec<Weighed>,
    pub(crate) kind: IncidentKind,
    /// A metric that customers feel is among the active evidence.
    pub(crate) felt: bool,
    pub(crate) hit: Option<Hit>,
    pub(crate) onset: Option<Onset>,
    /// What is still abnormal and hasn't been judged by a person.
    pub(crate) active: Vec<AnomalyId>,
    /// Latest news of any of it.
    pub(crate) last_news: Option<EventTime>,
    pub(crate) elements: BTreeSet<ElementId>,
}

/// The evidence of a scope, and what people have said of the like of it.
pub(crate) struct Heard {
    pub(crate) members: BTreeMap<AnomalyId, Member>,
    /// Members that say nothing, by the verdict on which incident.
    pub(crate) muted: BTreeMap<AnomalyId, IncidentId>,
    /// Log-odds that verdicts add.
    pub(crate) prior: f64,
}

/// Weighs the evidence of a scope at `at` by `model`.
pub(crate) fn assess(
    heard: &Heard,
    tracked: &BTreeMap<AnomalyId, Tracked>,
    at: EventTime,
    settings: &CorrelateSettings,
    model: &Model,
) -> Assessment {
    let unjudged = heard
        .members
        .iter()
        .filter(|(_, m)| m.standing != Standing::Spent);
    let (muted, speaking): (Vec<_>, Vec<_>) = unjudged
        .filter_map(|(id, m)| Some((*m, tracked.get(id)?)))
        .partition(|(_, t)| heard.muted.contains_key(&t.anomaly.id));
    let mut all: Vec<(Said, Member, &Tracked)> = speaking
        .into_iter()
        .map(|(m, t)| (said(t, m, at, settings), m, t))
        .collect();
    all.sort_by(|a, b| {
        b.0.value
            .total_cmp(&a.0.value)
            .then_with(|| a.2.anomaly.id.cmp(&b.2.anomaly.id))
    });
    let mut features = Features::default();
    features.add(Term::Bias, 1.0);
    let mut factor = 1.0;
    let mut metrics: BTreeSet<&str> = BTreeSet::new();
    let mut added: Vec<Option<f64>> = vec![None; all.len()];
    for ((said, member, tracked), added) in all.iter().zip(&mut added) {
        if tracked.active && member.standing == Standing::Full {
            features.add_all(&said.features, factor);
            *added = Some(model.sum(&said.features) * factor);
            factor *= REPEAT_FACTOR;
            if !tracked.is_silence() {
                metrics.insert(&tracked.anomaly.series.metric);
            }
        }
    }
    features.add(Term::Breadth, breadth(metrics.len()));
    let mut contributions = model.contributions(&features);
    if heard.prior.abs() > 0.0 {
        contributions.push(Contribution {
            term: Term::Verdicts,
            value: heard.prior,
        });
    }
    let log_odds: f64 = contributions.iter().map(|c| c.value).sum();
    let active = || all.iter().filter(|(_, _, t)| t.active).map(|(_, _, t)| *t);
    let outage = active().any(|t| {
        let objective = settings.objective(&t.anomaly);
        objective.is_some_and(|o| o.is_outage(t.anomaly.observed))
    });
    // Where nothing is measured nobody is known to be hit.
    let mut elements: BTreeSet<ElementId> = all
        .iter()
        .filter(|(_, _, t)| !t.is_silence())
        .flat_map(|(_, _, t)| t.elements.iter().cloned())
        .collect();
    if elements.len() > ELEMENTS_MAX {
        elements.clear();
    }
    Assessment {
        probability: Probability::clamped(logistic(log_odds)),
        contributions,
        features,
        kind: if outage {
            IncidentKind::Outage
        } else {
            IncidentKind::Degradation
        },
        felt: active().any(|t| is_felt(t, settings)),
        hit: active()
            .filter_map(|t| hit(t, at, settings))
            .min_by(|a, b| a.since.cmp(&b.since).then_with(|| a.why.cmp(&b.why))),
        onset: active()
            .filter_map(|t| onset(t, at, settings))
            .min_by_key(|o| (o.at, o.earliest, o.latest)),
        active: active()
            .filter(|t| !t.is_silence() || has_told(t, &all))
            .map(|t| t.anomaly.id.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        last_news: all.iter().map(|(_, _, t)| t.anomaly.at).max(),
        elements,
        evidence: shares(&all, &added)
            .into_iter()
            .chain(
                muted
                    .iter()
                    .map(|(_, t)| said_nothing(t, heard.muted.get(&t.anomaly.id))),
            )
            .collect(),
    }
}

/// A piece that doesn't count by a verdict: shown, after all that does.
fn said_nothing(tracked: &Tracked, by: Option<&IncidentId>) -> Weighed {
    let mut weighed = weighed(tracked, 0.0, None);
    weighed.evidence.muted_by = by.cloned();
    weighed
}

/// The probability of log-odds.
pub(crate) fn logistic(log_odds: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-log_odds))
}

/// Shares of the whole, by the same damping as in the sum; what is over keeps the share of its last news. `added`: what each adds to the
/// log-odds.
fn shares(all: &[(Said, Member, &Tracked)], added: &[Option<f64>]) -> Vec<Weighed> {
    let mut factor = 1.0;
    let mut damped: Vec<f64> = Vec::with_capacity(all.len());
    for (said, _, _) in all {
        damped.push(said.value * factor);
        factor *= REPEAT_FACTOR;
    }
    let sum: f64 = damped.iter().sum();
    all.iter()
        .zip(damped)
        .zip(added)
        .map(|(((_, _, tracked), value), log_odds)| {
            let share = if sum > 0.0 { value / sum } else { 0.0 };
            weighed(tracked, share, *log_odds)
        })
        .collect()
}

fn weighed(tracked: &Tracked, weight: f64, log_odds: Option<f64>) -> Weighed {
    let a = &tracked.anomaly;
    let (expected, band) = normal(a);
    Weighed {
        evidence: Evidence {
            anomaly: a.id.clone(),
            series: std::sync::Arc::clone(&a.series),
            channel: a.channel,
            from: a.from,
            at: a.at,
            observed: a.observed,
            expected,
            band,
            score: a.score,
            weight,
            active: tracked.active,
            log_odds,
            muted_by: None,
        },
        slope: a.slope,
        direction: a.direction,
        announced: crate::reason::announced(&a.context),
    }
}

/// Standard deviations at the edge of what is usual.
const USUAL_SDS: f64 = 3.0;

/// What would have been normal, for people: a new shape is expected to go on from the value before, and a value never seen to stay below
/// the greatest, which may both be of the trouble by now.
fn normal(anomaly: &Anomaly) -> (f64, Band) {
    let usual = match anomaly.channel {
        Channel::Shape | Channel::Novelty => anomaly.usual,
        Channel::Spike
        | Channel::Shift
        | Channel::Season
        | Channel::Silence
        | Channel::Peer
        | Channel::Limit => None,
    };
    let band = |usual: Usual| Band {
        low: usual.mean - USUAL_SDS * usual.sd,
        high: usual.mean + USUAL_SDS * usual.sd,
    };
    usual.map_or((anomaly.expected, anomaly.band), |usual| {
        (usual.mean, band(usual))
    })
}

/// Whether the entity that is silent is one of those that told of the trouble: as long as nothing comes of it, nobody can say that
/// it is well. The silence of others keeps nothing open.
fn has_told(silent: &Tracked, all: &[(Said, Member, &Tracked)]) -> bool {
    let entity = &silent.anomaly.series.resource;
    all.iter()
        .any(|(_, _, t)| !t.is_silence() && t.anomaly.series.resource == *entity)
}

/// Whether customers feel this series, the way it goes. What isn't measured isn't felt.
pub(crate) fn is_felt(tracked: &Tracked, settings: &CorrelateSettings) -> bool {
    if tracked.is_silence() {
        return false;
    }
    let up = match tracked.anomaly.direction {
        Direction::Up => true,
        Direction::Down => false,
    };
    match settings.objective(&tracked.anomaly) {
        Some(objective) => (objective.sign > 0.0) == up,
        None => tracked.metric_kind().hurts(up),
    }
}

fn hit(tracked: &Tracked, at: EventTime, settings: &CorrelateSettings) -> Option<Hit> {
    let a = &tracked.anomaly;
    if let Some(objective) = settings.objective(a) {
        // Somebody has said from where on customers are hit: how unusual it is says nothing more of that.
        let since = tracked.beyond_since?;
        if at.since(since) < objective.lasting {
            return None;
        }
        let side = if objective.sign > 0.0 { "above" } else { "below" };
        let limit = crate::reason::number(objective.limit);
        return Some(Hit {
            since,
            why: format!("{} {side} {limit}", a.series.metric),
        });
    }
    let since = tracked.high_since.filter(|_| !tracked.is_silence())?;
    let counts = !settings.tunables.confirm_on_symptoms_only || is_felt(tracked, settings);
    let lasting = Duration::from_secs(settings.tunables.confirm_for_seconds);
    (counts && at.since(since) >= lasting).then(|| Hit {
        since,
        why: format!(
            "{} at score {}",
            a.series.metric,
            crate::reason::number(a.score.get())
        ),
    })
}
