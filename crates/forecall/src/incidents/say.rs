//! Commands and verdicts as records, under a key that makes a repeat harmless.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use forecall_config::Settings;
use forecall_incident::{Trigger, allows};
use forecall_types::{
    Action, EventTime, Feedback, Incident, IncidentId, ProblemId, Responsibility, Scope, Severity, Verdict,
    WorkStage,
};
use forecall_wire::event::{TopicId, encode_feedback};

use super::args::ScopeArgs;
use super::steer::Steer;
use super::topic::Topics;
use crate::replay::time_text;
use crate::word::{Draft, Speaker, command_draft, record};

/// What is to be said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Words {
    /// With the onset and the end, as people found out.
    Verdict(IncidentId, Verdict, (Option<EventTime>, Option<EventTime>)),
    Acknowledge(IncidentId),
    Step(IncidentId, String),
    Eta(IncidentId, EventTime),
    Attribute(IncidentId, Responsibility),
    Retract(IncidentId),
    Close(IncidentId),
    Review(IncidentId, ProblemId),
    Declare(Scope, Severity),
    Steer(Steer),
}

impl From<ScopeArgs> for Scope {
    fn from(args: ScopeArgs) -> Self {
        Self {
            services: args.services.into_iter().collect(),
            regions: args.regions.into_iter().collect(),
            products: args.products.into_iter().collect(),
            elements: BTreeSet::new(),
            cells: args.cells.into_iter().collect(),
            customers_estimated: None,
        }
    }
}

/// Checks the words against what the topics hold of the incident, and makes their record.
///
/// # Errors
/// The incident isn't known or its state doesn't allow it; the configuration doesn't know what is named.
pub(super) fn draft(
    words: Words,
    from: &Speaker<'_>,
    topics: &Topics<'_>,
    settings: &Settings,
) -> anyhow::Result<Draft> {
    from.check()?;
    let newest = |id: &IncidentId| anyhow::Ok(topics.history(id)?.newest.incident);
    let open = |id: &IncidentId| {
        let incident = newest(id)?;
        ensure!(
            incident.state.is_open(),
            "{id} is {}: only an open incident takes that",
            incident.state.as_str()
        );
        anyhow::Ok(incident)
    };
    let so_already = |what: String| Ok(Draft::Needless(what));
    // What makes the same words said later another command: where the incident stands, for a value that may go to and fro; how
    // often it has come back, for what is done once in a life.
    let (domain, action, stand) = match words {
        Words::Verdict(id, verdict, truth) => {
            let incident = newest(&id)?;
            return verdict_draft(&incident, verdict, truth, from, topics);
        }
        Words::Acknowledge(id) => {
            let incident = open(&id)?;
            let is_by_same = incident.acknowledged.is_some_and(|a| *a.by == *from.by);
            if is_by_same && from.key.is_none() {
                return so_already(format!("{id} is acknowledged by {} already", from.by));
            }
            let action = Action::Acknowledge { incident: id };
            (incident.domain, action, incident.revision)
        }
        Words::Step(id, code) => {
            let incident = open(&id)?;
            check_step(&code, settings)?;
            if from.key.is_none() && incident.steps.iter().any(|s| *s.code == *code) {
                return so_already(format!(
                    "{id} has the step {code} already; to tell it again, give --key"
                ));
            }
            let action = Action::Step {
                incident: id,
                code: Arc::from(code),
            };
            (incident.domain, action, incident.reopened)
        }
        Words::Eta(id, eta) => {
            let incident = open(&id)?;
            ensure!(
                eta > from.at,
                "{} is over: an ETA lies ahead",
                time_text::write(eta)
            );
            if incident.eta == Some(eta) && from.key.is_none() {
                return so_already(format!(
                    "{id} is expected to be over by {} already",
                    time_text::write(eta)
                ));
            }
            let action = Action::Eta { incident: id, eta };
            (incident.domain, action, incident.revision)
        }
        Words::Attribute(id, responsibility) => {
            let incident = open(&id)?;
            if incident.responsibility == responsibility && from.key.is_none() {
                return so_already(format!("{id} is attributed so already"));
            }
            let action = Action::Attribute {
                incident: id,
                responsibility,
            };
            (incident.domain, action, incident.revision)
        }
        Words::Retract(id) => {
            let incident = open(&id)?;
            check_allowed(&incident, Trigger::Retract, "work that has started is closed")?;
            let action = Action::Retract { incident: id };
            (incident.domain, action, incident.reopened)
        }
        Words::Close(id) => {
            let incident = open(&id)?;
            let why = "only a confirmed one can be closed; a prediction, and work that has not started, is retracted";
            check_allowed(&incident, Trigger::Close, why)?;
            (incident.domain, Action::Close { incident: id }, incident.reopened)
        }
        Words::Review(incident, problem) => {
            let newest = newest(&incident)?;
            let why = "only one that is over, and was not reviewed yet, can be reviewed";
            check_allowed(&newest, Trigger::Review, why)?;
            let action = Action::Review { incident, problem };
            (newest.domain, action, newest.reopened)
        }
        Words::Declare(scope, severity) => {
            check_scope(&scope, settings)?;
            // To declare twice within what is open does nothing; a later outage of the same scope must have another key.
            let minute = u32::try_from(from.at.secs().div_euclid(60)).unwrap_or(u32::MAX);
            let action = Action::Declare { scope, severity };
            (settings.domain.clone(), action, minute)
        }
        Words::Steer(steer) => steer.said(from, topics, settings)?,
    };
    command_draft(domain, action, &stand.to_le_bytes(), from, &topics.names)
}

