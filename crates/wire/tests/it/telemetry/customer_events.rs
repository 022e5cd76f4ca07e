//! What happened to customers: where the parts stand, what is refused, and that nothing personal leaves.

use std::fmt::Write as _;

use forecall_types::RejectReason;
use forecall_wire::event::{decode_journey_entry, encode_journey_entry};
use forecall_wire::telemetry::{
    CustomerEvents, CustomerEventsSettings, Decoded, Format, decode, decode as decode_record,
};
use serde_json::json;

use super::{key, record, source};

const PHONE: &str = "09121234567";

fn by(settings: serde_json::Value) -> Result<Format, String> {
    let settings: CustomerEventsSettings = serde_json::from_value(settings).unwrap();
    let events = CustomerEvents::new(&settings).map_err(|e| e.to_string())?;
    Ok(Format::CustomerEvents(events))
}

/// One line an event, by the customer's own pseudonym.
fn decoded(format: Format, value: &str) -> String {
    let mut source = source(format);
    source.resource_defaults = forecall_types::Labels::default();
    let mut out = String::new();
    match decode(&source, Some(&key()), &record(value.as_bytes(), &[])) {
        Err(reject) => writeln!(out, "refused: {}: {}", reject.reason, reject.detail).unwrap(),
        Ok(Decoded::CustomerEvents(batch)) => {
            for e in &batch.events {
                let entry = forecall_types::JourneyEntry::Event(e.clone());
                let encoded = encode_journey_entry(&entry).unwrap();
                assert_eq!(decode_journey_entry(&encoded.headers, &encoded.value), Ok(entry));
                let who = if e.customer == key().customer(&source.domain, PHONE) {
                    "them"
                } else {
                    "somebody"
                };
                let or = |text: Option<&str>| text.unwrap_or("-").to_owned();
                writeln!(
                    out,
                    "{} of {who} at {}{} {} {}",
                    e.kind,
                    e.at.secs(),
                    if e.key.is_some() { " #" } else { "" },
                    or(e.service.as_ref().map(|s| s.as_str())),
                    or(e.region.as_ref().map(|r| r.as_str())),
                )
                .unwrap();
            }
            for reject in &batch.rejects {
                writeln!(out, "refused: {}: {}", reject.reason, reject.detail).unwrap();
            }
        }
        Ok(Decoded::Nothing) => writeln!(out, "nothing").unwrap(),
        Ok(Decoded::Samples(_) | Decoded::Calls(_)) => panic!("no events"),
    }
    assert!(!out.contains("9121234567"), "{out}");
    out
}

fn plain(value: &str) -> String {
    decoded(Format::from_name("customer_events").unwrap(), value)
}

#[test]
fn one_event_or_a_list_of_them() {
    let whole = r#"{"id":"e-1","at":"2026-01-01T00:00:00Z","kind":"payment.accepted","customer":"+98 912 123 4567","key":"order-7","service":"packages","region":"ir-23"}"#;
    assert_eq!(
        plain(whole),
        "payment.accepted of them at 1767225600 # packages IR-23\n"
    );
    let least = r#"[{"id":1,"kind":"a","customer":"09121234567"},{"id":2,"kind":"b","customer":"c-9"},null]"#;
    assert_eq!(
        plain(least),
        "a of them at 1767225600 - -\nb of somebody at 1767225600 - -\nrefused: missing_field: element 2: `/kind` is missing\n"
    );
    assert_eq!(plain("[]"), "nothing\n");
}

