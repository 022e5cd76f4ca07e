//! Remedies: what rules propose for an incident, and how far a person's word or their own lets that go.
//!
//! Here it is only decided. A rule that fits an incident is proposed once for it, over all of its lives; whoever reads the events may
//! call what says `approved`, once, and tells what came of it. Nothing is proposed or approved of the canary, of planned work, or while
//! the incident is silenced or part of a storm, or while remedies are switched off; what waits lapses with its incident, with its time,
//! and with its rule.

mod joined;
mod life;
mod limit;
mod rule;

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_stage::Effects;
use forecall_types::{
    EventTime, Incident, IncidentChange, IncidentEvent, IncidentId, Remedy, RemedyName, RemedyOutcome,
    RemedyStage,
};
use serde::{Deserialize, Serialize};

use crate::command::{Refusal, not_allowed};
use crate::group::{Domain, Ended, Open};
use crate::predict::Assessment;
use crate::publish::Step;
use crate::reason::{moment, place};

pub(crate) use life::RemedyLife;
pub(crate) use limit::Spent;
pub(crate) use rule::Stand;
pub use rule::{
    BY_REMEDY_RUNNER, REMEDIES_MAX, REMEDY_CALLS_MAX, REMEDY_SPAN_MAX, RemedyKind, RemedyLimit, RemedyParts,
    RemedyRule, RemedySeverity, RemedyState, RemedyWhen, is_reserved_name,
};

use joined::Joined;
use rule::BY_RULE;

/// What holds for all remedies of a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remedial {
    spent: Spent,
    /// Who switched remedies off.
    off: Option<Arc<str>>,
}

/// The remedies of one incident, at most [`REMEDIES_MAX`] at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remedies {
    lives: BTreeMap<RemedyName, RemedyLife>,
    /// Calls of those merged into it.
    joined: Joined,
}

impl Remedies {
    /// When time alone brings one of them on.
    pub(crate) fn next_due(&self) -> Option<EventTime> {
        let lives = self.lives.values().filter_map(RemedyLife::next_due);
        lives.chain(self.joined.next_due()).min()
    }

    /// Those of an incident that comes back: what was never to be called may be proposed again.
    pub(crate) fn again(mut self) -> Self {
        self.lives.retain(|_, life| match life.stage() {
            RemedyStage::Withheld => false,
            RemedyStage::Lapsed => life.was_approved(),
            RemedyStage::Proposed
            | RemedyStage::Approved
            | RemedyStage::Rejected
            | RemedyStage::Done
            | RemedyStage::Failed
            | RemedyStage::Rehearsed => true,
        });
        self
    }

    /// Takes over those of `id`, which goes on as this one, `own`.
    pub(crate) fn take_in(&mut self, own: &IncidentId, id: &IncidentId, from: &Self) {
        let lives = (own, &mut self.lives);
        self.joined.take_in(lives, id, (&from.lives, &from.joined));
    }

    /// It was told what came of a call for an incident that goes on as this one, or for this one.
    fn hear(&mut self, rule: &RemedyName, id: &IncidentId, outcome: RemedyOutcome) {
        self.joined.hear(rule, id, outcome, &mut self.lives);
    }

    /// What isn't to be called any more lapses: with the incident, the switch, the rule, and time.
    fn lapse(&mut self, incident: &Incident, off: Option<&Arc<str>>, rules: &[RemedyRule], now: EventTime) {
        self.joined.pass(now, &mut self.lives);
        for (name, life) in self.lives.iter_mut().filter(|(_, life)| life.waits()) {
            let rule = rules.iter().find(|rule| rule.name() == name);
            let is_withheld = life.stage() == RemedyStage::Withheld;
            if !incident.state.is_open() {
                life.lapse(BY_RULE, format!("the incident is {}", incident.state.as_str()));
            } else if let Some(by) = off.filter(|_| !is_withheld) {
                life.lapse(by, format!("remedies are switched off by {by}"));
            } else if rule.is_none_or(|rule| *rule.digest() != life.fact().digest) {
                life.lapse(BY_RULE, "its rule has changed".into());
            } else if is_withheld {
                life.looked_at(now);
            } else if life.next_due().is_some_and(|until| now >= until) {
                let why = match life.stage() {
                    RemedyStage::Approved => "nobody told in time what came of it",
                    _ => "nobody approved it in time",
                };
                life.lapse(BY_RULE, why.into());
            }
        }
    }

