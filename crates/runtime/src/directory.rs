//! Brings a directory into the ledger (names and addresses, sealed) and into outreach's log (pseudonymous records), and
//! publishes one to a directory topic.

use std::sync::{Arc, Mutex};

use forecall_config::Settings;
use forecall_ledger::{AddressSeal, DirectoryRow, Ledger};
use forecall_log::{
    Committed, Log, OutRecord, TopicPartition, TopicSpec, Transaction, Writer, partition_of_key,
};
use forecall_types::{CustomerChange, CustomerId, OutreachEntry};
use forecall_wire::event::{
    DirectoryRecord, Encoded, TopicId, encode_directory_record, encode_outreach_entry,
};

use crate::assemble::master_key;
use crate::host::{HostError, lock};
use crate::pipeline::Surroundings;
use crate::topics::used_partitions;

/// Customers published in one transaction: a few MiB.
const CHUNK: usize = 5_000;

/// The customer directory's topic as it should be made: compacted, the newest record of each customer kept for ever. `None`:
/// the settings name none.
pub fn directory_topic(settings: &Settings) -> Option<TopicSpec> {
    let name = settings.directory.as_ref()?.topic.as_ref()?;
    let topics = &settings.topics;
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    Some(TopicSpec {
        name: name.clone(),
        partitions: count(topics.partitions),
        replication: if topics.dev { 1 } else { count(topics.replication) },
        settings: vec![("cleanup.policy".to_owned(), "compact".to_owned())],
    })
}

/// A writer of the directory topic.
struct Post<'a> {
    topic: Arc<str>,
    writer: Box<dyn Writer>,
    settings: &'a Settings,
}

impl<'a> Post<'a> {
    fn open(settings: &'a Settings, log: &dyn Log) -> Result<Self, HostError> {
        let topic = settings.directory.as_ref().and_then(|d| d.topic.as_deref());
        let topic = topic.ok_or_else(|| {
            HostError::Settings("`directory.topic` is needed: there is no topic to publish to".to_owned())
        })?;
        log.bounds(topic)?;
        Ok(Self {
            topic: Arc::from(topic),
            writer: log.writer(&format!("{}.directory-post", settings.group))?,
            settings,
        })
    }

    fn record(&self, record: &DirectoryRecord) -> Result<OutRecord, HostError> {
        let encoded = encode_directory_record(record).map_err(|e| HostError::Settings(e.to_string()))?;
        Ok(published(&self.topic, encoded))
    }
}

fn published(topic: &Arc<str>, encoded: Encoded) -> OutRecord {
    OutRecord {
        topic: Arc::clone(topic),
        partition: None,
        key: Some(encoded.key),
        value: Some(encoded.value),
        headers: encoded.headers,
    }
}

/// Publishes people to the directory topic, their addresses sealed under the ledger's master key; names stay behind. Gives
/// how many.
///
/// # Errors
/// No directory topic or master key is set, or the log refuses. What was published before stands; again does no harm.
pub fn publish_directory(
    settings: &Settings,
    log: &dyn Log,
    rows: &[DirectoryRow],
) -> Result<u64, HostError> {
    let seal = AddressSeal::new(&master_key(settings)?);
    let mut post = Post::open(settings, log)?;
    let mut sent = 0;
    for chunk in rows.chunks(CHUNK) {
        let mut records = Vec::with_capacity(chunk.len());
        for DirectoryRow {
            customer, addresses, ..
        } in chunk
        {
            let sealed = addresses
                .iter()
                .map(|(channel, address)| Ok((*channel, seal.seal(&customer.id, *channel, address)?)));
            records.push(post.record(&DirectoryRecord {
                ciphertexts: sealed.collect::<Result<_, HostError>>()?,
                customer: CustomerChange::Upsert(customer.clone()),
            })?);
        }
        sent += u64::try_from(records.len()).unwrap_or(u64::MAX);
        post.writer.commit(&Transaction {
            records,
            positions: Vec::new(),
        })?;
    }
    Ok(sent)
}

/// Publishes that a customer is gone, and a tombstone after it, so that compaction leaves nothing of them.
///
/// # Errors
/// As [`publish_directory`].
pub fn erase_from_directory(
    settings: &Settings,
    log: &dyn Log,
    customer: CustomerId,
) -> Result<(), HostError> {
    let mut post = Post::open(settings, log)?;
    let gone = post.record(&DirectoryRecord {
        customer: CustomerChange::Erased {
            id: customer,
            domain: post.settings.domain.clone(),
        },
        ciphertexts: std::collections::BTreeMap::new(),
    })?;
    let tombstone = OutRecord {
        value: None,
        headers: Vec::new(),
        ..gone.clone()
    };
    Ok(post.writer.commit(&Transaction {
        records: vec![gone, tombstone],
        positions: Vec::new(),
    })?)
}

/// Ledger first, then the log, the version in the last transaction: a crash between repeats what is idempotent.
pub(crate) fn import(
    settings: &Settings,
    around: &Surroundings,
    ledger: &Arc<Mutex<Ledger>>,
    rows: Vec<DirectoryRow>,
    version: &str,
) -> Result<u64, HostError> {
    let topic: Arc<str> = Arc::from(settings.topic_names().name(TopicId::OutreachLog));
    let used = used_partitions(settings, around.log.as_ref(), &topic)?;
    let group = format!("{}.directory", settings.group);
    let place = TopicPartition::new(&topic, 0);
    let done = around
        .log
        .committed(&group, std::slice::from_ref(&place))?
        .into_iter()
        .flatten()
        .next();
    if done.is_some_and(|d| d.metadata == version) {
        return Ok(0);
    }
    let customers: Vec<_> = rows.iter().map(|row| row.customer.clone()).collect();
    lock(ledger).import_customers(rows)?;
    let mut writer = around.log.writer(&format!("{group}.{}", around.slot))?;
    let mut count = 0;
    for chunk in customers.chunks(CHUNK) {
        let mut records = Vec::with_capacity(chunk.len());
        for customer in chunk {
            let entry = OutreachEntry::Customer(CustomerChange::Upsert(customer.clone()));
            let encoded = encode_outreach_entry(&entry).map_err(|e| HostError::Settings(e.to_string()))?;
            let partition = partition_of_key(&encoded.key, used);
            records.push(OutRecord {
                partition: Some(partition),
                ..published(&topic, encoded)
            });
        }
        count += u64::try_from(records.len()).unwrap_or(u64::MAX);
        writer.commit(&Transaction {
            records,
            positions: Vec::new(),
        })?;
    }
    let position = Committed {
        next_offset: 0,
        metadata: version.to_owned(),
    };
    writer.commit_for(
        &group,
        &Transaction {
            records: Vec::new(),
            positions: vec![(place, position)],
        },
    )?;
    Ok(count)
}
