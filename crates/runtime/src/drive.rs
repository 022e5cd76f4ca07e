use std::time::Duration;

use forecall_delivery::{DeliverError, Deliverer};
use forecall_observe::{Metric, Metrics};
use forecall_types::IntentState;
use std::sync::Arc;

use crate::clock::Clock;
use crate::host::{Adapter, Host, HostError};
use crate::publisher::Publisher;

/// One thing that is driven in a loop: a host, the publisher, the deliverer.
pub(crate) trait Drive: Send {
    /// Does what there is to do, waiting for it at most `wait`. Says whether anything moved.
    fn turn(&mut self, wait: Duration) -> Result<bool, HostError>;

    /// Lets out what is held back at the end of a finite input.
    fn flush(&mut self) -> Result<(), HostError> {
        Ok(())
    }

    /// Whether its memory is back.
    fn is_ready(&self) -> bool {
        true
    }

    /// Finishes, saves, leaves.
    fn stop(self: Box<Self>) -> Result<(), HostError> {
        Ok(())
    }
}

impl<A: Adapter> Drive for Host<A> {
    fn turn(&mut self, wait: Duration) -> Result<bool, HostError> {
        Self::turn(self, wait)
    }

    fn flush(&mut self) -> Result<(), HostError> {
        Self::flush(self)
    }

    fn is_ready(&self) -> bool {
        Self::is_ready(self)
    }

    fn stop(self: Box<Self>) -> Result<(), HostError> {
        Self::stop(*self)
    }
}

impl Drive for Publisher {
    fn turn(&mut self, wait: Duration) -> Result<bool, HostError> {
        let moved = Self::turn(self)?;
        if !moved {
            std::thread::sleep(wait);
        }
        Ok(moved)
    }
}

/// Drives the deliverer: a round whenever something waits.
pub(crate) struct DeliverDrive {
    pub(crate) deliverer: Deliverer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
}

impl Drive for DeliverDrive {
    fn turn(&mut self, wait: Duration) -> Result<bool, HostError> {
        let report = self
            .deliverer
            .run_once(self.clock.now())
            .map_err(|error| match error {
                DeliverError::Ledger(error) => HostError::Ledger(error),
                error @ DeliverError::TwoGateways(_) => HostError::Settings(error.to_string()),
            })?;
        for ((channel, state), n) in &report.states {
            self.metrics
                .inc(Metric::IntentsTotal, &[channel.as_str(), state.as_str()], *n);
        }
        let settled = &report.settled;
        for (how, times) in [
            ("unknown", settled.unknown),
            ("sent_again", settled.replanned + report.perhaps_doubled),
            ("expired", settled.expired),
        ] {
            if times > 0 {
                self.metrics.inc(Metric::IntentsSettledTotal, &[how], times);
            }
        }
        for (channel, waiting) in &report.unserved {
            tracing::error!(
                channel = channel.as_str(),
                waiting,
                "messages wait and there is no gateway for this channel"
            );
            self.metrics
                .inc(Metric::DeliveryErrorsTotal, &[channel.as_str(), "no_gateway"], 1);
        }
        for channel in &report.down {
            self.metrics
                .inc(Metric::DeliveryErrorsTotal, &[channel.as_str(), "down"], 1);
        }
        self.metrics
            .set(Metric::KillSwitch, &[], if report.killed { 1.0 } else { 0.0 });
        let moved = report
            .states
            .keys()
            .any(|(_, state)| *state != IntentState::Planned);
        if !moved {
            std::thread::sleep(wait);
        }
        Ok(moved)
    }
}
