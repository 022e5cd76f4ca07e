//! A partition that starts cold: its stage forgets what it knows and goes on at the committed position.
//!
//! The group's position stays; beside it stands, instead of a checkpoint, who reset it and why. A snapshot without memory is
//! put at that position, so that every later restart begins there and comes to the same digest.

use forecall_config::Settings;
use forecall_detect::{DetectStage, RekeySettings, RekeyStage};
use forecall_incident::CorrelateStage;
use forecall_journey::JourneyStage;
use forecall_ledger::{CommitOutcome, Ledger, LedgerCommit, LedgerPosition};
use forecall_log::{Committed, Log, LogError, TopicPartition, Transaction};
use forecall_outreach::OutreachStage;
use forecall_stage::{Checkpoint, Counts, Digest, Snapshot, SnapshotError, SnapshotHeader, Stage};
use forecall_types::{EventTime, Fingerprint};
use forecall_wire::event::TopicId;
use serde_json::json;
use std::sync::Arc;

use crate::host::HostError;
use crate::pipeline::Roles;
use crate::snapshots::{SnapshotStore, Superseded};
use crate::stages::source_of;
use crate::topics::{topic_uses, used_partitions};

/// Characters of a position's text: what a broker keeps of it.
const TEXT_MAX: usize = 128;

/// What is to be reset.
#[derive(Debug, Clone)]
pub struct Reset {
    /// The stage: the last word of its consumer group.
    pub stage: String,
    /// The partition.
    pub partition: TopicPartition,
    /// Why, in the operator's words.
    pub reason: String,
    /// When.
    pub at: EventTime,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetDone {
    /// The position it goes on at.
    pub next_offset: i64,
    /// Snapshots removed.
    pub removed: usize,
}

fn refused(what: String) -> HostError {
    HostError::Settings(what)
}

/// The topic that a stage reads, where it reads one only; the choice where it reads several.
///
/// # Errors
/// The stage isn't known, reads nothing, or reads several topics.
pub fn stage_of_topic(settings: &Settings, stage: &str, topic: Option<&str>) -> Result<String, HostError> {
    let mut topics: Vec<String> = topic_uses(settings, Roles::ALL)
        .into_iter()
        .filter(|u| u.stage == stage && u.part.is_read())
        .map(|u| u.topic)
        .collect();
    topics.dedup();
    match topic {
        Some(topic) if topics.iter().any(|t| t == topic) => Ok(topic.to_owned()),
        Some(topic) => Err(refused(format!(
            "stage `{stage}` doesn't read topic `{topic}`: {topics:?}"
        ))),
        None => match topics.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(refused(format!(
                "no stage `{stage}` with topics: it is one of rekey, detect, journeys, correlate, outreach"
            ))),
            several => Err(refused(format!(
                "stage `{stage}` reads several topics; say which with --topic: {}",
                several.join(", ")
            ))),
        },
    }
}

/// Version and memory of a stage that has seen nothing.
fn cold(
    settings: &Settings,
    log: &dyn Log,
    stage: &str,
    partition: &TopicPartition,
) -> Result<(u32, Vec<u8>), HostError> {
    fn saved<S: Stage>(stage: &S, partition: &TopicPartition) -> Result<(u32, Vec<u8>), HostError> {
        let failed = |source: SnapshotError| HostError::Save {
            stage: S::NAME.to_owned(),
            partition: partition.to_string(),
            source,
        };
        Ok((S::VERSION, stage.save().map_err(failed)?))
    }
    match stage {
        "rekey" => {
            let samples = settings.topic_names().name(TopicId::Samples);
            let rekey = RekeySettings {
                partitions: u32::try_from(used_partitions(settings, log, &samples)?).unwrap_or(u32::MAX),
                future_seconds: settings.detect.future_seconds,
            };
            let source = settings.sources.iter().find(|s| *s.topic == *partition.topic);
            let domain = source.map_or(&settings.domain, |s| &s.domain).clone();
            let stage = RekeyStage::new(Arc::new(rekey), source_of(partition), domain);
            saved(&stage, partition)
        }
        "detect" => saved(
            &DetectStage::new(Arc::clone(&settings.detect), source_of(partition)),
            partition,
        ),
        "correlate" => saved(&CorrelateStage::new(Arc::clone(&settings.correlate)), partition),
        "journeys" => saved(&JourneyStage::new(Arc::clone(&settings.journeys)), partition),
        "outreach" => saved(&OutreachStage::new(Arc::clone(&settings.outreach)), partition),
        other => Err(refused(format!(
            "stage `{other}` keeps no memory: there is nothing to reset (rekey, detect, journeys, correlate, outreach do)"
        ))),
    }
}

