use std::sync::Arc;

use forecall_journey::{JourneySettings, JourneyStage, anomaly_of};
use forecall_log::{OutRecord, RecordRef, TopicPartition};
use forecall_observe::{Metric, Metrics};
use forecall_stage::{SnapshotError, Stage};
use forecall_types::{
    EventTime, Fingerprint, JourneyEntry, JourneyOutput, JourneyWave, Reject, RejectReason, WaveId, WaveState,
};
use forecall_wire::event::{
    JourneyEvent, TopicId, decode_journey_entry, decode_journey_event, encode_anomaly, encode_journey_event,
};

use crate::host::{Adapter, Effect};
use crate::stages::{Wiring, unwritable, value};

/// What [`observe`](Adapter::observe) sets.
pub(super) const JOURNEYS_GAUGES: &[Metric] = &[
    Metric::JourneysOpen,
    Metric::JourneysBytes,
    Metric::JourneyEventsWaiting,
    Metric::JourneyWavesOpen,
    Metric::JourneySourcesUnheard,
    Metric::WatermarkDelaySeconds,
];

/// `forecall.journeys.log.v1` → `forecall.journeys.v1`; waves also → `forecall.anomalies.v1`.
pub(crate) struct JourneysAdapter {
    /// Sources and topics.
    pub(crate) wiring: Wiring,
    /// Rules and bounds.
    pub(crate) settings: Arc<JourneySettings>,
    /// Where journeys are counted.
    pub(crate) metrics: Metrics,
}

impl JourneysAdapter {
    fn tell(
        &self,
        event: &JourneyEvent,
        partition: &TopicPartition,
        into: &mut Vec<Effect>,
    ) -> Result<(), Reject> {
        let encoded = encode_journey_event(event, &self.wiring.domain, partition.partition)
            .map_err(|e| unwritable(&e))?;
        into.push(Effect::Publish(self.wiring.out(TopicId::Journeys, encoded)));
        Ok(())
    }

    fn wave(
        &self,
        mut wave: JourneyWave,
        partition: &TopicPartition,
        into: &mut Vec<Effect>,
    ) -> Result<(), Reject> {
        // Two partitions may see one in the same place from the same moment on.
        wave.id = WaveId::derived(Fingerprint::of_parts(&[
            wave.id.as_str().as_bytes(),
            &partition.partition.to_le_bytes(),
        ]));
        let anomaly = anomaly_of(&wave);
        let is_new = wave.state == WaveState::Opened;
        let rule = wave.rule.clone();
        self.tell(&JourneyEvent::Wave(wave), partition, into)?;
        let Some(anomaly) = anomaly else {
            return if is_new {
                Err(Reject::new(
                    RejectReason::UnknownScope,
                    format!("a wave of `{rule}` names no region: it makes no incident"),
                ))
            } else {
                Ok(())
            };
        };
        let encoded = encode_anomaly(&anomaly).map_err(|e| unwritable(&e))?;
        into.push(Effect::Publish(self.wiring.out(TopicId::Anomalies, encoded)));
        Ok(())
    }
}

impl Adapter for JourneysAdapter {
    type Stage = JourneyStage;
    type Memory = ();

    fn settings_digest(&self) -> Fingerprint {
        Fingerprint::of(format!("{:?}", self.settings).as_bytes())
    }

    fn create(&self, _: &TopicPartition) -> JourneyStage {
        JourneyStage::new(Arc::clone(&self.settings))
    }

    fn load(&self, _: &TopicPartition, state: &[u8]) -> Result<JourneyStage, SnapshotError> {
        JourneyStage::load(Arc::clone(&self.settings), state)
    }

    fn decode(&self, record: &RecordRef<'_>) -> Result<Option<JourneyEntry>, Reject> {
        decode_journey_entry(record.headers.get(), value(record)?).map(Some)
    }

    fn encode(
        &self,
        partition: &TopicPartition,
        output: JourneyOutput,
        into: &mut Vec<Effect>,
    ) -> Result<(), Reject> {
        match output {
            JourneyOutput::Failed(failed) => self.tell(&JourneyEvent::Failed(failed), partition, into),
            JourneyOutput::Wave(wave) => self.wave(wave, partition, into),
            JourneyOutput::Map(map) => self.tell(&JourneyEvent::Map(map), partition, into),
        }
    }

    fn dead_letter(&self, record: &RecordRef<'_>, reject: &Reject) -> Option<OutRecord> {
        Some(self.wiring.dead_letter(record, reject))
    }

    fn observe(&self, partition: &TopicPartition, stage: &JourneyStage, now: EventTime) {
        let health = stage.health();
        let number = partition.partition.to_string();
        #[allow(clippy::cast_precision_loss, reason = "a gauge; exact to 2^53")]
        let gauge = |metric: Metric, count: usize| self.metrics.set(metric, &[&number], count as f64);
        gauge(Metric::JourneysOpen, health.open);
        gauge(Metric::JourneysBytes, health.bytes);
        gauge(Metric::JourneyEventsWaiting, health.waiting);
        gauge(Metric::JourneyWavesOpen, health.waves);
        gauge(Metric::JourneySourcesUnheard, health.unheard);
        if health.passed > EventTime::MIN {
            let behind = now.since(health.passed).as_secs_f64();
            self.metrics.set(
                Metric::WatermarkDelaySeconds,
                &[JourneyStage::NAME, &partition.topic, &number],
                behind,
            );
        }
    }

    fn gauges(&self) -> &'static [Metric] {
        JOURNEYS_GAUGES
    }

    fn watches(&self, record: &OutRecord) -> bool {
        self.wiring.is_on(&record.topic, TopicId::Journeys)
    }

    fn committed(&self, records: &[OutRecord]) {
        for record in records {
            let value = record.value.as_deref().unwrap_or_default();
            match decode_journey_event(&record.headers, value) {
                Ok(JourneyEvent::Failed(failed)) => {
                    let labels = [failed.rule.as_str(), failed.failure.as_str()];
                    self.metrics.inc(Metric::JourneysFailedTotal, &labels, 1);
                }
                Ok(JourneyEvent::Wave(wave)) => {
                    let labels = [wave.rule.as_str(), wave.state.as_str()];
                    self.metrics.inc(Metric::JourneyWavesTotal, &labels, 1);
                }
                Ok(JourneyEvent::Map(_)) | Err(_) => {}
            }
        }
    }
}
