use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use forecall_ledger::{
    Contact, GoneAddress, Heard, LeaseRequest, Leased, Ledger, LedgerError, Outcome, OutcomeKind, Prefer,
    RecordOutcome, Settled, StaleRules,
};
use forecall_log::crash;
use forecall_types::{ContactChannel, EventTime, IntentState};

use crate::line::{Line, ended, refused, settle};
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
    /// What gateways said of their own accord: receipts and replies.
    pub heard: Heard,
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

/// Leases, sends, records.
pub struct Deliverer {
    ledger: Ledger,
    lines: BTreeMap<ContactChannel, Line>,
    settings: DeliverSettings,
    /// The rules in doubt: of the settings, but for gateways that know a repeat by our reference. To those it is sent again.
    in_doubt: StaleRules,
    /// What gateways have answered and the ledger has not taken yet: at most what was leased at once.
    unrecorded: Vec<(ContactChannel, Outcome)>,
    /// Addresses at which nobody is any more, as gateways have said, and the ledger doesn't know yet.
    gone: Vec<GoneAddress>,
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
        let mut in_doubt = settings.in_doubt.clone();
        for gateway in gateways {
            let channel = gateway.channel();
            if gateway.capabilities().client_reference {
                in_doubt = in_doubt.with(channel, Prefer::Double);
            }
            if channel == ContactChannel::Sms && !gateway.capabilities().receipts {
                // None will come: that says nothing of a message.
                in_doubt.receipts_within = Duration::ZERO;
            }
            if lines.insert(channel, Line::new(gateway, &settings)).is_some() {
                return Err(DeliverError::TwoGateways(channel));
            }
        }
        Ok(Self {
            ledger,
            lines,
            settings,
            in_doubt,
            unrecorded: Vec::new(),
            gone: Vec::new(),
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
        // Before doubts are settled: a receipt may clear them.
        self.hear(now, &mut report)?;
        report.settled = self.ledger.settle(now, &self.in_doubt)?;
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
        sent?;
        self.hear(now, &mut report)?;
        Ok(report)
    }

    /// Writes down what gateways say of their own accord, and only then lets them forget it.
    fn hear(&mut self, now: EventTime, report: &mut DeliverReport) -> Result<(), DeliverError> {
        for (channel, line) in &mut self.lines {
            match line.gateway.receive(now) {
                Ok(incoming) if incoming.is_empty() => {}
                Ok(incoming) => {
                    add(&mut report.heard, self.ledger.hear(&incoming, now)?);
                    line.gateway.acknowledge();
                }
                Err(error) => {
                    report.down.insert(*channel);
                    if let SendError::Down { reason, .. } = error {
                        *report.reasons.entry(reason).or_default() += 1;
                    }
                }
            }
        }
        Ok(())
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
                // One that can't be heard wouldn't take anything either.
                if report.down.contains(&channel) {
                    continue;
                }
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
        let mut queue = VecDeque::from(leased);
        while let Some(first) = queue.front() {
            let channel = first.intent.channel;
            let window = self
                .lines
                .get(&channel)
                .map_or(1, |line| line.gateway.window().max(1));
            let mut batch = Vec::new();
            while batch.len() < window && queue.front().is_some_and(|next| next.intent.channel == channel) {
                batch.extend(queue.pop_front());
            }
            match self.send_batch(channel, &batch, now, report) {
                Ok(kinds) => self.unrecorded.extend(
                    batch
                        .iter()
                        .zip(kinds)
                        .map(|(lease, kind)| (channel, outcome(lease, kind, now))),
                ),
                Err(error) => {
                    self.give_back(batch.iter().chain(&queue), now);
                    self.record(report)?;
                    return Err(error.into());
                }
            }
            if self.unrecorded.len() >= self.settings.record_group
                && let Err(error) = self.record(report)
            {
                self.give_back(&queue, now);
                return Err(error);
            }
        }
        self.record(report)
    }

    /// Not tried: known to be unsent, once the ledger takes it.
    fn give_back<'a>(&mut self, leases: impl IntoIterator<Item = &'a Leased>, now: EventTime) {
        self.unrecorded.extend(
            leases
                .into_iter()
                .map(|lease| (lease.intent.channel, outcome(lease, OutcomeKind::Returned, now))),
        );
    }

