use forecall_log::TopicPartition;
use forecall_observe::{Metric, Metrics};
use forecall_stage::{Checkpoint, Effects, Stage};
use forecall_types::invariant::InvariantId;
use forecall_types::{Fingerprint, Reject, check_invariant};
use tracing::{error, info, warn};

use crate::host::hosted::{Gathered, Hosted, What};
use crate::host::{Adapter, Effect, HostError, OutputOf, Work};

/// Steps the records of one partition.
pub(super) struct Stepper<'a, A: Adapter> {
    pub(super) adapter: &'a A,
    pub(super) metrics: &'a Metrics,
    pub(super) partition: &'a TopicPartition,
    pub(super) settings: Fingerprint,
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
        };
        let partition = self.partition;
        match committed.metadata.parse::<Checkpoint>() {
            Ok(wanted) if wanted == found => {
                info!(stage, %partition, offset = committed.next_offset, "restored: the digest is the committed one");
            }
            Ok(wanted) if wanted.version == found.version && wanted.settings == found.settings => {
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
        Ok(())
    }

    pub(super) fn step(&mut self, hosted: &mut Hosted<A>, record: Gathered<A>, work: &mut Work) {
        let muted = hosted.restoring;
        check_invariant!(
            InvariantId::L1,
            record.offset >= hosted.next_offset,
            "{}: offset {} after {}",
            self.partition,
            record.offset,
            hosted.next_offset
        );
        hosted.digest.record(record.offset, record.payload);
        hosted.next_offset = record.offset + 1;
        match record.what {
            What::Input(input) => {
                let mut effects = Effects::default();
                hosted.stage.step(&input, &mut effects);
                let mut performed = Vec::new();
                self.perform(hosted, effects, muted, &mut performed);
                if !performed.is_empty() {
                    work.parts
                        .entry(self.partition.clone())
                        .or_default()
                        .effects
                        .append(&mut performed);
                }
            }
            What::Nothing => {}
            What::Refused(reject, letter) => {
                if muted {
                    return;
                }
                self.count(&reject);
                if let Some(letter) = letter {
                    self.metrics.inc(Metric::DeadLettersTotal, &[A::Stage::NAME], 1);
                    work.own.push(letter);
                }
            }
        }
    }

    fn count(&self, reject: &Reject) {
        self.metrics
            .inc(Metric::RejectsTotal, &[A::Stage::NAME, reject.reason.as_str()], 1);
    }

    /// Encodes and hashes the effects; muted ones go no further.
    pub(super) fn perform(
        &mut self,
        hosted: &mut Hosted<A>,
        mut effects: Effects<OutputOf<A>>,
        muted: bool,
        into: &mut Vec<Effect>,
    ) {
        let (outputs, rejects) = effects.drain();
        if !muted {
            rejects.for_each(|reject| self.count(&reject));
        }
        let mut encoded = Vec::new();
        for output in outputs {
            if let Err(reject) = self.adapter.encode(self.partition, output, &mut encoded) {
                self.count(&reject);
                error!(stage = A::Stage::NAME, partition = %self.partition, reason = %reject.detail, "an output was refused");
            }
        }
        for effect in &encoded {
            digest_effect(hosted, effect);
        }
        if !muted {
            self.metrics.inc(
                Metric::OutputsTotal,
                &[A::Stage::NAME, "all"],
                u64::try_from(encoded.len()).unwrap_or(u64::MAX),
            );
            into.append(&mut encoded);
        }
    }
}

fn digest_effect<A: Adapter>(hosted: &mut Hosted<A>, effect: &Effect) {
    let digest = &mut hosted.digest;
    match effect {
        Effect::Publish(r) => {
            digest.effect(&r.topic, r.key.as_deref().unwrap_or_default(), r.value.as_deref())
        }
        Effect::Intend(intent) => digest.effect("intent", intent.id.as_str().as_bytes(), None),
        Effect::Word(notice, text) => {
            digest.effect("words", notice.as_str().as_bytes(), Some(text.body.as_bytes()));
        }
        Effect::Kill(on) => digest.effect("kill", &[u8::from(*on)], None),
        Effect::Cancel(notice, reason) => {
            digest.effect(
                "cancel",
                notice.as_str().as_bytes(),
                Some(reason.as_str().as_bytes()),
            );
        }
    }
}
