//! Who called before: repeats within seven days, and issues that needed one contact.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::EventTime;

use super::{Call, REPEAT_WITHIN};

/// Customers of the last seven days who are followed, about 200 bytes each.
pub const CUSTOMERS_MAX: usize = 5_000_000;
/// Those who haven't called for seven days are forgotten once a day.
const FORGET_EACH: Duration = Duration::from_secs(86_400);

/// What is learned of calls by knowing who called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// A call with a customer.
    Call {
        /// The customer called in the seven days before.
        repeat: bool,
    },
    /// A call about an incident.
    OfIncident {
        /// The customer called about it before.
        repeat: bool,
    },
    /// An issue whose end is known.
    Issue {
        /// Without a second contact.
        solved: bool,
    },
    /// A call that couldn't be followed.
    NotFollowed,
}

#[derive(Debug, Clone)]
struct Issue<K> {
    group: K,
    last: EventTime,
    judged: bool,
}

#[derive(Debug, Clone)]
struct Caller<K> {
    last: EventTime,
    issues: BTreeMap<Option<Arc<str>>, Issue<K>>,
    incidents: BTreeMap<Arc<str>, EventTime>,
}

#[derive(Debug, Clone)]
pub(super) struct Follow<K> {
    callers: BTreeMap<Arc<str>, Caller<K>>,
    latest: Option<EventTime>,
    forgot: Option<EventTime>,
}

impl<K: Clone> Follow<K> {
    pub(super) const fn new() -> Self {
        Self {
            callers: BTreeMap::new(),
            latest: None,
            forgot: None,
        }
    }

    pub(super) fn call(&mut self, group: &K, customer: &str, call: &Call<'_>, mut to: impl FnMut(&K, Seen)) {
        let is_early = self.latest.is_some_and(|latest| call.at < latest);
        let is_full = self.callers.len() >= CUSTOMERS_MAX && !self.callers.contains_key(customer);
        if is_early || is_full {
            to(group, Seen::NotFollowed);
            return;
        }
        self.latest = Some(call.at);
        if self
            .forgot
            .is_none_or(|forgot| call.at.since(forgot) >= FORGET_EACH)
        {
            self.forget(call.at, &mut to);
            self.forgot = Some(call.at);
        }
        let known = self.callers.get(customer).map(|caller| caller.last);
        let repeat = known.is_some_and(|last| call.at.since(last) < REPEAT_WITHIN);
        to(group, Seen::Call { repeat });
        let caller = self.callers.entry(Arc::from(customer)).or_insert_with(|| Caller {
            last: call.at,
            issues: BTreeMap::new(),
            incidents: BTreeMap::new(),
        });
        caller.last = call.at;
        if let Some(incident) = call.incident {
            let before = caller.incidents.insert(Arc::from(incident), call.at);
            let repeat = before.is_some();
            to(group, Seen::OfIncident { repeat });
        }
        let fresh = Issue {
            group: group.clone(),
            last: call.at,
            judged: false,
        };
        match caller.issues.get_mut(&call.issue.map(Arc::from)) {
            Some(issue) if call.at.since(issue.last) < REPEAT_WITHIN => {
                if !issue.judged {
                    to(&issue.group, Seen::Issue { solved: false });
                }
                issue.judged = true;
                issue.last = call.at;
            }
            Some(issue) => {
                if !issue.judged {
                    to(&issue.group, Seen::Issue { solved: true });
                }
                *issue = fresh;
            }
            None => drop(caller.issues.insert(call.issue.map(Arc::from), fresh)),
        }
    }

    /// Judges issues whose seven days are over at `at`, and forgets them.
    pub(super) fn forget(&mut self, at: EventTime, mut to: impl FnMut(&K, Seen)) {
        self.callers.retain(|_, caller| {
            caller.issues.retain(|_, issue| {
                let over = at.since(issue.last) >= REPEAT_WITHIN;
                if over && !issue.judged {
                    to(&issue.group, Seen::Issue { solved: true });
                }
                !over
            });
            caller.incidents.retain(|_, last| at.since(*last) < REPEAT_WITHIN);
            at.since(caller.last) < REPEAT_WITHIN
        });
    }
}
