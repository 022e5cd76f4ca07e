//! What people announced: how it changes the judging of the series it is about.
//!
//! | announced | while it holds | after its end |
//! |---|---|---|
//! | deployment, change of settings, load test | a deviation counts as if it were half as far off | the same for what began within it and hasn't been normal since, until that is the new normal |
//! | maintenance | nothing opens, and no silence is told | a silence counts from its end |
//!
//! What is open already goes on as ever. Nothing here is asked for an ordinary sample: only for one that might open something, or
//! that has been abnormal for long.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use forecall_types::{
    CONTEXT_NOTES_MAX, ContextKind, ContextNote, ContextRecord, DomainName, EventTime, SeriesKey,
};
use serde::{Deserialize, Serialize};

/// Contexts that a partition knows: more are planned at once by nobody, and at 17 KiB each, the most their words take, they stay
/// below 5 MiB. A further one is refused.
pub(crate) const CONTEXTS_MAX: usize = 256;
/// So many times as far off a deviation must be while a deployment, a change of settings or a load test holds.
const WIDEN: f64 = 2.0;
/// So many times as long a silence must last meanwhile.
const SILENCE_TIMES: u32 = 2;
/// What began with a deployment and hasn't been normal since is the new normal after so long, if nothing was told of it.
const SETTLED_AFTER: Duration = Duration::from_secs(30 * 60);
/// A context is remembered for so long after its end: a series with a sample every five minutes has settled by then.
const KEPT_AFTER: Duration = Duration::from_secs(2 * 3_600);

/// Maintenance for so long: a silence from within it is judged after twenty intervals, that is of a series with a sample an hour and more.
const MAINTENANCE_KEPT_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// How a sample is judged by what was announced of its series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    /// Deviations are divided by this.
    pub(crate) widen: f64,
    /// Nothing opens.
    pub(crate) is_quiet: bool,
    /// What stays abnormal and untold for so long is the new normal.
    pub(crate) settled_after: Option<Duration>,
}

impl Frame {
    /// Nothing was announced.
    pub(crate) const ORDINARY: Self = Self {
        widen: 1.0,
        is_quiet: false,
        settled_after: None,
    };

    /// Whether it judges as if nothing were announced.
    pub(crate) const fn is_ordinary(self) -> bool {
        self.widen <= 1.0 && !self.is_quiet
    }
}

/// How a silence is judged by what was announced of who is silent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Ease {
    /// Up to then it was maintenance: what went before is nobody's silence.
    pub(crate) excused_until: Option<EventTime>,
    /// Until then it must have lasted so many times as long.
    pub(crate) widened: Option<(EventTime, u32)>,
}

/// What is known of, by domain and id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Contexts {
    known: BTreeMap<(DomainName, String), ContextRecord>,
    /// When the first begins and the last is forgotten; it follows from them.
    #[serde(skip)]
    near: Option<(EventTime, EventTime)>,
    /// When the first is forgotten.
    #[serde(skip)]
    next: Option<EventTime>,
}

fn forgotten_at(context: &ContextRecord) -> EventTime {
    let kept = match context.parts().kind {
        ContextKind::Maintenance => MAINTENANCE_KEPT_AFTER,
        ContextKind::Deployment | ContextKind::ConfigChange | ContextKind::LoadTest => KEPT_AFTER,
    };
    context.parts().until.plus(kept)
}

impl Contexts {
    /// Takes note of what was announced, in place of what had its id before. `appended_at`: when. Says whether there was room.
    pub(crate) fn announce(
        &mut self,
        domain: &DomainName,
        context: &ContextRecord,
        (watermark, appended_at): (EventTime, EventTime),
    ) -> bool {
        let key = (domain.clone(), context.parts().id.clone());
        self.known.remove(&key);
        // What is over before any sample to come may just have ended another one; so may one that lasts for no time.
        let is_over = forgotten_at(context) <= watermark || context.parts().until <= context.parts().from;
        let has_room = is_over || self.make_room(appended_at);
        if has_room && !is_over {
            self.known.insert(key, context.clone());
        }
        self.rebuild();
        has_room
    }