pub(super) fn check_allowed(incident: &Incident, trigger: Trigger, why: &str) -> anyhow::Result<()> {
    let work = incident.work.as_ref().map(|work| work.stage);
    ensure!(
        allows(incident.state, work, trigger),
        "{} is {}: {why}",
        incident.id,
        work.map_or(incident.state.as_str(), WorkStage::as_str)
    );
    Ok(())
}

fn verdict_draft(
    incident: &Incident,
    verdict: Verdict,
    (onset, ended): (Option<EventTime>, Option<EventTime>),
    from: &Speaker<'_>,
    topics: &Topics<'_>,
) -> anyhow::Result<Draft> {
    ensure!(
        onset.is_none() && ended.is_none() || matches!(verdict, Verdict::Right | Verdict::Expected),
        "--onset and --ended go with right and expected: else there was no trouble"
    );
    ensure!(
        ended.is_none() || !incident.state.is_open(),
        "{} is {}: close it, then say when it ended",
        incident.id,
        incident.state.as_str()
    );
    let said = serde_json::to_vec(&(verdict, onset, ended)).context("failed to write the verdict")?;
    let key = from.key_of(&[
        incident.domain.as_str().as_bytes(),
        incident.id.as_str().as_bytes(),
        &said,
        &incident.reopened.to_le_bytes(),
    ]);
    let feedback = Feedback {
        id: Arc::from(key.as_str()),
        domain: incident.domain.clone(),
        incident: incident.id.clone(),
        at: from.at,
        verdict,
        onset,
        ended,
    };
    let record = record(&topics.names, TopicId::Feedback, encode_feedback(&feedback)?);
    Ok(Draft::Record {
        what: format!("verdict {key} by {}", from.by),
        key,
        record,
    })
}

fn check_step(code: &str, settings: &Settings) -> anyhow::Result<()> {
    let known = &settings.outreach.steps.0;
    if !known.contains_key(code) {
        let codes: Vec<&str> = known.keys().map(|c| &**c).collect();
        bail!(
            "no words are known for the step `{code}`: `outreach.steps` has {}",
            codes.join(", ")
        );
    }
    Ok(())
}

pub(crate) fn check_scope(scope: &Scope, settings: &Settings) -> anyhow::Result<()> {
    let topology = settings.correlate.topology();
    for service in &scope.services {
        if !topology.knows_service(service) {
            let known: Vec<&str> = topology.customer_facing().map(|s| s.as_str()).collect();
            bail!(
                "the topology has no service `{service}`; what customers use: {}",
                known.join(", ")
            );
        }
    }
    for region in &scope.regions {
        if !topology.knows_region(region) {
            let known: Vec<&str> = topology.regions().map(|(code, _)| code.as_str()).collect();
            bail!(
                "the topology has no region `{region}`; it has {}",
                known.join(", ")
            );
        }
    }
    Ok(())
}
