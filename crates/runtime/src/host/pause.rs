use std::time::Duration;

use forecall_observe::{Metric, Metrics};
use forecall_types::EventTime;
use tracing::{error, info};

use crate::host::HostError;

/// Between two tries: what is down is not hammered, and is taken up again within a second.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// What a stage can't go on without is down. Only this stage waits; it tells so once, and goes on by itself.
pub(crate) struct Pause {
    stage: &'static str,
    metrics: Metrics,
    since: Option<EventTime>,
    next_try: EventTime,
}

impl Pause {
    pub(crate) fn new(stage: &'static str, metrics: Metrics) -> Self {
        metrics.set(Metric::Paused, &[stage], 0.0);
        Self {
            stage,
            metrics,
            since: None,
            next_try: EventTime::MIN,
        }
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// Whether something may be tried now.
    pub(crate) fn lets_try(&self, now: EventTime) -> bool {
        !self.is_on() || now >= self.next_try
    }

    /// A try has failed.
    pub(crate) fn begin(&mut self, now: EventTime, why: &HostError) {
        self.next_try = now.plus(TRY_EVERY);
        if self.since.is_none() {
            self.since = Some(now);
            self.metrics.set(Metric::Paused, &[self.stage], 1.0);
            let cause = std::error::Error::source(why).map(ToString::to_string);
            error!(
                stage = self.stage,
                error = %why,
                cause,
                "this stage waits until that is mended; the others go on"
            );
        }
    }

    /// It works again.
    pub(crate) fn end(&mut self, now: EventTime) {
        if let Some(since) = self.since.take() {
            self.metrics.set(Metric::Paused, &[self.stage], 0.0);
            info!(
                stage = self.stage,
                seconds = now.since(since).as_secs(),
                "what this stage waited for is there again: it goes on"
            );
        }
    }
}
