//! Words that steer what is told: merges, splits, planned work, silences.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{anyhow, bail, ensure};
use forecall_config::Settings;
use forecall_incident::{
    PATTERNS_MAX, SILENCE_SPAN_MAX, Trigger, WORK_AHEAD_MAX, WORK_SPAN_MAX, check_split,
};
use forecall_types::{
    Action, DomainName, EventTime, Incident, IncidentId, Matchers, RegionCode, Remark, RemedyMode,
    RemedyName, RemedyStage, Scope, ServiceName, SilenceId,
};

use super::args::MatcherArgs;
use super::say::{check_allowed, check_scope};
use super::topic::Topics;
use super::{show, silences};
use crate::replay::time_text;
use crate::word::{Speaker, check_text};

/// What is to be said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Steer {
    /// Which ends, and which goes on for both.
    Merge(IncidentId, IncidentId),
    /// Which, and the services or regions that leave.
    Split(IncidentId, (BTreeSet<ServiceName>, BTreeSet<RegionCode>)),
    /// From when until when.
    Plan(Scope, (EventTime, EventTime), Remark),
    Silence(Matchers, EventTime, Remark),
    Unsilence(SilenceId),
    /// Whether it is approved.
    Remedy(IncidentId, RemedyName, bool),
    /// Whether there are any.
    Remedies(bool),
}

impl Steer {
    pub(super) fn silence(args: MatcherArgs, until: EventTime) -> Self {
        let patterns = |texts: Vec<String>| texts.into_iter().map(Arc::from).collect();
        let labels = args.labels.into_iter();
        let matchers = Matchers {
            services: patterns(args.services),
            regions: patterns(args.regions),
            metrics: patterns(args.metrics),
            labels: labels.map(|(n, v)| (Arc::from(n), Arc::from(v))).collect(),
        };
        Self::Silence(matchers, until, args.reason)
    }

    /// The command, its domain, and what makes the same words said later another one.
    ///
    /// # Errors
    /// The stage would refuse it, as far as can be seen from here.
    pub(super) fn said(
        self,
        from: &Speaker<'_>,
        topics: &Topics<'_>,
        settings: &Settings,
    ) -> anyhow::Result<(DomainName, Action, u32)> {
        Ok(match self {
            Self::Merge(id, into) => {
                let newest = |id| anyhow::Ok(topics.history(id)?.newest.incident);
                let (ends, host) = (newest(&id)?, newest(&into)?);
                check_merge(&ends, &host)?;
                (ends.domain, Action::Merge { incident: id, into }, ends.reopened)
            }
            Self::Split(id, (services, regions)) => {
                let whole = topics.history(&id)?.newest.incident;
                let only = "only open incidents are split, and no planned work";
                check_allowed(&whole, Trigger::Merge, only)?;
                check_split(&whole.scope, &services, &regions)
                    .map_err(|why| anyhow!("{id} touches {}: {why}", show::place(&whole)))?;
                let action = Action::Split {
                    incident: id,
                    services,
                    regions,
                };
                (whole.domain, action, whole.revision)
            }
            Self::Plan(scope, (starts_at, ends_at), label) => {
                check_scope(&scope, settings)?;
                check_work(starts_at, ends_at, from.at)?;
                let action = Action::Plan {
                    scope,
                    starts_at,
                    ends_at,
                    label,
                };
                (settings.domain.clone(), action, 0)
            }
            Self::Silence(matchers, until, reason) => {
                check_silence(&matchers, until, from.at)?;
                let action = Action::Silence {
                    matchers,
                    until,
                    reason,
                };
                (settings.domain.clone(), action, 0)
            }
            Self::Unsilence(silence) => {
                let all = silences::in_force(topics, None, from.at)?;
                let Some(found) = all.into_iter().find(|one| one.id == silence) else {
                    bail!(
                        "no silence {silence} is in force: `forecall incidents silences` names those that are"
                    );
                };
                (found.domain, Action::Unsilence { silence }, 0)
            }
            Self::Remedy(incident, rule, approve) => {
                let newest = topics.history(&incident)?.newest.incident;
                check_remedy(&newest, &rule, approve)?;
                let action = Action::Remedy {
                    incident,
                    rule,
                    approve,
                };
                (newest.domain, action, newest.reopened)
            }
            Self::Remedies(on) => {
                // To and fro within a day: each word counts.
                let second = u32::try_from(from.at.secs()).unwrap_or(u32::MAX);
                (settings.domain.clone(), Action::Remedies { on }, second)
            }
        })
    }
}

fn check_remedy(incident: &Incident, rule: &RemedyName, approve: bool) -> anyhow::Result<()> {
    let id = &incident.id;
    let Some(remedy) = incident.remedies.iter().find(|remedy| remedy.rule == *rule) else {
        let names: Vec<&str> = incident.remedies.iter().map(|r| r.rule.as_str()).collect();
        bail!("{id} has no remedy {rule}; it has: {}", names.join(", "));
    };
    let stage = remedy.stage.as_str();
    if approve {
        ensure!(
            remedy.stage == RemedyStage::Proposed,
            "remedy {rule} of {id} is {stage} ({}): only a proposed one can be approved",
            remedy.why
        );
        ensure!(
            remedy.mode == RemedyMode::Run,
            "remedy {rule} is only proposed: its rule is never called"
        );
    } else {
        ensure!(
            matches!(remedy.stage, RemedyStage::Proposed | RemedyStage::Approved),
            "remedy {rule} of {id} is {stage} ({}): it is too late to reject it",
            remedy.why
        );
    }
    Ok(())
}

fn check_merge(ends: &Incident, host: &Incident) -> anyhow::Result<()> {
    ensure!(ends.id != host.id, "{} is one with itself already", ends.id);
    for incident in [ends, host] {
        check_allowed(
            incident,
            Trigger::Merge,
            "only open incidents are merged, and no planned work",
        )?;
    }
    ensure!(ends.domain == host.domain, "they are of different domains");
    Ok(())
}

fn check_work(starts_at: EventTime, ends_at: EventTime, now: EventTime) -> anyhow::Result<()> {
    ensure!(starts_at < ends_at, "the work would be over before it begins");
    ensure!(
        ends_at > now,
        "{} is over: planned work lies ahead",
        time_text::write(ends_at)
    );
    ensure!(
        ends_at.since(starts_at) <= WORK_SPAN_MAX,
        "planned work lasts 30 days at most"
    );
    ensure!(
        starts_at.since(now) <= WORK_AHEAD_MAX,
        "planned work is announced 90 days ahead at most"
    );
    Ok(())
}

fn check_silence(matchers: &Matchers, until: EventTime, now: EventTime) -> anyhow::Result<()> {
    let count = matchers.patterns().count();
    ensure!(
        count > 0,
        "say what is to be silent: --service, --region, --metric or --label"
    );
    ensure!(
        count <= PATTERNS_MAX,
        "{count} patterns; a silence takes {PATTERNS_MAX}"
    );
    for pattern in matchers.patterns().chain(matchers.labels.keys()) {
        check_text("a pattern", pattern)?;
    }
    ensure!(
        until > now,
        "{} is over: a silence lies ahead",
        time_text::write(until)
    );
    ensure!(
        until.since(now) <= SILENCE_SPAN_MAX,
        "a silence lasts 30 days at most"
    );
    Ok(())
}
