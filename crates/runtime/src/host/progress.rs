use std::time::Duration;

use forecall_types::EventTime;

/// A restore shorter than this tells nothing but its end.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// How re-reading goes, for those who wait for it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// When and where it began.
    begun: Option<(EventTime, i64)>,
    told: EventTime,
}

/// What there is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// Offsets a second, since the beginning.
    pub(super) rate: i64,
    /// At this rate.
    pub(super) seconds_left: i64,
}

impl Progress {
    /// Looks at it: `at` of `to`. Something to tell every five seconds.
    pub(super) fn look(&mut self, now: EventTime, at: i64, to: i64) -> Option<Told> {
        let (begun, from) = *self.begun.get_or_insert_with(|| {
            self.told = now;
            (now, at)
        });
        if now.since(self.told) < TELL_EVERY {
            return None;
        }
        self.told = now;
        let seconds = i64::try_from(now.since(begun).as_secs())
            .unwrap_or(i64::MAX)
            .max(1);
        let rate = (at - from) / seconds;
        Some(Told {
            rate,
            seconds_left: (to - at).max(0) / rate.max(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_every_five_seconds_with_rate_and_rest() {
        let mut progress = Progress::default();
        let mut look = |second, at| progress.look(EventTime::from_secs(second), at, 1_000);
        assert_eq!((look(100, 0), look(104, 300)), (None, None));
        let told = |rate, seconds_left| Some(Told { rate, seconds_left });
        assert_eq!(look(105, 400), told(80, 7));
        assert_eq!((look(109, 500), look(110, 600)), (None, told(60, 6)));
        assert_eq!(look(120, 600), told(30, 13), "it stands still");
    }
}
