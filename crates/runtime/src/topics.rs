//! What forecall needs of its topics, and whether what the log says is that: pure functions, and the few questions they
//! need answered. A wrong topic is refused before anything is read, with what to do about it.

mod layout;

use std::collections::{BTreeMap, BTreeSet};

use forecall_config::Settings;
use forecall_log::{Log, LogError, TopicState};
use forecall_wire::event::{Cleanup, Topic, TopicId};

use crate::finding::Finding;
use crate::pipeline::Roles;

pub use layout::{Layout, layout_group, remember_layout, remembered_layout, used_partitions};

/// A topic must keep at least so many snapshot intervals: one that is being written, one to fall back on when it is
/// damaged, one for a process that was down, and one of room.
pub const RETENTION_INTERVALS_MIN: u64 = 4;

/// What a topic is to the stage that uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Telemetry or calls in any order of keys: a new partition is picked up.
    Input,
    /// Telemetry keyed by entity: an entity must stay on its partition.
    KeyedInput,
    /// A stage's own log: a key must stay on its partition.
    InternalLog,
    /// Events of forecall's that a stage reads.
    Events,
    /// A compacted topic that is read: customers, services.
    Directory,
    /// Written only.
    Output,
}

impl Part {
    /// Whether a key must stay on its partition, so that the topic may never grow unnoticed.
    pub const fn has_layout(self) -> bool {
        match self {
            Self::KeyedInput | Self::InternalLog => true,
            Self::Input | Self::Events | Self::Directory | Self::Output => false,
        }
    }

    /// Whether a stage reads it.
    pub const fn is_read(self) -> bool {
        match self {
            Self::Input | Self::KeyedInput | Self::InternalLog | Self::Events | Self::Directory => true,
            Self::Output => false,
        }
    }
}

/// What a stage does with a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicUse {
    /// The stage: the last word of its consumer group.
    pub stage: &'static str,
    /// The topic.
    pub topic: String,
    /// One of forecall's own.
    pub own: Option<TopicId>,
    /// What it is to the stage.
    pub part: Part,
}

/// Everything the stages of these roles do with topics, in the order of the data's way.
pub fn topic_uses(settings: &Settings, roles: Roles) -> Vec<TopicUse> {
    let names = settings.topic_names();
    let own = |stage, id: TopicId, part| TopicUse {
        stage,
        topic: names.name(id),
        own: Some(id),
        part,
    };
    let foreign = |stage, topic: &str, part| TopicUse {
        stage,
        topic: topic.to_owned(),
        own: names.find(topic).map(|t| t.id),
        part,
    };
    let mut uses = Vec::new();
    if roles.detect {
        let mut rekeyed = false;
        for source in settings.sources.iter().filter(|s| s.format.is_telemetry()) {
            rekeyed |= !source.keyed;
            uses.push(if source.keyed {
                foreign("detect", &source.topic, Part::KeyedInput)
            } else {
                foreign("rekey", &source.topic, Part::Input)
            });
        }
        if settings.sources.iter().any(|s| s.format.is_traces()) {
            uses.push(own("rekey", TopicId::Topology, Part::Output));
        }
        if rekeyed {
            uses.push(own("rekey", TopicId::Samples, Part::Output));
            uses.push(own("detect", TopicId::Samples, Part::InternalLog));
        }
        uses.push(own("detect", TopicId::Anomalies, Part::Output));
        uses.push(own("detect", TopicId::DeadLetters, Part::Output));
    }
    let events = || settings.sources.iter().filter(|s| s.format.is_customer_events());
    if roles.journeys && !settings.journeys.is_empty() && events().next().is_some() {
        for source in events() {
            uses.push(foreign("journeys-intake", &source.topic, Part::Input));
        }
        uses.push(own("journeys", TopicId::JourneysLog, Part::InternalLog));
        for id in [TopicId::Journeys, TopicId::Anomalies, TopicId::DeadLetters] {
            uses.push(own("journeys", id, Part::Output));
        }
    }
    if roles.correlate {
        uses.push(own("correlate-intake", TopicId::Commands, Part::Events));
        uses.push(own("correlate-intake", TopicId::Feedback, Part::Events));
        uses.push(own("correlate-intake", TopicId::Topology, Part::Directory));
        uses.push(own("correlate", TopicId::Anomalies, Part::InternalLog));
        for id in [TopicId::Incidents, TopicId::IncidentsState, TopicId::DeadLetters] {
            uses.push(own("correlate", id, Part::Output));
        }
    }
    if roles.outreach {
        uses.push(own("outreach-intake", TopicId::Incidents, Part::Events));
        uses.push(own("outreach-intake", TopicId::Commands, Part::Events));
        for source in settings.sources.iter().filter(|s| s.format.is_calls()) {
            uses.push(foreign("outreach-intake", &source.topic, Part::Input));
        }
        if let Some(topic) = settings.directory.as_ref().and_then(|d| d.topic.as_ref()) {
            uses.push(foreign("outreach-intake", topic, Part::Directory));
        }
        uses.push(own("outreach", TopicId::OutreachLog, Part::InternalLog));
        for id in [
            TopicId::Notices,
            TopicId::NoticesState,
            TopicId::CallForecasts,
            TopicId::Anomalies,
            TopicId::DeadLetters,
        ] {
            uses.push(own("outreach", id, Part::Output));
        }
    }
    if roles.bridge && !settings.bridges.is_empty() {
        uses.push(own("bridge", TopicId::Incidents, Part::Events));
        uses.push(own("bridge", TopicId::DeadLetters, Part::Output));
    }
    if roles.remedy && !settings.remedies.is_empty() {
        uses.push(own("remedy", TopicId::Incidents, Part::Events));
        for id in [TopicId::Commands, TopicId::DeadLetters] {
            uses.push(own("remedy", id, Part::Output));
        }
    }
    uses
}

