//! What the channels say of a value.

use forecall_types::{Band, Channel};

use crate::channel::Verdict;

/// What the channels say of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// That of the fast channels together, or of the slow ones together, whichever is higher.
    pub score: f64,
    /// The highest score among those whose deviation is large enough to matter: the policy's.
    pub gated: f64,
    /// The channel it came from.
    pub channel: Channel,
    /// What that channel said.
    pub verdict: Verdict,
    /// Normal range of a single value, the spike channel's; `None` during warm-up.
    pub band: Option<Band>,
    /// What an anomaly tells: what was normal to its channel before the sample was learnt from. `None` where there is none
    /// to tell.
    pub told: Option<Normal>,
    /// What each channel says.
    pub voices: Voices,
    /// The spike's score where its deviation is large enough to matter, else 0.
    pub(crate) wild: f64,
}

/// What is normal to a channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normal {
    /// What it expected.
    pub expected: f64,
    /// Its range: see [`ChannelScore::band`](forecall_types::ChannelScore::band).
    pub band: Band,
}

impl Normal {
    /// So many standard deviations about what was expected.
    pub(crate) fn about(verdict: &Verdict, band_sds: f64) -> Self {
        let half = band_sds * verdict.scale;
        Self {
            expected: verdict.expected,
            band: Band {
                low: verdict.expected - half,
                high: verdict.expected + half,
            },
        }
    }
}

/// The score of each channel, and of those that speak together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Voices {
    /// A value far from the last ones.
    pub spike: f64,
    /// Steps from value to value that are larger than usual; 0 where that is switched off.
    pub shape: f64,
    /// A level far from the slow mean.
    pub shift: f64,
    /// A level far from what is usual at this hour; 0 where that tells nothing.
    pub season: f64,
    /// A value beyond all that was seen.
    pub novelty: f64,
    /// The first two together: two views of one thing.
    pub fast: f64,
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
