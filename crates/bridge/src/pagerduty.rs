//! Events of PagerDuty's Events API v2. The routing key is put in where they are sent, so that it stands in no plan.

use serde_json::{Value, json};

use crate::{Alert, Phase, words};

/// The events of one revision, in order. One that is acknowledged is triggered first, in case this is the first that the
/// target hears of it: a trigger of what is acknowledged changes nothing, an acknowledgement of what isn't known is dropped.
pub(crate) fn events(alert: &Alert) -> Vec<Value> {
    match alert.phase {
        Phase::Open => vec![trigger(alert)],
        Phase::Acknowledged => vec![trigger(alert), short(alert, "acknowledge")],
        Phase::Over => vec![short(alert, "resolve")],
    }
}

fn short(alert: &Alert, action: &str) -> Value {
    json!({"event_action": action, "dedup_key": alert.incident.as_str()})
}

fn trigger(alert: &Alert) -> Value {
    let mut event = json!({
        "event_action": "trigger",
        "dedup_key": alert.incident.as_str(),
        "client": "forecall",
        "payload": {
            "summary": alert.annotation("summary"),
            "source": alert.label("domain"),
            "severity": words::severity(alert.severity),
            "timestamp": words::time(alert.starts_at),
            "component": alert.label("service"),
            "group": alert.label("region"),
            "class": alert.annotation("kind"),
            "custom_details": alert.annotations,
        },
    });
    if let (Some(link), Some(map)) = (&alert.link, event.as_object_mut()) {
        map.insert("client_url".to_owned(), Value::from(link.as_str()));
        map.insert(
            "links".to_owned(),
            json!([{"href": link, "text": "the incident"}]),
        );
    }
    event
}
