use expect_test::{Expect, expect};
use forecall_types::RejectReason;
use forecall_wire::telemetry::{Decoded, Format, RawRecord, TimeUnit, decode};

use super::{decoded, record, source};

fn check(format: Format, value: &str, expected: Expect) {
    expected.assert_eq(&decoded(&source(format), value.as_bytes()));
}

#[test]
fn prometheus_samples() {
    let gauge = r#"{"timestamp":"2026-01-01T00:00:00Z","value":"0.93","name":"up","labels":{"__name__":"up","job":"api","instance":"a:1","شهر":"تهران"}}"#;
    check(
        Format::PrometheusJson,
        gauge,
        expect![[r#"
        1767225600s up {شهر=تهران} of {instance=a:1, job=api, region=IR-23} = gauge 0.93
    "#]],
    );
    let counter = r#"{"timestamp":"2026-01-01T00:00:00.5Z","value":"1.5e3","name":"http_requests_total","labels":{"job":"api","code":"500"}}"#;
    check(
        Format::PrometheusJson,
        counter,
        expect![[r#"
        1767225600.500000000s http_requests_total {code=500} of {job=api, region=IR-23} = sum 1500 Cumulative rising from ?
    "#]],
    );
    let bucket = r#"{"timestamp":"2026-01-01T00:00:00Z","value":"3","labels":{"__name__":"latency_bucket","le":"+Inf"}}"#;
    check(
        Format::PrometheusJson,
        bucket,
        expect![[r#"
        1767225600s latency_bucket {le=+Inf} of {region=IR-23} = sum 3 Cumulative rising from ?
    "#]],
    );
}

#[test]
fn a_prometheus_sample_that_is_no_number_is_refused_alone() {
    for value in ["NaN", "+Inf", "-Inf", "1e999", "many"] {
        let json =
            format!(r#"{{"timestamp":"2026-01-01T00:00:00Z","value":"{value}","name":"up","labels":{{}}}}"#);
        let Ok(Decoded::Samples(samples)) = decode(
            &source(Format::PrometheusJson),
            None,
            &record(json.as_bytes(), &[]),
        ) else {
            panic!("{value} made no samples");
        };
        assert!(samples.batch.rows().is_empty());
        assert_eq!(
            samples.batch.rejects().first().map(|r| r.reason),
            Some(RejectReason::BadValue)
        );
    }
}

#[test]
fn collectd_value_lists() {
    let lists = r#"[
        {"values":[443.5],"dstypes":["gauge"],"dsnames":["value"],"time":1767225600.334,"interval":2.000,"host":"edge-1","plugin":"memory","plugin_instance":"","type":"memory","type_instance":"used"},
        {"values":[7,null],"dstypes":["derive","derive"],"dsnames":["rx","tx"],"time":1767225600.334,"interval":2.000,"host":"edge-1","plugin":"interface","plugin_instance":"eth0","type":"if_octets","type_instance":""},
        {"values":[9,4],"dstypes":["counter","absolute"],"dsnames":["a","b"],"time":1767225600,"interval":10,"host":"edge-1","plugin":"p","plugin_instance":"","type":"t","type_instance":""},
        {"values":[1],"dstypes":["odd"],"dsnames":["value"],"time":1767225600,"interval":10,"host":"edge-1","plugin":"p","type":"t"},
        {"values":[1],"dstypes":["gauge"],"dsnames":["value"],"interval":10,"host":"edge-1","plugin":"p","type":"t"},
        {"values":[1,2],"dstypes":["gauge"],"dsnames":["value"],"time":1767225600,"host":"edge-1","plugin":"p","type":"t"},
        7
    ]"#;
    check(
        Format::CollectdJson,
        lists,
        expect![[r#"
        1767225600.334000000s collectd.memory.memory {type_instance=used} of {host.name=edge-1, region=IR-23} = gauge 443.5
        1767225600.334000000s collectd.interface.if_octets.rx {plugin_instance=eth0} of {host.name=edge-1, region=IR-23} = sum 7 Cumulative rising from ?
        1767225600s collectd.p.t.a {} of {host.name=edge-1, region=IR-23} = sum 9 Cumulative rising from ?
        1767225600s collectd.p.t.b {} of {host.name=edge-1, region=IR-23} = sum 4 Delta rising from 1767225590s
        refused: bad_value: `values` is not a finite number
        refused: bad_value: `dstypes` names no type of collectd
        refused: missing_field: value list 4: `time` is missing
        refused: malformed: value list 5: `dsnames` doesn't fit `values`
        refused: malformed: value list 6: not an object
    "#]],
    );
}

#[test]
fn telegraf_metrics() {
    let single = r#"{"fields":{"usage":30,"ok":true,"state":"up"},"name":"docker","tags":{"host":"h1","region":"IR-10"},"timestamp":1767225600}"#;
    check(
        Format::TelegrafJson,
        single,
        expect![[r#"
        1767225600s docker.usage {} of {host.name=h1, region=IR-10} = gauge 30
    "#]],
    );
    let batch = r#"{"metrics":[
        {"fields":{"a":1,"b":2.5},"name":"m","tags":{"host":"میزبان"},"timestamp":1767225600000},
        {"fields":{"a":1},"name":"m","tags":{}},
        {"fields":{"a":1},"tags":{},"timestamp":1767225600},
        {"fields":{"text":"only"},"name":"m","tags":{},"timestamp":1767225600}
    ]}"#;
    check(
        Format::TelegrafJson,
        batch,
        expect![[r#"
        1767225600s m.a {} of {host.name=میزبان, region=IR-23} = gauge 1
        1767225600s m.b {} of {host.name=میزبان, region=IR-23} = gauge 2.5
        refused: missing_field: metric 1: `timestamp` is missing
        refused: missing_field: metric 2: `name` is missing
    "#]],
    );
}

#[test]
fn a_declared_time_unit_wins() {
    let mut source = source(Format::TelegrafJson);
    source.time_unit = TimeUnit::Millis;
    let value = br#"{"fields":{"a":1},"name":"m","timestamp":1500}"#;
    expect![[r#"
        1.500000000s m.a {} of {region=IR-23} = gauge 1
    "#]]
    .assert_eq(&decoded(&source, value));
}

#[test]
fn influx_lines() {
    let lines = "# a comment\n\
        cpu,host=a,region=IR-07 usage=1.5,idle=98i,free=7u,ok=true,note=\"x\" 1767225600000000000\n\
        broken line here here\n\
        دما,شهر=تهران value=21.5 1767225600000\n\
        now value=1\n";
    check(
        Format::InfluxLine,
        lines,
        expect![[r#"
        1767225600s cpu.usage {} of {host.name=a, region=IR-07} = gauge 1.5
        1767225600s cpu.idle {} of {host.name=a, region=IR-07} = gauge 98
        1767225600s cpu.free {} of {host.name=a, region=IR-07} = gauge 7
        1767225600s دما.value {شهر=تهران} of {region=IR-23} = gauge 21.5
        1767225600s now.value {} of {region=IR-23} = gauge 1
        refused: malformed: line 2: not line protocol
    "#]],
    );
}

#[test]
fn flat_json() {
    let one = r#"{"ts":"2026-01-01T00:00:00Z","series":"rtt","value":12.5,"unit":"ms","labels":{"service.name":"اینترنت","probe":"1"}}"#;
    check(
        Format::FlatJson,
        one,
        expect![[r#"
        1767225600s rtt [ms] {probe=1} of {region=IR-23, service.name=اینترنت} = gauge 12.5
    "#]],
    );
    let list = r#"[{"ts":1767225600,"series":"a","value":1},{"ts":1767225600.5,"series":"a","value":"2"},{"ts":"soon","series":"a","value":3},{"ts":1767225600,"value":3},{"ts":1767225600,"series":"a","value":"NaN"}]"#;
    check(
        Format::FlatJson,
        list,
        expect![[r#"
        1767225600s a {} of {region=IR-23} = gauge 1
        1767225600.500000000s a {} of {region=IR-23} = gauge 2
        refused: bad_time: point 2: `ts` is not a time between 1677 and 2262
        refused: missing_field: point 3: `series` is missing
        refused: bad_value: point 4: `value` is not a finite number
    "#]],
    );
}

#[test]
fn limits_are_checked_for_the_record_and_the_point() {
    let mut small = source(Format::FlatJson);
    small.limits.points_max = 2;
    small.limits.labels_max = 1;
    small.limits.label_value_bytes_max = 8;
    small.limits.metric_name_bytes_max = 4;
    small.limits.depth_max = 3;
    small.limits.record_bytes_max = 300;
    let cases = [
        (
            r#"[{},{},{}]"#.to_owned(),
            expect![[r#"
            refused: too_large: more than 2 points
        "#]],
        ),
        (
            r#"{"ts":1,"series":"a","value":1,"labels":{"b":"1","c":"2"}}"#.to_owned(),
            expect![[r#"
            refused: too_large: 2 labels, 1 are allowed
        "#]],
        ),
        (
            r#"{"ts":1,"series":"a","value":1,"labels":{"b":"123456789"}}"#.to_owned(),
            expect![[r#"
            refused: too_large: a label's value is longer than 8 bytes
        "#]],
        ),
        (
            r#"{"ts":1,"series":"abcde","value":1}"#.to_owned(),
            expect![[r#"
            refused: too_large: a metric's name is longer than 4 bytes
        "#]],
        ),
        (
            r#"{"labels":{"a":[[1]]}}"#.to_owned(),
            expect![[r#"
            refused: too_large: JSON is nested deeper than 3
        "#]],
        ),
        (
            " ".repeat(301),
            expect![[r#"
            refused: too_large: 301 bytes, 300 are allowed
        "#]],
        ),
    ];
    for (value, expected) in cases {
        expected.assert_eq(&decoded(&small, value.as_bytes()));
    }
}

#[test]
fn a_tombstone_is_nothing() {
    let tombstone = RawRecord {
        value: None,
        ..record(b"", &[])
    };
    for format in [Format::FlatJson, Format::OtlpProto, Format::Samples, Format::Auto] {
        assert!(matches!(
            decode(&source(format), None, &tombstone),
            Ok(Decoded::Nothing)
        ));
    }
}

#[test]
fn auto_tells_the_format() {
    let auto = source(Format::Auto);
    for (format, value) in [
        (
            Format::PrometheusJson,
            r#"{"timestamp":"2026-01-01T00:00:00Z","value":"1","name":"up","labels":{}}"#,
        ),
        (
            Format::CollectdJson,
            r#" [{"values":[1],"dstypes":["gauge"],"dsnames":["value"],"time":1,"interval":1,"host":"h","plugin":"p","type":"t"}]"#,
        ),
        (
            Format::TelegrafJson,
            r#"{"fields":{"a":1},"name":"m","timestamp":1}"#,
        ),
        (
            Format::TelegrafJson,
            r#"{"metrics":[{"fields":{"a":1},"name":"m","timestamp":1}]}"#,
        ),
        (Format::InfluxLine, "m,host=h a=1 1"),
        (Format::InfluxLine, "\nm,host=h a=1 1"),
        (Format::FlatJson, r#"{"ts":1,"series":"a","value":1}"#),
        (Format::FlatJson, r#"[{"ts":1,"series":"a","value":1}]"#),
        (
            Format::AsteriskQueueLog,
            "1767225600|c1|sales|NONE|ENTERQUEUE||09121234567|1",
        ),
        (
            Format::OtlpJson,
            r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"timeUnixNano":"5","asInt":"7"}]}}]}]}]}"#,
        ),
    ] {
        let declared = decoded(&source(format.clone()), value.as_bytes());
        assert!(
            !declared.starts_with("refused"),
            "{}: {declared}",
            format.as_str()
        );
        assert_eq!(decoded(&auto, value.as_bytes()), declared, "{}", format.as_str());
    }
    for value in [
        "", " ", "{}", "[]", "[[1]]", "[1,2]", "[\"a\"]", "[null]", "[true]", "[1.5]", "hello", "\u{7f}",
    ] {
        assert_eq!(
            decoded(&auto, value.as_bytes()),
            "refused: unknown_format: no format fits this record\n",
            "{value:?}"
        );
    }
}

#[test]
fn names_of_formats_are_read_back() {
    for name in [
        "auto",
        "otlp_proto",
        "otlp_json",
        "prometheus_json",
        "collectd_json",
        "telegraf_json",
        "influx_line",
        "flat_json",
        "asterisk_queue_log",
        "amazon_connect",
        "samples",
    ] {
        assert_eq!(Format::from_name(name).unwrap().as_str(), name);
    }
    assert_eq!(Format::from_name("mapping"), None);
}
