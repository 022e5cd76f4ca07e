//! What a contact centre is judged by, from its own records, each rate with its denominator.
//!
//! Records are taken in one by one; what is kept grows with the groups asked for (a day of a queue, say) and the customers of the
//! last seven days, not with the calls. A rate whose denominator is empty is no data, never 0 or 100 %.
//!
//! ```
//! use forecall_outreach::calls::kpi::{Call, Kpis, Outcome, Rules};
//! use forecall_types::EventTime;
//! use std::time::Duration;
//! let mut kpis: Kpis<&str> = Kpis::new(Rules::default());
//! let at = EventTime::from_secs(0);
//! for (wait, outcome) in [(10, Outcome::Answered), (40, Outcome::Answered), (3, Outcome::Abandoned), (60, Outcome::Abandoned)] {
//!     let wait = Some(Duration::from_secs(wait));
//!     kpis.call("support", &Call { at, outcome, wait, handle: None, customer: None, issue: None, incident: None });
//! }
//! let of = kpis.tallies().get("support").unwrap().clone();
//! assert_eq!(of.service_level_of_offered().value(), Some(0.25));
//! assert_eq!(of.service_level_less_short().value(), Some(1.0 / 3.0)); // who hung up within 5 s is left out
//! assert_eq!(of.service_level_of_answered().value(), Some(0.5));
//! assert_eq!(of.occupancy().value(), None, "nobody said how long agents were there");
//! ```

mod follow;
mod leads;
mod tally;

use std::collections::BTreeMap;
use std::time::Duration;

use forecall_types::{CallOutcome, CallRecord, EventTime};

pub use follow::CUSTOMERS_MAX;
use follow::Follow;
pub use leads::{Affected, CallInterval, Leads, ToldBefore, excess_at};
pub use tally::{Rate, Scores, Survey, Tally};

#[cfg(test)]
mod tests;

/// A second call within this time is a repeat; an issue without one is solved at the first contact.
pub const REPEAT_WITHIN: Duration = Duration::from_secs(7 * 86_400);

/// How calls are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Calls are to be answered within this time.
    pub within: Duration,
    /// Who gives up sooner hardly waited: a short abandon.
    pub short: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            within: Duration::from_secs(20),
            short: Duration::from_secs(5),
        }
    }
}

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Not known (yet): counted apart, in no rate.
    Open,
    /// An agent took it.
    Answered,
    /// The caller gave up in the queue.
    Abandoned,
    /// It left the queue otherwise.
    Left,
    /// The caller chose to be called back: in no denominator of waiting.
    Callback,
}

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// When it came in.
    pub at: EventTime,
    /// How it went.
    pub outcome: Outcome,
    /// Time in the queue.
    pub wait: Option<Duration>,
    /// Talk, hold and after-call work.
    pub handle: Option<Duration>,
    /// The caller: a pseudonym.
    pub customer: Option<&'a str>,
    /// What it was about, where the centre notes it; else all calls of a customer are about one thing.
    pub issue: Option<&'a str>,
    /// The incident it was about, where that is known.
    pub incident: Option<&'a str>,
}

impl<'a> From<&'a CallRecord> for Call<'a> {
    fn from(record: &'a CallRecord) -> Self {
        Self {
            at: record.arrived_at,
            outcome: match record.outcome {
                CallOutcome::Offered => Outcome::Open,
                CallOutcome::Answered => Outcome::Answered,
                CallOutcome::Abandoned => Outcome::Abandoned,
                CallOutcome::Left => Outcome::Left,
            },
            wait: record.wait,
            handle: record.handle,
            customer: record.customer.as_ref().map(|c| c.as_str()),
            issue: None,
            incident: None,
        }
    }
}

/// Figures by group.
#[derive(Debug, Clone)]
pub struct Kpis<K> {
    rules: Rules,
    tallies: BTreeMap<K, Tally>,
    follow: Follow<K>,
}

impl<K: Ord + Clone> Kpis<K> {
    /// Nothing counted.
    pub const fn new(rules: Rules) -> Self {
        Self {
            rules,
            tallies: BTreeMap::new(),
            follow: Follow::new(),
        }
    }

    /// Takes in a call. Repeats are seen in calls that come in order of time; one out of order counts in all else.
    pub fn call(&mut self, group: K, call: &Call<'_>) {
        let tally = self.tallies.entry(group.clone()).or_default();
        tally.call(self.rules, call);
        if let Some(customer) = call.customer {
            let tallies = &mut self.tallies;
            self.follow.call(&group, customer, call, |group, seen| {
                tallies.entry(group.clone()).or_default().seen(seen);
            });
        }
    }

    /// Takes in time agents were there: talking, wrapping up or waiting for a call, breaks left out.
    pub fn available(&mut self, group: K, time: Duration) {
        self.tallies.entry(group).or_default().available_seconds += time.as_secs_f64();
    }

    /// Takes in an invitation to a survey, with what was answered.
    pub fn survey(&mut self, group: K, survey: Survey) {
        self.tallies.entry(group).or_default().survey(survey);
    }

    /// Calls are known up to here: issues whose seven days are over are solved.
    pub fn end(&mut self, at: EventTime) {
        let tallies = &mut self.tallies;
        self.follow.forget(at, |group, seen| {
            tallies.entry(group.clone()).or_default().seen(seen);
        });
    }

    /// All groups.
    pub const fn tallies(&self) -> &BTreeMap<K, Tally> {
        &self.tallies
    }
}
