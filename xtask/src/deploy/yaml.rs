//! YAML as JSON values: what templates give is looked at, not shown.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// All documents of a text that aren't empty.
pub(super) fn documents(text: &str, of: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).with_context(|| format!("{of}: no YAML"))?;
    Ok(documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

/// The only document.
pub(super) fn document(text: &str, of: &str) -> Result<Value> {
    documents(text, of)?
        .into_iter()
        .next()
        .with_context(|| format!("{of}: it is empty"))
}

/// The text at a JSON pointer; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Those of one kind.
pub(super) fn of_kind<'a>(documents: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    documents
        .iter()
        .filter(move |document| text(document, "/kind") == kind)
}

/// Names of the files of a folder, in their order.
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("can't read {}", folder.display()))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
