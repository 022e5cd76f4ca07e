//! The rights forecall needs on a broker with an authorizer: made from the configuration, so that none is missing and none
//! is too many.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use forecall_config::Settings;
use forecall_runtime::Roles;
use forecall_runtime::topics::topic_uses;

/// What a right is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resource {
    Topic,
    Group,
    TransactionalId,
}

impl Resource {
    const fn option(self) -> &'static str {
        match self {
            Self::Topic => "--topic",
            Self::Group => "--group",
            Self::TransactionalId => "--transactional-id",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Group => "group",
            Self::TransactionalId => "transactional id",
        }
    }
}

/// One right, or several on one thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Acl {
    pub(crate) resource: Resource,
    pub(crate) name: String,
    /// All names that begin so.
    pub(crate) prefixed: bool,
    pub(crate) operations: BTreeSet<&'static str>,
    /// What for.
    pub(crate) why: String,
}

/// The rights that `forecall run` needs under these settings.
pub(crate) fn needed(settings: &Settings) -> Vec<Acl> {
    let mut topics: BTreeMap<String, (BTreeSet<&'static str>, BTreeSet<&'static str>)> = BTreeMap::new();
    let mut add = |topic: &str, operation: &'static str, stage: &'static str| {
        let (operations, stages) = topics.entry(topic.to_owned()).or_default();
        // To ask for its settings before anything starts. READ and WRITE imply DESCRIBE.
        operations.extend([operation, "DescribeConfigs"]);
        stages.insert(stage);
    };
    for one in topic_uses(settings, Roles::ALL) {
        add(
            &one.topic,
            if one.part.is_read() { "Read" } else { "Write" },
            one.stage,
        );
        if one.part == forecall_runtime::topics::Part::InternalLog {
            // Ticks, heartbeats, and what the stage before or beside it brings.
            add(&one.topic, "Write", one.stage);
        }
    }
    if let Some(topic) = settings.canary_topic() {
        add(&topic, "Write", "canary");
        add(
            &settings
                .topic_names()
                .name(forecall_wire::event::TopicId::Notices),
            "Read",
            "canary",
        );
    }
    let mut acls: Vec<Acl> = topics
        .into_iter()
        .map(|(name, (operations, stages))| Acl {
            resource: Resource::Topic,
            name,
            prefixed: false,
            operations,
            why: stages.into_iter().collect::<Vec<_>>().join(", "),
        })
        .collect();
    let group = format!("{}.", settings.group);
    acls.push(Acl {
        resource: Resource::Group,
        name: group.clone(),
        prefixed: true,
        operations: BTreeSet::from(["Read"]),
        why: "each stage's consumer group, and those that keep positions: publisher, directory, layout"
            .to_owned(),
    });
    acls.push(Acl {
        resource: Resource::TransactionalId,
        name: group,
        prefixed: true,
        operations: BTreeSet::from(["Write"]),
        why: "each process's writers".to_owned(),
    });
    acls
}

/// Commands of Kafka's own tool that give the rights to a login.
pub(crate) fn commands(acls: &[Acl], principal: &str) -> String {
    let mut text = String::new();
    for acl in acls {
        let pattern = if acl.prefixed {
            " --resource-pattern-type prefixed"
        } else {
            ""
        };
        let operations: String = acl
            .operations
            .iter()
            .map(|o| format!(" --operation {o}"))
            .collect();
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "kafka-acls.sh --bootstrap-server \"$BROKER\" --add --allow-principal {principal}{operations} {} {}{pattern}",
            acl.resource.option(),
            acl.name,
        );
    }
    text
}

/// A configuration with one source of each kind, for the reference.
const EXAMPLE: &str = "
domain: example
topics: {partitions: 12, replication: 3}
sources:
  - {topic: telemetry.unkeyed, format: otlp_proto}
  - {topic: telemetry.keyed, format: flat_json, keyed: true}
  - {topic: calls, format: asterisk_queue_log}
  - {topic: shop.events, format: customer_events}
