use std::sync::Arc;
use std::time::Duration;

use forecall_log::{OutRecord, RecordRef, TopicPartition};
use forecall_stage::{Effects, Pulse, SnapshotError, Stage};
use forecall_types::{
    CustomerEvent, EventTime, Fingerprint, JourneyEntry, JourneyMark, Reject, RejectReason, SourcePartition,
};
use forecall_wire::event::{TopicId, encode_journey_entry};
use forecall_wire::telemetry::{CustomerEventBatch, Decoded, decode};

use crate::host::{Adapter, Effect};
use crate::stages::{Wiring, source_of, unwritable};
use forecall_journey::JourneySettings;

/// What one record of a source came to.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    appended_at: EventTime,
    batch: CustomerEventBatch,
}

/// One record for the log of journeys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sequenced {
    /// Under its customer's key.
    Event(CustomerEvent),
    /// For every partition.
    Mark(JourneyMark),
}

/// Puts the events of several topics into the log of journeys, by customer, and tells every partition of it how far each source
/// was read: so the time of journeys never passes what hasn't been read yet.
pub(crate) struct JourneysIntakeStage {
    source: SourcePartition,
    future: Duration,
    /// The newest append time read; forgotten with the process, found again at the end of the partition or by the next record.
    read_until: Option<EventTime>,
}

impl JourneysIntakeStage {
    const fn new(source: SourcePartition, future: Duration) -> Self {
        Self {
            source,
            future,
            read_until: None,
        }
    }
}

impl Stage for JourneysIntakeStage {
    type Settings = ();
    type Input = Arrived;
    type Output = Sequenced;
    const NAME: &'static str = "journeys-intake";
    const VERSION: u32 = 1;
    const STATELESS: bool = true;

    fn step(&mut self, input: &Arrived, effects: &mut Effects<Sequenced>) {
        self.read_until = self.read_until.max(Some(input.appended_at));
        for reject in &input.batch.rejects {
            effects.reject(reject.reason, reject.detail.clone());
        }
        let latest = input.appended_at.plus(self.future);
        for event in &input.batch.events {
            if event.at > latest {
                effects.reject(RejectReason::Future, format!("an event `{}`", event.kind));
            } else {
                effects.emit(Sequenced::Event(event.clone()));
            }
        }
    }

    /// At the partition's end whatever was appended before the last look has been read; behind it, what was appended before the
    /// newest record that was.
    fn pulse(&self, pulse: Pulse<'_>, effects: &mut Effects<Sequenced>) {
        // A producer may write append times itself, and be ahead.
        let by_records = self.read_until.map(|until| until.min(pulse.at));
        let read_until = if pulse.caught_up {
            by_records.max(pulse.looked_at)
        } else {
            by_records
        };
        // That there is such a source is told even where nothing is known of it: it is waited for then.
        effects.emit(Sequenced::Mark(JourneyMark {
            source: self.source.clone(),
            read_until: read_until.unwrap_or(EventTime::MIN),
            topics: pulse.topics.to_vec(),
        }));
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        Ok(Vec::new())
    }

    /// Never asked for: it has no snapshots.
    fn load((): (), _: &[u8]) -> Result<Self, SnapshotError> {
        Err(SnapshotError::Damaged("the intake of journeys keeps nothing"))
    }
}

/// Joins [`JourneysIntakeStage`] to the topics of customers' events and to the log of journeys.
pub(crate) struct JourneysIntakeAdapter {
    /// Sources and topics.
    pub(crate) wiring: Wiring,
    /// Which kinds of event mean anything.
    pub(crate) settings: Arc<JourneySettings>,
    /// Partitions of the log in use.
    pub(crate) partitions: i32,
}

impl Adapter for JourneysIntakeAdapter {
    type Stage = JourneysIntakeStage;
    type Memory = ();

    fn settings_digest(&self) -> Fingerprint {
        Fingerprint::of(format!("{:?} {:?}", self.settings, self.wiring.sources).as_bytes())
    }

