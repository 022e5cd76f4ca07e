//! Were people told before they called, and how long before?

use forecall_types::EventTime;

/// One affected customer of one incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Affected {
    /// A notice was meant for them: sent, held out, suppressed or not deliverable.
    pub is_planned: bool,
    /// When a gateway first accepted one.
    pub accepted_at: Option<EventTime>,
    /// Their own first contact about it.
    pub contact_at: Option<EventTime>,
}

/// Share of affected customers told before their own first contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ToldBefore {
    /// Accepted before the first contact, or accepted and no contact at all.
    pub told_before: u64,
    /// Customers with a contact or a notice meant for them; who was held out, suppressed or out of reach stays in.
    pub of: u64,
    /// Customers who made a contact.
    pub with_contact: u64,
    /// Of these, told before it.
    pub told_before_contact: u64,
}

impl ToldBefore {
    /// Takes in one customer.
    pub fn take(&mut self, one: Affected) {
        if !one.is_planned && one.accepted_at.is_none() && one.contact_at.is_none() {
            return;
        }
        let before = match (one.accepted_at, one.contact_at) {
            (Some(accepted), Some(contact)) => accepted < contact,
            (Some(_), None) => true,
            (None, _) => false,
        };
        self.of += 1;
        self.told_before += u64::from(before);
        if one.contact_at.is_some() {
            self.with_contact += 1;
            self.told_before_contact += u64::from(before);
        }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            told_before: self.told_before + other.told_before,
            of: self.of + other.of,
            with_contact: self.with_contact + other.with_contact,
            told_before_contact: self.told_before_contact + other.told_before_contact,
        }
    }
}

/// Calls of one interval, and the baseline's 99 % quantile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CallInterval {
    /// Its start.
    pub from: EventTime,
    /// Calls counted.
    pub calls: f64,
    /// At most so many in 99 of 100 ordinary intervals like it.
    pub ordinary_99: f64,
}

/// When calls became more than usual: the start of the first interval from which on the calls since `since` exceed the sum of the
/// baseline's 99 % quantiles. Quantiles are added up as though intervals were off together; that tells late rather than early.
/// Intervals in order of time; none: it never was.
pub fn excess_at(intervals: &[CallInterval], since: EventTime) -> Option<EventTime> {
    let (mut calls, mut ordinary) = (0.0, 0.0);
    for interval in intervals.iter().filter(|interval| interval.from >= since) {
        calls += interval.calls;
        ordinary += interval.ordinary_99;
        if calls > ordinary {
            return Some(interval.from);
        }
    }
    None
}

/// Times of one incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leads {
    /// When customers were hit.
    pub impact_at: Option<EventTime>,
    /// When the incident was published.
    pub published_at: Option<EventTime>,
    /// When a gateway first accepted a notice.
    pub first_accepted_at: Option<EventTime>,
    /// When calls became more than usual.
    pub excess_at: Option<EventTime>,
}

impl Leads {
    /// From the publication to the impact, in seconds; negative: published after it.
    pub fn alert_seconds(&self) -> Option<f64> {
        Some(self.impact_at?.seconds_from(self.published_at?))
    }

    /// From the first accepted notice to the first excess of calls, in seconds; negative: told when they called already.
    pub fn notice_seconds(&self) -> Option<f64> {
        Some(self.excess_at?.seconds_from(self.first_accepted_at?))
    }
}
