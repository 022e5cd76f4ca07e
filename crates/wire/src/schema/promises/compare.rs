//! Walks two schemas side by side.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{BrokenPromise, Side, TOLERATE, UNKNOWN_VALUES};

/// Definitions within definitions that are followed; published events are six deep.
const DEPTH_MAX: u32 = 32;
/// Keywords that promise nothing, and those that are looked at by name.
const LOOKED_AT: [&str; 20] = [
    "$comment",
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "const",
    "default",
    "description",
    "enum",
    "examples",
    "items",
    "oneOf",
    "properties",
    "required",
    "title",
    "type",
    "writeOnly",
    UNKNOWN_VALUES,
];
/// Lower bounds: a greater one is narrower.
const LOWER: [&str; 4] = ["minimum", "minLength", "minItems", "exclusiveMinimum"];
/// Upper bounds: a smaller one is narrower.
const UPPER: [&str; 4] = ["maximum", "maxLength", "maxItems", "exclusiveMaximum"];

pub(super) fn compare(old: &Value, new: &Value, side: Side) -> Vec<BrokenPromise> {
    let mut walk = Walk {
        old,
        new,
        side,
        broken: Vec::new(),
    };
    walk.node("", old, new, DEPTH_MAX);
    walk.broken
}

struct Walk<'v> {
    old: &'v Value,
    new: &'v Value,
    side: Side,
    broken: Vec<BrokenPromise>,
}

/// One of the things a value may be: a constant, a tagged object, a type.
type Cases<'v> = BTreeMap<String, &'v Value>;

impl<'v> Walk<'v> {
    fn say(&mut self, place: &str, what: impl Into<String>) {
        self.broken.push(BrokenPromise {
            place: place.to_owned(),
            what: what.into(),
        });
    }

    fn node(&mut self, place: &str, old: &'v Value, new: &'v Value, depth: u32) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        let (old, new) = (resolved(self.old, old), resolved(self.new, new));
        let (was, is) = (cases(self.old, old), cases(self.new, new));
        if was.is_empty() && is.is_empty() {
            return self.plain(place, old, new, depth);
        }
        if was.is_empty() != is.is_empty() {
            return self.say(place, "it is of another kind");
        }
        for (name, case) in &was {
            match is.get(name) {
                None => self.say(place, format!("{name} is gone")),
                // A constant says all by its name.
                Some(_) if case.get("const").is_some() || case.is_string() => {}
                Some(now) => {
                    let within = if is_type(name) {
                        place.to_owned()
                    } else {
                        format!("{place}{{{name}}}")
                    };
                    self.node(&within, case, now, depth);
                }
            }
        }
        let is_tolerated = old.get(UNKNOWN_VALUES).and_then(Value::as_str) == Some(TOLERATE);
        if self.side == Side::Told && !is_tolerated {
            for name in is.keys().filter(|name| !was.contains_key(*name)) {
                self.say(
                    place,
                    format!("{name} is new, and readers were not told to expect unknown values"),
                );
            }
        }
        self.fields(place, old, new, depth);
    }

    fn plain(&mut self, place: &str, old: &'v Value, new: &'v Value, depth: u32) {
        self.types(place, old, new);
        self.bounds(place, old, new);
        self.fields(place, old, new, depth);
        for (keyword, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
            let within = format!("{place}{suffix}");
            match (old.get(keyword), new.get(keyword)) {
                (Some(was), Some(is)) if was.is_object() && is.is_object() => {
                    self.node(&within, was, is, depth)
                }
                (was, is) if was != is => self.say(&within, "what may stand there has changed"),
                _ => {}
            }
        }
        // Whatever else there is isn't understood here: equal, or a person must look.
        let keywords: BTreeSet<&String> = [old, new]
            .into_iter()
            .filter_map(Value::as_object)
            .flat_map(Map::keys)
            .collect();
        for keyword in keywords {
            let is_known = LOOKED_AT.contains(&keyword.as_str())
                || LOWER.contains(&keyword.as_str())
                || UPPER.contains(&keyword.as_str());
            if !is_known && old.get(keyword) != new.get(keyword) {
                self.say(place, format!("`{keyword}` has changed"));
            }
        }
    }

    fn types(&mut self, place: &str, old: &Value, new: &Value) {
        let (was, is) = (types(old), types(new));
        let lost: Vec<&&str> = was.iter().filter(|t| !takes(&is, t)).collect();
        let gained: Vec<&&str> = is.iter().filter(|t| !takes(&was, t)).collect();
        if !lost.is_empty() || (was.is_empty() != is.is_empty()) {
            self.say(
                place,
                format!("the type was {} and is {}", words(&was), words(&is)),
            );
        } else if !gained.is_empty() && self.side == Side::Told {
            self.say(
                place,
                format!("the type was {} and may be {}", words(&was), words(&is)),
            );
        }
    }

    fn bounds(&mut self, place: &str, old: &Value, new: &Value) {
        for (keyword, is_upper) in LOWER
            .iter()
            .map(|k| (*k, false))
            .chain(UPPER.iter().map(|k| (*k, true)))
        {
            let (was, is) = (bound(old, keyword), bound(new, keyword));
            // No bound is the widest.
            let far = if is_upper {
                f64::INFINITY
            } else {
                f64::NEG_INFINITY
            };
            let order = was.unwrap_or(far).total_cmp(&is.unwrap_or(far));
            let (narrower, wider) = if is_upper {
                (order.is_gt(), order.is_lt())
            } else {
                (order.is_lt(), order.is_gt())
            };
            if narrower {
                self.say(place, format!("`{keyword}` is narrower"));
            }
            if wider && self.side == Side::Told {
                self.say(place, format!("`{keyword}` is wider"));
            }
        }
    }

    fn fields(&mut self, place: &str, old: &'v Value, new: &'v Value, depth: u32) {
        let (was, is) = (properties(old), properties(new));
        let (needed, needs) = (required(old), required(new));
        let of = |name: &str| match place {
            "" => name.to_owned(),
            place => format!("{place}.{name}"),
        };
        for (name, field) in &was {
            let Some(now) = is.get(name) else {
                self.say(&of(name), "the field is gone");
                continue;
            };
            self.node(&of(name), field, now, depth);
            if needed.contains(name) && !needs.contains(name) && self.side == Side::Told {
                self.say(&of(name), "the field may be absent now");
            }
        }
        for name in needs.difference(&needed) {
            self.say(&of(name), "the field is needed now: old records don't have it");
        }
    }
}

