//! From evidence to a probability, an onset and a kind. Every term can be told to a person.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forecall_types::{
    Anomaly, AnomalyId, Direction, ElementId, EventTime, Evidence, IncidentKind, Probability,
};

use crate::group::{ELEMENTS_MAX, Member, Standing, Tracked};
use crate::settings::{CorrelateSettings, Objective};
use crate::way::{Passes, Way};

/// Without evidence about 5 in 100: most of the time nothing is coming.
const BIAS: f64 = -3.0;
/// For each unit of score up to [`SCORE_CAP`]: ten times rarer, somewhat likelier to be felt.
const SCORE_WEIGHT: f64 = 0.2;
/// Rarer than 1 in 10¹² says more of the model than of the world.
const SCORE_CAP: f64 = 12.0;
/// For an anomaly that has lasted [`DURATION_FULL_SECONDS`]: blips pass, trouble stays.
const DURATION_WEIGHT: f64 = 1.2;
const DURATION_FULL_SECONDS: f64 = 600.0;
/// For a series on its way to its limit within the horizon, most when it is there.
const LIMIT_WEIGHT: f64 = 1.5;
/// For a metric that customers feel, going the way that hurts; a busy CPU alone hurts nobody.
const SYMPTOM_WEIGHT: f64 = 1.0;
/// For each further distinct metric, up to [`BREADTH_CAP`]: independent voices.
const BREADTH_WEIGHT: f64 = 0.5;
const BREADTH_CAP: f64 = 3.0;
/// Each weaker anomaly counts this much of the one before: series of one scope move together.
const REPEAT_FACTOR: f64 = 0.5;
/// For each step of dependency between the anomaly and the service: redundancy may absorb it.
const STEP_FACTOR: f64 = 0.8;
/// For a series or an entity that fell silent, however rare and long that is: a missing measurement may be trouble of the
/// measuring alone. All silences of a scope together weigh less than twice as much, too little for a prediction.
const SILENCE_WEIGHT: f64 = 0.3;
/// 80 % of a normal distribution lie within this many standard errors.
const INTERVAL_80: f64 = 1.281_551_565_545;

/// A piece of evidence with what the reason needs beyond it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weighed {
    pub(crate) evidence: Evidence,
    pub(crate) slope: f64,
    /// What was announced of the series; see [`reason::announced`](crate::reason::announced).
    pub(crate) announced: String,
}

/// Why customers count as hit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hit {
    pub(crate) since: EventTime,
    pub(crate) why: String,
}

/// When a series is expected to reach its limit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Onset {
    pub(crate) at: EventTime,
    pub(crate) earliest: EventTime,
    pub(crate) latest: EventTime,
    /// What passes which limit then; `None` where that isn't known from a band ahead.
    pub(crate) passes: Option<Passes>,
}

/// What the evidence of a scope says at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assessment {
    pub(crate) probability: Probability,
    /// Strongest first; what a person has judged is left out.
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

/// Weighs the members of a scope at `at`.
pub(crate) fn assess(
    members: &BTreeMap<AnomalyId, Member>,
    tracked: &BTreeMap<AnomalyId, Tracked>,
    at: EventTime,
    settings: &CorrelateSettings,
) -> Assessment {
    let mut all: Vec<(f64, Member, &Tracked)> = members
        .iter()
        .filter(|(_, m)| m.standing != Standing::Spent)
        .filter_map(|(id, m)| {
            tracked
                .get(id)
                .map(|t| (contribution(t, *m, at, settings), *m, t))
        })
        .collect();
    all.sort_by(|a, b| {
        b.0.total_cmp(&a.0)
            .then_with(|| a.2.anomaly.id.cmp(&b.2.anomaly.id))
    });
    let mut z = BIAS;
    let mut factor = 1.0;
    let mut metrics: BTreeSet<&str> = BTreeSet::new();
    for (value, member, tracked) in &all {
        if tracked.active && member.standing == Standing::Full {
            z += value * factor;
            factor *= REPEAT_FACTOR;
            if !tracked.is_silence() {
                metrics.insert(&tracked.anomaly.series.metric);
            }
        }
    }
    let further = u32::try_from(metrics.len().saturating_sub(1)).unwrap_or(u32::MAX);
    z += BREADTH_WEIGHT * f64::from(further).min(BREADTH_CAP);
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
        probability: Probability::clamped(1.0 / (1.0 + libm::exp(-z))),
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
        evidence: shares(&all),
    }
}

