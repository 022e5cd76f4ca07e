//! Judges every scope at a step of event time: confirms, updates and ends incidents, and has new ones opened.

use std::collections::BTreeSet;
use std::time::Duration;

use forecall_stage::Effects;
use forecall_types::invariant::InvariantId;
use forecall_types::{
    Incident, IncidentChange, IncidentEvent, IncidentId, IncidentState, Probability, Responsibility,
    WorkStage, check_invariant,
};

use crate::dimension::dimensions;
use crate::group::{Domain, Ended, Open, Standing, Tracked};
use crate::learn::Judged;
use crate::life::Trigger;
use crate::paging::{HeldBy, Hold};
use crate::predict::{Assessment, Heard, Hit, assess};
use crate::publish::Step;
use crate::reason::{add, clock};
use crate::scope::Pair;
use crate::silence;
use crate::suspects::{first_suspect, suspects};
use crate::topology::Topology;

impl Domain {
    pub(crate) fn assess(&self, pairs: &BTreeSet<Pair>, step: &Step<'_>) -> Assessment {
        let members = self.members_of(pairs);
        let heard = Heard {
            muted: self.muted(pairs, &members, step),
            members,
            prior: self.adjustments.prior(pairs),
        };
        let model = self.learner.model(step.settings);
        assess(&heard, &self.tracked, step.at, step.settings, &model)
    }

    /// Finds its suspects and what is hit; where nothing tells of any more, those of before stand.
    fn suspect(&self, open: &mut Open, step: &Step<'_>) {
        let members = self.members_of(&open.pairs);
        // What a person has judged says nothing more.
        let muted = self.muted(&open.pairs, &members, step);
        let heard = members
            .iter()
            .filter(|(id, m)| m.standing != Standing::Spent && !muted.contains_key(*id));
        let tracked: Vec<&Tracked> = heard.filter_map(|(id, _)| self.tracked.get(id)).collect();
        // Those that are well again were part of it, too.
        let anomalies = tracked.iter().map(|t| &t.anomaly);
        let topology = self.known.topology(step.settings);
        let causes = suspects(anomalies.clone(), &open.incident.scope, topology);
        if !causes.is_empty() {
            open.incident.causes = causes;
        }
        let dimensions = dimensions(anomalies, topology);
        if !dimensions.is_empty() {
            open.incident.dimensions = dimensions;
        }
    }

    /// The next event of an incident, with the suspects of now; where nothing tells of any more, those of before stand.
    pub(crate) fn publish(
        &mut self,
        open: &mut Open,
        change: IncidentChange,
        a: &Assessment,
        reason: &str,
        step: &Step<'_>,
    ) -> IncidentEvent {
        open.peaks.note(&a.evidence);
        self.suspect(open, step);
        attribute(open, self.known.topology(step.settings));
        let mut event = step.publish(open, change, a, reason);
        // The canary's incidents call nobody, nor does work that goes as it was announced.
        let work = open.incident.work.as_ref().map(|w| w.stage);
        let is_quiet = matches!(work, Some(WorkStage::Announced | WorkStage::Started));
        if !self.name.is_canary() && !is_quiet {
            if open.incident.state.is_open() {
                open.incident.silenced = self.silenced(open, a);
            }
            let hold = hold(open, a, step);
            self.pages.decide(&mut open.incident, &step.settings.teams, &hold);
            event.incident.paging.clone_from(&open.incident.paging);
            event.incident.silenced.clone_from(&open.incident.silenced);
        }
        self.treat(open, a, step);
        add(&mut open.incident.reason, &open.remedies.news().join("; "));
        open.remedies.tell(&mut open.incident);
        event.incident.reason.clone_from(&open.incident.reason);
        event.incident.remedies.clone_from(&open.incident.remedies);
        event
    }

