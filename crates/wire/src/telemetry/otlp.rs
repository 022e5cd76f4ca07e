use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use forecall_types::{EventTime, Labels, Reading, Reject, RejectReason, SeriesKey, Temporality};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric, NumberDataPoint, ResourceMetrics, SummaryDataPoint, metric,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use serde::Deserialize;

use super::json::{bad_time, bad_value, malformed};
use super::points::Points;
use super::{json, otlp_histogram, otlp_logs, otlp_walk};

/// `DataPointFlags.FLAG_NO_RECORDED_VALUE`: the point says that there is no value.
const NO_RECORDED_VALUE: u32 = 1;

/// What OTLP JSON may hold at its top.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonRequest {
    resource_metrics: Option<Vec<ResourceMetrics>>,
    resource_logs: Option<Vec<ResourceLogs>>,
}

pub(super) fn decode_json(points: &mut Points<'_>, value: &[u8]) -> Result<(), Reject> {
    let request: JsonRequest = json::parse(value, points.source().limits.depth_max)?;
    if request.resource_metrics.is_none() && request.resource_logs.is_none() {
        return Err(json::missing("resourceMetrics"));
    }
    metrics(points, &request.resource_metrics.unwrap_or_default())?;
    otlp_logs::logs(points, &request.resource_logs.unwrap_or_default())
}

/// Metrics and logs have the same outer fields. Which it is shows at the inner ones, whose wire types differ; the topic
/// only says what to try first.
pub(super) fn decode_proto(points: &mut Points<'_>, value: &[u8], topic: &str) -> Result<(), Reject> {
    if value.is_empty() {
        // An export request without anything in it has no bytes.
        return Ok(());
    }
    if !topic.contains("log") {
        if otlp_walk::metrics(points, value).is_ok() {
            return Ok(());
        }
        points.begin_again();
    }
    let mut unread = None;
    for logs_now in [topic.contains("log"), !topic.contains("log")] {
        if logs_now {
            match ExportLogsServiceRequest::decode(value) {
                Ok(request) if is_logs(&request) => return otlp_logs::logs(points, &request.resource_logs),
                Ok(_) => {}
                Err(error) => unread = unread.or(Some(error)),
            }
        } else {
            match ExportMetricsServiceRequest::decode(value) {
                Ok(request) if is_metrics(&request) => return metrics(points, &request.resource_metrics),
                Ok(_) => {}
                Err(error) => unread = unread.or(Some(error)),
            }
        }
    }
    // The error names messages and fields, never what is in them.
    Err(malformed(&match unread {
        Some(error) => format!("not an OTLP export request: {error}"),
        None => "not an OTLP export request: none of its fields is known".to_owned(),
    }))
}

/// A metric has a name; what was something else has none.
fn is_metrics(request: &ExportMetricsServiceRequest) -> bool {
    let mut metrics = request
        .resource_metrics
        .iter()
        .flat_map(|r| &r.scope_metrics)
        .flat_map(|s| &s.metrics)
        .peekable();
    !request.resource_metrics.is_empty()
        && (metrics.peek().is_none() || metrics.any(|m| !m.name.is_empty() || m.data.is_some()))
}

/// A log record has a time or a severity.
fn is_logs(request: &ExportLogsServiceRequest) -> bool {
    let mut records = request
        .resource_logs
        .iter()
        .flat_map(|r| &r.scope_logs)
        .flat_map(|s| &s.log_records)
        .peekable();
    !request.resource_logs.is_empty()
        && (records.peek().is_none()
            || records
                .any(|r| r.time_unix_nano != 0 || r.observed_time_unix_nano != 0 || r.severity_number != 0))
}

fn metrics(points: &mut Points<'_>, resources: &[ResourceMetrics]) -> Result<(), Reject> {
    for resource in resources {
        let labels = resource_labels(points, resource.resource.as_ref());
        for scope in &resource.scope_metrics {
            let scope_name = scope.scope.as_ref().map_or("", |s| s.name.as_str());
            for one in &scope.metrics {
                metric(points, &labels, scope_name, one)?;
            }
        }
    }
    Ok(())
}

