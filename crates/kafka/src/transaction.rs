use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forecall_log::{LogError, OutRecord, Outcome, TooLong, Transaction, crash};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::Producer as _;
use rdkafka::{Offset, TopicPartitionList};

use crate::connection::Connection;
use crate::context::{Consumer, committed_wait};
use crate::error::{
    fatal, fatal_by, is_fenced, is_no_topic, is_not_owner, is_refusal, is_too_large, remedy, retriable_by,
    stopped, too_large,
};
use crate::producer::{self, Producer, Report};
use crate::stop::SLICE;

/// How long the same effects are tried again, or a doubt is looked into. While a member waits it doesn't poll, and a
/// rebalance of its group waits for it, up to `max.poll.interval.ms` (five minutes). Longer than the restart of a broker;
/// then the process ends, and its next start settles the same with clients that know nothing of before.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Pause before a further attempt, doubled each time up to the second figure: short enough for a leader election, long
/// enough not to flood a broker that comes up.
pub(crate) const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Why an attempt didn't end in a commit.
enum Trouble {
    /// Nothing more can be done here.
    Stop(LogError),
    NotOwner,
    /// It was aborted: this record is longer than its topic allows.
    TooLong(TooLong),
    /// It was aborted; the producer is good.
    Again(KafkaError),
    /// Nobody knows; the producer must go.
    Doubt(KafkaError),
}

/// The group whose positions are handed in.
#[derive(Clone, Copy)]
pub(crate) struct InGroup<'a> {
    pub(crate) name: &'a str,
    pub(crate) consumer: &'a Consumer,
}

/// Writes transactions under one identity, and finds out how they ended.
pub(crate) struct Transactor {
    pub(crate) connection: Arc<Connection>,
    pub(crate) identity: String,
    pub(crate) producer: Option<Producer>,
    /// Partitions of the topics published to so far: a missing topic is found out before anything is sent.
    topics: BTreeMap<Arc<str>, i32>,
    pub(crate) begun_at: Instant,
    /// Whether a record that a topic refuses for its length is left out; otherwise that is the end.
    leaves_out: bool,
    too_long: Vec<TooLong>,
    /// How the first half of the transaction under way went; `None`: none is under way.
    begun: Option<Result<(), Trouble>>,
}

impl Transactor {
    /// Takes the identity over: whoever had it is fenced, and its open transaction is ended.
    pub(crate) fn new(connection: Arc<Connection>, identity: &str) -> Result<Self, LogError> {
        let mut transactor = Self {
            connection,
            identity: identity.to_owned(),
            producer: None,
            topics: BTreeMap::new(),
            begun_at: Instant::now(),
            leaves_out: false,
            too_long: Vec::new(),
            begun: None,
        };
        transactor.renew()?;
        Ok(transactor)
    }

    /// One that leaves out what is too long and tells of it, instead of failing.
    pub(crate) const fn leaving_out(mut self) -> Self {
        self.leaves_out = true;
        self
    }

    /// First half: publishes and hands in positions. Failures that may pass are kept for [`finish`](Self::finish).
    pub(crate) fn begin(
        &mut self,
        transaction: &Transaction,
        group: Option<InGroup<'_>>,
    ) -> Result<(), LogError> {
        self.check_topics(transaction).map_err(|e| self.heed_stop(e))?;
        match self.try_begin(transaction, group) {
            Err(Trouble::Stop(error)) => Err(self.heed_stop(error)),
            result => {
                self.begun = Some(result);
                Ok(())
            }
        }
    }

    /// Second half: commits, and where that fails in doubt finds out, and tries again.
    pub(crate) fn finish(
        &mut self,
        transaction: &Transaction,
        group: Option<InGroup<'_>>,
    ) -> Result<Outcome, LogError> {
        let Some(mut result) = self.begun.take() else {
            return Ok(Outcome::Committed);
        };
        let first = Instant::now();
        let mut pause = BACKOFF.0;
        let mut shortened: Option<Transaction> = None;
        loop {
            let transaction = shortened.as_ref().unwrap_or(transaction);
            let error = match result.and_then(|()| self.try_end()) {
                Ok(()) => return Ok(Outcome::Committed),
                Err(Trouble::Stop(error)) => return Err(self.heed_stop(error)),
                Err(Trouble::NotOwner) => return Ok(Outcome::NotOwner),
                Err(Trouble::TooLong(record)) => {
                    if first.elapsed() >= self.connection.stop.cut(PATIENCE) {
                        return Err(self.heed_stop(too_large(&record.topic, record.bytes)));
                    }
                    let rest = self.leave_out(transaction, record)?;
                    result = self.try_begin(&rest, group);
                    shortened = Some(rest);
                    continue;
                }
                Err(Trouble::Again(error)) => error,
                Err(Trouble::Doubt(error)) => {
                    tracing::warn!(identity = self.identity, %error, "a transaction is in doubt: finding out");
                    if self.settle_patiently(transaction, group, first)? {
                        return Ok(Outcome::Committed);
                    }
                    error
                }
            };
            let stop = &self.connection.stop;
            if first.elapsed() >= stop.cut(PATIENCE) {
                let what = format!(
                    "`{}` could not commit in {} s",
                    self.identity,
                    first.elapsed().as_secs()
                );
                return Err(if stop.is_asked() {
                    stopped(format!("{what}: {error}"))
                } else {
                    fatal_by(what, error)
                });
            }
            tracing::warn!(identity = self.identity, %error, "a transaction is tried again");
            stop.sleep(pause);
            pause = (pause * 2).min(BACKOFF.1);
            result = self.try_begin(transaction, group);
        }
    }

