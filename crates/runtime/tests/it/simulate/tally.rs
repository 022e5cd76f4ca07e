//! The smallest stage whose every output hangs on all records before it: a lost, doubled or reordered one shows.

use std::collections::VecDeque;
use std::sync::Arc;

use forecall_log::{OutRecord, RecordRef, TopicPartition};
use forecall_runtime::HostError;
use forecall_runtime::host::{Adapter, Effect, Host};
use forecall_stage::{Effects, SnapshotError, Stage, decode_state, encode_state};
use forecall_types::{Fingerprint, Reject, RejectReason};

use super::fleet::Process;

/// Numbers remembered, to refuse a doubled one.
pub(crate) const REMEMBERED: usize = 8;

#[derive(Default)]
pub(crate) struct Tally {
    chain: u64,
    seen: VecDeque<u64>,
    /// A planted fault: what was seen is no part of the snapshot.
    forgetful: bool,
}

impl Stage for Tally {
    type Settings = bool;
    type Input = u64;
    type Output = (u64, u64);
    const NAME: &'static str = "tally";
    const VERSION: u32 = 1;

    fn step(&mut self, number: &u64, effects: &mut Effects<(u64, u64)>) {
        if self.seen.contains(number) {
            effects.reject(RejectReason::Duplicate, "seen before");
            return;
        }
        if self.seen.len() == REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back(*number);
        self.chain = self.chain.wrapping_mul(31).wrapping_add(*number);
        for _ in 0..number % 3 {
            effects.emit((*number, self.chain));
        }
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        let seen = if self.forgetful {
            &VecDeque::new()
        } else {
            &self.seen
        };
        encode_state(&(self.chain, seen))
    }

    fn load(forgetful: bool, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (chain, seen) = decode_state(bytes)?;
        Ok(Self {
            chain,
            seen,
            forgetful,
        })
    }
}

pub(crate) struct TallyAdapter {
    pub(crate) forgetful: bool,
}

impl Adapter for TallyAdapter {
    type Stage = Tally;
    type Memory = ();

    fn settings_digest(&self) -> Fingerprint {
        Fingerprint::of(b"tally")
    }

    fn create(&self, _: &TopicPartition) -> Tally {
        Tally {
            forgetful: self.forgetful,
            ..Tally::default()
        }
    }

    fn load(&self, _: &TopicPartition, state: &[u8]) -> Result<Tally, SnapshotError> {
        Tally::load(self.forgetful, state)
    }

    fn decode(&self, record: &RecordRef<'_>) -> Result<Option<u64>, Reject> {
        let Some(value) = record.value else {
            return Ok(None);
        };
        match value {
            b"late" => Err(Reject::new(RejectReason::Late, "too late")),
            _ => std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok())
                .map(Some)
                .ok_or_else(|| Reject::new(RejectReason::Malformed, "not a number")),
        }
    }

    fn encode(
        &self,
        partition: &TopicPartition,
        (number, chain): (u64, u64),
        into: &mut Vec<Effect>,
    ) -> Result<(), Reject> {
        let text = format!("{}:{chain}", partition.partition);
        let mut own = OutRecord::new("out", b"k".to_vec(), text.clone().into_bytes());
        own.partition = Some(partition.partition);
        into.push(Effect::Publish(own));
        if number % 5 == 0 {
            let key = (number % 7).to_string().into_bytes();
            into.push(Effect::Publish(OutRecord::new("spread", key, text.into_bytes())));
        }
        Ok(())
    }

    fn dead_letter(&self, record: &RecordRef<'_>, _: &Reject) -> Option<OutRecord> {
        let place = format!("{}@{}", record.partition, record.offset);
        let topic: Arc<str> = Arc::from("dead");
        Some(OutRecord {
            topic,
            partition: None,
            key: Some(place.into_bytes()),
            value: record.value.map(<[u8]>::to_vec),
            headers: Vec::new(),
        })
    }
}

impl<A: Adapter> Process for Host<A> {
    fn turn(&mut self) -> Result<bool, HostError> {
        Self::turn(self, std::time::Duration::ZERO)
    }

    fn stop(self: Box<Self>) -> Result<(), HostError> {
        Self::stop(*self)
    }
}
