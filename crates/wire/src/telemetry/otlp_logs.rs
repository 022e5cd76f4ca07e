use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_detect::{LINE_LABEL, LINE_METRIC};
use forecall_types::{EventTime, Labels, Reading, Reject, SeriesKey};
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs};

use super::json::bad_time;
use super::mask::masked_line;
use super::otlp::{resource_labels, time};
use super::points::Points;

/// Metric of the log records' rate.
const METRIC: &str = "log.records";

/// Counts log records per resource, severity and second. Bodies and attributes may be personal and are not kept, but for a source
/// whose lines are told apart by template: their bodies go on with all values masked, those that are then alike counted together.
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
        let with_lines = points.source().templates;
        let mut counts: BTreeMap<(Severity, EventTime), u64> = BTreeMap::new();
        let mut lines: BTreeMap<(Severity, EventTime, String), u64> = BTreeMap::new();
        for record in records() {
            match time(record.time_unix_nano).or_else(|| time(record.observed_time_unix_nano)) {
                Some(at) => {
                    let (severity, at) = (severity(record), at.floor(Duration::from_secs(1)));
                    *counts.entry((severity, at)).or_default() += 1;
                    if let Some(line) = body(record).filter(|_| with_lines).map(masked_line) {
                        *lines.entry((severity, at, line)).or_default() += 1;
                    }
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
        for ((severity, at, line), count) in lines.into_iter().filter(|((_, _, line), _)| !line.is_empty()) {
            let key = SeriesKey {
                metric: Arc::from(LINE_METRIC),
                unit: Arc::from("{record}"),
                resource: labels.clone(),
                labels: Labels::from_pairs([("severity", severity.as_str()), (LINE_LABEL, &line)]),
            };
            points.push(&key, at, Reading::Events { count });
        }
    }
    Ok(())
}

/// What a record says: a text, or the message of a structured one.
fn body(record: &LogRecord) -> Option<&str> {
    fn text(value: &any_value::Value) -> Option<&str> {
        if let any_value::Value::StringValue(text) = value {
            Some(text)
        } else {
            None
        }
    }
    match record.body.as_ref()?.value.as_ref()? {
        any_value::Value::KvlistValue(fields) => {
            let mut fields = fields.values.iter();
            let message = fields.find(|field| ["message", "msg"].contains(&field.key.as_str()))?;
            text(message.value.as_ref()?.value.as_ref()?)
        }
        value => text(value),
    }
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
