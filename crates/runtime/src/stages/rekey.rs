use std::sync::Arc;

use forecall_detect::{RekeyOutput, RekeySettings, RekeyStage};
use forecall_log::{OutRecord, RecordRef, TopicPartition};
use forecall_stage::{SnapshotError, Stage};
use forecall_types::{Fingerprint, Reject, SamplesRecord, SourcePartition};
use forecall_wire::event::{TopicId, encode_service};
use forecall_wire::telemetry::{Spellings, samples};

use crate::host::{Adapter, Effect};
use crate::stages::{Wiring, unwritable};

/// Telemetry topics that aren't keyed by entity → `forecall.samples.v1`; traces → `forecall.topology.v1`.
pub(crate) struct RekeyAdapter {
    /// Sources and topics.
    pub(crate) wiring: Wiring,
    /// Partitions of the re-keyed topic and what counts as the future.
    pub(crate) settings: Arc<RekeySettings>,
}

impl Adapter for RekeyAdapter {
    type Stage = RekeyStage;
    type Memory = Spellings;

    /// How the sources are read is part of it: re-reading by another format or mapping would give another memory.
    fn settings_digest(&self) -> Fingerprint {
        Fingerprint::of(format!("{:?} {:?}", self.settings, self.wiring.sources).as_bytes())
    }

    fn create(&self, partition: &TopicPartition) -> RekeyStage {
        RekeyStage::new(
            Arc::clone(&self.settings),
            source_of(partition),
            self.wiring.domain_of(&partition.topic),
        )
        .without_points(self.wiring.measures_nothing(&partition.topic))
    }

    fn load(&self, partition: &TopicPartition, state: &[u8]) -> Result<RekeyStage, SnapshotError> {
        let stage = RekeyStage::load(Arc::clone(&self.settings), state)?;
        Ok(stage.without_points(self.wiring.measures_nothing(&partition.topic)))
    }

    fn decode(&self, record: &RecordRef<'_>) -> Result<Option<SamplesRecord>, Reject> {
        self.wiring.samples(record, None, &mut Spellings::default())
    }

    fn decode_reusing(
        &self,
        record: &RecordRef<'_>,
        spare: Option<SamplesRecord>,
        memory: &mut Spellings,
    ) -> Result<Option<SamplesRecord>, Reject> {
        self.wiring.samples(record, spare, memory)
    }

    fn encode(&self, _: &TopicPartition, output: RekeyOutput, into: &mut Vec<Effect>) -> Result<(), Reject> {
        let output = match output {
            RekeyOutput::Samples(output) => output,
            RekeyOutput::Service(service) => {
                let encoded = encode_service(&service).map_err(|e| unwritable(&e))?;
                into.push(Effect::Publish(self.wiring.out(TopicId::Topology, encoded)));
                return Ok(());
            }
        };
        into.push(Effect::Publish(OutRecord {
            topic: self.wiring.topic(TopicId::Samples),
            partition: i32::try_from(output.partition).ok(),
            key: None,
            value: Some(samples::encode(&output.record)),
            headers: Vec::new(),
        }));
        Ok(())
    }

    /// What it says of time, the marks, matters to `detect` alone.
    fn is_at_rest(&self, _: &RekeyStage) -> bool {
        true
    }

    fn names_topics(&self) -> bool {
        true
    }

    /// What measures nothing holds nobody up.
    fn is_waited_for(&self, topic: &str) -> bool {
        !self.wiring.measures_nothing(topic)
    }

    fn dead_letter(&self, record: &RecordRef<'_>, reject: &Reject) -> Option<OutRecord> {
        Some(self.wiring.dead_letter(record, reject))
    }
}

pub(crate) fn source_of(partition: &TopicPartition) -> SourcePartition {
    SourcePartition {
        topic: Arc::clone(&partition.topic),
        partition: partition.partition,
    }
}
