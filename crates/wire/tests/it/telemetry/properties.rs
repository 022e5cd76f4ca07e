use forecall_wire::telemetry::{Envelope, Format, Mapping, TextFrom, decode};
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, metric::Data};
use proptest::prelude::*;
use prost::Message as _;

use super::otlp::{metric, number, request};
use super::{decoded, key, record, source};

fn all_formats() -> Vec<Format> {
    let mapping = |envelope| {
        let mut mapping = Mapping::events("m");
        mapping.envelope = envelope;
        mapping.time = Some("/time".into());
        mapping.entity.insert(
            "a".into(),
            TextFrom::Read {
                pointer: "/after/a".into(),
                default: Some("b".into()),
            },
        );
        Format::Mapping(mapping)
    };
    vec![
        Format::Auto,
        Format::OtlpProto,
        Format::OtlpJson,
        Format::PrometheusJson,
        Format::CollectdJson,
        Format::TelegrafJson,
        Format::InfluxLine,
        Format::FlatJson,
        mapping(Envelope::Auto),
        mapping(Envelope::None),
        mapping(Envelope::CloudEvents),
        mapping(Envelope::Debezium),
        Format::from_name("customer_texts").unwrap(),
        Format::from_name("customer_events").unwrap(),
        Format::AsteriskQueueLog,
        Format::AmazonConnect,
        Format::Samples,
    ]
}

fn never_panics(bytes: &[u8]) {
    for format in all_formats() {
        // The result is whatever it is; that there is one is the property.
        let _ = decode(&source(format), Some(&key()), &record(bytes, &[]));
    }
}

/// Text of the alphabet the formats are made of: gets deeper into the parsers than random bytes.
fn almost() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            "\"",
            ":",
            ",",
            "|",
            " ",
            "\n",
            "\\",
            "=",
            "i",
            "u",
            "1",
            "-",
            "1e999",
            "null",
            "true",
            "\"ts\"",
            "\"time\"",
            "\"timestamp\"",
            "\"value\"",
            "\"values\"",
            "\"fields\"",
            "\"metrics\"",
            "\"name\"",
            "\"labels\"",
            "\"payload\"",
            "\"op\"",
            "\"after\"",
            "\"ContactId\"",
            "\"Queue\"",
            "\"resourceMetrics\"",
            "\"dataPoints\"",
            "\"dsnames\"",
            "ENTERQUEUE",
            "CONNECT",
            "ABANDON",
            "1767225600",
            "۹",
            "\u{feff}",
        ]),
        0..40,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        never_panics(&bytes);
    }

    #[test]
    fn no_text_panics(text in almost()) {
        never_panics(text.as_bytes());
    }

    #[test]
    fn no_line_panics(line in "[a-z,= \"\\\\0-9.iu\n#]{0,60}", log in "[0-9]{0,12}\\|[0-9.]{0,5}\\|[a-z]{0,3}\\|x\\|(ENTERQUEUE|CONNECT|ABANDON|EXITWITHKEY)(\\|[0-9<>+]{0,22}){0,5}") {
        never_panics(line.as_bytes());
        never_panics(log.as_bytes());
    }

    #[test]
    fn changed_protobuf_never_panics(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let gauge = Gauge { data_points: vec![number(Some(Number::AsDouble(1.5))); 3] };
        let mut bytes = request(vec![metric("m", Data::Gauge(gauge))]).encode_to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        never_panics(&bytes);
    }

    #[test]
    fn protobuf_and_json_say_the_same(values in prop::collection::vec(any::<f64>(), 0..20), whole in prop::collection::vec(any::<i64>(), 0..20), times in prop::collection::vec(any::<u64>(), 0..20)) {
        let mut data_points: Vec<_> = values.into_iter().map(|v| number(Some(Number::AsDouble(v)))).collect();
        data_points.extend(whole.into_iter().map(|v| number(Some(Number::AsInt(v)))));
        for (point, time) in data_points.iter_mut().zip(times) {
            point.time_unix_nano = time;
        }
        let request = request(vec![metric("m", Data::Gauge(Gauge { data_points }))]);
        prop_assert_eq!(
            decoded(&source(Format::OtlpProto), &request.encode_to_vec()),
            decoded(&source(Format::OtlpJson), &serde_json::to_vec(&request).unwrap())
        );
    }
}
