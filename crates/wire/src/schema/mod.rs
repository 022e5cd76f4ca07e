//! The contract in files: a JSON Schema for each payload, an AsyncAPI document, and the reference of events and topics.
//!
//! All of it is made from the structs of [`crate::event`] and the table of topics, so it can't lag behind them; a test
//! holds the files in the repository against [`files`].
//!
//! ```
//! let schema = forecall_wire::schema::schema_for("forecall.incident.predicted.v1").ok_or("unknown")?;
//! assert_eq!(schema["$id"], "forecall:schemas/incident-event.v1.json");
//! # Ok::<(), &str>(())
//! ```

mod asyncapi;
mod examples;
mod incident_examples;
mod json_schema;
mod promises;
mod reference;

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::event::Payload;

pub use examples::examples;
pub use promises::{
    BrokenPromise, Side, broken_by_this_build, broken_promises, broken_topic_promises, promised_files,
    side_of,
};

/// The schema of what an event of this type (`ce_type`) carries; of the headers for a dead letter. `None`: no type of
/// forecall's.
pub fn schema_for(event_type: &str) -> Option<Value> {
    Payload::of_event_type(event_type).map(json_schema::of)
}

/// Every generated file: its path from the root of the repository, and its text. Equal on every machine.
pub fn files() -> Vec<(PathBuf, String)> {
    let mut files: Vec<(PathBuf, String)> = Payload::ALL
        .into_iter()
        .map(|payload| (payload.schema_path().into(), pretty(json_schema::of(payload))))
        .collect();
    let screens = crate::screen::schemas();
    files.extend(screens.map(|(path, schema)| (path.into(), pretty(schema))));
    files.push(("schemas/asyncapi.json".into(), pretty(asyncapi::document())));
    files.push(("docs/reference/events.md".into(), reference::events()));
    files.push(("docs/reference/topics.md".into(), reference::topics()));
    files
}

/// JSON text with keys in alphabetical order, whatever map another crate of the build makes `serde_json` use.
fn pretty(value: Value) -> String {
    let mut text = format!("{:#}", sorted(value));
    text.push('\n');
    text
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(
                entries
                    .into_iter()
                    .map(|(k, v)| (k, sorted(v)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