/// Reads one metric of a resource whose labels were read, or refused, before.
pub(super) fn metric(
    points: &mut Points<'_>,
    resource: &Result<Labels, Reject>,
    scope: &str,
    metric: &Metric,
) -> Result<(), Reject> {
    let count = points_of(metric);
    points.expect(count.max(1))?;
    let key = resource.clone().and_then(|resource| {
        Ok(SeriesKey {
            metric: Arc::from(points.metric(&metric.name)?),
            unit: Arc::from(metric.unit.as_str()),
            resource,
            labels: Labels::default(),
        })
    });
    match key {
        Ok(key) => one_metric(points, key, scope, metric),
        Err(reject) => points.refuse(Reject::new(
            reject.reason,
            format!("{count} points of a metric: {}", reject.detail),
        )),
    }
    Ok(())
}

pub(super) fn resource_labels(points: &Points<'_>, resource: Option<&Resource>) -> Result<Labels, Reject> {
    let pairs = resource.map_or_else(Vec::new, |resource| pairs(&resource.attributes));
    points.resource(&pairs)
}

fn points_of(metric: &Metric) -> usize {
    match &metric.data {
        None => 0,
        Some(metric::Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(metric::Data::Sum(sum)) => sum.data_points.len(),
        Some(metric::Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(metric::Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(metric::Data::Summary(summary)) => summary.data_points.len(),
    }
}

/// What the points of one metric share.
pub(super) struct Series<'a> {
    pub(super) key: SeriesKey,
    scope: &'a str,
}

impl Series<'_> {
    /// Sets the labels of the next point and reads its time.
    pub(super) fn at(
        &mut self,
        points: &Points<'_>,
        attributes: &[KeyValue],
        time_unix_nano: u64,
    ) -> Result<EventTime, Reject> {
        let mut pairs = pairs(attributes);
        if !self.scope.is_empty() {
            pairs.push(("otel.scope.name", Cow::Borrowed(self.scope)));
        }
        self.key.labels = points.labels(&pairs)?;
        time(time_unix_nano).ok_or_else(|| bad_time("timeUnixNano"))
    }
}

fn one_metric(points: &mut Points<'_>, key: SeriesKey, scope: &str, metric: &Metric) {
    let mut series = Series { key, scope };
    match &metric.data {
        // Of no kind, of a kind that isn't known, or, in JSON, with a field of another type.
        None => points.refuse(malformed("a metric has no data that can be read")),
        Some(metric::Data::Gauge(gauge)) => {
            for point in &gauge.data_points {
                number(points, &mut series, point, &|value, _| Ok(Reading::Gauge(value)));
            }
        }
        Some(metric::Data::Sum(sum)) => {
            for point in &sum.data_points {
                number(points, &mut series, point, &|value, start| {
                    Ok(Reading::Sum {
                        value,
                        temporality: temporality(sum.aggregation_temporality)?,
                        monotonic: sum.is_monotonic,
                        start,
                    })
                });
            }
        }
        Some(metric::Data::Histogram(histogram)) => {
            for point in &histogram.data_points {
                otlp_histogram::explicit(points, &mut series, point, histogram.aggregation_temporality);
            }
        }
        Some(metric::Data::ExponentialHistogram(histogram)) => {
            for point in &histogram.data_points {
                otlp_histogram::exponential(points, &mut series, point, histogram.aggregation_temporality);
            }
        }
        Some(metric::Data::Summary(summary)) => {
            for point in &summary.data_points {
                summary_point(points, &mut series, point);
            }
        }
    }
}

type NumberReading<'a> = &'a dyn Fn(f64, Option<EventTime>) -> Result<Reading<'static>, Reject>;

fn number(
    points: &mut Points<'_>,
    series: &mut Series<'_>,
    point: &NumberDataPoint,
    reading: NumberReading<'_>,
) {
    if is_unrecorded(point.flags) {
        return;
    }
    let read = series
        .at(points, &point.attributes, point.time_unix_nano)
        .and_then(|at| {
            let value = match point.value {
                Some(number_data_point::Value::AsDouble(value)) => value,
                #[allow(
                    clippy::cast_precision_loss,
                    reason = "readings are f64; whole numbers beyond 2^53 lose what no detector sees"
                )]
                Some(number_data_point::Value::AsInt(value)) => value as f64,
                // OTLP JSON's "NaN" comes out as no value too.
                None => return Err(bad_value("value")),
            };
            Ok((at, reading(value, start(point.start_time_unix_nano))?))
        });
    match read {
        Ok((at, reading)) => points.push(&series.key, at, reading),
        Err(reject) => points.refuse(reject),
    }
}

