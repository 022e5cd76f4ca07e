//! What a verdict changed of how a scope is judged.

use super::anomaly::{Channel, Direction};
use super::feedback::Verdict;
use super::scalar::{Number, Series, Surprise, Time};
use super::shape::published;

published! {
    /// A part of each day, in seconds from midnight UTC; where it begins after its end it lies across midnight.
    #[derive(Eq)]
    DayPart of DayPart {
        /// First second.
        from: u32 = from,
        /// First second after it.
        to: u32 = to,
    }
}

published! {
    /// Evidence that says nothing of an incident of the scope: all that is given must hold of it.
    Exception of Exception {
        /// The metric.
        metric: String = metric,
        /// The one series it holds for; absent: each of this metric in the scope.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        series: Option<Series> = series,
        /// Kind of surprise; absent: any that judges values by themselves (neither silences, nor ways to a limit, nor peers).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<Channel> = channel,
        /// Which way the value went.
        direction: Direction = direction,
        /// What is rarer speaks (0 to 20); absent: nothing does for that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        score_max: Option<Surprise> = score_max,
        /// What is less speaks; absent: nothing does for that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value_min: Option<Number> = value_min,
        /// What is more speaks; absent: nothing does for that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value_max: Option<Number> = value_max,
    }
}

published! {
    /// What a verdict on an incident changed of how its scope is judged. It ends by itself, and at once when the verdict is withdrawn or
    /// another is given on the same incident.
    Adjustment of Adjustment {
        /// The verdict.
        verdict: Verdict = verdict,
        /// When it was said.
        at: Time = at,
        /// Until when it holds.
        until: Time = until,
        /// Log-odds (natural logarithm) added to each prediction in the scope; 0: none.
        prior: Number = prior,
        /// The part of each day in which its exceptions hold; absent: the whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        daily: Option<DayPart> = daily,
        /// What doesn't speak in the scope, at most 32.
        #[serde(default)]
        exceptions: Vec<Exception> = exceptions,
    }
}
