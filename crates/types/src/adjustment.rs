use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Channel, Direction, EventTime, Score, SeriesKey, Verdict};

/// Exceptions of one adjustment: as many as an event holds pieces of evidence.
pub const EXCEPTIONS_MAX: usize = 32;

/// Evidence that says nothing of an incident, because a person has judged the like of it: all that is given must hold of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exception {
    /// The metric.
    pub metric: Arc<str>,
    /// The one series it holds for; `None`: each of this metric in the scope.
    pub series: Option<Arc<SeriesKey>>,
    /// Kind of surprise; `None`: any that judges values by themselves (neither silences, nor ways to a limit, nor peers).
    pub channel: Option<Channel>,
    /// Which way the value went.
    pub direction: Direction,
    /// What is rarer speaks.
    pub score_max: Option<Score>,
    /// What is less speaks.
    pub value_min: Option<f64>,
    /// What is more speaks.
    pub value_max: Option<f64>,
}

/// A part of each day, in seconds from midnight UTC; where it begins after its end it lies across midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayPart {
    /// First second.
    pub from: u32,
    /// First second after it.
    pub to: u32,
}

impl DayPart {
    /// Whether `at` lies in it.
    pub fn holds(self, at: EventTime) -> bool {
        let second = at.secs().rem_euclid(86_400);
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        if from <= to {
            (from..to).contains(&second)
        } else {
            second >= from || second < to
        }
    }
}

/// What a verdict on an incident changed of how its scope is judged. It ends by itself, and at once when the verdict is taken back
/// or another is given on the same incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adjustment {
    /// The verdict.
    pub verdict: Verdict,
    /// When it was said.
    pub at: EventTime,
    /// Until when it holds.
    pub until: EventTime,
    /// Log-odds added to each prediction in the scope; 0: none.
    pub prior: f64,
    /// The part of each day in which its exceptions hold; `None`: the whole.
    pub daily: Option<DayPart>,
    /// What doesn't speak in the scope, at most [`EXCEPTIONS_MAX`].
    pub exceptions: Vec<Exception>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_day_may_lie_across_midnight() {
        let at = |hour: i64| EventTime::from_secs(86_400 * 20_000 + hour * 3_600);
        let (day, night) = (
            DayPart {
                from: 8 * 3_600,
                to: 20 * 3_600,
            },
            DayPart {
                from: 23 * 3_600,
                to: 4 * 3_600,
            },
        );
        let held = |part: DayPart| (0..24).filter(|hour| part.holds(at(*hour))).collect::<Vec<i64>>();
        assert_eq!(held(day), (8..20).collect::<Vec<_>>());
        assert_eq!(held(night), [0, 1, 2, 3, 23]);
    }
}
