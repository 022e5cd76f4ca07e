//! Pipeline: rates, errors and durations of the stages; use, saturation and errors of what they stand on.

use super::grafana::{Alarm, Chosen, Dashboard, Panel, Row, Shape};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "pipeline",
        title: "Pipeline",
        question: "Does forecall keep up, does it lose nothing, and what is it short of?",
        chosen: vec![Chosen {
            label: "stage",
            title: "Stage",
            metric: "forecall_records_total",
        }],
        rows: vec![rates(), behind(), errors(), memory(), machine()],
    }
}

fn rates() -> Row {
    Row {
        title: "Rates and durations",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Stack,
                "Records read",
                "ops",
                "Records a second, by stage and topic.",
            )
            .query(
                "sum by (stage, topic) (rate(forecall_records_total{@,stage=~\"$stage\"}[$__rate_interval]))",
                "{{stage}} {{topic}}",
            )
            .width(6),
            Panel::new(
                Shape::Stack,
                "Bytes read",
                "Bps",
                "Bytes of keys and values a second, by stage.",
            )
            .query(
                "sum by (stage) (rate(forecall_bytes_total{@,stage=~\"$stage\"}[$__rate_interval]))",
                "{{stage}}",
            )
            .width(6),
            Panel::new(
                Shape::Lines,
                "Effects asked for",
                "ops",
                "Records, messages and the like that stages asked for, a second.",
            )
            .query(
                "sum by (stage, kind) (rate(forecall_outputs_total{@,stage=~\"$stage\"}[$__rate_interval]))",
                "{{stage}} {{kind}}",
            )
            .width(6),
            Panel::new(
                Shape::Lines,
                "Commit, p99",
                "s",
                "Time a transaction takes. Slow ones are the broker's; a stage can't be faster than its commits.",
            )
            .query(
                "histogram_quantile(0.99, sum by (stage, le) (rate(forecall_commit_seconds_bucket{@,stage=~\"$stage\"}[$__rate_interval])))",
                "{{stage}}",
            )
            .alarm(Alarm::From(5.0))
            .runbook("pipeline-stuck")
            .width(6),
        ],
    }
}

fn behind() -> Row {
    Row {
        title: "How far behind",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Lines,
                "Records waiting",
                "short",
                "Records between a stage's position and the end of its topic, summed over partitions.",
            )
            .query(
                "sum by (stage, topic) (max by (job, stage, topic, partition) (forecall_lag_records{@,stage=~\"$stage\"}))",
                "{{stage}} {{topic}}",
            )
            .runbook("pipeline-stuck")
            .width(6),
            Panel::new(
                Shape::Lines,
                "Time to drain",
                "s",
                "How long what waits would take at the present rate. It doesn't fall while records arrive faster than they are read.",
            )
            .query(
                "sum by (stage, topic) (max by (job, stage, topic, partition) (forecall_lag_records{@,stage=~\"$stage\"})) / \
                 (sum by (stage, topic) (rate(forecall_records_total{@,stage=~\"$stage\"}[$__rate_interval])) > 0)",
                "{{stage}} {{topic}}",
            )
            .runbook("pipeline-stuck")
            .width(6),
            Panel::new(
                Shape::Lines,
                "Watermark behind the clock",
                "s",
                "Event time that the slowest partition lies behind, by topic. Grows with a source that lags or has stopped.",
            )
            .query(
                "max by (stage, topic) (forecall_watermark_delay_seconds{@,stage=~\"$stage\"})",
                "{{stage}} {{topic}}",
            )
            .runbook("late-records")
            .width(6),
            Panel::new(
                Shape::Lines,
                "Age of the last tick",
                "s",
                "Stages that judge by time write ticks. Old ones: nothing is judged.",
            )
            .query(
                "time() - max by (stage) (forecall_last_tick_timestamp_seconds{@})",
                "{{stage}}",
            )
            .alarm(Alarm::From(60.0))
            .runbook("pipeline-stuck")
            .width(6),
        ],
    }
}

