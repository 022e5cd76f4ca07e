//! Published events: without loss both ways, valid against their schemas, refused when broken.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy's leave for tests does not reach the functions beside them"
)]

#[path = "anomaly_values.rs"]
mod anomaly_values;
#[path = "steering_values.rs"]
mod steering_values;
#[path = "events_values.rs"]
mod values;

use std::collections::BTreeSet;
use std::path::Path;

use forecall_types::{Action, CorrelateEntry, CustomerChange, OutreachEntry, Position, Reject, RejectReason};
use forecall_wire::event::{
    self, DeadLetter, DeadLetterRead, DirectoryRecord, EncodeError, Encoded, Payload,
};
use forecall_wire::schema;
use proptest::prelude::*;
use serde_json::{Value, json};

fn errors(event_type: &str, value: &Value) -> Vec<String> {
    let schema = schema::schema_for(event_type).expect("the type is known");
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("the schema is a schema");
    validator
        .iter_errors(value)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect()
}

/// Written and valid against its schema; returns the record.
fn written(encoded: Result<Encoded, EncodeError>) -> Encoded {
    let encoded = encoded.expect("a valid value can be written");
    let event_type = encoded.header("ce_type").expect("each event has a type");
    let value: Value = serde_json::from_slice(&encoded.value).unwrap();
    assert_eq!(errors(event_type, &value), Vec::<String>::new(), "{event_type}");
    assert!(encoded.header("ce_id").is_some_and(|id| id.contains('/')));
    assert_eq!(encoded.header("content-type"), Some("application/json"));
    encoded
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn correlate_entries_come_back_unchanged(entry in values::correlate_entry()) {
        let encoded = written(event::encode_correlate_entry(&entry));
        prop_assert_eq!(&encoded, &event::encode_correlate_entry(&entry).unwrap());
        prop_assert_eq!(event::decode_correlate_entry(&encoded.headers, &encoded.value), Ok(entry));
    }

    #[test]
    fn outreach_entries_come_back_unchanged(entry in values::outreach_entry()) {
        let encoded = written(event::encode_outreach_entry(&entry));
        prop_assert_eq!(&encoded, &event::encode_outreach_entry(&entry).unwrap());
        prop_assert_eq!(event::decode_outreach_entry(&encoded.headers, &encoded.value), Ok(entry));
    }

    #[test]
    fn states_come_back_unchanged(incident in values::incident(), notice in values::notice()) {
        let encoded = written(event::encode_incident_state(&incident));
        prop_assert_eq!(event::decode_incident_state(&encoded.headers, &encoded.value), Ok(incident));
        for encoded in [event::encode_notice(&notice), event::encode_notice_state(&notice)] {
            let encoded = written(encoded);
            prop_assert_eq!(event::decode_notice(&encoded.headers, &encoded.value), Ok(notice.clone()));
        }
    }

    #[test]
    fn forecasts_come_back_unchanged(forecast in values::call_forecast()) {
        let encoded = written(event::encode_call_forecast(&forecast));
        prop_assert_eq!(encoded.key.clone(), format!("{}/{}", forecast.domain, forecast.queue).into_bytes());
        prop_assert_eq!(event::decode_call_forecast(&encoded.headers, &encoded.value), Ok(forecast));
    }

    #[test]
    fn directory_records_keep_their_ciphertexts(record in values::directory_record()) {
        let encoded = written(event::encode_directory_record(&record));
        prop_assert_eq!(event::decode_directory_record(&encoded.headers, &encoded.value), Ok(record));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(value in proptest::collection::vec(any::<u8>(), 0..200), payload in 0..14_usize) {
        let event_type = Payload::ALL[payload].event_types()[0];
        let headers = [("ce_specversion", "1.0"), ("ce_id", "a/1"), ("ce_source", "s"), ("ce_type", event_type)];
        prop_assert!(event::decode_correlate_entry(&headers, &value).is_err());
        prop_assert!(event::decode_outreach_entry(&headers, &value).is_err());
    }
}

#[test]
fn every_example_is_valid_and_a_broken_one_is_not() {
    for payload in Payload::ALL {
        let event_type = payload.event_types()[0];
        let schema = schema::schema_for(event_type).unwrap();
        jsonschema::meta::validate(&schema).expect("it is JSON Schema 2020-12");
        let examples = schema["examples"].as_array().expect("it has examples");
        assert!(!examples.is_empty(), "{event_type}");
        for example in examples {
            assert_eq!(errors(event_type, example), Vec::<String>::new(), "{event_type}");
            let mut broken = example.clone();
            let first = schema["required"][0].as_str().unwrap_or("change");
            broken.as_object_mut().unwrap().remove(first);
            assert_ne!(
                errors(event_type, &broken),
                Vec::<String>::new(),
                "{event_type} without {first}"
            );
            let mut newer = example.clone();
            newer["a_field_of_later"] = json!({"x": 1});
            assert_eq!(
                errors(event_type, &newer),
                Vec::<String>::new(),
                "{event_type} of a later version"
            );
        }
    }
    assert_eq!(schema::schema_for("com.example.other.v1"), None);
}

#[test]
fn the_examples_hold_no_personal_bytes() {
    for letter in schema::examples(Payload::DeadLetter) {
        let personal = letter.header("forecall_personal") == Some("true");
        assert_eq!(letter.value.is_empty(), personal);
    }
}

/// Takes an example's JSON, changes it, and says how the change is refused (or `taken`).
fn changed(payload: Payload, change: impl Fn(&mut Value)) -> String {
    let example = schema::examples(payload).remove(0);
    let mut value: Value = serde_json::from_slice(&example.value).unwrap();
    change(&mut value);
    let bytes = serde_json::to_vec(&value).unwrap();
    let result = match payload {
        Payload::Anomaly | Payload::Heartbeat => {
            event::decode_correlate_entry(&example.headers, &bytes).map(|_| ())
        }
        Payload::CallForecast => event::decode_call_forecast(&example.headers, &bytes).map(|_| ()),
        _ => event::decode_outreach_entry(&example.headers, &bytes).map(|_| ()),
    };
    match result {
        Ok(()) => "taken".to_owned(),
        Err(Reject { reason, detail }) => format!("{reason}: {detail}"),
    }
}

#[test]
fn a_refusal_names_the_field_and_never_what_stood_in_it() {
    let check = |payload, change: &dyn Fn(&mut Value), want: &str| {
        let got = changed(payload, change);
        assert!(got.starts_with(want), "wanted {want}, got {got}");
        assert!(!got.contains("989121234567"), "{got}");
    };
    check(Payload::Anomaly, &|v| v["new"] = json!("989121234567"), "taken");
    check(
        Payload::Anomaly,
        &|v| v["at"] = json!("989121234567"),
        "bad_time: at: it is not an RFC 3339 time",
    );
    check(
        Payload::Anomaly,
        &|v| v["band"] = json!({"low": 2, "high": 1}),
        "bad_value: band: its lower end is above",
    );
    check(
        Payload::Anomaly,
        &|v| v["channel"] = json!("989121234567"),
        "bad_value: a value of another type or outside its range",
    );
    check(
        Payload::Anomaly,
        &|v| v["lineage"]["ranges"][0]["to"] = json!(-1),
        "bad_value: lineage.to: it is negative",
    );
    check(
        Payload::Anomaly,
        &|v| v["lineage"]["ranges"][0]["to"] = json!(1),
        "bad_value: lineage: a range ends before it begins",
    );
    check(
        Payload::Anomaly,
        &|v| drop(v.as_object_mut().unwrap().remove("domain")),
        "missing_field: domain",
    );
    check(
        Payload::Anomaly,
        &|v| v["score"] = json!(21),
        "bad_value: score: it does not lie",
    );
    check(
        Payload::Heartbeat,
        &|v| v["next_offset"] = json!(i64::MAX),
        "bad_value: next_offset: it is negative or over",
    );
    check(
        Payload::IncidentEvent,
        &|v| v["scope"]["regions"] = json!(["989121234567"]),
        "bad_value: scope.regions: it needs",
    );
    check(
        Payload::Call,
        &|v| v["customer"] = json!("989121234567 "),
        "bad_value: customer: it begins or ends with white space",
    );
    check(
        Payload::Call,
        &|v| v["wait_seconds"] = json!(-1.5),
        "bad_value: a value of another type",
    );
    check(
        Payload::CallForecast,
        &|v| v["baseline"]["quantiles"][3]["p"] = json!(0.26),
        "bad_value: baseline.quantiles: a level",
    );
    check(
        Payload::CallForecast,
        &|v| drop(v["baseline"]["quantiles"].as_array_mut().unwrap().pop()),
        "bad_value: baseline.quantiles: there are not nine",
    );
    check(
        Payload::Customer,
        &|v| v["address_ciphertext"] = json!({"sms": "+989121234567"}),
        "bad_value: address_ciphertext: it is not base 64",
    );
    check(
        Payload::Notice,
        &|_| (),
        "unknown_format: ce_type: notice does not belong",
    );
}

#[test]
fn what_is_not_json_is_malformed() {
    let example = schema::examples(Payload::Tick).remove(0);
    let check = |value: &[u8], want| {
        let got = event::decode_correlate_entry(&example.headers, value).map_err(|r| r.reason);
        assert_eq!(got, Err(want));
    };
    check(b"", RejectReason::Malformed);
    check(b"{\"at\":", RejectReason::Malformed);
    check(b"{}", RejectReason::MissingField);
    check(&vec![b' '; event::EVENT_BYTES_MAX + 1], RejectReason::TooLarge);
}

#[test]
fn keys_are_those_of_the_topics() {
    let key = |encoded: &Encoded| String::from_utf8(encoded.key.clone()).unwrap();
    for (payload, want) in [
        (Payload::Anomaly, "isp"),
        (Payload::Heartbeat, "isp"),
        (Payload::Service, "isp/internet"),
        (Payload::Feedback, "inc_7k2m4q9x1c8v5b3n"),
        (Payload::IncidentEvent, "inc_7k2m4q9x1c8v5b3n"),
        (Payload::IncidentState, "inc_7k2m4q9x1c8v5b3n"),
        (Payload::Notice, "ntc_2d6f8h1j3k5m7p9r"),
        (Payload::CallForecast, "isp/support"),
        (Payload::Customer, "cus_0a1b2c3d4e5f6g7h"),
        (Payload::DeadLetter, "telemetry.collectd"),
    ] {
        let example = schema::examples(payload).remove(0);
        assert_eq!(key(&example), want, "{payload:?}");
        assert_eq!(example.header("ce_partitionkey"), Some(want), "{payload:?}");
    }
    let traced = schema::examples(Payload::Service).remove(1);
    assert_eq!(key(&traced), "isp/radius/traces.otlp/3");
    let entry = event::decode_correlate_entry(&traced.headers, &traced.value).unwrap();
    assert_eq!(key(&event::encode_correlate_entry(&entry).unwrap()), "isp");
    let event = schema::examples(Payload::IncidentEvent).remove(0);
    let entry = event::decode_outreach_entry(&event.headers, &event.value).unwrap();
    assert_eq!(key(&event::encode_outreach_entry(&entry).unwrap()), "isp");
    let commands: Vec<String> = schema::examples(Payload::Command).iter().map(key).collect();
    assert_eq!(commands[0], "isp", "declare");
    assert_eq!(commands[13], "inc_7k2m4q9x1c8v5b3n", "remedy");
    assert_eq!(commands[15], "isp", "remedies");
    assert_eq!(commands[16], "ntc_2d6f8h1j3k5m7p9r", "approve");
}

/// A change without a type would be read by nobody.
#[test]
fn each_change_of_an_incident_has_its_event_type() {
    let schema = schema::schema_for("forecall.incident.updated.v1").unwrap();
    let cases = schema
        .pointer("/$defs/IncidentChange/oneOf")
        .and_then(Value::as_array)
        .unwrap();
    let told: BTreeSet<String> = cases
        .iter()
        .map(|case| format!("forecall.incident.{}.v1", case["const"].as_str().unwrap()))
        .collect();
    let known = Payload::IncidentEvent.event_types().iter().map(|&t| t.to_owned());
    assert_eq!(told, known.collect());
}

#[test]
fn headers_are_those_of_cloud_events() {
    let event = schema::examples(Payload::IncidentEvent).remove(0);
    let text: Vec<String> = event
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
        .collect();
    expect_test::expect![[r#"
        ce_specversion: 1.0
        ce_id: inc_7k2m4q9x1c8v5b3n/3
        ce_source: forecall/isp
        ce_type: forecall.incident.confirmed.v1
        ce_time: 2026-11-22T05:36:00Z
        ce_subject: inc_7k2m4q9x1c8v5b3n
        ce_dataschema: forecall:schemas/incident-event.v1.json
        ce_partitionkey: inc_7k2m4q9x1c8v5b3n
        content-type: application/json"#]]
    .assert_eq(&text.join("\n"));
}

#[test]
fn a_number_that_is_not_finite_is_an_error() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut anomaly = example_anomaly();
        anomaly.observed = bad;
        let error = event::encode_anomaly(&anomaly).unwrap_err();
        assert!(
            matches!(&error, EncodeError::Value { event_type, .. } if event_type.contains("anomaly")),
            "{error}"
        );
    }
    let mut open = example_anomaly();
    open.band.low = f64::NEG_INFINITY;
    let encoded = written(event::encode_anomaly(&open));
    assert_eq!(
        event::decode_anomaly(&encoded.headers, &encoded.value),
        Ok(open.clone())
    );
    open.band.low = f64::INFINITY;
    assert!(
        event::encode_anomaly(&open).is_err(),
        "only the outer side of a band may be open"
    );
}

fn example_anomaly() -> forecall_types::Anomaly {
    let example = schema::examples(Payload::Anomaly).remove(0);
    event::decode_anomaly(&example.headers, &example.value).unwrap()
}

#[test]
fn an_event_that_is_too_large_names_its_size() {
    let example = schema::examples(Payload::IncidentState).remove(0);
    let mut incident = event::decode_incident_state(&example.headers, &example.value).unwrap();
    incident.reason = "x".repeat(event::EVENT_BYTES_MAX);
    match event::encode_incident_state(&incident) {
        Err(EncodeError::TooLarge { bytes, .. }) => assert!(bytes > event::EVENT_BYTES_MAX),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ciphertexts_never_enter_the_log() {
    let example = schema::examples(Payload::Customer).remove(0);
    let record: DirectoryRecord = event::decode_directory_record(&example.headers, &example.value).unwrap();
    assert!(!record.ciphertexts.is_empty());
    let entry = event::decode_outreach_entry(&example.headers, &example.value).unwrap();
    assert_eq!(entry, OutreachEntry::Customer(record.customer));
    let logged = event::encode_outreach_entry(&entry).unwrap();
    assert!(!String::from_utf8(logged.value).unwrap().contains("ciphertext"));
}

#[test]
fn every_action_has_an_example() {
    let kinds: std::collections::BTreeSet<String> = schema::examples(Payload::Command)
        .iter()
        .map(|e| serde_json::from_slice::<Value>(&e.value).unwrap()["action"]["kind"].to_string())
        .collect();
    assert_eq!(kinds.len(), 25);
    for example in schema::examples(Payload::Command) {
        let command = event::decode_command(&example.headers, &example.value).unwrap();
        let entry = if command.action.is_on_incident() {
            event::encode_correlate_entry(&CorrelateEntry::Command(command))
        } else {
            assert!(matches!(
                command.action,
                Action::Approve { .. }
                    | Action::Hold { .. }
                    | Action::Send { .. }
                    | Action::TakeBack { .. }
                    | Action::Say { .. }
                    | Action::Compensate { .. }
                    | Action::Drill { .. }
                    | Action::EndDrill { .. }
                    | Action::Kill { .. }
            ));
            event::encode_outreach_entry(&OutreachEntry::Command(command))
        };
        assert_eq!(entry.unwrap().key, b"isp");
    }
}

fn letter<'a>(reject: &'a Reject, position: &'a Position, value: Option<&'a [u8]>) -> DeadLetter<'a> {
    DeadLetter {
        reject,
        position,
        appended_at: forecall_types::EventTime::from_secs(60),
        key: Some(b"989121234567"),
        value,
        headers: &[("key", b"k"), ("trace", b"\xff")],
        record_bytes_max: 10,
        personal: None,
    }
}

#[test]
fn dead_letters_keep_what_they_may() {
    let reject = Reject::new(RejectReason::Malformed, "not JSON at line 1, column 1");
    let position = Position {
        topic: "calls".into(),
        partition: 2,
        offset: 9,
    };
    let read = |letter: &DeadLetter<'_>| {
        let encoded = letter.encode();
        let headers: serde_json::Map<String, Value> = encoded
            .headers
            .iter()
            .map(|(n, v)| (n.clone(), String::from_utf8_lossy(v).into()))
            .collect();
        assert_eq!(
            errors("forecall.dead-letter.v1", &headers.into()),
            Vec::<String>::new()
        );
        (
            DeadLetterRead::decode(&encoded.headers, &encoded.value).unwrap(),
            encoded,
        )
    };

    let (plain, _) = read(&letter(&reject, &position, Some(b"abc")));
    assert_eq!(
        (&plain.reject, &plain.position, plain.personal, plain.cut),
        (&reject, &position, false, false)
    );
    assert_eq!(
        (plain.bytes.as_slice(), plain.original_length),
        (&b"abc"[..], Some(3))
    );
    assert_eq!(
        plain.original_hash.as_deref(),
        Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        "FIPS 180-2, appendix B.1"
    );
    assert_eq!(plain.key.as_deref(), Some(&b"989121234567"[..]));
    assert_eq!(
        plain.headers,
        [
            ("key".to_owned(), b"k".to_vec()),
            ("trace".to_owned(), b"\xff".to_vec())
        ]
    );

    let margin = 10 + event::DEAD_LETTER_MARGIN_BYTES;
    let (whole, long) = (vec![7_u8; margin], vec![7_u8; margin + 1]);
    assert_eq!(read(&letter(&reject, &position, Some(&whole))).0.bytes, whole);
    let (cut, _) = read(&letter(&reject, &position, Some(&long)));
    assert_eq!(
        (cut.bytes.len(), cut.cut),
        (event::DEAD_LETTER_PREFIX_BYTES, true)
    );
    assert_eq!(cut.original_length, Some(margin as u64 + 1));

    let secret = DeadLetter {
        personal: Some(b"key"),
        ..letter(
            &reject,
            &position,
            Some(b"The quick brown fox jumps over the lazy dog"),
        )
    };
    let (personal, encoded) = read(&secret);
    assert!(personal.personal && personal.cut && personal.bytes.is_empty());
    assert!(personal.key.is_none() && personal.headers.is_empty());
    assert_eq!(
        personal.original_hash.as_deref(),
        Some("f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"),
        "HMAC-SHA-256 of a known text under `key`"
    );
    let all = format!("{encoded:?}");
    assert!(!all.contains("989121234567") && !all.contains("quick"));

    let (tombstone, _) = read(&letter(&reject, &position, None));
    assert_eq!(
        (tombstone.original_length, tombstone.original_hash, tombstone.cut),
        (None, None, false)
    );

    let many: Vec<(&str, &[u8])> = (0..100).map(|_| ("h", &whole[..1000])).collect();
    let crowded = DeadLetter {
        headers: &many,
        ..letter(&reject, &position, None)
    };
    let (crowded, encoded) = read(&crowded);
    assert_eq!(crowded.headers.len(), 16);
    assert_eq!(encoded.header("forecall_original_headers_dropped"), Some("84"));
}

