use forecall_types::{Contribution, Term};
use serde::{Deserialize, Serialize};

use crate::predict::{Features, TERM_COUNT, TERMS, logistic};

/// One outcome moves the weights by no more than this, in log-odds of whatever evidence they are asked about.
const STEP_MAX: f64 = 0.1;
/// How far an outcome pulls, before that bound.
const RATE: f64 = 0.1;
/// How strongly a weight is pulled back to where it was before anything was learnt (Hoerl and Kennard 1970), as a share of
/// [`RATE`]: what hasn't been borne out for hundreds of outcomes is forgotten.
const PULL_BACK: f64 = 0.02;
/// How far an outcome moves the line, in log-odds.
const LINE_RATE: f64 = 0.02;
/// The line learns its slope from log-odds up to here; beyond it a probability is 95 in 100 or 5.
const LINE_SPAN: f64 = 3.0;
/// How far the line may come to lie from that which changes nothing.
const OFFSET_MAX: f64 = 1.5;
const SLOPE_MIN: f64 = 0.5;
const SLOPE_MAX: f64 = 1.5;

/// The weights of the terms, and the line that lies upon their sum (Platt 1999).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Model {
    /// In the order of [`TERMS`].
    weights: [f64; TERM_COUNT],
    offset: f64,
    slope: f64,
}

impl Model {
    /// Before anything was learnt.
    pub(crate) fn prior() -> Self {
        Self {
            weights: TERMS.map(|spec| spec.prior),
            offset: 0.0,
            slope: 1.0,
        }
    }

    /// The terms that add anything; their sum, in this order, is the log-odds of the probability.
    pub(crate) fn contributions(&self, features: &Features) -> Vec<Contribution> {
        let terms = TERMS.iter().zip(self.weights).zip(features.0);
        let mut contributions: Vec<Contribution> = terms
            .map(|((spec, weight), feature)| Contribution {
                term: spec.term,
                value: weight * feature,
            })
            .collect();
        let sum: f64 = contributions.iter().map(|c| c.value).sum();
        let line = [
            (Term::Calibration, self.offset),
            (Term::Slope, (self.slope - 1.0) * sum),
        ];
        contributions.extend(line.map(|(term, value)| Contribution { term, value }));
        // Nothing is added by zero.
        contributions.retain(|c| c.value.abs() > 0.0);
        contributions
    }

    /// Log-odds before the line: of all evidence, or what one piece adds.
    pub(crate) fn sum(&self, features: &Features) -> f64 {
        self.weights.iter().zip(features.0).map(|(w, x)| w * x).sum()
    }

    /// Takes an outcome, of which `share` counts: a step of logistic regression down the gradient, shortened so that no
    /// evidence whatever is judged much otherwise after it than before.
    pub(crate) fn learn(&mut self, features: &Features, came: bool, share: f64) {
        let y = if came { 1.0 } else { 0.0 };
        let sum = self.sum(features);
        let line_error = y - logistic(self.offset + self.slope * sum);
        let error = y - logistic(sum);
        let mut steps = [0.0; TERM_COUNT];
        let mut moved = 0.0;
        for (((step, spec), weight), feature) in
            steps.iter_mut().zip(&TERMS).zip(self.weights).zip(features.0)
        {
            let gradient = error * feature / spec.usual;
            let back = PULL_BACK * (spec.prior - weight) * spec.usual;
            *step = RATE * share * (gradient + back) / spec.usual;
            moved += step.abs() * spec.feature_max;
        }
        // Of several sayings that share one outcome each has its share of the bound.
        let most = STEP_MAX * share;
        let shorter = if moved > most { most / moved } else { 1.0 };
        for ((weight, step), spec) in self.weights.iter_mut().zip(steps).zip(&TERMS) {
            *weight = (*weight + step * shorter).clamp(spec.least, spec.most);
        }
        let lean = (sum / LINE_SPAN).clamp(-1.0, 1.0);
        let rate = LINE_RATE * share;
        self.offset = (self.offset + rate * line_error).clamp(-OFFSET_MAX, OFFSET_MAX);
        self.slope = (self.slope + rate * line_error * lean).clamp(SLOPE_MIN, SLOPE_MAX);
    }
}

/// What an outcome moved, so that it can be taken back: weights, offset and slope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Taught {
    weights: [f64; TERM_COUNT],
    offset: f64,
    slope: f64,
}

