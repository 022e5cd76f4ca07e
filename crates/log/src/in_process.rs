mod outside;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use forecall_types::EventTime;

use crate::group::Group;
use crate::partition::{Partition, Stored, out_of_range};
use crate::{
    Assignment, ChooseStart, Committed, GatherLimits, Handler, Headers, Log, LogError, Member, Membership,
    OutRecord, Outcome, RecordRef, Start, TopicPartition, TopicSpec, TopicState, Transaction, Writer,
    partition_of_key,
};

/// The log in memory: one process, nothing kept. Deterministic where one thread drives it; safe where several do.
///
/// Its time (what a record's `appended_at` says) is set by the driver with [`InProcess::set_time`].
#[derive(Debug, Clone, Default)]
pub struct InProcess(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    now: EventTime,
    topics: BTreeMap<Arc<str>, Vec<Partition>>,
    /// Settings of each topic, as it was created.
    settings: BTreeMap<String, BTreeMap<String, String>>,
    groups: BTreeMap<String, Group>,
    /// Newest epoch of each transactional identity.
    epochs: BTreeMap<String, u64>,
    /// Where un-keyed records go next, per topic.
    round: BTreeMap<Arc<str>, i32>,
}

impl InProcess {
    /// Sets the time that records are stamped with. It never goes back.
    pub fn set_time(&self, now: EventTime) {
        let mut state = self.lock();
        state.now = state.now.max(now);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held can't leave half a transaction: `append` checks first, then pushes.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, with `news` awaited for at most `wait` if `idle` says that there is nothing to do.
    fn lock_when(
        &self,
        wait: std::time::Duration,
        idle: impl Fn(&mut State) -> bool,
    ) -> MutexGuard<'_, State> {
        let state = self.lock();
        if wait.is_zero() {
            return state;
        }
        let (state, _) = self
            .0
            .news
            .wait_timeout_while(state, wait, |s| idle(s))
            .unwrap_or_else(PoisonError::into_inner);
        state
    }
}

impl State {
    fn count(&self, topic: &str) -> i32 {
        self.topics
            .get(topic)
            .map_or(0, |p| i32::try_from(p.len()).unwrap_or(i32::MAX))
    }

    fn partition(&self, p: &TopicPartition) -> Option<&Partition> {
        self.topics.get(&p.topic)?.get(usize::try_from(p.partition).ok()?)
    }

    fn partition_mut(&mut self, p: &TopicPartition) -> Option<&mut Partition> {
        self.topics
            .get_mut(&p.topic)?
            .get_mut(usize::try_from(p.partition).ok()?)
    }

    fn end(&self, p: &TopicPartition) -> i64 {
        self.partition(p).map_or(0, Partition::end)
    }

    fn check_epoch(&self, identity: &str, epoch: u64) -> Result<(), LogError> {
        if self.epochs.get(identity) == Some(&epoch) {
            Ok(())
        } else {
            Err(LogError::Fenced {
                identity: identity.to_owned(),
            })
        }
    }

    fn next_epoch(&mut self, identity: &str) -> u64 {
        let epoch = self.epochs.entry(identity.to_owned()).or_default();
        *epoch += 1;
        *epoch
    }

    fn choose_partition(&mut self, record: &OutRecord) -> Result<TopicPartition, LogError> {
        let count = self.count(&record.topic);
        if count == 0 {
            return Err(LogError::NoTopic {
                topic: record.topic.to_string(),
            });
        }
        let partition = match (record.partition, &record.key) {
            (Some(p), _) if (0..count).contains(&p) => p,
            (Some(p), _) => {
                return Err(LogError::Fatal {
                    what: format!("topic `{}` has {count} partitions, none is {p}", record.topic),
                    source: None,
                });
            }
            (None, Some(key)) => partition_of_key(key, count),
            (None, None) => {
                let round = self.round.entry(Arc::clone(&record.topic)).or_default();
                *round = (*round + 1) % count;
                *round
            }
        };
        Ok(TopicPartition {
            topic: Arc::clone(&record.topic),
            partition,
        })
    }

