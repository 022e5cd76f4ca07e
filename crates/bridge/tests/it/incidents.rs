use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_bridge::{
    AlertmanagerSettings, BridgeSettings, BridgeTarget, GrafanaSettings, LeastSeverity, PagerDutySettings,
    RetrySettings, WebhookSettings,
};
use forecall_ledger::Secret;
use forecall_types::{
    Acknowledgement, Cause, EventTime, Incident, IncidentChange, IncidentEvent, IncidentId, IncidentKind,
    IncidentState, Lineage, Probability, Responsibility, Scope, Severity,
};

/// 2026-03-01T08:00:00Z.
pub(crate) const BEGIN: i64 = 1_772_352_000;

pub(crate) fn at(minute: i64) -> EventTime {
    EventTime::from_secs(BEGIN + 60 * minute)
}

/// A predicted outage of `internet` in `IR-23`.
pub(crate) fn incident(id: &str) -> Incident {
    Incident {
        id: IncidentId::new(id).unwrap(),
        revision: 1,
        domain: "isp".parse().unwrap(),
        state: IncidentState::Predicted,
        reopened: 0,
        phase: None,
        severity: Severity::Moderate,
        kind: IncidentKind::Degradation,
        scope: Scope {
            services: BTreeSet::from(["internet".parse().unwrap()]),
            regions: BTreeSet::from([forecall_types::RegionCode::new("IR-23").unwrap()]),
            ..Scope::default()
        },
        probability: Probability::clamped(0.834),
        contributions: Vec::new(),
        opened_at: at(0),
        at: at(0),
        onset_predicted: Some(at(25)),
        onset_interval: Some((at(15), at(40))),
        onset_observed: None,
        resolved_at: None,
        evidence: Vec::new(),
        dimensions: Vec::new(),
        causes: vec![Cause {
            node: Arc::from("core-network"),
            path: vec![Arc::from("core-network"), Arc::from("internet")],
            share: 0.62,
        }],
        paging: Vec::new(),
        silenced: None,
        storm: false,
        parent: None,
        merged_into: None,
        split_from: None,
        adjustment: None,
        remedies: Vec::new(),
        work: None,
        responsibility: Responsibility::Unknown,
        problem: None,
        acknowledged: None,
        eta: None,
        steps: Vec::new(),
        reason: "3 series of internet in IR-23 are beyond their band".to_owned(),
        version: Arc::from("0"),
        settings: Arc::from("0"),
        lineage: Lineage::default(),
        simulated: false,
    }
}

/// Its life: predicted, confirmed and worse in two regions, taken on, over.
pub(crate) fn life(id: &str) -> Vec<IncidentEvent> {
    let predicted = incident(id);
    let mut confirmed = Incident {
        revision: 2,
        state: IncidentState::Confirmed,
        severity: Severity::Extreme,
        kind: IncidentKind::Outage,
        probability: Probability::clamped(1.0),
        at: at(22),
        onset_observed: Some(at(22)),
        ..predicted.clone()
    };
    confirmed
        .scope
        .regions
        .insert(forecall_types::RegionCode::new("IR-07").unwrap());
    let taken = Incident {
        revision: 3,
        at: at(24),
        acknowledged: Some(Acknowledgement {
            at: at(24),
            by: Arc::from("network duty"),
        }),
        eta: Some(at(90)),
        ..confirmed.clone()
    };
    let over = Incident {
        revision: 4,
        state: IncidentState::Resolved,
        at: at(62),
        resolved_at: Some(at(60)),
        ..taken.clone()
    };
    vec![
        event(IncidentChange::Predicted, predicted),
        event(IncidentChange::Confirmed, confirmed),
        event(IncidentChange::Updated, taken),
        event(IncidentChange::Resolved, over),
    ]
}

pub(crate) fn event(change: IncidentChange, incident: Incident) -> IncidentEvent {
    IncidentEvent { change, incident }
}

pub(crate) fn to(target: BridgeTarget) -> BridgeSettings {
    BridgeSettings {
        to: target,
        dry_run: false,
        domains: BTreeSet::new(),
        services: BTreeSet::new(),
        severity_min: LeastSeverity::Minor,
        predictions: true,
        link: Some("https://console.example/incidents/{incident}".to_owned()),
        retry: RetrySettings::default(),
    }
}

pub(crate) fn alertmanager(url: &str) -> BridgeSettings {
    to(BridgeTarget::Alertmanager(AlertmanagerSettings {
        url: url.to_owned(),
        repeat_every: std::time::Duration::from_secs(60),
        bearer_token: None,
        username: None,
        password: None,
        ca_file: None,
        insecure: false,
    }))
}

/// The example key of Standard Webhooks.
pub(crate) const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(crate) fn webhook(url: &str) -> BridgeSettings {
    to(BridgeTarget::Webhook(WebhookSettings {
        url: url.to_owned(),
        secret: Secret::new(SIGNING),
        ca_file: None,
        insecure: false,
    }))
}

pub(crate) fn pager_duty(url: &str) -> BridgeSettings {
    to(BridgeTarget::PagerDuty(PagerDutySettings {
        url: url.to_owned(),
        routing_key: Secret::new(crate::fakes::ROUTING_KEY),
        ca_file: None,
        insecure: false,
    }))
}

pub(crate) fn grafana(url: &str) -> BridgeSettings {
    to(BridgeTarget::Grafana(GrafanaSettings {
        url: url.to_owned(),
        token: Secret::new(crate::fakes::TOKEN),
        ca_file: None,
        insecure: false,
    }))
}

pub(crate) type Labels = BTreeMap<&'static str, String>;
