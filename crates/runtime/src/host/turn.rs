use std::sync::Arc;
use std::time::Duration;

use forecall_log::{GatherLimits, Log, LogError, Member, Membership, OutRecord, TopicPartition, crash};
use forecall_observe::{Metric, Metrics};
use forecall_stage::{Effects, Stage};
use forecall_types::EventTime;
use tracing::info;

use crate::clock::Clock;
use crate::host::commit::Uncommitted;
use crate::host::hosted::Hosting;
use crate::host::pause::Pause;
use crate::host::planner::Planner;
use crate::host::pulse::announce;
use crate::host::saver::Saver;
use crate::host::stepper::Stepper;
use crate::host::{Adapter, HostError, Sink};
use crate::snapshots::SnapshotStore;

/// Effects that wait for their commit at most: a few ten MiB of a stage that puts out as much as it reads.
const EFFECTS_MAX: usize = 50_000;

/// A rebalance is over by then, whatever the session time-out (45 s by default).
const TAINTED_FOR: Duration = Duration::from_secs(120);

/// How a host works.
#[derive(Debug, Clone, Copy)]
pub struct HostSettings {
    /// Records gathered before they are stepped, at most.
    pub batch_records_max: usize,
    /// Bytes gathered before they are stepped, at most.
    pub batch_bytes_max: usize,
    /// Between two ticks of a stage that wants them.
    pub tick_every: Duration,
    /// Between two heartbeats while nothing comes.
    pub pulse_every: Duration,
    /// Nothing for so long makes a partition idle.
    pub idle_after: Duration,
    /// Between two snapshots of a partition.
    pub snapshot_every: Duration,
    /// Whether snapshots are written by a thread of their own.
    pub snapshot_in_background: bool,
    /// How long positions may wait to be committed while there are no effects. Zero: every turn commits.
    pub commit_every: Duration,
    /// How long effects may wait while batch after batch is full.
    pub commit_busy: Duration,
    /// Only what is left is read: time stands still, no heartbeat and no tick is written.
    pub draining: bool,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            // All of a batch is decoded, then all of it stepped: with more than this, a second-level cache of 512 KiB no longer
            // holds what was decoded, and stepping fetches it from memory again. Measured: 5,000 records cost 1.4 times.
            batch_records_max: 400,
            batch_bytes_max: 384 << 10,
            tick_every: Duration::from_secs(1),
            pulse_every: Duration::from_secs(1),
            idle_after: Duration::from_secs(30),
            snapshot_every: Duration::from_secs(60),
            snapshot_in_background: true,
            // A transaction of positions costs some 20 ms: 2 % of a second.
            commit_every: Duration::from_secs(1),
            // Five transactions' own time: under load they cost a fifth, and nobody waits longer for an effect.
            commit_busy: Duration::from_millis(100),
            draining: false,
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
    pub(super) hosting: Hosting<A>,
    pub(super) member: Box<dyn Member>,
    pub(super) sink: Arc<dyn Sink>,
    snapshots: SnapshotStore,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: HostSettings,
    pub(super) last_pulse: EventTime,
    /// Ticks and heartbeats, not committed yet.
    pub(super) own: Vec<OutRecord>,
    /// What could not be committed because the sink is down; nothing else is done until it is.
    pub(super) held: Option<Uncommitted>,
    pub(super) pause: Pause,
    /// Since when something waits to be committed.
    waiting_since: Option<EventTime>,
    pub(super) saver: Saver,
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
        let planner = Arc::new(Planner::<A>::new(Arc::clone(&sink), snapshots.clone()));
        let member = log.join(membership, Arc::clone(&planner) as Arc<_>)?;
        let pause = Pause::new(A::Stage::NAME, metrics.clone());
        for counter in [
            Metric::AdoptedTotal,
            Metric::DigestMismatchTotal,
            Metric::DeadLettersTotal,
        ] {
            metrics.begin(counter, &[A::Stage::NAME]);
        }
        let hosting = Hosting::new(Arc::new(adapter), planner, metrics);
        let saver = Saver::new(snapshots.clone(), settings.snapshot_in_background);
        Ok(Self {
            hosting,
            member,
            sink,
            snapshots,
            clock,
            settings,
            last_pulse: EventTime::MIN,
            own: Vec::new(),
            held: None,
            pause,
            waiting_since: None,
            saver,
        })
    }

    /// Gathers for at most `wait`, steps, and commits when it is time. Says whether anything moved.
    ///
    /// # Errors
    /// See [`HostError`]; the host must not be used further.
    pub fn turn(&mut self, wait: Duration) -> Result<bool, HostError> {
        let now = self.clock.now();
        self.note_own_pause(now);
        self.hosting.now = now;
        self.hosting.planner.forget_parked(now);
        if self.held.is_some() {
            return self.turn_held(wait);
        }
        let limits = GatherLimits {
            records_max: self.settings.batch_records_max,
            bytes_max: self.settings.batch_bytes_max,
            wait,
        };
        let gathering = self.member.gather(&limits, &mut self.hosting);
        if std::mem::take(&mut self.hosting.has_lost) {
            // What they tell is only true together with effects that may have gone; they are made anew in a second.
            self.own.clear();
        }
        gathering?;
        if let Some(error) = self.hosting.failed.take() {
            return Err(error);
        }
        self.hosting.now = self.clock.now();
        self.check_tainted()?;
        self.count_topics()?;
        let gathered = self.hosting.gathered();
        if gathered > 0 {
            crash::point("gathered");
        }
        self.step_all()?;
        if gathered > 0 {
            crash::point("stepped");
        }
        self.tell_progress();
        if !self.settings.draining {
            self.add_pulses();
            self.add_ticks();
        }
        let bytes = std::mem::take(&mut self.hosting.bytes_gathered);
        let is_busy = gathered >= self.settings.batch_records_max || bytes >= self.settings.batch_bytes_max;
        let is_due = self.is_commit_due(is_busy);
        if is_due {
            self.commit()?;
        }
        self.save_due(false)?;
        Ok(gathered > 0 || is_due)
    }

    /// A partition whose commit didn't stand must be taken from us soon; where the log forgets to, only a restart helps.
    fn check_tainted(&self) -> Result<(), HostError> {
        let since = self
            .hosting
            .owned
            .values()
            .filter_map(|hosted| hosted.tainted)
            .min();
        if since.is_none_or(|since| self.hosting.now.since(since) < TAINTED_FOR) {
            return Ok(());
        }
        Err(HostError::Log(LogError::Fatal {
            what: format!(
                "{}: a batch was refused because its partitions have another owner, but they are still ours",
                A::Stage::NAME
            ),
            source: None,
        }))
    }

    fn stepper<'s>(
        hosting: &'s Hosting<A>,
        adapter: &'s A,
        snapshots: &'s SnapshotStore,
        partition: &'s TopicPartition,
    ) -> Stepper<'s, A> {
        Stepper {
            adapter,
            metrics: &hosting.metrics,
            partition,
            settings: hosting.settings,
            snapshots,
        }
    }

    fn step_all(&mut self) -> Result<(), HostError> {
        let adapter = Arc::clone(&self.hosting.adapter);
        let mut owned = std::mem::take(&mut self.hosting.owned);
        let told = (self.hosting.now, self.hosting.topics.as_slice());
        let result = owned.iter_mut().try_for_each(|(partition, hosted)| {
            let mut stepper = Self::stepper(&self.hosting, adapter.as_ref(), &self.snapshots, partition);
            let mut gathered = std::mem::take(&mut hosted.gathered);
            if hosted.restoring && !gathered.is_empty() {
                crash::point("restore_read");
            }
            for record in gathered.drain(..) {
                stepper.finish_restore(hosted, record.offset)?;
                announce(adapter.as_ref(), partition, hosted, told);
                stepper.step(hosted, record)?;
            }
            // The room is used again.
            hosted.gathered = gathered;
            let next = hosted.next_offset;
            stepper.finish_restore(hosted, next)
        });
        self.hosting.owned = owned;
        result
    }

    /// Tells how long restores go on.
    fn tell_progress(&mut self) {
        let now = self.hosting.now;
        for (partition, hosted) in &mut self.hosting.owned {
            let Some(committed) = hosted.committed.as_ref().filter(|_| hosted.restoring) else {
                continue;
            };
            let (at, to) = (hosted.next_offset, committed.next_offset);
            if let Some(told) = hosted.progress.look(now, at, to) {
                info!(
                    stage = A::Stage::NAME,
                    %partition,
                    at,
                    to,
                    per_second = told.rate,
                    seconds_left = told.seconds_left,
                    "restoring: re-reading"
                );
            }
        }
    }

    /// Whether what waits is to be committed now. Effects wait only while more records than fit into a batch are there, and
    /// never long; positions alone can wait: after a crash their records are stepped again, and come to the same.
    fn is_commit_due(&mut self, is_busy: bool) -> bool {
        let (mut effects, mut moved, mut save) = (self.own.len(), !self.own.is_empty(), false);
        let now = self.hosting.now;
        for hosted in self
            .hosting
            .owned
            .values()
            .filter(|hosted| hosted.tainted.is_none())
        {
            effects += hosted.pending.effects.len() + hosted.pending.letters.len();
            let is_ahead = hosted.is_ahead();
            moved |= is_ahead;
            let is_old = now.since(hosted.saved_at) >= self.settings.snapshot_every;
            save |= is_ahead && is_old && !A::Stage::STATELESS && !self.saver.is_busy();
        }
        if !moved && effects == 0 {
            self.waiting_since = None;
            return false;
        }
        let age = now.since(*self.waiting_since.get_or_insert(now));
        let settings = &self.settings;
        let is_due = save
            || age >= settings.commit_every
            || effects > 0 && (!is_busy || age >= settings.commit_busy)
            || effects >= EFFECTS_MAX;
        if is_due {
            self.waiting_since = None;
        }
        is_due
    }

    /// Whether every partition has its memory back, and nothing is waited for that is down.
    pub fn is_ready(&self) -> bool {
        !self.pause.is_on()
            && !self.hosting.owned.is_empty()
            && self.hosting.owned.values().all(|h| !h.restoring)
    }

    /// Whether all its stages are [at rest](Adapter::is_at_rest).
    pub fn is_at_rest(&self) -> bool {
        let adapter = self.hosting.adapter.as_ref();
        let mut owned = self.hosting.owned.values();
        self.is_ready() && owned.all(|h| h.tainted.is_none() && adapter.is_at_rest(&h.stage))
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
        let adapter = Arc::clone(&self.hosting.adapter);
        let mut owned = std::mem::take(&mut self.hosting.owned);
        for (partition, hosted) in &mut owned {
            let mut effects = Effects::default();
            adapter.flush(&mut hosted.stage, &mut effects);
            Self::stepper(&self.hosting, adapter.as_ref(), &self.snapshots, partition)
                .perform(hosted, effects, false);
        }
        self.hosting.owned = owned;
        self.commit()
    }

    /// Saves every partition and leaves the group.
    ///
    /// # Errors
    /// As [`turn`](Self::turn).
    pub fn stop(mut self) -> Result<(), HostError> {
        self.hosting.now = self.clock.now();
        // What still can't be committed is read again after the next start.
        self.try_held()?;
        if self.held.is_none() {
            self.commit()?;
        }
        self.count_gathered();
        for partition in self.hosting.owned.keys() {
            self.hosting.forget_gauges(partition);
        }
        self.save_due(true)?;
        Ok(self.member.leave()?)
    }
}
