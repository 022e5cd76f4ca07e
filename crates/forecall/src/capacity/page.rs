use std::fmt::Write as _;

use serde_json::{Value, json};

use super::model::{BUSY, PARTITION_FULL, POINTS, Plan, SPARE, Whence};

/// The plan for people.
pub(super) fn text(plan: &Plan) -> String {
    let mut text = String::new();
    for (name, what) in rows(plan).into_iter().chain(people(plan)) {
        let _ = writeln!(text, "{name:<13} {what}");
    }
    text.push_str("\nBy what was measured on two cores of one machine; yours differ, so measure one partition of your telemetry and scale.\n");
    for point in POINTS {
        let _ = writeln!(text, "  {:>6}  {}", point.value, point.what);
    }
    let _ = writeln!(
        text,
        "Assumed, not measured: cores {:.0} % busy, memory × {SPARE}, partitions {:.0} % full, traffic before compression but for\n\
         forecall.samples.v1, chance anomalies as `detect.alarms_a_month` allows. Not in it: journeys, peers, the ledger, small topics.",
        BUSY * 100.0,
        PARTITION_FULL * 100.0
    );
    text
}

/// What machines carry.
fn rows(plan: &Plan) -> Vec<(&'static str, String)> {
    let load = &plan.load;
    let form = if load.is_otlp { "OTLP" } else { "flat JSON" };
    let keyed = if load.is_keyed {
        "keyed"
    } else {
        "re-keyed by forecall"
    };
    vec![
        (
            "load",
            format!(
                "{} series, {} points/s, {form}, {keyed}",
                whole(load.series),
                whole(load.points_per_second)
            ),
        ),
        (
            "processes",
            format!(
                "{} of `forecall detect`, each with {} cores and {} GiB",
                whole(plan.processes),
                load.cores,
                load.memory_gib
            ),
        ),
        (
            "cores",
            format!("{:.1} together, {:.0} % busy", plan.cores, BUSY * 100.0),
        ),
        (
            "memory",
            format!(
                "{:.1} GiB together, {:.1} GiB a process, a third of it spare for the time of a snapshot",
                plan.memory_gib, plan.process_gib
            ),
        ),
        (
            "partitions",
            format!(
                "{}: of the telemetry and of `topics.partitions`",
                whole(plan.partitions)
            ),
        ),
        (
            "snapshots",
            format!("{:.1} GiB in `state.store` or `state.path`", plan.snapshots_gib),
        ),
        (
            "after a kill",
            format!(
                "{:.0} s until the same slot has its memory back, {:.0} s until others have",
                plan.restart_seconds.ceil(),
                plan.takeover_seconds.ceil()
            ),
        ),
        (
            "network",
            format!(
                "{:.1} MB/s read from the brokers, {:.1} MB/s written to them",
                plan.read_mb, plan.written_mb
            ),
        ),
        (
            "Kafka",
            format!(
                "{:.0} GiB forecall.samples.v1, {:.0} GiB forecall.anomalies.v1, all {} copies",
                plan.samples_gib.ceil(),
                plan.anomalies_gib.ceil(),
                load.replication
            ),
        ),
    ]
}

/// What people do.
fn people(plan: &Plan) -> Vec<(&'static str, String)> {
    let load = &plan.load;
    let mut rows = Vec::new();
    if let Some((on_duty, scheduled)) = plan.agents {
        rows.push((
            "agents",
            format!(
                "{on_duty} on duty, {scheduled} scheduled, for {} calls an hour of {} s: 80 % in 20 s",
                whole(load.calls_per_hour),
                load.aht
            ),
        ));
    }
    if let Some(minutes) = plan.telling_minutes {
        rows.push((
            "telling",
            format!(
                "{minutes:.0} min until {} customers are told, at {} messages/s",
                whole(load.customers_hit),
                load.messages_per_second
            ),
        ));
    }
    rows
}

/// The plan for programs.
pub(super) fn json(plan: &Plan) -> Value {
    let points: Vec<Value> = POINTS
        .iter()
        .map(|point| {
            let from = match point.from {
                Whence::Bench { .. } => "benches/README.md",
                Whence::Code => "crates/forecall/src/capacity/tests.rs",
            };
            json!({"value": point.value, "what": point.what, "from": from})
        })
        .collect();
    json!({
        "load": {"series": plan.load.series, "points_per_second": plan.load.points_per_second},
        "processes": plan.processes, "cores": plan.cores, "cpu_seconds_per_second": plan.cpu,
        "memory_gib": plan.memory_gib, "memory_gib_per_process": plan.process_gib,
        "partitions": plan.partitions, "snapshots_gib": plan.snapshots_gib,
        "restart_seconds": plan.restart_seconds, "takeover_seconds": plan.takeover_seconds,
        "network": {"read_mb_per_second": plan.read_mb, "written_mb_per_second": plan.written_mb},
        "kafka": {"samples_gib": plan.samples_gib, "anomalies_gib": plan.anomalies_gib, "replication": plan.load.replication},
        "agents": plan.agents.map(|(on_duty, scheduled)| json!({"on_duty": on_duty, "scheduled": scheduled})),
        "telling_minutes": plan.telling_minutes,
        "measured": points,
        "assumed": {"busy": BUSY, "memory_spare": SPARE, "partitions_full": PARTITION_FULL},
    })
}

/// A whole number with commas.
fn whole(value: f64) -> String {
    let digits = format!("{:.0}", value.ceil());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