    /// Judges the whole domain at a step, after all entries before it were taken.
    pub(crate) fn evaluate(&mut self, step: &Step<'_>, effects: &mut Effects<IncidentEvent>) {
        self.tidy(step.at, step.settings);
        // Planned work comes last: it takes at once what the others give free.
        let is_work = |open: &&Open| open.incident.work.is_some();
        let (works, others): (Vec<&Open>, Vec<&Open>) = self.open.values().partition(is_work);
        let ids = others.into_iter().chain(works).map(|o| o.incident.id.clone());
        for id in ids.collect::<Vec<IncidentId>>() {
            if let Some(open) = self.open.remove(&id) {
                self.review(open, step, effects);
            }
        }
        let fresh = self.open_new(step, effects);
        for (id, _, _) in &fresh {
            if let Some(mut open) = self.open.remove(id) {
                self.suspect(&mut open, step);
                self.open.insert(id.clone(), open);
            }
        }
        // Before anybody is paged of what is new.
        let mut news = self.storms(step);
        for (id, change, reason) in fresh {
            news.remove(&id);
            if let Some(open) = self.open.remove(&id) {
                self.tell(open, change, &reason, step, effects);
            }
        }
        for id in news {
            if let Some(open) = self.open.remove(&id) {
                let a = self.assess(&open.pairs, step);
                self.go_on(open, &a, step, effects);
            }
        }
        check_invariant!(
            InvariantId::C1,
            self.each_scope_has_one_owner(),
            "a scope of {} has two open incidents at {:?}",
            self.name,
            step.at
        );
    }

    fn each_scope_has_one_owner(&self) -> bool {
        let pairs: usize = self.open.values().map(|o| o.pairs.len()).sum();
        let distinct: BTreeSet<&Pair> = self.open.values().flat_map(|o| &o.pairs).collect();
        pairs == distinct.len()
    }

    fn review(&mut self, mut open: Open, step: &Step<'_>, effects: &mut Effects<IncidentEvent>) {
        if let Some(work) = open.incident.work.clone() {
            return self.review_work(open, &work, step, effects);
        }
        let a = self.assess(&open.pairs, step);
        let t = &step.settings.tunables;
        // What comes and goes must stay away for longer each time: nobody is helped by hearing of every turn.
        let patience = |seconds| Duration::from_secs(seconds) * open.life.patience();
        let (retract_after, resolve_after) = (
            patience(t.retract_after_seconds),
            patience(t.resolve_after_seconds),
        );
        if open.life.state() == IncidentState::Predicted {
            if let Some(hit) = a.hit.clone() {
                return self.confirm(open, &hit, &a, step, effects);
            }
            if step.at >= open.since.plus(step.settings.horizon()) {
                return self.end(
                    open,
                    Trigger::HorizonPassed,
                    "no impact within the horizon",
                    &a,
                    step,
                    effects,
                );
            }
            if a.probability.get() >= t.retract_threshold {
                open.faded_since = None;
            } else {
                let since = *open.faded_since.get_or_insert(step.at);
                if step.at.since(since) >= retract_after {
                    // An acknowledgement alone prevents nothing.
                    let acted = !open.incident.steps.is_empty();
                    let trigger = if acted {
                        Trigger::FadeAfterAction
                    } else {
                        Trigger::Fade
                    };
                    let why = format!("evidence gone since {}", clock(since));
                    return self.end(open, trigger, &why, &a, step, effects);
                }
            }
        } else if open.declared || !a.active.is_empty() {
            open.faded_since = None;
        } else {
            let since = *open
                .faded_since
                .get_or_insert(a.last_news.unwrap_or(step.at).min(step.at));
            if step.at.since(since) >= resolve_after {
                let why = format!("all evidence gone since {}", clock(since));
                return self.end(open, Trigger::Fade, &why, &a, step, effects);
            }
        }
        self.go_on(open, &a, step, effects);
    }

    /// Publishes an incident as it is now, and keeps it.
    pub(crate) fn tell(
        &mut self,
        mut open: Open,
        change: IncidentChange,
        why: &str,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) {
        let a = self.assess(&open.pairs, step);
        // It may have taken in further scopes since it was begun in this step.
        if open.incident.work.is_none() {
            open.incident.probability = step.probability(open.life.state(), &a);
        }
        effects.emit(self.publish(&mut open, change, &a, why, step));
        self.open.insert(open.incident.id.clone(), open);
    }

    /// Keeps an incident that goes on as it is, and tells what is news of it.
    pub(crate) fn go_on(
        &mut self,
        mut open: Open,
        a: &Assessment,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) {
        self.note_silence(&mut open, a, step);
        self.treat(&mut open, a, step);
        if let Some(reason) = step.news(&open, a) {
            open.incident.probability = step.probability(open.life.state(), a);
            effects.emit(self.publish(&mut open, IncidentChange::Updated, a, &reason, step));
        } else {
            open.peaks.note(&a.evidence);
        }
        self.open.insert(open.incident.id.clone(), open);
    }

