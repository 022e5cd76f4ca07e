use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forecall_detect::{DetectOutput, DetectSettings, DetectStage, Shown, ShownSeries};
use forecall_log::{OutRecord, RecordRef, TopicPartition};
use forecall_observe::{Metric, Metrics, ShownRow};
use forecall_stage::{Effects, SnapshotError, Stage};
use forecall_types::{CorrelateEntry, EventTime, Fingerprint, Reject, SamplesRecord, ScoredSample};
use forecall_wire::event::{TopicId, encode_correlate_entry};
use forecall_wire::telemetry::{Spellings, samples};

use crate::host::{Adapter, Effect};
use crate::stages::{Wiring, source_of, unwritable, value};

/// `correlate` evaluates on a grid of whole seconds at the finest, once every watermark has passed.
const STEP: Duration = Duration::from_secs(1);

/// What [`observe`](Adapter::observe) sets.
pub(super) const DETECT_GAUGES: &[Metric] = &[
    Metric::SeriesEvictedTotal,
    Metric::SamplesReleasedEarlyTotal,
    Metric::WatermarkDelaySeconds,
];

/// Keyed telemetry and the re-keyed topic → `forecall.anomalies.v1`.
pub(crate) struct DetectAdapter {
    /// Sources and topics.
    pub(crate) wiring: Wiring,
    /// What the stage decides by.
    pub(crate) settings: Arc<DetectSettings>,
    /// Where delays are told.
    pub(crate) metrics: Metrics,
    /// Series that are shown; no part of what is decided, nor of the digest.
    pub(crate) shown: Arc<[ShownSeries]>,
    /// Takes the score of each input row, where a replay wants them.
    pub(crate) scores: Option<Arc<Mutex<Vec<ScoredSample>>>>,
}

impl Adapter for DetectAdapter {
    type Stage = DetectStage;
    type Memory = Spellings;

    /// How the sources are read is part of it: re-reading by another format or mapping would give another memory.
    fn settings_digest(&self) -> Fingerprint {
        Fingerprint::of(format!("{:?} {:?}", self.settings, self.wiring.sources).as_bytes())
    }

    fn create(&self, partition: &TopicPartition) -> DetectStage {
        let stage = DetectStage::new(Arc::clone(&self.settings), source_of(partition));
        stage
            .of_domains(self.wiring.domains_on(&partition.topic))
            .showing(&self.shown)
    }

    fn load(&self, _: &TopicPartition, state: &[u8]) -> Result<DetectStage, SnapshotError> {
        let stage = DetectStage::load(Arc::clone(&self.settings), state)?;
        Ok(stage.showing(&self.shown))
    }

    fn stepped(&self, partition: &TopicPartition, stage: &mut DetectStage) {
        if self.shown.is_empty() {
            return;
        }
        for shown in stage.take_shown() {
            self.metrics.show(&partition.to_string(), row_of(shown));
        }
    }

    fn gone(&self, partition: &TopicPartition) {
        self.metrics.show_none_of(&partition.to_string());
    }

    fn decode(&self, record: &RecordRef<'_>) -> Result<Option<SamplesRecord>, Reject> {
        self.decode_reusing(record, None, &mut Spellings::default())
    }

    fn decode_reusing(
        &self,
        record: &RecordRef<'_>,
        spare: Option<SamplesRecord>,
        memory: &mut Spellings,
    ) -> Result<Option<SamplesRecord>, Reject> {
        if self.wiring.is_on(record.topic, TopicId::Samples) {
            return samples::decode_reusing(value(record)?, spare).map(Some);
        }
        self.wiring.samples(record, spare, memory)
    }

    fn encode(&self, _: &TopicPartition, output: DetectOutput, into: &mut Vec<Effect>) -> Result<(), Reject> {
        let entry = match output {
            DetectOutput::Anomaly(anomaly) => CorrelateEntry::Anomaly(anomaly),
            DetectOutput::Summary(summary) => CorrelateEntry::Summary(summary),
            DetectOutput::Heartbeat(heartbeat) => CorrelateEntry::Heartbeat(heartbeat),
            DetectOutput::Scored(scored) => {
                if let Some(scores) = &self.scores {
                    scores.lock().unwrap_or_else(PoisonError::into_inner).push(scored);
                }
                return Ok(());
            }
        };
        let encoded = encode_correlate_entry(&entry).map_err(|e| unwritable(&e))?;
        into.push(Effect::Publish(self.wiring.out(TopicId::Anomalies, encoded)));
        Ok(())
    }

    fn observe(&self, partition: &TopicPartition, stage: &DetectStage, now: EventTime) {
        let number = partition.partition.to_string();
        #[allow(clippy::cast_precision_loss, reason = "a gauge; exact to 2^53")]
        let gauge = |metric: Metric, count: u64| {
            self.metrics
                .set(metric, &[&partition.topic, &number], count as f64);
        };
        gauge(Metric::SeriesEvictedTotal, stage.evicted());
        gauge(Metric::SamplesReleasedEarlyTotal, stage.released_early());
        let watermark = stage.watermark().time();
        if watermark > EventTime::MIN && watermark < EventTime::MAX {
            let behind = now.since(watermark).as_secs_f64();
            self.metrics.set(
                Metric::WatermarkDelaySeconds,
                &[DetectStage::NAME, &partition.topic, &number],
                behind,
            );
        }
    }

    fn gauges(&self) -> &'static [Metric] {
        DETECT_GAUGES
    }

    fn step_reached(&self, stage: &DetectStage) -> EventTime {
        match stage.watermark().time() {
            EventTime::MIN | EventTime::MAX => EventTime::MIN,
            watermark => watermark.floor(STEP),
        }
    }

    fn is_at_rest(&self, stage: &DetectStage) -> bool {
        stage.is_at_rest()
    }

    fn dead_letter(&self, record: &RecordRef<'_>, reject: &Reject) -> Option<OutRecord> {
        Some(self.wiring.dead_letter(record, reject))
    }

    fn flush(&self, stage: &mut DetectStage, effects: &mut Effects<DetectOutput>) {
        stage.flush(effects);
    }
}

/// A shown series as the page has it.
fn row_of(shown: Shown) -> ShownRow {
    let Shown { series, normal, .. } = shown;
    let own = series.labels.iter().chain(series.resource.iter());
    let labels = std::iter::once(("domain", shown.domain.as_str())).chain(own);
    let mut known = std::collections::BTreeSet::new();
    ShownRow {
        metric: series.metric.to_string(),
        // A label of the point goes before one of the resource.
        labels: labels
            .filter(|(name, _)| known.insert(name.to_owned()))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        value: shown.value,
        normal: normal.map(|(expected, band)| [expected, band.low, band.high]),
        score: shown.score,
        channels: shown
            .channels
            .iter()
            .map(|said| (said.channel.as_str(), said.score.get()))
            .collect(),
        is_open: shown.is_open,
    }
}
