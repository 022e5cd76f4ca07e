//! What became of a notice: receipts.

use forecall_types::{EventTime, IncidentId, IntentState, Receipt, RejectReason};

use super::domain::{Domain, Office};
use super::record::Thread;
use super::thread::LastTold;

/// How far an intent has come. Backward moves are old news; only an unknown end may still turn out to be another.
const fn rank(state: IntentState) -> u8 {
    match state {
        IntentState::Planned => 0,
        IntentState::Sending => 1,
        IntentState::Accepted => 2,
        IntentState::Delivered | IntentState::Failed | IntentState::Unknown => 3,
    }
}

const fn follows(now: IntentState, before: IntentState) -> bool {
    rank(now) > rank(before)
        || (matches!(before, IntentState::Unknown)
            && matches!(
                now,
                IntentState::Accepted | IntentState::Delivered | IntentState::Failed
            ))
}

const fn reached(state: IntentState) -> bool {
    matches!(state, IntentState::Accepted | IntentState::Delivered)
}

impl Domain {
    /// A gateway has answered. Returns the incident if one more person's message was accepted by it.
    pub(crate) fn on_receipt(&mut self, receipt: &Receipt, office: &mut Office<'_>) -> Option<IncidentId> {
        if receipt.notice.is_answer() {
            // Who got no answer asks again; the incident was told to nobody by it.
            return None;
        }
        let thread = self
            .notices
            .get(&receipt.notice)
            .and_then(|incident| self.threads.get_mut(incident));
        let Some(thread) = thread else {
            office.effects.reject(
                RejectReason::Late,
                "a receipt for a notice that isn't kept any more",
            );
            return None;
        };
        thread.on_receipt(receipt, office)
    }
}

impl Thread {
    fn on_receipt(&mut self, receipt: &Receipt, office: &mut Office<'_>) -> Option<IncidentId> {
        let index = self.records.iter().position(|r| r.notice.id == receipt.notice)?;
        let record = self.records.get_mut(index)?;
        let Some(sent) = record.intents.get_mut(&receipt.intent) else {
            office
                .effects
                .reject(RejectReason::Late, "a receipt for an intent that wasn't planned");
            return None;
        };
        let before = sent.state;
        if !follows(receipt.state, before) {
            office
                .effects
                .reject(RejectReason::Duplicate, "a receipt that says nothing new");
            return None;
        }
        sent.state = receipt.state;
        let person = sent.person;
        record.shift(before, false);
        record.shift(receipt.state, true);
        record.dirty = true;
        let after = LastTold::after(record.notice.stage, record.facts.eta.is_some());
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let told = self.told.get_mut(&person).filter(|t| t.notice == number);
        if receipt.state == IntentState::Failed {
            if let Some(told) = told {
                told.last = told.before;
                told.messages = told.messages.saturating_sub(1);
            }
            if !record.closed {
                // At the next tick another channel of theirs is tried.
                record.retry_at = Some(receipt.at);
            }
        } else if let Some(told) = told
            && told.last != after
        {
            // It was taken back, and left all the same: they were told after all, so they hear the rest too.
            told.last = after;
            self.look_again = true;
        }
        self.ramp_answer(
            index,
            receipt.state,
            receipt.at,
            (office.settings, &mut *office.effects),
        );
        let record = self.records.get_mut(index)?;
        let newly = reached(receipt.state) && !reached(before);
        if newly {
            let first = record.notice.first_accepted_at;
            record.notice.first_accepted_at =
                Some(first.map_or(receipt.at, |t: EventTime| t.min(receipt.at)));
        }
        // A rehearsal spares no call.
        (newly && self.drill_until.is_none()).then(|| self.incident.id.clone())
    }
}