    fn append(&mut self, records: &[OutRecord]) -> Result<(), LogError> {
        let targets = records
            .iter()
            .map(|r| self.choose_partition(r))
            .collect::<Result<Vec<_>, _>>()?;
        let now = self.now;
        for (record, target) in records.iter().zip(targets) {
            if let Some(partition) = self.partition_mut(&target) {
                partition.records.push(Stored {
                    at: now,
                    key: record.key.clone(),
                    value: record.value.clone(),
                    headers: record.headers.clone(),
                });
            }
        }
        Ok(())
    }
}

fn visit(p: &TopicPartition, offset: i64, stored: &Stored, with: &mut dyn FnMut(&RecordRef<'_>)) {
    let headers: Vec<(&str, &[u8])> = stored
        .headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_slice()))
        .collect();
    with(&RecordRef {
        topic: &p.topic,
        partition: p.partition,
        offset,
        appended_at: stored.at,
        key: stored.key.as_deref(),
        value: stored.value.as_deref(),
        headers: Headers::Read(&headers),
    });
}

impl Log for InProcess {
    fn join(
        &self,
        membership: &Membership,
        start: Arc<dyn ChooseStart>,
    ) -> Result<Box<dyn Member>, LogError> {
        let mut state = self.lock();
        if let Some(topic) = membership.topics.iter().find(|t| state.count(t) == 0) {
            return Err(LogError::NoTopic { topic: topic.clone() });
        }
        let epoch = state.next_epoch(&membership.instance);
        let session = state
            .groups
            .entry(membership.group.clone())
            .or_default()
            .join(&membership.instance, &membership.topics);
        drop(state);
        self.0.news.notify_all();
        Ok(Box::new(InProcessMember {
            log: self.clone(),
            membership: membership.clone(),
            start,
            session,
            epoch,
            generation: 0,
            owned: BTreeMap::new(),
            outcome: None,
        }))
    }

    fn writer(&self, identity: &str) -> Result<Box<dyn Writer>, LogError> {
        let epoch = self.lock().next_epoch(identity);
        Ok(Box::new(InProcessWriter {
            log: self.clone(),
            identity: identity.to_owned(),
            epoch,
        }))
    }

    fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<Committed>>, LogError> {
        let state = self.lock();
        let group = state.groups.get(group);
        Ok(partitions
            .iter()
            .map(|p| group.and_then(|g| g.committed.get(p).cloned()))
            .collect())
    }

    fn bounds(&self, topic: &str) -> Result<Vec<(i64, i64)>, LogError> {
        let state = self.lock();
        let Some(partitions) = state.topics.get(topic) else {
            return Err(LogError::NoTopic {
                topic: topic.to_owned(),
            });
        };
        Ok(partitions.iter().map(|p| (p.first, p.end())).collect())
    }

    fn create_topics(&self, topics: &[TopicSpec]) -> Result<Vec<String>, LogError> {
        let mut state = self.lock();
        let mut created = Vec::new();
        for spec in topics {
            let count = state.count(&spec.name);
            if count == 0 {
                let partitions = (0..spec.partitions.max(1))
                    .map(|_| Partition::default())
                    .collect();
                state.topics.insert(Arc::from(spec.name.as_str()), partitions);
                let settings = spec.settings.iter().cloned().collect();
                state.settings.insert(spec.name.clone(), settings);
                created.push(spec.name.clone());
            } else if count != spec.partitions {
                return Err(LogError::Fatal {
                    what: format!(
                        "topic `{}` exists with {count} partitions, {} are asked for",
                        spec.name, spec.partitions
                    ),
                    source: None,
                });
            }
        }
        Ok(created)
    }

    fn describe(&self, topics: &[String]) -> Result<Vec<TopicState>, LogError> {
        let state = self.lock();
        let known = topics.iter().filter(|topic| state.count(topic) > 0);
        Ok(known
            .map(|topic| TopicState {
                name: topic.clone(),
                partitions: state.count(topic),
                replication: 1,
                settings: state.settings.get(topic).cloned().unwrap_or_default(),
            })
            .collect())
    }

    fn read(
        &self,
        partition: &TopicPartition,
        from: i64,
        with: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), LogError> {
        let state = self.lock();
        let Some(kept) = state.partition(partition) else {
            return Err(LogError::NoTopic {
                topic: partition.topic.to_string(),
            });
        };
        for (offset, stored) in kept.from(from) {
            visit(partition, offset, stored, with);
        }
        Ok(())
    }
}

