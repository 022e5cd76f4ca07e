use std::panic::{AssertUnwindSafe, catch_unwind};

use forecall_ledger::Kept;
use forecall_log::{OutRecord, TopicPartition, crash};
use forecall_observe::{Metric, Metrics};
use forecall_stage::{Checkpoint, Digest, Effects, Stage};
use forecall_types::invariant::InvariantId;
use forecall_types::{Fingerprint, Reject, RejectReason, check_invariant};
use tracing::{error, info, warn};

use crate::host::hosted::{Gathered, Hosted, What};
use crate::host::planner::PANICS_MAX;
use crate::host::{Adapter, Effect, HostError, OutputOf, what_it_said};
use crate::snapshots::SnapshotStore;

/// Steps the records of one partition.
pub(super) struct Stepper<'a, A: Adapter> {
    pub(super) adapter: &'a A,
    pub(super) metrics: &'a Metrics,
    pub(super) partition: &'a TopicPartition,
    pub(super) settings: Fingerprint,
    pub(super) snapshots: &'a SnapshotStore,
}

impl<A: Adapter> Stepper<'_, A> {
    /// Once re-reading has reached the committed position (`reached` ≥ it), compares the digests.
    pub(super) fn finish_restore(&mut self, hosted: &mut Hosted<A>, reached: i64) -> Result<(), HostError> {
        let Some(committed) = hosted
            .committed
            .as_ref()
            .filter(|c| hosted.restoring && reached >= c.next_offset)
        else {
            return Ok(());
        };
        hosted.restoring = false;
        let stage = A::Stage::NAME;
        let found = Checkpoint {
            version: A::Stage::VERSION,
            settings: self.settings,
            digest: hosted.digest,
            counts: hosted.counts,
        };
        let partition = self.partition;
        match committed.metadata.parse::<Checkpoint>() {
            Ok(wanted) if wanted == found => {
                info!(stage, %partition, offset = committed.next_offset, "restored: the digest is the committed one");
            }
            Ok(wanted)
                if wanted.version == found.version
                    && wanted.settings == found.settings
                    // Where the settings changed on the way, what came before was decided under others: nothing is proved.
                    && hosted.began_under.is_none_or(|settings| settings == found.settings) =>
            {
                self.metrics.inc(Metric::DigestMismatchTotal, &[stage], 1);
                return Err(HostError::DigestMismatch {
                    stage,
                    partition: partition.to_string(),
                    offset: committed.next_offset,
                    found: found.digest.to_string(),
                    committed: wanted.digest.to_string(),
                });
            }
            Ok(_) | Err(_) => {
                self.metrics.inc(Metric::AdoptedTotal, &[stage], 1);
                warn!(stage, %partition, "adopted: another version, other settings or another tool committed here");
            }
        }
        hosted.next_offset = hosted.next_offset.max(committed.next_offset);
        crash::point("restored");
        Ok(())
    }

    /// Steps one record; what it comes to waits in `hosted.pending`.
    pub(super) fn step(&mut self, hosted: &mut Hosted<A>, record: Gathered<A>) -> Result<(), HostError> {
        let muted = hosted.restoring;
        check_invariant!(
            InvariantId::L1,
            record.offset >= hosted.next_offset,
            "{}: offset {} after {}",
            self.partition,
            record.offset,
            hosted.next_offset
        );
        match record.what {
            What::Input(input) => {
                let mut effects = Effects::default();
                catch_unwind(AssertUnwindSafe(|| {
                    hosted.stage.step(&input, &mut effects);
                    self.adapter.stepped(self.partition, &mut hosted.stage);
                    hosted.digest.record(record.offset, record.payload);
                    self.perform(hosted, effects, muted);
                }))
                .map_err(|panic| self.panicked(record.offset, what_it_said(panic.as_ref())))?;
                hosted.spare.push(input);
            }
            What::Nothing => hosted.digest.record(record.offset, record.payload),
            What::Refused(reject, letter) => {
                hosted.digest.record(record.offset, record.payload);
                self.refuse(hosted, &reject, letter, muted);
            }
            What::Panicked(what) => return Err(self.panicked(record.offset, what)),
        }
        hosted.next_offset = record.offset + 1;
        hosted.counts.records += 1;
        Ok(())
    }

    fn refuse(&self, hosted: &mut Hosted<A>, reject: &Reject, letter: Option<OutRecord>, muted: bool) {
        if letter.is_some() {
            hosted.counts.dead_letters += 1;
        } else {
            hosted.counts.refused += 1;
        }
        if muted {
            return;
        }
        self.count(reject);
        if reject.reason == RejectReason::Quarantined {
            error!(stage = A::Stage::NAME, partition = %self.partition, "a record is left out: the stage has panicked on it twice");
        }
        if let Some(letter) = letter {
            self.metrics.inc(Metric::DeadLettersTotal, &[A::Stage::NAME], 1);
            hosted.pending.letters.push(letter);
        }
    }

    /// Notes a panic of decoding, stepping or encoding: the memory it leaves behind is worth nothing, so the host must end.
    fn panicked(&self, offset: i64, what: String) -> HostError {
        let (stage, partition) = (A::Stage::NAME, self.partition.to_string());
        match self.snapshots.note_panic(stage, self.partition, offset) {
            Ok(times) => HostError::StagePanicked {
                stage,
                partition,
                offset,
                times,
                what,
                next: if times < PANICS_MAX {
                    "it is tried once more"
                } else {
                    "it is a dead letter, and left out"
                },
            },
            Err(error) => error,
        }
    }

    fn count(&self, reject: &Reject) {
        self.metrics
            .inc(Metric::RejectsTotal, &[A::Stage::NAME, reject.reason.as_str()], 1);
    }

    /// Encodes and hashes the effects; muted ones go no further.
    pub(super) fn perform(&mut self, hosted: &mut Hosted<A>, mut effects: Effects<OutputOf<A>>, muted: bool) {
        let (outputs, rejects) = effects.drain();
        for reject in rejects {
            hosted.counts.parts_refused += 1;
            if !muted {
                self.count(&reject);
            }
        }
        let first = hosted.pending.effects.len();
        for output in outputs {
            if let Err(reject) = self
                .adapter
                .encode(self.partition, output, &mut hosted.pending.effects)
            {
                self.count(&reject);
                error!(stage = A::Stage::NAME, partition = %self.partition, reason = %reject.detail, "an output was refused");
            }
        }
        for effect in hosted.pending.effects.iter().skip(first) {
            digest_effect(&mut hosted.digest, effect);
        }
        if muted {
            hosted.pending.effects.truncate(first);
        } else if hosted.pending.effects.len() > first {
            let count = hosted.pending.effects.len() - first;
            self.metrics.inc(
                Metric::OutputsTotal,
                &[A::Stage::NAME, "all"],
                u64::try_from(count).unwrap_or(u64::MAX),
            );
        }
    }
}

