//! Brings a directory file into the ledger (names and addresses, sealed) and into outreach's log (pseudonymous records).

use std::sync::{Arc, Mutex};

use forecall_config::Settings;
use forecall_ledger::{DirectoryRow, Ledger};
use forecall_log::{Committed, OutRecord, TopicPartition, Transaction};
use forecall_types::{CustomerChange, OutreachEntry};
use forecall_wire::event::{TopicId, encode_outreach_entry};

use crate::host::{HostError, lock};
use crate::pipeline::Surroundings;

/// Customers published in one transaction: a few MiB.
const CHUNK: usize = 5_000;

/// Ledger first, then the log, the version in the last transaction: a crash between repeats what is idempotent.
pub(crate) fn import(
    settings: &Settings,
    around: &Surroundings,
    ledger: &Arc<Mutex<Ledger>>,
    rows: Vec<DirectoryRow>,
    version: &str,
) -> Result<u64, HostError> {
    let topic = settings.topic_names().name(TopicId::OutreachLog);
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
    let mut published = 0;
    for chunk in customers.chunks(CHUNK) {
        let mut records = Vec::with_capacity(chunk.len());
        for customer in chunk {
            let entry = OutreachEntry::Customer(CustomerChange::Upsert(customer.clone()));
            let encoded = encode_outreach_entry(&entry).map_err(|e| HostError::Settings(e.to_string()))?;
            records.push(OutRecord {
                topic: Arc::from(topic.as_str()),
                partition: None,
                key: Some(encoded.key),
                value: Some(encoded.value),
                headers: encoded.headers,
            });
        }
        published += u64::try_from(records.len()).unwrap_or(u64::MAX);
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
    Ok(published)
}
