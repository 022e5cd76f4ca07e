//! What becomes of what customers write back.

use forecall_types::Probability;
use serde::{Deserialize, Serialize};

/// Answers to customers' replies, and what their "still down" is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplySettings {
    /// Answers one person gets within an hour, so that two machines don't talk for ever (default 6; 0: nobody is answered).
    pub answers_per_hour: u8,
    /// An answer that hasn't gone after so many minutes isn't sent (default 15).
    pub answer_minutes: u32,
    /// So many people must write that it still fails before `correlate` hears of it (default 5).
    pub still_down_min: u32,
    /// Share of those told whose own trouble goes on whenever something ends (default 0.02): more than by chance must write.
    pub still_down_usual: Probability,
    /// So many minutes after the last of them it counts as over (default 30).
    pub still_down_minutes: u32,
}

impl Default for ReplySettings {
    fn default() -> Self {
        Self {
            answers_per_hour: 6,
            answer_minutes: 15,
            still_down_min: 5,
            still_down_usual: Probability::clamped(0.02),
            still_down_minutes: 30,
        }
    }
}
