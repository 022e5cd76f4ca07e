//! Calls what one rule of remedies has approved: once for each incident, in the order of the partition. What came of it goes to the
//! topic of commands in the transaction of the position behind it, and so into the incident's next event.
//!
//! The event that approved it is what is acted on, and no later one that still says so: nothing need be remembered. What comes after it
//! is read ahead, and before each try the partition is read to the end that it has then, so that an incident that has ended or fallen
//! silent meanwhile is left alone however far behind the runner is. A call is tried again only where the receiver has surely done
//! nothing. A crash between the answer and the commit calls again, under the same id.

mod waiting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use forecall_bridge::{Client, Failure, backoff, plan_remedy};
use forecall_config::RemedyTarget;
use forecall_incident::BY_REMEDY_RUNNER;
use forecall_log::{
    Committed, GatherLimits, Member, Membership, OutRecord, Outcome, TopicPartition, Transaction, crash,
};
use forecall_observe::Metric;
use forecall_types::{Action, Command, EventTime, Reject, Remedy, RemedyName, RemedyOutcome};
use forecall_wire::event::{TopicId, encode_command};
use serde_json::Value;
use tracing::{info, warn};

use self::waiting::{Due, Task, Tells, Waiting, beyond, is_still_wanted};
use crate::bridge::{Around, Ends, Gathered};
use crate::drive::Drive;
use crate::host::{HostError, tell_too_long};

/// Incidents are few: what one look takes is a minute of the worst storm.
const LIMITS: GatherLimits = GatherLimits {
    records_max: 64,
    bytes_max: 4 << 20,
    wait: Duration::ZERO,
};
/// Records read ahead of a call that waits: an hour of a large domain. Of most of them only the incident's name is kept.
const AHEAD_MAX: usize = 1_024;
/// The runner of one rule.
pub(crate) struct RemedyRunner {
    rule: RemedyName,
    target: RemedyTarget,
    client: Client,
    around: Around,
    member: Box<dyn Member>,
    ends: Arc<Ends>,
    owned: BTreeSet<TopicPartition>,
    queue: VecDeque<Waiting>,
    /// Results, dead letters and positions that are to be committed.
    records: Vec<(TopicPartition, OutRecord)>,
    positions: BTreeMap<TopicPartition, Committed>,
}

impl RemedyRunner {
    /// Joins the rule's group.
    ///
    /// # Errors
    /// The topic is missing, or the receiver's settings can't be used.
    pub(crate) fn join(
        (rule, target): (&RemedyName, &RemedyTarget),
        membership: &Membership,
        around: Around,
    ) -> Result<Self, HostError> {
        let client = Client::new(&target.to).map_err(|e| {
            let cause = std::error::Error::source(&e).map_or_else(String::new, |c| format!(": {c}"));
            HostError::Settings(format!("remedies.{rule}: {e}{cause}"))
        })?;
        let ends = Arc::new(Ends::of(around.log.as_ref(), &membership.topics)?);
        let member = around.log.join(membership, Arc::clone(&ends) as Arc<_>)?;
        info!(remedy = %rule, dry_run = target.to.dry_run, "what is approved of it is called");
        Ok(Self {
            rule: rule.clone(),
            target: target.clone(),
            client,
            around,
            member,
            ends,
            owned: BTreeSet::new(),
            queue: VecDeque::new(),
            records: Vec::new(),
            positions: BTreeMap::new(),
        })
    }

    fn gather(&mut self, wait: Duration) -> Result<bool, HostError> {
        let is_full = self.queue.len() >= AHEAD_MAX;
        for place in &self.owned {
            self.member.pause(place, is_full)?;
        }
        let mut gathered = Gathered::default();
        let result = self
            .member
            .gather(&GatherLimits { wait, ..LIMITS }, &mut gathered);
        for place in &gathered.revoked {
            self.owned.remove(place);
            // Its new owner reads it again.
            self.positions.remove(place);
            self.records.retain(|(of, _)| of != place);
            self.queue.retain(|waiting| waiting.place != *place);
        }
        for assignment in gathered.assigned {
            self.owned.insert(assignment.partition.clone());
            if assignment.committed.is_none() {
                // A new rule calls nothing of what was approved before it was there.
                let next_offset = self.ends.end(&assignment.partition);
                self.position(assignment.partition, next_offset);
            }
        }
        let moved = !gathered.records.is_empty();
        let read = gathered.records.into_iter();
        self.queue.extend(read.map(|kept| Waiting::of(kept, &self.rule)));
        result?;
        Ok(moved)
    }

