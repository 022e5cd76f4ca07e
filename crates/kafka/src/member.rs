use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use forecall_log::{
    ChooseStart, GatherLimits, Handler, LogError, Member, Membership, Outcome, Start, TooLong,
    TopicPartition, Transaction,
};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message as _;

use crate::connection::Connection;
use crate::context::{Consumer, Context, Event};
use crate::error::{
    fatal, fatal_by, is_no_topic, is_refusal, not_created, of_question, remedy, retriable_by,
};
use crate::reader::with_record;
use crate::transaction::{InGroup, Transactor};
use crate::watchdog::{Sight, Verdict, Watchdog};

/// How many times the watchdog has made a member join anew, in this process.
static REJOINED: AtomicU64 = AtomicU64::new(0);

/// How many times a member of this process found a partition stuck and joined anew.
pub fn watchdog_count() -> u64 {
    REJOINED.load(Ordering::Relaxed)
}

/// How often the watchdog looks at all: far below any sensible `watchdog_ms`, and nothing beside a batch.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// After the first record of a batch, others are waited for so long: a hand's breadth of latency for fuller batches.
const LINGER: Duration = Duration::from_millis(2);

/// Partitions asked after at one look: the others come next time.
const QUESTIONS_MAX: u32 = 8;

/// Records taken between two looks at the clock.
const CLOCK_EVERY: usize = 64;

/// A partition of this member.
struct Owned {
    partition: TopicPartition,
    /// Offset after the newest record handed out, or where reading began, where that is known.
    next: Option<i64>,
    paused: bool,
    /// Everything stable has been handed out.
    at_end: bool,
    /// Where the broker said that the end is, when the watchdog asked and there was more than had been heard of.
    asked_end: Option<i64>,
    /// The newest end that was reached, by the library's count.
    read_end: Option<i64>,
    /// Offset after the newest stable record or marker, at the library's last count.
    stable_end: Option<i64>,
    progress: u64,
    watchdog: Option<Watchdog>,
}

/// A member of a group: one consumer, and the producer that commits for it.
pub(crate) struct KafkaMember {
    connection: Arc<Connection>,
    membership: Membership,
    chooser: Arc<dyn ChooseStart>,
    /// `None` between two consumers only.
    consumer: Option<Consumer>,
    owned: Vec<Owned>,
    transactor: Transactor,
    pending: Option<Transaction>,
    /// Decided in the first half of the commit.
    decided: Option<Outcome>,
    looked_at: Instant,
}

impl KafkaMember {
    pub(crate) fn join(
        connection: Arc<Connection>,
        membership: &Membership,
        chooser: Arc<dyn ChooseStart>,
    ) -> Result<Self, LogError> {
        for topic in &membership.topics {
            connection.partition_count(topic)?;
        }
        // Before the consumer: it ends the open transaction of a dead forerunner, which would hold up the committed positions.
        let transactor = Transactor::new(Arc::clone(&connection), &membership.instance)?.leaving_out();
        let mut member = Self {
            connection,
            membership: membership.clone(),
            chooser,
            consumer: None,
            owned: Vec::new(),
            transactor,
            pending: None,
            decided: None,
            looked_at: Instant::now(),
        };
        member.subscribe()?;
        Ok(member)
    }

