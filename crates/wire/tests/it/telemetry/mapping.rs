use expect_test::expect;
use forecall_types::RejectReason;
use forecall_wire::telemetry::{Format, Mapping, MappingError, decode};
use serde_json::json;

use super::{decoded, decoded_with, key, record, source};

fn mapping(declared: serde_json::Value) -> Mapping {
    let mapping: Mapping = serde_json::from_value(declared).unwrap();
    mapping.check().unwrap();
    mapping
}

fn mentions() -> Mapping {
    mapping(json!({
        "metric": "social.mentions",
        "time": "/posted",
        "entity": {"service.name": {"pointer": "/topic"}, "region": {"pointer": "/geo/province", "or": ""}},
        "labels": {"network": {"pointer": "/network", "or": "unknown"}},
        "where": {"pointer": "/tone", "equals": "negative"}
    }))
}

#[test]
fn events_of_an_entity() {
    let source = source(Format::Mapping(mentions()));
    let posts = r#"[
        {"posted":"2026-01-01T00:00:00Z","topic":"اینترنت","geo":{"province":"IR-10"},"network":"x","tone":"negative","text":"قطع است"},
        {"posted":1767225600,"topic":"اینترنت","tone":"negative"},
        {"posted":1767225600,"topic":"اینترنت","tone":"positive"},
        {"posted":1767225600,"tone":"negative"},
        {"topic":"اینترنت","tone":"negative"}
    ]"#;
    expect![[r#"
        1767225600s social.mentions {network=x} of {region=IR-10, service.name=اینترنت} = events 1
        1767225600s social.mentions {network=unknown} of {region=IR-23, service.name=اینترنت} = events 1
        refused: missing_field: element 3: `/topic` is missing
        refused: missing_field: element 4: `/posted` is missing
    "#]]
    .assert_eq(&decoded(&source, posts.as_bytes()));
    assert_eq!(decoded(&source, br#"{"tone":"positive"}"#), "nothing\n");
    assert_eq!(decoded(&source, b"null"), "nothing\n");
}

#[test]
fn gauges_and_counts() {
    let gauge = mapping(
        json!({"metric": {"pointer": "/m"}, "unit": "1", "value": "/v", "entity": {"service.name": "pay"}}),
    );
    let source_of = |mapping: &Mapping| source(Format::Mapping(mapping.clone()));
    expect![[r#"
        1767225600s a [1] {} of {region=IR-23, service.name=pay} = gauge 1.5
        1767225600s a [1] {} of {region=IR-23, service.name=pay} = gauge 2
        1767225600s a [1] {} of {region=IR-23, service.name=pay} = gauge 1
        refused: bad_value: element 3: `/v` is not a finite number
        refused: missing_field: element 4: `/v` is missing
        refused: missing_field: element 5: a metric has no name
        refused: missing_field: element 6: `/m` is missing
        refused: missing_field: element 7: `/m` is missing
    "#]].assert_eq(&decoded(
        &source_of(&gauge),
        br#"[{"m":"a","v":1.5},{"m":"a","v":"2"},{"m":"a","v":true},{"m":"a","v":"NaN"},{"m":"a"},{"m":"","v":1},{"v":1},4]"#,
    ));
    let count = mapping(json!({"metric": "errors", "count": "/n"}));
    expect![[r#"
        1767225600s errors {} of {region=IR-23} = events 3
        1767225600s errors {} of {region=IR-23} = events 4
        refused: bad_value: element 2: `/n` is not a count
        refused: bad_value: element 3: `/n` is not a count
        refused: missing_field: element 4: `/n` is missing
    "#]]
    .assert_eq(&decoded(
        &source_of(&count),
        br#"[{"n":3},{"n":"4"},{"n":-1},{"n":1.5},{}]"#,
    ));
}

#[test]
fn cloud_events_in_both_modes() {
    let declared = mapping(json!({
        "metric": "app.failures",
        "entity": {"service.name": {"pointer": "/data/service"}},
        "labels": {"kind": {"pointer": "/type"}}
    }));
    let source = source(Format::Mapping(declared));
    let structured = br#"{"specversion":"1.0","id":"1","source":"/app","type":"app.failed","time":"2026-01-01T00:00:07Z","data":{"service":"pay"}}"#;
    let expected =
        "1767225607s app.failures {kind=app.failed} of {region=IR-23, service.name=pay} = events 1\n";
    assert_eq!(decoded(&source, structured), expected);
    let encoded = br#"{"specversion":"1.0","id":"1","source":"/app","type":"app.failed","time":"2026-01-01T00:00:07Z","data_base64":"eyJzZXJ2aWNlIjoicGF5In0="}"#;
    assert_eq!(decoded(&source, encoded), expected);
    let headers: [(&str, &[u8]); 5] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"1"),
        ("ce_type", b"app.failed"),
        ("ce_time", b"2026-01-01T00:00:07Z"),
        ("content-type", b"application/json"),
    ];
    assert_eq!(decoded_with(&source, br#"{"service":"pay"}"#, &headers), expected);
}

#[test]
fn debezium_changes() {
    let tickets = |operations: serde_json::Value| {
        source(Format::Mapping(mapping(json!({
            "metric": "tickets",
            "entity": {"service.name": {"pointer": "/service"}},
            "operations": operations
        }))))
    };
    let all = tickets(json!([]));
    let row = |op: &str, after: &str| {
        format!(
            r#"{{"before":null,"after":{after},"source":{{"connector":"postgresql","ts_ms":1767225601000}},"op":"{op}","ts_ms":1767225602000}}"#
        )
    };
    let created = row("c", r#"{"id":1,"service":"tv"}"#);
    let expected = "1767225601s tickets {} of {region=IR-23, service.name=tv} = events 1\n";
    assert_eq!(decoded(&all, created.as_bytes()), expected);
    let wrapped = format!(r#"{{"schema":{{}},"payload":{created}}}"#);
    assert_eq!(decoded(&all, wrapped.as_bytes()), expected);
    let in_cloud_event =
        format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t","data":{created}}}"#);
    assert_eq!(decoded(&all, in_cloud_event.as_bytes()), expected);
    let updated = row("u", r#"{"id":1,"service":"tv"}"#);
    assert_eq!(decoded(&all, updated.as_bytes()), expected);
    assert_eq!(decoded(&tickets(json!(["c"])), updated.as_bytes()), "nothing\n");
    for nothing in [
        r#"{"before":{"id":1},"after":null,"op":"d","ts_ms":1}"#,
        r#"{"schema":{},"payload":{"before":{"id":1},"after":null,"op":"d","ts_ms":1}}"#,
        r#"{"schema":null,"payload":null}"#,
    ] {
        assert_eq!(decoded(&all, nothing.as_bytes()), "nothing\n", "{nothing}");
    }
    assert_eq!(
        decoded(&all, row("c", "null").as_bytes()),
        "refused: missing_field: element 0: `after` is missing\n"
    );
    assert_eq!(
        decoded(&all, row("x", "{}").as_bytes()),
        "refused: malformed: element 0: `op` is no operation of Debezium\n"
    );
}

#[test]
fn events_of_a_customer_hold_nothing_personal() {
    let declared = mapping(json!({
        "metric": "app.payment_failed",
        "entity": {"service.name": "pay"},
        "labels": {
            "step": {"pointer": "/step"},
            "phone": {"pointer": "/user/phone"},
            "user": {"pointer": "/user"},
            "name": {"pointer": "/user/name"},
            "device": {"pointer": "/user/device"}
        },
        "customer": {"pointer": "/user/phone"},
        "personal": ["/user/name"]
    }));
    let source = source(Format::Mapping(declared));
    assert!(source.personal);
    let event = r#"{"step":"3ds","user":{"phone":"0912 123 4567","name":"سارا","device":"android"}}"#;
    let text = decoded(&source, event.as_bytes());
    let pseudonym = key().customer(&source.domain, "+989121234567");
    assert_eq!(
        text,
        format!(
            "1767225600s app.payment_failed {{customer.id={pseudonym}, device=android, step=3ds}} of {{region=IR-23, service.name=pay}} = events 1\n"
        )
    );
    let refused = decode(&source, None, &record(event.as_bytes(), &[])).unwrap_err();
    assert_eq!(refused.reason, RejectReason::NotAllowed);
}

#[test]
fn declarations_are_checked() {
    let error = |declared: serde_json::Value| {
        serde_json::from_value::<Mapping>(declared)
            .unwrap()
            .check()
            .unwrap_err()
    };
    assert_eq!(
        error(json!({"metric": "m", "time": "posted"})),
        MappingError::NotAPointer {
            field: "time".into(),
            pointer: "posted".into()
        }
    );
    assert_eq!(
        error(json!({"metric": "m", "value": "/a", "count": "/b"})),
        MappingError::ValueAndCount
    );
    assert_eq!(
        error(json!({"metric": "m", "operations": ["d"]})),
        MappingError::NotAnOperation("d".into())
    );
    assert!(serde_json::from_value::<Mapping>(json!({"metric": "m", "valeu": "/a"})).is_err());
}
