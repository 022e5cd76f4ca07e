//! The published contract, as a subscriber would hold a record against it: CloudEvents headers and JSON Schema.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::broker::Read;

/// Schemas by the header that names them, read once.
#[derive(Default)]
pub(crate) struct Contract(BTreeMap<String, jsonschema::Validator>);

impl Contract {
    /// Holds an event against CloudEvents' binary mode and against the schema that it names; gives its value.
    ///
    /// # Panics
    /// It doesn't keep the contract.
    pub(crate) fn check(&mut self, event: &Read) -> Value {
        let place = format!("{}/{}/{}", event.topic, event.partition, event.offset);
        let header = |name: &str| {
            let text = event.header(name).filter(|text| !text.is_empty());
            text.unwrap_or_else(|| panic!("{place} has no header {name}"))
        };
        assert_eq!(header("ce_specversion"), "1.0", "{place}");
        let event_type = header("ce_type");
        assert!(
            event_type.starts_with("forecall.") && event_type.ends_with(".v1"),
            "{place}: {event_type}"
        );
        assert!(header("ce_source").starts_with("forecall"), "{place}");
        assert!(header("ce_id").contains('/'), "{place}: ce_id is <id>/<revision>");
        let generated = forecall_wire::schema::schema_for(event_type)
            .unwrap_or_else(|| panic!("{place}: {event_type} has no schema"));
        if event_type == "forecall.dead-letter.v1" {
            self.valid(&place, event_type, &generated, &headers(event));
            return Value::Null;
        }
        assert_eq!(header("content-type"), "application/json", "{place}");
        let published = published(header("ce_dataschema"));
        assert_eq!(
            published, generated,
            "{event_type}: `schemas/` is stale, run `cargo xtask codegen`"
        );
        let value = serde_json::from_slice(event.value.as_deref().unwrap())
            .unwrap_or_else(|error| panic!("{place} holds no JSON: {error}"));
        self.valid(&place, event_type, &published, &value);
        value
    }

    fn valid(&mut self, place: &str, event_type: &str, schema: &Value, value: &Value) {
        let validator = self.0.entry(event_type.to_owned()).or_insert_with(|| {
            jsonschema::options()
                .should_validate_formats(true)
                .build(schema)
                .unwrap()
        });
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(
            errors.is_empty(),
            "{place} ({event_type}) breaks its schema: {errors:#?}\n{value:#}"
        );
    }
}

/// The file of the repository that a `ce_dataschema` names.
fn published(uri: &str) -> Value {
    let path = uri
        .strip_prefix("forecall:")
        .unwrap_or_else(|| panic!("{uri} names no schema of forecall's"));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap()
}

fn headers(event: &Read) -> Value {
    let texts = event
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(String::from_utf8_lossy(value))));
    texts.collect::<Map<_, _>>().into()
}
