//! Detector health and calibration: may its word be trusted?

use super::grafana::{Alarm, Dashboard, Panel, Row, Shape};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "detector",
        title: "Detector health",
        question: "May predictions be trusted, and does the detector get what it needs?",
        chosen: Vec::new(),
        rows: vec![calibration(), memory(), refused(), journeys()],
    }
}

fn calibration() -> Row {
    Row {
        title: "Are probabilities true?",
        height: 9,
        panels: vec![
            Panel::new(
                Shape::Bars,
                "What came, of what was told",
                "percentunit",
                "Share of predictions that came, by the probability they were first told with (0.7: from 0.7 to 0.8). \
                 Honest where a bar is as long as its name.",
            )
            .query(
                "sum by (probability) (forecall_predictions_settled{@,outcome=\"came\"}) / \
                 sum by (probability) (forecall_predictions_settled{@})",
                "{{probability}}",
            )
            .most(1.0)
            .runbook("prediction-drift")
            .width(10),
            Panel::new(
                Shape::Lines,
                "Brier score",
                "none",
                "Mean squared error of probabilities as first told, the worst partition. 0.25 is what a coin has. Empty before the first outcome.",
            )
            .query("max(forecall_prediction_brier{@})", "worst partition")
            .alarm(Alarm::From(0.25))
            .most(1.0)
            .runbook("prediction-drift")
            .width(8),
            Panel::new(
                Shape::Number,
                "What it has learnt from",
                "short",
                "Outcomes that the weights of evidence come from; settled predictions; those of which nobody can say, because somebody did something.",
            )
            .query("sum(max by (job, partition) (forecall_outcomes_learnt{@}))", "outcomes")
            .query("sum(max by (job, partition, probability, outcome) (forecall_predictions_settled{@}))", "settled")
            .query("sum(max by (job, partition) (forecall_predictions_unknown{@}))", "unknown")
            .width(6),
        ],
    }
}

fn memory() -> Row {
    Row {
        title: "What it holds in memory",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Lines,
                "Series that gave their place",
                "short",
                "Series that were forgotten for others, by topic. A label runs wild, or the shard is too small.",
            )
            .query("sum by (topic) (max by (job, topic, partition) (forecall_series_evicted_total{@}))", "{{topic}}")
            .runbook("series-limit"),
            Panel::new(
                Shape::Lines,
                "Samples released early",
                "short",
                "Samples that left the full buffer before the watermark had passed them: order isn't certain any more.",
            )
            .query("sum by (topic) (max by (job, topic, partition) (forecall_samples_released_early_total{@}))", "{{topic}}")
            .runbook("late-records"),
            Panel::new(
                Shape::Lines,
                "Heartbeats missing",
                "short",
                "Telemetry partitions whose heartbeat is missing, or that get no further. A fault of forecall or of its telemetry, never an incident.",
            )
            .query("sum(max by (job, partition) (forecall_heartbeats_missing{@}))", "partitions")
            .alarm(Alarm::From(1.0))
            .runbook("pipeline-stuck"),
        ],
    }
}

fn refused() -> Row {
    Row {
        title: "What it couldn't use",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Stack,
                "Refused, by reason",
                "ops",
                "Records and points refused. `late`, `future` and `duplicate` could be read; `series_limit` is a label that runs wild.",
            )
            .query("sum by (reason) (rate(forecall_rejects_total{@}[$__rate_interval]))", "{{reason}}")
            .runbook("late-records")
            .width(12),
            Panel::new(
                Shape::Lines,
                "Refused, of all read",
                "percentunit",
                "Refused records and points as a share of the records read, by stage. Above 100 % where one record holds many points.",
            )
            .query(
                "sum by (stage) (rate(forecall_rejects_total{@}[$__rate_interval])) / \
                 sum by (stage) (rate(forecall_records_total{@}[$__rate_interval]))",
                "{{stage}}",
            )
            .runbook("dead-letters")
            .width(12),
        ],
    }
}

fn journeys() -> Row {
    Row {
        title: "Journeys of customers",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Lines,
                "Journeys under way",
                "short",
                "Open journeys, events that wait for earlier ones, and source partitions nobody has told of. Empty where no rule is set up.",
            )
            .query("sum(max by (job, partition) (forecall_journeys_open{@}))", "open")
            .query("sum(max by (job, partition) (forecall_journey_events_waiting{@}))", "events waiting")
            .query("sum(max by (job, partition) (forecall_journey_sources_unheard{@}))", "sources unheard")
            .runbook("journeys-wait"),
            Panel::new(
                Shape::Lines,
                "Memory of journeys",
                "bytes",
                "Bytes of the places of open journeys and of their index.",
            )
            .query("sum(max by (job, partition) (forecall_journeys_bytes{@}))", "bytes"),
            Panel::new(
                Shape::Stack,
                "Failed journeys and waves",
                "short",
                "Failed journeys told singly, by rule and how; and events of waves, by rule and state.",
            )
            .query(
                "sum by (rule, failure) (increase(forecall_journeys_failed_total{@}[$__rate_interval]))",
                "{{rule}} {{failure}}",
            )
            .query(
                "sum by (rule, state) (increase(forecall_journey_waves_total{@}[$__rate_interval]))",
                "wave of {{rule}} {{state}}",
            ),
        ],
    }
}
