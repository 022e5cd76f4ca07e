use std::collections::BTreeMap;

use forecall_log::{
    Committed, GatherLimits, LogError, Member, OutRecord, Outcome, TooLong, TopicPartition, crash,
};
use forecall_observe::{Metric, Metrics};
use forecall_stage::{Checkpoint, Stage};
use forecall_types::{EventTime, RejectReason};
use std::time::Duration;
use tracing::{error, warn};

use crate::host::{Adapter, Effect, Host, HostError, Work};

/// What a batch comes to, not committed yet.
pub(super) struct Uncommitted {
    work: Work,
    /// Records of it that the stage wants to hear of.
    watched: Vec<OutRecord>,
    positions: Vec<(TopicPartition, Option<Committed>)>,
    begun: EventTime,
}

impl<A: Adapter> Host<A> {
    /// What waits, as one; and the records of it that the stage watches.
    fn take_work(&mut self) -> (Work, Vec<OutRecord>) {
        let mut work = Work {
            own: std::mem::take(&mut self.own),
            parts: BTreeMap::new(),
        };
        let mut watched = Vec::new();
        for (partition, hosted) in &mut self.hosting.owned {
            if hosted.restoring || hosted.tainted.is_some() {
                continue;
            }
            let mut part = std::mem::take(&mut hosted.pending);
            let published = part.effects.iter().filter_map(Effect::as_published);
            watched.extend(
                published
                    .filter(|record| self.hosting.adapter.watches(record))
                    .cloned(),
            );
            if hosted.is_ahead() {
                let point = Checkpoint {
                    version: A::Stage::VERSION,
                    settings: self.hosting.settings,
                    digest: hosted.digest,
                    counts: hosted.counts,
                };
                part.position = Some(Committed {
                    next_offset: hosted.next_offset,
                    metadata: point.to_string(),
                });
            }
            if part.position.is_some() || !part.effects.is_empty() || !part.letters.is_empty() {
                work.parts.insert(partition.clone(), part);
            }
        }
        // What is no effect stands only beside a position, because only positions are checked for their owner: a heartbeat or
        // a tick of one that has been given up must not be told.
        if !work.own.is_empty() && work.parts.values().all(|part| part.position.is_none()) {
            let mut ours = self.hosting.owned.iter().filter(|(_, h)| h.tainted.is_none());
            if let Some((partition, at)) = ours.find_map(|(p, h)| Some((p, h.committed.clone()?))) {
                work.parts.entry(partition.clone()).or_default().position = Some(at);
            }
        }
        (work, watched)
    }

    pub(super) fn commit(&mut self) -> Result<(), HostError> {
        if self.held.is_some() {
            // One after the other; what waits stays where it is.
            return Ok(());
        }
        let (work, watched) = self.take_work();
        let positions = work
            .parts
            .iter()
            .map(|(partition, part)| (partition.clone(), part.position.clone()))
            .collect();
        self.try_commit(Uncommitted {
            work,
            watched,
            positions,
            begun: self.clock.now(),
        })
    }

    /// Commits; where the sink is down and may come back, keeps what is left for another try.
    fn try_commit(&mut self, mut batch: Uncommitted) -> Result<(), HostError> {
        let outcome = self.sink.commit(self.member.as_mut(), &mut batch.work);
        let now = self.clock.now();
        match outcome {
            Ok(Outcome::Committed) => {
                crash::point("committed");
                for (partition, committed) in batch.positions {
                    if let (Some(hosted), Some(committed)) =
                        (self.hosting.owned.get_mut(&partition), committed)
                    {
                        hosted.committed = Some(committed);
                    }
                }
                let seconds = now.seconds_from(batch.begun);
                self.hosting
                    .metrics
                    .observe(Metric::CommitSeconds, &[A::Stage::NAME], seconds);
                self.hosting.adapter.committed(&batch.watched);
                tell_too_long(&mut *self.member, &self.hosting.metrics, A::Stage::NAME);
            }
            Ok(Outcome::NotOwner) => {
                // The log tells which partitions are gone at the next gather; those that stay are restored by it too.
                for (partition, _) in batch.positions {
                    if let Some(hosted) = self.hosting.owned.get_mut(&partition) {
                        hosted.tainted = Some(self.hosting.now);
                    }
                }
                warn!(
                    stage = A::Stage::NAME,
                    "a batch was dropped: a partition in it has another owner now"
                );
            }
            Err(error) if error.may_pass() => {
                self.pause.begin(now, &error);
                for (partition, _) in &batch.positions {
                    if let Some(hosted) = self.hosting.owned.get_mut(partition) {
                        hosted.is_held = true;
                    }
                }
                self.held = Some(batch);
                return self.hold(true);
            }
            Err(error) => return Err(undecided(error)),
        }
        if self.pause.is_on() {
            self.pause.end(now);
            self.hosting.owned.values_mut().for_each(|h| h.is_held = false);
            // A partition that stayed paused would never be heard of again.
            self.hold(false).map_err(undecided)?;
        }
        Ok(())
    }

    /// Stops reading, or goes on; the log still sees that this member lives.
    fn hold(&mut self, held: bool) -> Result<(), HostError> {
        for partition in self.hosting.owned.keys() {
            self.member.pause(partition, held)?;
        }
        Ok(())
    }

    /// A turn while the sink is down: nothing is read, and the batch is tried again now and then.
    pub(super) fn turn_held(&mut self, wait: Duration) -> Result<bool, HostError> {
        let limits = GatherLimits {
            records_max: self.settings.batch_records_max,
            bytes_max: self.settings.batch_bytes_max,
            wait,
        };
        let gathering = self.member.gather(&limits, &mut self.hosting);
        let lost = std::mem::take(&mut self.hosting.lost_held);
        if std::mem::take(&mut self.hosting.has_lost)
            && let Some(batch) = &mut self.held
        {
            batch.work.own.clear();
            batch.work.parts.retain(|partition, _| !lost.contains(partition));
            batch.positions.retain(|(partition, _)| !lost.contains(partition));
        }
        gathering?;
        if let Some(error) = self.hosting.failed.take() {
            return Err(error);
        }
        // Those that came meanwhile; what was read of them waits to be stepped.
        self.hold(true)?;
        self.hosting.now = self.clock.now();
        if !self.pause.lets_try(self.hosting.now) {
            return Ok(false);
        }
        self.try_held()?;
        Ok(self.held.is_none())
    }

    /// Tries once more what could not be committed, if there is something.
    pub(super) fn try_held(&mut self) -> Result<(), HostError> {
        self.held.take().map_or(Ok(()), |batch| self.try_commit(batch))
    }
}

/// Records that their topic refused for their length are lost, and must not be so in silence.
pub(crate) fn tell_too_long(member: &mut dyn Member, metrics: &Metrics, stage: &'static str) {
    for TooLong { topic, bytes } in member.take_too_long() {
        metrics.inc(Metric::RejectsTotal, &[stage, RejectReason::TooLarge.as_str()], 1);
        error!(
            stage,
            %topic,
            bytes,
            "a record was left out: it is longer than its topic allows; raise the topic's max.message.bytes"
        );
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