/// Shares of the whole, by the same damping as in the sum; what is over keeps the share of its last news.
fn shares(all: &[(f64, Member, &Tracked)]) -> Vec<Weighed> {
    let mut factor = 1.0;
    let mut damped: Vec<f64> = Vec::with_capacity(all.len());
    for (value, _, _) in all {
        damped.push(value * factor);
        factor *= REPEAT_FACTOR;
    }
    let sum: f64 = damped.iter().sum();
    all.iter()
        .zip(damped)
        .map(|((_, _, tracked), value)| {
            let a = &tracked.anomaly;
            Weighed {
                evidence: Evidence {
                    anomaly: a.id.clone(),
                    series: std::sync::Arc::clone(&a.series),
                    channel: a.channel,
                    from: a.from,
                    at: a.at,
                    observed: a.observed,
                    expected: a.expected,
                    band: a.band,
                    score: a.score,
                    weight: if sum > 0.0 { value / sum } else { 0.0 },
                    active: tracked.active,
                },
                slope: a.slope,
                announced: crate::reason::announced(&a.context),
            }
        })
        .collect()
}

/// Whether the entity that is silent is one of those that told of the trouble: as long as nothing comes of it, nobody can say that
/// it is well. The silence of others keeps nothing open.
fn has_told(silent: &Tracked, all: &[(f64, Member, &Tracked)]) -> bool {
    let entity = &silent.anomaly.series.resource;
    all.iter()
        .any(|(_, _, t)| !t.is_silence() && t.anomaly.series.resource == *entity)
}

