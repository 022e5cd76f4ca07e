//! Commands and verdicts as records, under a key that makes a repeat harmless.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use forecall_config::Settings;
use forecall_incident::{Trigger, allows, is_reserved_name};
use forecall_log::{Log, OutRecord, Transaction};
use forecall_types::{
    Action, Command, DomainName, EventTime, Feedback, Fingerprint, Incident, IncidentId, NAME_BYTES_MAX,
    ProblemId, Responsibility, Scope, Severity, Verdict, WorkStage,
};
use forecall_wire::event::{Encoded, TopicId, encode_command, encode_feedback};
use serde_json::{Value, json};

use super::args::ScopeArgs;
use super::steer::Steer;
use super::topic::Topics;
use crate::replay::time_text;

/// What is to be said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Words {
    Verdict(IncidentId, Verdict),
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

/// Who says it, under which key, when.
pub(super) struct Speaker<'a> {
    pub(super) by: &'a str,
    pub(super) key: Option<&'a str>,
    pub(super) at: EventTime,
}

/// What comes of words.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Draft {
    /// A record for a topic, under an idempotency key.
    Record {
        key: String,
        record: OutRecord,
        /// What it says, for people.
        what: String,
    },
    /// Nothing: it is so already.
    Needless(String),
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
    check_by(from.by)?;
    if let Some(key) = from.key {
        check_text("--key", key)?;
    }
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
        Words::Verdict(id, verdict) => {
            let incident = newest(&id)?;
            return verdict_draft(&incident, verdict, from, topics);
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
    command_draft(domain, action, stand, from, topics)
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

fn command_draft(
    domain: DomainName,
    action: Action,
    stand: u32,
    from: &Speaker<'_>,
    topics: &Topics<'_>,
) -> anyhow::Result<Draft> {
    let content = serde_json::to_vec(&action).context("failed to write the command")?;
    let key = key_of(
        from,
        &[domain.as_str().as_bytes(), &content, &stand.to_le_bytes()],
    );
    let command = Command {
        id: Arc::from(key.as_str()),
        domain,
        at: from.at,
        by: Arc::from(from.by),
        action,
    };
    let record = out(topics, TopicId::Commands, encode_command(&command)?);
    Ok(Draft::Record {
        what: format!("command {key} by {}", from.by),
        key,
        record,
    })
}

fn verdict_draft(
    incident: &Incident,
    verdict: Verdict,
    from: &Speaker<'_>,
    topics: &Topics<'_>,
) -> anyhow::Result<Draft> {
    let said = serde_json::to_vec(&verdict).context("failed to write the verdict")?;
    let key = key_of(
        from,
        &[
            incident.domain.as_str().as_bytes(),
            incident.id.as_str().as_bytes(),
            &said,
            &incident.reopened.to_le_bytes(),
        ],
    );
    let feedback = Feedback {
        id: Arc::from(key.as_str()),
        domain: incident.domain.clone(),
        incident: incident.id.clone(),
        at: from.at,
        verdict,
    };
    let record = out(topics, TopicId::Feedback, encode_feedback(&feedback)?);
    Ok(Draft::Record {
        what: format!("verdict {key} by {}", from.by),
        key,
        record,
    })
}

/// The key given, or one made from what is said, by whom, and where the incident stands: the same words said again before they
/// were heard have the same key, and going back to a former value has another one.
fn key_of(from: &Speaker<'_>, parts: &[&[u8]]) -> String {
    from.key.map_or_else(
        || {
            let parts: Vec<&[u8]> = [from.by.as_bytes()]
                .into_iter()
                .chain(parts.iter().copied())
                .collect();
            format!("cli-{}", Fingerprint::of_parts(&parts).base32(16))
        },
        str::to_owned,
    )
}

fn out(topics: &Topics<'_>, topic: TopicId, encoded: Encoded) -> OutRecord {
    OutRecord {
        topic: Arc::from(topics.names.name(topic)),
        partition: None,
        key: Some(encoded.key),
        value: Some(encoded.value),
        headers: encoded.headers,
    }
}

/// A team that may speak.
fn check_by(by: &str) -> anyhow::Result<()> {
    check_text("--by", by)?;
    ensure!(
        !is_reserved_name(by),
        "--by {by}: that is what forecall calls itself in records; name your role or team"
    );
    Ok(())
}

/// A key or a team as it may stand in a record.
pub(super) fn check_text(option: &str, text: &str) -> anyhow::Result<()> {
    let is_good = !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && text.trim() == text
        && !text.chars().any(char::is_control);
    ensure!(
        is_good,
        "{option} needs 1 to {NAME_BYTES_MAX} bytes without control characters or white space at an end"
    );
    Ok(())
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

pub(super) fn check_scope(scope: &Scope, settings: &Settings) -> anyhow::Result<()> {
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

/// Publishes the record.
pub(super) fn publish(
    log: &dyn Log,
    settings: &Settings,
    key: &str,
    record: OutRecord,
) -> anyhow::Result<()> {
    // It exists: else the broker might make it with settings of its own.
    log.bounds(&record.topic)?;
    // Two who say the same at the same time need only one of both; different words get in nobody's way.
    let whose = Fingerprint::of(key.as_bytes()).base32(8);
    let identity = format!("{}.incidents-cli.{whose}-{}", settings.group, std::process::id());
    let mut writer = log.writer(&identity)?;
    Ok(writer.commit(&Transaction {
        records: vec![record],
        positions: Vec::new(),
    })?)
}

/// Says what became of it.
pub(super) fn tell(draft: &Draft, published: bool, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    match draft {
        Draft::Needless(why) if json => writeln!(out, "{}", json!({"published": false, "why": why})),
        Draft::Needless(why) => writeln!(out, "nothing to say: {why}"),
        Draft::Record { key, record, what } => {
            let value = record.value.as_deref().unwrap_or_default();
            if json {
                let value: Value = serde_json::from_slice(value).unwrap_or_default();
                let topic = &*record.topic;
                let text = json!({"published": published, "topic": topic, "id": key, "record": value});
                writeln!(out, "{text}")
            } else {
                let verb = if published { "published" } else { "would publish" };
                writeln!(
                    out,
                    "{verb} {what} to {}: {}",
                    record.topic,
                    String::from_utf8_lossy(value)
                )
            }
        }
    }?;
    Ok(())
}
