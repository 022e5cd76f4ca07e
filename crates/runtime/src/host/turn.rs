use std::sync::Arc;
use std::time::Duration;

use forecall_log::{Committed, GatherLimits, Log, LogError, Member, Membership, Outcome, TopicPartition};
use forecall_observe::{Metric, Metrics};
use forecall_stage::{Checkpoint, Effects, Pulse, Snapshot, SnapshotHeader, Stage};
use forecall_types::EventTime;
use tracing::{error, warn};

use crate::clock::Clock;
use crate::host::hosted::Hosting;
use crate::host::planner::Planner;
use crate::host::stepper::Stepper;
use crate::host::{Adapter, Effect, HostError, Sink, Work};
use crate::snapshots::SnapshotStore;

/// How a host works.
#[derive(Debug, Clone, Copy)]
pub struct HostSettings {
    /// Records gathered into one transaction at most.
    pub batch_records_max: usize,
    /// Bytes gathered into one transaction at most.
    pub batch_bytes_max: usize,
    /// Between two ticks of a stage that wants them.
    pub tick_every: Duration,
    /// Between two heartbeats while nothing comes.
    pub pulse_every: Duration,
    /// Nothing for so long makes a partition idle.
    pub idle_after: Duration,
    /// Between two snapshots of a partition.
    pub snapshot_every: Duration,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            // 5,000 records of 240 B decode in a few milliseconds: far below a transaction's own time.
            batch_records_max: 5_000,
            // A transaction of 8 MiB stays far below a broker's limits and one second of network.
            batch_bytes_max: 8 << 20,
            tick_every: Duration::from_secs(1),
            pulse_every: Duration::from_secs(1),
            idle_after: Duration::from_secs(30),
            snapshot_every: Duration::from_secs(60),
        }
    }
}

/// Where a host works: what it commits to, keeps its memory in, and reads the time from.
pub struct Place {
    /// Where batches are committed.
    pub sink: Arc<dyn Sink>,
    /// Where memory is kept.
    pub snapshots: SnapshotStore,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where it is counted.
    pub metrics: Metrics,
    /// How it works.
    pub settings: HostSettings,
}

/// One member of a stage's group: hosts the stage on each partition it owns.
pub struct Host<A: Adapter> {
    hosting: Hosting<A>,
    member: Box<dyn Member>,
    sink: Arc<dyn Sink>,
    snapshots: SnapshotStore,
    clock: Arc<dyn Clock>,
    settings: HostSettings,
    last_pulse: EventTime,
}

impl<A: Adapter> Host<A> {
    /// Joins the group.
    ///
    /// # Errors
    /// The log can't be joined.
    pub fn join(log: &dyn Log, membership: &Membership, adapter: A, place: Place) -> Result<Self, HostError> {
        let Place {
            sink,
            snapshots,
            clock,
            metrics,
            settings,
        } = place;
        let planner = Arc::new(Planner::new(
            A::Stage::NAME,
            A::Stage::VERSION,
            Arc::clone(&sink),
            snapshots.clone(),
        ));
        let member = log.join(membership, Arc::clone(&planner) as Arc<_>)?;
        let hosting = Hosting::new(Arc::new(adapter), planner, metrics);
        Ok(Self {
            hosting,
            member,
            sink,
            snapshots,
            clock,
            settings,
            last_pulse: EventTime::MIN,
        })
    }

    /// Gathers for at most `wait`, steps, commits. Says whether anything moved.
    ///
    /// # Errors
    /// See [`HostError`]; the host must not be used further.
    pub fn turn(&mut self, wait: Duration) -> Result<bool, HostError> {
        self.hosting.now = self.clock.now();
        let limits = GatherLimits {
            records_max: self.settings.batch_records_max,
            bytes_max: self.settings.batch_bytes_max,
            wait,
        };
        self.member.gather(&limits, &mut self.hosting)?;
        if let Some(error) = self.hosting.failed.take() {
            return Err(error);
        }
        self.hosting.now = self.clock.now();
        let mut work = Work::default();
        let moved = self.step_all(&mut work)?;
        self.add_pulses(&mut work);
        self.add_ticks(&mut work);
        self.count_gathered();
        let moved = moved || !work.is_empty();
        if !work.is_empty() {
            self.commit(work)?;
        }
        self.save_due(false)?;
        Ok(moved)
    }

