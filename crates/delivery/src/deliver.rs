use std::collections::{BTreeMap, BTreeSet};

use forecall_ledger::{
    Contact, LeaseRequest, Leased, Ledger, LedgerError, Outcome, OutcomeKind, Prefer, RecordOutcome, Settled,
};
use forecall_log::crash;
use forecall_types::{ContactChannel, EventTime, IntentState};

use crate::pace::{Breaker, Bucket, backoff};
use crate::{DeliverSettings, Gateway, Message, SendError};

/// What stops a run.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The ledger refused; nothing is sent that isn't written down.
    #[error("deliver can't go on without its ledger")]
    Ledger(#[from] LedgerError),
    /// Two gateways for one channel.
    #[error("there are two gateways for {}", .0.as_str())]
    TwoGateways(ContactChannel),
}

/// What one run did. Everything that was leased stands in exactly one of `states`, `postponed`, `returned` and `fenced`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliverReport {
    /// Settled without sending: leases of dead workers, and what is no longer true.
    pub settled: Settled,
    /// Intents leased.
    pub leased: u64,
    /// Intents that have reached a state, by channel.
    pub states: BTreeMap<(ContactChannel, IntentState), u64>,
    /// Refused for now: planned again, for later.
    pub postponed: u64,
    /// Among the postponed: those whose answer was lost and that may reach somebody twice.
    pub perhaps_doubled: u64,
    /// Not tried, planned again: kill switch, or the gateway is down.
    pub returned: u64,
    /// Our lease had run out when the answer came: not written down by us.
    pub fenced: u64,
    /// The kill switch is on.
    pub killed: bool,
    /// Channels with intents waiting and no gateway: an alarm.
    pub unserved: BTreeMap<ContactChannel, u64>,
    /// Channels whose gateway is left alone for a while: an alarm.
    pub down: BTreeSet<ContactChannel>,
    /// Why messages were refused, postponed or in doubt, from closed lists.
    pub reasons: BTreeMap<&'static str, u64>,
}

impl DeliverReport {
    /// Intents of a state, over all channels.
    pub fn total(&self, state: IntentState) -> u64 {
        self.states
            .iter()
            .filter(|((_, s), _)| *s == state)
            .map(|(_, n)| n)
            .sum()
    }
}

/// A gateway with its pace.
struct Line {
    gateway: Box<dyn Gateway>,
    bucket: Bucket,
    breaker: Breaker,
}

/// Leases, sends, records.
pub struct Deliverer {
    ledger: Ledger,
    lines: BTreeMap<ContactChannel, Line>,
    settings: DeliverSettings,
    /// What gateways have answered and the ledger has not taken yet: at most what was leased at once.
    unrecorded: Vec<(ContactChannel, Outcome)>,
}

impl Deliverer {
    /// A worker on its own connection to the ledger.
    ///
    /// # Errors
    /// Two gateways for one channel.
    pub fn new(
        ledger: Ledger,
        gateways: Vec<Box<dyn Gateway>>,
        settings: DeliverSettings,
    ) -> Result<Self, DeliverError> {
        let mut lines = BTreeMap::new();
        for gateway in gateways {
            let channel = gateway.channel();
            let line = Line {
                gateway,
                bucket: Bucket::new(settings.rates.get(&channel).copied().unwrap_or_default()),
                breaker: Breaker::new(settings.breaker),
            };
            if lines.insert(channel, line).is_some() {
                return Err(DeliverError::TwoGateways(channel));
            }
        }
        Ok(Self {
            ledger,
            lines,
            settings,
            unrecorded: Vec::new(),
        })
    }