    /// What a revision tells of them.
    pub(crate) fn tell(&mut self, incident: &mut Incident) {
        for life in self.lives.values_mut() {
            life.tell(incident.revision, incident.at);
        }
        incident.remedies = self.facts();
    }

    fn facts(&self) -> Vec<Remedy> {
        self.lives.values().map(|life| life.fact().clone()).collect()
    }

    /// What is news of them, in words.
    pub(crate) fn news(&self) -> Vec<String> {
        self.lives.values().filter_map(RemedyLife::news).collect()
    }
}

/// What holds remedies of an incident back; `None`: nothing.
fn hold(incident: &Incident, remedial: &Remedial) -> Option<String> {
    if let Some(by) = &remedial.off {
        return Some(format!("remedies are switched off by {by}"));
    }
    if let Some(silenced) = &incident.silenced {
        return Some(format!("silenced by {}", silenced.by));
    }
    incident
        .parent
        .as_ref()
        .map(|parent| format!("part of storm {parent}"))
}

/// How often it may be called, in words.
fn limit_reached(rule: &RemedyRule, free_at: EventTime, now: EventTime) -> String {
    let limit = rule.parts().limit;
    format!(
        "all {} calls within {} s are spent; the next is free at {}",
        limit.calls,
        limit.within.as_secs(),
        moment(free_at, now)
    )
}

/// Proposes what nothing holds back, and approves it where its rule asks nobody.
fn offer(life: Option<RemedyLife>, rule: &RemedyRule, spent: &mut Spent, now: EventTime) -> RemedyLife {
    let proposed = |life: Option<RemedyLife>| match life {
        Some(mut life) => {
            life.offer(rule, now);
            life
        }
        None => RemedyLife::proposed(rule, now),
    };
    let Some(consent) = rule.standing_word() else {
        return proposed(life);
    };
    match (spent.take(rule, now), life) {
        (Ok(slot), life) => {
            let mut life = proposed(life);
            life.approve(&consent, slot, rule, now);
            life
        }
        (Err(free_at), Some(mut life)) => {
            life.hold(limit_reached(rule, free_at, now), Some(free_at));
            life
        }
        (Err(free_at), None) => RemedyLife::withheld(rule, limit_reached(rule, free_at, now), Some(free_at)),
    }
}

impl Domain {
    /// Brings the remedies of an incident on by what it is now, by time and by the rules.
    pub(crate) fn treat(&mut self, open: &mut Open, a: &Assessment, step: &Step<'_>) {
        if self.name.is_canary() || open.incident.work.is_some() {
            return;
        }
        let now = step.at;
        let rules = &step.settings.remedies;
        let remedial = &mut self.remedial;
        remedial.spent.keep(rules);
        let held = hold(&open.incident, remedial);
        let stand = (open.incident.state.is_open() && !rules.is_empty()).then(|| step.stand(open, a));
        let (id, remedies) = (&open.incident.id, &mut open.remedies);
        remedies.lapse(&open.incident, remedial.off.as_ref(), rules, now);
        let Some(stand) = stand else { return };
        for rule in rules {
            let name = rule.name();
            let life = remedies.lives.get_mut(name);
            let is_fresh = life
                .as_ref()
                .is_none_or(|life| life.stage() == RemedyStage::Withheld);
            if !is_fresh || remedies.joined.has_had(name) || rule.misfit(&stand).is_some() {
                continue;
            }
            let by_word = || {
                let is_alone = rule.is_by_word_alone(&stand);
                is_alone.then(|| "only a person says so: its rule asks for what is measured".to_owned())
            };
            let held = remedies.joined.hold(name, id).or_else(|| held.clone());
            match (held.or_else(by_word), life) {
                (Some(why), Some(life)) => life.hold(why, None),
                (Some(why), None) => {
                    let life = RemedyLife::withheld(rule, why, None);
                    remedies.lives.insert(name.clone(), life);
                }
                (None, _) => {
                    let life = remedies.lives.remove(name);
                    let life = offer(life, rule, &mut remedial.spent, now);
                    remedies.lives.insert(name.clone(), life);
                }
            }
        }
    }