    fn position(&mut self, place: TopicPartition, next_offset: i64) {
        let metadata = String::new();
        let committed = Committed {
            next_offset,
            metadata,
        };
        self.positions.insert(place, committed);
    }

    /// Works off what calls nobody, and makes one try at what does.
    fn work(&mut self) -> Result<bool, HostError> {
        let (mut moved, mut has_tried) = (false, false);
        while let Some(first) = self.queue.front() {
            let now = self.around.clock.now();
            let record = match &first.task {
                Task::Pass => None,
                Task::Refuse(kept, reject) => Some(self.letter(kept, reject)),
                Task::Call(kept, due) => {
                    // It was read as an event: it is JSON.
                    let body = kept.json().unwrap_or_default();
                    let due = due.clone();
                    match self.judge(&due, None, now) {
                        Some(outcome) => Some(self.result(&due, (outcome, None), now)?),
                        None if now < due.not_before => break,
                        None if has_tried => {
                            // The group must hear of us between two tries.
                            moved = true;
                            break;
                        }
                        None => {
                            has_tried = true;
                            let beyond = self.beyond(&due)?;
                            let came = match self.judge(&due, beyond.as_ref(), now) {
                                Some(outcome) => Some((outcome, None)),
                                None if self.is_dry_run(&due) => Some((RemedyOutcome::Rehearsed, None)),
                                None => self.call(&due, &body, now),
                            };
                            match came {
                                Some(came) => Some(self.result(&due, came, self.around.clock.now())?),
                                None => continue,
                            }
                        }
                    }
                }
            };
            moved = true;
            if let Some(waiting) = self.queue.pop_front() {
                self.records
                    .extend(record.map(|record| (waiting.place.clone(), record)));
                self.position(waiting.place, waiting.offset + 1);
            }
        }
        // There was one call at most: what a crash repeats is one.
        self.flush()?;
        Ok(moved)
    }

    /// What it comes to without a call, by what was read and what stands `beyond` that; `None`: it is to be called.
    fn judge(&self, due: &Due, beyond: Option<&Tells>, now: EventTime) -> Option<RemedyOutcome> {
        let remedy = &due.remedy;
        if !is_still_wanted(&self.queue, due, beyond) {
            Some(RemedyOutcome::Unwanted)
        } else if remedy.digest != self.target.digest {
            Some(RemedyOutcome::Changed)
        } else if remedy.until.is_none_or(|until| now >= until) {
            Some(RemedyOutcome::Late)
        } else {
            None
        }
    }

    fn is_dry_run(&self, due: &Due) -> bool {
        due.remedy.dry_run || self.target.to.dry_run
    }

    /// What the topic says of the incident behind what was read here, up to the end it has now. Without an answer nobody is called.
    fn beyond(&self, due: &Due) -> Result<Option<Tells>, HostError> {
        let Some(first) = self.queue.front() else {
            return Ok(None);
        };
        let place = &first.place;
        let of_place = self.queue.iter().filter(|waiting| waiting.place == *place);
        let from = of_place
            .map(|waiting| waiting.offset + 1)
            .max()
            .unwrap_or(first.offset + 1);
        let log = self.around.log.as_ref();
        Ok(beyond(log, (place, from), (&due.incident.id, &self.rule))?)
    }

    /// One try; `None`: it is tried again.
    fn call(&mut self, due: &Due, event: &Value, now: EventTime) -> Option<(RemedyOutcome, Option<u32>)> {
        let plan = plan_remedy(&due.remedy, &due.incident.id, event);
        let answer = self.client.perform(&plan, now);
        crash::point(crash::POINT_OF_REMEDIES);
        let failure = match answer {
            Ok(()) => return Some((RemedyOutcome::Done, None)),
            Err(failure) => failure,
        };
        let now = self.around.clock.now();
        let retry = &self.target.to.retry;
        let (tries, since) = (due.tries.saturating_add(1), due.since.unwrap_or(now));
        let key = Remedy::key(&due.incident.id, &self.rule);
        let wait = backoff(&key, tries, retry).max(failure.retry_after.unwrap_or_default());
        let next = now.plus(wait);
        let is_last = !failure.is_undone()
            || tries >= retry.tries_max
            || next.since(since) >= retry.give_up_after
            || due.remedy.until.is_none_or(|until| next >= until);
        if is_last {
            return Some((failure.outcome(), failure.status.map(u32::from)));
        }
        self.tell_try(&key, tries, &failure);
        if let Some(Waiting {
            task: Task::Call(_, due),
            ..
        }) = self.queue.front_mut()
        {
            due.tries = tries;
            due.since = Some(since);
            due.not_before = next;
        }
        None
    }

