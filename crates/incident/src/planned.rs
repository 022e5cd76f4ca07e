//! Planned work: announced by a person, an incident of its own from the announcement to its end.
//!
//! From its start to its end it owns its scope as far as no incident has it: what is abnormal there is its evidence and opens nothing else.
//! An incident that was open before stays one. Work ends when a person says so; by itself when its time is over and nothing is
//! abnormal; where something still is, it overruns, and ends once that has been gone for as long as any trouble must be.

use std::collections::BTreeSet;
use std::time::Duration;

use forecall_stage::Effects;
use forecall_types::{
    Command, EventTime, IncidentChange, IncidentEvent, IncidentKind, PlannedWork, RejectReason, Remark,
    Responsibility, Scope, WorkStage,
};

use crate::command::{Refusal, check_scope, not_allowed};
use crate::group::{Domain, OPEN_MAX, Open};
use crate::life::{Life, Trigger};
use crate::publish::Step;
use crate::reason::{clock, moment};
use crate::scope::{Pair, pairs_of};

/// Planned works of one domain that aren't over: a quarter of all that may be open, so that they never crowd out trouble.
pub const WORKS_MAX: usize = 256;
/// How far ahead work may be announced: plans for later change before they come.
pub const WORK_AHEAD_MAX: Duration = Duration::from_secs(90 * 86_400);
/// Longest work: whatever is abnormal in its scope opens no incident for all of that time.
pub const WORK_SPAN_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Work that began longer ago than this can't be announced any more: what it did has been told by then.
const WORK_BEHIND_MAX: Duration = Duration::from_secs(86_400);
/// An event reminds of work this long before it starts.
const REMINDER_BEFORE: Duration = Duration::from_secs(3_600);

/// When work is to be over: as announced, or as a person said later.
fn due(open: &Open, work: &PlannedWork) -> EventTime {
    open.incident.eta.unwrap_or(work.ends_at)
}

impl Open {
    /// When time alone will bring planned work on.
    pub(crate) fn next_work(&self) -> Option<EventTime> {
        let work = self.incident.work.as_ref()?;
        match work.stage {
            WorkStage::Announced if self.is_reminded => Some(work.starts_at),
            WorkStage::Announced => Some(work.starts_at.minus(REMINDER_BEFORE)),
            WorkStage::Started => Some(due(self, work)),
            // It goes on by its signs.
            WorkStage::Overrun | WorkStage::Ended | WorkStage::Cancelled => None,
        }
    }
}

impl Domain {
    /// Announces planned work, or says why not.
    pub(crate) fn plan(
        &mut self,
        command: &Command,
        (scope, label): (&Scope, &Remark),
        (starts_at, ends_at): (EventTime, EventTime),
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) -> Result<(), Refusal> {
        check_scope(scope, self.known.topology(step.settings))?;
        let no = |why: &str| Err(not_allowed(why));
        if ends_at <= starts_at {
            return no("it ends before it begins");
        }
        if ends_at <= command.at || ends_at <= step.at {
            return no("it is over already");
        }
        if ends_at.since(starts_at) > WORK_SPAN_MAX {
            return no("it lasts more than 30 days");
        }
        if starts_at.since(command.at) > WORK_AHEAD_MAX {
            return no("it is more than 90 days ahead");
        }
        if command.at.since(starts_at) > WORK_BEHIND_MAX {
            return no("it began more than a day ago");
        }
        let works = self.open.values().filter(|o| o.incident.work.is_some()).count();
        if works >= WORKS_MAX || self.open.len() >= OPEN_MAX {
            let why = format!("{WORKS_MAX} planned works, or {OPEN_MAX} incidents, are open");
            return Err((RejectReason::SeriesLimit, why));
        }
        let Some((life, change)) = Life::begin(Trigger::Announce) else {
            return Ok(());
        };
        let id = self.fresh_id(scope, step.at);
        let mut open = Open::new(&self.name, (id, life), scope.clone(), step);
        // Only its own word and its time end it.
        open.declared = true;
        open.is_reminded = starts_at.since(step.at) <= REMINDER_BEFORE;
        let incident = &mut open.incident;
        incident.kind = IncidentKind::Planned;
        incident.responsibility = Responsibility::Planned;
        incident.onset_predicted = Some(starts_at);
        incident.eta = Some(ends_at);
        incident.work = Some(PlannedWork {
            stage: WorkStage::Announced,
            starts_at,
            ends_at,
            label: label.clone(),
            by: command.by.clone(),
        });
        let why = format!(
            "planned work from {} to {}, announced by {}: {label}",
            moment(starts_at, step.at),
            moment(ends_at, step.at),
            command.by
        );
        self.tell(open, change, &why, step, effects);
        Ok(())
    }