journeys:
  rules: [{name: paid_not_active, start: [payment.accepted], steps: [{expect: [package.activated], within_seconds: 600}], service: packages}]
directory: {topic: customers}
bridges: {duty: {to: {alertmanager: {url: 'https://alertmanager.example:9093'}}}}
remedies: {restart: {label: restarts the pool, when: {services: ['*']}, mode: run, to: {url: 'https://hooks.example/restart', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}}}
canary: {enabled: true}
ledger:
  master_key: ${env:FORECALL_MASTER_KEY}
  pseudonym_key: ${env:FORECALL_PSEUDONYM_KEY}
";

/// `docs/reference/acls.md`.
#[allow(clippy::expect_used, reason = "a literal that a test reads")]
pub(crate) fn reference() -> String {
    let text = EXAMPLE
        .replace("${env:FORECALL_MASTER_KEY}", &"5e".repeat(32))
        .replace("${env:FORECALL_PSEUDONYM_KEY}", &"a7".repeat(32));
    let settings = Settings::from_yaml("example.yaml", &format!("allow_literal_secrets: true\n{text}"))
        .expect("a test reads the example");
    let acls = needed(&settings);
    let mut page = String::from(
        "# Rights on the broker\n<!-- Made by `cargo xtask codegen`; edit the code it is made from. -->\n\n\
         The least that a login of forecall's needs on a broker with an authorizer, here with one source of each kind: \
         `telemetry.unkeyed`, `telemetry.keyed`, `calls`, `shop.events` (customers' events, with a rule of journeys), the directory topic `customers`, a bridge, a remedy, and the canary. For your own file \
         `forecall doctor --config forecall.yaml --acls User:forecall` prints the commands. `Read` and `Write` imply `Describe`; \
         nothing on the cluster is needed.\n\n\
         | on | name | operations | for |\n|---|---|---|---|\n",
    );
    for acl in &acls {
        let operations = acl.operations.iter().copied().collect::<Vec<_>>().join(", ");
        let star = if acl.prefixed { "`*" } else { "`" };
        // Writing to a String can't fail.
        let _ = writeln!(
            page,
            "| {} | `{}{star} | {operations} | {} |",
            acl.resource.words(),
            acl.name,
            acl.why
        );
    }
    page.push_str(
        "\n`forecall topics create` needs `Create` besides, on the names of forecall's own topics (`topics.prefix` and \
         `forecall.`) or on the cluster; run it with a login of the administrator's. `forecall directory publish` needs `Write` \
         on the directory topic and on the transactional id. `forecall journeys map` and `show` need `Read` on `forecall.journeys.v1`. `forecall incidents` needs `Read` on the two topics of incidents, and to say \
         something `Write` on `forecall.commands.v1`, `forecall.feedback.v1` and transactional ids that begin with the group and \
         `.incidents-cli.`; a login of the operators' with these alone will do. `forecall notices` needs `Read` on the two topics of notices and on \
         `forecall.commands.v1` besides, and ids with `.notices-cli.`. Stages in processes of their own may have logins of their own: the \
         last column says what each stage needs.\n\n\
         The whole file is tested on a broker with the standard authorizer over SASL_SSL (SCRAM-SHA-512) and mutual TLS, with \
         these rights and no others, and with each kind of right taken away: `crates/e2e/tests/it/acl.rs`.\n",
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_names_every_kind_of_topic() {
        let page = reference();
        for name in [
            "telemetry.unkeyed",
            "telemetry.keyed",
            "calls",
            "customers",
            "forecall.canary.v1",
            "forecall.samples.v1",
            "forecall.outreach.log.v1",
            "shop.events",
            "forecall.journeys.log.v1",
            "forecall.journeys.v1",
        ] {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
        assert!(page.contains("| group | `forecall.`* | Read |"), "{page}");
    }
}