    /// What may work later isn't tried later by one that stops.
    fn heed_stop(&self, error: LogError) -> LogError {
        match error {
            LogError::Retriable { what, .. } if self.connection.stop.is_asked() => stopped(what),
            other => other,
        }
    }

    /// The transaction without a record that is too long, where this one's owner wants the rest to go.
    fn leave_out(&mut self, transaction: &Transaction, refused: TooLong) -> Result<Transaction, LogError> {
        let is_it = |record: &OutRecord| record.topic == refused.topic && payload(record) == refused.bytes;
        let place = transaction.records.iter().position(is_it);
        let Some(place) = place.filter(|_| self.leaves_out) else {
            return Err(too_large(&refused.topic, refused.bytes));
        };
        let mut rest = transaction.clone();
        drop(rest.records.remove(place));
        self.too_long.push(refused);
        Ok(rest)
    }

    /// Records left out since this was asked last.
    pub(crate) fn take_too_long(&mut self) -> Vec<TooLong> {
        std::mem::take(&mut self.too_long)
    }

    /// Lets the client library speak: its log lines wait for it.
    pub(crate) fn listen(&self) {
        if let Some(producer) = &self.producer {
            producer.poll(Duration::ZERO);
        }
    }

    /// Longest wait for one answer.
    fn wait(&self) -> Duration {
        self.connection
            .stop
            .cut(self.connection.settings.transaction_timeout())
    }

    /// A new producer under the same identity: its epoch fences whatever the old one has in flight.
    pub(crate) fn renew(&mut self) -> Result<(), LogError> {
        self.producer = None;
        let producer = producer::create(&self.connection.settings, &self.identity)?;
        let (stop, wait) = (&self.connection.stop, committed_wait(&self.connection.settings));
        let begun = Instant::now();
        loop {
            // The call goes on where the last one left off.
            let error = match producer.init_transactions(stop.rest(begun, wait).min(SLICE)) {
                Ok(()) => break,
                Err(error) => error,
            };
            producer.poll(Duration::ZERO);
            let what = format!("`{}` could not begin to write transactions", self.identity);
            match &error {
                KafkaError::Transaction(cause) if is_fenced(cause.code()) => return Err(self.fenced()),
                KafkaError::Transaction(cause) if is_refusal(cause.code()) => {
                    return Err(fatal_by(format!("{what}: {}", remedy(cause.code())), error));
                }
                KafkaError::Transaction(cause)
                    if cause.is_retriable() && begun.elapsed() < stop.cut(wait) => {}
                _ => return Err(retriable_by(what, error)),
            }
        }
        self.producer = Some(producer);
        Ok(())
    }

    pub(crate) fn fenced(&self) -> LogError {
        LogError::Fenced {
            identity: self.identity.clone(),
        }
    }

    fn check_topics(&mut self, transaction: &Transaction) -> Result<(), LogError> {
        for record in &transaction.records {
            let needed = record.partition.unwrap_or(0);
            if self
                .topics
                .get(&record.topic)
                .is_some_and(|count| (0..*count).contains(&needed))
            {
                continue;
            }
            let count = self.connection.partition_count(&record.topic)?;
            self.topics.insert(Arc::clone(&record.topic), count);
            if !(0..count).contains(&needed) {
                return Err(fatal(format!(
                    "topic `{}` has {count} partitions, none is {needed}",
                    record.topic
                )));
            }
        }
        Ok(())
    }

    fn try_begin(&mut self, transaction: &Transaction, group: Option<InGroup<'_>>) -> Result<(), Trouble> {
        if self.producer.is_none() {
            self.renew().map_err(Trouble::Stop)?;
        }
        let Some(producer) = &self.producer else {
            return Err(Trouble::Doubt(KafkaError::Canceled));
        };
        producer.context().take();
        self.begun_at = Instant::now();
        producer.begin_transaction().map_err(Trouble::Doubt)?;
        crash::point("tx_begun");
        for (i, record) in transaction.records.iter().enumerate() {
            if i == transaction.records.len() / 2 {
                crash::point("produced");
            }
            if let Err(error) = producer::publish(producer, record, self.wait()) {
                let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
                return Err(self.give_up(error, code, Some((&record.topic, payload(record)))));
            }
        }
        if transaction.positions.is_empty() {
            return Ok(());
        }
        let Some(metadata) = group.and_then(|g| g.consumer.context().claim(g.consumer)) else {
            let error = KafkaError::Global(Code::UnknownMemberId);
            return Err(self.give_up(error, Code::UnknownMemberId, None));
        };
        let offsets = offsets_of(transaction).map_err(Trouble::Stop)?;
        producer
            .send_offsets_to_transaction(&offsets, &metadata, self.wait())
            .map_err(|error| self.classify(error))?;
        crash::point("offsets_sent");
        Ok(())
    }

