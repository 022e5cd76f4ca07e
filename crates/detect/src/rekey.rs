use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_stage::{Effects, Pulse, SnapshotError, Stage, decode_state, encode_state};
use forecall_types::{
    DomainName, EventTime, Position, RejectReason, SampleBatch, SamplesRecord, ServiceRecord, SourceMark,
    SourcePartition, SourcePulse,
};
use serde::{Deserialize, Serialize};

use crate::traced::{CALLS_TRACED_MAX, Noted, Traced};

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

/// What `rekey` says.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "nearly all are the large one")]
pub enum RekeyOutput {
    /// Points and marks for one partition.
    Samples(Rekeyed),
    /// What a service needs, as traces show it.
    Service(ServiceRecord),
}

impl RekeyOutput {
    /// What goes to a partition.
    pub fn samples(self) -> Option<Rekeyed> {
        match self {
            Self::Samples(rekeyed) => Some(rekeyed),
            Self::Service(_) => None,
        }
    }
}

/// Splits records by entity, so that all samples of one come to one partition.
#[derive(Debug, Clone)]
pub struct RekeyStage {
    settings: Arc<RekeySettings>,
    state: State,
    /// Its source measures nothing: nobody waits for it, so it says nothing of how far it is.
    measures_nothing: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    source: SourcePartition,
    newest: Option<EventTime>,
    marked: Option<EventTime>,
    domain: DomainName,
    /// Of a source of traces.
    traced: Traced,
}

impl RekeyStage {
    /// For the source partition it is to read and its domain, with nothing seen yet.
    pub fn new(settings: Arc<RekeySettings>, source: SourcePartition, domain: DomainName) -> Self {
        Self {
            settings,
            state: State {
                source,
                newest: None,
                marked: None,
                domain,
                traced: Traced::default(),
            },
            measures_nothing: false,
        }
    }

    /// Whether its source measures nothing: it says what was announced, or who calls whom.
    #[must_use]
    pub const fn without_points(mut self, measures_nothing: bool) -> Self {
        self.measures_nothing = measures_nothing;
        self
    }

    /// The partition of an entity where there are so many.
    pub fn partition_of(entity: forecall_types::Fingerprint, partitions: u32) -> u32 {
        u32::try_from(entity.as_u128() % u128::from(partitions.max(1))).unwrap_or(0)
    }

    /// What the spans of a record show, said where it is new, or old.
    fn trace(&mut self, record: &SamplesRecord, future: EventTime, effects: &mut Effects<RekeyOutput>) {
        let state = &mut self.state;
        for link in &record.links {
            if link.at > future {
                effects.reject(RejectReason::Future, "a span is dated after its record");
                continue;
            }
            for noted in state.traced.take(link) {
                match noted {
                    Noted::Quiet => {}
                    Noted::Due(service) => {
                        let said = state.traced.say(&service, &record.domain, &state.source);
                        said.into_iter()
                            .for_each(|said| effects.emit(RekeyOutput::Service(said)));
                    }
                    Noted::Full => effects.reject(
                        RejectReason::SeriesLimit,
                        format!("{CALLS_TRACED_MAX} pairs of services are known: no further one is learned"),
                    ),
                }
            }
        }
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
    type Output = RekeyOutput;

    const NAME: &'static str = "rekey";
    const VERSION: u32 = 3;

    fn step(&mut self, record: &SamplesRecord, effects: &mut Effects<RekeyOutput>) {
        for reject in record.batch.rejects() {
            effects.reject(reject.reason, reject.detail.clone());
        }
        let future = record
            .appended_at
            .plus(Duration::from_secs(u64::from(self.settings.future_seconds)));
        self.trace(record, future, effects);
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
            effects.emit(RekeyOutput::Samples(Rekeyed {
                partition,
                record: SamplesRecord {
                    domain: record.domain.clone(),
                    origin: record.origin.clone(),
                    appended_at: record.appended_at,
                    batch,
                    marks: if self.measures_nothing {
                        Vec::new()
                    } else {
                        vec![self.mark(None)]
                    },
                    contexts: record.contexts.clone(),
                    links: Vec::new(),
                },
            }));
        }
    }

    /// Says to every partition how the source stands. A source that nothing was ever read from has nobody to wait for at its
    /// end; another one only after it has said nothing for the idle time-out. Made at every pulse, since a pulse changes
    /// nothing: pulse as often as a lost mark may delay the others.
    fn pulse(&self, pulse: Pulse<'_>, effects: &mut Effects<RekeyOutput>) {
        if self.measures_nothing {
            return;
        }
        let is_silent = pulse.idle || pulse.caught_up && self.state.newest.is_none();
        let mark = self.mark(Some(SourcePulse {
            caught_up: pulse.caught_up,
            silent_until: pulse.looked_at.filter(|_| is_silent),
            topics: pulse.topics.to_vec(),
        }));
        for partition in 0..self.settings.partitions {
            effects.emit(RekeyOutput::Samples(Rekeyed {
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
                    links: Vec::new(),
                },
            }));
        }
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        encode_state(&self.state)
    }

    fn load(settings: Arc<RekeySettings>, bytes: &[u8]) -> Result<Self, SnapshotError> {
        Ok(Self {
            settings,
            state: decode_state(bytes)?,
            measures_nothing: false,
        })
    }
}
