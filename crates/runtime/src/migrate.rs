//! Takes on the new partitions of one of forecall's own logs.
//!
//! A key's partition is its hash modulo the number of partitions in use, and every writer keeps to the number that stood at
//! its start. So a topic that has grown has moved no key yet, and the new partitions are empty. Here the old ones are read
//! to their end, by the stage itself; its memory is divided among all of them, by key; and each goes on at its committed
//! position from a snapshot of what now belongs to it. Only then the new number is written down, for all writers.
//!
//! The new memory is put aside whole before anything is replaced: whoever is killed on the way begins again and comes to
//! the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use forecall_config::Settings;
use forecall_detect::{DetectStage, RekeyStage};
use forecall_incident::CorrelateStage;
use forecall_log::{Committed, LogError, TopicPartition, Transaction, crash, partition_of_key};
use forecall_stage::{Checkpoint, Counts, Digest, Snapshot, SnapshotHeader, Stage};
use forecall_types::{EventTime, Fingerprint};
use forecall_wire::event::TopicId;
use tracing::{info, warn};

use crate::assemble::Assembly;
use crate::host::HostError;
use crate::pipeline::Surroundings;
use crate::reset::words;
use crate::snapshots::{SnapshotStore, Superseded};
use crate::stages::source_of;

/// Longest wait for records in one turn.
const TURN: Duration = Duration::from_millis(50);
/// How often it is counted what is left, while nothing moves.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Without a record and without an end for so long: something else is wrong. Beyond a restart of the broker.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a topic that has grown asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The memory of this stage is divided among all partitions.
    Divide(&'static str),
    /// The new partitions stay unused.
    Keep,
    /// Somebody else's keys: what was learned can't be moved.
    Forget,
}

/// What to do about a keyed topic, or a log of forecall's, that has grown.
pub fn remedy_of(settings: &Settings, topic: &str) -> Remedy {
    let names = settings.topic_names();
    let is = |id: TopicId| topic == names.name(id);
    if is(TopicId::Samples) {
        Remedy::Divide(DetectStage::NAME)
    } else if is(TopicId::Anomalies) {
        Remedy::Divide(CorrelateStage::NAME)
    } else if is(TopicId::OutreachLog) || is(TopicId::JourneysLog) {
        Remedy::Keep
    } else {
        Remedy::Forget
    }
}

/// One topic that has grown.
pub struct Migration<'a> {
    /// What is installed.
    pub settings: &'a Settings,
    /// Log, clock and metrics.
    pub around: &'a Surroundings,
    /// Where the stages' memory is kept.
    pub snapshots: &'a SnapshotStore,
    /// The topic.
    pub topic: &'a str,
    /// Partitions in use so far.
    pub used: i32,
    /// Partitions there are.
    pub there: i32,
    /// Why, in the operator's words.
    pub reason: &'a str,
    /// When.
    pub at: EventTime,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Divided {
    /// Series, or domains, that have their memory on their partition.
    pub keys: usize,
    /// Series that found no room on theirs: they warm up anew.
    pub lost: usize,
    /// An earlier call, which was ended, had divided it: what it came to isn't counted again.
    pub before: bool,
}

/// The stages of all partitions, and what the division came to.
type Parts<S> = (Vec<S>, Divided);

fn refused(what: String) -> HostError {
    HostError::Settings(what)
}