#[test]
fn an_erasure_keeps_nothing() {
    let example = schema::examples(Payload::Customer).remove(1);
    let entry = event::decode_outreach_entry(&example.headers, &example.value).unwrap();
    assert!(matches!(
        entry,
        OutreachEntry::Customer(CustomerChange::Erased { .. })
    ));
}

#[test]
fn the_files_in_the_repository_are_those_that_are_made() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    for (path, text) in schema::files() {
        let path = root.join(path);
        if update {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == text,
            "{} is old: run `cargo xtask codegen`",
            path.display()
        );
    }
}

#[test]
fn the_asyncapi_document_holds_together() {
    let files = schema::files();
    let (_, text) = files.iter().find(|(p, _)| p.ends_with("asyncapi.json")).unwrap();
    let document: Value = serde_json::from_str(text).unwrap();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        match reference.strip_prefix('#') {
            Some(pointer) => assert!(document.pointer(pointer).is_some(), "{reference}"),
            None => {
                let name = reference.strip_prefix("./").unwrap();
                assert!(
                    files.iter().any(|(p, _)| *p == Path::new("schemas").join(name)),
                    "{reference}"
                );
            }
        }
    }
    let incidents = &document["channels"]["incidents"];
    assert_eq!(incidents["address"], "forecall.incidents.v1");
    assert_eq!(
        incidents["messages"]["incident-event"]["bindings"]["kafka"]["key"]["description"],
        "incident"
    );
    assert!(
        document["channels"].get("outreach-log").is_none(),
        "internal topics are no contract"
    );
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str() {
                    Some(text) if key == "$ref" => references.push(text.to_owned()),
                    _ => collect(value, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|i| collect(i, references)),
        _ => (),
    }
}

