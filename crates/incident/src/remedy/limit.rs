//! How often a rule may be called, in event time.

use std::collections::{BTreeMap, VecDeque};

use forecall_types::{EventTime, RemedyName};
use serde::{Deserialize, Serialize};

use super::rule::RemedyRule;

/// Room for one call. Only [`Spent::take`] gives it.
#[derive(Debug)]
pub(super) struct Slot(());

/// When calls of each rule were approved, as far back as its limit reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spent(BTreeMap<RemedyName, VecDeque<EventTime>>);

impl Spent {
    /// Room for a call now, or when there is some again.
    pub(super) fn take(&mut self, rule: &RemedyRule, now: EventTime) -> Result<Slot, EventTime> {
        let limit = rule.parts().limit;
        let spent = self.0.entry(rule.name().clone()).or_default();
        spent.retain(|at| now.since(*at) < limit.within);
        let calls = usize::try_from(limit.calls).unwrap_or(usize::MAX);
        if spent.len() < calls {
            spent.push_back(now);
            return Ok(Slot(()));
        }
        // A limit that has shrunk since: as many must go before there is room.
        let over = spent.len().saturating_sub(calls);
        Err(spent.get(over).map_or(now, |at| at.plus(limit.within)))
    }

    /// Forgets rules that are no more.
    pub(super) fn keep(&mut self, rules: &[RemedyRule]) {
        self.0
            .retain(|name, _| rules.iter().any(|rule| rule.name() == name));
    }
}
