//! What a stage is: a pure state machine over one partition of one log.
//!
//! Live, replay, simulation and tests run the same [`Stage`]; only what hosts it differs. The crate also holds what makes
//! such a run provable: the running [`Digest`] over inputs and effects, the [`Checkpoint`] that stands in a committed
//! position's metadata, and the [`Snapshot`] a stage's memory is kept in. It knows no topic's format, no clock, no disk.
//!
//! ```
//! use forecall_stage::{Effects, SnapshotError, Stage};
//!
//! struct Sum(u64);
//! impl Stage for Sum {
//!     type Settings = ();
//!     type Input = u64;
//!     type Output = u64;
//!     const NAME: &'static str = "sum";
//!     const VERSION: u32 = 1;
//!     fn step(&mut self, input: &u64, effects: &mut Effects<u64>) {
//!         self.0 += input;
//!         effects.emit(self.0);
//!     }
//!     fn save(&self) -> Result<Vec<u8>, SnapshotError> {
//!         forecall_stage::encode_state(&self.0)
//!     }
//!     fn load((): (), bytes: &[u8]) -> Result<Self, SnapshotError> {
//!         forecall_stage::decode_state(bytes).map(Sum)
//!     }
//! }
//! let mut effects = Effects::default();
//! Sum(1).step(&2, &mut effects);
//! assert_eq!(effects.outputs(), [3]);
//! ```

mod checkpoint;
mod chunks;
mod effects;
mod snapshot;

pub use checkpoint::{Checkpoint, Counts, Digest, NotACheckpoint};
pub use chunks::{Chunks, Piece};
pub use effects::Effects;
pub use snapshot::{Image, Snapshot, SnapshotError, SnapshotHeader, decode_state, encode_state};

use forecall_types::{EventTime, SourceTopic};

/// What the host knows of a partition that the records don't say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse<'a> {
    /// Now, by the host's clock.
    pub at: EventTime,
    /// Offset after the last record stepped.
    pub next_offset: i64,
    /// The partition's end is reached.
    pub caught_up: bool,
    /// Nothing came for the idle time-out, while the host was looking.
    pub idle: bool,
    /// The pulse before: if the partition's end is reached now, whatever was appended before then has been stepped. `None`
    /// at the first one.
    pub looked_at: Option<EventTime>,
    /// The topics that the stage's group reads; empty for stages that don't ask for them.
    pub topics: &'a [SourceTopic],
}

/// A pure state machine over one partition: same inputs, same outputs, byte for byte.
pub trait Stage: Sized {
    /// Checked settings; a digest of them stands in the [`Checkpoint`].
    type Settings;
    /// One decoded record.
    type Input;
    /// One effect: an event to publish, an intent to write down.
    type Output;

    /// Name of the stage in groups, metrics and snapshots.
    const NAME: &'static str;
    /// Raised whenever the same input may give another output or another state.
    const VERSION: u32;
    /// Keeps nothing between two records: after a restart it goes on at the committed position, without snapshot and without
    /// re-reading (which a compacted input would not give again).
    const STATELESS: bool = false;

    /// Takes one record and says what is to happen.
    fn step(&mut self, input: &Self::Input, effects: &mut Effects<Self::Output>);

    /// Says how far it is, without changing: heartbeats are made here. They hang on the host's clock, so they are no part
    /// of the digest.
    fn pulse(&self, pulse: Pulse<'_>, effects: &mut Effects<Self::Output>) {
        let _ = (pulse, effects);
    }

    /// Its whole memory as bytes.
    ///
    /// # Errors
    /// [`SnapshotError::Encode`]: the state holds something that can't be written (our bug).
    fn save(&self) -> Result<Vec<u8>, SnapshotError>;

    /// The memory as it is now, to be [written](Image::write) while the stage goes on: the same bytes as [`save`](Self::save)
    /// would give now. A stage whose memory is large shares it here instead of writing it, so that no record waits for it.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    fn image(&mut self) -> Result<Image, SnapshotError> {
        self.save().map(Image::written)
    }

    /// The stage with the memory that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`SnapshotError::Decode`]: the bytes are of another version.
    fn load(settings: Self::Settings, bytes: &[u8]) -> Result<Self, SnapshotError>;
}