    /// Where there is none, the one that ended first gives way, if it was over when the new one was announced: at a cold start many
    /// old ones come before the first sample.
    fn make_room(&mut self, appended_at: EventTime) -> bool {
        if self.known.len() < CONTEXTS_MAX {
            return true;
        }
        let first = self.known.iter().min_by_key(|(_, c)| c.parts().until);
        let over = first.filter(|(_, c)| forgotten_at(c) <= appended_at);
        match over.map(|(key, _)| key.clone()) {
            Some(key) => self.known.remove(&key).is_some(),
            None => false,
        }
    }

    /// Forgets what no sample to come can meet.
    pub(crate) fn forget(&mut self, watermark: EventTime) {
        if self.next.is_some_and(|next| next <= watermark) {
            self.known.retain(|_, c| forgotten_at(c) > watermark);
            self.rebuild();
        }
    }

    /// Finds anew what isn't saved.
    pub(crate) fn rebuild(&mut self) {
        let known = || self.known.values();
        let first = known().map(|c| c.parts().from).min();
        self.near = first.zip(known().map(forgotten_at).max());
        self.next = known().map(forgotten_at).min();
    }

    /// Knows what another part of the same topic knows: all have read the same.
    pub(crate) fn adopt(&mut self, other: &Self) {
        self.known.extend(other.known.clone());
        self.rebuild();
    }

    /// Whether anything may matter at that time: a look at two times.
    pub(crate) fn is_near(&self, at: EventTime) -> bool {
        self.near.is_some_and(|(first, last)| first <= at && at < last)
    }

