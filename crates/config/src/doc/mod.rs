//! The reference and the editors' schema, made from the settings' own source.

mod model;
mod reference;
mod schema;
mod source;

use std::path::PathBuf;

use self::model::Model;

/// The generated files, with their paths from the root of the repository: the same bytes in every run.
#[allow(
    clippy::expect_used,
    reason = "the sources are compiled in and a test reads them all"
)]
pub fn files() -> Vec<(PathBuf, String)> {
    let model = Model::read().expect("a test reads the compiled-in sources");
    let schema = schema::document(&model).expect("a test makes the schema of the compiled-in sources");
    let page = reference::page(&model).expect("a test makes the page of the compiled-in sources");
    vec![
        (
            PathBuf::from("schemas/config.v1.json"),
            format!("{:#}\n", sorted(schema)),
        ),
        (PathBuf::from("docs/reference/config.md"), page),
    ]
}

/// Keys in alphabetical order, whatever map another crate of the build makes `serde_json` use.
fn sorted(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().map(|(k, v)| (k, sorted(v))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// A doc comment without the links between Rust names: ``[`x`](Self::x)`` becomes `` `x` ``.
fn plain(doc: &str) -> String {
    let mut out = String::new();
    let mut rest = doc;
    while let Some((before, after)) = rest.split_once("[`") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once("`]") else {
            out.push_str("[`");
            rest = after;
            continue;
        };
        out.push('`');
        out.push_str(name);
        out.push('`');
        rest = match behind.strip_prefix('(').and_then(|b| b.split_once(')')) {
            Some((_, behind)) => behind,
            None => behind,
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