/// Whether customers feel this series, the way it goes. What isn't measured isn't felt.
fn is_felt(tracked: &Tracked, settings: &CorrelateSettings) -> bool {
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

fn contribution(tracked: &Tracked, member: Member, at: EventTime, settings: &CorrelateSettings) -> f64 {
    let a = &tracked.anomaly;
    if tracked.is_silence() {
        return SILENCE_WEIGHT * (0..member.steps).fold(1.0, |value, _| value * STEP_FACTOR);
    }
    let until = if tracked.active { at } else { a.at };
    let lasted = until.since(a.from).as_secs_f64();
    let mut value = SCORE_WEIGHT * a.score.get().min(SCORE_CAP)
        + DURATION_WEIGHT * (lasted / DURATION_FULL_SECONDS).min(1.0);
    if let Some(objective) = settings.objective(a) {
        value += LIMIT_WEIGHT * nearness(objective, a, settings.horizon());
    }
    if is_felt(tracked, settings) {
        value += SYMPTOM_WEIGHT;
    }
    for _ in 0..member.steps {
        value *= STEP_FACTOR;
    }
    value
}

/// 1 at or beyond the limit, 0.5 to 1 when it is reached within the horizon, the more the sooner, else 0; by the band ahead its mean
/// over all that may come.
fn nearness(objective: &Objective, a: &Anomaly, horizon: Duration) -> f64 {
    if objective.gap(a.observed) <= 0.0 {
        return 1.0;
    }
    match Way::of(objective, a, horizon) {
        Some(way) => way.nearness(),
        None => nearness_by_slope(objective, a.observed, a.slope, horizon),
    }
}

fn nearness_by_slope(objective: &Objective, observed: f64, slope: f64, horizon: Duration) -> f64 {
    let pace = slope * objective.sign;
    if pace.is_nan() || pace <= 0.0 {
        return 0.0;
    }
    let share = objective.gap(observed) / pace / horizon.as_secs_f64();
    if share <= 1.0 { 1.0 - 0.5 * share } else { 0.0 }
}

fn hit(tracked: &Tracked, at: EventTime, settings: &CorrelateSettings) -> Option<Hit> {
    let a = &tracked.anomaly;
    if let (Some(since), Some(objective)) = (tracked.beyond_since, settings.objective(a))
        && at.since(since) >= objective.lasting
    {
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

/// By the band ahead where it is told: when its edges and what is expected pass the limit. Else by the slope.
fn onset(tracked: &Tracked, at: EventTime, settings: &CorrelateSettings) -> Option<Onset> {
    let a = &tracked.anomaly;
    let objective = settings.objective(a)?;
    if objective.gap(a.observed) <= 0.0 {
        let since = tracked.beyond_since.unwrap_or(a.at);
        return Some(Onset {
            at: since,
            earliest: since,
            latest: since,
            passes: None,
        });
    }
    match Way::of(objective, a, settings.horizon()) {
        Some(way) => way.onset(at),
        None => onset_by_slope(objective, a, at, settings),
    }
}

/// Extrapolates by the least-squares slope; the 80 % interval comes from the slope's standard error over the window.
fn onset_by_slope(
    objective: &Objective,
    a: &Anomaly,
    at: EventTime,
    settings: &CorrelateSettings,
) -> Option<Onset> {
    let gap = objective.gap(a.observed);
    let pace = a.slope * objective.sign;
    if pace.is_nan() || pace <= 0.0 {
        return None;
    }
    let horizon = settings.horizon().as_secs_f64();
    let error = slope_error(&a.window).unwrap_or(0.0) * INTERVAL_80;
    let after = |pace: f64| {
        let seconds = if pace > 0.0 {
            (gap / pace).min(2.0 * horizon)
        } else {
            2.0 * horizon
        };
        // Whole seconds: nobody reads more, and events stay alike.
        let span = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        a.at.plus(Duration::from_secs(span.as_secs()))
    };
    let expected = after(pace);
    (expected.seconds_from(at) <= horizon).then(|| Onset {
        at: expected,
        earliest: after(pace + error),
        latest: after(pace - error),
        passes: None,
    })
}

/// Standard error of the least-squares slope; `None` below three points or without a spread in time.
fn slope_error(window: &[(EventTime, f64)]) -> Option<f64> {
    let (origin, _) = *window.first()?;
    let count = u32::try_from(window.len()).ok().filter(|&n| n >= 3)?;
    let n = f64::from(count);
    let points: Vec<(f64, f64)> = window.iter().map(|(t, v)| (t.seconds_from(origin), *v)).collect();
    let mean_t = points.iter().map(|p| p.0).sum::<f64>() / n;
    let mean_v = points.iter().map(|p| p.1).sum::<f64>() / n;
    let sxx: f64 = points.iter().map(|p| (p.0 - mean_t) * (p.0 - mean_t)).sum();
    let sxy: f64 = points.iter().map(|p| (p.0 - mean_t) * (p.1 - mean_v)).sum();
    if sxx.is_nan() || sxx <= 0.0 {
        return None;
    }
    let slope = sxy / sxx;
    let rest: f64 = points
        .iter()
        .map(|p| {
            let off = p.1 - mean_v - slope * (p.0 - mean_t);
            off * off
        })
        .sum();
    let error = (rest / (n - 2.0) / sxx).sqrt();
    error.is_finite().then_some(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_no_slope_error_and_a_scattered_one_has() {
        let line = |noise: f64| {
            (0..10_u32)
                .map(|i| {
                    let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
                    (
                        EventTime::from_secs(i64::from(i) * 60),
                        f64::from(i) + sign * noise,
                    )
                })
                .collect::<Vec<_>>()
        };
        assert!(slope_error(&line(0.0)).unwrap() < 1e-9);
        assert!(slope_error(&line(0.5)).unwrap() > 1e-4);
        assert_eq!(slope_error(&line(0.0)[..2]), None);
        assert_eq!(
            slope_error(&[(EventTime::from_secs(0), 1.0); 5]),
            None,
            "no spread in time"
        );
    }

    #[test]
    fn nearness_grows_towards_the_limit() {
        let objective = Objective {
            metric: "*".into(),
            sign: 1.0,
            limit: 10.0,
            lasting: Duration::ZERO,
            outage: None,
        };
        let near = |observed, slope| nearness_by_slope(&objective, observed, slope, Duration::from_secs(100));
        assert!(
            (near(5.0, 0.05) - 0.5).abs() < 1e-12,
            "reached at the horizon's end"
        );
        assert!((near(5.0, 0.1) - 0.75).abs() < 1e-12);
        for slope in [0.0, -1.0, f64::NAN, 0.01] {
            assert!(near(5.0, slope).abs() < 1e-12, "{slope}");
        }
    }
}
