//! What customers write: only counts come out.

use std::collections::BTreeMap;

use forecall_types::EventTime;
use forecall_wire::event::{DeadLetter, DeadLetterRead};
use forecall_wire::telemetry::{Decoded, Format, Texts, TextsError, TextsSettings, decode, samples};
use proptest::prelude::*;
use serde_json::json;

use super::{decoded, key, record, source};

fn by(settings: &TextsSettings) -> Format {
    Format::CustomerTexts(Texts::new(settings).unwrap())
}

#[test]
fn topics_of_ones_own_stand_beside_the_built_in_ones_or_alone() {
    let mut settings = TextsSettings {
        topics: BTreeMap::from([
            (
                "roaming".to_owned(),
                vec!["رومینگ".to_owned(), "roaming".to_owned()],
            ),
            ("slow".to_owned(), vec!["snail".to_owned()]),
        ]),
        ..TextsSettings::default()
    };
    let text = br#"{"time":1767225600,"text":"Roaming like a snail"}"#;
    let out = decoded(&source(by(&settings)), text);
    assert!(
        out.contains("{topic=roaming} of {region=IR-23} = events 1"),
        "{out}"
    );
    assert!(out.contains("{topic=slow} of {region=IR-23} = events 1"), "{out}");
    assert!(out.contains("{topic=down} of {region=IR-23} = events 0"), "{out}");
    settings.built_in = false;
    let out = decoded(&source(by(&settings)), text);
    assert!(
        out.contains("topic=slow} of {region=IR-23} = events 1") && !out.contains("topic=down"),
        "{out}"
    );
}

#[test]
fn where_the_parts_stand_can_be_said() {
    let settings: TextsSettings = serde_json::from_value(json!({
        "text": ["/data/words"],
        "time": "/data/at",
        "time_unit": "millis",
        "entity": { "service.name": "app", "region": { "pointer": "/data/city", "or": "ZZ" } },
        "labels": { "kind": "mention" },
        "envelope": "cloud_events",
    }))
    .unwrap();
    let event = br#"{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"at":1767225600123,"words":"lags"}}"#;
    let out = decoded(&source(by(&settings)), event);
    let first = out.lines().next().unwrap();
    assert_eq!(
        first,
        "1767225600s customer.texts [{text}] {kind=mention} of {region=ZZ, service.name=app} = events 1"
    );
}

#[test]
fn declarations_that_make_no_sense_are_refused() {
    let refused = |change: &dyn Fn(&mut TextsSettings)| {
        let mut settings = TextsSettings::default();
        change(&mut settings);
        Texts::new(&settings).unwrap_err().to_string()
    };
    let read = |pointer: &str| serde_json::from_value(json!({ "pointer": pointer })).unwrap();
    assert_eq!(
        refused(&|s| _ = s.labels.insert("what".into(), read("/text"))),
        "the label `what` points at the text itself"
    );
    assert_eq!(
        refused(&|s| _ = s.entity.insert("all".into(), read(""))),
        "the label `all` points at the text itself"
    );
    assert_eq!(refused(&|s| s.text.clear()), "`text` names no pointer");
    assert_eq!(
        refused(&|s| s.time = "time".into()),
        "`time`: `time` is not a JSON pointer: it is empty or begins with /"
    );
    assert_eq!(
        refused(&|s| s.built_in = false),
        "no topic is listened for: declare `topics`, or leave `built_in` true"
    );
    assert_eq!(
        refused(&|s| _ = s.topics.insert("x".into(), vec!["…".into()])),
        "the phrase `…` of `x` has no letter"
    );
    let mut long = TextsSettings::default();
    long.topics.insert("x".repeat(65), vec!["a".into()]);
    assert_eq!(Texts::new(&long), Err(TextsError::Name));
}

const WORDS: &str = "رمزواره";
const NUMBERS: [&str; 4] = ["09121234567", "۰۹۱۲۱۲۳۴۵۶۷", "+989121234567", "9121234567"];