    fn step_all(&mut self, work: &mut Work) -> Result<bool, HostError> {
        let mut moved = false;
        let settings = self.hosting.settings;
        let adapter = Arc::clone(&self.hosting.adapter);
        for (partition, hosted) in &mut self.hosting.owned {
            let gathered = std::mem::take(&mut hosted.gathered);
            moved |= !gathered.is_empty();
            let mut stepper = Stepper {
                adapter: adapter.as_ref(),
                metrics: &self.hosting.metrics,
                partition,
                settings: self.hosting.settings,
            };
            for record in gathered {
                stepper.finish_restore(hosted, record.offset)?;
                stepper.step(hosted, record, work);
            }
            let next = hosted.next_offset;
            stepper.finish_restore(hosted, next)?;
            let at = hosted.committed.as_ref().map_or(i64::MIN, |c| c.next_offset);
            if !hosted.restoring && hosted.next_offset > at.max(0) {
                let point = Checkpoint {
                    version: A::Stage::VERSION,
                    settings,
                    digest: hosted.digest,
                };
                let position = Committed {
                    next_offset: hosted.next_offset,
                    metadata: point.to_string(),
                };
                work.parts.entry(partition.clone()).or_default().position = Some(position);
            }
        }
        Ok(moved)
    }

    /// Heartbeats of the stages: told often enough, and at once when records were stepped.
    fn add_pulses(&mut self, work: &mut Work) {
        let now = self.hosting.now;
        if now.since(self.last_pulse) < self.settings.pulse_every && self.last_pulse != EventTime::MIN {
            return;
        }
        self.last_pulse = now;
        let mut effects = Effects::default();
        for (partition, hosted) in &mut self.hosting.owned {
            if hosted.restoring {
                continue;
            }
            let end = self.member.end_offset(partition);
            let pulse = Pulse {
                next_offset: hosted.next_offset,
                caught_up: end.is_none_or(|end| hosted.next_offset >= end),
                idle: now.since(hosted.last_record_at) >= self.settings.idle_after,
            };
            hosted.stage.pulse(pulse, &mut effects);
            self.hosting.adapter.observe(partition, &hosted.stage, now);
            let mut encoded = Vec::new();
            let (outputs, _) = effects.drain();
            for output in outputs {
                if let Err(reject) = self.hosting.adapter.encode(partition, output, &mut encoded) {
                    self.hosting.metrics.inc(
                        Metric::RejectsTotal,
                        &[A::Stage::NAME, reject.reason.as_str()],
                        1,
                    );
                }
            }
            work.own.extend(encoded.into_iter().filter_map(Effect::published));
        }
    }

    fn add_ticks(&mut self, work: &mut Work) {
        let at = self.hosting.now.floor(self.settings.tick_every);
        for (partition, hosted) in &mut self.hosting.owned {
            if hosted.restoring || at <= hosted.last_tick {
                continue;
            }
            if let Some(tick) = self.hosting.adapter.tick(partition, at) {
                hosted.last_tick = at;
                work.own.push(tick);
                let seconds = at.seconds_from(EventTime::default());
                self.hosting
                    .metrics
                    .set(Metric::LastTickTimestampSeconds, &[A::Stage::NAME], seconds);
            }
        }
    }

