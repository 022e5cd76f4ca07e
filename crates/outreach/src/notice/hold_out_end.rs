//! A hold-out ends itself where it harms (R6): by an interval that holds however often one looks, over all incidents of one declaration.

use forecall_types::{Fingerprint, HoldOutEnd, HoldOutTrial};
use serde::{Deserialize, Serialize};

use crate::calls::effect::{Arms, EffectAnalysis, Verdict};
use crate::hold_out_settings::HoldOutSettings;

/// Incidents of one declaration: what so many can't show is nobody's reason to wait any longer. 32 KiB a domain.
pub(crate) const TRIALS_MAX: usize = 1_000;

/// What the hold-outs of one declaration have shown together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// Which declaration; another one begins anew.
    declared: Fingerprint,
    /// Each incident's, the oldest first, at most [`TRIALS_MAX`].
    arms: Vec<Arms>,
    ended: Option<HoldOutEnd>,
    /// The same as the analysis takes it; made again from `arms` after a restart.
    #[serde(skip)]
    analysis: Option<EffectAnalysis>,
}

/// Owner, purpose and last day are the declaration: who changes one of them has decided anew. Share, delay and exceptions may be tuned
/// without that.
fn declaration(hold_out: &HoldOutSettings) -> Fingerprint {
    let until = String::from(hold_out.until);
    Fingerprint::of_parts(&[
        hold_out.owner.as_bytes(),
        hold_out.purpose.as_bytes(),
        until.as_bytes(),
    ])
}

const fn arms_of(trial: &HoldOutTrial) -> Arms {
    Arms {
        told: trial.told,
        held_out: trial.held_out,
        told_contacts: trial.told_contacts,
        held_out_contacts: trial.held_out_contacts,
    }
}

impl Shown {
    /// Whether nobody waits any more under this declaration: it has shown harm, or it has had its incidents.
    pub(crate) fn is_over(&self, hold_out: &HoldOutSettings) -> bool {
        self.declared == declaration(hold_out) && (self.ended.is_some() || self.arms.len() >= TRIALS_MAX)
    }

    /// Whether this declaration has shown harm.
    pub(crate) fn has_ended(&self, hold_out: &HoldOutSettings) -> bool {
        self.declared == declaration(hold_out) && self.ended.is_some()
    }

    /// Takes in what came of one incident. The first time that all together show harm, says which.
    pub(crate) fn add(&mut self, hold_out: &HoldOutSettings, trial: &HoldOutTrial) -> Option<HoldOutEnd> {
        let declared = declaration(hold_out);
        if self.declared != declared {
            *self = Self {
                declared,
                ..Self::default()
            };
        }
        if self.ended.is_some() || self.arms.len() >= TRIALS_MAX {
            return None;
        }
        let arms = arms_of(trial);
        let known = &self.arms;
        let analysis = self.analysis.get_or_insert_with(|| {
            let mut analysis = EffectAnalysis::new();
            for arms in known {
                // It was taken before.
                let _ = analysis.add(*arms);
            }
            analysis
        });
        // More in touch than there are can't be counted here; what can't be says nothing.
        analysis.add(arms).ok()?;
        let (_, verdict) = analysis.look();
        self.arms.push(arms);
        self.ended = match verdict {
            Verdict::Works => Some(HoldOutEnd::WaitingHarms),
            Verdict::Harms => Some(HoldOutEnd::TellingHarms),
            Verdict::NothingShown | Verdict::NotEnoughData => None,
        };
        self.ended
    }
}
