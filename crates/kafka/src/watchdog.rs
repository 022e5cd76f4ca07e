use std::time::{Duration, Instant};

/// What is known of a partition when the watchdog looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    /// Records or ends seen of it so far: any change is progress. Who stands at the end makes none, and neither does a reader
    /// that no longer hears of a new end: the broker tells them apart.
    pub(crate) progress: u64,
    /// It is not to be read at present.
    pub(crate) paused: bool,
}

/// Watches one partition: unread records and no progress for the whole of two looks means that its reader is stuck.
///
/// A look that would cost a question to the broker is due only after `patience` without progress; lag is then judged by
/// the end that stood at the first look, so that a partition that has just got records isn't taken for a stuck one.
#[derive(Debug, Clone)]
pub(crate) struct Watchdog {
    patience: Duration,
    since: Instant,
    progress: u64,
    suspect: bool,
}

/// What the watchdog wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// Ask the broker whether there are unread records, and say so with [`Watchdog::told`].
    Ask,
    /// There were unread records a whole patience ago, and still nothing has come.
    Stuck,
}

impl Watchdog {
    pub(crate) fn new(patience: Duration, now: Instant) -> Self {
        Self {
            patience,
            since: now,
            progress: 0,
            suspect: false,
        }
    }

    pub(crate) fn look(&mut self, sight: Sight, now: Instant) -> Verdict {
        if sight.paused || sight.progress != self.progress {
            *self = Self {
                progress: sight.progress,
                ..Self::new(self.patience, now)
            };
            return Verdict::Fine;
        }
        if now.duration_since(self.since) < self.patience {
            return Verdict::Fine;
        }
        if self.suspect {
            Verdict::Stuck
        } else {
            Verdict::Ask
        }
    }

    /// Takes the broker's answer: whether there are unread records.
    pub(crate) fn told(&mut self, lags: bool, now: Instant) {
        self.suspect = lags;
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(30);
    const IDLE: Sight = Sight {
        progress: 0,
        paused: false,
    };

    #[test]
    fn unread_records_and_no_progress_for_two_looks_is_stuck() {
        let start = Instant::now();
        let mut dog = Watchdog::new(T, start);
        assert_eq!(dog.look(IDLE, start + T / 2), Verdict::Fine);
        assert_eq!(dog.look(IDLE, start + T), Verdict::Ask);
        dog.told(true, start + T);
        assert_eq!(dog.look(IDLE, start + T * 3 / 2), Verdict::Fine);
        assert_eq!(dog.look(IDLE, start + T * 2), Verdict::Stuck);
    }

    #[test]
    fn progress_a_pause_or_no_lag_call_it_off() {
        let start = Instant::now();
        for sight in [Sight { progress: 1, ..IDLE }, Sight { paused: true, ..IDLE }] {
            let mut dog = Watchdog::new(T, start);
            dog.told(true, start);
            assert_eq!(dog.look(sight, start + T), Verdict::Fine);
            let calm = Sight {
                paused: false,
                ..sight
            };
            assert_eq!(dog.look(calm, start + T * 3 / 2), Verdict::Fine, "counted anew");
        }
        let mut dog = Watchdog::new(T, start);
        dog.told(false, start + T);
        assert_eq!(
            dog.look(IDLE, start + T * 2),
            Verdict::Ask,
            "asked again, not stuck"
        );
    }
}
