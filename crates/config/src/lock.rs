//! All that decides what a replay tells, every default written out; never a secret.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::{ConfigError, Problem};
use crate::expand::{Expanded, expand};
use crate::parse_error::problem_of;
use crate::raw::File;
use crate::secret::SECRET_KEYS;

/// Sections that decide what is told. The others say where things come from and go to; in them secrets stand.
const KEPT: [&str; 13] = [
    "domain",
    "simulated",
    "topics",
    "sources",
    "detect",
    "journeys",
    "topology",
    "correlate",
    "objectives",
    "teams",
    "outreach",
    "directory",
    "canary",
];
/// A value from a reference is put back wherever it stands in a text, if it is at least so long; shorter ones are found by chance.
const WITHIN_BYTES_MIN: usize = 4;

const HEAD: &str = "\
# All settings that decided this run, every default written out. It serves as --config of another replay.
# Left out, because it decides nothing here and holds secrets: kafka, gateways, bridges, remedies, ledger, delivery, state, api,
# http, logs, group. What came from the environment or a file stands as its reference.
";

/// A configuration, locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// YAML that [`Settings`](crate::Settings) can be read from.
    pub text: String,
    /// Teams with an alert budget.
    pub teams: usize,
}

/// Locks the configuration in `text`; `name` stands for the file in errors.
///
/// # Errors
/// It can't be read.
pub fn locked(name: &str, text: &str) -> Result<Locked, ConfigError> {
    let failed = |problems| ConfigError::new(name, text, problems);
    let bug = |what: String| failed(vec![Problem { place: None, what }]);
    let expanded = expand(text).map_err(failed)?;
    let blank = |l: &str| l.trim().is_empty() || l.trim_start().starts_with('#');
    let file: File = if expanded.text.lines().all(blank) {
        File::default()
    } else {
        serde_saphyr::from_str(&expanded.text)
            .map_err(|error| failed(vec![problem_of(&error, text, &expanded.values)]))?
    };
    let teams = file.teams.len();
    let value = serde_json::to_value(file).map_err(|e| bug(e.to_string()))?;
    let Value::Object(mut all) = value else {
        return Err(bug("the configuration is no map".to_owned()));
    };
    let mut kept = Map::new();
    for key in KEPT {
        if let Some(section) = all.remove(key) {
            kept.insert(key.to_owned(), cleaned(section, &expanded));
        }
    }
    let yaml = serde_saphyr::to_string(&Value::Object(kept)).map_err(|e| bug(e.to_string()))?;
    Ok(Locked {
        text: format!("{HEAD}{yaml}"),
        teams,
    })
}

/// Every setting of a lock by its path (`correlate.horizon_minutes`, `teams.0.name`), as JSON.
///
/// # Errors
/// The text is no YAML.
pub fn leaves(text: &str) -> Result<BTreeMap<String, String>, String> {
    let value: Value = serde_saphyr::from_str(text).map_err(|_| "it is no YAML".to_owned())?;
    let mut all = BTreeMap::new();
    spread(&value, String::new(), &mut all);
    Ok(all)
}

fn spread(value: &Value, path: String, into: &mut BTreeMap<String, String>) {
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                spread(value, below(key), into);
            }
        }
        Value::Array(all) if !all.is_empty() => {
            for (n, value) in all.iter().enumerate() {
                spread(value, below(&n.to_string()), into);
            }
        }
        _ => {
            into.insert(path, value.to_string());
        }
    }
}