    fn tell_try(&self, key: &str, tries: u32, failure: &Failure) {
        warn!(remedy = %self.rule, key, tries, %failure, "the receiver was not reached: it is tried again");
        self.count(failure.outcome());
    }

    fn count(&self, outcome: RemedyOutcome) {
        let labels = [self.rule.as_str(), outcome.as_str()];
        self.around.metrics.inc(Metric::RemedyCallsTotal, &labels, 1);
    }

    /// What came of it, as a record for the topic of commands. Its id makes a second one harmless.
    fn result(
        &self,
        due: &Due,
        (outcome, status): (RemedyOutcome, Option<u32>),
        now: EventTime,
    ) -> Result<OutRecord, HostError> {
        let Due {
            incident,
            remedy,
            tries,
            ..
        } = due;
        let key = Remedy::key(&incident.id, &self.rule);
        info!(
            remedy = %self.rule,
            key,
            incident = %incident.id,
            revision = incident.revision,
            approved_by = remedy.approved.as_ref().map(|a| &*a.by),
            label = remedy.label.as_str(),
            outcome = outcome.as_str(),
            status,
            tries_before = tries,
            "what came of a remedy"
        );
        self.count(outcome);
        let command = Command {
            // An approval that a merge took back may be followed by another one.
            id: Arc::from(format!("remedy {key} {}", remedy.revision)),
            domain: incident.domain.clone(),
            at: now,
            by: Arc::from(BY_REMEDY_RUNNER),
            action: Action::RemedyResult {
                incident: incident.id.clone(),
                rule: self.rule.clone(),
                outcome,
                status,
            },
        };
        let encoded = encode_command(&command)
            .map_err(|e| HostError::Settings(format!("the result of a remedy can't be written: {e}")))?;
        Ok(self.around.wiring.out(TopicId::Commands, encoded))
    }

    fn letter(&self, kept: &crate::bridge::Kept, reject: &Reject) -> OutRecord {
        warn!(
            remedy = %self.rule,
            place = %kept.place,
            offset = kept.offset,
            reason = reject.reason.as_str(),
            detail = reject.detail,
            "an incident event can't be read: it is on the dead-letter topic"
        );
        kept.with_record(|record| self.around.wiring.dead_letter(record, reject))
    }

    /// Commits positions, results and dead letters in one transaction.
    fn flush(&mut self) -> Result<(), HostError> {
        if self.positions.is_empty() {
            return Ok(());
        }
        let transaction = Transaction {
            records: self.records.iter().map(|(_, record)| record.clone()).collect(),
            positions: self
                .positions
                .iter()
                .map(|(p, c)| (p.clone(), c.clone()))
                .collect(),
        };
        self.member.begin_commit(transaction)?;
        let outcome = self.member.await_commit()?;
        tell_too_long(&mut *self.member, &self.around.metrics, "remedy");
        match outcome {
            Outcome::Committed => {
                self.records.clear();
                self.positions.clear();
            }
            // The next look says which are gone; their new owner reads and calls again, under the same ids.
            Outcome::NotOwner => {}
        }
        Ok(())
    }
}

impl Drive for RemedyRunner {
    fn turn(&mut self, wait: Duration) -> Result<bool, HostError> {
        let now = self.around.clock.now();
        let is_due = self.queue.front().is_some_and(|first| match &first.task {
            Task::Call(_, due) => now >= due.not_before,
            Task::Pass | Task::Refuse(..) => true,
        });
        let gathered = self.gather(if is_due { Duration::ZERO } else { wait })?;
        let worked = self.work()?;
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
