//! The terms of the sum behind a probability: what each is, what it weighs before anything was learnt, and how far from
//! that a weight may be learnt.

use std::time::Duration;

use forecall_types::{EventTime, Term};
use serde::{Deserialize, Serialize};

use crate::group::{Member, Tracked};
use crate::predict::is_felt;
use crate::settings::{CorrelateSettings, Objective};
use crate::way::Way;

/// Without evidence about 5 in 100: most of the time nothing is coming.
pub(crate) const BIAS: f64 = -3.0;
/// For each unit of score up to [`SCORE_CAP`]: ten times rarer, somewhat likelier to be felt.
const SCORE_WEIGHT: f64 = 0.2;
/// Rarer than 1 in 10¹² says more of the model than of the world.
const SCORE_CAP: f64 = 12.0;
/// For an anomaly that has lasted [`DURATION_FULL_SECONDS`]: blips pass, trouble stays.
const DURATION_WEIGHT: f64 = 1.2;
const DURATION_FULL_SECONDS: f64 = 600.0;
/// For a series on its way to its limit within the horizon, most when it is there.
const LIMIT_WEIGHT: f64 = 1.5;
/// A way to its limit says at least as much as the chance that it arrives within the horizon, and that never is surer than this.
const CHANCE_MAX: f64 = 0.95;
/// For a metric that customers feel, going the way that hurts; a busy CPU alone hurts nobody.
const SYMPTOM_WEIGHT: f64 = 1.0;
/// For each further distinct metric, up to [`BREADTH_CAP`]: independent voices.
pub(crate) const BREADTH_WEIGHT: f64 = 0.5;
const BREADTH_CAP: f64 = 3.0;
/// Each weaker anomaly counts this much of the one before: series of one scope move together.
pub(crate) const REPEAT_FACTOR: f64 = 0.5;
/// For each step of dependency between the anomaly and the service: redundancy may absorb it.
const STEP_FACTOR: f64 = 0.8;
/// For a series or an entity that fell silent, however rare and long that is: a missing measurement may be trouble of the
/// measuring alone. All silences of a scope together weigh less than twice as much, too little for a prediction.
const SILENCE_WEIGHT: f64 = 0.3;

/// One term.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) term: Term,
    /// Its weight before anything was learnt.
    pub(crate) prior: f64,
    /// A learnt weight stays within these: what speaks for trouble never comes to speak against it.
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// What its feature is where it speaks clearly: learning goes by shares of it.
    pub(crate) usual: f64,
    /// What its feature is at most: with [`REPEAT_FACTOR`] all of a scope weigh less than two of the strongest.
    pub(crate) feature_max: f64,
}

impl Spec {
    const fn sign(term: Term, prior: f64) -> Self {
        Self {
            term,
            prior,
            least: 0.0,
            most: 3.0 * prior,
            usual: 1.0,
            feature_max: 2.0,
        }
    }

    /// Not known beforehand whether it speaks for trouble or against it.
    const fn open(term: Term) -> Self {
        Self {
            term,
            prior: 0.0,
            least: -1.5,
            most: 1.5,
            usual: 1.0,
            feature_max: 2.0,
        }
    }
}

/// How many terms are summed.
pub(crate) const TERM_COUNT: usize = 10;

/// In the order in which they are summed and told. [`Term::Calibration`] isn't among them: it lies upon their sum.
pub(crate) const TERMS: [Spec; TERM_COUNT] = [
    Spec {
        term: Term::Bias,
        prior: BIAS,
        least: -6.0,
        most: 0.0,
        usual: 1.0,
        feature_max: 1.0,
    },
    Spec {
        usual: 0.5 * SCORE_CAP,
        feature_max: 2.0 * SCORE_CAP,
        ..Spec::sign(Term::Score, SCORE_WEIGHT)
    },
    Spec::sign(Term::Duration, DURATION_WEIGHT),
    Spec {
        usual: 2.0,
        // Of one that arrives as surely as can be: (ln(0.95 / 0.05) + 3) / 1.5.
        feature_max: 8.0,
        ..Spec::sign(Term::Limit, LIMIT_WEIGHT)
    },
    Spec::sign(Term::Beyond, LIMIT_WEIGHT),
    Spec::sign(Term::Symptom, SYMPTOM_WEIGHT),
    Spec {
        usual: 0.5 * BREADTH_CAP,
        feature_max: BREADTH_CAP,
        ..Spec::sign(Term::Breadth, BREADTH_WEIGHT)
    },
    Spec::sign(Term::Silence, SILENCE_WEIGHT),
    Spec::open(Term::Upstream),
    Spec::open(Term::Announced),
];

