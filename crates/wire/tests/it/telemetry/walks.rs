//! What is read in place says the same as the full decoders.

use forecall_types::SamplesRecord;
use forecall_wire::telemetry::{Decoded, Format, Limits, Source, Spellings, decode, decode_reusing};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
    Sum, Summary, SummaryDataPoint, metric::Data,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message as _;

use super::{decoded, record, samples_text, source};

fn text_of(result: Result<Decoded, forecall_types::Reject>) -> String {
    match result {
        Err(reject) => format!("refused: {}: {}\n", reject.reason, reject.detail),
        Ok(Decoded::Samples(samples)) => samples_text(&samples),
        Ok(Decoded::Nothing) => "nothing\n".to_owned(),
        Ok(Decoded::Calls(_) | Decoded::CustomerEvents(_)) => "calls\n".to_owned(),
    }
}

/// By the walk, and by the full decoder: a request that begins with a group of an unknown field is never walked.
fn both(source: &Source, bytes: &[u8]) -> (String, String) {
    if bytes.is_empty() {
        // Nothing at all is an empty request, a group and nothing else is none.
        return <(String, String)>::default();
    }
    let mut with_group = vec![0xa3, 0x06, 0xa4, 0x06];
    with_group.extend_from_slice(bytes);
    (decoded(source, bytes), decoded(source, &with_group))
}

#[test]
fn a_point_without_a_value_spoils_the_request_as_another_does() {
    let text = Value::StringValue("broken".into());
    let point = NumberDataPoint {
        attributes: vec![KeyValue {
            key: "device".into(),
            value: Some(AnyValue { value: Some(text) }),
            ..KeyValue::default()
        }],
        // No value was recorded.
        flags: 1,
        ..NumberDataPoint::default()
    };
    let gauge = Gauge {
        data_points: vec![point],
    };
    let metric = Metric {
        name: "rtt".into(),
        data: Some(Data::Gauge(gauge)),
        ..Metric::default()
    };
    let scope_metrics = vec![ScopeMetrics {
        metrics: vec![metric],
        ..ScopeMetrics::default()
    }];
    let resource_metrics = vec![ResourceMetrics {
        scope_metrics,
        ..ResourceMetrics::default()
    }];
    let mut bytes = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    let at = bytes.windows(6).position(|w| w == b"broken").unwrap();
    bytes[at] = 0xff;
    let (walked, full) = both(&source(Format::OtlpProto), &bytes);
    assert_eq!(walked, full);
    assert!(full.starts_with("refused"), "{full}");
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let value = prop_oneof![
        8 => "[xyم]{0,3}".prop_map(Value::StringValue),
        2 => any::<i64>().prop_map(Value::IntValue),
        2 => any::<bool>().prop_map(Value::BoolValue),
        1 => any::<f64>().prop_map(Value::DoubleValue),
        1 => Just(Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: None }] })),
    ];
    let one = ("[abش]{0,2}", prop::option::weighted(0.95, value)).prop_map(|(key, value)| KeyValue {
        key,
        value: value.map(|value| AnyValue { value: Some(value) }),
        ..KeyValue::default()
    });
    prop::collection::vec(one, 0..5)
}

fn number() -> impl Strategy<Value = NumberDataPoint> {
    let value = prop_oneof![
        10 => (-1e9..1e9).prop_map(Number::AsDouble),
        4 => any::<i64>().prop_map(Number::AsInt),
        1 => any::<f64>().prop_map(Number::AsDouble),
    ];
    let exemplars = prop_oneof![9 => Just(Vec::new()), 1 => Just(vec![Exemplar::default()])];
    (
        attributes(),
        0_u64..3_000_000_000,
        prop::option::of(value),
        prop_oneof![9 => Just(0_u32), 1 => any::<u32>()],
        exemplars,
    )
        .prop_map(|(attributes, at, value, flags, exemplars)| NumberDataPoint {
            attributes,
            start_time_unix_nano: at / 2,
            time_unix_nano: at,
            value,
            flags,
            exemplars,
        })
}

fn histogram() -> impl Strategy<Value = HistogramDataPoint> {
    (
        attributes(),
        1_u64..9,
        prop::collection::vec(0_u64..9, 0..5),
        0_usize..5,
        prop::option::of(any::<f64>()),
    )
        .prop_map(
            |(attributes, at, bucket_counts, bounds, sum)| HistogramDataPoint {
                attributes,
                time_unix_nano: at,
                count: 7,
                sum,
                bucket_counts,
                explicit_bounds: (0..bounds)
                    .map(|b| f64::from(u32::try_from(b).unwrap()))
                    .collect(),
                min: Some(1.0),
                ..HistogramDataPoint::default()
            },
        )
}

fn metric() -> impl Strategy<Value = Metric> {
    let numbers = || prop::collection::vec(number(), 0..4);
    let data = prop_oneof![
        numbers().prop_map(|data_points| Data::Gauge(Gauge { data_points })),
        (numbers(), 0..4, any::<bool>()).prop_map(|(data_points, aggregation_temporality, is_monotonic)| {
            Data::Sum(Sum {
                data_points,
                aggregation_temporality,
                is_monotonic,
            })
        }),
        (prop::collection::vec(histogram(), 0..3), 0..4).prop_map(
            |(data_points, aggregation_temporality)| {
                Data::Histogram(Histogram {
                    data_points,
                    aggregation_temporality,
                })
            }
        ),
        Just(Data::Summary(Summary {
            data_points: vec![SummaryDataPoint {
                time_unix_nano: 5,
                ..SummaryDataPoint::default()
            }]
        })),
    ];
    ("[m-oم]{0,2}", "[su]?", prop::option::weighted(0.9, data)).prop_map(|(name, unit, data)| Metric {
        name,
        description: "what it is".into(),
        unit,
        data,
        ..Metric::default()
    })
}

