use expect_test::{Expect, expect};
use forecall_wire::telemetry::Format;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, metric::Data,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

use super::{decoded, source};

const AT: u64 = 1_767_225_660_000_000_000;
const START: u64 = 1_767_225_600_000_000_000;
const CUMULATIVE: i32 = 2;
const DELTA: i32 = 1;

fn value(value: Value) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn attribute(key: &str, of: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: value(of),
        ..KeyValue::default()
    }
}

fn text(key: &str, text: &str) -> KeyValue {
    attribute(key, Value::StringValue(text.into()))
}

fn resource() -> Option<Resource> {
    let list = ArrayValue {
        values: vec![
            AnyValue {
                value: Some(Value::IntValue(1)),
            },
            AnyValue { value: None },
        ],
    };
    let map = KeyValueList {
        values: vec![text("a", "ب")],
    };
    Some(Resource {
        attributes: vec![
            text("service.name", "پرداخت"),
            attribute("process.pid", Value::IntValue(7)),
            attribute("ready", Value::BoolValue(true)),
            attribute("ratio", Value::DoubleValue(0.5)),
            attribute("list", Value::ArrayValue(list)),
            attribute("map", Value::KvlistValue(map)),
            attribute("raw", Value::BytesValue(vec![1, 2, 3])),
            text("empty", ""),
            KeyValue {
                key: "none".into(),
                value: None,
                ..KeyValue::default()
            },
        ],
        ..Resource::default()
    })
}