/// The definition a reference points to.
fn resolved<'v>(root: &'v Value, node: &'v Value) -> &'v Value {
    let mut node = node;
    for _ in 0..DEPTH_MAX {
        let target = node
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|r| r.strip_prefix('#'));
        match target.and_then(|pointer| root.pointer(pointer)) {
            Some(target) => node = target,
            None => break,
        }
    }
    node
}

/// What a value may be, by name: constants, objects by their tag, else types. Empty: it is one thing.
fn cases<'v>(root: &'v Value, node: &'v Value) -> Cases<'v> {
    if let Some(constant) = node.get("const") {
        return Cases::from([(shown(constant), node)]);
    }
    if let Some(values) = node.get("enum").and_then(Value::as_array) {
        return values.iter().map(|value| (shown(value), value)).collect();
    }
    let of = ["oneOf", "anyOf"]
        .iter()
        .find_map(|k| node.get(*k))
        .and_then(Value::as_array);
    let mut cases = Cases::new();
    for case in of.into_iter().flatten() {
        let name = case_name(case, resolved(root, case));
        let twins = cases
            .keys()
            .filter(|k| k.split('#').next() == Some(&name))
            .count();
        let name = if twins == 0 {
            name
        } else {
            format!("{name}#{}", twins + 1)
        };
        cases.insert(name, case);
    }
    cases
}

fn case_name(case: &Value, end: &Value) -> String {
    let tag = |node: &Value| {
        let properties = node.get("properties")?.as_object()?;
        let mut tags = properties.values().filter_map(|p| p.get("const"));
        tags.next().map(shown)
    };
    if let Some(constant) = end.get("const") {
        return shown(constant);
    }
    tag(case)
        .or_else(|| tag(end))
        .unwrap_or_else(|| words(&types(end)))
}

fn is_type(name: &str) -> bool {
    [
        "string", "number", "integer", "boolean", "object", "array", "null", "anything",
    ]
    .contains(&name)
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn types(node: &Value) -> BTreeSet<&str> {
    match node.get("type") {
        Some(Value::String(one)) => BTreeSet::from([one.as_str()]),
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => BTreeSet::new(),
    }
}

/// Whether a value of this type is one of those: whole numbers are numbers.
fn takes(types: &BTreeSet<&str>, one: &str) -> bool {
    types.contains(one) || (one == "integer" && types.contains("number"))
}

fn words(types: &BTreeSet<&str>) -> String {
    if types.is_empty() {
        return "anything".to_owned();
    }
    types.iter().copied().collect::<Vec<_>>().join(" or ")
}

fn bound(node: &Value, keyword: &str) -> Option<f64> {
    node.get(keyword).and_then(Value::as_f64)
}

fn properties(node: &Value) -> BTreeMap<&str, &Value> {
    let map = node.get("properties").and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
        .collect()
}

fn required(node: &Value) -> BTreeSet<&str> {
    let names = node.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).collect()
}
