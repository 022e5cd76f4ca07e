//! Incidents: how early, how fast, and to whom.

use super::grafana::{Alarm, Dashboard, Panel, Row, Shape};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "incidents",
        title: "Incidents",
        question: "How early are incidents told, how fast, and who hears of them?",
        chosen: Vec::new(),
        rows: vec![early(), fast(), people(), bridges()],
    }
}

fn early() -> Row {
    Row {
        title: "How early",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Number,
                "Told ahead",
                "short",
                "Incident events of the chosen time by what happened. Predicted beside confirmed: how many were told before they were there.",
            )
            .query("sum by (change) (increase(forecall_incidents_total{@,change=~\"predicted|confirmed\"}[$__range]))", "{{change}}")
            .width(6),
            Panel::new(
                Shape::Number,
                "Predictions that didn't come",
                "short",
                "Incidents that were averted, expired or retracted within the chosen time.",
            )
            .query("sum by (change) (increase(forecall_incidents_total{@,change=~\"averted|expired|retracted\"}[$__range]))", "{{change}}")
            .width(6),
            Panel::new(
                Shape::Number,
                "Came back",
                "short",
                "Incidents that began again soon after their end: a fault that flaps, or a threshold at its edge.",
            )
            .query("sum(increase(forecall_incidents_total{@,change=\"reopened\"}[$__range]))", "reopened")
            .width(4),
            Panel::new(
                Shape::Lines,
                "Open incidents",
                "short",
                "Incidents open, predictions that wait, silences and verdicts in force.",
            )
            .query("sum(max by (job, partition) (forecall_incidents_open{@}))", "open")
            .query("sum(max by (job, partition) (forecall_predictions_waiting{@}))", "predictions waiting")
            .query("sum(max by (job, partition) (forecall_silences_in_force{@}))", "silences")
            .query("sum(max by (job, partition) (forecall_adjustments_in_force{@}))", "verdicts")
            .width(8),
        ],
    }
}

fn fast() -> Row {
    Row {
        title: "How fast",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Lines,
                "From record to incident",
                "s",
                "From the newest record behind an incident event to its publication. Grows with lag, and with sources that send late.",
            )
            .query(
                "histogram_quantile(0.5, sum by (le) (rate(forecall_record_to_incident_seconds_bucket{@}[$__rate_interval])))",
                "p50",
            )
            .query(
                "histogram_quantile(0.99, sum by (le) (rate(forecall_record_to_incident_seconds_bucket{@}[$__rate_interval])))",
                "p99",
            )
            .alarm(Alarm::From(60.0))
            .runbook("slow-incidents")
            .width(6),
            Panel::new(
                Shape::Lines,
                "Within a minute",
                "percentunit",
                "Share of incident events published within a minute of their newest record. Events that end an incident wait on purpose and aren't.",
            )
            .query(
                "sum(rate(forecall_record_to_incident_seconds_bucket{@,le=\"60\"}[$__rate_interval])) / \
                 sum(rate(forecall_record_to_incident_seconds_count{@}[$__rate_interval]))",
                "within a minute",
            )
            .most(1.0)
            .runbook("slow-incidents")
            .width(6),
            Panel::new(
                Shape::Stack,
                "Canaries",
                "short",
                "Made-up incidents by result: begun, seen, missed (not seen in an hour), told (never: our bug). Empty where no canary runs.",
            )
            .query("sum by (result) (increase(forecall_canary_total{@}[$__rate_interval]))", "{{result}}")
            .runbook("canary")
            .width(6),
            Panel::new(
                Shape::Lines,
                "The canary's whole way",
                "s",
                "From the canary's first abnormal sample to its notice on the topic. Empty where no canary runs.",
            )
            .query(
                "histogram_quantile(0.5, sum by (le) (rate(forecall_canary_seconds_bucket{@}[$__rate_interval])))",
                "p50",
            )
            .query(
                "histogram_quantile(0.99, sum by (le) (rate(forecall_canary_seconds_bucket{@}[$__rate_interval])))",
                "p99",
            )
            .runbook("canary")
            .width(6),
        ],
    }
}

fn people() -> Row {
    Row {
        title: "Who is called",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Stack,
                "Pages by team",
                "short",
                "Pages decided for teams with an alert budget: paged, or held back. Empty where no team has one.",
            )
            .query(
                "sum by (team, decision) (increase(forecall_pages_total{@}[$__rate_interval]))",
                "{{team}} {{decision}}",
            )
            .runbook("alert-storm"),
            Panel::new(
                Shape::Stack,
                "Remedies",
                "short",
                "Remedies of incidents by rule and how far they came. Empty where no rule is set up.",
            )
            .query(
                "sum by (rule, stage) (increase(forecall_remedies_total{@}[$__rate_interval]))",
                "{{rule}} {{stage}}",
            )
            .runbook("remedy-failed"),
            Panel::new(
                Shape::Stack,
                "Calls of remedies",
                "short",
                "Tries at approved remedies by what came of each. Empty where nothing was approved.",
            )
            .query(
                "sum by (rule, outcome) (increase(forecall_remedy_calls_total{@}[$__rate_interval]))",
                "{{rule}} {{outcome}}",
            )
            .runbook("remedy-failed"),
        ],
    }
}

fn bridges() -> Row {
    Row {
        title: "Bridges to other systems",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Stack,
                "Events by bridge",
                "short",
                "Incident events that bridges have read, by what became of them.",
            )
            .query(
                "sum by (bridge, outcome) (increase(forecall_bridge_events_total{@}[$__rate_interval]))",
                "{{bridge}} {{outcome}}",
            )
            .runbook("bridge-failing")
            .width(6),
            Panel::new(
                Shape::Lines,
                "From topic to the target's yes, p99",
                "s",
                "How long an incident event took from its topic until the target had taken it.",
            )
            .query(
                "histogram_quantile(0.99, sum by (bridge, le) (rate(forecall_bridge_delivery_seconds_bucket{@}[$__rate_interval])))",
                "{{bridge}}",
            )
            .runbook("bridge-failing")
            .width(6),
            Panel::new(
                Shape::Lines,
                "Tries that failed",
                "short",
                "Tries that failed and were followed by another, by class: denied is login, address or rights.",
            )
            .query(
                "sum by (bridge, class) (increase(forecall_bridge_retries_total{@}[$__rate_interval]))",
                "{{bridge}} {{class}}",
            )
            .runbook("bridge-failing")
            .width(6),
            Panel::new(
                Shape::Lines,
                "Open at the target",
                "short",
                "Open incidents that each bridge has told. It should follow the open incidents that pass its filters.",
            )
            .query("sum by (bridge) (forecall_bridge_open{@})", "{{bridge}}")
            .width(6),
        ],
    }
}
