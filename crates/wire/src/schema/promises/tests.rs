use serde_json::json;

use super::*;

/// What is broken to readers of what is told, and to writers of what is taken, one line each.
fn check(old: &Value, new: &Value, told: &[&str], taken: &[&str]) {
    let lines = |side| -> Vec<String> {
        let broken = broken_promises(old, new, side);
        broken.iter().map(ToString::to_string).collect()
    };
    assert_eq!(lines(Side::Told), told, "told");
    assert_eq!(lines(Side::Taken), taken, "taken");
}

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

#[test]
fn the_same_breaks_nothing_and_neither_do_words() {
    for payload in Payload::ALL {
        let schema = super::super::json_schema::of(payload);
        check(&schema, &schema, &[], &[]);
    }
    check(
        &json!({"type": "string", "description": "a", "title": "A", "default": "x", "examples": [1]}),
        &json!({"type": "string", "description": "b", "title": "B", "default": "y", "examples": [2]}),
        &[],
        &[],
    );
}

#[test]
fn a_field_may_come_but_not_go() {
    let one = object(&json!({"a": {"type": "string"}}), &["a"]);
    let two = object(&json!({"a": {"type": "string"}, "b": {"type": "string"}}), &["a"]);
    check(&one, &two, &[], &[]);
    check(&two, &one, &["b: the field is gone"], &["b: the field is gone"]);
    let needed = object(
        &json!({"a": {"type": "string"}, "b": {"type": "string"}}),
        &["a", "b"],
    );
    let asked = "b: the field is needed now: old records don't have it";
    check(&one, &needed, &[asked], &[asked]);
    check(&two, &needed, &[asked], &[asked]);
    check(&needed, &two, &["b: the field may be absent now"], &[]);
}

#[test]
fn a_type_stays() {
    let of = |kind: Value| object(&json!({"a": {"type": kind}}), &[]);
    let changed = "a: the type was string and is integer";
    check(
        &of(json!("string")),
        &of(json!("integer")),
        &[changed],
        &[changed],
    );
    check(
        &of(json!("string")),
        &of(json!(["string", "null"])),
        &["a: the type was string and may be null or string"],
        &[],
    );
    let narrowed = "a: the type was null or string and is string";
    check(
        &of(json!(["string", "null"])),
        &of(json!("string")),
        &[narrowed],
        &[narrowed],
    );
    check(
        &of(json!("integer")),
        &of(json!("number")),
        &["a: the type was integer and may be number"],
        &[],
    );
    let any = "a: the type was string and is anything";
    check(
        &of(json!("string")),
        &object(&json!({"a": {}}), &[]),
        &[any],
        &[any],
    );
    check(
        &object(
            &json!({"a": {"anyOf": [{"$ref": "#/$defs/X"}, {"type": "null"}]}, "$defs": {}}),
            &[],
        ),
        &object(&json!({"a": {"type": "string"}, "$defs": {}}), &[]),
        &["a: it is of another kind"],
        &["a: it is of another kind"],
    );
}

#[test]
fn a_new_value_of_an_enum_needs_readers_who_were_told() {
    let of = |names: &[&str], tolerate: bool| {
        let cases: Vec<Value> = names
            .iter()
            .map(|n| json!({"const": n, "type": "string"}))
            .collect();
        let mut schema = json!({"oneOf": cases});
        if tolerate {
            schema["x-unknown-values"] = json!("tolerate");
        }
        object(&json!({"a": {"$ref": "#/$defs/E"}}), &[])
            .as_object()
            .map(|o| {
                let mut o = o.clone();
                o.insert("$defs".to_owned(), json!({"E": schema}));
                Value::Object(o)
            })
            .unwrap()
    };
    let new = "a: c is new, and readers were not told to expect unknown values";
    check(&of(&["b"], false), &of(&["b", "c"], false), &[new], &[]);
    // To mark it now is too late for those who read the released form.
    check(&of(&["b"], false), &of(&["b", "c"], true), &[new], &[]);
    check(&of(&["b"], true), &of(&["b", "c"], true), &[], &[]);
    check(
        &of(&["b", "c"], true),
        &of(&["b"], true),
        &["a: c is gone"],
        &["a: c is gone"],
    );
    check(
        &json!({"enum": ["x"]}),
        &json!({"enum": ["x", "y"]}),
        &["the whole: y is new, and readers were not told to expect unknown values"],
        &[],
    );
    check(
        &json!({"const": "1.0"}),
        &json!({"const": "2.0"}),
        &[
            "the whole: 1.0 is gone",
            "the whole: 2.0 is new, and readers were not told to expect unknown values",
        ],
        &["the whole: 1.0 is gone"],
    );
}

#[test]
fn tagged_cases_are_compared_by_their_tag() {
    let case = |kind: &str, fields: Value| {
        let mut properties = fields;
        properties["kind"] = json!({"const": kind});
        object(&properties, &["kind"])
    };
    let (eta, ack) = (
        case("eta", json!({"at": {"type": "string"}})),
        case("ack", json!({})),
    );
    let old = json!({"oneOf": [ack, eta]});
    // In another order, with one more.
    let new = json!({"oneOf": [eta, case("close", json!({})), ack]});
    check(
        &old,
        &new,
        &["the whole: close is new, and readers were not told to expect unknown values"],
        &[],
    );
    let changed = json!({"oneOf": [ack, case("eta", json!({"at": {"type": "number"}}))]});
    let broken = "{eta}.at: the type was string and is number";
    check(&old, &changed, &[broken], &[broken]);
    check(
        &old,
        &json!({"oneOf": [ack]}),
        &["the whole: eta is gone"],
        &["the whole: eta is gone"],
    );
}

