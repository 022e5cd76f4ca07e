//! How far sources have come, and time itself: the records that make silence and overdue promises visible.

use super::scalar::{Name, Offset, Time};
use super::shape::published;

published! {
    /// One partition that is read.
    #[derive(Eq)]
    Source of SourcePartition {
        /// Topic, or the folder of a replay.
        topic: String = topic,
        /// Partition.
        partition: i32 = partition,
    }
}

published! {
    /// How far one source partition has come, for one domain.
    #[derive(Eq)]
    Heartbeat of Heartbeat {
        /// Domain of the source.
        domain: Name = domain,
        /// The partition that is read.
        source: Source = source,
        /// Next offset to be read.
        next_offset: Offset = next_offset,
        /// Nothing earlier will come from here.
        watermark: Time = watermark,
        /// Nothing comes at present.
        idle: bool = idle,
        /// Where nothing comes: up to when that is known, the allowed lateness taken off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        silent_until: Option<Time> = silent_until,
        /// The reader stands at the partition's end: only then is silence silence.
        caught_up: bool = caught_up,
    }
}

published! {
    /// Time, written into a stage's own log by the owner of the partition.
    #[derive(Eq)]
    Tick of Tick {
        /// The owner's clock when it was written; never goes back.
        at: Time = at,
    }
}