/// Whatever a record with a name, a number and a text comes to, none of them is in what leaves: rows, the re-keyed form,
/// refusals, dead letters.
fn nothing_personal_leaves(value: &[u8]) {
    let source = source(Format::from_name("customer_texts").unwrap());
    assert!(source.personal);
    let record = record(value, &[]);
    let mut left = Vec::new();
    match decode(&source, Some(&key()), &record) {
        Ok(Decoded::Samples(samples)) => {
            left.extend_from_slice(&samples::encode(&samples));
            left.extend_from_slice(super::samples_text(&samples).as_bytes());
            left.extend_from_slice(format!("{samples:?}").as_bytes());
        }
        Ok(Decoded::Calls(_) | Decoded::CustomerEvents(_)) => panic!("no calls"),
        Ok(Decoded::Nothing) => {}
        Err(reject) => {
            left.extend_from_slice(format!("{reject:?}").as_bytes());
            let letter = DeadLetter {
                reject: &reject,
                position: &forecall_types::Position {
                    topic: "topic".into(),
                    partition: 0,
                    offset: 0,
                },
                appended_at: EventTime::from_secs(0),
                key: None,
                value: Some(value),
                headers: &[],
                record_bytes_max: 1 << 20,
                personal: Some(&[7; 32]),
            }
            .encode();
            left.extend_from_slice(&letter.value);
            left.extend_from_slice(format!("{:?}", letter.headers).as_bytes());
            let read = DeadLetterRead::decode(&letter.headers, &letter.value);
            left.extend_from_slice(format!("{read:?}").as_bytes());
        }
    }
    let left = String::from_utf8_lossy(&left);
    for secret in NUMBERS.iter().chain([&WORDS, &"maryam"]) {
        assert!(!left.contains(secret), "`{secret}` in {left}");
    }
}

#[test]
fn neither_text_nor_number_leaves() {
    for number in NUMBERS {
        let good = json!({"time": 1_767_225_600, "service": "mobile", "kind": "ticket",
            "phone": number, "text": format!("{WORDS} {number} maryam@example.com کسی خبر نداد")});
        let whole = good.to_string();
        nothing_personal_leaves(whole.as_bytes());
        // A number where the time stands would be a time: that is what the operator has declared.
        for field in ["service", "kind", "region"] {
            for value in [
                json!(number),
                json!(WORDS.repeat(20)),
                json!({"a": number}),
                json!("maryam@example.com"),
            ] {
                let mut bad = good.clone();
                bad[field] = value;
                nothing_personal_leaves(bad.to_string().as_bytes());
            }
        }
        let mut bad = good.clone();
        bad["text"] = json!([number, WORDS]);
        nothing_personal_leaves(bad.to_string().as_bytes());
        for cut in (0..whole.len()).step_by(3) {
            nothing_personal_leaves(&whole.as_bytes()[..cut]);
        }
    }
}

proptest! {
    /// A text counts once in the total, and once in each topic it is about, however often it says so.
    #[test]
    fn each_text_counts_once(texts in prop::collection::vec(("(slow|کند|down|ok){1}( slow| کند| قبض| hello){0,4}", 0_i64..3), 1..12)) {
        let list: Vec<_> = texts.iter().map(|(text, at)| json!({"time": 1_767_225_600 + at, "text": text})).collect();
        let decoded = decode(&source(Format::from_name("customer_texts").unwrap()), Some(&key()), &record(json!(list).to_string().as_bytes(), &[]));
        let Ok(Decoded::Samples(samples)) = decoded else { panic!("texts are counted") };
        let sum = |metric: &str, topic: Option<&str>| -> u64 {
            samples.batch.rows().iter().filter_map(|row| {
                let key = samples.batch.key(row)?;
                let forecall_types::Reading::Events { count } = samples.batch.reading(row)? else { panic!("events") };
                (*key.metric == *metric && key.labels.get("topic") == topic).then_some(count)
            }).sum()
        };
        let holding = |words: &[&str]| texts.iter().filter(|(t, _)| words.iter().any(|w| t.contains(w))).count() as u64;
        prop_assert_eq!(sum("customer.texts", None), texts.len() as u64);
        prop_assert_eq!(sum("customer.topics", Some("slow")), holding(&["slow", "کند"]));
        prop_assert_eq!(sum("customer.topics", Some("billing")), holding(&["قبض"]));
        prop_assert_eq!(sum("customer.topics", Some("down")), 0);
    }
}
