//! What is open: repeated to a target that forgets, forgotten where nothing more is heard of it.

use forecall_bridge::{Alert, BridgeTarget, Memory, backoff, plan_repeat};
use forecall_observe::Metric;
use tracing::warn;

use super::Bridge;

/// Open alerts repeated in one post: some 200 KB.
const REPEATED_MAX: usize = 100;

impl Bridge {
    /// Repeats what is open to a target that forgets.
    pub(super) fn repeat(&mut self) {
        let BridgeTarget::Alertmanager(target) = &self.settings.to else {
            return;
        };
        let now = self.around.clock.now();
        if self.settings.dry_run || now < self.repeat_at.max(self.not_before) {
            return;
        }
        let every = target.repeat_every;
        let all: Vec<&Alert> = self.owned.values().flat_map(Memory::open).collect();
        let mut failure = None;
        for alerts in all.chunks(REPEATED_MAX) {
            let plan = plan_repeat(alerts.iter().copied(), now, every);
            if let Err(error) = self.client.perform(&plan, now) {
                failure = Some(error);
                break;
            }
        }
        let any = !all.is_empty();
        if any {
            self.tell_health(failure.as_ref());
        }
        match failure {
            None => {
                self.repeats_failed = 0;
                self.repeat_at = now.plus(every);
            }
            Some(failure) => {
                self.repeats_failed = self.repeats_failed.saturating_add(1);
                let wait = backoff(&self.name, self.repeats_failed, &self.settings.retry).min(every);
                let wait = failure.retry_after.unwrap_or_default().max(wait);
                self.repeat_at = self.around.clock.now().plus(wait);
                self.retried(failure.class);
            }
        }
    }

    /// Forgets what nothing is heard of, and tells how many are open.
    pub(super) fn forget(&mut self) {
        let now = self.around.clock.now();
        for memory in self.owned.values_mut() {
            for incident in memory.forget(now) {
                warn!(bridge = self.name, %incident, "nothing was heard of this open incident for 30 days: it is forgotten");
                self.around
                    .metrics
                    .inc(Metric::BridgeEventsTotal, &[&self.name, "forgotten"], 1);
            }
        }
        let open: usize = self.owned.values().map(Memory::len).sum();
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        self.around
            .metrics
            .set(Metric::BridgeOpen, &[&self.name], open as f64);
    }
}