/// Topics of which the partition count is remembered, each once.
pub fn topics_with_layout(uses: &[TopicUse]) -> BTreeSet<String> {
    uses.iter()
        .filter(|u| u.part.has_layout())
        .map(|u| u.topic.clone())
        .collect()
}

fn subject(topic: &str) -> String {
    format!("topic {topic}")
}

fn alter(topic: &str, setting: &str) -> String {
    format!("kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {setting}")
}

/// What is wrong or doubtful with the topics, by what the log says of them; `remembered` are partition counts of earlier
/// starts. A topic that is as it should be gives one finding that says so.
pub fn check_topics(
    settings: &Settings,
    uses: &[TopicUse],
    found: &[TopicState],
    remembered: &BTreeMap<String, Layout>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let topics: BTreeSet<&str> = uses.iter().map(|u| u.topic.as_str()).collect();
    for topic in topics {
        let uses: Vec<&TopicUse> = uses.iter().filter(|u| u.topic == topic).collect();
        let Some(state) = found.iter().find(|state| state.name == topic) else {
            findings.push(missing(settings, topic, &uses));
            continue;
        };
        let before = findings.len();
        cleanup(state, &uses, &mut findings);
        retention(settings, state, &uses, &mut findings);
        sizes(state, &uses, &mut findings);
        copies(settings, state, &uses, &mut findings);
        if uses.iter().any(|u| u.part.has_layout())
            && let Some(layout) = remembered.get(topic)
        {
            compare(state, layout.seen, &mut findings);
        }
        if findings.len() == before {
            findings.push(Finding::fine(
                subject(topic),
                format!("{} partitions, {} copies", state.partitions, state.replication),
            ));
        }
    }
    findings
}

fn missing(settings: &Settings, topic: &str, uses: &[&TopicUse]) -> Finding {
    let made_by_us = uses.iter().any(|u| u.own.is_some() || u.part == Part::Directory)
        || settings.canary_topic().as_deref() == Some(topic);
    let remedy = if made_by_us {
        "`forecall topics create` makes it".to_owned()
    } else {
        "its producer or you must create it; forecall makes only its own topics. Or the name in the configuration is wrong"
            .to_owned()
    };
    Finding::wrong(
        subject(topic),
        "it does not exist, or this login may not see it",
        remedy,
    )
}

/// The policy forecall's table asks for, or that of any input: its old records are dropped by age, never by key.
fn cleanup(state: &TopicState, uses: &[&TopicUse], findings: &mut Vec<Finding>) {
    let policy = state.settings.get("cleanup.policy").map_or("", String::as_str);
    let own: Option<&Topic> = uses.iter().find_map(|u| u.own).map(TopicId::topic);
    let compacted = match own {
        Some(topic) => topic.cleanup == Cleanup::Compact,
        None => uses.iter().any(|u| u.part == Part::Directory),
    };
    let (is_compacted, is_deleted) = (state.is_cleaned_by("compact"), state.is_cleaned_by("delete"));
    if policy.is_empty() || (compacted, !compacted) == (is_compacted, is_deleted) {
        return;
    }
    let name = &state.name;
    let (what, wanted) = if compacted {
        (
            "it holds the newest state of each key, and deleting by age loses keys that are still open",
            "compact",
        )
    } else {
        (
            "it is read in order, and compaction takes records out of it: a re-reading would give another result",
            "delete",
        )
    };
    findings.push(Finding::wrong(
        subject(name),
        format!("cleanup.policy is `{policy}`: {what}"),
        alter(name, &format!("cleanup.policy={wanted}")),
    ));
}