fn summary_point(points: &mut Points<'_>, series: &mut Series<'_>, point: &SummaryDataPoint) {
    if is_unrecorded(point.flags) {
        return;
    }
    match series.at(points, &point.attributes, point.time_unix_nano) {
        Ok(at) => {
            let quantiles: Vec<(f64, f64)> = point
                .quantile_values
                .iter()
                .map(|q| (q.quantile, q.value))
                .collect();
            let reading = Reading::Summary {
                quantiles: &quantiles,
                sum: point.sum,
                count: point.count,
                start: start(point.start_time_unix_nano),
            };
            points.push(&series.key, at, reading);
        }
        Err(reject) => points.refuse(reject),
    }
}

pub(super) const fn is_unrecorded(flags: u32) -> bool {
    flags & NO_RECORDED_VALUE != 0
}

/// 0 is "unknown" in OTLP.
pub(super) fn time(nanos: u64) -> Option<EventTime> {
    match nanos {
        0 => None,
        nanos => i64::try_from(nanos).ok().map(EventTime::from_nanos),
    }
}

pub(super) fn start(nanos: u64) -> Option<EventTime> {
    time(nanos)
}

pub(super) fn temporality(number: i32) -> Result<Temporality, Reject> {
    match AggregationTemporality::try_from(number) {
        Ok(AggregationTemporality::Delta) => Ok(Temporality::Delta),
        Ok(AggregationTemporality::Cumulative) => Ok(Temporality::Cumulative),
        Ok(AggregationTemporality::Unspecified) | Err(_) => Err(Reject::new(
            RejectReason::MissingField,
            "`aggregationTemporality` is missing",
        )),
    }
}

fn pairs(attributes: &[KeyValue]) -> Vec<(&str, Cow<'_, str>)> {
    attributes
        .iter()
        .filter_map(|attribute| {
            let value = attribute.value.as_ref()?.value.as_ref()?;
            Some((attribute.key.as_str(), attribute_text(value)))
        })
        .collect()
}

/// An attribute's value as a label: texts as they are, numbers in their shortest form, lists and maps as JSON.
fn attribute_text(value: &any_value::Value) -> Cow<'_, str> {
    match value {
        any_value::Value::StringValue(text) => Cow::Borrowed(text),
        any_value::Value::BoolValue(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        any_value::Value::IntValue(number) => Cow::Owned(number.to_string()),
        any_value::Value::DoubleValue(number) => Cow::Owned(number.to_string()),
        any_value::Value::ArrayValue(_)
        | any_value::Value::KvlistValue(_)
        | any_value::Value::BytesValue(_)
        | any_value::Value::StringValueStrindex(_) => match attribute_json(value) {
            serde_json::Value::String(text) => Cow::Owned(text),
            other => Cow::Owned(other.to_string()),
        },
    }
}

fn attribute_json(value: &any_value::Value) -> serde_json::Value {
    let inner = |value: &AnyValue| {
        value
            .value
            .as_ref()
            .map_or(serde_json::Value::Null, attribute_json)
    };
    match value {
        any_value::Value::StringValue(text) => text.as_str().into(),
        any_value::Value::BoolValue(flag) => (*flag).into(),
        any_value::Value::IntValue(number) => (*number).into(),
        any_value::Value::DoubleValue(number) => (*number).into(),
        any_value::Value::ArrayValue(array) => array.values.iter().map(inner).collect(),
        any_value::Value::KvlistValue(list) => list
            .values
            .iter()
            .map(|kv| {
                (
                    kv.key.clone(),
                    kv.value.as_ref().map_or(serde_json::Value::Null, inner),
                )
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        any_value::Value::BytesValue(bytes) => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
        // An index into a table that only profiles have.
        any_value::Value::StringValueStrindex(_) => serde_json::Value::Null,
    }
}