    /// Sends those of a channel that nothing speaks against, and says of each what came of it. At an error none was sent.
    fn send_batch(
        &mut self,
        channel: ContactChannel,
        batch: &[Leased],
        now: EventTime,
        report: &mut DeliverReport,
    ) -> Result<Vec<OutcomeKind>, LedgerError> {
        let mut looked = Vec::with_capacity(batch.len());
        let mut ready = 0;
        for lease in batch {
            let one = self.look_at(lease, ready, now, report)?;
            ready += usize::from(one.is_ok());
            looked.push(one);
        }
        let Some(line) = self.lines.get_mut(&channel) else {
            return Ok(batch.iter().map(|_| OutcomeKind::Returned).collect());
        };
        let messages: Vec<Message<'_>> = batch
            .iter()
            .zip(&looked)
            .filter_map(|(lease, one)| {
                let contact = one.as_ref().ok()?;
                Some(Message {
                    intent: &lease.intent,
                    text: &lease.text,
                    contact,
                    attempt: lease.attempt,
                    at: now,
                })
            })
            .collect();
        let mut answers = if messages.is_empty() {
            Vec::new()
        } else {
            line.gateway.send_all(&messages)
        }
        .into_iter();
        line.note(answers.as_slice(), now);
        let (settings, in_doubt) = (&self.settings, &self.in_doubt);
        let mut kinds = Vec::with_capacity(batch.len());
        for (lease, one) in batch.iter().zip(looked) {
            kinds.push(match one {
                Err(kind) => kind,
                Ok(contact) => {
                    let answer = answers.next().unwrap_or(Err(SendError::Indefinite {
                        reason: "not_answered",
                    }));
                    if let Err(SendError::Gone { reason, .. }) = answer {
                        self.gone.push(GoneAddress {
                            channel,
                            address: contact.address,
                            reason,
                            at: now,
                        });
                    }
                    settle(line, (settings, in_doubt), lease, answer, now, report)
                }
            });
        }
        crash::point("answered");
        Ok(kinds)
    }

    /// Whom a message goes to, or what speaks against it. `ready` are those before it that go at the same time.
    fn look_at(
        &mut self,
        lease: &Leased,
        ready: usize,
        now: EventTime,
        report: &mut DeliverReport,
    ) -> Result<Result<Contact, OutcomeKind>, LedgerError> {
        let Some(line) = self.lines.get_mut(&lease.intent.channel) else {
            return Ok(Err(OutcomeKind::Returned));
        };
        // Asked before each message: who turns the switch doesn't want the rest of the batch to go.
        if self.ledger.killed() {
            report.killed = true;
            return Ok(Err(OutcomeKind::Returned));
        }
        if line.breaker.allows(now) <= ready || line.bucket.available(now) == 0 {
            return Ok(Err(OutcomeKind::Returned));
        }
        if lease.attempt > self.settings.attempts_max {
            // Earlier attempts ended without an answer, so it isn't known to have failed.
            return Ok(Err(ended(IntentState::Unknown, "attempts_in_doubt", report)));
        }
        let mut refused = |reason| Ok(Err(refused(lease, reason, report)));
        match self.ledger.contact(&lease.intent.customer, lease.intent.channel) {
            Ok(Some(contact)) => {
                let since = now.minus(self.settings.address_gone_for);
                let is_gone = !self.settings.address_gone_for.is_zero()
                    && self
                        .ledger
                        .is_set_aside(lease.intent.channel, &contact.address, since)?;
                if is_gone {
                    return refused("address_gone");
                }
                line.bucket.take();
                Ok(Ok(contact))
            }
            Ok(None) => refused("no_address"),
            Err(LedgerError::Sealed { .. } | LedgerError::Corrupt { .. }) => refused("address_unreadable"),
            Err(error) => Err(error),
        }
    }

    /// Writes down what gateways have answered. What the ledger doesn't take is kept for the next round.
    fn record(&mut self, report: &mut DeliverReport) -> Result<(), DeliverError> {
        if !self.gone.is_empty() {
            self.ledger
                .set_aside(&self.gone, self.settings.address_gone_for)?;
            self.gone.clear();
        }
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
                (RecordOutcome::Recorded, OutcomeKind::Postponed { .. } | OutcomeKind::Deferred { .. }) => {
                    report.postponed += 1
                }
                (RecordOutcome::Recorded, OutcomeKind::Returned) => report.returned += 1,
                (RecordOutcome::Recorded, OutcomeKind::State { to, .. }) => {
                    *report.states.entry((channel, *to)).or_default() += 1;
                }
            }
        }
        Ok(())
    }
}

/// Adds one count to another.
fn add(all: &mut Heard, more: Heard) {
    for (key, n) in more.states {
        *all.states.entry(key).or_default() += n;
    }
    for (key, n) in more.replies {
        *all.replies.entry(key).or_default() += n;
    }
    all.cleared += more.cleared;
    all.repeated += more.repeated;
    all.unmatched += more.unmatched;
    all.brought_again += more.brought_again;
    all.strangers += more.strangers;
}

fn outcome(lease: &Leased, kind: OutcomeKind, at: EventTime) -> Outcome {
    Outcome {
        intent: lease.intent.id.clone(),
        fence: lease.fence,
        kind,
        at,
    }
}
