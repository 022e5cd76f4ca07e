//! The JSON Schema (2020-12) editors complete and check by.

use serde_json::{Map, Value, json};

use super::model::{Model, ROOT, Type};
use super::plain;
use super::source::{Field, Item, Payload, Shape, Variant};

/// What stands for any scalar: a value from the environment or a file.
const REFERENCE: &str = "^\\$\\{(env|file):";

pub(super) fn document(model: &Model) -> Result<Value, String> {
    let mut defs = Map::new();
    add(model, ROOT, &mut defs)?;
    let Some(Value::Object(mut root)) = defs.remove(ROOT) else {
        return Err("no root".to_owned());
    };
    root.insert(
        "$schema".into(),
        "https://json-schema.org/draft/2020-12/schema".into(),
    );
    root.insert("title".into(), "forecall configuration".into());
    root.insert(
        "$comment".into(),
        "Made by `cargo xtask codegen`; edit the code it is made from.".into(),
    );
    root.insert("$defs".into(), Value::Object(defs));
    Ok(Value::Object(root))
}

/// Adds a type and all it holds.
fn add(model: &Model, name: &str, defs: &mut Map<String, Value>) -> Result<(), String> {
    if defs.contains_key(name) {
        return Ok(());
    }
    let item = model
        .items
        .get(name)
        .ok_or_else(|| format!("type `{name}` is in none of the sources"))?;
    // Kept before it is filled: a type may hold itself.
    defs.insert(name.to_owned(), Value::Null);
    let mut schema = match &item.shape {
        Shape::Struct(fields) => object(model, name, &item.serde, fields, defs)?,
        Shape::Wrapper(inner) => of_type(model, &Type::parse(inner), false, defs)?,
        Shape::Enum(variants) => one_of(model, item, variants, defs)?,
    };
    if let Some(map) = schema.as_object_mut() {
        map.insert("description".into(), plain(&item.doc).into());
    }
    defs.insert(name.to_owned(), schema);
    Ok(())
}

fn object(
    model: &Model,
    name: &str,
    hints: &super::source::SerdeHints,
    fields: &[Field],
    defs: &mut Map<String, Value>,
) -> Result<Value, String> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        let mut schema = of_type(model, &Type::parse(&field.ty), field.serde.in_seconds, defs)?;
        let default = model.default(name, &field.key);
        if let Some(map) = schema.as_object_mut() {
            map.insert("description".into(), plain(&field.doc).into());
            // A whole section isn't repeated: its own keys have their defaults.
            if let Some(default) = default.filter(|d| !d.is_null() && !is_section(model, &field.ty)) {
                map.insert("default".into(), default.clone());
            }
        }
        if !hints.default && !field.serde.default && !field.ty.starts_with("Option<") {
            required.push(Value::from(field.key.as_str()));
        }
        properties.insert(field.key.clone(), schema);
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if let Some(map) = schema.as_object_mut() {
        if hints.deny_unknown_fields {
            map.insert("additionalProperties".into(), false.into());
        }
        if !required.is_empty() {
            map.insert("required".into(), Value::Array(required));
        }
    }
    Ok(schema)
}

/// Whether a field is a struct of its own.
pub(super) fn is_section(model: &Model, ty: &str) -> bool {
    let name = match Type::parse(ty) {
        Type::Shared(inner) => *inner,
        other => other,
    };
    matches!(name, Type::Named(name) if matches!(model.items.get(&name).map(|i| &i.shape), Some(Shape::Struct(_))))
}

fn one_of(
    model: &Model,
    item: &Item,
    variants: &[Variant],
    defs: &mut Map<String, Value>,
) -> Result<Value, String> {
    let mut cases = Vec::new();
    for variant in variants {
        let inner = match &variant.payload {
            Payload::None => None,
            Payload::Type(ty) => Some(of_type(model, &Type::parse(ty), false, defs)?),
            Payload::Fields(fields) => {
                let hints = super::source::SerdeHints::default();
                Some(object(model, &variant.name, &hints, fields, defs)?)
            }
        };
        let mut case = match inner {
            None => json!({"const": variant.name}),
            Some(inner) if item.serde.untagged => inner,
            Some(inner) => {
                let mut properties = Map::new();
                properties.insert(variant.name.clone(), inner);
                json!({"type": "object", "properties": properties, "required": [variant.name], "additionalProperties": false})
            }
        };
        if let Some(map) = case.as_object_mut() {
            map.insert("description".into(), plain(&variant.doc).into());
        }
        cases.push(case);
    }
    if !item.serde.untagged {
        cases.push(
            json!({"type": "string", "pattern": REFERENCE, "description": "From the environment or a file."}),
        );
    }
    Ok(json!({"anyOf": cases}))
}