#[test]
fn bounds_patterns_and_what_is_not_understood() {
    let of = |maximum: u32| json!({"type": "array", "items": {"type": "number", "maximum": maximum}});
    check(&of(20), &of(30), &["[]: `maximum` is wider"], &[]);
    check(
        &of(30),
        &of(20),
        &["[]: `maximum` is narrower"],
        &["[]: `maximum` is narrower"],
    );
    let free = json!({"type": "array", "items": {"type": "number"}});
    check(&of(20), &free, &["[]: `maximum` is wider"], &[]);
    check(
        &free,
        &of(20),
        &["[]: `maximum` is narrower"],
        &["[]: `maximum` is narrower"],
    );
    let long = |n: u32| json!({"type": "string", "minLength": n});
    check(
        &long(1),
        &long(2),
        &["the whole: `minLength` is narrower"],
        &["the whole: `minLength` is narrower"],
    );
    for keyword in ["pattern", "format", "not", "uniqueItems"] {
        let changed = format!("the whole: `{keyword}` has changed");
        let of = |value: &str| {
            let mut schema = json!({"type": "string"});
            schema[keyword] = json!(value);
            schema
        };
        check(&of("a"), &of("b"), &[&changed], &[&changed]);
    }
    let map = |kind: &str| json!({"type": "object", "additionalProperties": {"type": kind}});
    let changed = "{}: the type was string and is number";
    check(&map("string"), &map("number"), &[changed], &[changed]);
    let closed = "{}: what may stand there has changed";
    check(
        &map("string"),
        &json!({"type": "object", "additionalProperties": false}),
        &[closed],
        &[closed],
    );
}

#[test]
fn a_definition_within_itself_ends() {
    let tree = |kind: &str| {
        json!({
            "$ref": "#/$defs/Tree",
            "$defs": {"Tree": {"type": "object", "properties": {
                "value": {"type": kind}, "left": {"$ref": "#/$defs/Tree"},
            }}},
        })
    };
    assert!(broken_promises(&tree("string"), &tree("string"), Side::Told).is_empty());
    assert!(!broken_promises(&tree("string"), &tree("number"), Side::Told).is_empty());
    let ring = json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}});
    assert!(broken_promises(&ring, &ring, Side::Told).is_empty());
}

#[test]
fn topics_keep_their_key_their_messages_and_their_policy() {
    let old = super::super::asyncapi::document();
    let told = |change: &dyn Fn(&mut Value)| -> Vec<String> {
        let mut new = old.clone();
        change(&mut new);
        broken_topic_promises(&old, &new)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert!(told(&|_| {}).is_empty());
    assert_eq!(
        told(
            &|new| new["channels"]["incidents"]["messages"]["incident-event"]["bindings"]["kafka"]["key"]["description"] =
                json!("domain")
        ),
        ["forecall.incidents.v1: the key of incident-event was incident and is domain"]
    );
    assert_eq!(
        told(&|new| drop(new["channels"].as_object_mut().unwrap().remove("notices"))),
        ["forecall.notices.v1: the topic is gone"]
    );
    assert_eq!(
        told(&|new| drop(
            new["channels"]["anomalies"]["messages"]
                .as_object_mut()
                .unwrap()
                .remove("tick")
        )),
        ["forecall.anomalies.v1: tick no longer goes over it"]
    );
    assert_eq!(
        told(&|new| {
            new["channels"]["incidents-state"]["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] =
                json!(["delete"]);
        }),
        ["forecall.incidents.state.v1: old records are dropped in another way"]
    );
    let types = "/channels/incidents/messages/incident-event/headers/schema/properties/ce_type/enum";
    assert_eq!(
        told(&|new| {
            let types = new.pointer_mut(types).and_then(Value::as_array_mut).unwrap();
            types.retain(|t| t != "forecall.incident.expired.v1");
            types.push(json!("forecall.incident.reopened.v1"));
        }),
        ["forecall.incidents.v1: the event type forecall.incident.expired.v1 is gone"]
    );
    // Settings of an installation.
    assert!(
        told(&|new| new["channels"]["incidents"]["bindings"]["kafka"]["partitions"] = json!(24)).is_empty()
    );
}

#[test]
fn this_build_is_held_against_what_was_released() {
    let of = |name: &str, text: &str| BTreeMap::from([(name.to_owned(), text.to_owned())]);
    let present: BTreeMap<String, String> = super::super::files()
        .into_iter()
        .filter_map(|(path, text)| Some((path.file_name()?.to_str()?.to_owned(), text)))
        .filter(|(name, _)| promised_files().contains(name))
        .collect();
    assert_eq!(present.len(), promised_files().len());
    assert!(broken_by_this_build(&present).is_empty());
    let tick = r#"{"type":"object","properties":{"at":{"type":"string","format":"date-time"},"zone":{"type":"string"}},"required":["at"]}"#;
    assert_eq!(
        broken_by_this_build(&of("tick.v1.json", tick)),
        ["tick.v1.json: zone: the field is gone"]
    );
    assert_eq!(
        broken_by_this_build(&of("pulse.v1.json", "{}")),
        ["pulse.v1.json: the whole: the schema is gone"]
    );
    assert_eq!(
        broken_by_this_build(&of("tick.v1.json", "{")),
        ["tick.v1.json: the released form is no JSON"]
    );
    assert!(
        !promised_files().contains(&"call.v1.json".to_owned()),
        "it goes over internal topics alone"
    );
}
