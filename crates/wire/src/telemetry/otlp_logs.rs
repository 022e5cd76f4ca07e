use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{EventTime, Labels, Reading, Reject, SeriesKey};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs};

use super::json::bad_time;
use super::otlp::{resource_labels, time};
use super::points::Points;

/// Metric of the log records' rate.
const METRIC: &str = "log.records";

/// Counts log records per resource, severity and second. Bodies and attributes may be personal and are not kept.
pub(super) fn logs(points: &mut Points<'_>, resources: &[ResourceLogs]) -> Result<(), Reject> {
    for resource in resources {
        let records = || resource.scope_logs.iter().flat_map(|scope| &scope.log_records);
        let total = records().count();
        points.expect(total)?;
        let labels = match resource_labels(points, resource.resource.as_ref()) {
            Ok(labels) => labels,
            Err(reject) => {
                points.refuse(Reject::new(
                    reject.reason,
                    format!("{total} log records: {}", reject.detail),
                ));
                continue;
            }
        };
        let mut counts: BTreeMap<(Severity, EventTime), u64> = BTreeMap::new();
        for record in records() {
            match time(record.time_unix_nano).or_else(|| time(record.observed_time_unix_nano)) {
                Some(at) => {
                    *counts
                        .entry((severity(record), at.floor(Duration::from_secs(1))))
                        .or_default() += 1;
                }
                None => points.refuse(bad_time("timeUnixNano")),
            }
        }
        for ((severity, at), count) in counts {
            let key = SeriesKey {
                metric: Arc::from(METRIC),
                unit: Arc::from("{record}"),
                resource: labels.clone(),
                labels: Labels::from_pairs([("severity", severity.as_str())]),
            };
            points.push(&key, at, Reading::Events { count });
        }
    }
    Ok(())
}

/// The six ranges of OpenTelemetry's severity number, and none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Unspecified,
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "UNSPECIFIED",
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

fn severity(record: &LogRecord) -> Severity {
    match record.severity_number {
        1..=4 => Severity::Trace,
        5..=8 => Severity::Debug,
        9..=12 => Severity::Info,
        13..=16 => Severity::Warn,
        17..=20 => Severity::Error,
        21..=24 => Severity::Fatal,
        // Sources that set no number mostly set the text.
        _ => [
            Severity::Trace,
            Severity::Debug,
            Severity::Info,
            Severity::Warn,
            Severity::Error,
            Severity::Fatal,
        ]
        .into_iter()
        .find(|s| record.severity_text.eq_ignore_ascii_case(s.as_str()))
        .unwrap_or(Severity::Unspecified),
    }
}
