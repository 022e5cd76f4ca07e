//! A folder of results, read again.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use forecall_types::EventTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::output::{MANIFEST, hash_of};
use super::time_text;
use super::told::Results;

/// What a folder holds.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) manifest: Value,
    pub(super) metrics: Value,
    /// Text of `config.lock.yaml`.
    pub(super) config: String,
    pub(super) results: Results,
}

impl Folder {
    /// Reads a folder whose files are those its manifest names.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let manifest = json(path, MANIFEST)?;
        check(path, &manifest)?;
        let text = |field: &str| manifest.get(field).and_then(Value::as_str).map(str::to_owned);
        let end = text("to")
            .and_then(|text| time_text::parse(&text, &TimeZone::UTC))
            .with_context(|| format!("{} is of a version that didn't say its time", path.display()))?;
        Ok(Self {
            metrics: json(path, "metrics.json")?,
            config: read(path, "config.lock.yaml")?,
            results: Results::read(path, end)?,
            path: path.to_owned(),
            manifest,
        })
    }

    /// First and last moment of its input.
    pub(super) fn span(&self) -> Option<(EventTime, EventTime)> {
        let at = |field: &str| {
            let text = self.manifest.get(field)?.as_str()?;
            time_text::parse(text, &TimeZone::UTC)
        };
        at("from").zip(at("to"))
    }

    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.manifest.get(name)
    }
}

fn read(folder: &Path, name: &str) -> anyhow::Result<String> {
    let path = folder.join(name);
    std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
}

fn json(folder: &Path, name: &str) -> anyhow::Result<Value> {
    let text = read(folder, name)?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", folder.join(name).display()))
}

/// The files that are compared are what the run wrote.
fn check(folder: &Path, manifest: &Value) -> anyhow::Result<()> {
    let outputs = manifest.get("outputs").and_then(Value::as_array);
    let outputs = outputs.with_context(|| {
        format!(
            "{} is of a version that wrote no hashes: replay it again",
            folder.join(MANIFEST).display()
        )
    })?;
    for name in [
        "incidents.jsonl",
        "anomalies.jsonl",
        "notices.jsonl",
        "config.lock.yaml",
        "metrics.json",
    ] {
        let path = folder.join(name);
        let (_, hash) = hash_of(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let told = outputs
            .iter()
            .find(|o| o.get("path").and_then(Value::as_str) == Some(name))
            .and_then(|o| o.get("xxh3_128")?.as_str());
        if told != Some(hash.to_string().as_str()) {
            bail!("{} is not the file that its manifest names", path.display());
        }
    }
    Ok(())
}
