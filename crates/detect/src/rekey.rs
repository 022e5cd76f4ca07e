use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_stage::{Effects, Pulse, SnapshotError, Stage, decode_state, encode_state};
use forecall_types::{
    DomainName, EventTime, Position, SampleBatch, SamplesRecord, SourceMark, SourcePartition, SourcePulse,
};
use serde::{Deserialize, Serialize};

/// A mark goes to every partition when its source has come this much further: fine enough beside a lateness of seconds,
/// and at most one small record a partition and second.
pub const MARK_STEP: Duration = Duration::from_secs(1);

/// How `rekey` spreads records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RekeySettings {
    /// Partitions of the re-keyed topic.
    pub partitions: u32,
    /// How far beyond the broker's append time a sample may be dated; such a sample moves no mark.
    pub future_seconds: u32,
}

impl Default for RekeySettings {
    fn default() -> Self {
        Self {
            partitions: 12,
            future_seconds: 300,
        }
    }
}

/// A record for one partition of the re-keyed topic.
#[derive(Debug, Clone)]
pub struct Rekeyed {
    /// Partition: the entity's fingerprint modulo their number.
    pub partition: u32,
    /// The points of that partition's entities, with the origin of their source record, and marks.
    pub record: SamplesRecord,
}

/// Splits records by entity, so that all samples of one come to one partition.
#[derive(Debug, Clone)]
pub struct RekeyStage {
    settings: Arc<RekeySettings>,
    state: State,
    /// Its source measures nothing: nobody waits for it, so it says nothing of how far it is.
    is_context: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    source: SourcePartition,
    newest: Option<EventTime>,
    marked: Option<EventTime>,
    domain: DomainName,
}

impl RekeyStage {
    /// For the source partition it is to read and its domain, with nothing seen yet.
    pub const fn new(settings: Arc<RekeySettings>, source: SourcePartition, domain: DomainName) -> Self {
        Self {
            settings,
            state: State {
                source,
                newest: None,
                marked: None,
                domain,
            },
            is_context: false,
        }
    }

    /// Whether its source says what was announced and measures nothing.
    #[must_use]
    pub const fn of_context(mut self, is_context: bool) -> Self {
        self.is_context = is_context;
        self
    }

    /// The partition of an entity where there are so many.
    pub fn partition_of(entity: forecall_types::Fingerprint, partitions: u32) -> u32 {
        u32::try_from(entity.as_u128() % u128::from(partitions.max(1))).unwrap_or(0)
    }

    fn mark(&self, pulse: Option<SourcePulse>) -> SourceMark {
        SourceMark {
            source: self.state.source.clone(),
            newest: self.state.newest,
            pulse,
        }
    }
}

impl Stage for RekeyStage {
    type Settings = Arc<RekeySettings>;
    type Input = SamplesRecord;
    type Output = Rekeyed;

    const NAME: &'static str = "rekey";
    const VERSION: u32 = 2;

    fn step(&mut self, record: &SamplesRecord, effects: &mut Effects<Rekeyed>) {
        for reject in record.batch.rejects() {
            effects.reject(reject.reason, reject.detail.clone());
        }
        let future = record
            .appended_at
            .plus(Duration::from_secs(u64::from(self.settings.future_seconds)));
        let mut batches: BTreeMap<u32, SampleBatch> = BTreeMap::new();
        for row in record.batch.rows() {
            if row.at <= future {
                self.state.newest = self.state.newest.max(Some(row.at));
            }
            batches
                .entry(Self::partition_of(row.entity, self.settings.partitions))
                .or_default()
                .push_from(&record.batch, row);
        }
        if self.state.domain != record.domain {
            self.state.domain = record.domain.clone();
        }
        let due = match (self.state.newest, self.state.marked) {
            (Some(newest), Some(marked)) => newest.since(marked) >= MARK_STEP,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if due {
            self.state.marked = self.state.newest;
        }
        if due || !record.contexts.is_empty() {
            for partition in 0..self.settings.partitions {
                batches.entry(partition).or_default();
            }
        }
        for (partition, batch) in batches {
            effects.emit(Rekeyed {
                partition,
                record: SamplesRecord {
                    domain: record.domain.clone(),
                    origin: record.origin.clone(),
                    appended_at: record.appended_at,
                    batch,
                    marks: if self.is_context {
                        Vec::new()
                    } else {
                        vec![self.mark(None)]
                    },
                    contexts: record.contexts.clone(),
                },
            });
        }
    }

    /// Says to every partition how the source stands. A source that nothing was ever read from has nobody to wait for at its
    /// end; another one only after it has said nothing for the idle time-out. Made at every pulse, since a pulse changes
    /// nothing: pulse as often as a lost mark may delay the others.
    fn pulse(&self, pulse: Pulse<'_>, effects: &mut Effects<Rekeyed>) {
        if self.is_context {
            return;
        }
        let is_silent = pulse.idle || pulse.caught_up && self.state.newest.is_none();
        let mark = self.mark(Some(SourcePulse {
            caught_up: pulse.caught_up,
            silent_until: pulse.looked_at.filter(|_| is_silent),
            topics: pulse.topics.to_vec(),
        }));
        for partition in 0..self.settings.partitions {
            effects.emit(Rekeyed {
                partition,
                record: SamplesRecord {
                    domain: self.state.domain.clone(),
                    origin: Position {
                        topic: Arc::clone(&self.state.source.topic),
                        partition: self.state.source.partition,
                        offset: pulse.next_offset,
                    },
                    appended_at: pulse.at,
                    batch: SampleBatch::default(),
                    marks: vec![mark.clone()],
                    contexts: Vec::new(),
                },
            });
        }
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        encode_state(&self.state)
    }

    fn load(settings: Arc<RekeySettings>, bytes: &[u8]) -> Result<Self, SnapshotError> {
        Ok(Self {
            settings,
            state: decode_state(bytes)?,
            is_context: false,
        })
    }
}
