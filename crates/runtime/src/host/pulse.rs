use std::time::Duration;

use forecall_log::TopicPartition;
use forecall_observe::Metric;
use forecall_stage::{Effects, Pulse, Stage};
use forecall_types::{EventTime, SourceTopic};

use crate::host::hosted::Hosted;
use crate::host::{Adapter, Effect, Host, HostError};

/// Between two pulses that tell of steps: while old records are caught up with, thousands of steps pass in a second.
const NEWS_GAP: Duration = Duration::from_millis(100);

/// A pulse of one partition, as effects.
pub(super) fn pulse_of<A: Adapter>(
    adapter: &A,
    partition: &TopicPartition,
    stage: &A::Stage,
    pulse: Pulse<'_>,
) -> (Vec<Effect>, Vec<forecall_types::Reject>) {
    let mut effects = Effects::default();
    stage.pulse(pulse, &mut effects);
    let (outputs, _) = effects.drain();
    let (mut encoded, mut refused) = (Vec::new(), Vec::new());
    for output in outputs {
        refused.extend(adapter.encode(partition, output, &mut encoded).err());
    }
    (encoded, refused)
}

impl<A: Adapter> Host<A> {
    /// What nobody looked for is no silence: after a pause of our own it counts from now.
    pub(super) fn note_own_pause(&mut self, now: EventTime) {
        let before = self.hosting.now;
        if before == EventTime::MIN || now.since(before) < self.settings.idle_after {
            return;
        }
        for hosted in self.hosting.owned.values_mut() {
            hosted.last_record_at = now;
        }
    }

    /// Asks how many partitions the group's topics have, where the stage tells it and the group has changed.
    pub(super) fn count_topics(&mut self) -> Result<(), HostError> {
        if !self.hosting.has_changed || !self.hosting.adapter.names_topics() {
            return Ok(());
        }
        let counts = self.member.partition_counts()?;
        let adapter = &self.hosting.adapter;
        let named = counts
            .into_iter()
            .filter(|(topic, _)| adapter.is_waited_for(topic));
        let topics = named.map(|(topic, partitions)| SourceTopic {
            topic: topic.into(),
            partitions: u32::try_from(partitions).unwrap_or(0),
        });
        self.hosting.topics = topics.collect();
        self.hosting.has_changed = false;
        Ok(())
    }

    /// Heartbeats of the stages: told often enough, and at once where one has reached a step that others wait for.
    pub(super) fn add_pulses(&mut self) {
        let now = self.hosting.now;
        let is_time =
            self.last_pulse == EventTime::MIN || now.since(self.last_pulse) >= self.settings.pulse_every;
        if is_time {
            self.last_pulse = now;
            self.count_gathered();
        }
        let hosting = &mut self.hosting;
        for (partition, hosted) in &mut hosting.owned {
            // One whose effects were dropped is ahead of what stands: its watermark would be a lie.
            if hosted.restoring || hosted.tainted.is_some() {
                continue;
            }
            let step = hosting.adapter.step_reached(&hosted.stage);
            let is_news =
                step > hosted.step_told && hosted.looked_at.is_none_or(|at| now.since(at) >= NEWS_GAP);
            if !is_time && !is_news {
                continue;
            }
            hosted.step_told = step;
            // Where the end isn't known, it may be far away.
            let end = self.member.end_offset(partition);
            let caught_up = end.is_some_and(|end| hosted.next_offset >= end);
            let silent_for = now.since(hosted.last_record_at);
            let pulse = Pulse {
                at: now,
                next_offset: hosted.next_offset,
                caught_up,
                // What waits to be read isn't silence, however long nothing of it was handed out.
                idle: caught_up && hosted.looked_at.is_some() && silent_for >= self.settings.idle_after,
                looked_at: hosted.looked_at,
                topics: &hosting.topics,
            };
            hosted.looked_at = Some(now);
            let (encoded, refused) = pulse_of(hosting.adapter.as_ref(), partition, &hosted.stage, pulse);
            hosting.adapter.observe(partition, &hosted.stage, now);
            for reject in refused {
                let labels = [A::Stage::NAME, reject.reason.as_str()];
                hosting.metrics.inc(Metric::RejectsTotal, &labels, 1);
            }
            self.own.extend(encoded.into_iter().filter_map(Effect::published));
        }
    }

    pub(super) fn add_ticks(&mut self) {
        let at = self.hosting.now.floor(self.settings.tick_every);
        for (partition, hosted) in &mut self.hosting.owned {
            if hosted.restoring || hosted.tainted.is_some() || at <= hosted.last_tick {
                continue;
            }
            if let Some(tick) = self.hosting.adapter.tick(partition, at) {
                hosted.last_tick = at;
                self.own.push(tick);
                let seconds = at.seconds_from(EventTime::default());
                self.hosting
                    .metrics
                    .set(Metric::LastTickTimestampSeconds, &[A::Stage::NAME], seconds);
            }
        }
    }

    pub(super) fn count_gathered(&mut self) {
        let stage = A::Stage::NAME;
        for (topic, (records, bytes)) in std::mem::take(&mut self.hosting.read) {
            self.hosting
                .metrics
                .inc(Metric::RecordsTotal, &[stage, &topic], records);
            self.hosting
                .metrics
                .inc(Metric::BytesTotal, &[stage, &topic], bytes);
        }
        for (partition, hosted) in self.hosting.owned.iter() {
            if let Some(end) = self.member.end_offset(partition) {
                #[allow(clippy::cast_precision_loss, reason = "a gauge; exact to 2^53 records")]
                let lag = (end - hosted.next_offset).max(0) as f64;
                let number = partition.partition.to_string();
                self.hosting
                    .metrics
                    .set(Metric::LagRecords, &[stage, &partition.topic, &number], lag);
            }
        }
    }
}

