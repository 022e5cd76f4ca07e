use std::time::{Duration, Instant};

use forecall_log::{Committed, LogError, TopicPartition};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode as Code;

use crate::context::{Consumer, Context, committed_of, committed_wait};
use crate::error::{fatal, is_no_topic, is_refusal, not_created, of_question, remedy, retriable};
use crate::reader::{Pace, read_while};
use crate::settings::KafkaSettings;
use crate::stop::Stop;

/// A question (topics, ends) that takes longer has met a broker that doesn't answer.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_secs(15);
/// Pause before a question is asked again: a leader is being elected, or a topic has just been made.
pub(crate) const ASK_AGAIN: Duration = Duration::from_millis(50);

/// The settings, and a client for questions.
pub(crate) struct Connection {
    pub(crate) settings: KafkaSettings,
    pub(crate) stop: Stop,
    asker: Consumer,
}

impl Connection {
    /// Makes sure that a broker answers.
    pub(crate) fn open(settings: KafkaSettings, stop: Stop) -> Result<Self, LogError> {
        settings.check()?;
        let asker: Consumer = settings
            .asker()
            .create_with_context(Context::new(&settings, stop.clone(), None))
            .map_err(not_created)?;
        let connection = Self {
            settings,
            stop,
            asker,
        };
        connection.greet()?;
        Ok(connection)
    }

    fn greet(&self) -> Result<(), LogError> {
        let (begun, wait) = (Instant::now(), self.settings.connect_timeout());
        loop {
            // In short steps, so that a refused login ends it at once.
            let step = self.stop.rest(begun, wait).min(Duration::from_secs(1));
            let answer = self.asker.client().fetch_metadata(None, step);
            self.listen();
            let Err(error) = answer else {
                return Ok(());
            };
            let why = self.asker.context().last_error();
            let address = &self.settings.bootstrap_servers;
            if let Some((code, reason)) = why.as_ref().filter(|(code, _)| is_refusal(*code)) {
                return Err(fatal(format!(
                    "kafka at {address} refuses: {reason}: {}",
                    remedy(*code)
                )));
            }
            if begun.elapsed() >= self.stop.cut(wait) {
                let reason = why.map_or_else(|| error.to_string(), |(_, reason)| reason);
                return Err(retriable(format!(
                    "no kafka broker answers at {address} (`{}`): {reason}",
                    self.settings.security_protocol.name()
                )));
            }
        }
    }

    /// Takes the client library's log lines and errors, which wait until somebody does.
    fn listen(&self) {
        // A bound, so that a flood of lines can't hold the caller.
        for _ in 0..100 {
            if self.asker.poll(Duration::ZERO).is_none() {
                break;
            }
        }
    }

    /// Asks until there is an answer; errors that may pass are asked again.
    pub(crate) fn ask<T>(
        &self,
        what: &str,
        mut question: impl FnMut(&Consumer) -> Result<T, rdkafka::error::KafkaError>,
    ) -> Result<T, LogError> {
        let begun = Instant::now();
        loop {
            let answer = question(&self.asker);
            self.listen();
            let Err(error) = answer else {
                return answer.map_err(|e| of_question(what.to_owned(), e));
            };
            let error = of_question(what.to_owned(), error);
            if begun.elapsed() >= self.stop.cut(ANSWER_WAIT) || matches!(error, LogError::Fatal { .. }) {
                return Err(error);
            }
            self.stop.sleep(ASK_AGAIN);
        }
    }

    /// Copies of each partition of a topic, in order of the partitions; `None`: there is no such topic.
    pub(crate) fn replicas(&self, topic: &str) -> Result<Option<Vec<usize>>, LogError> {
        let what = format!("topic `{topic}` could not be looked up");
        let begun = Instant::now();
        loop {
            let metadata = self.ask(&what, |asker| {
                asker.fetch_metadata(Some(topic), self.stop.cut(ANSWER_WAIT))
            })?;
            let found = metadata.topics().iter().find(|t| t.name() == topic);
            let code = found.and_then(|t| t.error()).map(Code::from);
            match (found, code) {
                (Some(found), None) if !found.partitions().is_empty() => {
                    let mut partitions: Vec<_> = found.partitions().iter().collect();
                    partitions.sort_by_key(|p| p.id());
                    return Ok(Some(partitions.iter().map(|p| p.replicas().len()).collect()));
                }
                (_, Some(code)) if is_no_topic(code) => return Ok(None),
                (_, Some(code)) if is_refusal(code) => {
                    return Err(fatal(format!("topic `{topic}`: {code}: {}", remedy(code))));
                }
                _ if begun.elapsed() >= self.stop.cut(ANSWER_WAIT) => return Err(retriable(what)),
                _ => self.stop.sleep(ASK_AGAIN),
            }
        }
    }

    pub(crate) fn partition_count(&self, topic: &str) -> Result<i32, LogError> {
        match self.replicas(topic)? {
            Some(partitions) => Ok(i32::try_from(partitions.len()).unwrap_or(i32::MAX)),
            None => Err(LogError::NoTopic {
                topic: topic.to_owned(),
            }),
        }
    }

    /// Oldest offset kept, and the one after the newest stable record or marker.
    pub(crate) fn ends(&self, partition: &TopicPartition) -> Result<(i64, i64), LogError> {
        self.ask(&format!("the ends of {partition} could not be read"), |asker| {
            asker.fetch_watermarks(&partition.topic, partition.partition, self.stop.cut(ANSWER_WAIT))
        })
    }

    /// A consumer that knows a group without joining it.
    pub(crate) fn onlooker(&self, group: &str) -> Result<Consumer, LogError> {
        self.settings
            .onlooker(group)
            .create_with_context(Context::new(&self.settings, self.stop.clone(), None))
            .map_err(not_created)
    }

    pub(crate) fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<Committed>>, LogError> {
        let onlooker = self.onlooker(group)?;
        committed_of(&onlooker, partitions, committed_wait(&self.settings), &self.stop)
            .map_err(|error| refusal_of(&onlooker, group).unwrap_or(error))
    }

    /// Whether the record written at this place is part of a committed transaction. The transaction must be over.
    ///
    /// # Errors
    /// [`LogError::Retriable`] as long as it can't be seen: an older transaction of somebody else on that partition is still open.
    pub(crate) fn stands(&self, topic: &str, partition: i32, offset: i64) -> Result<bool, LogError> {
        let place = TopicPartition::new(topic, partition);
        let (_, stable) = self.ends(&place)?;
        if stable <= offset {
            return Err(retriable(format!(
                "{place} can be read up to {stable} only, not to the record at {offset}: another transaction is open there"
            )));
        }
        let mut found = false;
        read_while(self, &place, offset, &mut |record| {
            found = record.offset == offset;
            Pace::Stop
        })?;
        Ok(found)
    }
}

/// A group that may not be read shows as a time-out of the question; why stands among the client's events.
fn refusal_of(onlooker: &Consumer, group: &str) -> Option<LogError> {
    // A bound, so that a flood of events can't hold the caller.
    for _ in 0..100 {
        if let Err(error) = onlooker.poll(Duration::ZERO)?
            && error.rdkafka_error_code().is_some_and(is_refusal)
        {
            return Some(of_question(
                format!("the committed positions of group `{group}` could not be read"),
                error,
            ));
        }
    }
    None
}
