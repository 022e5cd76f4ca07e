use std::fmt::Write as _;

use expect_test::{Expect, expect};
use forecall_bridge::{BridgeSettings, Memory, Plan, Verdict, plan};
use serde_json::Value;

use crate::incidents::{alertmanager, at, grafana, life, pager_duty, webhook};

/// As JSON with its keys in order, whatever map another crate of the build makes `serde_json` use.
fn shown(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(sorted).collect(),
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Object(entries.into_iter().collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }
    format!("{:#}", sorted(value))
}

/// What the target is asked at these events of a life, five seconds after each.
fn check(settings: &BridgeSettings, which: &[usize], expected: Expect) {
    let mut memory = Memory::default();
    let mut text = String::new();
    for (number, event) in life("inc_7k2").into_iter().enumerate() {
        let offset = i64::try_from(number).unwrap();
        let Verdict::Tell(alert) = memory.step(offset, &event, settings) else {
            panic!("not told")
        };
        if !which.contains(&number) {
            continue;
        }
        let now = event.incident.at.plus(std::time::Duration::from_secs(5));
        writeln!(text, "--- {}", event.change.as_str()).unwrap();
        match plan("duty", settings, &alert, now) {
            Plan::Post(calls) => {
                for call in calls {
                    writeln!(text, "POST {:?}\n{}", call.path, shown(&call.body)).unwrap();
                }
            }
            Plan::Signed(call, id) => writeln!(text, "{id} {:?}\n{}", call.path, shown(&call.body)).unwrap(),
            Plan::Annotate(annotation) => writeln!(text, "{annotation:#?}").unwrap(),
        }
    }
    expected.assert_eq(&text);
}