struct InProcessMember {
    log: InProcess,
    membership: Membership,
    start: Arc<dyn ChooseStart>,
    session: u64,
    epoch: u64,
    generation: u64,
    /// Next offset to hand out, and whether the partition is paused.
    owned: BTreeMap<TopicPartition, (i64, bool)>,
    outcome: Option<Outcome>,
}

impl InProcessMember {
    fn group<'s>(&self, state: &'s State) -> Result<&'s Group, LogError> {
        state
            .groups
            .get(&self.membership.group)
            .filter(|g| g.is_current(&self.membership.instance, self.session))
            .ok_or_else(|| LogError::Fenced {
                identity: self.membership.instance.clone(),
            })
    }

    /// Gives back everything and takes the new share, where the group has changed.
    fn rebalance(&mut self, handler: &mut dyn Handler) -> Result<(), LogError> {
        let state = self.log.lock();
        let group = self.group(&state)?;
        if group.generation == self.generation {
            return Ok(());
        }
        let generation = group.generation;
        let share: Vec<(TopicPartition, Option<Committed>)> = group
            .share_of(&self.membership.instance, |topic| state.count(topic))
            .into_iter()
            .map(|p| {
                let committed = group.committed.get(&p).cloned();
                (p, committed)
            })
            .collect();
        drop(state);
        self.generation = generation;
        for partition in std::mem::take(&mut self.owned).into_keys() {
            handler.revoked(&partition, false);
        }
        for (partition, committed) in share {
            let start = self.start.choose(&partition, committed.as_ref());
            let offset = match start {
                Start::Earliest => self.log.lock().partition(&partition).map_or(0, |p| p.first),
                Start::Offset(offset) => offset,
            };
            self.owned.insert(partition.clone(), (offset, false));
            handler.assigned(&Assignment {
                partition,
                committed,
                start,
            });
        }
        Ok(())
    }
}

impl Member for InProcessMember {
    fn gather(&mut self, limits: &GatherLimits, handler: &mut dyn Handler) -> Result<(), LogError> {
        self.rebalance(handler)?;
        let log = self.log.clone();
        let (generation, group) = (self.generation, &self.membership.group);
        let owned = &mut self.owned;
        let state = log.lock_when(limits.wait, |state| {
            state
                .groups
                .get(group)
                .is_some_and(|g| g.generation == generation)
                && owned
                    .iter()
                    .all(|(p, (next, paused))| *paused || state.end(p) <= *next)
        });
        let (mut records, mut bytes) = (0, 0);
        for (partition, (next, paused)) in owned.iter_mut() {
            if *paused {
                continue;
            }
            let Some(kept) = state.partition(partition) else {
                continue;
            };
            if *next < kept.first || *next > kept.end() {
                return Err(out_of_range(group, partition, *next, kept));
            }
            for (offset, record) in kept.from(*next) {
                if records >= limits.records_max || bytes >= limits.bytes_max {
                    return Ok(());
                }
                visit(partition, offset, record, &mut |r| {
                    bytes += r.len();
                    handler.record(r);
                });
                records += 1;
                *next = offset + 1;
            }
        }
        Ok(())
    }

    fn begin_commit(&mut self, transaction: Transaction) -> Result<(), LogError> {
        let mut state = self.log.lock();
        state.check_epoch(&self.membership.instance, self.epoch)?;
        let generation = self.group(&state)?.generation;
        if generation != self.generation
            || transaction
                .positions
                .iter()
                .any(|(p, _)| !self.owned.contains_key(p))
        {
            self.outcome = Some(Outcome::NotOwner);
            return Ok(());
        }
        state.append(&transaction.records)?;
        if let Some(group) = state.groups.get_mut(&self.membership.group) {
            group.committed.extend(transaction.positions);
        }
        drop(state);
        self.log.0.news.notify_all();
        self.outcome = Some(Outcome::Committed);
        Ok(())
    }

    fn await_commit(&mut self) -> Result<Outcome, LogError> {
        Ok(self.outcome.take().unwrap_or(Outcome::Committed))
    }

