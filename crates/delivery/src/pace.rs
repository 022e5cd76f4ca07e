use std::time::Duration;

use forecall_types::{EventTime, Fingerprint, IntentId};
use serde::{Deserialize, Serialize};

/// How fast a channel may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Messages a minute, on average.
    pub per_minute: u32,
    /// Messages at once after a rest.
    pub burst: u32,
}

impl Default for RateLimit {
    /// 100 a second, as much as an ordinary mail relay or sender contract takes.
    fn default() -> Self {
        Self {
            per_minute: 6_000,
            burst: 200,
        }
    }
}

/// When a gateway that fails as a whole is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// So many failures in a row open the breaker.
    pub failures: u32,
    /// So long it stays open; then one message tries.
    #[serde(with = "forecall_types::seconds")]
    pub pause: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 3,
            pause: Duration::from_secs(60),
        }
    }
}

const MINUTE_NANOS: u128 = 60_000_000_000;

/// A token bucket in whole numbers: one message costs a minute's nanoseconds, one nanosecond earns `per_minute`.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    limit: RateLimit,
    credit: u128,
    seen: Option<EventTime>,
}

impl Bucket {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            credit: u128::from(limit.burst) * MINUTE_NANOS,
            seen: None,
        }
    }

    /// Messages that may go now. Time that goes back earns nothing.
    pub(crate) fn available(&mut self, now: EventTime) -> usize {
        if let Some(seen) = self.seen {
            let earned = now.since(seen).as_nanos() * u128::from(self.limit.per_minute);
            let full = u128::from(self.limit.burst) * MINUTE_NANOS;
            self.credit = full.min(self.credit + earned);
        }
        self.seen = Some(self.seen.map_or(now, |seen| seen.max(now)));
        usize::try_from(self.credit / MINUTE_NANOS).unwrap_or(usize::MAX)
    }

    pub(crate) fn take(&mut self) {
        self.credit = self.credit.saturating_sub(MINUTE_NANOS);
    }

    /// The gateway itself said when to come again: nothing before.
    pub(crate) fn empty_until(&mut self, until: EventTime) {
        self.credit = 0;
        self.seen = Some(self.seen.map_or(until, |seen| seen.max(until)));
    }
}

/// Leaves a failing gateway alone for a while.
#[derive(Debug, Clone)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    failures: u32,
    open_until: Option<EventTime>,
}

impl Breaker {
    pub(crate) const fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            failures: 0,
            open_until: None,
        }
    }

    /// Messages it lets through now: none while open, one after the pause, else all.
    pub(crate) fn allows(&self, now: EventTime) -> usize {
        match self.open_until {
            None => usize::MAX,
            Some(until) if now >= until => 1,
            Some(_) => 0,
        }
    }

    pub(crate) fn failed(&mut self, now: EventTime) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.settings.failures {
            self.open_until = Some(now.plus(self.settings.pause));
        }
    }

    pub(crate) const fn answered(&mut self) {
        self.failures = 0;
        self.open_until = None;
    }
}

/// How long to wait before attempt `attempt + 1`: decorrelated jitter, each wait drawn between `min` and three times the
/// one before, at most `max`. The draws come from the intent's id: the same intent waits the same in every run, and two
/// intents don't come back together. (Brooker, "Exponential Backoff and Jitter", 2015.)
pub(crate) fn backoff(intent: &IntentId, attempt: u32, min: Duration, max: Duration) -> Duration {
    /// After so many draws any range has reached its maximum.
    const DRAWS_MAX: u32 = 64;
    let (min, max) = (min.as_nanos(), max.as_nanos().max(min.as_nanos()));
    let mut wait = min;
    for draw in 1..=attempt.min(DRAWS_MAX) {
        let random = Fingerprint::of_parts(&[intent.as_str().as_bytes(), &draw.to_le_bytes()]).as_u128();
        let span = (wait * 3).saturating_sub(min);
        wait = max.min(min + random % (span + 1));
    }
    Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> EventTime {
        EventTime::from_secs(secs)
    }

    #[test]
    fn the_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(RateLimit {
            per_minute: 60,
            burst: 3,
        });
        let mut sent = Vec::new();
        for now in [0, 0, 1, 5, 4, 5, 1000] {
            let n = bucket.available(at(now));
            (0..n).for_each(|_| bucket.take());
            sent.push(n);
        }
        assert_eq!(sent, [3, 0, 1, 3, 0, 0, 3]);
        bucket.empty_until(at(1010));
        assert_eq!(bucket.available(at(1009)), 0);
        assert_eq!(bucket.available(at(1011)), 1);
    }

    #[test]
    fn a_slow_rate_adds_up() {
        let mut bucket = Bucket::new(RateLimit {
            per_minute: 1,
            burst: 1,
        });
        bucket.available(at(0));
        bucket.take();
        let got: usize = (1..=120)
            .map(|now| {
                let n = bucket.available(at(now));
                (0..n).for_each(|_| bucket.take());
                n
            })
            .sum();
        assert_eq!(got, 2);
    }

    #[test]
    fn the_breaker_opens_pauses_and_lets_one_try() {
        let mut breaker = Breaker::new(BreakerSettings {
            failures: 2,
            pause: Duration::from_secs(10),
        });
        breaker.failed(at(0));
        assert_eq!(breaker.allows(at(0)), usize::MAX);
        breaker.failed(at(1));
        assert_eq!([breaker.allows(at(1)), breaker.allows(at(10))], [0, 0]);
        assert_eq!(breaker.allows(at(11)), 1);
        breaker.failed(at(11));
        assert_eq!([breaker.allows(at(20)), breaker.allows(at(21))], [0, 1]);
        breaker.answered();
        assert_eq!(breaker.allows(at(21)), usize::MAX);
    }

    #[test]
    fn waits_stay_in_bounds_differ_and_repeat() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(100));
        let wait = |id: &str, n| backoff(&IntentId::new(id).unwrap(), n, min, max);
        let mut grown = 0;
        for n in 1..200 {
            let id = format!("int_{n}");
            assert!((min..=max).contains(&wait(&id, n)), "{id}");
            assert_eq!(wait(&id, n), wait(&id, n));
            assert_ne!(wait(&id, 3), wait(&format!("int_x{n}"), 3));
            grown += u32::from(wait(&id, 8) > wait(&id, 1));
        }
        assert!(grown > 150, "{grown}");
    }
}
