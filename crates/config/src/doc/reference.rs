//! The reference people read: a table a section.

use std::fmt::Write as _;

use serde_json::Value;

use super::model::{Model, ROOT, Type};
use super::plain;
use super::schema::kind;
use super::source::{Field, Payload, Shape, Variant};

const HEAD: &str = "# Configuration
<!-- Made by `cargo xtask codegen`; edit the code it is made from. -->

One YAML file. Every key has a default unless the table says *required*; an unknown key is refused. Check a file with
`forecall check --config FILE`. [`deploy/forecall.example.yaml`](../../deploy/forecall.example.yaml) is a whole one, and
[`schemas/config.v1.json`](../../schemas/config.v1.json) lets an editor complete and check it: begin the file with
`# yaml-language-server: $schema=…/schemas/config.v1.json`.

`${env:NAME}`, `${env:NAME:-default}` and `${file:/path}` stand for a value from the environment or a file. A secret must be
such a reference: it is refused as a literal unless `allow_literal_secrets: true` (demos only), and is never shown.

In headings `[]` stands for each entry of a list and `<…>` for a name of yours.
";

/// A struct still to be written: its heading and type.
type Section = (String, String);

pub(super) fn page(model: &Model) -> Result<String, String> {
    let mut out = HEAD.to_owned();
    let mut done: Vec<Section> = Vec::new();
    let mut open = vec![(String::new(), ROOT.to_owned())];
    while let Some((path, name)) = open.pop() {
        if done.iter().any(|(_, known)| *known == name) {
            continue;
        }
        done.push((path.clone(), name.clone()));
        let mut inner = section(model, &path, &name, &mut out)?;
        inner.reverse();
        open.append(&mut inner);
    }
    Ok(out)
}

/// Writes one section and answers the sections in it, in order.
fn section(model: &Model, path: &str, name: &str, out: &mut String) -> Result<Vec<Section>, String> {
    let item = model
        .items
        .get(name)
        .ok_or_else(|| format!("type `{name}` is in none of the sources"))?;
    let Shape::Struct(fields) = &item.shape else {
        return Err(format!("`{name}` is no section"));
    };
    let heading = if path.is_empty() { "The file" } else { path };
    let code = if path.is_empty() { "" } else { "`" };
    let mut text = format!("\n## {code}{heading}{code}\n{}\n\n", plain(&item.doc));
    text.push_str("| key | type | default | what it is for |\n|---|---|---|---|\n");
    let mut inner = Vec::new();
    let mut choices = Vec::new();
    for field in fields {
        let mut row = Row {
            model,
            path: join(path, &field.key),
            inner: &mut inner,
            choices: &mut choices,
            key: &field.key,
        };
        let ty = row.describe(&Type::parse(&field.ty), field.serde.in_seconds)?;
        let default = shown_default(model, name, item.serde.default, field);
        let _ = writeln!(
            text,
            "| `{}` | {ty} | {default} | {} |",
            field.key,
            plain(&field.doc).replace('|', "\\|")
        );
    }
    write_choices(&mut text, &choices);
    out.push_str(&text);
    Ok(inner)
}