impl Migration<'_> {
    fn places(&self) -> Vec<TopicPartition> {
        (0..self.there)
            .map(|p| TopicPartition::new(self.topic, p))
            .collect()
    }

    fn group(&self, stage: &str) -> String {
        format!("{}.{stage}", self.settings.group)
    }

    /// Records on the partitions in use that `stage` has not committed: where there are some, and how many.
    ///
    /// # Errors
    /// The log can't be asked, or records stand on the new partitions, where no writer of forecall's puts any.
    pub fn left_to_read(&self, stage: &str) -> Result<Vec<(TopicPartition, u64)>, HostError> {
        let places = self.places();
        let committed = self.around.log.committed(&self.group(stage), &places)?;
        let mut left = Vec::new();
        for (place, at) in places.into_iter().zip(committed) {
            let from = at.map_or(0, |at| at.next_offset);
            let mut count = 0_u64;
            self.around.log.read(&place, from, &mut |record| {
                count += u64::from(record.offset >= from)
            })?;
            if count > 0 && place.partition >= self.used {
                return Err(refused(format!(
                    "{count} records stand on {place}, which is new: no process of forecall writes there before this, so \
                     somebody else has. docs/runbooks/grown-topic.md"
                )));
            }
            if count > 0 {
                left.push((place, count));
            }
        }
        Ok(left)
    }

    /// Hosts the stage until nothing is left to read, effects published as always, and saves its memory.
    ///
    /// # Errors
    /// The stage fails, nothing moves for two minutes, or `stop` is set. It may be repeated.
    pub fn drain(&self, stage: &'static str, stop: &AtomicBool) -> Result<(), HostError> {
        let ledger = self.settings.ledger.path.clone();
        let mut assembly = Assembly::new(self.settings, self.around, ledger, self.snapshots.clone(), false)?;
        let mut drive = assembly.drain(stage, self.topic)?;
        let (mut moved_at, mut looked_at) = (Instant::now(), Instant::now());
        loop {
            if stop.load(Ordering::SeqCst) {
                drive.stop()?;
                return Err(refused(format!(
                    "stopped before {} was read to its end",
                    self.topic
                )));
            }
            match drive.turn(TURN) {
                Ok(true) => {
                    moved_at = Instant::now();
                    continue;
                }
                Ok(false) => {}
                Err(HostError::Log(LogError::Retriable { what, source })) => {
                    warn!(stage, what, cause = ?source, "will be tried again");
                    std::thread::sleep(TURN);
                }
                Err(error) => return Err(error),
            }
            if looked_at.elapsed() < LOOK_EVERY {
                continue;
            }
            looked_at = Instant::now();
            let left = self.left_to_read(stage)?;
            if left.is_empty() && drive.is_ready() {
                return drive.stop();
            }
            if moved_at.elapsed() >= PATIENCE {
                return Err(refused(format!(
                    "{stage} doesn't come to the end of {}: left are {left:?}",
                    self.topic
                )));
            }
        }
    }

    /// Divides the stage's memory among all partitions and puts each part at the committed position of its own.
    ///
    /// # Errors
    /// A partition has no snapshot at its committed position (drain first), or log or snapshots refuse. It may be repeated.
    pub fn divide(&self, stage: &str) -> Result<Divided, HostError> {
        if stage == DetectStage::NAME {
            let settings = &self.settings.detect;
            return self.divide_stage(
                |state| DetectStage::load(Arc::clone(settings), state),
                |parts| {
                    let into = self.places().iter().map(source_of).collect();
                    let there = self.there.unsigned_abs();
                    let place = |entity| usize::try_from(RekeyStage::partition_of(entity, there));
                    let divided = DetectStage::divide(settings, parts, into, |e| place(e).unwrap_or(0));
                    let told = Divided {
                        keys: divided.series,
                        lost: divided.lost,
                        before: false,
                    };
                    Ok((divided.stages, told))
                },
            );
        }
        let settings = &self.settings.correlate;
        self.divide_stage(
            |state| CorrelateStage::load(Arc::clone(settings), state),
            |parts| {
                let place = |key: &[u8]| usize::try_from(partition_of_key(key, self.there)).unwrap_or(0);
                let count = usize::try_from(self.there).unwrap_or(0);
                let stages = CorrelateStage::divide(settings, parts, count, |domain| {
                    place(domain.as_str().as_bytes())
                })
                .map_err(|domain| {
                    refused(format!(
                        "domain {domain} has memory on two partitions of {}: docs/runbooks/grown-topic.md, \"by hand\"",
                        self.topic
                    ))
                })?;
                let keys = stages.iter().map(CorrelateStage::domains).sum();
                let told = Divided {
                    keys,
                    lost: 0,
                    before: false,
                };
                Ok((stages, told))
            },
        )
    }

    /// Whether all of the new memory lies ready already: an earlier call was ended after that.
    ///
    /// # Errors
    /// Log or snapshots can't be read.
    pub fn is_put_aside(&self, stage: &str) -> Result<bool, HostError> {
        let places = self.places();
        let positions = self.positions(stage, &places)?;
        Ok(if stage == DetectStage::NAME {
            self.all_aside::<DetectStage>(&places, &positions)?.is_some()
        } else {
            self.all_aside::<CorrelateStage>(&places, &positions)?.is_some()
        })
    }

    /// Where each partition goes on: what is committed, else its oldest record.
    fn positions(&self, stage: &str, places: &[TopicPartition]) -> Result<Vec<i64>, HostError> {
        let committed = self.around.log.committed(&self.group(stage), places)?;
        let bounds = self.around.log.bounds(self.topic)?;
        Ok(committed
            .into_iter()
            .zip(bounds)
            .map(|(at, (oldest, _))| at.map_or(oldest, |at| at.next_offset))
            .collect())
    }

    /// Name under which the new memory lies until all of it is there.
    fn aside(&self, stage: &str) -> String {
        format!("{stage}-to-{}", self.there)
    }

    fn divide_stage<S: Stage>(
        &self,
        load: impl Fn(&[u8]) -> Result<S, forecall_stage::SnapshotError>,
        divide: impl FnOnce(&[S]) -> Result<Parts<S>, HostError>,
    ) -> Result<Divided, HostError> {
        let group = self.group(S::NAME);
        let places = self.places();
        let committed = self.around.log.committed(&group, &places)?;
        let positions = self.positions(S::NAME, &places)?;
        let told = match self.all_aside::<S>(&places, &positions)? {
            // An earlier call was ended after this; since then nobody has read.
            Some(_) => Divided {
                keys: 0,
                lost: 0,
                before: true,
            },
            None => self.put_aside(&places, &committed, &positions, load, divide)?,
        };
        let seeds = self
            .all_aside::<S>(&places, &positions)?
            .ok_or_else(|| refused(format!("what was put aside of {} is gone", self.topic)))?;
        let text = words("rekeyed", self.at, self.reason);
        let moved = |(place, next_offset): (&TopicPartition, &i64)| {
            let at = Committed {
                next_offset: *next_offset,
                metadata: text.clone(),
            };
            (place.clone(), at)
        };
        self.around.log.writer(&format!("{group}.migrate"))?.commit_for(
            &group,
            &Transaction {
                records: Vec::new(),
                positions: places.iter().zip(&positions).map(moved).collect(),
            },
        )?;
        crash::point("division_moved");
        for (place, mut seed) in places.iter().zip(seeds) {
            seed.header.stage = S::NAME.to_owned();
            self.snapshots.remove_all(S::NAME, place)?;
            self.snapshots.save(place, seed, &Superseded::default())?;
            crash::point("division_saved");
        }
        info!(
            stage = S::NAME,
            topic = self.topic,
            ?told,
            "the memory is divided"
        );
        Ok(told)
    }

    /// Forgets what was put aside, once the new number of partitions is written down.
    ///
    /// # Errors
    /// The snapshots can't be removed.
    pub fn clean(&self, stage: &str) -> Result<(), HostError> {
        for place in self.places() {
            self.snapshots.remove_all(&self.aside(stage), &place)?;
        }
        Ok(())
    }

    fn all_aside<S: Stage>(
        &self,
        places: &[TopicPartition],
        positions: &[i64],
    ) -> Result<Option<Vec<Snapshot>>, HostError> {
        let aside = self.aside(S::NAME);
        let mut found = Vec::new();
        for (place, at) in places.iter().zip(positions) {
            let seed = self.snapshots.newest(&aside, S::VERSION, place, *at)?;
            found.extend(seed.filter(|seed| seed.header.next_offset == *at));
        }
        Ok((found.len() == places.len()).then_some(found))
    }

    fn put_aside<S: Stage>(
        &self,
        places: &[TopicPartition],
        committed: &[Option<Committed>],
        positions: &[i64],
        load: impl Fn(&[u8]) -> Result<S, forecall_stage::SnapshotError>,
        divide: impl FnOnce(&[S]) -> Result<Parts<S>, HostError>,
    ) -> Result<Divided, HostError> {
        let (mut parts, mut counts) = (Vec::new(), Vec::new());
        for (place, at) in places.iter().zip(committed) {
            let Some(at) = at else {
                counts.push(Counts::default());
                continue;
            };
            let found = self
                .snapshots
                .newest(S::NAME, S::VERSION, place, at.next_offset)?
                .filter(|snapshot| snapshot.header.next_offset == at.next_offset)
                .ok_or_else(|| {
                    refused(format!(
                        "the memory of {} for {place} isn't saved at its committed position {}: say --drain",
                        S::NAME,
                        at.next_offset
                    ))
                })?;
            counts.push(found.header.checkpoint.counts);
            parts.push(load(&found.state).map_err(|source| self.unsaved::<S>(place, source))?);
        }
        let (stages, told) = divide(&parts)?;
        for (((place, stage), next_offset), counts) in places.iter().zip(&stages).zip(positions).zip(counts) {
            let header = SnapshotHeader {
                stage: self.aside(S::NAME),
                topic: self.topic.to_owned(),
                partition: place.partition,
                next_offset: *next_offset,
                checkpoint: Checkpoint {
                    version: S::VERSION,
                    settings: Fingerprint::of(b"rekeyed"),
                    digest: Digest::default(),
                    // What was read stays read: the books of the partition go on.
                    counts,
                },
            };
            let state = stage.save().map_err(|source| self.unsaved::<S>(place, source))?;
            self.snapshots
                .save(place, Snapshot { header, state }, &Superseded::default())?;
            crash::point("aside_saved");
        }
        Ok(told)
    }

    fn unsaved<S: Stage>(&self, place: &TopicPartition, source: forecall_stage::SnapshotError) -> HostError {
        HostError::Save {
            stage: S::NAME.to_owned(),
            partition: place.to_string(),
            source,
        }
    }
}
