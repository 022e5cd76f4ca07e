use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{EventTime, Remark};

/// How far planned work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkStage {
    /// It is to come.
    Announced,
    /// Its time has come.
    Started,
    /// Its time is over, and its signs are still there.
    Overrun,
    /// Over.
    Ended,
    /// It will not come.
    Cancelled,
}

impl WorkStage {
    /// The name used in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Started => "started",
            Self::Overrun => "overrun",
            Self::Ended => "ended",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What was said of planned work, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWork {
    /// How far it has come.
    pub stage: WorkStage,
    /// When it begins.
    pub starts_at: EventTime,
    /// When it was said to be over; a later word stands in the incident's `eta`.
    pub ends_at: EventTime,
    /// What is done.
    pub label: Remark,
    /// Role or team that announced it; never a person's name.
    pub by: Arc<str>,
}