    /// The ledger it works on.
    pub fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// One round: settles what can't wait, leases a batch of each channel, sends, records. Call it again at once while
    /// it has leased something, else after a while. It blocks as long as the gateways do.
    ///
    /// # Errors
    /// The ledger refused. What was leased and not tried goes back, if the ledger lets it; else its lease runs out.
    pub fn run_once(&mut self, now: EventTime) -> Result<DeliverReport, DeliverError> {
        let mut report = DeliverReport::default();
        // First of all: an answer that isn't written down would be settled as one that was lost.
        self.record(&mut report)?;
        report.settled = self.ledger.settle(now, &self.settings.in_doubt)?;
        crash::point("settled");
        report.killed = self.ledger.killed();
        let quotas = self.quotas(now, &mut report)?;
        let leased = self.ledger.lease(&LeaseRequest {
            worker: &self.settings.worker,
            now,
            lease_for: self.settings.lease_for,
            channels: &quotas,
        })?;
        report.leased = leased.len() as u64;
        if !leased.is_empty() {
            crash::point("leased");
        }
        let sent = self.send_all(leased, now, &mut report);
        for (channel, line) in &mut self.lines {
            line.gateway.rest();
            if line.breaker.allows(now) == 0 {
                report.down.insert(*channel);
            }
        }
        sent.map(|()| report)
    }

    /// How many of each channel may go now; channels nobody serves are reported.
    fn quotas(
        &mut self,
        now: EventTime,
        report: &mut DeliverReport,
    ) -> Result<Vec<(ContactChannel, usize)>, DeliverError> {
        let mut quotas = Vec::new();
        for channel in ContactChannel::ALL {
            if let Some(line) = self.lines.get_mut(&channel) {
                let paced = line.bucket.available(now).min(line.breaker.allows(now));
                quotas.push((channel, paced.min(self.settings.batch)));
            } else {
                let waiting = self.ledger.waiting(channel)?;
                if waiting > 0 {
                    report.unserved.insert(channel, waiting);
                }
            }
        }
        Ok(quotas)
    }

    fn send_all(
        &mut self,
        leased: Vec<Leased>,
        now: EventTime,
        report: &mut DeliverReport,
    ) -> Result<(), DeliverError> {
        let mut queue = leased.into_iter();
        while let Some(lease) = queue.next() {
            match self.send_one(&lease, now, report) {
                Ok(kind) => self
                    .unrecorded
                    .push((lease.intent.channel, outcome(&lease, kind, now))),
                Err(error) => {
                    let rest = std::iter::once(lease).chain(queue);
                    self.unrecorded
                        .extend(rest.map(|l| (l.intent.channel, outcome(&l, OutcomeKind::Returned, now))));
                    self.record(report)?;
                    return Err(error.into());
                }
            }
            if self.unrecorded.len() >= self.settings.record_group
                && let Err(error) = self.record(report)
            {
                // Not tried: known to be unsent, once the ledger takes it.
                self.unrecorded
                    .extend(queue.map(|l| (l.intent.channel, outcome(&l, OutcomeKind::Returned, now))));
                return Err(error);
            }
        }
        self.record(report)
    }

    /// Sends one, unless something speaks against it, and says what came of it.
    fn send_one(
        &mut self,
        lease: &Leased,
        now: EventTime,
        report: &mut DeliverReport,
    ) -> Result<OutcomeKind, LedgerError> {
        let Some(line) = self.lines.get_mut(&lease.intent.channel) else {
            return Ok(OutcomeKind::Returned);
        };
        // Asked before each message: who turns the switch doesn't want the rest of the batch to go.
        if self.ledger.killed() {
            report.killed = true;
            return Ok(OutcomeKind::Returned);
        }
        if line.breaker.allows(now) == 0 || line.bucket.available(now) == 0 {
            return Ok(OutcomeKind::Returned);
        }
        if lease.attempt > self.settings.attempts_max {
            // Earlier attempts ended without an answer, so it isn't known to have failed.
            return Ok(ended(IntentState::Unknown, "attempts_in_doubt", report));
        }
        let contact = match self.ledger.contact(&lease.intent.customer, lease.intent.channel) {
            Ok(Some(contact)) => contact,
            Ok(None) => return Ok(refused(lease, "no_address", report)),
            Err(LedgerError::Sealed { .. } | LedgerError::Corrupt { .. }) => {
                return Ok(refused(lease, "address_unreadable", report));
            }
            Err(error) => return Err(error),
        };
        let kind = attempt(line, &self.settings, lease, &contact, now, report);
        crash::point("answered");
        Ok(kind)
    }