    fn try_end(&mut self) -> Result<(), Trouble> {
        let Some(producer) = &self.producer else {
            return Err(Trouble::Doubt(KafkaError::Canceled));
        };
        let rest = self.wait().saturating_sub(self.begun_at.elapsed());
        if !producer::drain(producer, rest) {
            return Err(Trouble::Doubt(KafkaError::Flush(Code::OperationTimedOut)));
        }
        if let Some(refused) = producer.context().peek().refused {
            let error = KafkaError::MessageProduction(refused.code);
            return Err(self.give_up(error, refused.code, Some((&refused.topic, refused.bytes))));
        }
        crash::point("commit_called");
        producer
            .commit_transaction(self.wait())
            .map_err(|error| self.classify(error))
    }

    /// What a failed transactional call means.
    fn classify(&self, error: KafkaError) -> Trouble {
        let KafkaError::Transaction(cause) = &error else {
            return Trouble::Doubt(error);
        };
        let code = cause.code();
        if is_fenced(code) {
            return self.on_fenced(error);
        }
        if is_refusal(code) {
            let what = format!("`{}` could not commit: {}", self.identity, remedy(code));
            return Trouble::Stop(fatal_by(what, error));
        }
        let requires_abort = RDKafkaError::txn_requires_abort(cause);
        if requires_abort {
            self.give_up(error, code, None)
        } else {
            Trouble::Doubt(error)
        }
    }

    /// Whether another process has the identity, or the broker ended a transaction that took too long.
    fn on_fenced(&self, error: KafkaError) -> Trouble {
        if self.begun_at.elapsed() < self.connection.settings.transaction_timeout() {
            Trouble::Stop(self.fenced())
        } else {
            Trouble::Doubt(error)
        }
    }

    /// Aborts what was begun; says what to do then. `record`: topic and bytes of the one that failed.
    fn give_up(&self, error: KafkaError, code: Code, record: Option<(&str, usize)>) -> Trouble {
        let Some(producer) = &self.producer else {
            return Trouble::Doubt(error);
        };
        if let Err(abort) = producer::abort(producer, self.wait()) {
            let fenced = producer
                .client()
                .fatal_error()
                .is_some_and(|(code, _)| is_fenced(code))
                || abort.rdkafka_error_code().is_some_and(is_fenced);
            if fenced {
                return self.on_fenced(abort);
            }
            if !is_too_large(code) && !is_not_owner(code) {
                return Trouble::Doubt(abort);
            }
        }
        // The abort makes the library answer for what it dropped; a refusal heard only now is the true cause.
        let Report { refused, .. } = producer.context().take();
        let (code, record) = match &refused {
            Some(refused) => (refused.code, Some((refused.topic.as_str(), refused.bytes))),
            None => (code, record),
        };
        match record {
            _ if is_not_owner(code) => Trouble::NotOwner,
            Some((topic, bytes)) if is_too_large(code) => Trouble::TooLong(TooLong {
                topic: Arc::from(topic),
                bytes,
            }),
            Some((topic, _)) if is_no_topic(code) => Trouble::Stop(LogError::NoTopic {
                topic: topic.to_owned(),
            }),
            Some((topic, _)) if is_refusal(code) => Trouble::Stop(fatal_by(
                format!("topic `{topic}` can't be written: {}", remedy(code)),
                error,
            )),
            _ => Trouble::Again(error),
        }
    }
}

/// Key and value: what the client library counts.
fn payload(record: &OutRecord) -> usize {
    [&record.key, &record.value]
        .into_iter()
        .flatten()
        .map(Vec::len)
        .sum()
}

/// A fresh list each time: setting the metadata of an element twice leaks in the binding.
fn offsets_of(transaction: &Transaction) -> Result<TopicPartitionList, LogError> {
    let mut list = TopicPartitionList::with_capacity(transaction.positions.len());
    for (partition, committed) in &transaction.positions {
        let mut element = list.add_partition(&partition.topic, partition.partition);
        element
            .set_offset(Offset::Offset(committed.next_offset))
            .map_err(|e| {
                fatal_by(
                    format!("{} is no position of {partition}", committed.next_offset),
                    e,
                )
            })?;
        if !committed.metadata.is_empty() {
            element.set_metadata(&committed.metadata);
        }
    }
    Ok(list)
}
