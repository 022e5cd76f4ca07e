//! Typed channels: each knows one kind of surprise, has its own baseline and its own record of how rare what is.

mod shift;
mod spike;

pub use shift::Shift;
pub use spike::Spike;

use std::collections::VecDeque;

use forecall_stats::{StudentTail, TailHistogram, surprise};
use forecall_types::Direction;
use serde::{Deserialize, Serialize};

/// Own samples after which a series' own tail counts as much as the general one.
const OWN_TAIL_SAMPLES: f64 = 200.0;
/// Degrees of freedom of the general tail: telemetry is much wilder than normal noise (4 is the last with a finite kurtosis
/// bordering it).
const GENERAL_TAIL_DOF: f64 = 4.0;
/// The mean absolute deviation of a normal distribution times this is its standard deviation: √(π/2).
const MEAN_DEVIATION_TO_SD: f64 = 1.253_314_137_315_5;
/// A deviation enters the record so many samples later: trouble that creeps up must not be measured by its own beginning.
const RECORD_DELAY_SAMPLES: usize = 32;
/// Of a run of abnormal samples so many enter the record of what is rare, and after them …
const ABNORMAL_RECORDED_FIRST: u32 = 8;
/// … one in so many: trouble that comes again and again becomes known, one long trouble doesn't fill the record.
const ABNORMAL_RECORDED_EVERY: u32 = 16;

/// What a channel says of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Surprise, 0 to 20; only deviations in the bad direction count.
    pub score: f64,
    /// What would have been normal.
    pub expected: f64,
    /// What was judged (the value, or the level) less what was expected.
    pub deviation: f64,
    /// One robust standard deviation, above 0.
    pub scale: f64,
}

impl Verdict {
    /// Which way it went.
    pub fn direction(&self) -> Direction {
        if self.deviation < 0.0 {
            Direction::Down
        } else {
            Direction::Up
        }
    }

    /// Deviation in standard deviations.
    pub fn sds(&self) -> f64 {
        self.deviation / self.scale
    }
}

/// What a channel may learn from a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lesson {
    /// Everything.
    Normal,
    /// How rare it was, and nothing for the baseline.
    Abnormal,
    /// Nothing: it belongs to an anomaly that was told, and the next one like it must be told as well.
    Incident,
}

/// The general tail, computed once.
#[derive(Debug, Clone, Copy)]
pub struct GeneralTail(StudentTail);

impl Default for GeneralTail {
    fn default() -> Self {
        Self(StudentTail::new(GENERAL_TAIL_DOF))
    }
}

/// Deviations in the bad direction and how rare they were.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Calibration {
    tail: TailHistogram,
    run: u32,
    /// Buckets of the last deviations, oldest first, not yet in the record.
    waiting: VecDeque<u8>,
}

impl Calibration {
    /// Surprise of a deviation of `sds`: by the general tail at first, ever more by the series' own.
    ///
    /// `shrink`: how much smaller it counts for the general tail; `trust`: how far the own tail has seen all that is normal, 0 to 1.
    fn surprise(&self, sds: f64, shrink: f64, trust: f64, general: &GeneralTail) -> f64 {
        // Most values lie within: nothing to say of them.
        if sds < 1.0 {
            return 0.0;
        }
        let general = surprise(general.0.upper(sds / shrink));
        let total = f64::from(self.tail.total());
        let own = self.tail.surprise(sds, 1.0);
        let weight = trust * total / (total + OWN_TAIL_SAMPLES);
        general + weight * (own - general)
    }

    /// Whether anything has entered the record.
    const fn is_recorded(&self) -> bool {
        self.tail.total() > 0
    }

    /// Forgets the last deviations before they enter the record: they were the beginning of trouble.
    fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    fn record(&mut self, sds: f64, lesson: Lesson) {
        let abnormal = match lesson {
            Lesson::Normal => false,
            Lesson::Abnormal => true,
            Lesson::Incident => return,
        };
        self.run = if abnormal { self.run.saturating_add(1) } else { 0 };
        if self.run > ABNORMAL_RECORDED_FIRST && !self.run.is_multiple_of(ABNORMAL_RECORDED_EVERY) {
            return;
        }
        if self.waiting.len() == RECORD_DELAY_SAMPLES
            && let Some(bucket) = self.waiting.pop_front()
        {
            self.tail.add_bucket(bucket);
        }
        self.waiting.push_back(TailHistogram::bucket_of(sds));
    }
}

/// A deviation turned so that the bad way is above 0.
fn badness(sds: f64, bad: Option<Direction>) -> f64 {
    match bad {
        Some(Direction::Up) => sds,
        Some(Direction::Down) => -sds,
        None => sds.abs(),
    }
}

/// The least scale of a series of this level: constant series have none of their own.
fn scale_floor(level: f64) -> f64 {
    1e-6 * level.abs() + 1e-9
}
