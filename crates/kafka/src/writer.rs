use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_log::{LogError, Transaction, Writer};

use crate::connection::Connection;
use crate::context::Consumer;
use crate::error::fatal;
use crate::transaction::{InGroup, Transactor};

/// A transactional producer alone.
pub(crate) struct KafkaWriter {
    connection: Arc<Connection>,
    transactor: Transactor,
    /// A consumer for each group that positions were handed in for: it has the group's metadata, and never joins.
    groups: BTreeMap<String, Consumer>,
}

impl KafkaWriter {
    pub(crate) fn new(connection: Arc<Connection>, identity: &str) -> Result<Self, LogError> {
        Ok(Self {
            transactor: Transactor::new(Arc::clone(&connection), identity)?,
            connection,
            groups: BTreeMap::new(),
        })
    }
}

impl Writer for KafkaWriter {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), LogError> {
        if !transaction.positions.is_empty() {
            return Err(fatal(
                "a writer's positions need a group: this is a bug of the caller",
            ));
        }
        if transaction.records.is_empty() {
            return Ok(());
        }
        self.transactor.begin(transaction, None)?;
        self.transactor.finish(transaction, None).map(drop)
    }

    fn commit_for(&mut self, group: &str, transaction: &Transaction) -> Result<(), LogError> {
        if transaction.positions.is_empty() {
            return self.commit(transaction);
        }
        if !self.groups.contains_key(group) {
            let consumer = self.connection.onlooker(group)?;
            self.groups.insert(group.to_owned(), consumer);
        }
        let group_and_client = self.groups.get(group).map(|consumer| {
            // Nothing is assigned: only the library's log lines can come.
            drop(consumer.poll(Duration::ZERO));
            InGroup {
                name: group,
                consumer,
            }
        });
        self.transactor.begin(transaction, group_and_client)?;
        match self.transactor.finish(transaction, group_and_client)? {
            forecall_log::Outcome::Committed => Ok(()),
            forecall_log::Outcome::NotOwner => Err(fatal(format!(
                "group `{group}` has members, but its positions belong to one writer alone: stop the other program that reads \
                 as this group"
            ))),
        }
    }
}
