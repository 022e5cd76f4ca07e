use std::time::Duration;

use forecall_types::EventTime;
use serde_json::Value;

use crate::settings::{BridgeSettings, BridgeTarget};
use crate::{Alert, Annotation, alertmanager, pagerduty, webhook};

/// One request, without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Put behind the target's address.
    pub path: &'static str,
    /// What is posted.
    pub body: Value,
}

/// What a target is asked for one revision of an incident.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// These posts, in order.
    Post(Vec<Call>),
    /// This post, signed, under this id.
    Signed(Call, String),
    /// An annotation: to be found and changed, or made.
    Annotate(Annotation),
}

/// What the target of `settings` is asked. `name` is the bridge's, `now` the time of the try.
pub fn plan(name: &str, settings: &BridgeSettings, alert: &Alert, now: EventTime) -> Plan {
    match &settings.to {
        BridgeTarget::Alertmanager(target) => plan_repeat([alert].into_iter(), now, target.repeat_every),
        BridgeTarget::Webhook(_) => {
            let body = webhook::body(alert, &format!("forecall/{name}"));
            Plan::Signed(Call { path: "", body }, alert.key())
        }
        BridgeTarget::PagerDuty(_) => Plan::Post(
            pagerduty::events(alert)
                .into_iter()
                .map(|body| Call { path: "", body })
                .collect(),
        ),
        BridgeTarget::Grafana(_) => Plan::Annotate(Annotation::of(alert)),
    }
}

/// The repeat of open alerts to an Alertmanager.
pub fn plan_repeat<'a>(
    alerts: impl Iterator<Item = &'a Alert>,
    now: EventTime,
    repeat_every: Duration,
) -> Plan {
    Plan::Post(vec![Call {
        path: "/api/v2/alerts",
        body: alertmanager::body(alerts, now, repeat_every),
    }])
}