#[test]
fn what_is_wrong_is_named_and_never_quoted() {
    for (value, told) in [
        ("{", "refused: malformed: not JSON at line 1 column 1\n"),
        (
            r#"{"kind":"a","customer":"c"}"#,
            "refused: missing_field: element 0: `/id` is missing\n",
        ),
        (
            r#"{"id":"1","kind":"a"}"#,
            "refused: missing_field: element 0: `/customer` is missing\n",
        ),
        (
            r#"{"id":"1","kind":"a","customer":" "}"#,
            "refused: missing_field: element 0: `/customer` is missing\n",
        ),
        (
            r#"{"id":"1","kind":"a","customer":["c"]}"#,
            "refused: malformed: element 0: `/customer` is neither a text nor a number\n",
        ),
        (
            r#"{"id":"1","kind":"a","customer":"c","at":"yesterday"}"#,
            "refused: bad_time: element 0: `/at` is not a time between 1677 and 2262\n",
        ),
        (
            r#"{"id":"1","kind":"09121234567","customer":"c"}"#,
            "refused: not_allowed: element 0: kind: it looks like a person's number or address\n",
        ),
        (
            r#"{"id":"1","kind":"a","customer":"c","service":"sara@example.org"}"#,
            "refused: not_allowed: element 0: service: it looks like a person's number or address\n",
        ),
        (
            r#"{"id":"1","kind":"a","customer":"c","region":"تهران"}"#,
            "refused: bad_value: element 0: region: it needs 2 to 32 letters, digits and hyphens, such as IR-23\n",
        ),
    ] {
        assert_eq!(plain(value), told, "{value}");
    }
    let long = format!(r#"{{"id":"{}","kind":"a","customer":"c"}}"#, "x".repeat(1_025));
    assert_eq!(
        plain(&long),
        "refused: too_large: element 0: `/id` is longer than 1024 bytes\n"
    );
}

#[test]
fn where_the_parts_stand_can_be_said() {
    let format = by(json!({
        "kind": {"pointer": "/data/what"},
        "kinds": {"PAID": "payment.accepted"},
        "id": "",
        "at": "/data/when",
        "time_unit": "millis",
        "customer": {"pointer": "/data/msisdn"},
        "key": "/data/order",
        "service": "packages",
        "region": {"pointer": "/data/province", "or": "IR"},
        "envelope": "cloud_events",
    }))
    .unwrap();
    let event = r#"{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"what":"PAID","when":1767225600500,"msisdn":"00989121234567","order":7}}"#;
    assert_eq!(
        decoded(format, event),
        "payment.accepted of them at 1767225600 # packages IR\n"
    );
}

#[test]
fn a_wrong_declaration_is_told() {
    for (settings, why) in [
        (json!({"id": "id"}), "`id`: `id` is not a JSON pointer"),
        (
            json!({"customer": {"pointer": "who"}}),
            "`customer`: `who` is not a JSON pointer",
        ),
        (
            json!({"service": {"pointer": "/customer"}}),
            "`service` points at the customer",
        ),
        (
            json!({"kinds": {"x": ""}}),
            "`kinds` says ``, which is no kind of event: it is empty",
        ),
    ] {
        let error = by(settings).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn ids_and_keys_are_hashes_and_the_same_event_has_the_same() {
    let source = source(Format::from_name("customer_events").unwrap());
    let read = |value: &str| {
        let Ok(Decoded::CustomerEvents(batch)) =
            decode_record(&source, Some(&key()), &record(value.as_bytes(), &[]))
        else {
            panic!("it is an event");
        };
        batch.events.first().unwrap().clone()
    };
    let event = |id: &str, key: &str| {
        read(&format!(
            r#"{{"id":"{id}","kind":"a","customer":"{PHONE}","key":"{key}"}}"#
        ))
    };
    let first = event("pay-09121234567", "order-1");
    assert_eq!(first, event("pay-09121234567", "order-1"));
    assert_ne!(first.id, event("pay-2", "order-1").id);
    assert_ne!(first.key, event("pay-09121234567", "order-2").key);
    assert_eq!(
        first.region.as_ref().map(|r| r.as_str()),
        Some("IR-23"),
        "the source's own"
    );
    let encoded = encode_journey_entry(&forecall_types::JourneyEntry::Event(first)).unwrap();
    let mut bytes = encoded.key.clone();
    bytes.extend(&encoded.value);
    encoded.headers.iter().for_each(|(_, value)| bytes.extend(value));
    let text = String::from_utf8(bytes).unwrap();
    for seed in ["9121234567", "order-1", "pay-"] {
        assert!(!text.contains(seed), "{seed} in {text}");
    }
}

#[test]
fn events_without_a_key_of_pseudonyms_are_not_read() {
    let source = source(Format::from_name("customer_events").unwrap());
    assert!(source.personal);
    let value = br#"{"id":1,"kind":"a","customer":"c"}"#;
    let refused = decode(&source, None, &record(value, &[]));
    assert_eq!(refused.unwrap_err().reason, RejectReason::NotAllowed);
}