/// What stands beside the position from now on.
pub(crate) fn words(what: &str, at: EventTime, reason: &str) -> String {
    let text = format!("{what} at {}: {reason}", at.nanos() / 1_000_000_000);
    text.chars()
        .map(|c| if c.is_ascii() && !c.is_control() { c } else { '?' })
        .take(TEXT_MAX)
        .collect()
}

/// Resets one partition. All processes of the stage must be stopped; the caller sees to it. For `outreach`, and to leave an
/// entry in the audit chain, the ledger is needed.
///
/// # Errors
/// Nothing is committed there, the stage keeps no memory, or log, ledger or snapshots refuse. It may be repeated.
pub fn reset_partition(
    settings: &Settings,
    log: &dyn Log,
    snapshots: &SnapshotStore,
    mut ledger: Option<&mut Ledger>,
    reset: &Reset,
) -> Result<ResetDone, HostError> {
    let place = &reset.partition;
    let (version, state) = cold(settings, log, &reset.stage, place)?;
    let group = format!("{}.{}", settings.group, reset.stage);
    let identity = format!("{group}.reset");
    let (next_offset, before) = if reset.stage == "outreach" {
        let Some(ledger) = ledger.as_deref_mut() else {
            return Err(refused(
                "outreach's position is in the ledger: reset it on the host that has it".into(),
            ));
        };
        in_ledger(ledger, &identity, place, &words("reset", reset.at, &reset.reason))?
    } else {
        in_group(
            log,
            &group,
            &identity,
            place,
            &words("reset", reset.at, &reset.reason),
        )?
    };
    // The position first: a crash from here on leaves a partition that re-reads and is adopted, never one that is wrong.
    let removed = snapshots.remove_all(&reset.stage, place)?;
    let checkpoint = Checkpoint {
        version,
        settings: Fingerprint::of(b"reset"),
        digest: Digest::default(),
        // What was read stays read: the books go on.
        counts: before
            .parse::<Checkpoint>()
            .map_or_else(|_| Counts::default(), |p| p.counts),
    };
    let header = SnapshotHeader {
        stage: reset.stage.clone(),
        topic: place.topic.to_string(),
        partition: place.partition,
        next_offset,
        checkpoint,
    };
    snapshots.save(place, Snapshot { header, state }, &Superseded::default())?;
    if let Some(ledger) = ledger {
        ledger.note(&json!({
            "kind": "reset", "stage": reset.stage, "topic": &*place.topic, "partition": place.partition,
            "next_offset": next_offset, "before": before, "reason": reset.reason, "at": reset.at.nanos(),
        }))?;
    }
    tracing::warn!(
        stage = reset.stage, %place, next_offset, removed, reason = reset.reason, "partition reset: it starts cold"
    );
    Ok(ResetDone { next_offset, removed })
}

fn nothing_there(place: &TopicPartition) -> HostError {
    refused(format!("nothing is committed for {place}: it starts cold anyway"))
}

fn in_group(
    log: &dyn Log,
    group: &str,
    identity: &str,
    place: &TopicPartition,
    text: &str,
) -> Result<(i64, String), HostError> {
    let at = log.committed(group, std::slice::from_ref(place))?;
    let at: Committed = at
        .into_iter()
        .flatten()
        .next()
        .ok_or_else(|| nothing_there(place))?;
    let position = Committed {
        next_offset: at.next_offset,
        metadata: text.to_owned(),
    };
    log.writer(identity)?.commit_for(
        group,
        &Transaction {
            records: Vec::new(),
            positions: vec![(place.clone(), position)],
        },
    )?;
    Ok((at.next_offset, at.metadata))
}

fn in_ledger(
    ledger: &mut Ledger,
    identity: &str,
    place: &TopicPartition,
    text: &str,
) -> Result<(i64, String), HostError> {
    let at = ledger.position(place)?.ok_or_else(|| nothing_there(place))?;
    let epoch = ledger.acquire(place, identity)?;
    let position = LedgerPosition {
        next_offset: at.next_offset,
        checkpoint: text.to_owned(),
    };
    let commit = LedgerCommit {
        position: &position,
        ..LedgerCommit::nothing()
    };
    match ledger.commit(&epoch, &commit)? {
        CommitOutcome::Committed(_) => Ok((at.next_offset, at.checkpoint)),
        CommitOutcome::Fenced => Err(LogError::Fenced {
            identity: identity.to_owned(),
        }
        .into()),
    }
}