fn retention(settings: &Settings, state: &TopicState, uses: &[&TopicUse], findings: &mut Vec<Finding>) {
    let is_read = uses.iter().any(|u| u.part.is_read() && u.part != Part::Directory);
    if !is_read || !state.is_cleaned_by("delete") {
        return;
    }
    let interval = settings.state.interval_seconds;
    let least = interval
        .saturating_mul(RETENTION_INTERVALS_MIN)
        .saturating_mul(1_000);
    let name = &state.name;
    if let Some(kept) = state.retention_ms()
        && kept < least
    {
        findings.push(Finding::wrong(
            subject(name),
            format!(
                "it keeps records for {} s, less than {RETENTION_INTERVALS_MIN} snapshot intervals of {interval} s: after a \
                 crash what must be re-read may be gone",
                kept / 1_000
            ),
            format!(
                "{}; or a shorter `state.interval_seconds`",
                alter(name, &format!("retention.ms={least}"))
            ),
        ));
    }
    let bytes: Option<i64> = state.settings.get("retention.bytes").and_then(|v| v.parse().ok());
    if let Some(bytes) = bytes.filter(|bytes| *bytes >= 0) {
        findings.push(Finding::doubtful(
            subject(name),
            format!("retention.bytes is {bytes}: a burst may drop records before {RETENTION_INTERVALS_MIN} snapshot intervals"),
            alter(name, "retention.bytes=-1"),
        ));
    }
}

fn sizes(state: &TopicState, uses: &[&TopicUse], findings: &mut Vec<Finding>) {
    let Some(own) = uses.iter().find_map(|u| u.own).map(TopicId::topic) else {
        return;
    };
    let taken: Option<u64> = state
        .settings
        .get("max.message.bytes")
        .and_then(|v| v.parse().ok());
    if let Some(taken) = taken
        && taken < u64::from(own.record_bytes_max)
    {
        let name = &state.name;
        findings.push(Finding::wrong(
            subject(name),
            format!(
                "it takes records of {taken} bytes, forecall writes up to {}: larger ones would be refused",
                own.record_bytes_max
            ),
            alter(name, &format!("max.message.bytes={}", own.record_bytes_max)),
        ));
    }
}

fn copies(settings: &Settings, state: &TopicState, uses: &[&TopicUse], findings: &mut Vec<Finding>) {
    if settings.topics.dev || uses.iter().all(|u| u.own.is_none()) {
        return;
    }
    let wanted = i32::try_from(settings.topics.replication).unwrap_or(i32::MAX);
    let name = &state.name;
    if state.replication < wanted {
        findings.push(Finding::doubtful(
            subject(name),
            format!("{} copies, `topics.replication` is {wanted}", state.replication),
            "kafka-reassign-partitions.sh adds copies",
        ));
    }
    let in_sync: Option<i32> = state
        .settings
        .get("min.insync.replicas")
        .and_then(|v| v.parse().ok());
    if wanted >= 3 && in_sync.is_some_and(|n| n < 2) {
        findings.push(Finding::doubtful(
            subject(name),
            "min.insync.replicas is 1: a record may be confirmed that stands on one broker alone",
            alter(name, "min.insync.replicas=2"),
        ));
    }
}

fn compare(state: &TopicState, count: i32, findings: &mut Vec<Finding>) {
    let (name, now) = (&state.name, state.partitions);
    match now.cmp(&count) {
        std::cmp::Ordering::Equal => {}
        std::cmp::Ordering::Greater => findings.push(Finding::wrong(
            subject(name),
            format!(
                "it has grown from {count} to {now} partitions: keys have moved away from the partitions that hold their memory"
            ),
            format!("docs/runbooks/grown-topic.md; `forecall topics migrate --topic {name}` does it"),
        )),
        std::cmp::Ordering::Less => findings.push(Finding::wrong(
            subject(name),
            format!("it had {count} partitions and has {now}: it was deleted and made again"),
            "docs/runbooks/grown-topic.md, \"made again\"",
        )),
    }
}

