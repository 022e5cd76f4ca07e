use std::sync::{Arc, Mutex, PoisonError};

use forecall_incident::{CorrelateInput, CorrelateSettings, CorrelateStage, LearntHealth};
use forecall_log::{OutRecord, RecordRef, TopicPartition};
use forecall_observe::{Metric, Metrics};
use forecall_stage::{SnapshotError, Stage};
use forecall_types::{
    CorrelateEntry, EventTime, Fingerprint, IncidentChange, IncidentEvent, PeerScore, Reject, Tick,
};
use forecall_wire::event::{
    TopicId, decode_correlate_entry, decode_incident_event, encode_correlate_entry, encode_incident_event,
    encode_incident_state,
};

use tracing::info;

use crate::clock::Clock;
use crate::host::{Adapter, Effect};
use crate::stages::{Wiring, unwritable, value};

/// What [`observe`](Adapter::observe) sets.
pub(super) const CORRELATE_GAUGES: &[Metric] = &[
    Metric::IncidentsOpen,
    Metric::SilencesInForce,
    Metric::AdjustmentsInForce,
    Metric::HeartbeatsMissing,
    Metric::PredictionsSettled,
    Metric::PredictionsUnknown,
    Metric::PredictionsWaiting,
    Metric::OutcomesLearnt,
    Metric::PredictionBrier,
];

/// `forecall.anomalies.v1` → `forecall.incidents.v1` and its state topic.
pub(crate) struct CorrelateAdapter {
    /// Sources and topics.
    pub(crate) wiring: Wiring,
    /// Topology and what the stage decides by.
    pub(crate) settings: Arc<CorrelateSettings>,
    /// Where incidents are counted.
    pub(crate) metrics: Metrics,
    /// What "now" is for the delay from record to incident.
    pub(crate) clock: Arc<dyn Clock>,
    /// Takes what each member of a peer group was, where wanted.
    pub(crate) peers: Option<Arc<Mutex<Vec<PeerScore>>>>,
}

impl CorrelateAdapter {
    /// What may happen to incidents is told from 0 on.
    pub(crate) fn begin_counters(&self) {
        use IncidentChange as C;
        for change in [
            C::Predicted,
            C::Updated,
            C::Confirmed,
            C::Averted,
            C::Retracted,
            C::Expired,
            C::Resolved,
            C::Reviewed,
            C::Reopened,
            C::Announced,
            C::Started,
            C::Overrun,
            C::Ended,
            C::Cancelled,
            C::Merged,
        ] {
            self.metrics.begin(Metric::IncidentsTotal, &[change.as_str()]);
        }
    }
}

impl Adapter for CorrelateAdapter {
    type Stage = CorrelateStage;
    type Memory = ();

    fn settings_digest(&self) -> Fingerprint {
        Fingerprint::of(format!("{:?}", self.settings).as_bytes())
    }

    fn create(&self, _: &TopicPartition) -> CorrelateStage {
        CorrelateStage::new(Arc::clone(&self.settings))
    }

    fn load(&self, _: &TopicPartition, state: &[u8]) -> Result<CorrelateStage, SnapshotError> {
        CorrelateStage::load(Arc::clone(&self.settings), state)
    }

    fn decode(&self, record: &RecordRef<'_>) -> Result<Option<CorrelateInput>, Reject> {
        let entry = decode_correlate_entry(record.headers.get(), value(record)?)?;
        Ok(Some(CorrelateInput {
            position: Wiring::position(record),
            entry,
        }))
    }

    fn encode(&self, _: &TopicPartition, event: IncidentEvent, into: &mut Vec<Effect>) -> Result<(), Reject> {
        let encoded = encode_incident_event(&event).map_err(|e| unwritable(&e))?;
        let mut state = self.wiring.out(
            TopicId::IncidentsState,
            encode_incident_state(&event.incident).map_err(|e| unwritable(&e))?,
        );
        into.push(Effect::Publish(self.wiring.out(TopicId::Incidents, encoded)));
        let key = state.key.clone();
        let topic = Arc::clone(&state.topic);
        let open = event.incident.state.is_open();
        state.headers.shrink_to_fit();
        into.push(Effect::Publish(state));
        if !open {
            // The end: its newest state, then a tombstone, so that compaction forgets it.
            let tombstone = OutRecord {
                topic,
                partition: None,
                key,
                value: None,
                headers: Vec::new(),
            };
            into.push(Effect::Publish(tombstone));
        }
        Ok(())
    }

    fn dead_letter(&self, record: &RecordRef<'_>, reject: &Reject) -> Option<OutRecord> {
        Some(self.wiring.dead_letter(record, reject))
    }

