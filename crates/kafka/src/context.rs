use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forecall_log::{Assignment, ChooseStart, Committed, LogError, Start, TopicPartition};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, Statistics, TopicPartitionList};

use crate::error::{fatal, of_question, retriable, retriable_by};
use crate::settings::KafkaSettings;
use crate::stop::{SLICE, Stop};

pub(crate) type Consumer = BaseConsumer<Context>;

/// What took place while the client was polled, in order.
#[derive(Debug)]
pub(crate) enum Event {
    Assigned(Assignment),
    Revoked {
        partition: TopicPartition,
        lost: bool,
    },
    /// The rebalance could not be carried out: the consumer owns nothing and must be made anew.
    Failed(LogError),
}

/// Where a partition stood when the client library counted last.
#[derive(Debug, Clone)]
pub(crate) struct PartitionEnd {
    pub(crate) partition: TopicPartition,
    /// Offset after the newest stable record or transaction marker.
    pub(crate) stable_end: i64,
    /// Everything stable has been fetched, and nothing fetched is waiting.
    pub(crate) is_read: bool,
}

#[derive(Default)]
struct Stash {
    events: VecDeque<Event>,
    /// The newest report only.
    ends: Vec<PartitionEnd>,
    last_error: Option<(Code, String)>,
    /// Generation and member name under which the partitions are held.
    claim: Option<Arc<ConsumerGroupMetadata>>,
}

/// What the client library calls back: its log lines, its errors, a rebalance. Whatever it says waits here for the caller.
pub(crate) struct Context {
    log: Lines,
    chooser: Option<Arc<dyn ChooseStart>>,
    committed_wait: Duration,
    stop: Stop,
    stash: Mutex<Stash>,
    /// Something was put into the stash since the caller looked: asked for at each record, so it costs no lock.
    has_news: AtomicBool,
}

impl Context {
    pub(crate) fn new(settings: &KafkaSettings, stop: Stop, chooser: Option<Arc<dyn ChooseStart>>) -> Self {
        Self {
            log: Lines::new(settings),
            chooser,
            committed_wait: committed_wait(settings),
            stop,
            stash: Mutex::default(),
            has_news: AtomicBool::new(false),
        }
    }

    fn stash(&self) -> MutexGuard<'_, Stash> {
        // Each use is one push or one take: a panic can't leave half of it.
        self.stash.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, put: impl FnOnce(&mut Stash)) {
        put(&mut self.stash());
        self.has_news.store(true, Ordering::Release);
    }

    /// Whether events or ends have come since this was asked last.
    pub(crate) fn take_news(&self) -> bool {
        self.has_news.load(Ordering::Relaxed) && self.has_news.swap(false, Ordering::Acquire)
    }

    pub(crate) fn next_event(&self) -> Option<Event> {
        self.stash().events.pop_front()
    }

    pub(crate) fn take_ends(&self) -> Vec<PartitionEnd> {
        std::mem::take(&mut self.stash().ends)
    }

    /// The newest error of a connection, in words.
    pub(crate) fn last_error(&self) -> Option<(Code, String)> {
        self.stash().last_error.clone()
    }

    /// What to show with positions: for a member the claim it got with its partitions, and `None` once they are gone. Asked
    /// of the library only at the commit, a dynamic member that the group has given up would show none at all, and the
    /// broker takes positions from such a one.
    pub(crate) fn claim(&self, consumer: &Consumer) -> Option<Arc<ConsumerGroupMetadata>> {
        if self.chooser.is_some() {
            self.stash().claim.clone()
        } else {
            consumer.group_metadata().map(Arc::new)
        }
    }

    fn assign(&self, consumer: &Consumer, list: &TopicPartitionList) -> Result<Vec<Assignment>, LogError> {
        let partitions: Vec<TopicPartition> = list
            .elements()
            .iter()
            .map(|e| TopicPartition::new(e.topic(), e.partition()))
            .collect();
        let committed = committed_of(consumer, &partitions, self.committed_wait, &self.stop)?;
        let mut explicit = TopicPartitionList::with_capacity(partitions.len());
        let mut assignments = Vec::with_capacity(partitions.len());
        for (partition, committed) in partitions.into_iter().zip(committed) {
            let start = match &self.chooser {
                Some(chooser) => chooser.choose(&partition, committed.as_ref()),
                None => Start::Earliest,
            };
            let offset = match start {
                Start::Earliest => Offset::Beginning,
                Start::Offset(offset) => Offset::Offset(offset),
            };
            explicit
                .add_partition_offset(&partition.topic, partition.partition, offset)
                .map_err(|e| retriable_by(format!("{partition} can't be read from {start:?}"), e))?;
            assignments.push(Assignment {
                partition,
                committed,
                start,
            });
        }
        // Once, and with offsets: a second call would start the fetchers again, at other places.
        consumer
            .assign(&explicit)
            .map_err(|e| retriable_by("the partitions given by the group could not be taken", e))?;
        self.stash().claim = consumer.group_metadata().map(Arc::new);
        Ok(assignments)
    }

    fn revoke(&self, consumer: &Consumer, list: &TopicPartitionList) {
        let lost = consumer.assignment_lost();
        if let Err(error) = consumer.unassign() {
            tracing::warn!(%error, "partitions could not be given back");
        }
        self.tell(|stash| {
            stash.claim = None;
            for element in list.elements() {
                let partition = TopicPartition::new(element.topic(), element.partition());
                stash.events.push_back(Event::Revoked { partition, lost });
            }
        });
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.write(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is reported this way too; the member hears of it by its queue.
        if error.rdkafka_error_code() == Some(Code::PartitionEOF) {
            return;
        }
        self.log.write(RDKafkaLogLevel::Warning, "ERROR", reason);
        if let Some(code) = error.rdkafka_error_code() {
            // "All brokers are down" says nothing about why; the line before it does.
            let mut stash = self.stash();
            if code != Code::AllBrokersDown || stash.last_error.is_none() {
                stash.last_error = Some((code, self.log.clean(reason)));
            }
        }
    }

    fn stats(&self, statistics: Statistics) {
        let ends = statistics
            .topics
            .iter()
            .flat_map(|(topic, stats)| stats.partitions.values().map(move |p| (topic, p)))
            .filter(|(_, p)| p.partition >= 0 && p.ls_offset >= 0)
            .map(|(topic, p)| PartitionEnd {
                partition: TopicPartition::new(topic, p.partition),
                stable_end: p.ls_offset,
                is_read: p.eof_offset >= p.ls_offset && p.fetchq_cnt == 0,
            })
            .collect();
        self.tell(|stash| stash.ends = ends);
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &Consumer, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.revoke(consumer, list);
            return;
        }
        match self.assign(consumer, list) {
            Ok(assignments) => self.tell(|stash| {
                stash.events.extend(assignments.into_iter().map(Event::Assigned));
            }),
            Err(error) => {
                // The group waits for an answer: take nothing, and let the caller begin anew.
                if let Err(error) = consumer.assign(&TopicPartitionList::new()) {
                    tracing::warn!(%error, "an empty assignment was not taken");
                }
                self.tell(|stash| stash.events.push_back(Event::Failed(error)));
            }
        }
    }
}

