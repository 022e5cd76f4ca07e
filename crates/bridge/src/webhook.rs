//! The body that Alertmanager posts to webhooks (`docs/configuration.md`, `<webhook_config>`), version 4: any receiver of
//! those understands it.

use forecall_types::Fingerprint;
use serde_json::{Value, json};

use crate::{Alert, Phase, words};

/// What Alertmanager writes where there is no end yet: Go's zero time.
const NO_END: &str = "0001-01-01T00:00:00Z";

pub(crate) fn body(alert: &Alert, receiver: &str) -> Value {
    let status = match alert.phase {
        Phase::Open | Phase::Acknowledged => "firing",
        Phase::Over => "resolved",
    };
    let group = json!({"incident": alert.incident.as_str()});
    let link = alert.link.as_deref().unwrap_or_default();
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{incident=\"{}\"}}", alert.incident),
        "truncatedAlerts": 0,
        "status": status,
        "receiver": receiver,
        "groupLabels": group,
        "commonLabels": alert.labels,
        "commonAnnotations": alert.annotations,
        "externalURL": link,
        "alerts": [{
            "status": status,
            "labels": alert.labels,
            "annotations": alert.annotations,
            "startsAt": words::time(alert.starts_at),
            "endsAt": alert.ends_at.map_or_else(|| NO_END.to_owned(), words::time),
            "generatorURL": link,
            "fingerprint": fingerprint(alert),
        }],
    })
}

/// 16 hexadecimal digits that stay the same as long as the labels do.
fn fingerprint(alert: &Alert) -> String {
    let parts: Vec<&[u8]> = alert
        .labels
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()])
        .collect();
    Fingerprint::of_parts(&parts)
        .to_string()
        .chars()
        .take(16)
        .collect()
}
