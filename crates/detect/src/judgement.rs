//! What the channels say of a value.

use forecall_types::{Band, Channel};

use crate::channel::Verdict;

/// What the channels say of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The highest score of all channels.
    pub score: f64,
    /// The highest score among those whose deviation is large enough to matter: the policy's.
    pub gated: f64,
    /// The channel it came from.
    pub channel: Channel,
    /// What that channel said.
    pub verdict: Verdict,
    /// Normal range; `None` during warm-up.
    pub band: Option<Band>,
    /// Normal range about what the channel expected, before the sample was learnt from: what an anomaly tells. `None` where
    /// there is none to tell.
    pub told: Option<Band>,
    /// What each channel says.
    pub voices: Voices,
}

/// The score of each channel, and of the slow ones together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Voices {
    /// A value far from the last ones.
    pub spike: f64,
    /// A level far from the slow mean.
    pub shift: f64,
    /// A level far from what is usual at this hour; 0 where that tells nothing.
    pub season: f64,
    /// A value beyond all that was seen.
    pub novelty: f64,
    /// The last three together.
    pub slow: f64,
}

/// How much is asked of a judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Only what the policy goes by: a score that can't matter is left at 0.
    Gated,
    /// Every score.
    Scores,
    /// Every score, and the normal range, which costs more.
    Band,
}