fn errors() -> Row {
    Row {
        title: "Errors",
        height: 8,
        panels: vec![
            Panel::new(
                Shape::Stack,
                "Dead letters",
                "short",
                "Records that couldn't be read or delivered, by stage: they are on forecall.dead-letters.v1.",
            )
            .query(
                "sum by (stage) (increase(forecall_dead_letters_total{@}[$__rate_interval]))",
                "{{stage}}",
            )
            .runbook("dead-letters")
            .width(6),
            Panel::new(
                Shape::States,
                "Stages that wait",
                "bool_on_off",
                "Red while a stage waits for its database or another thing it can't do without; or while transactions are in doubt.",
            )
            .query("max by (stage) (forecall_paused{@})", "{{stage}}")
            .query("clamp_max(sum(forecall_transactions_in_doubt{@}), 1)", "transactions in doubt")
            .alarm(Alarm::From(1.0))
            .runbook("stage-paused")
            .width(6),
            Panel::new(
                Shape::Lines,
                "Events that wait in the ledger",
                "short",
                "Events of outreach that aren't on their topic yet. It should go back to none within seconds.",
            )
            .query("sum(forecall_outbox_depth{@})", "events")
            .runbook("ledger-stuck")
            .width(6),
            Panel::new(
                Shape::Number,
                "Never",
                "short",
                "What should never grow: digests that don't match, partitions adopted, commits in doubt, consumers that stood still, \
                 labels over their bound; and topics that are wrong now. Counted since the start of the processes.",
            )
            .query("sum(last_over_time(forecall_digest_mismatch_total{@}[$__range]))", "digest mismatches")
            .query("sum(increase(forecall_adopted_total{@}[$__range]))", "adopted")
            .query("sum(increase(forecall_transaction_doubts_total{@}[$__range]))", "commits in doubt")
            .query("sum(increase(forecall_watchdog_restarts_total{@}[$__range]))", "stood still")
            .query("sum(increase(forecall_label_overflow_total{@}[$__range]))", "labels over their bound")
            .query("sum by (severity) (forecall_topic_findings{@})", "topics {{severity}}")
            .alarm(Alarm::From(1.0))
            .runbook("digest-mismatch")
            .width(6),
        ],
    }
}

fn memory() -> Row {
    Row {
        title: "Memory that comes back",
        height: 7,
        panels: vec![
            Panel::new(
                Shape::Lines,
                "Snapshots",
                "short",
                "Snapshots by result. Failed ones cost time at the next start, no data.",
            )
            .query(
                "sum by (stage, result) (increase(forecall_snapshots_total{@,stage=~\"$stage\"}[$__rate_interval]))",
                "{{stage}} {{result}}",
            )
            .runbook("snapshots-failing")
            .width(12),
            Panel::new(
                Shape::Bars,
                "Partitions taken over",
                "short",
                "How the memory of partitions came back since the processes started. `fresh`: no snapshot was found, everything kept was read again.",
            )
            .query("sum by (stage, how) (last_over_time(forecall_restores_total{@}[$__range]))", "{{stage}} {{how}}")
            .runbook("restore-fresh")
            .width(12),
        ],
    }
}

fn machine() -> Row {
    Row {
        title: "Use of the machine",
        height: 7,
        panels: vec![
            Panel::new(
                Shape::Lines,
                "CPU",
                "percentunit",
                "Share of one core, by process.",
            )
            .query(
                "sum by (instance) (rate(forecall_cpu_seconds_total{@}[$__rate_interval]))",
                "{{instance}}",
            ),
            Panel::new(Shape::Lines, "Memory", "bytes", "Resident memory, by process.").query(
                "sum by (instance) (forecall_resident_memory_bytes{@})",
                "{{instance}}",
            ),
            Panel::new(
                Shape::Lines,
                "Open files",
                "short",
                "Open file descriptors, by process.",
            )
            .query("sum by (instance) (forecall_open_fds{@})", "{{instance}}"),
            Panel::new(
                Shape::States,
                "New settings refused",
                "bool",
                "Coloured while the file was read anew and refused: the settings of before hold. By process.",
            )
            .query(
                "max by (instance) (forecall_config_last_reload_successful{@}) == bool 0",
                "{{instance}}",
            )
            .alarm(Alarm::From(1.0))
            .runbook("config-refused")
            .width(12),
            Panel::new(
                Shape::Lines,
                "Age of the settings",
                "s",
                "Since the settings in force were taken, at the start or while running, by process.",
            )
            .query(
                "time() - max by (instance) (forecall_config_last_reload_success_timestamp_seconds{@})",
                "{{instance}}",
            )
            .width(12),
        ],
    }
}