fn digest_effect(digest: &mut Digest, effect: &Effect) {
    match effect {
        Effect::Publish(r) => {
            digest.effect(&r.topic, r.key.as_deref().unwrap_or_default(), r.value.as_deref())
        }
        Effect::Intend(intent) => digest.effect("intent", intent.id.as_str().as_bytes(), None),
        Effect::Word(notice, text) => {
            digest.effect("words", notice.as_str().as_bytes(), Some(text.body.as_bytes()));
        }
        // A notice is published beside it, an incident is the record's payload.
        Effect::Keep(Kept::Notice(notice)) => digest.effect("keep", notice.id.as_str().as_bytes(), None),
        Effect::Keep(Kept::Incident(incident)) => {
            digest.effect("keep", incident.id.as_str().as_bytes(), None);
        }
        Effect::Keep(Kept::Withheld(withheld)) => {
            let whom = withheld
                .customers
                .iter()
                .fold(Fingerprint::default(), |print, id| {
                    print.chain(id.as_str().as_bytes())
                });
            let why = format!("{} {whom}", withheld.reason.as_str());
            digest.effect(
                "withhold",
                withheld.notice.as_str().as_bytes(),
                Some(why.as_bytes()),
            );
        }
        Effect::Kill(on) => digest.effect("kill", &[u8::from(*on)], None),
        // The addresses themselves are in the record's payload, which the digest has already.
        Effect::Know(row) => digest.effect("know", row.customer.id.as_str().as_bytes(), None),
        Effect::Forget(customer, _) => digest.effect("forget", customer.as_str().as_bytes(), None),
        Effect::Cancel(cancel) => {
            let whom = cancel.customer.as_ref().map_or("", |id| id.as_str());
            let why = format!("{} {whom}", cancel.reason.as_str());
            digest.effect("cancel", cancel.notice.as_str().as_bytes(), Some(why.as_bytes()));
        }
    }
}
