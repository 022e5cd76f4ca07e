//! What was promised, by when it is kept, and when it is broken.

use std::time::Duration;

use forecall_types::{EventTime, Incident, NoticeStage};
use serde::{Deserialize, Serialize};

use super::thread::News;
use crate::settings::PromiseSettings;

/// Promised times end on whole five minutes, rounded down: kept a little early rather than broken.
const PROMISE_STEP: Duration = Duration::from_secs(5 * 60);

const fn minutes(n: u32) -> Duration {
    // Widened: a number of minutes in 32 bits is at most 8,000 years.
    Duration::from_secs(n as u64 * 60)
}

/// By when the next news comes, for a message of `stage` written at `at`; `None` where the story ends. Of a prediction,
/// at the expected onset at the latest.
pub(crate) fn next_update(
    stage: NoticeStage,
    incident: &Incident,
    at: EventTime,
    settings: &PromiseSettings,
) -> Option<EventTime> {
    let next = at.plus(minutes(settings.next_minutes)).floor(PROMISE_STEP);
    match stage {
        // Of planned work nobody is told how it goes on, so that mustn't be promised.
        NoticeStage::Predicted if incident.work.is_some() => None,
        NoticeStage::Predicted => {
            let onset = incident.onset_predicted.map(|t| t.floor(PROMISE_STEP));
            Some(onset.map_or(next, |onset| onset.min(next)))
        }
        NoticeStage::Confirmed | NoticeStage::Progress | NoticeStage::EtaChanged => Some(next),
        NoticeStage::Resolved | NoticeStage::AllClear | NoticeStage::Averted | NoticeStage::Retraction => {
            None
        }
    }
}

/// The promises of one thread.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Promises {
    /// By when news was promised.
    pub(crate) next: Option<EventTime>,
    /// The end that was told.
    pub(crate) eta: Option<EventTime>,
    /// One of them was broken and nothing was told since.
    broken: bool,
    /// The ends that were told, the first first; one more than may be changed at most.
    ends: Vec<EventTime>,
}

/// Why an end isn't told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndRefused {
    /// It was told anew as often as may be.
    TooOften,
    /// A nearer end was told before, and this one is later: whoever was given hope isn't disappointed a second time by a number.
    LaterAfterSooner,
}

/// Whether a new end may be told to people who were told these ends before, in this order.
///
/// ```
/// use forecall_outreach::{EndRefused, may_tell_end};
/// use forecall_types::EventTime;
/// let minute = |n: i64| EventTime::from_secs(n * 60);
/// assert_eq!(may_tell_end(&[minute(60)], minute(90), 2), Ok(()));
/// assert_eq!(may_tell_end(&[minute(90), minute(60)], minute(70), 2), Err(EndRefused::LaterAfterSooner));
/// assert_eq!(may_tell_end(&[minute(60), minute(70), minute(80)], minute(90), 2), Err(EndRefused::TooOften));
/// ```
///
/// # Errors
/// Why it isn't told.
pub fn may_tell_end(told: &[EventTime], end: EventTime, changes_max: u8) -> Result<(), EndRefused> {
    let changes = told.iter().zip(told.iter().skip(1));
    let was_shortened = changes.clone().any(|(earlier, later)| later < earlier);
    match told.last() {
        None => Ok(()),
        Some(last) if *last == end => Ok(()),
        Some(_) if changes.count() >= usize::from(changes_max) => Err(EndRefused::TooOften),
        Some(last) if *last < end && was_shortened => Err(EndRefused::LaterAfterSooner),
        Some(_) => Ok(()),
    }
}

impl Promises {
    /// Whether one is broken at `at`.
    pub(crate) fn overdue(&self, at: EventTime) -> bool {
        self.broken || self.next.is_some_and(|t| t < at) || self.eta.is_some_and(|t| t <= at)
    }

    /// What must be told now so that no promise breaks in silence. Each promise asks once: if nobody could be told, it
    /// counts as broken.
    pub(crate) fn due(&mut self, at: EventTime, settings: &PromiseSettings) -> Option<News> {
        if self.eta.is_some_and(|eta| eta <= at) {
            return Some(News::EtaLost);
        }
        let before = minutes(settings.before_minutes);
        self.next
            .is_some_and(|next| next.minus(before) <= at)
            .then_some(News::PromiseDue)
    }

    /// `news` was due and has been dealt with, without anybody hearing of it.
    pub(crate) fn break_for(&mut self, news: News) {
        self.broken = true;
        self.next = None;
        if news == News::EtaLost {
            self.eta = None;
        }
    }

    /// What may be told of an end that is expected now: itself; the nearer one that was told, no; the later one that was told, since
    /// to be early breaks nothing; else none.
    pub(crate) fn end_to_tell(
        &self,
        end: Option<EventTime>,
        at: EventTime,
        settings: &PromiseSettings,
    ) -> Option<EventTime> {
        let end = end?;
        match may_tell_end(&self.ends, end, settings.end_changes_max) {
            Ok(()) => Some(end),
            Err(EndRefused::TooOften | EndRefused::LaterAfterSooner) => {
                self.eta.filter(|told| *told >= end && *told > at)
            }
        }
    }

    /// New promises were told.
    pub(crate) fn renew(&mut self, next: Option<EventTime>, eta: Option<EventTime>) {
        (self.next, self.eta, self.broken) = (next, eta, false);
        if let Some(eta) = eta.filter(|eta| self.ends.last() != Some(eta)) {
            self.ends.push(eta);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_asks_in_time_and_once() {
        let settings = PromiseSettings::default();
        let minute = |n: i64| EventTime::from_secs(n * 60);
        let mut promises = Promises::default();
        promises.renew(Some(minute(60)), Some(minute(90)));
        assert_eq!(promises.due(minute(54), &settings), None);
        assert_eq!(promises.due(minute(55), &settings), Some(News::PromiseDue));
        assert!(!promises.overdue(minute(60)));
        assert!(promises.overdue(minute(61)));
        promises.break_for(News::PromiseDue);
        assert_eq!(promises.due(minute(80), &settings), None);
        assert!(promises.overdue(minute(62)), "nobody heard anything yet");
        assert_eq!(promises.due(minute(90), &settings), Some(News::EtaLost));
        promises.break_for(News::EtaLost);
        assert_eq!(promises.due(minute(91), &settings), None);
        promises.renew(Some(minute(150)), None);
        assert!(!promises.overdue(minute(92)));
    }
}