#[test]
fn alertmanager_gets_labels_that_stay_and_an_end() {
    check(
        &alertmanager("https://am.example"),
        &[0, 1, 3],
        expect![[r#"
        --- predicted
        POST "/api/v2/alerts"
        [
          {
            "annotations": {
              "causes": "core-network (62 %)",
              "description": "3 series of internet in IR-23 are beyond their band",
              "impact": "moderate",
              "kind": "degradation",
              "onset_interval": "2026-03-01T08:15:00Z / 2026-03-01T08:40:00Z",
              "onset_predicted": "2026-03-01T08:25:00Z",
              "probability": "0.83",
              "regions": "IR-23",
              "revision": "1",
              "services": "internet",
              "state": "predicted",
              "summary": "Degradation of internet in IR-23: predicted, 83 % likely, onset 2026-03-01T08:25:00Z"
            },
            "endsAt": "2026-03-01T08:04:05Z",
            "generatorURL": "https://console.example/incidents/inc_7k2",
            "labels": {
              "alertname": "ForecallIncident",
              "domain": "isp",
              "incident": "inc_7k2",
              "region": "IR-23",
              "service": "internet",
              "severity": "warning"
            },
            "startsAt": "2026-03-01T08:00:00Z"
          }
        ]
        --- confirmed
        POST "/api/v2/alerts"
        [
          {
            "annotations": {
              "causes": "core-network (62 %)",
              "description": "3 series of internet in IR-23 are beyond their band",
              "impact": "extreme",
              "kind": "outage",
              "onset_interval": "2026-03-01T08:15:00Z / 2026-03-01T08:40:00Z",
              "onset_observed": "2026-03-01T08:22:00Z",
              "onset_predicted": "2026-03-01T08:25:00Z",
              "probability": "1.00",
              "regions": "IR-07,IR-23",
              "revision": "2",
              "services": "internet",
              "state": "confirmed",
              "summary": "Outage of internet in IR-07,IR-23: customers are hit"
            },
            "endsAt": "2026-03-01T08:26:05Z",
            "generatorURL": "https://console.example/incidents/inc_7k2",
            "labels": {
              "alertname": "ForecallIncident",
              "domain": "isp",
              "incident": "inc_7k2",
              "region": "IR-23",
              "service": "internet",
              "severity": "warning"
            },
            "startsAt": "2026-03-01T08:00:00Z"
          }
        ]
        --- resolved
        POST "/api/v2/alerts"
        [
          {
            "annotations": {
              "acknowledged_by": "network duty",
              "causes": "core-network (62 %)",
              "description": "3 series of internet in IR-23 are beyond their band",
              "eta": "2026-03-01T09:30:00Z",
              "impact": "extreme",
              "kind": "outage",
              "onset_interval": "2026-03-01T08:15:00Z / 2026-03-01T08:40:00Z",
              "onset_observed": "2026-03-01T08:22:00Z",
              "onset_predicted": "2026-03-01T08:25:00Z",
              "probability": "1.00",
              "regions": "IR-07,IR-23",
              "revision": "4",
              "services": "internet",
              "state": "resolved",
              "summary": "Outage of internet in IR-07,IR-23: over"
            },
            "endsAt": "2026-03-01T09:00:00Z",
            "generatorURL": "https://console.example/incidents/inc_7k2",
            "labels": {
              "alertname": "ForecallIncident",
              "domain": "isp",
              "incident": "inc_7k2",
              "region": "IR-23",
              "service": "internet",
              "severity": "warning"
            },
            "startsAt": "2026-03-01T08:00:00Z"
          }
        ]
    "#]],
    );
}

#[test]
fn a_webhook_gets_what_alertmanager_would_post() {
    check(
        &webhook("https://hooks.example"),
        &[0, 3],
        expect![[r#"
        --- predicted
        inc_7k2/1 ""
        {
          "alerts": [
            {
              "annotations": {
                "causes": "core-network (62 %)",
                "description": "3 series of internet in IR-23 are beyond their band",
                "impact": "moderate",
                "kind": "degradation",
                "onset_interval": "2026-03-01T08:15:00Z / 2026-03-01T08:40:00Z",
                "onset_predicted": "2026-03-01T08:25:00Z",
                "probability": "0.83",
                "regions": "IR-23",
                "revision": "1",
                "services": "internet",
                "state": "predicted",
                "summary": "Degradation of internet in IR-23: predicted, 83 % likely, onset 2026-03-01T08:25:00Z"
              },
              "endsAt": "0001-01-01T00:00:00Z",
              "fingerprint": "95b31d4d6fb8dca2",
              "generatorURL": "https://console.example/incidents/inc_7k2",
              "labels": {
                "alertname": "ForecallIncident",
                "domain": "isp",
                "incident": "inc_7k2",
                "region": "IR-23",
                "service": "internet",
                "severity": "warning"
              },
              "startsAt": "2026-03-01T08:00:00Z",
              "status": "firing"
            }
          ],
          "commonAnnotations": {
            "causes": "core-network (62 %)",
            "description": "3 series of internet in IR-23 are beyond their band",
            "impact": "moderate",
            "kind": "degradation",
            "onset_interval": "2026-03-01T08:15:00Z / 2026-03-01T08:40:00Z",
            "onset_predicted": "2026-03-01T08:25:00Z",
            "probability": "0.83",
            "regions": "IR-23",
            "revision": "1",
            "services": "internet",
            "state": "predicted",
            "summary": "Degradation of internet in IR-23: predicted, 83 % likely, onset 2026-03-01T08:25:00Z"
          },
          "commonLabels": {
            "alertname": "ForecallIncident",
            "domain": "isp",
            "incident": "inc_7k2",
            "region": "IR-23",
            "service": "internet",
            "severity": "warning"
          },
          "externalURL": "https://console.example/incidents/inc_7k2",
          "groupKey": "{}:{incident=\"inc_7k2\"}",
          "groupLabels": {
            "incident": "inc_7k2"
          },
          "receiver": "forecall/duty",
          "status": "firing",
          "truncatedAlerts": 0,
          "version": "4"
        }
        --- resolved
        inc_7k2/4 ""
        {
          "alerts": [
            {
              "annotations": {
                "acknowledged_by": "network duty",
                "causes": "core-network (62 %)",
                "description": "3 series of internet in IR-23 are beyond their band",
                "eta": "2026-03-01T09:30:00Z",
                "impact": "extreme",
                "kind": "outage",
                "onset_interval": "2026-03-01T08:15:00Z / 2026-03-01T08:40:00Z",
                "onset_observed": "2026-03-01T08:22:00Z",
                "onset_predicted": "2026-03-01T08:25:00Z",
                "probability": "1.00",
                "regions": "IR-07,IR-23",
                "revision": "4",
                "services": "internet",
                "state": "resolved",
                "summary": "Outage of internet in IR-07,IR-23: over"
              },
              "endsAt": "2026-03-01T09:00:00Z",
              "fingerprint": "95b31d4d6fb8dca2",
              "generatorURL": "https://console.example/incidents/inc_7k2",
              "labels": {
                "alertname": "ForecallIncident",
                "domain": "isp",
                "incident": "inc_7k2",
                "region": "IR-23",
                "service": "internet",
                "severity": "warning"
              },
              "startsAt": "2026-03-01T08:00:00Z",
              "status": "resolved"
            }
          ],
          "commonAnnotations": {
            "acknowledged_by": "network duty",
            "causes": "core-network (62 %)",
            "description": "3 series of internet in IR-23 are beyond their band",
            "eta": "2026-03-01T09:30:00Z",
            "impact": "extreme",
            "kind": "outage",
            "onset_interval": "2026-03-01T08:15:00Z / 2026-03-01T08:40:00Z",
            "onset_observed": "2026-03-01T08:22:00Z",
            "onset_predicted": "2026-03-01T08:25:00Z",
            "probability": "1.00",
            "regions": "IR-07,IR-23",
            "revision": "4",
            "services": "internet",
            "state": "resolved",
            "summary": "Outage of internet in IR-07,IR-23: over"
          },
          "commonLabels": {
            "alertname": "ForecallIncident",
            "domain": "isp",
            "incident": "inc_7k2",
            "region": "IR-23",
            "service": "internet",
            "severity": "warning"
          },
          "externalURL": "https://console.example/incidents/inc_7k2",
          "groupKey": "{}:{incident=\"inc_7k2\"}",
          "groupLabels": {
            "incident": "inc_7k2"
          },
          "receiver": "forecall/duty",
          "status": "resolved",
          "truncatedAlerts": 0,
          "version": "4"
        }
    "#]],
    );
}

#[test]
fn pager_duty_gets_triggers_acknowledgements_and_a_resolution() {
    check(
        &pager_duty("https://events.example"),
        &[0, 2, 3],
        expect![[r#"
        --- predicted
        POST ""
        {
          "client": "forecall",
          "client_url": "https://console.example/incidents/inc_7k2",
          "dedup_key": "inc_7k2",
          "event_action": "trigger",
          "links": [
            {
              "href": "https://console.example/incidents/inc_7k2",
              "text": "the incident"
            }
          ],
          "payload": {
            "class": "degradation",
            "component": "internet",
            "custom_details": {
              "causes": "core-network (62 %)",
              "description": "3 series of internet in IR-23 are beyond their band",
              "impact": "moderate",
              "kind": "degradation",
              "onset_interval": "2026-03-01T08:15:00Z / 2026-03-01T08:40:00Z",
              "onset_predicted": "2026-03-01T08:25:00Z",
              "probability": "0.83",
              "regions": "IR-23",
              "revision": "1",
              "services": "internet",
              "state": "predicted",
              "summary": "Degradation of internet in IR-23: predicted, 83 % likely, onset 2026-03-01T08:25:00Z"
            },
            "group": "IR-23",
            "severity": "warning",
            "source": "isp",
            "summary": "Degradation of internet in IR-23: predicted, 83 % likely, onset 2026-03-01T08:25:00Z",
            "timestamp": "2026-03-01T08:00:00Z"
          }
        }
        --- updated
        POST ""
        {
          "client": "forecall",
          "client_url": "https://console.example/incidents/inc_7k2",
          "dedup_key": "inc_7k2",
          "event_action": "trigger",
          "links": [
            {
              "href": "https://console.example/incidents/inc_7k2",
              "text": "the incident"
            }
          ],
          "payload": {
            "class": "outage",
            "component": "internet",
            "custom_details": {
              "acknowledged_by": "network duty",
              "causes": "core-network (62 %)",
              "description": "3 series of internet in IR-23 are beyond their band",
              "eta": "2026-03-01T09:30:00Z",
              "impact": "extreme",
              "kind": "outage",
              "onset_interval": "2026-03-01T08:15:00Z / 2026-03-01T08:40:00Z",
              "onset_observed": "2026-03-01T08:22:00Z",
              "onset_predicted": "2026-03-01T08:25:00Z",
              "probability": "1.00",
              "regions": "IR-07,IR-23",
              "revision": "3",
              "services": "internet",
              "state": "confirmed",
              "summary": "Outage of internet in IR-07,IR-23: customers are hit"
            },
            "group": "IR-23",
            "severity": "critical",
            "source": "isp",
            "summary": "Outage of internet in IR-07,IR-23: customers are hit",
            "timestamp": "2026-03-01T08:00:00Z"
          }
        }
        POST ""
        {
          "dedup_key": "inc_7k2",
          "event_action": "acknowledge"
        }
        --- resolved
        POST ""
        {
          "dedup_key": "inc_7k2",
          "event_action": "resolve"
        }
    "#]],
    );
}

#[test]
fn grafana_gets_an_annotation() {
    check(
        &grafana("https://grafana.example"),
        &[0, 3],
        expect![[r#"
        --- predicted
        Annotation {
            tag: "incident:inc_7k2",
            tags: [
                "forecall",
                "incident:inc_7k2",
                "domain:isp",
                "service:internet",
                "region:IR-23",
                "severity:warning",
            ],
            time: 1772352000000,
            time_end: None,
            text: "Degradation of internet in IR-23: predicted, 83 % likely, onset 2026-03-01T08:25:00Z\n3 series of internet in IR-23 are beyond their band\ncore-network (62 %)\nhttps://console.example/incidents/inc_7k2",
        }
        --- resolved
        Annotation {
            tag: "incident:inc_7k2",
            tags: [
                "forecall",
                "incident:inc_7k2",
                "domain:isp",
                "service:internet",
                "region:IR-23",
                "severity:warning",
            ],
            time: 1772352000000,
            time_end: Some(
                1772355600000,
            ),
            text: "Outage of internet in IR-07,IR-23: over\n3 series of internet in IR-23 are beyond their band\ncore-network (62 %)\nhttps://console.example/incidents/inc_7k2",
        }
    "#]],
    );
}

#[test]
fn an_end_that_is_to_come_by_another_clock_ends_now() {
    let settings = alertmanager("https://am.example");
    let mut memory = Memory::default();
    for (offset, event) in (0..).zip(life("inc_1")) {
        let Verdict::Tell(alert) = memory.step(offset, &event, &settings) else {
            panic!("not told")
        };
        // A machine whose clock is two hours behind.
        let now = at(-120);
        let Plan::Post(calls) = plan("duty", &settings, &alert, now) else {
            panic!("no post")
        };
        let one = &calls[0].body[0];
        let starts: String = one["startsAt"].as_str().unwrap().to_owned();
        assert_eq!(starts, "2026-03-01T06:00:00Z");
        let ends = one["endsAt"].as_str().unwrap();
        let is_over = alert.ends_at.is_some();
        assert_eq!(
            ends,
            if is_over {
                "2026-03-01T06:00:00Z"
            } else {
                "2026-03-01T06:04:00Z"
            }
        );
    }
}
