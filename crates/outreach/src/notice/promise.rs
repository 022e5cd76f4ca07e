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

    /// New promises were told.
    pub(crate) fn renew(&mut self, next: Option<EventTime>, eta: Option<EventTime>) {
        *self = Self {
            next,
            eta,
            broken: false,
        };
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