/// The values of enums; keys with the same ones share a list.
fn write_choices(text: &mut String, choices: &[(String, &[Variant])]) {
    let mut written: Vec<&[Variant]> = Vec::new();
    for (_, variants) in choices {
        if written.contains(variants) {
            continue;
        }
        written.push(variants);
        let mut keys: Vec<String> = Vec::new();
        for (key, _) in choices.iter().filter(|(_, same)| same == variants) {
            let key = format!("`{key}`");
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let _ = writeln!(text, "\nValues of {}:", keys.join(", "));
        for variant in *variants {
            let _ = writeln!(text, "- `{}`: {}", variant.name, plain(&variant.doc));
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn shown_default(model: &Model, name: &str, whole: bool, field: &Field) -> String {
    if super::schema::is_section(model, &field.ty) && (whole || field.serde.default) {
        return "see there".to_owned();
    }
    let required = !whole && !field.serde.default && !field.ty.starts_with("Option<");
    match model.default(name, &field.key) {
        _ if required => "*required*".to_owned(),
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "empty".to_owned(),
        Some(Value::Array(list)) if list.is_empty() => "empty".to_owned(),
        Some(Value::Object(map)) if map.is_empty() => "empty".to_owned(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(value @ (Value::Array(_) | Value::Object(_))) => format!("`{value}`").replace('|', "\\|"),
        Some(value) => format!("`{value}`"),
    }
}

/// What stands for the key of a map in a heading.
fn placeholder(key: &Type) -> &'static str {
    match key {
        Type::Named(name) => match name.as_str() {
            "QueueName" => "queue",
            "ServiceName" => "service",
            "RegionCode" => "region",
            "ContactChannel" => "channel",
            "NoticeStage" => "stage",
            _ => "name",
        },
        Type::Optional(_) | Type::Shared(_) | Type::List(_) | Type::Map(..) => "name",
    }
}

struct Row<'a, 'm> {
    model: &'m Model,
    path: String,
    inner: &'a mut Vec<Section>,
    choices: &'a mut Vec<(String, &'m [Variant])>,
    key: &'a str,
}

impl Row<'_, '_> {
    fn describe(&mut self, ty: &Type, seconds: bool) -> Result<String, String> {
        Ok(match ty {
            Type::Optional(inner) | Type::Shared(inner) => self.describe(inner, seconds)?,
            Type::List(inner) => {
                self.path.push_str("[]");
                format!("list of {}", self.describe(inner, seconds)?)
            }
            Type::Map(key, value) => {
                let _ = write!(self.path, ".<{}>", placeholder(key));
                let key = self.describe(key, false)?;
                format!("map: {key} → {}", self.describe(value, seconds)?)
            }
            Type::Named(name) => match kind(name, seconds) {
                Some("integer") if seconds => "integer (seconds)".to_owned(),
                Some(word) => word.to_owned(),
                None => self.named(name)?,
            },
        })
    }

    fn named(&mut self, name: &str) -> Result<String, String> {
        let item = self
            .model
            .items
            .get(name)
            .ok_or_else(|| format!("type `{name}` is in none of the sources"))?;
        Ok(match &item.shape {
            // Two languages need no table of their own.
            Shape::Struct(fields) if name == "Words" => {
                let keys: Vec<&str> = fields.iter().map(|f| f.key.as_str()).collect();
                format!("texts `{{{}}}`", keys.join(", "))
            }
            Shape::Struct(_) => {
                self.inner.push((self.path.clone(), name.to_owned()));
                "section".to_owned()
            }
            Shape::Wrapper(inner) => self.describe(&Type::parse(inner), false)?,
            Shape::Enum(variants) if item.serde.untagged => {
                let mut cases = Vec::new();
                for variant in variants {
                    cases.push(match &variant.payload {
                        Payload::Type(ty) => self.describe(&Type::parse(ty), false)?,
                        Payload::Fields(fields) => {
                            let keys: Vec<&str> = fields.iter().map(|f| f.key.as_str()).collect();
                            format!("`{{{}}}`", keys.join(", "))
                        }
                        Payload::None => "none".to_owned(),
                    });
                }
                cases.join(" or ")
            }
            Shape::Enum(variants) => {
                for variant in variants {
                    let Payload::Type(ty) = &variant.payload else {
                        continue;
                    };
                    let before = self.path.len();
                    let _ = write!(self.path, ".{}", variant.name);
                    self.describe(&Type::parse(ty), false)?;
                    self.path.truncate(before);
                }
                self.choices.push((self.key.to_owned(), variants));
                let names: Vec<String> = variants.iter().map(|v| format!("`{}`", v.name)).collect();
                if names.len() > 4 {
                    "one of those below".to_owned()
                } else {
                    names.join(", ")
                }
            }
        })
    }
}