    fn create(&self, partition: &TopicPartition) -> JourneysIntakeStage {
        JourneysIntakeStage::new(source_of(partition), self.settings.future())
    }

    fn load(&self, partition: &TopicPartition, _: &[u8]) -> Result<JourneysIntakeStage, SnapshotError> {
        Ok(self.create(partition))
    }

    fn decode(&self, record: &RecordRef<'_>) -> Result<Option<Arrived>, Reject> {
        let source = self.wiring.source(record.topic)?;
        let raw = Wiring::raw(source, record);
        let mut batch = match decode(source, self.wiring.pseudonyms.as_deref(), &raw)? {
            Decoded::CustomerEvents(batch) => batch,
            // A tombstone moves time as well.
            Decoded::Samples(_) | Decoded::Calls(_) | Decoded::Nothing => CustomerEventBatch::default(),
        };
        // What no rule asks for isn't kept anywhere.
        batch.events.retain(|event| self.settings.knows(&event.kind));
        Ok(Some(Arrived {
            appended_at: record.appended_at,
            batch,
        }))
    }

    fn encode(&self, _: &TopicPartition, output: Sequenced, into: &mut Vec<Effect>) -> Result<(), Reject> {
        match output {
            Sequenced::Event(event) => {
                let encoded =
                    encode_journey_entry(&JourneyEntry::Event(event)).map_err(|e| unwritable(&e))?;
                into.push(Effect::Publish(self.wiring.out(TopicId::JourneysLog, encoded)));
            }
            Sequenced::Mark(mark) => {
                let encoded = encode_journey_entry(&JourneyEntry::Mark(mark)).map_err(|e| unwritable(&e))?;
                for partition in 0..self.partitions {
                    into.push(Effect::Publish(OutRecord {
                        partition: Some(partition),
                        ..self.wiring.out(TopicId::JourneysLog, encoded.clone())
                    }));
                }
            }
        }
        Ok(())
    }

    /// What it says of time matters to `journeys` alone.
    fn is_at_rest(&self, _: &JourneysIntakeStage) -> bool {
        true
    }

    fn names_topics(&self) -> bool {
        true
    }

    fn dead_letter(&self, record: &RecordRef<'_>, reject: &Reject) -> Option<OutRecord> {
        Some(self.wiring.dead_letter(record, reject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulsed(stage: &JourneysIntakeStage, at: i64, caught_up: bool, looked_at: Option<i64>) -> Option<i64> {
        let mut effects = Effects::default();
        let pulse = Pulse {
            at: EventTime::from_secs(at),
            next_offset: 0,
            caught_up,
            idle: false,
            looked_at: looked_at.map(EventTime::from_secs),
            topics: &[],
        };
        stage.pulse(pulse, &mut effects);
        match effects.outputs() {
            [Sequenced::Mark(mark)] => (mark.read_until > EventTime::MIN).then_some(mark.read_until.secs()),
            told => panic!("one mark: {told:?}"),
        }
    }

    #[test]
    fn it_says_no_more_than_it_has_read() {
        let source = SourcePartition {
            topic: "t".into(),
            partition: 0,
        };
        let mut stage = JourneysIntakeStage::new(source, Duration::from_secs(60));
        assert_eq!(pulsed(&stage, 100, true, None), None, "the first look");
        assert_eq!(pulsed(&stage, 101, true, Some(100)), Some(100));
        assert_eq!(pulsed(&stage, 101, false, Some(100)), None, "it is behind");
        let arrived = |secs| Arrived {
            appended_at: EventTime::from_secs(secs),
            batch: CustomerEventBatch::default(),
        };
        stage.step(&arrived(40), &mut Effects::default());
        assert_eq!(pulsed(&stage, 102, false, Some(101)), Some(40));
        assert_eq!(pulsed(&stage, 103, true, Some(102)), Some(102));
        stage.step(&arrived(900), &mut Effects::default());
        assert_eq!(
            pulsed(&stage, 104, false, Some(103)),
            Some(104),
            "a producer's clock is ahead"
        );
    }
}