    /// Writes down what gateways have answered. What the ledger doesn't take is kept for the next round.
    fn record(&mut self, report: &mut DeliverReport) -> Result<(), DeliverError> {
        if self.unrecorded.is_empty() {
            return Ok(());
        }
        let (channels, outcomes): (Vec<_>, Vec<_>) = std::mem::take(&mut self.unrecorded).into_iter().unzip();
        let recorded = match self.ledger.record_all(&outcomes) {
            Ok(recorded) => recorded,
            Err(error) => {
                self.unrecorded = channels.into_iter().zip(outcomes).collect();
                return Err(error.into());
            }
        };
        for ((channel, outcome), recorded) in channels.into_iter().zip(&outcomes).zip(recorded) {
            match (recorded, &outcome.kind) {
                (RecordOutcome::Fenced, _) => report.fenced += 1,
                (RecordOutcome::Recorded, OutcomeKind::Postponed { .. }) => report.postponed += 1,
                (RecordOutcome::Recorded, OutcomeKind::Returned) => report.returned += 1,
                (RecordOutcome::Recorded, OutcomeKind::State { to, .. }) => {
                    *report.states.entry((channel, *to)).or_default() += 1;
                }
            }
        }
        Ok(())
    }
}

fn outcome(lease: &Leased, kind: OutcomeKind, at: EventTime) -> Outcome {
    Outcome {
        intent: lease.intent.id.clone(),
        fence: lease.fence,
        kind,
        at,
    }
}

fn ended(to: IntentState, reason: &'static str, report: &mut DeliverReport) -> OutcomeKind {
    *report.reasons.entry(reason).or_default() += 1;
    OutcomeKind::State {
        to,
        provider_ref: None,
        reason: Some(reason),
    }
}

/// It will never be taken. Where the answer of an earlier attempt was lost, nobody knows that the person wasn't told: said to have
/// failed, it would be tried over another channel.
fn refused(lease: &Leased, reason: &'static str, report: &mut DeliverReport) -> OutcomeKind {
    let to = if lease.in_doubt {
        IntentState::Unknown
    } else {
        IntentState::Failed
    };
    ended(to, reason, report)
}

/// Calls the gateway and turns its answer into what the ledger is told.
fn attempt(
    line: &mut Line,
    settings: &DeliverSettings,
    lease: &Leased,
    contact: &Contact,
    now: EventTime,
    report: &mut DeliverReport,
) -> OutcomeKind {
    line.bucket.take();
    let answer = line.gateway.send(&Message {
        intent: &lease.intent,
        text: &lease.text,
        contact,
        attempt: lease.attempt,
        at: now,
    });
    let is_last = lease.attempt >= settings.attempts_max;
    let wait = || {
        now.plus(backoff(
            &lease.intent.id,
            lease.attempt,
            settings.backoff_min,
            settings.backoff_max,
        ))
    };
    match answer {
        Ok(accepted) => {
            line.breaker.answered();
            OutcomeKind::State {
                to: IntentState::Accepted,
                provider_ref: accepted.provider_ref,
                reason: None,
            }
        }
        Err(SendError::Permanent { reason, .. }) => {
            line.breaker.answered();
            refused(lease, reason, report)
        }
        Err(SendError::Temporary { reason, .. }) => {
            line.breaker.answered();
            if is_last {
                refused(lease, reason, report)
            } else {
                postponed(wait(), reason, false, report)
            }
        }
        Err(SendError::Down { reason, .. }) => {
            line.breaker.failed(now);
            *report.reasons.entry(reason).or_default() += 1;
            // Not this message's fault: its attempts aren't used up by it.
            OutcomeKind::Returned
        }
        Err(SendError::Throttled { retry_after }) => {
            line.breaker.answered();
            line.bucket.empty_until(now.plus(retry_after));
            *report.reasons.entry("throttled").or_default() += 1;
            OutcomeKind::Returned
        }
        Err(SendError::Indefinite { reason }) => {
            line.breaker.failed(now);
            match settings.in_doubt.of(lease.intent.channel) {
                Prefer::Double if !is_last => {
                    report.perhaps_doubled += 1;
                    postponed(wait(), reason, true, report)
                }
                Prefer::Double | Prefer::Miss => ended(IntentState::Unknown, reason, report),
            }
        }
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
