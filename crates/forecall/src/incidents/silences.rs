//! Silences, as the topic of commands tells them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anyhow::ensure;
use forecall_types::{Action, Command, DomainName, EventTime, Matchers, Remark, SilenceId};
use serde_json::{Value, json};

use super::topic::Topics;
use crate::replay::time_text;

/// Silences looked through, those that are over included: far more than are said in the year that the topic keeps.
const ROWS_MAX: usize = 100_000;

/// A silence that was said and isn't over.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    pub(super) id: SilenceId,
    pub(super) domain: DomainName,
    pub(super) by: String,
    pub(super) at: EventTime,
    pub(super) until: EventTime,
    pub(super) reason: Remark,
    pub(super) matchers: Matchers,
}

/// Those that aren't over, by what the topic of commands keeps. Of one id the first counts, as for the stage.
///
/// # Errors
/// The log refuses; there are more than can be named.
pub(super) fn in_force(
    topics: &Topics<'_>,
    domain: Option<&DomainName>,
    now: EventTime,
) -> anyhow::Result<Vec<Said>> {
    let mut all: BTreeMap<(DomainName, SilenceId), Said> = BTreeMap::new();
    let mut ended: BTreeSet<(DomainName, SilenceId)> = BTreeSet::new();
    topics.commands(&mut |command: Command| {
        if domain.is_some_and(|d| *d != command.domain) {
            return;
        }
        match command.action {
            Action::Silence {
                matchers,
                until,
                reason,
            } if all.len() <= ROWS_MAX => {
                let Ok(id) = SilenceId::new(&command.id) else {
                    return;
                };
                let said = Said {
                    id: id.clone(),
                    domain: command.domain.clone(),
                    by: command.by.to_string(),
                    at: command.at,
                    until,
                    reason,
                    matchers,
                };
                all.entry((command.domain, id)).or_insert(said);
            }
            Action::Unsilence { silence } if ended.len() <= ROWS_MAX => {
                ended.insert((command.domain, silence));
            }
            Action::Silence { .. }
            | Action::Unsilence { .. }
            | Action::Declare { .. }
            | Action::Merge { .. }
            | Action::Split { .. }
            | Action::Plan { .. }
            | Action::Acknowledge { .. }
            | Action::Eta { .. }
            | Action::Step { .. }
            | Action::Attribute { .. }
            | Action::Retract { .. }
            | Action::Close { .. }
            | Action::Review { .. }
            | Action::Remedy { .. }
            | Action::RemedyResult { .. }
            | Action::Remedies { .. }
            | Action::Approve { .. }
            | Action::Hold { .. }
            | Action::Send { .. }
            | Action::TakeBack { .. }
            | Action::Say { .. }
            | Action::Compensate { .. }
            | Action::Drill { .. }
            | Action::EndDrill { .. }
            | Action::Kill { .. } => {}
        }
    })?;
    ensure!(
        all.len() <= ROWS_MAX && ended.len() <= ROWS_MAX,
        "there are more than {ROWS_MAX} silences: ask for one domain"
    );
    let mut left: Vec<Said> = all
        .into_iter()
        .filter(|(key, said)| said.until > now && !ended.contains(key))
        .map(|(_, said)| said)
        .collect();
    left.sort_by(|a, b| (a.until, &a.id).cmp(&(b.until, &b.id)));
    Ok(left)
}

/// `internet in IR-23*, host.name=olt-*`.
fn matched(matchers: &Matchers) -> String {
    let joined =
        |list: &BTreeSet<std::sync::Arc<str>>| list.iter().map(|p| &**p).collect::<Vec<_>>().join("|");
    let lists = [
        ("service", &matchers.services),
        ("region", &matchers.regions),
        ("metric", &matchers.metrics),
    ];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    let lists = lists.map(|(name, list)| format!("{name}={}", joined(list)));
    let labels = matchers
        .labels
        .iter()
        .map(|(name, pattern)| format!("{name}={pattern}"));
    lists.chain(labels).collect::<Vec<_>>().join(" ")
}

/// A table; as JSON `{"silences":[…]}`.
pub(super) fn list(all: &[Said], json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        let rows: Vec<Value> = all.iter().map(row).collect();
        return Ok(writeln!(out, "{}", json!({ "silences": rows }))?);
    }
    writeln!(out, "{:<24} {:<20} {:<12} matches: why", "silence", "until", "by")?;
    for said in all {
        writeln!(
            out,
            "{:<24} {:<20} {:<12} {}: {}",
            said.id.as_str(),
            time_text::write(said.until),
            said.by,
            matched(&said.matchers),
            said.reason
        )?;
    }
    Ok(())
}

fn row(said: &Said) -> Value {
    let matchers = &said.matchers;
    json!({
        "id": said.id, "domain": said.domain, "by": said.by, "at": time_text::write(said.at),
        "until": time_text::write(said.until), "reason": said.reason,
        "services": matchers.services, "regions": matchers.regions, "metrics": matchers.metrics, "labels": matchers.labels,
    })
}
