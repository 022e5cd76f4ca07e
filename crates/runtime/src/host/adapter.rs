use forecall_log::{OutRecord, RecordRef, TopicPartition};
use forecall_observe::Metric;
use forecall_stage::{Effects, SnapshotError, Stage};
use forecall_types::{EventTime, Fingerprint, Reject};

use crate::host::Effect;

/// Output of an adapter's stage.
pub type OutputOf<A> = <<A as Adapter>::Stage as Stage>::Output;
/// Input of an adapter's stage.
pub type InputOf<A> = <<A as Adapter>::Stage as Stage>::Input;

/// What joins a pure stage to a log of bytes: decoding, encoding, and what only the shell knows.
pub trait Adapter: Send + Sync + 'static {
    /// The stage.
    type Stage: Stage<Input: Send> + Send;
    /// What decoding remembers of a partition's records to be faster: no state, the same comes out without it.
    type Memory: Default + Send;

    /// Digest of the settings the stage runs under: part of the checkpoint.
    fn settings_digest(&self) -> Fingerprint;

    /// A stage without memory for a partition.
    fn create(&self, partition: &TopicPartition) -> Self::Stage;

    /// A stage with the memory of a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError::Decode`]: another version wrote it.
    fn load(&self, partition: &TopicPartition, state: &[u8]) -> Result<Self::Stage, SnapshotError>;

    /// Bytes to input; `None` for a record that means nothing to the stage by design (a tombstone).
    ///
    /// # Errors
    /// Why it can't be decoded; the record is counted, and goes to the dead letters where its reason says so.
    fn decode(&self, record: &RecordRef<'_>) -> Result<Option<InputOf<Self>>, Reject>;

    /// As [`decode`](Self::decode), in the memory of an input that was stepped and is no longer needed, and with what earlier
    /// records of the partition have taught.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    fn decode_reusing(
        &self,
        record: &RecordRef<'_>,
        spare: Option<InputOf<Self>>,
        memory: &mut Self::Memory,
    ) -> Result<Option<InputOf<Self>>, Reject> {
        let _ = (spare, memory);
        self.decode(record)
    }

    /// One output as effects, in order.
    ///
    /// # Errors
    /// What can't be written (too large): a reject, never a retry.
    fn encode(
        &self,
        partition: &TopicPartition,
        output: OutputOf<Self>,
        into: &mut Vec<Effect>,
    ) -> Result<(), Reject>;

    /// The dead letter of a record that could not be decoded; `None` where the stage's own log can't hold foreign bytes.
    fn dead_letter(&self, record: &RecordRef<'_>, reject: &Reject) -> Option<OutRecord>;

    /// A tick for the stage's own log; `None` for stages that need none.
    fn tick(&self, partition: &TopicPartition, at: EventTime) -> Option<OutRecord> {
        let _ = (partition, at);
        None
    }

    /// How far the stage has come, in steps of which its heartbeat tells at once, because others wait for them; the least
    /// where whoever reads it can wait for the next pulse.
    fn step_reached(&self, stage: &Self::Stage) -> EventTime {
        let _ = stage;
        EventTime::MIN
    }

    /// Whether time alone changes nothing of what the stage says, up to its next record, however many ticks and pulses lie
    /// between: whoever sets the clock may then set it at once. In doubt it isn't so.
    fn is_at_rest(&self, stage: &Self::Stage) -> bool {
        let _ = stage;
        false
    }

    /// Whether the stage's pulses name the topics of its group, and stand before the first effect of a partition.
    fn names_topics(&self) -> bool {
        false
    }

    /// Whether a topic of its group is one of those that its pulses name.
    fn is_waited_for(&self, topic: &str) -> bool {
        let _ = topic;
        true
    }

    /// Told after each step, muted ones too: what the stage keeps only to be looked at can be taken from it.
    fn stepped(&self, partition: &TopicPartition, stage: &mut Self::Stage) {
        let _ = (partition, stage);
    }

    /// Told that a partition is no longer ours.
    fn gone(&self, partition: &TopicPartition) {
        let _ = partition;
    }

    /// Whether the stage wants to be [told](Self::committed) of this record once it stands.
    fn watches(&self, record: &OutRecord) -> bool {
        let _ = record;
        false
    }

    /// Told of the records watched that have just been committed, for metrics. Muted ones aren't told.
    fn committed(&self, records: &[OutRecord]) {
        let _ = records;
    }

    /// Told how a stage stands, as often as it is asked for heartbeats; for gauges.
    fn observe(&self, partition: &TopicPartition, stage: &Self::Stage, now: EventTime) {
        let _ = (partition, stage, now);
    }

    /// The gauges that [`observe`](Self::observe) sets for a partition: they are forgotten with it.
    fn gauges(&self) -> &'static [Metric] {
        &[]
    }

    /// Called at the end of a finite input: what the stage still holds back comes out.
    fn flush(&self, stage: &mut Self::Stage, effects: &mut Effects<OutputOf<Self>>) {
        let _ = (stage, effects);
    }
}