    fn end_offset(&self, partition: &TopicPartition) -> Option<i64> {
        self.owned
            .contains_key(partition)
            .then(|| self.log.lock().end(partition))
    }

    fn partition_counts(&self) -> Result<Vec<(String, i32)>, LogError> {
        let state = self.log.lock();
        let count = |topic: &String| (topic.clone(), state.count(topic));
        Ok(self.membership.topics.iter().map(count).collect())
    }

    fn pause(&mut self, partition: &TopicPartition, paused: bool) -> Result<(), LogError> {
        if let Some(place) = self.owned.get_mut(partition) {
            place.1 = paused;
        }
        Ok(())
    }

    fn leave(self: Box<Self>) -> Result<(), LogError> {
        // `drop` does it, so that a member that is simply dropped doesn't hold its partitions.
        Ok(())
    }
}

impl Drop for InProcessMember {
    fn drop(&mut self) {
        if let Some(group) = self.log.lock().groups.get_mut(&self.membership.group) {
            group.leave(&self.membership.instance, self.session);
        }
        self.log.0.news.notify_all();
    }
}

struct InProcessWriter {
    log: InProcess,
    identity: String,
    epoch: u64,
}

impl Writer for InProcessWriter {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), LogError> {
        let mut state = self.log.lock();
        state.check_epoch(&self.identity, self.epoch)?;
        state.append(&transaction.records)?;
        drop(state);
        self.log.0.news.notify_all();
        Ok(())
    }

    fn commit_for(&mut self, group: &str, transaction: &Transaction) -> Result<(), LogError> {
        self.commit(transaction)?;
        let mut state = self.log.lock();
        let group = state.groups.entry(group.to_owned()).or_default();
        group.committed.extend(transaction.positions.iter().cloned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: GatherLimits = GatherLimits {
        records_max: 100,
        bytes_max: 1 << 20,
        wait: Duration::ZERO,
    };

    struct FromCommitted;
    impl ChooseStart for FromCommitted {
        fn choose(&self, _: &TopicPartition, committed: Option<&Committed>) -> Start {
            committed.map_or(Start::Earliest, |c| Start::Offset(c.next_offset))
        }
    }

    #[derive(Default)]
    struct Seen {
        values: Vec<String>,
        owned: Vec<String>,
    }
    impl Handler for Seen {
        fn assigned(&mut self, a: &Assignment) {
            self.owned.push(format!("+{}", a.partition));
        }
        fn revoked(&mut self, p: &TopicPartition, _: bool) {
            self.owned.push(format!("-{p}"));
        }
        fn record(&mut self, r: &RecordRef<'_>) {
            self.values
                .push(String::from_utf8_lossy(r.value.unwrap_or_default()).into_owned());
        }
    }

    fn bed() -> (InProcess, Box<dyn Writer>) {
        let log = InProcess::default();
        log.create_topics(&[TopicSpec::new("in", 2), TopicSpec::new("out", 1)])
            .unwrap();
        let writer = log.writer("test").unwrap();
        (log, writer)
    }

    fn put(writer: &mut dyn Writer, partition: i32, value: &str) {
        let mut record = OutRecord::new("in", b"k".to_vec(), value.into());
        record.partition = Some(partition);
        writer
            .commit(&Transaction {
                records: vec![record],
                positions: vec![],
            })
            .unwrap();
    }

    fn member(log: &InProcess, name: &str) -> Box<dyn Member> {
        let membership = Membership {
            group: "g".into(),
            instance: name.into(),
            topics: vec!["in".into()],
            is_static: true,
        };
        log.join(&membership, Arc::new(FromCommitted)).unwrap()
    }

    fn gather(member: &mut dyn Member) -> Seen {
        let mut seen = Seen::default();
        member.gather(&NOW, &mut seen).unwrap();
        seen
    }

    fn read_to(partition: i32, next_offset: i64) -> Transaction {
        Transaction {
            records: vec![OutRecord::new("out", b"k".to_vec(), b"done".to_vec())],
            positions: vec![(
                TopicPartition::new("in", partition),
                Committed {
                    next_offset,
                    metadata: "m".into(),
                },
            )],
        }
    }

    #[test]
    fn what_was_not_committed_is_read_again() {
        let (log, mut writer) = bed();
        put(writer.as_mut(), 0, "a");
        put(writer.as_mut(), 0, "b");
        let mut first = member(&log, "m");
        assert_eq!(gather(first.as_mut()).values, ["a", "b"]);
        first.begin_commit(read_to(0, 1)).unwrap();
        assert_eq!(first.await_commit().unwrap(), Outcome::Committed);
        drop(first);
        assert_eq!(gather(member(&log, "m").as_mut()).values, ["b"]);
        assert_eq!(log.bounds("out").unwrap(), [(0, 1)]);
    }

    #[test]
    fn a_commit_after_a_rebalance_leaves_nothing_behind() {
        let (log, mut writer) = bed();
        put(writer.as_mut(), 1, "a");
        let mut first = member(&log, "a");
        gather(first.as_mut());
        let mut second = member(&log, "b");
        first.begin_commit(read_to(1, 1)).unwrap();
        assert_eq!(first.await_commit().unwrap(), Outcome::NotOwner);
        assert_eq!(log.bounds("out").unwrap(), [(0, 0)], "nothing published");
        assert_eq!(gather(second.as_mut()).values, ["a"], "the new owner reads it");
        assert_eq!(gather(first.as_mut()).owned, ["-in/0", "-in/1", "+in/0"]);
    }

    #[test]
    fn a_second_process_of_one_slot_fences_the_first() {
        let (log, _writer) = bed();
        let mut zombie = member(&log, "m");
        gather(zombie.as_mut());
        let _newer = member(&log, "m");
        assert!(matches!(
            zombie.begin_commit(read_to(0, 0)),
            Err(LogError::Fenced { .. })
        ));
        let mut old = log.writer("w").unwrap();
        let _new = log.writer("w").unwrap();
        assert!(matches!(
            old.commit(&Transaction::default()),
            Err(LogError::Fenced { .. })
        ));
    }

    #[test]
    fn a_transaction_to_a_missing_topic_publishes_nothing() {
        let (log, mut writer) = bed();
        let records = vec![
            OutRecord::new("out", vec![], vec![]),
            OutRecord::new("nowhere", vec![], vec![]),
        ];
        let error = writer
            .commit(&Transaction {
                records,
                positions: vec![],
            })
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "topic `nowhere` does not exist; create it with `forecall topics create`"
        );
        assert_eq!(log.bounds("out").unwrap(), [(0, 0)]);
    }

    #[test]
    fn what_is_no_longer_kept_is_never_skipped_in_silence() {
        let (log, mut writer) = bed();
        let place = TopicPartition::new("in", 0);
        for value in ["a", "b", "c"] {
            put(writer.as_mut(), 0, value);
        }
        let mut first = member(&log, "m");
        gather(first.as_mut());
        first.begin_commit(read_to(0, 1)).unwrap();
        drop(first);
        log.forget(&place, 1);
        assert_eq!(log.bounds("in").unwrap(), [(1, 3), (0, 0)]);
        assert_eq!(gather(member(&log, "m").as_mut()).values, ["b", "c"]);
        log.forget(&place, 2);
        let error = member(&log, "m").gather(&NOW, &mut Seen::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "group `g` must read on where the log has no records any more (in/0 at 1, kept are 2 to 3); nothing is skipped in \
             silence"
        );
        let mut left = Vec::new();
        log.read(&place, 0, &mut |r| left.push(r.offset)).unwrap();
        assert_eq!(left, [2]);
    }

    #[test]
    fn gathering_waits_for_news_but_not_for_ever() {
        let (log, mut writer) = bed();
        let mut reader = member(&log, "m");
        let patient = GatherLimits {
            wait: Duration::from_secs(30),
            ..NOW
        };
        gather(reader.as_mut());
        let thread = std::thread::spawn(move || put(writer.as_mut(), 0, "late"));
        let mut seen = Seen::default();
        while seen.values.is_empty() {
            reader.gather(&patient, &mut seen).unwrap();
        }
        thread.join().unwrap();
        assert_eq!(seen.values, ["late"]);
    }
}
