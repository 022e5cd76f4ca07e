//! Verdicts: what people say of an incident, at any time of its life and afterwards.
//!
//! One verdict stands for each incident: the newest. It is published on the incident, teaches the learner and the pages, and adjusts
//! how the scope is judged for a while; see [`adjust`]. Taken back, all of that is as before.

mod adjust;
mod peaks;

use std::collections::BTreeSet;
use std::time::Duration;

use forecall_stage::Effects;
use forecall_types::{
    Adjustment, EventTime, Feedback, Incident, IncidentChange, IncidentEvent, IncidentId, IncidentState,
    Position, RejectReason, Verdict,
};

pub(crate) use adjust::Adjustments;
pub use adjust::{ADJUSTMENTS_MAX, in_words as adjustment_in_words};
pub(crate) use peaks::Peaks;

use crate::command::{Refusal, not_allowed};
use crate::group::Domain;
use crate::learn::Judged;
use crate::life::Trigger;
use crate::paging::false_chance;
use crate::publish::Step;
use crate::reason::{clock, place};
use crate::scope::Pair;

/// Customers may have been hit this long before an incident was opened, and no longer.
const ONSET_BEFORE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// What a verdict is given on.
struct Subject {
    pairs: BTreeSet<Pair>,
    is_over: bool,
}

impl Domain {
    /// Takes a verdict: a false alarm ends an open incident, all others are told of it.
    pub(crate) fn take_feedback(
        &mut self,
        position: &Position,
        feedback: &Feedback,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) {
        let refused = if self.seen.insert(&format!("feedback {}", feedback.id)) {
            self.hear(feedback, step, effects).err()
        } else {
            Some((RejectReason::Duplicate, "seen before".into()))
        };
        if let Some((reason, why)) = refused {
            effects.reject(reason, format!("feedback {} at {position}: {why}", feedback.id));
        }
    }

    fn hear(
        &mut self,
        feedback: &Feedback,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) -> Result<(), Refusal> {
        let id = self.standing_for(&feedback.incident);
        let (subject, adjustment) = self.weigh_verdict(&id, feedback, step)?;
        let words = words(feedback, adjustment.as_ref(), step);
        if feedback.verdict == Verdict::FalseAlarm && !subject.is_over {
            let open = self.open_mut(&id)?;
            let before = std::mem::replace(&mut open.incident.adjustment, adjustment.clone());
            if let Err(refusal) = self.end_by_word(&id, Trigger::Retract, &words, step, effects) {
                self.open_mut(&id)?.incident.adjustment = before;
                return Err(refusal);
            }
        } else if subject.is_over {
            self.tell_verdict(&id, feedback, (adjustment.as_ref(), words), step, effects);
        } else {
            let open = self.open_mut(&id)?;
            open.incident.adjustment.clone_from(&adjustment);
            open.incident.onset_observed = feedback.onset.or(open.incident.onset_observed);
            open.notes.push(words);
        }
        self.learner.judge(&id, judged(feedback));
        if feedback.verdict == Verdict::Withdrawn {
            // What was said of it before it was merged goes as well.
            self.adjustments.set(&feedback.incident, &subject.pairs, None);
        }
        self.adjustments.set(&id, &subject.pairs, adjustment);
        Ok(())
    }

    /// What the verdict would change, or why it can't be given.
    fn weigh_verdict(
        &self,
        id: &IncidentId,
        feedback: &Feedback,
        step: &Step<'_>,
    ) -> Result<(Subject, Option<Adjustment>), Refusal> {
        let ended = self.closed.iter().rev().find(|ended| ended.incident.id == *id);
        let (incident, peaks, is_over) = match (self.open.get(id), ended) {
            (Some(open), _) => (&open.incident, &open.peaks, false),
            (None, Some(ended)) => (&ended.incident, &ended.peaks, true),
            (None, None) => return Err(not_allowed(format!("incident {id} is not known"))),
        };
        check_times(incident, feedback, is_over)?;
        let subject = Subject {
            pairs: crate::scope::pairs_of(&incident.scope),
            is_over,
        };
        if self.name.is_canary() || incident.work.is_some() {
            return Ok((subject, None));
        }
        let repeats = self.adjustments.repeats(id, &subject.pairs, feedback.verdict);
        let said = (feedback.verdict, step.at);
        let adjustment = adjust::adjustment(said, peaks, is_over, repeats);
        if adjustment.is_some() && self.adjustments.is_full(id) {
            let why = format!("verdicts on {ADJUSTMENTS_MAX} incidents are in force already: withdraw one");
            return Err((RejectReason::SeriesLimit, why));
        }
        Ok((subject, adjustment))
    }

