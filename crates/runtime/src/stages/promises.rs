//! What notices promised and what became of it, for metrics alone: kept in memory, not in any state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forecall_types::{EventTime, IncidentId, Notice, NoticeId, NoticeStage};

/// Threads and drafts that are followed at once; of more the promises aren't counted.
const FOLLOWED_MAX: usize = 4_096;

/// What was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// By when there is news.
    News,
    /// By when it is over.
    End,
}

impl Promise {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::News => "news",
            Self::End => "end",
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Told in time.
    Kept,
    /// Its time passed.
    Broken,
    /// Another end was told before the first one had passed.
    Moved,
}

impl Fate {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Broken => "broken",
            Self::Moved => "moved",
        }
    }
}

/// One incident's story, as customers were told it.
#[derive(Default)]
struct Thread {
    told: BTreeSet<NoticeId>,
    news: Option<EventTime>,
    end: Option<EventTime>,
}

#[derive(Default)]
pub(super) struct PromiseBook {
    threads: BTreeMap<IncidentId, Thread>,
    drafted: BTreeMap<NoticeId, EventTime>,
}

/// What a notice's revision tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) fates: Vec<(Promise, Fate)>,
    /// From the draft to the first message that a gateway took.
    pub(super) accepted_after: Option<Duration>,
}

const fn in_time(at: EventTime, promised: EventTime) -> Fate {
    if at.nanos() <= promised.nanos() {
        Fate::Kept
    } else {
        Fate::Broken
    }
}

impl PromiseBook {
    /// Takes in a revision of a notice. It counts as told when a gateway has taken its first message.
    pub(super) fn note(&mut self, notice: &Notice) -> Noted {
        let mut noted = Noted::default();
        let Some(at) = notice.first_accepted_at else {
            if notice.revision == 1 && self.drafted.len() < FOLLOWED_MAX {
                self.drafted.insert(notice.id.clone(), notice.at);
            }
            return noted;
        };
        if let Some(drafted) = self.drafted.remove(&notice.id) {
            noted.accepted_after = Some(at.since(drafted));
        }
        if !self.threads.contains_key(&notice.incident) && self.threads.len() >= FOLLOWED_MAX {
            return noted;
        }
        let thread = self.threads.entry(notice.incident.clone()).or_default();
        if !thread.told.insert(notice.id.clone()) {
            return noted;
        }
        if let Some(promised) = thread.news.take() {
            noted.fates.push((Promise::News, in_time(at, promised)));
        }
        match notice.stage {
            NoticeStage::Predicted
            | NoticeStage::Confirmed
            | NoticeStage::Progress
            | NoticeStage::EtaChanged => {
                if thread.end.is_some_and(|end| notice.eta != Some(end)) {
                    noted.fates.push((Promise::End, Fate::Moved));
                }
                (thread.news, thread.end) = (notice.next_update, notice.eta);
            }
            NoticeStage::Resolved | NoticeStage::AllClear | NoticeStage::Averted => {
                if let Some(promised) = thread.end.take() {
                    noted.fates.push((Promise::End, in_time(at, promised)));
                }
                self.threads.remove(&notice.incident);
            }
            // What was wrong promised nothing.
            NoticeStage::Retraction => {
                self.threads.remove(&notice.incident);
            }
        }
        noted
    }

