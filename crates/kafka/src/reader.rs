use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use forecall_log::{Header, HeaderSource, Headers, LogError, RecordRef, TopicPartition};
use forecall_types::EventTime;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::connection::{ANSWER_WAIT, Connection};
use crate::error::{fatal_by, is_refusal, remedy, retriable, retriable_by};

/// Whether to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    On,
    Stop,
}

/// Reads committed records of a partition from `from` (or the oldest kept) to the end that stands at the call, or until
/// the visitor has enough.
pub(crate) fn read_while(
    connection: &Connection,
    partition: &TopicPartition,
    from: i64,
    visit: &mut dyn FnMut(&RecordRef<'_>) -> Pace,
) -> Result<(), LogError> {
    if connection.partition_count(&partition.topic)? <= partition.partition {
        return Err(LogError::NoTopic {
            topic: partition.to_string(),
        });
    }
    let (low, end) = connection.ends(partition)?;
    let start = from.max(low);
    if start >= end {
        return Ok(());
    }
    // The library assigns only to a consumer with a group name; this one never joins and commits nothing.
    let consumer = connection.onlooker(&format!("{}.read", connection.settings.client_id))?;
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(start))
        .and_then(|()| consumer.assign(&list))
        .map_err(|e| retriable_by(format!("{partition} could not be read from {start}"), e))?;
    let mut progress = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                if message.offset() >= end {
                    return Ok(());
                }
                progress = Instant::now();
                let offset = message.offset();
                let pace = with_record(&message, |record| visit(record));
                // Markers of transactions take offsets too, so the last record needn't be at `end - 1`.
                if pace == Pace::Stop || offset + 1 >= end {
                    return Ok(());
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                    return Err(retriable_by(
                        format!("{partition} lost its oldest records while it was read"),
                        error,
                    ));
                }
                // Nothing of the group is used.
                Some(Code::GroupAuthorizationFailed) | None => {}
                Some(code) if is_refusal(code) => {
                    return Err(fatal_by(
                        format!("{partition} can't be read: {}", remedy(code)),
                        error,
                    ));
                }
                Some(_) => {}
            },
            None if progress.elapsed() >= ANSWER_WAIT => {
                return Err(retriable(format!(
                    "{partition} gave nothing for {} s before its end at {end}",
                    ANSWER_WAIT.as_secs()
                )));
            }
            None => {}
        }
    }
}

/// Headers of a message that are taken apart at the first look: the library does it anew for each message, and allocates.
struct Unread<'m> {
    message: &'m BorrowedMessage<'m>,
    read: OnceCell<Vec<Header<'m>>>,
}

impl HeaderSource for Unread<'_> {
    fn headers(&self) -> &[Header<'_>] {
        self.read.get_or_init(|| headers_of(self.message))
    }
}

fn headers_of<'m>(message: &'m BorrowedMessage<'_>) -> Vec<Header<'m>> {
    let Some(found) = message.headers() else {
        return Vec::new();
    };
    let mut headers = Vec::with_capacity(found.count());
    for i in 0..found.count() {
        // The binding panics on a name that isn't UTF-8; anybody may have written the record.
        match catch_unwind(AssertUnwindSafe(|| found.try_get(i))) {
            Ok(Some(header)) => headers.push((header.key, header.value.unwrap_or_default())),
            Ok(None) => {}
            Err(_) => tracing::warn!(
                topic = message.topic(),
                partition = message.partition(),
                offset = message.offset(),
                "a header whose name is not UTF-8 is left out"
            ),
        }
    }
    headers
}

/// Shows a message as a record, in place.
pub(crate) fn with_record<T>(message: &BorrowedMessage<'_>, visit: impl FnOnce(&RecordRef<'_>) -> T) -> T {
    let headers = Unread {
        message,
        read: OnceCell::new(),
    };
    visit(&RecordRef {
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        // Brokers before Kafka 0.10 gave none; everything newer does.
        appended_at: message
            .timestamp()
            .to_millis()
            .map_or(EventTime::default(), EventTime::from_millis),
        key: message.key(),
        value: message.payload(),
        headers: Headers::Unread(&headers),
    })
}