    fn subscribe(&mut self) -> Result<(), LogError> {
        let (settings, who) = (&self.connection.settings, &self.membership);
        let context = Context::new(
            settings,
            self.connection.stop.clone(),
            Some(Arc::clone(&self.chooser)),
        );
        let consumer: Consumer = settings
            .member(&who.group, &who.instance, who.is_static)
            .create_with_context(context)
            .map_err(not_created)?;
        let topics: Vec<&str> = who.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|e| {
            of_question(
                format!("`{}` could not join group `{}`", who.instance, who.group),
                e,
            )
        })?;
        self.consumer = Some(consumer);
        Ok(())
    }

    /// Stops the consumer; what it owned is given back.
    fn stop(&mut self, handler: &mut dyn Handler) {
        if let Some(consumer) = self.consumer.take() {
            let context = Arc::clone(consumer.context());
            drop(consumer);
            // What the closing brought; a failure of it is of no interest any more.
            while let Some(event) = context.next_event() {
                drop(self.take_event(event, handler));
            }
        }
        for owned in self.owned.drain(..) {
            handler.revoked(&owned.partition, true);
        }
    }

    fn take_event(&mut self, event: Event, handler: &mut dyn Handler) -> Result<(), LogError> {
        match event {
            Event::Assigned(assignment) => {
                let now = Instant::now();
                self.owned.push(Owned {
                    partition: assignment.partition.clone(),
                    next: match assignment.start {
                        Start::Earliest => None,
                        Start::Offset(offset) => Some(offset),
                    },
                    paused: false,
                    at_end: false,
                    asked_end: None,
                    read_end: None,
                    stable_end: None,
                    progress: 0,
                    watchdog: self.connection.settings.watchdog().map(|t| Watchdog::new(t, now)),
                });
                handler.assigned(&assignment);
                Ok(())
            }
            Event::Revoked { partition, lost } => {
                if let Some(i) = self.owned.iter().position(|o| o.partition == partition) {
                    self.owned.remove(i);
                    handler.revoked(&partition, lost);
                }
                Ok(())
            }
            Event::Failed(error) => Err(error),
        }
    }

    /// Takes over, in order, what took place while the consumer was polled.
    fn take_events(&mut self, context: &Context, handler: &mut dyn Handler) -> Result<(), LogError> {
        if !context.take_news() {
            return Ok(());
        }
        while let Some(event) = context.next_event() {
            if let Err(error) = self.take_event(event, handler) {
                self.stop(handler);
                return Err(error);
            }
        }
        for end in context.take_ends() {
            if let Some(owned) = self.owned.iter_mut().find(|o| o.partition == end.partition) {
                owned.stable_end = Some(end.stable_end);
                if end.is_read && owned.read_end != owned.stable_end {
                    // A further end was reached: its reader is alive, whether or not there was a record before it.
                    owned.read_end = owned.stable_end;
                    owned.progress += 1;
                }
                owned.at_end |= end.is_read && owned.asked_end.is_none_or(|asked| asked <= end.stable_end);
            }
        }
        Ok(())
    }

    /// Polls until a limit is reached; `self.consumer` is borrowed out for that time.
    fn poll_all(
        &mut self,
        consumer: &Consumer,
        limits: &GatherLimits,
        handler: &mut dyn Handler,
    ) -> Result<(), LogError> {
        let context = Arc::clone(consumer.context());
        self.take_events(&context, handler)?;
        let begun = Instant::now();
        let (mut records, mut bytes, mut last) = (0, 0, 0);
        // Until when further records are waited for; whatever is at hand is taken all the same.
        let mut until = begun + limits.wait;
        let mut now = begun;
        while records < limits.records_max && bytes < limits.bytes_max {
            // While records are at hand a look at the clock for each would cost more than it tells.
            if records % CLOCK_EVERY == 0 {
                now = Instant::now();
            }
            if records > 0 && now >= begun + limits.wait && !limits.wait.is_zero() {
                break;
            }
            let (mut polled, mut rest) = (consumer.poll(Duration::ZERO), Duration::ZERO);
            if polled.is_none() {
                now = Instant::now();
                rest = whole_millis(until.saturating_duration_since(now));
                if !rest.is_zero() {
                    polled = consumer.poll(rest);
                }
            }
            // First what took place before the record: it may be of a partition that came, or went, just now.
            self.take_events(&context, handler)?;
            match polled {
                None if rest.is_zero() => break,
                None => {}
                Some(Err(error)) => self.take_error(consumer, error)?,
                Some(Ok(message)) => {
                    let Some(owned) = find(&mut self.owned, message.topic(), message.partition(), &mut last)
                    else {
                        continue;
                    };
                    owned.next = Some(message.offset() + 1);
                    owned.at_end = false;
                    owned.progress += 1;
                    with_record(&message, |record| {
                        bytes += record.len();
                        handler.record(record);
                    });
                    if records == 0 {
                        until = until.min(Instant::now() + LINGER);
                    }
                    records += 1;
                }
            }
        }
        Ok(())
    }

    fn take_error(&mut self, consumer: &Consumer, error: KafkaError) -> Result<(), LogError> {
        if let KafkaError::PartitionEOF(id) = error {
            // The binding doesn't say of which topic; where it isn't plain, the library's next count says it.
            let mut candidates = self.owned.iter_mut().filter(|o| o.partition.partition == id);
            if let (Some(owned), None) = (candidates.next(), candidates.next()) {
                owned.at_end = true;
                owned.progress += 1;
            }
            return Ok(());
        }
        let is_fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        let fatal_code = consumer.client().fatal_error().map(|(code, _)| code);
        let Some(code) = fatal_code.filter(|_| is_fatal).or(error.rdkafka_error_code()) else {
            return Ok(());
        };
        let group = &self.membership.group;
        match code {
            Code::FencedInstanceId | Code::UnreleasedInstanceId => Err(LogError::Fenced {
                identity: self.membership.instance.clone(),
            }),
            Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation => {
                Err(self.out_of_range(error))
            }
            Code::BadMessage | Code::BadCompression | Code::InvalidMessage => {
                let what = format!("group `{group}`: the broker gave a batch that can't be unpacked");
                Err(fatal_by(what, error))
            }
            code if is_refusal(code) => Err(fatal_by(format!("group `{group}`: {}", remedy(code)), error)),
            code if is_no_topic(code) => {
                let topics = self.membership.topics.join("`, `");
                Err(retriable_by(
                    format!("one of the topics `{topics}` is gone"),
                    error,
                ))
            }
            _ if is_fatal => Err(fatal_by(
                format!("group `{group}`: the consumer can't go on"),
                error,
            )),
            // A broker that went away comes back, or its partitions get another leader: the library sees to it.
            _ => Ok(()),
        }
    }

    fn out_of_range(&self, error: KafkaError) -> LogError {
        let mut places = Vec::new();
        for owned in &self.owned {
            let (Some(next), Ok((low, end))) = (owned.next, self.connection.ends(&owned.partition)) else {
                continue;
            };
            if next < low || next > end {
                places.push(format!("{} at {next}, kept are {low} to {end}", owned.partition));
            }
        }
        let group = &self.membership.group;
        fatal_by(
            format!(
                "group `{group}` must read on where the log has no records any more ({}): retention is shorter than the stop \
                 was, or the topic was made anew. Nothing is skipped in silence: set the group's position by hand",
                places.join("; ")
            ),
            error,
        )
    }

    /// Looks after partitions that have unread records and give none.
    fn watch(&mut self, handler: &mut dyn Handler) -> Result<(), LogError> {
        let now = Instant::now();
        if now.duration_since(self.looked_at) < LOOK_EVERY {
            return Ok(());
        }
        self.looked_at = now;
        let (mut stuck, mut questions) = (None, QUESTIONS_MAX);
        for owned in &mut self.owned {
            let Some(watchdog) = &mut owned.watchdog else {
                continue;
            };
            let sight = Sight {
                progress: owned.progress,
                paused: owned.paused,
            };
            match watchdog.look(sight, now) {
                Verdict::Fine => {}
                // Who didn't answer for one partition isn't asked for the next: each question may take a quarter of a minute.
                Verdict::Ask if questions == 0 || self.connection.stop.is_asked() => {}
                Verdict::Ask => match self.connection.ends(&owned.partition) {
                    Ok((low, end)) => {
                        questions -= 1;
                        // Between the last record and the end that was reached lie markers of transactions only.
                        let read = if owned.at_end {
                            owned.read_end.unwrap_or(end)
                        } else {
                            owned.next.unwrap_or(low)
                        };
                        let lags = read < end;
                        owned.at_end &= !lags;
                        owned.asked_end = Some(end).filter(|_| lags);
                        watchdog.told(lags, now);
                    }
                    // Without an answer nothing is judged; what was gathered stays good.
                    Err(error) => {
                        tracing::warn!(%error, "the watchdog got no answer");
                        watchdog.told(false, now);
                        questions = 0;
                    }
                },
                Verdict::Stuck => stuck = Some(owned.partition.clone()),
            }
        }
        let Some(partition) = stuck else {
            return Ok(());
        };
        let rejoined = REJOINED.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(%partition, instance = self.membership.instance, rejoined, "a partition is stuck: joining anew");
        self.stop(handler);
        self.subscribe()
    }
}