fn request() -> impl Strategy<Value = ExportMetricsServiceRequest> {
    let scope = (
        prop::option::of("[pq]{0,2}"),
        prop::collection::vec(metric(), 0..4),
    )
        .prop_map(|(name, metrics)| ScopeMetrics {
            scope: name.map(|name| InstrumentationScope {
                name,
                version: "1".into(),
                ..InstrumentationScope::default()
            }),
            metrics,
            schema_url: "s".into(),
        });
    let resource = (prop::option::of(attributes()), prop::collection::vec(scope, 0..3)).prop_map(
        |(attributes, scope_metrics)| ResourceMetrics {
            resource: attributes.map(|attributes| Resource {
                attributes,
                ..Resource::default()
            }),
            scope_metrics,
            schema_url: String::new(),
        },
    );
    prop::collection::vec(resource, 0..3)
        .prop_map(|resource_metrics| ExportMetricsServiceRequest { resource_metrics })
}

/// A JSON value of a field, right or wrong.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (-1_000_000_i64..2_000_000_000).prop_map(|n| n.to_string()),
        4 => "[a-cم. ]{0,4}".prop_map(|t| format!("\"{t}\"")),
        1 => any::<f64>().prop_map(|n| if n.is_finite() { format!("{n:e}") } else { "1e999".to_owned() }),
        1 => prop::sample::select(vec!["null", "true", "{}", "[]", "\"a\\n\"", "\"2026-01-01T00:00:00Z\"", "-0", "18446744073709551616"]).prop_map(str::to_owned),
    ]
}

fn object() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["region", "service.name", "a", "b", "host", "c\\u0041"]);
    let labels = prop::collection::vec((name, field()), 0..6).prop_map(|pairs| {
        let pairs: Vec<String> = pairs.iter().map(|(n, v)| format!("\"{n}\":{v}")).collect();
        format!("{{{}}}", pairs.join(","))
    });
    (
        prop_oneof![8 => (0_i64..2_000_000_000).prop_map(|n| n.to_string()), 1 => field()],
        prop_oneof![8 => "[m-oم]{1,4}".prop_map(|t| format!("\"{t}\"")), 1 => field()],
        prop_oneof![8 => (-1e6..1e6).prop_map(|n: f64| n.to_string()), 1 => field()],
        prop_oneof![8 => labels, 1 => field()],
        prop::option::of(field()),
        prop::option::weighted(0.1, field()),
    )
        .prop_map(|(ts, series, value, labels, unit, again)| {
            let unit = unit.map_or(String::new(), |u| format!(",\"unit\":{u}"));
            let again = again.map_or(String::new(), |a| format!(",\"value\":{a}"));
            format!("\"ts\":{ts},\"series\":{series},\"value\":{value},\"labels\":{labels}{unit}{again}")
        })
}

fn limited(format: Format) -> Source {
    Source {
        limits: Limits {
            points_max: 6,
            labels_max: 4,
            label_value_bytes_max: 5,
            metric_name_bytes_max: 3,
            buckets_max: 3,
            ..Limits::default()
        },
        ..source(format)
    }
}

proptest! {
    #[test]
    fn a_request_is_walked_as_it_is_decoded(request in request()) {
        let bytes = request.encode_to_vec();
        for source in [source(Format::OtlpProto), limited(Format::OtlpProto)] {
            let (walked, full) = both(&source, &bytes);
            prop_assert_eq!(walked, full);
        }
    }

    #[test]
    fn a_damaged_request_too(request in request(), at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = request.encode_to_vec();
        prop_assume!(!bytes.is_empty());
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = to }
        let (walked, full) = both(&source(Format::OtlpProto), &bytes);
        prop_assert_eq!(walked, full);
    }

    #[test]
    fn a_flat_object_is_walked_as_it_is_parsed(object in object()) {
        for source in [source(Format::FlatJson), limited(Format::FlatJson)] {
            // A list in an unknown field is never walked.
            let walked = decoded(&source, format!("{{{object}}}").as_bytes());
            let full = decoded(&source, format!("{{{object},\"x\":[]}}").as_bytes());
            prop_assert_eq!(walked, full);
        }
    }

    #[test]
    fn a_flat_object_means_the_same_whatever_was_read_before(objects in prop::collection::vec(object(), 1..5)) {
        let source = source(Format::FlatJson);
        let mut spellings = Spellings::default();
        // Each three times: the second time its labels are remembered, the third time they are known.
        for object in objects.iter().chain(&objects).chain(&objects) {
            let bytes = format!("{{{object}}}");
            let fresh = text_of(decode(&source, None, &record(bytes.as_bytes(), &[])));
            let again = decode_reusing(&source, None, &record(bytes.as_bytes(), &[]), None, &mut spellings);
            prop_assert_eq!(text_of(again), fresh);
        }
    }

    #[test]
    fn memory_used_again_leaves_no_trace(requests in prop::collection::vec(request(), 1..5)) {
        let source = source(Format::OtlpProto);
        let mut spare: Option<SamplesRecord> = None;
        let mut spellings = Spellings::default();
        for request in requests.iter().chain(&requests).chain(&requests) {
            let bytes = request.encode_to_vec();
            let fresh = text_of(decode(&source, None, &record(&bytes, &[])));
            let again = decode_reusing(&source, None, &record(&bytes, &[]), spare.take(), &mut spellings);
            if let Ok(Decoded::Samples(samples)) = &again {
                spare = Some(samples.clone());
            }
            prop_assert_eq!(text_of(again), fresh);
        }
    }
}
