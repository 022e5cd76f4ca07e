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
        self.clone().into_bytes()
    }

    /// As [`encode`](Self::encode), in the memory of the state, which may be half of all there is.
    ///
    /// # Errors
    /// [`SnapshotError::Encode`].
    pub fn into_bytes(self) -> Result<Vec<u8>, SnapshotError> {
        let mut bytes = self.state;
        let mut front = MAGIC.to_vec();
        // As postcard would write the pair: the state is a list of bytes, so its length stands before it.
        let head = postcard::to_stdvec(&(&self.header, bytes.len())).map_err(SnapshotError::Encode)?;
        front.extend(head);
        bytes.reserve_exact(front.len() + size_of::<u128>());
        bytes.splice(..0, front);
        let sum = Fingerprint::of(bytes.get(MAGIC.len()..).unwrap_or_default());
        bytes.extend_from_slice(&sum.as_u128().to_le_bytes());
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
        let ((header, len), state): ((_, usize), _) =
            postcard::take_from_bytes(body).map_err(SnapshotError::Decode)?;
        if len != state.len() {
            return Err(SnapshotError::Damaged("its state has another length"));
        }
        Ok(Self {
            header,
            state: state.to_vec(),
        })
    }
}

/// A stage's memory at one moment, to be written while the stage goes on: by another thread, where there is one.
pub struct Image(Box<dyn FnOnce() -> Result<Vec<u8>, SnapshotError> + Send>);

impl Image {
    /// What is still to be written; `write` holds all it needs.
    pub fn new(write: impl FnOnce() -> Result<Vec<u8>, SnapshotError> + Send + 'static) -> Self {
        Self(Box::new(write))
    }

    /// What is written already: for a memory so small that nobody waits for it.
    pub fn written(bytes: Vec<u8>) -> Self {
        Self::new(move || Ok(bytes))
    }

    /// As bytes: those [`Stage::save`](crate::Stage::save) would have given when the image was taken.
    ///
    /// # Errors
    /// [`SnapshotError::Encode`].
    pub fn write(self) -> Result<Vec<u8>, SnapshotError> {
        (self.0)()
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Image")
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
        let plain = postcard::to_stdvec(&(sample().header, sample().state)).unwrap();
        assert_eq!(
            good.get(MAGIC.len()..good.len() - 16),
            Some(&*plain),
            "a pair, as serde writes it"
        );
        assert_eq!(Snapshot::decode(&good).unwrap(), sample());
        for byte in 0..good.len() {
            let mut bad = good.clone();
            bad[byte] ^= 1;
            assert!(Snapshot::decode(&bad).is_err(), "bit of byte {byte}");
            assert!(Snapshot::decode(&good[..byte]).is_err(), "cut at {byte}");
        }
    }
}