    /// A person's word on a remedy.
    pub(crate) fn judge_remedy(
        &mut self,
        (id, name): (&IncidentId, &RemedyName),
        approve: bool,
        by: &Arc<str>,
        step: &Step<'_>,
    ) -> Result<(), Refusal> {
        self.open_mut(id)?;
        let Some(open) = self.open.get(id) else {
            return Ok(());
        };
        // What the evidence says now, and a silence of this very step, count already.
        let a = self.assess(&open.pairs, step);
        let silenced = self.silenced(open, &a);
        let silenced = silenced.map(|s| format!("silenced by {}", s.by));
        let held = open.remedies.joined.hold(name, id);
        let held = held.or(hold(&open.incident, &self.remedial)).or(silenced);
        let stand = step.stand(open, &a);
        let Some(open) = self.open.get_mut(id) else {
            return Ok(());
        };
        let Some(life) = open.remedies.lives.get_mut(name) else {
            return Err(not_allowed(format!("incident {id} has no remedy {name}")));
        };
        let stands = format!("remedy {name} of {id} is {}", life.stage().as_str());
        if !approve {
            return if life.reject(by) {
                Ok(())
            } else {
                Err(not_allowed(stands))
            };
        }
        if life.stage() != RemedyStage::Proposed {
            return Err(not_allowed(stands));
        }
        if let Some(why) = held {
            return Err(not_allowed(format!("incident {id}: {why}")));
        }
        let rules = &step.settings.remedies;
        let is_it = |rule: &&RemedyRule| rule.name() == name && *rule.digest() == life.fact().digest;
        let Some(rule) = rules.iter().find(is_it) else {
            return Err(not_allowed(format!("the rule of remedy {name} has changed")));
        };
        if life.next_due().is_none_or(|until| step.at >= until) {
            return Err(not_allowed(format!("remedy {name} of {id}: its time is over")));
        }
        let Some(consent) = rule.word_of(by) else {
            return Err(not_allowed(format!(
                "remedy {name} is only proposed: its rule is never called"
            )));
        };
        if let Some(misfit) = rule.misfit(&stand) {
            return Err(not_allowed(format!(
                "remedy {name} is not for incident {id} as it is now: {misfit}"
            )));
        }
        match self.remedial.spent.take(rule, step.at) {
            Ok(slot) => {
                life.approve(&consent, slot, rule, step.at);
                Ok(())
            }
            Err(free_at) => {
                let why = limit_reached(rule, free_at, step.at);
                Err(not_allowed(format!("remedy {name}: {why}")))
            }
        }
    }

    /// What became of a remedy that was approved. It may come when the incident is over.
    pub(crate) fn settle_remedy(
        &mut self,
        (id, name): (&IncidentId, &RemedyName),
        (outcome, status): (RemedyOutcome, Option<u32>),
        by: &str,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) -> Result<(), Refusal> {
        let none = || {
            not_allowed(format!(
                "incident {id} has no remedy {name} that was to be called"
            ))
        };
        if let Some(open) = self.open.get_mut(id) {
            let life = open.remedies.lives.get_mut(name).ok_or_else(none)?;
            if !life.settle(outcome, status, by) {
                return Err(none());
            }
        } else {
            let mut closed = self.closed.iter_mut();
            let ended = closed.find(|e| e.incident.id == *id).ok_or_else(none)?;
            let life = ended.remedies.lives.get_mut(name).ok_or_else(none)?;
            if !life.settle(outcome, status, by) {
                return Err(none());
            }
            effects.emit(ended.told(step));
        }
        // Whatever goes on for it may wait for this.
        let standing = self.standing_for(id);
        if let Some(open) = self.open.get_mut(&standing) {
            open.remedies.hear(name, id, outcome);
        } else if let Some(ended) = self.closed.iter_mut().find(|e| e.incident.id == standing) {
            ended.remedies.hear(name, id, outcome);
        }
        Ok(())
    }

    /// Switches remedies on or off.
    pub(crate) fn switch_remedies(&mut self, on: bool, by: &Arc<str>) {
        self.remedial.off = (!on).then(|| Arc::clone(by));
    }
}

impl Ended {
    /// What is news of its remedies.
    fn told(&mut self, step: &Step<'_>) -> IncidentEvent {
        let words = self.remedies.news().join("; ");
        let incident = &mut self.incident;
        incident.revision += 1;
        incident.at = step.at;
        incident.reason = format!("{}: {words}", place(&incident.scope));
        self.remedies.tell(incident);
        IncidentEvent {
            change: IncidentChange::Updated,
            incident: incident.clone(),
        }
    }
}
