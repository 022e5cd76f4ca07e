//! Copies the ledger's outboxes to their topics, in order, each record once.

use std::sync::{Arc, Mutex};

use forecall_ledger::{Answer, Ledger};
use forecall_log::{
    Committed, Log, LogError, OutRecord, TopicPartition, Transaction, Writer, crash, partition_of_key,
};
use forecall_observe::{Metric, Metrics};
use forecall_types::OutreachEntry;
use forecall_wire::event::{TopicId, TopicNames, encode_outreach_entry};
use tracing::error;

use crate::host::{HostError, lock};

/// Rows copied in one transaction.
const BATCH_MAX: usize = 1_000;

/// Publishes events and receipts from the ledger. The sequence number last published stands beside a committed position of
/// a group of its own, in the same transaction as the records: a crash publishes nothing twice.
pub(crate) struct Publisher {
    ledger: Arc<Mutex<Ledger>>,
    writer: Box<dyn Writer>,
    topics: Arc<TopicNames>,
    /// Over how many partitions of outreach's log keys are spread.
    used: i32,
    group: String,
    events_done: i64,
    receipts_done: i64,
    metrics: Metrics,
}

impl Publisher {
    /// Goes on after what the group says was published. Its name is the same in every process: one that comes later fences what
    /// an earlier one may still have under way, before it asks how far that came.
    ///
    /// # Errors
    /// The log can't be asked, or more was published than the ledger has ever written: it is an older one.
    pub(crate) fn open(
        log: &dyn Log,
        ledger: Arc<Mutex<Ledger>>,
        (topics, used): (Arc<TopicNames>, i32),
        group: &str,
        metrics: Metrics,
    ) -> Result<Self, HostError> {
        let group = format!("{group}.publisher");
        let writer = log.writer(&group)?;
        let places =
            [TopicId::Notices, TopicId::OutreachLog].map(|id| TopicPartition::new(&topics.name(id), 0));
        let done = log.committed(&group, &places)?;
        let [events_done, receipts_done] =
            [0, 1].map(|i| done.get(i).and_then(Option::as_ref).map_or(0, |c| c.next_offset));
        {
            let ledger = lock(&ledger);
            for (done, written) in [
                (events_done, ledger.outbox_last()?),
                (receipts_done, ledger.receipts_last()?),
            ] {
                if done > written {
                    return Err(HostError::Settings(format!(
                        "{} of the ledger's records were published, but it has written {written} only: {} is an older copy or \
                         another ledger. Remedy: bring back the newest one; or set the positions of group `{group}` to {written}, \
                         and know that what was lost with it is lost",
                        done,
                        ledger.path().display(),
                    )));
                }
            }
        }
        Ok(Self {
            ledger,
            writer,
            topics,
            used,
            group,
            events_done,
            receipts_done,
            metrics,
        })
    }

    fn publish(&mut self, place: TopicId, seq: i64, records: Vec<OutRecord>) -> Result<(), LogError> {
        let position = Committed {
            next_offset: seq,
            metadata: format!("seq {seq}"),
        };
        let partition = TopicPartition::new(&self.topics.name(place), 0);
        self.writer.commit_for(
            &self.group,
            &Transaction {
                records,
                positions: vec![(partition, position)],
            },
        )
    }

    /// Copies what is new. Says whether anything was.
    ///
    /// # Errors
    /// The ledger or the log fails; what wasn't committed is copied at the next call.
    pub(crate) fn turn(&mut self) -> Result<bool, HostError> {
        let events = lock(&self.ledger).outbox_after(self.events_done, BATCH_MAX)?;
        #[allow(clippy::cast_precision_loss, reason = "a gauge of at most BATCH_MAX")]
        self.metrics.set(Metric::OutboxDepth, &[], events.len() as f64);
        let mut moved = false;
        if let Some(last) = events.last().map(|(seq, _)| *seq) {
            let records = events.into_iter().map(|(_, record)| record).collect();
            self.publish(TopicId::Notices, last, records)?;
            crash::point("outbox_published");
            // At once: should the ledger fail now, the next turn must not publish them again.
            self.events_done = last;
            lock(&self.ledger).outbox_trim(last)?;
            crash::point("outbox_trimmed");
            moved = true;
        }
        let answers = lock(&self.ledger).answers_after(self.receipts_done, BATCH_MAX)?;
        if let Some(last) = answers.last().map(|(seq, _)| *seq) {
            let mut records = Vec::with_capacity(answers.len());
            for (_, answer) in answers {
                // A reply names no domain, and yet belongs where its domain's other records lie.
                let (entry, domain) = match answer {
                    Answer::Receipt(receipt) => (OutreachEntry::Receipt(receipt), None),
                    Answer::Reply(domain, reply) => (OutreachEntry::Reply(reply), Some(domain)),
                };
                let encoded = encode_outreach_entry(&entry).map(|encoded| match domain {
                    Some(domain) => encoded.with_key(domain.as_str()),
                    None => encoded,
                });
                match encoded {
                    Ok(encoded) => records.push(OutRecord {
                        topic: Arc::from(self.topics.name(TopicId::OutreachLog)),
                        partition: Some(partition_of_key(&encoded.key, self.used)),
                        key: Some(encoded.key),
                        value: Some(encoded.value),
                        headers: encoded.headers,
                    }),
                    // An answer holds ids and times only: that it can't be written is our bug.
                    Err(error) => error!(%error, "a receipt or reply can't be written"),
                }
            }
            self.publish(TopicId::OutreachLog, last, records)?;
            crash::point("receipts_published");
            self.receipts_done = last;
            lock(&self.ledger).receipts_trim(last)?;
            moved = true;
        }
        Ok(moved)
    }
}
