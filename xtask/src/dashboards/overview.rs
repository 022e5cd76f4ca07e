//! Overview: is something going wrong for customers?

use super::grafana::{Alarm, Dashboard, Panel, Row, Shape};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "overview",
        title: "Overview",
        question: "Is something going wrong for customers, are they told, and does forecall itself work?",
        chosen: Vec::new(),
        rows: vec![customers(), told(), itself()],
    }
}

fn customers() -> Row {
    Row {
        title: "Customers",
        height: 7,
        panels: vec![
            Panel::new(
                Shape::Number,
                "Open incidents",
                "short",
                "Incidents that are open now, predicted and confirmed, planned work among them. Each is on forecall.incidents.v1.",
            )
            .query("sum(max by (job, partition) (forecall_incidents_open{@}))", "open")
            .alarm(Alarm::Grows(1.0, 5.0))
            .runbook("alert-storm")
            .width(4),
            Panel::new(
                Shape::Number,
                "Predictions waiting",
                "short",
                "Incidents told ahead that have neither come nor gone by.",
            )
            .query("sum(max by (job, partition) (forecall_predictions_waiting{@}))", "waiting")
            .width(4),
            Panel::new(
                Shape::Stack,
                "Incidents by what happened",
                "short",
                "Incident events in each step of the graph: predicted, confirmed, resolved, averted and so on; not those that only bring news.",
            )
            .query(
                "sum by (change) (increase(forecall_incidents_total{@,change!=\"updated\"}[$__rate_interval])) > 0",
                "{{change}}",
            )
            .width(10),
            Panel::new(
                Shape::Number,
                "Waves of failed journeys",
                "short",
                "Many customers fail alike at the same step of a journey: logins, payments, activations.",
            )
            .query("sum(max by (job, partition) (forecall_journey_waves_open{@}))", "waves")
            .alarm(Alarm::From(1.0))
            .width(6),
        ],
    }
}

fn told() -> Row {
    Row {
        title: "What customers hear, and what they do",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Stack,
                "Messages to customers",
                "short",
                "Messages by where they stand, in each step of the graph. `accepted` is the gateway's yes, `delivered` a receipt.",
            )
            .query("sum by (state) (increase(forecall_intents_total{@}[$__rate_interval]))", "{{state}}"),
            Panel::new(
                Shape::Lines,
                "Calls expected",
                "short",
                "Calls in the present interval over all queues, if customers are told and if nobody is. The gap is what notices keep away.",
            )
            .query("sum by (scenario) (max by (job, queue, scenario) (forecall_calls_expected{@}))", "{{scenario}} notices"),
            Panel::new(
                Shape::States,
                "Telling is held up",
                "bool_on_off",
                "Red while the kill switch is on, or a gateway is left alone because it doesn't answer or refuses everything.",
            )
            .query("max(forecall_kill_switch{@})", "kill switch")
            .query("max by (channel) (forecall_gateway_down{@})", "{{channel}}")
            .alarm(Alarm::From(1.0))
            .runbook("no-gateway"),
        ],
    }
}

fn itself() -> Row {
    Row {
        title: "forecall itself",
        height: 6,
        panels: vec![
            Panel::new(
                Shape::Number,
                "Processes",
                "short",
                "Processes that were scraped, by version. More than one version: an update is under way, or was forgotten.",
            )
            .query("count by (version) (forecall_build_info{@})", "{{version}}")
            .width(4),
            Panel::new(
                Shape::Number,
                "From record to incident, median",
                "s",
                "From the newest record behind an incident event to its publication, over the last hour. Events that end an incident wait on purpose.",
            )
            .query(
                "histogram_quantile(0.5, sum by (le) (increase(forecall_record_to_incident_seconds_bucket{@}[1h])))",
                "median",
            )
            .alarm(Alarm::Grows(30.0, 60.0))
            .runbook("slow-incidents")
            .width(4),
            Panel::new(
                Shape::Number,
                "Records waiting",
                "short",
                "Records that no stage has read yet.",
            )
            .query("sum(max by (job, stage, topic, partition) (forecall_lag_records{@}))", "records")
            .alarm(Alarm::Grows(10_000.0, 100_000.0))
            .runbook("pipeline-stuck")
            .width(4),
            Panel::new(
                Shape::Number,
                "Last canary",
                "s",
                "Age of the last made-up incident that went the whole way. Empty where no canary runs.",
            )
            .query("time() - max(forecall_canary_last_success_timestamp_seconds{@})", "ago")
            .alarm(Alarm::Grows(120.0, 180.0))
            .runbook("canary")
            .width(4),
            Panel::new(
                Shape::Number,
                "Invariants broken",
                "short",
                "Violations of numbered invariants. Anything but none is a bug of forecall.",
            )
            .query("sum(forecall_invariant_violations_total{@})", "violations")
            .alarm(Alarm::From(1.0))
            .runbook("invariant")
            .width(4),
            Panel::new(
                Shape::Number,
                "Bridges failing",
                "short",
                "Bridges whose target doesn't take what is sent. Empty where none are set up.",
            )
            .query("sum(max by (job, bridge) (forecall_bridge_failing{@}))", "failing")
            .alarm(Alarm::From(1.0))
            .runbook("bridge-failing")
            .width(4),
        ],
    }
}
