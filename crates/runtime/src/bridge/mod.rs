//! Brings incidents to one target, in the order of their partition: each record is delivered, or left on the dead-letter topic
//! with the reason, before the position behind it is committed. A crash between repeats the last one; targets know it again.
//!
//! A bridge is no stage: what it says goes where no transaction reaches, and whether a target answers isn't a function of its
//! log. Its memory (which incidents were told, and by what labels) is made anew at a start by reading the topic again from the
//! oldest incident that was open, a position that stands beside the committed one.

mod item;
mod open;
mod reader;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use forecall_bridge::{
    Alert, BridgeSettings, Client, Failure, FailureClass, Memory, OPEN_MAX, Phase, Verdict, backoff, plan,
};
use forecall_log::{
    Assignment, Committed, GatherLimits, Log, Member, Membership, OutRecord, Outcome, TopicPartition,
    Transaction,
};
use forecall_observe::{Metric, Metrics};
use forecall_types::{EventTime, IncidentId, Reject, RejectReason};
use forecall_wire::event::TopicId;
use tracing::{error, info, warn};

pub(crate) use self::item::Kept;
use self::item::{Item, Task};
pub(crate) use self::reader::{Ends, Gathered};
use self::reader::{from_mark, mark};
use crate::clock::Clock;
use crate::drive::Drive;
use crate::host::{HostError, tell_too_long};
use crate::stages::Wiring;

/// Incidents are few: what one look takes is a minute of the worst storm, and at most 4 MiB wait in memory.
const LIMITS: GatherLimits = GatherLimits {
    records_max: 64,
    bytes_max: 4 << 20,
    wait: Duration::ZERO,
};

/// What a bridge works with.
pub(crate) struct Around {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) wiring: Wiring,
}

/// One bridge.
pub(crate) struct Bridge {
    name: String,
    settings: BridgeSettings,
    client: Client,
    around: Around,
    member: Box<dyn Member>,
    ends: Arc<Ends>,
    /// Partitions of ours, each with what was told of it.
    owned: BTreeMap<TopicPartition, Memory>,
    /// Partitions whose memory isn't there yet.
    fresh: Vec<Assignment>,
    queue: VecDeque<Item>,
    /// Dead letters and positions that are to be committed.
    letters: Vec<(TopicPartition, OutRecord)>,
    positions: BTreeMap<TopicPartition, Committed>,
    /// The target doesn't want us before.
    not_before: EventTime,
    repeat_at: EventTime,
    /// Repeats that failed in a row.
    repeats_failed: u32,
    is_failing: bool,
}

impl Bridge {
    /// Joins the bridge's group.
    ///
    /// # Errors
    /// The topic is missing, or the target's settings can't be used.
    pub(crate) fn join(
        (name, settings): (&str, &BridgeSettings),
        membership: &Membership,
        around: Around,
    ) -> Result<Self, HostError> {
        let client = Client::new(settings).map_err(|e| {
            let cause = std::error::Error::source(&e).map_or_else(String::new, |c| format!(": {c}"));
            HostError::Settings(format!("bridges.{name}: {e}{cause}"))
        })?;
        let ends = Arc::new(Ends::of(around.log.as_ref(), &membership.topics)?);
        let member = around.log.join(membership, Arc::clone(&ends) as Arc<_>)?;
        around.metrics.set(Metric::BridgeFailing, &[name], 0.0);
        info!(
            bridge = name,
            kind = settings.to.kind(),
            dry_run = settings.dry_run,
            "incidents are bridged"
        );
        Ok(Self {
            name: name.to_owned(),
            settings: settings.clone(),
            client,
            around,
            member,
            ends,
            owned: BTreeMap::new(),
            fresh: Vec::new(),
            queue: VecDeque::new(),
            letters: Vec::new(),
            positions: BTreeMap::new(),
            not_before: EventTime::MIN,
            repeat_at: EventTime::MIN,
            repeats_failed: 0,
            is_failing: false,
        })
    }

