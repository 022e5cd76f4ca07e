//! What waits to be brought to a target: a record of the incidents topic, and how far it has come.

use std::sync::Arc;

use forecall_bridge::Alert;
use forecall_log::{Headers, RecordRef, TopicPartition};
use forecall_types::{EventTime, IncidentEvent, Position, Reject};
use forecall_wire::event::{DeadLetter, EVENT_BYTES_MAX, Encoded, decode_incident_event};

/// A record, kept until it has been delivered.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) place: TopicPartition,
    pub(crate) offset: i64,
    pub(super) appended_at: EventTime,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Kept {
    pub(crate) fn of(record: &RecordRef<'_>) -> Self {
        Self {
            place: TopicPartition::new(record.topic, record.partition),
            offset: record.offset,
            appended_at: record.appended_at,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record
                .headers
                .get()
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
                .collect(),
        }
    }

    /// The value as it stands, for whoever is handed it on; `None`: it is no JSON.
    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(self.value.as_deref()?).ok()
    }

    pub(crate) fn event(&self) -> Result<IncidentEvent, Reject> {
        let missing = || {
            Reject::new(
                forecall_types::RejectReason::MissingField,
                "the record has no value",
            )
        };
        decode_incident_event(&self.headers, self.value.as_deref().ok_or_else(missing)?)
    }

    fn headers(&self) -> Vec<(&str, &[u8])> {
        let headers = self.headers.iter();
        headers.map(|(n, v)| (n.as_str(), v.as_slice())).collect()
    }

    /// The dead letter of what was read and could not be delivered: an incident event holds nothing personal, so it stands
    /// there whole.
    pub(super) fn undelivered(&self, reject: &Reject) -> Encoded {
        DeadLetter {
            reject,
            position: &Position {
                topic: Arc::clone(&self.place.topic),
                partition: self.place.partition,
                offset: self.offset,
            },
            appended_at: self.appended_at,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers(),
            record_bytes_max: EVENT_BYTES_MAX,
            personal: None,
        }
        .encode()
    }

    /// It as the log gave it.
    pub(crate) fn with_record<T>(&self, with: impl FnOnce(&RecordRef<'_>) -> T) -> T {
        let headers = self.headers();
        with(&RecordRef {
            topic: &self.place.topic,
            partition: self.place.partition,
            offset: self.offset,
            appended_at: self.appended_at,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: Headers::Read(&headers),
        })
    }
}

/// What is to be done with a record.
#[derive(Debug)]
pub(super) enum Task {
    /// Not looked at yet.
    Look,
    /// To be sent.
    Send(Box<Alert>),
    /// To be left on the dead-letter topic: whole where it was read and could not be delivered.
    Refuse { reject: Reject },
    /// Nothing more.
    Done,
}

/// A record that waits.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) kept: Kept,
    pub(super) task: Task,
    /// When it was read.
    pub(super) since: EventTime,
    pub(super) tries: u32,
    /// No try before.
    pub(super) not_before: EventTime,
    /// The position that stands when it is done; `None`: others of the same position follow.
    pub(super) next_offset: Option<i64>,
}

impl Item {
    pub(super) fn new(kept: Kept, task: Task, since: EventTime, next_offset: Option<i64>) -> Self {
        Self {
            kept,
            task,
            since,
            tries: 0,
            not_before: EventTime::MIN,
            next_offset,
        }
    }
}