impl Model {
    /// What has moved since it was like `before`.
    pub(crate) fn since(&self, before: &Self) -> Taught {
        let mut weights = [0.0; TERM_COUNT];
        for ((moved, now), then) in weights.iter_mut().zip(self.weights).zip(before.weights) {
            *moved = now - then;
        }
        Taught {
            weights,
            offset: self.offset - before.offset,
            slope: self.slope - before.slope,
        }
    }

    /// Moves it back by what was taught; what others taught since stays.
    pub(crate) fn unlearn(&mut self, taught: &Taught) {
        for ((weight, moved), spec) in self.weights.iter_mut().zip(taught.weights).zip(&TERMS) {
            *weight = (*weight - moved).clamp(spec.least, spec.most);
        }
        self.offset = (self.offset - taught.offset).clamp(-OFFSET_MAX, OFFSET_MAX);
        self.slope = (self.slope - taught.slope).clamp(SLOPE_MIN, SLOPE_MAX);
    }

    #[cfg(test)]
    pub(crate) fn is_near(&self, other: &Self) -> bool {
        let moved = self.since(other);
        let all = moved.weights.iter().chain([&moved.offset, &moved.slope]);
        all.copied().all(|moved| moved.abs() < 1e-12)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn features() -> impl Strategy<Value = Features> {
        let one = TERMS.map(|spec| {
            let low = if spec.term == Term::Bias { 1.0 } else { 0.0 };
            low..=spec.feature_max
        });
        one.to_vec().prop_map(|all| {
            let mut features = Features::default();
            for (spec, value) in TERMS.iter().zip(all) {
                features.add(spec.term, value);
            }
            features
        })
    }

    fn probability(model: &Model, features: &Features) -> f64 {
        logistic(model.contributions(features).iter().map(|c| c.value).sum())
    }

    fn outcomes() -> impl Strategy<Value = Vec<(Features, bool)>> {
        proptest::collection::vec((features(), any::<bool>()), 0..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_outcome_moves_any_probability_much(
            before in outcomes(), last in (features(), any::<bool>()), asked in features(), sayings in 1_u32..9,
        ) {
            let mut model = Model::prior();
            for (x, came) in before {
                model.learn(&x, came, 1.0);
            }
            let was = probability(&model, &asked);
            for _ in 0..sayings {
                model.learn(&last.0, last.1, 1.0 / f64::from(sayings));
            }
            let off = (probability(&model, &asked) - was).abs();
            prop_assert!(off < 0.07, "{off}");
        }

        #[test]
        fn weights_stay_within_their_bounds(all in outcomes()) {
            let mut model = Model::prior();
            for (x, came) in all {
                model.learn(&x, came, 1.0);
            }
            for (spec, weight) in TERMS.iter().zip(model.weights) {
                prop_assert!((spec.least..=spec.most).contains(&weight), "{spec:?} {weight}");
            }
        }
    }

    fn one(terms: &[(Term, f64)]) -> Features {
        let mut features = Features::default();
        features.add(Term::Bias, 1.0);
        for (term, value) in terms {
            features.add(*term, *value);
        }
        features
    }

    #[test]
    fn what_never_comes_is_believed_less_and_what_comes_more() {
        let batch = one(&[(Term::Score, 8.0), (Term::Duration, 1.0)]);
        let leak = one(&[(Term::Score, 4.0), (Term::Limit, 0.8), (Term::Symptom, 1.0)]);
        let mut model = Model::prior();
        let prior = [&batch, &leak].map(|x| probability(&model, x));
        for _ in 0..300 {
            model.learn(&batch, false, 1.0);
            model.learn(&leak, true, 1.0);
        }
        let learnt = [&batch, &leak].map(|x| probability(&model, x));
        assert!(learnt[0] < 0.15 && learnt[0] < prior[0], "{prior:?} {learnt:?}");
        assert!(learnt[1] > 0.8 && learnt[1] > prior[1], "{prior:?} {learnt:?}");
    }

    #[test]
    fn what_comes_as_often_as_said_changes_little() {
        let x = one(&[(Term::Score, 6.0), (Term::Duration, 1.0), (Term::Symptom, 1.0)]);
        let mut model = Model::prior();
        let said = probability(&model, &x);
        // By the golden ratio: as often as said, evenly spread.
        for i in 0..2_000_u32 {
            let even = (f64::from(i) * 0.618_033_988_75).fract();
            model.learn(&x, even < said, 1.0);
        }
        assert!(
            (probability(&model, &x) - said).abs() < 0.03,
            "{said} {}",
            probability(&model, &x)
        );
    }
}