    fn count(&self, outcome: &'static str) {
        self.around
            .metrics
            .inc(Metric::BridgeEventsTotal, &[&self.name, outcome], 1);
    }

    /// Looks at the log. While something waits here nothing more is read, but the group is told that we live.
    fn gather(&mut self, wait: Duration) -> Result<bool, HostError> {
        let is_busy = !self.queue.is_empty();
        for place in self.owned.keys() {
            self.member.pause(place, is_busy)?;
        }
        let mut gathered = Gathered::default();
        let limits = GatherLimits { wait, ..LIMITS };
        let result = self.member.gather(&limits, &mut gathered);
        for place in &gathered.revoked {
            self.owned.remove(place);
            self.positions.remove(place);
            self.letters.retain(|(of, _)| of != place);
            self.fresh.retain(|a| a.partition != *place);
            self.queue.retain(|item| item.kept.place != *place);
        }
        let moved = !gathered.records.is_empty();
        self.fresh.extend(gathered.assigned);
        let now = self.around.clock.now();
        for kept in gathered.records {
            let next = kept.offset + 1;
            self.queue.push_back(Item::new(kept, Task::Look, now, Some(next)));
        }
        result?;
        Ok(moved)
    }

    /// Makes the memory of partitions that have just become ours.
    fn restore(&mut self) -> Result<(), HostError> {
        while let Some(assignment) = self.fresh.first() {
            let place = assignment.partition.clone();
            let (memory, open) = self.memory_of(assignment)?;
            info!(bridge = self.name, %place, open = memory.len(), "open incidents are known again");
            if assignment.committed.is_none() {
                self.catch_up(&place, &memory, open);
            }
            self.owned.insert(place, memory);
            self.fresh.remove(0);
        }
        Ok(())
    }

    /// Memory as it was at the position where reading begins, and the newest record of each incident that is open there.
    fn memory_of(&self, assignment: &Assignment) -> Result<(Memory, BTreeMap<IncidentId, Kept>), HostError> {
        let place = &assignment.partition;
        let (from, to) = match &assignment.committed {
            Some(committed) => {
                let from = from_mark(&committed.metadata);
                if from.is_none() {
                    warn!(bridge = self.name, %place, "another tool has set this position: what was open before it is not known");
                }
                (from.unwrap_or(committed.next_offset), committed.next_offset)
            }
            None => (0, self.ends.end(place)),
        };
        let (mut memory, mut newest) = (Memory::default(), BTreeMap::new());
        if from < to {
            self.around.log.read(place, from, &mut |record| {
                if record.offset >= to {
                    return;
                }
                let kept = Kept::of(record);
                // What can't be read was left on the dead-letter topic when it was read first.
                let Ok(event) = kept.event() else { return };
                if let Verdict::Tell(alert) = memory.step(kept.offset, &event, &self.settings) {
                    if alert.phase == Phase::Over {
                        newest.remove(&alert.incident);
                    } else if assignment.committed.is_none() {
                        newest.insert(alert.incident, kept);
                    }
                }
            })?;
        }
        Ok((memory, newest))
    }

    /// A new bridge tells of what is open, before anything else. Its position stands only when all of that is told.
    fn catch_up(&mut self, place: &TopicPartition, memory: &Memory, mut newest: BTreeMap<IncidentId, Kept>) {
        let end = self.ends.end(place);
        let now = self.around.clock.now();
        let mut items: Vec<Item> = memory
            .open()
            .filter_map(|alert| {
                let kept = newest.remove(&alert.incident)?;
                Some(Item::new(kept, Task::Send(Box::new(alert.clone())), now, None))
            })
            .collect();
        match items.last_mut() {
            Some(last) => last.next_offset = Some(end),
            None => {
                let metadata = mark(end);
                let committed = Committed {
                    next_offset: end,
                    metadata,
                };
                self.positions.insert(place.clone(), committed);
            }
        }
        for item in items.into_iter().rev() {
            self.queue.push_front(item);
        }
    }

