//! Resources that operators define: KEDA's and Prometheus' are held against checks made from their definitions, Strimzi's
//! against its definitions themselves.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Site, tools, yaml};
use crate::package;

const MODELS: &str = include_str!("models.mjs");
/// The version of the definitions that the generator writes first, and of which `v1` is a part.
const STRIMZI_VERSION: &str = "v1beta2";

pub(super) fn check(site: &Site<'_>, resources: &[Value]) -> Result<()> {
    modelled(site, resources)?;
    strimzi(site, resources)
}

fn modelled(site: &Site<'_>, resources: &[Value]) -> Result<()> {
    let wanted: Vec<&Value> = ["ScaledObject", "ServiceMonitor"]
        .iter()
        .flat_map(|kind| yaml::of_kind(resources, kind))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let home = tools::models(site)?;
    let script = home.join("models.mjs");
    std::fs::write(&script, MODELS).with_context(|| format!("can't write {}", script.display()))?;
    let file = site.write("resources.json", &serde_json::to_string(&wanted)?)?;
    package::quiet(Command::new("node").arg(script).arg(file).current_dir(home))
}

fn strimzi(site: &Site<'_>, resources: &[Value]) -> Result<()> {
    if yaml::of_kind(resources, "KafkaTopic").next().is_none() {
        return Ok(());
    }
    let [topic, user] = tools::strimzi(site)?;
    for (kind, definition) in [("KafkaTopic", topic), ("KafkaUser", user)] {
        let text = std::fs::read_to_string(&definition)
            .with_context(|| format!("can't read {}", definition.display()))?;
        let schema = schema(&yaml::document(&text, kind)?)
            .with_context(|| format!("{kind} has no version {STRIMZI_VERSION} any more"))?;
        let schema = site.write(&format!("{kind}.json"), &schema.to_string())?;
        let mut command = Command::new(tools::python(site, "check-jsonschema")?);
        command.arg("--schemafile").arg(schema);
        for (number, resource) in yaml::of_kind(resources, kind).enumerate() {
            command.arg(site.write(&format!("{kind}-{number}.json"), &resource.to_string())?);
        }
        package::quiet(&mut command)?;
    }
    Ok(())
}

/// The JSON schema in a resource definition; what it doesn't name is refused, as a server would drop it.
fn schema(definition: &Value) -> Option<Value> {
    let versions = definition.pointer("/spec/versions")?.as_array()?;
    let version = versions
        .iter()
        .find(|version| yaml::text(version, "/name") == STRIMZI_VERSION)?;
    let mut schema = version.pointer("/schema/openAPIV3Schema")?.clone();
    close(&mut schema);
    // Every resource has these; the definition leaves them open.
    if let Some(metadata) = schema.pointer_mut("/properties/metadata") {
        *metadata = json!({"type": "object", "required": ["name"]});
    }
    Some(schema)
}

fn close(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else {
        return;
    };
    let open =
        map.get("x-kubernetes-preserve-unknown-fields").is_some() || map.contains_key("additionalProperties");
    if map.contains_key("properties") && !open {
        map.insert("additionalProperties".to_owned(), json!(false));
    }
    for (key, part) in map {
        match key.as_str() {
            "properties" => part
                .as_object_mut()
                .into_iter()
                .for_each(|all| all.values_mut().for_each(close)),
            "items" | "additionalProperties" => close(part),
            _ => {}
        }
    }
}

/// Strimzi's topics and rights must be those that forecall itself would make and name.
pub(super) fn same_as_forecall(resources: &[Value], created: &str, rights: &str) -> Result<()> {
    let mut wanted: Vec<String> = created.lines().map(ToOwned::to_owned).collect();
    let mut found: Vec<String> = yaml::of_kind(resources, "KafkaTopic").map(as_told).collect();
    same("topics", &mut wanted, &mut found)?;
    let mut wanted: Vec<String> = rights.lines().flat_map(right_of).collect();
    let mut found = Vec::new();
    for user in yaml::of_kind(resources, "KafkaUser") {
        let acls = user.pointer("/spec/authorization/acls").and_then(Value::as_array);
        for acl in acls.into_iter().flatten() {
            found.extend(rights_in(acl));
        }
    }
    same("rights", &mut wanted, &mut found)
}

fn same(what: &str, wanted: &mut [String], found: &mut [String]) -> Result<()> {
    wanted.sort();
    found.sort();
    let lacking: Vec<&String> = wanted.iter().filter(|line| !found.contains(line)).collect();
    let too_many: Vec<&String> = found.iter().filter(|line| !wanted.contains(line)).collect();
    ensure!(
        wanted == found,
        "{what} of Strimzi's: lacking {lacking:#?}, too many, or said twice: {too_many:#?}"
    );
    Ok(())
}

