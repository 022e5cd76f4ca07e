//! What people say: commands.

use std::collections::{BTreeMap, BTreeSet};

use forecall_stage::Effects;
use forecall_types::{
    Acknowledgement, Action, Command, EventTime, IncidentEvent, IncidentId, IncidentState, Position,
    Probability, ProblemId, RegionCode, RejectReason, RepairStep, SCOPE_CELLS_MAX, STEPS_MAX, Scope,
    ServiceName, Severity, WorkStage,
};

use crate::group::{Domain, Open};
use crate::life::Trigger;
use crate::predict::Hit;
use crate::publish::Step;
use crate::reason::{clock, place};
use crate::remedy::{BY_REMEDY_RUNNER, is_reserved_name};
use crate::scope::pairs_of;
use crate::topology::Topology;

/// Services times regions of one declaration or plan: a country of provinces by a dozen services, with room.
const DECLARED_PAIRS_MAX: usize = 1_024;

/// Why a command wasn't obeyed.
pub(crate) type Refusal = (RejectReason, String);

pub(crate) fn not_allowed(why: impl Into<String>) -> Refusal {
    (RejectReason::NotAllowed, why.into())
}

impl Domain {
    /// Obeys a command or says why not. A command seen before is refused as a duplicate.
    pub(crate) fn take_command(
        &mut self,
        position: &Position,
        command: &Command,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) {
        let refused = if self.seen.insert(&format!("command {}", command.id)) {
            self.obey(command, step, effects).err()
        } else {
            Some((RejectReason::Duplicate, "seen before".into()))
        };
        if let Some((reason, why)) = refused {
            effects.reject(reason, format!("command {} at {position}: {why}", command.id));
        }
    }

    fn obey(
        &mut self,
        command: &Command,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) -> Result<(), Refusal> {
        let by = &command.by;
        let is_own = matches!(command.action, Action::RemedyResult { .. }) && **by == *BY_REMEDY_RUNNER;
        if is_reserved_name(by) && !is_own {
            return Err(not_allowed(format!("`{by}` is what forecall calls itself")));
        }
        match &command.action {
            Action::Declare { scope, severity } => self.declare(command, scope, *severity, step, effects),
            Action::Acknowledge { incident } => {
                let open = self.open_mut(incident)?;
                open.incident.acknowledged = Some(Acknowledgement {
                    at: command.at,
                    by: by.clone(),
                });
                open.notes.push(format!("acknowledged by {by}"));
                Ok(())
            }
            Action::Eta { incident, eta } => self.expect_end(incident, *eta, command),
            Action::Step { incident, code } => {
                let open = self.open_mut(incident)?;
                if open.incident.steps.len() >= STEPS_MAX {
                    return Err(not_allowed(format!("it has {STEPS_MAX} steps already")));
                }
                open.incident.steps.push(RepairStep {
                    at: command.at,
                    code: code.clone(),
                });
                open.notes.push(format!("step {code} ({by})"));
                Ok(())
            }
            Action::Attribute {
                incident,
                responsibility,
            } => {
                let open = self.open_mut(incident)?;
                open.incident.responsibility = *responsibility;
                open.is_attributed = true;
                open.notes
                    .push(format!("responsibility {} ({by})", responsibility.as_str()));
                Ok(())
            }
            Action::Retract { incident } => self.end_by_word(
                incident,
                Trigger::Retract,
                &format!("retracted by {by}"),
                step,
                effects,
            ),
            Action::Close { incident } => self.end_by_word(
                incident,
                Trigger::Close,
                &format!("closed by {by}"),
                step,
                effects,
            ),
            Action::Review { incident, problem } => self.review_by_word(incident, problem, by, step, effects),
            Action::Merge { incident, into } => self.merge((incident, into), by, step, effects),
            Action::Split {
                incident,
                services,
                regions,
            } => self.split(incident, (services, regions), by, step, effects),
            Action::Plan {
                scope,
                starts_at,
                ends_at,
                label,
            } => self.plan(command, (scope, label), (*starts_at, *ends_at), step, effects),
            Action::Silence {
                matchers,
                until,
                reason,
            } => self.silence(command, matchers, *until, reason, step),
            Action::Unsilence { silence } => self.unsilence(silence, step),
            Action::Remedy {
                incident,
                rule,
                approve,
            } => self.judge_remedy((incident, rule), *approve, by, step),
            Action::RemedyResult {
                incident,
                rule,
                outcome,
                status,
            } => self.settle_remedy((incident, rule), (*outcome, *status), by, step, effects),
            Action::Remedies { on } => {
                self.switch_remedies(*on, by);
                Ok(())
            }
            Action::Approve { .. }
            | Action::Hold { .. }
            | Action::Send { .. }
            | Action::TakeBack { .. }
            | Action::Say { .. }
            | Action::Compensate { .. }
            | Action::Drill { .. }
            | Action::EndDrill { .. }
            | Action::Kill { .. } => Err(not_allowed("it is about notices")),
        }
    }