/// The same without what is null or called like a secret, references in the place of what came from them.
fn cleaned(value: Value, expanded: &Expanded) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(key, value)| !value.is_null() && !SECRET_KEYS.contains(&key.as_str()))
                .map(|(key, value)| (put_back(key, expanded), cleaned(value, expanded)))
                .collect(),
        ),
        Value::Array(all) => Value::Array(all.into_iter().map(|v| cleaned(v, expanded)).collect()),
        Value::String(text) => Value::String(put_back(text, expanded)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

fn put_back(text: String, expanded: &Expanded) -> String {
    let mut known: Vec<(&String, &String)> = expanded.values.iter().zip(&expanded.references).collect();
    // Of two of which one holds the other, the longer.
    known.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    if let Some((_, reference)) = known.iter().find(|(value, _)| **value == text) {
        return (*reference).clone();
    }
    known
        .iter()
        .filter(|(value, _)| value.len() >= WITHIN_BYTES_MIN)
        .find(|(value, _)| text.contains(value.as_str()))
        .map_or(text.clone(), |(value, reference)| {
            text.replace(value.as_str(), reference)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    const TEXT: &str = "
domain: ${env:FORECALL_NOT_SET:-telecom-north}
allow_literal_secrets: true
kafka: { bootstrap_servers: 'localhost:9092', security_protocol: sasl_ssl, sasl_mechanism: SCRAM-SHA-512, sasl_username: forecall, sasl_password: hunter2hunter2 }
ledger: { path: x.db, master_key: 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff }
detect: { lateness_seconds: 45 }
teams: [{ name: noc, pages_a_day: 2, services: [net] }]
topology: { services: [{ name: net }], regions: [{ code: IR-23, names: { fa: تهران, en: Tehran } }] }
objectives: [{ metric: latency, above: 80 }]
";

    #[test]
    fn all_that_decides_is_there_and_no_secret() {
        let lock = locked("a.yaml", TEXT).unwrap();
        assert_eq!(lock.teams, 1);
        for part in [
            "lateness_seconds: 45",
            "${env:FORECALL_NOT_SET:-telecom-north}",
            "confirm_score:",
            "latency",
        ] {
            assert!(lock.text.contains(part), "{part} is missing in {}", lock.text);
        }
        for part in ["hunter", "ddeeff", "kafka:", "ledger:", "***", "domain: telecom"] {
            assert!(!lock.text.contains(part), "{part} stands in {}", lock.text);
        }
    }

    #[test]
    fn a_lock_is_a_configuration_and_locks_to_itself() {
        for text in ["", TEXT] {
            let lock = locked("a.yaml", text).unwrap();
            let again = locked("lock.yaml", &lock.text).unwrap();
            assert_eq!(lock, again);
            let (before, after) = (
                Settings::from_yaml("a.yaml", text).unwrap(),
                Settings::from_yaml("lock.yaml", &lock.text).unwrap(),
            );
            assert_eq!(before.detect, after.detect);
            assert_eq!(before.domain, after.domain);
        }
    }

    #[test]
    fn leaves_are_named_by_their_path() {
        let all = leaves("a: { b: [1, { c: x }], d: [] }\n").unwrap();
        let all: Vec<_> = all.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(all, ["a.b.0=1", "a.b.1.c=\"x\"", "a.d=[]"]);
        let before = leaves(&locked("a", "").unwrap().text).unwrap();
        let after = leaves(&locked("a", "detect: { lateness_seconds: 45 }").unwrap().text).unwrap();
        let other: Vec<_> = after.iter().filter(|(k, v)| before.get(*k) != Some(v)).collect();
        assert_eq!(other.len(), 1, "{other:?}");
        assert_eq!(other[0].0, "detect.lateness_seconds");
    }

    #[test]
    fn a_value_of_a_reference_stands_nowhere() {
        let text = "
domain: a
outreach: { brand: { name: { fa: \"x ${env:FORECALL_NOT_SET:-Shatel-7} y\", en: \"${env:FORECALL_NOT_SET:-No}\" } } }
";
        let lock = locked("a.yaml", text);
        let lock = lock.unwrap().text;
        assert!(!lock.contains("x Shatel-7"), "{lock}");
        assert!(lock.contains("x ${env:FORECALL_NOT_SET:-Shatel-7} y"), "{lock}");
    }
}