    fn count_gathered(&mut self) {
        let stage = A::Stage::NAME;
        for (topic, (records, bytes)) in std::mem::take(&mut self.hosting.read) {
            self.hosting
                .metrics
                .inc(Metric::RecordsTotal, &[stage, &topic], records);
            self.hosting
                .metrics
                .inc(Metric::BytesTotal, &[stage, &topic], bytes);
        }
        for (partition, hosted) in &self.hosting.owned {
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

    fn commit(&mut self, work: Work) -> Result<(), HostError> {
        let positions: Vec<(TopicPartition, Committed)> = work
            .parts
            .iter()
            .filter_map(|(p, part)| Some((p.clone(), part.position.clone()?)))
            .collect();
        // Kept until the commit is known: metrics tell only of what stands.
        let effects: Vec<Effect> = work
            .parts
            .values()
            .flat_map(|part| part.effects.iter().cloned())
            .collect();
        let begun = self.clock.now();
        match self.sink.commit(self.member.as_mut(), work).map_err(undecided)? {
            Outcome::Committed => {
                for (partition, committed) in positions {
                    if let Some(hosted) = self.hosting.owned.get_mut(&partition) {
                        hosted.committed = Some(committed);
                    }
                }
                let seconds = self.clock.now().seconds_from(begun);
                self.hosting
                    .metrics
                    .observe(Metric::CommitSeconds, &[A::Stage::NAME], seconds);
                self.hosting.adapter.committed(&effects);
            }
            Outcome::NotOwner => {
                // The log tells which partitions are gone at the next gather; those that stay are restored by it too.
                warn!(
                    stage = A::Stage::NAME,
                    "a batch was dropped: a partition in it has another owner now"
                );
            }
        }
        Ok(())
    }

    /// Saves the partitions whose time has come, or all.
    fn save_due(&mut self, all: bool) -> Result<(), HostError> {
        let now = self.clock.now();
        let every = self.settings.snapshot_every;
        for (partition, hosted) in &mut self.hosting.owned {
            let Some(committed) = hosted.committed.as_ref() else {
                continue;
            };
            let stands = !hosted.restoring && committed.next_offset == hosted.next_offset;
            let due = all || now.since(hosted.saved_at) >= every;
            if !stands || !due || hosted.saved_offset == hosted.next_offset {
                continue;
            }
            let Ok(checkpoint) = committed.metadata.parse() else {
                continue;
            };
            let state = hosted.stage.save().map_err(|source| HostError::Save {
                stage: A::Stage::NAME,
                partition: partition.to_string(),
                source,
            })?;
            let header = SnapshotHeader {
                stage: A::Stage::NAME.to_owned(),
                topic: partition.topic.to_string(),
                partition: partition.partition,
                next_offset: hosted.next_offset,
                checkpoint,
            };
            let result = self.snapshots.save(partition, &Snapshot { header, state });
            let how = if result.is_ok() { "saved" } else { "failed" };
            self.hosting
                .metrics
                .inc(Metric::SnapshotsTotal, &[A::Stage::NAME, how], 1);
            match result {
                Ok(()) => hosted.saved_offset = hosted.next_offset,
                // Without a snapshot a restart only takes longer; the next try is one interval away.
                Err(error) => error!(stage = A::Stage::NAME, %partition, %error, "failed to save a snapshot"),
            }
            hosted.saved_at = now;
        }
        Ok(())
    }

    /// Whether every partition has its memory back and stands at its end.
    pub fn is_ready(&self) -> bool {
        !self.hosting.owned.is_empty() && self.hosting.owned.values().all(|h| !h.restoring)
    }

    /// The partitions owned, by number.
    pub fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.hosting.owned.keys()
    }

    /// Lets every stage give out what it holds back (the end of a finite input), and commits it.
    ///
    /// # Errors
    /// As [`turn`](Self::turn).
    pub fn flush(&mut self) -> Result<(), HostError> {
        let mut work = Work::default();
        let adapter = Arc::clone(&self.hosting.adapter);
        for (partition, hosted) in &mut self.hosting.owned {
            let mut effects = Effects::default();
            adapter.flush(&mut hosted.stage, &mut effects);
            let mut stepper = Stepper {
                adapter: adapter.as_ref(),
                metrics: &self.hosting.metrics,
                partition,
                settings: self.hosting.settings,
            };
            let into = &mut work.parts.entry(partition.clone()).or_default().effects;
            stepper.perform(hosted, effects, false, into);
        }
        if work.is_empty() {
            Ok(())
        } else {
            self.commit(work)
        }
    }

    /// Saves every partition and leaves the group.
    ///
    /// # Errors
    /// As [`turn`](Self::turn).
    pub fn stop(mut self) -> Result<(), HostError> {
        self.save_due(true)?;
        Ok(self.member.leave()?)
    }
}

/// A commit that failed leaves the stages ahead of what stands: the host can't go on, only begin anew.
fn undecided(error: HostError) -> HostError {
    match error {
        HostError::Log(LogError::Retriable { what, source }) => HostError::Log(LogError::Fatal {
            what: format!("{what}; the batch is read again after a restart"),
            source,
        }),
        other => other,
    }
}
