//! What an incident has taken over of those merged into it: what was done for them isn't done again.
//!
//! Where incidents become one their rules do as well. Nobody knows at that moment whether a call that was approved has gone out: so
//! what was approved of either is taken back where the merged one has such a call, and the rule waits until its runner has told of
//! each. If one was made it has been had; if none was the rule is proposed once more.

use std::collections::BTreeMap;

use forecall_types::{EventTime, IncidentId, RemedyName, RemedyOutcome, RemedyStage};
use serde::{Deserialize, Serialize};

use super::life::{RemedyLife, was_called};
use super::rule::BY_RULE;

type Lives = BTreeMap<RemedyName, RemedyLife>;

/// Calls of incidents that are one now. By rule, so at most [`REMEDIES_MAX`](super::REMEDIES_MAX) of each; and of so many
/// incidents as were merged within the time that an approval stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Joined {
    /// Rules that have been called, or may have been, and for which incident.
    had: BTreeMap<RemedyName, IncidentId>,
    /// Calls that nobody has told of yet: for which incidents, and up to when that is waited for.
    untold: BTreeMap<RemedyName, BTreeMap<IncidentId, EventTime>>,
}

impl Joined {
    /// Takes over what is known of `id`, whose remedies are `lives` and which was joined of `from`; `own` is the incident that goes on.
    pub(super) fn take_in(
        &mut self,
        own: (&IncidentId, &mut Lives),
        id: &IncidentId,
        (lives, from): (&Lives, &Self),
    ) {
        let (own, own_lives) = own;
        self.had.extend(from.had.clone());
        for (rule, of) in &from.untold {
            self.untold.entry(rule.clone()).or_default().extend(of.clone());
        }
        for (rule, life) in lives {
            if life.was_called() {
                self.had.insert(rule.clone(), id.clone());
            } else if let Some(until) = life.untold_until() {
                let of = self.untold.entry(rule.clone()).or_default();
                of.insert(id.clone(), until);
            }
        }
        for (rule, of) in &mut self.untold {
            match own_lives.get_mut(rule) {
                Some(life) if life.stage() == RemedyStage::Approved => {
                    of.extend(life.untold_until().map(|until| (own.clone(), until)));
                    life.take_back(format!("waits for what came of its call for {id}"));
                }
                // There was a word, if not on this one.
                Some(life) if life.stage() == RemedyStage::Lapsed && !life.was_approved() => {
                    own_lives.remove(rule);
                }
                Some(_) | None => {}
            }
        }
        self.settle(own_lives);
    }

    /// What has been had isn't done once more.
    fn settle(&mut self, own_lives: &mut Lives) {
        for (rule, id) in &self.had {
            self.untold.remove(rule);
            if let Some(life) = own_lives.get_mut(rule) {
                life.lapse(BY_RULE, format!("{id}, merged into it, has had it"));
            }
        }
    }

    /// It was told what came of the call for `id`.
    pub(super) fn hear(
        &mut self,
        rule: &RemedyName,
        id: &IncidentId,
        outcome: RemedyOutcome,
        own_lives: &mut Lives,
    ) {
        let Some(of) = self.untold.get_mut(rule) else {
            return;
        };
        if of.remove(id).is_none() {
            return;
        }
        let is_last = of.is_empty();
        if was_called(outcome) {
            self.had.insert(rule.clone(), id.clone());
            self.settle(own_lives);
        } else if is_last {
            self.untold.remove(rule);
        }
    }

    /// What nobody has told of in time may have been done.
    pub(super) fn pass(&mut self, now: EventTime, own_lives: &mut Lives) {
        let over: Vec<(RemedyName, IncidentId)> = self
            .untold
            .iter()
            .filter_map(|(rule, of)| {
                let (id, _) = of.iter().find(|(_, until)| now >= **until)?;
                Some((rule.clone(), id.clone()))
            })
            .collect();
        for (rule, id) in over {
            self.untold.remove(&rule);
            if let Some(life) = own_lives.get_mut(&rule) {
                life.lapse(
                    BY_RULE,
                    format!("nobody told in time what came of its call for {id}"),
                );
            }
            self.had.insert(rule, id);
        }
    }

    /// Whether a rule isn't proposed any more.
    pub(super) fn has_had(&self, rule: &RemedyName) -> bool {
        self.had.contains_key(rule)
    }

    /// Why a rule of `own` waits; `None`: it doesn't.
    pub(super) fn hold(&self, rule: &RemedyName, own: &IncidentId) -> Option<String> {
        let of = self.untold.get(rule).filter(|of| !of.is_empty())?;
        let of_other = of.keys().find(|id| *id != own);
        Some(of_other.map_or_else(
            || "waits for what came of its call".to_owned(),
            |id| format!("waits for what came of its call for {id}"),
        ))
    }

    /// When time alone brings it on.
    pub(super) fn next_due(&self) -> Option<EventTime> {
        self.untold.values().flat_map(BTreeMap::values).min().copied()
    }
}
