use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forecall_ledger::{Cancel, Kept};
use forecall_log::{OutRecord, RecordRef, TopicPartition};
use forecall_observe::{Metric, Metrics};
use forecall_outreach::{OutreachInput, OutreachOutput, OutreachSettings, OutreachStage};
use forecall_stage::{SnapshotError, Stage};
use forecall_types::invariant::InvariantId;
use forecall_types::{
    CallForecast, EventTime, Fingerprint, Notice, NoticeStage, NoticeState, OutreachEntry, Reject, Tick,
    check_invariant,
};
use forecall_wire::event::{
    TopicId, decode_call_forecast, decode_notice, decode_outreach_entry, encode_anomaly,
    encode_call_forecast, encode_notice, encode_notice_state, encode_outreach_entry,
};

use crate::host::{Adapter, Effect};
use crate::stages::correlate::own_log_record;
use crate::stages::promises::{Fate, Promise, PromiseBook};
use crate::stages::{Wiring, unwritable, value};

/// What [`observe`](Adapter::observe) sets.
pub(super) const OUTREACH_GAUGES: &[Metric] = &[Metric::HoldOutsEnded];

/// `forecall.outreach.log.v1` → the ledger: intents, words, and the outbox of notices, call forecasts and what customers write.
pub(crate) struct OutreachAdapter {
    /// Sources and topics.
    pub(crate) wiring: Wiring,
    /// Policy, words and call model.
    pub(crate) settings: Arc<OutreachSettings>,
    /// Where notices and forecasts are counted.
    pub(crate) metrics: Metrics,
    /// What notices promised, for metrics.
    promises: Mutex<PromiseBook>,
}

impl OutreachAdapter {
    pub(crate) fn new(wiring: Wiring, settings: Arc<OutreachSettings>, metrics: Metrics) -> Self {
        Self {
            wiring,
            settings,
            metrics,
            promises: Mutex::default(),
        }
    }

    /// What may happen to notices and promises is told from 0 on.
    pub(crate) fn begin_counters(&self) {
        use NoticeState as S;
        let states = [
            S::Drafted,
            S::Approved,
            S::Held,
            S::Suppressed,
            S::Sending,
            S::Sent,
            S::Delivered,
            S::Retracted,
        ];
        for stage in NoticeStage::ALL {
            for state in states {
                self.metrics
                    .begin(Metric::NoticesTotal, &[stage.as_str(), state.as_str()]);
            }
        }
        for promise in [Promise::News, Promise::End] {
            for fate in [Fate::Kept, Fate::Broken, Fate::Moved] {
                self.metrics
                    .begin(Metric::PromisesTotal, &[promise.as_str(), fate.as_str()]);
            }
        }
    }

    fn book(&self) -> MutexGuard<'_, PromiseBook> {
        self.promises.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_promises(&self, fates: &[(Promise, Fate)]) {
        for (promise, fate) in fates {
            self.metrics
                .inc(Metric::PromisesTotal, &[promise.as_str(), fate.as_str()], 1);
        }
    }

    fn count_notice(&self, notice: &Notice) {
        let labels = [notice.stage.as_str(), notice.state.as_str()];
        self.metrics.inc(Metric::NoticesTotal, &labels, 1);
        let noted = self.book().note(notice);
        self.count_promises(&noted.fates);
        if let Some(after) = noted.accepted_after {
            self.metrics
                .observe(Metric::NoticeAcceptedSeconds, &[], after.as_secs_f64());
        }
        // Later revisions tell of the same people again.
        let withheld = notice.withheld.iter().filter(|_| notice.revision == 1);
        for (reason, people) in withheld {
            self.metrics
                .inc(Metric::WithheldTotal, &[reason.as_str()], *people);
        }
        // The notice that waits for a person from then on is a new one.
        let ramp = notice.ramp.as_ref().filter(|_| notice.revision == 1);
        if let Some(why) = ramp.and_then(|ramp| ramp.stopped) {
            self.metrics.inc(Metric::RampsStoppedTotal, &[why.as_str()], 1);
        }
    }