/// How long to wait for stable committed positions: a dead writer's transaction holds them for its time-out, and the
/// broker looks for such transactions every ten seconds.
pub(crate) fn committed_wait(settings: &KafkaSettings) -> Duration {
    settings.transaction_timeout() + Duration::from_secs(20)
}

/// What the consumer's group has committed, waiting for open transactions.
pub(crate) fn committed_of(
    consumer: &Consumer,
    partitions: &[TopicPartition],
    wait: Duration,
    stop: &Stop,
) -> Result<Vec<Option<Committed>>, LogError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let begun = std::time::Instant::now();
    loop {
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for p in partitions {
            asked.add_partition(&p.topic, p.partition);
        }
        // In slices. A call that meets a group without a coordinator waits for the next change of a connection, and where the
        // coordinator is found without one it waits out its time; and one that meets an open transaction asks on and on.
        let slice = stop.rest(begun, wait).min(SLICE * 3);
        let error = match consumer.committed_offsets(asked, slice) {
            Ok(list) => match list.elements().iter().find_map(|e| e.error().err()) {
                None => return partitions.iter().map(|p| committed_in(&list, p)).collect(),
                Some(error) => error,
            },
            Err(error) => error,
        };
        let what = "the committed positions of the group could not be read".to_owned();
        let error = of_question(what, error);
        if matches!(error, LogError::Fatal { .. }) || begun.elapsed() >= stop.cut(wait) {
            return Err(error);
        }
        // The transaction that holds a position ends soon; 50 ms is short beside what a takeover takes.
        stop.sleep(Duration::from_millis(50));
    }
}

fn committed_in(
    list: &TopicPartitionList,
    partition: &TopicPartition,
) -> Result<Option<Committed>, LogError> {
    let Some(element) = list.find_partition(&partition.topic, partition.partition) else {
        return Err(retriable(format!(
            "no answer about the committed position of {partition}"
        )));
    };
    let Offset::Offset(next_offset) = element.offset() else {
        return Ok(None);
    };
    // The binding panics on text that isn't UTF-8, which only a foreign tool can have written.
    match catch_unwind(AssertUnwindSafe(|| element.metadata().to_owned())) {
        Ok(metadata) => Ok(Some(Committed {
            next_offset,
            metadata,
        })),
        Err(_) => Err(fatal(format!(
            "what stands beside the committed position of {partition} is not text: another program uses this group; \
             give `group` another name"
        ))),
    }
}

/// The client library's log lines, on their way to `tracing`.
pub(crate) struct Lines {
    secrets: Vec<String>,
}

impl Lines {
    pub(crate) fn new(settings: &KafkaSettings) -> Self {
        Self {
            secrets: settings.secrets(),
        }
    }

    /// The library hides secrets itself; this is for the line in which it forgets.
    pub(crate) fn clean(&self, line: &str) -> String {
        self.secrets.iter().fold(line.to_owned(), |line, secret| {
            line.replace(secret.as_str(), "***")
        })
    }

    pub(crate) fn write(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let message = self.clean(message);
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => tracing::error!(target: "librdkafka", facility, "{message}"),
            RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(target: "librdkafka", facility, "{message}");
            }
            RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Secret;

    #[test]
    fn a_secret_in_a_line_of_the_library_is_hidden() {
        let settings = KafkaSettings {
            sasl_password: Some(Secret::new("hush")),
            ..KafkaSettings::default()
        };
        assert_eq!(
            Lines::new(&settings).clean("login with hush failed"),
            "login with *** failed"
        );
    }
}
