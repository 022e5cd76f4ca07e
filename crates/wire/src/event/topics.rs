//! The table of forecall's topics: `topics create`, the AsyncAPI document and the reference are made from it.

use super::Payload;

/// What the broker does with old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// Dropped after the retention.
    Delete,
    /// The newest of each key stays; a tombstone removes a key.
    Compact,
}

impl Cleanup {
    /// The value of the topic setting `cleanup.policy`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Compact => "compact",
        }
    }
}

/// The topics, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is described in the table below")]
pub enum TopicId {
    Samples,
    Anomalies,
    OutreachLog,
    JourneysLog,
    Incidents,
    IncidentsState,
    Notices,
    NoticesState,
    Journeys,
    CallForecasts,
    Feedback,
    Commands,
    Topology,
    DeadLetters,
}

/// One topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic {
    /// Which.
    pub id: TopicId,
    /// Its default name.
    pub name: &'static str,
    /// What its records are keyed by.
    pub key: &'static str,
    /// What it carries.
    pub carries: &'static str,
    /// Who writes it.
    pub writer: &'static str,
    /// What becomes of old records.
    pub cleanup: Cleanup,
    /// Hours that records (with compaction: tombstones) stay at least.
    pub retention_hours: u32,
    /// Partitions where the settings say nothing.
    pub partitions: u32,
    /// Largest record in bytes: `max.message.bytes`.
    pub record_bytes_max: u32,
    /// The payloads; empty: not JSON.
    pub payloads: &'static [Payload],
    /// For forecall's own stages: its form may change in any version.
    pub internal: bool,
    /// The name is kept for a later version; nothing writes it yet and it isn't created.
    pub reserved: bool,
}

/// An event's limit and room for the batch's own bytes.
const EVENT_RECORD_BYTES_MAX: u32 = 512 * 1024;
/// A broker's default limit.
const MIB: u32 = 1024 * 1024;
const DAY: u32 = 24;

const fn topic(id: TopicId, name: &'static str, key: &'static str) -> Topic {
    Topic {
        id,
        name,
        key,
        carries: "",
        writer: "",
        cleanup: Cleanup::Delete,
        retention_hours: 7 * DAY,
        partitions: 12,
        record_bytes_max: EVENT_RECORD_BYTES_MAX,
        payloads: &[],
        internal: false,
        reserved: false,
    }
}