fn of_type(model: &Model, ty: &Type, seconds: bool, defs: &mut Map<String, Value>) -> Result<Value, String> {
    match ty {
        Type::Optional(inner) => {
            let inner = of_type(model, inner, seconds, defs)?;
            Ok(or_null(inner))
        }
        Type::Shared(inner) => of_type(model, inner, seconds, defs),
        Type::List(inner) => Ok(json!({"type": "array", "items": of_type(model, inner, seconds, defs)?})),
        Type::Map(key, value) => {
            let mut schema =
                json!({"type": "object", "additionalProperties": of_type(model, value, seconds, defs)?});
            if let (Type::Named(key), Some(map)) = (&**key, schema.as_object_mut())
                && model.items.contains_key(key)
            {
                add(model, key, defs)?;
                map.insert("propertyNames".into(), json!({"$ref": format!("#/$defs/{key}")}));
            }
            Ok(schema)
        }
        Type::Named(name) => {
            if let Some(schema) = scalar(name, seconds) {
                return Ok(schema);
            }
            add(model, name, defs)?;
            Ok(json!({"$ref": format!("#/$defs/{name}")}))
        }
    }
}

fn or_null(mut schema: Value) -> Value {
    let types = match schema.get("type") {
        Some(Value::String(one)) => vec![Value::from(one.as_str())],
        Some(Value::Array(several)) => several.clone(),
        _ => return json!({"anyOf": [schema, {"type": "null"}]}),
    };
    if let Some(map) = schema.as_object_mut() {
        let types = types.into_iter().chain([Value::from("null")]).collect();
        map.insert("type".into(), Value::Array(types));
    }
    schema
}

/// Types that are no settings types, as they stand in the file; `None` for those that are.
fn scalar(name: &str, seconds: bool) -> Option<Value> {
    Some(match kind(name, seconds)? {
        "integer" => json!({"type": ["integer", "string"], "minimum": 0, "pattern": REFERENCE}),
        "number" => json!({"type": ["number", "string"], "pattern": REFERENCE}),
        "share" => json!({"type": ["number", "string"], "minimum": 0, "maximum": 1, "pattern": REFERENCE}),
        "0 to 0.1" => {
            json!({"type": ["number", "string"], "exclusiveMinimum": 0, "maximum": 0.1, "pattern": REFERENCE})
        }
        "5 to 120" => {
            json!({"type": ["integer", "string"], "minimum": 5, "maximum": 120, "pattern": REFERENCE})
        }
        "boolean" => json!({"type": ["boolean", "string"], "pattern": REFERENCE}),
        "secret" => json!({"type": "string", "pattern": REFERENCE, "writeOnly": true}),
        "any" => json!({}),
        _ => json!({"type": "string"}),
    })
}

/// The word for a scalar type in the reference.
pub(super) fn kind(name: &str, seconds: bool) -> Option<&'static str> {
    Some(match name {
        "Duration" if seconds => "integer",
        "u8" | "u16" | "u32" | "u64" | "usize" => "integer",
        "HoldOutDelay" => "5 to 120",
        "f64" => "number",
        "Probability" => "share",
        "HoldOutShare" => "0 to 0.1",
        "bool" => "boolean",
        "Secret" => "secret",
        "Value" => "any",
        "String" | "str" | "DomainName" | "ServiceName" | "QueueName" | "SourceName" | "CustomerId" => "text",
        "RegionCode" => "region",
        "PathBuf" => "path",
        "SocketAddr" => "address:port",
        "Zone" => "time zone",
        "LocalTime" => "HH:MM",
        "IsoDate" | "LastDay" => "YYYY-MM-DD",
        "MonthDay" => "MM-DD",
        _ => return None,
    })
}