    fn notice(&self, notice: &Notice, into: &mut Vec<Effect>) -> Result<(), Reject> {
        // The canary's words are never sent: the ledger needn't keep them, once a minute for ever.
        let texts = notice.texts.iter().filter(|_| !notice.domain.is_canary());
        into.extend(texts.map(|text| Effect::Word(notice.id.clone(), text.clone())));
        if !notice.domain.is_canary() {
            into.push(Effect::Keep(Kept::notice(notice)));
        }
        let event = encode_notice(notice).map_err(|e| unwritable(&e))?;
        let state = encode_notice_state(notice).map_err(|e| unwritable(&e))?;
        into.push(Effect::Publish(self.wiring.out(TopicId::Notices, event)));
        let state = self.wiring.out(TopicId::NoticesState, state);
        let key = state.key.clone();
        into.push(Effect::Publish(state));
        if is_over(notice.state) {
            // Its end: compaction may forget it.
            let topic = self.wiring.topic(TopicId::NoticesState);
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

    fn forecast(&self, forecast: &CallForecast, into: &mut Vec<Effect>) -> Result<(), Reject> {
        let event = encode_call_forecast(forecast).map_err(|e| unwritable(&e))?;
        into.push(Effect::Publish(self.wiring.out(TopicId::CallForecasts, event)));
        Ok(())
    }

    fn count_forecast(&self, forecast: &CallForecast) {
        let queue = forecast.queue.as_str();
        self.metrics.inc(Metric::CallForecastsTotal, &[queue], 1);
        let present =
            forecast.from <= forecast.made_at && forecast.made_at < forecast.from.plus(forecast.step);
        if present {
            for (level, calls) in ["p10", "p50", "p90"].into_iter().zip(forecast.avoided) {
                self.metrics.set(Metric::CallsAvoided, &[queue, level], calls);
            }
            for (name, scenario) in [
                ("without", &forecast.without_notice),
                ("with", &forecast.with_notice),
            ] {
                self.metrics
                    .set(Metric::CallsExpected, &[queue, name], scenario.arrivals.mean);
                self.metrics.set(
                    Metric::AgentsNeeded,
                    &[queue, name],
                    f64::from(scenario.staffing.scheduled),
                );
            }
        }
    }
}

const fn is_over(state: NoticeState) -> bool {
    match state {
        NoticeState::Suppressed | NoticeState::Delivered | NoticeState::Retracted => true,
        NoticeState::Drafted
        | NoticeState::Approved
        | NoticeState::Held
        | NoticeState::Sending
        | NoticeState::Sent => false,
    }
}

impl Adapter for OutreachAdapter {
    type Stage = OutreachStage;
    type Memory = ();

    fn settings_digest(&self) -> Fingerprint {
        Fingerprint::of(format!("{:?}", self.settings).as_bytes())
    }

    fn create(&self, _: &TopicPartition) -> OutreachStage {
        OutreachStage::new(Arc::clone(&self.settings))
    }

    fn load(&self, _: &TopicPartition, state: &[u8]) -> Result<OutreachStage, SnapshotError> {
        OutreachStage::load(Arc::clone(&self.settings), state)
    }

    fn decode(&self, record: &RecordRef<'_>) -> Result<Option<OutreachInput>, Reject> {
        let entry = decode_outreach_entry(record.headers.get(), value(record)?)?;
        Ok(Some(OutreachInput {
            position: Wiring::position(record),
            entry,
        }))
    }

    fn encode(
        &self,
        _: &TopicPartition,
        output: OutreachOutput,
        into: &mut Vec<Effect>,
    ) -> Result<(), Reject> {
        match output {
            OutreachOutput::Notice(notice) => self.notice(&notice, into),
            OutreachOutput::Incident(incident) => {
                into.push(Effect::Keep(Kept::incident(&incident)));
                Ok(())
            }
            OutreachOutput::Withheld(withheld) => {
                into.push(Effect::Keep(Kept::Withheld(withheld)));
                Ok(())
            }
            OutreachOutput::Intent(intent) => {
                let canary = intent.domain.is_canary();
                check_invariant!(InvariantId::N3, !canary, "intent {} of the canary", intent.id);
                if canary {
                    return Ok(());
                }
                into.push(Effect::Intend(intent));
                Ok(())
            }
            OutreachOutput::Answer { intent, text } => {
                into.push(Effect::Word(intent.notice.clone(), text));
                into.push(Effect::Intend(intent));
                Ok(())
            }
            OutreachOutput::StillDown(anomaly) => {
                let event = encode_anomaly(&anomaly).map_err(|e| unwritable(&e))?;
                into.push(Effect::Publish(self.wiring.out(TopicId::Anomalies, event)));
                Ok(())
            }
            OutreachOutput::CancelIntents {
                notice,
                customer,
                reason,
            } => {
                into.push(Effect::Cancel(Cancel {
                    notice,
                    customer,
                    reason,
                }));
                Ok(())
            }
            OutreachOutput::Kill { on } => {
                into.push(Effect::Kill(on));
                Ok(())
            }
            OutreachOutput::Forecast(forecast) => self.forecast(&forecast, into),
        }
    }

    fn dead_letter(&self, record: &RecordRef<'_>, reject: &Reject) -> Option<OutRecord> {
        Some(self.wiring.dead_letter(record, reject))
    }

    fn is_at_rest(&self, stage: &OutreachStage) -> bool {
        stage.is_at_rest()
    }

    fn observe(&self, partition: &TopicPartition, stage: &OutreachStage, now: EventTime) {
        let labels = [&*partition.partition.to_string()];
        #[allow(clippy::cast_precision_loss, reason = "a gauge of at most DOMAINS_MAX")]
        self.metrics
            .set(Metric::HoldOutsEnded, &labels, stage.hold_outs_ended() as f64);
        let fates = self.book().passed(now);
        self.count_promises(&fates);
    }

    fn gauges(&self) -> &'static [Metric] {
        OUTREACH_GAUGES
    }

    fn watches(&self, record: &OutRecord) -> bool {
        let topics = [TopicId::Notices, TopicId::CallForecasts];
        topics
            .into_iter()
            .any(|topic| self.wiring.is_on(&record.topic, topic))
    }

    fn committed(&self, records: &[OutRecord]) {
        for record in records {
            let Some(value) = record.value.as_deref() else {
                continue;
            };
            if self.wiring.is_on(&record.topic, TopicId::Notices) {
                if let Ok(notice) = decode_notice(&record.headers, value) {
                    self.count_notice(&notice);
                }
            } else if self.wiring.is_on(&record.topic, TopicId::CallForecasts)
                && let Ok(forecast) = decode_call_forecast(&record.headers, value)
            {
                self.count_forecast(&forecast);
            }
        }
    }

    fn tick(&self, partition: &TopicPartition, at: EventTime) -> Option<OutRecord> {
        if self.wiring.is_unused(partition) {
            return None;
        }
        own_log_record(
            partition,
            encode_outreach_entry(&OutreachEntry::Tick(Tick { at })).ok()?,
        )
    }
}