    fn of<'c>(
        &'c self,
        domain: &'c DomainName,
        series: &'c SeriesKey,
    ) -> impl Iterator<Item = &'c ContextRecord> {
        self.known
            .iter()
            .filter(move |((of, _), context)| of == domain && context.is_about(series))
            .map(|(_, context)| context)
    }

    /// How a sample is judged; `abnormal_since`: since when its series has been abnormal.
    pub(crate) fn frame(
        &self,
        (domain, series): (&DomainName, &SeriesKey),
        at: EventTime,
        abnormal_since: Option<EventTime>,
    ) -> Frame {
        let mut frame = Frame::ORDINARY;
        for context in self.of(domain, series) {
            let holds = context.covers(at);
            let began_within = abnormal_since.is_some_and(|since| context.covers(since));
            match context.parts().kind {
                ContextKind::Maintenance => frame.is_quiet |= holds,
                ContextKind::Deployment | ContextKind::ConfigChange | ContextKind::LoadTest => {
                    if holds || began_within && at < forgotten_at(context) {
                        frame.widen = WIDEN;
                    }
                    if began_within {
                        frame.settled_after = Some(SETTLED_AFTER);
                    }
                }
            }
        }
        frame
    }

    /// How a silence is judged that has lasted since then.
    pub(crate) fn ease(
        &self,
        (domain, series): (&DomainName, &SeriesKey),
        (since, at): (EventTime, EventTime),
    ) -> Ease {
        let mut ease = Ease::default();
        if !self.is_near(at) {
            return ease;
        }
        for context in self.of(domain, series).filter(|c| c.overlaps(since, at)) {
            let until = context.parts().until;
            match context.parts().kind {
                ContextKind::Maintenance => ease.excused_until = ease.excused_until.max(Some(until)),
                ContextKind::Deployment | ContextKind::ConfigChange | ContextKind::LoadTest => {
                    if context.covers(at) {
                        ease.widened = ease.widened.max(Some((until, SILENCE_TIMES)));
                    }
                }
            }
        }
        ease
    }

    /// Whether anything was announced of a series for any time between the two.
    pub(crate) fn touches(
        &self,
        (domain, series): (&DomainName, &SeriesKey),
        (from, to): (EventTime, EventTime),
    ) -> bool {
        self.of(domain, series).any(|context| context.overlaps(from, to))
    }

    /// What an anomaly tells: the ones that began last.
    pub(crate) fn notes(
        &self,
        (domain, series): (&DomainName, &SeriesKey),
        (from, to): (EventTime, EventTime),
    ) -> Vec<ContextNote> {
        let mut found: Vec<&ContextRecord> = self
            .of(domain, series)
            .filter(|context| context.overlaps(from, to))
            .collect();
        found.sort_by_key(|context| Reverse(context.parts().from));
        found.truncate(CONTEXT_NOTES_MAX);
        found.into_iter().map(ContextRecord::note).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use forecall_types::{ContextParts, Labels};

    use super::*;

    fn of(kind: ContextKind, id: &str, from: i64, until: i64) -> ContextRecord {
        ContextRecord::new(ContextParts {
            kind,
            id: id.to_owned(),
            from: EventTime::from_secs(from),
            until: EventTime::from_secs(until),
            matches: BTreeMap::from([("service.name".to_owned(), "shop".to_owned())]),
            title: None,
        })
        .unwrap()
    }

    fn series() -> SeriesKey {
        SeriesKey {
            metric: Arc::from("m"),
            unit: Arc::from(""),
            resource: Labels::from_pairs([("service.name", "shop")]),
            labels: Labels::default(),
        }
    }

    fn known(contexts: &[ContextRecord]) -> (Contexts, DomainName) {
        let (mut known, domain) = (Contexts::default(), DomainName::new("isp").unwrap());
        for context in contexts {
            assert!(known.announce(&domain, context, (EventTime::MIN, EventTime::MIN)));
        }
        (known, domain)
    }

    #[test]
    fn the_table_of_what_holds() {
        let kinds = [
            ContextKind::Deployment,
            ContextKind::ConfigChange,
            ContextKind::LoadTest,
        ];
        for kind in kinds {
            let (known, domain) = known(&[of(kind, "a", 100, 200)]);
            let frame = |at: i64, since: Option<i64>| {
                let since = since.map(EventTime::from_secs);
                let frame = known.frame((&domain, &series()), EventTime::from_secs(at), since);
                assert!(!frame.is_quiet);
                (frame.widen > 1.0, frame.settled_after.map(|d| d.as_secs()))
            };
            assert_eq!(frame(99, None), (false, None));
            assert_eq!(frame(100, None), (true, None));
            assert_eq!(frame(199, Some(50)), (true, None), "it began before");
            assert_eq!(frame(199, Some(150)), (true, Some(1_800)));
            assert_eq!(frame(200, None), (false, None));
            assert_eq!(frame(200, Some(200)), (false, None), "it began after");
            assert_eq!(frame(7_399, Some(199)), (true, Some(1_800)));
            assert!(!frame(7_400, Some(199)).0);
        }
        let (known, domain) = known(&[
            of(ContextKind::Maintenance, "a", 100, 200),
            of(ContextKind::Deployment, "b", 150, 300),
        ]);
        let frame = |at| known.frame((&domain, &series()), EventTime::from_secs(at), None);
        assert!(frame(100).is_quiet && frame(100).widen <= 1.0);
        assert!(frame(199).is_quiet && frame(199).widen > 1.0);
        assert!(!frame(200).is_quiet && frame(200).widen > 1.0);
        assert!(frame(300).is_ordinary());
    }

    #[test]
    fn maintenance_excuses_the_silence_of_a_slow_series_hours_after_its_end() {
        let (known, domain) = known(&[of(ContextKind::Maintenance, "m", 0, 3_600)]);
        let at = EventTime::from_secs;
        let excused = |until| {
            known
                .ease((&domain, &series()), (at(1_800), at(until)))
                .excused_until
        };
        assert_eq!(excused(3_600 + 23 * 3_600), Some(at(3_600)));
        assert_eq!(excused(3_600 + 25 * 3_600), None);
        assert!(known.touches((&domain, &series()), (at(1_800), at(50_000))));
    }

    #[test]
    fn an_anomaly_names_those_that_began_last() {
        let many: Vec<ContextRecord> = (0..12)
            .map(|i| of(ContextKind::Deployment, &format!("d{i}"), i, 100 + i))
            .collect();
        let (mut known, domain) = known(&many);
        let at = EventTime::from_secs;
        let notes = |known: &Contexts, from, to| {
            let notes = known.notes((&domain, &series()), (at(from), at(to)));
            notes
                .iter()
                .map(|n| n.id.to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(notes(&known, 50, 60), "d11 d10 d9 d8 d7 d6 d5 d4");
        assert_eq!(notes(&known, 110, 120), "d11");
        assert_eq!(notes(&known, 111, 120), "");
        assert!(known.is_near(at(0)) && known.is_near(at(7_310)) && !known.is_near(at(7_311)));
        known.forget(at(7_305));
        assert_eq!(known.known.len(), 6);
        known.forget(at(7_311));
        assert!(known.known.is_empty() && !known.is_near(at(50)));
    }
}
