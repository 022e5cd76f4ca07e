//! `--said FILE`: what people said while the telemetry was recorded, or would have said: verdicts and commands, one a line, as
//! `forecall.feedback.v1` and `forecall.commands.v1` hold them.
//!
//! Incidents have the same ids in every run of the same records, so a verdict on one of a live run, or of an earlier replay, is on
//! the same one here.

use std::path::Path;
use std::sync::Arc;

use forecall_config::Settings;
use forecall_log::OutRecord;
use forecall_types::EventTime;
use forecall_wire::event::{
    Encoded, TopicId, command_of_value, encode_command, encode_feedback, feedback_of_value,
};
use serde_json::{Map, Value, json};

use super::context_input::Announced;
use super::house::Stamped;

/// Whoever speaks where a line doesn't say.
const SPEAKER: &str = "replay";

/// Reads the file, if one is named; nothing of it is heard before `start`.
pub(super) fn read(path: Option<&Path>, settings: &Settings, start: EventTime) -> anyhow::Result<Announced> {
    let Some(path) = path else {
        return Ok(Announced::default());
    };
    Announced::of_lines(path, "words", |_, line, value| match one(value, line, settings) {
        Ok((at, record)) => {
            let at = at.max(start);
            (Some(Stamped { at, record }), Vec::new())
        }
        Err(why) => (None, vec![why]),
    })
}

/// A line as a record of its topic. An event with its envelope (`{"type":…,"id":…,"data":{…}}`) is read as well as the value alone.
fn one(line: &[u8], number: i64, settings: &Settings) -> Result<(EventTime, OutRecord), String> {
    let mut all: Map<String, Value> =
        serde_json::from_slice(line).map_err(|e| format!("no JSON object, at column {}", e.column()))?;
    let envelope = all.get("id").cloned();
    if let Some(Value::Object(data)) = all.remove("data") {
        all = data;
        envelope.map(|id| all.entry("id").or_insert(id));
    }
    all.entry("id").or_insert_with(|| json!(format!("line {number}")));
    all.entry("domain").or_insert_with(|| json!(settings.domain));
    let is_verdict = all.contains_key("verdict");
    if !is_verdict {
        all.entry("by").or_insert_with(|| json!(SPEAKER));
    }
    let value = Value::Object(all).to_string();
    let kind = if is_verdict { "verdict" } else { "command" };
    let refused = |reject: forecall_types::Reject| {
        // Its place is one in what was made of the line.
        let detail = reject.detail.split(" at line ").next().unwrap_or_default();
        format!("no {kind}: {}: {detail}", reject.reason)
    };
    let (at, topic, encoded) = if is_verdict {
        let feedback = feedback_of_value(value.as_bytes()).map_err(refused)?;
        (feedback.at, TopicId::Feedback, encode_feedback(&feedback))
    } else {
        let command = command_of_value(value.as_bytes()).map_err(refused)?;
        (command.at, TopicId::Commands, encode_command(&command))
    };
    let Encoded { key, value, headers } = encoded.map_err(|e| e.to_string())?;
    let record = OutRecord {
        topic: Arc::from(settings.topic_names().name(topic)),
        partition: None,
        key: Some(key),
        value: Some(value),
        headers,
    };
    Ok((at, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let text = "domain: isp\ntopology:\n  services: [ { name: tv, customer_facing: true } ]\n  regions: [ { code: IR-10, names: { en: Isfahan, fa: اصفهان }, time_zone: Asia/Tehran } ]\n";
        Settings::from_yaml("c.yaml", text).unwrap()
    }

    #[test]
    fn verdicts_and_commands_are_read_with_and_without_their_envelope_and_mistakes_are_named() {
        let path = std::env::temp_dir().join(format!("forecall-said-{}.jsonl", std::process::id()));
        let text = r#"{"type":"forecall.feedback.v1","id":"f7","data":{"incident":"inc_1","at":"2026-03-01T12:00:00Z","verdict":"expected"}}
{"incident":"inc_1","at":"2026-03-01T11:00:00Z","verdict":"right","onset":"2026-03-01T10:00:00Z"}

{"at":"2026-03-01T10:00:00Z","action":{"kind":"acknowledge","incident":"inc_1"}}
{"incident":"inc_1","at":"2026-03-01T11:00:00Z","verdict":"maybe"}
{"incident":"inc_1","verdict":"right"}
nonsense
{"at":"2026-03-01T11:00:00Z","hello":1}
"#;
        std::fs::write(&path, text).unwrap();
        let start = EventTime::from_secs(1_772_360_000);
        let said = read(Some(&path), &settings(), start).unwrap();
        std::fs::remove_file(&path).unwrap();
        let topics: Vec<&str> = said.records.iter().map(|r| &*r.record.topic).collect();
        assert_eq!(
            topics,
            [
                "forecall.commands.v1",
                "forecall.feedback.v1",
                "forecall.feedback.v1"
            ]
        );
        let times: Vec<i64> = said.records.iter().map(|r| r.at.secs() - start.secs()).collect();
        assert_eq!(
            times,
            [0, 2_800, 6_400],
            "the first was said before the telemetry begins"
        );
        assert_eq!(said.bad, 4);
        let wanted = [
            (5, "no verdict: "),
            (6, "no verdict: "),
            (7, "no JSON object"),
            (8, "no command: "),
        ];
        for (told, (line, what)) in said.told.iter().zip(wanted) {
            assert!(
                told.contains(&format!("jsonl:{line}: ")) && told.contains(what),
                "{told}"
            );
        }
        assert_eq!(said.inputs[0]["rows"], 7);
    }
}