    /// Customers are hit: by evidence or by word.
    pub(crate) fn confirm(
        &mut self,
        mut open: Open,
        hit: &Hit,
        a: &Assessment,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) {
        if let Some(change) = open.enter(Trigger::Hit) {
            open.incident.probability = Probability::ONE;
            open.incident.onset_observed = Some(hit.since);
            open.faded_since = None;
            self.learner.hit(&open.pairs);
            let reason = format!("customers hit since {} ({})", clock(hit.since), hit.why);
            effects.emit(self.publish(&mut open, change, a, &reason, step));
        }
        self.open.insert(open.incident.id.clone(), open);
    }

    /// Ends an incident, where its state allows it; else it stays as it was.
    pub(crate) fn end(
        &mut self,
        mut open: Open,
        trigger: Trigger,
        why: &str,
        a: &Assessment,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) {
        let Some(change) = open.enter(trigger) else {
            self.open.insert(open.incident.id.clone(), open);
            return;
        };
        let state = open.life.state();
        let by_person = matches!(trigger, Trigger::Retract | Trigger::Close);
        open.incident.probability = match trigger {
            Trigger::Retract => Probability::ZERO,
            Trigger::Foresee
            | Trigger::Hit
            | Trigger::Fade
            | Trigger::FadeAfterAction
            | Trigger::HorizonPassed
            | Trigger::Close
            | Trigger::Review
            | Trigger::Announce
            | Trigger::Start
            | Trigger::Overrun
            | Trigger::Merge => step.probability(state, a),
        };
        if state == IncidentState::Resolved {
            let over = if by_person {
                step.at
            } else {
                open.faded_since.unwrap_or(step.at)
            };
            open.incident.resolved_at = Some(over.max(open.incident.onset_observed.unwrap_or(over)));
        }
        match state {
            IncidentState::Averted => self.learner.acted(&open.pairs),
            IncidentState::Retracted => self.learner.judge(&open.incident.id, Judged::StayedAway),
            // Counted when it comes, or when its time is over.
            IncidentState::Predicted
            | IncidentState::Confirmed
            | IncidentState::Expired
            | IncidentState::Resolved
            | IncidentState::Reviewed
            | IncidentState::Merged => {}
        }
        effects.emit(self.publish(&mut open, change, a, why, step));
        self.release(
            &open.pairs,
            if by_person {
                Standing::Spent
            } else {
                Standing::ImpactOnly
            },
        );
        self.remember(Ended {
            incident: open.incident,
            life: open.life,
            at: step.at,
            is_disowned: false,
            is_attributed: open.is_attributed,
            remedies: open.remedies,
            peaks: open.peaks,
        });
    }
}

/// What holds its pages back now, remembered until it is published next. A person's word goes before all else.
fn hold(open: &mut Open, a: &Assessment, step: &Step<'_>) -> Hold {
    let Incident { silenced, parent, .. } = &open.incident;
    let has_passed = open.life.state() == IncidentState::Confirmed && !open.declared && a.hit.is_none();
    let (by, why) = match (silenced, parent) {
        (Some(s), _) => (
            Some(HeldBy::Silence(s.id.clone())),
            Some(silence::in_words(s, step.at)),
        ),
        (None, Some(parent)) => (
            Some(HeldBy::Storm(parent.clone())),
            Some(format!("part of storm {parent}")),
        ),
        (None, None) if has_passed => (
            Some(HeldBy::Passed),
            Some("what hit customers has passed".to_owned()),
        ),
        (None, None) => (None, None),
    };
    let has_turned = by != open.held;
    open.held = by;
    Hold { why, has_turned }
}

/// Who answers for it, by what the topology says of its cause: once, when it is confirmed, where no person has said.
fn attribute(open: &mut Open, topology: &Topology) {
    let incident = &mut open.incident;
    let is_open_question = open.life.state() == IncidentState::Confirmed
        && incident.work.is_none()
        && !open.is_attributed
        && incident.responsibility == Responsibility::Unknown;
    let Some(cause) = first_suspect(incident).filter(|_| is_open_question) else {
        return;
    };
    let responsibility = topology.responsibility(&cause.node);
    if responsibility != Responsibility::Unknown {
        open.notes.push(format!(
            "responsibility {}: as {} has it",
            responsibility.as_str(),
            cause.node
        ));
        incident.responsibility = responsibility;
    }
}
