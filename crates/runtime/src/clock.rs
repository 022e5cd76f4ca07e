use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use forecall_types::EventTime;

/// What time it is. The only clock of the house: logic gets time as an argument.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> EventTime;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> EventTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        EventTime::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// A clock that the demo, the replay and the tests set.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Stands at `at`.
    pub const fn at(at: EventTime) -> Self {
        Self(AtomicI64::new(at.nanos()))
    }

    /// Moves on; never back.
    pub fn advance_to(&self, at: EventTime) {
        self.0.fetch_max(at.nanos(), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> EventTime {
        EventTime::from_nanos(self.0.load(Ordering::Relaxed))
    }
}