    /// Notes until when it is expected to last.
    fn expect_end(
        &mut self,
        incident: &IncidentId,
        eta: EventTime,
        command: &Command,
    ) -> Result<(), Refusal> {
        let open = self.open_mut(incident)?;
        if eta <= command.at {
            return Err(not_allowed("the time given is not after the command"));
        }
        if open.incident.work.as_ref().is_some_and(|w| eta <= w.starts_at) {
            return Err(not_allowed("the work would be over before it begins"));
        }
        open.incident.eta = Some(eta);
        open.notes
            .push(format!("expected to be over by {} ({})", clock(eta), command.by));
        Ok(())
    }

    pub(crate) fn open_mut(&mut self, id: &IncidentId) -> Result<&mut Open, Refusal> {
        let closed = self.closed.iter().find(|e| e.incident.id == *id);
        let closed = closed.map(|e| match &e.incident.merged_into {
            Some(into) => format!("merged into {into}"),
            None => e.life.state().as_str().to_owned(),
        });
        self.open.get_mut(id).ok_or_else(|| {
            not_allowed(closed.map_or_else(
                || format!("incident {id} is not known"),
                |stands| format!("incident {id} is {stands}"),
            ))
        })
    }

    pub(crate) fn end_by_word(
        &mut self,
        id: &IncidentId,
        trigger: Trigger,
        why: &str,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) -> Result<(), Refusal> {
        let life = self.open_mut(id)?.life;
        if life.after(trigger).is_none() {
            let what = match trigger {
                Trigger::Close if life.work().is_some() => "work that has not started is retracted",
                Trigger::Retract if life.work().is_some() => "work that has started is closed",
                Trigger::Close => "only a confirmed one can be closed; a prediction is retracted",
                Trigger::Foresee
                | Trigger::Hit
                | Trigger::Fade
                | Trigger::FadeAfterAction
                | Trigger::HorizonPassed
                | Trigger::Retract
                | Trigger::Review
                | Trigger::Announce
                | Trigger::Start
                | Trigger::Overrun
                | Trigger::Merge => "its state does not allow it",
            };
            let stands = life.work().map_or(life.state().as_str(), WorkStage::as_str);
            return Err(not_allowed(format!("incident {id} is {stands}: {what}")));
        }
        if let Some(open) = self.open.remove(id) {
            let a = self.assess(&open.pairs, step);
            self.end(open, trigger, why, &a, step, effects);
        }
        Ok(())
    }

    /// Looked at afterwards: what comes of it stands in the problem record.
    fn review_by_word(
        &mut self,
        id: &IncidentId,
        problem: &ProblemId,
        by: &str,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) -> Result<(), Refusal> {
        if let Some(open) = self.open.get(id) {
            let state = open.life.state().as_str();
            return Err(not_allowed(format!("incident {id} is {state}: it isn't over")));
        }
        let Some(ended) = self.closed.iter_mut().find(|e| e.incident.id == *id) else {
            return Err(not_allowed(format!("incident {id} is not known")));
        };
        let Some((life, change)) = ended.life.after(Trigger::Review) else {
            let state = ended.life.state().as_str();
            return Err(not_allowed(format!("incident {id} is {state}")));
        };
        ended.life = life;
        let incident = &mut ended.incident;
        incident.state = life.state();
        incident.problem = Some(problem.clone());
        incident.revision += 1;
        incident.at = step.at;
        incident.reason = format!("{}: reviewed by {by}, problem {problem}", place(&incident.scope));
        effects.emit(IncidentEvent {
            change,
            incident: incident.clone(),
        });
        Ok(())
    }