/// As the client counts: of a part of a millisecond it would make a busy wait.
fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn in_group<'a>(consumer: Option<&'a Consumer>, membership: &'a Membership) -> Option<InGroup<'a>> {
    let name = membership.group.as_str();
    consumer.map(|consumer| InGroup { name, consumer })
}

/// The owned partition a record is of. Runs of records come from one partition, so the last place is tried first.
fn find<'o>(owned: &'o mut [Owned], topic: &str, partition: i32, last: &mut usize) -> Option<&'o mut Owned> {
    let is_it = |o: &Owned| o.partition.partition == partition && *o.partition.topic == *topic;
    if !owned.get(*last).is_some_and(is_it) {
        *last = owned.iter().position(is_it)?;
    }
    owned.get_mut(*last)
}

impl Member for KafkaMember {
    fn gather(&mut self, limits: &GatherLimits, handler: &mut dyn Handler) -> Result<(), LogError> {
        self.transactor.listen();
        if self.consumer.is_none() {
            self.subscribe()?;
        }
        if let Some(consumer) = self.consumer.take() {
            let result = self.poll_all(&consumer, limits, handler);
            let broken =
                result.is_err() && self.owned.is_empty() && matches!(result, Err(LogError::Retriable { .. }));
            if !broken {
                self.consumer = Some(consumer);
            }
            result?;
        }
        self.watch(handler)
    }