#[test]
fn what_journeys_read_and_tell_comes_back_unchanged() {
    for payload in [Payload::CustomerEvent, Payload::JourneyMark] {
        for example in schema::examples(payload) {
            let entry = event::decode_journey_entry(&example.headers, &example.value).unwrap();
            assert_eq!(written(event::encode_journey_entry(&entry)), example);
        }
    }
    let domain = forecall_types::DomainName::new("isp").unwrap();
    for payload in [Payload::FailedJourney, Payload::JourneyWave, Payload::JourneyMap] {
        for example in schema::examples(payload) {
            let told = event::decode_journey_event(&example.headers, &example.value).unwrap();
            assert_eq!(written(event::encode_journey_event(&told, &domain, 3)), example);
            assert!(event::decode_journey_entry(&example.headers, &example.value).is_err());
        }
    }
    let mut hash: Value = serde_json::from_slice(&schema::examples(Payload::FailedJourney)[0].value).unwrap();
    hash["key"] = json!("order-7");
    let headers = &schema::examples(Payload::FailedJourney)[0].headers;
    let refused = event::decode_journey_event(headers, hash.to_string().as_bytes()).unwrap_err();
    assert_eq!(refused.reason, RejectReason::BadValue);
    assert!(!refused.detail.contains("order-7"), "{}", refused.detail);
}
