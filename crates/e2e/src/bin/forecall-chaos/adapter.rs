//! Joins the tally to its topics, as the adapters of forecall's own stages do.

use forecall_log::{OutRecord, RecordRef, TopicPartition};
use forecall_runtime::host::{Adapter, Effect};
use forecall_stage::{SnapshotError, Stage as _};
use forecall_types::{Fingerprint, Position, Reject, RejectReason};
use forecall_wire::event::DeadLetter;
use serde::Deserialize;

use crate::place::Place;
use crate::tally::{Closed, Sale, Tally};

/// A record as it stands on the topic; what is missing is told apart from what can't be read.
#[derive(Deserialize)]
struct Written {
    key: Option<String>,
    seq: Option<u64>,
    ts: Option<i64>,
    value: Option<i64>,
}

pub(crate) struct TallyAdapter {
    pub(crate) place: Place,
}

/// Bytes to a sale.
pub(crate) fn decode(value: Option<&[u8]>) -> Result<Option<Sale>, Reject> {
    let Some(bytes) = value else {
        return Ok(None);
    };
    let written: Written = serde_json::from_slice(bytes)
        .map_err(|_| Reject::new(RejectReason::Malformed, "the value is not such an object"))?;
    let (Some(key), Some(seq), Some(at_ms), Some(value)) =
        (written.key, written.seq, written.ts, written.value)
    else {
        return Err(Reject::new(RejectReason::MissingField, "a field is missing"));
    };
    if value < 0 {
        return Err(Reject::new(RejectReason::BadValue, "value is below nought"));
    }
    Ok(Some(Sale {
        key,
        seq,
        at_ms,
        value,
    }))
}

/// The record of an output: on the partition that its input has.
pub(crate) fn published(place: &Place, partition: i32, closed: Closed) -> OutRecord {
    let mut record = OutRecord::new(
        &place.outputs(),
        closed.key.into_bytes(),
        closed.text.into_bytes(),
    );
    record.partition = Some(partition);
    record
}

/// The dead letter of a record.
pub(crate) fn letter(place: &Place, record: &RecordRef<'_>, reject: &Reject) -> OutRecord {
    let letter = DeadLetter {
        reject,
        position: &Position {
            topic: record.topic.into(),
            partition: record.partition,
            offset: record.offset,
        },
        appended_at: record.appended_at,
        key: record.key,
        value: record.value,
        headers: record.headers.get(),
        record_bytes_max: 1 << 20,
        personal: None,
    }
    .encode();
    OutRecord {
        topic: place.letters().as_str().into(),
        partition: None,
        key: Some(letter.key),
        value: Some(letter.value),
        headers: letter.headers,
    }
}

impl Adapter for TallyAdapter {
    type Stage = Tally;
    type Memory = ();

    fn settings_digest(&self) -> Fingerprint {
        Fingerprint::of(b"tally")
    }

    fn create(&self, _: &TopicPartition) -> Tally {
        Tally::default()
    }

    fn load(&self, _: &TopicPartition, state: &[u8]) -> Result<Tally, SnapshotError> {
        Tally::load((), state)
    }

    fn decode(&self, record: &RecordRef<'_>) -> Result<Option<Sale>, Reject> {
        decode(record.value)
    }

    fn encode(
        &self,
        partition: &TopicPartition,
        output: Closed,
        into: &mut Vec<Effect>,
    ) -> Result<(), Reject> {
        into.push(Effect::Publish(published(
            &self.place,
            partition.partition,
            output,
        )));
        Ok(())
    }

    fn dead_letter(&self, record: &RecordRef<'_>, reject: &Reject) -> Option<OutRecord> {
        Some(letter(&self.place, record, reject))
    }
}