/// All topics, in the order of the data's way.
pub const TOPICS: [Topic; 14] = [
    Topic {
        carries: "re-keyed telemetry, in a compact binary form, with each source's marks",
        writer: "rekey",
        retention_hours: 3 * DAY,
        record_bytes_max: MIB,
        internal: true,
        ..topic(TopicId::Samples, "forecall.samples.v1", "entity")
    },
    Topic {
        carries: "anomaly opened, updated, closed; heartbeats; summaries of entities in peer groups; ticks, feedback, commands and services sequenced in: the log of correlate",
        writer: "detect; journeys (waves); outreach (customers who write that it still fails); correlate (ticks); console and runtime (feedback, commands, services)",
        payloads: &[
            Payload::Anomaly,
            Payload::Heartbeat,
            Payload::Summary,
            Payload::Service,
            Payload::Tick,
            Payload::Feedback,
            Payload::Command,
        ],
        ..topic(TopicId::Anomalies, "forecall.anomalies.v1", "domain")
    },
    Topic {
        carries: "incidents, calls, customers, consents, replies, receipts, commands, ticks, all pseudonymous: the log of outreach",
        writer: "runtime (sequencing), deliver (receipts), outreach (ticks)",
        payloads: &[
            Payload::IncidentEvent,
            Payload::Call,
            Payload::Customer,
            Payload::Reply,
            Payload::Receipt,
            Payload::Command,
            Payload::Tick,
        ],
        retention_hours: 30 * DAY,
        internal: true,
        ..topic(TopicId::OutreachLog, "forecall.outreach.log.v1", "domain")
    },
    Topic {
        carries: "what happened to customers, under pseudonyms, and how far each source was read: the log of journeys",
        writer: "runtime (sequencing)",
        payloads: &[Payload::CustomerEvent, Payload::JourneyMark],
        internal: true,
        ..topic(TopicId::JourneysLog, "forecall.journeys.log.v1", "pseudonym")
    },
    Topic {
        carries: "incident predicted, updated, confirmed, averted, retracted, expired, resolved, reviewed, reopened, merged; work announced, started, overrun, ended, cancelled",
        writer: "correlate",
        payloads: &[Payload::IncidentEvent],
        retention_hours: 365 * DAY,
        ..topic(TopicId::Incidents, "forecall.incidents.v1", "incident")
    },
    Topic {
        carries: "newest whole state of each incident; a tombstone after its end",
        writer: "correlate",
        cleanup: Cleanup::Compact,
        payloads: &[Payload::IncidentState],
        ..topic(TopicId::IncidentsState, "forecall.incidents.state.v1", "incident")
    },
    Topic {
        carries: "notice drafted, approved, held, suppressed, sending, sent, delivered, retracted: counts and ids, never a phone number",
        writer: "outreach",
        payloads: &[Payload::Notice],
        retention_hours: 365 * DAY,
        ..topic(TopicId::Notices, "forecall.notices.v1", "notice")
    },
    Topic {
        carries: "newest whole state of each notice; a tombstone after its end",
        writer: "outreach",
        cleanup: Cleanup::Compact,
        payloads: &[Payload::Notice],
        ..topic(TopicId::NoticesState, "forecall.notices.state.v1", "notice")
    },
    Topic {
        carries: "failed journeys of single customers, waves of such failures, and a map of each day and rule",
        writer: "journeys",
        payloads: &[Payload::FailedJourney, Payload::JourneyWave, Payload::JourneyMap],
        retention_hours: 30 * DAY,
        ..topic(
            TopicId::Journeys,
            "forecall.journeys.v1",
            "pseudonym; of waves and maps the rule",
        )
    },
    Topic {
        carries: "per interval: arrivals with and without the notice as quantiles, staffing",
        writer: "outreach",
        payloads: &[Payload::CallForecast],
        retention_hours: 90 * DAY,
        ..topic(
            TopicId::CallForecasts,
            "forecall.call-forecasts.v1",
            "domain/queue",
        )
    },
    Topic {
        carries: "verdicts from people: right, expected, false alarm, new normal",
        writer: "console, or anybody who may judge",
        payloads: &[Payload::Feedback],
        retention_hours: 365 * DAY,
        ..topic(TopicId::Feedback, "forecall.feedback.v1", "incident")
    },
    Topic {
        carries: "operator commands: declare, acknowledge, eta, step, attribute, retract, close, review, merge, plan, silence, unsilence, approve, kill",
        writer: "console, or anybody who may command",
        payloads: &[Payload::Command],
        retention_hours: 365 * DAY,
        ..topic(
            TopicId::Commands,
            "forecall.commands.v1",
            "incident, notice or domain",
        )
    },
    Topic {
        carries: "services and what they need, as somebody declares or as traces show",
        writer: "rekey (of traces), or whoever knows what depends on what",
        cleanup: Cleanup::Compact,
        payloads: &[Payload::Service],
        partitions: 3,
        ..topic(
            TopicId::Topology,
            "forecall.topology.v1",
            "domain/service; of traces with topic and partition",
        )
    },
    Topic {
        carries: "original bytes, reason and position of what could not be taken",
        writer: "every stage that reads",
        payloads: &[Payload::DeadLetter],
        retention_hours: 14 * DAY,
        partitions: 3,
        record_bytes_max: 2 * MIB,
        ..topic(TopicId::DeadLetters, "forecall.dead-letters.v1", "source topic")
    },
];

impl TopicId {
    /// Its row of the table.
    pub fn topic(self) -> &'static Topic {
        // A test holds that row and id agree.
        #[allow(
            clippy::indexing_slicing,
            reason = "the table has a row for each case, in order"
        )]
        &TOPICS[self as usize]
    }
}

/// The topics' names in this installation: a prefix before each default name, empty by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicNames {
    prefix: String,
}

impl TopicNames {
    /// With a prefix: `replay.` makes `replay.forecall.incidents.v1`.
    pub fn with_prefix(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// The name of a topic.
    pub fn name(&self, id: TopicId) -> String {
        format!("{}{}", self.prefix, id.topic().name)
    }

    /// The topic of a name.
    pub fn find(&self, name: &str) -> Option<&'static Topic> {
        let name = name.strip_prefix(self.prefix.as_str())?;
        TOPICS.iter().find(|t| t.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_stands_in_its_row() {
        for topic in &TOPICS {
            assert_eq!(topic.id.topic(), topic, "{}", topic.name);
            assert!(topic.name.starts_with("forecall.") && topic.name.ends_with(".v1"));
            assert!(!topic.carries.is_empty() && !topic.writer.is_empty());
            assert_eq!(
                topic.payloads.is_empty(),
                topic.id == TopicId::Samples || topic.reserved,
                "{}",
                topic.name
            );
        }
    }

    #[test]
    fn a_prefix_stands_before_every_name() {
        let names = TopicNames::with_prefix("replay.");
        assert_eq!(names.name(TopicId::Incidents), "replay.forecall.incidents.v1");
        assert_eq!(
            names.find("replay.forecall.incidents.v1").map(|t| t.id),
            Some(TopicId::Incidents)
        );
        assert_eq!(names.find("forecall.incidents.v1"), None);
        assert_eq!(
            TopicNames::default().name(TopicId::DeadLetters),
            "forecall.dead-letters.v1"
        );
    }
}