/// What is published before the first effect of a partition: whoever reads it knows then of all the others that he must wait
/// for. A pulse like the others, and no part of the digest.
pub(super) fn announce<A: Adapter>(
    adapter: &A,
    partition: &TopicPartition,
    hosted: &mut Hosted<A>,
    (at, topics): (EventTime, &[SourceTopic]),
) {
    if hosted.announced || hosted.restoring {
        return;
    }
    hosted.announced = true;
    let pulse = Pulse {
        at,
        next_offset: hosted.next_offset,
        caught_up: false,
        idle: false,
        looked_at: None,
        topics,
    };
    // A pulse of a few bytes isn't refused.
    let (encoded, _) = pulse_of(adapter, partition, &hosted.stage, pulse);
    hosted.pending.effects.extend(encoded);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use forecall_log::{InProcess, Log, Membership, OutRecord, RecordRef, TopicSpec, Transaction};
    use forecall_observe::Metrics;
    use forecall_stage::{SnapshotError, decode_state, encode_state};
    use forecall_types::{Fingerprint, Reject};

    use super::*;
    use crate::clock::ManualClock;
    use crate::host::{HostSettings, LogSink, Place};
    use crate::snapshots::SnapshotStore;

    /// Counts records and tells the count when it is asked how far it is.
    struct Walk(i64);

    impl Stage for Walk {
        type Settings = ();
        type Input = ();
        type Output = i64;
        const NAME: &'static str = "walk";
        const VERSION: u32 = 1;
        fn step(&mut self, (): &(), _: &mut Effects<i64>) {
            self.0 += 1;
        }
        fn pulse(&self, _: Pulse<'_>, effects: &mut Effects<i64>) {
            effects.emit(self.0);
        }
        fn save(&self) -> Result<Vec<u8>, SnapshotError> {
            encode_state(&self.0)
        }
        fn load((): (), bytes: &[u8]) -> Result<Self, SnapshotError> {
            decode_state(bytes).map(Self)
        }
    }

    /// Others wait for each third record.
    struct WalkAdapter;

    impl Adapter for WalkAdapter {
        type Stage = Walk;
        type Memory = ();
        fn settings_digest(&self) -> Fingerprint {
            Fingerprint::default()
        }
        fn create(&self, _: &TopicPartition) -> Walk {
            Walk(0)
        }
        fn load(&self, _: &TopicPartition, state: &[u8]) -> Result<Walk, SnapshotError> {
            Walk::load((), state)
        }
        fn decode(&self, _: &RecordRef<'_>) -> Result<Option<()>, Reject> {
            Ok(Some(()))
        }
        fn encode(&self, _: &TopicPartition, count: i64, into: &mut Vec<Effect>) -> Result<(), Reject> {
            let value = count.to_string().into_bytes();
            into.push(Effect::Publish(OutRecord::new("out", b"k".to_vec(), value)));
            Ok(())
        }
        fn dead_letter(&self, _: &RecordRef<'_>, _: &Reject) -> Option<OutRecord> {
            None
        }
        fn step_reached(&self, stage: &Walk) -> EventTime {
            EventTime::from_secs(stage.0 / 3)
        }
    }

    /// Writes records, lets the host read them, and gives all that has been told by then.
    fn told(log: &InProcess, host: &mut Host<WalkAdapter>, records: usize) -> Vec<String> {
        let record = || OutRecord::new("in", b"k".to_vec(), Vec::new());
        let transaction = Transaction {
            records: std::iter::repeat_with(record).take(records).collect(),
            positions: vec![],
        };
        log.writer("producer").unwrap().commit(&transaction).unwrap();
        while host.turn(Duration::ZERO).unwrap() {}
        let mut told = Vec::new();
        log.read(&TopicPartition::new("out", 0), 0, &mut |record| {
            told.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
        })
        .unwrap();
        told
    }

    #[test]
    fn a_step_others_wait_for_is_told_at_once_but_not_more_than_ten_times_a_second() {
        let log = InProcess::default();
        log.create_topics(&[TopicSpec::new("in", 1), TopicSpec::new("out", 1)])
            .unwrap();
        let clock = Arc::new(ManualClock::at(EventTime::from_secs(0)));
        let membership = Membership {
            group: "g".into(),
            instance: "m".into(),
            topics: vec!["in".into()],
            is_static: true,
        };
        let place = Place {
            sink: Arc::new(LogSink),
            snapshots: SnapshotStore::in_memory("g").unwrap(),
            clock: Arc::clone(&clock) as Arc<_>,
            metrics: Metrics::new(),
            settings: HostSettings {
                pulse_every: Duration::from_secs(3_600),
                ..HostSettings::default()
            },
        };
        let mut host = Host::join(&log, &membership, WalkAdapter, place).unwrap();
        let start = told(&log, &mut host, 0);
        let at = |millis| EventTime::from_secs(0).plus(Duration::from_millis(millis));
        let since = |told: Vec<String>| told[start.len()..].join(" ");
        clock.advance_to(at(200));
        assert_eq!(
            since(told(&log, &mut host, 2)),
            "",
            "no step, and the next pulse is an hour away"
        );
        assert_eq!(since(told(&log, &mut host, 1)), "3");
        clock.advance_to(at(250));
        assert_eq!(since(told(&log, &mut host, 3)), "3", "the last news is 50 ms old");
        clock.advance_to(at(300));
        assert_eq!(since(told(&log, &mut host, 0)), "3 6", "not forgotten");
        clock.advance_to(at(900));
        assert_eq!(since(told(&log, &mut host, 2)), "3 6", "told already");
    }
}
