//! What a notice does to the calls of those told: a prior, until hold-outs have measured it here.

use std::collections::VecDeque;

use forecall_types::IncidentId;
use serde::{Deserialize, Serialize};

use crate::calls::effect::{Arms, EffectAnalysis, EffectReading, Verdict};

/// Prior of θ, the log rate ratio of those told: about 18 % fewer calls, with an increase not ruled out.
const EFFECT_PRIOR: (f64, f64) = (-0.2, 0.35);
/// Seven values of a standard normal of equal chance (the medians of its sevenths).
const EFFECT_NODES: [f64; 7] = [-1.4652, -0.7916, -0.3661, 0.0, 0.3661, 0.7916, 1.4652];
/// Prior of b, contacts a notice causes per call it could avoid: three values of equal chance.
const CAUSED_NODES: [f64; 3] = [0.01, 0.04, 0.12];
/// Pairs of the two.
pub(super) const EFFECTS: f64 = 21.0;
/// A notice leaves at least this share of the calls.
const LEFT_MIN: f64 = 0.02;
/// The spread of a measured effect is held to this: below, hold-outs claim more than a next incident allows.
const SPREAD_RANGE: (f64, f64) = (0.02, 1.0);
/// Hold-outs of a domain that count: the newest.
const TRIALS_MAX: usize = 40;

/// What a notice leaves of the calls of those told: lognormal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NoticeEffect {
    /// Mean of θ, the log rate ratio of those told, contacts that the notice itself causes apart.
    pub log_ratio: f64,
    /// Standard deviation of θ for an incident to come.
    pub spread: f64,
    /// Hold-outs told it; else it is the prior.
    pub is_measured: bool,
}

impl Default for NoticeEffect {
    fn default() -> Self {
        Self {
            log_ratio: EFFECT_PRIOR.0,
            spread: EFFECT_PRIOR.1,
            is_measured: false,
        }
    }
}

impl NoticeEffect {
    /// From what all hold-outs say of the next incident; none where they say too little. A hold-out compares all contacts, those that
    /// notices cause included: they are taken out here, for they come at times of their own.
    fn measured(reading: &EffectReading) -> Option<Self> {
        if reading.verdict == Verdict::NotEnoughData {
            return None;
        }
        let [least, middle, most] = reading.next_incident.quantiles.map(|kept_away| 1.0 - kept_away);
        let net = middle.max(LEFT_MIN);
        let left = (net - caused_mean()).max(LEFT_MIN);
        // From the 97.5 % to the 2.5 % quantile of a normal law; the spread is that of what is left, not of the net.
        let spread = libm::log(least.max(LEFT_MIN) / most.max(LEFT_MIN)) / 3.919_928 * net / left;
        (left.is_finite() && spread.is_finite()).then(|| Self {
            log_ratio: libm::log(left),
            spread: spread.clamp(SPREAD_RANGE.0, SPREAD_RANGE.1),
            is_measured: true,
        })
    }

    /// What is left of the calls of those told, on average.
    pub(super) fn left(&self) -> f64 {
        libm::exp(self.log_ratio + 0.5 * self.spread * self.spread)
    }

    /// Shares that may be left and contacts caused, all of one chance.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        EFFECT_NODES.into_iter().flat_map(|z| {
            let left = libm::exp(self.log_ratio + self.spread * z);
            CAUSED_NODES.into_iter().map(move |caused| (left, caused))
        })
    }
}

/// Contacts a notice causes, on average.
pub(super) fn caused_mean() -> f64 {
    CAUSED_NODES.iter().sum::<f64>() / 3.0
}

/// The hold-outs of a domain, and what they say.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NoticeHistory {
    trials: VecDeque<(IncidentId, Arms)>,
    effect: NoticeEffect,
}

impl NoticeHistory {
    /// Takes in what came of an incident's hold-out; one that is told again, or can't be, changes nothing.
    pub fn take(&mut self, incident: &IncidentId, arms: Arms) {
        let is_known = self.trials.iter().any(|(known, _)| known == incident);
        if is_known || arms.check().is_err() {
            return;
        }
        self.trials.push_back((incident.clone(), arms));
        if self.trials.len() > TRIALS_MAX {
            self.trials.pop_front();
        }
        let mut analysis = EffectAnalysis::new();
        for (_, arms) in &self.trials {
            // Checked when it came, and far fewer than the analysis takes.
            if analysis.add(*arms).is_err() {
                return;
            }
        }
        self.effect = NoticeEffect::measured(&analysis.read()).unwrap_or_default();
    }

    /// What is thought of the next notice.
    pub const fn effect(&self) -> NoticeEffect {
        self.effect
    }
}

#[cfg(test)]
mod tests {
    use forecall_types::Fingerprint;

    use super::*;

    fn arms(told_contacts: u64, held_out_contacts: u64) -> Arms {
        Arms {
            told: 9_000,
            held_out: 1_000,
            told_contacts,
            held_out_contacts,
        }
    }

    fn history(count: u8, of: Arms) -> NoticeHistory {
        let mut history = NoticeHistory::default();
        for n in 0..count {
            history.take(&IncidentId::derived(Fingerprint::of(&[n])), of);
        }
        history
    }

    #[test]
    fn hold_outs_say_what_a_notice_leaves() {
        // 6 % of those held out and 3.9 % of those told: 35 % fewer contacts, net of those that notices cause.
        let effect = history(12, arms(351, 60)).effect();
        let net = libm::exp(effect.log_ratio) + caused_mean();
        assert!(
            effect.is_measured && (net - 0.65).abs() < 0.05,
            "{effect:?} {net}"
        );
        assert!(effect.spread < EFFECT_PRIOR.1, "{effect:?}");
        // As many more.
        let effect = history(12, arms(729, 60)).effect();
        let net = libm::exp(effect.log_ratio) + caused_mean();
        assert!((net - 1.35).abs() < 0.1, "{effect:?} {net}");
        let mean = effect.nodes().map(|(left, caused)| left + caused).sum::<f64>() / EFFECTS;
        assert!((mean - net).abs() < 0.06, "{mean} {net}");
    }

    #[test]
    fn few_contacts_and_what_is_told_twice_change_nothing() {
        assert_eq!(history(6, arms(40, 8)).effect(), NoticeEffect::default());
        let mut known = history(3, arms(351, 60));
        let before = known.clone();
        known.take(&IncidentId::derived(Fingerprint::of(&[0])), arms(9_000, 0));
        assert_eq!(known, before, "the same incident");
        known.take(&IncidentId::derived(Fingerprint::of(&[99])), arms(9_001, 0));
        assert_eq!(known, before, "more contacts than people");
    }

    #[test]
    fn the_newest_forty_count() {
        let mut known = history(40, arms(351, 60));
        for n in 100..140 {
            known.take(&IncidentId::derived(Fingerprint::of(&[n])), arms(540, 60));
        }
        assert_eq!(known.trials.len(), TRIALS_MAX);
        let net = libm::exp(known.effect().log_ratio) + caused_mean();
        assert!((net - 1.0).abs() < 0.06, "{net}");
    }
}
