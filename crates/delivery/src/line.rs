//! A gateway with its pace, and what its answers come to.

use std::collections::BTreeMap;

use forecall_ledger::{Leased, OutcomeKind, Prefer, StaleRules};
use forecall_types::{EventTime, IntentId, IntentState};

use crate::pace::{Breaker, Bucket, backoff};
use crate::{Accepted, DeliverReport, DeliverSettings, Gateway, SendError};

/// Messages remembered whose gateway said that it takes none: as many as a batch, so that those of one failure fit in.
const REFUSED_MAX: usize = 1_000;

/// A gateway with its pace.
pub(crate) struct Line {
    pub(crate) gateway: Box<dyn Gateway>,
    pub(crate) bucket: Bucket,
    pub(crate) breaker: Breaker,
    /// Messages that the gateway has taken.
    taken: u64,
    /// To which messages the gateway said that it takes none at all, and how many it had taken by then.
    refused: BTreeMap<IntentId, u64>,
}

pub(crate) fn ended(to: IntentState, reason: &'static str, report: &mut DeliverReport) -> OutcomeKind {
    *report.reasons.entry(reason).or_default() += 1;
    OutcomeKind::State {
        to,
        provider_ref: None,
        reason: Some(reason),
    }
}

/// It will never be taken. Where the answer of an earlier attempt was lost, nobody knows that the person wasn't told: said to have
/// failed, it would be tried over another channel.
pub(crate) fn refused(lease: &Leased, reason: &'static str, report: &mut DeliverReport) -> OutcomeKind {
    let to = if lease.in_doubt {
        IntentState::Unknown
    } else {
        IntentState::Failed
    };
    ended(to, reason, report)
}

impl Line {
    pub(crate) fn new(gateway: Box<dyn Gateway>, settings: &DeliverSettings) -> Self {
        let rate = settings
            .rates
            .get(&gateway.channel())
            .copied()
            .unwrap_or_default();
        Self {
            gateway,
            bucket: Bucket::new(rate),
            breaker: Breaker::new(settings.breaker),
            taken: 0,
            refused: BTreeMap::new(),
        }
    }

    /// What a batch of answers says of the gateway as a whole: one failure, however many messages it met.
    pub(crate) fn note(&mut self, answers: &[Result<Accepted, SendError>], now: EventTime) {
        self.taken += answers.iter().filter(|answer| answer.is_ok()).count() as u64;
        if self.gateway.has_many_places() {
            // One customer's server that hangs mustn't keep the others from being told.
            return;
        }
        let is_failure = |answer: &Result<Accepted, SendError>| {
            matches!(answer, Err(SendError::Down { .. } | SendError::Indefinite { .. }))
        };
        if answers.iter().any(|answer| !is_failure(answer)) {
            self.breaker.answered();
        }
        if answers.iter().any(is_failure) {
            self.breaker.failed(now);
        }
    }
}

impl Line {
    /// Whether the gateway says to this message that it takes none, and has taken others since it said so first: then it is about
    /// this one, whose attempts count, or it would be tried for ever.
    fn is_refused_alone(&self, lease: &Leased) -> bool {
        let before = self.refused.get(&lease.intent.id);
        before.is_some_and(|taken| self.taken > *taken)
    }

    fn remember_refused(&mut self, lease: &Leased) {
        if self.refused.len() < REFUSED_MAX || self.refused.contains_key(&lease.intent.id) {
            self.refused.entry(lease.intent.id.clone()).or_insert(self.taken);
        } else {
            self.refused.clear();
        }
    }
}

/// Turns a gateway's answer into what the ledger is told.
pub(crate) fn settle(
    line: &mut Line,
    (settings, in_doubt): (&DeliverSettings, &StaleRules),
    lease: &Leased,
    answer: Result<Accepted, SendError>,
    now: EventTime,
    report: &mut DeliverReport,
) -> OutcomeKind {
    let is_last = lease.attempt >= settings.attempts_max;
    let wait = || {
        backoff(
            &lease.intent.id,
            lease.attempt,
            settings.backoff_min,
            settings.backoff_max,
        )
    };
    match answer {
        Ok(accepted) => {
            line.refused.remove(&lease.intent.id);
            OutcomeKind::State {
                to: IntentState::Accepted,
                provider_ref: accepted.provider_ref,
                reason: None,
            }
        }
        Err(SendError::Permanent { reason, .. } | SendError::Gone { reason, .. }) => {
            refused(lease, reason, report)
        }
        Err(SendError::Busy { reason, retry_after }) => {
            *report.reasons.entry(reason).or_default() += 1;
            OutcomeKind::Deferred {
                not_before: now.plus(retry_after),
                reason,
            }
        }
        // Whatever the rule: sent again, the part that was taken would come again, and the other one never.
        Err(SendError::Partly { reason, .. }) => ended(IntentState::Unknown, reason, report),
        Err(SendError::Temporary { reason, .. }) => {
            if is_last {
                refused(lease, reason, report)
            } else {
                postponed(now.plus(wait()), reason, false, report)
            }
        }
        Err(SendError::Down { reason, .. }) if line.is_refused_alone(lease) => {
            if is_last {
                line.refused.remove(&lease.intent.id);
                refused(lease, reason, report)
            } else {
                line.refused.insert(lease.intent.id.clone(), line.taken);
                postponed(now.plus(wait()), reason, false, report)
            }
        }
        Err(SendError::Down { reason, .. }) => {
            *report.reasons.entry(reason).or_default() += 1;
            line.remember_refused(lease);
            // Not this message's fault: its attempts aren't used up by it.
            OutcomeKind::Returned
        }
        Err(SendError::Throttled { retry_after }) => {
            line.bucket.empty_until(now.plus(retry_after));
            *report.reasons.entry("throttled").or_default() += 1;
            OutcomeKind::Returned
        }
        Err(SendError::Indefinite { reason }) => match in_doubt.of(lease.intent.channel) {
            Prefer::Double if !is_last => {
                // A gateway that knows our reference takes it once, however often it is sent.
                let doubles = !line.gateway.capabilities().client_reference;
                report.perhaps_doubled += u64::from(doubles);
                let wait = wait().max(in_doubt.wait(lease.intent.channel));
                postponed(now.plus(wait), reason, true, report)
            }
            Prefer::Double | Prefer::Miss => ended(IntentState::Unknown, reason, report),
        },
    }
}

fn postponed(
    not_before: EventTime,
    reason: &'static str,
    in_doubt: bool,
    report: &mut DeliverReport,
) -> OutcomeKind {
    *report.reasons.entry(reason).or_default() += 1;
    OutcomeKind::Postponed {
        not_before,
        reason,
        in_doubt,
    }
}