    /// Promises whose time has passed without a word.
    pub(super) fn passed(&mut self, now: EventTime) -> Vec<(Promise, Fate)> {
        let mut fates = Vec::new();
        for thread in self.threads.values_mut() {
            if thread.news.take_if(|promised| *promised < now).is_some() {
                fates.push((Promise::News, Fate::Broken));
            }
            if thread.end.take_if(|promised| *promised < now).is_some() {
                fates.push((Promise::End, Fate::Broken));
            }
        }
        // Nobody asks any more of a draft that was taken back or dropped.
        let old = now.minus(Duration::from_secs(86_400));
        self.drafted.retain(|_, at| *at > old);
        fates
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use forecall_types::{DomainName, NoticeState};

    use super::*;

    fn minute(n: i64) -> EventTime {
        EventTime::from_secs(n * 60)
    }

    fn notice(id: &str, stage: NoticeStage, accepted: Option<i64>, promised: [Option<i64>; 2]) -> Notice {
        let [news, end] = promised;
        Notice {
            id: id.parse().unwrap(),
            revision: if accepted.is_some() { 2 } else { 1 },
            domain: DomainName::new("isp").unwrap(),
            incident: "inc_2d6f8h1j3k5m7p9r".parse().unwrap(),
            incident_revision: 1,
            stage,
            state: NoticeState::Sending,
            at: minute(0),
            audience: 1,
            intents: 1,
            progress: BTreeMap::new(),
            withheld: BTreeMap::new(),
            channels: BTreeMap::new(),
            texts: Vec::new(),
            text_fingerprint: Arc::from(""),
            no_call_needed: false,
            next_update: news.map(minute),
            eta: end.map(minute),
            hold_out: None,
            ramp: None,
            untrue: 0,
            first_accepted_at: accepted.map(minute),
            reason: String::new(),
            simulated: false,
        }
    }

    const FIRST: &str = "ntc_2d6f8h1j3k5m7p9r";
    const SECOND: &str = "ntc_3d6f8h1j3k5m7p9r";
    const THIRD: &str = "ntc_4d6f8h1j3k5m7p9r";

    fn told(noted: Noted) -> String {
        let fates = noted
            .fates
            .iter()
            .map(|(p, f)| format!("{} {}", p.as_str(), f.as_str()));
        fates.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn news_in_time_keeps_a_promise_and_an_end_that_comes_by_then_too() {
        let mut book = PromiseBook::default();
        assert_eq!(
            book.note(&notice(FIRST, NoticeStage::Confirmed, None, [None, None])),
            Noted::default()
        );
        let first = book.note(&notice(
            FIRST,
            NoticeStage::Confirmed,
            Some(2),
            [Some(30), Some(60)],
        ));
        assert_eq!(first.accepted_after, Some(Duration::from_secs(120)));
        assert!(first.fates.is_empty());
        // Another revision of the same notice is no news.
        assert_eq!(
            book.note(&notice(
                FIRST,
                NoticeStage::Confirmed,
                Some(2),
                [Some(30), Some(60)]
            )),
            Noted::default()
        );
        assert!(book.passed(minute(30)).is_empty());
        let second = notice(SECOND, NoticeStage::Progress, Some(30), [Some(50), Some(70)]);
        assert_eq!(told(book.note(&second)), "news kept, end moved");
        let third = notice(THIRD, NoticeStage::Resolved, Some(45), [None, None]);
        assert_eq!(told(book.note(&third)), "news kept, end kept");
        assert!(book.passed(minute(999)).is_empty(), "its story is over");
    }

    #[test]
    fn silence_breaks_each_promise_once() {
        let mut book = PromiseBook::default();
        book.note(&notice(
            FIRST,
            NoticeStage::Confirmed,
            Some(2),
            [Some(30), Some(60)],
        ));
        assert_eq!(book.passed(minute(31)), [(Promise::News, Fate::Broken)]);
        assert!(book.passed(minute(60)).is_empty());
        assert_eq!(book.passed(minute(61)), [(Promise::End, Fate::Broken)]);
        let late = notice(SECOND, NoticeStage::Resolved, Some(90), [None, None]);
        assert_eq!(told(book.note(&late)), "", "told as broken already");
        book.note(&notice(
            FIRST,
            NoticeStage::Confirmed,
            Some(100),
            [Some(110), None],
        ));
        let late = notice(THIRD, NoticeStage::Progress, Some(111), [None, None]);
        assert_eq!(told(book.note(&late)), "news broken", "before anybody looked");
    }
}