    /// Works off what needs no target, and makes one try at what does.
    fn work(&mut self) -> Result<bool, HostError> {
        let (mut moved, mut has_tried) = (false, false);
        loop {
            let now = self.around.clock.now();
            let Some(item) = self.queue.front_mut() else { break };
            if matches!(item.task, Task::Look) {
                let Some(memory) = self.owned.get_mut(&item.kept.place) else {
                    // No longer ours: its new owner reads it.
                    self.queue.pop_front();
                    continue;
                };
                let (task, outcome) = look(item, memory, &self.settings);
                item.task = task;
                if let Some(outcome) = outcome {
                    self.count(outcome);
                }
                continue;
            }
            match &item.task {
                Task::Look | Task::Done => {}
                Task::Refuse { reject } => {
                    let wiring = &self.around.wiring;
                    let letter = if reject.reason == RejectReason::Undelivered {
                        wiring.out(TopicId::DeadLetters, item.kept.undelivered(reject))
                    } else {
                        item.kept.with_record(|record| wiring.dead_letter(record, reject))
                    };
                    warn!(
                        bridge = self.name,
                        place = %item.kept.place,
                        offset = item.kept.offset,
                        reason = reject.reason.as_str(),
                        detail = reject.detail,
                        "an incident event was not delivered: it is on the dead-letter topic"
                    );
                    self.letters.push((item.kept.place.clone(), letter));
                    self.count("dead_lettered");
                }
                Task::Send(alert) => {
                    if now < item.not_before.max(self.not_before) {
                        break;
                    }
                    if has_tried {
                        // A target may be slow: the group must hear of us between two tries.
                        moved = true;
                        break;
                    }
                    has_tried = true;
                    let alert = alert.clone();
                    self.send(&alert, now);
                    continue;
                }
            }
            moved = true;
            self.pop();
        }
        // There was one try at most: what a crash repeats is one event.
        self.flush()?;
        Ok(moved)
    }

    /// One try at the item in front; its task says then what comes next.
    fn send(&mut self, alert: &Alert, now: EventTime) {
        let plan = plan(&self.name, &self.settings, alert, now);
        if self.settings.dry_run {
            info!(bridge = self.name, incident = %alert.incident, revision = alert.revision, ?plan, "would be sent");
            self.done("dry_run");
            return;
        }
        let result = self.client.perform(&plan, now);
        // A target that refuses one event answers; the dead letter tells of it.
        self.tell_health(result.as_ref().err().filter(|failure| !failure.is_final()));
        match result {
            Ok(()) => {
                let at = self.queue.front().map(|item| item.kept.appended_at);
                let took = self.around.clock.now().since(at.unwrap_or(now));
                self.around
                    .metrics
                    .observe(Metric::BridgeDeliverySeconds, &[&self.name], took.as_secs_f64());
                self.done("delivered");
            }
            Err(failure) => self.failed(alert, failure),
        }
    }

    fn done(&mut self, outcome: &'static str) {
        self.count(outcome);
        if let Some(item) = self.queue.front_mut() {
            item.task = Task::Done;
        }
    }

    fn failed(&mut self, alert: &Alert, failure: Failure) {
        let now = self.around.clock.now();
        if let Some(wait) = failure.retry_after {
            self.not_before = self.not_before.max(now.plus(wait));
        }
        let retry = &self.settings.retry;
        let Some(item) = self.queue.front_mut() else {
            return;
        };
        item.tries = item.tries.saturating_add(1);
        let spent = now.since(item.since);
        if failure.is_final() || item.tries >= retry.tries_max || spent >= retry.give_up_after {
            let kind = self.settings.to.kind();
            let detail = format!(
                "bridge {} ({kind}): {failure}; {} tries in {} s",
                self.name,
                item.tries,
                spent.as_secs()
            );
            item.task = Task::Refuse {
                reject: Reject::new(RejectReason::Undelivered, detail),
            };
            return;
        }
        let key = format!("{} {}", self.name, alert.key());
        let wait = backoff(&key, item.tries, retry);
        item.not_before = now.plus(wait);
        self.retried(failure.class);
    }

