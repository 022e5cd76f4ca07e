use forecall_types::Fingerprint;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::Checkpoint;

/// First bytes of every snapshot; the last one is the version of the envelope.
const MAGIC: [u8; 8] = *b"FCSNAP\0\x01";

/// Why a snapshot can't be used. The host takes the next older one.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The state can't be written.
    #[error("failed to encode the state")]
    Encode(#[source] postcard::Error),
    /// The state can't be read: another version wrote it.
    #[error("failed to decode the state")]
    Decode(#[source] postcard::Error),
    /// Torn, flipped, or no snapshot at all.
    #[error("not a whole snapshot: {0}")]
    Damaged(&'static str),
}

/// What a snapshot is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHeader {
    /// Name of the stage.
    pub stage: String,
    /// Topic of the partition.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset after the last record in it: a committed position.
    pub next_offset: i64,
    /// What proves it.
    pub checkpoint: Checkpoint,
}

/// A stage's memory at a committed position: header, state, and a checksum over both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What it is of.
    pub header: SnapshotHeader,
    /// What [`Stage::save`](crate::Stage::save) wrote.
    pub state: Vec<u8>,
}

impl Snapshot {
    /// As bytes: magic, body, XXH3-128 of the body.
    ///
    /// # Errors
    /// [`SnapshotError::Encode`].
    pub fn encode(&self) -> Result<Vec<u8>, SnapshotError> {
        let body = postcard::to_stdvec(&(&self.header, &self.state)).map_err(SnapshotError::Encode)?;
        let mut bytes = Vec::with_capacity(MAGIC.len() + body.len() + 16);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&Fingerprint::of(&body).as_u128().to_le_bytes());
        Ok(bytes)
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] if a single bit is off, [`SnapshotError::Decode`] if another version wrote it.
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let rest = bytes
            .strip_prefix(&MAGIC)
            .ok_or(SnapshotError::Damaged("it doesn't begin as one"))?;
        let (body, sum) = rest
            .split_last_chunk::<16>()
            .ok_or(SnapshotError::Damaged("it is shorter than its checksum"))?;
        if Fingerprint::of(body).as_u128().to_le_bytes() != *sum {
            return Err(SnapshotError::Damaged("the checksum differs"));
        }
        let (header, state) = postcard::from_bytes(body).map_err(SnapshotError::Decode)?;
        Ok(Self { header, state })
    }
}

/// Writes a state that serde knows; maps must be ordered, so that the same state gives the same bytes.
///
/// # Errors
/// [`SnapshotError::Encode`].
pub fn encode_state<T: Serialize>(state: &T) -> Result<Vec<u8>, SnapshotError> {
    postcard::to_stdvec(state).map_err(SnapshotError::Encode)
}

/// Reads what [`encode_state`] wrote.
///
/// # Errors
/// [`SnapshotError::Decode`].
pub fn decode_state<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SnapshotError> {
    postcard::from_bytes(bytes).map_err(SnapshotError::Decode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counts, Digest};

    fn sample() -> Snapshot {
        Snapshot {
            header: SnapshotHeader {
                stage: "detect".into(),
                topic: "t".into(),
                partition: 3,
                next_offset: 42,
                checkpoint: Checkpoint {
                    version: 1,
                    settings: Fingerprint::of(b""),
                    digest: Digest::default(),
                    counts: Counts::default(),
                },
            },
            state: (0..=255).collect(),
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let good = sample().encode().unwrap();
        assert_eq!(Snapshot::decode(&good).unwrap(), sample());
        for byte in 0..good.len() {
            let mut bad = good.clone();
            bad[byte] ^= 1;
            assert!(Snapshot::decode(&bad).is_err(), "bit of byte {byte}");
            assert!(Snapshot::decode(&good[..byte]).is_err(), "cut at {byte}");
        }
    }
}