    fn begin_commit(&mut self, transaction: Transaction) -> Result<(), LogError> {
        if self.pending.is_some() {
            return Err(fatal(
                "a commit was begun before the last was awaited: this is a bug of the caller",
            ));
        }
        self.decided = Some(Outcome::Committed);
        if transaction.records.is_empty() && transaction.positions.is_empty() {
            return Ok(());
        }
        let is_ours = |p: &TopicPartition| self.owned.iter().any(|o| o.partition == *p);
        if !transaction.positions.iter().all(|(p, _)| is_ours(p)) {
            self.decided = Some(Outcome::NotOwner);
            return Ok(());
        }
        let group = in_group(self.consumer.as_ref(), &self.membership);
        self.transactor.begin(&transaction, group)?;
        self.decided = None;
        self.pending = Some(transaction);
        Ok(())
    }

    fn await_commit(&mut self) -> Result<Outcome, LogError> {
        match self.pending.take() {
            None => Ok(self.decided.take().unwrap_or(Outcome::Committed)),
            Some(transaction) => {
                let group = in_group(self.consumer.as_ref(), &self.membership);
                self.transactor.finish(&transaction, group)
            }
        }
    }

    fn take_too_long(&mut self) -> Vec<TooLong> {
        self.transactor.take_too_long()
    }

    fn end_offset(&self, partition: &TopicPartition) -> Option<i64> {
        let owned = self.owned.iter().find(|o| o.partition == *partition)?;
        // At the end the two differ only by transaction markers, which take offsets but are no records. Where nothing was
        // handed out since the oldest record kept was asked for, there is none, whatever offset it would have.
        if owned.at_end {
            Some(owned.next.unwrap_or(0))
        } else {
            owned.stable_end.max(owned.asked_end)
        }
    }

    fn partition_counts(&self) -> Result<Vec<(String, i32)>, LogError> {
        let topics = self.membership.topics.iter();
        topics
            .map(|topic| Ok((topic.clone(), self.connection.partition_count(topic)?)))
            .collect()
    }

    fn pause(&mut self, partition: &TopicPartition, paused: bool) -> Result<(), LogError> {
        let Some(owned) = self.owned.iter_mut().find(|o| o.partition == *partition) else {
            return Ok(());
        };
        if owned.paused == paused {
            return Ok(());
        }
        if let Some(consumer) = &self.consumer {
            let mut list = TopicPartitionList::with_capacity(1);
            list.add_partition(&partition.topic, partition.partition);
            let done = if paused {
                consumer.pause(&list)
            } else {
                consumer.resume(&list)
            };
            done.map_err(|e| retriable_by(format!("{partition} could not be paused or resumed"), e))?;
        }
        owned.paused = paused;
        Ok(())
    }

    fn leave(self: Box<Self>) -> Result<(), LogError> {
        // Dropping the consumer closes it: a static member stays in the group until its session ends, another leaves.
        Ok(())
    }
}