/// Looks at all topics of these roles: what is wrong, and the partition counts to be remembered.
///
/// # Errors
/// The log can't be asked.
pub fn look_at_topics(
    settings: &Settings,
    log: &dyn Log,
    roles: Roles,
) -> Result<(Vec<Finding>, BTreeMap<String, Layout>), LogError> {
    let uses = topic_uses(settings, roles);
    let names: BTreeSet<String> = uses.iter().map(|u| u.topic.clone()).collect();
    let found = log.describe(&names.into_iter().collect::<Vec<_>>())?;
    let kept = topics_with_layout(&uses);
    let known: BTreeSet<String> = kept
        .iter()
        .filter(|topic| found.iter().any(|state| state.name == **topic))
        .cloned()
        .collect();
    let remembered = remembered_layout(settings, log, &known)?;
    let counts = found
        .iter()
        .filter(|state| kept.contains(&state.name))
        .map(|state| {
            let kept = remembered.get(&state.name).copied();
            let layout = kept.filter(|layout| layout.seen == state.partitions);
            (
                state.name.clone(),
                layout.unwrap_or_else(|| Layout::whole(state.partitions)),
            )
        })
        .collect();
    Ok((check_topics(settings, &uses, &found, &remembered), counts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Refused, Severity};
    use expect_test::{Expect, expect};
    use forecall_log::{InProcess, TopicSpec};

    const CONFIG: &str = "
domain: isp
topics: {partitions: 4, replication: 1, dev: true}
sources:
  - {topic: otlp, format: otlp_proto}
  - {topic: probes, format: flat_json, keyed: true}
state: {interval_seconds: 60}
";

    fn settings() -> Settings {
        Settings::from_yaml("test.yaml", CONFIG).unwrap()
    }

    /// A broker with all topics as they should be, but for what `change` does to the specifications.
    fn broker(settings: &Settings, change: impl FnOnce(&mut Vec<TopicSpec>)) -> InProcess {
        let mut specs = crate::topic_specs(settings, &settings.topic_names());
        for (name, partitions) in [("otlp", 3), ("probes", 2)] {
            let mut spec = TopicSpec::new(name, partitions);
            spec.settings = vec![
                ("cleanup.policy".into(), "delete".into()),
                ("retention.ms".into(), "604800000".into()),
            ];
            specs.push(spec);
        }
        change(&mut specs);
        let log = InProcess::default();
        log.create_topics(&specs).unwrap();
        log
    }

    fn set(specs: &mut [TopicSpec], topic: &str, name: &str, value: &str) {
        let spec = specs.iter_mut().find(|s| s.name == topic).unwrap();
        spec.settings.retain(|(n, _)| n != name);
        spec.settings.push((name.into(), value.into()));
    }

    fn check(change: impl FnOnce(&mut Vec<TopicSpec>), wanted: &Expect) {
        let settings = settings();
        let log = broker(&settings, change);
        let (findings, _) = look_at_topics(&settings, &log, Roles::ALL).unwrap();
        let told: Vec<String> = findings
            .iter()
            .filter(|f| f.severity > Severity::Fine)
            .map(|f| format!("{} {f}", f.severity.as_str()))
            .collect();
        wanted.assert_eq(&told.join("\n"));
        let is_wrong = findings.iter().any(|f| f.severity == Severity::Wrong);
        assert_eq!(Refused::if_wrong(&findings).is_err(), is_wrong);
    }

    #[test]
    fn topics_as_they_are_created_are_right() {
        check(|_| {}, &expect![""]);
    }

    #[test]
    fn a_wrong_topic_is_refused_with_the_remedy() {
        check(
            |specs| specs.retain(|s| s.name != "otlp" && s.name != "forecall.notices.v1"),
            &expect![[r#"
                wrong topic forecall.notices.v1: it does not exist, or this login may not see it. Remedy: `forecall topics create` makes it
                wrong topic otlp: it does not exist, or this login may not see it. Remedy: its producer or you must create it; forecall makes only its own topics. Or the name in the configuration is wrong"#]],
        );
        check(
            |specs| set(specs, "forecall.anomalies.v1", "cleanup.policy", "compact,delete"),
            &expect![[r#"
                wrong topic forecall.anomalies.v1: cleanup.policy is `compact,delete`: it is read in order, and compaction takes records out of it: a re-reading would give another result. Remedy: kafka-configs.sh --alter --entity-type topics --entity-name forecall.anomalies.v1 --add-config cleanup.policy=delete"#]],
        );
        check(
            |specs| set(specs, "forecall.incidents.state.v1", "cleanup.policy", "delete"),
            &expect![[r#"
                wrong topic forecall.incidents.state.v1: cleanup.policy is `delete`: it holds the newest state of each key, and deleting by age loses keys that are still open. Remedy: kafka-configs.sh --alter --entity-type topics --entity-name forecall.incidents.state.v1 --add-config cleanup.policy=compact"#]],
        );
        check(
            |specs| set(specs, "otlp", "cleanup.policy", "compact"),
            &expect![[r#"
                wrong topic otlp: cleanup.policy is `compact`: it is read in order, and compaction takes records out of it: a re-reading would give another result. Remedy: kafka-configs.sh --alter --entity-type topics --entity-name otlp --add-config cleanup.policy=delete"#]],
        );
        check(
            |specs| set(specs, "probes", "retention.ms", "239999"),
            &expect![[r#"
                wrong topic probes: it keeps records for 239 s, less than 4 snapshot intervals of 60 s: after a crash what must be re-read may be gone. Remedy: kafka-configs.sh --alter --entity-type topics --entity-name probes --add-config retention.ms=240000; or a shorter `state.interval_seconds`"#]],
        );
        check(
            |specs| set(specs, "forecall.dead-letters.v1", "max.message.bytes", "1048588"),
            &expect![[r#"
                wrong topic forecall.dead-letters.v1: it takes records of 1048588 bytes, forecall writes up to 2097152: larger ones would be refused. Remedy: kafka-configs.sh --alter --entity-type topics --entity-name forecall.dead-letters.v1 --add-config max.message.bytes=2097152"#]],
        );
    }

    #[test]
    fn what_is_only_doubtful_is_told_and_let_pass() {
        check(
            |specs| set(specs, "probes", "retention.bytes", "1000"),
            &expect![[r#"
                doubtful topic probes: retention.bytes is 1000: a burst may drop records before 4 snapshot intervals. Remedy: kafka-configs.sh --alter --entity-type topics --entity-name probes --add-config retention.bytes=-1"#]],
        );
        // Four intervals exactly, and for ever.
        check(
            |specs| set(specs, "probes", "retention.ms", "240000"),
            &expect![""],
        );
        check(|specs| set(specs, "probes", "retention.ms", "-1"), &expect![""]);
    }

    #[test]
    fn a_keyed_topic_that_grew_is_refused_and_an_unkeyed_one_is_not() {
        let settings = settings();
        let before = broker(&settings, |_| {});
        let (_, counts) = look_at_topics(&settings, &before, Roles::ALL).unwrap();
        let names: Vec<(&str, i32)> = counts.iter().map(|(n, l)| (n.as_str(), l.used)).collect();
        expect![[r#"[("forecall.anomalies.v1", 4), ("forecall.outreach.log.v1", 4), ("forecall.samples.v1", 4), ("probes", 2)]"#]]
            .assert_eq(&format!("{names:?}"));
        let after = broker(&settings, |specs| {
            for spec in specs.iter_mut() {
                spec.partitions += 1;
            }
        });
        let (findings, _) = look_at_topics(&settings, &after, Roles::ALL).unwrap();
        assert_eq!(
            Refused::if_wrong(&findings),
            Ok(()),
            "nothing is remembered there yet"
        );
        remember_layout(&settings, &after, "test", &counts).unwrap();
        let (findings, _) = look_at_topics(&settings, &after, Roles::ALL).unwrap();
        let refused = Refused::if_wrong(&findings).unwrap_err();
        let subjects: Vec<&str> = refused.0.iter().map(|f| f.subject.as_str()).collect();
        assert_eq!(
            subjects,
            [
                "topic forecall.anomalies.v1",
                "topic forecall.outreach.log.v1",
                "topic forecall.samples.v1",
                "topic probes"
            ]
        );
        expect![[r#"
            the start is refused:
              topic probes: it has grown from 2 to 3 partitions: keys have moved away from the partitions that hold their memory. Remedy: docs/runbooks/grown-topic.md; `forecall topics migrate --topic probes` does it"#]]
        .assert_eq(&Refused(refused.0.into_iter().skip(3).collect()).to_string());
        let (findings, _) = look_at_topics(
            &settings,
            &after,
            Roles {
                outreach: true,
                ..Roles::NONE
            },
        )
        .unwrap();
        assert_eq!(
            Refused::if_wrong(&findings).unwrap_err().0.len(),
            1,
            "each process answers for its own"
        );
        remember_layout(
            &settings,
            &after,
            "test",
            &BTreeMap::from([("probes".to_owned(), Layout::whole(9))]),
        )
        .unwrap();
        let (findings, _) = look_at_topics(
            &settings,
            &after,
            Roles {
                detect: true,
                ..Roles::NONE
            },
        )
        .unwrap();
        let again = findings.iter().find(|f| f.subject == "topic probes").unwrap();
        assert!(again.what.contains("had 9 partitions and has 3"), "{again}");
    }
}