    fn retried(&self, class: FailureClass) {
        let labels = [self.name.as_str(), class.as_str()];
        self.around.metrics.inc(Metric::BridgeRetriesTotal, &labels, 1);
    }

    fn tell_health(&mut self, failure: Option<&Failure>) {
        let is_failing = failure.is_some();
        if is_failing == self.is_failing {
            return;
        }
        self.is_failing = is_failing;
        let value = if is_failing { 1.0 } else { 0.0 };
        self.around
            .metrics
            .set(Metric::BridgeFailing, &[&self.name], value);
        match failure {
            Some(failure) => {
                error!(bridge = self.name, %failure, "the target has not taken what was sent; it is tried again");
            }
            None => info!(bridge = self.name, "the target takes what is sent"),
        }
    }

    /// The item in front is done: its position may be committed.
    fn pop(&mut self) {
        let Some(item) = self.queue.pop_front() else {
            return;
        };
        if let Some(next_offset) = item.next_offset {
            let memory = self.owned.get(&item.kept.place);
            let from = memory.map_or(next_offset, |memory| memory.from(next_offset));
            let committed = Committed {
                next_offset,
                metadata: mark(from),
            };
            self.positions.insert(item.kept.place, committed);
        }
    }

    /// Commits positions and dead letters in one transaction.
    fn flush(&mut self) -> Result<(), HostError> {
        // Letters of a new bridge's open incidents wait for the position that stands after all of them.
        if self.positions.is_empty() {
            return Ok(());
        }
        let ready = self
            .letters
            .iter()
            .filter(|(place, _)| self.positions.contains_key(place));
        let transaction = Transaction {
            records: ready.map(|(_, letter)| letter.clone()).collect(),
            positions: self
                .positions
                .iter()
                .map(|(p, c)| (p.clone(), c.clone()))
                .collect(),
        };
        self.member.begin_commit(transaction)?;
        let outcome = self.member.await_commit()?;
        tell_too_long(&mut *self.member, &self.around.metrics, "bridge");
        match outcome {
            Outcome::Committed => {}
            // The next look says which; its new owner reads the same again, and tells it again.
            Outcome::NotOwner => return Ok(()),
        }
        self.letters
            .retain(|(place, _)| !self.positions.contains_key(place));
        self.positions.clear();
        Ok(())
    }
}

/// What a record asks for, and the word it is counted by where nothing is sent.
fn look(item: &Item, memory: &mut Memory, settings: &BridgeSettings) -> (Task, Option<&'static str>) {
    let event = match item.kept.event() {
        Ok(event) => event,
        Err(reject) => {
            return (Task::Refuse { reject }, None);
        }
    };
    match memory.step(item.kept.offset, &event, settings) {
        Verdict::Tell(alert) => (Task::Send(alert), None),
        Verdict::Simulated => (Task::Done, Some("simulated")),
        Verdict::Canary => (Task::Done, Some("canary")),
        Verdict::Filtered => (Task::Done, Some("filtered")),
        Verdict::Full => {
            let detail = format!("{OPEN_MAX} incidents of this partition are open");
            (
                Task::Refuse {
                    reject: Reject::new(RejectReason::Undelivered, detail),
                },
                None,
            )
        }
    }
}

impl Drive for Bridge {
    fn turn(&mut self, wait: Duration) -> Result<bool, HostError> {
        self.restore()?;
        let now = self.around.clock.now();
        let is_due = |item: &Item| now >= item.not_before.max(self.not_before);
        let wait = if self.queue.front().is_some_and(is_due) {
            Duration::ZERO
        } else {
            wait
        };
        let gathered = self.gather(wait)?;
        self.restore()?;
        let worked = self.work()?;
        self.repeat();
        self.forget();
        Ok(gathered || worked)
    }

    fn is_at_rest(&self) -> bool {
        self.queue.is_empty()
    }

    fn stop(mut self: Box<Self>) -> Result<(), HostError> {
        self.flush()?;
        Ok(self.member.leave()?)
    }
}