/// A topic as `forecall topics create --dry-run` tells it.
fn as_told(topic: &Value) -> String {
    let number = |pointer: &str| topic.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    let settings: Vec<String> = [
        "cleanup.policy",
        "retention.ms",
        "max.message.bytes",
        "message.timestamp.type",
    ]
    .iter()
    .filter_map(|key| {
        Some(format!(
            "{key}={}",
            topic.pointer(&format!("/spec/config/{key}"))?.as_str()?
        ))
    })
    .collect();
    format!(
        "{:<14} {:<32} {} partitions, {} copies, {}",
        "would be there",
        yaml::text(topic, "/spec/topicName"),
        number("/spec/partitions"),
        number("/spec/replicas"),
        settings.join(" ")
    )
}

/// `resource name pattern operation`, one for each operation of a `kafka-acls.sh` command.
fn right_of(command: &str) -> Vec<String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let after = |option: &str| {
        let at = words.iter().position(|word| *word == option)?;
        words.get(at + 1).copied()
    };
    let resource = [
        ("--topic", "topic"),
        ("--group", "group"),
        ("--transactional-id", "transactionalId"),
    ]
    .into_iter()
    .find_map(|(option, name)| Some((name, after(option)?)));
    let Some((resource, name)) = resource else {
        return vec![format!("not understood: {command}")];
    };
    let pattern = after("--resource-pattern-type").map_or("literal", |_prefixed| "prefix");
    words
        .windows(2)
        .filter(|pair| pair.first() == Some(&"--operation"))
        .filter_map(|pair| Some(format!("{resource} {name} {pattern} {}", pair.get(1)?)))
        .collect()
}

fn rights_in(acl: &Value) -> Vec<String> {
    let operations = acl.get("operations").and_then(Value::as_array);
    let text = |pointer: &str| yaml::text(acl, pointer);
    operations
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|operation| {
            format!(
                "{} {} {} {operation}",
                text("/resource/type"),
                text("/resource/name"),
                text("/resource/patternType")
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "kind: KafkaTopic\nspec: {topicName: a.v1, partitions: 3, replicas: 2, config: {cleanup.policy: delete, retention.ms: \"1\"}}\n";
    const USER: &str = "kind: KafkaUser\nspec: {authorization: {acls: [{resource: {type: topic, name: a.v1, patternType: literal}, operations: [Read, Write]}]}}\n";
    const CREATED: &str = "would be there a.v1                             3 partitions, 2 copies, cleanup.policy=delete retention.ms=1\n";
    const RIGHTS: &str =
        "kafka-acls.sh --add --allow-principal User:f --operation Read --operation Write --topic a.v1\n";

    fn compare(resources: &str, rights: &str) -> Result<()> {
        let resources = yaml::documents(resources, "text").unwrap();
        same_as_forecall(&resources, CREATED, rights)
    }

    #[test]
    fn topics_and_rights_are_compared_to_the_letter() {
        let all = format!("{TOPIC}---\n{USER}");
        compare(&all, RIGHTS).unwrap();
        assert!(compare(&all.replace("partitions: 3", "partitions: 4"), RIGHTS).is_err());
        assert!(compare(&all.replace("[Read, Write]", "[Read]"), RIGHTS).is_err());
        assert!(compare(&all.replace("[Read, Write]", "[Read, Write, Alter]"), RIGHTS).is_err());
        let prefixed = RIGHTS.replace("--topic a.v1", "--topic a.v1 --resource-pattern-type prefixed");
        assert!(compare(&all, &prefixed).is_err());
    }

    #[test]
    fn what_a_definition_doesn_t_name_is_refused() {
        let definition = json!({"spec": {"versions": [{"name": "v1beta2", "schema": {"openAPIV3Schema": {
            "properties": {
                "metadata": {"type": "object"},
                "spec": {"properties": {"config": {"x-kubernetes-preserve-unknown-fields": true, "properties": {}}}}
            }
        }}}]}});
        let schema = schema(&definition).unwrap();
        assert_eq!(
            schema.pointer("/properties/spec/additionalProperties"),
            Some(&json!(false))
        );
        assert_eq!(
            schema.pointer("/properties/spec/properties/config/additionalProperties"),
            None
        );
        assert_eq!(
            schema.pointer("/properties/metadata/required"),
            Some(&json!(["name"]))
        );
    }
}
