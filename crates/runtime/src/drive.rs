use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use forecall_delivery::{DeliverError, DeliverReport, Deliverer};
use forecall_ledger::Heard;
use forecall_observe::{Metric, Metrics};
use forecall_types::{ContactChannel, IntentState};
use tracing::{error, info};

use crate::clock::Clock;
use crate::host::{Adapter, Host, HostError, Pause};
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

    /// Whether time alone changes nothing of what it does, up to the next record.
    fn is_at_rest(&self) -> bool {
        false
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

    fn is_at_rest(&self) -> bool {
        Self::is_at_rest(self)
    }

    fn stop(self: Box<Self>) -> Result<(), HostError> {
        Self::stop(*self)
    }
}

/// Does something that needs the ledger; while the ledger is down it is only tried now and then, and nothing else stops.
fn unless_down(
    pause: &mut Pause,
    clock: &dyn Clock,
    wait: Duration,
    act: impl FnOnce() -> Result<bool, HostError>,
) -> Result<bool, HostError> {
    let moved = if pause.lets_try(clock.now()) {
        match act() {
            Err(error) if error.may_pass() => {
                pause.begin(clock.now(), &error);
                false
            }
            Err(error) => return Err(error),
            Ok(moved) => {
                pause.end(clock.now());
                moved
            }
        }
    } else {
        false
    };
    if !moved {
        std::thread::sleep(wait);
    }
    Ok(moved)
}

/// Drives the publisher.
pub(crate) struct PublishDrive {
    pub(crate) publisher: Publisher,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pause: Pause,
}

impl Drive for PublishDrive {
    fn turn(&mut self, wait: Duration) -> Result<bool, HostError> {
        let publisher = &mut self.publisher;
        unless_down(&mut self.pause, self.clock.as_ref(), wait, || publisher.turn())
    }

    fn is_ready(&self) -> bool {
        !self.pause.is_on()
    }

    fn is_at_rest(&self) -> bool {
        !self.pause.is_on()
    }
}

/// Drives the deliverer: a round whenever something waits.
pub(crate) struct DeliverDrive {
    deliverer: Deliverer,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    pause: Pause,
    /// Channels whose gateway was down at the last look.
    down: BTreeSet<ContactChannel>,
}

impl DeliverDrive {
    pub(crate) fn new(deliverer: Deliverer, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self {
            deliverer,
            clock,
            pause: Pause::new("deliver", metrics.clone()),
            metrics,
            down: BTreeSet::new(),
        }
    }

    fn tell_heard(&self, heard: &Heard) {
        for ((channel, state), n) in &heard.states {
            self.metrics
                .inc(Metric::IntentsTotal, &[channel.as_str(), state.as_str()], *n);
        }
        let replies = heard.replies.iter().map(|((_, kind), n)| (kind.as_str(), *n));
        let others = [
            ("receipt_repeated", heard.repeated),
            ("receipt_unmatched", heard.unmatched),
            ("cleared", heard.cleared),
            ("reply_repeated", heard.brought_again),
            ("stranger", heard.strangers),
        ];
        for (what, n) in replies.chain(others).filter(|(_, n)| *n > 0) {
            self.metrics.inc(Metric::GatewayHeardTotal, &[what], n);
        }
    }

    fn tell(&mut self, report: &DeliverReport) {
        for ((channel, state), n) in &report.states {
            self.metrics
                .inc(Metric::IntentsTotal, &[channel.as_str(), state.as_str()], *n);
        }
        let settled = &report.settled;
        for (how, times) in [
            ("unknown", settled.unknown),
            ("sent_again", settled.replanned + report.perhaps_doubled),
            ("expired", settled.expired),
            ("no_receipt", settled.unreceipted),
        ] {
            if times > 0 {
                self.metrics.inc(Metric::IntentsSettledTotal, &[how], times);
            }
        }
        self.tell_heard(&report.heard);
        for (channel, waiting) in &report.unserved {
            error!(
                channel = channel.as_str(),
                waiting, "messages wait and there is no gateway for this channel"
            );
            self.metrics
                .inc(Metric::DeliveryErrorsTotal, &[channel.as_str(), "no_gateway"], 1);
        }
        for channel in &report.down {
            self.metrics
                .inc(Metric::DeliveryErrorsTotal, &[channel.as_str(), "down"], 1);
        }
        for channel in ContactChannel::ALL {
            let (was, is) = (self.down.contains(&channel), report.down.contains(&channel));
            if was != is {
                let labels = [channel.as_str()];
                self.metrics
                    .set(Metric::GatewayDown, &labels, if is { 1.0 } else { 0.0 });
                if is {
                    error!(
                        channel = channel.as_str(),
                        "the gateway is down: its messages wait; other channels and stages go on"
                    );
                } else {
                    info!(channel = channel.as_str(), "the gateway takes messages again");
                }
            }
        }
        self.down.clone_from(&report.down);
        self.metrics
            .set(Metric::KillSwitch, &[], if report.killed { 1.0 } else { 0.0 });
    }
}

impl Drive for DeliverDrive {
    fn turn(&mut self, wait: Duration) -> Result<bool, HostError> {
        let mut report = None;
        let (deliverer, clock) = (&mut self.deliverer, self.clock.as_ref());
        let moved = unless_down(&mut self.pause, clock, wait, || {
            let done = deliverer.run_once(clock.now()).map_err(|error| match error {
                DeliverError::Ledger(error) => HostError::Ledger(error),
                error @ DeliverError::TwoGateways(_) => HostError::Settings(error.to_string()),
            })?;
            let moved = done
                .states
                .keys()
                .any(|(_, state)| *state != IntentState::Planned);
            report = Some(done);
            Ok(moved)
        })?;
        if let Some(report) = report {
            self.tell(&report);
        }
        Ok(moved)
    }

    fn is_ready(&self) -> bool {
        !self.pause.is_on()
    }
}