    fn observe(&self, partition: &TopicPartition, stage: &CorrelateStage, _: EventTime) {
        let health = stage.health();
        #[allow(clippy::cast_precision_loss, reason = "a gauge of at most some thousands")]
        let gauge = |n: usize| n as f64;
        let number = partition.partition.to_string();
        self.metrics
            .set(Metric::IncidentsOpen, &[&number], gauge(health.open));
        self.metrics
            .set(Metric::SilencesInForce, &[&number], gauge(health.silences));
        self.metrics
            .set(Metric::AdjustmentsInForce, &[&number], gauge(health.adjustments));
        self.metrics
            .set(Metric::HeartbeatsMissing, &[&number], gauge(health.missing.len()));
        self.tell_outcomes(&number, &health.learnt);
    }

    fn gauges(&self) -> &'static [Metric] {
        CORRELATE_GAUGES
    }

    fn tick(&self, partition: &TopicPartition, at: EventTime) -> Option<OutRecord> {
        if self.wiring.is_unused(partition) {
            return None;
        }
        own_log_record(
            partition,
            encode_correlate_entry(&CorrelateEntry::Tick(Tick { at })).ok()?,
        )
    }

    fn stepped(&self, _: &TopicPartition, stage: &mut CorrelateStage) {
        if let Some(peers) = &self.peers {
            let scores = stage.take_peer_scores();
            peers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(scores);
        }
    }

    fn is_at_rest(&self, stage: &CorrelateStage) -> bool {
        stage.is_at_rest()
    }

    fn watches(&self, record: &OutRecord) -> bool {
        self.wiring.is_on(&record.topic, TopicId::Incidents)
    }

    fn committed(&self, records: &[OutRecord]) {
        for record in records {
            let Some(Ok(event)) = record
                .value
                .as_deref()
                .map(|v| decode_incident_event(&record.headers, v))
            else {
                continue;
            };
            self.metrics
                .inc(Metric::IncidentsTotal, &[event.change.as_str()], 1);
            // What was decided before stands in later events too.
            for page in event
                .incident
                .paging
                .iter()
                .filter(|page| page.at == event.incident.at)
            {
                self.metrics
                    .inc(Metric::PagesTotal, &[&page.team, page.decision.as_str()], 1);
            }
            for remedy in event
                .incident
                .remedies
                .iter()
                .filter(|r| r.revision == event.incident.revision)
            {
                let labels = [remedy.rule.as_str(), remedy.stage.as_str()];
                self.metrics.inc(Metric::RemediesTotal, &labels, 1);
                info!(
                    remedy = %remedy.rule,
                    incident = %event.incident.id,
                    revision = remedy.revision,
                    stage = remedy.stage.as_str(),
                    by = &*remedy.by,
                    why = remedy.why,
                    dry_run = remedy.dry_run,
                    "a remedy"
                );
            }
            let newest = event.incident.evidence.iter().map(|e| e.at).max();
            if let Some(newest) = newest {
                let seconds = self.clock.now().since(newest).as_secs_f64();
                self.metrics
                    .observe(Metric::RecordToIncidentSeconds, &[], seconds);
            }
        }
    }
}

impl CorrelateAdapter {
    /// What came of predictions, as far as it is known.
    fn tell_outcomes(&self, partition: &str, learnt: &LearntHealth) {
        #[allow(
            clippy::cast_precision_loss,
            reason = "a count of predictions is far below 2⁵³"
        )]
        let gauge = |n: u64| n as f64;
        for (number, bin) in (0_u32..).zip(&learnt.bins) {
            if bin.came + bin.stayed_away == 0 {
                continue;
            }
            let probability = format!("0.{number}");
            let outcomes = [("came", bin.came), ("stayed_away", bin.stayed_away)];
            for (outcome, count) in outcomes {
                let labels = [partition, probability.as_str(), outcome];
                self.metrics
                    .set(Metric::PredictionsSettled, &labels, gauge(count));
            }
        }
        let waiting = u64::try_from(learnt.waiting).unwrap_or(u64::MAX);
        for (metric, count) in [
            (Metric::PredictionsUnknown, learnt.unknown),
            (Metric::PredictionsWaiting, waiting),
            (Metric::OutcomesLearnt, learnt.outcomes),
        ] {
            self.metrics.set(metric, &[partition], gauge(count));
        }
        let settled = learnt.settled();
        if settled > 0 {
            let brier = learnt.brier_sum / gauge(settled);
            self.metrics.set(Metric::PredictionBrier, &[partition], brier);
        }
    }
}

/// A record for the very partition of the log that the stage reads.
pub(crate) fn own_log_record(
    partition: &TopicPartition,
    encoded: forecall_wire::event::Encoded,
) -> Option<OutRecord> {
    Some(OutRecord {
        topic: Arc::clone(&partition.topic),
        partition: Some(partition.partition),
        key: Some(encoded.key),
        value: Some(encoded.value),
        headers: encoded.headers,
    })
}