    /// Tells a verdict on what is over: most come afterwards. The state stays.
    fn tell_verdict(
        &mut self,
        id: &IncidentId,
        feedback: &Feedback,
        (adjustment, words): (Option<&Adjustment>, String),
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) {
        let mut all = self.closed.iter_mut().rev();
        let Some(ended) = all.find(|ended| ended.incident.id == *id) else {
            return;
        };
        ended.is_disowned = feedback.verdict == Verdict::FalseAlarm;
        let incident = &mut ended.incident;
        incident.onset_observed = feedback.onset.or(incident.onset_observed);
        incident.resolved_at = feedback.ended.or(incident.resolved_at);
        incident.adjustment = adjustment.cloned();
        incident.revision += 1;
        incident.at = step.at;
        incident.reason = format!("{}: {words}", place(&incident.scope));
        let chance = match feedback.verdict {
            Verdict::Right => 0.0,
            // Nobody need have been called.
            Verdict::FalseAlarm | Verdict::Expected | Verdict::NewNormal => 1.0,
            Verdict::Withdrawn => false_chance(incident),
        };
        self.pages.settle(id, incident.reopened, chance);
        effects.emit(IncidentEvent {
            change: IncidentChange::Updated,
            incident: incident.clone(),
        });
    }
}

fn check_times(incident: &Incident, feedback: &Feedback, is_over: bool) -> Result<(), Refusal> {
    let no = |why: &str| Err(not_allowed(why));
    let (onset, ended) = (feedback.onset, feedback.ended);
    if onset.is_none() && ended.is_none() {
        return Ok(());
    }
    match feedback.verdict {
        Verdict::Right | Verdict::Expected => {}
        Verdict::FalseAlarm => return no("where there was no trouble there is no onset and no end"),
        Verdict::NewNormal => return no("what is so from now on has no onset and no end"),
        Verdict::Withdrawn => return no("what is taken back has no onset and no end"),
    }
    if incident.work.is_some() {
        return no("planned work begins and ends as it was announced");
    }
    if onset.into_iter().chain(ended).any(|at| at > feedback.at) {
        return no("the onset or the end given is after the verdict");
    }
    if !is_over && ended.is_some() {
        return no("it is open: close it");
    }
    if !is_over && incident.state == IncidentState::Predicted {
        return no("it is predicted: declare it, if customers are hit");
    }
    let onset_known = onset.or(incident.onset_observed);
    if ended.is_some_and(|ended| onset_known.is_some_and(|onset| onset > ended)) {
        return no("the onset is after the end");
    }
    let first = incident.opened_at.minus(ONSET_BEFORE_MAX);
    if onset.is_some_and(|onset| onset < first) {
        return no("the onset is more than 7 days before the incident was opened");
    }
    Ok(())
}

/// What the learner hears.
fn judged(feedback: &Feedback) -> Judged {
    match (feedback.verdict, feedback.onset) {
        (Verdict::Right, Some(onset)) => Judged::At(onset),
        (Verdict::Right, None) => Judged::Came,
        (Verdict::FalseAlarm, _) => Judged::StayedAway,
        // Explained away: nobody can say whether it would have hurt.
        (Verdict::Expected | Verdict::NewNormal, _) => Judged::Explained,
        (Verdict::Withdrawn, _) => Judged::Withdrawn,
    }
}

fn words(feedback: &Feedback, adjustment: Option<&Adjustment>, step: &Step<'_>) -> String {
    let mut words = format!("verdict: {}", feedback.verdict.as_str().replace('_', " "));
    let mut told = |what: &str, at: Option<EventTime>| {
        if let Some(at) = at {
            words.push_str(&format!(", {what} {}", clock(at)));
        }
    };
    told("customers hit since", feedback.onset);
    told("over at", feedback.ended);
    let changed = adjustment
        .map(|a| adjust::in_words(a, step.at))
        .unwrap_or_default();
    if !changed.is_empty() {
        words.push_str(&format!(" ({changed})"));
    }
    words
}