pub(crate) fn request(metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: resource(),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(InstrumentationScope {
                    name: "app".into(),
                    ..InstrumentationScope::default()
                }),
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

pub(crate) fn metric(name: &str, data: Data) -> Metric {
    Metric {
        name: name.into(),
        unit: "s".into(),
        data: Some(data),
        ..Metric::default()
    }
}

pub(crate) fn number(of: Option<Number>) -> NumberDataPoint {
    NumberDataPoint {
        time_unix_nano: AT,
        start_time_unix_nano: START,
        value: of,
        ..NumberDataPoint::default()
    }
}

fn histogram_point(counts: &[u64], bounds: &[f64]) -> HistogramDataPoint {
    HistogramDataPoint {
        time_unix_nano: AT,
        start_time_unix_nano: START,
        count: counts.iter().sum(),
        sum: Some(2.5),
        bucket_counts: counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        ..HistogramDataPoint::default()
    }
}

/// Both encodings must give the same; `{}` of the request is what the Collector's Kafka exporter writes.
fn check(request: &ExportMetricsServiceRequest, expected: Expect) {
    let from_proto = decoded(&source(Format::OtlpProto), &request.encode_to_vec());
    let from_json = decoded(&source(Format::OtlpJson), &serde_json::to_vec(request).unwrap());
    assert_eq!(from_proto, from_json);
    expected.assert_eq(&from_proto);
}

#[test]
fn gauges_and_sums() {
    let mut unrecorded = number(Some(Number::AsDouble(0.0)));
    unrecorded.flags = 1;
    let mut timeless = number(Some(Number::AsDouble(1.0)));
    timeless.time_unix_nano = 0;
    let mut labelled = number(Some(Number::AsInt(-3)));
    labelled.attributes = vec![text("مسیر", "/pay"), attribute("code", Value::IntValue(200))];
    let gauge = Gauge {
        data_points: vec![
            labelled,
            number(Some(Number::AsDouble(f64::NAN))),
            number(Some(Number::AsDouble(f64::NEG_INFINITY))),
            number(None),
            unrecorded,
            timeless,
        ],
    };
    let sum = |temporality, monotonic, start| {
        let mut point = number(Some(Number::AsDouble(8.5)));
        point.start_time_unix_nano = start;
        Data::Sum(Sum {
            data_points: vec![point],
            aggregation_temporality: temporality,
            is_monotonic: monotonic,
        })
    };
    let request = request(vec![
        metric("cpu", Data::Gauge(gauge)),
        metric("requests", sum(CUMULATIVE, true, START)),
        metric("queue", sum(DELTA, false, 0)),
        metric("unclear", sum(0, true, START)),
        metric("", sum(DELTA, true, START)),
        Metric {
            name: "empty".into(),
            ..Metric::default()
        },
    ]);
    check(
        &request,
        expect![[r#"
            1767225660s cpu [s] {code=200, otel.scope.name=app, مسیر=/pay} of {list=[1,null], map={"a":"ب"}, process.pid=7, ratio=0.5, raw=AQID, ready=true, region=IR-23, service.name=پرداخت} = gauge -3
            1767225660s requests [s] {otel.scope.name=app} of {list=[1,null], map={"a":"ب"}, process.pid=7, ratio=0.5, raw=AQID, ready=true, region=IR-23, service.name=پرداخت} = sum 8.5 Cumulative rising from 1767225600s
            1767225660s queue [s] {otel.scope.name=app} of {list=[1,null], map={"a":"ب"}, process.pid=7, ratio=0.5, raw=AQID, ready=true, region=IR-23, service.name=پرداخت} = sum 8.5 Delta free from ?
            refused: bad_value: `value` is not a finite number
            refused: bad_value: `value` is not a finite number
            refused: bad_value: `value` is not a finite number
            refused: bad_time: `timeUnixNano` is not a time between 1677 and 2262
            refused: missing_field: `aggregationTemporality` is missing
            refused: missing_field: 1 points of a metric: a metric has no name
            refused: malformed: a metric has no data that can be read
        "#]],
    );
}

#[test]
fn histograms() {
    let explicit = Histogram {
        data_points: vec![
            histogram_point(&[1, 2, 3], &[0.1, 1.0]),
            HistogramDataPoint {
                count: 9,
                bucket_counts: vec![],
                ..histogram_point(&[], &[])
            },
            histogram_point(&[1, 2], &[0.1, 1.0]),
            histogram_point(&[1, 2, 3], &[1.0, 1.0]),
            HistogramDataPoint {
                sum: None,
                ..histogram_point(&[1, 2], &[5.0])
            },
        ],
        aggregation_temporality: CUMULATIVE,
    };
    check(
        &request(vec![metric("latency", Data::Histogram(explicit))]),
        expect![[r#"
        1767225660s latency [s] {otel.scope.name=app} of {list=[1,null], map={"a":"ب"}, process.pid=7, ratio=0.5, raw=AQID, ready=true, region=IR-23, service.name=پرداخت} = histogram [0.1, 1.0] [1, 2, 3] sum Some(2.5) Cumulative from 1767225600s
        1767225660s latency [s] {otel.scope.name=app} of {list=[1,null], map={"a":"ب"}, process.pid=7, ratio=0.5, raw=AQID, ready=true, region=IR-23, service.name=پرداخت} = histogram [] [9] sum Some(2.5) Cumulative from 1767225600s
        1767225660s latency [s] {otel.scope.name=app} of {list=[1,null], map={"a":"ب"}, process.pid=7, ratio=0.5, raw=AQID, ready=true, region=IR-23, service.name=پرداخت} = histogram [5.0] [1, 2] sum None Cumulative from 1767225600s
        refused: malformed: `bucketCounts` and `explicitBounds` don't fit together
        refused: bad_value: `value` is not a finite number
    "#]],
    );
}

#[test]
fn exponential_histograms_become_explicit_ones() {
    let point = |scale, zero_count, negative: Option<(i32, Vec<u64>)>, positive: Option<(i32, Vec<u64>)>| {
        let buckets = |side: Option<(i32, Vec<u64>)>| {
            side.map(|(offset, bucket_counts)| Buckets {
                offset,
                bucket_counts,
            })
        };
        ExponentialHistogramDataPoint {
            time_unix_nano: AT,
            scale,
            zero_count,
            sum: Some(1.0),
            negative: buckets(negative),
            positive: buckets(positive),
            ..ExponentialHistogramDataPoint::default()
        }
    };
    let histogram = ExponentialHistogram {
        data_points: vec![
            // Base 2: buckets (1, 2], (2, 4].
            point(0, 1, None, Some((0, vec![5, 6]))),
            // Base 4, on both sides of zero.
            point(-1, 0, Some((0, vec![7])), Some((1, vec![8]))),
            point(0, 3, None, None),
            point(99, 0, None, Some((0, vec![1]))),
            // Its bounds pass the largest float.
            point(-10, 0, None, Some((1, vec![1]))),
            point(0, 0, None, Some((0, vec![1; 161]))),
        ],
        aggregation_temporality: DELTA,
    };
    check(
        &request(vec![metric("size", Data::ExponentialHistogram(histogram))]),
        expect![[r#"
        1767225660s size [s] {otel.scope.name=app} of {list=[1,null], map={"a":"ب"}, process.pid=7, ratio=0.5, raw=AQID, ready=true, region=IR-23, service.name=پرداخت} = histogram [1.0, 2.0, 4.0] [1, 5, 6, 0] sum Some(1.0) Delta from ?
        1767225660s size [s] {otel.scope.name=app} of {list=[1,null], map={"a":"ب"}, process.pid=7, ratio=0.5, raw=AQID, ready=true, region=IR-23, service.name=پرداخت} = histogram [-4.0, -1.0, 4.0, 16.0] [0, 7, 0, 8, 0] sum Some(1.0) Delta from ?
        1767225660s size [s] {otel.scope.name=app} of {list=[1,null], map={"a":"ب"}, process.pid=7, ratio=0.5, raw=AQID, ready=true, region=IR-23, service.name=پرداخت} = histogram [0.0] [3, 0] sum Some(1.0) Delta from ?
        refused: bad_value: `scale` is not a finite number
        refused: bad_value: `value` is not a finite number
        refused: too_large: 161 buckets, 160 are allowed
    "#]],
    );
}

#[test]
fn summaries() {
    let point = |quantile, value| SummaryDataPoint {
        time_unix_nano: AT,
        start_time_unix_nano: START,
        count: 4,
        sum: 2.0,
        quantile_values: vec![ValueAtQuantile { quantile, value }],
        ..SummaryDataPoint::default()
    };
    let summary = Summary {
        data_points: vec![point(0.99, 0.7), point(1.5, 0.7)],
    };
    check(
        &request(vec![metric("gc", Data::Summary(summary))]),
        expect![[r#"
        1767225660s gc [s] {otel.scope.name=app} of {list=[1,null], map={"a":"ب"}, process.pid=7, ratio=0.5, raw=AQID, ready=true, region=IR-23, service.name=پرداخت} = summary [(0.99, 0.7)] sum 2 count 4 from 1767225600s
        refused: bad_value: `value` is not a finite number
    "#]],
    );
}

#[test]
fn too_large_points_are_refused_alone_and_too_many_together() {
    let mut long = number(Some(Number::AsInt(1)));
    long.attributes = vec![text("a", &"x".repeat(1_025))];
    let gauge = Gauge {
        data_points: vec![long, number(Some(Number::AsInt(2)))],
    };
    check(
        &request(vec![metric("m", Data::Gauge(gauge))]),
        expect![[r#"
        1767225660s m [s] {otel.scope.name=app} of {list=[1,null], map={"a":"ب"}, process.pid=7, ratio=0.5, raw=AQID, ready=true, region=IR-23, service.name=پرداخت} = gauge 2
        refused: too_large: a label's value is longer than 1024 bytes
    "#]],
    );
    let many = Gauge {
        data_points: vec![number(Some(Number::AsInt(1))); 10_001],
    };
    let bytes = request(vec![metric("m", Data::Gauge(many))]).encode_to_vec();
    expect![[r#"
        refused: too_large: more than 10000 points
    "#]]
    .assert_eq(&decoded(&source(Format::OtlpProto), &bytes));
}

fn logs(records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: vec![text("service.name", "pay")],
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                log_records: records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

#[test]
fn log_records_are_counted_by_severity_and_second() {
    let record = |nanos, severity| LogRecord {
        time_unix_nano: nanos,
        severity_number: severity,
        body: value(Value::StringValue("پرداخت 09121234567 ناموفق".into())),
        ..LogRecord::default()
    };
    let request = logs(vec![
        record(AT, 17),
        record(AT + 5, 18),
        record(AT + 1_000_000_000, 17),
        record(AT, 9),
        LogRecord {
            time_unix_nano: 0,
            observed_time_unix_nano: AT,
            ..record(0, 0)
        },
        LogRecord {
            severity_text: "warn".into(),
            ..record(AT, 0)
        },
        record(0, 9),
    ]);
    let from_proto = decoded(&source(Format::OtlpProto), &request.encode_to_vec());
    assert_eq!(
        from_proto,
        decoded(&source(Format::OtlpJson), &serde_json::to_vec(&request).unwrap())
    );
    assert!(!from_proto.contains("0912"), "a body was kept: {from_proto}");
    expect![[r#"
        1767225660s log.records [{record}] {severity=UNSPECIFIED} of {region=IR-23, service.name=pay} = events 1
        1767225660s log.records [{record}] {severity=INFO} of {region=IR-23, service.name=pay} = events 1
        1767225660s log.records [{record}] {severity=WARN} of {region=IR-23, service.name=pay} = events 1
        1767225660s log.records [{record}] {severity=ERROR} of {region=IR-23, service.name=pay} = events 2
        1767225661s log.records [{record}] {severity=ERROR} of {region=IR-23, service.name=pay} = events 1
        refused: bad_time: `timeUnixNano` is not a time between 1677 and 2262
    "#]].assert_eq(&from_proto);
}

#[test]
fn metrics_and_logs_are_told_apart_whatever_the_topic_is_named() {
    let metrics = request(vec![metric(
        "m",
        Data::Gauge(Gauge {
            data_points: vec![number(Some(Number::AsInt(1)))],
        }),
    )]);
    let logs = logs(vec![LogRecord {
        observed_time_unix_nano: AT,
        severity_number: 9,
        ..LogRecord::default()
    }]);
    for topic in ["otlp_logs", "otlp_metrics"] {
        for (bytes, wanted) in [
            (metrics.encode_to_vec(), "gauge 1"),
            (logs.encode_to_vec(), "events 1"),
        ] {
            let record = forecall_wire::telemetry::RawRecord {
                topic,
                ..super::record(&bytes, &[])
            };
            let Ok(forecall_wire::telemetry::Decoded::Samples(samples)) =
                forecall_wire::telemetry::decode(&source(Format::OtlpProto), None, &record)
            else {
                panic!("{topic}: {wanted} was not read");
            };
            let text = super::samples_text(&samples);
            assert!(text.contains(wanted), "{topic}: {text}");
        }
    }
}

#[test]
fn what_is_no_otlp_is_refused() {
    for (format, bytes, expected) in [
        (
            Format::OtlpProto,
            b"hello".as_slice(),
            expect![[r#"
            refused: malformed: not an OTLP export request: failed to decode Protobuf message: unexpected end group tag
        "#]],
        ),
        (
            Format::OtlpProto,
            b"\x7a\x00",
            expect![[r#"
            refused: malformed: not an OTLP export request: none of its fields is known
        "#]],
        ),
        (
            Format::OtlpProto,
            b"",
            expect![[r#"
            nothing
        "#]],
        ),
        (
            Format::OtlpJson,
            b"{}",
            expect![[r#"
            refused: missing_field: `resourceMetrics` is missing
        "#]],
        ),
        (
            Format::OtlpJson,
            b"{\"resourceMetrics\":7}",
            expect![[r#"
            refused: malformed: JSON of another shape at line 1 column 20
        "#]],
        ),
        (
            Format::OtlpJson,
            b"{\"resourceMetrics\":[]}",
            expect![[r#"
            nothing
        "#]],
        ),
    ] {
        expected.assert_eq(&decoded(&source(format), bytes));
    }
}
