//! What people announce: beside the corpus, where the parts stand and what is refused at the start.

use forecall_types::RejectReason;
use forecall_wire::telemetry::{Announcements, ContextSettings, Decoded, Format, decode, samples};
use serde_json::json;

use super::{decoded, record, source};

fn by(settings: serde_json::Value) -> Result<Format, String> {
    let settings: ContextSettings = serde_json::from_value(settings).unwrap();
    let announcements = Announcements::new(&settings).map_err(|e| e.to_string())?;
    Ok(Format::Context(announcements))
}

#[test]
fn where_the_parts_stand_can_be_said() {
    let format = by(json!({
        "kind": {"pointer": "/data/what"},
        "kinds": {"rollout": "deployment", "werk": "maintenance"},
        "id": "/data/change",
        "from": "/data/at",
        "until": "",
        "time_unit": "millis",
        "match": "/data/labels",
        "labels": {"service.name": {"pointer": "/data/app"}, "env": "prod*"},
        "default_seconds": 60,
        "envelope": "cloud_events",
    }))
    .unwrap();
    let event = br#"{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"what":"rollout","change":"c1","at":1767225600500,"app":"shop","labels":{"env":"test","cell":"4*"}}}"#;
    let out = decoded(&source(format), event);
    assert_eq!(
        out,
        "deployment c1 1767225600.500000000s to 1767225660.500000000s of {cell=4*, env=prod*, service.name=shop}\n"
    );
    let format = by(json!({
        "kind": "deployment",
        "labels": {"service.name": {"pointer": "/app"}, "env": "prod*"},
        "default_seconds": 60,
    }))
    .unwrap();
    let out = decoded(
        &source(format),
        br#"{"id":"c1","app":"shop","match":{"env":"test","cell":"4*"}}"#,
    );
    assert_eq!(
        out,
        "deployment c1 1767225600s to 1767225660s of {cell=4*, env=prod*, service.name=shop}\n"
    );
}

#[test]
fn a_wrong_declaration_is_told() {
    for (settings, why) in [
        (json!({"id": "id"}), "`id`: `id` is not a JSON pointer"),
        (
            json!({"labels": {"a": {"pointer": "b"}}}),
            "`labels.a`: `b` is not a JSON pointer",
        ),
        (
            json!({"kind": "party"}),
            "`kind` says `party`, which is none of deployment",
        ),
        (
            json!({"kinds": {"a": "b"}}),
            "`kinds` says `b`, which is none of deployment",
        ),
        (
            json!({"default_seconds": 0}),
            "`default_seconds` must lie between 1 and 86400",
        ),
        (json!({"operations": ["d"]}), "`operations`: `d` is none of"),
    ] {
        let said = by(settings).unwrap_err();
        assert!(said.starts_with(why), "{said}");
    }
}

#[test]
fn a_list_has_its_bound() {
    let one = json!({"kind": "deployment", "id": "d", "match": {"a": "b"}});
    let list = |n| serde_json::to_vec(&vec![one.clone(); n]).unwrap();
    let source = source(Format::from_name("context").unwrap());
    let (most, more) = (list(samples::CONTEXTS_MAX), list(samples::CONTEXTS_MAX + 1));
    let Ok(Decoded::Samples(read)) = decode(&source, None, &record(&most, &[])) else {
        panic!("it is refused");
    };
    assert_eq!(read.contexts.len(), samples::CONTEXTS_MAX);
    let refused = decode(&source, None, &record(&more, &[]))
        .map(|_| ())
        .unwrap_err();
    assert_eq!(refused.reason, RejectReason::TooLarge);
}

#[test]
fn only_a_record_with_contexts_is_of_the_new_version() {
    let source = source(Format::from_name("context").unwrap());
    let value = br#"{"kind":"maintenance","id":"m","until":1767226000,"match":{"a":"b*"}}"#;
    let Ok(Decoded::Samples(mut read)) = decode(&source, None, &record(value, &[])) else {
        panic!("it is refused");
    };
    let bytes = samples::encode(&read);
    assert_eq!(bytes[0], samples::VERSION_CONTEXT);
    let back = samples::decode(&bytes).unwrap();
    assert_eq!(back.contexts, read.contexts);
    // In the memory of a record with contexts, one without has none.
    read.contexts.clear();
    let plain = samples::encode(&read);
    assert_eq!(plain[0], samples::VERSION);
    assert!(
        samples::decode_reusing(&plain, Some(back))
            .unwrap()
            .contexts
            .is_empty()
    );
    // A record of before that claims contexts has bytes left over.
    let mut older = bytes;
    older[0] = samples::VERSION;
    assert_eq!(
        samples::decode(&older).unwrap_err().reason,
        RejectReason::Malformed
    );
}
