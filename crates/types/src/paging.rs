use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::EventTime;

/// What was decided for a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageDecision {
    /// Page it.
    Paged,
    /// Its budget has no room for this one now; it may be paged later.
    HeldBack,
}

impl PageDecision {
    /// The name used in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paged => "paged",
            Self::HeldBack => "held_back",
        }
    }
}

/// Whether a team with an alert budget is to be paged of an incident: once, and never taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The team, as the settings name it.
    pub team: Arc<str>,
    /// What was decided.
    pub decision: PageDecision,
    /// Event time of the decision.
    pub at: EventTime,
    /// Why, in words for an SRE.
    pub why: String,
}
