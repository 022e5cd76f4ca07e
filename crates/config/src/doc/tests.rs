use std::path::Path;

use forecall_kafka::KafkaSettings;
use serde_json::{Map, Value, json};

use super::model::{Model, Type};
use super::source::{Payload, Shape};
use super::*;
use crate::raw::File;

fn schema() -> Value {
    let (path, text) = files().swap_remove(0);
    assert_eq!(path, Path::new("schemas/config.v1.json"));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn all_sources_are_understood_and_the_same_twice() {
    Model::read().map(|_| ()).unwrap();
    assert_eq!(files(), files());
    let page = &files()[1].1;
    for part in [
        "\n## `outreach.calls.queues.<queue>`\n",
        "\n## `sources[].mapping`\n",
        "| `window_seconds` | integer | `600` | Sliding window",
        "| `topic` | text | *required* | The topic. |",
        "\n## `gateways.<channel>.smtp`\n",
    ] {
        assert!(page.contains(part), "no `{part}` in\n{page}");
    }
    for rust in ["](Self", "](crate", "Arc<", "BTreeMap"] {
        assert!(!page.contains(rust), "{rust} is not for operators");
    }
}

#[test]
fn the_files_of_the_repository_are_up_to_date() {
    let files = files();
    expect_test::expect_file!["../../../../schemas/config.v1.json"].assert_eq(&files[0].1);
    expect_test::expect_file!["../../../../docs/reference/config.md"].assert_eq(&files[1].1);
}

#[test]
fn defaults_read_from_the_source_are_the_real_ones() {
    let model = Model::read().unwrap();
    let kafka: KafkaSettings = serde_json::from_value(model.defaults["KafkaSettings"].clone()).unwrap();
    assert_eq!(kafka, KafkaSettings::default());
}

#[test]
fn every_struct_with_all_defaults_has_them_known() {
    let model = Model::read().unwrap();
    for (name, def) in schema()["$defs"].as_object().unwrap() {
        if let Some(Shape::Struct(_)) = model.items.get(name).map(|i| &i.shape)
            && !["Words", "Condition", "RateLimit", "AreaBounds"].contains(&name.as_str())
        {
            assert!(model.defaults.contains_key(name), "{name}: {def}");
        }
    }
}

/// A value of a type with every key there is; of an enum the variant of that number.
fn full(model: &Model, ty: &Type, variant: usize, seconds: bool) -> Value {
    match ty {
        Type::Optional(inner) | Type::Shared(inner) => full(model, inner, variant, seconds),
        Type::List(inner) => json!([full(model, inner, variant, seconds)]),
        Type::Map(key, value) => {
            let key = full(model, key, variant, false);
            let mut map = Map::new();
            map.insert(
                // A number too is written as text where it is a key.
                key.as_str().map_or_else(|| key.to_string(), str::to_owned),
                full(model, value, variant, seconds),
            );
            Value::Object(map)
        }
        Type::Named(name) => match schema::kind(name, seconds) {
            Some("integer") => json!(1),
            Some("number" | "share") => json!(0.5),
            Some("0 to 0.1") => json!(0.05),
            Some("5 to 120") => json!(30),
            Some("boolean") => json!(true),
            Some("address:port") => json!("127.0.0.1:1"),
            Some("time zone") => json!("Asia/Tehran"),
            Some("HH:MM") => json!("22:00"),
            Some("YYYY-MM-DD") => json!("2026-03-21"),
            Some("MM-DD") => json!("01-01"),
            Some("secret") => json!("${env:X}"),
            Some(_) => json!("AA"),
            None => full_item(model, name, variant),
        },
    }
}

fn full_item(model: &Model, name: &str, variant: usize) -> Value {
    let fields = |fields: &[source::Field]| {
        let of = |f: &source::Field| {
            (
                f.key.clone(),
                full(model, &Type::parse(&f.ty), variant, f.serde.in_seconds),
            )
        };
        Value::Object(fields.iter().map(of).collect())
    };
    let item = &model.items[name];
    match &item.shape {
        Shape::Struct(all) => fields(all),
        Shape::Wrapper(inner) => full(model, &Type::parse(inner), variant, false),
        Shape::Enum(variants) => {
            let one = &variants[variant % variants.len()];
            let inner = match &one.payload {
                Payload::None => return json!(one.name),
                Payload::Type(ty) => full(model, &Type::parse(ty), variant, false),
                Payload::Fields(all) => fields(all),
            };
            if item.serde.untagged {
                inner
            } else {
                json!({ one.name.clone(): inner })
            }
        }
    }
}

/// Places of all objects that have named keys, as JSON pointers.
fn objects(model: &Model, ty: &Type, value: &Value, at: &str, into: &mut Vec<String>) {
    match (ty, value) {
        (Type::Optional(inner) | Type::Shared(inner), _) => objects(model, inner, value, at, into),
        (Type::List(inner), Value::Array(list)) => objects(model, inner, &list[0], &format!("{at}/0"), into),
        (Type::Map(_, inner), Value::Object(map)) => {
            let (key, value) = map.iter().next().unwrap();
            objects(model, inner, value, &format!("{at}/{key}"), into);
        }
        (Type::Named(name), Value::Object(map)) => match model.items.get(name).map(|i| (i, &i.shape)) {
            Some((item, Shape::Struct(fields))) => {
                assert!(item.serde.deny_unknown_fields, "{name} takes unknown keys");
                into.push(at.to_owned());
                for field in fields {
                    let inner = Type::parse(&field.ty);
                    objects(
                        model,
                        &inner,
                        &map[&field.key],
                        &format!("{at}/{}", field.key),
                        into,
                    );
                }
            }
            Some((_, Shape::Wrapper(inner))) => objects(model, &Type::parse(inner), value, at, into),
            Some((_, Shape::Enum(_))) | None => {}
        },
        _ => {}
    }
}

#[test]
fn schema_and_loader_know_the_same_keys() {
    let model = Model::read().unwrap();
    let schema = schema();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let root = Type::Named("File".to_owned());
    let takes = |value: &Value| {
        serde_json::from_value::<File>(value.clone())
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    let mut seen = 0;
    // As many rounds as the largest enum has variants: each is tried.
    for variant in 0..12 {
        let value = full(&model, &root, variant, false);
        assert_eq!(takes(&value), Ok(()), "{value:#}");
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|e| format!("{e} at {}", e.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new());
        let mut places = Vec::new();
        objects(&model, &root, &value, "", &mut places);
        for place in places {
            let mut spoilt = value.clone();
            let object = spoilt.pointer_mut(&place).unwrap().as_object_mut().unwrap();
            object.insert("zzz".to_owned(), json!(1));
            assert!(takes(&spoilt).is_err(), "the loader takes {place}/zzz");
            assert!(!validator.is_valid(&spoilt), "the schema takes {place}/zzz");
            seen += 1;
        }
    }
    assert!(seen > 200, "{seen} objects");
}

#[test]
fn values_of_a_wrong_type_are_refused_by_the_schema() {
    let schema = schema();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for (value, good) in [
        (json!({}), true),
        (json!({"topics": {"partitions": 6}}), true),
        (json!({"topics": {"partitions": "${env:P}"}}), true),
        (json!({"topics": {"partitions": "six"}}), false),
        (json!({"topics": {"partitions": -1}}), false),
        (json!({"ledger": {"master_key": "literal"}}), false),
        (json!({"sources": [{"format": "auto"}]}), false),
        (json!({"sources": [{"topic": "t", "format": "csv"}]}), false),
        (
            json!({"gateways": {"sms": "console", "email": {"file": "x"}}}),
            true,
        ),
        (json!({"gateways": {"fax": "console"}}), false),
    ] {
        assert_eq!(validator.is_valid(&value), good, "{value}");
    }
}
