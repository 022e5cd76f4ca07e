//! What a new AsyncAPI document takes back of the released one.

use serde_json::Value;

use super::BrokenPromise;

/// What `new` breaks of the topics that `old` has promised: a topic that is gone, has another key, no longer carries a
/// message or an event type, or drops old records in another way. Partitions, retention and sizes are settings of an
/// installation.
pub fn broken_topic_promises(old: &Value, new: &Value) -> Vec<BrokenPromise> {
    let mut broken = Vec::new();
    let mut say = |place: &str, what: String| {
        broken.push(BrokenPromise {
            place: place.to_owned(),
            what,
        });
    };
    for (name, channel) in entries(old, "/channels") {
        let address = text(channel, "/address");
        let place = if address.is_empty() { name } else { address };
        let Some((_, now)) = entries(new, "/channels").find(|(_, c)| text(c, "/address") == address) else {
            say(place, "the topic is gone".to_owned());
            continue;
        };
        let policy = "/bindings/kafka/topicConfiguration/cleanup.policy";
        if channel.pointer(policy) != now.pointer(policy) {
            say(place, "old records are dropped in another way".to_owned());
        }
        for (message, then) in entries(channel, "/messages") {
            let Some((_, now)) = entries(now, "/messages").find(|(m, _)| *m == message) else {
                say(place, format!("{message} no longer goes over it"));
                continue;
            };
            let key = "/bindings/kafka/key/description";
            if text(then, key) != text(now, key) {
                let (then, now) = (text(then, key), text(now, key));
                say(place, format!("the key of {message} was {then} and is {now}"));
            }
            if text(then, "/contentType") != text(now, "/contentType") {
                say(place, format!("{message} has another media type"));
            }
            let types = "/headers/schema/properties/ce_type/enum";
            let now: Vec<&Value> = items(now, types).collect();
            for gone in items(then, types).filter(|t| !now.contains(t)) {
                say(
                    place,
                    format!("the event type {} is gone", gone.as_str().unwrap_or_default()),
                );
            }
        }
    }
    broken.sort();
    broken
}

fn entries<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = (&'v str, &'v Value)> {
    let map = value.pointer(pointer).and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

fn items<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
