//! Made-up telemetry, the same in every run.

use forecall_bench_input::next;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

/// Metrics of one entity.
pub(crate) const METRICS: [&str; 10] = [
    "http.server.latency",
    "http.server.errors",
    "system.cpu.utilization",
    "system.memory.utilization",
    "network.packet.loss",
    "network.throughput",
    "queue.backlog",
    "db.pool.pending",
    "login.success.ratio",
    "radio.cell.availability",
];
/// Second of the first sample.
pub(crate) const EPOCH: i64 = 1_767_225_600;

/// Labels of an entity, as they are written in a record.
pub(crate) struct Entity {
    pub(crate) service: String,
    pub(crate) host: String,
    pub(crate) region: String,
}

impl Entity {
    pub(crate) fn new(number: u32) -> Self {
        Self {
            service: format!("service-{}", number % 50),
            host: format!("edge-node-{number:07}"),
            region: format!("IR-{:02}", number % 31),
        }
    }
}

/// A normal value of a series at a round: a level of its own and noise.
pub(crate) fn value(series: u32, round: u32) -> f64 {
    let mut seed = u64::from(series) << 32 | u64::from(round);
    let noise = next(&mut seed) >> 40;
    let level = f64::from(10 + series % 90);
    // Written as telemetry is: three digits behind the point.
    ((level * (1.0 + 0.05 * (f64::from(u32::try_from(noise).unwrap_or(0)) / 16_777_216.0 - 0.5))) * 1e3)
        .round()
        / 1e3
}

/// Numbers 0 to `len` in an order that jumps about.
pub(crate) fn shuffled(len: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..len).collect();
    let mut state = 7;
    for i in (1..order.len()).rev() {
        let j = usize::try_from(next(&mut state) % (i as u64 + 1)).unwrap_or(0);
        order.swap(i, j);
    }
    order
}

/// A flat JSON record of one sample, about 240 bytes.
pub(crate) fn flat_json(series: u32, round: u32, at_millis: i64) -> String {
    flat_json_of(series, at_millis, value(series, round))
}

/// The same, of this value.
pub(crate) fn flat_json_of(series: u32, at_millis: i64, value: f64) -> String {
    let entity = Entity::new(series / 10);
    format!(
        "{{\"ts\":{at_millis},\"series\":\"{}\",\"value\":{value},\"unit\":\"1\",\"labels\":{{\"service.name\":\"{}\",\"host.name\":\"{}\",\"region\":\"{}\",\"deployment.environment.name\":\"production\",\"operator\":\"fixed-line\",\"agent\":\"collector-4.2\"}}}}",
        METRICS[series as usize % METRICS.len()],
        entity.service,
        entity.host,
        entity.region,
    )
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value.into())),
        }),
        ..KeyValue::default()
    }
}

/// Points of one OTLP request.
pub(crate) const OTLP_POINTS: u32 = 150;

/// An OTLP request of one host: 15 metrics of 10 points each, about 84 bytes a point.
pub(crate) fn otlp(host: u32, round: u32, at_secs: i64) -> Vec<u8> {
    let at = u64::try_from(at_secs).unwrap_or(0) * 1_000_000_000;
    let entity = Entity::new(host);
    let metrics = (0..15_u32)
        .map(|metric| {
            let data_points = (0..10_u32)
                .map(|point| {
                    let series = host * OTLP_POINTS + metric * 10 + point;
                    let is_sum = metric % 3 == 2;
                    NumberDataPoint {
                        attributes: vec![
                            text("device", &format!("eth{point}")),
                            text("direction", if point % 2 == 0 { "receive" } else { "transmit" }),
                        ],
                        start_time_unix_nano: u64::try_from(EPOCH).unwrap_or(0) * 1_000_000_000,
                        time_unix_nano: at,
                        value: Some(if is_sum {
                            Number::AsInt(i64::from(round) * 1_000 + i64::from(series % 97))
                        } else {
                            Number::AsDouble(value(series, round))
                        }),
                        ..NumberDataPoint::default()
                    }
                })
                .collect();
            Metric {
                name: format!("{}.{metric}", METRICS[metric as usize % METRICS.len()]),
                description: "What this metric measures, in a sentence".into(),
                unit: "1".into(),
                data: Some(if metric % 3 == 2 {
                    Data::Sum(Sum {
                        data_points,
                        aggregation_temporality: 2,
                        is_monotonic: true,
                    })
                } else {
                    Data::Gauge(Gauge { data_points })
                }),
                ..Metric::default()
            }
        })
        .collect();
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes: vec![
                    text("service.name", &entity.service),
                    text("host.name", &entity.host),
                    text("region", &entity.region),
                    text("os.type", "linux"),
                ],
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(InstrumentationScope {
                    name: "hostmetrics".into(),
                    version: "0.1".into(),
                    ..InstrumentationScope::default()
                }),
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
    .encode_to_vec()
}