/// What the weights are multiplied with, in the order of [`TERMS`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Features(pub(crate) [f64; TERM_COUNT]);

impl Features {
    pub(crate) fn add(&mut self, term: Term, value: f64) {
        for (spec, feature) in TERMS.iter().zip(&mut self.0) {
            if spec.term == term {
                *feature += value;
            }
        }
    }

    /// Adds all of `other`, weakened by `factor`.
    pub(crate) fn add_all(&mut self, other: &Self, factor: f64) {
        for (feature, more) in self.0.iter_mut().zip(other.0) {
            *feature += more * factor;
        }
    }

    /// Whether any evidence speaks.
    pub(crate) fn is_any(&self) -> bool {
        let mut said = TERMS.iter().zip(self.0);
        said.any(|(spec, feature)| spec.term != Term::Bias && feature > 0.0)
    }
}

/// For so many distinct metrics.
pub(crate) fn breadth(metrics: usize) -> f64 {
    let further = u32::try_from(metrics.saturating_sub(1)).unwrap_or(u32::MAX);
    f64::from(further).min(BREADTH_CAP)
}

/// What one anomaly says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    /// By the weights from before anything was learnt: what evidence is put in order by, so that learning never re-orders it.
    pub(crate) value: f64,
    /// For each term what its weight is multiplied with.
    pub(crate) features: Features,
}

pub(crate) fn said(tracked: &Tracked, member: Member, at: EventTime, settings: &CorrelateSettings) -> Said {
    let a = &tracked.anomaly;
    let mut features = Features::default();
    let mut far = 1.0;
    for _ in 0..member.steps {
        far *= STEP_FACTOR;
    }
    if tracked.is_silence() {
        features.add(Term::Silence, far);
        let value = SILENCE_WEIGHT * far;
        return Said { value, features };
    }
    let until = if tracked.active { at } else { a.at };
    let lasted = until.since(a.from).as_secs_f64();
    let score = a.score.get().min(SCORE_CAP);
    let duration = (lasted / DURATION_FULL_SECONDS).min(1.0);
    features.add(Term::Score, far * score);
    features.add(Term::Duration, far * duration);
    let mut value = SCORE_WEIGHT * score + DURATION_WEIGHT * duration;
    let mut chance = 0.0;
    if let Some(objective) = settings.objective(a) {
        let is_there = objective.gap(a.observed) <= 0.0;
        let way = (!is_there)
            .then(|| Way::of(objective, a, settings.horizon()))
            .flatten();
        let near = match &way {
            _ if is_there => 1.0,
            Some(way) => way.nearness(),
            None => nearness_by_slope(objective, a.observed, a.slope, settings.horizon()),
        };
        value += LIMIT_WEIGHT * near;
        features.add(if is_there { Term::Beyond } else { Term::Limit }, far * near);
        chance = way.map_or(0.0, |way| way.chance(at)).min(CHANCE_MAX);
    }
    if is_felt(tracked, settings) {
        value += SYMPTOM_WEIGHT;
        features.add(Term::Symptom, far);
    }
    let least = libm::log(chance / (1.0 - chance)) - BIAS;
    if least > value {
        features.add(Term::Limit, far * (least - value) / LIMIT_WEIGHT);
        value = least;
    }
    if member.steps > 0 {
        features.add(Term::Upstream, far);
    }
    if !a.context.is_empty() {
        features.add(Term::Announced, far);
    }
    for _ in 0..member.steps {
        value *= STEP_FACTOR;
    }
    Said { value, features }
}

/// 0.5 to 1 where the limit is reached within the horizon, the more the sooner, else 0.
fn nearness_by_slope(objective: &Objective, observed: f64, slope: f64, horizon: Duration) -> f64 {
    let pace = slope * objective.sign;
    if pace.is_nan() || pace <= 0.0 {
        return 0.0;
    }
    let share = objective.gap(observed) / pace / horizon.as_secs_f64();
    if share <= 1.0 { 1.0 - 0.5 * share } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priors_lie_within_their_bounds() {
        for spec in TERMS {
            assert!(spec.least <= spec.prior && spec.prior <= spec.most, "{spec:?}");
            assert!(spec.usual <= spec.feature_max, "{spec:?}");
        }
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