    /// Brings planned work on by time and by what is abnormal in its scope.
    pub(crate) fn review_work(
        &mut self,
        mut open: Open,
        work: &PlannedWork,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) {
        match work.stage {
            WorkStage::Announced if step.at >= work.starts_at => {
                if let Some(change) = open.enter(Trigger::Start) {
                    self.claim(&mut open);
                    let why = format!(
                        "planned work has started, until {}: {}",
                        moment(due(&open, work), step.at),
                        work.label
                    );
                    return self.tell(open, change, &why, step, effects);
                }
            }
            WorkStage::Announced => {
                if !open.is_reminded && step.at >= work.starts_at.minus(REMINDER_BEFORE) {
                    open.is_reminded = true;
                    open.notes.push(format!(
                        "planned work starts at {}: {}",
                        clock(work.starts_at),
                        work.label
                    ));
                }
                if !open.notes.is_empty() {
                    return self.tell(open, IncidentChange::Updated, "", step, effects);
                }
            }
            WorkStage::Started | WorkStage::Overrun => return self.review_begun(open, work, step, effects),
            WorkStage::Ended | WorkStage::Cancelled => {}
        }
        self.open.insert(open.incident.id.clone(), open);
    }

    fn review_begun(
        &mut self,
        mut open: Open,
        work: &PlannedWork,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) {
        self.claim(&mut open);
        let a = self.assess(&open.pairs, step);
        let is_abnormal = !a.active.is_empty();
        let is_due = step.at >= due(&open, work);
        match work.stage {
            WorkStage::Started if is_due && is_abnormal => {
                if let Some(change) = open.enter(Trigger::Overrun) {
                    let why = format!(
                        "planned work was to be over at {}: it takes longer",
                        moment(due(&open, work), step.at)
                    );
                    return self.tell(open, change, &why, step, effects);
                }
            }
            WorkStage::Started if is_due => {
                let why = "planned work is over: its time has passed and nothing is abnormal";
                return self.end(open, Trigger::Fade, why, &a, step, effects);
            }
            WorkStage::Overrun if !is_abnormal => {
                let since = *open
                    .faded_since
                    .get_or_insert(a.last_news.unwrap_or(step.at).min(step.at));
                let patience = Duration::from_secs(step.settings.tunables.resolve_after_seconds);
                if step.at.since(since) >= patience {
                    let why = format!(
                        "planned work is over: nothing has been abnormal since {}",
                        clock(since)
                    );
                    return self.end(open, Trigger::Fade, &why, &a, step, effects);
                }
            }
            WorkStage::Announced
            | WorkStage::Started
            | WorkStage::Overrun
            | WorkStage::Ended
            | WorkStage::Cancelled => open.faded_since = None,
        }
        self.go_on(open, &a, step, effects);
    }

    /// Takes what no incident has of the scope. Nobody can say what would have come of it without the work.
    fn claim(&mut self, open: &mut Open) {
        let scope = &open.incident.scope;
        if open.pairs.len() == scope.services.len().saturating_mul(scope.regions.len()) {
            return;
        }
        let free: BTreeSet<Pair> = pairs_of(&open.incident.scope)
            .into_iter()
            .filter(|pair| self.groups.get(pair).is_none_or(|g| g.owner.is_none()))
            .collect();
        if free.is_empty() {
            return;
        }
        self.learner.acted(&free);
        self.own(&free, &open.incident.id);
        open.pairs.extend(free);
    }
}