    /// Confirms what is open within the declared scope, and opens incidents for the rest of it.
    fn declare(
        &mut self,
        command: &Command,
        scope: &Scope,
        severity: Severity,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) -> Result<(), Refusal> {
        check_scope(scope, self.known.topology(step.settings))?;
        let mut owners: BTreeSet<IncidentId> = BTreeSet::new();
        let mut rest: BTreeMap<RegionCode, BTreeSet<ServiceName>> = BTreeMap::new();
        for pair in pairs_of(scope) {
            match self.groups.get(&pair).and_then(|g| g.owner.clone()) {
                Some(owner) => {
                    owners.insert(owner);
                }
                None => {
                    rest.entry(pair.region).or_default().insert(pair.service);
                }
            }
        }
        // What is open for one part of a region doesn't become one of another part, or of the whole, by the by.
        let other = owners.iter().find(|id| {
            let open = self.open.get(*id);
            open.is_some_and(|open| open.incident.scope.cells != scope.cells)
        });
        if let Some(id) = other {
            return Err(not_allowed(format!(
                "incident {id} is open there for another area: declare without cells what is open without, or retract it first"
            )));
        }
        let whole = owners.is_empty();
        for id in owners {
            self.confirm_by_word(&id, command, severity, step, effects);
        }
        let scopes: Vec<Scope> = if whole {
            vec![scope.clone()]
        } else {
            // What is left may be no full product of services and regions: one incident a region.
            rest.into_iter()
                .map(|(region, services)| Scope {
                    services,
                    regions: BTreeSet::from([region]),
                    customers_estimated: None,
                    ..scope.clone()
                })
                .collect()
        };
        for scope in scopes {
            let since = Some(command.at.min(step.at));
            if let Some((mut open, change)) = self.new_incident(scope, Trigger::Hit, since, step, effects) {
                open.declared = true;
                open.severity_floor = severity;
                open.incident.probability = Probability::ONE;
                open.notes.push(format!("declared by {}", command.by));
                self.learner.hit(&open.pairs);
                self.tell(open, change, "", step, effects);
            }
        }
        Ok(())
    }

    fn confirm_by_word(
        &mut self,
        id: &IncidentId,
        command: &Command,
        severity: Severity,
        step: &Step<'_>,
        effects: &mut Effects<IncidentEvent>,
    ) {
        let Some(mut open) = self.open.remove(id) else {
            return;
        };
        open.declared = true;
        open.severity_floor = open.severity_floor.max(severity);
        if open.life.state() == IncidentState::Predicted {
            let a = self.assess(&open.pairs, step);
            let hit = Hit {
                since: command.at.min(step.at),
                why: format!("declared by {}", command.by),
            };
            self.confirm(open, &hit, &a, step, effects);
        } else {
            open.notes.push(format!("declared by {}", command.by));
            self.open.insert(id.clone(), open);
        }
    }
}

pub(crate) fn check_scope(scope: &Scope, topology: &Topology) -> Result<(), Refusal> {
    let unknown = |why: String| Err((RejectReason::UnknownScope, why));
    if scope.services.is_empty() || scope.regions.is_empty() {
        return unknown("it needs services and regions".into());
    }
    if let Some(service) = scope.services.iter().find(|s| !topology.knows_service(s)) {
        return unknown(format!("service {service} is not in the topology"));
    }
    if let Some(region) = scope.regions.iter().find(|r| !topology.knows_region(r)) {
        return unknown(format!("region {region} is not in the topology"));
    }
    if scope.services.len().saturating_mul(scope.regions.len()) > DECLARED_PAIRS_MAX {
        return Err(not_allowed(format!(
            "more than {DECLARED_PAIRS_MAX} pairs of service and region"
        )));
    }
    if scope.cells.len() > SCOPE_CELLS_MAX {
        return Err(not_allowed(format!("more than {SCOPE_CELLS_MAX} cells")));
    }
    Ok(())
}
